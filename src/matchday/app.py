"""The composition: the only file that knows rooms AND backends.

``Platform`` wires the rooms to whatever log, ledger and clock it is handed: the threads of the embedded backends in
``up``, their synchronous cores under a virtual clock in ``replay``. ``serve`` is the embedded platform: one process,
one port.
"""

import asyncio
import contextlib
import errno
import gc
import logging
import os
import resource
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, Protocol

import msgspec
import uvicorn

from matchday.backends.clock_wall import WallClock
from matchday.backends.ledger_sqlite import SqliteLedger, SqliteLedgerCore
from matchday.backends.log_sqlite import SqliteLog, SqliteLogCore
from matchday.backends.writer import Post
from matchday.config import Doors, Settings
from matchday.edge.admission import Admission
from matchday.edge.fast_http import make_fast_http
from matchday.edge.frames import deflated, frame_binary, frame_text
from matchday.edge.guard import make_guard
from matchday.edge.http import make_app
from matchday.edge.placing import Placing
from matchday.edge.pressure import Pressure
from matchday.edge.stream import PATH as STREAM_PATH
from matchday.edge.stream import Streams
from matchday.edge.visitors import networks
from matchday.edge.websocket import make_protocol
from matchday.model.book import Books
from matchday.model.messages import (
    OVER,
    AccountFact,
    BetCashedOut,
    BetReopened,
    BetSettled,
    BookChanged,
    BookState,
    CashOutSet,
    OddsAlive,
    OddsOwned,
    Topic,
    decode,
    kind,
)
from matchday.model.reports import Adapter
from matchday.model.role import Role
from matchday.ports import Clock, Ledger, Log, Stored
from matchday.pricing.football import price_book, warm_up
from matchday.pricing.joint import combine
from matchday.pricing.worth import leg_worth
from matchday.services.accounts import Accounts, Tokens
from matchday.services.bets import Bets
from matchday.services.cash_out import CashOuts
from matchday.services.feed import Feed
from matchday.services.lobby import Lobby
from matchday.services.odds import Odds
from matchday.services.push import Framing, Push
from matchday.services.relay import Relay
from matchday.services.settlement import SettlementByAccount, SettlementByFixture
from matchday.services.trading import Trading

_log = logging.getLogger(__name__)

WEB: Final = Path(__file__).parent / "web"
SECRET_BYTES: Final = 32
FORGET_MS: Final = 600_000
"""Milliseconds a fixture that is over stays on the screens of a gate."""
STREAM_RETRY_MS: Final = (500, 5_000)
"""Milliseconds between which is drawn when a lost stream is to come back: browsers have no jitter of their own."""
FILES_OF_OURS: Final = 256
"""Open files that are no connections: stores, pages, what is refused."""


_BEGIN_A_WATCH: Final[frozenset[object]] = frozenset(fact.__struct_config__.tag for fact in (CashOutSet, BetReopened))
_WATCHED: Final = _BEGIN_A_WATCH | {fact.__struct_config__.tag for fact in (BetCashedOut, BetSettled)}
"""Facts by which bets are watched for their own cash-out thresholds; the same, and those by which no more."""


class StartError(Exception):
    """The platform cannot start: what is wrong and what to do about it."""


class Follower(Protocol):
    """Somebody at the doors who is to hear what happens to some accounts."""

    def follows(self, account: str) -> bool:
        """Whether that account is one of them."""

    def account_fact(self, fact: AccountFact) -> None:
        """Something happened to an account."""


class Gate:
    """The doors' side: books in memory, push, bets and cash-out, fed from the log and from nothing else."""

    def __init__(
        self, clock: Clock, log: Log, books: Books, push: Push, bets: Bets, cash_outs: CashOuts, settings: Settings
    ) -> None:
        self._clock = clock
        self._log = log
        self._settings = settings
        self.books = books
        self.push = push
        self.bets = bets
        self.cash_outs = cash_outs
        self.watchers: list[Callable[[BookChanged, int], None]] = [cash_outs.book_changed]
        self.followers: list[Follower] = [push]
        self._over: dict[str, int] = {}

    def start(self) -> None:
        """Load every book as it stands, fill the history for resuming clients, then follow the log."""
        end = after = self._log.end(Topic.BOOKS)
        kept = (decode(stored.value) for stored in self._log.latest(Topic.BOOK_STATES))
        for state in Books.newest(state for state in kept if isinstance(state, BookState)):
            self._owned(state.epoch, state.share)
            if state.snapshot.status not in OVER:
                self.books.load(state)
                after = min(after, state.said - 1)
        since = self._clock.now_ms() - self._settings.push.history_ms
        after = max(-1, min(after, end - self._settings.push.history_frames_max))
        self.push.begin(after)
        while after < end and (records := self._log.read(Topic.BOOKS, after, 1_000)):
            for stored in records:
                message = decode(stored.value)
                if isinstance(message, OddsOwned):
                    self._owned(stored.offset + 1, message.share)
                elif (
                    isinstance(message, BookChanged)
                    and message.fixture in self.books.fixtures
                    and self.books.said_by_owner(message, stored.offset)
                ):
                    self.books.apply(message, stored.offset)
                    if stored.at_ms >= since:
                        self.push.preload(message, stored.offset)
            after = records[-1].offset
        self._log.tail(Topic.BOOKS, after, self._hear_books)
        self._log.tail(Topic.ACCOUNTS, None, self._hear_accounts)
        self.cash_outs.start()  # what it does not find in the ledger yet is said after that end
        self._clock.call_later(FORGET_MS, self._forget)

    def _hear_books(self, records: Sequence[Stored]) -> None:
        for stored in records:
            message = decode(stored.value)
            if isinstance(message, OddsOwned):
                self._owned(stored.offset + 1, message.share)
                continue
            if isinstance(message, OddsAlive):
                self.bets.odds_alive(message.epoch, message.at_ms, message.share)
                continue
            if not isinstance(message, BookChanged) or self._is_past(message):
                continue
            if not self.books.apply(message, stored.offset):
                continue
            if message.board.status in OVER:
                self._over[message.fixture] = self._clock.now_ms()
            for watcher in self.watchers:
                watcher(message, stored.offset)
            self.push.book_changed(message, stored.offset)

    def _is_past(self, change: BookChanged) -> bool:
        """Whether a new owner speaks of a fixture that is over and shown no longer."""
        return change.board.status in OVER and change.fixture not in self.books.fixtures

    def _owned(self, epoch: int, share: int) -> None:
        self.books.owned(epoch, share)
        self.bets.odds_owned(epoch, share)

    def _hear_accounts(self, records: Sequence[Stored]) -> None:
        """Screens are told what happens to their fans; a threshold is watched whether or not its fan looks on."""
        for stored in records:
            followed = any(follower.follows(stored.key) for follower in self.followers)
            if not followed and kind(stored.value) not in self._watched:
                continue
            message = decode(stored.value)
            if isinstance(message, AccountFact):
                for follower in self.followers:
                    follower.account_fact(message)
                self.cash_outs.account_fact(message)

    @property
    def _watched(self) -> frozenset[object]:
        """Facts of fans who do not look on that matter all the same: most are settlements, and matter while any bet is
        watched."""
        return _WATCHED if self.cash_outs.watching else _BEGIN_A_WATCH

    def _forget(self) -> None:
        """Take fixtures that have been over for long off the screens."""
        now = self._clock.now_ms()
        for fixture in [f for f, at in self._over.items() if now - at >= FORGET_MS]:
            del self._over[fixture]
            self.books.forget(fixture)
            self.push.removed(fixture)
        if self.books.fixtures or self._over:
            self._clock.call_later(FORGET_MS // 4, self._forget)


class Platform:
    """Every room of the embedded platform, wired to one log, one ledger and one clock."""

    def __init__(
        self,
        clock: Clock,
        log: Log,
        ledger: Ledger,
        adapter: Adapter,
        settings: Settings,
        *,
        secret: bytes,
        speed: float = 1.0,
    ) -> None:
        self.clock, self.log, self.ledger = clock, log, ledger
        books = Books()
        self.accounts = Accounts(clock, ledger, settings, secret)
        self.bets = Bets(clock, ledger, books, settings.bets, combine)
        self.pressure = Pressure(clock, settings.overload)
        self.lobby = Lobby(clock, settings.lobby, secret, lambda: self.push.accounts)
        self.placing = Placing(clock, self.bets, books, settings, self.pressure, self.lobby.seen)
        self.push = Push(
            clock, books, log.epoch(Topic.BOOKS), settings.push, ledger=ledger, verify=self.accounts.verify,
            framing=Framing(frame_text, frame_binary, deflated), stale=lambda: self.bets.stale,
            stale_fixtures=lambda: self.bets.stale_fixtures, bets=self.placing,
        )  # fmt: skip
        self.cash_outs = CashOuts(
            clock, ledger, books, settings.bets, price=self.bets.price, in_play=self.bets.in_play, worth=leg_worth,
            secret=secret,
        )  # fmt: skip
        self.gate = Gate(clock, log, books, self.push, self.bets, self.cash_outs, settings)
        self.gate.followers.append(self.placing)
        self.trading = Trading(clock, log, books)
        self.feed = Feed(clock, log, adapter, settings.feed)
        self.odds = Odds(clock, log, price_book, settings.odds, speed)
        self.by_fixture = SettlementByFixture(clock, log)
        self.by_account = SettlementByAccount(clock, log, ledger, settings.settlement)
        self.relay = Relay(clock, log, ledger)

    def start(self) -> None:
        """Readers first, so that nobody misses what the feed says."""
        self.gate.start()
        self.bets.start()
        self.odds.start()
        self.by_fixture.start()
        self.by_account.start()
        self.relay.start()
        self.feed.start()

    def drain(self, done: Callable[[], None]) -> None:
        """Before this process stops: let nobody in, and send the clients elsewhere within ``push.drain_ms``; then
        ``done``. Requests are answered all the while."""
        if not self.push.draining:
            self.push.drain(done)


def serve(
    make_adapter: Callable[[Clock], Adapter], settings: Settings, *, data: Path, port: int, speed: float,
    ready: Callable[[str], None],
) -> None:  # fmt: skip
    """Run the embedded platform until SIGINT or SIGTERM. StartError where it cannot start."""
    with _listen(port) as listener:
        try:
            data.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StartError(f"data folder {data}: {error.strerror}; choose another with --data DIR") from error
        try:
            import uvloop

            runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        except ImportError:
            runner = asyncio.Runner()
        with runner:
            runner.run(_serve(make_adapter, settings, data, listener, speed, ready))


@contextlib.contextmanager
def _listen(port: int) -> Iterator[socket.socket]:
    """The listening socket, before anything else is touched."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        yield listener
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise StartError(
                f"port {port} is in use; stop what runs there or choose another: make up ARGS='--port 8001'"
            ) from error
        if error.errno == errno.EACCES:
            raise StartError(f"port {port} may not be bound by this user; choose one above 1023 with --port") from error
        raise
    finally:
        listener.close()


def _secret(path: Path, clock: WallClock) -> bytes:
    """The key that signs tokens: made at the first start, readable by its owner only."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        secret = clock.entropy(SECRET_BYTES)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secret)
        return secret


def sign_token(data: Path, settings: Settings, name: str, role: Role) -> str:
    """A token that the platform of a data folder takes. StartError where it has no key that can be read."""
    path = data / "secret"
    try:
        secret = path.read_bytes()
    except OSError as error:
        raise StartError(
            f"key {path}: {error.strerror}; name the data folder of a platform that has been started, with --data DIR"
        ) from error
    with asyncio.Runner() as runner:
        return Tokens(WallClock(runner.get_loop()), settings, secret).sign(name, role)[0]


async def _serve(
    make_adapter: Callable[[Clock], Adapter], settings: Settings, data: Path, listener: socket.socket, speed: float,
    ready: Callable[[str], None],
) -> None:  # fmt: skip
    loop = asyncio.get_running_loop()
    clock = WallClock(loop)
    failed: list[BaseException] = []
    stop = asyncio.Event()

    def fatal(error: BaseException) -> None:
        """A programmer's error: stop this process rather than go on with a broken invariant."""
        failed.append(error)
        stop.set()

    loop.set_exception_handler(lambda _, context: fatal(context.get("exception") or RuntimeError(context["message"])))
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    with contextlib.ExitStack() as stack:
        log, ledger = stack.enter_context(stores(data, clock, loop.call_soon_threadsafe, settings, fatal))
        platform = Platform(
            clock, log, ledger, make_adapter(clock), settings, secret=_secret(data / "secret", clock), speed=speed
        )
        loop.add_signal_handler(signal.SIGTERM, lambda: _leave(platform, stop))
        warm_up()
        platform.start()
        platform.lobby.start()  # these two are of a process with doors
        platform.pressure.start()
        _keep_house(clock, log, ledger, settings)
        web = make_app(
            bets=platform.bets, placing=platform.placing, cash_outs=platform.cash_outs, accounts=platform.accounts,
            trading=platform.trading, ledger=ledger, books=platform.gate.books, lobby=platform.lobby,
            pressure=platform.pressure, clock=clock, settings=settings, web=WEB,
            draining=lambda: platform.push.draining,
        )  # fmt: skip
        http, ws = _doors(platform, settings)
        server = uvicorn.Server(uvicorn.Config(
            web, loop="none", http=http, ws=ws, lifespan="off", log_config=None, access_log=False, server_header=False,
            proxy_headers=False, timeout_graceful_shutdown=5,
        ))  # fmt: skip
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        tune_gc()
        await _until_stopped(server, listener, stop, ready)
    if failed:
        raise failed[0]


def _doors(platform: Platform, settings: Settings) -> tuple[type[asyncio.Protocol], type[asyncio.Protocol]]:
    """The protocols of the one port: for requests and streams, and for WebSockets."""
    doors, push, accounts = _within_files(settings.doors), settings.push, platform.accounts
    entrance = Admission(platform.clock, push, platform.push)
    chance = platform.clock.random("streams")
    streams = Streams(
        platform.push, push, entrance, origins=doors.origins, verify=accounts.verify,
        verify_ticket=accounts.verify_ticket, retry_ms=lambda: chance.randint(*STREAM_RETRY_MS),
    )  # fmt: skip
    guard = make_guard(doors, dead_ms=push.idle_ms_max, stream_path=STREAM_PATH, open_stream=streams.opener)
    http = make_fast_http(platform.placing, accounts, guard)
    trusted = networks(doors.trusted_proxies)
    return http, make_protocol(platform.push, push, doors.origins, entrance=entrance, trusted=trusted)


def _within_files(doors: Doors) -> Doors:
    """As many connections as the operating system lets this process have: beyond it, it could take no more of them,
    and not refuse them either."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # a system whose limit may not be raised that far
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    room = files - FILES_OF_OURS
    if files == resource.RLIM_INFINITY or doors.connections_max <= room:
        return doors
    _log.info(
        "at most %d connections: for more, raise the limit of open files (ulimit -n), now %d", max(1, room), files
    )
    return msgspec.structs.replace(doors, connections_max=max(1, room))


def _leave(platform: Platform, stop: asyncio.Event) -> None:
    """Asked to stop: hand the clients over first. Asked again: at once."""
    if platform.push.draining:
        stop.set()
    else:
        platform.drain(stop.set)


@contextlib.contextmanager
def stores(
    data: Path, clock: Clock, post: Post, settings: Settings, fatal: Callable[[BaseException], None]
) -> Iterator[tuple[SqliteLog, SqliteLedger]]:
    """The embedded log and ledger of a data folder, each with its writer's thread, until the block ends."""
    with contextlib.ExitStack() as stack:
        log_core = stack.enter_context(contextlib.closing(SqliteLogCore(data / "log.sqlite", clock.new_id)))
        ledger_core = stack.enter_context(contextlib.closing(SqliteLedgerCore(data / "ledger.sqlite")))
        log = SqliteLog(log_core, clock, post, settings.storage, fatal)
        stack.callback(log.close)
        ledger = SqliteLedger(ledger_core, clock, post, settings.storage, fatal)
        stack.callback(ledger.close)
        yield log, ledger


def tune_gc() -> None:
    """What stands when the platform has started stays: never look at it again, and rarely at what comes."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)


async def _until_stopped(
    server: uvicorn.Server, listener: socket.socket, stop: asyncio.Event, ready: Callable[[str], None]
) -> None:
    listener.listen(2048)
    listener.setblocking(False)
    serving = asyncio.create_task(server._serve([listener]))
    while not (server.started or serving.done()):  # noqa: ASYNC110 - uvicorn has no event to wait for
        await asyncio.sleep(0.005)
    host, port = listener.getsockname()
    ready(f"http://{host}:{port}")
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    await serving
    stopping.cancel()


def _keep_house(clock: Clock, log: SqliteLog, ledger: SqliteLedger, settings: Settings) -> None:
    """Every few minutes: drop what the log no longer keeps and refusals past their memory."""
    keep_ms, period_ms = round(settings.storage.log_hours * 3_600_000), 300_000

    def house() -> None:
        log.trim(clock.now_ms() - keep_ms)
        ledger.purge(clock.now_ms())
        clock.call_later(period_ms, house)

    clock.call_later(period_ms, house)
