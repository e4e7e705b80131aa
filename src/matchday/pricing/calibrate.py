"""Calibration: from bookmakers' prices to the two rates and the dependence that the model needs.

Over 2.5 fixes the sum of the rates (rho moves probability only among scores of two goals or less), the difference of
home and away wins fixes their balance, and the draw fixes rho. Newton on the three, from a common start.
"""

from typing import Final

import numpy as np

from matchday.model.football import FootballState
from matchday.model.football_markets import MATCH_RESULT, TOTAL_GOALS
from matchday.model.market import MarketKey
from matchday.model.messages import Strengths
from matchday.model.price import UNIT
from matchday.pricing.football import probabilities
from matchday.pricing.overround import Floats, without_overround

PRIOR: Final = Strengths(home_rate=1.50, away_rate=1.20, rho=-0.05, source="prior")
"""One prior for all: 2.7 goals a match and a home side that scores a quarter more, as top European leagues have had
for decades (Dixon and Coles 1997: rho about -0.1 to 0)."""

TOTAL_DEFAULT: Final = 2.7
"""Goals assumed where prices name no total."""
ERROR_MAX: Final = 0.005
"""Probability by which recovered inputs may differ before the prices are refused."""
_RATE_MIN, _RATE_MAX = 0.05, 6.0
_ROUNDS: Final = 60
_STEP: Final = 1e-5
_RESULT: Final = MarketKey(MATCH_RESULT)
_OVER: Final = MarketKey(TOTAL_GOALS, 10)


def strengths_from_prices(home: int, draw: int, away: int, over: int | None, under: int | None) -> Strengths:
    """Strengths at which the model gives these prices without their overround; ``over``/``under`` are of 2.5 goals.

    Prices in thousandths. ValueError where no rates give them within half a percentage point.
    """
    for price in (home, draw, away, over, under):
        if price is not None and price <= UNIT:
            raise ValueError(f"price {price / UNIT} is 1 or less")
    result = without_overround(np.array([UNIT / home, UNIT / draw, UNIT / away]))
    target = np.array([result[0] - result[2], result[1], 0.0])
    known = over is not None and under is not None
    if over is not None and under is not None:
        target[2] = without_overround(np.array([UNIT / over, UNIT / under]))[0]
    at = _solve(target, with_total=known)
    error = np.abs(_seen(at, with_total=known) - target).max()
    if error > ERROR_MAX:
        raise ValueError(f"no scoring rates give these prices (off by {100 * error:.1f} percentage points)")
    return Strengths(float(at[0]), float(at[1]), float(at[2]), "prices")


def _seen(at: Floats, *, with_total: bool) -> Floats:
    """What the model says of a point: home - away, draw, and over 2.5 (or the total's distance from its default)."""
    markets = probabilities(Strengths(float(at[0]), float(at[1]), float(at[2])), FootballState(), 0)
    home, draw, away = markets[_RESULT]
    third = markets[_OVER][0] if with_total else float(at[0] + at[1]) - TOTAL_DEFAULT
    return np.array([home - away, draw, third])


def _solve(target: Floats, *, with_total: bool) -> Floats:
    at = np.array([PRIOR.home_rate, PRIOR.away_rate, PRIOR.rho])
    for _ in range(_ROUNDS):
        here = _seen(at, with_total=with_total)
        if np.abs(here - target).max() < 1e-9:
            break
        slope = np.stack(
            [(_seen(at + _STEP * axis, with_total=with_total) - here) / _STEP for axis in np.eye(3)], axis=1
        )
        step = np.linalg.lstsq(slope, target - here, rcond=None)[0]
        at = _bounded(at + np.clip(step, -0.5, 0.5))
    return at


def _bounded(at: Floats) -> Floats:
    """Rates that are possible, and a rho at which no score's probability is negative."""
    home, away = np.clip(at[:2], _RATE_MIN, _RATE_MAX)
    low, high = max(-1 / home, -1 / away, -0.9), min(1 / (home * away), 0.9)
    return np.array([home, away, min(max(at[2], low), high)])
