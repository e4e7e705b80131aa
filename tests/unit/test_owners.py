"""Owners of the books: who counts when several speak. Each of these was found by simulation (docs/simulation.md)."""

import msgspec
import pytest

from matchday.app import Gate
from matchday.config import Bets as BetSettings
from matchday.config import Settings
from matchday.model.bet import Leg, Policy
from matchday.model.book import Books
from matchday.model.football import FootballState
from matchday.model.ledger import PlaceBet
from matchday.model.market import Market, MarketStatus, Selection
from matchday.model.messages import (
    Board,
    BookChanged,
    BookState,
    FixtureScheduled,
    FixtureSnapshot,
    FixtureStatus,
    Message,
    OddsAlive,
    OddsOwned,
    Strengths,
    Topic,
    encode,
)
from matchday.ports import Record, Stored
from matchday.services.bets import Bets
from matchday.sim.clock import VirtualClock
from tests.unit.doors import cash_outs_of, no_joint_price

NOW = 1_500_000_000_000
BETS = BetSettings(delay_ms=0)
MOST = BETS.odds_silence_ms_max


class JumpyClock(VirtualClock):
    """A clock that may be set."""

    off_ms = 0

    def now_ms(self) -> int:
        return super().now_ms() + self.off_ms


def board(status: FixtureStatus = FixtureStatus.LIVE) -> Board:
    return Board("F", "cup", "a", "b", NOW, status, "1H", 0, NOW, 1.0, (0, 0), None, None, (0, 0), (0, 0))


def change(epoch: int, n: int, status: MarketStatus = MarketStatus.OPEN, generation: int = 0) -> BookChanged:
    market = Market("F:1x2", "1x2", None, status, generation, (Selection("home", 2_000),))
    return BookChanged("F", epoch, n, "tick", NOW, board(), (market,))


def state(epoch: int, n: int) -> BookState:
    scheduled = FixtureScheduled("F", 1, "feed", "football", "cup", "a", "b", NOW, NOW, Strengths(1.0, 1.0))
    snapshot = FixtureSnapshot(scheduled, 1, FixtureStatus.LIVE, FootballState(), NOW)
    return BookState("F", epoch, n, -1, epoch, snapshot, board(), change(epoch, n).markets)


def stale(bets: Bets) -> bool:
    return bets.stale


class Refusing:
    """A ledger that answers what the gate has judged."""

    def __init__(self) -> None:
        self.judged: list[PlaceBet] = []

    def commit(self, commands: list[PlaceBet], done: object) -> None:
        self.judged += commands


@pytest.fixture
def clock() -> JumpyClock:
    return JumpyClock(1, NOW)


def judged(clock: VirtualClock, bets: Bets, ledger: Refusing) -> str:
    """accepted, or the refusal of a bet on F."""
    leg = Leg("F", "F:1x2", "F:1x2/home", 2_000, 0)
    bets.place(PlaceBet(clock.new_id(), "anna", "EUR", 100, Policy.ANY, (leg,)), lambda _: None)
    clock.run_for(0)
    bets._in_flight = False
    return str(ledger.judged[-1].refusal or "accepted")


@pytest.fixture
def room(clock: JumpyClock) -> tuple[Bets, Books, Refusing]:
    books, ledger = Books(), Refusing()
    books.apply(change(10, 1), 10)
    return Bets(clock, ledger, books, BETS, no_joint_price), books, ledger  # type: ignore[arg-type]


def test_silence_is_time_elapsed_whatever_the_clock_shows(
    clock: JumpyClock, room: tuple[Bets, Books, Refusing]
) -> None:
    bets, _, _ = room
    bets.odds_alive(10, NOW)
    assert not stale(bets)
    clock.run_for(MOST)
    clock.off_ms = -60_000
    assert stale(bets)  # silent, as far as the two clocks can tell: they are a minute apart
    clock.off_ms = 0
    clock.run_for(1)
    clock.off_ms = -MOST
    assert stale(bets)


@pytest.mark.parametrize(("age_ms", "is_stale"), [(0, False), (MOST, False), (MOST + 1, True), (-MOST - 1, True)])
def test_what_is_heard_late_is_stale(
    room: tuple[Bets, Books, Refusing], clock: JumpyClock, age_ms: int, is_stale: bool
) -> None:
    bets, _, _ = room
    bets.odds_alive(10, clock.now_ms() - age_ms)
    assert bets.stale == is_stale


def test_an_owner_whose_place_was_taken_counts_no_more(clock: JumpyClock, room: tuple[Bets, Books, Refusing]) -> None:
    bets, books, ledger = room
    bets.odds_alive(10, NOW)
    assert judged(clock, bets, ledger) == "accepted"
    bets.odds_owned(20)
    assert stale(bets)
    bets.odds_alive(10, NOW)
    assert stale(bets)
    bets.odds_alive(20, NOW)
    assert not stale(bets)
    assert judged(clock, bets, ledger) == "market_suspended"  # the new owner has not spoken of it yet
    books.owned(20)
    books.apply(change(20, 1), 21)
    assert judged(clock, bets, ledger) == "accepted"


def test_a_record_counts_if_its_epoch_was_the_owners_at_its_offset() -> None:
    books = Books()
    assert books.apply(change(10, 1), 12)
    books.owned(20)
    assert not books.apply(change(10, 2), 25)  # said after its time
    assert books.said_by_owner(change(10, 2), 15)  # history: then it was the owner
    assert books.apply(change(20, 1), 26)
    assert not books.apply(change(20, 1), 27)  # heard before


def test_of_whole_books_the_highest_epoch_is_read_wherever_it_stands() -> None:
    found = Books.newest([state(20, 1), state(10, 50), state(20, 0)])
    assert [(kept.epoch, kept.n) for kept in found] == [(20, 1)]


def test_a_gate_hears_of_owners_and_leaves_out_what_is_past(clock: JumpyClock) -> None:
    bets, books = Bets(clock, Refusing(), Books(), BETS, no_joint_price), Books()  # type: ignore[arg-type]
    cash_outs = cash_outs_of(clock, Refusing(), books, BETS, bets)  # type: ignore[arg-type]
    gate = Gate(clock, None, books, Silent(), bets, cash_outs, Settings())  # type: ignore[arg-type]
    over = msgspec.structs.replace(change(12, 1), board=board(FixtureStatus.FINISHED))
    said: list[Message] = [OddsOwned(NOW), OddsAlive(5, NOW), over, change(12, 2), change(5, 9), OddsAlive(12, NOW)]
    records = [Record(Topic.BOOKS, "", encode(message)) for message in said]
    gate._hear_books([_stored(11 + number, record) for number, record in enumerate(records)])
    assert books.fixtures["F"].epoch == 12
    assert books.fixtures["F"].offset == 14  # not the one that was over, nor the former owner's
    assert not bets.stale


def _stored(offset: int, record: Record) -> Stored:
    return Stored(record.topic, 0, offset, record.key, record.value, NOW)


class Silent:
    """A push room that nobody watches."""

    def book_changed(self, change: BookChanged, offset: int) -> None:
        return
