"""What is seen live holds what is there: a late kick-off, extra time, and a match that the calendar does not know."""

from matchday.ops.scaler.risk import Risk
from matchday.ops.scaler.seen import Match
from matchday.ops.scaler.settings import Clock, Matches
from matchday.ops.scaler.when import Jumps, Time, said, stamp
from tests.unit.scaler.made_up import START_MS, Hand

MINUTE = 60
KICKOFF_MS = START_MS + 60 * 60_000
SETTINGS = Matches(before_min=20, after_min=10, late_max_min=240)


def match(status: str) -> list[Match]:
    return [Match("f1", KICKOFF_MS, status)]


def risk(clock: Hand, speed: float = 1.0, boot_s: float = 60) -> Risk:
    return Risk(SETTINGS, Time(clock, Clock(speed=speed)), boot_s * 1_000)


def test_from_some_minutes_and_a_boot_before_kick_off() -> None:
    clock = Hand()
    watch = risk(clock)
    clock.turn(38 * MINUTE)
    assert watch.holds(match("scheduled")) == []
    clock.turn(1 * MINUTE)
    (hold,) = watch.holds(match("scheduled"))
    assert (hold.until, hold.why) == ("16:00", "f1 kicks off then")


def test_a_late_kick_off_holds_for_as_long_as_it_is_late() -> None:
    clock = Hand()
    watch = risk(clock)
    clock.turn(75 * MINUTE)
    for status in ("scheduled", "postponed"):
        (hold,) = watch.holds(match(status))
        assert (hold.until, hold.why) == ("it is over", "f1 is 15 min late to kick off")
    clock.turn(225 * MINUTE)
    assert watch.holds(match("postponed")) == [], "not for ever"


def test_extra_time_and_a_shoot_out_hold_until_the_whistle_was_seen_and_then_some() -> None:
    clock = Hand()
    watch = risk(clock)
    clock.turn(60 * MINUTE)
    for _ in range(17):
        (hold,) = watch.holds(match("live"))
        assert (hold.until, hold.why) == ("it is over", "f1 is being played")
        clock.turn(10 * MINUTE)
    (ended,) = watch.holds(match("finished"))
    assert (ended.until, ended.why) == ("19:00", "f1 has just ended")
    clock.turn(9 * MINUTE)
    assert watch.holds([]), "also where it is not shown any more"
    clock.turn(1 * MINUTE)
    assert watch.holds([]) == []


def test_a_match_that_goes_on_after_all_is_no_ended_one() -> None:
    clock = Hand()
    watch = risk(clock)
    watch.holds(match("live"))
    watch.holds(match("abandoned"))
    (hold,) = watch.holds(match("live"))
    assert hold.until == "it is over"


def test_minutes_are_the_scalers_in_a_night_that_is_pressed_together() -> None:
    clock = Hand()
    watch = risk(clock, speed=60, boot_s=5)
    kickoff = [Match("f1", START_MS + 60_000, "scheduled")]
    clock.turn(34)
    assert watch.holds(kickoff) == []
    clock.turn(1)  # 20 minutes are 20 s, and 5 s a boot
    assert [hold.until for hold in watch.holds(kickoff)] == ["16:00"]


def test_time_runs_faster_from_where_it_is_said_to_begin() -> None:
    clock = Hand()
    time = Time(clock, Clock(speed=60, starts_at="2026-06-11T17:00Z"))
    clock.turn(90)
    assert time.said(clock.now_ms()) == "18:30"
    assert stamp(time.of(clock.now_ms())) == "2026-06-11T18:30:00Z"
    assert said(time.minute()) == "18:30"
    assert time.elapsed_s() == 5_400


def test_a_clock_that_jumps_is_a_doubt_for_one_look() -> None:
    clock = Hand()
    jumps = Jumps(Time(clock, Clock()), 2_000)
    clock.turn(15)
    assert jumps.doubt() is None
    clock.wall_ms -= 3_600_000
    assert jumps.doubt() == "the clock jumped by -3600.0 s"
    clock.turn(15)
    assert jumps.doubt() is None
