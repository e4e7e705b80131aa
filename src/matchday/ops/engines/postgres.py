"""PostgreSQL on the loopback address: a primary and, on request, a synchronous standby.

What is acknowledged is on both: synchronous_commit=on waits for the standby's disk. There is nobody who promotes it and
nobody who fences the other: ``patroni`` has that.
"""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from matchday.ops.engines import EngineError, free_ports

USER: Final = "matchday"
DATABASE: Final = "matchday"
OWNER: Final = "postgres"
"""Who runs it where we are root, which it refuses to be."""
_STANDBY: Final = "standby"
_RUN_S_MAX: Final = 120
_SETTINGS: Final = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "''",
    "max_connections": 200,
    "shared_buffers": "128MB",
    "hot_standby_feedback": "on",
    "wal_receiver_status_interval": 1,
}


class Postgres:
    """A primary and perhaps its standby. They are no children of this process, and outlive it."""

    def __init__(self, folder: Path, ports: Sequence[int] = (), *, standby: bool = False) -> None:
        """``ports``: of one that was started before."""
        self._folder = folder
        self._nodes = ["primary", _STANDBY] if standby else ["primary"]
        self._ports = list(ports) or free_ports(len(self._nodes))

    @property
    def ports(self) -> list[int]:
        """Of the primary, then of the standby."""
        return self._ports

    @property
    def address(self) -> str:
        """A connection string with all of them: clients find the one that can be written to."""
        hosts = ",".join("127.0.0.1" for _ in self._ports)
        return f"host={hosts} port={','.join(map(str, self._ports))} user={USER} dbname={DATABASE}"

    def start(self) -> None:
        """Make what is not there yet, and return when all take connections. EngineError says why they do not."""
        self._folder.mkdir(parents=True, exist_ok=True)
        if os.getuid() == 0:
            shutil.chown(self._folder, OWNER)
        try:
            self._start_all()
        except EngineError:
            self.stop()
            raise

    def _start_all(self) -> None:
        new = not (self._folder / "primary").is_dir()
        if new:
            words = ("-U", USER, "-A", "trust", "-k", "--locale=C", "-E", "UTF8")
            self._run("initdb", "-D", self._folder / "primary", *words)
        self._launch("primary")
        if new:
            self._run("createdb", "-h", "127.0.0.1", "-p", self._ports[0], "-U", USER, DATABASE)
        if _STANDBY not in self._nodes:
            return
        if not (self._folder / _STANDBY).is_dir():
            source = f"host=127.0.0.1 port={self._ports[0]} user={USER} application_name={_STANDBY}"
            copy = ("-D", self._folder / _STANDBY, "-R", "-C", "-S", _STANDBY, "-X", "stream", "--checkpoint=fast")
            self._run("pg_basebackup", *copy, "-d", source)
        self._launch(_STANDBY)
        self._say(f"ALTER SYSTEM SET synchronous_standby_names = '{_STANDBY}'")
        self._say("SELECT pg_reload_conf()")

    def _launch(self, node: str) -> None:
        options = {**_SETTINGS, "port": self._ports[self._nodes.index(node)]}
        words = " ".join(f"-c {name}={value}" for name, value in options.items())
        data, log = self._folder / node, self._folder / f"{node}.log"
        if self.process(node):
            return
        self._run("pg_ctl", "-D", data, "-l", log, "-w", "-o", words, "start")

    def stop(self) -> None:
        """End them, the primary first; harmless where none is running."""
        for node in self._nodes:
            if self.process(node):
                self._run("pg_ctl", "-D", self._folder / node, "-m", "fast", "-w", "stop")

    def process(self, node: str) -> int:
        """The id of a node's process; 0 where it is not running."""
        try:
            pid = int((self._folder / node / "postmaster.pid").read_text().split("\n", 1)[0])
            os.kill(pid, 0)
        except (OSError, ValueError):
            return 0
        return pid

    def processes(self) -> dict[str, int]:
        """Node -> the id of its process."""
        return {node: self.process(node) for node in self._nodes}

    def log(self, node: str) -> Path:
        """Where a node writes what it does."""
        return self._folder / f"{node}.log"

    def _say(self, sql: str) -> None:
        self._run("psql", "-h", "127.0.0.1", "-p", self._ports[0], "-U", USER, "-d", DATABASE, "-q", "-c", sql)

    def _run(self, name: str, *words: object) -> None:
        run(self._folder, name, *words)


def run(folder: Path, name: str, *words: object, within_s: int = _RUN_S_MAX) -> str:
    """Run a program of PostgreSQL in a folder, as a user who is not root; what it wrote. EngineError says why it
    failed."""
    prefix = ["runuser", "-u", OWNER, "--"] if os.getuid() == 0 else []
    command = [*prefix, str(binary(name)), *map(str, words)]
    try:
        done = subprocess.run(  # noqa: S603 - ours
            command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
            timeout=within_s,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise EngineError(f"{name} did not end within {within_s} s; see {folder}") from error
    if done.returncode:
        hint = f" (the user {OWNER} must be able to get there)" if os.getuid() == 0 else ""
        raise EngineError(f"{name}: {(done.stderr or done.stdout).strip()[-1_000:]}; see {folder}{hint}")
    return done.stdout


def binary(name: str) -> Path:
    """A program of the newest PostgreSQL that is installed. EngineError where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: float(path.parents[1].name))
    if found:
        return found[-1]
    if on_path := shutil.which(name):
        return Path(on_path)
    raise EngineError("PostgreSQL is not installed: install it (on Debian: apt-get install postgresql)")
