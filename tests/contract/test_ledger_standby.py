"""A ledger on PostgreSQL with a synchronous standby: what it waits for, what is read there, and what is left when the
primary is gone."""

import os
import queue
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from matchday.backends.ledger_postgres import PostgresLedger, PostgresLedgerCore, postgres_ledger
from matchday.bench.postgres_server import Server
from matchday.config import Postgres
from matchday.model.ledger import Answer, Command
from matchday.ops.engines.postgres import OWNER
from matchday.ports import LedgerUnavailable
from matchday.sim.clock import VirtualClock
from tests.contract.test_ledger import NOW, WON, bet, decide, opened, settle
from tests.contract.test_ledger_postgres import PATIENCE_S, consistent, eventually, fans
from tests.engines import QUICK, Databases, fill, postgres_servers, small_disk

NO_ROOM = "No space left on device"


class Pair(NamedTuple):
    primary: Server
    standby: Server
    database: str

    def settings(self, *, reads: bool = False, **more: int) -> Postgres:
        standby = self.standby.address(self.database) if reads else ""
        address = self.primary.address(self.database, self.standby)
        return Postgres(**{"address": address, "standby": standby, **QUICK, **more})

    def waiting(self) -> list[int]:
        """Those whose commit waits for the standby."""
        sql = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
        return [row[0] for row in self.primary.say(sql)]


@pytest.fixture
def pair() -> Iterator[Pair]:
    with closing(postgres_servers()) as servers:
        primary = servers.new("primary")
        database = Databases(primary).new()
        found = Pair(primary, servers.new("standby", primary), database)
        primary.require("standby")
        yield found


def test_a_commit_is_answered_when_the_standby_has_it_whoever_ends_its_wait(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:  # fmt: skip
    """Cancelled in its wait, a commit stands on the primary and says so by a warning only: that is no answer."""
    with closing(PostgresLedgerCore(pair.settings())) as core, ThreadPoolExecutor(1) as pool:
        core.commit(opened())
        pair.standby.stop("fast")
        answering = pool.submit(core.commit, [bet(100)])
        assert eventually(lambda: bool(pair.waiting()))
        assert eventually(lambda: core.open_bets() == 0)  # nobody sees it either
        pair.primary.say("SELECT pg_cancel_backend(%s)", "postgres", *pair.waiting())
        assert eventually(lambda: "sent again" in caplog.text and bool(pair.waiting()))
        assert core.open_bets() == 1  # it stands here, and is not answered
        assert not answering.done()
        pair.standby.start()
        (answer,) = answering.result(PATIENCE_S)
        assert (answer.refusal, answer.repeated) == (None, True)
        assert core.open_bets() == 1
        consistent(core)


def test_a_server_that_is_gone_is_unavailable_until_it_is_back(pair: Pair) -> None:
    """By the driver: everybody is answered, nobody twice, and what was not taken is taken under the same id."""
    calls: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
    pair.primary.require("")

    def answered(ledger: PostgresLedger, *commands: Command) -> list[list[Answer] | LedgerUnavailable]:
        found: list[list[Answer] | LedgerUnavailable] = []
        for command in commands:
            ledger.commit(
                [command], lambda answer: found.append(answer if isinstance(answer, LedgerUnavailable) else [*answer])
            )
        while len(found) < len(commands):
            calls.get(timeout=PATIENCE_S)()
        return found

    with postgres_ledger(pair.settings(), VirtualClock(seed=1), calls.put, fail) as ledger:
        answered(ledger, *opened())
        pair.standby.stop()
        pair.primary.stop()
        bets = [bet(100, name=f"b{number}") for number in range(5)]
        assert {type(answer) for answer in answered(ledger, *bets)} == {LedgerUnavailable}
        with pytest.raises(LedgerUnavailable):
            ledger.account_at("anna", NOW)
        pair.primary.start()
        again = answered(ledger, *bets)
        assert [isinstance(answers, list) and answers[0].repeated for answers in again] == [False] * 5
        assert eventually(lambda: ledger.open_bets() == 5)


def fail(error: BaseException) -> None:
    raise error


class Gone:
    """A primary that cannot be read."""

    def rows(self, sql: str, values: object = ()) -> list[object]:
        raise LedgerUnavailable("gone")


def test_a_standby_is_read_as_far_as_it_has_come_and_settlement_misses_nothing(pair: Pair) -> None:
    with closing(PostgresLedgerCore(pair.settings(reads=True))) as core, closing(
        PostgresLedgerCore(pair.settings())
    ) as gate:  # fmt: skip
        gate.commit([*opened(), bet(100, name="b1")])
        core.commit(opened(account="bert"))
        assert eventually(lambda: core.standby_age_ms() == 0)
        pair.standby.say("SELECT pg_wal_replay_pause()")
        gate.commit([bet(100, name="b2")])
        core.commit([decide(5, WON)])
        numbers = [number for _, number in core.bets_on(["F:1x2/home"], 0, 100)]
        assert len(numbers) == 2  # the standby knows of one
        assert pair.standby.say("SELECT count(*) FROM bets", pair.database) == [(1,)]
        assert core.backed("F") == ["F:1x2/home"]
        core.commit([settle(5, "b1"), settle(5, "b2")])
        assert core.statement("anna", None, 1)[0].reason == "settlement"
        age = core.standby_age_ms()
        assert age is not None
        assert age > 0
        pair.standby.say("SELECT pg_wal_replay_resume()")
        primary, core._reader = core._reader, Gone()  # type: ignore[assignment]
        assert eventually(lambda: core.statement("anna", None, 1)[0].reason == "settlement")
        assert core.bets_on(["F:1x2/home"], 0, 100)
        assert core.totals() == {"EUR": 0}
        with pytest.raises(LedgerUnavailable):  # what must be of this moment is not read there
            core.decisions(["F:1x2/home"])
        core._reader = primary
        pair.primary.require("")
        pair.standby.stop()
        assert core.statement("anna", None, 1)[0].reason == "settlement"  # the primary is there
        assert core.standby_age_ms() is None


def with_children(pid: int) -> list[int]:
    """A process and all that it has started."""
    found = [pid]
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            with suppress(OSError):
                parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
                found += [int(folder.name)] if int(parent) == pid else []
    return found


def test_a_standby_that_hangs_holds_up_commits_and_no_read(pair: Pair) -> None:
    """As one whose disk is full or stalls: what waits for it is not answered, and not lost; what would be read there is
    read on the primary, once its time is over."""
    with closing(PostgresLedgerCore(pair.settings(reads=True, read_ms_max=300))) as core, ThreadPoolExecutor(1) as pool:
        core.commit([*opened(), bet(100, name="b1")])
        assert eventually(lambda: core.standby_age_ms() == 0)
        stopped = with_children(pair.standby.process)
        for process in stopped:
            os.kill(process, signal.SIGSTOP)
        try:
            answering = pool.submit(core.commit, [bet(100, name="b2")])
            assert eventually(lambda: bool(pair.waiting()))
            assert [entry.reason for entry in core.statement("anna", None, 9)] == ["stake", "grant"]
            assert not answering.done()
        finally:
            for process in stopped:
                os.kill(process, signal.SIGCONT)
        assert answering.result(PATIENCE_S)[0].refusal is None
        assert eventually(lambda: core.standby_age_ms() == 0)
        assert len(core.statement("anna", None, 9)) == 3


def test_a_standby_whose_disk_is_full_holds_up_commits_until_there_is_room(pair: Pair) -> None:
    """It takes no more of the primary's log: what waits for it is not answered, and not lost; reads go on."""
    small = pair.standby.folder / "small"
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(1))
        core = stack.enter_context(closing(PostgresLedgerCore(pair.settings(reads=True, read_ms_max=300))))
        core.commit(opened())
        pair.standby.stop("fast")
        disk = stack.enter_context(small_disk(small, 192))
        stack.callback(pair.standby.stop)
        moved_to(disk, pair.standby.folder / pair.standby.name / "pg_wal")
        pair.standby.start()
        core.commit([bet(1, name="before")])
        fill(disk / "filler")
        asked: list[Future[list[Answer]]] = []

        def ask() -> None:
            asked.append(pool.submit(core.commit, [bet(1, name=f"b{len(asked)}")]))
            pair.primary.say("SELECT pg_switch_wal()")

        def full() -> bool:
            return NO_ROOM in pair.standby.log.read_text()

        while not full():
            ask()
            assert eventually(lambda: asked[-1].done() or full())
        ask()
        assert eventually(lambda: bool(pair.waiting()))
        assert core.statement("anna", None, 100)[-1].reason == "grant"
        assert not asked[-1].done()
        (disk / "filler").unlink()
        assert {one.result(PATIENCE_S)[0].refusal for one in asked} == {None}
        assert core.open_bets() == 1 + len(asked)
        consistent(core)


def moved_to(disk: Path, folder: Path) -> None:
    """Have a folder's files stand on another disk."""
    shutil.copytree(folder, disk / folder.name)
    shutil.rmtree(folder)
    folder.symlink_to(disk / folder.name)
    for path in (disk, *disk.rglob("*")):
        shutil.chown(path, OWNER)
    disk.chmod(0o700)


def test_nothing_that_was_answered_is_lost_with_the_primary(pair: Pair) -> None:
    """Two gates place bets, each again until it is answered, while the standby takes over."""
    over, gone = threading.Event(), threading.Event()

    def places(core: PostgresLedgerCore, gate: int) -> list[Answer]:
        answered: list[Answer] = []
        after = 0
        while after < 30:
            command: Command = bet(1, name=f"b{gate}-{len(answered)}", account=f"fan{gate}")
            answered += until_answered(core, command)
            after += over.is_set()
            if len(answered) == 30:
                gone.set()
        return answered

    def until_answered(core: PostgresLedgerCore, command: Command) -> list[Answer]:
        while True:
            try:
                return core.commit([command])
            except LedgerUnavailable:
                over.wait(0.01)

    with closing(PostgresLedgerCore(pair.settings())) as first, closing(
        PostgresLedgerCore(pair.settings())
    ) as second, ThreadPoolExecutor(2) as pool:  # fmt: skip
        fans(first, 2, 10**6)
        gates = [pool.submit(places, core, gate) for gate, core in enumerate((first, second))]
        assert gone.wait(PATIENCE_S)
        pair.primary.stop()
        pair.standby.promote()
        over.set()
        answered = [answer for gate in gates for answer in gate.result(PATIENCE_S)]
        assert {answer.refusal for answer in answered} == {None}
        assert eventually(lambda: first.open_bets() == len(answered))
        held = {answer.bet.bet for answer in answered if answer.bet is not None}
        placed = [b.bet for fan in ("fan0", "fan1")
                  for b in first.bets(fan, open_only=True, before=None, limit=10_000)]  # fmt: skip
        assert len(held) == len(answered)
        assert sorted(placed) == sorted(held)
        consistent(first)
        assert first.account_at("fan0", NOW) is not None
