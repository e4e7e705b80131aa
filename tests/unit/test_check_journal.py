"""Shows that the independent checker accepts a good journal and finds each kind of corruption of it.

Owns: a small story of two matches, told as a provider's files and as a journal, and the ways to spoil it.
Never: uses the platform to tell the story; every figure here was worked out by hand.
"""

from __future__ import annotations

import copy
import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.check_journal import (
    Facts,
    Goal,
    Provider,
    Report,
    check,
    determined,
    quarters_of,
    read_match,
    returns,
    thousandths,
    through,
    true_result,
)

Row = dict[str, Any]
DATA = Path(__file__).parents[3] / "shared/data/football-wyscout"
SCRIPT = Path(__file__).parents[1] / "check_journal.py"
NOON_MS = 1_531_656_000_000
ONE, TWO = "wyscout-7", "wyscout-8"
HOME_TEAM, AWAY_TEAM = 71, 72


# ---------------------------------------------------------------- the story, as the provider tells it


def _event(period: str, second: float, team: int, name: str, sub: str = "", tags: tuple[int, ...] = ()) -> Row:
    return {
        "matchPeriod": period,
        "eventSec": second,
        "teamId": team,
        "eventName": name,
        "subEventName": sub,
        "tags": [{"id": tag} for tag in tags],
    }


MATCHES: dict[int, list[Row]] = {
    # 1-1: a goal, an own goal of the home side, a red card
    7: [
        _event("1H", 1.0, HOME_TEAM, "Pass", "Simple pass", (1801,)),
        _event("1H", 600.4, HOME_TEAM, "Shot", "Shot", (101, 1801)),
        _event("1H", 601.0, AWAY_TEAM, "Save attempt", "Reflexes", (101, 1802)),
        _event("1H", 900.0, AWAY_TEAM, "Free Kick", "Corner", (1801,)),
        _event("2H", 100.2, HOME_TEAM, "Others on the ball", "Touch", (102,)),
        _event("2H", 300.0, HOME_TEAM, "Foul", "Foul", (1701,)),
    ],
    # 1-0 from the spot, and a penalty missed
    8: [
        _event("1H", 50.0, HOME_TEAM, "Free Kick", "Penalty", (101, 1801)),
        _event("2H", 50.0, AWAY_TEAM, "Free Kick", "Penalty", (1802,)),
    ],
}
SCORES = {7: (1, 1), 8: (1, 0)}


def _meta(number: int, score: tuple[int, int]) -> Row:
    teams = {
        str(team): {"side": side, "score": goals, "scoreET": 0, "scoreP": 0}
        for team, side, goals in ((HOME_TEAM, "home", score[0]), (AWAY_TEAM, "away", score[1]))
    }
    label = f"Reds - Blues, {score[0]} - {score[1]}"
    return {"wyId": number, "label": label, "duration": "Regular", "teamsData": teams}


def _data(number: int) -> Row:
    names = {HOME_TEAM: "Reds", AWAY_TEAM: "Blues"}
    teams = {str(team): {"team": {"name": name, "officialName": f"{name} FC"}} for team, name in names.items()}
    return {"events": MATCHES[number], "teams": teams}


@pytest.fixture(scope="module")
def provider_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("provider")
    (folder / "meta").mkdir()
    metas = [_meta(number, score) for number, score in SCORES.items()]
    (folder / "meta" / "matches_Test.json.gz").write_bytes(gzip.compress(json.dumps(metas).encode()))
    for number in MATCHES:
        (folder / f"{number}.json.gz").write_bytes(gzip.compress(json.dumps(_data(number)).encode()))
    return folder


@pytest.fixture(scope="module")
def provider(provider_files: Path) -> Provider:
    return Provider([provider_files], None)


# ---------------------------------------------------------------- the story, as the journal tells it


class Tale:
    """Writes a journal row by row; every row has a name, so that a spoiler can find it."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self._n = 0
        self._entry = 0
        self._bet = 0

    def say(self, kind: str, **fields: Any) -> None:
        self.rows.append({"t_ms": NOON_MS + len(self.rows) * 1000, "kind": kind, **fields})

    def book(self, fixture: str, status: str, generation: int, *keys: str, over: str = "1.9") -> None:
        """All (or the named) markets of a fixture at one status; `over` is the price of over 2.25 goals."""
        self._n += 1
        offers = {
            "1x2": (None, {"home": "2", "draw": "3.25", "away": "4.1"}),
            "total_goals": ("2.25", {"over": over, "under": "2.05"}),
            "both_teams_to_score": (None, {"yes": "1.8", "no": "2"}),
            "asian_handicap": ("-0.25", {"home": "2.05", "away": "1.85"}),
        }
        markets = []
        for kind in keys or tuple(offers):
            line, prices = offers[kind]
            name = f"{fixture}:{kind}" + (f"@{line}" if line else "")
            sells = [{"selection": f"{name}/{o}", "outcome": o, "price": p} for o, p in prices.items()]
            market = {"market": name, "type": kind, "line": line, "status": status, "generation": generation}
            markets.append({**market, "selections": sells})
        self.say("book", fixture=fixture, epoch=1, n=self._n, cause="incident", markets=markets)

    def incident(self, fixture: str, kind: str, side: str | None, period: str, clock_s: int, *score: int) -> None:
        self.say("incident", fixture=fixture, type=kind, side=side, period=period, clock_s=clock_s, score=list(score))

    def entry(self, bet: int | None, reason: str, **amounts: int) -> None:
        names = {"bank": "bank:EUR:0", "stakes": "stakes:EUR:0", "house": "house:EUR:0"}
        self._entry += 1
        for account, amount in amounts.items():
            name = names.get(account, account)
            fields = {"entry": self._entry, "account": name, "amount": amount, "currency": "EUR"}
            self.say("posting", **fields, bet=bet, reason=reason)

    def bet(self, answer: str, stake: int, *legs: tuple[str, str, int], policy: str = "none", **other: Any) -> int:
        """A bet of ann's; a leg is (selection, price asked, generation asked); `at` tells other prices accepted."""
        self._bet += 1
        at, account = other.get("at") or [price for _, price, _ in legs], other.get("account", "ann")
        told = [
            {
                "fixture": selection.split(":")[0],
                "market": selection.split("/")[0],
                "selection": selection,
                "price": price,
                "generation": generation,
            }
            for selection, price, generation in legs
        ]
        fields = {"bet": self._bet, "id": f"id-{self._bet}", "account": account, "stake": stake, "currency": "EUR"}
        accepted = at if answer == "accepted" else []
        self.say("bet", **fields, policy=policy, legs=told, answer=answer, legs_accepted=accepted)
        if answer == "accepted":
            self.entry(self._bet, "stake", **{account: -stake, "stakes": stake})
        return self._bet

    def settle(self, bet: int, stake: int, back: int, account: str = "ann") -> None:
        amounts = {"stakes": -stake, "house": stake - back}
        self.entry(bet, "settlement", **amounts, **({account: back} if back else {}))

    def decide(self, fixture: str, market: str, version: int = 1, **results: str) -> None:
        shares = {"won": "0", "lost": "0", "void": "1", "half_won": "0.5", "half_lost": "0.5"}
        for outcome, result in results.items():
            name = f"{fixture}:{market}"
            fields = {"fixture": fixture, "market": name, "selection": f"{name}/{outcome}", "result": result}
            self.say("decision", **fields, void_share=shares[result], dead_heat="1", version=version)


def _open_the_day(tale: Tale) -> None:
    limits = {"stake_min": 10, "stake_max": 5000, "return_max": 100_000, "stake_per_day": 9000}
    caps = {"exposure_selection_max": 9000, "exposure_fixture_max": 20_000, "odds_silence_ms_max": 600_000}
    tale.say("settings", **limits, **caps)
    for account, status in (("ann", "open"), ("bob", "suspended"), ("cid", "open")):
        tale.say("account", account=account, currency="EUR", status=status)
    tale.entry(None, "deposit", bank=-20_000, ann=20_000)
    tale.entry(None, "deposit", bank=-100, cid=100)
    for fixture in (ONE, TWO):
        tale.say("fixture", fixture=fixture, home="Reds", away="Blues", kickoff_ms=NOON_MS, source="wyscout")
        tale.book(fixture, "open", 0)
        tale.incident(fixture, "kick_off", None, "1H", 0, 0, 0)


def _refusals(tale: Tale) -> None:
    home, over = f"{ONE}:1x2/home", f"{ONE}:total_goals@2.25/over"
    tale.bet("generation_stale", 1000, (home, "2", 0), policy="any")
    tale.bet("price_moved", 1000, (over, "1.9", 1))
    tale.bet("price_moved", 1000, (over, "1.9", 1), policy="better")
    tale.bet("account_unknown", 1000, (home, "2", 1), account="nobody")
    tale.bet("account_not_open", 1000, (home, "2", 1), account="bob")
    tale.bet("selection_unknown", 1000, (f"{ONE}:1x2/nobody", "2", 1))
    tale.bet("stake_below_minimum", 9, (home, "2", 1))
    tale.bet("stake_above_maximum", 5001, (home, "2", 1))
    tale.bet(
        "return_above_maximum", 5000, (f"{ONE}:1x2/away", "4.1", 1), (f"{TWO}:1x2/away", "4.1", 0), (over, "1.5", 1)
    )
    tale.bet("insufficient_funds", 101, (home, "2", 1), account="cid")


def _first_match(tale: Tale) -> None:
    tale.incident(ONE, "goal", "home", "1H", 600, 1, 0)
    tale.book(ONE, "suspended", 1)
    tale.bet("market_suspended", 1000, (f"{ONE}:1x2/home", "2", 0))
    tale.book(ONE, "open", 1, over="1.5")
    _refusals(tale)
    tale.incident(ONE, "corner", "away", "1H", 900, 1, 0)
    tale.bet("accepted", 1001, (f"{ONE}:total_goals@2.25/over", "1.9", 1), policy="any", at=["1.5"])
    tale.bet("accepted", 333, (f"{ONE}:asian_handicap@-0.25/away", "1.85", 1), policy="better")
    tale.bet("accepted", 700, (f"{ONE}:1x2/draw", "3.25", 1), (f"{TWO}:1x2/home", "2", 0))
    tale.incident(ONE, "own_goal", "away", "2H", 2800, 1, 1)
    tale.book(ONE, "suspended", 2)
    tale.book(ONE, "closed", 2, "both_teams_to_score")
    tale.decide(ONE, "both_teams_to_score", yes="won", no="lost")
    tale.bet("market_closed", 50, (f"{ONE}:both_teams_to_score/yes", "1.8", 2))
    tale.book(ONE, "open", 2, "1x2", "total_goals", "asian_handicap")
    tale.incident(ONE, "red_card", "home", "2H", 3000, 1, 1)
    tale.book(ONE, "suspended", 3, "1x2", "total_goals", "asian_handicap")
    tale.incident(ONE, "full_time", None, "2H", 5600, 1, 1)
    tale.book(ONE, "closed", 3, "1x2", "total_goals", "asian_handicap")
    tale.say("result", fixture=ONE, status="finished", score=[1, 1])
    tale.decide(ONE, "1x2", home="lost", draw="won", away="lost")
    tale.decide(ONE, "total_goals@2.25", over="half_lost", under="half_won")
    tale.decide(ONE, "asian_handicap@-0.25", home="half_lost", away="half_won")


def _second_match(tale: Tale) -> None:
    tale.incident(TWO, "penalty_awarded", "home", "1H", 20, 0, 0)
    tale.book(TWO, "suspended", 1)
    tale.incident(TWO, "penalty_scored", "home", "1H", 50, 1, 0)
    tale.incident(TWO, "penalty_awarded", "away", "2H", 2720, 1, 0)
    tale.incident(TWO, "penalty_missed", "away", "2H", 2750, 1, 0)
    tale.incident(TWO, "full_time", None, "2H", 5500, 1, 0)
    tale.book(TWO, "closed", 1)
    tale.say("result", fixture=TWO, status="finished", score=[1, 0])
    tale.decide(TWO, "1x2", home="won", draw="lost", away="lost")
    tale.decide(TWO, "total_goals@2.25", over="lost", under="won")
    tale.decide(TWO, "both_teams_to_score", yes="lost", no="won")
    tale.decide(TWO, "asian_handicap@-0.25", home="won", away="lost")


def _story() -> list[Row]:
    tale = Tale()
    _open_the_day(tale)
    single = tale.bet("accepted", 1000, (f"{ONE}:1x2/home", "2", 0))
    tale.say("retry", id=f"id-{single}", account="ann", answer="accepted", bet=single, same_payload=True)
    tale.say("retry", id=f"id-{single}", account="ann", answer="id_reused", bet=None, same_payload=False)
    _first_match(tale)
    tale.settle(single, 1000, 0)
    tale.settle(13, 1001, 500)  # half lost: floor(1001 / 2)
    tale.settle(14, 333, 474)  # half won at 1.85: 333 x 1.425 = 474.525
    _second_match(tale)
    tale.settle(15, 700, 4550)  # 700 x 3.25 x 2
    return tale.rows


STORY = _story()


def _report(rows: list[Row], provider: Provider) -> Report:
    return check([json.dumps(row) for row in rows], provider)


def test_a_good_journal_has_no_difference(provider: Provider) -> None:
    report = _report(STORY, provider)
    assert report.differences == []
    counts = {name: row["checked"] for name, row in report.as_json()["checks"].items()}
    wanted = {
        "answer to a bet": 16,
        "goals": 3,
        "goals are the official score": 2,
        "decision": 18,
        "retry": 2,
        "settled": 4,
        "return by the provider": 4,
        "return by the decisions": 4,
        "entry is balanced": 10,
        "stake entry": 8,
        "score": 12,
    }
    assert {name: counts[name] for name in wanted} == wanted


# ---------------------------------------------------------------- spoilers

Spoiler = Callable[[list[Row]], None]


def _find(rows: list[Row], **fields: Any) -> int:
    """The place of the first row that has these fields."""
    return next(i for i, row in enumerate(rows) if all(row.get(key) == value for key, value in fields.items()))


def _set(changes: Row, **fields: Any) -> Spoiler:
    def spoil(rows: list[Row]) -> None:
        rows[_find(rows, **fields)].update(changes)

    return spoil


def _drop(**fields: Any) -> Spoiler:
    def spoil(rows: list[Row]) -> None:
        del rows[_find(rows, **fields)]

    return spoil


def _book(fixture: str, nth: int, status: str | None = None, generation: int | None = None) -> Spoiler:
    """Changes the first market in the nth book line of a fixture."""

    def spoil(rows: list[Row]) -> None:
        books = [row for row in rows if row["kind"] == "book" and row["fixture"] == fixture]
        market = books[nth]["markets"][0]
        market.update({k: v for k, v in (("status", status), ("generation", generation)) if v is not None})

    return spoil


def _leg(bet: int, answer: str, accepted: list[str], **changes: Any) -> Spoiler:
    """Gives a bet another answer, and its first leg other words."""

    def spoil(rows: list[Row]) -> None:
        row = rows[_find(rows, kind="bet", bet=bet)]
        row.update(answer=answer, legs_accepted=accepted)
        row["legs"][0].update(changes)

    return spoil


def _pay(bet: int, more: int) -> Spoiler:
    """Pays a bet more than is due, at the cost of the house: the entry stays balanced."""

    def spoil(rows: list[Row]) -> None:
        rows[_find(rows, bet=bet, account="ann", reason="settlement")]["amount"] += more
        rows[_find(rows, bet=bet, account="house:EUR:0")]["amount"] -= more

    return spoil


def _settle_again(rows: list[Row]) -> None:
    again = [{**row, "entry": 900} for row in rows if row.get("bet") == 14 and row.get("reason") == "settlement"]
    rows += again


def _unsettle(rows: list[Row]) -> None:
    rows[:] = [row for row in rows if not (row.get("bet") == 14 and row.get("reason") == "settlement")]


def _lose_stake_entry(rows: list[Row]) -> None:
    rows[:] = [row for row in rows if not (row.get("bet") == 14 and row.get("reason") == "stake")]


def _swap_books(rows: list[Row]) -> None:
    first, second = [i for i, row in enumerate(rows) if row["kind"] == "book" and row["fixture"] == ONE][1:3]
    rows[first]["n"], rows[second]["n"] = rows[second]["n"], rows[first]["n"]


def _swap_goals(rows: list[Row]) -> None:
    goals = [i for i, row in enumerate(rows) if row.get("type") in ("goal", "own_goal")]
    first, second = (rows[i] for i in goals)
    for key in ("type", "side", "period", "clock_s"):
        first[key], second[key] = second[key], first[key]


def _overdraw(rows: list[Row]) -> None:
    fields = {"t_ms": 0, "kind": "posting", "entry": 901, "currency": "EUR", "bet": None, "reason": "withdrawal"}
    rows += [{**fields, "account": "cid", "amount": -101}, {**fields, "account": "bank:EUR:0", "amount": 101}]


def _never_suspend(rows: list[Row]) -> None:
    """The fan's bets go on as if the first goal had not been scored."""
    goal = _find(rows, type="goal")
    bet = copy.deepcopy(rows[_find(rows, kind="bet", bet=1)])
    rows.insert(goal + 1, {**bet, "bet": 99, "id": "id-99"})


def _expose(rows: list[Row]) -> None:
    rows[0]["exposure_selection_max"] = 999


def _both(*spoilers: Spoiler) -> Spoiler:
    def spoil(rows: list[Row]) -> None:
        for each in spoilers:
            each(rows)

    return spoil


SPOILERS: dict[str, tuple[Spoiler, set[str]]] = {
    # what is wrong: (how it is done, the checks that must say so)
    "payout 1 too much": (_pay(14, 1), {"return by the decisions", "return by the provider"}),
    "payout 1 too little": (_pay(13, -1), {"return by the decisions", "return by the provider"}),
    "payout of a double 1 too much": (_pay(15, 1), {"return by the decisions", "return by the provider"}),
    "accepted while suspended": (_leg(2, "accepted", ["2"]), {"answer to a bet"}),
    "accepted at a stale generation": (_leg(3, "accepted", ["2"]), {"answer to a bet"}),
    "accepted below the price asked": (_leg(5, "accepted", ["1.5"]), {"answer to a bet"}),
    "accepted at a price not offered": (_leg(14, "accepted", ["1.86"]), {"accepted price"}),
    "accepted for an unknown account": (_leg(6, "accepted", ["2"]), {"answer to a bet"}),
    "accepted above the maximum": (_leg(10, "accepted", ["2"]), {"answer to a bet"}),
    "accepted without funds": (_leg(12, "accepted", ["2"]), {"answer to a bet"}),
    "accepted beyond the exposure": (_expose, {"answer to a bet"}),
    "accepted beyond the day's stakes": (_set({"stake_per_day": 1500}, kind="settings"), {"answer to a bet"}),
    "accepted on a closed market": (_leg(16, "accepted", ["1.8"]), {"answer to a bet", "no bet on what is decided"}),
    "refused without cause": (_leg(14, "price_moved", []), {"answer to a bet", "stake entry"}),
    "refused for another cause": (_leg(3, "price_moved", []), {"answer to a bet"}),
    "retry with another answer": (_set({"answer": "price_moved"}, kind="retry"), {"retry"}),
    "retry with another bet": (_set({"bet": 2}, kind="retry"), {"retry"}),
    "other payload not refused": (_set({"answer": "accepted"}, kind="retry", same_payload=False), {"retry"}),
    "goal missing": (_drop(type="own_goal"), {"goals", "score"}),
    "goal for the other side": (_set({"side": "away"}, type="goal"), {"goals", "score"}),
    "goal not an own goal": (_set({"type": "goal"}, type="own_goal"), {"goals"}),
    "goal 3 s late": (_set({"clock_s": 604}, type="goal"), {"goals"}),
    "goal in another period": (_set({"period": "2H"}, type="goal"), {"goals"}),
    "goals in another order": (_swap_goals, {"goals"}),
    "score wrong": (_set({"score": [2, 0]}, type="corner"), {"score"}),
    "red card missing": (_drop(type="red_card"), {"other incidents"}),
    "penalty missing": (_drop(type="penalty_missed"), {"other incidents"}),
    "result wrong": (_set({"score": [2, 1]}, kind="result"), {"result"}),
    "sides swapped": (_set({"home": "Blues", "away": "Reds"}, kind="fixture"), {"sides of a fixture"}),
    "unbalanced postings": (
        _set({"amount": 334}, bet=14, account="stakes:EUR:0"),
        {"entry is balanced", "stake entry"},
    ),
    "lost posting": (_drop(bet=14, account="house:EUR:0"), {"entry is balanced"}),
    "lost stake entry": (_lose_stake_entry, {"stake entry"}),
    "negative player": (_overdraw, {"player is not negative"}),
    "bet unsettled": (_unsettle, {"settled"}),
    "settled twice": (_settle_again, {"settled once per version", "return by the decisions"}),
    "wrong decision": (
        _set({"result": "won", "void_share": "0"}, selection=f"{ONE}:total_goals@2.25/over"),
        {"decision", "return by the decisions"},
    ),
    "decision with a wrong void share": (_set({"void_share": "1"}, kind="decision"), {"decision form"}),
    "decision missing": (_drop(selection=f"{TWO}:both_teams_to_score/no"), {"decision"}),
    "decision of a lower version": (
        _both(
            _set({"version": 3}, kind="decision"),
            lambda rows: rows.append({**rows[_find(rows, version=3)], "version": 2}),
        ),
        {"decision version"},
    ),
    "decided before its time": (
        lambda rows: rows.insert(_find(rows, type="own_goal"), rows.pop(_find(rows, selection=f"{ONE}:1x2/draw"))),
        {"decision is not early"},
    ),
    "book out of order": (_swap_books, {"book order"}),
    "closed market opened": (_book(ONE, -1, "suspended"), {"decided market is closed"}),
    "illegal status move": (_book(ONE, 2, "inactive"), {"market status"}),
    "generation does not rise": (_book(ONE, 1, generation=0), {"generation"}),
    "generation falls": (_book(ONE, 2, generation=0), {"generation"}),
    "open after full time": (_book(TWO, -1, "open"), {"decided market is not open", "decided market is closed"}),
    "not suspended after a goal": (_never_suspend, {"suspended after an incident"}),
    "posting without an amount": (_set({"amount": None}, kind="posting"), {"line is well formed"}),
    "amount that is no integer": (_set({"amount": 1.5}, kind="posting"), {"line is well formed"}),
}


@pytest.mark.parametrize("what", SPOILERS)
def test_a_corruption_is_found(what: str, provider: Provider) -> None:
    spoil, checks = SPOILERS[what]
    rows = copy.deepcopy(STORY)
    spoil(rows)
    assert rows != STORY
    differing = _report(rows, provider).differing
    assert {name for name in checks if differing[name]} == checks


def test_a_difference_names_its_line(provider: Provider) -> None:
    rows = copy.deepcopy(STORY)
    _leg(2, "accepted", ["2"])(rows)
    differences = _report(rows, provider).as_json()["differences"]
    line = _find(rows, kind="bet", bet=2) + 1
    expected = {"line": line, "check": "answer to a bet", "text": "2: accepted, expected market_suspended"}
    assert expected in differences


# ---------------------------------------------------------------- what may be, and what cannot be told


def test_a_correction_pays_the_difference(provider: Provider) -> None:
    """Version 1 was wrong, its payout too; version 2 and its entry put both right."""
    rows = copy.deepcopy(STORY)
    wrong = rows[_find(rows, selection=f"{ONE}:asian_handicap@-0.25/away")]
    wrong.update(result="won", void_share="0")
    _pay(14, 142)(rows)  # 333 x 1.85 = 616.05, of which 474 stay
    right = {**wrong, "result": "half_won", "void_share": "0.5", "version": 2}
    fields = {"t_ms": 0, "kind": "posting", "entry": 900, "currency": "EUR", "bet": 14, "reason": "settlement"}
    back = [{**fields, "account": "ann", "amount": -142}, {**fields, "account": "house:EUR:0", "amount": 142}]
    report = _report([*rows, right, *back], provider)
    assert report.differences == []
    assert report.underivable["decision"] == {"a decision that a higher version replaced": 1}
    assert _report([*rows, right], provider).differing == {"last decisions are paid": 1, "return by the provider": 1}


def test_a_shortfall_takes_only_what_the_player_lacks(provider: Provider) -> None:
    rows = copy.deepcopy(STORY)
    _pay(14, 142)(rows)
    rows[_find(rows, bet=14, account="ann", reason="settlement")]["amount"] -= 142
    fields = {"t_ms": 0, "kind": "posting", "currency": "EUR", "bet": 14, "reason": "settlement"}
    rows.insert(
        _find(rows, bet=14, account="house:EUR:0"), {**fields, "entry": 16, "account": "shortfall:EUR:0", "amount": 142}
    )
    assert _report(rows, provider).differing["shortfall"] == 1


def test_limits_without_settings_are_taken_as_they_are(provider: Provider) -> None:
    report = _report(STORY[1:], provider)
    assert report.differences == []
    assert report.underivable["answer to a bet"] == {
        f"{refusal}: the settings do not tell the limit": 1
        for refusal in ("stake_below_minimum", "stake_above_maximum", "return_above_maximum")
    }


def test_a_fixture_without_a_file_is_unchecked(tmp_path: Path) -> None:
    report = _report(STORY, Provider([tmp_path], None))
    assert report.differences == []
    assert report.underivable["decision"] == {"no provider file": 18}
    assert report.underivable["return by the provider"] == {"the provider's files do not tell a leg's result": 4}
    assert report.underivable["goals"] == {"fixtures without a provider file": 2}


def test_a_journal_cut_short_is_unchecked_not_wrong(provider: Provider) -> None:
    report = _report(STORY[: _find(STORY, type="goal")], provider)
    assert report.differences == []
    assert report.underivable["settled"] == {"a fixture of the bet is not over in the journal": 1}
    assert report.underivable["goals"] == {"after the journal's end of the match": 3}


def test_a_clock_may_count_from_each_period(provider: Provider) -> None:
    rows = copy.deepcopy(STORY)
    for row in rows:
        if row["kind"] == "incident" and row["period"] == "2H":
            row["clock_s"] -= 2700
    assert _report(rows, provider).differences == []


def test_an_unfinished_match_is_void_unless_decided(provider: Provider) -> None:
    rows = copy.deepcopy(STORY)
    cut = _find(rows, kind="incident", type="red_card")
    tale = Tale()
    tale.book(ONE, "closed", 2, "1x2", "total_goals", "asian_handicap")
    tale.rows[0]["n"] = 99
    tale.say("result", fixture=ONE, status="abandoned", score=[1, 1])
    tale.decide(ONE, "1x2", home="void", draw="void", away="void")
    tale.decide(ONE, "total_goals@2.25", over="void", under="void")
    tale.decide(ONE, "asian_handicap@-0.25", home="void", away="void")
    abandoned = rows[:cut] + tale.rows
    assert "decision" not in _report(abandoned, provider).differing
    tale.rows[-1].update(result="won", void_share="0")
    assert _report(rows[:cut] + tale.rows, provider).differing["decision"] == 1
    rows[_find(rows, selection=f"{ONE}:both_teams_to_score/yes")].update(result="void", void_share="1")
    tale.rows[-1].update(result="void", void_share="1")
    assert _report(rows[:cut] + tale.rows, provider).differing["decision"] == 1


def _ended(status: str | None, *results: tuple[str, dict[str, str]], confirmed: bool = True) -> list[Row]:
    """The story of the first match until 1-1, then how it ended; what was left open is decided so."""
    rows = copy.deepcopy(STORY[: _find(STORY, kind="incident", type="red_card")])
    tale = Tale()
    tale.book(ONE, "closed", 2, "1x2", "total_goals", "asian_handicap")
    tale.rows[0]["n"] = 99
    if status is not None:
        tale.say("result", fixture=ONE, status=status, score=[1, 1])
    for market, told in results:
        tale.decide(ONE, market, version=2, **told)
    if confirmed:
        tale.say("confirmed", fixture=ONE, version=2, cause=status)
    return rows + tale.rows


VOIDED = (
    ("1x2", {"home": "void", "draw": "void", "away": "void"}),
    ("total_goals@2.25", {"over": "void", "under": "void"}),
    ("asian_handicap@-0.25", {"home": "void", "away": "void"}),
)
AS_IT_STOOD = (
    ("1x2", {"home": "lost", "draw": "won", "away": "lost"}),
    ("total_goals@2.25", {"over": "half_lost", "under": "half_won"}),
    ("asian_handicap@-0.25", {"home": "half_lost", "away": "half_won"}),
)


@pytest.mark.parametrize(
    ("status", "results", "wrong"),
    [
        ("abandoned", VOIDED, 0),
        ("awarded", VOIDED, 0),
        ("shortened", AS_IT_STOOD, 0),
        ("abandoned", AS_IT_STOOD, 7),
        ("awarded", AS_IT_STOOD, 7),
        ("shortened", VOIDED, 7),
        ("cancelled", VOIDED, 2),  # both teams to score was decided: it never was
    ],
)
def test_a_match_that_was_stopped(
    status: str, results: tuple[tuple[str, dict[str, str]], ...], wrong: int, provider: Provider
) -> None:
    report = _report(_ended(status, *results), provider)
    assert (report.differing["decision"], report.differing["decision is not early"]) == (wrong, 0)
    assert report.differing["decisions are confirmed"] == 0


def test_decisions_of_an_ended_match_are_confirmed_and_no_others(provider: Provider) -> None:
    for rows, wrong in (
        (_ended("abandoned", *VOIDED), 0),
        (_ended(None), 1),
        ([row for row in _ended("abandoned", *VOIDED) if row["kind"] != "result"], 1),
        ([{**row, "version": 1} if row["kind"] == "confirmed" else row for row in _ended("abandoned", *VOIDED)], 1),
    ):
        assert _report(rows, provider).differing["decisions are confirmed"] == wrong
    silent = _report(_ended("abandoned", *VOIDED, confirmed=False), provider)
    assert silent.underivable["decisions are confirmed"] == {"the journal does not say": 2}


@pytest.mark.parametrize(("ended", "kicked_off", "wrong"), [(True, False, 0), (False, False, 7), (True, True, 7)])
def test_what_is_not_played_in_its_time_is_void(ended: bool, kicked_off: bool, wrong: int, provider: Provider) -> None:
    """Postponed, and void: when its time is up, not before, and not where it kicked off."""
    tale = Tale()
    tale.say("fixture", fixture=ONE, home="Reds", away="Blues", kickoff_ms=NOON_MS, void_at_ms=NOON_MS + 9_000)
    tale.book(ONE, "open", 0, "1x2", "total_goals", "asian_handicap")
    tale.say("result", fixture=ONE, status="postponed", score=[0, 0])
    tale.book(ONE, "suspended", 1, "1x2", "total_goals", "asian_handicap")
    if kicked_off:
        tale.incident(ONE, "kick_off", None, "1H", 0, 0, 0)
    tale.book(ONE, "closed", 1, "1x2", "total_goals", "asian_handicap")
    tale.rows[-1]["t_ms"] = NOON_MS + (9_000 if ended else 8_999)
    decided = len(tale.rows)
    for market, told in VOIDED:
        tale.decide(ONE, market, 1, **told)
    for row in tale.rows[decided:]:
        row["t_ms"] = tale.rows[decided - 1]["t_ms"]
    assert _report(tale.rows, provider).differing["decision is not early"] == wrong


# ---------------------------------------------------------------- ties


def _tie(*, open_until: str = "over", qualified: str = "away", row: str = "over") -> list[Row]:
    """Level after 90 minutes, extra time and four kicks; the away side scores one more. The market is open until a
    whistle, and decided after the ``row``."""
    tale = Tale()
    tale.say("fixture", fixture=ONE, home="Reds", away="Blues", kickoff_ms=NOON_MS, knockout=True)
    name = f"{ONE}:to_qualify"

    def market(status: str, generation: int) -> None:
        sells = [{"selection": f"{name}/{o}", "outcome": o, "price": "1.9"} for o in ("home", "away")]
        told = {"market": name, "type": "to_qualify", "line": None, "status": status, "generation": generation}
        tale.say("book", fixture=ONE, epoch=1, n=len(tale.rows), cause="x", markets=[{**told, "selections": sells}])

    market("open", 0)
    tale.incident(ONE, "goal", "home", "1H", 600, 1, 0)
    market("suspended", 1)
    market("open", 1)
    story = [("own_goal", "away", "2H", 2800), ("red_card", "home", "2H", 3000), ("full_time", None, "2H", 5600),
             ("extra_time", None, "E1", 0), ("extra_full_time", None, "E2", 900), ("shoot_out", None, "P", 0),
             ("shoot_out_scored", "home", "P", 9), ("shoot_out_scored", "away", "P", 30),
             ("shoot_out_missed", "home", "P", 60), ("shoot_out_scored", "away", "P", 90),
             ("over", None, "P", 95)]  # fmt: skip
    generation, score = 1, (1, 0)
    closed = False
    for kind, side, period, second in story:
        score = (1, 1) if kind == "own_goal" else score
        tale.incident(ONE, kind, side, period, second, *score)
        if kind == row:
            for outcome in ("home", "away"):
                tale.decide(ONE, "to_qualify", 1, **{outcome: "won" if outcome == qualified else "lost"})
        closed = closed or kind == open_until
        if side is not None and not closed:
            generation += 1
            market("suspended", generation)
        market("closed" if closed else "open", generation)
    return tale.rows


@pytest.fixture(scope="module")
def tie(tmp_path_factory: pytest.TempPathFactory) -> Provider:
    folder = tmp_path_factory.mktemp("tie")
    (folder / "meta").mkdir()
    kicks = [_event("P", at, team, "Free Kick", "Penalty", tags) for at, team, tags in (
        (9.0, HOME_TEAM, (101,)), (30.0, AWAY_TEAM, (101,)), (60.0, HOME_TEAM, ()), (90.0, AWAY_TEAM, (101,)),
    )]  # fmt: skip
    events = [event for event in MATCHES[7] if event["subEventName"] != "Corner"]
    data = {**_data(7), "events": [*events, _event("E2", 1.0, HOME_TEAM, "Pass", "Simple pass"), *kicks]}
    meta = {**_meta(7, (1, 1)), "duration": "Penalties", "groupName": "", "gameweek": 0, "winner": AWAY_TEAM}
    for side in meta["teamsData"].values():
        side["scoreET"] = 1
    (folder / "meta" / "matches_Test.json").write_text(json.dumps([meta]))
    (folder / "7.json").write_text(json.dumps(data))
    return Provider([folder], None)


def test_a_tie_is_decided_by_the_shoot_out(tie: Provider) -> None:
    report = _report(_tie(), tie)
    assert report.differences == []
    counts = report.checked
    assert (counts["decision"], counts["who goes through is official"], counts["knock-out round"]) == (2, 1, 2)


@pytest.mark.parametrize(
    ("changes", "check_"),
    [
        ({"qualified": "home"}, "decision"),
        ({"open_until": "never"}, "decided market is closed"),
        ({"row": "full_time"}, "decision is not early"),
        ({"row": "shoot_out_missed"}, "decision is not early"),
        ({"row": "never"}, "decision"),
    ],
)
def test_a_tie_told_wrongly_is_found(changes: Row, check_: str, tie: Provider) -> None:
    report = _report(_tie(**changes), tie)
    assert report.differing[check_] > 0


def test_a_tie_in_a_league_match_or_with_another_winner_is_found(provider: Provider, tie: Provider) -> None:
    assert _report(_tie(), provider).differing["knock-out round"] == 2
    match, other = tie.match(ONE), copy.copy(tie)
    assert match is not None
    match.winner = "home"
    other.match = lambda fixture: match  # type: ignore[method-assign]
    assert _report(_tie(), other).differing["who goes through is official"] == 1


def test_stakes_posted_before_the_answer_count_once(provider: Provider) -> None:
    """Postings may stand before the answer they belong to: 1000 of 1000 then suffice, 999 do not."""
    for funds, answers in ((1000, {}), (999, {"answer to a bet": 1, "player is not negative": 1})):
        tale = Tale()
        tale.say("account", account="ann", currency="EUR", status="open")
        tale.entry(None, "deposit", bank=-funds, ann=funds)
        tale.book(ONE, "open", 0)
        tale.bet("accepted", 1000, (f"{ONE}:1x2/home", "2", 0))
        bet = tale.rows.pop(_find(tale.rows, kind="bet"))
        assert _report([*tale.rows, bet], provider).differing == answers


def test_a_suspension_for_silence_needs_silence(provider: Provider) -> None:
    """600 s of silence are allowed: at the limit the market is open, beyond it nobody can tell."""
    for silence_ms, differing, unchecked in ((600_000, 1, {}), (600_001, 0, {"the odds may have been silent": 1})):
        rows = copy.deepcopy(STORY[: _find(STORY, kind="bet")])
        bet = copy.deepcopy(STORY[_find(STORY, kind="bet")])
        heard = next(row["t_ms"] for row in rows if row["kind"] == "book" and row["fixture"] == ONE)
        bet.update(answer="market_suspended", legs_accepted=[], t_ms=heard + silence_ms)
        report = _report([*rows, bet], provider)
        assert report.differing["answer to a bet"] == differing
        assert report.underivable.get("answer to a bet", {}) == unchecked


@pytest.mark.parametrize(("age_h", "answer"), [(0, "accepted"), (48, "accepted"), (49, "id_expired")])
def test_an_old_id_is_expired(age_h: int, answer: str, provider: Provider) -> None:
    """A UUIDv7 tells when it was made; an id of another kind does not."""
    rows, bet = STORY[: _find(STORY, kind="bet")], STORY[_find(STORY, kind="bet")]
    stamp = f"{bet['t_ms'] - age_h * 3_600_000:012x}"
    name = f"{stamp[:8]}-{stamp[8:]}-7000-8000-000000000000"
    for told in ("accepted", "id_expired"):
        report = _report([*rows, {**bet, "id": name, "answer": told}], provider)
        assert (report.differing["answer to a bet"] == 0) == (told == answer)
    unknown = _report([*rows, {**bet, "answer": "id_expired"}], provider)
    assert unknown.underivable["answer to a bet"] == {"id_expired: the id does not tell its age": 1}


@pytest.mark.parametrize(
    ("limits", "later_ms", "answer"),
    [
        ([500], 0, "stake_limit_reached"),  # a lower limit counts at once
        ([1000], 0, "accepted"),
        ([500, 2000], 86_399_000, "stake_limit_reached"),  # a higher one a day later
        ([500, 2000], 86_400_000, "accepted"),
    ],
)
def test_a_fan_may_set_a_limit(limits: list[int], later_ms: int, answer: str, provider: Provider) -> None:
    rows = copy.deepcopy(STORY[: _find(STORY, kind="bet")])
    rows[0]["odds_silence_ms_max"] = None
    now = rows[-1]["t_ms"]
    rows += [{"t_ms": now, "kind": "limit", "account": "ann", "stake_per_day": limit} for limit in limits]
    bet = {**STORY[_find(STORY, kind="bet")], "t_ms": now + later_ms}
    for told in ("accepted", "stake_limit_reached"):
        report = _report([*rows, {**bet, "answer": told}], provider)
        assert (report.differing["answer to a bet"] == 0) == (told == answer)


# ---------------------------------------------------------------- rules


def _at(score: tuple[int, int]) -> Facts:
    return Facts(regular=score)


@pytest.mark.parametrize(
    ("line", "goals", "over", "under"),
    [
        ("2", 2, "void", "void"),
        ("2", 3, "won", "lost"),
        ("2.25", 2, "half_lost", "half_won"),
        ("2.25", 3, "won", "lost"),
        ("2.5", 2, "lost", "won"),
        ("2.75", 3, "half_won", "half_lost"),
        ("2.75", 2, "lost", "won"),
    ],
)
def test_total_goals(line: str, goals: int, over: str, under: str) -> None:
    for home in range(goals + 1):
        score = (home, goals - home)
        results = [true_result("total_goals", quarters_of(line), side, _at(score)) for side in ("over", "under")]
        assert results == [over, under]


@pytest.mark.parametrize(
    ("line", "score", "home", "away"),
    [
        ("0", (1, 1), "void", "void"),
        ("-0.25", (1, 1), "half_lost", "half_won"),
        ("0.25", (1, 1), "half_won", "half_lost"),
        ("-0.75", (2, 1), "half_won", "half_lost"),
        ("0.75", (1, 2), "half_lost", "half_won"),
        ("-1", (2, 1), "void", "void"),
        ("-1.25", (2, 1), "half_lost", "half_won"),
        ("-1.5", (2, 0), "won", "lost"),
        ("1.25", (0, 2), "lost", "won"),
    ],
)
def test_asian_handicap(line: str, score: tuple[int, int], home: str, away: str) -> None:
    results = [true_result("asian_handicap", quarters_of(line), side, _at(score)) for side in ("home", "away")]
    assert results == [home, away]


@pytest.mark.parametrize(
    ("line", "score", "expected"),
    [("2", (1, 1), False), ("2", (2, 1), True), ("2.25", (2, 1), True), ("2.75", (2, 1), False), ("2.5", (2, 1), True)],
)
def test_a_total_is_decided_when_no_goal_can_change_it(line: str, score: tuple[int, int], expected: bool) -> None:
    assert all(determined("total_goals", quarters_of(line), side, _at(score)) is expected for side in ("over", "under"))


FIRST, LATER = Facts((0, 0), (1, 0), ("home",)), Facts((1, 0), (1, 2), ("home", "away", "away"), 10, 4, half_over=True)


@pytest.mark.parametrize(
    ("kind", "line", "outcome", "facts", "expected"),
    [
        ("correct_score", None, "0-0", FIRST, "lost"),
        ("correct_score", None, "1-0", FIRST, None),
        ("correct_score", None, "0-4", FIRST, "lost"),
        ("correct_score", None, "other_away", FIRST, None),
        ("next_goal", "1", "home", FIRST, "won"),
        ("next_goal", "1", "none", FIRST, "lost"),
        ("next_goal", "2", "none", FIRST, None),
        ("next_goal", "3", "away", LATER, "won"),
        ("half_time_result", None, "home", LATER, "won"),
        ("half_time_full_time", None, "draw-away", LATER, "lost"),
        ("half_time_full_time", None, "home-away", LATER, None),
        ("first_half_goals", "1.5", "under", LATER, "won"),
        ("first_half_both_teams_to_score", None, "yes", LATER, "lost"),
        ("team_total_away", "1.5", "over", LATER, "won"),
        ("team_total_home", "1.5", "over", LATER, None),
        ("total_corners", "9.5", "over", LATER, "won"),
        ("total_corners", "10.5", "over", LATER, None),
        ("total_cards", "3.5", "under", LATER, "lost"),
        ("double_chance", None, "1x", LATER, None),
        ("double_chance", None, "12", LATER._replace(ended=True), "won"),
        ("draw_no_bet", None, "home", LATER._replace(ended=True, regular=(2, 2)), "void"),
        ("odd_even", None, "even", LATER._replace(ended=True), "lost"),
        ("correct_score", None, "other_home", LATER._replace(ended=True, regular=(5, 2)), "won"),
        ("correct_score", None, "5-2", LATER._replace(ended=True, regular=(5, 2)), None),
        ("to_qualify", None, "away", LATER._replace(ended=True, total=(1, 2)), None),
        ("to_qualify", None, "away", LATER._replace(ended=True, total=(1, 2), tie_over=True), "won"),
        ("to_qualify", None, "home", LATER._replace(ended=True, total=(2, 2), kicks=(4, 3), tie_over=True), "won"),
        ("to_qualify", None, "home", LATER._replace(ended=True, total=(2, 2), tie_over=True), "void"),
    ],
)
def test_other_markets(kind: str, line: str | None, outcome: str, facts: Facts, expected: str | None) -> None:
    result = true_result(kind, quarters_of(line), outcome, facts)
    assert (result if determined(kind, quarters_of(line), outcome, facts) else None) == expected


def test_a_bet_at_prices_of_before_a_corner_is_noticed(provider: Provider) -> None:
    tale = Tale()
    _open_the_day(tale)
    market = {"market": f"{ONE}:total_corners@9.5", "type": "total_corners", "line": "9.5", "status": "open"}
    sells = [{"selection": f"{ONE}:total_corners@9.5/{o}", "outcome": o, "price": "1.9"} for o in ("over", "under")]
    for generation, differences in ((0, 1), (1, 0)):
        rows = copy.deepcopy(tale.rows)
        book = {"kind": "book", "fixture": ONE, "epoch": 1, "cause": "corner", "t_ms": NOON_MS}
        rows.append({**book, "n": 90, "markets": [{**market, "generation": 0, "selections": sells}]})
        rows.append({"kind": "incident", "t_ms": NOON_MS, "fixture": ONE, "type": "corner", "side": "home",
                     "period": "1H", "clock_s": 9, "score": [0, 0]})  # fmt: skip
        rows.append({**book, "n": 91, "markets": [{**market, "generation": generation, "selections": sells}]})
        later = Tale()
        later.bet("accepted", 100, (f"{ONE}:total_corners@9.5/over", "1.9", generation))
        report = _report([*rows, *later.rows], provider)
        assert report.differing["new generation after what it counts"] == differences


@pytest.mark.parametrize(
    ("stake", "legs", "back"),
    [
        (1000, [("won", 2050)], 2050),
        (1000, [("half_won", 2050)], 1525),
        (1001, [("half_lost", 2050)], 500),
        (1001, [("void", 2050)], 1001),
        (333, [("won", 1333), ("won", 1333)], 591),
        (1000, [("won", 2000), ("void", 3000), ("half_lost", 1500)], 1000),
        (1000, [(None, 2000), ("lost", 3000)], 0),
        (1000, [(None, 2000), ("won", 3000)], None),
    ],
)
def test_returns(stake: int, legs: list[tuple[str | None, int]], back: int | None) -> None:
    assert returns(stake, legs) == back


def test_a_price_finer_than_a_thousandth_is_none() -> None:
    assert thousandths("2.375") == 2375
    with pytest.raises(ValueError, match="finer"):
        thousandths("2.3755")


# ---------------------------------------------------------------- the provider's files, the command


def test_a_match_is_read_without_the_traps() -> None:
    """The keeper's save and the shoot-out carry goal tags too; an own goal falls to the other side."""
    events = [*MATCHES[7], _event("E2", 30.0, AWAY_TEAM, "Shot", "Shot", (101,))]
    events += [_event("P", 5.0, AWAY_TEAM, "Free Kick", "Penalty", tags) for tags in ((101, 1801), (1802,))]
    match = read_match({**_data(7), "events": events}, _meta(7, (1, 1)))
    assert match.goals == [
        Goal("1H", 600.4, "home", "goal"),
        Goal("2H", 100.2, "away", "own_goal"),
        Goal("E2", 30.0, "away", "goal"),
    ]
    assert (match.facts.regular, match.total) == ((1, 1), (1, 2))
    assert (match.facts.half, match.facts.order) == ((1, 0), ("home", "away"))
    assert (match.tallies["shoot_out_scored", "away"], match.tallies["shoot_out_missed", "away"]) == (1, 1)


@pytest.mark.skipif(not DATA.is_dir(), reason=f"needs the Wyscout matches in {DATA}")
def test_real_matches_have_their_official_scores() -> None:
    provider = Provider([DATA], None)
    matches = [provider.match(f"wyscout-{number}") for number in provider.ids()]
    assert len(matches) == 66
    for match in matches:
        assert match is not None
        assert (match.facts.regular, match.total) == match.official
        if match.knockout:
            assert through(match.facts) == match.winner
    assert sum(match.knockout for match in matches if match) == 16
    goals = [goal for match in matches if match for goal in match.goals]
    assert len(goals) == 176
    assert sum(goal.type == "own_goal" for goal in goals) == 10


def test_the_command_says_what_it_found(tmp_path: Path, provider_files: Path) -> None:
    journal = tmp_path / "journal.ndjson"
    spoilt = copy.deepcopy(STORY)
    _pay(14, 1)(spoilt)
    for rows, status, differences in ((STORY, 0, 0), (spoilt, 1, 3)):
        journal.write_text("".join(json.dumps(row) + "\n" for row in rows))
        command = [sys.executable, str(SCRIPT), str(journal), str(provider_files), "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        report = json.loads(done.stdout)
        assert (done.returncode, report["differences_total"], report["lines"]) == (status, differences, len(rows))
