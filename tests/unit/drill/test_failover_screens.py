"""Watchers of a drill: a change that is missing is noticed, and a silence is measured."""

from typing import Any, cast

import pytest

from matchday.ops.drill.failover.screens import Flow, Heard, Watcher, differing, missed
from matchday.ports import Clock
from matchday.sim.clock import VirtualClock


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(1, start_ms=1_000_000)


def watcher(clock: VirtualClock, name: str = "w") -> Watcher:
    found = Watcher(name, ["ws://127.0.0.1:1/ws"], cast("Clock", clock))
    found.client.follow("home")
    found.client.follow("account")
    return found


def hear(one: Watcher, frame: dict[str, Any]) -> None:
    one.client._take(frame)


def snapshot(to: int, *fixtures: str, epoch: str = "e") -> dict[str, Any]:
    rows = [{"board": {"fixture": fixture, "status": "live"}, "market": None} for fixture in fixtures]
    return {"t": "snapshot", "channel": "home", "epoch": epoch, "to": to, "at": 1, "data": {"fixtures": rows}}


def delta(since: int, to: int, at: int = 2) -> dict[str, Any]:
    rows = [{"board": {"fixture": "m", "clock_s": to}}]
    return {"t": "delta", "channel": "home", "from": since, "to": to, "at": at, "data": {"fixtures": rows}}


def test_a_change_that_is_missing_is_noticed(clock: VirtualClock) -> None:
    one = watcher(clock)
    hear(one, snapshot(5, "m"))
    hear(one, delta(5, 7))
    assert one.errors == []
    hear(one, delta(8, 9))
    hear(one, {"t": "heartbeat", "at": 3, "stale": False})
    assert one.errors == ["w: 1 changes were missing on a connection that was read"]


def test_a_resume_from_elsewhere_is_noticed(clock: VirtualClock) -> None:
    one = watcher(clock)
    hear(one, snapshot(5, "m"))
    hear(one, {"t": "resumed", "channel": "home", "epoch": "e", "to": 5})
    assert one.errors == []
    hear(one, {"t": "resumed", "channel": "home", "epoch": "e", "to": 6})
    assert one.errors == ["w: home was resumed at e, 6 and is held at ('e', 5)"]


def test_a_watcher_that_holds_something_else_than_a_newcomer_is_noticed(clock: VirtualClock) -> None:
    good, bad, behind, newcomer = (watcher(clock, name) for name in ("good", "bad", "behind", "newcomer"))
    for one in (good, bad, behind):
        hear(one, snapshot(5, "m"))
    hear(good, delta(5, 7))
    hear(bad, delta(5, 7) | {"data": {"fixtures": []}})
    hear(newcomer, snapshot(7, "m"))
    newcomer.client.held["home"].rows["m"]["board"]["clock_s"] = 7
    compared, wrong = differing([good, bad, behind], newcomer)
    assert compared == 2
    (said,) = wrong
    assert said.startswith("bad: holds something else than a newcomer at 7 of home: of 1 other rows: {'board': {")
    newcomer.client.held["home"].rows["n"] = newcomer.client.held["home"].rows.pop("m")
    assert differing([bad], newcomer)[1][0].endswith("7 of home: it has m; it lacks n")


def test_a_fact_that_was_missed_or_made_up_is_noticed() -> None:
    heard = Heard("fan 1", since=3, until=9, facts=frozenset({5, 9}))
    assert missed(heard, [2, 3, 5, 9, 12]) == []
    assert missed(heard, [5, 7, 9]) == ["fan 1: fact 7 was never heard"]
    assert missed(heard, [5]) == ["fan 1: fact 9 is not the ledger's"]


def test_a_fact_that_is_heard_twice_is_noticed(clock: VirtualClock) -> None:
    one = watcher(clock)
    hear(one, {"t": "snapshot", "channel": "account", "epoch": "e", "to": 1, "at": 1, "data": {}})
    for since, to in ((1, 2), (2, 3)):
        facts = [{"seq": 2, "at_ms": clock.now_ms()}]
        hear(one, {"t": "delta", "channel": "account", "from": since, "to": to, "at": 1, "data": {"facts": facts}})
    assert one.errors == ["w: fact 2 was heard twice"]
    assert one.heard() == Heard("w", 1, 3, frozenset({2}))


def test_bets_that_were_settled_together_are_several_of_one_place(clock: VirtualClock) -> None:
    one, now = watcher(clock), clock.now_ms()
    hear(one, {"t": "snapshot", "channel": "account", "epoch": "e", "to": 1, "at": 1, "data": {}})
    facts = [{"kind": "bet_settled", "seq": 2, "at_ms": now, "bet": bet} for bet in ("b1", "b2")]
    hear(one, {"t": "delta", "channel": "account", "from": 1, "to": 2, "at": 1, "data": {"facts": facts}})
    assert one.errors == []
    assert one.heard() == Heard("w", 1, 2, frozenset({2}))
    hear(one, {"t": "delta", "channel": "account", "from": 2, "to": 3, "at": 1, "data": {"facts": facts[1:]}})
    assert one.errors == ["w: fact 2 was heard twice"]


def test_a_silence_counts_from_the_mark_until_now() -> None:
    flow = Flow(10.0)
    flow.came(11.0)
    flow.mark(14.0)
    assert flow.longest_s(15.0) == 1.0  # what was silent before is not this fault's
    flow.came(17.0)
    flow.came(18.0)
    assert flow.longest_s(18.5) == 3.0
    assert flow.longest_s(30.0) == 12.0


def test_a_fact_that_comes_late_is_a_gap(clock: VirtualClock) -> None:
    one = watcher(clock)
    one.mark()
    hear(one, {
        "t": "snapshot", "channel": "account", "epoch": "e", "to": 1, "at": 1, "data": {"balance": "1.00"},
    })  # fmt: skip
    now = clock.now_ms()
    facts = [{"kind": "bet_accepted", "seq": 2, "at_ms": now - 2_500}, {"seq": 3, "at_ms": now + 7_200_000}]
    hear(one, {"t": "delta", "channel": "account", "from": 1, "to": 3, "at": now, "data": {"facts": facts}})
    assert one.gap_s() == 2.5
    assert one.newest_ms == now - 2_500  # a clock that is ahead says nothing of what is new
    one.mark()
    assert one.gap_s() == 0
