"""Cash-out: a bet, or a part of it, is paid out before its legs are decided, for what the book says that it is worth.

Owns the cash-outs on their way: those that wait their delay, and the queue before the ledger. Hears requests from the
doors, facts of the accounts and changes of the gate's books; says ``CashOut`` and ``SetCashOut`` to the ledger, and
answers once that has committed. Never moves money itself, never answers before it is durable, and never values a bet
while a leg of it is suspended.

A quote is signed and kept nowhere: what it offers, until when, how the legs stood and in which generations their
markets were. It is taken up under an id of the fan's; whether it is in time is judged as it arrives. With a match in
play it then waits ``delay_ms``, as a bet does, and is judged again, whole: it is paid as quoted where the legs stand as
they did, nothing material has happened to their markets, and at least as much is offered now. What is decided between
that judgement and the commit, the ledger sees: it refuses what was valued at another standing.

A bet's own threshold is watched by every gate (``watch``). What it then pays is what is offered when its batch is
sealed, after the same delay; the id derives from the bet and what it was valued by, so that several gates, or one that
starts again, do it once.
"""

import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import msgspec
from itsdangerous import BadData, URLSafeSerializer

from matchday.config import Bets as BetSettings
from matchday.faults import Faults
from matchday.model.bet import Bet, BetStatus, Leg
from matchday.model.book import Books
from matchday.model.cash_out import Quote, automatic_id
from matchday.model.ledger import Answer, CashOut, Moment, Refusal, SetCashOut
from matchday.model.messages import AccountFact, BookChanged
from matchday.model.money import amount_text
from matchday.ports import Clock, Ledger, LedgerUnavailable
from matchday.services.cash_out.value import Price, Valued, Valuer, Worth
from matchday.services.cash_out.watch import Watch

Done = Callable[[Answer | Moment], None]
Waits = Callable[[int], None]
"""Told until when a cash-out waits, in milliseconds since 1970."""

_log = logging.getLogger(__name__)

_SALT: Final = "matchday.quote.1"


class NoQuote(NamedTuple):
    """Why nothing is offered."""

    refusal: Refusal
    detail: str


class _Waiting(msgspec.Struct):
    until_ms: int
    asked: list[tuple[CashOut, Quote | None, Done]]


class _Queued(NamedTuple):
    """A cash-out before the ledger: judged when its batch is sealed, None where it is not to be tried any more."""

    judge: Callable[[], CashOut | None]
    done: Callable[[Answer | Moment | None], None]


class CashOuts:
    """The cash-outs of one gate."""

    def __init__(
        self,
        clock: Clock,
        ledger: Ledger,
        books: Books,
        settings: BetSettings,
        *,
        price: Price,
        in_play: Callable[[Sequence[Leg]], bool],
        worth: Worth,
        secret: bytes,
    ) -> None:
        self._clock, self._ledger, self._settings, self._in_play = clock, ledger, settings, in_play
        faults = Faults(clock, _log, "bets on %s cannot be valued")
        self._valuer = Valuer(ledger, books, settings.cash_out_margin, price, worth, faults)
        self._watch = Watch(clock, ledger, self._valuer, settings.cash_outs_watched_max, self._fire)
        self._signer = URLSafeSerializer(secret, salt=_SALT)
        self._queue: deque[_Queued] = deque()
        self._waiting: dict[tuple[str, str], _Waiting] = {}
        self._held = 0
        """Automatic ones that wait their delay, and those that were asked for again."""
        self._in_flight = False

    # --- quotes -------------------------------------------------------------------------------------------------------

    def quote(self, account: str, bet: str, stake: int | None = None) -> Quote | NoQuote:
        """What a bet would be cashed out for now: all that remains of it, or so many minor units of its stake. Nothing
        is recorded or reserved. LedgerUnavailable."""
        held = self._ledger.bet(bet)
        if held is None or held.account != account:
            return NoQuote(Refusal.BET_UNKNOWN, "it is no bet of this account")
        if held.status != BetStatus.OPEN:
            return NoQuote(Refusal.BET_NOT_OPEN, f"the bet is {held.status}")
        stake = held.remaining if stake is None else stake
        valued = self._valuer.value(held, stake)
        if isinstance(valued, str):
            return NoQuote(Refusal.CASH_OUT_UNAVAILABLE, valued)
        until_ms = self._clock.now_ms() + self._settings.quote_ms
        return Quote(account, bet, stake, valued.amount, until_ms, valued.standing, valued.markets)

    def sign(self, quote: Quote) -> str:
        """A quote as its fan gets it."""
        return str(self._signer.dumps(msgspec.to_builtins(quote)))

    def read(self, quote: str) -> Quote | None:
        """A quote as it was signed; None for one that is forged or damaged."""
        if not quote.isascii():  # none that was signed here; a lone surrogate would be an error, not a refusal
            return None
        try:
            return msgspec.convert(self._signer.loads(quote), Quote)
        except (BadData, msgspec.ValidationError):
            return None

    # --- taking one up ------------------------------------------------------------------------------------------------

    def cash_out(self, command: CashOut, done: Done, waits: Waits = lambda _: None) -> None:
        """Take up the quote that the command carries; ``done`` is called once, with the ledger's answer or with one
        about the moment. ``waits`` is called before that where it waits."""
        quote = self.read(command.quote)
        if (waiting := self._waiting.get((command.account, command.id))) is not None and not self._full:
            self._held += 1
            waiting.asked.append((msgspec.structs.replace(command, waited=True), quote, done))
            self._clock.call_later(0, lambda: waits(waiting.until_ms))
            return
        if self._full:
            self._clock.call_later(0, lambda: done(Moment.BUSY))
            return
        try:
            judged = self._arrived(command, quote)
            has_to_wait = judged.refusal is None and self._has_to_wait(command)
        except LedgerUnavailable:
            self._clock.call_later(0, lambda: done(Moment.UNAVAILABLE))
            return
        if judged.refusal is not None:
            self._enqueue(_Queued(lambda: self._now(judged), _answered(done)))
        elif has_to_wait:
            self._wait(command, quote, done, waits)
        else:
            self._ask(command, quote, done)

    def _has_to_wait(self, command: CashOut) -> bool:
        """Whether its bet is open with a match in play, and it has no answer yet."""
        bet = self._ledger.bet(command.bet)
        if bet is None or bet.status != BetStatus.OPEN or not self._in_play(bet.legs):
            return False
        return self._ledger.answer(command.account, command.id) is None

    def waiting_until(self, account: str, id_: str) -> int | None:
        """Until when a cash-out waits its delay at this gate, by its caller's id; None where it does not."""
        waiting = self._waiting.get((account, id_))
        return None if waiting is None else waiting.until_ms

    def set_cash_out(self, command: SetCashOut, done: Done) -> None:
        """Have a bet cashed out as soon as so much is offered, or not any more."""

        def answered(outcome: Sequence[Answer] | LedgerUnavailable) -> None:
            done(Moment.UNAVAILABLE if isinstance(outcome, LedgerUnavailable) else outcome[0])

        self._ledger.commit([msgspec.structs.replace(command, at_ms=self._clock.now_ms())], answered)

    @property
    def _full(self) -> bool:
        waiting = len(self._waiting) + self._held
        return len(self._queue) >= self._settings.queue_max or waiting >= self._settings.waiting_max

    def _arrived(self, command: CashOut, quote: Quote | None) -> CashOut:
        """The command as it is judged when it comes: as later, and whether its quote is in time."""
        judged = self._judged(command, quote)
        if quote is None or judged.refusal not in (None, Refusal.QUOTE_MOVED) or self._clock.now_ms() < quote.until_ms:
            return judged
        return self._now(command, refusal=Refusal.QUOTE_EXPIRED, detail="the quote's time is over")

    def _wait(self, command: CashOut, quote: Quote | None, done: Done, waits: Waits) -> None:
        key, delay_ms = (command.account, command.id), self._settings.delay_ms
        first = (msgspec.structs.replace(command, waited=True), quote, done)
        waiting = self._waiting[key] = _Waiting(self._clock.now_ms() + delay_ms, [first])

        def over() -> None:
            del self._waiting[key]
            self._held -= len(waiting.asked) - 1
            for asked in waiting.asked:
                self._ask(*asked)

        self._clock.call_later(delay_ms, over)
        self._clock.call_later(0, lambda: waits(waiting.until_ms))

    def _ask(self, command: CashOut, quote: Quote | None, done: Done) -> None:
        self._enqueue(_Queued(lambda: self._judged(command, quote), _answered(done)))

    # --- judging and committing ---------------------------------------------------------------------------------------

    def _judged(self, command: CashOut, quote: Quote | None) -> CashOut:
        """The command with this room's judgement: what is offered now, or a refusal. Of a bet that is not the fan's or
        not open the ledger says so itself."""
        bet = self._ledger.bet(command.bet)
        if bet is None or bet.account != command.account or bet.status != BetStatus.OPEN:
            return self._now(command)
        valued = self._valuer.value(bet, command.stake)
        if isinstance(valued, str):
            return self._now(command, refusal=Refusal.CASH_OUT_UNAVAILABLE, detail=valued)
        asked = (command.account, command.bet, command.stake, command.asked)
        if quote is None or (quote.account, quote.bet, quote.stake, quote.amount) != asked:
            return self._now(command, refusal=Refusal.QUOTE_UNKNOWN, detail="it is no quote for this")
        if (valued.standing, valued.markets) != (quote.standing, quote.markets):
            detail = f"its legs do not stand as they did; {amount_text(valued.amount, bet.currency)} is offered now"
            return self._now(command, refusal=Refusal.QUOTE_MOVED, detail=detail)
        if valued.amount < command.asked:
            detail = f"{amount_text(valued.amount, bet.currency)} is offered now"
            return self._now(command, refusal=Refusal.QUOTE_MOVED, detail=detail)
        return self._now(command, offered=valued.amount, standing=valued.standing)

    def _now(self, command: CashOut, **changes: object) -> CashOut:
        return msgspec.structs.replace(command, at_ms=self._clock.now_ms(), **changes)

    def _enqueue(self, queued: _Queued) -> None:
        self._queue.append(queued)
        if not self._in_flight:
            self._in_flight = True
            self._clock.call_later(0, self._seal)

    def _seal(self) -> None:
        """Judge what has arrived and hand it to the ledger, as one batch."""
        batch = [self._queue.popleft() for _ in range(min(len(self._queue), self._settings.batch_max))]
        if not batch:
            self._in_flight = False
            return
        try:
            judged = [queued.judge() for queued in batch]
        except LedgerUnavailable:
            self._close(batch, [Moment.UNAVAILABLE] * len(batch))
            return
        commands = [command for command in judged if command is not None]
        if not commands:
            self._close(batch, [None] * len(batch))
            return

        def done(outcome: Sequence[Answer] | LedgerUnavailable) -> None:
            if isinstance(outcome, LedgerUnavailable):
                self._close(batch, [Moment.UNAVAILABLE] * len(batch))
            else:
                answers = iter(outcome)
                self._close(batch, [None if command is None else next(answers) for command in judged])

        self._ledger.commit(commands, done)

    def _close(self, batch: Sequence[_Queued], answers: Sequence[Answer | Moment | None]) -> None:
        """Give each its answer, then go on with what has arrived."""
        for queued, answer in zip(batch, answers, strict=True):
            queued.done(answer)
        self._clock.call_later(0, self._seal)

    # --- by their own threshold ---------------------------------------------------------------------------------------

    def start(self) -> None:
        """Watch the bets that are to be cashed out by themselves."""
        self._watch.start()

    @property
    def watching(self) -> bool:
        """Whether any bet is watched: if none is, nothing that is settled matters here."""
        return len(self._watch) > 0

    def account_fact(self, fact: AccountFact) -> None:
        """What was committed may begin or end a watch."""
        self._watch.hear(fact)

    def book_changed(self, change: BookChanged, _offset: int) -> None:
        """Bets on this fixture may be worth more."""
        self._watch.fixture_changed(change.fixture)

    def _fire(self, bet: Bet, valued: Valued) -> bool:
        """Cash out a bet that has reached its threshold, after the same delay; False where this gate is busy."""
        if self._full:
            return False
        queued = _Queued(
            lambda: self._automatic(bet.bet, valued.markets),
            lambda answer: self._watch.fired(bet.bet, retry=isinstance(answer, Moment)),
        )
        if not self._in_play(bet.legs):
            self._enqueue(queued)
            return True

        def over() -> None:
            self._held -= 1
            self._enqueue(queued)

        self._held += 1
        self._clock.call_later(self._settings.delay_ms, over)
        return True

    def _automatic(self, name: str, markets: str) -> CashOut | None:
        """The command, where the bet still reaches its threshold and nothing material has happened meanwhile."""
        bet = self._ledger.bet(name)
        if bet is None or bet.status != BetStatus.OPEN or bet.cash_out_at is None:
            return None
        valued = self._valuer.value(bet, bet.remaining)
        if isinstance(valued, str) or valued.markets != markets or valued.amount < bet.cash_out_at:
            return None
        return CashOut(
            automatic_id(bet, valued.standing, valued.books), bet.account, name, bet.remaining, valued.amount,
            self._clock.now_ms(), valued.amount, valued.standing, automatic=True,
        )  # fmt: skip


def _answered(done: Done) -> Callable[[Answer | Moment | None], None]:
    """For a fan there is always an answer."""

    def answer(found: Answer | Moment | None) -> None:
        assert found is not None
        done(found)

    return answer
