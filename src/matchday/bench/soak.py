"""``bench soak``: the real command at half of what it can do, for as long as is asked.

A line a minute: rate, latency, memory, what waits for an answer, sizes of the files. In the end a verdict: whether
memory, queue and rate stayed where they were, and the rate of the ledger's core on the file that grew beside a fresh
one.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Final

import msgspec
import uvloop

from matchday.backends.clock_wall import WallClock
from matchday.backends.ledger_sqlite import SqliteLedgerCore
from matchday.bench import ledger
from matchday.bench.bettors import body_maker
from matchday.bench.crowd import Crowd
from matchday.bench.fans import best, crowds_of, guests
from matchday.bench.figures import Row, Target, compared, plain
from matchday.bench.open_loop import CouldNotKeepUp, Seen
from matchday.bench.run import Run
from matchday.bench.server import Server, serving
from matchday.bench.stopwatch import LOAD_CORE, SERVER_CORE, now_s, pinned
from matchday.model.ledger import PlaceBet

MEMORY_TARGET: Final = Target(1.2, of_ratio=True)
RATE_TARGET: Final = Target(0.95, of_ratio=True, at_least=True)
QUEUE_TARGET: Final = Target(1)
LEDGER_TARGET: Final = Target(0.8, of_ratio=True, at_least=True)
CONNECTIONS: Final = 64
_BATCH: Final = 64
_BATCHES: Final = 32
"""Of a round of the ledger's core."""


class Minute(msgspec.Struct):
    """How it stood at the end of one."""

    accepted_per_s: float
    offered_per_s: float
    p50_ms: float | None
    p99_ms: float | None
    """None where the generator could not keep up."""
    waiting: int
    """Bets without an answer when the minute was over, at most."""
    rss_mb: float
    ledger_mb: float
    wal_mb: float
    log_mb: float

    def line(self, number: int) -> str:
        """For people."""
        times = "not published" if self.p99_ms is None else f"p50 {self.p50_ms:.1f} ms, p99 {self.p99_ms:.1f} ms"
        return (
            f"minute {number}: {self.accepted_per_s:.0f} of {self.offered_per_s:.0f} bets/s accepted, {times}, "
            f"{self.waiting} waiting, {self.rss_mb:.0f} MB resident, ledger {self.ledger_mb:.0f} + "
            f"{self.wal_mb:.0f} MB, log {self.log_mb:.0f} MB"
        )


def measure(run: Run) -> list[Row]:
    """The rows of the verdict; lines meanwhile."""
    folder = run.folder / "soak"
    with pinned(LOAD_CORE), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        minutes, bets = runner.run(_minutes(run, folder))
    rows = _verdict(run, minutes, bets)
    rows.append(_ledger(run, folder / "data" / "ledger.sqlite", bets))
    return rows


async def _minutes(run: Run, folder: Path) -> tuple[list[Minute], int]:
    """Each of them, and how many bets were accepted in all."""
    clock = WallClock(asyncio.get_running_loop())
    with serving(folder, profile=run.profile) as server:
        tokens = guests(run, server, CONNECTIONS)
        body = body_maker([leg for market in server.legs() for leg in market], clock.new_id)
        door, crowd = await best(crowds_of(server, tokens), body)
        with closing(crowd):
            most = await crowd.saturate(CONNECTIONS, run.seconds(5), body)
            run.say(f"{most.rate:.0f} bets/s by {door} when saturated; half of it from now on")
            minutes, accepted, left = [], most.accepted, 60 * run.minutes
            while left > 0:
                body = body_maker([leg for market in server.legs() for leg in market], clock.new_id)
                seconds, left = min(60.0, left), left - 60.0
                minute, more = await _minute(server, crowd, most.rate / 2, seconds, body, folder / "data")
                minutes.append(minute)
                accepted += more
                run.say(minute.line(len(minutes)))
                run.progress("soak", len(minutes), -int(-run.minutes // 1))
    return minutes, accepted


async def _minute(
    server: Server, crowd: Crowd, rate: float, seconds: float, body: Callable[[], bytes], data: Path
) -> tuple[Minute, int]:
    seen = await crowd.arrive(CONNECTIONS, rate, seconds, body)
    p50, p99 = _latencies(seen)
    minute = Minute(
        seen.in_time.get("accepted", 0) / seconds, rate, p50, p99, seen.sent - sum(seen.in_time.values()),
        server.rss_bytes() / 1e6, _mb(data / "ledger.sqlite"), _mb(data / "ledger.sqlite-wal"),
        _mb(data / "log.sqlite"),
    )  # fmt: skip
    return minute, seen.count("accepted")


def _latencies(seen: Seen) -> tuple[float, float] | tuple[None, None]:
    try:
        return seen.latency_ms("accepted", 0.5), seen.latency_ms("accepted", 0.99)
    except CouldNotKeepUp:
        return None, None


def _mb(file: Path) -> float:
    return file.stat().st_size / 1e6 if file.exists() else 0.0


def _verdict(run: Run, minutes: Sequence[Minute], bets: int) -> list[Row]:
    """The first minute fills what is filled once; the last is compared to the next after it."""
    early, last = minutes[min(1, len(minutes) - 1)], minutes[-1]
    first = f"after minute {min(2, len(minutes))}"
    return [
        compared("soak: memory", f"resident after {bets} bets in {run.minutes:g} minutes", "MB",
                 [(last.rss_mb, early.rss_mb)], reference=first, target=MEMORY_TARGET),
        compared("soak: rate", "accepted at half load, of the worst minute", "bets/s",
                 [min(((m.accepted_per_s, m.offered_per_s) for m in minutes), key=lambda pair: pair[0] / pair[1])],
                 reference="offered", target=RATE_TARGET),
        plain("soak: queue", "bets without an answer after the worst minute, in seconds of the offered load", "s",
              [max(m.waiting / m.offered_per_s for m in minutes)], target=QUEUE_TARGET),
    ]  # fmt: skip


def _ledger(run: Run, grown: Path, count: int) -> Row:
    """Batches of checked bets into the file that grew and into a fresh one, in turn."""
    with ExitStack() as stack:
        stack.enter_context(pinned(SERVER_CORE))
        cores = [stack.enter_context(closing(SqliteLedgerCore(file))) for file in (grown, run.folder / "fresh.sqlite")]
        for core in cores:
            core.commit(ledger.accounts())
        made = ledger.bets()
        pairs = []
        for _ in range(run.rounds):
            batches = [[next(made) for _ in range(_BATCH)] for _ in range(_BATCHES)]
            ours, fresh = (_rate(core, batches) for core in cores)
            pairs.append((ours, fresh))
    return compared(
        "soak: ledger after many bets", f"the ledger's core in batches of {_BATCH}, {count} bets in its file", "bets/s",
        pairs, reference="a fresh file", target=LEDGER_TARGET,
    )  # fmt: skip


def _rate(core: SqliteLedgerCore, batches: Sequence[Sequence[PlaceBet]]) -> float:
    began = now_s()
    for batch in batches:
        core.commit(batch)
    return len(batches) * _BATCH / (now_s() - began)
