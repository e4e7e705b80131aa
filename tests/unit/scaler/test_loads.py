"""Load as it is seen: from ops ports and from Prometheus, and what of it is not there."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from matchday.ops.cluster_state import Folder, Member, State, born
from matchday.ops.scaler.http import Failed, ask
from matchday.ops.scaler.loads import METRICS, ClusterLoads, PrometheusLoads, of_page
from matchday.ops.scaler.matches import Door
from matchday.ops.scaler.seen import Match, SeenError
from matchday.ops.scaler.settings import Loads
from tests.unit.scaler.made_up import START_MS, Hand, served

PATIENT_MS = 60_000
"""A busy machine is no reason to fail."""
PAGE = """\
# HELP matchday_gate_connections Open push connections.
# TYPE matchday_gate_connections gauge
matchday_gate_connections {connections}
matchday_bets_total {bets}
matchday_log_heard_records_total{{room="odds",topic="incidents"}} 7
matchday_log_heard_records_total{{room="settlement",topic="incidents"}} 100
"""


def series(value: str, **labels: str) -> dict[str, Any]:
    return {"metric": labels, "value": [START_MS / 1_000, value]}


def test_a_page_of_figures_is_read_by_names_and_labels() -> None:
    found = of_page(PAGE.format(connections=12, bets="3e2"))
    assert found == {"connections": 12, "bets_per_s": 300, "incidents_per_s": 7}


def test_what_is_scaled_by_is_said_by_the_platform() -> None:
    source = "".join(path.read_text() for path in (Path(__file__).parents[3] / "src/matchday/app").glob("metric*.py"))
    said = {load for load, metric in METRICS.items() if f'"{metric.name}"' in source}
    assert {"connections", "bets_per_s"} <= said


@pytest.fixture
def cluster(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def gate(number: int, address: str, *, room: str = "gate") -> Member:
    return Member(name=f"{room}-{number}", room=room, number=number, pid=os.getpid(), born=born(os.getpid()),
                  ops_port=urlsplit(address).port or 1, log="log")  # fmt: skip


def test_a_local_clusters_processes_are_added_up(cluster: Folder) -> None:
    bets, clock = [100], Hand()
    with served(lambda *_: (200, PAGE.format(connections=20, bets=bets[0]))) as one:
        cluster.save(State(rooms=[gate(0, one), gate(1, one), gate(0, one, room="odds")]))
        source = ClusterLoads(Loads(timeout_ms=PATIENT_MS), cluster.path, clock)
        first = source.read()
        assert first.loads == {"connections": 60}
        assert first.processes == {"gate": 2, "odds": 1}
        clock.turn(10)
        bets[0] += 50
        second = source.read()
        assert second.loads == {"connections": 60, "bets_per_s": 15, "incidents_per_s": 0}
        assert (second.at_ms, second.missing) == (START_MS + 10_000, ())
        bets[0] = 3
        clock.turn(10)
        assert source.read().loads["bets_per_s"] == 0, "a counter that began anew"


def test_one_that_answered_and_does_not_now_is_missing_and_one_that_never_did_is_starting(cluster: Folder) -> None:
    with served(lambda *_: (200, PAGE.format(connections=20, bets=1))) as one:
        cluster.save(State(rooms=[gate(0, one), gate(1, "http://127.0.0.1:1")]))
        source = ClusterLoads(Loads(timeout_ms=PATIENT_MS), cluster.path, Hand())
        found = source.read()
        assert (found.processes, found.missing) == ({"gate": 1}, ())
    for _ in range(2):
        found = source.read()
        assert (found.processes, found.missing, found.loads) == ({"gate": 0}, ("gate-0",), {})


def test_no_cluster_is_said(tmp_path: Path) -> None:
    with pytest.raises(SeenError, match="no cluster in"):
        ClusterLoads(Loads(), tmp_path / "none", Hand()).read()


def prometheus(method: str, path: str, body: Any, headers: Mapping[str, str]) -> tuple[int, Any]:
    """Answers as Prometheus does, by what is asked."""
    words = parse_qs(urlsplit(path).query)
    (query,) = words["query"]
    if "/query_range" in path:
        begin, end = int(words["start"][0]), int(words["end"][0])
        values = [[at, "2.5"] for at in range(begin, end + 1, 60)]
        return 200, {
            "status": "success",
            "data": {"result": [{"metric": {}, "values": values}]},
        }
    found: list[dict[str, Any]] = []
    if "timestamp(" in query:
        found = [series(str(START_MS / 1_000 - 4))]
    elif "count by" in query:
        found = [series("3", rooms="gate"), series("2", rooms="odds")]
    elif "up{" in query:
        found = [series("0", instance="10.0.0.7:9000")]
    elif query == 'sum(matchday_gate_connections{job="matchday"})':
        found = [series("8400")]
    elif query == 'sum(rate(matchday_bets_total{job="matchday"}[60s]))':
        found = [series("41.5")]
    return 200, {"status": "success", "data": {"resultType": "vector", "result": found}}


def test_prometheus_is_asked_for_each_load_and_for_how_old_it_is() -> None:
    with served(prometheus) as address:
        found = PrometheusLoads(Loads(prometheus=address, timeout_ms=PATIENT_MS)).read()
    assert found.loads == {"connections": 8_400, "bets_per_s": 41.5}
    assert found.processes == {"gate": 3, "odds": 2}
    assert found.at_ms == START_MS - 4_000
    assert found.missing == ("10.0.0.7:9000",)


def test_history_is_asked_for_in_parts_that_prometheus_answers() -> None:
    with served(prometheus) as address:
        found = PrometheusLoads(Loads(prometheus=address, timeout_ms=PATIENT_MS)).history(
            "bets_per_s", 100, 100 + 25_000
        )
    assert sorted(found) == list(range(100, 25_100))
    assert set(found.values()) == {2}


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ((200, {"status": "success", "data": {"result": []}}), "knows no process"),
        ((400, {"status": "error", "error": "parse error"}), "parse error"),
        ((502, "Bad Gateway"), "does not answer as Prometheus does"),
        ((200, {"status": "success", "data": {"result": [series("NaN")]}}), "knows no process"),
        ((200, {"status": "success"}), "does not answer as Prometheus does"),
    ],
)
def test_what_is_no_answer_is_said(answer: tuple[int, Any], why: str) -> None:
    with served(lambda *_: answer) as address, pytest.raises(SeenError, match=why):
        PrometheusLoads(Loads(prometheus=address, timeout_ms=PATIENT_MS)).read()


def test_who_is_away_is_said() -> None:
    with pytest.raises(SeenError, match=r"127\.0\.0\.1:1: "):
        PrometheusLoads(Loads(prometheus="http://127.0.0.1:1")).read()
    with pytest.raises(Failed, match="is no address"):
        ask("prometheus:9090", "GET", "/", timeout_s=1)


def test_what_is_being_played_is_asked_at_the_door() -> None:
    board = {"fixture": "f1", "kickoff_ms": 5, "status": "live", "score": [0, 0]}
    with served(lambda *_: (200, {"fixtures": [{"board": board, "market": None}]})) as address:
        shown = Door(address, PATIENT_MS, Hand()).read()
    assert shown.matches == (Match("f1", 5, "live"),)
    assert abs(shown.at_ms - START_MS) > 1_000, "by its clock, which is not ours"


@pytest.mark.parametrize(
    ("answer", "why"), [((503, {}), "answers 503"), ((200, {"fixtures": [{}]}), "board"), ((200, "x"), "fixtures: ")]
)
def test_a_door_that_does_not_say_is_named(answer: tuple[int, Any], why: str) -> None:
    with served(lambda *_: answer) as address, pytest.raises(SeenError, match=why):
        Door(address, PATIENT_MS, Hand()).read()
