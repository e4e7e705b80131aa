"""Partitions: the log's port over verbs that name the partition they mean, which is all that a backend has to bring.

The whole log answers for topics of one partition, merges what can be merged of the others, and refuses the rest; a view
answers for one partition of each topic.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Final

from matchday.model.messages import SINGLE, Topic
from matchday.ports import LogUnavailable, Record, Stored, Timer, partition_of

Hear = Callable[[Sequence[Stored]], None]
Done = Callable[[Sequence[int] | LogUnavailable], None]
Part = tuple[Topic, int]
"""A partition of a topic."""


class PartitionedReads(ABC):
    """The reads of the port, of a log whose topics have ``count`` partitions, but for those in ``SINGLE``."""

    count: int = 1

    @abstractmethod
    def read_of(self, part: Part, after: int, limit: int) -> Sequence[Stored]:
        """``Log.read`` of a partition."""

    @abstractmethod
    def latest_of(self, part: Part) -> Sequence[Stored]:
        """``Log.latest`` of a partition."""

    @abstractmethod
    def end_of(self, part: Part) -> int:
        """``Log.end`` of a partition."""

    @abstractmethod
    def oldest_of(self, part: Part) -> int:
        """``Log.oldest`` of a partition."""

    @abstractmethod
    def position_of(self, group: str, part: Part) -> int:
        """``Log.position`` of a partition."""

    @abstractmethod
    def epoch(self, topic: Topic) -> str:
        """See ``Log.epoch``."""

    def partitions(self, topic: Topic) -> int:
        """See ``Log.partitions``."""
        return 1 if topic in SINGLE else self.count

    def parts(self, topic: Topic) -> list[Part]:
        """All partitions of a topic."""
        return [(topic, partition) for partition in range(self.partitions(topic))]

    def place(self, record: Record) -> Part:
        """The partition that a record belongs to."""
        count = self.partitions(record.topic)
        partition = partition_of(record.key, count) if record.partition is None else record.partition
        if not 0 <= partition < count:
            raise ValueError(f"{record.topic} has {count} partitions, and no partition {partition}")
        return record.topic, partition

    def read(self, topic: Topic, after: int, limit: int) -> Sequence[Stored]:
        """See ``Log.read``."""
        return self.read_of(self._only(topic), after, limit)

    def latest(self, topic: Topic) -> Sequence[Stored]:
        """See ``Log.latest``."""
        return list(chain.from_iterable(self.latest_of(part) for part in self.parts(topic)))

    def end(self, topic: Topic) -> int:
        """See ``Log.end``."""
        return self.end_of(self._only(topic))

    def oldest(self, topic: Topic) -> int:
        """See ``Log.oldest``."""
        return self.oldest_of(self._only(topic))

    def position(self, group: str, topic: Topic) -> int:
        """See ``Log.position``."""
        return self.position_of(group, self._only(topic))

    def _only(self, topic: Topic) -> Part:
        if self.partitions(topic) > 1:
            raise ValueError(f"{topic} has {self.count} partitions: ask a partition_view for what is of one")
        return topic, 0


class PartitionedLog(PartitionedReads):
    """The whole port."""

    @abstractmethod
    def append(self, records: Sequence[Record], done: Done | None = None) -> None:
        """See ``Log.append``."""

    @abstractmethod
    def tail_of(self, part: Part, after: int | None, hear: Hear) -> Timer:
        """``Log.tail`` of a partition."""

    @abstractmethod
    def advance_of(self, group: str, part: Part, offset: int) -> None:
        """``Log.advance`` of a partition."""

    def partition_view(self, partition: int) -> "PartitionView":
        """See ``Log.partition_view``."""
        if not 0 <= partition < self.count:
            raise ValueError(f"the log has {self.count} partitions, and no partition {partition}")
        return PartitionView(self, partition)

    def tail(self, topic: Topic, after: int | None, hear: Hear) -> Timer:
        """See ``Log.tail``."""
        if after is None:
            return _Together([self.tail_of(part, None, hear) for part in self.parts(topic)])
        return self.tail_of(self._only(topic), after, hear)

    def advance(self, group: str, topic: Topic, offset: int) -> None:
        """See ``Log.advance``."""
        self.advance_of(group, self._only(topic), offset)


class _Together:
    """Several tails as one."""

    def __init__(self, tails: Sequence[Timer]) -> None:
        self._tails: Final = tails

    def cancel(self) -> None:
        """Hear no more."""
        for tail in self._tails:
            tail.cancel()


class PartitionView:
    """See ``Log.partition_view``."""

    def __init__(self, log: PartitionedLog, partition: int) -> None:
        self._log, self._partition = log, partition
        self.epoch, self.partitions, self.append = log.epoch, log.partitions, log.append
        self.partition_view = log.partition_view

    def tail(self, topic: Topic, after: int | None, hear: Hear) -> Timer:
        """See ``Log.tail``."""
        return self._log.tail_of(self._of(topic), after, hear)

    def read(self, topic: Topic, after: int, limit: int) -> Sequence[Stored]:
        """See ``Log.read``."""
        return self._log.read_of(self._of(topic), after, limit)

    def latest(self, topic: Topic) -> Sequence[Stored]:
        """See ``Log.latest``."""
        return self._log.latest_of(self._of(topic))

    def end(self, topic: Topic) -> int:
        """See ``Log.end``."""
        return self._log.end_of(self._of(topic))

    def oldest(self, topic: Topic) -> int:
        """See ``Log.oldest``."""
        return self._log.oldest_of(self._of(topic))

    def position(self, group: str, topic: Topic) -> int:
        """See ``Log.position``."""
        return self._log.position_of(group, self._of(topic))

    def advance(self, group: str, topic: Topic, offset: int) -> None:
        """See ``Log.advance``."""
        self._log.advance_of(group, self._of(topic), offset)

    def _of(self, topic: Topic) -> Part:
        return topic, self._partition if self._log.partitions(topic) > 1 else 0
