"""Football's prices: one grid of the goals still to come behind every market on goals, counts of their own for corners
and cards. Who goes through in a knock-out match: ``tie.py``.

Each selection's fair probability is a product of its weights with a grid: of one unit on it, the share that wins at
each final tally, which ``football_markets.resolve`` says. Where part of the stake may come back, a price is fair where
the expected multiplier is 1: O = (1 - V) / W, with V the expected share returned and W the expected share that wins; V
is what the selections of a market leave of 1, so that dividing a market's W by their sum does it.

The weights hang on the score alone and are kept. Markets of the first half have theirs on the grid of its own goals;
half-time/full-time follows from which half-time results the goals still to come of each side leave possible. A penalty
awarded and not yet taken mixes the books of scored and missed.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from matchday.model.bet import Result
from matchday.model.football import FootballState, Side
from matchday.model.football_markets import (
    CARDS,
    CATALOGUE,
    CORNERS,
    HALF_FULL,
    KINDS,
    NEXT_GOAL,
    OUTCOMES,
    TO_QUALIFY,
    Tally,
    next_goal,
    resolve,
    tally,
)
from matchday.model.market import MarketKey, Selection
from matchday.model.messages import Strengths
from matchday.model.trading import Controls
from matchday.pricing import to_come
from matchday.pricing.controls import overrounds, overrule
from matchday.pricing.overround import Floats, to_prices, with_overround
from matchday.pricing.tie import goes_through
from matchday.pricing.to_come import COUNT_MAX, GOALS_MAX, PENALTY_SCORED

WAYS: Final = (2.0, 3.0, 9.0, 28.0)
WIDER: Final = (1.0, 1.5, 3.0, 5.0)
"""A market with so many outcomes that can still win carries so many times a two-way one's overround; between them in
proportion. At 5 % that is 15 % of half-time/full-time and 25 % of the correct score."""

Quote = dict[MarketKey, tuple[Selection, ...]]
"""The markets that can be offered, each with those of its selections that can still win."""

UNCONTROLLED: Final = Controls()
_NONE_FIXED: Final[dict[int, int]] = {}
_WARM_GOALS: Final = 6
_APART: Final = (HALF_FULL, CORNERS, CARDS)
_FULL: Final = tuple(key for key in CATALOGUE if not KINDS[key.type].of_half and key.type not in _APART)
_HALF: Final = tuple(key for key in CATALOGUE if KINDS[key.type].of_half)
_CORNERS: Final = tuple(key for key in CATALOGUE if key.type == CORNERS)
_CARDS: Final = tuple(key for key in CATALOGUE if key.type == CARDS)
assert (*_FULL, *_HALF, MarketKey(HALF_FULL), *_CORNERS, *_CARDS) == CATALOGUE

_TIE: Final = MarketKey(TO_QUALIFY)
_TIE_AT: Final = {f"{_TIE.name}/{outcome}": at for at, outcome in enumerate(OUTCOMES[TO_QUALIFY])}
_FIRST, _ONE = np.array([0]), np.array([1.0])
_TYPES: Final = (*(key.type for key in CATALOGUE), NEXT_GOAL)
_SIZES: Final = np.array([len(OUTCOMES[name]) for name in _TYPES])
_ENDS: Final = np.cumsum(_SIZES)
_STARTS: Final = _ENDS - _SIZES
_MARKET: Final = np.repeat(np.arange(len(_SIZES)), _SIZES)
_WINNERS: Final = np.array([float(KINDS[name].winners) for name in _TYPES])
_ONE_LOSES: Final = tuple(
    (market, slice(int(_STARTS[market]), int(_ENDS[market])))
    for market in np.flatnonzero((_WINNERS > 1) & (_WINNERS == _SIZES - 1)).tolist()
)
"""Markets, each with its part of the row, that are priced by what is against each outcome, as one of those wins: a
double chance pays what the two results that it is made of pay together. With an overround of their own, near
certainties could not bear their part of it, and the outsider bore all."""
_NAMES: Final = tuple(outcome for name in _TYPES for outcome in OUTCOMES[name])
_HALF_SIZE: Final = sum(len(OUTCOMES[key.type]) for key in _HALF)
_RESULTS: Final = 3
"""Rows of the match result, which lead the weights of the whole match, and of the half's, which lead its own."""

_GOALS: Final = range(GOALS_MAX + 1)
_NEXT: Final = np.array(
    [[(h / (h + a), 0.0, a / (h + a)) if h + a else (0.0, 1.0, 0.0) for a in _GOALS] for h in _GOALS]
).reshape(-1, 3).T.copy()  # fmt: skip
"""Who gets the next goal, given the goals still to come: any order of them is as likely."""


def probabilities(strengths: Strengths, state: FootballState, clock_s: int) -> dict[MarketKey, tuple[float, ...]]:
    """Fair probabilities of every market's outcomes, in their order, where the stake is not returned. Each market's sum
    is the number of its outcomes that win; all are 0 once the half that answers it is over."""
    fair = _fair(strengths, state, clock_s).tolist()
    found: dict[MarketKey, tuple[float, ...]] = {
        key: tuple(fair[start:end])
        for key, start, end in zip(_keys(state), _STARTS.tolist(), _ENDS.tolist(), strict=True)
    }
    if state.knockout and not state.all_over:
        found[_TIE] = goes_through(strengths, state, clock_s)
    return found


def price_book(
    strengths: Strengths, state: FootballState, clock_s: int, overround: float, controls: Controls = UNCONTROLLED
) -> Quote:
    """Prices in thousandths of everything that can be offered: markets of which two selections can still win, each
    without those that cannot. Once regular time is over only the tie is left, until it is decided. ``controls``: where
    a trader overrules the model."""
    quote: Quote = {} if state.regular_over else _price_regular(strengths, state, clock_s, overround, controls)
    if state.knockout and not state.all_over:
        quote.update(_price_tie(strengths, state, clock_s, overround, controls))
    return quote


def _price_tie(strengths: Strengths, state: FootballState, clock_s: int, overround: float, controls: Controls) -> Quote:
    """Nothing where one side cannot win any more."""
    fair = np.array(goes_through(strengths, state, clock_s))
    if not fair.all():
        return {}
    sums = 1 + overrounds((_TIE,), controls, overround)
    prices = _priced(fair, sums, _FIRST, _ONE, _TIE_AT, controls, ())
    return {_TIE: tuple(map(Selection, OUTCOMES[TO_QUALIFY], prices))}


def _price_regular(
    strengths: Strengths, state: FootballState, clock_s: int, overround: float, controls: Controls
) -> Quote:
    fair = _fair(strengths, state, clock_s)
    alive = np.add.reduceat(fair > 0, _STARTS, dtype=np.int64)
    each = overrounds(list(_keys(state)), controls, overround) if controls.overround else overround
    sums = _WINNERS * (1 + each * np.interp(alive, WAYS, WIDER))
    index = _index(state) if controls.factors or controls.fixed else {}
    prices = _priced(fair, sums, _STARTS, _WINNERS, index, controls, _ONE_LOSES)
    quote: Quote = {}
    for key, count, start, end in zip(_keys(state), alive.tolist(), _STARTS.tolist(), _ENDS.tolist(), strict=True):
        if count == end - start:
            quote[key] = tuple(map(Selection, _NAMES[start:end], prices[start:end]))
        elif count > 1:
            quote[key] = tuple(Selection(_NAMES[at], prices[at]) for at in range(start, end) if prices[at])
    return quote


def _priced(
    fair: Floats,
    sums: Floats,
    starts: NDArray[np.int64],
    winners: Floats,
    index: Mapping[str, int],
    controls: Controls,
    one_loses: Sequence[tuple[int, slice]],
) -> list[int]:
    """Prices of all selections, market by market, with what a trader has set; 0 where one cannot win. ``index``: see
    ``overrule``. ``one_loses``: markets all of whose outcomes win but one, each with its part of the row."""
    fixed = _NONE_FIXED
    if controls.factors or controls.fixed:
        fair, sums, fixed = overrule(fair, sums, starts, winners, index, controls)
    against = [(market, part) for market, part in one_loses if fixed.keys().isdisjoint(range(part.start, part.stop))]
    for market, part in against:
        fair[part], sums[market] = 1 - fair[part], sums[market] / winners[market]
    implied = with_overround(fair, starts, sums)
    for _, part in against:
        implied[part] = implied[part].sum() - implied[part]
    prices: list[int] = to_prices(implied).tolist()
    for at, price in fixed.items():
        prices[at] = price
    return prices


def _keys(state: FootballState) -> Iterable[MarketKey]:
    """The markets of a state in the order of the probabilities."""
    return *CATALOGUE, next_goal(sum(state.regular_score))


def _index(state: FootballState) -> dict[str, int]:
    """Name of each selection, without the fixture -> its place among the probabilities."""
    markets = np.repeat(np.array([key.name for key in _keys(state)]), _SIZES).tolist()
    return {f"{market}/{outcome}": at for at, (market, outcome) in enumerate(zip(markets, _NAMES, strict=True))}


def _fair(strengths: Strengths, state: FootballState, clock_s: int) -> Floats:
    """Probabilities of all selections, market by market."""
    share = to_come.share_to_come(state.period, clock_s)
    grid = to_come.goals_to_come(strengths, state, share)
    at = tally(state)
    split = None if at.half_over else to_come.in_first_half(share)
    goals = _of_goals(grid, split, at)
    next_ = _NEXT @ grid.ravel()
    if state.penalty is not None:
        home = int(state.penalty == "home")
        scored = _of_goals(grid, split, with_goal(at, state.penalty))
        goals = PENALTY_SCORED * scored + (1 - PENALTY_SCORED) * goals
        next_ = PENALTY_SCORED * np.array([home, 0.0, 1.0 - home]) + (1 - PENALTY_SCORED) * next_
    corners = to_come.count_to_come(to_come.CORNERS_MEAN, to_come.CORNERS, state.period, clock_s)
    cards = to_come.count_to_come(to_come.CARDS_MEAN, to_come.CARDS, state.period, clock_s)
    won = np.concatenate((goals, _corners(at.corners) @ corners, _cards(at.cards) @ cards, next_))
    sums = np.add.reduceat(won, _STARTS)
    return np.asarray(won * (_WINNERS / np.where(sums > 0, sums, 1.0))[_MARKET])


def with_goal(at: Tally, side: Side) -> Tally:
    """A tally after one more goal, in the half that is running."""
    home, away = (1, 0) if side == "home" else (0, 1)
    half = at.half if at.half_over else (at.half[0] + home, at.half[1] + away)
    return at._replace(half=half, full=(at.full[0] + home, at.full[1] + away), order=(*at.order, side))


def _of_goals(grid: Floats, split: Floats | None, at: Tally) -> Floats:
    """The markets of the whole match, of the first half, and of both; ``split`` while the first half is not over."""
    weights = _weights(*at.full)
    whole = weights @ grid.ravel()
    if split is None:
        (home, away), last = at.half, whole[:_RESULTS]
        half_full = np.zeros((_RESULTS, _RESULTS))
        half_full[0 if home > away else 2 if away > home else 1] = last
        return np.concatenate((whole, np.zeros(_HALF_SIZE), half_full.ravel()))
    half_weights = _half_weights(*at.half)
    half = half_weights @ (split.T @ grid @ split).ravel()
    # For each pair of goals still to come, how likely each half-time result is; then which final result the pair gives.
    leads = split @ half_weights[:_RESULTS].reshape(_RESULTS, len(_GOALS), -1) @ split.T
    half_full = (leads * grid).reshape(_RESULTS, -1) @ weights[:_RESULTS].T
    return np.concatenate((whole, half, half_full.ravel()))


def _shares(keys: Sequence[MarketKey], at: Tally) -> Floats:
    """Of one unit on each selection, the share that wins at a final tally."""
    results = (resolve(key, outcome, at) for key in keys for outcome in OUTCOMES[key.type])
    return np.array(
        [1 - found.void_halves / 2 if found.result in (Result.WON, Result.HALF_WON) else 0.0 for found in results]
    )


@lru_cache(maxsize=2048)
def _at(home: int, away: int) -> Floats:
    """What wins at a final score."""
    return _shares(_FULL, Tally((0, 0), (home, away)))


@lru_cache(maxsize=512)
def _at_half(home: int, away: int) -> Floats:
    """What wins at a score at half-time."""
    return _shares(_HALF, Tally((home, away), (home, away)))


@lru_cache(maxsize=128)
def _weights(home: int, away: int) -> NDArray[np.float64]:
    """Selections on the whole match x further scores."""
    return np.stack([_at(home + h, away + a) for h in _GOALS for a in _GOALS], axis=1)


@lru_cache(maxsize=64)
def _half_weights(home: int, away: int) -> NDArray[np.float64]:
    """Selections on the first half x further scores in it."""
    return np.stack([_at_half(home + h, away + a) for h in _GOALS for a in _GOALS], axis=1)


@lru_cache(maxsize=64)
def _corners(count: int) -> NDArray[np.float64]:
    """Selections on corners x how many more there are."""
    more = range(COUNT_MAX + 1)
    return np.stack([_shares(_CORNERS, Tally((0, 0), (0, 0), corners=count + n)) for n in more], axis=1)


@lru_cache(maxsize=64)
def _cards(count: int) -> NDArray[np.float64]:
    """The same of cards."""
    more = range(COUNT_MAX + 1)
    return np.stack([_shares(_CARDS, Tally((0, 0), (0, 0), cards=count + n)) for n in more], axis=1)


def warm_up() -> None:
    """Work out every score, and every count, that matches come to, so that no goal waits for it."""
    for home in range(_WARM_GOALS):
        for away in range(_WARM_GOALS):
            _weights(home, away)
            _half_weights(home, away)
    for count in range(COUNT_MAX):
        _corners(count)
        _cards(count)
