"""The odds room when a match does not simply end after ninety minutes: ties that go on, matches put off, stopped, or
never played."""

from collections.abc import Iterator
from contextlib import closing

import msgspec
import pytest

from matchday.backends.log_sqlite import SqliteLogCore
from matchday.config import Settings
from matchday.model.football import IncidentType
from matchday.model.market import MarketStatus
from matchday.model.messages import BookChanged, FeedAlive, FixtureStatus, ResultConfirmed, Topic, decode
from matchday.pricing.football import price_book
from matchday.services.odds import Odds
from matchday.sim.clock import VirtualClock
from tests.unit.test_odds_markets import Ground

I = IncidentType  # noqa: E741 - a story reads better with a short name
OPEN, SUSPENDED, CLOSED = MarketStatus.OPEN, MarketStatus.SUSPENDED, MarketStatus.CLOSED
TIE = "to_qualify"


@pytest.fixture
def tie() -> Iterator[Ground]:
    """A knock-out match, announced; bets on it stand for an hour."""
    clock = VirtualClock(seed=1)
    core = SqliteLogCore(":memory:", clock.new_id)
    with closing(core):
        yield Ground(core, clock, played=False, knockout=True, stand_ms=3_600_000)


def play(tie: Ground, *whistles: IncidentType) -> None:
    for whistle in whistles:
        tie.tell(whistle)


NINETY = (I.KICK_OFF, I.HALF_TIME, I.SECOND_HALF)
EXTRA = (I.EXTRA_TIME, I.EXTRA_HALF_TIME, I.EXTRA_SECOND_HALF, I.EXTRA_FULL_TIME)


def test_a_tie_that_is_level_stays_on_offer_through_extra_time_and_shoot_out(tie: Ground) -> None:
    assert tie.standing(TIE, "1x2") == [OPEN, OPEN]
    play(tie, *NINETY, I.FULL_TIME)
    markets = tie.books.fixtures["F"].markets
    assert {name for name, market in markets.items() if market.status != CLOSED} == {"F:to_qualify"}
    for whistle in (*EXTRA, I.SHOOT_OUT):
        tie.tell(whistle)
        assert tie.standing(TIE, "1x2") == [OPEN, CLOSED], whistle
        assert tie.market(TIE).price_of("home") is not None
    tie.tell(I.OVER)
    assert tie.standing(TIE) == [CLOSED]


def test_extra_time_moves_with_the_clock_and_a_goal_in_it_is_material(tie: Ground) -> None:
    play(tie, *NINETY, I.FULL_TIME, I.EXTRA_TIME)
    tie.tell(I.GOAL, "home")
    assert tie.standing(TIE) == [SUSPENDED]
    tie.wait(31)
    after_goal = tie.market(TIE)
    assert (after_goal.status, after_goal.generation) == (OPEN, 1)
    tie.wait(300)
    later = tie.market(TIE)
    assert (later.price_of("home") or 0) < (after_goal.price_of("home") or 0)
    assert (later.price_of("away") or 0) > (after_goal.price_of("away") or 0)
    play(tie, I.EXTRA_HALF_TIME, I.EXTRA_SECOND_HALF, I.EXTRA_FULL_TIME)
    assert tie.standing(TIE) == [CLOSED]


def test_a_kick_of_the_shoot_out_suspends_until_the_next_is_awaited_and_the_last_closes(tie: Ground) -> None:
    play(tie, *NINETY, I.FULL_TIME, *EXTRA, I.SHOOT_OUT)
    even = tie.market(TIE)
    assert even.price_of("home") == even.price_of("away")
    tie.tell(I.SHOOT_OUT_SCORED, "home")
    assert (tie.market(TIE).status, tie.market(TIE).generation) == (SUSPENDED, even.generation + 1)
    tie.wait(16)
    assert tie.standing(TIE) == [OPEN]
    assert (tie.market(TIE).price_of("home") or 0) < (even.price_of("home") or 0)
    for _ in range(2):
        tie.tell(I.SHOOT_OUT_MISSED, "away")
        tie.tell(I.SHOOT_OUT_SCORED, "home")
    assert tie.standing(TIE) == [SUSPENDED]
    tie.tell(I.SHOOT_OUT_MISSED, "away")
    assert tie.standing(TIE) == [CLOSED]


def test_a_tie_that_ninety_minutes_decide_closes_with_them(tie: Ground) -> None:
    play(tie, *NINETY)
    tie.tell(I.GOAL, "away")
    tie.tell(I.FULL_TIME)
    assert {market.status for market in tie.books.fixtures["F"].markets.values()} == {CLOSED}


def test_a_hold_that_runs_at_full_time_goes_on(tie: Ground) -> None:
    """A goal in the last minute: the tie is not on offer before its hold is over, nor before play goes on."""
    play(tie, *NINETY)
    tie.tell(I.GOAL, "away")
    tie.wait(31)
    tie.tell(I.GOAL, "home")
    tie.tell(I.FULL_TIME)
    assert tie.standing(TIE, "1x2") == [SUSPENDED, CLOSED]
    tie.wait(31)
    tie.tell(I.EXTRA_TIME)
    assert tie.standing(TIE) == [OPEN]


def test_a_league_match_asks_nobody_who_goes_through() -> None:
    clock = VirtualClock(seed=1)
    core = SqliteLogCore(":memory:", clock.new_id)
    with closing(core):
        ground = Ground(core, clock)
        assert "F:to_qualify" not in ground.books.fixtures["F"].markets


def end(tie: Ground, status: FixtureStatus) -> None:
    tie.seq += 1
    tie.say(ResultConfirmed("F", tie.seq, "feed", status, tie.state, tie.clock.now_ms()))


@pytest.mark.parametrize("status", ["finished", "abandoned", "shortened", "awarded", "cancelled", "unknown"])
def test_every_ending_closes_the_book(tie: Ground, status: str) -> None:
    play(tie, *NINETY)
    end(tie, FixtureStatus(status))
    book = tie.books.fixtures["F"]
    assert ({market.status for market in book.markets.values()}, book.board.status) == ({CLOSED}, status)
    tie.tell(I.FULL_TIME)
    end(tie, FixtureStatus.POSTPONED)
    assert tie.books.fixtures["F"].board.status == status


@pytest.mark.parametrize("announced_anew", [False, True])
@pytest.mark.parametrize("owner_changes", [False, True])
def test_a_postponed_match_waits_suspended_and_comes_back(
    tie: Ground, announced_anew: bool, owner_changes: bool
) -> None:
    before = tie.market("1x2")
    end(tie, FixtureStatus.POSTPONED)
    assert (tie.standing("1x2", TIE), tie.books.fixtures["F"].board.status) == ([SUSPENDED] * 2, "postponed")
    if owner_changes:
        Odds(tie.clock, tie.log, price_book, Settings().odds).start()
    tie.wait(60)
    assert tie.standing("1x2", TIE) == [SUSPENDED] * 2
    if announced_anew:
        tie.seq += 1
        later = tie.clock.now_ms() + 3_600_000
        tie.say(msgspec.structs.replace(tie.scheduled, seq=tie.seq, kickoff_ms=later, home="Red and white"))
        board = tie.books.fixtures["F"].board
        assert (board.status, board.kickoff_ms, board.home) == ("scheduled", later, "Red and white")
    else:
        tie.tell(I.KICK_OFF)
    assert tie.standing("1x2", TIE) == [OPEN] * 2
    assert tie.market("1x2").generation > before.generation


def test_a_match_that_is_not_played_in_its_time_leaves_the_board(tie: Ground) -> None:
    end(tie, FixtureStatus.POSTPONED)
    tie.clock.run_until(tie.scheduled.void_at_ms - 1_000)
    tie.say(FeedAlive("feed", tie.clock.now_ms()))
    tie.clock.run_for(0)
    assert tie.standing("1x2") == [SUSPENDED]
    tie.wait(3)
    book = tie.books.fixtures["F"]
    assert ({market.status for market in book.markets.values()}, book.board.status) == ({CLOSED}, "cancelled")


def test_that_time_is_the_feeds_and_not_up_while_nobody_hears_it(tie: Ground) -> None:
    tie.clock.run_until(tie.scheduled.void_at_ms + 3_600_000)
    assert tie.standing("1x2") == [SUSPENDED]
    tie.wait(2)
    assert tie.standing("1x2") == [CLOSED]


def test_an_heir_that_hears_it_all_again_does_not_bring_back_a_match_that_is_over(tie: Ground) -> None:
    """Found by simulation: another match's kept book was older than this one's announcement, so that the heir heard it
    announced, kicked off and scored in again, and said so."""
    play(tie, *NINETY)
    end(tie, FixtureStatus.FINISHED)
    said = tie.core.end(Topic.BOOKS)
    heir = Odds(tie.clock, tie.log, price_book, Settings().odds)
    heir.start()
    tie.clock.run_for(100)
    heir.hear(tie.core.read(Topic.INCIDENTS, -1, 1_000))
    tie.clock.run_for(100)
    messages = [decode(stored.value) for stored in tie.core.read(Topic.BOOKS, said, 1_000)]
    assert {said.board.status for said in messages if isinstance(said, BookChanged)} == {FixtureStatus.FINISHED}
    assert tie.standing("1x2") == [CLOSED]
