"""``bench ledger --engine postgres``: batches of checked bets, beside a bare batch on the same server.

Two processes, as two gates are, each with the ledger's core over one connection, with shards of the guards of its own
and with fans of its own: a fan is at one gate. Beside them two processes that send bare batches, of fans of their own
as well: one statement that locks the accounts, leaves out known ids, sums up what each account has left, inserts bets,
pays, and posts twice (no guard, no leg, no outbox, nothing decoded, encoded or remembered). Rounds of both take turns
on a server of our own, on a disk with fsync on, which has the same cores as they do; then again with a synchronous
standby beside it. What a bet costs the gates and the server is measured in the same rounds, and, for comparison, how
fast both gates are where every fan is at both at once and they wait for each other's locks.
"""

import multiprocessing
import random
from collections.abc import Iterator
from contextlib import ExitStack, closing
from itertools import islice
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from time import process_time
from typing import Any, Final, NamedTuple
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
from matchday.bench.stopwatch import now_s, trees_cpu_s
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
        rows = [row for size in sizes for row in beside.batches(size, with_)] + beside.hot(with_)
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
                stack.enter_context(closing(_Processes(kind, address, server.process)))
                for kind, address in zip(("ours", "bare"), addresses, strict=True)
            )
            self.close = stack.pop_all().close

    def batches(self, size: int, with_: str) -> list[Row]:
        """Ours and the bare batch, in turns: how fast, and what it costs whom."""
        rounds = [
            (self._ours.spent("even", self._each, size), self._bare.spent("even", self._each, size))
            for _ in range(self._rounds)
        ]
        name, reference = f"ledger on PostgreSQL, batches of {size}{with_}", f"bare batches by {WRITERS} processes"
        return [
            compared(
                name, f"checked bets a second by {WRITERS} processes, all guards and the outbox on, durable", "bets/s",
                [(ours.rate, bare.rate) for ours, bare in rounds], reference=f"{reference}: bets and postings",
                target=Target(0.6, of_ratio=True, at_least=True),
            ),
            compared(
                f"{name}: CPU of gates", "of a bet, in both processes", "us",
                [(ours.gates_us, bare.gates_us) for ours, bare in rounds], reference=reference,
            ),
            compared(
                f"{name}: CPU of PostgreSQL", "of a bet, in all of the server's processes", "us",
                [(ours.server_us, bare.server_us) for ours, bare in rounds], reference=reference,
            ),
        ]  # fmt: skip

    def hot(self, with_: str) -> list[Row]:
        """One account, one market, and fans who are at both gates, beside even load."""
        rows, half = list[Row](), Target(0.5, of_ratio=True, at_least=True)
        loads = (("one account", 64, half), ("one market", 64, half), ("all fans at both gates", 256, None))
        for load, size, target in loads:
            pairs = [
                (self._ours.spent(load, self._each, size).rate, self._ours.spent("even", self._each, size).rate)
                for _ in range(self._rounds)
            ]
            rows.append(compared(
                f"ledger on PostgreSQL, {load}{with_}", f"the same in batches of {size}: {load}", "bets/s",
                pairs, reference="spread over all markets and accounts, each at one gate", target=target,
            ))  # fmt: skip
        return rows


class Spent(NamedTuple):
    """A round."""

    rate: float
    """Bets a second of both processes together."""
    gates_us: float
    """CPU of a bet in the process that commits it, in microseconds."""
    server_us: float
    """The same in all processes of the server, its standby's not among them."""


class _Processes:
    """Processes that write the same number of bets at the same time."""

    def __init__(self, kind: str, address: str, server: int) -> None:
        self._server = server
        context = multiprocessing.get_context("spawn")
        self._pipes = []
        for writer in range(WRITERS):
            ours, theirs = context.Pipe()
            context.Process(target=_work, args=(kind, address, writer, theirs), daemon=True).start()
            self._pipes.append(ours)
        self._tell(("even", _BEFORE, 64))
        self._tell("go")

    def spent(self, load: str, count: int, size: int) -> Spent:
        """A round of it, each process as many bets."""
        self._tell((load, count, size))
        before = trees_cpu_s([self._server])[self._server]
        times: list[tuple[float, float, float]] = self._tell("go")
        server_s = trees_cpu_s([self._server])[self._server] - before
        began, ended, cpu_s = zip(*times, strict=True)
        bets = WRITERS * count
        return Spent(bets / (max(ended) - min(began)), 1e6 * sum(cpu_s) / bets, 1e6 * server_s / bets)

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
            began, cpu_s = now_s(), process_time()
            for batch in batches:
                store.write(batch)
            pipe.send((began, now_s(), process_time() - cpu_s))
    pipe.send("closed")


class _Ours:
    """The ledger's core."""

    def __init__(self, address: str, writer: int) -> None:
        self._core = PostgresLedgerCore(Postgres(address=address))
        self._writer, self._chance = writer, random.Random(writer)
        self._fans = [command.account for command in ledger.accounts(FANS)[::2] if isinstance(command, OpenAccount)]
        self._own = self._fans[writer::WRITERS]
        self._bets = ledger.bets()
        self._made = (ledger.NOW_MS << 74) + (writer << 66)

    def make(self, load: str, count: int, size: int) -> list[list[PlaceBet]]:
        """Batches of bets by its fans at random."""
        bets = self._of(load)
        return [list(islice(bets, size)) for _ in range(count // size)]

    def _of(self, load: str) -> Iterator[PlaceBet]:
        first = next(self._bets)
        fans = {"one account": self._fans[:1], "all fans at both gates": self._fans}.get(load, self._own)
        for bet in self._bets:
            fan = self._chance.choice(fans)
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
        """Batches of bets by its accounts at random."""
        found: list[tuple[object, ...]] = []
        for _ in range(count // size):
            numbers = range(self._made, self._made + size)
            self._made += size
            accounts = [self._chance.randrange(self._writer, FANS, WRITERS) for _ in numbers]
            selections = [n % 54 for n in numbers]
            found.append(([UUID(int=n) for n in numbers], accounts, [10] * size, selections, accounts, self._writer))
        return found

    def write(self, batch: Any) -> None:
        """One transaction."""
        assert len(self._db.execute(_BATCH, batch).fetchall()) == len(batch[0])

    def close(self) -> None:
        """Give up the connection."""
        self._db.close()
