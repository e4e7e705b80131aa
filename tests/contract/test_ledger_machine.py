"""Money under every sequence of what a ledger can be told: a machine that places, cashes out, settles, corrects, rolls
back, voids, gives free bets, refers, offers and limits, in batches of any size, with repeats, and counts all anew."""

from collections import Counter
from itertools import chain
from typing import Any, Final

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from matchday.backends.ledger_postgres import PostgresLedgerCore
from matchday.backends.ledger_sqlite import SqliteLedgerCore
from matchday.config import Postgres
from matchday.model import lines
from matchday.model.bet import (
    OUTCOMES,
    Bet,
    BetStatus,
    Leg,
    Outcome,
    Part,
    Policy,
    Result,
    combination,
    dead_heat,
    most_of,
    return_of,
    status_of,
)
from matchday.model.ledger import (
    AccountStatus,
    Answer,
    CashOut,
    Charge,
    Command,
    DecideLegs,
    ExpireFreeBet,
    GrantFreeBet,
    LimitName,
    OpenAccount,
    PlaceBet,
    Referral,
    Refusal,
    SetCashOut,
    SetLimit,
    SetStatus,
    SettleBet,
    Transfer,
    VoidLegs,
    standing,
)
from matchday.model.messages import BetAccepted, BetCashedOut, BetReopened, BetSettled, Decision, one_by_one
from matchday.model.posting import DAY_MS, charged
from matchday.sim.clock import VirtualClock
from tests.contract.test_ledger_referrals import offered as offer_for
from tests.engines import QUICK, Databases

NOW: Final = 1_500_000_000_000
FANS: Final = ("anna", "bert")
FIXTURES: Final = ("F", "G", "H")
SELECTIONS: Final = [f"{fixture}:1x2/{outcome}" for fixture in FIXTURES for outcome in ("home", "away")]
TYPES: Final = {1: ["single"], 2: ["accumulator", "system:1/2"], 3: ["accumulator", "trixie", "patent", "system:2/3"]}
CAP: Final = 30_000
OUTCOME: Final = st.sampled_from([*OUTCOMES.values(), OUTCOMES[Result.WON], dead_heat(1, 2), None])
FAN: Final = st.sampled_from(FANS)
LEGS: Final = st.lists(st.sampled_from(FIXTURES), min_size=1, max_size=3, unique=True)
PRICE: Final = st.integers(1_001, 6_000)
STAKE: Final = st.integers(1, 3_000)


class Ledger(RuleBasedStateMachine):
    """What is said goes into a batch; what must hold is looked at when it is committed."""

    def __init__(self) -> None:
        super().__init__()
        self.core = self.new_core()
        self.ids = VirtualClock(1, NOW)
        self.batch: list[Command] = []
        self.said: list[Command] = []
        self.charges: dict[str, tuple[Charge, ...]] = {}
        self.count = self.version = 0
        self.moved: Counter[str] = Counter()
        """By fan: what came from the bank."""
        self.looked = 0
        """Facts that were counted in ``flows``."""
        self.flows: dict[tuple[str, int], list[int]] = {}
        """(fan, day) -> staked, returned."""

    @classmethod
    def new_core(cls) -> SqliteLedgerCore | PostgresLedgerCore:
        return SqliteLedgerCore(":memory:")

    def teardown(self) -> None:
        self.core.close()

    def name(self, kind: str) -> str:
        self.count += 1
        return f"{kind}{self.count:04}"

    def say(self, command: Command) -> None:
        """It waits for a batch of five, or for ``commit``."""
        self.batch.append(command)
        if len(self.batch) >= 5:
            self.commit()

    @property
    def now(self) -> int:
        return self.ids.now_ms()

    @property
    def bets(self) -> list[Bet]:
        return [bet for fan in FANS for bet in self.core.bets(fan, open_only=False, before=None, limit=1_000)]

    @initialize(data=st.data(), day=st.integers(20_000, 90_000))
    def open(self, data: st.DataObject, day: int) -> None:
        """Two fans, with a few bets each, free ones among them."""
        for fan in FANS:
            self.say(OpenAccount(f"open:{fan}", fan, "EUR", NOW, day))
            self.move(fan, 20_000)
        self.commit()
        for number in range(data.draw(st.integers(2, 8))):
            fan = FANS[number % 2]
            self.place(data, fan, data.draw(STAKE))
            if number % 3 == 0:
                self.give(fan, data.draw(STAKE), DAY_MS)
                self.commit()
                self.use(data, fan)
        self.commit()

    # --- what can be said ---------------------------------------------------------------------------------------------

    @rule(ms=st.sampled_from([1, 60_000, DAY_MS // 3, DAY_MS, 9 * DAY_MS]))
    def time_passes(self, ms: int) -> None:
        self.ids.run_for(ms)

    @rule(fan=FAN, amount=st.sampled_from([-10_001, -1_000, 1_000, 20_000, 0]))
    def move(self, fan: str, amount: int) -> None:
        """In, out, or (0) all out."""
        self.commit()
        amount = amount or -self.core.balances()[fan]
        self.say(Transfer(self.name("move"), fan, amount, "EUR", "move", self.now))

    @rule(fan=FAN, amount=STAKE, ms=st.integers(0, 3 * DAY_MS))
    def give(self, fan: str, amount: int, ms: int) -> None:
        self.say(GrantFreeBet(self.name("grant"), fan, self.name("free"), amount, "EUR", self.now + ms, self.now))

    @rule()
    def take_back(self) -> None:
        for fan, free_bet in self.core.free_bets_over(self.now, 10):
            self.say(ExpireFreeBet(f"expire:{free_bet}", fan, free_bet, self.now))

    @rule(
        fan=FAN, name=st.sampled_from(list(LimitName)), amount=st.none() | st.integers(0, 90_000), closes=st.booleans()
    )
    def limit(self, fan: str, name: LimitName, amount: int | None, closes: bool) -> None:
        status = AccountStatus.SUSPENDED if closes and amount == 0 else AccountStatus.OPEN
        self.say(SetLimit(self.name("limit"), fan, amount, self.now, name))
        self.say(SetStatus(self.name("status"), fan, status, self.now))

    def asked(self, fan: str, legs: tuple[Leg, ...], stake: int, type_: str = "", free_bet: str = "") -> PlaceBet:
        name = self.name("bet")
        lost = int(stake * most_of(legs, type_)) - stake
        names = dict.fromkeys(name for leg in legs for name in (*leg.selections, leg.fixture))
        charges = tuple(Charge(f"exposure:{name}", lost, CAP, Refusal.EXPOSURE_REACHED) for name in (fan, *names))
        self.charges[name] = charges
        return PlaceBet(
            self.ids.new_id(), fan, "EUR", stake, Policy.ANY, legs, name, self.now, legs, charges, stake_min=1,
            stake_max=10**6, type=type_, free_bet=free_bet,
        )  # fmt: skip

    def legs(self, data: st.DataObject) -> tuple[Leg, ...]:
        found = []
        for fixture in data.draw(LEGS):
            price = data.draw(PRICE)
            one, other = (f"{fixture}:1x2/home", f"{fixture}:1x2/away")
            if data.draw(st.integers(0, 4)):
                found.append(Leg(fixture, f"{fixture}:1x2", data.draw(st.sampled_from([one, other])), price, 0))
            else:  # as parts go, two of one market do
                found.append(combination(fixture, price, [Part(f"{fixture}:1x2", part, 0) for part in (one, other)]))
        return tuple(found)

    @rule(data=st.data(), fan=FAN, stake=STAKE)
    def place(self, data: st.DataObject, fan: str, stake: int) -> None:
        legs = self.legs(data)
        self.say(self.asked(fan, legs, stake, data.draw(st.sampled_from(TYPES[len(legs)]))))

    @rule(data=st.data(), fan=FAN)
    def use(self, data: st.DataObject, fan: str) -> None:
        """A free bet, now and then another's, or twice."""
        free = [one for owner in FANS for one in self.core.free_bets(owner)]
        if free:
            chosen = data.draw(st.sampled_from(free))
            legs = self.legs(data)
            type_ = data.draw(st.sampled_from(TYPES[len(legs)]))
            self.say(self.asked(fan, legs, chosen.amount, type_, chosen.free_bet))

    @rule(data=st.data(), fan=FAN, stake=STAKE)
    def refer(self, data: st.DataObject, fan: str, stake: int) -> None:
        asked = self.asked(fan, self.legs(data), stake)
        self.say(msgspec.structs.replace(asked, refer=True, refer_until_ms=self.now + 60_000))

    @rule(data=st.data(), deed=st.sampled_from(["accept", "refuse", "offer"]))
    def trade(self, data: st.DataObject, deed: str) -> None:
        waiting = self.core.referrals(2**62, 10)
        if waiting:
            self.say(self.traded(data.draw(st.sampled_from(waiting)), deed))

    def traded(self, referral: Referral, deed: str) -> PlaceBet:
        command = msgspec.structs.replace(referral.command, answers_referral=True, at_ms=self.now)
        if deed == "offer":
            offer = msgspec.structs.replace(offer_for(command, 100, until_ms=self.now + 5), legs=command.legs)
            offer = msgspec.structs.replace(offer, offer=f"{command.account}:{command.id}")
            return msgspec.structs.replace(command, refusal=Refusal.RE_OFFERED, offered=offer)
        if deed == "refuse":
            return msgspec.structs.replace(command, refusal=Refusal.REFUSED_BY_TRADER)
        judged = self.asked(command.account, command.legs, command.stake)
        return msgspec.structs.replace(command, bet=judged.bet, charges=judged.charges)

    @rule(data=st.data())
    def take_up(self, data: st.DataObject) -> None:
        made = [c.offered for c in self.said if isinstance(c, PlaceBet) and c.offered is not None]
        if made:
            offer = data.draw(st.sampled_from(made))
            asked = self.asked(offer.offer.partition(":")[0], offer.legs, offer.stake)
            self.say(msgspec.structs.replace(asked, offer=offer.offer))

    def decide(self, selection: str, outcome: Outcome | None, version: int) -> None:
        decision = Decision(selection.rpartition("/")[0], selection, outcome)
        name = self.name("decide")
        self.say(DecideLegs(name, selection.partition(":")[0], version, (decision,), self.now))

    @rule(selection=st.sampled_from(SELECTIONS), outcome=OUTCOME, older=st.booleans())
    def decides(self, selection: str, outcome: Outcome | None, older: bool) -> None:
        """One selection, perhaps by a word that is older than what was heard. A feed counts its words from 1."""
        self.version += 1
        self.decide(selection, outcome, max(1, self.version - 3 * older))

    @rule(rounds=st.lists(st.lists(OUTCOME, min_size=6, max_size=6), min_size=1, max_size=4), spends=st.booleans())
    def results(self, rounds: list[list[Outcome | None]], spends: bool) -> None:
        """All is decided, corrected, taken back and decided again, and bets are brought to where they stand each time;
        what was won may be gone by then."""
        for outcomes in rounds:
            self.version += 1
            for selection, outcome in zip(SELECTIONS, outcomes, strict=True):
                self.decide(selection, outcome, self.version)
            self.settle_all()
            if spends:
                self.move(FANS[self.version % 2], 0)

    @rule()
    def goals_are_taken_back(self) -> None:
        self.results([[None] * len(SELECTIONS)], spends=False)

    @rule(fixture=st.sampled_from(FIXTURES), from_ms=st.integers(0, DAY_MS), ms=st.sampled_from([1, 1_000, DAY_MS]))
    def void(self, fixture: str, from_ms: int, ms: int) -> None:
        self.version += 1
        from_ms = self.now - from_ms
        self.say(VoidLegs(self.name("void"), fixture, self.version, from_ms, from_ms + ms, self.now))

    @precondition(lambda self: bool(self.bets))
    @rule(data=st.data())
    def settle(self, data: st.DataObject) -> None:
        for bet in data.draw(st.lists(st.sampled_from(self.bets), min_size=1, max_size=3)):
            self.say(SettleBet(self.name("settle"), bet.bet, bet.account, self.now))

    @rule()
    def settle_all(self) -> None:
        self.commit()
        for bet in self.bets:
            self.batch.append(SettleBet(self.name("settle"), bet.bet, bet.account, self.now))
        self.commit()
        for bet in self.bets:
            assert bet.status == BetStatus.CASHED_OUT or (bet.status, bet.returns) == self.comes_to(bet)

    @precondition(lambda self: self.core.open_bets() > 0)
    @rule(data=st.data(), asked=st.integers(1, 4_000), stands=st.sampled_from([True, True, True, False]))
    def cash_out(self, data: st.DataObject, asked: int, stands: bool) -> None:
        bet = data.draw(st.sampled_from([bet for bet in self.bets if bet.status == BetStatus.OPEN]))
        stake = data.draw(st.integers(0, bet.remaining + 1))
        version = self.stands(bet)[0] if stands else self.version + 99
        self.say(CashOut(self.name("cash"), bet.account, bet.bet, stake, asked, self.now, asked, version))

    @precondition(lambda self: bool(self.bets))
    @rule(data=st.data(), amount=st.none() | STAKE)
    def set_cash_out(self, data: st.DataObject, amount: int | None) -> None:
        bet = data.draw(st.sampled_from(self.bets))
        self.say(SetCashOut(self.name("set"), bet.account, bet.bet, amount, self.now))

    # --- commits ------------------------------------------------------------------------------------------------------

    @rule()
    def commit(self) -> None:
        """What was said, in one batch."""
        before = len(self.core.facts(0, 10**6))
        for command, answer in zip(self.batch, self.core.commit(self.batch), strict=True):
            self.hear(command, answer)
        self.said += self.batch
        self.batch = []
        self.hear_facts(before)

    def hear(self, command: Command, answer: Answer) -> None:
        if isinstance(command, Transfer) and answer.refusal is None and not answer.repeated:
            self.moved[command.account] += command.amount

    def hear_facts(self, before: int) -> None:
        """Stakes and returns of each day, by what was said of them; the machine's clock never goes back."""
        said = self.core.facts(0, 10**6)[before:]
        for fact in chain.from_iterable(map(one_by_one, said)):
            flow = self.flows.setdefault((fact.account, fact.at_ms // DAY_MS), [0, 0])
            if isinstance(fact, BetAccepted):
                flow[0] += 0 if fact.bet.free else fact.bet.stake
            elif isinstance(fact, BetSettled | BetReopened | BetCashedOut):
                flow[1] += fact.change

    @precondition(lambda self: bool(self.said))
    @rule(data=st.data())
    def again(self, data: st.DataObject) -> None:
        """Anything heard twice changes nothing, in whatever batch. A bet that has to be settled is brought to where its
        legs stand by a word that was heard before, too: then it is heard a third time."""
        known = [c for c in self.said if not isinstance(c, PlaceBet) or not c.refer_until_ms]
        chosen = data.draw(st.lists(st.sampled_from(known), min_size=1, max_size=4)) if known else []
        facts = len(self.core.facts(0, 10**6))
        self.core.commit([command for command in chosen if isinstance(command, SettleBet)])
        self.hear_facts(facts)
        before = self.everything()
        self.core.commit(chosen)
        assert self.everything() == before

    def everything(self) -> Any:
        core = self.core
        views = [core.account_at(fan, self.now) for fan in FANS]
        free = [core.free_bets(fan) for fan in FANS]
        return core.balances(), core.all_guards(), views, free, self.bets, len(core.facts(0, 10**6))

    # --- what must hold -----------------------------------------------------------------------------------------------

    def stands(self, bet: Bet) -> tuple[int, tuple[Outcome | None, ...]]:
        selections = [name for leg in bet.legs for name in leg.selections]
        fixtures = [leg.fixture for leg in bet.legs]
        return standing(bet, self.core.decisions(selections), self.core.windows(fixtures))

    def comes_to(self, bet: Bet) -> tuple[BetStatus, int]:
        """Where its legs bring a bet: open while one is undecided, unless each line has one that lost."""
        _, outcomes = self.stands(bet)
        decided = [outcome for outcome in outcomes if outcome is not None]
        if len(decided) == len(outcomes):
            return status_of(decided), return_of(bet.remaining, bet.legs, decided, bet.type, free=bet.free)
        each = lines.lines(bet.type, len(bet.legs))
        lost = all(any(outcomes[leg] == OUTCOMES[Result.LOST] for leg in line) for line in each)
        return (BetStatus.SETTLED if lost else BetStatus.OPEN), 0

    @invariant()
    def every_currency_sums_to_zero_and_balances_are_what_was_posted(self) -> None:
        balances = {name: amount for name, amount in self.core.balances().items() if amount}
        assert set(self.core.totals().values()) <= {0}
        assert balances == {name: amount for name, amount in self.core.posted().items() if amount}
        assert all(balances.get(fan, 0) >= 0 for fan in FANS)

    @invariant()
    def the_house_holds_what_it_holds_for_whom(self) -> None:
        held = Counter(self.core.balances())
        bets = self.bets
        open_bets = [bet for bet in bets if bet.status == BetStatus.OPEN]
        free = [one.amount for fan in FANS for one in self.core.free_bets(fan)]
        assert held["stakes:EUR:0"] == sum(bet.remaining for bet in open_bets)
        assert held["freebets:EUR:0"] == sum(free)
        assert held["shortfall:EUR:0"] == -sum(bet.owed for bet in bets)
        assert held["bank:EUR:0"] == -sum(self.moved.values())
        assert held["house:EUR:0"] == sum(map(_won_by_house, bets))

    @invariant()
    def a_fan_has_what_came_and_what_his_bets_returned(self) -> None:
        held = Counter(self.core.balances())
        for fan in FANS:
            had = sum(
                bet.returns + bet.cash + bet.owed - (0 if bet.free else bet.stake)
                for bet in self.bets
                if bet.account == fan
            )
            assert held[fan] == self.moved[fan] + had

    @invariant()
    def guards_are_the_charges_of_open_bets(self) -> None:
        expected: Counter[str] = Counter()
        for bet in self.bets:
            if bet.status == BetStatus.OPEN:
                for charge in self.charges[bet.bet]:
                    expected[charge.guard] += charged(charge.amount, bet)
        assert {name: used for name, used in self.core.all_guards().items() if used} == +expected

    @invariant()
    def a_bet_is_where_its_legs_stood(self) -> None:
        """Or it is still to be settled."""
        for bet in self.bets:
            version, _ = self.stands(bet)
            assert bet.version <= version
            if bet.status != BetStatus.CASHED_OUT and bet.version == version:
                assert (bet.status, bet.returns) == self.comes_to(bet)

    @invariant()
    def limits_count_what_was_staked_and_lost_in_their_windows(self) -> None:
        today = self.now // DAY_MS
        for fan in FANS:
            view = self.core.account_at(fan, self.now)
            for limit in view.limits if view else ():
                days = [self.flows.get((fan, today - back), [0, 0]) for back in range(limit.limit.days)]
                staked, returned = (sum(column) for column in zip(*days, strict=True))
                assert limit.used == staked - (returned if limit.limit.of_loss else 0), limit


def _won_by_house(bet: Bet) -> int:
    """What the house has of a bet: of what was cashed out, and of what was settled; a void free bet is promotions'."""
    kept = bet.cashed - bet.cash
    if bet.status == BetStatus.SETTLED or (bet.status == BetStatus.VOID and not bet.free):
        kept += bet.remaining - bet.returns
    elif bet.status == BetStatus.VOID:
        kept -= bet.returns
    return kept


Ledger.TestCase.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
TestMoney = Ledger.TestCase


class LedgerOnPostgres(Ledger):
    """The same on PostgreSQL, which takes longer: a few examples."""

    databases: Databases
    database: str

    @classmethod
    def new_core(cls) -> PostgresLedgerCore:
        cls.databases.empty(cls.database)
        return PostgresLedgerCore(Postgres(address=cls.databases.server.address(cls.database), **QUICK))


LedgerOnPostgres.TestCase.settings = settings(
    max_examples=5, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)


@pytest.fixture
def machine_on_postgres(postgres: Databases, shared_database: str) -> None:
    LedgerOnPostgres.databases, LedgerOnPostgres.database = postgres, shared_database


TestMoneyOnPostgres = pytest.mark.usefixtures("machine_on_postgres")(LedgerOnPostgres.TestCase)
