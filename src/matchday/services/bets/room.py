"""Bets: acceptance. A bet names the price that the fan saw; this room judges it.

Owns the queue before the ledger and the bets that wait their delay. Hears ``PlaceBet`` and a trader's answers from the
doors and reads the gate's books; says ``PlaceBet`` with its judgement to the ledger, and answers once that has
committed. Never moves money itself, and never answers before it is durable.

A bet with a leg in play waits for ``delay_ms`` (sportsbook rules §3.3, "in-play delay"): one that would be refused now
is refused now, any other is judged again, whole, when its delay is over. A suspension or a material incident meanwhile
is another generation, and refuses whatever side the bet is on. While it waits nothing is reserved; if the gate stops,
the id is unknown and may be sent again.

A stake above the maximum is referred to a trader where the fan asked for it. The ledger keeps it, so that any gate can
hear the trader: he accepts, refuses or offers something else, or his time is over.

One batch is in flight. Whatever has arrived when it returns is the next one: it is judged against the books at that
moment, when it is sealed, and handed to the ledger in the same step. There is no timer and no task per bet.
"""

from collections import deque
from collections.abc import Callable, Sequence

import msgspec

from matchday.config import Bets as BetSettings
from matchday.model import lines
from matchday.model.acceptance import StakeMax, TraderAnswer
from matchday.model.bet import Leg
from matchday.model.book import Books
from matchday.model.ledger import Answer, ExpireFreeBet, Moment, Offer, PlaceBet, Referral, Refusal
from matchday.model.price import as_fraction
from matchday.ports import Clock, Ledger, LedgerUnavailable
from matchday.services.bets.judge import Combine, Judge, liability

Done = Callable[[Answer | Moment], None]
Waits = Callable[[int], None]
"""Told until when a bet waits, in milliseconds since 1970."""

_SWEEP_MS = 30_000
"""Milliseconds between two looks for referrals whose gate is gone."""
_SWEEP_MAX = 100


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
        self._books = books
        self._queue: deque[tuple[PlaceBet, Done]] = deque()
        self._waiting: dict[tuple[str, str], _Waiting] = {}
        self._in_flight = False
        self._alive: tuple[int, int] | None = None
        """Of the odds owner: (when it was last heard, by ``elapsed_ms``; what its clock said then)."""
        self._epoch = 0
        self.batches: dict[int, int] = {}
        """Size of batch -> how many were committed, for reports."""

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

    def odds_owned(self, epoch: int) -> None:
        """A new owner of the books began: what a former one says counts no more, and the new one has yet to speak."""
        if epoch > self._epoch:
            self._epoch, self._alive = epoch, None

    def odds_alive(self, epoch: int, at_ms: int) -> None:
        """The odds owner was heard now, saying what its clock shows. One whose place was taken does not count."""
        if epoch >= self._epoch:
            self._epoch, self._alive = epoch, (self._clock.elapsed_ms(), at_ms)

    @property
    def stale(self) -> bool:
        """Whether the odds owner has been silent for too long, or what is heard of it is old, or its clock and ours are
        so far apart that nobody can tell: then every market counts as suspended. Silence is measured by time elapsed,
        since clocks may jump."""
        if self._alive is None:
            return True
        heard_ms, at_ms = self._alive
        most = self._settings.odds_silence_ms_max
        return self._clock.elapsed_ms() - heard_ms > most or abs(self._clock.now_ms() - at_ms) > most

    def price(self, leg: Leg) -> int | Refusal:
        """The price of a leg now, in thousandths, or why there is none."""
        return self._judge.price(leg, stale=self.stale, epoch=self._epoch)

    def in_play(self, legs: Sequence[Leg]) -> bool:
        """Whether what is asked about these legs has to wait its delay."""
        return self._settings.delay_ms > 0 and self._judge.in_play(legs)

    # --- placing ------------------------------------------------------------------------------------------------------

    def place(self, command: PlaceBet, done: Done, waits: Waits = lambda _: None) -> None:
        """Judge and commit; ``done`` is called once, with the ledger's answer or with one about the moment. ``waits``
        is called before that where the bet waits."""
        key = (command.account, command.id)
        if (waiting := self._waiting.get(key)) is not None:
            waiting.asked.append((msgspec.structs.replace(command, waited=True), done))
            self._clock.call_later(0, lambda: waits(waiting.until_ms))
            return
        if len(self._queue) >= self._settings.queue_max or len(self._waiting) >= self._settings.waiting_max:
            self._clock.call_later(0, lambda: done(Moment.BUSY))
            return
        if self.in_play(command.asked) and self._judged(command, self.stale).refusal is None:
            self._wait(key, command, done, waits)
        else:
            self._enqueue(command, done)

    def _wait(self, key: tuple[str, str], command: PlaceBet, done: Done, waits: Waits) -> None:
        delay_ms = self._settings.delay_ms
        waiting = _Waiting(self._clock.now_ms() + delay_ms, [(msgspec.structs.replace(command, waited=True), done)])
        self._waiting[key] = waiting

        def over() -> None:
            del self._waiting[key]
            for asked, answer_to in waiting.asked:
                self._enqueue(asked, answer_to)

        self._clock.call_later(delay_ms, over)
        self._clock.call_later(0, lambda: waits(waiting.until_ms))

    def waiting_until(self, account: str, id_: str) -> int | None:
        """Until when a bet waits its delay at this gate, by its caller's id; None where it does not."""
        waiting = self._waiting.get((account, id_))
        return None if waiting is None else waiting.until_ms

    def _enqueue(self, command: PlaceBet, done: Done) -> None:
        self._queue.append((command, done))
        if not self._in_flight:
            self._in_flight = True
            self._clock.call_later(0, self._seal)

    def _seal(self) -> None:
        """Judge what has arrived and hand it to the ledger, as one batch."""
        batch = [self._queue.popleft() for _ in range(min(len(self._queue), self._settings.batch_max))]
        if not batch:
            self._in_flight = False
            return
        stale = self.stale
        self.batches[len(batch)] = self.batches.get(len(batch), 0) + 1

        def done(outcome: Sequence[Answer] | LedgerUnavailable) -> None:
            if isinstance(outcome, LedgerUnavailable):
                for _, answer_to in batch:
                    answer_to(Moment.UNAVAILABLE)
            else:
                for (command, answer_to), answer in zip(batch, outcome, strict=True):
                    if answer.pending_until_ms and not answer.repeated:
                        self._expire_later(command, answer.pending_until_ms)
                    answer_to(answer)
            self._seal()

        self._ledger.commit([self._judged(command, stale) for command, _ in batch], done)

    def _judged(self, command: PlaceBet, stale: bool) -> PlaceBet:
        """The command with this room's judgement: the legs at current prices and their charges, or a refusal."""
        now = self._clock.now_ms()
        if command.refusal is not None:  # a trader's
            return msgspec.structs.replace(command, at_ms=now)
        offer = self._ledger.offer(command.account, command.offer) if command.offer else None
        if command.offer and (offer is None or len(offer.legs) != len(command.asked)):
            return msgspec.structs.replace(command, at_ms=now, refusal=Refusal.OFFER_UNKNOWN)
        given = command.asked if command.answers_referral else offer.legs if offer is not None else ()
        legs, refusal, detail = self._judge.legs(command, stale=stale, epoch=self._epoch, given=given)
        if refusal is not None:
            return msgspec.structs.replace(command, at_ms=now, refusal=refusal, detail=detail)
        if not given and (refused := self._judge.stake(command, legs)) is not None:
            return self._refer_or_refuse(command, now, *refused)
        return msgspec.structs.replace(
            command, bet=self._clock.new_id(), at_ms=now, legs=legs, charges=self._judge.charges(command, legs)
        )

    def _refer_or_refuse(self, command: PlaceBet, now: int, refusal: Refusal, most: int) -> PlaceBet:
        above = refusal in (Refusal.STAKE_ABOVE_MAXIMUM, Refusal.RETURN_ABOVE_MAXIMUM)
        if above and command.refer and not command.free_bet and command.stake <= self._settings.referral_stake_max:
            return msgspec.structs.replace(command, at_ms=now, refer_until_ms=now + self._settings.referral_ms)
        detail = f"{'at most' if above else 'at least'} {most} minor units are taken now"
        return msgspec.structs.replace(
            command, at_ms=now, refusal=refusal, detail=detail, stake_max=most if above else None
        )

    # --- a trader's answers -------------------------------------------------------------------------------------------

    def answer_referral(
        self, account: str, id_: str, answer: TraderAnswer, done: Callable[[Answer | Moment | None], None]
    ) -> None:
        """A trader has decided; None where nothing waits under that id. What he accepts is judged again by markets,
        generations, exposures and the fan's own limits, at the price that was asked."""
        referral = self._ledger.referral(account, id_)
        if referral is None:
            self._clock.call_later(0, lambda: done(None))
            return
        command = msgspec.structs.replace(referral.command, answers_referral=True)
        if answer.stake is not None or answer.prices is not None:
            command = self._re_offered(command, answer)
        elif not answer.accept:
            command = msgspec.structs.replace(command, refusal=Refusal.REFUSED_BY_TRADER, detail=answer.reason)
        self._enqueue(command, done)

    def _re_offered(self, command: PlaceBet, answer: TraderAnswer) -> PlaceBet:
        prices = answer.prices or tuple(leg.price for leg in command.asked)
        legs = tuple(
            msgspec.structs.replace(leg, price=price) for leg, price in zip(command.asked, prices, strict=True)
        )
        until_ms = self._clock.now_ms() + self._settings.offer_ms
        offer = Offer(self._clock.new_id(), answer.stake or command.stake, legs, until_ms)
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
        expired = msgspec.structs.replace(
            referral.command,
            answers_referral=True,
            refusal=Refusal.REFERRAL_EXPIRED,
            detail="no trader answered in time",
        )
        self._enqueue(expired, lambda _: None)

    # --- what would be taken ------------------------------------------------------------------------------------------

    def stake_max(self, command: PlaceBet) -> StakeMax:
        """The largest stake that would be taken now, by every limit there is. LinesError where type and legs do not go
        together; LedgerUnavailable."""
        bet_type = command.type or lines.default_type(len(command.asked))
        number = lines.count(bet_type, len(command.asked))
        prices = tuple(self.price(leg) for leg in command.asked)
        judged = self._judge.legs(command, stale=self.stale, epoch=self._epoch)
        if judged.refusal is not None:
            return StakeMax(prices, number, judged.refusal, 0, 0)
        unit = lines.most(bet_type, [as_fraction(leg.price) for leg in judged.legs])
        most = min(self._judge.stake_max(judged.legs), self._settings.return_max * unit.denominator // unit.numerator)
        most = self._within_guards(command, judged.legs, most)
        account = self._ledger.account(command.account)
        if account is not None:
            most = min([most, account.balance, *(
                limit.amount - limit.used for limit in account.limits if limit.amount is not None
            )])  # fmt: skip
        least = max(self._settings.stake_min, number)
        most = most if most >= least else 0
        return StakeMax(prices, number, None, most, int(most * unit))

    def _within_guards(self, command: PlaceBet, legs: Sequence[Leg], most: int) -> int:
        """The largest stake up to ``most`` that every exposure leaves room for."""
        most = max(most, 0)
        charges = self._judge.charges(msgspec.structs.replace(command, stake=most), legs)
        used = self._ledger.guards([charge.guard for charge in charges])
        amount = liability(most, command.type, legs)
        for charge in charges:
            if amount > 0:
                most = min(most, most * max(0, charge.cap - used.get(charge.guard, 0)) // amount)
        return most
