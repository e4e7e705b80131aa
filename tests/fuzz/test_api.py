"""The OpenAPI document against the application that it describes: requests made from the document, fitting and not,
alone and along its links, are answered as it says, and never with an error of ours."""

import random
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    positive_data_acceptance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from matchday.config import Bets, Doors, Lobby, Settings
from matchday.edge.api import ROUTES
from matchday.edge.openapi import document
from matchday.model.role import Role
from matchday.sim.clock import VirtualClock
from tests.fuzz.budget import examples
from tests.unit.doors import GOALS, OVER, Json, Site

Case = schemathesis.Case[Any]
CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_headers_conformance,
    response_schema_conformance,
]  # fmt: skip
MANY = Settings(
    doors=Doors(guests_per_minute_max=10**6, requests_per_second_max=10**6), bets=Bets(delay_ms=0),
    lobby=Lobby(fans_max=10**6, enter_per_second_max=10**6),
)  # fmt: skip
"""No limit of requests is met, and nothing waits."""
UNHURRIED = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.function_scoped_fixture]
"""Schemas with patterns are slow to draw from at first."""
WALKS_MAX = 5
"""Times that the links are walked, by other chance each, until all was met: most walks do, but the one that hypothesis
always takes in CI may not."""
SIGNED_IN = {route.name: route.signed_in for route in ROUTES}
TRADERS = {route.name for route in ROUTES if route.role == Role.TRADER}
OF_CURRENCY = {"cash_out_quote"}
"""Whose query has an amount: how many decimals it may have hangs on the currency, which the document does not know."""
OF_EACH = {"slip"}
"""Whose parts are answered one by one: one that does not fit is an answer of its own."""


def schema() -> schemathesis.BaseSchema:
    return schemathesis.openapi.from_dict(document(MANY.doors.page_max), config=schemathesis.Config())


OPERATIONS = {
    found.ok().definition.raw["operationId"]: found.ok()
    for found in schema().get_all_operations()
    if isinstance(found, Ok)
}


class Visitor:
    """Sends cases to an application of its own, signed in as a guest, or as a trader where that is asked for."""

    def __init__(self, web: Path) -> None:
        self.site = Site(web, MANY)
        self.token = self.site.guest()
        self.trader = self.site.trader()

    def cashable(self) -> tuple[str, str]:
        """A new open bet of this visitor's, and a quote of it."""
        placed = self.site.ask("POST", "/api/bets", self.site.bet(stake="1.00"), self.token)
        if placed.status != 201:  # his limits, or his money, are used up
            self.token = self.site.guest()
            placed = self.site.ask("POST", "/api/bets", self.site.bet(stake="1.00"), self.token)
        bet = placed.json["bet"]["bet"]
        return bet, self.site.ask("GET", f"/api/bets/{bet}/cash-out", token=self.token).json["quote"]

    def answer(self, case: Case, *, token: str | None = None) -> schemathesis.Response:
        """What the application says, as schemathesis takes it; ``doors`` has checked it in its own way by then."""
        if token is None:
            token = self.trader if case.operation.definition.raw["operationId"] in TRADERS else self.token
        case.headers["Authorization"] = f"Bearer {token}"
        sent = requests.Request(**case.as_transport_kwargs(base_url="http://matchday")).prepare()
        body = sent.body.encode() if isinstance(sent.body, str) else sent.body or b""
        headers = {name.lower(): str(value) for name, value in sent.headers.items()}
        reply = self.site.ask(sent.method or "", sent.path_url, body, headers=headers)
        return schemathesis.Response(
            reply.status, {name: [value] for name, value in reply.headers.items()}, reply.body, sent, 0.0, verify=False
        )


def plausible(body: Json) -> st.SearchStrategy[Json]:
    """A generated body with some of its fields as a fan of this site would fill them: schemas do not know the books."""
    leg = {"selection": OVER, "price": "1.90", "generation": 1}
    likely: Json = {
        "id": st.integers(0, (1 << 62) - 1).map(an_id), "currency": st.just("EUR"), "policy": st.just("any"),
        "stake": st.sampled_from(["0.10", "10.00", "500.00", "1000"]), "legs": st.just([leg]),
        "amount": st.sampled_from(["0", "5.00", "100"]), "fixture": st.just("F"),
        "markets": st.sampled_from(["all", "1x2", GOALS]), "selection": st.just(OVER),
    }  # fmt: skip
    known = sorted(set(body) & set(likely))
    wanted = st.just(known) | st.lists(st.sampled_from(known), unique=True) if known else st.just([])
    return wanted.flatmap(lambda names: st.fixed_dictionaries({name: likely[name] for name in names})).map(
        lambda filled: {**body, **filled}
    )


def an_id(chance: int) -> str:
    """A UUIDv7 of about the moment at which every site begins."""
    digits = f"{VirtualClock(seed=7).now_ms():012x}7{chance >> 50:03x}8{chance & (1 << 50) - 1:015x}"
    return str(uuid.UUID(digits))


@pytest.fixture(scope="module")
def visitor(tmp_path_factory: pytest.TempPathFactory) -> Visitor:
    return Visitor(tmp_path_factory.getbasetemp())


@pytest.mark.parametrize("name", OPERATIONS)
def test_requests_that_fit_are_answered_as_described(visitor: Visitor, name: str) -> None:
    checks = [*CHECKS, *([] if OPERATIONS[name].body or name in OF_CURRENCY else [positive_data_acceptance])]

    @settings(max_examples=examples(60), deadline=None, suppress_health_check=UNHURRIED)
    @given(OPERATIONS[name].as_strategy(generation_mode=schemathesis.GenerationMode.POSITIVE), st.data())
    def ask(case: Case, data: st.DataObject) -> None:
        if isinstance(case.body, dict):
            case.body = data.draw(plausible(case.body))
        if "bet" in case.path_parameters and data.draw(st.booleans()):
            case.path_parameters["bet"], quote = visitor.cashable()
            if isinstance(case.body, dict) and "quote" in case.body:
                case.body["quote"] = quote
        case.validate_response(visitor.answer(case), checks=checks)

    ask()


@pytest.mark.parametrize("name", [name for name, found in OPERATIONS.items() if found.body or found.query])
def test_requests_that_do_not_fit_are_turned_away_as_described(visitor: Visitor, name: str) -> None:
    @settings(max_examples=examples(60), deadline=None, suppress_health_check=UNHURRIED)
    @given(OPERATIONS[name].as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE))
    def ask(case: Case) -> None:
        checks = CHECKS if name in OF_EACH else [*CHECKS, negative_data_rejection]
        case.validate_response(visitor.answer(case), checks=checks)

    ask()


@pytest.mark.parametrize("name", [name for name, signed_in in SIGNED_IN.items() if signed_in])
def test_with_any_other_token_nobody_is_signed_in(visitor: Visitor, name: str) -> None:
    @settings(max_examples=examples(30), deadline=None, suppress_health_check=UNHURRIED)
    @given(OPERATIONS[name].as_strategy(), st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=40))
    def ask(case: Case, token: str) -> None:
        answer = visitor.answer(case, token=token)
        assert answer.status_code == 401
        case.validate_response(answer, checks=CHECKS)

    ask()


def test_an_answer_that_is_not_described_is_seen(visitor: Visitor) -> None:
    thinner = document(page_max=100)
    del thinner["paths"]["/api/fixtures/{id}"]["get"]["responses"]["404"]
    operation = schemathesis.openapi.from_dict(thinner, config=schemathesis.Config())["/api/fixtures/{id}"]["GET"]
    case = operation.Case(path_parameters={"id": "nowhere"})
    with pytest.raises(FailureGroup, match="404"):
        case.validate_response(visitor.answer(case), checks=CHECKS)


def test_every_way_along_the_links_is_as_described(tmp_path: Path) -> None:
    """guest → fixtures → fixture → place → bet_by_id → bets → …, in any order that the document's links allow."""
    linked = schema().exclude(path_regex="^/api/trader/")  # no link leads there: it would only begin walks
    linked.config.generation.update(modes=[schemathesis.GenerationMode.POSITIVE])
    linked.hook("flatmap_body")(lambda _, body: plausible(body) if isinstance(body, dict) else st.just(body))
    met: Counter[tuple[str, int]] = Counter()

    class Fan(linked.as_state_machine()):  # type: ignore[misc]
        """One fan's visit, on a site of his own."""

        def setup(self) -> None:
            self.visitor, self.quote = Visitor(tmp_path), ""

        def call(self, case: Case, **_: Any) -> schemathesis.Response:
            if self.quote and isinstance(case.body, dict) and "quote" in case.body:
                case.body["quote"] = self.quote  # the document's links lead parameters on, not what is in a body
            return self.visitor.answer(case)

        def after_call(self, response: schemathesis.Response, case: Case) -> None:
            name = case.operation.definition.raw["operationId"]
            met[name, response.status_code] += 1
            if (name, response.status_code) == ("guest", 201):
                self.visitor.token = response.json()["token"]
            elif (name, response.status_code) == ("cash_out_quote", 200):
                self.quote = response.json()["quote"]

        def validate_response(self, response: schemathesis.Response, case: Case, **_: Any) -> None:
            case.validate_response(response, checks=CHECKS)

    wanted = {("guest", 201), ("fixture", 200), ("place", 201), ("bet_by_id", 200), ("bets", 200)}
    for _ in range(WALKS_MAX):
        seed(random.getrandbits(32))(Fan).run(settings=settings(
            max_examples=examples(60), stateful_step_count=12, deadline=None, suppress_health_check=UNHURRIED
        ))  # fmt: skip
        if met.keys() >= wanted:
            break
    assert met.keys() >= wanted, met
