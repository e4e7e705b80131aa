"""``python -m matchday.bench.echo door|library PORT BYTES``: answers every message with so many bytes, as many as a bet
is answered with, and does nothing else: what bytes cost that go in and out through a door, as the reference of bets."""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec
import uvicorn
import uvloop
from websockets.asyncio.server import ServerConnection, serve

from matchday.app import StartError
from matchday.bench.server import free_port, stop
from matchday.bench.stopwatch import SERVER_CORE, pinned
from matchday.collector import tune_gc
from matchday.config import Push
from matchday.edge.frames import frame_text
from matchday.edge.websocket import make_protocol

_EMPTY: Final = len(b'{"t":"placed","pad":""}')


class _Room:
    """Instead of the push room: it says the same to whatever it hears."""

    full = False

    def __init__(self, answer: bytes) -> None:
        self._answer = frame_text(answer)

    def opened(self, connection: Any) -> None:
        """Says nothing."""

    def received(self, connection: Any, payload: bytes) -> None:  # noqa: ARG002 - whatever it is
        """Answers."""
        connection.send(self._answer)

    def heard(self, connection: Any) -> None:
        """A pong."""

    def drained(self, connection: Any) -> None:
        """Nothing waits."""

    def closed(self, connection: Any) -> None:
        """Nothing is kept."""


async def _nothing_else(scope: object, receive: object, send: object) -> None:
    """There is no HTTP here."""


async def _door(listener: socket.socket, answer: bytes) -> None:
    protocol = make_protocol(_Room(answer), msgspec.structs.replace(Push(), messages_per_second_max=10**6))
    config = uvicorn.Config(
        _nothing_else, loop="none", http="httptools", ws=protocol, lifespan="off", log_config=None, access_log=False
    )
    await uvicorn.Server(config).serve([listener])


async def _library(listener: socket.socket, answer: bytes) -> None:
    text = answer.decode()

    async def echo(connection: ServerConnection) -> None:
        async for _ in connection:
            await connection.send(text)

    async with serve(echo, sock=listener, compression=None) as server:
        await server.serve_forever()


def main(words: Sequence[str]) -> None:
    """Serve until it is ended."""
    kind, port, size = words[0], int(words[1]), int(words[2])
    answer = msgspec.json.encode({"t": "placed", "pad": "x" * (size - _EMPTY)})
    listener = socket.create_server(("127.0.0.1", port), backlog=2_048)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        tune_gc()
        os.write(1, b"up\n")
        with contextlib.suppress(asyncio.CancelledError):
            runner.run({"door": _door, "library": _library}[kind](listener, answer))


@contextlib.contextmanager
def echoing(kind: str, size: int) -> Iterator[tuple[int, int]]:
    """(process, port) of an echo of so many bytes on the first core until the block ends."""
    port = free_port()
    words = [kind, str(port), str(size)]
    with pinned(SERVER_CORE):
        process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "matchday.bench.echo", *words],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    assert process.stdout is not None
    try:
        if process.stdout.readline() != b"up\n":
            raise StartError(
                f"the echo ({kind}) did not start; `python -m matchday.bench.echo {' '.join(words)}` says why"
            )
        yield process.pid, port
    finally:
        stop(process)
        process.stdout.close()


if __name__ == "__main__":
    main(sys.argv[1:])
