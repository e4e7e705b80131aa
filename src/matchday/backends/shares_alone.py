"""Shares of a process that is alone: all of them, at once."""

from collections.abc import Callable

from matchday.ports import Clock, Timer


class SharesAlone:
    """See ``Shares``: nobody else takes any, and none is lost."""

    def __init__(self, clock: Clock, partitions: int = 1) -> None:
        self._clock, self._partitions = clock, partitions

    def join(self, group: str, taken: Callable[[int], None], lost: Callable[[int], None]) -> Timer:  # noqa: ARG002 - part of the port
        """See ``Shares.join``."""

        def take() -> None:
            for partition in range(self._partitions):
                taken(partition)

        return self._clock.call_later(0, take)
