"""Provider: the matches of a simulated world, and how their provider tells of them: late, twice, or wrong.

Owns the truth: what each match really came to. Says an adapter's reports, of which some cannot be.
"""

import heapq
import random
from collections.abc import Collection, Iterator
from typing import Final

import msgspec

from matchday.feeds.simulated_play import Half, play
from matchday.model.football import GOALS, RUNNING, FootballState, IncidentError, IncidentType, Side, advance
from matchday.model.messages import FixtureStatus, Strengths
from matchday.model.reports import Announced, BetsVoided, Confirmed, Corrected, Report, Reported
from matchday.sim.clock import VirtualClock
from matchday.sim.faults import Fault, Faults

ANNOUNCED_MS: Final = 1_200_000
"""Milliseconds before kick-off at which a match is announced."""
CONFIRM_MS: Final = 120_000
_HALF_TIME_S: Final = 900
_SILENCE_MS: Final = (15_000, 240_000)
_BEGINS: Final = (IncidentType.KICK_OFF, IncidentType.SECOND_HALF)
_ENDS: Final = (IncidentType.HALF_TIME, IncidentType.FULL_TIME)


class Truth(msgspec.Struct):
    """What a match really came to."""

    fixture: str
    kickoff_ms: int
    status: FixtureStatus
    state: FootballState
    windows: list[tuple[int, int]]
    """(from, until): bets placed on it then are void."""
    over_ms: int
    """When the provider has said all."""


class Provider:
    """Seeded matches as an adapter."""

    name = "provider"

    def __init__(self, clock: VirtualClock, faults: Faults, matches: int) -> None:
        self._clock, self._faults = clock, faults
        self.truths: dict[str, Truth] = {}
        self._reports: dict[str, list[Report]] = {}
        self.goals: list[tuple[int, str]] = []
        """(when it is told, fixture) of every goal."""
        self.silences = self._silences(clock.now_ms(), 3 * 3_600_000)
        """(from, until) during which nothing comes."""
        chance = clock.random("matches")
        first = clock.now_ms() + ANNOUNCED_MS
        for number in range(matches):
            kickoff = first + chance.randrange(0, 40) * 60_000
            self._make(f"M{number}", kickoff, clock.random(f"match-{number}"))

    @property
    def over_ms(self) -> int:
        """When everything has been said."""
        return max(truth.over_ms for truth in self.truths.values())

    def knows(self, fixture: str) -> bool:
        """See ``Adapter.knows``."""
        return fixture in self.truths

    def in_touch(self, now_ms: int) -> bool:
        """See ``Adapter.in_touch``."""
        return not any(since <= now_ms < until for since, until in self.silences)

    def reports(self, now_ms: int, known: Collection[str]) -> Iterator[Report]:
        """See ``Adapter.reports``."""
        told = [
            reports
            for fixture, reports in self._reports.items()
            if fixture in known or self.truths[fixture].over_ms > now_ms
        ]
        return heapq.merge(*told, key=lambda report: report.at_ms)

    # --- making -------------------------------------------------------------------------------------------------------

    def _silences(self, now: int, lasts_ms: int) -> list[tuple[int, int]]:
        chance, found, at = self._faults.stream(Fault.FEED_SILENCE), [], now
        while (at := at + chance.randrange(60_000, 3_600_000)) < now + lasts_ms:
            until = at + chance.randint(*_SILENCE_MS)
            if self._faults.happens(Fault.FEED_SILENCE, 0.7):
                found.append((at, until))
            at = until
        return found

    def _make(self, fixture: str, kickoff: int, chance: random.Random) -> None:
        strengths = Strengths(chance.uniform(0.6, 2.4), chance.uniform(0.5, 2.0), chance.uniform(-0.1, 0.05), "sim")
        fate = chance.choices((FixtureStatus.FINISHED, FixtureStatus.ABANDONED, FixtureStatus.POSTPONED), (88, 7, 5))[0]
        reports: list[Report] = [Announced(
            kickoff - ANNOUNCED_MS, fixture, 1, "Simulated cup", f"{fixture} United", f"{fixture} City", kickoff,
            strengths, "simulation",
        )]  # fmt: skip
        state, end = FootballState(), kickoff
        if fate != FixtureStatus.POSTPONED:
            moments = self._reviewed(_moments(play(strengths, chance)))
            if fate == FixtureStatus.ABANDONED:
                moments = moments[: chance.randrange(2, len(moments) - 2)]
            for seconds, type_, side, clock_s in moments:
                state = advance(state, type_, side, clock_s)
                end = kickoff + seconds * 1000
                reports.append(Reported(end, fixture, len(reports) + 1, type_, side, clock_s))
        end += CONFIRM_MS
        reports.append(Confirmed(end, fixture, len(reports) + 1, fate, "" if fate == FixtureStatus.FINISHED else "sim"))
        if self._faults.happens(Fault.RESULT_CORRECTED, 0.5):
            fate, state = self._corrected(reports, fate, state)
        windows = self._windows(reports)
        told = sorted((self._late(report) for report in self._spoiled(reports)), key=lambda report: report.at_ms)
        self._reports[fixture] = told
        self.goals += [(self._late(r).at_ms, fixture) for r in reports if isinstance(r, Reported) and r.type in GOALS]
        self.truths[fixture] = Truth(fixture, kickoff, fate, state, windows, told[-1].at_ms)

    def _reviewed(
        self, moments: list[tuple[int, IncidentType, Side | None, int]]
    ) -> list[tuple[int, IncidentType, Side | None, int]]:
        """The same with goals that the referee takes back after a look at the screen."""
        chance, found = self._faults.stream(Fault.GOAL_CANCELLED), list(moments)
        for seconds, type_, side, clock_s in moments:
            if type_ in GOALS and self._faults.happens(Fault.GOAL_CANCELLED, 0.15):
                look_s = chance.randrange(20, 200)
                found.append((seconds + look_s, IncidentType.GOAL_CANCELLED, side, clock_s + look_s))
        found.sort(key=lambda moment: moment[0])
        state, kept = FootballState(), []
        for moment in found:
            cancels = moment[1] == IncidentType.GOAL_CANCELLED
            if cancels and state.period not in RUNNING:
                continue  # the whistle came first
            state = advance(state, *moment[1:])
            kept.append(moment)
        return kept

    def _corrected(
        self, reports: list[Report], fate: FixtureStatus, state: FootballState
    ) -> tuple[FixtureStatus, FootballState]:
        """Hours or minutes later the result is another one."""
        chance = self._faults.stream(Fault.RESULT_CORRECTED)
        at_ms = reports[-1].at_ms + chance.randrange(30_000, 1_200_000)
        if fate == FixtureStatus.FINISHED:
            home = msgspec.structs.replace(
                state.home, second_half=max(0, state.home.second_half + chance.choice((1, -1)))
            )
            scorers = ("home",) * home.regular + ("away",) * state.away.regular
            state = msgspec.structs.replace(state, home=home, order=scorers)
        elif fate == FixtureStatus.ABANDONED:
            fate = FixtureStatus.POSTPONED
        first = reports[0]
        reports.append(Corrected(at_ms, first.fixture, len(reports) + 1, fate, state, "the referee's report"))
        return fate, state

    def _windows(self, reports: list[Report]) -> list[tuple[int, int]]:
        """Bets placed shortly before some goals were told are void, as it was known by then."""
        chance, found = self._faults.stream(Fault.VOID_WINDOW), []
        for report in tuple(reports):
            if isinstance(report, Reported) and report.type in GOALS and self._faults.happens(Fault.VOID_WINDOW, 0.15):
                window = (report.at_ms - chance.randrange(1_000, 120_000), report.at_ms)
                at_ms = report.at_ms + chance.choice((5_000, 300_000, 7_200_000))
                found.append(window)
                reports.append(BetsVoided(at_ms, report.fixture, 0, *window, "the goal was known"))
        # Numbers follow the order in which things are told.
        numbered = sorted(reports, key=lambda report: report.at_ms)
        reports[:] = [msgspec.structs.replace(report, seq=seq) for seq, report in enumerate(numbered, 1)]
        return found

    def _late(self, report: Report) -> Report:
        """What happens in a silence is told when it ends."""
        for since, until in self.silences:
            if since <= report.at_ms < until:
                return msgspec.structs.replace(report, at_ms=until)
        return report

    def _spoiled(self, reports: list[Report]) -> list[Report]:
        """The same with what a provider says twice, or cannot mean."""
        chance, found, state = self._faults.stream(Fault.FEED_CONTRADICTS), [], FootballState()
        for report in reports:
            found.append(report)
            if isinstance(report, Reported):
                state = advance(state, report.type, report.side, report.clock_s)
            if self._faults.happens(Fault.FEED_REPEATS, 0.05):
                found.append(msgspec.structs.replace(report, at_ms=report.at_ms + chance.randrange(0, 90_000)))
            if isinstance(report, Reported) and self._faults.happens(Fault.FEED_CONTRADICTS, 0.03):
                found.append(_contradiction(report, state, chance))
        return found


def _moments(halves: tuple[Half, Half]) -> list[tuple[int, IncidentType, Side | None, int]]:
    """(seconds since kick-off, type, side, seconds into the half) of a whole match."""
    found: list[tuple[int, IncidentType, Side | None, int]] = []
    start_s = 0
    for half, begins, ends in zip(halves, _BEGINS, _ENDS, strict=True):
        found.append((start_s, begins, None, 0))
        found += [(start_s + second, type_, side, second) for second, type_, side in half.moments]
        found.append((start_s + half.length_s, ends, None, half.length_s))
        start_s += half.length_s + _HALF_TIME_S
    found.append((start_s - _HALF_TIME_S, IncidentType.OVER, None, halves[1].length_s))
    return found


def _contradiction(report: Reported, state: FootballState, chance: random.Random) -> Report:
    """Another thing under the same number, or one under the next number that cannot follow."""
    at_ms = report.at_ms + chance.randrange(0, 5_000)
    if chance.random() < 0.5:
        return msgspec.structs.replace(report, at_ms=at_ms, type=IncidentType.GOAL, side="away")
    for type_ in (IncidentType.KICK_OFF, IncidentType.SHOOT_OUT_SCORED, IncidentType.EXTRA_HALF_TIME):
        try:
            advance(state, type_, "home", 0)
        except IncidentError:
            return Reported(at_ms, report.fixture, report.seq + 1, type_, "home", 0)
    raise AssertionError(state)
