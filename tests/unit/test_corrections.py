"""Results that change: a goal taken back, a corrected result, a window of bets that are void; from the feed to what
settlement says of them."""

from collections.abc import Collection, Iterator, Sequence

import msgspec
import pytest

from matchday.backends.log_sqlite import SqliteLogCore
from matchday.config import Settings
from matchday.model.bet import OUTCOMES, VOID, Outcome, Result
from matchday.model.football import FootballState, IncidentError, IncidentType, Period, Side, advance
from matchday.model.football_markets import decisions
from matchday.model.messages import (
    FeedAlive,
    FixtureStatus,
    Incident,
    LegsDecided,
    LegsVoided,
    ResultConfirmed,
    Strengths,
    Topic,
    WindowVoided,
    decode,
    encode,
)
from matchday.model.reports import Announced, BetsVoided, Confirmed, Corrected, Report, Reported
from matchday.ports import Record
from matchday.services.feed import Feed
from matchday.services.settlement import SettlementByFixture
from matchday.sim.clock import VirtualClock
from matchday.sim.inline import InlineLog

NOW = 1_500_000_000_000
I = IncidentType  # noqa: E741 - the tables are about little else
WON, LOST = OUTCOMES[Result.WON], OUTCOMES[Result.LOST]


def played(*incidents: tuple[IncidentType, Side | None]) -> FootballState:
    state = FootballState()
    for clock_s, (type_, side) in enumerate(incidents):
        state = advance(state, type_, side, clock_s)
    return state


FIRST: tuple[tuple[IncidentType, Side | None], ...] = (
    (I.KICK_OFF, None),
    (I.GOAL, "home"),
    (I.GOAL, "away"),
    (I.OWN_GOAL, "home"),
)


@pytest.mark.parametrize(
    ("incidents", "score", "order", "halves"),
    [
        ([(I.GOAL_CANCELLED, "home")], (1, 1), ("home", "away"), (1, 0)),
        ([(I.GOAL_CANCELLED, "away")], (2, 0), ("home", "home"), (2, 0)),
        ([(I.HALF_TIME, None), (I.GOAL_CANCELLED, "home")], (1, 1), ("home", "away"), (1, 0)),
        ([(I.HALF_TIME, None), (I.SECOND_HALF, None), (I.GOAL, "home"), (I.GOAL_CANCELLED, "home")], (2, 1),
         ("home", "away", "home"), (2, 0)),
        ([(I.HALF_TIME, None), (I.SECOND_HALF, None), (I.FULL_TIME, None), (I.GOAL_CANCELLED, "away")], (2, 0),
         ("home", "home"), (2, 0)),
        ([(I.GOAL_CANCELLED, "home"), (I.GOAL_CANCELLED, "home")], (0, 1), ("away",), (0, 0)),
    ],
)  # fmt: skip
def test_a_goal_taken_back_never_was(
    incidents: list[tuple[IncidentType, Side | None]],
    score: tuple[int, int],
    order: tuple[Side, ...],
    halves: tuple[int, int],
) -> None:
    state = played(*FIRST, *incidents)
    assert (state.score, state.order) == (score, order)
    assert (state.home.first_half, state.home.second_half) == halves
    assert state.cancelled == sum(type_ == I.GOAL_CANCELLED for type_, _ in incidents)


@pytest.mark.parametrize(
    ("incidents", "reason"),
    [
        ([(I.GOAL_CANCELLED, "home")], "cannot happen in period pre"),
        ([(I.KICK_OFF, None), (I.GOAL_CANCELLED, "home")], "home has no goal"),
        ([*FIRST, (I.HALF_TIME, None), (I.SECOND_HALF, None), (I.FULL_TIME, None), (I.OVER, None),
          (I.GOAL_CANCELLED, "home")], "cannot happen in period over"),
    ],
)  # fmt: skip
def test_what_cannot_be_taken_back(incidents: list[tuple[IncidentType, Side | None]], reason: str) -> None:
    with pytest.raises(IncidentError, match=reason):
        played(*incidents)


def test_what_a_goal_had_decided_is_undecided_again() -> None:
    before, after = decisions(played(*FIRST)), decisions(played(*FIRST, (I.GOAL_CANCELLED, "home")))
    assert (before["total_goals@2.5/over"], after["total_goals@2.5/over"]) == (WON, None)
    assert (before["next_goal@3/home"], after["next_goal@3/home"]) == (WON, None)
    assert after["total_goals@1.5/over"] == WON
    # Bets on the fourth goal were taken; it may never be offered again, and is decided at the end.
    assert after["next_goal@4/none"] is None
    ended = played(*FIRST, (I.GOAL_CANCELLED, "home"), (I.HALF_TIME, None), (I.SECOND_HALF, None), (I.FULL_TIME, None))
    assert decisions(ended)["next_goal@4/none"] == WON


class Told:
    """An adapter that says what it is given."""

    name = "told"

    def __init__(self, reports: Sequence[Report]) -> None:
        self.all, self.touch = list(reports), True
        self.asked: list[set[str]] = []

    def knows(self, fixture: str) -> bool:
        return True

    def in_touch(self, now_ms: int) -> bool:
        return self.touch

    def reports(self, now_ms: int, known: Collection[str]) -> Iterator[Report]:
        self.asked.append(set(known))
        return iter([report for report in self.all if report.fixture in known or now_ms <= report.at_ms + 50_000])


def at(second: int) -> int:
    return NOW + 1_000 * second


def whole(*after: Report) -> list[Report]:
    whistles = [I.KICK_OFF, I.HALF_TIME, I.SECOND_HALF, I.FULL_TIME, I.OVER]
    return [
        Announced(at(0), "F", 1, "cup", "a", "b", at(10), Strengths(1.0, 1.0), "test"),
        *(Reported(at(10 + n), "F", 2 + n, type_, None, 0) for n, type_ in enumerate(whistles)),
        Confirmed(at(20), "F", 7, FixtureStatus.FINISHED),
        *after,
    ]


def said(log: InlineLog, topic: Topic, *kinds: type) -> list[object]:
    found = [decode(stored.value) for stored in log.read(topic, -1, 9_999)]
    return [message for message in found if isinstance(message, kinds)]


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(1, NOW)


@pytest.fixture
def log(clock: VirtualClock) -> InlineLog:
    return InlineLog(SqliteLogCore(":memory:", clock.new_id), clock)


ONE_NIL = FootballState(period=Period.OVER, order=("home",))


def test_a_confirmed_result_is_corrected_also_after_the_feed_was_down(clock: VirtualClock, log: InlineLog) -> None:
    """Found by simulation, seed 51: only unfinished fixtures were asked for at a restart, and a correction told
    meanwhile was never heard."""
    corrected = Corrected(at(100), "F", 8, FixtureStatus.FINISHED, ONE_NIL, "the referee's report")
    Feed(clock, log, Told(whole()), Settings().feed).start()
    clock.run_until(at(60))
    clock.run_until(at(200))
    restarted = Told(whole(corrected))
    Feed(clock, log, restarted, Settings().feed).start()
    clock.run_for(1_000)
    assert restarted.asked == [{"F"}]
    results = said(log, Topic.INCIDENTS, ResultConfirmed)
    assert [(r.seq, r.state) for r in results if isinstance(r, ResultConfirmed)][1:] == [(8, ONE_NIL)]


def test_a_result_that_was_not_confirmed_cannot_be_corrected(clock: VirtualClock, log: InlineLog) -> None:
    feed = Feed(
        clock, log, Told([whole()[0], Corrected(at(5), "F", 2, FixtureStatus.FINISHED, ONE_NIL, "?")]), Settings().feed
    )
    feed.start()
    clock.run_until(at(10))
    assert feed.rejected == ["F report 2: a result is corrected that was not confirmed"]


def test_a_window_is_told_while_playing_and_when_over(clock: VirtualClock, log: InlineLog) -> None:
    playing, over = BetsVoided(at(3), "F", 2, 1, 2, "known"), BetsVoided(at(30), "F", 8, 3, 4, "known")
    reports = whole(over)
    reports[1:] = [playing, *(r for r in reports[1:])]
    numbered = [msgspec.structs.replace(report, seq=seq) for seq, report in enumerate(reports, 1)]
    Feed(clock, log, Told(numbered), Settings().feed).start()
    clock.run_until(at(60))
    windows = said(log, Topic.INCIDENTS, WindowVoided)
    assert [(w.from_ms, w.until_ms) for w in windows if isinstance(w, WindowVoided)] == [(1, 2), (3, 4)]


def test_a_feed_out_of_touch_does_not_say_it_is_alive(clock: VirtualClock, log: InlineLog) -> None:
    adapter = Told(whole()[:1])
    Feed(clock, log, adapter, Settings().feed).start()
    clock.run_until(at(5))
    heard = len(said(log, Topic.INCIDENTS, FeedAlive))
    adapter.touch = False
    clock.run_until(at(50))
    assert len(said(log, Topic.INCIDENTS, FeedAlive)) == heard >= 4


def goal(seq: int, type_: IncidentType, state: FootballState) -> Incident:
    return Incident("F", seq, "told", type_, "home", 60, state, NOW)


@pytest.mark.parametrize("restarts", [False, True])
def test_stage_one_withdraws_what_no_longer_holds(clock: VirtualClock, log: InlineLog, restarts: bool) -> None:
    """Also where it has restarted since, and remembers nothing of what it said."""
    room = SettlementByFixture(clock, log)
    room.start()
    one = advance(played((I.KICK_OFF, None)), I.GOAL, "home", 60)
    back = advance(one, I.GOAL_CANCELLED, "home", 120)
    log.append([Record(Topic.INCIDENTS, "F", encode(goal(2, I.GOAL, one)))])
    clock.run_for(10)
    if restarts:
        room.hear = lambda records: None  # type: ignore[method-assign]
        log.advance("settlement-by-fixture", Topic.INCIDENTS, log.end(Topic.INCIDENTS))
        room = SettlementByFixture(clock, log)
        room.start()
        clock.run_for(10)
    log.append([Record(Topic.INCIDENTS, "F", encode(goal(3, I.GOAL_CANCELLED, back)))])
    clock.run_for(10)
    held: dict[str, Outcome | None] = {}
    for legs in said(log, Topic.DECISIONS, LegsDecided):
        assert isinstance(legs, LegsDecided)
        held.update((decision.selection, decision.outcome) for decision in legs.decisions)
    assert held["F:total_goals@0.5/over"] is None
    assert VOID not in held.values()
    window = WindowVoided("F", 4, "told", 1, 2, "known", NOW)
    log.append([Record(Topic.INCIDENTS, "F", encode(window))])
    clock.run_for(10)
    (voided,) = {message for message in said(log, Topic.DECISIONS, LegsVoided) if isinstance(message, LegsVoided)}
    assert (voided.version, voided.from_ms, voided.until_ms) == (4, 1, 2)
