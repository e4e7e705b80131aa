"""Pacing: clients that want to hear of a channel no more often than so many times a second.

Those of one pace are a lane: they are told together, by one delta that merges what came since. What is urgent (goals,
cards, whistles, markets that open, wait or close) they are told at once, with all that had waited for its time.
"""

from functools import partial
from typing import Final

from matchday.ports import Clock
from matchday.services.push.channel import Channel, Lane, Step
from matchday.services.push.outbox import Outbox

PERIOD_MS_MIN: Final = 25
"""Milliseconds: the quickest lane. Each is half as quick as the one before: so there are few, and many share one."""


def period_ms(rate_hz: float | None) -> int:
    """The period of the lane for at most so many deltas a second; 0: of all who hear every change."""
    if rate_hz is None:
        return 0
    period = PERIOD_MS_MIN
    while period * rate_hz < 1_000:
        period *= 2
    return period


class Pacing:
    """The lanes of all channels."""

    def __init__(self, clock: Clock, out: Outbox) -> None:
        self._clock, self._out = clock, out

    def say(self, channel: Channel, step: Step) -> None:
        """A channel changed: at once where it is urgent or a lane's time has come, else when it comes."""
        if not channel.lanes:
            return
        now, urgent = self._clock.elapsed_ms(), step.move.urgent
        for lane in tuple(channel.lanes.values()):
            if urgent or now >= lane.next_ms:
                self._tell(channel, lane, now)
            elif not lane.due:
                lane.due = True
                self._clock.call_later(lane.next_ms - now, partial(self._due, channel, lane))

    def _due(self, channel: Channel, lane: Lane) -> None:
        lane.due = False
        if not lane.members:
            if channel.lanes.get(lane.period_ms) is lane:
                del channel.lanes[lane.period_ms]
        elif lane.sent < channel.last:
            now = self._clock.elapsed_ms()
            if now >= lane.next_ms:
                self._tell(channel, lane, now)
            else:  # something urgent went before
                lane.due = True
                self._clock.call_later(lane.next_ms - now, partial(self._due, channel, lane))

    def _tell(self, channel: Channel, lane: Lane, now: int) -> None:
        for session, joined in lane.members.items():
            sent = max(joined, lane.sent)
            if sent < channel.last:
                self._out.share(session, channel.since(sent, self._clock.now_ms()))
        lane.sent, lane.next_ms = channel.last, now + lane.period_ms
