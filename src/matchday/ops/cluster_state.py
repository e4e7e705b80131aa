"""What a local cluster consists of, kept in its folder: who runs, as which process, at which addresses and ports."""

import contextlib
import fcntl
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

STATE: Final = "cluster.json"
LOCK: Final = "lock"
SECRET: Final = "secret"  # noqa: S105 - the name of the key's file
POSTGRES: Final = "postgres"
_LOOK_S: Final = 0.05


class ClusterError(Exception):
    """A local cluster cannot do what it was told: why, and what to do about it."""


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """One server of the cluster."""

    name: str
    """Room and number, such as ``gate-0``; or what an engine is."""
    room: str
    """``engine`` and ``balancer`` are no rooms."""
    number: int = 0
    kind: str = ""
    """Of an engine, or a balancer: what it is, as ``postgres`` or ``sentinel``."""
    role: str = ""
    """Of an engine: what it was when all of them had started, as ``primary``; a fail-over changes it."""
    pid: int
    """Of the process that was started; ``process`` is its number now."""
    born: str
    """When the operating system started it: another process may be given the same number later."""
    address: str = "127.0.0.1"
    """Where it listens. What has one address stands for one machine."""
    port: int = 0
    """Of its door; 0 without one."""
    ops_port: int = 0
    uses: tuple[str, ...] = ()
    """Addresses (``host:port``) of others to which nobody else goes: cut these and its own, and it is cut off."""
    data: str = ""
    """Folder of what it keeps; empty where it keeps nothing."""
    log: str

    @property
    def process(self) -> int:
        """The number of its process now; 0 where there is none. PostgreSQL's is another after whoever looks after it
        has started it anew."""
        if self.born and born(self.pid) == self.born:
            return self.pid
        return postmaster(Path(self.data)) if self.kind == POSTGRES and self.data else 0

    @property
    def lives(self) -> bool:
        """Whether it runs."""
        return self.process != 0

    @property
    def family(self) -> list[int]:
        """Its process and all that this one has started, directly or not: each has to be stopped for all of it to."""
        return family(self.process) if self.process else []


class State(msgspec.Struct, kw_only=True):
    """The whole cluster."""

    door: int = 0
    """Port of the balancer."""
    config: str = ""
    """The settings of all rooms."""
    words: tuple[str, ...] = ()
    """Further words of ``matchday run``: what the feed shows, and how fast."""
    gates_max: int = 0
    """Gates that share the house's exposure limits, at most."""
    rooms: list[Member] = []
    balancers: list[Member] = []
    """Each at an address of its own, all at the port ``door``."""
    engines: list[Member] = []
    network: str = ""
    """In high availability: what the addresses of engines and balancers begin with, as ``127.1.42``; each has one of
    its own. Empty: all are at 127.0.0.1."""

    @property
    def members(self) -> list[Member]:
        """All servers: engines, balancers, then rooms."""
        return [*self.engines, *self.balancers, *self.rooms]

    @property
    def doors(self) -> list[str]:
        """Addresses of the balancers, as clients want them."""
        return [f"http://{address}:{self.door}" for address in self.door_addresses]

    @property
    def door_addresses(self) -> list[str]:
        """Where balancers listen."""
        return [f"{self.network}.{number}" for number in (1, 2)] if self.network else ["127.0.0.1"]

    def at(self, address: str) -> list[Member]:
        """All servers of what stands for one machine."""
        return [one for one in self.members if one.address == address]

    def of(self, room: str) -> list[Member]:
        """Those of a room, by their numbers."""
        return sorted((one for one in self.rooms if one.room == room), key=lambda one: one.number)


class Folder:
    """A cluster's folder, for one command at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()

    @property
    def exists(self) -> bool:
        """Whether a cluster has been started here that was not taken down."""
        return (self.path / STATE).is_file()

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else changes the cluster meanwhile. ClusterError where somebody does."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self.path.chmod(0o755)  # a database does not run as root, and must get to its own folder
            file = (self.path / LOCK).open("w")
        except OSError as error:
            raise ClusterError(f"folder {self.path}: {error.strerror}; choose another with --state DIR") from error
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise ClusterError(f"another command changes the cluster in {self.path}: wait for it") from error
            yield

    def load(self) -> State:
        """The cluster. ClusterError where there is none."""
        try:
            return msgspec.json.decode((self.path / STATE).read_bytes(), type=State)
        except FileNotFoundError as error:
            raise ClusterError(f"no cluster in {self.path}: `matchday cluster up` starts one") from error
        except msgspec.MsgspecError as error:
            raise ClusterError(f"{self.path / STATE} cannot be read: {error}") from error

    def save(self, state: State) -> None:
        """Remember it, whole or not at all."""
        new = self.path / f"{STATE}.new"
        new.write_bytes(msgspec.json.format(msgspec.json.encode(state), indent=2))
        new.replace(self.path / STATE)

    def forget(self) -> None:
        """There is no cluster any more."""
        (self.path / STATE).unlink(missing_ok=True)


def born(pid: int) -> str:
    """When a process was started, by the operating system's count; empty where none lives under that number."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]


def postmaster(data: Path) -> int:
    """The number of the process that runs PostgreSQL in a folder; 0 where none does."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        pid = int((data / "postmaster.pid").read_text().split("\n", 1)[0])
        if born(pid) and Path(f"/proc/{pid}/cwd").resolve() == data.resolve():  # the file of one that was killed stays
            return pid
    return 0


def family(pid: int) -> list[int]:
    """A process, and all that descend from it and run."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, IndexError, ValueError):
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
            if state not in "ZX":
                children.setdefault(int(parent), []).append(int(stat.parent.name))
    found = [pid]
    for one in found:  # grows while it is walked
        found += children.get(one, [])
    return found


def wait_for(happened: Callable[[], bool], seconds: float) -> bool:
    """Whether something happens within so many seconds."""
    pause = threading.Event()
    for _ in range(max(1, round(seconds / _LOOK_S))):
        if happened():
            return True
        pause.wait(_LOOK_S)
    return happened()


def signalled(member: Member, number: signal.Signals) -> None:
    """Send a signal to a server's process, and to no other."""
    if process := member.process:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, number)


def ended(member: Member, seconds: float) -> bool:
    """Whether it has ended by itself so many seconds after it was told to; else it is killed."""
    if wait_for(lambda: not member.lives, seconds):
        return True
    signalled(member, signal.SIGKILL)
    wait_for(lambda: not member.lives, 5)
    return False
