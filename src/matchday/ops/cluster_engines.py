"""The engines of a local cluster that nobody named: PostgreSQL with a synchronous standby, Kafka, and Redis; or, in
high availability, those of ``cluster_ha``.

They outlive the command that starts them; what they hold stays in the folder when they end, and is there the next time.
"""

import contextlib
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from matchday.ops.cluster_ha import HighlyAvailable
from matchday.ops.cluster_settings import settings_of
from matchday.ops.cluster_state import (
    POSTGRES,
    SECRET,
    ClusterError,
    Folder,
    Member,
    State,
    born,
    signalled,
    wait_for,
)
from matchday.ops.engines import EngineError
from matchday.ops.engines.kafka import Kafka
from matchday.ops.engines.postgres import Postgres
from matchday.ops.engines.redis import Redis

FOLDER: Final = "engines"
PATRONI: Final = "patroni"
_PORTS: Final = "ports.json"
_STOP_S_MAX: Final = 30.0


class Engines:
    """The engines of one cluster."""

    def __init__(self, folder: Folder, state: State) -> None:
        self._folder, self._path, self._state = folder, folder.path / FOLDER, state
        self._secret = folder.path / SECRET

    def start(self, brokers: int, settings: Path) -> None:
        """Start them where they do not run, and write the settings that name them. ClusterError where they cannot."""
        available = bool(self._state.network)
        if self._state.engines and not available:
            if ended := [one.name for one in self._state.engines if not one.lives]:
                raise ClusterError(f"{', '.join(ended)} has ended: say `matchday cluster down`, then `up`")
            return
        self._path.mkdir(exist_ok=True)
        self._path.chmod(0o755)
        ports = self._ports()
        try:
            if available:
                self._start_available(ports, settings)
            else:
                self._start(brokers, ports, settings)
        except EngineError as error:
            if not available:  # there what was started stays, to be looked at, and is not started twice
                self.stop()
            raise ClusterError(str(error)) from error

    def _start_available(self, ports: dict[str, list[int]], settings: Path) -> None:
        servers = HighlyAvailable(self._path, self._state.network, ports)
        (self._path / _PORTS).write_bytes(msgspec.json.encode(servers.ports))
        servers.start(self._state.engines, self._keep)
        settings.write_text(servers.settings(self._secret))

    def _keep(self, engines: list[Member]) -> None:
        self._state.engines = engines
        self._folder.save(self._state)

    def _start(self, brokers: int, ports: Mapping[str, list[int]], settings: Path) -> None:
        if "etcd" in ports:
            raise EngineError(f"the engines in {self._path} are in high availability: say --ha, or --state DIR")
        database = Postgres(self._path / "postgres", ports.get("postgres", ()), standby=True)
        database.start()
        for node, pid in database.processes().items():
            data, log = self._path / "postgres" / node, database.log(node)
            self._add(f"postgres-{node}", pid, log, kind=POSTGRES, role=node, data=str(data))
        kafka = Kafka(self._path / "kafka", brokers, ports=ports.get("kafka", ()))
        if len(kafka.ports) != 2 * brokers:
            raise EngineError(
                f"Kafka was started with {len(kafka.ports) // 2} brokers here; --brokers cannot change it"
            )
        kafka.start()
        for number in range(brokers):
            self._add(f"kafka-{number}", kafka.process(number), kafka.log(number), kind="kafka")
        cache = Redis(self._path / "redis")
        cache.start()
        self._add("redis", cache.process(), cache.log, kind="redis")
        kept = {"postgres": database.ports, "kafka": kafka.ports}
        (self._path / _PORTS).write_bytes(msgspec.json.encode(kept))
        text = settings_of(
            "up", self._secret, bootstrap=kafka.bootstrap, replicas=brokers, address=database.address, cache=cache.url
        )
        settings.write_text(text)

    def _add(self, name: str, pid: int, log: Path, *, kind: str, role: str = "", data: str = "") -> None:
        member = Member(
            name=name, room="engine", kind=kind, role=role, pid=pid, born=born(pid), data=data, log=str(log)
        )
        self._state.engines.append(member)

    def _ports(self) -> dict[str, list[int]]:
        with contextlib.suppress(FileNotFoundError):
            return msgspec.json.decode((self._path / _PORTS).read_bytes(), type=dict[str, list[int]])
        return {}

    def stop(self) -> None:
        """End them, those that were started last first; what they hold stays. PostgreSQL under Patroni is ended by
        it."""
        engines, looked_after = self._state.engines, {one.address for one in self._state.engines if one.kind == PATRONI}
        for kind in reversed(dict.fromkeys(one.kind for one in engines if one.kind != POSTGRES)):
            _stop([one for one in engines if one.kind == kind], signal.SIGTERM)
        databases = [one for one in reversed(engines) if one.kind == POSTGRES]
        for one in databases:
            # To PostgreSQL SIGINT is a fast shutdown, while SIGTERM waits for its clients.
            _stop([one], signal.SIGQUIT if one.address in looked_after else signal.SIGINT)
        self._state.engines = []


def _stop(engines: Sequence[Member], number: signal.Signals) -> None:
    """End them together; kill those that do not."""
    for engine in engines:
        signalled(engine, number)
    for engine in engines:
        if not wait_for(lambda engine=engine: not engine.lives, _STOP_S_MAX):  # type: ignore[misc]
            signalled(engine, signal.SIGQUIT if engine.kind == POSTGRES else signal.SIGKILL)
            wait_for(lambda engine=engine: not engine.lives, _STOP_S_MAX)  # type: ignore[misc]
