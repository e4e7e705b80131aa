"""Who checks the checkers of ``matchday cluster audit``: what a screen was not told, or told wrongly, is a fault."""

import json
import random
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from matchday.bench.audit.states import States
from matchday.bench.audit.truth import Truth
from matchday.bench.audit.watcher import Watcher, frames_of
from matchday.model.market import Market, MarketStatus, Selection
from matchday.model.messages import Board, BookChanged, FixtureStatus, OddsOwned, Topic, encode
from matchday.model.views import market_view
from matchday.ports import Stored

EPOCH = "topic-1"


def board(fixture: str, score: tuple[int, int] = (0, 0)) -> Board:
    return Board(
        fixture, "Cup", "Home", "Away", 0, FixtureStatus.LIVE, "1H", 60, 0, 1.0, score, None, None, (0, 0), (0, 0)
    )  # fmt: skip


@pytest.fixture
def states() -> States:
    return States()


def screen(states: States, number: int = 0) -> Watcher:
    watcher = Watcher(states, number, 0, ("home",), random.Random(1))
    assert [said["op"] for said in watcher.greet()] == ["subscribe"]
    return watcher


def frame(kind: str, **fields: Any) -> bytes:
    return json.dumps({"t": kind, "channel": "home", **fields}).encode()


def snapshot(to: int, *scores: int) -> bytes:
    rows = [{"board": {"fixture": f"F{n}", "status": "live", "score": s}, "market": None} for n, s in enumerate(scores)]
    return frame("snapshot", epoch=EPOCH, to=to, at=0, data={"fixtures": rows})


def delta(after: int, to: int, score: int) -> bytes:
    rows = [{"board": {"fixture": "F0", "score": score}}]
    return frame("delta", **{"from": after}, to=to, at=0, cause="goal", data={"fixtures": rows})


def test_a_chain_of_deltas_is_no_fault_and_what_comes_twice_is_none_either(states: States) -> None:
    watcher = screen(states)
    for said in (snapshot(5, 0), delta(5, 7, 1), delta(5, 7, 1), delta(7, 8, 2)):
        assert watcher.hear(said) is None
    assert (watcher.offset(), watcher.told, states.faults) == (8, 0, [])
    assert watcher.held["home"].held.rows["F0"]["board"]["score"] == 2


def test_a_delta_that_does_not_follow_is_a_fault(states: States) -> None:
    watcher = screen(states)
    watcher.hear(snapshot(5, 0))
    assert watcher.hear(delta(6, 7, 1)) == {"op": "subscribe", "channel": "home"}
    assert "screen 0 missed something and was not told" in states.faults[0]
    watcher.hear(snapshot(7, 1))
    assert watcher.told == 0  # it was asked for
    assert states.faults_total == 1


def test_a_loss_that_is_told_is_counted_and_no_fault(states: States) -> None:
    watcher = screen(states)
    watcher.hear(snapshot(5, 0))
    (said,) = watcher.greet()
    assert said["resume"] == {"epoch": EPOCH, "offset": 5}
    watcher.hear(snapshot(9, 1))
    assert (watcher.told, states.faults_total) == (1, 0)


def test_two_who_were_told_as_much_must_hold_the_same(states: States) -> None:
    one, other = screen(states, 1), screen(states, 2)
    for watcher in (one, other):
        watcher.hear(snapshot(5, 0))
    one.hear(delta(5, 7, 1))
    other.hear(delta(5, 6, 9))
    assert states.faults == []
    other.hear(delta(6, 7, 2))
    assert states.faults == ["home: two who were told everything up to 7 hold different things"]


def test_a_bet_that_a_fan_is_told_twice_is_counted_twice(states: States) -> None:
    watcher = Watcher(states, 0, 0, ("account",), random.Random(1), "token")
    watcher.greet()
    data = {"account": "a", "currency": "EUR", "balance": "1.00", "bets": [{"bet": "b1"}]}
    told = {"t": "snapshot", "channel": "account", "epoch": EPOCH, "to": 1, "at": 0, "data": data}
    watcher.hear(json.dumps(told).encode())
    for after, to, bet in ((1, 2, "b2"), (2, 3, "b2")):
        facts = [{"kind": "bet_accepted", "bet": {"bet": bet}}]
        fields = {"t": "delta", "channel": "account", "from": after, "to": to, "at": 0, "cause": "x"}
        watcher.hear(json.dumps({**fields, "data": {"facts": facts}}).encode())
    assert watcher.heard_bets == {"b1": 1, "b2": 2}


# --- against the log --------------------------------------------------------------------------------------------------


class Books:
    """A log with nothing else on it."""

    def __init__(self, *messages: BookChanged | OddsOwned) -> None:
        self._records = [Stored(Topic.BOOKS, 0, n, "F0", encode(message), 0) for n, message in enumerate(messages)]

    def read(self, topic: Topic, after: int, limit: int) -> list[Stored]:
        assert topic == Topic.BOOKS
        return self._records[after + 1 : after + 1 + limit]


def change(n: int, epoch: int = 1, score: tuple[int, int] = (0, 0)) -> BookChanged:
    selections = tuple(Selection(name, 2_000) for name in ("home", "draw", "away"))
    main = Market("F0:1x2", "1x2", None, MarketStatus.OPEN, 1, selections)
    return BookChanged("F0", epoch, n, "tick", 0, board("F0", score), (main,))


def told(states: States, log: Books, since: int = 0) -> Truth:
    truth = Truth(states, EPOCH, since)
    truth.read(log)  # type: ignore[arg-type]
    return truth


def test_changes_of_a_former_owner_are_no_loss_and_one_that_is_left_out_is_a_fault(states: States) -> None:
    log = Books(OddsOwned(0), change(1), change(2), OddsOwned(0), change(3, 4), change(3, 1), change(4, 4))
    truth = told(states, log)
    assert (truth.changes, truth.dropped, truth.owners, states.faults) == (4, 1, {(0, 1), (0, 4)}, [])
    told(states, Books(OddsOwned(0), change(1), change(3)))
    assert states.faults == ["F0: owner 1 says change 3 after 1"]


def test_what_screens_held_is_compared_with_what_the_log_adds_up_to(states: States) -> None:
    log = Books(OddsOwned(0), change(1), change(2, score=(1, 0)))
    watcher = screen(states)
    rows = [{"board": row_board([0, 0]), "market": row_market()}]
    watcher.hear(frame("snapshot", epoch=EPOCH, to=1, at=0, data={"fixtures": rows}))
    truth = told(states, log)
    assert (truth.compared, states.faults) == (1, [])
    wrong = [{"board": {"fixture": "F0", "score": [0, 1]}}]
    watcher.hear(frame("delta", **{"from": 1}, to=2, at=0, cause="goal", data={"fixtures": wrong}))
    told(states, log)
    assert states.faults == ["home: screens held something else at 2 than the log adds up to"]


def row_board(score: list[int]) -> dict[str, Any]:
    return {**msgspec.to_builtins(board("F0")), "score": score}


def row_market() -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(market_view(change(1).markets[0]))
    return found


def test_who_was_told_later_things_of_other_channels_is_behind_on_none(states: States) -> None:
    truth = told(states, Books(OddsOwned(0), change(1), change(2), change(3)))
    watcher = screen(states)
    watcher.hear(snapshot(3, 0))
    match = {"t": "snapshot", "channel": "fixture:F0", "epoch": EPOCH, "to": 3, "at": 0}
    watcher.hear(json.dumps({**match, "data": {"board": {"fixture": "F0"}, "markets": []}}).encode())
    truth.check([watcher])
    assert states.faults == []
    watcher.hear(json.dumps({**match, "to": 2, "data": {"board": {"fixture": "F0"}, "markets": []}}).encode())
    truth.check([watcher])
    assert "was told of fixture:F0 up to 2, not of its change at 3" in states.faults[0]


# --- bytes ------------------------------------------------------------------------------------------------------------


def pieces(data: bytes) -> Iterator[tuple[int, bytes]]:
    left = b""
    for byte in data:
        found, left = frames_of(left + bytes((byte,)))
        yield from found
    assert left == b""


def test_frames_are_found_however_they_arrive() -> None:
    said = [(0x81, b"a"), (0x88, b"\x0f\xacretry_ms=12"), (0x81, b"b" * 200), (0x89, b""), (0x81, b"c" * 70_000)]
    data = b"".join(server_frame(kind, payload) for kind, payload in said)
    assert frames_of(data) == (said, b"")
    assert list(pieces(b"".join(server_frame(*each) for each in said[:4]))) == said[:4]


def server_frame(kind: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        return bytes((kind, size)) + payload
    if size < 65_536:
        return bytes((kind, 126)) + size.to_bytes(2, "big") + payload
    return bytes((kind, 127)) + size.to_bytes(8, "big") + payload
