"""The odds room and its markets: what closes, what is new, what gets a new generation, in a match told by hand."""

from collections.abc import Iterator, Sequence
from contextlib import closing

import msgspec
import pytest

from matchday.backends.log_sqlite import SqliteLogCore
from matchday.backends.partitions import Done as LogDone
from matchday.config import Settings
from matchday.model.book import Books
from matchday.model.football import FootballState, IncidentType, Side, advance
from matchday.model.market import Market, MarketStatus
from matchday.model.messages import (
    BookChanged,
    BookState,
    FeedAlive,
    FeedMessage,
    FixtureScheduled,
    Incident,
    PricedOn,
    Topic,
    decode,
    encode,
)
from matchday.ports import Clock, LogUnavailable, Record, Stored
from matchday.pricing.calibrate import PRIOR
from matchday.pricing.football import price_book
from matchday.services.odds import Odds
from matchday.sim.clock import VirtualClock
from matchday.sim.inline import InlineLog

I = IncidentType  # noqa: E741 - a story reads better with a short name
OPEN, SUSPENDED, CLOSED = MarketStatus.OPEN, MarketStatus.SUSPENDED, MarketStatus.CLOSED


class Ground:
    """One match whose incidents the test tells, the odds room, and the book as a gate holds it."""

    def __init__(
        self, core: SqliteLogCore, clock: VirtualClock, *, played: bool = True, knockout: bool = False,
        stand_ms: int = 172_800_000,
    ) -> None:  # fmt: skip
        self.clock, self.core = clock, core
        self.log = InlineLog(core, clock)
        self.books = Books()
        self.state = FootballState(knockout=knockout)
        self.seq = 1
        self.changed: list[str] = []
        """Markets of the last change."""
        self.log.tail(Topic.BOOKS, None, self._heard)
        self.odds = Odds(clock, self.log, price_book, Settings().odds)
        self.odds.start()
        now = clock.now_ms()
        self.scheduled = FixtureScheduled(
            "F", 1, "feed", "football", "Cup", "Reds", "Blues", now, now, PRIOR, knockout=knockout,
            void_at_ms=now + stand_ms,
        )  # fmt: skip
        self.say(self.scheduled)
        self.wait(1)
        if played:
            self.tell(I.KICK_OFF)

    def say(self, message: FeedMessage) -> None:
        self.log.append([Record(Topic.INCIDENTS, "F", encode(message))])
        self.clock.run_for(0)

    def tell(self, type_: IncidentType, side: Side | None = None) -> None:
        self.seq += 1
        self.state = advance(self.state, type_, side, self.state.clock_s + 1)
        clock_s = self.state.clock_s
        self.say(Incident("F", self.seq, "feed", type_, side, clock_s, self.state, self.clock.now_ms()))

    def wait(self, seconds: int) -> None:
        """The feed stays in touch meanwhile."""
        for _ in range(seconds):
            self.say(FeedAlive("feed", self.clock.now_ms()))
            self.clock.run_for(1_000)

    def market(self, name: str) -> Market:
        return self.books.fixtures["F"].markets[f"F:{name}"]

    def standing(self, *names: str) -> list[MarketStatus]:
        return [self.market(name).status for name in names]

    def _heard(self, records: Sequence[Stored]) -> None:
        for stored in records:
            change = decode(stored.value)
            if isinstance(change, BookChanged):
                self.books.apply(change, stored.offset)
                self.changed = [market.market.removeprefix("F:") for market in change.markets]


@pytest.fixture
def ground() -> Iterator[Ground]:
    clock = VirtualClock(seed=1)
    core = SqliteLogCore(":memory:", clock.new_id)
    with closing(core):
        yield Ground(core, clock)


def test_a_goal_closes_what_it_decides_and_asks_for_the_next(ground: Ground) -> None:
    assert ground.standing("1x2", "next_goal@1") == [OPEN, OPEN]
    ground.tell(I.GOAL, "home")
    assert ground.standing("next_goal@1", "total_goals@0.5", "team_total_home@0.5") == [CLOSED] * 3
    assert ground.standing("next_goal@2", "1x2", "correct_score") == [SUSPENDED] * 3
    assert "F:next_goal@3" not in ground.books.fixtures["F"].markets
    ground.wait(40)
    assert ground.standing("next_goal@2", "1x2", "correct_score") == [OPEN] * 3
    assert ground.standing("next_goal@1") == [CLOSED]


def test_a_goal_takes_scores_that_cannot_be_any_more_off_the_market(ground: Ground) -> None:
    assert len(ground.market("correct_score").selections) == 28
    ground.tell(I.GOAL, "away")
    ground.wait(40)
    market = ground.market("correct_score")
    assert (len(market.selections), market.price_of("1-0"), market.price_of("0-0")) == (23, None, None)
    assert market.price_of("0-1") is not None


def test_a_corner_is_material_to_corners_alone(ground: Ground) -> None:
    before = {name: ground.market(name) for name in ("1x2", "total_goals@2.5", "total_corners@9.5", "total_cards@3.5")}
    ground.tell(I.CORNER, "home")
    after = {name: ground.market(name) for name in before}
    generations = [after[name].generation - before[name].generation for name in before]
    assert generations == [0, 0, 1, 0]
    assert ground.standing(*before) == [OPEN] * 4
    over = [market["total_corners@9.5"].price_of("over") or 0 for market in (before, after)]
    assert over[1] < over[0]
    ground.tell(I.YELLOW_CARD, "away")
    assert [ground.market(name).generation - after[name].generation for name in before] == [0, 0, 0, 1]


@pytest.mark.parametrize("held", [False, True])
def test_the_corner_that_passes_a_line_closes_it_even_while_the_book_is_held(ground: Ground, held: bool) -> None:
    for _ in range(6):
        ground.tell(I.CORNER, "home")
    if held:
        ground.tell(I.PENALTY_AWARDED, "home")
    ground.tell(I.CORNER, "home")
    assert ground.standing("total_corners@6.5", "total_corners@7.5") == [CLOSED, SUSPENDED if held else OPEN]
    assert "total_corners@6.5" in ground.changed
    assert not held or ground.changed == ["total_corners@6.5"]


def test_half_time_closes_the_markets_of_the_first_half(ground: Ground) -> None:
    ground.tell(I.HALF_TIME)
    first_half = ("half_time_result", "first_half_goals@2.5", "first_half_both_teams_to_score")
    assert ground.standing(*first_half) == [CLOSED] * 3
    both = ground.market("half_time_full_time")
    assert (both.status, [selection.outcome for selection in both.selections]) == (
        OPEN, ["draw-home", "draw-draw", "draw-away"],
    )  # fmt: skip
    for whistle in (I.SECOND_HALF, I.FULL_TIME):
        ground.tell(whistle)
    assert {market.status for market in ground.books.fixtures["F"].markets.values()} == {CLOSED}


def test_a_new_owner_carries_on_with_the_same_markets(ground: Ground) -> None:
    ground.tell(I.GOAL, "home")
    ground.wait(40)
    generation = ground.market("next_goal@2").generation
    Odds(ground.clock, ground.log, price_book, Settings().odds).start()
    ground.clock.run_for(0)
    assert ground.standing("next_goal@2", "next_goal@1") == [SUSPENDED, CLOSED]
    assert ground.market("next_goal@2").generation > generation


def test_a_book_says_what_its_prices_were_made_of(ground: Ground) -> None:
    """Whoever has it makes every price of the book anew; in a hold there is no such thing, old prices stand by new."""

    def priced_on() -> PricedOn:
        book = ground.books.fixtures["F"]
        assert book.priced_on is not None
        quote = price_book(
            book.priced_on.strengths, book.priced_on.state, book.priced_on.clock_s, Settings().odds.overround
        )
        found = {market.market: market.selections for market in book.markets.values() if market.status != CLOSED}
        assert found == {key.of("F"): selections for key, selections in quote.items()}
        return book.priced_on

    before = priced_on()
    ground.wait(60)  # ticks
    assert priced_on().clock_s > before.clock_s
    ground.tell(I.CORNER, "home")
    assert priced_on().state.home.corners == 1
    ground.tell(I.GOAL, "home")
    assert ground.books.fixtures["F"].priced_on is None
    ground.wait(40)
    resumed = priced_on()
    assert resumed.state.regular_score == (1, 0)
    Odds(ground.clock, ground.log, price_book, Settings().odds).start()
    ground.clock.run_for(0)
    assert priced_on() == resumed  # the new owner has the prices of the former one, suspended
    kept = [decode(stored.value) for stored in ground.log.latest(Topic.BOOK_STATES) if stored.value]
    books = Books()
    for state in kept:
        assert isinstance(state, BookState)
        books.load(state)
    assert books.fixtures["F"].priced_on == resumed
    ground.wait(1)
    priced_on()


def test_a_record_of_before_books_said_what_they_were_priced_on_is_read(ground: Ground) -> None:
    stored = ground.log.read(Topic.BOOKS, -1, 1_000)[-1]
    change = decode(stored.value)
    assert isinstance(change, BookChanged)
    old = msgspec.json.decode(stored.value)
    assert old.pop("model")
    assert decode(msgspec.json.encode(old)) == msgspec.structs.replace(change, model=None)


class LateLog(InlineLog):
    """A log that is slow to answer one writer."""

    def append(self, records: Sequence[Record], done: LogDone | None = None) -> None:
        """See ``Log.append``."""
        assert done is not None, records
        super().append(records, lambda outcome: answer_later(self._clock, done, outcome))


def answer_later(clock: Clock, done: LogDone, outcome: Sequence[int] | LogUnavailable) -> None:
    clock.call_later(100, lambda: done(outcome))


def test_an_owner_that_was_replaced_as_it_began_erases_nothing_of_its_heir(ground: Ground) -> None:
    """Two owners began at once, and the first heard last that its own record stood: it took the whole books of its heir
    for those of a former owner, and a gate that started later believed it. Found by ``matchday sim``, seed 36."""
    Odds(ground.clock, LateLog(ground.core, ground.clock), price_book, Settings().odds).start()
    Odds(ground.clock, ground.log, price_book, Settings().odds).start()
    ground.clock.run_for(0)
    heir = ground.books.fixtures["F"].epoch
    ground.clock.run_for(1_000)
    kept = [decode(stored.value) for stored in ground.log.latest(Topic.BOOK_STATES)]
    states = [state for state in kept if isinstance(state, BookState)]
    assert [state.epoch for state in Books.newest(states)] == [heir]
    assert ground.books.fixtures["F"].epoch == heir
