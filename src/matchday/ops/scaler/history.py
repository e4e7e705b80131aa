"""The load of each minute: read from files, added to by what is seen, and laid out as the forecast wants it.

Numbers are whole and of a minute: of a load a second (``bets_per_s``) what came in the minute, of one that is there
(``connections``) its mean.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np

from matchday.ops.forecast import traffic
from matchday.ops.forecast.problems import ForecastError
from matchday.ops.forecast.series import DAY, Series

_A_SECOND: Final = "_per_s"


def per_minute(load: str, value: float) -> float:
    """A load, or what a process carries of it, as history counts it."""
    return value * 60 if load.endswith(_A_SECOND) else value


def per_second(load: str, value: float) -> float:
    """The other way round."""
    return value / 60 if load.endswith(_A_SECOND) else value


class History:
    """Of one load."""

    def __init__(
        self, load: str, folder: Path | None, days: int, minute: int, earlier: Mapping[int, int] | None = None
    ) -> None:
        """Reads what there is of the last days; ``earlier`` is what somebody else knows of them. ``folder`` None:
        nothing is read or kept there. ForecastError where the file cannot be used."""
        self._path, self._days = None if folder is None else folder / f"{load}.csv", days
        self._counts = dict(earlier or {})
        self.findings: list[str] = []
        if self._path is not None and self._path.exists():
            found = traffic.read(self._path)
            known = np.flatnonzero(found.known)
            self._counts |= {found.first + int(at): int(found.requests[at]) for at in known}
            self.findings = [str(finding) for finding in found.findings]
        first = minute // DAY * DAY - days * DAY
        self._counts = {at: count for at, count in self._counts.items() if first <= at < minute}

    @property
    def last(self) -> int | None:
        """The last minute that is known."""
        return max(self._counts, default=None)

    def put(self, minute: int, count: int) -> None:
        """A minute is over. OSError where it cannot be kept; it is known here all the same."""
        if minute in self._counts:
            return
        self._counts[minute] = count
        oldest = minute // DAY * DAY - self._days * DAY
        if minute % DAY == 0:
            self._counts = {at: kept for at, kept in self._counts.items() if at >= oldest}
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = not self._path.exists()
        with self._path.open("a", encoding="utf-8") as file:
            file.write(("period,count\n" if fresh else "") + f"{_stamp(minute)},{count}\n")

    def series(self, minute: int) -> Series:
        """From the first whole day on until before a minute, room for the rest of its day left at the end: what is not
        known repeats what was. ForecastError where nothing is known."""
        known_at = np.array(sorted(at for at in self._counts if at < minute), np.int64)
        if not len(known_at):
            raise ForecastError("nothing of the load is known yet")
        first = -(-int(known_at[0]) // DAY) * DAY
        end = (minute // DAY + 1) * DAY
        if first >= minute:
            raise ForecastError("no whole day of the load is known yet")
        known_at = known_at[known_at >= first]
        known = np.zeros(end - first, bool)
        known[known_at - first] = True
        requests = np.zeros(end - first, np.int64)
        requests[known_at - first] = [self._counts[int(at)] for at in known_at]
        last = np.maximum.accumulate(np.where(known, np.arange(end - first), 0))
        return Series(first, 1, requests[last], known)


class Minutes:
    """What was seen since a minute began."""

    def __init__(self) -> None:
        self._minute = -1
        self._sums: dict[str, tuple[float, int]] = {}

    def add(self, minute: int, loads: Mapping[str, float]) -> tuple[int, dict[str, int]] | None:
        """What is seen now; and where a minute is over, that minute and what it came to."""
        over = None
        if minute != self._minute:
            if self._sums:
                means = {load: per_minute(load, total / times) for load, (total, times) in self._sums.items()}
                over = self._minute, {load: round(mean) for load, mean in means.items()}
            self._minute, self._sums = minute, {}
        for load, value in loads.items():
            total, times = self._sums.get(load, (0.0, 0))
            self._sums[load] = total + value, times + 1
        return over


def _stamp(minute: int) -> str:
    return f"{datetime.fromtimestamp(minute * 60, UTC):%Y-%m-%d %H:%M}:00"
