"""PostgreSQL servers that are started for a while: private ones on free loopback ports, gone when they are closed."""

import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, LiteralString

import psycopg

from matchday.ops.engines import free_ports
from matchday.ops.engines.postgres import OWNER, run

_PROGRAMS: Final = Path("/usr/lib/postgresql")
"""Where Debian has its versions."""
_WAIT_S: Final = 60


def programs() -> Path | None:
    """The folder of the newest version that is here, 15 at least."""
    found = [path for path in _PROGRAMS.glob("*/bin") if path.parent.name.isdigit() and int(path.parent.name) >= 15]
    return max(found, key=lambda path: int(path.parent.name), default=None)


class Server:
    """One server: a primary of its own, or the standby of another."""

    def __init__(
        self, folder: Path, name: str, primary: "Server | None" = None, options: dict[str, Any] | None = None
    ) -> None:  # fmt: skip
        self.folder, self.name, self.port = folder, name, free_ports(1)[0]
        self._data, self._options = folder / name, options or {}
        if primary is None:
            self._run("initdb", "-D", self._data, "-U", "bet", "-A", "trust", "-k", "--locale=C", "-E", "UTF8", "-N")
        else:
            self._run(
                "pg_basebackup", "-D", self._data, "-R", "-C", "-S", name, "-X", "stream", "--checkpoint=fast", "-d",
                f"host=127.0.0.1 port={primary.port} user=bet application_name={name}",
            )  # fmt: skip
        self.start()

    def _run(self, program: str, *words: object) -> None:
        run(self.folder, program, *words, within_s=_WAIT_S)

    def start(self) -> None:
        """Until it takes connections."""
        given: dict[str, Any] = {
            "port": self.port, "listen_addresses": "127.0.0.1", "unix_socket_directories": "''",
            "shared_buffers": "512MB", "max_wal_size": "2GB", "checkpoint_timeout": "30min",
        }  # fmt: skip
        words = " ".join(f"-c {name}={value}" for name, value in (given | self._options).items())
        self._run("pg_ctl", "-D", self._data, "-l", self.log, "-w", "-o", words, "start")

    def stop(self, mode: str = "immediate") -> None:
        """As after a crash, or ``fast``."""
        self._run("pg_ctl", "-D", self._data, "-m", mode, "-w", "stop")

    def promote(self) -> None:
        """Make a primary of a standby."""
        self._run("pg_ctl", "-D", self._data, "-w", "promote")

    @property
    def log(self) -> Path:
        """What it logs."""
        return self.folder / f"{self.name}.log"

    @property
    def running(self) -> bool:
        """Whether it was started and not stopped."""
        return (self._data / "postmaster.pid").exists()

    def address(self, database: str = "postgres", *others: "Server") -> str:
        """Of a database on this one, or on another that can be written to."""
        hosts = ",".join("127.0.0.1" for _ in (self, *others))
        return f"host={hosts} port={','.join(str(s.port) for s in (self, *others))} user=bet dbname={database}"

    def say(self, sql: LiteralString, database: str = "postgres", *values: object) -> list[tuple[Any, ...]]:
        """As somebody beside those who use it."""
        with psycopg.connect(self.address(database), autocommit=True) as connection:
            found = connection.execute(sql, values or None)
            return found.fetchall() if found.description is not None else []

    def require(self, standby: str) -> None:
        """Have commits wait for a standby; empty: for none."""
        self.say(f"ALTER SYSTEM SET synchronous_standby_names = '{standby}'")
        self.say("SELECT pg_reload_conf()")


class Servers:
    """Several servers in one folder."""

    def __init__(self, parent: Path | None, **options: Any) -> None:
        self._folder = TemporaryDirectory(dir=parent, prefix="matchday-postgres-")
        self.folder = Path(self._folder.name)
        if os.getuid() == 0:
            shutil.chown(self.folder, OWNER)
        self.folder.chmod(0o755)
        self._options = options
        self._all: list[Server] = []

    def new(self, name: str, primary: Server | None = None) -> Server:
        """Start one."""
        self._all.append(server := Server(self.folder, name, primary, self._options))
        return server

    def close(self) -> None:
        """Stop all of them and remove what they wrote."""
        for server in self._all:
            if server.running:
                server.stop()
        self._folder.cleanup()
