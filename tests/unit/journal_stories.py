"""Stories as journals of three small matches. The platform has no hand in them: every figure was worked out by hand."""

from __future__ import annotations

from typing import Any

from tests.unit.journal_tale import DELAY_MS, NOON_MS, OFFERS, ONE, THREE, TWO, Row, Tale, combined_leg, made


def opened(*fixtures: str, **settings: Any) -> Tale:
    """Settings, accounts, and fixtures that can be bet on."""
    tale = Tale()
    limits = {"stake_min": 10, "stake_max": 5000, "return_max": 80_000, "delay_ms": DELAY_MS}
    caps = {"exposure_selection_max": 9000, "exposure_fixture_max": 20_000, "exposure_account_max": 30_000,
            "exposure_market_max": 15_000}  # fmt: skip
    times = {"referral_stake_max": 8000, "referral_ms": 60_000, "offer_ms": 30_000, "odds_silence_ms_max": 600_000}
    tale.say("settings", **{**limits, **caps, **times, "writer": 0, "writers": 1, **settings})
    tale.account("ann", 20_000)
    tale.account("bob", 0, "suspended")
    tale.account("cid", 100)
    for fixture in fixtures:
        tale.say("fixture", fixture=fixture, home="Reds", away="Blues", kickoff_ms=NOON_MS, source="wyscout")
        tale.book(fixture, "open", 0)
    return tale


def second_match(tale: Tale) -> None:
    tale.incident(TWO, "penalty_awarded", "home", "1H", 20, 0, 0)
    tale.book(TWO, "suspended", 1)
    tale.incident(TWO, "penalty_scored", "home", "1H", 50, 1, 0)
    tale.incident(TWO, "penalty_awarded", "away", "2H", 2720, 1, 0)
    tale.incident(TWO, "penalty_missed", "away", "2H", 2750, 1, 0)
    tale.incident(TWO, "full_time", None, "2H", 5500, 1, 0)
    tale.book(TWO, "closed", 1)
    tale.result(TWO, 1, 0)
    tale.decide_all(TWO, 1, 0)


def third_match(tale: Tale) -> None:
    tale.incident(THREE, "goal", "away", "1H", 60, 0, 1)
    tale.book(THREE, "suspended", 1)
    tale.incident(THREE, "goal", "away", "2H", 2760, 0, 2)
    tale.incident(THREE, "full_time", None, "2H", 5500, 0, 2)
    tale.book(THREE, "closed", 1)
    tale.result(THREE, 0, 2)
    tale.decide_all(THREE, 0, 2)


def abandon(tale: Tale, fixture: str) -> None:
    """Broken off before a ball is kicked: everything is void."""
    tale.book(fixture, "closed", 0)
    tale.result(fixture, 0, 0, status="abandoned")
    for kind, (line, prices) in OFFERS.items():
        tale.decide(fixture, kind + (f"@{line}" if line else ""), **dict.fromkeys(prices, "void"))


def first_match(tale: Tale) -> None:
    tale.incident(ONE, "goal", "home", "1H", 600, 1, 0)
    tale.book(ONE, "suspended", 1)
    tale.incident(ONE, "corner", "away", "1H", 900, 1, 0)
    tale.incident(ONE, "own_goal", "away", "2H", 2800, 1, 1)
    tale.incident(ONE, "red_card", "home", "2H", 3000, 1, 1)
    tale.incident(ONE, "full_time", None, "2H", 5600, 1, 1)
    tale.book(ONE, "closed", 1)
    tale.result(ONE, 1, 1)
    tale.decide_all(ONE, 1, 1)


def give(tale: Tale, name: str, amount: int, until_ms: int, account: str = "ann") -> None:
    given = {"action": "given", "amount": amount, "currency": "EUR", "until_ms": until_ms, "answer": "accepted"}
    tale.say("free_bet", free_bet=name, account=account, **given)
    tale.entry(None, "free_bet", freebets=amount, promotions=-amount)


def limit(tale: Tale, name: str, amount: int | None, account: str = "ann") -> None:
    who = {"id": made(tale.now_ms, 0xFFFF), "account": account}
    tale.say("limit", **who, limit=name, amount=amount, answer="accepted")
    tale.pass_()


def quote(tale: Tale, bet: int, stake: int | None, amount: int, number: int, answer: str = "offered") -> None:
    """What ann is told that a bet of hers would be cashed out for."""
    tale.alive()
    said = {"amount": amount, "until_ms": tale.now_ms + 10_000, "standing": 0} if answer == "offered" else {}
    who = {"account": "ann", "bet": f"b{bet}", "stake": stake}
    tale.say("quote", quote=number if said else None, **who, answer=answer, **said)
    tale.pass_()


def cash_out(tale: Tale, bet: int, answer: str, stake: int, asked: int, number: int | None, **other: Any) -> None:
    """A quote is taken up, by ann if nobody else is said; after the delay where the gate has nothing against it."""
    account, automatic = other.pop("account", "ann"), other.pop("automatic", False)
    what = {"bet": f"b{bet}", "stake": stake, "asked": asked}
    who = {"id": made(tale.now_ms, 0xFF00 + len(tale.rows)), "account": account}
    ask = None if automatic else tale.ask("ask_cash_out", **who, **what, quote=number)
    waits = other.pop("waits", answer in ("accepted", "bet_unknown"))
    tale.pass_(DELAY_MS if waits else 0)
    tale.alive()
    accepted = answer == "accepted"
    usual = {"offered": asked if accepted else 0, "standing": 0, "automatic": automatic}
    balance = tale.has[account] + (asked if accepted else 0)
    tale.say("cash_out", **who, answer=answer, balance=balance, **what, **{**usual, **other})
    if accepted:
        tale.entry(f"b{bet}", "cash_out", stakes=-stake, ann=asked, house=stake - asked)
    if ask is not None:
        tale.told(ask, answer, None if answer == "bet_unknown" else f"b{bet}")


def _refusals(tale: Tale) -> None:
    home, over, away = f"{ONE}:1x2/home", f"{ONE}:total_goals@2.25/over", f"{ONE}:1x2/away"
    tale.bet("generation_stale", 1000, (home, "2", 0), policy="any")
    tale.bet("price_moved", 1000, (over, "1.9", 1))
    tale.bet("price_moved", 1000, (over, "1.9", 1), policy="better")
    tale.bet("account_unknown", 1000, (home, "2", 1), account="nobody")
    tale.bet("account_not_open", 1000, (home, "2", 1), account="bob")
    tale.bet("selection_unknown", 1000, (f"{ONE}:1x2/nobody", "2", 1))
    tale.bet("stake_below_minimum", 9, (home, "2", 1))
    tale.bet("stake_above_maximum", 5001, (home, "2", 1), most=5000)
    # 16.81 to one: 80 000 are back at 4759, but the 9000 of a selection are reached at 569
    tale.bet("return_above_maximum", 5000, (away, "4.1", 1), (f"{TWO}:1x2/away", "4.1", 0), most=569)
    tale.bet("insufficient_funds", 101, (home, "2", 1), account="cid", most=100)


def day() -> list[Row]:
    """Singles and a double over an afternoon; b1, b13, b14 and b15 are accepted, the rest refused."""
    tale = opened(ONE, TWO)
    for fixture in (ONE, TWO):
        tale.incident(fixture, "kick_off", None, "1H", 0, 0, 0)
    tale.bet("accepted", 1000, (f"{ONE}:1x2/home", "2", 0))
    tale.retry(1, "accepted")
    tale.retry(1, "id_reused", stake=1100)
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
    tale.result(ONE, 1, 1)
    tale.decide(ONE, "1x2", home="lost", draw="won", away="lost")
    tale.decide(ONE, "total_goals@2.25", over="half_lost", under="half_won")
    tale.decide(ONE, "asian_handicap@-0.25", home="half_lost", away="half_won")
    tale.settle(1, 1000, 0)
    tale.settle(13, 1001, 500)  # half lost: floor(1001 / 2)
    tale.settle(14, 333, 474)  # half won at 1.85: 333 x 1.425 = 474.525
    second_match(tale)
    tale.settle(15, 700, 4550, version=2)  # 700 x 3.25 x 2
    tale.ending()
    tale.say("exposures", held={})
    return tale.rows


def systems() -> list[Row]:
    """Legs on three matches: b1 a trixie with a lost leg, b2 a patent with a half-won one, b3 a system of 2 in 3, b4 a
    treble; b10 and b11 are lost before all is decided, b11 with the second of its legs; and the refusals of legs among
    themselves."""
    tale = opened(ONE, TWO, THREE, stake_min=1)
    draw, half = (f"{ONE}:1x2/draw", "3.25", 0), (f"{ONE}:total_goals@2.25/under", "2.05", 0)
    home, lost, away = (f"{TWO}:1x2/home", "2", 0), (f"{THREE}:1x2/home", "2", 0), (f"{THREE}:1x2/away", "4.1", 0)
    tale.bet("accepted", 400, draw, home, lost, type="trixie")
    tale.bet("accepted", 700, half, home, away, type="patent")
    tale.bet("accepted", 100, half, home, away, type="system:2/3")
    tale.bet("accepted", 100, half, home, away, type="accumulator", tolerance=20, policy="better")
    tale.bet("selection_repeated", 100, draw, draw)
    tale.bet("legs_related", 100, draw, half)
    tale.bet("stake_below_minimum", 6, draw, home, away, type="patent")  # seven lines
    tale.bet("price_moved", 100, (f"{ONE}:1x2/draw", "3.4", 0), tolerance=44)  # 3.25 is 4.41 % less
    tale.bet("accepted", 100, (f"{ONE}:1x2/draw", "3.4", 0), tolerance=45, at=["3.25"])
    gone, too = (f"{ONE}:1x2/home", "2", 0), (f"{TWO}:1x2/away", "4.1", 0)
    tale.bet("accepted", 20, gone, home, away)
    tale.bet("accepted", 30, gone, too, away, type="trixie")
    first_match(tale)
    tale.settle(10, 20, 0)
    second_match(tale)
    tale.settle(11, 30, 0, version=2)
    third_match(tale)
    # 100 a line: draw and home 650; every other line has the lost leg
    tale.settle(1, 400, 650, version=3)
    # 100 a line at 1.525, 2 and 4.1: 152.5, 200, 410, 305, 625.25, 820 and 1250.5, each rounded down
    tale.settle(2, 700, 152 + 200 + 410 + 305 + 625 + 820 + 1250, version=3)
    # 33 1/3 a line: 101.67, 208.42 and 273.33, each rounded down
    tale.settle(3, 100, 101 + 208 + 273, version=3)
    tale.settle(4, 100, 1250, version=3)
    tale.settle(9, 100, 325)
    tale.ending()
    return tale.rows


def free_bets() -> list[Row]:
    """f1 wins, f2 is given back as its match is abandoned, f3 is taken back as its time is over."""
    tale = opened(ONE, TWO)
    until = {"f1": NOON_MS + 600_000, "f2": NOON_MS + 600_000, "f3": NOON_MS + 30_000}
    for name, amount in (("f1", 500), ("f2", 300), ("f3", 200)):
        give(tale, name, amount, until[name])
    draw, away = (f"{ONE}:1x2/draw", "3.25", 0), (f"{TWO}:1x2/away", "4.1", 0)
    tale.bet("accepted", 500, draw, free_bet="f1", source="freebets")
    tale.bet("accepted", 300, away, free_bet="f2", source="freebets")
    tale.bet("free_bet_unknown", 500, draw, free_bet="f1")  # used
    tale.bet("free_bet_unknown", 201, draw, free_bet="f3")
    tale.bet("free_bet_unknown", 200, draw, free_bet="f3", account="cid")
    tale.pass_(30_000)
    tale.bet("free_bet_expired", 200, draw, free_bet="f3")
    taken = {"free_bet": "f3", "account": "ann", "action": "taken_back", "answer": "accepted"}
    tale.say("free_bet", **taken)
    tale.entry(None, "free_bet_expired", freebets=-200, promotions=200)
    first_match(tale)
    abandon(tale, TWO)
    tale.entry("b1", "settlement", stakes=-500, house=500 - 1125, ann=1125)  # 500 x (3.25 - 1)
    tale.state(1, returns=1125)
    tale.entry("b2", "settlement", stakes=-300, freebets=300)
    tale.state(2, status="void")
    tale.ending()
    return tale.rows


def referrals() -> list[Row]:
    """b1 is accepted by a trader, b2 refused, b3 offered otherwise and taken up as b4, b7 and b10 nobody decides; while
    b10 waits none of ann's can, and one of cid's could."""
    tale = opened(ONE, stake_max=2000, referral_stake_max=4000, referrals_account_max=1)
    home, draw = (f"{ONE}:1x2/home", "2", 0), (f"{ONE}:1x2/draw", "3.25", 0)
    tale.bet("pending", 2500, home, refer=True)
    tale.retry(1, "pending")
    tale.trader(1, "accepted", accept=True)
    tale.retry(1, "accepted")
    tale.bet("pending", 2500, home, refer=True)
    tale.trader(2, "refused_by_trader", reason="too much")
    tale.bet("pending", 2500, draw, refer=True)
    tale.trader(3, "re_offered", stake=1000, prices=["3.1"])
    offered = (f"{ONE}:1x2/draw", "3.1", 0)
    tale.bet("offer_unknown", 1001, offered, offer="o3", waits=False)
    tale.bet("accepted", 1000, offered, offer="o3")
    tale.bet("offer_unknown", 1000, draw, offer="o3")  # taken up
    tale.bet("pending", 2500, draw, refer=True)
    late = tale.now_ms - 1000 + 60_000
    tale.pass_(late - tale.now_ms)
    tale.referral(7, "referral_expired")
    tale.bet("pending", 2500, draw, refer=True)
    tale.trader(8, "re_offered", prices=["3.2"])
    tale.pass_(30_000)
    tale.bet("offer_expired", 2500, (f"{ONE}:1x2/draw", "3.2", 0), offer="o8")
    tale.bet("stake_above_maximum", 4001, draw, refer=True, most=2000)
    tale.bet("pending", 2500, draw, refer=True)
    tale.bet("stake_above_maximum", 2500, draw, refer=True, most=2000)
    tale.bet("insufficient_funds", 2500, draw, refer=True, most=100, account="cid")
    first_match(tale)
    tale.settle(1, 2500, 0)
    tale.settle(5, 1000, 3100)
    tale.ending()
    return tale.rows


def limits() -> list[Row]:
    """What a fan sets himself: stakes of a day and a week, losses of a day."""
    tale = opened(ONE)
    draw, home = (f"{ONE}:1x2/draw", "3.25", 0), (f"{ONE}:1x2/home", "2", 0)
    limit(tale, "stake_day", 1000)
    tale.bet("accepted", 600, draw)
    tale.bet("stake_limit_reached", 401, home, most=400)
    limit(tale, "loss_day", 700)
    tale.bet("loss_limit_reached", 101, home, most=100)
    tale.bet("accepted", 100, home)
    limit(tale, "stake_day", 3000)  # counts a day later
    tale.bet("stake_limit_reached", 301, home, most=0)
    tale.pass_(86_400_000)
    tale.bet("loss_limit_reached", 701, home, most=700)
    tale.bet("accepted", 700, home)
    limit(tale, "stake_week", 1500)
    limit(tale, "loss_day", None)
    tale.bet("loss_limit_reached", 50, home, most=0)
    first_match(tale)
    tale.settle(1, 600, 1950)
    for bet, stake in ((4, 100), (7, 700)):
        tale.settle(bet, stake, 0)
    tale.ending()
    return tale.rows


def combinations() -> list[Row]:
    """b1 is won, b2 lost by one part, b3 void with one; b4 to b6 have no price."""
    tale = opened(ONE, TWO)
    both, draw, home = (f"{ONE}:both_teams_to_score/yes", 0), (f"{ONE}:1x2/draw", 0), (f"{ONE}:1x2/home", 0)
    tale.bet("accepted", 100, combined_leg(ONE, "4.5", both, draw))
    tale.bet("accepted", 100, combined_leg(ONE, "4.5", both, home))
    tale.bet("accepted", 100, combined_leg(TWO, "3.2", (f"{TWO}:1x2/home", 0), (f"{TWO}:both_teams_to_score/no", 0)))
    tale.bet("legs_contradictory", 100, combined_leg(ONE, "9", home, draw))
    tale.bet("combination_unpriced", 100, combined_leg(ONE, "4.5", draw, (f"{ONE}:total_goals@2.25/under", 0)))
    first_match(tale)
    abandon(tale, TWO)
    tale.settle(1, 100, 450, version=2)
    tale.settle(2, 100, 0, version=2)
    tale.entry("b3", "settlement", stakes=-100, ann=100)
    tale.state(3, status="void", returns=100, version=2)
    tale.ending()
    return tale.rows


def cash_outs() -> list[Row]:
    """b1 is cashed out in part, b2 whole, b4 by its own threshold; b3 is a free bet and cannot be."""
    tale = opened(ONE, TWO, cash_out_margin=50, quote_ms=10_000)
    give(tale, "f1", 500, NOON_MS + 10_000_000)
    home = (f"{ONE}:1x2/home", "2", 0)
    tale.bet("accepted", 1000, home)
    tale.bet("accepted", 600, home, (f"{TWO}:1x2/home", "2", 0))
    tale.bet("accepted", 500, home, free_bet="f1", source="freebets")
    tale.bet("accepted", 300, home)
    tale.incident(ONE, "goal", "home", "1H", 600, 1, 0)
    tale.book(ONE, "suspended", 1)
    quote(tale, 1, None, 0, 0, "cash_out_unavailable")
    tale.book(ONE, "open", 1, home="1.6")  # 1.25 for each unit of b1, as much and 2 / 2 of b2, less five in a hundred
    quote(tale, 1, 400, 475, 1)
    cash_out(tale, 1, "accepted", 400, 475, 1)
    tale.say("state", bet="b1", status="open", returns=0, version=0, owed=0, cashed=400, cash=475)
    quote(tale, 2, 600, 700, 2)
    cash_out(tale, 2, "accepted", 600, 700, 2)
    tale.say("state", bet="b2", status="cashed_out", returns=0, version=0, owed=0, cashed=600, cash=700)
    cash_out(tale, 2, "bet_not_open", 600, 700, 2)
    quote(tale, 3, None, 0, 0, "cash_out_unavailable")
    cash_out(tale, 3, "cash_out_unavailable", 500, 500, None)
    quote(tale, 1, 100, 118, 3)
    cash_out(tale, 1, "bet_unknown", 100, 118, 3, account="cid")
    cash_out(tale, 1, "quote_unknown", 101, 118, 3)
    tale.pass_(10_000)
    cash_out(tale, 1, "quote_expired", 100, 118, 3)
    quote(tale, 1, 100, 118, 4)
    threshold = {"account": "ann", "bet": "b4", "amount": 350}
    tale.say("cash_out_at", id=made(tale.now_ms, 0xFFFD), **threshold, answer="accepted")
    cash_out(tale, 4, "accepted", 300, 356, None, automatic=True)
    tale.say("state", bet="b4", status="cashed_out", returns=0, version=0, owed=0, cashed=300, cash=356)
    tale.incident(ONE, "corner", "away", "1H", 900, 1, 0)
    tale.incident(ONE, "own_goal", "away", "2H", 2800, 1, 1)
    tale.book(ONE, "suspended", 2)
    tale.book(ONE, "open", 2, "1x2")
    cash_out(tale, 1, "quote_moved", 100, 118, 4)
    tale.incident(ONE, "red_card", "home", "2H", 3000, 1, 1)
    tale.book(ONE, "suspended", 3)
    tale.incident(ONE, "full_time", None, "2H", 5600, 1, 1)
    tale.book(ONE, "closed", 3)
    tale.result(ONE, 1, 1)
    tale.decide_all(ONE, 1, 1)
    tale.settle(1, 600, 0, cashed=400, cash=475)
    tale.entry("b3", "settlement", stakes=-500, house=500)
    tale.state(3)
    tale.ending()
    tale.say("exposures", held={})
    return tale.rows
