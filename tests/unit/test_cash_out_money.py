"""Money is conserved whatever bets go through: cashed out in parts, settled, corrected, rolled back, in any order."""

from collections.abc import Sequence
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matchday.backends.ledger_sqlite import SqliteLedgerCore
from matchday.model import lines
from matchday.model.bet import OUTCOMES, Bet, BetStatus, Leg, Policy, Result
from matchday.model.ledger import (
    Answer,
    CashOut,
    Charge,
    Command,
    DecideLegs,
    OpenAccount,
    PlaceBet,
    Refusal,
    SetCashOut,
    SettleBet,
    Transfer,
    VoidLegs,
    standing,
)
from matchday.model.messages import Decision
from matchday.model.posting.rows import charged
from matchday.sim.clock import VirtualClock
from tests.unit.cashing import A

GRANT: Final = 3_000
FIXTURES: Final = ("F", "G", "H")
PRICES: Final = (1_500, 2_000, 3_333)
TYPES: Final = {1: "single", 2: "accumulator", 3: "system:2/3"}
RESULTS: Final[Sequence[Result | None]] = (*Result, None)

NUMBERS = st.integers(0, 5)
DEEDS = st.one_of(
    st.tuples(st.just("place"), st.integers(1, 3), st.integers(3, 900)),
    st.tuples(st.just("cash out"), NUMBERS, st.integers(0, 1000), st.integers(0, 1000)),
    st.tuples(st.just("decide"), st.sampled_from(FIXTURES), st.sampled_from(RESULTS)),
    st.tuples(st.just("void"), st.sampled_from(FIXTURES)),
    st.tuples(st.just("watch"), NUMBERS, st.none() | st.integers(1, 500)),
    st.tuples(st.just("withdraw"), st.integers(1, 3_000)),
)


class Books:
    """A ledger, and what it must hold."""

    def __init__(self) -> None:
        self.core, self.clock = SqliteLedgerCore(":memory:"), VirtualClock(seed=1)
        self.version, self.in_out = 0, GRANT
        self.names: list[str] = []
        self.final: dict[str, Bet] = {}
        self.commit(OpenAccount("open", A, "EUR", 0, 10**9), Transfer("grant", A, GRANT, "EUR", "grant", 0))

    def commit(self, *commands: Command) -> list[Answer]:
        answers = self.core.commit(commands)
        again = self.core.commit(commands)  # everything may be delivered twice
        assert all(
            answer.repeated or answer.refusal == Refusal.ID_EXPIRED or isinstance(command, SettleBet)
            for command, answer in zip(commands, again, strict=True)
        )
        return answers

    @property
    def bets(self) -> list[Bet]:
        return [bet for name in self.names if (bet := self.core.bet(name)) is not None]

    def at(self, bet: Bet) -> int:
        selections = [leg.selection for leg in bet.legs]
        return standing(bet, self.core.decisions(selections), self.core.windows(FIXTURES))[0]

    def place(self, legs: int, stake: int) -> None:
        taken = tuple(
            Leg(f, f"{f}:1x2", f"{f}:1x2/home", p, 0) for f, p in zip(FIXTURES[:legs], PRICES[:legs], strict=True)
        )
        name, type_ = f"b{len(self.names)}", TYPES[legs]
        most = int(stake * lines.most(type_, [leg.price for leg in taken]))
        charges = tuple(
            Charge(f"exposure:{key}#0", most - stake, 10**9, Refusal.EXPOSURE_REACHED)
            for key in ("F", taken[0].selection)
        )
        command = PlaceBet(
            self.clock.new_id(), A, "EUR", stake, Policy.ANY, taken, name, self.clock.now_ms(), taken, charges,
            type=type_,
        )  # fmt: skip
        if self.commit(command)[0].refusal is None:
            self.names.append(name)

    def cash_out(self, number: int, part: int, share: int) -> None:
        """Some part of a bet, for some share of the most that it may return."""
        if not self.names:
            return
        bet = self.bets[number % len(self.names)]
        stake = min(bet.remaining, 1 + bet.remaining * part // 1_000) if bet.remaining else 1
        amount = int(stake * lines.most(bet.type, [leg.price for leg in bet.legs])) * share // 1_000
        now = self.clock.now_ms()
        command = CashOut(self.clock.new_id(), A, bet.bet, stake, amount, now, amount, self.at(bet))
        refusal = self.commit(command)[0].refusal
        expected = None if amount else Refusal.CASH_OUT_UNAVAILABLE
        assert refusal == (expected if bet.status == BetStatus.OPEN else Refusal.BET_NOT_OPEN)

    def settle(self, *said: Command) -> None:
        self.commit(*said)
        for bet in self.bets:
            self.commit(SettleBet(f"settle:{bet.bet}:{self.at(bet)}", bet.bet, A, self.clock.now_ms()))

    def do(self, deed: tuple[Any, ...]) -> None:
        self.clock.run_for(1_000)
        now = self.clock.now_ms()
        self.version += 1
        match deed:
            case ("place", legs, stake):
                self.place(legs, stake)
            case ("cash out", number, part, share):
                self.cash_out(number, part, share)
            case ("decide", fixture, result):
                outcome = None if result is None else OUTCOMES[result]
                decision = Decision(f"{fixture}:1x2", f"{fixture}:1x2/home", outcome)
                self.settle(DecideLegs(f"decide:{fixture}:{self.version}", fixture, self.version, (decision,), now))
            case ("void", fixture):
                self.settle(VoidLegs(f"void:{fixture}:{self.version}", fixture, self.version, now - 3_000, now, now))
            case ("watch", number, amount) if self.names:
                name = self.names[number % len(self.names)]
                self.commit(SetCashOut(self.clock.new_id(), A, name, amount, now))
            case ("withdraw", amount):
                if self.commit(Transfer(self.clock.new_id(), A, -amount, "EUR", "withdrawal", now))[0].refusal is None:
                    self.in_out -= amount
            case _:
                pass

    def check(self) -> None:
        bets, view = self.bets, self.core.account_at(A, self.clock.now_ms())
        assert view is not None
        assert set(self.core.totals().values()) == {0}
        assert self.core.balances() == {**dict.fromkeys(self.core.balances(), 0), **self.core.posted()}
        # What the fan has had of each bet, beyond what is owed on it, is what it was paid and returned.
        assert view.balance == self.in_out + sum(bet.cash + bet.returns + bet.owed - bet.stake for bet in bets)
        reserved = sum(bet.remaining for bet in bets if bet.status == BetStatus.OPEN)
        assert self.core.balances().get("stakes:EUR:0", 0) == reserved
        held: dict[str, int] = {}
        for bet in bets:
            assert 0 <= bet.cashed <= bet.stake
            assert bet.cash <= bet.cashed * lines.most(bet.type, [leg.price for leg in bet.legs])
            assert (bet.remaining == 0) == (bet.status == BetStatus.CASHED_OUT)
            if bet.status == BetStatus.CASHED_OUT:
                assert self.final.setdefault(bet.bet, bet) == bet  # it stands, whatever comes
            if bet.status == BetStatus.OPEN:
                most = int(bet.stake * lines.most(bet.type, [leg.price for leg in bet.legs])) - bet.stake
                for key in ("F", bet.legs[0].selection):
                    guard = f"exposure:{key}#0"
                    held[guard] = held.get(guard, 0) + charged(most, bet)
        assert {guard: used for guard, used in self.core.all_guards().items() if used} == {
            guard: used for guard, used in held.items() if used
        }


@settings(max_examples=60, deadline=None)
@given(st.lists(DEEDS, min_size=1, max_size=14))
def test_whatever_happens_to_bets(deeds: list[tuple[Any, ...]]) -> None:
    books = Books()
    for deed in [("place", 1, 500), ("place", 3, 300), *deeds]:
        books.do(deed)
        books.check()


@pytest.mark.parametrize(
    ("deeds", "balance", "status", "owed"),
    [
        # stake 100 at 1.5, half of it cashed out for half of the most
        ([("cash out", 0, 499, 500)], 2_937, BetStatus.OPEN, 0),
        ([("cash out", 0, 499, 500), ("decide", "F", Result.WON)], 3_012, BetStatus.SETTLED, 0),
        ([("cash out", 0, 499, 500), ("decide", "F", Result.LOST)], 2_937, BetStatus.SETTLED, 0),
        ([("cash out", 0, 499, 500), ("decide", "F", Result.VOID)], 2_987, BetStatus.VOID, 0),
        ([("cash out", 0, 499, 500), ("decide", "F", Result.WON), ("decide", "F", None)], 2_937, BetStatus.OPEN, 0),
        # settled, then rolled back when the winnings are gone: what is owed is taken from what is then cashed out
        ([("decide", "F", Result.WON), ("withdraw", 3_000), ("decide", "F", None)], 0, BetStatus.OPEN, 100),
        ([("decide", "F", Result.WON), ("withdraw", 3_000), ("decide", "F", None), ("cash out", 0, 1000, 600)], 0,
         BetStatus.CASHED_OUT, 10),
        ([("decide", "F", Result.WON), ("withdraw", 3_000), ("decide", "F", None), ("cash out", 0, 1000, 1000)], 50,
         BetStatus.CASHED_OUT, 0),
        # whole: nothing that its legs come to changes it
        ([("cash out", 0, 1000, 1000), ("decide", "F", Result.WON), ("decide", "F", Result.LOST), ("void", "F")], 3_050,
         BetStatus.CASHED_OUT, 0),
    ],
)  # fmt: skip
def test_one_bet(deeds: list[tuple[Any, ...]], balance: int, status: BetStatus, owed: int) -> None:
    books = Books()
    for deed in [("place", 1, 100), *deeds]:
        books.do(deed)
        books.check()
    view, bet = books.core.account_at(A, books.clock.now_ms()), books.bets[0]
    assert view is not None
    assert (view.balance, bet.status, bet.owed) == (balance, status, owed)
