"""Aside: a process of its own that works out what pages of a settlement come to, beside the one that serves fans.

One interpreter does one thing at a time: what the rules of a page take is time in which no fan is answered, however
many processors there are. This process reads the file at a moment (``ledger_sqlite_worked``); the writer takes what it
says where nothing of it has changed since, and works the page out itself otherwise. It owns nothing and writes nothing:
dead, slow or not there, settlement goes on without it. It is started by the first big page, and ends with whoever
started it, or when it has not been asked for a while.
"""

import contextlib
import logging
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable
from hashlib import blake2b
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

import msgspec

import matchday
from matchday.backends.ledger_sqlite_rows import Worked
from matchday.backends.ledger_sqlite_worked import Question, Snapshots, look_at
from matchday.collector import tune_gc

_log = logging.getLogger(__name__)

BIG: Final = 64
"""Bets of a page for which a process is started: it takes half a second of a processor."""
BETS_MIN: Final = 16
"""Bets of a page from which on one that is there is asked."""
IDLE_S: Final = 60
"""Seconds without a question after which the process ends."""
PATIENCE_S: Final = 5
"""Seconds for an answer; a page takes some ten milliseconds."""
FAILURES_MAX: Final = 3
"""Processes that may fail; then no other is started."""
_NICE: Final = 5
"""Fans go before."""
_OTHER_CODE: Final = 3
"""Status of a process that has other rules than who started it."""
_question: Final = msgspec.msgpack.Decoder(Question).decode
_worked: Final = msgspec.msgpack.Decoder(Worked | None).decode
_encoded: Final = msgspec.msgpack.Encoder().encode
_READY: Final = b"ready"
_NO_MORE: Final = b""

Then = Callable[[Worked | None], None]


def code() -> str:
    """Names these files as they stand: a process that is started later must have the same rules."""
    found = blake2b(digest_size=16)
    for file in sorted(Path(matchday.__file__).parent.rglob("*.py")):
        held = file.stat()
        found.update(f"{file} {held.st_size} {held.st_mtime_ns}\n".encode())
    return found.hexdigest()


class _Process:
    """One, and a thread that hears it."""

    def __init__(self, path: Path, rules: str) -> None:
        self._connection, theirs = Pipe()
        with contextlib.closing(theirs):
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter
                [sys.executable, "-P", "-m", __name__, str(path), rules, str(theirs.fileno())],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, pass_fds=[theirs.fileno()],
            )  # fmt: skip
        self._asked = deque[Then]()
        self._lock = threading.Lock()
        self._ready = False
        self.failed: str | None = None
        """Why it ended, where it should not have."""
        self.ended = False
        self._thread = threading.Thread(target=self._hear, name="ledger aside", daemon=True)
        self._thread.start()

    def ask(self, asked: Question, then: Then) -> bool:
        """False: it is not there."""
        with self._lock:  # or it could be closed meanwhile, and its number be another file's
            if not self._ready or self.ended:
                return False
            self._asked.append(then)
            with contextlib.suppress(OSError):  # whoever hears it finds out, and answers for it
                self._connection.send_bytes(_encoded(asked))
        return True

    def close(self) -> None:
        """Have it answer what it was asked, and end."""
        if self._ready:
            with self._lock, contextlib.suppress(OSError):  # it has ended
                self._connection.send_bytes(_NO_MORE)
        else:
            self._process.kill()
        self._thread.join()

    def _hear(self) -> None:
        try:
            while (answer := self._receive()) is not None:
                if self._ready:
                    worked = _worked(answer)
                    self._asked.popleft()(worked)
                self._ready = True
        except (TimeoutError, msgspec.MsgspecError) as error:
            self.failed = str(error)
            self._process.kill()
        self._end()

    def _receive(self) -> bytes | None:
        """None: nobody is there any more. TimeoutError: it does not answer."""
        while True:
            first = self._asked[0] if self._asked else None
            try:
                if self._connection.poll(PATIENCE_S):
                    return self._connection.recv_bytes()
            except (EOFError, OSError):
                return None
            if first is not None and self._asked[0] is first:
                raise TimeoutError(f"no answer in {PATIENCE_S} s")

    def _end(self) -> None:
        status = self._process.wait()
        with self._lock:
            self.ended, waiting = True, list(self._asked)
        if status and self.failed is None:
            self.failed = "the files of Matchday have changed" if status == _OTHER_CODE else f"it ended with {status}"
        self._connection.close()
        for then in waiting:
            then(None)


class Aside:
    """The process, as the ledger sees it; asked by one thread, ``then`` called by another."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._code = code()
        self._process: _Process | None = None
        self._failures = 0

    def ask(self, asked: Question, then: Then) -> bool:
        """What a page comes to, soon, or None where that could not be worked out. False: nobody was asked."""
        count = len(asked.page.numbers)
        if self._process is not None and not self._process.ended:
            return count >= BETS_MIN and self._process.ask(asked, then)
        if count >= BIG and self._failures < FAILURES_MAX:
            self._start()
        return False

    def close(self) -> None:
        """Have what was asked answered, and end it."""
        if self._process is not None:
            self._process.close()

    def _start(self) -> None:
        before, self._process = self._process, None
        if before is not None and before.failed is not None:
            self._fails(before.failed)
            if self._failures >= FAILURES_MAX:
                return
        try:
            self._process = _Process(self._path, self._code)
        except OSError as error:  # no memory, no files left, no interpreter any more
            self._fails(str(error))

    def _fails(self, why: str) -> None:
        self._failures += 1
        _log.error("ledger: the process that works settlements out failed: %s; they go on without", why)


def main() -> None:
    """Answer what is asked, until nobody asks."""
    path, rules, handle = sys.argv[1:]
    for told in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # told to all of a group: who started it ends it
        signal.signal(told, signal.SIG_IGN)
    os.nice(_NICE)
    tune_gc()
    if rules != code():
        sys.exit(_OTHER_CODE)
    reader = sqlite3.connect(f"{Path(path).absolute().as_uri()}?mode=ro", uri=True, isolation_level=None,
                             cached_statements=256)  # fmt: skip
    with contextlib.closing(reader), Connection(int(handle)) as connection, contextlib.suppress(EOFError, OSError):
        snapshots = Snapshots(reader)
        connection.send_bytes(_READY)
        while connection.poll(IDLE_S) and (asked := connection.recv_bytes()) != _NO_MORE:
            try:
                worked = snapshots.work_out(_question(asked))
                look_at(reader, [] if worked is None else [player for player, *_ in worked.held])
            except sqlite3.OperationalError:  # the writer says what is wrong with it
                worked = None
            connection.send_bytes(_encoded(worked))


if __name__ == "__main__":
    main()
