"""Stores: the log, the ledger and the shares of a process, by its settings. Servers' clients are only loaded where they
are used: they come with ``matchday[cluster]``."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import msgspec

from matchday.app.errors import StartError
from matchday.backends.cache_driver import CacheDriver, Server
from matchday.backends.errors import client_of
from matchday.backends.ledger_sqlite import SqliteLedger, SqliteLedgerCore
from matchday.backends.load_sqlite import FILE as LOAD
from matchday.backends.load_sqlite import LoadCore, LoadStore, Minute
from matchday.backends.log_sqlite import SqliteLog, SqliteLogCore
from matchday.backends.shares_alone import SharesAlone
from matchday.backends.writer import Post
from matchday.config import Settings
from matchday.counts import Load
from matchday.ports import Cache, Clock, Lag, Ledger, Log, Shares

if TYPE_CHECKING:
    from matchday.backends.ledger_postgres import PostgresLedgerCore

Fatal = Callable[[BaseException], None]
KEEP_HOUSE_MS: Final = 300_000
"""Milliseconds between two looks for what is no longer kept."""
_READ_MS_MAX: Final = 3_600_000
"""Milliseconds of one read where nobody waits: a sum over all entries takes minutes."""


class Stores(NamedTuple):
    """What the rooms of a process share with those of others."""

    log: Log
    ledger: Ledger
    shares: Shares
    cache: Cache | None = None
    """None: this process is alone, and needs nothing that others would have to know."""
    lag: Callable[[], Lag] = Lag
    """How far this process is behind the log. One that is alone hears what it has just said."""


class KeptLedger(Ledger, Protocol):
    """A ledger that forgets what it need not remember when it is told to."""

    def purge(self, now_ms: int) -> None:
        """Forget refusals past their memory."""


@contextlib.contextmanager
def open_stores(settings: Settings, data: Path, clock: Clock, post: Post, fatal: Fatal) -> Iterator[Stores]:
    """The stores that the settings name, until the block ends. StartError or BackendError where there is one that
    cannot be used."""
    _check(settings)
    if "sqlite" in (settings.log.kind, settings.ledger.kind):
        _make_folder(data)
    with contextlib.ExitStack() as stack:
        ledger: KeptLedger
        identity = f"ledger of {settings.postgres.platform}"
        if settings.ledger.kind == "postgres":
            ledger, id_ = stack.enter_context(_postgres(settings, clock, post, fatal))
            identity += f", {id_}"
        else:
            ledger = stack.enter_context(_ledger_of_folder(data, clock, post, settings, fatal))
        _keep_house(clock, lambda: ledger.purge(clock.now_ms()))
        log: Log
        shares: Shares
        lag: Callable[[], Lag] = Lag
        if settings.log.kind == "kafka":
            log, shares, lag = stack.enter_context(_kafka(settings, clock, post, fatal, identity))
        else:
            log = embedded = stack.enter_context(_log_of_folder(data, clock, post, settings, fatal))
            shares = SharesAlone(clock, embedded.count)
            keep_ms = round(settings.storage.log_hours * 3_600_000)
            _keep_house(clock, lambda: embedded.trim(clock.now_ms() - keep_ms))
        cache = None if settings.cache.kind == "none" else stack.enter_context(_cache(settings, clock, post))
        yield Stores(log, ledger, shares, cache, lag)


@contextlib.contextmanager
def stores(
    data: Path, clock: Clock, post: Post, settings: Settings, fatal: Fatal
) -> Iterator[tuple[SqliteLog, SqliteLedger]]:
    """The embedded log and ledger of a data folder, each with its writer's thread, until the block ends."""
    with (
        _log_of_folder(data, clock, post, settings, fatal) as log,
        _ledger_of_folder(data, clock, post, settings, fatal) as ledger,
    ):
        yield log, ledger


@contextlib.contextmanager
def open_log(settings: Settings, data: Path, clock: Clock, post: Post, fatal: Fatal) -> Iterator[Log]:
    """The log alone, whosever it is. StartError or BackendError where it cannot be used."""
    _check(settings)
    if settings.log.kind == "kafka":
        with _kafka(settings, clock, post, fatal, None) as (log, _, _):
            yield log
        return
    if not (data / "log.sqlite").is_file():
        raise StartError(
            f"data folder {data} has no log; name that of a platform that has been started, with --data DIR"
        )
    with _log_of_folder(data, clock, post, settings, fatal) as embedded:
        yield embedded


@contextlib.contextmanager
def open_books(settings: Settings, data: Path) -> "Iterator[SqliteLedgerCore | PostgresLedgerCore]":
    """The ledger alone, to read all of it: no read is hurried. StartError or BackendError where it cannot be used."""
    _check(settings)
    if settings.ledger.kind == "postgres":
        with client_of("PostgreSQL", StartError):
            from matchday.backends.ledger_postgres import PostgresLedgerCore
        patient = msgspec.structs.replace(settings.postgres, read_ms_max=_READ_MS_MAX)
        with contextlib.closing(PostgresLedgerCore(patient)) as shared:
            yield shared
        return
    if not (data / "ledger.sqlite").is_file():
        raise StartError(f"folder {data} has no ledger; name that of a platform that has been started, with --data DIR")
    with contextlib.closing(SqliteLedgerCore(data / "ledger.sqlite")) as embedded:
        yield embedded


# --- a folder ---------------------------------------------------------------------------------------------------------


def _make_folder(data: Path) -> None:
    try:
        data.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StartError(f"data folder {data}: {error.strerror}; choose another with --data DIR") from error


@contextlib.contextmanager
def _log_of_folder(data: Path, clock: Clock, post: Post, settings: Settings, fatal: Fatal) -> Iterator[SqliteLog]:
    with (
        contextlib.closing(SqliteLogCore(data / "log.sqlite", clock.new_id)) as core,
        contextlib.closing(SqliteLog(core, clock, post, settings.storage, fatal)) as log,
    ):
        yield log


@contextlib.contextmanager
def _ledger_of_folder(data: Path, clock: Clock, post: Post, settings: Settings, fatal: Fatal) -> Iterator[SqliteLedger]:
    with (
        contextlib.closing(SqliteLedgerCore(data / "ledger.sqlite")) as core,
        contextlib.closing(SqliteLedger(core, clock, post, settings.storage, fatal)) as ledger,
    ):
        yield ledger


@contextlib.contextmanager
def open_load(settings: Settings, data: Path, post: Post, fatal: Fatal) -> Iterator[Callable[[int, int, Load], None]]:
    """What takes the load of each minute, of a folder whose ledger is open, until the block ends."""
    with (
        contextlib.closing(LoadCore(data / LOAD, settings.recorder.keep_days)) as core,
        contextlib.closing(LoadStore(core, post, fatal)) as store,
    ):
        yield lambda minute, covered_ms, load: store.add(Minute(minute, covered_ms, load))


def _keep_house(clock: Clock, look: Callable[[], None]) -> None:
    """Every few minutes: drop what is no longer kept."""

    def house() -> None:
        look()
        clock.call_later(KEEP_HOUSE_MS, house)

    clock.call_later(KEEP_HOUSE_MS, house)


# --- servers ----------------------------------------------------------------------------------------------------------


def _check(settings: Settings) -> None:
    """What is named is used, and what is used is named."""
    for part, kind, server, named in (
        ("log", settings.log.kind, "kafka.brokers", settings.kafka.brokers),
        ("ledger", settings.ledger.kind, "postgres.address", settings.postgres.address),
    ):
        kind_of_server = server.partition(".")[0]
        if kind == kind_of_server and not named:
            raise StartError(f'setting {server} is missing, and {part}.kind is "{kind}"; say where it is')
        if kind != kind_of_server and named:
            raise StartError(
                f'setting {server} says where it is, but {part}.kind is "{kind}"; set it to "{kind_of_server}"'
            )


@contextlib.contextmanager
def _kafka(
    settings: Settings, clock: Clock, post: Post, fatal: Fatal, identity: str | None
) -> Iterator[tuple[Log, Shares, Callable[[], Lag]]]:
    """``identity``: of who opens it; None where somebody only looks. Then it is not asked which ledger it goes with
    either."""
    with client_of("Kafka", StartError):
        from matchday.backends.log_kafka import KafkaLog
        from matchday.backends.shares_kafka import SharesKafka
    with (
        contextlib.closing(KafkaLog(settings.kafka, clock, post, fatal, identity)) as log,
        contextlib.closing(SharesKafka(settings.kafka, post, fatal)) as shares,
    ):
        if identity is not None and settings.ledger.kind == "postgres":
            from matchday.backends.ledger_postgres_schema import goes_with

            goes_with(settings.postgres, log.id)
        yield log, shares, log.lag


@contextlib.contextmanager
def _postgres(settings: Settings, clock: Clock, post: Post, fatal: Fatal) -> Iterator[tuple[KeptLedger, str]]:
    """A ledger and its id."""
    with client_of("PostgreSQL", StartError):
        from matchday.backends.ledger_postgres import postgres_ledger
    with postgres_ledger(settings.postgres, clock, post, fatal) as ledger:
        yield ledger, ledger.id


def adopt(settings: Settings) -> str:
    """Have the ledger that the settings name go with the log that they name, from now on; the log's id. For a ledger
    whose log is lost, while nobody uses either. StartError or BackendError where that cannot be."""
    _check(settings)
    if (settings.log.kind, settings.ledger.kind) != ("kafka", "postgres"):
        raise StartError('settings log.kind and ledger.kind: only servers can be mistaken; set "kafka" and "postgres"')
    with client_of("Kafka", StartError):
        from matchday.backends.kafka_topics import Topics
    with client_of("PostgreSQL", StartError):
        from matchday.backends.ledger_postgres_schema import goes_with
    log = Topics(settings.kafka).log_id()
    goes_with(settings.postgres, log, from_now_on=True)
    return log


@contextlib.contextmanager
def _cache(settings: Settings, clock: Clock, post: Post) -> Iterator[Cache]:
    server: Server
    if not settings.cache.address:
        raise StartError(
            f'setting cache.address is missing, and cache.kind is "{settings.cache.kind}"; say where it is'
        )
    try:
        if settings.cache.kind == "redis":
            with client_of("Redis", StartError):
                from matchday.backends.cache_redis import RedisServer
            server = RedisServer(settings.cache)
        else:
            with client_of("Memcached", StartError):
                from matchday.backends.cache_memcached import MemcachedServer
            server = MemcachedServer(settings.cache)
    except ValueError as error:
        raise StartError(f"setting cache.address: {error}") from error
    with contextlib.closing(CacheDriver(server, clock, post)) as cache:
        yield cache
