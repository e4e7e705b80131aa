"""Wyscout files: open-data matches from files and folders, with what the meta files say of them.

Owns the format of the files. Says matches, and a ``Problem`` for each file, or match of one, that cannot be used: the
others go on. Never decides what happened on the pitch (``wyscout_incidents``) or when it is shown (``wyscout``).

Two layouts are read: one file per match, ``{"events": […], "teams": {id: {…}}}``, and the collection's own
``events_X.json``, a list of the events of many matches, which needs a meta file. All may be gzipped.

Meta files are ``matches_X.json`` (kick-off, sides, official score, and the round, which tells before the match whether
it must have a winner) and ``teams.json`` (names). The collection's other lists (players, coaches, referees,
competitions, playerank) are passed over. Without a meta file the first team listed plays at home, the kick-off is
2020-01-01 15:00 UTC and the competition is the folder's name; ``Match.assumed`` says so.
"""

import gzip
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from matchday.feeds.wyscout_incidents import Event, Moment, Placed, WyscoutError, incidents
from matchday.model.football import Side

KICK_OFF_UNKNOWN_MS: Final = 1_577_890_800_000
"""2020-01-01 15:00 UTC: the kick-off of a match without a meta file."""
_SUFFIXES: Final = (".json", ".json.gz")
_META: Final = "matches_"
_TEAMS: Final = "teams.json"
_PASSED_OVER: Final = ("players.json", "coaches.json", "referees.json", "competitions.json", "playerank.json")
_LEAGUES: Final = {
    "England": "English Premier League", "France": "French Ligue 1", "Germany": "German Bundesliga",
    "Italy": "Italian Serie A", "Spain": "Spanish La Liga",
}  # fmt: skip
_SEASON_BEGINS_MONTH: Final = 7
_AT: Final = re.compile(r"^(?P<reason>.*?)(?: - at `(?:key` in `)?\$(?P<place>[^`]*)`)?$", re.DOTALL)
_MISSING: Final = re.compile(r"missing required field `(\w+)`")
_LABEL: Final = re.compile(r"^(?P<home>.+?) - (?P<away>.+), (?P<goals>\d{1,3}) - (?P<against>\d{1,3})(?!\d)")
_ESCAPES: Final = re.compile(r"(?:\\u[0-9a-fA-F]{4})+")

_DISAGREES: Final = (-1, -1)

_Shape = TypeVar("_Shape")


class Problem(msgspec.Struct, frozen=True):
    """A file, or a part of one, that cannot be used."""

    file: str
    place: str
    """Where in the file, as ``events[17].eventName``; ``file`` for all of it."""
    reason: str


class Match(msgspec.Struct, frozen=True):
    """One recorded match."""

    fixture: str
    home: str
    away: str
    competition: str
    kickoff_ms: int
    """UTC, as it was played."""
    official: tuple[int, int] | None
    """The score by the meta file, extra time included, shoot-out apart; None without one, and a score that no match has
    (-1, -1) where its label and its numbers differ."""
    shoot_out: tuple[int, int] | None
    """The score of the shoot-out by the meta file; None where there was none."""
    assumed: list[str]
    """What the files did not say, for people."""
    incidents: list[Moment]
    """(match milliseconds since kick-off, type, side, seconds into the period), in order; ``football.advance`` accepts
    them."""
    knockout: bool = False
    """Whether the match must have a winner, by its round; not where no meta file tells the round."""

    @property
    def end_ms(self) -> int:
        """Match milliseconds from kick-off to the end."""
        return self.incidents[-1][0]


class Loaded(msgspec.Struct):
    """What a search of paths has found."""

    matches: list[Match]
    """By kick-off, then fixture."""
    problems: list[Problem]


class _TeamName(msgspec.Struct):
    name: str


class _Team(msgspec.Struct):
    team: _TeamName


class _File(msgspec.Struct):
    events: list[Event]
    teams: dict[int, _Team]


class _ListedTeam(msgspec.Struct):
    wyId: int  # noqa: N815 - the provider's name
    name: str


class _MetaTeam(msgspec.Struct):
    side: Side
    score: int
    scoreET: int = 0  # noqa: N815
    scoreP: int = 0  # noqa: N815


class _Meta(msgspec.Struct):
    wyId: int  # noqa: N815
    label: str
    dateutc: str
    teamsData: dict[int, _MetaTeam]  # noqa: N815
    duration: str = "Regular"
    groupName: str | None = None  # noqa: N815
    gameweek: int | None = None

    @property
    def knockout(self) -> bool:
        """A round of a tournament (which names groups) that belongs to none of them and to no match day."""
        return self.groupName == "" and self.gameweek == 0


class _Known(msgspec.Struct):
    """What the meta files say of a match."""

    competition: str
    kickoff_ms: int
    home_id: int
    away_id: int
    names: tuple[str, str]
    official: tuple[int, int]
    shoot_out: tuple[int, int] | None
    assumed: list[str]
    knockout: bool


def load(paths: Sequence[Path], meta: Path | None = None) -> Loaded:
    """Every match in files and folders; what cannot be read is a problem, the rest goes on.

    ``meta``: a meta file or a folder of them; by default those among the paths, beside the matches or in a folder
    ``meta`` there or one level up.
    """
    problems: list[Problem] = []
    files, metas = _search(paths, problems)
    named = _metas_in(meta) if meta is not None else [path for folder in _near(files) for path in _metas_in(folder)]
    if meta is not None and not any(path.name.startswith(_META) for path in named):
        problems.append(Problem(str(meta), "path", "is no folder with matches_*.json; name the meta folder"))
    known = _read_meta(list(dict.fromkeys([*metas, *named])), problems)
    matches: dict[str, Match] = {}
    origins: dict[str, Path] = {}
    for file in dict.fromkeys(files):
        for read in _read_file(file, known):
            if isinstance(read, Problem):
                problems.append(read)
            elif read.fixture in matches:
                problems.append(
                    Problem(str(file), "file", f"{read.fixture} is read from {origins[read.fixture]} already")
                )
            else:
                matches[read.fixture], origins[read.fixture] = read, file
    return Loaded(sorted(matches.values(), key=lambda match: (match.kickoff_ms, match.fixture)), problems)


def _search(paths: Sequence[Path], problems: list[Problem]) -> tuple[list[Path], list[Path]]:
    """Match files and meta files. A file that is named is taken at its word, whatever its suffix."""
    files: list[Path] = []
    metas: list[Path] = []
    for path in paths:
        if not path.exists():
            problems.append(Problem(str(path), "path", "does not exist"))
            continue
        found = [path]
        if path.is_dir():
            found = sorted(p for p in path.rglob("*") if p.name.endswith(_SUFFIXES) and p.is_file())
            if not found:
                problems.append(Problem(str(path), "path", "holds no .json or .json.gz file"))
        metas += [p for p in found if _is_meta(p)]
        files += [p for p in found if not _is_meta(p) and p.name.removesuffix(".gz") not in _PASSED_OVER]
    return files, metas


def _is_meta(path: Path) -> bool:
    return path.name.endswith(_SUFFIXES) and (path.name.startswith(_META) or path.name.removesuffix(".gz") == _TEAMS)


def _metas_in(path: Path) -> list[Path]:
    """The meta files of a folder, or the one that is named."""
    if path.is_file():
        return [path] if _is_meta(path) else []
    return sorted(found for found in path.glob("*.json*") if _is_meta(found))


def _near(files: Iterable[Path]) -> list[Path]:
    """Folders in which the meta files of match files may be."""
    bases = dict.fromkeys(base for file in files for base in (file.parent, file.parent.parent))
    folders = [folder for base in bases for folder in (base / "meta", base)]
    return [folder for folder in dict.fromkeys(folders) if folder.is_dir()]


def _bytes(file: Path) -> bytes:
    try:
        raw = file.read_bytes()
        return gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
    except (OSError, EOFError, zlib.error) as error:
        raise WyscoutError("file", f"cannot be read: {error}") from error


def _decode(raw: bytes, shape: type[_Shape]) -> _Shape:
    """A file's content; an error names the place in it."""
    try:
        return msgspec.json.decode(raw, type=shape)
    except msgspec.ValidationError as error:
        at = _AT.match(str(error))
        reason, place = (at["reason"], at["place"] or "") if at else (str(error), "")
        if missing := _MISSING.search(reason):
            place = f"{place}.{missing[1]}"
        raise WyscoutError(place.lstrip(".") or "file", f"{reason}; expected Wyscout match data") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WyscoutError("file", f"is not JSON: {error}") from error


def _read_meta(files: Sequence[Path], problems: list[Problem]) -> dict[int, _Known]:
    """Match id -> what the meta files say of it. Teams first: their names are asked for by the matches."""
    names: dict[int, str] = {}
    known: dict[int, _Known] = {}
    for file in sorted(files, key=lambda file: file.name.startswith(_META)):
        try:
            if not file.name.startswith(_META):
                names.update({team.wyId: _plain(team.name) for team in _decode(_bytes(file), list[_ListedTeam])})
                continue
            entries = _decode(_bytes(file), list[_Meta])
        except WyscoutError as error:
            problems.append(Problem(str(file), error.place, error.reason))
            continue
        title = file.name.removeprefix(_META).partition(".")[0]
        for index, entry in enumerate(entries):
            try:
                known[entry.wyId] = _entry(entry, title, names)
            except WyscoutError as error:
                problems.append(Problem(str(file), f"[{index}].{error.place}", error.reason))
    return known


def _entry(meta: _Meta, title: str, names: dict[int, str]) -> _Known:
    sides = {entry.side: team for team, entry in meta.teamsData.items()}
    if len(meta.teamsData) != 2 or set(sides) != {"home", "away"}:
        raise WyscoutError("teamsData", "is not one home and one away side")
    try:
        kickoff = datetime.fromisoformat(f"{meta.dateutc}+00:00")
    except ValueError as error:
        raise WyscoutError("dateutc", f"{meta.dateutc!r} is not a time like 2018-07-15 15:00:00") from error
    home, away = meta.teamsData[sides["home"]], meta.teamsData[sides["away"]]
    score = (home.score, away.score) if meta.duration == "Regular" else (home.scoreET, away.scoreET)
    label = _LABEL.match(_plain(meta.label))
    agree = label is None or (int(label["goals"]), int(label["against"])) == score
    official = score if agree else _DISAGREES
    assumed = [] if agree else [f"wyscout-{meta.wyId}: label {meta.label!r} and score {score} of the meta file differ"]
    return _Known(
        competition=f"{_LEAGUES.get(title, title.replace('_', ' '))} {_season(kickoff, title)}",
        kickoff_ms=int(kickoff.timestamp()) * 1000,
        home_id=sides["home"],
        away_id=sides["away"],
        names=(
            names.get(sides["home"]) or (label["home"] if label else f"team {sides['home']}"),
            names.get(sides["away"]) or (label["away"] if label else f"team {sides['away']}"),
        ),
        official=official,
        shoot_out=(home.scoreP, away.scoreP) if meta.duration == "Penalties" else None,
        assumed=assumed,
        knockout=meta.knockout,
    )


def _season(kickoff: datetime, title: str) -> str:
    """``2017/18`` of a league, the year of a tournament."""
    if title not in _LEAGUES:
        return str(kickoff.year)
    begins = kickoff.year - (kickoff.month < _SEASON_BEGINS_MONTH)
    return f"{begins}/{(begins + 1) % 100:02}"


def _read_file(file: Path, known: dict[int, _Known]) -> Iterator[Match | Problem]:
    """The matches of a file, or what is wrong with it."""
    try:
        raw = _bytes(file)
        if raw.lstrip()[:1] == b"[":
            yield from _many(file, _decode(raw, list[Event]), known)
        else:
            yield _one(file, _decode(raw, _File), known)
    except WyscoutError as error:
        yield Problem(str(file), error.place, error.reason)


def _one(file: Path, content: _File, known: dict[int, _Known]) -> Match:
    if not content.events:
        raise WyscoutError("events", "is empty")
    if len(content.teams) != 2:
        raise WyscoutError("teams", f"{len(content.teams)} teams; expected 2")
    number = content.events[0].matchId
    events = [(f"events[{index}]", event) for index, event in enumerate(content.events)]
    for place, event in events:
        if event.matchId != number:
            raise WyscoutError(f"{place}.matchId", f"{event.matchId} is another match than {number}")
    names = {team: _plain(entry.team.name) for team, entry in content.teams.items()}
    meta = known.get(number)
    if meta is not None:
        if {meta.home_id, meta.away_id} != set(names):
            raise WyscoutError("teams", "are not those of the meta file")
        return _match(number, meta, (names[meta.home_id], names[meta.away_id]), events)
    home_id, away_id = names
    fixture, home, away = f"wyscout-{number}", names[home_id], names[away_id]
    assumed = (
        f"{fixture}: no meta file: {home}, listed first, is assumed at home, and a kick-off at 2020-01-01 15:00 UTC"
    )
    return Match(
        fixture, home, away, file.resolve().parent.name, KICK_OFF_UNKNOWN_MS, None, None, [assumed],
        incidents(events, home_id, away_id),
    )  # fmt: skip


def _many(file: Path, events: Sequence[Event], known: dict[int, _Known]) -> Iterator[Match | Problem]:
    """The collection's own layout: who played is in the meta file alone."""
    if not events:
        yield Problem(str(file), "file", "holds no events")
    by_match: dict[int, list[Placed]] = {}
    for index, event in enumerate(events):
        by_match.setdefault(event.matchId, []).append((f"[{index}]", event))
    for number, own in by_match.items():
        meta = known.get(number)
        if meta is None:
            yield Problem(str(file), own[0][0], f"match {number} is in no meta file; add its matches_*.json")
            continue
        try:
            yield _match(number, meta, meta.names, own)
        except WyscoutError as error:
            place = f"match {number}" if error.place == "events" else error.place
            yield Problem(str(file), place, error.reason)


def _match(number: int, meta: _Known, names: tuple[str, str], events: Sequence[Placed]) -> Match:
    return Match(
        f"wyscout-{number}", *names, meta.competition, meta.kickoff_ms, meta.official, meta.shoot_out, meta.assumed,
        incidents(events, meta.home_id, meta.away_id), meta.knockout,
    )  # fmt: skip


def _plain(name: str) -> str:
    r"""A name as people write it: the collection has some with ``\u00e9`` spelled out."""
    return _ESCAPES.sub(lambda run: bytes.fromhex(run[0].replace("\\u", "")).decode("utf-16-be", "replace"), name)
