"""Where a night is held: an embedded platform that is started for it, or a local cluster that runs."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

from matchday.bench.server import Server, free_port, launch
from matchday.bench.stopwatch import cpu_s, now_s
from matchday.config import Settings, load
from matchday.ops.cluster_local import Cluster
from matchday.ops.cluster_state import Folder, Member, State, signalled
from matchday.ops.drill import DrillError
from matchday.ops.drill.failover.books import Books as LedgerBooks
from matchday.ops.drill.night.faults import PAUSE_S
from matchday.ops.drill.night.money import Books, SqliteBooks

_USUAL: Final = ("lobby.enter_per_second_max", "lobby.fans_max", "push.admissions_per_second_max")
"""Settings that are the platform's own in a drill: the waiting room and admission are part of what is rehearsed."""


class Place(Protocol):
    """A platform under drill."""

    port: int
    kind: str
    """For the report."""
    boots_s: list[float]
    """Seconds that each process took which was started, until it carried load."""
    doubts: list[str]
    """What its figures are not."""

    @property
    def books(self) -> Books:
        """Its ledger, for the money checker."""

    def processes(self) -> dict[str, int]:
        """Room -> processes that live."""

    def cpu_s(self) -> float:
        """CPU seconds that its processes have used so far."""

    async def fault(self, kind: str) -> float:
        """Make it; seconds until it was whole again, 0 where nobody brings it back."""

    def close(self) -> None:
        """The drill is over."""


class Embedded:
    """``matchday up`` on the first core, its data in a new folder."""

    kind = "embedded"

    def __init__(self, folder: Path, words: Sequence[str]) -> None:
        self.doubts: list[str] = []
        usual = Settings()
        names = (name.split(".") for name in _USUAL)
        self._settings: Mapping[str, str] = {
            **{f"MATCHDAY_{part}_{name}".upper(): str(getattr(getattr(usual, part), name)) for part, name in names},
            **{name: value for name, value in os.environ.items() if name.startswith("MATCHDAY_")},
        }
        self._folder, self.port = folder, free_port()
        self._command = ["matchday", "up", "--port", str(self.port), "--data", str(folder / "data"), *words]
        began = now_s()
        self._server: Server | None = launch(folder, self._command, self.port, self._settings)
        self.boots_s = [now_s() - began]
        self._used_s = 0.0

    @property
    def books(self) -> Books:
        """See ``Place.books``."""
        return SqliteBooks(self._folder / "data" / "ledger.sqlite")

    def processes(self) -> dict[str, int]:
        """See ``Place.processes``."""
        return {"gate": int(self._server is not None)}

    def cpu_s(self) -> float:
        """See ``Place.cpu_s``."""
        return self._used_s + (self._server.cpu_s() if self._server is not None else 0.0)

    async def fault(self, kind: str) -> float:
        """See ``Place.fault``."""
        server = self._server
        if server is None:
            return 0.0
        began = now_s()
        if kind == "pause":
            os.kill(server.pid, signal.SIGSTOP)
            await asyncio.sleep(PAUSE_S)
            os.kill(server.pid, signal.SIGCONT)
            return now_s() - began
        self._used_s, self._server = self.cpu_s(), None
        await asyncio.to_thread(server.kill if kind == "kill" else server.stop)
        restarted = now_s()
        self._server = await asyncio.to_thread(launch, self._folder, self._command, self.port, self._settings)
        self.boots_s.append(now_s() - restarted)
        return now_s() - began

    def close(self) -> None:
        """See ``Place.close``."""
        if self._server is not None:
            self._server.stop()


class LocalCluster:
    """A cluster that `matchday cluster up` started, as it is: its gates keep their limits, others may scale it."""

    kind = "cluster"

    def __init__(self, folder: Path, compress: float) -> None:
        self._path, self._folder = folder, Folder(folder)
        state = self._folder.load()
        self.port = state.door
        self.boots_s: list[float] = []
        self.doubts = ["the cluster runs on all cores, the crowd's among them", *self._other_speed(state, compress)]
        self._ledger = LedgerBooks(load(Path(state.config)).postgres)
        self._used: dict[int, float] = {}
        """Process -> CPU seconds when it was last looked at, those that have ended included."""

    @staticmethod
    def _other_speed(state: State, compress: float) -> list[str]:
        words = dict(zip(state.words, state.words[1:], strict=False))
        speed = float(words.get("--speed", "1"))
        if speed == compress:
            return []
        return [f"the cluster plays matches {speed:g} times as fast, the crowd {compress:g} times"]

    @property
    def books(self) -> Books:
        """See ``Place.books``."""
        return self._ledger

    def _living(self) -> list[Member]:
        return [one for one in self._folder.load().rooms if one.lives]

    def processes(self) -> dict[str, int]:
        """See ``Place.processes``."""
        found: dict[str, int] = {}
        for one in self._living():
            found[one.room] = found.get(one.room, 0) + 1
        return found

    def cpu_s(self) -> float:
        """See ``Place.cpu_s``."""
        for one in self._living():
            with contextlib.suppress(OSError):
                self._used[one.pid] = cpu_s(one.pid)
        return sum(self._used.values())

    async def fault(self, kind: str) -> float:
        """See ``Place.fault``: of the gate with the highest number; another one must be there."""
        gates = [one for one in self._living() if one.room == "gate"]
        if len(gates) < 2:
            raise DrillError(
                "a fault in a cluster takes a gate away: start two at least (`matchday cluster scale gate=2`)"
            )
        gate, began = max(gates, key=lambda one: one.number), now_s()
        if kind == "kill":
            signalled(gate, signal.SIGKILL)
            return 0.0
        if kind == "pause":
            signalled(gate, signal.SIGSTOP)
            await asyncio.sleep(PAUSE_S)
            signalled(gate, signal.SIGCONT)
        else:
            cluster = Cluster(self._path, lambda _: None, lambda: b"")
            await asyncio.to_thread(cluster.scale, {"gate": len(gates) - 1})
        return now_s() - began

    def close(self) -> None:
        """See ``Place.close``: it goes on."""
        self._ledger.close()
