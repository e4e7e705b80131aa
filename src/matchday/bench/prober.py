"""How long the event loop of a server takes to get to a word: a fan of its own process who says ``ping`` all the time.

His times are an upper bound of the loop's lag: they hold the way there and back, and how long the answer's tick takes.
"""

import contextlib
import multiprocessing
import select
import socket
from collections.abc import Iterator
from multiprocessing.connection import Connection as Pipe
from typing import Final

from matchday.app import StartError
from matchday.bench.bettors import HANDSHAKE, masked, split
from matchday.bench.stopwatch import now_s

EVERY_S: Final = 0.005
"""Seconds between two pings."""
_PING: Final = masked(b'{"op":"ping"}')


class Prober:
    """Asks the other process."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe

    def begin(self, seconds: float) -> None:
        """Ping for so long from now on."""
        self._pipe.send(seconds)

    def end(self) -> list[float]:
        """Milliseconds of each."""
        try:
            found: list[float] = self._pipe.recv()
        except EOFError as error:
            raise StartError("the prober of the loop's lag ended; it says why above") from error
        return found


@contextlib.contextmanager
def probing(port: int) -> Iterator[Prober]:
    """A prober until the block ends."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_probe, args=(theirs, port), daemon=True)
    process.start()
    theirs.close()  # so that its end is heard of
    try:
        ours.recv()
        yield Prober(ours)
    finally:
        ours.close()
        process.join()


def _probe(pipe: Pipe, port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.sendall(HANDSHAKE)
        got = b""
        while b"\r\n\r\n" not in got:
            got += sock.recv(65_536)
        pipe.send(None)
        with contextlib.suppress(EOFError):  # it is over
            while True:
                pipe.send(_times_ms(sock, pipe.recv()))


def _times_ms(sock: socket.socket, seconds: float) -> list[float]:
    """From when each ping was due; less how late we were of ourselves."""
    times: list[float] = []
    began = back = now_s()
    due = began
    while due < began + seconds:
        if (wait := due - now_s()) > 0:
            _drain(sock, wait)
        sent = now_s()
        sock.sendall(_PING)
        _until_pong(sock)
        own, back = sent - max(due, back), now_s()
        times.append(1e3 * (back - due - own))
        due += EVERY_S
    return times


def _drain(sock: socket.socket, seconds: float) -> None:
    """Heartbeats are read and dropped while nothing is asked."""
    until = now_s() + seconds
    while (left := until - now_s()) > 0 and select.select([sock], [], [], left)[0]:
        sock.recv(65_536)


def _until_pong(sock: socket.socket) -> None:
    got = b""
    while True:
        if not (more := sock.recv(65_536)):
            raise ConnectionError("the server closed the prober's connection")
        frames, got = split(got + more)
        if any(b'"t":"pong"' in frame for frame in frames):
            return
