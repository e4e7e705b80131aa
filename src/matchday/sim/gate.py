"""A gate of a simulated world: the platform's own rooms in one process, and what fans and traders ask of it."""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from matchday.app import Gate
from matchday.config import Settings
from matchday.model.bet import Leg
from matchday.model.book import Books
from matchday.model.cash_out import Quote
from matchday.model.ledger import Answer, CashOut, Command, Moment, PlaceBet, Refusal, SetCashOut
from matchday.model.messages import Topic
from matchday.model.trading import TraderCommand, TraderRefusal
from matchday.ports import LedgerUnavailable, Record
from matchday.pricing.joint import combine
from matchday.pricing.worth import leg_worth
from matchday.services.accounts import Accounts
from matchday.services.bets import Bets
from matchday.services.cash_out import CashOuts
from matchday.services.push import Push
from matchday.services.trading import Logged, Trading
from matchday.sim.process import Process, ProcessClock
from matchday.sim.provider import STAND_MS
from matchday.sim.screens import LINES
from matchday.sim.stores import ProcessLedger, ProcessLog

GATES: Final = 2


def sim_settings(delay_ms: int, waiting_max: int, quiet_records_max: int) -> Settings:
    """The platform's defaults with slower beats, and limits that a handful of fans can reach. ``waiting_max``: what
    settlement holds; ``quiet_records_max``: after how many records a quiet book is kept anew."""
    settings = Settings()
    replace = msgspec.structs.replace
    return replace(
        settings,
        feed=replace(settings.feed, alive_ms=5_000, bets_stand_ms=STAND_MS),
        settlement=replace(settings.settlement, waiting_max=waiting_max),
        odds=replace(
            settings.odds, alive_ms=5_000, feed_silence_ms_max=12_000, tick_ms=60_000, whole_book_every=16,
            quiet_book_records_max=quiet_records_max,
        ),
        bets=replace(
            settings.bets, odds_silence_ms_max=12_000, exposure_selection_max=60_000, exposure_market_max=100_000,
            exposure_fixture_max=400_000, exposure_account_max=300_000, writers=GATES, stake_max=12_000,
            referral_stake_max=60_000, return_max=200_000, delay_ms=delay_ms,
        ),
        push=replace(
            settings.push, heartbeat_ms=40_000, idle_ms_max=120_000, slow_ms_max=60_000, history_frames_max=200,
            buffer_bytes_max=1_024, fan_out_slice=2,
        ),
    )  # fmt: skip


class GateProcess(Process):
    """A gate: its rooms, while it lives."""

    number = 0
    gate: Gate
    push: Push
    accounts: Accounts
    trading: Trading
    log: ProcessLog
    ledger: ProcessLedger
    clock: ProcessClock

    @property
    def books(self) -> Books:
        """See ``TraderGate.books``."""
        return self.gate.books

    def trade(self, command: TraderCommand, done: Callable[[Logged | TraderRefusal | Moment], None]) -> None:
        """See ``TraderGate.trade``."""
        self.run(lambda: self.trading.command(command, done))

    def say(self, records: Sequence[Record]) -> None:
        """See ``TraderGate.say``."""
        self.run(lambda: self.log.append(records, lambda _: None))

    def token(self, account: str) -> str:
        """See ``GateDoor.token``."""
        return self.accounts.sign(account)[0]

    def ask(self, command: Command, done: Callable[[Answer | Moment], None]) -> None:
        """See ``GateDoor.ask``."""
        self.run(lambda: self._ask(command, done))

    def quote(self, leg: Leg) -> int | None:
        """See ``GateDoor.quote``."""
        price = self.gate.bets.price(leg)
        return None if isinstance(price, Refusal) else price

    def cash_quote(self, account: str, bet: str, stake: int | None) -> CashOut | None:
        """See ``GateDoor.cash_quote``."""
        quote = self.gate.cash_outs.quote(account, bet, stake)
        if not isinstance(quote, Quote):
            return None
        signed = self.gate.cash_outs.sign(quote)
        return CashOut(self.clock.new_id(), account, bet, quote.stake, quote.amount, quote=signed)

    def _ask(self, command: Command, done: Callable[[Answer | Moment], None]) -> None:
        if isinstance(command, PlaceBet):
            self.gate.bets.place(command, done)
            return
        if isinstance(command, CashOut):
            self.gate.cash_outs.cash_out(command, done)
            return
        if isinstance(command, SetCashOut):
            self.gate.cash_outs.set_cash_out(command, done)
            return

        def committed(outcome: Sequence[Answer] | LedgerUnavailable) -> None:
            done(Moment.UNAVAILABLE if isinstance(outcome, LedgerUnavailable) else outcome[0])

        self.ledger.commit([msgspec.structs.replace(command, at_ms=self.clock.now_ms())], committed)

    def open(self, clock: ProcessClock, log: ProcessLog, ledger: ProcessLedger, settings: Settings) -> None:
        """Make the rooms of a gate and start them."""
        settings = msgspec.structs.replace(settings, bets=msgspec.structs.replace(settings.bets, writer=self.number))
        books, secret = Books(), b"simulation"
        accounts = Accounts(clock, ledger, settings, secret)
        bets = Bets(clock, ledger, books, settings.bets, combine)
        push = Push(
            clock, books, log.epoch(Topic.BOOKS), settings.push, ledger=ledger, verify=accounts.verify,
            framing=LINES, stale=lambda: bets.stale, stale_fixtures=lambda: bets.stale_fixtures,
        )  # fmt: skip
        cash_outs = CashOuts(
            clock, ledger, books, settings.bets, price=bets.price, in_play=bets.in_play, worth=leg_worth, secret=secret
        )
        self.gate = Gate(clock, log, books, push, bets, cash_outs, settings)
        self.push, self.accounts, self.trading = push, accounts, Trading(clock, log, books)
        self.log, self.ledger, self.clock = log, ledger, clock
        self.gate.start()
        bets.start()
