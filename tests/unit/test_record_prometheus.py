"""A cluster's load from Prometheus: by a server that says what a test wants, and by a real one where there is one."""

import contextlib
import http.server
import json
import os
import shutil
import socket
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from matchday.__main__ import main
from matchday.app.metric_list import BY_NAME
from matchday.ops.forecast import traffic
from matchday.ops.forecast.problems import ForecastError
from matchday.ops.record import prometheus
from matchday.ops.record.prometheus import QUERIES, SILENT, Prometheus
from tests.real import poll

DAY = 20_612
"""2026-06-08, in days since 1970."""
FIRST = DAY * 1_440
WORDS = ["--from", "2026-06-08", "--until", "2026-06-09"]


class Answers(http.server.BaseHTTPRequestHandler):
    """Says to each question what the test has for it."""

    asked: list[dict[str, str]]
    says: dict[str, object]

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        asked = {name: values[0] for name, values in form.items()}
        self.asked.append(asked)
        found = self.says["silent" if asked["query"].startswith("count(") else "counts"]
        body = found if isinstance(found, bytes) else json.dumps(answer(found, asked)).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: object = "-", size: object = "-") -> None:
        return


def answer(values: object, asked: dict[str, str]) -> object:
    assert isinstance(values, dict)
    within = [[at, str(value)] for at, value in values.items() if int(asked["start"]) <= at <= int(asked["end"])]
    result = [{"metric": {}, "values": within}] if within else []
    return {"status": "success", "data": {"resultType": "matrix", "result": result}}


@contextlib.contextmanager
def answering(counts: object, silent: object = {}) -> Iterator[tuple[str, list[dict[str, str]]]]:
    asked: list[dict[str, str]] = []
    handler = type("Handler", (Answers,), {"asked": asked, "says": {"counts": counts, "silent": silent}})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


def ends(minutes: "range | list[int]", count: float) -> dict[int, float]:
    """Of minutes since the first: what Prometheus says at their ends."""
    return {(FIRST + minute + 1) * 60: count for minute in minutes}


def test_minutes_are_those_that_ended(tmp_path: Path) -> None:
    file = tmp_path / "traffic.csv"
    with answering(ends(range(1_440), 61.4)) as (url, asked):
        words = ["forecast", "record", "export", "--prometheus", url, "--csv", str(file), *WORDS]
        assert main([*words, "--what", "bets"]) == 0
    found = traffic.read(file)
    assert (found.first, found.requests.tolist(), bool(found.known.all())) == (FIRST, [61] * 1_440, True)
    assert [(one["start"], one["end"], one["step"]) for one in asked] == [
        (str(FIRST * 60 + 60), str(FIRST * 60 + 86_400), "60")
    ] * 2
    assert asked[0]["query"] == 'sum(increase(matchday_bets_total{job="matchday"}[1m]))'


def test_what_prometheus_did_not_see_is_a_gap(capsys: pytest.CaptureFixture[str]) -> None:
    seen = [minute for minute in range(1_440) if not 300 <= minute < 320]
    with answering(ends(seen, 60), ends([700, 701], 1)) as (url, _):
        assert main(["forecast", "record", "export", "--prometheus", url, *WORDS]) == 0
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 1 + 1_440 - 20 - 2
    assert "gap: 20 minutes from 2026-06-08 05:00 on" in said.err
    assert "in 2 minutes a gate did not answer Prometheus (the first: 2026-06-08 11:40): left out" in said.err


def test_long_times_are_asked_for_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prometheus, "MINUTES_MAX", 100)
    with answering(ends(range(250), 3)) as (url, asked):
        found = Prometheus(url, 'job="matchday"').history("frames", FIRST, FIRST + 250)
    assert found.counts == dict.fromkeys(range(FIRST, FIRST + 250), 3)
    assert len(asked) == 6


@pytest.mark.parametrize(
    ("says", "named"),
    [
        (b'{"status": "error", "error": "parse error"}', "Prometheus does not answer that: parse error"),
        (b"<html>", "does not answer as Prometheus does"),
        (b"[]", "does not answer as Prometheus does"),
    ],
)
def test_what_it_cannot_answer_is_named(says: bytes, named: str) -> None:
    with answering(says) as (url, _), pytest.raises(ForecastError, match=named):
        Prometheus(url, "").history("bets", FIRST, FIRST + 10)


@pytest.mark.parametrize("address", ["prometheus:9090", "ftp://prometheus", "http://", "http://a:99999", "http://["])
def test_what_is_no_address_is_named(address: str) -> None:
    with pytest.raises(ForecastError, match="is no address"):
        Prometheus(address, "")


def test_who_is_not_there_is_named() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        with pytest.raises(ForecastError, match="is it there"):
            Prometheus(f"http://127.0.0.1:{held.getsockname()[1]}", "").history("bets", FIRST, FIRST + 1)


def test_what_is_asked_for_is_said_by_gates() -> None:
    for query in (*QUERIES.values(), SILENT):
        named = {word.partition("{")[0].rpartition("(")[2] for word in query.split() if "matchday_" in word}
        assert named
        for name in named:
            assert BY_NAME[name].rooms == ("gate",)


# --- a real server ----------------------------------------------------------------------------------------------------

SERVER, TOOL = shutil.which("prometheus"), shutil.which("promtool")


def history(folder: Path) -> None:
    """Two gates over two hours, scraped every 15 s: a steady one, and one that is away for ten minutes, then anew."""
    lines = []
    samples: dict[str, list[str]] = {name: [] for name in (*gate_metrics(), "up")}
    for at in range(FIRST * 60, FIRST * 60 + 7_200 + 1, 15):
        since = at - FIRST * 60
        for name in gate_metrics():
            samples[name].append(f'{name}{{job="matchday",instance="a"}} {since * 2} {at}')
        samples["up"].append(f'up{{job="matchday",instance="a"}} 1 {at}')
        away = 3_600 <= since < 4_200
        samples["up"].append(f'up{{job="matchday",instance="b"}} {0 if away else 1} {at}')
        if not away:
            count = since if since < 3_600 else since - 4_200
            for name in gate_metrics():
                samples[name].append(f'{name}{{job="matchday",instance="b"}} {count} {at}')
    for name, of_name in samples.items():
        lines += [f"# TYPE {name} gauge", *of_name]
    (folder / "history.txt").write_text("\n".join([*lines, "# EOF", ""]))


def gate_metrics() -> list[str]:
    return ["matchday_http_requests_total", "matchday_push_messages_total", "matchday_bets_total",
            "matchday_gate_connections"]  # fmt: skip


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    if SERVER is None or TOOL is None:
        if os.environ.get("CI"):
            pytest.fail("Prometheus is missing, and CI needs it")
        pytest.skip("NOT TESTED: Prometheus is missing (apt-get install prometheus)")
    history(tmp_path)
    config, data = tmp_path / "prometheus.yml", tmp_path / "data"
    config.write_text("global: {scrape_interval: 15s}\n")
    told = subprocess.run(
        [TOOL, "tsdb", "create-blocks-from", "openmetrics", str(tmp_path / "history.txt"), str(data)],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [SERVER, f"--config.file={config}", f"--storage.tsdb.path={data}", f"--web.listen-address=127.0.0.1:{port}",
         "--storage.tsdb.retention.time=10y"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        poll(lambda: ready(url), 30)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=30)


def ready(url: str) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/-/ready", timeout=1) as answered:
        return bool(answered.status == 200)
    return False


def test_a_real_prometheus_says_what_two_gates_served(server: str) -> None:
    found = Prometheus(server, 'job="matchday"').history("bets", FIRST, FIRST + 120)
    counts = {minute - FIRST: count for minute, count in found.counts.items()}
    away = range(59, 70)  # at the end of its first minute it did not answer
    assert counts.keys().isdisjoint(away)
    assert "in 11 minutes a gate did not answer Prometheus" in found.findings[0]
    whole = [minute for minute in range(1, 119) if not 59 <= minute <= 71]
    assert all(counts[minute] == pytest.approx(180, abs=4) for minute in whole), counts
    requests = Prometheus(server, 'job="matchday"').history("requests", FIRST, FIRST + 120).counts
    assert requests[FIRST + 30] == pytest.approx(360, abs=8)
    connections = Prometheus(server, 'job="matchday"').history("connections", FIRST, FIRST + 120).counts
    assert connections[FIRST + 30] == 31 * 60 * 3
