"""The topics of a platform on Kafka: declared here and nowhere else, made by ``matchday cluster init``, looked at
whenever the log is opened.

Why so: what is shared out has ``kafka.partitions`` partitions, ``SINGLE`` topics one. What is kept longer than a room
may be away can be heard by it when it is back; what is compacted is read whole by whoever starts. The broker's clock
says when a record was appended, so that all readers measure its age by one clock. ``shares`` holds nothing: processes
that share a room's work are members of a group that subscribes to it. ``platform`` says whose log this is, for ever:
its first record that has an identity is that of the platform that opened it first, and whoever has another is refused.
An identity has a name and, behind a comma, an id. The release before knew names only: a record with nothing but a name
comes first, for it to find, and is of no account to whoever has an id.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Final

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from matchday.backends.errors import BackendError
from matchday.backends.kafka import RECORD_BYTES_MAX, administering, consuming, ends, named, producing
from matchday.config import Kafka
from matchday.model.messages import COMPACTED, SINGLE, Topic

SHARES: Final = "shares"
PLATFORM: Final = "platform"
_HOUR_MS: Final = 3_600_000
_KEPT_MS: Final[dict[str, int]] = {
    Topic.INCIDENTS: 72 * _HOUR_MS,  # a weekend without settlement decides all the same
    Topic.BOOKS: 6 * _HOUR_MS,  # the most by far, and of the moment: screens resume minutes, owners have book_states
    Topic.DECISIONS: 7 * 24 * _HOUR_MS,  # money follows from them, and they are few
    Topic.ACCOUNTS: 72 * _HOUR_MS,  # the ledger keeps what they say; bets that came late are settled by them
    Topic.DEAD_LETTERS: 30 * 24 * _HOUR_MS,  # people read them
    Topic.TAPS: 24 * _HOUR_MS,  # whoever learns from them does so within minutes; they name accounts
    SHARES: _HOUR_MS,
    PLATFORM: -1,  # for ever
}
_COMPACT: Final = {
    "cleanup.policy": "compact",
    "min.cleanable.dirty.ratio": "0.1",  # whoever starts reads all of it
    "segment.ms": str(_HOUR_MS),
    "max.compaction.lag.ms": str(_HOUR_MS),
    "delete.retention.ms": str(24 * _HOUR_MS),
}
_LOOK_S: Final = 0.05
_LOOKS_MAX: Final = 40
"""Looks for topics that a broker does not know yet, before they are missing: two seconds."""
_CHECKED: Final = ("cleanup.policy", "min.insync.replicas", "message.timestamp.type", "unclean.leader.election.enable")
"""What order and durability depend on. An operator may keep more, or compact otherwise."""


class Declared(msgspec.Struct, frozen=True):
    """A topic as it must be."""

    name: str
    partitions: int
    replicas: int
    config: Mapping[str, str]


class Found(msgspec.Struct, frozen=True):
    """A topic as it is."""

    epoch: str
    """Its incarnation: Kafka's id of the topic."""
    partitions: int
    replicas: int


def topics(settings: Kafka) -> list[Declared]:
    """All topics of a platform."""
    return [_declared(settings, topic) for topic in (*Topic, SHARES, PLATFORM)]


def _declared(settings: Kafka, topic: str) -> Declared:
    config = {
        "min.insync.replicas": "2" if settings.replicas >= 3 else "1",
        "unclean.leader.election.enable": "false",
        "message.timestamp.type": "LogAppendTime",
        "max.message.bytes": str(RECORD_BYTES_MAX),
    }
    if topic in COMPACTED:
        config.update(_COMPACT)
    else:
        config.update({"cleanup.policy": "delete", "retention.ms": str(_KEPT_MS[topic])})
    many = topic not in SINGLE and topic != PLATFORM
    return Declared(named(settings, topic), settings.partitions if many else 1, settings.replicas, config)


class _Refused(Exception):
    """More replicas were asked for than there are brokers."""


class TopicReport(msgspec.Struct, frozen=True):
    """What ``init`` found and did about a topic."""

    name: str
    state: str
    """``created``, ``as declared`` or ``differs``."""
    differences: tuple[str, ...] = ()
    """Each with its remedy."""


class Topics:
    """The brokers, asked about a platform's topics. Everything raises BackendError where they do not answer in time."""

    def __init__(self, settings: Kafka) -> None:
        if not settings.brokers:
            raise BackendError("no broker is named: set kafka.brokers (MATCHDAY_KAFKA_BROKERS=host:9092), or --kafka")
        self._settings, self._timeout_s = settings, settings.read_ms_max / 1_000
        self._admin = AdminClient(administering(settings))

    def found(self, names: Sequence[str]) -> dict[str, Found]:
        """Those topics that are there."""
        found: dict[str, Found] = {}
        for name, asked in self._asked(lambda: self._admin.describe_topics(TopicCollection(list(names)))).items():
            described = self._answer(asked, KafkaError.UNKNOWN_TOPIC_OR_PART)
            if described is not None:
                first = described.partitions[0]
                found[name] = Found(str(described.topic_id), len(described.partitions), len(first.replicas))
        return found

    def _there(self, names: Sequence[str]) -> dict[str, Found]:
        """Those topics, all of them. BackendError names what is missing."""
        found = self._seen(names, _LOOKS_MAX)
        if missing := sorted(set(names) - set(found)):
            raise BackendError(f"topics are missing: {', '.join(missing)}; make them with {self._init}")
        return found

    def _seen(self, names: Sequence[str], looks_max: int) -> dict[str, Found]:
        """Those topics, as many as are there after so many looks: brokers are told a little later of what was made."""
        pause = threading.Event()
        found = self.found(names)
        for _ in range(1, looks_max):
            if len(found) == len(names):
                break
            pause.wait(_LOOK_S)
            found = self.found(names)
        return found

    def log_id(self) -> str:
        """What tells this log from any other, of this name or of another: Kafka's id of the topic ``platform``."""
        name = named(self._settings, PLATFORM)
        return self._there([name])[name].epoch

    def required(self) -> dict[Topic, Found]:
        """The topics of messages, all of them and fit for each other. BackendError says what is missing."""
        wanted = {named(self._settings, topic): topic for topic in Topic}
        names = [*wanted, *(named(self._settings, other) for other in (SHARES, PLATFORM))]
        found = self._there(names)
        by_topic = {topic: found[name] for name, topic in wanted.items()}
        counts = {topic: one.partitions for topic, one in by_topic.items() if topic not in SINGLE}
        if len(set(counts.values())) > 1 or any(by_topic[topic].partitions != 1 for topic in SINGLE):
            said = ", ".join(f"{topic} {one.partitions}" for topic, one in by_topic.items())
            raise BackendError(
                f"topics have other partitions than they must ({said}): {' and '.join(sorted(SINGLE))} one, all others "
                "as many as each other; delete those that are wrong, whose records are then lost, and make them with "
                f"{self._init}"
            )
        return by_topic

    def init(self) -> list[TopicReport]:
        """Make what is missing and compare what is there."""
        declared = topics(self._settings)
        names = [one.name for one in declared]
        before = self.found(names)
        self._create([one for one in declared if one.name not in before])
        if len(self._seen(names, round(self._timeout_s / _LOOK_S))) < len(names):
            raise BackendError(
                f"{self._where}: the topics were made, and the brokers do not know of them yet: try again"
            )
        return [
            self._compared(one, before[one.name]) if one.name in before else TopicReport(one.name, "created")
            for one in declared
        ]

    def delete(self) -> None:
        """Delete all topics of the platform, with what is in them. For tests."""
        there = list(self.found([one.name for one in topics(self._settings)]))
        for asked in self._asked(lambda: self._admin.delete_topics(there)).values() if there else ():
            self._answer(asked)

    # --- whose log ----------------------------------------------------------------------------------------------------

    def claim(self, identity: str) -> None:
        """Open the log as the platform of this identity. BackendError where it is another's."""
        name = identity.partition(",")[0]
        if self.owner(identity) is None:
            for said in dict.fromkeys((name, identity)):
                self._say_owner(said)
        if (owner := self.owner(identity)) != identity:
            raise BackendError(
                f"{self._where}: the log of platform {self._settings.platform!r} belongs to {owner}, not {identity}; "
                "two platforms with one log would settle each other's bets: name this one otherwise "
                "(kafka.platform), or point it at its own brokers"
            )

    def owner(self, asks: str) -> str | None:
        """The identity of the platform whose log it is, for one of another or the same; None where nobody has opened
        it."""
        name, _, id_ = asks.partition(",")
        return next((said for said in self._claims() if not id_ or said != name), None)

    def _claims(self) -> list[str]:
        """All that was ever said of whose log it is."""
        part, found = TopicPartition(named(self._settings, PLATFORM), 0, 0), list[str]()
        with self._translated():
            consumer = Consumer(consuming(self._settings, "reads", _raise))
            with contextlib.closing(consumer):
                _, high = ends(consumer, part, self._timeout_s)
                consumer.assign([part] if high else [])
                while len(found) < high:
                    message = consumer.poll(self._timeout_s)
                    if message is None or message.error() is not None:
                        raise BackendError(f"{self._where} did not say whose log it is: try again")
                    found.append((message.value() or b"").decode())
        return found

    def _say_owner(self, identity: str) -> None:
        failed: list[object] = []
        with self._translated():
            producer = Producer(producing(self._settings, _raise))
            name = named(self._settings, PLATFORM)
            producer.produce(name, identity, partition=0, on_delivery=lambda error, _: failed.append(error))
            producer.flush(self._timeout_s)
        if failed != [None]:
            raise BackendError(f"{self._where} did not take the platform's identity: {failed or 'no answer'}")

    # --- asking -------------------------------------------------------------------------------------------------------

    def _create(self, missing: Sequence[Declared]) -> None:
        if not missing:
            return
        new = [
            NewTopic(one.name, num_partitions=one.partitions, replication_factor=one.replicas, config=dict(one.config))
            for one in missing
        ]
        for name, asked in self._asked(lambda: self._admin.create_topics(new)).items():
            try:
                self._answer(asked, KafkaError.TOPIC_ALREADY_EXISTS)  # another init is as good
            except _Refused as refused:
                raise BackendError(
                    f"{self._where} did not make {name}: {refused}; with fewer than {self._settings.replicas} brokers, "
                    "set kafka.replicas to as many as there are (--replicas)"
                ) from refused

    def _compared(self, declared: Declared, found: Found) -> TopicReport:
        said = []
        if found.partitions != declared.partitions:
            said.append(
                f"{found.partitions} partitions, not {declared.partitions}: they stay, as what is where goes by "
                f"their number; set kafka.partitions = {found.partitions}, or delete the topic and what "
                "is in it"
            )
        if found.replicas < declared.replicas:
            said.append(
                f"{found.replicas} replicas, not {declared.replicas}: reassign its partitions to more brokers "
                "(kafka-reassign-partitions.sh)"
            )
        current = self._config(declared.name)
        for name, wanted in declared.config.items():
            keeps_less = name == "retention.ms" and 0 <= int(current[name]) < int(wanted)
            if keeps_less or (name in _CHECKED and current[name] != wanted):
                said.append(
                    f"{name} is {current[name]}, not {wanted}: kafka-configs.sh --alter --entity-type topics "
                    f"--entity-name {declared.name} --add-config {name}={wanted}"
                )
        return TopicReport(declared.name, "differs" if said else "as declared", tuple(said))

    def _config(self, name: str) -> dict[str, str]:
        resource = ConfigResource(ResourceType.TOPIC, name)
        (asked,) = self._asked(lambda: self._admin.describe_configs([resource])).values()
        return {key: str(entry.value) for key, entry in self._answer(asked).items()}

    def _asked(self, ask: Callable[[], Mapping[Any, "Future[Any]"]]) -> Mapping[Any, "Future[Any]"]:
        with self._translated():
            return ask()

    def _answer(self, asked: "Future[Any]", *harmless: int) -> Any:
        """What was answered; None where the error is one of those that say nothing bad."""
        with self._translated():
            try:
                return asked.result(self._timeout_s)
            except KafkaException as error:
                if error.args[0].code() in harmless:
                    return None
                if error.args[0].code() == KafkaError.INVALID_REPLICATION_FACTOR:
                    raise _Refused(error.args[0].str()) from error
                raise

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (KafkaException, TimeoutError) as error:
            text = error.args[0].str() if isinstance(error, KafkaException) else "no answer"
            raise BackendError(
                f"{self._where}: {text}; check kafka.brokers and that they run (within {self._timeout_s:g} s)"
            ) from error

    @property
    def _where(self) -> str:
        return f"Kafka at {','.join(self._settings.brokers)}"

    @property
    def _init(self) -> str:
        return f"matchday cluster init --kafka {','.join(self._settings.brokers)}"


def _raise(error: BaseException) -> None:
    raise error
