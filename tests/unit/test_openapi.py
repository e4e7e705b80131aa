"""The OpenAPI document says what the door does: every route, every problem, every field."""

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import Route as Served

from matchday.config import Doors, Settings
from matchday.edge.api import ROUTES, BetBody, LegBody, reasons_of
from matchday.edge.openapi import document
from matchday.edge.problems import REASONS
from matchday.model.ledger import Moment, Refusal
from matchday.model.trading import TraderRefusal
from tests.unit.doors import Reply, Site, check_reply

EDGE = Path(__file__).parents[2] / "src" / "matchday" / "edge"
DOCUMENT = document(page_max=100)
NOT_ROUTED = {"not_found", "method_not_allowed"}
"""Answered where no operation is."""
AT_THE_DOOR = {
    "request_invalid", "request_too_slow", "head_too_large", "origin_not_allowed", "connections_full", "full",
    "crowded", "draining",
}  # fmt: skip
"""Answered before it is known what is asked for, or to who asks for a connection to keep (docs/protocol.md)."""


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def described_reasons(answers: dict[str, Any]) -> set[str]:
    found: set[str] = set()
    for answer in answers.values():
        for content in answer["content"].values():
            for part in content["schema"].get("allOf", ()):
                found.update(part.get("properties", {}).get("reason", {}).get("enum", ()))
    return found


def test_every_served_operation_is_described(site: Site) -> None:
    served = {
        (route.path, method.lower())
        for route in site.app.routes
        if isinstance(route, Served) and route.path != "/openapi.json"
        for method in (route.methods or set()) - {"HEAD"}
    }
    assert served == {(path, method) for path, operations in DOCUMENT["paths"].items() for method in operations}


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_every_problem_of_an_operation_is_described_with_its_status(route: Any) -> None:
    answers = DOCUMENT["paths"][route.path][route.method.lower()]["responses"]
    assert described_reasons(answers) == {str(reason) for reason in reasons_of(route)}
    assert {int(status) for status in answers} == {*route.answers, *(REASONS[reason] for reason in reasons_of(route))}


def test_every_reason_of_the_table_is_described_somewhere_and_every_reason_raised_is_in_the_table() -> None:
    described = set().union(*(reasons_of(route) for route in ROUTES))
    assert described | NOT_ROUTED | AT_THE_DOOR == set(REASONS)
    names = (
        "admission.py", "cash_out.py", "desk.py", "guard.py", "http.py", "limits.py", "parse.py", "placing.py",
        "pressure.py", "sign_in.py", "slips.py", "stream.py", "trader.py", "waiting.py", "websocket.py",
        "../services/lobby.py",
    )  # fmt: skip
    source = "".join((EDGE / name).read_text() for name in names)
    raised = set(re.findall(r'(?:Problem|TurnedAway)\(\s*"(\w+)"', source))
    assert raised | set(Refusal) | set(Moment) | set(TraderRefusal) == set(REASONS)


CASH_OUT = {
    Refusal.BET_UNKNOWN, Refusal.BET_NOT_OPEN, Refusal.CASH_OUT_UNAVAILABLE, Refusal.QUOTE_UNKNOWN,
    Refusal.QUOTE_EXPIRED, Refusal.QUOTE_MOVED,
}  # fmt: skip


def test_a_bet_and_its_cash_out_may_be_refused_for_every_reason_and_no_refusal_has_another_status() -> None:
    of = {route.name: reasons_of(route) for route in ROUTES}
    assert set(Refusal) - CASH_OUT | set(Moment) <= of["place"]
    assert not CASH_OUT & of["place"]
    assert CASH_OUT | set(Moment) <= of["cash_out"]
    assert CASH_OUT & of["cash_out_at"] == CASH_OUT & of["cash_out_quote"] == {
        Refusal.BET_UNKNOWN, Refusal.BET_NOT_OPEN, Refusal.CASH_OUT_UNAVAILABLE,
    }  # fmt: skip
    assert {REASONS[refusal] for refusal in Refusal} == {409}
    assert {moment: REASONS[moment] for moment in Moment} == {"busy": 503, "unavailable": 503, "internal_error": 500}


def test_bodies_forbid_unknown_fields_as_described() -> None:
    for name in {route.body.__name__ for route in ROUTES if route.body} | {LegBody.__name__}:
        assert DOCUMENT["components"]["schemas"][name]["additionalProperties"] is False, name


def test_every_reference_leads_somewhere() -> None:
    for name in re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(DOCUMENT)):
        assert name in DOCUMENT["components"]["schemas"], name


def test_every_link_leads_to_an_operation_and_its_own_parameters() -> None:
    operations = {o["operationId"]: o for path in DOCUMENT["paths"].values() for o in path.values()}
    linked = {name: answer["links"] for name, o in operations.items() for answer in o["responses"].values()
              if "links" in answer}  # fmt: skip
    assert linked.keys() >= {"guest", "fixtures", "fixture", "place", "bets", "statement"}
    for links in linked.values():
        for link in links.values():
            known = {parameter["name"] for parameter in operations[link["operationId"]].get("parameters", ())}
            assert set(link.get("parameters", ())) <= known, link


def test_what_the_document_calls_a_bet_is_what_the_door_takes(site: Site) -> None:
    """The patterns are judged by the door's own code: the documented examples pass both."""
    leg = DOCUMENT["components"]["schemas"][LegBody.__name__]["properties"]
    bet = DOCUMENT["components"]["schemas"][BetBody.__name__]["properties"]
    sent = site.bet(stake=bet["stake"]["examples"][0], policy="any", leg={"price": leg["price"]["examples"][0]})
    assert re.match(bet["stake"]["pattern"], sent["stake"])
    assert re.match(leg["price"]["pattern"], sent["legs"][0]["price"])
    assert re.match(bet["id"]["pattern"], sent["id"])
    assert site.ask("POST", "/api/bets", sent, site.guest()).status == 201


def test_the_document_is_served_and_knows_the_settings(tmp_path: Path) -> None:
    small = Site(tmp_path, Settings(doors=Doors(page_max=20)))
    served = small.ask("GET", "/openapi.json").json
    assert served == document(page_max=20)
    schema = served["paths"]["/api/bets"]["get"]["parameters"][-1]["schema"]
    assert (schema["maximum"], schema["default"]) == (20, 20)
    assert small.ask("GET", "/api/bets?limit=21", token=small.guest()).json["field"] == "limit"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"balance": 1000}, "an amount as a number"),
        ({"surprise": "x"}, "a field that is not described"),
        ({"balance": None}, "null where a text is promised"),
    ],
)
def test_the_check_of_responses_sees_what_is_not_described(change: dict[str, object], why: str) -> None:
    answer = {"account": "a", "token": "t", "expires_ms": 1, "currency": "EUR", "balance": "1000.00"}
    headers = {"content-type": "application/json"}
    check_reply(DOCUMENT, "POST", "/api/guest", Reply(201, headers, json.dumps(answer).encode()))
    wrong = Reply(201, headers, json.dumps({**answer, **change}).encode())
    with pytest.raises(AssertionError):
        check_reply(DOCUMENT, "POST", "/api/guest", wrong)


def test_the_check_of_responses_sees_a_reason_or_a_status_that_is_not_described() -> None:
    problem = {"type": "/problems/id_reused", "title": "Id reused", "status": 409, "reason": "id_reused"}
    headers = {"content-type": "application/problem+json"}
    reply = Reply(409, headers, json.dumps(problem).encode())
    check_reply(DOCUMENT, "POST", "/api/bets", reply)
    thinner = copy.deepcopy(DOCUMENT)
    parts = thinner["paths"]["/api/bets"]["post"]["responses"]["409"]["content"]["application/problem+json"]["schema"]
    parts["allOf"][1]["properties"]["reason"]["enum"].remove("id_reused")
    with pytest.raises(AssertionError, match="id_reused"):
        check_reply(thinner, "POST", "/api/bets", reply)
    with pytest.raises(AssertionError, match="409"):
        check_reply(DOCUMENT, "GET", "/api/fixtures", reply)
