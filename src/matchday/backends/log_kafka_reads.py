"""Reads of Kafka that a room waits for, as it starts: bounded by ``kafka.read_ms_max``, then LogUnavailable.

What a compacted topic's latest records are is read through, from the oldest to the end, and each key's last kept.
Offsets may have gaps wherever something was compacted, at the end too: the broker says when it has no more.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from matchday.backends.kafka import consuming, ends, named, unavailable
from matchday.backends.log_kafka_tails import stored
from matchday.backends.partitions import Part
from matchday.config import Kafka
from matchday.model.messages import Topic
from matchday.ports import Clock, LogUnavailable, Stored

_BATCH_MAX: Final = 1_000
_READ_AGAIN: Final = frozenset({Topic.FIXTURES})
"""Compacted topics whose latest are asked for again and again (settlement looks for what did not kick off): these are
kept, and only what came since is read."""


class _Latest:
    """What is known of a compacted partition."""

    def __init__(self) -> None:
        self.after = -1
        self.records: dict[str, Stored] = {}

    def add(self, record: Stored) -> None:
        self.after = record.offset
        self.records.pop(record.key, None)
        if record.value:
            self.records[record.key] = record


class Reads:
    """A consumer for the room's thread alone."""

    def __init__(self, settings: Kafka, clock: Clock, fatal: Callable[[BaseException], None]) -> None:
        self._clock, self._wait_ms = clock, settings.read_ms_max
        self._names = {topic: named(settings, topic) for topic in Topic}
        self._topics = {name: topic for topic, name in self._names.items()}
        own = {  # it is read from only while somebody waits
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 10,
            "queued.min.messages": 2_000,
            "queued.max.messages.kbytes": 16_384,
        }
        self._consumer = Consumer(consuming(settings, "reads", fatal) | own)
        self._next: tuple[Part, int] | None = None
        """Where the consumer goes on if it is asked to."""
        self._end = 0
        """What the next offset was when the last read began."""
        self._ahead: list[Message] = []
        """Fetched for the read before, and of after its limit."""
        self._latest: dict[Part, _Latest] = {}

    def close(self) -> None:
        """Give up the connections."""
        self._consumer.close()

    def ends(self, part: Part) -> tuple[int, int]:
        """The offset of the oldest record, and that of the next one."""
        with _translated():
            return ends(self._consumer, self._at(part), self._wait_ms / 1_000)

    def read(self, part: Part, after: int, limit: int) -> list[Stored]:
        """See ``Log.read``."""
        found: list[Stored] = []
        for record in self._from(part, after + 1):
            found.append(record)
            if len(found) >= limit and record.offset < self._end - 1:
                self._next = (part, record.offset + 1)
                return found
        self._pause()
        return found

    def latest(self, part: Part) -> list[Stored]:
        """See ``Log.latest``."""
        kept = self._latest.get(part) or _Latest()
        for record in self._from(part, kept.after + 1):
            kept.add(record)
        self._pause()
        if part[0] in _READ_AGAIN:
            self._latest[part] = kept
        return list(kept.records.values())

    def _from(self, part: Part, offset: int) -> Iterator[Stored]:
        """Every record from an offset to what is the end now."""
        low, end = self.ends(part)
        offset, self._end = max(offset, low), end
        if offset >= end:
            return
        if self._next != (part, offset):
            self._ahead.clear()
            with _translated():
                self._consumer.assign([self._at(part, offset)])
        self._next = None
        until_ms = self._clock.elapsed_ms() + self._wait_ms
        while True:
            for message in self._fetched(until_ms):
                error = message.error()
                if error is None:
                    record = stored(message, self._topics)
                    yield record
                    if record.offset >= end - 1:
                        return
                elif error.code() == KafkaError._PARTITION_EOF:
                    return
                elif not error.retriable():
                    raise unavailable(error)
            if self._clock.elapsed_ms() > until_ms:
                raise LogUnavailable(f"{self._names[part[0]]} could not be read within {self._wait_ms} ms")

    def _fetched(self, until_ms: int) -> Iterator[Message]:
        """What is there, and if nothing is, what comes first; those that are not taken are there the next time."""
        if not self._ahead:
            with _translated():
                first = self._consumer.poll(max(0, until_ms - self._clock.elapsed_ms()) / 1_000)
                if first is not None:
                    self._ahead = [first, *self._consumer.consume(_BATCH_MAX, 0)][::-1]
        while self._ahead:
            yield self._ahead.pop()

    def _pause(self) -> None:
        """Have nothing fetched until the next read."""
        self._next = None
        self._ahead.clear()
        self._consumer.unassign()

    def _at(self, part: Part, offset: int = 0) -> TopicPartition:
        return TopicPartition(self._names[part[0]], part[1], offset)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except KafkaException as error:
        raise unavailable(error) from error
