"""What is being played: asked at the platform's own door, as any fan sees it."""

from datetime import UTC
from email.utils import parsedate_to_datetime

import msgspec

from matchday.ops.scaler.http import Failed, ask
from matchday.ops.scaler.seen import Match, SeenError, Shown
from matchday.ops.scaler.when import Clock


class _Board(msgspec.Struct):
    fixture: str
    kickoff_ms: int
    status: str


class _Row(msgspec.Struct):
    board: _Board


class _Answer(msgspec.Struct):
    fixtures: list[_Row]


class Door:
    """A gate, or the balancer before them."""

    def __init__(self, address: str, timeout_ms: int, clock: Clock) -> None:
        self._address, self._timeout_s, self._clock = address, timeout_ms / 1_000, clock

    def read(self) -> Shown:
        """All matches that are shown. SeenError where nobody says: then they may be in play."""
        try:
            answer = ask(self._address, "GET", "/api/fixtures", timeout_s=self._timeout_s)
        except Failed as error:
            raise SeenError(str(error)) from error
        if answer.status != 200:
            raise SeenError(f"{self._address}/api/fixtures answers {answer.status}")
        try:
            rows = msgspec.json.decode(answer.body, type=_Answer).fixtures
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise SeenError(f"{self._address}/api/fixtures: {error}") from error
        boards = [row.board for row in rows]
        return Shown(self._at(answer.date), tuple(Match(b.fixture, b.kickoff_ms, b.status) for b in boards))

    def _at(self, date: str) -> int:
        """What its clock shows; where it says nothing, ours."""
        try:
            moment = parsedate_to_datetime(date)
        except ValueError:
            return self._clock.now_ms()
        return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000)
