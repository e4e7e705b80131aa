"""Real servers for tests: private ones on free loopback ports, in memory where there is a place for that. What is
missing is skipped loudly here and fails in CI."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest

from matchday.backends.ledger_postgres import opened
from matchday.bench.postgres_server import Server, Servers, programs
from matchday.config import Postgres
from matchday.ops.engines import OneServer

_TEMPLATE: Final = "matchday_template"
_TABLES: Final = (
    "accounts", "house", "known", "bets", "legs", "standings", "entries", "facts", "guards", "decisions", "windows",
    "referrals", "offers", "free_bets",
)  # fmt: skip
_SEQUENCES: Final = ("batches", "bet_numbers", "players", "guards_number_seq")
QUICK: Final[dict[str, Any]] = {"outbox_ms": 10, "retry_ms": 10, "read_ms_max": 5_000}
"""Settings with which tests need not wait, nor hurry on a busy machine."""


def missing(what: str) -> None:
    """Skip, or fail in CI."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} is missing, and CI needs it")
    pytest.skip(f"NOT TESTED: {what} is missing")


@contextlib.contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """A disk of so many megabytes at a new folder."""
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", str(folder)]
    if subprocess.run(words, check=False, capture_output=True).returncode:
        missing("the right to mount a small file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def fill(file: Path) -> None:
    """Take all the room that is left on a disk."""
    with file.open("wb", buffering=0) as filler, contextlib.suppress(OSError):
        while filler.write(bytes(1 << 16)):
            pass


def postgres_servers() -> Servers:
    """A place to start servers, or a skip."""
    if programs() is None:
        missing("PostgreSQL 15 or newer (apt-get install postgresql)")
    memory = Path("/dev/shm")
    return Servers(
        memory if memory.is_dir() else None, shared_buffers="64MB", max_wal_size="256MB", autovacuum="off",
        deadlock_timeout="200ms", wal_receiver_status_interval=1, hot_standby_feedback="on",
    )  # fmt: skip


class Databases:
    """Of one server, for one test after the other."""

    def __init__(self, server: Server) -> None:
        self.server, self._count = server, 0

    def new(self) -> str:
        """One with the ledger's schema in it."""
        if not self._count:
            self.server.say(f"CREATE DATABASE {_TEMPLATE}")
            opened(Postgres(address=self.server.address(_TEMPLATE))).close()
        self._count += 1
        name = f"matchday_{self._count}"
        self.server.say(f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE} STRATEGY file_copy")
        return name

    def drop(self, name: str) -> None:
        self.server.say(f"DROP DATABASE {name} WITH (FORCE)")

    def empty(self, name: str) -> None:
        """As it was when it was new."""
        words = [f"DELETE FROM {table}" for table in _TABLES]  # quicker than TRUNCATE where few rows are
        words += [f"ALTER SEQUENCE {sequence} RESTART" for sequence in _SEQUENCES]
        with psycopg.connect(self.server.address(name), autocommit=True) as connection:
            connection.execute("; ".join(words))


class Memcached(OneServer):
    """One server of it."""

    def __init__(self, folder: Path) -> None:
        super().__init__("memcached", folder)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        return ["memcached", "-l", "127.0.0.1", "-p", str(self.port), "-u", "nobody", "-m", "16"]
