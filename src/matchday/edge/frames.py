"""WebSocket frames (RFC 6455 §5.2) as the fast path needs them: ours out, a client's whole small ones in.

What is not whole, small and plain (fragments, control frames other than a pong, anything malformed) is the library's.
"""

from typing import Final

PING: Final = b"\x89\x00"
"""An empty ping, unmasked."""
_TEXT, _PONG = 0x81, 0x8A
"""FIN and opcode of a text message in one frame, and of a pong."""
_MASKED: Final = 0x80


def frame_text(payload: bytes) -> bytes:
    """An unmasked text frame, as a server sends it."""
    size = len(payload)
    if size < 126:
        return bytes((_TEXT, size)) + payload
    if size < 65_536:
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload


def split_frame(data: bytes, at: int, size_max: int) -> tuple[bytes | None, int]:
    """The payload of the whole text frame (None: a pong) at a place, and where the next frame begins.

    (None, ``at``) where the bytes there are no such frame: not whole, larger than ``size_max``, or of another kind.
    """
    left = len(data) - at
    if left < 6 or data[at] not in (_TEXT, _PONG):
        return None, at
    size, head = data[at + 1] - _MASKED, at + 2
    if size == 126 and data[at] == _TEXT:
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
    plain = int.from_bytes(data[begin:end], "big") ^ int.from_bytes(mask[:size], "big")
    return plain.to_bytes(size, "big"), end


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
