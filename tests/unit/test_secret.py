"""The key that signs tokens: one for all gates, and never shown."""

import asyncio
import os
from collections.abc import Iterator
from errno import ENOSPC
from pathlib import Path

import msgspec
import pytest

from matchday.app import StartError, sign_token
from matchday.app.secret import secret_of
from matchday.backends.clock_wall import WallClock
from matchday.config import Doors, Ledger, Settings, SettingsError, load
from matchday.model.role import Role
from matchday.services.accounts import Tokens

KEY = "correct horse battery staple"


@pytest.fixture
def clock() -> Iterator[WallClock]:
    with asyncio.Runner() as runner:
        yield WallClock(runner.get_loop())


def test_a_folder_gets_a_key_of_its_own_that_only_its_owner_reads(tmp_path: Path, clock: WallClock) -> None:
    made = secret_of(Settings(), tmp_path, clock)
    assert len(made) == 32
    assert secret_of(Settings(), tmp_path, clock) == made
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600


def test_gates_that_name_one_key_take_each_other_s_tokens(tmp_path: Path, clock: WallClock) -> None:
    file = tmp_path / "key"
    file.write_bytes(KEY.encode())
    by_file, by_variable = (
        load(None, {"MATCHDAY_DOORS_SECRET_FILE": str(file)}),
        load(None, {"MATCHDAY_DOORS_SECRET": KEY}),
    )
    one, other = (Tokens(clock, s, secret_of(s, tmp_path / "none", clock)) for s in (by_file, by_variable))
    fan = other.verify(one.sign("anna")[0])
    assert fan is not None
    assert fan.account == "anna"
    token = sign_token(tmp_path / "none", by_file, "tom", Role.TRADER)
    found = other.identify(token)
    assert found is not None
    assert (found.account, found.role) == ("tom", Role.TRADER)


def test_where_the_ledger_is_shared_a_gate_needs_to_be_told_the_key(tmp_path: Path, clock: WallClock) -> None:
    with pytest.raises(StartError, match=r"setting doors\.secret_file is missing"):
        secret_of(Settings(ledger=Ledger(kind="postgres")), tmp_path, clock)


def test_a_key_that_cannot_be_is_named(tmp_path: Path, clock: WallClock) -> None:
    (tmp_path / "short").write_bytes(b"short")
    for name, says in (("none", "No such file"), ("short", "has less than 16 bytes")):
        with pytest.raises(StartError, match=f"setting doors.secret_file: .*{says}"):
            secret_of(Settings(doors=Doors(secret_file=str(tmp_path / name))), tmp_path, clock)
    with pytest.raises(SettingsError, match=r"shorter than 16 characters.*doors") as refused:
        load(None, {"MATCHDAY_DOORS_SECRET": "tooshort"})
    assert "tooshort" not in str(refused.value)


def test_a_key_that_was_cut_short_signs_nothing(tmp_path: Path, clock: WallClock) -> None:
    """Anybody could sign with no bytes at all."""
    for left in (b"", b"fifteen bytes..", None):
        (tmp_path / "secret").unlink(missing_ok=True)
        (tmp_path / "secret").mkdir() if left is None else (tmp_path / "secret").write_bytes(left)
        says = "Is a directory" if left is None else "has less than 16 bytes.*remove it"
        with pytest.raises(StartError, match=f"key .*secret.*{says}"):
            secret_of(Settings(), tmp_path, clock)
        with pytest.raises(StartError, match=f"key .*secret.*{says}"):
            sign_token(tmp_path, Settings(), "tom", Role.TRADER)


def test_a_full_disk_leaves_no_key_and_the_next_start_makes_one(
    tmp_path: Path, clock: WallClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StartError, match=r"key .*secret cannot be made: No space left on device; .*--data DIR"):
        secret_of(Settings(), tmp_path, clock)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    assert len(secret_of(Settings(), tmp_path, clock)) == 32
    assert [file.name for file in tmp_path.iterdir()] == ["secret"]


def test_of_two_that_make_a_key_at_once_one_s_stays(
    tmp_path: Path, clock: WallClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = os.link

    def late(made: Path, path: Path) -> None:
        path.write_bytes(KEY.encode())  # somebody else's, at this moment
        link(made, path)

    monkeypatch.setattr(os, "link", late)
    assert secret_of(Settings(), tmp_path, clock) == KEY.encode()
    assert [file.name for file in tmp_path.iterdir()] == ["secret"]


def test_a_key_is_never_shown() -> None:
    settings = load(None, {"MATCHDAY_DOORS_SECRET": KEY})
    assert settings.doors.secret == KEY
    assert KEY not in repr(settings)
    assert "secret_file=''" in repr(settings.doors)
    assert KEY not in str(settings.doors.__rich_repr__())
    assert msgspec.structs.replace(settings.doors, port=1).secret == KEY
