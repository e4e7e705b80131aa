"""What of the capacity model and the settings concerns each room: loads, what one process carries, boot times."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

from matchday.ops.capacity import Capacity
from matchday.ops.forecast.series import Floats
from matchday.ops.scaler.core import Amount
from matchday.ops.scaler.history import per_minute, per_second
from matchday.ops.scaler.loads import METRICS
from matchday.ops.scaler.problems import ScalerError
from matchday.ops.scaler.settings import Settings
from matchday.ops.scaler.when import said

BOOT_MINUTES_MAX: Final = 240
"""As far as is forecast."""
CORES: Final = "cores"
"""The load of machines."""


@dataclass(frozen=True, slots=True)
class Size:
    """Of a room."""

    carries: Mapping[str, float]
    """Load -> how much of it one process carries."""
    cores: float
    boot_s: float
    """Real seconds from asking for a process until it carries load."""
    boot: int
    """The scaler's minutes that this takes, a decision's interval included."""


def sizes(settings: Settings, model: Capacity) -> dict[str, Size]:
    """Of each room. ScalerError where the model does not say enough."""
    found = {}
    for room, bounds in settings.rooms.items():
        measured = model.rooms.get(room)
        if measured is None:
            raise ScalerError(f"[rooms.{room}]: the capacity model knows {', '.join(model.rooms) or 'no room'}")
        loads = bounds.loads or [load for load in measured.carries if load in METRICS]
        for load in loads:
            if load not in METRICS:
                raise ScalerError(f"[rooms.{room}] loads: {load} is said by no figure; choose of {', '.join(METRICS)}")
            if load not in measured.carries:
                raise ScalerError(f"[rooms.{room}] loads: the capacity model does not say what it carries of {load}")
        if not loads:
            raise ScalerError(f"[rooms.{room}]: the model has no load of it that is seen ({', '.join(METRICS)})")
        boot_s = settings.forecast.boot_s or measured.boot_s
        carries = {load: measured.carries[load].per_process for load in loads}
        found[room] = Size(carries, measured.cores, boot_s, _minutes(boot_s, settings))
    return found


def machine_boot(settings: Settings, of: Mapping[str, Size]) -> int:
    """The scaler's minutes until a machine that is asked for now carries load: its own boot, then a process's."""
    if settings.machines is None:
        return 0
    return _minutes(settings.machines.boot_s + max(size.boot_s for size in of.values()), settings)


def _minutes(seconds: float, settings: Settings) -> int:
    minutes = max(ceil((seconds + settings.every_s) * settings.clock.speed / 60), 1)
    if minutes > BOOT_MINUTES_MAX:
        raise ScalerError(f"a boot takes {minutes} of the scaler's minutes; at most {BOOT_MINUTES_MAX} are forecast")
    return minutes


def amounts_seen(size: Size, loads: Mapping[str, float]) -> list[Amount]:
    """What a room carries now."""
    return [Amount(load, loads[load], carried) for load, carried in size.carries.items() if load in loads]


def amounts_ahead(size: Size, needs: Mapping[str, Floats], minute: int, boot: int) -> list[Amount]:
    """The most that it must carry until so many minutes from now."""
    found = []
    for load, carried in size.carries.items():
        if load in needs:
            within = needs[load][: boot + 1]
            at = int(within.argmax())
            found.append(Amount(load, per_second(load, float(within[at])), carried, said(minute + at)))
    return found


def capacities(of: Sequence[Size]) -> dict[str, float]:
    """Load -> what one process carries of it in a minute, for rehearsals; the least where several rooms carry it."""
    found: dict[str, float] = {}
    for size in of:
        for load, carried in size.carries.items():
            found[load] = min(found.get(load, float("inf")), per_minute(load, carried))
    return found
