"""The core: what is wanted follows from forecast, sight and floor; nothing shrinks that something speaks against."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from matchday.ops.scaler.core import Amount, Core, Decision, Hold, Rule, Situation, Why
from matchday.ops.scaler.explain import explained

RULE = Rule(floor=2, ceiling=10, target_percent=70, stable_s=300, down_every_s=60)
HELD = Hold("21:52", "France - Spain is being played")


def seen(value: float) -> list[Amount]:
    return [Amount("connections", value, 1_000)]


def ahead(value: float) -> list[Amount]:
    return [Amount("connections", value, 1_000, "19:12")]


def settled(rule: Rule = RULE, asked: int = 5) -> Core:
    """A core that has looked on for long enough to let go, with little to do."""
    core = Core(rule)
    for second in (0, 150, 301, 302):
        core.decide(second - 1_000, Situation(asked, asked, doubts=["watching"]))
    return core


def once(there: Situation, rule: Rule = RULE) -> Decision:
    return settled(rule).decide(0, there)


def test_more_is_asked_for_by_what_is_expected_before_it_is_seen() -> None:
    made = once(Situation(3, 3, seen(2_000), ahead(4_300)))
    assert (made.wanted, made.why, made.change) == (5, Why.FORECAST, 2)
    assert explained("gate", made) == "gate 3 -> 5: forecast (connections 4,300 expected by 19:12, one carries 1,000)"


def test_what_is_seen_is_the_safety_net_beyond_the_forecast() -> None:
    made = once(Situation(3, 3, seen(3_400), ahead(1_000)))
    assert (made.wanted, made.why) == (5, Why.SEEN)  # 3,400 at 70 % of 1,000


def test_where_nothing_is_forecast_what_is_seen_leaves_more_room() -> None:
    rule = replace(RULE, target_percent=90, blind_percent=50)
    assert once(Situation(3, 3, seen(3_400), ahead(0)), rule).wanted == 4
    assert once(Situation(3, 3, seen(3_400)), rule).wanted == 7


@pytest.mark.parametrize(("load", "wanted"), [(1_950, 3), (2_300, 3), (2_320, 4)])
def test_within_a_tenth_of_the_target_nothing_changes(load: float, wanted: int) -> None:
    """As Kubernetes has it: three are full to 70 % with 2,100."""
    assert once(Situation(3, 3, seen(load), ahead(0))).wanted == wanted


def test_steps_up_and_the_ceiling_are_said() -> None:
    stepped = once(Situation(3, 3, seen(0), ahead(9_000)))
    assert (stepped.wanted, stepped.why) == (7, Why.STEP)
    full = once(Situation(9, 9, seen(0), ahead(30_000)))
    assert (full.wanted, full.wish, full.why) == (10, 30, Why.CEILING)
    assert "the ceiling, where 30 are wanted" in explained("gate", full)
    at_it = once(Situation(10, 10, seen(0), ahead(30_000)))
    assert (at_it.wanted, at_it.why) == (10, Why.CEILING)


def test_below_the_floor_it_goes_there_at_once() -> None:
    made = once(Situation(0, 0), replace(RULE, floor=8, step_up=1, step_up_percent=0))
    assert (made.wanted, made.why) == (8, Why.FLOOR)


def test_a_hold_keeps_what_is_there_and_says_until_when() -> None:
    made = once(Situation(5, 5, seen(100), ahead(100), holds=[Hold("20:00", "x", 1.0), HELD]))
    assert (made.wanted, made.why) == (5, Why.HOLD)
    assert explained("gate", made) == ("gate stays 5: 2 would do (the floor), but nothing shrinks until 21:52: "
                                       "France - Spain is being played")  # fmt: skip
    more = once(Situation(3, 3, seen(100), ahead(4_500), holds=[HELD]))
    assert more.wanted == 5, "a hold never stops growth"


def test_a_doubt_keeps_what_is_there_and_still_lets_it_grow() -> None:
    doubt = ["no forecast of connections: it was not seen since 18:03"]
    made = once(Situation(5, 5, seen(100), doubts=doubt))
    assert (made.wanted, made.why) == (5, Why.DOUBT)
    assert doubt[0] in explained("gate", made)
    assert once(Situation(3, 3, seen(3_400), doubts=doubt)).wanted == 5


def test_fewer_by_steps_and_not_too_often() -> None:
    core = settled()
    there = Situation(5, 5, seen(100), ahead(100))
    first = core.decide(0, there)
    assert (first.wanted, first.why) == (4, Why.SPARE)
    again = core.decide(30, replace(there, asked=4, ready=4))
    assert (again.wanted, again.why, again.wait_s) == (4, Why.STABILISING, 30)
    assert core.decide(61, replace(there, asked=4, ready=4)).wanted == 3


def test_nothing_shrinks_for_some_minutes_after_a_start() -> None:
    core = Core(RULE)
    there = Situation(5, 5, seen(100), ahead(100))
    assert core.decide(0, there).wanted == 5
    assert core.decide(299, there).why is Why.STABILISING
    assert core.decide(301, there).wanted == 4


def test_the_highest_wish_of_the_last_minutes_counts() -> None:
    core = settled()
    core.decide(0, Situation(5, 5, seen(0), ahead(4_500)))
    little = Situation(5, 5, seen(100), ahead(100))
    assert core.decide(299, little).why is Why.STABILISING
    assert core.decide(301, little).wanted == 4


def test_what_is_ready_does_not_go_for_what_is_on_order() -> None:
    made = once(Situation(6, 2, seen(100), ahead(100)))
    assert (made.wanted, made.why) == (6, Why.STARTING)


def test_where_nobody_knows_how_many_there_are_nothing_is_asked_for() -> None:
    made = once(Situation(None, None, seen(100), ahead(3_500)))
    assert (made.wanted, made.why, made.change, made.wish) == (None, Why.UNKNOWN, 0, 4)
    assert "how many there are is not known" in explained("gate", made)


def test_a_rule_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="floor 3 and ceiling 2"):
        Core(Rule(floor=3, ceiling=2))


# --- whatever comes ---------------------------------------------------------------------------------------------------

loads = st.lists(st.builds(Amount, st.just("connections"), st.floats(0, 50_000), st.floats(1, 5_000)), max_size=3)
rules = st.builds(
    lambda floor, more, target, blind, tolerance, stable, up, percent, down, every: Rule(
        floor, floor + more, target, blind, tolerance, stable, up, percent, down, every
    ),
    st.integers(0, 5), st.integers(0, 20), st.integers(1, 100), st.integers(1, 100), st.floats(0, 1), st.floats(1, 600),
    st.integers(1, 8), st.integers(0, 200), st.integers(1, 8), st.floats(0, 120),
)  # fmt: skip
doubts = st.lists(st.sampled_from(["the capacity model was measured on version 0.0.9", "clocks disagree"]), max_size=2)
situations = st.tuples(
    loads, loads, st.lists(st.just(HELD), max_size=1), doubts, st.integers(0, 3), st.floats(0, 200), st.booleans()
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(rules, st.integers(0, 30), st.lists(situations, min_size=1, max_size=12))
def test_bounds_holds_doubts_and_steps_hold_whatever_comes(
    rule: Rule, asked: int, story: Sequence[tuple[list[Amount], list[Amount], list[Hold], list[str], int, float, bool]]
) -> None:
    core, now, shrunk, first = Core(rule), 0.0, float("-inf"), story[0][5]
    for now_seen, now_ahead, holds, doubt, booting, pause, known in story:
        now += pause
        ready = max(asked - booting, 0)
        there = Situation(asked if known else None, ready if known else None, now_seen, now_ahead, holds, doubt)
        made = core.decide(now, there)
        line = explained("gate", made)
        assert line.startswith("gate "), "explained"
        assert ": " in line
        if not known:
            assert made.wanted is None
            continue
        assert made.wanted is not None
        assert made.wanted >= rule.floor
        assert made.wanted <= max(rule.ceiling, asked)
        assert made.wanted >= asked or not (holds or doubt), "nothing shrinks in a hold or in doubt"
        up = max(rule.step_up, -(-asked * rule.step_up_percent // 100))
        assert made.wanted - asked <= max(up, rule.floor - asked)
        assert asked - made.wanted <= rule.step_down
        if made.wanted < asked:
            assert now - first >= rule.stable_s, "not so soon after a start"
            assert now - shrunk >= rule.down_every_s
            shrunk = now
        asked = made.wanted
