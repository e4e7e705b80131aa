"""Stores by settings: what is missing or contradicts itself stops the start, and is named with its remedy."""

import sys
from pathlib import Path

import pytest

from matchday.app import StartError
from matchday.app.stores import open_stores
from matchday.config import Settings, load
from matchday.sim.clock import VirtualClock

KAFKA = {"MATCHDAY_LOG_KIND": "kafka", "MATCHDAY_KAFKA_BROKERS": "127.0.0.1:1"}
POSTGRES = {"MATCHDAY_LEDGER_KIND": "postgres", "MATCHDAY_POSTGRES_ADDRESS": "host=127.0.0.1 port=1"}


def refused(settings: Settings, folder: Path) -> str:
    def fatal(error: BaseException) -> None:
        raise error

    with pytest.raises(StartError) as error, open_stores(settings, folder, VirtualClock(1), lambda call: None, fatal):
        pass
    return str(error.value)


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"MATCHDAY_LOG_KIND": "kafka"}, 'setting kafka.brokers is missing, and log.kind is "kafka"'),
        ({"MATCHDAY_LEDGER_KIND": "postgres"}, 'setting postgres.address is missing, and ledger.kind is "postgres"'),
        ({"MATCHDAY_KAFKA_BROKERS": "k:9092"}, 'setting kafka.brokers says where it is, but log.kind is "sqlite"'),
        ({"MATCHDAY_POSTGRES_ADDRESS": "host=db"}, "setting postgres.address says where it is, but ledger.kind is"),
    ],
)
def test_what_is_named_is_used_and_what_is_used_is_named(variables: dict[str, str], says: str, tmp_path: Path) -> None:
    assert says in refused(load(None, variables), tmp_path)


@pytest.mark.parametrize(
    ("variables", "client", "says"),
    [(KAFKA, "confluent_kafka", "the client of Kafka"), (POSTGRES, "psycopg", "the client of PostgreSQL")],
)
def test_a_client_that_is_not_installed_is_named(
    variables: dict[str, str], client: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith(("matchday.backends.", client))]:
        if "kafka" in name or "postgres" in name or name.startswith(client):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, client, None)
    said = refused(load(None, variables), tmp_path)
    assert says in said
    assert "pip install 'matchday[cluster]'" in said


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "choose another with --data DIR" in refused(Settings(), tmp_path / "file" / "data")
