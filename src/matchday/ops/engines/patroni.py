"""PostgreSQL in high availability on loopback addresses: nodes under Patroni, which keeps one of them the primary.

*Durable.* A commit is answered when its primary and the synchronous standbys have it on disk: those that Patroni names
(``synchronous_mode``), both where both are there; one that is gone is taken out as soon as that is seen. While there is
none, commits wait (``synchronous_mode_strict``). Only a named one is ever promoted, so nothing that was answered is
lost with a primary, and it is on two machines after one was lost.

*Fenced.* Whoever cannot renew the primary's lease in etcd steps down after ``RETRY_S``, before the lease ends and
another is promoted. One that hangs cannot step down, and a machine's watchdog, which would reset it, is not to be had
here. It is fenced all the same, by the names: among those whose word its commits wait for is the one that was promoted
in its place, and that one follows it no longer. ``ANY 1`` of two standbys would spare the wait when one is lost, but
not be such a fence, as the other could still confirm what a former primary commits; and it needs Patroni 4.

docs/failover.md has the timeouts with their price.
"""

import contextlib
import http.client
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from matchday.ops.engines import Server, program
from matchday.ops.engines.etcd import Etcd
from matchday.ops.engines.postgres import DATABASE, OWNER, USER, binary, run

TTL_S: Final = 5
"""Seconds after which the lease of a primary that says nothing ends, and another takes its place."""
LOOP_S: Final = 1
"""Seconds between two looks of each node; the lease is renewed at each."""
RETRY_S: Final = 2
"""Seconds for which a node tries to reach etcd; then a primary steps down. ``LOOP_S + 2 * RETRY_S`` is ``TTL_S`` at
most, so that it has done so before its lease is over."""
STANDBY_SILENCE_MS: Final = 5_000
"""Milliseconds of silence after which primary and standby give up the connection between them."""
POSTGRES: Final = "postgres"
NAMES: Final = {"leader": "primary", "sync_standby": "synchronous", "replica": "standby"}
"""Patroni's roles -> ours."""
_ASK_S_MAX: Final = 3.0


class Node(msgspec.Struct, frozen=True):
    """A node as Patroni's REST API has it (``GET /cluster``)."""

    name: str
    role: str
    state: str
    lag: int | str = 0
    """Bytes behind the primary; a word where nobody knows."""
    timeline: int = 0
    """Of what it has: that of another than the primary's has yet to be rewound."""


class _Nodes(msgspec.Struct):
    members: list[Node] = []


class Patroni:
    """The nodes of one cluster."""

    def __init__(self, folder: Path, addresses: Sequence[str], port: int, rest_port: int, etcd: Etcd) -> None:
        self._folder, self._addresses = folder, addresses
        self._port, self._rest_port, self._etcd = port, rest_port, etcd

    @property
    def address(self) -> str:
        """A connection string with all of them: clients find the one that can be written to."""
        return self._address(DATABASE)

    def _address(self, database: str) -> str:
        return f"host={','.join(self._addresses)} port={self._port} user={USER} dbname={database}"

    def servers(self) -> list[Server]:
        """Patroni of each node, with its settings written. EngineError where it is not installed."""
        self._folder.mkdir(parents=True, exist_ok=True)
        if os.getuid() == 0:
            shutil.chown(self._folder, OWNER)
        return [self._server(number) for number in range(len(self._addresses))]

    def _server(self, number: int) -> Server:
        config = self._folder / f"{node_name(number)}.yml"
        config.write_bytes(msgspec.json.format(msgspec.json.encode(self.settings(number)), indent=2))  # JSON is YAML
        return Server(
            name=f"patroni-{number}", kind="patroni", role="", address=self._addresses[number], port=self._rest_port,
            command=[program("patroni", "patroni"), str(config)], data=self.data(number),
            log=self._folder / f"{node_name(number)}.log", ops_port=self._rest_port,
            uses=tuple(self._etcd.hosts(number)), user=OWNER,
        )  # fmt: skip

    def node(self, number: int, roles: Mapping[str, str]) -> Server:
        """PostgreSQL of a node, which its Patroni starts."""
        name = node_name(number)
        return Server(
            name=name, kind=POSTGRES, role=roles.get(name, ""), address=self._addresses[number], port=self._port,
            command=(), data=self.data(number), log=self._folder / f"{name}.log", user=OWNER,
        )  # fmt: skip

    def data(self, number: int) -> Path:
        """Where a node keeps its data."""
        return self._folder / node_name(number)

    def settings(self, number: int) -> dict[str, Any]:
        """Of a node's Patroni."""
        host = self._addresses[number]
        ours = {"username": USER}
        return {
            "scope": "matchday",
            "name": node_name(number),
            "restapi": {"listen": f"{host}:{self._rest_port}", "connect_address": f"{host}:{self._rest_port}"},
            # Not etcd3: there Patroni 3.0.2 puts the leader's key whoever has it, so that a primary that hung takes it
            # back from the one that was promoted, with what was answered since. By the old API it compares first.
            # The members' own list of addresses is that of another client.
            "etcd": {"hosts": self._etcd.hosts(number), "use_proxies": True},
            "bootstrap": {"dcs": _shared(), "initdb": [{"encoding": "UTF8"}, {"locale": "C"}, "data-checksums"]},
            "postgresql": {
                "listen": f"{host}:{self._port}",
                "connect_address": f"{host}:{self._port}",
                "data_dir": str(self.data(number)),
                "bin_dir": str(binary("postgres").parent),
                "pgpass": str(self._folder / f"{node_name(number)}.pgpass"),
                "authentication": {"superuser": ours, "replication": ours, "rewind": ours},
                "parameters": {"unix_socket_directories": ""},
                "pg_hba": ["host all all 127.0.0.0/8 trust", "host replication all 127.0.0.0/8 trust"],
            },
            "watchdog": {"mode": "off", "safety_margin": -1},  # a part of the lease, or it warns each time
        }

    # --- asking -------------------------------------------------------------------------------------------------------

    def nodes(self) -> list[Node]:
        """All nodes, as the first that answers has them; none where nobody does."""
        for address in self._addresses:
            if found := nodes_at(address, self._rest_port):
                return found
        return []

    def whole(self) -> bool:
        """Whether there is a primary, and all others are its synchronous standbys."""
        nodes = self.nodes()
        return len(nodes) == len(self._addresses) and whole(nodes)

    def make_database(self) -> None:
        """Where it is not there yet. EngineError says why it cannot be made."""
        there = f"SELECT 1 FROM pg_database WHERE datname = '{DATABASE}'"  # noqa: S608 - ours
        if not self._say(there).strip():
            self._say(f"CREATE DATABASE {DATABASE}")

    def _say(self, sql: str) -> str:
        address = f"{self._address('postgres')} target_session_attrs=read-write connect_timeout=5"
        return run(self._folder, "psql", address, "-q", "-t", "-A", "-c", sql)


def _shared() -> dict[str, Any]:
    """What all nodes agree on, kept in etcd."""
    return {
        "ttl": TTL_S,
        "loop_wait": LOOP_S,
        "retry_timeout": RETRY_S,
        "synchronous_mode": True,
        "synchronous_mode_strict": True,
        # Both, so that the one that has more is promoted. If it were one, the other might have more than that, of what
        # nobody was answered, and would have to be rewound before it can confirm anything: seven seconds.
        "synchronous_node_count": 2,
        # One that crashed is not waited for where another can take its place.
        "primary_start_timeout": 0,
        "postgresql": {
            "use_pg_rewind": True,
            "remove_data_directory_on_rewind_failure": True,
            "remove_data_directory_on_diverged_timelines": True,
            # A new primary has none until its Patroni's next look, and without them nothing is committed.
            "use_slots": False,
            "parameters": {
                "max_connections": 200,
                "shared_buffers": "128MB",
                "dynamic_shared_memory_type": "mmap",  # one that is killed leaves nothing outside its folder
                "synchronous_commit": "on",
                "hot_standby_feedback": "on",
                "wal_receiver_status_interval": 1,
                "wal_sender_timeout": STANDBY_SILENCE_MS,
                "wal_receiver_timeout": STANDBY_SILENCE_MS,
                # Until the standby that is left follows the new primary, nothing is committed; by default five seconds.
                "wal_retrieve_retry_interval": 200,
                "wal_keep_size": "1GB",  # so much may a standby be behind that comes back
                "wal_log_hints": "on",
            },
        },
    }


def node_name(number: int) -> str:
    """Of a node, as Patroni and people have it."""
    return f"postgres-{number}"


def whole(nodes: Sequence[Node]) -> bool:
    """Whether one of these nodes is the primary, and all others are its synchronous standbys."""
    roles = sorted(node.role for node in nodes if node.state in ("running", "streaming") and node.lag != "unknown")
    timelines = {node.timeline for node in nodes}
    return len(timelines) == 1 and roles == ["leader", *["sync_standby"] * (len(nodes) - 1)]


def nodes_at(address: str, rest_port: int) -> list[Node]:
    """All nodes, as one of them has them; none where it does not answer."""
    connection = http.client.HTTPConnection(address, rest_port, timeout=_ASK_S_MAX)
    failures = (OSError, http.client.HTTPException, msgspec.MsgspecError)
    with contextlib.closing(connection), contextlib.suppress(*failures):
        connection.request("GET", "/cluster")
        return msgspec.json.decode(connection.getresponse().read(), type=_Nodes).members
    return []
