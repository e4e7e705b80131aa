"""Pressure: how much of what is asked this process can still answer in time, and what gives way first.

Owns the share of requests that is turned away. Hears how late the loop is and how long answers of the ledger took; says
for each request whether it is taken. Never looks at what is asked, only at its priority.

The limit is no number of requests: what a request costs changes with the evening. Every ``window_ms`` the measured
lateness is held against what is aimed at, and the level moves by the error, up fast and down slowly (a controller as in
Uber's Cinnamon; that shedding begins with what matters least is Netflix's and Google's practice, SRE book, ch. 21).
"""

from enum import IntEnum
from typing import Final

from matchday.config import Overload
from matchday.edge.problems import Problem
from matchday.ports import Clock

_SAMPLES_IN_A_WINDOW: Final = 12
_UP_MAX: Final = 0.5
"""By how much the level rises in one window at most: from nothing to all that may give way in six of them."""
_DOWN: Final = 0.05
"""By how much it falls in a window at most. Faster, the crowd that was turned away comes back as one."""
_GAIN: Final = 0.2
_SHARE: Final = 0.9
"""The quantile of a window that is held against the aim."""
_RETRY_S: Final = (1, 5)
"""Seconds after which those turned away may ask again, drawn anew for each so that they do not come back as one."""


class Priority(IntEnum):
    """What matters least gives way first; the first of these never does."""

    MONEY = 0
    """What a fan owns and owes: balance, open bets, cash-out, limits; and what traders do."""
    BETS = 1
    """Placing bets."""
    BROWSING = 2
    """Lists, books over HTTP, history, newcomers."""
    COMPUTED = 3
    """What can be asked again at any time."""


class Pressure:
    """One process's pressure."""

    def __init__(self, clock: Clock, settings: Overload) -> None:
        self._clock, self._settings = clock, settings
        self._chance = clock.random("pressure")
        self._every_ms = max(1, settings.window_ms // _SAMPLES_IN_A_WINDOW)
        self._late: list[float] = []
        self._took: list[float] = []
        self._due = self._ends = 0
        self.level = 0.0
        """From 0, where nothing is turned away, to 3, where nothing but ``MONEY`` is taken."""
        self.turned_away = dict.fromkeys(Priority, 0)
        """Requests, by priority."""

    def start(self) -> None:
        """Begin to measure."""
        now = self._clock.elapsed_ms()
        self._due, self._ends = now + self._every_ms, now + self._settings.window_ms
        self._clock.call_later(self._every_ms, self._tick)

    def took(self, ms: float) -> None:
        """An answer of the ledger took so many milliseconds, from when it was asked for."""
        self._took.append(ms)

    def shed(self, priority: Priority) -> float:
        """The share of requests of a priority that is turned away now."""
        return 0.0 if priority is Priority.MONEY else min(1.0, max(0.0, self.level - (Priority.COMPUTED - priority)))

    def admit(self, priority: Priority) -> None:
        """Take a request, or raise the problem ``overloaded`` that says when to ask again."""
        share = self.shed(priority)
        if share and self._chance.random() < share:
            self.turned_away[priority] += 1
            detail = "more is asked than can be answered in time, and other things go first; nothing was recorded"
            raise Problem("overloaded", detail, retry_after_s=self._chance.randint(*_RETRY_S))

    def _tick(self) -> None:
        now = self._clock.elapsed_ms()
        self._late.append(now - self._due)
        self._due = now + self._every_ms
        if now >= self._ends:
            self._ends = now + self._settings.window_ms
            self._move()
        self._clock.call_later(self._every_ms, self._tick)

    def _move(self) -> None:
        settings = self._settings
        worst = max(_high(self._late) / settings.lag_ms_aim, _high(self._took) / settings.answer_ms_aim)
        self._late, self._took = [], []
        step = min(_UP_MAX, max(-_DOWN, _GAIN * (worst - 1)))
        self.level = min(float(Priority.COMPUTED), max(0.0, self.level + step))


def _high(values: list[float]) -> float:
    return sorted(values)[int(_SHARE * len(values))] if values else 0.0
