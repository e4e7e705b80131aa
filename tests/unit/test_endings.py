"""How fixtures end, from what the provider reports to what settlement says: put off, stopped, corrected; what is
provisional and what is confirmed; and what a restart must not forget."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import msgspec
import pytest

from matchday.backends.log_sqlite import SqliteLogCore
from matchday.config import Settings
from matchday.model.bet import OUTCOMES, VOID, Outcome, Result
from matchday.model.football import FootballState, IncidentType, Period, Team
from matchday.model.messages import (
    Certainty,
    FixtureScheduled,
    FixtureStatus,
    Incident,
    LegsDecided,
    ResultConfirmed,
    Strengths,
    Topic,
    WindowVoided,
    encode,
)
from matchday.model.reports import Announced, BetsVoided, Confirmed, Corrected, Report, Reported
from matchday.ports import Clock, Log, Record, Stored, Timer
from matchday.services.feed import Feed
from matchday.services.settlement import SettlementByFixture
from matchday.sim.clock import VirtualClock
from matchday.sim.inline import InlineLog
from tests.unit.test_corrections import NOW, Told, said, whole

S, I = FixtureStatus, IncidentType  # noqa: E741 - the stories are about little else
HOUR = 3_600_000
FEED = msgspec.structs.replace(Settings().feed, alive_ms=HOUR)
STAND = FEED.bets_stand_ms
KICK_OFF = NOW + HOUR
LAST = KICK_OFF + STAND
"""When bets on a match that has not kicked off are void."""
WON = OUTCOMES[Result.WON]


def announced(seq: int = 1, kickoff_ms: int = KICK_OFF, *, at_ms: int = NOW, knockout: bool = False) -> Announced:
    return Announced(at_ms, "F", seq, "cup", "a", "b", kickoff_ms, Strengths(1.0, 1.0), "test", knockout)


def postponed(seq: int = 2, at_ms: int = KICK_OFF) -> Confirmed:
    return Confirmed(at_ms, "F", seq, S.POSTPONED, "fog")


def match(seq: int, kickoff_ms: int) -> list[Report]:
    """Two goals of the home side, then the end."""
    story = [I.KICK_OFF, I.GOAL, I.HALF_TIME, I.SECOND_HALF, I.GOAL, I.FULL_TIME, I.OVER]
    told: list[Report] = [
        Reported(kickoff_ms + 1_000 * n, "F", seq + n, type_, "home" if type_ == I.GOAL else None, 0)
        for n, type_ in enumerate(story)
    ]
    return [*told, Confirmed(kickoff_ms + 60_000, "F", seq + len(story), S.FINISHED)]


class Process:
    """A clock and a log that answer nobody any more once it has stopped."""

    def __init__(self, clock: VirtualClock, log: InlineLog, behind_ms: int = 0) -> None:
        self.on, self._clock, self._log, self.behind_ms = True, clock, log, behind_ms

    def __getattr__(self, name: str) -> Any:
        return getattr(self._clock if hasattr(self._clock, name) else self._log, name)

    def now_ms(self) -> int:
        return self._clock.now_ms() - self.behind_ms

    def call_later(self, delay_ms: int, call: Callable[[], None]) -> Timer:
        return self._clock.call_later(delay_ms, lambda: call() if self.on else None)

    def tail(self, topic: Topic, after: int | None, hear: Callable[[Sequence[Stored]], None]) -> Timer:
        return self._log.tail(topic, after, lambda records: hear(records) if self.on else None)


class House:
    """The feed and the first stage of settlement over one log; either can be started anew."""

    def __init__(self, reports: Sequence[Report]) -> None:
        self.clock = VirtualClock(1, NOW)
        self.log = InlineLog(SqliteLogCore(":memory:", self.clock.new_id), self.clock)
        self.adapter = Told(reports)
        self._settling, self._feeding = (Process(self.clock, self.log) for _ in range(2))
        self.start()
        self.start_feed()

    def stop(self) -> None:
        self._settling.on = False

    def start(self) -> None:
        """Settlement, anew where it ran before."""
        self.stop()
        process = self._settling = Process(self.clock, self.log)
        self.settlement = SettlementByFixture(cast("Clock", process), cast("Log", process))
        self.settlement.start()
        self.clock.run_for(1)

    def start_feed(self) -> None:
        self._feeding.on = False
        process = self._feeding = Process(self.clock, self.log)
        self.feed = Feed(cast("Clock", process), cast("Log", process), self.adapter, FEED)
        self.feed.start()
        self.clock.run_for(1)

    @property
    def decided(self) -> list[LegsDecided]:
        return [message for message in said(self.log, Topic.DECISIONS, LegsDecided) if isinstance(message, LegsDecided)]

    @property
    def held(self) -> dict[str, Outcome | None]:
        """What the ledger would hold: the word of the highest version, and each version's first word only."""
        found: dict[str, tuple[int, Outcome | None]] = {}
        versions: dict[int, LegsDecided] = {}
        for legs in self.decided:
            if legs.decisions:
                versions.setdefault(legs.version, legs)
        for version, legs in sorted(versions.items()):
            found.update((decision.selection, (version, decision.outcome)) for decision in legs.decisions)
        return {selection: outcome for selection, (_, outcome) in found.items()}

    def __getitem__(self, selection: str) -> Outcome | None:
        return self.held.get(f"F:{selection}")


def test_a_postponed_match_that_is_played_in_time_settles_as_any_other() -> None:
    later = KICK_OFF + 20 * HOUR
    house = House([announced(), postponed(), announced(3, later, at_ms=KICK_OFF + HOUR), *match(4, later)])
    house.clock.run_until(later)
    assert house.decided == []
    house.clock.run_until(LAST + HOUR)
    assert house["1x2/home"] == house["total_goals@1.5/over"] == WON
    assert VOID not in {house["1x2/draw"], house["next_goal@3/none"]}
    assert house.feed.rejected == []


def test_it_is_void_when_its_time_is_up_and_not_before() -> None:
    house = House([announced(), postponed()])
    house.clock.run_until(LAST - 1)
    assert house.decided == []
    house.clock.run_until(LAST + 1)
    assert len(house.held) == 199
    assert set(house.held.values()) == {VOID}
    (legs,) = house.decided
    assert (legs.version, legs.cause, legs.certainty) == (2, "out_of_time", Certainty.CONFIRMED)
    house.clock.run_for(STAND)
    assert len(house.decided) == 1


def test_a_clock_that_was_behind_when_the_match_was_announced_delays_it_by_minutes() -> None:
    """Found by simulation: a process two hours behind waited two hours too long, though its clock was right again."""
    house = House([])
    house.stop()
    house._settling = Process(house.clock, house.log, behind_ms=2 * HOUR)
    SettlementByFixture(cast("Clock", house._settling), cast("Log", house._settling)).start()
    house.adapter.all += [announced(), postponed()]
    house.start_feed()
    house.clock.run_until(LAST - HOUR)
    house._settling.behind_ms = 0
    house.clock.run_until(LAST + 600_000)
    assert set(house.held.values()) == {VOID}


def test_so_is_a_match_of_which_nothing_more_is_heard() -> None:
    house = House([announced()])
    house.clock.run_until(LAST + 1)
    assert set(house.held.values()) == {VOID}


@pytest.mark.parametrize("seq", [2, 3])
def test_a_new_date_beyond_the_time_voids_at_once(seq: int) -> None:
    """Whether it was called postponed or not; a change of date within the time does not begin it anew."""
    before = [announced(), announced(2, KICK_OFF + 30 * HOUR, at_ms=NOW + 1)]
    house = House([*before[: seq - 1], announced(seq, LAST, at_ms=KICK_OFF + 1)])
    house.clock.run_until(KICK_OFF + 2)
    assert set(house.held.values()) == {VOID}
    (result,) = said(house.log, Topic.INCIDENTS, ResultConfirmed)
    assert isinstance(result, ResultConfirmed)
    assert result.status == S.CANCELLED
    assert "beyond the time" in result.reason


@pytest.mark.parametrize("while_down", [False, True])
def test_a_restart_forgets_no_fixture_that_waits(while_down: bool) -> None:
    """The time is up after the restart, or while nobody was there."""
    house = House([announced(), postponed()])
    house.clock.run_until(KICK_OFF + HOUR)
    house.stop()
    if while_down:
        house.clock.run_until(LAST + HOUR)
        assert house.decided == []
    house.start()
    house.clock.run_until(LAST + HOUR + 1)
    assert set(house.held.values()) == {VOID}
    before = house.decided
    for _ in range(2):
        house.start()
    assert {msgspec.structs.replace(legs, at_ms=0) for legs in house.decided} == {
        msgspec.structs.replace(legs, at_ms=0) for legs in before
    }
    assert len(house.held) == 199


def test_a_restart_before_the_kick_off_in_time_does_no_harm() -> None:
    later = KICK_OFF + 20 * HOUR
    house = House([announced(), postponed(), announced(3, later, at_ms=KICK_OFF + HOUR), *match(4, later)])
    for at_ms in (KICK_OFF - 1, KICK_OFF + 1, KICK_OFF + 2 * HOUR, later + 1_500):
        house.clock.run_until(at_ms)
        house.start()
    house.clock.run_until(LAST + HOUR)
    assert (house["1x2/home"], house["total_goals@1.5/over"]) == (WON, WON)
    assert VOID not in {house["1x2/draw"], house["next_goal@3/none"]}


@pytest.mark.parametrize("restarts", [False, True])
def test_a_kick_off_in_time_that_is_told_too_late_takes_the_void_back(restarts: bool) -> None:
    """The provider was out of touch over the hour: bets were void by the clock, and open again."""
    house = House([announced(), postponed()])
    house.clock.run_until(LAST + HOUR)
    assert house["1x2/home"] == VOID
    if restarts:
        house.start()
    house.adapter.all += match(3, LAST - 1)
    house.start_feed()
    assert house["1x2/home"] == WON
    assert VOID not in {house["1x2/draw"], house["total_corners@9.5/under"]}


def test_a_kick_off_after_the_time_is_rejected() -> None:
    house = House(
        [announced(), postponed(), *match(3, LAST), Corrected(LAST, "F", 20, S.FINISHED, FootballState(), "?")]
    )
    house.clock.run_until(LAST + 2 * HOUR)
    assert set(house.held.values()) == {VOID}
    assert house.feed.rejected[0] == "F report 3: its match did not kick off in its time"
    assert len(house.feed.rejected) == house.feed.rejections == 9


@pytest.mark.parametrize(
    ("reports", "rejected"),
    [
        ([*match(2, KICK_OFF)[:2], postponed(4, KICK_OFF + 5_000)], "a match that has kicked off is not postponed"),
        ([*match(2, KICK_OFF)[:2], announced(4, LAST, at_ms=KICK_OFF + 5_000)], "is over or has kicked off"),
        ([Confirmed(KICK_OFF, "F", 2, S.LIVE)], "live is no ending"),
        ([Confirmed(KICK_OFF, "F", 2, S.UNKNOWN)], "unknown is no ending"),
        ([Confirmed(KICK_OFF, "F", 2, S.CANCELLED), Corrected(KICK_OFF, "F", 3, S.POSTPONED, FootballState(), "?")],
         "postponed is no ending"),
        ([postponed(), Corrected(KICK_OFF, "F", 3, S.FINISHED, FootballState(), "?")], "that was not confirmed"),
    ],
)  # fmt: skip
def test_what_cannot_be(reports: list[Report], rejected: str) -> None:
    house = House([announced(), *reports])
    house.clock.run_until(KICK_OFF + HOUR)
    assert len(house.feed.rejected) == 1
    assert rejected in house.feed.rejected[0]


@pytest.mark.parametrize("restarts", [False, True])
def test_what_was_abandoned_counts_after_all_and_then_does_not(restarts: bool) -> None:
    """Void at first; then the league lets the score stand; then it annuls the match."""
    cut = match(2, KICK_OFF)[:5]
    house = House([announced(), *cut, Confirmed(KICK_OFF + HOUR, "F", 7, S.ABANDONED, "floodlights")])
    house.clock.run_until(KICK_OFF + 2 * HOUR)
    found = [house[name] for name in ("total_goals@1.5/over", "1x2/home", "total_corners@9.5/under")]
    assert found == [WON, VOID, VOID]
    state = FootballState(Period.SECOND, home=Team(1, 1), order=("home", "home"))
    for seq, status, expected in ((8, S.SHORTENED, [WON, WON, VOID]), (9, S.CANCELLED, [VOID, VOID, VOID])):
        if restarts:
            house.start()
        house.adapter.all.append(Corrected(house.clock.now_ms(), "F", seq, status, state, "the league"))
        house.start_feed()
        found = [house[name] for name in ("total_goals@1.5/over", "1x2/home", "total_corners@9.5/under")]
        assert found == expected, status


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize(
    ("status", "state", "expected"),
    [
        (S.CANCELLED, FootballState(), (VOID, VOID, VOID)),
        (S.ABANDONED, FootballState(Period.FIRST), (VOID, VOID, VOID)),
        (S.FINISHED, FootballState(Period.OVER), (OUTCOMES[Result.LOST], WON, WON)),
    ],
)
def test_a_correction_that_knows_fewer_goals_settles_bets_on_them_anew(
    status: FixtureStatus, state: FootballState, expected: tuple[Outcome, ...], restarts: bool
) -> None:
    """Two goals, and a market on each; then none counts, and nobody is left paid for one."""
    house = House([announced(), *match(2, KICK_OFF)])
    house.clock.run_until(KICK_OFF + HOUR)
    names = ("next_goal@2/home", "next_goal@2/none", "next_goal@3/none")
    assert [house[name] for name in names] == [WON, OUTCOMES[Result.LOST], WON]
    if restarts:
        house.start()
    house.adapter.all.append(Corrected(house.clock.now_ms(), "F", 10, status, state, "the league"))
    house.start_feed()
    assert tuple(house[name] for name in names) == expected
    house.adapter.all.append(Corrected(house.clock.now_ms(), "F", 11, S.CANCELLED, FootballState(), "the league"))
    house.start_feed()
    assert {house[name] for name in names} == {VOID}


def test_the_tie_is_decided_after_the_shoot_out_and_the_rest_at_ninety_minutes() -> None:
    story = [I.KICK_OFF, I.HALF_TIME, I.SECOND_HALF, I.FULL_TIME, I.EXTRA_TIME, I.EXTRA_HALF_TIME, I.EXTRA_SECOND_HALF,
             I.EXTRA_FULL_TIME, I.SHOOT_OUT, I.SHOOT_OUT_SCORED, I.SHOOT_OUT_MISSED, I.OVER]  # fmt: skip
    sides = {I.SHOOT_OUT_SCORED: "away", I.SHOOT_OUT_MISSED: "home"}
    reports: list[Report] = [
        Reported(KICK_OFF + 1_000 * n, "F", 2 + n, type_, sides.get(type_), 0)  # type: ignore[arg-type]
        for n, type_ in enumerate(story)
    ]
    house = House([announced(knockout=True), *reports])
    house.clock.run_until(KICK_OFF + HOUR)
    versions = {decision.selection: legs.version for legs in house.decided for decision in legs.decisions}
    assert (versions["F:1x2/draw"], versions["F:to_qualify/away"]) == (5, 13)
    assert (house["1x2/draw"], house["to_qualify/away"], house["to_qualify/home"]) == (WON, WON, OUTCOMES[Result.LOST])


def test_decisions_are_provisional_until_the_provider_confirms_the_ending_and_are_not_said_twice() -> None:
    house = House([announced(), *match(2, KICK_OFF)])
    house.clock.run_until(KICK_OFF + HOUR)
    *provisional, confirmed = house.decided
    assert {legs.certainty for legs in provisional} == {Certainty.PROVISIONAL}
    assert sum(len(legs.decisions) for legs in provisional) == len(house.held) == 205
    assert (confirmed.version, confirmed.certainty, confirmed.decisions) == (9, Certainty.CONFIRMED, ())


def test_what_is_corrected_is_confirmed_anew() -> None:
    house = House(whole(Corrected(NOW + 60_000, "F", 8, S.FINISHED, FootballState(Period.OVER, order=("home",)), "?")))
    house.clock.run_until(NOW + 2 * 60_000)
    last = house.decided[-1]
    assert (last.version, last.certainty, bool(last.decisions)) == (8, Certainty.CONFIRMED, True)


def test_hearing_it_again_changes_nothing() -> None:
    """Old records once more, as a log may deliver them: a correction after them is still told whole."""
    back = [*match(2, KICK_OFF)[:5], Reported(KICK_OFF + 9_000, "F", 7, I.GOAL_CANCELLED, "home", 0),
            *(Reported(KICK_OFF + 10_000, "F", 8 + n, type_, None, 0) for n, type_ in enumerate((I.FULL_TIME, I.OVER))),
            Confirmed(KICK_OFF + 60_000, "F", 10, S.FINISHED)]  # fmt: skip
    house = House([announced(), *back, BetsVoided(KICK_OFF + 70_000, "F", 11, 1, 2, "known")])
    house.clock.run_until(KICK_OFF + HOUR)
    assert house["total_goals@1.5/over"] == OUTCOMES[Result.LOST]
    before = house.decided
    records = house.log.read(Topic.INCIDENTS, -1, 9_999)
    for count in (len(records), 8, 1):
        house.settlement.hear(records[:count])
        house.clock.run_for(1)
    assert house.decided == before
    two_nil = FootballState(Period.OVER, home=Team(1, 1), order=("home", "home"))
    house.log.append([Record(Topic.INCIDENTS, "F", encode(ResultConfirmed("F", 12, "told", S.FINISHED, two_nil, NOW)))])
    house.clock.run_for(1)
    assert house["total_goals@1.5/over"] == WON


def test_a_match_announced_before_the_restart_is_not_taken_for_one_of_which_nothing_is_decided() -> None:
    """A clock that runs ahead voids a match whose announcement the next process hears again: the kick-off must withdraw
    that."""
    house = House([])
    scheduled = FixtureScheduled("F", 1, "told", "football", "cup", "a", "b", KICK_OFF, NOW, Strengths(1.0, 1.0))
    house.stop()
    house.log.append([Record(Topic.INCIDENTS, "F", encode(scheduled))])
    house.start()
    kicked_off = Incident("F", 2, "told", I.KICK_OFF, None, 0, FootballState(period=Period.FIRST), KICK_OFF)
    window = WindowVoided("F", 3, "told", 1, 2, "known", NOW)
    house.log.append([Record(Topic.INCIDENTS, "F", encode(message)) for message in (kicked_off, window)])
    house.clock.run_for(1)
    (legs,) = house.decided
    assert len(legs.decisions) == 199
    assert {decision.outcome for decision in legs.decisions} == {None}
