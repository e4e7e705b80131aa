"""Cash-outs: quotes, whether they were taken up in time and as they were made, and that nobody is paid more than a bet
can be worth. What exactly it is worth, only a model of football says."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Final, NamedTuple

from tests.journal_check.asks import CASH_OUT, Asks
from tests.journal_check.lines import made_at, multiplier, per_unit, returns
from tests.journal_check.report import Row
from tests.journal_check.state import DAY_MS, Bet, Leg, Market, State

ID_AGE_MS_MAX: Final = 2 * DAY_MS
NOT_DERIVED: Final = "what a bet is worth is not derived"
BY_WORTH: Final = {
    "cash_out_unavailable": ("accepted", "quote_unknown", "quote_expired", "quote_moved"),
    "quote_moved": ("accepted",),
}
"""Refusals that may be for nothing but what a bet is worth, and the answers that they then take the place of."""
WITHOUT_BET: Final = ("id_reused", "id_expired", "account_unknown", "bet_unknown")
"""Answers that tell no bet."""


class Quote(NamedTuple):
    """What a fan was offered."""

    account: str
    bet: str
    stake: int
    amount: int
    until_ms: int
    standing: int
    markets: dict[str, int]
    """The generations of the markets that decide what was undecided then."""


class CashOuts:
    """Judges every quote and every cash-out by what the journal has said before it."""

    def __init__(self, state: State, asks: Asks) -> None:
        self._state = state
        self._asks = asks
        self._quotes: dict[int, Quote] = {}

    # ------------------------------------------------ quotes

    def on_quote(self, row: Row) -> None:
        """A fan was told what a bet would be cashed out for, or why for nothing."""
        state, bet, answer = self._state, self._of(row["account"], row["bet"]), row["answer"]
        refusal = self._not_open(bet)
        stake = 0
        if bet is not None and refusal is None:
            stake = bet.remaining if row["stake"] is None else row["stake"]
            refusal = self._unavailable(bet, stake)
        state.report.saw("quotes", answer)
        if refusal is None and answer == "cash_out_unavailable":
            state.report.unchecked("quote", NOT_DERIVED)
            return
        expected = refusal or "offered"
        state.judge(answer == expected, "quote", lambda: f"{row['bet']}: {answer}, expected {expected}")
        if answer != "offered" or bet is None:
            return
        told = (row["stake"], row["until_ms"], row["standing"])
        version = state.version_of(bet.legs, bet.placed_ms)
        expected_terms = (stake, row["t_ms"] + (state.limit("quote_ms") or 0), version)
        state.judge(told == expected_terms, "quote", lambda: f"{bet.id}: {told}, expected {expected_terms}")
        self._worth(bet, stake, row["amount"])
        markets = {market.id: market.generation for market in self._deciding(bet)}
        who = (row["account"], bet.id)
        self._quotes[row["quote"]] = Quote(*who, stake, row["amount"], row["until_ms"], version, markets)

    def _of(self, account: str, name: str) -> Bet | None:
        """A bet of an account's."""
        bet = self._state.bets.get(name)
        return bet if bet is not None and bet.account == account else None

    def _not_open(self, bet: Bet | None) -> str | None:
        return "bet_unknown" if bet is None else None if bet.status == "open" else "bet_not_open"

    def _deciding(self, bet: Bet) -> list[Market]:
        """The markets that decide what is still undecided of a bet."""
        state, found = self._state, []
        for leg in bet.legs:
            if state.result_of(leg, bet.placed_ms) is None:
                pairs = zip(leg.markets, leg.selections, strict=True)
                found += [state.markets[m] for m, s in pairs if state.decisions.get(s, (None, 0, 0))[0] is None]
        return found

    def _unavailable(self, bet: Bet, stake: int) -> str | None:
        """Why nothing can be offered whatever the bet is worth: a free bet, more than is left, nothing undecided, an
        undecided leg that is not in an open market, or a decided one on a match whose book is all suspended, as that
        may be taken back."""
        state = self._state
        results = [state.result_of(leg, bet.placed_ms) for leg in bet.legs]
        cannot = bool(bet.free_bet) or not 0 < stake <= bet.remaining or None not in results
        shut = any(market.status != "open" for market in self._deciding(bet)) or self._silent()
        held = any(self._held(leg) for leg, result in zip(bet.legs, results, strict=True) if result is not None)
        return "cash_out_unavailable" if cannot or shut or held else None

    def _silent(self) -> bool:
        limit = self._state.limit("odds_silence_ms_max")
        return limit is not None and self._state.now_ms - self._state.alive_ms > limit

    def _held(self, leg: Leg) -> bool:
        fixture = self._state.fixtures.get(leg.fixture)
        return fixture is not None and fixture.in_play and not any(m.status == "open" for m in fixture.markets.values())

    def _worth(self, bet: Bet, stake: int, amount: int) -> None:
        """No more is offered than the part may still return, nor than it is worth, less the margin, at the prices of
        now, which have the overround in them."""
        state, most, worth, known = self._state, [], [], True
        for leg in bet.legs:
            result = state.result_of(leg, bet.placed_ms)
            if result is not None:
                most.append(multiplier(result, leg.price))
                worth.append(most[-1])
                continue
            most.append(Fraction(leg.price, 1000))
            market = state.markets.get(leg.markets[0])
            price = market.price(leg.selections[0])[1] if market is not None else None
            known = known and len(leg.selections) == 1 and price is not None
            now = Fraction(leg.price, price or 1)
            worth.append(max(now, Fraction(1)) if market is not None and _gives_back(market) else now)
        text = f"bet {bet.id}: {amount} for {stake} of {bet.remaining}"
        state.judge(0 < amount <= returns(bet.type, stake, most), "cash-out within the return", lambda: text)
        margin = Fraction(1000 - (state.limit("cash_out_margin") or 0), 1000)
        if known:
            good = amount <= stake * per_unit(bet.type, worth) * margin
            state.judge(good, "cash-out within its worth", lambda: text)
        else:
            state.report.unchecked("cash-out within its worth", "the joint price of a combination is not derived")

    # ------------------------------------------------ taking one up

    def on_ask(self, row: Row) -> None:
        """A fan takes up a quote. With a match of the bet in play it is judged again when its delay is over, unless it
        is refused now."""
        state, now = self._state, row["t_ms"]
        waiting, delay, bet = self._asks.waiting(row), state.limit("delay_ms") or 0, state.bets.get(row["bet"])
        due: tuple[int, ...] = (now,)
        if bet is not None and bet.status == "open" and delay and self._in_play(bet.legs):
            refusal = None
            if bet.account == row["account"]:
                refusal = self._refusal(bet, row, row["t_ms"])
                due = (now, now + delay)  # it may be worth less than was quoted
            else:
                due = (now + delay,)
            due = (now,) if refusal is not None else due
        self._asks.ask(row, CASH_OUT, waiting[-1].due_ms if waiting else due, tuple(BY_WORTH))

    def _in_play(self, legs: Sequence[Leg]) -> bool:
        fixtures = self._state.fixtures
        return any(leg.fixture in fixtures and fixtures[leg.fixture].in_play for leg in legs)

    def _refusal(self, bet: Bet, row: Row, arrived_ms: int) -> str | None:
        """What the gate has against it, as far as that does not hang on what the bet is worth."""
        if (refusal := self._unavailable(bet, row["stake"])) is not None:
            return refusal
        quote = self._quotes.get(row["quote"] or 0)
        terms = (row["account"], row["bet"], row["stake"], row["asked"])
        if quote is None or (quote.account, quote.bet, quote.stake, quote.amount) != terms:
            return "quote_unknown"
        if arrived_ms >= quote.until_ms:
            return "quote_expired"
        markets = {market.id: market.generation for market in self._deciding(bet)}
        moved = (quote.standing, quote.markets) != (self._state.version_of(bet.legs, bet.placed_ms), markets)
        return "quote_moved" if moved else None

    def on_cash_out(self, row: Row) -> None:
        """The ledger has taken a cash-out under a new id; by the bet's own threshold nobody has asked for it."""
        state, answer = self._state, row["answer"]
        bet, ask = self._of(row["account"], row["bet"]), None
        told = (answer, None if answer in WITHOUT_BET else row["bet"])
        if not row["automatic"]:
            ask = self._asks.take(row, told)
            key, payload = (row["account"], row["id"]), tuple(row[name] for name in CASH_OUT)
            same = ask is None or ask.payload == payload
            state.judge(same, "answered as asked", lambda: f"{row['id']}: another payload than was asked")
            self._asks.first.setdefault(key, payload)
            self._asks.answers.setdefault(key, told)
        state.report.saw("cash-outs", answer + " by itself" * row["automatic"])
        asked = row if ask is None else {**row, "quote": ask.row["quote"]}
        expected = self._expected(asked, bet, row["t_ms"] if ask is None else ask.row["t_ms"])
        if expected in BY_WORTH.get(answer, ()):
            state.report.unchecked("answer to a cash-out", NOT_DERIVED)
        else:
            text = f"{row['id']} of {row['bet']}: {answer}, expected {expected}"
            state.judge(answer == expected, "answer to a cash-out", lambda: text)
        if row["account"] in state.accounts:
            change = max(0, row["asked"] - bet.owed) if answer == "accepted" and bet is not None else 0
            left = state.funds(row["account"]) + change
            state.judge(row["balance"] == left, "balance told", lambda: f"{row['id']}: {row['balance']}, has {left}")
        if answer == "accepted" and bet is not None:
            state.cash_outs[bet.id] = row
            self._worth(bet, row["stake"] or bet.remaining, row["asked"])

    def _expected(self, row: Row, bet: Bet | None, arrived_ms: int) -> str:
        """The answer, by all that does not hang on what the bet is worth."""
        state, made_ms = self._state, made_at(str(row["id"]))
        if made_ms is not None and row["t_ms"] - made_ms > ID_AGE_MS_MAX:
            return "id_expired"
        if row["account"] not in state.accounts:
            return "account_unknown"
        if bet is None or bet.status != "open":
            return self._not_open(bet) or "bet_unknown"
        if row["automatic"]:
            reached = bet.cash_out_at is not None and row["asked"] >= bet.cash_out_at
            refusal = self._unavailable(bet, row["stake"]) if reached else "cash_out_unavailable"
        else:
            refusal = self._refusal(bet, row, arrived_ms)
        if refusal is not None:
            return refusal
        if row["answer"] == "accepted":
            version = state.version_of(bet.legs, bet.placed_ms)
            return "accepted" if row["standing"] == version and row["offered"] >= row["asked"] else "quote_moved"
        return "accepted"

    def on_threshold(self, row: Row) -> None:
        """A fan wants a bet cashed out by itself from some offer on, or not any more."""
        state, bet = self._state, self._of(row["account"], row["bet"])
        expected = self._not_open(bet) or ("cash_out_unavailable" if bet is not None and bet.free_bet else "accepted")
        expected = expected if row["account"] in state.accounts else "account_unknown"
        good = row["answer"] == expected
        state.judge(good, "answer to a threshold", lambda: f"{row['bet']}: {row['answer']}, expected {expected}")
        if row["answer"] == "accepted" and bet is not None:
            bet.cash_out_at = row["amount"]


def _gives_back(market: Market) -> bool:
    """Whether some or all of a stake may come back from a market whatever else happens: then its prices are fair on
    what does not."""
    counts = market.kind == "next_goal"
    return market.kind == "draw_no_bet" or (market.quarters is not None and not counts and market.quarters % 4 != 2)
