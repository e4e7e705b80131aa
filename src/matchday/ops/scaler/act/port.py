"""What every place where processes are started and ended can be told."""

from typing import NamedTuple, Protocol


class ActError(Exception):
    """It was not done, or not all of it: why. What there is then has to be asked again."""


class Count(NamedTuple):
    """How many there are of a target."""

    asked: int
    """That were asked for and not released, whether they carry anything yet or not."""
    ready: int
    """That carry load."""


class Actuator(Protocol):
    """A place. Called by one thread."""

    def count(self, target: str) -> Count:
        """How many there are. ActError where nobody says."""

    def scale(self, target: str, asked: int, wanted: int) -> None:
        """Make it ``wanted``, where ``asked`` are still asked for: if somebody else changed that meanwhile, nothing is
        done, as the decision was made for another number. Returns when it was asked for; on the local cluster, when it
        is done. ActError: see there."""
