"""Which format a calendar is in, and the oddities that all formats share."""

from collections import Counter
from pathlib import Path
from typing import Final

from matchday.ops.forecast.calendar.fixture import Calendar, Fixture, zone_of
from matchday.ops.forecast.calendar.football_txt import parse as parse_txt
from matchday.ops.forecast.calendar.icalendar import parse as parse_ics
from matchday.ops.forecast.calendar.openfootball import parse as parse_json
from matchday.ops.forecast.calendar.table import parse as parse_csv
from matchday.ops.forecast.problems import Finding, ForecastError

BYTES_MAX: Final = 32 * 1024 * 1024
FIXTURES_MAX: Final = 100_000
_FORMATS: Final = {".csv": parse_csv, ".json": parse_json, ".txt": parse_txt, ".ics": parse_ics, ".ical": parse_ics}


def read(path: Path, zone: str | None = None) -> Calendar:
    """Read a calendar by what its name ends in. ``zone`` is that of times which name none."""
    parse = _FORMATS.get(path.suffix.lower())
    if parse is None:
        raise ForecastError(
            f"kick-offs {path}: {path.suffix or 'no ending'} is no calendar; use .csv, .json, .txt or .ics"
        )
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ForecastError(f"kick-offs {path}: {error.strerror}; name a calendar with --kickoffs") from error
    if len(raw) > BYTES_MAX:
        raise ForecastError(f"kick-offs {path}: larger than {BYTES_MAX} bytes; split it")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ForecastError(f"kick-offs {path}: not UTF-8 at byte {error.start}; save it as UTF-8") from error
    fixtures, findings = parse(text, zone_of(zone), path.name)
    if not fixtures:
        raise ForecastError(f"kick-offs {path}: has no fixture with a kick-off time")
    if len(fixtures) > FIXTURES_MAX:
        raise ForecastError(f"kick-offs {path}: more than {FIXTURES_MAX} fixtures; split it")
    fixtures.sort(key=lambda fixture: fixture.kickoff)
    return Calendar(fixtures, [*findings, *_odd(fixtures, path.name)])


def _odd(fixtures: list[Fixture], name: str) -> list[Finding]:
    found = []
    off = sum(fixture.cancelled for fixture in fixtures)
    if off:
        found.append(Finding(f"{off} fixtures are called off", name,
                             "no crowd is expected for them, but nothing is released in their windows"))  # fmt: skip
    moved = sum(bool(fixture.moved_from) for fixture in fixtures)
    if moved:
        found.append(Finding(f"{moved} fixtures were moved", name,
                             "nothing is released in their old windows either"))  # fmt: skip
    times = Counter(fixture.kickoff % 1440 for fixture in fixtures)
    night = sum(count for minute, count in times.items() if minute % 5)
    if night:
        found.append(Finding(f"{night} kick-offs are at no multiple of five minutes", name, "taken as they are"))
    return found
