"""Push: what happened, on every screen that asked for it.

Owns connections, subscriptions and what each has been sent. Hears changed books and account facts from its gate; says
frames. Never judges, prices or stores; what it has lost a client fetches anew.

Channels: ``home`` (all fixtures, match result only), ``fixture:ID`` (one whole book), ``account`` (the fan's own). A
channel's offset is the log's (for an account, the outbox's). Subscribe: a snapshot, then deltas with ``from`` and
``to``, so that a gap shows. Reconnect with the last offset: exactly what was missed, else a snapshot. A delta is
encoded once and shared; what is said within one tick leaves in one send. A slow connection is queued nothing: only
how far it has got is kept, and when it drains it gets the latest value of each market.
"""

from collections import deque
from collections.abc import Callable
from typing import Any, Final, Literal, Protocol

import msgspec

from matchday.config import Push as PushSettings
from matchday.model.book import Books, FixtureBook
from matchday.model.football import MATCH_RESULT
from matchday.model.messages import AccountFact, Board, BookChanged
from matchday.model.money import format_amount
from matchday.model.views import bet_view, fact_view, market_view
from matchday.ports import Clock, Ledger

HOME: Final = "home"
ACCOUNT: Final = "account"
CLOSE_SLOW, CLOSE_IDLE, CLOSE_RATE, CLOSE_FULL = 4008, 4009, 4029, 4013
"""Close codes; a client may reconnect after each: at once (4009), after a pause (4008, 4029), later (4013)."""
_BETS: Final = 50
"""Bets of an account's snapshot; older ones are fetched over HTTP."""
_BURST: Final = 2
"""A client may send this many seconds' worth of messages at once."""

_encode = msgspec.json.Encoder().encode


class Resume(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a client has got to on a channel."""

    epoch: str
    offset: int


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a client says."""

    op: Literal["auth", "subscribe", "unsubscribe", "ping"]
    channel: str = ""
    token: str = ""
    resume: Resume | None = None


_request = msgspec.json.Decoder(Request).decode


class Connection(Protocol):
    """A client's connection, as its door implements it."""

    def send(self, data: bytes) -> None:
        """Send framed bytes now."""

    def buffered(self) -> int:
        """Bytes that the client has not taken yet."""

    def close(self, code: int, reason: str) -> None:
        """Say goodbye."""


class _Session:
    """One connection. Small: ten million of them is the plan."""

    __slots__ = (
        "account", "allowance", "allowed_ms", "connection", "currency", "heard_ms", "pending", "sent", "sent_ms",
        "slow_ms",
    )  # fmt: skip

    def __init__(self, connection: Connection, now: int, allowance: int) -> None:
        self.connection = connection
        self.account: str | None = None
        self.currency = ""
        self.sent: dict[str, int] = {}
        """Channel -> offset up to which this connection has been sent everything."""
        self.pending: list[bytes] = []
        self.slow_ms: int | None = None
        """Since when it has been above its buffer."""
        self.heard_ms = self.sent_ms = self.allowed_ms = now
        self.allowance = allowance


class _Step(msgspec.Struct):
    """One delta of a channel, encoded when first needed."""

    before: int
    offset: int
    at_ms: int
    cause: str
    data: dict[str, Any]
    frame: bytes = b""


class _Channel:
    """Who listens, and what was said lately."""

    __slots__ = ("history", "last", "sessions")

    def __init__(self, last: int) -> None:
        self.sessions: dict[_Session, None] = {}
        self.history: deque[_Step] = deque()
        self.last = last


class Push:
    """Every connection of one gate."""

    def __init__(
        self,
        clock: Clock,
        books: Books,
        epoch: str,
        settings: PushSettings,
        *,
        ledger: Ledger,
        verify: Callable[[str], str | None],
        frame: Callable[[bytes], bytes],
        stale: Callable[[], bool],
    ) -> None:
        self._clock, self._books, self._epoch, self._settings = clock, books, epoch, settings
        self._ledger, self._verify, self._frame, self._stale = ledger, verify, frame, stale
        self._sessions: dict[Connection, _Session] = {}
        self._channels: dict[str, _Channel] = {HOME: _Channel(-1)}
        self._accounts: dict[str, dict[_Session, None]] = {}
        self._boards: dict[str, Board] = {}
        self._home_changed: dict[str, int] = {}
        """Fixture -> offset of its last change on ``home``."""
        self._gone: deque[tuple[int, str]] = deque(maxlen=1024)
        """(offset, fixture) of those taken off ``home``."""
        self._dirty: dict[_Session, None] = {}
        self._sweeping = False

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._sessions)

    # --- connections --------------------------------------------------------------------------------------------------

    def opened(self, connection: Connection) -> None:
        """A client is there."""
        now = self._clock.now_ms()
        if len(self._sessions) >= self._settings.connections_max:
            connection.close(CLOSE_FULL, "full; come back later")
            return
        session = _Session(connection, now, self._settings.messages_per_second_max * _BURST)
        self._sessions[connection] = session
        self._queue(session, self._framed({"t": "hello", "heartbeat_ms": self._settings.heartbeat_ms, "at": now}))
        if not self._sweeping:
            self._sweeping = True
            self._clock.call_later(self._settings.heartbeat_ms, self._sweep)

    def closed(self, connection: Connection) -> None:
        """A client is gone."""
        session = self._sessions.pop(connection, None)
        if session is not None:
            for channel in tuple(session.sent):
                self._leave(session, channel)
            self._dirty.pop(session, None)

    def heard(self, connection: Connection) -> None:
        """A sign of life (a pong)."""
        if session := self._sessions.get(connection):
            session.heard_ms = self._clock.now_ms()

    def drained(self, connection: Connection) -> None:
        """A slow connection can take more: it gets the latest value of all it has missed."""
        session = self._sessions.get(connection)
        if session is None or session.slow_ms is None:
            return
        session.slow_ms = None
        for channel in tuple(session.sent):
            self._catch_up(session, channel)

    def received(self, connection: Connection, payload: bytes) -> None:
        """A client's message."""
        session = self._sessions.get(connection)
        if session is None:
            return
        if not self._allowed(session):
            connection.close(CLOSE_RATE, "too many messages")
            return
        try:
            request = _request(payload)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            self._error(session, "message_invalid", f"{error}; expected an object with op and channel")
            return
        if request.op == "auth":
            self._auth(session, request.token)
        elif request.op == "subscribe":
            self._subscribe(session, request.channel, request.resume)
        elif request.op == "unsubscribe":
            self._leave(session, request.channel)
        else:
            self._queue(session, self._framed({"t": "pong", "at": self._clock.now_ms()}))

    def _allowed(self, session: _Session) -> bool:
        now, rate = self._clock.now_ms(), self._settings.messages_per_second_max
        earned = (now - session.allowed_ms) * rate // 1000
        if earned:
            session.allowance = min(rate * _BURST, session.allowance + earned)
            session.allowed_ms = now
        session.heard_ms = now
        session.allowance -= 1
        return session.allowance >= 0

    def _auth(self, session: _Session, token: str) -> None:
        account = self._verify(token)
        if account is None:
            self._error(session, "token_invalid", "the token is forged or expired; sign in again")
            return
        if session.account is not None and session.account != account:
            self._leave(session, ACCOUNT)
        session.account = account
        self._queue(session, self._framed({"t": "signed_in", "account": account}))

    # --- subscriptions ------------------------------------------------------------------------------------------------

    def _subscribe(self, session: _Session, name: str, resume: Resume | None) -> None:
        if name not in session.sent and len(session.sent) >= self._settings.subscriptions_max:
            self._error(session, "subscriptions_full", f"at most {self._settings.subscriptions_max}; unsubscribe first")
        elif name == ACCOUNT:
            self._subscribe_account(session)
        elif (channel := self._channel(name)) is None:
            self._error(
                session, "channel_unknown", f"{name!r}; expected home, account, or fixture:ID of a known fixture"
            )
        else:
            channel.sessions[session] = None
            if (
                resume is not None
                and resume.epoch == self._epoch
                and self._resume(session, name, channel, resume.offset)
            ):
                return
            self._snapshot(session, name, channel, resume)

    def _channel(self, name: str) -> _Channel | None:
        channel = self._channels.get(name)
        if channel is None and name.startswith("fixture:"):
            book = self._books.fixtures.get(name.removeprefix("fixture:"))
            if book is not None:
                channel = self._channels[name] = _Channel(book.offset)
        return channel

    def _resume(self, session: _Session, name: str, channel: _Channel, offset: int) -> bool:
        """Send exactly what was missed since an offset, if all of it is still known."""
        missed = [step for step in channel.history if step.offset > offset]
        known = missed[0].before == offset if missed else offset == channel.last
        if not known:
            return False
        frames = [self._framed({"t": "resumed", "channel": name, "epoch": self._epoch, "to": offset})]
        frames += [self._step_frame(name, step) for step in missed]
        session.sent[name] = channel.last
        for frame in frames:
            self._queue(session, frame)
        return True

    def _snapshot(self, session: _Session, name: str, channel: _Channel, resume: Resume | None) -> None:
        frame: dict[str, Any] = {
            "t": "snapshot", "channel": name, "epoch": self._epoch, "to": channel.last, "at": self._clock.now_ms(),
        }  # fmt: skip
        if resume is not None:
            frame["resumed"] = False
        if name == HOME:
            frame["data"] = {"fixtures": [_home_row(book) for book in self._books.fixtures.values()]}
        else:
            book = self._books.fixtures[name.removeprefix("fixture:")]
            frame["data"] = {"board": book.board, "markets": [market_view(m) for m in book.markets.values()]}
        session.sent[name] = channel.last
        self._queue(session, self._framed(frame))

    def _subscribe_account(self, session: _Session) -> None:
        view = self._ledger.account(session.account) if session.account is not None else None
        if view is None:
            self._error(session, "not_signed_in", "send {op: auth, token} first")
            return
        session.currency = view.currency
        session.sent[ACCOUNT] = view.facts
        self._accounts.setdefault(view.account, {})[session] = None
        bets = self._ledger.bets(view.account, open_only=False, before=None, limit=_BETS)
        self._queue(session, self._framed({
            "t": "snapshot", "channel": ACCOUNT, "epoch": self._epoch, "to": view.facts, "at": self._clock.now_ms(),
            "data": {
                "account": view.account, "currency": view.currency,
                "balance": format_amount(view.balance, view.currency), "bets": [bet_view(bet) for bet in bets],
            },
        }))  # fmt: skip

    def _leave(self, session: _Session, name: str) -> None:
        session.sent.pop(name, None)
        if name == ACCOUNT and session.account is not None:
            listeners = self._accounts.get(session.account, {})
            listeners.pop(session, None)
            if not listeners:
                self._accounts.pop(session.account, None)
        elif channel := self._channels.get(name):
            channel.sessions.pop(session, None)

    # --- what happened ------------------------------------------------------------------------------------------------

    def begin(self, offset: int) -> None:
        """Where this gate's knowledge of ``home`` begins: nobody can resume from before."""
        self._channels[HOME].last = offset

    def preload(self, change: BookChanged, offset: int) -> None:
        """A change from before this gate's start: known for those who resume, sent to nobody."""
        self._steps(change, offset)

    def book_changed(self, change: BookChanged, offset: int) -> None:
        """A change that the gate has taken in."""
        for name, channel, step in self._steps(change, offset):
            if not channel.sessions:
                continue
            frame = self._step_frame(name, step)
            for session in channel.sessions:
                if self._in_step(session):
                    session.sent[name] = step.offset
                    self._queue(session, frame)

    def _steps(self, change: BookChanged, offset: int) -> list[tuple[str, _Channel, _Step]]:
        """The change as a step of each channel that it belongs to."""
        steps = []
        name = f"fixture:{change.fixture}"
        channel = self._channels.setdefault(name, _Channel(-1))
        steps.append((name, channel, _Step(channel.last, offset, change.at_ms, change.cause,
                                           {"board": change.board, "markets": change.markets})))  # fmt: skip
        result = [market for market in change.markets if market.type == MATCH_RESULT]
        if result or self._boards.get(change.fixture) != change.board:
            self._boards[change.fixture] = change.board
            self._home_changed[change.fixture] = offset
            home = self._channels[HOME]
            row = {"board": change.board, **({"market": market_view(result[0])} if result else {})}
            steps.append((HOME, home, _Step(home.last, offset, change.at_ms, change.cause,
                                            {"fixtures": [row], "removed": []})))  # fmt: skip
        for _, channel, step in steps:
            self._remember(channel, step)
        return steps

    def _remember(self, channel: _Channel, step: _Step) -> None:
        channel.last = step.offset
        channel.history.append(step)
        since = step.at_ms - self._settings.history_ms
        while len(channel.history) > self._settings.history_frames_max or channel.history[0].at_ms < since:
            channel.history.popleft()

    def removed(self, fixture: str) -> None:
        """A fixture is long over: off the screens."""
        self._boards.pop(fixture, None)
        self._home_changed.pop(fixture, None)
        if (channel := self._channels.pop(f"fixture:{fixture}", None)) is not None:
            for session in channel.sessions:
                session.sent.pop(f"fixture:{fixture}", None)
        home = self._channels[HOME]
        now = self._clock.now_ms()
        self._gone.append((home.last, fixture))
        frame = self._framed({
            "t": "delta", "channel": HOME, "from": home.last, "to": home.last, "at": now, "cause": "removed",
            "data": {"fixtures": [], "removed": [fixture]},
        })  # fmt: skip
        for session in home.sessions:
            if self._in_step(session):
                self._queue(session, frame)

    def account_fact(self, fact: AccountFact) -> None:
        """Something happened to an account: all of its fan's screens are told, one by one and never merged."""
        for session in self._accounts.get(fact.account, ()):
            if self._in_step(session) and fact.seq > session.sent[ACCOUNT]:
                frame = {
                    "t": "delta", "channel": ACCOUNT, "from": session.sent[ACCOUNT], "to": fact.seq, "at": fact.at_ms,
                    "cause": "account", "data": {"facts": [fact_view(fact, session.currency)]},
                }  # fmt: skip
                session.sent[ACCOUNT] = fact.seq
                self._queue(session, self._framed(frame))

    # --- slow connections ---------------------------------------------------------------------------------------------

    def _in_step(self, session: _Session) -> bool:
        """Whether a connection keeps up; from when it does not, nothing is queued for it."""
        if session.slow_ms is not None:
            return False
        if session.connection.buffered() > self._settings.buffer_bytes_max:
            session.slow_ms = self._clock.now_ms()
            return False
        return True

    def _catch_up(self, session: _Session, name: str) -> None:
        """One delta with the latest value of everything that changed since; an account gets a snapshot."""
        if name == ACCOUNT:
            self._subscribe_account(session)
            return
        channel, sent = self._channels[name], session.sent[name]
        if name == HOME:
            rows = [_home_row(b) for f, b in self._books.fixtures.items() if self._home_changed.get(f, -1) > sent]
            data: dict[str, Any] = {"fixtures": rows, "removed": [f for at, f in self._gone if at >= sent]}
        else:
            book = self._books.fixtures[name.removeprefix("fixture:")]
            changed = [market_view(m) for key, m in book.markets.items() if book.changed[key] > sent]
            data = {"board": book.board, "markets": changed}
        session.sent[name] = channel.last
        self._queue(session, self._framed({
            "t": "delta", "channel": name, "from": sent, "to": channel.last, "at": self._clock.now_ms(),
            "cause": "conflated", "conflated": True, "data": data,
        }))  # fmt: skip

    def _sweep(self) -> None:
        """Heartbeats for the silent, goodbye to the idle and the slow."""
        now, settings = self._clock.now_ms(), self._settings
        beat = self._framed({"t": "heartbeat", "at": now, "stale": self._stale()})
        for session in tuple(self._sessions.values()):
            if session.slow_ms is not None and session.connection.buffered() <= settings.buffer_bytes_max:
                self.drained(session.connection)
            if session.slow_ms is not None and now - session.slow_ms > settings.slow_ms_max:
                session.connection.close(CLOSE_SLOW, "too slow")
            elif now - session.heard_ms > settings.idle_ms_max:
                session.connection.close(CLOSE_IDLE, "idle")
            elif session.slow_ms is None and now - session.sent_ms >= settings.heartbeat_ms:
                self._queue(session, beat)
        self._sweeping = bool(self._sessions)
        if self._sweeping:
            self._clock.call_later(settings.heartbeat_ms, self._sweep)

    # --- sending ------------------------------------------------------------------------------------------------------

    def _step_frame(self, name: str, step: _Step) -> bytes:
        """A step's frame: encoded once, shared by all."""
        if not step.frame:
            data = step.data
            if "markets" in data:
                data = {"board": data["board"], "markets": [market_view(market) for market in data["markets"]]}
            step.frame = self._framed({
                "t": "delta", "channel": name, "from": step.before, "to": step.offset, "at": step.at_ms,
                "cause": step.cause, "data": data,
            })  # fmt: skip
        return step.frame

    def _framed(self, message: dict[str, Any]) -> bytes:
        return self._frame(_encode(message))

    def _error(self, session: _Session, reason: str, detail: str) -> None:
        self._queue(session, self._framed({"t": "error", "reason": reason, "detail": detail}))

    def _queue(self, session: _Session, frame: bytes) -> None:
        session.pending.append(frame)
        if not self._dirty:
            self._clock.call_later(0, self._flush)
        self._dirty[session] = None

    def _flush(self) -> None:
        """What was said within this tick leaves in one send per connection."""
        dirty, self._dirty = self._dirty, {}
        now = self._clock.now_ms()
        for session in dirty:
            pending, session.pending = session.pending, []
            session.sent_ms = now
            session.connection.send(pending[0] if len(pending) == 1 else b"".join(pending))


def _home_row(book: FixtureBook) -> dict[str, Any]:
    result = [market for market in book.markets.values() if market.type == MATCH_RESULT]
    return {"board": book.board, "market": market_view(result[0]) if result else None}
