"""The form of requests: whatever is wrong with one is a problem that names the field and the remedy, at its own
status, and costs no more than its limit. Every response is also checked against the OpenAPI document."""

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from matchday.config import Doors, Settings
from matchday.edge.limits import RateLimit
from matchday.edge.parse import BODY_MS_MAX
from matchday.model.ledger import ID_AHEAD_MS
from matchday.sim.clock import VirtualClock
from tests.unit.doors import GOALS, OVER, Json, Site

DAY_MS = 86_400_000


@pytest.fixture
def site(tmp_path: Path) -> Site:
    (tmp_path / "index.html").write_text("<!doctype html><title>Matchday</title>")
    (tmp_path / "app.js").write_text("export {};")
    return Site(tmp_path)


def uuid7_at(at_ms: int) -> str:
    digits = f"{at_ms:012x}"
    return f"{digits[:8]}-{digits[8:]}-7000-8000-000000000000"


BROKEN_BETS: list[tuple[str, Json, str, str]] = [
    # what is wrong              what is sent                                  reason               field
    ("no id", {"id": ""}, "id_invalid", "id"),
    ("a UUIDv4", {"id": "f47ac10b-58cc-4372-a567-0e02b2c3d479"}, "id_invalid", "id"),
    ("an id in capitals", {"id": "015D3EF7-9800-7181-979A-067ED882B7A0"}, "id_invalid", "id"),
    ("an underscore as a digit", {"id": "015d3ef7-9800-7181-979a-067ed882_7a0"}, "id_invalid", "id"),
    ("hyphens elsewhere", {"id": "015d3ef79-800-7181-979a-067ed882b7a0"}, "id_invalid", "id"),
    ("an id as a number", {"id": 7}, "field_invalid", "id"),
    ("a very long id", {"id": "0" * 65}, "field_invalid", "id"),
    ("a stake of nothing", {"stake": "0.00"}, "amount_invalid", "stake"),
    ("a negative stake", {"stake": "-1.00"}, "amount_invalid", "stake"),
    ("a stake in words", {"stake": "not known"}, "amount_invalid", "stake"),
    ("a stake as a number", {"stake": 10.0}, "field_invalid", "stake"),
    ("a huge stake", {"stake": "9999999999999999"}, "amount_invalid", "stake"),
    ("an endless stake", {"stake": "9" * 33}, "field_invalid", "stake"),
    ("too many decimals", {"stake": "10.001"}, "amount_invalid", "stake"),
    ("an exponent", {"stake": "1e3"}, "amount_invalid", "stake"),
    ("digits of another script", {"stake": "١٠"}, "amount_invalid", "stake"),
    ("decimals a currency lacks", {"stake": "10.5", "currency": "JPY"}, "amount_invalid", "stake"),
    ("an unknown currency", {"currency": "XXX"}, "currency_invalid", "currency"),
    ("an unknown policy", {"policy": "worse"}, "field_invalid", "policy"),
    ("no leg", {"legs": []}, "legs_invalid", "legs"),
    ("21 legs", {"legs": [{"selection": OVER, "price": "2", "generation": 1}] * 21}, "legs_invalid", "legs"),
    ("an accumulator of one leg", {"type": "accumulator"}, "legs_invalid", "legs"),
    ("a trixie of one leg", {"type": "trixie"}, "legs_invalid", "legs"),
    ("an unknown type", {"type": "tripple"}, "type_invalid", "type"),
    ("a system of none", {"type": "system:0/1"}, "type_invalid", "type"),
    ("a leg that is neither", {"legs": [{"price": "2"}]}, "legs_invalid", "legs[0]"),
    ("a leg that is both", {"leg": {"parts": [{"selection": OVER, "generation": 1}] * 2}}, "legs_invalid", "legs[0]"),
    (
        "a combination of one",
        {"legs": [{"price": "2", "parts": [{"selection": OVER, "generation": 1}]}]},
        "legs_invalid",
        "legs[0].parts",
    ),
    (
        "a combination over two fixtures",
        {
            "legs": [
                {
                    "price": "2",
                    "parts": [{"selection": OVER, "generation": 1}, {"selection": "G:1x2/home", "generation": 1}],
                }
            ]
        },
        "legs_invalid",
        "legs[0].parts",
    ),
    ("a tolerance beyond the price", {"tolerance": 1001}, "field_invalid", "tolerance"),
    ("legs as null", {"legs": None}, "field_invalid", "legs"),
    ("no market", {"leg": {"selection": "F"}}, "selection_invalid", "legs[0].selection"),
    ("no outcome", {"leg": {"selection": GOALS}}, "selection_invalid", "legs[0].selection"),
    ("no such line", {"leg": {"selection": "F:total_goals@2.3/over"}}, "selection_invalid", "legs[0].selection"),
    ("a selection too long", {"leg": {"selection": "F:1x2/" + "x" * 200}}, "field_invalid", "legs[0].selection"),
    ("a price of 1", {"leg": {"price": "1.00"}}, "price_invalid", "legs[0].price"),
    ("a price of 0", {"leg": {"price": "0"}}, "price_invalid", "legs[0].price"),
    ("a price too long", {"leg": {"price": "1000.001"}}, "price_invalid", "legs[0].price"),
    ("a price too fine", {"leg": {"price": "2.3751"}}, "price_invalid", "legs[0].price"),
    ("a price of another script", {"leg": {"price": "٢.٥"}}, "price_invalid", "legs[0].price"),
    ("a price as a number", {"leg": {"price": 1.9}}, "field_invalid", "legs[0].price"),
    ("a negative generation", {"leg": {"generation": -1}}, "field_invalid", "legs[0].generation"),
    ("a huge generation", {"leg": {"generation": 2**31}}, "field_invalid", "legs[0].generation"),
    ("an unknown field", {"tip": 1}, "field_invalid", "tip"),
    ("an unknown field of a leg", {"leg": {"tip": 1}}, "field_invalid", "legs[0].tip"),
]


@pytest.mark.parametrize(
    ("changes", "reason", "field"), [row[1:] for row in BROKEN_BETS], ids=[row[0] for row in BROKEN_BETS]
)
def test_a_bet_of_wrong_form_names_its_field(site: Site, changes: Json, reason: str, field: str) -> None:
    token = site.guest()
    reply = site.ask("POST", "/api/bets", site.bet(**changes), token)
    assert (reply.status, reply.json["reason"], reply.json["field"]) == (422, reason, field)
    assert reply.json["detail"]
    assert len(reply.body) < 1_000
    assert reply.headers["content-type"] == "application/problem+json"
    assert site.ask("GET", "/api/account", token=token).json["balance"] == "1000.00"


@pytest.mark.parametrize("missing", ["id", "stake", "currency", "legs"])
def test_a_missing_field_is_named(site: Site, missing: str) -> None:
    bet = site.bet()
    del bet[missing]
    reply = site.ask("POST", "/api/bets", bet, site.guest())
    assert (reply.status, reply.json["reason"], reply.json["field"]) == (422, "field_invalid", missing)


@pytest.mark.parametrize(
    ("ahead_ms", "status", "reason"),
    [
        (ID_AHEAD_MS, 201, None),
        (ID_AHEAD_MS + 1, 422, "id_invalid"),
        (-2 * DAY_MS - 1, 409, "id_expired"),
    ],
)
def test_an_id_is_of_about_now(site: Site, ahead_ms: int, status: int, reason: str | None) -> None:
    token = site.guest()
    reply = site.ask("POST", "/api/bets", site.bet(id=uuid7_at(site.clock.now_ms() + ahead_ms)), token)
    assert (reply.status, reply.json.get("reason")) == (status, reason)


@pytest.mark.parametrize(
    ("body", "reason", "status"),
    [
        (b"{", "not_json", 400),
        (b"\xff\xfe", "not_json", 400),
        (b'{"\xff": 1}', "not_json", 400),
        (b'{"id": "\\ud800"}', "not_json", 400),
        (b"[" * 60_000, "field_invalid", 422),
        (b'{"a":' * 10_000, "field_invalid", 422),
        (b"null", "field_invalid", 422),
        (b"[]", "field_invalid", 422),
        (b"", "field_invalid", 422),
    ],
)
def test_a_body_that_is_no_bet(site: Site, body: bytes, reason: str, status: int) -> None:
    reply = site.ask("POST", "/api/bets", body, site.guest())
    assert (reply.status, reply.json["reason"]) == (status, reason)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=40),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
        max_leaves=5,
    ),
    where=st.sampled_from(["id", "stake", "currency", "policy", "legs", "selection", "price", "generation"]),
)
def test_whatever_stands_in_a_field_is_answered_as_described(site: Site, value: Any, where: str) -> None:
    changes = {"leg": {where: value}} if where in ("selection", "price", "generation") else {where: value}
    site.clock.run_for(1_000)  # no limit of requests is met
    site.room.odds_alive(1, site.clock.now_ms())
    token, _ = site.accounts.sign("nobody")
    reply = site.ask("POST", "/api/bets", json.dumps(site.bet(**changes)).encode(), token)
    assert reply.status in (409, 422), reply


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=x", "limit"),
        ("limit=-1", "limit"),
        ("limit=", "limit"),
        ("limit=000000001999999999999999999999", "limit"),  # was an error of ours: only nine digits were judged
        ("limit=%D9%A1", "limit"),
        ("state=won", "state"),
        ("before=" + "x" * 65, "before"),
        ("before=", "before"),
        ("before=zzz", "before"),
    ],
)
def test_parameters_of_lists_are_judged(site: Site, query: str, field: str) -> None:
    reply = site.ask("GET", f"/api/bets?{query}", token=site.guest())
    assert (reply.status, reply.json["reason"], reply.json["field"]) == (422, "parameter_invalid", field)


@pytest.mark.parametrize("before", ["x", "-1", "1.5", "9" * 19, ""])
def test_a_statement_s_place_is_the_number_of_an_entry(site: Site, before: str) -> None:
    reply = site.ask("GET", f"/api/account/statement?before={before}", token=site.guest())
    assert (reply.status, reply.json["field"]) == (422, "before")


@pytest.mark.parametrize(("amount", "field"), [("-0.01", "amount"), ("x", "amount")])
def test_a_limit_is_an_amount(site: Site, amount: str, field: str) -> None:
    body = {"id": site.clock.new_id(), "amount": amount}
    reply = site.ask("POST", "/api/account/limit", body, site.guest())
    assert (reply.status, reply.json["reason"], reply.json["field"]) == (422, "amount_invalid", field)


def test_a_guest_takes_no_fields(site: Site) -> None:
    reply = site.ask("POST", "/api/guest", {"balance": "1000000.00"})
    assert (reply.status, reply.json["field"]) == (422, "balance")


# --- bodies -----------------------------------------------------------------------------------------------------------


def test_a_body_that_says_it_is_too_large_is_not_read_at_all(site: Site) -> None:
    large = {"content-length": str(site.settings.doors.body_bytes_max + 1)}
    reply = site.ask("POST", "/api/guest", headers=large, chunks=[b"{}"])
    assert (reply.status, reply.json["reason"], site.read) == (413, "body_too_large", 0)
    assert reply.headers["connection"] == "close"


def test_a_body_in_chunks_is_read_up_to_its_limit_only(site: Site) -> None:
    reply = site.ask("POST", "/api/guest", chunks=[b" " * 30_000] * 100)
    assert (reply.status, reply.json["reason"], site.read) == (413, "body_too_large", 3)


def test_a_body_of_just_the_limit_is_taken(site: Site) -> None:
    most = site.settings.doors.body_bytes_max
    assert site.ask("POST", "/api/guest", chunks=[b" " * (most - 2), b"{}"]).status == 201
    assert site.ask("POST", "/api/guest", chunks=[b" " * (most - 1), b"{}"]).status == 413


def test_a_body_that_does_not_come_ends_the_wait(site: Site) -> None:
    asked = site.clock.now_ms()
    reply = site.ask("POST", "/api/guest", chunks=[b"{"], ends=False, step_ms=100)
    assert (reply.status, reply.json["reason"]) == (400, "body_too_slow")
    assert reply.headers["connection"] == "close"
    assert BODY_MS_MAX <= site.clock.now_ms() - asked < BODY_MS_MAX + 1_000


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_only_json_is_taken(site: Site, kind: str) -> None:
    reply = site.ask("POST", "/api/guest", {}, headers={"content-type": kind})
    assert (reply.status, reply.json["reason"]) == (415, "content_type_unsupported")


def test_json_with_its_charset_is_json(site: Site) -> None:
    assert site.ask("POST", "/api/guest", {}, headers={"content-type": "Application/JSON; charset=utf-8"}).status == 201


# --- who, what, how often ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given_", ["", "Bearer", "Bearer x.y.z", "Basic Zm9vOmJhcg==", "Bearer \xff"])
def test_without_a_good_token_nobody_is_signed_in(site: Site, given_: str) -> None:
    for method, path in (("GET", "/api/account"), ("GET", "/api/bets"), ("POST", "/api/bets")):
        reply = site.ask(method, path, headers={"authorization": given_})
        assert (reply.status, reply.json["reason"]) == (401, "not_signed_in")
        assert reply.headers["www-authenticate"] == "Bearer"


def test_a_token_for_an_account_that_is_not_here_signs_nobody_in(site: Site) -> None:
    token, _ = site.accounts.sign("somebody")
    assert site.ask("GET", "/api/account", token=token).status == 401


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", "/api/guest", 405, "POST"),
        ("DELETE", "/api/bets", 405, "GET, HEAD, POST"),
        ("POST", "/api/fixtures/F", 405, "GET, HEAD"),
        ("POST", "/", 405, "GET, HEAD"),
        ("GET", "/api/nothing", 404, None),
        ("POST", "/api/nothing", 404, None),
        ("GET", "/api/fixtures/", 404, None),
        ("GET", "/../../etc/passwd", 404, None),
        ("GET", "/\0", 404, None),
    ],
)
def test_other_paths_and_methods(site: Site, method: str, path: str, status: int, allow: str | None) -> None:
    reply = site.ask(method, path)
    assert (reply.status, reply.headers.get("allow")) == (status, allow)
    assert reply.json["reason"] == {404: "not_found", 405: "method_not_allowed"}[status]


def test_guests_are_limited_by_address_and_told_when_to_come_again(tmp_path: Path) -> None:
    site = Site(tmp_path, Settings(doors=Doors(guests_per_minute_max=2)))
    statuses = [site.ask("POST", "/api/guest", {}, address="192.0.2.1").status for _ in range(3)]
    assert statuses == [201, 201, 429]
    reply = site.ask("POST", "/api/guest", {}, address="192.0.2.1")
    assert (reply.json["reason"], reply.headers["retry-after"]) == ("too_many_requests", "30")
    assert site.ask("POST", "/api/guest", {}, address="192.0.2.2").status == 201
    site.clock.run_for(30_000)
    assert site.ask("POST", "/api/guest", {}, address="192.0.2.1").status == 201


def test_requests_are_limited_by_account(tmp_path: Path) -> None:
    site = Site(tmp_path, Settings(doors=Doors(requests_per_second_max=2)))
    token, other = site.guest(), site.guest()
    statuses = [site.ask("GET", "/api/account", token=token).status for _ in range(5)]
    assert statuses == [200] * 4 + [429]
    assert site.ask("GET", "/api/account", token=other).status == 200
    site.clock.run_for(500)
    assert site.ask("GET", "/api/account", token=token).status == 200


def test_a_key_that_asks_all_the_time_earns_as_much_as_one_that_waits() -> None:
    """One a minute is less than a thousandth of a token each millisecond: rounding once lost all of it."""
    clock = VirtualClock(seed=1)
    limit = RateLimit(clock, count=1, period_ms=60_000, burst=1)
    taken = []
    for millisecond in range(120_001):
        if limit.take("k") == 0:
            taken.append(millisecond)
        clock.run_for(1)
    assert taken == [0, 60_000, 120_000]


class JumpyClock(VirtualClock):
    """A clock that may be set back."""

    back_ms = 0

    def now_ms(self) -> int:
        return super().now_ms() - self.back_ms


def test_a_clock_that_is_set_back_locks_nobody_out() -> None:
    clock = JumpyClock(seed=1)
    limit = RateLimit(clock, count=1, period_ms=1_000, burst=2)
    assert limit.take("k") == 0
    clock.back_ms = DAY_MS
    assert [limit.take("k"), limit.take("k")] == [0, 1]


def test_the_table_of_limits_is_bounded_and_forgets_the_longest_unused() -> None:
    limit = RateLimit(VirtualClock(seed=1), count=1, period_ms=1_000, burst=1, keys_max=2)
    assert [limit.take(key) for key in ("a", "b", "a", "c")] == [0, 0, 1, 0]
    assert [limit.take(key) for key in ("a", "b")] == [1, 0]


def test_a_limit_of_none_allows_none() -> None:
    assert RateLimit(VirtualClock(seed=1), count=0, period_ms=60_000, burst=0).take("k") == 60


# --- pages and headers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/app.js", "/openapi.json", "/healthz", "/api/fixtures"])
def test_what_is_served_is_guarded(site: Site, path: str) -> None:
    reply = site.ask("GET", path) if path.startswith("/api") or path == "/healthz" else site.page(path)
    assert reply.status == 200
    policy = dict(part.split(" ", 1) for part in reply.headers["content-security-policy"].split("; "))
    assert (policy["default-src"], policy["connect-src"], policy["img-src"], policy["frame-ancestors"]) == (
        "'self'", "'self' ws: wss:", "'self' data:", "'none'",
    )  # fmt: skip
    assert reply.headers["x-content-type-options"] == "nosniff"
    kept = path in ("/", "/app.js", "/openapi.json")
    assert reply.headers["cache-control"] == ("no-cache" if kept else "no-store")


def test_a_page_that_has_not_changed_is_not_sent_again(site: Site) -> None:
    tag = site.page("/app.js").headers["etag"]
    again = site.page("/app.js", {"if-none-match": tag})
    assert (again.status, again.body) == (304, b"")
    assert "content-security-policy" in again.headers


def test_a_fault_of_ours_is_a_problem_too_and_is_not_swallowed(site: Site) -> None:
    token = site.guest()
    site.core.close()
    said: list[dict[str, Any]] = []
    with pytest.raises(Exception, match="closed"):
        site.ask("GET", "/api/bets", token=token, said=said)
    assert said[0]["status"] == 500
    assert json.loads(said[1]["body"])["reason"] == "internal_error"


# --- through the real server ------------------------------------------------------------------------------------------


@contextmanager
def served(site: Site) -> Iterator[int]:
    """The application behind the real server on a free port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(site.app, lifespan="off", log_config=None, http="httptools"))
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(10)


def test_a_large_body_closes_the_connection_rather_than_being_read(site: Site) -> None:
    chunk = b"8000\r\n" + b" " * 0x8000 + b"\r\n"
    with served(site) as port, socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        client.sendall(
            b"POST /api/guest HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 3
        )
        answer = b""
        while part := client.recv(65_536):  # ends only where the server closes
            answer += part
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"body_too_large" in answer
