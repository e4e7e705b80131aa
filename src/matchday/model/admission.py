"""What a newcomer is told at the door: come in, wait, or not now."""

import msgspec


class Place(msgspec.Struct, frozen=True):
    """Where a newcomer stands in the line."""

    ticket: str
    ahead: int
    """How many go first, at most."""
    wait_s: int
    """About how long it takes at the rate of late."""
    ask_in_s: int
    """When to ask again."""


class Inside(msgspec.Struct, frozen=True):
    """He may come in."""


class TurnedAway(msgspec.Struct, frozen=True):
    """No place in the line, or a ticket that is none."""

    reason: str
    detail: str


Admission = Place | Inside | TurnedAway
