"""Writers: several threads that commit whatever has arrived, each one group at a time, what is of one account in order.

As ``writer.Writer``, for stores that take several commits at once. A group leaves out what is about an account (or
whatever else ``keys`` names) that another thread is just committing, and then all that comes after it of the same. So
the order of calls holds for each account, no two threads wait for each other's locks on one, and a busy account fills
groups instead of threads. Work that yields is written when no other waits, and after ``PASSED_MAX`` groups all the
same.
"""

import threading
from collections import Counter, deque
from collections.abc import Callable, Collection, Sequence
from typing import Final, Generic

from matchday.backends.writer import CHORES_MAX, PASSED_MAX, Post, Work

_LOOKED_AT_MAX: Final = 256
"""Pieces of work that are passed over in search of some that can be written now."""


class Writers(Generic[Work]):
    """Threads of their own for one store's writes.

    ``write`` runs on a thread, given its number, with a group of work, and returns what to call on the room's thread.
    An exception that it lets through is a programmer's error: ``fatal`` is called with it, nothing more is written.
    """

    def __init__(
        self,
        name: str,
        count: int,
        write: Callable[[int, Sequence[Work]], Callable[[], None]],
        size: Callable[[Work], int],
        keys: Callable[[Work], Collection[str]],
        group_max: int,
        post: Post,
        fatal: Callable[[BaseException], None],
    ) -> None:
        self._write, self._size, self._keys, self._group_max = write, size, keys, group_max
        self._post, self._fatal = post, fatal
        self._waiting: deque[tuple[Work, frozenset[str]]] = deque()
        self._yielding: deque[Work] = deque()
        self._chores: deque[Callable[[int], None]] = deque(maxlen=CHORES_MAX)
        self._busy: Counter[str] = Counter()
        """What is being committed."""
        self._passed = 0
        self._changed = threading.Condition()
        self._closing = self._broken = False
        self._threads = [
            threading.Thread(target=self._run, args=(number,), name=f"{name}-{number}", daemon=True)
            for number in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, work: Work, *, yields: bool = False) -> None:
        """Have it written, after all that was submitted before and has a key in common with it."""
        keys = frozenset() if yields else frozenset(self._keys(work))
        with self._changed:
            if yields:
                self._yielding.append(work)
            else:
                self._waiting.append((work, keys))
            self._changed.notify()

    def do(self, chore: Callable[[int], None]) -> None:
        """Have a thread do something when nothing waits, given its number."""
        with self._changed:
            self._chores.append(chore)
            self._changed.notify()

    def close(self, give_up: Callable[[], None], patience_s: float = 10.0) -> None:
        """Write what is waiting, then end the threads; ``give_up`` is called where that takes too long."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(patience_s)
            if thread.is_alive():
                give_up()
        for thread in self._threads:
            thread.join()

    def _run(self, number: int) -> None:
        while (taken := self._take()) is not None:
            group, keys, chore = taken
            try:
                if chore is not None:
                    chore(number)
                else:
                    self._hand_over(self._write(number, group))
            except BaseException as error:  # noqa: BLE001 - handed on: it stops the process
                with self._changed:
                    self._broken = True
                    self._changed.notify_all()
                self._hand_over(lambda error=error: self._fatal(error))  # type: ignore[misc]
                return
            with self._changed:
                self._busy.subtract(keys)
                self._busy += Counter()
                self._changed.notify_all()

    def _take(self) -> tuple[list[Work], frozenset[str], Callable[[int], None] | None] | None:
        """What this thread is to do next; None: nothing, ever."""
        with self._changed:
            while not self._broken:
                turn = bool(self._yielding) and self._passed >= PASSED_MAX
                if not turn and (found := self._group()):
                    self._passed += bool(self._yielding)
                    return *found, None
                if self._yielding:
                    self._passed = 0
                    return [self._yielding.popleft()], frozenset(), None
                if self._chores and not self._closing:
                    return [], frozenset(), self._chores.popleft()
                if self._closing and not self._waiting:
                    return None
                self._changed.wait()
            return None

    def _group(self) -> tuple[list[Work], frozenset[str]] | None:
        """Whole pieces up to the group's size, at least one; none of which another thread has something in hand."""
        group, passed, size = list[Work](), list[tuple[Work, frozenset[str]]](), 0
        ours, others = set[str](), set(self._busy)
        while self._waiting and len(passed) < _LOOKED_AT_MAX:
            work, keys = self._waiting[0]
            if not others.isdisjoint(keys):
                others |= keys
                passed.append(self._waiting.popleft())
                continue
            if group and size + self._size(work) > self._group_max:
                break
            self._waiting.popleft()
            group.append(work)
            ours |= keys
            size += self._size(work)
        self._waiting.extendleft(reversed(passed))
        self._busy.update(ours)
        return (group, frozenset(ours)) if group else None

    def _hand_over(self, call: Callable[[], None]) -> None:
        try:
            self._post(call)
        except RuntimeError:
            # The loop is closed: nobody is left to be answered. What is written stays written.
            return
