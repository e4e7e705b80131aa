"""The local cluster: real processes, started and drained by the same code as ``matchday cluster scale``."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from matchday.ops.cluster_balancer import Balancer
from matchday.ops.cluster_local import Cluster
from matchday.ops.cluster_rooms import readiness
from matchday.ops.cluster_state import ClusterError, Folder
from matchday.ops.scaler.act.port import ActError, Count


class OnCluster:
    """The cluster of a folder."""

    def __init__(self, folder: Path, say: Callable[[str], None], secret: Callable[[], bytes]) -> None:
        self._folder = Folder(folder)
        self._cluster = Cluster(folder, say, secret)

    def count(self, target: str) -> Count:
        """See ``Actuator.count``: gates are ready where the balancer sends fans to them."""
        living = self._living(target)
        if target == "gate":
            state = self._folder.load()
            states = Balancer(self._folder.path, state.door).states()
            ready = sum(states.get(one, "").startswith("UP") for one in living)
        else:
            members = {one.name: one for one in self._folder.load().of(target)}
            ready = sum(bool((said := readiness(members[one])) and said.ready) for one in living if one in members)
        return Count(len(living), ready)

    def scale(self, target: str, asked: int, wanted: int) -> None:
        """See ``Actuator.scale``. What was started stays, and what was drained is gone, where the rest goes wrong."""
        there = len(self._living(target))
        if there != asked:
            raise ActError(f"{there} of {target} run where {asked} did: somebody else changed it; decided anew")
        try:
            self._cluster.scale({target: wanted})
        except ClusterError as error:
            ended = Counter(self._living(target)).total()
            raise ActError(f"{ended} of {wanted} run: {error}") from error

    def _living(self, target: str) -> list[str]:
        try:
            return [one.name for one in self._folder.load().of(target) if one.lives]
        except ClusterError as error:
            raise ActError(str(error)) from error
