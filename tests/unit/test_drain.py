"""A gate that stops hands its clients over: spread, told when to come back, and nobody misses a word."""

import re

from matchday.model.messages import BookChanged
from matchday.services.push import CLOSE_DRAINING
from tests.unit.pushing import EPOCH, Client, Desk, Line, board


class Said(Line):
    """A connection that keeps the reason of its end."""

    def close(self, code: int, reason: str) -> None:
        super().close(code, reason)
        self.reason = reason


def fans(desk: Desk, count: int) -> list[Said]:
    lines = [Said(desk.settings.buffer_bytes_max) for _ in range(count)]
    for line in lines:
        desk.push.opened(line)
        desk.say(line, op="subscribe", channel="fixture:F")
    return lines


def test_goodbyes_are_spread_evenly_over_the_window() -> None:
    desk = Desk(drain_ms=1_000, drain_return_ms=500)
    desk.price("F", 2_000)
    lines = fans(desk, 400)
    done: list[int] = []
    desk.push.drain(lambda: done.append(desk.clock.elapsed_ms()))
    begun, gone = desk.clock.elapsed_ms(), []
    while not done:
        gone.append(400 - desk.push.connections)
        desk.clock.run_for(100)
        assert desk.clock.elapsed_ms() <= begun + 1_100
    assert all(abs(count - 40 * i) <= 40 for i, count in enumerate(gone))
    assert {code for line in lines for code in line.closes} == {CLOSE_DRAINING}
    waits = [int(match[1]) for line in lines if (match := re.search(r"retry_ms=(\d+)$", line.reason))]
    assert len(waits) == 400
    assert len(set(waits)) > 200
    assert 0 <= min(waits) <= max(waits) <= 500


def test_with_no_window_and_with_nobody_there_it_is_done_at_once() -> None:
    for count, window in ((3, 0), (0, 10_000)):
        desk = Desk(drain_ms=window)
        desk.price("F", 2_000)
        lines = fans(desk, count)
        done: list[bool] = []
        desk.push.drain(lambda done=done: done.append(True))  # type: ignore[misc]
        desk.settle()
        assert done == [True]
        assert all(line.closes for line in lines)


def test_whoever_comes_while_it_drains_is_sent_on() -> None:
    desk = Desk(drain_ms=1_000)
    desk.price("F", 2_000)
    fans(desk, 2)
    desk.push.drain(lambda: None)
    assert desk.push.draining
    late = Said(1_000)
    desk.push.opened(late)
    assert late.closes == [CLOSE_DRAINING]
    assert "retry_ms=" in late.reason


def test_prices_go_on_while_it_drains_and_the_next_gate_resumes_exactly() -> None:
    desk = Desk(drain_ms=1_000)
    desk.price("F", 2_000)
    lines, clients = fans(desk, 50), [Client() for _ in range(50)]
    old = desk.push
    done: list[bool] = []
    old.drain(lambda: done.append(True))
    desk.restart()  # another gate, which hears the same log
    desk.open("fixture:F")
    for _ in range(30):
        last = desk.change("F", settle=False)
        old.book_changed(latest(desk), last)
        desk.clock.run_for(50)
        for line, client in zip(lines, clients, strict=True):
            client.hear(line.read())
    assert done == [True]
    for client in clients:
        again = desk.open()
        resume = {"epoch": EPOCH, "offset": client.held["fixture:F"].offset}
        desk.say(again, op="subscribe", channel="fixture:F", resume=resume)
        frames = again.read()
        assert [frame["t"] for frame in frames[:2]] == ["hello", "resumed"]
        client.hear(frames)
        assert client.gaps == []
        assert client.held["fixture:F"].offset == desk.offset


def latest(desk: Desk) -> BookChanged:
    """What the log said last."""
    return BookChanged("F", 1, desk.books.fixtures["F"].n, "goal", desk.clock.now_ms(), board("F"), ())
