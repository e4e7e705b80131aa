"""The log on Kafka: the port, put together of appends, tails, reads and positions.

What is acknowledged is on as many brokers as ``min.insync.replicas`` says and survives the loss of one of three. An
append's topics become visible one after the other; see ``log_kafka_appends`` for what is waited for and what refused.
Records are placed by ``partition_of``, never by the library's own partitioner.
"""

from collections.abc import Callable, Sequence

from matchday.backends.kafka_topics import Topics
from matchday.backends.log_kafka_appends import Appends
from matchday.backends.log_kafka_positions import Positions
from matchday.backends.log_kafka_reads import Reads
from matchday.backends.log_kafka_tails import Tail, Tails
from matchday.backends.partitions import Done, Hear, Part, PartitionedLog
from matchday.backends.writer import Post
from matchday.config import Kafka
from matchday.model.messages import Topic
from matchday.ports import Clock, Record, Stored


class KafkaLog(PartitionedLog):
    """See ``Log``. BackendError where the brokers cannot be reached, topics are missing, or the log is that of a
    platform with another ``identity`` (whatever all processes of one platform have in common, and no others). Without
    one it is opened whosever it is, as by whoever looks at it."""

    def __init__(
        self, settings: Kafka, clock: Clock, post: Post, fatal: Callable[[BaseException], None], identity: str | None
    ) -> None:
        topics = Topics(settings)
        found = topics.required()
        self.id = topics.log_id()
        """What no other log has, of the same name or not."""
        if identity is not None:
            topics.claim(identity)
        self._epochs = {topic: one.epoch for topic, one in found.items()}
        self.count = max(one.partitions for one in found.values())
        self._reads = Reads(settings, clock, fatal)
        self._positions = Positions(settings, clock, post)
        self._tails = Tails(settings, clock, post, fatal)
        self.lag = self._tails.lag
        self._appends = Appends(settings, clock, post, fatal, self.place)

    def close(self) -> None:
        """Wait a moment for what is on its way, commit the positions, and give up the connections."""
        self._appends.close()
        self._positions.close()
        self._tails.close()
        self._reads.close()

    def epoch(self, topic: Topic) -> str:
        """See ``Log.epoch``: Kafka's id of the topic."""
        return self._epochs[topic]

    def append(self, records: Sequence[Record], done: Done | None = None) -> None:
        """See ``Log.append``."""
        self._appends.append(records, done)

    def tail_of(self, part: Part, after: int | None, hear: Hear) -> Tail:
        """See ``Log.tail``. From now on: after what ends there when this returns."""
        return self._tails.begin(part, self.end_of(part) if after is None else after, hear)

    def read_of(self, part: Part, after: int, limit: int) -> Sequence[Stored]:
        """See ``Log.read``; LogUnavailable after ``kafka.read_ms_max``, as with all that is waited for."""
        return self._reads.read(part, after, limit)

    def latest_of(self, part: Part) -> Sequence[Stored]:
        """See ``Log.latest``."""
        return self._reads.latest(part)

    def end_of(self, part: Part) -> int:
        """See ``Log.end``."""
        return self._reads.ends(part)[1] - 1

    def oldest_of(self, part: Part) -> int:
        """See ``Log.oldest``. Of a compacted topic, perhaps a lower one that is not kept any more."""
        return self._reads.ends(part)[0]

    def position_of(self, group: str, part: Part) -> int:
        """See ``Log.position``."""
        return self._positions.position(group, part)

    def advance_of(self, group: str, part: Part, offset: int) -> None:
        """See ``Log.advance``."""
        self._positions.advance(group, part, offset)
