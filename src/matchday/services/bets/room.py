"""Bets: acceptance. A bet names the price that the fan saw; this room judges it.

Owns the queue before the ledger and the bets that wait their delay. Hears ``PlaceBet`` and a trader's answers from the
doors and reads the gate's books; says ``PlaceBet`` with its judgement to the ledger, and answers once that has
committed. Never moves money itself, and never answers before it is durable.

A bet with a leg in play waits for ``delay_ms`` (sportsbook rules §3.3, "in-play delay"): one that would be refused now
is refused now, any other is judged again, whole, when its delay is over. A suspension or a material incident meanwhile
is another generation, and refuses whatever side the bet is on. While it waits nothing is reserved; if the gate stops,
the id is unknown and may be sent again.

A stake above the maximum is referred to a trader where the fan asked for it. The ledger keeps it, so that any gate can
hear the trader: he accepts, refuses or offers something else, or his time is over. It also counts them, by account, so
that nobody's are more than traders can look at, whichever gates he asks.

One batch is in flight. Whatever has arrived when it returns is the next one: it is judged against the books at that
moment, when it is sealed, and handed to the ledger in the same step. There is no timer and no task per bet.

Markets do not hold each other up: each has its share of the queue and its turn in a batch, and a bet that cannot be
judged, as something of its market is broken, is answered by itself. Nor do accounts: of each only so many bets wait,
their delay and for their batch together. What the ledger keeps waiting for longer than ``queue_ms_max`` is ``busy``, so
that nobody gets a bet for which he has long stopped looking.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from matchday.config import Bets as BetSettings
from matchday.faults import Faults
from matchday.model import lines
from matchday.model.acceptance import StakeMax, TraderAnswer
from matchday.model.bet import Leg, most_of, most_returned
from matchday.model.book import Books
from matchday.model.ledger import (
    AccountStatus,
    AccountView,
    Answer,
    ExpireFreeBet,
    Moment,
    Offer,
    PlaceBet,
    Referral,
    Refusal,
    offer_id,
)
from matchday.model.messages import OVER
from matchday.model.money import amount_text
from matchday.ports import Clock, Ledger, LedgerUnavailable, Span, Timer
from matchday.services.bets.judge import Combine, Judge
from matchday.services.bets.owners import Heard, Owners
from matchday.services.bets.queue import Accounts, BetQueue, Done, Queued, Shares, Waits

_log = logging.getLogger(__name__)

_SWEEP_MS = 30_000
"""Milliseconds between two looks for what is over."""
_SWEEP_MAX = 100
_ANSWERS_MAX: Final = 64
"""Answers that are given before anybody else has a turn on the loop."""
_IN_FLIGHT_MAX: Final = 2
"""Batches that the ledger has at once: the one that it is at, and the next."""


class _Waiting(msgspec.Struct):
    until_ms: int
    asked: list[tuple[PlaceBet, Done]]


class Bets:
    """The acceptance of one gate."""

    def __init__(self, clock: Clock, ledger: Ledger, books: Books, settings: BetSettings, combine: Combine) -> None:
        self._clock = clock
        self._ledger = ledger
        self._settings = settings
        self._judge = Judge(books, settings, combine)
        self._accounts = Accounts(settings.waiting_account_max)
        self._queue = BetQueue(settings, self._accounts)
        self._waiting: dict[tuple[str, str], _Waiting] = {}
        self._delayed = Shares(settings.waiting_max, settings.waiting_fixture_max, settings.waiting_market_max)
        """Requests that wait in it, those asked again included."""
        self._in_flight = 0
        """Batches that the ledger has."""
        self._begun_ms = 0
        """Since when it has been at the first of them, by ``elapsed_ms``."""
        self._next: Timer | None = None
        """When the next batch is sealed."""
        self._watching = False
        self._faults = Faults(clock, _log, "bets on %s cannot be judged")
        self._books = books
        self._owners = Owners(clock, settings.odds_silence_ms_max)
        self.batches: dict[int, int] = {}
        """Size of batch -> how many were committed, for reports."""
        self._spans: dict[tuple[str, str], Span] = {}
        """Of those bets that are traced and have no answer yet."""

    def start(self) -> None:
        """End referrals whose time is over and whose gate is gone, and take back free bets that nobody used in time;
        now and again."""
        self._clock.call_later(_SWEEP_MS, self.start)
        now = self._clock.now_ms()
        try:
            over = self._ledger.referrals(now, _SWEEP_MAX)
            unused = self._ledger.free_bets_over(now, _SWEEP_MAX)
        except LedgerUnavailable:
            return
        for referral in over:
            self._expire(referral)
        if unused:
            expired = [ExpireFreeBet(f"expire:{free_bet}", account, free_bet, now) for account, free_bet in unused]
            self._ledger.commit(expired, lambda _: None)  # whatever is not taken is found again

    def odds_owned(self, epoch: int, share: int = 0) -> None:
        """See ``Owners.owned``."""
        self._owners.owned(share, epoch)

    def odds_alive(self, epoch: int, at_ms: int, share: int = 0) -> None:
        """See ``Owners.alive``."""
        self._owners.alive(share, epoch, at_ms)

    @property
    def stale(self) -> bool:
        """Whether no owner of books is heard in time: then every market counts as suspended."""
        return not self._owners.heard()

    @property
    def stale_fixtures(self) -> tuple[str, ...]:
        """Where some owners are heard: the fixtures of those who are not. Their markets count as suspended."""
        heard = self._owners.heard()
        if not heard or self._books.shares <= heard.keys():
            return ()
        books = self._books.fixtures.items()
        return tuple(name for name, book in books if book.share not in heard and book.board.status not in OVER)

    @property
    def queued(self) -> int:
        """Bets that wait for the ledger."""
        return len(self._queue)

    @property
    def delayed(self) -> int:
        """Requests that wait their delay in play."""
        return self._delayed.all

    def price(self, leg: Leg) -> int | Refusal:
        """The price of a leg now, in thousandths, or why there is none."""
        return self._judge.price(leg, self._owners.heard())

    def in_play(self, legs: Sequence[Leg]) -> bool:
        """Whether what is asked about these legs has to wait its delay."""
        return self._settings.delay_ms > 0 and self._judge.in_play(legs)

    # --- placing ------------------------------------------------------------------------------------------------------

    def place(self, command: PlaceBet, done: Done, waits: Waits = lambda _: None, span: Span | None = None) -> None:
        """Judge and commit; ``done`` is called once, with the ledger's answer or with one about the moment. ``waits``
        is called before that where the bet waits. ``span``: of a bet that is traced."""
        key = (command.account, command.id)
        if span is not None:
            done = self._traced(key, done, span)
        found = self._whether_to_wait(key, command)
        if isinstance(found, Moment):
            self._tell_later(done, found)
        elif found:
            self._delay(command, done, waits)
        else:
            self._enqueue(command, done, waits)

    def _traced(self, key: tuple[str, str], done: Done, span: Span) -> Done:
        """Know a bet's span until it is answered."""
        self._spans[key] = span
        span.stage("wait")

        def answered(answer: Answer | Moment) -> None:
            self._spans.pop(key, None)
            span.stage("answer")
            done(answer)

        return answered

    def _whether_to_wait(self, key: tuple[str, str], command: PlaceBet) -> bool | Moment:
        """Whether a bet waits its delay, or why it cannot be asked now."""
        if key in self._waiting:
            return True
        if self._queue.full_for(command.asked):
            return Moment.BUSY
        try:
            if self._accounts.full_for(command.account) and self._ledger.answer(*key) is None:
                return Moment.BUSY
            return self.in_play(command.asked) and self._would_be_taken(self._judged(command, self._owners.heard()))
        except LedgerUnavailable:
            return Moment.UNAVAILABLE
        except Exception as error:  # noqa: BLE001 - logged; one market's fault is not the others'
            return self._fault(command, error)

    def _would_be_taken(self, judged: PlaceBet) -> bool:
        """Whether a bet, as it was judged, would be taken now and has no answer yet: in play it then has to wait."""
        return judged.refusal is None and self._ledger.answer(judged.account, judged.id) is None

    def _delay(self, command: PlaceBet, done: Done, waits: Waits) -> None:
        """Have it wait, where there is room; one that is asked for again meanwhile shares the wait of the first."""
        if self._delayed.full_for(command.asked):
            self._tell_later(done, Moment.BUSY)
            return
        key = (command.account, command.id)
        waiting = self._waiting.get(key)
        if waiting is None:
            waiting = self._waiting[key] = _Waiting(self._clock.now_ms() + self._settings.delay_ms, [])
            self._clock.call_later(self._settings.delay_ms, lambda: self._delay_over(key))
            self._accounts.count(command.account, 1)
        self._delayed.count(command.asked, 1)
        waiting.asked.append((msgspec.structs.replace(command, waited=True), done))
        until_ms = waiting.until_ms
        self._clock.call_later(0, lambda: waits(until_ms))

    def _delay_over(self, key: tuple[str, str]) -> None:
        """Those who waited together end together: where the queue has no room for one by then, it is busy as one that
        comes at this moment would be."""
        self._accounts.count(key[0], -1)
        for command, done in self._waiting.pop(key).asked:
            self._delayed.count(command.asked, -1)
            if self._queue.full_for(command.asked):
                self._tell_later(done, Moment.BUSY)
            else:
                self._enqueue(command, done)

    def waiting_until(self, account: str, id_: str) -> int | None:
        """Until when a bet waits its delay at this gate, by its caller's id; None where it does not."""
        waiting = self._waiting.get((account, id_))
        return None if waiting is None else waiting.until_ms

    def _enqueue(self, command: PlaceBet, done: Done, waits: Waits = lambda _: None) -> None:
        self._queue.add(command, done, waits, self._clock.elapsed_ms())
        first = not self._in_flight and self._next is None
        self._seal_in_time()
        if not (first or self._watching):
            self._watching = True
            self._clock.call_later(self._settings.queue_ms_max, self._watch)

    def _seal_in_time(self) -> None:
        """Hand a batch over at once where the ledger has none, and a second one in time: so nobody waits for the
        answers of a batch that somebody else's work, such as a settlement, holds up."""
        if self._next is not None or self._in_flight >= _IN_FLIGHT_MAX or not len(self._queue):
            return
        now = self._clock.elapsed_ms()
        in_ms = self._queue.follows_in(now - self._begun_ms) if self._in_flight else 0
        if in_ms is not None:
            self._next = self._clock.call_later(in_ms, self._seal)

    def _watch(self) -> None:
        """While the ledger is slow: nobody waits for it longer than is set."""
        old = self._queue.too_old(self._clock.elapsed_ms() - self._settings.queue_ms_max + 1)
        self._watching = self._in_flight > 0 and len(self._queue) > 0
        if self._watching:
            self._clock.call_later(max(1, self._settings.queue_ms_max // 4), self._watch)
        for queued in old:
            queued.done(Moment.BUSY)

    def _seal(self) -> None:
        """Judge what has arrived and hand it to the ledger, as one batch."""
        if self._next is not None:
            self._next.cancel()
            self._next = None
        batch: list[Queued] = []
        judged: list[PlaceBet] = []
        heard = self._owners.heard()
        for queued in self._queue.take(self._settings.batch_max):
            found = self._sealed(queued.command, heard)
            if isinstance(found, Moment):
                self._tell_later(queued.done, found)
            elif found is None:
                self._delay(queued.command, queued.done, queued.waits)
            else:
                batch.append(queued)
                judged.append(found)
        if self._spans:
            self._trace(batch)
        if batch:
            self.batches[len(batch)] = self.batches.get(len(batch), 0) + 1
            self._in_flight += 1
            if self._in_flight == 1:
                self._begun_ms = self._clock.elapsed_ms()
            self._ledger.commit(judged, lambda outcome: self._committed(batch, outcome))
        self._seal_in_time()

    def _trace(self, batch: Sequence[Queued]) -> None:
        """Those of a batch that are traced are on their way to the ledger."""
        for queued in batch:
            span = self._spans.get((queued.command.account, queued.command.id))
            if span is not None:
                span.stage("commit", bets=len(batch))

    def _sealed(self, command: PlaceBet, heard: Heard) -> PlaceBet | Moment | None:
        """A bet of a batch, judged; or why this one cannot be, whatever becomes of the others. None: what it would have
        been refused for when it came is over, or its match has begun, so that it has its delay to wait first."""
        try:
            judged = self._judged(command, heard)
            waited = command.waited or command.answers_referral
            return None if not waited and self.in_play(command.asked) and self._would_be_taken(judged) else judged
        except LedgerUnavailable:  # its offer, or its answer, could not be read
            return Moment.UNAVAILABLE
        except Exception as error:  # noqa: BLE001 - logged; one market's fault is not the others'
            return self._fault(command, error)

    def _committed(self, batch: Sequence[Queued], outcome: Sequence[Answer] | LedgerUnavailable) -> None:
        """Answer, and seal the next batch: of a large one after the first of its answers, so that the ledger is at work
        while the others are given, and prices get their turn on the loop in between."""
        now = self._clock.elapsed_ms()
        self._queue.took(now - self._begun_ms)
        self._in_flight, self._begun_ms = self._in_flight - 1, now
        found = [Moment.UNAVAILABLE] * len(batch) if isinstance(outcome, LedgerUnavailable) else outcome
        self._answer(batch, found, 0)
        if self._in_flight:
            self._seal_in_time()
        else:
            self._seal()

    def _answer(self, batch: Sequence[Queued], found: Sequence[Answer | Moment], start: int) -> None:
        end = start + _ANSWERS_MAX
        for queued, answer in zip(batch[start:end], found[start:end], strict=True):
            if isinstance(answer, Answer) and answer.pending_until_ms and not answer.repeated:
                self._expire_later(queued.command, answer.pending_until_ms)
            queued.done(answer)
        if end < len(batch):
            self._clock.call_later(0, lambda: self._answer(batch, found, end))

    def _fault(self, command: PlaceBet, error: Exception) -> Moment:
        """Something of ours or of its markets is broken."""
        self._faults.say(command.asked[0].fixture, command.asked[0].market, error, request=command.id)
        return Moment.INTERNAL_ERROR

    def _tell_later(self, done: Done, moment: Moment) -> None:
        self._clock.call_later(0, lambda: done(moment))

    def _judged(self, command: PlaceBet, heard: Heard) -> PlaceBet:
        """The command with this room's judgement: the legs at current prices and their charges, or a refusal."""
        now = self._clock.now_ms()
        if command.refusal is not None:  # a trader's
            return msgspec.structs.replace(command, at_ms=now)
        offer = self._ledger.offer(command.account, command.offer) if command.offer else None
        fits = offer is not None and len(offer.legs) == len(command.asked)  # if not, the ledger refuses it
        given = command.legs if command.answers_referral else offer.legs if offer is not None and fits else ()
        legs, refusal, detail = self._judge.legs(command, heard, given=given)
        if refusal is not None:
            return msgspec.structs.replace(command, at_ms=now, refusal=refusal, detail=detail)
        stakes = self._judge.stake(command, legs)
        too_much = stakes.refusal is not None and not given and not command.offer
        judged = msgspec.structs.replace(
            command, at_ms=now, legs=legs, charges=self._judge.charges(command, legs), stake_min=stakes.least,
            stake_max=stakes.most, bet="" if too_much else self._clock.new_id(),
        )  # fmt: skip
        return self._refer_or_refuse(judged, stakes.refusal) if stakes.refusal is not None and too_much else judged

    def _refer_or_refuse(self, command: PlaceBet, refusal: Refusal) -> PlaceBet:
        if refusal == Refusal.STAKE_BELOW_MINIMUM:
            detail = f"at least {amount_text(command.stake_min, command.currency)} is taken"
            return msgspec.structs.replace(command, refusal=refusal, detail=detail, stake_max=None)
        if command.refer and not command.free_bet and command.stake <= self._settings.referral_stake_max:
            return msgspec.structs.replace(
                command, refer_until_ms=command.at_ms + self._settings.referral_ms,
                referrals_max=self._settings.referrals_account_max, not_referred=refusal,
            )  # fmt: skip
        most = command.stake_max if command.free_bet else None
        detail = "" if most is None else f"at most {amount_text(most, command.currency)} is taken now"
        return msgspec.structs.replace(command, refusal=refusal, detail=detail)

    # --- a trader's answers -------------------------------------------------------------------------------------------

    def answer_referral(
        self, account: str, id_: str, answer: TraderAnswer, done: Callable[[Answer | Moment | None], None]
    ) -> None:
        """A trader has decided; None where nothing waits under that id. Too late, the answer is ``referral_expired``.
        What he accepts is judged again by markets, generations, exposures and the fan's own limits, at the prices at
        which it was referred. ValueError where he offers no price for each leg, or no stake that the lines divide."""
        referral = self._ledger.referral(account, id_)
        if referral is None:
            self._clock.call_later(0, lambda: done(None))
            return
        command = msgspec.structs.replace(referral.command, answers_referral=True)
        if referral.until_ms <= self._clock.now_ms():
            command = _expired(referral)
        elif answer.stake is not None or answer.prices is not None:
            command = self._re_offered(command, answer)
        elif not answer.accept:
            command = msgspec.structs.replace(command, refusal=Refusal.REFUSED_BY_TRADER, detail=answer.reason)
        self._enqueue(command, done)

    def _re_offered(self, command: PlaceBet, answer: TraderAnswer) -> PlaceBet:
        stake = command.stake if answer.stake is None else answer.stake
        prices = tuple(leg.price for leg in command.legs) if answer.prices is None else answer.prices
        number = lines.count(command.type or lines.default_type(len(command.legs)), len(command.legs))
        if stake <= 0 or stake % number:
            raise ValueError(f"an offer's stake is more than zero and divides by {number} lines, not {stake}")
        if len(prices) != len(command.legs):
            raise ValueError(f"an offer has a price for each of {len(command.legs)} legs, not {len(prices)}")
        legs = tuple(msgspec.structs.replace(leg, price=price) for leg, price in zip(command.legs, prices, strict=True))
        until_ms = self._clock.now_ms() + self._settings.offer_ms
        offer = Offer(offer_id(command.account, command.id), stake, legs, until_ms, command.type)
        return msgspec.structs.replace(command, refusal=Refusal.RE_OFFERED, detail=answer.reason, offered=offer)

    def _expire_later(self, command: PlaceBet, until_ms: int) -> None:
        def over() -> None:
            try:
                referral = self._ledger.referral(command.account, command.id)
            except LedgerUnavailable:  # the next sweep finds it
                return
            if referral is not None:
                self._expire(referral)

        self._clock.call_later(max(0, until_ms - self._clock.now_ms()), over)

    def _expire(self, referral: Referral) -> None:
        self._enqueue(_expired(referral), lambda _: None)

    # --- what would be taken ------------------------------------------------------------------------------------------

    def stake_max(self, command: PlaceBet) -> StakeMax:
        """The largest stake that would be taken now, by every limit there is. LinesError where type and legs do not go
        together; LedgerUnavailable."""
        bet_type = command.type or lines.default_type(len(command.asked))
        number = lines.count(bet_type, len(command.asked))
        prices = tuple(self.price(leg) for leg in command.asked)
        account = self._ledger.account(command.account)
        judged = self._judge.legs(self._judge.now(command), self._owners.heard())
        refusal = _account_refusal(account, command) or judged.refusal
        if account is None or refusal is not None:
            return StakeMax(prices, number, refusal, 0, 0)
        stakes = self._judge.stake(command, judged.legs)
        left = [limit.left for limit in account.limits if limit.left is not None]
        most = min([stakes.most, account.balance, self._within_guards(command, judged.legs), *left])
        most -= most % number  # whole minor units on each line
        most = most if most >= stakes.least else 0
        return StakeMax(prices, number, None, most, most_returned(most, judged.legs, bet_type))

    def _within_guards(self, command: PlaceBet, legs: Sequence[Leg]) -> int:
        """The largest stake that every exposure leaves room for."""
        charges = self._judge.charges(command, legs)
        used = self._ledger.guards([charge.guard for charge in charges])
        room = min(charge.cap - used.get(charge.guard, 0) for charge in charges)
        return lines.stake_within(room, most_of(legs, command.type) - 1)


def _account_refusal(account: AccountView | None, command: PlaceBet) -> Refusal | None:
    if account is None:
        return Refusal.ACCOUNT_UNKNOWN
    if account.status != AccountStatus.OPEN:
        return Refusal.ACCOUNT_NOT_OPEN
    return Refusal.CURRENCY_MISMATCH if account.currency != command.currency else None


def _expired(referral: Referral) -> PlaceBet:
    return msgspec.structs.replace(
        referral.command, answers_referral=True, refusal=Refusal.REFERRAL_EXPIRED, detail="no trader answered in time"
    )
