"""``matchday bench cluster`` in its parts: what it publishes, and when it publishes nothing. A whole run takes minutes:
``TEST_WHOLE=1`` has a quick one run."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from matchday.bench import cluster, cluster_bets, cluster_goal
from matchday.bench.cluster_bets import GATES, STEPS, Load, Split
from matchday.bench.crowd import Crowd, Saturated
from matchday.bench.open_loop import CouldNotKeepUp, Seen
from matchday.bench.run import Run
from matchday.bench.stopwatch import trees_cpu_s
from matchday.ops.engines import EngineError
from tests.conftest import WHOLE
from tests.real import command


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path, True, lambda *_: None, lambda _: None)


class Server:
    """What a platform answers in time: up to some rate."""

    def __init__(self, in_time: float, lag_ms: float = 0.0) -> None:
        self._in_time, self._lag_ms = in_time, lag_ms
        self.offered: list[float] = []
        self.looked = 0
        """Times that it was asked what is open."""

    async def saturate(self, *_: object) -> Saturated:
        return Saturated(1_000.0, 1_000, 1.0, {"accepted": 1_000})

    async def arrive(self, _fans: int, rate: float, *_: object) -> Seen:
        self.offered.append(rate)
        seen = Seen(due=100)
        for _n in range(100):
            seen.send(self._lag_ms / 1e3)
            seen.answer("accepted", 0.02 if rate <= self._in_time else 0.09)
        return seen

    def load(self) -> Load:
        def body() -> Callable[[], bytes]:
            self.looked += 1
            return lambda: b""

        return Load(cast("Crowd", self), 16, body)


def test_the_highest_rate_that_is_answered_in_time_is_found_from_above(run: Run) -> None:
    server = Server(in_time=600.0)
    assert asyncio.run(cluster_bets._highest(run, server.load())) == pytest.approx(550.0)
    assert server.offered == pytest.approx([1_000 * share for share in STEPS[:4]])
    assert server.looked == 2  # again after it was saturated: what was open may be of another generation


def test_a_generator_that_was_late_publishes_no_rate(run: Run) -> None:
    with pytest.raises(CouldNotKeepUp, match="late"):
        asyncio.run(cluster_bets._highest(run, Server(in_time=10**6, lag_ms=40).load()))
    with pytest.raises(CouldNotKeepUp, match="above 50 ms at every rate"):
        asyncio.run(cluster_bets._highest(run, Server(in_time=0).load()))
    row = asyncio.run(cluster_bets._in_time(run, Server(in_time=0).load(), Server(in_time=10**6).load()))
    assert (row.value, "not published" in row.note) == (None, True)


def test_what_gates_do_each_is_compared_by_process_and_by_core() -> None:
    cpu = {"gates": 2.0, "PostgreSQL": 1.0, "Kafka": 0.5, "other rooms": 0.5}
    two, four = Split(2, 2_000, 4_000, cpu), Split(4, 2_400, 4_800, {**cpu, "gates": 3.0})
    rows = [row for gates in GATES for row in cluster_bets._rows(gates, {2: [two], 4: [four]})]
    found = {row.name: row for row in rows}
    each, core = found["4 gates behind HAProxy: each"], found["4 gates behind HAProxy: of a core"]
    assert (each.value, each.reference, each.ratio) == (600, 1_000, 0.6)
    assert (core.value, core.reference) == (1_600, 2_000)
    share = found["2 gates behind HAProxy: engines' share"]
    assert (share.value, share.note) == (37.5, "gates 50 %, PostgreSQL 25 %, Kafka 12 %, other rooms 12 %")


def test_a_goal_s_rows_are_percentiles_of_all_screens_and_the_difference() -> None:
    found = cluster_goal._rows(0.5, [[10.0, 20.0, 30.0]], [[4.0, 5.0, 60.0]])
    assert [(row.name, row.value) for row in found] == [
        ("goal to screen through Kafka, p50", 20.0), ("goal to screen through Kafka, p50: added", 15.0),
    ]  # fmt: skip
    assert found[0].ratio == 4


def test_cpu_of_a_process_counts_what_it_has_started() -> None:
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'for _ in range(5_000_000): pass']); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        before = used(os.getpid())
        while used(process.pid) < 0.1:
            assert process.poll() is None
        assert used(os.getpid()) - before >= 0.05
        process.communicate(b"\n")
    assert used(process.pid) == 0


def used(pid: int) -> float:
    return trees_cpu_s([pid])[pid]


def test_what_is_missing_is_said_in_a_row(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: str) -> str:
        raise EngineError("haproxy is not installed: install it (on Debian: apt-get install haproxy)")

    monkeypatch.setattr(cluster, "program", missing)
    (row,) = cluster.measure(run)
    assert (row.value, row.note) == (None, "haproxy is not installed: install it (on Debian: apt-get install haproxy)")


@pytest.mark.slow
@WHOLE
def test_a_quick_run_has_every_row() -> None:
    process = command("bench", "cluster", "--quick", "--json")
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    rows = {row["name"]: row for row in json.loads(out)["rows"]}
    assert len(rows) == 4 + 1 + 6
    assert all(row["value"] is not None or row["note"] for row in rows.values())
    assert rows["goal to screen through Kafka, p50"]["reference"] > 0
    assert rows["2 gates behind HAProxy: engines' share"]["value"] > 0
