"""A local cluster for measurements: ``matchday cluster`` as processes of its own, engines and all, and what each of its
parts takes of the CPU."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from matchday.app import StartError
from matchday.bench.server import LIMITS, Door, free_port
from matchday.bench.stopwatch import trees_cpu_s
from matchday.ops.cluster_state import Folder, State

UP_S_MAX: Final = 300.0
"""Seconds until engines and rooms must be up: the first time Kafka's jars are fetched."""
_HOUR_MS: Final = 3_600_000
PATIENT: Final = {
    "MATCHDAY_OVERLOAD_LAG_MS_AIM": str(_HOUR_MS),
    "MATCHDAY_OVERLOAD_ANSWER_MS_AIM": str(_HOUR_MS),
}
"""What is measured turns nobody away: whether it is quick enough, the figures say."""
SETTINGS: Final = {
    **LIMITS,
    # No tick, hold or silence of a feed falls into what is measured.
    "MATCHDAY_ODDS_HOLD_GOAL_MS": "0",
    "MATCHDAY_ODDS_TICK_MS": str(_HOUR_MS),
    "MATCHDAY_ODDS_FEED_SILENCE_MS_MAX": str(_HOUR_MS),
    **PATIENT,
}
GROUPS: Final = {
    "gate": "gates", "postgres-primary": "PostgreSQL", "postgres-standby": "its standby", "kafka": "Kafka",
    "redis": "Redis", "haproxy": "HAProxy",
}  # fmt: skip
"""What processes are called in a report, by how their names begin; all others are rooms."""
ENGINES: Final = ("PostgreSQL", "its standby", "Kafka", "Redis", "HAProxy")


class LocalCluster(Door):
    """A running cluster, asked through its balancer."""

    def __init__(self, folder: Path, port: int) -> None:
        super().__init__(port)
        self.folder = folder

    @property
    def state(self) -> State:
        """Its processes."""
        return Folder(self.folder).load()

    @property
    def config(self) -> Path:
        """The settings of all rooms."""
        return Path(self.state.config)

    def say(self, *words: str) -> None:
        """``matchday cluster``. StartError says why it failed."""
        command = [sys.executable, "-m", "matchday", "cluster", *words, "--state", str(self.folder)]
        clean = {name: value for name, value in os.environ.items() if not name.startswith("MATCHDAY_")}
        try:
            done = subprocess.run(  # noqa: S603 - our own command
                command, capture_output=True, text=True, check=False, timeout=UP_S_MAX, env={**clean, **SETTINGS}
            )
        except subprocess.TimeoutExpired as error:
            raise StartError(f"`cluster {words[0]}` did not end within {UP_S_MAX:g} s") from error
        if done.returncode:
            raise StartError(f"`cluster {words[0]}` failed: {done.stderr.strip()[-2_000:]}")

    def cpu_of_parts(self) -> dict[str, float]:
        """CPU seconds that each part has used so far, with all that its processes have started."""
        state, found = self.state, dict[str, float]()
        members = (*state.engines, *state.balancers, *state.rooms)
        used = trees_cpu_s(member.pid for member in members)
        for member in members:
            group = next((name for begins, name in GROUPS.items() if member.name.startswith(begins)), "other rooms")
            found[group] = found.get(group, 0.0) + used[member.pid]
        return found

    def cpu_s(self) -> float:
        """Not of a crowd's round, as to look at all processes takes a while: see ``cpu_of_parts``."""
        return 0.0


@contextlib.contextmanager
def cluster_up(folder: Path, *rooms: str) -> Iterator[LocalCluster]:
    """A cluster with engines of its own until the block ends."""
    cluster = LocalCluster(folder / "cluster", free_port())
    try:
        cluster.say("up", "--with-engines", "--port", str(cluster.port), "--rooms", *rooms)
        yield cluster
    finally:
        if Folder(cluster.folder).exists:
            cluster.say("down")
