"""A night's report reaches whoever held it: files are tried before it begins, and it is shown whatever they came to."""

import argparse
import json
from pathlib import Path

import pytest

from matchday.__main__ import main
from matchday.ops.drill import DrillError
from matchday.ops.drill.capacity import command as measuring
from matchday.ops.drill.night import command
from matchday.ops.drill.night.report import Report
from matchday.ops.forecast import command as walking
from tests.unit.nights.test_night import report

WORDS = ("drill", "night", "--shape", "goal")


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was held: no platform is started."""
    nights: list[str] = []

    def hold(options: argparse.Namespace, *_: object) -> Report:
        nights.append("night")
        return report()

    monkeypatch.setattr(command, "_held", hold)
    return nights


@pytest.mark.parametrize(("words", "says"), [
    (("--reports", "file"), "--reports file: File exists; choose another folder with --reports DIR"),
    (("--reports", "file/in"), "--reports file/in: Not a directory; choose another folder with --reports DIR"),
    (("--reports", "/proc/none"), "--reports /proc/none: No such file or directory; choose another folder"),
    (("--html", "none/night.html"), "--html none/night.html: No such file or directory; name a file that can be"),
    (("--html", "."), "--html .: Is a directory; name a file that can be written"),
])  # fmt: skip
def test_what_cannot_be_written_is_said_before_the_night(
    words: tuple[str, ...], says: str, held: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    assert main([*WORDS, *words]) == 2
    assert says in capsys.readouterr().err
    assert held == []


def test_trying_leaves_no_file_and_changes_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    html, folder = tmp_path / "night.html", tmp_path / "new" / "drills"
    html.write_text("of yesterday")

    def hold(*_: object) -> Report:
        raise DrillError("it cannot be held")

    monkeypatch.setattr(command, "_held", hold)
    for file in (html, tmp_path / "other.html"):
        assert main([*WORDS, "--reports", str(folder), "--html", str(file)]) == 1
    assert html.read_text() == "of yesterday"
    assert sorted(tmp_path.iterdir()) == [folder.parent, html]
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("json_", [True, False])
def test_a_disk_that_is_full_at_the_end_costs_nobody_the_report(
    json_: bool, held: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "drills"

    def hold(*_: object) -> Report:
        folder.rmdir()
        folder.touch()
        return report()

    monkeypatch.setattr(command, "_held", hold)
    words = ["--reports", str(folder), "--html", "/dev/full", *(["--json"] if json_ else [])]
    assert main([*WORDS, *words]) == 1
    told = capsys.readouterr()
    if json_:
        assert json.loads(told.out)["visitors"] == 3
    else:
        assert "3 visitors" in told.out
        assert "kept in" not in told.out
    assert f"report {folder}/night-20261126T100000Z.json: " in told.err
    assert "cannot write /dev/full: No space left on device; choose another file" in told.err


def test_a_capacity_model_that_cannot_be_written_is_said_before_it_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "_measured", lambda *_: pytest.fail("it was measured"))
    assert main(["drill", "capacity", "--out", str(tmp_path / "none" / "capacity.json")]) == 2
    assert f"--out {tmp_path}/none/capacity.json: No such file or directory; name a file" in capsys.readouterr().err


@pytest.mark.parametrize("word", ["--html", "--decisions"])
def test_a_backtest_that_cannot_be_written_is_said_before_the_walk(
    word: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walking, "prepare", lambda _: (None, []))
    monkeypatch.setattr(walking, "backtest", lambda *_: pytest.fail("it was walked"))
    words = ["forecast", "backtest", "--traffic", "a.csv", "--kickoffs", "b.csv", word, str(tmp_path / "none" / "x")]
    assert main(words) == 2
    assert f"{word} {tmp_path}/none/x: No such file or directory; name a file" in capsys.readouterr().err
