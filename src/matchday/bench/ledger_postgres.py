"""``bench ledger --engine postgres``: batches of checked bets, beside a bare batch on the same server.

Two processes, as two gates are, each with the ledger's core over one connection and with shards of the guards of its
own. Beside them two processes that send bare batches: one statement that locks the accounts, leaves out known ids, sums
up what each account has left, inserts bets, pays, and posts twice (no guard, no leg, no outbox, nothing decoded,
encoded or remembered). Rounds of both take turns on a server of our own, on a disk with fsync on, which has the same
cores as they do; then again with a synchronous standby beside it.
"""

import multiprocessing
import random
from collections.abc import Iterator
from contextlib import ExitStack, closing
from itertools import islice
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import msgspec
import psycopg

from matchday.backends.clock_wall import uuid7
from matchday.backends.ledger_postgres import PostgresLedgerCore
from matchday.bench import ledger
from matchday.bench.figures import Row, Target, compared, unmeasured
from matchday.bench.on_disk import ON_DISK
from matchday.bench.postgres_server import Server, Servers, programs
from matchday.bench.run import Run
from matchday.bench.stopwatch import now_s
from matchday.collector import tune_gc
from matchday.config import Postgres
from matchday.model.ledger import OpenAccount, PlaceBet
from matchday.sim.settle_population import charges

BATCHES: Final = (16, 64, 256)
WRITERS: Final = 2
FANS: Final = 10_000
_BETS: Final = 4_096
"""Of a round, each process."""
_BETS_QUICK: Final = 512
_BEFORE: Final = 1_024
"""Bets before the first round: statements are prepared and planned by then."""
_BARE: Final = f"""
CREATE TABLE accounts (id int PRIMARY KEY, balance bigint NOT NULL CHECK (balance >= 0)) WITH (fillfactor = 70);
CREATE TABLE house (id int PRIMARY KEY, balance bigint NOT NULL) WITH (fillfactor = 50);
CREATE TABLE bets (key uuid PRIMARY KEY, account int NOT NULL, stake bigint NOT NULL, selection int NOT NULL);
CREATE TABLE postings (bet uuid NOT NULL, account int NOT NULL, amount bigint NOT NULL);
INSERT INTO accounts SELECT n, 1000000000 FROM generate_series(0, {FANS}) n;
INSERT INTO house SELECT n, 0 FROM generate_series(0, {WRITERS}) n
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
    with closing(Beside(run, server, f"bench_{done}")) as beside:
        rows = [beside.batches(size, with_) for size in sizes] + beside.hot(with_)
    run.progress("postgres", done + 1, 2)
    return rows


class Beside:
    """Our ledger and a bare one in databases of the same server, each with its processes."""

    def __init__(self, run: Run, server: Server, name: str) -> None:
        self._rounds, self._each = run.rounds, run.share(_BETS, _BETS_QUICK)
        addresses = [server.address(name), server.address(f"{name}_bare")]
        for database in (name, f"{name}_bare"):
            server.say(f"CREATE DATABASE {database}")
        with closing(PostgresLedgerCore(Postgres(address=addresses[0]))) as core:
            accounts = ledger.accounts(FANS)
            for start in range(0, len(accounts), 2_000):
                core.commit(accounts[start : start + 2_000])
        with psycopg.connect(addresses[1], autocommit=True) as bare:
            bare.execute(_BARE)
        with ExitStack() as stack:
            self._ours, self._bare = (
                stack.enter_context(closing(_Processes(kind, address)))
                for kind, address in zip(("ours", "bare"), addresses, strict=True)
            )
            self.close = stack.pop_all().close

    def batches(self, size: int, with_: str) -> Row:
        """Ours and the bare batch, in turns."""
        pairs = [
            (self._ours.rate("even", self._each, size), self._bare.rate("even", self._each, size))
            for _ in range(self._rounds)
        ]
        return compared(
            f"ledger on PostgreSQL, batches of {size}{with_}",
            f"checked bets a second by {WRITERS} processes, all guards and the outbox on, durable", "bets/s", pairs,
            reference=f"bare batches of bets and postings by {WRITERS} processes",
            target=Target(0.6, of_ratio=True, at_least=True),
        )  # fmt: skip

    def hot(self, with_: str) -> list[Row]:
        """One account, and one market, beside even load."""
        rows, size = list[Row](), 64
        for load in ("one account", "one market"):
            pairs = [
                (self._ours.rate(load, self._each, size), self._ours.rate("even", self._each, size))
                for _ in range(self._rounds)
            ]
            rows.append(compared(
                f"ledger on PostgreSQL, {load}{with_}", f"the same in batches of {size}, all bets on {load}", "bets/s",
                pairs, reference="spread over all accounts and markets",
                target=Target(0.5, of_ratio=True, at_least=True),
            ))  # fmt: skip
        return rows


class _Processes:
    """Processes that write the same number of bets at the same time."""

    def __init__(self, kind: str, address: str) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipes = []
        for writer in range(WRITERS):
            ours, theirs = context.Pipe()
            context.Process(target=_work, args=(kind, address, writer, theirs), daemon=True).start()
            self._pipes.append(ours)
        self._ask("even", _BEFORE, 64)

    def rate(self, load: str, count: int, size: int) -> float:
        """Bets a second."""
        times: list[tuple[float, float]] = self._ask(load, count, size)
        began, ended = zip(*times, strict=True)
        return WRITERS * count / (float(max(ended)) - float(min(began)))

    def _ask(self, load: str, count: int, size: int) -> list[Any]:
        self._tell((load, count, size))
        return self._tell("go")

    def _tell(self, word: object) -> list[Any]:
        for pipe in self._pipes:
            pipe.send(word)
        return [pipe.recv() for pipe in self._pipes]

    def close(self) -> None:
        """End them."""
        self._tell(None)


def _work(kind: str, address: str, writer: int, pipe: Pipe) -> None:
    """One process: makes what it is asked for, says so, and writes it when told to go."""
    store: _Ours | _Bare = _Ours(address, writer) if kind == "ours" else _Bare(address, writer)
    with closing(store):
        while (asked := pipe.recv()) is not None:
            batches = store.make(*asked)
            tune_gc()  # as a gate does
            pipe.send("made")
            pipe.recv()
            began = now_s()
            for batch in batches:
                store.write(batch)
            pipe.send((began, now_s()))
    pipe.send("closed")


class _Ours:
    """The ledger's core."""

    def __init__(self, address: str, writer: int) -> None:
        self._core = PostgresLedgerCore(Postgres(address=address))
        self._writer, self._chance = writer, random.Random(writer)
        self._fans = [command.account for command in ledger.accounts(FANS)[::2] if isinstance(command, OpenAccount)]
        self._bets = ledger.bets()
        self._made = (ledger.NOW_MS << 74) + (writer << 66)

    def make(self, load: str, count: int, size: int) -> list[list[PlaceBet]]:
        """Batches of bets by fans at random."""
        bets = self._of(load)
        return [list(islice(bets, size)) for _ in range(count // size)]

    def _of(self, load: str) -> Iterator[PlaceBet]:
        first = next(self._bets)
        for bet in self._bets:
            fan = self._fans[0] if load == "one account" else self._chance.choice(self._fans)
            legs = first.legs if load == "one market" else bet.legs
            self._made += 2
            yield msgspec.structs.replace(
                bet, account=fan, asked=legs, legs=legs, id=uuid7(self._made), bet=uuid7(self._made + 1),
                charges=charges(fan, bet.stake, legs, self._writer),
            )  # fmt: skip

    def write(self, batch: Any) -> None:
        """Commit; each must be accepted."""
        for answer in self._core.commit(batch):
            assert answer.refusal is None, answer

    def close(self) -> None:
        """Stop it."""
        self._core.close()


class _Bare:
    """A connection that sends bare batches."""

    def __init__(self, address: str, writer: int) -> None:
        options = "-c enable_seqscan=off -c jit=off"
        self._db = psycopg.connect(address, autocommit=True, prepare_threshold=0, options=options)
        self._writer, self._made, self._chance = writer, writer << 60, random.Random(writer)

    def make(self, load: str, count: int, size: int) -> list[tuple[object, ...]]:  # noqa: ARG002 - as of _Ours
        """Batches of bets by accounts at random."""
        found: list[tuple[object, ...]] = []
        for _ in range(count // size):
            numbers = range(self._made, self._made + size)
            self._made += size
            accounts = [self._chance.randrange(FANS) for _ in numbers]
            selections = [n % 54 for n in numbers]
            found.append(([UUID(int=n) for n in numbers], accounts, [10] * size, selections, accounts, self._writer))
        return found

    def write(self, batch: Any) -> None:
        """One transaction."""
        assert len(self._db.execute(_BATCH, batch).fetchall()) == len(batch[0])

    def close(self) -> None:
        """Give up the connection."""
        self._db.close()
