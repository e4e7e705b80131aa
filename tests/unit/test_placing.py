"""Bets over the WebSocket: the same body as ``POST /api/bets``, the same answers as frames, by the same way."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from matchday.config import Bets as BetSettings
from matchday.config import Doors, Settings
from matchday.config import Push as PushSettings
from matchday.model.acceptance import TraderAnswer
from matchday.model.ledger import Answer, Moment
from matchday.services.push import Push
from matchday.sim.screens import LINES
from tests.unit.doors import OVER, Json, Site
from tests.unit.pushing import Line

AT_ONCE = BetSettings(delay_ms=0)


class Screens(Site):
    """The rooms behind both doors."""

    def __init__(self, web: Path, bets: BetSettings = AT_ONCE, **doors: int) -> None:
        limits = msgspec.convert(doors, Doors)
        super().__init__(web, Settings(bets=bets, doors=limits, push=PushSettings(messages_per_second_max=50)))
        self.push = Push(
            self.clock, self.books, "e1", self.settings.push, ledger=self.ledger, verify=self.accounts.verify,
            framing=LINES, stale=lambda: False, doors=(self.placing,),
        )  # fmt: skip

    def open(self, token: str = "") -> Line:
        """A connection, signed in where a token is given, that has heard what it hears at first."""
        line = Line(65_536)
        self.push.opened(line)
        if token:
            self.push.received(line, json.dumps({"op": "auth", "token": token}).encode())
        self.clock.run_for(0)
        line.read()
        return line

    def say(self, line: Line, body: Json) -> None:
        """The body of a bet, over the socket; answers come as time goes on."""
        self.push.received(line, json.dumps({"op": "place", **body}).encode())

    def placed(self, line: Line, body: Json) -> Json:
        """The one frame that answers it now."""
        self.say(line, body)
        self.clock.run_for(0)
        (frame,) = line.read()
        return frame

    def relay(self) -> None:
        """What is in the outbox is heard."""
        for fact in self.ledger.facts(0, 1_000):
            if self.placing.follows(fact.account):
                self.placing.account_fact(fact)
        self.clock.run_for(0)


@pytest.fixture
def site(tmp_path: Path) -> Screens:
    return Screens(tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"leg": {"price": "2.10"}},  # the price has moved
        {"stake": "999.00"},  # above a limit
        {"stake": "ten"},
        {"id": "1"},
        {"legs": []},
        {"type": "yankee"},
        {"leg": {"selection": "X:1x2/home"}},
    ],
)
def test_a_frame_has_what_the_route_answers(tmp_path: Path, changes: Json) -> None:
    """Two gates with the same story: one is asked over HTTP, the other over the socket."""
    by_http, by_socket = Screens(tmp_path), Screens(tmp_path)
    tokens = by_http.guest(), by_socket.guest()
    _, line = by_http.open(tokens[0]), by_socket.open(tokens[1])
    body = by_http.bet(**changes)
    assert by_socket.bet(**changes)["legs"] == body["legs"]
    reply = by_http.ask("POST", "/api/bets", body, tokens[0])
    frame = by_socket.placed(line, body)
    assert (frame["t"], frame["id"], frame["status"]) == ("placed", body["id"], reply.status)
    said = frame["answer"] if reply.status < 400 else frame["problem"]
    assert said == reply.json
    assert ("answer" in frame) != ("problem" in frame)


def test_a_bet_of_a_wrong_shape_is_answered_by_its_id_as_the_route_does(site: Screens) -> None:
    token = site.guest()
    line, body = site.open(token), site.bet(colour="red")
    frame = site.placed(line, body)
    reply = site.ask("POST", "/api/bets", body, token)
    assert (frame["t"], frame["id"], frame["status"]) == ("placed", body["id"], 422)
    assert frame["problem"] == reply.json
    assert frame["problem"]["field"] == "colour"


@pytest.mark.parametrize("body", [{"stake": "1.00"}, {"id": 7}])
def test_one_without_an_id_is_a_message_in_error(site: Screens, body: Json) -> None:
    frame = site.placed(site.open(site.guest()), body)
    assert (frame["t"], frame["reason"]) == ("error", "message_invalid")


def test_who_is_not_signed_in_places_nothing(site: Screens) -> None:
    site.guest()
    frame = site.placed(site.open(), site.bet())
    assert (frame["status"], frame["problem"]["reason"]) == (401, "not_signed_in")
    assert site.ledger.open_bets() == 0


def test_the_same_id_over_either_door_is_the_same_bet(site: Screens) -> None:
    token = site.guest()
    body = site.bet()
    frame = site.placed(site.open(token), body)
    reply = site.ask("POST", "/api/bets", body, token)
    assert reply.json == {**frame["answer"], "repeated": True}
    assert site.ledger.open_bets() == 1


def test_answers_of_one_commit_leave_in_one_send(site: Screens) -> None:
    lines = [site.open(site.guest()) for _ in range(2)]
    for _ in range(5):
        for line in lines:
            site.say(line, site.bet(stake="1.00"))
    site.clock.run_for(0)
    assert [len(line.sends) for line in lines] == [1, 1]
    assert [len(line.read()) for line in lines] == [5, 5]
    assert site.room.batches == {10: 1}


def test_a_bet_in_play_is_pending_and_then_has_its_end(tmp_path: Path) -> None:
    site = Screens(tmp_path, BetSettings(delay_ms=4_000))
    body = site.bet()
    line = site.open(site.guest())
    frame = site.placed(line, body)
    assert (frame["status"], frame["answer"]["answer"]) == (202, "pending")
    assert frame["answer"]["until_ms"] == site.clock.now_ms() + 4_000
    site.clock.run_for(4_000)
    (end,) = [frame for frame in line.read() if frame["t"] == "placed"]
    assert (end["id"], end["status"], end["answer"]["answer"]) == (body["id"], 201, "accepted")


@pytest.mark.parametrize(
    ("says", "status", "reason"),
    [
        (TraderAnswer(accept=True), 201, None),
        (TraderAnswer(accept=False, reason="no"), 409, "refused_by_trader"),
        (TraderAnswer(accept=False, stake=20_000), 409, "re_offered"),
    ],
)
def test_a_referred_bet_is_pending_and_then_has_its_end(
    tmp_path: Path, says: TraderAnswer, status: int, reason: str | None
) -> None:
    site = Screens(tmp_path, BetSettings(delay_ms=0, stake_max=50_000))
    line, other = site.open(token := site.guest()), site.open(token)
    body = site.bet(stake="900.00", refer=True)
    frame = site.placed(line, body)
    assert (frame["status"], frame["answer"]["answer"]) == (202, "pending")
    fan = site.accounts.verify(token)
    assert fan is not None
    account = fan.account
    found: list[Answer | Moment | None] = []
    site.room.answer_referral(account, body["id"], says, found.append)
    site.clock.run_for(0)
    assert found
    site.relay()
    (end,) = line.read()
    assert (end["t"], end["id"], end["status"]) == ("placed", body["id"], status)
    assert end.get("problem", {}).get("reason") == reason
    site.relay()  # heard twice, it is said once
    assert not line.read()
    assert not other.read()  # the account's channel is for the others
    assert not site.placing.follows(account)


def test_the_wait_for_the_ledger_is_pending_and_then_has_its_end(tmp_path: Path) -> None:
    site = Screens(tmp_path, answer_ms_max=1_000)
    line = site.open(site.guest())
    site.ledger.late_ms = 1_500
    bodies = [site.bet(stake="1.00") for _ in range(3)]
    for body in bodies:
        site.say(line, body)
        site.clock.run_for(100)
    site.clock.run_for(5_000)
    heard: dict[str, list[int]] = {}
    for frame in line.read():
        if frame["t"] == "placed":
            heard.setdefault(frame["id"], []).append(frame["status"])
    assert list(heard.values()) == [[202, 201]] * 3


def test_a_busy_gate_says_when_to_come_back(tmp_path: Path) -> None:
    site = Screens(tmp_path, BetSettings(delay_ms=0, queue_market_max=1))
    line = site.open(site.guest())
    site.ledger.late_ms = 50
    for _ in range(3):
        site.say(line, site.bet(stake="1.00"))
        site.clock.run_for(0)
    (frame,) = line.read()
    assert (frame["status"], frame["problem"]["reason"], frame["retry_after_s"]) == (503, "busy", 1)


def test_what_an_account_may_not_have_waiting_is_busy_over_a_socket(tmp_path: Path) -> None:
    site = Screens(tmp_path, BetSettings(delay_ms=60_000, quote_ms=61_000, waiting_account_max=2))
    line, other = site.open(site.guest()), site.open(site.guest())
    assert [site.placed(line, site.bet(stake="1.00"))["status"] for _ in range(3)] == [202, 202, 503]
    assert site.placed(other, site.bet(stake="1.00"))["status"] == 202


def test_requests_of_both_doors_count_together(tmp_path: Path) -> None:
    site = Screens(tmp_path, requests_per_second_max=2)
    token = site.guest()
    line = site.open(token)
    for _ in range(2):
        assert site.ask("GET", "/api/account", None, token).status == 200
    found = [site.placed(line, site.bet(stake="1.00"))["status"] for _ in range(3)]
    assert found == [201, 201, 429]


def test_a_token_that_has_ended_places_no_bet(tmp_path: Path) -> None:
    """Where requests were answered 401, a socket that had been signed in with the same token went on to bet."""
    site = Screens(tmp_path, token_s_max=6)
    token = site.guest()
    line = site.open(token)
    assert site.placed(line, site.bet())["status"] == 201
    site.clock.run_for(7_000)
    line.read()
    assert site.ask("POST", "/api/bets", site.bet(), token).status == 401
    site.say(line, site.bet())
    site.push.received(line, json.dumps({"op": "auth", "token": token}).encode())
    site.push.received(line, json.dumps({"op": "subscribe", "channel": "account"}).encode())
    site.clock.run_for(0)
    told, placed, *rest = line.read()
    assert told["reason"] == "token_invalid"
    assert (placed["status"], placed["problem"]["reason"]) == (401, "not_signed_in")
    assert [frame["reason"] for frame in rest] == ["token_invalid", "not_signed_in"]
    assert site.ledger.open_bets() == 1
    site.push.received(line, json.dumps({"op": "auth", "token": site.guest()}).encode())
    site.clock.run_for(0)
    line.read()
    assert site.placed(line, site.bet())["problem"]["reason"] == "market_suspended", "says the room, asked again"


def test_a_client_that_left_is_told_nothing_and_its_bet_stands(site: Screens) -> None:
    line = site.open(site.guest())
    site.ledger.late_ms = 50
    site.say(line, site.bet())
    site.clock.run_for(10)
    site.push.closed(line)
    site.clock.run_for(1_000)
    assert not line.sends
    assert site.ledger.open_bets() == 1


def test_a_room_without_bets_knows_no_such_word(site: Screens) -> None:
    push = Push(
        site.clock, site.books, "e1", site.settings.push, ledger=site.ledger, verify=site.accounts.verify,
        framing=LINES, stale=lambda: False,
    )  # fmt: skip
    line = Line(65_536)
    push.opened(line)
    push.received(line, json.dumps({"op": "place", **site.bet(leg={"selection": OVER})}).encode())
    site.clock.run_for(0)
    frames: list[dict[str, Any]] = line.read()
    assert frames[-1]["reason"] == "message_invalid"
