"""Push: a client that applies what it is sent holds what the gate holds, through loss, resume and slowness."""

import json
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from matchday.backends.ledger_sqlite import SqliteLedgerCore
from matchday.client import Held
from matchday.config import Push as PushSettings
from matchday.model.book import Books
from matchday.model.market import Market, MarketStatus, Selection
from matchday.model.messages import Board, BookChanged, FixtureStatus
from matchday.model.views import market_view
from matchday.services.push import CLOSE_IDLE, CLOSE_SLOW, Push
from matchday.sim.clock import VirtualClock
from matchday.sim.inline import InlineLedger
from matchday.sim.screens import LINES

MARKETS = ("F:1x2", "F:total_goals@2.5", "F:both_teams_to_score")


def board(goals: int) -> Board:
    score, none = (goals, 0), (0, 0)
    return Board("F", "C", "H", "A", 0, FixtureStatus.LIVE, "1H", 0, 0, 1.0, score, None, None, none, none)


def change(n: int, which: list[int], price: int) -> BookChanged:
    markets = tuple(
        Market(MARKETS[i], MARKETS[i][2:].partition("@")[0], None, MarketStatus.OPEN, n, (Selection("home", price),))
        for i in which
    )
    return BookChanged("F", 1, n, "tick", n, board(n // 3), markets)


class Screen:
    """A client at the other end of a connection: applies snapshots and unbroken deltas."""

    binary = deflated = False

    def __init__(self) -> None:
        self.held = Held("fixture:F")
        self.waiting = 0
        self.closed: int | None = None
        self.kinds: list[str] = []
        self.pings = 0

    def send(self, data: bytes) -> None:
        for line in data.splitlines():
            self.hear(json.loads(line))

    def hear(self, frame: dict[str, Any]) -> None:
        self.kinds.append(frame["t"])
        if frame["t"] == "snapshot":
            self.held.snapshot(frame)
        elif frame["t"] == "delta":
            assert self.held.delta(frame), "said twice"

    def buffered(self) -> int:
        return self.waiting

    def ping(self) -> None:
        self.pings += 1

    def close(self, code: int, reason: str) -> None:
        self.closed = code


class Room:
    def __init__(self, limits: PushSettings) -> None:
        self.clock = VirtualClock(1, 0)
        self.books = Books()
        ledger = InlineLedger(SqliteLedgerCore(":memory:"), self.clock)
        self.push = Push(
            self.clock, self.books, "e1", limits, ledger=ledger, verify=lambda _: None,
            framing=LINES, stale=lambda: False,
        )  # fmt: skip
        self.n = 0
        self.say([0, 1, 2], 2000)

    def say(self, which: list[int], price: int) -> None:
        self.n += 1
        said = change(self.n, which, price)
        assert self.books.apply(said, self.n * 10)
        self.push.book_changed(said, self.n * 10)

    def join(self, screen: Screen) -> None:
        resume = {"resume": screen.held.resume} if screen.held.resume else {}
        self.push.opened(screen)
        self.push.received(screen, json.dumps({"op": "subscribe", "channel": "fixture:F", **resume}).encode())

    def truth(self) -> dict[str, Any]:
        book = self.books.fixtures["F"]
        return {key: json.loads(json.dumps(_plain(market_view(m)))) for key, m in book.markets.items()}


def _plain(value: Any) -> Any:
    return msgspec.to_builtins(value)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("say"), st.lists(st.integers(0, 2), unique=True, max_size=3), st.integers(1001, 9000)),
        st.tuples(st.sampled_from(["flush", "slow", "drain", "drop", "join"]), st.just([]), st.just(0)),
    ),
    max_size=40,
)


@settings(max_examples=150, deadline=None)
@given(STEPS, st.integers(1, 6))
def test_what_a_client_holds_is_what_the_room_holds(steps: list[tuple[str, list[int], int]], history: int) -> None:
    room, screen = Room(PushSettings(history_frames_max=history, messages_per_second_max=10_000)), Screen()
    room.join(screen)
    there = True
    for kind, which, price in steps:
        if kind == "say":
            room.say(which, price)
        elif kind == "flush":
            room.clock.run_for(1)
        elif kind == "slow":
            screen.waiting = 10**6
        elif kind == "drain":
            screen.waiting = 0
            room.push.drained(screen)
        elif kind == "drop" and there:
            room.push.closed(screen)
            there = False
        elif kind == "join" and not there:
            screen.waiting = 0
            room.join(screen)
            there = True
    if not there:
        screen.waiting = 0
        room.join(screen)
    screen.waiting = 0
    room.clock.run_for(1)
    room.push.drained(screen)
    room.clock.run_for(1)
    assert screen.held.markets == room.truth()
    assert screen.held.board["score"] == list(room.books.fixtures["F"].board.score)


def test_resume_gives_exactly_what_was_missed() -> None:
    room, screen = Room(PushSettings()), Screen()
    room.join(screen)
    room.clock.run_for(1)
    room.push.closed(screen)
    room.say([0], 2100)
    room.say([1], 2200)
    screen.kinds.clear()
    room.join(screen)
    room.clock.run_for(1)
    assert screen.kinds == ["hello", "resumed", "delta", "delta"]
    assert screen.held.markets == room.truth()


def test_another_epoch_gets_a_snapshot() -> None:
    room, screen = Room(PushSettings()), Screen()
    screen.held.epoch, screen.held.offset, screen.held.whole = "e0", 10, True
    room.join(screen)
    room.clock.run_for(1)
    assert screen.kinds == ["hello", "snapshot"]


def test_what_is_said_within_a_tick_leaves_in_one_send() -> None:
    room, screen = Room(PushSettings()), Screen()
    sends: list[bytes] = []
    screen.send = sends.append  # type: ignore[assignment, method-assign]
    room.join(screen)
    room.clock.run_for(1)
    sends.clear()
    for price in range(2100, 2160):
        room.say([0], price)
    room.clock.run_for(1)
    assert len(sends) == 1
    assert sends[0].count(b'"delta"') == 60


def test_the_slow_and_the_silent_are_told_why_they_are_closed() -> None:
    room, slow, silent = Room(PushSettings()), Screen(), Screen()
    room.join(slow)
    room.join(silent)
    room.clock.run_for(1)
    slow.waiting = 10**6
    room.say([0], 3000)
    room.clock.run_for(20_000)
    assert (slow.closed, silent.closed) == (CLOSE_SLOW, None)
    assert silent.held.markets == room.truth()
    room.clock.run_for(60_000)
    assert silent.closed == CLOSE_IDLE
    assert "heartbeat" in silent.kinds
