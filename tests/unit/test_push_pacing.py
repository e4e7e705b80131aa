"""Clients that want to hear less often, and what no client has to wait for."""

from itertools import pairwise
from typing import Any

import pytest
from msgspec.structs import replace

from matchday.model.market import MarketStatus
from matchday.services.push.pacing import PERIOD_MS_MIN, period_ms
from tests.unit.pushing import EPOCH, GOALS, RESULT, Client, Desk, Line, market


def follow(desk: Desk, rate_hz: float | None, channel: str = "fixture:F") -> Line:
    line = desk.open()
    desk.say(line, op="subscribe", channel=channel, max_rate_hz=rate_hz)
    return line


def deltas(line: Line) -> list[dict[str, Any]]:
    return [frame for frame in line.read() if frame["t"] == "delta"]


def told(desk: Desk, *, rate_hz: float | None, steps: int, each_ms: int) -> list[dict[str, Any]]:
    """What one who wants to hear so often is told of prices that move every so often."""
    desk.price("F", 2000)
    line = follow(desk, rate_hz)
    for step in range(steps):
        desk.price("F", 2001 + step)
        desk.clock.run_for(each_ms)
    return line.read()


@pytest.mark.parametrize("rate_hz", [1 / 64, 0.1, 1.0, 3.0, 39.9, 40.0, 1_000.0])
def test_no_lane_is_quicker_than_was_asked(rate_hz: float) -> None:
    assert period_ms(rate_hz) >= PERIOD_MS_MIN
    assert 1_000 / rate_hz <= period_ms(rate_hz) < max(PERIOD_MS_MIN + 1, 2 * 1_000 / rate_hz)


def test_who_asks_for_less_is_told_less_and_ends_with_the_same() -> None:
    desk = Desk()
    heard = told(desk, rate_hz=1.0, steps=100, each_ms=50)
    frames = [frame for frame in heard if frame["t"] == "delta"]
    assert 3 <= len(frames) <= 5
    assert all(frame["conflated"] for frame in frames[1:])
    assert all(before["to"] == after["from"] for before, after in pairwise(frames))
    client = Client()
    client.hear(heard)
    assert client.gaps == []
    last = frames[-1]["data"]["markets"]["1x2"]["prices"][0]
    assert client.held["fixture:F"].markets["F:1x2"]["selections"][0]["price"] == last


def test_the_first_change_after_silence_does_not_wait() -> None:
    desk = Desk()
    desk.price("F", 2000)
    line = follow(desk, 1.0)
    desk.price("F", 2001)
    assert len(deltas(line)) == 1
    desk.price("F", 2002)
    assert deltas(line) == []
    desk.clock.run_for(1_600)
    assert len(deltas(line)) == 1


def test_goals_and_suspensions_do_not_wait_and_bring_what_waited() -> None:
    desk = Desk()
    desk.change("F", market("F", RESULT, 2000), market("F", GOALS, 2000))
    line = follow(desk, 1 / 64)
    desk.price("F", 2001)
    desk.price("F", 2002)
    assert len(deltas(line)) == 1
    desk.change("F", score=(1, 0))
    (goal,) = deltas(line)
    assert goal["data"]["board"] == {"score": [1, 0]}
    assert goal["data"]["markets"] == {"1x2": {"prices": ["2.002", "2.002", "2.002"]}}
    desk.change("F", replace(market("F", GOALS, 2000), status=MarketStatus.SUSPENDED), score=(1, 0))
    (suspension,) = deltas(line)
    assert suspension["data"] == {"markets": {"total_goals@2.5": {"status": "suspended"}}}


def test_facts_of_an_account_do_not_wait() -> None:
    desk = Desk()
    desk.account("A")
    line = desk.open()
    desk.say(line, op="auth", token="token-A")
    desk.say(line, op="pace", max_rate_hz=1 / 64)
    desk.say(line, op="subscribe", channel="account", max_rate_hz=1 / 64)
    line.read()
    for amount in range(1, 6):
        desk.pay("A", amount)
    assert [len(frame["data"]["facts"]) for frame in deltas(line)] == [1] * 5


def test_those_of_one_pace_share_one_encoding_of_what_was_merged() -> None:
    desk = Desk()
    desk.price("F", 2000)
    lines = [follow(desk, 1.0) for _ in range(40)]
    desk.price("F", 2001)
    desk.encoded = 0
    for price in range(3000, 3010):
        desk.price("F", price)
    desk.clock.run_for(1_600)
    assert desk.encoded == 1
    assert len({id(line.sends[-1]) for line in lines}) == 1


def test_what_changed_and_changed_back_is_not_said() -> None:
    desk = Desk()
    desk.price("F", 2000)
    line = follow(desk, 1.0)
    for price in (2001, 2500, 2001):
        desk.price("F", price)
    line.read()
    desk.clock.run_for(1_600)
    (delta,) = deltas(line)
    assert (delta["data"], delta["conflated"]) == ({}, True)


def test_the_pace_of_a_connection_can_be_changed_on_the_way() -> None:
    desk = Desk()
    desk.price("F", 2000)
    line, client = desk.open("fixture:F"), Client()
    desk.say(line, op="pace", max_rate_hz=1.0)
    for price in (2001, 2002, 2003):
        desk.price("F", price)
    frames = line.read()
    assert [frame["t"] for frame in frames] == ["hello", "snapshot", "delta"]
    desk.say(line, op="pace", max_rate_hz=None)
    desk.price("F", 2004)
    frames += line.read()
    assert [frame["t"] for frame in frames[3:]] == ["delta", "delta"]
    client.hear(frames)
    assert client.gaps == []
    assert client.held["fixture:F"].markets["F:1x2"]["selections"][0]["price"] == "2.004"


def test_one_who_resumes_at_a_pace_gets_what_he_missed() -> None:
    desk = Desk()
    before = desk.price("F", 2000)
    desk.price("F", 2001)
    desk.price("F", 2002)
    line = desk.open()
    frames = desk.told(
        line, op="subscribe", channel="fixture:F", resume={"epoch": EPOCH, "offset": before}, max_rate_hz=1
    )
    assert [frame["t"] for frame in frames] == ["resumed", "delta", "delta"]


@pytest.mark.parametrize("rate", [0, -1, 1_001, "1", True])
def test_a_rate_that_is_none_is_refused_by_name(rate: object) -> None:
    desk = Desk()
    (answer,) = desk.told(desk.open(), op="pace", max_rate_hz=rate)
    assert (answer["t"], answer["reason"]) == ("error", "message_invalid")
    assert "max_rate_hz" in answer["detail"]


def test_an_empty_lane_leaves_nothing_behind() -> None:
    desk = Desk()
    desk.price("F", 2000)
    line = follow(desk, 1.0)
    desk.price("F", 2001)
    desk.price("F", 2002)
    desk.push.closed(line)
    desk.clock.run_for(2_000)
    channel = desk.push._channels.open("fixture:F", None)
    assert channel is not None
    assert channel.lanes == {}
