"""Engines: real servers on the loopback addresses of one machine, for tests and for ``matchday cluster up``.

Each is a process of its own with its files in a folder that it is handed. They are for one machine and for data that
may be lost: an operator's own servers are used by their addresses and started by nobody here.
"""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

START_S_MAX: Final = 90.0
"""Seconds in which an engine must be ready: a Java machine on a slow, busy core."""
STOP_S_MAX: Final = 15.0
"""Seconds in which it must have stopped; then it is killed."""
_LOOK_S: Final = 0.05
_CLIENTS: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
_PORTS: Final = 10_000
"""How many below these are tried, from one on that goes by the process, so that two of them rarely meet."""
_TRIED: Final = count()
ANY: Final = "0.0.0.0"  # noqa: S104 - to look whether a port is free everywhere
_OURS: Final = frozenset({"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"})
"""Variables about this Python, which is not that of a server written in Python."""


class EngineError(Exception):
    """An engine cannot be had or does not start: what is wrong and what to do about it."""


def free_ports(wanted: int, address: str = "127.0.0.1") -> list[int]:
    """Ports of an address (``ANY``: of all) that nobody uses now, and that the system gives to nobody who connects: an
    engine takes seconds to listen on its own, and must find it free again when it comes back."""
    first = _lowest_of_clients()
    found: list[int] = []
    for _ in range(_PORTS):
        port = first - _PORTS + (os.getpid() * 101 + next(_TRIED)) % _PORTS
        with contextlib.suppress(OSError), socket.socket() as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind((address, port))
            found.append(port)
        if len(found) == wanted:
            return found
    raise EngineError(f"{wanted} ports below {first} are not free: end what uses them")


def _lowest_of_clients() -> int:
    """The first port of those that the system gives to who connects."""
    try:
        return max(int(_CLIENTS.read_text().split()[0]), _PORTS + 1_024)
    except (OSError, ValueError, IndexError):
        return 32_768  # Linux's own


def program(name: str, package: str) -> str:
    """The path of a program. EngineError where it is not installed."""
    found = shutil.which(name)
    if found is None:
        raise EngineError(f"{name} is not installed: install it (on Debian: apt-get install {package})")
    return found


def cache_folder() -> Path:
    """Where what was fetched is kept, for all platforms of this user: ``$XDG_CACHE_HOME``, or ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "matchday"


class Server(NamedTuple):
    """One server of an engine that has several: how it is started and where it is found."""

    name: str
    kind: str
    role: str
    """What it is at first; empty where that is found out."""
    address: str
    port: int
    command: Sequence[str]
    data: Path
    log: Path
    ops_port: int = 0
    """Where it is asked how it is; 0: nowhere."""
    uses: tuple[str, ...] = ()
    """Addresses (``host:port``) of others to which nobody else goes."""
    user: str = ""
    """Who runs it where we are root; empty: root."""

    def launch(self) -> "Engine":
        """Start its process, without waiting for it. EngineError where that cannot be."""
        return Engine(self.name, self.command, self.log, self.port, address=self.address, user=self.user)


class Engine:
    """A server's process, its words in a file. It outlives the terminal it was started from."""

    def __init__(
        self, name: str, command: Sequence[str], log: Path, port: int, *, address: str = "127.0.0.1", user: str = ""
    ) -> None:
        self.name, self.port = name, port
        self._log, self._address = log, address
        known = {name: value for name, value in os.environ.items() if name not in _OURS}
        with log.open("ab") as out:
            self._process = subprocess.Popen(  # noqa: S603 - ours
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=log.parent, start_new_session=True,
                env=known, **_as(user),
            )  # fmt: skip

    @property
    def pid(self) -> int:
        """Of its process."""
        return self._process.pid

    def wait_until_ready(self) -> None:
        """Until it takes connections. EngineError where it ends before, or takes too long."""
        for _ in range(round(START_S_MAX / _LOOK_S)):
            with contextlib.suppress(OSError), socket.create_connection((self._address, self.port), 1):
                return
            if self.ended(_LOOK_S):
                break
        tail = "\n".join(self._log.read_text(errors="replace").splitlines()[-15:])
        self.kill()
        raise EngineError(f"{self.name} did not start on port {self.port}; the end of {self._log}:\n{tail}")

    def ended(self, within_s: float = 0.0) -> bool:
        """Whether its process has ended, or does within so many seconds."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(within_s)
        return self._process.returncode is not None

    def stop(self) -> None:
        """Have it end by itself; kill it where it does not."""
        self._process.terminate()
        if not self.ended(STOP_S_MAX):
            self.kill()

    def kill(self) -> None:
        """At once (SIGKILL), as by a power cut."""
        self._process.kill()
        self._process.wait()


def _as(user: str) -> dict[str, Any]:
    """What has a process run as somebody who is not root."""
    if not user or os.getuid():
        return {}
    try:
        group = pwd.getpwnam(user).pw_gid
    except KeyError as error:
        raise EngineError(f"there is no user {user}, who runs it where we are root: add one") from error
    return {"user": user, "group": group, "extra_groups": []}


class Running(ABC):
    """What is started and stopped; use it as a context, or do both."""

    @abstractmethod
    def start(self) -> None:
        """Returns when it takes connections. EngineError says why it does not."""

    @abstractmethod
    def stop(self) -> None:
        """End it; harmless where it is not running."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self.stop()


class OneServer(Running):
    """An engine of one process on a port of its own, in memory only: whatever is in it can be made anew."""

    def __init__(self, name: str, folder: Path) -> None:
        self._name, self._folder = name, folder
        self.port = free_ports(1)[0]
        self._engine: Engine | None = None

    @abstractmethod
    def command(self) -> Sequence[str]:
        """What starts it. EngineError where it is not installed."""

    @property
    def log(self) -> Path:
        """Where it writes what it does."""
        return self._folder / f"{self._name}.log"

    def process(self) -> int:
        """The id of its process."""
        assert self._engine is not None
        return self._engine.pid

    def start(self) -> None:
        """See ``Running.start``."""
        command = self.command()
        self._folder.mkdir(parents=True, exist_ok=True)
        self._engine = Engine(self._name, command, self.log, self.port)
        self._engine.wait_until_ready()

    def stop(self) -> None:
        """See ``Running.stop``."""
        if self._engine is not None:
            self._engine.stop()
            self._engine = None

    def kill(self) -> None:
        """End it as a power cut would. ``start`` brings it back on the same port, empty."""
        assert self._engine is not None
        self._engine.kill()
        self._engine = None
