"""WebSocket frames (RFC 6455 §5.2) as the fast path needs them: ours out, a client's whole small ones in.

What is not whole, small and plain (fragments, control frames other than a pong, anything malformed) is the library's.
"""

import zlib
from typing import Final

PING: Final = b"\x89\x00"
"""An empty ping, unmasked."""
_TEXT, _BINARY, _PONG = 0x81, 0x82, 0x8A
"""FIN and opcode of a text and a binary message in one frame, and of a pong."""
_COMPRESSED: Final = 0x40
"""RSV1 of a message's first frame: it is compressed (RFC 7692)."""
_TAIL: Final = b"\x00\x00\xff\xff"
"""What every compressed message ends with; it is left out on the wire."""
WINDOW_BITS: Final = 15
"""Of the window for what we compress: a client that negotiated a smaller one is sent plain frames."""
DEFLATED_BYTES_MIN: Final = 160
"""Smaller frames are not compressed: it would save a few bytes, and none on the network, where packets are."""
_MASKED: Final = 0x80


def frame_text(payload: bytes) -> bytes:
    """An unmasked text frame, as a server sends it."""
    return _framed(_TEXT, payload)


def frame_binary(payload: bytes) -> bytes:
    """An unmasked binary frame, as a server sends it."""
    return _framed(_BINARY, payload)


def _framed(opcode: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        return bytes((opcode, size)) + payload
    if size < 65_536:
        return bytes((opcode, 126)) + size.to_bytes(2, "big") + payload
    return bytes((opcode, 127)) + size.to_bytes(8, "big") + payload


def deflated(frame: bytes) -> bytes:
    """One of our frames compressed (RFC 7692 §7.2.1, no context taken over); as it is where that saves nothing."""
    if len(frame) < DEFLATED_BYTES_MIN:
        return frame
    head = {126: 4, 127: 10}.get(frame[1], 2)
    packer = zlib.compressobj(wbits=-WINDOW_BITS)
    payload = packer.compress(memoryview(frame)[head:]) + packer.flush(zlib.Z_SYNC_FLUSH)
    smaller = _framed(frame[0] | _COMPRESSED, payload.removesuffix(_TAIL))
    return smaller if len(smaller) < len(frame) else frame


def inflated(payload: bytes, size_max: int) -> bytes | None:
    """A client's compressed message; None where it is damaged or larger than ``size_max``."""
    unpacker = zlib.decompressobj(wbits=-WINDOW_BITS)
    try:
        plain = unpacker.decompress(payload + _TAIL, size_max + 1)
    except zlib.error:
        return None
    return None if len(plain) > size_max or unpacker.unconsumed_tail else plain


def split_frame(
    data: bytes, at: int, size_max: int, *, binary: bool = False, compressed: bool = False
) -> tuple[bytes | None, int]:
    """The payload of the whole message (None: a pong) at a place, and where the next frame begins.

    ``binary``: messages are binary, not text; ``compressed``: they may be compressed. (None, ``at``) where the bytes
    there are no such frame: not whole, larger than ``size_max``, damaged, or of another kind.
    """
    left = len(data) - at
    message = _BINARY if binary else _TEXT
    if left < 6 or data[at] not in ((message, message | _COMPRESSED, _PONG) if compressed else (message, _PONG)):
        return None, at
    size, head = data[at + 1] - _MASKED, at + 2
    if size == 126 and data[at] != _PONG:
        size, head = int.from_bytes(data[head : head + 2], "big"), head + 2
    elif not 0 <= size < 126:
        return None, at
    begin = head + 4
    end = begin + size
    if size > size_max or end > len(data):
        return None, at
    if data[at] == _PONG:
        return None, end
    mask = data[head:begin] * (size // 4 + 1)
    plain = (int.from_bytes(data[begin:end], "big") ^ int.from_bytes(mask[:size], "big")).to_bytes(size, "big")
    if data[at] == message:
        return plain, end
    whole = inflated(plain, size_max)
    return (None, at) if whole is None else (whole, end)


def payloads(data: bytes) -> list[bytes]:
    """What is in our own text frames, one behind the other."""
    found, at = [], 0
    while at < len(data):
        size, at = data[at + 1], at + 2
        if size >= 126:
            wide = 2 if size == 126 else 8
            size, at = int.from_bytes(data[at : at + wide], "big"), at + wide
        found.append(data[at : at + size])
        at += size
    return found
