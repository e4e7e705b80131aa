"""PostgreSQL on the loopback address: a primary and, on request, a synchronous standby.

What is acknowledged is on both: synchronous_commit=on waits for the standby's disk. There is nobody who promotes it and
nobody who fences the other: ``patroni`` has that.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from matchday.ops.engines import EngineError, free_ports

USER: Final = "matchday"
DATABASE: Final = "matchday"
OWNER: Final = "postgres"
"""Who runs it where we are root, which it refuses to be."""
_STANDBY: Final = "standby"
_RUN_S_MAX: Final = 120
_SETTINGS: Final[dict[str, object]] = {
    "max_connections": 200,
    "shared_buffers": "128MB",
    "hot_standby_feedback": "on",
    "wal_receiver_status_interval": 1,
}


class Node:
    """One server: a primary of its own, or the standby of another. It is no child of this process, and outlives it."""

    def __init__(self, folder: Path, name: str, port: int, settings: Mapping[str, object], user: str = USER) -> None:
        self.folder, self.name, self.port, self.user = folder, name, port, user
        self._data, self._settings = folder / name, settings

    @property
    def there(self) -> bool:
        """Whether it was made before."""
        return self._data.is_dir()

    @property
    def log(self) -> Path:
        """Where it writes what it does."""
        return self.folder / f"{self.name}.log"

    def make(self, primary: "Node | None" = None) -> None:
        """Its files: empty, or those of a running primary, which it will follow under its own name."""
        if primary is None:
            words = ("-U", self.user, "-A", "trust", "-k", "--locale=C", "-E", "UTF8", "-N")
            self._run("initdb", "-D", self._data, *words)
            return
        source = f"host=127.0.0.1 port={primary.port} user={self.user} application_name={self.name}"
        copy = ("-D", self._data, "-R", "-C", "-S", self.name, "-X", "stream", "--checkpoint=fast")
        self._run("pg_basebackup", *copy, "-d", source)

    def start(self) -> None:
        """Until it takes connections; nothing where it runs."""
        if self.process:
            return
        given = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "''", **self._settings}
        words = " ".join(f"-c {name}={value}" for name, value in {**given, "port": self.port}.items())
        self._run("pg_ctl", "-D", self._data, "-l", self.log, "-w", "-o", words, "start")

    def stop(self, mode: str = "fast") -> None:
        """``immediate``: as after a crash. Harmless where it does not run."""
        if self.process:
            self._run("pg_ctl", "-D", self._data, "-m", mode, "-w", "stop")

    def promote(self) -> None:
        """Make a primary of a standby."""
        self._run("pg_ctl", "-D", self._data, "-w", "promote")

    @property
    def process(self) -> int:
        """The id of its process; 0 where it is not running."""
        try:
            pid = int((self._data / "postmaster.pid").read_text().split("\n", 1)[0])
            os.kill(pid, 0)
        except (OSError, ValueError):
            return 0
        return pid

    def address(self, database: str, *others: "Node") -> str:
        """Of a database on this one, or on another that can be written to."""
        nodes = (self, *others)
        hosts, ports = ",".join("127.0.0.1" for _ in nodes), ",".join(str(node.port) for node in nodes)
        return f"host={hosts} port={ports} user={self.user} dbname={database}"

    def _run(self, name: str, *words: object) -> None:
        run(self.folder, name, *words)


class Postgres:
    """A primary and perhaps its standby, with a database for the ledger."""

    def __init__(self, folder: Path, ports: Sequence[int] = (), *, standby: bool = False) -> None:
        """``ports``: of one that was started before."""
        self._folder = folder
        names = ["primary", _STANDBY] if standby else ["primary"]
        ports = list(ports) or free_ports(len(names))
        self._nodes = [Node(folder, name, port, _SETTINGS) for name, port in zip(names, ports, strict=True)]

    @property
    def ports(self) -> list[int]:
        """Of the primary, then of the standby."""
        return [node.port for node in self._nodes]

    @property
    def address(self) -> str:
        """A connection string with all of them: clients find the one that can be written to."""
        primary, *others = self._nodes
        return primary.address(DATABASE, *others)

    def start(self) -> None:
        """Make what is not there yet, and return when all take connections. EngineError says why they do not."""
        own(self._folder)
        try:
            self._start_all()
        except EngineError:
            self.stop()
            raise

    def _start_all(self) -> None:
        primary, *standbys = self._nodes
        new = not primary.there
        if new:
            primary.make()
        primary.start()
        if new:
            self._run("createdb", "-h", "127.0.0.1", "-p", primary.port, "-U", USER, DATABASE)
        for standby in standbys:
            if not standby.there:
                standby.make(primary)
            standby.start()
            self._say(f"ALTER SYSTEM SET synchronous_standby_names = '{standby.name}'")
            self._say("SELECT pg_reload_conf()")

    def stop(self) -> None:
        """End them, the primary first; harmless where none is running."""
        for node in self._nodes:
            node.stop()

    def processes(self) -> dict[str, int]:
        """Node -> the id of its process."""
        return {node.name: node.process for node in self._nodes}

    def log(self, name: str) -> Path:
        """Where a node writes what it does."""
        return next(node.log for node in self._nodes if node.name == name)

    def _say(self, sql: str) -> None:
        port = self._nodes[0].port
        self._run("psql", "-h", "127.0.0.1", "-p", port, "-U", USER, "-d", DATABASE, "-q", "-c", sql)

    def _run(self, name: str, *words: object) -> None:
        run(self._folder, name, *words)


def run(
    folder: Path, name: str, *words: object, within_s: int = _RUN_S_MAX, environment: Mapping[str, str] | None = None
) -> str:
    """Run a program of PostgreSQL in a folder, as a user who is not root; what it wrote. EngineError says why it
    failed."""
    try:
        done = subprocess.run(  # noqa: S603 - ours
            as_owner(name, *words), cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
            timeout=within_s, env=environment,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise EngineError(f"{name} did not end within {within_s} s; see {folder}") from error
    if done.returncode:
        hint = f" (the user {OWNER} must be able to get there)" if os.getuid() == 0 else ""
        raise EngineError(f"{name}: {(done.stderr or done.stdout).strip()[-1_000:]}; see {folder}{hint}")
    return done.stdout


def as_owner(name: str, *words: object) -> list[str]:
    """What runs a program of PostgreSQL, as a user who is not root. EngineError where it is not installed."""
    prefix = ["runuser", "-u", OWNER, "--"] if os.getuid() == 0 else []
    return [*prefix, str(binary(name)), *map(str, words)]


def own(folder: Path) -> None:
    """Make a folder, and give it to whoever runs those programs."""
    folder.mkdir(parents=True, exist_ok=True)
    if os.getuid() == 0:
        shutil.chown(folder, OWNER)


def binary(name: str) -> Path:
    """A program of the newest PostgreSQL that is installed. EngineError where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: float(path.parents[1].name))
    if found:
        return found[-1]
    if on_path := shutil.which(name):
        return Path(on_path)
    raise EngineError("PostgreSQL is not installed: install it (on Debian: apt-get install postgresql)")
