"""Syncer: one thread that waits for the disk in place of a store's writer, and only then has anybody told.

What a writer has committed stands in the write-ahead log, where the next commits follow it, long before the disk has
it. Waited for by the writer, each commit would cost all that come after it a wait; here several share one, and the
writer is at the next group meanwhile. Nobody is told of a commit before it is durable, nor out of turn.
"""

import threading
from collections.abc import Callable
from functools import partial

Call = Callable[[], None]


class Syncer:
    """Tells of what was committed, in order.

    ``sync`` returns when all that has been committed before is on the disk. An exception that it lets through says that
    nobody knows what is: ``fatal`` is called with it, and nothing more is told.
    """

    def __init__(
        self, name: str, sync: Call, hand_over: Callable[[Call], None], fatal: Callable[[BaseException], None]
    ) -> None:
        self._sync, self._hand_over, self._fatal = sync, hand_over, fatal
        self._waiting: list[Call] = []
        self._changed = threading.Condition()
        self._syncing = self._closing = self._broken = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def tell(self, call: Call, *, alone: bool) -> None:
        """Have a call made on the room's thread once all that is committed now is durable. ``alone``: its writer has
        nothing else to do; then it waits itself, as handing over would only take time. It raises what ``sync`` does."""
        with self._changed:
            if self._broken:
                return
            if not alone or self._syncing or self._waiting:
                self._waiting.append(call)
                self._changed.notify()
                return
        self._sync()
        self._hand_over(call)

    def close(self) -> None:
        """Tell of everything, then end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while calls := self._take():
            try:
                self._sync()
            except BaseException as error:  # noqa: BLE001 - handed on: it stops the process
                with self._changed:
                    self._broken = True
                self._hand_over(partial(self._fatal, error))
                return
            for call in calls:  # each by itself: what one of them may raise is not the others'
                self._hand_over(call)

    def _take(self) -> list[Call]:
        """All that waits, as soon as anything does; nothing: nothing ever will."""
        with self._changed:
            self._syncing = False
            while not (self._waiting or self._closing):
                self._changed.wait()
            self._syncing = True
            taken, self._waiting = self._waiting, []
            return taken
