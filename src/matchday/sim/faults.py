"""Faults: what goes wrong in a simulated world, when, and how often it did.

Owns the draw. Every kind of fault has a stream of chance of its own, so that leaving one out changes no other;
``fired`` counts what really happened, so that a fault that never fires is seen.
"""

import random
from collections import Counter
from collections.abc import Collection
from enum import StrEnum
from typing import Final

from matchday.ports import Clock


class Fault(StrEnum):
    """Everything that can go wrong."""

    CRASH = "crash"  # a room's process stops at any message or port call, and starts again
    CRASH_ANSWERING = "crash_answering"  # a gate stops between the ledger's commit and the answer
    POWER_CUT = "power_cut"  # every process stops; the group being written is torn off the files anywhere
    DUPLICATE = "duplicate"  # the log delivers records again
    DELAY = "delay"  # a reader of the log lags behind by seconds
    REORDER = "reorder"  # requests overtake each other
    LOST_REQUEST = "lost_request"  # a request never arrives; the fan tries again under its id
    LOST_ANSWER = "lost_answer"  # an answer never arrives; the fan tries again under its id
    OTHER_PAYLOAD = "other_payload"  # an id is used again for another bet
    DROPPED_SCREEN = "dropped_screen"  # a fan's connection is lost; the screen resumes
    SLOW_SCREEN = "slow_screen"  # a fan's connection takes nothing for a while
    FEED_SILENCE = "feed_silence"  # the provider is out of touch; what happened is told late
    FEED_REPEATS = "feed_repeats"  # the provider says something again
    FEED_CONTRADICTS = "feed_contradicts"  # the provider says what cannot be, or another thing under the same number
    GOAL_CANCELLED = "goal_cancelled"  # the referee takes a goal back
    RESULT_CORRECTED = "result_corrected"  # the confirmed result was another one
    VOID_WINDOW = "void_window"  # bets placed while a goal was already known are void
    ODDS_OWNER = "odds_owner"  # a second owner of the books takes over while the first still speaks
    DISK_FULL = "disk_full"  # the log's or the ledger's disk takes nothing more for a while
    SLOW_LEDGER = "slow_ledger"  # commits take seconds
    CLOCK_JUMP = "clock_jump"  # one process's clock jumps by up to two hours, either way


ALL: Final = tuple(Fault)
_IN_A_SEED: Final = 0.6
"""Share of the faults allowed that a seed has: some combinations hide what others show (swarm testing, Groce 2012)."""


class Faults:
    """The faults of one seed."""

    def __init__(self, clock: Clock, allowed: Collection[Fault]) -> None:
        self._streams = {fault: clock.random(f"fault/{fault}") for fault in Fault}
        self.fired: Counter[Fault] = Counter()
        self.on = frozenset(fault for fault in ALL if fault in allowed and self._streams[fault].random() < _IN_A_SEED)
        """Those of this seed."""
        self._scale = {fault: self._streams[fault].choice((0.3, 1.0, 3.0)) for fault in Fault}
        self.over = False
        """Set when the world is to come to rest: nothing more goes wrong."""

    def stream(self, fault: Fault) -> random.Random:
        """The chance of one kind."""
        return self._streams[fault]

    def happens(self, fault: Fault, probability: float) -> bool:
        """Whether it happens now; counted where it does. ``probability`` is that of an average seed."""
        if self.over or fault not in self.on:
            return False
        if self._streams[fault].random() >= probability * self._scale[fault]:
            return False
        self.fired[fault] += 1
        return True
