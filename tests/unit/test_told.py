"""What a platform says of itself at its start, before it has a log: as its settings say, for people or for programs."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from matchday.__main__ import main
from matchday.app import Plan, Started, StartError
from matchday.config import Settings

UP = ("Matchday is up: http://127.0.0.1:8000  (data in data, Ctrl-C stops it)", ("up",))
RUN = ("Matchday runs odds: ops at http://127.0.0.1:9000 (SIGTERM drains it)", ("run", "odds"))


@pytest.fixture(autouse=True)
def _hook(monkeypatch: pytest.MonkeyPatch) -> None:
    """Is put back, as for programs it is another."""
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)


@pytest.fixture
def programs(tmp_path: Path) -> str:
    file = tmp_path / "matchday.toml"
    file.write_text('[logs]\nformat = "json"\n')
    return str(file)


def begun(_plan: Plan, _settings: Settings, ready: Callable[[Started], None]) -> None:
    ready(Started("http://127.0.0.1:8000" if "gate" in _plan.rooms else "", "http://127.0.0.1:9000"))


def refused(*_: object) -> None:
    raise StartError("no address of this machine: db password=hunter2\nchoose another")


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """All of standard error, of which each line is an object."""
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


@pytest.mark.parametrize(("says", "words"), [UP, RUN])
def test_the_first_line_is_for_whom_the_settings_say(
    says: str,
    words: tuple[str, ...],
    programs: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("matchday.cli.serve", begun)
    assert main(words) == 0
    assert capsys.readouterr().err == f"{says}\n"
    assert main([*words, "--config", programs]) == 0
    (line,) = lines(capsys)
    assert line.pop("at").endswith("+00:00")
    assert line == {"level": "info", "logger": "matchday.app.command", "room": "process", "message": says}


def test_what_stops_a_start_is_for_whom_the_settings_say(
    programs: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("matchday.cli.serve", refused)
    assert main(["up"]) == 1
    assert capsys.readouterr().err.startswith("matchday: no address of this machine: db ")
    assert main(["up", "--config", programs]) == 1
    (line,) = lines(capsys)
    assert line["level"] == "error"
    assert line["message"] == "no address of this machine: db password=[secret]\nchoose another"


@pytest.mark.parametrize(("words", "status", "says"), [
    (("up", "--speed", "0"), 2, ["--speed 0 is outside 0.001 to 600"]),
    (("run", "gate", "--port", "70000"), 2, ["--port 70000 is outside 0 to 65535"]),
    (("run", "gate"), 1, ['setting log.kind is "sqlite", which is for one process']),
    (("up", "--prices", "p.csv"), 2, ["--prices is of recorded matches"]),
    (("up", "--feed", "/nowhere"), 1, ["left out /nowhere: path: does not exist", "no matches in /nowhere"]),
])  # fmt: skip
def test_every_line_of_a_start_that_fails_is_for_programs(
    words: tuple[str, ...], status: int, says: list[str], programs: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--config", programs]) == status
    told = [line["message"] for line in lines(capsys)]
    assert [message.startswith(part) for message, part in zip(told, says, strict=True)] == [True] * len(says)


def test_an_error_that_nobody_foresaw_is_in_one_line(
    programs: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise KeyError("fault")

    monkeypatch.setattr("matchday.cli.serve", broken)
    with pytest.raises(KeyError) as raised:
        main(["up", "--config", programs])
    sys.excepthook(raised.type, raised.value, raised.tb)
    (line,) = lines(capsys)
    assert (line["level"], line["message"]) == ("critical", "ended by KeyError")
    assert "Traceback" in line["error"]


def test_settings_that_cannot_be_read_are_told_to_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "matchday.toml"
    file.write_text('[logs]\nformat = "json"\nlevle = "info"\n')
    assert main(["up", "--config", str(file)]) == 1
    assert capsys.readouterr().err.startswith(f"matchday: settings file {file}")
