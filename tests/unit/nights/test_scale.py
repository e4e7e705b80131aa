"""What runs at how many fans: arithmetic, marks, limits, and that the page is what the command prints."""

from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from matchday.__main__ import main
from matchday.ops.capacity import FORMAT, Capacity, CapacityError, Carried, Machine, Room
from matchday.ops.scale.assumptions import ASSUMED, assumed
from matchday.ops.scale.document import number, said
from matchday.ops.scale.sizes import Size, limits, loads, size
from matchday.ops.scale.words import fans_of

PAGE = Path(__file__).parents[3] / "docs" / "ten-million.md"


def model() -> Capacity:
    def one(**carries: float) -> dict[str, Carried]:
        return {load: Carried(per_process=value) for load, value in carries.items()}

    return Capacity(
        format=FORMAT, version="0", measured_at="2026-11-26T00:00:00Z", machine=Machine(),
        rooms={
            "gate": Room(carries=one(connections=10_000, bets_per_s=2_000, frames_per_s=50_000, requests_per_s=800)),
            "odds": Room(carries=one(incidents_per_s=1_000), at_most=4),
            "settlement": Room(carries=one(settled_per_s=10_000), at_most=4),
            "relay": Room(carries=one(facts_per_s=20_000), at_most=1),
        },
        engines={"database": Room(carries=one(bets_per_s=6_000), cores=2, at_most=1)},
        figures={"match_bytes": 400_000, "match_frames": 1_000, "match_minutes": 100},
    )  # fmt: skip


def figures(found: Size) -> dict[str, float]:
    return {figure.name: figure.value for figure in found.figures}


def test_processes_engines_and_cost_follow_from_the_loads() -> None:
    found = size(model(), 1_000_000)
    values, load = figures(found), loads(model(), 1_000_000)
    # each filled to 70 %: frames 1e6 * 1000 / 6000 a second, requests 1e6 * 0.9 / 120, connections 1e6
    assert load["frames_per_s"] == pytest.approx(166_667, rel=1e-5)
    assert load["requests_per_s"] == 7_500
    assert values["processes of gate"] == 143  # by connections
    assert values["processes of relay"] == 4  # 2 * 1e6 * 8 / 300 facts a second: three more than can work
    assert values["egress with TLS"] == pytest.approx(1e6 * (400_000 + 1_000 * 74) / 6_000 * 8 / 1e9)
    assert values["database shards"] == 4  # 26,667 settled a second at 0.6 of a bet's work, 70 % of 6,000
    machines = (
        values["machines of rooms"]
        + values["brokers"]
        + 2 * values["database shards"]
        + values["machines of balancers"]
    )
    assert values["machines in all"] == machines
    assert values["cost an hour"] == pytest.approx(
        0.4 * machines + values["egress an hour"] * assumed("egress_price"))  # fmt: skip
    assert values["cost an hour of a million fans"] == pytest.approx(values["cost an hour"])


def test_more_fans_take_no_less_of_anything_and_every_figure_is_marked() -> None:
    sizes = [size(model(), fans) for fans in (1_000, 10_000, 100_000, 1_000_000, 10_000_000)]
    for small, large in pairwise(sizes):
        for less, more in zip(small.figures, large.figures, strict=True):
            assert less.value <= more.value or less.name == "cost an hour of a million fans", less.name
    assert {figure.origin for figure in sizes[0].figures} <= {"measured", "derived", "assumed"}


def test_the_first_limit_is_the_lowest_and_twice_the_capacity_moves_it() -> None:
    found = limits(model())
    assert [limit.fans for limit in found] == sorted(limit.fans for limit in found)
    assert size(model(), 100).first_limit.startswith("one embedded process")
    first = size(model(), 10_000_000)
    assert first.full == pytest.approx(10_000_000 / found[1].fans)
    database = Room(carries={"bets_per_s": Carried(per_process=6_000_000)}, cores=2, at_most=1)
    better = msgspec.structs.replace(model(), engines={"database": database})
    assert size(better, 10_000_000).first_limit != first.first_limit


def test_a_model_that_lacks_something_is_refused_with_the_remedy() -> None:
    with pytest.raises(CapacityError, match=r"lacks the database.*drill capacity"):
        size(msgspec.structs.replace(model(), engines={}), 10)
    with pytest.raises(CapacityError, match="lacks the figure match_bytes"):
        size(msgspec.structs.replace(model(), figures={}), 10)
    with pytest.raises(CapacityError, match="outside 1 to"):
        size(model(), 0)


def test_numbers_are_read_and_said() -> None:
    assert [fans_of(word) for word in ("500", "10k", "1.5M")] == [500, 10_000, 1_500_000]
    assert [said(value) for value in (500, 10_000, 1_500_000)] == ["500", "10k", "1.5M"]
    assert [number(value) for value in (0.12345, 12.345, 1_234.5, 1_234_567.0)] == [
        "0.123",
        "12.3",
        "1,230",
        "1,230,000",
    ]
    assert all(one.source for one in ASSUMED.values())


def test_the_page_is_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["capacity", "at", "10k", "100k", "1M", "10M", "--markdown"]) == 0
    assert capsys.readouterr().out == PAGE.read_text()
