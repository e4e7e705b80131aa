"""A server of a base backup and the archive, as it was at a moment, in a folder of its own.

PostgreSQL reads the log from where the backup begins and stops before the first commit that was made after the moment
(``recovery_target_time``, by the primary's clock). What was answered before it is there: its commit stood in the log
before any later one was timed. Then it is a primary with a history of its own (a new timeline), on the loopback
address, where its books are looked at before anybody else is let in.
"""

import contextlib
import os
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from matchday.ops.backup import Backup, BackupError, moment, new_folder, read_named, shown
from matchday.ops.backup.archive import PARTIAL, Archive
from matchday.ops.backup.base import DATA, check
from matchday.ops.backup.server import Asked
from matchday.ops.cluster_state import born, wait_for
from matchday.ops.engines import EngineError
from matchday.ops.engines.postgres import OWNER, own, run

LOG: Final = "postgres.log"
_REPLAY_S_MAX: Final = 6 * 3_600.0
_SETTINGS: Final = """
# Written by `matchday ledger restore`. Before it is put to work: take these five out, and name its own standbys.
hot_standby = off
archive_mode = off
synchronous_standby_names = ''
primary_conninfo = ''
primary_slot_name = ''
# Read while it was restored, and never again.
restore_command = '{command}'
recovery_target_timeline = 'latest'
recovery_target_action = 'promote'
"""
_HERE: Final = {
    "listen_addresses": "127.0.0.1", "unix_socket_directories": "''",
    # What it says is read, and is to be in the one file.
    "logging_collector": "off", "log_destination": "stderr", "lc_messages": "C", "log_min_messages": "warning",
}  # fmt: skip
_NEXT: Final = re.compile(r"recovery stopping before commit of transaction \d+, time (.+)$", re.MULTILINE)
_LAST: Final = re.compile(r"last completed transaction was at log time (.+)$", re.MULTILINE)
_SHORT: Final = "recovery ended before configured recovery target was reached"
_FATAL: Final = re.compile(r"(?:FATAL|PANIC): +(.+)$", re.MULTILINE)


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """A server that was made of a backup. It runs."""

    folder: str
    """Its data folder."""
    port: int
    address: str
    """A connection string."""
    last_commit: str = ""
    """When the last transaction was committed that it has, as its log says it."""
    next_commit: str = ""
    """When the first was that it has not; empty where there is none."""


class Restoring:
    """What is to be restored, from where to where."""

    def __init__(self, backup: Path, into: Path, archive: Path | None, to: str, server: Asked) -> None:
        """``server``: where it is to be asked, once it runs."""
        self._from, self._into, self._to = backup.absolute(), into.absolute(), to
        self._archive = None if archive is None else Archive(archive)
        self._server = server

    def run(self, say: Callable[[str], None]) -> Restored:
        """Check, copy, replay. BackupError says what is wrong; what was copied stays to be looked at."""
        backup = self.checked()
        new_folder(self._into, "--into")
        say("every file of the backup is as it was copied; copying")
        own(self._into)
        data = self._into / DATA
        shutil.copytree(self._from / DATA, data, symlinks=True)
        self._configure(data)
        if os.getuid() == 0:
            for path in (data, *data.rglob("*")):
                shutil.chown(path, OWNER)
        say("replaying the write-ahead log" + (f" up to {self._to}" if self._to else ""))
        return self._replayed(backup, data)

    def checked(self) -> Backup:
        """The backup, good for what was asked. BackupError where it is not."""
        backup = read_named(self._from)
        if backup.kind != "postgres":
            raise BackupError(f"{self._from} is a backup of an embedded ledger; leave --archive and --to out")
        if self._to and moment(self._to) < backup.ended_ms:
            raise BackupError(
                f"--to {self._to} is before this backup was complete ({shown(backup.ended_ms)}); restore from an "
                "older one"
            )
        if self._to and self._archive is None:
            raise BackupError("--to needs what came after the backup: name the archive with --archive DIR")
        check(self._from)
        if self._archive is not None and not self._to and (gap := self._archive.gap(backup.segment)):
            raise BackupError(self._gap(gap))
        return backup

    def _gap(self, segment: str) -> str:
        assert self._archive is not None
        return (
            f"segment {segment} of the write-ahead log is missing in {self._archive.folder}: put it there (another "
            "copy of the archive, or pg_wal of a server that still has it), or restore to a moment before it with --to"
        )

    def _configure(self, data: Path) -> None:
        command = "false"
        if self._archive is not None:
            held = str(self._archive.folder).replace("%", "%%")
            whole, partial = shlex.quote(held + "/%f"), shlex.quote(held + "/%f" + PARTIAL)
            command = f'cp {whole} "%p" 2>/dev/null || cp {partial} "%p" 2>/dev/null'
        text = _SETTINGS.format(command=command.replace("'", "''"))
        if self._to:
            at = shown(moment(self._to)).replace("T", " ").replace("Z", "+00")  # it knows no Z there
            text += f"recovery_target_time = '{at}'\n"
        with (data / "postgresql.auto.conf").open("a") as file:
            file.write(text)
        (data / "recovery.signal").touch()
        (data / "standby.signal").unlink(missing_ok=True)

    # --- replaying ----------------------------------------------------------------------------------------------------

    def _replayed(self, backup: Backup, data: Path) -> Restored:
        log = self._into / LOG
        options = " ".join(f"-c {name}={value}" for name, value in {**_HERE, "port": self._server.port}.items())
        with contextlib.suppress(EngineError):  # its log says why
            run(self._into, "pg_ctl", "-D", data, "-l", log, "-w", "-o", options, "start")
        wait_for(lambda: not _lives(data) or _writes(self._server), _REPLAY_S_MAX)
        said = log.read_text(errors="replace")
        if not _lives(data):
            raise BackupError(self._why(backup, said))
        last, stopped = _LAST.search(said), _NEXT.search(said)
        return Restored(
            folder=str(data), port=self._server.port, address=self._server.words("matchday"),
            last_commit=last[1] if last else "", next_commit=stopped[1] if stopped else "",
        )  # fmt: skip

    def _why(self, backup: Backup, said: str) -> str:
        """Why it ended before it was whole."""
        last, fatal = _LAST.search(said), _FATAL.findall(said)
        if _SHORT not in said or self._archive is None:
            return f"PostgreSQL ended while it replayed the log: {fatal[0] if fatal else 'see'} ({self._into / LOG})"
        if gap := self._archive.gap(backup.segment):
            return self._gap(gap)
        until = f"the last commit in it was at {last[1]}" if last else "no commit after the backup is in it"
        return (
            f"the archive {self._archive.folder} ends before {self._to}: {until}; leave --to out to restore all there "
            "is, or add what is missing"
        )


def stop(restored: Restored) -> None:
    """End it; its folder stays."""
    folder = Path(restored.folder)
    run(folder.parent, "pg_ctl", "-D", folder, "-m", "fast", "-w", "stop")


def _lives(data: Path) -> bool:
    """Whether its first process does."""
    with contextlib.suppress(OSError, ValueError):
        return bool(born(int((data / "postmaster.pid").read_text().split("\n", 1)[0])))
    return False


def _writes(asked: Asked) -> bool:
    """Whether it takes connections and is a primary."""
    with contextlib.suppress(BackupError):
        return bool(asked.ask("SELECT NOT pg_is_in_recovery()")[0])
    return False
