"""What the ledger keeps of its outbox in memory is what stands in its file, or is said not to be there."""

import sqlite3
from contextlib import closing
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matchday.backends.ledger_sqlite import RECENT_MAX, Batch, Recent, SqliteLedgerCore
from matchday.backends.ledger_sqlite_reads import Said
from matchday.model.ledger import Command, OpenAccount, Transfer


def page(first: int, count: int) -> list[Said]:
    return [(seq, "anna", b"%d" % seq) for seq in range(first, first + count)]


@given(last=st.integers(0, 5), counts=st.lists(st.integers(1, 9), max_size=12), most=st.integers(1, 20))
def test_it_holds_the_newest_without_a_gap(last: int, counts: list[int], most: int) -> None:
    recent, there = Recent(last, most), list[Said]()
    for count in counts:
        said = page(last + len(there) + 1, count)
        there += said
        recent.add(said)
    held = 0
    for after in range(last + len(there), -1, -1):
        wanted = [said for said in there if said[0] > after]
        for limit in (1, 3, 100):
            found = recent.read(after, limit)
            assert found is None if after < last else found in (None, wanted[:limit])
        held = held if recent.read(after, 1) is None else len(wanted)
    assert held <= most
    assert not counts or counts[-1] > most or held >= counts[-1]


def test_it_holds_no_more_than_it_may() -> None:
    recent = Recent(0)
    for first in range(1, 3 * RECENT_MAX, 512):
        recent.add(page(first, 512))
    assert recent.read(2 * RECENT_MAX - 1, 1) is None
    assert recent.read(2 * RECENT_MAX, 2) == page(2 * RECENT_MAX + 1, 2)


def test_it_is_what_the_file_has() -> None:
    """Also of a commit that failed, after which the same numbers are given again."""
    with closing(SqliteLedgerCore(":memory:")) as core:
        recent = Recent(core.last_fact)

        def commit(*commands: Command) -> None:
            recent.add(core.commit_joined(Batch(commands)).said)

        commit(OpenAccount("open", "anna", "EUR", 1))
        for n in range(3):
            commit(*[Transfer(f"grant-{n}-{m}", "anna", 10, "EUR", "grant", 1) for m in range(n + 1)])
        core.database.writer.execute("ALTER TABLE entries RENAME TO away")
        with pytest.raises(sqlite3.OperationalError):
            commit(Transfer("lost", "anna", 10, "EUR", "grant", 1))
        core.database.writer.execute("ALTER TABLE away RENAME TO entries")
        commit(Transfer("found", "anna", 10, "EUR", "grant", 1))
        whole = core.outbox(0, 100)
        assert recent.read(0, 100) == whole
        assert recent.last == whole[-1][0]
        assert [b[0] - a[0] for a, b in pairwise(whole)] == [1] * (len(whole) - 1)
