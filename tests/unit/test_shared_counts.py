"""A limit that several gates count together: kept across gates, and without a cache each for itself."""

import pytest

from matchday.backends.cache_memory import MemoryCache
from matchday.edge.limits import RateLimit
from matchday.edge.shared_counts import SHARE_MS, SharedCounts
from matchday.sim.clock import VirtualClock

ALLOWED = 10
WINDOW_MS = 60_000


class Gates:
    """Limits of several gates with one cache."""

    def __init__(self, gates: int) -> None:
        self.clock = VirtualClock(seed=1)
        self.cache = MemoryCache(self.clock)
        self.clock.run_for(WINDOW_MS - self.clock.now_ms() % WINDOW_MS)
        self.limits = [
            RateLimit(self.clock, ALLOWED, WINDOW_MS, ALLOWED,
                      shared=SharedCounts(self.clock, self.cache, "guests", ALLOWED, WINDOW_MS))
            for _ in range(gates)
        ]  # fmt: skip

    def taken(self, key: str, seconds: int) -> int:
        """How many get through somewhere, of one that asks every gate all the time."""
        found = 0
        for _ in range(seconds * 10):
            found += sum(not limit.take(key) for limit in self.limits)
            self.clock.run_for(100)
        return found


def test_alone_a_gate_keeps_its_limit() -> None:
    assert Gates(1).taken("2001:db8::1", 50) == ALLOWED + 1, "the window's allowance, and one that was on its way"


def test_together_gates_keep_one_limit_but_for_what_is_on_its_way() -> None:
    gates = Gates(8)
    most_on_the_way = 8 * (SHARE_MS // 100 + 1)
    assert ALLOWED < gates.taken("a", 50) <= ALLOWED + most_on_the_way
    assert not gates.limits[0].take("somebody else"), "others are not concerned"


def test_several_at_once_count_as_several() -> None:
    gates = Gates(2)
    assert [limit.take("a", ALLOWED // 2 + 1) for limit in gates.limits] == [0, 0]
    gates.clock.run_for(SHARE_MS)
    assert gates.limits[1].take("a"), "which heard of both"


def test_whoever_is_told_to_wait_is_told_until_when() -> None:
    gates = Gates(8)
    gates.taken("a", 1)
    assert gates.limits[0].take("a") == 59
    gates.clock.run_for(59_000)
    assert gates.limits[0].take("a") == 0


def test_a_cache_that_forgets_all_under_load_lets_nobody_wait_who_need_not() -> None:
    gates = Gates(8)
    found = 0
    for _ in range(10):
        found += gates.taken("a", 1)
        gates.cache.flush()
    assert found <= 8 * (ALLOWED + 2), "never more than each gate's own limit"
    assert gates.taken("b", 1) > 0


def test_those_far_from_their_limit_are_not_told() -> None:
    clock = VirtualClock(seed=1)
    cache = MemoryCache(clock)
    counts = SharedCounts(clock, cache, "requests", 100, 10_000, least=3)
    for key, times in (("fan a", 2), ("fan b", 3)):
        for _ in range(times):
            counts.took(key)
    clock.run_for(SHARE_MS + 1)
    assert [name.partition(":fan")[2] for name in cache._held] == [":b"]


@pytest.mark.parametrize("jump_ms", [-3 * 3_600_000, 3 * 3_600_000])
def test_a_clock_that_jumps_locks_nobody_out_and_gives_nobody_more(
    jump_ms: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    gates = Gates(8)
    gates.taken("a", 1)
    shown = gates.clock.now_ms
    monkeypatch.setattr(gates.clock, "now_ms", lambda: shown() + jump_ms)
    assert [limit.take("a") for limit in gates.limits] == [59] * 8
    gates.clock.run_for(59_000)
    most_on_the_way = 8 * (SHARE_MS // 100 + 1)
    assert ALLOWED < gates.taken("a", 50) <= ALLOWED + most_on_the_way, "they go on counting together"


@pytest.mark.parametrize("jump_ms", [-3 * 3_600_000, 3 * 3_600_000])
def test_a_bucket_fills_by_time_that_has_passed(jump_ms: int, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = VirtualClock(seed=1)
    limit = RateLimit(clock, ALLOWED, WINDOW_MS, 1)
    assert (limit.take("a"), limit.take("a")) == (0, 6)
    shown = clock.now_ms
    monkeypatch.setattr(clock, "now_ms", lambda: shown() + jump_ms)
    assert limit.take("a") == 6
    clock.run_for(6_000)
    assert limit.take("a") == 0
