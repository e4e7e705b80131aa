"""Taps: what a fan does on a screen, as the log has it. Never money, never a bet: those have messages of their own."""

from enum import StrEnum
from typing import Final

import msgspec

TARGET_CHARS_MAX: Final = 128


class TapKind(StrEnum):
    """What was done. A reader drops those that it does not know."""

    OPEN = "open"  # a fixture's page; the target is the fixture
    SELECT = "select"  # a selection put on the slip
    UNSELECT = "unselect"  # taken off it
    VIEW = "view"  # another view of the page; the target is its name
    PLACE = "place"  # a slip sent; the target is its type
    OTHER = "other"  # a kind of a later release

    @classmethod
    def _missing_(cls, value: object) -> "TapKind | None":
        """A kind that a later release has added: a reader goes on."""
        return cls.OTHER if isinstance(value, str) else None


class Tap(msgspec.Struct, frozen=True, array_like=True):
    """One tap."""

    kind: TapKind
    target: str
    ago_ms: int
    """Milliseconds from the tap until its batch was sent, by the client's clock: no two clocks are compared."""


class Tapped(msgspec.Struct, frozen=True, tag="tapped", tag_field="kind"):
    """Taps of one fan's screen, one after the other.

    Delivered at least once: who counts them drops what (account, screen) has sent below ``first`` + the taps heard.
    """

    account: str
    screen: str
    """The client's own name of this page, new with each load."""
    first: int
    """The number of the first of them on that screen, from 1."""
    at_ms: int
    """When the gate was told."""
    taps: tuple[Tap, ...]
