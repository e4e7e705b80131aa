"""Shares of a process among others: a consumer group of Kafka hands the partitions out, of a topic that holds nothing.

Cooperative: who comes or goes moves few shares, and the others' work goes on. A process that is silent for
``kafka.silence_ms_max`` loses its own. Its heartbeat comes from a thread of the library; therefore this one, which
serves it, first asks the room's thread for a sign of life: a process whose rooms stand still gives its shares up.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Final

from confluent_kafka import Consumer, KafkaException, TopicPartition

from matchday.backends.kafka import consuming, named
from matchday.backends.kafka_topics import SHARES
from matchday.backends.writer import Post
from matchday.config import Kafka

_log = logging.getLogger(__name__)

_POLL_S: Final = 0.1
_LOST_S_MAX: Final = 1.0
"""Seconds that a share is kept from others until the room has heard that it is lost."""

Heard = Callable[[int], None]


class SharesKafka:
    """See ``Shares``."""

    def __init__(self, settings: Kafka, post: Post, fatal: Callable[[BaseException], None]) -> None:
        self._settings, self._post, self._fatal = settings, post, fatal
        self._members: list[_Member] = []

    def join(self, group: str, taken: Heard, lost: Heard) -> "_Member":
        """See ``Shares.join``."""
        member = _Member(self._settings, self._post, self._fatal, group, taken, lost)
        self._members.append(member)
        return member

    def close(self) -> None:
        """Leave all groups, so that others take the shares over at once."""
        for member in self._members:
            member.cancel()
        for member in self._members:
            member.wait()


class _Member:
    """This process in one group."""

    def __init__(
        self, settings: Kafka, post: Post, fatal: Callable[[BaseException], None], group: str, taken: Heard, lost: Heard
    ) -> None:
        self._post, self._fatal = post, fatal
        self._taken, self._lost = taken, lost
        self._silence_s = settings.silence_ms_max / 1_000
        self._group, self._topic = f"{SHARES}.{group}", named(settings, SHARES)
        self._held: set[int] = set()
        """As the room has heard."""
        self._leaving = threading.Event()
        own = {
            "partition.assignment.strategy": "cooperative-sticky",
            "session.timeout.ms": settings.silence_ms_max,
            # Whoever stays hears with its next heartbeat that there are shares to take over.
            "heartbeat.interval.ms": max(200, settings.silence_ms_max // 8),
            "max.poll.interval.ms": max(2 * settings.silence_ms_max, 10_000),
            "auto.offset.reset": "latest",  # there is nothing to read
        }
        self._properties = consuming(settings, self._group, self._failed) | own
        self._thread = threading.Thread(target=self._run, name=f"shares of {group}", daemon=True)
        self._thread.start()

    def cancel(self) -> None:
        """Leave the group. The room hears no more."""
        self._leaving.set()

    def wait(self) -> None:
        """Until it has left."""
        self._thread.join()

    # --- its own thread -----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        consumer = self._join()
        while not self._leaving.is_set():
            if not self._room_lives():
                _log.error("shares: the rooms have stood still for %g s: leaving %s", self._silence_s, self._group)
                consumer.close()
                while not (self._room_lives() or self._leaving.is_set()):
                    pass
                consumer = self._join()
            message = consumer.poll(_POLL_S)
            if message is not None and (error := message.error()) is not None:
                _log.warning("shares: %s", error.str())
        consumer.close()

    def _join(self) -> Consumer:
        consumer = Consumer(self._properties)
        consumer.subscribe([self._topic], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked)
        return consumer

    def _assigned(self, consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        consumer.incremental_assign(list(partitions))
        self._tell(self._take, partitions)

    def _revoked(self, consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        told = self._tell(self._lose, partitions)
        told.wait(0 if self._leaving.is_set() else _LOST_S_MAX)
        try:
            consumer.incremental_unassign(list(partitions))
        except KafkaException as error:  # the group had forgotten this member
            _log.warning("shares: %s", error.args[0].str())

    def _tell(self, call: Heard, partitions: Sequence[TopicPartition]) -> threading.Event:
        """Have the room hear of each, in order; set when it has."""
        told, numbers = threading.Event(), sorted(part.partition for part in partitions)

        def tell() -> None:
            try:
                for number in numbers:
                    call(number)
            finally:
                told.set()

        self._hand_over(tell)
        return told

    def _room_lives(self) -> bool:
        """Whether the room's thread does anything asked of it within the silence that is allowed."""
        lives = threading.Event()
        if not self._hand_over(lives.set):
            return True
        return lives.wait(self._silence_s)

    def _hand_over(self, call: Callable[[], None]) -> bool:
        try:
            self._post(call)
        except RuntimeError:
            return False  # the loop is closed: nobody is left to work
        return True

    def _failed(self, error: BaseException) -> None:
        self._hand_over(lambda: self._fatal(error))

    # --- the room's thread --------------------------------------------------------------------------------------------

    def _take(self, number: int) -> None:
        if number not in self._held and not self._leaving.is_set():
            self._held.add(number)
            self._taken(number)

    def _lose(self, number: int) -> None:
        if number in self._held and not self._leaving.is_set():
            self._held.remove(number)
            self._lost(number)
