"""A whole simulated match, whistles and pauses included; of a cup tie also what follows a draw.

Owns the laws of extra time and of the shoot-out, as the prices have them (``pricing.to_come.EXTRA_TIME``,
``pricing.tie``): goals fall evenly over extra time at the rates that sendings-off have left; a kick is scored as often
as a penalty in play; best of five, which ends as soon as one side cannot be caught, then kick for kick. The halves of
regular time: ``simulated_play``. Never knows the time of day, the calendar or the clubs.
"""

import random
from collections.abc import Iterable
from typing import Final

from matchday.feeds.simulated_play import Half, Moment, play
from matchday.model.football import FootballState, IncidentType, Side, advance
from matchday.model.messages import Strengths
from matchday.pricing.to_come import EXTRA_TIME, PENALTY_SCORED, RED_OTHER, RED_OWN

HALF_TIME_S: Final = 900
BEFORE_EXTRA_TIME_S: Final = 300
BETWEEN_EXTRA_HALVES_S: Final = 120
BEFORE_SHOOT_OUT_S: Final = 300
EXTRA_HALF_S: Final = 900
EXTRA_STOPPAGE_S: Final = (20, 120)
"""Least and most of each half of extra time."""
KICK_S: Final = (40, 60)
"""Seconds from one kick of a shoot-out to the next."""
KICKS: Final = 5
"""Of each side, before it goes kick for kick."""
KICKS_MAX: Final = 40
"""Of both sides; the last is scored where the one before was missed, and missed where it was scored."""
_SIDES: Final[tuple[Side, Side]] = ("home", "away")

Said = tuple[int, IncidentType, Side | None, int]
"""(seconds since kick-off, type, side, seconds into the period)"""


def regular_time(strengths: Strengths, chance: random.Random) -> list[Said]:
    """What happens until the whistle that ends regular time."""
    match = _Match(knockout=False)
    first, second = play(strengths, chance)
    match.period(0, IncidentType.KICK_OFF, first.moments, first.length_s, IncidentType.HALF_TIME)
    match.period(HALF_TIME_S, IncidentType.SECOND_HALF, second.moments, second.length_s, IncidentType.FULL_TIME)
    return match.said


def to_the_end(played: Iterable[Said], strengths: Strengths, chance: random.Random, *, knockout: bool) -> list[Said]:
    """The same with what follows until nothing more is played: where a knock-out match is drawn, extra time; where that
    is drawn too, a shoot-out."""
    match = _Match(knockout)
    for moment in played:
        match.say(*moment)
    if not match.state.all_over:
        first, second = extra_time(strengths, match.state, chance)
        begins = IncidentType.EXTRA_TIME, IncidentType.EXTRA_SECOND_HALF
        ends = IncidentType.EXTRA_HALF_TIME, IncidentType.EXTRA_FULL_TIME
        match.period(BEFORE_EXTRA_TIME_S, begins[0], first.moments, first.length_s, ends[0])
        match.period(BETWEEN_EXTRA_HALVES_S, begins[1], second.moments, second.length_s, ends[1])
    if not match.state.all_over:
        kicks = shoot_out(chance)
        match.period(BEFORE_SHOOT_OUT_S, IncidentType.SHOOT_OUT, kicks, kicks[-1][0], None)
    match.say(match.end_s, IncidentType.OVER, None, match.said[-1][3])
    return match.said


class _Match:
    """A match as it is put together."""

    def __init__(self, knockout: bool) -> None:
        self.said: list[Said] = []
        self.state = FootballState(knockout=knockout)

    @property
    def end_s(self) -> int:
        """Seconds since kick-off until now."""
        return self.said[-1][0] if self.said else 0

    def say(self, second: int, type_: IncidentType, side: Side | None, clock_s: int) -> None:
        self.said.append((second, type_, side, clock_s))
        self.state = advance(self.state, type_, side, clock_s)

    def period(
        self, pause_s: int, begins: IncidentType, played: Iterable[Moment], length_s: int, ends: IncidentType | None
    ) -> None:
        begin_s = self.end_s + pause_s
        self.say(begin_s, begins, None, 0)
        for second, type_, side in played:
            self.say(begin_s + second, type_, side, second)
        if ends is not None:
            self.say(begin_s + length_s, ends, None, length_s)


def extra_time(strengths: Strengths, state: FootballState, chance: random.Random) -> tuple[Half, Half]:
    """Both halves of extra time after a draw. Nothing is told of them but goals."""
    off = state.home.red, state.away.red
    rates = (
        strengths.home_rate * RED_OWN ** off[0] * RED_OTHER ** off[1],
        strengths.away_rate * RED_OWN ** off[1] * RED_OTHER ** off[0],
    )
    first, second = (_half(rates, chance) for _ in range(2))
    return first, second


def _half(rates: tuple[float, float], chance: random.Random) -> Half:
    length_s = EXTRA_HALF_S + chance.randint(*EXTRA_STOPPAGE_S)
    goals: list[Moment] = []
    for side, rate in zip(_SIDES, rates, strict=True):
        at = chance.expovariate(rate * EXTRA_TIME / 2)
        while at < 1:
            goals.append((round(at * length_s), IncidentType.GOAL, side))
            at += chance.expovariate(rate * EXTRA_TIME / 2)
    return Half(length_s, sorted(goals))


def shoot_out(chance: random.Random) -> list[Moment]:
    """Every kick, in turn, until one side has won."""
    scored, taken = [0, 0], [0, 0]
    kicks: list[Moment] = []
    second = 0
    while not _won(scored, taken):
        turn = len(kicks) % 2
        hit = chance.random() < PENALTY_SCORED
        if len(kicks) == KICKS_MAX - 1:
            hit = kicks[-1][1] == IncidentType.SHOOT_OUT_MISSED
        scored[turn], taken[turn] = scored[turn] + hit, taken[turn] + 1
        second += chance.randint(*KICK_S)
        type_ = IncidentType.SHOOT_OUT_SCORED if hit else IncidentType.SHOOT_OUT_MISSED
        kicks.append((second, type_, _SIDES[turn]))
    return kicks


def _won(scored: list[int], taken: list[int]) -> bool:
    """Whether one side cannot be caught with the kicks that are left."""
    kicks = max(KICKS, *taken)
    return any(scored[side] > scored[1 - side] + kicks - taken[1 - side] for side in range(2))
