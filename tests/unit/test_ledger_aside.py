"""The process that works settlements out: what it says is taken, and nothing depends on it."""

import asyncio
import contextlib
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from matchday.backends import ledger_sqlite_aside as aside_module
from matchday.backends.clock_wall import WallClock
from matchday.backends.ledger_sqlite import SqliteLedger, SqliteLedgerCore
from matchday.backends.ledger_sqlite_aside import BETS_MIN, BIG, FAILURES_MAX, Aside
from matchday.backends.ledger_sqlite_rows import Worked
from matchday.backends.ledger_sqlite_worked import Question, Snapshots
from matchday.config import Storage
from matchday.model.ledger import Answer, SettleBets
from matchday.ports import LedgerUnavailable
from matchday.sim.settle_population import FINAL
from tests.real import poll, running
from tests.settling import NOW, Posted, decided, watch_taken

BETS = 600


@pytest.fixture
def core(tmp_path: Path) -> Iterator[SqliteLedgerCore]:
    with decided(tmp_path, bets=BETS, accounts=60) as found:
        yield found


@pytest.fixture
def aside(core: SqliteLedgerCore) -> Iterator[Aside]:
    assert core.database.path is not None
    with contextlib.closing(Aside(core.database.path)) as found:
        yield found


def pages(core: SqliteLedgerCore, size: int) -> list[SettleBets]:
    """All bets, in the order of their accounts, each account's on one page."""
    found, pages = sorted(core.bets_on(core.backed(FINAL), 0, BETS)), list[list[int]]()
    last = 0
    for player, number in found:
        if not pages or (len(pages[-1]) >= size and player != last):
            pages.append([])
        pages[-1].append(number)
        last = player
    return [SettleBets(f"settle:{page[0]}", FINAL, tuple(page), NOW + 1) for page in pages]


def question(core: SqliteLedgerCore, count: int = BIG) -> Question:
    return Question(pages(core, count)[0], core.decided)


def started(aside: Aside, asked: Question) -> None:
    """Until it answers."""
    found: list[Worked | None] = []
    assert poll(lambda: aside.ask(asked, found.append))
    assert poll(lambda: bool(found))
    assert found[0] is not None


def test_it_is_started_by_a_big_page_and_then_asked_of_smaller_ones(core: SqliteLedgerCore, aside: Aside) -> None:
    found: list[Worked | None] = []
    small = question(core, BETS_MIN)
    assert BETS_MIN <= len(small.page.numbers) < BIG
    assert not aside.ask(small, found.append)
    assert aside._process is None
    asked = question(core)
    started(aside, asked)
    assert aside.ask(small, found.append)
    assert not aside.ask(Question(SettleBets("few", FINAL, (1, 2), NOW), 0), found.append)
    assert poll(lambda: bool(found))
    assert found == [Snapshots(core.database.reader).work_out(small)]


def test_what_was_asked_is_answered_before_it_is_closed(core: SqliteLedgerCore, aside: Aside) -> None:
    started(aside, asked := question(core))
    found: list[Worked | None] = []
    for _ in range(20):
        assert aside.ask(asked, found.append)
    aside.close()
    assert len(found) == 20
    assert all(found)
    assert aside._process is not None
    assert aside._process.failed is None


def test_what_it_cannot_read_is_left_to_the_writer(core: SqliteLedgerCore, aside: Aside) -> None:
    started(aside, asked := question(core))
    core.database.writer.execute("ALTER TABLE bets RENAME TO gone")
    found: list[Worked | None] = []
    assert aside.ask(asked, found.append)
    assert poll(lambda: found == [None])
    core.database.writer.execute("ALTER TABLE gone RENAME TO bets")
    started(aside, asked)


def pid_of(aside: Aside) -> int:
    assert aside._process is not None
    return aside._process._process.pid


@pytest.mark.parametrize("how", ["killed", "silent"])
def test_one_that_fails_is_replaced_and_after_some_none_is(
    core: SqliteLedgerCore, aside: Aside, how: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(aside_module, "PATIENCE_S", 0.2)
    caplog.set_level(logging.ERROR)
    asked = question(core)
    for number in range(1, FAILURES_MAX + 1):
        started(aside, asked)
        os.kill(pid_of(aside), signal.SIGSTOP)
        found: list[Worked | None] = []
        assert aside.ask(asked, found.append)
        if how == "killed":
            os.kill(pid_of(aside), signal.SIGKILL)
        assert poll(lambda found=found: found == [None])  # type: ignore[misc]
        assert not aside.ask(asked, found.append)
        assert len(caplog.records) == number
    assert "they go on without" in caplog.text
    assert ("ended with -9" if how == "killed" else "no answer in 0.2 s") in caplog.text
    assert not aside.ask(asked, lambda _: None)
    assert aside._process is None


def test_where_none_can_be_started_settlement_goes_on(
    core: SqliteLedgerCore, aside: Aside, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    for _ in range(FAILURES_MAX + 1):
        assert not aside.ask(question(core), lambda _: None)
    assert len(caplog.records) == FAILURES_MAX
    assert "/nowhere/python" in caplog.text


def test_one_with_other_rules_is_not_asked(
    core: SqliteLedgerCore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(aside_module, "code", lambda: "of yesterday")
    assert core.database.path is not None
    with contextlib.closing(Aside(core.database.path)) as aside:
        asked = question(core)
        assert poll(lambda: aside.ask(asked, lambda _: None) or aside._failures >= FAILURES_MAX)
        assert aside._failures == FAILURES_MAX
    assert "the files of Matchday have changed" in caplog.text


def test_one_that_was_not_asked_for_long_ends_and_another_is_started(
    core: SqliteLedgerCore, aside: Aside, caplog: pytest.LogCaptureFixture
) -> None:
    """As if it had, here: it is told that no more comes."""
    started(aside, asked := question(core))
    assert aside._process is not None
    aside._process._connection.send_bytes(b"")
    assert poll(lambda: aside._process is not None and aside._process.ended)
    started(aside, asked)
    assert not caplog.records


@pytest.mark.parametrize("told", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_what_a_whole_group_is_told_does_not_end_it_before_its_time(
    core: SqliteLedgerCore, aside: Aside, told: signal.Signals
) -> None:
    """The platform drains then, and may have pages to settle."""
    started(aside, asked := question(core))
    os.kill(pid_of(aside), told)
    started(aside, asked)
    assert aside._failures == 0


def test_it_ends_with_whoever_started_it(core: SqliteLedgerCore, tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from matchday.backends.ledger_sqlite_aside import Aside\n"
        "from matchday.backends.ledger_sqlite_worked import Question\n"
        "from matchday.model.ledger import SettleBets\n"
        "from tests.real import poll\n"
        "aside = Aside(Path(sys.argv[1]))\n"
        f"asked = Question(SettleBets('page', '{FINAL}', tuple(range(1, 101)), 1), 0)\n"
        "poll(lambda: aside.ask(asked, print))\n"
        "print(aside._process._process.pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "ledger.sqlite")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    assert poll(lambda: not running(pid))


def test_a_ledger_takes_what_it_says(core: SqliteLedgerCore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each bet once, and most of them by it."""
    taken, posted = watch_taken(monkeypatch), Posted()
    answers: list[Sequence[Answer] | LedgerUnavailable] = []
    fatal: list[BaseException] = []

    first, *others = pages(core, BIG)
    with (
        contextlib.closing(asyncio.new_event_loop()) as loop,
        contextlib.closing(SqliteLedger(core, WallClock(loop), posted.post, Storage(), fatal.append)) as ledger,
    ):
        nothing = SettleBets("nothing", FINAL, first.numbers, NOW + 1)

        def is_asked() -> bool:
            ledger.commit([nothing], answers.append)
            posted.run()
            return bool(taken)

        assert poll(is_asked)
        said = len(answers)
        for page in others:
            ledger.commit([page], answers.append)
    posted.run()
    assert not fatal
    assert len(answers) >= said + len(others)
    assert all(taken[-len(others) :])
    rows = core.database.writer.execute("SELECT count(*), count(DISTINCT bet) FROM entries WHERE reason = 'settlement'")
    assert rows.fetchone() == (BETS, BETS)
    assert core.open_bets() == 0
    assert set(core.totals().values()) == {0}
    facts = [fact.seq for fact in core.facts(0, 10**6)]
    assert facts == list(range(1, core.last_fact + 1))
