"""Football's prices: two scoring rates, carried through the match, and one grid of scores behind every market.

The goals still to come of each side are Poisson with

    rate x share of goals still to come x red-card multipliers

The share is empirical and knows stoppage time: (90 - t) / 90 leaves nothing at 90:00, though 7 % of goals come later
(sportsbook rules §5.1: 0.197 goals a match in 4,180 matches; log-loss at 89' falls by a third with that share). Low
scores are correlated by Dixon and Coles' rho, scaled by the same share. A penalty awarded and not yet taken mixes the
grids of scored and missed.

Every market's probabilities are one product of its weights with the grid: of one unit on a selection, the share that
wins and the share that is returned at each final score. Prices are fair where the expected multiplier is 1:
O = (1 - V) / W, with V the expected share returned and W the expected share that wins.
"""

from functools import lru_cache
from math import exp
from typing import Final

import numpy as np
from numpy.typing import NDArray

from matchday.model.bet import Result
from matchday.model.football import CATALOGUE, OUTCOMES, FootballState, Period, resolve
from matchday.model.messages import Strengths
from matchday.pricing.overround import Floats, to_prices, with_overround

GOALS_MAX: Final = 10
"""Goals of one side still to come that the grid holds; the rest (under 1e-4 at 4 expected goals) is spread over it."""
FIRST_HALF: Final = 0.44
"""Share of goals in the first half, its stoppage time included (EPL 2009/10: 56 % fall in the second half)."""
FIRST_STOPPAGE: Final = 0.025
"""Share of goals after 45:00 of the first half."""
SECOND_STOPPAGE: Final = 0.073
"""Share of goals after 90:00 (0.197 of 2.7 a match)."""
RISE: Final = 0.1
"""Scoring rises through each half: the rate is 10 % below its mean at the start and 10 % above at the end."""
STOPPAGE_TAU_S: Final = {Period.FIRST: 90.0, Period.SECOND: 210.0}
"""Seconds in which the share left in stoppage time falls to 1/e: it never reaches 0 before the whistle."""
RED_OWN: Final = 0.6
RED_OTHER: Final = 1.4
"""A sending-off multiplies the remaining rates, own and the opponent's (sportsbook rules §5.1, suggested defaults from
0.42-0.72 and 1.34-1.98 in six studies)."""
PENALTY_SCORED: Final = 0.76
"""Share of penalties that are scored (about three in four in the big leagues)."""
THREE_WAY: Final = 1.5
"""A three-way market carries this much of a two-way one's overround."""

_WARM_GOALS: Final = 6
_HALF_S: Final = 2700
_SIZES: Final = np.array([len(OUTCOMES[key.type]) for key in CATALOGUE])
_FACTORIALS: Final = np.cumprod(np.array([1.0, *range(1, GOALS_MAX + 1)]))
_COUNTS: Final = np.arange(GOALS_MAX + 1)


def share_to_come(period: Period, clock_s: int) -> float:
    """The share of regular time's goals that is still to come, seconds into a period."""
    second = 1 - FIRST_HALF
    if period == Period.PRE:
        return 1.0
    if period == Period.FIRST:
        return second + _left_of_half(FIRST_HALF, FIRST_STOPPAGE, STOPPAGE_TAU_S[Period.FIRST], clock_s)
    if period == Period.HALF_TIME:
        return second
    if period == Period.SECOND:
        return _left_of_half(second, SECOND_STOPPAGE, STOPPAGE_TAU_S[Period.SECOND], clock_s)
    return 0.0


def _left_of_half(share: float, stoppage: float, tau_s: float, clock_s: int) -> float:
    if clock_s >= _HALF_S:
        return stoppage * exp(-(clock_s - _HALF_S) / tau_s)
    played = clock_s / _HALF_S
    return stoppage + (share - stoppage) * (1 - played * (1 - RISE) - RISE * played * played)


def probabilities(strengths: Strengths, state: FootballState, clock_s: int) -> list[tuple[float, ...]]:
    """Fair probabilities of every market of the catalogue, in its order; each sums to 1."""
    fair = _fair(strengths, state, clock_s)
    return [tuple(float(p) for p in row[:size]) for row, size in zip(fair, _SIZES, strict=True)]


def price_book(
    strengths: Strengths, state: FootballState, clock_s: int, overround: float
) -> list[tuple[int, ...] | None]:
    """Prices in thousandths of every market of the catalogue, in its order.

    None where a market can have no price any more: one of its sides cannot win, or regular time is over.
    """
    if state.regular_over:
        return [None] * len(CATALOGUE)
    fair = _fair(strengths, state, clock_s)
    alive = ((fair > 0).sum(axis=1) == _SIZES).tolist()
    margins = np.where(_SIZES == 3, overround * THREE_WAY, overround)
    prices = to_prices(with_overround(fair, margins)).tolist()
    return [tuple(row[:size]) if live else None for row, size, live in zip(prices, _SIZES.tolist(), alive, strict=True)]


def _fair(strengths: Strengths, state: FootballState, clock_s: int) -> Floats:
    """Markets x three outcomes, padded with zeros."""
    grid = _remaining(strengths, state, clock_s)
    home, away = state.regular_score
    if state.penalty is None:
        won, void = _expected(grid, home, away)
    else:
        scored = (home + 1, away) if state.penalty == "home" else (home, away + 1)
        won_if, void_if = _expected(grid, *scored)
        won_not, void_not = _expected(grid, home, away)
        won = PENALTY_SCORED * won_if + (1 - PENALTY_SCORED) * won_not
        void = PENALTY_SCORED * void_if + (1 - PENALTY_SCORED) * void_not
    left = np.where(void < 1, 1 - void, 1.0)[:, None]
    fair = won / left
    return np.asarray(fair / np.maximum(fair.sum(axis=1, keepdims=True), 1e-300))


def _expected(grid: Floats, home: int, away: int) -> tuple[Floats, Floats]:
    won, void = _weights(home, away)
    return (won @ grid).reshape(len(CATALOGUE), 3), void @ grid


def _remaining(strengths: Strengths, state: FootballState, clock_s: int) -> Floats:
    """Probabilities of the goals still to come, home-major, flat."""
    share = share_to_come(state.period, clock_s)
    home = strengths.home_rate * share * RED_OWN**state.home.red * RED_OTHER**state.away.red
    away = strengths.away_rate * share * RED_OWN**state.away.red * RED_OTHER**state.home.red
    grid = np.outer(_poisson(home), _poisson(away))
    rho = strengths.rho * share
    if rho:
        grid[0, 0] *= 1 - home * away * rho
        grid[0, 1] *= 1 + home * rho
        grid[1, 0] *= 1 + away * rho
        grid[1, 1] *= 1 - rho
        grid = np.maximum(grid, 0.0)
    return np.asarray(grid.ravel() / grid.sum())


def _poisson(rate: float) -> Floats:
    return np.asarray(np.exp(-rate) * rate**_COUNTS / _FACTORIALS)


@lru_cache(maxsize=512)
def _weights(home: int, away: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """At each further score: the share of a stake that wins (markets x 3 rows) and that is returned (markets rows)."""
    cells = [_at(home + h, away + a) for h in range(GOALS_MAX + 1) for a in range(GOALS_MAX + 1)]
    return np.stack([won for won, _ in cells], axis=1), np.stack([void for _, void in cells], axis=1)


@lru_cache(maxsize=2048)
def _at(home: int, away: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The same at one final score."""
    won, void = np.zeros((len(CATALOGUE), 3)), np.zeros(len(CATALOGUE))
    for m, key in enumerate(CATALOGUE):
        for o, outcome in enumerate(OUTCOMES[key.type]):
            result = resolve(key, outcome, home, away)
            void[m] = result.void_halves / 2
            if result.result in (Result.WON, Result.HALF_WON):
                won[m, o] = 1 - void[m]
    return won.ravel(), void


def warm_up() -> None:
    """Work out every score that matches come to, so that no goal waits for it."""
    for home in range(_WARM_GOALS):
        for away in range(_WARM_GOALS):
            _weights(home, away)
