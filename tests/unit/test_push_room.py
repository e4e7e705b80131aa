"""The push room: snapshots and deltas, resuming, slow connections, limits, accounts."""

from typing import Any

import msgspec
import pytest

from matchday.model.bet import BetStatus
from matchday.model.market import MarketStatus
from matchday.model.messages import BetsSettled, BookChanged, Settled
from matchday.services.push.channel import URGENT_MAX
from matchday.sim.clock import VirtualClock
from tests.unit.pushing import EPOCH, GOALS, RESULT, Client, Desk, Line, board, market


def kinds(frames: list[dict[str, Any]]) -> list[str]:
    return [frame["t"] for frame in frames]


def stuck(desk: Desk, line: Line, fixture: str = "F") -> None:
    """The client stops reading, and prices move until its buffer is full."""
    line.stuck = True
    price = 2000
    while not line.paused:
        price += 1
        desk.price(fixture, price)


def unstick(desk: Desk, line: Line) -> None:
    line.sends, line.waiting, line.stuck, line.paused = line.sends + line.waiting, [], False, False
    desk.push.drained(line)
    desk.settle()


def signed_in(desk: Desk, account: str = "A") -> Line:
    line = desk.open()
    desk.say(line, op="auth", token=f"token-{account}")
    desk.say(line, op="subscribe", channel="account")
    return line


def resume(desk: Desk, offset: int, epoch: str = EPOCH, channel: str = "fixture:F") -> list[dict[str, Any]]:
    return desk.told(desk.open(), op="subscribe", channel=channel, resume={"epoch": epoch, "offset": offset})


# --- snapshots and deltas ---------------------------------------------------------------------------------------------


def test_a_snapshot_holds_the_book_and_deltas_only_what_changed() -> None:
    desk = Desk()
    first = desk.change("F", market("F", RESULT, 2375), market("F", GOALS, 1900))
    line = desk.open("fixture:F")
    hello, snapshot = line.read()
    assert (hello["t"], hello["heartbeat_ms"]) == ("hello", 5000)
    assert (snapshot["t"], snapshot["epoch"], snapshot["to"]) == ("snapshot", EPOCH, first)
    assert snapshot["data"]["board"]["home"] == "Home"
    assert [m["market"] for m in snapshot["data"]["markets"]] == ["F:1x2", "F:total_goals@2.5"]
    assert "resumed" not in snapshot
    second = desk.price("F", 1850, GOALS)
    (delta,) = line.read()
    assert (delta["t"], delta["from"], delta["to"], delta["cause"]) == ("delta", first, second, "goal")
    assert delta["data"] == {"markets": {"total_goals@2.5": {"prices": ["1.85", "1.85"]}}}


def test_home_has_a_row_per_fixture_and_hears_boards_and_main_markets_only() -> None:
    desk = Desk()
    desk.price("F", 2000)
    desk.change("G")
    line = desk.open("home")
    rows = line.read()[-1]["data"]["fixtures"]
    assert [(r["board"]["fixture"], r["market"] and r["market"]["market"]) for r in rows] == [
        ("F", "F:1x2"),
        ("G", None),
    ]
    desk.price("F", 1900, GOALS)
    assert line.read() == []
    desk.price("F", 2100)
    desk.change("F", score=(1, 0))
    prices, score = line.read()
    assert prices["data"]["fixtures"][0]["market"]["prices"][0] == "2.10"
    assert score["data"] == {"fixtures": [{"board": {"fixture": "F", "score": [1, 0]}}]}
    assert score["from"] == prices["to"]


def test_a_fixture_that_is_over_leaves_home_with_the_next_change() -> None:
    """A removal has no offset of its own: said with the last one's, clients would drop it as heard before."""
    desk = Desk()
    desk.price("F", 2000)
    before = desk.price("G", 2000)
    line, other = desk.open("home", "fixture:F"), desk.open("home")
    line.read(), other.read()
    desk.books.forget("F")
    desk.push.removed("F")
    desk.settle()
    (gone,) = line.read()
    assert (gone["t"], gone["reason"], gone["channel"]) == ("error", "channel_gone", "fixture:F")
    after = desk.price("G", 2001)
    (delta,) = other.read()
    assert (delta["from"], delta["to"], delta["data"]["removed"]) == (before, after, ["F"])
    assert [row["board"]["fixture"] for row in desk.open("home").read()[-1]["data"]["fixtures"]] == ["G"]


@pytest.mark.parametrize(("binary", "compressed"), [(False, True), (True, True), (True, False)])
def test_what_is_said_to_many_is_compressed_once(binary: bool, compressed: bool) -> None:
    desk = Desk()
    desk.price("F", 2000)
    lines = []
    for _ in range(50):
        line = Line(desk.settings.buffer_bytes_max)
        line.binary, line.deflated = binary, compressed
        desk.push.opened(line)
        words = {"op": "subscribe", "channel": "fixture:F"}
        desk.push.received(line, msgspec.msgpack.encode(words) if binary else msgspec.json.encode(words))
        lines.append(line)
    desk.settle()
    desk.encoded = desk.compressed = 0
    desk.price("F", 2001)
    assert (desk.encoded, desk.compressed) == (1, int(compressed))
    assert len({id(line.sends[-1]) for line in lines}) == 1


def test_one_encoding_serves_every_subscriber_and_a_tick_is_one_send() -> None:
    desk = Desk()
    desk.price("F", 2000)
    lines = [desk.open("fixture:F", "home") for _ in range(50)]
    for line in lines:
        line.read()
    desk.encoded = 0
    before = desk.price("F", 2001, settle=False)
    after = desk.price("F", 2002, settle=False)
    desk.settle()
    assert desk.encoded == 4
    assert all(len(line.sends) == 1 for line in lines)
    assert len({id(line.sends[0]) for line in lines}) == 1
    assert [(frame["channel"], frame["to"]) for frame in lines[7].read()] == [
        (channel, to) for channel in ("fixture:F", "home") for to in (before, after)
    ]


def test_a_crowd_that_arrives_at_once_shares_one_snapshot() -> None:
    desk = Desk()
    desk.price("F", 2000)
    desk.encoded = 0
    lines = [desk.open("fixture:F") for _ in range(20)]
    assert desk.encoded == 20 + 1  # a hello each
    assert {line.read()[-1]["t"] for line in lines} == {"snapshot"}


def test_after_unsubscribing_nothing_more_comes() -> None:
    desk = Desk()
    desk.price("F", 2000)
    line = desk.open("fixture:F", "home")
    desk.say(line, op="unsubscribe", channel="fixture:F")
    line.read()
    desk.price("F", 2001)
    assert [frame["channel"] for frame in line.read()] == ["home"]


# --- resuming ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("missed", [0, 1, 3])
def test_resume_sends_exactly_what_was_missed(missed: int) -> None:
    desk = Desk()
    offsets = [desk.price("F", 2000 + i) for i in range(5)]
    marker, *deltas = resume(desk, offsets[-1 - missed])
    assert (marker["t"], marker["to"]) == ("resumed", offsets[-1 - missed])
    assert [delta["to"] for delta in deltas] == offsets[len(offsets) - missed :]


@pytest.mark.parametrize(
    ("offset", "epoch"),
    [(1, EPOCH), (10**9, EPOCH), (-1, EPOCH), (6, "another")],
    ids=["before the history", "never said", "nonsense", "another epoch"],
)
def test_what_cannot_be_resumed_gets_a_snapshot_that_says_so(offset: int, epoch: str) -> None:
    desk = Desk()
    for i in range(5):
        desk.price("F", 2000 + i)
    (snapshot,) = resume(desk, offset, epoch)
    assert (snapshot["t"], snapshot["resumed"], snapshot["to"]) == ("snapshot", False, 15)
    assert snapshot["data"]["markets"]


def test_history_is_bounded_in_frames_and_in_time() -> None:
    desk = Desk(history_frames_max=3, history_ms=60_000)
    offsets = [desk.price("F", 2000 + i) for i in range(6)]
    assert resume(desk, offsets[2])[0]["t"] == "resumed"
    assert resume(desk, offsets[1])[0]["t"] == "snapshot"
    desk.clock.run_for(60_001)
    desk.price("F", 3000)
    assert resume(desk, offsets[4])[0]["t"] == "snapshot"
    assert resume(desk, offsets[5])[0]["t"] == "resumed"


def test_missed_frames_larger_than_some_buffers_are_replaced_by_a_snapshot() -> None:
    desk = Desk(buffer_bytes_max=1_000)
    offsets = [desk.price("F", 2000 + i) for i in range(40)]
    assert resume(desk, offsets[0])[0]["t"] == "snapshot"
    assert resume(desk, offsets[-2])[0]["t"] == "resumed"


def test_after_a_restart_clients_resume_from_what_was_preloaded() -> None:
    """A gate restarts: its history comes from the log, and clients go on as if nothing had been."""
    desk = Desk()
    offsets = [desk.price("F", 2000 + i) for i in range(4)]
    desk.restart()
    desk.push.begin(-1)
    for n, offset in enumerate(offsets[1:], start=2):
        change = BookChanged("F", 1, n, "tick", desk.clock.now_ms(), board("F"), (market("F", RESULT, 1998 + n),))
        desk.push.preload(change, offset)
    marker, *deltas = resume(desk, offsets[1])
    assert marker["t"] == "resumed"
    assert [(d["from"], d["to"]) for d in deltas] == [(offsets[1], offsets[2]), (offsets[2], offsets[3])]
    assert resume(desk, offsets[0])[0]["t"] == "snapshot"  # one before the first preloaded may have been missed


def test_an_offset_of_another_gate_between_two_of_ours_is_continued_from() -> None:
    desk = Desk()
    for i in range(3):
        desk.price("F", 2000 + i)
    marker, *deltas = resume(desk, 4)
    assert marker["t"] == "resumed"
    assert [(d["from"], d["to"]) for d in deltas] == [(4, 6), (6, 9)]


# --- slow connections -------------------------------------------------------------------------------------------------


def test_a_slow_connection_is_queued_nothing_and_gets_the_latest_of_each_market() -> None:
    desk = Desk(buffer_bytes_max=2_000)
    desk.change("F", market("F", RESULT, 2000), market("F", GOALS, 1900))
    line, quick, client = desk.open("fixture:F"), desk.open("fixture:F"), Client()
    stuck(desk, line)
    waiting = line.buffered()
    for i in range(500):
        desk.price("F", 5000 + i)
        assert line.buffered() == waiting
    assert waiting < 2_000 + 1_000
    assert len(quick.read()) > 500
    unstick(desk, line)
    frames = line.read()
    client.hear(frames)
    assert frames[-1]["conflated"]
    assert list(frames[-1]["data"]["markets"]) == ["1x2"]
    assert client.gaps == []
    assert client.held["fixture:F"].markets["F:1x2"]["selections"][0]["price"] == "5.499"


def test_a_slow_connection_misses_no_goal_and_no_suspension() -> None:
    """Not even those that were taken back, or over, before it had drained."""
    desk = Desk(buffer_bytes_max=2_000)
    desk.change("F", market("F", RESULT, 2000), market("F", GOALS, 1900))
    line, client = desk.open("fixture:F"), Client()
    stuck(desk, line)
    away = msgspec.structs.replace(market("F", RESULT, 3000), status=MarketStatus.SUSPENDED)
    for score in ((1, 0), (0, 0)):
        for i in range(30):
            desk.price("F", 4000 + i)
        desk.change("F", away, score=score)
    desk.change("F", market("F", RESULT, 2500))
    desk.price("F", 2600)
    unstick(desk, line)
    frames = line.read()
    client.hear(frames)
    assert client.gaps == []
    first = next(n for n, frame in enumerate(frames) if frame.get("conflated"))
    told = [frame["data"] for frame in frames[first:]]
    seen = [(data.get("board", {}).get("score"), data["markets"]["1x2"].get("status")) for data in told]
    assert seen == [([1, 0], "suspended"), ([0, 0], "open"), (None, "suspended"), (None, "open"), (None, None)]
    held = client.held["fixture:F"]
    assert held.board["score"] == [0, 0]
    assert held.markets["F:1x2"]["selections"][0]["price"] == "2.60"


def test_of_very_many_goals_a_slow_connection_is_told_the_last() -> None:
    desk = Desk(buffer_bytes_max=2_000)
    desk.change("F", market("F", RESULT, 2000))
    line, client = desk.open("fixture:F"), Client()
    stuck(desk, line)
    before = len(line.waiting)
    for goals in range(1, 60):
        desk.change("F", score=(goals, 0))
    unstick(desk, line)
    frames = line.read()
    client.hear(frames)
    assert client.gaps == []
    assert client.held["fixture:F"].board["score"] == [59, 0]
    assert len(frames) - before <= URGENT_MAX + 3


def test_one_that_stays_slow_is_closed_and_others_do_not_notice() -> None:
    desk = Desk(buffer_bytes_max=2_000, slow_ms_max=10_000)
    desk.price("F", 2000)
    line, quick = desk.open("fixture:F"), desk.open("fixture:F")
    stuck(desk, line)
    desk.clock.run_for(8_000)
    assert line.closes == []
    desk.clock.run_for(4_000)
    assert line.closes == [4008]
    assert desk.push.connections == 1
    quick.read()
    desk.price("F", 2500)
    assert kinds(quick.read()) == ["delta"]


def test_who_subscribes_while_slow_gets_the_snapshot_when_drained() -> None:
    desk = Desk(buffer_bytes_max=2_000)
    desk.price("F", 2000)
    line = desk.open("fixture:F")
    stuck(desk, line)
    waiting = line.buffered()
    desk.say(line, op="subscribe", channel="home")
    assert line.buffered() == waiting
    unstick(desk, line)
    last = line.read()[-1]
    assert (last["t"], last["channel"]) == ("snapshot", "home")


def test_asking_for_snapshots_again_and_again_in_one_breath_does_not_fill_memory() -> None:
    desk = Desk(buffer_bytes_max=2_000)
    desk.price("F", 2000)
    line = desk.open()
    for _ in range(30):
        desk.push.received(line, b'{"op":"subscribe","channel":"fixture:F"}')
    desk.settle()
    desk.settle()
    assert sum(map(len, line.sends)) < 6_000
    assert kinds(line.read())[-1] == "snapshot"


# --- accounts ---------------------------------------------------------------------------------------------------------


def test_the_account_channel_needs_a_good_token() -> None:
    desk = Desk()
    desk.account("A")
    line = desk.open()
    assert desk.told(line, op="subscribe", channel="account")[0]["reason"] == "not_signed_in"
    assert desk.told(line, op="auth", token="forged")[0]["reason"] == "token_invalid"
    assert desk.told(line, op="auth", token="token-A") == [{"t": "signed_in", "account": "A"}]
    (snapshot,) = desk.told(line, op="subscribe", channel="account")
    assert snapshot["data"] == {"account": "A", "currency": "EUR", "balance": "0.00", "bets": []}


def test_nobody_follows_another_s_account_by_what_the_room_calls_it() -> None:
    """While its fan was there, or had just left, ``account:A`` was answered with all that A has, to anybody."""
    desk = Desk()
    desk.account("A")
    desk.account("B")
    fan = signed_in(desk)
    for other in (desk.open(), signed_in(desk, "B")):
        for _ in range(2):
            (told,) = desk.told(other, op="subscribe", channel="account:A")
            assert (told["t"], told["reason"]) == ("error", "channel_unknown")
            desk.push.closed(fan)
            desk.clock.run_for(1_000)
        desk.pay("A", 500)
        assert [frame for frame in other.read() if frame["t"] == "delta"] == []
        fan = signed_in(desk)


def test_both_devices_of_a_fan_hear_each_fact_and_nobody_else_does() -> None:
    desk = Desk()
    desk.account("A")
    desk.account("B")
    phone, laptop, other = signed_in(desk), signed_in(desk), signed_in(desk, "B")
    for line in (phone, laptop, other):
        line.read()
    desk.pay("A", 1_050)
    for line in (phone, laptop):
        (delta,) = line.read()
        (fact,) = delta["data"]["facts"]
        assert (fact["kind"], fact["balance"], fact["change"]) == ("balance_changed", "10.50", "10.50")
        assert (delta["channel"], delta["to"]) == ("account", fact["seq"])
    assert other.read() == []


def test_a_fact_that_the_snapshot_holds_already_is_not_said_again() -> None:
    desk = Desk()
    desk.account("A")
    first = signed_in(desk)
    desk.pay("A", 100, relay=False)
    late = signed_in(desk)
    assert late.read()[-1]["data"]["balance"] == "1.00"
    first.read()
    for fact in desk.ledger.facts(-1, 100):
        desk.push.account_fact(fact)
        desk.push.account_fact(fact)
    desk.settle()
    assert kinds(first.read()) == ["delta"]
    assert late.read() == []


def test_bets_that_were_settled_together_are_said_one_by_one() -> None:
    desk = Desk()
    desk.account("A")
    line = signed_in(desk)
    line.read()
    settled, void = Settled("b1", BetStatus.SETTLED, 5, 250, 250), Settled("b2", BetStatus.VOID, 5, 100, 100)
    desk.push.account_fact(BetsSettled(7, "A", desk.clock.now_ms(), 1_000, (settled, void)))
    desk.settle()
    (frame,) = line.read()
    facts = frame["data"]["facts"]
    assert [(fact["kind"], fact["bet"], fact["status"], fact["returns"], fact["balance"]) for fact in facts] == [
        ("bet_settled", "b1", "settled", "2.50", "9.00"), ("bet_settled", "b2", "void", "1.00", "10.00"),
    ]  # fmt: skip
    assert {fact["seq"] for fact in facts} == {frame["to"]} == {7}


def test_no_fact_is_merged_away_from_a_slow_connection() -> None:
    desk = Desk(buffer_bytes_max=2_000)
    desk.account("A")
    desk.price("F", 2000)
    line, client = signed_in(desk), Client()
    desk.say(line, op="subscribe", channel="fixture:F")
    stuck(desk, line)
    for _ in range(5):
        desk.pay("A", 100)
    unstick(desk, line)
    client.hear(line.read())
    assert len(client.seqs) == 5
    assert client.gaps == []


def test_facts_beyond_the_history_become_a_snapshot_that_says_so() -> None:
    desk = Desk(buffer_bytes_max=2_000, history_frames_max=3)
    desk.account("A")
    desk.price("F", 2000)
    line = signed_in(desk)
    desk.say(line, op="subscribe", channel="fixture:F")
    stuck(desk, line)
    for _ in range(5):
        desk.pay("A", 100)
    unstick(desk, line)
    (snapshot,) = [frame for frame in line.read() if frame.get("resumed") is False]
    assert (snapshot["channel"], snapshot["data"]["balance"]) == ("account", "5.00")


def test_a_fan_who_comes_back_resumes_his_account() -> None:
    desk = Desk(history_ms=60_000)
    desk.account("A")
    line = signed_in(desk)
    before = line.read()[-1]["to"]
    desk.push.closed(line)
    desk.pay("A", 100)
    ask = {"op": "subscribe", "channel": "account", "resume": {"epoch": EPOCH, "offset": before}}
    back = desk.open()
    desk.say(back, op="auth", token="token-A")
    marker, delta = desk.told(back, **ask)
    assert marker["t"] == "resumed"
    assert delta["data"]["facts"][0]["balance"] == "1.00"
    desk.push.closed(back)
    desk.clock.run_for(70_000)
    again = desk.open()
    desk.say(again, op="auth", token="token-A")
    assert desk.told(again, **ask)[0]["resumed"] is False


def test_an_account_followed_again_is_not_forgotten() -> None:
    desk = Desk(history_ms=60_000, idle_ms_max=10**9)
    desk.account("A")
    desk.push.closed(signed_in(desk))
    line = signed_in(desk)
    desk.clock.run_for(70_000)
    line.read()
    desk.pay("A", 100)
    assert kinds(line.read()) == ["delta"]


def test_a_revoked_token_takes_the_account_off_the_screen() -> None:
    desk = Desk()
    desk.account("A")
    line = signed_in(desk)
    line.read()
    desk.push.signed_out("A")
    desk.settle()
    assert line.read()[0]["reason"] == "token_invalid"
    desk.pay("A", 100)
    assert line.read() == []


def test_a_token_that_has_ended_takes_the_account_off_the_screen_and_leaves_the_rest() -> None:
    """A screen that was signed in once stayed so for as long as it was connected, and was told of all that happened."""
    desk = Desk(heartbeat_ms=1_000)
    desk.token_ms = 6_000
    desk.account("A")
    desk.price("F", 2_000)
    line, other = signed_in(desk), signed_in(desk)
    desk.say(line, op="subscribe", channel="fixture:F")
    desk.clock.run_for(5_999)
    desk.pay("A", 100)
    assert [frame["channel"] for frame in line.read() if frame["t"] == "delta"] == ["account"]
    desk.token_ms = 60_000
    assert desk.told(other, op="auth", token="token-A")[0]["t"] == "signed_in", "in time, and it goes on"
    desk.clock.run_for(1_000)
    errors = [frame for frame in line.read() if frame["t"] == "error"]
    assert [(error["reason"], error.get("channel")) for error in errors] == [("token_invalid", None)], "told once"
    assert "ended" in errors[0]["detail"]
    other.read()
    desk.pay("A", 100)
    desk.price("F", 2_001)
    assert [frame["channel"] for frame in line.read()] == ["fixture:F"]
    assert [frame["channel"] for frame in other.read()] == ["account"]
    assert desk.push._screens == {"A": 1}
    assert kinds(desk.told(line, op="auth", token="token-A")) == ["signed_in"]
    assert kinds(desk.told(line, op="subscribe", channel="account")) == ["snapshot"]


def test_a_token_that_has_ended_is_found_out_by_what_needs_it() -> None:
    """No sweep has passed yet."""
    desk = Desk(heartbeat_ms=3_600_000)
    desk.token_ms = 6_000
    desk.account("A")
    line = desk.open()
    desk.say(line, op="auth", token="token-A")
    desk.clock.run_for(5_999)
    assert kinds(desk.told(line, op="subscribe", channel="account")) == ["snapshot"]
    desk.say(line, op="unsubscribe", channel="account")
    desk.clock.run_for(1)
    for reasons in (["token_invalid", "not_signed_in"], ["not_signed_in"]):
        found = desk.told(line, op="subscribe", channel="account")
        assert [frame.get("reason") for frame in found] == reasons
    assert kinds(desk.told(line, op="subscribe", channel="home")) == ["snapshot"], "which is everybody's"
    assert desk.push._screens == {}


def test_a_slow_screen_s_token_ends_too() -> None:
    desk = Desk(heartbeat_ms=1_000, slow_ms_max=600_000)
    desk.token_ms = 6_000
    desk.account("A")
    desk.price("F", 2_000)
    line = signed_in(desk)
    desk.say(line, op="subscribe", channel="fixture:F")
    stuck(desk, line)
    desk.pay("A", 100)
    desk.clock.run_for(7_000)
    line.stuck, line.waiting = False, []
    line.read()
    desk.push.drained(line)
    desk.settle()
    assert "account" not in [frame.get("channel") for frame in line.read()]


@pytest.mark.parametrize("jump_ms", [-3_600_000, 3_600_000])
def test_a_clock_that_jumps_ends_no_token_and_lengthens_none(jump_ms: int, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(heartbeat_ms=1_000)
    desk.token_ms = 6_000
    desk.account("A")
    line = signed_in(desk)
    shown = desk.clock.now_ms
    monkeypatch.setattr(desk.clock, "now_ms", lambda: shown() + jump_ms)
    desk.clock.run_for(5_900)
    assert "error" not in kinds(line.read())
    desk.clock.run_for(1_000)
    assert "error" in kinds(line.read())


# --- what clients say -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("payload", "reason", "says"),
    [
        (b"hello", "message_invalid", "malformed"),
        (b"", "message_invalid", "expected an object"),
        (b"[" * 4000, "message_invalid", "expected an object"),
        (b"[]", "message_invalid", "Expected `object`, got `array`"),
        (b'{"op":"bet"}', "message_invalid", "$.op"),
        (b'{"channel":"home"}', "message_invalid", "op"),
        (b'{"op":"subscribe"}', "message_invalid", "channel"),
        (b'{"op":"subscribe","channel":7}', "message_invalid", "$.channel"),
        (b'{"op":"subscribe","channel":"home","more":1}', "message_invalid", "more"),
        (b'{"op":"subscribe","channel":"home","resume":{"epoch":"e","offset":1.5}}', "message_invalid", "offset"),
        (b'{"op":"subscribe","channel":"\\ud800"}', "message_invalid", "expected an object"),
        (b'{"op":"subscribe","channel":"fixture:X"}', "channel_unknown", "fixture:X"),
        (b'{"op":"subscribe","channel":"account:A"}', "channel_unknown", "account:A"),
        (b'{"op":"subscribe","channel":"account"}', "not_signed_in", "auth"),
    ],
)
def test_a_message_in_error_is_answered_with_its_field_and_remedy(payload: bytes, reason: str, says: str) -> None:
    desk = Desk()
    desk.price("F", 2000)
    line = desk.open()
    desk.settle()
    line.read()
    desk.push.received(line, payload)
    desk.settle()
    (error,) = line.read()
    assert (error["t"], error["reason"]) == ("error", reason)
    assert says in error["detail"]


def test_a_ping_is_answered() -> None:
    desk = Desk()
    assert desk.told(desk.open(), op="ping") == [{"t": "pong", "at": desk.clock.now_ms()}]


def test_more_channels_than_allowed_are_refused() -> None:
    desk = Desk(subscriptions_max=2)
    for fixture in "FGH":
        desk.price(fixture, 2000)
    line = desk.open("fixture:F", "fixture:G")
    assert desk.told(line, op="subscribe", channel="fixture:H")[0]["reason"] == "subscriptions_full"
    assert desk.told(line, op="subscribe", channel="fixture:G")[0]["t"] == "snapshot"


@pytest.mark.parametrize(
    ("gap_ms", "count", "closes"), [(0, 40, []), (0, 41, [4029]), (50, 200, []), (40, 300, [4029])]
)
def test_the_rate_of_messages_is_limited(gap_ms: int, count: int, closes: list[int]) -> None:
    desk = Desk(messages_per_second_max=20)
    line = desk.open()
    for _ in range(count):
        desk.push.received(line, b'{"op":"ping"}')
        desk.clock.run_for(gap_ms)
    assert line.closes == closes


def test_repeated_errors_close_sooner() -> None:
    desk = Desk(messages_per_second_max=20)
    line = desk.open()
    for _ in range(9):
        desk.push.received(line, b"?")
    assert line.closes == [4029]


def test_more_connections_than_allowed_are_turned_away() -> None:
    desk = Desk(connections_max=2)
    full = [desk.push.full]
    first, _ = desk.open(), desk.open()
    full.append(desk.push.full)
    assert full == [False, True]
    assert desk.open().closes == [4013]
    desk.push.closed(first)
    assert desk.open().closes == []


# --- silence ----------------------------------------------------------------------------------------------------------


class Jumping(VirtualClock):
    """A clock that is set, as people and NTP do."""

    skew_ms = 0

    def now_ms(self) -> int:
        return super().now_ms() + self.skew_ms


@pytest.mark.parametrize("skew_ms", [7_200_000, -7_200_000])
def test_a_clock_that_jumps_makes_nobody_silent_idle_or_too_busy(skew_ms: int) -> None:
    desk = Desk(heartbeat_ms=5_000, idle_ms_max=60_000)
    desk.clock = clock = Jumping(1)
    desk.restart()
    desk.price("F", 2000)
    line = desk.open("fixture:F")
    line.read()
    clock.skew_ms = skew_ms
    clock.run_for(20_000)
    beats = [frame for frame in line.read() if frame["t"] == "heartbeat"]
    assert 3 <= len(beats) <= 5
    assert clock.now_ms() - beats[-1]["at"] < 10_000, "the frames have what the clock shows"
    (pong,) = desk.told(line, op="ping")
    assert (pong["t"], pong["at"]) == ("pong", clock.now_ms())
    assert line.closes == []


def test_silence_is_broken_by_heartbeats_and_only_silence() -> None:
    desk = Desk(heartbeat_ms=5_000, idle_ms_max=10**9)
    desk.price("F", 2000)
    quiet, busy = desk.open(), desk.open("fixture:F")
    for i in range(20):
        desk.clock.run_for(1_000)
        desk.price("F", 2000 + i)
    beats = [frame for frame in quiet.read() if frame["t"] == "heartbeat"]
    assert 4 <= len(beats) <= 5
    assert beats[0]["stale"] is False
    assert "heartbeat" not in kinds(busy.read())


def test_a_silent_client_is_pinged_and_closed_unless_it_answers() -> None:
    desk = Desk(idle_ms_max=60_000)
    dead, alive, talking = desk.open(), desk.open(), desk.open()
    for _ in range(65):
        desk.clock.run_for(1_000)
        if alive.pings:
            alive.pings = 0
            desk.push.heard(alive)
        desk.push.received(talking, b'{"op":"ping"}')
    assert (dead.closes, dead.pings) == ([4009], 2)
    assert (alive.closes, talking.closes, talking.pings) == ([], [], 0)


def test_a_connection_that_closes_within_the_tick_is_sent_nothing() -> None:
    desk = Desk()
    desk.price("F", 2000)
    line = desk.open("fixture:F")
    line.read()
    desk.price("F", 2001, settle=False)
    desk.push.closed(line)
    desk.settle()
    assert line.sends == []
    assert desk.push.connections == 0


# --- limits of an account ---------------------------------------------------------------------------------------------


def test_an_account_has_so_many_connections_and_one_that_goes_makes_room() -> None:
    desk = Desk(connections_per_account_max=2)
    lines = [desk.open() for _ in range(3)]
    for line in lines[:2]:
        assert desk.told(line, op="auth", token="token-anna")[0]["t"] == "signed_in"
    assert desk.told(lines[0], op="auth", token="token-anna")[0]["t"] == "signed_in", "the same one again"
    (refused,) = desk.told(lines[2], op="auth", token="token-anna")
    assert (refused["t"], refused["reason"]) == ("error", "connections_full")
    assert desk.told(lines[2], op="subscribe", channel="account")[0]["reason"] == "not_signed_in"
    assert desk.told(lines[2], op="auth", token="token-ben")[0]["t"] == "signed_in"
    desk.push.closed(lines[0])
    assert desk.told(lines[2], op="auth", token="token-anna")[0]["t"] == "signed_in"
    desk.push.signed_out("anna")
    desk.push.closed(lines[1])
    assert desk.push._screens == {}
