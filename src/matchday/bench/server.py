"""``matchday up`` as a process of its own on a core of its own, with limits raised so that fans can be many."""

import contextlib
import http.client
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Final

from matchday.app import StartError
from matchday.backends.clock_wall import wall_ms
from matchday.bench.stopwatch import SERVER_CORE, cpu_s, now_s, pinned, rss_bytes
from matchday.config import Settings

START_S_MAX: Final = 30.0
"""Seconds until a server must be up."""
STOP_S_MAX: Final = 20.0
"""Seconds until it must have stopped; then it is killed."""
_POLL_S: Final = 0.05
_LATER: Final = 503
_MANY: Final = ("_per_second_max", "_per_minute_max", "_per_address_max", "_per_account_max")
_MONEY: Final = 10**12
KICKS_OFF_LATER_MS: Final = 900_000
"""A match that is backed kicks off so much later at least: what is in play waits its delay."""


def _raised() -> dict[str, str]:
    settings = Settings()
    many = {
        (part, name): 10**6
        for part in ("doors", "push", "lobby")
        for name in getattr(settings, part).__struct_fields__
        if name.endswith(_MANY)
    }
    money = {("bets", name): _MONEY for name in settings.bets.__struct_fields__ if name.startswith("exposure_")}
    fans = {("accounts", "grant"): _MONEY, ("accounts", "stake_per_day"): _MONEY}
    waits = {("bets", "waiting_account_max"): 10**6}
    raised = {**many, **money, **fans, **waits}
    return {f"MATCHDAY_{part}_{name}".upper(): str(limit) for (part, name), limit in raised.items()}


LIMITS: Final = _raised()
"""Settings of what is measured: few fans from one address do what many would from everywhere, and the house can lose on
all of it. Every check and guard is still made."""


class Door:
    """A platform's door, asked as anybody does."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self.port, self._host = port, host

    def ask(self, method: str, path: str, body: object = None, token: str = "") -> Any:
        """The decoded answer. Who is turned away for now (503) asks again. StartError names what it was where it is no
        success."""
        until = now_s() + START_S_MAX
        while (found := self._asked(method, path, body, token))[0] == _LATER and now_s() < until:
            select.select([], [], [], _POLL_S)
        status, content = found
        if status >= 300:
            raise StartError(f"the measured server answered {method} {path} with {status}: {content!r}")
        return json.loads(content)

    def _asked(self, method: str, path: str, body: object, token: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(self._host, self.port, timeout=15)
        with contextlib.closing(connection):
            sent = None if body is None else json.dumps(body).encode()
            headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
            connection.request(method, path, sent, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()

    def guest(self) -> str:
        """The token of a new fan."""
        return str(self.ask("POST", "/api/guest", {})["token"])

    def legs(self) -> list[list[dict[str, object]]]:
        """What can be backed for a good while yet: the legs of each open market. After a start books open by and by."""
        until = now_s() + START_S_MAX
        while now_s() < until:
            if found := self._open_markets():
                return found
            select.select([], [], [], _POLL_S)
        raise StartError("the measured server offers nothing to bet on")

    def first_markets(self) -> list[list[dict[str, object]]]:
        """The legs of the first market of each fixture that has not kicked off and is open now, by one request."""
        rows = self.ask("GET", "/api/fixtures")["fixtures"]
        shown = [row["market"] for row in rows if row["board"]["status"] == "scheduled" and row["market"]]
        return [_legs(market) for market in shown if market["status"] == "open"]

    def _open_markets(self) -> list[list[dict[str, object]]]:
        found, not_before_ms = [], wall_ms() + KICKS_OFF_LATER_MS
        for row in self.ask("GET", "/api/fixtures")["fixtures"]:
            board = row["board"]
            if board["status"] == "scheduled" and board["kickoff_ms"] > not_before_ms:
                markets = self.ask("GET", f"/api/fixtures/{board['fixture']}")["markets"]
                found += [_legs(market) for market in markets if market["status"] == "open"]
        return found


class Server(Door):
    """A running platform of one process."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int) -> None:
        super().__init__(port)
        self._process = process

    @property
    def pid(self) -> int:
        """Of its process."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def stop(self) -> None:
        """Ask it to end, and see to it."""
        stop(self._process)

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        self._process.kill()
        self._process.wait()

    def cpu_s(self) -> float:
        """CPU seconds used so far."""
        return cpu_s(self.pid)

    def rss_bytes(self) -> int:
        """Resident memory now."""
        return rss_bytes(self.pid)


def _legs(market: Any) -> list[dict[str, object]]:
    return [
        {"selection": each["selection"], "price": each["price"], "generation": market["generation"]}
        for each in market["selections"]
    ]


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def serving(
    folder: Path, *, settings: Mapping[str, str] | None = None, slow_commit_ms: float = 0, profile: Path | None = None,
    core: int | None = SERVER_CORE, words: Sequence[str] = (),
) -> Iterator[Server]:  # fmt: skip
    """The real command, with further words, on one core (None: on all) until the block ends, its data in a new folder.

    With ``slow_commit_ms`` every commit of its ledger takes so much longer; with ``profile`` it is sampled into a file:
    both by ``hosted``, which runs the same command.
    """
    port = free_port()
    command = ["up", "--port", str(port), "--data", str(folder / "data"), *words]
    if slow_commit_ms or profile is not None:
        hosted = [f"--slow-commit-ms={slow_commit_ms:g}", *([f"--profile={profile}"] if profile is not None else [])]
        command = ["matchday.bench.hosted", *hosted, *command]
    else:
        command = ["matchday", *command]
    server = launch(folder, command, port, settings or {}, core=core)
    try:
        yield server
    finally:
        server.stop()


def launch(
    folder: Path, command: Sequence[str], port: int, settings: Mapping[str, str], *, core: int | None = SERVER_CORE
) -> Server:
    """A module of ours as a process on a core (None: on all), up. StartError, with what it said, where it does not
    start."""
    folder.mkdir(parents=True, exist_ok=True)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MATCHDAY_")}
    said = folder / "stderr"
    with said.open("ab") as stderr, nullcontext() if core is None else pinned(core):
        process = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", *command], stdout=stderr, stderr=stderr, env={**environment, **LIMITS, **settings}
        )
    server = Server(process, port)
    try:
        _wait_until_up(server, said)
    except BaseException:
        stop(process)
        raise
    return server


def stop(process: "subprocess.Popen[bytes]") -> None:
    """Ask a process to end, and see to it."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_S_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait_until_up(server: Server, said: Path) -> None:
    until = now_s() + START_S_MAX
    while now_s() < until and server.running:
        with contextlib.suppress(OSError, StartError, http.client.HTTPException):
            if server.ask("GET", "/healthz")["status"] == "ok":
                return
        select.select([], [], [], _POLL_S)
    raise StartError(f"the measured server did not start: {said.read_text(errors='replace')[-2_000:].strip()}")
