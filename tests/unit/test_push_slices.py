"""A crowd is told in slices: between them everything else has its turn, and nobody misses or gets anything twice."""

from collections.abc import Callable
from typing import Any

from tests.unit.pushing import Client, Desk, Line

CROWD = 10


def crowd(desk: Desk, *channels: str) -> list[Line]:
    desk.price("F", 2000)
    lines = [desk.open(*channels) for _ in range(CROWD)]
    for line in lines:
        line.read()
    return lines


def newcomer(desk: Desk) -> Line:
    line = desk.open()
    desk.settle()
    line.read()
    return line


def turns(desk: Desk, count: int, then: Callable[[], Any]) -> None:
    """Do something when so many turns of the loop are over, of those that now begin."""
    if count:
        desk.clock.call_later(0, lambda: turns(desk, count - 1, then))
    else:
        then()


def reached(lines: list[Line]) -> list[int]:
    return [len(line.sends) for line in lines]


def test_an_answer_does_not_wait_until_a_crowd_was_told() -> None:
    desk = Desk(fan_out_slice=2)
    lines = crowd(desk, "fixture:F")
    other = newcomer(desk)
    found: list[int] = []
    desk.price("F", 2001, settle=False)
    turns(desk, 1, lambda: desk.push.received(other, b'{"op":"ping"}'))
    turns(desk, 3, lambda: found.extend([len(other.sends), sum(reached(lines))]))
    desk.settle()
    assert found == [1, 6]
    assert reached(lines) == [1] * CROWD


def test_who_was_not_reached_yet_gets_what_is_said_meanwhile_in_the_same_send() -> None:
    desk = Desk(fan_out_slice=2)
    lines = crowd(desk, "fixture:F")
    first = desk.price("F", 2001, settle=False)
    second: list[int] = []
    turns(desk, 2, lambda: second.append(desk.price("F", 2002, settle=False)))
    desk.settle()
    assert reached(lines) == [2] * 4 + [1] * 6
    for line in lines:
        assert [frame["to"] for frame in line.read()] == [first, *second]


def test_who_comes_or_goes_between_two_slices_gets_each_change_once() -> None:
    desk = Desk(fan_out_slice=2)
    lines = crowd(desk, "fixture:F", "home")
    came = newcomer(desk)

    def meanwhile() -> None:
        desk.push.closed(lines[9])
        desk.push.received(lines[8], b'{"op":"unsubscribe","channel":"fixture:F"}')
        desk.push.received(lines[7], b'{"op":"subscribe","channel":"fixture:F"}')
        desk.push.received(came, b'{"op":"subscribe","channel":"fixture:F"}')

    to = desk.price("F", 2001, settle=False)
    turns(desk, 1, meanwhile)
    desk.settle()
    told = [[(frame["t"], frame.get("channel")) for frame in line.read()] for line in (*lines, came)]
    both = [("delta", "fixture:F"), ("delta", "home")]
    assert told == [both] * 7 + [[("snapshot", "fixture:F"), both[1]], [both[1]], [], [("snapshot", "fixture:F")]]
    desk.price("F", 2002)
    assert [frame["from"] for frame in came.read()] == [to]


def test_one_that_falls_behind_between_two_slices_is_brought_to_the_latest() -> None:
    desk = Desk(fan_out_slice=1, buffer_bytes_max=600)
    desk.price("F", 2000)
    lines = [desk.open() for _ in range(3)]
    clients = [Client() for _ in lines]
    for line, client in zip(lines, clients, strict=True):
        desk.say(line, op="subscribe", channel="fixture:F")
        client.hear(line.read())
    lines[1].stuck = True
    for price in range(2001, 2030):
        desk.price("F", price, settle=price % 3 == 0)
    desk.settle()
    assert lines[1].paused
    lines[1].sends, lines[1].waiting, lines[1].stuck = lines[1].waiting, [], False
    desk.push.drained(lines[1])
    desk.settle()
    for line, client in zip(lines, clients, strict=True):
        client.hear(line.read())
    assert not any(client.gaps for client in clients)
    first, *others = [client.held["fixture:F"] for client in clients]
    assert all((held.offset, held.markets) == (first.offset, first.markets) for held in others)
