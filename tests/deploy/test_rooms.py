"""The rooms on Kubernetes: started with settings that they take, asked where they answer, given the time they need."""

from pathlib import Path

import pytest

from matchday.app import ROOMS
from matchday.app.metric_list import BY_NAME, Kind
from matchday.app.workers import ALONE
from matchday.commands import parser
from matchday.config import Settings
from matchday.edge.ops import OpsPort
from tests.deploy.objects import (
    KUBERNETES,
    OVERLAYS,
    Object,
    built,
    container_of,
    is_file,
    named,
    pod_of,
    settings_of,
    variables,
    workloads,
)

GRACEFUL_S = 5
"""Seconds that requests may go on when a gate's clients have been sent elsewhere (``make_server``)."""
SPARE_S = 5
FAIL_OVER_S = 10
"""Seconds until a ledger whose primary was lost is there again."""
READY_S = 90
"""Seconds in which a room that starts must be ready (``matchday cluster``)."""


def rooms_of(overlay: str) -> list[Object]:
    return built(f"rooms/{overlay}")


def of_each_room(overlay: str) -> dict[str, Object]:
    found = workloads(rooms_of(overlay))
    assert set(found) == set(ROOMS)
    return found


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_each_room_takes_its_settings_and_words(overlay: str, tmp_path: Path) -> None:
    objects = rooms_of(overlay)
    for room, workload in of_each_room(overlay).items():
        settings = settings_of(workload, objects, tmp_path)
        assert (settings.log.kind, settings.ledger.kind) == ("kafka", "postgres")
        assert settings.kafka.brokers
        assert (settings.doors.host, settings.ops.host) == ("0.0.0.0", "0.0.0.0")
        assert (settings.cache.kind == "redis") == (room == "gate"), "only gates may reach the cache"
        words = parser().parse_args(container_of(workload)["args"])
        assert (words.command, words.rooms) == ("run", [room])
        mounts = {mount["mountPath"] for mount in container_of(workload)["volumeMounts"]}
        assert str(words.config.parent) in mounts


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_file_that_a_setting_names_is_mounted(overlay: str, tmp_path: Path) -> None:
    objects = rooms_of(overlay)
    for room, workload in of_each_room(overlay).items():
        container, settings = container_of(workload), settings_of(workload, objects, tmp_path)
        files = [one["value"] for one in container["env"] if is_file(one["name"])]
        files += [value for value in settings.kafka.client.values() if value.startswith("/")]
        files += [settings.doors.secret_file] if room == "gate" else []
        assert len(files) == (6 if room == "gate" else 5)
        mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
        volumes = {volume["name"]: volume for volume in pod_of(workload)["volumes"]}
        for file in files:
            mount = mounts[str(Path(file).parent)]
            assert mount["readOnly"]
            # The files are root's; the room's user reads them by its group.
            assert volumes[mount["name"]]["secret"]["defaultMode"] == 0o440
            assert pod_of(workload)["securityContext"]["fsGroup"] == pod_of(workload)["securityContext"]["runAsGroup"]
        assert ("doors" in volumes) == (room == "gate"), "the key that signs is for gates"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_names_lead_to_what_is_there(overlay: str) -> None:
    objects = rooms_of(overlay)
    for room, workload in of_each_room(overlay).items():
        pod, template = pod_of(workload), workload["spec"]["template"]["metadata"]["labels"]
        assert pod["serviceAccountName"] in named(objects, "ServiceAccount")
        for chosen in (
            workload["spec"]["selector"],
            named(objects, "PodDisruptionBudget")[room]["spec"]["selector"],
            *(spread["labelSelector"] for spread in pod["topologySpreadConstraints"]),
        ):
            assert chosen["matchLabels"].items() <= template.items()
            assert chosen["matchLabels"] == {"app.kubernetes.io/component": room}
    gate = of_each_room(overlay)["gate"]
    ports = {port["name"] for port in container_of(gate)["ports"]}
    for service in named(objects, "Service").values():
        assert service["spec"]["selector"].items() <= gate["spec"]["template"]["metadata"]["labels"].items()
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports
    assert gate["spec"]["serviceName"] in named(objects, "Service")


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_probes_ask_what_the_ops_port_answers(overlay: str, tmp_path: Path) -> None:
    objects, ops = rooms_of(overlay), OpsPort(["odds"], list, list)
    for room, workload in of_each_room(overlay).items():
        container, settings = container_of(workload), settings_of(workload, objects, tmp_path)
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        assert ports["ops"] == settings.ops.port
        assert ports.get("door", settings.doors.port) == settings.doors.port
        assert ("door" in ports) == (room == "gate")
        for probe, path in (("startup", "/healthz"), ("readiness", "/readyz"), ("liveness", "/healthz")):
            asked = container[f"{probe}Probe"]["httpGet"]
            assert (asked["path"], asked["port"]) == (path, "ops")
            assert ops.answer(f"GET {asked['path']} HTTP/1.1\r\n\r\n".encode()).startswith(b"HTTP/1.1 200 ")
        assert patience_s(container, "startup") >= READY_S
        annotations = workload["spec"]["template"]["metadata"]["annotations"]
        assert annotations["prometheus.io/port"] == str(settings.ops.port)
        assert ops.answer(f"GET {annotations['prometheus.io/path']} HTTP/1.1\r\n\r\n".encode())[9:12] == b"200"


def patience_s(container: Object, probe: str) -> int:
    """Seconds until a probe that fails has failed."""
    found = container[f"{probe}Probe"]
    patience: int = found["periodSeconds"] * (found["failureThreshold"] - 1)
    return patience


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_fail_over_of_the_ledger_takes_no_gate_away(overlay: str, tmp_path: Path) -> None:
    gate = of_each_room(overlay)["gate"]
    settings = settings_of(gate, rooms_of(overlay), tmp_path)
    assert patience_s(container_of(gate), "readiness") > FAIL_OVER_S
    # What is asked of the ledger for it may take that long.
    assert container_of(gate)["readinessProbe"]["timeoutSeconds"] * 1_000 > settings.postgres.read_ms_max


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_who_stops_has_the_time_it_needs(overlay: str, tmp_path: Path) -> None:
    objects = rooms_of(overlay)
    for room, workload in of_each_room(overlay).items():
        settings = settings_of(workload, objects, tmp_path)
        grace_s = pod_of(workload)["terminationGracePeriodSeconds"]
        assert grace_s >= needed_s(room, settings, before_s(container_of(workload))) + SPARE_S, room


def before_s(container: Object) -> int:
    """Seconds before SIGTERM, in which balancers forget it."""
    seconds: int = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    return seconds


def needed_s(room: str, settings: Settings, before_s: int) -> float:
    """Seconds that a room's end may take."""
    needed = before_s + settings.ops.drain_ms / 1_000
    return needed + settings.push.drain_ms / 1_000 + GRACEFUL_S if room == "gate" else needed


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_balancers_forget_a_gate_before_it_is_told_to_stop(overlay: str) -> None:
    for room, workload in of_each_room(overlay).items():
        assert (before_s(container_of(workload)) > 0) == (room == "gate")


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_each_gate_has_a_number_of_its_own(overlay: str, tmp_path: Path) -> None:
    objects, gate = rooms_of(overlay), of_each_room(overlay)["gate"]
    assert gate["kind"] == "StatefulSet"
    number = {one["name"]: one for one in container_of(gate)["env"]}["MATCHDAY_BETS_WRITER"]
    ordinal = "metadata.labels['apps.kubernetes.io/pod-index']"
    assert number["valueFrom"]["fieldRef"]["fieldPath"] == ordinal
    most = named(objects, "HorizontalPodAutoscaler").get("gate", {}).get("spec", {}).get("maxReplicas")
    assert settings_of(gate, objects, tmp_path).bets.writers == (most or gate["spec"]["replicas"])


def test_a_room_is_as_many_as_can_work(tmp_path: Path) -> None:
    objects, rooms = rooms_of("production"), of_each_room("production")
    scaled = named(objects, "HorizontalPodAutoscaler")
    assert set(scaled) == set(ROOMS) - ALONE
    for room in ALONE:
        assert rooms[room]["spec"]["replicas"] == 2, "one works, one stands by"
    for room, scaler in scaled.items():
        assert "replicas" not in rooms[room]["spec"], "it would undo what the scaler did whenever it is applied"
        target = scaler["spec"]["scaleTargetRef"]
        assert (target["kind"], target["name"]) == (rooms[room]["kind"], room)
        assert scaler["spec"]["minReplicas"] >= 2
        if room != "gate":
            settings = settings_of(rooms[room], objects, tmp_path)
            assert scaler["spec"]["maxReplicas"] <= settings.kafka.partitions


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_all_of_it_can_be_applied_room_by_room(overlay: str) -> None:
    """As docs/deploying.md does: by the label."""
    for one in rooms_of(overlay):
        part = one["metadata"]["labels"]["app.kubernetes.io/component"]
        own = one["kind"] not in ("Namespace", "ConfigMap", "NetworkPolicy")
        assert part in (ROOMS if own else ("platform",)), one["metadata"]["name"]


def test_gates_are_counted_by_a_figure_that_they_say(tmp_path: Path) -> None:
    objects = rooms_of("production")
    (figure,) = (
        one["pods"] for one in named(objects, "HorizontalPodAutoscaler")["gate"]["spec"]["metrics"] if "pods" in one
    )
    assert BY_NAME[figure["metric"]["name"]].kind is Kind.GAUGE
    adapter = (KUBERNETES / "prometheus-adapter.yaml").read_text()
    assert f"seriesQuery: {figure['metric']['name']}{{" in adapter
    fans_max = settings_of(of_each_room("production")["gate"], objects, tmp_path).lobby.fans_max
    assert int(figure["target"]["averageValue"].replace("k", "000")) <= 0.7 * fans_max, "a gate takes minutes to come"


def test_no_two_of_a_room_go_at_once_in_production() -> None:
    objects = rooms_of("production")
    for room, workload in of_each_room("production").items():
        assert named(objects, "PodDisruptionBudget")[room]["spec"]["maxUnavailable"] == 1
        zone, machine = pod_of(workload)["topologySpreadConstraints"]
        assert (zone["topologyKey"], zone["whenUnsatisfiable"]) == ("topology.kubernetes.io/zone", "DoNotSchedule")
        assert machine["topologyKey"] == "kubernetes.io/hostname"
        if workload["kind"] == "Deployment":
            assert workload["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_nothing_is_reached_but_what_is_needed(overlay: str, tmp_path: Path) -> None:
    objects, gate = rooms_of(overlay), of_each_room(overlay)["gate"]
    policies = named(objects, "NetworkPolicy")
    assert policies.pop("nothing")["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    opened = {
        (way, port["port"])
        for policy in policies.values()
        for way in ("ingress", "egress")
        for rule in policy["spec"].get(way, ())
        for port in rule["ports"]
        if rule["from" if way == "ingress" else "to"]
    }
    settings = settings_of(gate, objects, tmp_path)
    brokers = {int(broker.rpartition(":")[2]) for broker in settings.kafka.brokers}
    cache = int(variables(container_of(gate), objects)["MATCHDAY_CACHE_ADDRESS"].rpartition(":")[2].partition("/")[0])
    assert {port for way, port in opened if way == "egress"} == {53, 5432, cache} | brokers
    assert {port for way, port in opened if way == "ingress"} == {settings.doors.port, settings.ops.port}
    for policy in policies.values():
        assert policy["spec"]["podSelector"]["matchLabels"].items() <= (
            gate["spec"]["template"]["metadata"]["labels"].items()
        )
