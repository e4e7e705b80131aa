"""Calendars as iCalendar (RFC 5545): each VEVENT is a match that kicks off at DTSTART.

Of several with one UID the highest SEQUENCE counts; where it starts at another time, the match was moved. ``STATUS:
CANCELLED`` calls it off. The stage is looked for in CATEGORIES, then SUMMARY. Repeating events are refused by name.
"""

import re
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from matchday.ops.forecast.calendar.fixture import Fixture, epoch_minutes, stage, zone_of
from matchday.ops.forecast.problems import Finding, ForecastError

_STAMP: Final = re.compile(r"(\d{8})T(\d{4})(\d{2})?(Z)?")
_KNOCKOUT: Final = re.compile(r"semi|quarter|round of \d+|last \d+|third place|\bfinal\b", re.IGNORECASE)
Event = dict[str, tuple[str, str]]


def parse(text: str, zone: ZoneInfo | None, name: str) -> tuple[list[Fixture], list[Finding]]:
    """Fixtures by UID."""
    versions: dict[str, list[Event]] = {}
    dateless = 0
    for place, event in enumerate(_events(text)):
        if "RRULE" in event:
            raise ForecastError(f"kick-offs {name}, event {place}: repeats (RRULE); write its matches out one by one")
        if len(event.get("DTSTART", ("", ""))[1]) < len("20260611T1900"):
            dateless += 1
            continue
        versions.setdefault(event.get("UID", ("", f"event {place}"))[1], []).append(event)
    fixtures = []
    for uid, events in versions.items():
        events.sort(key=lambda event: int(event.get("SEQUENCE", ("", "0"))[1] or 0))
        starts = [_start(event, zone, f"kick-offs {name}, {uid}") for event in events]
        last = events[-1]
        text_of = " ".join(last.get(key, ("", ""))[1] for key in ("CATEGORIES", "SUMMARY"))
        found = _KNOCKOUT.search(text_of)
        fixtures.append(Fixture(
            starts[-1], 1, stage(found[0]) if found else "group",
            last.get("STATUS", ("", ""))[1].upper() == "CANCELLED",
            tuple(sorted({start for start in starts if start != starts[-1]})),
        ))  # fmt: skip
    findings = []
    if dateless:
        findings.append(Finding(f"{dateless} events have no time of day", name,
                                "left out: they are not forecast, what is seen of them still counts"))  # fmt: skip
    return fixtures, findings


def _events(text: str) -> list[Event]:
    """Properties of each VEVENT: name to (parameters, value); folded lines are joined."""
    events: list[Event] = []
    current: Event | None = None
    for line in re.sub(r"\r?\n[ \t]", "", text).splitlines():
        if line.strip() == "BEGIN:VEVENT":
            current = {}
        elif line.strip() == "END:VEVENT" and current is not None:
            events.append(current)
            current = None
        elif current is not None:
            head, _, value = line.partition(":")
            key, _, parameters = head.partition(";")
            current.setdefault(key.upper(), (parameters, value.strip()))
    return events


def _start(event: Event, zone: ZoneInfo | None, where: str) -> int:
    parameters, value = event["DTSTART"]
    found = _STAMP.fullmatch(value)
    if found is None:
        raise ForecastError(f"{where}: DTSTART {value!r} is no YYYYMMDDTHHMMSS")
    named = re.search(r"TZID=\"?([^;\"]+)", parameters)
    there = UTC if found[4] else zone_of(named[1]) if named else zone
    if there is None:
        raise ForecastError(f"{where}: DTSTART {value!r} is local and names no zone; say which with --kickoffs-zone")
    try:
        return epoch_minutes(datetime.strptime(found[1] + found[2], "%Y%m%d%H%M").replace(tzinfo=there))
    except ValueError as error:
        raise ForecastError(f"{where}: DTSTART {value!r} is no date and time") from error
