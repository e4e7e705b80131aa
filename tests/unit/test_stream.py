"""Server-sent events: a stream is a connection of the room like any other, and resumes by the id of its last event."""

import asyncio
import contextlib
import json
import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matchday.config import Doors
from matchday.edge.frames import frame_text, payloads
from matchday.edge.stream_events import MarkInvalid, Marks, Reader, events
from matchday.services.push import CLOSE_DRAINING
from tests.unit.listening import until
from tests.unit.pushing import GOALS, RESULT, market
from tests.unit.standing import ORIGIN, Gate, World, tell


class Listener:
    """An EventSource, as far as it matters: events, the last id, and when to come back."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.head = ""
        self.last_id = ""
        self.retry_ms = 0

    async def event(self, kind: str = "message") -> dict[str, Any]:
        """The next event of a kind, decoded."""
        while True:
            block = (await self.reader.readuntil(b"\n\n")).decode()
            fields = [line.partition(": ")[::2] for line in block.splitlines() if not line.startswith(":")]
            named = dict(fields)
            self.last_id = named.get("id", self.last_id)
            self.retry_ms = int(named.get("retry", self.retry_ms))
            if "data" in named and named.get("event", "message") == kind:
                decoded: dict[str, Any] = json.loads(named["data"])
                return decoded

    async def heard(self, *kinds: str) -> dict[str, Any]:
        """The next frame of one of those kinds."""
        while (frame := await self.event())["t"] not in kinds:
            pass
        return frame

    def leave(self) -> None:
        self.writer.close()


async def listen(gate: Gate, query: str, *headers: str) -> Listener:
    reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
    lines = [f"GET /api/stream?{query} HTTP/1.1", "Host: x", *headers, "", ""]
    writer.write("\r\n".join(lines).encode())
    listener = Listener(reader, writer)
    listener.head = (await reader.readuntil(b"\r\n\r\n")).decode()
    return listener


async def refused(gate: Gate, query: str, *headers: str) -> tuple[int, str, str]:
    """Status, reason and field of the problem."""
    listener = await listen(gate, query, *headers)
    body = json.loads(await listener.reader.read())
    listener.leave()
    return int(listener.head.split()[1]), body["reason"], body.get("field", "")


def test_a_snapshot_then_deltas_as_on_a_websocket() -> None:
    async def story(world: World) -> None:
        (gate,) = world.gates
        listener = await listen(gate, "channels=fixture:F,home")
        assert listener.head.startswith("HTTP/1.1 200 OK")
        assert "Content-Type: text/event-stream" in listener.head
        assert (await listener.event())["t"] == "hello"
        assert listener.retry_ms == 700
        snapshot = await listener.heard("snapshot")
        assert (await listener.heard("snapshot"))["channel"] == "home"
        world.price("F", 2_001)
        deltas = [await listener.heard("delta") for _ in range(2)]
        assert {delta["channel"] for delta in deltas} == {"fixture:F", "home"}
        assert {delta["from"] for delta in deltas} == {snapshot["to"]}
        listener.leave()
        await until(lambda: gate.push.connections == 0)
        assert gate.entrance._held == {}

    tell(story)


def test_the_last_event_s_id_resumes_just_what_was_missed_on_any_gate() -> None:
    async def story(world: World) -> None:
        first, second = world.gates
        other = await listen(second, "channels=fixture:F")
        await other.heard("snapshot")
        listener = await listen(first, "channels=fixture:F,home")
        await listener.heard("snapshot")
        await listener.heard("snapshot")
        world.price("F", 2_001)
        await listener.heard("delta")
        await listener.heard("delta")
        listener.leave()
        missed = [world.price("F", 2_000 + n) for n in range(2, 5)]
        for carrier in ("header", "query"):
            in_header = carrier == "header"
            query = "channels=fixture:F,home" + ("" if in_header else f"&last_event_id={quoted(listener.last_id)}")
            again = await listen(second, query, *([f"Last-Event-ID: {listener.last_id}"] if in_header else []))
            resumed = [await again.heard("resumed") for _ in range(1)]
            assert resumed[0]["to"] == missed[0] - 3
            deltas: dict[str, list[int]] = {"fixture:F": [], "home": []}
            while any(offsets[-1:] != missed[-1:] for offsets in deltas.values()):
                delta = await again.heard("delta")
                deltas[delta["channel"]].append(delta["to"])
            assert deltas == {"fixture:F": missed, "home": missed}
            again.leave()
        other.leave()

    tell(story, gates=2)


def quoted(text: str) -> str:
    return "".join(f"%{byte:02x}" for byte in text.encode())


async def anna_s(gate: Gate, channels: str, by: str) -> Listener:
    """A stream of Anna's, by a token in its header or by a ticket."""
    if by == "header":
        return await listen(gate, f"channels={channels}", "Authorization: Bearer token-anna")
    return await listen(gate, f"channels={channels}&ticket=ticket-anna")


@pytest.mark.parametrize("by", ["header", "ticket"])
def test_a_fan_s_own_channel_by_token_or_ticket(by: str) -> None:
    async def story(world: World) -> None:
        (gate,) = world.gates
        world.account("anna")
        await until(lambda: world.ledger.account("anna") is not None)
        listener = await anna_s(gate, "account", by)
        assert (await listener.heard("signed_in"))["account"] == "anna"
        assert (await listener.heard("snapshot"))["data"]["account"] == "anna"
        listener.leave()

    tell(story)


@pytest.mark.parametrize("by", ["header", "ticket"])
def test_a_fan_s_own_channel_ends_with_the_token(by: str) -> None:
    async def story(world: World) -> None:
        (gate,) = world.gates
        world.token_ms = 500
        world.account("anna")
        await until(lambda: world.ledger.account("anna") is not None)
        listener = await anna_s(gate, "account,home", by)
        assert (await listener.heard("snapshot"))["data"]["account"] == "anna"
        assert (await listener.heard("error"))["reason"] == "token_invalid"
        assert not gate.push.accounts
        world.price("F", 2_001)
        assert (await listener.heard("delta"))["channel"] == "home", "which is everybody's"
        listener.leave()

    tell(story, heartbeat_ms=1_000)


@pytest.mark.parametrize(
    ("query", "headers", "problem"),
    [
        ("", [], (422, "parameter_invalid", "channels")),
        ("channels=", [], (422, "parameter_invalid", "channels")),
        ("channels=" + ",".join(f"fixture:{i}" for i in range(101)), [], (422, "parameter_invalid", "channels")),
        ("channels=home&" + "&".join(f"a{i}=b" for i in range(9)), [], (422, "parameter_invalid", "channels")),
        ("channels=%ff", [], (422, "parameter_invalid", "channels")),
        ("channels=account", [], (401, "not_signed_in", "")),
        ("channels=account&ticket=token-anna", [], (401, "not_signed_in", "")),
        ("channels=home&ticket=forged", [], (401, "not_signed_in", "")),
        ("channels=home&token=token-anna,account", ["Authorization: Bearer forged"], (401, "not_signed_in", "")),
        ("channels=home", ["Authorization: Basic token-anna"], (401, "not_signed_in", "")),
        ("channels=home", ["Origin: https://elsewhere.example"], (403, "origin_not_allowed", "")),
        ("channels=home", ["Last-Event-ID: 5"], (422, "parameter_invalid", "last_event_id")),
        ("channels=home", ['Last-Event-ID: [1,["e1"],[[0,3]]]'], (422, "parameter_invalid", "last_event_id")),
        ("channels=home&last_event_id=" + "x" * 5_000, [], (422, "parameter_invalid", "last_event_id")),
    ],
)
def test_what_is_wrong_with_a_request_is_named(query: str, headers: list[str], problem: tuple[int, str, str]) -> None:
    async def story(world: World) -> None:
        (gate,) = world.gates
        assert await refused(gate, query, *headers) == problem
        assert gate.push.connections == 0
        await until(lambda: not gate.server.server_state.connections)

    tell(story)


def test_pages_of_an_allowed_origin_may_listen() -> None:
    async def story(world: World) -> None:
        (gate,) = world.gates
        listener = await listen(gate, "channels=home", f"Origin: {ORIGIN}")
        assert f"Access-Control-Allow-Origin: {ORIGIN}" in listener.head
        listener.leave()

    tell(story)


def test_a_channel_that_is_not_known_is_told_beside_those_that_are() -> None:
    async def story(world: World) -> None:
        (gate,) = world.gates
        listener = await listen(gate, "channels=" + ",".join([*(f"fixture:X{i}" for i in range(30)), "home"]))
        for _ in range(30):
            assert (await listener.heard("error", "snapshot"))["reason"] == "channel_unknown"
        assert (await listener.heard("snapshot"))["channel"] == "home"
        listener.leave()

    tell(story)


def test_the_limits_are_those_of_the_websocket() -> None:
    async def story(world: World) -> None:
        (gate,) = world.gates
        listeners = [await listen(gate, "channels=home&ticket=ticket-anna") for _ in range(2)]
        for listener in listeners:
            await listener.heard("snapshot")
        assert await refused(gate, "channels=home&ticket=ticket-anna") == (429, "connections_full", "")
        listeners.append(await listen(gate, "channels=home&ticket=ticket-ben"))
        await listeners[-1].heard("snapshot")
        assert await refused(gate, "channels=home") == (429, "connections_full", "")
        for listener in listeners:
            listener.leave()
        await until(lambda: gate.push.connections == 0)
        assert gate.push._screens == {}

    tell(story, connections_per_account_max=2, connections_per_address_max=3)


def test_a_listener_who_says_nothing_for_ever_is_neither_idle_nor_forgotten() -> None:
    async def story(world: World) -> None:
        (gate,) = world.gates
        listener = await listen(gate, "channels=home")
        beats = 0
        async with asyncio.timeout(3):
            while beats < 6:
                await listener.heard("heartbeat")
                beats += 1
        assert gate.push.connections == 1
        listener.leave()

    tell(story, doors=Doors(head_ms_max=100, request_ms_max=100), heartbeat_ms=100, idle_ms_max=300)


def test_a_listener_who_talks_is_cut_off() -> None:
    async def story(world: World) -> None:
        (gate,) = world.gates
        listener = await listen(gate, "channels=home")
        await listener.heard("snapshot")
        listener.writer.write(b"GET /hidden HTTP/1.1\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            await listener.reader.read()
        await until(lambda: gate.push.connections == 0)
        assert gate.served == []
        listener.leave()

    tell(story)


def test_a_listener_is_handed_over_with_the_time_to_come_back() -> None:
    async def story(world: World) -> None:
        (gate,) = world.gates
        listener = await listen(gate, "channels=home")
        await listener.heard("snapshot")
        drained = asyncio.Event()
        gate.push.drain(drained.set)
        goodbye = await listener.event("close")
        assert goodbye["code"] == CLOSE_DRAINING
        drawn = int(goodbye["reason"].rpartition("retry_ms=")[2])  # from nothing on: it may be told to come at once
        assert listener.retry_ms == drawn <= 300
        assert await listener.reader.read() == b""
        await drained.wait()
        listener.leave()
        assert await refused(gate, "channels=home") == (503, "draining", "")

    tell(story, drain_ms=100, drain_return_ms=300)


def test_a_listener_who_does_not_read_gets_the_latest_or_goodbye() -> None:
    async def story(world: World) -> None:
        (gate,) = world.gates
        many = [market("F", RESULT, 2_000), *(market(f"F{i}", GOALS, 2_000) for i in range(60))]
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            deaf.connect(("127.0.0.1", gate.port))
            deaf.setblocking(False)
            await asyncio.get_running_loop().sock_sendall(
                deaf, b"GET /api/stream?channels=fixture:F HTTP/1.1\r\nHost: x\r\n\r\n"
            )
            await until(lambda: gate.push.connections == 1)
            (session,) = gate.push._sessions.values()
            most = 0
            while gate.push.connections:
                world.change("F", *many)
                await asyncio.sleep(0)
                most = max(most, session.connection.buffered())
            assert 8_000 < most < 8_000 + 2 * 25_000
            await until(lambda: not gate.server.server_state.connections)

    tell(story, buffer_bytes_max=8_000, slow_ms_max=200, heartbeat_ms=100)


# --- events and their ids ---------------------------------------------------------------------------------------------

channels = st.lists(st.sampled_from(["home", "account", "fixture:F", "fixture:ä,b"]), min_size=1, unique=True)


@given(channels, st.lists(st.tuples(st.integers(0, 3), st.text(max_size=5), st.integers(0, 2**62)), max_size=9))
def test_an_id_says_where_one_is_on_every_channel(names: list[str], said: list[tuple[int, str, int]]) -> None:
    marks, at = Marks(names), {}
    for index, epoch, offset in said:
        name = names[index % len(names)]
        at[name] = (epoch, offset)
        payload = json.dumps({"t": "snapshot", "channel": name, "epoch": epoch, "to": offset, "data": 1}).encode()
        sent = events(Reader().read(frame_text(payload)), marks)
        assert sent.endswith(b"data: " + payload + b"\n\n")
        assert sent.count(b"\n") == 3
    assert Marks(names).resume(marks.event_id().decode()) == at


@given(channels, st.text(max_size=40) | st.lists(st.integers() | st.text(max_size=3)).map(json.dumps))
def test_any_other_text_is_no_id(names: list[str], text: str) -> None:
    with pytest.raises(MarkInvalid):
        Marks(names).resume(text)


@given(st.lists(st.binary(max_size=300) | st.integers(60_000, 70_000).map(bytes), max_size=5))
def test_our_own_frames_are_taken_apart_again(said: list[bytes]) -> None:
    assert payloads(b"".join(map(frame_text, said))) == said
