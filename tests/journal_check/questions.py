"""Questions: what was asked of the bets room and of traders, when each had to be judged, what came of it, and whether
who asked was told just that."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass
from typing import Final

from tests.journal_check.guards import Guards
from tests.journal_check.lines import liability, lines_of, thousandths, within
from tests.journal_check.report import Row
from tests.journal_check.rules import Question, Rules, Verdict
from tests.journal_check.state import DAY_MS, Bet, Offer, Referral, State

PAYLOAD: Final = ("currency", "stake", "policy", "legs", "type", "tolerance", "free_bet", "refer", "offer")
MOMENTS: Final = ("busy", "unavailable")
Key = tuple[str, str]
Taken = tuple[str, str | None]
"""(answer, bet)."""


@dataclass(slots=True)
class Ask:
    """A question, and what came of it."""

    number: int
    line: int
    row: Row
    due_ms: tuple[int, ...]
    """When it has to be judged; more than one where the journal does not say which."""
    taken: Taken | None = None
    """Once the ledger has taken it."""


class Questions:
    """Judges every answer by what the journal has said before it."""

    def __init__(self, state: State, guards: Guards) -> None:
        self._state = state
        self._guards = guards
        self._rules = Rules(state, guards)
        self._asks: dict[int, Ask] = {}
        """Those that nobody was told about yet."""
        self._numbers: set[int] = set()
        self._bets: defaultdict[Key, deque[Ask]] = defaultdict(deque)
        """Bets asked for that the ledger has not taken yet."""
        self._words: defaultdict[Key, deque[Ask]] = defaultdict(deque)
        """Words of traders, likewise."""
        self._first: dict[Key, Row] = {}
        """What was asked first under an id."""
        self._answers: dict[Key, Taken] = {}

    # ------------------------------------------------ what is asked, and told

    def on_ask(self, row: Row) -> None:
        """A fan asks for a bet. Where a leg is in play and nothing is against it now, it is judged when its delay is
        over; the same id meanwhile waits with it."""
        key, now = (row["account"], row["id"]), row["t_ms"]
        for leg in row["legs"]:
            self._judge_form(leg)
        waiting = self._bets[key]
        answered = self._answers.get(key, ("id_expired", None))[0] != "id_expired"  # which alone is not remembered
        due = (now,) if answered else self._due(self._question(row, now), now)
        self._remember(Ask(row["ask"], self._state.line, row, waiting[-1].due_ms if waiting else due), waiting)

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
        key = (row["account"], row["id"])
        ask = Ask(row["ask"], self._state.line, row, (row["t_ms"],))
        if key in self._state.referrals:
            self._remember(ask, self._words[key])
        else:
            ask.taken = ("nothing_waits", None)
            self._remember(ask, deque())

    def _remember(self, ask: Ask, queue: deque[Ask]) -> None:
        self._state.judge(ask.number not in self._numbers, "asked once", lambda: f"ask {ask.number} again")
        self._numbers.add(ask.number)
        self._asks[ask.number] = ask
        queue.append(ask)

    def on_told(self, row: Row) -> None:
        """Who asked is told what the ledger has taken; or that it took nothing, as of the moment."""
        state, ask, told = self._state, self._asks.pop(row["ask"], None), (row["answer"], row.get("bet"))
        if ask is not None and told[0] in MOMENTS and ask.taken is None:
            key = (ask.row["account"], ask.row["id"])
            for queue in (self._bets[key], self._words[key]):
                if ask in queue:
                    queue.remove(ask)
            state.report.unchecked("told what was recorded", f"{told[0]}: of the moment")
            return
        taken = ask.taken if ask is not None else None
        state.judge(told == taken, "told what was recorded", lambda: f"ask {row['ask']}: {told}, recorded {taken}")

    def _take(self, row: Row, queue: deque[Ask]) -> Ask | None:
        """The question that a line of the ledger's answers."""
        state = self._state
        ask = queue.popleft() if queue else None
        state.judge(ask is not None, "answered as asked", lambda: f"{row['id']}: nobody asked")
        if ask is not None:
            ask.taken = (row["answer"], row.get("bet"))
            good = row["t_ms"] in ask.due_ms
            state.judge(good, "answered when due", lambda: f"{row['id']}: at {row['t_ms']}, due at {ask.due_ms}")
            if len(ask.due_ms) > 1:
                state.report.unchecked("answered when due", "the joint price of a combination is not derived")
        return ask

    def _question(self, row: Row, t_ms: int, answer: Row | None = None) -> Question:
        """A bet as it is judged now; an offer's prices are a trader's."""
        offer = self._state.offers.get(row.get("offer") or "")
        known = offer is not None and offer.account == row["account"] and not offer.taken
        given = offer.prices if offer is not None and known and len(offer.prices) == len(row["legs"]) else None
        told = [thousandths(price) for price in (answer or {}).get("prices") or []]
        return Question(row, t_ms, answer["answer"] if answer else None, told, given)

    # ------------------------------------------------ what is answered

    def on_bet(self, row: Row) -> None:
        """The ledger has taken a bet under a new id: accepted, refused, or waiting for a trader."""
        state, key, answer = self._state, (row["account"], row["id"]), row["answer"]
        ask = self._take(row, self._bets[key])
        if ask is not None:
            same = all(row.get(name) == ask.row.get(name) for name in PAYLOAD)
            state.judge(same, "answered as asked", lambda: f"{row['id']}: another payload than was asked")
            if ask.due_ms[0] > ask.row["t_ms"]:
                state.report.saw("answers", "after the delay in play")
        self._first.setdefault(key, row)
        asked = self._question(row, row["t_ms"], row)
        self._judge_answer(row, asked, self._rules.answer(asked, known=key in self._answers))
        self._answers.setdefault(key, (answer, row.get("bet")))
        if answer == "accepted":
            self._accept(row, asked)
        elif answer == "pending":
            until_ms = row["t_ms"] + (state.limit("referral_ms") or 0)
            state.judge(row["until_ms"] == until_ms, "time to answer", lambda: f"{row['until_ms']}, due {until_ms}")
            state.referrals[key] = Referral(row, row["until_ms"], self._rules.prices(asked))

    def on_referral(self, row: Row) -> None:
        """The ledger has taken a trader's answer to a bet that waited, or the end of its time."""
        state, key, answer = self._state, (row["account"], row["id"]), row["answer"]
        words, referral = self._words[key], state.referrals.pop(key, None)
        word = self._take(row, words) if words or referral is None else None
        if referral is None:
            told, first = (answer, row.get("bet")), self._answers.get(key)
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
        self._answers[key] = (answer, row.get("bet"))
        if answer == "accepted":
            self._accept(row, asked)
        elif answer == "re_offered" and word is not None:
            self._offer(row["offer"], asked, referral, word.row)

    def on_retry(self, row: Row) -> None:
        """The same id again: the same answer, or ``id_reused`` for another payload."""
        state, key = self._state, (row["account"], row["id"])
        first, told = self._answers.get(key), (row["answer"], row.get("bet"))
        ask = self._take(row, self._bets[key])
        if told[0] == "id_expired":
            state.report.unchecked("retry", "id_expired: how long a refusal is kept is not in the journal")
        elif ask is None or all(ask.row.get(name) == self._first.get(key, {}).get(name) for name in PAYLOAD):
            state.judge(told == first, "retry", lambda: f"{row['id']}: {told}, first {first}")
        else:
            state.report.saw("answers", told[0])
            good = told == ("id_reused", None) and first is not None
            state.judge(good, "retry", lambda: f"{row['id']}: {told[0]} for another payload, first {first}")

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
            state.offers[asked.row["offer"]].taken = True
        if free_bet:
            state.report.saw("free bets", "used")
            if free_bet in state.free_bets:
                state.free_bets[free_bet].state, state.free_bets[free_bet].bet = "used", name
        else:
            state.awaiting[account] += stake
            state.accounts[account].staked[asked.t_ms // DAY_MS] += stake

    # ------------------------------------------------ the end

    def finish(self) -> None:
        """Nobody is left without an answer, unless the journal ends before it is due."""
        state = self._state
        for ask in self._asks.values():
            if max(ask.due_ms) < state.now_ms:
                state.report.judge(False, ask.line, "told what was recorded", f"ask {ask.number}: never answered")
            else:
                state.report.unchecked("told what was recorded", "the journal ends before the answer")
        for (account, name), referral in state.referrals.items():
            text = f"{name} of {account}: still waits, though due {referral.until_ms}"
            state.report.judge(referral.until_ms > state.now_ms, state.line, "time to answer", text)
