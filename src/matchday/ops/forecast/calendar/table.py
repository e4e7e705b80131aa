"""Calendars as CSV: ``date_utc, kickoff_utc`` and, where present, ``matches, stage, status, moved_from``.

``status`` as cancelled or postponed calls a match off; ``moved_from`` is the ``YYYY-MM-DD HH:MM`` (UTC) where it stood.
"""

import csv
import io
import re
from typing import Final
from zoneinfo import ZoneInfo

from matchday.ops.forecast.calendar.fixture import CALLED_OFF, Fixture, kickoff, stage
from matchday.ops.forecast.problems import Finding, ForecastError

_MATCHES_MAX: Final = 100


def parse(text: str, zone: ZoneInfo | None, name: str) -> tuple[list[Fixture], list[Finding]]:
    """Every row is a kick-off; rows at the same time are further matches."""
    if zone is not None:
        raise ForecastError(f"kick-offs {name}: kickoff_utc is in UTC; leave --kickoffs-zone out")
    rows = csv.DictReader(io.StringIO(text))
    missing = {"date_utc", "kickoff_utc"} - set(rows.fieldnames or ())
    if missing:
        raise ForecastError(f"kick-offs {name}: has no column {', '.join(sorted(missing))}")
    fixtures: list[Fixture] = []
    seen: dict[tuple[int, str], int] = {}
    findings = []
    for row in rows:
        where = f"kick-offs {name}, line {rows.line_num}"
        fixture = _fixture({key: value or "" for key, value in row.items() if isinstance(key, str)}, where)
        before = seen.setdefault((fixture.kickoff, fixture.stage), rows.line_num)
        if before != rows.line_num:
            findings.append(Finding(f"the same kick-off as in line {before}", where, "taken as further matches"))
        fixtures.append(fixture)
    return fixtures, findings


def _fixture(row: dict[str, str], where: str) -> Fixture:
    matches = row.get("matches", "").strip() or "1"
    if not re.fullmatch(r"\d{1,3}", matches) or not 1 <= int(matches) <= _MATCHES_MAX:
        raise ForecastError(f"{where}: matches {matches!r} is outside 1 to {_MATCHES_MAX}")
    return Fixture(
        kickoff=_utc(f"{row['date_utc'].strip()} {row['kickoff_utc'].strip()}", where),
        matches=int(matches),
        stage=stage(row.get("stage", "")),
        cancelled=row.get("status", "").strip().lower() in CALLED_OFF,
        moved_from=tuple(_utc(each, where) for each in row.get("moved_from", "").split(";") if each.strip()),
    )


def _utc(text: str, where: str) -> int:
    date, _, time = text.strip().replace("T", " ").partition(" ")
    zoned = re.search(r"([+-]\d{1,2}(:?\d{2})?|UTC|GMT|Z)$", time.strip())
    return kickoff(date, time if zoned else f"{time.strip()[:5]}Z", None, where)
