"""Checkpointer: one thread that moves what was committed from a file's write-ahead log into the file, so that no commit
waits for it.

A commit is durable in the write-ahead log. Moving it takes many writes all over the file and two waits for the disk:
done by the writer, every thousand pages, that is what the slowest of a hundred bets would wait for.
"""

import threading
from typing import Final

from matchday.backends.sqlite import Database

PAUSE_S: Final = 0.25
"""Seconds between two times: pages that change often are then moved once."""


class Checkpointer:
    """Looks after one file while anything is written to it. Its thread ends with an error, which stops the process,
    where nobody knows any more what of the file is on the disk."""

    def __init__(self, database: Database, name: str) -> None:
        self._database = database
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
        hurries = False
        while True:
            self._wrote.wait()
            self._wrote.clear()
            if self._closing.wait(0 if hurries else PAUSE_S):
                return
            hurries = self._database.checkpoint()
