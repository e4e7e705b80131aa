"""The owners of the books, one of each share, as this gate hears them: whose word counts now."""

from collections.abc import Mapping

import msgspec

from matchday.ports import Clock

Heard = Mapping[int, int]
"""Share -> the epoch of its owner, of those shares whose owner is heard in time: by it at least a book must be said."""


class _Owner(msgspec.Struct):
    epoch: int = 0
    alive: tuple[int, int] | None = None
    """(when it was last heard, by ``elapsed_ms``; what its clock said then); None before it has spoken."""


class Owners:
    """Who owns which share, and who of them is silent. A silent share makes its own fixtures stale, and no others."""

    def __init__(self, clock: Clock, silence_ms_max: int) -> None:
        self._clock = clock
        self._most = silence_ms_max
        self._owners: dict[int, _Owner] = {}

    def owned(self, share: int, epoch: int) -> None:
        """A new owner began: what a former one says counts no more, and the new one has yet to speak."""
        owner = self._owners.setdefault(share, _Owner())
        if epoch > owner.epoch:
            owner.epoch, owner.alive = epoch, None

    def alive(self, share: int, epoch: int, at_ms: int) -> None:
        """An owner was heard now, saying what its clock shows. One whose place was taken does not count."""
        owner = self._owners.setdefault(share, _Owner())
        if epoch >= owner.epoch:
            owner.epoch, owner.alive = epoch, (self._clock.elapsed_ms(), at_ms)

    def heard(self) -> Heard:
        """Those who are neither silent for too long, nor heard late, nor with a clock so far from ours that nobody can
        tell: all other books count as suspended. Silence is measured by time elapsed, since clocks may jump."""
        elapsed, now, most = self._clock.elapsed_ms(), self._clock.now_ms(), self._most
        found = {}
        for share, owner in self._owners.items():
            if owner.alive is None:
                continue
            heard_ms, at_ms = owner.alive
            if elapsed - heard_ms <= most and abs(now - at_ms) <= most:
                found[share] = owner.epoch
        return found
