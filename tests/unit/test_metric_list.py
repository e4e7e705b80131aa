"""The list of metrics: what processes say is what stands on it, no more and no less, by Prometheus' conventions."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from matchday.app.metric_list import BY_NAME, EVERY, METRICS, Kind, Metric, said_by
from matchday.edge.api import BetAnswer
from matchday.edge.problems import Problem
from tests.metrics_page import PAGE, page
from tests.unit.telling import Telling

ALONE = [(room,) for room in EVERY]
TOGETHER = [EVERY, ("odds", "settlement"), ("gate", "relay")]
STARTS = ("matchday_", "process_")
PROMTOOL = shutil.which("promtool")


def metric_of(sample: str) -> str:
    """The metric that a line belongs to."""
    base = re.sub(r"_(bucket|sum|count)$", "", sample)
    return base if base in BY_NAME and BY_NAME[base].kind is Kind.HISTOGRAM else sample


def check(process: Telling) -> None:
    found: dict[str, set[frozenset[tuple[str, str]]]] = {}
    for sample, labels, _ in process.said():
        labels.pop("le", None)
        found.setdefault(metric_of(sample), set()).add(frozenset(labels.items()))
    assert set(found) == {metric.name for metric in said_by(process.rooms)}
    for name, sets in found.items():
        for pairs in sets:
            assert {label for label, _ in pairs} == set(BY_NAME[name].labels), name
            for label, value in pairs:
                known = BY_NAME[name].labels[label]
                assert not known or value in known, (name, label, value)


@pytest.mark.parametrize("rooms", [*ALONE, *TOGETHER], ids=" ".join)
def test_a_process_says_what_is_on_the_list_for_its_rooms(rooms: tuple[str, ...]) -> None:
    process = Telling(*rooms)
    check(process)
    process.clock.run_for(5_000)
    check(process)


def test_neither_fans_nor_fixtures_make_more_of_it() -> None:
    """Each series costs whoever collects it: their number is that of the list, whatever happens."""
    process = Telling(*EVERY)
    process.clock.run_for(5_000)
    before = len(process.text().splitlines())
    screens = [process.screen() for _ in range(3)]
    for number in range(20):
        account = process.guest()
        process.bet(account, stake="1.00" if number % 2 else "999.00")
    process.clock.run_for(30_000)
    check(process)
    assert len(process.text().splitlines()) == before
    assert before < 1_500
    assert all(len(screen.sends) > 5 for screen in screens)


def test_what_it_says_is_what_happened() -> None:
    process = Telling(*EVERY)
    process.clock.run_for(5_000)
    account, screen = process.guest(), process.screen()
    for stake in ("1.00", "1.00", "999.00"):
        process.bet(account, stake=stake)
    leg = process.legs()[0]
    process.bet(account, legs=[{**leg, "selection": leg["selection"].rpartition("/")[0] + "/nobody"}])
    assert [type(outcome) for outcome in process.told] == [BetAnswer, BetAnswer, Problem, Problem]
    assert process.figure("matchday_bets_total") == 4
    assert process.figure("matchday_bets_batch_size_count") == process.figure("matchday_bets_batches_total") == 4
    assert process.figure("matchday_bets_answer_seconds_count", outcome="accepted", delayed="no") == 2
    assert process.figure("matchday_bets_answer_seconds_count", outcome="refused", delayed="no") == 2
    assert process.figure("matchday_bets_refused_total", reason="stake_above_maximum") == 1
    assert process.figure("matchday_bets_refused_total", reason="selection_unknown") == 1
    # of the ledger: the guest with his money, four bets
    assert process.figure("matchday_ledger_commit_seconds_count", room="gate") == 5
    assert process.figure("matchday_ledger_commit_commands_count", room="gate") == 5
    assert process.figure("matchday_ledger_commit_commands_sum", room="gate") == 6
    assert process.figure("matchday_http_requests_total") == 7
    assert process.figure("matchday_push_opened_total") == 1
    assert process.figure("matchday_push_messages_total") == 1
    process.clock.run_for(30_000)
    sends = process.figure("matchday_push_sends_total")
    assert process.figure("matchday_push_frames_total") >= sends == len(screen.sends) > 10
    assert process.figure("matchday_push_sent_bytes_total") == sum(map(len, screen.sends))
    assert process.figure("matchday_odds_incident_to_book_seconds_count") > 5
    assert process.figure("matchday_gate_book_age_seconds_count") >= process.figure("matchday_odds_changes_total") > 5
    heard = process.figure("matchday_log_heard_records_total", room="odds", topic="incidents")
    assert heard == sum(
        process.figure("matchday_log_said_records_total", room=room, topic="incidents")
        for room in ("feed", "odds", "gate")
    )
    last = process.figure("matchday_log_last_heard_timestamp_seconds", room="odds", topic="incidents")
    assert process.clock.now_ms() / 1_000 - last < 2


def test_a_share_that_is_lost_takes_no_count_along() -> None:
    """A counter that falls looks like a restart, and what is left of it like new work."""
    process = Telling("feed", "odds")
    process.clock.run_for(20_000)
    before = process.figure("matchday_odds_prices_changed_total")
    assert before > 0
    process.workers._lost("odds", 0)
    assert process.figure("matchday_odds_books") == 0
    assert process.figure("matchday_odds_prices_changed_total") == before


@pytest.mark.parametrize("found", METRICS, ids=lambda metric: metric.name)
def test_names_follow_the_conventions(found: Metric) -> None:
    """https://prometheus.io/docs/practices/naming/: base units, plural, ``_total`` for what only rises."""
    assert re.fullmatch(r"[a-z][a-z0-9_]*", found.name)
    assert found.name.startswith(STARTS)
    assert found.name.endswith("_total") == (found.kind is Kind.COUNTER)
    for unit in ("seconds", "bytes"):
        assert (found.unit == unit) == (f"_{unit}" in found.name), unit
    assert not re.search(r"_(ms|millis|milliseconds|minutes|kb|percent|ratio)(_|$)", found.name)
    assert not re.search(r"_(count|sum|bucket)$", found.name)
    assert found.help.endswith(".")
    assert set(found.rooms) <= set(EVERY)
    assert all(re.fullmatch(r"[a-z_]+", label) and label != "le" for label in found.labels)


def test_no_label_names_a_person_or_a_match() -> None:
    labels = {label for metric in METRICS for label in metric.labels}
    assert labels == {
        "delayed", "level", "outcome", "priority", "reason", "room", "rooms", "topic", "version", "why"
    }  # fmt: skip
    assert len(BY_NAME) == len(METRICS)


@pytest.mark.skipif(PROMTOOL is None, reason="NOT RUN: promtool is missing (apt-get install prometheus)")
def test_promtool_takes_all_of_it() -> None:
    assert PROMTOOL is not None
    process = Telling(*EVERY)
    process.clock.run_for(30_000)
    done = subprocess.run(
        [PROMTOOL, "check", "metrics"], input=process.text(), capture_output=True, text=True, check=False, timeout=30
    )  # fmt: skip
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_page_is_the_list() -> None:
    """Written anew by ``python -m tests.metrics_page``."""
    assert Path(PAGE).read_text() == page()
