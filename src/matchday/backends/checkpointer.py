"""Checkpointer: one thread that moves what was committed from a file's write-ahead log into the file, so that no commit
waits for it.

A commit is durable in the write-ahead log. Moving it takes many writes all over the file and two waits for the disk:
done by the writer, every thousand pages, that is what the slowest of a hundred bets would wait for.
"""

import contextlib
import sqlite3
import threading
from collections.abc import Callable
from functools import partial
from typing import Final

from matchday.backends.sqlite import Database
from matchday.backends.writer import Post

PAUSE_S: Final = 0.25
"""Seconds between two times: pages that change often are then moved once."""


class Checkpointer:
    """Looks after one file while anything is written to it. ``fatal`` is called, by ``post``, where nobody knows any
    more what of it is on the disk."""

    def __init__(self, database: Database, name: str, post: Post, fatal: Callable[[BaseException], None]) -> None:
        self._database, self._post, self._fatal = database, post, fatal
        database.leave_checkpoints()
        self._wrote, self._closing = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"{name} checkpoints", daemon=True)
        self._thread.start()

    def wrote(self) -> None:
        """Something was committed."""
        self._wrote.set()

    def close(self) -> None:
        """End the thread. What is not moved yet is when the file is closed."""
        self._closing.set()
        self._wrote.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            self._wrote.wait()
            self._wrote.clear()
            if self._closing.wait(PAUSE_S):
                return
            try:
                self._database.checkpoint()
            except sqlite3.OperationalError as error:
                with contextlib.suppress(RuntimeError):  # the loop is closed: it has stopped
                    self._post(partial(self._fatal, error))
                return
