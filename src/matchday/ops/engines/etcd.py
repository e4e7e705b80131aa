"""etcd on loopback addresses: three members that agree on who is the primary of PostgreSQL.

Three, not one: with one, its end would take the primary with it, since a primary that cannot renew its lease steps
down. Of three any one may be lost; a new leader is elected within one to two ``ELECTION_MS``, less than the primary's
patience (``patroni.RETRY_S``).

Each member listens for each of its clients at a port of the client's own. So a cut between one client and etcd can be
made by ports, though on one machine all clients have one address to come from.
"""

import contextlib
import http.client
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Final

from matchday.ops.engines import Server, program

HEARTBEAT_MS: Final = 100
"""Milliseconds between two heartbeats of etcd's leader."""
ELECTION_MS: Final = 1_000
"""Milliseconds of its silence after which another is elected. Less: sooner, and for nothing on a busy machine."""
_ASK_S_MAX: Final = 3.0


class Etcd:
    """The members of one cluster."""

    def __init__(self, folder: Path, addresses: list[str], peer_port: int, client_ports: Sequence[int]) -> None:
        """``client_ports``: one for each client, the same at all members."""
        self._folder, self._addresses = folder, addresses
        self._peer_port, self._client_ports = peer_port, client_ports

    def hosts(self, client: int) -> list[str]:
        """Where a client finds the members: each client begins with another one."""
        first = client % len(self._addresses)
        addresses = self._addresses[first:] + self._addresses[:first]
        return [f"{address}:{self._client_ports[client]}" for address in addresses]

    def whole(self) -> bool:
        """Whether every member follows a leader."""
        return all(self._healthy(address) for address in self._addresses)

    def _healthy(self, address: str) -> bool:
        connection = http.client.HTTPConnection(address, self._client_ports[0], timeout=_ASK_S_MAX)
        with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("GET", "/health")
            return connection.getresponse().status == HTTPStatus.OK
        return False

    def servers(self) -> list[Server]:
        """All members. EngineError where etcd is not installed."""
        return [self._server(number) for number in range(len(self._addresses))]

    def _server(self, number: int) -> Server:
        name, address = _name(number), self._addresses[number]
        data = self._folder / name
        data.mkdir(parents=True, exist_ok=True)
        data.chmod(0o700)  # it warns of anything else
        peers = ",".join(f"{_name(n)}=http://{one}:{self._peer_port}" for n, one in enumerate(self._addresses))
        clients = ",".join(f"http://{address}:{port}" for port in self._client_ports)
        words = {
            "name": name,
            "data-dir": str(data),
            "listen-peer-urls": f"http://{address}:{self._peer_port}",
            "initial-advertise-peer-urls": f"http://{address}:{self._peer_port}",
            "listen-client-urls": clients,
            "advertise-client-urls": clients,
            "initial-cluster": peers,
            "initial-cluster-token": "matchday",
            "initial-cluster-state": "new",  # of one that has data it means nothing
            "heartbeat-interval": str(HEARTBEAT_MS),
            "election-timeout": str(ELECTION_MS),
            "enable-v2": "true",  # see patroni
            "auto-compaction-mode": "periodic",
            "auto-compaction-retention": "1h",
            "log-level": "warn",
            "logger": "zap",
        }
        command = [program("etcd", "etcd-server"), *(f"--{word}={value}" for word, value in words.items())]
        return Server(
            name=name, kind="etcd", role="member", address=address, port=self._client_ports[0], command=command,
            data=data, log=self._folder / f"{name}.log",
        )  # fmt: skip


def _name(number: int) -> str:
    return f"etcd-{number}"
