"""The rules by which a backtest counts: when a process is there, how long it is paid for, what it could not carry.

One process carries ``capacity`` requests a minute. Asked for in minute t, it is ready in minute t + boot and paid for
from t until it is released; once ready it stays five minutes; what was asked for cannot be taken back. A process that
is released in minute t carries nothing in t and is not paid for it. Minutes are those of the walk: where a trace is
compressed, boot and stay count in the new minutes.
"""

from collections import deque
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]

STAY: Final = 5
"""Minutes that a process stays at least once it is ready."""
TARGET_PERCENT: Final = 70
"""Of a process's capacity: what the oracle fills it to at most, and beyond which a request is over target."""


def processes(requests: int, capacity: int, percent: int = 100) -> int:
    """The fewest processes that carry so many requests a minute, each filled to so many percent at most; exact."""
    return -(-requests * 100 // (capacity * percent))


class Fleet:
    """Processes on order and ready, in the minute that ``turn`` was last given."""

    def __init__(self, boot: int, ready: int) -> None:
        """``ready`` processes are there from the start, their least stay behind them."""
        self._boot = boot
        self._minute = 0
        self._booting: deque[tuple[int, int]] = deque()
        self._fresh: deque[tuple[int, int]] = deque()
        self._settled = ready

    @property
    def ready(self) -> int:
        """Processes that carry requests in this minute."""
        return self._settled + sum(count for _, count in self._fresh)

    @property
    def total(self) -> int:
        """Processes that are paid for in this minute: ready ones and those on order."""
        return self.ready + sum(count for _, count in self._booting)

    def ahead(self, minutes: int) -> Counts:
        """Processes that will be ready in this minute and each of so many after it, if nothing changes."""
        there = np.full(minutes + 1, self.ready)
        for due, count in self._booting:
            there[max(due - self._minute, 0) :] += count
        return there

    def turn(self, minute: int) -> None:
        """Let a minute begin: what is due is ready, what has stayed its time may go."""
        self._minute = minute
        while self._booting and self._booting[0][0] <= minute:
            self._fresh.append(self._booting.popleft())
        while self._fresh and self._fresh[0][0] + STAY <= minute:
            self._settled += self._fresh.popleft()[1]

    def ask(self, wanted: int) -> bool:
        """Order what is missing to so many in all, or release of what may go; whether anything changed."""
        change = wanted - self.total
        if change > 0:
            self._booting.append((self._minute + self._boot, change))
            self.turn(self._minute)
            return True
        released = min(-change, self._settled)
        self._settled -= released
        return released > 0


@dataclass(frozen=True, slots=True)
class Walk:
    """What a policy had in each judged minute."""

    ready: Counts
    paid: Counts
    asked: Counts
    """What the policy wanted in all, as it said it: what a leak would change."""
    changes: int


@dataclass(frozen=True, slots=True)
class Loss:
    """What a walk came to beside the trace; fractions of all requests."""

    over_capacity: float
    over_target: float
    minutes_late: int
    paid: int


def judge(requests: Counts, known: npt.NDArray[np.bool_], walk: Walk, capacity: int) -> Loss:
    """Count. Minutes that the trace does not have (``known`` is false) are neither lost nor paid for."""
    carried = walk.ready * capacity
    beyond = np.where(known, np.maximum(requests - carried, 0), 0)
    over_target = np.where(known, np.maximum(requests - carried * TARGET_PERCENT / 100, 0), 0)
    total = max(int(requests[known].sum()), 1)
    return Loss(
        over_capacity=float(beyond.sum() / total),
        over_target=float(over_target.sum() / total),
        minutes_late=int((beyond > 0).sum()),
        paid=int(walk.paid[known].sum()),
    )
