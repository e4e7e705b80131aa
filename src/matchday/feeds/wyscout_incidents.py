"""Wyscout incidents: what a match's events say happened, in the order in which a feed would have said it.

Owns the rules of inference; ``wyscout_files`` reads the events, ``wyscout`` reports the incidents. Never reads a file.

The format says every touch, with the seconds into its period. It has no whistles, no wall clock and no referee:

* A period begins at second 0 and ends with its last event. Half-time lasts 15 minutes, the pause before extra time 5,
  between its halves 2, before a shoot-out 5 (the Laws of the Game give 15 and "short" ones; these are typical).
* A goal is tag 101 on a shot or a free kick (the same tag on the keeper's save is not one); tag 102 is an own goal, for
  the other side. In period P a penalty is a kick of the shoot-out, not a goal.
* The award of a penalty is the other side's last foul of play within 300 s before the kick (a video review took 258 s
  in the 2018 final), after the last goal or penalty of the period; without such a foul, 60 s before the kick.
* An event carries one card: a second yellow goes before a red, a red before a yellow. The same card for the same player
  within 60 s is the same card.
"""

from collections.abc import Iterator, Sequence
from typing import Annotated, Final

import msgspec

from matchday.model.football import FootballState, IncidentError, IncidentType, Side, advance

HALF_TIME_MS: Final = 900_000
"""Match milliseconds of half-time."""
BEFORE_EXTRA_TIME_MS: Final = 300_000
BETWEEN_EXTRA_HALVES_MS: Final = 120_000
BEFORE_SHOOT_OUT_MS: Final = 300_000
AWARD_MAX_S: Final = 300.0
"""Seconds between the foul and the kick beyond which they are not taken to belong together."""
AWARD_DEFAULT_S: Final = 60.0
"""Seconds before the kick at which a penalty counts as awarded where no foul is found."""
SAME_CARD_S: Final = 60.0
PERIOD_S_MAX: Final = 7_200
"""Seconds into a period beyond which a time cannot be one."""

_PAUSES_MS: Final = {
    "2H": HALF_TIME_MS, "E1": BEFORE_EXTRA_TIME_MS, "E2": BETWEEN_EXTRA_HALVES_MS, "P": BEFORE_SHOOT_OUT_MS
}  # fmt: skip
_ORDER: Final = ("1H", "2H", "E1", "E2", "P")
_EVENTS: Final = frozenset({
    "Duel", "Foul", "Free Kick", "Goalkeeper leaving line", "Interruption", "Offside", "Others on the ball", "Pass",
    "Save attempt", "Shot",
})  # fmt: skip
_GOAL, _OWN_GOAL, _RED, _YELLOW, _SECOND_YELLOW = 101, 102, 1701, 1702, 1703
_CARDS: Final = (
    (_SECOND_YELLOW, IncidentType.SECOND_YELLOW_CARD),
    (_RED, IncidentType.RED_CARD),
    (_YELLOW, IncidentType.YELLOW_CARD),
)
_TELLING: Final = frozenset({_OWN_GOAL, _RED, _YELLOW, _SECOND_YELLOW})
_NOT_OF_PLAY: Final = frozenset({"Protest", "Time lost foul", "Late card foul", "Out of game foul", "Simulation"})
"""Fouls for which no penalty is given."""
_BEGINS: Final = {
    "1H": IncidentType.KICK_OFF, "2H": IncidentType.SECOND_HALF, "E1": IncidentType.EXTRA_TIME,
    "E2": IncidentType.EXTRA_SECOND_HALF, "P": IncidentType.SHOOT_OUT,
}  # fmt: skip
_ENDS: Final = {
    "1H": IncidentType.HALF_TIME, "2H": IncidentType.FULL_TIME, "E1": IncidentType.EXTRA_HALF_TIME,
    "E2": IncidentType.EXTRA_FULL_TIME,
}  # fmt: skip

Moment = tuple[int, IncidentType, Side | None, int]
"""(match milliseconds since kick-off, type, side, seconds into the period)"""
_Found = tuple[float, IncidentType, Side]


class WyscoutError(ValueError):
    """What cannot be used, and its place in the file."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(f"{place}: {reason}")
        self.place, self.reason = place, reason


class _Tag(msgspec.Struct, gc=False):
    id: int


class Event(msgspec.Struct):
    """One touch, foul or interruption, as the provider writes it; fields that nothing here needs are left out."""

    matchId: int  # noqa: N815 - the provider's name
    matchPeriod: str  # noqa: N815
    eventSec: Annotated[float, msgspec.Meta(ge=0, le=PERIOD_S_MAX)]  # noqa: N815
    eventName: str  # noqa: N815
    subEventName: str  # noqa: N815
    teamId: int  # noqa: N815
    tags: list[_Tag]
    playerId: int = 0  # noqa: N815

    def has(self, tag: int) -> bool:
        """Whether the event carries a tag."""
        return any(found.id == tag for found in self.tags)

    @property
    def of_set_piece(self) -> str:
        """``Penalty``, ``Corner`` and the like; empty where the event is no free kick."""
        return self.subEventName if self.eventName == "Free Kick" else ""


Placed = tuple[str, Event]
"""An event and its place in the file, for people."""


def incidents(events: Sequence[Placed], home_id: int, away_id: int) -> list[Moment]:
    """One match's incidents, which ``football.advance`` accepts. WyscoutError names what does not fit, and where."""
    sides: dict[int, Side] = {home_id: "home", away_id: "away"}
    periods: dict[str, list[Event]] = {}
    for place, event in events:
        _check(place, event, sides)
        periods.setdefault(event.matchPeriod, []).append(event)
    moments = list(_whole_match(periods, sides))
    state = FootballState()
    for _, type_, side, clock_s in moments:
        try:
            state = advance(state, type_, side, clock_s)
        except IncidentError as error:
            raise WyscoutError("events", f"{error}: the file is not whole") from error
    return moments


def _check(place: str, event: Event, sides: dict[int, Side]) -> None:
    if event.eventName not in _EVENTS:
        raise WyscoutError(f"{place}.eventName", f"{event.eventName!r} is not known")
    if event.matchPeriod not in _ORDER:
        raise WyscoutError(f"{place}.matchPeriod", f"{event.matchPeriod!r} is not known")
    if event.teamId in sides:
        return
    telling = event.eventName in ("Shot", "Free Kick", "Foul") or any(tag.id in _TELLING for tag in event.tags)
    if telling or event.teamId != 0:  # 0: nobody's, as of an interruption
        raise WyscoutError(f"{place}.teamId", f"{event.teamId} is not one of the two teams")


def _whole_match(periods: dict[str, list[Event]], sides: dict[int, Side]) -> Iterator[Moment]:
    for period in ("1H", "2H"):
        if period not in periods:
            raise WyscoutError("events", f"period {period} is missing: the file is not whole")
    end_ms, end_s = 0, 0.0
    for period in _ORDER:
        if period not in periods:
            continue
        events = sorted(periods[period], key=lambda event: event.eventSec)
        begin_ms = end_ms + _PAUSES_MS.get(period, 0)
        yield begin_ms, _BEGINS[period], None, 0
        found = [*_cards(events, sides), *(_shoot_out(events, sides) if period == "P" else _play(events, sides))]
        # What is said at one moment is said in this order: the award, then what was played, then cards for it.
        for second, type_, side in sorted(found, key=lambda item: (item[0], _RANK.get(item[1], 1))):
            yield begin_ms + round(second * 1000), type_, side, int(second)
        end_s = events[-1].eventSec
        end_ms = begin_ms + round(end_s * 1000)
        if period in _ENDS:
            yield end_ms, _ENDS[period], None, int(end_s)
    yield end_ms, IncidentType.OVER, None, int(end_s)


_RANK: Final = {IncidentType.PENALTY_AWARDED: 0, **{card: 2 for _, card in _CARDS}}


def _shoot_out(events: Sequence[Event], sides: dict[int, Side]) -> Iterator[_Found]:
    for event in events:
        if event.of_set_piece == "Penalty":
            type_ = IncidentType.SHOOT_OUT_SCORED if event.has(_GOAL) else IncidentType.SHOOT_OUT_MISSED
            yield event.eventSec, type_, sides[event.teamId]


def _play(events: Sequence[Event], sides: dict[int, Side]) -> Iterator[_Found]:
    """Goals, penalties and corners of a period."""
    fouls: list[Event] = []
    dead_s = 0.0  # the last goal or penalty: no award before it can be of a kick after it
    for event in events:
        at, goal = event.eventSec, event.has(_GOAL) and event.eventName in ("Shot", "Free Kick")
        if event.eventName == "Foul" and event.subEventName not in _NOT_OF_PLAY:
            fouls.append(event)
        if event.of_set_piece == "Penalty":
            yield _awarded_s(event, fouls, dead_s), IncidentType.PENALTY_AWARDED, sides[event.teamId]
            yield at, IncidentType.PENALTY_SCORED if goal else IncidentType.PENALTY_MISSED, sides[event.teamId]
        elif goal:
            yield at, IncidentType.GOAL, sides[event.teamId]
        elif event.has(_OWN_GOAL):
            yield at, IncidentType.OWN_GOAL, "away" if sides[event.teamId] == "home" else "home"
        elif event.of_set_piece == "Corner":
            yield at, IncidentType.CORNER, sides[event.teamId]
        if goal or event.of_set_piece == "Penalty" or event.has(_OWN_GOAL):
            dead_s = at


def _awarded_s(kick: Event, fouls: Sequence[Event], dead_s: float) -> float:
    """When a penalty was awarded: after ``dead_s``, not after the kick."""
    for foul in reversed(fouls):
        if foul.eventSec < kick.eventSec - AWARD_MAX_S or foul.eventSec <= dead_s:
            break
        if foul.teamId != kick.teamId:
            return foul.eventSec
    after_s = dead_s + 0.001 if dead_s else 0.0  # a millisecond later, so that order by time is order of play
    return min(kick.eventSec, max(kick.eventSec - AWARD_DEFAULT_S, after_s))


def _cards(events: Sequence[Event], sides: dict[int, Side]) -> Iterator[_Found]:
    shown: dict[tuple[int, IncidentType], float] = {}
    for event in events:
        card = next((card for tag, card in _CARDS if event.has(tag)), None)
        if card is None:
            continue
        again = event.playerId and event.eventSec - shown.get((event.playerId, card), -SAME_CARD_S) < SAME_CARD_S
        shown[event.playerId, card] = event.eventSec
        if not again:
            yield event.eventSec, card, sides[event.teamId]
