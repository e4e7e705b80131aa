"""The real command as a subprocess, for stories: started on a free port, stopped at the end, asked over HTTP."""

import asyncio
import contextlib
import http.client
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

from matchday.backends.clock_wall import WallClock

START_S = 30.0
PATIENT = {"MATCHDAY_OVERLOAD_LAG_MS_AIM": "10000", "MATCHDAY_OVERLOAD_ANSWER_MS_AIM": "20000"}
"""Other tests keep the machine busy: a request that is late for them is not to be turned away."""
DATA = Path(__file__).parents[2] / "shared" / "data" / "football-wyscout"


def new_id() -> str:
    return _IDS.new_id()


class _Ids(WallClock):
    """Only its ids: no loop."""

    def __init__(self) -> None:
        super().__init__(cast("asyncio.AbstractEventLoop", None))


_IDS = _Ids()


def poll(happened: Callable[[], Any], seconds: float = 10.0) -> Any:
    """The first true answer; AssertionError when there is none in time."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if answer := happened():
            return answer
        select.select([], [], [], 0.01)
    raise AssertionError(f"did not happen within {seconds} s")


def running(pid: int) -> bool:
    """Whether a process has not ended; one that nobody has waited for yet has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


class Server:
    """One running platform."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process, self.port = process, port
        self.url = f"http://127.0.0.1:{port}"

    def ask(
        self, method: str, path: str, body: object = None, token: str = "", headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        """Status and decoded body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)
        sent = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        all_headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
        with contextlib.closing(connection):
            connection.request(method, path, sent, {**all_headers, **(headers or {})})
            answer = connection.getresponse()
            content = answer.read()
            kind = answer.headers.get("Content-Type", "")
            return answer.status, json.loads(content) if "json" in kind else content

    def guest(self) -> str:
        status, answer = self.ask("POST", "/api/guest", {})
        assert status == 201
        return str(answer["token"])

    def stop(self, number: int = signal.SIGTERM) -> str:
        self.process.send_signal(number)
        return self.process.communicate(timeout=15)[1]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def command(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "matchday", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**PATIENT, **os.environ},
    )  # fmt: skip


@contextlib.contextmanager
def serving(data: Path, *words: str, port: int | None = None) -> Iterator[Server]:
    """``matchday up`` until the block ends."""
    port = port or free_port()
    process = command("up", "--port", str(port), "--data", str(data), *words)
    assert process.stderr is not None
    line = process.stderr.readline()
    assert "Matchday is up" in line, line + (process.stderr.read() if process.poll() is not None else "")
    server = Server(process, port)
    try:
        yield server
    finally:
        if process.poll() is None:
            server.stop()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
