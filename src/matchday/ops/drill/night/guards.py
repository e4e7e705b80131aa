"""Guards: when a drill is stopped, because going on would tell nothing or do harm."""

from collections import deque
from typing import Final

from matchday.ops.drill.fans.load import Sample
from matchday.ops.drill.night.money import Money

WINDOW: Final = 10
"""Samples (seconds) that the share of errors is taken over."""
ANSWERS_MIN: Final = 50
"""Answers in them below which no share is taken."""
GRACE_S: Final = 20.0
"""Seconds after a fault in which errors are what was asked for."""
BEHIND_MS: Final = 2_000.0
BEHIND_MAX: Final = 5
"""Samples in a row of a generator that is so late: what it does is no open loop any more."""


class Guards:
    """Looks at each second's sample."""

    def __init__(self, money: Money, errors_percent: float) -> None:
        self._money, self._limit = money, errors_percent / 100
        self._recent: deque[Sample] = deque(maxlen=WINDOW)
        self._behind = 0
        self._grace_s = 0.0

    def fault(self, at_s: float) -> None:
        """One has just been made."""
        self._grace_s = at_s + GRACE_S
        self._recent.clear()

    def look(self, sample: Sample) -> str | None:
        """Why to stop; None: go on."""
        if self._money.broken:
            return f"money is not conserved: {self._money.broken[0]}"
        self._behind = self._behind + 1 if sample.lag_ms > BEHIND_MS else 0
        if self._behind >= BEHIND_MAX:
            return f"the generator is {sample.lag_ms:.0f} ms behind: choose a lower --rate"
        if sample.at_s < self._grace_s:
            return None
        self._recent.append(sample)
        answers = sum(each.answered for each in self._recent)
        errors = sum(each.errors for each in self._recent)
        if answers >= ANSWERS_MIN and errors > self._limit * answers:
            return f"{errors} of the last {answers} answers were errors (more than {100 * self._limit:g} %)"
        return None
