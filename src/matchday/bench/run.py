"""One run of the bench, as each of its parts is handed it."""

from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from matchday.bench.figures import ROUNDS

_T = TypeVar("_T")
Progress = Callable[[str, int, int], None]
"""(what, how much of it is done, all of it)"""
_QUICK_ROUNDS: Final = 2


class Run(msgspec.Struct, frozen=True):
    """Where, how much, and who is told."""

    folder: Path
    """A temporary one on a disk."""
    quick: bool
    """A small share, to see that it works: its figures are not to be quoted."""
    progress: Progress
    say: Callable[[str], None]
    """Lines that people read while it runs."""
    minutes: float = 10
    """Of a soak."""
    match: Path | None = None
    """A recorded match, whose bytes for a fan are counted."""
    engine: str = "sqlite"
    """Of the ledger, where a part is about it alone."""
    profile: Path | None = None
    """Where samples of what is measured go; its figures are then of a watched process."""

    @property
    def rounds(self) -> int:
        """Of each figure that has a reference."""
        return _QUICK_ROUNDS if self.quick else ROUNDS

    def share(self, whole: _T, quick: _T) -> _T:
        """So much, or little where it is quick."""
        return quick if self.quick else whole

    def seconds(self, whole: float) -> float:
        """So long, or a tenth of it where it is quick."""
        return whole / 10 if self.quick else whole
