"""Rooms of a local cluster as processes: started, asked whether they are ready, drained."""

import contextlib
import http.client
import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from matchday.config import load
from matchday.ops.cluster_release import interpreter, with_release
from matchday.ops.cluster_state import SECRET, ClusterError, Folder, Member, State, born, ended, signalled, wait_for
from matchday.ops.engines import free_ports

ROOMS: Final = {"relay": 1, "settlement": 2, "odds": 2, "feed": 1, "gate": 2}
"""Room -> processes of it, unless something else is said. Readers come before the feed, and fans last."""
ROOMS_MAX: Final = 32
"""Processes of one room at most."""
GATES_MAX: Final = 8
"""Gates that share the exposure limits: each may fill its part, whether the others run or not."""
READY_S_MAX: Final = 90.0
"""Seconds in which a room must be ready."""
DRAIN_S_MAX: Final = 30.0
"""Seconds in which it must have ended; then it is killed."""
_ASK_S_MAX: Final = 5.0


class Ready(msgspec.Struct, frozen=True):
    """What a process says of itself."""

    ready: bool
    reasons: list[str]
    waits_for: list[str] = []

    @property
    def whole(self) -> bool:
        """Whether it can do all of its work."""
        return self.ready and not self.waits_for


class Rooms:
    """The rooms' processes of one cluster."""

    def __init__(self, folder: Folder, state: State) -> None:
        self._folder, self._state = folder, state

    def start(self, room: str, number: int, former: Member | None = None, *, release: str | None = None) -> Member:
        """Start one, without waiting for it; of a release, or of the one that its room runs. ``former``: the one of
        that number that has ended, at whose ports the balancers look for it."""
        release = self._state.releases.get(room, "") if release is None else release
        name = f"{room}-{number}"
        port, ops_port = free_ports(2) if former is None else (former.port, former.ops_port)
        words = ["run", room, "--ops-port", str(ops_port), "--config", self._state.config, *self._state.words]
        if room == "gate":
            words += ["--port", str(port)]
        log = self._folder.path / f"{name}.log"
        with log.open("ab") as out:
            process = subprocess.Popen(  # noqa: S603 - ours
                [interpreter(release), "-m", "matchday", *words],
                env=with_release(release, self._environment(room, number)),
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
            )  # fmt: skip
        return Member(
            name=name, room=room, number=number, pid=process.pid, born=born(process.pid),
            port=port if room == "gate" else 0, ops_port=ops_port, log=str(log), release=release,
        )  # fmt: skip

    def _environment(self, room: str, number: int) -> dict[str, str]:
        environment = dict(os.environ)
        if room == "gate":
            environment["MATCHDAY_BETS_WRITER"] = str(number)
            environment["MATCHDAY_BETS_WRITERS"] = str(self._state.gates_max)
            doors = load(Path(self._state.config)).doors
            if not doors.trusted_proxies:
                environment["MATCHDAY_DOORS_TRUSTED_PROXIES"] = "127.0.0.1"  # the balancer
            if not (doors.secret or doors.secret_file):
                environment["MATCHDAY_DOORS_SECRET_FILE"] = str(self._folder.path / SECRET)
        return environment

    def wait_until_ready(self, members: Sequence[Member]) -> None:
        """Until all are. ClusterError where one has ended, or takes too long."""
        for member in members:
            said: list[Ready | None] = []

            def ready(member: Member = member, said: list[Ready | None] = said) -> bool:
                said.append(readiness(member))
                return not member.lives or bool(said[-1] and said[-1].whole)

            wait_for(ready, READY_S_MAX)
            if not (member.lives and said[-1] is not None and said[-1].whole):
                why = "has ended" if not member.lives else f"is not ready: {said[-1]}"
                raise ClusterError(f"{member.name} {why}; the end of {member.log}:\n{tail(Path(member.log), 8)}")

    def missing(self, room: str, count: int) -> list[int]:
        """Numbers that have to be started for so many of a room to run."""
        living = {member.number for member in self._state.of(room) if member.lives}
        most = GATES_MAX if room == "gate" else ROOMS_MAX
        return [number for number in range(most) if number not in living][: max(0, count - len(living))]


def stop(members: Sequence[Member], said: Callable[[str], None]) -> None:
    """Have them end by themselves, all at a time; kill those that do not."""
    for member in members:
        signalled(member, signal.SIGTERM)
    for member in members:
        if not ended(member, DRAIN_S_MAX):
            said(f"{member.name} had not ended after {DRAIN_S_MAX:g} s and was killed")


def readiness(member: Member) -> Ready | None:
    """What a process says of itself; None where it does not answer."""
    with contextlib.suppress(OSError, http.client.HTTPException, msgspec.MsgspecError):
        connection = http.client.HTTPConnection("127.0.0.1", member.ops_port, timeout=_ASK_S_MAX)
        with contextlib.closing(connection):
            connection.request("GET", "/readyz")
            return msgspec.json.decode(connection.getresponse().read(), type=Ready)
    return None


def figures(member: Member) -> dict[str, float]:
    """Its figures, by name and labels as they are written; empty where it does not answer."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        connection = http.client.HTTPConnection("127.0.0.1", member.ops_port, timeout=_ASK_S_MAX)
        with contextlib.closing(connection):
            connection.request("GET", "/metrics")
            lines = connection.getresponse().read().decode().splitlines()
        said = [line.rpartition(" ") for line in lines if line and line[0] != "#"]
        return {name: float(value) for name, _, value in said}
    return {}


def tail(log: Path, lines: int) -> str:
    """The end of what a process wrote."""
    with contextlib.suppress(OSError):
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    return ""
