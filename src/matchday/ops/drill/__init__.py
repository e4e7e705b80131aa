"""Drills: the platform under what production will do to it, on purpose, with a record of what became of it."""


class DrillError(Exception):
    """A drill cannot be held: why, and what to do about it."""
