"""A channel: who follows it, what was said on it lately, and where its whole state is to be had.

Owns the history that lets a client resume. A channel knows everything from ``floor`` on: it begins at the first change
it hears or, quiet so far, at its first follower, and forgets from the far end.
"""

from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec

from matchday.services.push.moves import Move, joined
from matchday.services.push.sources import Source
from matchday.services.push.wire import Delta, Shared

if TYPE_CHECKING:
    from matchday.services.push.session import Session

URGENT_MAX: Final = 16
"""Urgent changes that one who was away is told one by one."""


class Step(msgspec.Struct):
    """One change of a channel, and its frame once somebody needed that."""

    before: int
    offset: int
    at_ms: int
    """When it was published: by the clock of whoever said it."""
    cause: str
    move: Move
    shared: Shared | None = None


class Lane:
    """Those who want to hear of a channel at most once in each period."""

    __slots__ = ("due", "members", "next_ms", "period_ms", "sent")

    def __init__(self, period_ms: int, sent: int) -> None:
        self.period_ms = period_ms
        self.members: dict[Session, int] = {}
        """-> the offset up to which they had everything when they joined."""
        self.sent = sent
        """The offset up to which all of them were told."""
        self.next_ms = 0
        """Before then only what is urgent is said."""
        self.due = False
        """Whether a timer is set for ``next_ms``."""


class Channel:
    """One channel."""

    __slots__ = (
        "counts", "floor", "frames", "gone", "history", "holders", "lanes", "last", "members", "merged", "name",
        "snapshots", "source",
    )  # fmt: skip

    def __init__(self, name: str, source: Source, offset: int) -> None:
        self.name = name
        """As clients call it."""
        self.source = source
        self.last = self.floor = offset
        """Offset of the last change; the lowest from which one may resume."""
        self.history: deque[Step] = deque()
        self.members: dict[Session, int] = {}
        """Those who hear everything and keep up -> the offset up to which they were sent everything."""
        self.lanes: dict[int, Lane] = {}
        """By period: those who want to hear less often, and keep up."""
        self.holders = 0
        """All who follow, those who have fallen behind included."""
        self.gone = False
        self.merged: dict[int, Shared] = {}
        """Offset -> all that changed since, as one delta: shared by all who hold that offset."""
        self.frames: dict[tuple[int, int], bytes] = {}
        """(offset, kind of connection) -> the frames of all that was said since: shared by all who are there."""
        self.counts: dict[int, int] = {}
        """Offset -> how many frames these are, where they are more than one."""
        self.snapshots: tuple[int, dict[bool | None, Shared]] = (0, {})
        """(made at, resumed -> frame): shared by all who subscribe at one moment."""

    def remember(self, step: Step, history_ms: int, frames_max: int) -> None:
        """A change happened."""
        self.last = step.offset
        self.forget_whole()
        self.history.append(step)
        since = step.at_ms - history_ms
        while len(self.history) > frames_max or self.history[0].at_ms < since:
            self.floor = self.history.popleft().offset

    def forget_whole(self) -> None:
        """What was encoded of the latest state is no longer true."""
        self.merged, self.frames, self.counts, self.snapshots = {}, {}, {}, (0, {})

    def after(self, offset: int) -> list[Step] | None:
        """Everything said since an offset, None where that is not known any more (or not yet)."""
        if not self.floor <= offset <= self.last:
            return None
        steps: list[Step] = []
        for step in reversed(self.history):
            if step.offset <= offset:
                break
            steps.append(step)
        steps.reverse()
        return steps

    def since(self, offset: int, now_ms: int) -> Shared:
        """All that changed since an offset below ``last``, as one delta.

        Of what the history does not hold, every field is said.
        """
        found = self.merged.get(offset)
        if found is None:
            steps = self.after(offset)
            if steps is not None and len(steps) == 1 and steps[0].before == offset:
                found = self.delta(steps[0])
            else:
                found = Shared(lambda: self._merged(offset, steps or [], now_ms))
            self.merged[offset] = found
        return found

    def apart(self, offset: int, now_ms: int) -> list[Shared]:
        """All that changed since an offset below ``last``, for one who was away. What is urgent ends a delta of its
        own, so that a goal that was taken back, or a suspension that is over, was seen all the same: of many the last
        ``URGENT_MAX``. Of what the history does not hold, every field is said at once."""
        steps = self.after(offset)
        ends = [] if steps is None else [n for n, step in enumerate(steps, 1) if step.move.urgent]
        if steps is None or not ends or ends == [len(steps)]:
            return [self.since(offset, now_ms)]
        found, start = list[Shared](), 0
        for end in dict.fromkeys([*ends[-URGENT_MAX:], len(steps)]):
            found.append(Shared(partial(self._merged, offset, steps[start:end], now_ms)))
            start, offset = end, steps[end - 1].offset
        return found

    def _merged(self, offset: int, steps: list[Step], now_ms: int) -> Delta:
        if not steps:
            change = self.source.since(offset)
            return Delta(self.name, offset, self.last, now_ms, "conflated", change, conflated=True)
        if len(steps) == 1:
            return self.told(steps[0], offset)
        last = steps[-1]
        cause = next((step.cause for step in reversed(steps) if step.move.urgent), last.cause)
        change = joined([step.move for step in steps]).view()
        return Delta(self.name, offset, last.offset, last.at_ms, cause, change, conflated=True)

    def delta(self, step: Step) -> Shared:
        """A step's delta."""
        if step.shared is None:
            step.shared = Shared(lambda: self.told(step, step.before))
        return step.shared

    def told(self, step: Step, before: int) -> Delta:
        """A step for somebody who has everything up to ``before``."""
        return Delta(self.name, before, step.offset, step.at_ms, step.cause, step.move.view())

    # --- who follows --------------------------------------------------------------------------------------------------

    def join(self, session: "Session", sent: int) -> None:
        """This session has everything up to an offset and hears what comes, as often as it wants to."""
        period = session.period_ms(self.name)
        if not period:
            self.members[session] = sent
            return
        lane = self.lanes.get(period)
        if lane is None:
            lane = self.lanes[period] = Lane(period, self.last)
        lane.members[session] = sent

    def part(self, session: "Session") -> int | None:
        """It hears no more. The offset up to which it has everything; None where it did not keep up."""
        if (sent := self.members.pop(session, None)) is not None:
            return sent
        for period, lane in self.lanes.items():
            if (sent := lane.members.pop(session, None)) is not None:
                if not lane.members and not lane.due:
                    del self.lanes[period]
                return max(sent, lane.sent)
        return None
