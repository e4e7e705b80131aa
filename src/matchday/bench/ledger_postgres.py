"""``bench ledger --engine postgres``: batches of checked bets, beside a bare batch on the same server.

The driver whole, with its writers' threads; two of them, as many connections as the bare batch has. That is one statement:
lock the accounts, leave out known ids, sum up what each has left, insert bets, pay, post twice (no guard, no leg, no
outbox, nothing decoded or remembered). Rounds of all take turns on a server of our own on a disk, fsync on, which has the
same two cores; then again with a synchronous standby beside it.
"""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from itertools import islice
from pathlib import Path
from typing import Final
from uuid import UUID

import msgspec
import psycopg

from matchday.backends.ledger_postgres import PostgresLedger
from matchday.bench import ledger
from matchday.bench.figures import Row, Target, compared, unmeasured
from matchday.bench.postgres_server import Server, Servers, programs
from matchday.bench.progress import ON_DISK
from matchday.bench.run import Run
from matchday.bench.stopwatch import now_s
from matchday.config import Postgres
from matchday.model.ledger import Answer, Command, PlaceBet
from matchday.ports import LedgerUnavailable
from matchday.sim.clock import VirtualClock
from matchday.sim.settle_population import charges

BATCHES: Final = (16, 64, 256)
WRITERS: Final = 2
_FANS: Final = 10_240
_BETS: Final = 16_384
"""Of a round."""
_BETS_QUICK: Final = 1_024
_BARE: Final = """
CREATE TABLE accounts (id int PRIMARY KEY, balance bigint NOT NULL CHECK (balance >= 0)) WITH (fillfactor = 70);
CREATE TABLE house (id int PRIMARY KEY, balance bigint NOT NULL) WITH (fillfactor = 50);
CREATE TABLE bets (key uuid PRIMARY KEY, account int NOT NULL, stake bigint NOT NULL, selection int NOT NULL);
CREATE TABLE postings (bet uuid NOT NULL, account int NOT NULL, amount bigint NOT NULL);
INSERT INTO accounts SELECT n, 1000000000 FROM generate_series(0, {fans}) n;
INSERT INTO house SELECT n, 0 FROM generate_series(0, {writers}) n
"""
_BATCH: Final = """WITH
asked AS (SELECT * FROM unnest(%s::uuid[], %s::int[], %s::bigint[], %s::int[]) WITH ORDINALITY
  v (key, account, stake, selection, n)),
locked AS MATERIALIZED (SELECT id, balance FROM accounts WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE),
fresh AS (SELECT a.*, l.balance, sum(a.stake) OVER (PARTITION BY a.account ORDER BY a.n) AS needed
  FROM asked a JOIN locked l ON l.id = a.account WHERE NOT EXISTS (SELECT FROM bets b WHERE b.key = a.key)),
taken AS (INSERT INTO bets SELECT key, account, stake, selection FROM fresh WHERE needed <= balance
  ON CONFLICT DO NOTHING RETURNING key, account, stake),
paid AS (UPDATE accounts SET balance = accounts.balance - t.stake
  FROM (SELECT account, sum(stake) AS stake FROM taken GROUP BY account) t WHERE accounts.id = t.account),
won AS (UPDATE house SET balance = balance + (SELECT coalesce(sum(stake), 0) FROM taken) WHERE id = %s),
posted AS (INSERT INTO postings SELECT key, account, -stake FROM taken UNION ALL SELECT key, -1, stake FROM taken)
SELECT key FROM taken"""


def measure(run: Run) -> list[Row]:
    """Its rows, or why there are none."""
    if programs() is None:
        why = "PostgreSQL 15 or newer is not here (apt-get install postgresql)"
        return [unmeasured("ledger on PostgreSQL", "checked bets a second", "bets/s", why)]
    with closing(Servers(Path(ON_DISK))) as servers:
        primary = servers.new("primary")
        rows = _rows(run, primary, "", done=0)
        servers.new("standby", primary)
        primary.require("standby")
        return rows + _rows(run, primary, ", synchronous standby", done=1)


def _rows(run: Run, server: Server, with_: str, done: int) -> list[Row]:
    run.progress("postgres", done, 2)
    sizes = (64,) if with_ or run.quick else BATCHES
    with closing(_Beside(run, server, f"bench_{done}")) as bench:
        rows = [bench.batches(size, with_) for size in sizes]
        rows += bench.hot(with_)
    run.progress("postgres", done + 1, 2)
    return rows


class _Beside:
    """Our ledger and a bare one in databases of the same server."""

    def __init__(self, run: Run, server: Server, name: str) -> None:
        self._rounds, self._each = run.rounds, run.share(_BETS, _BETS_QUICK)
        with ExitStack() as stack:
            for database in (name, f"{name}_bare"):
                server.say(f"CREATE DATABASE {database}")
            self._ours = stack.enter_context(closing(_Ours(server.address(name))))
            self._bare = stack.enter_context(closing(_Bare(server.address(f"{name}_bare"))))
            self.close = stack.pop_all().close
        self._bets = ledger.bets(_FANS)

    def batches(self, size: int, with_: str) -> Row:
        """Ours and the bare batch, in turns; the first turns do not count."""
        self._bare.rate(self._each // 4, size), self._ours.rate(self._of(self._bets, size))
        pairs = []
        for _ in range(self._rounds):
            ours = self._ours.rate(self._of(self._bets, size))
            pairs.append((ours, self._bare.rate(self._each, size)))
        return compared(
            f"ledger on PostgreSQL, batches of {size}{with_}",
            f"checked bets a second by {WRITERS} writers, all guards and the outbox on, durable", "bets/s", pairs,
            reference=f"bare batches of bets and postings by {WRITERS} connections",
            target=Target(0.6, of_ratio=True, at_least=True),
        )  # fmt: skip

    def _of(self, bets: Iterator[PlaceBet], size: int) -> list[list[PlaceBet]]:
        return [list(islice(bets, size)) for _ in range(self._each // size)]

    def hot(self, with_: str) -> list[Row]:
        """One account, and one market, beside even load."""
        rows, size, first = list[Row](), 64, next(self._bets)
        for name, changes in (
            ("one account", {"account": first.account}), ("one market", {"asked": first.legs, "legs": first.legs}),
        ):  # fmt: skip
            bets = (_charged(msgspec.structs.replace(bet, **changes)) for bet in self._bets)
            pairs = []
            for _ in range(self._rounds):
                rate = self._ours.rate(self._of(bets, size))
                pairs.append((rate, self._ours.rate(self._of(self._bets, size))))
            rows.append(compared(
                f"ledger on PostgreSQL, {name}{with_}", f"the same in batches of {size}, all bets on {name}", "bets/s",
                pairs, reference="spread over all accounts and markets",
                target=Target(0.5, of_ratio=True, at_least=True),
            ))  # fmt: skip
        return rows


def _charged(bet: PlaceBet) -> PlaceBet:
    return msgspec.structs.replace(bet, charges=charges(bet.account, bet.stake, bet.legs))


class _Ours:
    """The driver; what would go to a room's thread is called at once."""

    def __init__(self, address: str) -> None:
        settings = Postgres(address=address, writers=WRITERS, batch_max=1)  # every commit is a batch
        self._fatal: list[BaseException] = []
        self._ledger = PostgresLedger(settings, VirtualClock(seed=1), lambda call: call(), self._fatal.append)
        accounts = ledger.accounts(_FANS)
        self.rate([accounts[start : start + 1_024] for start in range(0, len(accounts), 1_024)])

    def rate(self, batches: Sequence[Sequence[Command]]) -> float:
        """Commands a second, all handed over at once."""
        left, over, refused = [len(batches)], threading.Event(), list[object]()

        def done(answers: Sequence[Answer] | LedgerUnavailable) -> None:
            if isinstance(answers, LedgerUnavailable) or any(answer.refusal for answer in answers):
                refused.append(answers)
            left.append(0)
            if len(left) > left[0]:
                over.set()

        began = now_s()
        for batch in batches:
            self._ledger.commit(batch, done)
        while not over.wait(1):
            if self._fatal:
                raise self._fatal[0]
        seconds = now_s() - began
        if refused:
            raise RuntimeError(f"bets of the bench were refused: {refused[0]}")
        return sum(map(len, batches)) / seconds

    def close(self) -> None:
        """Stop it."""
        self._ledger.close()


class _Bare:
    """Connections that send bare batches."""

    def __init__(self, address: str) -> None:
        with psycopg.connect(address, autocommit=True) as first:
            first.execute(_BARE.format(fans=_FANS, writers=WRITERS))
        options = "-c enable_seqscan=off -c jit=off"
        self._connections = [
            psycopg.connect(address, autocommit=True, prepare_threshold=0, options=options) for _ in range(WRITERS)
        ]
        self._pool = ThreadPoolExecutor(WRITERS)
        self._made = 0

    def rate(self, count: int, size: int) -> float:
        """Bets a second."""
        works = [self._batches(writer, count // size // WRITERS, size) for writer in range(WRITERS)]
        began = now_s()
        taken = sum(self._pool.map(self._write, range(WRITERS), works))
        return taken / (now_s() - began)

    def _batches(self, writer: int, count: int, size: int) -> list[tuple[object, ...]]:
        found: list[tuple[object, ...]] = []
        for _ in range(count):
            numbers = range(self._made, self._made + size)
            self._made += size
            accounts = [n % _FANS for n in numbers]
            selections = [n % 54 for n in numbers]
            found.append(([UUID(int=n) for n in numbers], accounts, [10] * size, selections, accounts, writer))
        return found

    def _write(self, writer: int, batches: Sequence[tuple[object, ...]]) -> int:
        connection = self._connections[writer]
        return sum(len(connection.execute(_BATCH, values).fetchall()) for values in batches)

    def close(self) -> None:
        """Give them up."""
        self._pool.shutdown()
        for connection in self._connections:
            connection.close()
