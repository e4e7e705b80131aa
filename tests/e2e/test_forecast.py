"""``matchday forecast backtest``, the real command, on the World Cup of 1998."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.real import DATA

WORLD_CUP = DATA.parent / "traffic-worldcup98"


def run(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "matchday", "forecast", "backtest", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.slow
@pytest.mark.parametrize(("boot", "compress"), [(10, 1), (15, 1), (30, 1), (10, 5), (15, 5)])
def test_at_its_own_bill_ours_loses_a_third_of_what_reactive_loses(tmp_path: Path, boot: int, compress: int) -> None:
    if not WORLD_CUP.exists():
        pytest.skip(f"no {WORLD_CUP}: the World Cup's traffic is not here")
    done = run(
        "--traffic", str(WORLD_CUP / "requests_per_minute.csv"), "--kickoffs", str(WORLD_CUP / "kickoffs_utc.csv"),
        "--train-until", "1998-06-15", "--judge-until", "1998-06-23", "--boot-minutes", str(boot),
        "--compress", str(compress), "--html", str(tmp_path / "page.html"), "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "10 minutes are missing in 7 gaps" in done.stderr
    rows = {row["policy"]: row for row in json.loads(done.stdout)["rows"]}
    sweep = sorted(
        (row["bill_ratio"], row["requests_over_capacity"]) for name, row in rows.items() if "reactive" in name
    )
    bills, losses = zip(*sweep, strict=True)
    ours = rows["ours"]
    assert bills[0] <= ours["bill_ratio"] <= bills[-1]
    reactive = float(np.interp(ours["bill_ratio"], bills, losses))
    assert ours["requests_over_capacity"] <= max(reactive / 3, 0.0001)
    assert "<svg" in (tmp_path / "page.html").read_text()


def test_a_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    done = run("--traffic", str(tmp_path / "none.csv"), "--kickoffs", str(tmp_path / "none.ics"))
    assert done.returncode == 1
    assert done.stderr.startswith("matchday: traffic ")
    assert "--traffic" in done.stderr
