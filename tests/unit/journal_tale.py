"""Three small matches as a provider's files, and a tale that is told as a journal. The platform has no hand in it."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

Row = dict[str, Any]
LegWords = tuple[str, str, int]
"""(selection, price seen, generation seen)."""

NOON_MS = 1_531_656_000_000
DELAY_MS = 4_000
ONE, TWO, THREE = "wyscout-7", "wyscout-8", "wyscout-9"
HOME_TEAM, AWAY_TEAM = 71, 72

# ---------------------------------------------------------------- as the provider tells it


def event(period: str, second: float, team: int, name: str, sub: str = "", tags: tuple[int, ...] = ()) -> Row:
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
        event("1H", 1.0, HOME_TEAM, "Pass", "Simple pass", (1801,)),
        event("1H", 600.4, HOME_TEAM, "Shot", "Shot", (101, 1801)),
        event("1H", 601.0, AWAY_TEAM, "Save attempt", "Reflexes", (101, 1802)),
        event("1H", 900.0, AWAY_TEAM, "Free Kick", "Corner", (1801,)),
        event("2H", 100.2, HOME_TEAM, "Others on the ball", "Touch", (102,)),
        event("2H", 300.0, HOME_TEAM, "Foul", "Foul", (1701,)),
    ],
    # 1-0 from the spot, and a penalty missed
    8: [
        event("1H", 50.0, HOME_TEAM, "Free Kick", "Penalty", (101, 1801)),
        event("2H", 50.0, AWAY_TEAM, "Free Kick", "Penalty", (1802,)),
    ],
    # 0-2
    9: [
        event("1H", 60.0, AWAY_TEAM, "Shot", "Shot", (101, 1801)),
        event("2H", 60.0, AWAY_TEAM, "Shot", "Shot", (101, 1801)),
    ],
}
SCORES = {7: (1, 1), 8: (1, 0), 9: (0, 2)}


def meta_of(number: int, score: tuple[int, int]) -> Row:
    teams = {
        str(team): {"side": side, "score": goals, "scoreET": 0, "scoreP": 0}
        for team, side, goals in ((HOME_TEAM, "home", score[0]), (AWAY_TEAM, "away", score[1]))
    }
    label = f"Reds - Blues, {score[0]} - {score[1]}"
    return {"wyId": number, "label": label, "duration": "Regular", "teamsData": teams}


def data_of(number: int) -> Row:
    names = {HOME_TEAM: "Reds", AWAY_TEAM: "Blues"}
    teams = {str(team): {"team": {"name": name, "officialName": f"{name} FC"}} for team, name in names.items()}
    return {"events": MATCHES[number], "teams": teams}


def write_files(folder: Path) -> None:
    (folder / "meta").mkdir()
    metas = [meta_of(number, score) for number, score in SCORES.items()]
    (folder / "meta" / "matches_Test.json.gz").write_bytes(gzip.compress(json.dumps(metas).encode()))
    for number in MATCHES:
        (folder / f"{number}.json.gz").write_bytes(gzip.compress(json.dumps(data_of(number)).encode()))


# ---------------------------------------------------------------- as a journal tells it

OFFERS: dict[str, tuple[str | None, dict[str, str]]] = {
    "1x2": (None, {"home": "2", "draw": "3.25", "away": "4.1"}),
    "total_goals": ("2.25", {"over": "1.9", "under": "2.05"}),
    "both_teams_to_score": (None, {"yes": "1.8", "no": "2"}),
    "asian_handicap": ("-0.25", {"home": "2.05", "away": "1.85"}),
}
SHARES = {"won": "0", "lost": "0", "void": "1", "half_won": "0.5", "half_lost": "0.5"}
HOUSE = {role: f"{role}:EUR:0" for role in ("bank", "stakes", "house", "freebets", "promotions", "shortfall")}
AT_ONCE = {
    "selection_repeated", "legs_related", "selection_unknown", "market_closed", "market_suspended",
    "generation_stale", "combination_unpriced", "legs_contradictory", "price_moved", "stake_below_minimum",
    "stake_above_maximum", "return_above_maximum",
}  # fmt: skip
"""What the gate refuses, so that nobody waits."""


def made(at_ms: int, number: int) -> str:
    """A UUIDv7 of that moment; its end tells which bet it is."""
    stamp = f"{at_ms:012x}"
    return f"{stamp[:8]}-{stamp[8:]}-7000-8000-{number:012x}"


def legs_of(*legs: LegWords) -> list[Row]:
    return [
        {"fixture": name.split(":")[0], "market": name.split("/")[0], "selection": name, "price": price,
         "generation": generation}
        for name, price, generation in legs
    ]  # fmt: skip


def combined_leg(fixture: str, price: str, *parts: tuple[str, int]) -> Row:
    """A combination on one fixture, its parts as (selection, generation)."""
    told = [{"market": name.split("/")[0], "selection": name, "generation": generation} for name, generation in parts]
    name = f"{fixture}:combination"
    return {"fixture": fixture, "market": name, "selection": f"{name}/all", "price": price, "generation": 0,
            "parts": told}  # fmt: skip


class Tale:
    """Writes a journal row by row, a second apart, and keeps what everybody has."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.now_ms = NOON_MS
        self.version = 1
        """Of what is decided."""
        self.has: Counter[str] = Counter()
        self.statements: dict[str, list[list[Any]]] = {}
        self._n = self._entry = self.bets = self._asks = 0
        self._in_play: set[str] = set()

    def say(self, kind: str, **fields: Any) -> None:
        self.rows.append({"t_ms": self.now_ms, "kind": kind, **fields})

    def pass_(self, milliseconds: int = 1000) -> None:
        self.now_ms += milliseconds

    # --- matches

    def book(self, fixture: str, status: str, generation: int, *keys: str, **prices: str) -> None:
        """All (or the named) markets of a fixture at one status, at their usual prices or others."""
        self._n += 1
        markets = []
        for kind in keys or tuple(OFFERS):
            line, usual = OFFERS[kind]
            name = f"{fixture}:{kind}" + (f"@{line}" if line else "")
            sells = [
                {"selection": f"{name}/{o}", "outcome": o, "price": prices.get(o, price)} for o, price in usual.items()
            ]
            market = {"market": name, "type": kind, "line": line, "status": status, "generation": generation}
            markets.append({**market, "selections": sells})
        self.say("book", fixture=fixture, epoch=1, n=self._n, cause="incident", markets=markets)
        self.pass_()

    def incident(self, fixture: str, kind: str, side: str | None, period: str, clock_s: int, *score: int) -> None:
        self.say("incident", fixture=fixture, type=kind, side=side, period=period, clock_s=clock_s, score=list(score))
        self._in_play.add(fixture)
        self.pass_()

    def result(self, fixture: str, *score: int, status: str = "finished") -> None:
        self.say("result", fixture=fixture, status=status, score=list(score))
        self.say("confirmed", fixture=fixture, version=1, cause=status)
        self._in_play.discard(fixture)
        self.pass_()

    def decide(self, fixture: str, market: str, **results: str) -> None:
        for outcome, result in results.items():
            name = f"{fixture}:{market}"
            fields = {"fixture": fixture, "market": name, "selection": f"{name}/{outcome}", "result": result}
            self.say("decision", **fields, void_share=SHARES[result], dead_heat="1", version=self.version)
        self.pass_()

    def decide_all(self, fixture: str, home: int, away: int) -> None:
        """All four markets by a final score."""
        total, ahead = home + away, home - away
        winner = "draw" if not ahead else "home" if ahead > 0 else "away"
        self.decide(fixture, "1x2", **{side: "won" if side == winner else "lost" for side in ("home", "draw", "away")})
        over = {1: "lost", 2: "half_lost"}.get(min(total, 3), "won")
        self.decide(fixture, "total_goals@2.25", over=over, under=_other(over))
        both = "won" if home and away else "lost"
        self.decide(fixture, "both_teams_to_score", yes=both, no=_other(both))
        handicap = "won" if ahead > 0 else "half_lost" if not ahead else "lost"
        self.decide(fixture, "asian_handicap@-0.25", home=handicap, away=_other(handicap))

    # --- money

    def account(self, name: str, funds: int, status: str = "open") -> None:
        self.say("account", account=name, currency="EUR", status="open", stake_per_day=9000)
        if funds:
            self.entry(None, "deposit", bank=-funds, **{name: funds})
        if status != "open":
            self.say("account", account=name, currency="EUR", status=status)

    def entry(self, bet: str | None, reason: str, **amounts: int) -> None:
        self._entry += 1
        for account, amount in amounts.items():
            name = HOUSE.get(account, account)
            fields = {"entry": self._entry, "account": name, "amount": amount, "currency": "EUR"}
            self.say("posting", **fields, bet=bet, reason=reason)
            self.has[name] += amount
            if ":" not in name:
                self.statements.setdefault(name, []).append([self._entry, amount, reason, bet])

    def settle(self, bet: int, stake: int, back: int, account: str = "ann", **told: Any) -> None:
        """A bet of the fan's own money: what comes back, and how it then stands."""
        amounts = {"stakes": -stake, "house": stake - back, account: back}
        self.entry(f"b{bet}", "settlement", **{name: amount for name, amount in amounts.items() if amount})
        self.state(bet, returns=back, **told)

    def state(self, bet: int, **told: Any) -> None:
        usual = {"status": "settled", "returns": 0, "version": 1, "owed": 0, "cashed": 0, "cash": 0}
        self.say("state", bet=f"b{bet}", **{**usual, **told})
        self.pass_()

    def ending(self) -> None:
        """What the ledger has at the end."""
        for name, balance in sorted(self.has.items()):
            self.say("balance", account=name, balance=balance)
            if ":" not in name:
                self.say("statement", account=name, entries=self.statements[name][::-1])
        self.say("totals", totals={"EUR": sum(self.has.values())})

    # --- bets

    def alive(self) -> None:
        heard = next((row["heard_ms"] for row in reversed(self.rows) if row["kind"] == "alive"), 0)
        if heard < self.now_ms:
            self.say("alive", heard_ms=self.now_ms)

    def ask(self, kind: str, **fields: Any) -> int:
        self.alive()
        self._asks += 1
        self.say(kind, ask=self._asks, **fields)
        return self._asks

    def told(self, ask: int, answer: str, bet: str | None = None) -> None:
        self.say("told", ask=ask, answer=answer, bet=bet)
        self.pass_()

    def bet(self, answer: str, stake: int, *legs: LegWords | Row, **other: Any) -> int:
        """A bet, usually of ann's. ``at`` are other prices than were seen, ``most`` the stake told with a refusal,
        ``source`` the account that pays, ``waits`` whether it is judged after the delay."""
        self.bets += 1
        rows = [leg if isinstance(leg, dict) else legs_of(leg)[0] for leg in legs]
        account, policy = other.pop("account", "ann"), other.pop("policy", "none")
        prices = other.pop("at", None) or [leg["price"] for leg in rows]
        most, source = other.pop("most", None), other.pop("source", account)
        waits = other.pop("waits", answer not in AT_ONCE and any(leg["fixture"] in self._in_play for leg in rows))
        who = {"id": made(self.now_ms, self.bets), "account": account}
        usual = {"type": "", "tolerance": None, "free_bet": "", "refer": False, "offer": ""}
        payload = {"currency": "EUR", "stake": stake, "policy": policy, "legs": rows, **usual, **other}
        ask = self.ask("ask", **who, **payload)
        self.pass_(DELAY_MS if waits else 0)
        self.alive()
        bet = f"b{self.bets}" if answer == "accepted" else None
        told = prices if answer not in AT_ONCE or most is not None else []
        left = self.has[account] - (stake if bet and source == account else 0)
        balance = None if answer == "account_unknown" else left
        until = {"until_ms": self.now_ms + 60_000} if answer == "pending" else {}
        words = {"answer": answer, "bet": bet, "prices": told, "balance": balance, "stake_max": most}
        self.say("bet", **who, **words, **until, **payload)
        if bet:
            self.entry(bet, "stake", **{source: -stake, "stakes": stake})
        self.told(ask, answer, bet)
        return self.bets

    def retry(self, bet: int, answer: str, **changes: Any) -> None:
        """The same id again, perhaps with another payload."""
        row = bet_row(self.rows, bet)
        asked = next(each for each in self.rows if each["kind"] == "ask" and each["id"] == row["id"])
        payload = {key: value for key, value in asked.items() if key not in ("t_ms", "kind", "ask")}
        ask = self.ask("ask", **{**payload, **changes})
        same = f"b{bet}" if answer == "accepted" else None
        self.say("retry", id=row["id"], account=row["account"], answer=answer, bet=same)
        self.told(ask, answer, same)

    def trader(self, bet: int, answer: str, **words: Any) -> None:
        """A trader answers a referral; what it comes to."""
        row = bet_row(self.rows, bet)
        who = {"id": row["id"], "account": row["account"]}
        usual = {"accept": False, "reason": "", "stake": None, "prices": None}
        ask = self.ask("trader", **who, **{**usual, **words})
        self.referral(bet, answer, stake=words.get("stake"), prices=words.get("prices"))
        self.told(ask, answer, f"b{bet}" if answer == "accepted" else None)

    def referral(self, bet: int, answer: str, stake: int | None = None, prices: list[str] | None = None) -> None:
        """The ledger takes what a referral came to."""
        row = bet_row(self.rows, bet)
        accepted = f"b{bet}" if answer == "accepted" else None
        offer = None
        if answer == "re_offered":
            offer = {"offer": f"o{bet}", "stake": row["stake"] if stake is None else stake,
                     "prices": prices or row["prices"], "until_ms": self.now_ms + 30_000}  # fmt: skip
        balance = self.has[row["account"]] - (row["stake"] if accepted else 0)
        words = {"answer": answer, "bet": accepted, "prices": row["prices"], "balance": balance, "stake_max": None}
        self.say("referral", id=row["id"], account=row["account"], **words, offer=offer)
        if accepted:
            self.entry(accepted, "stake", **{row["account"]: -row["stake"], "stakes": row["stake"]})


def _other(result: str) -> str:
    """What the other side of a market of two comes to."""
    return {"won": "lost", "lost": "won", "half_won": "half_lost", "half_lost": "half_won"}[result]


def bet_row(rows: list[Row], bet: int) -> Row:
    """The line of a bet by its number."""
    return next(row for row in rows if row["kind"] == "bet" and row["id"].endswith(f"{bet:012x}"))
