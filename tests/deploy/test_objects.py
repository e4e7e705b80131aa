"""Every object in ``deploy/kubernetes``: built from what stands there, and taken by the schemas of whom it is for."""

import gzip
import hashlib
import json
import re
import shutil
import subprocess
from functools import lru_cache
from typing import Any

import jsonschema_rs
import pytest

from tests.deploy.make_schemas import SCHEMAS
from tests.deploy.objects import BUILT, KUBERNETES, RENDERED, Object, built, every, parsed, pod_of, workloads

KUBECTL = shutil.which("kubectl")


@lru_cache
def schemas() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(gzip.decompress(SCHEMAS.read_bytes()))
    return found


@lru_cache
def validator(kind: str) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(schemas()[kind])


def faults(one: Object) -> list[str]:
    kind = f"{one['apiVersion']} {one['kind']}"
    where = f"{one['kind']} {one['metadata']['name']}"
    return [f"{where} {list(error.instance_path)}: {error.message}" for error in validator(kind).iter_errors(one)]


def test_what_was_built_was_built_from_what_stands_here() -> None:
    """Without kubectl, of which CI has none: by hashes of the sources."""
    lines = [line.split("  ", 1) for line in (RENDERED / "sources.sha256").read_text().splitlines()]
    said = {path: digest for digest, path in lines}
    folders = [KUBERNETES / part for part in ("engines", "rooms", "scaler")]
    sources = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    found = {str(path.relative_to(KUBERNETES)): hashlib.sha256(path.read_bytes()).hexdigest() for path in sources}
    assert found == said, "say `make manifests`"


@pytest.mark.skipif(KUBECTL is None, reason="NOT RUN: kubectl is missing, so that kustomize built nothing here")
@pytest.mark.parametrize("of", BUILT)
def test_kustomize_builds_it_today(of: str) -> None:
    assert KUBECTL is not None
    done = subprocess.run([KUBECTL, "kustomize", str(KUBERNETES / of)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert parsed(done.stdout) == built(of), "say `make manifests`"


@pytest.mark.parametrize("of", BUILT)
def test_every_object_is_taken_by_the_schema_of_its_kind(of: str) -> None:
    objects = built(of)
    assert len(objects) >= (8 if of.startswith("scaler") else 11)
    assert [fault for one in objects for fault in faults(one)] == []


def test_the_schemas_refuse_what_they_do_not_know() -> None:
    """Else the test above would prove nothing."""
    rooms, engines, scaler = built("rooms/production"), built("engines/production"), built("scaler/production")
    for objects, kind, path in (
        (rooms, "StatefulSet", ("spec", "template", "spec")),
        (rooms, "HorizontalPodAutoscaler", ("spec", "behavior")),
        (rooms, "NetworkPolicy", ("spec",)),
        (engines, "Cluster", ("spec", "postgresql", "synchronous")),
        (engines, "Kafka", ("spec", "kafka")),
        (engines, "KafkaNodePool", ("spec", "template", "pod")),
        (engines, "KafkaTopic", ("spec",)),
        (engines, "KafkaUser", ("spec", "authorization")),
        (scaler, "ScaledObject", ("spec", "fallback")),
        (scaler, "ScaledObject", ("spec", "advanced", "horizontalPodAutoscalerConfig", "behavior", "scaleDown")),
    ):
        one: dict[str, Any] = json.loads(json.dumps(next(one for one in objects if one["kind"] == kind)))
        assert faults(one) == []
        part = one
        for name in path:
            part = part[name]
        part["replica"] = 3
        assert faults(one), kind


@pytest.mark.parametrize("of", BUILT)
def test_nothing_here_is_secret(of: str) -> None:
    for one in built(of):
        assert one["kind"] != "Secret"
        for variable in (variable for listed in every(one, "env") for variable in listed):
            secret = re.search(r"PASSWORD|SECRET|KEY|ADDRESS|STANDBY", variable["name"])
            assert not secret or variable["name"].endswith("_FILE") or "@" not in variable["value"]
    text = "".join(path.read_text() for path in (KUBERNETES / of).parent.rglob("*.yaml"))
    assert not re.search(r"PRIVATE KEY|password\s*[:=]\s*\S", text)


@pytest.mark.parametrize("of", BUILT)
def test_every_image_has_a_release(of: str) -> None:
    images = [*every(built(of), "image"), *every(built(of), "imageName")]
    assert len(images) >= {"engines": 2, "rooms": 5, "scaler": 1}[of.partition("/")[0]]
    for image in images:
        assert re.fullmatch(r"[\w./-]+:\d[\w.-]*(@sha256:[0-9a-f]{64})?", image), image


@pytest.mark.parametrize("of", BUILT)
def test_no_container_has_more_rights_than_it_needs(of: str) -> None:
    for name, workload in workloads(built(of)).items():
        pod = pod_of(workload)
        assert pod["automountServiceAccountToken"] is False, name
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] >= 999
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & pod.keys()
        for volume in pod.get("volumes", ()):
            assert volume.keys() & {"configMap", "secret"}, f"{name}: {volume['name']} can be written to"
        for container in pod["containers"]:
            rights = container["securityContext"]
            assert rights["readOnlyRootFilesystem"] is True
            assert rights["allowPrivilegeEscalation"] is False
            assert rights["capabilities"] == {"drop": ["ALL"]}
            assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
            assert "memory" in container["resources"]["limits"]
