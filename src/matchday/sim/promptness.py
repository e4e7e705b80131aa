"""Promptness: what may not wait is on every screen that keeps up, at once, whatever pace its fan asked for.

A checker with books of its own: of each gate, the scores, cards and market states that it has heard of the books'
owners. Where one changes, every screen of that gate that follows the match, and takes what it is sent, must have got
there within a moment. A goal or a suspension that is merged into what comes later was conflated away.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Final, Protocol

from matchday.model.book import Books
from matchday.model.market import MarketStatus
from matchday.model.messages import BookChanged
from matchday.ports import Stored
from matchday.sim.checkers import message_of
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
        self._seen: dict[tuple[str, int, str], tuple[int, Seen]] = {}
        """(gate, incarnation, fixture) -> (at which offset, what it had heard)."""
        self.watched = 0
        """Urgent changes that some screen had to show."""

    def heard(self, gate: PushingGate, records: Sequence[Stored]) -> None:
        """A gate is being given records of ``books``: look when it has heard them."""
        self._clock.call_later(0, lambda: self._look(gate, records))

    def _look(self, gate: PushingGate, records: Sequence[Stored]) -> None:
        for stored in records:
            change = message_of(stored.value)
            if not isinstance(change, BookChanged) or not gate.books.said_by_owner(change, stored.offset):
                continue
            key = (gate.name, gate.incarnation, change.fixture)
            held = self._seen.get(key)
            if held is not None and stored.offset <= held[0]:
                continue
            now = _shown(change, {} if held is None else held[1][2])
            self._seen[key] = stored.offset, now
            if held is not None and _moved(held[1], now):
                self._due(gate, f"fixture:{change.fixture}", stored.offset)

    def _due(self, gate: PushingGate, channel: str, offset: int) -> None:
        """Who has to show it?"""
        connected = [
            (screen, screen.connection) for screen in self._screens()
            if screen.door is gate.push and screen.blocked is None
            and channel in screen.followed and channel in screen.views
        ]  # fmt: skip
        self.watched += bool(connected)
        self._clock.call_later(WITHIN_MS, lambda: self._check(connected, channel, offset))

    def _check(self, connected: Sequence[tuple[Screen, int]], channel: str, offset: int) -> None:
        for screen, connection in connected:
            view = screen.views.get(channel)
            if (screen.connection, screen.blocked) == (connection, None) and (view is None or view.offset < offset):
                detail = f"{screen.name} is at {view and view.offset} of {channel}: {offset} may not wait"
                raise Violation("what_is_urgent_is_told", detail, [screen.name, channel])


def _shown(change: BookChanged, before: dict[str, MarketStatus]) -> Seen:
    statuses = {market.market: market.status for market in change.markets}
    return change.board.score, change.board.red, before | statuses


def _moved(before: Seen, now: Seen) -> bool:
    """What was not heard of so far may be as it was."""
    return before[:2] != now[:2] or any(before[2].get(name, status) != status for name, status in now[2].items())
