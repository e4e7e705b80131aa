"""The cache in memory, of one process: the embedded backend. Of more than it holds, what was put first goes first."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from matchday.backends.cache_driver import checked
from matchday.ports import Clock

KEYS_MAX: Final = 100_000


class MemoryCache:
    """See ``Cache``."""

    def __init__(self, clock: Clock, keys_max: int = KEYS_MAX) -> None:
        self._clock, self._keys_max = clock, keys_max
        self._held: OrderedDict[str, tuple[bytes | int, int]] = OrderedDict()
        """Key -> (value or counter, until when by time elapsed)."""

    def get(self, keys: Sequence[str], done: Callable[[Sequence[bytes | None]], None]) -> None:
        """See ``Cache.get``."""
        found = [value if isinstance(value := self._value(key), bytes) else None for key in checked(keys)]
        self._clock.call_later(0, partial(done, found))

    def put(self, key: str, value: bytes, ttl_ms: int) -> None:
        """See ``Cache.put``."""
        checked([key], value)
        self._held.pop(key, None)
        self._hold(key, value, self._clock.elapsed_ms() + ttl_ms)

    def forget(self, keys: Sequence[str]) -> None:
        """See ``Cache.forget``."""
        for key in checked(keys):
            self._held.pop(key, None)

    def flush(self) -> None:
        """Forget all."""
        self._held.clear()

    def count(self, counts: Sequence[tuple[str, int]], ttl_ms: int, done: Callable[[Sequence[int]], None]) -> None:
        """See ``Cache.count``."""
        checked([key for key, _ in counts])
        self._clock.call_later(0, partial(done, [self._add(key, amount, ttl_ms) for key, amount in counts]))

    def _add(self, key: str, amount: int, ttl_ms: int) -> int:
        before = self._value(key)
        if isinstance(before, int):
            until_ms = self._held[key][1]
        else:
            before, until_ms = 0, self._clock.elapsed_ms() + ttl_ms
        self._hold(key, before + amount, until_ms)
        return before + amount

    def _value(self, key: str) -> bytes | int | None:
        value, until_ms = self._held.get(key, (None, 0))
        return value if until_ms > self._clock.elapsed_ms() else None

    def _hold(self, key: str, value: bytes | int, until_ms: int) -> None:
        self._held[key] = value, until_ms
        if len(self._held) > self._keys_max:
            self._held.popitem(last=False)
