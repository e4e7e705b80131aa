"""The capacity model: a file that says what it is of, and sizes that follow from it."""

from pathlib import Path

import msgspec
import pytest

from matchday import __version__
from matchday.ops.capacity import CapacityError, Shape, doubts, fewest, fleet, needs, read, write
from tests.unit.scaler.made_up import model

SHAPE = Shape(name="c7i.xlarge", cores=4, memory_bytes=8 * 2**30, hour_micros=178_500)


def test_it_is_kept_and_read_as_it_was(tmp_path: Path) -> None:
    made = model(gate={"connections": 12_000.0, "bets_per_s": 800.0})
    write(made, tmp_path / "capacity.json")
    assert read(tmp_path / "capacity.json") == made
    assert list(tmp_path.iterdir()) == [tmp_path / "capacity.json"]
    assert made.carried("gate", "bets_per_s") == 800
    assert made.carried("gate", "incidents_per_s") is None
    assert made.carried("odds", "incidents_per_s") is None


def test_another_versions_is_said() -> None:
    assert doubts(model(gate={})) == []
    (said,) = doubts(model("0.0.9", gate={}))
    assert f"measured on version 0.0.9 and this is {__version__}" in said
    assert "matchday drill capacity" in said


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "truncated"),
        ('{"format": 1}', "missing required field"),
        ("x" * (1024 * 1024 + 1), "larger than"),
    ],
)
def test_what_is_no_model_is_refused(tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "capacity.json"
    file.write_text(text)
    with pytest.raises(CapacityError, match=why):
        read(file)


def test_what_cannot_be_used_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CapacityError, match=r"no such|No such"):
        read(tmp_path / "none.json")
    file = tmp_path / "capacity.json"
    write(msgspec.structs.replace(model(gate={"connections": 1.0}), format=2), file)
    with pytest.raises(CapacityError, match="is of format 2, this release reads 1"):
        read(file)
    write(model(gate={"smiles_per_s": 1.0}), file)
    with pytest.raises(CapacityError, match="'smiles_per_s' is no load"):
        read(file)
    with pytest.raises(CapacityError, match="cannot write"):
        write(model(gate={}), tmp_path / "no folder" / "capacity.json")


@pytest.mark.parametrize(("load", "percent", "count"), [(0, 100, 0), (1_000, 100, 1), (1_001, 100, 2), (1_400, 70, 2)])
def test_the_fewest_that_carry_a_load(load: float, percent: int, count: int) -> None:
    assert fewest(load, 1_000, percent) == count


def test_each_room_needs_what_its_fullest_load_takes() -> None:
    made = model(gate={"connections": 1_000.0, "bets_per_s": 100.0}, odds={"incidents_per_s": 50.0})
    gate, odds = needs(made, {"connections": 2_500, "bets_per_s": 410, "incidents_per_s": 3})
    assert (gate.processes, gate.by, gate.load, gate.per_process) == (5, "bets_per_s", 410, 100)
    assert gate.origin == "measured"
    assert (odds.processes, odds.by, odds.per_process) == (1, "at_least", 0)
    (full, _) = needs(made, {"connections": 2_500}, 70)
    assert full.processes == 4


def test_more_than_can_work_is_said_as_beyond() -> None:
    made = model(gate={"connections": 1_000.0})
    capped = msgspec.structs.replace(made, rooms={"gate": msgspec.structs.replace(made.rooms["gate"], at_most=8)})
    (gate,) = needs(capped, {"connections": 11_500})
    assert (gate.processes, gate.beyond) == (8, 4)


def test_a_load_that_nobody_carries_is_no_load_of_nothing() -> None:
    made = model(gate={"connections": 1_000.0})
    with pytest.raises(CapacityError, match="no room of the capacity model carries 'bets_per_s'"):
        needs(made, {"bets_per_s": 1})
    with pytest.raises(CapacityError, match="must be 0 or more"):
        needs(made, {"connections": -1})
    with pytest.raises(CapacityError, match="outside 1 to 100"):
        needs(made, {}, 0)


def test_machines_and_what_they_cost() -> None:
    made = model(gate={"connections": 1_000.0}, odds={"incidents_per_s": 50.0})
    wanted = needs(made, {"connections": 9_500, "incidents_per_s": 120})
    found = fleet(made, wanted, SHAPE, fans=9_500)
    assert (found.machines, found.limit) == (4, "cores")  # thirteen cores of four
    assert found.hour_micros == 4 * 178_500
    assert found.million_fans_hour_micros == -(-4 * 178_500 * 1_000_000 // 9_500)
    assert fleet(made, wanted, SHAPE, spare_percent=50).machines == 7


def test_memory_decides_where_it_is_short_and_what_does_not_fit_is_refused() -> None:
    made = model(gate={"connections": 1_000.0})
    large = msgspec.structs.replace(made.rooms["gate"], memory_bytes=6 * 2**30)
    heavy = msgspec.structs.replace(made, rooms={"gate": large})
    found = fleet(heavy, needs(heavy, {"connections": 4_000}), SHAPE)
    assert (found.machines, found.limit, found.million_fans_hour_micros) == (3, "memory", 0)
    with pytest.raises(CapacityError, match="gate does not fit on c7i"):
        fleet(heavy, needs(heavy, {"connections": 4_000}), SHAPE, spare_percent=50)
    with pytest.raises(CapacityError, match="outside 0 to 99"):
        fleet(heavy, [], SHAPE, spare_percent=100)
