"""Trace: what happened in a simulated world, step by step; short for people, whole as a digest.

Two runs of one seed are the same run where their digests are equal.
"""

from collections import deque
from collections.abc import Callable, Collection
from hashlib import blake2b
from typing import Final, TextIO

KEPT: Final = 40_000
"""Lines kept for the story of a failure."""


class Violation(Exception):
    """An invariant is broken. ``keys`` name what it is about: accounts, bets, fixtures, selections."""

    def __init__(self, invariant: str, detail: str, keys: Collection[str] = ()) -> None:
        super().__init__(f"{invariant}: {detail}")
        self.invariant, self.detail, self.keys = invariant, detail, tuple(key for key in keys if key)


class Trace:
    """Lines with the step and the time at which they were written."""

    def __init__(self, at: Callable[[], tuple[int, int]], journal: TextIO | None = None) -> None:
        self._at = at
        self._journal = journal
        self._lines: deque[str] = deque(maxlen=KEPT)
        self._hash = blake2b(digest_size=16)
        self.count = 0

    def say(self, text: str) -> None:
        """One thing happened."""
        step, ms = self._at()
        line = f"{step} {ms} {text}"
        self._lines.append(line)
        self._hash.update(line.encode())
        self.count += 1
        if self._journal is not None:
            self._journal.write(line + "\n")

    def data(self, value: bytes) -> None:
        """Bytes that must be the same in every run of the seed, but that nobody wants to read."""
        self._hash.update(value)

    def digest(self) -> str:
        """Of everything so far."""
        return self._hash.hexdigest()

    def about(self, keys: Collection[str], limit: int) -> list[str]:
        """The last lines in which one of the keys stands, oldest first; without keys simply the last."""
        found = [line for line in self._lines if not keys or any(key in line for key in keys)]
        return found[-limit:]
