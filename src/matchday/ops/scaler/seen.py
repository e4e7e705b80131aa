"""What was read of the platform at a moment, and what of it can be believed."""

from collections.abc import Mapping
from dataclasses import dataclass, field


class SeenError(Exception):
    """It could not be read: why."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Loads and processes, as one look at them found."""

    at_ms: int
    """When, by the clock of who was asked (milliseconds since 1970)."""
    loads: Mapping[str, float]
    """Load -> how much, over all processes; one that nobody said is not here."""
    processes: Mapping[str, int]
    """Room -> processes that said something, where that is known."""
    missing: tuple[str, ...] = ()
    """Processes that should have said something and did not: what they carry is not in the loads."""


@dataclass(frozen=True, slots=True)
class Match:
    """A match as the platform shows it."""

    fixture: str
    kickoff_ms: int
    status: str
    """``scheduled``, ``postponed``, ``live``; anything else: nothing more is played."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What is shown of matches."""

    at_ms: int
    """By the clock of who was asked; whole seconds."""
    matches: tuple[Match, ...] = field(default=())
