"""A journal's bets through a real Kafka and a real PostgreSQL, settled by rooms in processes of their own."""

import contextlib
import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from matchday.ops.engines.kafka import Kafka
from tests.e2e.test_replay import FINAL, TIES, replay
from tests.e2e.test_run import Running, figure, running
from tests.engines import Databases, missing, postgres_servers
from tests.real import DATA, poll

SHARES = 4
SETTINGS = """\
[log]
kind = "kafka"
[kafka]
brokers = [{brokers}]
platform = "{platform}"
partitions = {shares}
replicas = 1
silence_ms_max = 3000
[ledger]
kind = "postgres"
[postgres]
address = "{address}"
"""
pytestmark = pytest.mark.usefixtures("recordings")


@pytest.fixture(scope="module")
def recordings() -> None:
    if not DATA.exists():
        pytest.skip("needs the recorded matches of shared/data/football-wyscout")
    try:
        import confluent_kafka  # noqa: F401 - is it there?
        import psycopg  # noqa: F401 - is it there?
    except ImportError as error:
        missing(f"A CLUSTER ({error})")


class Platform:
    """A fresh log and ledger, and two processes that settle."""

    def __init__(self, config: Path, settling: list[Running]) -> None:
        self.config, self.settling = config, settling

    def play(self, journal: Path) -> tuple[int, dict[str, Any], str]:
        done = matchday("cluster", "replay", journal, "--config", self.config, "--json")
        return done.returncode, json.loads(done.stdout or "{}"), done.stderr


def matchday(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "matchday", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)


@pytest.fixture(scope="module")
def platform(recordings: None, kafka_engine: Kafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with contextlib.closing(postgres_servers()) as servers:
        databases = Databases(servers.new("primary"))
        config = tmp_path_factory.mktemp("cluster") / "cluster.toml"
        brokers = ", ".join(f'"{broker}"' for broker in kafka_engine.bootstrap.split(","))
        address = databases.server.address(databases.new())
        name = f"r{uuid.uuid4().hex[:12]}"
        config.write_text(SETTINGS.format(brokers=brokers, platform=name, shares=SHARES, address=address))
        assert matchday("cluster", "init", "--config", config).returncode == 0
        words = ("--config", str(config))
        with running("settlement", "relay", words=words) as one, running("settlement", "relay", words=words) as other:

            def shares(member: Running) -> float:
                return figure(member.ops_port, 'matchday_shares{room="settlement"}')

            poll(lambda: shares(one) == shares(other) == SHARES / 2, 30)
            yield Platform(config, [one, other])


def test_the_bets_of_a_journal_settle_to_the_same_money(platform: Platform, tmp_path: Path) -> None:
    """On embedded backends and on Kafka and PostgreSQL: every answer, price, decision, settlement, balance, entry."""
    journal = tmp_path / "journal"
    words = ("--meta", DATA / "meta", "--bettors", 50, "--seed", 3, "--journal", journal)
    status, embedded, _ = replay(*TIES, *words)
    assert status == 0
    status, report, said = platform.play(journal)
    assert (status, report.get("differences")) == (0, []), said
    assert (report["finished"], report["partitions"], report["fixtures"]) == (True, SHARES, 2)
    assert report["bets"] == embedded["bets_accepted"] > 20
    assert report["bets_by_legs"] == embedded["bets_accepted_by_legs"]
    assert report["books"] == embedded["book_changes"]
    assert report["incidents"] == embedded["incidents"] + 2  # and the results
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    seen = [line["kind"] for line in lines]
    assert report["settlements"] > report["bets"] // 2
    assert report["decisions"] == seen.count("decision")
    assert report["entries"] == len({line["entry"] for line in lines if line["kind"] == "posting"})
    assert report["cash_outs"] > 0 < report["free_bets"]
    status, _, said = platform.play(journal)
    assert (status, "a journal is played once on each" in said) == (1, True)


def test_a_cent_and_a_price_that_differ_are_told_and_a_settlement_that_was_killed_is_none(
    platform: Platform, tmp_path: Path
) -> None:
    """Its partitions are the other one's some seconds later, from the last positions on."""
    journal = tmp_path / "journal"
    replay(FINAL, "--meta", DATA / "meta", "--bettors", 15, "--seed", 4, "--journal", journal)
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    bets = [line for line in lines if line["kind"] == "bet" and line["answer"] == "accepted"]
    bets[0]["prices"][0] = "7.77"
    bets[1]["balance"] += 1
    paid = next(line for line in lines if line["kind"] == "balance" and ":" not in line["account"])
    paid["balance"] -= 1
    journal.write_text("".join(json.dumps(line) + "\n" for line in lines))
    platform.settling[1].process.kill()
    status, report, said = platform.play(journal)
    assert (status, report.get("differences_total")) == (1, 3), said + str(report)
    price, balance, account = report["differences"]
    assert f"bet {bets[0]['id']}" in price
    assert "7.77" in price
    assert f"bet {bets[1]['id']}" in balance
    assert f"balance of {paid['account']}: here {paid['balance'] + 1}, in the journal {paid['balance']}" in account
