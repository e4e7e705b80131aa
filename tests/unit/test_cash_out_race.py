"""A cash-out racing a goal, a thousand times by hand and a thousand by its own threshold.

A goal is known three times: when the gate hears that the book is suspended, when the ledger is told what it decides,
and when the bets on it are settled. Whatever comes first, a bet is cashed out only by a gate that did not know of it,
in a ledger that did not, for what was quoted; or it goes with its legs, whole.
"""

import random
from collections import Counter as Tally
from collections.abc import Callable, Sequence
from functools import partial

import msgspec
import pytest

from matchday.backends.ledger_sqlite import Done
from matchday.model.bet import OUTCOMES, Bet, BetStatus, Result
from matchday.model.ledger import Answer, CashOut, Command, DecideLegs, SettleBet
from matchday.model.messages import Decision
from matchday.ports import LedgerUnavailable
from tests.unit.cashing import CLOSED, EVEN, SUSPENDED, A, Counter, Gate, LateLedger, Told

SEEDS = 1_000
DELAY_MS = 3_999
"""Times of a cash-out divide by three, those of a goal do not: nothing happens in the same millisecond."""
NEVER = 10**18


class Seen(LateLedger):
    """The ledger, and when cash-outs were handed over and committed."""

    sealed: list[tuple[int, CashOut]]
    committed: dict[str, tuple[int, Answer]]

    def commit(self, commands: Sequence[Command], done: Done) -> None:
        """See ``Ledger.commit``."""
        cash_outs = [command for command in commands if isinstance(command, CashOut)]
        self.sealed += [(self._clock.now_ms(), command) for command in cash_outs]
        way_ms = self.way_ms

        def answered(outcome: Sequence[Answer] | LedgerUnavailable) -> None:
            assert not isinstance(outcome, LedgerUnavailable)
            for command, answer in zip(commands, outcome, strict=True):
                if isinstance(command, CashOut):
                    self.committed.setdefault(command.id, (self._clock.now_ms(), answer))
            done(outcome)

        super().commit(commands, answered)
        assert way_ms == self.way_ms


class Race(msgspec.Struct):
    """What one seed draws, in milliseconds from its begin."""

    side: str
    """Of the bet: a goal decides over won and under lost."""
    stake: int
    part: int
    """Of the stake, that is cashed out by hand."""
    asked: int
    """When the fan takes his quote up; of an automatic one, when its price comes."""
    heard: list[int]
    """When each gate hears of the goal."""
    decided: int
    """When the ledger does; never, where it was no goal after all."""
    settled: int
    resumed: int
    """When a book whose goal was none is back."""
    way: int
    """From a gate to the ledger."""
    drifts: int
    """When the price gets a little longer or shorter."""
    drift: int


def drawn(seed: int, *, gates: int) -> Race:
    chance = random.Random(seed)
    asked, goal = 3 * chance.randrange(2_000), 3 * chance.randrange(3_300) + 1
    real = chance.random() < 0.8
    decided = goal + 3 * chance.randrange(500)
    heard = [goal + 3 * chance.randrange(200) for _ in range(gates)]
    return Race(
        chance.choice(["over", "under"]), stake := 100 * chance.randrange(1, 50), chance.choice([stake, stake // 2]),
        asked, heard, decided if real else NEVER, decided + 3 * chance.randrange(100) if real else NEVER,
        NEVER if real else max(heard) + 3 * chance.randrange(1, 1_500), 3 * chance.randrange(150),
        3 * chance.randrange(4_000) + 2, chance.choice([-1, 0, 0, 0, 1]),
    )  # fmt: skip


class Course(Counter):
    """Where races are run, one after the other, each on a fixture of its own."""

    def __init__(self, gates: int) -> None:
        super().__init__(gates=gates, balance=10**9, delay_ms=DELAY_MS, quote_ms=20_000, odds_silence_ms_max=10**9)
        seen = Seen(self.core, self.clock)
        seen.sealed, seen.committed = [], {}
        self.ledger = self.seen = seen
        self.gates = [Gate(self.clock, seen, self.settings) for _ in range(gates)]
        self.gate = self.gates[0]

    def run_race(self, seed: int, race: Race) -> tuple[Bet, str]:
        """Set it up: a bet on a fixture in play, and what happens on the pitch."""
        self.clock.run_for(3 - self.clock.now_ms() % 3)
        self.began = self.clock.now_ms()
        self.seen.sealed.clear()
        self.seen.committed.clear()
        self.seen.way_ms = race.way
        market = f"R{seed}:total_goals@2.5"
        for gate in self.gates:
            gate.books.fixtures.clear()
            gate.book(market, live=True)
        bet = self.place(f"{market}/{race.side}", stake=race.stake)
        self.at(race.drifts, partial(self.move, market, race.drift))
        for gate, heard in zip(self.gates, race.heard, strict=True):
            self.at(heard, partial(gate.book, market, status=SUSPENDED, generation=2))
            if race.decided == NEVER:
                self.at(race.resumed, partial(gate.book, market, generation=2))
            else:
                self.at(heard + 3, partial(gate.book, market, status=CLOSED, generation=2))
        if race.decided != NEVER:
            self.at(race.decided, partial(self.goal, market))
            self.at(race.settled, partial(self.settle, bet))
        return bet, market

    def at(self, after_ms: int, call: Callable[[], None]) -> None:
        """So long after the begin of the race."""
        self.clock.call_later(self.began + after_ms - self.clock.now_ms(), call)

    def move(self, market: str, drift: int) -> None:
        for gate in self.gates:
            held = gate.books.fixtures[market.partition(":")[0]].markets[market]
            if held.generation == 1 and held.status == "open" and drift:
                gate.book(market, EVEN + 40 * drift, other=EVEN - 38 * drift)

    def reach(self, market: str, side: str) -> None:
        """The side gets likelier, where the market is open."""
        price, other = (1_900, 2_112) if side == "over" else (2_112, 1_900)
        for gate in self.gates:
            held = gate.books.fixtures[market.partition(":")[0]].markets[market]
            if held.status == "open":
                gate.book(market, price, other=other, generation=held.generation)

    def goal(self, market: str) -> None:
        results = {"over": Result.WON, "under": Result.LOST}
        decisions = tuple(Decision(market, f"{market}/{name}", OUTCOMES[result]) for name, result in results.items())
        fixture = market.partition(":")[0]
        self.commit(DecideLegs(f"decide:{fixture}:1", fixture, 1, decisions, self.clock.now_ms()))

    def settle(self, bet: Bet) -> None:
        self.commit(SettleBet(f"settle:{bet.bet}:1", bet.bet, A, self.clock.now_ms()))

    def let_run(self) -> None:
        for _ in range(60):
            self.clock.run_for(500)
            self.hear()

    def check_money(self, bet: Bet, race: Race, before: int) -> None:
        """Each unit of the stake was paid out, or went with its leg; none did both, and nothing is left reserved."""
        now = self.bet(bet)
        won = race.side == "over" and race.decided != NEVER
        if now.status != BetStatus.OPEN:
            assert now.returns == (2 * now.remaining if won else 0)
        assert self.balance - before == now.cash + now.returns
        assert (now.status == BetStatus.OPEN) == (race.decided == NEVER and now.remaining > 0)
        assert set(self.core.totals().values()) == {0}
        assert self.core.all_guards() == {}

    def check_paid(self, race: Race, command: CashOut, sealed_ms: int, gate: int) -> None:
        """Neither that gate nor the ledger knew of the goal, or it was none and the market is back."""
        committed_ms, _ = self.seen.committed[command.id]
        assert committed_ms - self.began < race.decided
        assert not race.heard[gate] <= sealed_ms - self.began < race.resumed


def expected(race: Race) -> str:
    """What becomes of a cash-out by hand, by the times alone. It is judged as it comes, and when its delay is over."""
    heard, end = race.heard[0], race.asked + DELAY_MS
    longer = race.drift * (1 if race.side == "over" else -1) > 0 and race.drifts < heard
    for judged in (race.asked, end):
        committed = judged + race.way
        if race.settled < judged:
            return "bet_not_open"
        if race.decided < judged or heard < judged < race.resumed:
            return "bet_not_open" if race.settled < committed else "cash_out_unavailable"
        if race.resumed < judged or (longer and race.drifts < judged):
            return "bet_not_open" if race.settled < committed else "quote_moved"
    if race.settled < end + race.way:
        return "bet_not_open"
    return "quote_moved" if race.decided < end + race.way else "accepted"


def test_by_hand_it_is_decided_right_a_thousand_times() -> None:
    course, outcomes = Course(gates=1), Tally[str]()
    for seed in range(SEEDS):
        race = drawn(seed, gates=1)
        bet, _ = course.run_race(seed, race)
        before = course.balance
        quote, told = course.quote(bet, race.part), Told(course.clock)
        command = course.command(quote)
        course.at(race.asked, partial(course.gate.cash_outs.cash_out, command, told.answer, told.wait))
        course.let_run()
        assert told.said == expected(race), (seed, race, told.only)
        outcomes[told.said] += 1
        if told.said == "accepted":
            sealed_ms, sealed = course.seen.sealed[-1]
            assert sealed_ms == course.began + race.asked + DELAY_MS
            assert course.bet(bet).cash == quote.amount
            assert quote.amount < 2 * race.part  # never what the remaining stake may return
            course.check_paid(race, sealed, sealed_ms, 0)
        else:
            assert course.bet(bet).cash == 0
        course.check_money(bet, race, before)
    print(f"{SEEDS} races by hand: {dict(outcomes)}")  # noqa: T201
    assert outcomes.total() == SEEDS
    assert outcomes["accepted"] > 150
    assert min(outcomes[name] for name in ("cash_out_unavailable", "quote_moved", "bet_not_open")) > 25
    assert set(outcomes) == {"accepted", "cash_out_unavailable", "quote_moved", "bet_not_open"}


def test_by_itself_it_is_decided_right_a_thousand_times() -> None:
    """Two gates, which hear of the goal at different times; both may try, and one is paid."""
    course, outcomes = Course(gates=2), Tally[str]()
    for seed in range(SEEDS):
        race = msgspec.structs.replace(drawn(seed, gates=2), drift=0)
        bet, market = course.run_race(seed, race)
        before = course.balance
        threshold = course.quote(bet).amount * 101 // 100 + 1
        course.seen.way_ms = 0
        assert course.watch(bet, threshold) == "accepted"
        course.seen.way_ms = race.way
        course.at(race.asked, partial(course.reach, market, race.side))
        course.let_run()
        now = course.bet(bet)
        accepted = [id_ for id_, (_, answer) in course.seen.committed.items() if answer.refusal is None]
        outcomes["paid" if accepted else "refused" if course.seen.committed else "not tried"] += 1
        assert len(accepted) == (now.cash > 0) <= 1
        for id_ in accepted:
            tried = [(at, command) for at, command in course.seen.sealed if command.id == id_]
            assert now.cash == tried[0][1].asked >= threshold
            assert tried[0][0] >= course.began + race.asked + DELAY_MS
            known = [heard <= tried[0][0] - course.began < race.resumed for heard in race.heard]
            assert not all(known)  # a gate has sealed it that did not know
            course.check_paid(race, tried[0][1], tried[0][0], known.index(False))
        end = race.asked + DELAY_MS
        if end < min(race.heard) and end + race.way < race.decided:
            assert accepted  # nothing stood in its way
        course.check_money(bet, race, before)
    print(f"{SEEDS} races by themselves: {dict(outcomes)}")  # noqa: T201
    assert min(outcomes["paid"], outcomes["not tried"]) > 150
    assert outcomes["refused"] > 5


@pytest.mark.parametrize("seed", range(3))
def test_a_race_is_the_same_each_time(seed: int) -> None:
    def run() -> tuple[str, int]:
        course, race = Course(gates=1), drawn(seed, gates=1)
        bet, _ = course.run_race(seed, race)
        told = Told(course.clock)
        command = course.command(course.quote(bet, race.part))
        course.at(race.asked, lambda: course.gate.cash_outs.cash_out(command, told.answer, told.wait))
        course.let_run()
        return told.said, told.at_ms

    assert run() == run()
