"""Wyscout: recorded matches, second by second (Pappalardo et al. 2019, CC BY 4.0), as a feed.

What the format says: every touch, with the seconds into its period. What it does not say, and is inferred or assumed:

* Whistles: a period ends with its last event. Half-time lasts 15 minutes, the pause before extra time 5, between its
  halves 2, before a shoot-out 5.
* The award of a penalty: at the last foul of the other side within 180 s before the kick, and after the last goal;
  without one, 60 s before.
* A goal is tag 101 on a shot or free kick (the same tag on the keeper's save is not one), an own goal tag 102.
* Without a meta file: the first team listed plays at home, the kick-off is 2020-01-01 15:00 UTC.
"""

import gzip
import heapq
import json
import re
import zlib
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from matchday.model.football import IncidentType, Side
from matchday.model.messages import FixtureStatus, Strengths
from matchday.model.reports import Announced, Confirmed, Report, Reported

ANNOUNCE_MS: Final = 3_600_000
"""Match milliseconds before kick-off at which a fixture is announced."""
CONFIRM_MS: Final = 180_000
"""Match milliseconds after the end at which the result is confirmed."""
SOURCE: Final = "Wyscout; Pappalardo et al., Scientific Data 6, 236 (2019), CC BY 4.0"
LEAD_MS: Final = 20_000
"""Milliseconds from the start of a showing to its first kick-off."""
GAP_MS: Final = 600_000
"""Match milliseconds between two groups of kick-offs in a showing: longer gaps are cut to it."""
_MATCH_MS: Final = 7_200_000
_KICK_OFF_UNKNOWN: Final = 1_577_890_800_000
_AWARD_MAX_S: Final = 180.0
_AWARD_DEFAULT_S: Final = 60.0
_PAUSES_MS: Final = {"2H": 900_000, "E1": 300_000, "E2": 120_000, "P": 300_000}
_ORDER: Final = ("1H", "2H", "E1", "E2", "P")
_EVENTS: Final = frozenset({
    "Duel", "Foul", "Free Kick", "Goalkeeper leaving line", "Interruption", "Offside", "Others on the ball", "Pass",
    "Save attempt", "Shot", "Goal kick", "Throw in", "Corner", "Substitution",
})  # fmt: skip
_GOAL, _OWN_GOAL, _RED, _YELLOW, _SECOND_YELLOW = 101, 102, 1701, 1702, 1703
_CARDS: Final = {
    _RED: IncidentType.RED_CARD, _YELLOW: IncidentType.YELLOW_CARD, _SECOND_YELLOW: IncidentType.SECOND_YELLOW_CARD
}  # fmt: skip
_BEGINS: Final = {
    "1H": IncidentType.KICK_OFF, "2H": IncidentType.SECOND_HALF, "E1": IncidentType.EXTRA_TIME,
    "E2": IncidentType.EXTRA_SECOND_HALF, "P": IncidentType.SHOOT_OUT,
}  # fmt: skip
_ENDS: Final = {
    "1H": IncidentType.HALF_TIME, "2H": IncidentType.FULL_TIME, "E1": IncidentType.EXTRA_HALF_TIME,
    "E2": IncidentType.EXTRA_FULL_TIME,
}  # fmt: skip


_Shape = TypeVar("_Shape")


class Problem(msgspec.Struct, frozen=True):
    """A file, or a part of one, that cannot be used."""

    file: str
    place: str
    reason: str


class _Tag(msgspec.Struct):
    id: int


class _Event(msgspec.Struct):
    matchId: int  # noqa: N815 - the provider's name
    matchPeriod: str  # noqa: N815
    eventSec: float  # noqa: N815
    eventName: str  # noqa: N815
    teamId: int  # noqa: N815
    tags: list[_Tag]
    subEventName: str = ""  # noqa: N815

    def has(self, tag: int) -> bool:
        return any(found.id == tag for found in self.tags)


class _TeamName(msgspec.Struct):
    name: str


class _Team(msgspec.Struct):
    team: _TeamName


class _File(msgspec.Struct):
    events: list[_Event]
    teams: dict[str, _Team]


class _MetaTeam(msgspec.Struct):
    side: Side
    score: int
    scoreET: int = 0  # noqa: N815
    scoreP: int = 0  # noqa: N815


class _Meta(msgspec.Struct):
    wyId: int  # noqa: N815
    label: str
    dateutc: str
    teamsData: dict[str, _MetaTeam]  # noqa: N815
    duration: str = "Regular"


class Match(msgspec.Struct, dict=True):
    """One recorded match."""

    fixture: str
    home: str
    away: str
    competition: str
    kickoff_ms: int
    official: tuple[int, int] | None
    """The score by the meta file, extra time included; (-1, -1) where its label and its numbers disagree."""
    shoot_out: tuple[int, int] | None
    assumed: list[str]
    """What the files did not say."""
    events: list[_Event]
    home_id: int

    @cached_property
    def incidents(self) -> list[tuple[int, IncidentType, Side | None, int]]:
        """(match milliseconds since kick-off, type, side, seconds into the period), in order."""
        return list(_incidents(self.events, self.home_id))

    @property
    def end_ms(self) -> int:
        """Match milliseconds from kick-off to the end."""
        return self.incidents[-1][0]


class Loaded(msgspec.Struct):
    """What a search of paths has found."""

    matches: list[Match]
    problems: list[Problem]


class _WyscoutError(ValueError):
    def __init__(self, place: str, reason: str) -> None:
        super().__init__(f"{place}: {reason}")
        self.place, self.reason = place, reason


def load(paths: Sequence[Path], meta: Path | None = None) -> Loaded:
    """Every match in files and folders; what cannot be read is a problem, the rest goes on.

    ``meta``: a folder with ``matches_*.json[.gz]``; by default ``meta`` among the paths or beside the matches.
    """
    loaded = Loaded([], [])
    files: list[Path] = []
    folders = [meta] if meta is not None else []
    for path in paths:
        if path.is_dir():
            found = sorted(p for p in path.rglob("*") if p.is_file() and p.name.endswith((".json", ".json.gz")))
            files += [p for p in found if not _is_meta(p)]
            folders += sorted({p.parent for p in found if _is_meta(p)})
        elif path.exists():
            files += [] if _is_meta(path) else [path]
            folders += [path.parent] if _is_meta(path) else []
        else:
            loaded.problems.append(Problem(str(path), "path", "does not exist"))
    if meta is None:
        near = {base / "meta" for file in files for base in (file.parent, file.parent.parent)}
        folders += sorted(folder for folder in near if folder.is_dir())
    known = _read_meta(list(dict.fromkeys(folders)), loaded.problems)
    for file in dict.fromkeys(files):
        try:
            loaded.matches.append(_match(file, _decode(file, _File), known))
        except _WyscoutError as error:
            loaded.problems.append(Problem(str(file), error.place, error.reason))
    loaded.matches.sort(key=lambda match: (match.kickoff_ms, match.fixture))
    return loaded


def _is_meta(path: Path) -> bool:
    return path.name.startswith(("matches_", "teams.json", "players", "coaches", "competitions", "tags2name"))


def _decode(file: Path, shape: type[_Shape]) -> _Shape:
    """A file's content; an error names the place in it."""
    try:
        raw = file.read_bytes()
        if raw[:2] == b"\x1f\x8b":
            raw = gzip.decompress(raw)
    except (OSError, EOFError, zlib.error) as error:
        raise _WyscoutError("file", f"cannot be read: {error}") from error
    try:
        return msgspec.json.decode(raw, type=shape)
    except msgspec.ValidationError as error:
        reason, _, place = str(error).partition(" - at `$")
        raise _WyscoutError(
            place.rstrip("`").lstrip(".") or "file", f"{reason}; expected Wyscout match data"
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _WyscoutError("file", f"is not JSON: {error}") from error


def _read_meta(folders: Sequence[Path], problems: list[Problem]) -> dict[int, tuple[_Meta, str]]:
    """Match id -> what the meta files say of it, and the competition by the file's name."""
    known: dict[int, tuple[_Meta, str]] = {}
    for folder in folders:
        if not folder.is_dir():
            problems.append(Problem(str(folder), "path", "is no folder with matches_*.json"))
            continue
        for file in sorted(folder.glob("matches_*.json*")):
            competition = file.name.removeprefix("matches_").partition(".")[0].replace("_", " ")
            try:
                for meta in _decode(file, list[_Meta]):
                    known[meta.wyId] = (meta, competition)
            except _WyscoutError as error:
                problems.append(Problem(str(file), error.place, error.reason))
    return known


def _match(file: Path, content: _File, known: dict[int, tuple[_Meta, str]]) -> Match:
    if not content.events:
        raise _WyscoutError("events", "is empty")
    for index, event in enumerate(content.events):
        if event.eventName not in _EVENTS:
            raise _WyscoutError(f"events[{index}].eventName", f"{event.eventName!r} is not known")
        if event.matchPeriod not in _ORDER:
            raise _WyscoutError(f"events[{index}].matchPeriod", f"{event.matchPeriod!r} is not known")
    if len(content.teams) != 2:
        raise _WyscoutError("teams", f"{len(content.teams)} teams; expected 2")
    for period in ("1H", "2H"):
        if not any(event.matchPeriod == period for event in content.events):
            raise _WyscoutError("events", f"period {period} is missing: the file is not whole")
    number = content.events[0].matchId
    names = {int(team): _plain(entry.team.name) for team, entry in content.teams.items()}
    meta, competition = known.get(number, (None, file.parent.name))
    if meta is None:
        home_id, away_id = names
        assumed = [f"wyscout-{number}: no meta file; home side and kick-off are assumed"]
        return Match(f"wyscout-{number}", names[home_id], names[away_id], competition, _KICK_OFF_UNKNOWN, None, None,
                     assumed, content.events, home_id)  # fmt: skip
    sides = {entry.side: int(team) for team, entry in meta.teamsData.items()}
    if set(sides) != {"home", "away"} or set(sides.values()) != set(names):
        raise _WyscoutError("teams", "are not those of the meta file")
    kickoff_ms = int(datetime.fromisoformat(f"{meta.dateutc}+00:00").timestamp()) * 1000
    year = meta.dateutc[:4]
    return Match(f"wyscout-{number}", names[sides["home"]], names[sides["away"]], f"{competition} {year}", kickoff_ms,
                 _official(meta), _shoot_out(meta), [], content.events, sides["home"])  # fmt: skip


def _plain(name: str) -> str:
    r"""A name as people write it: the collection has some with ``\u00e9`` spelled out."""
    try:
        return str(json.loads(f'"{name}"')) if "\\u" in name else name
    except json.JSONDecodeError:
        return name


def _official(meta: _Meta) -> tuple[int, int]:
    by_side = {entry.side: entry for entry in meta.teamsData.values()}
    home, away = by_side["home"], by_side["away"]
    score = (home.score, away.score) if meta.duration == "Regular" else (home.scoreET, away.scoreET)
    label = re.search(r", (\d+) - (\d+)", meta.label)
    agree = label is None or (int(label[1]), int(label[2])) == score
    return score if agree else (-1, -1)


def _shoot_out(meta: _Meta) -> tuple[int, int] | None:
    by_side = {entry.side: entry for entry in meta.teamsData.values()}
    return (by_side["home"].scoreP, by_side["away"].scoreP) if meta.duration == "Penalties" else None


def _incidents(events: Sequence[_Event], home_id: int) -> Iterator[tuple[int, IncidentType, Side | None, int]]:
    """The match as incidents, period by period."""
    end_ms = 0
    periods = [p for p in _ORDER if any(event.matchPeriod == p for event in events)]
    for period in periods:
        begin_ms = end_ms + _PAUSES_MS.get(period, 0)
        yield begin_ms, _BEGINS[period], None, 0
        own = sorted((event for event in events if event.matchPeriod == period), key=lambda event: event.eventSec)
        found = list(_of_shoot_out(own, home_id) if period == "P" else _of_play(own, home_id))
        for second, type_, side in sorted(found, key=lambda item: item[0]):
            yield begin_ms + round(second * 1000), type_, side, int(second)
        end_ms = begin_ms + round(own[-1].eventSec * 1000)
        if period in _ENDS:
            yield end_ms, _ENDS[period], None, int(own[-1].eventSec)
    yield end_ms, IncidentType.OVER, None, 0


def _of_shoot_out(events: Sequence[_Event], home_id: int) -> Iterator[tuple[float, IncidentType, Side | None]]:
    for event in events:
        if event.eventName == "Free Kick" and event.subEventName == "Penalty":
            scored = event.has(_GOAL)
            type_ = IncidentType.SHOOT_OUT_SCORED if scored else IncidentType.SHOOT_OUT_MISSED
            yield event.eventSec, type_, _side(event.teamId, home_id)


def _of_play(events: Sequence[_Event], home_id: int) -> Iterator[tuple[float, IncidentType, Side | None]]:
    fouls: list[_Event] = []
    last_goal_s = 0.0
    for event in events:
        at, side = event.eventSec, _side(event.teamId, home_id)
        goal = event.has(_GOAL) and event.eventName in ("Shot", "Free Kick")
        if event.eventName == "Foul":
            fouls.append(event)
        if event.eventName == "Free Kick" and event.subEventName == "Penalty":
            yield _awarded_s(event, fouls, last_goal_s), IncidentType.PENALTY_AWARDED, side
            yield at, IncidentType.PENALTY_SCORED if goal else IncidentType.PENALTY_MISSED, side
        elif goal:
            yield at, IncidentType.GOAL, side
        elif event.has(_OWN_GOAL):
            yield at, IncidentType.OWN_GOAL, "away" if side == "home" else "home"
        elif event.eventName == "Free Kick" and event.subEventName == "Corner":
            yield at, IncidentType.CORNER, side
        if goal or event.has(_OWN_GOAL):
            last_goal_s = at
        for tag, card in _CARDS.items():
            if event.has(tag):
                yield at, card, side


def _awarded_s(kick: _Event, fouls: Sequence[_Event], last_goal_s: float) -> float:
    for foul in reversed(fouls):
        if foul.eventSec < max(kick.eventSec - _AWARD_MAX_S, last_goal_s):
            break
        if foul.teamId != kick.teamId:
            return foul.eventSec
    return max(kick.eventSec - _AWARD_DEFAULT_S, last_goal_s, 0.0)


def _side(team_id: int, home_id: int) -> Side:
    return "home" if team_id == home_id else "away"


class WyscoutFeed:
    """Recorded matches as a live feed: at their real times, or shown from ``start_ms`` on with ``speed``."""

    def __init__(
        self,
        matches: Sequence[Match],
        strengths: Callable[[Match], Strengths],
        speed: float = 1.0,
        start_ms: int | None = None,
        showing: str = "",
    ) -> None:
        self._matches = list(matches)
        self._strengths = strengths
        self._speed = speed
        self._suffix = f"@{showing}" if showing else ""
        self.name = f"wyscout{self._suffix}"
        self._kickoffs = _kickoffs(self._matches, speed, start_ms)
        self._start_ms = start_ms

    def knows(self, fixture: str) -> bool:
        """See ``Adapter.knows``. A new showing does not know the fixtures of an earlier one."""
        return fixture in {match.fixture + self._suffix for match in self._matches}

    def reports(self, now_ms: int, unfinished: Collection[str]) -> Iterator[Report]:  # noqa: ARG002 - a showing is whole
        """See ``Adapter.reports``."""
        return heapq.merge(
            *(self._of(match) for match in self._matches), key=lambda report: (report.at_ms, report.fixture)
        )

    def _of(self, match: Match) -> Iterator[Report]:
        fixture, kickoff = match.fixture + self._suffix, self._kickoffs[match.fixture]
        announced = self._start_ms if self._start_ms is not None else kickoff - ANNOUNCE_MS
        yield Announced(
            announced, fixture, 1, match.competition, match.home, match.away, kickoff, self._strengths(match), SOURCE
        )
        seq = 1
        for seq, (offset, type_, side, clock_s) in enumerate(match.incidents, 2):
            yield Reported(kickoff + round(offset / self._speed), fixture, seq, type_, side, clock_s)
        confirmed = kickoff + round((match.end_ms + CONFIRM_MS) / self._speed)
        yield Confirmed(confirmed, fixture, seq + 1, FixtureStatus.FINISHED)


def _kickoffs(matches: Sequence[Match], speed: float, start_ms: int | None) -> dict[str, int]:
    """When each match kicks off on the platform's clock. Simultaneous ones stay simultaneous, long gaps are cut."""
    if start_ms is None:
        return {match.fixture: match.kickoff_ms for match in matches}
    found: dict[str, int] = {}
    shown = 0
    before: int | None = None
    for match in sorted(matches, key=lambda match: match.kickoff_ms):
        if before is not None:
            shown += min(match.kickoff_ms - before, _MATCH_MS + GAP_MS)
        before = match.kickoff_ms
        found[match.fixture] = start_ms + LEAD_MS + round(shown / speed)
    return found
