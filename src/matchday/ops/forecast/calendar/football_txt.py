"""Calendars of openfootball's Football.TXT.

A title with the year, ``▪ Round of 16`` or ``»`` for stages, and kick-offs as ``Sun Nov 20 19:00 UTC+3 @ Al Bayt
Stadium``, or a line ``[Sat Aug/12]`` and then ``  15:00  Arsenal v Leeds``. Results, goals and line-ups are not read.
"""

import re
from datetime import date
from typing import Final
from zoneinfo import ZoneInfo

from matchday.ops.forecast.calendar.fixture import CALLED_OFF, Fixture, kickoff, stage
from matchday.ops.forecast.problems import Finding, ForecastError

_MONTHS: Final = {month: number for number, month in enumerate(
    ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), start=1)}  # fmt: skip
_DATE: Final = re.compile(
    r"^\s*\[?(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*\s+)?"
    r"([A-Z][a-z]{2})[a-z]*[/ ](\d{1,2})(?:,?\s+(\d{4}))?\]?(?=\s|$)(.*)$"
)
_TIME: Final = re.compile(r"^\s*(\d{1,2}[:.]\d{2}(?:\s+(?:UTC|GMT)[+-]\d{1,2}(?::?\d{2})?)?)(?=\s|$)(.*)$")
_YEAR: Final = re.compile(r"\b(1[89]\d\d|20\d\d)\b")
_HEAD: Final = re.compile(r"^\s*[▪»]+\s*(.+?)\s*$")


def parse(text: str, zone: ZoneInfo | None, name: str) -> tuple[list[Fixture], list[Finding]]:
    """The year of a date that has none is the title's, or the next where the months start again."""
    fixtures: list[Fixture] = []
    year, day, part = 0, None, "group"
    for number, line in enumerate(text.splitlines(), start=1):
        if line.lstrip().startswith(("#", "//")):
            continue
        where = f"kick-offs {name}, line {number}"
        head = _HEAD.match(line)
        titled = _YEAR.search(line) if line.startswith("=") else None
        if titled is not None:
            year = int(titled[1])
        elif head is not None:
            part = stage(head[1])
        else:
            rest = line
            dated = _dated(line, year, day, where)
            if dated is not None:
                day, rest = dated
                year = day.year
            timed = _TIME.match(rest)
            if timed is not None and day is not None:
                off = any(f"[{word}" in timed[2].lower() for word in CALLED_OFF)
                fixtures.append(Fixture(kickoff(day.isoformat(), timed[1], zone, where), 1, part, off))
    return fixtures, []


def _dated(line: str, year: int, before: date | None, where: str) -> tuple[date, str] | None:
    found = _DATE.match(line)
    if found is None or found[1].lower() not in _MONTHS:
        return None
    month = _MONTHS[found[1].lower()]
    stated = int(found[3]) if found[3] else year
    if not stated:
        raise ForecastError(f"{where}: {found[0].strip()!r} has no year; the title (= ... 2026) names it")
    if not found[3] and before is not None and before.month - month > 6:
        stated += 1
    try:
        return date(stated, month, int(found[2])), found[4]
    except ValueError as error:
        raise ForecastError(f"{where}: {found[0].strip()!r} is no date") from error
