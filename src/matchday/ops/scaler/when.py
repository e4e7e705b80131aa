"""The scaler's time: the clock's, or faster for a drill that presses a night into minutes; and whether clocks agree."""

from datetime import UTC, datetime
from typing import Final, Protocol

from matchday.ops.scaler.problems import ScalerError
from matchday.ops.scaler.settings import Clock as ClockSettings

MINUTE_MS: Final = 60_000


class Clock(Protocol):
    """Of ``ports.Clock``, what is needed here."""

    def now_ms(self) -> int:
        """Milliseconds since 1970, UTC; may jump."""

    def elapsed_ms(self) -> int:
        """Milliseconds since some moment; never jumps."""


class Time:
    """What a clock shows, and what the scaler takes it for."""

    def __init__(self, clock: Clock, settings: ClockSettings) -> None:
        self._clock, self.speed = clock, settings.speed
        self._began_ms = clock.now_ms()
        self._starts_ms = _starts(settings.starts_at, self._began_ms)

    def real_ms(self) -> int:
        """Milliseconds since 1970 by the clock."""
        return self._clock.now_ms()

    def real_elapsed_ms(self) -> int:
        """Milliseconds that passed by the clock that never jumps."""
        return self._clock.elapsed_ms()

    def elapsed_s(self) -> float:
        """The scaler's seconds that passed; never goes back."""
        return self._clock.elapsed_ms() * self.speed / 1_000

    def of(self, real_ms: float) -> int:
        """The scaler's milliseconds since 1970, of a moment by the clock."""
        return round(self._starts_ms + (real_ms - self._began_ms) * self.speed)

    def minute(self) -> int:
        """The scaler's minute since 1970."""
        return self.of(self.real_ms()) // MINUTE_MS

    def said(self, real_ms: float) -> str:
        """A moment by the clock, as the scaler's time of day (UTC)."""
        return said(self.of(real_ms) // MINUTE_MS)


class Jumps:
    """Whether the clock of the time of day keeps pace with the one that never jumps."""

    def __init__(self, time: Time, allowed_ms: int) -> None:
        self._time, self._allowed = time, allowed_ms
        self._offset = time.real_ms() - time.real_elapsed_ms()

    def doubt(self) -> str | None:
        """That it jumped since the last look; for one look."""
        offset = self._time.real_ms() - self._time.real_elapsed_ms()
        moved, self._offset = offset - self._offset, offset
        if abs(moved) <= self._allowed:
            return None
        return f"the clock jumped by {moved / 1_000:+.1f} s"


def said(minute: int) -> str:
    """A minute since 1970, as a time of day."""
    return f"{datetime.fromtimestamp(minute * 60, UTC):%H:%M}"


def stamp(real_ms: int) -> str:
    """A moment, as ISO 8601 has it."""
    return f"{datetime.fromtimestamp(real_ms / 1_000, UTC):%Y-%m-%dT%H:%M:%S}Z"


def _starts(text: str, now_ms: int) -> int:
    if not text:
        return now_ms
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ScalerError(f"setting clock.starts_at: {text!r} is no time such as 2026-06-11T17:00Z") from error
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000)
