"""Settings of the autoscaler: what is wrong is named, with the remedy; what stands in docs and deploy is taken."""

import ast
import re
from pathlib import Path

import pytest

from matchday.ops.scaler import settings
from matchday.ops.scaler.core import Rule
from matchday.ops.scaler.problems import ScalerError
from matchday.ops.scaler.settings import load
from matchday.ops.scaler.sizes import sizes
from tests.unit.scaler.made_up import model

ROOT = Path(__file__).parents[3]


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "scaler.toml"
    file.write_text(text)
    return file


def test_the_defaults_only_say(tmp_path: Path) -> None:
    found = load(written(tmp_path, "[rooms.gate]\nceiling = 8\n"))
    assert (found.mode, found.act.where) == ("observe", "none")
    assert found.rooms["gate"].rule() == Rule(floor=1, ceiling=8)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("rooms = 3", "Expected `object`, got `int`"),
        ("[rooms.gate]\n", "missing required field `ceiling`"),
        ("[rooms]\n", "must name a room at least"),
        ("[rooms.machines]\nceiling = 1", "none of them is called machines"),
        ("[rooms.gate]\nceiling = 8\nfloor = 9", "gate: floor 9 is above ceiling 8"),
        ("[rooms.gate]\nceiling = 8\nloads = ['smiles']", "'smiles' is no load; they are connections"),
        ("[rooms.gate]\nceiling = 8\n[clock]\nspeed = 0.1", "`float` >= 1.0"),
        ("mode = 'asleep'\n[rooms.gate]\nceiling = 8", "asleep"),
        ("[rooms.gate]\nceiling = 8\ncelling = 8", "unknown field `celling`"),
        ("[rooms.gate", "Expected"),
        ('[rooms.gate]\nceiling = 8\n[history]\nfolder = "a\\u0000"', "take it out - at `$.history.folder`"),
        ("[rooms.gate]\nceiling = 8\n[machines]\nceiling = 2\nfloor = 3", "machines: floor 3 is above ceiling 2"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_named(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(ScalerError) as found:
        load(written(tmp_path, text))
    assert why in str(found.value)
    assert "docs/autoscaling.md" in str(found.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ScalerError, match="name a file with --config"):
        load(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("room", "loads", "why"),
    [
        ("odds", "", "the capacity model knows gate"),
        ("gate", "loads = ['incidents_per_s']", "does not say what it carries of incidents_per_s"),
    ],
)
def test_rooms_that_the_model_does_not_know_are_refused(tmp_path: Path, room: str, loads: str, why: str) -> None:
    found = load(written(tmp_path, f"[rooms.{room}]\nceiling = 8\n{loads}\n"))
    with pytest.raises(ScalerError, match=why):
        sizes(found, model(gate={"connections": 1_000.0}))


def test_a_boot_counts_in_the_scalers_minutes(tmp_path: Path) -> None:
    text = "every_s = 15\n[rooms.gate]\nceiling = 8\n[clock]\nspeed = {}\n"
    made = model(gate={"connections": 1_000.0})  # boots in 60 s
    assert sizes(load(written(tmp_path, text.format(1))), made)["gate"].boot == 2
    assert sizes(load(written(tmp_path, text.format(60))), made)["gate"].boot == 75
    with pytest.raises(ScalerError, match="at most 240 are forecast"):
        sizes(load(written(tmp_path, text.format(3_600))), made)


def test_every_setting_has_a_range_and_says_what_follows() -> None:
    """As those of the platform do."""
    assert settings.__file__ is not None
    tree = ast.parse(Path(settings.__file__).read_text())
    for part in (node for node in tree.body if isinstance(node, ast.ClassDef) and node.name != "Settings"):
        for field, after in zip(part.body, [*part.body[1:], None], strict=True):
            if isinstance(field, ast.AnnAssign):
                where = f"{part.name}.{ast.unparse(field.target)}"
                assert isinstance(after, ast.Expr), f"{where}: no docstring"
                assert isinstance(after.value, ast.Constant), f"{where}: no docstring"
                assert ast.unparse(field.annotation) not in ("int", "float", "str"), f"{where}: no range"


def test_the_document_has_every_setting() -> None:
    text = (ROOT / "docs" / "autoscaling.md").read_text()
    for name in ("Bounds", "RoomBounds", "Machines", "Loads", "History", "Forecast", "Matches", "Clock", "Kubernetes",
                 "Keda", "Act", "Settings"):  # fmt: skip
        for field in getattr(settings, name).__struct_fields__:
            assert re.search(rf"`{field}`", text), f"{name}.{field}"
