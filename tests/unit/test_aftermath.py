"""What a restored ledger lacks, by its former self and by the log; and how both go together again."""

from collections.abc import Iterator
from contextlib import closing
from itertools import count

import pytest

from matchday.app.aftermath import Comparison, hear_again
from matchday.backends.ledger_sqlite import SqliteLedgerCore
from matchday.backends.log_sqlite import SqliteLogCore
from matchday.model.ledger import Command, SettleBet, SettleBets
from matchday.model.messages import BetsSettled, Topic
from matchday.ports import Record
from matchday.services.settlement import GROUP_ACCOUNT
from matchday.sim.clock import VirtualClock
from matchday.sim.inline import InlineLog
from tests.contract.test_ledger import LOST, NOW, WON, A, bet, decide, opened, settle

B = "bert"
BEFORE: list[list[Command]] = [
    [*opened(), *opened(account=B), bet(1_000), bet(100, name="b2", account=B, selection="F:1x2/away")],
]
SINCE: list[list[Command]] = [
    [bet(300, name="late", account=B), bet(40, name="lost", selection="F:1x2/away")],
    [decide(5, WON), settle(5), SettleBet("settle:late:5", "late", B, NOW)],
    [decide(6, LOST, "F:1x2/away"), settle(6, "lost")],
]


def of(stories: list[list[Command]]) -> SqliteLedgerCore:
    core = SqliteLedgerCore(":memory:")
    for commands in stories:
        core.commit(commands)
    return core


@pytest.fixture
def restored() -> Iterator[SqliteLedgerCore]:
    with closing(of(BEFORE)) as core:
        yield core


@pytest.fixture
def former() -> Iterator[SqliteLedgerCore]:
    with closing(of([*BEFORE, *SINCE])) as core:
        yield core


@pytest.fixture
def log() -> Iterator[InlineLog]:
    """Of three partitions."""
    numbers = count()
    with closing(SqliteLogCore(":memory:", lambda: str(next(numbers)), 3)) as core:
        yield InlineLog(core, VirtualClock(seed=1))


def say(log: InlineLog, core: SqliteLedgerCore) -> None:
    """The relay's work."""
    log.append([Record(Topic.ACCOUNTS, account, fact) for _, account, fact in core.outbox(0, 1_000)])


def test_the_former_server_says_what_came_after(restored: SqliteLedgerCore, former: SqliteLedgerCore) -> None:
    came = Comparison(restored, former, None).run()
    last = restored.entries(0, 100)[-1]
    assert (came.last_entry, came.last_entry_ms) == (last.entry, last.at_ms)
    late, lost = sorted(came.bets, key=lambda one: one.bet)
    assert (late.bet, late.account, late.stake, late.status, late.returns) == ("late", B, 300, "settled", 750)
    assert (lost.bet, lost.account, lost.stake, lost.status, lost.returns) == ("lost", A, 40, "settled", 0)
    assert late.witnesses == lost.witnesses == ["former"]
    assert came.balances == {"EUR": {A: 2_500 - 40, B: 750 - 300}}
    assert came.settled_again_total == 1  # b1, which is open in the restored ledger
    assert came.reasons == {"stake": 2, "settlement": 3}
    assert came.highest == former.entries(0, 100)[-1].entry


def test_the_log_says_it_where_the_former_server_is_gone(
    restored: SqliteLedgerCore, former: SqliteLedgerCore, log: InlineLog
) -> None:
    say(log, former)
    came = Comparison(restored, None, log).run()
    assert {(one.bet, one.status, one.returns) for one in came.bets} == {
        ("late", "settled", 750),
        ("lost", "settled", 0),
    }
    assert {tuple(one.witnesses) for one in came.bets} == {("log",)}
    assert (came.settled_again_total, came.entries_total) == (1, 0)
    assert came.facts_total == former.last_fact - restored.last_fact
    assert came.highest == former.last_fact


def test_the_log_knows_what_bets_that_were_settled_together_came_to(log: InlineLog) -> None:
    bets = [bet(100, name="b4", account=B), bet(300, name="b5", account=B)]
    with closing(of([*BEFORE, [bets[0]]])) as restored, closing(of([*BEFORE, [bets[0]], [bets[1]]])) as former:
        numbers = tuple(number for _, number in former.bets_on(["F:1x2/home"], 0, 100))
        former.commit([decide(5, WON), SettleBets("settle:F:5", "F", numbers[-2:], NOW)])
        assert isinstance(former.facts(0, 100)[-1], BetsSettled)
        say(log, former)
        came = Comparison(restored, None, log).run()
    assert [(one.bet, one.status, one.returns) for one in came.bets] == [("b5", "settled", 750)]
    assert came.settled_again_total == 1


def test_both_witnesses_agree(restored: SqliteLedgerCore, former: SqliteLedgerCore, log: InlineLog) -> None:
    say(log, former)
    came = Comparison(restored, former, log).run()
    assert {(one.bet, one.returns, *one.witnesses) for one in came.bets} == {
        ("late", 750, "former", "log"), ("lost", 0, "former", "log")
    }  # fmt: skip


def test_of_a_ledger_that_lacks_nothing_nothing_is_said(former: SqliteLedgerCore, log: InlineLog) -> None:
    say(log, former)
    with closing(of([*BEFORE, *SINCE])) as same:
        came = Comparison(same, former, log).run()
    assert (came.bets_total, came.entries_total, came.facts_total, came.balances) == (0, 0, 0, {})
    with closing(of([])) as empty:
        assert Comparison(empty, former, None).run().bets_total == 4


@pytest.mark.parametrize(("since_ms", "after"), [(0, -1), (10, -1), (11, 0), (25, 1), (30, 1), (31, 2), (99, 2)])
def test_settlement_hears_again_what_was_decided_since(log: InlineLog, since_ms: int, after: int) -> None:
    for at_ms in (10, 20, 30):
        records = [Record(Topic.DECISIONS, "x", b"{}", partition) for partition in range(3)]
        log._core.append(records, (), at_ms)
    view = log.partition_view(1)
    view.advance(GROUP_ACCOUNT, Topic.DECISIONS, 2)
    log.partition_view(2).advance(GROUP_ACCOUNT, Topic.DECISIONS, 0)
    moved = hear_again(log, since_ms)
    assert view.position(GROUP_ACCOUNT, Topic.DECISIONS) == after
    assert ((1, 2, after) in moved) == (after < 2)
    assert log.partition_view(2).position(GROUP_ACCOUNT, Topic.DECISIONS) == min(0, after)
    assert log.partition_view(0).position(GROUP_ACCOUNT, Topic.DECISIONS) == -1  # heard nothing: never moved forward
