#!/usr/bin/env python3
"""Checks the journal of a replay against the provider's files and the rules of the house, on its own.

Owns: a second derivation, from the written rules alone, of what every line of a journal must say. It shares no code
with the platform and needs only the standard library, so a fault in the platform cannot hide in it.
Hears: a journal (NDJSON, one object a line, in causal order) and Wyscout match files with their meta data.
Says: a table of checks with counts, the first differences with line numbers, and what could not be derived
(`unchecked`).
Never: reads a decision to learn who won, never repairs, never passes silently over what it cannot judge.

    python tests/check_journal.py JOURNAL PATH… [--meta DIR] [--json]      exit status 1 when anything differs
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

Row = dict[str, Any]
Score = tuple[int, int]

SHOWN = 20
CLOCK_TOLERANCE_S = 2.0
DAY_MS = 86_400_000
ID_AGE_MS_MAX = 2 * DAY_MS
PERIOD_START_S = {"1H": 0, "2H": 2700, "E1": 5400, "E2": 6300, "P": 7200}
PERIOD_WORDS = {
    **dict.fromkeys(("1h", "h1", "1", "first_half"), "1H"),
    **dict.fromkeys(("2h", "h2", "2", "second_half"), "2H"),
    **dict.fromkeys(("e1", "3", "extra_first_half", "first_extra_half", "extra_time_first_half"), "E1"),
    **dict.fromkeys(("e2", "4", "extra_second_half", "second_extra_half", "extra_time_second_half"), "E2"),
    **dict.fromkeys(("p", "5", "shoot_out", "penalties"), "P"),
}
GOALS = frozenset({"goal", "own_goal", "penalty_scored"})
KICKS = frozenset({"shoot_out_scored", "shoot_out_missed"})
MATERIAL = GOALS | KICKS | {"penalty_awarded", "red_card", "second_yellow_card"}
TALLIED = frozenset(
    {
        "penalty_awarded",
        "penalty_missed",
        "shoot_out_scored",
        "shoot_out_missed",
        "yellow_card",
        "second_yellow_card",
        "red_card",
        "corner",
    }
)
MOVES = {
    "inactive": {"inactive", "open", "suspended", "closed"},
    "open": {"open", "suspended", "closed"},
    "suspended": {"suspended", "open", "closed"},
    "closed": {"closed"},
}
# In the order of judgement: the first that applies is the answer.
REFUSALS = (
    "id_reused",
    "id_expired",
    "account_unknown",
    "account_not_open",
    "currency_mismatch",
    "selection_unknown",
    "market_closed",
    "market_suspended",
    "generation_stale",
    "price_moved",
    "stake_below_minimum",
    "stake_above_maximum",
    "return_above_maximum",
    "stake_limit_reached",
    "exposure_reached",
    "insufficient_funds",
)
RANK = {name: rank for rank, name in enumerate(REFUSALS)}
LIMIT_SETTINGS = {
    "stake_below_minimum": ("stake_min",),
    "stake_above_maximum": ("stake_max",),
    "return_above_maximum": ("return_max",),
    "stake_limit_reached": ("stake_per_day",),
    "exposure_reached": ("exposure_selection_max", "exposure_fixture_max"),
}
VOID_SHARE = {"won": "0", "lost": "0", "void": "1", "half_won": "0.5", "half_lost": "0.5"}
OUTCOME_SIGN = {"home": 1, "away": -1, "over": 1, "under": -1}
CARDS = frozenset({"yellow_card", "second_yellow_card", "red_card"})
COUNTED_BY = {"corner": "total_corners", **dict.fromkeys(CARDS, "total_cards")}  # what begins a new generation of it
OF_FIRST_HALF = frozenset({"half_time_result", "first_half_goals", "first_half_both_teams_to_score"})
OF_THE_TIE = frozenset({"to_qualify"})  # counts extra time and the shoot-out
# Of a match that was stopped and whose score stands, an official result does not answer these.
NOT_OFFICIAL = OF_FIRST_HALF | {"total_corners", "total_cards"}
ENDINGS = frozenset({"finished", "abandoned", "shortened", "awarded", "cancelled"})
NAMED_GOALS_MAX = 4  # correct scores are named up to 4-4, beyond by who leads


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


class Report:
    """Counts of what was checked, what differed and what could not be derived."""

    def __init__(self) -> None:
        self.checked: Counter[str] = Counter()
        self.differing: Counter[str] = Counter()
        self.underivable: dict[str, Counter[str]] = defaultdict(Counter)
        self.differences: list[tuple[int, str, str]] = []

    def judge(self, good: bool, line: int, check: str, text: str | Callable[[], str]) -> None:
        """Counts one check; where it is not good, notes the difference."""
        self.checked[check] += 1
        if not good:
            self.differing[check] += 1
            # Enough of each kind that the first ones of the whole journal are certainly among them.
            if self.differing[check] <= SHOWN:
                self.differences.append((line, check, text if isinstance(text, str) else text()))

    def unchecked(self, check: str, reason: str, count: int = 1) -> None:
        """Counts something that the journal does not allow to derive."""
        self.underivable[check][reason] += count

    def as_json(self) -> Row:
        """The whole report as plain values."""
        names = sorted({*self.checked, *self.underivable})
        return {
            "checks": {
                name: {
                    "checked": self.checked[name],
                    "differences": self.differing[name],
                    "unchecked": dict(self.underivable.get(name, {})),
                }
                for name in names
            },
            "differences_total": sum(self.differing.values()),
            "differences": [
                {"line": line, "check": check, "text": text} for line, check, text in sorted(self.differences)[:SHOWN]
            ],
        }

    def as_table(self) -> str:
        """The report for people."""
        rows = [f"{'check':<34}{'checked':>10}{'differ':>9}{'unchecked':>11}"]
        data = self.as_json()
        for name, row in data["checks"].items():
            rows.append(f"{name:<34}{row['checked']:>10}{row['differences']:>9}{sum(row['unchecked'].values()):>11}")
            rows += [f"    unchecked {count}: {reason}" for reason, count in row["unchecked"].items()]
        total = data["differences_total"]
        rows.append(f"{total} differences" + (f", the first {min(total, SHOWN)}:" if total else ""))
        rows += [f"  line {d['line']}: {d['check']}: {d['text']}" for d in data["differences"]]
        return "\n".join(rows)


# ---------------------------------------------------------------- the provider's files


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
        return read_match(_load(self._files[number]), self._meta[number])


# ---------------------------------------------------------------- rules: results, returns, prices


def leader(score: Score) -> str:
    """The side that leads, or `draw`."""
    return "draw" if score[0] == score[1] else "home" if score[0] > score[1] else "away"


def through(facts: Facts) -> str:
    """The side that goes through: by goals, where they are level by the shoot-out; `draw` where neither tells."""
    return leader(facts.total) if leader(facts.total) != "draw" else leader(facts.kicks)


def winning_outcomes(kind: str, quarters: int | None, facts: Facts) -> tuple[str, ...] | None:
    """The outcomes that win a market of named answers: none where stakes come back, None for another market."""
    home, away = facts.regular
    first = leader(facts.half)
    last = leader(facts.regular)
    if kind == "next_goal":
        number = (quarters or 0) // 4
        return (facts.order[number - 1] if number <= len(facts.order) else "none",)
    answers: dict[str, tuple[str, ...]] = {
        "1x2": (last,),
        "double_chance": {"home": ("1x", "12"), "draw": ("1x", "x2"), "away": ("12", "x2")}[last],
        "draw_no_bet": () if last == "draw" else (last,),
        "both_teams_to_score": ("yes" if home and away else "no",),
        "odd_even": ("odd" if (home + away) & 1 else "even",),
        "correct_score": (f"{home}-{away}" if home <= NAMED_GOALS_MAX >= away else f"other_{last}",),
        "half_time_result": (first,),
        "first_half_both_teams_to_score": ("yes" if all(facts.half) else "no",),
        "half_time_full_time": (f"{first}-{last}",),
        "to_qualify": () if through(facts) == "draw" else (through(facts),),
    }
    return answers.get(kind)


def named_outcomes(kind: str) -> set[str]:
    """Every outcome of a market of named answers."""
    sides, named = ("home", "draw", "away"), range(NAMED_GOALS_MAX + 1)
    outcomes = {
        "1x2": {*sides},
        "half_time_result": {*sides},
        "next_goal": {"home", "none", "away"},
        "double_chance": {"1x", "12", "x2"},
        "draw_no_bet": {"home", "away"},
        "to_qualify": {"home", "away"},
        "odd_even": {"odd", "even"},
        "correct_score": {f"{h}-{a}" for h in named for a in named} | {f"other_{side}" for side in sides},
        "half_time_full_time": {f"{first}-{last}" for first in sides for last in sides},
    }
    return outcomes.get(kind, {"yes", "no"})


def measured(kind: str, facts: Facts) -> int | None:
    """What is held against the line of an over/under market; None for another kind."""
    home, away = facts.regular
    amounts = {
        "total_goals": home + away,
        "team_total_home": home,
        "team_total_away": away,
        "first_half_goals": sum(facts.half),
        "total_corners": facts.corners,
        "total_cards": facts.cards,
    }
    return amounts.get(kind)


def true_result(kind: str, quarters: int | None, outcome: str, facts: Facts) -> str | None:
    """The result of a selection at the end; None for a market or an outcome not known here.

    `quarters` is the line in quarters; a line of an odd number of quarters is half a stake on each neighbour.
    """
    winners = winning_outcomes(kind, quarters, facts)
    if winners is not None:
        if outcome not in named_outcomes(kind):
            return None
        return "won" if outcome in winners else "lost" if winners else "void"
    amount = measured(kind, facts)
    if (amount is None and kind != "asian_handicap") or quarters is None or outcome not in OUTCOME_SIGN:
        return None
    lines = (quarters,) if quarters % 2 == 0 else (quarters - 1, quarters + 1)
    ahead = facts.regular[0] - facts.regular[1]
    halves = [OUTCOME_SIGN[outcome] * (4 * ahead + line if amount is None else 4 * amount - line) for line in lines]
    signs = sorted((half > 0) - (half < 0) for half in halves * (3 - len(halves)))
    return {(1, 1): "won", (0, 1): "half_won", (0, 0): "void", (-1, 0): "half_lost", (-1, -1): "lost"}[
        signs[0], signs[1]
    ]


def determined(kind: str, quarters: int | None, outcome: str, facts: Facts) -> bool:
    """Whether nothing that may still happen can change the result of a selection."""
    if kind in OF_THE_TIE:
        return facts.tie_over
    if facts.ended or (facts.half_over and kind in OF_FIRST_HALF):
        return True
    amount = measured(kind, facts)
    if amount is not None and quarters is not None:
        return 4 * amount - quarters >= 2
    if kind in ("both_teams_to_score", "first_half_both_teams_to_score"):
        return min(facts.regular if kind == "both_teams_to_score" else facts.half) > 0
    if kind == "correct_score":
        named = re.fullmatch(r"(\d)-(\d)", outcome)
        return named is not None and (facts.regular[0] > int(named[1]) or facts.regular[1] > int(named[2]))
    if kind == "half_time_full_time":
        return facts.half_over and outcome.split("-")[0] != leader(facts.half)
    return kind == "next_goal" and len(facts.order) >= (quarters or 0) // 4


def when_stopped(status: str, kind: str, quarters: int | None, outcome: str, facts: Facts) -> str | None:
    """The result of a selection of a match that did not end as it should: what is determined stands, the rest is void;
    of a match whose score stands, what that score answers is settled on it."""
    if status == "cancelled":
        return "void"
    if determined(kind, quarters, outcome, facts):
        return true_result(kind, quarters, outcome, facts)
    official = status == "shortened" and kind not in NOT_OFFICIAL
    if official and (facts.half_over or kind != "half_time_full_time"):
        return true_result(kind, quarters, outcome, facts)
    return "void"


def returns(stake: int, legs: Iterable[tuple[str | None, int]]) -> int | None:
    """floor(stake x product of m) in minor units, prices in thousandths; None while the legs do not determine it.

    m = v + (1 - v) * r * O: the void share returns its part, the rest wins at the price or loses.
    """
    numerator, denominator, undecided = stake, 1, False
    for result, price in legs:
        if result is None:
            undecided = True
        elif result == "lost":
            return 0
        elif result == "half_lost":
            denominator *= 2
        elif result == "won":
            numerator, denominator = numerator * price, denominator * 1000
        elif result == "half_won":
            numerator, denominator = numerator * (1000 + price), denominator * 2000
    return None if undecided else numerator // denominator


def made_at(name: str) -> int | None:
    """When an id was made (ms), where it is a UUIDv7; else None."""
    if not re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", name):
        return None
    return int(name[:8] + name[9:13], 16)


_PRICES: dict[str, int] = {}


def thousandths(price: str) -> int:
    """A decimal price in thousandths; ValueError when it is not one."""
    known = _PRICES.get(price)
    if known is None:
        exact = Fraction(price) * 1000
        if exact.denominator != 1:
            raise ValueError(f"price {price} is finer than a thousandth")
        known = _PRICES[price] = int(exact)
    return known


def quarters_of(line: str | None) -> int | None:
    """A line in quarters of a goal; ValueError when it is no multiple of a quarter."""
    if line is None:
        return None
    exact = Fraction(line) * 4
    if exact.denominator != 1:
        raise ValueError(f"line {line} is no multiple of a quarter")
    return int(exact)


# ---------------------------------------------------------------- what the journal has said so far


@dataclass(slots=True)
class Market:
    """A market as the gate last heard of it; prices are read only when somebody bets on it."""

    id: str
    fixture: Fixture
    kind: str
    quarters: int | None
    status: str
    generation: int
    raw: list[Row]
    all: tuple[str, ...] = ()
    was_open: bool = False
    prices: dict[str, int | None] | None = None

    def price(self, selection: str) -> tuple[bool, int | None]:
        """(whether the selection is there, its price in thousandths or None)."""
        if self.prices is None:
            self.prices = {s["selection"]: thousandths(s["price"]) if s.get("price") else None for s in self.raw}
        return selection in self.prices, self.prices.get(selection)

    def decided(self, selection: str) -> bool:
        """Whether what happened, the end of what it counts or of the match settles this selection for good."""
        fixture = self.fixture
        if fixture.ended:
            return True
        known = fixture.decided.get(selection)
        if known is None:
            outcome = selection.rpartition("/")[2]
            known = fixture.decided[selection] = determined(self.kind, self.quarters, outcome, fixture.facts())
        return known


@dataclass(slots=True)
class Fixture:
    """A fixture as told by its incidents; what is of regular time freezes at full time."""

    id: str
    line: int
    match: Match | None = None
    score: Score = (0, 0)
    regular: Score = (0, 0)
    half: Score = (0, 0)
    order: tuple[str, ...] = ()
    corners: int = 0
    cards: int = 0
    half_over: bool = False
    full_time: bool = False
    played_out: bool = False
    """Whether the last whistle left nothing to play: extra time and a shoot-out follow only a draw of a tie."""
    over: bool = False
    kicked_off: bool = False
    kicks: Score = (0, 0)
    status: str | None = None
    void_at_ms: int = 0
    """When it is void unless it has kicked off; 0 where the journal does not say."""
    now_ms: int = 0
    confirmed: int | None = None
    """The version up to which its decisions are said to be confirmed."""
    version: tuple[int, int] | None = None
    last_book_ms: int = 0
    markets: dict[str, Market] = field(default_factory=dict)
    unsuspended: set[str] = field(default_factory=set)
    outdated: dict[str, int] = field(default_factory=dict)
    decided: dict[str, bool] = field(default_factory=dict)
    goals: list[tuple[int, Goal]] = field(default_factory=list)
    tallies: Counter[tuple[str, str]] = field(default_factory=Counter)

    def facts(self) -> Facts:
        """What markets stand on now."""
        half = self.half if self.half_over else self.regular
        known = Facts(half, self.regular, self.order, self.corners, self.cards, self.half_over, self.full_time)
        return known._replace(total=self.score, kicks=self.kicks, tie_over=self.over or self.played_out)

    @property
    def out_of_time(self) -> bool:
        """Whether it did not kick off in its time."""
        return not self.kicked_off and self.status not in ENDINGS and 0 < self.void_at_ms <= self.now_ms

    @property
    def ended(self) -> bool:
        """Whether nothing more is played. A postponed match waits."""
        return self.status in ENDINGS or self.out_of_time


@dataclass(slots=True)
class Bet:
    """An accepted bet: `paid` is what the player has had back so far, `versions` the decisions it was settled on."""

    id: Any
    line: int
    account: str
    currency: str
    stake: int
    legs: tuple[tuple[str, int], ...]
    fixtures: tuple[str, ...]
    liability: int
    reserved: bool = False
    settled: bool = False
    versions: int = 0
    paid: int = 0


class Posting(NamedTuple):
    """One signed amount of an entry, minor units."""

    account: str
    amount: int
    currency: str
    bet: Any


class Journal:
    """Goes through a journal once, line by line, and judges each line by the lines before it."""

    def __init__(self, provider: Provider) -> None:
        self.report = Report()
        self.line = 0
        self._provider = provider
        self._settings: Row | None = None
        self._fixtures: dict[str, Fixture] = {}
        self._markets: dict[str, Market] = {}
        self._accounts: dict[str, tuple[str, str]] = {}
        self._own_limits: dict[str, tuple[int, int, int]] = {}  # account -> limit, a higher one, when that counts
        self._balances: defaultdict[str, int] = defaultdict(int)
        self._answers: dict[tuple[str, str], tuple[str, Any]] = {}
        self._bets: dict[Any, Bet] = {}
        self._awaiting: Counter[str] = Counter()  # accepted stakes whose entry has not been posted yet
        self._early: defaultdict[Any, list[tuple[int, list[Posting], bool]]] = defaultdict(list)
        self._staked: Counter[tuple[str, int]] = Counter()
        self._exposure: Counter[str] = Counter()
        self._confirms = False
        self._doubtful: set[str] = set()  # fixtures with two legs of one bet: the rule does not say how they count
        self._shards: defaultdict[str, set[str]] = defaultdict(set)  # currency -> accounts that hold stakes
        self._decisions: dict[str, tuple[str, int, int]] = {}
        self._entry: Any = None
        self._postings: list[Posting] = []
        self._posting_line = 0
        self._entries: set[Any] = set()
        self._kinds: dict[str, Callable[[Row], None]] = {
            "settings": self._on_settings,
            "fixture": self._on_fixture,
            "incident": self._on_incident,
            "result": self._on_result,
            "book": self._on_book,
            "bet": self._on_bet,
            "retry": self._on_retry,
            "account": self._on_account,
            "limit": self._on_limit,
            "decision": self._on_decision,
            "confirmed": self._on_confirmed,
            "posting": self._on_posting,
            "balance": self._on_balance,
        }

    def feed(self, text: str | bytes) -> None:
        """Judges the next line."""
        self.line += 1
        try:
            row = json.loads(text)
            kind = row["kind"]
            if row.get("fixture") in self._fixtures:
                self._fixtures[row["fixture"]].now_ms = row["t_ms"]
            if kind != "posting":
                self._close_entry()
            handler = self._kinds.get(kind)
            if handler is None:
                self.report.unchecked("line is well formed", f"kind {kind} is not known here")
            else:
                handler(row)
                self.report.checked["line is well formed"] += 1
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as fault:
            note = f"{type(fault).__name__}: {fault}"
            self.report.judge(False, self.line, "line is well formed", note)

    def _judge(self, good: bool, check: str, text: Callable[[], str], line: int | None = None) -> None:
        self.report.judge(good, line or self.line, check, text)

    # ------------------------------------------------ fixtures and books

    def _fixture(self, name: str) -> Fixture:
        if name not in self._fixtures:
            self._fixtures[name] = Fixture(name, self.line, self._provider.match(name))
        return self._fixtures[name]

    def _on_settings(self, row: Row) -> None:
        self._settings = {**(self._settings or {}), **row}

    def _on_fixture(self, row: Row) -> None:
        fixture = self._fixture(row["fixture"])
        fixture.void_at_ms, fixture.status = row.get("void_at_ms", 0), None
        if fixture.match is None:
            return
        if "knockout" in row:
            told, knockout = row["knockout"], fixture.match.knockout
            self._judge(told == knockout, "knock-out round", lambda: f"{fixture.id}: {told}, provider {knockout}")
        self._on_winner(fixture, fixture.match)
        if fixture.match.official:
            derived = (fixture.match.facts.regular, fixture.match.total)
            official = fixture.match.official
            self._judge(derived == official, "goals are the official score", lambda: f"{derived}, official {official}")
        else:
            self.report.unchecked("goals are the official score", "no official score")
        for side, other in (("home", "away"), ("away", "home")):
            told = str(row[side]).lower()
            if told in fixture.match.names[side] | fixture.match.names[other]:
                good = told in fixture.match.names[side]
                self.report.judge(good, self.line, "sides of a fixture", f"{fixture.id}: {told} is the {other} side")
            else:
                self.report.unchecked("sides of a fixture", "the provider knows no team of this name")

    def _on_winner(self, fixture: Fixture, match: Match) -> None:
        if match.knockout and match.winner is not None:
            found = through(match.facts)
            text = f"{fixture.id}: {found} by goals and kicks, official {match.winner}"
            self._judge(found == match.winner, "who goes through is official", lambda: text)

    def _on_incident(self, row: Row) -> None:
        fixture, kind, side = self._fixture(row["fixture"]), row["type"], row.get("side")
        fixture.kicked_off, fixture.status = True, None if fixture.status == "postponed" else fixture.status
        told = (int(row["score"][0]), int(row["score"][1]))
        home, away = fixture.score
        goal = kind in GOALS
        expected = (home + (goal and side == "home"), away + (goal and side == "away"))
        self._judge(told == expected, "score", lambda: f"{fixture.id} {kind} {side}: {told}, goals so far {expected}")
        fixture.score = told
        if not fixture.full_time:
            self._count(fixture, kind, side, told)
        if kind in MATERIAL:
            fixture.unsuspended = {market.id for market in fixture.markets.values() if market.status == "open"}
        period = PERIOD_WORDS.get(str(row.get("period")).lower(), str(row.get("period")))
        if goal:
            fixture.goals.append((self.line, Goal(period, float(row["clock_s"]), str(side), kind)))
        if kind in TALLIED:
            fixture.tallies[kind, str(side)] += 1
        if kind == "shoot_out_scored":
            fixture.kicks = (fixture.kicks[0] + (side == "home"), fixture.kicks[1] + (side == "away"))
        fixture.full_time = fixture.full_time or kind == "full_time"
        fixture.over = fixture.over or kind == "over"
        if kind in ("full_time", "extra_full_time", "extra_time", "shoot_out", "over"):
            fixture.played_out = kind.endswith("full_time") and leader(told) != "draw"
            fixture.decided.clear()

    def _count(self, fixture: Fixture, kind: str, side: Any, told: Score) -> None:
        """Takes in what an incident of regular time is to the markets."""
        fixture.regular = told
        fixture.decided.clear()
        if kind == "half_time":
            fixture.half, fixture.half_over = told, True
        if kind in GOALS:
            fixture.order += (str(side),)
        fixture.corners += kind == "corner"
        fixture.cards += kind in CARDS
        for market in fixture.markets.values() if kind in COUNTED_BY else ():
            if market.kind == COUNTED_BY[kind] and market.status == "open":
                fixture.outdated[market.id] = market.generation

    def _on_result(self, row: Row) -> None:
        fixture = self._fixture(row["fixture"])
        fixture.status = row["status"]
        told = tuple(row["score"]) if row.get("score") is not None else None
        if fixture.status != "finished":
            self.report.unchecked("result", f"the match was {fixture.status}")
        elif fixture.match is None:
            self.report.unchecked("result", "no provider file")
        else:
            total = fixture.match.total
            self._judge(told == total, "result", lambda: f"{fixture.id}: {told}, provider {total}")
            self._judge(told == fixture.score, "result", lambda: f"{fixture.id}: {told}, incidents {fixture.score}")

    def _on_book(self, row: Row) -> None:
        fixture = self._fixture(row["fixture"])
        version, last = (row["epoch"], row["n"]), fixture.version
        self._judge(last is None or version > last, "book order", lambda: f"{fixture.id}: {version} after {last}")
        fixture.version = version if last is None else max(version, last)
        fixture.last_book_ms = row["t_ms"]
        for item in row["markets"]:
            self._on_market(fixture, item)

    def _on_market(self, fixture: Fixture, item: Row) -> None:
        name, status, generation = item["market"], item["status"], item["generation"]
        if status not in MOVES:
            raise ValueError(f"market status {status}")
        market = fixture.markets.get(name)
        if market is None:
            market = self._new_market(fixture, item)
        else:
            before, was = market.generation, market.status
            self._judge(status in MOVES[was], "market status", lambda: f"{name}: {was} to {status}")
            rises = generation > before if (was, status) == ("open", "suspended") else generation >= before
            self._judge(rises, "generation", lambda: f"{name}: {before} ({was}) to {generation} ({status})")
            market.status, market.generation, market.raw, market.prices = status, generation, item["selections"], None
        if generation > fixture.outdated.get(name, generation):
            del fixture.outdated[name]
        if status == "open":
            market.was_open = True
            late = next((each["selection"] for each in item["selections"] if market.decided(each["selection"])), None)
            text = f"{late or name} is open at {fixture.regular}" + (" after full time" if fixture.full_time else "")
            self.report.judge(late is None, self.line, "decided market is not open", text)
        else:
            fixture.unsuspended.discard(name)

    def _new_market(self, fixture: Fixture, item: Row) -> Market:
        name, kind, line = item["market"], item["type"], item.get("line")
        raw = item["selections"]
        market = Market(name, fixture, kind, quarters_of(line), item["status"], item["generation"], raw)
        market.all = tuple(selection["selection"] for selection in raw)
        if kind in OF_THE_TIE and fixture.match is not None:
            knockout = fixture.match.knockout
            self._judge(knockout, "knock-out round", lambda: f"{name} is asked in another round")
        expected = f"{fixture.id}:{kind}" + ("" if line is None else f"@{line}")
        self._judge(name == expected, "book ids", lambda: f"{name}, expected {expected}")
        for selection in raw:
            good = selection["selection"] == f"{name}/{selection['outcome']}"
            self._judge(good, "book ids", lambda: f"{selection['selection']} of {name}")  # noqa: B023 - called at once
        fixture.markets[name] = self._markets[name] = market
        return market

    # ------------------------------------------------ bets

    def _on_account(self, row: Row) -> None:
        self._accounts[row["account"]] = (row["currency"], row["status"])

    def _on_bet(self, row: Row) -> None:
        key, answer = (row["account"], row["id"]), row["answer"]
        early = self._early_stake(row)
        expected, reason = self._expected_answer(row, early)
        if expected is None:
            self.report.unchecked("answer to a bet", reason)
        else:
            self._judge(answer == expected, "answer to a bet", lambda: f"{row['bet']}: {answer}, expected {expected}")
        self._answers.setdefault(key, (answer, row.get("bet")))
        if answer == "accepted":
            self._accept(row)

    def _on_retry(self, row: Row) -> None:
        first = self._answers.get((row["account"], row["id"]))
        told = (row["answer"], row.get("bet"))
        if told[0] == "id_expired":
            self.report.unchecked("retry", "id_expired: how long a refusal is kept is not in the journal")
        elif row.get("same_payload", True):
            self._judge(told == first, "retry", lambda: f"{row['id']}: {told}, first {first}")
        else:
            good = told[0] == "id_reused" and first is not None
            self._judge(good, "retry", lambda: f"{row['id']}: {told[0]} for another payload, first {first}")

    def _early_stake(self, row: Row) -> int:
        """What the entry of this very bet already took, where its postings stand before its answer."""
        groups = self._early.get(row.get("bet"), [])
        return -sum(p.amount for _, postings, _ in groups for p in postings if p.account == row["account"])

    def _expected_answer(self, row: Row, early: int) -> tuple[str | None, str]:
        """(the answer the rules give, or None and the reason why it cannot be derived)."""
        answer = row["answer"]
        if answer != "accepted" and answer not in RANK:
            return None, f"answer {answer} is not of the rules"
        if (row["account"], row["id"]) in self._answers:
            return "id_reused", ""
        made_ms = made_at(str(row["id"]))
        if made_ms is not None and row["t_ms"] - made_ms > ID_AGE_MS_MAX:
            return "id_expired", ""
        if made_ms is None and answer == "id_expired":
            return None, "id_expired: the id does not tell its age"
        known = self._accounts.get(row["account"])
        if known is None:
            return "account_unknown", ""
        if known[1] != "open":
            return "account_not_open", ""
        if known[0] != row["currency"]:
            return "currency_mismatch", ""
        refusals = [refusal for leg in row["legs"] if (refusal := self._leg_refusal(leg, row["policy"]))]
        if (
            answer == "market_suspended"
            and self._silent(row)
            and not (refusals and min(map(RANK.__getitem__, refusals)) < RANK[answer])
        ):
            return None, "the odds may have been silent"
        if refusals:
            return self._first_refusal(refusals, row), ""
        return self._limit_refusal(row, early)

    def _first_refusal(self, refusals: list[str], row: Row) -> str:
        first = min(refusals, key=RANK.__getitem__)
        # An inactive market is not open: the rules do not say which of the two words it gets.
        inactive = any(
            (market := self._markets.get(leg["market"])) and market.status == "inactive" for leg in row["legs"]
        )
        return row["answer"] if inactive and {first, row["answer"]} <= {"market_closed", "market_suspended"} else first

    def _leg_refusal(self, leg: Row, policy: str) -> str | None:
        market = self._markets.get(leg["market"])
        if market is None or market.fixture.id != leg["fixture"]:
            return "selection_unknown"
        present, price = market.price(leg["selection"])
        if not present:
            return "selection_unknown"
        if market.status == "closed":
            return "market_closed"
        if market.status != "open" or price is None:
            return "market_suspended"
        if leg["generation"] != market.generation:
            return "generation_stale"
        asked = thousandths(leg["price"])
        within = {"none": price == asked, "better": price >= asked, "any": True}[policy]
        return None if within else "price_moved"

    def _silent(self, row: Row) -> bool:
        limit = self._limit("odds_silence_ms_max", row["currency"])
        books = [self._fixtures[leg["fixture"]].last_book_ms for leg in row["legs"] if leg["fixture"] in self._fixtures]
        return limit is not None and any(row["t_ms"] - heard > limit for heard in books)

    def _limit(self, name: str, currency: str) -> int | None:
        value = (self._settings or {}).get(name)
        value = value.get(currency) if isinstance(value, dict) else value
        return None if value is None else int(value)

    def _limit_refusal(self, row: Row, early: int) -> tuple[str | None, str]:
        answer, stake = row["answer"], row["stake"]
        names = LIMIT_SETTINGS.get(answer, ())
        if names and all(self._limit_of(row, name) is None for name in names):
            return None, f"{answer}: the settings do not tell the limit"
        back = returns(stake, [("won", self._current(leg)) for leg in row["legs"]]) or 0
        today = self._staked[row["account"], row["t_ms"] // DAY_MS]
        for refusal, name, value, over in (
            ("stake_below_minimum", "stake_min", stake, False),
            ("stake_above_maximum", "stake_max", stake, True),
            ("return_above_maximum", "return_max", back, True),
            ("stake_limit_reached", "stake_per_day", today + stake, True),
        ):
            limit = self._limit_of(row, name)
            if limit is not None and (value > limit if over else value < limit):
                return refusal, ""
        exposed, why = self._exposed(row, back - stake)
        if exposed or why:
            return ("exposure_reached" if exposed else None), why
        funds = self._balances[row["account"]] - self._awaiting[row["account"]] + early
        return ("insufficient_funds" if funds < stake else "accepted"), ""

    def _limit_of(self, row: Row, name: str) -> int | None:
        limit = self._limit(name, row["currency"])
        return self._own_limit(row, limit) if name == "stake_per_day" else limit

    def _own_limit(self, row: Row, default: int | None) -> int | None:
        """What the fan has set himself, if he has: a lower limit counts at once, a higher one a day later."""
        if row["account"] not in self._own_limits:
            return default
        limit, higher, from_ms = self._own_limits[row["account"]]
        return higher if row["t_ms"] >= from_ms else limit

    def _on_limit(self, row: Row) -> None:
        new, now = row["stake_per_day"], row["t_ms"]
        currency = self._accounts.get(row["account"], ("", ""))[0]
        held = self._own_limit(row, self._limit("stake_per_day", currency))
        lower = held is None or new <= held
        self._own_limits[row["account"]] = (new, new, now) if lower else (held or 0, new, now + DAY_MS)

    def _current(self, leg: Row) -> int:
        return self._markets[leg["market"]].price(leg["selection"])[1] or 0

    def _exposed(self, row: Row, liability: int) -> tuple[bool, str]:
        """(whether a cap would be passed, or else why that cannot be said)."""
        over = doubtful = False
        for name, keys in (
            ("exposure_selection_max", {leg["selection"] for leg in row["legs"]}),
            ("exposure_fixture_max", {leg["fixture"] for leg in row["legs"]}),
        ):
            cap = self._limit(name, row["currency"])
            if cap is not None:
                over = over or any(self._exposure[f"{row['currency']} {key}"] + liability > cap for key in keys)
                doubtful = doubtful or bool(keys & self._doubtful)
        if row["answer"] != "exposure_reached" or over:
            return over, ""
        if len(self._shards[row["currency"]]) > 1:
            return False, "exposure_reached: each writer holds a share of the cap"
        return False, "exposure_reached: two legs of a bet on one fixture" if doubtful else ""

    def _accept(self, row: Row) -> None:
        current = [self._current(leg) if leg["market"] in self._markets else None for leg in row["legs"]]
        told = [thousandths(price) for price in row.get("legs_accepted") or []]
        self._judge(told == current, "accepted price", lambda: f"{row['bet']}: {told}, current {current} (thousandths)")
        fixtures = {leg["fixture"] for leg in row["legs"]}
        for name in fixtures:
            left = self._fixture(name).unsuspended
            note = f"{row['bet']} on {name}: {len(left)} markets, as {min(left)}," if left else ""
            self.report.judge(
                not left, self.line, "suspended after an incident", f"{note} not suspended since a material incident"
            )
        for leg in row["legs"]:
            market = self._markets.get(leg["market"])
            outdated = market is not None and market.id in market.fixture.outdated
            note = f"{row['bet']} on {leg['market']}: the generation of before a corner or a card"
            self.report.judge(not outdated, self.line, "new generation after what it counts", note)
            late = market is not None and market.decided(leg["selection"])
            self._judge(not late, "no bet on what is decided", lambda: f"{row['bet']} on {leg['market']}")  # noqa: B023
        self._remember(
            row, told if len(told) == len(row["legs"]) else [thousandths(leg["price"]) for leg in row["legs"]]
        )

    def _remember(self, row: Row, prices: list[int]) -> None:
        stake, account = row["stake"], row["account"]
        legs = tuple((leg["selection"], price) for leg, price in zip(row["legs"], prices, strict=True))
        names = [leg["fixture"] for leg in row["legs"]]
        liability = (returns(stake, [("won", price) for price in prices]) or 0) - stake
        bet = Bet(row["bet"], self.line, account, row["currency"], stake, legs, tuple(sorted(set(names))), liability)
        self._judge(bet.id is not None and bet.id not in self._bets, "bet ids", lambda: f"{bet.id} again or none")
        self._bets[bet.id] = bet
        self._doubtful |= {name for name in names if names.count(name) > 1}
        self._staked[account, row["t_ms"] // DAY_MS] += stake
        self._expose(bet, liability)
        self._awaiting[account] += stake
        for line, postings, whole in self._early.pop(bet.id, []):
            self._bet_entry(bet, line, postings, whole)

    def _expose(self, bet: Bet, amount: int) -> None:
        for key in {selection for selection, _ in bet.legs} | set(bet.fixtures):
            self._exposure[f"{bet.currency} {key}"] += amount

    # ------------------------------------------------ decisions

    def _on_decision(self, row: Row) -> None:
        selection, result, version = row["selection"], row["result"], int(row["version"])
        shares = Fraction(row["void_share"]) == Fraction(VOID_SHARE[result]) and Fraction(row["dead_heat"]) == 1
        self._judge(shares, "decision form", lambda: f"{selection}: {result}, void share {row['void_share']}")
        before = self._decisions.get(selection)
        fresh = before is None or version > before[1] or (result, version) == before[:2]
        self._judge(fresh, "decision version", lambda: f"{selection}: version {version} {result} after {before}")
        market, fixture = self._markets.get(row["market"]), self._fixture(row["fixture"])
        if market is None:
            self.report.unchecked("decision is not early", "a market not in a book")
        else:
            early = not market.decided(selection)
            self._judge(not early, "decision is not early", lambda: f"{selection} at {fixture.facts()}")
        if before is not None and version > before[1] and result != before[0]:
            self.report.unchecked("decision", "a decision that a higher version replaced")
        if before is None or version >= before[1]:
            self._decisions[selection] = (result, version, self.line)

    def _true(self, market: Market, selection: str) -> tuple[str | None, str]:
        """(the true result of a selection, or None and the reason why it is not known)."""
        fixture = market.fixture
        outcome = selection.rpartition("/")[2].lower()
        status = "cancelled" if fixture.out_of_time else fixture.status
        if status == "postponed":
            return None, "postponed: it may still be played"
        stopped = not fixture.full_time or (market.kind in OF_THE_TIE and not fixture.over)
        if status == "cancelled" or (status in ENDINGS - {"finished"} and stopped):
            found = when_stopped(str(status), market.kind, market.quarters, outcome, fixture.facts())
            return found, "unknown market or outcome"
        if fixture.match is None:
            return None, "no provider file"
        return true_result(market.kind, market.quarters, outcome, fixture.match.facts), "unknown market or outcome"

    def _on_confirmed(self, row: Row) -> None:
        self._confirms = True
        fixture = self._fixture(row["fixture"])
        fixture.confirmed = max(row["version"], fixture.confirmed or 0)

    # ------------------------------------------------ the ledger

    def _on_posting(self, row: Row) -> None:
        if row["entry"] != self._entry:
            self._close_entry()
            self._entry = row["entry"]
            self._judge(self._entry not in self._entries, "entry is whole", lambda: f"entry {row['entry']} again")
            self._entries.add(self._entry)
        amount, account, currency = row["amount"], row["account"], row["currency"]
        if type(amount) is not int:
            raise ValueError(f"amount {amount!r} is no integer of minor units")
        self._balances[account] += amount
        self._posting_line = self.line
        self._postings.append(Posting(account, amount, currency, row.get("bet")))
        if account.startswith("stakes:"):
            self._shards[currency].add(account)
        if "balance" in row:
            self._on_balance(row)

    def _on_balance(self, row: Row) -> None:
        told, summed = row["balance"], self._balances[row["account"]]
        self._judge(told == summed, "balance", lambda: f"{row['account']}: {told}, postings give {summed}")

    def _close_entry(self) -> None:
        """Judges the entry whose last posting has been read."""
        postings, entry = self._postings, self._entry
        if not postings:
            return
        self._postings, self._entry = [], None
        line = self._posting_line
        sums: dict[str, int] = {}
        for account, amount, currency, _ in postings:
            sums[currency] = sums.get(currency, 0) + amount
            if ":" not in account:
                left, known = self._balances[account], self._accounts.get(account)
                self._judge(left >= 0, "player is not negative", lambda: f"{account}: {left}", line)  # noqa: B023
                good = known is not None and known[0] == currency
                self._judge(good, "posting to a known account", lambda: f"{account}, {currency}", line)  # noqa: B023
        self._judge(not any(sums.values()), "entry is balanced", lambda: f"entry {entry}: {sums}", line)
        names = {posting.bet for posting in postings if posting.bet is not None}
        for name in names:
            bet, whole = self._bets.get(name), len(names) == 1
            mine = postings if whole else [p for p in postings if p.bet == name]
            if bet is None:
                self._early[name].append((line, mine, whole))
            else:
                self._bet_entry(bet, line, mine, whole)

    def _bet_entry(self, bet: Bet, line: int, postings: list[Posting], whole: bool) -> None:
        player = sum(p.amount for p in postings if p.account == bet.account)
        foreign = sum(1 for p in postings if p.account != bet.account and ":" not in p.account)
        stakes = sum(p.amount for p in postings if p.account.startswith("stakes:"))
        short = sum(p.amount for p in postings if p.account.startswith("shortfall:"))
        self._judge(not foreign, "entry of one player", lambda: f"bet {bet.id}: another player's account", line)
        if not whole and not any(p.account.startswith("stakes:") for p in postings):
            self.report.unchecked("reserved stake", "an entry of several bets names no bet on its stakes account")
            stakes = -bet.stake if bet.reserved and not bet.settled else 0 if bet.reserved else bet.stake
        if not bet.reserved:
            bet.reserved = True
            self._awaiting[bet.account] -= bet.stake
            good = (player, stakes, short) == (-bet.stake, bet.stake, 0)
            text = f"bet {bet.id}: player {player}, stakes {stakes}, for a stake of {bet.stake}"
            self._judge(good, "stake entry", lambda: text, line)
            if player < 0 or stakes > 0:
                return
        self._settle(bet, line, player + short, stakes)
        if short:
            left = self._balances[bet.account]
            self._judge(left == 0, "shortfall", lambda: f"bet {bet.id}: {short} short, {left} left", line)

    def _settle(self, bet: Bet, line: int, player: int, stakes: int) -> None:
        versions = sum(self._decisions[s][1] for s, _ in bet.legs if s in self._decisions)
        again = bet.settled and versions == bet.versions
        self._judge(not again, "settled once per version", lambda: f"bet {bet.id}: settled again", line)
        released = 0 if bet.settled else -bet.stake
        self._judge(stakes == released, "reserved stake", lambda: f"bet {bet.id}: {stakes}, expected {released}", line)
        bet.paid += player
        expected = self._by_decisions(bet)
        text = f"bet {bet.id}: {bet.paid}, expected {'nothing yet' if expected is None else expected}"
        self._judge(bet.paid == expected, "return by the decisions", lambda: text, line)
        if not bet.settled:
            self._expose(bet, -bet.liability)
        bet.settled, bet.versions = True, versions

    def _by_decisions(self, bet: Bet) -> int | None:
        decisions = self._decisions
        return returns(bet.stake, [(decisions[s][0] if s in decisions else None, price) for s, price in bet.legs])

    # ------------------------------------------------ the end

    def finish(self) -> Report:
        """Judges what only the whole journal shows."""
        self._close_entry()
        for name, groups in self._early.items():
            self._judge(False, "stake entry", lambda: f"bet {name} was never accepted", groups[0][0])  # noqa: B023
        self._finish_goals()
        for fixture in self._fixtures.values():
            self._finish_tallies(fixture)
            self._finish_confirmed(fixture)
            for market in fixture.markets.values():
                self._finish_market(market)
        for bet in self._bets.values():
            self._finish_bet(bet)
        self._finish_reserves()
        if not self.report.checked["balance"]:
            self.report.unchecked("balance", "the journal states no balances")
        return self.report

    def _finish_goals(self) -> None:
        """Compares goals; the journal counts its clock either from kick-off (2700 at half time) or from each period."""
        played = [fixture for fixture in self._fixtures.values() if fixture.match is not None]
        readings = [[compare_goals(fixture, clock) for fixture in played] for clock in (True, False)]
        nearest = min(readings, key=lambda reading: sum(len(found) for found, _ in reading))
        for fixture, (found, unseen) in zip(played, nearest, strict=True):
            self.report.checked["goals"] += len(fixture.goals)
            for line, text in found:
                self.report.judge(False, line, "goals", f"{fixture.id}: {text}")
            if unseen:
                self.report.unchecked("goals", "after the journal's end of the match", unseen)
        silent = len(self._fixtures) - len(played)
        if silent:
            self.report.unchecked("goals", "fixtures without a provider file", silent)

    def _finish_tallies(self, fixture: Fixture) -> None:
        if fixture.match is None or not (fixture.over or fixture.status == "finished"):
            self.report.unchecked("other incidents", "no provider file, or not over in the journal")
            return
        truth, told = fixture.match.tallies, fixture.tallies
        for key in sorted(truth.keys() | {key for key in told if key[0] in TALLIED}):
            text = f"{fixture.id} {' '.join(key)}: {told[key]}, provider {truth[key]}"
            self.report.judge(told[key] == truth[key], fixture.line, "other incidents", text)

    def _finish_confirmed(self, fixture: Fixture) -> None:
        """What was decided is confirmed if the match has ended, and only then."""
        if not self._confirms:
            self.report.unchecked("decisions are confirmed", "the journal does not say")
            return
        versions = [v for s, (_, v, _) in self._decisions.items() if s.startswith(f"{fixture.id}:")]
        last = max(versions, default=0)
        good = (fixture.confirmed is not None and fixture.confirmed >= last) if fixture.ended else not fixture.confirmed
        text = f"{fixture.id} ({fixture.status}): confirmed up to {fixture.confirmed}, decided up to {last}"
        self._judge(good, "decisions are confirmed", lambda: text, fixture.line)

    def _finish_market(self, market: Market) -> None:
        fixture = market.fixture
        over = fixture.ended or all(market.decided(selection) for selection in market.all)
        if over:
            closed = market.status == "closed"
            self._judge(closed, "decided market is closed", lambda: f"{market.id} is {market.status} at the end")
        for selection in market.all:
            decision = self._decisions.get(selection)
            if decision is None:
                if over and market.was_open:
                    self._judge(False, "decision", lambda: f"{selection}: never decided", fixture.line)  # noqa: B023
                continue
            true, why = self._true(market, selection)
            if true is None:
                self.report.unchecked("decision", why)
            else:
                text = f"{selection}: {decision[0]}, expected {true}"
                self.report.judge(decision[0] == true, decision[2], "decision", text)

    def _finish_bet(self, bet: Bet) -> None:
        self._judge(bet.reserved, "stake entry", lambda: f"bet {bet.id}: no entry took its stake", bet.line)
        decided = self._by_decisions(bet)
        over = all(self._is_over(selection) for selection, _ in bet.legs)
        if not bet.settled and decided is None and not over:
            self.report.unchecked("settled", "a fixture of the bet is not over in the journal")
            return
        self._judge(bet.settled, "settled", lambda: f"bet {bet.id}: never settled", bet.line)
        if not bet.settled:
            return
        good = decided == bet.paid
        self._judge(good, "last decisions are paid", lambda: f"bet {bet.id}: {bet.paid}, expected {decided}", bet.line)
        truths = [self._true_of(selection) for selection, _ in bet.legs]
        true = returns(bet.stake, zip(truths, (price for _, price in bet.legs), strict=True))
        if true is None:
            self.report.unchecked("return by the provider", "the provider's files do not tell a leg's result")
        else:
            text = f"bet {bet.id}: {bet.paid}, expected {true}"
            self.report.judge(bet.paid == true, bet.line, "return by the provider", text)

    def _is_over(self, selection: str) -> bool:
        market = self._markets.get(selection.rpartition("/")[0])
        return market is None or market.decided(selection)

    def _true_of(self, selection: str) -> str | None:
        market = self._markets.get(selection.rpartition("/")[0])
        return None if market is None else self._true(market, selection)[0]

    def _finish_reserves(self) -> None:
        held: Counter[str] = Counter()
        for account, amount in self._balances.items():
            if account.startswith("stakes:"):
                held[account.split(":")[1]] += amount
        due: Counter[str] = Counter()
        for bet in self._bets.values():
            due[bet.currency] += 0 if bet.settled else bet.stake
        for currency in sorted(held.keys() | due.keys()):
            text = f"{currency}: {held[currency]} held, {due[currency]} on unsettled bets"
            self.report.judge(held[currency] == due[currency], self.line, "stakes held at the end", text)


def compare_goals(fixture: Fixture, from_kick_off: bool) -> tuple[list[tuple[int, str]], int]:
    """((line, text) of every way in which a journal's goals differ from the provider's, goals it did not get to)."""
    assert fixture.match is not None
    told = [
        (line, goal._replace(clock_s=goal.clock_s - (PERIOD_START_S.get(goal.period, 0) if from_kick_off else 0)))
        for line, goal in fixture.goals
    ]
    left = list(range(len(told)))
    order: list[int] = []
    missing: list[tuple[Goal, bool]] = []
    for goal in reversed(fixture.match.goals):
        index = next((i for i in reversed(left) if _same_goal(goal, told[i][1])), None)
        if index is None:
            missing.insert(0, (goal, bool(order) or _must_be_told(fixture, goal)))
        else:
            left.remove(index)
            order.insert(0, index)
    found = [(told[i][0], f"{told[i][1]}, provider {goal}") for i, (goal, _) in zip(left, missing, strict=False)]
    found += [(told[i][0], f"{told[i][1]} is not in the provider's file") for i in left[len(missing) :]]
    lost = missing[len(left) :]
    found += [(fixture.line, f"{goal} is not in the journal") for goal, certain in lost if certain]
    if order != sorted(order):
        found.append((fixture.line, "the goals stand in another order"))
    return found, sum(1 for _, certain in lost if not certain)


def _must_be_told(fixture: Fixture, goal: Goal) -> bool:
    """Whether the journal goes on beyond the period of a goal."""
    return fixture.over or fixture.status == "finished" or (fixture.full_time and goal.period in ("1H", "2H"))


def _same_goal(goal: Goal, told: Goal) -> bool:
    same = (goal.period, goal.side, goal.type) == (told.period, told.side, told.type)
    return same and abs(goal.clock_s - told.clock_s) <= CLOCK_TOLERANCE_S


def check(lines: Iterable[str | bytes], provider: Provider) -> Report:
    """Judges a whole journal."""
    journal = Journal(provider)
    for line in lines:
        journal.feed(line)
    return journal.finish()


def main(arguments: list[str] | None = None) -> int:
    """The command: 0 when nothing differs, 1 when something does, 2 when it was called wrongly."""
    parser = argparse.ArgumentParser(description="Checks a replay's journal against the provider's files.")
    parser.add_argument("journal", type=Path)
    parser.add_argument("paths", type=Path, nargs="+", help="Wyscout match files, or folders of them")
    parser.add_argument("--meta", type=Path, help="folder of matches_*.json[.gz]; by default `meta` beside the paths")
    parser.add_argument("--json", action="store_true", help="a report for programs")
    options = parser.parse_args(arguments)
    started = time.perf_counter()
    with options.journal.open("rb") as lines:
        journal = Journal(Provider(options.paths, options.meta))
        for line in lines:
            journal.feed(line)
    report = journal.finish()
    seconds = time.perf_counter() - started
    if options.json:
        summary = {"lines": journal.line, "seconds": round(seconds, 2), **report.as_json()}
        sys.stdout.write(json.dumps(summary, indent=1) + "\n")
    else:
        sys.stdout.write(f"{report.as_table()}\n{journal.line} lines in {seconds:.1f} s\n")
    return 1 if report.differing.total() else 0


if __name__ == "__main__":
    sys.exit(main())
