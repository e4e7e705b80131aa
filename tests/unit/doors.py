"""What tests of the HTTP door need: the real rooms over the inline ledger, a client that speaks ASGI to the
application under the virtual clock, and a check of every response against the OpenAPI document."""

import asyncio
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import msgspec

from matchday.backends.ledger_sqlite import Done, SqliteLedgerCore
from matchday.backends.log_sqlite import SqliteLogCore
from matchday.backends.partitions import Done as LogDone
from matchday.config import Bets as BetSettings
from matchday.config import Settings
from matchday.edge.http import make_app
from matchday.edge.openapi import document
from matchday.edge.placing import Placing
from matchday.edge.pressure import Pressure
from matchday.model.book import Books, FixtureBook
from matchday.model.ledger import AccountView, Answer, Command
from matchday.model.market import Market, MarketKey, MarketStatus, Selection
from matchday.model.messages import Board, BookChanged, FixtureStatus
from matchday.model.role import Role
from matchday.ports import Clock, Ledger, LedgerUnavailable, LogUnavailable, Record
from matchday.pricing.worth import leg_worth
from matchday.services.accounts import Accounts
from matchday.services.bets import Bets
from matchday.services.cash_out import CashOuts
from matchday.services.lobby import Lobby
from matchday.services.trading import Trading
from matchday.sim.clock import VirtualClock
from matchday.sim.inline import InlineLedger, InlineLog

SECRET = b"a secret of thirty-two bytes ..."
GOALS = "F:total_goals@2.5"
OVER = f"{GOALS}/over"
TOTAL_GOALS = MarketKey("total_goals", 10)
DRIVER_STEPS_MAX = 10_000
SPINS_MAX = 1_000

Json = dict[str, Any]


class Reply(msgspec.Struct):
    """An HTTP response."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Json:
        decoded: Json = json.loads(self.body)
        return decoded


class MoodyLedger(InlineLedger):
    """The ledger, which may be late to answer or not be there at all."""

    late_ms = 0
    """Milliseconds between a commit and its answer."""
    away = False
    """Whether nothing is taken and nothing can be read."""

    def commit(self, commands: Sequence[Command], done: Done) -> None:
        """See ``Ledger.commit``."""
        late_ms = self.late_ms
        if self.away:
            self._clock.call_later(0, lambda: done(LedgerUnavailable("/var/secret/ledger is locked")))
            return
        super().commit(commands, lambda outcome: done_later(self._clock, late_ms, done, outcome))

    def account(self, account: str) -> AccountView | None:
        """See ``Ledger.account``."""
        if self.away:
            raise LedgerUnavailable("/var/secret/ledger is locked")
        return super().account(account)


class MoodyLog(InlineLog):
    """The log, which may be late to answer or not be there at all."""

    late_ms = 0
    away = False

    def append(self, records: Sequence[Record], done: LogDone | None = None) -> None:
        """See ``Log.append``."""
        assert done is not None
        late_ms = self.late_ms
        if self.away:
            self._clock.call_later(0, lambda: done(LogUnavailable("/var/secret/log is locked")))
            return

        def appended(outcome: Sequence[int] | LogUnavailable) -> None:
            self._clock.call_later(late_ms, lambda: done(outcome))

        super().append(records, appended)


def done_later(clock: Clock, late_ms: int, done: Done, outcome: Sequence[Answer] | LedgerUnavailable) -> None:
    clock.call_later(late_ms, lambda: done(outcome))


def no_joint_price(_book: FixtureBook, _parts: Sequence[tuple[Market, str]]) -> str:
    """A gate without a joint model."""
    return "combination_unpriced"


def cash_outs_of(clock: Clock, ledger: Ledger, books: Books, settings: BetSettings, bets: Bets) -> CashOuts:
    """A gate's cash-outs."""
    return CashOuts(
        clock, ledger, books, settings, price=bets.price, in_play=bets.in_play, worth=leg_worth, secret=SECRET
    )


class Site:
    """A whole door: guests, bets and books, with one fixture ``F`` whose two markets are open."""

    def __init__(self, web: Path, settings: Settings | None = None) -> None:
        self.settings = settings or Settings(bets=BetSettings(delay_ms=0))
        self.clock = VirtualClock(seed=7)
        self.core = SqliteLedgerCore(":memory:")
        self.ledger = MoodyLedger(self.core, self.clock)
        self.log = MoodyLog(SqliteLogCore(":memory:", self.clock.new_id), self.clock)
        self.books = Books()
        self.room = Bets(self.clock, self.ledger, self.books, self.settings.bets, no_joint_price)
        self.cash_outs = cash_outs_of(self.clock, self.ledger, self.books, self.settings.bets, self.room)
        self.accounts = Accounts(self.clock, self.ledger, self.settings, SECRET)
        self.trading = Trading(self.clock, self.log, self.books)
        self.lobby = Lobby(self.clock, self.settings.lobby, SECRET)
        self.pressure = Pressure(self.clock, self.settings.overload)
        self.placing = Placing(self.clock, self.room, self.books, self.settings, self.pressure, self.lobby.seen)
        self.app = make_app(
            bets=self.room, placing=self.placing, cash_outs=self.cash_outs, accounts=self.accounts,
            trading=self.trading, ledger=self.ledger, books=self.books, lobby=self.lobby, pressure=self.pressure,
            clock=self.clock, settings=self.settings,
            web=web,
        )  # fmt: skip
        self.document = document(self.settings.doors.page_max)
        self.read = 0
        """Parts of the last body that the application asked for."""
        self._offset = 0
        self.offer(price=1900)
        self.offer(price=2500, key=MarketKey("1x2"), outcomes=("home", "draw", "away"))

    def offer(
        self, price: int, *, generation: int = 1, status: MarketStatus = MarketStatus.OPEN,
        key: MarketKey = TOTAL_GOALS, outcomes: Sequence[str] = ("over", "under"), stake_max: int | None = None,
        fixture: str = "F", live: bool = True,
    ) -> None:  # fmt: skip
        """The book changes, and the odds owner is heard."""
        self._offset += 1
        selections = tuple(Selection(outcome, price) for outcome in outcomes)
        playing = FixtureStatus.LIVE if live else FixtureStatus.SCHEDULED
        board = Board(fixture, "Cup", "Home", "Away", 0, playing, "1H", 0, 0, 1.0, (1, 0), None, None, (0, 0), (3, 2))
        market = Market(key.of(fixture), key.type, key.line, status, generation, selections, stake_max)
        change = BookChanged(fixture, 1, self._offset, "tick", self.clock.now_ms(), board, (market,))
        self.books.apply(change, self._offset)
        self.room.odds_alive(1, self.clock.now_ms())

    def guest(self) -> str:
        """A new account's token."""
        return str(self.ask("POST", "/api/guest", {}).json["token"])

    def trader(self, name: str = "tom") -> str:
        """A trader's token."""
        return self.accounts.sign(name, Role.TRADER)[0]

    def bet(self, **changes: object) -> Json:
        """A bet that is fine, but for what is changed; ``leg`` changes its leg."""
        leg: Json = {"selection": OVER, "price": "1.90", "generation": 1}
        leg.update(changes.pop("leg", {}))  # type: ignore[call-overload]
        whole: Json = {"id": self.clock.new_id(), "stake": "10.00", "currency": "EUR", "policy": "better"}
        return {**whole, "legs": [leg], **changes}

    def ask(
        self, method: str, path: str, body: object = None, token: str = "", *, headers: dict[str, str] | None = None,
        chunks: Sequence[bytes] | None = None, address: str = "192.0.2.1", step_ms: int = 0, ends: bool = True,
        said: list[Json] | None = None,
    ) -> Reply:  # fmt: skip
        """One request. ``step_ms`` is how much time passes with each turn of the loop; a body whose chunks do not
        end (``ends``) leaves the application waiting for more; ``said`` gets the raw messages of the answer."""
        if chunks is None:
            chunks = [b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()]
        sent = {"content-type": "application/json", **({"authorization": f"Bearer {token}"} if token else {})}
        said = [] if said is None else said
        sent.update(headers or {})
        reply = asyncio.run(self._exchange(method, path, sent, chunks, address, step_ms, ends, said))
        check_reply(self.document, method, path.partition("?")[0], reply)
        return reply

    def page(self, path: str, headers: dict[str, str] | None = None) -> Reply:
        """A file, which the document does not describe."""
        return asyncio.run(self._exchange("GET", path, headers or {}, [b""], "192.0.2.1", 0, True, []))

    async def _exchange(
        self, method: str, path: str, headers: dict[str, str], chunks: Sequence[bytes], address: str, step_ms: int,
        ends: bool, said: list[Json],
    ) -> Reply:  # fmt: skip
        self.read = 0

        async def receive() -> Json:
            if self.read >= len(chunks):
                await asyncio.Future()  # whoever sends has stopped in mid-body
            self.read += 1
            more = self.read < len(chunks) or not ends
            return {"type": "http.request", "body": chunks[self.read - 1], "more_body": more}

        async def send(message: Any) -> None:
            said.append(message)

        where, _, query = path.partition("?")
        scope = {
            "type": "http", "method": method, "path": unquote(where), "raw_path": where.encode(), "root_path": "",
            "query_string": query.encode(), "headers": [(k.encode(), v.encode("latin-1")) for k, v in headers.items()],
            "client": (address, 50_000), "server": ("matchday", 80), "scheme": "http", "http_version": "1.1",
        }  # fmt: skip
        exchange = asyncio.ensure_future(self.app(scope, receive, send))
        for step in range(DRIVER_STEPS_MAX):
            if exchange.done():
                break
            self.clock.run_for(step_ms)
            await asyncio.sleep(0 if step < SPINS_MAX else 0.001)  # files are looked up on a thread
        assert exchange.done(), "no answer"
        exchange.result()
        names = {name.decode(): value.decode() for name, value in said[0]["headers"]}
        return Reply(said[0]["status"], names, b"".join(message.get("body", b"") for message in said[1:]))


def check_reply(described: Json, method: str, path: str, reply: Reply) -> None:
    """A response is one that the document promises for this operation (what is not in it may only be a 404 or 405)."""
    operation = None
    for template, operations in described["paths"].items():
        if re.fullmatch(re.sub(r"{\w+}", "[^/]+", template), path):
            operation = operations.get(method.lower())
    if reply.headers.get("content-type") == "application/problem+json":
        known, kind = described["components"]["schemas"]["ProblemDetails"], "application/problem+json"
        assert reply.json["status"] == reply.status, reply
        check(described, known, reply.json)
    else:
        kind = "application/json"
    if operation is None:
        assert path == "/openapi.json" or not path.startswith("/api/") or reply.status in (404, 405), (path, reply)
        return
    assert str(reply.status) in operation["responses"], (method, path, reply)
    promised = operation["responses"][str(reply.status)]
    check(described, promised["content"][kind]["schema"], reply.json)
    for name in promised.get("headers", {}):
        assert name.lower() in reply.headers, (name, reply)


TYPES: dict[str, Any] = {
    "object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool,
    "null": type(None),
}  # fmt: skip


def check(described: Json, schema: Json, value: Any, at: str = "$") -> None:  # noqa: C901 - one line a keyword
    """A value is as a schema says, and has no field that it does not name. AssertionError says where it is not."""
    for keyword, said in schema.items():
        if keyword == "$ref":
            check(described, described["components"]["schemas"][said.rpartition("/")[2]], value, at)
        elif keyword == "allOf":
            for part in said:
                check(described, part, value, at)
        elif keyword == "anyOf":
            assert any(fits(described, part, value) for part in said), (at, value)
        elif keyword == "type":
            assert isinstance(value, TYPES[said]), (at, said, value)
            assert isinstance(value, bool) == (said == "boolean"), (at, said, value)
        elif keyword == "enum":
            assert value in said, (at, value, said)
        elif keyword == "required":
            assert set(said) <= set(value), (at, set(said) - set(value))
        elif keyword == "properties":
            assert "type" not in schema or set(value) <= set(said), (at, set(value) - set(said))
            for name, part in said.items():
                if name in value:
                    check(described, part, value[name], f"{at}.{name}")
        elif keyword == "prefixItems":
            for index, (part, item) in enumerate(zip(said, value, strict=True)):
                check(described, part, item, f"{at}[{index}]")
        elif keyword == "items":
            for index, item in enumerate(value if said is not False else ()):
                check(described, said, item, f"{at}[{index}]")
        else:
            assert keyword in {"title", "description", "default", "minItems", "maxItems"}, f"{keyword} is not checked"


def fits(described: Json, schema: Json, value: Any) -> bool:
    try:
        check(described, schema, value)
    except AssertionError:
        return False
    return True
