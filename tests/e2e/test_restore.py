"""A real PostgreSQL: backed up while bets come in, restored to a moment, and lost; and what cannot be restored."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest

from matchday.__main__ import main
from matchday.ops.backup import BackupError, read_named, shown
from matchday.ops.backup.archive import Archive
from matchday.ops.backup.base import check, ends_at
from matchday.ops.backup.restoring import Restoring
from matchday.ops.backup.server import Asked
from matchday.ops.engines import EngineError, free_ports
from matchday.ops.engines.postgres import binary, run
from matchday.sim.restore_drill import RestoreDrill, hold
from tests.conftest import missing

SECONDS, RATE = 3.0, 120.0


class Held:
    """A drill that was held, and its folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said: list[str] = []
        self.report: RestoreDrill = hold(folder, SECONDS, RATE, self.said.append)

    def restoring(self, name: str, to: str = "", archive: Path | None = None, backup: Path | None = None) -> Restoring:
        server = Asked("user=matchday dbname=matchday").here(free_ports(1)[0])
        where = self.folder / "archive" if archive is None else archive
        return Restoring(backup or self.folder / "backup", self.folder / name, where, to, server)


@pytest.fixture(scope="module")
def held() -> Iterator[Held]:
    try:
        binary("pg_verifybackup")
    except EngineError as error:
        missing("POSTGRESQL", error)
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None, prefix="matchday-restore-") as folder:
        Path(folder).chmod(0o755)
        yield Held(Path(folder))


def test_nothing_before_the_moment_is_missing_and_what_came_after_is_named(held: Held) -> None:
    report = held.report
    assert (report.missing, report.too_many, report.untold, report.faults) == (0, 0, 0, [])
    assert report.sound
    assert report.before > RATE / 2
    assert report.later > RATE / 4
    assert report.before + report.later + report.in_doubt == report.bets_answered
    assert report.entries_after >= report.later


def test_nothing_that_was_answered_is_lost_with_the_primary(held: Held) -> None:
    assert not (held.folder / "server").exists()
    assert held.report.lost_with_primary == 0
    assert held.report.good


def test_a_backup_says_what_it_is(held: Held) -> None:
    backup = read_named(held.folder / "backup")
    assert (backup.kind, backup.platform) == ("postgres", "matchday")
    assert backup.began_ms < backup.ended_ms < round(1_000 * datetime.fromisoformat(held.report.point).timestamp())
    assert Archive(held.folder / "archive").gap(backup.segment) == ""
    assert ends_at(held.folder / "backup").startswith("0/")
    check(held.folder / "backup")


def test_a_moment_that_cannot_be_restored_is_named(held: Held, capsys: pytest.CaptureFixture[str]) -> None:
    backup = read_named(held.folder / "backup")
    with pytest.raises(BackupError, match="is before this backup was complete"):
        held.restoring("before", shown(backup.ended_ms - 1)).checked()
    with pytest.raises(BackupError, match=r"archive .* ends before 2099-01-01T00:00:00Z: the last commit in it was at"):
        held.restoring("future", "2099-01-01T00:00:00Z").run(lambda _: None)
    words = ["ledger", "restore", "--from", str(held.folder / "backup"), "--into", str(held.folder / "future")]
    assert main(words) == 1
    assert "is not empty; choose a new one" in capsys.readouterr().err
    assert main([*words[:-1], str(held.folder / "alone"), "--to", held.report.point]) == 1
    assert "name the archive with --archive DIR" in capsys.readouterr().err


def test_a_missing_segment_is_named(held: Held, tmp_path: Path) -> None:
    backup = read_named(held.folder / "backup")
    kept = tmp_path / "archive"
    shutil.copytree(held.folder / "archive", kept)
    gone = Archive(kept).segments()
    first = min(number for number, name in gone.items() if name[:24] >= backup.segment)
    (kept / gone[first]).unlink()
    (kept / "00000001000000000000FFFF").touch()  # what came later is there
    with pytest.raises(BackupError, match=f"segment {gone[first][:24]} of the write-ahead log is missing in"):
        held.restoring("gap", archive=kept).checked()


@pytest.mark.parametrize("damage", ["flip", "remove"])
def test_a_damaged_backup_is_not_restored(held: Held, tmp_path: Path, damage: str) -> None:
    copied = held.folder / f"damaged-{damage}"
    subprocess.run(["cp", "-a", held.folder / "backup", copied], check=True)
    path = copied / "data" / "PG_VERSION"
    if damage == "flip":
        path.write_text("14\n")
    else:
        path.unlink()
    with pytest.raises(BackupError, match=r"is damaged: pg_verifybackup: .*PG_VERSION.*; restore an older one"):
        held.restoring("from-damaged", backup=copied).checked()


def test_the_command_restores_and_looks_at_the_books(held: Held, capsys: pytest.CaptureFixture[str]) -> None:
    folder = held.folder
    words = ["--from", str(folder / "backup"), "--archive", str(folder / "archive"), "--into", str(folder / "said")]
    status = main(["ledger", "restore", *words, "--to", held.report.point, "--accounts", "5", "--json"])
    report = json.loads(capsys.readouterr().out)
    with closing(_Stopped(report["server"]["folder"])):
        assert status == 0
        assert (report["books"]["sound"], report["books"]["accounts_read"]) == (True, 5)
        assert main(["ledger", "verify", "--server", report["server"]["address"], "--accounts", "3"]) == 0
        assert "sound: " in capsys.readouterr().err


class _Stopped:
    def __init__(self, data: str) -> None:
        self._data = Path(data)

    def close(self) -> None:
        run(self._data.parent, "pg_ctl", "-D", self._data, "-m", "fast", "-w", "stop")
