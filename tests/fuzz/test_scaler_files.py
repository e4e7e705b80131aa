"""Files and pages that the autoscaler reads: whatever stands in them, a value comes out or the one named error; never a
figure that is no number, by which nobody could decide."""

import json
import math
import tempfile
from pathlib import Path

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from matchday.ops import capacity
from matchday.ops.capacity import CapacityError
from matchday.ops.scaler.loads import METRICS, of_page
from matchday.ops.scaler.problems import ScalerError
from matchday.ops.scaler.settings import load
from tests.fuzz.budget import examples
from tests.fuzz.test_parsers import DEEP, changed, changes, mangle, mangled, names, removals
from tests.unit.scaler.made_up import model

MODEL = json.loads(msgspec.json.encode(model(gate={"connections": 100.0}, odds={"incidents_per_s": 5.0})))
SETTINGS = (Path(__file__).parents[2] / "deploy/kubernetes/scaler/production/scaler.toml").read_bytes()
PAGE = b'matchday_gate_connections 7\nmatchday_log_heard_records_total{room="odds",topic="incidents"} 1e3\n'


def read(raw: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "capacity.json"
        file.write_bytes(raw)
        try:
            found = capacity.read(file)
        except CapacityError as error:
            names(error, "capacity model")
            return
        capacity.write(found, file)
        assert capacity.read(file) == found


@settings(max_examples=examples(100), deadline=None)
@given(changes, removals)
def test_a_model_with_anything_in_any_field(change: list[tuple[int, object]], removed: list[int]) -> None:
    read(json.dumps(changed(MODEL, change, removed)).encode(errors="replace"))


@settings(max_examples=examples(60), deadline=None)
@given(mangled)
def test_a_model_with_bytes_that_are_wrong(change: tuple[int, bytes, int]) -> None:
    read(mangle(json.dumps(MODEL).encode(), change))


def test_a_model_that_is_too_deep() -> None:
    read(b'{"x": ' + DEEP)


@settings(max_examples=examples(100), deadline=None)
@given(mangled)
def test_settings_with_bytes_that_are_wrong(change: tuple[int, bytes, int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "scaler.toml"
        file.write_bytes(mangle(SETTINGS, change))
        try:
            load(file)
        except ScalerError as error:
            names(error, "docs/autoscaling.md")


@settings(max_examples=examples(200), deadline=None)
@given(mangled, st.sampled_from([b"NaN", b"+Inf", b"-Inf", b"7", b"x", b""]))
def test_a_page_of_figures_with_bytes_that_are_wrong(change: tuple[int, bytes, int], value: bytes) -> None:
    found = of_page(mangle(PAGE.replace(b"7", value), change).decode(errors="replace"))
    assert found.keys() <= METRICS.keys()
    assert all(math.isfinite(figure) for figure in found.values())
