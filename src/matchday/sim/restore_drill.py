"""``matchday drill restore``: a ledger on PostgreSQL, backed up while bets come in, restored to a moment between two of
them, and once more after its primary was lost with its disk.

Bets are committed through the ledger's own core, as a gate's are, by two writers on threads of their own; some are
settled meanwhile. Each writer keeps, in its own memory, when it asked and when it was answered, by the clock of this
machine, which is also the server's. Against that record it is counted what a restored ledger has and has not:

* answered before the moment: all of it must be there (``missing``);
* asked after it: nothing of it may be there (``too_many``), and each must be named by what `ledger after` says
  (``untold``);
* under way at the moment: either (``in_doubt``).

Then the primary is killed and its folder deleted. What the archive and the backup come to must have every bet that was
ever answered (``lost_with_primary``): the archive is a synchronous standby.
"""

import asyncio
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from time import perf_counter
from typing import Final

import msgspec

from matchday.app.restored import after, at_server
from matchday.app.sound import look
from matchday.backends.clock_wall import WallClock
from matchday.backends.ledger_postgres import PostgresLedgerCore
from matchday.config import Postgres as PostgresSettings
from matchday.config import Settings
from matchday.model.bet import Leg, Outcome, Policy, Result
from matchday.model.ledger import OpenAccount, PlaceBet, SettleBets, Transfer
from matchday.ops.backup import shown
from matchday.ops.backup.archive import SLOT, Archive, receiving
from matchday.ops.backup.base import take
from matchday.ops.backup.restoring import Restored, Restoring, stop
from matchday.ops.backup.server import Asked
from matchday.ops.cluster_state import wait_for
from matchday.ops.drill import DrillError
from matchday.ops.engines import free_ports
from matchday.ops.engines.postgres import Postgres
from matchday.sim.settle_population import charges, decide

WRITERS: Final = 2
_BATCH: Final = 8
"""Bets of one commit."""
_FANS: Final = 32
"""Of each writer."""
_SETTLED: Final = 8
"""Commits on one fixture; then it is over, and its bets are settled."""
_CURRENCY: Final = "EUR"
_GRANT: Final = 10**9
_STAKE: Final = 100
_SENT_S_MAX: Final = 30.0


class RestoreDrill(msgspec.Struct, kw_only=True):
    """What was done and what came of it."""

    point: str = ""
    bets_answered: int = 0
    rate: float = 0.0
    """Bets a second while it was backed up."""
    before: int = 0
    """Answered before the moment."""
    missing: int = 0
    """Of these, not in the restored ledger: none."""
    later: int = 0
    """Asked after the moment."""
    too_many: int = 0
    """Of these, in the restored ledger: none."""
    untold: int = 0
    """Of these, not named by what came after: none."""
    in_doubt: int = 0
    """Under way at the moment."""
    entries_after: int = 0
    """Of the former server, beyond the restored ledger."""
    settled_again: int = 0
    """Open in the restored ledger, and settled in the former."""
    sound: bool = False
    faults: list[str] = []
    lost_with_primary: int = 0
    """Answered, and gone when the primary was lost with its disk: none."""
    backup_s: float = 0.0
    restore_s: float = 0.0
    restore_all_s: float = 0.0

    @property
    def good(self) -> bool:
        """Whether a restore loses nothing before its moment and says what came after."""
        lost = self.missing + self.too_many + self.untold + self.lost_with_primary
        return self.sound and not lost and bool(self.before and self.later)


class Written(msgspec.Struct, frozen=True):
    """A bet and when it was asked for and answered, in milliseconds since 1970."""

    bet: str
    account: str
    id: str
    asked_ms: int
    answered_ms: int


class _Writer:
    """One writer on a thread of its own, until it is told to stop."""

    def __init__(self, number: int, address: str, rate: float, stopped: threading.Event) -> None:
        self._number, self._stopped, self._pause_s = number, stopped, _BATCH / rate
        self._clock = WallClock(asyncio.new_event_loop())
        self._core = PostgresLedgerCore(PostgresSettings(address=address, retry_ms=50))
        self._fans = [self._clock.new_id() for _ in range(_FANS)]
        self.written: list[Written] = []
        self.failed: list[BaseException] = []
        self._thread = threading.Thread(target=self._run, name=f"bettor {number}")
        self._thread.start()

    def join(self) -> None:
        """Until it has ended. Raises what went wrong in it."""
        self._thread.join()
        self._core.close()
        self._clock._loop.close()
        if self.failed:
            raise self.failed[0]

    def _run(self) -> None:
        try:
            now = self._clock.now_ms()
            for fan in self._fans:
                self._core.commit([
                    OpenAccount(f"open:{fan}", fan, _CURRENCY, now),
                    Transfer(f"grant:{fan}", fan, _GRANT, _CURRENCY, "grant", now),
                ])  # fmt: skip
            turn = 0
            while not self._stopped.wait(self._pause_s):
                self._place(f"drill-{self._number}-{turn // _SETTLED}")
                turn += 1
                if turn % _SETTLED == 0:
                    self._settle(f"drill-{self._number}-{turn // _SETTLED - 1}")
        except BaseException as error:
            self.failed.append(error)
            raise

    def _place(self, fixture: str) -> None:
        asked_ms, new_id = self._clock.now_ms(), self._clock.new_id
        bets = [self._bet(fixture, n, new_id(), new_id(), asked_ms) for n in range(_BATCH)]
        answers = self._core.commit(bets)
        answered_ms = self._clock.now_ms()
        if wrong := [answer for answer in answers if answer.refusal is not None]:
            raise DrillError(f"a bet was refused, and none should be: {wrong[0]}")
        self.written += [Written(bet.bet, bet.account, bet.id, asked_ms, answered_ms) for bet in bets]

    def _bet(self, fixture: str, n: int, id_: str, bet: str, at_ms: int) -> PlaceBet:
        account = self._fans[(len(self.written) + n) % _FANS]
        market = f"{fixture}:1x2"
        legs = (Leg(fixture, market, f"{market}/{('home', 'draw', 'away')[n % 3]}", 2_500, 0),)
        return PlaceBet(
            id_, account, _CURRENCY, _STAKE, Policy.ANY, legs, bet, at_ms, legs,
            charges(account, _STAKE, legs, self._number),
        )  # fmt: skip

    def _settle(self, fixture: str) -> None:
        now, names = self._clock.now_ms(), ("home", "draw", "away")
        outcomes = {f"1x2/{name}": Outcome(Result.WON if name == "home" else Result.LOST) for name in names}
        self._core.commit([decide(fixture, outcomes, now)])
        found = self._core.bets_on([f"{fixture}:1x2/{name}" for name in names], 0, _BATCH * _SETTLED + 1_000)
        numbers = tuple(number for _, number in found)
        self._core.commit([SettleBets(f"settle:{fixture}", fixture, numbers, now)])


class _Drill:
    """One drill in a folder."""

    def __init__(self, folder: Path, seconds: float, rate: float, say: Callable[[str], None]) -> None:
        self._folder, self._seconds, self._rate, self._say = folder, seconds, rate, say
        self._report = RestoreDrill()
        self._never = threading.Event()
        self._primary = Postgres(folder / "server")
        self._archive = Archive(folder / "archive")

    def run(self) -> RestoreDrill:
        """Back up under load, restore to a moment, compare; lose the primary, restore all, compare."""
        folder, report = self._folder, self._report
        self._primary.start()
        server = Asked(self._primary.address)
        with ExitStack() as stack:
            stack.callback(self._primary.stop)
            with receiving(self._archive, server, self._say):
                self._wait_for_archive(server)
                point_ms, written = self._bet_on(server)
                restored = self._restore(shown(point_ms), folder / "restored")
                with closing(_Stopped(restored)):
                    self._compare(restored, point_ms, written)
                self._lose()
            self._say("the primary and its disk are lost; restoring all that the archive has")
            began = perf_counter()
            last = self._restore("", folder / "last")
            report.restore_all_s = round(perf_counter() - began, 2)
            with closing(_Stopped(last)), closing(self._core(last.address)) as core:
                report.lost_with_primary = sum(core.bet(one.bet) is None for one in written)
        return report

    def _wait_for_archive(self, server: Asked) -> None:
        """Until nothing is answered before the archive has it."""
        sent = "SELECT count(*) FROM pg_stat_replication WHERE application_name <> 'matchday backup'"
        if not wait_for(lambda: bool(server.ask(sent)[0]), _SENT_S_MAX):
            raise DrillError(f"the archive does not receive; see {self._archive.folder}")
        with server.connection() as connection:
            connection.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{SLOT}'".encode())
            connection.execute(b"SELECT pg_reload_conf()")
        waited_for = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"
        if not wait_for(lambda: bool(server.ask(waited_for)[0]), _SENT_S_MAX):
            raise DrillError("the archive does not become a synchronous standby")

    def _bet_on(self, server: Asked) -> tuple[int, list[Written]]:
        """Bet, back up, bet, note the moment, bet; the moment and all that was answered."""
        report, pause = self._report, self._seconds / 3
        stopped = threading.Event()
        writers = [_Writer(n, self._primary.address, self._rate / WRITERS, stopped) for n in range(WRITERS)]
        try:
            self._never.wait(pause)
            self._say("bets come in; taking the base backup")
            began = perf_counter()
            take(server, self._folder / "backup", "matchday")
            report.backup_s = round(perf_counter() - began, 2)
            self._never.wait(pause)
            point_ms = server.now_ms()
            self._say(f"the moment is {shown(point_ms)}; bets go on")
            self._never.wait(pause)
        finally:
            stopped.set()
            for writer in writers:
                writer.join()
        written = [one for writer in writers for one in writer.written]
        report.point, report.bets_answered = shown(point_ms), len(written)
        took_ms = max(one.answered_ms for one in written) - min(one.asked_ms for one in written)
        report.rate = round(1_000 * len(written) / max(1, took_ms), 1)
        return point_ms, written

    def _restore(self, to: str, into: Path) -> Restored:
        server = Asked(self._primary.address).here(free_ports(1)[0])
        began = perf_counter()
        restored = Restoring(self._folder / "backup", into, self._archive.folder, to, server).run(self._say)
        if to:
            self._report.restore_s = round(perf_counter() - began, 2)
        return restored

    def _compare(self, restored: Restored, point_ms: int, written: list[Written]) -> None:
        report = self._report
        with closing(self._core(restored.address)) as core:
            found = look(core)
            there = {one.bet for one in written if core.bet(one.bet) is not None}
        report.sound, report.faults = found.sound, found.faults
        settings = at_server(Settings(), restored.address)
        came = after(settings, self._folder, self._primary.address)
        told = {bet.bet for bet in came.bets}
        report.entries_after, report.settled_again = came.entries_total, came.settled_again_total
        before = [one for one in written if one.answered_ms < point_ms]
        later = [one for one in written if one.asked_ms > point_ms]
        report.before, report.later = len(before), len(later)
        report.in_doubt = len(written) - len(before) - len(later)
        report.missing = sum(one.bet not in there for one in before)
        report.too_many = sum(one.bet in there for one in later)
        report.untold = sum(one.bet not in told for one in written if one.bet not in there)

    def _core(self, address: str) -> PostgresLedgerCore:
        return PostgresLedgerCore(PostgresSettings(address=address, read_ms_max=600_000))

    def _lose(self) -> None:
        """The primary, as by a fire."""
        for pid in self._primary.processes().values():
            if pid:
                os.kill(pid, signal.SIGKILL)
        lost = (self._folder / "server").rename(self._folder / "lost")
        shutil.rmtree(lost, ignore_errors=True)  # its last processes may still write there


class _Stopped:
    """A restored server, ended by ``close``."""

    def __init__(self, restored: Restored) -> None:
        self._restored = restored

    def close(self) -> None:
        """End it."""
        stop(self._restored)


def hold(folder: Path, seconds: float, rate: float, say: Callable[[str], None]) -> RestoreDrill:
    """Hold the drill in an empty folder: so many seconds of bets, so many a second."""
    return _Drill(folder, seconds, rate, say).run()


def rows(report: RestoreDrill) -> Iterator[tuple[str, str]]:
    """For people."""
    for name, value in msgspec.structs.asdict(report).items():
        yield name.replace("_", " "), "; ".join(value) if isinstance(value, list) else str(value)
