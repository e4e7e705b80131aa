"""A ledger that was restored, among the stores that its settings name: looked at, compared, and put back to work."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from matchday.app.aftermath import HEAR_AGAIN_MS, Aftermath, Comparison, hear_again
from matchday.app.errors import StartError
from matchday.app.stores import open_books, open_log
from matchday.backends.clock_wall import WallClock
from matchday.backends.ledger_sqlite import SqliteLedgerCore
from matchday.config import Settings
from matchday.ports import Log


class Rejoined(msgspec.Struct, frozen=True, kw_only=True):
    """What was done before rooms start."""

    numbered_above: int
    """Entries and facts have higher numbers from now on."""
    heard_again: list[tuple[int, int, int]]
    """Partition of the decisions, settlement's position before, and now."""


def at_server(settings: Settings, address: str) -> Settings:
    """The same platform with its ledger on another server."""
    replace = msgspec.structs.replace
    return replace(
        settings, ledger=replace(settings.ledger, kind="postgres"),
        postgres=replace(settings.postgres, address=address, standby=""),
    )  # fmt: skip


def after(settings: Settings, data: Path, former: str) -> Aftermath:
    """What a restored ledger lacks, by its former server (a connection string, or a data folder; empty: it is gone) and
    the log on Kafka, if that is what the platform has. StartError where there is neither."""
    with ExitStack() as stack:
        restored = stack.enter_context(open_books(settings, data))
        witness = None
        if former and settings.ledger.kind == "postgres":
            witness = stack.enter_context(open_books(at_server(settings, former), data))
        elif former:
            witness = stack.enter_context(open_books(settings, Path(former)))
        log = stack.enter_context(_log(settings)) if settings.log.kind == "kafka" else None
        if witness is None and log is None:
            raise StartError(
                "nobody is left to ask what came after: name the former server or data folder with --former, or "
                "settings of a platform with a log on Kafka with --config"
            )
        return Comparison(restored, witness, log).run()


def rejoin(settings: Settings, former: str, restored_to_ms: int) -> Rejoined:
    """Have the restored ledger and the log go together again. Nobody of the platform may run."""
    if (settings.ledger.kind, settings.log.kind) != ("postgres", "kafka"):
        raise StartError(
            "there is nothing to rejoin: an embedded ledger is restored with its own log; settings ledger.kind and "
            'log.kind would be "postgres" and "kafka"'
        )
    found = after(settings, Path(), former)
    with open_books(settings, Path()) as books, _log(settings) as log:
        assert not isinstance(books, SqliteLedgerCore), "its settings were looked at"
        books.number_above(found.highest)
        moved = hear_again(log, restored_to_ms - HEAR_AGAIN_MS)
    return Rejoined(numbered_above=found.highest, heard_again=list(moved))


@contextmanager
def _log(settings: Settings) -> Iterator[Log]:
    """The log, for somebody who waits for nothing else."""
    failed: list[BaseException] = []
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        with open_log(settings, Path(), WallClock(loop), loop.call_soon_threadsafe, failed.append) as log:
            yield log
    if failed:
        raise failed[0]
