"""Football: its incidents, its periods and the state they add up to.

The rules of the game as one file; the markets and their results are in ``football_markets.py``, prices in
``pricing/football.py``. ``advance`` is the state table: an incident that is not listed for a period is refused.
"""

from enum import StrEnum
from typing import Final, Literal

import msgspec

Side = Literal["home", "away"]


class Period(StrEnum):
    """Where the match stands. Play runs in 1H, 2H, E1, E2 and P; the others are pauses."""

    PRE = "pre"
    FIRST = "1H"
    HALF_TIME = "HT"
    SECOND = "2H"
    FULL_TIME = "FT"  # regular time is over; extra time may follow
    EXTRA_FIRST = "E1"
    EXTRA_HALF_TIME = "EHT"
    EXTRA_SECOND = "E2"
    EXTRA_FULL_TIME = "EFT"
    SHOOT_OUT = "P"
    OVER = "over"


RUNNING: Final = frozenset({Period.FIRST, Period.SECOND, Period.EXTRA_FIRST, Period.EXTRA_SECOND})
"""Periods in which the match clock runs."""


_REGULAR: Final = frozenset({Period.PRE, Period.FIRST, Period.HALF_TIME, Period.SECOND})


class IncidentType(StrEnum):
    """What happens on the pitch."""

    KICK_OFF = "kick_off"
    HALF_TIME = "half_time"
    SECOND_HALF = "second_half"
    FULL_TIME = "full_time"
    EXTRA_TIME = "extra_time"
    EXTRA_HALF_TIME = "extra_half_time"
    EXTRA_SECOND_HALF = "extra_second_half"
    EXTRA_FULL_TIME = "extra_full_time"
    SHOOT_OUT = "shoot_out"
    OVER = "over"  # nothing more is played
    GOAL = "goal"
    OWN_GOAL = "own_goal"  # side is the side that gets the goal
    GOAL_CANCELLED = "goal_cancelled"  # taken back by the referee; side is the side that loses it
    PENALTY_AWARDED = "penalty_awarded"
    PENALTY_SCORED = "penalty_scored"
    PENALTY_MISSED = "penalty_missed"
    SHOOT_OUT_SCORED = "shoot_out_scored"
    SHOOT_OUT_MISSED = "shoot_out_missed"
    YELLOW_CARD = "yellow_card"
    SECOND_YELLOW_CARD = "second_yellow_card"  # a sending-off
    RED_CARD = "red_card"
    CORNER = "corner"


GOALS: Final = frozenset({IncidentType.GOAL, IncidentType.OWN_GOAL, IncidentType.PENALTY_SCORED})
SENDINGS_OFF: Final = frozenset({IncidentType.RED_CARD, IncidentType.SECOND_YELLOW_CARD})
KICKS: Final = frozenset({IncidentType.SHOOT_OUT_SCORED, IncidentType.SHOOT_OUT_MISSED})
"""Of a shoot-out."""
MATERIAL: Final = (
    GOALS
    | SENDINGS_OFF
    | KICKS
    | {IncidentType.GOAL_CANCELLED, IncidentType.PENALTY_AWARDED, IncidentType.PENALTY_MISSED}
)
"""Incidents that suspend every market at once and begin a new generation. Others may be material to some markets only:
``football_markets.TOUCHED``."""

WHISTLES: Final[dict[IncidentType, tuple[frozenset[Period], Period]]] = {
    IncidentType.KICK_OFF: (frozenset({Period.PRE}), Period.FIRST),
    IncidentType.HALF_TIME: (frozenset({Period.FIRST}), Period.HALF_TIME),
    IncidentType.SECOND_HALF: (frozenset({Period.HALF_TIME}), Period.SECOND),
    IncidentType.FULL_TIME: (frozenset({Period.SECOND}), Period.FULL_TIME),
    IncidentType.EXTRA_TIME: (frozenset({Period.FULL_TIME}), Period.EXTRA_FIRST),
    IncidentType.EXTRA_HALF_TIME: (frozenset({Period.EXTRA_FIRST}), Period.EXTRA_HALF_TIME),
    IncidentType.EXTRA_SECOND_HALF: (frozenset({Period.EXTRA_HALF_TIME}), Period.EXTRA_SECOND),
    IncidentType.EXTRA_FULL_TIME: (frozenset({Period.EXTRA_SECOND}), Period.EXTRA_FULL_TIME),
    IncidentType.SHOOT_OUT: (frozenset({Period.FULL_TIME, Period.EXTRA_FULL_TIME}), Period.SHOOT_OUT),
    IncidentType.OVER: (frozenset({Period.FULL_TIME, Period.EXTRA_FULL_TIME, Period.SHOOT_OUT}), Period.OVER),
}
"""Whistle -> (the periods it may end or interrupt, the period it begins)."""

_CARDS: Final = SENDINGS_OFF | {IncidentType.YELLOW_CARD}


class Team(msgspec.Struct, frozen=True, array_like=True):
    """One side's counts, by period where a market needs it."""

    first_half: int = 0
    second_half: int = 0
    extra_time: int = 0
    shoot_out: int = 0
    yellow: int = 0
    red: int = 0
    corners: int = 0
    late_yellow: int = 0
    """Of the yellow cards, those after regular time; likewise below."""
    late_red: int = 0
    late_corners: int = 0
    shoot_out_missed: int = 0

    @property
    def regular(self) -> int:
        """Goals of regular time."""
        return self.first_half + self.second_half

    @property
    def goals(self) -> int:
        """Goals of regular and extra time: what the scoreboard shows, the shoot-out apart."""
        return self.regular + self.extra_time


class FootballState(msgspec.Struct, frozen=True):
    """All that incidents add up to. Carried whole by every ``Incident``, so that the latest one suffices."""

    period: Period = Period.PRE
    clock_s: int = 0
    """Seconds into the period at the last incident."""
    home: Team = Team()
    away: Team = Team()
    penalty: Side | None = None
    """The side whose penalty is awarded and not yet taken."""
    order: tuple[Side, ...] = ()
    """Who got each goal of regular time, in order. Shorter than the score only in a state from before it was kept: then
    the earliest are missing."""
    cancelled: int = 0
    """Goals of regular time that there were and are no more: taken back by the referee, or by a corrected result."""
    knockout: bool = False
    """Whether the match must have a winner: a draw is followed by extra time, then by a shoot-out."""

    @property
    def score(self) -> tuple[int, int]:
        """Home and away goals, extra time included, shoot-out apart."""
        return self.home.goals, self.away.goals

    @property
    def regular_score(self) -> tuple[int, int]:
        """Home and away goals of regular time: what most markets are settled on."""
        return self.home.regular, self.away.regular

    @property
    def goals_asked(self) -> int:
        """Goals of regular time that there are or were, each of which had a market."""
        return sum(self.regular_score) + self.cancelled

    @property
    def regular_over(self) -> bool:
        """Whether regular time has ended."""
        return self.period not in _REGULAR

    @property
    def first_half_over(self) -> bool:
        """Whether the first half has ended."""
        return self.period not in (Period.PRE, Period.FIRST)

    @property
    def all_over(self) -> bool:
        """Whether nothing more is to be played, extra time and a shoot-out included. Only a draw of a knock-out match
        is played on."""
        if self.period in (Period.FULL_TIME, Period.EXTRA_FULL_TIME):
            return not self.knockout or self.leader is not None
        return self.period == Period.OVER

    @property
    def leader(self) -> Side | None:
        """The side that is ahead in goals, or in the shoot-out where goals are level; None where nobody is."""
        home, away = self.home, self.away
        ahead = (home.goals, home.shoot_out) > (away.goals, away.shoot_out)
        level = (home.goals, home.shoot_out) == (away.goals, away.shoot_out)
        return None if level else "home" if ahead else "away"


class IncidentError(ValueError):
    """An incident that cannot follow the state it meets."""


def advance(state: FootballState, type_: IncidentType, side: Side | None, clock_s: int) -> FootballState:
    """The state after an incident; IncidentError where the state table does not list it."""
    if type_ in WHISTLES:
        before, after = WHISTLES[type_]
        if state.period not in before:
            raise IncidentError(f"{type_} cannot follow period {state.period}")
        return msgspec.structs.replace(
            state, period=after, clock_s=clock_s if after == Period.OVER else 0, penalty=None
        )
    if side is None:
        raise IncidentError(f"{type_} needs a side")
    if type_ == IncidentType.GOAL_CANCELLED:
        return _take_back(state, side, clock_s)
    played = state.period in RUNNING or (type_ in _CARDS and state.period != Period.PRE)
    if (type_ in KICKS) != (state.period == Period.SHOOT_OUT) and type_ not in _CARDS:
        raise IncidentError(f"{type_} cannot happen in period {state.period}")
    if not played and type_ not in KICKS:
        raise IncidentError(f"{type_} cannot happen in period {state.period}")
    team = _count(state.home if side == "home" else state.away, type_, state.period)
    penalty = state.penalty
    if type_ == IncidentType.PENALTY_AWARDED:
        penalty = side
    elif type_ in (IncidentType.PENALTY_SCORED, IncidentType.PENALTY_MISSED):
        penalty = None
    order = (*state.order, side) if type_ in GOALS and not state.regular_over else state.order
    state = msgspec.structs.replace(state, clock_s=max(clock_s, state.clock_s), penalty=penalty, order=order)
    return msgspec.structs.replace(state, home=team) if side == "home" else msgspec.structs.replace(state, away=team)


_GOALS_OF: Final = ("extra_time", "second_half", "first_half")
"""Where goals are counted, the latest first."""


def _take_back(state: FootballState, side: Side, clock_s: int) -> FootballState:
    """The side's last goal did not count. It may be of a period that has ended since."""
    if state.period in (Period.PRE, Period.SHOOT_OUT, Period.OVER):
        raise IncidentError(f"goal_cancelled cannot happen in period {state.period}")
    team = state.home if side == "home" else state.away
    name = next((name for name in _GOALS_OF if getattr(team, name)), None)
    if name is None:
        raise IncidentError(f"goal_cancelled cannot happen: {side} has no goal")
    team = msgspec.structs.replace(team, **{name: getattr(team, name) - 1})
    order, cancelled = state.order, state.cancelled
    if name != "extra_time":
        cancelled += 1
        place = max((place for place, scorer in enumerate(order) if scorer == side), default=None)
        order = order if place is None else (*order[:place], *order[place + 1 :])
    changes = {side: team, "order": order, "cancelled": cancelled, "clock_s": max(clock_s, state.clock_s)}
    return msgspec.structs.replace(state, **changes)


_COUNTED: Final = {
    IncidentType.SHOOT_OUT_SCORED: ("shoot_out", "shoot_out"),
    IncidentType.SHOOT_OUT_MISSED: ("shoot_out_missed", "shoot_out_missed"),
    IncidentType.YELLOW_CARD: ("yellow", "late_yellow"),
    IncidentType.RED_CARD: ("red", "late_red"),
    IncidentType.SECOND_YELLOW_CARD: ("red", "late_red"),
    IncidentType.CORNER: ("corners", "late_corners"),
}
"""Incident -> what it counts under, and what else after regular time."""


def _count(team: Team, type_: IncidentType, period: Period) -> Team:
    if type_ in GOALS:
        names = {{Period.FIRST: "first_half", Period.SECOND: "second_half"}.get(period, "extra_time")}
    elif type_ in _COUNTED:
        whole, late = _COUNTED[type_]
        names = {whole} if period in _REGULAR else {whole, late}
    else:
        return team
    return msgspec.structs.replace(team, **{name: getattr(team, name) + 1 for name in names})
