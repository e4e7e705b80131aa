"""A fleet that is only thought of: what the decisions would have had, beside what was there."""

from typing import NamedTuple

from matchday.ops.forecast.fleet import Fleet
from matchday.ops.scaler.act.port import Count


class Compared(NamedTuple):
    """Process-minutes, and minutes in which what was seen was more than could be carried: ours, then theirs."""

    minutes: int
    ours_paid: int
    theirs_paid: int
    ours_short: int
    theirs_short: int


class Thought:
    """Of one target."""

    def __init__(self, boot: int, there: Count, minute: int) -> None:
        """``boot``: minutes. It begins with what is there."""
        self._fleet, self._minute = Fleet(boot, there.asked), minute
        self._fleet.turn(minute)
        self.so_far = Compared(0, 0, 0, 0, 0)

    @property
    def count(self) -> Count:
        """What there would be."""
        return Count(self._fleet.total, self._fleet.ready)

    def turn(self, minute: int, theirs: Count, needed: int) -> None:
        """A minute begins; ``needed``: processes that what is seen now takes when they are full."""
        if minute == self._minute:
            return
        self._minute = minute
        self._fleet.turn(minute)
        minutes, paid, other, short, missed = self.so_far
        self.so_far = Compared(minutes + 1, paid + self._fleet.total, other + theirs.asked,
                               short + (self._fleet.ready < needed), missed + (theirs.ready < needed))  # fmt: skip

    def ask(self, wanted: int) -> None:
        """Do it, in thought."""
        self._fleet.ask(wanted)
