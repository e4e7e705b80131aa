"""When to come back after a lost connection: by its close code, by chance, and not for ever.

Pure: chance is handed in. The pauses grow twofold with each failure and are drawn from all of the span (full jitter),
so that a crowd that lost its gate does not come back as one.
"""

import random
import re
from typing import Final

import msgspec

FAULTS: Final = frozenset({1002, 1003, 1007, 1008, 1009})
"""What we say is not understood: the same client would only be closed again."""
AT_ONCE: Final = frozenset({4009})
"""The server had not heard of us: nothing is wrong with it."""
LATER: Final = frozenset({4008, 4013, 4029})
"""Too slow, full, too much said: not soon."""
DRAINING: Final = 4012
"""The gate stops: its reason says ``retry_ms=``, when to come back."""
_SECONDS: Final = re.compile("[0-9]{1,5}")
_RETRY_MS: Final = re.compile(r"retry_ms=([0-9]{1,7})\b")
RETRIED: Final = frozenset({408, 425, 429})
"""Answers to a handshake below 500 after which another may be accepted."""


class GivenUp(Exception):
    """There is no use in trying again: its text says why."""


class Pauses(msgspec.Struct, frozen=True, kw_only=True):
    """How long a client waits, and for how often it tries."""

    first_s: float = 0.4
    """The span of the first pause, in seconds; it doubles with each failure."""
    longest_s: float = 30.0
    """Seconds beyond which it does not grow."""
    later_s: float = 10.0
    """The span, at least, where the server asked us not to come back soon."""
    steady_s: float = 5.0
    """Seconds after which a connection counts as good: the span begins anew, and the budget is whole again."""
    budget: int = 60
    """Connections that may fail in a row; then the client gives up."""


class Backoff:
    """One client's way back."""

    def __init__(self, pauses: Pauses, chance: random.Random) -> None:
        self._pauses, self._chance = pauses, chance
        self.failures = 0

    def pause_s(self, code: int | None, lasted_s: float, reason: str = "") -> float:
        """Seconds until the next attempt, after a connection that lasted so long from its ``hello`` on (0 without one)
        and was closed with a code and reason.

        None: it was never open, or broke. GivenUp where the code says so or the budget is spent.
        """
        pauses = self._pauses
        if code in FAULTS:
            raise GivenUp(f"closed with {code}: this client says what the server does not understand")
        if lasted_s >= pauses.steady_s:
            self.failures = 0
        if self.failures >= pauses.budget:
            raise GivenUp(f"{self.failures} connections failed in a row")
        if code == DRAINING and (told := _RETRY_MS.search(reason)):
            self.failures += 1
            return int(told[1]) / 1_000
        span = min(pauses.longest_s, pauses.first_s * 2.0**self.failures)
        self.failures += 1
        if code in AT_ONCE and self.failures == 1:
            return 0.0
        if code in LATER:
            span = max(span, pauses.later_s)
        return span * self._chance.random()

    def refused_s(self, status: int, told: str | None = None) -> float:
        """The same where the handshake was answered with an HTTP status. ``told``: its ``Retry-After``, which is kept
        to, as the server spreads out those whom it turns away; a date, or nonsense, is not looked at."""
        if status < 500 and status not in RETRIED:
            raise GivenUp(f"the handshake was answered {status}")
        pause = self.pause_s(4013, 0.0)
        return float(told) if told is not None and _SECONDS.fullmatch(told) else pause
