"""The rules of the independent checker, as tables; what a journal may be; what cannot be told."""

from __future__ import annotations

import copy
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from tests.journal_check import combinations
from tests.journal_check.journal import check
from tests.journal_check.lines import (
    combined,
    liability,
    lines_of,
    most,
    multiplier,
    quarters_of,
    returns,
    thousandths,
    within,
)
from tests.journal_check.provider import Facts, Goal, Provider, read_match
from tests.journal_check.report import Report
from tests.journal_check.results import determined, through, true_result
from tests.journal_check.state import Fixture, Market
from tests.real import DATA
from tests.unit import journal_stories as stories
from tests.unit.journal_tale import (
    AWAY_TEAM,
    MATCHES,
    ONE,
    Row,
    Tale,
    bet_row,
    data_of,
    event,
    made,
    meta_of,
    write_files,
)

DAY = stories.day()


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Provider:
    folder = tmp_path_factory.mktemp("provider")
    write_files(folder)
    return Provider([folder], None)


def report_of(rows: list[Row], provider: Provider) -> Report:
    return check([json.dumps(row) for row in rows], provider)


def find(rows: list[Row], **fields: Any) -> int:
    return next(i for i, row in enumerate(rows) if all(row.get(key) == value for key, value in fields.items()))


# ---------------------------------------------------------------- what may be


def _correction(rows: list[Row], back: int, **amounts: int) -> list[Row]:
    """b14, which was paid as if it had won, is brought to half of that by a decision of version 2."""
    wrong = rows[find(rows, kind="decision", selection=f"{ONE}:asian_handicap@-0.25/away")]
    wrong.update(result="won", void_share="0")
    for account, amount in (("ann", 616), ("house:EUR:0", 333 - 616)):  # 333 x 1.85 = 616.05
        rows[find(rows, bet="b14", account=account, reason="settlement")]["amount"] = amount
    rows[find(rows, kind="state", bet="b14")]["returns"] = 616
    del rows[find(rows, kind="balance") :]
    fields = {"t_ms": rows[-1]["t_ms"], "currency": "EUR", "bet": "b14"}
    right = {**wrong, "t_ms": fields["t_ms"], "result": "half_won", "void_share": "0.5", "version": 2}
    names = {"house": "house:EUR:0", "shortfall": "shortfall:EUR:0"}
    entry = {**fields, "kind": "posting", "entry": 900, "reason": "resettlement"}
    postings = [{**entry, "account": names.get(name, name), "amount": amount} for name, amount in amounts.items()]
    owed = -amounts.get("shortfall", 0)
    told = {"status": "settled", "returns": back, "version": 2, "owed": owed, "cashed": 0, "cash": 0}
    confirmed = {"t_ms": fields["t_ms"], "kind": "confirmed", "fixture": ONE, "version": 2, "cause": "finished"}
    return [*rows, right, confirmed, *postings, {**fields, "kind": "state", **told}]


def test_a_correction_pays_the_difference(provider: Provider) -> None:
    rows = _correction(copy.deepcopy(DAY), 474, ann=-142, house=142)
    report = report_of(rows, provider)
    assert report.differences == []
    assert report.underivable["decision"] == {"a decision that a higher version replaced": 1}
    unpaid = report_of(rows[:-3], provider).differing
    assert unpaid == {"last decisions are paid": 1, "return by the provider": 1}


@pytest.mark.parametrize(("left", "amounts", "differences"), [
    (100, {"ann": -100, "shortfall": -42, "house": 142}, set()),
    (100, {"ann": -90, "shortfall": -52, "house": 142}, {"return by the decisions", "bet as told", "held at the end"}),
    (200, {"ann": -142, "house": 142}, set()),
    (200, {"ann": -100, "shortfall": -42, "house": 142}, {"return by the decisions", "bet as told", "held at the end"}),
])  # fmt: skip
def test_a_shortfall_takes_only_what_the_player_lacks(
    left: int, amounts: dict[str, int], differences: set[str], provider: Provider
) -> None:
    rows = _correction(copy.deepcopy(DAY), 474, **amounts)
    has = sum(row["amount"] for row in rows[: find(rows, entry=900)] if row.get("account") == "ann" and "entry" in row)
    out = [
        {"t_ms": rows[-1]["t_ms"], "kind": "posting", "entry": 899, "currency": "EUR", "bet": None,
         "reason": "withdrawal", "account": account, "amount": amount}
        for account, amount in (("ann", left - has), ("bank:EUR:0", has - left))
    ]  # fmt: skip
    rows[find(rows, entry=900) : find(rows, entry=900)] = out
    assert set(report_of(rows, provider).differing) == differences


def test_a_rolled_back_bet_is_open_again(provider: Provider) -> None:
    """A decision is withdrawn: the stake is held again, and what was paid is taken back."""
    rows = copy.deepcopy(DAY)
    del rows[find(rows, kind="balance") :]
    fields = {"t_ms": rows[-1]["t_ms"], "currency": "EUR", "bet": "b14"}
    decided = rows[find(rows, kind="decision", selection=f"{ONE}:asian_handicap@-0.25/away")]
    undecided = {key: decided[key] for key in ("kind", "fixture", "market", "selection")}
    entry = {**fields, "kind": "posting", "entry": 900, "reason": "rollback"}
    back = [("ann", -474), ("stakes:EUR:0", 333), ("house:EUR:0", 474 - 333)]
    told = {"status": "open", "returns": 0, "version": 2, "owed": 0, "cashed": 0, "cash": 0}
    rows += [
        {**undecided, "t_ms": fields["t_ms"], "result": "undecided", "version": 2},
        *({**entry, "account": account, "amount": amount} for account, amount in back),
        {**fields, "kind": "state", **told},
    ]
    differing = report_of(rows, provider).differing
    assert set(differing) == {"decision", "decisions are confirmed", "settled"}  # it is not decided again


def test_bets_placed_in_a_window_are_void(provider: Provider) -> None:
    rows = copy.deepcopy(DAY)
    del rows[find(rows, kind="balance") :]
    placed = bet_row(rows, 14)["t_ms"]
    fields = {"t_ms": rows[-1]["t_ms"], "currency": "EUR", "bet": "b14"}
    window = {"kind": "window", "fixture": ONE, "version": 5, "from_ms": placed, "until_ms": placed + 1}
    entry = {**fields, "kind": "posting", "entry": 900, "reason": "resettlement"}
    told = {"status": "void", "returns": 333, "version": 6, "owed": 0, "cashed": 0, "cash": 0}
    rows += [
        {**window, "t_ms": fields["t_ms"]},
        *({**entry, "account": account, "amount": amount} for account, amount in (("ann", -141), ("house:EUR:0", 141))),
        {**fields, "kind": "state", **told},
    ]
    assert report_of(rows, provider).differences == []


def test_a_fixture_without_a_file_is_unchecked(tmp_path: Path) -> None:
    report = report_of(DAY, Provider([tmp_path], None))
    assert report.differences == []
    assert report.underivable["decision"] == {"no provider file": 18}
    assert report.underivable["return by the provider"] == {"the provider's files do not tell a leg's result": 4}
    assert report.underivable["goals"] == {"fixtures without a provider file": 2}


@pytest.mark.parametrize(("cut", "reason"), [
    ("goal", {"settled": {"a fixture of the bet is not over in the journal": 1}}),
    ("bet", {"told what was recorded": {"the journal ends before the answer": 1}}),
])  # fmt: skip
def test_a_journal_cut_short_is_unchecked_not_wrong(
    cut: str, reason: dict[str, dict[str, int]], provider: Provider
) -> None:
    rows = DAY[: find(DAY, type="goal")] if cut == "goal" else DAY[: find(DAY, kind="ask") + 1]
    report = report_of(rows, provider)
    assert report.differences == []
    assert {name: dict(report.underivable[name]) for name in reason} == reason


def test_a_clock_may_count_from_each_period(provider: Provider) -> None:
    rows = copy.deepcopy(DAY)
    for row in rows:
        if row["kind"] == "incident" and row["period"] == "2H":
            row["clock_s"] -= 2700
    assert report_of(rows, provider).differences == []


def _asked_once(tale: Tale, answer: str, told: str) -> list[Row]:
    """One bet on the draw, answered so, but told otherwise."""
    bet = tale.bet(answer, 100, (f"{ONE}:1x2/draw", "3.25", 0))
    rows = copy.deepcopy(tale.rows)
    if told != answer:
        bet_row(rows, bet)["answer"] = told
    return rows


@pytest.mark.parametrize(("silence_ms", "answer"), [(600_000, "accepted"), (600_001, "market_suspended")])
def test_a_suspension_for_silence_needs_silence(silence_ms: int, answer: str, provider: Provider) -> None:
    """600 s without a word of the owner are allowed; after that every market counts as suspended."""
    tale = stories.opened(ONE)
    tale.alive()
    tale.pass_(silence_ms)
    tale.alive = lambda: None  # type: ignore[method-assign]
    other = {"accepted": "market_suspended", "market_suspended": "accepted"}[answer]
    for told in (answer, other):
        differing = report_of(_asked_once(copy.deepcopy(tale), answer, told), provider).differing
        assert (differing["answer to a bet"] == 0) == (told == answer)


@pytest.mark.parametrize(("age_h", "answer"), [(0, "accepted"), (48, "accepted"), (49, "id_expired")])
def test_an_old_id_is_expired(age_h: int, answer: str, provider: Provider) -> None:
    """A UUIDv7 tells when it was made; an id of another kind is as good as expired."""
    rows = copy.deepcopy(DAY[: find(DAY, kind="told") + 1])
    row, ask = bet_row(rows, 1), rows[find(rows, kind="ask")]
    for told in ("accepted", "id_expired"):
        row.update(id=made(row["t_ms"] - age_h * 3_600_000, 1), answer=told)
        ask["id"] = row["id"]
        assert (report_of(rows, provider).differing["answer to a bet"] == 0) == (told == answer)
    ask["id"] = row["id"] = "my bet"
    assert report_of(rows, provider).differing["answer to a bet"] == 0


def test_a_bet_at_prices_of_before_a_corner_is_noticed(provider: Provider) -> None:
    market = {"market": f"{ONE}:total_corners@9.5", "type": "total_corners", "line": "9.5", "status": "open"}
    sells = [{"selection": f"{ONE}:total_corners@9.5/{o}", "outcome": o, "price": "1.9"} for o in ("over", "under")]
    for generation, differences in ((0, 1), (1, 0)):
        tale = stories.opened(ONE)
        book = {"fixture": ONE, "epoch": 1, "cause": "corner"}
        tale.say("book", **book, n=90, markets=[{**market, "generation": 0, "selections": sells}])
        tale.incident(ONE, "corner", "home", "1H", 9, 0, 0)
        tale.say("book", **book, n=91, markets=[{**market, "generation": generation, "selections": sells}])
        tale.bet("accepted", 100, (f"{ONE}:total_corners@9.5/over", "1.9", generation))
        report = report_of(tale.rows, provider)
        assert report.differing["new generation after what it counts"] == differences


# ---------------------------------------------------------------- results


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
        ("to_qualify", None, "away", LATER._replace(ended=True, total=(1, 2)), None),
        ("to_qualify", None, "away", LATER._replace(ended=True, total=(1, 2), tie_over=True), "won"),
        ("to_qualify", None, "home", LATER._replace(ended=True, total=(2, 2), kicks=(4, 3), tie_over=True), "won"),
        ("to_qualify", None, "home", LATER._replace(ended=True, total=(2, 2), tie_over=True), "void"),
        ("correct_score", None, "other_home", LATER._replace(ended=True, regular=(5, 2)), "won"),
        ("correct_score", None, "5-2", LATER._replace(ended=True, regular=(5, 2)), None),
    ],
)
def test_other_markets(kind: str, line: str | None, outcome: str, facts: Facts, expected: str | None) -> None:
    result = true_result(kind, quarters_of(line), outcome, facts)
    assert (result if determined(kind, quarters_of(line), outcome, facts) else None) == expected


# ---------------------------------------------------------------- lines and prices


def of(*legs: tuple[str, str]) -> list[Fraction]:
    return [multiplier(result, thousandths(price)) for result, price in legs]


@pytest.mark.parametrize(
    ("stake", "legs", "back"),
    [
        (1000, [("won", "2.05")], 2050),
        (1000, [("half_won", "2.05")], 1525),
        (1001, [("half_lost", "2.05")], 500),
        (1001, [("void", "2.05")], 1001),
        (333, [("won", "1.333"), ("won", "1.333")], 591),
        (1000, [("won", "2"), ("void", "3"), ("half_lost", "1.5")], 1000),
        (1000, [("lost", "2"), ("won", "3")], 0),
    ],
)
def test_returns_of_a_line(stake: int, legs: list[tuple[str, str]], back: int) -> None:
    assert returns("single" if len(legs) == 1 else "accumulator", stake, of(*legs)) == back


ALL_TWO = [("won", "2")] * 8


@pytest.mark.parametrize(
    ("bet_type", "legs", "lines", "back"),
    [
        # a unit of 10 a line on legs at 2.00 that all win: a line of n legs returns 10 x 2^n
        ("trixie", 3, 4, 3 * 40 + 80),
        ("patent", 3, 7, 3 * 20 + 3 * 40 + 80),
        ("yankee", 4, 11, 6 * 40 + 4 * 80 + 160),
        ("lucky15", 4, 15, 4 * 20 + 6 * 40 + 4 * 80 + 160),
        ("canadian", 5, 26, 10 * 40 + 10 * 80 + 5 * 160 + 320),
        ("lucky31", 5, 31, 5 * 20 + 10 * 40 + 10 * 80 + 5 * 160 + 320),
        ("heinz", 6, 57, 15 * 40 + 20 * 80 + 15 * 160 + 6 * 320 + 640),
        ("lucky63", 6, 63, 6 * 20 + 15 * 40 + 20 * 80 + 15 * 160 + 6 * 320 + 640),
        ("super_heinz", 7, 120, 21 * 40 + 35 * 80 + 35 * 160 + 21 * 320 + 7 * 640 + 1280),
        ("goliath", 8, 247, 28 * 40 + 56 * 80 + 70 * 160 + 56 * 320 + 28 * 640 + 8 * 1280 + 2560),
        ("system:2/4", 4, 6, 6 * 40),
        ("system:1/3", 3, 3, 3 * 20),
        ("system:3/3", 3, 1, 80),
    ],
)
def test_every_type(bet_type: str, legs: int, lines: int, back: int) -> None:
    stake = 10 * lines
    assert lines_of(bet_type, legs) == lines
    assert returns(bet_type, stake, of(*ALL_TWO[:legs])) == back
    assert returns(bet_type, stake, of(*ALL_TWO[:legs]), free=True) == back - stake
    assert most(bet_type, stake, [2000] * legs) == back
    assert liability(bet_type, stake, [2000] * legs) == back - stake


@pytest.mark.parametrize(
    ("bet_type", "stake", "legs", "free", "back"),
    [
        ("patent", 100, [("won", "1.333")] * 3, False, 3 * 19 + 3 * 25 + 33),  # 14 2/7 a line: 19.04, 25.38, 33.84
        ("system:2/3", 100, [("void", "2")] * 3, False, 99),  # 33 1/3 on each of three lines
        ("system:2/3", 100, [("void", "2")] * 3, True, 0),
        ("trixie", 400, [("half_lost", "2"), ("won", "1.5"), ("won", "3")], True, 50 + 350 + 125),  # 75, 150, 450, 225
    ],
)
def test_a_line_is_rounded_down_by_itself(
    bet_type: str, stake: int, legs: list[tuple[str, str]], free: bool, back: int
) -> None:
    assert returns(bet_type, stake, of(*legs), free=free) == back


@pytest.mark.parametrize("wrong", ["quartet", "system:0/3", "system:4/3", "yankee", "single"])
def test_a_type_of_another_number_of_legs_is_none(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"legs|type"):
        lines_of(wrong, 3)


@pytest.mark.parametrize(
    ("policy", "tolerance", "asked", "price", "good"),
    [
        ("none", None, 2000, 2000, True),
        ("none", None, 2000, 2001, False),
        ("none", 50, 2000, 1900, True),
        ("none", 50, 2000, 2101, False),
        ("better", None, 2000, 2500, True),
        ("better", None, 2000, 1999, False),
        ("better", 50, 2000, 1900, True),
        ("better", 50, 2000, 1899, False),
        ("any", None, 2000, 1001, True),
        ("any", 50, 2000, 1899, False),
        ("any", 50, 2000, 3000, True),
    ],
)
def test_a_policy_with_its_tolerance(policy: str, tolerance: int | None, asked: int, price: int, good: bool) -> None:
    assert within(policy, tolerance, asked, price) is good


@pytest.mark.parametrize(
    ("parts", "result"),
    [
        (["won", "won"], "won"),
        (["won", "lost"], "lost"),
        ([None, "lost"], "lost"),
        ([None, "won"], None),
        ([None, "void"], None),
        (["won", "void"], "void"),
        (["won", "half_won"], "void"),
    ],
)
def test_what_a_combination_comes_to(parts: list[str | None], result: str | None) -> None:
    assert combined(parts) == result


@pytest.mark.parametrize(
    ("asked", "now", "reason"),
    [
        (["1x2/home", "both_teams_to_score/yes"], Facts(), None),
        (["1x2/home", "1x2/draw"], Facts(), "legs_contradictory"),
        (["total_goals@0.5/under", "1x2/away"], Facts(), "legs_contradictory"),
        (["correct_score/4-4", "half_time_result/home"], Facts(), None),
        (["half_time_full_time/home-away", "next_goal@1/away"], Facts(), None),
        (["half_time_full_time/home-away", "total_goals@2.5/under"], Facts(), "legs_contradictory"),
        (["next_goal@2/home", "1x2/draw"], Facts(regular=(0, 1), order=("away",)), None),
        (["next_goal@2/home", "total_goals@1.5/under"], Facts(regular=(0, 1), order=("away",)), "legs_contradictory"),
        (["half_time_result/home", "1x2/home"], Facts((0, 0), (0, 0), half_over=True), "legs_contradictory"),
        (["total_goals@2.25/over", "1x2/home"], Facts(), "combination_unpriced"),
        (["correct_score/other_draw", "first_half_goals@2.5/over"], Facts(), None),
        (["correct_score/other_draw", "total_goals@9.5/under"], Facts(), "legs_contradictory"),
        (["total_corners@9.5/over", "1x2/home"], Facts(), "combination_unpriced"),
        (["to_qualify/home", "1x2/home"], Facts(), "combination_unpriced"),
    ],
)
def test_why_a_combination_has_no_price(asked: list[str], now: Facts, reason: str | None) -> None:
    fixture = Fixture(ONE, 1, None, now.regular, now.regular, now.half, now.order, half_over=now.half_over)
    parts = []
    for name in asked:
        kind, _, line = name.partition("/")[0].partition("@")
        parts.append((Market(name, fixture, kind, quarters_of(line or None), "open", 0, []), name))
    assert combinations.reason(parts) == reason


def test_a_price_finer_than_a_thousandth_is_none() -> None:
    assert thousandths("2.375") == 2375
    with pytest.raises(ValueError, match="finer"):
        thousandths("2.3755")


# ---------------------------------------------------------------- the provider's files


def test_a_match_is_read_without_the_traps() -> None:
    """The keeper's save and the shoot-out carry goal tags too; an own goal falls to the other side."""
    events = [*MATCHES[7], event("E2", 30.0, AWAY_TEAM, "Shot", "Shot", (101,))]
    events += [event("P", 5.0, AWAY_TEAM, "Free Kick", "Penalty", tags) for tags in ((101, 1801), (1802,))]
    match = read_match({**data_of(7), "events": events}, meta_of(7, (1, 1)))
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
