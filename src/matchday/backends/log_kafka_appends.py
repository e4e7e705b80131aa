"""Appends to Kafka: in order, and none given up whose outcome is not known.

The topics of an append are sent one after the other, each when the one before is acknowledged; appends that say nothing
on one topic do not wait for each other. The producer is idempotent and repeats what it was handed, under the same
numbers, until a broker has answered: a record is there once and in its place, whatever became of connections and
brokers meanwhile. To give it up after a time would mean to say it again under new numbers, while the old request may
still stand in a broker's buffers and be appended after newer records.

So what brokers do not answer is waited for. What comes meanwhile is held back here and, when it has waited for
``kafka.append_ms_max``, refused: nothing of it (or of its later topics) was handed over, and nothing of it comes later.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import msgspec
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from matchday.backends.kafka import named, producing, unavailable
from matchday.backends.partitions import Done, Part
from matchday.backends.writer import Post
from matchday.config import Kafka
from matchday.model.messages import Topic
from matchday.ports import Clock, LogUnavailable, Record

_log = logging.getLogger(__name__)

_POLL_S: Final = 0.05
_LATE_MS: Final = 1_000
"""Milliseconds without an answer after which brokers are taken to be away: what comes now is held back."""
_FLUSH_S: Final = 5.0
"""Seconds that closing waits for what is on its way."""
_IN_FLIGHT_MAX: Final = 50_000
"""Records handed to the library; further appends wait."""


class _Append(msgspec.Struct, eq=False):
    """One call."""

    groups: list[tuple[Topic, list[tuple[int, Part, Record]]]]
    """What is not handed over yet, topic by topic; each record with its place in the call."""
    offsets: list[int]
    done: Done | None
    asked_ms: int
    sent_ms: int = 0
    sent: int = 0
    """Records of the topic that was handed over last."""
    in_flight: int = 0
    """Of these, those that are not answered."""
    failure: LogUnavailable | None = None


class Appends:
    """The producer of a process. ``place`` says where a record belongs."""

    def __init__(
        self, settings: Kafka, clock: Clock, post: Post, fatal: Callable[[BaseException], None],
        place: Callable[[Record], Part],
    ) -> None:  # fmt: skip
        self._clock, self._post, self._fatal, self._place = clock, post, fatal, place
        self._wait_ms = settings.append_ms_max
        self._names = {topic: named(settings, topic) for topic in Topic}
        self._producer = Producer(producing(settings, lambda error: self._hand_over(lambda: fatal(error))))
        self._changed = threading.Lock()
        self._active: list[_Append] = []
        self._in_flight = 0
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log appends", daemon=True)
        self._thread.start()

    def append(self, records: Sequence[Record], done: Done | None) -> None:
        """See ``Log.append``; on the room's thread."""
        by_topic: dict[Topic, list[tuple[int, Part, Record]]] = {}
        for index, record in enumerate(records):
            by_topic.setdefault(record.topic, []).append((index, self._place(record), record))
        append = _Append(list(by_topic.items()), [-1] * len(records), done, self._clock.elapsed_ms())
        with self._changed:
            self._active.append(append)
            self._go_on()

    def close(self) -> None:
        """Wait a moment for what is on its way, then stop. What was not answered never is."""
        self._closing.set()
        self._thread.join()
        if self._producer.flush(_FLUSH_S):
            _log.error("log: %d records were on their way when it was closed", len(self._producer))
            self._producer.purge()
            self._producer.flush(0)

    # --- holding the lock ---------------------------------------------------------------------------------------------

    def _go_on(self) -> None:
        """Hand over what may be: the next topic of each append, unless an earlier one has something to say on it."""
        ahead: set[Topic] = set()
        held = self._late() or self._in_flight > _IN_FLIGHT_MAX
        for append in tuple(self._active):
            if not append.in_flight and not append.groups:
                self._finish(append, append.offsets)  # nothing to say
                continue
            if not append.in_flight and not held and append.groups[0][0] not in ahead:
                self._send(append, *append.groups.pop(0))
            ahead.update(topic for topic, _ in append.groups)

    def _late(self) -> bool:
        """Whether brokers owe an answer for too long."""
        late_ms = self._clock.elapsed_ms() - _LATE_MS
        return any(append.in_flight and append.sent_ms < late_ms for append in self._active)

    def _send(self, append: _Append, topic: Topic, group: Sequence[tuple[int, Part, Record]]) -> None:
        append.sent_ms, append.sent = self._clock.elapsed_ms(), len(group)
        append.in_flight = len(group)
        self._in_flight += len(group)
        name, produce = self._names[topic], self._producer.produce
        for index, (_, partition), record in group:
            value = record.value or None  # Kafka's own tombstone
            try:
                produce(name, value, record.key, partition, on_delivery=partial(self._delivered, append, index))
            except (KafkaException, BufferError) as error:  # too large, or the library is broken
                self._hand_over(partial(self._fatal, error))
                return

    def _finish(self, append: _Append, outcome: Sequence[int] | LogUnavailable) -> None:
        self._active.remove(append)
        self._hand_over(partial(self._answer, append.done, outcome))

    def _refuse(self) -> None:
        """Those that have waited too long for brokers to answer others."""
        since_ms = self._clock.elapsed_ms() - self._wait_ms
        for append in [a for a in self._active if not a.in_flight and a.asked_ms < since_ms]:
            reason = f"the brokers have not answered for {self._wait_ms} ms; nothing more of it was handed to them"
            self._finish(append, LogUnavailable(reason))

    # --- the producer's thread ----------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._closing.is_set():
            self._producer.poll(_POLL_S)
            with self._changed:
                if self._active:
                    self._refuse()
                    self._go_on()

    def _delivered(self, append: _Append, index: int, error: KafkaError | None, message: Message) -> None:
        if error is None:
            append.offsets[index] = message.offset() or 0
        else:
            append.failure = unavailable(error)
        if append.in_flight > 1:  # nobody else counts them
            append.in_flight -= 1
            return
        with self._changed:  # at none an append goes on, or is over, for whoever looks
            append.in_flight = 0
            self._in_flight -= append.sent
            if append.failure is not None:
                self._finish(append, append.failure)
            elif not append.groups:
                self._finish(append, append.offsets)
            self._go_on()

    def _answer(self, done: Done | None, outcome: Sequence[int] | LogUnavailable) -> None:
        if done is not None:
            done(outcome)
        elif isinstance(outcome, LogUnavailable):
            self._fatal(outcome)

    def _hand_over(self, call: Callable[[], None]) -> None:
        try:
            self._post(call)
        except RuntimeError:
            return  # the loop is closed: nobody is left to be answered
