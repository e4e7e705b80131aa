"""Processes of a cluster, ended and hung as a machine would, and started again as an operator's supervisor would: the
same command, folder, user and environment, as the operating system had them.
"""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from matchday.ops.cluster_state import Folder, Member, born, wait_for
from matchday.ops.drill import DrillError

_GONE_S_MAX: Final = 5.0
_PROC: Final = Path("/proc")
_OF_ITS_OWN: Final = "HAPROXY_"
"""Variables that HAProxy's master hands to itself: one that finds them takes itself for reloaded."""


class Seen(msgspec.Struct, frozen=True):
    """What a process was started with."""

    member: Member
    command: list[str]
    folder: str
    environment: dict[str, str]
    user: int
    group: int


def seen(member: Member) -> Seen:
    """As the operating system has it. DrillError where it does not live."""
    at = _PROC / str(member.pid)
    try:
        command = (at / "cmdline").read_bytes().decode().split("\0")[:-1]
        pairs = (pair.partition("=") for pair in (at / "environ").read_bytes().decode().split("\0") if pair)
        environment = {name: value for name, _, value in pairs if not name.startswith(_OF_ITS_OWN)}
        owner, folder = at.stat(), str((at / "cwd").readlink())
    except OSError as error:
        raise DrillError(f"{member.name} cannot be drilled: its process {member.pid} is gone") from error
    return Seen(member, command, folder, environment, owner.st_uid, owner.st_gid)


def send(pids: Sequence[int], number: signal.Signals) -> None:
    """A signal to each that lives."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def kill(*members: Member) -> str:
    """End them and all that they started at once, as a power cut would. How it was proved. DrillError: something lives
    on."""
    families = {one.name: one.family for one in members}
    pids = [pid for family in families.values() for pid in family]
    send(pids, signal.SIGKILL)
    if not pids or not wait_for(lambda: not any(born(pid) for pid in pids), _GONE_S_MAX):
        raise DrillError(f"{', '.join(families)} was to be killed: {pids or 'nothing'} runs")
    named = ", ".join(f"{name} ({_shown(family)})" for name, family in families.items())
    return f"SIGKILL to {named}: gone"


def _shown(family: Sequence[int]) -> str:
    more = f" and {len(family) - 1} of its own" if len(family) > 1 else ""
    return f"process {family[0]}{more}" if family else "no process"


def stopped(pid: int) -> bool:
    """Whether a process hangs."""
    with contextlib.suppress(OSError):
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] == "T"
    return False


@contextlib.contextmanager
def held(pids: Sequence[int]) -> Iterator[None]:
    """They stand still until the block ends; whoever was killed meanwhile stays dead."""
    send(pids, signal.SIGSTOP)
    wait_for(lambda: all(stopped(pid) or not born(pid) for pid in pids), _GONE_S_MAX)
    try:
        yield
    finally:
        send(pids, signal.SIGCONT)


class Supervisor:
    """Starts again what ended, and has the cluster's file say so."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._started: list[subprocess.Popen[bytes]] = []

    def again(self, was: Seen, more: Mapping[str, str] | None = None) -> Member:
        """The same process anew, with ``more`` in its environment."""
        log = Path(was.member.log)
        with log.open("ab") as out:
            process = subprocess.Popen(  # noqa: S603 - what ran before
                was.command, cwd=was.folder, env={**was.environment, **(more or {})}, stdin=subprocess.DEVNULL,
                stdout=out, stderr=out, start_new_session=True, user=was.user, group=was.group, extra_groups=[],
            )  # fmt: skip
        self._started.append(process)
        member = msgspec.structs.replace(was.member, pid=process.pid, born=born(process.pid))
        self._replace(member)
        return member

    def _replace(self, member: Member) -> None:
        with self._folder.locked():
            state = self._folder.load()
            state.rooms = [member if one.name == member.name else one for one in state.rooms]
            state.engines = [member if one.name == member.name else one for one in state.engines]
            state.balancers = [member if one.name == member.name else one for one in state.balancers]
            self._folder.save(state)
