"""Process: one room, or one gate, as something that can stop at any moment and start again with nothing but the stores.

Owns a room's incarnations. What a dead incarnation asked for is never called back; its clock may jump apart from the
world's. A programmer's error is no crash: it is handed on as a broken invariant.
"""

import random
from collections.abc import Callable
from typing import Final

from matchday.sim.clock import VirtualClock
from matchday.sim.faults import Fault, Faults

AWAY_MS: Final = (200, 40_000)
"""Milliseconds from a crash to the restart."""
_CRASH: Final = 0.00025
"""Chance of a crash at one port call or message, in an average seed."""
SHORT_JUMP_MS: Final = 8_000
"""Less than what counts as a clock that nobody can believe."""
_JUMP_MS: Final = 7_200_000


class Crash(BaseException):
    """The process stops here: nothing of the room runs any more, whatever it would have caught."""


class Process:
    """A room's process. ``start`` makes a new room and starts it."""

    def __init__(
        self,
        name: str,
        world: VirtualClock,
        faults: Faults,
        start: Callable[["Process"], None],
        died: Callable[["Process"], None],
    ) -> None:
        self.name = name
        self.world, self.faults = world, faults
        self._start, self._died = start, died
        self.incarnation = 0
        self.alive = False
        self.began_ms = 0
        """When this incarnation did."""
        self.skew_ms = 0
        """How far its clock is off."""
        self.share = 0
        """Of the work of its room."""
        self.retired = False
        """Its place was taken: it is not started again."""

    def start(self) -> None:
        """Begin a new incarnation."""
        self.incarnation += 1
        self.alive, self.began_ms = True, self.world.now_ms()
        self.run(lambda: self._start(self))

    def stop(self) -> None:
        """It is gone; the room's timers and answers with it."""
        if self.alive:
            self.alive = False
            self._died(self)

    def restart_later(self, chance: random.Random) -> None:
        """Start again after a while."""
        incarnation = self.incarnation

        def again() -> None:
            if not self.alive and self.incarnation == incarnation and not self.retired:
                self.start()

        self.world.call_later(chance.randrange(*AWAY_MS), again)

    def run(self, call: Callable[[], object]) -> None:
        """Let the room run."""
        try:
            self.risk()
            call()
        except Crash:
            self.stop()

    def lives_in(self, incarnation: int) -> bool:
        """Whether that incarnation lives."""
        return self.alive and self.incarnation == incarnation

    def bound(self, call: Callable[[], object]) -> Callable[[], None]:
        """A call that is made only while this incarnation lives."""
        incarnation = self.incarnation

        def run() -> None:
            if self.lives_in(incarnation):
                self.run(call)

        return run

    def risk(self) -> None:
        """Where the process may crash."""
        if self.faults.happens(Fault.CRASH, _CRASH):
            raise Crash

    def jump(self) -> None:
        """Its clock jumps."""
        chance = self.faults.stream(Fault.CLOCK_JUMP)
        self.skew_ms = chance.choice((0, 1, -1, 1, -1)) * chance.choice((1_500, SHORT_JUMP_MS, 40_000, _JUMP_MS))


class ProcessClock:
    """The clock port of one incarnation."""

    def __init__(self, process: Process) -> None:
        self._process, self._incarnation = process, process.incarnation

    def now_ms(self) -> int:
        """See ``Clock.now_ms``."""
        return self._process.world.now_ms() + self._process.skew_ms

    def elapsed_ms(self) -> int:
        """See ``Clock.elapsed_ms``."""
        return self._process.world.now_ms()

    def call_later(self, delay_ms: int, call: Callable[[], None]) -> "Timer":
        """See ``Clock.call_later``."""
        timer = Timer(call)
        self._process.world.call_later(delay_ms, self._process.bound(timer.fire))
        return timer

    def new_id(self) -> str:
        """See ``Clock.new_id``."""
        return self._process.world.new_id()

    def random(self, name: str) -> random.Random:
        """See ``Clock.random``."""
        return self._process.world.random(f"{self._process.name}/{self._incarnation}/{name}")


class Timer:
    """A call of a process that is due later."""

    def __init__(self, call: Callable[[], None]) -> None:
        self._call: Callable[[], None] | None = call

    def cancel(self) -> None:
        """See ``Timer.cancel``."""
        self._call = None

    def fire(self) -> None:
        """Make the call, once."""
        call, self._call = self._call, None
        if call is not None:
            call()
