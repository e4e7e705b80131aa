"""Reports: what a provider's adapter hands to the feed room, in the order in which the provider would say it.

An adapter is a provider's format in, reports out. Each report carries ``seq``, its place among all that the adapter
will ever say of that fixture (from 1, without gaps), so that a feed that restarts knows what it has said already.
"""

from collections.abc import Collection, Iterator
from typing import Protocol

import msgspec

from matchday.model.football import FootballState, IncidentType, Side
from matchday.model.messages import FixtureStatus, Strengths


class Announced(msgspec.Struct, frozen=True):
    """A fixture will be played. The first report of every fixture; again, before kick-off, where its start or names
    change."""

    at_ms: int
    """When to say it, platform time (UTC)."""
    fixture: str
    seq: int
    competition: str
    home: str
    away: str
    kickoff_ms: int
    strengths: Strengths
    source: str
    """For people: file or league, with the attribution that its licence asks for."""
    knockout: bool = False
    """Whether the match must have a winner. What was announced first stands."""


class Reported(msgspec.Struct, frozen=True):
    """Something happened on the pitch."""

    at_ms: int
    fixture: str
    seq: int
    type: IncidentType
    side: Side | None
    clock_s: int
    """Seconds into the period, match time."""


class Confirmed(msgspec.Struct, frozen=True):
    """The provider stands by how the match ended; the last report of most fixtures. Or, before kick-off, the match is
    postponed."""

    at_ms: int
    fixture: str
    seq: int
    status: FixtureStatus
    reason: str = ""


class Corrected(msgspec.Struct, frozen=True):
    """The provider confirmed another outcome than what happened. Only after ``Confirmed``."""

    at_ms: int
    fixture: str
    seq: int
    status: FixtureStatus
    state: FootballState
    """As it stands now."""
    reason: str


class BetsVoided(msgspec.Struct, frozen=True):
    """Bets placed in a window of time were placed on what was already known: they are void. At any time."""

    at_ms: int
    fixture: str
    seq: int
    from_ms: int
    """Platform time; bets placed from then on..."""
    until_ms: int
    """...and before."""
    reason: str


Report = Announced | Reported | Confirmed | Corrected | BetsVoided


class Adapter(Protocol):
    """A provider, as the feed room sees it."""

    @property
    def name(self) -> str:
        """The feed's name, stable over restarts with the same settings."""

    def in_touch(self, now_ms: int) -> bool:
        """Whether the provider was heard lately. While it is not, the feed does not say that it is alive."""

    def knows(self, fixture: str) -> bool:
        """Whether this adapter can still report on a fixture. Unfinished ones that nobody knows are abandoned."""

    def reports(self, now_ms: int, known: Collection[str]) -> Iterator[Report]:
        """Reports in the order of ``at_ms``: every fixture that is live, announced or yet to come at ``now_ms``, whole
        from its first report (those that are past are said at once), and those in ``known``, whatever became of them:
        an outcome may be corrected later. May be endless."""
