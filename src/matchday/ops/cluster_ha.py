"""The engines of a local cluster in high availability: each has others that take over from it, at addresses of their
own.

Three nodes of PostgreSQL under Patroni with three members of etcd, three brokers of Kafka, Redis with a replica and
three Sentinels. What stands for a machine is an address of the loopback network, ``127.1.N.x`` with N by the cluster's
folder, so that two clusters do not meet: what is done to an address is done to that server alone. docs/failover.md says
what that is good for, and what it is not.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final
from zlib import crc32

from matchday.ops.cluster_settings import settings_of
from matchday.ops.cluster_state import Member, born, postmaster, wait_for
from matchday.ops.engines import ANY, EngineError, Server, free_ports
from matchday.ops.engines.etcd import Etcd
from matchday.ops.engines.kafka import Kafka
from matchday.ops.engines.patroni import NAMES, Patroni
from matchday.ops.engines.redis import WatchedRedis

PORTS: Final = {"etcd": 4, "postgres": 2, "kafka": 2, "redis": 2}
"""Engine -> how many ports it needs, each the same at all its addresses."""
WHOLE_S_MAX: Final = 120.0
"""Seconds in which all servers of an engine must have found each other: to copy PostgreSQL twice, on a slow, busy
core."""
_NODES: Final = 3
_LOGS: Final = "see `matchday cluster logs`"
_FIRST: Final = {"etcd": 11, "postgres": 21, "kafka": 31, "redis": 41, "sentinel": 51}
"""Where the addresses of each begin."""
SILENCE_MS: Final = 4_000
"""Milliseconds of a primary's silence after which clients look for another: less than its lease lasts, so that they
have given up on one that hangs when there is another."""
STATEMENT_MS: Final = 3_000
"""Milliseconds of one statement at most, so that one that waits for a lock is not taken for silence."""
_POSTGRES: Final = """\
# Less than by default: so long may a primary hang before its clients look for another.
silence_ms_max = {silence_ms}
statement_ms_max = {statement_ms}
"""


def network_of(folder: Path) -> str:
    """What the addresses of a cluster's servers begin with: by its folder, the same each time."""
    return f"127.1.{crc32(str(folder).encode()) % 254 + 1}"


class HighlyAvailable:
    """The servers of one cluster."""

    def __init__(self, folder: Path, network: str, ports: dict[str, list[int]]) -> None:
        """``ports``: of servers whose files are in the folder already."""
        self.ports = ports or {name: free_ports(wanted, ANY) for name, wanted in PORTS.items()}
        if {name: len(found) for name, found in self.ports.items()} != PORTS:
            raise EngineError(
                f"the engines in {folder} are not in high availability: leave out --ha, or name another folder with "
                "--state DIR"
            )
        places = {name: [f"{network}.{first + n}" for n in range(_NODES)] for name, first in _FIRST.items()}
        peers, *clients = self.ports["etcd"]
        etcd = Etcd(folder / "etcd", places["etcd"], peers, clients)
        port, rest_port = self.ports["postgres"]
        self._patroni = Patroni(folder / "patroni", places["postgres"], port, rest_port, etcd)
        broker, controller = self.ports["kafka"]
        self._kafka = Kafka(
            folder / "kafka", _NODES, ports=[broker] * _NODES + [controller] * _NODES, addresses=places["kafka"]
        )
        port, sentinel_port = self.ports["redis"]
        self._redis = WatchedRedis(folder / "redis", places["redis"][:2], port, places["sentinel"], sentinel_port)
        self._etcd = etcd

    def start(self, known: Sequence[Member], changed: Callable[[list[Member]], None]) -> None:
        """Start what does not live yet of those that are known; returns when all is whole. ``changed`` is told of all
        members after each step. EngineError says what does not start."""
        members = {one.name: one for one in known}
        etcd, patroni, kafka = self._etcd, self._patroni, self._kafka
        for servers in (etcd.servers, patroni.servers, kafka.servers, self._redis.servers):
            started = []
            for server in servers():
                if server.name not in members or not members[server.name].lives:
                    started.append(engine := server.launch())
                    members[server.name] = member_of(server, engine.pid)
                    changed(list(members.values()))
            for engine in started:
                engine.wait_until_ready()
            if servers == etcd.servers:  # Patroni that finds no leader looks again after five seconds
                _wait_until(etcd.whole, "etcd")
        _wait_until(kafka.whole, "Kafka")
        _wait_until(patroni.whole, "PostgreSQL")
        patroni.make_database()
        changed(list((members | self._nodes()).values()))

    def _nodes(self) -> dict[str, Member]:
        """PostgreSQL of each node, which Patroni has started, with its role now."""
        roles = {node.name: NAMES.get(node.role, node.role) for node in self._patroni.nodes()}
        servers = (self._patroni.node(number, roles) for number in range(_NODES))
        return {server.name: member_of(server, postmaster(server.data)) for server in servers}

    def settings(self, secret: Path) -> str:
        """Of a platform that uses them."""
        return settings_of(
            "up --ha", secret, bootstrap=self._kafka.bootstrap, replicas=_NODES, address=self._patroni.address,
            cache=self._redis.url, more=_POSTGRES.format(silence_ms=SILENCE_MS, statement_ms=STATEMENT_MS),
        )  # fmt: skip


def _wait_until(whole: Callable[[], bool], name: str) -> None:
    if not wait_for(whole, WHOLE_S_MAX):
        raise EngineError(f"not all servers of {name} found each other within {WHOLE_S_MAX:g} s; {_LOGS}")


def member_of(server: Server, pid: int) -> Member:
    """A server as the state file has it."""
    return Member(
        name=server.name, room="engine", kind=server.kind, role=server.role, pid=pid, born=born(pid),
        address=server.address, port=server.port, ops_port=server.ops_port, uses=server.uses, data=str(server.data),
        log=str(server.log),
    )  # fmt: skip
