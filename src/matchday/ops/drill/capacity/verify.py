"""Whether a capacity model predicts: a second run with other mixes, other steps, other seeds and other sizes.

A mix of loads is predicted by their shares: where bets take half of what bets alone may, and frames half of theirs, the
process is full. What is measured is not pinned to what was measured before: nothing of the first run is reused.
"""

import asyncio
import statistics
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, ExitStack
from typing import Final

import msgspec
import uvloop

from matchday.bench import knee_odds
from matchday.bench.knee import Knee
from matchday.bench.run import Run
from matchday.bench.stopwatch import LOAD_CORE, SERVER_CORE, pinned
from matchday.ops.capacity import Capacity, CapacityError
from matchday.ops.drill.capacity.gate import Mix, Opened, gate_of, opened
from matchday.ops.drill.capacity.measure import knee_of, odds_knee, related, settled

WITHIN: Final = 0.20
MIXES: Final[Mapping[str, tuple[float, float, float]]] = {
    "bets, frames and requests": (0.35, 0.35, 0.30),
    "mostly bets": (0.75, 0.15, 0.10),
}
"""Name -> shares of the process that bets, frames and requests are to take."""
WATCHERS: Final = 1_300
ODDS: Final = knee_odds.Mix(matches=120, goals=0.12, seed=77)
"""Of 1,471 incidents of 66 recorded matches 176 were goals; each costs twice what another incident does."""
SETTLED: Final = (12_000, 3_000)
FACTS: Final = 9_000
_GROWTH: Final = 1.23
_START: Final = 0.6
"""Of what is predicted: where a search begins."""


class Verified(msgspec.Struct):
    """One prediction and what was found."""

    room: str
    what: str
    predicted: float
    found: float
    at_least: str = ""
    """Why it is known to be no lower only."""

    @property
    def off(self) -> float:
        """By how much the found is above the predicted: 0.1 is a tenth."""
        return self.found / self.predicted - 1 if self.predicted else float("inf")

    @property
    def within(self) -> bool:
        """Whether the model holds."""
        return abs(self.off) <= WITHIN


def known(model: Capacity, room: str, load: str) -> float:
    """What the model says. CapacityError where it does not."""
    found = model.carried(room, load)
    if found is None:
        raise CapacityError(f"the capacity model does not know {load} of {room}: measure it first")
    return found


def mix_of(model: Capacity, shares: tuple[float, float, float]) -> Mix:
    """Loads at rate 1 such that a full process has these shares of each; a rate of 1 is what is predicted."""
    bets, frames, requests = shares
    return Mix(
        bets * known(model, "gate", "bets_per_s"), frames * known(model, "gate", "frames_per_s"),
        requests * known(model, "gate", "requests_per_s"),
    )  # fmt: skip


def gate(run: Run, model: Capacity) -> list[Verified]:
    """Each mix."""
    with ExitStack() as stack:
        found = opened(run.folder / "gate", stack)
        stack.enter_context(pinned(LOAD_CORE))
        runner = stack.enter_context(asyncio.Runner(loop_factory=uvloop.new_event_loop))
        return runner.run(_gate(run, model, found))


async def _gate(run: Run, model: Capacity, found: Opened) -> list[Verified]:
    rows = []
    async with AsyncExitStack() as stack:
        crowds = await gate_of(found, run.share(WATCHERS, 80), stack)
        for number, (name, shares) in enumerate(MIXES.items(), 1):
            mix = mix_of(model, shares)
            knee = await knee_of(crowds, mix, run, _START, _GROWTH)
            rows.append(_row("gate", f"{name}, bets a second among them", mix.bets, knee))
            run.progress("gate", number, len(MIXES))
    return rows


def _row(room: str, what: str, predicted: float, knee: Knee) -> Verified:
    """``knee`` is of a rate whose 1 is what is predicted."""
    return Verified(room, what, round(predicted, 1), round(predicted * knee.rate, 1), knee.at_least)


def odds(run: Run, model: Capacity) -> list[Verified]:
    """More matches, more goals."""
    predicted = known(model, "odds", "incidents_per_s")
    with pinned(SERVER_CORE):
        knee = asyncio.run(odds_knee(run, ODDS, _START * predicted, _GROWTH))
    what = f"incidents a second, {ODDS.matches} matches, one goal in {1 / ODDS.goals:.0f}"
    return [Verified("odds", what, predicted, round(knee.rate, 1), knee.at_least)]


def settlement(run: Run, model: Capacity) -> list[Verified]:
    """Fewer bets of fewer fans."""
    bets, accounts = run.share(SETTLED, (400, 80))
    found = statistics.median(settled(run, (bets, accounts), 77 + turn) for turn in range(run.rounds))
    what = f"settled a second, {bets} bets of {accounts} fans"
    return [Verified("settlement", what, known(model, "settlement", "settled_per_s"), round(found, 1))]


def relay(run: Run, model: Capacity) -> list[Verified]:
    """A shorter backlog."""
    bets = run.share(FACTS, 400)
    found = statistics.median(related(run, bets, 77 + turn) for turn in range(run.rounds))
    return [Verified("relay", f"facts a second of {bets} bets", known(model, "relay", "facts_per_s"), round(found, 1))]


ROOMS: Final[Mapping[str, Callable[[Run, Capacity], list[Verified]]]] = {
    "gate": gate, "odds": odds, "settlement": settlement, "relay": relay,
}  # fmt: skip
