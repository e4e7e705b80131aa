"""Cashing: what fans do with their open bets: ask what one would be cashed out for, take that up, or wait for more."""

from collections import Counter
from collections.abc import Callable
from enum import StrEnum
from typing import Final

import msgspec

from matchday.model.bet import Bet
from matchday.model.book import Books
from matchday.model.cash_out import Quote
from matchday.model.ledger import Answer, CashOut, Moment, SetCashOut
from matchday.ports import Clock
from matchday.sim.fans.fan import Fan
from matchday.sim.journalled import CashDesk

_INTERESTED: Final = 0.2
"""Share of bets of which a fan asks, or for which he sets a threshold."""
_MATCH_MS: Final = 105 * 60_000
"""Milliseconds from kick-off in which a fan may ask."""
_DAY_MS: Final = 86_400_000
_ANYHOW: Final = 0.3
"""Share of fans who ask to be paid although nothing was offered."""
_TARGETS: Final = (30, 90, 110, 130, 200)
"""Hundredths of the stake from which on fans want a bet cashed out by itself."""


class Deed(StrEnum):
    """What a fan does with one bet."""

    WHOLE = "whole"
    PART = "part"
    THRESHOLD = "threshold"  # has it cashed out by itself
    RETRY = "retry"  # the answer was lost: the same again
    REUSE = "reuse"  # the same id for another amount
    LATE = "late"  # thinks until the quote is over
    MORE = "more"  # asks for more than he was quoted
    FORGED = "forged"
    BY_A_FRIEND = "by_a_friend"  # whose bet it is not
    AFTERWARDS = "afterwards"  # when it is long settled


_DEEDS: Final = {
    Deed.WHOLE: 34, Deed.PART: 20, Deed.THRESHOLD: 18, Deed.RETRY: 7, Deed.REUSE: 3, Deed.LATE: 6, Deed.MORE: 3,
    Deed.FORGED: 3, Deed.BY_A_FRIEND: 3, Deed.AFTERWARDS: 3,
}  # fmt: skip


class Cashing:
    """The cash-outs of all fans."""

    def __init__(
        self,
        clock: Clock,
        desk: CashDesk,
        books: Books,
        friend: Callable[[Fan], Fan],
        heard: Callable[[CashOut, Answer | Moment, bool, bool], None],
    ) -> None:
        self._clock = clock
        self._desk = desk
        self._books = books
        self._friend = friend
        self._heard = heard
        """Of each question: the answer, whether it was the first under its id, and with the same payload."""
        self.waiting = 0
        self.did: Counter[str] = Counter()

    def accepted(self, fan: Fan, bet: Bet) -> None:
        """A bet of the fan's was accepted: he may come back to it."""
        if fan.chance.random() > _INTERESTED:
            return
        deed, now = fan.draws(_DEEDS), self._clock.now_ms()
        books = [self._books.fixtures[leg.fixture] for leg in bet.legs if leg.fixture in self._books.fixtures]
        last = max((book.board.kickoff_ms + _MATCH_MS for book in books), default=now)
        after = fan.chance.randrange(1_000, max(2_000, last - now))
        if deed == Deed.AFTERWARDS:
            after = last - now + fan.chance.randrange(_DAY_MS)
        elif deed == Deed.THRESHOLD:  # while the last match is played: a threshold is looked at all the time
            after = max(1_000, last - now - fan.chance.randrange(_MATCH_MS))
        self._clock.call_later(after, lambda: self._come_back(fan, bet, deed))

    def _come_back(self, fan: Fan, bet: Bet, deed: Deed) -> None:
        if deed == Deed.THRESHOLD:
            self._set_threshold(fan, bet)
            return
        stake = max(1, bet.stake * fan.chance.randrange(10, 90) // 100) if deed == Deed.PART else None
        quote = self._desk.quote(fan.account, bet.bet, stake)
        if isinstance(quote, Quote):
            self.did["cash-outs quoted"] += 1
            asked = CashOut(
                self._clock.new_id(), fan.account, bet.bet, quote.stake, quote.amount, quote=self._desk.sign(quote)
            )
        elif deed != Deed.AFTERWARDS and fan.chance.random() > _ANYHOW:
            return
        else:
            asked = CashOut(self._clock.new_id(), fan.account, bet.bet, bet.stake, bet.stake, quote="none")
        after = fan.chance.randrange(11_000, 20_000) if deed == Deed.LATE else fan.chance.randrange(300, 7_000)
        self._clock.call_later(after, lambda: self._take_up(fan, asked, deed))

    def _take_up(self, fan: Fan, asked: CashOut, deed: Deed) -> None:
        replace = msgspec.structs.replace
        if deed == Deed.MORE:
            asked = replace(asked, asked=asked.asked + 1)
        elif deed == Deed.FORGED:
            asked = replace(asked, quote=asked.quote[:-1])
        elif deed == Deed.BY_A_FRIEND:
            asked = replace(asked, account=self._friend(fan).account)
        self._ask(asked)
        if deed == Deed.RETRY:
            after = fan.chance.choice((0, 1_000, 5_000, 3_600_000))
            self._clock.call_later(after, lambda: self._ask(asked, first=False))
        elif deed == Deed.REUSE:
            other = replace(asked, asked=asked.asked + 1)
            self._clock.call_later(5_000, lambda: self._ask(other, first=False, same_payload=False))

    def _set_threshold(self, fan: Fan, bet: Bet) -> None:
        amount = bet.stake * fan.chance.choice(_TARGETS) // 100
        self.did["thresholds set"] += 1
        for after, wanted in ((0, amount), (_MATCH_MS, None)):
            command = SetCashOut(self._clock.new_id(), fan.account, bet.bet, wanted, 0)
            self._clock.call_later(after, lambda command=command: self._desk.set_cash_out(command, lambda _: None))  # type: ignore[misc]

    def _ask(self, command: CashOut, *, first: bool = True, same_payload: bool = True) -> None:
        self.waiting += 1

        def done(answer: Answer | Moment) -> None:
            self.waiting -= 1
            self._heard(command, answer, first, same_payload)

        self._desk.cash_out(command, done)
