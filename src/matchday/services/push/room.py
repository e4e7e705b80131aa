"""The push room: every connection of one gate, and what each has been sent.

A delta is encoded once and shared by all who follow its channel; what is said within one tick leaves in one send per
connection, and equal sends are one buffer. A connection that does not keep up leaves its channels: nothing is queued
for it, only how far it has got is kept, and when it has drained one delta brings the latest value of all it missed.
"""

from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any, Final, Protocol

import msgspec
from msgspec import UNSET, UnsetType

from matchday.config import Push as PushSettings
from matchday.model.book import Books
from matchday.model.messages import AccountFact, BookChanged
from matchday.model.role import SignedIn
from matchday.ports import Clock, Ledger, LedgerUnavailable
from matchday.services.push import wire
from matchday.services.push.channel import Channel, Step
from matchday.services.push.channels import Channels
from matchday.services.push.drain import Drain
from matchday.services.push.outbox import Outbox
from matchday.services.push.pacing import Pacing, period_ms
from matchday.services.push.session import FOREVER_MS, Connection, Session
from matchday.services.push.sources import AccountSource
from matchday.services.push.wire import Framing, Shared

SLOTS: Final = 16
"""Parts in which the connections are swept, so that no sweep holds up a price."""
SWEEPS: Final = 4
"""Sweeps of every connection per ``heartbeat_ms``."""
BURST_S: Final = 2
"""Seconds' worth of messages that a client may send at once."""
ERROR_COST: Final = 5
"""Messages that one in error counts as."""
REPLAY_BUFFERS: Final = 4
"""Buffers' worth of missed frames that are sent again; beyond it a snapshot is shorter."""
_OWED: Final = -2
"""Instead of an offset: this connection gets a snapshot when it has drained."""


class Door(Protocol):
    """What else clients may say on their connection, such as a bet: this room carries it, and does not know what it
    means."""

    @property
    def shape(self) -> type[msgspec.Struct]:
        """How a client says it, tagged by ``op``."""

    def said(self, account: str | None, words: Any, tell: Callable[[Any], None]) -> None:
        """A client has said it, signed in as that account; ``tell`` is called with frames for it."""

    def unreadable(self, payload: bytes, error: Exception, *, binary: bool) -> msgspec.Struct | None:
        """The frame for one who said it wrongly; None where it was something else."""


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
        verify: Callable[[str], SignedIn | None],
        framing: Framing,
        stale: Callable[[], bool],
        stale_fixtures: Callable[[], tuple[str, ...]] = tuple,
        account_epoch: str | None = None,
        doors: Sequence[Door] = (),
    ) -> None:
        self._clock, self._settings = clock, settings
        self._epoch, self._account_epoch = epoch, account_epoch or epoch
        self._verify = verify
        self._stale, self._stale_fixtures = stale, stale_fixtures
        self._doors = {door.shape: door for door in doors}
        self._read = wire.reader(tuple(self._doors))
        self._out = Outbox(clock, framing, settings.buffer_bytes_max, settings.fan_out_slice, self._took)
        self._pacing = Pacing(clock, self._out)
        self._sessions: dict[Connection, Session] = {}
        self._slots: list[dict[Session, None]] = [{} for _ in range(SLOTS)]
        self._opened = self._slot = 0
        """Connections so far; the part that is swept next."""
        self._sweeping = False
        self._screens: dict[str, int] = {}
        """Account -> connections signed in as it."""
        self._drain: Drain | None = None
        self._said_stale: tuple[bool, tuple[str, ...]] = (False, ())
        """What connections were told of the prices' source last: whether it is silent, or of which fixtures."""
        self._channels = Channels(books, ledger, settings)
        self.messages = self.fell_behind = 0
        """Words of clients; connections that did not keep up, each time."""
        self.dropped = dict.fromkeys((wire.CLOSE_SLOW, wire.CLOSE_IDLE, wire.CLOSE_RATE, wire.CLOSE_DRAINING), 0)
        """Connections that this room ended, by close code."""

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._sessions)

    @property
    def opened_so_far(self) -> int:
        """Connections, since this process began."""
        return self._opened

    @property
    def channels(self) -> int:
        """How many are known here."""
        return len(self._channels)

    @property
    def sent(self) -> Outbox:
        """What counts the frames."""
        return self._out

    @property
    def accounts(self) -> Collection[str]:
        """Of the fans who are signed in on some connection."""
        return self._screens.keys()

    @property
    def full(self) -> bool:
        """Whether a door should turn newcomers away (503)."""
        return len(self._sessions) >= self._settings.connections_max

    @property
    def draining(self) -> bool:
        """Whether the connections are being handed over, and newcomers turned away."""
        return self._drain is not None

    def account_full(self, account: str) -> bool:
        """Whether an account has as many connections as it may."""
        return self._screens.get(account, 0) >= self._settings.connections_per_account_max

    # --- connections --------------------------------------------------------------------------------------------------

    def opened(self, connection: Connection) -> None:
        """A client is there."""
        if self.full:
            connection.close(wire.CLOSE_FULL, "full; come back later")
            return
        if self._drain is not None:
            connection.close(wire.CLOSE_DRAINING, self._drain.reason())
            return
        self._opened += 1
        session = Session(connection, self._clock.elapsed_ms(), self._opened % SLOTS)
        self._sessions[connection] = session
        self._slots[session.slot][session] = None
        self._out.tell(session, self._hello(self._clock.now_ms()))
        self._keep_sweeping()

    def closed(self, connection: Connection) -> None:
        """A client is gone."""
        session = self._sessions.pop(connection, None)
        if session is not None:
            del self._slots[session.slot][session]
            for name in tuple(session.channels):
                self._leave(session, name)
            self._sign(session, None)
            session.pending = None

    def heard(self, connection: Connection) -> None:
        """A sign of life that says nothing: a pong, a ping, a part of a message. Each counts as a message: they cost as
        much, and nothing else bounds how many come."""
        if session := self._sessions.get(connection):
            session.heard_ms = self._clock.elapsed_ms()
            self._pay(session, 1)

    def drained(self, connection: Connection) -> None:
        """A slow connection can take more: it gets the latest value of all it has missed."""
        session = self._sessions.get(connection)
        if session is None or session.behind is None:
            return
        behind, session.behind = session.behind, None
        for name, sent in behind.items():
            self._catch_up(session, name, sent)
        if any(self._said_stale):  # it may not have been told
            self._out.tell(session, self._heartbeat(self._clock.now_ms()))

    def received(self, connection: Connection, payload: bytes) -> None:
        """A client's message."""
        session = self._sessions.get(connection)
        if session is None:
            return
        session.heard_ms = self._clock.elapsed_ms()
        self.messages += 1
        try:
            said = self._read(payload, connection.binary)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            self._unreadable(session, payload, error)
            return
        if not self._pay(session, 1):
            return
        if isinstance(said, wire.Subscribe):
            self._subscribe(session, said)
        elif isinstance(said, wire.Unsubscribe):
            self._leave(session, said.channel)
        elif isinstance(said, wire.Auth):
            self._auth(session, said.token)
        elif isinstance(said, wire.Pace):
            self._pace(session, said.max_rate_hz)
        elif isinstance(said, wire.Ping):
            self._out.tell(session, wire.Pong(self._clock.now_ms()))
        else:
            self._doors[type(said)].said(self._account(session), said, lambda answer: self._answer(session, answer))

    def _unreadable(self, session: Session, payload: bytes, error: Exception) -> None:
        for door in self._doors.values():
            answer = door.unreadable(payload, error, binary=session.connection.binary)
            if answer is not None:
                if self._pay(session, ERROR_COST):
                    self._out.tell(session, answer)
                return
        self._refuse(session, "message_invalid", f"{error}; {wire.EXPECTED}")

    def _answer(self, session: Session, answer: msgspec.Struct) -> None:
        """An answer has come, with others of its commit: they leave in one send."""
        if session.connection in self._sessions:
            self._out.tell(session, answer)

    def follow(
        self, connection: Connection, fan: SignedIn | None, channels: Sequence[tuple[str, wire.Resume | None]]
    ) -> None:
        """What a client that has no words of its own follows from the start; ``fan`` is whom its door knows it for.
        Nothing of it counts as a message."""
        session = self._sessions.get(connection)
        if session is None:
            return
        if fan is not None:
            self._sign_in(session, fan)
        for name, resume in channels:
            session.paid = 0
            self._subscribe(session, wire.Subscribe(name, resume))

    def drain(self, done: Callable[[], None]) -> None:
        """This gate stops: admit nobody, and hand over all who are here within ``drain_ms``; then ``done``."""
        assert self._drain is None, "drained twice"
        self._drain = Drain(
            self._clock, self._settings, self._sessions.values,
            lambda session, reason: self._drop(session, wire.CLOSE_DRAINING, reason), done,
        )  # fmt: skip

    def signed_out(self, account: str) -> None:
        """An account's tokens were revoked: its screens are told and follow it no longer."""
        for session in self._sessions.values():
            if session.account == account:
                self._sign_out(session, "the token was revoked; sign in again")

    def _pay(self, session: Session, messages: int) -> bool:
        """Count messages against the client's rate; False where it was closed for it."""
        rate = self._settings.messages_per_second_max
        now = session.heard_ms * rate
        session.paid = max(session.paid, now) + 1_000 * messages
        if session.paid - now <= 1_000 * rate * BURST_S:
            return True
        self._drop(session, wire.CLOSE_RATE, f"more than {rate} messages a second")
        return False

    def _refuse(self, session: Session, reason: str, detail: str, channel: str | None = None) -> None:
        if self._pay(session, ERROR_COST):
            self._out.error(session, reason, detail, channel)

    def _drop(self, session: Session, code: int, reason: str) -> None:
        self.dropped[code] += 1
        self.closed(session.connection)
        session.connection.close(code, reason)

    def _auth(self, session: Session, token: str) -> None:
        fan = self._verify(token)
        if fan is None:
            self._refuse(session, "token_invalid", "no token of a fan, or damaged or expired; sign in again")
            return
        self._sign_in(session, fan)

    def _sign_in(self, session: Session, fan: SignedIn) -> None:
        account = fan.account
        if session.account != account and self.account_full(account):
            most = self._settings.connections_per_account_max
            self._refuse(session, "connections_full", f"at most {most} connections of an account at once; close one")
            return
        self._sign(session, account, self._clock.elapsed_ms() + fan.until_ms - self._clock.now_ms())
        self._out.tell(session, wire.SignedIn(account))

    def _account(self, session: Session) -> str | None:
        """Whose a connection is: nobody's once its token has ended."""
        self._end_token(session, self._clock.elapsed_ms())
        return session.account

    def _end_token(self, session: Session, elapsed_ms: int) -> None:
        if session.until_ms <= elapsed_ms:
            self._sign_out(session, "the token has ended; sign in again")

    def _sign_out(self, session: Session, why: str) -> None:
        self._sign(session, None)
        self._out.error(session, "token_invalid", why)

    def _sign(self, session: Session, account: str | None, until_ms: int = FOREVER_MS) -> None:
        """A connection is an account's from now on, and no other's, until its token has ended."""
        before, session.until_ms = session.account, until_ms
        if before == account:
            return
        if before is not None:
            self._leave(session, wire.ACCOUNT)
            self._screens[before] -= 1
            if not self._screens[before]:
                del self._screens[before]
        if account is not None:
            self._screens[account] = self._screens.get(account, 0) + 1
        session.account = account

    # --- subscriptions ------------------------------------------------------------------------------------------------

    def _subscribe(self, session: Session, said: wire.Subscribe) -> None:
        name, resume, most = said.channel, said.resume, self._settings.subscriptions_max
        if name not in session.channels and len(session.channels) >= most:
            self._refuse(
                session, "subscriptions_full", f"channel: at most {most} at once; unsubscribe from one first", name
            )
            return
        if name == wire.ACCOUNT and self._account(session) is None:
            self._refuse(
                session, "not_signed_in", "channel account is a fan's own; send op auth with a token first", name
            )
            return
        try:
            channel = self._channels.open(name, session.account)
        except LedgerUnavailable:
            self._out.error(session, "unavailable", "the ledger cannot be read now; subscribe again in a while", name)
            return
        if channel is None:
            expected = "expected home, account, or fixture:ID of a fixture that is shown"
            self._refuse(session, "channel_unknown", f"channel {name[:80]!r} is not known; {expected}", name)
            return
        if name not in session.channels:
            session.channels[name] = channel
            session.several = len(session.channels) > 1
            self._channels.followed(channel)
        channel.part(session)
        self._set_pace(session, name, said.max_rate_hz)
        if session.behind is None and sum(map(len, session.pending or ())) > self._settings.buffer_bytes_max:
            self._fall_behind(session)
        if session.behind is not None:
            session.behind[name] = _OWED
        elif resume is None or not self._resume(session, channel, resume):
            self._snapshot(session, channel, None if resume is None else False)

    @staticmethod
    def _set_pace(session: Session, name: str, rate_hz: float | UnsetType | None) -> None:
        if isinstance(rate_hz, UnsetType):
            session.paces_ms.pop(name, None)
        else:
            session.paces_ms[name] = period_ms(rate_hz)

    def _pace(self, session: Session, rate_hz: float | None) -> None:
        """How often a connection wants to hear, from now on."""
        held = [(channel, channel.part(session)) for channel in session.channels.values()]
        session.pace_ms = period_ms(rate_hz)
        for channel, sent in held:
            if sent is not None:
                self._rejoin(session, channel, sent)

    def _rejoin(self, session: Session, channel: Channel, sent: int) -> None:
        """Keeps up again, from an offset on: what was said since is made up for."""
        channel.join(session, max(sent, channel.last))
        if sent < channel.last:
            for shared in channel.apart(sent, self._clock.now_ms()):
                self._out.share(session, shared)

    def _resume(self, session: Session, channel: Channel, resume: wire.Resume) -> bool:
        """Send exactly what was missed since an offset; False where that is not known or too much."""
        if resume.epoch != self._epoch_of(channel):
            return False
        steps = channel.after(resume.offset)
        if steps is None:
            return False
        marker = wire.Resumed(channel.name, resume.epoch, resume.offset)
        return self._replay(session, channel, steps, resume.offset, [Shared(lambda: marker)])

    def _replay(self, session: Session, channel: Channel, steps: list[Step], sent: int, said: list[Shared]) -> bool:
        for step in steps:  # another gate's offset may lie between two of ours
            said.append(channel.delta(step) if step.before == sent else Shared(partial(channel.told, step, sent)))
            sent = step.offset
        frames = [self._out.framed(session, shared) for shared in said]
        if sum(map(len, frames)) > REPLAY_BUFFERS * self._settings.buffer_bytes_max:
            return False
        channel.join(session, sent)
        for frame in frames:
            self._out.queue(session, frame)
        return True

    def _snapshot(self, session: Session, channel: Channel, resumed: bool | None) -> None:
        """All there is; ``resumed`` False says that what the client asked to resume from is not known."""
        if isinstance(channel.source, AccountSource):
            self._account_snapshot(session, channel, channel.source, resumed)
            return
        now = self._clock.now_ms()
        if channel.snapshots[0] != now:
            channel.snapshots = (now, {})
        shared = channel.snapshots[1].get(resumed)
        if shared is None:
            shared = Shared(lambda: wire.Snapshot(
                channel.name, self._epoch, channel.last, now, channel.source.whole(),
                UNSET if resumed is None else resumed,
            ))  # fmt: skip
            channel.snapshots[1][resumed] = shared
        channel.join(session, channel.last)
        self._out.share(session, shared)

    def _account_snapshot(
        self, session: Session, channel: Channel, source: AccountSource, resumed: bool | None
    ) -> None:
        try:
            whole = source.whole()
        except LedgerUnavailable:
            whole = None
        if whole is None:
            self._leave(session, channel.name)
            self._out.error(
                session, "unavailable", "the ledger cannot be read now; subscribe again in a while", channel.name
            )
            return
        said = UNSET if resumed is None else resumed
        channel.join(session, max(source.facts, channel.last))
        self._out.tell(session, wire.Snapshot(
            channel.name, self._account_epoch, source.facts, self._clock.now_ms(), whole, said
        ))  # fmt: skip

    def _leave(self, session: Session, name: str) -> None:
        channel = session.channels.pop(name, None)
        if channel is None:
            return
        channel.part(session)
        session.several = len(session.channels) > 1
        session.paces_ms.pop(name, None)
        if session.behind is not None:
            session.behind.pop(name, None)
        self._channels.left(channel, self._clock.elapsed_ms())

    def _epoch_of(self, channel: Channel) -> str:
        return self._account_epoch if channel.name == wire.ACCOUNT else self._epoch

    # --- what happened ------------------------------------------------------------------------------------------------

    def begin(self, offset: int) -> None:
        """The books are loaded as of an offset: what they show now is no change."""
        self._channels.begin(offset)

    def preload(self, change: BookChanged, offset: int) -> None:
        """A change from before this gate's start: known to those who resume, sent to nobody."""
        self._channels.take(change, offset, live=False)

    def book_changed(self, change: BookChanged, offset: int) -> None:
        """A change that the books have taken in."""
        for channel, step in self._channels.take(change, offset, live=True):
            self._out.say(channel)
            self._pacing.say(channel, step)

    def removed(self, fixture: str) -> None:
        """A fixture is long over and no longer in the books: off the screens with the next change."""
        channel = self._channels.removed(fixture)
        if channel is not None:
            for session in (*channel.members, *(one for lane in channel.lanes.values() for one in lane.members)):
                self._part(session, channel)

    def follows(self, account: str) -> bool:
        """Whether anybody here is told what happens to an account."""
        return self._channels.knows(account)

    def account_fact(self, fact: AccountFact) -> None:
        """Something happened to an account: each of its fan's screens is told, nothing is merged."""
        if found := self._channels.take_fact(fact):
            self._out.say_each(*found)

    def _part(self, session: Session, channel: Channel) -> None:
        self._leave(session, channel.name)
        self._out.error(session, "channel_gone", "the fixture is over and no longer shown", channel.name)

    # --- slow connections ---------------------------------------------------------------------------------------------

    def _fall_behind(self, session: Session) -> None:
        """Nothing more is queued for this connection until it has drained."""
        self.fell_behind += 1
        session.slow_ms = self._clock.elapsed_ms()
        session.behind = {
            name: sent for name, channel in session.channels.items() if (sent := channel.part(session)) is not None
        }

    def _took(self, session: Session) -> None:
        """A connection was sent its tick; it may not keep up, or again."""
        if session.connection.buffered() <= self._settings.buffer_bytes_max:
            self.drained(session.connection)
        elif session.behind is None:
            self._fall_behind(session)

    def _catch_up(self, session: Session, name: str, sent: int) -> None:
        """The latest value of all that changed since, goals and suspensions one by one; of an account every fact, or a
        snapshot."""
        channel = session.channels[name]
        if channel.gone:
            self._part(session, channel)
        elif sent == _OWED:
            self._snapshot(session, channel, resumed=False)
        elif channel.name == wire.ACCOUNT and sent < channel.last:
            steps = channel.after(sent)
            if steps is None or not self._replay(session, channel, steps, sent, []):
                self._snapshot(session, channel, resumed=False)
        else:
            self._rejoin(session, channel, sent)

    # --- silence ------------------------------------------------------------------------------------------------------

    def _keep_sweeping(self) -> None:
        if not self._sweeping and (self._sessions or self._channels.waiting):
            self._sweeping = True
            self._clock.call_later(max(1, self._settings.heartbeat_ms // (SWEEPS * SLOTS)), self._sweep)

    def _sweep(self) -> None:
        """One part of the connections: heartbeats for the silent, goodbye to the idle and the slow, and no account any
        more for those whose token has ended."""
        self._sweeping = False
        now, shown, settings = self._clock.elapsed_ms(), self._clock.now_ms(), self._settings
        period = settings.heartbeat_ms // SWEEPS
        self._say_stale(shown)
        beat = Shared(lambda: self._heartbeat(shown))
        for session in tuple(self._slots[self._slot]):
            silence, connection = now - session.heard_ms, session.connection
            self._end_token(session, now)
            if session.behind is not None:
                if connection.buffered() <= settings.buffer_bytes_max:
                    self.drained(connection)
                elif now - session.slow_ms > settings.slow_ms_max:
                    self._drop(session, wire.CLOSE_SLOW, f"took nothing for {settings.slow_ms_max} ms")
                continue
            if silence > settings.idle_ms_max:
                self._drop(session, wire.CLOSE_IDLE, f"silent for {settings.idle_ms_max} ms")
                continue
            third = max(1, settings.idle_ms_max // 3)
            if silence // third > (silence - period) // third and silence >= third:
                connection.ping()
            if now - session.sent_ms > settings.heartbeat_ms - period:
                self._out.share(session, beat)
        self._channels.forget(now)
        self._slot = (self._slot + 1) % SLOTS
        self._keep_sweeping()

    def _hello(self, now: int) -> wire.Hello:
        return wire.Hello(
            self._clock.new_id(), self._settings.heartbeat_ms, now, self._stale(), self._stale_fixtures() or UNSET
        )

    def _heartbeat(self, now: int) -> wire.Heartbeat:
        stale, fixtures = self._said_stale
        return wire.Heartbeat(now, stale, fixtures or UNSET)

    def _say_stale(self, now: int) -> None:
        """That prices are stale, or no longer, does not wait for the next heartbeat."""
        stale = self._stale(), self._stale_fixtures()
        if stale == self._said_stale:
            return
        self._said_stale = stale
        beat = Shared(lambda: self._heartbeat(now))
        for session in self._sessions.values():
            if session.behind is None:
                self._out.share(session, beat)
