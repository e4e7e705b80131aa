"""What all that speaks to Kafka has in common: the client library, how it is set up, and what its errors mean.

The library is confluent-kafka (librdkafka), of the extra ``matchday[cluster]``. Measured beside aiokafka 0.14 against
one broker on the same two busy cores (1 kB records, acks=all, idempotent): an append alone is acknowledged after 1.1 to
1.7 ms p50 and 5 to 11 ms p99 (aiokafka 1.2 / 5 to 6) and heard after 1.1 to 2.7 (1.4); with a hundred records an
append and one append in flight, 35,000 to 56,000 records a second at half a core (aiokafka 10,000). Its threads are
C's: they go on while the room's thread is busy, and a room can be answered synchronously at its start. Through the
whole port a record is heard by another tail 1.0 to 1.9 ms p50 and 5 to 10 ms p99 after it was said.
"""

import contextlib
import logging
import threading
from collections.abc import Callable
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from matchday.backends.errors import BackendError
from matchday.config import Kafka
from matchday.ports import LogUnavailable

_log = logging.getLogger(__name__)

RECORD_BYTES_MAX: Final = 8_388_608
"""Bytes of a record, a book with all its markets a tenth of it; what is larger is a programmer's error."""
_SOCKET_MS: Final = 5_000
"""Milliseconds without an answer after which a connection is given up and made anew: what was asked is asked again."""
_OURS: Final[dict[str, Any]] = {
    "client.id": "matchday",
    "socket.timeout.ms": _SOCKET_MS,
    "socket.keepalive.enable": True,
    "socket.nagle.disable": True,
    "reconnect.backoff.ms": 50,
    "reconnect.backoff.max.ms": 1_000,
    "allow.auto.create.topics": False,
}
_PRODUCING: Final[dict[str, Any]] = {
    "acks": "all",
    "enable.idempotence": True,
    "message.timeout.ms": 0,  # never given up: what may have been appended keeps its place (log_kafka_appends)
    "request.timeout.ms": _SOCKET_MS,
    "linger.ms": 0,
    "message.max.bytes": RECORD_BYTES_MAX,
    "queue.buffering.max.messages": 1_000_000,
    "queue.buffering.max.kbytes": 1_048_576,
}
_CONSUMING: Final[dict[str, Any]] = {
    "enable.auto.commit": False,
    "auto.offset.reset": "error",  # never jump over anything in silence
    "fetch.message.max.bytes": RECORD_BYTES_MAX,
    "fetch.wait.max.ms": 100,
    "fetch.queue.backoff.ms": 10,
    "queued.max.messages.kbytes": 65_536,
    "check.crcs": True,
}
_SOON: Final = frozenset(
    {
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_PARTITION,
        KafkaError._TIMED_OUT,
        KafkaError._TRANSPORT,
        KafkaError._DESTROY_BROKER,  # the client has given up one that is no longer in the cluster
    }
)
"""What is heard of a partition that is new, or whose leader has just changed."""
_AGAIN_S: Final = 0.05
_TRY_S: Final = 1.0
_NEVER_OURS: Final = {"allow.auto.create.topics"}
"""Of consumers only: other clients warn of it."""


def producing(settings: Kafka, fatal: Callable[[BaseException], None]) -> dict[str, Any]:
    """Properties of a producer. ``fatal`` is called from whichever thread serves it."""
    shared = {name: value for name, value in _shared(settings, fatal).items() if name not in _NEVER_OURS}
    return {**shared, **_PRODUCING}


def consuming(settings: Kafka, group: str, fatal: Callable[[BaseException], None]) -> dict[str, Any]:
    """Properties of a consumer."""
    return {**_shared(settings, fatal), **_CONSUMING, "group.id": named(settings, group)}


def administering(settings: Kafka) -> dict[str, Any]:
    """Properties of an administrator."""

    def never(error: BaseException) -> None:
        _log.error("kafka: %s", error)

    return {name: value for name, value in _shared(settings, never).items() if name not in _NEVER_OURS}


def named(settings: Kafka, what: str) -> str:
    """The name of this platform's topic or group."""
    return f"{settings.platform}.{what}"


def _shared(settings: Kafka, fatal: Callable[[BaseException], None]) -> dict[str, Any]:
    def failed(error: KafkaError) -> None:
        if error.fatal():
            fatal(BackendError(f"kafka: {error.str()}; the log lost what was acknowledged, or is another one"))
        elif error.code() == KafkaError._ALL_BROKERS_DOWN:
            _log.warning("kafka: %s", error.str())
        else:
            _log.info("kafka: %s", error.str())  # a connection, which is made anew

    return {
        **settings.client,
        **_OURS,
        "bootstrap.servers": ",".join(settings.brokers),
        "error_cb": failed,
        "logger": _log,
    }


def unavailable(error: KafkaException | KafkaError) -> LogUnavailable:
    """What a room is told."""
    found = error.args[0] if isinstance(error, KafkaException) else error
    return LogUnavailable(found.str() if isinstance(found, KafkaError) else str(found))


def ends(consumer: Consumer, part: TopicPartition, within_s: float) -> tuple[int, int]:
    """The offset of a partition's oldest record, and that of the next one. KafkaException where nobody says so in about
    that time. The library asks the leader that it knows of, for as long as it is told to, though it may be gone: so it
    is asked for a moment, and then for the leader."""
    left_s, pause = within_s, threading.Event()
    while True:
        try:
            return consumer.get_watermark_offsets(part, min(_TRY_S, within_s))
        except KafkaException as error:
            if error.args[0].code() not in _SOON or left_s <= 0:
                raise
            left_s -= _TRY_S if error.args[0].code() == KafkaError._TIMED_OUT else _AGAIN_S
        with contextlib.suppress(KafkaException):
            consumer.list_topics(part.topic, _TRY_S)
        pause.wait(_AGAIN_S)
