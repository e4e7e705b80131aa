"""Bets through HAProxy, gates and PostgreSQL: how many a second are answered in time, what two and four gates do each,
and who uses the CPU."""

import asyncio
import statistics
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from typing import Final

import msgspec

from matchday.app import StartError
from matchday.backends.clock_wall import WallClock
from matchday.bench.bettors import body_maker
from matchday.bench.crowd import Crowd
from matchday.bench.fans import Measured, best, crowds_of, guests
from matchday.bench.figures import Row, compared, plain, unmeasured
from matchday.bench.local_cluster import ENGINES, PATIENT, LocalCluster
from matchday.bench.open_loop import CouldNotKeepUp
from matchday.bench.run import Run
from matchday.bench.server import Door, serving
from matchday.bench.stopwatch import in_front

P99_MS_MAX: Final = 50.0
LAG_MS_MAX: Final = 15.0
"""By which the load may be late (p99): it has no core of its own here. Times count from when a bet was due, so that
what is late is slow, and the rate that is found too low rather than too high."""
FANS: Final = 128
_FANS_QUICK: Final = 16
_ROUND_S_MIN: Final = 1.0
"""Seconds of a round, at least: CPU is counted in ticks of ten milliseconds."""
GATES: Final = (2, 4)
STEPS: Final = (1.0, 0.85, 0.7, 0.55, 0.4, 0.3, 0.2, 0.1)
"""Shares of what is answered at saturation that are offered, until one is answered in time."""


class Load(msgspec.Struct):
    """Fans of one platform, and what they bet."""

    crowd: Crowd
    fans: int
    body: Callable[[], Callable[[], bytes]]
    """Says bets on what is open now: under load an owner of the books may be replaced, and with it all generations."""


class Split(msgspec.Struct):
    """A round at saturation."""

    gates: int
    rate: float
    accepted: int
    cpu: dict[str, float]
    """Seconds, by part."""

    @property
    def a_gate(self) -> float:
        """Bets a second of each gate."""
        return self.rate / self.gates

    @property
    def a_gate_s(self) -> float:
        """Bets of a second of a gate's CPU."""
        return self.accepted / self.cpu["gates"] if self.cpu.get("gates") else float("nan")

    @property
    def engines(self) -> float:
        """Their share of all CPU, in hundredths."""
        whole = sum(self.cpu.values())
        return 100 * sum(self.cpu.get(name, 0.0) for name in ENGINES) / whole if whole else float("nan")

    def text(self) -> str:
        """Who used how much of it."""
        whole = sum(self.cpu.values()) or 1.0
        parts = sorted(self.cpu.items(), key=lambda item: -item[1])
        return ", ".join(f"{name} {100 * used / whole:.0f} %" for name, used in parts)


async def measured(run: Run, cluster: LocalCluster) -> list[Row]:
    """The rows."""
    tokens = guests(run, cluster, run.share(FANS, _FANS_QUICK))
    with ExitStack() as stack:
        embedded = stack.enter_context(serving(run.folder / "embedded-bets", settings=PATIENT, core=None))
        here = await _load(embedded, embedded, guests(run, embedded, len(tokens)), stack)
        there = await _load(cluster, cluster, tokens, stack)
        rows = [await _in_time(run, there, here)]
    return rows + await _scaled(run, cluster, tokens)


async def _load(door: Door, whose: Measured, tokens: Sequence[str], stack: ExitStack) -> Load:
    """New connections of these fans."""
    clock = WallClock(asyncio.get_running_loop())

    def body() -> Callable[[], bytes]:
        return body_maker([leg for market in door.legs() for leg in market], clock.new_id)

    crowds = crowds_of(whose, tokens)
    for crowd in crowds.values():
        stack.enter_context(closing(crowd))
    _, crowd = await best(crowds, body())
    return Load(crowd, len(tokens), body)


# --- how many in time -------------------------------------------------------------------------------------------------


async def _in_time(run: Run, there: Load, here: Load) -> Row:
    name = f"bets a second through HAProxy, gates and PostgreSQL, p99 <= {P99_MS_MAX:g} ms"
    what = f"the highest of {len(STEPS)} rates, open loop by WebSocket, at which accepted bets are answered in time"
    pairs, troubles = list[tuple[float, float]](), list[str]()
    for n in range(run.rounds):
        try:
            with in_front():
                pairs.append((await _highest(run, there), await _highest(run, here)))
        except CouldNotKeepUp as trouble:
            troubles.append(str(trouble))
        run.progress("cluster: bets in time", n + 1, run.rounds)
    if len(pairs) <= len(troubles):
        return unmeasured(name, what, "bets/s", f"not published: {troubles[-1]}")
    note = f"{len(troubles)} rounds left out: {troubles[-1]}" if troubles else ""
    reference = "`matchday up`: one process, SQLite; searched likewise"
    return compared(name, what, "bets/s", pairs, reference=reference, note=note)


async def _highest(run: Run, load: Load) -> float:
    """CouldNotKeepUp where no rate is: what the generator says of the lowest."""
    most = (await load.crowd.saturate(load.fans, run.seconds(2), load.body())).rate
    body = load.body()
    why = f"p99 was above {P99_MS_MAX:g} ms at every rate"
    for share in STEPS:
        seen = await load.crowd.arrive(load.fans, share * most, run.seconds(3), body)
        try:
            if seen.latency_ms("accepted", 0.99, LAG_MS_MAX) <= P99_MS_MAX:
                return share * most
        except CouldNotKeepUp as trouble:
            why = str(trouble)
    raise CouldNotKeepUp(why)


# --- two gates and four -----------------------------------------------------------------------------------------------


async def _scaled(run: Run, cluster: LocalCluster, tokens: Sequence[str]) -> list[Row]:
    rounds: dict[int, list[Split]] = {gates: [] for gates in GATES}
    for n in range(run.rounds):
        found = {}
        for gates in GATES[:: -1 if n % 2 else 1]:
            await asyncio.to_thread(cluster.say, "scale", f"gate={gates}")
            found[gates] = await _saturated(run, cluster, tokens, gates)
        if all(split.rate for split in found.values()):  # else a round was too short for a busy machine
            for gates, split in found.items():
                rounds[gates].append(split)
        run.progress("cluster: two and four gates", n + 1, run.rounds)
    if not rounds[GATES[0]]:
        why = "no bet was answered in a round's time: the machine is too busy"
        return [unmeasured(f"{gates} gates behind HAProxy: each", "saturated", "bets/s", why) for gates in GATES]
    return [row for gates in GATES for row in _rows(gates, rounds)]


async def _saturated(run: Run, cluster: LocalCluster, tokens: Sequence[str], gates: int) -> Split:
    """New connections, which the balancer spreads over all gates."""
    with ExitStack() as stack:
        load = await _load(cluster, cluster, tokens, stack)
        body = load.body()  # it asks the gates what is open: no part of what is measured
        before = cluster.cpu_of_parts()
        seen = await load.crowd.saturate(load.fans, max(run.seconds(3), _ROUND_S_MIN), body)
        after = cluster.cpu_of_parts()
    if not seen.accepted:
        raise StartError(f"no bet was accepted through {gates} gates: {seen.answers}")
    return Split(gates, seen.rate, seen.accepted, {name: after[name] - before.get(name, 0.0) for name in after})


def _rows(gates: int, rounds: dict[int, list[Split]]) -> list[Row]:
    found, first = rounds[gates], rounds[GATES[0]]
    name = f"{gates} gates behind HAProxy"
    whole = f"{statistics.median(one.rate for one in found):,.0f} bets/s by all of them, saturated"
    cpu = "bets of a second of a gate's CPU: what one would do that had a core for itself"
    if gates == GATES[0]:
        rows = [
            plain(f"{name}: each", "durable bets, all guards on, on PostgreSQL with its synchronous standby", "bets/s",
                  [one.a_gate for one in found], note=whole),
            plain(f"{name}: of a core", cpu, "bets/s", [one.a_gate_s for one in found]),
        ]  # fmt: skip
    else:
        beside = f"{GATES[0]} gates"
        rows = [
            compared(f"{name}: each", "the same", "bets/s", [
                (one.a_gate, other.a_gate) for one, other in zip(found, first, strict=True)
            ], reference=f"{beside}, on the same cores", note=whole),
            compared(f"{name}: of a core", cpu, "bets/s", [
                (one.a_gate_s, other.a_gate_s) for one, other in zip(found, first, strict=True)
            ], reference=beside),
        ]  # fmt: skip
    share = "engines and balancer, of all CPU of the cluster, while it is saturated"
    return [*rows, plain(f"{name}: engines' share", share, "%", [one.engines for one in found], note=found[-1].text())]
