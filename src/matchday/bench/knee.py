"""The knee: the highest rate at which what is measured keeps its latency target, looked for in steps.

Upwards by a factor until a step misses its target twice, then by halves of the factor between the last that met it and
the first that did not. A step whose generator could not keep up says nothing of what is measured: where that happens
some times one after the other, the search ends there, and the knee is known to be no lower only.
"""

from collections.abc import Awaitable, Callable
from typing import Final, Literal

import msgspec

from matchday.bench.open_loop import Seen

GROWTH: Final = 1.5
BISECTIONS: Final = 3
_DOWN_MAX: Final = 8
"""Steps downwards where the first rate is too high already."""
_UP_MAX: Final = 24
LAG_SHARE_MAX: Final = 0.1
"""Part of the target by which the generator may be late with one request in a hundred. It counts as latency, as all
times are from when a request was due: more than that would be a knee of the generator's own."""
_MISSED_MAX: Final = 2
_UNJUDGED_MAX: Final = 4
"""Attempts at a rate at which the generator was late: a core that is taken away for a moment is not its limit."""
FINE_SHARE_MIN: Final = 0.99
"""Of answers that must be what was asked for."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One rate, tried."""

    rate: float
    state: Literal["met", "missed", "unjudged"]
    p99_ms: float = 0.0
    """Where it could be told."""
    why: str = ""


class Knee(msgspec.Struct, frozen=True, kw_only=True):
    """What a search came to."""

    rate: float
    """The highest that met its target; 0 where none did."""
    p99_ms: float
    steps: list[Step]
    at_least: str = ""
    """Why it is known to be no lower only: the generator's trouble."""


Attempt = Callable[[float], Awaitable[Step]]


async def search(attempt: Attempt, start: float, growth: float = GROWTH, bisections: int = BISECTIONS,
                 most: float = float("inf")) -> Knee:  # fmt: skip
    """Look from a rate on."""
    steps: list[Step] = []

    async def tried(rate: float) -> Step:
        return await _tried(attempt, rate, steps)

    step = await tried(start)
    for _ in range(_DOWN_MAX):
        if step.state == "met":
            break
        step = await tried(step.rate / growth)
    if step.state != "met":
        return Knee(rate=0.0, p99_ms=0.0, steps=steps, at_least=step.why if step.state == "unjudged" else "")
    above = [s for s in steps if s.rate > step.rate]
    good, bad = step, above[-1] if above else None
    for _ in range(_UP_MAX):
        if bad is not None or good.rate >= most:
            break
        step = await tried(min(good.rate * growth, most))
        if step.state == "met":
            good = step
        else:
            bad = step
    for _ in range(bisections if bad is not None else 0):
        assert bad is not None
        step = await tried((good.rate * bad.rate) ** 0.5)
        if step.state == "met":
            good = step
        else:
            bad = step
    told = bad.why if bad is not None and bad.state == "unjudged" else ""
    if bad is None:
        told = "no higher rate was tried"
    return Knee(rate=good.rate, p99_ms=good.p99_ms, steps=steps, at_least=told)


async def _tried(attempt: Attempt, rate: float, steps: list[Step]) -> Step:
    """A miss counts when it happens twice: a noisy moment is not a knee, nor the generator's."""
    missed = unjudged = 0
    while True:
        step = await attempt(rate)
        steps.append(step)
        missed += step.state == "missed"
        unjudged += step.state == "unjudged"
        if step.state == "met" or missed == _MISSED_MAX or unjudged == _UNJUDGED_MAX:
            return step


def judged(rate: float, seen: Seen, fine: frozenset[str], target_ms: float) -> Step:
    """What an open loop's record says of a rate."""
    if (trouble := _generator(seen, LAG_SHARE_MAX * target_ms)) is not None:
        return Step(rate=rate, state="unjudged", why=trouble)
    wanted = [took for kind, times in seen.times_ms.items() if kind in fine for took in times]
    if len(wanted) < FINE_SHARE_MIN * seen.sent:
        others = ", ".join(f"{kind} {len(times)}" for kind, times in seen.times_ms.items() if kind not in fine)
        return Step(rate=rate, state="missed", why=f"{len(wanted)} of {seen.sent} were answered as wanted ({others})")
    p99 = Seen(times_ms={"all": wanted}).latency_ms("all", 0.99)
    if p99 > target_ms:
        return Step(rate=rate, state="missed", p99_ms=p99, why=f"p99 {p99:.0f} ms")
    return Step(rate=rate, state="met", p99_ms=p99)


def _generator(seen: Seen, lag_ms_max: float) -> str | None:
    """Whether it was the generator that could not: an answer that is missing is not its trouble."""
    return Seen(due=seen.due, sent=seen.sent, answered=seen.sent, lags_ms=seen.lags_ms).trouble(lag_ms_max)
