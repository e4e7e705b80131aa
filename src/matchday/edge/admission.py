"""Admission: who may open a push connection now, and when the others are to come back.

Owns how many connections each address has and how many were turned away of late. Needs no ledger and no room's state
but two words, so that a crowd that comes back all at once costs a refusal each and nothing behind the door.
"""

from typing import Final, Protocol

from matchday.config import Push as PushSettings
from matchday.edge.limits import RateLimit
from matchday.edge.problems import Problem
from matchday.edge.visitors import limit_key
from matchday.ports import Clock

_ALL: Final = ""
"""The one key of a rate that counts everybody."""
TURNED_AWAY: Final = ("draining", "full", "connections_full", "crowded")
"""Why a client may not come in."""


class Hall(Protocol):
    """The push room, as far as newcomers are concerned."""

    @property
    def full(self) -> bool:
        """Whether it has as many connections as it may."""

    @property
    def draining(self) -> bool:
        """Whether it hands its connections over."""


class Entrance(Protocol):
    """What doors ask before they let a client in."""

    def refusal(self, address: str) -> Problem | None:
        """Why a client of this address may not come in now, or None: then one place of the rate is used."""

    def entered(self, address: str) -> None:
        """It has come in."""

    def left(self, address: str) -> None:
        """It has gone."""


class Admission:
    """See ``Entrance``."""

    def __init__(self, clock: Clock, settings: PushSettings, hall: Hall) -> None:
        self._clock, self._settings, self._hall = clock, settings, hall
        rate = settings.admissions_per_second_max
        self._rate = RateLimit(clock, rate, 1_000, rate, keys_max=1)
        self._chance = clock.random("admission")
        self._held: dict[str, int] = {}
        """Address -> its connections."""
        self._turned = self._turned_ms = 0
        """Clients turned away who have not had their turn yet, in thousandths; when that was counted."""
        self.turned_away = dict.fromkeys(TURNED_AWAY, 0)
        """Clients, by reason."""

    def refusal(self, address: str) -> Problem | None:
        """See ``Entrance.refusal``."""
        problem = self._refusal(address)
        if problem is not None:
            self.turned_away[problem.details.reason] += 1
        return problem

    def _refusal(self, address: str) -> Problem | None:
        settings = self._settings
        if self._hall.draining:
            retry_s = self._retry_s(settings.drain_return_ms)
            return Problem("draining", f"this gate is stopping; come back in {retry_s} s", retry_after_s=retry_s)
        if self._hall.full:
            retry_s = self._retry_s(settings.retry_s_max * 1_000)
            return Problem("full", f"no place left; come back in {retry_s} s", retry_after_s=retry_s)
        most = settings.connections_per_address_max
        if self._held.get(limit_key(address), 0) >= most:
            retry_s = self._retry_s(settings.retry_s_max * 1_000)
            detail = f"at most {most} connections of one address at once; close one, or come back in {retry_s} s"
            return Problem("connections_full", detail, retry_after_s=retry_s)
        if self._rate.take(_ALL):
            retry_s = self._retry_s(self._queue_ms())
            return Problem("crowded", f"many are coming at once; come back in {retry_s} s", retry_after_s=retry_s)
        return None

    def entered(self, address: str) -> None:
        """See ``Entrance.entered``."""
        key = limit_key(address)
        self._held[key] = self._held.get(key, 0) + 1

    def left(self, address: str) -> None:
        """See ``Entrance.left``."""
        key = limit_key(address)
        self._held[key] -= 1
        if not self._held[key]:
            del self._held[key]

    def _queue_ms(self) -> int:
        """How long it takes to let in all who were turned away lately, this one included."""
        now, rate = self._clock.elapsed_ms(), self._settings.admissions_per_second_max
        self._turned = max(0, self._turned - (now - self._turned_ms) * rate) + 1_000
        self._turned_ms = now
        return self._turned // rate

    def _retry_s(self, spread_ms: int) -> int:
        """Seconds to wait, drawn evenly from so long a time after the first, so that nobody comes back in step."""
        most = min(self._settings.retry_s_max, 1 + -(-spread_ms // 1_000))
        return self._chance.randint(1, most)


class _Open:
    """Lets everybody in: for doors without a crowd, as in measurements."""

    def refusal(self, address: str) -> None:
        """See ``Entrance.refusal``."""

    def entered(self, address: str) -> None:
        """See ``Entrance.entered``."""

    def left(self, address: str) -> None:
        """See ``Entrance.left``."""


OPEN: Final = _Open()
