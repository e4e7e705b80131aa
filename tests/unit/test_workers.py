"""Rooms by share: several processes over one log of several partitions, as shares come and go between them."""

import contextlib
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest

from matchday.app import GateRooms, Workers
from matchday.app.stores import Stores
from matchday.backends.ledger_sqlite import SqliteLedgerCore
from matchday.backends.log_sqlite import SqliteLogCore
from matchday.config import Odds as OddsSettings
from matchday.config import Settings
from matchday.feeds.simulated import SimulatedLeague
from matchday.model.bet import BetStatus, Leg, Policy
from matchday.model.ledger import Answer, Moment, PlaceBet, Refusal
from matchday.model.market import MarketStatus, selection_id
from matchday.model.messages import (
    OVER,
    AccountFact,
    BookChanged,
    FeedAlive,
    FixtureStatus,
    LegsDecided,
    OddsAlive,
    OddsOwned,
    Topic,
    decode,
)
from matchday.ports import LedgerUnavailable, LogUnavailable, Timer, partition_of
from matchday.services.accounts import Guest
from matchday.sim.clock import VirtualClock
from matchday.sim.inline import InlineLedger, InlineLog

SHARES = 3
SPEED = 60.0


class Hand:
    """Shares of one process, as a test hands them out."""

    def __init__(self) -> None:
        self.groups: dict[str, tuple[Callable[[int], None], Callable[[int], None]]] = {}

    def join(self, group: str, taken: Callable[[int], None], lost: Callable[[int], None]) -> Timer:
        self.groups[group] = (taken, lost)
        return _Joined(self, group)

    def give(self, group: str, *shares: int) -> None:
        for share in shares:
            self.groups[group][0](share)

    def take(self, group: str, *shares: int) -> None:
        for share in shares:
            self.groups[group][1](share)


class _Joined:
    def __init__(self, hand: Hand, group: str) -> None:
        self._hand, self._group = hand, group

    def cancel(self) -> None:
        del self._hand.groups[self._group]


class World:
    """A log of three partitions, a ledger, a gate, and two processes of the other rooms."""

    def __init__(self, log: SqliteLogCore, ledger: SqliteLedgerCore, clock: VirtualClock) -> None:
        self.clock = clock
        self.log, self.ledger = InlineLog(log, clock), InlineLedger(ledger, clock)
        self.settings = Settings(odds=OddsSettings(tick_ms=1_200_000))
        self.gate = GateRooms(clock, self.log, self.ledger, self.settings, secret=b"a secret of the test")
        self.gate.start()
        self.answers: list[Answer | Moment] = []
        self.account = ""

    def process(self, *rooms: str) -> tuple[Hand, Workers]:
        hand = Hand()
        stores = Stores(self.log, self.ledger, hand)
        workers = Workers(self.clock, stores, self.settings, lambda _: SimulatedLeague(1, SPEED), speed=SPEED)
        workers.join(rooms)
        return hand, workers

    def guest(self) -> str:
        found: list[Guest | Moment] = []
        self.gate.accounts.open_guest(found.append)
        self.clock.run_for(1)
        assert isinstance(found[0], Guest)
        return found[0].account

    def open_legs(self) -> list[Leg]:
        """The favourite of each fixture that can be bet on and is not in play, where a goal may come in between."""
        found = []
        for fixture, book in self.gate.gate.books.fixtures.items():
            market = book.markets.get(f"{fixture}:1x2")
            scheduled = book.board.status == FixtureStatus.SCHEDULED
            if scheduled and market is not None and market.status == MarketStatus.OPEN:
                best = min(market.selections, key=lambda one: one.price)
                found.append(Leg(fixture, market.market, selection_id(market.market, best.outcome), best.price,
                                 market.generation))  # fmt: skip
        return found

    def kicks_off(self, leg: Leg) -> int:
        return self.gate.gate.books.fixtures[leg.fixture].board.kickoff_ms

    def until(self, happened: Callable[[], bool]) -> None:
        for _ in range(60):
            self.clock.run_for(10_000)
            if happened():
                return
        raise AssertionError("did not happen within ten minutes")

    def bet(self, account: str, *legs: Leg) -> None:
        command = PlaceBet(self.clock.new_id(), account, "EUR", 100, Policy.ANY, legs)
        self.gate.bets.place(command, self.answers.append)

    def said(self) -> list[BookChanged | OddsOwned | OddsAlive]:
        messages = [decode(stored.value) for stored in self.log.read(Topic.BOOKS, -1, 10**6)]
        return [message for message in messages if isinstance(message, BookChanged | OddsOwned | OddsAlive)]

    def shares_shown(self) -> set[int]:
        return {book.share for book in self.gate.gate.books.fixtures.values()}


@pytest.fixture
def world() -> Iterator[World]:
    clock = VirtualClock(1)
    with (
        contextlib.closing(SqliteLogCore(":memory:", clock.new_id, SHARES)) as log,
        contextlib.closing(SqliteLedgerCore(":memory:")) as ledger,
    ):
        yield World(log, ledger, clock)


ROOMS = ("odds", "settlement", "relay", "feed")


def test_processes_share_the_work_and_every_bet_is_settled(world: World) -> None:
    one, _ = world.process(*ROOMS)
    other, _ = world.process(*ROOMS)
    one.give("relay", 0)
    one.give("feed", 0)
    for room in ("odds", "settlement"):
        one.give(room, 0, 2)
        other.give(room, 1)
    world.clock.run_for(10_000)
    assert world.shares_shown() == {0, 1, 2}
    assert all(partition_of(name, SHARES) == book.share for name, book in world.gate.gate.books.fixtures.items())
    account = world.guest()
    legs = sorted(world.open_legs(), key=world.kicks_off)[:6]
    assert {partition_of(leg.fixture, SHARES) for leg in legs} == {0, 1, 2}
    for leg in legs:
        world.bet(account, leg)
    for leg, next_leg in pairwise(legs):
        world.bet(account, leg, next_leg)
    world.clock.run_for(10_000)
    assert all(isinstance(answer, Answer) and answer.refusal is None for answer in world.answers)
    world.until(lambda: not world.ledger.open_bets())
    bets = world.ledger.bets(account, open_only=False, before=None, limit=1_000)
    assert len(bets) == 2 * len(legs) - 1 == 11
    assert {bet.status for bet in bets} <= {BetStatus.SETTLED, BetStatus.VOID}
    assert set(world.ledger.totals().values()) == {0}
    heard = [stored for p in range(SHARES) for stored in world.log.partition_view(p).read(Topic.ACCOUNTS, -1, 10**6)]
    facts = [fact for stored in heard if isinstance(fact := decode(stored.value), AccountFact)]
    assert sorted(fact.seq for fact in facts) == list(range(1, len(facts) + 1))


def test_a_share_that_moves_goes_on_under_a_higher_epoch_and_the_others_notice_nothing(world: World) -> None:
    one, first = world.process("odds", "feed")
    other, second = world.process("odds")
    one.give("feed", 0)
    one.give("odds", 0, 1, 2)
    world.clock.run_for(20_000)
    before = {name: book.epoch for name, book in world.gate.gate.books.fixtures.items()}
    other.give("odds", 1)  # before its former owner knows
    world.clock.run_for(3_000)
    one.take("odds", 1)
    assert (sorted(first.held), sorted(second.held)) == (
        [("feed", 0), ("odds", 0), ("odds", 2)], [("odds", 1)]
    )  # fmt: skip
    end = world.log.end(Topic.BOOKS)
    world.clock.run_for(20_000)
    later = [decode(stored.value) for stored in world.log.read(Topic.BOOKS, end, 10**6)]
    assert {m.share for m in later if isinstance(m, OddsAlive)} == {0, 1, 2}
    newest = max(m.epoch for m in later if isinstance(m, OddsAlive) and m.share == 1)
    assert {m.epoch for m in later if isinstance(m, BookChanged | OddsAlive) and m.share == 1} == {newest}
    for name, book in world.gate.gate.books.fixtures.items():
        if name in before:
            moved = book.epoch == newest
            assert moved == (book.share == 1), name
            assert moved or book.epoch == before[name]
    account = world.guest()
    for leg in world.open_legs():
        world.bet(account, leg)
    world.clock.run_for(10_000)
    refused = [answer for answer in world.answers if not isinstance(answer, Answer) or answer.refusal is not None]
    assert len(world.answers) > 5
    assert refused == []


def test_a_share_that_nobody_has_makes_its_own_fixtures_stale(world: World) -> None:
    hand, _ = world.process("odds", "feed")
    hand.give("feed", 0)
    hand.give("odds", 0, 1, 2)
    world.clock.run_for(10_000)
    account, legs = world.guest(), world.open_legs()
    hand.take("odds", 2)
    world.clock.run_for(world.settings.bets.odds_silence_ms_max + 2_000)
    assert not world.gate.bets.stale
    books = world.gate.gate.books.fixtures
    lost = {name for name, book in books.items() if book.share == 2 and book.board.status not in OVER}
    assert set(world.gate.bets.stale_fixtures) == lost
    for leg in legs:
        world.bet(account, leg)
        world.clock.run_for(10_000)
        answer = world.answers[-1]
        assert isinstance(answer, Answer)
        assert (answer.refusal == Refusal.MARKET_SUSPENDED) == (leg.fixture in lost), leg


def test_the_feed_says_that_it_lives_to_every_partition(world: World) -> None:
    hand, _ = world.process("feed")
    hand.give("feed", 0, 1)
    world.clock.run_for(5_000)
    for partition in range(SHARES):
        stored = world.log.partition_view(partition).read(Topic.INCIDENTS, -1, 10**6)
        assert sum(isinstance(decode(record.value), FeedAlive) for record in stored) >= 5


def test_stage_one_of_a_share_decides_its_own_fixtures_only(world: World) -> None:
    hand, _ = world.process("feed", "settlement")
    hand.give("feed", 0)
    hand.give("settlement", 1)
    world.clock.run_for(200_000)
    said = {p: world.log.partition_view(p).read(Topic.DECISIONS, -1, 10**6) for p in range(SHARES)}
    assert [bool(said[p]) for p in range(SHARES)] == [False, True, False]
    decided = [message for stored in said[1] if isinstance(message := decode(stored.value), LegsDecided)]
    assert {partition_of(message.fixture, SHARES) for message in decided} == {1}


def test_a_process_that_leaves_waits_for_what_is_on_its_way_and_holds_nothing(world: World) -> None:
    hand, workers = world.process(*ROOMS)
    for room in ROOMS:
        hand.give(room, 0)
    world.clock.run_for(5_000)
    account = world.guest()
    world.clock.run_for(1)
    left: list[str] = []
    workers.leave(lambda: left.append("left"))
    world.clock.run_for(100)
    assert left == ["left"]
    assert (workers.held, hand.groups, workers.on_their_way) == ({}, {}, 0)
    end = world.log.end(Topic.BOOKS)
    world.guest()
    world.clock.run_for(60_000)
    assert world.log.end(Topic.BOOKS) == end
    assert account


class Deaf(InlineLog):
    """A log that cannot be read for a while."""

    deaf = True

    def latest_of(self, part: tuple[Topic, int]) -> list:  # type: ignore[type-arg]
        if self.deaf:
            raise LogUnavailable("no broker answers")
        return super().latest_of(part)


def test_a_room_that_cannot_begin_yet_says_so_and_begins_later(world: World) -> None:
    world.log.__class__ = Deaf
    hand, workers = world.process("feed")
    hand.give("feed", 0)
    assert workers.reasons == ["feed: share 0 has not begun"]
    world.clock.run_for(3_000)
    assert workers.reasons == ["feed: share 0 has not begun"]
    Deaf.deaf = False
    world.clock.run_for(1_100)
    assert workers.reasons == []
    assert world.log.partition_view(0).end(Topic.FIXTURES) >= 0


def test_a_relay_waits_for_a_ledger_that_cannot_be_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def unavailable(after: int, limit: int) -> list[tuple[int, str, bytes]]:
        raise LedgerUnavailable("no server answers")

    account = world.guest()
    with monkeypatch.context() as patched:
        patched.setattr(world.ledger, "outbox", unavailable)
        hand, _ = world.process("relay")
        hand.give("relay", 0)
        world.clock.run_for(2_000)
    view = world.log.partition_view(partition_of(account, SHARES))
    assert view.end(Topic.ACCOUNTS) == -1
    world.clock.run_for(1_000)
    assert view.end(Topic.ACCOUNTS) >= 0
