"""A small night against the real command, with its gate killed in the middle: the crowd, the money, the report."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from matchday.ops.drill.night.shapes import composed, timetable
from tests.real import PATIENT

RATE, COMPRESS, SEED = 3.0, 150.0, 4


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    folder = tmp_path_factory.mktemp("night")
    words = ["--shape", "goal", "--rate", f"{RATE:g}", "--compress", f"{COMPRESS:g}", "--seed", f"{SEED}"]
    done = subprocess.run(
        [sys.executable, "-m", "matchday", "drill", "night", *words, "--faults", "kill@goal+0.5", "--json",
         "--reports", str(folder / "drills"), "--html", str(folder / "night.html"), "--abort-errors", "100"],
        capture_output=True, text=True, timeout=120, check=False, env={**PATIENT, **os.environ},
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stderr  # a busy machine misses targets
    return json.loads(done.stdout), folder


def test_all_visitors_came_when_they_were_due_and_did_what_fans_do(night: tuple[dict[str, Any], Path]) -> None:
    report, _ = night
    phases = composed(["goal"], SEED)
    assert report["aborted"] == ""
    assert [phase["name"] for phase in report["phases"]] == [phase.name for phase in phases]
    assert report["visitors"] == len(timetable(phases, RATE, 1 / COMPRESS, SEED).arrivals)
    done: dict[str, int] = {}
    for phase in report["phases"]:
        for line in phase["lines"]:
            done[line["act"]] = done.get(line["act"], 0) + line["fine"]
    assert all(done[act] > 0 for act in ("arrive", "home", "watch", "tap", "bet", "frame")), done


def test_no_promised_bet_was_lost_though_the_gate_was_killed(night: tuple[dict[str, Any], Path]) -> None:
    report, _ = night
    money, fault = report["money"], report["faults"][0]
    assert (money["broken"], money["lost"]) == ([], 0)
    assert money["promised"] > 0
    assert money["checks"] > 0
    assert (fault["kind"], fault["phase"]) == ("kill", "goal")
    assert 0 < fault["whole_after_s"] < 60
    assert sum(report["dropped"].values()) > 0
    assert len(report["scaling"]["real_s"]) == 2  # the start, and the one after the fault


def test_the_report_is_kept_and_drawn(night: tuple[dict[str, Any], Path]) -> None:
    report, folder = night
    kept = list((folder / "drills").glob("night-*.json"))
    assert [json.loads(file.read_text())["at"] for file in kept] == [report["at"]]
    page = (folder / "night.html").read_text()
    assert "<svg" in page
    assert "kill" in page
    assert len(report["samples"]) >= 3
