"""What was decided last, for whoever asks from another thread."""

import threading
from typing import NamedTuple


class Posted(NamedTuple):
    """One target's."""

    wanted: int
    at_ms: int
    """By the clock that never jumps."""


class Board:
    """The last decision of each target."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._posted: dict[str, Posted] = {}
        self._closed = False

    def post(self, target: str, posted: Posted) -> None:
        """The latest."""
        with self._changed:
            self._posted[target] = posted
            self._changed.notify_all()

    def read(self, target: str) -> Posted | None:
        """What stands there."""
        with self._changed:
            return self._posted.get(target)

    def close(self) -> None:
        """Nobody waits any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def wait(self, seconds: float) -> bool:
        """Until something changes, or it is closed, for so long at most; whether it is still open."""
        with self._changed:
            if not self._closed:
                self._changed.wait(seconds)
            return not self._closed
