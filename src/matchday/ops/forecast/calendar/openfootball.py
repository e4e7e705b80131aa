"""Calendars of openfootball's JSON: ``matches``, or ``rounds`` of ``matches``, with ``date`` and ``time``.

``time`` is local and names no zone in leagues, or is as ``13:00 UTC-6``.
"""

from zoneinfo import ZoneInfo

import msgspec

from matchday.ops.forecast.calendar.fixture import CALLED_OFF, Fixture, kickoff, stage
from matchday.ops.forecast.problems import Finding, ForecastError


class _Match(msgspec.Struct):
    date: str
    time: str = ""
    round: str = ""
    group: str = ""
    stage: str = ""
    status: str = ""


class _Round(msgspec.Struct):
    name: str = ""
    matches: list[_Match] = []


class _File(msgspec.Struct):
    matches: list[_Match] = []
    rounds: list[_Round] = []


def parse(text: str, zone: ZoneInfo | None, name: str) -> tuple[list[Fixture], list[Finding]]:
    """Matches without a time are left out, and said."""
    try:
        file = msgspec.json.decode(text, type=_File)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise ForecastError(
            f"kick-offs {name}: {error}; an openfootball file has matches with date and time"
        ) from error
    matches = [(match, match.round) for match in file.matches]
    matches += [(match, match.round or each.name) for each in file.rounds for match in each.matches]
    timeless = [match for match, _ in matches if not match.time]
    fixtures = []
    for place, (match, played) in enumerate(matches):
        if match.time:
            at = kickoff(match.date, match.time, zone, f"kick-offs {name}, match {place}")
            in_group = "group" if match.group else played
            fixtures.append(Fixture(at, 1, stage(match.stage or in_group), match.status.lower() in CALLED_OFF))
    findings = []
    if timeless:
        dates = sorted({match.date for match in timeless})
        findings.append(Finding(f"{len(timeless)} matches have no time ({dates[0]} to {dates[-1]})", name,
                                "left out: they are not forecast, what is seen of them still counts"))  # fmt: skip
    return fixtures, findings
