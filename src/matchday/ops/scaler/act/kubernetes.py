"""Kubernetes' scale subresource, by its HTTP API: with the service account's token and authority, and with the resource
version that was read, so that nobody else's change is written over."""

import ssl
from pathlib import Path
from typing import Any, Final

import msgspec

from matchday.ops.scaler.act.port import ActError, Count
from matchday.ops.scaler.http import Answer, Failed, ask
from matchday.ops.scaler.settings import Kubernetes as Settings

_STATEFUL: Final = "gate"
_CONFLICT: Final = 409


class OnKubernetes:
    """The workloads of one namespace."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._tls: ssl.SSLContext | None = None

    def count(self, target: str) -> Count:
        """See ``Actuator.count``: what the workload is told, and how many of its pods are ready."""
        found = self._asked("GET", self._path(target))
        try:
            return Count(found["spec"].get("replicas", 1), found.get("status", {}).get("readyReplicas", 0))
        except (KeyError, AttributeError) as error:
            raise ActError(f"{self._path(target)} is answered by something else: {error!r}") from error

    def scale(self, target: str, asked: int, wanted: int) -> None:
        """See ``Actuator.scale``."""
        path = f"{self._path(target)}/scale"
        found = self._asked("GET", path)
        there = found.get("spec", {}).get("replicas", 0)
        if there != asked:
            raise ActError(f"{target} has {there} replicas where it had {asked}: that was somebody else")
        version = found.get("metadata", {}).get("resourceVersion")
        if not version:
            raise ActError(f"{path} names no resourceVersion: nothing is written without it")
        found["spec"]["replicas"] = wanted
        written = self._asked("PUT", path, found)
        if written.get("spec", {}).get("replicas") != wanted:
            raise ActError(f"{target} was given {written.get('spec')} and not {wanted} replicas")

    def _path(self, target: str) -> str:
        usual = "statefulsets" if target == _STATEFUL else "deployments"
        kind = self._settings.workloads.get(target, usual)
        return f"/apis/apps/v1/namespaces/{self._settings.namespace}/{kind}/{target}"

    def _asked(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if self._settings.token_file:
            try:
                token = Path(self._settings.token_file).read_text().strip()
            except OSError as error:
                raise ActError(f"token {self._settings.token_file}: {error.strerror}; kubernetes.token_file") from error
            headers["Authorization"] = f"Bearer {token}"
        try:
            answer = ask(
                self._settings.address, method, path, body=None if body is None else msgspec.json.encode(body),
                headers=headers, timeout_s=self._settings.timeout_ms / 1_000, tls=self._context(),
            )  # fmt: skip
        except Failed as error:
            raise ActError(f"the API server does not answer: {error}") from error
        return _read(answer, method, path)

    def _context(self) -> ssl.SSLContext | None:
        if self._tls is None and self._settings.address.startswith("https"):
            try:
                self._tls = ssl.create_default_context(cafile=self._settings.ca_file or None)
            except OSError as error:
                raise ActError(f"authority {self._settings.ca_file}: {error}; see kubernetes.ca_file") from error
        return self._tls


def _read(answer: Answer, method: str, path: str) -> Any:
    try:
        found = msgspec.json.decode(answer.body) if answer.body else {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found = {}
    if answer.status // 100 == 2 and isinstance(found, dict):
        return found
    message = found.get("message", "") if isinstance(found, dict) else ""
    if answer.status == _CONFLICT:
        raise ActError(f"{path} was changed meanwhile (409): decided anew. {message}".strip())
    if answer.status in (401, 403):
        raise ActError(f"{method} {path} is not allowed ({answer.status}): the service account needs it. {message}")
    raise ActError(f"{method} {path} is answered {answer.status}. {message}".strip())
