"""Provider: the matches of a simulated world, and how their provider tells of them: late, twice, or wrong.

Owns the truth: what each match really came to. Says an adapter's reports, of which some cannot be.
"""

import heapq
import random
from collections.abc import Collection, Iterator
from typing import Final

import msgspec

from matchday.feeds.simulated_match import Said, regular_time, to_the_end
from matchday.model.football import GOALS, RUNNING, FootballState, IncidentError, IncidentType, advance
from matchday.model.messages import FixtureStatus, Strengths
from matchday.model.reports import Announced, BetsVoided, Confirmed, Corrected, Report, Reported
from matchday.sim.clock import VirtualClock
from matchday.sim.faults import Fault, Faults

ANNOUNCED_MS: Final = 1_200_000
"""Milliseconds before kick-off at which a match is announced."""
CONFIRM_MS: Final = 120_000
STAND_MS: Final = 10_800_000
"""Milliseconds after its first announced start in which a match may kick off with bets on it standing: three hours, so
that a world need not last two days, yet more than any clock jumps."""
_TIES: Final = 0.25
"""Share of matches that must have a winner."""
_FATES: Final = {
    FixtureStatus.FINISHED: 80, FixtureStatus.ABANDONED: 4, FixtureStatus.SHORTENED: 5, FixtureStatus.AWARDED: 4,
    FixtureStatus.CANCELLED: 2, FixtureStatus.POSTPONED: 5,
}  # fmt: skip
_SILENCE_MS: Final = (15_000, 240_000)


class Truth(msgspec.Struct):
    """What a match really came to."""

    fixture: str
    kickoff_ms: int
    status: FixtureStatus
    """How it ended: a postponed match was finished or cancelled in the end."""
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
        fate = chance.choices(tuple(_FATES), tuple(_FATES.values()))[0]
        knockout = self._clock.random(f"tie-{fixture}").random() < _TIES
        announced = Announced(
            kickoff - ANNOUNCED_MS, fixture, 1, "Simulated cup", f"{fixture} United", f"{fixture} City", kickoff,
            strengths, "simulation", knockout,
        )  # fmt: skip
        reports: list[Report] = [announced]
        own = self._clock.random(f"ending-{fixture}")
        if fate == FixtureStatus.POSTPONED:
            fate, kickoff = self._put_off(reports, announced, own)
        elif fate == FixtureStatus.CANCELLED:
            reports.append(Confirmed(kickoff, fixture, 2, fate, "sim"))
        state = FootballState(knockout=knockout)
        if fate != FixtureStatus.CANCELLED:
            walkover = fate == FixtureStatus.AWARDED and own.random() < 0.5
            for moment in () if walkover else self._moments(fate, strengths, chance, knockout):
                seconds, type_, side, clock_s = moment
                state = advance(state, type_, side, clock_s)
                reports.append(Reported(kickoff + seconds * 1000, fixture, len(reports) + 1, type_, side, clock_s))
            self._end(reports, fate, state, kickoff, own)
        if self._faults.happens(Fault.RESULT_CORRECTED, 0.5):
            fate, state = self._corrected(reports, fate, state)
        windows = self._windows(reports)
        told = sorted((self._late(report) for report in self._spoiled(reports)), key=lambda report: report.at_ms)
        self._reports[fixture] = told
        self.goals += [(self._late(r).at_ms, fixture) for r in reports if isinstance(r, Reported) and r.type in GOALS]
        over_ms = max(told[-1].at_ms, announced.kickoff_ms + STAND_MS if fate == FixtureStatus.CANCELLED else 0)
        self.truths[fixture] = Truth(fixture, kickoff, fate, state, windows, over_ms)

    def _put_off(self, reports: list[Report], announced: Announced, chance: random.Random) -> tuple[FixtureStatus, int]:
        """A postponed match: played a little later, called off, put off for too long, or never heard of again."""
        kickoff, fixture = announced.kickoff_ms, announced.fixture
        reports.append(Confirmed(kickoff, fixture, 2, FixtureStatus.POSTPONED, "sim"))
        told = kickoff + chance.randrange(10_000, 300_000)
        what = chance.choice(("played", "played", "called off", "put off", "silence"))
        if what == "called off":
            reports.append(Confirmed(told, fixture, 3, FixtureStatus.CANCELLED, "sim"))
        elif what != "silence":
            later = kickoff + (chance.randrange(400_000, 900_000) if what == "played" else STAND_MS + 3_600_000)
            reports.append(msgspec.structs.replace(announced, at_ms=told, seq=3, kickoff_ms=later))
            if what == "played":
                return FixtureStatus.FINISHED, later
        return FixtureStatus.CANCELLED, kickoff

    def _moments(self, fate: FixtureStatus, strengths: Strengths, chance: random.Random, knockout: bool) -> list[Said]:
        """What happens on the pitch, to the end or until it is stopped."""
        played = self._reviewed(regular_time(strengths, chance))
        played = to_the_end(played, strengths, chance, knockout=knockout)
        return played if fate == FixtureStatus.FINISHED else played[: chance.randrange(2, len(played) - 2)]

    def _end(
        self, reports: list[Report], fate: FixtureStatus, state: FootballState, kickoff: int, chance: random.Random
    ) -> None:
        """The provider stands by how it ended; that what was abandoned counts may be said only later."""
        fixture, end = reports[0].fixture, max(kickoff, reports[-1].at_ms) + CONFIRM_MS
        reason = "" if fate == FixtureStatus.FINISHED else "sim"
        if fate == FixtureStatus.SHORTENED and chance.random() < 0.5:
            reports.append(Confirmed(end, fixture, len(reports) + 1, FixtureStatus.ABANDONED, reason))
            end += chance.randrange(30_000, 1_200_000)
            reports.append(Corrected(end, fixture, len(reports) + 1, fate, state, reason))
        else:
            reports.append(Confirmed(end, fixture, len(reports) + 1, fate, reason))

    def _reviewed(self, moments: list[Said]) -> list[Said]:
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
        elif fate in (FixtureStatus.ABANDONED, FixtureStatus.SHORTENED):
            fate = FixtureStatus.CANCELLED  # annulled
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
