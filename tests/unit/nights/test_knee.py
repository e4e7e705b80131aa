"""The search for a knee, and what a model is made of and predicts."""

import asyncio
from collections.abc import Callable

import pytest

from matchday.app import StartError
from matchday.bench.knee import Knee, Step, judged, search
from matchday.bench.open_loop import Seen
from matchday.ops.capacity import FORMAT, Capacity, CapacityError, Carried, Machine, Room
from matchday.ops.drill.capacity.gate import Mix, worst
from matchday.ops.drill.capacity.measure import at_target, carried
from matchday.ops.drill.capacity.verify import Verified, known, mix_of


def look(state_of: Callable[[float, int], str], start: float, growth: float = 1.5, most: float = float("inf")) -> Knee:
    tries = 0

    async def attempt(rate: float) -> Step:
        nonlocal tries
        tries += 1
        state = state_of(rate, tries)
        assert state in ("met", "missed", "unjudged")
        return Step(rate=rate, state=state, p99_ms=rate / 100, why=state)  # type: ignore[arg-type]

    return asyncio.run(search(attempt, start, growth, most=most))


@pytest.mark.parametrize("start", [10.0, 100.0, 900.0, 5_000.0])
def test_a_knee_is_found_from_wherever_the_search_begins(start: float) -> None:
    knee = look(lambda rate, _: "met" if rate <= 1_000 else "missed", start)
    assert 1_000 / 1.06 <= knee.rate <= 1_000
    assert knee.p99_ms == knee.rate / 100
    assert not knee.at_least


def test_a_miss_counts_when_it_happens_twice() -> None:
    knee = look(lambda rate, tries: "missed" if rate > 1_000 or tries == 2 else "met", 100.0)
    assert knee.rate > 900


def test_a_first_step_that_missed_once_bounds_nothing() -> None:
    knee = look(lambda rate, tries: "missed" if rate > 1_000 or tries == 1 else "met", 100.0)
    assert knee.rate > 900


def test_a_generator_that_was_late_for_a_moment_is_no_end() -> None:
    knee = look(lambda rate, tries: "unjudged" if tries % 2 else "met" if rate <= 1_000 else "missed", 100.0)
    assert 900 < knee.rate <= 1_000
    assert not knee.at_least


def test_a_generator_that_could_not_keep_up_leaves_a_knee_that_is_no_lower() -> None:
    knee = look(lambda rate, _: "met" if rate <= 700 else "unjudged", 100.0)
    assert 600 < knee.rate <= 700
    assert knee.at_least == "unjudged"


def test_what_never_meets_its_target_has_no_knee() -> None:
    assert look(lambda *_: "missed", 100.0).rate == 0


def test_a_search_ends_where_it_is_told_to() -> None:
    knee = look(lambda *_: "met", 100.0, most=400.0)
    assert (knee.rate, knee.at_least) == (400.0, "no higher rate was tried")


def seen(kinds: dict[str, int], took: float = 10.0, lag: float = 0.1) -> Seen:
    count = sum(kinds.values())
    return Seen(due=count, sent=count, answered=count, lags_ms=[lag] * count,
                times_ms={kind: [took] * number for kind, number in kinds.items()})  # fmt: skip


def test_a_step_is_judged_by_its_answers_its_times_and_its_generator() -> None:
    fine = frozenset({"accepted"})
    assert judged(5, seen({"accepted": 1_000}), fine, 50).state == "met"
    assert judged(5, seen({"accepted": 1_000}, took=60), fine, 50).state == "missed"
    assert (
        judged(5, seen({"accepted": 980, "busy": 20}), fine, 50).why == "980 of 1000 were answered as wanted (busy 20)"
    )
    assert judged(5, seen({"accepted": 1_000}, lag=40), fine, 50).state == "unjudged"
    lost = seen({"accepted": 900})
    lost.due = lost.sent = 1_000
    lost.lags_ms = [0.1] * 1_000
    assert judged(5, lost, fine, 50).state == "missed"  # what is not answered is not the generator's


def test_of_several_loads_the_worst_counts() -> None:
    met, slow, missed, unknown = (
        Step(rate=1, state="met", p99_ms=5), Step(rate=1, state="met", p99_ms=9), Step(rate=1, state="missed"),
        Step(rate=1, state="unjudged"),
    )  # fmt: skip
    assert worst([met, slow]) is slow
    assert worst([slow, missed]) is missed
    assert worst([missed, unknown]) is unknown


def test_a_figure_is_the_median_of_its_rounds_and_says_how_far_they_were_apart() -> None:
    knees = [
        Knee(rate=rate, p99_ms=rate / 10, steps=[], at_least=why) for rate, why in ((90, ""), (100, "full"), (120, ""))
    ]
    found = carried([knee.rate for knee in knees], target_ms=50, knees=knees)
    assert (found.per_process, found.p99_ms, found.spread, found.note) == (100, 10.0, 0.3, "at least: full")
    with pytest.raises(StartError, match="no rate met its target"):
        carried([0.0, 0.0, 1.0])


def test_connections_are_where_the_last_ones_time_reaches_the_target() -> None:
    assert at_target([(1_000, 50.0), (2_000, 100.0), (6_000, 300.0)], 250) == (5_000, "measured")
    assert at_target([(1_000, 20.0), (2_000, 40.0)], 250) == (12_500, "derived")


MODEL = Capacity(
    format=FORMAT, version="0", measured_at="2026-11-26T00:00:00Z", machine=Machine(),
    rooms={"gate": Room(carries={
        "bets_per_s": Carried(per_process=2_000), "frames_per_s": Carried(per_process=50_000),
        "requests_per_s": Carried(per_process=800),
    })},
)  # fmt: skip


def test_a_mix_is_predicted_by_its_shares() -> None:
    mix = mix_of(MODEL, (0.5, 0.3, 0.2))
    assert mix == Mix(1_000, 15_000, 160)
    assert mix.times(0.5) == Mix(500, 7_500, 80)
    with pytest.raises(CapacityError, match="does not know facts_per_s of relay"):
        known(MODEL, "relay", "facts_per_s")


def test_a_model_holds_within_a_fifth() -> None:
    assert Verified("gate", "x", 100, 119).within
    assert Verified("gate", "x", 100, 81).within
    assert not Verified("gate", "x", 100, 79).within
    assert Verified("gate", "x", 100, 90).off == pytest.approx(-0.1)
