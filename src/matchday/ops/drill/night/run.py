"""A night is held: the crowd, the faults, the money checker and the guards, until it is over or a guard stops it."""

import asyncio
import contextlib
import math
from collections.abc import Coroutine, Sequence
from typing import Any, Final

import msgspec

from matchday.bench.figures import percentile
from matchday.bench.machine import machine
from matchday.bench.stopwatch import LOAD_CORE, SERVER_CORE, Steal, now_s
from matchday.collector import tune_gc
from matchday.ops import capacity
from matchday.ops.drill import DrillError
from matchday.ops.drill.fans.behaviour import Act
from matchday.ops.drill.fans.load import Load, Sample
from matchday.ops.drill.fans.offers import Offers
from matchday.ops.drill.night.faults import Fault
from matchday.ops.drill.night.guards import Guards
from matchday.ops.drill.night.money import EVERY_S, REST, Books, Money, check, reckon
from matchday.ops.drill.night.place import Place
from matchday.ops.drill.night.report import (
    FaultReport,
    PhaseReport,
    Report,
    Scaling,
    cost,
    headroom,
    loads_of,
    seen_peaks,
)
from matchday.ops.drill.night.shapes import Phase, timetable
from matchday.ports import Clock
from matchday.progress import Progress

READY_S_MAX: Final = 30.0
"""Seconds in which there must be something to watch."""
STEAL_PERCENT_MAX: Final = 5.0
_LEAD_S: Final = 120.0
"""Seconds of a match that a night of one begins before its kick-off."""


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What a night is to be."""

    shape: str
    """As it was said, for the report."""
    phases: tuple[Phase, ...]
    faults: list[Fault]
    rate: float
    """Visitors a second of a quiet evening; of a trace: times as many as were recorded."""
    compress: float
    seed: int
    errors_percent: float
    match: str = ""
    """The start of the fixture that everybody watches."""
    at: str = ""
    version: str = ""


class Night:
    """One that is being held."""

    def __init__(self, wish: Wish, place: Place, clock: Clock, progress: Progress) -> None:
        """``progress`` is told of two steps: starting, and the night itself by its seconds."""
        self._wish, self._place, self._clock, self._progress = wish, place, clock, progress
        self._table = timetable(wish.phases, wish.rate, 1 / wish.compress, wish.seed)
        self._money = Money()
        self._guards = Guards(self._money, wish.errors_percent)
        self._faults: list[FaultReport] = []
        self._processes: list[tuple[float, dict[str, int]]] = []
        self._striking: asyncio.Future[None] | None = None
        """A fault that is being made and mended."""

    async def hold(self, model: capacity.Capacity | None, shape: capacity.Shape) -> Report:
        """All of it."""
        offers = Offers(f"ws://127.0.0.1:{self._place.port}/ws", self._clock, self._wish.seed, now_s, self._wish.match)
        load = Load(("127.0.0.1", self._place.port), offers, self._table, self._wish.seed, self._clock)
        async with contextlib.AsyncExitStack() as stack:
            await _beside(stack, offers.follow())
            await self._ready(offers)
            tune_gc()
            self._progress("starting", 1, 1)
            steal, began, cpu_s = Steal(), now_s(), self._place.cpu_s()
            await _beside(stack, self._check(self._place.books))
            await _beside(stack, self._break(began))
            why = await load.run(self._look)
            lasted_s = now_s() - began
            used_s = self._place.cpu_s() - cpu_s
            if self._striking is not None:
                await self._striking
        check(self._place.books, self._money)
        reckon(self._place.books, self._money, load.promised)
        return self._report(load, why or "", steal.percent(), used_s / lasted_s, model, shape)

    async def _ready(self, offers: Offers) -> None:
        """There is something to watch; and where it is one match, its kick-off is near."""
        until = now_s() + READY_S_MAX
        while not offers.there:
            if now_s() > until:
                raise DrillError(f"the platform offers nothing to watch within {READY_S_MAX:g} s")
            await asyncio.sleep(0.05)
        if self._wish.match:
            begin_ms = offers.kickoff_ms - round(1e3 * _LEAD_S / self._wish.compress)
            await asyncio.sleep(max(0.0, (begin_ms - self._clock.now_ms()) / 1e3))

    def _look(self, sample: Sample) -> str | None:
        self._progress("night", int(sample.at_s), math.ceil(self._table.ends_s[-1]))
        processes = self._place.processes()
        if not self._processes or self._processes[-1][1] != processes:
            self._processes.append((sample.at_s, processes))
        return self._guards.look(sample)

    async def _check(self, books: Books) -> None:
        """The money checker, until it is cancelled."""
        while True:
            began = now_s()
            await asyncio.to_thread(check, books, self._money)
            await asyncio.sleep(max(EVERY_S, REST * (now_s() - began)))

    async def _break(self, began: float) -> None:
        """Faults, when they are due."""
        for fault in self._wish.faults:
            await asyncio.sleep(max(0.0, began + fault.at_s - now_s()))
            self._striking = asyncio.ensure_future(self._strike(fault, began))
            await asyncio.shield(self._striking)  # what is struck is made whole, whenever the night ends

    async def _strike(self, fault: Fault, began: float) -> None:
        self._guards.fault(now_s() - began)
        whole_s = await self._place.fault(fault.kind)
        self._guards.fault(now_s() - began)
        self._faults.append(FaultReport(
            kind=fault.kind, phase=fault.phase, at_s=round(fault.at_s, 2), whole_after_s=round(whole_s, 2)
        ))  # fmt: skip

    def _report(
        self, load: Load, why: str, steal: float, cpu_share: float, model: capacity.Capacity | None,
        shape: capacity.Shape,
    ) -> Report:  # fmt: skip
        wish, here = self._wish, machine()
        peaks = loads_of(wish.phases, wish.rate, 1 / wish.compress)
        processes = self._processes[0][1] if self._processes else {}
        gate = model.rooms.get("gate") if model is not None else None
        return Report(
            at=wish.at, version=wish.version, place=self._place.kind, shape=wish.shape, seed=wish.seed, rate=wish.rate,
            compress=wish.compress, machine=here, steal_percent=steal, aborted=why, visitors=load.visitors,
            most_present=load.most, phases=_phases(load, wish.phases, self._table.ends_s), money=self._money,
            dropped=load.tally.dropped, faults=self._faults,
            scaling=Scaling(
                assumed_s=gate.boot_s if gate is not None else 0.0, real_s=[round(s, 2) for s in self._place.boots_s]
            ),
            headroom=headroom(model, peaks, processes, seen_peaks(load.samples)) if model is not None else [],
            cost=cost(model, peaks, shape) if model is not None else None, cpu_share=round(cpu_share, 3),
            samples=load.samples, processes=self._processes, doubts=[*self._place.doubts, *_doubts(steal, model)],
        )  # fmt: skip


def _phases(load: Load, phases: Sequence[Phase], ends_s: Sequence[float]) -> list[PhaseReport]:
    found, start = [], 0.0
    for number, (phase, end) in enumerate(zip(phases, ends_s, strict=True)):
        lags = load.tally.lags_ms(number)
        found.append(PhaseReport(
            name=phase.name, from_s=round(start, 2), until_s=round(end, 2),
            visitors=load.tally.of(number, Act.ARRIVE).due, lines=load.tally.lines(number),
            generator_p99_ms=round(percentile(lags, 0.99), 2) if lags else 0.0,
        ))  # fmt: skip
        start = end
    return found


def _doubts(steal: float, model: capacity.Capacity | None) -> list[str]:
    found = []
    if SERVER_CORE == LOAD_CORE:
        found.append("one core: platform and crowd share it, so that no latency is the platform's")
    if steal > STEAL_PERCENT_MAX:
        found.append(f"{steal:g} % of the time was stolen by the hypervisor: latencies are not to be relied upon")
    if model is None:
        found.append("no capacity model: neither headroom nor cost is said")
    else:
        found += capacity.doubts(model)
    return found


async def _beside(stack: contextlib.AsyncExitStack, work: Coroutine[Any, Any, None]) -> None:
    """Run beside what follows, until the stack is left. What went wrong in it is raised there."""
    task = asyncio.get_running_loop().create_task(work)

    async def end() -> None:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    stack.push_async_callback(end)
