"""Writer: one thread that commits whatever has arrived, as one group, when the previous commit has returned.

There is no timer: alone, a piece of work is committed at once; under load the groups grow by themselves. Results of one
group go back to the room's thread in one call.

Work that yields, such as the settlement of a big market, is written when no other is waiting, piece by piece, so that
nobody waits for more than one of them; and after ``PASSED_MAX`` groups all the same. What arrives while such a piece is
prepared joins it. Whoever was answered may have more at once: the next piece waits a moment for it.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, Generic, TypeVar

from matchday.backends.syncer import Syncer

Work = TypeVar("Work")
Post = Callable[[Callable[[], None]], object]
"""Hands a call to the room's thread (asyncio's ``call_soon_threadsafe``)."""

PASSED_MAX: Final = 8
"""Groups that may pass work that yields."""
LINGER_S: Final = 0.002
"""Seconds that a piece that yields waits, once, for more of those who have just been answered."""
CHORES_MAX: Final = 8
"""Chores that wait; of more, the oldest are left out."""


class Writer(Generic[Work]):
    """A thread of its own for one store's writes.

    ``write`` runs on the thread with a group of work and returns what to call on the room's thread, if anything; it may
    ask for what has arrived meanwhile and is to be written with it. An exception that it lets through is a programmer's
    error: ``fatal`` is called with it and nothing more is written. ``sync``: what ``write`` has written is durable once
    this has returned (``Syncer``); without it, it is when ``write`` returns.
    """

    def __init__(
        self,
        name: str,
        write: Callable[[Sequence[Work], Callable[[], Sequence[Work]]], Callable[[], None] | None],
        size: Callable[[Work], int],
        group_max: int,
        post: Post,
        fatal: Callable[[BaseException], None],
        sync: Callable[[], None] | None = None,
    ) -> None:
        self._write, self._size, self._group_max, self._post, self._fatal = write, size, group_max, post, fatal
        self._waiting: deque[Work] = deque()
        self._yielding: deque[Work] = deque()
        self._passed = 0
        self._answered = self._lingered = False
        self._chores: deque[Callable[[], None]] = deque(maxlen=CHORES_MAX)
        self._changed = threading.Condition()
        self._closing = False
        self._syncer = None if sync is None else Syncer(f"{name} syncs", sync, self._hand_over, fatal)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, work: Work, *, yields: bool = False) -> None:
        """Have it written after all that was submitted before, or, where it yields, after all such work and when no
        other is waiting."""
        with self._changed:
            (self._yielding if yields else self._waiting).append(work)
            self._changed.notify()

    def do(self, chore: Callable[[], None]) -> None:
        """Have the thread do something between two groups; it yields. What is not done when it is closed never is."""
        with self._changed:
            self._chores.append(chore)
            self._changed.notify()

    def close(self) -> None:
        """Write what is waiting, have it told, then end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()
        if self._syncer is not None:
            self._syncer.close()

    def _take(self) -> Callable[[], None] | None:
        """Wait for what is to be done next; None: nothing, ever."""
        with self._changed:
            self._linger()
            while not (self._waiting or self._yielding or self._chores or self._closing):
                self._changed.wait()
            yielded = bool(self._yielding or self._chores)
            if self._waiting and not (yielded and self._passed >= PASSED_MAX):
                self._passed += yielded
                return partial(self._commit, self._group(self._waiting), yields=False)
            self._passed, self._lingered = 0, False
            if self._chores and not self._closing:
                return self._chores.popleft()
            return partial(self._commit, [self._yielding.popleft()], yields=True) if self._yielding else None

    def _linger(self) -> None:
        """Once for each piece that yields."""
        if self._answered and not (self._lingered or self._waiting) and (self._yielding or self._chores):
            self._lingered = True
            while not (self._waiting or self._closing) and self._changed.wait(LINGER_S):
                pass  # something else arrived
        self._answered = False

    def _join(self) -> Sequence[Work]:
        """What waits now, for a piece that yields."""
        with self._changed:
            joined = self._group(self._waiting) if self._waiting else []
            self._answered = bool(joined)
            return joined

    def _group(self, waiting: deque[Work]) -> list[Work]:
        """Whole pieces up to the group's size, at least one."""
        group = [waiting.popleft()]
        size = self._size(group[0])
        while waiting and size + self._size(waiting[0]) <= self._group_max:
            size += self._size(waiting[0])
            group.append(waiting.popleft())
        return group

    def _commit(self, group: Sequence[Work], *, yields: bool) -> None:
        self._answered = not yields
        if (call := self._write(group, self._join if yields else tuple)) is None:
            return
        if self._syncer is None:
            self._hand_over(call)
        else:
            self._syncer.tell(call, alone=not (self._waiting or self._yielding))

    def _run(self) -> None:
        while (call := self._take()) is not None:
            try:
                call()
            except BaseException as error:  # noqa: BLE001 - handed on: it stops the process
                self._hand_over(lambda error=error: self._fatal(error))  # type: ignore[misc]
                return

    def _hand_over(self, call: Callable[[], None]) -> None:
        try:
            self._post(call)
        except RuntimeError:
            # The loop is closed: nobody is left to be answered. What is written stays written.
            return
