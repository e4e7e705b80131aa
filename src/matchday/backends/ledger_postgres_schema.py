"""The ledger's schema on PostgreSQL: ordered migrations, whose ledger it is, and which log it goes with.

Each file of ``ledger_postgres_sql`` takes the schema from one version to the next; its first line says the oldest
version that code must know to run on it (``-- needs: 3``). So old code runs on a newer schema as long as that allows
it, which is what lets processes be replaced one after the other; where it does not, it is told at start. Migrations run
in one transaction under a lock: of processes that start together one migrates, and the others find it done.
"""

import contextlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
import psycopg

from matchday.backends.errors import BackendError
from matchday.backends.postgres import Connection, connect, said, where
from matchday.config import Postgres

_LOCK: Final = 0x6D61_7463_6864_6179
"""The advisory lock of those who migrate; any number that nobody else uses."""
_NEEDS: Final = re.compile(r"-- needs: (\d+)\n")


class Migration(msgspec.Struct, frozen=True):
    """What takes the schema to a version."""

    version: int
    needs: int
    """The oldest version that code must know."""
    sql: str


def migrations() -> list[Migration]:
    """Ours, in order."""
    files = sorted(Path(__file__).with_name("ledger_postgres_sql").glob("[0-9][0-9][0-9]_*.sql"))
    return [_migration(int(file.name[:3]), file.read_text()) for file in files]


def _migration(version: int, sql: str) -> Migration:
    found = _NEEDS.match(sql)
    assert found is not None, f"migration {version} does not say what it needs"
    return Migration(version, int(found[1]), sql)


def prepare(connection: Connection, settings: Postgres, ours: Sequence[Migration] | None = None) -> str:
    """Bring the schema to our version, and see that it is this platform's; the ledger's own id. BackendError: it cannot
    be used."""
    at = where(settings.address)
    try:
        _durable(connection, at)
        with connection.transaction():
            connection.execute("SET LOCAL lock_timeout = 0")
            connection.execute("SET LOCAL statement_timeout = 0")
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            _migrate(connection, at, migrations() if ours is None else ours)
            _claim(connection, at, settings.platform)
            ((id_,),) = connection.execute("SELECT id::text FROM platform").fetchall()
    except psycopg.Error as error:
        raise BackendError(
            f"the ledger {at} could not be prepared: {said(error)}; its user must own the schema, or an owner must "
            "start this release once"
        ) from error
    return str(id_)


def _durable(connection: Connection, at: str) -> None:
    sql = "SELECT current_setting('synchronous_commit'), current_setting('server_encoding')"
    ((commits, encoding),) = connection.execute(sql).fetchall()
    if commits == "off":
        raise BackendError(f"the ledger {at} has synchronous_commit=off and could lose answered bets; set it to on")
    if encoding != "UTF8":
        raise BackendError(f"the ledger {at} is encoded in {encoding}; make a database with ENCODING 'UTF8'")


def _migrate(connection: Connection, at: str, ours: Sequence[Migration]) -> None:
    if connection.execute("SELECT to_regclass('schema_version')").fetchone() == (None,):
        connection.execute("CREATE TABLE schema_version (version int PRIMARY KEY, needs int NOT NULL)")
    found = connection.execute("SELECT version, needs FROM schema_version ORDER BY version DESC LIMIT 1").fetchone()
    version, needs = found or (0, 0)
    known = ours[-1].version
    if needs > known:
        raise BackendError(
            f"the ledger {at} was taken to version {version} by a newer Matchday and needs code that knows {needs}; "
            f"this one knows {known}: run that release, or choose another ledger"
        )
    for migration in ours:
        if migration.version > version:
            connection.execute(migration.sql, prepare=False)
            values = (migration.version, migration.needs)
            connection.execute("INSERT INTO schema_version VALUES (%s, %s)", values)


def _claim(connection: Connection, at: str, platform: str) -> None:
    found = connection.execute("SELECT name FROM platform").fetchone()
    if found is None:
        connection.execute("INSERT INTO platform (name) VALUES (%s)", (platform,))
    elif (name := found[0]) != platform:
        raise BackendError(
            f"the ledger {at} is that of the platform {name!r}, this one is {platform!r}; set "
            "MATCHDAY_POSTGRES_ADDRESS to another database, or MATCHDAY_POSTGRES_PLATFORM to its name if it is the "
            "same platform"
        )


def goes_with(settings: Postgres, log: str, *, from_now_on: bool = False) -> None:
    """See that a ledger goes with this log, by the log's id; the first that it is opened with is remembered.
    BackendError where it goes with another, unless it is to go with this one ``from_now_on``."""
    at = where(settings.address)
    try:
        with contextlib.closing(connect(settings.address, settings)) as connection:
            ((held,),) = connection.execute("SELECT log FROM platform").fetchall()
            if held is None or (from_now_on and held != log):
                connection.execute("UPDATE platform SET log = %s WHERE log IS NOT DISTINCT FROM %s", (log, held))
                ((held,),) = connection.execute("SELECT log FROM platform").fetchall()
    except psycopg.Error as error:
        raise BackendError(f"the ledger {at} could not be asked which log it goes with: {said(error)}") from error
    if held != log:
        raise BackendError(
            f"the ledger {at} goes with another log: its topics have the id {held}, those that the settings name have "
            f"{log}. With two logs a ledger's bets would be settled by two platforms: set kafka.brokers and "
            "kafka.platform to its own. Where that log is lost, or the ledger was brought back beside a new one, stop "
            "all processes and say `matchday cluster adopt --config TOML`"
        )
