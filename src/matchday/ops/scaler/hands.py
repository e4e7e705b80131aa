"""What carries decisions out: by the mode, once, with patience after a failure, and never more than was decided."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from matchday.ops.scaler.act.port import ActError, Actuator, Count
from matchday.ops.scaler.core import Decision
from matchday.ops.scaler.settings import Act


@dataclass(slots=True)
class _Patience:
    failures: int = 0
    until_ms: float = 0.0


class Hands:
    """All places."""

    def __init__(self, settings: Act, actuators: Mapping[str, Actuator], elapsed_ms: Callable[[], int]) -> None:
        """``actuators``: of each target; one without is only looked at."""
        self._settings, self._actuators, self._elapsed_ms = settings, actuators, elapsed_ms
        self._patience: dict[str, _Patience] = {}

    def count(self, target: str) -> Count | str:
        """How many there are, or why nobody says."""
        actuator = self._actuators.get(target)
        if actuator is None:
            return "no place is named where it runs (setting act.where)"
        try:
            return actuator.count(target)
        except ActError as error:
            return str(error)

    def act(self, target: str, made: Decision) -> str:
        """Carry a decision out; what became of it, in words. Empty: there was nothing to do."""
        actuator = self._actuators.get(target)
        if actuator is None or made.wanted is None or made.asked is None or not made.change:
            return ""
        patience = self._patience.setdefault(target, _Patience())
        left_ms = patience.until_ms - self._elapsed_ms()
        if left_ms > 0:
            return f"waits: {left_ms / 1_000:.0f} s after {patience.failures} failures"
        try:
            actuator.scale(target, made.asked, made.wanted)
        except ActError as error:
            patience.failures += 1
            doubled = self._settings.backoff_s * 2 ** min(patience.failures - 1, 20)
            patience.until_ms = self._elapsed_ms() + 1_000 * min(doubled, self._settings.backoff_s_max)
            there = self.count(target)
            now = f"; {there.asked} are asked for, {there.ready} ready" if isinstance(there, Count) else ""
            return f"failed: {error}{now}"
        self._patience.pop(target, None)
        return "done"

    def tell(self, target: str, made: Decision, *, acting: bool) -> None:
        """For those who ask again and again (KEDA): what stands, also where nothing changes, and what there is where
        nothing may."""
        actuator = self._actuators.get(target)
        if actuator is not None and made.asked is not None and made.wanted is not None:
            actuator.scale(target, made.asked, made.wanted if acting else made.asked)
