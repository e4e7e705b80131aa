"""Make ``schemas.json.gz``: the schemas of every kind that stands in ``deploy/kubernetes``, without their prose.

    pip install kubernetes-validate    # somewhere else: it unpacks to 100 MB, and is not needed to run the tests
    python -m tests.deploy.make_schemas .../kubernetes-json-schema/v1.32.0-local-strict CRD.yaml ...

Kubernetes' own kinds come from that package, made strict there; those of operators from the resource definitions that
these publish (Strimzi: ``packaging/install/cluster-operator/04*-Crd-*.yaml``; CloudNativePG:
``config/crd/bases/*_clusters.yaml``; KEDA: ``config/crd/bases/keda.sh_scaledobjects.yaml``), made strict here: a field
that is not declared is refused.
"""

import gzip
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

SCHEMAS: Final = Path(__file__).with_name("schemas.json.gz")
_KUBERNETES: Final = (
    "configmap-v1", "deployment-apps-v1", "horizontalpodautoscaler-autoscaling-v2", "ingress-networking-v1",
    "job-batch-v1", "namespace-v1", "networkpolicy-networking-v1", "poddisruptionbudget-policy-v1", "service-v1",
    "serviceaccount-v1", "statefulset-apps-v1",
)  # fmt: skip
_PROSE: Final = frozenset({"description", "$schema", "example", "default"})
Json = Any


def plain(schema: Json, *, names: bool = False) -> Json:
    """A schema without prose and extensions. ``names``: these are names of fields, whatever they are called."""
    if isinstance(schema, list):
        return [plain(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: plain(part, names=key == "properties" and not names)
        for key, part in schema.items()
        if names or not (key in _PROSE or key.startswith("x-kubernetes"))
    }


def strict(schema: Json) -> Json:
    """A definition's schema that refuses what it does not declare."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    said = {key: strict(part) for key, part in schema.items()}
    open_ended = said.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in said
    if isinstance(said.get("properties"), dict) and said.get("type") == "object" and not open_ended:
        said["additionalProperties"] = False
    return said


def of_kubernetes(folder: Path) -> Iterator[tuple[str, Json]]:
    """``GROUP/VERSION KIND`` -> its schema, with the definitions it refers to inside."""
    definitions = json.loads((folder / "_definitions.json").read_text())["$defs"]
    for name in _KUBERNETES:
        schema = plain(json.loads((folder / f"{name}.json").read_text()))
        wanted, found = set(_references(schema)), dict[str, Json]()
        while wanted - set(found):
            for one in wanted - set(found):
                found[one] = plain(definitions[one])
                wanted |= set(_references(found[one]))
        yield _identity(schema), {**_local(schema), "definitions": _local(found)}


def _references(schema: Json) -> Iterator[str]:
    for part in schema if isinstance(schema, list) else schema.values() if isinstance(schema, dict) else ():
        yield from _references(part)
    if isinstance(schema, dict) and isinstance(schema.get("$ref"), str):
        yield schema["$ref"].rpartition("/")[2]


def _local(schema: Json) -> Json:
    if isinstance(schema, list):
        return [_local(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: f"#/definitions/{part.rpartition('/')[2]}" if key == "$ref" and isinstance(part, str) else _local(part)
        for key, part in schema.items()
    }


def _identity(schema: Json) -> str:
    fields = schema["properties"]
    return f"{fields['apiVersion']['enum'][0]} {fields['kind']['enum'][0]}"


def of_operator(definition: Path) -> Iterator[tuple[str, Json]]:
    """The same of a custom resource's definition, every version that is served."""
    for document in yaml.safe_load_all(definition.read_text()):
        spec = document["spec"]
        for version in spec["versions"]:
            if version["served"]:
                schema = version["schema"]["openAPIV3Schema"]
                schema["properties"]["metadata"] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
                yield f"{spec['group']}/{version['name']} {spec['names']['kind']}", plain(strict(schema))


def main(kubernetes: str, *definitions: str) -> None:
    """Write the file."""
    schemas = dict(of_kubernetes(Path(kubernetes)))
    for definition in definitions:
        schemas.update(of_operator(Path(definition)))
    text = json.dumps(schemas, sort_keys=True, separators=(",", ":"))
    SCHEMAS.write_bytes(gzip.compress(text.encode(), mtime=0))
    sys.stdout.write(f"{len(schemas)} kinds, {len(text)} bytes, {SCHEMAS.stat().st_size} compressed\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
