"""Pressure: what matters least gives way first, as much as is measured to be needed, and comes back when it is over."""

from collections.abc import Callable
from pathlib import Path

import pytest

from matchday.config import Bets as BetSettings
from matchday.config import Lobby as LobbySettings
from matchday.config import Overload, Settings
from matchday.edge.pressure import Pressure, Priority
from matchday.edge.problems import Problem
from matchday.sim.clock import VirtualClock
from tests.unit.doors import Site

AIMS = Overload(lag_ms_aim=50, answer_ms_aim=500, window_ms=240)


class LateClock(VirtualClock):
    """Calls come later than asked for, as those of a loop that has too much to do."""

    late_ms = 0

    def call_later(self, delay_ms: int, call: Callable[[], None]):  # type: ignore[no-untyped-def]
        return super().call_later(delay_ms + self.late_ms, call)


def pressed() -> tuple[LateClock, Pressure]:
    clock = LateClock(1)
    pressure = Pressure(clock, AIMS)
    pressure.start()
    return clock, pressure


def taken(pressure: Pressure, priority: Priority) -> float:
    count = 0
    for _ in range(1_000):
        try:
            pressure.admit(priority)
        except Problem:
            continue
        count += 1
    return count / 1_000


def test_a_loop_in_time_turns_nobody_away() -> None:
    clock, pressure = pressed()
    clock.late_ms = 40  # below what is aimed at
    clock.run_for(60_000)
    assert pressure.level == 0
    assert all(taken(pressure, priority) == 1 for priority in Priority)


def test_a_late_loop_sheds_what_matters_least_first() -> None:
    clock, pressure = pressed()
    clock.late_ms = 150
    seen: list[list[float]] = []
    for _ in range(40):
        clock.run_for(250)
        seen.append([pressure.shed(priority) for priority in Priority])
    for money, bets, browsing, computed in seen:
        assert money == 0
        assert bets == 0 or browsing == 1
        assert browsing == 0 or computed == 1
    assert seen[-1] == [0, 1, 1, 1]
    assert taken(pressure, Priority.MONEY) == 1
    assert taken(pressure, Priority.COMPUTED) == 0


def test_the_share_follows_what_is_measured() -> None:
    """Lateness that follows the load is brought to its aim, with as much turned away as that takes: here 60 %."""
    clock, pressure = pressed()
    shares: list[float] = []
    for _ in range(2_000):
        load = sum(1 - pressure.shed(priority) for priority in Priority)  # of each priority alike
        clock.late_ms = round(50 * load / 1.6)
        clock.run_for(250)
        shares.append(load)
    late = shares[-500:]
    assert sum(late) / len(late) == pytest.approx(1.6, rel=0.1)


def test_slow_answers_of_the_ledger_count_as_well() -> None:
    clock, pressure = pressed()
    for _ in range(20):
        pressure.took(2_000)
        clock.run_for(250)
    assert pressure.shed(Priority.COMPUTED) == 1


def test_when_it_is_over_everything_is_taken_again_little_by_little() -> None:
    clock, pressure = pressed()
    clock.late_ms = 500
    clock.run_for(10_000)
    assert pressure.level == 3
    clock.late_ms = 0
    clock.run_for(1_000)
    assert pressure.level > 2.5
    clock.run_for(20_000)
    assert pressure.level == 0


def test_those_turned_away_are_told_different_times() -> None:
    clock, pressure = pressed()
    clock.late_ms = 500
    clock.run_for(10_000)
    times = set()
    for _ in range(50):
        with pytest.raises(Problem) as caught:
            pressure.admit(Priority.COMPUTED)
        assert (caught.value.details.reason, caught.value.details.status) == ("overloaded", 503)
        times.add(caught.value.response().headers["Retry-After"])
    assert times == {"1", "2", "3", "4", "5"}


# --- at the door ------------------------------------------------------------------------------------------------------


def test_under_pressure_quotes_give_way_and_the_fan_s_money_does_not(tmp_path: Path) -> None:
    site = Site(tmp_path)
    token = site.guest()
    site.pressure.level = 1.0
    legs = [{"selection": "F:total_goals@2.5/over"}]
    asked = site.ask("POST", "/api/bets/quote", {"currency": "EUR", "legs": legs}, token)
    assert (asked.status, asked.json["reason"]) == (503, "overloaded")
    assert 1 <= int(asked.headers["retry-after"]) <= 5
    assert site.ask("GET", "/api/fixtures").status == 200
    site.pressure.level = 3.0
    assert site.ask("GET", "/api/fixtures").json["reason"] == "overloaded"
    placed = site.bet()
    assert site.ask("POST", "/api/bets", placed, token).json["reason"] == "overloaded"
    assert site.ask("GET", "/api/account", token=token).status == 200
    assert site.ask("GET", f"/api/bets/by-id/{placed['id']}", token=token).json["reason"] == "id_unknown"


def test_a_newcomer_waits_his_turn_at_the_door(tmp_path: Path) -> None:
    settings = Settings(bets=BetSettings(delay_ms=0), lobby=LobbySettings(fans_max=1, active_ms=10_000))
    site = Site(tmp_path, settings)
    token = site.guest()
    first = site.ask("POST", "/api/guest", {})
    assert first.status == 202
    assert (first.json["ahead"], set(first.json)) == (0, {"ticket", "ahead", "wait_s", "ask_in_s"})
    second = site.ask("POST", "/api/guest", {"ticket": None})
    assert (second.status, second.json["ahead"]) == (202, 1)
    assert site.ask("GET", "/api/account", token=token).status == 200
    site.clock.run_for(10_001)
    assert site.ask("POST", "/api/guest", {"ticket": second.json["ticket"]}).status == 202
    entered = site.ask("POST", "/api/guest", {"ticket": first.json["ticket"]})
    assert entered.status == 201
    again = site.ask("POST", "/api/guest", {"ticket": first.json["ticket"]})
    assert (again.status, again.json["reason"], again.json["field"]) == (409, "ticket_used", "ticket")
    forged = site.ask("POST", "/api/guest", {"ticket": "x"})
    assert (forged.status, forged.json["reason"]) == (409, "ticket_unknown")
    assert site.ask("GET", "/api/account", token=entered.json["token"]).status == 200
