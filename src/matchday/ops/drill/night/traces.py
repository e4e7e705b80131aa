"""Shapes from what was recorded: the crowd of a trace of traffic about a kick-off, or the incidents of a match.

A trace's minute of requests becomes visitors by how many requests a visit makes (``behaviour.requests``), so that at
1 x rate the drill makes as many requests a second as were recorded; compression plays its minutes faster.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from matchday.feeds.wyscout import Match
from matchday.feeds.wyscout import load as load_matches
from matchday.model.football import GOALS, IncidentType
from matchday.ops.drill import DrillError
from matchday.ops.drill.fans.behaviour import MIXES, Act, requests
from matchday.ops.drill.night.shapes import Phase, Stir, flat, named, ramp, spike
from matchday.ops.forecast import calendar, traffic

PHASES: Final = (
    ("before", -30, -10, "evening"), ("before kick-off", -10, 0, "kick-off"), ("kick-off", 0, 10, "kick-off"),
    ("first half", 10, 47, "kick-off"), ("half-time", 47, 62, "home"), ("second half", 62, 105, "kick-off"),
    ("final whistle", 105, 125, "home"), ("after", 125, 150, "home"),
)  # fmt: skip
"""Name, minutes since kick-off from and until, and what kind of crowd comes."""
_MS: Final = 60_000
_AFTER_GOAL: Final = 4.0
"""Minutes that a goal's crowd takes."""


def of_traffic(file: Path, kickoffs: Path, at: str | None) -> tuple[Phase, ...]:
    """The crowd about a kick-off: the one at a time (UTC), or the busiest match's. Levels are visitors a second."""
    trace = traffic.read(file)
    fixtures = [each.kickoff for each in calendar.read(kickoffs).fixtures if not each.cancelled]
    inside = [
        minute - trace.first for minute in sorted(set(fixtures))
        if trace.first - PHASES[0][1] <= minute <= trace.first + len(trace.requests) - PHASES[-1][2]
    ]  # fmt: skip
    if not inside:
        raise DrillError(f"no kick-off of {kickoffs} has its crowd in {file}; name files of the same days")
    place = (
        _chosen(inside, trace.first, at) if at else max(inside, key=lambda n: int(trace.requests[n : n + 125].sum()))
    )
    phases = []
    for name, start, end, mix in PHASES:
        minutes = trace.requests[place + start : place + end]
        a_visit = requests(MIXES[mix])
        phases.append(Phase(name, end - start, tuple(float(each) / 60 / a_visit for each in minutes), mix))
    return tuple(phases)


def _chosen(inside: Sequence[int], first: int, at: str) -> int:
    try:
        moment = datetime.fromisoformat(at)
    except ValueError as error:
        raise DrillError(f"--at {at!r} is no time; write YYYY-MM-DDTHH:MM, in UTC") from error
    minute = int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() // 60) - first
    if minute not in inside:
        near = min(inside, key=lambda each: abs(each - minute))
        told = datetime.fromtimestamp((near + first) * 60, UTC)
        raise DrillError(f"--at {at}: nothing kicks off then; the nearest is {told:%Y-%m-%dT%H:%M}")
    return minute


def recorded(file: Path) -> Match:
    """The one match of a Wyscout file. DrillError where there is none, or more."""
    found = load_matches([file], None).matches
    if len(found) != 1:
        raise DrillError(f"--match {file} has {len(found)} matches; name the Wyscout file of one")
    return found[0]


def of_match(match: Match) -> tuple[Phase, ...]:
    """Its whistles and goals: the crowd of the library at each of them, in the minutes in which they happened."""
    marks = _marks(match)
    phases, level = [Phase("before kick-off", 2, ramp(1, 3, 2), "kick-off")], 2.0
    for (name, at), (_, following) in zip(marks, [*marks[1:], ("", marks[-1][1] + 18)], strict=True):
        lasts = max(following - at, 0.25)
        if name == "goal":
            busy = min(_AFTER_GOAL, lasts)
            stirs = (Stir(Act.TAP, 0.8, 1), Stir(Act.BET, 0.3, 2))
            phases.append(Phase("goal", busy, spike(level, 8, busy), "goal", stirs))
            if lasts > busy:
                phases.append(Phase("after the goal", lasts - busy, flat(level + 0.5), "goal"))
        elif name == "half-time":
            phases.append(Phase(name, lasts, flat(3), "home", (Stir(Act.HOME, 0.4, 4),)))
        elif name == "final whistle":
            phases.append(Phase(name, 8, spike(4, 8, 8), "home", (Stir(Act.HOME, 0.9, 2),)))
            phases.append(Phase("going home", lasts - 8, ramp(3, 1, lasts - 8), "home"))
        else:
            level = 2.5 if name == "kick-off" else 3.0
            phases.append(Phase(name, lasts, spike(level, 6, lasts) if lasts <= 8 else flat(level), "kick-off"))
    return named(phases)


def _marks(match: Match) -> list[tuple[str, float]]:
    """(what, minutes since kick-off) of whistles and goals, in order."""
    names = {
        IncidentType.KICK_OFF: "kick-off", IncidentType.HALF_TIME: "half-time",
        IncidentType.SECOND_HALF: "second half", IncidentType.FULL_TIME: "final whistle",
    }  # fmt: skip
    found = []
    for offset_ms, type_, _, _ in match.incidents:
        if type_ in GOALS:
            found.append(("goal", offset_ms / _MS))
        elif type_ in names:
            found.append((names[type_], offset_ms / _MS))
    return found
