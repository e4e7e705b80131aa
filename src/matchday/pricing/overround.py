"""Overround: from fair probabilities to prices, and back.

The power method: prices are 1 / p**k with the one k at which the sum of p**k is 1 + overround. It keeps every price
above 1 however likely an outcome is, and puts more of the overround on outsiders, as bookmakers' prices do
(the "favourite-longshot bias"); dividing by 1 + overround does neither.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from matchday.model.price import PRICE_MAX, PRICE_MIN, UNIT

LADDER: Final = ((1_100, 1), (5_000, 10), (20_000, 100), (100_000, 1_000), (PRICE_MAX + 1, 10_000))
"""(below this price, step), in thousandths: the prices a book shows. Rounded down, never up."""

_BOUNDS: Final = np.array([bound for bound, _ in LADDER])
_STEPS: Final = np.array([step for _, step in LADDER])
_ROUNDS: Final = 40
_CLOSE: Final = 1e-12
_TINY: Final = 1e-300

Floats = NDArray[np.float64]


def with_overround(fair: Floats, starts: NDArray[np.int64], sums: Floats) -> Floats:
    """Implied probabilities that add up, market by market, to ``sums``.

    ``fair``: the outcomes of all markets in one row, 0 where one cannot win; ``starts``: where each market begins;
    ``sums``: more than the market's fair ones add up to. Newton from a k that is certainly below the root, so that
    every step of the convex sum stays on that side of it: the better of one tangent at k = 1, and of what the least
    likely outcome may take at most, if the others took no more than their fair share.
    """
    sizes = np.diff(starts, append=len(fair))
    market = np.repeat(np.arange(len(starts)), sizes)
    real = fair > 0
    logs = np.where(real, np.log(np.maximum(fair, _TINY)), -1.0)
    totals = np.add.reduceat(fair, starts)
    least = np.minimum.reduceat(np.where(real, fair, 1.0), starts)
    target = np.minimum(sums, np.add.reduceat(real, starts, dtype=np.float64))  # beyond it there is no k
    tangent = 1 - (sums - totals) / np.maximum(-np.add.reduceat(fair * logs, starts), _TINY)
    more = np.maximum(sums - totals, 0.0)  # with no overround at all, a rounding below it
    taken = np.log(more + least) / np.minimum(np.log(least), -_TINY)
    k = np.maximum(np.maximum(tangent, taken), 0.0)
    implied = fair
    for _ in range(_ROUNDS):
        implied = np.asarray(np.exp(k[market] * logs) * real)
        excess = np.add.reduceat(implied, starts) - target
        if np.abs(excess).max() < _CLOSE:
            break
        k = k - excess / np.minimum(np.add.reduceat(implied * logs, starts), -_TINY)
    return implied


def without_overround(implied: Floats, winners: int = 1) -> Floats:
    """Fair probabilities of one market's implied ones (1 / price), of which more than ``winners`` can win: the same k,
    found backwards."""
    logs = np.log(implied)
    k = 1.0
    for _ in range(_ROUNDS):
        powers = np.exp(k * logs)
        excess = powers.sum() - winners
        if abs(excess) < _CLOSE:
            break
        k -= excess / (powers * logs).sum()
    fair = np.exp(k * logs)
    return np.asarray(fair * (winners / fair.sum()))


def to_prices(implied: Floats) -> NDArray[np.int64]:
    """Prices in thousandths on the ladder; 0 where the probability is 0."""
    exact = np.where(implied > 0, UNIT / np.maximum(implied, 1 / PRICE_MAX), 0.0)
    prices = exact.astype(np.int64)
    steps = _STEPS[np.searchsorted(_BOUNDS, prices, side="right").clip(max=len(_STEPS) - 1)]
    return np.where(implied > 0, (prices // steps * steps).clip(PRICE_MIN, PRICE_MAX), 0)


def on_ladder(price: int) -> int:
    """The price of the ladder at or just below one of thousandths, up to ``PRICE_MAX``."""
    step = next(step for bound, step in LADDER if price < bound)
    return price - price % step
