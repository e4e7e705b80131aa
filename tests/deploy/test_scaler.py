"""The autoscaler on Kubernetes: settings that it takes, KEDA's objects that ask it where it answers, and a fallback
under which no failure of it makes anything smaller."""

from pathlib import Path
from typing import Any

import pytest

from matchday.app import ROOMS
from matchday.commands import parser
from matchday.ops import capacity
from matchday.ops.forecast import calendar
from matchday.ops.scaler.keda import METADATA
from matchday.ops.scaler.settings import Settings, load
from matchday.ops.scaler.sizes import sizes
from tests.deploy.objects import Object, built, container_of, named, pod_of

OBJECTS = built("scaler/production")
ROOMS_THERE = built("rooms/production")
SCALED = named(OBJECTS, "ScaledObject")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """As the pod reads them, with the files beside."""
    (files,) = [one["data"] for one in OBJECTS if one["kind"] == "ConfigMap"]
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    return load(tmp_path / "scaler.toml")


def trigger(scaled: Object, kind: str) -> Any:
    (found,) = [one for one in scaled["spec"]["triggers"] if one["type"] == kind]
    return found


def test_it_takes_its_settings_and_its_model(settings: Settings, tmp_path: Path) -> None:
    assert settings.mode == "observe", "it says what it would do before it does it"
    model = capacity.read(tmp_path / settings.capacity)
    assert capacity.doubts(model) == []
    assert all(one.origin == "assumed" for room in model.rooms.values() for one in room.carries.values())
    assert set(sizes(settings, model)) == set(settings.rooms) <= set(ROOMS)
    for name in settings.forecast.calendars:
        assert calendar.read(tmp_path / name).fixtures
    words = parser().parse_args(container_of(named(OBJECTS, "Deployment")["autoscaler"])["args"])
    assert (words.command, words.mode) == ("autoscale", None)


def test_nothing_of_it_is_written_in_its_pod(settings: Settings) -> None:
    pod = pod_of(named(OBJECTS, "Deployment")["autoscaler"])
    assert (settings.decisions, settings.history.folder) == ("", "")
    assert settings.loads.source == "prometheus", "history comes from there"
    (volume,) = pod["volumes"]
    assert volume["configMap"]["name"] in named(OBJECTS, "ConfigMap")


def test_keda_asks_where_it_answers(settings: Settings) -> None:
    service = named(OBJECTS, "Service")["autoscaler"]
    deployment = named(OBJECTS, "Deployment")["autoscaler"]
    (port,) = service["spec"]["ports"]
    listens = int(settings.keda.listen.rpartition(":")[2])
    ports = {one["name"]: one["containerPort"] for one in container_of(deployment)["ports"]}
    assert ports[port["targetPort"]] == listens
    assert service["spec"]["selector"].items() <= deployment["spec"]["template"]["metadata"]["labels"].items()
    where = f"autoscaler.{service['metadata']['namespace']}.svc:{port['port']}"
    assert set(SCALED) == set(settings.rooms)
    for room, scaled in SCALED.items():
        asked = trigger(scaled, "external")
        assert asked["metadata"] == {"scalerAddress": where, METADATA: room}
        assert asked["metricType"] == "AverageValue", "the fallback is for these alone"
    streams = 2 * len(SCALED)
    assert settings.keda.streams_max >= streams
    assert deployment["spec"]["replicas"] == 1
    assert deployment["spec"]["strategy"] == {"type": "Recreate"}


def test_a_failure_of_it_makes_nothing_smaller(settings: Settings) -> None:
    for room, scaled in SCALED.items():
        spec, bounds = scaled["spec"], settings.rooms[room]
        assert spec["fallback"]["behavior"] == "currentReplicasIfHigher"
        assert spec["fallback"]["replicas"] >= bounds.floor
        assert spec["minReplicaCount"] == bounds.floor >= 1, "never to none: that way KEDA goes by itself"
        assert spec["maxReplicaCount"] == bounds.ceiling
        assert not {"idleReplicaCount"} & spec.keys()
        assert trigger(scaled, "cpu")


def test_it_scales_what_is_there_and_within_its_bounds(settings: Settings) -> None:
    """The bounds are those of the scalers that it stands in for."""
    before = named(ROOMS_THERE, "HorizontalPodAutoscaler")
    for room, scaled in SCALED.items():
        target = scaled["spec"]["scaleTargetRef"]
        assert target["name"] in named(ROOMS_THERE, target["kind"])
        assert target == before[room]["spec"]["scaleTargetRef"]
        assert scaled["spec"]["minReplicaCount"] == before[room]["spec"]["minReplicas"]
        assert scaled["spec"]["maxReplicaCount"] == before[room]["spec"]["maxReplicas"]


def test_one_more_is_beyond_what_kubernetes_leaves_alone() -> None:
    """It changes nothing within a tenth: from ten on, one more would not be made."""
    for scaled in SCALED.values():
        most = scaled["spec"]["maxReplicaCount"]
        assert most / (most - 1) - 1 > 0.1
        down = scaled["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"]
        assert down["policies"][0]["type"] == "Pods"


def test_it_reaches_what_it_asks_and_nothing_else(settings: Settings) -> None:
    policies = named(OBJECTS, "NetworkPolicy")
    out = {port["port"] for rule in policies["autoscaler-asks"]["spec"]["egress"] for port in rule["ports"]}
    assert out == {53, 9090, 8000}
    assert settings.loads.prometheus.endswith(":9090")
    (gates,) = policies["autoscaler-to-gates"]["spec"]["ingress"]
    assert gates["ports"] == [{"protocol": "TCP", "port": 8000}]
    (keda,) = policies["keda-to-autoscaler"]["spec"]["ingress"]
    assert keda["ports"] == [{"protocol": "TCP", "port": int(settings.keda.listen.rpartition(":")[2])}]
    host = settings.matches.door.rpartition("/")[2].split(".")[0]
    assert host in named(ROOMS_THERE, "Service")
