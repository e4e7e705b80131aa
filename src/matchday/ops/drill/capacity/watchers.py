"""Watchers of one fixture as a process of their own: they count what comes, and time a sample of it.

Bytes are counted of all of them; of some dozens each frame is read for when its change was published. The process is
on the load's core, beside whoever bets: how much of that core both took says whether they could keep up.
"""

import contextlib
import multiprocessing
import os
import select
import socket
from collections.abc import Iterator
from multiprocessing.connection import Connection as Pipe
from typing import Any, Final

import msgspec

from matchday.app import StartError
from matchday.backends.clock_wall import wall_ms
from matchday.bench.bettors import HANDSHAKE, masked, split
from matchday.bench.stopwatch import cpu_s, now_s

SAMPLED: Final = 40
"""Watchers whose frames are timed."""
QUIET_S: Final = 0.25
"""Seconds without a byte after which what was on its way has come."""
_HEARD: Final = b'{"t":"delta"'
_READ: Final = 1 << 18
_CONNECTED_S_MAX: Final = 60.0


class Heard(msgspec.Struct):
    """What came between two words."""

    bytes: int = 0
    frames: int = 0
    """Of the sampled."""
    times_ms: list[float] = []
    """From published to read, of the sampled."""
    last_s: float = 0.0
    """When the last byte came, by the stopwatch."""
    sampled: int = 0


class Watchers:
    """Asks the other process."""

    def __init__(self, pipe: Pipe, pid: int) -> None:
        self._pipe, self._pid = pipe, pid
        self.count = 0

    def connect(self, count: int) -> None:
        """So many in all follow the fixture."""
        self._ask("connect", count)
        self.count = count

    def begin(self) -> None:
        """Count from now on."""
        self._ask("begin", 0)

    def end(self) -> Heard:
        """What has come, once nothing more is on its way."""
        found: Heard = self._ask("end", 0)
        return found

    def cpu_s(self) -> float:
        """CPU seconds of the process so far."""
        return cpu_s(self._pid)

    def _ask(self, word: str, number: int) -> Any:
        try:
            self._pipe.send((word, number))
            return self._pipe.recv()
        except EOFError as error:
            raise StartError("the watchers' process ended; it says why above") from error


@contextlib.contextmanager
def watching(port: int, fixture: str) -> Iterator[Watchers]:
    """Watchers until the block ends."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs, port, fixture), daemon=True)
    process.start()
    theirs.close()  # so that its end is heard of
    try:
        assert process.pid is not None
        ours.recv()
        yield Watchers(ours, process.pid)
    finally:
        ours.close()
        process.join()


def _serve(pipe: Pipe, port: int, fixture: str) -> None:
    crowd = _Crowd(port, fixture)
    pipe.send(None)
    with contextlib.suppress(EOFError):  # it is over
        while True:
            crowd.read_until(pipe.fileno())
            word, number = pipe.recv()
            if word == "connect":
                crowd.connect(number)
                pipe.send(None)
            elif word == "begin":
                crowd.quiet()
                crowd.heard = Heard(sampled=crowd.heard.sampled, last_s=now_s())
                pipe.send(None)
            else:
                crowd.quiet()
                pipe.send(crowd.heard)
    crowd.close()


class _Crowd:
    """The sockets."""

    def __init__(self, port: int, fixture: str) -> None:
        self._port = port
        self._said = masked(b'{"op":"subscribe","channel":"fixture:%b"}' % fixture.encode())
        self._sockets: dict[int, socket.socket] = {}
        self._sampled: dict[int, bytes] = {}
        self._poll = select.epoll()
        self._buffer = bytearray(_READ)
        self.heard = Heard()

    def connect(self, count: int) -> None:
        until = now_s() + _CONNECTED_S_MAX
        while len(self._sockets) < count:
            sock = socket.create_connection(("127.0.0.1", self._port))
            sock.sendall(HANDSHAKE)
            if b" 101 " not in (head := sock.recv(4_096)):
                sock.close()
                if now_s() > until:
                    raise StartError(f"the gate turns watchers away: {head[:200]!r}")
                self._pass(0.05)  # many at once: it lets them in by and by
                continue
            sock.sendall(self._said)
            sock.setblocking(False)
            self._sockets[sock.fileno()] = sock
            self._poll.register(sock.fileno(), select.EPOLLIN)
            if len(self._sampled) < SAMPLED:
                self._sampled[sock.fileno()] = b""
            self._pass(0.0)
        self.heard.sampled = len(self._sampled)
        self.quiet()

    def quiet(self) -> None:
        """Read until nothing comes."""
        while self._pass(QUIET_S):
            pass

    def read_until(self, other: int) -> None:
        """Read until something comes on another descriptor."""
        self._poll.register(other, select.EPOLLIN)
        try:
            while True:
                events = self._poll.poll()
                self._take(events, other)
                if any(number == other for number, _ in events):
                    return
        finally:
            self._poll.unregister(other)

    def _pass(self, wait_s: float) -> bool:
        events = self._poll.poll(wait_s)
        self._take(events, -1)
        return bool(events)

    def _take(self, events: list[tuple[int, int]], other: int) -> None:
        buffers, heard = [self._buffer], self.heard
        for number, _ in events:
            if number == other:
                continue
            got = os.readv(number, buffers)
            if not got:
                raise ConnectionError("the gate closed a watcher's connection")
            heard.bytes += got
            if number in self._sampled:
                self._read(number, bytes(self._buffer[:got]))
        if events and events[0][0] != other:
            heard.last_s = now_s()

    def _read(self, number: int, data: bytes) -> None:
        frames, self._sampled[number] = split(self._sampled[number] + data)
        now = wall_ms()
        for frame in frames:
            if frame.startswith(_HEARD):
                at = frame.find(b'"at":') + 5
                self.heard.frames += 1
                self.heard.times_ms.append(float(now - int(frame[at : at + 13])))

    def close(self) -> None:
        self._poll.close()
        for sock in self._sockets.values():
            sock.close()
