"""Shapes of a night: named phases, each with how many visitors come in each part of it. Pure, by the seed.

A level is visitors a second over those of a quiet evening (1). Minutes are of the match; a drill that is compressed
plays them faster and leaves the levels as they are. Levels of the library follow what the crowd of the 1998 World Cup
did (docs/drills.md): a step of some five times at kick-off, a climb to the final whistle, home after it.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from matchday.ops.drill import DrillError
from matchday.ops.drill.fans.behaviour import Act
from matchday.ops.drill.fans.load import Arrival, Stirred, Timetable

STEPS_A_MINUTE: Final = 4
"""Levels of a minute of the library's shapes."""
ARRIVALS_MAX: Final = 2_000_000


class Stir(msgspec.Struct, frozen=True):
    """What those who are present do, too, from the beginning of a phase on."""

    act: Act
    share: float
    over_minutes: float


class Phase(msgspec.Struct, frozen=True):
    """A part of a night."""

    name: str
    minutes: float
    levels: tuple[float, ...]
    """Of equal parts of its time, one after the other."""
    mix: str = "evening"
    stirs: tuple[Stir, ...] = ()


def ramp(start: float, end: float, minutes: float) -> tuple[float, ...]:
    """Levels from one to another."""
    parts = max(1, round(minutes * STEPS_A_MINUTE))
    return tuple(round(start + (end - start) * (n + 0.5) / parts, 4) for n in range(parts))


def flat(level: float) -> tuple[float, ...]:
    """One level."""
    return (level,)


def spike(base: float, top: float, minutes: float) -> tuple[float, ...]:
    """To the top within a tenth of the time, and back by halves."""
    parts = max(4, round(minutes * STEPS_A_MINUTE))
    rise = max(1, parts // 10)
    return tuple(
        round(base + (top - base) * ((n + 1) / rise if n < rise else 0.5 ** (4 * (n - rise + 1) / parts)), 4)
        for n in range(parts)
    )


def kick_off(_: random.Random) -> tuple[Phase, ...]:
    """A quiet quarter of an hour, those who come to watch, and the step."""
    return (
        Phase("quiet", 10, flat(1)),
        Phase("before kick-off", 8, ramp(1, 3, 8), "kick-off"),
        Phase("kick-off", 6, spike(3, 6, 6), "kick-off"),
        Phase("first half", 15, flat(2.5), "kick-off"),
    )


def goal(_: random.Random) -> tuple[Phase, ...]:
    """A goal: everybody who heard of it looks, and those who watch tap and bet at once."""
    stirs = (Stir(Act.TAP, 0.8, 1), Stir(Act.BET, 0.3, 2), Stir(Act.COME_BACK, 0.1, 1))
    return (
        Phase("play", 6, flat(2), "kick-off"),
        Phase("goal", 4, spike(2, 8, 4), "goal", stirs),
        Phase("after the goal", 5, flat(2.5), "goal"),
    )


def whistle(_: random.Random) -> tuple[Phase, ...]:
    """The final whistle: the crowd's peak, and all of it goes to the home page."""
    return (
        Phase("last minutes", 8, ramp(3, 6, 8), "kick-off"),
        Phase("final whistle", 8, spike(4, 8, 8), "home", (Stir(Act.HOME, 0.9, 2), Stir(Act.BET, 0.2, 5))),
        Phase("going home", 10, ramp(3, 1, 10), "home"),
    )


def flash(_: random.Random) -> tuple[Phase, ...]:
    """A notification to everybody's phone: many short visits within a minute or two."""
    return (
        Phase("before the notification", 5, flat(1)),
        Phase("notification", 5, spike(1, 12, 5), "flash"),
        Phase("after the notification", 6, ramp(2, 1, 6), "flash"),
    )


def herd(_: random.Random) -> tuple[Phase, ...]:
    """A carrier's network comes back: nine of ten connections are made anew within seconds."""
    return (
        Phase("watching", 10, flat(3), "kick-off"),
        Phase("reconnect herd", 4, flat(1), "kick-off", (Stir(Act.COME_BACK, 0.9, 0.5),)),
        Phase("in step again", 5, flat(1.5), "kick-off"),
    )


def saturday(_: random.Random) -> tuple[Phase, ...]:
    """A rolling Saturday: kick-offs one after the other, whistles among them."""
    phases = [Phase("morning", 10, flat(1))]
    for number, (kick, end) in enumerate(((3, 4), (5, 7), (4, 6), (3, 5)), 1):
        phases += [
            Phase(f"kick-off {number}", 6, spike(2, kick + 1, 6), "kick-off"),
            Phase(f"half {number}", 10, flat(kick * 0.7), "kick-off", (Stir(Act.TAP, 0.5, 5),)),
            Phase(f"whistle {number}", 6, spike(3, end, 6), "home", (Stir(Act.HOME, 0.7, 2),)),
        ]
    return (*phases, Phase("evening", 8, ramp(2, 1, 8)))


def night(chance: random.Random) -> tuple[Phase, ...]:
    """A match night: kick-off, a goal in either half, half-time, the whistle."""
    first, second = goal(chance), goal(chance)
    return (
        *kick_off(chance), *first,
        Phase("half-time", 8, flat(3), "home", (Stir(Act.HOME, 0.4, 4),)),
        Phase("second half", 8, flat(3), "kick-off"), *second, *whistle(chance),
    )  # fmt: skip


_PARTS: Final[tuple[Callable[[random.Random], tuple[Phase, ...]], ...]] = (kick_off, goal, whistle, flash, herd)


def surprise(chance: random.Random) -> tuple[Phase, ...]:
    """Two to four parts of the library in an order that nobody chose, some of them higher; a stir out of the blue."""
    phases = [phase for _ in range(chance.randint(2, 4)) for phase in chance.choice(_PARTS)(chance)]
    for _ in range(chance.randint(1, 2)):
        at = chance.randrange(len(phases))
        higher = round(chance.uniform(1.3, 2.5), 2)
        stir = Stir(chance.choice((Act.HOME, Act.BET, Act.COME_BACK)), round(chance.uniform(0.3, 1), 2), 0.5)
        phase = phases[at]
        phases[at] = msgspec.structs.replace(
            phase, levels=tuple(round(level * higher, 4) for level in phase.levels), stirs=(*phase.stirs, stir)
        )
    return tuple(phases)


SHAPES: Final[Mapping[str, Callable[[random.Random], tuple[Phase, ...]]]] = {
    "night": night, "kick-off": kick_off, "goal": goal, "whistle": whistle, "flash": flash, "herd": herd,
    "saturday": saturday, "surprise": surprise,
}  # fmt: skip
"""What ``--shape`` takes, besides ``match`` and ``traffic``, which need a file."""


def composed(names: Sequence[str], seed: int) -> tuple[Phase, ...]:
    """The phases of some shapes, one after the other, each name once: a second "goal" is "goal (2)"."""
    found: list[Phase] = []
    for number, name in enumerate(names):
        found += SHAPES[name](random.Random(f"{seed}/shape/{number}/{name}"))
    return named(found)


def named(phases: Sequence[Phase]) -> tuple[Phase, ...]:
    """Each name once."""
    seen: dict[str, int] = {}
    unique = []
    for phase in phases:
        seen[phase.name] = count = seen.get(phase.name, 0) + 1
        unique.append(phase if count == 1 else msgspec.structs.replace(phase, name=f"{phase.name} ({count})"))
    return tuple(unique)


def cut(phases: Sequence[Phase], minutes: float) -> tuple[Phase, ...]:
    """The first so many minutes of the match."""
    kept, left = [], minutes
    for phase in phases:
        if left <= 0:
            break
        if phase.minutes > left:
            parts = max(1, round(len(phase.levels) * left / phase.minutes))
            phase = msgspec.structs.replace(phase, minutes=left, levels=phase.levels[:parts])
        kept.append(phase)
        left -= phase.minutes
    return tuple(kept)


def visitors(phases: Sequence[Phase], rate: float, second_s: float) -> float:
    """How many come in all, where a quiet evening has ``rate`` a second and a match second takes ``second_s``."""
    return sum(rate * sum(p.levels) * 60 * p.minutes * second_s / len(p.levels) for p in phases)


def timetable(phases: Sequence[Phase], rate: float, second_s: float, seed: int) -> Timetable:
    """Arrivals as the levels have them, spread by chance: the n-th where the sum of the levels comes to n and a bit."""
    if (total := visitors(phases, rate, second_s)) > ARRIVALS_MAX:
        raise DrillError(f"{total:.0f} visitors are more than {ARRIVALS_MAX}: choose a lower --rate or fewer --minutes")
    chance = random.Random(f"{seed}/arrivals")
    arrivals: list[Arrival] = []
    stirs: list[Stirred] = []
    ends: list[float] = []
    at, reached = 0.0, 0.0
    due = chance.random()
    for phase in phases:
        stirs += [Stirred(at, s.act, s.share, 60 * s.over_minutes * second_s) for s in phase.stirs]
        part_s = 60 * phase.minutes * second_s / len(phase.levels)
        for level in phase.levels:
            came = rate * level * part_s
            while due < reached + came:
                arrivals.append(Arrival(at + part_s * (due - reached) / came, phase.mix))
                due = len(arrivals) + chance.random()
            reached += came
            at += part_s
        ends.append(at)
    return Timetable(arrivals, stirs, ends, second_s)
