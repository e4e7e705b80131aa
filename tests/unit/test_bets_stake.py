"""How much may be staked: minimum, maximum, and the stake that would be taken instead."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matchday.config import Bets as BetSettings
from matchday.model.ledger import (
    AccountStatus,
    Answer,
    GrantFreeBet,
    LimitName,
    Moment,
    PlaceBet,
    Refusal,
    SetLimit,
    SetStatus,
)
from matchday.model.lines import count, stake_within
from matchday.services.bets.judge import liability
from tests.unit.gates import AT_ONCE, Table

DAY_MS = 86_400_000
SELECTIONS = ("F:1x2/home", "G:1x2/home", "H:1x2/home", "I:1x2/home")
LEGS = {"single": 1, "accumulator": 3, "trixie": 3, "patent": 3, "system:2/4": 4, "yankee": 4}


def table(*changes: BetSettings, price: int = 2_500, stake_max: int | None = None) -> Table:
    found = Table(*changes)
    for selection in SELECTIONS:
        found.offer(selection.rpartition("/")[0], price=price, stake_max=stake_max)
    return found


def limits(**changes: int) -> BetSettings:
    return BetSettings(delay_ms=0, **changes)


@pytest.mark.parametrize(
    ("settings_", "stake", "refusal", "stake_max"),
    [
        # of the house, for this bet      stake     refused as                   what would be taken
        (limits(stake_min=10), 9, Refusal.STAKE_BELOW_MINIMUM, None),
        (limits(stake_min=10), 10, None, None),
        (limits(stake_max=500), 500, None, None),
        (limits(stake_max=500), 501, Refusal.STAKE_ABOVE_MAXIMUM, 500),
        (limits(return_max=1_000), 400, None, None),  # 1,000 at 2.50
        (limits(return_max=1_000), 401, Refusal.RETURN_ABOVE_MAXIMUM, 400),
        (limits(stake_max=500, return_max=1_000), 501, Refusal.STAKE_ABOVE_MAXIMUM, 400),
        # of the house, for all bets
        (limits(exposure_account_max=600), 401, Refusal.EXPOSURE_REACHED, 400),  # 401 * 1.5 is 601
        (limits(exposure_selection_max=600), 401, Refusal.EXPOSURE_REACHED, 400),
        (limits(exposure_market_max=600), 401, Refusal.EXPOSURE_REACHED, 400),
        (limits(exposure_fixture_max=600), 401, Refusal.EXPOSURE_REACHED, 400),
        (limits(exposure_fixture_max=601), 401, None, None),
        (limits(exposure_fixture_max=1_200, writers=2), 401, Refusal.EXPOSURE_REACHED, 400),  # its share is 600
        (limits(exposure_fixture_max=1_201, writers=2), 401, Refusal.EXPOSURE_REACHED, 400),
        (limits(exposure_account_max=601, writers=2), 401, None, None),  # of which there are no shares
        (limits(exposure_fixture_max=600, stake_min=401), 401, Refusal.EXPOSURE_REACHED, 0),  # less is too little
        # a gate's own largest stake, but less room in all
        (limits(stake_max=500, exposure_account_max=150), 501, Refusal.STAKE_ABOVE_MAXIMUM, 100),
        (limits(stake_max=200_000), 100_001, Refusal.INSUFFICIENT_FUNDS, 100_000),
    ],
)
def test_a_stake_and_what_would_be_taken_instead(
    settings_: BetSettings, stake: int, refusal: Refusal | None, stake_max: int | None
) -> None:
    desk = table(settings_)
    desk.fan()
    answer = desk.now(desk.bet(stake))
    assert (answer.refusal, answer.stake_max) == (refusal, stake_max)
    assert desk.view().balance == 100_000 - (0 if refusal else stake)


@pytest.mark.parametrize(
    ("type_", "stake", "refusal"),
    [
        # lines: each has at least one minor unit of its own
        ("trixie", 3, Refusal.STAKE_BELOW_MINIMUM),
        ("trixie", 4, None),
        ("patent", 6, Refusal.STAKE_BELOW_MINIMUM),
        ("patent", 7, None),
    ],
)
def test_each_line_is_staked(type_: str, stake: int, refusal: Refusal | None) -> None:
    desk = table(limits(stake_min=1))
    desk.fan()
    assert desk.now(desk.bet(stake, *SELECTIONS[:3], type_=type_)).refusal == refusal


def test_a_trader_s_maximum_for_a_market_counts_where_it_is_lower() -> None:
    desk = table(stake_max=300)
    desk.fan()
    answer = desk.now(desk.bet(301))
    assert (answer.refusal, answer.stake_max) == (Refusal.STAKE_ABOVE_MAXIMUM, 300)
    desk.offer(stake_max=10**9)
    assert desk.now(desk.bet(50_001)).stake_max == 50_000
    # of several legs the lowest
    desk.offer("G:1x2", stake_max=40)
    assert desk.now(desk.bet(41, "F:1x2/home", "G:1x2/home")).stake_max == 40


def test_a_market_closed_by_a_maximum_of_zero_takes_nothing() -> None:
    desk = table(stake_max=0)
    desk.fan()
    answer = desk.now(desk.bet(10))
    assert (answer.refusal, answer.stake_max) == (Refusal.STAKE_ABOVE_MAXIMUM, 0)


def test_for_a_free_bet_there_is_no_other_stake() -> None:
    desk = table(limits(stake_max=100))
    desk.fan()
    now = desk.clock.now_ms()
    desk.commit(GrantFreeBet("g", "anna", "free1", 200, "EUR", now + DAY_MS, now))
    answer = desk.now(desk.bet(200, free_bet="free1"))
    assert (answer.refusal, answer.stake_max) == (Refusal.STAKE_ABOVE_MAXIMUM, None)
    assert "1.00 EUR" in answer.detail


@pytest.mark.parametrize(
    ("type_", "prices", "stake", "lost"),
    [
        ("single", [2_375], 1_000, 1_375),
        ("single", [1_001], 1, 0),
        ("single", [1_500], 333, 166),
        ("single", [1_000_000], 10, 9_990),
        ("accumulator", [2_000, 3_000], 100, 500),
        ("trixie", [2_000, 2_000, 2_000], 400, 1_600),  # 3 doubles of 4 and a treble of 8, a unit on each
        ("patent", [2_000, 2_000, 2_000], 700, 1_900),  # and 3 singles of 2
    ],
)
def test_the_liability_is_what_all_won_returns_above_the_stake(
    type_: str, prices: list[int], stake: int, lost: int
) -> None:
    """It is charged, whole, to the account and to every selection, market and fixture of the bet."""
    desk = Table(limits(stake_min=1))
    legs = []
    for selection, price in zip(SELECTIONS, prices, strict=False):
        desk.offer(selection.rpartition("/")[0], price=price)
        legs.append(selection)
    desk.fan()
    assert liability(stake, type_, [desk.leg(leg) for leg in legs]) == lost
    assert desk.now(desk.bet(stake, *legs, type_=type_)).refusal is None
    names = {"account:anna", *(f"{name}#0" for leg in legs for name in (leg, leg[:5], leg[:1]))}
    assert desk.core.all_guards() == {f"exposure:{name}": lost for name in names}


# --- what would be taken is taken -------------------------------------------------------------------------------------


@given(st.integers(-5, 10**7), st.integers(1, 10**6), st.integers(1, 10**4))
def test_stake_within_is_the_largest(room: int, numerator: int, denominator: int) -> None:
    per_unit = Fraction(numerator, denominator)
    most = stake_within(room, per_unit)
    assert most == 0 or most * numerator // denominator <= room
    assert (most + 1) * numerator // denominator > room


class Situation:
    """House limits, a market, a fan with money, limits of his own and open bets, and a bet that asks for too much."""

    def __init__(self, data: st.DataObject) -> None:
        draw = data.draw
        small = st.integers(1, 3_000)
        self.desk = table(
            BetSettings(
                delay_ms=0, stake_min=draw(st.integers(0, 20)), stake_max=draw(small), return_max=draw(small) * 3,
                exposure_account_max=draw(small), exposure_selection_max=draw(small), exposure_market_max=draw(small),
                exposure_fixture_max=draw(small), writers=draw(st.integers(1, 3)),
            ),
            price=draw(st.integers(1_001, 5_000)),
            stake_max=draw(st.none() | small),
        )  # fmt: skip
        self.desk.fan(balance=draw(small))
        now = self.desk.clock.now_ms()
        own = draw(st.dictionaries(st.sampled_from(list(LimitName)), st.integers(0, 2_000), max_size=3))
        self.desk.commit(*(SetLimit(f"limit:{name}", "anna", amount, now, name) for name, amount in own.items()))
        self.type_ = draw(st.sampled_from(list(LEGS)))
        if draw(st.booleans()):
            self.ask(draw(st.integers(1, 50)) * self.lines)  # something is used up already

    @property
    def lines(self) -> int:
        return count(self.type_, LEGS[self.type_])

    def bet(self, stake: int) -> PlaceBet:
        return self.desk.bet(stake, *SELECTIONS[: LEGS[self.type_]], type_=self.type_)

    def ask(self, stake: int) -> Answer:
        return self.desk.now(self.bet(stake))


@settings(max_examples=250, deadline=None)
@given(st.data())
def test_the_stake_that_would_be_taken_is_taken_and_a_higher_one_is_not(data: st.DataObject) -> None:
    """Whatever refused the bet. Higher by one minor unit on each line: doors take no other totals."""
    situation = Situation(data)
    answer = situation.ask(data.draw(st.integers(1, 4_000)) * situation.lines)
    if answer.stake_max is None:
        assert answer.refusal in (None, Refusal.STAKE_BELOW_MINIMUM)
        return
    quoted = situation.desk.rooms[0].stake_max(situation.bet(0)).stake
    assert answer.stake_max == quoted
    assert answer.stake_max % situation.lines == 0
    assert situation.ask(quoted + situation.lines).refusal is not None
    if quoted:
        assert situation.ask(quoted).refusal is None


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_quote_is_what_is_taken(data: st.DataObject) -> None:
    situation = Situation(data)
    quote = situation.desk.rooms[0].stake_max(situation.bet(0))
    assert (quote.refusal, quote.lines) == (None, situation.lines)
    assert situation.ask(quote.stake + situation.lines).refusal is not None
    if quote.stake:
        answer = situation.ask(quote.stake)
        assert answer.refusal is None
        assert answer.bet is not None
        assert tuple(leg.price for leg in answer.bet.legs) == quote.prices


def test_a_quote_holds_whatever_generation_the_market_is_at() -> None:
    """Quotes name no generation, and once every market that had ever been suspended was quoted as stale."""
    desk = Table()
    desk.fan()
    desk.offer(generation=7, price=1_900)
    quote = desk.rooms[0].stake_max(desk.bet(0, desk.leg(generation=0, price=1_001)))
    assert (quote.refusal, quote.prices, quote.stake) == (None, (1_900,), 50_000)


def test_a_quote_by_several_exposures_is_the_least_of_them_and_not_their_product() -> None:
    """Half of the room on the selection and half on the market once made a quarter."""
    desk = Table(limits(stake_max=1_000, exposure_selection_max=750, exposure_market_max=750))
    desk.fan()
    assert desk.rooms[0].stake_max(desk.bet(0)).stake == 500


@pytest.mark.parametrize(
    ("account", "currency", "refusal"),
    [
        ("nobody", "EUR", Refusal.ACCOUNT_UNKNOWN),
        ("suspended", "EUR", Refusal.ACCOUNT_NOT_OPEN),
        ("anna", "JPY", Refusal.CURRENCY_MISMATCH),
        ("anna", "EUR", None),
    ],
)
def test_a_quote_says_why_nothing_is_taken_of_this_account(
    account: str, currency: str, refusal: Refusal | None
) -> None:
    desk = Table()
    desk.fan()
    desk.fan("suspended")
    desk.commit(SetStatus("s", "suspended", AccountStatus.SUSPENDED, desk.clock.now_ms()))
    command = desk.bet(0, account=account, currency=currency)
    quote = desk.rooms[0].stake_max(command)
    assert (quote.refusal, quote.stake > 0) == (refusal, refusal is None)
    if refusal is not None:
        assert desk.now(desk.bet(10, account=account, currency=currency)).refusal == refusal


def test_a_full_queue_is_busy_and_records_nothing() -> None:
    desk = Table(limits(queue_max=2))
    desk.fan()
    told = [desk.place(desk.bet(10)) for _ in range(3)]
    desk.clock.run_for(0)
    assert [answer if isinstance(answer, Moment) else answer.refusal for one in told for answer in one.answers] == [
        None, None, Moment.BUSY,
    ]  # fmt: skip
    assert AT_ONCE.queue_max > 2
