"""A kick-off as every format of calendar comes down to it, and how stages and times are written."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from matchday.ops.forecast.problems import Finding, ForecastError

CALLED_OFF: Final = frozenset({"cancelled", "canceled", "postponed", "abandoned", "awarded", "suspended", "annulled"})
"""What a status says of a match that is not played when its calendar says."""
_STAGES: Final = (
    (r"third|3rd|bronze", "third_place"),
    (r"semi", "semi_final"),
    (r"quarter", "quarter_final"),
    (r"round.of.(\d+)|last.(\d+)|1/(\d+)", "round_of_"),
    (r"^grand.final|^finals?$", "final"),
    (r"group|matchday|league|regular|^round.\d+$|first.stage|^\d+", "group"),
)
_LOCAL: Final = re.compile(r"(\d{1,2})[:.](\d{2})(?:\s*(?:UTC|GMT)?([+-]\d{1,2})(?::?(\d{2}))?|\s*(Z|UTC|GMT))?")


@dataclass(frozen=True, slots=True)
class Fixture:
    """A kick-off, and where it stood before it was moved."""

    kickoff: int
    """Minutes since 1970, UTC."""
    matches: int = 1
    stage: str = "group"
    cancelled: bool = False
    moved_from: tuple[int, ...] = ()

    def windows(self) -> list[tuple[int, bool]]:
        """(kick-off, whether nobody plays then): cancelled and moved fixtures keep their windows, in which nothing
        shrinks on the word of a calendar alone."""
        return [(self.kickoff, self.cancelled), *((minute, True) for minute in self.moved_from)]


@dataclass(frozen=True, slots=True)
class Calendar:
    """What a file has of fixtures, and what was odd about it."""

    fixtures: Sequence[Fixture]
    findings: Sequence[Finding]


def stage(text: str) -> str:
    """A stage by the name that weights know: ``group``, ``round_of_16`` ... ``final``; an unknown one stays itself, and
    counts as one that may go to extra time."""
    plain = re.sub(r"[^a-z0-9/]+", "_", text.lower()).strip("_")
    for pattern, name in _STAGES:
        found = re.search(pattern.replace(".", "[ _.-]?") if "." in pattern else pattern, plain)
        if found:
            return name + next((part for part in found.groups() if part), "") if name.endswith("_of_") else name
    return plain or "group"


def zone_of(name: str | None) -> ZoneInfo | None:
    """A time zone by its name."""
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ForecastError(f"--kickoffs-zone {name!r} is no time zone; use one such as Europe/London") from error


def kickoff(date: str, time: str, zone: ZoneInfo | None, where: str) -> int:
    """Minutes since 1970 of a date and a time such as ``19:00 UTC+3``; one without an offset is in ``zone``."""
    found = _LOCAL.fullmatch(time.strip())
    if found is None:
        raise ForecastError(f"{where}: time {time!r} is no HH:MM, with UTC+3 behind it or without")
    hours, minutes, east, east_minutes, utc = found.groups()
    try:
        local = datetime.fromisoformat(date).replace(hour=int(hours), minute=int(minutes))
        if utc:
            return epoch_minutes(local.replace(tzinfo=UTC))
        if east is not None:
            sign = -1 if east.startswith("-") else 1
            offset = timedelta(hours=int(east), minutes=sign * int(east_minutes or 0))
            return epoch_minutes(local.replace(tzinfo=timezone(offset)))
    except ValueError as error:
        raise ForecastError(f"{where}: {date!r} {time!r} is no date and time; dates are YYYY-MM-DD") from error
    if zone is None:
        raise ForecastError(f"{where}: time {time!r} is local and names no zone; say which with --kickoffs-zone")
    return epoch_minutes(local.replace(tzinfo=zone))


def epoch_minutes(moment: datetime) -> int:
    """Minutes since 1970."""
    return int(moment.timestamp() // 60)
