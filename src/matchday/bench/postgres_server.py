"""PostgreSQL servers that are started for a while: private ones on free loopback ports, gone when they are closed."""

import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, LiteralString

import psycopg

from matchday.ops.engines import free_ports
from matchday.ops.engines.postgres import OWNER, Node

_PROGRAMS: Final = Path("/usr/lib/postgresql")
"""Where Debian has its versions."""
_USER: Final = "bet"
_SETTINGS: Final[dict[str, object]] = {
    "shared_buffers": "512MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "30min",
}


def programs() -> Path | None:
    """The folder of the newest version that is here, 15 at least."""
    found = [path for path in _PROGRAMS.glob("*/bin") if path.parent.name.isdigit() and int(path.parent.name) >= 15]
    return max(found, key=lambda path: int(path.parent.name), default=None)


class Server(Node):
    """One server, which can be asked as somebody beside those who use it."""

    def address(self, database: str = "postgres", *others: Node) -> str:
        """See ``Node.address``."""
        return super().address(database, *others)

    def stop(self, mode: str = "immediate") -> None:
        """As after a crash, or ``fast``."""
        super().stop(mode)

    def say(self, sql: LiteralString, database: str = "postgres", *values: object) -> list[tuple[Any, ...]]:
        """Rows of a statement."""
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
        server = Server(self.folder, name, free_ports(1)[0], {**_SETTINGS, **self._options}, _USER)
        self._all.append(server)
        server.make(primary)
        server.start()
        return server

    def close(self) -> None:
        """Stop all of them and remove what they wrote."""
        for server in self._all:
            server.stop()
        self._folder.cleanup()
