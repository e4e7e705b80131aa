"""What is expected, live: the backtest's forecast (``ops/forecast``) on what was seen, learned anew each midnight.

A forecast that cannot be made is a doubt, under which nothing shrinks: too little history, a load that is seen no more,
figures that are no numbers, a fault in the forecaster itself.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from matchday.ops.forecast.backtest import HISTORY_DAYS_MIN, Plan, declare
from matchday.ops.forecast.fleet import Counts
from matchday.ops.forecast.outlook import Forecaster, Outlook, held_until
from matchday.ops.forecast.problems import ForecastError
from matchday.ops.forecast.series import DAY, Floats, Seen, Series, Slot, slots
from matchday.ops.forecast.zones import guarded
from matchday.ops.scaler.calendars import Calendars
from matchday.ops.scaler.core import Hold
from matchday.ops.scaler.history import History
from matchday.ops.scaler.when import said

_log = logging.getLogger(__name__)
BLIND_MAX: Final = 3
"""Minutes without a figure after which a forecast of it counts as dead."""
_KNOWN: Final = 0.9
"""Of a day's minutes: a day that is known."""
_MOST: Final = 1e15


@dataclass(frozen=True, slots=True)
class Ahead:
    """What is expected from a minute on."""

    minute: int
    needs: Mapping[str, Floats]
    """Load -> what must be carried in this minute and each after it, as history counts it (a minute's)."""
    doubts: Sequence[str]
    holds: Sequence[Hold]


class Foresight:
    """The forecasts of all loads."""

    def __init__(
        self, histories: Mapping[str, History], capacities: Mapping[str, float], calendars: Calendars, boot: int,
        margin: float,
    ) -> None:  # fmt: skip
        """``capacities``: what one process carries of each load in a minute, for rehearsing the margin. ``boot``:
        minutes until a process (on a machine that is asked for, too) carries load. ``margin`` 0: it is declared."""
        self._histories, self._capacities, self._calendars = histories, capacities, calendars
        self._boot, self._margin = boot, margin
        self._day = -1
        self._outlooks: dict[str, tuple[int, Outlook]] = {}
        """Load -> the minute its series begins with, and what was learned."""
        self._zones: dict[str, list[str]] = {}
        self._last: Ahead | None = None

    @property
    def findings(self) -> list[str]:
        """What was odd about files and times, and what was done about it."""
        odd = [finding for history in self._histories.values() for finding in history.findings]
        return [*self._calendars.findings, *odd, *dict.fromkeys(text for each in self._zones.values() for text in each)]

    def look(self, minute: int) -> Ahead:
        """What is expected, knowing all minutes before this one."""
        moved = self._calendars.refresh()
        if self._last is not None and self._last.minute == minute and not moved:
            return self._last
        if moved or minute // DAY != self._day:
            self._outlooks.clear()
            self._day = minute // DAY
        needs, doubts = dict[str, Floats](), list[str]()
        seen: Seen | None = None
        for load, history in self._histories.items():
            try:
                seen, needs[load] = self._need(load, history, minute)
            except ForecastError as error:
                doubts.append(f"no forecast of {load}: {error}")
            except Exception as error:  # noqa: BLE001 - whatever breaks it: it is dead, and nothing shrinks for it
                _log.exception("the forecast of %s failed", load)
                doubts.append(f"no forecast of {load}: {type(error).__name__}: {error}")
        doubts += [self._calendars.doubt] if self._calendars.doubt else []
        self._last = Ahead(minute, needs, doubts, self._holds(minute, seen))
        return self._last

    def _need(self, load: str, history: History, minute: int) -> tuple[Seen, Floats]:
        series = history.series(minute)
        last = history.last
        if last is None or minute - last > BLIND_MAX:
            raise ForecastError("it was not seen " + ("yet" if last is None else f"since {said(last)}"))
        days = (minute - series.origin) // DAY
        known = int((series.known[: days * DAY].reshape(-1, DAY).mean(axis=1) >= _KNOWN).sum())
        if known < HISTORY_DAYS_MIN:
            raise ForecastError(f"it is known for {known} whole days, and {HISTORY_DAYS_MIN} are needed")
        if self._outlooks.get(load, (-1, None))[0] != series.origin:
            self._outlooks[load] = series.origin, self._learned(load, series, days)
        index = series.index(minute)
        seen = series.until(index)
        need = self._outlooks[load][1].need(index, seen)
        if not np.isfinite(need).all() or (need > _MOST).any():
            raise ForecastError("it came to no number")
        return seen, need

    def _learned(self, load: str, series: Series, days: int) -> Outlook:
        timed, doubts = guarded(series, slots(self._calendars.fixtures, series), days * DAY)
        self._zones[load] = [str(doubt) for doubt in doubts]
        plan = Plan(series, timed, days * DAY, len(series.requests), self._boot, self._capacity(load))
        forecaster = Forecaster(plan.scale, timed, self._boot)
        margin = self._margin or declare(plan, forecaster).deviations
        return Outlook(forecaster, margin)

    def _capacity(self, load: str) -> int:
        return max(int(self._capacities[load]), 1)

    def _holds(self, minute: int, seen: Seen | None) -> list[Hold]:
        """What the calendar holds; by what is seen of the crowd, where that is known."""
        windows = self._windows(minute)
        until = held_until(windows, DAY * 2, self._boot, 1, None if seen is None else _around(seen))
        if until is None:
            return []
        end = minute + until - DAY * 2
        return [Hold(said(end), "a match of the calendar", end)]

    def _windows(self, minute: int) -> list[Slot]:
        """Slots near a minute, which stands at two days."""
        near = Series(minute - DAY * 2, 1, np.zeros(0, np.int64), np.zeros(0, bool))
        fixtures = [f for f in self._calendars.fixtures if any(abs(at - minute) < DAY for at, _ in f.windows())]
        found = slots(fixtures, near)
        for zoned, outlook in self._outlooks.values():
            shift = zoned - near.origin
            found += [Slot(s.at + shift, s.matches, s.stage, s.off) for s in outlook.forecaster.slots
                      if abs(s.at + shift - DAY * 2) < DAY]  # fmt: skip
        return found


def _around(seen: Seen) -> Counts | None:
    """The last two days of what was seen; None where less is known."""
    return seen.requests[-DAY * 2 :] if len(seen.requests) >= DAY * 2 else None
