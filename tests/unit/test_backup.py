"""Backups without servers: what is read of their folders, and those of an embedded ledger. With PostgreSQL:
``tests/e2e/test_restore.py``."""

import json
import os
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from errno import ENOSPC
from itertools import count
from pathlib import Path

import pytest

from matchday.__main__ import main
from matchday.app.sound import look
from matchday.backends.ledger_sqlite import SqliteLedgerCore
from matchday.backends.log_sqlite import SqliteLogCore
from matchday.model.messages import Topic
from matchday.ops.backup import BackupError, embedded, moment, new_folder, read_named, shown
from matchday.ops.backup.archive import Archive, number_of
from matchday.ops.backup.server import Asked
from matchday.ports import Record
from tests.contract.test_ledger import A, bet, opened

FIRST = "000000010000000000000003"
Epochs = Callable[[], str]


def epochs(word: str = "epoch") -> Epochs:
    numbers = count()
    return lambda: f"{word}-{next(numbers)}"


# --- times and folders ------------------------------------------------------------------------------------------------


def test_a_moment_is_what_it_says_in_its_zone() -> None:
    assert moment("2026-06-14T20:15:30.250Z") == moment("2026-06-14T22:15:30.250+02:00") == 1_781_468_130_250
    assert shown(1_781_468_130_250) == "2026-06-14T20:15:30.250Z"
    assert moment(shown(1_781_468_130_007)) == 1_781_468_130_007


@pytest.mark.parametrize(("word", "says"), [
    ("yesterday", "is no time; write one as 2026"),
    ("2026-06-14T20:15:30", "names no zone; add Z"),
    ("2026-06-14", "names no zone; add Z"),
    ("", "is no time"),
])  # fmt: skip
def test_what_is_no_moment_is_named(word: str, says: str) -> None:
    with pytest.raises(BackupError, match=says):
        moment(word)


def test_nothing_is_written_into_a_folder_with_something_in_it(tmp_path: Path) -> None:
    new_folder(tmp_path / "a" / "b", "--into")
    (tmp_path / "a" / "b" / "file").touch()
    with pytest.raises(BackupError, match="is not empty; choose a new one with --into DIR"):
        new_folder(tmp_path / "a" / "b", "--into")
    with pytest.raises(BackupError, match="choose another with --into DIR"):
        new_folder(tmp_path / "a" / "b" / "file", "--into")


def test_what_is_no_backup_is_named(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="is no backup, or one that did not come to its end"):
        read_named(tmp_path)
    (tmp_path / "backup.json").write_text("{")
    with pytest.raises(BackupError, match="the backup is damaged: use another"):
        read_named(tmp_path)


# --- the archive ------------------------------------------------------------------------------------------------------


def archive(folder: Path, *numbers: int, partial: int | None = None, timeline: int = 1) -> Archive:
    folder.mkdir(exist_ok=True)
    for n in numbers:
        (folder / f"{timeline:08X}{n // 256:08X}{n % 256:08X}").touch()
    if partial is not None:
        (folder / f"{timeline:08X}{partial // 256:08X}{partial % 256:08X}.partial").touch()
    return Archive(folder)


def test_segments_are_counted_through() -> None:
    assert number_of("000000010000000000000003") == 3
    assert number_of("0000000200000001000000FF.partial") == 511
    assert [number_of(name) for name in ("00000002.history", "receiving.log", "x" * 24)] == [None] * 3


def test_the_first_segment_that_is_missing_is_named(tmp_path: Path) -> None:
    assert archive(tmp_path / "whole", 2, 3, 4, partial=5).gap(FIRST) == ""
    assert archive(tmp_path / "gap", 3, 4, 6, 7, partial=9).gap(FIRST) == "000000010000000000000005"
    assert archive(tmp_path / "before", 1, 2).gap(FIRST) == FIRST
    assert archive(tmp_path / "empty").gap(FIRST) == FIRST
    assert archive(tmp_path / "far", *range(3, 258), 259).gap(FIRST) == "000000010000000100000002"


def test_a_segment_is_there_on_whatever_timeline(tmp_path: Path) -> None:
    """After a fail-over the new primary's history goes on with the same numbers."""
    archive(tmp_path, 3, 4, partial=5)
    after = archive(tmp_path, 5, 6, timeline=2)
    assert after.gap(FIRST) == ""
    assert after.segments()[5] == "000000020000000000000005"


def test_an_archive_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match=r"archive .*: No such file or directory; name the folder"):
        Archive(tmp_path / "none").segments()


def test_a_password_is_among_no_words() -> None:
    asked = Asked("host=db1,db2 port=5432,5433 user=matchday dbname=matchday password=secret", user="copier")
    assert "secret" not in asked.words("x")
    assert asked.environment["PGPASSWORD"] == "secret"
    assert "user=copier" in asked.words("x")
    assert "password=secret" in asked.whole("x")
    assert {"host=127.0.0.1", "port=7"} <= set(asked.here(7).words("x").split())
    assert "host=db1,db2" in asked.words("x")
    with pytest.raises(BackupError, match="no connection string that libpq knows"):
        Asked("password=secret nonsense")


# --- an embedded ledger -----------------------------------------------------------------------------------------------


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A platform's folder, as it is while it runs: opened by its process, the last commits in the write-ahead log."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "secret").write_bytes(b"s" * 32)
    return folder


def test_a_folder_is_copied_while_it_is_written_to_and_restored(tmp_path: Path, data: Path) -> None:
    into, restored = tmp_path / "backup", tmp_path / "restored"
    with (
        closing(SqliteLedgerCore(data / "ledger.sqlite")) as core,
        closing(SqliteLogCore(data / "log.sqlite", epochs())) as log,
    ):
        core.commit([*opened(), bet(1_000)])
        log.append([Record(Topic.TAPS, "a", b"{}")], [("relay", (Topic.ACCOUNTS, 0), 3)], 5)
        backup = embedded.take(data, into, "matchday", count(100).__next__)
        core.commit([bet(500, name="later")])
        assert look(core).bets_read == 2
        former = log.epoch(Topic.BOOKS)
    assert (backup.began_ms, backup.ended_ms, set(backup.files)) == (
        100,
        101,
        {"ledger.sqlite", "log.sqlite", "secret"},
    )
    assert read_named(into) == backup
    assert (into / "secret").stat().st_mode & 0o777 == 0o600
    embedded.restore(into, restored, "", epochs("anew"))
    with (
        closing(SqliteLedgerCore(restored / "ledger.sqlite")) as core,
        closing(SqliteLogCore(restored / "log.sqlite", epochs())) as log,
    ):
        found = look(core)
        assert (found.sound, found.bets_read, core.bet("later")) == (True, 1, None)
        assert core.commit([bet(200, name="again")])[0].refusal is None
        assert (log.position_of("relay", (Topic.ACCOUNTS, 0)), log.end(Topic.TAPS)) == (3, 0)
        # offsets will be given again: who holds one of before is to fetch anew
        assert former.startswith("epoch")
        assert log.epoch(Topic.BOOKS).startswith("anew")
    assert (restored / "secret").read_bytes() == b"s" * 32


def test_commands_back_up_restore_verify_and_say_what_came_after(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    into, restored = str(tmp_path / "backup"), str(tmp_path / "restored")
    with closing(SqliteLogCore(data / "log.sqlite", epochs())):
        pass
    with closing(SqliteLedgerCore(data / "ledger.sqlite")) as core:
        core.commit([*opened(), bet(1_000)])
        assert main(["ledger", "backup", "--data", str(data), "--into", into]) == 0
        later = bet(500, name="later")
        core.commit([later])
    assert main(["ledger", "restore", "--from", into, "--into", restored, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["books"]["bets_read"] == 1
    assert main(["ledger", "verify", "--data", restored]) == 0
    assert "sound: 2 entries" in capsys.readouterr().err
    assert main(["ledger", "after", "--data", restored, "--former", str(data), "--json"]) == 0
    came = json.loads(capsys.readouterr().out)
    assert [(one["bet"], one["id"], one["stake"]) for one in came["bets"]] == [("later", later.id, 500)]
    assert (came["entries_total"], came["balances"]) == (1, {"EUR": {A: -500}})
    assert main(["ledger", "after", "--data", restored, "--former", str(data)]) == 0
    said = capsys.readouterr()
    assert f"bet later (id {later.id}) of {A}: 5.00 EUR" in said.out
    assert f"balance of {A}: -5.00 EUR" in said.out


@pytest.mark.parametrize("damage", ["truncate", "flip", "remove", "unnamed"])
def test_a_damaged_backup_is_not_restored(tmp_path: Path, data: Path, damage: str) -> None:
    for name in ("ledger.sqlite", "log.sqlite"):
        with closing(sqlite3.connect(data / name)) as made:
            made.execute("CREATE TABLE topics (topic TEXT, epoch TEXT)")
    into, restored = tmp_path / "backup", tmp_path / "restored"
    embedded.take(data, into, "matchday", lambda: 1)
    path = into / "ledger.sqlite"
    if damage == "truncate":
        os.truncate(path, path.stat().st_size - 1)
    elif damage == "flip":
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(bytes(content))
    elif damage == "remove":
        path.unlink()
    else:
        (into / "backup.json").unlink()
    with pytest.raises(BackupError, match=r"is damaged: ledger\.sqlite is not what was copied|is no backup"):
        embedded.restore(into, restored, "", epochs())
    assert not restored.exists()


def test_what_an_embedded_ledger_cannot_do_is_named(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(BackupError, match="has no ledger; name that of a platform that has been started"):
        embedded.take(data, tmp_path / "backup", "matchday", lambda: 1)
    with closing(SqliteLedgerCore(data / "ledger.sqlite")), closing(SqliteLogCore(data / "log.sqlite", epochs())):
        embedded.take(data, tmp_path / "backup", "matchday", lambda: 1_000)
        assert main(["ledger", "verify", "--data", str(data)]) == 1  # its process has it
    with pytest.raises(
        BackupError, match=r"has no archive; leave --to out to restore it as it was at 1970-01-01T00:00:01"
    ):
        embedded.restore(tmp_path / "backup", tmp_path / "restored", "2026-01-01T00:00Z", epochs())
    words = ["ledger", "rejoin", "--to", "2026-01-01T00:00Z"]
    for line, says in (
        (["ledger", "after", "--data", str(data)], "nobody is left to ask what came after"),
        (words, "there is nothing to rejoin"),
        (["ledger", "archive", "--into", str(tmp_path / "x")], "setting postgres.address is missing"),
    ):
        assert main(line) == 1
        assert says in capsys.readouterr().err


def test_a_restore_that_found_no_room_can_be_said_again(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(SqliteLedgerCore(data / "ledger.sqlite")), closing(SqliteLogCore(data / "log.sqlite", epochs())):
        embedded.take(data, tmp_path / "backup", "matchday", lambda: 1)

    def full(_source: Path, target: Path) -> None:
        target.write_bytes(b"a part")
        raise OSError(ENOSPC, "No space left on device")

    restored = tmp_path / "restored"
    monkeypatch.setattr("matchday.ops.backup.embedded.shutil.copy2", full)
    with pytest.raises(BackupError, match=r"No space left on device; free space, or choose another folder with --into"):
        embedded.restore(tmp_path / "backup", restored, "", epochs())
    assert list(restored.iterdir()) == []
    monkeypatch.undo()
    embedded.restore(tmp_path / "backup", restored, "", epochs())
    assert {path.name for path in restored.iterdir()} == {"ledger.sqlite", "log.sqlite", "secret"}


def test_a_folder_whose_log_is_lost_is_backed_up_without(tmp_path: Path, data: Path) -> None:
    with closing(SqliteLedgerCore(data / "ledger.sqlite")) as core:
        core.commit([*opened(), bet(1_000)])
    backup = embedded.take(data, tmp_path / "backup", "matchday", lambda: 1)
    assert list(backup.files) == ["ledger.sqlite", "secret"]
    embedded.restore(tmp_path / "backup", tmp_path / "restored", "", epochs())
    with closing(SqliteLedgerCore(tmp_path / "restored" / "ledger.sqlite")) as core:
        assert look(core, None).bets_read == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["restore", "--archive", "somewhere"], "--archive somewhere: .* is of an embedded ledger, and needs none"),
        (["restore", "--port", "5433"], "--port 5433: .* is of an embedded ledger, and needs none"),
        (["restore", "--accounts", "0"], "--accounts 0 looks at none"),
        (["verify", "--accounts", "-3"], "--accounts -3 looks at none"),
    ],
)
def test_words_that_would_do_nothing_are_refused(
    words: list[str], says: str, tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(SqliteLedgerCore(data / "ledger.sqlite")):
        embedded.take(data, tmp_path / "backup", "matchday", lambda: 1)
    command, *more = words
    where = ["--from", str(tmp_path / "backup"), "--into", str(tmp_path / "r")] if command == "restore" else [
        "--data", str(data)]  # fmt: skip
    assert main(["ledger", command, *where, *more]) == (2 if "--accounts" in words else 1)
    assert re.search(says, capsys.readouterr().err)
    assert not (tmp_path / "r").exists()
