"""The balancers of a local cluster: HAProxy before the gates, once or, in high availability, twice.

Gates come and go by its runtime API, with no reload, so that no connection is dropped; the file is rewritten each time,
so that a balancer that is started again knows the same gates. A gate is asked at its ops port whether it is ready.
"""

import contextlib
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from matchday.ops.cluster_state import ClusterError, Member, born, wait_for
from matchday.ops.engines import EngineError, program

BACKEND: Final = "gates"
NAME: Final = "haproxy"
CONFIG: Final = f"{NAME}.cfg"
"""Of the first."""
_CHECK: Final = "check port {ops} inter 500ms fastinter 200ms fall 2 rise 1"
"""How a gate is asked: one that is gone is left out within a second. One that is busy has ``timeout check`` to
answer."""
_START_S_MAX: Final = 10.0
_PATH_MAX: Final = 90
"""Bytes of the socket's path: the operating system takes 107, and HAProxy adds some."""
_ANSWER_BYTES: Final = 65_536
_CONFIG: Final = """\
# Written by `matchday cluster`: changes here are lost.
global
    stats socket {socket} mode 600 level admin
    stats timeout 10s
    hard-stop-after 30s

defaults
    mode http
    # Without it what is written piece by piece, as streams are, waits 200 ms in the socket.
    option http-no-delay
    option forwardfor
    # Whoever was sent to a gate that is gone is sent to another at once, not after a second.
    option redispatch 1
    retries 2
    retry-on conn-failure
    timeout connect 2s
    timeout check 2s
    timeout client 75s
    timeout server 75s
    timeout http-request 15s
    timeout http-keep-alive 60s
    # Of WebSockets; the gate hears of dead ones sooner.
    timeout tunnel 1h

frontend fans
    bind {address}:{door}
    default_backend gates

backend gates
    balance leastconn
    option httpchk GET /readyz
    http-check expect status 200
{servers}
"""


class Balancer:
    """One HAProxy of a cluster's folder. Two have the same file, but for the address and the socket."""

    def __init__(self, folder: Path, door: int, address: str = "127.0.0.1", number: int = 0) -> None:
        self.name = NAME if number == 0 else f"{NAME}-{number}"
        self._address, self._door, self._number = address, door, number
        self._config, self._socket = folder / f"{self.name}.cfg", folder / f"{self.name}.sock"
        self._log = folder / f"{self.name}.log"

    def start(self, gates: Sequence[Member]) -> Member:
        """Start it with these gates. ClusterError where it does not."""
        try:
            command = [program("haproxy", "haproxy"), "-W", "-f", str(self._config)]
        except EngineError as error:
            raise ClusterError(str(error)) from error
        if len(str(self._socket)) > _PATH_MAX:
            raise ClusterError(f"{self._socket} is too long for a socket: name a shorter folder with --state DIR")
        self.write(gates)
        with self._log.open("ab") as out:
            process = subprocess.Popen(  # noqa: S603 - ours
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
            )
        if not wait_for(lambda: process.poll() is not None or self._answers(), _START_S_MAX) or not self._answers():
            process.kill()
            process.wait()
            tail = "\n".join(self._log.read_text(errors="replace").splitlines()[-5:])
            raise ClusterError(f"haproxy did not start on port {self._door} (another with --port):\n{tail}")
        return Member(
            name=self.name, room="balancer", number=self._number, kind=NAME, pid=process.pid, born=born(process.pid),
            address=self._address, port=self._door, log=str(self._log),
        )  # fmt: skip

    def write(self, gates: Sequence[Member]) -> None:
        """The file, with these gates."""
        servers = "\n".join(f"    server {_server(gate)}" for gate in gates)
        text = _CONFIG.format(socket=self._socket, address=self._address, door=self._door, servers=servers)
        self._config.write_text(text)

    def add(self, gate: Member) -> None:
        """Send fans to a gate too."""
        name = f"{BACKEND}/{gate.name}"
        self._say(f"add server {BACKEND}/{_server(gate)}", "New server registered.")
        self._say(f"enable health {name}")
        self._say(f"enable server {name}")

    def drain(self, gate: str) -> None:
        """Send nobody new to a gate; what goes on there goes on."""
        self._say(f"set server {BACKEND}/{gate} state drain")

    def remove(self, gate: str) -> None:
        """Forget a gate that has ended."""
        name = f"{BACKEND}/{gate}"
        self._say(f"set server {name} state maint")
        self._say(f"shutdown sessions server {name}")
        self._say(f"del server {name}", "Server deleted.")

    def know(self, gates: Sequence[Member]) -> None:
        """Send fans to all of these gates: to those that it has not, and to those that came back at another port."""
        places = {row["svname"]: row["addr"] for row in self._rows()}
        for gate in gates:
            if places.get(gate.name) == f"{gate.address}:{gate.port}":
                continue
            if gate.name in places:
                self.remove(gate.name)
            self.add(gate)
        self.write(gates)

    def states(self) -> dict[str, str]:
        """Gate -> UP, DOWN, DRAIN, MAINT, ... as HAProxy sees it; empty where it does not answer."""
        return {row["svname"]: row["status"] for row in self._rows()}

    def _rows(self) -> list[dict[str, str]]:
        """What HAProxy has of each gate; nothing where it does not answer."""
        with contextlib.suppress(OSError):
            lines = self._ask("show stat").splitlines()
            names = lines[0].lstrip("# ").split(",")
            rows = [dict(zip(names, line.split(","), strict=False)) for line in lines[1:] if line]
            return [row for row in rows if row["pxname"] == BACKEND and row["svname"] not in ("BACKEND", "FRONTEND")]
        return []

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            return "Name: HAProxy" in self._ask("show info")
        return False

    def _say(self, command: str, good: str = "") -> None:
        try:
            answer = self._ask(command).strip()
        except OSError as error:
            raise ClusterError(f"haproxy does not answer: {error.strerror}; see {self._log}") from error
        if answer != good:
            raise ClusterError(f"haproxy refused `{command}`: {answer}")

    def _ask(self, command: str) -> str:
        with socket.socket(socket.AF_UNIX) as asked:
            asked.settimeout(5)
            asked.connect(str(self._socket))
            asked.sendall(f"{command}\n".encode())
            parts = []
            while part := asked.recv(_ANSWER_BYTES):
                parts.append(part)
        return b"".join(parts).decode()


def _server(gate: Member) -> str:
    return f"{gate.name} 127.0.0.1:{gate.port} {_CHECK.format(ops=gate.ops_port)}"
