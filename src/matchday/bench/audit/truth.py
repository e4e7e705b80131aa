"""What stands on the log, beside what screens were told of it: every change of every book once, in order, and what
screens held at an offset just what it adds up to there."""

from collections.abc import Iterable
from typing import Final

import msgspec

from matchday.bench.audit.states import States, digest
from matchday.bench.audit.watcher import Watcher
from matchday.letters import UNFIT
from matchday.model.book import Books
from matchday.model.messages import OVER, BookChanged, OddsOwned, Topic, decode
from matchday.ports import Log
from matchday.services.push.shapes import fixture_view, home_row

_PAGE: Final = 1_000


class Truth:
    """The log's books, change by change."""

    def __init__(self, states: States, epoch: str, since: int) -> None:
        """``since``: the offset from which on screens were told."""
        self._states, self._epoch, self._since = states, epoch, since
        self._books = Books()
        self.changes = 0
        """Of books, by their owners, since then."""
        self.dropped = 0
        """By owners whose place was taken."""
        self.compared = 0
        """Offsets at which what screens held was compared with it."""
        self.owners: set[tuple[int, int]] = set()
        """(share, epoch) of all who began since then."""
        self.last: dict[str, list[int]] = {}
        """Fixture -> offsets of its changes."""

    def read(self, log: Log) -> None:
        """All that stands."""
        after = -1
        while records := log.read(Topic.BOOKS, after, _PAGE):
            for stored in records:
                try:
                    message = decode(stored.value)
                except (msgspec.MsgspecError, *UNFIT) as error:
                    self._states.fault(f"books {stored.offset} cannot be read: {error}")
                    continue
                if isinstance(message, OddsOwned):
                    self._owned(stored.offset + 1, message.share)
                elif isinstance(message, BookChanged):
                    self._changed(message, stored.offset)
            after = records[-1].offset

    def _owned(self, epoch: int, share: int) -> None:
        self._books.owned(epoch, share)
        if epoch > self._since:
            self.owners.add((share, epoch))

    def _changed(self, change: BookChanged, offset: int) -> None:
        before = self._books.fixtures.get(change.fixture)
        was = None if before is None else (before.epoch, before.n)
        if not self._books.apply(change, offset):
            self.dropped += offset > self._since
            return
        if was is not None and was[0] == change.epoch and change.n != was[1] + 1:
            self._states.fault(f"{change.fixture}: owner {change.epoch} says change {change.n} after {was[1]}")
        self.last.setdefault(change.fixture, []).append(offset)
        if offset > self._since:
            self.changes += 1
            self._compare(change.fixture, offset)

    def _compare(self, fixture: str, offset: int) -> None:
        channel = f"fixture:{fixture}"
        if (held := self._states.seen.get((channel, self._epoch, offset))) is not None:
            book = fixture_view(self._books.fixtures[fixture])
            markets = {market.market: market for market in book.markets}
            self._is(channel, offset, held, [book.board, markets])
        if (held := self._states.seen.get(("home", self._epoch, offset))) is not None:
            books = self._books.fixtures.items()
            self._is("home", offset, held, {name: home_row(b) for name, b in books if b.board.status not in OVER})

    def _is(self, channel: str, offset: int, held: int, shown: object) -> None:
        self.compared += 1
        if digest(channel, msgspec.to_builtins(shown, str_keys=True)) != held:
            self._states.fault(f"{channel}: screens held something else at {offset} than the log adds up to")

    def check(self, watchers: Iterable[Watcher]) -> None:
        """Nobody is behind on one channel who was told later things on another."""
        for watcher in watchers:
            told = watcher.offset()
            for channel, state in watcher.held.items():
                due = [at for at in self.last.get(channel.removeprefix("fixture:"), ()) if at <= told]
                if due and state.held.offset < due[-1]:
                    self._states.fault(
                        f"screen {watcher.number} was told of {channel} up to {state.held.offset}, not of its change "
                        f"at {due[-1]}, though of others up to {told}"
                    )
