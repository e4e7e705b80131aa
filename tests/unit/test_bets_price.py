"""Which price is taken, which legs go together, and which reason is named of several."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matchday.model.bet import PARTS_MAX, Leg, Policy
from matchday.model.book import FixtureBook
from matchday.model.ledger import Refusal
from matchday.model.market import Market, MarketStatus
from matchday.services.bets.judge import within
from tests.unit.gates import Table

NONE, BETTER, ANY = Policy.NONE, Policy.BETTER, Policy.ANY


@pytest.mark.parametrize(
    ("policy", "tolerance", "asked", "taken"),
    [
        # asked at 2.00 unless said: which of 1.900 1.960 1.999 2.000 2.001 2.040 2.100 are taken
        (NONE, None, 2_000, "...=..."),
        (NONE, 0, 2_000, "...=..."),
        (NONE, 20, 2_000, ".=====."),  # 2 % either way: 1.960 to 2.040
        (NONE, 19, 2_000, "..===.."),
        (BETTER, None, 2_000, "...===="),
        (BETTER, 0, 2_000, "...===="),
        (BETTER, 20, 2_000, ".======"),
        (BETTER, 19, 2_000, "..====="),
        (BETTER, 50, 2_000, "======="),
        (ANY, None, 2_000, "======="),
        (ANY, 0, 2_000, "...===="),
        (ANY, 20, 2_000, ".======"),
        (ANY, 1_000, 2_000, "======="),
    ],
)
def test_policy_and_tolerance(policy: Policy, tolerance: int | None, asked: int, taken: str) -> None:
    now = (1_900, 1_960, 1_999, 2_000, 2_001, 2_040, 2_100)
    assert "".join("=" if within(policy, tolerance, asked, price) else "." for price in now) == taken


@given(st.integers(1_001, 10**6), st.integers(1_001, 10**6), st.integers(0, 1_000), st.sampled_from(list(Policy)))
def test_a_tolerance_only_widens_what_is_taken(asked: int, price: int, tolerance: int, policy: Policy) -> None:
    if policy != ANY and within(policy, None, asked, price):
        assert within(policy, tolerance, asked, price)
    if within(policy, tolerance, asked, price):
        assert abs(price - asked) * 1_000 <= tolerance * asked or (price > asked and policy != NONE)
    assert within(policy, tolerance, asked, asked)


@pytest.mark.parametrize(
    ("policy", "tolerance", "price", "refusal"),
    [
        (NONE, None, 2_501, Refusal.PRICE_MOVED),
        (NONE, 1, 2_501, None),
        (BETTER, None, 2_499, Refusal.PRICE_MOVED),
        (BETTER, 1, 2_498, None),
        (BETTER, 1, 2_497, Refusal.PRICE_MOVED),
        (ANY, None, 1_001, None),
    ],
)
def test_what_is_taken_is_taken_at_the_price_of_now(
    policy: Policy, tolerance: int | None, price: int, refusal: Refusal | None
) -> None:
    desk = Table()
    desk.fan()
    bet = desk.bet(100, policy=policy, tolerance=tolerance)
    desk.offer(price=price)
    answer = desk.now(bet)
    assert answer.refusal == refusal
    if answer.bet is not None:
        assert (answer.bet.legs[0].price, bet.asked[0].price) == (price, 2_500)


def test_the_tolerance_is_part_of_what_an_id_stands_for() -> None:
    desk = Table()
    desk.fan()
    bet = desk.bet(100)
    desk.now(bet)
    assert desk.now(desk.bet(100, id_=bet.id, tolerance=0)).refusal == Refusal.ID_REUSED


# --- legs that go together --------------------------------------------------------------------------------------------


def joint(_: FixtureBook, parts: Sequence[tuple[Market, str]]) -> int | str:
    """A model that knows match result and goals, over three of which no draw has: 3.00 for what it knows."""
    kinds = [market.type for market, _ in parts]
    if len(set(kinds)) < len(kinds):
        return "legs_contradictory"
    return 3_000 if set(kinds) == {"1x2", "total_goals"} else "combination_unpriced"


def pitch() -> Table:
    """Two fixtures with two markets each."""
    desk = Table(combine=joint)
    for fixture in ("F", "G"):
        desk.offer(f"{fixture}:1x2")
        desk.offer(f"{fixture}:total_goals@2.5", outcomes=("over", "under"))
        desk.offer(f"{fixture}:odd_even", outcomes=("odd", "even"))
    desk.fan()
    return desk


F_HOME, F_OVER, F_ODD, G_HOME, G_OVER = (
    "F:1x2/home", "F:total_goals@2.5/over", "F:odd_even/odd", "G:1x2/home", "G:total_goals@2.5/over",
)  # fmt: skip


@pytest.mark.parametrize(
    ("legs", "refusal"),
    [
        ([F_HOME, G_HOME], None),
        ([F_HOME, F_HOME], Refusal.SELECTION_REPEATED),
        ([F_HOME, "F:1x2/away"], Refusal.LEGS_RELATED),  # cannot both win
        ([F_HOME, F_OVER], Refusal.LEGS_RELATED),  # a combination prices them together
        ([F_HOME, G_HOME, F_OVER], Refusal.LEGS_RELATED),
        ([(F_HOME, F_OVER)], None),
        ([(F_HOME, F_OVER), G_HOME], None),
        ([(F_HOME, F_OVER), (G_HOME, G_OVER)], None),
        ([(F_HOME, F_OVER), F_ODD], Refusal.LEGS_RELATED),
        ([(F_HOME, F_OVER), F_HOME], Refusal.SELECTION_REPEATED),
        ([(F_HOME, F_HOME)], Refusal.SELECTION_REPEATED),
        ([(F_HOME, "F:1x2/away")], Refusal.LEGS_CONTRADICTORY),
        ([(F_HOME, F_ODD)], Refusal.COMBINATION_UNPRICED),
        ([(F_HOME, "F:1x2/nobody")], Refusal.SELECTION_UNKNOWN),
        ([(F_HOME, "F:cards/over")], Refusal.SELECTION_UNKNOWN),
    ],
)
def test_which_legs_go_together(legs: list[str | tuple[str, ...]], refusal: Refusal | None) -> None:
    desk = pitch()
    found = [desk.leg(leg) if isinstance(leg, str) else desk.together(*leg, price=3_000) for leg in legs]
    answer = desk.now(desk.bet(100, *found))
    assert answer.refusal == refusal
    quote = desk.rooms[0].stake_max(desk.bet(0, *found, policy=ANY))
    assert quote.refusal == refusal
    if answer.bet is not None:
        assert [leg.price for leg in answer.bet.legs] == [3_000 if isinstance(leg, tuple) else 2_500 for leg in legs]


def test_a_combination_charges_each_of_its_parts_once() -> None:
    desk = pitch()
    desk.now(desk.bet(100, desk.together(F_HOME, F_OVER, price=3_000), desk.leg(G_HOME)))
    lost = 100 * 3 * 25 // 10 - 100
    assert desk.core.all_guards() == {
        "exposure:account:anna": lost,
        **{f"exposure:{name}#0": lost for name in (
            F_HOME, F_OVER, G_HOME, "F:1x2", "F:total_goals@2.5", "G:1x2", "F", "G",
        )},
    }  # fmt: skip


def test_a_combination_is_judged_by_its_joint_price() -> None:
    desk = pitch()
    assert desk.now(desk.bet(100, desk.together(F_HOME, F_OVER, price=3_001))).refusal == Refusal.PRICE_MOVED
    assert desk.now(desk.bet(100, desk.together(F_HOME, F_OVER, price=2_999))).refusal is None


def test_every_part_of_a_combination_is_open_and_of_its_generation() -> None:
    desk = pitch()
    seen = desk.together(F_HOME, F_OVER, price=3_000)
    desk.offer("F:total_goals@2.5", outcomes=("over", "under"), generation=2)
    assert desk.now(desk.bet(100, seen, policy=ANY)).refusal == Refusal.GENERATION_STALE
    desk.offer("F:total_goals@2.5", outcomes=("over", "under"), generation=2, status=MarketStatus.SUSPENDED)
    assert desk.now(desk.bet(100, seen, policy=ANY)).refusal == Refusal.MARKET_SUSPENDED


@pytest.mark.parametrize("number", [1, PARTS_MAX + 1])
def test_a_combination_has_two_to_ten_parts(number: int) -> None:
    """Doors take no others; a gate that is asked all the same has no price for them."""
    desk = pitch()
    leg = desk.together(*(f"F:total_goals@{goals}.5/over" for goals in range(number)), price=3_000)
    assert desk.now(desk.bet(100, leg)).refusal == Refusal.COMBINATION_UNPRICED


# --- the first reason that applies ------------------------------------------------------------------------------------

REASONS: list[Refusal] = [
    Refusal.SELECTION_UNKNOWN,
    Refusal.MARKET_CLOSED,
    Refusal.MARKET_SUSPENDED,
    Refusal.GENERATION_STALE,
    Refusal.PRICE_MOVED,
]


def broken(desk: Table, fixture: str, reason: Refusal) -> Leg:
    """A leg on a fixture that is refused for that reason."""
    market = f"{fixture}:1x2"
    status = {Refusal.MARKET_CLOSED: MarketStatus.CLOSED, Refusal.MARKET_SUSPENDED: MarketStatus.SUSPENDED}
    desk.offer(market, status=status.get(reason, MarketStatus.OPEN), generation=5)
    outcome = "nobody" if reason == Refusal.SELECTION_UNKNOWN else "home"
    generation = 4 if reason == Refusal.GENERATION_STALE else 5
    return desk.leg(
        f"{market}/{outcome}", generation=generation, price=2_501 if reason == Refusal.PRICE_MOVED else 2_500
    )


@pytest.mark.parametrize("first", REASONS)
@pytest.mark.parametrize("second", REASONS)
def test_of_several_legs_the_first_reason_is_named_and_whose_it_is(first: Refusal, second: Refusal) -> None:
    """Not that of the first leg: a client that fetches the new price of a leg whose other is closed would do so in
    vain."""
    desk = Table()
    desk.fan()
    legs = [broken(desk, "A", first), broken(desk, "B", second)]
    answer = desk.now(desk.bet(100, *legs))
    named = min((first, second), key=REASONS.index)
    assert answer.refusal == named
    assert answer.detail == (f"leg 1: {legs[0].selection}" if named == first else f"leg 2: {legs[1].selection}")


@pytest.mark.parametrize("reason", REASONS[1:4])
def test_of_a_combination_s_parts_the_first_reason_is_named(reason: Refusal) -> None:
    desk = Table(combine=joint)
    desk.fan()
    parts = [broken(desk, "F", Refusal.GENERATION_STALE)]
    desk.offer("F:total_goals@2.5", outcomes=("over", "under"), generation=5, status={
        Refusal.MARKET_CLOSED: MarketStatus.CLOSED, Refusal.MARKET_SUSPENDED: MarketStatus.SUSPENDED,
    }.get(reason, MarketStatus.OPEN))  # fmt: skip
    desk.offer("F:1x2", generation=6)
    seen = desk.together(parts[0].selection, F_OVER, price=3_000)
    desk.offer("F:1x2", generation=7)
    assert desk.now(desk.bet(100, seen)).refusal == reason


def test_a_silent_owner_closes_every_market() -> None:
    desk = Table()
    desk.fan()
    desk.clock.run_for(5_000)
    assert desk.now(desk.bet(100)).refusal is None
    desk.clock.run_for(1)
    assert desk.now(desk.bet(100)).refusal == Refusal.MARKET_SUSPENDED
    assert desk.rooms[0].stake_max(desk.bet(0)).refusal == Refusal.MARKET_SUSPENDED
    desk.heard()
    assert desk.now(desk.bet(100)).refusal is None
