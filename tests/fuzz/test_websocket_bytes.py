"""Any bytes to the WebSocket door: it answers, or closes with a code; it never raises and says nothing but frames."""

import json
import zlib
from typing import Any

import msgspec
import pytest
import uvicorn.config
import websockets.client
import websockets.uri
from hypothesis import given, settings
from hypothesis import strategies as st
from uvicorn.server import ServerState
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode
from websockets.protocol import State

from matchday.edge.frames import split_frame
from matchday.edge.websocket import make_protocol
from matchday.services.push import Push
from tests.fuzz.budget import examples_off_the_wire
from tests.unit.pushing import FRAMING, Desk

HEAD = (
    b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


DEFLATED = HEAD.replace(b"\r\n\r\n", b"\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n")


class Transport:
    """Where the door writes to."""

    def __init__(self) -> None:
        self.written = b""
        self.closed = False

    def set_write_buffer_limits(self, high: int) -> None:
        self.high = high

    def get_extra_info(self, name: str) -> None:
        """Nothing is known of it."""

    def get_write_buffer_size(self) -> int:
        return 0

    def write(self, data: bytes) -> None:
        assert not self.closed
        self.written += data

    def is_closing(self) -> bool:
        return self.closed

    def write_eof(self) -> None:
        self.closed = True

    def close(self) -> None:
        self.closed = True

    abort = close


class Timers:
    """In place of the loop: what is due later is not due in these tests."""

    def call_later(self, delay: float, call: Any) -> "Timers":
        return self

    def cancel(self) -> None:
        """Nothing is due."""


def masked(opcode: int, payload: bytes, *, fin: bool, compressed: bool = False) -> bytes:
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    return bytes([(0x80 if fin else 0) | (0x40 if compressed else 0) | opcode]) + length + bytes(4) + payload


def squeezed(payload: bytes, cut: int) -> bytes:
    """As permessage-deflate has it, less some bytes of its end."""
    packer = zlib.compressobj(wbits=-15)
    data = (packer.compress(payload) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]
    return data[: len(data) - cut] if cut else data


words = st.fixed_dictionaries(
    {"op": st.sampled_from(["auth", "subscribe", "unsubscribe", "ping", "bet"])},
    optional={
        "channel": st.sampled_from(["home", "fixture:F", "fixture:", "account", ""])
        | st.text(max_size=8)
        | st.integers(),
        "token": st.text(max_size=8) | st.none(),
        "resume": st.fixed_dictionaries({"epoch": st.text(max_size=3), "offset": st.integers() | st.floats()}),
    },
).map(lambda word: json.dumps(word).encode())
frames = st.builds(
    masked, st.sampled_from([1, 1, 1, 0, 2, 8, 9, 10, 3]), words | st.binary(max_size=300), fin=st.booleans()
)  # fmt: skip
bombs = st.integers(1, 60_000).map(lambda size: b" " * size)
deflated = st.builds(
    masked, st.sampled_from([1, 1, 1, 0, 2, 9]),
    st.builds(squeezed, words | bombs, st.sampled_from([0, 0, 0, 1, 5])) | st.binary(max_size=100),
    fin=st.booleans(), compressed=st.booleans(),
)  # fmt: skip


def told(desk: Desk, pieces: list[bytes], monkeypatch: pytest.MonkeyPatch, head: bytes = HEAD) -> list[Frame]:
    """What the library of a client makes of all that the door says."""
    monkeypatch.setattr("matchday.edge.websocket.asyncio.get_running_loop", Timers)
    push = Push(
        desk.clock, desk.books, "e", desk.settings, ledger=desk.ledger, verify=lambda _: None, framing=FRAMING,
        stale=lambda: False,
    )  # fmt: skip
    door: Any = make_protocol(push, desk.settings)(uvicorn.config.Config(None), ServerState(), {})  # type: ignore[arg-type, call-arg]
    transport = Transport()
    door.connection_made(transport)
    for piece in [head, *pieces]:
        if not transport.closed:
            door.data_received(piece)
            desk.settle()
    door.connection_lost(None)
    assert push.connections == 0
    _, _, said = transport.written.partition(b"\r\n\r\n")
    client = websockets.client.ClientProtocol(websockets.uri.parse_uri("ws://x/"), state=State.OPEN)
    if head is DEFLATED:
        client.extensions = [PerMessageDeflate(
            remote_no_context_takeover=True, local_no_context_takeover=True, remote_max_window_bits=15,
            local_max_window_bits=15,
        )]  # fmt: skip
    client.receive_data(said)
    assert client.parser_exc is None
    return [event for event in client.events_received() if isinstance(event, Frame)]


@settings(max_examples=examples_off_the_wire(150), deadline=None)
@given(
    st.tuples(st.just(HEAD), st.lists(frames | st.binary(max_size=50), max_size=6))
    | st.tuples(st.just(DEFLATED), st.lists(deflated | frames, max_size=6)),
    st.integers(1, 400),
)
def test_any_bytes_in_any_pieces(agreed: tuple[bytes, list[bytes]], size: int) -> None:
    """With compression agreed upon, and without: compressed well or not, cut short, or far more than it seems."""
    desk = Desk()
    desk.price("F", 2000)
    head, said = agreed
    whole = b"".join(said)
    with pytest.MonkeyPatch.context() as patch:
        heard = told(desk, [whole[at : at + size] for at in range(0, len(whole), size)], patch, head)
    for frame in heard:
        if frame.opcode is Opcode.TEXT:
            assert json.loads(bytes(frame.data))["t"] in {"hello", "signed_in", "snapshot", "error", "pong"}
        elif frame.opcode is Opcode.CLOSE:
            assert int.from_bytes(frame.data[:2], "big") in range(1000, 5000) or not frame.data
            assert frame is heard[-1]


def test_a_message_right_behind_the_handshake_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    heard = told(Desk(), [], monkeypatch, head=HEAD + masked(1, b'{"op":"ping"}', fin=True))
    assert [json.loads(bytes(frame.data))["t"] for frame in heard] == ["hello", "pong"]


@settings(max_examples=examples_off_the_wire(300), deadline=None)
@given(st.binary(max_size=200), st.integers(0, 20), st.integers(0, 100))
def test_the_fast_path_never_reads_beyond_the_bytes(data: bytes, at: int, size_max: int) -> None:
    payload, after = split_frame(data, at, size_max)
    assert after == at or at + 6 <= after <= len(data)
    assert payload is None or len(payload) <= min(size_max, after - at - 6)


@settings(max_examples=examples_off_the_wire(40), deadline=None)
@given(st.binary(max_size=200).filter(lambda data: not data.isascii()) | words)
def test_any_payload_is_answered_by_the_room(payload: bytes) -> None:
    desk = Desk()
    desk.price("F", 2000)
    line = desk.open()
    desk.settle()
    line.read()
    desk.push.received(line, payload)
    desk.settle()
    try:
        quiet = msgspec.json.decode(payload).get("op") == "unsubscribe"
    except (msgspec.DecodeError, AttributeError, UnicodeDecodeError):
        quiet = False
    assert len(line.read()) == 1 or quiet
