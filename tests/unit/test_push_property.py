"""Whatever happens to its connection, a client that applies what it is told holds what the books hold."""

import json
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from matchday.model.market import Market, MarketKey, MarketStatus, Selection
from matchday.services.push.shapes import fixture_view, home_row
from tests.unit.pushing import GOALS, RESULT, Client, Desk, Line, market

FIXTURES = ("F", "G")
CHANNELS = ("home", "fixture:F", "fixture:G", "account")

prices = st.tuples(
    st.just("price"),
    st.sampled_from(FIXTURES),
    st.sampled_from([(RESULT,), (GOALS,), (RESULT, GOALS), ()]),
    st.integers(1001, 9999),
    st.booleans(),
)
happenings = st.lists(
    st.one_of(
        prices,
        prices,
        st.tuples(st.just("pay"), st.integers(1, 500)),
        st.tuples(st.just("wait"), st.integers(1, 60)),
        st.tuples(st.just("pace"), st.sampled_from([None, 1.0, 20.0])),
        st.tuples(st.sampled_from(["tick", "stick", "drain", "reconnect", "lose", "forget_history", "remove"])),
        st.tuples(st.just("subscribe"), st.sampled_from(CHANNELS)),
    ),
    max_size=40,
)


def shown(fixture: str, key: MarketKey, price: int) -> Market:
    """A market of which some prices, selections, the status and the generation come and go with the price."""
    made = market(fixture, key, price)
    selections = [
        Selection(selection.outcome, selection.price if at else 2000) for at, selection in enumerate(made.selections)
    ]
    if price % 5 == 0:
        selections.pop(price % len(selections))
    if price % 11 == 0:
        selections.reverse()
    status = MarketStatus.SUSPENDED if price % 7 == 0 else MarketStatus.OPEN
    return replace(made, selections=tuple(selections), status=status, generation=price % 3)


class Story:
    """One client through all that can happen to it."""

    goals = 0

    def __init__(self) -> None:
        self.desk = Desk(buffer_bytes_max=1_500, fan_out_slice=1, history_frames_max=6, messages_per_second_max=10_000)
        self.desk.account("A")
        for fixture in FIXTURES:
            self.desk.price(fixture, 2000)
        self.client = Client()
        self.line = self.connect()

    def connect(self) -> Line:
        line = self.desk.open()
        self.desk.say(line, op="auth", token="token-A")
        for channel in CHANNELS:
            held = self.client.held.get(channel)
            resume = {"resume": held.resume} if held and held.resume else {}
            self.desk.push.received(line, json.dumps({"op": "subscribe", "channel": channel, **resume}).encode())
        return line

    def happen(self, name: str, *what: Any) -> None:
        desk, line = self.desk, self.line
        if name == "price":
            self.price(*what)
        elif name == "pay":
            desk.pay("A", what[0])
        elif name == "wait":
            desk.clock.run_for(what[0])
            self.client.hear(line.read())
        elif name == "stick":
            line.stuck = True
        elif name in ("drain", "tick"):
            self.settle(drain=name == "drain")
        elif name in ("subscribe", "pace"):
            field = "channel" if name == "subscribe" else "max_rate_hz"
            desk.push.received(line, json.dumps({"op": name, field: what[0]}).encode())
        elif name == "remove" and "G" in desk.books.fixtures:
            desk.books.forget("G")
            desk.push.removed("G")
        elif name == "forget_history":
            for i in range(8):
                desk.price("F", 3000 + i)
        elif name in ("lose", "reconnect"):
            if name == "lose":  # what was under way is lost, whole sends at a time
                line.sends, line.waiting = line.sends[: len(line.sends) // 2], []
            self.client.hear(line.read())
            desk.push.closed(line)
            self.line = self.connect()

    def price(self, fixture: str, keys: tuple[MarketKey, ...], price: int, goal: bool) -> None:
        if fixture in self.desk.books.fixtures:
            self.goals += goal
            markets = [shown(fixture, key, price) for key in keys]
            self.desk.change(fixture, *markets, score=(self.goals, 0), settle=False)

    def settle(self, *, drain: bool) -> None:
        line = self.line
        self.desk.settle()
        if drain and line.stuck:
            line.sends, line.waiting = line.sends + line.waiting, []
            line.stuck, was = False, line.paused
            line.paused = False
            if was:
                self.desk.push.drained(line)
            self.desk.settle()
        self.client.hear(line.read())


@settings(max_examples=120, deadline=None)
@given(happenings)
def test_a_client_ends_with_what_the_books_hold(steps: list[tuple[Any, ...]]) -> None:
    story = Story()
    for step in steps:
        story.happen(*step)
    story.desk.change("F", market("F", RESULT, 7777))  # what was taken off goes with the next change
    for _ in range(3):
        story.settle(drain=True)
        story.desk.clock.run_for(1_600)  # the longest pace that was asked for, and more
        story.client.hear(story.line.read())
    books, client = story.desk.books, story.client
    assert client.gaps == []
    for fixture, book in books.fixtures.items():
        whole = plain(fixture_view(book))
        held = client.held[f"fixture:{fixture}"]
        assert held.markets == {market["market"]: market for market in whole["markets"]}
        assert held.board == whole["board"]
    assert client.held["home"].rows == {fixture: plain(home_row(book)) for fixture, book in books.fixtures.items()}
    last = max((fact.seq for fact in story.desk.ledger.facts(-1, 10_000)), default=0)
    assert client.held["account"].offset == last
    assert client.seqs == sorted(set(client.seqs))


def plain(view: Any) -> Any:
    return json.loads(msgspec.json.encode(view))
