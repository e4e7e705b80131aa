"""The wall clock: the only place with ambient time, chance and ids."""

import asyncio
import os
import random
import time
from collections.abc import Callable

from matchday.ports import Timer

_RANDOM_BITS = 74
_CHANCE_BYTES = 9
_DRAWN = 64
"""Ids for which chance is drawn at a time."""


class WallClock:
    """Real time on an asyncio loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._last = 0
        self._chance: list[bytes] = []
        """Drawn for ids, and not used yet."""

    def now_ms(self) -> int:
        """See ``Clock.now_ms``."""
        return wall_ms()

    def elapsed_ms(self) -> int:
        """See ``Clock.elapsed_ms``."""
        return time.monotonic_ns() // 1_000_000

    def call_later(self, delay_ms: int, call: Callable[[], None]) -> Timer:
        """See ``Clock.call_later``."""
        if delay_ms <= 0:
            return self._loop.call_soon(call)
        return self._loop.call_later(delay_ms / 1000, call)

    def new_id(self) -> str:
        """A UUIDv7, rising within this process (RFC 9562 §6.2, method 2: a random part that is counted up)."""
        if not self._chance:
            drawn = os.urandom(_CHANCE_BYTES * _DRAWN)
            self._chance = [drawn[at : at + _CHANCE_BYTES] for at in range(0, len(drawn), _CHANCE_BYTES)]
        fresh = (self.now_ms() << _RANDOM_BITS) | int.from_bytes(self._chance.pop(), "big")
        self._last = fresh if fresh > self._last else self._last + 1
        return uuid7(self._last)

    def random(self, name: str) -> random.Random:  # noqa: ARG002 - chance without a seed
        """See ``Clock.random``."""
        return random.SystemRandom()

    def entropy(self, count: int) -> bytes:
        """So many bytes for a secret."""
        return os.urandom(count)


def wall_ms() -> int:
    """Milliseconds since 1970, for whoever has no loop."""
    return time.time_ns() // 1_000_000


def uuid7(value: int) -> str:
    """The text of a UUIDv7 of 48 bits of milliseconds and 74 bits that order ids of the same millisecond."""
    made_ms, rest = value >> _RANDOM_BITS, value & ((1 << _RANDOM_BITS) - 1)
    bits = (made_ms << 80) | (7 << 76) | ((rest >> 62) << 64) | (2 << 62) | (rest & ((1 << 62) - 1))
    text = f"{bits:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
