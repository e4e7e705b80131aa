"""The engines by their operators: topics as the log declares them, and nothing answered that one machine alone has."""

from pathlib import Path

import pytest

from matchday.backends.kafka import RECORD_BYTES_MAX
from matchday.backends.kafka_topics import topics
from tests.deploy.objects import OVERLAYS, built, container_of, named, pod_of, settings_of, variables, workloads


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_topics_are_those_that_the_log_declares(overlay: str, tmp_path: Path) -> None:
    rooms = built(f"rooms/{overlay}")
    settings = settings_of(workloads(rooms)["odds"], rooms, tmp_path).kafka
    found = {one["spec"]["topicName"]: one for one in named(built(f"engines/{overlay}"), "KafkaTopic").values()}
    assert set(found) == {topic.name for topic in topics(settings)}
    for topic in topics(settings):
        spec = found[topic.name]["spec"]
        said = {name: str(value).lower() if isinstance(value, bool) else str(value)
                for name, value in spec["config"].items()}  # fmt: skip
        assert (spec["partitions"], spec["replicas"], said) == (topic.partitions, topic.replicas, topic.config)
        assert found[topic.name]["metadata"]["labels"] == {"strimzi.io/cluster": "log"}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_there_are_brokers_for_as_many_replicas(overlay: str, tmp_path: Path) -> None:
    rooms, engines = built(f"rooms/{overlay}"), built(f"engines/{overlay}")
    kafka = settings_of(workloads(rooms)["odds"], rooms, tmp_path).kafka
    brokers = named(engines, "KafkaNodePool")["brokers"]["spec"]
    config = named(engines, "Kafka")["log"]["spec"]["kafka"]["config"]
    assert brokers["roles"] == ["broker"]
    assert brokers["replicas"] == kafka.replicas == config["offsets.topic.replication.factor"]
    assert config["min.insync.replicas"] == (2 if kafka.replicas == 3 else 1)
    assert config["message.max.bytes"] == config["replica.fetch.max.bytes"] == RECORD_BYTES_MAX
    assert config["group.min.session.timeout.ms"] <= kafka.silence_ms_max
    assert not config["auto.create.topics.enable"]
    assert not config["unclean.leader.election.enable"]


def test_an_answered_bet_is_on_two_machines() -> None:
    ledger = named(built("engines/production"), "Cluster")["ledger"]["spec"]
    assert ledger["instances"] == 3
    assert ledger["postgresql"]["synchronous"] == {
        "method": "any", "number": 1, "dataDurability": "required", "failoverQuorum": True,
    }  # fmt: skip
    assert ledger["postgresql"]["parameters"]["synchronous_commit"] == "on"
    assert ledger["affinity"]["podAntiAffinityType"] == "required"
    assert ledger["affinity"]["topologyKey"] == "topology.kubernetes.io/zone"


def test_the_ledger_has_connections_for_all_rooms(tmp_path: Path) -> None:
    """Each process has ``postgres.writers`` for commits, one for reads and one that watches the outbox."""
    rooms = built("rooms/production")
    settings = settings_of(workloads(rooms)["gate"], rooms, tmp_path)
    scaled = named(rooms, "HorizontalPodAutoscaler").values()
    most = sum(one["spec"]["maxReplicas"] + 1 for one in scaled) + 2 * (2 + 1)  # and one more while rolled out
    ledger = named(built("engines/production"), "Cluster")["ledger"]["spec"]
    assert most * (settings.postgres.writers + 3) < int(ledger["postgresql"]["parameters"]["max_connections"])


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_rooms_and_engines_name_each_other(overlay: str, tmp_path: Path) -> None:
    rooms, engines = built(f"rooms/{overlay}"), built(f"engines/{overlay}")
    kafka, gate = named(engines, "Kafka")["log"], workloads(rooms)["gate"]
    (listener,) = kafka["spec"]["kafka"]["listeners"]
    space = kafka["metadata"]["namespace"]
    settings = settings_of(gate, rooms, tmp_path)
    # What Strimzi calls the service of a cluster's brokers.
    assert settings.kafka.brokers == (f"log-kafka-bootstrap.{space}.svc:{listener['port']}",)
    assert (
        listener["authentication"]["type"] == named(engines, "KafkaUser")["matchday"]["spec"]["authentication"]["type"]
    )
    cache = named(engines, "Service")["cache"]
    asked = variables(container_of(gate), rooms)["MATCHDAY_CACHE_ADDRESS"]
    assert asked == f"redis://cache.{space}.svc:{cache['spec']['ports'][0]['port']}/0"
    labels = gate["spec"]["template"]["metadata"]["labels"]
    for policy in named(engines, "NetworkPolicy").values():
        first = policy["spec"]["ingress"][0]["from"][0]
        assert first["podSelector"]["matchLabels"].items() <= labels.items()
        assert first["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] == gate["metadata"]["namespace"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_rooms_may_use_their_topics_and_make_none(overlay: str, tmp_path: Path) -> None:
    rooms, engines = built(f"rooms/{overlay}"), built(f"engines/{overlay}")
    platform = settings_of(workloads(rooms)["odds"], rooms, tmp_path).kafka.platform
    acls = {
        acl["resource"]["type"]: acl for acl in named(engines, "KafkaUser")["matchday"]["spec"]["authorization"]["acls"]
    }
    for acl in acls.values():
        assert (acl["resource"]["name"], acl["resource"]["patternType"]) == (f"{platform}.", "prefix")
    assert set(acls["topic"]["operations"]) == {"Describe", "DescribeConfigs", "Read", "Write"}


def test_a_cache_that_is_lost_is_there_again_soon() -> None:
    cache = workloads(built("engines/production"))["cache"]
    assert {one["tolerationSeconds"] for one in pod_of(cache)["tolerations"]} == {10}
