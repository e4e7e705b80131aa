"""The fixtures' files, read again when they change: a match that is moved or called off keeps its old window, and a
file that cannot be read any more leaves what was last read."""

from collections.abc import Sequence
from pathlib import Path

from matchday.ops.forecast import calendar
from matchday.ops.forecast.calendar import Fixture
from matchday.ops.forecast.problems import ForecastError


class Calendars:
    """All of them together."""

    def __init__(self, paths: Sequence[Path], zone: str) -> None:
        """ForecastError where one cannot be read at the start."""
        self._paths, self._zone = list(paths), zone or None
        self._stamps: list[tuple[int, int]] = []
        self.fixtures: list[Fixture] = []
        self.findings: list[str] = []
        self.doubt: str | None = None
        self._read(self._stamped())

    def refresh(self) -> bool:
        """Whether the fixtures are others than at the last look."""
        try:
            stamps = self._stamped()
            if stamps != self._stamps:
                return self._read(stamps)
            self.doubt = None
            return False
        except ForecastError as error:
            self.doubt = f"the calendar cannot be read: {error}"
            return False

    def _read(self, stamps: list[tuple[int, int]]) -> bool:
        found = [calendar.read(path, self._zone) for path in self._paths]
        fixtures = [fixture for one in found for fixture in one.fixtures]
        kept = self._kept(fixtures)
        changed = [*fixtures, *kept] != self.fixtures
        self.fixtures = [*fixtures, *kept]
        self.findings = [str(finding) for one in found for finding in one.findings]
        if kept:
            self.findings.append(f"{len(kept)} fixtures are gone from the calendar: their windows still hold")
        self._stamps, self.doubt = stamps, None
        return changed

    def _kept(self, fixtures: Sequence[Fixture]) -> list[Fixture]:
        """What was there before and is not any more: its window stays, and nobody is expected in it."""
        there = {minute for fixture in fixtures for minute, _ in fixture.windows()}
        return [Fixture(fixture.kickoff, fixture.matches, fixture.stage, cancelled=True)
                for fixture in self.fixtures if fixture.kickoff not in there]  # fmt: skip

    def _stamped(self) -> list[tuple[int, int]]:
        try:
            return [(stat.st_mtime_ns, stat.st_size) for stat in (path.stat() for path in self._paths)]
        except OSError as error:
            raise ForecastError(f"kick-offs {error.filename}: {error.strerror}; name one that is there") from error
