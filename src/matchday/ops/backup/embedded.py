"""Backups of a platform's folder: ledger, log and key, taken while it runs.

SQLite's own backup copies a file as it is at one moment, beside the writer, which goes on (a reader's transaction over
the write-ahead log). The log goes first: it is then behind the ledger, as after any crash, and the relay carries what
is missing; a log that is ahead would have said what the ledger does not know. There is no archive: it is restored as it
was, and to no moment between.
"""

import contextlib
import hashlib
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from matchday.ops.backup import Backup, BackupError, new_folder, read_named, shown, write_named

LOG: Final = "log.sqlite"
LEDGER: Final = "ledger.sqlite"
KEY: Final = "secret"
_CHUNK: Final = 1 << 20


def take(data: Path, into: Path, platform: str, now_ms: Callable[[], int]) -> Backup:
    """Copy a platform's folder into a new one. BackupError says why that could not be."""
    if not (data / LEDGER).is_file():
        raise BackupError(
            f"folder {data} has no ledger; name that of a platform that has been started, with --data DIR"
        )
    new_folder(into, "--into")
    began_ms = now_ms()
    if (data / LOG).is_file():  # it may have been lost: one begins anew
        _copied(data / LOG, into / LOG)
    _copied(data / LEDGER, into / LEDGER)
    if (data / KEY).is_file():
        _write(into / KEY, (data / KEY).read_bytes())
    ended_ms = now_ms()
    files = {path.name: _digest(path) for path in sorted(into.iterdir())}
    backup = Backup(kind="sqlite", platform=platform, began_ms=began_ms, ended_ms=ended_ms, files=files)
    write_named(into, backup)
    return backup


def restore(folder: Path, into: Path, to: str, new_epoch: Callable[[], str]) -> Backup:
    """Make a platform's folder of a backup. ``new_epoch`` names the topics anew: their offsets will be given again, and
    a screen that holds a later one is to fetch all of it. BackupError says why that could not be."""
    backup = read_named(folder)
    if backup.kind != "sqlite":
        raise BackupError(f"{folder} is a backup of a ledger on PostgreSQL; name its server's settings with --config")
    if to:
        raise BackupError(
            f"--to {to}: an embedded ledger has no archive; leave --to out to restore it as it was at "
            f"{shown(backup.began_ms)}, or restore another backup"
        )
    for name, digest in backup.files.items():
        path = folder / name
        if not path.is_file() or _digest(path) != digest:
            raise BackupError(f"the backup in {folder} is damaged: {name} is not what was copied; restore another")
    new_folder(into, "--into")
    try:
        for name in backup.files:
            shutil.copy2(folder / name, into / name)
        if LOG in backup.files:
            _begin_anew(into / LOG, new_epoch)
    except (OSError, sqlite3.Error) as error:
        for path in into.iterdir():  # so that the same words do it when there is room
            path.unlink()
        raise BackupError(
            f"{folder} could not be restored into {into}: {error}; free space, or choose another folder with --into DIR"
        ) from error
    return backup


def _begin_anew(log: Path, new_epoch: Callable[[], str]) -> None:
    with contextlib.closing(sqlite3.connect(log)) as written, written:
        for (topic,) in written.execute("SELECT topic FROM topics").fetchall():
            written.execute("UPDATE topics SET epoch = ? WHERE topic = ?", (new_epoch(), topic))


def _copied(source: Path, target: Path) -> None:
    """One file, whole, and on the disk."""
    try:
        with _opened(source, "ro") as read, _opened(target, "rwc") as written:
            read.backup(written)
            faults = [row[0] for row in written.execute("PRAGMA integrity_check(1)")]
    except sqlite3.Error as error:
        raise BackupError(f"{source} could not be copied: {error}; free space, or restore an older backup") from error
    if faults != ["ok"]:
        raise BackupError(f"{source} is damaged: {faults[0]}; stop the platform and restore a backup from before that")
    with target.open("rb") as file:
        os.fsync(file.fileno())


@contextlib.contextmanager
def _opened(path: Path, mode: str) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True)) as connection:
        yield connection


def _write(path: Path, content: bytes) -> None:
    """A file that its owner alone may read."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _digest(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            found.update(chunk)
    return found.hexdigest()
