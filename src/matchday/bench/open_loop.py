"""The open loop: what is due is sent when it is due, whether or not what came before was answered.

Times count from when a request was due, so that a server that stalls is charged with all who would have come meanwhile
(coordinated omission). A generator that was late itself measured its own lateness: then no latency is published.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec

from matchday.bench.figures import percentile
from matchday.bench.stopwatch import now_s

LAG_MS_MAX: Final = 5.0
"""Milliseconds by which one request in a hundred may be sent late; beyond it no latency is published."""
LAG_SHARE_MAX: Final = 0.05
"""Of a published latency: so late it may be where that is more than ``LAG_MS_MAX``."""
SENT_SHARE_MIN: Final = 0.99
"""Share of what was due that must have been sent."""
ANSWERED_SHARE_MIN: Final = 0.999
"""Share of what was sent that must have been answered: the slowest are not left out of a percentile."""


class CouldNotKeepUp(Exception):
    """The generator was late, or answers are missing: what it saw is no latency of the server's."""


class Seen(msgspec.Struct):
    """What an open loop saw."""

    due: int = 0
    """Requests whose time came."""
    sent: int = 0
    answered: int = 0
    lags_ms: list[float] = []
    """By how much each was sent late."""
    times_ms: dict[str, list[float]] = {}
    """Answer -> times from due to answered."""
    in_time: dict[str, int] = {}
    """Answer -> how many came while there was still something due: what is answered afterwards is no rate."""
    over: bool = False
    """Whether nothing is due any more."""

    def send(self, late_s: float) -> None:
        """One was sent, so late."""
        self.sent += 1
        self.lags_ms.append(1e3 * late_s)

    def answer(self, kind: str, took_s: float) -> None:
        """One was answered, so long after it was due."""
        self.answered += 1
        self.times_ms.setdefault(kind, []).append(1e3 * took_s)
        if not self.over:
            self.in_time[kind] = self.in_time.get(kind, 0) + 1

    def count(self, kind: str) -> int:
        """How many were answered so."""
        return len(self.times_ms.get(kind, ()))

    @property
    def lag_p99_ms(self) -> float:
        """By how much one in a hundred was late, at least."""
        return percentile(self.lags_ms, 0.99) if self.lags_ms else 0.0

    def trouble(self, lag_ms_max: float = LAG_MS_MAX) -> str | None:
        """Why no latency can be published; None where it can."""
        if self.sent < SENT_SHARE_MIN * self.due:
            return f"the generator sent {self.sent} of {self.due} requests that were due"
        if (lag := self.lag_p99_ms) > lag_ms_max:
            return f"the generator was {lag:.1f} ms late (p99; at most {lag_ms_max:.1f} ms)"
        if self.answered < ANSWERED_SHARE_MIN * self.sent:
            return f"{self.sent - self.answered} of {self.sent} requests were not answered"
        return None

    def latency_ms(self, kind: str, share: float, lag_ms_max: float = LAG_MS_MAX) -> float:
        """A percentile of the times of those that were answered so. CouldNotKeepUp rather than a wrong one."""
        if not self.count(kind):
            others = ", ".join(f"{len(times)} {said}" for said, times in self.times_ms.items())
            raise CouldNotKeepUp(self.trouble() or f"nothing was answered {kind}, but {others or 'nothing at all'}")
        found = percentile(self.times_ms[kind], share)
        if (trouble := self.trouble(max(lag_ms_max, LAG_SHARE_MAX * found))) is not None:
            raise CouldNotKeepUp(trouble)
        return found


async def at_rate(
    rate: float, seconds: float, send: Callable[[float], bool], seen: Seen, over: Callable[[], bool] = lambda: False
) -> None:
    """Call ``send`` with each moment at which something is due; False from it: nobody was there to send it. Ends sooner
    where ``over`` says so."""
    began = now_s()
    total = round(rate * seconds)
    while seen.due < total and not over():
        now = now_s()
        while seen.due < total and (due := began + seen.due / rate) <= now:
            seen.due += 1
            if send(due):
                seen.send(max(0.0, now_s() - due))
        await asyncio.sleep(max(0.0, began + seen.due / rate - now_s()))
    seen.over = True
