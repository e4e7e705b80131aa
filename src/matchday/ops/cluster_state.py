"""What a local cluster consists of, kept in its folder: who runs, as which process, at which ports."""

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
_LOOK_S: Final = 0.05


class ClusterError(Exception):
    """A local cluster cannot do what it was told: why, and what to do about it."""


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """One process of the cluster."""

    name: str
    """Room and number, such as ``gate-0``; or what an engine is."""
    room: str
    number: int = 0
    pid: int
    born: str
    """When the operating system started it: another process may be given the same number later."""
    port: int = 0
    """Of its door; 0 without one."""
    ops_port: int = 0
    log: str
    release: str = ""
    """The code that it runs (``cluster_release``)."""

    @property
    def lives(self) -> bool:
        """Whether it is the process that was started."""
        return bool(self.born) and born(self.pid) == self.born


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
    balancer: Member | None = None
    engines: list[Member] = []
    addresses: dict[str, str] = {}
    """Where the engines are that were started here."""
    releases: dict[str, str] = {}
    """Room -> the code with which further processes of it are started, where that is not the command's own."""
    former: dict[str, str] = {}
    """Room -> the code that it ran before the last roll: to what it is rolled back."""

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


def wait_for(happened: Callable[[], bool], seconds: float) -> bool:
    """Whether something happens within so many seconds."""
    pause = threading.Event()
    for _ in range(max(1, round(seconds / _LOOK_S))):
        if happened():
            return True
        pause.wait(_LOOK_S)
    return happened()


def signalled(member: Member, number: signal.Signals) -> None:
    """Send a signal to the process that was started, and to no other."""
    if member.lives:
        with contextlib.suppress(ProcessLookupError):
            os.kill(member.pid, number)


def ended(member: Member, seconds: float) -> bool:
    """Whether it has ended by itself so many seconds after it was told to; else it is killed."""
    if wait_for(lambda: not member.lives, seconds):
        return True
    signalled(member, signal.SIGKILL)
    wait_for(lambda: not member.lives, 5)
    return False
