"""Tails of Kafka: one consumer reads for all of a process's tails, and one more wherever two want the same partition.

No group hands these partitions out: a gate hears all it wants, and a room that shares work is created for its own. What
is read goes to the room's thread in batches, of which a few may be on their way; more wait with the broker.

How far tails are behind is known without a question: each answer with records says where the partition ends. Where no
answer comes nothing is known, so that the leader of one partition after the other is asked, once in a while.
"""

import contextlib
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from queue import SimpleQueue
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from matchday.backends.errors import BackendError
from matchday.backends.kafka import consuming, ends, named
from matchday.backends.partitions import Hear, Part
from matchday.backends.writer import Post
from matchday.config import Kafka
from matchday.model.messages import Topic
from matchday.ports import Clock, Lag, Stored

_log = logging.getLogger(__name__)

_POLL_S: Final = 0.05
"""Seconds until a tail that begins or ends is noticed. The library's consumer is spoken to by one thread alone: with
two of them, an assignment was seen to wait for ever."""
BATCH_MAX: Final = 1_000
_BATCHES_MAX: Final = 4
"""Batches on their way to the room's thread."""
_ASK_S: Final = 5.0
_KNOW_S: Final = 0.5
LOOK_MS: Final = 1_000
"""Milliseconds between two looks at how far tails are behind."""
_PROBE_S: Final = 0.2
"""Seconds that a leader is waited for meanwhile."""

Parts = Mapping[str, Topic]
"""Topics by their names on Kafka."""


def stored(message: Message, topics: Parts) -> Stored:
    """A message of Kafka as readers get it."""
    key, (_, at_ms) = message.key() or b"", message.timestamp()
    topic, partition, offset = topics[message.topic() or ""], message.partition(), message.offset()
    assert partition is not None
    assert offset is not None
    return Stored(topic, partition, offset, key.decode("utf-8", "replace"), message.value() or b"", at_ms)


class Tail:
    """One reader of a partition."""

    def __init__(self, part: Part, after: int, hear: Hear, stop: Callable[["Tail"], None]) -> None:
        self.part, self.after = part, after
        self._hear, self._stop = hear, stop
        self.cancelled = False

    def cancel(self) -> None:
        """Hear no more."""
        if not self.cancelled:
            self.cancelled = True
            self._stop(self)

    def give(self, records: Sequence[Stored]) -> None:
        """Hear those that were not heard yet."""
        fresh = [record for record in records if record.offset > self.after]
        if fresh and not self.cancelled:
            self.after = fresh[-1].offset
            self._hear(fresh)


class Tails:
    """All tails of a process."""

    def __init__(self, settings: Kafka, clock: Clock, post: Post, fatal: Callable[[BaseException], None]) -> None:
        self._settings, self._clock, self._post, self._fatal = settings, clock, post, fatal
        self._readers: list[_Reader] = []

    def begin(self, part: Part, after: int, hear: Hear) -> Tail:
        """Hear a partition after an offset, from later on."""
        reader = next((reader for reader in self._readers if reader.free(part)), None)
        if reader is None:
            reader = _Reader(self._settings, self._clock, self._post, self._fatal)
            self._readers.append(reader)
        return reader.begin(part, after, hear)

    def lag(self) -> Lag:
        """How far all of them are behind."""
        lags = [reader.lag for reader in self._readers]
        return Lag(
            sum(lag.records for lag in lags), max((lag.for_ms for lag in lags), default=0),
            max((lag.silent_ms for lag in lags), default=0),
        )  # fmt: skip

    def close(self) -> None:
        """End all threads."""
        for reader in self._readers:
            reader.stop()
        for reader in self._readers:
            reader.close()


class _Reader:
    """One consumer and its thread; each partition has at most one tail."""

    def __init__(self, settings: Kafka, clock: Clock, post: Post, fatal: Callable[[BaseException], None]) -> None:
        self._clock, self._post, self._fatal = clock, post, fatal
        self._names = {topic: named(settings, topic) for topic in Topic}
        self._topics = {name: topic for topic, name in self._names.items()}
        self._tails: dict[Part, Tail] = {}
        """As the room's thread knows them; the same as the reader's thread does:"""
        self._reading: dict[Part, Tail] = {}
        self._consumer = Consumer(consuming(settings, "tails", lambda error: self._hand_over(lambda: fatal(error))))
        self._asked: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._room = threading.BoundedSemaphore(_BATCHES_MAX)
        self._read_to: dict[Part, int] = {}
        self._distance = Distance()
        self.lag = Lag()
        self._looked_ms = self._answered_ms = clock.elapsed_ms()
        self._probed = 0
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log tails", daemon=True)
        self._thread.start()

    # --- the room's thread --------------------------------------------------------------------------------------------

    def free(self, part: Part) -> bool:
        """Whether nobody here hears that partition."""
        return part not in self._tails

    def begin(self, part: Part, after: int, hear: Hear) -> Tail:
        """See ``Tails.begin``."""
        tail = self._tails[part] = Tail(part, after, hear, self._end)
        self._asked.put(partial(self._read, tail))
        return tail

    def stop(self) -> None:
        """End soon."""
        self._closing.set()

    def close(self) -> None:
        """Wait until its thread has ended."""
        self._thread.join()

    def _end(self, tail: Tail) -> None:
        del self._tails[tail.part]
        self._asked.put(partial(self._leave, tail.part))

    def _give(self, batch: Mapping[Tail, Sequence[Stored]]) -> None:
        self._room.release()
        for tail, records in batch.items():
            tail.give(records)

    # --- its own ------------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._closing.is_set():
            while not self._asked.empty():
                self._asked.get()()
            self._look_now_and_then()
            message = self._consumer.poll(_POLL_S)
            if message is None:
                continue
            batch: dict[Tail, list[Stored]] = {}
            for one in (message, *self._consumer.consume(BATCH_MAX, 0)):
                if one.error() is not None:
                    self._failed(one)
                else:
                    record = stored(one, self._topics)
                    part = (record.topic, record.partition)
                    batch.setdefault(self._reading[part], []).append(record)
                    self._read_to[part] = record.offset
            if batch and self._wait_for_room():
                self._hand_over(partial(self._give, batch))
        self._consumer.close()

    def _look_now_and_then(self) -> None:
        if self._clock.elapsed_ms() - self._looked_ms >= LOOK_MS:
            self._look()

    def _look(self) -> None:
        """How far tails are behind, and whether a leader answers."""
        self._looked_ms = now_ms = self._clock.elapsed_ms()
        parts = list(self._reading)
        self._probed += 1
        with contextlib.suppress(KafkaException):
            if parts:
                self._consumer.get_watermark_offsets(self._at(parts[self._probed % len(parts)]), _PROBE_S)
            else:  # whoever lost its shares as brokers are away still says that they are
                self._consumer.list_topics(self._names[Topic.BOOKS], _PROBE_S)
            self._answered_ms = now_ms
        ends_ = {}
        for part, tail in self._reading.items():
            known = self._consumer.get_watermark_offsets(self._at(part), cached=True)
            if known[1] > 0:  # else nothing was heard of it so far
                ends_[part] = (tail.after, max(tail.after, self._read_to.get(part, -1)), known[1] - 1)
        self.lag = Lag(*self._distance.look(ends_, now_ms), now_ms - self._answered_ms)

    def _read(self, tail: Tail) -> None:
        self._reading[tail.part] = tail
        with contextlib.suppress(KafkaException):  # only so that the library knows the topic, a second sooner
            self._consumer.list_topics(self._names[tail.part[0]], _KNOW_S)
        self._consumer.incremental_assign([self._at(tail.part, tail.after + 1)])

    def _leave(self, part: Part) -> None:
        del self._reading[part]
        self._read_to.pop(part, None)
        self._consumer.incremental_unassign([self._at(part)])

    def _wait_for_room(self) -> bool:
        while not self._room.acquire(timeout=_POLL_S):
            if self._closing.is_set():
                return False
            self._look_now_and_then()  # a room that hears nothing is behind, and more so the longer it lasts
        return True

    def _failed(self, message: Message) -> None:
        error = message.error()
        assert error is not None
        if error.code() != KafkaError._AUTO_OFFSET_RESET:
            _log.warning("log: reading %s: %s", message.topic(), error.str())  # the library goes on by itself
            return
        part = (self._topics[message.topic() or ""], message.partition() or 0)
        low, high = ends(self._consumer, self._at(part), _ASK_S)
        wanted = message.offset() or 0
        if wanted >= high:
            self._hand_over(lambda: self._fatal(_made_anew(message.topic(), wanted, high)))
            return
        _log.warning("log: %s %d to %d were dropped before they were heard", message.topic(), wanted, low - 1)
        self._consumer.incremental_unassign([self._at(part)])
        self._consumer.incremental_assign([self._at(part, low)])

    def _at(self, part: Part, offset: int = 0) -> TopicPartition:
        return TopicPartition(self._names[part[0]], part[1], offset)

    def _hand_over(self, call: Callable[[], None]) -> None:
        try:
            self._post(call)
        except RuntimeError:
            return  # the loop is closed: nobody is left to hear


class Distance:
    """For how long what stands in partitions has not been heard."""

    def __init__(self) -> None:
        self._owed: dict[Part, tuple[int, int]] = {}
        """Partition -> an end that was not reached when it was seen, and when that was."""
        self._before: dict[Part, tuple[int, int]] = {}

    def look(self, ends_: Mapping[Part, tuple[int, int, int]], now_ms: int) -> tuple[int, int]:
        """Of (offset that was heard, offset that was read, offset of the end): records that were not heard, and for how
        many milliseconds the oldest of them has been there. An end that is not read and does not grow is no record's:
        Kafka has some of its own."""
        records, for_ms = 0, 0
        for part, (heard, read, end) in ends_.items():
            until = read if self._before.get(part) == (read, end) else end
            owed = self._owed.get(part)
            if owed is None or heard >= owed[0] or owed[0] > until:
                owed = (until, now_ms)
            if heard >= until:
                self._owed.pop(part, None)
                continue
            self._owed[part] = owed
            records, for_ms = records + until - heard, max(for_ms, now_ms - owed[1])
        self._before = {part: (read, end) for part, (_, read, end) in ends_.items()}
        return records, for_ms


def _made_anew(name: str | None, wanted: int, high: int) -> BackendError:
    return BackendError(
        f"{name} ends at {high - 1}, before {wanted} that was heard of: made anew, or lost what was acknowledged; "
        "start this process again, and it takes up what is there"
    )
