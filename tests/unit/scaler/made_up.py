"""What the autoscaler's tests are made of: a clock that is turned by hand, figures that are said, places that count."""

import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from matchday import __version__
from matchday.ops.capacity import FORMAT, Capacity, Carried, Machine, Room
from matchday.ops.scaler.act.port import ActError, Count
from matchday.ops.scaler.seen import Figures, SeenError, Shown

START_MS = 1_781_190_000_000
"""11 June 2026, 15:00 UTC."""


class Hand:
    """A clock."""

    def __init__(self, now_ms: int = START_MS) -> None:
        self.wall_ms, self.passed_ms = now_ms, 0

    def now_ms(self) -> int:
        return self.wall_ms

    def elapsed_ms(self) -> int:
        return self.passed_ms

    def turn(self, seconds: float) -> None:
        self.wall_ms += round(seconds * 1_000)
        self.passed_ms += round(seconds * 1_000)


@dataclass
class Said:
    """A source of load that says what it is told to."""

    clock: Hand
    loads: dict[str, float] = field(default_factory=dict)
    processes: dict[str, int] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    age_ms: int = 0
    away: str = ""

    def read(self) -> Figures:
        if self.away:
            raise SeenError(self.away)
        return Figures(self.clock.now_ms() - self.age_ms, dict(self.loads), dict(self.processes), self.missing)


@dataclass
class Played:
    """What is being played."""

    shown: Shown = field(default_factory=lambda: Shown(START_MS))
    clock: Hand | None = None
    away: str = ""

    def read(self) -> Shown:
        if self.away:
            raise SeenError(self.away)
        return Shown(self.clock.now_ms() if self.clock else self.shown.at_ms, self.shown.matches)


@dataclass
class Place:
    """Somewhere that processes are counted; those that are asked for are ready at once, unless it breaks."""

    counts: dict[str, int] = field(default_factory=dict)
    starting: int = 0
    broken: str = ""
    silent: str = ""
    partly: int = 0
    """Where it breaks: so many of those asked for come all the same."""
    asked: list[tuple[str, int, int]] = field(default_factory=list)

    def count(self, target: str) -> Count:
        if self.silent:
            raise ActError(self.silent)
        return Count(self.counts[target], self.counts[target] - self.starting)

    def scale(self, target: str, asked: int, wanted: int) -> None:
        self.asked.append((target, asked, wanted))
        if self.broken:
            self.counts[target] += self.partly
            raise ActError(self.broken)
        self.counts[target] = wanted


def model(version: str = __version__, *, boot_s: float = 60, **rooms: Mapping[str, float]) -> Capacity:
    """What each room carries."""
    return Capacity(
        format=FORMAT, version=version, measured_at="2026-11-26T09:00:00Z", machine=Machine(cores=2),
        rooms={
            name: Room(carries={load: Carried(per_process=each) for load, each in carries.items()}, boot_s=boot_s)
            for name, carries in rooms.items()
        },
    )  # fmt: skip


Answers = Callable[[str, str, Any, Mapping[str, str]], tuple[int, Any]]


@contextmanager
def served(answer: Answers, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """A server on a free port: (method, path, body, headers) -> (status, what is sent as JSON, or text as it is)."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            raw = self.rfile.read(length)
            body = json.loads(raw) if raw.startswith(b"{") else raw.decode() or None
            status, found = answer(self.command, self.path, body, dict(self.headers))
            sent = found.encode() if isinstance(found, str) else json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/plain" if isinstance(found, str) else "application/json")
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        do_GET = do_PUT = do_POST = do_PATCH = _any  # noqa: N815 - as http.server calls them

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http{'s' if tls else ''}://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
