"""Slips and quotes at the HTTP door: several bets with an answer each, every type, form errors by their place, and what
waits. Every response is also checked against the OpenAPI document (``Site.ask``)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from matchday.config import Bets as BetSettings
from matchday.config import Doors, Settings
from matchday.edge.api import SLIP_MAX
from matchday.model.acceptance import TraderAnswer
from matchday.model.ledger import GrantFreeBet, LimitName, SetLimit, offer_id
from matchday.model.lines import LEGS_MAX
from matchday.model.market import MarketKey, MarketStatus
from tests.unit.doors import OVER, Json, Site

HOME = "F:1x2/home"


class Desk:
    """A door, and a fan who is signed in."""

    def __init__(self, web: Path, bets: BetSettings | None = None, doors: Doors = Doors()) -> None:  # noqa: B008
        self.site = Site(web, Settings(bets=bets or BetSettings(delay_ms=0), doors=doors))
        guest = self.site.ask("POST", "/api/guest", {}).json
        self.account, self.token = guest["account"], guest["token"]

    def post(self, path: str, body: object) -> tuple[int, Json]:
        reply = self.site.ask("POST", path, body, self.token)
        return reply.status, reply.json

    def slip(self, *bets: Json) -> list[Json]:
        status, answer = self.post("/api/slips", {"bets": bets})
        assert status == 200, answer
        found: list[Json] = answer["answers"]
        return found

    def get(self, path: str) -> Json:
        return self.site.ask("GET", path, token=self.token).json

    @property
    def balance(self) -> str:
        return str(self.get("/api/account")["balance"])


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def leg(selection: str = HOME, price: str = "2.50", generation: int = 1) -> Json:
    return {"selection": selection, "price": price, "generation": generation}


# --- slips ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [1, 2, SLIP_MAX])
def test_each_bet_of_a_slip_has_its_answer_in_its_place(desk: Desk, number: int) -> None:
    bets = [desk.site.bet(stake=f"{10 + place}.00") for place in range(number)]
    answers = desk.slip(*bets)
    assert [(one["answer"], one["id"], one["bet"]["stake"]) for one in answers] == [
        ("accepted", bet["id"], bet["stake"]) for bet in bets
    ]
    spent = sum(10 + place for place in range(number))
    assert desk.balance == f"{1_000 - spent}.00"


@pytest.mark.parametrize("number", [0, SLIP_MAX + 1])
def test_a_slip_has_one_to_twenty_bets(desk: Desk, number: int) -> None:
    status, problem = desk.post("/api/slips", {"bets": [desk.site.bet() for _ in range(number)]})
    assert (status, problem["reason"], problem["field"]) == (422, "slip_invalid", "bets")
    assert desk.balance == "1000.00"


def test_each_bet_has_an_id_of_its_own(desk: Desk) -> None:
    bet = desk.site.bet()
    status, problem = desk.post("/api/slips", {"bets": [bet, {**bet, "stake": "20.00"}]})
    assert (status, problem["reason"], problem["field"]) == (422, "slip_invalid", "bets")
    assert desk.balance == "1000.00"


def test_every_bet_of_a_slip_counts_as_a_request(tmp_path: Path) -> None:
    """A hundred slips of twenty once were a hundred requests, and two thousand bets."""
    desk = Desk(tmp_path, doors=Doors(requests_per_second_max=10))  # twenty at once
    site = desk.site
    desk.slip(*(site.bet(stake="1.00") for _ in range(15)))
    reply = site.ask("POST", "/api/slips", {"bets": [site.bet(stake="1.00") for _ in range(6)]}, desk.token)
    assert (reply.status, reply.json["reason"], reply.headers["retry-after"]) == (429, "too_many_requests", "1")
    desk.slip(*(site.bet(stake="1.00") for _ in range(4)))  # of the one that was refused, the request counted
    reply = site.ask("POST", "/api/bets", site.bet(), desk.token)
    assert (reply.status, reply.json["reason"]) == (429, "too_many_requests")
    site.clock.run_for(1_000)
    assert desk.balance == "981.00"


def test_whoever_was_quiet_may_send_any_slip_and_owes_what_it_was_too_much(tmp_path: Path) -> None:
    desk = Desk(tmp_path, doors=Doors(requests_per_second_max=1))
    site = desk.site
    desk.slip(*(site.bet(stake="1.00") for _ in range(SLIP_MAX)))
    reply = site.ask("GET", "/api/account", token=desk.token)
    assert (reply.status, reply.headers["retry-after"]) == (429, "19")
    site.clock.run_for(19_000)
    assert desk.balance == "980.00"


def test_what_an_account_may_not_have_waiting_is_busy_in_a_slip(tmp_path: Path) -> None:
    desk = Desk(tmp_path, BetSettings(delay_ms=60_000, quote_ms=61_000, waiting_account_max=2))
    bets = [desk.site.bet() for _ in range(4)]
    answers = desk.slip(*bets)
    pending, busy = ("pending", None), ("refused", "busy")
    assert [(one["answer"], one.get("reason")) for one in answers] == [pending, pending, busy, busy]
    assert desk.site.ask("GET", f"/api/bets/by-id/{bets[2]['id']}", token=desk.token).json["reason"] == "id_unknown"
    reply = desk.site.ask("POST", "/api/bets", desk.site.bet(), desk.token)
    assert (reply.status, reply.json["reason"], reply.headers["retry-after"]) == (503, "busy", "1")


def test_one_bet_s_answer_is_none_of_another_s(desk: Desk) -> None:
    """Accepted, refused by the book, by a limit and by its form, one beside the other."""
    site = desk.site
    bets = [
        site.bet(),
        site.bet(leg={"price": "1.91"}, policy="none"),
        site.bet(stake="500.01"),
        site.bet(currency="XXX"),
        site.bet(leg={"price": "1.00"}),
        site.bet(leg={"selection": "F:1x2/nobody"}),
        site.bet(stake="0.05"),
        site.bet(legs=[]),
        site.bet(id="x"),
        site.bet(),
    ]
    answers = desk.slip(*bets)
    assert [one["id"] for one in answers] == [bet["id"] for bet in bets]
    assert [(one["answer"], one.get("reason"), one.get("stake_max")) for one in answers] == [
        ("accepted", None, None),
        ("refused", "price_moved", None),
        ("refused", "stake_above_maximum", "500.00"),
        ("refused", "currency_invalid", None),
        ("refused", "price_invalid", None),
        ("refused", "selection_unknown", None),
        ("refused", "stake_below_minimum", None),
        ("refused", "legs_invalid", None),
        ("refused", "id_invalid", None),
        ("accepted", None, None),
    ]
    assert desk.balance == "980.00"


@pytest.mark.parametrize(
    ("changes", "reason", "field"),
    [
        ({"id": "x"}, "id_invalid", "id"),
        ({"stake": "0"}, "amount_invalid", "stake"),
        ({"currency": "XXX"}, "currency_invalid", "currency"),
        ({"legs": []}, "legs_invalid", "legs"),
        ({"type": "tripple"}, "type_invalid", "type"),
        ({"legs": [leg(), leg(price="1.000")]}, "price_invalid", "legs[1].price"),
        ({"legs": [leg(), leg("F")]}, "selection_invalid", "legs[1].selection"),
        ({"legs": [leg(), {"price": "2"}]}, "legs_invalid", "legs[1]"),
        ({"legs": [{"price": "2", "parts": []}]}, "legs_invalid", "legs[0]"),
        ({"legs": [{"price": "2", "parts": [leg()]}]}, "field_invalid", None),  # a part has no price
        (
            {
                "legs": [
                    {"price": "2", "parts": [{"selection": HOME, "generation": 1}, {"selection": "x", "generation": 1}]}
                ]
            },
            "selection_invalid",
            "legs[0].parts[1]",
        ),
    ],
)
def test_what_is_wrong_with_a_bet_names_its_place_in_the_slip(
    desk: Desk, changes: Json, reason: str, field: str | None
) -> None:
    """Its currency once was named without its place."""
    bet = desk.site.bet(**changes)
    if field is None:  # what the schema already forbids is the whole body's
        status, problem = desk.post("/api/slips", {"bets": [desk.site.bet(), bet]})
        assert (status, problem["reason"]) == (422, reason)
        assert problem["field"].startswith("bets[")
        return
    answer = desk.slip(desk.site.bet(), bet)[1]
    assert answer["reason"] == reason
    assert answer["detail"].startswith(f"bets[1].{field}: ")


def test_a_slip_sent_twice_is_one_slip(desk: Desk) -> None:
    bets = [desk.site.bet(), desk.site.bet(stake="500.01"), desk.site.bet(stake="x")]
    first, again = desk.slip(*bets), desk.slip(*bets)
    assert [one["repeated"] for one in first] == [False] * 3
    assert [one["repeated"] for one in again] == [True, True, False]  # what has no form was never asked
    assert [one["answer"] for one in again] == [one["answer"] for one in first]
    assert desk.balance == "990.00"


def test_bets_of_one_slip_share_balance_and_limits(desk: Desk) -> None:
    desk.site.core.commit([SetLimit("l", desk.account, 2_500, desk.site.clock.now_ms())])
    answers = desk.slip(*(desk.site.bet() for _ in range(4)))
    assert [one.get("reason") for one in answers] == [None, None, "stake_limit_reached", "stake_limit_reached"]
    assert {one.get("stake_max") for one in answers[2:]} == {"5.00"}


def test_the_moment_is_said_of_each_bet(desk: Desk) -> None:
    desk.site.ledger.away = True
    answers = desk.slip(desk.site.bet(), desk.site.bet(stake="x"))
    desk.site.ledger.away = False
    assert [one["reason"] for one in answers] == ["unavailable", "amount_invalid"]
    assert "same id" in answers[0]["detail"]


def test_a_full_queue_is_busy_for_those_that_find_no_place(tmp_path: Path) -> None:
    desk = Desk(tmp_path, BetSettings(delay_ms=0, queue_max=2))
    answers = desk.slip(*(desk.site.bet() for _ in range(3)))
    assert [one.get("reason") for one in answers] == [None, None, "busy"]


def test_what_the_ledger_answers_late_is_pending(desk: Desk) -> None:
    bets = [desk.site.bet(), desk.site.bet()]
    desk.site.ledger.late_ms = desk.site.settings.doors.answer_ms_max + 500
    reply = desk.site.ask("POST", "/api/slips", {"bets": bets}, desk.token, step_ms=50)
    assert [one["answer"] for one in reply.json["answers"]] == ["pending", "pending"]
    desk.site.clock.run_for(10_000)
    assert {desk.get(f"/api/bets/by-id/{bet['id']}")["answer"] for bet in bets} == {"accepted"}


# --- bad input, each with its name ------------------------------------------------------------------------------------

SAME = [leg(), leg()]
CONTRADICTORY = [leg("F:1x2/home"), leg("F:1x2/away")]


@pytest.mark.parametrize(
    ("what", "changes", "status", "reason", "field"),
    [
        ("no leg", {"legs": []}, 422, "legs_invalid", "legs"),
        ("21 legs", {"legs": [leg()] * (LEGS_MAX + 1)}, 422, "legs_invalid", "legs"),
        ("the same selection twice", {"legs": SAME}, 409, "selection_repeated", None),
        ("selections that cannot both win", {"legs": CONTRADICTORY}, 409, "legs_related", None),
        ("two legs on one fixture", {"legs": [leg(), leg(OVER, "1.90")]}, 409, "legs_related", None),
        ("too many decimals", {"stake": "10.001"}, 422, "amount_invalid", "stake"),
        ("decimals that yen lack", {"stake": "10.5", "currency": "JPY"}, 422, "amount_invalid", "stake"),
        ("more than dinars have", {"stake": "1.2345", "currency": "KWD"}, 422, "amount_invalid", "stake"),
        ("a stake of nothing", {"stake": "0"}, 422, "amount_invalid", "stake"),
        ("a price of 1.000", {"leg": {"price": "1.000"}}, 422, "price_invalid", "legs[0].price"),
        ("a price below 1.001", {"leg": {"price": "0.999"}}, 422, "price_invalid", "legs[0].price"),
        (
            "a stake that three lines do not divide",
            {"stake": "10.00", "type": "system:1/3"},
            422,
            "legs_invalid",
            "legs",
        ),
    ],
)
def test_bad_input_has_a_name(
    desk: Desk, what: str, changes: Json, status: int, reason: str, field: str | None
) -> None:
    """By itself, and in a slip: there beside a bet that is taken."""
    found, problem = desk.post("/api/bets", desk.site.bet(**changes))
    assert (found, problem["reason"], problem.get("field")) == (status, reason, field)
    answers = desk.slip(desk.site.bet(**changes), desk.site.bet())
    assert [one.get("reason") for one in answers] == [reason, None]
    assert desk.balance == "990.00"


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        ({"amount": "0"}, 200, None),  # stops all betting
        ({"amount": None}, 200, None),
        ({"amount": "-1"}, 422, "amount_invalid"),
        ({"amount": "1.001"}, 422, "amount_invalid"),
        ({"amount": "1", "limit": "stake_year"}, 422, "field_invalid"),
    ],
)
def test_limits_of_zero_none_and_less(desk: Desk, body: Json, status: int, reason: str | None) -> None:
    found, answer = desk.post("/api/account/limit", {"id": desk.site.clock.new_id(), **body})
    assert (found, answer.get("reason")) == (status, reason)
    if body["amount"] == "0":
        _, problem = desk.post("/api/bets", desk.site.bet())
        assert (problem["reason"], problem["stake_max"]) == ("stake_limit_reached", "0.00")


@pytest.mark.parametrize("name", list(LimitName))
def test_every_limit_can_be_set_and_is_shown(desk: Desk, name: LimitName) -> None:
    body = {"id": desk.site.clock.new_id(), "amount": "12.34", "limit": name}
    status, account = desk.post("/api/account/limit", body)
    assert status == 200
    shown = {one["limit"]: one["amount"] for one in account["limits"]}
    assert shown[name] == "12.34"
    _, problem = desk.post("/api/bets", desk.site.bet(stake="12.35"))
    assert problem["reason"] == ("loss_limit_reached" if name.of_loss else "stake_limit_reached")


# --- types ------------------------------------------------------------------------------------------------------------


def more(desk: Desk, number: int) -> list[Json]:
    """Legs on as many fixtures, at 2.50."""
    for place in range(number):
        desk.site.offer(price=2_500, key=MarketKey("1x2"), outcomes=("home", "draw", "away"), fixture=f"F{place}")
    return [leg(f"F{place}:1x2/home") for place in range(number)]


@pytest.mark.parametrize(
    ("legs", "type_", "stake", "per", "total", "lines", "returns_max"),
    [
        (1, "", "10.00", "bet", "10.00", 1, "25.00"),
        (2, "", "10.00", "bet", "10.00", 1, "62.50"),
        (3, "trixie", "10.00", "bet", "10.00", 4, "85.92"),  # 2.50 on 3 doubles, 15.625 each, and a treble, 39.0625
        (3, "trixie", "2.50", "line", "10.00", 4, "85.92"),
        (3, "patent", "1.00", "line", "7.00", 7, "41.87"),
        (3, "system:2/3", "1.00", "line", "3.00", 3, "18.75"),
        (20, "", "0.10", "bet", "0.10", 1, None),  # would return more than the house pays
    ],
)
def test_every_type_is_taken(
    desk: Desk, legs: int, type_: str, stake: str, per: str, total: str, lines: int, returns_max: str | None
) -> None:
    body = desk.site.bet(stake=stake, stake_per=per, type=type_, legs=more(desk, legs))
    status, answer = desk.post("/api/bets", body)
    if returns_max is None:
        assert (status, answer["reason"]) == (409, "return_above_maximum")
        return
    assert status == 201
    bet = answer["bet"]
    assert (bet["stake"], bet["lines"], bet["returns_max"]) == (total, lines, returns_max)
    assert bet["type"] == (type_ or ("single" if legs == 1 else "accumulator"))


def test_a_stake_divides_by_its_lines(desk: Desk) -> None:
    body = desk.site.bet(stake="10.01", type="trixie", legs=more(desk, 3))
    status, problem = desk.post("/api/bets", body)
    assert (status, problem["reason"], problem["field"]) == (422, "amount_invalid", "stake")
    assert "4 lines" in problem["detail"]


# --- quotes -----------------------------------------------------------------------------------------------------------


def test_a_quote_says_prices_lines_and_the_largest_stake(desk: Desk) -> None:
    legs = [{"selection": one["selection"]} for one in more(desk, 3)]
    status, quote = desk.post("/api/bets/quote", {"currency": "EUR", "legs": legs, "type": "trixie"})
    assert status == 200
    assert quote == {
        "legs": [{"price": "2.50", "reason": None}] * 3, "type": "trixie", "lines": 4, "stake_max": "500.00",
        "returns_max": "4296.87", "reason": None,
    }  # fmt: skip
    status, answer = desk.post("/api/bets", desk.site.bet(stake="500.04", type="trixie", legs=more(desk, 3)))
    assert (status, answer["reason"], answer["stake_max"]) == (409, "stake_above_maximum", "500.00")
    status, answer = desk.post("/api/bets", desk.site.bet(stake="500.00", type="trixie", legs=more(desk, 3)))
    assert (status, answer["bet"]["returns_max"]) == (201, "4296.87")


def test_a_quote_of_a_leg_that_cannot_be_backed_says_why(desk: Desk) -> None:
    more(desk, 1)
    desk.site.offer(price=2_500, key=MarketKey("1x2"), outcomes=("home", "draw", "away"), status=MarketStatus.SUSPENDED)
    legs = [{"selection": "F0:1x2/home"}, {"selection": HOME}, {"selection": "F:1x2/nobody"}]
    _, quote = desk.post("/api/bets/quote", {"currency": "EUR", "legs": legs})
    assert [(one["price"], one["reason"]) for one in quote["legs"]] == [
        ("2.50", None), (None, "market_suspended"), (None, "selection_unknown"),
    ]  # fmt: skip
    assert (quote["reason"], quote["stake_max"]) == ("legs_related", "0.00")


@pytest.mark.parametrize(
    ("body", "reason", "field"),
    [
        ({"currency": "XXX", "legs": [{"selection": HOME}]}, "currency_invalid", "currency"),
        ({"currency": "EUR", "legs": []}, "legs_invalid", "legs"),
        ({"currency": "EUR", "legs": [{"selection": HOME}] * 21}, "legs_invalid", "legs"),
        ({"currency": "EUR", "legs": [{}]}, "legs_invalid", "legs[0]"),
        ({"currency": "EUR", "legs": [{"selection": "F"}]}, "selection_invalid", "legs[0].selection"),
        ({"currency": "EUR", "legs": [{"parts": [HOME]}]}, "legs_invalid", "legs[0].parts"),
        ({"currency": "EUR", "legs": [{"selection": HOME}], "type": "x"}, "type_invalid", "type"),
        ({"currency": "EUR", "legs": [{"selection": HOME}], "type": "trixie"}, "legs_invalid", "legs"),
    ],
)
def test_a_quote_of_wrong_form_names_its_field(desk: Desk, body: Json, reason: str, field: str) -> None:
    status, problem = desk.post("/api/bets/quote", body)
    assert (status, problem["reason"], problem.get("field")) == (422, reason, field)


@pytest.mark.parametrize(("currency", "reason"), [("EUR", None), ("JPY", "currency_mismatch")])
def test_a_quote_is_in_the_currency_of_the_account(desk: Desk, currency: str, reason: str | None) -> None:
    _, quote = desk.post("/api/bets/quote", {"currency": currency, "legs": [{"selection": HOME}]})
    assert quote["reason"] == reason
    assert (quote["stake_max"] in ("0", "0.00")) == (reason is not None)


# --- free bets --------------------------------------------------------------------------------------------------------


def test_a_free_bet_is_shown_used_and_shown_no_more(desk: Desk) -> None:
    now = desk.site.clock.now_ms()
    desk.site.core.commit([GrantFreeBet("g", desk.account, "free1", 500, "EUR", now + 60_000, now)])
    assert desk.get("/api/account")["free_bets"] == [{"free_bet": "free1", "amount": "5.00", "until_ms": now + 60_000}]
    status, problem = desk.post("/api/bets", desk.site.bet(stake="6.00", free_bet="free1"))
    assert (status, problem["reason"], problem.get("stake_max")) == (409, "free_bet_unknown", None)
    status, answer = desk.post("/api/bets", desk.site.bet(stake="5.00", free_bet="free1"))
    assert (status, answer["balance"], answer["bet"]["free_bet"]) == (201, "1000.00", "free1")
    assert answer["bet"]["returns_max"] == "4.50"  # its winnings alone
    assert desk.get("/api/account")["free_bets"] == []


def test_a_free_bet_whose_time_is_over_is_not_shown(desk: Desk) -> None:
    now = desk.site.clock.now_ms()
    desk.site.core.commit([GrantFreeBet("g", desk.account, "free1", 500, "EUR", now + 60_000, now)])
    desk.site.clock.run_for(60_000)
    assert desk.get("/api/account")["free_bets"] == []
    desk.site.offer(price=1_900)
    status, problem = desk.post("/api/bets", desk.site.bet(stake="5.00", free_bet="free1"))
    assert (status, problem["reason"]) == (409, "free_bet_expired")


# --- what waits -------------------------------------------------------------------------------------------------------


def in_play(tmp_path: Path, **changes: Any) -> Desk:
    return Desk(tmp_path, BetSettings(delay_ms=4_000, **changes))


def later(desk: Desk, ms: int) -> None:
    for _ in range(0, ms, 1_000):
        desk.site.clock.run_for(1_000)
        desk.site.offer(price=1_900)


def test_a_bet_in_play_is_pending_until_its_time(tmp_path: Path) -> None:
    desk = in_play(tmp_path)
    bet = desk.site.bet()
    until_ms = desk.site.clock.now_ms() + 4_000
    pending = {"answer": "pending", "id": bet["id"], "repeated": False, "until_ms": until_ms}
    assert desk.post("/api/bets", bet) == (202, pending)
    assert desk.get(f"/api/bets/by-id/{bet['id']}") == pending
    later(desk, 4_000)
    known = desk.get(f"/api/bets/by-id/{bet['id']}")
    assert (known["answer"], known["balance"]) == ("accepted", "990.00")
    assert desk.post("/api/bets", bet) == (201, known)  # and does not wait again


def test_bets_of_a_slip_wait_each_for_itself(tmp_path: Path) -> None:
    desk = in_play(tmp_path)
    desk.site.offer(price=2_500, key=MarketKey("1x2"), outcomes=("home", "draw"), fixture="G", live=False)
    answers = desk.slip(
        desk.site.bet(), desk.site.bet(legs=[leg("G:1x2/home")]), desk.site.bet(leg={"price": "1.95"}),
        desk.site.bet(legs=[leg("G:1x2/home"), leg(OVER, "1.90")]),
    )  # fmt: skip
    assert [one["answer"] for one in answers] == ["pending", "accepted", "refused", "pending"]
    until_ms = desk.site.clock.now_ms() + 4_000
    assert [one.get("until_ms") for one in answers] == [until_ms, None, None, until_ms]


def told(desk: Desk, id_: str, says: TraderAnswer) -> None:
    desk.site.room.answer_referral(desk.account, id_, says, lambda _: None)
    desk.site.clock.run_for(1)


def test_a_bet_that_is_referred_is_pending_until_a_trader_answers(desk: Desk) -> None:
    bet = desk.site.bet(stake="600.00", refer=True)
    until_ms = desk.site.clock.now_ms() + 60_000
    pending = {"answer": "pending", "id": bet["id"], "repeated": False, "until_ms": until_ms}
    assert desk.post("/api/bets", bet) == (202, pending)
    assert desk.post("/api/bets", bet) == (202, pending)
    assert desk.slip(bet) == [pending]
    assert desk.get(f"/api/bets/by-id/{bet['id']}") == pending
    told(desk, bet["id"], TraderAnswer(accept=True))
    known = desk.get(f"/api/bets/by-id/{bet['id']}")
    assert (known["answer"], known["bet"]["stake"], desk.balance) == ("accepted", "600.00", "400.00")


@pytest.mark.parametrize(
    ("says", "reason"),
    [
        (TraderAnswer(reason="no"), "refused_by_trader"),
        (None, "referral_expired"),
        (TraderAnswer(stake=50_000), "re_offered"),
    ],
)
def test_what_a_trader_does_not_accept_is_refused(desk: Desk, says: TraderAnswer | None, reason: str) -> None:
    bet = desk.site.bet(stake="600.00", refer=True)
    desk.post("/api/bets", bet)
    if says is None:
        desk.site.clock.run_for(60_000)
    else:
        told(desk, bet["id"], says)
    known = desk.get(f"/api/bets/by-id/{bet['id']}")
    assert (known["answer"], known["reason"], "offer" in known) == ("refused", reason, reason == "re_offered")
    status, problem = desk.post("/api/bets", bet)
    assert (status, problem["reason"]) == (409, reason)


def test_a_client_that_polls_finds_the_offer_and_takes_it_up(desk: Desk) -> None:
    """It once stood on the account's channel alone."""
    bet = desk.site.bet(stake="600.00", refer=True)
    desk.post("/api/bets", bet)
    told(desk, bet["id"], TraderAnswer(stake=55_000, prices=(1_850,)))
    now = desk.site.clock.now_ms()
    offer = {
        "offer": offer_id(desk.account, bet["id"]),
        "stake": "550.00",
        "prices": ["1.85"],
        "until_ms": now + 29_999,
    }
    assert desk.get(f"/api/bets/by-id/{bet['id']}")["offer"] == offer
    status, problem = desk.post("/api/bets", bet)
    assert (status, problem["reason"]) == (409, "re_offered")
    assert bet["id"] in problem["detail"]
    taken = desk.site.bet(stake=offer["stake"], offer=offer["offer"])
    status, answer = desk.post("/api/bets", taken)
    assert (status, answer["bet"]["legs"][0]["price"], answer["balance"]) == (201, "1.85", "450.00")
    assert "offer" not in desk.get(f"/api/bets/by-id/{bet['id']}")
    status, problem = desk.post("/api/bets", desk.site.bet(stake=offer["stake"], offer=offer["offer"]))
    assert (status, problem["reason"]) == (409, "offer_unknown")


# --- a ledger that cannot be read -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "ask",
    [
        lambda desk: desk.post("/api/bets/quote", {"currency": "EUR", "legs": [{"selection": HOME}]}),
        lambda desk: desk.post("/api/account/limit", {"id": desk.site.clock.new_id(), "amount": "1"}),
    ],
)
def test_without_a_ledger_it_is_unavailable(desk: Desk, ask: Callable[[Desk], tuple[int, Json]]) -> None:
    desk.site.ledger.away = True
    status, problem = ask(desk)
    assert (status, problem["reason"]) == (503, "unavailable")
