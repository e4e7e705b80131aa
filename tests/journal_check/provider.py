"""The provider's files: what a match really came to. Nothing here comes from a journal."""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.journal_check.report import Row

Score = tuple[int, int]

PERIOD_START_S: Final = {"1H": 0, "2H": 2700, "E1": 5400, "E2": 6300, "P": 7200}
GOALS: Final = frozenset({"goal", "own_goal", "penalty_scored"})
CARDS: Final = frozenset({"yellow_card", "second_yellow_card", "red_card"})


class Goal(NamedTuple):
    """A goal: `clock_s` counts from the start of its period, `side` is the side that gets it."""

    period: str
    clock_s: float
    side: str
    type: str


class Facts(NamedTuple):
    """What markets are settled on: of regular time, but for what the tie comes to."""

    half: Score = (0, 0)
    regular: Score = (0, 0)
    order: tuple[str, ...] = ()
    corners: int = 0
    cards: int = 0
    half_over: bool = False
    ended: bool = False
    total: Score = (0, 0)
    """Goals, those of extra time included."""
    kicks: Score = (0, 0)
    """Scored in the shoot-out."""
    tie_over: bool = False


@dataclass(slots=True)
class Match:
    """What a Wyscout file says of a match: nothing here comes from a journal."""

    goals: list[Goal]
    tallies: Counter[tuple[str, str]]
    names: dict[str, set[str]]
    facts: Facts
    official: tuple[Score, Score] | None
    knockout: bool
    winner: str | None
    """The side that the meta data calls the winner, shoot-out included; None where it names none."""

    @property
    def total(self) -> Score:
        """Goals, those of extra time included."""
        return self.facts.total


def _score(goals: Iterable[Goal]) -> Score:
    sides = Counter(goal.side for goal in goals)
    return sides["home"], sides["away"]


def _incident_types(event: Row) -> Iterable[tuple[str, bool]]:
    """The incidents an event of Wyscout stands for, each with whether it falls to the other side."""
    tags = {tag["id"] for tag in event["tags"]}
    scored = 101 in tags and event["eventName"] in ("Shot", "Free Kick")
    penalty = event["subEventName"] == "Penalty"
    if event["matchPeriod"] == "P":
        if penalty:
            yield ("shoot_out_scored" if scored else "shoot_out_missed"), False
        return
    if penalty:
        yield "penalty_awarded", False
        yield ("penalty_scored" if scored else "penalty_missed"), False
    elif scored:
        yield "goal", False
    if 102 in tags:
        yield "own_goal", True
    if event["subEventName"] == "Corner":
        yield "corner", False
    for tag, card in ((1701, "red_card"), (1702, "yellow_card"), (1703, "second_yellow_card")):
        if tag in tags:
            yield card, False


def read_match(data: Row, meta: Row) -> Match:
    """Derives a match from its Wyscout events; `meta` tells which team is at home and the official score."""
    side_of = {int(team): row["side"] for team, row in meta["teamsData"].items()}
    goals: list[Goal] = []
    tallies: Counter[tuple[str, str]] = Counter()
    in_regular: Counter[str] = Counter()
    for event in sorted(data["events"], key=lambda e: (PERIOD_START_S[e["matchPeriod"]], e["eventSec"])):
        for kind, other in _incident_types(event):
            own_side = side_of[event["teamId"]]
            side = {"home": "away", "away": "home"}[own_side] if other else own_side
            if kind in GOALS:
                goals.append(Goal(event["matchPeriod"], event["eventSec"], side, kind))
            else:
                tallies[kind, side] += 1
                in_regular[kind] += event["matchPeriod"] in ("1H", "2H")
    names: dict[str, set[str]] = {"home": set(), "away": set()}
    for team, row in data.get("teams", {}).items():
        names[side_of[int(team)]] |= {str(row["team"][key]).lower() for key in ("name", "officialName")}
    order = [goal for goal in goals if goal.period in ("1H", "2H")]
    facts = Facts(
        _score(goal for goal in goals if goal.period == "1H"),
        _score(order),
        tuple(goal.side for goal in order),
        in_regular["corner"],
        sum(in_regular[card] for card in CARDS),
        half_over=True,
        ended=True,
        total=_score(goals),
        kicks=(tallies["shoot_out_scored", "home"], tallies["shoot_out_scored", "away"]),
        tie_over=True,
    )
    # A tournament names the group of a match; a match of no group and no match day is of a knock-out round.
    knockout = meta.get("groupName") == "" and meta.get("gameweek") == 0
    winner = side_of.get(meta.get("winner", 0))
    return Match(goals, tallies, names, facts, _official(meta), knockout, winner)


def _official(meta: Row) -> tuple[Score, Score] | None:
    """(regular time, with extra time) as the meta data states them; the label must agree, or there is none."""
    by_side = {row["side"]: row for row in meta["teamsData"].values()}
    if "score" not in by_side["home"]:
        return None
    extra = meta.get("duration", "Regular") != "Regular"
    regular = (by_side["home"]["score"], by_side["away"]["score"])
    total = (by_side["home"]["scoreET"], by_side["away"]["scoreET"]) if extra else regular
    label = re.search(r"(\d+) - (\d+)", meta.get("label", ""))
    if label and (int(label[1]), int(label[2])) != total:
        return None
    return regular, total


def _load(path: Path) -> Any:
    if path.suffix == ".gz":
        with gzip.open(path, "rb") as packed:
            return json.loads(packed.read())
    return json.loads(path.read_bytes())


class Provider:
    """The provider's files, read when a fixture asks for its own."""

    def __init__(self, paths: Iterable[Path], meta: Path | None) -> None:
        self._files: dict[int, Path] = {}
        metas = [meta] if meta else []
        for path in paths:
            found = sorted(path.rglob("*.json*")) if path.is_dir() else [path]
            for file in found:
                if (stem := file.name.split(".")[0]).isdigit():
                    self._files[int(stem)] = file
            metas += [folder / "meta" for folder in (path, path.parent, path.parent.parent)]
        self._matches: dict[int, Match] = {}
        self._meta: dict[int, Row] = {}
        folder = next((folder for folder in metas if folder.is_dir()), None)
        for file in sorted(folder.glob("matches_*")) if folder else ():
            self._meta.update({row["wyId"]: row for row in _load(file)})

    def ids(self) -> list[int]:
        """The numbers of the matches whose files and meta data are here."""
        return sorted(self._files.keys() & self._meta.keys())

    def match(self, fixture: str) -> Match | None:
        """The match of a fixture called `wyscout-<number>`, or None where no file tells of it."""
        found = re.fullmatch(r"wyscout-(\d+)", fixture)
        number = int(found[1]) if found else -1
        if number not in self._files or number not in self._meta:
            return None
        if number not in self._matches:
            self._matches[number] = read_match(_load(self._files[number]), self._meta[number])
        return self._matches[number]
