"""What tests of the push room need: books that change, connections that may be stuck, clients that apply frames."""

import json
from typing import Any

from matchday.backends.ledger_sqlite import SqliteLedgerCore
from matchday.client import Gap, Held
from matchday.config import Push as Settings
from matchday.edge.frames import deflated, frame_binary, frame_text
from matchday.model.book import Books
from matchday.model.ledger import OpenAccount, Transfer
from matchday.model.market import Market, MarketKey, MarketStatus, Selection
from matchday.model.messages import Board, BookChanged, FixtureStatus
from matchday.model.role import Role, SignedIn
from matchday.services.push import Framing, Push
from matchday.sim.clock import VirtualClock
from matchday.sim.inline import InlineLedger

EPOCH = "e1"
FRAMING = Framing(frame_text, frame_binary, deflated)
RESULT, GOALS = MarketKey("1x2"), MarketKey("total_goals", 10)


def board(fixture: str, score: tuple[int, int] = (0, 0)) -> Board:
    return Board(
        fixture, "Cup", "Home", "Away", 0, FixtureStatus.LIVE, "1H", 0, 0, 1.0, score, None, None, (0, 0), (0, 0)
    )


def market(fixture: str, key: MarketKey, price: int) -> Market:
    outcomes = ("home", "draw", "away") if key == RESULT else ("over", "under")
    selections = tuple(Selection(outcome, price) for outcome in outcomes)
    return Market(key.of(fixture), key.type, key.line, MarketStatus.OPEN, 1, selections)


class Line:
    """A connection to a client that may stop reading; sends are lists of JSON lines."""

    binary = deflated = False
    """What its client agreed to."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.stuck = self.paused = False
        self.waiting: list[bytes] = []
        self.sends: list[bytes] = []
        self.closes: list[int] = []
        self.pings = 0

    def send(self, data: bytes) -> None:
        assert not self.closes, "a closed connection was sent something"
        (self.waiting if self.stuck else self.sends).append(data)
        self.paused = self.buffered() > self.limit

    def buffered(self) -> int:
        return sum(map(len, self.waiting))

    def ping(self) -> None:
        self.pings += 1

    def close(self, code: int, reason: str) -> None:
        self.closes.append(code)

    def read(self) -> list[dict[str, Any]]:
        """The frames that have arrived since the last time."""
        data, self.sends = b"".join(self.sends), []
        return [json.loads(line) for line in data.splitlines()]


class Desk:
    """A push room on books, a ledger and a virtual clock."""

    def __init__(self, **settings: int) -> None:
        self.clock = VirtualClock(1)
        self.settings = Settings(**settings)
        self.books = Books()
        self.ledger = InlineLedger(SqliteLedgerCore(":memory:"), self.clock)
        self.encoded = self.compressed = 0
        self.token_ms = 43_200_000
        """For how long a token is good yet when it is shown."""
        self.offset = 0
        self.restart()

    def restart(self) -> None:
        """A new gate over the same books."""
        self.push = Push(
            self.clock, self.books, EPOCH, self.settings, ledger=self.ledger,
            framing=Framing(self._frame, self._frame, self._deflated), stale=lambda: False,
            verify=self.verify,
        )  # fmt: skip

    def verify(self, token: str, kind: str = "token-") -> SignedIn | None:
        """Whose a token is: ``token-anna`` is Anna's."""
        until_ms = self.clock.now_ms() + self.token_ms
        return SignedIn(token.removeprefix(kind), Role.FAN, until_ms) if token.startswith(kind) else None

    def _frame(self, payload: bytes) -> bytes:
        self.encoded += 1
        return payload + b"\n"

    def _deflated(self, frame: bytes) -> bytes:
        self.compressed += 1
        return bytes(frame)

    def settle(self) -> None:
        """Let what was said this tick leave."""
        self.clock.run_for(0)

    def open(self, *channels: str, resume: int | None = None) -> Line:
        line = Line(self.settings.buffer_bytes_max)
        self.push.opened(line)
        for channel in channels:
            self.say(line, op="subscribe", channel=channel)
        return line

    def say(self, line: Line, **message: Any) -> None:
        self.push.received(line, json.dumps(message).encode())
        self.settle()

    def told(self, line: Line, **message: Any) -> list[dict[str, Any]]:
        """What a message is answered, without what came before."""
        self.settle()
        line.read()
        self.say(line, **message)
        return line.read()

    def change(self, fixture: str, *markets: Market, score: tuple[int, int] = (0, 0), settle: bool = True) -> int:
        """Something changed a book."""
        self.offset += 3
        book = self.books.fixtures.get(fixture)
        n = 1 if book is None else book.n + 1
        now = self.clock.now_ms()
        message = BookChanged(fixture, 1, n, "goal", now, board(fixture, score), markets)
        assert self.books.apply(message, self.offset)
        self.push.book_changed(message, self.offset)
        if settle:
            self.settle()
        return self.offset

    def price(self, fixture: str, price: int, key: MarketKey = RESULT, *, settle: bool = True) -> int:
        return self.change(fixture, market(fixture, key, price), settle=settle)

    def account(self, account: str, currency: str = "EUR") -> None:
        self.ledger.commit([OpenAccount(f"open-{account}", account, currency, self.clock.now_ms())], lambda _: None)
        self.settle()

    def pay(self, account: str, amount: int, *, relay: bool = True) -> None:
        """Money comes; ``relay``: and the gate hears of it."""
        after = max((fact.seq for fact in self.ledger.facts(-1, 10_000)), default=-1)
        now = self.clock.now_ms()
        self.ledger.commit([Transfer(self.clock.new_id(), account, amount, "EUR", "deposit", now)], lambda _: None)
        if relay:
            for fact in self.ledger.facts(after, 100):
                self.push.account_fact(fact)
        self.settle()


class Client:
    """Applies snapshots and deltas as docs/protocol.md says, and notes where it would have to ask anew."""

    def __init__(self) -> None:
        self.held: dict[str, Held] = {}
        self.seqs: list[int] = []
        self.gaps: list[str] = []

    def hear(self, frames: list[dict[str, Any]]) -> None:
        for frame in frames:
            held = self.held.setdefault(frame.get("channel", ""), Held(frame.get("channel", "")))
            if frame["t"] == "resumed":
                assert held.resume == {"epoch": frame["epoch"], "offset": frame["to"]}
            elif frame["t"] == "snapshot":
                held.snapshot(frame)
            elif frame["t"] == "delta":
                try:
                    news = held.delta(frame)
                except Gap:
                    self.gaps.append(frame["channel"])
                else:
                    if news and frame["channel"] == "account":
                        self.seqs += [fact["seq"] for fact in frame["data"]["facts"]]
