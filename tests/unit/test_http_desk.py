"""The trading desk's door: a bet that waits is accepted, refused or offered on other terms, once; free bets are given.
Every response is also checked against the OpenAPI document."""

from pathlib import Path

import pytest

from tests.unit.doors import OVER, Json, Reply, Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.fixture
def fan(site: Site) -> str:
    """The token of a fan with an own limit that is no hindrance."""
    token = site.guest()
    limit = {"id": site.clock.new_id(), "limit": "stake_day", "amount": "2000.00"}
    assert site.ask("POST", "/api/account/limit", limit, token).status == 200
    return token


def refer(site: Site, fan: str, stake: str = "600.00") -> Json:
    """A bet of more than the platform takes, that waits for a trader."""
    bet = site.bet(stake=stake, refer=True)
    reply = site.ask("POST", "/api/bets", bet, fan)
    assert (reply.status, reply.json["answer"]) == (202, "pending")
    return bet


def waiting(site: Site) -> list[Json]:
    rows: list[Json] = site.ask("GET", "/api/trader/referrals", token=site.trader()).json["referrals"]
    return rows


def decide(site: Site, row: Json, **body: object) -> Reply:
    return site.ask("POST", f"/api/trader/referrals/{row['account']}/{row['id']}", body, site.trader())


def outcome(site: Site, fan: str, bet: Json) -> Json:
    found: Json = site.ask("GET", f"/api/bets/by-id/{bet['id']}", token=fan).json
    return found


def test_a_bet_that_waits_is_shown_as_it_was_asked(site: Site, fan: str) -> None:
    bet = refer(site, fan)
    (row,) = waiting(site)
    assert (row["id"], row["stake"], row["currency"], row["type"]) == (bet["id"], "600.00", "EUR", "single")
    assert [leg["selection"] for leg in row["legs"]] == [OVER]
    assert row["until_ms"] == site.clock.now_ms() + site.settings.bets.referral_ms
    assert outcome(site, fan, bet)["answer"] == "pending"


def test_what_is_accepted_is_placed_and_waits_no_more(site: Site, fan: str) -> None:
    bet = refer(site, fan)
    (row,) = waiting(site)
    reply = decide(site, row, decision="accept")
    assert (reply.status, reply.json["answer"], reply.json["balance"]) == (200, "accepted", "400.00")
    assert waiting(site) == []
    assert outcome(site, fan, bet)["answer"] == "accepted"


def test_the_first_word_stands(site: Site, fan: str) -> None:
    refer(site, fan)
    (row,) = waiting(site)
    decide(site, row, decision="refuse", reason="too much of this")
    second = decide(site, row, decision="accept")
    assert (second.status, second.json["answer"], second.json["reason"]) == (200, "refused", "refused_by_trader")


def test_an_offer_is_taken_up_at_its_terms(site: Site, fan: str) -> None:
    bet = refer(site, fan)
    (row,) = waiting(site)
    reply = decide(site, row, decision="offer", stake="550.00", prices=["1.80"])
    assert (reply.json["answer"], reply.json["reason"]) == ("refused", "re_offered")
    offer = outcome(site, fan, bet)["offer"]
    assert (offer["stake"], offer["prices"]) == ("550.00", ["1.80"])
    taken = site.bet(stake="550.00", offer=offer["offer"])
    assert site.ask("POST", "/api/bets", taken, fan).json["bet"]["legs"][0]["price"] == "1.80"
    again = site.ask("POST", "/api/bets", site.bet(stake="550.00", offer=offer["offer"]), fan)
    assert (again.status, again.json["reason"]) == (409, "offer_unknown")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"decision": "perhaps"}, "decision"),
        ({"decision": "accept", "stake": "5.00"}, "decision"),
        ({"decision": "offer"}, "stake"),
        ({"decision": "offer", "stake": "0"}, "stake"),
        ({"decision": "offer", "stake": "1.001"}, "stake"),
        ({"decision": "offer", "prices": []}, "prices"),
        ({"decision": "offer", "prices": ["1.80", "2.00"]}, "prices"),
        ({"decision": "offer", "prices": ["1.000"]}, "prices[0]"),
        ({"decision": "accept", "tip": "5.00"}, "tip"),
    ],
)
def test_a_word_of_wrong_form_names_its_field(site: Site, fan: str, body: Json, field: str) -> None:
    refer(site, fan)
    (row,) = waiting(site)
    reply = decide(site, row, **body)
    assert (reply.status, reply.json["field"]) == (422, field)
    assert len(waiting(site)) == 1


def test_the_list_has_pages_so_that_whoever_asks_much_hides_nobody(site: Site) -> None:
    """The last page once was the first: of more than a hundred traders saw the most urgent hundred, for a minute."""
    asked = []
    for _ in range(3):
        fan = site.guest()
        limit = {"id": site.clock.new_id(), "limit": "stake_day", "amount": "2000.00"}
        assert site.ask("POST", "/api/account/limit", limit, fan).status == 200
        asked += [refer(site, fan)["id"], refer(site, fan)["id"]]
    found, path = [], "/api/trader/referrals?limit=4"
    pages = []
    while path:
        page = site.ask("GET", path, token=site.trader()).json
        pages.append(len(page["referrals"]))
        found += [row["id"] for row in page["referrals"]]
        path = f"/api/trader/referrals?limit=4&after={page['next']}" if page["next"] else ""
    assert (pages, sorted(found)) == ([4, 2], sorted(asked))


@pytest.mark.parametrize("after", ["", "1", "1.", "1.x", "1.x.", "x.y.z", "-1.y.z", ".y.z", "1..z", "1" * 17 + ".y.z",
                                   "1.y." + "z" * 200])  # fmt: skip
def test_a_place_that_no_page_named_is_refused(site: Site, after: str) -> None:
    reply = site.ask("GET", f"/api/trader/referrals?after={after}", token=site.trader())
    assert (reply.status, reply.json["reason"], reply.json["field"]) == (422, "parameter_invalid", "after")


def test_the_sixth_bet_of_a_fan_that_would_wait_is_refused(site: Site, fan: str) -> None:
    for _ in range(site.settings.bets.referrals_account_max):
        refer(site, fan)
    reply = site.ask("POST", "/api/bets", site.bet(stake="600.00", refer=True), fan)
    assert (reply.status, reply.json["reason"], reply.json["stake_max"]) == (409, "stake_above_maximum", "500.00")
    decide(site, waiting(site)[0], decision="refuse")
    refer(site, fan)


def test_nothing_waits_under_an_unknown_id(site: Site, fan: str) -> None:
    reply = decide(site, {"account": "nobody", "id": site.clock.new_id()}, decision="accept")
    assert (reply.status, reply.json["reason"]) == (404, "referral_unknown")


def test_a_fan_is_no_trader(site: Site, fan: str) -> None:
    for method, path in (("GET", "/api/trader/referrals"), ("POST", "/api/trader/free-bets")):
        reply = site.ask(method, path, {} if method == "POST" else None, fan)
        assert (reply.status, reply.json["reason"]) == (403, "not_allowed")


def give(site: Site, account: str, **changes: object) -> Reply:
    whole = {"id": site.clock.new_id(), "account": account, "amount": "5.00", "currency": "EUR",
             "until_ms": site.clock.now_ms() + 86_400_000}  # fmt: skip
    return site.ask("POST", "/api/trader/free-bets", {**whole, **changes}, site.trader())


def test_a_free_bet_is_given_once_and_used_once(site: Site, fan: str) -> None:
    account = site.ask("GET", "/api/account", token=fan).json["account"]
    made = site.clock.new_id()
    first, second = (give(site, account, id=made) for _ in range(2))
    assert (first.status, second.json) == (201, {**first.json, "repeated": True})
    (held,) = site.ask("GET", "/api/account", token=fan).json["free_bets"]
    assert (held["free_bet"], held["amount"]) == (made, "5.00")
    used = site.ask("POST", "/api/bets", site.bet(stake="5.00", free_bet=made), fan)
    assert (used.status, used.json["balance"], used.json["bet"]["free_bet"]) == (201, "1000.00", made)
    again = site.ask("POST", "/api/bets", site.bet(stake="5.00", free_bet=made), fan)
    assert (again.status, again.json["reason"]) == (409, "free_bet_unknown")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"account": "nobody"}, "account_unknown"),
        ({"currency": "GBP"}, "currency_mismatch"),
        ({"currency": "XXX"}, "currency_invalid"),
        ({"amount": "0"}, "amount_invalid"),
        ({"amount": "5.001"}, "amount_invalid"),
        ({"until_ms": 1}, "field_invalid"),
        ({"id": "x"}, "id_invalid"),
    ],
)
def test_a_free_bet_that_cannot_be_given(site: Site, fan: str, changes: Json, reason: str) -> None:
    account = site.ask("GET", "/api/account", token=fan).json["account"]
    assert give(site, **{"account": account, **changes}).json["reason"] == reason
