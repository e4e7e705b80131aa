"""Draining: a gate that stops hands its clients over, spread across a window, so that no other gate gets them all at
once. Each is told by its close code to come back, and when; what it missed meanwhile it resumes by offset."""

from collections.abc import Callable, Collection
from itertools import islice
from typing import Final

from matchday.config import Push as PushSettings
from matchday.ports import Clock
from matchday.services.push.session import Session

STEP_MS: Final = 50
"""Milliseconds between two handfuls of goodbyes."""


class Drain:
    """One gate's goodbye. ``part`` closes a connection and takes its session out of ``sessions``; ``done`` is called
    when none is left."""

    def __init__(
        self, clock: Clock, settings: PushSettings, sessions: Callable[[], Collection[Session]],
        part: Callable[[Session, str], None], done: Callable[[], None],
    ) -> None:  # fmt: skip
        self._clock, self._sessions, self._part, self._done = clock, sessions, part, done
        self._return_ms = settings.drain_return_ms
        self._until_ms = clock.elapsed_ms() + settings.drain_ms
        self._chance = clock.random("drain")
        clock.call_later(0, self._step)

    def reason(self) -> str:
        """What a client is told: when to come back, each at a time of its own."""
        return f"this gate is stopping; retry_ms={self._chance.randint(0, self._return_ms)}"

    def _step(self) -> None:
        sessions = self._sessions()
        steps = max(1, -(-(self._until_ms - self._clock.elapsed_ms()) // STEP_MS))
        for session in tuple(islice(sessions, -(-len(sessions) // steps))):
            self._part(session, self.reason())
        if self._sessions():
            self._clock.call_later(STEP_MS, self._step)
        else:
            self._done()
