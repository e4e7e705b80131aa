"""What every log promises. Readers hear everything, in order, at least once; each hears it all twice here."""

from collections import defaultdict
from collections.abc import Callable, Sequence

import pytest

from matchday.model.messages import SINGLE, Topic
from matchday.ports import Log, LogUnavailable, Record, Stored, Timer, partition_of

from .conftest import World


def append(world: World, log: Log, *records: tuple[Topic, str, bytes] | Record) -> list[int]:
    found: list[Sequence[int] | LogUnavailable] = []
    log.append([record if isinstance(record, Record) else Record(*record) for record in records], found.append)
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


def test_a_tail_that_cancels_itself_is_taken_up_again_where_it_was_left(world: World, log: Log) -> None:
    """As a room does that has enough for now: nothing is left out, and what was on its way to it is not heard twice."""
    heard: list[Stored] = []
    tails: list[Timer] = []

    def hear(records: Sequence[Stored]) -> None:
        heard.extend(records)
        tails.pop().cancel()

    for _ in range(3):
        append(world, log, *numbers(700, len(heard)))
        tails.append(log.tail(Topic.BOOKS, heard[-1].offset if heard else -1, hear))
        world.until(lambda: not tails)
        append(world, log, *numbers(1))
    log.tail(Topic.BOOKS, heard[-1].offset, heard.extend)
    world.until(lambda: len(heard) == 2_103)
    assert [stored.offset for stored in heard] == list(range(heard[0].offset, heard[0].offset + 2_103))


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


# --- several partitions: asked of a log that has one, too -------------------------------------------------------------


def views(log: Log) -> list[Log]:
    return [log.partition_view(number) for number in range(log.partitions(Topic.ACCOUNTS))]


def test_topics_have_as_many_partitions_as_was_asked_or_one(log: Log, partitions: int) -> None:
    assert {topic: log.partitions(topic) for topic in Topic} == {
        topic: 1 if topic in SINGLE else partitions for topic in Topic
    }


def test_a_key_s_partition_never_changes() -> None:
    """What is where goes by it: another answer of a later release would scatter what stands on the log."""
    assert [partition_of(key, 4) for key in ("", "a", "simulated-1x1-7", "wyscout-2057954")] == [0, 3, 0, 2]
    assert partition_of("simulated-1x1-7@12345", 4) == partition_of("simulated-1x1-7", 4)


def test_each_view_reads_what_its_keys_said_in_order(world: World, log: Log, partitions: int) -> None:
    said = [(Topic.ACCOUNTS, f"k{n % 7}", b"%d" % n) for n in range(50)]
    offsets = append(world, log, *said)
    expected: dict[int, list[tuple[int, str, bytes]]] = defaultdict(list)
    for (_, key, value), offset in zip(said, offsets, strict=True):
        expected[partition_of(key, partitions)].append((offset, key, value))
    for number, view in enumerate(views(log)):
        read = view.read(Topic.ACCOUNTS, -1, 100)
        assert [(stored.offset, stored.key, stored.value) for stored in read] == expected[number]
        assert {stored.partition for stored in read} <= {number}
        assert view.end(Topic.ACCOUNTS) == (read[-1].offset if read else -1)
        assert view.oldest(Topic.ACCOUNTS) == (read[0].offset if read else view.end(Topic.ACCOUNTS) + 1)


def test_a_tail_of_a_view_hears_its_partition_without_a_gap(world: World, log: Log) -> None:
    append(world, log, *[(Topic.ACCOUNTS, f"k{n % 7}", b"%d" % n) for n in range(20)])
    heard: dict[int, list[Stored]] = {number: [] for number, _ in enumerate(views(log))}
    for number, view in enumerate(views(log)):
        view.tail(Topic.ACCOUNTS, -1, heard[number].extend)
    append(world, log, *[(Topic.ACCOUNTS, f"k{n % 7}", b"%d" % n) for n in range(20, 40)])
    world.until(lambda: sum(map(len, heard.values())) == 40)
    for number, view in enumerate(views(log)):
        assert heard[number] == list(view.read(Topic.ACCOUNTS, -1, 100))


def test_a_record_for_everybody_is_said_to_each_partition(world: World, log: Log, partitions: int) -> None:
    append(world, log, *[Record(Topic.INCIDENTS, "feed", b"alive", number) for number in range(partitions)])
    assert [[s.value for s in view.read(Topic.INCIDENTS, -1, 9)] for view in views(log)] == [[b"alive"]] * partitions
    with pytest.raises(ValueError, match=f"has {partitions} partitions"):
        log.partition_view(partitions)


def test_the_whole_log_hears_what_comes_to_any_partition(world: World, log: Log) -> None:
    append(world, log, *[(Topic.ACCOUNTS, f"k{n}", b"before") for n in range(9)])
    heard: list[Stored] = []
    tail = log.tail(Topic.ACCOUNTS, None, heard.extend)
    append(world, log, *[(Topic.ACCOUNTS, f"k{n}", b"after") for n in range(9)])
    world.until(lambda: len(heard) == 9)
    assert {(stored.key, stored.value) for stored in heard} == {(f"k{n}", b"after") for n in range(9)}
    tail.cancel()
    append(world, log, *[(Topic.ACCOUNTS, f"k{n}", b"later") for n in range(9)])
    assert len(heard) == 9


def test_the_whole_log_has_the_latest_of_all_partitions(world: World, log: Log) -> None:
    for value in (b"old", b"new"):
        append(world, log, *[(Topic.FIXTURES, f"k{n}", value) for n in range(9)])
    append(world, log, (Topic.FIXTURES, "k3", b""))
    latest = log.latest(Topic.FIXTURES)
    assert sorted((stored.key, stored.value) for stored in latest) == [(f"k{n}", b"new") for n in range(9) if n != 3]
    assert latest == [stored for view in views(log) for stored in view.latest(Topic.FIXTURES)]


def test_positions_are_kept_by_partition(world: World, log: Log, partitions: int) -> None:
    for number, view in enumerate(views(log)):
        assert view.position("settlement", Topic.ACCOUNTS) == -1
        view.advance("settlement", Topic.ACCOUNTS, 1_000 + number)
    found = [view.position("settlement", Topic.ACCOUNTS) for view in views(log)]
    assert found == [1_000 + number for number in range(partitions)]


@pytest.mark.parametrize(
    "ask",
    [
        lambda log: log.read(Topic.ACCOUNTS, -1, 1),
        lambda log: log.end(Topic.ACCOUNTS),
        lambda log: log.oldest(Topic.ACCOUNTS),
        lambda log: log.position("settlement", Topic.ACCOUNTS),
        lambda log: log.advance("settlement", Topic.ACCOUNTS, 1),
        lambda log: log.tail(Topic.ACCOUNTS, -1, list),
    ],
    ids=["read", "end", "oldest", "position", "advance", "tail"],
)
def test_offsets_without_a_partition_say_nothing(log: Log, partitions: int, ask: Callable[[Log], object]) -> None:
    if partitions == 1:
        ask(log)
        return
    with pytest.raises(ValueError, match="partition_view"):
        ask(log)


def test_one_append_may_concern_many_topics_and_partitions(world: World, log: Log) -> None:
    """Offsets come in the order of the records."""
    topics = (Topic.INCIDENTS, Topic.FIXTURES, Topic.BOOKS)
    said = [(topic, f"k{n}", b"%d" % n) for n in range(9) for topic in topics]
    offsets = append(world, log, *said)
    for (topic, key, value), offset in zip(said, offsets, strict=True):
        view = log.partition_view(partition_of(key, log.partitions(Topic.INCIDENTS)))
        stored = view.read(topic, offset - 1, 1)[0]
        assert (stored.offset, stored.key, stored.value) == (offset, key, value)
