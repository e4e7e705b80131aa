"""History: counts of minutes, and what is not known of them. A minute that was counted in part, or twice, is not known:
gaps are said, and never filled."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final

from matchday.backends.load_sqlite import Minute

KNOWN_MS: Final = 58_000
"""Milliseconds of a minute that must have been counted: it is looked at when it is over, a little late."""
MOST_MS: Final = 61_500
"""Milliseconds beyond which it was counted twice, as the clock went back."""
_GAPS_NAMED: Final = 10


@dataclass(frozen=True, slots=True)
class History:
    """What is known of one figure."""

    counts: Mapping[int, int]
    """Minute since 1970 -> its count, of those that are known."""
    findings: list[str]
    """What is not, for people."""

    def csv(self) -> str:
        """As ``forecast backtest --traffic`` reads it: a row for each minute that is known, in UTC."""
        rows = [f"{said(minute)}:00,{count}" for minute, count in sorted(self.counts.items())]
        return "\n".join(["period,count", *rows]) + "\n"


def of_minutes(minutes: Iterable[Minute], what: str) -> History:
    """Of what a platform recorded itself."""
    counts: dict[int, int] = {}
    partly, twice = list[int](), list[int]()
    for one in minutes:
        if one.covered_ms < KNOWN_MS:
            partly.append(one.minute)
        elif one.covered_ms > MOST_MS:
            twice.append(one.minute)
        else:
            counts[one.minute] = getattr(one.load, what)
    findings = []
    if partly:
        findings.append(f"{len(partly)} minutes were counted in part, as around a restart (the first: "
                        f"{said(partly[0])}): left out")  # fmt: skip
    if twice:
        findings.append(f"{len(twice)} minutes were counted twice, as the clock went back (the first: "
                        f"{said(twice[0])}): left out")  # fmt: skip
    return History(counts, findings + gaps(counts))


def gaps(counts: Mapping[int, int]) -> list[str]:
    """Minutes between the first and the last of which nothing is known."""
    known = sorted(counts)
    found = [(before + 1, after - before - 1) for before, after in pairwise(known)
             if after - before > 1]  # fmt: skip
    lines = [f"gap: {length} minutes from {said(first)} on" for first, length in found[:_GAPS_NAMED]]
    if len(found) > _GAPS_NAMED:
        rest = sum(length for _, length in found[_GAPS_NAMED:])
        lines.append(f"and {len(found) - _GAPS_NAMED} more gaps, of {rest} minutes")
    return lines


def said(minute: int) -> str:
    """A minute since 1970, for people."""
    return f"{datetime.fromtimestamp(minute * 60, UTC):%Y-%m-%d %H:%M}"
