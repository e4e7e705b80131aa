"""Real servers for tests: private ones on free loopback ports, in memory where there is a place for that. What is missing
is skipped loudly here and fails in CI."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest

from matchday.backends.ledger_postgres import opened
from matchday.config import Postgres

OWNER: Final = "postgres"
_BINARIES: Final = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
_TEMPLATE: Final = "matchday_template"
_TABLES: Final = (
    "accounts", "house", "known", "bets", "legs", "standings", "entries", "facts", "guards", "decisions", "windows",
    "referrals", "offers", "free_bets",
)  # fmt: skip
QUICK: Final[dict[str, Any]] = {"outbox_ms": 10, "retry_ms": 10, "read_ms_max": 5_000}
"""Settings with which tests need not wait."""


def missing(what: str) -> None:
    """Skip, or fail in CI."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} is missing, and CI needs it")
    pytest.skip(f"NOT TESTED: {what} is missing")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """One PostgreSQL server: a primary of its own, or the standby of another."""

    def __init__(self, folder: Path, name: str, primary: "Server | None" = None) -> None:
        self.folder, self.name, self.port = folder, name, free_port()
        self.data = folder / name
        self._databases = 0
        if primary is None:
            self._run("initdb", "-D", self.data, "-U", "bet", "-A", "trust", "-k", "--locale=C", "-E", "UTF8", "-N")
        else:
            self._run(
                "pg_basebackup", "-D", self.data, "-R", "-C", "-S", name, "-X", "stream", "--checkpoint=fast", "-d",
                f"host=127.0.0.1 port={primary.port} user=bet application_name={name}",
            )  # fmt: skip
        self.start()

    def _run(self, program: str, *words: object) -> None:
        """As a user who is not root: the server refuses that."""
        prefix = ["runuser", "-u", OWNER, "--"] if os.getuid() == 0 else []
        command = [*prefix, str(_BINARIES[-1] / program), *map(str, words)]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, f"{program}: {done.stdout}{done.stderr}"

    def start(self, **options: object) -> None:
        given: dict[str, object] = {
            "port": self.port, "listen_addresses": "127.0.0.1", "unix_socket_directories": "''",
            "max_connections": 100, "shared_buffers": "64MB", "max_wal_size": "256MB", "checkpoint_timeout": "30min",
            "autovacuum": "off", "deadlock_timeout": "200ms", "wal_receiver_status_interval": 1,
            "hot_standby_feedback": "on", **options,
        }  # fmt: skip
        words = " ".join(f"-c {name}={value}" for name, value in given.items())
        self._run("pg_ctl", "-D", self.data, "-l", self.folder / f"{self.name}.log", "-w", "-o", words, "start")

    def stop(self, mode: str = "immediate") -> None:
        self._run("pg_ctl", "-D", self.data, "-m", mode, "-w", "stop")

    def promote(self) -> None:
        self._run("pg_ctl", "-D", self.data, "-w", "promote")

    @property
    def running(self) -> bool:
        return (self.data / "postmaster.pid").exists()

    def address(self, database: str = "postgres", *others: "Server") -> str:
        hosts = ",".join("127.0.0.1" for _ in (self, *others))
        return f"host={hosts} port={','.join(str(s.port) for s in (self, *others))} user=bet dbname={database}"

    def say(self, sql: str, database: str = "postgres", values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """As somebody beside the ledger."""
        with psycopg.connect(self.address(database), autocommit=True) as connection:
            found = connection.execute(sql, values)
            return found.fetchall() if found.description is not None else []

    def database(self) -> str:
        """A new one, with the ledger's schema in it."""
        if not self._databases:
            self.say(f"CREATE DATABASE {_TEMPLATE}")
            opened(Postgres(address=self.address(_TEMPLATE)))
        self._databases += 1
        name = f"matchday_{self._databases}"
        self.say(f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE} STRATEGY file_copy")
        return name

    def drop(self, database: str) -> None:
        self.say(f"DROP DATABASE {database} WITH (FORCE)")

    def empty(self, database: str) -> None:
        """As it was when it was new."""
        with psycopg.connect(self.address(database), autocommit=True) as connection:
            every = "; ".join(f"DELETE FROM {table}" for table in _TABLES)  # quicker than TRUNCATE where few rows are
            connection.execute(f"{every}; ALTER SEQUENCE batches RESTART; ALTER SEQUENCE bet_numbers RESTART; "
                               "ALTER SEQUENCE players RESTART; ALTER SEQUENCE guards_number_seq RESTART")  # fmt: skip


class Servers:
    """Servers of a test session, gone when it ends."""

    def __init__(self) -> None:
        memory = Path("/dev/shm")
        self._folder = tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None, prefix="matchday-pg-")
        self.folder = Path(self._folder.name)
        if os.getuid() == 0:
            shutil.chown(self.folder, OWNER)
        self.folder.chmod(0o755)
        self._all: list[Server] = []

    def new(self, name: str, primary: Server | None = None) -> Server:
        self._all.append(server := Server(self.folder, name, primary))
        return server

    def close(self) -> None:
        for server in self._all:
            if server.running:
                server.stop()
        self._folder.cleanup()


def postgres_servers() -> Servers:
    """A place to start servers, or a skip."""
    if not _BINARIES:
        missing("PostgreSQL 15 or newer (apt-get install postgresql)")
    return Servers()
