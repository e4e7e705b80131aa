"""What one process of each room carries, as measured, and what follows from it: processes, machines, cost.

The model is a JSON file that ``matchday drill capacity`` writes: for each room what one process carries of each load
within its latency target, when it was measured, on which release and on which machine. A release may be slower than the
one before, so a model of another version is said (``doubts``), and nothing is made smaller by it.
"""

from collections.abc import Iterable, Mapping, Sequence
from math import ceil
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from matchday import __version__

FORMAT: Final = 1
"""Of the file; another one is refused by name."""
LOADS: Final = {
    "connections": "open push connections (WebSockets and streams)",
    "requests_per_s": "plain HTTP requests a second",
    "bets_per_s": "bets a second",
    "incidents_per_s": "incidents a second, over all fixtures",
    "frames_per_s": "frames a second to all connections together",
    "settled_per_s": "bets settled a second",
    "facts_per_s": "facts a second from the outbox onto the log",
}
"""What a room can be full of -> what is counted."""
FILL_PERCENT: Final = 100
"""Of what was measured within the latency target: how full a process is planned."""
BYTES_MAX: Final = 1024 * 1024
_MILLION: Final = 1_000_000
Positive = Annotated[float, Meta(gt=0, le=1e12)]
Amount = Annotated[float, Meta(ge=0, le=1e12)]
Count = Annotated[int, Meta(ge=0, le=10**15)]
Name = Annotated[str, Meta(min_length=1, max_length=200)]
Origin = Literal["measured", "derived", "assumed"]


class CapacityError(ValueError):
    """A model, or a question to it, that cannot be used: says which and the remedy."""


class Carried(msgspec.Struct, frozen=True, kw_only=True):
    """How much of one load one process carries."""

    per_process: Positive
    """The most of it at which the latency target was met: the knee."""
    target_ms: Amount = 0.0
    """The latency that had to be kept (p99, milliseconds); 0: none was asked for."""
    p99_ms: Amount = 0.0
    """The latency found there."""
    origin: Origin = "measured"
    note: str = ""
    """Of what was derived or assumed: from what."""
    spread: Amount = 0.0
    """(highest - lowest) / median of the rounds it was measured in."""


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """One process of a room."""

    carries: dict[str, Carried]
    """Load -> how much of it, each while the others are low."""
    boot_s: Amount = 0.0
    """Seconds from being asked for until it carries load: the slowest seen."""
    cores: Amount = 1.0
    """Cores that it takes when it is full."""
    memory_bytes: Count = 0
    """Resident when it is full; 0: not measured."""
    at_least: Annotated[int, Meta(ge=0, le=100_000)] = 1
    """Processes that must run whatever the load is."""
    at_most: Annotated[int, Meta(ge=0, le=100_000)] = 0
    """Processes that can work: shares of the log, or gates with a part of the limits; 0: any number."""


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Where it was measured."""

    name: str = ""
    cpu: str = ""
    cores: Annotated[int, Meta(ge=0, le=100_000)] = 0
    memory_bytes: Count = 0
    system: str = ""


class Noise(msgspec.Struct, frozen=True, kw_only=True):
    """Who else was there when it was measured."""

    steal_percent: Amount = 0.0
    """What the hypervisor took of all time."""
    load_before: Amount = 0.0
    load_after: Amount = 0.0
    """Load averages of a minute; the measuring itself is up to two of it."""


class Capacity(msgspec.Struct, frozen=True, kw_only=True):
    """The whole model."""

    format: int
    version: Name
    """Release that was measured (``matchday --version``)."""
    measured_at: Name
    """ISO 8601, UTC."""
    machine: Machine
    command: str = ""
    """What measured it."""
    rooms: dict[str, Room]
    engines: dict[str, Room] = {}
    """The same of servers under the rooms; nobody scales them by load."""
    figures: dict[str, Amount] = {}
    """What else was measured: bytes of a frame, memory of a connection (docs/drills.md)."""
    noise: Noise | None = None

    def carried(self, room: str, load: str) -> float | None:
        """How much of a load one process of a room carries; None where the model does not say."""
        found = self.rooms.get(room)
        one = None if found is None else found.carries.get(load)
        return None if one is None else one.per_process


class Need(msgspec.Struct, frozen=True, kw_only=True):
    """Processes of a room that a load takes."""

    room: str
    processes: int
    by: str
    """The load that takes most, or ``at_least``."""
    load: float
    per_process: float
    """What one carries of it; 0 where ``at_least`` decides."""
    beyond: int
    """Processes that it would take beyond those that can work: then this room is full."""
    origin: Origin


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """A machine that can be rented."""

    name: Name
    cores: Positive
    memory_bytes: Annotated[int, Meta(ge=1, le=10**15)]
    hour_micros: Count
    """Millionths of the currency an hour."""
    currency: Name = "USD"


class Fleet(msgspec.Struct, frozen=True, kw_only=True):
    """What runs, on what, and what it costs."""

    needs: list[Need]
    machines: int
    limit: Literal["cores", "memory"]
    """Which of a machine's two decides."""
    hour_micros: int
    million_fans_hour_micros: int
    """The same for a million fans, at this many; 0 without fans."""
    currency: str


def read(path: Path) -> Capacity:
    """The model of a file. CapacityError where it is none."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise CapacityError(f"capacity model {path}: {error.strerror}; `matchday drill capacity` writes one") from error
    if len(raw) > BYTES_MAX:
        raise CapacityError(f"capacity model {path}: larger than {BYTES_MAX} bytes; it is no model")
    try:
        model = msgspec.json.decode(raw, type=Capacity)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise CapacityError(f"capacity model {path}: {error}; `matchday drill capacity` writes one") from error
    if model.format != FORMAT:
        raise CapacityError(f"capacity model {path}: is of format {model.format}, this release reads {FORMAT}; "
                            "measure again with `matchday drill capacity`")  # fmt: skip
    unknown = sorted({load for room in model.rooms.values() for load in room.carries} - LOADS.keys())
    if unknown:
        raise CapacityError(f"capacity model {path}: {unknown[0]!r} is no load; they are {', '.join(LOADS)}")
    return model


def write(model: Capacity, path: Path) -> None:
    """Keep it, whole or not at all."""
    new = path.with_name(f"{path.name}.new")
    try:
        new.write_bytes(msgspec.json.format(msgspec.json.encode(model), indent=2) + b"\n")
        new.replace(path)
    except OSError as error:
        raise CapacityError(f"cannot write {path}: {error.strerror}; choose another file") from error


def doubts(model: Capacity, version: str = __version__) -> list[str]:
    """Why nothing may be made smaller by this model; empty where it is of this release."""
    if model.version == version:
        return []
    measured = f"the capacity model was measured on version {model.version} and this is {version}"
    return [f"{measured}: measure again with `matchday drill capacity`"]


def needs(model: Capacity, loads: Mapping[str, float], percent: int = FILL_PERCENT) -> list[Need]:
    """Processes of each room for loads that come at once, each filled to so many percent at most. CapacityError for a
    load that no room of the model carries: it would be planned as nothing."""
    if not 1 <= percent <= FILL_PERCENT:
        raise CapacityError(f"{percent} percent is outside 1 to {FILL_PERCENT}")
    known = {load for room in model.rooms.values() for load in room.carries}
    for load, value in loads.items():
        if load not in known:
            raise CapacityError(f"no room of the capacity model carries {load!r}; it knows {', '.join(sorted(known))}")
        if not 0 <= value < float("inf"):
            raise CapacityError(f"load {load} is {value}; it must be 0 or more")
    return [_need(name, room, loads, percent) for name, room in model.rooms.items()]


def _need(name: str, room: Room, loads: Mapping[str, float], percent: int) -> Need:
    by, processes = "at_least", room.at_least
    for load, carried in room.carries.items():
        wanted = fewest(loads.get(load, 0.0), carried.per_process, percent)
        if wanted > processes:
            by, processes = load, wanted
    beyond = max(processes - room.at_most, 0) if room.at_most else 0
    decisive = room.carries.get(by)
    return Need(
        room=name, processes=processes - beyond, by=by, load=loads.get(by, 0.0), beyond=beyond,
        per_process=decisive.per_process if decisive else 0.0, origin=decisive.origin if decisive else "assumed",
    )  # fmt: skip


def fewest(load: float, per_process: float, percent: int = FILL_PERCENT) -> int:
    """The fewest processes that carry a load, each filled to so many percent at most."""
    # The last bits of a quotient of floats must not make one more of it.
    return ceil(round(load * FILL_PERCENT / (per_process * percent), 9))


def fleet(model: Capacity, wanted: Sequence[Need], shape: Shape, fans: float = 0.0, spare_percent: int = 0) -> Fleet:
    """Machines of one shape for these processes, as cores and memory go, with so many percent of each kept free; and
    what they cost. A process that no machine can hold is refused."""
    free = 1 - spare_percent / 100
    if not 0 < free <= 1:
        raise CapacityError(f"{spare_percent} percent to spare is outside 0 to 99")
    for need in wanted:
        room = model.rooms[need.room]
        if room.cores > shape.cores * free or room.memory_bytes > shape.memory_bytes * free:
            raise CapacityError(f"a process of {need.room} does not fit on {shape.name}; choose a larger machine")
    taken = [(need.processes, model.rooms[need.room]) for need in wanted]
    cores = ceil(round(_sum(count * room.cores for count, room in taken) / (shape.cores * free), 9))
    memory = ceil(_sum(count * room.memory_bytes for count, room in taken) / (shape.memory_bytes * free))
    machines = max(cores, memory)
    cost = machines * shape.hour_micros
    return Fleet(
        needs=list(wanted), machines=machines, limit="cores" if cores >= memory else "memory", hour_micros=cost,
        million_fans_hour_micros=ceil(cost * _MILLION / fans) if fans > 0 else 0, currency=shape.currency,
    )  # fmt: skip


def _sum(values: Iterable[float]) -> float:
    return float(sum(values))
