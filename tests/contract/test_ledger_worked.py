"""What was worked out before a page's turn is what the writer would have come to, row by row; and where anything of it
has changed meanwhile, it is not taken."""

from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from matchday.backends.ledger_sqlite import Batch, Committed, SqliteLedgerCore
from matchday.backends.ledger_sqlite_ahead import Prepared
from matchday.backends.ledger_sqlite_rows import Worked
from matchday.backends.ledger_sqlite_worked import Question, Snapshots
from matchday.model.ledger import (
    AccountStatus,
    Command,
    GrantFreeBet,
    LimitName,
    SetCashOut,
    SetLimit,
    SetStatus,
    SettleBets,
    Transfer,
    VoidLegs,
)
from tests.settling import watch_taken

from .test_ledger import LOST, NOW, WON, A, bet, decide, opened
from .test_ledger_machine import SELECTIONS, Ledger

HOME, AWAY = "F:1x2/home", "F:1x2/away"
KEPT: Final = 3


def tables(core: SqliteLedgerCore) -> dict[str, list[Any]]:
    """All that a ledger holds."""
    read = core.database.writer.execute
    names = [name for (name,) in read("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    return {name: sorted(read(f"SELECT * FROM {name}").fetchall(), key=repr) for name in names}


def page_on(core: SqliteLedgerCore, *selections: str) -> SettleBets:
    numbers = tuple(number for _, number in sorted(core.bets_on(selections, 0, 10**6)))
    return SettleBets("settle:page", "F", numbers, NOW)


class Beside(SqliteLedgerCore):
    """A ledger, and another that is told the same and has everything worked out by the writer."""

    def __init__(self) -> None:
        super().__init__(":memory:")
        self.twin = SqliteLedgerCore(":memory:")

    def close(self) -> None:
        super().close()
        self.twin.close()

    def commit_joined(self, batch: Batch) -> Committed:
        committed = super().commit_joined(batch)
        assert committed == self.twin.commit_joined(Batch(batch.commands, join=batch.join))
        return committed


class WorkedOut(Ledger):
    """Pages are worked out now and taken later, with whatever has come in between and what joins them."""

    core: Beside

    def __init__(self) -> None:
        super().__init__()
        self.snapshots = Snapshots(self.core.database.reader)
        self.kept: list[tuple[SettleBets, Worked | None]] = []

    @classmethod
    def new_core(cls) -> Beside:
        return Beside()

    @rule(data=st.data())
    def work_out(self, data: st.DataObject) -> None:
        self.commit()
        found = page_on(self.core, *SELECTIONS).numbers
        numbers = tuple(data.draw(st.lists(st.sampled_from(found), min_size=1, unique=True)) if found else ())
        page = SettleBets(self.name("page"), "F", numbers, self.now)
        self.kept.append((page, self.snapshots.work_out(Question(page, self.core.decided))))
        del self.kept[:-KEPT]

    @rule()
    def settle_page(self) -> None:
        """Of all, at once."""
        self.commit()
        page = SettleBets(self.name("page"), "F", page_on(self.core, *SELECTIONS).numbers, self.now)
        self.take(page, self.snapshots.work_out(Question(page, self.core.decided)))

    @precondition(lambda self: bool(self.kept))
    @rule(data=st.data())
    def settle_later(self, data: st.DataObject) -> None:
        """Perhaps a second time."""
        self.take(*data.draw(st.sampled_from(self.kept)))

    def take(self, page: SettleBets, worked: Worked | None) -> None:
        facts, joined = len(self.core.facts(0, 10**6)), self.batch
        batch = Batch((page,), Prepared(worked=worked), lambda: joined)
        for command, answer in zip(joined, self.core.commit_joined(batch).answers[1:], strict=True):
            self.hear(command, answer)
        self.said += joined
        self.batch = []
        self.hear_facts(facts)

    @invariant()
    def it_holds_what_it_would_without(self) -> None:
        assert tables(self.core) == tables(self.core.twin)


WorkedOut.TestCase.settings = Ledger.TestCase.settings
TestWorkedOut = WorkedOut.TestCase


# --- one by one -----------------------------------------------------------------------------------------------------


@pytest.fixture
def core() -> Iterator[Beside]:
    """With two fans' bets, some of them on what is decided."""
    found = Beside()
    found.commit([*opened(), *opened(account="bert")])
    found.commit([bet(1_000), bet(500, name="b2", selection=AWAY), bet(100, name="b3", account="bert")])
    found.commit([decide(5, WON)])
    yield found
    found.close()


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether what was worked out has been taken, each time."""
    return watch_taken(monkeypatch)


def worked_out(core: Beside) -> Callable[[], None]:
    """All on the match, worked out now; the call that settles them."""
    page = page_on(core, HOME, AWAY)
    worked = Snapshots(core.database.reader).work_out(Question(page, core.decided))
    assert worked is not None

    def settle() -> None:
        core.commit_joined(Batch((page,), Prepared(worked=worked)))
        assert tables(core) == tables(core.twin)

    return settle


def test_it_is_taken_where_nothing_has_changed(core: Beside, taken: list[bool]) -> None:
    settle = worked_out(core)
    core.commit([*opened(account="carl"), bet(100, name="b9", account="carl")])  # another's
    settle()
    assert taken == [True]
    assert (core.open_bets(), core.bet("b1").returns) == (2, 2_500)  # type: ignore[union-attr]
    settle()  # it would not be paid twice
    assert taken == [True, False]


@pytest.mark.parametrize(
    "between",
    [
        Transfer("move", A, 1, "EUR", "move", NOW),
        SetLimit("limit", A, 5, NOW, LimitName.LOSS_DAY),
        SetStatus("status", "bert", AccountStatus.SUSPENDED, NOW),
        SetCashOut("cash", A, "b2", 5, NOW),
        GrantFreeBet("grant", A, "free", 100, "EUR", NOW + 10, NOW),
        bet(100, name="b8", account="bert"),
        decide(6, LOST),
        VoidLegs("void", "G", 6, NOW - 5, NOW + 5, NOW),
    ],
    ids=lambda command: type(command).__name__,
)
def test_it_is_not_taken_once_an_account_of_it_or_what_is_decided_has_changed(
    core: Beside, taken: list[bool], between: Command
) -> None:
    settle = worked_out(core)
    core.commit([between])
    settle()
    assert taken == [False]


def test_what_joins_it_is_judged_by_what_it_has_left(core: Beside, taken: list[bool]) -> None:
    """The stake that has come back can be bet at once."""
    page = page_on(core, HOME, AWAY)
    worked = Snapshots(core.database.reader).work_out(Question(page, core.decided))
    had = core.balances()[A]
    joined = [bet(had + 2_500, name="all")]
    answers = core.commit_joined(Batch((page,), Prepared(worked=worked), lambda: joined)).answers
    assert [answer.refusal for answer in answers] == [None, None]
    assert taken == [True]
    assert core.balances()[A] == 0
    assert tables(core) == tables(core.twin)
