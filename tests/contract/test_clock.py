"""What every clock promises."""

from matchday.model.posting import uuid7_ms
from matchday.sim.clock import VirtualClock

from .conftest import World


def test_calls_come_in_order_and_not_before_their_time(world: World) -> None:
    clock, made = world.clock, list[str]()
    clock.call_later(8, lambda: made.append("late"))
    clock.call_later(0, lambda: made.append("soon"))
    clock.call_later(0, lambda: made.append("next"))
    clock.call_later(1, lambda: made.append("never")).cancel()
    assert not made
    world.until(lambda: len(made) == 3)
    assert made == ["soon", "next", "late"]


def test_ids_are_uuid7_unique_and_rising(world: World) -> None:
    ids = [world.clock.new_id() for _ in range(2_000)]
    assert ids == sorted(set(ids))
    made = uuid7_ms(ids[0])
    assert made is not None
    assert abs(made - world.clock.now_ms()) < 60_000


def test_a_seed_fixes_chance_and_ids() -> None:
    one, other, third = VirtualClock(5), VirtualClock(5), VirtualClock(6)
    assert [one.new_id() for _ in range(5)] == [other.new_id() for _ in range(5)]
    draws = [clock.random("fan").random() for clock in (one, other, third)]
    assert draws[0] == draws[1] != draws[2]
    assert one.random("fan").random() != one.random("odds").random()


def test_virtual_time_runs_a_match_in_no_time() -> None:
    clock, made = VirtualClock(1, 0), list[int]()

    def beat() -> None:
        made.append(clock.now_ms())
        clock.call_later(60_000, beat)

    beat()
    clock.run_until(90 * 60_000)
    assert made == [minute * 60_000 for minute in range(91)]
