"""A lease: what its room was handed ends with it, at once and altogether."""

import contextlib
from collections.abc import Iterator, Sequence

import pytest

from matchday.backends.ledger_sqlite import SqliteLedgerCore
from matchday.backends.log_sqlite import SqliteLogCore
from matchday.lease import Lease
from matchday.model.ledger import Answer, OpenAccount
from matchday.model.messages import Topic
from matchday.ports import LedgerUnavailable, LogUnavailable, Record, Stored
from matchday.sim.clock import VirtualClock
from matchday.sim.inline import InlineLedger, InlineLog


class Desk:
    """A clock, a log and a ledger, and a lease of all three."""

    def __init__(self, log: SqliteLogCore, ledger: SqliteLedgerCore, clock: VirtualClock) -> None:
        self.clock, self.lease = clock, Lease(clock)
        self.whole_log, self.whole_ledger = InlineLog(log, clock), InlineLedger(ledger, clock)
        self.log, self.ledger = self.lease.log(self.whole_log), self.lease.ledger(self.whole_ledger)
        self.heard: list[object] = []

    def say(self, value: bytes) -> None:
        self.log.append([Record(Topic.BOOKS, "k", value)], self.took)

    def took(self, outcome: Sequence[int] | Sequence[Answer] | LogUnavailable | LedgerUnavailable) -> None:
        self.heard.append("took")

    def hear(self, records: Sequence[Stored]) -> None:
        self.heard += [record.value for record in records]


@pytest.fixture
def desk() -> Iterator[Desk]:
    clock = VirtualClock(1)
    with (
        contextlib.closing(SqliteLogCore(":memory:", clock.new_id)) as log,
        contextlib.closing(SqliteLedgerCore(":memory:")) as ledger,
    ):
        yield Desk(log, ledger, clock)


def opened(account: str) -> OpenAccount:
    return OpenAccount(f"open:{account}", account, "EUR", 1)


def test_while_it_lasts_everything_is_as_without_it(desk: Desk) -> None:
    desk.log.tail(Topic.BOOKS, -1, desk.hear)
    desk.lease.clock.call_later(5, lambda: desk.heard.append("timer"))
    desk.say(b"1")
    desk.ledger.listen(lambda: desk.heard.append("facts"))
    desk.ledger.commit([opened("anna")], desk.took)
    desk.clock.run_for(10)
    assert sorted(map(str, desk.heard)) == sorted(map(str, [b"1", "took", "took", "timer"]))
    assert desk.ledger.account("anna") is not None
    assert desk.lease.on_their_way == 0
    desk.log.advance("group", Topic.BOOKS, 0)
    assert desk.log.position("group", Topic.BOOKS) == 0


def test_when_it_ends_nothing_is_heard_said_or_due_any_more(desk: Desk) -> None:
    desk.log.tail(Topic.BOOKS, -1, desk.hear)
    desk.lease.clock.call_later(5, lambda: desk.heard.append("timer"))
    desk.clock.run_for(1)
    desk.say(b"on its way")
    desk.ledger.commit([opened("anna")], desk.took)
    desk.lease.end()
    desk.say(b"too late")
    desk.ledger.commit([opened("ben")], desk.took)
    desk.log.advance("group", Topic.BOOKS, 7)
    desk.lease.clock.call_later(0, lambda: desk.heard.append("a new timer"))
    desk.log.tail(Topic.BOOKS, -1, desk.hear)
    desk.clock.run_for(10)
    assert desk.heard == []
    assert [stored.value for stored in desk.whole_log.read(Topic.BOOKS, -1, 9)] == [b"on its way"]
    assert desk.whole_ledger.account("anna") is not None
    assert desk.whole_ledger.account("ben") is None
    assert desk.whole_log.position("group", Topic.BOOKS) == -1
    assert (desk.lease.on_their_way, desk.lease.held) == (0, {})


def test_what_the_room_cancels_itself_is_not_held(desk: Desk) -> None:
    timer = desk.lease.clock.call_later(5, lambda: desk.heard.append("timer"))
    tail = desk.log.tail(Topic.BOOKS, -1, desk.hear)
    timer.cancel()
    tail.cancel()
    assert desk.lease.held == {}
    desk.say(b"1")
    desk.clock.run_for(10)
    assert desk.heard == ["took"]


def test_when_it_closes_what_is_on_its_way_is_still_answered_and_positions_move(desk: Desk) -> None:
    desk.log.tail(Topic.BOOKS, -1, desk.hear)
    desk.lease.clock.call_later(5, lambda: desk.heard.append("timer"))
    desk.clock.run_for(1)
    desk.log.append([Record(Topic.BOOKS, "k", b"1")], lambda _: desk.log.advance("group", Topic.BOOKS, 0))
    assert desk.lease.on_their_way == 1
    desk.lease.close()
    desk.say(b"too late")
    desk.clock.run_for(10)
    assert desk.heard == []
    assert desk.whole_log.end(Topic.BOOKS) == 0
    assert (desk.lease.on_their_way, desk.whole_log.position("group", Topic.BOOKS)) == (0, 0)


def test_what_was_not_taken_is_told_until_something_is(desk: Desk) -> None:
    desk.lease.answered(desk.took, LogUnavailable("no broker answers"))
    assert desk.lease.trouble == "no broker answers"
    desk.say(b"1")
    desk.clock.run_for(1)
    assert desk.lease.trouble == ""
