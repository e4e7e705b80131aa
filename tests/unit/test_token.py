"""``matchday token``: a trader's token for the platform of a data folder, and what is said where there is none."""

import asyncio
import stat
from pathlib import Path

import pytest

from matchday.__main__ import main
from matchday.backends.clock_wall import WallClock
from matchday.config import Settings
from matchday.model.role import Role, SignedIn
from matchday.services.accounts import Tokens
from tests.unit.doors import SECRET


def token(*words: str) -> int:
    return main(["token", "--role", "trader", *words])


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_bytes(SECRET)
    return tmp_path


def test_the_platform_of_the_folder_takes_the_token(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert token("--name", "tom@desk-1", "--data", str(data)) == 0
    said = capsys.readouterr()
    with asyncio.Runner() as runner:
        found = Tokens(WallClock(runner.get_loop()), Settings(), SECRET).identify(said.out.strip())
    assert found is not None
    assert found == SignedIn("tom@desk-1", Role.TRADER, found.until_ms)
    assert said.out.count("\n") == 1  # nothing but the token, for a shell's $()
    assert said.out.strip() not in said.err
    assert "43200 s" in said.err


def test_no_key_is_made_where_there_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A key of its own would sign tokens that no platform takes."""
    assert token("--name", "tom", "--data", str(tmp_path)) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "--data DIR" in said.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["", "two words", "a/b", "x" * 65, "tom\n"])
def test_a_name_is_one(data: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert token("--name", name, "--data", str(data)) == 2
    assert "--name" in capsys.readouterr().err


def test_only_traders_get_tokens_here(data: Path) -> None:
    with pytest.raises(SystemExit):
        main(["token", "--role", "fan", "--name", "tom", "--data", str(data)])


def test_the_settings_say_how_long(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = data / "matchday.toml"
    config.write_text("[doors]\ntoken_s_max = 60\n")
    assert token("--name", "tom", "--data", str(data), "--config", str(config)) == 0
    assert "good for 60 s" in capsys.readouterr().err


def test_the_key_is_as_it_was(data: Path) -> None:
    mode = stat.S_IMODE((data / "secret").stat().st_mode)
    assert token("--name", "tom", "--data", str(data)) == 0
    assert (data / "secret").read_bytes() == SECRET
    assert stat.S_IMODE((data / "secret").stat().st_mode) == mode
