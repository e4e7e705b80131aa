"""What traders set, and what of it is in force: tables that a trader can read, and what holds whatever he does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matchday.model.football_markets import CATALOGUE
from matchday.model.market import Market, MarketKey, MarketStatus
from matchday.model.messages import decode, encode
from matchday.model.trading import (
    APPLIED_MAX,
    Action,
    Controls,
    FixPrice,
    ResumeMarkets,
    SetOverround,
    SetStakeMax,
    ShiftPrice,
    SuspendMarkets,
    TraderCommand,
    TraderRefusal,
    judge,
)

RESULT = MarketKey("1x2")
LOW, HIGH = MarketKey("total_goals", 2), MarketKey("total_goals", 18)
Suspend, Resume, Shift, Fix = SuspendMarkets, ResumeMarkets, ShiftPrice, FixPrice
BOOK = {
    RESULT: Market("F:1x2", "1x2", None, MarketStatus.OPEN, 3, ()),
    LOW: Market("F:total_goals@0.5", "total_goals", 2, MarketStatus.CLOSED, 1, ()),
    HIGH: Market("F:total_goals@4.5", "total_goals", 18, MarketStatus.OPEN, 1, ()),
}


def command(action: Action, id_: str = "a", trader: str = "tom") -> TraderCommand:
    return TraderCommand(id_, trader, "F", action, 0)


def told(*actions: Action) -> Controls:
    controls = Controls()
    for number, action in enumerate(actions):
        controls = controls.after(command(action, str(number)), number)
    return controls


@pytest.mark.parametrize(
    ("actions", "suspended"),
    [
        # what is commanded, in this order                                     1x2, total_goals@0.5, total_goals@4.5
        ((), "---"),
        ((Suspend(""),), "SSS"),
        ((Suspend("1x2"),), "S--"),
        ((Suspend("total_goals"),), "-SS"),
        ((Suspend("total_goals@4.5"),), "--S"),
        ((Suspend(""), Resume("1x2")), "-SS"),
        ((Suspend(""), Resume("total_goals@4.5")), "SS-"),
        ((Suspend(""), Resume("total_goals"), Suspend("total_goals@4.5")), "S-S"),
        ((Suspend("total_goals@4.5"), Resume("total_goals")), "---"),
        ((Suspend("total_goals@4.5"), Resume("")), "---"),
        ((Suspend(""), Resume("total_goals@4.5"), Suspend("total_goals")), "SSS"),
        ((Suspend("1x2"), Suspend("1x2"), Resume("1x2")), "---"),
        ((Resume("1x2"), Suspend("")), "SSS"),
    ],
)
def test_the_last_word_on_a_market_counts(actions: tuple[Action, ...], suspended: str) -> None:
    controls = told(*actions)
    assert "".join("S" if controls.suspends(key) else "-" for key in (RESULT, LOW, HIGH)) == suspended


def test_overround_and_stakes_are_set_and_given_back_in_the_same_way() -> None:
    controls = told(SetOverround("", 0.1), SetOverround("1x2", 0.02), SetStakeMax("total_goals", 500))
    assert [controls.overround_of(key) for key in (RESULT, LOW)] == [0.02, 0.1]
    assert [controls.stake_max_of(key) for key in (RESULT, LOW)] == [None, 500]
    back = told(SetOverround("", 0.1), SetOverround("1x2", None), SetStakeMax("", 500), SetStakeMax("", None))
    assert [back.overround_of(key) for key in (RESULT, LOW)] == [None, 0.1]
    assert back.stake_max == ()
    assert told(SetStakeMax("1x2", 0)).stake_max_of(RESULT) == 0  # nothing is taken, which is not: no maximum


@pytest.mark.parametrize(
    ("factors", "together"),
    [((1100,), 1100), ((1100, 1100), 1210), ((900, 1100), 990), ((1100, None), None), ((None,), None),
     ((10_000, 10_000), 10_000), ((100, 100), 100), ((100, 100, 10_000), 1_000)],
)  # fmt: skip
def test_shifts_of_an_outcome_multiply_within_their_bounds(
    factors: tuple[int | None, ...], together: int | None
) -> None:
    assert dict(told(*(Shift("1x2/home", factor) for factor in factors)).factors).get("1x2/home") == together


def test_a_material_incident_lifts_fixed_prices_and_leaves_their_markets_suspended() -> None:
    controls = told(Fix("1x2/home", 2_000), Fix("total_corners@9.5/over", 1_800), Shift("1x2/home", 1_100))
    corner = controls.lifted(["total_corners"])
    assert corner.fixed == (("1x2/home", 2_000),)
    assert (corner.suspends(MarketKey("total_corners", 38)), corner.suspends(RESULT)) == (True, False)
    goal = controls.lifted()
    assert (goal.fixed, goal.factors) == ((), controls.factors)
    assert goal.suspends(RESULT)
    assert told(Suspend("1x2")).lifted() == told(Suspend("1x2"))


def test_a_price_is_fixed_once_for_each_outcome_and_cleared() -> None:
    assert told(Fix("1x2/home", 2_000), Fix("1x2/home", 2_100)).fixed == (("1x2/home", 2_100),)
    assert told(Fix("1x2/home", 2_000), Fix("1x2/home", None)).fixed == ()


UNKNOWN, NONE = TraderRefusal.MARKET_UNKNOWN, None


@pytest.mark.parametrize(
    ("action", "refusal"),
    [
        (Suspend(""), NONE),
        (Suspend("total_goals"), NONE),
        (Suspend("total_goals@4.5"), NONE),
        (Suspend("total_goals@4.50"), UNKNOWN),
        (Suspend("F:1x2"), UNKNOWN),
        (Resume("corners"), UNKNOWN),
        (SetOverround("total_corners", 0.1), UNKNOWN),
        (SetOverround("", 0.0), NONE),
        (SetOverround("", 1.0), NONE),
        (SetOverround("", None), NONE),
        (SetOverround("", 1.01), TraderRefusal.OVERROUND_INVALID),
        (SetOverround("", -0.01), TraderRefusal.OVERROUND_INVALID),
        (SetOverround("", float("nan")), TraderRefusal.OVERROUND_INVALID),
        (SetStakeMax("1x2", 0), NONE),
        (SetStakeMax("1x2", -1), TraderRefusal.AMOUNT_INVALID),
        (SetStakeMax("1x2", 10**15 + 1), TraderRefusal.AMOUNT_INVALID),
        (Shift("1x2/home", 100), NONE),
        (Shift("1x2/home", 99), TraderRefusal.FACTOR_INVALID),
        (Shift("1x2/home", 10_001), TraderRefusal.FACTOR_INVALID),
        (Shift("1x2/over", 1_100), TraderRefusal.SELECTION_UNKNOWN),
        (Shift("1x3/home", 1_100), UNKNOWN),
        (Shift("total_goals/over", 1_100), UNKNOWN),
        (Shift("total_goals@0.5/over", 1_100), TraderRefusal.MARKET_CLOSED),
        (Fix("1x2/home", 1_001, 3), NONE),
        (Fix("1x2/home", 1_000_000, 3), NONE),
        (Fix("1x2/home", 1_000, 3), TraderRefusal.PRICE_INVALID),
        (Fix("1x2/home", 1_000_001, 3), TraderRefusal.PRICE_INVALID),
        (Fix("1x2/home", 1_000, 2), TraderRefusal.PRICE_INVALID),
        (Fix("1x2/home", 2_000, 2), TraderRefusal.GENERATION_STALE),
        (Fix("1x2/home", None, 2), NONE),
        (Fix("", 2_000, 2), UNKNOWN),
    ],
)
def test_what_a_command_is_refused_for(action: Action, refusal: TraderRefusal | None) -> None:
    assert judge(command(action), Controls(), BOOK) == refusal


def test_an_id_stands_for_its_payload() -> None:
    controls = Controls().after(command(Suspend("1x2"), "a"), 7)
    assert controls.repeats(command(Suspend("1x2"), "a")) == controls.applied[0]
    for other in (command(Suspend(""), "a"), command(Suspend("1x2"), "a", trader="tim")):
        assert controls.repeats(other) is None
        assert judge(other, controls, BOOK) == TraderRefusal.ID_REUSED
    assert judge(command(Suspend(""), "b"), controls, BOOK) is None


def test_ids_are_remembered_up_to_their_number() -> None:
    controls = told(*[Suspend("")] * (APPLIED_MAX + 1))
    assert [applied.id for applied in controls.applied] == [str(number) for number in range(1, APPLIED_MAX + 1)]
    assert controls.known("0") is None


names = st.sampled_from(["", "1x2", "total_goals", *(key.name for key in CATALOGUE[:12])])
selections = st.sampled_from(["1x2/home", "1x2/draw", "total_goals@2.5/over"])
actions = (
    st.builds(SuspendMarkets, names)
    | st.builds(ResumeMarkets, names)
    | st.builds(SetOverround, names, st.none() | st.floats(0, 1))
    | st.builds(SetStakeMax, names, st.none() | st.integers(0, 10**6))
    | st.builds(ShiftPrice, selections, st.none() | st.integers(100, 10_000))
    | st.builds(FixPrice, selections, st.none() | st.integers(1_001, 1_000_000), st.integers(0, 9))
)


@given(st.lists(actions, max_size=40))
def test_whatever_is_commanded_is_kept_short_and_means_the_same_on_the_log(said: list[Action]) -> None:
    """The last command that covers a market counts: found here by looking through all of them."""
    controls = told(*said)
    for key in CATALOGUE:
        covering = [action for action in said if getattr(action, "markets", "-") in ("", key.type, key.name)]
        halts = [isinstance(a, SuspendMarkets) for a in covering if isinstance(a, SuspendMarkets | ResumeMarkets)]
        assert controls.suspends(key) == bool(halts and halts[-1])
        stakes = [action.stake_max for action in covering if isinstance(action, SetStakeMax)]
        assert controls.stake_max_of(key) == (stakes[-1] if stakes else None)
        overrounds = [action.overround for action in covering if isinstance(action, SetOverround)]
        assert controls.overround_of(key) == (overrounds[-1] if overrounds else None)
    assert max(map(len, (controls.suspended, controls.overround, controls.stake_max))) <= 15  # one for each name
    for number, action in enumerate(said):
        message = command(action, str(number))
        assert decode(encode(message)) == message
