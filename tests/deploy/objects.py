"""What stands in ``deploy/``, read: Kubernetes' objects as they were built, and settings as rooms would load them."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import yaml

from matchday.config import Settings, load

ROOT: Final = Path(__file__).parents[2]
DEPLOY: Final = ROOT / "deploy"
KUBERNETES: Final = DEPLOY / "kubernetes"
RENDERED: Final = KUBERNETES / "rendered"
OVERLAYS: Final = ("development", "production")
BUILT: Final = (*(f"{part}/{overlay}" for part in ("engines", "rooms") for overlay in OVERLAYS), "scaler/production")
LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""That of libyaml where there is one: ten times as fast."""
Object = Mapping[str, Any]


def parsed(text: str) -> list[Object]:
    return [one for one in yaml.load_all(text, Loader=LOADER) if one is not None]


@lru_cache
def built(of: str) -> list[Object]:
    """The objects of ``rooms/production`` and so on, as ``make manifests`` built them."""
    return parsed((RENDERED / f"{of.replace('/', '-')}.yaml").read_text())


def named(objects: list[Object], kind: str) -> dict[str, Object]:
    """Those of a kind, by name."""
    return {one["metadata"]["name"]: one for one in objects if one["kind"] == kind}


def workloads(objects: list[Object]) -> dict[str, Object]:
    """What has pods."""
    return named(objects, "Deployment") | named(objects, "StatefulSet")


def pod_of(workload: Object) -> Object:
    pod: Object = workload["spec"]["template"]["spec"]
    return pod


def container_of(workload: Object) -> Object:
    """Its one container."""
    (container,) = pod_of(workload)["containers"]
    found: Object = container
    return found


def variables(container: Object, objects: list[Object]) -> dict[str, str]:
    """The environment of a room's container, for a pod of ordinal 0, without files: those are secrets."""
    found: dict[str, str] = {}
    for source in container.get("envFrom", ()):
        found.update(named(objects, "ConfigMap")[source["configMapRef"]["name"]].get("data") or {})
    for one in container.get("env", ()):
        found[one["name"]] = one.get("value", "0")
    return {name: value for name, value in found.items() if not is_file(name)}


def is_file(variable: str) -> bool:
    """Whether a variable names a file with the text of a setting, which is not there in tests."""
    return variable.endswith("_FILE") and variable != "MATCHDAY_DOORS_SECRET_FILE"


def settings_of(workload: Object, objects: list[Object], folder: Path) -> Settings:
    """What a room of these objects would load."""
    volumes = {volume["name"]: volume for volume in pod_of(workload)["volumes"]}
    text = named(objects, "ConfigMap")[volumes["settings"]["configMap"]["name"]]["data"]["matchday.toml"]
    file = folder / "matchday.toml"
    file.write_text(text)
    return load(file, variables(container_of(workload), objects))


def every(of: Any, key: str) -> Iterator[Any]:
    """Each value that stands under a key, however deep."""
    if isinstance(of, Mapping):
        for name, value in of.items():
            if name == key:
                yield value
            yield from every(value, key)
    elif isinstance(of, list):
        for value in of:
            yield from every(value, key)
