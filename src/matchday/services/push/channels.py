"""The channels of one gate: which there are, and what was said on each.

Owns the channels, and for how long those are kept that nobody follows. Hears changed books and facts of accounts, and
answers with the steps that they are; whom to send them, the room says.
"""

from matchday.config import Push as PushSettings
from matchday.model.book import Books
from matchday.model.messages import AccountFact, BookChanged
from matchday.ports import Ledger
from matchday.services.push import wire
from matchday.services.push.channel import Channel, Step
from matchday.services.push.moves import Move
from matchday.services.push.sources import AccountSource, FixtureSource, HomeSource


class Channels:
    """Every channel that is known at one gate."""

    def __init__(self, books: Books, ledger: Ledger, settings: PushSettings) -> None:
        self._books, self._ledger, self._settings = books, ledger, settings
        self._home = HomeSource(books)
        self._shared: dict[str, Channel] = {}
        """``home`` and those of fixtures, by name."""
        self._accounts: dict[str, Channel] = {}
        """Fans' own, each of which is called ``account``, by whose they are."""
        self._left: dict[str, int] = {}
        """Account whose channel nobody follows -> since when, by time elapsed: kept for those who come back."""
        self._offset = -1

    def __len__(self) -> int:
        """How many are known."""
        return len(self._shared) + len(self._accounts)

    # --- who follows --------------------------------------------------------------------------------------------------

    def open(self, name: str, account: str | None) -> Channel | None:
        """The channel that a client of an account, or of none, means by a name; None where there is none.
        LedgerUnavailable where the account cannot be read."""
        if name == wire.ACCOUNT:
            return None if account is None else self._account(account)
        channel = self._shared.get(name)
        if channel is not None:
            return channel
        source: HomeSource | FixtureSource
        if name == wire.HOME:
            source = self._home
            offset = max((book.offset for book in self._books.fixtures.values()), default=self._offset)
        elif name.startswith(wire.FIXTURE):
            book = self._books.fixtures.get(name.removeprefix(wire.FIXTURE))
            if book is None:
                return None
            source, offset = FixtureSource(self._books, book), book.offset
        else:
            return None
        return self._shared.setdefault(name, Channel(name, source, offset))

    def _account(self, account: str) -> Channel | None:
        channel = self._accounts.get(account)
        if channel is not None:
            return channel
        view = self._ledger.account(account)
        if view is None:
            return None
        source = AccountSource(self._ledger, view)
        return self._accounts.setdefault(account, Channel(wire.ACCOUNT, source, view.facts))

    def followed(self, channel: Channel) -> None:
        """One more follows it."""
        channel.holders += 1
        if isinstance(channel.source, AccountSource):
            self._left.pop(channel.source.account, None)

    def left(self, channel: Channel, elapsed_ms: int) -> None:
        """One fewer follows it."""
        channel.holders -= 1
        if isinstance(channel.source, AccountSource) and not channel.holders:
            self._left[channel.source.account] = elapsed_ms

    @property
    def waiting(self) -> bool:
        """Whether some are kept for those who come back."""
        return bool(self._left)

    def forget(self, elapsed_ms: int) -> None:
        """Those that were left too long ago."""
        most = self._settings.history_ms
        for account in [account for account, since in self._left.items() if elapsed_ms - since > most]:
            del self._left[account], self._accounts[account]

    # --- what happened ------------------------------------------------------------------------------------------------

    def begin(self, offset: int) -> None:
        """The books are loaded as of an offset: what they show now is no change."""
        self._offset = offset
        self._home.begin()

    def take(self, change: BookChanged, offset: int, *, live: bool) -> list[tuple[Channel, Step]]:
        """The change as a step of each channel that it belongs to. ``live``: the books have just taken it in."""
        self._offset = max(self._offset, offset)
        moves: list[tuple[Channel, Move | None]] = []
        name = f"{wire.FIXTURE}{change.fixture}"
        channel = self._shared.get(name)
        if channel is None:  # what came before is not known: one may resume from here on
            book = self._books.fixtures.get(change.fixture) if live else None
            source = FixtureSource.unknown(self._books, change) if book is None else FixtureSource(self._books, book)
            self._shared[name] = Channel(name, source, offset)
        elif isinstance(channel.source, FixtureSource):
            move = channel.source.take(change, live=live)
            if move is None:
                return []
            moves.append((channel, move))
        row, home = self._home.take(change, offset, live=live), self._shared.get(wire.HOME)
        if home is not None:
            moves.append((home, row))
        elif row is not None:
            self._shared[wire.HOME] = Channel(wire.HOME, self._home, offset)
        return [(channel, self._step(channel, change, offset, move)) for channel, move in moves
                if move is not None and offset > channel.last]  # fmt: skip

    def _step(self, channel: Channel, change: BookChanged, offset: int, move: Move) -> Step:
        step = Step(channel.last, offset, change.at_ms, change.cause, move)
        channel.remember(step, self._settings.history_ms, self._settings.history_frames_max)
        return step

    def removed(self, fixture: str) -> Channel | None:
        """A fixture is no longer in the books. Its channel, which is gone, if there was one."""
        self._home.remove(fixture)
        if home := self._shared.get(wire.HOME):
            home.forget_whole()
        channel = self._shared.pop(f"{wire.FIXTURE}{fixture}", None)
        if channel is not None:
            channel.gone = True
        return channel

    def knows(self, account: str) -> bool:
        """Whether an account's channel is known."""
        return account in self._accounts

    def take_fact(self, fact: AccountFact) -> tuple[Channel, Step] | None:
        """The fact as a step of its account's channel; None where that is not known, or has it."""
        channel = self._accounts.get(fact.account)
        if channel is None or fact.seq <= channel.last or not isinstance(channel.source, AccountSource):
            return None
        step = Step(channel.last, fact.seq, fact.at_ms, "account", channel.source.move(fact))
        channel.remember(step, self._settings.history_ms, self._settings.history_frames_max)
        return channel, step
