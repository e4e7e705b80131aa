"""The stores of a simulated world: what a tail is given lately is what the file holds."""

import random

from matchday.model.messages import COMPACTED, Topic
from matchday.ports import Record, Stored
from matchday.sim.clock import VirtualClock
from matchday.sim.faults import Faults
from matchday.sim.process import Process
from matchday.sim.stores import LogStore, ProcessLog


def test_a_page_from_memory_is_the_page_that_the_file_has() -> None:
    clock, chance = VirtualClock(1), random.Random(1)
    process = Process("reader", clock, Faults(clock, ()), lambda _: None, lambda _: None)
    written: list[Stored] = []
    store = LogStore(process, None, written.extend, partitions=2)
    driver = ProcessLog(store, process, lambda _: None)
    topics = (next(iter(COMPACTED)), Topic.INCIDENTS)
    while len(written) < 3_000:
        group = [
            Record(chance.choice(topics), f"key{chance.randrange(30)}", b"x" * chance.randrange(3))
            for _ in range(chance.randint(1, 12))
        ]
        store._write([(driver, tuple(group), (), None)])
        topic, partition = chance.choice(topics), chance.randrange(2)
        after = max(-1, store.core.end_of((topic, partition)) - chance.choice((0, 1, 5, 64, 300, 600, 2_000)))
        limit = chance.choice((1, 2, 64, 10_000))
        assert store.page((topic, partition), after, limit) == store.core.read_of((topic, partition), after, limit)
    assert {(one.topic, one.partition) for one in written} == {(topic, part) for topic in topics for part in (0, 1)}
    store.core.close()
