"""What a night came to: targets by phase, what was lost or late, how long scaling took, headroom, cost.

Arithmetic only; ``run`` measures, ``page`` draws, ``kept`` remembers.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from matchday.bench.machine import Machine
from matchday.ops import capacity
from matchday.ops.drill.fans.behaviour import MIXES, bets, requests
from matchday.ops.drill.fans.load import Sample
from matchday.ops.drill.fans.tally import Line
from matchday.ops.drill.night.money import Money
from matchday.ops.drill.night.shapes import Phase

FORMAT: Final = 1


class PhaseReport(msgspec.Struct, kw_only=True):
    """One phase."""

    name: str
    from_s: float
    until_s: float
    visitors: int
    lines: list[Line]
    generator_p99_ms: float
    """By how much the generator was late with one act in a hundred, at least."""

    @property
    def met(self) -> bool | None:
        """Whether all targets were met that could be judged; None where none could."""
        judged = [line.met for line in self.lines if line.met is not None]
        return all(judged) if judged else None


class FaultReport(msgspec.Struct, kw_only=True):
    """One fault."""

    kind: str
    phase: str
    at_s: float
    whole_after_s: float
    """Seconds until the platform was whole again; 0: nobody brought it back."""


class Scaling(msgspec.Struct, kw_only=True):
    """How long a further process takes to carry load."""

    assumed_s: float
    """By the capacity model; 0: it does not say."""
    real_s: list[float]
    """Each time that one was started."""


class Headroom(msgspec.Struct, kw_only=True):
    """Of one load: what all processes carry, over the forecast peak."""

    load: str
    room: str
    knee: float
    processes: int
    forecast_peak: float
    seen_peak: float | None
    times: float
    """Knee of all processes over the forecast peak."""


class Cost(msgspec.Struct, kw_only=True):
    """Of a fleet for the forecast peak, by the capacity model and an assumed machine."""

    machine: str
    machines: int
    hour_micros: int
    million_fans_hour_micros: int
    currency: str


class Report(msgspec.Struct, kw_only=True):
    """A night."""

    format: int = FORMAT
    at: str
    """When it began, ISO 8601, UTC."""
    version: str
    place: str
    shape: str
    seed: int
    rate: float
    compress: float
    machine: Machine
    steal_percent: float
    aborted: str = ""
    """Which guard stopped it, and why."""
    visitors: int
    most_present: int
    phases: list[PhaseReport]
    money: Money
    dropped: dict[str, int]
    """Screens that went dark unasked: how -> how many; ``drained`` were told where to go."""
    faults: list[FaultReport]
    scaling: Scaling
    headroom: list[Headroom]
    cost: Cost | None
    cpu_share: float
    """CPU of the platform's processes over the time of the night."""
    samples: list[Sample]
    processes: list[tuple[float, dict[str, int]]]
    """(second, processes of each room) at each change."""
    doubts: list[str]
    """What these figures are not."""
    difference: list[str] = []
    """To the last drill of the same words."""

    @property
    def passed(self) -> bool:
        """Whether it ran to its end, kept the money, and met every target that could be judged."""
        return not self.aborted and self.money.kept and all(phase.met is not False for phase in self.phases)


def loads_of(phases: Sequence[Phase], rate: float, second_s: float) -> dict[str, float]:
    """The forecast peak of each load that the capacity model knows: by what a visit asks for, and how long it lasts.

    Connections are visitors of the time of a stay (Little); acts come as evenly as visits last, so that a phase's
    loads follow its visitors at once. Stirs come on top.
    """
    peaks = {"connections": 0.0, "requests_per_s": 0.0, "bets_per_s": 0.0}
    present = 0.0
    for phase in phases:
        mix = MIXES[phase.mix]
        part_s = 60 * phase.minutes * second_s / len(phase.levels)
        stay_s = mix.stay_s * second_s
        stirred = dict.fromkeys(peaks, 0.0)
        for stir in phase.stirs:
            name = {"bet": "bets_per_s", "home": "requests_per_s", "come_back": "requests_per_s"}.get(stir.act)
            if name is not None:
                stirred[name] += present * stir.share / max(60 * stir.over_minutes * second_s, 1.0)
        for level in phase.levels:
            came = rate * level
            rest = came * mix.watch * stay_s  # what the crowd comes to, in the end
            present = rest + (present - rest) * math.exp(-part_s / stay_s)
            now = {"connections": present, "requests_per_s": came * requests(mix), "bets_per_s": came * bets(mix)}
            peaks = {load: max(peak, now[load] + stirred[load]) for load, peak in peaks.items()}
    return {load: round(peak, 3) for load, peak in peaks.items()}


def headroom(
    model: capacity.Capacity, peaks: Mapping[str, float], processes: Mapping[str, int], seen: Mapping[str, float]
) -> list[Headroom]:
    """Of each load that the model knows, the least first."""
    found = []
    for name, room in model.rooms.items():
        for load, carried in room.carries.items():
            peak = peaks.get(load, 0.0)
            if peak <= 0:
                continue
            count = processes.get(name, 1)
            found.append(Headroom(
                load=load, room=name, knee=carried.per_process, processes=count, forecast_peak=peak,
                seen_peak=seen.get(load), times=round(count * carried.per_process / peak, 3),
            ))  # fmt: skip
    return sorted(found, key=lambda one: one.times)


def seen_peaks(samples: Sequence[Sample]) -> dict[str, float]:
    """The highest of what the samples have."""
    return {"connections": float(max((each.present for each in samples), default=0))}


def cost(model: capacity.Capacity, peaks: Mapping[str, float], shape: capacity.Shape) -> Cost:
    """Of the processes that carry the forecast peak."""
    known = {load for room in model.rooms.values() for load in room.carries}
    wanted = capacity.needs(model, {load: peak for load, peak in peaks.items() if load in known})
    fleet = capacity.fleet(model, wanted, shape, peaks.get("connections", 0.0))
    return Cost(
        machine=shape.name, machines=fleet.machines, hour_micros=fleet.hour_micros,
        million_fans_hour_micros=fleet.million_fans_hour_micros, currency=fleet.currency,
    )  # fmt: skip


def difference(now: Report, before: Report) -> list[str]:
    """What changed since the last drill, the worst first; nothing below a tenth."""
    found: list[tuple[float, str]] = []
    earlier = {(p.name, line.act): line for p in before.phases for line in p.lines}
    for phase in now.phases:
        for line in phase.lines:
            old = earlier.get((phase.name, line.act))
            if old is None or not old.p99_ms or line.p99_ms is None:
                continue
            times = line.p99_ms / old.p99_ms
            if not 0.9 <= times <= 1.1:
                found.append((times, f"{phase.name}, {line.act}: p99 {old.p99_ms:g} -> {line.p99_ms:g} ms"))
            if old.met and line.met is False:
                found.append((1e6 + times, f"{phase.name}, {line.act}: its target was met and is not any more"))
    if now.money.lost != before.money.lost:
        found.append((1e9, f"bets lost: {before.money.lost} -> {now.money.lost}"))
    return [text for _, text in sorted(found, reverse=True)]
