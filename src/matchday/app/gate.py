"""The gate: what the doors know of the books, from the log and from nothing else."""

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from matchday.config import Settings
from matchday.counts import LAG_MS, Histogram
from matchday.letters import Letters
from matchday.model.book import Books
from matchday.model.messages import (
    OVER,
    AccountFact,
    BetCashedOut,
    BetReopened,
    BetSettled,
    BetsSettled,
    BookChanged,
    BookState,
    CashOutSet,
    Message,
    OddsAlive,
    OddsOwned,
    Topic,
    kind,
)
from matchday.ports import UNTRACED, Clock, Log, Span, Stored, Tracer
from matchday.services.bets import Bets
from matchday.services.cash_out import CashOuts
from matchday.services.push import Push
from matchday.voice import Voice

FORGET_MS: Final = 600_000
"""Milliseconds a fixture that is over stays on the screens of a gate."""

WHOLE: Final = "rebuilt"
"""The cause for which a book is said whole, by a new owner."""
_BEGIN_A_WATCH: Final[frozenset[object]] = frozenset(fact.__struct_config__.tag for fact in (CashOutSet, BetReopened))
_WATCHED: Final = _BEGIN_A_WATCH | {fact.__struct_config__.tag for fact in (BetCashedOut, BetSettled, BetsSettled)}
"""Facts by which bets are watched for their own cash-out thresholds; the same, and those by which no more."""


class Follower(Protocol):
    """Somebody at the doors who is to hear what happens to some accounts."""

    def follows(self, account: str) -> bool:
        """Whether that account is one of them."""

    def account_fact(self, fact: AccountFact) -> None:
        """Something happened to an account."""


class Gate:
    """The doors' side: books in memory, push, bets and cash-out, fed from the log and from nothing else."""

    def __init__(
        self, clock: Clock, log: Log, books: Books, push: Push, bets: Bets, cash_outs: CashOuts, settings: Settings,
        tracer: Tracer = UNTRACED,
    ) -> None:  # fmt: skip
        self._clock = clock
        self._log = log
        self._settings = settings
        self.books = books
        self.push = push
        self.bets = bets
        self.cash_outs = cash_outs
        self.watchers: list[Callable[[BookChanged, int], None]] = [cash_outs.book_changed]
        self.followers: list[Follower] = [push]
        self._letters = Letters(clock, Voice(clock, log, "gate"), "gate")
        self._over: dict[str, int] = {}
        """Fixture -> since when it is over, in time elapsed: a clock that jumps takes nothing off the screens."""
        self._looking = False
        """Whether it is going to look for what was over for long."""
        self._unwhole: set[str] = set()
        """Fixtures of whose books something could not be read."""
        self._tracer = tracer
        self.book_age = Histogram(LAG_MS)
        """Milliseconds from when a change was said until it was taken in here."""

    def start(self) -> None:
        """Load every book as it stands, fill the history for resuming clients, then follow the log."""
        end = after = self._log.end(Topic.BOOKS)
        now, history_ms = self._clock.now_ms(), self._settings.push.history_ms
        kept = list(self._letters.opened(self._log.latest(Topic.BOOK_STATES), self._unread))
        said_ms = {(m.fixture, m.epoch, m.n): stored.at_ms for stored, m in kept if isinstance(m, BookState)}
        gone = []
        for state in Books.newest(state for _, state in kept if isinstance(state, BookState)):
            self._owned(state.epoch, state.share)
            over_for_ms = now - said_ms[state.fixture, state.epoch, state.n] if state.snapshot.status in OVER else 0
            if over_for_ms < FORGET_MS:
                self.books.load(state)
                after = min(after, state.said - 1)
                if state.snapshot.status in OVER:
                    self._over[state.fixture] = self._clock.elapsed_ms() - over_for_ms
            elif over_for_ms < FORGET_MS + history_ms:
                gone.append(state.fixture)  # screens that were elsewhere when it was taken off still have it
        after = self._read_on(after, end, now - history_ms)
        for fixture in gone:
            self.push.removed(fixture)
        self._log.tail(Topic.BOOKS, after, self._hear_books)
        self._log.tail(Topic.ACCOUNTS, None, self._hear_accounts)
        self.cash_outs.start()  # what it does not find in the ledger yet is said after that end
        if self._over:
            self._forget_later(FORGET_MS // 4)

    def _read_on(self, after: int, end: int, since_ms: int) -> int:
        """What the loaded books do not include, and what those who come back may have missed: of all else no more is
        read than whose it is. Up to where it was read."""
        history = end - self._settings.push.history_frames_max
        after = max(-1, min(after, history))
        self.push.begin(after)

        def missed(stored: Stored) -> bool:
            return stored.offset > history and stored.at_ms >= since_ms

        def matters(stored: Stored) -> bool:
            lacks = self.books.may_lack(stored.key, stored.offset)
            return lacks or (missed(stored) and stored.key in self.books.fixtures)

        while after < end and (records := self._until(end, self._log.read(Topic.BOOKS, after, 1_000))):
            for stored, message in self._letters.opened(records, self._unread, matters):
                if isinstance(message, OddsOwned):
                    self._owned(stored.offset + 1, message.share)
                elif isinstance(message, BookChanged) and self.books.said_by_owner(message, stored.offset):
                    self.books.apply(message, stored.offset)
                    if missed(stored):
                        self.push.preload(message, stored.offset)
            after = records[-1].offset
        return after

    @staticmethod
    def _until(end: int, records: Sequence[Stored]) -> Sequence[Stored]:
        """Those that were there when the books were loaded. What has come since is heard as it comes: a fixture that
        was announced meanwhile is among the books of no state that was loaded."""
        return [stored for stored in records if stored.offset <= end]

    def _hear_books(self, records: Sequence[Stored]) -> None:
        self._letters.each(records, self._hear_book, self._unread)

    def _hear_book(self, stored: Stored, message: Message) -> None:
        if isinstance(message, OddsOwned):
            self._owned(stored.offset + 1, message.share)
            return
        if isinstance(message, OddsAlive):
            self.bets.odds_alive(message.epoch, message.at_ms, message.share)
            return
        if not isinstance(message, BookChanged) or self._is_past(message) or self._lacks_some(message):
            return
        span: Span | None = None
        if message.trace:
            span = self._tracer.follow(message.trace, "gate", stored.at_ms, fixture=message.fixture)
        if not self.books.apply(message, stored.offset):
            if span is not None:
                span.end(heard_before=1)
            return
        self.book_age.take(self._clock.now_ms() - message.at_ms)
        if message.board.status in OVER:
            self._over[message.fixture] = self._clock.elapsed_ms()
            self._forget_later(FORGET_MS)
        for watcher in self.watchers:
            watcher(message, stored.offset)
        self.push.book_changed(message, stored.offset)
        if span is not None:
            self._sent(span)

    def _sent(self, span: Span) -> None:
        """It is over when all screens were sent what was said, a slice of them at a time."""
        span.stage("frame")
        before, sent = self.push.sent.frames, self.push.sent

        def look() -> None:
            if sent.busy:
                self._clock.call_later(0, look)
            else:
                span.end(frames=sent.frames - before)

        self._clock.call_later(0, look)

    def _unread(self, stored: Stored) -> None:
        """What a book came to is not known: it is not offered here until somebody says it whole."""
        fixture = stored.key.partition("@")[0]
        if fixture:
            self._unwhole.add(fixture)
        if fixture in self.books.fixtures:
            self.books.forget(fixture)
            self.push.removed(fixture)

    def _lacks_some(self, change: BookChanged) -> bool:
        """Whether it changes a book that is not whole here, and does not say it whole."""
        if change.cause == WHOLE:
            self._unwhole.discard(change.fixture)
        return change.fixture in self._unwhole

    def _is_past(self, change: BookChanged) -> bool:
        """Whether a new owner speaks of a fixture that is over and shown no longer."""
        return change.board.status in OVER and change.fixture not in self.books.fixtures

    def _owned(self, epoch: int, share: int) -> None:
        self.books.owned(epoch, share)
        self.bets.odds_owned(epoch, share)

    def _hear_accounts(self, records: Sequence[Stored]) -> None:
        """Screens are told what happens to their fans; a threshold is watched whether or not its fan looks on."""
        for _, message in self._letters.opened(records, wanted=self._matters):
            if isinstance(message, AccountFact):
                for follower in self.followers:
                    follower.account_fact(message)
                self.cash_outs.account_fact(message)

    def _matters(self, stored: Stored) -> bool:
        for follower in self.followers:
            if follower.follows(stored.key):
                return True
        return kind(stored.value) in self._watched

    @property
    def _watched(self) -> frozenset[object]:
        """Facts of fans who do not look on that matter all the same: most are settlements, and matter while any bet is
        watched."""
        return _WATCHED if self.cash_outs.watching else _BEGIN_A_WATCH

    def _forget_later(self, delay_ms: int) -> None:
        if not self._looking:
            self._looking = True
            self._clock.call_later(delay_ms, self._forget)

    def _forget(self) -> None:
        """Take fixtures that have been over for long off the screens."""
        self._looking = False
        elapsed = self._clock.elapsed_ms()
        for fixture in [f for f, at in self._over.items() if elapsed - at >= FORGET_MS]:
            del self._over[fixture]
            self.books.forget(fixture)
            self.push.removed(fixture)
        if self._over:
            self._forget_later(FORGET_MS // 4)
