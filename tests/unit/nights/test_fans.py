"""Fans: what they do by their seed, what they hear, and what the generator says of itself."""

import asyncio
import random
import statistics
from collections.abc import Coroutine
from typing import Any

import msgspec
import pytest

from matchday.bench.bettors import frames_of, masked
from matchday.bench.open_loop import Seen
from matchday.client.backoff import Backoff, Pauses
from matchday.edge.frames import frame_text, split_frame
from matchday.ops.drill.fans import wire
from matchday.ops.drill.fans.behaviour import MIXES, Act, bets, requests, visit
from matchday.ops.drill.fans.fan import ACT_S_MAX, Due, Fan
from matchday.ops.drill.fans.load import _published
from matchday.ops.drill.fans.tally import Tally, line_of
from matchday.ops.drill.fans.wire import Screen

ID = "01a215b4-1ff5-7164-aba0-7dfb6626b745"


@pytest.mark.parametrize("name", MIXES)
def test_visits_are_what_their_averages_say(name: str) -> None:
    mix, chance = MIXES[name], random.Random(5)
    visits = [visit(mix, chance) for _ in range(3_000)]
    for acts in visits:
        assert [act for _, act in acts[:2]] == [Act.ARRIVE, Act.HOME]
        assert acts[-1][1] is Act.LEAVE
        assert [at for at, _ in acts] == sorted(at for at, _ in acts)
        watched = [at for at, act in acts if act is Act.WATCH]
        assert all(at >= watched[0] for at, act in acts if act in (Act.TAP, Act.BET, Act.COME_BACK))
    asked = statistics.mean(sum(act not in (Act.TAP, Act.BET, Act.LEAVE) for _, act in acts) for acts in visits)
    placed = statistics.mean(sum(act is Act.BET for _, act in acts) for acts in visits)
    assert asked == pytest.approx(requests(mix), rel=0.05)
    assert placed == pytest.approx(bets(mix), rel=0.2)
    assert visit(mix, random.Random(9)) == visit(mix, random.Random(9))


# --- the tally --------------------------------------------------------------------------------------------------------


def seen_of(times: dict[str, list[float]], lags: float = 0.1, sent: int | None = None) -> Seen:
    count = sum(map(len, times.values()))
    sent = count if sent is None else sent
    return Seen(due=sent, sent=sent, answered=count, lags_ms=[lags] * sent, times_ms=times)


def test_a_line_counts_what_was_wanted_refused_wrong_late_and_lost() -> None:
    times = {"accepted": [10.0] * 95 + [400.0] * 3, "price_moved": [1.0], "busy": [1.0]}
    line = line_of(Act.BET, seen_of(times))
    assert (line.fine, line.refused, line.errors, line.late, line.lost) == (98, 1, 1, 3, 0)
    assert (line.p50_ms, line.p99_ms, line.met) == (10.0, 400.0, False)


def test_no_latency_is_published_of_a_generator_that_was_late_or_where_answers_are_missing() -> None:
    late = line_of(Act.BET, seen_of({"accepted": [10.0] * 100}, lags=30.0))
    assert (late.p99_ms, late.met) == (None, None)
    assert "late" in late.why
    lost = line_of(Act.BET, seen_of({"accepted": [10.0] * 100}, sent=110))
    assert (lost.p99_ms, lost.lost) == (None, 10)
    assert "10 of 110" in lost.why


def test_who_waited_in_the_line_is_neither_fine_nor_an_error() -> None:
    tally = Tally(1)
    seen = tally.of(0, Act.ARRIVE)
    for kind, took in (("201", 0.02), ("waited", 30.0), ("turned_away", 1.0)):
        seen.due += 1
        seen.send(0.0)
        seen.answer(kind, took)
    assert tally.totals() == (3, 3, 1)
    line = tally.lines(0)[0]
    assert (line.fine, line.errors, line.p99_ms) == (1, 1, 20.0)


# --- the wire ---------------------------------------------------------------------------------------------------------


def test_frames_of_all_kinds_are_found_wherever_the_bytes_were_cut() -> None:
    whole = frame_text(b"a" * 100) + b"\x89\x01x" + b"\x88\x02\x0f\xac" + frame_text(b"b" * 200)
    for cut in range(len(whole)):
        first, left = frames_of(whole[:cut])
        second, rest = frames_of(left + whole[cut:])
        assert [(op, len(data)) for op, data in first + second] == [(1, 100), (9, 1), (8, 2), (1, 200)]
        assert not rest


def test_a_number_is_read_of_a_head_however_it_is_written() -> None:
    head = b"HTTP/1.1 503 X\r\nRETRY-after: 7\r\nContent-Length:12"
    assert wire.header(head, b"retry-after") == 7
    assert wire.header(head, b"content-length") == 12
    assert wire.header(head, b"age") == 0


class Wire:
    def __init__(self) -> None:
        self.sent = b""
        self.closed = False

    def write(self, data: bytes) -> None:
        self.sent += data

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    abort = close

    def words(self) -> list[dict[str, Any]]:
        """What was said, but for the handshake."""
        found, data = [], self.sent.partition(b"\r\n\r\n")[2]
        while data:
            payload, size = split_frame(data, 0, 4_096)
            assert payload is not None
            found.append(msgspec.json.decode(payload))
            data = data[size:]
        return found


class Viewer:
    def __init__(self) -> None:
        self.heard: list[tuple[Any, ...]] = []

    def in_step(self, resumed: bool) -> None:
        self.heard.append(("in_step", resumed))

    def placed(self, id_: str, outcome: str) -> None:
        self.heard.append(("placed", id_, outcome))

    def tapped(self, problem: str) -> None:
        self.heard.append(("tapped", problem))

    def frame(self, at_ms: int, size: int) -> None:
        self.heard.append(("frame", at_ms, size))

    def gone(self, screen: Screen, code: int | None, pause_s: float | None) -> None:
        self.heard.append(("gone", code, pause_s))


def opened(viewer: Viewer, resume: tuple[str, int] | None = None) -> tuple[Screen, Wire]:
    screen, line = Screen(viewer, "token", "F", resume), Wire()
    screen.connection_made(line)  # type: ignore[arg-type]
    screen.data_received(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
    return screen, line


def told(**frame: Any) -> bytes:
    return frame_text(msgspec.json.encode(frame))


def test_a_screen_keeps_where_its_channel_is_and_resumes_there() -> None:
    viewer = Viewer()
    screen, line = opened(viewer, ("e", 5))
    assert [said["op"] for said in line.words()] == ["auth", "subscribe", "subscribe"]
    assert line.words()[1]["resume"] == {"epoch": "e", "offset": 5}
    screen.data_received(told(t="resumed", channel="fixture:F", epoch="e", to=5))
    delta = {"t": "delta", "channel": "fixture:F", "from": 5, "to": 9, "at": 1795661360410, "cause": "goal", "data": {}}
    screen.data_received(told(**delta) + told(**{**delta, "channel": "home", "from": 7, "to": 12}))
    assert screen.offset == ("e", 9)
    assert viewer.heard[0] == ("in_step", True)
    assert [each[:2] for each in viewer.heard[1:]] == [("frame", 1795661360410)] * 2


def test_a_screen_answers_pings_and_hears_when_to_come_back() -> None:
    viewer = Viewer()
    screen, line = opened(viewer)
    line.sent = b""
    screen.data_received(b"\x89\x02hi")
    assert line.sent == masked(b"hi", 10)
    reason = (4012).to_bytes(2, "big") + b"draining retry_ms=1500"
    screen.data_received(b"\x88" + bytes((len(reason),)) + reason)
    screen.connection_lost(None)
    assert line.closed
    assert viewer.heard[-1] == ("gone", 4012, 1.5)


def test_a_handshake_that_is_refused_says_when_to_come_back() -> None:
    viewer, line = Viewer(), Wire()
    screen = Screen(viewer, "token", "F", None)
    screen.connection_made(line)  # type: ignore[arg-type]
    screen.data_received(b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 4\r\n\r\n")
    screen.connection_lost(None)
    assert viewer.heard == [("gone", 503, 4.0)]


# --- a fan ------------------------------------------------------------------------------------------------------------


class Host:
    """A generator that only writes down."""

    address = ("127.0.0.1", 1)

    def __init__(self) -> None:
        self.answers: list[tuple[str, str]] = []
        self.promised: list[str] = []
        self.drops: list[str] = []
        self.gone = 0

    def answered(self, due: Due, kind: str) -> None:
        self.answers.append((due.act, kind))

    def sent_of_itself(self, act: Act, at_s: float) -> Due:
        return Due(act, at_s, 0)

    def accepted(self, id_: str) -> None:
        self.promised.append(id_)

    def frame(self, at_ms: int, size: int) -> None:
        pass

    def dropped(self, how: str) -> None:
        self.drops.append(how)

    def bet(self, fixture: str) -> bytes | None:
        return b'{"id":"%b","stake":"1"}' % ID.encode()

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        work.close()  # nobody connects here

    def left(self, fan: Fan) -> None:
        self.gone += 1


def new_fan(host: Host) -> Fan:
    return Fan(host, 1, "F", Backoff(Pauses(), random.Random(1)))


def watching_fan(host: Host) -> tuple[Fan, Screen, Wire]:
    """One whose screen is in step."""
    fan, line = new_fan(host), Wire()
    screen = Screen(fan, "token", "F", None)
    screen.connection_made(line)  # type: ignore[arg-type]
    screen.data_received(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
    fan._screen = screen
    screen.data_received(told(t="snapshot", channel="fixture:F", epoch="e", to=1))
    return fan, screen, line


def test_a_fan_does_one_thing_after_the_other_and_a_promise_is_kept_in_mind() -> None:
    host = Host()
    fan, screen, line = watching_fan(host)
    fan.do(Due(Act.BET, 0.0, 0))
    fan.do(Due(Act.TAP, 0.0, 0))
    assert [said["op"] for said in line.words()[3:]] == ["place"]
    screen.data_received(told(t="placed", id=ID, status=202, answer={"answer": "pending", "id": ID}))
    screen.data_received(told(t="placed", id=ID, status=201, answer={"answer": "accepted", "id": ID}))
    screen.data_received(told(t="tapped", screen="drill-1", to=1))
    assert host.answers == [("bet", "pending"), ("tap", "tapped")]
    assert host.promised == [ID]
    fan.do(Due(Act.LEAVE, 0.0, 0))
    assert (host.gone, fan.over, line.closed, host.drops) == (1, True, True, [])


def test_a_newcomer_waits_in_the_line_with_his_ticket_and_his_time_is_told_apart() -> None:
    async def story() -> None:
        host = Host()
        fan = new_fan(host)
        fan.do(Due(Act.ARRIVE, 0.0, 0))
        fan._guest(202, 0, b'{"ticket":"t1","ask_in_s":2}')
        fan.overdue(10 * ACT_S_MAX)  # in the line nobody loses patience
        assert (host.answers, fan.busy) == ([], False)
        fan._guest(201, 0, b'{"account":"a","token":"x"}')
        assert host.answers == [("arrive", "waited")]

    asyncio.run(story())


def test_who_is_turned_away_again_and_again_gives_up() -> None:
    async def story() -> None:
        host = Host()
        fan = new_fan(host)
        fan.do(Due(Act.ARRIVE, 0.0, 0))
        fan.do(Due(Act.HOME, 0.0, 0))
        for _ in range(6):
            fan._guest(503, 1, b"")
        assert host.answers == [("arrive", "turned_away"), ("home", "not_reached")]
        assert fan.over

    asyncio.run(story())


def test_a_lost_screen_is_made_anew_and_counts_from_when_it_was_lost() -> None:
    async def story() -> None:
        host = Host()
        fan, screen, _ = watching_fan(host)
        screen.connection_lost(None)
        assert host.drops == ["lost"]
        fan._screen = screen
        fan.in_step(resumed=True)
        assert host.answers == [("come_back", "resumed")]

    asyncio.run(story())


def test_nobody_waits_for_ever() -> None:
    host = Host()
    fan, *_ = watching_fan(host)
    fan.do(Due(Act.BET, 0.0, 0))
    fan.do(Due(Act.TAP, 1.0, 0))
    fan.overdue(ACT_S_MAX + 0.5)
    assert host.answers == [("bet", "timeout")]
    fan.overdue(ACT_S_MAX + 1.5)
    assert host.answers == [("bet", "timeout"), ("tap", "timeout")]


# --- the generator ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("lag_ms", "published"), [(4.0, 60.0), (6.0, None), (900.0, None)])
def test_a_second_in_which_the_generator_was_late_has_no_percentile(lag_ms: float, published: float | None) -> None:
    assert _published([10.0] * 50 + [60.0], lag_ms) == published
    assert _published([], 0.0) is None
