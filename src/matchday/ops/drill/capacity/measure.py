"""One room after the other, each in several rounds: the median of their knees, and how far apart they were."""

import asyncio
import resource
import statistics
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack
from typing import Final

import msgspec
import uvloop

from matchday.app import StartError
from matchday.bench import knee_odds, knee_relay
from matchday.bench.knee import Knee, search
from matchday.bench.run import Run
from matchday.bench.stopwatch import LOAD_CORE, SERVER_CORE, pinned
from matchday.config import Settings
from matchday.ops.capacity import Carried, Origin, Room
from matchday.ops.drill.capacity.gate import (
    BETS_MS,
    CHANGES,
    FRAMES_MS,
    GOAL_MS,
    REQUESTS_MS,
    Gate,
    Mix,
    Opened,
    gate_of,
    opened,
)
from matchday.sim.settle_bench import run as settle

ALONE: Final[Mapping[str, Mix]] = {
    "bets_per_s": Mix(bets=1), "frames_per_s": Mix(frames=1), "requests_per_s": Mix(requests=1),
}  # fmt: skip
TARGETS: Final = {"bets_per_s": BETS_MS, "frames_per_s": FRAMES_MS, "requests_per_s": REQUESTS_MS}
STARTS: Final = {"bets_per_s": 800.0, "frames_per_s": 15_000.0, "requests_per_s": 300.0}
"""Rates that a search begins with; a later round begins below what the one before found."""
CONNECTIONS: Final[tuple[int, ...]] = (1_000, 2_000, 4_000, 6_000, 8_000)
"""Steps of connections, as far as open files go."""
CONNECTIONS_QUICK: Final[tuple[int, ...]] = (100, 200)
WATCHERS: Final = 2_000
ODDS: Final = knee_odds.Mix(matches=20, goals=0.1, seed=1)
SETTLED: Final = (20_000, 5_000)
"""Bets and accounts of a round of settlement."""
FACTS: Final = 20_000
"""Bets of a round of the relay."""
_FILES_BESIDE: Final = 400
_ODDS_START: Final = 600.0


class Measured(msgspec.Struct):
    """What came of a room."""

    room: Room
    figures: dict[str, float] = {}


def carried(values: Sequence[float], *, target_ms: float = 0.0, knees: Sequence[Knee] = (), note: str = "") -> Carried:
    """Of some rounds. StartError where nothing was carried."""
    middle = statistics.median(values)
    if middle <= 0:
        why = next((knee.steps[-1].why for knee in knees), "nothing was carried")
        raise StartError(f"no rate met its target: {why}; measure on a quieter machine")
    limited = next((knee.at_least for knee in knees if knee.at_least), "")
    notes = [text for text in (f"at least: {limited}" if limited else "", note) if text]
    return Carried(
        per_process=round(middle, 1), target_ms=target_ms,
        p99_ms=round(statistics.median([knee.p99_ms for knee in knees] or [0.0]), 1), note="; ".join(notes),
        spread=round((max(values) - min(values)) / middle, 3),
    )  # fmt: skip


def more_files() -> int:
    """Raise the limit of open files as far as it goes; connections that both ends then have room for."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard - _FILES_BESIDE


# --- the gate ---------------------------------------------------------------------------------------------------------


def gate(run: Run) -> Measured:
    """All of its loads, each alone."""
    with ExitStack() as stack:
        found = opened(run.folder / "gate", stack)
        stack.enter_context(pinned(LOAD_CORE))
        runner = stack.enter_context(asyncio.Runner(loop_factory=uvloop.new_event_loop))
        return runner.run(_gate(run, found))


async def _gate(run: Run, found: Opened) -> Measured:
    room_for = more_files()
    async with AsyncExitStack() as stack:
        gate = await gate_of(found, run.share(WATCHERS, 100), stack)
        knees: dict[str, list[Knee]] = {load: [] for load in ALONE}
        for turn in range(run.rounds):
            for load, mix in ALONE.items():
                before = knees[load][-1].rate if knees[load] else 0.0
                start, growth = (0.75 * before, 1.2) if before else (STARTS[load], 1.5)
                knees[load].append(await knee_of(gate, mix, run, start, growth))
            run.progress("gate", turn + 1, run.rounds)
        base = found.server.rss_bytes()
        connections, memory = await _connections(run, gate, room_for)
        carries = {
            load: carried([knee.rate for knee in each], target_ms=TARGETS[load], knees=each)
            for load, each in knees.items()
        }
        carries["connections"] = connections
        figures = {"frame_bytes": round(gate.frame_bytes, 1), "connection_bytes": round(memory)}
        room = Room(carries=carries, boot_s=round(found.boot_s, 2), memory_bytes=max(base, found.server.rss_bytes()))
    return Measured(room, figures)


async def knee_of(gate: Gate, mix: Mix, run: Run, start: float, growth: float) -> Knee:
    """Of a mix."""
    seconds = run.seconds(2.5)
    bisections = 1 if run.quick else 3
    return await search(lambda rate: gate.attempt(mix, rate, seconds), start, growth, bisections)


async def _connections(run: Run, gate: Gate, room_for: int) -> tuple[Carried, float]:
    """How many have a change within the target, and bytes of memory for each."""
    before, base = gate.server.rss_bytes(), gate.watchers.count
    points: list[tuple[int, float]] = []
    for count in (each for each in run.share(CONNECTIONS, CONNECTIONS_QUICK) if base <= each <= room_for):
        gate.watchers.connect(count)
        points.append((count, statistics.median([await gate.last_ms() for _ in range(CHANGES)])))
        run.progress("connections", len(points), len(CONNECTIONS))
        if points[-1][1] > GOAL_MS:
            break
    memory = (gate.server.rss_bytes() - before) / max(gate.watchers.count - base, 1)
    many, origin = at_target(points, GOAL_MS)
    what = "until the last of them has a change"
    note = what if origin == "measured" else f"{what}; extrapolated from {points[-1][0]} in {points[-1][1]:.0f} ms"
    return Carried(per_process=many, target_ms=GOAL_MS, p99_ms=GOAL_MS, origin=origin, note=note), memory


def at_target(points: Sequence[tuple[int, float]], target_ms: float) -> tuple[float, Origin]:
    """Where the time reaches the target, on a line through the points; (number, whether it lies among them)."""
    if len(points) < 2:
        count, took = points[0]
        return round(count * target_ms / took), "derived"
    mean_x = statistics.mean(x for x, _ in points)
    mean_y = statistics.mean(y for _, y in points)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / sum((x - mean_x) ** 2 for x, _ in points)
    slope = max(slope, 1e-6)
    found = mean_x + (target_ms - mean_y) / slope
    return float(max(round(found), 1)), "measured" if found <= points[-1][0] else "derived"


# --- the others -------------------------------------------------------------------------------------------------------


def odds(run: Run) -> Measured:
    """Incidents a second, on the first core."""
    with pinned(SERVER_CORE):
        knees = [asyncio.run(odds_knee(run, ODDS, _ODDS_START, 1.3)) for _ in _turns(run, "odds")]
    one = carried([knee.rate for knee in knees], target_ms=knee_odds.TARGET_MS, knees=knees,
                  note="one goal in ten, the log's disk not in it")  # fmt: skip
    return Measured(Room(carries={"incidents_per_s": one}, at_most=_partitions()))


async def odds_knee(run: Run, mix: knee_odds.Mix, start: float, growth: float) -> Knee:
    """Of a mix of incidents."""
    return await search(knee_odds.attempt(mix, run.seconds(2.5)), start, growth, 1 if run.quick else 3)


def settlement(run: Run) -> Measured:
    """Bets settled a second, the ledger's file and the relay included."""
    values = [settled(run, run.share(SETTLED, (500, 100)), 1 + turn) for turn in _turns(run, "settlement")]
    note = "throughput of the whole way: rooms, ledger's file, outbox, log"
    return Measured(Room(carries={"settled_per_s": carried(values, note=note)}, at_most=_partitions()))


def settled(run: Run, population: tuple[int, int], seed: int) -> float:
    """A second, of a match with so many (bets, accounts)."""
    folder = run.folder / f"settlement-{seed}"
    folder.mkdir(parents=True)
    bets, accounts = population
    with pinned(SERVER_CORE):
        outcome = settle(folder, bets=bets, accounts=accounts, rate=1.0, idle_s=1.0, rooms=True, seed=seed,
                         progress=lambda *_: None)  # fmt: skip
    if not outcome.sound:
        raise StartError("settlement left bets open, or the books do not balance; see `matchday settle-bench`")
    return outcome.bets / outcome.settle_s


def relay(run: Run) -> Measured:
    """Facts a second."""
    values = [related(run, run.share(FACTS, 500), turn) for turn in _turns(run, "relay")]
    return Measured(Room(carries={"facts_per_s": carried(values, note="throughput of a backlog")}, at_most=1))


def related(run: Run, bets: int, turn: int) -> float:
    """Facts a second of so many bets."""
    with pinned(SERVER_CORE):
        return knee_relay.facts_per_s(run.folder / f"relay-{turn}", bets)


def database(run: Run) -> Measured:
    """Bets a second of two cores of PostgreSQL with a synchronous standby beside it, and of those who write."""
    from matchday.bench import ledger_postgres  # its client is of the extra `cluster`

    quick = msgspec.structs.replace(run, quick=True)
    rows = {row.name: row for row in ledger_postgres.measure(quick)}
    row = rows.get("ledger on PostgreSQL, batches of 64, synchronous standby")
    if row is None or row.value is None:
        raise StartError(f"the database was not measured: {next(iter(rows.values())).note}")
    one = Carried(per_process=row.value, note="two writers in batches of 64 and a standby on the same two cores")
    return Measured(Room(carries={"bets_per_s": one}, cores=2, at_most=1))


def _turns(run: Run, name: str) -> range:
    run.progress(name, 0, 1)
    return range(run.rounds)


def _partitions() -> int:
    return Settings().kafka.partitions


ROOMS: Final[Mapping[str, Callable[[Run], Measured]]] = {
    "gate": gate, "odds": odds, "settlement": settlement, "relay": relay,
}  # fmt: skip
ENGINES: Final[Mapping[str, Callable[[Run], Measured]]] = {"database": database}
