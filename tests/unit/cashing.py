"""What tests of cash-out need: a gate's bets and cash-outs over one ledger, and books that a table can write."""

from collections.abc import Sequence

import msgspec

from matchday.backends.ledger_sqlite import Done, SqliteLedgerCore
from matchday.config import Bets as BetSettings
from matchday.model.bet import OUTCOMES, Bet, Leg, Policy, Result
from matchday.model.book import Books
from matchday.model.cash_out import Quote
from matchday.model.ledger import (
    Answer,
    CashOut,
    Command,
    DecideLegs,
    Moment,
    OpenAccount,
    PlaceBet,
    SetCashOut,
    SettleBet,
    Transfer,
    standing,
)
from matchday.model.market import Market, MarketStatus, Selection, split_selection
from matchday.model.messages import Board, BookChanged, Decision, FixtureStatus
from matchday.services.bets import Bets
from matchday.sim.clock import VirtualClock
from matchday.sim.inline import InlineLedger
from tests.unit.doors import MoodyLedger, cash_outs_of, no_joint_price

A = "anna"
OVER, UNDER = "F:total_goals@2.5/over", "F:total_goals@2.5/under"
ELSEWHERE = "G:total_goals@2.5/over"
EVEN = 2000
"""A price without overround: each side of a market at it has an even chance."""
OPEN, SUSPENDED, CLOSED = MarketStatus.OPEN, MarketStatus.SUSPENDED, MarketStatus.CLOSED
DELAY_MS = 4_000
WON, LOST = OUTCOMES[Result.WON], OUTCOMES[Result.LOST]


class LateLedger(MoodyLedger):
    """The ledger, with a way to it: what is handed over is committed later, in order."""

    way_ms = 0

    def commit(self, commands: Sequence[Command], done: Done) -> None:
        """See ``Ledger.commit``."""
        way_ms = self.way_ms
        if way_ms:
            self._clock.call_later(way_ms, lambda: MoodyLedger.commit(self, commands, done))
        else:
            super().commit(commands, done)


class Gate:
    """One gate's bets and cash-outs, and the books it has heard."""

    def __init__(self, clock: VirtualClock, ledger: InlineLedger, settings: BetSettings) -> None:
        self.clock, self.books = clock, Books()
        self.bets = Bets(clock, ledger, self.books, settings, no_joint_price)
        self.cash_outs = cash_outs_of(clock, ledger, self.books, settings, self.bets)
        self._n = 0
        self.beat()

    def beat(self) -> None:
        """The odds owner is heard."""
        self.bets.odds_alive(1, self.clock.now_ms())

    def book(
        self, market: str, price: int = EVEN, *, other: int | None = None, generation: int = 1,
        status: MarketStatus = OPEN, live: bool | None = None,
    ) -> None:  # fmt: skip
        """A two-way market changes; its fixture is in play, or not yet, or as it was. The other side has the price that
        leaves no overround, unless it is said."""
        self._n += 1
        fixture, key, _ = split_selection(f"{market}/over")
        if live is None:
            live = fixture not in self.books.fixtures or self.books.fixtures[fixture].board.status == FixtureStatus.LIVE
        other = other or -(-1000 * price // (price - 1000))
        selections = (Selection("over", price), Selection("under", other))
        status_ = FixtureStatus.LIVE if live else FixtureStatus.SCHEDULED
        board = Board(fixture, "Cup", "Home", "Away", 0, status_, "1H", 0, 0, 1.0, (1, 0), None, None, (0, 0), (3, 2))
        held = Market(market, key.type, key.line, status, generation, selections)
        change = BookChanged(fixture, 1, self._n, "tick", self.clock.now_ms(), board, (held,))
        self.books.apply(change, self._n)
        self.cash_outs.book_changed(change, self._n)


class Counter:
    """A ledger with fan ``anna``, and gates before it."""

    def __init__(self, *, gates: int = 1, balance: int = 100_000, **settings: int) -> None:
        self.clock = VirtualClock(seed=7)
        self.core = SqliteLedgerCore(":memory:")
        self.ledger = LateLedger(self.core, self.clock)
        self.settings = BetSettings(**settings)
        self.said: list[tuple[int, str, str]] = []
        self._facts = 0
        self.commit(
            OpenAccount("open", A, "EUR", self.clock.now_ms(), 10**9),
            Transfer("grant", A, balance, "EUR", "grant", self.clock.now_ms()),
        )
        self.gates = [Gate(self.clock, self.ledger, self.settings) for _ in range(gates)]
        self.gate = self.gates[0]
        for gate in self.gates:
            gate.book("F:total_goals@2.5")

    def commit(self, *commands: Command) -> list[Answer]:
        """Commit at once, as another process of the platform."""
        answers = self.core.commit(commands)
        self.hear()
        return answers

    def hear(self) -> None:
        """Every gate hears what was committed since last time."""
        facts = self.core.facts(self._facts, 10_000)
        for fact in facts:
            self._facts = fact.seq
            for gate in getattr(self, "gates", ()):
                gate.cash_outs.account_fact(fact)

    def place(
        self, *selections: str, stake: int = 1_000, price: int = EVEN, type_: str = "", free_bet: str = "",
    ) -> Bet:  # fmt: skip
        """A bet that the ledger takes, at the same price on each leg."""
        legs = tuple(Leg(s.partition(":")[0], s.rpartition("/")[0], s, price, 1) for s in selections)
        return self.place_legs(legs, stake=stake, type_=type_, free_bet=free_bet)

    def place_legs(self, legs: Sequence[Leg], *, stake: int = 1_000, type_: str = "", free_bet: str = "") -> Bet:
        made = self.clock.new_id()
        command = PlaceBet(
            made, A, "EUR", stake, Policy.ANY, tuple(legs), f"bet-{made}", self.clock.now_ms(), tuple(legs),
            type=type_, free_bet=free_bet,
        )  # fmt: skip
        bet = self.commit(command)[0].bet
        assert bet is not None
        return bet

    def decide(self, version: int, **outcomes: Result | None) -> None:
        """The ledger is told what the outcomes ``over`` and ``under`` came to, and settles the bets on them."""
        decisions = tuple(
            Decision("F:total_goals@2.5", f"F:total_goals@2.5/{name}", None if result is None else OUTCOMES[result])
            for name, result in outcomes.items()
        )
        now = self.clock.now_ms()
        self.commit(DecideLegs(f"decide:F:{version}", "F", version, decisions, now))
        held = self.core.decisions([decision.selection for decision in decisions])
        said = {decision.selection for decision in decisions}
        for bet in reversed(self.core.bets(A, open_only=False, before=None, limit=10_000)):
            if not said & {selection for leg in bet.legs for selection in leg.selections}:
                continue
            held.update(self.core.decisions([selection for leg in bet.legs for selection in leg.selections]))
            at = standing(bet, held, {})[0]
            self.commit(SettleBet(f"settle:{bet.bet}:{at}", bet.bet, bet.account, now))

    # --- asking -------------------------------------------------------------------------------------------------------

    def quote(self, bet: Bet, stake: int | None = None, gate: int = 0) -> Quote:
        """A quote, which there must be."""
        found = self.gates[gate].cash_outs.quote(A, bet.bet, stake)
        assert isinstance(found, Quote), found
        return found

    def command(self, quote: Quote, **changes: object) -> CashOut:
        """A quote as its fan takes it up, under a new id."""
        signed = self.gate.cash_outs.sign(quote)
        command = CashOut(self.clock.new_id(), A, quote.bet, quote.stake, quote.amount, quote=signed)
        return msgspec.structs.replace(command, **changes)

    def ask(self, command: CashOut, gate: int = 0) -> "Told":
        """Send it; what comes of it is told later."""
        told = Told(self.clock)
        self.gates[gate].cash_outs.cash_out(command, told.answer, told.wait)
        return told

    def cash_out(self, command: CashOut, *, within_ms: int = 0) -> str:
        """Send it and wait; ``accepted`` or why not."""
        told = self.ask(command)
        self.run(within_ms)
        return told.said

    def watch(self, bet: Bet, amount: int | None) -> str:
        """Set a threshold."""
        told = Told(self.clock)
        self.gate.cash_outs.set_cash_out(SetCashOut(self.clock.new_id(), A, bet.bet, amount, 0), told.answer)
        self.run(0)
        return told.said

    def run(self, duration_ms: int) -> None:
        """Time passes; gates hear what was committed, and the odds owner, in time."""
        until = self.clock.now_ms() + duration_ms
        while True:
            for gate in self.gates:
                gate.beat()
            self.clock.run_until(min(until, self.clock.now_ms() + 100))
            self.hear()
            self.clock.run_for(0)
            if self.clock.now_ms() >= until:
                break

    def bet(self, bet: Bet) -> Bet:
        """As it now stands."""
        found = self.core.bet(bet.bet)
        assert found is not None
        return found

    @property
    def balance(self) -> int:
        view = self.core.account_at(A, self.clock.now_ms())
        assert view is not None
        return view.balance


class Told:
    """What a fan was told, and when."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self.until_ms: int | None = None
        self.answers: list[Answer | Moment] = []
        self.at_ms = 0

    def answer(self, answer: Answer | Moment) -> None:
        self.answers.append(answer)
        self.at_ms = self._clock.now_ms()

    def wait(self, until_ms: int) -> None:
        self.until_ms = until_ms

    @property
    def said(self) -> str:
        """``accepted``, ``waits`` or why not. Answered twice is never right."""
        assert len(self.answers) <= 1, self.answers
        if not self.answers:
            return "waits" if self.until_ms is not None else "nothing"
        answer = self.answers[0]
        return str(answer) if isinstance(answer, Moment) else str(answer.refusal or "accepted")

    @property
    def only(self) -> Answer:
        answer = self.answers[0]
        assert isinstance(answer, Answer)
        return answer
