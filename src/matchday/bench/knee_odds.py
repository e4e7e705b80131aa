"""The odds room's knee: incidents a second, heard by the real room, priced, encoded, handed to a log that takes it.

Open loop in one thread: an incident is due whether or not the one before is done, and counts from then. Nothing else
runs on the core, the log's disk is not in it.
"""

import random
from typing import Final

import msgspec

from matchday.bench.knee import Attempt, Step, judged
from matchday.bench.odds import Room
from matchday.bench.open_loop import Seen
from matchday.bench.stopwatch import now_s
from matchday.config import Settings
from matchday.model.football import FootballState, IncidentType, advance
from matchday.model.messages import Ticked

TARGET_MS: Final = 50.0
_FRESH: Final = 20
"""Incidents of a match after which a new one takes its place: no score grows without end."""
_HOLD_MS: Final = Settings().odds.hold_goal_ms


class Mix(msgspec.Struct, frozen=True):
    """What happens."""

    matches: int
    goals: float
    """Share of goals, each with the end of its hold; the others are corners."""
    seed: int


def attempt(mix: Mix, seconds: float) -> Attempt:
    """What tries a rate for so long, on a room of its own."""
    room, chance = Room(mix.matches), random.Random(mix.seed)
    happened = dict.fromkeys(room.states, 0)

    def happen() -> None:
        name = f"F{chance.randrange(mix.matches)}"
        happened[name] += 1
        if happened[name] % _FRESH == 0:
            room.states[name] = advance(FootballState(), IncidentType.KICK_OFF, None, 0)
        if chance.random() >= mix.goals:
            room.happens(name, IncidentType.CORNER)
            return
        room.happens(name, IncidentType.GOAL)
        due_ms = room.clock.now_ms() + _HOLD_MS
        room.hear(Ticked(due_ms, name, hold_ms=due_ms))

    async def tried(rate: float) -> Step:
        seen, began = Seen(due=round(rate * seconds)), now_s()
        for number in range(seen.due):
            due = began + number / rate
            while now_s() < due:
                pass  # nothing else is to be done on this core
            happen()
            seen.send(0.0)
            seen.answer("handed", now_s() - due)
        return judged(rate, seen, frozenset({"handed"}), TARGET_MS)

    return tried
