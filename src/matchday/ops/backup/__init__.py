"""Backups of the ledger: taken while it runs, restored into a new folder, up to a moment where there is an archive.

``base`` takes a copy of PostgreSQL's files, ``archive`` keeps its write-ahead log as it is written, ``restoring`` makes
a server of both; ``embedded`` does the same for a platform's folder, without an archive. They know files and servers
and nothing of what stands in the ledger: its own reads say whether that is sound (``app/sound.py``), and what came
after a moment to which it was restored (``app/aftermath.py``).
"""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

import msgspec

NAMED: Final = "backup.json"
"""The file that makes a backup of a folder."""
_ZONED: Final = re.compile(r"(?:Z|[+-]\d\d:?\d\d)$")


class BackupError(Exception):
    """A backup cannot be taken or restored: what is wrong, and what to do about it."""


class Backup(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup is, in its own folder."""

    kind: Literal["postgres", "sqlite"]
    platform: str
    """Whose ledger it is."""
    began_ms: int
    """By the ledger's clock, milliseconds since 1970."""
    ended_ms: int
    """Whatever was answered before is in it; on PostgreSQL no earlier moment can be restored from it."""
    place: str = ""
    """Where in the write-ahead log it begins, on PostgreSQL."""
    segment: str = ""
    """The segment of the write-ahead log in which that is."""
    files: dict[str, str] = {}
    """Name -> SHA-256, of an embedded one; PostgreSQL has its own list."""


def write_named(folder: Path, backup: Backup) -> None:
    """Say what it is: last of all, so that a folder without it is none."""
    (folder / NAMED).write_bytes(msgspec.json.format(msgspec.json.encode(backup), indent=2))


def read_named(folder: Path) -> Backup:
    """What a folder says of itself. BackupError where it is no whole backup."""
    try:
        return msgspec.json.decode((folder / NAMED).read_bytes(), type=Backup)
    except FileNotFoundError as error:
        raise BackupError(
            f"{folder} is no backup, or one that did not come to its end; name a folder that `matchday ledger backup "
            "--into` wrote"
        ) from error
    except (OSError, msgspec.MsgspecError) as error:
        raise BackupError(f"{folder / NAMED} cannot be read: {error}; the backup is damaged: use another") from error


def new_folder(folder: Path, word: str) -> None:
    """Make a folder that is to be written from nothing. BackupError where something is in it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        taken = any(folder.iterdir())
    except OSError as error:
        raise BackupError(f"folder {folder}: {error.strerror}; choose another with {word} DIR") from error
    if taken:
        raise BackupError(f"folder {folder} is not empty; choose a new one with {word} DIR")


def moment(word: str) -> int:
    """Milliseconds since 1970 of a time as people write it. BackupError where it is none, or names no zone."""
    try:
        found = datetime.fromisoformat(word)
    except ValueError as error:
        raise BackupError(f"--to {word!r} is no time; write one as 2026-06-14T20:15:30.250Z") from error
    if not _ZONED.search(word):
        raise BackupError(f"--to {word!r} names no zone; add Z for UTC, or an offset as +02:00")
    return round(found.timestamp() * 1_000)


def shown(at_ms: int) -> str:
    """A moment for people, and as ``--to`` takes it."""
    return f"{datetime.fromtimestamp(at_ms / 1_000, UTC):%Y-%m-%dT%H:%M:%S}.{at_ms % 1_000:03}Z"
