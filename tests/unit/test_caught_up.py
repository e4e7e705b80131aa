"""Whether a process is caught up with the log: now, and without going back and forth."""

from matchday.app.caught_up import KEPT_UP, LOOK_MS, SILENT_MS_MAX, CaughtUp
from matchday.backends.log_kafka_tails import Distance
from matchday.model.messages import Topic
from matchday.ports import Lag
from matchday.sim.clock import VirtualClock

BOOKS = (Topic.BOOKS, 0)
DECISIONS = (Topic.DECISIONS, 1)


class Told:
    """What the log says of how far a process is behind."""

    def __init__(self, *, with_gate: bool = True) -> None:
        self.clock, self.lag = VirtualClock(1), Lag()
        self.caught_up = CaughtUp(self.clock, lambda: self.lag, 5_000, with_gate=with_gate)
        self.caught_up.start()

    def reasons(self, lag: Lag, looks: int = 1) -> list[str]:
        self.lag = lag
        self.clock.run_for(looks * LOOK_MS)
        return self.caught_up.reasons


def test_who_is_behind_for_too_long_is_not_ready_until_it_has_kept_up_for_a_while() -> None:
    told = Told()
    assert told.reasons(Lag(100, 4_900)) == []  # a moment of it is nobody's business
    assert told.reasons(Lag(100, 5_100)) == ["it is behind the log: 100 records, for 5100 ms"]
    assert told.reasons(Lag(20, 2_000), looks=10)  # less late, and still late
    assert told.reasons(Lag(3, 100), looks=KEPT_UP - 1)
    assert told.reasons(Lag(20, 2_000))  # it fell back at once, and has to keep up anew
    assert told.reasons(Lag(), looks=KEPT_UP - 1)
    assert told.reasons(Lag()) == []


def test_a_log_that_does_not_say_how_far_it_goes_is_no_reason_to_take_gates_out() -> None:
    silent = Lag(silent_ms=SILENT_MS_MAX + 1)
    assert Told(with_gate=True).reasons(silent) == []
    assert Told(with_gate=False).reasons(silent) == ["the log has not said for 5001 ms how far it goes"]
    assert Told(with_gate=False).reasons(Lag(silent_ms=SILENT_MS_MAX)) == []


def test_distance_is_for_how_long_the_oldest_record_has_not_been_heard() -> None:
    distance = Distance()
    assert distance.look({BOOKS: (9, 9, 9), DECISIONS: (-1, -1, -1)}, 0) == (0, 0)
    assert distance.look({BOOKS: (9, 9, 15), DECISIONS: (-1, 3, 3)}, 1_000) == (10, 0)
    assert distance.look({BOOKS: (12, 20, 30), DECISIONS: (3, 3, 3)}, 3_000) == (18, 2_000)
    assert distance.look({BOOKS: (15, 30, 40)}, 4_000) == (25, 0)  # what was there at 1,000 is heard
    assert distance.look({BOOKS: (20, 30, 50)}, 9_000) == (30, 5_000)
    assert distance.look({BOOKS: (50, 50, 50)}, 10_000) == (0, 0)


def test_what_was_read_and_is_not_heard_is_late_though_nothing_more_comes() -> None:
    """A room that is busy with something else, on a topic that is quiet."""
    distance = Distance()
    assert distance.look({BOOKS: (9, 20, 20)}, 0) == (11, 0)
    assert distance.look({BOOKS: (9, 20, 20)}, 1_000) == (11, 1_000)
    assert distance.look({BOOKS: (12, 20, 20)}, 2_000) == (8, 2_000)
    assert distance.look({BOOKS: (20, 20, 20)}, 3_000) == (0, 0)


def test_an_end_that_is_not_a_record_s_is_not_waited_for() -> None:
    """Kafka has records of its own, which nobody reads; what comes after them counts again."""
    distance = Distance()
    assert distance.look({BOOKS: (9, 9, 10)}, 0) == (1, 0)
    assert distance.look({BOOKS: (9, 9, 10)}, 1_000) == (0, 0)
    assert distance.look({BOOKS: (9, 9, 10)}, 2_000) == (0, 0)
    assert distance.look({BOOKS: (9, 9, 12)}, 3_000) == (3, 0)
    assert distance.look({BOOKS: (9, 9, 13)}, 4_000) == (4, 1_000)
    assert distance.look({BOOKS: (9, 12, 13)}, 5_000) == (4, 2_000)
    assert distance.look({BOOKS: (9, 12, 13)}, 6_000) == (3, 3_000)  # the last of them was none
