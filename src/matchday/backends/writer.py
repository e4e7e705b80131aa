"""Writer: one thread that commits whatever has arrived, as one group, when the previous commit has returned.

There is no timer: alone, a piece of work is committed at once; under load the groups grow by themselves. Results of one
group go back to the room's thread in one call.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Work = TypeVar("Work")
Post = Callable[[Callable[[], None]], object]
"""Hands a call to the room's thread (asyncio's ``call_soon_threadsafe``)."""


class Writer(Generic[Work]):
    """A thread of its own for one store's writes.

    ``write`` runs on the thread with a group of work and returns what to call on the room's thread. An exception that
    it lets through is a programmer's error: ``fatal`` is called with it and nothing more is written.
    """

    def __init__(
        self,
        name: str,
        write: Callable[[Sequence[Work]], Callable[[], None]],
        size: Callable[[Work], int],
        group_max: int,
        post: Post,
        fatal: Callable[[BaseException], None],
    ) -> None:
        self._write, self._size, self._group_max, self._post, self._fatal = write, size, group_max, post, fatal
        self._waiting: deque[Work] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, work: Work) -> None:
        """Have it written after all that was submitted before."""
        with self._changed:
            self._waiting.append(work)
            self._changed.notify()

    def close(self) -> None:
        """Write what is waiting, then end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _take(self) -> list[Work]:
        """Wait for work; whole pieces up to the group's size, at least one. Empty: closed."""
        with self._changed:
            while not self._waiting and not self._closing:
                self._changed.wait()
            group: list[Work] = []
            size = 0
            while self._waiting and (not group or size + self._size(self._waiting[0]) <= self._group_max):
                work = self._waiting.popleft()
                size += self._size(work)
                group.append(work)
            return group

    def _run(self) -> None:
        while group := self._take():
            try:
                done = self._write(group)
            except BaseException as error:  # noqa: BLE001 - handed on: it stops the process
                self._hand_over(lambda error=error: self._fatal(error))  # type: ignore[misc]
                return
            self._hand_over(done)

    def _hand_over(self, call: Callable[[], None]) -> None:
        try:
            self._post(call)
        except RuntimeError:
            # The loop is closed: nobody is left to be answered. What is written stays written.
            return
