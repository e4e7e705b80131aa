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


def with_overround(fair: Floats, overround: Floats) -> Floats:
    """Implied probabilities that sum to 1 + overround.

    ``fair``: markets x outcomes, each row summing to 1, padded with zeros; ``overround``: one per market. Newton from
    k = 0, where the convex sum is above its target, so that every step stays on that side of the root.
    """
    logs = np.log(np.maximum(fair, _TINY))
    real = fair > 0
    two_sided = real.sum(axis=1, keepdims=True) > 1
    k = np.zeros((len(fair), 1))
    target = (1 + overround)[:, None]
    implied = np.where(real, 1.0, 0.0)
    for _ in range(_ROUNDS):
        implied = np.where(real, np.exp(k * logs), 0.0)
        excess = np.where(two_sided, implied.sum(axis=1, keepdims=True) - target, 0.0)
        if np.abs(excess).max() < _CLOSE:
            break
        slope = (implied * logs).sum(axis=1, keepdims=True)
        k = k - excess / np.where(slope < 0, slope, -1.0)
    return implied


def without_overround(implied: Floats) -> Floats:
    """Fair probabilities of one market's implied ones (1 / price): the same k, found backwards."""
    logs = np.log(implied)
    k = 1.0
    for _ in range(_ROUNDS):
        powers = np.exp(k * logs)
        excess = powers.sum() - 1
        if abs(excess) < _CLOSE:
            break
        k -= excess / (powers * logs).sum()
    fair = np.exp(k * logs)
    return np.asarray(fair / fair.sum())


def to_prices(implied: Floats) -> NDArray[np.int64]:
    """Prices in thousandths on the ladder; 0 where the probability is 0."""
    exact = np.where(implied > 0, UNIT / np.maximum(implied, 1 / PRICE_MAX), 0.0)
    prices = exact.astype(np.int64)
    steps = _STEPS[np.searchsorted(_BOUNDS, prices, side="right").clip(max=len(_STEPS) - 1)]
    return np.where(implied > 0, (prices // steps * steps).clip(PRICE_MIN, PRICE_MAX), 0)
