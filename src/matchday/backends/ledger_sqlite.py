"""The ledger on SQLite: the embedded backend.

``SqliteLedgerCore`` is synchronous: one batch, one transaction, the rules of ``model/posting`` over rows loaded by a
few statements and written once. ``SqliteLedger`` drives it from a thread of its own and implements the port.
It gives up more than one machine, and a standby; nothing else.
"""

import contextlib
import sqlite3
from bisect import bisect_right
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from matchday.backends.checkpointer import Checkpointer
from matchday.backends.ledger_sqlite_ahead import UNPREPARED, Ahead, Prepared
from matchday.backends.ledger_sqlite_reads import LedgerReads, Said
from matchday.backends.ledger_sqlite_rows import NOTHING, Players, RowStore
from matchday.backends.ledger_sqlite_undurable import Undurable
from matchday.backends.ledger_sqlite_worked import Question, only_page
from matchday.backends.sqlite import Database
from matchday.backends.writer import Post, Writer
from matchday.config import Storage
from matchday.model.bet import Bet
from matchday.model.ledger import (
    REFUSALS_MS,
    AccountView,
    Answer,
    Command,
    Entry,
    FreeBet,
    Offer,
    Referral,
    SettleBet,
    SettleBets,
)
from matchday.model.posting import PlacedBet, Rows, account_of, apply
from matchday.ports import Clock, LedgerUnavailable

_SCHEMA: Final = tuple(Path(__file__).with_name(f"ledger_sqlite{suffix}.sql") for suffix in ("", "_2", "_3", "_4"))

RECENT_MAX: Final = 4_096
"""Facts that are kept in memory (some 300 bytes each) for whoever carries them."""
_SEQ: Final = itemgetter(0)


class Recent:
    """The newest facts of the outbox that are durable. Who carries them asks a moment after their commit, and need not
    read the file."""

    def __init__(self, last: int, most: int = RECENT_MAX) -> None:
        """``last``: the ``seq`` of the newest fact of before."""
        self._after, self._most = last, most
        self._said: list[Said] = []
        """All facts after that one."""
        self.last = last
        """The ``seq`` of the newest of all."""

    def add(self, said: Sequence[Said]) -> None:
        """Those of a commit that is on the disk, in order."""
        if said:
            assert said[0][0] == self.last + 1, (said[0][0], self.last)  # or one would never be carried
            self.last = said[-1][0]
        self._said += said
        if (over := len(self._said) - self._most) > 0:
            self._after = self._said[over - 1][0]
            del self._said[:over]

    def read(self, after: int, limit: int) -> list[Said] | None:
        """So many of those after a ``seq``; None where one of them is not held any more."""
        if after < self._after:
            return None
        start = bisect_right(self._said, after, key=_SEQ)
        return self._said[start : start + limit]


def _nothing() -> Sequence[Command]:
    return ()


def _unheard(_accounts: Collection[str]) -> None:
    pass


class Batch(NamedTuple):
    """What one transaction is to do."""

    commands: Sequence[Command]
    prepared: Prepared = UNPREPARED
    """For a page of a settlement, the only command."""
    join: Callable[[], Sequence[Command]] = _nothing
    """What has arrived while the commands were applied, and is to be applied after them."""
    touches: Callable[[Collection[str]], None] = _unheard
    """Hears which accounts it changes, before anybody can read how."""


class Committed(NamedTuple):
    """What one transaction did."""

    answers: list[Answer]
    said: Sequence[Said]
    """The facts of it."""


class SqliteLedgerCore(LedgerReads):
    """The synchronous core: what a commit and a read do, without thread or clock."""

    def __init__(self, path: Path | str) -> None:
        self._database = Database(path, [script.read_text() for script in _SCHEMA])
        self._rows = RowStore(self._database.writer)

    def close(self) -> None:
        """Give up the file."""
        self._database.close()

    # --- writing ------------------------------------------------------------------------------------------------------

    def commit(self, commands: Sequence[Command]) -> list[Answer]:
        """Apply in order, in one transaction. sqlite3.Error: nothing of the batch is recorded."""
        return self.commit_joined(Batch(commands)).answers

    def commit_joined(self, batch: Batch) -> Committed:
        """The same, with what else a batch may bring."""
        try:
            with self._database.transaction():
                taken, commands, answers = NOTHING, batch.commands, list[Answer]()
                worked = batch.prepared.worked
                if worked is not None and (found := self._rows.take(worked)) is not None:
                    answers = [Answer(command.id, account_of(command)) for command in commands]
                    taken, commands = found, ()
                rows, players = self._rows.begin(taken)
                answers += self._apply(rows, players, commands, batch.prepared.read)
                if joined := batch.join():
                    answers += self._apply(rows, players, joined, {})
                said = [*taken.said, *self._rows.save(rows, players, [*commands, *joined])]
                batch.touches(rows.changed_accounts | taken.accounts)
        except BaseException:
            self._rows.forget()
            raise
        self._rows.committed(rows)
        return Committed(answers, said)

    @property
    def decided(self) -> int:
        """How often what is decided, or void, has changed."""
        return self._rows.decided

    def _apply(
        self, rows: Rows, players: Players, commands: Sequence[Command], read: Mapping[int, PlacedBet]
    ) -> list[Answer]:
        self._rows.load(rows, players, commands, read)
        return [apply(command, rows) for command in commands]

    def went_in(self) -> bool:
        """Whether the last commit, though it failed, is in the file after all."""
        newest = self._database.writer.execute("SELECT coalesce(max(entry), 0) FROM entries").fetchone()[0]
        return bool(newest >= self._rows.next_entry)

    def purge(self, now_ms: int) -> None:
        """Forget refusals that are older than their memory; some other time where the file takes nothing now."""
        with contextlib.suppress(sqlite3.OperationalError), self._database.transaction() as db:
            db.execute("DELETE FROM known WHERE refusal IS NOT NULL AND at_ms < ?", (now_ms - REFUSALS_MS,))

    @property
    def last_fact(self) -> int:
        """``seq`` of the newest fact."""
        return self._rows.next_fact - 1

    @property
    def database(self) -> Database:
        """For those who share its reads."""
        return self._database


Found = TypeVar("Found")
Done = Callable[[Sequence[Answer] | LedgerUnavailable], None]


class _Work(NamedTuple):
    commands: tuple[Command, ...]
    prepared: Prepared
    done: Done


def _size(work: _Work) -> int:
    return sum(len(command.numbers) if isinstance(command, SettleBets) else 1 for command in work.commands)


def _yields(commands: Sequence[Command]) -> bool:
    return all(isinstance(command, SettleBet | SettleBets) for command in commands)


def _refuse(written: Sequence[_Work], failure: LedgerUnavailable) -> None:
    for work in written:
        work.done(failure)


class SqliteLedger(LedgerReads):
    """The port: group commit on a thread of its own, the waits for the disk on another, reads on the caller's.

    Between a commit and the disk, what was committed can be read here, and is not told: facts are held back until they
    are durable, and whoever reads of an account that has just been changed waits for the same (``Undurable``).
    """

    def __init__(
        self,
        core: SqliteLedgerCore,
        clock: Clock,
        post: Post,
        settings: Storage,
        fatal: Callable[[BaseException], None],
    ) -> None:
        self._core = core
        self._database = core.database
        self._clock = clock
        self._listeners: list[Callable[[], None]] = []
        self._database.leave_syncs()
        self._recent = Recent(core.last_fact)
        self._undurable = Undurable(self._database.sync)
        self._checkpointer = Checkpointer(core.database, "ledger")
        self._writer: Writer[_Work] = Writer(
            "ledger", self._write, _size, settings.batch_max, post, fatal, self._undurable.sync
        )
        self._ahead = Ahead(core.database, post, fatal)

    def close(self) -> None:
        """Write what is waiting and stop."""
        self._ahead.close()
        self._writer.close()
        self._checkpointer.close()

    def purge(self, now_ms: int) -> None:
        """Forget refusals that are older than their memory, soon."""
        self._writer.do(lambda: self._core.purge(now_ms))

    def commit(self, commands: Sequence[Command], done: Done) -> None:
        """See ``Ledger.commit``."""
        yields = _yields(commands)

        def submit(prepared: Prepared) -> None:
            self._writer.submit(_Work(tuple(commands), prepared, done), yields=yields)

        if (page := only_page(commands)) is not None:
            self._ahead.prepare(Question(page, self._core.decided), submit)
        else:
            submit(UNPREPARED)

    def bets_on(self, selections: Sequence[str], after: int, limit: int) -> list[tuple[int, int]]:
        """See ``Ledger.bets_on``: they will be settled."""
        found = super().bets_on(selections, after, limit)
        if found:
            self._ahead.look(found[0][1], found[-1][1])
        return found

    def listen(self, heard: Callable[[], None]) -> None:
        """See ``Ledger.listen``."""
        self._listeners.append(heard)

    # --- writing ------------------------------------------------------------------------------------------------------

    def _write(self, group: Sequence[_Work], more: Callable[[], Sequence[_Work]]) -> Callable[[], None]:
        """On the writer's thread: one transaction for the whole group, and for what arrives while it is applied."""
        written = list(group)

        def join() -> list[Command]:
            written.extend(joined := more())
            return [command for work in joined for command in work.commands]

        def touches(accounts: Collection[str]) -> None:
            asked = [account_of(command) for work in written for command in work.commands]
            self._undurable.touches(frozenset(accounts).union(asked))

        try:
            commands = [command for work in group for command in work.commands]
            prepared = group[0].prepared if len(group) == 1 else UNPREPARED
            committed = self._core.commit_joined(Batch(commands, prepared, join, touches))
        except sqlite3.Error as error:
            if isinstance(error, sqlite3.IntegrityError) or self._core.went_in():
                raise
            self._undurable.failed()
            return partial(_refuse, written, LedgerUnavailable(str(error)))
        self._undurable.committed()
        self._checkpointer.wrote()
        return partial(self._answer, written, committed)

    def _answer(self, written: Sequence[_Work], committed: Committed) -> None:
        """Those who joined first: they are fans, and may have more at once."""
        self._recent.add(committed.said)
        found: list[tuple[_Work, Sequence[Answer]]] = []
        start = 0
        for work in written:
            found.append((work, committed.answers[start : start + len(work.commands)]))
            start += len(work.commands)
        for work, of_work in sorted(found, key=lambda each: _yields(each[0].commands)):
            work.done(of_work)
        if committed.said:
            for heard in self._listeners:
                heard()

    # --- reading ------------------------------------------------------------------------------------------------------

    def outbox(self, after: int, limit: int) -> list[Said]:
        """See ``Ledger.outbox``."""
        recent = self._recent.read(after, limit)
        if recent is not None:
            return recent
        return [fact for fact in super().outbox(after, limit) if _SEQ(fact) <= self._recent.last]

    def _seen(self, found: Found, account: str) -> Found:
        """What has been read of this account: once it is on the disk."""
        self._undurable.wait(account)
        return found

    def _durably(self, found: Found) -> Found:
        """What has been read of any: once it is on the disk."""
        self._undurable.wait(None)
        return found

    def account(self, account: str) -> AccountView | None:
        """See ``Ledger.account``."""
        return self._seen(self.account_at(account, self._clock.now_ms()), account)

    def answer(self, account: str, id_: str) -> Answer | None:
        """See ``Ledger.answer``. That there is none is so on the disk, too."""
        found = super().answer(account, id_)
        return found if found is None else self._seen(found, account)

    def bet(self, bet: str) -> Bet | None:
        """See ``Ledger.bet``."""
        found = super().bet(bet)
        return found if found is None else self._seen(found, found.account)

    def bets(self, account: str, *, open_only: bool, before: str | None, limit: int) -> list[Bet]:
        """See ``Ledger.bets``."""
        return self._seen(super().bets(account, open_only=open_only, before=before, limit=limit), account)

    def statement(self, account: str, before: int | None, limit: int) -> list[Entry]:
        """See ``Ledger.statement``."""
        return self._seen(super().statement(account, before, limit), account)

    def referral(self, account: str, id_: str) -> Referral | None:
        """See ``Ledger.referral``."""
        return self._seen(super().referral(account, id_), account)

    def offer(self, account: str, offer: str) -> Offer | None:
        """See ``Ledger.offer``."""
        return self._seen(super().offer(account, offer), account)

    def free_bets(self, account: str) -> list[FreeBet]:
        """See ``Ledger.free_bets``."""
        return self._seen(super().free_bets(account), account)

    def referrals(self, due_ms: int, limit: int, after: tuple[int, str, str] = (0, "", "")) -> list[Referral]:
        """See ``Ledger.referrals``."""
        return self._durably(super().referrals(due_ms, limit, after))

    def entries(self, after: int, limit: int) -> list[Entry]:
        """See ``Ledger.entries``."""
        return self._durably(super().entries(after, limit))

    def totals(self) -> dict[str, int]:
        """See ``Ledger.totals``."""
        return self._durably(super().totals())

    def open_bets(self) -> int:
        """See ``Ledger.open_bets``."""
        return self._durably(super().open_bets())
