"""The command: put together from files, one round, and what it says where a file cannot be used."""

import asyncio
import json
import os
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from matchday.__main__ import main
from matchday.backends.clock_wall import WallClock
from matchday.ops.capacity import write
from matchday.ops.cluster_state import Folder, Member, State, born
from matchday.ops.scaler.command import assembled
from matchday.ops.scaler.settings import load
from tests.unit.scaler.made_up import model, served

SETTINGS = """\
capacity = "capacity.json"
[act]
where = "{where}"
[keda]
listen = "127.0.0.1:0"
settle_s = 0
[loads]
timeout_ms = 60000
[forecast]
kind = "{kind}"
{calendars}
[rooms.gate]
floor = 1
ceiling = 9
loads = ["connections"]
{more}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(model(gate={"connections": 1_000.0}), tmp_path / "capacity.json")
    (tmp_path / "fixtures.csv").write_text("date_utc,kickoff_utc\n2026-07-19,19:00\n")
    return tmp_path


def written(folder: Path, *, where: str = "cluster", kind: str = "none", calendars: str = "", more: str = "") -> str:
    file = folder / "scaler.toml"
    file.write_text(SETTINGS.format(where=where, kind=kind, calendars=calendars, more=more))
    return str(file)


def with_a_gate(folder: Path, address: str) -> None:
    """A local cluster of one gate, which is this process."""
    gate = Member(name="gate-0", room="gate", pid=os.getpid(), born=born(os.getpid()),
                  ops_port=urlsplit(address).port or 1, log="log")  # fmt: skip
    (folder / "cluster").mkdir(exist_ok=True)
    Folder(folder / "cluster").save(State(door=1, rooms=[gate]))


def test_once_it_says_for_programs_what_it_would_do(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with served(lambda *_: (200, "matchday_gate_connections 2500\n")) as address:
        with_a_gate(folder, address)
        assert main(["autoscale", "--config", written(folder), "--once", "--json"]) == 0
    said = capsys.readouterr()
    (line,) = json.loads(said.out)["decisions"]
    assert (line["mode"], line["asked"], line["wanted"], line["why"]) == ("observe", 1, 4, "seen")
    assert line["line"] == "gate 1 -> 4: seen (connections 2,500 now, one carries 1,000)"
    assert line["line"] in said.err
    kept = [json.loads(text) for text in (folder / "decisions.ndjson").read_text().splitlines()]
    assert [one["wanted"] for one in kept] == [4]


def test_with_a_forecast_it_says_what_it_lacks(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with served(lambda *_: (200, "matchday_gate_connections 2500\n")) as address:
        with_a_gate(folder, address)
        config = written(folder, kind="ours", calendars='calendars = ["fixtures.csv"]')
        assert main(["autoscale", "--config", config, "--mode", "shadow", "--once"]) == 0
    assert "[no forecast of connections: nothing of the load is known yet]" in capsys.readouterr().err


def test_keda_is_told_what_there_is_while_it_observes(folder: Path) -> None:
    with served(lambda *_: (200, "matchday_gate_connections 2500\n")) as address, asyncio.Runner() as runner:
        with_a_gate(folder, address)
        settings = load(Path(written(folder, where="keda")))
        scaler, service = assembled(settings, folder, WallClock(runner.get_loop()), lambda _: None)
        assert service is not None
        (line,) = scaler.round()
        posted = service._board.read("gate")
        service.stop()
    assert posted is not None
    assert (line.wanted, posted.wanted) == (4, 1)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda folder: (folder / "capacity.json").unlink(), "`matchday drill capacity` writes one"),
        (lambda folder: (folder / "capacity.json").write_text("{}"), "missing required field"),
        (lambda folder: written(folder, kind="ours", calendars='calendars = ["none.csv"]'), "none.csv"),
        (lambda folder: written(folder, more='[machines]\nceiling = 3\nwhere = "aws"'), "name the group of machines"),
        (lambda folder: written(folder, more='[clock]\nstarts_at = "noon"'), "'noon' is no time"),
    ],
)
def test_what_cannot_be_used_is_said(
    folder: Path, capsys: pytest.CaptureFixture[str], change: object, why: str
) -> None:
    config = written(folder)
    assert callable(change)
    change(folder)
    assert main(["autoscale", "--config", config, "--once"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("matchday: ")
    assert why in said
