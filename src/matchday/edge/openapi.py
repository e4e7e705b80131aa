"""The OpenAPI document, made from the table of routes that the door itself runs on."""

import re
from collections import defaultdict
from typing import Any, Final

import msgspec

from matchday import __version__
from matchday.edge.api import ROUTES, Link, Query, Route, reasons_of
from matchday.edge.problems import MEDIA_TYPE, REASONS, ProblemDetails

_TITLES: Final = {
    400: "Not understood", 401: "Not signed in", 403: "Not allowed", 404: "Not known", 409: "Refused, with its reason",
    413: "Body too large", 415: "Not JSON", 422: "A field is wrong", 429: "Too many requests",
    500: "A fault of this service", 503: "Try again later",
}  # fmt: skip
_RETRY: Final = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}}}
_WITH_RETRY: Final = frozenset({429, 503})


def document(page_max: int) -> dict[str, Any]:
    """The whole document (OpenAPI 3.1), for a door whose pages hold at most so many rows."""
    types: list[type[msgspec.Struct]] = [ProblemDetails]
    for route in ROUTES:
        types += [*route.answers.values(), *([route.body] if route.body else [])]
    _, schemas = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    paths: dict[str, Any] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, page_max)
    found = {
        "openapi": "3.1.0",
        "info": {
            "title": "Matchday",
            "version": __version__,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    }
    served: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(found))
    return served


def _operation(route: Route, page_max: int) -> dict[str, Any]:
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", route.path)
    ]
    parameters += [_parameter(query, page_max) for query in route.query]
    answers: dict[str, dict[str, Any]] = {
        str(status): {"description": kind.__doc__ or "", "content": {"application/json": {"schema": _ref(kind)}}}
        for status, kind in route.answers.items()
    }
    if route.links:
        links = {link.operation: _link(link) for link in route.links}
        answers = {status: {**answer, "links": links} for status, answer in answers.items()}
    by_status: dict[int, list[str]] = defaultdict(list)
    for reason in sorted(reasons_of(route)):
        by_status[REASONS[reason]].append(str(reason))
    for status, reasons in sorted(by_status.items()):
        answers[str(status)] = _problem(status, reasons)
    operation: dict[str, Any] = {"operationId": route.name, "summary": route.summary, "responses": answers}
    if parameters:
        operation["parameters"] = parameters
    if route.body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": _ref(route.body)}}}
    if route.signed_in:
        operation["security"] = [{"token": []}]
    return operation


def _parameter(query: Query, page_max: int) -> dict[str, Any]:
    schema = query.schema
    if query.name == "limit":
        schema = {**schema, "maximum": page_max, "default": min(schema["default"], page_max)}
    return {"name": query.name, "in": "query", "description": query.meaning, "schema": schema}


def _problem(status: int, reasons: list[str]) -> dict[str, Any]:
    """An answer of this status, with every reason that it may have."""
    schema = {"allOf": [_ref(ProblemDetails), {"properties": {"reason": {"enum": reasons}}}]}
    answer: dict[str, Any] = {"description": _TITLES[status], "content": {MEDIA_TYPE: {"schema": schema}}}
    if status in _WITH_RETRY:
        answer["headers"] = _RETRY
    return answer


def _link(link: Link) -> dict[str, Any]:
    parameters = {name: f"$response.body#{pointer}" for name, pointer in link.parameters.items()}
    return {
        "operationId": link.operation,
        "description": link.meaning,
        **({"parameters": parameters} if parameters else {}),
    }


def _ref(kind: type[msgspec.Struct]) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{kind.__name__}"}
