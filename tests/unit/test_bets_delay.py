"""The delay in play: a bet waits, and all of it is judged again at the end (sportsbook rules §3.3)."""

from collections.abc import Callable
from typing import Any

import pytest

from matchday.config import Bets as BetSettings
from matchday.model.bet import Policy
from matchday.model.ledger import AccountStatus, Moment, OpenAccount, Refusal, SetLimit, SetStatus, Transfer
from matchday.model.market import MarketStatus
from matchday.model.messages import BetAccepted, BetReferred, BetRefused
from matchday.services.bets import Bets
from tests.unit.doors import no_joint_price
from tests.unit.gates import Table, Told

DELAY = 4_000
IN_PLAY = BetSettings(delay_ms=DELAY)


class Match(Table):
    """A table whose match F is being played, and G is not."""

    def __init__(self, *settings: BetSettings) -> None:
        super().__init__(*(settings or (IN_PLAY,)))
        self.play()
        self.offer("G:1x2")
        self.fan()

    def play(self, **changes: object) -> None:
        self.offer(live=True, **changes)  # type: ignore[arg-type]

    def over(self, ms: int = DELAY) -> None:
        """The time of the delay passes, while the owner of the books is heard every second."""
        end = self.clock.now_ms() + ms
        while self.clock.now_ms() < end:
            self.clock.run_until(min(end, self.clock.now_ms() + 1_000))
            self.heard()


def test_a_bet_in_play_waits_and_is_told_until_when() -> None:
    desk = Match()
    told = desk.place(desk.bet(100))
    desk.clock.run_for(0)
    assert (told.waits, told.answers) == ([desk.clock.now_ms() + DELAY], [])
    assert (desk.view().balance, desk.core.all_guards()) == (100_000, {})  # nothing is reserved
    desk.over(DELAY - 1)
    assert not told.answers
    desk.over(1)
    assert told.refusal is None
    assert len(told.waits) == 1


@pytest.mark.parametrize(
    ("legs", "settings_", "waits"),
    [
        (("F:1x2/home",), IN_PLAY, True),
        (("G:1x2/home",), IN_PLAY, False),
        (("G:1x2/home", "F:1x2/home"), IN_PLAY, True),  # one of them is enough
        (("F:1x2/home",), BetSettings(delay_ms=0), False),
        (("H:1x2/home",), IN_PLAY, False),  # refused: nobody knows it
    ],
)
def test_which_bets_wait(legs: tuple[str, ...], settings_: BetSettings, waits: bool) -> None:
    desk = Match(settings_)
    told = desk.place(desk.bet(100, *legs))
    desk.clock.run_for(0)
    assert (bool(told.waits), bool(told.answers)) == (waits, not waits)


@pytest.mark.parametrize(
    ("before", "asked", "after"),
    [
        ({"price": 2_500}, {"price": 3_000}, {"price": 3_000}),
        ({"status": MarketStatus.SUSPENDED, "generation": 2}, {"generation": 2}, {"generation": 2}),
        ({"live": False}, {}, {}),  # it kicks off meanwhile
    ],
    ids=["at the price that comes", "while it is suspended", "before the kick-off"],
)
def test_what_can_be_taken_only_when_its_batch_is_sealed_waits_from_then_on(
    before: dict[str, Any], asked: dict[str, Any], after: dict[str, Any]
) -> None:
    """A bet that was to be refused when it came was judged anew at its batch, which another commit held up: what had
    changed by then took it at once, without the delay."""
    desk = Match()
    desk.offer(**{"live": True, **before})
    desk.ledger.late_ms = 800
    desk.place(desk.bet(100, "G:1x2/home"))
    desk.clock.run_for(0)
    told = desk.place(desk.bet(100, desk.leg(**asked)))
    desk.clock.run_for(100)
    assert not told.waits
    desk.play(**after)
    desk.over(700)
    assert (told.waits, told.answers) == ([desk.clock.now_ms() + DELAY], [])
    desk.over(DELAY + 800)
    assert told.refusal is None


def nothing(desk: Match) -> None:
    pass


def suspension(desk: Match) -> None:
    """In the midst of the delay, and over before its end: at the same price."""
    desk.play(status=MarketStatus.SUSPENDED, generation=2)
    desk.clock.run_for(1_000)
    desk.play(generation=2)


def goal_that_helps(desk: Match) -> None:
    desk.play(price=1_200, generation=2)


def goal_that_harms(desk: Match) -> None:
    desk.play(price=9_000, generation=2)


def suspended(desk: Match) -> None:
    desk.play(status=MarketStatus.SUSPENDED)


def closed(desk: Match) -> None:
    desk.play(status=MarketStatus.CLOSED)


def shorter(desk: Match) -> None:
    desk.play(price=2_400)


def longer(desk: Match) -> None:
    desk.play(price=2_600)


def there_and_back(desk: Match) -> None:
    shorter(desk)
    desk.clock.run_for(1_000)
    desk.play()


def new_owner(desk: Match) -> None:
    for room in desk.rooms:
        room.odds_owned(2)


def spent(desk: Match) -> None:
    desk.commit(Transfer("w", "anna", -99_950, "EUR", "withdrawal", desk.clock.now_ms()))


def limited(desk: Match) -> None:
    desk.commit(SetLimit("l", "anna", 60, desk.clock.now_ms()))


def suspended_account(desk: Match) -> None:
    desk.commit(SetStatus("s", "anna", AccountStatus.SUSPENDED, desk.clock.now_ms()))


def lower_maximum(desk: Match) -> None:
    desk.play(stake_max=70)


@pytest.mark.parametrize(
    ("happens", "policy", "refusal", "stake_max", "price"),
    [
        (nothing, Policy.NONE, None, None, 2_500),
        # whatever side it is on: a suspension or a goal meanwhile refuses, under every policy
        (suspension, Policy.ANY, Refusal.GENERATION_STALE, None, None),
        (goal_that_helps, Policy.ANY, Refusal.GENERATION_STALE, None, None),
        (goal_that_harms, Policy.ANY, Refusal.GENERATION_STALE, None, None),
        (goal_that_harms, Policy.BETTER, Refusal.GENERATION_STALE, None, None),
        (suspended, Policy.ANY, Refusal.MARKET_SUSPENDED, None, None),
        (closed, Policy.ANY, Refusal.MARKET_CLOSED, None, None),
        (new_owner, Policy.ANY, Refusal.MARKET_SUSPENDED, None, None),
        # the price at the end is the one that is judged and taken
        (shorter, Policy.NONE, Refusal.PRICE_MOVED, None, None),
        (shorter, Policy.BETTER, Refusal.PRICE_MOVED, None, None),
        (shorter, Policy.ANY, None, None, 2_400),
        (longer, Policy.NONE, Refusal.PRICE_MOVED, None, None),
        (longer, Policy.BETTER, None, None, 2_600),
        (there_and_back, Policy.NONE, None, None, 2_500),
        # and so are the stake and the account
        (lower_maximum, Policy.ANY, Refusal.STAKE_ABOVE_MAXIMUM, 70, None),
        (spent, Policy.ANY, Refusal.INSUFFICIENT_FUNDS, 50, None),
        (limited, Policy.ANY, Refusal.STAKE_LIMIT_REACHED, 60, None),
        (suspended_account, Policy.ANY, Refusal.ACCOUNT_NOT_OPEN, None, None),
    ],
)
def test_all_is_judged_again_at_the_end(
    happens: Callable[[Match], None], policy: Policy, refusal: Refusal | None, stake_max: int | None, price: int | None
) -> None:
    desk = Match()
    told = desk.place(desk.bet(100, policy=policy))
    desk.clock.run_for(500)
    happens(desk)
    desk.over()
    assert (told.refusal, told.answer.stake_max) == (refusal, stake_max)
    assert [leg.price for leg in told.answer.bet.legs] == [price] if told.answer.bet else price is None
    # whoever was told to wait hears it on the account's channel, too
    last = desk.core.facts(0, 100)[-1]
    if refusal is None:
        assert isinstance(last, BetAccepted)
        assert (last.bet.id, last.bet.placed_ms) == (told.answer.id, 1_500_000_000_000 + DELAY)
    else:
        assert isinstance(last, BetRefused)
        assert (last.id, last.reason, last.stake_max) == (told.answer.id, refusal, stake_max)


def test_a_stake_that_is_above_the_maximum_at_the_end_is_referred_then() -> None:
    desk = Match()
    told = desk.place(desk.bet(100, refer=True))
    lower_maximum(desk)
    desk.over()
    assert told.answer.pending_until_ms == desk.clock.now_ms() + IN_PLAY.referral_ms
    assert isinstance(desk.core.facts(0, 100)[-1], BetReferred)


@pytest.mark.parametrize(
    ("happens", "refusal"),
    [
        (suspended, Refusal.MARKET_SUSPENDED),
        (closed, Refusal.MARKET_CLOSED),
        (shorter, Refusal.PRICE_MOVED),
        (goal_that_harms, Refusal.GENERATION_STALE),
        (new_owner, Refusal.MARKET_SUSPENDED),
        (lower_maximum, Refusal.STAKE_ABOVE_MAXIMUM),
    ],
)
def test_what_would_be_refused_now_is_refused_now(happens: Callable[[Match], None], refusal: Refusal) -> None:
    desk = Match()
    bet = desk.bet(100)
    happens(desk)
    facts = len(desk.core.facts(0, 100))
    told = desk.place(bet)
    desk.clock.run_for(0)
    assert (told.refusal, told.waits) == (refusal, [])
    assert len(desk.core.facts(0, 100)) == facts  # who hears it at once needs no fact


# --- the same id again ------------------------------------------------------------------------------------------------


def test_a_retry_shares_the_wait_of_the_first() -> None:
    desk = Match()
    bet = desk.bet(100)
    first = desk.place(bet)
    desk.over(3_000)
    again = desk.place(bet)
    desk.clock.run_for(0)
    assert again.waits == first.waits
    assert desk.rooms[0].waiting_until("anna", bet.id) == first.waits[0]
    desk.over(1_000)
    assert (first.answer.repeated, again.answer.repeated) == (False, True)
    assert first.answer.bet == again.answer.bet
    assert desk.core.open_bets() == 1
    assert desk.rooms[0].waiting_until("anna", bet.id) is None
    assert len(desk.core.facts(0, 100)) == 2  # the grant, and one bet that was accepted


def test_a_retry_of_a_bet_that_is_refused_at_the_end_hears_the_same() -> None:
    desk = Match()
    bet = desk.bet(100)
    told = [desk.place(bet) for _ in range(3)]
    suspended(desk)
    desk.over()
    assert [one.refusal for one in told] == [Refusal.MARKET_SUSPENDED] * 3
    assert len([fact for fact in desk.core.facts(0, 100) if isinstance(fact, BetRefused)]) == 1


def test_another_bet_under_the_id_of_one_that_waits_is_refused_with_it() -> None:
    desk = Match()
    bet = desk.bet(100)
    first, other = desk.place(bet), desk.place(desk.bet(101, id_=bet.id))
    desk.over()
    assert (first.refusal, other.refusal) == (None, Refusal.ID_REUSED)
    assert desk.view().balance == 99_900


def test_ids_are_an_account_s_own() -> None:
    desk = Match()
    desk.fan("bert")
    bet = desk.bet(100)
    first, other = desk.place(bet), desk.place(desk.bet(100, account="bert", id_=bet.id))
    desk.over()
    assert (first.answer.repeated, other.answer.repeated) == (False, False)
    assert desk.core.open_bets() == 2


def test_what_was_answered_does_not_wait_again() -> None:
    """A client whose connection broke asks again, and hears at once what it missed."""
    desk = Match()
    accepted, other = desk.bet(100), desk.bet(101)
    desk.place(accepted)
    desk.over()
    again, reused = desk.place(accepted), desk.place(desk.bet(102, id_=accepted.id))
    desk.clock.run_for(0)
    assert (again.waits, again.answer.repeated, again.refusal) == ([], True, None)
    assert (reused.waits, reused.refusal) == ([], Refusal.ID_REUSED)
    fresh = desk.place(other)
    desk.clock.run_for(0)
    assert fresh.waits
    assert not fresh.answers


def test_a_referral_that_was_told_does_not_wait_again() -> None:
    desk = Match(BetSettings(delay_ms=DELAY, stake_max=50))
    bet = desk.bet(100, refer=True)
    first = desk.place(bet)
    desk.over()
    assert first.answer.pending_until_ms
    again = desk.place(bet)
    desk.clock.run_for(0)
    assert (again.waits, again.answer.pending_until_ms) == ([], first.answer.pending_until_ms)


# --- limits -----------------------------------------------------------------------------------------------------------


def answers(told: list[Told]) -> list[object]:
    return [answer if isinstance(answer, Moment) else answer.refusal for one in told for answer in one.answers]


@pytest.mark.parametrize("same_id", [True, False])
def test_what_waits_is_limited_and_a_retry_counts(same_id: bool) -> None:
    """A storm of retries once was kept whole, and let loose on the queue at the end of the delay."""
    desk = Match(BetSettings(delay_ms=DELAY, waiting_max=3))
    bet = desk.bet(100)
    told = [desk.place(bet if same_id else desk.bet(100)) for _ in range(5)]
    desk.clock.run_for(0)
    assert answers(told) == [Moment.BUSY] * 2
    desk.over()
    assert answers(told) == [None] * 3 + [Moment.BUSY] * 2
    assert desk.core.open_bets() == (1 if same_id else 3)
    later = desk.place(desk.bet(100))  # there is room again
    desk.over()
    assert later.refusal is None


def test_what_waits_of_one_account_is_limited() -> None:
    """Two thousand bets of one account once waited at a gate that lets ten thousand wait."""
    desk = Match(BetSettings(delay_ms=DELAY, waiting_account_max=3))
    desk.fan("bert")
    told = [desk.place(desk.bet(100)) for _ in range(5)]
    other = desk.place(desk.bet(100, account="bert"))
    desk.clock.run_for(0)
    assert answers(told) == [Moment.BUSY] * 2
    busy = desk.place(desk.bet(100, "G:1x2/home"))  # whatever it is on
    desk.over()
    assert (answers(told), answers([other, busy])) == ([None] * 3 + [Moment.BUSY] * 2, [None, Moment.BUSY])
    later = [desk.place(desk.bet(100)) for _ in range(3)]  # there is room again
    desk.over()
    assert answers(later) == [None] * 3


def test_what_is_asked_again_is_none_more_and_hears_what_became_of_it() -> None:
    """Found by reading: who sent an id again that waited, or was accepted before, was told that nothing of it was
    recorded, once as many bets of his waited as may."""
    desk = Match(BetSettings(delay_ms=DELAY, waiting_account_max=2))
    before = desk.bet(100, "G:1x2/home")
    taken = desk.now(before)
    bets = [desk.bet(100) for _ in range(2)]
    told = [desk.place(bet) for bet in (*bets, *bets, *bets)]
    busy, again = desk.place(desk.bet(100, "G:1x2/home")), desk.place(before)
    desk.over()
    assert answers([*told, busy]) == [None] * 6 + [Moment.BUSY]
    assert (again.answer.repeated, again.answer.bet) == (True, taken.bet)
    later = [desk.place(desk.bet(100)) for _ in range(2)]  # each was let go once
    desk.over()
    assert answers(later) == [None] * 2


def test_an_account_s_bets_keep_their_place_from_their_delay_to_their_batch() -> None:
    desk = Match(BetSettings(delay_ms=DELAY, waiting_account_max=2))
    told = [desk.place(desk.bet(100)) for _ in range(2)]
    desk.ledger.late_ms = 500
    desk.over(DELAY)
    assert desk.place(desk.bet(100)).answers == []  # both are on their way to the ledger: they wait here no more
    desk.over(1_000)
    assert answers(told) == [None] * 2


def test_bets_before_the_match_are_taken_while_those_in_play_are_too_many() -> None:
    desk = Match(BetSettings(delay_ms=DELAY, waiting_max=1))
    desk.place(desk.bet(100))
    told = desk.place(desk.bet(100, "G:1x2/home"))
    desk.clock.run_for(0)
    assert told.refusal is None


def test_a_live_match_that_everybody_bets_on_leaves_others_room_to_wait() -> None:
    desk = Match(BetSettings(delay_ms=DELAY, waiting_max=10, waiting_fixture_max=3, waiting_market_max=2))
    for market in ("F:btts", "H:1x2"):
        desk.offer(market, outcomes=("home", "yes"), live=True)
    told = [desk.place(desk.bet(100, "F:1x2/home")) for _ in range(3)]
    told += [desk.place(desk.bet(100, "F:btts/yes")) for _ in range(2)]
    others = [desk.place(desk.bet(100, "H:1x2/home")) for _ in range(2)]
    desk.clock.run_for(0)
    assert [one.answers for one in told] == [[], [], [Moment.BUSY], [], [Moment.BUSY]]
    desk.over()
    assert answers(others) == [None, None]
    assert desk.place(desk.bet(100, "F:1x2/home")).answers == []  # there is room again
    assert desk.rooms[0].delayed == 1


def test_what_has_waited_its_delay_comes_upon_the_same_bounds_as_what_comes_then() -> None:
    """A crowd that had bet on one goal once filled the queue beyond its bound, and every other market was busy."""
    desk = Match(BetSettings(delay_ms=DELAY, queue_max=5, queue_fixture_max=3, queue_market_max=2))
    told = [desk.place(desk.bet(100)) for _ in range(6)]
    desk.ledger.late_ms = 500
    desk.over(DELAY - 1)
    desk.place(desk.bet(100, "G:1x2/home"))  # on its way to the ledger, so that others queue up
    desk.over(1)
    assert desk.rooms[0].queued == 2
    other = desk.place(desk.bet(100, "G:1x2/home"))
    desk.over(2_000)
    assert answers(told) == [None] * 2 + [Moment.BUSY] * 4
    assert other.refusal is None


def test_a_full_queue_is_busy_before_anything_waits() -> None:
    desk = Match(BetSettings(delay_ms=DELAY, queue_max=0))
    told = desk.place(desk.bet(100))
    desk.clock.run_for(0)
    assert told.answers == [Moment.BUSY]


# --- when something stops ---------------------------------------------------------------------------------------------


def test_a_gate_that_stops_forgets_what_waited_and_the_id_may_be_sent_again() -> None:
    desk = Match()
    bet = desk.bet(100)
    desk.place(bet)
    desk.rooms = [Bets(desk.clock, desk.ledger, desk.books, IN_PLAY, no_joint_price)]
    desk.heard()
    assert desk.core.answer("anna", bet.id) is None
    assert desk.rooms[0].waiting_until("anna", bet.id) is None
    again = desk.place(bet)
    desk.clock.run_for(0)
    assert again.waits


def test_without_a_ledger_at_the_end_the_id_may_be_sent_again() -> None:
    desk = Match()
    bet = desk.bet(100)
    told = desk.place(bet)
    desk.over(3_000)
    desk.ledger.away = True
    desk.over(1_000)
    assert told.answers == [Moment.UNAVAILABLE]
    desk.ledger.away = False
    desk.heard()
    again = desk.place(bet)
    desk.over()
    assert (again.refusal, again.answer.repeated) == (None, False)


def test_an_account_that_is_opened_while_its_bet_waits_is_judged_at_the_end() -> None:
    desk = Match()
    told = desk.place(desk.bet(100, account="bert"))
    desk.commit(OpenAccount("open:bert", "bert", "EUR", desk.clock.now_ms()))
    desk.over()
    assert told.refusal == Refusal.INSUFFICIENT_FUNDS
