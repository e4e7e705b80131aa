"""Stores: the log, the ledger and the shares of a process, by its settings."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from matchday.app.errors import StartError
from matchday.backends.ledger_sqlite import SqliteLedger, SqliteLedgerCore
from matchday.backends.log_sqlite import SqliteLog, SqliteLogCore
from matchday.backends.shares_alone import SharesAlone
from matchday.backends.writer import Post
from matchday.config import Settings
from matchday.ports import Clock, Ledger, Log, Shares

Fatal = Callable[[BaseException], None]
KEEP_HOUSE_MS = 300_000
"""Milliseconds between two looks for what is no longer kept."""


class Stores(NamedTuple):
    """What the rooms of a process share with those of others."""

    log: Log
    ledger: Ledger
    shares: Shares


@contextlib.contextmanager
def open_stores(settings: Settings, data: Path, clock: Clock, post: Post, fatal: Fatal) -> Iterator[Stores]:
    """The stores that the settings name, until the block ends. StartError or BackendError where there is one that
    cannot be used."""
    with contextlib.ExitStack() as stack:
        if "sqlite" in (settings.log.kind, settings.ledger.kind):
            _make_folder(data)
        log, ledger = stack.enter_context(stores(data, clock, post, settings, fatal))
        _keep_house(clock, log, ledger, settings)
        yield Stores(log, ledger, SharesAlone(clock, log.count))


def _make_folder(data: Path) -> None:
    try:
        data.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StartError(f"data folder {data}: {error.strerror}; choose another with --data DIR") from error


@contextlib.contextmanager
def stores(
    data: Path, clock: Clock, post: Post, settings: Settings, fatal: Fatal
) -> Iterator[tuple[SqliteLog, SqliteLedger]]:
    """The embedded log and ledger of a data folder, each with its writer's thread, until the block ends."""
    with contextlib.ExitStack() as stack:
        log_core = stack.enter_context(contextlib.closing(SqliteLogCore(data / "log.sqlite", clock.new_id)))
        ledger_core = stack.enter_context(contextlib.closing(SqliteLedgerCore(data / "ledger.sqlite")))
        log = SqliteLog(log_core, clock, post, settings.storage, fatal)
        stack.callback(log.close)
        ledger = SqliteLedger(ledger_core, clock, post, settings.storage, fatal)
        stack.callback(ledger.close)
        yield log, ledger


def _keep_house(clock: Clock, log: SqliteLog, ledger: SqliteLedger, settings: Settings) -> None:
    """Every few minutes: drop what the log no longer keeps and refusals past their memory."""
    keep_ms = round(settings.storage.log_hours * 3_600_000)

    def house() -> None:
        log.trim(clock.now_ms() - keep_ms)
        ledger.purge(clock.now_ms())
        clock.call_later(KEEP_HOUSE_MS, house)

    clock.call_later(KEEP_HOUSE_MS, house)
