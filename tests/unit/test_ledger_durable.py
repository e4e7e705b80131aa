"""What the embedded ledger has committed is told, and read, once the disk has it."""

import asyncio
import contextlib
import os
import shutil
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from matchday.app.process import stop_for_thread
from matchday.backends import ledger_sqlite_undurable
from matchday.backends.checkpointer import Checkpointer
from matchday.backends.clock_wall import WallClock, uuid7
from matchday.backends.ledger_sqlite import Done, SqliteLedger, SqliteLedgerCore, _Work
from matchday.backends.ledger_sqlite_ahead import UNPREPARED
from matchday.backends.sqlite import Database
from matchday.config import Storage
from matchday.model.bet import Leg, Outcome, Policy, Result
from matchday.model.ledger import (
    Answer,
    Command,
    LimitName,
    OpenAccount,
    PlaceBet,
    SetLimit,
    SettleBets,
    Transfer,
)
from matchday.ports import Ledger, LedgerUnavailable
from matchday.sim.settle_population import decide
from tests.real import poll

PATIENCE_S = 10.0
NOW_MS = 1_790_000_000_000
FANS = ("anna", "ben")
WON = Outcome(Result.WON)


class Disk:
    """What stands between ``os.fdatasync`` and the disk: each wait takes until it is let go on."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.waits: list[tuple[str, str]] = []
        """Which thread waited, and for which file."""
        self.copies: list[Path] = []
        """The folder as the disk had it after each wait."""
        self.error: OSError | None = None
        self.open = threading.Event()
        self.open.set()
        self._folder = folder
        monkeypatch.setattr(os, "fdatasync", self._sync)
        monkeypatch.setattr(Database, "checkpoint", lambda _: None)  # the copies are not of one moment

    def _sync(self, file: int) -> None:
        path = Path(f"/proc/self/fd/{file}").readlink()
        self.waits.append((threading.current_thread().name, path.name))
        has = self._folder.with_name(f"disk-{len(self.waits)}")
        shutil.copytree(self._folder, has, ignore=shutil.ignore_patterns("*-shm"))  # that is memory
        assert self.open.wait(PATIENCE_S)
        if (error := self.error) is not None:
            self.error = None  # the kernel says so once
            raise error
        self.copies.append(has)


class Told:
    """What was told of commits, in order; and whether facts were."""

    def __init__(self, ledger: SqliteLedger) -> None:
        self.answers: list[Sequence[Answer] | LedgerUnavailable] = []
        self.facts: list[int] = []
        self._ledger = ledger
        ledger.listen(self._heard)

    def _heard(self) -> None:
        self.facts = [seq for seq, _, _ in self._ledger.outbox(0, 1_000)]

    def commit(self, *commands: Command) -> None:
        self._ledger.commit(commands, self.done)

    @property
    def balances(self) -> list[int | None]:
        """What those who were answered have, answer by answer."""
        return [told[0].balance for told in self.answers if not isinstance(told, LedgerUnavailable)]

    @property
    def done(self) -> Done:
        return self.answers.append

    async def until(self, happened: Callable[[], Any]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not happened():  # noqa: ASYNC110 - the ledger knows no event to wait for
                await asyncio.sleep(0.001)


class Desk:
    """A ledger over a file, and its disk."""

    def __init__(self, ledger: SqliteLedger, disk: Disk, fatal: list[BaseException]) -> None:
        self.ledger, self.disk, self.fatal = ledger, disk, fatal
        self.told = Told(ledger)

    @contextlib.contextmanager
    def at_once(self) -> Iterator[None]:
        """The writer finds all that is asked for meanwhile waiting."""
        go = threading.Event()
        self.ledger._writer.do(partial(_let, go))
        yield
        go.set()

    async def committed(self, seen: Callable[[SqliteLedgerCore], bool]) -> None:
        """Wait until the file shows it, to one who does not ask whether the disk has it."""
        await self.told.until(lambda: seen(self.ledger._core))


def _let(go: threading.Event) -> None:
    assert go.wait(PATIENCE_S)


def pay(n: int, account: str = "anna", amount: int = 10) -> Transfer:
    return Transfer(f"pay-{n}", account, amount, "EUR", "deposit", NOW_MS)


def bet() -> PlaceBet:
    leg = Leg("F", "F:1x2", "F:1x2/home", 2_000, 0)
    return PlaceBet(uuid7(NOW_MS << 74), "anna", "EUR", 20, Policy.ANY, (leg,), "bet", NOW_MS, (leg,))


def balance(core: SqliteLedgerCore, account: str = "anna") -> int:
    view = core.account_at(account, NOW_MS)
    return view.balance if view is not None else -1


@contextlib.asynccontextmanager
async def desk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    """Two fans with 100 each, and a disk that has all of it."""
    disk, fatal = Disk(folder, monkeypatch), list[BaseException]()
    loop = asyncio.get_running_loop()
    with contextlib.closing(SqliteLedgerCore(folder / "ledger.sqlite")) as core:
        for fan in FANS:
            core.commit([OpenAccount(f"open-{fan}", fan, "EUR", NOW_MS), pay(0, fan, 100)])
        ledger = SqliteLedger(core, WallClock(loop), loop.call_soon_threadsafe, Storage(batch_max=1), fatal.append)
        with contextlib.closing(ledger):
            yield Desk(ledger, disk, fatal)
            disk.open.set()


def run(story: Callable[[Desk], Coroutine[Any, Any, None]], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "data").mkdir()

    async def whole() -> None:
        async with desk(folder / "data", monkeypatch) as found:
            await story(found)

    asyncio.run(whole())


def test_what_was_there_is_on_the_disk_before_anything_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that was killed may have left what the machine has and the disk has not."""

    async def story(desk: Desk) -> None:
        assert desk.disk.waits == [("MainThread", "ledger.sqlite-wal")]

    run(story, tmp_path, monkeypatch)


def test_nobody_is_answered_and_no_fact_is_told_before_the_disk_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(desk: Desk) -> None:
        before = desk.ledger.outbox(0, 1_000)
        desk.disk.open.clear()
        with desk.at_once():
            for n in (1, 2, 3):
                desk.told.commit(pay(n))
        await desk.committed(lambda core: balance(core) == 130)  # the writer goes on meanwhile
        assert (desk.told.answers, desk.told.facts) == ([], [])
        assert desk.ledger.outbox(0, 1_000) == before  # though they stand in the file
        assert len(desk.ledger._core.outbox(0, 1_000)) == len(before) + 3
        desk.disk.open.set()
        await desk.told.until(lambda: len(desk.told.answers) == 3)
        assert desk.told.balances == [110, 120, 130]
        assert desk.told.facts == [seq for seq, _, _ in desk.ledger._core.outbox(0, 1_000)]
        assert {thread for thread, _ in desk.disk.waits[1:]} == {"ledger syncs"}

    run(story, tmp_path, monkeypatch)


READS: dict[str, Callable[[SqliteLedger], Any]] = {
    "account": lambda ledger: ledger.account("anna"),
    "answer": lambda ledger: ledger.answer("anna", "pay-0"),
    "bet": lambda ledger: ledger.bet("bet"),
    "bets": lambda ledger: ledger.bets("anna", open_only=False, before=None, limit=9),
    "entries": lambda ledger: ledger.entries(0, 99),
    "free_bets": lambda ledger: ledger.free_bets("anna"),
    "offer": lambda ledger: ledger.offer("anna", "pay-1"),
    "open_bets": lambda ledger: ledger.open_bets(),
    "referral": lambda ledger: ledger.referral("anna", "pay-1"),
    "referrals": lambda ledger: ledger.referrals(2**62, 9),
    "statement": lambda ledger: ledger.statement("anna", None, 9),
    "totals": lambda ledger: ledger.totals(),
}
UNTOLD = {
    "backed", "bets_on", "decisions", "free_bets_over", "guards", "to_cash_out", "windows",
}  # fmt: skip
"""What leads to later commits, which are not durable before those that were read, or to advice."""
HELD_BACK = {"facts", "outbox"}
"""What shows nothing that is not durable."""


def test_every_read_of_the_port_is_known_here() -> None:
    port = {name for name in vars(Ledger) if not name.startswith("_")} - {"commit", "listen"}
    assert port == set(READS) | UNTOLD | HELD_BACK


@pytest.mark.parametrize("read", READS.values(), ids=READS.keys())
def test_who_reads_what_the_disk_may_not_have_yet_waits_for_it(
    read: Callable[[SqliteLedger], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From before it can be read on, whatever part of it it is."""
    monkeypatch.setattr(ledger_sqlite_undurable, "PATIENCE_S", PATIENCE_S)

    async def story(desk: Desk) -> None:
        desk.told.commit(bet())
        await desk.told.until(lambda: desk.told.answers)
        desk.disk.open.clear()
        desk.told.commit(pay(1))
        await desk.committed(lambda core: balance(core) == 90)
        threading.Timer(0.02, desk.disk.open.set).start()
        read(desk.ledger)
        assert desk.disk.open.is_set()
        await desk.told.until(lambda: len(desk.told.answers) == 2)
        desk.disk.open.clear()
        read(desk.ledger)  # all of it is durable

    run(story, tmp_path, monkeypatch)


def test_nobody_waits_for_what_is_not_about_him(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(desk: Desk) -> None:
        desk.disk.open.clear()
        desk.told.commit(pay(1))
        await desk.committed(lambda core: balance(core) == 110)
        assert desk.ledger.account("ben") is not None
        assert desk.ledger.statement("ben", None, 9)
        assert desk.ledger.bets("ben", open_only=False, before=None, limit=9) == []
        assert desk.ledger.answer("anna", "pay-2") is None

    run(story, tmp_path, monkeypatch)


@pytest.mark.parametrize("joins", [False, True])
def test_a_settlement_is_about_all_whose_bets_it_settles_and_so_is_what_joins_it(
    joins: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_sqlite_undurable, "PATIENCE_S", 0.01)

    async def story(desk: Desk) -> None:
        desk.told.commit(bet())
        desk.told.commit(decide("F", {"1x2/home": WON}, 1))
        await desk.told.until(lambda: len(desk.told.answers) == 2)
        desk.disk.open.clear()
        page = SettleBets("settle:1", "F", (1,), NOW_MS)
        if joins:
            desk.ledger._writer.submit(_Work((page,), UNPREPARED, desk.told.done), yields=True)
            desk.told.commit(pay(1, "ben"))
        else:
            desk.told.commit(page)
        await desk.committed(lambda core: core.open_bets() == 0 and (not joins or balance(core, "ben") == 110))
        for account in FANS if joins else ("anna",):
            with pytest.raises(LedgerUnavailable):
                desk.ledger.account(account)

    run(story, tmp_path, monkeypatch)


def test_an_account_is_guarded_before_its_change_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_sqlite_undurable, "PATIENCE_S", 0.01)
    seen: list[str] = []
    transaction = Database.transaction

    @contextlib.contextmanager
    def slowly(database: Database) -> Iterator[sqlite3.Connection]:
        with transaction(database) as db:
            yield db
        if hold:  # it can be read from now on, and the writer knows no more of it yet
            with pytest.raises(LedgerUnavailable):
                hold[0].ledger.account("anna")
            seen.append("guarded")

    hold: list[Desk] = []
    monkeypatch.setattr(Database, "transaction", slowly)

    async def story(desk: Desk) -> None:
        desk.disk.open.clear()
        hold.append(desk)
        desk.told.commit(pay(1))
        await desk.told.until(lambda: seen)

    run(story, tmp_path, monkeypatch)


def test_a_refusal_that_changes_no_account_is_not_read_early_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_sqlite_undurable, "PATIENCE_S", 0.01)

    async def story(desk: Desk) -> None:
        desk.disk.open.clear()
        desk.told.commit(SetLimit("no-id", "nobody", 5, NOW_MS, LimitName.STAKE_DAY))
        await desk.committed(lambda core: core.answer("nobody", "no-id") is not None)
        with pytest.raises(LedgerUnavailable):
            desk.ledger.answer("nobody", "no-id")

    run(story, tmp_path, monkeypatch)


def test_whatever_was_told_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder as it was when the disk said that it has all of it: nothing that was told by then is missing there."""
    told: list[tuple[int, int]] = []

    async def story(desk: Desk) -> None:
        def pay_on(n: int, account: str) -> None:
            def done(answers: Sequence[Answer] | LedgerUnavailable) -> None:
                assert not isinstance(answers, LedgerUnavailable)
                told.append((len(desk.disk.copies), n))
                if n <= 54:
                    pay_on(n + 6, account)

            desk.ledger.commit([pay(n, account)], done)

        for n in range(6):
            pay_on(n + 1, FANS[n % 2])
        await desk.told.until(lambda: len(told) == 60)

        for synced, n in told:
            with contextlib.closing(sqlite3.connect(desk.disk.copies[synced - 1] / "ledger.sqlite")) as db:
                found = db.execute("SELECT count(*) FROM known WHERE id = ?", (f"pay-{n}",)).fetchone()
                assert found == (1,), n
        assert len(desk.disk.copies) < 60  # several shared a wait

    run(story, tmp_path, monkeypatch)


def test_what_one_caller_raises_is_not_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are told with one wait for the disk, and the facts of all of them are carried."""

    async def story(desk: Desk) -> None:
        raised: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: raised.append(context["exception"]))

        def broken(_: object) -> None:
            raise ValueError("broken")

        with desk.at_once():
            desk.told.commit(pay(1))
            desk.ledger.commit([pay(2)], broken)
            desk.told.commit(pay(3))
        await desk.told.until(lambda: len(desk.told.answers) == 2)
        assert [str(error) for error in raised] == ["broken"]
        assert desk.told.facts == [seq for seq, _, _ in desk.ledger._core.outbox(0, 1_000)]

    run(story, tmp_path, monkeypatch)


def test_closed_it_has_told_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(desk: Desk) -> None:
        with desk.at_once():
            for n in range(1, 6):
                desk.told.commit(pay(n))
        desk.ledger.close()
        await desk.told.until(lambda: len(desk.told.answers) == 5)
        assert desk.told.balances == [110, 120, 130, 140, 150]

    run(story, tmp_path, monkeypatch)


@pytest.mark.parametrize("alone", [False, True])
def test_where_the_disk_fails_nobody_is_told_any_more_and_the_process_is_to_stop(
    alone: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of what comes later, and has the disk do as if nothing had been."""
    monkeypatch.setattr(ledger_sqlite_undurable, "PATIENCE_S", 0.01)

    async def story(desk: Desk) -> None:
        desk.disk.error = error = OSError("Input/output error")
        with desk.at_once():
            for n in range(1, 2 if alone else 4):
                desk.told.commit(pay(n))
        await desk.told.until(lambda: desk.fatal)
        desk.told.commit(pay(9))
        with pytest.raises(OSError, match="Input/output"):
            desk.ledger._database.sync()
        with pytest.raises(LedgerUnavailable):
            desk.ledger.account("anna")
        assert set(desk.fatal) == {error}
        desk.ledger.close()
        await asyncio.sleep(0)
        assert desk.told.answers == []

    run(story, tmp_path, monkeypatch)


def test_the_log_that_is_synced_is_that_of_the_file_wherever_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A data folder whose ledger was moved to another disk, with what was left behind of it."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "ledger.sqlite").symlink_to(tmp_path / "elsewhere" / "ledger.sqlite")
    (tmp_path / "data" / "ledger.sqlite-wal").write_bytes(b"")
    synced: list[Path] = []
    monkeypatch.setattr(os, "fdatasync", lambda file: synced.append(Path(f"/proc/self/fd/{file}").readlink()))
    with contextlib.closing(SqliteLedgerCore(tmp_path / "data" / "ledger.sqlite")) as core:
        core.database.leave_syncs()
        assert synced == [tmp_path / "elsewhere" / "ledger.sqlite-wal"]


def test_a_disk_that_cannot_be_waited_for_while_the_file_is_looked_after_is_fatal_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database, fatal = Database(tmp_path / "some.sqlite", ["CREATE TABLE t (a)"]), list[BaseException]()
    error = sqlite3.OperationalError("disk I/O error")

    def broken(_: Database) -> None:
        raise error

    monkeypatch.setattr(Database, "checkpoint", broken)
    monkeypatch.setattr(threading, "excepthook", partial(stop_for_thread, lambda call: call(), fatal.append))
    with contextlib.closing(database), contextlib.closing(Checkpointer(database, "some")) as watching:
        watching.wrote()
        assert poll(lambda: fatal == [error])
