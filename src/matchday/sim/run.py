"""Run: many seeds, each a world of its own; what broke, how to see it again, and how little is enough to break it.

Owns the report. A seed with the same matches, fans and faults is the same run on any machine: its digest says so.
"""

import gc
import logging
import os
import random
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from time import perf_counter
from typing import Final, TextIO

import msgspec

from matchday.sim.checkers import SITUATIONS
from matchday.sim.faults import ALL, Fault
from matchday.sim.trace import Violation
from matchday.sim.world import World

MATCHES: Final = (1, 3)
FANS: Final = (4, 12)
"""From, to: a seed draws its own size, for some situations need a small world and others a crowd."""
STORY_LINES: Final = 30
"""Lines of a failure's story."""
_SHORT_CHARS: Final = 1_500
_COLLECTING: Final = (50_000, 20, 100)
"""Thresholds of the garbage collector: a world makes much and throws most of it away at once. A sixth less work."""


class Plan(msgspec.Struct, frozen=True):
    """What one run consists of, beside its seed."""

    matches: int | None = None
    fans: int | None = None
    """None: as many as the seed draws."""
    faults: tuple[Fault, ...] = ALL

    def size(self, seed: int) -> tuple[int, int]:
        """Matches and fans of a seed's world."""
        chance = random.Random(f"{seed}/size")
        drawn = chance.randint(*MATCHES), chance.randint(*FANS)
        return self.matches or drawn[0], self.fans or drawn[1]

    def command(self, seed: int) -> str:
        """The one command that runs this seed again."""
        words = [f"matchday sim --seed {seed}"]
        if self.matches is not None:
            words.append(f"--matches {self.matches}")
        if self.fans is not None:
            words.append(f"--fans {self.fans}")
        if set(self.faults) != set(ALL):
            words.append(f"--faults {','.join(self.faults) or 'none'}")
        return " ".join(words)


class Failure(msgspec.Struct, frozen=True):
    """A broken invariant."""

    invariant: str
    step: int
    """Calls of the clock before it."""
    at_ms: int
    """Virtual milliseconds since the world's beginning."""
    detail: str
    story: list[str]
    """The last things that happened to what it is about: step, milliseconds, what."""
    command: str


class Result(msgspec.Struct, frozen=True):
    """What a seed came to."""

    seed: int
    digest: str
    """Of all that was written, said and answered: equal runs have equal ones."""
    steps: int
    bets: int
    answers: int
    virtual_s: float
    wall_s: float
    fired: dict[str, int]
    reached: dict[str, int]
    failure: Failure | None = None


class Report(msgspec.Struct):
    """What all seeds came to."""

    seeds: int = 0
    failed: list[Result] = []
    fired: dict[str, int] = {}
    """Fault -> how often it really happened."""
    never_fired: list[str] = []
    reached: dict[str, int] = {}
    """Situation -> how often a world got into it."""
    never_reached: list[str] = []
    bets: int = 0
    answers: int = 0
    steps: int = 0
    virtual_hours: float = 0.0
    wall_s: float = 0.0
    hours_per_second: float = 0.0
    """Virtual hours for each second that passed."""
    digests: dict[int, str] = {}


def run_seed(seed: int, plan: Plan, journal: TextIO | None = None) -> Result:
    """One world, from its announcements to its rest."""
    logging.disable(logging.CRITICAL)  # rooms log what goes wrong; here that is the plan
    collecting = gc.get_threshold()
    gc.set_threshold(*_COLLECTING)
    began = perf_counter()
    with tempfile.TemporaryDirectory(prefix="matchday-sim-", dir=_memory()) as folder:
        matches, fans = plan.size(seed)
        world = World(seed, matches=matches, fans=fans, allowed=plan.faults, folder=Path(folder), journal=journal)
        failure = _failure(world, seed, plan)
        world.close()
    gc.set_threshold(*collecting)
    logging.disable(logging.NOTSET)
    return Result(
        seed=seed,
        digest=world.trace.digest(),
        steps=world.clock.steps,
        bets=len(world.bets.bets),
        answers=sum(map(len, world.bets.answers.values())),
        virtual_s=(world.clock.now_ms() - world.began_ms) / 1000,
        wall_s=round(perf_counter() - began, 3),
        fired={str(fault): world.faults.fired[fault] for fault in ALL if world.faults.fired[fault]},
        reached={name: world.reached[name] for name in sorted(world.reached) if world.reached[name]},
        failure=failure,
    )


def _memory() -> str | None:
    """Where torn files are written: memory where there is such a folder. What is durable the simulation decides."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - a folder of its own is made in it


def _failure(world: World, seed: int, plan: Plan) -> Failure | None:
    try:
        world.run()
    except Violation as violation:
        found = violation
    except Exception as error:  # noqa: BLE001 - a room that stops with an error is what the run is looking for
        found = Violation("no_room_stops", f"{type(error).__name__}: {error} ({_place(error)})")
    else:
        return None
    return Failure(
        invariant=found.invariant,
        step=world.clock.steps,
        at_ms=world.clock.now_ms() - world.began_ms,
        detail=found.detail[:_SHORT_CHARS],
        story=world.trace.about(found.keys, STORY_LINES),
        command=plan.command(seed),
    )


def _place(error: BaseException) -> str:
    """Where an error was raised: the last line of ours."""
    place, trace = "", error.__traceback__
    while trace is not None:
        file = Path(trace.tb_frame.f_code.co_filename)
        if "matchday" in file.parts:
            place = f"{file.parent.name}/{file.name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place


def run_seeds(
    seeds: Sequence[int], plan: Plan, *, processes: int, stop_at_first: bool, progress: Callable[[Result], None]
) -> Report:
    """Every seed, in as many processes as there are cores for it."""
    began = perf_counter()
    report, fired, reached = Report(), Counter[str](), Counter[str]()
    for result in _results(seeds, plan, processes):
        progress(result)
        report.seeds += 1
        report.bets += result.bets
        report.answers += result.answers
        report.steps += result.steps
        report.virtual_hours += result.virtual_s / 3600
        report.digests[result.seed] = result.digest
        fired.update(result.fired)
        reached.update(result.reached)
        if result.failure is not None:
            report.failed.append(result)
            if stop_at_first:
                break
    report.fired = {str(fault): fired[fault] for fault in ALL if fired[fault]}
    report.never_fired = [str(fault) for fault in plan.faults if not fired[fault]]
    report.reached = dict(sorted(reached.items()))
    report.never_reached = [name for name in SITUATIONS if not reached[name]]
    report.wall_s = round(perf_counter() - began, 1)
    report.virtual_hours = round(report.virtual_hours, 1)
    report.hours_per_second = round(report.virtual_hours / max(report.wall_s, 0.001), 2)
    return report


def _results(seeds: Sequence[int], plan: Plan, processes: int) -> Iterator[Result]:
    if processes == 1 or len(seeds) == 1:
        for seed in seeds:
            yield run_seed(seed, plan)
        return
    with ProcessPoolExecutor(processes) as pool:
        waiting = [pool.submit(run_seed, seed, plan) for seed in seeds]
        try:
            for future in waiting:
                yield future.result()
        finally:
            for future in waiting:
                future.cancel()


def shrink(result: Result, plan: Plan, tried: Callable[[Plan, bool], None]) -> tuple[Result, Plan]:
    """Fewer faults, fans and matches that still break the same invariant under the same seed."""
    assert result.failure is not None
    invariant = result.failure.invariant
    smaller = True
    while smaller:
        smaller = False
        for candidate in _smaller(plan, result):
            found = run_seed(result.seed, candidate)
            same = found.failure is not None and found.failure.invariant == invariant
            tried(candidate, same)
            if same:
                result, plan, smaller = found, candidate, True
                break
    return result, plan


def _smaller(plan: Plan, result: Result) -> Iterable[Plan]:
    """Plans to try, the boldest first: without what did not even happen, with half of the rest, without one."""
    happened = tuple(fault for fault in plan.faults if fault in result.fired)
    replace = msgspec.structs.replace
    if happened != plan.faults:
        yield replace(plan, faults=happened)
    most_matches, most_fans = plan.size(result.seed)
    for fans in dict.fromkeys((1, most_fans // 4, most_fans // 2, most_fans - 1)):
        if 0 < fans < most_fans:
            yield replace(plan, fans=fans)
    for matches in range(1, most_matches):
        yield replace(plan, matches=matches)
    for fault in happened:
        yield replace(plan, faults=tuple(kept for kept in happened if kept != fault))


def parse_seeds(text: str) -> list[int]:
    """``7``, ``1-50`` or ``1-5,9``; ValueError says what is wrong."""
    found: list[int] = []
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()) or len(part) > 20:
            raise ValueError(f"{text!r} is no list of seeds; expected 7, 1-50 or 1-5,9")
        found.extend(range(int(first), int(last or first) + 1))
    if not found:
        raise ValueError(f"{text!r} names no seed; expected the lower number first, as in 1-50")
    return found


def parse_faults(text: str) -> tuple[Fault, ...]:
    """``all``, ``none``, names, or names to leave out (``-crash,-delay``); ValueError names the one that is unknown."""
    if text in ("all", "none"):
        return ALL if text == "all" else ()
    words: Collection[str] = text.split(",")
    for word in words:
        if word.lstrip("-") not in set(ALL):
            raise ValueError(f"fault {word!r} is not known; known are {', '.join(ALL)}")
    left_out = {word[1:] for word in words if word.startswith("-")}
    named = {word for word in words if not word.startswith("-")} or set(ALL)
    return tuple(fault for fault in ALL if fault in named and fault not in left_out)
