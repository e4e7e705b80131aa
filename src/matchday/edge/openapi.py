"""The OpenAPI document, made from the table of routes that the door itself runs on."""

import re
from typing import Any

import msgspec

from matchday import __version__
from matchday.edge.api import ROUTES, Route
from matchday.edge.problems import MEDIA_TYPE, ProblemDetails

_TITLES = {
    400: "Not understood", 401: "Not signed in", 404: "Not known", 409: "Refused, with its reason",
    413: "Body too large", 415: "Not JSON", 422: "A field is wrong", 429: "Too many requests", 503: "Try again later",
}  # fmt: skip


def document() -> dict[str, Any]:
    """The whole document (OpenAPI 3.1)."""
    types: list[type[msgspec.Struct]] = [ProblemDetails]
    for route in ROUTES:
        types += [*route.answers.values(), *([route.body] if route.body else [])]
    _, schemas = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    paths: dict[str, Any] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Matchday",
            "version": __version__,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    }


def _operation(route: Route) -> dict[str, Any]:
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", route.path)
    ]
    parameters += [
        {"name": query.name, "in": "query", "description": query.meaning, "schema": query.schema}
        for query in route.query
    ]
    answers = {
        str(status): {"description": kind.__doc__ or "", "content": {"application/json": {"schema": _ref(kind)}}}
        for status, kind in route.answers.items()
    }
    for status in problems_of(route):
        content = {MEDIA_TYPE: {"schema": _ref(ProblemDetails)}}
        answers[str(status)] = {"description": _TITLES[status], "content": content}
    operation: dict[str, Any] = {"operationId": route.name, "summary": route.summary, "responses": answers}
    if parameters:
        operation["parameters"] = parameters
    if route.body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": _ref(route.body)}}}
    if route.signed_in:
        operation["security"] = [{"token": []}]
    return operation


def problems_of(route: Route) -> list[int]:
    """Every status with which an operation may fail."""
    found = {*route.problems}
    if route.signed_in:
        found |= {401, 429}
    if route.body is not None:
        found |= {400, 413, 415, 422}
    if route.query:
        found |= {422}
    return sorted(found)


def _ref(kind: type[msgspec.Struct]) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{kind.__name__}"}
