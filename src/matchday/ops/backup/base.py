"""Base backups of the ledger on PostgreSQL: pg_basebackup while it runs, every file checked by pg_verifybackup.

The copy has in it the write-ahead log that makes it whole (``-X stream``), so that it can be restored without an
archive, as it was when it ended. What was committed since is in the archive (``archive``).
"""

import json
import re
from pathlib import Path
from typing import Final

from matchday.ops.backup import Backup, BackupError, new_folder, write_named
from matchday.ops.backup.server import Asked
from matchday.ops.engines import EngineError
from matchday.ops.engines.postgres import own, run

DATA: Final = "data"
"""Its folder in that of a backup."""
_MANIFEST: Final = "backup_manifest"
_COPY_S_MAX: Final = 24 * 3_600
_CHECK_S_MAX: Final = 6 * 3_600
_BEGAN: Final = re.compile(r"^START WAL LOCATION: (\S+) \(file ([0-9A-F]{24})\)", re.MULTILINE)


def take(server: Asked, into: Path, platform: str) -> Backup:
    """Copy a running server into a new folder. BackupError says why that could not be."""
    new_folder(into, "--into")
    own(into)
    data, began_ms = into / DATA, server.now_ms()
    words = ("-D", data, "-d", server.words("matchday backup"), "-X", "stream", "--checkpoint=fast", "--no-password",
             "--manifest-checksums=SHA256", "--label=matchday")  # fmt: skip
    try:
        run(into, "pg_basebackup", *words, within_s=_COPY_S_MAX, environment=server.environment)
    except EngineError as error:
        raise BackupError(f"{error}; its user needs REPLICATION (another with --user), and pg_hba.conf must let it in "
                          "for `replication`") from error  # fmt: skip
    found = _BEGAN.search((data / "backup_label").read_text())
    if found is None:
        raise BackupError(f"{data / 'backup_label'} does not say where it begins; take another backup")
    backup = Backup(
        kind="postgres", platform=platform, began_ms=began_ms, ended_ms=server.now_ms(), place=found[1],
        segment=found[2],
    )  # fmt: skip
    check(into)
    write_named(into, backup)
    return backup


def check(folder: Path) -> None:
    """See that every file is as it was copied. BackupError names the first that is not."""
    data = folder / DATA
    try:
        run(folder, "pg_verifybackup", "-q", data, within_s=_CHECK_S_MAX)
    except EngineError as error:
        raise BackupError(f"the backup in {folder} is damaged: {error}; restore an older one") from error


def ends_at(folder: Path) -> str:
    """Where in the write-ahead log a copy is whole, as its manifest says."""
    manifest = json.loads((folder / DATA / _MANIFEST).read_text())
    return str(manifest["WAL-Ranges"][-1]["End-LSN"])
