"""What a trader has set, put between the fair probabilities and the overround.

A shift multiplies the fair odds against an outcome, and the others of its market keep their proportions: of all ways to
move one probability and stay within 0 and 1, the one in which it does not matter whether the outcome or what is against
it is moved (the logit, or odds ratio). A fixed price takes its share of the market's implied probabilities out, and the
others share the rest: the overround stays what it was, as far as it can.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from matchday.model.market import MarketKey
from matchday.model.price import UNIT
from matchday.model.trading import Controls
from matchday.pricing.overround import Floats

_LEAST: Final = 1e-6
"""What is left, at least, to an outcome whose neighbours take all."""


def overrounds(keys: Sequence[MarketKey], controls: Controls, default: float) -> Floats:
    """Of each market, the overround that a trader set or the setting's."""
    found = (controls.overround_of(key) for key in keys)
    return np.array([default if overround is None else overround for overround in found])


def overrule(
    fair: Floats,
    sums: Floats,
    starts: NDArray[np.int64],
    winners: Floats,
    index: Mapping[str, int],
    controls: Controls,
) -> tuple[Floats, Floats, dict[int, int]]:
    """Fair probabilities and sums of the implied ones for ``with_overround``, and index -> fixed price.

    ``index``: place of each selection's name in the row. A selection that is not there or cannot win is passed over;
    those whose price is fixed are left out of the row (0), so that the others add up to what is left of the sum.
    """
    factors = {index[name]: factor / UNIT for name, factor in controls.factors if name in index}
    prices = {index[name]: price for name, price in controls.fixed if name in index and fair[index[name]] > 0}
    fair, sums = fair.copy(), sums.copy()
    ends = np.append(starts[1:], len(fair))
    touched = np.searchsorted(starts, sorted(factors.keys() | prices.keys()), side="right") - 1
    for market in dict.fromkeys(touched.tolist()):
        row = range(int(starts[market]), int(ends[market]))
        odds = np.array([factors.get(at, 1.0) for at in row])
        taken = np.array([UNIT / prices[at] if at in prices else 0.0 for at in row])
        part = slice(row.start, row.stop)
        fair[part] = _shifted(fair[part], odds, float(winners[market]))
        if taken.any():
            margin = float(sums[market] / winners[market])
            fair[part] = _without(fair[part], taken / margin, float(winners[market]))
            sums[market] = max(sums[market] - taken.sum(), fair[part].sum())
    return fair, sums, prices


def _against(fair: Floats, winners: float) -> bool:
    """Whether the market is better seen as what is against its outcomes: one loses, as in a double chance. These
    probabilities add up to 1, as those of one winner do."""
    return winners != 1 and len(fair) - winners == 1


def _shifted(fair: Floats, odds: Floats, winners: float) -> Floats:
    if _against(fair, winners):
        against = (1 - fair) * odds
        return _alive(1 - against / max(against.sum(), _LEAST), fair)
    weights = fair / odds
    return _alive(weights * (winners / max(weights.sum(), _LEAST)), fair)


def _without(fair: Floats, taken: Floats, winners: float) -> Floats:
    """The outcomes whose price is not fixed, where those that are have the fair probabilities ``taken``."""
    others = (taken == 0) & (fair > 0)
    if _against(fair, winners):
        against, left = np.where(others, 1 - fair, 0.0), 1 - (1 - taken[taken > 0]).sum()
        found = 1 - against * (max(left, 0.0) / max(against.sum(), _LEAST))
    else:
        rest = np.where(others, fair, 0.0)
        found = rest * (max(winners - taken.sum(), _LEAST) / max(rest.sum(), _LEAST))
    return np.where(others, np.clip(found, _LEAST, 1.0), 0.0)


def _alive(found: Floats, fair: Floats) -> Floats:
    """What cannot win still cannot, and what can still can."""
    return np.where(fair > 0, np.clip(found, np.minimum(fair, _LEAST), 1.0), 0.0)
