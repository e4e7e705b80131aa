"""``bench ledger``: batches of checked bets, beside an append of the same bytes and a bare batch of the same rows.

The ledger's core alone, on a real file (WAL, synchronous=FULL), on this thread: every check and guard of a gate's bets
is made. Batches of the three take turns.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from itertools import count
from pathlib import Path
from typing import Final

import msgspec

from matchday.backends.clock_wall import uuid7
from matchday.backends.ledger_sqlite import SqliteLedgerCore
from matchday.bench.bare import Bare
from matchday.bench.figures import Row, compared
from matchday.bench.run import Run
from matchday.bench.sampler import sampled
from matchday.bench.stopwatch import SERVER_CORE, cpu_s, now_s, pinned
from matchday.model.bet import Leg, Policy
from matchday.model.ledger import Command, OpenAccount, PlaceBet, Transfer
from matchday.sim.settle_population import charges

BATCHES: Final = (1, 16, 64, 256)
FANS: Final = 512
NOW_MS: Final = 1_790_000_000_000
_GRANT: Final = 10**9


def accounts(fans: int = FANS) -> list[Command]:
    """Fans with money."""
    return [
        command
        for fan in _fans(fans)
        for command in (
            OpenAccount(f"open-{fan}", fan, "EUR", NOW_MS),
            Transfer(f"grant-{fan}", fan, _GRANT, "EUR", "grant", NOW_MS),
        )
    ]


def _fans(fans: int) -> list[str]:
    return [uuid7((NOW_MS - 1_000 << 74) + n) for n in range(fans)]


def bets(fans: int = FANS) -> Iterator[PlaceBet]:
    """Endless singles on many markets, each judged and charged as a gate does."""
    names = _fans(fans)
    legs = [
        Leg(f"F{match}", f"F{match}:{market}", f"F{match}:{market}/{outcome}", 2_000, 0)
        for match in range(6) for market in ("1x2", "total_goals@2.5", "next_goal@1") for outcome in ("a", "b", "c")
    ]  # fmt: skip
    for n in count():
        fan, leg = names[n % fans], legs[n % len(legs)]
        id_, bet = uuid7((NOW_MS << 74) + 2 * n), uuid7((NOW_MS << 74) + 2 * n + 1)
        yield PlaceBet(
            id_, fan, "EUR", 10, Policy.ANY, (leg,), bet, NOW_MS, (leg,), charges(fan, 10, (leg,))
        )  # fmt: skip


def measure(run: Run) -> list[Row]:
    """The rows of every size of batch."""
    if run.engine == "postgres":
        from matchday.bench import ledger_postgres  # its client is not installed everywhere

        return ledger_postgres.measure(run)
    rows: list[Row] = []
    with pinned(SERVER_CORE):
        for done, batch in enumerate(BATCHES):
            run.progress("ledger", done, len(BATCHES))
            rows += _of_batch(run, batch)
    run.progress("ledger", len(BATCHES), len(BATCHES))
    return rows


def _of_batch(run: Run, batch: int) -> list[Row]:
    """Rounds of some batches each, so many that a round takes a moment."""
    each = run.share(16 + 256 // batch, 4)
    made = bets()
    batches = [[next(made) for _ in range(batch)] for _ in range(run.rounds * each)]
    taken: list[tuple[_Spent, _Spent, _Spent]] = []
    with ExitStack() as stack:
        core = stack.enter_context(closing(SqliteLedgerCore(run.folder / f"ledger-{batch}.sqlite")))
        core.commit(accounts())
        flat = [bet for group in batches for bet in group]
        bare = stack.enter_context(closing(Bare(run.folder / f"bare-{batch}.sqlite", accounts(), flat, batch)))
        appended = stack.enter_context(closing(_Appended(run.folder / f"appended-{batch}")))
        for start in range(0, len(batches), each):
            ours, same, bytes_ = _Spent(), _Spent(), _Spent()
            for group in batches[start : start + each]:
                with ours:
                    core.commit(group)
                with same:
                    bare.write()
                data = b"".join(map(msgspec.json.encode, group))
                with bytes_:
                    appended.write(data)
            taken.append((ours, same, bytes_))
        if run.profile is not None:
            more = [[next(made) for _ in range(batch)] for _ in range(4 * each)]
            with sampled(run.profile.with_stem(f"{run.profile.stem}-{batch}")):
                for group in more:
                    core.commit(group)
    return _rows(batch, batch * each, taken)


def _rows(batch: int, count: int, taken: "Sequence[tuple[_Spent, _Spent, _Spent]]") -> list[Row]:
    what = "checked bets a second through the ledger's core, all guards on, durable"
    return [
        compared(
            f"ledger, batches of {batch}", what, "bets/s",
            [(count / ours.seconds, count / appended.seconds) for ours, _, appended in taken],
            reference="append of the same bytes + fdatasync",
        ),
        compared(
            f"ledger, batches of {batch}, bare", what, "bets/s",
            [(count / ours.seconds, count / bare.seconds) for ours, bare, _ in taken],
            reference="a bare batch: the same rows into the same tables, no guards",
        ),
        compared(
            f"ledger, batches of {batch}, CPU", "of the same, per bet", "us",
            [(1e6 * ours.cpu_s / count, 1e6 * bare.cpu_s / count) for ours, bare, _ in taken],
            reference="the bare batch",
        ),
    ]  # fmt: skip


class _Spent:
    """Time and CPU of this process spent in blocks."""

    def __init__(self) -> None:
        self.seconds = self.cpu_s = 0.0

    def __enter__(self) -> None:
        self._cpu, self._began = cpu_s(os.getpid()), now_s()

    def __exit__(self, *_: object) -> None:
        self.seconds += now_s() - self._began
        self.cpu_s += cpu_s(os.getpid()) - self._cpu


class _Appended:
    """A file that bytes are appended to, durably."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, data: bytes) -> None:
        """Append; on the disk when it returns."""
        os.write(self._file, data)
        os.fdatasync(self._file)

    def close(self) -> None:
        """Give up the file."""
        os.close(self._file)


def bare_cpu_us(bare: Bare, batches: int) -> float:
    """CPU microseconds of the next batches, each."""
    spent = _Spent()
    with pinned(SERVER_CORE), spent:
        for _ in range(batches):
            bare.write()
    return 1e6 * spent.cpu_s / batches
