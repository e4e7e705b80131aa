"""The relay over several partitions: nothing is left out and nothing comes twice, wherever one stopped before."""

import contextlib
from collections.abc import Iterator
from itertools import pairwise

import pytest

from matchday.backends.ledger_sqlite import SqliteLedgerCore
from matchday.backends.log_sqlite import SqliteLogCore
from matchday.model.ledger import OpenAccount, Transfer
from matchday.model.messages import AccountFact, Topic, decode
from matchday.ports import Record, partition_of
from matchday.services.relay import GROUP, PAUSE_MS, Relay
from matchday.sim.clock import VirtualClock
from matchday.sim.inline import InlineLedger, InlineLog

NOW = 1_600_000_000_000
PARTITIONS = 2
FANS = [f"fan{number}" for number in range(8)]


class Desk:
    """A ledger with a fact of each fan, and a log of two partitions."""

    def __init__(self, log: SqliteLogCore, ledger: SqliteLedgerCore, clock: VirtualClock) -> None:
        self.clock = clock
        self.log, self.ledger = InlineLog(log, clock), InlineLedger(ledger, clock)
        for fan in FANS:
            opened = OpenAccount(f"o:{fan}", fan, "EUR", NOW)
            ledger.commit([opened, Transfer(f"t:{fan}", fan, 100, "EUR", "grant", NOW)])
        self.outbox = list(self.ledger.outbox(-1, 100))

    def stands(self) -> list[list[int]]:
        """The facts on each partition."""
        found = []
        for partition in range(PARTITIONS):
            stored = self.log.partition_view(partition).read(Topic.ACCOUNTS, -1, 1_000)
            facts = [decode(record.value) for record in stored]
            found.append([fact.seq for fact in facts if isinstance(fact, AccountFact)])
        return found

    def belong(self) -> list[list[int]]:
        """The facts that must be on each."""
        return [
            [seq for seq, account, _ in self.outbox if partition_of(account, PARTITIONS) == partition]
            for partition in range(PARTITIONS)
        ]

    def say(self, *numbers: int) -> None:
        """Some facts stand on the log, as a relay left them there."""
        said = [Record(Topic.ACCOUNTS, account, fact) for seq, account, fact in self.outbox if seq in numbers]
        self.log.append(said, lambda _: None)
        self.clock.run_for(1)

    def relay(self) -> None:
        Relay(self.clock, self.log, self.ledger).start()
        self.clock.run_for(100)


@pytest.fixture
def desk() -> Iterator[Desk]:
    clock = VirtualClock(1, NOW)
    with (
        contextlib.closing(SqliteLogCore(":memory:", clock.new_id, PARTITIONS)) as log,
        contextlib.closing(SqliteLedgerCore(":memory:")) as ledger,
    ):
        yield Desk(log, ledger, clock)


def test_every_fact_comes_to_its_account_s_partition_once(desk: Desk) -> None:
    desk.relay()
    assert desk.stands() == desk.belong()
    assert all(len(facts) > 1 for facts in desk.stands())
    assert desk.log.partition_view(0).position(GROUP, Topic.ACCOUNTS) == desk.outbox[-1][0]
    desk.relay()
    assert desk.stands() == desk.belong()


@pytest.mark.parametrize("ahead", range(PARTITIONS))
def test_one_that_stopped_in_the_middle_is_carried_on_in_each_partition(desk: Desk, ahead: int) -> None:
    """What it had appended came to one partition whole and to the other in part, and its cursor had not moved."""
    mine, other = desk.belong()[ahead], desk.belong()[1 - ahead]
    desk.say(*mine, other[0])
    desk.relay()
    assert desk.stands() == desk.belong()


def test_what_is_committed_at_once_is_carried_at_once_and_what_follows_it_closely_together(desk: Desk) -> None:
    """A ledger that commits all the time has one append for several commits; the last is not left behind."""
    desk.relay()
    before, came = sum(map(len, desk.stands())), list[tuple[int, int]]()
    for number in range(1, 31):
        desk.ledger.commit([Transfer(f"more:{number}", "fan0", 1, "EUR", "grant", NOW)], lambda _: None)
        desk.clock.run_for(1)
        count = sum(map(len, desk.stands())) - before
        if not came or count > came[-1][1]:
            came.append((number, count))
    desk.clock.run_for(PAUSE_MS)
    assert sum(map(len, desk.stands())) == before + 30
    assert came[0] == (1, 1)
    gaps = [later - sooner for (sooner, _), (later, _) in pairwise(came)]
    assert len(gaps) == 3
    assert set(gaps) <= {PAUSE_MS - 1, PAUSE_MS}  # a moment is looked at when it is over


def test_a_partition_that_has_nothing_yet_is_not_passed_over(desk: Desk) -> None:
    desk.say(*desk.belong()[1])
    desk.relay()
    assert desk.stands() == desk.belong()


def test_what_was_trimmed_is_not_carried_again(desk: Desk) -> None:
    last = desk.outbox[3][0]
    desk.log.partition_view(0).advance(GROUP, Topic.ACCOUNTS, last)
    desk.relay()
    assert desk.stands() == [[seq for seq in facts if seq > last] for facts in desk.belong()]
