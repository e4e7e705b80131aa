"""The crowd: simulated fans with accounts and screens, who bet on what they see and never take silence for an answer.

Owns what each fan intends, and what each was told. A request may be lost, late, or answered twice; the fan sends it
again under its id, to whichever gate is up, until it is answered. Never looks at anything but the fan's own screen.
"""

import random
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import msgspec

from matchday.model.bet import Bet, Leg, Policy
from matchday.model.ledger import (
    Answer,
    CashOut,
    Command,
    GrantFreeBet,
    LimitName,
    Moment,
    PlaceBet,
    Refusal,
    SetCashOut,
    SetLimit,
    Transfer,
)
from matchday.sim.clock import VirtualClock
from matchday.sim.faults import Fault, Faults
from matchday.sim.screens import Door, Frames, Screen
from matchday.sim.slips import any_leg, known_leg, legs_of, type_of

THINK_MS: Final = (10_000, 240_000)
_WIRE_MS: Final = (1, 60)
_LATE_MS: Final = (500, 20_000)
_TIMEOUT_MS: Final = 4_000
_PATIENCE: Final = 6
"""Attempts before a fan looks away for a minute, to ask again later."""
_QUICK: Final = 0.7
_QUICK_MS: Final = 6_000
_AT_ONCE_MS: Final = 1_500
_CASHED_MAX: Final = 8
"""Bets that a fan cashes out at once."""
_RUSHES: Final = 0.7
_RUSH_MS: Final = 15_000
_RUSH_BETS: Final = 10
_RUSH_STAKE_MAX: Final = 4_000
_STAKES: Final = (100, 200, 250, 500, 1_000, 1_500, 2_000, 5_000, 9_000, 49_999)
_USES_FREE_BET: Final = 0.15
_TAKES: Final = (0, 1, 1, 2, 2)
"""How often a fan takes up one offer."""
_TAKES_MS: Final = (200, 8_000)
RATES_HZ: Final = (None, None, 0.05)
"""How often fans, one after the other, want to hear of a channel: most of them of every change."""


class GateDoor(Protocol):
    """A gate, as a fan's client sees it."""

    @property
    def push(self) -> Door:
        """Its push room."""

    def token(self, account: str) -> str:
        """What signs an account in."""

    def run(self, call: Callable[[], object]) -> None:
        """Do something in its process."""

    def quote(self, leg: Leg) -> int | None:
        """The price of a leg now, in thousandths."""

    def cash_quote(self, account: str, bet: str, stake: int | None) -> CashOut | None:
        """What is offered for a bet, or for a part of its stake, as the command that takes it up."""

    def ask(self, command: Command, done: Callable[[Answer | Moment], None]) -> None:
        """Send a command; ``done`` is called in the gate's process."""


class Request(msgspec.Struct):
    """A command on its way, and what came of it."""

    command: Command
    attempts: int = 0
    answers: list[Answer] = []
    settled: bool = False
    """It has an answer that records something, or was given up for another reason than silence."""
    near: bool = False
    """Its first attempt goes to the gate whose prices the fan sees."""


class Fan:
    """One fan."""

    def __init__(self, number: int, account: str, limit: int, chance: random.Random, screen: Screen) -> None:
        self.number, self.account, self.chance, self.screen = number, account, chance, screen
        self.limit = limit
        """The stake limit of a day that the account was opened with."""
        self.waits = False
        """For midnight, before betting."""
        self.requests: dict[str, Request] = {}
        self.channels: list[str] = []
        self.gone = False
        self.free_bets: list[tuple[str, int]] = []
        """(id, amount) of those that were given, used or not."""
        self.bets: list[Bet] = []
        """As they were accepted."""
        self.taken: set[str] = set()
        """Offers of traders that were taken up."""
        self.withdraws = chance.random() < 0.3
        self.policy = chance.choice(tuple(Policy))


class Crowd:
    """All fans of a world."""

    def __init__(
        self,
        clock: VirtualClock,
        faults: Faults,
        gates: Callable[[], Sequence[GateDoor]],
        answered: Callable[[Command, Answer], None],
        shown: Callable[[Screen, str], None],
    ) -> None:
        self._clock, self._faults, self._gates, self._answered = clock, faults, gates, answered
        self._shown, self._frames = shown, Frames()
        self.fans: list[Fan] = []
        self._of: dict[str, Fan] = {}
        """Account -> whose it is."""
        self._wire = clock.random("wire")
        self.asked = 0

    def join(self, account: str, limit: int, fixtures: Sequence[str], *, waits: bool = False) -> None:
        """A fan with an account; follows one to three of the fixtures, the list, and the own account."""
        number = len(self.fans)
        chance = self._clock.random(f"fan-{number}")
        screen = Screen(account, self._frames, self._shown, RATES_HZ[number % len(RATES_HZ)])
        fan = Fan(number, account, limit, chance, screen)
        fan.waits = waits
        followed = chance.sample(list(fixtures), min(len(fixtures), chance.randint(1, 3)))
        fan.channels = ["account", "home", *(f"fixture:{fixture}" for fixture in followed)]
        self.fans.append(fan)
        self._of[account] = fan
        self._later(chance.randrange(60_000), lambda: self._connect(fan))
        self._later(chance.randrange(*THINK_MS), lambda: self._think(fan))

    def goal(self, fixture: str) -> None:
        """A goal is falling: some see it before the platform is told, and bet on what their screen still shows."""
        for fan in self.fans:
            if f"fixture:{fixture}" in fan.channels and fan.chance.random() < _QUICK and not self._faults.over:
                self._later(fan.chance.randrange(_QUICK_MS), lambda fan=fan: self._bet_quickly(fan, fixture))  # type: ignore[misc]
                self._later(fan.chance.randrange(_AT_ONCE_MS), lambda fan=fan: self._cash_out_quickly(fan, fixture))  # type: ignore[misc]

    def midnight(self) -> None:
        """It is midnight: fans have waited for the new day's limit, and try to use it up at once."""
        for fan in self.fans:
            if (fan.waits or fan.chance.random() < _RUSHES) and not self._faults.over:
                for _ in range(_RUSH_BETS):
                    self._later(fan.chance.randrange(_RUSH_MS), lambda fan=fan: self._rush(fan))  # type: ignore[misc]
            fan.waits = False

    def _rush(self, fan: Fan) -> None:
        """A single on the shortest price at hand, which no exposure stands in the way of."""
        views = [(channel.partition(":")[2], fan.screen.views.get(channel)) for channel in fan.channels[2:]]
        found = [any_leg(fan.chance, fixture, view) for fixture, view in views * 3 if view is not None]
        legs = sorted((leg for leg in found if leg is not None), key=lambda leg: leg.price)[:1]
        if legs:
            stake = min(fan.limit // 5, _RUSH_STAKE_MAX)
            self._send(fan, PlaceBet(self._clock.new_id(), fan.account, "EUR", stake, Policy.ANY, tuple(legs)))

    def _bet_quickly(self, fan: Fan, fixture: str) -> None:
        view = fan.screen.views.get(f"fixture:{fixture}")
        leg = known_leg(fan.chance, fixture, view) if view is not None else None
        if leg is not None:
            bet = PlaceBet(self._clock.new_id(), fan.account, "EUR", 100, Policy.ANY, (leg,))
            self._send(fan, bet, near=True)
            if fan.withdraws:  # gone with the return before anybody looks at the screen
                self._later(fan.chance.randrange(5_000, 60_000), lambda: self._withdraw(fan))

    def _cash_out_quickly(self, fan: Fan, fixture: str) -> None:
        """Take what is offered for bets on a fixture, before the goal is known to who offers it; for those first that
        live on when the goal decides one of their legs."""
        gate, bets = self._own_gate(fan), [bet for bet in fan.bets if any(leg.fixture == fixture for leg in bet.legs)]
        for bet in sorted(bets, key=lambda bet: len(bet.legs))[-_CASHED_MAX:]:
            command = gate.cash_quote(fan.account, bet.bet, None) if gate is not None else None
            if command is not None:
                self._send(fan, command, near=True)

    def gate_died(self, push: Door) -> None:
        """A gate is gone, its connections with it."""
        for fan in self.fans:
            if fan.screen.door is push:
                fan.screen.away()

    @property
    def waiting(self) -> int:
        """Requests without an answer."""
        return sum(not request.settled for fan in self.fans for request in fan.requests.values())

    def _later(self, delay_ms: int, call: Callable[[], None]) -> None:
        self._clock.call_later(delay_ms, call)

    # --- the screen ---------------------------------------------------------------------------------------------------

    def _connect(self, fan: Fan) -> None:
        """Keep the screen connected."""
        self._later(fan.chance.randrange(500, 10_000), lambda: self._connect(fan))
        screen = fan.screen
        if screen.door is None:
            if gates := self._gates():
                gate = fan.chance.choice(gates)
                gate.run(lambda: screen.connect(gate.push, gate.token(fan.account), fan.channels))
        elif screen.blocked is not None:
            if self._faults.over or fan.chance.random() < 0.3:
                self._in_gate(screen, screen.unblock)
        elif self._faults.happens(Fault.DROPPED_SCREEN, 0.003):
            self._in_gate(screen, screen.lose)
        elif self._faults.happens(Fault.SLOW_SCREEN, 0.001):
            screen.blocked = []
        elif missing := [channel for channel in fan.channels if channel not in screen.views]:
            self._in_gate(screen, lambda: screen.follow(missing))

    def _in_gate(self, screen: Screen, call: Callable[[], None]) -> None:
        for gate in self._gates():
            if gate.push is screen.door:
                gate.run(call)
                return

    # --- bets ---------------------------------------------------------------------------------------------------------

    def _think(self, fan: Fan) -> None:
        if fan.gone:
            return
        self._later(fan.chance.randrange(*THINK_MS), lambda: self._think(fan))
        if self._faults.over:
            return
        deed = fan.chance.random()
        if deed < 0.015:
            name, amount = fan.chance.choice(tuple(LimitName)), fan.chance.choice((3_000, 20_000, 400_000, None))
            self._send(fan, SetLimit(self._clock.new_id(), fan.account, amount, 0, name))
        elif (fan.bets and deed > 0.8 and self._cash_out(fan)) or self._take_offer(fan):
            return
        elif deed < 0.05 or (fan.withdraws and deed < 0.3):
            self._withdraw(fan)
        elif not fan.waits and (bet := self._bet(fan)) is not None:
            delay = fan.chance.choice((100, 800, 2_000, 15_000, 40_000))
            self._later(delay, lambda: self._send(fan, bet))
            if self._faults.happens(Fault.OTHER_PAYLOAD, 0.05):
                other = msgspec.structs.replace(bet, stake=bet.stake + 10)
                self._later(delay + fan.chance.choice((0, 1, 3_000, 60_000)), lambda: self._send(fan, other, "again"))

    def _withdraw(self, fan: Fan) -> None:
        view = fan.screen.views.get("account")
        if view is None or view.balance is None:
            return
        whole = int(view.balance.replace(".", ""))
        amount = -whole if fan.withdraws and whole else fan.chance.choice((5_000, -1_000))
        if amount:
            reason = "withdrawal" if amount < 0 else "deposit"
            self._send(fan, Transfer(self._clock.new_id(), fan.account, amount, "EUR", reason, 0))

    def _bet(self, fan: Fan) -> PlaceBet | None:
        chance = fan.chance
        legs = legs_of(chance, fan.screen.views, fan.channels[2:], lambda leg: self._quoted(fan, leg))
        if not legs:
            return None
        bet_type, number = type_of(chance, len(legs))
        stake = number * max(1, chance.choice(_STAKES) // number)
        free_bet = ""
        if fan.free_bets and chance.random() < _USES_FREE_BET:
            free_bet, amount = chance.choice(fan.free_bets)  # perhaps one that was used, or whose time is over
            stake = amount if chance.random() < 0.95 else stake
        return PlaceBet(
            self._clock.new_id(), fan.account, "EUR", stake, fan.policy, tuple(legs), type=bet_type,
            tolerance=chance.choice((None, None, 0, 20, 150)), free_bet=free_bet, refer=chance.random() < 0.7,
        )  # fmt: skip

    def _quoted(self, fan: Fan, leg: Leg) -> int | None:
        """The price of a combination, as the gate of the fan's screen quotes it."""
        gate = self._own_gate(fan)
        return None if gate is None else gate.quote(leg)

    def _cash_out(self, fan: Fan) -> bool:
        """Ask what a bet would be cashed out for, whole or in part, and take it up a little later; or set a
        threshold."""
        chance = fan.chance
        bet = chance.choice(fan.bets)
        if chance.random() < 0.3:
            amount = chance.choice((None, bet.stake // 2 + 1, bet.stake, bet.stake * 6 // 5))
            self._send(fan, SetCashOut(self._clock.new_id(), fan.account, bet.bet, amount, 0))
            return True
        stake = chance.choice((None, None, max(1, bet.stake // 3)))
        gate = self._own_gate(fan)
        command = None if gate is None else gate.cash_quote(fan.account, bet.bet, stake)
        if command is None:
            return False
        delay = chance.choice((100, 800, 2_000, 12_000))
        self._later(delay, lambda: self._send(fan, command))
        if self._faults.happens(Fault.OTHER_PAYLOAD, 0.02):
            more = msgspec.structs.replace(command, asked=command.asked + 1)
            self._later(delay, lambda: self._send(fan, more, "again"))
        return True

    def _own_gate(self, fan: Fan) -> GateDoor | None:
        """The gate of a fan's screen."""
        return next((gate for gate in self._gates() if gate.push is fan.screen.door), None)

    def _take_offer(self, fan: Fan, asked: str = "") -> bool:
        """Take up an offer that the screen shows: the one for a certain request, or any that is new to the fan."""
        view = fan.screen.views.get("account")
        for fact in view.facts if view is not None else ():
            offer, request = fact.get("offer"), fan.requests.get(fact.get("id", ""))
            if not offer or request is None or (fact["id"] != asked if asked else offer["offer"] in fan.taken):
                continue
            bet = request.command
            assert isinstance(bet, PlaceBet)
            fan.taken.add(offer["offer"])
            stake = int(offer["stake"].replace(".", "")) + (fan.chance.random() < 0.05)
            self._send(fan, PlaceBet(
                self._clock.new_id(), fan.account, "EUR", stake, bet.policy, bet.asked, type=bet.type,
                offer=offer["offer"],
            ))  # fmt: skip
            return True
        return False

    def _consider(self, fan: Fan, asked: str) -> None:
        """Something else was offered for a request: most take it up at once, and many of them twice."""

        def take() -> None:
            self._take_offer(fan, asked)

        for _ in range(fan.chance.choice(_TAKES)):
            self._later(fan.chance.randrange(*_TAKES_MS), take)

    def given(self, account: str, free_bet: str, amount: int, until_ms: int) -> None:
        """The house gives a fan a free bet."""
        fan = self._of[account]
        fan.free_bets.append((free_bet, amount))
        grant = GrantFreeBet(f"give:{free_bet}", account, free_bet, amount, "EUR", until_ms, 0)
        self._send(fan, grant)

    # --- asking until answered ----------------------------------------------------------------------------------------

    def _send(self, fan: Fan, command: Command, variant: str = "", *, near: bool = False) -> None:
        request = fan.requests[f"{command.id}{variant}"] = Request(command, answers=[], near=near)
        self._attempt(fan, request)

    def _attempt(self, fan: Fan, request: Request) -> None:
        if request.settled:
            return
        request.attempts += 1
        self.asked += 1
        patience = _TIMEOUT_MS if request.attempts % _PATIENCE else 60_000
        self._later(patience, lambda: self._attempt(fan, request))
        gates = self._gates()
        if not gates or self._faults.happens(Fault.LOST_REQUEST, 0.05):
            return
        own = [gate for gate in gates if gate.push is fan.screen.door]
        gate = fan.chance.choice(own if own and request.near and request.attempts == 1 else gates)

        def arrived(answer: Answer | Moment) -> None:
            if not self._faults.happens(Fault.LOST_ANSWER, 0.05):
                self._later(self._travel(), lambda: self._hear(request, answer))

        def arrive() -> None:
            if gate in self._gates():
                gate.ask(request.command, arrived)

        self._later(self._travel(), arrive)

    def _travel(self) -> int:
        if self._faults.happens(Fault.REORDER, 0.05):
            return self._faults.stream(Fault.REORDER).randint(*_LATE_MS)
        return self._wire.randint(*_WIRE_MS)

    def _hear(self, request: Request, answer: Answer | Moment) -> None:
        if isinstance(answer, Moment) or answer.pending_until_ms:
            return  # it is asked about again
        request.settled = True
        if answer.bet is not None and answer.refusal is None and isinstance(request.command, PlaceBet):
            self._of[answer.account].bets.append(answer.bet)
        if answer.refusal == Refusal.RE_OFFERED:
            self._consider(self._of[answer.account], answer.id)
        request.answers.append(answer)
        self._answered(request.command, answer)
