"""The load of each minute on SQLite, in the data folder of a platform: what forecasting learns from.

A minute that was counted in parts, as around a restart, is one row, which says how much of it was counted. Whoever
reads it decides whether that is enough. What cannot be written, as the disk is full, is not counted and will be a gap.
"""

import contextlib
import logging
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from matchday.backends.errors import BackendError
from matchday.backends.sqlite import Database
from matchday.backends.writer import Post, Writer
from matchday.counts import Load

_log = logging.getLogger(__name__)

FILE: Final = "load.sqlite"
_SCHEMA: Final = Path(__file__).with_suffix(".sql")
_DAY: Final = 1_440
_ADD: Final = (
    "INSERT INTO minutes VALUES (?,?,?,?,?,?) ON CONFLICT (minute) DO UPDATE SET "
    "covered_ms = covered_ms + excluded.covered_ms, requests = requests + excluded.requests, "
    "bets = bets + excluded.bets, frames = frames + excluded.frames, "
    "connections = max(connections, excluded.connections)"
)


class Minute(NamedTuple):
    """What is known of a minute."""

    minute: int
    """Since 1970, UTC."""
    covered_ms: int
    """Milliseconds of it in which it was counted."""
    load: Load


class LoadCore:
    """The synchronous core."""

    def __init__(self, path: Path | str, keep_days: int) -> None:
        self._database = Database(path, [_SCHEMA.read_text()])
        self._keep = keep_days * _DAY

    def close(self) -> None:
        """Give up the file."""
        self._database.close()

    def add(self, parts: Sequence[Minute]) -> None:
        """Add parts of minutes to what is known of them, and forget what is kept no longer. sqlite3.Error: nothing is
        recorded."""
        with self._database.transaction() as db:
            db.executemany(_ADD, [(part.minute, part.covered_ms, *part.load) for part in parts])
            db.execute("DELETE FROM minutes WHERE minute < ?", (max(part.minute for part in parts) - self._keep,))

    def minutes(self) -> list[Minute]:
        """All, in order."""
        return _minutes(self._database.reader)


class LoadStore:
    """Writes on a thread of its own."""

    def __init__(self, core: LoadCore, post: Post, fatal: Callable[[BaseException], None]) -> None:
        self._core = core
        self._writer: Writer[Minute] = Writer("load", self._write, lambda _: 1, 64, post, fatal)

    def close(self) -> None:
        """Write what waits, and stop."""
        self._writer.close()

    def add(self, part: Minute) -> None:
        """Add a part of a minute, soon."""
        self._writer.submit(part)

    def _write(self, group: Sequence[Minute], _more: Callable[[], object]) -> Callable[[], None]:
        try:
            self._core.add(group)
        except sqlite3.OperationalError as error:
            _log.warning("load: the minute could not be recorded: %s", error)
        return _nothing


def _nothing() -> None:
    """Nobody waits for it."""


def read_load(data: Path) -> list[Minute]:
    """All minutes of a platform's data folder, in order, while it runs or not. BackendError: what to do."""
    path = data / FILE
    if not path.is_file():
        raise BackendError(f"data folder {data} has no {FILE}: name that of a platform that has recorded, with --data")
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as opened:
            return _minutes(opened)
    except sqlite3.Error as error:
        raise BackendError(f"{path}: {error}; it must be readable, and its folder, where nobody runs on it") from error


def _minutes(opened: sqlite3.Connection) -> list[Minute]:
    rows = opened.execute(
        "SELECT minute, covered_ms, requests, bets, frames, connections FROM minutes ORDER BY minute"
    ).fetchall()
    return [Minute(minute, covered_ms, Load(*load)) for minute, covered_ms, *load in rows]
