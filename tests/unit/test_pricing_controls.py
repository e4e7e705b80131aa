"""Prices that a trader overrules: what he says is offered, the overround stays, and nobody else's price moves."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matchday.model.football import FootballState, Period, Team
from matchday.model.football_markets import KINDS, OUTCOMES
from matchday.model.market import MarketKey
from matchday.model.price import UNIT
from matchday.model.trading import Controls
from matchday.pricing.calibrate import PRIOR
from matchday.pricing.football import Quote, price_book

RESULT, DOUBLE, BOTH, SCORE = map(MarketKey, ("1x2", "double_chance", "both_teams_to_score", "correct_score"))
UNTOUCHED = Controls()
EVEN = FootballState()
STATES = (
    EVEN,
    FootballState(period=Period.SECOND, home=Team(first_half=1)),
    FootballState(period=Period.SECOND, away=Team(first_half=3, red=1), penalty="home"),
)


def priced(controls: Controls = UNTOUCHED, state: FootballState = EVEN, overround: float = 0.05) -> Quote:
    return price_book(PRIOR, state, 600, overround, controls)


def prices(quote: Quote, key: MarketKey) -> dict[str, int]:
    return {selection.outcome: selection.price for selection in quote[key]}


def implied(quote: Quote, key: MarketKey) -> float:
    return sum(UNIT / price for price in prices(quote, key).values())


def test_without_controls_nothing_changes() -> None:
    assert priced(Controls(suspended=(("", True),), stake_max=(("", 5),))) == price_book(PRIOR, EVEN, 600, 0.05)


def test_an_overround_is_of_the_markets_it_was_set_for() -> None:
    quote = priced(Controls(overround=(("", 0.08), ("1x2", 0.0), ("total_goals@2.5", None))))
    assert implied(quote, RESULT) == pytest.approx(1.0, abs=0.01)
    assert implied(quote, BOTH) == pytest.approx(1.08, abs=0.01)
    assert implied(quote, MarketKey("total_goals", 10)) == pytest.approx(1.05, abs=0.01)
    assert prices(quote, MarketKey("total_goals", 10)) == prices(priced(), MarketKey("total_goals", 10))


@pytest.mark.parametrize("key", [RESULT, BOTH, SCORE, DOUBLE, MarketKey("asian_handicap", -3)])
@pytest.mark.parametrize("state", STATES)
def test_a_shift_multiplies_the_fair_odds_against_an_outcome(key: MarketKey, state: FootballState) -> None:
    """Without an overround the prices are the fair ones: (price - 1) is multiplied, the others share what is left in
    their old proportions (of a double chance: what is against them), and other markets stay as they are."""
    before = priced(state=state, overround=0.0)
    outcome, price = next(iter(prices(before, key).items()))
    after = priced(Controls(factors=((f"{key.name}/{outcome}", 1_500),)), state, 0.0)
    assert (prices(after, key)[outcome] - UNIT) / (price - UNIT) == pytest.approx(1.5, rel=0.02)
    assert implied(after, key) == pytest.approx(implied(before, key), abs=0.03)
    assert {k: v for k, v in after.items() if k != key} == {k: v for k, v in before.items() if k != key}
    others = [(UNIT / prices(q, key)[o]) for q in (before, after) for o in prices(before, key) if o != outcome]
    if key != DOUBLE and len(others) == 4:
        assert others[0] / others[1] == pytest.approx(others[2] / others[3], rel=0.02)


def test_a_shift_of_two_outcomes_does_not_hang_on_which_was_first() -> None:
    pairs = (("1x2/home", 1_300), ("1x2/away", 700))
    assert priced(Controls(factors=pairs)) == priced(Controls(factors=pairs[::-1]))


def test_a_shift_of_an_outcome_that_cannot_win_changes_nothing() -> None:
    state = FootballState(period=Period.SECOND, home=Team(first_half=1))
    assert priced(Controls(factors=(("correct_score/0-0", 500),), fixed=(("next_goal@1/home", 1_500),)), state) == (
        priced(state=state)
    )


@pytest.mark.parametrize(
    ("name", "price"),
    [("1x2/home", 2_375), ("1x2/home", 1_001), ("1x2/home", 1_000_000), ("1x2/draw", 3_333),
     ("double_chance/12", 1_234), ("both_teams_to_score/yes", 1_777), ("correct_score/1-1", 7_001)],
)  # fmt: skip
def test_a_fixed_price_is_offered_to_the_thousandth(name: str, price: int) -> None:
    """Off the ladder too; and the others of its market make up the overround where that can be done."""
    market, _, outcome = name.partition("/")
    key, before = MarketKey(market), priced()
    after = priced(Controls(fixed=((name, price),)))
    assert prices(after, key)[outcome] == price
    if 1_100 < price < 100_000:
        assert implied(after, key) == pytest.approx(implied(before, key), abs=0.02)
    assert {k: v for k, v in after.items() if k != key} == {k: v for k, v in before.items() if k != key}


def test_without_an_overround_the_unlikeliest_outcomes_have_prices(recwarn: pytest.WarningsRecorder) -> None:
    """Sums that rounding had put a little above 1 were a logarithm of less than nothing. Found by ``matchday sim``."""
    late = FootballState(period=Period.SECOND, home=Team(first_half=2, second_half=2, corners=4))
    for clock_s in range(2_400, 3_600, 7):
        quote = price_book(PRIOR, late, clock_s, 0.0)
        assert all(1_001 <= s.price <= 1_000_000 for selections in quote.values() for s in selections)
    assert not recwarn.list


CONTROLLED = [f"{key.name}/{outcome}" for key in (RESULT, DOUBLE, BOTH, SCORE) for outcome in OUTCOMES[key.type]]


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(STATES),
    st.dictionaries(st.sampled_from(CONTROLLED), st.integers(100, 10_000), max_size=6),
    st.dictionaries(st.sampled_from(CONTROLLED), st.integers(1_001, 1_000_000), max_size=6),
    st.floats(0, 1),
)
def test_whatever_a_trader_sets_prices_are_prices(
    state: FootballState, factors: dict[str, int], fixed: dict[str, int], overround: float
) -> None:
    controls = Controls((), (("", overround),), (), tuple(factors.items()), tuple(fixed.items()))
    plain, quote = priced(state=state), priced(controls, state)
    assert quote.keys() == plain.keys()
    for key, selections in quote.items():
        assert [selection.outcome for selection in selections] == [selection.outcome for selection in plain[key]]
        for selection in selections:
            name = f"{key.name}/{selection.outcome}"
            assert 1_001 <= selection.price <= 1_000_000
            assert selection.price == fixed.get(name, selection.price)
        if not any(name.startswith(f"{key.name}/") for name in fixed):
            most = len(selections)  # no price is below 1.001, whatever the overround
            at_least = min(KINDS[key.type].winners, most)
            assert implied(quote, key) >= at_least * 0.995
