"""What holds of settlement whatever the bet: settled and rolled back is as it was; the order of legs, one leg more or
less in name, one bet or its lines one by one: the same money."""

from collections.abc import Sequence
from contextlib import closing
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st

from matchday.backends.ledger_sqlite import SqliteLedgerCore
from matchday.model import lines
from matchday.model.bet import OUTCOMES, Leg, Outcome, Part, Policy, combination, dead_heat, most_of, return_of
from matchday.model.ledger import (
    Charge,
    Command,
    DecideLegs,
    GrantFreeBet,
    OpenAccount,
    PlaceBet,
    Refusal,
    SettleBet,
    Transfer,
    VoidLegs,
)
from matchday.model.messages import Decision
from matchday.model.posting import DAY_MS
from matchday.sim.clock import VirtualClock

NOW: Final = 1_500_000_000_000
A: Final = "anna"
OUTCOME: Final = st.sampled_from([*OUTCOMES.values(), dead_heat(1, 2), dead_heat(2, 3)])
PRICE: Final = st.integers(1_001, 9_000)
NAMED: Final = {2: [], 3: ["trixie", "patent"], 4: ["yankee", "lucky15"], 5: ["canadian", "lucky31"]}


class Book:
    """A ledger with one fan, told by a test."""

    def __init__(self, core: SqliteLedgerCore) -> None:
        self.core, self.ids, self.version = core, VirtualClock(3, NOW), 0
        self.bets: list[str] = []
        self.say(OpenAccount("open", A, "EUR", NOW), Transfer("grant", A, 10**9, "EUR", "grant", NOW))

    def say(self, *commands: Command) -> None:
        assert {answer.refusal for answer in self.core.commit(commands)} <= {None}

    def place(self, legs: Sequence[Leg], stake: int, type_: str = "", *, free: bool = False) -> None:
        name = f"b{len(self.bets):03}"
        if free:
            self.say(GrantFreeBet(f"give:{name}", A, f"free:{name}", stake, "EUR", NOW + DAY_MS, NOW))
        lost = int(stake * most_of(legs, type_)) - stake
        guards = dict.fromkeys(f"exposure:{name}" for leg in legs for name in (*leg.selections, leg.fixture))
        charges = tuple(Charge(guard, lost, 10**15, Refusal.EXPOSURE_REACHED) for guard in guards)
        self.say(PlaceBet(
            self.ids.new_id(), A, "EUR", stake, Policy.ANY, tuple(legs), name, NOW, tuple(legs), charges, type=type_,
            free_bet=f"free:{name}" if free else "",
        ))  # fmt: skip
        self.bets.append(name)

    def decide(self, outcomes: dict[str, Outcome | None], void: str = "") -> None:
        """All of that is decided (or, a fixture, void), and every bet brought to where it stands."""
        self.version += 1
        for selection, outcome in outcomes.items():
            fixture, market = selection.partition(":")[0], selection.rpartition("/")[0]
            decision = (Decision(market, selection, outcome),)
            self.say(DecideLegs(f"d:{selection}:{self.version}", fixture, self.version, decision, NOW))
        if void:
            self.say(VoidLegs(f"v:{void}:{self.version}", void, self.version, NOW, NOW + 1, NOW))
        self.say(*(SettleBet(f"s:{bet}:{self.version}", bet, A, NOW) for bet in self.bets))

    @property
    def balance(self) -> int:
        return self.core.balances()[A]

    def state(self) -> Any:
        """All that money, limits and guards are."""
        view = self.core.account_at(A, NOW)
        assert view is not None
        used = [limit.used for limit in view.limits]
        return (
            {k: v for k, v in self.core.balances().items() if v},
            used,
            self.core.all_guards(),
            self.core.free_bets(A),
        )


def single(number: int, price: int) -> Leg:
    return Leg(f"F{number}", f"F{number}:1x2", f"F{number}:1x2/home", price, 0)


def double(number: int, price: int) -> Leg:
    """A combination of two parts."""
    parts = [Part(f"F{number}:{market}", f"F{number}:{market}/yes", 0) for market in ("one", "two")]
    return combination(f"F{number}", price, parts)


def types(number: int) -> list[str]:
    return ["", *NAMED.get(number, []), *(f"system:{size}/{number}" for size in range(1, number + 1))]


@st.composite
def bets(draw: st.DrawFn, most: int = 5) -> tuple[list[Leg], str, int, dict[str, Outcome]]:
    """Legs, a type, the stake of each line, and what all selections come to."""
    number = draw(st.integers(1, most))
    legs = [draw(st.sampled_from([single, single, double]))(place, draw(PRICE)) for place in range(number)]
    outcomes = {name: draw(OUTCOME) for leg in legs for name in leg.selections}
    return legs, draw(st.sampled_from(types(number))), draw(st.integers(1, 5_000)), outcomes


def stake_of(legs: Sequence[Leg], type_: str, unit: int) -> int:
    return unit * lines.count(type_ or lines.default_type(len(legs)), len(legs))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(bets(), st.booleans()), min_size=1, max_size=4), st.data())
def test_settled_and_rolled_back_is_as_it_was(
    placed: list[tuple[tuple[list[Leg], str, int, dict[str, Outcome]], bool]], data: st.DataObject
) -> None:
    """Balances, guards, free bets and what counts against limits; however often, and corrected in between."""
    with closing(SqliteLedgerCore(":memory:")) as core:
        book = Book(core)
        for (legs, type_, unit, _), free in placed:
            book.place(legs, stake_of(legs, type_, unit), type_, free=free)
        names = sorted({name for (_, _, _, outcomes), _ in placed for name in outcomes})
        before = book.state()
        for _ in range(data.draw(st.integers(1, 3))):
            book.decide({name: data.draw(OUTCOME) for name in names})
        book.decide(dict.fromkeys(names))
        assert book.state() == before
        assert core.open_bets() == len(placed)


@settings(max_examples=60, deadline=None)
@given(bets(), st.booleans(), st.randoms(use_true_random=False))
def test_the_order_of_legs_changes_nothing(
    bet: tuple[list[Leg], str, int, dict[str, Outcome]], free: bool, chance: Any
) -> None:
    legs, type_, unit, outcomes = bet
    shuffled = list(legs)
    chance.shuffle(shuffled)
    found = []
    for ordered in (legs, shuffled):
        with closing(SqliteLedgerCore(":memory:")) as core:
            book = Book(core)
            book.place(ordered, stake_of(legs, type_, unit), type_, free=free)
            placed = book.state()
            book.decide(dict(outcomes))
            found.append((placed, book.state()))
    assert found[0] == found[1]


@settings(max_examples=60, deadline=None)
@given(PRICE, OUTCOME, st.integers(1, 5_000), st.booleans(), st.sampled_from(["accumulator", "system:1/1"]))
def test_by_whatever_name_one_leg_is_a_single(price: int, outcome: Outcome, stake: int, free: bool, type_: str) -> None:
    found = []
    for name in ("", "single", type_):
        with closing(SqliteLedgerCore(":memory:")) as core:
            book = Book(core)
            book.place([single(0, price)], stake, name, free=free)
            placed = book.state()
            book.decide({"F0:1x2/home": outcome})
            found.append((placed, book.state()))
    assert found[0] == found[1] == found[2]


@settings(max_examples=60, deadline=None)
@given(bets(), st.booleans(), st.booleans())
def test_a_system_is_its_lines_placed_one_by_one(
    bet: tuple[list[Leg], str, int, dict[str, Outcome]], free: bool, void: bool
) -> None:
    """A single or an accumulator of each line's legs, with the unit as its stake: the same money comes back. What the
    house may lose on the system is what it may lose on all of them, up to a minor unit a line."""
    legs, type_, unit, outcomes = bet
    found, lost = [], []
    whole = (legs, stake_of(legs, type_, unit), type_)
    each = [
        ([legs[place] for place in line], unit, "")
        for line in lines.lines(type_ or lines.default_type(len(legs)), len(legs))
    ]
    for placed in ([whole], each):
        with closing(SqliteLedgerCore(":memory:")) as core:
            book = Book(core)
            for some, stake, name in placed:
                book.place(some, stake, name, free=free)
            lost.append(core.all_guards())
            book.decide(dict(outcomes), void="F0" if void else "")
            found.append(book.balance)
    assert found[0] == found[1]
    for guard, amount in lost[1].items():
        assert amount <= lost[0][guard] + len(each)


@given(bets(most=5))
def test_the_most_is_what_all_won_returns_up_to_the_rounding_of_each_line(
    bet: tuple[list[Leg], str, int, dict[str, Outcome]],
) -> None:
    legs, type_, unit, _ = bet
    stake, number = stake_of(legs, type_, unit), stake_of(legs, type_, 1)
    won = return_of(stake, legs, [dead_heat(1, 1)] * len(legs), type_)
    assert 0 <= stake * most_of(legs, type_) - won < number
    free = return_of(stake, legs, [dead_heat(1, 1)] * len(legs), type_, free=True)
    assert free == won - stake


@given(bets(most=5), st.integers(1, 10**6))
def test_no_ending_returns_more_than_the_most(bet: tuple[list[Leg], str, int, dict[str, Outcome]], stake: int) -> None:
    """The liability that is charged is enough: also where the stake does not divide by the lines."""
    legs, type_, _, outcomes = bet
    ends = [list(outcomes.values())[: len(legs)], [dead_heat(1, 1)] * len(legs)]
    for end in ends:
        assert return_of(stake, legs, end, type_) <= int(stake * most_of(legs, type_))
