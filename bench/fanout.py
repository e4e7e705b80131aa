"""Fan-out: one change to N subscribed WebSocket connections, beside a bare ``sock.send`` loop over as many sockets.

Times the whole way from ``Push.book_changed`` (encode, share, flush) through the door to the kernel, in the process
that serves; a second process on the other core receives. Rounds of both alternate in one run, so that a noisy machine
is noisy for both. Figures: CPU per message of the serving process (kernel included), and the time until the last
receiver has it. The change is cut or padded to ``--bytes``.
"""

import argparse
import asyncio
import gc
import json
import multiprocessing
import os
import resource
import select
import socket
import statistics
import time
from multiprocessing.connection import Connection as Pipe
from typing import Any

import uvicorn
import uvloop

from matchday.backends.clock_wall import WallClock
from matchday.backends.ledger_sqlite import SqliteLedgerCore
from matchday.config import Push as Settings
from matchday.edge.frames import frame_text
from matchday.edge.websocket import make_protocol
from matchday.model.book import Books
from matchday.model.market import Market, MarketKey, MarketStatus, Selection
from matchday.model.messages import Board, BookChanged, FixtureStatus
from matchday.services.push import Framing, Push
from matchday.sim.inline import InlineLedger

KEY = MarketKey("1x2")
SUBSCRIBE = b'{"op":"subscribe","channel":"fixture:F"}'
HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
QUIET_S = 0.2
"""Seconds without a byte after which everything of the beginning has arrived."""


def change(n: int) -> BookChanged:
    none = (0, 0)
    board = Board("F", "Cup", "Home", "Away", 0, FixtureStatus.LIVE, "1H", 0, 0, 1.0, none, None, None, none, none)
    selections = tuple(Selection(outcome, 2000 + n) for outcome in ("home", "draw", "away"))
    market = Market(KEY.of("F"), KEY.type, None, MarketStatus.OPEN, 1, selections)
    return BookChanged("F", 1, n, "goal", time.time_ns() // 1_000_000, board, (market,))


def receive(ports: tuple[int, int], count: int, pipe: Pipe) -> None:
    """The other process: connects to the bare socket and to the door, then says when a round's bytes are all there."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    polls, kept = [], []
    for door, port in enumerate(ports):
        poll = select.epoll()
        for _ in range(count):
            sock = socket.create_connection(("127.0.0.1", port))
            if door:
                sock.sendall(HANDSHAKE)
                assert b" 101 " in sock.recv(4096)
                sock.sendall(bytes([0x81, 0x80 | len(SUBSCRIBE)]) + bytes(4) + SUBSCRIBE)
            sock.setblocking(False)
            poll.register(sock.fileno(), select.EPOLLIN)
            kept.append(sock)
        polls.append(poll)
    while events := polls[1].poll(QUIET_S):
        for number, _ in events:
            os.read(number, 65_536)
    pipe.send("ready")
    while (asked := pipe.recv()) is not None:
        which, left = asked
        while left:
            for number, _ in polls[which].poll(5):
                left -= len(os.read(number, 65_536))
        pipe.send(time.monotonic_ns())


async def nothing_else(scope: object, receive: object, send: object) -> None:
    """There is no HTTP here."""


class Bench:
    """The serving process: a real room behind the real door, and bare sockets."""

    def __init__(self, count: int, size: int) -> None:
        self.count, self.size, self.frame_bytes = count, size, 0
        self.books = Books()
        self.books.apply(change(1), 1)
        clock = WallClock(asyncio.get_running_loop())
        settings = Settings(heartbeat_ms=3_600_000, idle_ms_max=7_200_000)
        self.push = Push(
            clock, self.books, "e", settings, ledger=InlineLedger(SqliteLedgerCore(":memory:"), clock),
            verify=lambda _: None, framing=Framing(self._frame, self._frame, bytes), stale=lambda: False,
        )  # fmt: skip
        self.server = uvicorn.Server(uvicorn.Config(
            nothing_else, http="httptools", ws=make_protocol(self.push, settings), lifespan="off", log_config=None,
            access_log=False,
        ))  # fmt: skip
        self.bare: list[socket.socket] = []
        self.pipe, self._theirs = multiprocessing.Pipe()

    def _frame(self, payload: bytes) -> bytes:
        is_delta = payload.startswith(b'{"t":"delta"')
        whole = frame_text(payload.ljust(self.size)[: self.size] if self.size and is_delta else payload)
        self.frame_bytes = len(whole)
        return whole

    async def heard(self) -> int:
        said: int = await asyncio.get_running_loop().run_in_executor(None, self.pipe.recv)
        return said

    async def connect(self) -> tuple[Any, int]:
        """All connections stand; the receiver's process, and bytes of memory per WebSocket connection."""
        bare, door = (socket.create_server(("127.0.0.1", 0), backlog=4096) for _ in range(2))
        ports = bare.getsockname()[1], door.getsockname()[1]
        self.serving = asyncio.create_task(self.server._serve([door]))
        other = multiprocessing.get_context("spawn").Process(
            target=receive, args=(ports, self.count, self._theirs), daemon=True
        )
        other.start()
        bare.setblocking(False)
        for _ in range(self.count):
            sock, _ = await asyncio.get_running_loop().sock_accept(bare)
            sock.setblocking(False)
            self.bare.append(sock)
        bare.close()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        await self.heard()
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return other, (after - before) * 1024 // self.count

    async def round_bare(self) -> tuple[float, float]:
        """CPU microseconds per message, milliseconds until the last receiver has it."""
        data = bytes(self.frame_bytes)
        self.pipe.send((0, self.frame_bytes * self.count))
        began, cpu = time.monotonic_ns(), time.process_time_ns()
        for sock in self.bare:
            sock.send(data)
        cpu = time.process_time_ns() - cpu
        return cpu / 1e3 / self.count, (await self.heard() - began) / 1e6

    async def round_push(self, n: int) -> tuple[float, float]:
        """The same of the room and the door."""
        said = change(n)
        self.pipe.send((1, self.frame_bytes * self.count))
        began, cpu = time.monotonic_ns(), time.process_time_ns()
        self.books.apply(said, n)
        self.push.book_changed(said, n)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        cpu = time.process_time_ns() - cpu
        return cpu / 1e3 / self.count, (await self.heard() - began) / 1e6


async def measure(count: int, rounds: int, size: int) -> dict[str, Any]:
    """Interleaved rounds; medians."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    bench = Bench(count, size)
    other, memory = await bench.connect()
    bench._frame(b'{"t":"delta"')
    gc.collect()
    gc.freeze()  # as the platform does
    gc.set_threshold(50_000, 50, 100)
    bares, pushes = [], []
    for n in range(rounds):
        if n % 2:
            bares.append(await bench.round_bare())
        pushes.append(await bench.round_push(n + 2))
        if not n % 2:
            bares.append(await bench.round_bare())
    bench.pipe.send(None)
    bench.server.should_exit = bench.server.force_exit = True
    await bench.serving
    other.join()
    for sock in bench.bare:
        sock.close()
    ratios = sorted(push[0] / bare[0] for push, bare in zip(pushes, bares, strict=True))
    late = [push[1] / bare[1] for push, bare in zip(pushes, bares, strict=True)]
    return {
        "connections": count, "rounds": rounds, "bytes": bench.frame_bytes, "memory_bytes_per_connection": memory,
        "bare_us": round(statistics.median(us for us, _ in bares), 2),
        "push_us": round(statistics.median(us for us, _ in pushes), 2),
        "bare_ms": round(statistics.median(ms for _, ms in bares), 2),
        "push_ms": round(statistics.median(ms for _, ms in pushes), 2),
        "cpu_ratio": round(statistics.median(ratios), 2),
        "cpu_ratio_range": [round(ratios[0], 2), round(ratios[-1], 2)],
        "last_receiver_ratio": round(statistics.median(late), 2),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, nargs="+", default=[1_000, 5_000])
    parser.add_argument("--rounds", type=int, default=24)
    parser.add_argument("--bytes", type=int, default=150, help="payload of the change")
    parser.add_argument("--json", action="store_true", help="one JSON object per line instead of a table")
    args = parser.parse_args()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if not args.json:
        print(f"{'connections':>12}{'bytes':>7}{'':>12}{'CPU us/message':>16}{'last receiver ms':>18}{'CPU ratio':>11}")
    for count in args.connections:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            figures = runner.run(measure(count, args.rounds, args.bytes))
        if args.json:
            print(json.dumps(figures))
            continue
        low, high = figures["cpu_ratio_range"]
        print(f"{count:>12}{figures['bytes']:>7}{'sock.send':>12}{figures['bare_us']:>16}{figures['bare_ms']:>18}")
        print(f"{'':>19}{'push':>12}{figures['push_us']:>16}{figures['push_ms']:>18}{figures['cpu_ratio']:>11}", end="")
        print(f"  ({low} to {high}); {figures['memory_bytes_per_connection']} bytes a connection")


if __name__ == "__main__":
    main()
