"""What every log promises. Readers hear everything, in order, at least once; each hears it all twice here."""

from collections.abc import Sequence

from matchday.model.messages import Topic
from matchday.ports import Log, LogUnavailable, Record, Stored

from .conftest import World


def append(world: World, log: Log, *records: tuple[Topic, str, bytes]) -> list[int]:
    found: list[Sequence[int] | LogUnavailable] = []
    log.append([Record(*record) for record in records], found.append)
    world.until(lambda: bool(found))
    assert not isinstance(found[0], LogUnavailable)
    return list(found[0])


def numbers(count: int, start: int = 0) -> list[tuple[Topic, str, bytes]]:
    return [(Topic.BOOKS, f"k{n % 3}", b"%d" % n) for n in range(start, start + count)]


def test_offsets_rise_and_records_are_read_in_order(world: World, log: Log) -> None:
    assert log.end(Topic.BOOKS) == -1
    offsets = append(world, log, *numbers(5)) + append(world, log, *numbers(3, 5))
    assert offsets == sorted(set(offsets))
    assert log.end(Topic.BOOKS) == offsets[-1]
    read = log.read(Topic.BOOKS, -1, 100)
    assert [stored.value for stored in read] == [b"%d" % n for n in range(8)]
    assert [stored.offset for stored in log.read(Topic.BOOKS, offsets[5], 100)] == offsets[6:]
    assert len(log.read(Topic.BOOKS, -1, 3)) == 3


def test_a_tail_hears_what_stands_and_what_comes_without_a_gap(world: World, log: Log) -> None:
    append(world, log, *numbers(1_500))
    heard: list[Stored] = []
    again: list[Stored] = []
    log.tail(Topic.BOOKS, -1, heard.extend)
    log.tail(Topic.BOOKS, -1, again.extend)
    append(world, log, *numbers(10, 1_500))
    world.until(lambda: len(heard) == len(again) == 1_510)
    assert [stored.value for stored in heard] == [b"%d" % n for n in range(1_510)]
    assert heard == again


def test_a_tail_from_now_on_hears_only_what_comes(world: World, log: Log) -> None:
    append(world, log, *numbers(3))
    heard: list[Stored] = []
    log.tail(Topic.BOOKS, None, heard.extend)
    append(world, log, *numbers(2, 3))
    world.until(lambda: len(heard) == 2)
    assert [stored.value for stored in heard] == [b"3", b"4"]


def test_a_cancelled_tail_hears_nothing_more(world: World, log: Log) -> None:
    heard: list[Stored] = []
    tail = log.tail(Topic.BOOKS, -1, heard.extend)
    append(world, log, *numbers(1))
    world.until(lambda: len(heard) == 1)
    tail.cancel()
    append(world, log, *numbers(1))
    assert len(heard) == 1


def test_compacted_topics_keep_the_latest_of_each_key(world: World, log: Log) -> None:
    for value in (b"old", b"new"):
        append(world, log, (Topic.FIXTURES, "a", value), (Topic.FIXTURES, "b", value))
    append(world, log, (Topic.FIXTURES, "b", b""))
    assert [(stored.key, stored.value) for stored in log.latest(Topic.FIXTURES)] == [("a", b"new")]


def test_positions_are_kept_by_group(world: World, log: Log) -> None:
    assert log.position("settlement", Topic.BOOKS) == -1
    append(world, log, *numbers(3))
    log.advance("settlement", Topic.BOOKS, 2)
    assert log.position("settlement", Topic.BOOKS) == 2
    assert log.position("other", Topic.BOOKS) == -1


def test_epochs_tell_incarnations_apart(world: World, log: Log) -> None:
    epochs = {topic: log.epoch(topic) for topic in Topic}
    assert len(set(epochs.values())) == len(Topic)
    append(world, log, *numbers(1))
    assert log.epoch(Topic.BOOKS) == epochs[Topic.BOOKS]


def test_callbacks_never_come_from_within_the_call(world: World, log: Log) -> None:
    found: list[object] = []
    log.append([Record(Topic.BOOKS, "k", b"v")], found.append)
    assert not found
    world.until(lambda: len(found) == 1)
