"""Whose turn it is to be subscribed to: whoever follows much says no more at once than a server takes, also right after
it has come back and wants everything again.

Pure: time is handed in. A server closes connections that say too much (4029), and what it refuses counts most; so few
subscriptions are without their answer at any time, and the others go as the rate allows.
"""

import math
from typing import Final

PER_S: Final = 15
"""Messages a second; the server takes 20."""
AT_ONCE: Final = 12
"""Messages that are said without a pause; the server takes 40, and all that are unanswered may be in error."""
UNANSWERED_MAX: Final = 5
"""Subscriptions without an answer."""
ERROR_COST: Final = 5
"""Messages that one in error counts as, beside itself."""


class Turns:
    """The channels that one connection is to subscribe to."""

    def __init__(self) -> None:
        self._wanted: dict[str, None] = {}
        """In the order in which they are asked for."""
        self._unanswered: dict[str, None] = {}
        self._paid_s = -math.inf
        """Until when all that was said is paid for."""

    def want(self, channel: str) -> None:
        """It is to be subscribed to, when its turn has come."""
        self._wanted[channel] = None

    def forget(self, channel: str) -> None:
        """It is not, any more, and nobody waits for its answer."""
        self._wanted.pop(channel, None)
        self._unanswered.pop(channel, None)

    def said(self, now_s: float, messages: int = 1) -> None:
        """So much was said; of what waits for no turn, too, and of errors what they count as."""
        self._paid_s = max(self._paid_s, now_s) + messages / PER_S

    def answered(self, channel: str) -> None:
        """The server has said what becomes of a subscription; "" where it did not take it for one: the oldest."""
        self._unanswered.pop(channel or next(iter(self._unanswered), ""), None)

    def wait_s(self, now_s: float) -> float | None:
        """Seconds until the next turn; None where there is none before something is wanted or answered."""
        if not self._wanted or len(self._unanswered) >= UNANSWERED_MAX:
            return None
        return max(0.0, self._paid_s - now_s - (AT_ONCE - 1) / PER_S)

    def take(self) -> str:
        """The channel whose turn has come; there must be one."""
        channel = next(iter(self._wanted))
        del self._wanted[channel]
        self._unanswered[channel] = None
        return channel
