"""When a match that is seen live holds what is there: from before its kick-off, however late that comes, until some
time after its final whistle, however late that is. Also where the calendar knows nothing of it."""

from collections.abc import Iterable

from matchday.ops.scaler.core import Hold
from matchday.ops.scaler.seen import Match
from matchday.ops.scaler.settings import Matches
from matchday.ops.scaler.when import MINUTE_MS, Time

_TO_COME = ("scheduled", "postponed")


class Risk:
    """Remembers which matches were seen live."""

    def __init__(self, settings: Matches, time: Time, boot_ms: float) -> None:
        """``boot_ms``: real milliseconds from asking for a process until it carries load."""
        self._settings, self._time, self._boot_ms = settings, time, boot_ms
        self._live: set[str] = set()
        self._over: dict[str, float] = {}
        """Fixture -> until when it holds, by the real clock."""

    def holds(self, matches: Iterable[Match]) -> list[Hold]:
        """What holds now, by what is shown now."""
        now = self._time.real_ms()
        shown = {match.fixture: match for match in matches}
        live = {name for name, match in shown.items() if match.status == "live"}
        for ended in self._live - live:
            self._over[ended] = now + self._minutes(self._settings.after_min)
        self._live = live
        self._over = {name: until for name, until in self._over.items() if until > now and name not in live}
        found = [Hold("it is over", f"{name} is being played") for name in sorted(live)]
        found += [Hold(self._time.said(until), f"{name} has just ended", until) for name, until in self._over.items()]
        return found + [hold for match in shown.values() if (hold := self._to_come(match, now)) is not None]

    def _to_come(self, match: Match, now: float) -> Hold | None:
        """A kick-off that is near, or late."""
        if match.status not in _TO_COME:
            return None
        begin = match.kickoff_ms - self._minutes(self._settings.before_min) - self._boot_ms
        if not begin <= now < match.kickoff_ms + self._minutes(self._settings.late_max_min):
            return None
        if now < match.kickoff_ms:
            return Hold(self._time.said(match.kickoff_ms), f"{match.fixture} kicks off then", match.kickoff_ms)
        late = (now - match.kickoff_ms) / self._minutes(1)
        return Hold("it is over", f"{match.fixture} is {late:.0f} min late to kick off")

    def _minutes(self, count: float) -> float:
        """Real milliseconds of the scaler's minutes."""
        return count * MINUTE_MS / self._time.speed
