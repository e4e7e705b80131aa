"""What goes wrong with brokers, as the log's port has it: nothing acknowledged is lost, nothing comes out of order, and
what cannot be is said with its remedy."""

import contextlib
import itertools
import json
import os
import signal
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import cast

import msgspec
import pytest

from matchday.__main__ import main
from matchday.backends.clock_wall import WallClock
from matchday.backends.errors import BackendError
from matchday.config import Kafka
from matchday.letters import Letters
from matchday.model.messages import FeedAlive, Topic, encode
from matchday.ops.engines.kafka import Kafka as KafkaEngine
from matchday.ports import Lag, LogUnavailable, Record, Stored, partition_of
from matchday.voice import Voice
from tests.conftest import WHOLE
from tests.engines import fill, small_disk
from tests.real import poll, running

from .conftest import World, fatal, fresh_kafka, real_world

pytest.importorskip("confluent_kafka", reason="pip install 'matchday[cluster]'")
from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from matchday.backends import log_kafka_tails
from matchday.backends.kafka import ends
from matchday.backends.kafka_topics import Topics
from matchday.backends.log_kafka import KafkaLog
from matchday.backends.shares_kafka import SharesKafka

Post = Callable[[Callable[[], None]], object]
STILL_MS = 1_500
"""Milliseconds without an acknowledgement that are no accident."""


@pytest.fixture
def wall() -> Iterator[World]:
    with real_world("kafka", patience_s=60) as real:
        yield real


@pytest.fixture
def settings(kafka_engine: KafkaEngine) -> Iterator[Kafka]:
    """Of a platform with topics of three partitions."""
    found = fresh_kafka(kafka_engine, 3)
    Topics(found).init()
    yield found
    Topics(found).delete()


@pytest.fixture
def own_engine(kafka_engine: KafkaEngine) -> Iterator[KafkaEngine]:
    """A broker that may be killed. (The shared one is asked for first: it says whether there can be any.)"""
    with tempfile.TemporaryDirectory(prefix="matchday-kafka-") as folder, KafkaEngine(Path(folder)) as engine:
        yield engine


def post(wall: World) -> Post:
    return cast("WallClock", wall.clock)._loop.call_soon_threadsafe


def opened(
    wall: World, settings: Kafka, stop: Callable[[BaseException], None] = fatal, identity: str = "ours"
) -> contextlib.closing[KafkaLog]:
    return contextlib.closing(KafkaLog(settings, wall.clock, post(wall), stop, identity))


class Speaker:
    """Says numbers on three keys of two topics, one append after the other, and again what was not taken, as a voice
    does."""

    def __init__(self, log: KafkaLog) -> None:
        self._log = log
        self._numbers = itertools.count()
        self.acked: list[int] = []
        self.refused = 0
        self.on, self.quiet = True, False
        self._say(next(self._numbers))

    def _say(self, number: int) -> None:
        topics = (Topic.ACCOUNTS, Topic.FIXTURES)
        records = [Record(topic, f"k{key}", b"%d" % number) for topic in topics for key in range(3)]

        def done(outcome: Sequence[int] | LogUnavailable) -> None:
            if isinstance(outcome, LogUnavailable):
                self.refused += 1
                self._say(number)
                return
            self.acked.append(number)
            self.quiet = not self.on
            if self.on:
                self._say(next(self._numbers))

        self._log.append(records, done)


def of_key(log: KafkaLog, topic: Topic, key: str) -> list[int]:
    view = log.partition_view(partition_of(key, log.count))
    return [int(stored.value) for stored in view.read(topic, -1, 10**6) if stored.key == key]


def configure(settings: Kafka, topic: Topic, name: str, value: str) -> None:
    """Have the brokers treat a topic otherwise from now on."""
    admin = AdminClient({"bootstrap.servers": ",".join(settings.brokers)})
    entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, f"{settings.platform}.{topic}", incremental_configs=[entry])
    (asked,) = admin.incremental_alter_configs([resource]).values()
    asked.result(30)


def said_in_order(numbers: Sequence[int]) -> list[int]:
    """Without those that were said again at once, as their append had been refused in part."""
    return [number for number, _ in itertools.groupby(numbers)]


def test_a_broker_that_is_killed_loses_and_reorders_nothing(wall: World, own_engine: KafkaEngine) -> None:
    """And while it is away, what it had not been handed is refused in time, and never comes."""
    settings = msgspec.structs.replace(fresh_kafka(own_engine, 3), append_ms_max=500)
    Topics(settings).init()
    with opened(wall, settings) as log:
        heard: list[Stored] = []
        log.tail(Topic.ACCOUNTS, None, heard.extend)
        speaker = Speaker(log)
        wall.until(lambda: len(speaker.acked) > 50)
        own_engine.kill()
        late: list[Sequence[int] | LogUnavailable] = []
        said = wall.clock.elapsed_ms()
        wall.until(log._appends._late)
        log.append([Record(Topic.INCIDENTS, "F", b"never")], late.append)
        wall.until(lambda: bool(late))
        assert isinstance(late[0], LogUnavailable)
        assert wall.clock.elapsed_ms() - said < 10_000
        own_engine.bring_back()
        before = len(speaker.acked)
        wall.until(lambda: len(speaker.acked) > before + 50)
        speaker.on = False
        wall.until(lambda: speaker.quiet and len({stored.value for stored in heard}) >= len(speaker.acked))
        for topic, key in itertools.product((Topic.ACCOUNTS, Topic.FIXTURES), ("k0", "k1", "k2")):
            assert said_in_order(of_key(log, topic, key)) == speaker.acked
        assert of_key(log, Topic.INCIDENTS, "F") == []
        assert said_in_order([int(stored.value) for stored in heard if stored.key == "k0"]) == speaker.acked


def test_a_broker_that_hangs_holds_up_what_it_has_and_nothing_is_lost_or_out_of_order(
    wall: World, kafka_engine: KafkaEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes connections and answers nobody, as one does whose disk stalls: what it was handed is waited for, what
    comes then is refused in time, and readers know that nobody says how far the log goes."""
    monkeypatch.setattr(log_kafka_tails, "LOOK_MS", 50)
    settings = msgspec.structs.replace(fresh_kafka(kafka_engine, 3), append_ms_max=500)
    Topics(settings).init()
    with opened(wall, settings) as log:
        heard: list[Stored] = []
        log.tail(Topic.ACCOUNTS, None, heard.extend)
        speaker = Speaker(log)
        wall.until(lambda: len(speaker.acked) > 20)
        os.kill(kafka_engine.process(), signal.SIGSTOP)
        try:
            late: list[Sequence[int] | LogUnavailable] = []
            wall.until(log._appends._late)
            log.append([Record(Topic.INCIDENTS, "F", b"never")], late.append)
            wall.until(lambda: bool(late) and log.lag().silent_ms > 1_000)
            assert isinstance(late[0], LogUnavailable)
        finally:
            os.kill(kafka_engine.process(), signal.SIGCONT)
        before = len(speaker.acked)
        wall.until(lambda: len(speaker.acked) > before + 20)
        speaker.on = False
        wall.until(lambda: speaker.quiet and len({stored.value for stored in heard}) >= len(speaker.acked))
        wall.until(lambda: log.lag().silent_ms < 1_000)
        for topic, key in itertools.product((Topic.ACCOUNTS, Topic.FIXTURES), ("k0", "k1", "k2")):
            assert said_in_order(of_key(log, topic, key)) == speaker.acked
        assert of_key(log, Topic.INCIDENTS, "F") == []
    Topics(settings).delete()


@WHOLE
def test_a_broker_whose_disk_is_full_is_away_until_there_is_room(
    wall: World, kafka_engine: KafkaEngine, tmp_path: Path
) -> None:
    """Kafka ends itself when it cannot write: so it is defined by what becomes of one that was killed. What was
    acknowledged stands, and what was said meanwhile is taken when it is started again."""
    with small_disk(tmp_path / "small", 48) as disk, KafkaEngine(disk) as engine:
        settings = msgspec.structs.replace(fresh_kafka(engine, 1), append_ms_max=500)
        Topics(settings).init()
        with opened(wall, settings) as log:
            speaker = Speaker(log)
            wall.until(lambda: len(speaker.acked) > 20)
            filler = disk / "filler"
            fill(filler)
            large = Record(Topic.INCIDENTS, "F", b"x" * 1_000_000)
            log.append([large] * 20, lambda _: None)
            poll(lambda: not running(engine.process()), 60)
            engine.kill()
            filler.unlink()
            engine.bring_back()
            before = len(speaker.acked)
            wall.until(lambda: len(speaker.acked) > before + 20)
            speaker.on = False
            wall.until(lambda: speaker.quiet)
            for key in ("k0", "k1", "k2"):
                assert said_in_order(of_key(log, Topic.ACCOUNTS, key)) == speaker.acked


def test_no_broker_is_said_with_its_address(wall: World) -> None:
    settings = Kafka(brokers=("127.0.0.1:1",), read_ms_max=500)
    with pytest.raises(BackendError, match=r"127\.0\.0\.1:1.*kafka\.brokers"):
        KafkaLog(settings, wall.clock, post(wall), fatal, "ours")
    with pytest.raises(BackendError, match="MATCHDAY_KAFKA_BROKERS"):
        KafkaLog(Kafka(), wall.clock, post(wall), fatal, "ours")


def test_topics_that_are_missing_are_named_and_made(wall: World, kafka_engine: KafkaEngine) -> None:
    settings = fresh_kafka(kafka_engine, 2)
    with pytest.raises(BackendError, match=rf"{settings.platform}\.incidents.*matchday cluster init --kafka"):
        KafkaLog(settings, wall.clock, post(wall), fatal, "ours")
    assert {report.state for report in Topics(settings).init()} == {"created"}
    assert {report.state for report in Topics(settings).init()} == {"as declared"}
    with opened(wall, settings) as log:
        assert log.count == 2
    others = msgspec.structs.replace(settings, partitions=3, replicas=2)
    reports = {report.name.partition(".")[2]: report for report in Topics(others).init()}
    assert "set kafka.partitions = 2" in reports["incidents"].differences[0]
    assert "1 replicas, not 2" in reports["books"].differences[0]
    Topics(settings).delete()


def test_another_platform_s_log_is_refused(wall: World, settings: Kafka) -> None:
    with opened(wall, settings, identity="ours"), opened(wall, settings, identity="ours"):
        pass
    with pytest.raises(BackendError, match=r"belongs to ours, not theirs.*kafka\.platform"):
        KafkaLog(settings, wall.clock, post(wall), fatal, "theirs")


def test_two_ledgers_of_one_name_are_told_apart_and_a_log_of_the_release_before_is_taken_over(
    wall: World, settings: Kafka
) -> None:
    """That release knew names only: what it has opened belongs to whoever first has that name and an id, and it finds
    what it looks for in a log that was opened by this one."""
    with opened(wall, settings, identity="ledger of x"), opened(wall, settings, identity="ledger of x, 1"):
        pass
    with opened(wall, settings, identity="ledger of x, 1"), pytest.raises(BackendError, match=r"x, 1, not .* x, 2"):
        KafkaLog(settings, wall.clock, post(wall), fatal, "ledger of x, 2")
    with pytest.raises(BackendError, match="belongs to ledger of x, not ledger of y, 1"):
        KafkaLog(settings, wall.clock, post(wall), fatal, "ledger of y, 1")


def test_the_first_record_of_a_new_log_is_the_name_that_the_release_before_looks_for(
    wall: World, settings: Kafka
) -> None:
    with opened(wall, settings, identity="ledger of x, 1"), opened(wall, settings, identity="ledger of x"):
        pass


def test_whoever_only_looks_opens_no_log_and_claims_none(wall: World, settings: Kafka) -> None:
    with contextlib.closing(KafkaLog(settings, wall.clock, post(wall), fatal, None)) as log:
        assert log.id == Topics(settings).log_id()
    with opened(wall, settings, identity="ours"):
        pass


@pytest.mark.parametrize("batch_max", [1, 1_000])
def test_how_far_tails_are_behind_is_known_while_they_are(
    wall: World, settings: Kafka, monkeypatch: pytest.MonkeyPatch, batch_max: int
) -> None:
    """Also where as many batches as may be are on their way to a room that hears none."""
    monkeypatch.setattr(log_kafka_tails, "LOOK_MS", 20)
    monkeypatch.setattr(log_kafka_tails, "BATCH_MAX", batch_max)
    with opened(wall, settings) as log, opened(wall, settings) as other:
        heard: list[Stored] = []
        log.tail(Topic.BOOKS, -1, heard.extend)
        done: list[object] = []
        other.append([Record(Topic.BOOKS, "k", b"first")], done.append)
        wall.until(lambda: bool(heard))
        wall.until(lambda: log.lag() == Lag())
        other.append([Record(Topic.BOOKS, "k", b"%d" % number) for number in range(100)])
        poll(lambda: log.lag().for_ms > 100)  # nobody runs the room: nothing is heard
        assert log.lag().records >= 1
        wall.until(lambda: len(heard) == 101 and log.lag() == Lag())


def test_a_topic_made_anew_has_another_epoch_and_stops_who_heard_the_old_one(wall: World, settings: Kafka) -> None:
    stopped: list[BaseException] = []
    with opened(wall, settings, stopped.append) as log:
        epoch = log.epoch(Topic.BOOKS)
        heard: list[Stored] = []
        log.tail(Topic.BOOKS, -1, heard.extend)
        log.append([Record(Topic.BOOKS, "k", b"%d" % number) for number in range(5)])
        wall.until(lambda: len(heard) == 5)
        Topics(settings).delete()
        wall.until(lambda: not Topics(settings).found([f"{settings.platform}.books"]))
        Topics(settings).init()
        wall.until(lambda: bool(stopped))
        assert "made anew" in str(stopped[0])
    with opened(wall, settings) as log:
        assert log.epoch(Topic.BOOKS) != epoch
        assert log.end(Topic.BOOKS) == -1


def test_gaps_and_what_was_dropped_hold_up_nobody(wall: World, settings: Kafka) -> None:
    """A record of Kafka's own at the end, as transactions leave one; and a tail that was away for longer than it is
    kept."""
    name, brokers = f"{settings.platform}.books", ",".join(settings.brokers)
    foreign = Producer({"bootstrap.servers": brokers, "transactional.id": settings.platform})
    foreign.init_transactions(30)
    for value in ("0", "1"):
        foreign.begin_transaction()
        foreign.produce(name, value, "k", 0)
        foreign.commit_transaction(30)
    with opened(wall, settings) as log:
        assert (log.end(Topic.BOOKS), log.oldest(Topic.BOOKS)) == (3, 0)
        assert [(s.offset, s.value) for s in log.read(Topic.BOOKS, -1, 9)] == [(0, b"0"), (2, b"1")]
        assert log.read(Topic.BOOKS, 2, 9) == []
        admin = AdminClient({"bootstrap.servers": brokers})
        (asked,) = admin.delete_records([TopicPartition(name, 0, 2)]).values()
        asked.result(30)
        assert log.oldest(Topic.BOOKS) == 2
        heard: list[Stored] = []
        log.tail(Topic.BOOKS, -1, heard.extend)
        wall.until(lambda: bool(heard))
        assert [stored.offset for stored in heard] == [2]


def test_positions_survive_their_process_and_the_last_is_kept(wall: World, settings: Kafka) -> None:
    with opened(wall, settings) as log:
        view = log.partition_view(1)
        for number in (5, 7, 10**12):
            view.advance("relay", Topic.ACCOUNTS, number)
    with opened(wall, settings) as log:
        assert log.partition_view(1).position("relay", Topic.ACCOUNTS) == 10**12
        assert log.partition_view(2).position("relay", Topic.ACCOUNTS) == -1


def test_what_brokers_refuse_is_refused_with_all_that_follows_it(wall: World, settings: Kafka) -> None:
    """Whoever reads a snapshot finds what it is of; and the next append is none the worse."""
    configure(settings, Topic.INCIDENTS, "max.message.bytes", "2000")
    with opened(wall, settings) as log:
        found: list[Sequence[int] | LogUnavailable] = []
        for value in (b"x" * 5_000, b"short"):
            before = len(found)
            log.append([Record(topic, "F", value) for topic in (Topic.INCIDENTS, Topic.FIXTURES)], found.append)
            wall.until(lambda before=before: len(found) > before)  # type: ignore[misc]
        assert [isinstance(outcome, LogUnavailable) for outcome in found] == [True, False]
        view = log.partition_view(partition_of("F", 3))
        for topic_ in (Topic.INCIDENTS, Topic.FIXTURES):
            assert [stored.value for stored in view.read(topic_, -1, 9)] == [b"short"]


def test_what_was_said_later_stands_later_though_it_had_less_to_wait_for(wall: World, settings: Kafka) -> None:
    with opened(wall, settings) as log:
        found: list[object] = []
        for number in range(0, 100, 2):
            both = [Record(topic, "F", b"%d" % number) for topic in (Topic.INCIDENTS, Topic.FIXTURES)]
            log.append(both, found.append)
            log.append([Record(Topic.FIXTURES, "F", b"%d" % (number + 1))], found.append)
        wall.until(lambda: len(found) == 100)
        view = log.partition_view(partition_of("F", 3))
        assert [int(stored.value) for stored in view.read(Topic.FIXTURES, -1, 999)] == list(range(100))
        assert [stored.value for stored in view.latest(Topic.FIXTURES)] == [b"99"]


class Holder:
    """A process with rooms for its shares."""

    def __init__(self, shares: SharesKafka) -> None:
        self.held: set[int] = set()
        self.ever: list[int] = []
        shares.join("odds", self._taken, self.held.remove)

    def _taken(self, number: int) -> None:
        assert number not in self.held
        self.held.add(number)
        self.ever.append(number)


def test_each_share_is_one_process_s_whoever_comes_and_goes(wall: World, settings: Kafka) -> None:
    with contextlib.closing(SharesKafka(settings, post(wall), fatal)) as first:
        one = Holder(first)
        wall.until(lambda: one.held == {0, 1, 2})
        second = SharesKafka(settings, post(wall), fatal)
        two = Holder(second)
        wall.until(lambda: bool(two.held) and len(one.held) + len(two.held) == 3)
        assert one.held | two.held == {0, 1, 2}
        assert len(one.ever) == 3  # what it kept was never taken from it
        second.close()
        wall.until(lambda: one.held == {0, 1, 2})


def test_a_process_whose_rooms_stand_still_loses_its_shares(wall: World, settings: Kafka) -> None:
    """Its threads live, and its heart beats: nobody else would notice."""
    stuck: list[Callable[[], None]] = []
    with contextlib.closing(SharesKafka(settings, post(wall), fatal)) as first:
        one = Holder(first)
        wall.until(lambda: one.held == {0, 1, 2})
        dead = SharesKafka(settings, stuck.append, fatal)
        dead.join("odds", lambda _: None, lambda _: None)
        wall.until(lambda: len(one.held) < 3)
        wall.until(lambda: one.held == {0, 1, 2})
        dead.close()


# --- commands ---------------------------------------------------------------------------------------------------------


def test_init_reports_what_it_made_and_what_differs(
    kafka_engine: KafkaEngine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = fresh_kafka(kafka_engine, 2)
    config = tmp_path / "matchday.toml"
    config.write_text(f'[kafka]\nplatform = "{settings.platform}"\nreplicas = 1\n')
    words = ["cluster", "init", "--config", str(config), "--kafka", kafka_engine.bootstrap]
    assert main([*words, "--replicas", "3"]) == 1
    assert "set kafka.replicas" in capsys.readouterr().err
    assert main([*words, "--partitions", "2"]) == 0
    assert f"{settings.platform}.incidents: created" in capsys.readouterr().out
    assert main([*words, "--partitions", "5", "--json"]) == 1
    found = {topic["name"]: topic for topic in json.loads(capsys.readouterr().out)["topics"]}
    assert found[f"{settings.platform}.books"]["state"] == "as declared"
    assert "2 partitions, not 5" in found[f"{settings.platform}.accounts"]["differences"][0]
    assert main([*words, "--partitions", "0"]) == 1
    assert "--partitions" in capsys.readouterr().err
    Topics(settings).delete()


def test_what_a_room_could_not_read_is_listed_and_said_again(
    wall: World, settings: Kafka, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = next(f"F{n}" for n in range(99) if partition_of(f"F{n}", 3) == 2)
    readable = encode(FeedAlive("feed", 1))
    with opened(wall, settings, identity="ledger of matchday") as log:
        letters = Letters(wall.clock, Voice(wall.clock, log, "odds"), "odds")
        log.partition_view(2).tail(Topic.INCIDENTS, -1, lambda records: letters.each(records, lambda *_: None))
        log.append([Record(Topic.INCIDENTS, key, b"nonsense"), Record(Topic.INCIDENTS, key, readable)])
        wall.until(lambda: log.end(Topic.DEAD_LETTERS) >= 0)
    config = tmp_path / "matchday.toml"
    config.write_text(
        f'[log]\nkind = "kafka"\n[kafka]\nplatform = "{settings.platform}"\nbrokers = ["{settings.brokers[0]}"]\n'
    )
    assert main(["dead-letters", "list", "--json", "--config", str(config)]) == 0
    (letter,) = json.loads(capsys.readouterr().out)["letters"]
    assert (letter["topic"], letter["partition"], letter["offset"], letter["key"]) == ("incidents", 2, 0, key)
    assert main(["dead-letters", "retry", "--all", "--config", str(config)]) == 1
    assert "by this release either" in capsys.readouterr().err


# --- a cluster --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_of_three_brokers_one_may_be_lost(wall: World, kafka_engine: KafkaEngine) -> None:
    """While records are appended, and with it the leaders of some partitions: the others go on in its place."""
    with tempfile.TemporaryDirectory(prefix="matchday-kafka-") as folder, KafkaEngine(Path(folder), 3) as engine:
        settings = msgspec.structs.replace(fresh_kafka(engine, 6), replicas=3)
        Topics(settings).init()
        with opened(wall, settings) as log:
            heard: list[Stored] = []
            log.tail(Topic.ACCOUNTS, None, heard.extend)
            speaker = Speaker(log)
            wall.until(lambda: len(speaker.acked) > 50)
            engine.kill(0)
            before = len(speaker.acked)
            wall.until(lambda: len(speaker.acked) > before + 50)
            stand_still_while_too_few_have_it(wall, settings, speaker)
            speaker.on = False
            wall.until(lambda: speaker.quiet and len({stored.value for stored in heard}) >= len(speaker.acked))
            for topic, key in itertools.product((Topic.ACCOUNTS, Topic.FIXTURES), ("k0", "k1", "k2")):
                assert said_in_order(of_key(log, topic, key)) == speaker.acked


class Changing:
    """A client that finds, so often, that the broker it asks is no longer in the cluster; and then another."""

    def __init__(self, times: int) -> None:
        self.asked, self._times = 0, times

    def get_watermark_offsets(self, _part: TopicPartition, _within_s: float) -> tuple[int, int]:
        self.asked += 1
        if self.asked <= self._times:
            raise KafkaException(KafkaError(KafkaError._DESTROY_BROKER))
        return 3, 7

    def list_topics(self, _topic: str, _within_s: float) -> None:
        """Who leads what now."""


def test_who_asks_a_broker_that_has_just_left_asks_the_next_leader_and_not_for_ever() -> None:
    part = TopicPartition("some", 0)
    moved, gone = Changing(1), Changing(1_000)
    assert ends(cast("Consumer", moved), part, 5.0) == (3, 7)
    assert moved.asked == 2
    with pytest.raises(KafkaException, match="destroyed without termination"):
        ends(cast("Consumer", gone), part, 0.2)
    assert 2 < gone.asked < 10


def stand_still_while_too_few_have_it(wall: World, settings: Kafka, speaker: Speaker) -> None:
    """Of three brokers two live, and an append is to be on three: it is refused by its leader again and again, nothing
    is acknowledged, and what waited is taken when two are enough again."""
    for topic in (Topic.ACCOUNTS, Topic.FIXTURES):
        configure(settings, topic, "min.insync.replicas", "3")
    seen, since = len(speaker.acked), wall.clock.elapsed_ms()

    def still() -> bool:
        nonlocal seen, since
        if len(speaker.acked) != seen:
            seen, since = len(speaker.acked), wall.clock.elapsed_ms()
        return wall.clock.elapsed_ms() - since > STILL_MS

    wall.until(still)
    for topic in (Topic.ACCOUNTS, Topic.FIXTURES):
        configure(settings, topic, "min.insync.replicas", "2")
    wall.until(lambda: len(speaker.acked) > seen + 50)
