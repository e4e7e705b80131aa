"""What was committed and may not be on the disk: who is waited for, and for how long."""

import threading
from collections.abc import Callable

import pytest

from matchday.backends import ledger_sqlite_undurable
from matchday.backends.ledger_sqlite_undurable import Undurable
from matchday.ports import LedgerUnavailable
from tests.real import poll

ANNA, BEN = frozenset({"anna"}), frozenset({"ben"})


def nothing() -> None:
    pass


def reading(undurable: Undurable, account: str | None) -> Callable[[], bool]:
    """A read on a thread of its own; whether it has been let go on."""
    thread = threading.Thread(target=undurable.wait, args=(account,), daemon=True)
    thread.start()
    return lambda: not thread.is_alive()


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_sqlite_undurable, "PATIENCE_S", 10.0)


@pytest.mark.usefixtures("patient")
def test_a_read_waits_for_the_last_commit_about_its_account_and_for_no_other() -> None:
    undurable = Undurable(nothing)
    for accounts in (ANNA, BEN, ANNA, BEN):
        undurable.touches(accounts)
        undurable.committed()
    undurable.wait("carl")
    done = reading(undurable, "anna")
    assert not done()
    undurable.sync()
    assert poll(done)
    undurable.wait(None)


@pytest.mark.usefixtures("patient")
def test_a_sync_is_for_what_was_committed_when_it_began() -> None:
    """One that is under way, and may be read in a moment, is not durable with it."""
    during: list[Callable[[], None]] = []
    undurable = Undurable(lambda: during.pop()() if during else None)
    undurable.touches(ANNA)
    undurable.committed()
    undurable.touches(BEN)
    during.append(undurable.committed)
    undurable.sync()
    undurable.wait("anna")
    done = reading(undurable, "ben")
    anyone = reading(undurable, None)
    assert not done()
    assert not anyone()
    undurable.sync()
    assert poll(lambda: done() and anyone())


@pytest.mark.usefixtures("patient")
def test_what_failed_is_waited_for_by_nobody() -> None:
    undurable = Undurable(nothing)
    undurable.touches(ANNA)
    done = reading(undurable, "anna")
    assert not done()
    undurable.failed()
    assert poll(done)
    undurable.failed()  # it did not even get as far as to touch anything
    undurable.touches(BEN)
    undurable.committed()
    assert not reading(undurable, "ben")()
    undurable.sync()
    undurable.wait(None)


def test_a_disk_that_stands_still_holds_up_one_read_and_fails_the_others_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ledger_sqlite_undurable, "PATIENCE_S", 0.01)
    undurable = Undurable(nothing)
    undurable.touches(ANNA)
    undurable.committed()
    with pytest.raises(LedgerUnavailable, match="stands still"):
        undurable.wait("anna")
    monkeypatch.setattr(ledger_sqlite_undurable, "PATIENCE_S", threading.TIMEOUT_MAX)
    with pytest.raises(LedgerUnavailable, match="stands still"):
        undurable.wait(None)
    undurable.wait("ben")
    undurable.sync()
    undurable.wait("anna")
    undurable.touches(ANNA)
    undurable.committed()
    done = reading(undurable, "anna")
    assert not done()
    undurable.sync()
    assert poll(done)


def test_where_the_disk_fails_nothing_becomes_durable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_sqlite_undurable, "PATIENCE_S", 0.01)

    def broken() -> None:
        raise OSError("broken")

    undurable = Undurable(broken)
    undurable.touches(ANNA)
    undurable.committed()
    with pytest.raises(OSError, match="broken"):
        undurable.sync()
    with pytest.raises(LedgerUnavailable):
        undurable.wait("anna")
