"""Traffic as CSV: ``period, count``, one row a minute; times are UTC, or name their offset.

Gaps, duplicates and rows out of order are handled and said: a gap repeats what was last known (never what comes after,
which nobody knew then) and counts neither as loss nor as bill; of two counts for a minute the larger stands.
"""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np

from matchday.ops.forecast.fleet import Counts
from matchday.ops.forecast.problems import Finding, ForecastError
from matchday.ops.forecast.series import Flags

MINUTES_MAX: Final = 3_000_000
"""From the first row to the last: more than five years."""
COUNT_MAX: Final = 10**12
_TIME: Final = ("period", "time", "timestamp", "minute", "date_utc")
_COUNT: Final = ("count", "requests", "value")
_HOUR: Final = 60


@dataclass(frozen=True, slots=True)
class Traffic:
    """Requests a minute."""

    first: int
    """Minutes since 1970, UTC."""
    requests: Counts
    known: Flags
    findings: list[Finding]


def read(path: Path) -> Traffic:
    """Read a file of traffic; what cannot be used is refused with its line."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as opened:
            minutes, counts, zoned = _rows(csv.reader(opened), path.name)
    except OSError as error:
        raise ForecastError(f"traffic {path}: {error.strerror}; name a file with --traffic") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ForecastError(f"traffic {path}: {error}; it must be CSV in UTF-8") from error
    if not minutes:
        raise ForecastError(f"traffic {path}: has no rows")
    return arranged(np.array(minutes), np.array(counts), path.name, zoned=zoned)


def _rows(lines: Iterable[list[str]], name: str) -> tuple[list[int], list[int], bool]:
    rows = iter(lines)
    header = [word.strip().lower() for word in next(rows, [])]
    time = next((header.index(word) for word in _TIME if word in header), None)
    count = next((header.index(word) for word in _COUNT if word in header), None)
    if time is None or count is None:
        raise ForecastError(f"traffic {name}: the first line must name the columns period and count")
    minutes, counts, zones = [], [], set()
    for line, row in enumerate(rows, start=2):
        if not row:
            continue
        try:
            moment, requests = datetime.fromisoformat(row[time].strip()), int(row[count])
        except (ValueError, IndexError):
            raise ForecastError(
                f"traffic {name}, line {line}: not a time and a whole number: {','.join(row)!r}"
            ) from None
        if moment.second or moment.microsecond:
            raise ForecastError(f"traffic {name}, line {line}: {row[time]} is within a minute; give one row a minute")
        if not 0 <= requests <= COUNT_MAX:
            raise ForecastError(f"traffic {name}, line {line}: count {requests} is outside 0 to {COUNT_MAX}")
        zones.add(moment.tzinfo is not None)
        minutes.append(int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()) // 60)
        counts.append(requests)
    if len(zones) > 1:
        raise ForecastError(f"traffic {name}: some times name an offset and others none; give all of them one way")
    return minutes, counts, True in zones


def arranged(minutes: Counts, counts: Counts, name: str, *, zoned: bool) -> Traffic:
    """Put rows in order, one a minute, and say what was odd."""
    findings = []
    if (np.diff(minutes) < 0).any():
        where = f"{name}, line {int(np.argmax(np.diff(minutes) < 0)) + 3}"
        findings.append(Finding("rows are out of order from here on", where, "sorted by time"))
    order = np.lexsort((counts, minutes))
    minutes, counts = minutes[order], counts[order]
    first, span = int(minutes[0]), int(minutes[-1] - minutes[0]) + 1
    if span > MINUTES_MAX:
        raise ForecastError(f"traffic {name}: spans {span} minutes; at most {MINUTES_MAX}")
    known = np.zeros(span, bool)
    known[minutes - first] = True
    requests = np.zeros(span, np.int64)
    requests[minutes - first] = counts  # sorted: the last, which is the largest, stands
    last = np.maximum.accumulate(np.where(known, np.arange(span), 0))
    findings += _duplicates(minutes, counts, name)
    findings += _gaps(known, minutes, name, zoned=zoned)
    return Traffic(first, requests[last], known, findings)


def _duplicates(minutes: Counts, counts: Counts, name: str) -> list[Finding]:
    again = minutes[1:] == minutes[:-1]
    if not again.any():
        return []
    differ = int((again & (counts[1:] != counts[:-1])).sum())
    text = f"{int(again.sum())} minutes come twice, {differ} of them with different counts"
    return [Finding(text, f"{name} from {_said(int(minutes[1:][again][0]))} on", "the larger count stands")]


def _gaps(known: Flags, minutes: Counts, name: str, *, zoned: bool) -> list[Finding]:
    missing = int((~known).sum())
    if not missing:
        return []
    edges = np.flatnonzero(np.diff(np.concatenate([[True], known, [True]]).astype(np.int8)))
    starts, lengths = edges[::2], edges[1::2] - edges[::2]
    longest = int(lengths.max())
    where = f"{name} from {_said(int(minutes[0] + starts[0]))} on"
    findings = [Finding(f"{missing} minutes are missing in {len(starts)} gaps, the longest of {longest}", where,
                        "what was last known is repeated, nothing is released, and they are not judged")]  # fmt: skip
    for start in starts[lengths == _HOUR]:
        twice = int((minutes[1:] == minutes[:-1]).sum())
        if not zoned and (twice >= _HOUR or start % 30 == (-int(minutes[0])) % 30):
            findings.append(Finding(
                "an hour is missing, as when clocks are put forward", f"{name} at {_said(int(minutes[0] + start))}",
                "taken as a gap; if times are local, convert them to UTC or write their offset",
            ))  # fmt: skip
    return findings


def _said(minute: int) -> str:
    return f"{datetime.fromtimestamp(minute * 60, UTC):%Y-%m-%d %H:%M}"
