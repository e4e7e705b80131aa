"""Shows that the independent checker accepts good journals and finds each kind of corruption of them."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.journal_check.journal import check
from tests.journal_check.provider import Provider
from tests.journal_check.report import Report
from tests.unit import journal_stories as stories
from tests.unit.journal_tale import ONE, TWO, Row, bet_row, write_files

SCRIPT = Path(__file__).parents[1] / "check_journal.py"
STORIES: dict[str, list[Row]] = {
    story.__name__: story()
    for story in (
        stories.day, stories.systems, stories.free_bets, stories.referrals, stories.limits, stories.combinations,
        stories.cash_outs,
    )
}  # fmt: skip
DAY = STORIES["day"]


@pytest.fixture(scope="module")
def provider_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("provider")
    write_files(folder)
    return folder


@pytest.fixture(scope="module")
def provider(provider_files: Path) -> Provider:
    return Provider([provider_files], None)


def report_of(rows: list[Row], provider: Provider) -> Report:
    return check([json.dumps(row) for row in rows], provider)


@pytest.mark.parametrize("name", STORIES)
def test_a_good_journal_has_no_difference(name: str, provider: Provider) -> None:
    assert report_of(STORIES[name], provider).differences == []


def test_what_is_checked_of_a_day(provider: Provider) -> None:
    counts = {name: row["checked"] for name, row in report_of(DAY, provider).as_json()["checks"].items()}
    wanted = {
        "answer to a bet": 16,
        "answered when due": 18,
        "balance told": 15,
        "goals": 3,
        "goals are the official score": 2,
        "decision": 18,
        "retry": 2,
        "settled": 4,
        "stake that would be taken": 16,
        "return by the provider": 4,
        "return by the decisions": 4,
        "entry is balanced": 10,
        "stake entry": 8,
        "score": 12,
        "told what was recorded": 18,
    }
    assert {name: counts[name] for name in wanted} == wanted


# ---------------------------------------------------------------- spoilers

Spoiler = Callable[[list[Row]], None]


def find(rows: list[Row], **fields: Any) -> int:
    """The place of the first row that has these fields."""
    return next(i for i, row in enumerate(rows) if all(row.get(key) == value for key, value in fields.items()))


def put(changes: Row, **fields: Any) -> Spoiler:
    return lambda rows: rows[find(rows, **fields)].update(changes)


def drop(**fields: Any) -> Spoiler:
    def spoil(rows: list[Row]) -> None:
        del rows[find(rows, **fields)]

    return spoil


def book(fixture: str, nth: int, **changes: Any) -> Spoiler:
    """Changes the first market in the nth book line of a fixture."""

    def spoil(rows: list[Row]) -> None:
        books = [row for row in rows if row["kind"] == "book" and row["fixture"] == fixture]
        books[nth]["markets"][0].update(changes)

    return spoil


def answer(bet: int, word: str, prices: list[str]) -> Spoiler:
    """Gives a bet another answer, and has its fan told so."""

    def spoil(rows: list[Row]) -> None:
        row = bet_row(rows, bet)
        name = f"b{bet}" if word == "accepted" else None
        asked = rows[find(rows, kind="ask", id=row["id"])]["ask"]
        rows[find(rows, kind="told", ask=asked)].update(answer=word, bet=name)
        row.update(answer=word, bet=name, prices=prices, stake_max=None)

    return spoil


def of_bet(bet: int, **changes: Any) -> Spoiler:
    return lambda rows: bet_row(rows, bet).update(changes)


def pay(bet: int, more: int) -> Spoiler:
    """Pays a bet more than is due, at the cost of the house: the entry stays balanced."""

    def spoil(rows: list[Row]) -> None:
        for account, amount in (("ann", more), ("house:EUR:0", -more)):
            rows[find(rows, bet=f"b{bet}", account=account, reason="settlement")]["amount"] += amount

    return spoil


def without(**fields: Any) -> Spoiler:
    """Drops every row that has these fields."""

    def spoil(rows: list[Row]) -> None:
        rows[:] = [row for row in rows if not all(row.get(key) == value for key, value in fields.items())]

    return spoil


def settle_again(rows: list[Row]) -> None:
    again = [{**row, "entry": 900} for row in rows if row.get("bet") == "b14" and row.get("reason") == "settlement"]
    end = find(rows, kind="balance")
    rows[end:end] = [{**row, "t_ms": rows[end]["t_ms"]} for row in again]


def lost_too_soon(rows: list[Row]) -> None:
    """The trixie of which the first leg has lost, but two are left, along with the treble."""
    at = find(rows, kind="state", bet="b10")
    ours = [
        row for row in rows if row.get("bet") == "b11" and (row["kind"] == "state" or row.get("reason") == "settlement")
    ]
    rows[:] = [row for row in rows if row not in ours]
    rows[at:at] = [{**row, "t_ms": rows[at]["t_ms"]} for row in ours]


def swap_books(rows: list[Row]) -> None:
    first, second = [i for i, row in enumerate(rows) if row["kind"] == "book" and row["fixture"] == ONE][1:3]
    rows[first]["n"], rows[second]["n"] = rows[second]["n"], rows[first]["n"]


def swap_goals(rows: list[Row]) -> None:
    first, second = (row for row in rows if row.get("type") in ("goal", "own_goal"))
    for key in ("type", "side", "period", "clock_s"):
        first[key], second[key] = second[key], first[key]


def overdraw(rows: list[Row]) -> None:
    fields = {"t_ms": rows[-1]["t_ms"], "kind": "posting", "entry": 901, "currency": "EUR", "bet": None}
    for account, amount in (("cid", -101), ("bank:EUR:0", 101)):
        rows.append({**fields, "reason": "withdrawal", "account": account, "amount": amount})


def never_suspend(rows: list[Row]) -> None:
    """A fan's bet goes on as if the first goal had not been scored."""
    first, last = find(rows, kind="ask"), find(rows, kind="told")
    goal = find(rows, type="goal")
    names = {bet_row(rows, 1)["id"]: "01649dcf-0000-7000-8000-000000000099", "b1": "b99"}
    text = json.dumps(rows[first : last + 1])
    for old, new in names.items():
        text = text.replace(old, new)
    again = [{**row, "t_ms": rows[goal]["t_ms"]} for row in json.loads(text) if row["kind"] != "alive"]
    for row in again:
        row.update({key: 900 for key in ("entry", "ask") if key in row})
    rows[goal + 1 : goal + 1] = again


def earlier(seconds: int, **fields: Any) -> Spoiler:
    """Moves a row back in time, and to its place."""

    def spoil(rows: list[Row]) -> None:
        row = rows.pop(find(rows, **fields))
        row["t_ms"] -= seconds * 1000
        rows.insert(next(i for i, other in enumerate(rows) if other["t_ms"] > row["t_ms"]), row)

    return spoil


def both(*spoilers: Spoiler) -> Spoiler:
    def spoil(rows: list[Row]) -> None:
        for each in spoilers:
            each(rows)

    return spoil


def before_its_time(rows: list[Row]) -> None:
    at = find(rows, type="own_goal")
    row = rows.pop(find(rows, kind="decision", selection=f"{ONE}:1x2/draw"))
    rows.insert(at, {**row, "t_ms": rows[at]["t_ms"]})


def no_delay(bet: int) -> Spoiler:
    """A bet in play is judged as soon as it is asked for."""

    def spoil(rows: list[Row]) -> None:
        row = bet_row(rows, bet)
        rows[find(rows, kind="ask", id=row["id"])]["t_ms"] = row["t_ms"]

    return spoil


SPOILERS: dict[str, tuple[str, Spoiler, set[str]]] = {
    # what is wrong: (in which story, how it is done, the checks that must say so)
    "payout 1 too much": ("day", pay(14, 1), {"return by the decisions", "balance"}),
    "payout 1 too little": ("day", pay(13, -1), {"return by the decisions", "balance"}),
    "payout of a double 1 too much": ("day", pay(15, 1), {"return by the decisions", "balance"}),
    "accepted while suspended": ("day", answer(2, "accepted", ["2"]), {"answer to a bet"}),
    "accepted at a stale generation": ("day", answer(3, "accepted", ["2"]), {"answer to a bet"}),
    "accepted below the price asked": ("day", answer(5, "accepted", ["1.5"]), {"answer to a bet"}),
    "accepted at a price not offered": ("day", answer(14, "accepted", ["1.86"]), {"accepted price"}),
    "accepted for an unknown account": ("day", answer(6, "accepted", ["2"]), {"answer to a bet"}),
    "accepted above the maximum": ("day", answer(10, "accepted", ["2"]), {"answer to a bet"}),
    "accepted without funds": ("day", answer(12, "accepted", ["2"]), {"answer to a bet"}),
    "accepted on a closed market": (
        "day", answer(16, "accepted", ["1.8"]), {"answer to a bet", "no bet on what is decided"},
    ),
    "refused without cause": ("day", answer(14, "price_moved", []), {"answer to a bet", "stake entry"}),
    "refused for another cause": ("day", answer(3, "price_moved", []), {"answer to a bet"}),
    "beyond the exposure of a selection": ("day", put({"exposure_selection_max": 999}, kind="settings"),
                                           {"answer to a bet"}),
    "beyond the exposure of a market": ("day", put({"exposure_market_max": 999}, kind="settings"),
                                        {"answer to a bet"}),
    "beyond the exposure of a fixture": ("day", put({"exposure_fixture_max": 999}, kind="settings"),
                                         {"answer to a bet"}),
    "beyond the exposure of an account": ("day", put({"exposure_account_max": 999}, kind="settings"),
                                          {"answer to a bet"}),
    "an exposure that is kept": (
        "day", put({"held": {"exposure:account:ann": 1}}, kind="exposures"), {"exposures"},
    ),
    "beyond the day's stakes": ("day", put({"stake_per_day": 1500}, kind="account", account="ann"),
                                {"answer to a bet"}),
    "not judged after the delay": ("day", no_delay(14), {"answered when due"}),
    "judged late": ("day", put({"delay_ms": 3000}, kind="settings"), {"answered when due"}),
    "another stake than was asked": ("day", of_bet(14, stake=334), {"answered as asked", "stake entry"}),
    "another tolerance than was asked": ("day", of_bet(14, tolerance=20), {"answered as asked"}),
    "nobody asked": ("day", drop(kind="ask", stake=333), {"answered as asked", "told what was recorded"}),
    "asked twice": ("day", put({"ask": 1}, kind="ask", stake=333), {"asked once"}),
    "told another answer": ("day", put({"answer": "price_moved"}, kind="told", bet="b14"), {"told what was recorded"}),
    "told another bet": ("day", put({"bet": "b13"}, kind="told", bet="b14"), {"told what was recorded"}),
    "never told": ("day", drop(kind="told", bet="b14"), {"told what was recorded"}),
    "told before it was durable": ("day", earlier(2, kind="told", bet="b14"), {"told what was recorded"}),
    "another balance told": ("day", of_bet(14, balance=0), {"balance told"}),
    "a stake told that is too high": ("day", of_bet(11, stake_max=570), {"stake that would be taken"}),
    "a stake told that is too low": ("day", of_bet(12, stake_max=99), {"stake that would be taken"}),
    "no stake told": ("day", of_bet(10, stake_max=None), {"stake that would be taken"}),
    "retry with another answer": ("day", put({"answer": "price_moved"}, kind="retry"), {"retry"}),
    "retry with another bet": ("day", put({"bet": "b2"}, kind="retry"), {"retry"}),
    "other payload not refused": ("day", put({"answer": "accepted"}, kind="retry", answer="id_reused"), {"retry"}),
    "goal missing": ("day", drop(type="own_goal"), {"goals", "score"}),
    "goal for the other side": ("day", put({"side": "away"}, type="goal"), {"goals", "score"}),
    "goal not an own goal": ("day", put({"type": "goal"}, type="own_goal"), {"goals"}),
    "goal 3 s late": ("day", put({"clock_s": 604}, type="goal"), {"goals"}),
    "goal in another period": ("day", put({"period": "2H"}, type="goal"), {"goals"}),
    "goals in another order": ("day", swap_goals, {"goals"}),
    "score wrong": ("day", put({"score": [2, 0]}, type="corner"), {"score"}),
    "red card missing": ("day", drop(type="red_card"), {"other incidents"}),
    "penalty missing": ("day", drop(type="penalty_missed"), {"other incidents"}),
    "result wrong": ("day", put({"score": [2, 1]}, kind="result"), {"result"}),
    "sides swapped": ("day", put({"home": "Blues", "away": "Reds"}, kind="fixture"), {"sides of a fixture"}),
    "never announced": ("day", drop(kind="fixture", fixture=ONE), {"announced before"}),
    "time goes back": ("day", lambda rows: rows[60].update(t_ms=rows[50]["t_ms"] - 1), {"time"}),
    "unbalanced postings": (
        "day", put({"amount": 334}, bet="b14", account="stakes:EUR:0"), {"entry is balanced", "stake entry"},
    ),
    "lost posting": ("day", drop(bet="b14", account="house:EUR:0"), {"entry is balanced"}),
    "lost stake entry": ("day", without(bet="b14", reason="stake"), {"stake entry"}),
    "entry of another reason": (
        "day",
        both(put({"reason": "rollback"}, bet="b1", account="house:EUR:0"),
             put({"reason": "rollback"}, bet="b1", account="stakes:EUR:0", reason="settlement")),
        {"reason of a settlement"},
    ),
    "negative player": ("day", overdraw, {"player is not negative"}),
    "settled without an entry": ("day", without(bet="b14", reason="settlement"), {"return by the decisions"}),
    "bet unsettled": ("day", both(without(bet="b14", reason="settlement"), drop(kind="state", bet="b14")), {"settled"}),
    "settled twice": ("day", settle_again, {"settled once per version", "return by the decisions"}),
    "not told how a bet stands": ("day", drop(kind="state", bet="b14"), {"bet as told"}),
    "told another return": ("day", put({"returns": 475}, kind="state", bet="b14"), {"bet as told"}),
    "told another status": ("day", put({"status": "void"}, kind="state", bet="b14"), {"bet as told"}),
    "wrong decision": (
        "day",
        put({"result": "won", "void_share": "0"}, kind="decision", selection=f"{ONE}:total_goals@2.25/over"),
        {"decision", "return by the decisions"},
    ),
    "decision with a wrong void share": ("day", put({"void_share": "1"}, kind="decision"), {"decision form"}),
    "decision missing": ("day", drop(kind="decision", selection=f"{TWO}:both_teams_to_score/no"), {"decision"}),
    "decision of a lower version": (
        "day",
        both(put({"version": 3}, kind="decision"),
             lambda rows: rows.append({**rows[find(rows, version=3)], "version": 2, "t_ms": rows[-1]["t_ms"]})),
        {"decision version"},
    ),
    "decided before its time": ("day", before_its_time, {"decision is not early"}),
    "book out of order": ("day", swap_books, {"book order"}),
    "closed market opened": ("day", book(ONE, -1, status="suspended"), {"decided market is closed"}),
    "illegal status move": ("day", book(ONE, 2, status="inactive"), {"market status"}),
    "generation does not rise": ("day", book(ONE, 1, generation=0), {"generation"}),
    "generation falls": ("day", book(ONE, 2, generation=0), {"generation"}),
    "open after full time": (
        "day", book(TWO, -1, status="open"), {"decided market is not open", "decided market is closed"},
    ),
    "a market's own maximum passed": ("day", book(ONE, 0, stake_max=999), {"answer to a bet"}),
    "not suspended after a goal": ("day", never_suspend, {"suspended after an incident"}),
    "posting without an amount": ("day", put({"amount": None}, kind="posting"), {"line is well formed"}),
    "amount that is no integer": ("day", put({"amount": 1.5}, kind="posting"), {"line is well formed"}),
    "balance wrong": ("day", put({"balance": 1}, kind="balance", account="ann"), {"balance"}),
    "statement without an entry": (
        "day", lambda rows: rows[find(rows, kind="statement")]["entries"].pop(), {"statement"},
    ),
    "statement the oldest first": (
        "day", lambda rows: rows[find(rows, kind="statement")]["entries"].reverse(), {"statement"},
    ),
    "the sum is not zero": ("day", put({"totals": {"EUR": 1}}, kind="totals"), {"sum of all accounts"}),
    # lines
    "a trixie paid as if its lost leg had won": ("systems", pay(1, 300), {"return by the decisions"}),
    "a patent rounded once for all": ("systems", pay(2, 1), {"return by the decisions"}),
    "a system that does not divide, rounded once": ("systems", pay(3, 1), {"return by the decisions"}),
    "a treble that waits though it is lost": (
        "systems", both(without(bet="b10", reason="settlement"), drop(kind="state", bet="b10")), {"settled"},
    ),
    "lost with a leg while a line is left": ("systems", lost_too_soon, {"return by the decisions"}),
    "a system settled as an accumulator": ("systems", of_bet(3, type="accumulator"), {"answered as asked"}),
    "a system with another number of legs": (
        "systems", both(of_bet(1, type="yankee"), put({"type": "yankee"}, kind="ask", type="trixie")),
        {"line is well formed"},
    ),
    "less than a minor unit a line": ("systems", answer(7, "accepted", ["3.25", "2", "4.1"]), {"answer to a bet"}),
    "the same selection twice": ("systems", answer(5, "accepted", ["3.25", "3.25"]), {"answer to a bet"}),
    "two legs on one match": ("systems", answer(6, "accepted", ["3.25", "2.05"]), {"answer to a bet"}),
    "beyond the tolerance": ("systems", answer(8, "accepted", ["3.25"]), {"price within the policy"}),
    # free bets
    "a free bet's stake returned": ("free_bets", pay(1, 500), {"return by the decisions"}),
    "a free bet out of the fan's pocket": (
        "free_bets", put({"account": "ann"}, bet="b1", account="freebets:EUR:0"), {"stake entry"},
    ),
    "a void free bet kept": (
        "free_bets", put({"account": "house:EUR:0"}, bet="b2", amount=300, account="freebets:EUR:0"),
        {"return by the decisions", "held at the end"},
    ),
    "a free bet used twice": ("free_bets", answer(3, "accepted", ["3.25"]), {"answer to a bet"}),
    "a free bet of another amount": ("free_bets", answer(4, "accepted", ["3.25"]), {"answer to a bet"}),
    "a free bet of another fan": ("free_bets", answer(5, "accepted", ["3.25"]), {"answer to a bet"}),
    "a free bet used late": ("free_bets", answer(6, "accepted", ["3.25"]), {"answer to a bet"}),
    "a free bet given without an entry": ("free_bets", without(reason="free_bet", entry=4), {"entry of no bet"}),
    "a free bet taken back too early": (
        "free_bets", put({"until_ms": 2_000_000_000_000}, free_bet="f3", action="given"), {"entry of no bet"},
    ),
    # referrals
    "referred though it need not be": ("referrals", put({"stake_max": 2500}, kind="settings"), {"answer to a bet"}),
    "referred beyond the maximum": ("referrals", put({"referral_stake_max": 2499}, kind="settings"),
                                    {"answer to a bet"}),
    "referred though enough wait": ("referrals", put({"referrals_account_max": 2}, kind="settings"),
                                    {"answer to a bet"}),
    "not referred though few wait": ("referrals", put({"referrals_account_max": 0}, kind="settings"),
                                     {"answer to a bet"}),
    "accepted though the trader refused": (
        "referrals", put({"accept": True}, kind="trader", reason="too much"), {"answer to a bet"},
    ),
    "refused though the trader accepted": ("referrals", put({"accept": False}, kind="trader"), {"answer to a bet"}),
    "another offer than the trader's": ("referrals", put({"stake": 1001}, kind="trader", stake=1000), {"offer"}),
    "an offer that holds for longer": ("referrals", put({"offer_ms": 30_001}, kind="settings"), {"offer"}),
    "an offer at the prices of now": ("referrals", answer(5, "accepted", ["3.25"]), {"accepted price"}),
    "an offer of another stake": ("referrals", answer(4, "accepted", ["3.1"]), {"answer to a bet"}),
    "an offer taken up twice": ("referrals", answer(6, "accepted", ["3.1"]), {"answer to a bet"}),
    "an offer taken up late": ("referrals", answer(9, "accepted", ["3.2"]), {"answer to a bet"}),
    "over before its time": ("referrals", put({"referral_ms": 60_001}, kind="settings"), {"time to answer"}),
    "a retry that knows too much": ("referrals", put({"answer": "accepted"}, kind="retry", answer="pending"),
                                    {"retry"}),
    # limits
    "beyond a day's stakes": ("limits", answer(2, "accepted", ["2"]), {"answer to a bet"}),
    "beyond a day's losses": ("limits", answer(3, "accepted", ["2"]), {"answer to a bet"}),
    "a higher limit at once": ("limits", answer(5, "accepted", ["2"]), {"answer to a bet"}),
    "a limit of the wrong window": ("limits", put({"limit": "loss_week"}, limit="loss_day", amount=700),
                                    {"answer to a bet"}),
    "a limit removed at once": ("limits", answer(8, "accepted", ["2"]), {"answer to a bet"}),
    "the stake of the wrong limit told": ("limits", of_bet(3, stake_max=400), {"stake that would be taken"}),
    # combinations
    "a combination paid though a part is lost": ("combinations", put({"amount": 550}, bet="b2", account="house:EUR:0"),
                                                 {"entry is balanced", "return by the decisions"}),
    "a combination with a void part paid": ("combinations", pay(1, 1), {"return by the decisions"}),
    "parts that cannot all win": ("combinations", answer(4, "accepted", ["9"]), {"answer to a bet"}),
    "a part that halves the stake": ("combinations", answer(5, "accepted", ["4.5"]), {"answer to a bet"}),
    # cash-outs
    "a cash-out of more than was quoted": (
        "cash_outs", both(put({"amount": 476}, bet="b1", account="ann", reason="cash_out"),
                          put({"amount": -76}, bet="b1", account="house:EUR:0", reason="cash_out")),
        {"cash-out entry"},
    ),
    "a quote for more than it is worth": ("cash_outs", put({"amount": 476}, kind="quote", quote=1),
                                          {"cash-out within its worth"}),
    "a quote for more than can return": ("cash_outs", put({"amount": 801}, kind="quote", quote=1),
                                         {"cash-out within the return"}),
    "a quote for nothing": ("cash_outs", put({"amount": 0}, kind="quote", quote=1), {"cash-out within the return"}),
    "a quote that holds for longer": ("cash_outs", put({"quote_ms": 9_999}, kind="settings"), {"quote"}),
    "a quote at another standing": ("cash_outs", put({"standing": 1}, kind="quote", quote=1), {"quote"}),
    "a quote while suspended": ("cash_outs", put({"answer": "offered", "quote": 9, "amount": 1, "until_ms": 0,
                                                  "standing": 0}, kind="quote"), {"quote"}),
    "a quote refused without cause": ("cash_outs", put({"answer": "bet_unknown"}, kind="quote", quote=1), {"quote"}),
    "a cash-out for more than is offered": ("cash_outs", put({"offered": 474}, kind="cash_out"),
                                            {"answer to a cash-out"}),
    "a cash-out after a leg was decided": ("cash_outs", put({"standing": 1}, kind="cash_out"),
                                           {"answer to a cash-out"}),
    "a cash-out while suspended": (
        "cash_outs", lambda rows: rows[find(rows, kind="book", n=4)]["markets"][0].update(status="suspended"),
        {"answer to a cash-out", "quote"},
    ),
    "a cash-out of another's bet": ("cash_outs", put({"answer": "accepted"}, kind="cash_out", account="cid"),
                                    {"answer to a cash-out"}),
    "a free bet cashed out": ("cash_outs", put({"answer": "accepted"}, kind="cash_out", bet="b3"),
                              {"answer to a cash-out"}),
    "a quote that nobody gave": ("cash_outs", put({"quote": 7}, kind="ask_cash_out", quote=1),
                                 {"answer to a cash-out"}),
    "a quote taken up late": ("cash_outs", put({"answer": "accepted"}, kind="cash_out", answer="quote_expired"),
                              {"answer to a cash-out"}),
    "a quote of before a goal taken up": ("cash_outs", put({"answer": "accepted"}, kind="cash_out",
                                                           answer="quote_moved"), {"answer to a cash-out"}),
    "a cash-out by itself for less than was wanted": ("cash_outs", put({"amount": 357}, kind="cash_out_at"),
                                                      {"answer to a cash-out"}),
    "a threshold that nobody set": ("cash_outs", drop(kind="cash_out_at"), {"answer to a cash-out"}),
    "another cash-out than was asked for": ("cash_outs", put({"stake": 401}, kind="ask_cash_out"),
                                            {"answered as asked"}),
    "a cash-out in play at once": ("cash_outs", earlier(4, kind="cash_out", bet="b1"), {"answered when due"}),
    "a cash-out that is not paid": ("cash_outs", without(bet="b2", reason="cash_out"), {"cash-out entry"}),
    "the rest settled by the whole stake": (
        "cash_outs", both(put({"amount": -1000}, bet="b1", account="stakes:EUR:0", reason="settlement"),
                          put({"amount": 1000}, bet="b1", account="house:EUR:0", reason="settlement")),
        {"return by the decisions", "held at the end"},
    ),
    "the exposure of what was cashed out kept": (
        "cash_outs", put({"held": {f"exposure:{ONE}#0": 600}}, kind="exposures"), {"exposures"},
    ),
    "told less of a cash-out": ("cash_outs", put({"cash": 474}, kind="state"), {"bet as told"}),
}  # fmt: skip


@pytest.mark.parametrize("what", SPOILERS)
def test_a_corruption_is_found(what: str, provider: Provider) -> None:
    story, spoil, checks = SPOILERS[what]
    rows = copy.deepcopy(STORIES[story])
    spoil(rows)
    assert rows != STORIES[story]
    differing = report_of(rows, provider).differing
    assert {name for name in checks if differing[name]} == checks


# ---------------------------------------------------------------- every field of every kind of line

SAYS_NOTHING = {
    "account.stake_per_day", "settings.exposure_account_max", "settings.exposure_fixture_max",
    "settings.exposure_market_max", "settings.exposure_selection_max", "settings.odds_silence_ms_max",
    "settings.return_max", "settings.stake_min",  # limits are noticed where something comes up to them
    "fixture.home", "fixture.away",  # names that the provider does not know are counted as unchecked
    "fixture.kickoff_ms", "fixture.source", "book.cause", "confirmed.cause", "trader.reason",  # for people
    "book.n", "decision.version", "confirmed.version",  # only their order counts, and what adds up to a bet's version
    "incident.clock_s", "free_bet.until_ms", "cash_out.offered",  # a little more makes no difference
    "incident.period", "incident.type",  # of a kick-off
    "settings.offer_ms", "settings.referral_ms", "settings.referral_stake_max",  # noticed in the story of referrals
    "settings.referrals_account_max",
    "limit.id", "cash_out_at.id", "cash_out_at.amount", "settings.writer", "settings.cash_out_margin",
}  # fmt: skip
"""What may be another by one, and nobody could tell."""


def fields(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Every field of a line that says something, in lists the first."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from fields(inner, (*path, key))
    elif isinstance(value, list):
        yield from fields(value[0], (*path, 0)) if value else ()
    elif value not in (None, ""):
        yield path, value


def another(value: Any) -> Any:
    """A value that is a little different."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    return "9.99" if value.replace(".", "").isdigit() else f"{value}x"


@pytest.mark.parametrize("story", STORIES)
def test_every_field_counts(story: str, provider: Provider) -> None:
    """Each field of each kind of line is altered once, in the first story that has it: somebody must notice."""
    before = {name for earlier in list(STORIES)[: list(STORIES).index(story)] for name, *_ in _places(STORIES[earlier])}
    unnoticed = set()
    for name, index, path, value in _places(STORIES[story]):
        if name in before or path[-1] in ("kind", "t_ms"):
            continue
        rows = copy.deepcopy(STORIES[story])
        inner: Any = rows[index]
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = another(value)
        if not report_of(rows, provider).differing:
            unnoticed.add(name)
    assert unnoticed <= SAYS_NOTHING


def _places(rows: list[Row]) -> Iterator[tuple[str, int, tuple[Any, ...], Any]]:
    """(name of the field, number of the line, path, value) of each field where it first says something."""
    seen: set[str] = set()
    for index, row in enumerate(rows):
        for path, value in fields(row):
            name = ".".join([row["kind"], *(str(key) for key in path if not isinstance(key, int))])
            if name not in seen:
                seen.add(name)
                yield name, index, path, value


# ---------------------------------------------------------------- the command


def test_a_difference_names_its_line(provider: Provider) -> None:
    rows = copy.deepcopy(DAY)
    answer(2, "accepted", ["2"])(rows)
    row = bet_row(rows, 2)
    text = f"{row['id']}: accepted, expected market_suspended"
    expected = {"line": rows.index(row) + 1, "check": "answer to a bet", "text": text}
    assert expected in report_of(rows, provider).as_json()["differences"]


def test_the_command_says_what_it_found(tmp_path: Path, provider_files: Path) -> None:
    journal = tmp_path / "journal.ndjson"
    spoilt = copy.deepcopy(DAY)
    pay(14, 1)(spoilt)
    for rows, status in ((DAY, 0), (spoilt, 1)):
        journal.write_text("".join(json.dumps(row) + "\n" for row in rows))
        command = [sys.executable, str(SCRIPT), str(journal), str(provider_files), "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        report = json.loads(done.stdout)
        assert (done.returncode, bool(report["differences_total"]), report["lines"]) == (status, status == 1, len(rows))


@pytest.mark.parametrize(("words", "says"), [
    (("nofile", "here"), "journal nofile: No such file or directory; name what `matchday replay --journal` wrote"),
    (("here", "here"), "journal here: Is a directory; name what `matchday replay --journal` wrote"),
    (("good", "nowhere"), "nowhere: there is no such file or folder; name the provider's"),
    (("good", "here", "--meta", "nodir"), "nodir: there is no such file or folder; name the provider's"),
])  # fmt: skip
def test_what_is_not_there_is_said_in_a_line(words: tuple[str, ...], says: str, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "good").touch()
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *words], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"check_journal: {says}\n")
