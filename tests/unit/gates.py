"""What tests of acceptance need: one or more gates over one ledger, with a book that the test writes."""

from collections.abc import Callable, Sequence

import msgspec

from matchday.backends.ledger_sqlite import SqliteLedgerCore
from matchday.config import Bets as BetSettings
from matchday.model.bet import Leg, Part, Policy, combination
from matchday.model.book import Books
from matchday.model.ledger import AccountView, Answer, Command, Moment, OpenAccount, PlaceBet, Refusal, Transfer
from matchday.model.market import Market, MarketStatus, Selection, split_selection
from matchday.model.messages import Board, BookChanged, FixtureStatus
from matchday.ports import Clock, Ledger
from matchday.services.bets import Bets
from matchday.services.bets.judge import Combine
from matchday.sim.clock import VirtualClock
from tests.unit.doors import MoodyLedger, no_joint_price

AT_ONCE = BetSettings(delay_ms=0)


class Told(msgspec.Struct):
    """What a caller was told, in order: until when his bet waits, and its answer."""

    waits: list[int] = []
    answers: list[Answer | Moment] = []

    @property
    def answer(self) -> Answer:
        """The one answer, of the ledger's."""
        (answer,) = self.answers
        assert isinstance(answer, Answer), answer
        return answer

    @property
    def refusal(self) -> Refusal | None:
        """Why it was refused."""
        return self.answer.refusal


class Gates:
    """The bets rooms of some gates, which share books and ledger."""

    def __init__(
        self, clock: Clock, ledger: Ledger, settings: Sequence[BetSettings], combine: Combine = no_joint_price
    ) -> None:
        self.clock, self.ledger = clock, ledger
        self.books = Books()
        self.rooms = [Bets(clock, ledger, self.books, each, combine) for each in settings]
        self._offset = 0

    def offer(
        self, market: str = "F:1x2", *, price: int = 2_500, outcomes: Sequence[str] = ("home", "draw", "away"),
        generation: int = 1, status: MarketStatus = MarketStatus.OPEN, live: bool = False, stake_max: int | None = None,
    ) -> None:  # fmt: skip
        """A market as it stands from now on; the owner of the books is heard."""
        self._offset += 1
        fixture, key, _ = split_selection(f"{market}/x")
        playing = FixtureStatus.LIVE if live else FixtureStatus.SCHEDULED
        board = Board(fixture, "Cup", "Home", "Away", 0, playing, "1H", 0, 0, 1.0, (0, 0), None, None, (0, 0), (0, 0))
        selections = tuple(Selection(outcome, price) for outcome in outcomes)
        held = Market(market, key.type, key.line, status, generation, selections, stake_max)
        change = BookChanged(fixture, 1, self._offset, "tick", self.clock.now_ms(), board, (held,))
        self.books.apply(change, self._offset)
        self.heard()

    def heard(self) -> None:
        """The owner of the books is heard."""
        for room in self.rooms:
            room.odds_alive(1, self.clock.now_ms())

    def leg(self, selection: str = "F:1x2/home", *, price: int = 0, generation: int | None = None) -> Leg:
        """A leg as a fan sees it now, but for what is given."""
        fixture, key, outcome = split_selection(selection)
        market = self.books.market(fixture, key.of(fixture))
        now = (market.price_of(outcome) if market else None) or 1_001
        seen = (market.generation if market else 0) if generation is None else generation
        return Leg(fixture, key.of(fixture), selection, price or now, seen)

    def together(self, *selections: str, price: int) -> Leg:
        """A combination as a fan sees it now."""
        legs = [self.leg(selection) for selection in selections]
        return combination(legs[0].fixture, price, [Part(leg.market, leg.selection, leg.generation) for leg in legs])

    def bet(
        self, stake: int, *legs: Leg | str, account: str = "anna", policy: Policy = Policy.BETTER, id_: str = "",
        type_: str = "", tolerance: int | None = None, free_bet: str = "", refer: bool = False, offer: str = "",
        currency: str = "EUR",
    ) -> PlaceBet:  # fmt: skip
        """What a fan sends."""
        asked = tuple(self.leg(leg) if isinstance(leg, str) else leg for leg in legs or ("F:1x2/home",))
        return PlaceBet(
            id_ or self.clock.new_id(), account, currency, stake, policy, asked, type=type_, tolerance=tolerance,
            free_bet=free_bet, refer=refer, offer=offer,
        )  # fmt: skip

    def place(self, command: PlaceBet, gate: int = 0) -> Told:
        """Ask a gate; what it says comes as time goes on."""
        told = Told()
        self.rooms[gate].place(command, told.answers.append, told.waits.append)
        return told


class Recorded(SqliteLedgerCore):
    """A ledger that remembers in which order it was told what."""

    def __init__(self) -> None:
        super().__init__(":memory:")
        self.told: list[Command] = []

    def commit(self, commands: Sequence[Command]) -> list[Answer]:
        """See ``SqliteLedgerCore.commit``."""
        self.told += commands
        return super().commit(commands)


class Table(Gates):
    """Gates under the virtual clock, over a ledger in memory, with one open market of one fixture."""

    clock: VirtualClock
    ledger: MoodyLedger

    def __init__(self, *settings: BetSettings, seed: int = 1, combine: Combine = no_joint_price) -> None:
        clock = VirtualClock(seed)
        self.core = Recorded()
        super().__init__(clock, MoodyLedger(self.core, clock), settings or (AT_ONCE,), combine)
        self.offer()

    def fan(self, account: str = "anna", balance: int = 100_000) -> str:
        """An account with that much on it."""
        now = self.clock.now_ms()
        self.commit(
            OpenAccount(f"open:{account}", account, "EUR", now),
            Transfer(f"grant:{account}", account, balance, "EUR", "grant", now),
        )
        return account

    def commit(self, *commands: Command) -> list[Answer]:
        """To the ledger, past the gates."""
        return self.core.commit(commands)

    def now(self, command: PlaceBet, gate: int = 0) -> Answer:
        """The answer to a bet that does not wait."""
        told = self.place(command, gate)
        self.clock.run_for(0)
        return told.answer

    def view(self, account: str = "anna") -> AccountView:
        """The account as it is."""
        view = self.ledger.account(account)
        assert view is not None
        return view


def run_all(clock: VirtualClock, calls: Sequence[Callable[[], object]]) -> None:
    """Make those calls at this moment, then what follows from them."""
    for call in calls:
        call()
    clock.run_for(0)
