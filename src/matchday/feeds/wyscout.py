"""Wyscout: recorded matches, second by second (Pappalardo et al. 2019, CC BY 4.0), as a feed.

Owns when recorded matches are reported: at their real times, or shown from a moment on, faster or slower. Says an
adapter's reports. What the files say and how it is read: ``wyscout_files``; what is inferred from it (whistles, pauses,
the award of a penalty): ``wyscout_incidents``. Never invents an incident.
"""

import heapq
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Final

from matchday.feeds.wyscout_files import KICK_OFF_UNKNOWN_MS, Loaded, Match, Problem, load
from matchday.model.messages import FixtureStatus, Strengths
from matchday.model.reports import Announced, Confirmed, Report, Reported

__all__ = [
    "ANNOUNCE_MS", "CONFIRM_MS", "GAP_MS", "KICK_OFF_UNKNOWN_MS", "LEAD_MS", "SOURCE", "Loaded", "Match", "Problem",
    "WyscoutFeed", "load",
]  # fmt: skip

ANNOUNCE_MS: Final = 48 * 3_600_000
"""Milliseconds before kick-off at which a fixture is announced at its real time: two days, so that there are matches
for bets of several legs."""
CONFIRM_MS: Final = 180_000
"""Match milliseconds after the end at which the result is confirmed."""
SOURCE: Final = "Wyscout; Pappalardo et al., Scientific Data 6, 236 (2019), CC BY 4.0"
LEAD_MS: Final = 20_000
"""Milliseconds from the start of a showing to its first kick-off, whatever the speed."""
GAP_MS: Final = 600_000
"""Match milliseconds from the end of what is being played to the next kick-off of a showing, at most: longer gaps are
cut to it."""


class WyscoutFeed:
    """Recorded matches as a live feed.

    Without ``start_ms`` platform time is the real time of the matches: each is announced an hour before its kick-off.
    With it they are shown from then on, ``speed`` match seconds a second: all are announced at the start, simultaneous
    kick-offs stay so, and long gaps are cut. ``showing`` makes the fixtures of this showing new ones.
    """

    def __init__(
        self,
        matches: Sequence[Match],
        strengths: Callable[[Match], Strengths],
        speed: float = 1.0,
        start_ms: int | None = None,
        showing: str = "",
    ) -> None:
        if not speed > 0:
            raise ValueError(f"speed {speed:g} is not above 0")
        suffix = f"@{showing}" if showing else ""
        self._matches = {match.fixture + suffix: match for match in matches}
        self._strengths = strengths
        self._speed = speed
        self.name = f"wyscout{suffix}"
        self._kickoffs = _kickoffs(matches, speed, start_ms)
        self._start_ms = start_ms

    def in_touch(self, now_ms: int) -> bool:  # noqa: ARG002 - never out of touch
        """See ``Adapter.in_touch``."""
        return True

    def knows(self, fixture: str) -> bool:
        """See ``Adapter.knows``. A new showing does not know the fixtures of an earlier one."""
        return fixture in self._matches

    def reports(self, now_ms: int, known: Collection[str]) -> Iterator[Report]:
        """See ``Adapter.reports``."""
        asked = frozenset(known)
        streams = [
            self._of(fixture, match)
            for fixture, match in self._matches.items()
            if fixture in asked or self._confirmed_ms(match) > now_ms
        ]
        return heapq.merge(*streams, key=lambda report: (report.at_ms, report.fixture))

    def _of(self, fixture: str, match: Match) -> Iterator[Report]:
        kickoff = self._kickoffs[match.fixture]
        announced = self._start_ms if self._start_ms is not None else kickoff - ANNOUNCE_MS
        yield Announced(
            announced, fixture, 1, match.competition, match.home, match.away, kickoff, self._strengths(match), SOURCE,
            match.knockout,
        )  # fmt: skip
        for seq, (offset_ms, type_, side, clock_s) in enumerate(match.incidents, 2):
            yield Reported(kickoff + round(offset_ms / self._speed), fixture, seq, type_, side, clock_s)
        yield Confirmed(self._confirmed_ms(match), fixture, len(match.incidents) + 2, FixtureStatus.FINISHED)

    def _confirmed_ms(self, match: Match) -> int:
        return self._kickoffs[match.fixture] + round((match.end_ms + CONFIRM_MS) / self._speed)


def _kickoffs(matches: Sequence[Match], speed: float, start_ms: int | None) -> dict[str, int]:
    """When each match kicks off on the platform's clock."""
    if start_ms is None:
        return {match.fixture: match.kickoff_ms for match in matches}
    found: dict[str, int] = {}
    real_ms = shown_ms = end_ms = 0
    for number, match in enumerate(sorted(matches, key=lambda match: match.kickoff_ms)):
        if number:
            shown_ms = min(shown_ms + match.kickoff_ms - real_ms, max(end_ms + GAP_MS, shown_ms))
        real_ms = match.kickoff_ms
        end_ms = max(end_ms, shown_ms + match.end_ms)
        found[match.fixture] = start_ms + LEAD_MS + round(shown_ms / speed)
    return found
