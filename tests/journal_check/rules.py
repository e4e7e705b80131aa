"""Rules: why a bet is refused, in the one order in which reasons are judged, and what else a refusal says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from tests.journal_check import combinations
from tests.journal_check.guards import Guards
from tests.journal_check.lines import liability, lines_of, made_at, most, thousandths, type_of, within
from tests.journal_check.report import Row
from tests.journal_check.state import DAY_MS, Leg, State, leg_of

ID_AGE_MS_MAX: Final = 2 * DAY_MS
FORGET_MS: Final = 600_000
"""So long after its result a gate need not know a fixture any more: its markets are closed, or not there."""
PARTS_MAX: Final = 10
REFUSALS: Final = (
    "id_reused", "id_expired", "account_unknown", "account_not_open", "currency_mismatch", "selection_repeated",
    "legs_related", "selection_unknown", "market_closed", "market_suspended", "generation_stale", "legs_contradictory",
    "combination_unpriced", "price_moved", "refused_by_trader", "referral_expired", "re_offered", "offer_unknown",
    "offer_expired", "stake_below_minimum", "stake_above_maximum", "return_above_maximum", "free_bet_unknown",
    "free_bet_expired", "stake_limit_reached", "loss_limit_reached", "exposure_reached", "insufficient_funds",
)  # fmt: skip
"""In the order of judgement: the first that applies is the answer, whichever leg it is of."""
RANK: Final = {name: rank for rank, name in enumerate(REFUSALS)}
JOINT: Final = ("combination_unpriced", "price_moved")
"""What hangs on the joint price of a combination, which only a model of football gives."""
BY_A_LIMIT: Final = (
    "stake_above_maximum", "return_above_maximum", "stake_limit_reached", "loss_limit_reached", "exposure_reached",
    "insufficient_funds",
)  # fmt: skip
ABOVE: Final = ("stake_above_maximum", "return_above_maximum")


class Question(NamedTuple):
    """A bet as it is judged at a moment."""

    row: Row
    """What the fan asked."""
    t_ms: int
    answer: str | None = None
    """What it was answered; None where it is only asked."""
    told: Sequence[int] = ()
    """The prices at which its legs would be taken, in thousandths, as the answer tells them."""
    given: Sequence[int] | None = None
    """The prices that a trader stands for."""

    @property
    def type(self) -> str:
        """Its bet type."""
        return type_of(self.row.get("type") or "", len(self.row["legs"]))


class Verdict(NamedTuple):
    """The answer that the rules give, or why it cannot be derived."""

    answer: str | None = None
    doubt: str = ""


class Rules:
    """The rules of the gate and of the ledger."""

    def __init__(self, state: State, guards: Guards) -> None:
        self._state = state
        self._guards = guards

    # ------------------------------------------------ the whole of it

    def answer(self, asked: Question, *, known: bool) -> Verdict:
        """The answer to a bet. ``known``: its id was answered before."""
        refusal = self._identity(asked, known)
        verdict = Verdict(refusal) if refusal else self.gate(asked)
        if verdict.doubt or (verdict.answer and not self.is_referred(asked, verdict.answer)):
            return verdict
        if verdict.answer and self._enough_wait(str(asked.row["account"])):
            return verdict
        found = self._of_the_ledger(asked)
        return Verdict("pending") if verdict.answer and found.answer == "accepted" else found

    def after_referral(self, asked: Question, word: Row | None, *, late: bool) -> Verdict:
        """What a referral comes to: a trader's refusal or offer counts as it is, what he accepts is judged again, at
        the prices at which it was referred and without the limits of a stake. Without a word of his in time it is
        over."""
        if self._state.accounts[asked.row["account"]].status != "open":
            return Verdict("account_not_open")
        if word is None or late:
            return Verdict("referral_expired")
        if word["stake"] is not None or word["prices"] is not None:
            return Verdict("re_offered")
        if not word["accept"]:
            return Verdict("refused_by_trader")
        verdict = self.gate(asked)
        return verdict if verdict.answer or verdict.doubt else self._of_the_ledger(asked)

    def is_referred(self, asked: Question, refusal: str) -> bool:
        """Whether a trader is asked in place of a refusal, if not enough wait for one."""
        row = asked.row
        allowed = row["stake"] <= (self._state.limit("referral_stake_max") or 0)
        return refusal in ABOVE and bool(row.get("refer")) and not row.get("free_bet") and allowed

    def _enough_wait(self, account: str) -> bool:
        """Whether as many of an account's bets wait for a trader as may."""
        most = self._state.limit("referrals_account_max")
        return most is not None and sum(owner == account for owner, _ in self._state.referrals) >= most

    def _identity(self, asked: Question, known: bool) -> str | None:
        row = asked.row
        if known:
            return "id_reused"
        made_ms = made_at(str(row["id"]))
        if made_ms is None or asked.t_ms - made_ms > ID_AGE_MS_MAX:
            return "id_expired"
        account = self._state.accounts.get(row["account"])
        if account is None:
            return "account_unknown"
        if account.status != "open":
            return "account_not_open"
        return None if account.currency == row["currency"] else "currency_mismatch"

    # ------------------------------------------------ the gate: legs, prices, stake

    def gate(self, asked: Question) -> Verdict:
        """What the gate has against a bet, by its books; no answer where it has nothing."""
        row, answer = asked.row, asked.answer
        refusals = _related(row["legs"])
        joint = False
        for leg in row["legs"]:
            found = self._leg_refusals(leg, asked)
            joint = joint or (not found and bool(leg.get("parts")))
            refusals += found
        if not refusals and not joint_unknown(asked) and (refusal := self._stake_refusal(asked)) is not None:
            refusals.append(refusal)
        first = min(refusals, key=RANK.__getitem__, default=None)
        rank = len(REFUSALS) if first is None else RANK[first]
        if joint and rank >= RANK["combination_unpriced"] and joint_unknown(asked):
            return Verdict(doubt="the joint price of a combination is not derived")
        if first == "market_closed" and answer == "selection_unknown" and self._forgotten(asked):
            return Verdict(answer)
        return Verdict(first)

    def _leg_refusals(self, leg: Row, asked: Question) -> list[str]:
        refusals, price = [], 0
        for part in leg.get("parts") or [leg]:
            refusal, price = self._part(leg["fixture"], part, asked.t_ms)
            refusals += [refusal] if refusal else []
        if not refusals and leg.get("parts"):
            markets = [(self._state.markets[part["market"]], part["selection"]) for part in leg["parts"]]
            refusals += [why] if (why := combinations.reason(markets)) else []
        if refusals or asked.given is not None or leg.get("parts"):
            return refusals
        row = asked.row
        good = within(row["policy"], row.get("tolerance"), thousandths(leg["price"]), price)
        return [] if good else ["price_moved"]

    def _part(self, fixture: str, part: Row, now_ms: int) -> tuple[str | None, int]:
        """(why a selection cannot be backed, its price)."""
        market = self._state.markets.get(part["market"])
        if market is None or market.fixture.id != fixture:
            return "selection_unknown", 0
        present, price = market.price(part["selection"])
        if not present:
            return "selection_unknown", 0
        if market.status == "closed":
            return "market_closed", 0
        if market.status != "open" or price is None:
            return "market_suspended", 0
        if self.silent(now_ms):
            return "market_suspended", 0
        return ("generation_stale" if part["generation"] != market.generation else None), price

    def silent(self, now_ms: int) -> bool:
        """Whether the owner of the books has been silent for so long that every market counts as suspended."""
        limit = self._state.limit("odds_silence_ms_max")
        return limit is not None and now_ms - self._state.alive_ms > limit

    def _forgotten(self, asked: Question) -> bool:
        names = {leg["fixture"] for leg in asked.row["legs"]} & self._state.fixtures.keys()
        over = [fixture for name in names if (fixture := self._state.fixtures[name]).status is not None]
        return any(asked.t_ms - fixture.status_ms >= FORGET_MS for fixture in over)

    def _stake_refusal(self, asked: Question) -> str | None:
        """A trader stands for the stake, too; none is judged of what claims to be his offer."""
        if asked.given is not None or asked.row.get("offer"):
            return None
        state, stake, cap = self._state, asked.row["stake"], self._stake_cap(asked)
        if stake < self._least(asked):
            return "stake_below_minimum"
        if cap is not None and stake > cap:
            return "stake_above_maximum"
        back = state.limit("return_max")
        may_return = most(asked.type, stake, self.prices(asked))
        return "return_above_maximum" if back is not None and may_return > back else None

    def _least(self, asked: Question) -> int:
        """The house's minimum, and a minor unit a line."""
        return max(1, self._state.limit("stake_min") or 0, lines_of(asked.type, len(asked.row["legs"])))

    def _stake_cap(self, asked: Question) -> int | None:
        """The house's maximum, or a trader's lower one for a market."""
        parts = [part for leg in asked.row["legs"] for part in leg.get("parts") or [leg]]
        markets = [self._state.markets[part["market"]] for part in parts if part["market"] in self._state.markets]
        found = [market.stake_max for market in markets if market.stake_max is not None]
        return min([*found, *([] if (cap := self._state.limit("stake_max")) is None else [cap])], default=None)

    def prices(self, asked: Question) -> list[int]:
        """The prices at which it would be taken now: a trader's, or the current ones; of a combination the one told."""
        if asked.given is not None:
            return list(asked.given)
        return [
            (asked.told[index] if index < len(asked.told) else 0) if leg.get("parts") else self._current(leg)
            for index, leg in enumerate(asked.row["legs"])
        ]

    def legs(self, asked: Question) -> list[Leg]:
        """The legs at those prices."""
        return [leg_of(leg, price) for leg, price in zip(asked.row["legs"], self.prices(asked), strict=True)]

    def _current(self, leg: Row) -> int:
        market = self._state.markets.get(leg["market"])
        return (market.price(leg["selection"])[1] or 0) if market is not None else 0

    # ------------------------------------------------ the ledger: offers, free bets, limits, exposures, the balance

    def _of_the_ledger(self, asked: Question) -> Verdict:
        refusal = self._offer_refusal(asked) or self._free_bet_refusal(asked) or self._own_limits(asked)
        if refusal:
            return Verdict(refusal)
        state, row, legs = self._state, asked.row, self.legs(asked)
        over = self._guards.passed(row["account"], legs, liability(asked.type, row["stake"], self.prices(asked)))
        if over:
            for what in over if asked.answer == "exposure_reached" else ():
                state.report.saw("exposures reached", what)
            return Verdict("exposure_reached")
        return Verdict(self._unpaid(asked) or "accepted")

    def _offer_refusal(self, asked: Question) -> str | None:
        """An offer is taken up once, in time, by whom it was made, as it was made: type, stake and legs, for money."""
        row = asked.row
        if not row.get("offer"):
            return None
        offer = self._state.offers.get(row["offer"])
        if offer is None or offer.account != row["account"] or offer.taken_ms is not None or asked.given is None:
            return "offer_unknown"
        same = [{**leg, "price": ""} for leg in row["legs"]] == [{**leg, "price": ""} for leg in offer.legs]
        if not same or (offer.stake, offer.type) != (row["stake"], asked.type) or row.get("free_bet"):
            return "offer_unknown"
        return "offer_expired" if asked.t_ms >= offer.until_ms else None

    def _free_bet_refusal(self, asked: Question) -> str | None:
        """A free bet is used once, in time, by whom it was given to, whole."""
        row = asked.row
        if not row.get("free_bet"):
            return None
        free = self._state.free_bets.get(row["free_bet"])
        if free is None or free.account != row["account"] or free.state == "used":
            return "free_bet_unknown"
        if free.state == "expired" or asked.t_ms >= free.until_ms:
            return "free_bet_expired"
        return "free_bet_unknown" if free.amount != row["stake"] else None

    def _own_limits(self, asked: Question) -> str | None:
        row, free = asked.row, bool(asked.row.get("free_bet"))
        return self._guards.own_refusal(row["account"], row["stake"], asked.t_ms, free=free)

    def _unpaid(self, asked: Question) -> str | None:
        row = asked.row
        short = not row.get("free_bet") and self._state.funds(row["account"]) < row["stake"]
        return "insufficient_funds" if short else None

    # ------------------------------------------------ what is told beside

    def stake_told(self, asked: Question, told: int | None) -> None:
        """With a refusal by a limit the largest stake is told that would be taken now: whole minor units on each line,
        0 where none; not of what is taken whole or not at all."""
        state, row = self._state, asked.row
        if asked.answer not in BY_A_LIMIT or row.get("free_bet") or row.get("offer"):
            state.judge(told is None, "stake that would be taken", lambda: f"{row['id']}: {told} with {asked.answer}")
            return
        prices, cap, back = self.prices(asked), self._stake_cap(asked), state.limit("return_max")
        upper = 10**15 if cap is None else cap
        if back is not None and most(asked.type, upper, prices) > back:
            upper = largest(asked.type, prices, back)
        expected = self._guards.stake_max(row["account"], asked.t_ms, asked.type, self.legs(asked), upper)
        expected -= expected % lines_of(asked.type, len(prices))
        expected = expected if expected >= self._least(asked) else 0
        state.judge(told == expected, "stake that would be taken", lambda: f"{row['id']}: {told}, expected {expected}")


def joint_unknown(asked: Question) -> bool:
    """Whether an answer hangs on a joint price that the journal does not tell."""
    combination = any(leg.get("parts") for leg in asked.row["legs"])
    return combination and asked.given is None and (asked.answer in JOINT or not asked.told)


def _related(legs: Sequence[Row]) -> list[str]:
    """Legs of one bet are on different fixtures: what is related is priced together, as a combination."""
    found = []
    selections = [part["selection"] for leg in legs for part in leg.get("parts") or [leg]]
    if len(set(selections)) < len(selections):
        found.append("selection_repeated")
    if len({leg["fixture"] for leg in legs}) < len(legs):
        found.append("legs_related")
    if any(leg.get("parts") and not 2 <= len(leg["parts"]) <= PARTS_MAX for leg in legs):
        found.append("combination_unpriced")
    return found


def largest(bet_type: str, prices: Sequence[int], back: int) -> int:
    """The largest stake that may return no more than so much."""
    low, high = 0, back
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if most(bet_type, middle, prices) <= back else (low, middle - 1)
    return low
