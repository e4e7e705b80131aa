"""The HTTP door as a trader's program meets it: commands that are durable before they are answered, a book as traders
have set it, and nothing for anybody else. Every response is also checked against the OpenAPI document."""

from pathlib import Path

import msgspec
import pytest

from matchday.model.market import MarketKey, MarketStatus
from matchday.model.messages import BookChanged, FixtureStatus, Topic, decode
from matchday.model.trading import (
    Action,
    Controls,
    FixPrice,
    ResumeMarkets,
    SetOverround,
    SetStakeMax,
    ShiftPrice,
    SuspendMarkets,
    TraderCommand,
)
from matchday.services.trading import WAITING_MAX
from tests.unit.doors import OVER, Json, Reply, Site

HOME = "F:1x2/home"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def command(site: Site, **changes: object) -> Json:
    whole: Json = {"id": site.clock.new_id(), "fixture": "F", "action": "suspend", "markets": "all"}
    if "selection" in changes:
        del whole["markets"]
    return {name: value for name, value in {**whole, **changes}.items() if value is not ...}


def send(site: Site, **changes: object) -> Reply:
    return site.ask("POST", "/api/trader/commands", command(site, **changes), site.trader())


def on_log(site: Site) -> list[TraderCommand]:
    said = [decode(stored.value) for stored in site.log.read(Topic.INCIDENTS, -1, 999)]
    return [message for message in said if isinstance(message, TraderCommand)]


def apply(site: Site, sent: TraderCommand, offset: int) -> None:
    """What the owner of the books says once it has applied a command, as far as the door cares."""
    book = site.books.fixtures["F"]
    controls, market = book.controls.after(sent, offset), book.markets["F:1x2"]
    change = BookChanged("F", 1, book.n + 1, "trader", 0, book.board, (market,), controls=controls)
    assert site.books.apply(change, book.offset + 1)


@pytest.mark.parametrize(
    ("body", "action"),
    [
        ({"action": "suspend", "markets": "all"}, SuspendMarkets("")),
        ({"action": "suspend", "markets": "1x2"}, SuspendMarkets("1x2")),
        ({"action": "resume", "markets": "F:total_goals@2.5"}, ResumeMarkets("total_goals@2.5")),
        ({"action": "set_overround", "markets": "total_goals", "overround": 0.08}, SetOverround("total_goals", 0.08)),
        ({"action": "set_overround", "markets": "all", "overround": None}, SetOverround("", None)),
        ({"action": "set_overround", "markets": "all", "overround": 0}, SetOverround("", 0.0)),
        ({"action": "shift_price", "selection": HOME, "factor": "1.1"}, ShiftPrice("1x2/home", 1_100)),
        ({"action": "shift_price", "selection": HOME, "factor": "0.955"}, ShiftPrice("1x2/home", 955)),
        ({"action": "shift_price", "selection": HOME, "factor": "10"}, ShiftPrice("1x2/home", 10_000)),
        ({"action": "shift_price", "selection": HOME, "factor": None}, ShiftPrice("1x2/home", None)),
        ({"action": "fix_price", "selection": OVER, "price": "2.375", "generation": 1},
         FixPrice("total_goals@2.5/over", 2_375, 1)),
        ({"action": "fix_price", "selection": HOME, "price": "1.001", "generation": 1}, FixPrice("1x2/home", 1_001, 1)),
        ({"action": "fix_price", "selection": HOME, "price": None}, FixPrice("1x2/home", None)),
        ({"action": "set_stake_max", "markets": "1x2", "stake_max": "25.00"}, SetStakeMax("1x2", 2_500)),
        ({"action": "set_stake_max", "markets": "1x2", "stake_max": None}, SetStakeMax("1x2", None)),
    ],
)  # fmt: skip
def test_a_command_is_on_the_log_before_it_is_answered(site: Site, body: Json, action: object) -> None:
    reply = send(site, **{"markets": ..., **body})
    assert reply.status == 202, reply
    (said,) = on_log(site)
    assert (said.trader, said.fixture, said.action, said.at_ms) == ("tom", "F", action, site.clock.now_ms())
    assert reply.json == {"id": said.id, "offset": site.log.end(Topic.INCIDENTS), "repeated": False}


@pytest.mark.parametrize(
    ("body", "status", "reason", "field"),
    [
        ({"action": "bet"}, 422, "field_invalid", "action"),
        ({"action": ...}, 422, "field_invalid", "action"),
        ({"id": "1"}, 422, "id_invalid", "id"),
        ({"tip": 1}, 422, "field_invalid", "tip"),
        ({"markets": ...}, 422, "field_invalid", "markets"),
        ({"markets": 7}, 422, "field_invalid", "markets"),
        ({"price": "2.0"}, 422, "field_invalid", "price"),
        ({"fixture": "G"}, 404, "fixture_unknown", ""),
        ({"markets": "corners"}, 404, "market_unknown", ""),
        ({"markets": "F:"}, 404, "market_unknown", "markets"),  # not all of the fixture
        ({"markets": "G:1x2"}, 404, "market_unknown", "markets"),
        ({"action": "set_overround"}, 422, "field_invalid", "overround"),
        ({"action": "set_overround", "overround": 1.5}, 422, "field_invalid", "overround"),
        ({"action": "set_overround", "overround": "0.1"}, 422, "field_invalid", "overround"),
        ({"action": "set_stake_max", "stake_max": "-1.00"}, 422, "amount_invalid", ""),
        ({"action": "set_stake_max", "stake_max": "1.001"}, 422, "amount_invalid", "stake_max"),
        ({"action": "shift_price", "selection": HOME, "factor": "0.099"}, 422, "factor_invalid", "factor"),
        ({"action": "shift_price", "selection": HOME, "factor": "10.001"}, 422, "factor_invalid", "factor"),
        ({"action": "shift_price", "selection": HOME, "factor": "1."}, 422, "factor_invalid", "factor"),
        ({"action": "shift_price", "selection": HOME, "factor": "-1"}, 422, "factor_invalid", "factor"),
        ({"action": "shift_price", "selection": HOME, "factor": "١"}, 422, "factor_invalid", "factor"),
        ({"action": "shift_price", "selection": HOME, "factor": 1.1}, 422, "field_invalid", "factor"),
        ({"action": "shift_price", "selection": "home", "factor": "1"}, 422, "selection_invalid", "selection"),
        ({"action": "shift_price", "selection": "G:1x2/home", "factor": "1"}, 422, "selection_invalid", "selection"),
        ({"action": "shift_price", "selection": "F:1x2/over", "factor": "1"}, 409, "selection_unknown", ""),
        ({"action": "fix_price", "selection": HOME, "price": "2.0"}, 422, "field_invalid", "generation"),
        ({"action": "fix_price", "selection": HOME, "price": "1.000", "generation": 1}, 422, "price_invalid", "price"),
        ({"action": "fix_price", "selection": HOME, "price": "1000.001", "generation": 1}, 422, "price_invalid",
         "price"),
        ({"action": "fix_price", "selection": HOME, "price": "2.0", "generation": 2}, 409, "generation_stale", ""),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_and_nothing_is_said(
    site: Site, body: Json, status: int, reason: str, field: str
) -> None:
    reply = send(site, **body)
    assert (reply.status, reply.json["reason"], reply.json.get("field", "")) == (status, reason, field), reply
    assert reply.json["detail"]
    assert on_log(site) == []


def test_a_stale_generation_is_told_with_the_market_as_it_is_now(site: Site) -> None:
    reply = send(site, action="fix_price", selection=HOME, price="2.0", generation=0)
    assert (reply.json["price"], reply.json["generation"]) == ("2.50", 1)


@pytest.mark.parametrize("status", [FixtureStatus.FINISHED, FixtureStatus.ABANDONED])
def test_of_a_fixture_that_is_over_nothing_is_left_to_trade(site: Site, status: FixtureStatus) -> None:
    book = site.books.fixtures["F"]
    book.board = msgspec.structs.replace(book.board, status=status)
    assert send(site).json["reason"] == "fixture_unknown"


def test_a_closed_market_s_price_cannot_be_moved(site: Site) -> None:
    site.offer(1900, status=MarketStatus.CLOSED)
    reply = send(site, action="shift_price", selection=OVER, factor="1.1")
    assert (reply.status, reply.json["reason"]) == (409, "market_closed")


# --- once -------------------------------------------------------------------------------------------------------------


def test_a_command_sent_again_has_the_same_answer_and_is_not_said_again(site: Site) -> None:
    body = command(site)
    first = site.ask("POST", "/api/trader/commands", body, site.trader()).json
    apply(site, on_log(site)[0], first["offset"])
    again = site.ask("POST", "/api/trader/commands", body, site.trader())
    assert (again.status, again.json) == (202, {**first, "repeated": True})
    assert len(on_log(site)) == 1
    other = site.ask("POST", "/api/trader/commands", {**body, "action": "resume"}, site.trader())
    assert (other.status, other.json["reason"]) == (409, "id_reused")
    stranger = site.ask("POST", "/api/trader/commands", body, site.trader("tim"))
    assert (stranger.status, stranger.json["reason"]) == (409, "id_reused")


def test_a_command_sent_again_before_it_is_applied_stands_there_twice_under_one_id(site: Site) -> None:
    """The owner of the books drops the second (``test_odds_trader``)."""
    body = command(site)
    replies = [site.ask("POST", "/api/trader/commands", body, site.trader()) for _ in range(2)]
    assert [reply.status for reply in replies] == [202, 202]
    assert {said.id for said in on_log(site)} == {body["id"]}


# --- the moment -------------------------------------------------------------------------------------------------------


def test_without_a_log_nothing_is_recorded_and_nothing_is_tried_later(site: Site) -> None:
    site.log.away = True
    reply = send(site)
    assert (reply.status, reply.json["reason"], reply.headers["retry-after"]) == (503, "unavailable", "1")
    assert "secret" not in reply.json["detail"]
    site.log.away = False
    site.clock.run_for(60_000)
    assert on_log(site) == []
    assert send(site).status == 202


def test_a_trader_does_not_wait_for_ever(site: Site) -> None:
    site.log.late_ms = 60_000
    reply = site.ask("POST", "/api/trader/commands", command(site), site.trader(), step_ms=100)
    assert (reply.status, reply.json["reason"]) == (503, "not_answered")


def test_too_many_commands_on_their_way_are_busy(site: Site) -> None:
    site.log.late_ms = 60_000
    for number in range(WAITING_MAX):
        site.trading.command(TraderCommand(str(number), "tom", "F", SuspendMarkets(""), 0), lambda _: None)
    reply = send(site)
    assert (reply.status, reply.json["reason"]) == (503, "busy")


# --- who --------------------------------------------------------------------------------------------------------------


def test_a_fan_cannot_trade_and_a_trader_cannot_bet(site: Site) -> None:
    fan, trader = site.guest(), site.trader()
    for method, path, body, token in (
        ("POST", "/api/trader/commands", command(site), fan),
        ("GET", "/api/trader/fixtures/F", None, fan),
        ("POST", "/api/bets", site.bet(), trader),
        ("GET", "/api/bets", None, trader),
        ("GET", "/api/account", None, trader),
        ("GET", "/api/account/statement", None, trader),
        ("POST", "/api/account/limit", {"id": site.clock.new_id(), "stake_per_day": "1.00"}, trader),
    ):
        reply = site.ask(method, path, body, token)
        assert (reply.status, reply.json["reason"]) == (403, "not_allowed"), (path, reply)
    assert on_log(site) == []
    assert site.ledger.open_bets() == 0


def test_a_trader_named_as_a_fan_s_account_is_not_that_fan(site: Site) -> None:
    account = site.ask("POST", "/api/guest", {}).json["account"]
    assert site.ask("GET", "/api/account", token=site.trader(account)).status == 403


def test_without_a_token_nobody_trades(site: Site) -> None:
    reply = site.ask("POST", "/api/trader/commands", command(site))
    assert (reply.status, reply.json["reason"]) == (401, "not_signed_in")
    assert "matchday token" in reply.json["detail"]


def test_a_trader_s_requests_have_their_limit(site: Site) -> None:
    token, most = site.trader(), 2 * site.settings.doors.requests_per_second_max
    replies = [site.ask("GET", "/api/trader/fixtures/F", token=token).status for _ in range(most + 1)]
    assert (replies[:-1], replies[-1]) == ([200] * most, 429)


# --- the book ---------------------------------------------------------------------------------------------------------


def test_a_trader_sees_the_book_as_it_was_set(site: Site) -> None:
    actions: list[Action] = [
        SuspendMarkets("1x2"), SetOverround("", 0.07), ShiftPrice("1x2/home", 1_210), FixPrice("1x2/draw", 3_500, 1),
    ]  # fmt: skip
    controls = Controls()
    for number, action in enumerate(actions):
        controls = controls.after(TraderCommand(f"c{number}", "tom", "F", action, 0), 7 + number)
    site.offer(2500, key=MarketKey("1x2"), outcomes=("home", "draw"), status=MarketStatus.SUSPENDED, generation=4,
               stake_max=5_000)  # fmt: skip
    site.books.fixtures["F"].controls = controls
    answer = site.ask("GET", "/api/trader/fixtures/F", token=site.trader()).json
    goals, result = answer["markets"]
    assert result == {
        "market": "F:1x2", "type": "1x2", "line": None, "status": "suspended", "generation": 4, "suspended": True,
        "overround": 0.07, "stake_max": "50.00",
        "selections": [
            {"selection": HOME, "outcome": "home", "price": "2.50", "factor": "1.21", "fixed": None},
            {"selection": "F:1x2/draw", "outcome": "draw", "price": "2.50", "factor": None, "fixed": "3.50"},
        ],
    }  # fmt: skip
    assert (goals["suspended"], goals["overround"], goals["stake_max"]) == (False, 0.07, None)
    assert answer["currency"] == "EUR"
    assert answer["applied"][0] == {"id": "c3", "trader": "tom", "offset": 10}
    assert [row["id"] for row in answer["applied"]] == ["c3", "c2", "c1", "c0"]


def test_fans_are_not_shown_what_traders_set(site: Site) -> None:
    site.offer(1900, stake_max=5_000)
    market = site.ask("GET", "/api/fixtures/F").json["markets"][0]
    assert set(market) == {"market", "type", "line", "status", "generation", "selections"}


def test_a_fixture_that_is_not_there_has_no_book(site: Site) -> None:
    reply = site.ask("GET", "/api/trader/fixtures/G", token=site.trader())
    assert (reply.status, reply.json["reason"]) == (404, "fixture_unknown")
