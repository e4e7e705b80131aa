"""``bench overload``: five times as many bets as the ledger can take.

The ledger of the real command is slowed: every commit takes so much longer that a fifth of the offered load is all it
can do. What it accepts then, and how soon, stands beside the same server offered nine tenths of what it can do.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Final

import msgspec
import uvloop

from matchday.backends.clock_wall import WallClock
from matchday.bench.bettors import body_maker
from matchday.bench.crowd import Crowd
from matchday.bench.fans import best, crowds_of, guests
from matchday.bench.figures import Row, Target, compared, unmeasured
from matchday.bench.open_loop import CouldNotKeepUp, Seen
from matchday.bench.run import Run
from matchday.bench.server import serving
from matchday.bench.stopwatch import LOAD_CORE, pinned
from matchday.config import Settings

RATE_TARGET: Final = Target(0.9, of_ratio=True, at_least=True)
P99_TARGET: Final = Target(2, of_ratio=True)
TIMES: Final = 5
"""Offered load over capacity."""
EASY: Final = 0.9
_OFFERED_SHARE: Final = 0.5
"""Of what the server can do with a fast disk: what is offered is read and judged all the same."""
_BATCH: Final = 32
"""Bets of a commit: so few that it takes a small part of what an answer may take (``overload.answer_ms_aim``), else
some are turned away below capacity, too."""
_AT_WORK: Final = 2
"""Batches of bets that keep the ledger at work: one is written while the next arrives, and nobody waits for long."""
_CONNECTIONS: Final = 16
"""Times a batch: so many that none is waited for, however many bets wait."""
_COMMITS: Final = 12
"""That a round holds at least."""
_LOOKS: Final = 3
"""At what the server can do, of which the best counts: by one in which the machine stood still, every commit would be
made so slow that a round takes minutes."""


def smaller(batch: int) -> dict[str, str]:
    """Batch and queue in the proportion of their defaults, so small that a round of seconds holds many commits."""
    bets = Settings().bets
    queue = bets.queue_max * batch // bets.batch_max
    return {"MATCHDAY_BETS_BATCH_MAX": str(batch), "MATCHDAY_BETS_QUEUE_MAX": str(queue)}


class _Pair(msgspec.Struct):
    """One round."""

    over: Seen
    easy: Seen
    seconds: float


def measure(run: Run) -> list[Row]:
    """The rows."""
    with pinned(LOAD_CORE), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_measured(run))


async def _measured(run: Run) -> list[Row]:
    clock, folder = WallClock(asyncio.get_running_loop()), run.folder / "overload"
    batch = run.share(_BATCH, 8)
    count, settings = _CONNECTIONS * batch, smaller(batch)
    with serving(folder, settings=settings) as server:  # with a fast disk: its fans, and what it can do
        tokens = guests(run, server, count)
        body = body_maker([leg for market in server.legs() for leg in market], clock.new_id)
        door, crowd = await best(crowds_of(server, tokens), body)
        with closing(crowd):
            rates = [(await crowd.saturate(64, run.seconds(3), body)).rate for _ in range(_LOOKS)]
            offered = _OFFERED_SHARE * max(rates)
    slow_ms = 1e3 * batch * TIMES / offered
    with serving(folder, settings=settings, slow_commit_ms=slow_ms, profile=run.profile) as server:
        body = body_maker([leg for market in server.legs() for leg in market], clock.new_id)
        with closing(crowds_of(server, tokens)[door]) as crowd:
            seconds = max(run.seconds(6), _COMMITS * slow_ms / 1e3)
            capacity = (await crowd.saturate(_AT_WORK * batch, seconds, body)).rate
            pairs = await _rounds(run, crowd, capacity, seconds, count, body)
    what = f"by {door}, every commit {slow_ms:.0f} ms slower: capacity {capacity:.0f} bets/s"
    return _rows(pairs, f"{what}, {TIMES * capacity:.0f} offered")


async def _rounds(
    run: Run, crowd: Crowd, capacity: float, seconds: float, count: int, body: Callable[[], bytes]
) -> list[_Pair]:
    pairs = []
    for n in range(run.rounds):
        found = {}
        for times in (TIMES, EASY) if n % 2 else (EASY, TIMES):
            found[times] = await crowd.arrive(count, times * capacity, seconds, body)
        pairs.append(_Pair(found[TIMES], found[EASY], seconds))
        run.progress("overload", n + 1, run.rounds)
    return pairs


def _rows(pairs: Sequence[_Pair], what: str) -> list[Row]:
    answers = ", ".join(f"{kind} {len(times)}" for kind, times in sorted(pairs[-1].over.times_ms.items()))
    easy = f"the same server offered {EASY:g} x its capacity"
    rate = compared(
        "overload: accepted", what, "bets/s",
        [(p.over.in_time.get("accepted", 0) / p.seconds, p.easy.in_time.get("accepted", 1) / p.seconds) for p in pairs],
        reference=easy, target=RATE_TARGET, note=f"answers of a round: {answers}",
    )  # fmt: skip
    times, troubles = [], []
    for pair in pairs:
        try:
            times.append((pair.over.latency_ms("accepted", 0.99), pair.easy.latency_ms("accepted", 0.99)))
        except CouldNotKeepUp as trouble:
            troubles.append(str(trouble))
    name = "overload: p99 of accepted"
    if len(times) <= len(troubles):
        return [rate, unmeasured(name, what, "ms", f"not published: {troubles[-1]}", target=P99_TARGET)]
    note = f"{len(troubles)} rounds left out: {troubles[-1]}" if troubles else ""
    return [rate, compared(name, what, "ms", times, reference=easy, target=P99_TARGET, note=note)]
