"""Odds: the books. What happens on the pitch comes in, prices of all markets go out.

Owns markets, prices, suspensions and what traders have set, of the fixtures of one share: one partition of
``incidents``. Hears ``incidents`` (its own ticks and traders' commands
among them); says ``BookChanged`` and ``OddsAlive`` on ``books`` and keeps each whole book on ``book_states``. Never
judges a bet and never decides a leg.

A material incident suspends every market at once and begins a new generation; after a hold the book is repriced and
resumes. One that is material to some markets only, as a corner is, reprices them at once under a new generation. A
feed that falls silent, or is heard late, has its fixtures suspended until it is heard in time again. A postponed match
is suspended until it is announced anew or kicks off, and closed once its bets no longer stand. A new owner (a restart)
says ``OddsOwned``, whose offset makes its epoch, suspends every book, rebuilds, and resumes with the next
``FeedAlive``. Time in a match is its feed's: this room's own clock may jump, and so may that of the gate that took a
trader's command, which therefore moves no time: the book is priced anew as of when it last was.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice

import msgspec

from matchday.config import Odds as OddsSettings
from matchday.letters import Letters
from matchday.model.book import Books
from matchday.model.football import (
    KICKS,
    MATERIAL,
    RUNNING,
    SENDINGS_OFF,
    FootballState,
    IncidentType,
    Period,
)
from matchday.model.football_markets import TOUCHED
from matchday.model.football_rules import out_of_time
from matchday.model.market import Market, MarketKey, MarketStatus, Selection, may_move
from matchday.model.messages import (
    OVER,
    BookChanged,
    BookState,
    FeedAlive,
    FixtureScheduled,
    FixtureSnapshot,
    FixtureStatus,
    Incident,
    Message,
    OddsAlive,
    OddsOwned,
    PricedOn,
    ResultConfirmed,
    Strengths,
    Ticked,
    Topic,
    encode,
)
from matchday.model.trading import Controls, TraderCommand, judge
from matchday.ports import UNTRACED, Clock, Log, LogUnavailable, Record, Stored, Tracer
from matchday.services.odds.board import board_of
from matchday.services.odds.counts import OddsCounts
from matchday.voice import BACKLOG_MAX, RETRY_MS, Voice

_log = logging.getLogger(__name__)

Quote = Mapping[MarketKey, tuple[Selection, ...]]
Pricer = Callable[[Strengths, FootballState, int, float, Controls], Quote]
"""(strengths, state, seconds into the period, overround, what traders have set) -> every market that can be offered,
with its selections that can still win. What is not among them any more is decided and closes; what is new is opened."""

TICK_MS_MIN = 100
"""Milliseconds between ticks, however fast the match clock runs."""
FORGET_MS = 6 * 3_600_000
"""Milliseconds after which a new owner drops the book of a fixture that is over, if nothing of it is heard again."""
_UNREAD_MS = 2**52
"""When a hold ends that only the next word on its fixture ends."""
KEPT_A_BEAT = 32
"""Quiet books that are kept anew between two ``OddsAlive``: many that were announced together are quiet together."""
_ENDED_MAX = 10_000
"""Fixtures lately over that are remembered."""


class _Book(msgspec.Struct):
    """One fixture as its owner holds it."""

    snapshot: FixtureSnapshot
    markets: dict[MarketKey, Market]
    n: int = 0
    resume_at_ms: int | None = None
    """End of a hold; None where none runs (or a penalty waits to be taken)."""
    silent: bool = False
    """Its feed is silent, or its owner is new and has not heard the feed yet."""
    kept: int = 0
    """Changes since the whole book was kept."""
    kept_said: int = -1
    kept_heard: int = -1
    """Offsets in books and in incidents that it includes as it was kept."""
    priced_on: PricedOn | None = None
    """What its prices were made of; None while a hold leaves old ones beside new ones."""
    heard: int = -1
    """Offset in incidents up to which it has heard traders' commands, under its former owner at least."""
    controls: Controls = Controls()
    """What traders have set."""
    controls_said: Controls | None = None
    """The same as readers have it from this owner; None before its first word."""
    priced_ms: int = 0
    """As of when it was last priced, by its feed's clock."""

    def hear(self, snapshot: FixtureSnapshot) -> None:
        """A word on the fixture, which says all that was said of it before."""
        self.snapshot = snapshot
        if self.resume_at_ms == _UNREAD_MS:
            self.resume_at_ms = None

    @property
    def held(self) -> bool:
        waits = self.resume_at_ms is not None or self.snapshot.state.penalty is not None
        return self.silent or waits or self.snapshot.status == FixtureStatus.POSTPONED


class Odds:
    """The owner of a share of the books: of those of a partition. ``log``: a view of that partition."""

    def __init__(
        self, clock: Clock, log: Log, price: Pricer, settings: OddsSettings, speed: float = 1.0, share: int = 0,
        counts: OddsCounts | None = None, tracer: Tracer = UNTRACED,
    ) -> None:  # fmt: skip
        self._share = share
        self._clock = clock
        self._log = log
        self._price = price
        self._settings = settings
        self._speed = speed
        self._voice = Voice(clock, log, "odds")
        self._letters = Letters(clock, self._voice, "odds")
        self._books: dict[str, _Book] = {}
        self._feeds: dict[str, tuple[int, int]] = {}
        """Feed -> (when it was last heard, by ``elapsed_ms``; what its clock said then)."""
        self._epoch = 0
        self._heard = self._live_after = -1
        """Offsets in incidents: of the last record heard, and of the last that was there before this owner."""
        self._ticking = self._beating = False
        self._started_ms = 0
        """By ``elapsed_ms``."""
        self._ended: dict[str, int] = {}
        """Fixtures lately over -> the last word on each: an heir hears again what was said of them before."""
        self.counts = OddsCounts() if counts is None else counts
        self._tracer = tracer
        self._cause_ms: int | None = None
        self._trace = ""
        """When the incident happened that is just being taken in, and the context in which its change is said."""

    @property
    def begun(self) -> bool:
        """Whether it owns its share."""
        return self._epoch > 0

    @property
    def books(self) -> int:
        """How many it holds."""
        return len(self._books)

    @property
    def repriced(self) -> int:
        """Prices that changed, for reports."""
        return self.counts.repriced

    def start(self) -> None:
        """Take ownership; then rebuild with every book suspended, and hear what came since."""
        self._voice.say([Record(Topic.BOOKS, "", encode(OddsOwned(self._clock.now_ms(), self._share)))], self._own)

    def _own(self) -> None:
        """Take over as soon as what there is can be read: until then nothing is said."""
        try:
            self._take_over()
        except LogUnavailable as error:
            _log.error("odds: what there is could not be read: %s", error)
            self._clock.call_later(RETRY_MS, self._own)

    def _take_over(self) -> None:
        """What stands on ``books`` before our own record is all that former owners said with effect; readers may have
        dropped some of it, as said after its time, so that every book is said whole, also of fixtures lately over."""
        self._epoch = self._voice.offsets[Topic.BOOKS] + 1
        self._started_ms = self._clock.elapsed_ms()
        self._live_after = self._log.end(Topic.INCIDENTS)
        kept = {
            stored.key: state
            for stored, state in self._letters.opened(self._log.latest(Topic.BOOK_STATES))
            if isinstance(state, BookState)
        }
        states = Books.newest(kept.values())
        live = [state for state in states if state.snapshot.status not in OVER]
        heard = min((state.heard for state in live), default=max((state.heard for state in states), default=-1))
        self._heard = heard
        self._ended = {s.fixture: s.snapshot.seq for s in states if s.snapshot.status in OVER}
        seen = self._last_books(live)
        for state in live:
            self._rebuild(state, seen)
        since = self._clock.now_ms() - FORGET_MS
        for state in states:
            # What an heir may hear again, as some book is as old, he has to know for over however long it is.
            if state.snapshot.status in OVER and (state.snapshot.at_ms > since or state.heard > heard):
                markets = {MarketKey(m.type, m.line): m for m in state.markets}
                over = _Book(state.snapshot, markets, heard=state.heard, controls=state.controls)
                self._publish(over, state.snapshot.status, state.markets, keep=True)
        former = [key for key, state in kept.items() if state.epoch < self._epoch]  # an heir may have begun already
        self._voice.say([Record(Topic.BOOK_STATES, key, b"") for key in former])
        self._log.tail(Topic.INCIDENTS, heard, self.hear)
        self._wake()

    def _last_books(self, states: Iterable[BookState]) -> Books:
        """The books as the former owner last said them, so that no generation is used twice."""
        books = Books()
        after = self._log.end(Topic.BOOKS)
        for state in states:
            books.load(state)
            after = min(after, state.said - 1)
        while records := self._log.read(Topic.BOOKS, after, 1_000):
            for stored, message in self._letters.opened(records, wanted=lambda s: books.may_lack(s.key, s.offset)):
                if isinstance(message, OddsOwned):
                    books.owned(stored.offset + 1, message.share)
                elif isinstance(message, BookChanged):
                    books.apply(message, stored.offset)
            after = records[-1].offset
        return books

    def _rebuild(self, state: BookState, seen: Books) -> None:
        last = seen.fixtures[state.fixture].markets
        markets = {MarketKey(m.type, m.line): last.get(m.market, m) for m in state.markets}
        book = _Book(
            state.snapshot, markets, silent=True, resume_at_ms=state.resume_at_ms, heard=state.heard,
            controls=state.controls,
        )  # fmt: skip
        self._books[state.fixture] = book
        self._suspend(book)
        book.priced_on = seen.fixtures[state.fixture].priced_on
        # Whole, what is closed included: readers may have dropped what a former owner said after its time.
        self._publish(book, "rebuilt", book.markets.values(), keep=True)

    def hear(self, records: Sequence[Stored]) -> None:
        """Take in records of ``incidents``, in order; what was heard before changes nothing."""
        self._letters.each(records, self._take, self._unread)
        self._wake()

    def _take(self, stored: Stored, message: Message) -> None:
        self._heard = max(self._heard, stored.offset)  # what was heard before may come again
        if isinstance(message, FixtureScheduled):
            self._scheduled(message)
        elif isinstance(message, Incident):
            self._happened(message, stored)
        elif isinstance(message, ResultConfirmed):
            self._confirmed(message)
        elif isinstance(message, TraderCommand):
            self._command(message, stored)
        elif isinstance(message, FeedAlive) and stored.offset > self._live_after:
            self._alive(message)
        elif isinstance(message, Ticked) and stored.offset > self._live_after:
            self._ticked(message)

    # --- what each message does -------------------------------------------------------------------------------------

    def _unread(self, stored: Stored) -> None:
        """Something happened on a fixture, nobody knows what: nothing is offered on it until the next word on it."""
        self._heard = max(self._heard, stored.offset)
        book = self._books.get(stored.key)
        if book is None or stored.offset <= book.heard:
            return
        book.heard, book.resume_at_ms = stored.offset, _UNREAD_MS
        self._publish(book, "unreadable", self._suspend(book), keep=True)

    def _scheduled(self, message: FixtureScheduled) -> None:
        book = self._books.get(message.fixture)
        last = self._ended.get(message.fixture, 0) if book is None else book.snapshot.seq
        if message.seq <= last:
            return
        state = FootballState(knockout=message.knockout)
        snapshot = FixtureSnapshot(message, message.seq, FixtureStatus.SCHEDULED, state, message.at_ms)
        if book is None:
            book = self._books[message.fixture] = _Book(snapshot, {}, silent=message.feed not in self._feeds)
        book.hear(snapshot)
        self._publish(book, "scheduled", self._reprice(book, message.at_ms, resume=not book.held), keep=True)

    def _happened(self, message: Incident, stored: Stored) -> None:
        """Take in an incident, measured and perhaps traced."""
        if stored.offset <= self._live_after:
            self._incident(message)
            return
        span = None
        if message.trace:
            span = self._tracer.follow(message.trace, "odds", stored.at_ms, fixture=message.fixture)
        self._cause_ms, self._trace = message.at_ms, "" if span is None else span.context
        self._incident(message)
        self._cause_ms, self._trace = None, ""
        if span is not None:
            span.stage("append")
            self._voice.say((), span.end)

    def _incident(self, message: Incident) -> None:
        book = self._books.get(message.fixture)
        if book is None or message.seq <= book.snapshot.seq:
            return
        book.hear(
            FixtureSnapshot(book.snapshot.scheduled, message.seq, FixtureStatus.LIVE, message.state, message.at_ms)
        )
        touched = TOUCHED.get(message.type, frozenset())
        book.controls = book.controls.lifted(None if message.type in MATERIAL else touched)
        if message.state.regular_over and not self._quote(book, message.at_ms):
            book.resume_at_ms = None
            self._publish(book, message.type, self._close(book), keep=True)
        elif message.type in MATERIAL:
            changed = {market.market: market for market in self._suspend(book)}
            changed.update((market.market, market) for market in self._held(book, message.at_ms))
            self._hold(book, message)
            self._publish(book, message.type, changed.values(), keep=True)
        elif book.held:
            self._publish(book, message.type, self._held(book, message.at_ms))
        else:
            self._publish(book, message.type, self._reprice(book, message.at_ms, resume=True, touched=touched))

    def _confirmed(self, message: ResultConfirmed) -> None:
        book = self._books.get(message.fixture)
        if book is None or message.seq <= book.snapshot.seq:
            return
        book.hear(FixtureSnapshot(book.snapshot.scheduled, message.seq, message.status, message.state, message.at_ms))
        if message.status == FixtureStatus.POSTPONED:
            self._publish(book, message.status, self._suspend(book), keep=True)
        else:
            self._finish(book, "confirmed" if message.status == FixtureStatus.FINISHED else message.status)

    def _finish(self, book: _Book, cause: str) -> None:
        """Nothing is offered on this fixture any more."""
        fixture = book.snapshot.scheduled.fixture
        del self._books[fixture]
        self._ended[fixture] = book.snapshot.seq
        if len(self._ended) > _ENDED_MAX:
            del self._ended[next(iter(self._ended))]
        self._publish(book, cause, self._close(book), keep=True)

    def _alive(self, message: FeedAlive) -> None:
        self._feeds[message.feed] = (self._clock.elapsed_ms(), message.at_ms)
        if self._late(message.feed):
            return
        for book in self._books.values():
            if book.silent and book.snapshot.scheduled.feed == message.feed:
                book.silent = False
                if book.resume_at_ms is not None and book.resume_at_ms <= message.at_ms:
                    book.resume_at_ms = None
                elif book.resume_at_ms is not None:
                    self._resume_later(book)
                if not book.held:
                    self._publish(book, "feed_back", self._reprice(book, message.at_ms, resume=True))

    def _ticked(self, message: Ticked) -> None:
        books = [self._books[message.fixture]] if message.fixture in self._books else ()
        for book in books if message.fixture else list(self._books.values()):
            if message.feed not in ("", book.snapshot.scheduled.feed):
                continue
            cause = "tick"
            if message.fixture and book.resume_at_ms == message.hold_ms:
                book.resume_at_ms = None
                cause = "resumed"
            if book.held or book.snapshot.state.period not in {*RUNNING, Period.SHOOT_OUT}:
                continue
            if changed := self._reprice(book, message.at_ms, resume=cause == "resumed"):
                self._publish(book, cause, changed)

    def _command(self, message: TraderCommand, stored: Stored) -> None:
        """Apply a trader's command once. Of a fixture that is over nothing is left to trade."""
        book = self._books.get(message.fixture)
        if book is None or stored.offset <= book.heard or book.controls.repeats(message):
            return
        book.heard = stored.offset
        if (refusal := judge(message, book.controls, book.markets)) is not None:
            reason = f"command {message.id} of {message.trader}: {refusal}"
            self._letters.bury(stored, reason, logged=f"command {message.id}: {refusal}")
            return
        book.controls = book.controls.after(message, stored.offset)
        changed = {market.market: market for market in self._limit(book)}
        if not book.held:
            changed.update((market.market, market) for market in self._reprice(book, book.priced_ms, resume=True))
        self._publish(book, "trader", changed.values(), keep=True)

    # --- markets ----------------------------------------------------------------------------------------------------

    def _set(self, book: _Book, key: MarketKey, market: Market) -> Market:
        assert may_move(book.markets[key].status, market.status), (book.markets[key], market)
        book.markets[key] = market
        return market

    def _suspend(self, book: _Book) -> list[Market]:
        """Suspend what is not closed, under a new generation."""
        return [
            self._set(
                book,
                key,
                msgspec.structs.replace(market, status=MarketStatus.SUSPENDED, generation=market.generation + 1),
            )
            for key, market in book.markets.items()
            if market.status != MarketStatus.CLOSED
        ]

    def _close(self, book: _Book) -> list[Market]:
        return [
            self._set(book, key, msgspec.structs.replace(market, status=MarketStatus.CLOSED))
            for key, market in book.markets.items()
            if market.status != MarketStatus.CLOSED
        ]

    def _limit(self, book: _Book) -> list[Market]:
        """Markets whose maximum stake is not what traders want, now with it."""
        return [
            self._set(book, key, msgspec.structs.replace(market, stake_max=stake_max))
            for key, market in book.markets.items()
            if market.stake_max != (stake_max := book.controls.stake_max_of(key))
            and market.status != MarketStatus.CLOSED
        ]

    def _add(self, book: _Book, quote: Quote, status: MarketStatus) -> list[Market]:
        """Markets that the book does not have yet."""
        fixture, controls = book.snapshot.scheduled.fixture, book.controls
        new = {
            key: Market(
                key.of(fixture), key.type, key.line, MarketStatus.SUSPENDED if controls.suspends(key) else status, 0,
                selections, controls.stake_max_of(key),
            )
            for key, selections in quote.items()
            if key not in book.markets
        }  # fmt: skip
        book.markets.update(new)
        return list(new.values())

    def _held(self, book: _Book, at_ms: int) -> list[Market]:
        """What changes while the book is held: decided markets close, new ones wait for the end of the hold."""
        quote = self._quote(book, at_ms)
        book.priced_on = None
        closed = [
            self._set(book, key, msgspec.structs.replace(market, status=MarketStatus.CLOSED))
            for key, market in book.markets.items()
            if key not in quote and market.status != MarketStatus.CLOSED
        ]
        return closed + self._add(book, quote, MarketStatus.SUSPENDED)

    def _reprice(self, book: _Book, at_ms: int, *, resume: bool, touched: frozenset[str] = frozenset()) -> list[Market]:
        """New prices of every market that is not closed, under a new generation for the types ``touched``; with
        ``resume`` suspended ones open again, but for those that a trader keeps suspended."""
        changed = []
        quote = self._quote(book, at_ms)
        for key, before in book.markets.items():
            if before.status == MarketStatus.CLOSED:
                continue
            if (selections := quote.get(key)) is None:
                market = msgspec.structs.replace(before, status=MarketStatus.CLOSED)
            else:
                status = MarketStatus.OPEN if resume else before.status
                if book.controls.suspends(key):
                    status = MarketStatus.SUSPENDED
                suspended = before.status == MarketStatus.OPEN != status
                generation = before.generation + (suspended or key.type in touched)
                if selections != before.selections:
                    self.counts.repriced += len(selections)
                elif (status, generation) == (before.status, before.generation):
                    continue
                market = msgspec.structs.replace(before, status=status, generation=generation, selections=selections)
            changed.append(self._set(book, key, market))
        return changed + self._add(book, quote, MarketStatus.OPEN if resume else MarketStatus.SUSPENDED)

    def _quote(self, book: _Book, at_ms: int) -> Quote:
        strengths, state = book.snapshot.scheduled.strengths, book.snapshot.state
        book.priced_ms = at_ms
        book.priced_on = PricedOn(strengths, state, self._clock_s(book, at_ms))
        return self._price(strengths, state, book.priced_on.clock_s, self._settings.overround, book.controls)

    def _clock_s(self, book: _Book, at_ms: int) -> int:
        """Seconds into the period at a moment: from the last incident on, with the match clock's speed."""
        state = book.snapshot.state
        if state.period not in RUNNING:
            return state.clock_s
        return state.clock_s + max(0, int((at_ms - book.snapshot.at_ms) * self._speed / 1000))

    # --- holds, ticks, silence --------------------------------------------------------------------------------------

    def _hold(self, book: _Book, message: Incident) -> None:
        if message.state.penalty is not None:
            book.resume_at_ms = None
            return
        if message.type in SENDINGS_OFF:
            hold = self._settings.hold_red_card_ms
        elif message.type == IncidentType.PENALTY_MISSED or message.type in KICKS:
            hold = self._settings.hold_penalty_ms
        else:
            hold = self._settings.hold_goal_ms
        book.resume_at_ms = max(book.resume_at_ms or 0, message.at_ms + round(hold / self._speed))
        if not book.silent:
            self._resume_later(book)

    def _resume_later(self, book: _Book) -> None:
        scheduled, due = book.snapshot.scheduled, book.resume_at_ms
        assert due is not None
        if due == _UNREAD_MS:
            return

        def resume() -> None:
            if book.resume_at_ms == due:
                ticked = Ticked(self._feed_ms(scheduled.feed), scheduled.fixture, hold_ms=due)
                self._say(Topic.INCIDENTS, scheduled.fixture, encode(ticked))

        self._clock.call_later(max(0, due - self._feed_ms(scheduled.feed)), resume)

    def _wake(self) -> None:
        """Keep the timers going while there is a book."""
        if self._books and not self._beating:
            self._beating = True
            self._beat()
        if self._books and not self._ticking:
            self._ticking = True
            self._clock.call_later(self._tick_ms, self._tick)

    @property
    def _tick_ms(self) -> int:
        return max(TICK_MS_MIN, round(self._settings.tick_ms / self._speed))

    def _tick(self) -> None:
        books = self._books.values()
        running = [book.snapshot.scheduled.feed for book in books if book.snapshot.state.period in RUNNING]
        for feed in dict.fromkeys(running) if not self._voice.backlog else ():
            if feed in self._feeds:
                ticked = Ticked(self._feed_ms(feed), feed=feed)
                self._voice.say([Record(Topic.INCIDENTS, "", encode(ticked), self._share)])
        self._ticking = bool(self._books)
        if self._ticking:
            self._clock.call_later(self._tick_ms, self._tick)

    def _beat(self) -> None:
        for feed in dict.fromkeys(book.snapshot.scheduled.feed for book in self._books.values()):
            if self._late(feed):
                self._silence(feed)
            elif feed in self._feeds:
                self._give_up(feed)
        if self._voice.backlog < BACKLOG_MAX:
            self._say(Topic.BOOKS, "", encode(OddsAlive(self._epoch, self._clock.now_ms(), self._share)))
            self._keep_quiet()
        self._beating = bool(self._books)
        if self._beating:
            self._clock.call_later(self._settings.alive_ms, self._beat)

    def _late(self, feed: str) -> bool:
        """Whether a feed is silent for too long, what is heard of it is old, or clocks are too far apart to tell."""
        heard_ms, at_ms = self._feeds.get(feed, (self._started_ms, self._clock.now_ms()))
        most = self._settings.feed_silence_ms_max
        return self._clock.elapsed_ms() - heard_ms > most or abs(self._clock.now_ms() - at_ms) > most

    def _feed_ms(self, feed: str) -> int:
        """What the feed's clock shows now."""
        heard_ms, at_ms = self._feeds[feed]
        return at_ms + self._clock.elapsed_ms() - heard_ms

    def _give_up(self, feed: str) -> None:
        """Close what has not kicked off in its time: bets on it are void."""
        now = self._feed_ms(feed)
        for book in [b for b in self._books.values() if b.snapshot.scheduled.feed == feed]:
            if out_of_time(book.snapshot, now):
                book.snapshot = msgspec.structs.replace(book.snapshot, status=FixtureStatus.CANCELLED, at_ms=now)
                self._finish(book, "out_of_time")

    def _silence(self, feed: str) -> None:
        for book in self._books.values():
            if book.snapshot.scheduled.feed == feed and not book.silent:
                book.silent = True
                self._publish(book, "feed_silent", self._suspend(book))

    # --- saying it --------------------------------------------------------------------------------------------------

    def _say(self, topic: Topic, key: str, value: bytes) -> None:
        self._voice.say([Record(topic, key, value)])

    def _publish(self, book: _Book, cause: str, markets: Iterable[Market], *, keep: bool = False) -> None:
        """One message with all that one cause changed; now and then the whole book beside it, for a restart."""
        fixture = book.snapshot.scheduled.fixture
        book.n += 1
        board = board_of(book.snapshot, self._speed)
        now, model = self._clock.now_ms(), book.priced_on
        controls = None if book.controls is book.controls_said else book.controls
        change = BookChanged(
            fixture, self._epoch, book.n, cause, now, board, tuple(markets), model, controls, self._share, self._trace
        )  # fmt: skip
        self.counts.changes += 1
        if self._cause_ms is not None:
            self.counts.incident_to_book.take(now - self._cause_ms)
        records = [Record(Topic.BOOKS, fixture, encode(change))]
        book.controls_said = book.controls
        book.kept += 1
        if keep or controls is not None or book.kept >= self._settings.whole_book_every:
            records.append(self._whole(book))
        self._voice.say(records)

    def _whole(self, book: _Book) -> Record:
        """The whole book, to be kept."""
        fixture = book.snapshot.scheduled.fixture
        heard, said = max(self._heard, book.heard), self._voice.offsets[Topic.BOOKS] + 1
        book.kept, book.kept_said, book.kept_heard = 0, said, heard
        state = BookState(
            fixture, self._epoch, book.n, heard, said, book.snapshot, board_of(book.snapshot, self._speed),
            tuple(book.markets.values()), book.resume_at_ms, book.priced_on, book.controls, self._share,
        )  # fmt: skip
        return Record(Topic.BOOK_STATES, f"{fixture}@{self._epoch}", encode(state))

    def _keep_quiet(self) -> None:
        """Whoever starts reads from the oldest book on that is kept: none is to be much older than the log's end."""
        said = self._voice.offsets[Topic.BOOKS] - self._settings.quiet_book_records_max
        heard = self._heard - self._settings.quiet_book_records_max
        quiet = (book for book in self._books.values() if book.kept_said < said or book.kept_heard < heard)
        self._voice.say([self._whole(book) for book in islice(quiet, KEPT_A_BEAT)])
