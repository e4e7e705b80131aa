"""The archive of the write-ahead log: received as the primary writes it (pg_receivewal), segment by segment.

Why not ``archive_command``: that hands over whole segments of 16 MB, so that a primary which is lost takes along
whatever it wrote into the last one; ``archive_timeout`` bounds that to a time, not to nothing. What is received is a
standby that keeps the log only: every record within milliseconds, in a segment called ``.partial`` until it is full,
on its disk before it says so (``--synchronous``). Named in ``synchronous_standby_names`` no bet is answered before the
archive has it, and nothing that was answered is lost with the primary. A slot has the primary keep what is not received
yet: an archive that stays away fills the primary's disk, unless ``max_slot_wal_keep_size`` says up to where.
"""

import contextlib
import os
import re
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from matchday.ops.backup import BackupError
from matchday.ops.backup.server import Asked
from matchday.ops.engines import EngineError
from matchday.ops.engines.postgres import as_owner, own, run

SLOT: Final = "matchday_archive"
"""The slot, and the name under which the primary sees it."""
PARTIAL: Final = ".partial"
LOG: Final = "receiving.log"
_SEGMENT: Final = re.compile(r"([0-9A-F]{8})([0-9A-F]{8})([0-9A-F]{8})(\.partial)?$")
_BYTES: Final = 16 * 1024 * 1024
"""Of a segment, unless initdb was told otherwise, which nobody does here."""
_OF_A_FILE: Final = 2**32 // _BYTES
"""Segments of which the middle part of their names is the same."""
_RETRY_S: Final = 1.0
_STOP_S: Final = 10.0
_SLOT_S_MAX: Final = 30
_GONE: Final = re.compile(r"requested WAL segment (\S+) has already been removed")


def number_of(name: str) -> int | None:
    """Which segment a file is, counted from the beginning of the log; None where it is none."""
    found = _SEGMENT.fullmatch(name)
    return int(found[2], 16) * _OF_A_FILE + int(found[3], 16) if found else None


class Archive:
    """A folder of segments."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()

    def segments(self) -> dict[int, str]:
        """Number -> file, of whatever timeline; a whole one goes before a partial one."""
        found: dict[int, str] = {}
        try:
            names = sorted(path.name for path in self.folder.iterdir())
        except OSError as error:
            raise BackupError(
                f"archive {self.folder}: {error.strerror}; name the folder that `matchday ledger archive` writes with "
                "--archive DIR"
            ) from error
        for name in names:
            number = number_of(name)
            if number is not None and (number not in found or not name.endswith(PARTIAL)):
                found[number] = name
        return found

    def gap(self, first: str) -> str:
        """The first segment that is missing from one on, before the last that is there; empty where none is."""
        number, known = number_of(first), self.segments()
        assert number is not None
        if not known or max(known) < number:
            return first
        missing = next((n for n in range(number, max(known)) if n not in known), None)
        return "" if missing is None else f"{first[:8]}{missing // _OF_A_FILE:08X}{missing % _OF_A_FILE:08X}"

    # --- receiving ----------------------------------------------------------------------------------------------------

    def receive(self, server: Asked, stopped: threading.Event, say: Callable[[str], None], slot: str = SLOT) -> None:
        """Receive until it is told to stop, from whichever host can be written to, now and after every fail-over.
        BackupError where there is a gap that nothing fills any more."""
        own(self.folder)
        while not stopped.is_set():
            ended = self._made(server, slot) or self._received(server, slot, stopped)
            if stopped.is_set():
                break
            if gone := _GONE.search(ended):
                raise BackupError(
                    f"the primary no longer has {gone[1]}, which comes next here: begin a new archive (--into DIR), "
                    "and take a base backup for it; this one stays good up to there"
                )
            say(f"archive: {ended or 'the primary ended the connection'}; trying again")
            stopped.wait(_RETRY_S)

    def _made(self, server: Asked, slot: str) -> str:
        """Have a slot: a server that was promoted has none. Why there is none; empty where there is."""
        words = ("-d", server.words(slot), "-S", slot, "--create-slot", "--if-not-exists", "--no-password")
        try:
            run(self.folder, "pg_receivewal", *words, within_s=_SLOT_S_MAX, environment=server.environment)
        except EngineError as error:
            return str(error)
        return ""

    def _received(self, server: Asked, slot: str, stopped: threading.Event) -> str:
        """Until the connection ends, or this is to; the last that was said."""
        words = ("-D", self.folder, "-d", server.words(slot), "-S", slot, "--synchronous", "--no-loop", "--no-password",
                 "-s", "1")  # fmt: skip
        log = self.folder / LOG
        with log.open("wb") as out:
            process = subprocess.Popen(  # noqa: S603 - ours
                as_owner("pg_receivewal", *words), cwd=self.folder, env=dict(server.environment),
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
            )  # fmt: skip
        try:
            while process.poll() is None and not stopped.wait(0.1):
                pass
        finally:
            _end(process)
        return log.read_text(errors="replace").strip()[-1_000:]


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Have it write what it has and end. Its group: where we are root it is the child of who runs it as another."""
    for number, within_s in ((signal.SIGINT, _STOP_S), (signal.SIGKILL, None)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(within_s)
            return


@contextlib.contextmanager
def receiving(archive: Archive, server: Asked, say: Callable[[str], None]) -> Iterator[None]:
    """Receive beside what goes on in the block. BackupError at its end where that could not go on."""
    stopped, failed = threading.Event(), list[BackupError]()

    def receive() -> None:
        try:
            archive.receive(server, stopped, say)
        except BackupError as error:
            failed.append(error)

    thread = threading.Thread(target=receive, name="archive")
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()
    if failed:
        raise failed[0]
