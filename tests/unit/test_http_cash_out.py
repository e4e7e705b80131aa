"""The doors of cash-out: asking for a quote, taking it up, and a threshold; and what is said where that cannot be."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from matchday.config import Bets, Settings
from matchday.model.bet import OUTCOMES, Result
from matchday.model.ledger import DecideLegs, SettleBet
from matchday.model.market import Market, MarketStatus, Selection
from matchday.model.messages import BookChanged, Decision
from tests.unit.doors import GOALS, OVER, Json, Reply, Site

DELAY_MS = 4_000


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path, Settings(bets=Bets(delay_ms=0, cash_out_margin=100)))


@pytest.fixture
def slow(tmp_path: Path) -> Site:
    """With the delay of a match in play."""
    return Site(tmp_path, Settings(bets=Bets(cash_out_margin=100)))


class Fan:
    """A fan with one bet of 10.00 at 1.90 on an even chance."""

    def __init__(self, site: Site) -> None:
        self.site, self.token = site, site.guest()
        placed = site.ask("POST", "/api/bets", site.bet(), self.token)
        if placed.status == 202:  # it waits its delay
            pass_time(site, DELAY_MS)
        self.bet = site.ask("GET", "/api/bets", token=self.token).json["bets"][0]["bet"]
        self.path = f"/api/bets/{self.bet}/cash-out"

    def quote(self, query: str = "") -> Reply:
        return self.site.ask("GET", f"{self.path}{query}", token=self.token)

    def cash_out(self, body: Json | None = None, **changes: object) -> Reply:
        return self.site.ask("POST", self.path, {**(body or self.body()), **changes}, self.token)

    def body(self, query: str = "") -> Json:
        """A quote as it is taken up."""
        return {"id": self.site.clock.new_id(), "quote": self.quote(query).json["quote"]}

    def at(self, amount: str | None, **changes: object) -> Reply:
        body = {"id": self.site.clock.new_id(), "amount": amount, **changes}
        return self.site.ask("POST", f"{self.path}-at", body, self.token)

    def balance(self) -> str:
        return str(self.site.ask("GET", "/api/account", token=self.token).json["balance"])


def pass_time(site: Site, duration_ms: int) -> None:
    """Time passes, and the odds owner is heard."""
    site.clock.run_for(duration_ms)
    site.room.odds_alive(1, site.clock.now_ms())


@pytest.fixture
def fan(site: Site) -> Fan:
    return Fan(site)


def test_a_bet_is_quoted_and_cashed_out(fan: Fan) -> None:
    quoted = fan.quote()
    assert quoted.status == 200
    assert {k: v for k, v in quoted.json.items() if k != "quote"} == {
        "bet": fan.bet, "stake": "10.00", "amount": "8.55", "until_ms": fan.site.clock.now_ms() + 10_000,
    }  # fmt: skip
    body = {"id": fan.site.clock.new_id(), "quote": quoted.json["quote"]}
    paid = fan.cash_out(body)
    assert (paid.status, paid.json["answer"], paid.json["balance"]) == (200, "accepted", "998.55")
    assert {k: paid.json["bet"][k] for k in ("status", "cashed", "cash", "returns_max")} == {
        "status": "cashed_out", "cashed": "10.00", "cash": "8.55", "returns_max": "0.00",
    }  # fmt: skip
    again = fan.cash_out(body)
    assert (again.status, again.json["repeated"], again.json["balance"]) == (200, True, "998.55")
    assert fan.site.ask("GET", f"/api/bets/by-id/{body['id']}", token=fan.token).json["answer"] == "accepted"
    statement = fan.site.ask("GET", "/api/account/statement", token=fan.token).json["entries"]
    assert (statement[0]["reason"], statement[0]["amount"]) == ("cash_out", "8.55")


def test_a_part_of_it(fan: Fan) -> None:
    quoted = fan.quote("?stake=4.00").json
    assert (quoted["stake"], quoted["amount"]) == ("4.00", "3.42")
    bet = fan.cash_out({"id": fan.site.clock.new_id(), "quote": quoted["quote"]}).json["bet"]
    assert (bet["status"], bet["cashed"], bet["cash"], bet["returns_max"]) == ("open", "4.00", "3.42", "11.40")
    assert fan.quote().json["stake"] == "6.00"
    refused = fan.quote("?stake=6.01")
    assert (refused.status, refused.json["reason"]) == (409, "cash_out_unavailable")
    assert "6.00 EUR of the stake is left" in refused.json["detail"]


@pytest.mark.parametrize("stake", ["0", "0.00", "-1", "1.001", "x", "", "1e3", "١", "1 000"])
def test_a_part_is_an_amount(fan: Fan, stake: str) -> None:
    refused = fan.site.ask("GET", f"{fan.path}?stake={stake}", token=fan.token)
    assert (refused.status, refused.json["reason"], refused.json["field"]) == (422, "parameter_invalid", "stake")
    assert refused.json["detail"]


# --- refused ----------------------------------------------------------------------------------------------------------


def suspended(fan: Fan) -> None:
    fan.site.offer(1900, generation=2, status=MarketStatus.SUSPENDED)


def moved(fan: Fan) -> None:
    fan.site.offer(1900, generation=2)


def expired(fan: Fan) -> None:
    pass_time(fan.site, 10_000)


def settled(fan: Fan) -> None:
    now = fan.site.clock.now_ms()
    said = (Decision(GOALS, OVER, OUTCOMES[Result.LOST]),)
    account = fan.site.ask("GET", "/api/account", token=fan.token).json["account"]
    fan.site.core.commit(
        [DecideLegs("decide:F:1", "F", 1, said, now), SettleBet(f"settle:{fan.bet}:1", fan.bet, account, now)]
    )


@pytest.mark.parametrize(
    ("happens", "reason", "field", "remedy"),
    [
        (suspended, "cash_out_unavailable", "", "leg 1: market_suspended"),
        (moved, "quote_moved", "quote", "ask for a new quote"),
        (expired, "quote_expired", "quote", "ask for a new quote"),
        (settled, "bet_not_open", "", "GET /api/bets"),
    ],
)
def test_why_a_quote_cannot_be_taken_up(
    fan: Fan, happens: Callable[[Fan], None], reason: str, field: str, remedy: str
) -> None:
    body = fan.body()
    happens(fan)
    before = fan.balance()
    refused = fan.cash_out(body)
    assert (refused.status, refused.json["reason"], refused.json.get("field", "")) == (409, reason, field)
    assert remedy in refused.json["detail"]
    assert refused.json.get("amount") == ("8.55" if reason == "quote_moved" else None)
    assert fan.cash_out(body).json["reason"] == reason  # the same id, the same answer
    found = fan.site.ask("GET", f"/api/bets/by-id/{body['id']}", token=fan.token).json
    assert (found["answer"], found["reason"]) == ("refused", reason)
    assert fan.balance() == before


def test_a_quote_that_is_not_ours_or_of_another_bet_is_unknown(fan: Fan) -> None:
    body, other = fan.body(), Fan(fan.site)
    quote = body["quote"]
    forged = [quote[:-2] + ("aa" if quote[-2:] != "aa" else "bb"), quote[1:], "x", "é", other.body()["quote"]]
    for text in forged:
        refused = fan.cash_out(body, quote=text)
        assert (refused.status, refused.json["reason"], refused.json["field"]) == (409, "quote_unknown", "quote"), text
        assert "GET /api/bets/{bet}/cash-out" in refused.json["detail"]
    assert other.cash_out({"id": fan.site.clock.new_id(), "quote": quote}).json["reason"] == "quote_unknown"
    assert fan.balance() == other.balance() == "990.00"
    assert fan.cash_out(body).status == 200  # nothing of it was recorded under this id


@pytest.mark.parametrize(
    ("body", "reason", "field"),
    [
        ({"id": "1", "quote": "x"}, "id_invalid", "id"),
        ({"id": "1"}, "field_invalid", "quote"),
        ({"quote": "x"}, "field_invalid", "id"),
        ({"id": "1", "quote": ""}, "field_invalid", "quote"),
        ({"id": "1", "quote": "x" * 2_001}, "field_invalid", "quote"),
        ({"id": "1", "quote": 7}, "field_invalid", "quote"),
        ({"id": "1", "quote": "x", "amount": "8.55"}, "field_invalid", "amount"),
    ],
)
def test_a_body_of_wrong_form_names_its_field(fan: Fan, body: Json, reason: str, field: str) -> None:
    refused = fan.site.ask("POST", fan.path, body, fan.token)
    assert (refused.status, refused.json["reason"], refused.json["field"]) == (422, reason, field)


def test_another_account_s_bet_is_unknown_here(fan: Fan) -> None:
    other = fan.site.guest()
    asked = [
        fan.site.ask("GET", fan.path, token=other),
        fan.site.ask("GET", "/api/bets/nobody's/cash-out", token=fan.token),
        fan.site.ask("POST", f"{fan.path}-at", {"id": fan.site.clock.new_id(), "amount": "5.00"}, other),
    ]
    assert [(reply.status, reply.json["reason"]) for reply in asked] == [(409, "bet_unknown")] * 3


# --- in play ----------------------------------------------------------------------------------------------------------


def test_with_a_match_in_play_it_is_pending_and_found_under_its_id(slow: Site) -> None:
    fan = Fan(slow)
    body = fan.body()
    told = fan.cash_out(body)
    assert told.status == 202
    assert told.json == {"answer": "pending", "id": body["id"], "repeated": False,
                         "until_ms": slow.clock.now_ms() + DELAY_MS}  # fmt: skip
    where = f"/api/bets/by-id/{body['id']}"
    assert slow.ask("GET", where, token=fan.token).json == told.json
    pass_time(slow, DELAY_MS)
    found = slow.ask("GET", where, token=fan.token).json
    assert (found["answer"], found["bet"]["cash"]) == ("accepted", "8.55")
    assert fan.balance() == "998.55"


def test_a_part_that_was_paid_is_not_waited_for_again(slow: Site) -> None:
    """Its bet is still open and in play: who lost the answer was told to wait, of what had long been decided."""
    fan = Fan(slow)
    body = fan.body("?stake=4.00")
    assert fan.cash_out(body).status == 202
    pass_time(slow, DELAY_MS)
    again = fan.cash_out(body)
    assert (again.status, again.json["answer"], again.json["repeated"]) == (200, "accepted", True)
    assert (again.json["bet"]["status"], again.json["bet"]["cashed"]) == ("open", "4.00")
    assert fan.cash_out(body).json == again.json


def test_without_a_ledger_nothing_is_recorded(fan: Fan) -> None:
    body = fan.body()
    fan.site.ledger.away = True
    refused = fan.cash_out(body)
    assert (refused.status, refused.json["reason"], refused.headers["retry-after"]) == (503, "unavailable", "1")
    assert fan.at("5.00").json["reason"] == "unavailable"
    fan.site.ledger.away = False
    assert fan.cash_out(body).status == 200


def test_an_answer_that_takes_too_long_is_pending(fan: Fan) -> None:
    body = fan.body()
    fan.site.ledger.late_ms = 6_000
    told = fan.site.ask("POST", fan.path, body, fan.token, step_ms=100)
    assert (told.status, told.json["answer"], "until_ms" in told.json) == (202, "pending", False)
    late = fan.site.ask(
        "POST", f"{fan.path}-at", {"id": fan.site.clock.new_id(), "amount": "5.00"}, fan.token, step_ms=100
    )
    assert (late.status, late.json["reason"]) == (503, "not_answered")


# --- by itself --------------------------------------------------------------------------------------------------------


def test_a_threshold_is_set_shown_and_removed(fan: Fan) -> None:
    told = fan.at("12.00")
    assert (told.status, told.json["bet"]["cash_out_at"]) == (200, "12.00")
    assert "cash_out_at" not in fan.at(None).json["bet"]
    fan.at("9.00")
    change = BookChanged("F", 1, 10**6, "tick", fan.site.clock.now_ms(), fan.site.books.fixtures["F"].board, ())
    for fact in fan.site.core.facts(0, 100):
        fan.site.cash_outs.account_fact(fact)
    fan.site.offer(1200, outcomes=("over", "under"))
    fan.site.books.fixtures["F"].markets[GOALS] = over_is_likely(fan.site)
    fan.site.cash_outs.book_changed(change, 1)
    fan.site.clock.run_for(0)
    assert fan.balance() == "1003.68"  # 10.00 * 1.90 * 0.8 * 0.9


def over_is_likely(site: Site) -> Market:
    market = site.books.fixtures["F"].markets[GOALS]
    return msgspec.structs.replace(market, selections=(Selection("over", 1250), Selection("under", 5000)))


@pytest.mark.parametrize(
    ("amount", "reason"),
    [("0", "amount_invalid"), ("-1.00", "amount_invalid"), ("1.001", "amount_invalid"), ("x", "amount_invalid")],
)
def test_a_threshold_is_an_amount(fan: Fan, amount: str, reason: str) -> None:
    refused = fan.at(amount)
    assert (refused.status, refused.json["reason"], refused.json["field"]) == (422, reason, "amount")


def test_a_settled_bet_has_no_threshold(fan: Fan) -> None:
    settled(fan)
    refused = fan.at("5.00")
    assert (refused.status, refused.json["reason"]) == (409, "bet_not_open")


def test_the_id_of_a_threshold_is_good_for_no_other(fan: Fan) -> None:
    id_ = fan.site.clock.new_id()
    assert fan.at("12.00", id=id_).status == 200
    assert fan.at("12.00", id=id_).json["repeated"] is True
    assert fan.at("13.00", id=id_).json["reason"] == "id_reused"
