"""What every ledger tells of bets that it settles together: those of one account in one fact, and the same of each as
if they had come one by one. Every batch twice."""

from collections.abc import Iterable, Sequence

from matchday.model.bet import BetStatus
from matchday.model.ledger import Command, DecideLegs, GrantFreeBet, PlaceBet, SettleBets, Transfer
from matchday.model.messages import (
    AccountFact,
    BetReopened,
    BetSettled,
    BetsSettled,
    Decision,
    FreeBetChanged,
    OneFact,
    encode,
    one_by_one,
)
from matchday.model.posting.settling import TOLD_MAX
from matchday.ports import Ledger

from .conftest import World
from .test_ledger import DAY, LOST, NOW, VOID, WON, A, balance, bet, commit, decide, on, opened

B = "bert"
HOME, AWAY = "F:1x2/home", "F:1x2/away"


def page(ledger: Ledger, *names: str, id_: str = "settle:F") -> SettleBets:
    """Of these bets in this order; of all on the match, as they were placed, where none is named."""
    numbers = [number for _, number in on(ledger, HOME, AWAY)]
    if names:
        placed = {entry.bet: at for at, entry in enumerate(e for e in ledger.entries(0, 10_000) if e.reason == "stake")}
        numbers = [numbers[placed[name]] for name in names]
    return SettleBets(id_, "F", tuple(numbers), NOW)


def told(ledger: Ledger, after: int) -> Sequence[AccountFact]:
    return ledger.facts(after, 10_000)


def each(facts: Iterable[AccountFact]) -> list[OneFact]:
    return [one for fact in facts for one in one_by_one(fact)]


def placed(world: World, ledger: Ledger, *bets: PlaceBet, more: Sequence[Command] = ()) -> int:
    """Two fans and these bets, won on the home side and void on the other; the place of the last fact so far."""
    commit(world, ledger, [*opened(), *opened(account=B), *more, *bets])
    decisions = (Decision("F:1x2", HOME, WON), Decision("F:1x2", AWAY, VOID))
    commit(world, ledger, [DecideLegs("decide", "F", 5, decisions, NOW)])
    return ledger.facts(0, 10_000)[-1].seq


def test_those_of_one_account_are_told_in_one_fact(world: World, ledger: Ledger) -> None:
    after = placed(
        world, ledger, bet(1_000), bet(500, name="b2", selection=AWAY), bet(100, name="b3", account=B),
        bet(200, name="b4"),
    )  # fmt: skip
    commit(world, ledger, [page(ledger, "b1", "b2", "b3", "b4")])
    first, other, last = told(ledger, after)
    assert isinstance(first, BetsSettled)
    assert [(one.bet, one.status, one.version, one.returns, one.change) for one in first.bets] == [
        ("b1", BetStatus.SETTLED, 5, 2_500, 2_500), ("b2", BetStatus.VOID, 5, 500, 500),
    ]  # fmt: skip
    assert (first.account, first.balance) == (A, 10_000 - 1_700 + 3_000)
    assert after < first.seq < other.seq < last.seq
    assert other == BetSettled(other.seq, B, NOW, 10_150, "b3", BetStatus.SETTLED, 5, 250, 250)
    assert last == BetSettled(last.seq, A, NOW, balance(ledger), "b4", BetStatus.SETTLED, 5, 500, 500)
    view = ledger.account(A)
    assert view is not None
    assert view.facts == last.seq


def test_one_by_one_each_has_the_balance_after_it(world: World, ledger: Ledger) -> None:
    after = placed(world, ledger, bet(1_000), bet(500, name="b2", selection=AWAY), bet(200, name="b3"))
    before = balance(ledger)
    commit(world, ledger, [page(ledger)])
    (fact,) = told(ledger, after)
    assert [one.balance for one in each([fact])] == [before + 2_500, before + 3_000, before + 3_500]
    assert {one.seq for one in each([fact])} == {fact.seq}
    assert ledger.outbox(after, 10) == [(fact.seq, A, encode(fact))]


def test_what_returned_nothing_and_what_is_paid_again_is_among_them(world: World, ledger: Ledger) -> None:
    after = placed(world, ledger, bet(1_000), bet(500, name="b2"))
    commit(world, ledger, [page(ledger)])
    commit(world, ledger, [decide(6, LOST), page(ledger, id_="again")])
    _, again = told(ledger, after)
    assert isinstance(again, BetsSettled)
    assert [(one.bet, one.version, one.returns, one.change) for one in again.bets] == [
        ("b1", 6, 0, -2_500), ("b2", 6, 0, -1_250),
    ]  # fmt: skip
    assert again.balance == balance(ledger) == 8_500


def test_what_else_is_told_comes_in_its_turn(world: World, ledger: Ledger) -> None:
    """A free bet that is given back, and a bet that is opened again."""
    grant = GrantFreeBet("free", A, "f1", 700, "EUR", NOW + DAY, NOW)
    free = bet(700, name="b2", selection=AWAY, free_bet="f1")
    after = placed(world, ledger, bet(1_000), free, bet(200, name="b3"), bet(300, name="b4"), more=[grant])
    commit(world, ledger, [page(ledger)])
    facts = told(ledger, after)
    assert [type(fact) for fact in facts] == [BetSettled, FreeBetChanged, BetsSettled]
    assert [fact.bet for fact in each(facts) if isinstance(fact, BetSettled)] == ["b1", "b2", "b3", "b4"]
    undecided = DecideLegs("back", "F", 6, (Decision("F:1x2", HOME, None), Decision("F:1x2", AWAY, WON)), NOW)
    commit(world, ledger, [undecided, page(ledger, id_="again")])
    again = [fact for fact in each(told(ledger, facts[-1].seq)) if not isinstance(fact, FreeBetChanged)]
    assert [(type(fact), fact.balance) for fact in again] == [
        (BetReopened, 9_750), (BetSettled, 10_800), (BetReopened, 10_300), (BetReopened, 9_550),
    ]  # fmt: skip


def test_very_many_are_told_in_several(world: World, ledger: Ledger) -> None:
    bets = [bet(10, name=f"b{number:03}") for number in range(TOLD_MAX + 2)]
    after = placed(world, ledger, *bets)
    commit(world, ledger, [page(ledger)])
    facts = told(ledger, after)
    assert [len(fact.bets) for fact in facts if isinstance(fact, BetsSettled)] == [TOLD_MAX, 2]
    assert [fact.bet for fact in each(facts) if isinstance(fact, BetSettled)] == [one.bet for one in bets]
    assert facts[-1].balance == balance(ledger) == 10_000 + 15 * len(bets)


def test_money_that_moves_in_between_is_told_in_between(world: World, ledger: Ledger) -> None:
    """Two pages of one batch, and what a fan took out between them."""
    after = placed(world, ledger, bet(1_000), bet(500, name="b2"), bet(200, name="b3"), bet(100, name="b4"))
    taken = Transfer("w", A, -4_000, "EUR", "withdrawal", NOW)
    batch: list[Command] = [page(ledger, "b1", "b2"), taken, page(ledger, "b3", "b4", id_="more")]
    commit(world, ledger, batch)
    first, between, last = told(ledger, after)
    assert [len(fact.bets) for fact in (first, last) if isinstance(fact, BetsSettled)] == [2, 2]
    assert (first.balance, between.balance, last.balance) == (11_950, 7_950, 8_700)
