"""The scale subresource, against an API server that is made up; the real kubectl finds the same there as we do."""

import shutil
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from matchday.ops.scaler.act.kubernetes import OnKubernetes
from matchday.ops.scaler.act.port import ActError, Count
from matchday.ops.scaler.settings import Kubernetes
from tests.unit.scaler.made_up import served

KUBECTL = shutil.which("kubectl")
GATE = "/apis/apps/v1/namespaces/matchday/statefulsets/gate"


class ApiServer:
    """As much of one as a scaler and kubectl ask for."""

    def __init__(self) -> None:
        self.replicas, self.ready, self.version = 3, 2, 7
        self.asked: list[tuple[str, str, Any]] = []
        self.tokens: list[str | None] = []
        self.fails: dict[str, tuple[int, Any]] = {}
        self.stale = False
        """Another has written between our reading and our writing."""

    def answer(self, method: str, path: str, body: Any, headers: Mapping[str, str]) -> tuple[int, Any]:
        path = path.partition("?")[0]
        self.asked.append((method, path, body))
        self.tokens.append(headers.get("Authorization"))
        if method in self.fails:
            return self.fails[method]
        if path == "/apis/apps/v1":
            return 200, {"kind": "APIResourceList", "groupVersion": "apps/v1", "resources": [
                {"name": "statefulsets", "singularName": "statefulset", "namespaced": True, "kind": "StatefulSet",
                 "verbs": ["get", "patch", "update"], "group": "apps", "version": "v1"},
                {"name": "statefulsets/scale", "singularName": "", "namespaced": True, "kind": "Scale",
                 "group": "autoscaling", "version": "v1", "verbs": ["get", "patch", "update"]}]}  # fmt: skip
        if path in ("/api", "/apis", "/api/v1"):
            return 200, self._discovery(path)
        if path == GATE:
            return 200, {
                "kind": "StatefulSet", "apiVersion": "apps/v1", "metadata": self._metadata(),
                "spec": {"replicas": self.replicas}, "status": {"replicas": self.replicas, "readyReplicas": self.ready},
            }  # fmt: skip
        if path == f"{GATE}/scale":
            return self._scale(method, body)
        return 404, {"kind": "Status", "status": "Failure", "message": f"{path} not found", "code": 404}

    def _scale(self, method: str, body: Any) -> tuple[int, Any]:
        if method in ("PUT", "PATCH"):
            if method == "PUT" and (self.stale or body["metadata"]["resourceVersion"] != str(self.version)):
                return 409, {"kind": "Status", "status": "Failure", "message": "the object has been modified"}
            self.replicas, self.version = body["spec"]["replicas"], self.version + 1
        return 200, {
            "kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": self._metadata(),
            "spec": {"replicas": self.replicas}, "status": {"replicas": self.replicas, "selector": "a=b"},
        }  # fmt: skip

    def _metadata(self) -> dict[str, str]:
        return {"name": "gate", "namespace": "matchday", "resourceVersion": str(self.version)}

    @staticmethod
    def _discovery(path: str) -> dict[str, Any]:
        version = {"groupVersion": "apps/v1", "version": "v1"}
        found: dict[str, dict[str, Any]] = {
            "/api": {"kind": "APIVersions", "versions": ["v1"]},
            "/apis": {"kind": "APIGroupList", "apiVersion": "v1",
                      "groups": [{"name": "apps", "versions": [version], "preferredVersion": version}]},
            "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": []},
        }  # fmt: skip
        return found[path]


@contextmanager
def cluster(tmp_path: Path) -> Iterator[tuple[ApiServer, OnKubernetes, str]]:
    token = tmp_path / "token"
    token.write_text("s3cret\n")
    server = ApiServer()
    with served(server.answer) as address:
        settings = Kubernetes(address=address, token_file=str(token), timeout_ms=60_000)
        yield server, OnKubernetes(settings), address


def test_it_counts_what_is_asked_for_and_what_is_ready(tmp_path: Path) -> None:
    with cluster(tmp_path) as (server, place, _):
        assert place.count("gate") == Count(3, 2)
        assert server.asked == [("GET", GATE, None)]
        assert server.tokens == ["Bearer s3cret"]


def test_it_writes_the_scale_with_the_version_that_it_read(tmp_path: Path) -> None:
    with cluster(tmp_path) as (server, place, _):
        place.scale("gate", 3, 5)
        assert [(method, path) for method, path, _ in server.asked] == [
            ("GET", f"{GATE}/scale"), ("PUT", f"{GATE}/scale"),
        ]  # fmt: skip
        written = server.asked[-1][2]
        assert (written["spec"], written["metadata"]["resourceVersion"]) == ({"replicas": 5}, "7")
        assert written["kind"] == "Scale"
        assert place.count("gate").asked == 5


def test_anothers_change_is_not_written_over(tmp_path: Path) -> None:
    """Somebody has asked for six; four, decided for three, would be a shrink that nobody decided."""
    with cluster(tmp_path) as (server, place, _):
        server.replicas = 6
        with pytest.raises(ActError, match="has 6 replicas where it had 3"):
            place.scale("gate", 3, 4)
        server.replicas, server.stale = 3, True
        with pytest.raises(ActError, match=r"changed meanwhile \(409\)"):
            place.scale("gate", 3, 4)
        assert server.replicas == 3


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ((403, {"message": "forbidden"}), r"GET .*gate is not allowed \(403\): the service account needs it"),
        ((401, {}), "not allowed"),
        ((404, {"message": "not found"}), "is answered 404. not found"),
        ((500, "oops"), "is answered 500"),
        ((200, "no json"), "is answered by something else"),
        ((200, {"kind": "Status"}), "is answered by something else"),
    ],
)
def test_what_is_no_count_is_said(tmp_path: Path, answer: tuple[int, Any], why: str) -> None:
    with cluster(tmp_path) as (server, place, _):
        server.fails["GET"] = answer
        with pytest.raises(ActError, match=why):
            place.count("gate")


def test_a_write_that_did_not_stand_is_said(tmp_path: Path) -> None:
    with cluster(tmp_path) as (server, place, _):
        server.fails["PUT"] = 200, {"spec": {"replicas": 3}}
        with pytest.raises(ActError, match="and not 5 replicas"):
            place.scale("gate", 3, 5)
        server.fails = {"GET": (200, {"spec": {"replicas": 3}})}
        with pytest.raises(ActError, match="names no resourceVersion"):
            place.scale("gate", 3, 5)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    token = str(tmp_path / "none")
    with pytest.raises(ActError, match=r"token .*none: .*kubernetes.token_file"):
        OnKubernetes(Kubernetes(address="http://127.0.0.1:1", token_file=token)).count("gate")
    with pytest.raises(ActError, match=r"the API server does not answer: http://127\.0\.0\.1:1"):
        OnKubernetes(Kubernetes(address="http://127.0.0.1:1", token_file="")).count("gate")
    with pytest.raises(ActError, match=r"authority .*none: .*see kubernetes.ca_file"):
        OnKubernetes(Kubernetes(address="https://127.0.0.1:1", token_file="", ca_file=token)).count("gate")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="NOT RUN: openssl is missing")
def test_the_api_servers_certificate_is_checked_by_its_authority(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "ca.crt"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key),
         "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with served(ApiServer().answer, context) as address:
        known = Kubernetes(address=address, token_file="", ca_file=str(certificate))
        assert OnKubernetes(known).count("gate") == Count(3, 2)
        with pytest.raises(ActError, match="CERTIFICATE_VERIFY_FAILED"):
            OnKubernetes(Kubernetes(address=address, token_file="", ca_file="")).count("gate")


@pytest.mark.skipif(KUBECTL is None, reason="NOT RUN: kubectl is missing, so that our API server is only our own idea")
def test_kubectl_finds_there_what_we_wrote_and_we_what_it_did(tmp_path: Path) -> None:
    assert KUBECTL is not None
    with cluster(tmp_path) as (server, place, address):
        place.scale("gate", 3, 5)
        words = [KUBECTL, f"--server={address}", "--namespace=matchday", f"--cache-dir={tmp_path}"]
        done = subprocess.run([*words, "scale", "statefulset", "gate", "--current-replicas=5", "--replicas=6"],
                              capture_output=True, text=True, check=False, env={"HOME": str(tmp_path)})  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert place.count("gate").asked == server.replicas == 6
