"""What every ledger promises of bets that wait for a trader, and of his offers. Every batch twice."""

from collections.abc import Sequence
from typing import Final

import msgspec
import pytest

from matchday.model.bet import Leg
from matchday.model.ledger import (
    ID_MEMORY_MS,
    AccountStatus,
    Answer,
    Charge,
    Command,
    GrantFreeBet,
    Offer,
    PlaceBet,
    Refusal,
    SetStatus,
    Transfer,
    offer_id,
)
from matchday.model.messages import BetAccepted, BetReferred, BetRefused
from matchday.ports import Ledger, LedgerUnavailable

from .books import PAGE
from .conftest import World
from .test_ledger import DAY, NOW, A, balance, bet, commit, opened

UNTIL: Final = NOW + 60_000
CHARGE: Final = (Charge("exposure:F#0", 1_500, 2_000, Refusal.EXPOSURE_REACHED),)


def referred(**changes: object) -> PlaceBet:
    """As a gate says it: judged, and to be referred."""
    return msgspec.structs.replace(bet(1_000, charges=CHARGE), refer=True, refer_until_ms=UNTIL, **changes)


def answered(referral: PlaceBet, **changes: object) -> PlaceBet:
    """As a gate answers it when a trader has decided."""
    return msgspec.structs.replace(referral, refer_until_ms=0, answers_referral=True, at_ms=NOW + 5, **changes)


def offered(referral: PlaceBet, stake: int = 800, price: int = 2_200, until_ms: int = NOW + 30_000) -> Offer:
    legs = tuple(msgspec.structs.replace(leg, price=price) for leg in referral.asked)
    return Offer(offer_id(A, referral.id), stake, legs, until_ms, referral.type)


def re_offered(referral: PlaceBet) -> PlaceBet:
    return answered(referral, refusal=Refusal.RE_OFFERED, offered=offered(referral))


def taken_up(offer: Offer, name: str = "b2") -> PlaceBet:
    return msgspec.structs.replace(bet(offer.stake, name=name), asked=offer.legs, legs=offer.legs, offer=offer.offer)


def once(world: World, ledger: Ledger, command: Command) -> Answer:
    """Committed once: of what comes a second time in another form."""
    found: list[Sequence[Answer] | LedgerUnavailable] = []
    ledger.commit([command], found.append)
    world.until(lambda: bool(found))
    assert not isinstance(found[0], LedgerUnavailable)
    return found[0][0]


@pytest.fixture
def waiting(world: World, ledger: Ledger) -> PlaceBet:
    """A bet that waits."""
    referral = referred()
    commit(world, ledger, [*opened(), *opened(account="bert"), referral])
    return referral


def test_a_referral_waits_and_reserves_nothing(world: World, ledger: Ledger, waiting: PlaceBet) -> None:
    assert (balance(ledger), ledger.open_bets(), ledger.guards(["exposure:F#0"])) == (10_000, 0, {})
    held = ledger.answer(A, waiting.id)
    assert held is not None
    assert (held.refusal, held.bet, held.pending_until_ms, held.repeated) == (None, None, UNTIL, True)
    fact = ledger.facts(0, PAGE)[-1]
    assert isinstance(fact, BetReferred)
    assert (fact.id, fact.until_ms) == (waiting.id, UNTIL)


def test_what_waits_is_kept_as_it_was_judged(world: World, ledger: Ledger, waiting: PlaceBet) -> None:
    """With the fan's payload and the prices of that moment; without what is charged and the id of a bet."""
    referral = ledger.referral(A, waiting.id)
    assert referral is not None
    assert referral.until_ms == UNTIL
    assert referral.command == msgspec.structs.replace(waiting, refer_until_ms=0, charges=(), bet="")
    assert ledger.referral("bert", waiting.id) is None
    assert ledger.referral(A, "another") is None


def test_the_most_urgent_come_first(world: World, ledger: Ledger, waiting: PlaceBet) -> None:
    soon, late = (msgspec.structs.replace(referred(), refer_until_ms=UNTIL + ms) for ms in (-5, 5))
    commit(world, ledger, [late, soon])
    assert [one.command.id for one in ledger.referrals(UNTIL + 9, 9)] == [soon.id, waiting.id, late.id]
    assert [one.command.id for one in ledger.referrals(UNTIL, 9)] == [soon.id, waiting.id]
    assert [one.command.id for one in ledger.referrals(UNTIL, 1)] == [soon.id]
    assert ledger.referrals(UNTIL - 6, 9) == []


def test_they_are_read_page_by_page_whatever_is_answered_meanwhile(world: World, ledger: Ledger) -> None:
    """Also those that end together, and two fans' under one id."""
    shared = referred()
    other = msgspec.structs.replace(shared, account="bert")
    more = [msgspec.structs.replace(referred(), refer_until_ms=UNTIL + ms // 3) for ms in range(7)]
    commit(world, ledger, [*opened(), *opened(account="bert"), other, shared, *more])
    whole = [(one.until_ms, one.command.id, one.command.account) for one in ledger.referrals(UNTIL + 9, 99)]
    assert whole == sorted(whole)
    assert len(whole) == 9
    after, found = (0, "", ""), []
    while page := ledger.referrals(UNTIL + 9, 2, after):
        found += [(one.until_ms, one.command.id, one.command.account) for one in page]
        after = found[-1]
        once(world, ledger, answered(page[-1].command, bet="", refusal=Refusal.REFUSED_BY_TRADER))
    assert found == whole
    assert ledger.referrals(UNTIL + 1, 9, whole[0])[0].until_ms == UNTIL  # ``due_ms`` holds, too
    assert ledger.referrals(UNTIL - 1, 9, (0, "", "")) == []


@pytest.mark.parametrize("batches", [1, 2, 5])
def test_of_one_account_only_so_many_wait(world: World, ledger: Ledger, batches: int) -> None:
    """In one batch or in several; of what is refused the fan hears what would be taken."""
    limits = {"referrals_max": 3, "not_referred": Refusal.RETURN_ABOVE_MAXIMUM, "stake_max": 700}
    asked = [referred(**limits) for _ in range(5)]
    others = [referred(**limits, account="bert") for _ in range(2)]
    commit(world, ledger, [*opened(), *opened(account="bert")])
    each = -(-len(asked) // batches)
    answers = []
    for start in range(0, len(asked), each):
        answers += commit(world, ledger, asked[start : start + each])
    answers += commit(world, ledger, others)
    refused = (Refusal.RETURN_ABOVE_MAXIMUM, 0, 700)
    assert [(one.refusal, one.pending_until_ms, one.stake_max) for one in answers] == [
        *[(None, UNTIL, None)] * 3, refused, refused, *[(None, UNTIL, None)] * 2,
    ]  # fmt: skip
    kept = ledger.referral(A, asked[0].id)
    assert kept is not None
    assert kept.command == msgspec.structs.replace(
        asked[0], refer_until_ms=0, charges=(), bet="", stake_max=None, referrals_max=0,
        not_referred=Refusal.STAKE_ABOVE_MAXIMUM,
    )  # fmt: skip


@pytest.mark.parametrize("together", [True, False])
def test_one_that_is_answered_leaves_room_for_another(world: World, ledger: Ledger, together: bool) -> None:
    """In the same batch, and in a later one."""
    first, second, third = (referred(referrals_max=1) for _ in range(3))
    commit(world, ledger, [*opened(), first])
    commands = [second, answered(first, refusal=Refusal.REFUSED_BY_TRADER), third]
    for batch in [commands] if together else [[command] for command in commands]:
        commit(world, ledger, batch)
    told = {name: ledger.answer(A, one.id) for name, one in (("second", second), ("third", third))}
    assert {name: one and (one.refusal, one.pending_until_ms) for name, one in told.items()} == {
        "second": (Refusal.STAKE_ABOVE_MAXIMUM, 0), "third": (None, UNTIL),
    }  # fmt: skip
    assert [one.command.id for one in ledger.referrals(UNTIL, 9)] == [third.id]


def test_the_pending_answer_is_repeated(world: World, ledger: Ledger, waiting: PlaceBet) -> None:
    """However the gate judges the retry."""
    for retry in (waiting, msgspec.structs.replace(waiting, refer_until_ms=0, refusal=Refusal.MARKET_SUSPENDED)):
        answer = commit(world, ledger, [retry])[0]
        assert (answer.refusal, answer.pending_until_ms, answer.repeated) == (None, UNTIL, True)
    other = msgspec.structs.replace(waiting, stake=999)
    assert commit(world, ledger, [other])[0].refusal == Refusal.ID_REUSED
    assert len(ledger.referrals(UNTIL, 9)) == 1


def test_accepted(world: World, ledger: Ledger, waiting: PlaceBet) -> None:
    answer = commit(world, ledger, [answered(waiting)])[0]
    assert (answer.refusal, answer.repeated, answer.balance) == (None, False, 9_000)
    assert answer.bet is not None
    assert (ledger.bet("b1"), ledger.guards(["exposure:F#0"])) == (answer.bet, {"exposure:F#0": 1_500})
    assert ledger.referral(A, waiting.id) is None
    assert isinstance(ledger.facts(0, PAGE)[-1], BetAccepted)
    again = commit(world, ledger, [waiting])[0]
    assert (again.repeated, again.bet, again.pending_until_ms) == (True, answer.bet, 0)


@pytest.mark.parametrize("reason", [Refusal.REFUSED_BY_TRADER, Refusal.REFERRAL_EXPIRED, Refusal.MARKET_SUSPENDED])
def test_refused(world: World, ledger: Ledger, waiting: PlaceBet, reason: Refusal) -> None:
    answer = commit(world, ledger, [answered(waiting, refusal=reason, detail="why")])[0]
    assert (answer.refusal, answer.detail, balance(ledger)) == (reason, "why", 10_000)
    fact = ledger.facts(0, PAGE)[-1]
    assert isinstance(fact, BetRefused)
    assert (fact.id, fact.reason, fact.detail, fact.offer) == (waiting.id, reason, "why", "")
    assert ledger.referral(A, waiting.id) is None
    again = commit(world, ledger, [waiting])[0]
    assert (again.refusal, again.repeated, again.pending_until_ms) == (reason, True, 0)


def test_offered(world: World, ledger: Ledger, waiting: PlaceBet) -> None:
    answer = commit(world, ledger, [re_offered(waiting)])[0]
    assert (answer.refusal, answer.offered) == (Refusal.RE_OFFERED, offered(waiting))
    assert ledger.offer(A, offer_id(A, waiting.id)) == offered(waiting)
    assert ledger.offer("bert", offer_id(A, waiting.id)) is None
    fact = ledger.facts(0, PAGE)[-1]
    assert isinstance(fact, BetRefused)
    assert (fact.offer, fact.offer_stake, fact.offer_prices, fact.offer_until_ms) == (
        offer_id(A, waiting.id), 800, (2_200,), NOW + 30_000,
    )  # fmt: skip


@pytest.mark.parametrize("batches", [1, 2])
def test_of_two_traders_the_first_decides(world: World, ledger: Ledger, waiting: PlaceBet, batches: int) -> None:
    one, other = answered(waiting), answered(waiting, refusal=Refusal.REFUSED_BY_TRADER, bet="b9")
    answers = (
        commit(world, ledger, [one, other])
        if batches == 1
        else [*commit(world, ledger, [one]), *commit(world, ledger, [other])]
    )
    assert [(answer.refusal, answer.repeated) for answer in answers] == [(None, False), (None, True)]
    assert answers[0].bet == answers[1].bet
    assert ledger.open_bets() == 1


@pytest.mark.parametrize(
    ("before", "refusal"),
    [
        ([], None),
        ([Transfer("w", A, -9_001, "EUR", "withdrawal", NOW)], Refusal.INSUFFICIENT_FUNDS),
        ([SetStatus("s", A, AccountStatus.SUSPENDED, NOW)], Refusal.ACCOUNT_NOT_OPEN),
        ([bet(1_000, name="b0", charges=CHARGE)], Refusal.EXPOSURE_REACHED),
    ],
)
def test_what_is_accepted_is_guarded_like_any_bet(
    world: World, ledger: Ledger, waiting: PlaceBet, before: list[Command], refusal: Refusal | None
) -> None:
    if before:
        assert commit(world, ledger, before)[0].refusal is None
    assert commit(world, ledger, [answered(waiting)])[0].refusal == refusal
    assert ledger.referral(A, waiting.id) is None


def test_an_id_does_not_grow_old_while_it_waits(world: World, ledger: Ledger, waiting: PlaceBet) -> None:
    late = msgspec.structs.replace(answered(waiting), at_ms=NOW + ID_MEMORY_MS + 60_000)
    assert commit(world, ledger, [late])[0].refusal is None


# --- offers -----------------------------------------------------------------------------------------------------------

OTHER_LEG: Final = (Leg("F", "F:1x2", "F:1x2/away", 2_200, 0),)
OTHER_GENERATION: Final = (Leg("F", "F:1x2", "F:1x2/home", 2_200, 1),)
OTHER_PRICE: Final = (Leg("F", "F:1x2", "F:1x2/home", 2_201, 0),)


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({}, None),
        ({"type": "single"}, None),
        ({"at_ms": NOW + 29_999}, None),
        ({"at_ms": NOW + 30_000}, Refusal.OFFER_EXPIRED),
        ({"account": "bert"}, Refusal.OFFER_UNKNOWN),
        ({"offer": "another"}, Refusal.OFFER_UNKNOWN),
        ({"stake": 799}, Refusal.OFFER_UNKNOWN),
        ({"stake": 801}, Refusal.OFFER_UNKNOWN),
        ({"legs": OTHER_LEG}, Refusal.OFFER_UNKNOWN),
        ({"legs": OTHER_GENERATION}, Refusal.OFFER_UNKNOWN),
        ({"legs": OTHER_PRICE}, Refusal.OFFER_UNKNOWN),
        ({"legs": ()}, Refusal.OFFER_UNKNOWN),
        ({"type": "system:1/1"}, Refusal.OFFER_UNKNOWN),
        ({"refusal": Refusal.MARKET_SUSPENDED}, Refusal.MARKET_SUSPENDED),
        ({"charges": (Charge("g", 9, 8, Refusal.EXPOSURE_REACHED),)}, Refusal.EXPOSURE_REACHED),
    ],
)
def test_taking_up_an_offer(
    world: World, ledger: Ledger, waiting: PlaceBet, changes: dict[str, object], refusal: Refusal | None
) -> None:
    commit(world, ledger, [re_offered(waiting)])
    answer = commit(world, ledger, [msgspec.structs.replace(taken_up(offered(waiting)), **changes)])[0]
    assert (answer.refusal, answer.stake_max) == (refusal, None)
    still = ledger.offer(A, offer_id(A, waiting.id))
    assert (still is None) == (refusal is None)  # one that was refused may be taken up after all
    if answer.bet is not None:
        assert (answer.bet.stake, answer.bet.legs[0].price, balance(ledger)) == (800, 2_200, 9_200)


def test_an_offer_is_not_taken_up_with_a_free_bet(world: World, ledger: Ledger, waiting: PlaceBet) -> None:
    """What was offered is a price for money, whose stake comes back."""
    grant = GrantFreeBet("free", A, "f1", 800, "EUR", NOW + DAY, NOW)
    commit(world, ledger, [grant, re_offered(waiting)])
    free = msgspec.structs.replace(taken_up(offered(waiting)), free_bet="f1")
    assert commit(world, ledger, [free])[0].refusal == Refusal.OFFER_UNKNOWN
    assert [one.free_bet for one in ledger.free_bets(A)] == ["f1"]
    assert commit(world, ledger, [taken_up(offered(waiting))])[0].refusal is None


@pytest.mark.parametrize("batches", [1, 2])
def test_an_offer_is_taken_up_once(world: World, ledger: Ledger, waiting: PlaceBet, batches: int) -> None:
    commit(world, ledger, [re_offered(waiting)])
    one, other = taken_up(offered(waiting)), taken_up(offered(waiting), "b3")
    answers = (
        commit(world, ledger, [one, other])
        if batches == 1
        else [*commit(world, ledger, [one]), *commit(world, ledger, [other])]
    )
    assert [answer.refusal for answer in answers] == [None, Refusal.OFFER_UNKNOWN]
    assert balance(ledger) == 9_200


def test_two_fans_with_the_same_id_have_offers_of_their_own(world: World, ledger: Ledger, waiting: PlaceBet) -> None:
    other = msgspec.structs.replace(waiting, account="bert", bet="b5")
    commit(world, ledger, [other, re_offered(waiting)])
    hers = msgspec.structs.replace(offered(waiting, stake=700), offer=offer_id("bert", other.id))
    commit(world, ledger, [answered(other, refusal=Refusal.RE_OFFERED, offered=hers)])
    assert ledger.offer(A, offer_id(A, waiting.id)) == offered(waiting)
    assert ledger.offer("bert", offer_id("bert", waiting.id)) == hers


def test_whoever_was_told_to_wait_hears_a_refusal_by_his_channel(world: World, ledger: Ledger) -> None:
    """And whoever was not has his answer: no fact for that."""
    commit(world, ledger, opened())
    for waited in (False, True):
        facts = len(ledger.facts(0, PAGE))
        asked = msgspec.structs.replace(bet(10_001), waited=waited)
        assert once(world, ledger, asked).refusal == Refusal.INSUFFICIENT_FUNDS
        assert len(ledger.facts(0, PAGE)) == facts + waited
