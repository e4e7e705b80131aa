"""What is still to come of a match: the clock's share of it, and the probabilities of how much it will be.

The goals still to come of each side are Poisson with

    rate x share of goals still to come x red-card multipliers

The share is empirical and knows stoppage time: (90 - t) / 90 leaves nothing at 90:00, though 7 % of goals come later
(sportsbook rules §5.1: 0.197 goals a match in 4,180 matches; log-loss at 89' falls by a third with that share). Low
scores are correlated by Dixon and Coles' rho, scaled by the same share. Given the goals still to come of a side, each
falls in the first half with one probability, so that half-time and full time come from one grid.

Extra time is 30 more minutes of the same rates: a third of what 90 have. It is not part of the share of regular time.

Corners and cards are Poisson with rates and shares of their own, the same for every match: nothing we know before
kick-off tells matches apart.
"""

from math import exp
from typing import Final, NamedTuple

import numpy as np

from matchday.model.football import FootballState, Period
from matchday.model.messages import Strengths
from matchday.pricing.overround import Floats

GOALS_MAX: Final = 10
"""Goals of one side still to come that the grid holds; the rest (under 1e-4 at 4 expected goals) is spread over it."""
COUNT_MAX: Final = 30
"""The same of corners and of cards."""


class Course(NamedTuple):
    """How something that happens in a match is spread over it, as shares of what a match has."""

    first_half: float
    """The first half, its stoppage time included."""
    first_stoppage: float
    """After 45:00 of the first half."""
    second_stoppage: float
    """After 90:00."""
    rise: float
    """Through each half: the rate is this share below its mean at the start and as much above at the end."""


GOALS: Final = Course(first_half=0.44, first_stoppage=0.025, second_stoppage=0.073, rise=0.1)
"""EPL 2009/10: 56 % fall in the second half; 0.197 of 2.7 goals after 90:00."""
CORNERS: Final = Course(first_half=0.47, first_stoppage=0.025, second_stoppage=0.06, rise=0.05)
"""No source found: as good as even over the time played, 47 of 97 minutes in the first half."""
CARDS: Final = Course(first_half=0.35, first_stoppage=0.025, second_stoppage=0.11, rise=0.3)
"""No source found: typical of European leagues, where two cards in three are shown after half-time."""
CORNERS_MEAN: Final = 10.0
CARDS_MEAN: Final = 4.0
"""Of both sides in a match: typical of European leagues."""

STOPPAGE_TAU_S: Final = {Period.FIRST: 90.0, Period.SECOND: 210.0}
"""Seconds in which the share left in stoppage time falls to 1/e: it never reaches 0 before the whistle."""
EXTRA_TIME: Final = 1 / 3
"""Goals of extra time as a share of those of regular time: 30 minutes to 90. No source found for how rates change."""
EXTRA_STOPPAGE: Final = 0.06
"""Of those, what falls after 15:00 of each half, as of a half of regular time; and how fast it runs out."""
EXTRA_TAU_S: Final = 60.0
PENALTY_SCORED: Final = 0.76
"""Share of penalties that are scored (about three in four in the big leagues). Of shoot-outs no source was found: as in
play."""
RED_OWN: Final = 0.6
RED_OTHER: Final = 1.4
"""A sending-off multiplies the remaining rates, own and the opponent's (sportsbook rules §5.1, suggested defaults from
0.42-0.72 and 1.34-1.98 in six studies)."""

_HALF_S: Final = 2700
_EXTRA_HALF_S: Final = 900
_COUNTS: Final = np.arange(COUNT_MAX + 1)
_FACTORIALS: Final = np.cumprod(np.array([1.0, *range(1, COUNT_MAX + 1)]))
_OF: Final = np.arange(GOALS_MAX + 1)
_LATER: Final = np.maximum(_OF[:, None] - _OF[None, :], 0)
_CHOOSE: Final = np.where(
    _OF[:, None] >= _OF, _FACTORIALS[_OF][:, None] / (_FACTORIALS[_OF] * _FACTORIALS[_LATER]), 0.0
)


def share_to_come(period: Period, clock_s: int, course: Course = GOALS) -> float:
    """The share of what regular time has that is still to come, seconds into a period."""
    second = 1 - course.first_half
    if period == Period.PRE:
        return 1.0
    if period == Period.FIRST:
        tau_s = STOPPAGE_TAU_S[Period.FIRST]
        return second + _left_of_half(course.first_half, course.first_stoppage, course.rise, tau_s, clock_s)
    if period == Period.HALF_TIME:
        return second
    if period == Period.SECOND:
        return _left_of_half(second, course.second_stoppage, course.rise, STOPPAGE_TAU_S[Period.SECOND], clock_s)
    return 0.0


def _left_of_half(share: float, stoppage: float, rise: float, tau_s: float, clock_s: int) -> float:
    if clock_s >= _HALF_S:
        return stoppage * exp(-(clock_s - _HALF_S) / tau_s)
    played = clock_s / _HALF_S
    return stoppage + (share - stoppage) * (1 - played * (1 - rise) - rise * played * played)


def extra_to_come(period: Period, clock_s: int) -> float:
    """Goals of extra time still to come, as a share of those of regular time; all of them before it begins."""
    if period in (Period.EXTRA_FULL_TIME, Period.SHOOT_OUT, Period.OVER):
        return 0.0
    half = EXTRA_TIME / 2
    if period not in (Period.EXTRA_FIRST, Period.EXTRA_SECOND):
        return half if period == Period.EXTRA_HALF_TIME else EXTRA_TIME
    stoppage, rest = half * EXTRA_STOPPAGE, half if period == Period.EXTRA_FIRST else 0.0
    if clock_s >= _EXTRA_HALF_S:
        return rest + stoppage * exp(-(clock_s - _EXTRA_HALF_S) / EXTRA_TAU_S)
    return rest + stoppage + (half - stoppage) * (1 - clock_s / _EXTRA_HALF_S)


def goals_to_come(strengths: Strengths, state: FootballState, share: float) -> Floats:
    """Probabilities of goals still to come, home x away: ``share`` of what regular time has."""
    home = strengths.home_rate * share * RED_OWN**state.home.red * RED_OTHER**state.away.red
    away = strengths.away_rate * share * RED_OWN**state.away.red * RED_OTHER**state.home.red
    grid = np.outer(_poisson(home, GOALS_MAX), _poisson(away, GOALS_MAX))
    rho = strengths.rho * share
    if rho:
        grid[0, 0] *= 1 - home * away * rho
        grid[0, 1] *= 1 + home * rho
        grid[1, 0] *= 1 + away * rho
        grid[1, 1] *= 1 - rho
        grid = np.maximum(grid, 0.0)
    return np.asarray(grid / grid.sum())


def in_first_half(share: float) -> Floats:
    """Of n goals of a side still to come (rows), the probabilities that so many fall in the first half (columns);
    ``share`` is all that is to come, the second half's included. Binomial: goals fall independently of each other."""
    soon = (share - (1 - GOALS.first_half)) / share
    return np.asarray(_CHOOSE * soon**_OF * ((1 - soon) ** _OF)[_LATER])


def count_to_come(mean: float, course: Course, period: Period, clock_s: int) -> Floats:
    """Probabilities of how many corners or cards are still to come."""
    counts = _poisson(mean * share_to_come(period, clock_s, course), COUNT_MAX)
    return np.asarray(counts / counts.sum())


def _poisson(rate: float, count_max: int) -> Floats:
    counts = _COUNTS[: count_max + 1]
    return np.asarray(exp(-rate) * rate**counts / _FACTORIALS[: count_max + 1])
