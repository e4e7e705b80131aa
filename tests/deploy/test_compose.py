"""``compose.yaml``: it names what is there, and its rooms take the settings they are given."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from matchday.app import ROOMS
from matchday.commands import parser
from matchday.config import Settings, load
from matchday.ops import cluster_balancer
from tests.deploy.objects import DEPLOY, is_file
from tests.deploy.test_rooms import SPARE_S, needed_s

COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("matchday:")}
RUN = {name: service for name, service in OURS.items() if service["command"][0] == "run"}
BALANCER = DEPLOY / "compose" / "haproxy.cfg"
HAPROXY = shutil.which("haproxy")


def settings_of(service: dict[str, Any]) -> Settings:
    environment = {name: value for name, value in service["environment"].items() if not is_file(name)}
    return load(DEPLOY / "compose" / "matchday.toml", environment)


def seconds(text: str) -> int:
    return int(text.removesuffix("s"))


def test_every_room_runs() -> None:
    rooms = [parser().parse_args(service["command"]).rooms[0] for service in RUN.values()]
    assert sorted(rooms) == sorted([*ROOMS, "gate"])
    assert {name for name, service in RUN.items() if service.get("deploy") == {"replicas": 2}} == {"odds", "settlement"}
    topics = parser().parse_args(OURS["topics"]["command"])
    assert (topics.command, topics.cluster_command) == ("cluster", "init")


@pytest.mark.parametrize("name", RUN)
def test_a_room_takes_its_settings_and_has_time_to_stop(name: str) -> None:
    service = RUN[name]
    settings, room = settings_of(service), service["command"][1]
    assert (settings.log.kind, settings.ledger.kind) == ("kafka", "postgres")
    assert seconds(service["stop_grace_period"]) >= needed_s(room, settings, 0) + SPARE_S
    assert f":{settings.ops.port}/readyz" in service["healthcheck"]["test"][-1]
    (config,) = service["configs"]
    assert str(parser().parse_args(service["command"]).config) == config["target"]
    files = [value for key, value in service["environment"].items() if key.endswith("_FILE")]
    assert files == [f"/run/secrets/{secret}" for secret in service["secrets"]]
    if room == "gate":
        assert settings.cache.address == "redis://valkey:6379/0"
        assert settings.doors.connections_max < service["ulimits"]["nofile"]


def test_each_gate_has_a_number_of_its_own() -> None:
    gates = [settings_of(service).bets for name, service in RUN.items() if name.startswith("gate")]
    assert [gate.writer for gate in gates] == list(range(len(gates)))
    assert {gate.writers for gate in gates} == {len(gates)}


def test_what_is_named_is_there() -> None:
    for service in SERVICES.values():
        assert set(service["networks"]) <= COMPOSE["networks"].keys()
        assert set(service.get("secrets", ())) <= COMPOSE["secrets"].keys()
        assert set(service.get("depends_on", ())) <= SERVICES.keys()
        assert {config["source"] for config in service.get("configs", ())} <= COMPOSE["configs"].keys()
        for volume in service.get("volumes", ()):
            assert volume.partition(":")[0] in COMPOSE["volumes"]
    for config in COMPOSE["configs"].values():
        assert (DEPLOY / config["file"]).is_file()
    script = (DEPLOY / "compose" / "secrets.sh").read_text()
    for name, secret in COMPOSE["secrets"].items():
        assert secret["file"] == f"compose/secrets/{name}"
        assert re.search(rf"(?m)> {name}$|-out {name} ", script)
    (proxies,) = settings_of(RUN["gate-0"]).doors.trusted_proxies
    assert COMPOSE["networks"]["fans"]["ipam"]["config"] == [{"subnet": proxies}]


def test_no_service_has_more_rights_than_it_needs() -> None:
    for name, service in SERVICES.items():
        assert re.fullmatch(r"[\w/-]+:\d[\w.-]*", service["image"]), f"{name}: a release of a public name"
        assert service["user"].partition(":")[0] not in ("root", "0")
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert not {"privileged", "network_mode", "pid"} & service.keys()
        if name not in ("postgres", "kafka"):
            assert service["read_only"] is True
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["haproxy"]
    assert all(port.startswith("127.0.0.1:") for port in SERVICES["haproxy"]["ports"])


def test_nothing_here_is_secret() -> None:
    text = (DEPLOY / "compose.yaml").read_text() + (DEPLOY / "compose" / "matchday.toml").read_text()
    assert not re.search(r"(?i)password[ \t]*[:=][ \t]*\S", text.replace("PASSWORD_FILE", ""))
    assert "/deploy/compose/secrets/" in (DEPLOY.parent / ".gitignore").read_text().splitlines()


def test_the_secrets_are_made_once_and_fit_each_other(tmp_path: Path) -> None:
    script = shutil.copy(DEPLOY / "compose" / "secrets.sh", tmp_path)
    subprocess.run([script], check=True)
    made = {path.name: path.read_bytes() for path in (tmp_path / "secrets").iterdir()}
    assert set(made) == set(COMPOSE["secrets"])
    assert len(made["doors"]) == 32
    assert made["ledger_address"].strip().endswith(b"password=" + made["ledger_password"].strip())
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    subprocess.run([script], check=True)
    assert {path.name: path.read_bytes() for path in (tmp_path / "secrets").iterdir()} == made


def test_the_balancer_is_set_as_that_of_a_local_cluster() -> None:
    def part(text: str, name: str) -> list[str]:
        found = re.search(rf"(?m)^{name}\n((?:[ ]+.*\n)+)", text)
        assert found is not None
        return [line.strip() for line in found[1].splitlines()]

    text = BALANCER.read_text()
    assert part(text, "defaults") == part(cluster_balancer._CONFIG, "defaults")
    check = cluster_balancer._CHECK.format(ops=settings_of(RUN["gate-0"]).ops.port)
    assert any(line.startswith(f"default-server {check} ") for line in part(text, "backend gates"))
    for line in ("balance leastconn", "option httpchk GET /readyz", "http-check expect status 200"):
        assert line in part(text, "backend gates")
        assert line in part(cluster_balancer._CONFIG, "backend gates")
    gates = [name for name in RUN if name.startswith("gate")]
    port = settings_of(RUN["gate-0"]).doors.port
    assert re.findall(r"(?m)^\s+server (\S+) (\S+)$", text) == [(gate, f"{gate}:{port}") for gate in gates]


@pytest.mark.skipif(HAPROXY is None, reason="NOT RUN: haproxy is missing; CI installs it")
def test_haproxy_takes_its_file() -> None:
    assert HAPROXY is not None
    done = subprocess.run([HAPROXY, "-c", "-f", str(BALANCER)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
