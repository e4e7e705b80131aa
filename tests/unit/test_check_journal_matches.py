"""How matches end, by the independent checker: stopped, put off, decided by a shoot-out."""

from __future__ import annotations

import copy
import json

import pytest

from tests.journal_check.journal import check
from tests.journal_check.provider import Provider
from tests.journal_check.report import Report
from tests.unit import journal_stories as stories
from tests.unit.journal_tale import (
    AWAY_TEAM,
    HOME_TEAM,
    MATCHES,
    NOON_MS,
    ONE,
    Row,
    Tale,
    data_of,
    event,
    meta_of,
    write_files,
)

Results = tuple[tuple[str, dict[str, str]], ...]
VOIDED: Results = (
    ("1x2", {"home": "void", "draw": "void", "away": "void"}),
    ("total_goals@2.25", {"over": "void", "under": "void"}),
    ("asian_handicap@-0.25", {"home": "void", "away": "void"}),
)
AS_IT_STOOD: Results = (
    ("1x2", {"home": "lost", "draw": "won", "away": "lost"}),
    ("total_goals@2.25", {"over": "half_lost", "under": "half_won"}),
    ("asian_handicap@-0.25", {"home": "half_lost", "away": "half_won"}),
)


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Provider:
    folder = tmp_path_factory.mktemp("provider")
    write_files(folder)
    return Provider([folder], None)


def report_of(rows: list[Row], provider: Provider) -> Report:
    return check([json.dumps(row) for row in rows], provider)


# ---------------------------------------------------------------- stopped, put off


def _ended(status: str | None, *results: tuple[str, dict[str, str]]) -> list[Row]:
    """The first match until 1-1, then how it ended; what was left open is decided so."""
    tale = stories.opened(ONE)
    tale.incident(ONE, "goal", "home", "1H", 600, 1, 0)
    tale.book(ONE, "suspended", 1)
    tale.incident(ONE, "own_goal", "away", "2H", 2800, 1, 1)
    tale.book(ONE, "closed", 1, "both_teams_to_score")
    tale.decide(ONE, "both_teams_to_score", yes="won", no="lost")
    tale.book(ONE, "closed", 1, "1x2", "total_goals", "asian_handicap")
    tale.version = 2
    if status is not None:
        tale.say("result", fixture=ONE, status=status, score=[1, 1])
    for market, told in results:
        tale.decide(ONE, market, **told)
    tale.say("confirmed", fixture=ONE, version=2, cause=status)
    return tale.rows


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
def test_a_match_that_was_stopped(status: str, results: Results, wrong: int, provider: Provider) -> None:
    report = report_of(_ended(status, *results), provider)
    assert (report.differing["decision"], report.differing["decision is not early"]) == (wrong, 0)
    assert report.differing["decisions are confirmed"] == 0


def test_decisions_of_an_ended_match_are_confirmed_and_no_others(provider: Provider) -> None:
    whole = _ended("abandoned", *VOIDED)
    for rows, wrong in (
        (whole, 0),
        (_ended(None), 1),
        ([row for row in whole if row["kind"] != "result"], 1),
        ([row for row in whole if row["kind"] != "confirmed"], 1),
        ([{**row, "version": 1} if row["kind"] == "confirmed" else row for row in whole], 1),
    ):
        assert report_of(rows, provider).differing["decisions are confirmed"] == wrong


@pytest.mark.parametrize(("ended", "kicked_off", "wrong"), [(True, False, 0), (False, False, 7), (True, True, 7)])
def test_what_is_not_played_in_its_time_is_void(ended: bool, kicked_off: bool, wrong: int, provider: Provider) -> None:
    """Postponed, and void: when its time is up, not before, and not where it kicked off."""
    tale, kinds = Tale(), ("1x2", "total_goals", "asian_handicap")
    tale.say("fixture", fixture=ONE, home="Reds", away="Blues", kickoff_ms=NOON_MS, void_at_ms=NOON_MS + 9_000)
    tale.book(ONE, "open", 0, *kinds)
    tale.say("result", fixture=ONE, status="postponed", score=[0, 0])
    tale.book(ONE, "suspended", 1, *kinds)
    if kicked_off:
        tale.incident(ONE, "kick_off", None, "1H", 0, 0, 0)
    tale.now_ms = NOON_MS + (9_000 if ended else 8_999)
    tale.book(ONE, "closed", 1, *kinds)
    for market, told in VOIDED:
        tale.now_ms = tale.rows[-1]["t_ms"]
        tale.decide(ONE, market, **told)
    assert report_of(tale.rows, provider).differing["decision is not early"] == wrong


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
                tale.decide(ONE, "to_qualify", **{outcome: "won" if outcome == qualified else "lost"})
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
    kicks = [event("P", at, team, "Free Kick", "Penalty", tags) for at, team, tags in (
        (9.0, HOME_TEAM, (101,)), (30.0, AWAY_TEAM, (101,)), (60.0, HOME_TEAM, ()), (90.0, AWAY_TEAM, (101,)),
    )]  # fmt: skip
    events = [each for each in MATCHES[7] if each["subEventName"] != "Corner"]
    data = {**data_of(7), "events": [*events, event("E2", 1.0, HOME_TEAM, "Pass", "Simple pass"), *kicks]}
    meta = {**meta_of(7, (1, 1)), "duration": "Penalties", "groupName": "", "gameweek": 0, "winner": AWAY_TEAM}
    for side in meta["teamsData"].values():
        side["scoreET"] = 1
    (folder / "meta" / "matches_Test.json").write_text(json.dumps([meta]))
    (folder / "7.json").write_text(json.dumps(data))
    return Provider([folder], None)


def test_a_tie_is_decided_by_the_shoot_out(tie: Provider) -> None:
    report = report_of(_tie(), tie)
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
    report = report_of(_tie(**changes), tie)
    assert report.differing[check_] > 0


def test_a_tie_in_a_league_match_or_with_another_winner_is_found(provider: Provider, tie: Provider) -> None:
    assert report_of(_tie(), provider).differing["knock-out round"] == 2
    match, other = tie.match(ONE), copy.copy(tie)
    assert match is not None
    match = copy.copy(match)
    match.winner = "home"
    other.match = lambda fixture: match  # type: ignore[method-assign]
    assert report_of(_tie(), other).differing["who goes through is official"] == 1
