"""What happens in a simulated match: both halves, from the true rates and a stream of chance.

Owns the laws of the simulated game. Never knows the time, the calendar or the clubs.

* Goals follow the curve by minute that the prices use (``pricing.to_come.share_to_come``, which has its sources):
  56 % fall in the second half (EPL 2009/10), 7.3 % of all after 90:00 (0.197 a match in 4,180 matches), rising through
  each half. They are drawn at the highest rate that sendings-off allow, then thinned to the rate of the moment.
* A sending-off multiplies the remaining rates as the prices have it (0.6 own, 1.4 the other side's).
* One chance of goal in ten is a penalty: awarded, and 45 to 60 seconds later scored (76 %) or missed; the others make
  up for those missed, so that the rates stay true. What would fall meanwhile waits (corners are left out), and the half
  is prolonged for it.
* Corners, cards, own goals and stoppage times are typical of European leagues.
"""

import random
from math import exp, log
from typing import Final

import msgspec

from matchday.model.football import IncidentType, Period, Side
from matchday.model.messages import Strengths
from matchday.pricing.to_come import PENALTY_SCORED, RED_OTHER, RED_OWN, STOPPAGE_TAU_S, share_to_come

CORNERS: Final = 5.0
"""Of one side in a match, on average."""
YELLOWS: Final = 1.8
REDS: Final = 0.06
REDS_MAX: Final = 2
"""Of one side: rates beyond are not known."""
PENALTY_SHARE: Final = 0.1
"""Of the chances that would be goals."""
OWN_GOAL_SHARE: Final = 0.03
PENALTY_WAIT_S: Final = (45, 60)
"""Match seconds from the award to the kick."""
STOPPAGE_S: Final = ((30, 240), (120, 420))
"""Least and most of each half."""
HALF_S: Final = 2700
_RESTART_S: Final = 30
"""Seconds after a goal or a penalty in which neither goal nor corner falls."""
_CHANCES_FACTOR: Final = RED_OTHER**REDS_MAX / (1 - PENALTY_SHARE * (1 - PENALTY_SCORED))
_PERIODS: Final = (Period.FIRST, Period.SECOND)
_SIDES: Final[tuple[Side, Side]] = ("home", "away")

Moment = tuple[int, IncidentType, Side]
"""(second into the half, type, side)"""


class Half(msgspec.Struct):
    """What is played in a half."""

    length_s: int
    """With stoppage time."""
    moments: list[Moment]
    """In order of time, none after the end."""


class _Sides(msgspec.Struct):
    """What the cards of one side add up to."""

    booked: int = 0
    off: int = 0


def play(strengths: Strengths, chance: random.Random) -> tuple[Half, Half]:
    """A match's two halves."""
    lengths = [HALF_S + chance.randint(*stoppage) for stoppage in STOPPAGE_S]
    drawn: list[tuple[int, int, IncidentType, Side]] = []
    for side, rate in zip(_SIDES, (strengths.home_rate, strengths.away_rate), strict=True):
        goals = _poisson(rate * _CHANCES_FACTOR, chance)
        drawn += [(*_goal_time(lengths, chance), IncidentType.GOAL, side) for _ in range(goals)]
        for mean, type_ in (
            (CORNERS, IncidentType.CORNER), (YELLOWS, IncidentType.YELLOW_CARD), (REDS, IncidentType.RED_CARD),
        ):  # fmt: skip
            for _ in range(_poisson(mean, chance)):
                half = chance.randrange(2)
                drawn.append((half, chance.randrange(1, lengths[half]), type_, side))
    drawn.sort()
    cards: dict[Side, _Sides] = {side: _Sides() for side in _SIDES}
    first, second = (
        _half(length, [moment[1:] for moment in drawn if moment[0] == half], cards, chance)
        for half, length in enumerate(lengths)
    )
    return first, second


def _half(length_s: int, drawn: list[Moment], cards: dict[Side, _Sides], chance: random.Random) -> Half:
    """A half as it is played out of what was drawn for it, in order."""
    moments: list[Moment] = []
    dead_s = -1  # until then a penalty is waited for, or a goal cheered, and play restarted
    for second, type_, side in drawn:
        if type_ == IncidentType.GOAL:
            if chance.random() >= _rate_now(side, cards):
                continue
            second = max(second, dead_s)
            found = _goal(second, side, chance)
            dead_s = found[-1][0] + _RESTART_S
            moments += found
        elif type_ == IncidentType.CORNER:
            if second > dead_s:
                moments.append((second, type_, side))
        elif (card := _card(type_, cards[side])) is not None:
            moments.append((second, card, side))
    moments.sort(key=lambda moment: moment[0])
    return Half(max(length_s, moments[-1][0] if moments else 0), moments)


def _rate_now(side: Side, cards: dict[Side, _Sides]) -> float:
    """The rate that sendings-off leave a side, as a share of the highest."""
    other: Side = "away" if side == "home" else "home"
    return float(RED_OWN ** cards[side].off * RED_OTHER ** (cards[other].off - REDS_MAX))


def _goal(second: int, side: Side, chance: random.Random) -> list[Moment]:
    kind = chance.random()
    if kind >= PENALTY_SHARE:
        own = kind >= 1 - OWN_GOAL_SHARE
        return [(second, IncidentType.OWN_GOAL if own else IncidentType.GOAL, side)]
    scored = chance.random() < PENALTY_SCORED
    kick_s = second + chance.randint(*PENALTY_WAIT_S)
    return [
        (second, IncidentType.PENALTY_AWARDED, side),
        (kick_s, IncidentType.PENALTY_SCORED if scored else IncidentType.PENALTY_MISSED, side),
    ]


def _card(type_: IncidentType, cards: _Sides) -> IncidentType | None:
    """The card that is shown: a sending-off is the second yellow of someone who has one, where anyone has."""
    if type_ == IncidentType.YELLOW_CARD:
        cards.booked += 1
        return type_
    if cards.off == REDS_MAX:
        return None
    cards.off += 1
    if cards.booked:
        cards.booked -= 1
        return IncidentType.SECOND_YELLOW_CARD
    return type_


def _poisson(mean: float, chance: random.Random) -> int:
    """Arrivals of rate 1 within ``mean``."""
    arrivals, at = 0, chance.expovariate(1.0)
    while at < mean:
        arrivals, at = arrivals + 1, at + chance.expovariate(1.0)
    return arrivals


def _goal_time(lengths: list[int], chance: random.Random) -> tuple[int, int]:
    """When a goal falls: the half, and the second in it at which the share still to come falls below chance's.

    What the curve has after the final whistle falls within stoppage time, most of it early, as the curve has it.
    """
    share = chance.random()
    half = 0 if share > share_to_come(Period.HALF_TIME, 0) else 1
    period = _PERIODS[half]
    if share > share_to_come(period, HALF_S):
        low, high = 0, HALF_S
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if share_to_come(period, middle) > share else (low, middle)
        return half, low
    tau_s, stoppage_s = STOPPAGE_TAU_S[period], lengths[half] - HALF_S
    into_s = -tau_s * log(1 - chance.random() * (1 - exp(-stoppage_s / tau_s)))
    return half, min(lengths[half], HALF_S + round(into_s))
