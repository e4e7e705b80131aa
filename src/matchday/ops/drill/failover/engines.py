"""Looks at the engines of a cluster: who is the primary, who leads, whether each has all of its others. Each by the
engine's own account, asked directly.
"""

import contextlib
import http.client
import socket
import struct
from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from typing import Final

from matchday.backends.errors import client_of
from matchday.ops.cluster_state import Member, State
from matchday.ops.drill import DrillError
from matchday.ops.engines import patroni
from matchday.ops.engines.patroni import Node, nodes_at

_ASK_S_MAX: Final = 3.0
_CLOCK_S_MAX: Final = 10.0
_QUORUM: Final = b"__cluster_metadata"
_DESCRIBE_QUORUM: Final = 55


def whole(state: State, brokers: Sequence[str]) -> bool:
    """Whether every node of PostgreSQL follows a primary synchronously, and every replica on Kafka is in sync. True
    where the engines have no others."""
    if not state.network:
        return True
    count = sum(one.kind == "patroni" for one in state.engines)
    found = nodes(state)
    return len(found) == count and patroni.whole(found) and in_sync(brokers)


def nodes(state: State) -> list[Node]:
    """Nodes of PostgreSQL, as the first Patroni that answers has them."""
    for one in state.engines:
        if one.kind == "patroni" and one.lives and (found := nodes_at(one.address, one.ops_port)):
            return found
    return []


def primary(state: State) -> list[Member]:
    """Patroni and PostgreSQL of the node that is the primary now. DrillError where there is none."""
    for node in nodes(state):
        if node.role == "leader":
            address = next(one.address for one in state.engines if one.name == node.name)
            return state.at(address)
    raise DrillError("PostgreSQL has no primary now: see `matchday cluster status`")


# --- Kafka ------------------------------------------------------------------------------------------------------------


def in_sync(brokers: Sequence[str]) -> bool:
    """Whether every partition has all of its replicas in sync."""
    with client_of("Kafka"):
        from confluent_kafka import KafkaException
        from confluent_kafka.admin import AdminClient
    admin = AdminClient({"bootstrap.servers": ",".join(brokers), "log_level": 0})
    with contextlib.suppress(KafkaException):
        topics = admin.list_topics(timeout=_ASK_S_MAX).topics.values()
        return all(
            part.leader >= 0 and len(part.isrs) == len(part.replicas)
            for topic in topics for part in topic.partitions.values()
        )  # fmt: skip
    return False


def leader(brokers: Sequence[str], topic: str) -> int:
    """The broker that leads the first partition of a topic. DrillError where nobody says."""
    with client_of("Kafka"):
        from confluent_kafka import KafkaException
        from confluent_kafka.admin import AdminClient
    admin = AdminClient({"bootstrap.servers": ",".join(brokers), "log_level": 0})
    try:
        return int(admin.list_topics(topic, timeout=_ASK_S_MAX).topics[topic].partitions[0].leader)
    except (KafkaException, KeyError) as error:
        raise DrillError(f"Kafka does not say who leads {topic}: {error}") from error


def controller(brokers: Sequence[str]) -> int:
    """The broker that is the active controller (DescribeQuorum, version 0: the client library has no call for it).
    DrillError where no broker says."""
    request = struct.pack("!hhihB", _DESCRIBE_QUORUM, 0, 1, -1, 0)  # header, version 2: no client's name
    request += bytes((2, len(_QUORUM) + 1)) + _QUORUM + bytes((2,)) + struct.pack("!iBBB", 0, 0, 0, 0)
    for broker in brokers:
        host, _, port = broker.rpartition(":")
        with (
            contextlib.suppress(OSError, ValueError, struct.error),
            socket.create_connection((host, int(port)), _ASK_S_MAX) as asked,
        ):
            asked.settimeout(_ASK_S_MAX)
            asked.sendall(struct.pack("!i", len(request)) + request)
            with asked.makefile("rb") as answered:
                (size,) = struct.unpack("!i", answered.read(4))
                answer = answered.read(size)
            # After the topic's name: an array of one partition, its number, its error, its leader.
            at = answer.index(_QUORUM) + len(_QUORUM)
            _, _, error, found = struct.unpack_from("!Bihi", answer, at)
            if not error and found >= 0:
                return int(found)
    raise DrillError("no broker of Kafka says who the controller is")


# --- gates ------------------------------------------------------------------------------------------------------------


def clock_ms(gate: Member) -> int:
    """What time it is for a gate: the date of its answers, to the second. DrillError where it does not say."""
    connection = http.client.HTTPConnection("127.0.0.1", gate.port, timeout=_CLOCK_S_MAX)
    with contextlib.closing(connection):
        try:
            connection.request("GET", "/healthz")
            said = connection.getresponse().headers["Date"]
        except (OSError, http.client.HTTPException) as error:
            raise DrillError(f"{gate.name} does not say what time it is: {error}") from error
    return round(parsedate_to_datetime(said).timestamp() * 1_000)


# --- Redis ------------------------------------------------------------------------------------------------------------


def is_master(server: Member) -> bool:
    """Whether a Redis says that it is one."""
    with contextlib.suppress(OSError), socket.create_connection((server.address, server.port), _ASK_S_MAX) as asked:
        asked.settimeout(_ASK_S_MAX)
        asked.sendall(b"ROLE\r\n")
        return b"master" in asked.recv(64)
    return False
