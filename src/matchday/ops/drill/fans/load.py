"""The open-loop generator: arrivals and acts when they are due, whatever became of those before.

Owns who is present and the timetable. Says when it could not keep up: how late each act was handed over is kept, and
``bench.open_loop`` publishes no latency of a generator that was late. What a fan still has to wait for (the line, its
connection) is the platform's time, not the generator's.
"""

import asyncio
import heapq
import random
import resource
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from matchday.bench.figures import percentile
from matchday.bench.open_loop import LAG_MS_MAX, LAG_SHARE_MAX
from matchday.bench.stopwatch import now_s
from matchday.client.backoff import Backoff, Pauses
from matchday.ops.drill.fans.behaviour import MIXES, Act, visit
from matchday.ops.drill.fans.fan import Due, Fan
from matchday.ops.drill.fans.offers import Offers
from matchday.ops.drill.fans.tally import FINE, Tally
from matchday.ports import Clock

LOOK_S: Final = 1.0
"""Seconds between two samples."""
DRAIN_S_MAX: Final = 15.0
"""Seconds that the last answers are waited for."""
BURST_MAX: Final = 200
"""Acts handed over before the loop may read again."""
FILES_OF_A_FAN: Final = 2
FILES_BESIDE: Final = 200


class Arrival(NamedTuple):
    """A newcomer."""

    at_s: float
    """Seconds from the beginning."""
    mix: str


class Stirred(NamedTuple):
    """Something that makes fans who are present act: a share of them, within so many seconds."""

    at_s: float
    act: Act
    share: float
    over_s: float


class Timetable(msgspec.Struct, frozen=True):
    """What is due."""

    arrivals: list[Arrival]
    """In order."""
    stirs: list[Stirred]
    ends_s: list[float]
    """Of each phase, from the beginning."""
    second_s: float
    """Seconds that a second of the match takes."""


class Sample(msgspec.Struct, frozen=True):
    """How it stood at the end of a second."""

    at_s: float
    phase: int
    present: int
    due: int
    """Of this second: acts."""
    answered: int
    errors: int
    frames: int
    lag_ms: float
    """By how much the latest act of this second was handed over late."""
    bet_p99_ms: float | None
    """None where nothing was answered, or the generator was late."""
    home_p99_ms: float | None


class Load:
    """See the module."""

    def __init__(self, address: tuple[str, int], offers: Offers, table: Timetable, seed: int, clock: Clock) -> None:
        self.address, self._offers, self._table = address, offers, table
        self._seed, self._clock = seed, clock
        self._chance = random.Random(f"{seed}/load")
        self.tally = Tally(len(table.ends_s))
        self.promised: list[str] = []
        """Ids of bets that were answered as accepted."""
        self.samples: list[Sample] = []
        self.visitors = self.most = 0
        self._present: dict[int, Fan] = {}
        self._heap: list[tuple[float, int, Fan | None, Any]] = []
        self._turn = self._phase = 0
        self._began = 0.0
        self._beside: set[asyncio.Task[None]] = set()
        self._failed: BaseException | None = None
        """A programmer's error in what fans do beside."""
        self._before = (0, 0, 0, 0)
        self._lag = 0.0
        self._times: dict[Act, list[float]] = {Act.BET: [], Act.HOME: []}
        self._room = max(1, (resource.getrlimit(resource.RLIMIT_NOFILE)[0] - FILES_BESIDE) // FILES_OF_A_FAN)

    # --- the loop -----------------------------------------------------------------------------------------------------

    async def run(self, look: Callable[[Sample], str | None]) -> str | None:
        """All of it; ``look`` sees each second's sample and may say why to stop. That reason, or None."""
        for stir in self._table.stirs:
            self._push(stir.at_s, None, stir)
        arrivals = iter(self._table.arrivals)
        self._next(arrivals)
        self._began, looked, why = now_s(), 0.0, None
        ends_s = self._table.ends_s[-1]
        while (now := now_s() - self._began) < ends_s and why is None:
            self._in_phase(now)
            for _ in range(BURST_MAX):
                if not self._heap or self._heap[0][0] > now:
                    break
                self._happen(heapq.heappop(self._heap), arrivals)
            if self._failed is not None:
                raise self._failed
            if now >= looked + LOOK_S:
                looked = now
                why = look(self._sample(now))
            due = min(self._heap[0][0] if self._heap else ends_s, looked + LOOK_S, ends_s)
            await asyncio.sleep(max(0.0, due - (now_s() - self._began)))
        while why is None and self._heap and self._heap[0][0] < ends_s:  # due at the last moment
            self._happen(heapq.heappop(self._heap), arrivals)
        await self._drain()
        return why

    async def _drain(self) -> None:
        """Nothing more is due; what is under way is waited for, then everybody goes."""
        self._heap.clear()
        for phase in range(len(self._table.ends_s)):
            self.tally.end(phase)
        until = now_s() + DRAIN_S_MAX
        while any(fan.busy for fan in self._present.values()) and now_s() < until:
            for fan in list(self._present.values()):
                fan.overdue(now_s())
            await asyncio.sleep(0.05)
        for fan in list(self._present.values()):
            fan.leave()
        for task in list(self._beside):
            task.cancel()
        await asyncio.gather(*self._beside, return_exceptions=True)

    def _in_phase(self, now: float) -> None:
        while now >= self._table.ends_s[self._phase]:
            self.tally.end(self._phase)
            self._phase += 1

    def _push(self, at_s: float, fan: Fan | None, what: Any) -> None:
        self._turn += 1
        heapq.heappush(self._heap, (at_s, self._turn, fan, what))

    def _next(self, arrivals: Iterable[Arrival]) -> None:
        found = next(iter(arrivals), None)
        if found is not None:
            self._push(found.at_s, None, found)

    def _happen(self, entry: tuple[float, int, Fan | None, Any], arrivals: Iterable[Arrival]) -> None:
        at_s, _, fan, what = entry
        if isinstance(what, Arrival):
            self._next(arrivals)
            self._arrive(what)
        elif isinstance(what, Stirred):
            self._stir(what)
        elif fan is not None and not fan.over:
            acts, number, came_s = what
            self._hand(fan, acts[number][1], at_s)
            if number + 1 < len(acts):
                self._push(came_s + acts[number + 1][0] * self._table.second_s, fan, (acts, number + 1, came_s))

    def _arrive(self, arrival: Arrival) -> None:
        self.visitors += 1
        number, chance = self.visitors, random.Random(f"{self._seed}/fan/{self.visitors}")
        if len(self._present) >= self._room:
            self.tally.of(self._phase_at(arrival.at_s), Act.ARRIVE).due += 1  # and it is not sent
            return
        acts = visit(MIXES[arrival.mix], chance)
        fan = Fan(self, number, self._offers.fixture(chance), Backoff(Pauses(), chance))
        self._present[number] = fan
        self.most = max(self.most, len(self._present))
        self._push(arrival.at_s, fan, (acts, 0, arrival.at_s))

    def _stir(self, stir: Stirred) -> None:
        """Each of those who are present, by chance, at any moment of its time."""
        for fan in self._present.values():
            if self._chance.random() < stir.share:
                at_s = stir.at_s + self._chance.random() * stir.over_s
                self._push(at_s, fan, ([(0.0, stir.act)], 0, at_s))

    def _hand(self, fan: Fan, act: Act, at_s: float) -> None:
        phase = self._phase_at(at_s)
        due = Due(act, self._began + at_s, phase)
        if act is not Act.LEAVE:
            late = max(0.0, now_s() - due.at_s)
            self._lag = max(self._lag, 1e3 * late)
            seen = self.tally.of(phase, act)
            seen.due += 1
            seen.send(late)
        fan.do(due)

    def _phase_at(self, at_s: float) -> int:
        """The phase in which something is due; never one that is still to come."""
        phase = self._phase
        while phase and at_s < self._table.ends_s[phase - 1]:
            phase -= 1
        return phase

    def _sample(self, now: float) -> Sample:
        for fan in list(self._present.values()):
            fan.overdue(now_s())
        due, answered, errors = self.tally.totals()
        frames = sum(self.tally.frames_heard)
        before, self._before = self._before, (due, answered, errors, frames)
        lag, self._lag = self._lag, 0.0
        p99 = {act: _published(times, lag) for act, times in self._times.items()}
        for times in self._times.values():
            times.clear()
        sample = Sample(
            round(now, 2), self._phase, len(self._present), due - before[0], answered - before[1], errors - before[2],
            frames - before[3], round(lag, 1), p99[Act.BET], p99[Act.HOME],
        )  # fmt: skip
        self.samples.append(sample)
        return sample

    # --- what fans say, see ``Host`` ----------------------------------------------------------------------------------

    def answered(self, due: Due, kind: str) -> None:
        """See ``Host.answered``."""
        took = now_s() - due.at_s
        self.tally.of(due.phase, due.act).answer(kind, took)
        if due.act in self._times and kind in FINE:
            self._times[due.act].append(1e3 * took)

    def sent_of_itself(self, act: Act, at_s: float) -> Due:
        """See ``Host.sent_of_itself``."""
        seen = self.tally.of(self._phase, act)
        seen.due += 1
        seen.send(0.0)
        return Due(act, at_s, self._phase)

    def accepted(self, id_: str) -> None:
        """See ``Host.accepted``."""
        self.promised.append(id_)

    def frame(self, at_ms: int, size: int) -> None:
        """See ``Host.frame``."""
        self.tally.frame(self._phase, float(self._clock.now_ms() - at_ms), size)

    def dropped(self, how: str) -> None:
        """See ``Host.dropped``."""
        self.tally.dropped[how] = self.tally.dropped.get(how, 0) + 1

    def bet(self, fixture: str) -> bytes | None:
        """See ``Host.bet``."""
        return self._offers.body(fixture, self._chance)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """See ``Host.start``."""
        task = asyncio.get_running_loop().create_task(work)
        self._beside.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._beside.discard(task)
        if not task.cancelled() and (failure := task.exception()) is not None:
            self._failed = self._failed or failure

    def left(self, fan: Fan) -> None:
        """See ``Host.left``."""
        self._present.pop(fan.number, None)


def _published(times: Sequence[float], lag_ms: float) -> float | None:
    """The p99 of a second; None where the generator was late in it, by the open loop's rule."""
    if not times:
        return None
    p99 = percentile(times, 0.99)
    return round(p99, 1) if lag_ms <= max(LAG_MS_MAX, LAG_SHARE_MAX * p99) else None
