"""Questions: the answer that the rules give to every bet that was asked for, and to every referral."""

from __future__ import annotations

from typing import Final

from tests.journal_check.asks import BET, WORD, Asks
from tests.journal_check.guards import Guards
from tests.journal_check.lines import liability, lines_of, thousandths, within
from tests.journal_check.report import Row
from tests.journal_check.rules import JOINT, Question, Rules, Verdict
from tests.journal_check.state import DAY_MS, Bet, Offer, Referral, State

BY_JOINT_PRICE: Final = (
    *JOINT, "return_above_maximum", "account_unknown", "account_not_open", "currency_mismatch", "id_reused",
)  # fmt: skip
"""Answers that a bet may have at once because of a joint price: the refusal by it, or one that is judged before."""


class Questions:
    """Judges every answer by what the journal has said before it."""

    def __init__(self, state: State, guards: Guards, asks: Asks) -> None:
        self._state = state
        self._guards = guards
        self._asks = asks
        self._rules = Rules(state, guards)

    # ------------------------------------------------ what is asked

    def on_ask(self, row: Row) -> None:
        """A fan asks for a bet. Where a leg is in play and nothing is against it now, it is judged when its delay is
        over; the same id meanwhile waits with it."""
        for leg in row["legs"]:
            self._judge_form(leg)
        due = self._asks.due(row, self._due(self._question(row, row["t_ms"]), row["t_ms"]))
        self._asks.ask(row, BET, due, BY_JOINT_PRICE)

    def _judge_form(self, leg: Row) -> None:
        """A combination is named by its fixture, and its parts are of that fixture."""
        if not leg.get("parts"):
            return
        name = f"{leg['fixture']}:combination"
        named = (leg["market"], leg["selection"], leg["generation"]) == (name, f"{name}/all", 0)
        own = all(part["selection"].startswith(f"{leg['fixture']}:") for part in leg["parts"])
        self._state.judge(named and own, "combination ids", lambda: f"{leg['selection']} on {leg['fixture']}")

    def _due(self, asked: Question, now: int) -> tuple[int, ...]:
        state, delay = self._state, self._state.limit("delay_ms") or 0
        fixtures = [state.fixtures[leg["fixture"]] for leg in asked.row["legs"] if leg["fixture"] in state.fixtures]
        if not delay or not any(fixture.in_play for fixture in fixtures):
            return (now,)
        verdict = self._rules.gate(asked)
        if verdict.answer is not None and not self._rules.is_referred(asked, verdict.answer):
            return (now,)
        return (now, now + delay) if verdict.doubt else (now + delay,)

    def on_trader(self, row: Row) -> None:
        """A trader answers a referral, or believes so."""
        ask = self._asks.ask(row, WORD, (row["t_ms"],))
        if (row["account"], row["id"]) not in self._state.referrals:
            ask.taken = ("nothing_waits", None)
            self._asks.waiting(row, of_a_trader=True).remove(ask)

    def _question(self, row: Row, t_ms: int, answer: Row | None = None) -> Question:
        """A bet as it is judged now; an offer's prices are a trader's. Of two that take it up in one batch both are
        judged at its prices: when the batch was sealed, neither had."""
        told = [thousandths(price) for price in (answer or {}).get("prices") or []]
        offer, given = self._state.offers.get(row.get("offer") or ""), None
        if offer is not None and offer.account == row["account"] and len(offer.prices) == len(row["legs"]):
            in_this_batch = offer.taken_ms == t_ms and told == offer.prices
            given = offer.prices if offer.taken_ms is None or in_this_batch else None
        return Question(row, t_ms, answer["answer"] if answer else None, told, given)

    # ------------------------------------------------ what is answered

    def on_bet(self, row: Row) -> None:
        """The ledger has taken a bet under a new id: accepted, refused, or waiting for a trader."""
        state, key, answer = self._state, (row["account"], row["id"]), row["answer"]
        ask, payload = self._asks.take(row, (answer, row.get("bet"))), tuple(row.get(name) for name in BET)
        if ask is not None:
            same = payload == ask.payload
            state.judge(same, "answered as asked", lambda: f"{row['id']}: another payload than was asked")
            if ask.waited:
                state.report.saw("answers", "after the delay in play")
        asked = self._question(row, row["t_ms"], row)
        self._judge_answer(row, asked, self._rules.answer(asked, known=key in self._asks.answers))
        self._asks.first.setdefault(key, payload)
        self._asks.answers.setdefault(key, (answer, row.get("bet")))
        if answer == "accepted":
            self._accept(row, asked)
        elif answer == "pending":
            until_ms = row["t_ms"] + (state.limit("referral_ms") or 0)
            state.judge(row["until_ms"] == until_ms, "time to answer", lambda: f"{row['until_ms']}, due {until_ms}")
            state.referrals[key] = Referral(row, row["until_ms"], self._rules.prices(asked))

    def on_referral(self, row: Row) -> None:
        """The ledger has taken a trader's answer to a bet that waited, or the end of its time."""
        state, key, answer = self._state, (row["account"], row["id"]), row["answer"]
        told, referral = (answer, row.get("bet")), state.referrals.pop(key, None)
        waits = bool(self._asks.waiting(row, of_a_trader=True)) or referral is None
        word = self._asks.take(row, told, of_a_trader=True) if waits else None
        if referral is None:
            first = self._asks.answers.get(key)
            state.judge(told == first, "retry", lambda: f"{row['id']}: {told}, first {first}")
            return
        if word is None:
            over = row["t_ms"] == referral.until_ms
            state.judge(over, "time to answer", lambda: f"{row['id']}: over, though due {referral.until_ms}")
        asked = self._question(referral.row, row["t_ms"], row)._replace(given=referral.prices)
        state.report.saw("referrals", answer)
        late = row["t_ms"] >= referral.until_ms
        verdict = self._rules.after_referral(asked, None if word is None else word.row, late=late)
        self._judge_answer(row, asked, verdict)
        self._asks.answers[key] = told
        if answer == "accepted":
            self._accept(row, asked)
        elif answer == "re_offered" and word is not None:
            self._offer(row["offer"], asked, referral, word.row)

    def _judge_answer(self, row: Row, asked: Question, verdict: Verdict) -> None:
        """Judges an answer, and the balance and the stake that are told with it."""
        state, answer, account = self._state, row["answer"], row["account"]
        state.report.saw("answers", answer)
        if verdict.answer is None:
            state.report.unchecked("answer to a bet", verdict.doubt)
        else:
            good = answer == verdict.answer
            state.judge(good, "answer to a bet", lambda: f"{row['id']}: {answer}, expected {verdict.answer}")
        if account in state.accounts:
            stake = asked.row["stake"] if answer == "accepted" and not asked.row.get("free_bet") else 0
            left = state.funds(account) - stake
            state.judge(row["balance"] == left, "balance told", lambda: f"{row['id']}: {row['balance']}, has {left}")
        if answer == verdict.answer:
            self._rules.stake_told(asked, row["stake_max"])
        current = self._rules.prices(asked)
        if asked.told and answer != "accepted":
            state.judge(list(asked.told) == current, "price told", lambda: f"{row['id']}: {asked.told}, now {current}")

    def _offer(self, told: Row, asked: Question, referral: Referral, word: Row) -> None:
        """What a trader offers: the same legs and type, at his stake and prices, for a while."""
        state, row = self._state, asked.row
        prices = [thousandths(price) for price in word["prices"] or ()] or referral.prices
        stake = row["stake"] if word["stake"] is None else word["stake"]
        until_ms = asked.t_ms + (state.limit("offer_ms") or 0)
        said = (told["stake"], [thousandths(price) for price in told["prices"]], told["until_ms"])
        state.judge(said == (stake, prices, until_ms), "offer", lambda: f"{row['id']}: {told}, said {stake}, {prices}")
        state.judge(told["offer"] not in state.offers, "offer", lambda: f"{told['offer']} again")
        state.offers[told["offer"]] = Offer(row["account"], asked.type, stake, row["legs"], prices, until_ms)

    # ------------------------------------------------ what is accepted

    def _accept(self, row: Row, asked: Question) -> None:
        state, bet, told = self._state, row["bet"], list(asked.told)
        prices, asked_row = self._rules.prices(asked), asked.row
        state.judge(told == prices, "accepted price", lambda: f"{bet}: {told}, current {prices} (thousandths)")
        if asked.given is None:
            policy, tolerance = asked_row["policy"], asked_row.get("tolerance")
            pairs = zip(asked_row["legs"], told, strict=False)
            good = all(within(policy, tolerance, thousandths(leg["price"]), price) for leg, price in pairs)
            state.judge(good, "price within the policy", lambda: f"{bet}: {told} under {policy}, {tolerance}")
        for name in {leg["fixture"] for leg in asked_row["legs"]}:
            left = state.fixture(name).unsuspended
            note = f"{bet} on {name}: {len(left)} markets, as {min(left)}," if left else ""
            text = f"{note} not suspended since a material incident"
            state.report.judge(not left, state.line, "suspended after an incident", text)
        for part in [part for leg in asked_row["legs"] for part in leg.get("parts") or [leg]]:
            self._accept_part(bet, part)
        self._book(row, asked, told if len(told) == len(prices) else prices)

    def _accept_part(self, bet: str, part: Row) -> None:
        state = self._state
        market = state.markets.get(part["market"])
        outdated = market is not None and market.id in market.fixture.outdated
        note = f"{bet} on {part['market']}: the generation of before a corner or a card"
        state.report.judge(not outdated, state.line, "new generation after what it counts", note)
        late = market is not None and market.decided(part["selection"])
        state.judge(not late, "no bet on what is decided", lambda: f"{bet} on {part['market']}")

    def _book(self, row: Row, asked: Question, prices: list[int]) -> None:
        """Remembers an accepted bet: what it holds, and what it takes."""
        state, name, account = self._state, row["bet"], row["account"]
        legs = tuple(leg._replace(price=price) for leg, price in zip(self._rules.legs(asked), prices, strict=True))
        stake, free_bet = asked.row["stake"], asked.row.get("free_bet") or ""
        held = liability(asked.type, stake, prices)
        bet = Bet(name, state.line, account, asked.row["currency"], stake, asked.type, legs, asked.t_ms, held, free_bet)
        state.judge(name is not None and name not in state.bets, "bet ids", lambda: f"{name} again or none")
        state.bets[name] = bet
        state.report.saw("bets by type", asked.type)
        state.report.saw("lines", f"{lines_of(asked.type, len(legs))}")
        self._guards.hold(bet, 1)
        if asked.row.get("offer") in state.offers:
            state.offers[asked.row["offer"]].taken_ms = asked.t_ms
        if free_bet:
            state.report.saw("free bets", "used")
            if free_bet in state.free_bets:
                state.free_bets[free_bet].state, state.free_bets[free_bet].bet = "used", name
        else:
            state.awaiting[account] += stake
            state.accounts[account].staked[asked.t_ms // DAY_MS] += stake

    # ------------------------------------------------ the end

    def finish(self) -> None:
        """Nobody waits for a trader beyond his time."""
        state = self._state
        for (account, name), referral in state.referrals.items():
            text = f"{name} of {account}: still waits, though due {referral.until_ms}"
            state.report.judge(referral.until_ms > state.now_ms, state.line, "time to answer", text)
