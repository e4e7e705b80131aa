"""Positions of groups, kept as Kafka keeps those of its consumer groups: what is to be read next, of each partition.

So Kafka's own tools show how far a group is behind, but for positions that count something else (the relay's count
facts of the ledger). No consumer is ever a member of these groups: whoever has a share of the work moves its positions,
and a former owner that moves one back has the next one hear something again. A position that moved is committed a
little later, the newest for all before it; each carries the very number beside it.

Each group has a consumer of its own that joins nothing. Not by the library's administrator, which can do the same: an
assertion of its ends the process when the group's coordinator is lost under a request (librdkafka issues 3663, 5040;
met with 2.16.0 when the controller was killed).
"""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from confluent_kafka import Consumer, KafkaException, TopicPartition

from matchday.backends.kafka import consuming, named, unavailable
from matchday.backends.partitions import Part
from matchday.backends.writer import Post
from matchday.config import Kafka
from matchday.model.messages import Topic
from matchday.ports import Clock

_log = logging.getLogger(__name__)

_CLOSE_S: Final = 3.0
"""Seconds that closing waits for the last commits."""


class Positions:
    """Those that this process moves, and the way to all others; on the room's thread."""

    def __init__(self, settings: Kafka, clock: Clock, post: Post) -> None:
        self._clock, self._post = clock, post
        self._commit_ms, self._wait_s = settings.position_ms, settings.read_ms_max / 1_000
        self._names = {topic: named(settings, topic) for topic in Topic}
        self._settings, self._keepers = settings, dict[str, _Keeper]()
        """The latter by group."""
        self._moved: dict[str, dict[Part, int]] = {}
        """Group -> positions that are not committed."""
        self._on_their_way: dict[str, tuple[dict[Part, int], Future[None]]] = {}
        self._timed = False

    def position(self, group: str, part: Part) -> int:
        """See ``Log.position``."""
        try:
            found = self._keeper(group).read(TopicPartition(self._names[part[0]], part[1]), self._wait_s)
        except KafkaException as error:
            raise unavailable(error) from error
        committed = max(-1, found - 1)
        sent, _ = self._on_their_way.get(group, ({}, None))
        return max(committed, self._moved.get(group, {}).get(part, -1), sent.get(part, -1))

    def advance(self, group: str, part: Part, offset: int) -> None:
        """See ``Log.advance``."""
        self._moved.setdefault(group, {})[part] = offset
        if not self._timed:
            self._timed = True
            self._clock.call_later(self._commit_ms, self._commit_all)

    def close(self) -> None:
        """Commit what has moved."""
        for _, commit in self._on_their_way.values():
            _wait(commit)
        self._on_their_way.clear()
        for group in tuple(self._moved):
            self._commit(group)
        for _, commit in self._on_their_way.values():
            _wait(commit)
        for keeper in self._keepers.values():
            keeper.close()

    def _keeper(self, group: str) -> "_Keeper":
        if group not in self._keepers:
            self._keepers[group] = _Keeper(self._settings, group)
        return self._keepers[group]

    def _commit_all(self) -> None:
        self._timed = False
        for group in tuple(self._moved):
            if group not in self._on_their_way:
                self._commit(group)
        if self._moved:
            self._timed = True
            self._clock.call_later(self._commit_ms, self._commit_all)

    def _commit(self, group: str) -> None:
        moved = self._moved.pop(group)
        offsets = [
            TopicPartition(self._names[topic], partition, offset + 1, str(offset))
            for (topic, partition), offset in moved.items()
        ]
        commit = self._keeper(group).write(offsets)
        self._on_their_way[group] = (moved, commit)
        commit.add_done_callback(lambda commit: self._hand_over(lambda: self._committed(group, commit)))

    def _committed(self, group: str, commit: "Future[None]") -> None:
        if self._on_their_way.get(group, ({}, None))[1] is not commit:
            return  # it was closed meanwhile
        moved, _ = self._on_their_way.pop(group)
        if (error := commit.exception()) is not None:
            _log.warning("log: positions of %s were not committed, and will be again: %s", group, error)
            self._moved[group] = moved | self._moved.get(group, {})
            if not self._timed:
                self._timed = True
                self._clock.call_later(self._commit_ms, self._commit_all)

    def _hand_over(self, call: Callable[[], None]) -> None:
        try:
            self._post(call)
        except RuntimeError:
            return  # the loop is closed


class _Keeper:
    """One group's positions, as the brokers have them; written on a thread of its own."""

    def __init__(self, settings: Kafka, group: str) -> None:
        self._consumer = Consumer(consuming(settings, group, lambda error: _log.error("log: %s", error)))
        self._thread = ThreadPoolExecutor(1, f"positions of {group}")

    def read(self, part: TopicPartition, within_s: float) -> int:
        """What is to be read next; below 0: nothing was committed. KafkaException where nobody says so."""
        (found,) = self._consumer.committed([part], within_s)
        if found.error is not None:
            raise KafkaException(found.error)
        return int(found.offset)

    def write(self, offsets: Sequence[TopicPartition]) -> "Future[None]":
        """Commit; done once the brokers have it."""
        return self._thread.submit(self._write, list(offsets))

    def _write(self, offsets: list[TopicPartition]) -> None:
        for written in self._consumer.commit(offsets=offsets, asynchronous=False):
            if written.error is not None:
                raise KafkaException(written.error)

    def close(self) -> None:
        """No more of it. The consumer ends with its last reference: it is a member of nothing that it could leave."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def _wait(commit: "Future[None]") -> None:
    try:
        commit.result(_CLOSE_S)
    except (KafkaException, TimeoutError) as error:
        _log.warning("log: the last positions were not committed: %s", error)
