"""What is read ahead of a settlement is what was placed, by a thread that nobody waits for and no fault ends."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from matchday.backends.clock_wall import WallClock
from matchday.backends.ledger_sqlite import SqliteLedger, SqliteLedgerCore
from matchday.backends.ledger_sqlite_ahead import UNPREPARED, Ahead, Prepared
from matchday.backends.ledger_sqlite_reads import placed_bets
from matchday.backends.ledger_sqlite_worked import Question
from matchday.config import Storage
from matchday.model.ledger import Answer, SettleBets
from matchday.ports import LedgerUnavailable
from matchday.sim.settle_population import FINAL
from tests.real import poll
from tests.settling import NOW, Posted, decided

BETS = 300


@pytest.fixture
def fatal() -> Iterator[list[BaseException]]:
    found: list[BaseException] = []
    yield found
    assert not found


@pytest.fixture
def ahead(core: SqliteLedgerCore, fatal: list[BaseException]) -> Iterator[Ahead]:
    with contextlib.closing(Ahead(core.database, lambda call: call(), fatal.append)) as found:
        yield found


@pytest.fixture
def core(tmp_path: Path) -> Iterator[SqliteLedgerCore]:
    with decided(tmp_path, bets=BETS, accounts=30) as found:
        yield found


def asked(*numbers: int) -> Question:
    return Question(SettleBets("settle:some", FINAL, numbers, NOW + 1), 0)


def missing(core: SqliteLedgerCore) -> Callable[[], None]:
    """What can be read of the file now fails; how it is made whole again."""
    core.database.writer.execute("ALTER TABLE counters RENAME TO away")
    core.database.writer.execute("ALTER TABLE bets RENAME TO gone")

    def again() -> None:
        core.database.writer.execute("ALTER TABLE gone RENAME TO bets")
        core.database.writer.execute("ALTER TABLE away RENAME TO counters")

    return again


def test_it_reads_bets_as_they_were_placed_on_its_own_thread(core: SqliteLedgerCore, ahead: Ahead) -> None:
    found: list[tuple[str, Prepared]] = []
    numbers = (7, 250, 8, BETS, BETS + 1)
    ahead.look(1, BETS)
    ahead.prepare(asked(*numbers), lambda prepared: found.append((threading.current_thread().name, prepared)))
    ahead.close()
    ((thread, (placed, worked)),) = found
    assert thread == "ledger reads"
    assert worked is None
    assert placed == placed_bets(core.database.writer, numbers)
    assert sorted(placed) == [7, 8, 250, BETS]


def test_what_cannot_be_read_is_nobodys_end_and_closing_does_what_was_asked_for(
    core: SqliteLedgerCore, ahead: Ahead
) -> None:
    found: list[Prepared] = []
    again = missing(core)
    ahead.look(1, BETS)
    ahead.prepare(asked(1), found.append)
    assert poll(lambda: found == [UNPREPARED])
    again()
    for number in range(1, 40):
        ahead.prepare(asked(number), found.append)
    ahead.close()
    assert [list(prepared.read) for prepared in found[1:]] == [[number] for number in range(1, 40)]


def test_a_ledger_settles_what_was_not_read_ahead_and_says_what_it_cannot(
    core: SqliteLedgerCore, fatal: list[BaseException]
) -> None:
    """Pages that were handed over before the ledger is closed are answered, each bet settled once."""
    posted = Posted()
    answers: list[Sequence[Answer] | LedgerUnavailable] = []

    def answered(count: int) -> bool:
        posted.run()
        return len(answers) >= count

    def page(start: int) -> SettleBets:
        numbers = tuple(range(start, min(start + 50, BETS + 1)))
        return SettleBets(f"settle:{start}", FINAL, numbers, NOW + 1)

    with (
        contextlib.closing(asyncio.new_event_loop()) as loop,
        contextlib.closing(SqliteLedger(core, WallClock(loop), posted.post, Storage(), fatal.append)) as ledger,
    ):
        names = ledger.backed(FINAL)
        assert [number for _, number in ledger.bets_on(names, 0, BETS)] == list(range(1, BETS + 1))
        again = missing(core)
        ledger.commit([page(1)], answers.append)
        assert poll(lambda: answered(1))
        assert isinstance(answers[0], LedgerUnavailable)
        again()
        for start in (1, *range(1, BETS, 50)):
            ledger.commit([page(start)], answers.append)
    assert answered(8)
    assert not any(isinstance(answer, LedgerUnavailable) for answer in answers[1:])
    rows = core.database.writer.execute("SELECT count(*), count(DISTINCT bet) FROM entries WHERE reason = 'settlement'")
    assert rows.fetchone() == (BETS, BETS)
    assert core.open_bets() == 0
    assert set(core.totals().values()) == {0}
