"""Whether traffic and calendar keep the same time: a crowd steps up at kick-off and goes at the whistle.

If the steps in the days before the judged ones stand some whole hours from where the calendar has them, one of the two
is in another zone. It is said, and nothing shrinks in either window; the template is learned by the calendar all the
same, and moves with it.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from matchday.ops.forecast.problems import Finding
from matchday.ops.forecast.series import Series, Slot

_HOURS: Final = range(-12, 15)
_SLOTS_MIN: Final = 4
_CLEARLY: Final = 0.25
"""Of the logarithm: by how much the steps must be larger elsewhere than where the calendar has them."""


def mistaken(series: Series, slots: Sequence[Slot], until: int) -> int:
    """Hours that the crowd's steps come after the calendar's, in what is known before ``until``; 0 if in doubt."""
    past = [s.at for s in slots if not s.off and s.at < until]
    if len(past) < _SLOTS_MIN or series.step > 10:
        return 0
    logs = np.log(np.maximum(series.requests[:until], 1))
    found = {hours: _step(logs, [at + hours * 60 // series.step for at in past], series.step) for hours in _HOURS}
    best = max(found, key=lambda hours: found[hours])
    return best if found[best] > found[0] + _CLEARLY else 0


def _step(logs: np.typing.NDArray[np.float64], kickoffs: Sequence[int], step: int) -> float:
    """Mean rise at kick-off plus mean fall at the final whistle."""

    def level(at: int, start: int, end: int) -> float:
        return float(logs[at + start // step : at + max(end // step, start // step + 1)].mean())

    inside = [at for at in kickoffs if at - 30 // step >= 0 and at + 150 // step <= len(logs)]
    if len(inside) < _SLOTS_MIN:
        return -np.inf
    rises = [level(at, 5, 25) - level(at, -25, -5) for at in inside]
    falls = [level(at, 105, 120) - level(at, 135, 150) for at in inside]
    return float(np.mean(rises) + np.mean(falls))


def guarded(series: Series, slots: Sequence[Slot], until: int) -> tuple[list[Slot], list[Finding]]:
    """Slots with windows added where the crowd's own steps are, and what to say; as they were if the times agree."""
    hours = mistaken(series, slots, until)
    if not hours:
        return list(slots), []
    there = [replace(slot, at=slot.at + hours * 60 // series.step, off=True) for slot in slots]
    finding = Finding(
        f"the crowd steps up {abs(hours)} hours {'after' if hours > 0 else 'before'} the calendar's kick-offs: "
        "one of the files is not in UTC", "traffic and kick-offs",
        "nothing is released in either window; convert the file",
    )  # fmt: skip
    return sorted([*slots, *there], key=lambda slot: slot.at), [finding]
