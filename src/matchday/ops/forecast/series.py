"""Load and calendar on one scale: minutes of the walk from a midnight on, and when matches kick off among them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from matchday.ops.forecast.calendar import Fixture
from matchday.ops.forecast.fleet import Counts
from matchday.ops.forecast.problems import ForecastError

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

DAY: Final = 1440
"""Minutes."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a policy is given in minute t: the trace up to t - 1, and nothing else of it."""

    requests: Counts
    known: Flags
    """False where the trace has a gap; ``requests`` then repeats what was last known."""


@dataclass(frozen=True, slots=True)
class Series:
    """Requests in each minute of the walk, from a midnight UTC on."""

    origin: int
    """Minutes since 1970 of the first."""
    step: int
    """Minutes of the trace in one minute of the walk."""
    requests: Counts
    known: Flags

    @property
    def day(self) -> int:
        """Minutes of the walk in a day."""
        return DAY // self.step

    def index(self, minute: int) -> int:
        """Where a minute (since 1970) stands in the walk."""
        return (minute - self.origin) // self.step

    def minute(self, index: int) -> int:
        """The minute (since 1970) that a place of the walk begins with."""
        return self.origin + index * self.step

    def until(self, index: int) -> Seen:
        """What is known before a minute of the walk."""
        return Seen(self.requests[:index], self.known[:index])


@dataclass(frozen=True, slots=True)
class Slot:
    """Matches that kick off at one time, on the walk's scale."""

    at: int
    matches: int
    stage: str
    off: bool
    """Cancelled, or moved away from here: no crowd is expected for it, but nothing shrinks either."""

    @property
    def knockout(self) -> bool:
        """Whether it may go to extra time and a shoot-out."""
        return not self.stage.startswith(("group", "league", "matchday", "regular"))


def compressed(first: int, requests: Counts, known: Flags, step: int) -> Series:
    """Sum ``step`` minutes into one, from the midnight before the first on. A new minute is known if all of its are."""
    if not 1 <= step <= 60 or DAY % step:
        raise ForecastError(f"--compress {step} does not divide a day; use 1 to 60 that divides 1440, such as 5 or 10")
    before = first % DAY
    rows = -(-(before + len(requests)) // step)
    padded = np.zeros(rows * step, np.int64)
    there = np.zeros(rows * step, bool)
    padded[before : before + len(requests)] = requests
    there[before : before + len(requests)] = known
    whole: Flags = there.reshape(rows, step).min(axis=1)
    return Series(first - before, step, padded.reshape(rows, step).sum(axis=1), whole)


def slots(fixtures: Sequence[Fixture], series: Series) -> list[Slot]:
    """The calendar on the walk's scale: one slot for each kick-off and stage, in order."""
    found: dict[tuple[int, str, bool], int] = {}
    for fixture in fixtures:
        for minute, off in fixture.windows():
            key = (series.index(minute), fixture.stage, off)
            found[key] = found.get(key, 0) + fixture.matches
    return [Slot(at, matches, stage, off) for (at, stage, off), matches in sorted(found.items())]
