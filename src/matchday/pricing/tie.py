"""The tie: who goes through of a knock-out match, priced from the same rates, grid and clock as regular time.

    P(home) = P(ahead at 90) + P(level at 90) x (P(ahead in extra time) + P(level in it) x P(wins the shoot-out))

Extra time is 30 more minutes at the rates that sendings-off leave (``to_come.EXTRA_TIME``). A shoot-out is even before
its first kick: best of five, each kick scored with the share of penalties in play, then kick for kick; what has been
taken of it counts. A penalty awarded and not yet taken mixes scored and missed.
"""

from math import comb
from typing import Final

import msgspec
import numpy as np

from matchday.model.football import FootballState, Period
from matchday.model.messages import Strengths
from matchday.pricing import to_come
from matchday.pricing.overround import Floats
from matchday.pricing.to_come import PENALTY_SCORED

KICKS: Final = 5
"""Of each side, before it goes kick for kick."""

Chances = tuple[float, float]
"""Of the home side and the away side; their sum is 1. 0 only where it cannot be any more."""


def goes_through(strengths: Strengths, state: FootballState, clock_s: int) -> Chances:
    """Who goes through, at seconds into a period of a tie that is not decided."""
    if state.penalty is None:
        return _through(strengths, state, clock_s, 0)
    ahead = 1 if state.penalty == "home" else -1
    missed = msgspec.structs.replace(state, penalty=None)
    scored_, missed_ = (_through(strengths, missed, clock_s, more) for more in (ahead, 0))
    home, away = (PENALTY_SCORED * s + (1 - PENALTY_SCORED) * m for s, m in zip(scored_, missed_, strict=True))
    return home, away


def _through(strengths: Strengths, state: FootballState, clock_s: int, more: int) -> Chances:
    """Where home is ahead by ``more`` than the state says."""
    if state.period == Period.SHOOT_OUT:
        return shoot_out(state)
    ahead = state.home.goals - state.away.goals + more
    extra = to_come.extra_to_come(state.period, clock_s)
    in_extra = to_come.goals_to_come(strengths, state, extra) if extra else _NOTHING
    if state.regular_over:
        return _after(in_extra, ahead, (0.5, 0.5))
    regular = to_come.goals_to_come(strengths, state, to_come.share_to_come(state.period, clock_s))
    return _after(regular, ahead, _after(in_extra, 0, (0.5, 0.5)))


_NOTHING: Final = np.array([[1.0]])


def _after(grid: Floats, ahead: int, level: Chances) -> Chances:
    """Who goes through after the goals of a grid, from a lead of home; where they are level then, as ``level`` says."""
    draw = float(np.trace(grid, offset=ahead))
    home, away = float(np.tril(grid, ahead - 1).sum()), float(np.triu(grid, ahead + 1).sum())
    return home + draw * level[0], away + draw * level[1]


def shoot_out(state: FootballState) -> Chances:
    """Who wins a shoot-out by the kicks taken so far; whose turn it is does not matter."""
    home, away = state.home, state.away
    taken = home.shoot_out + home.shoot_out_missed, away.shoot_out + away.shoot_out_missed
    kicks = max(KICKS, *taken)
    scored = [_scored(kicks - count) for count in taken]
    return _after(np.outer(*scored), home.shoot_out - away.shoot_out, (0.5, 0.5))


def _scored(kicks: int) -> Floats:
    """How many of so many kicks are scored."""
    hit, miss = PENALTY_SCORED, 1 - PENALTY_SCORED
    return np.array([comb(kicks, n) * hit**n * miss ** (kicks - n) for n in range(kicks + 1)])
