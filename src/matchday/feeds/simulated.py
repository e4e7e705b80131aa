"""The simulated league: always on, a pure function of seed, speed and absolute time.

Kick-offs stand on a fixed grid, ten lanes deep: at any moment at least eight matches are live, and the next ones are
announced. Every match follows from seed and slot alone: a restart with the same words takes up the same matches.

Goals follow the share of goals still to come by minute that the prices use (``pricing/football.py``, which has its
sources), with the same effect of sendings-off; cards, corners and stoppage times are typical of a European league.
"""

import heapq
import random
from collections.abc import Collection, Iterator
from itertools import count
from typing import Final

from matchday.model.football import IncidentType, Period, Side
from matchday.model.messages import FixtureStatus, Strengths
from matchday.model.reports import Announced, Confirmed, Report, Reported
from matchday.pricing.football import PENALTY_SCORED, RED_OTHER, RED_OWN, share_to_come

INTERVAL_MS: Final = 600_000
"""Match milliseconds between two kick-offs."""
ANNOUNCE_SLOTS: Final = 6
"""Matches announced before their kick-off."""
LASTS_SLOTS: Final = 13
"""Slots after which a match is certainly over and confirmed (130 minutes)."""
DIVISIONS: Final = (
    (
        "Ashford Rovers", "Blackmere", "Carrow Vale", "Dunmarsh Town", "Eastholm", "Fernbridge", "Garrick Athletic",
        "Harrowgate", "Inverlea", "Kestrel Park", "Langdon City", "Millbrook", "Northwick", "Oakhampton", "Pellworth",
        "Quayside", "Ravensford", "Stonebury", "Thornaby United", "Upper Wexham", "Valemouth", "Westerby",
        "Yarrowfield", "Zealand Street",
    ),
    (
        "Alderby", "Brackenholt", "Cranmoor", "Dovestone", "Elmhurst Vale", "Foxcombe", "Glenarrow", "Hexley Bridge",
        "Ironbrook", "Jarrow Cross", "Kingsmere", "Lowfield", "Marlpit Wanderers", "Netherby", "Orchard End",
        "Pennistone", "Queensferry Town", "Rushworth", "Saltmarsh", "Tarnside", "Underhill", "Vicarage Lane",
        "Whitestock", "Yewdale",
    ),
)  # fmt: skip
"""Invented. The divisions take turns by rounds of twelve slots, so that no club plays two matches at once."""
CLUBS: Final = DIVISIONS[0] + DIVISIONS[1]
HOME: Final = 1.15
AWAY: Final = 0.87
_MEAN: Final = 1.35
"""Goals of an average side; HOME and AWAY multiply it."""
_CORNERS, _YELLOWS, _REDS = 5.0, 1.8, 0.06
"""Of one side in a match: typical of European leagues."""
_FROM_PENALTY: Final = 0.1
"""Of ten chances that would be goals, one is a penalty; those missed are made up for by the others."""
_PENALTY_WAIT_S: Final = (45, 90)
_BROKEN: Final = 400
"""One match in so many is abandoned, and one in so many postponed."""
_HALF_S: Final = 2700
_ROUND: Final = len(DIVISIONS[0]) // 2

_Moment = tuple[int, int, IncidentType, Side | None]
"""(half 0 or 1, second in it, type, side)"""


class SimulatedLeague:
    """The league as an adapter."""

    def __init__(self, seed: int, speed: float = 1.0) -> None:
        self._seed = seed
        self._speed = speed
        self._slot_ms = max(1, round(INTERVAL_MS / speed))
        self.name = f"simulated-{seed}x{speed:g}"
        chance = random.Random(f"{seed}/league")
        self._strength = {club: (chance.uniform(0.7, 1.4), chance.uniform(0.75, 1.3)) for club in CLUBS}
        """Club -> (attack, the goals it lets in), both around 1."""

    def knows(self, fixture: str) -> bool:
        """See ``Adapter.knows``."""
        return fixture.startswith(f"{self.name}-") and fixture.rpartition("-")[2].isdecimal()

    def reports(self, now_ms: int, unfinished: Collection[str]) -> Iterator[Report]:
        """See ``Adapter.reports``: endless."""
        slot = now_ms // self._slot_ms
        first = slot - LASTS_SLOTS
        known = {int(fixture.rpartition("-")[2]) for fixture in unfinished if self.knows(fixture)}
        waiting: list[tuple[int, int, Iterator[Report], Report]] = []
        for slot in sorted(known | set(range(first, first + LASTS_SLOTS + ANNOUNCE_SLOTS + 1))):
            matches = self.match(slot)
            report = next(matches)
            over = slot + LASTS_SLOTS < now_ms // self._slot_ms
            if slot in known or not over:
                heapq.heappush(waiting, (report.at_ms, slot, matches, report))
        for following in count(slot + 1):
            matches = self.match(following)
            report = next(matches)
            while waiting and waiting[0][0] <= report.at_ms:
                _, slot, current, due = heapq.heappop(waiting)
                yield due
                if (after := next(current, None)) is not None:
                    heapq.heappush(waiting, (after.at_ms, slot, current, after))
            heapq.heappush(waiting, (report.at_ms, following, matches, report))

    def match(self, slot: int) -> Iterator[Report]:
        """Everything that is reported of one match."""
        fixture = f"{self.name}-{slot}"
        chance = random.Random(f"{self._seed}/{self._speed:g}/{slot}")
        kickoff = slot * self._slot_ms
        home, away = self._pair(slot)
        strengths = self._rates(home, away)
        announced = kickoff - ANNOUNCE_SLOTS * self._slot_ms
        yield Announced(announced, fixture, 1, "Simulated league", home, away, kickoff, strengths, "simulated")
        fate = chance.randrange(_BROKEN)
        if fate == 0:
            yield Confirmed(kickoff, fixture, 2, FixtureStatus.POSTPONED, "waterlogged pitch")
            return
        stop_s = chance.randrange(600, 5_000) if fate == 1 else None
        moments = sorted(self._play(strengths, chance))
        seq = 2
        at_s = 0
        for half, begins in ((0, IncidentType.KICK_OFF), (1, IncidentType.SECOND_HALF)):
            length = _HALF_S + chance.randrange(*((30, 240), (120, 420))[half])
            start_s = at_s
            yield Reported(self._at(kickoff, start_s), fixture, seq, begins, None, 0)
            for _, second, type_, side in (moment for moment in moments if moment[0] == half):
                if stop_s is not None and start_s + second >= stop_s:
                    yield Confirmed(self._at(kickoff, stop_s), fixture, seq + 1, FixtureStatus.ABANDONED, "floodlights")
                    return
                seq += 1
                yield Reported(
                    self._at(kickoff, start_s + min(second, length)), fixture, seq, type_, side, min(second, length)
                )
            seq += 1
            whistle = (IncidentType.HALF_TIME, IncidentType.FULL_TIME)[half]
            yield Reported(self._at(kickoff, start_s + length), fixture, seq, whistle, None, length)
            seq += 1
            at_s = start_s + length + 900
        yield Reported(self._at(kickoff, at_s - 900), fixture, seq, IncidentType.OVER, None, 0)
        yield Confirmed(self._at(kickoff, at_s - 900 + 120), fixture, seq + 1, FixtureStatus.FINISHED)

    def _at(self, kickoff: int, second: int) -> int:
        return kickoff + round(second * 1000 / self._speed)

    def _pair(self, slot: int) -> tuple[str, str]:
        """A rota: within a round of twelve matches every club plays once, so that nobody plays two at a time."""
        turn, place = divmod(slot, _ROUND)
        # The circle method: one club stays, the others move on by one each round.
        clubs = DIVISIONS[turn % 2]
        others = clubs[1:]
        shift = turn // 2 % len(others)
        circle = (clubs[0], *others[shift:], *others[:shift])
        pair = (circle[place], circle[-1 - place])
        return pair if (turn + place) % 2 else (pair[1], pair[0])

    def _rates(self, home: str, away: str) -> Strengths:
        attack, leaks = self._strength[home]
        attack_away, leaks_away = self._strength[away]
        return Strengths(_MEAN * HOME * attack * leaks_away, _MEAN * AWAY * attack_away * leaks, 0.0, "league")

    def _play(self, strengths: Strengths, chance: random.Random) -> list[_Moment]:
        """Everything that happens in both halves; goals are thinned where sendings-off change the rates."""
        moments: list[_Moment] = []
        reds: dict[Side, list[tuple[int, int]]] = {"home": [], "away": []}
        sides: tuple[Side, Side] = ("home", "away")
        for side in sides:
            moments += self._cards(side, chance, reds)
            moments += [(*_even(chance), IncidentType.CORNER, side) for _ in range(_count(_CORNERS, chance))]
        for side, rate in zip(sides, (strengths.home_rate, strengths.away_rate), strict=True):
            other: Side = "away" if side == "home" else "home"
            for _ in range(_count(rate * RED_OTHER**2 / (1 - _FROM_PENALTY * (1 - PENALTY_SCORED)), chance)):
                at = _goal_time(chance)
                factor = RED_OWN ** sum(red < at for red in reds[side]) * RED_OTHER ** sum(
                    red < at for red in reds[other]
                )
                if chance.random() < factor / RED_OTHER**2:
                    moments += self._goal(side, at, chance)
        return moments

    def _cards(self, side: Side, chance: random.Random, reds: dict[Side, list[tuple[int, int]]]) -> list[_Moment]:
        moments: list[_Moment] = [
            (*_even(chance), IncidentType.YELLOW_CARD, side) for _ in range(_count(_YELLOWS, chance))
        ]
        for _ in range(min(2, _count(_REDS, chance))):
            at = _even(chance)
            reds[side].append(at)
            booked = any(moment[:2] < at for moment in moments)
            moments.append((*at, IncidentType.SECOND_YELLOW_CARD if booked else IncidentType.RED_CARD, side))
        return moments

    def _goal(self, side: Side, at: tuple[int, int], chance: random.Random) -> list[_Moment]:
        """A goal from play, an own goal, or a penalty; beside penalties that are scored stand those that are missed."""
        half, second = at
        kind = chance.random()
        if kind < _FROM_PENALTY and second > _PENALTY_WAIT_S[1]:
            wait = chance.randrange(*_PENALTY_WAIT_S)
            awarded: _Moment = (half, second - wait, IncidentType.PENALTY_AWARDED, side)
            if chance.random() < PENALTY_SCORED:
                return [awarded, (half, second, IncidentType.PENALTY_SCORED, side)]
            return [awarded, (half, second, IncidentType.PENALTY_MISSED, side)]
        return [(half, second, IncidentType.OWN_GOAL if kind > 0.97 else IncidentType.GOAL, side)]


def _count(mean: float, chance: random.Random) -> int:
    """Poisson: arrivals of rate 1 within ``mean``."""
    arrivals, at = 0, chance.expovariate(1.0)
    while at < mean:
        arrivals, at = arrivals + 1, at + chance.expovariate(1.0)
    return arrivals


def _even(chance: random.Random) -> tuple[int, int]:
    return chance.randrange(2), chance.randrange(_HALF_S)


def _goal_time(chance: random.Random) -> tuple[int, int]:
    """When a goal falls: the inverse of the share still to come, by bisection over both halves and their stoppage."""
    share = chance.random()
    half = 0 if share > share_to_come(Period.HALF_TIME, 0) else 1
    period = (Period.FIRST, Period.SECOND)[half]
    low, high = 0, _HALF_S + 400
    while low < high:
        middle = (low + high) // 2
        if share_to_come(period, middle) > share:
            low = middle + 1
        else:
            high = middle
    return half, low
