"""Promptness: what may not wait is on every screen that keeps up, at once, whatever pace its fan asked for.

A checker with books of its own: of each gate, the scores, cards and market states that it has heard. Where one changes,
every screen of that gate that follows the match, and takes what it is sent, must have got there within a moment: a goal
or a suspension that is merged into what comes later was conflated away.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Final, Protocol

from matchday.model.book import Books
from matchday.model.market import MarketStatus
from matchday.model.messages import Board, BookChanged, decode
from matchday.ports import Stored
from matchday.sim.clock import VirtualClock
from matchday.sim.screens import Door, Screen
from matchday.sim.trace import Violation

WITHIN_MS: Final = 20
"""Milliseconds of virtual time: what a gate hears and says takes none, but for the end of its tick."""

Seen = tuple[tuple[int, int], tuple[int, int], dict[str, MarketStatus]]
"""(score, red cards, market -> status)."""


class PushingGate(Protocol):
    """A gate, as this checker needs it."""

    name: str
    incarnation: int

    @property
    def books(self) -> Books:
        """What it holds."""

    @property
    def push(self) -> Door:
        """Its push room."""


class Promptness:
    """Watches every gate of a world."""

    def __init__(self, clock: VirtualClock, screens: Callable[[], Collection[Screen]]) -> None:
        self._clock, self._screens = clock, screens
        self._seen: dict[tuple[str, int, str], Seen] = {}
        """(gate, incarnation, fixture) -> what it last heard."""
        self.watched = 0
        """Urgent changes that some screen had to show."""

    def heard(self, gate: PushingGate, records: Sequence[Stored]) -> None:
        """A gate is being given records of ``books``."""
        for stored in records:
            message = decode(stored.value)
            if isinstance(message, BookChanged) and self._urgent(gate, message):
                self._clock.call_later(0, lambda told=(message.fixture, stored.offset): self._due(gate, *told))  # type: ignore[misc]

    def _urgent(self, gate: PushingGate, change: BookChanged) -> bool:
        key = (gate.name, gate.incarnation, change.fixture)
        statuses = {market.market: market.status for market in change.markets}
        before = self._seen.get(key)
        if before is None:
            self._seen[key] = (*_shown(change.board), statuses)
            return False
        self._seen[key] = (*_shown(change.board), before[2] | statuses)
        moved = any(before[2].get(name, status) != status for name, status in statuses.items())
        return moved or before[:2] != _shown(change.board)

    def _due(self, gate: PushingGate, fixture: str, offset: int) -> None:
        """The gate has heard it: who has to show it?"""
        book, push, channel = gate.books.fixtures.get(fixture), gate.push, f"fixture:{fixture}"
        if book is None or book.offset != offset:
            return  # it was of an owner whose place was taken, or something came after it
        connected = [
            (screen, screen.connection) for screen in self._screens()
            if screen.door is push and screen.blocked is None and channel in screen.followed and channel in screen.views
        ]  # fmt: skip
        self.watched += bool(connected)
        self._clock.call_later(WITHIN_MS, lambda: self._check(connected, channel, offset))

    def _check(self, connected: Sequence[tuple[Screen, int]], channel: str, offset: int) -> None:
        for screen, connection in connected:
            view = screen.views.get(channel)
            if (screen.connection, screen.blocked) == (connection, None) and (view is None or view.offset < offset):
                detail = f"{screen.name} is at {view and view.offset} of {channel}: {offset} may not wait"
                raise Violation("what_is_urgent_is_told", detail, [screen.name, channel])


def _shown(board: Board) -> tuple[tuple[int, int], tuple[int, int]]:
    return board.score, board.red
