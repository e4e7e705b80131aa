"""Asking the platform over HTTP, as a fan's client does: at the first of its addresses that can be reached.

A connection for each request: what a balancer does to those it keeps is the watchers' business.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any, Final

import msgspec

CONNECT_S_MAX: Final = 1.0
"""Seconds to reach an address; then the next is tried."""
ANSWER_S_MAX: Final = 7.0
"""Seconds for an answer: a gate says ``pending`` after ``doors.answer_ms_max``, which is 5."""
_HEAD: Final = (
    "{method} {path} HTTP/1.1\r\nHost: matchday\r\nConnection: close\r\nContent-Type: application/json\r\n"
    "Content-Length: {length}\r\n{more}\r\n"
)
Answer = tuple[int, dict[str, Any]]


class NotAnswered(Exception):
    """No gate said anything: whether it was heard is not known."""


class Door:
    """The public addresses of a platform."""

    def __init__(self, ports: Sequence[tuple[str, int]]) -> None:
        self._addresses, self._best = list(ports), 0

    async def ask(self, method: str, path: str, body: bytes = b"", token: str = "") -> Answer:
        """Status and decoded answer of a gate. NotAnswered where there is none, or only a balancer's own."""
        more = f"Authorization: Bearer {token}\r\n" if token else ""
        head = _HEAD.format(method=method, path=path, length=len(body), more=more).encode()
        reader, writer = await self._reached()
        try:
            async with asyncio.timeout(ANSWER_S_MAX):
                writer.write(head + body)
                return _decoded(await reader.read())
        except (OSError, TimeoutError) as error:
            raise NotAnswered(f"the connection broke: {error!r}") from error
        finally:
            writer.transport.abort()

    async def _reached(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        for _ in self._addresses:
            host, port = self._addresses[self._best]
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(CONNECT_S_MAX):
                    return await asyncio.open_connection(host, port)
            self._best = (self._best + 1) % len(self._addresses)
        raise NotAnswered("no address of the platform could be reached")


def _decoded(data: bytes) -> Answer:
    head, _, body = data.partition(b"\r\n\r\n")
    if not head or b"json" not in head.lower():
        raise NotAnswered(f"no gate answered, but {head[:60]!r}")
    try:
        return int(head.split(b" ", 2)[1]), msgspec.json.decode(body)
    except (msgspec.MsgspecError, ValueError, IndexError) as error:
        raise NotAnswered(f"the answer was cut off: {error}") from error
