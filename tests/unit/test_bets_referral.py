"""Referrals: a stake above the maximum waits for a trader, who accepts it, refuses it, or offers something else."""

from collections.abc import Callable

import msgspec
import pytest

from matchday.config import Bets as BetSettings
from matchday.model.acceptance import TraderAnswer
from matchday.model.bet import Policy
from matchday.model.ledger import (
    AccountStatus,
    Answer,
    GrantFreeBet,
    Moment,
    Offer,
    Refusal,
    SetLimit,
    SetStatus,
    Transfer,
    offer_id,
)
from matchday.model.market import MarketStatus
from matchday.model.messages import BetAccepted, BetReferred, BetRefused
from matchday.ports import LedgerUnavailable
from matchday.services.bets import Bets
from tests.unit.doors import MoodyLedger, no_joint_price
from tests.unit.gates import Table, Told

HOUSE = BetSettings(delay_ms=0, stake_max=500, referral_stake_max=5_000, referral_ms=60_000, offer_ms=30_000)
ACCEPTS, REFUSES = TraderAnswer(accept=True), TraderAnswer(reason="not today")


class Traders(Table):
    """A table whose bets above 500 a trader hears of."""

    def __init__(self, *settings: BetSettings) -> None:
        super().__init__(*(settings or (HOUSE,)))
        self.offer("G:1x2")
        self.fan()

    def referred(self, stake: int = 1_000, **changes: object) -> Answer:
        """A bet that now waits for a trader."""
        answer = self.now(self.bet(stake, refer=True, **changes))  # type: ignore[arg-type]
        assert answer.pending_until_ms
        return answer

    def trader(self, id_: str, says: TraderAnswer, gate: int = 0) -> Answer | Moment | None:
        """What comes of a trader's answer."""
        told: list[Answer | Moment | None] = []
        self.rooms[gate].answer_referral("anna", id_, says, told.append)
        self.clock.run_for(0)
        (answer,) = told
        return answer

    def refused_as(self, id_: str, says: TraderAnswer) -> Refusal | None:
        answer = self.trader(id_, says)
        assert isinstance(answer, Answer)
        return answer.refusal

    def facts(self) -> list[object]:
        return list(self.core.facts(0, 1_000))


@pytest.mark.parametrize(
    ("changes", "referred"),
    [
        ({}, True),
        ({"refer": False}, False),  # the fan did not ask for it
        ({"stake": 5_000}, True),
        ({"stake": 5_001}, False),  # more than traders are asked about
        ({"stake": 500}, False),  # taken at once
        ({"free_bet": "free1"}, False),  # is what it is
    ],
)
def test_what_is_referred(changes: dict[str, object], referred: bool) -> None:
    desk = Traders()
    now = desk.clock.now_ms()
    desk.commit(GrantFreeBet("g", "anna", "free1", 1_000, "EUR", now + 10_000, now))
    asked = {"stake": 1_000, "refer": True, **changes}
    answer = desk.now(desk.bet(**asked))  # type: ignore[arg-type]
    assert bool(answer.pending_until_ms) == referred
    assert bool(desk.core.referrals(now + 60_000, 10)) == referred


def test_a_return_above_the_maximum_is_referred_too() -> None:
    desk = Traders(BetSettings(delay_ms=0, return_max=1_000))
    assert desk.referred(500).pending_until_ms == desk.clock.now_ms() + 60_000


@pytest.mark.parametrize(
    ("happens", "refusal"),
    [
        (lambda desk: desk.commit(SetLimit("l", "anna", 999, desk.clock.now_ms())), Refusal.STAKE_LIMIT_REACHED),
        (lambda desk: desk.commit(Transfer("w", "anna", -99_001, "EUR", "w", 0)), Refusal.INSUFFICIENT_FUNDS),
        (lambda desk: desk.offer(status=MarketStatus.SUSPENDED), Refusal.MARKET_SUSPENDED),
    ],
)
def test_what_would_be_refused_anyhow_is_not_referred(happens: Callable[[Traders], object], refusal: Refusal) -> None:
    desk = Traders()
    happens(desk)
    answer = desk.now(desk.bet(1_000, refer=True))
    assert (answer.refusal, answer.pending_until_ms) == (refusal, 0)


FEW = msgspec.structs.replace(HOUSE, referrals_account_max=2)


@pytest.mark.parametrize("gates", [1, 2])
def test_of_one_account_only_so_many_wait_whichever_gate_they_came_to(gates: int) -> None:
    """One account once had two thousand waiting on one balance, and traders saw nobody else's."""
    desk = Traders(*[FEW] * gates)
    desk.fan("bert")
    told = [desk.place(desk.bet(1_000 + n, refer=True), gate=n % gates) for n in range(4)]
    desk.clock.run_for(0)
    assert sorted(one.refusal or "pending" for one in told) == ["pending"] * 2 + ["stake_above_maximum"] * 2
    answers = [one.answer for one in told if one.refusal]
    assert {(answer.stake_max, answer.repeated) for answer in answers} == {(500, False)}
    assert all("wait for a trader" in answer.detail for answer in answers)
    assert [one.command.account for one in desk.core.referrals(10**15, 10)] == ["anna"] * 2
    assert desk.now(desk.bet(1_000, refer=True, account="bert")).pending_until_ms
    assert desk.now(desk.bet(500, refer=True)).refusal is None  # what is taken at once


def test_what_no_trader_hears_of_is_refused_as_where_none_was_asked_for() -> None:
    desk = Traders(msgspec.structs.replace(FEW, stake_max=100_000, return_max=1_000, referrals_account_max=1))
    desk.referred(500)
    refused = [desk.now(desk.bet(500, refer=refer)) for refer in (True, False)]
    assert {(answer.refusal, answer.stake_max) for answer in refused} == {(Refusal.RETURN_ABOVE_MAXIMUM, 400)}


@pytest.mark.parametrize("says", [ACCEPTS, REFUSES, TraderAnswer(stake=700), None])
def test_whatever_becomes_of_a_referral_another_may_wait(says: TraderAnswer | None) -> None:
    """None: nobody answers. The trader's word is at another gate, and counts at this one."""
    desk = Traders(FEW, FEW)
    ids = [desk.referred().id for _ in range(2)]
    bet = desk.bet(1_000, refer=True)
    assert desk.now(bet).refusal == Refusal.STAKE_ABOVE_MAXIMUM
    if says is None:
        desk.clock.run_for(60_000)
        desk.heard()
    else:
        desk.trader(ids[0], says, gate=1)
    assert desk.referred().pending_until_ms
    again = desk.now(bet)  # it has its answer
    assert (again.refusal, again.repeated) == (Refusal.STAKE_ABOVE_MAXIMUM, True)


def test_a_referral_reserves_nothing_and_is_told() -> None:
    desk = Traders()
    answer = desk.referred()
    assert (desk.view().balance, desk.core.all_guards(), desk.core.open_bets()) == (100_000, {}, 0)
    assert answer.pending_until_ms == desk.clock.now_ms() + 60_000
    last = desk.facts()[-1]
    assert isinstance(last, BetReferred)
    assert (last.id, last.until_ms) == (answer.id, answer.pending_until_ms)


def test_the_same_id_hears_that_it_is_pending_until_the_trader_has_answered() -> None:
    desk = Traders()
    bet = desk.bet(1_000, refer=True)
    first = desk.now(bet)
    again = desk.now(bet)
    assert (again.pending_until_ms, again.repeated) == (first.pending_until_ms, True)
    assert desk.now(desk.bet(1_001, id_=bet.id, refer=True)).refusal == Refusal.ID_REUSED
    held = desk.core.answer("anna", bet.id)
    assert held is not None
    assert held.pending_until_ms == first.pending_until_ms
    desk.trader(bet.id, ACCEPTS)
    answer = desk.now(bet)
    assert (answer.refusal, answer.pending_until_ms, answer.repeated) == (None, 0, True)
    assert answer.bet is not None


def test_accepted_it_is_a_bet_like_any_other() -> None:
    desk = Traders()
    id_ = desk.referred().id
    answer = desk.trader(id_, ACCEPTS)
    assert isinstance(answer, Answer)
    assert answer.bet is not None
    assert (answer.refusal, answer.bet.id, answer.bet.stake, desk.view().balance) == (None, id_, 1_000, 99_000)
    assert desk.core.all_guards()["exposure:F:1x2/home#0"] == 1_500
    assert isinstance(desk.facts()[-1], BetAccepted)
    assert desk.core.referrals(10**15, 10) == []


def test_refused_it_is_refused_with_the_trader_s_reason() -> None:
    desk = Traders()
    id_ = desk.referred().id
    assert desk.refused_as(id_, REFUSES) == Refusal.REFUSED_BY_TRADER
    last = desk.facts()[-1]
    assert isinstance(last, BetRefused)
    assert (last.id, last.reason, last.detail) == (id_, "refused_by_trader", "not today")
    assert desk.core.referrals(10**15, 10) == []


def test_nobody_answers_and_it_expires() -> None:
    desk = Traders()
    id_ = desk.referred().id
    desk.clock.run_for(59_999)
    assert desk.core.referral("anna", id_) is not None
    desk.clock.run_for(1)
    held = desk.core.answer("anna", id_)
    assert held is not None
    assert (held.refusal, held.pending_until_ms) == (Refusal.REFERRAL_EXPIRED, 0)
    last = desk.facts()[-1]
    assert isinstance(last, BetRefused)
    assert last.reason == "referral_expired"
    assert desk.trader(id_, ACCEPTS) is None


def left_behind(desk: Traders) -> str:
    """A referral whose gate is gone: nobody here waits for its end."""
    bet, now = desk.bet(1_000, refer=True), desk.clock.now_ms()
    desk.commit(msgspec.structs.replace(bet, at_ms=now, legs=bet.asked, refer_until_ms=now + 60_000))
    return bet.id


def test_a_trader_who_is_late_is_late() -> None:
    """Where nobody had ended the referral yet, an answer after its time once was taken."""
    desk = Traders()
    id_ = left_behind(desk)
    desk.clock.run_for(60_000)
    desk.heard()
    assert desk.core.referral("anna", id_) is not None
    assert desk.refused_as(id_, ACCEPTS) == Refusal.REFERRAL_EXPIRED


@pytest.mark.parametrize(("after_ms", "over"), [(0, False), (59_999, False), (60_000, True)])
def test_a_gate_ends_what_another_left_behind(after_ms: int, over: bool) -> None:
    """It looks each half minute, a restarted one at once."""
    desk = Traders()
    id_ = left_behind(desk)
    desk.clock.run_for(after_ms)
    desk.rooms[0].start()
    desk.clock.run_for(0)
    held = desk.core.answer("anna", id_)
    assert held is not None
    assert (held.refusal == Refusal.REFERRAL_EXPIRED) == over
    desk.clock.run_for(60_000)
    held = desk.core.answer("anna", id_)
    assert held is not None
    assert held.refusal == Refusal.REFERRAL_EXPIRED
    assert [fact.reason for fact in desk.facts() if isinstance(fact, BetRefused)] == ["referral_expired"]


def test_more_than_one_look_finds_is_found_by_the_next() -> None:
    desk = Traders()
    ids = [left_behind(desk) for _ in range(120)]
    desk.rooms[0].start()
    desk.clock.run_for(60_000)
    assert len(desk.core.referrals(10**15, 1_000)) == 20
    desk.clock.run_for(30_000)
    assert {answer.refusal for id_ in ids if (answer := desk.core.answer("anna", id_))} == {Refusal.REFERRAL_EXPIRED}


def test_a_gate_takes_back_free_bets_whose_time_is_over() -> None:
    desk = Traders()
    now = desk.clock.now_ms()
    for number, until_ms in enumerate((now + 10_000, now + 60_000)):
        desk.commit(GrantFreeBet(f"g{number}", "anna", f"free{number}", 500, "EUR", until_ms, now))
    desk.rooms[0].start()
    assert desk.core.balances()["freebets:EUR:0"] == 1_000
    desk.clock.run_for(30_000)
    assert desk.core.balances()["freebets:EUR:0"] == 500
    desk.clock.run_for(30_000)
    assert (desk.core.balances()["freebets:EUR:0"], desk.core.free_bets("anna")) == (0, [])


def test_without_a_ledger_a_gate_looks_again() -> None:
    desk = Traders()
    id_ = left_behind(desk)
    desk.rooms[0].start()
    desk.ledger.away = True
    desk.clock.run_for(60_000)
    assert desk.core.referral("anna", id_) is not None
    desk.ledger.away = False
    desk.clock.run_for(30_000)
    assert desk.core.referral("anna", id_) is None


def test_a_second_trader_hears_that_nothing_waits_any_more() -> None:
    desk = Traders()
    id_ = desk.referred().id
    assert desk.refused_as(id_, ACCEPTS) is None
    assert desk.trader(id_, REFUSES) is None
    assert desk.core.open_bets() == 1


@pytest.mark.parametrize("first", [ACCEPTS, REFUSES, TraderAnswer(stake=700)])
@pytest.mark.parametrize("second", [ACCEPTS, REFUSES, TraderAnswer(stake=700)])
def test_of_two_traders_at_once_the_first_decides(first: TraderAnswer, second: TraderAnswer) -> None:
    desk = Traders(HOUSE, HOUSE)
    id_ = desk.referred().id
    told: list[Answer | Moment | None] = []
    desk.rooms[0].answer_referral("anna", id_, first, told.append)
    desk.rooms[1].answer_referral("anna", id_, second, told.append)
    desk.clock.run_for(0)
    one, other = told
    assert isinstance(one, Answer)
    assert isinstance(other, Answer)
    assert (one.refusal, one.repeated, other.repeated) == (other.refusal, False, True)
    assert desk.core.open_bets() == (first is ACCEPTS)
    assert len([fact for fact in desk.facts() if isinstance(fact, BetRefused | BetAccepted)]) == 1


# --- what the trader accepts is judged again --------------------------------------------------------------------------


def nothing(desk: Traders) -> None:
    pass


def goal(desk: Traders) -> None:
    desk.offer(generation=2)


def suspended(desk: Traders) -> None:
    desk.offer(status=MarketStatus.SUSPENDED)


def shorter(desk: Traders) -> None:
    desk.offer(price=1_500)


def spent(desk: Traders) -> None:
    desk.commit(Transfer("w", "anna", -99_500, "EUR", "withdrawal", desk.clock.now_ms()))


def limited(desk: Traders) -> None:
    desk.commit(SetLimit("l", "anna", 900, desk.clock.now_ms()))


def closed(desk: Traders) -> None:
    desk.commit(SetStatus("s", "anna", AccountStatus.CLOSED, desk.clock.now_ms()))


@pytest.mark.parametrize(
    ("happens", "refusal", "stake_max"),
    [
        (nothing, None, None),
        (shorter, None, None),  # the price at which it was referred stands
        (goal, Refusal.GENERATION_STALE, None),
        (suspended, Refusal.MARKET_SUSPENDED, None),
        (spent, Refusal.INSUFFICIENT_FUNDS, 500),
        (limited, Refusal.STAKE_LIMIT_REACHED, 500),  # the fan's own leaves 900, but without a trader it is 500
        (closed, Refusal.ACCOUNT_NOT_OPEN, None),
    ],
)
def test_what_a_trader_accepts_is_judged_again(
    happens: Callable[[Traders], None], refusal: Refusal | None, stake_max: int | None
) -> None:
    desk = Traders()
    id_ = desk.referred().id
    happens(desk)
    answer = desk.trader(id_, ACCEPTS)
    assert isinstance(answer, Answer)
    assert (answer.refusal, answer.stake_max) == (refusal, stake_max)
    if answer.bet is not None:
        assert answer.bet.legs[0].price == 2_500


def test_an_exposure_is_not_the_trader_s_to_lift() -> None:
    desk = Traders(BetSettings(delay_ms=0, stake_max=500, exposure_fixture_max=1_600))
    id_ = desk.referred().id
    assert desk.now(desk.bet(100)).refusal is None
    answer = desk.trader(id_, ACCEPTS)
    assert isinstance(answer, Answer)
    assert (answer.refusal, answer.stake_max) == (Refusal.EXPOSURE_REACHED, 500)


@pytest.mark.parametrize(
    ("policy", "asked", "accepted"),
    [
        (Policy.BETTER, 2_400, 2_500),  # the price when it was referred
        (Policy.NONE, 2_500, 2_500),
        (Policy.ANY, 1_000_000, 2_500),
        (Policy.ANY, 1_001, 2_500),
    ],
)
def test_a_trader_accepts_the_price_there_was_whatever_was_asked(policy: Policy, asked: int, accepted: int) -> None:
    """Under the policy "any" a fan may ask for 1000.00; accepted as asked, he once would have had it."""
    desk = Traders()
    id_ = desk.now(desk.bet(1_000, desk.leg(price=asked), policy=policy, refer=True)).id
    answer = desk.trader(id_, ACCEPTS)
    assert isinstance(answer, Answer)
    assert answer.bet is not None
    assert [leg.price for leg in answer.bet.legs] == [accepted]


# --- an offer instead -------------------------------------------------------------------------------------------------


def offered(desk: Traders, says: TraderAnswer = TraderAnswer(stake=800, prices=(2_200,)), **changes: object) -> Offer:  # noqa: B008
    id_ = desk.referred(**changes).id  # type: ignore[arg-type]
    answer = desk.trader(id_, says)
    assert isinstance(answer, Answer)
    assert (answer.refusal, answer.stake_max) == (Refusal.RE_OFFERED, None)
    assert answer.offered is not None
    return answer.offered


@pytest.mark.parametrize(
    ("says", "stake", "price"),
    [
        (TraderAnswer(stake=800), 800, 2_500),
        (TraderAnswer(prices=(2_200,)), 1_000, 2_200),
        (TraderAnswer(stake=800, prices=(2_200,)), 800, 2_200),
        (TraderAnswer(accept=True, stake=800), 800, 2_500),
    ],
)
def test_an_offer_is_of_a_stake_or_prices_or_both(says: TraderAnswer, stake: int, price: int) -> None:
    desk = Traders()
    offer = offered(desk, says)
    assert (offer.stake, [leg.price for leg in offer.legs]) == (stake, [price])
    assert offer.until_ms == desk.clock.now_ms() + 30_000
    last = desk.facts()[-1]
    assert isinstance(last, BetRefused)
    assert (last.reason, last.offer, last.offer_stake, last.offer_prices, last.offer_until_ms) == (
        "re_offered", offer.offer, stake, (price,), offer.until_ms,
    )  # fmt: skip
    assert desk.core.offer("anna", offer_id("anna", last.id)) == offer


@pytest.mark.parametrize("says", [
    TraderAnswer(stake=0), TraderAnswer(stake=-1), TraderAnswer(prices=()), TraderAnswer(prices=(2_000, 2_000)),
])  # fmt: skip
def test_an_offer_that_nobody_could_take_up_is_none(says: TraderAnswer) -> None:
    """A stake of 0 once was an offer of the whole stake."""
    desk = Traders()
    id_ = desk.referred().id
    with pytest.raises(ValueError, match="an offer"):
        desk.rooms[0].answer_referral("anna", id_, says, lambda _: None)
    assert desk.core.referral("anna", id_) is not None


def test_an_offer_s_stake_divides_by_the_lines() -> None:
    desk = Traders()
    desk.offer("H:1x2")
    id_ = desk.now(desk.bet(1_000, "F:1x2/home", "G:1x2/home", "H:1x2/home", type_="trixie", refer=True)).id
    with pytest.raises(ValueError, match="4 lines"):
        desk.rooms[0].answer_referral("anna", id_, TraderAnswer(stake=802), lambda _: None)


TWO = ("F:1x2/home", "G:1x2/home")


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({}, None),
        ({"type_": "accumulator"}, None),  # what two legs are without a name
        ({"policy": Policy.NONE}, None),  # the price is what was offered
        ({"stake": 799}, Refusal.OFFER_UNKNOWN),
        ({"stake": 801}, Refusal.OFFER_UNKNOWN),
        ({"type_": "system:1/2"}, Refusal.OFFER_UNKNOWN),
        ({"legs": ("F:1x2/home", "G:1x2/away")}, Refusal.OFFER_UNKNOWN),
        ({"legs": ("G:1x2/home", "F:1x2/home")}, Refusal.OFFER_UNKNOWN),
        ({"legs": ("F:1x2/home",)}, Refusal.OFFER_UNKNOWN),
        ({"account": "bert"}, Refusal.OFFER_UNKNOWN),
        ({"offer": "anna:none"}, Refusal.OFFER_UNKNOWN),
        ({"after_ms": 29_999}, None),
        ({"after_ms": 30_000}, Refusal.OFFER_EXPIRED),
        ({"goal": True}, Refusal.GENERATION_STALE),
    ],
)
def test_an_offer_is_taken_up_as_it_was_made(changes: dict[str, object], refusal: Refusal | None) -> None:
    """By whom it was made, for this stake, of this type, on these legs, in its time; the market as it was."""
    desk = Traders()
    desk.fan("bert")
    id_ = desk.now(desk.bet(1_000, *TWO, refer=True)).id
    desk.refused_as(id_, TraderAnswer(stake=800, prices=(2_200, 2_300)))
    desk.clock.run_for(changes.pop("after_ms", 0))  # type: ignore[arg-type]
    if changes.pop("goal", False):
        desk.offer(generation=2)
        legs = tuple(desk.leg(leg, generation=1) for leg in TWO)
    else:
        legs = tuple(desk.leg(leg) for leg in changes.pop("legs", TWO))  # type: ignore[attr-defined]
    desk.heard()
    asked = {"stake": 800, "offer": offer_id("anna", id_), **changes}
    stake = asked.pop("stake")
    answer = desk.now(desk.bet(stake, *legs, **asked))  # type: ignore[arg-type]
    assert (answer.refusal, answer.stake_max) == (refusal, None)
    if refusal is None:
        assert answer.bet is not None
        assert ([leg.price for leg in answer.bet.legs], answer.bet.stake) == ([2_200, 2_300], 800)
        again = desk.bet(800, *TWO, offer=offer_id("anna", id_))
        assert desk.now(again).refusal == Refusal.OFFER_UNKNOWN  # once
        assert desk.core.offer("anna", offer_id("anna", id_)) is None


def test_an_offer_may_be_above_the_maximum_and_at_a_price_that_has_moved() -> None:
    desk = Traders()
    offer = offered(desk, TraderAnswer(stake=4_000, prices=(2_600,)))
    shorter(desk)
    answer = desk.now(desk.bet(4_000, offer=offer.offer))
    assert (answer.refusal, answer.bet and answer.bet.legs[0].price) == (None, 2_600)


def test_an_offer_is_refused_in_the_order_of_reasons() -> None:
    """An offer that is unknown is judged as any bet until its turn comes: a suspended market is named first."""
    desk = Traders()
    suspended(desk)
    assert desk.now(desk.bet(9_000, offer="none")).refusal == Refusal.MARKET_SUSPENDED
    desk.offer()
    assert desk.now(desk.bet(9_000, offer="none")).refusal == Refusal.OFFER_UNKNOWN
    assert desk.now(desk.bet(9_000, offer="none", refer=True)).refusal == Refusal.OFFER_UNKNOWN


# --- without a ledger -------------------------------------------------------------------------------------------------


class Unread(MoodyLedger):
    """A ledger that takes commands, and whose offers cannot be read."""

    def offer(self, account: str, offer: str) -> Offer | None:
        raise LedgerUnavailable("the disk is away")


def test_an_offer_that_cannot_be_read_makes_that_bet_unavailable_and_no_other() -> None:
    """Once the whole batch was lost, and with it the gate: it never sealed another one."""
    desk = Traders()
    room = Bets(desk.clock, Unread(desk.core, desk.clock), desk.books, HOUSE, no_joint_price)
    desk.rooms = [room]
    desk.heard()
    told = [desk.place(desk.bet(100, offer="offer1")), desk.place(desk.bet(100))]
    desk.clock.run_for(0)
    assert told[0].answers == [Moment.UNAVAILABLE]
    assert told[1].refusal is None
    assert desk.now(desk.bet(100)).refusal is None


def test_a_bet_in_play_that_cannot_be_judged_is_answered_and_not_thrown() -> None:
    desk = Traders()
    settings = BetSettings(delay_ms=1_000, quote_ms=2_000)
    desk.rooms = [Bets(desk.clock, Unread(desk.core, desk.clock), desk.books, settings, no_joint_price)]
    desk.offer(live=True)
    told: Told = desk.place(desk.bet(100, offer="offer1"))
    assert not told.answers
    desk.clock.run_for(0)
    assert told.answers == [Moment.UNAVAILABLE]
