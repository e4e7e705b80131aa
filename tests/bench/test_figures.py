"""The statistics of the bench, and the generator that publishes nothing rather than something wrong."""

import asyncio
from collections.abc import Callable
from itertools import pairwise

import pytest

from matchday.bench.figures import Target, compared, percentile, plain, rounded, unmeasured
from matchday.bench.open_loop import CouldNotKeepUp, Seen, at_rate

# --- figures ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("share", "expected"), [(0.5, 50), (0.99, 99), (0.999, 100), (1.0, 100), (0.01, 1), (0.001, 1)]
)
def test_a_percentile_is_the_smallest_sample_that_so_many_do_not_exceed(share: float, expected: float) -> None:
    assert percentile([float(n) for n in range(100, 0, -1)], share) == expected


def test_a_percentile_of_one_sample_is_that_and_of_none_is_an_error() -> None:
    assert percentile([7.0], 0.99) == 7.0
    with pytest.raises(ValueError, match="no samples"):
        percentile([], 0.5)


def test_a_ratio_is_the_median_of_rounds_and_not_the_ratio_of_medians() -> None:
    # One round was stolen from both alike: its ratio is as good as any other's.
    row = compared("n", "w", "us", [(10, 10), (60, 40), (30, 15)], reference="r", target=Target(1.5, of_ratio=True))
    assert (row.value, row.reference, row.ratio) == (30, 15, 1.5)
    assert (row.low, row.high, row.rounds) == (1.0, 2.0, 3)
    assert (row.target, row.met) == ("<= 1.5 x", True)


@pytest.mark.parametrize(
    ("target", "text", "met"),
    [
        (Target(1.4, of_ratio=True), "<= 1.4 x", False),
        (Target(2, of_ratio=True), "<= 2 x", True),
        (Target(0.9, of_ratio=True, at_least=True), ">= 0.9 x", True),
        (Target(25), "<= 25 us", True),
        (Target(25, at_least=True), ">= 25 us", False),
    ],
)
def test_a_target_is_of_the_ratio_or_of_the_value(target: Target, text: str, met: bool) -> None:
    row = compared("n", "w", "us", [(15.0, 10.0)], reference="r", target=target)
    assert (row.target, row.met) == (text, met)


def test_what_has_no_reference_meets_no_target_of_a_ratio() -> None:
    assert plain("n", "w", "us", [1.0], target=Target(1.4, of_ratio=True)).met is None
    missing = unmeasured("n", "w", "us", "why", target=Target(1.4, of_ratio=True))
    assert (missing.value, missing.met, missing.target, missing.note) == (None, None, "<= 1.4 x", "why")


def test_no_more_digits_are_published_than_a_run_repeats() -> None:
    assert [rounded(value) for value in (123_456.7, 0.0123456, 2.0)] == [123_500, 0.01235, 2.0]


# --- the open loop ----------------------------------------------------------------------------------------------------


def seen(
    *, due: int = 1_000, sent: int = 1_000, lag_ms: float = 0.1, answered: int = 1_000, took_ms: float = 8
) -> Seen:
    found = Seen(due=due)
    for _ in range(sent):
        found.send(lag_ms / 1e3)
    for _ in range(answered):
        found.answer("accepted", took_ms / 1e3)
    return found


def test_a_generator_that_kept_up_publishes() -> None:
    assert seen().latency_ms("accepted", 0.99) == pytest.approx(8)


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (seen(sent=900), "the generator sent 900 of 1000 requests that were due"),
        (seen(lag_ms=6), "the generator was 6.0 ms late"),
        (seen(answered=990), "10 of 1000 requests were not answered"),
        (seen(answered=0), "1000 of 1000 requests were not answered"),
        (seen(lag_ms=40, took_ms=400), "the generator was 40.0 ms late"),
    ],
)
def test_one_that_did_not_refuses_to(found: Seen, why: str) -> None:
    with pytest.raises(CouldNotKeepUp, match=why):
        found.latency_ms("accepted", 0.99)


def test_so_late_as_to_be_nothing_beside_what_it_measured_it_may_be() -> None:
    assert seen(lag_ms=15, took_ms=400).latency_ms("accepted", 0.99) == pytest.approx(400)


def test_late_now_and_then_is_seen_at_the_99th_percentile() -> None:
    found = seen(sent=985)
    for _ in range(15):
        found.send(0.5)
    assert found.lag_p99_ms == pytest.approx(500)


def test_what_nobody_answered_has_no_latency() -> None:
    with pytest.raises(CouldNotKeepUp, match="nothing was answered pending"):
        seen().latency_ms("pending", 0.5)


def run_at_rate(rate: float, seconds: float, send: Callable[[float], bool]) -> Seen:
    found = Seen()
    asyncio.run(at_rate(rate, seconds, send, found))
    return found


def test_everything_due_is_sent_by_its_own_time_though_the_generator_stood_still() -> None:
    dues: list[float] = []

    def send(due: float) -> bool:
        if len(dues) == 10:
            until = asyncio.get_running_loop().time() + 0.05
            while asyncio.get_running_loop().time() < until:  # something else had the core
                pass
        dues.append(due)
        return True

    found = run_at_rate(1_000, 0.1, send)
    assert (found.due, found.sent, found.over) == (100, 100, True)
    gaps = [after - before for before, after in pairwise(dues)]
    assert gaps == pytest.approx([0.001] * 99)  # the schedule does not slip
    assert found.lag_p99_ms > 40  # and it says how late it was
    with pytest.raises(CouldNotKeepUp):
        found.latency_ms("accepted", 0.99)


def test_what_nobody_was_there_to_send_is_due_all_the_same() -> None:
    found = run_at_rate(1_000, 0.05, lambda _: False)
    assert (found.due, found.sent) == (50, 0)
    assert found.trouble() == "the generator sent 0 of 50 requests that were due"


def test_a_rate_is_of_what_was_answered_while_there_was_something_due() -> None:
    found = Seen()
    found.answer("accepted", 0.1)
    found.over = True
    found.answer("accepted", 5)
    assert (found.in_time, found.count("accepted")) == ({"accepted": 1}, 2)


def test_a_round_without_a_reference_is_left_out_and_said() -> None:
    row = compared("a", "b", "bets/s", [(4.0, 2.0), (3.0, 0.0), (6.0, 2.0)], reference="c", note="more")
    assert (row.ratio, row.rounds) == (2.5, 2)
    assert row.note == "1 rounds left out: the reference came to nothing. more"
    nothing = compared("a", "b", "bets/s", [(3.0, 0.0)], reference="c", target=Target(0.5, of_ratio=True))
    assert (nothing.value, nothing.met) == (None, None)
    assert "came to nothing" in nothing.note
