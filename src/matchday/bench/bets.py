"""``bench bets``: durable bets through the real command, by WebSocket and by HTTP.

CPU per bet at saturation, beside an echo of the same bytes through the same class of door plus a bare batch of the same
rows; latency at half of what it can do; all bets on one market beside bets spread evenly; and how long the event loop
takes to get to a word while the ledger is saturated.
"""

import asyncio
import statistics
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from itertools import islice
from typing import Final

import msgspec
import uvloop

from matchday.backends.clock_wall import WallClock
from matchday.bench import ledger
from matchday.bench.bare import Bare
from matchday.bench.bettors import body_maker, echoed
from matchday.bench.crowd import Crowd, Saturated
from matchday.bench.echo import echoing
from matchday.bench.fans import crowds_of, guests, refusing
from matchday.bench.figures import Row, Target, compared, percentile, plain, unmeasured
from matchday.bench.open_loop import CouldNotKeepUp
from matchday.bench.prober import probing
from matchday.bench.run import Run
from matchday.bench.server import Server, serving
from matchday.bench.stopwatch import LOAD_CORE, cpu_s, pinned

CPU_TARGET: Final = {"WebSocket": Target(1.4, of_ratio=True), "HTTP": Target(1.6, of_ratio=True)}
P99_TARGET: Final = Target(25)
ONE_MARKET_TARGET: Final = Target(0.7, of_ratio=True, at_least=True)
LAG_TARGET: Final = Target(15)
ECHO: Final = "echo of the same bytes through the same class of door (WebSocket) + a bare batch of the same rows"
_BARE_BATCHES: Final = 16
"""Of each round."""


class Doors(msgspec.Struct):
    """Everything that is measured, connected."""

    server: Server
    crowds: dict[str, Crowd]
    """By door, those through which a bet is accepted."""
    unknown: dict[str, str]
    """Doors through which none is -> why."""
    echo: Crowd
    library: Crowd
    bares: dict[int, Bare]
    """By connections: so many share a batch as would be in one at that many connections."""
    spread: Callable[[], bytes]
    one: Callable[[], bytes]


def measure(run: Run) -> list[Row]:
    """The rows."""
    with pinned(LOAD_CORE), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_measured(run, (run.share(64, 4), run.share(512, 16))))


async def _measured(run: Run, counts: tuple[int, int]) -> list[Row]:
    with ExitStack() as stack:
        doors = await _opened(run, counts, stack)
        return [
            *await _cpu(run, doors, counts),
            *await _one_market(run, doors, counts),
            *await _lag(run, doors, counts),
        ]


# --- what is measured -------------------------------------------------------------------------------------------------


async def _opened(run: Run, counts: tuple[int, int], stack: ExitStack) -> Doors:
    server = stack.enter_context(serving(run.folder / "bets", profile=run.profile))
    tokens = guests(run, server, max(counts))
    clock = WallClock(asyncio.get_running_loop())
    markets = server.legs()
    spread = body_maker([leg for market in markets for leg in market], clock.new_id)
    one = body_maker(markets[0], clock.new_id)
    crowds = crowds_of(server, tokens)
    for crowd in crowds.values():
        stack.callback(crowd.close)
    unknown = await refusing(crowds, spread)
    size = max(crowd.heard_bytes for crowd in crowds.values())
    echo, library = _echo(stack, "door", size), _echo(stack, "library", size)
    bares = _bares(run, counts, stack)
    known = {door: crowd for door, crowd in crowds.items() if door not in unknown}
    return Doors(server, known, unknown, echo, library, bares, spread, one)


def _echo(stack: ExitStack, kind: str, size: int) -> Crowd:
    pid, port = stack.enter_context(echoing(kind, size))
    return stack.enter_context(closing(Crowd(lambda: cpu_s(pid), lambda _, answered: echoed(port, answered))))


def _bares(run: Run, counts: tuple[int, int], stack: ExitStack) -> dict[int, Bare]:
    """While a group commits, about half of the bets of a closed loop wait for the next one."""
    found = {}
    for count in counts:
        batch = max(1, min(count // 2, 256))
        made = list(islice(ledger.bets(), batch * _BARE_BATCHES * run.rounds))
        bare = Bare(run.folder / f"bets-bare-{count}.sqlite", ledger.accounts(), made, batch)
        found[count] = stack.enter_context(closing(bare))
    return found


# --- the rows ---------------------------------------------------------------------------------------------------------


class _Round(msgspec.Struct):
    """Of one number of connections; by door where there are several."""

    ours: dict[str, Saturated]
    echo_us: float
    library_us: float
    bare_us: float


async def _cpu(run: Run, doors: Doors, counts: tuple[int, int]) -> list[Row]:
    """At saturation, all in turn; then at half of it."""
    rounds: dict[int, list[_Round]] = {count: [] for count in counts}
    for n in range(run.rounds):
        for count in counts:
            rounds[count].append(await _round(run, doors, count, backwards=bool(n % 2)))
        run.progress("bets: saturated", n + 1, run.rounds)
    rows: list[Row] = []
    for door in CPU_TARGET:
        for count in counts:
            if (why := doors.unknown.get(door)) is not None:
                rows.append(unmeasured(
                    f"bets by {door}, {count} connections: CPU", "durable bets, all checks and guards on", "us", why,
                    target=CPU_TARGET[door],
                ))  # fmt: skip
                continue
            rows += _cpu_rows(door, count, rounds[count])
            rates = [each.ours[door].rate for each in rounds[count]]
            rows.append(await _latency(run, doors, door, count, statistics.median(rates) / 2))
    return rows


async def _round(run: Run, doors: Doors, count: int, *, backwards: bool) -> _Round:
    ours: dict[str, Saturated] = {}
    cpu: dict[str, float] = {}

    async def door(name: str) -> None:
        ours[name] = await doors.crowds[name].saturate(count, run.seconds(1.5), doors.spread)

    async def reference(name: str, crowd: Crowd) -> None:
        cpu[name] = (await crowd.saturate(count, run.seconds(1), doors.spread)).cpu_us

    todo = [reference("echo", doors.echo), *map(door, doors.crowds), reference("library", doors.library)]
    for each in reversed(todo) if backwards else todo:
        await each
    bare = doors.bares[count]
    return _Round(ours, cpu["echo"], cpu["library"], ledger.bare_cpu_us(bare, _BARE_BATCHES) / bare.batch)


def _cpu_rows(door: str, count: int, rounds: Sequence[_Round]) -> list[Row]:
    name, what = f"bets by {door}, {count} connections", "durable bets through `matchday up`, all checks and guards on"
    other = [reason for reason in rounds[-1].ours[door].answers if reason != "accepted"]
    return [
        compared(
            f"{name}: CPU", f"{what}: of the server, per bet", "us",
            [(each.ours[door].cpu_us, each.echo_us + each.bare_us) for each in rounds],
            reference=ECHO, target=CPU_TARGET[door], note=f"also answered: {', '.join(other)}" if other else "",
        ),
        compared(
            f"{name}: CPU, library", "the same", "us",
            [(each.ours[door].cpu_us, each.library_us + each.bare_us) for each in rounds],
            reference="the same, the echo by the plain websockets library",
        ),
        plain(f"{name}: rate", f"{what}, one bet under way each", "bets/s", [each.ours[door].rate for each in rounds]),
    ]  # fmt: skip


async def _latency(run: Run, doors: Doors, door: str, count: int, rate: float) -> Row:
    name = f"bets by {door}, {count} connections: p99 at half rate"
    what = f"from when a bet was due to its answer, open loop at {rate:.0f} bets/s"
    crowd, found, troubles = doors.crowds[door], list[float](), list[str]()
    for n in range(run.rounds):
        seen = await crowd.arrive(count, rate, run.seconds(2), doors.spread)
        try:
            found.append(seen.latency_ms("accepted", 0.99))
        except CouldNotKeepUp as trouble:
            troubles.append(str(trouble))
        run.progress(f"bets: {door}, {count}, half rate", n + 1, run.rounds)
    if len(found) <= len(troubles):
        return unmeasured(name, what, "ms", f"not published: {troubles[-1]}", target=P99_TARGET)
    note = f"{len(troubles)} rounds left out: {troubles[-1]}" if troubles else ""
    return plain(name, what, "ms", found, target=P99_TARGET, note=note)


async def _one_market(run: Run, doors: Doors, counts: tuple[int, int]) -> list[Row]:
    rows = []
    for door, crowd in doors.crowds.items():
        pairs = []
        for n in range(run.rounds):
            both = {}
            for body in (doors.one, doors.spread) if n % 2 else (doors.spread, doors.one):
                both[body] = (await crowd.saturate(counts[1], run.seconds(1), body)).rate
            pairs.append((both[doors.one], both[doors.spread]))
            run.progress(f"bets: one market by {door}", n + 1, run.rounds)
        rows.append(compared(
            f"bets by {door}, all on one market", f"{counts[1]} connections", "bets/s", pairs,
            reference="bets spread over all markets of several matches", target=ONE_MARKET_TARGET,
        ))  # fmt: skip
    return rows


async def _lag(run: Run, doors: Doors, counts: tuple[int, int]) -> list[Row]:
    """By the first door there is."""
    door, crowd = next(iter(doors.crowds.items()))
    pairs, seconds = [], run.seconds(2)
    with probing(doors.server.port) as prober:
        for n in range(run.rounds):
            prober.begin(seconds)
            await asyncio.sleep(seconds)
            idle = percentile(prober.end(), 0.99)
            prober.begin(seconds)
            await crowd.saturate(counts[1], seconds, doors.spread)
            pairs.append((percentile(prober.end(), 0.99), idle))
            run.progress("bets: loop lag", n + 1, run.rounds)
    return [compared(
        "loop lag, ledger saturated", f"p99 of a ping's way there and back, {counts[1]} connections by {door}", "ms",
        pairs, reference="the same, idle", target=LAG_TARGET,
    )]  # fmt: skip
