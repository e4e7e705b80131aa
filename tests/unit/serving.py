"""What tests of doors on a real port need: the real rooms over an inline ledger, whose time stands still, behind
uvicorn, so that two of them answer the same requests with the same bytes."""

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import uvicorn

from matchday.backends.clock_wall import uuid7
from matchday.backends.ledger_sqlite import SqliteLedgerCore
from matchday.backends.log_sqlite import SqliteLogCore
from matchday.config import Bets as BetSettings
from matchday.config import Push as PushSettings
from matchday.config import Settings
from matchday.edge.fast_http import _FastHttp, make_fast_http
from matchday.edge.frames import deflated, frame_binary, frame_text
from matchday.edge.guard import make_guard
from matchday.edge.http import make_app
from matchday.edge.placing import Placing
from matchday.edge.pressure import Pressure
from matchday.edge.websocket import make_protocol
from matchday.model.book import Books
from matchday.model.ledger import OpenAccount, Transfer
from matchday.model.market import Market, MarketKey, MarketStatus, Selection
from matchday.model.messages import Board, BookChanged, FixtureStatus
from matchday.model.role import Role
from matchday.ports import Timer
from matchday.services.accounts import Accounts
from matchday.services.bets import Bets
from matchday.services.lobby import Lobby
from matchday.services.push import Framing, Push
from matchday.services.trading import Trading
from tests.unit.doors import SECRET, MoodyLedger, MoodyLog, cash_outs_of, no_joint_price
from tests.unit.listening import listening

NOW_MS = 1_790_000_000_000


def no_stream(*_: object) -> asyncio.Protocol:
    """Nobody asks for a stream here."""
    raise AssertionError


class StillClock:
    """Calls are made by the loop; time stands still, and ids are counted."""

    def __init__(self) -> None:
        self.ids = 0

    def now_ms(self) -> int:
        return NOW_MS

    def elapsed_ms(self) -> int:
        return 0

    def call_later(self, delay_ms: int, call: Callable[[], None]) -> Timer:
        loop = asyncio.get_running_loop()
        return loop.call_later(delay_ms / 1000, call) if delay_ms else loop.call_soon(call)

    def new_id(self) -> str:
        self.ids += 1
        return uuid7((NOW_MS << 74) | self.ids)

    def random(self, name: str) -> random.Random:
        return random.Random(name)


class Served:
    """A gate's rooms and doors on a port. ``taken`` counts what the fast HTTP class answered."""

    port = 0
    taken = 0

    def __init__(self, settings: Settings, *, fast: bool = True, idle_s: int = 5) -> None:
        self.clock, self.settings, self.books = StillClock(), settings, Books()
        self.core = SqliteLedgerCore(":memory:")
        self.ledger = MoodyLedger(self.core, self.clock)
        self.room = Bets(self.clock, self.ledger, self.books, settings.bets, no_joint_price)
        self.accounts = Accounts(self.clock, self.ledger, settings, SECRET)
        self.lobby = Lobby(self.clock, settings.lobby, SECRET)
        self.pressure = Pressure(self.clock, settings.overload)
        self.placing = Placing(self.clock, self.room, self.books, settings, self.pressure, self.lobby.seen)
        self.push = Push(
            self.clock, self.books, "e1", settings.push, ledger=self.ledger, verify=self.accounts.verify,
            framing=Framing(frame_text, frame_binary, deflated), stale=lambda: False, doors=(self.placing,),
        )  # fmt: skip
        for number in (1, 2):
            name = f"fan{number}"
            self.core.commit([OpenAccount(f"open:{name}", name, "EUR", NOW_MS)])
            self.core.commit([Transfer(f"grant:{name}", name, 100_000, "EUR", "grant", NOW_MS)])
        self.offer("F")
        self.server = uvicorn.Server(self._config(fast=fast, idle_s=idle_s))

    def offer(self, fixture: str, *, price: int = 1_900, generation: int = 1, live: bool = False) -> None:
        """A market as it stands from now on; the owner of the books is heard."""
        offset = self.books.offset + 1
        playing = FixtureStatus.LIVE if live else FixtureStatus.SCHEDULED
        board = Board(fixture, "Cup", "Home", "Away", 0, playing, "1H", 0, 0, 1.0, (0, 0), None, None, (0, 0), (0, 0))
        key = MarketKey("1x2")
        selections = tuple(Selection(outcome, price) for outcome in ("home", "draw", "away"))
        market = Market(key.of(fixture), key.type, None, MarketStatus.OPEN, generation, selections)
        self.books.apply(BookChanged(fixture, 1, offset + 1, "tick", NOW_MS, board, (market,)), offset)
        self.room.odds_alive(1, NOW_MS)

    def token(self, name: str = "fan1", role: Role = Role.FAN) -> str:
        return self.accounts.sign(name, role)[0]

    def _config(self, *, fast: bool, idle_s: int) -> uvicorn.Config:
        served = self
        cash_outs = cash_outs_of(self.clock, self.ledger, self.books, self.settings.bets, self.room)
        log = MoodyLog(SqliteLogCore(":memory:", self.clock.new_id), self.clock)
        app = make_app(
            bets=self.room, placing=self.placing, cash_outs=cash_outs, accounts=self.accounts,
            trading=Trading(self.clock, log, self.books), ledger=self.ledger, books=self.books, lobby=self.lobby,
            pressure=self.pressure, clock=self.clock, settings=self.settings, web=Path(__file__).parent,
        )  # fmt: skip

        guard = make_guard(self.settings.doors, dead_ms=60_000, stream_path=b"/stream", open_stream=no_stream)

        class Counted(make_fast_http(self.placing, self.accounts, guard)):  # type: ignore[misc]
            def _take(self, data: bytes) -> int:
                number: int = super()._take(data)
                served.taken += bool(number)
                return number

        assert issubclass(Counted, _FastHttp)
        return uvicorn.Config(
            app, http=Counted if fast else guard, ws=make_protocol(self.push, self.settings.push),
            lifespan="off", log_config=None, access_log=False, date_header=False, timeout_keep_alive=idle_s,
            timeout_graceful_shutdown=3,
        )  # fmt: skip


@contextlib.asynccontextmanager
async def serving(settings: Settings | None = None, *, fast: bool = True, idle_s: int = 5) -> AsyncIterator[Served]:
    """A gate on a free port."""
    found = settings or Settings(bets=BetSettings(delay_ms=0), push=PushSettings())
    served = Served(found, fast=fast, idle_s=idle_s)
    with contextlib.closing(served.core):
        async with listening(served.server) as served.port:
            yield served


def bet(number: int, **changes: Any) -> dict[str, Any]:
    """A bet that is fine, but for what is changed."""
    leg = {"selection": "F:1x2/home", "price": "1.90", "generation": 1, **changes.pop("leg", {})}
    made = uuid7((NOW_MS << 74) | (1 << 60) | number)
    return {"id": made, "stake": "10.00", "currency": "EUR", "legs": [leg], **changes}


def request(body: bytes | dict[str, Any], *lines: str, token: str = "", path: str = "/api/bets") -> bytes:
    """The bytes of ``POST``; ``lines`` instead of the length and type that are usual."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    said = list(lines) or [f"Content-Length: {len(raw)}", "Content-Type: application/json"]
    if token:
        said.append(f"Authorization: Bearer {token}")
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: x", *said, "", ""]).encode() + raw


async def response(reader: asyncio.StreamReader) -> bytes:
    """The bytes of one whole response."""
    async with asyncio.timeout(5):
        head = await reader.readuntil(b"\r\n\r\n")
        if head.startswith(b"HTTP/1.1 100 "):
            return head
        length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
        return head + await reader.readexactly(length)


async def hang_up(writer: asyncio.StreamWriter) -> None:
    """Close a connection, and wait until it is."""
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
