"""Staff: the house's own people in a replay: a trader who decides on referrals, and who gives free bets."""

from typing import Final

import msgspec

from matchday.model.acceptance import TraderAnswer
from matchday.model.ledger import GrantFreeBet
from matchday.model.lines import count, default_type
from matchday.model.messages import BetReferred
from matchday.model.price import PRICE_MIN
from matchday.ports import Clock, Ledger
from matchday.sim.journalled import BetsDesk

_WORDS: Final = {"accept": 40, "offer": 32, "refuse": 16, "late": 6, "nothing": 6}
"""What a trader does with a referral, and how often."""
_GIFTS: Final = (200, 500, 500, 1_000, 2_000)
_GIFT_MS: Final = (2 * 3_600_000, 12 * 3_600_000, 72 * 3_600_000)
"""Milliseconds that a free bet lasts."""
_GENEROUS: Final = 0.03
"""Share of fans who get a free bet whenever a match is announced."""


class Trader:
    """Hears of referrals on the accounts' channel, as a trader's screen does, and decides on most of them in time."""

    def __init__(self, clock: Clock, bets: BetsDesk, ledger: Ledger) -> None:
        self._clock = clock
        self._bets = bets
        self._ledger = ledger
        self._chance = clock.random("trader")
        self.waiting = 0
        """Words without an answer yet."""

    def referred(self, fact: BetReferred) -> None:
        """Somebody waits for a decision."""
        word = self._chance.choices(tuple(_WORDS), tuple(_WORDS.values()))[0]
        if word == "nothing":
            return
        left = fact.until_ms - self._clock.now_ms()
        after = left + self._chance.randrange(1_000, 30_000) if word == "late" else self._chance.randrange(3_000, left)
        self._clock.call_later(after, lambda: self._answer(fact, word))

    def _answer(self, fact: BetReferred, word: str) -> None:
        answer = TraderAnswer(accept=word in ("accept", "late"), reason="too much for us" if word == "refuse" else "")
        if word == "offer":
            answer = self._offer(fact)
        self.waiting += 1

        def done(_: object) -> None:
            self.waiting -= 1

        self._bets.answer_referral(fact.account, fact.id, answer, done)

    def _offer(self, fact: BetReferred) -> TraderAnswer:
        """A smaller stake, shorter prices, or both."""
        referral = self._ledger.referral(fact.account, fact.id)
        if referral is None:
            return TraderAnswer(accept=True)
        command, kind = referral.command, self._chance.choice(("stake", "prices", "both"))
        lines = count(command.type or default_type(len(command.legs)), len(command.legs))
        share = self._chance.randrange(30, 80)
        answer = TraderAnswer()
        if kind != "prices":
            answer = msgspec.structs.replace(answer, stake=max(1, command.stake * share // 100 // lines) * lines)
        if kind != "stake":
            prices = tuple(max(PRICE_MIN, leg.price * 92 // 100) for leg in command.legs)
            answer = msgspec.structs.replace(answer, prices=prices)
        return answer


class Promotions:
    """Gives free bets now and then."""

    def __init__(self, clock: Clock, ledger: Ledger, currency: str) -> None:
        self._clock = clock
        self._ledger = ledger
        self._currency = currency
        self._chance = clock.random("promotions")

    def announced(self, accounts: list[str]) -> None:
        """A match was announced: an occasion for some gifts."""
        now = self._clock.now_ms()
        for account in accounts:
            if self._chance.random() < _GENEROUS:
                name, until_ms = self._clock.new_id(), now + self._chance.choice(_GIFT_MS)
                grant = GrantFreeBet(
                    f"free_bet:{name}", account, name, self._chance.choice(_GIFTS), self._currency, until_ms, now
                )
                self._ledger.commit([grant], lambda _: None)
