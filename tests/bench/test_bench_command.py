"""``matchday bench`` itself: each part runs, quickly, and says what it found."""

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from matchday.bench.command import PARTS
from matchday.bench.postgres_server import programs
from matchday.commands import BENCH_PARTS
from tests.engines import missing
from tests.real import command


def run(*words: str) -> tuple[int, str, str]:
    with command("bench", *words) as process:
        try:
            out, err = process.communicate(timeout=300)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)  # it ends what it started
            raise AssertionError("\n".join(process.communicate(timeout=60))) from None
    return process.returncode, out, err


def rows_of(*words: str) -> dict[str, dict[str, Any]]:
    status, out, err = run(*words, "--quick", "--json")
    assert status == 0, err
    report = json.loads(out)
    assert report["quick"]
    assert report["machine"]["cores"] >= 1
    assert set(report["noise"]["steal_percent"]) == {word for word in words if not word.startswith("-")}
    for row in report["rows"]:
        assert {"name", "what", "value", "unit", "reference", "ratio", "target", "met"} <= set(row)
        assert row["value"] is None or row["value"] > 0, row
        assert row["value"] is not None or row["note"], row
    return {row["name"]: row for row in report["rows"]}


def test_the_help_names_the_parts_that_there_are() -> None:
    assert tuple(PARTS) == BENCH_PARTS


def test_prices_and_the_ledger() -> None:
    found = rows_of("odds", "ledger")
    assert found["odds: an incident"]["target"] == "<= 0.5 ms"
    assert found["odds: live matches"]["unit"] == "%"
    for batch in (1, 16, 64, 256):
        assert found[f"ledger, batches of {batch}, bare"]["reference_what"].startswith("a bare batch")
        assert found[f"ledger, batches of {batch}, CPU"]["ratio"] > 1  # guards are not free


@pytest.mark.slow
def test_the_ledger_on_postgres() -> None:
    if programs() is None:
        missing("PostgreSQL 15 or newer (apt-get install postgresql)")
    found = rows_of("ledger", "--engine=postgres")
    for with_ in ("", ", synchronous standby"):
        assert found[f"ledger on PostgreSQL, batches of 64{with_}"]["target"] == ">= 0.6 x"
        cpu = f"ledger on PostgreSQL, batches of 64{with_}: CPU of "
        assert found[f"{cpu}gates"]["ratio"] > 1  # guards are not free
        assert found[f"{cpu}PostgreSQL"]["value"] > 0
        assert found[f"ledger on PostgreSQL, one account{with_}"]["ratio"] > 0
        assert found[f"ledger on PostgreSQL, one market{with_}"]["ratio"] > 0


def test_push() -> None:
    found = rows_of("push")
    assert found["push: fan-out"]["reference_what"].startswith("a bare loop of sock.send")
    assert {"push: a goal", "push: a tick", "push: memory per connection"} <= set(found)


@pytest.mark.slow
def test_bets() -> None:
    found = rows_of("bets")
    assert found["bets by HTTP, 16 connections: CPU"]["ratio"] > 1
    assert found["bets by HTTP, all on one market"]["target"] == ">= 0.7 x"
    assert "bets by WebSocket, 16 connections: CPU" in found
    assert found["loop lag, ledger saturated"]["value"] > 0


@pytest.mark.slow
def test_overload_and_a_soak_as_a_table_with_a_profile(tmp_path: Path) -> None:
    status, out, err = run(
        "overload", "soak", "--quick", "--minutes", "0.05", "--profile", str(tmp_path / "profile.txt")
    )
    assert "overload: accepted" in out, err
    assert "minute 1: " in err
    assert "soak: memory" in out
    assert "Quick: a small share" in out
    assert "profile-overload.txt" in out.replace("\n", "")
    assert (tmp_path / "profile-soak.txt").read_text()
    assert status in (0, 1)  # the verdict of a soak of seconds is nobody's business


@pytest.mark.parametrize(
    ("words", "status", "remedy"),
    [
        (["pusch"], 2, "'pusch' is no part; they are odds, ledger, push, bets, overload, cluster, soak"),
        (["soak", "--minutes", "0"], 2, "--minutes 0 is outside 0.01 to 1440"),
        (["odds", "--profile", "/nowhere/p.txt"], 2, "--profile /nowhere/p.txt: No such file or directory"),
    ],
)
def test_wrong_words_are_named_with_the_remedy(words: list[str], status: int, remedy: str) -> None:
    found, _, err = run(*words)
    assert found == status
    assert remedy in err
