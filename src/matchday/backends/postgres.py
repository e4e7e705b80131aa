"""PostgreSQL servers as backends use them: connections with limits, what their errors mean, and columns of many rows.

The client is psycopg 3, synchronous: the ledger's port calls back and knows no event loop, its rules are plain
functions, and a commit is two round trips, so that threads which wait for a socket are all the concurrency there is to
have. asyncpg encodes faster, but would run every commit on the rooms' own loop. Statements of one step go out together
(``postgres_trip``); the columns of many rows travel as binary arrays, packed here: psycopg's own lists cost four times
as much.
"""

import logging
import struct
from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import Any, Final, TypeVar
from zlib import crc32

import psycopg
from psycopg.abc import PQGen
from psycopg.adapt import Buffer, Dumper
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import Format

from matchday.backends.errors import BackendError
from matchday.config import Postgres

_log = logging.getLogger(__name__)
_RV = TypeVar("_RV")
PARTS: Final = 64
"""Partitions of accounts: by what the tables of accounts can be distributed. Part of the schema: never changed."""
_CLOSED_BY_SERVER: Final = ("08", "57P", "25006")
"""States after which another server is to be found: a connection that failed, one that was ended, one that is read
only since its server became a standby."""
_CONFLICTS: Final = frozenset({"40001", "40P01", "23505"})
"""serialization_failure, deadlock_detected, unique_violation: somebody else was first, to be looked at anew."""
_NUL: Final = "\ue000"
"""What stands for the one character that PostgreSQL does not store: one that nobody uses (private use)."""
_NO_ROOM: Final = ("53", "58", "55P03", "57014")
"""States in which the server does not take it now: resources and disk, its own faults, a lock or a statement that took
too long."""


@lru_cache(maxsize=65_536)
def part_of(account: str) -> int:
    """The partition of an account."""
    return crc32(account.encode()) % PARTS


# --- connections ------------------------------------------------------------------------------------------------------


class Connection(psycopg.Connection[tuple[Any, ...]]):
    """A connection that is closed when the server is silent for too long."""

    patience_s: float = 10.0
    warned: str = ""
    """What the server last warned of."""
    named: int = 0
    """How many names were given to statements of trips."""

    @cached_property
    def prepared(self) -> dict[str, bytes]:
        """The statements that trips have prepared, and their names."""
        return {}

    def wait(self, gen: PQGen[_RV], interval: float = 0.1, timeout: float | None = None) -> _RV:
        """See ``psycopg.Connection.wait``."""
        try:
            return super().wait(gen, interval, self.patience_s if timeout is None else timeout)
        except psycopg.errors._WaitTimeout:
            self.pgconn.finish()
            raise psycopg.OperationalError(f"the server was silent for {self.patience_s:g} s") from None


def connect(address: str, settings: Postgres, *, read_only: bool = False, **more: str) -> Connection:
    """Connect to the first host of an address that answers and, unless ``more`` says otherwise, can be written to.
    psycopg.Error: none does."""
    connection = Connection.connect(
        _conninfo(address, settings, more, read_only=read_only), autocommit=True, prepare_threshold=0
    )
    connection.patience_s = (settings.read_ms_max if read_only else settings.silence_ms_max) / 1_000
    connection.adapters.register_dumper(Texts, _TextsDumper)
    connection.add_notice_handler(lambda notice: _heard(connection, notice))
    return connection


def _conninfo(address: str, settings: Postgres, more: dict[str, str], *, read_only: bool) -> str:
    given = _parsed(address)
    options = {
        # A plan that was made while a table was empty would read all of it for ever. What has to be read whole then
        # looks so dear that it would be compiled first.
        "enable_seqscan": "off",
        "jit": "off",
        # To plan the same few joins for each batch anew costs as much as to run them.
        "plan_cache_mode": "auto" if read_only else "force_generic_plan",
        # What is read after something was locked has to be as whoever held it before has left it.
        "default_transaction_isolation": r"read\ committed",
        "statement_timeout": settings.read_ms_max if read_only else settings.statement_ms_max,
        "lock_timeout": settings.lock_ms_max,
        "idle_in_transaction_session_timeout": 2 * settings.silence_ms_max,
    }
    words = [*(f"-c {name}={value}" for name, value in options.items()), str(given.get("options", ""))]
    defaults: dict[str, Any] = {
        "target_session_attrs": "read-write",
        "application_name": f"matchday {settings.platform}",
        "connect_timeout": -(-settings.connect_ms_max // 1_000),
        "tcp_user_timeout": settings.silence_ms_max,
        # A connection that idles while its server is cut off is known to be lost before it is used.
        "keepalives_idle": -(-settings.silence_ms_max // 2_000),
        "keepalives_interval": 1,
        "client_encoding": "UTF8",
    }
    return make_conninfo("", **defaults | given | more | {"options": " ".join(words)})


def _parsed(address: str) -> dict[str, Any]:
    try:
        return dict(conninfo_to_dict(address))
    except psycopg.Error:  # its text may hold the password
        raise BackendError(
            "the address of the ledger is no connection string that libpq knows; set MATCHDAY_POSTGRES_ADDRESS (or "
            "postgres.address) to one such as host=db1,db2 port=5432 dbname=matchday user=matchday"
        ) from None


def where(address: str) -> str:
    """An address as people may see it."""
    given = _parsed(address)
    return f"{given.get('dbname', '')} at {given.get('host', 'the local socket')}:{given.get('port', 5432)}"


def _heard(connection: Connection, notice: psycopg.errors.Diagnostic) -> None:
    if notice.severity_nonlocalized == "WARNING":
        connection.warned = notice.message_primary or "a warning"
        _log.warning("PostgreSQL warns: %s", connection.warned)


# --- what went wrong --------------------------------------------------------------------------------------------------


def lost(error: psycopg.Error, connection: Connection) -> bool:
    """Whether the connection is of no more use."""
    if error.sqlstate is None:  # not said by the server
        return connection.closed or isinstance(error, psycopg.OperationalError)
    return connection.closed or error.sqlstate.startswith(_CLOSED_BY_SERVER)


def conflict(error: psycopg.Error) -> bool:
    """Whether somebody else was first."""
    return error.sqlstate in _CONFLICTS


def no_room(error: psycopg.Error) -> bool:
    """Whether the server does not take it now. Anything else that it does not take is a fault of ours."""
    return (error.sqlstate or "").startswith(_NO_ROOM)


def said(error: psycopg.Error) -> str:
    """One line of it."""
    return str(error).strip().partition("\n")[0]


def plain(text: str) -> str:
    """As a column of text takes it: whoever makes an id may put a NUL into it."""
    return text.replace("\0", _NUL) if "\0" in text else text


# --- columns of many rows ---------------------------------------------------------------------------------------------


class Column:
    """Values of one column, as PostgreSQL reads an array in binary form (array_send, utils/adt/arrayfuncs.c)."""

    __slots__ = ("data",)
    oid: int
    """The array's type."""

    def __init__(self, data: bytes) -> None:
        self.data = data


class Numbers(Column):
    """A bigint[]."""

    oid = 1016


class Texts(Column):
    """A text[]."""

    oid = 1009


class Hashes(Column):
    """A bytea[]."""

    oid = 1001


_HEAD: Final = struct.Struct("!iiIii")
_LENGTH: Final = struct.Struct("!i").pack
_NULL: Final = _LENGTH(-1)
_INT8, _TEXT, _BYTEA = 20, 25, 17
_LENGTHS_MAX: Final = 4_096
_LENGTHS: Final = [_LENGTH(length) for length in range(_LENGTHS_MAX)]


@lru_cache(maxsize=4_096)
def _int8s(count: int) -> struct.Struct:
    return struct.Struct("!iiIii" + "iq" * count)


def numbers(values: Sequence[int]) -> Numbers:
    """A column of numbers; none of them may be null."""
    count = len(values)
    flat = [8] * (2 * count)
    flat[1::2] = values
    return Numbers(_int8s(count).pack(1, 0, _INT8, count, 1, *flat))


def texts(values: Sequence[str | bytes | None]) -> Texts:
    """A column of text; bytes are UTF-8."""
    try:
        whole = "".join(values)  # type: ignore[arg-type]
    except TypeError:  # not all of it is text
        return Texts(_packed(_TEXT, values))
    if "\0" in whole:
        values = [plain(value) for value in values if isinstance(value, str)]
    return Texts(_joined(_TEXT, [value.encode(errors="replace") for value in values]))  # type: ignore[union-attr]


def hashes(values: Sequence[bytes]) -> Hashes:
    """A column of bytes."""
    return Hashes(_joined(_BYTEA, values))


def bodies(values: Sequence[bytes]) -> Texts:
    """A column of text that is encoded, none of it null."""
    return Texts(_joined(_TEXT, values))


def _joined(oid: int, values: Sequence[bytes]) -> bytes:
    """None of them null: in a few passes, which cost a third of a loop."""
    try:
        lengths = [_LENGTHS[len(value)] for value in values]
    except IndexError:
        lengths = [_LENGTH(len(value)) for value in values]
    parts = [b""] * (2 * len(values) + 1)
    parts[0] = _HEAD.pack(1, 0, oid, len(values), 1)
    parts[1::2], parts[2::2] = lengths, values
    return b"".join(parts)


def _packed(oid: int, values: Sequence[str | bytes | None]) -> bytes:
    parts = [_HEAD.pack(1, None in values, oid, len(values), 1)]
    for value in values:
        if value is None:
            parts.append(_NULL)
            continue
        data = plain(value).encode(errors="replace") if isinstance(value, str) else value
        length = len(data)
        parts += (_LENGTHS[length] if length < _LENGTHS_MAX else _LENGTH(length), data)
    return b"".join(parts)


class _TextsDumper(Dumper):
    """For reads, which go by psycopg."""

    format, oid = Format.BINARY, Texts.oid

    def dump(self, obj: Texts) -> Buffer:
        return obj.data
