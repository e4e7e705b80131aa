"""Words that mean nothing are refused: the option is named, with what is wrong and what is expected (exit status 2)."""

import os
from pathlib import Path

import pytest

from matchday.__main__ import main
from matchday.ops.drill import DrillError
from matchday.words import tried

PLAN = ("drill", "plan", "--calendar", "none.csv", "--traffic", "none.csv", "--have")


def refused(words: tuple[str, ...]) -> int:
    """The exit status, whoever refuses: argparse leaves by itself."""
    try:
        return main(words)
    except SystemExit as left:
        return int(left.code or 0)


@pytest.mark.parametrize(("words", "says"), [
    (("replay", ".", "--bettors", "-3"), "argument --bettors: -3: expected a whole number from 0 to 1000000"),
    (("replay", ".", "--bettors", "x"), "argument --bettors: 'x': expected a whole number from 0 to 1000000"),
    (("replay", ".", "--meta", "/nowhere"), "argument --meta: /nowhere: there is no such file or folder; name one"),
    (("up", "--meta", "/nowhere"), "argument --meta: /nowhere: there is no such file or folder; name one"),
    (("run", "gate", "--meta", "/nowhere"), "argument --meta: /nowhere: there is no such file or folder; name one"),
    (("up", "--meta", "."), "--meta is of recorded matches, and none are shown; name them with --feed PATH"),
    (("up", "--prices", "p.csv"), "--prices is of recorded matches, and none are shown; name them with --feed PATH"),
    (("sim", "--processes", "-1"), "argument --processes: -1: expected a whole number from 1 to 1000"),
    (("sim", "--processes", "0"), "argument --processes: 0: expected a whole number from 1 to 1000"),
    (("cluster", "logs", "--lines", "0"), "argument --lines: 0: expected a whole number from 1 to 1000000"),
    (("cluster", "logs", "--lines", "-5"), "argument --lines: -5: expected a whole number from 1 to 1000000"),
    (("cluster", "up", "--with-engines", "--port", "70000"), "argument --port: 70000: expected a whole number from 1"),
    (("ledger", "restore", "--from", "a", "--into", "b", "--port", "-1"), "argument --port: -1: expected a whole"),
    (("drill", "roll", "--before", "-1"), "argument --before: -1: expected seconds from 0 to 3600"),
    (("drill", "roll", "--before", "nan"), "argument --before: nan: expected seconds from 0 to 3600"),
    ((*PLAN, "gate=1", "--now", "noon"), "--now 'noon' is no time; write YYYY-MM-DD or YYYY-MM-DDTHH:MM, in UTC"),
    (("cluster", "roll", "doors"), "'doors' is no room; they are relay, settlement, odds, feed, gate"),
    (("cluster", "up", "--config", "x.toml", "--ha"), "--ha goes with --with-engines: what --config names is not"),
    (("token", "--role", "trader", "--name", "a b"), "--name 'a b' is no name; use 1 to 64 letters, digits and"),
    (("replay", ".", "--journal", "/nowhere/j"), "--journal /nowhere/j: No such file or directory; name a file that"),
    (("settle-bench", "--data", "/proc"), "--data /proc is not empty; choose another folder"),
    ((*PLAN, "gate=0"), "argument --have: 0: expected a whole number from 1 to 100000"),
    ((*PLAN, "gate"), "argument --have: 'gate': expected ROOM=N, such as gate=3"),
    ((*PLAN, "Gates=200"), "--have 'Gates' is no room of the capacity model; they are gate, odds, settlement, relay"),
    ((*PLAN, "odds=1", "Gate=20"), "--have 'Gate' is no room of the capacity model; they are gate, odds"),
])  # fmt: skip
def test_words_that_mean_nothing_are_refused(
    words: tuple[str, ...], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    for command in ("matchday.cli.serve", "matchday.sim.command.run_seeds", "matchday.ops.cluster_words.Cluster.up"):
        monkeypatch.setattr(command, lambda *_, **__: pytest.fail("it was begun"))
    assert refused(words) == 2
    assert says in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_pipe_is_not_looked_at_before_it_is_written(tmp_path: Path) -> None:
    """Its reader would be at the end with the look, and nobody there for what is written."""
    os.mkfifo(pipe := tmp_path / "pipe")
    tried("--journal", pipe)  # opened, it would wait for a reader
    assert pipe.is_fifo()


def test_rooms_that_the_capacity_model_knows_are_taken(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def read(file: Path) -> None:
        raise DrillError(f"{file} is read, as the words are taken")

    monkeypatch.setattr("matchday.ops.forecast.traffic.read", read)
    assert main([*PLAN, "gate=200", "odds=3"]) == 1
    assert "the words are taken" in capsys.readouterr().err
