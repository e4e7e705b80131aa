"""The HTTP door: parse, call the room, answer. Every error is a problem that names the field and the remedy."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from matchday.config import Settings
from matchday.edge.api import (
    LEGS_NOW,
    ROUTES,
    AccountAnswer,
    BetAnswer,
    BetBody,
    BetsAnswer,
    FixtureAnswer,
    FixtureRow,
    FixturesAnswer,
    GuestAnswer,
    Health,
    LegBody,
    LimitBody,
    Nothing,
    StatementAnswer,
)
from matchday.edge.limits import RateLimit
from matchday.edge.openapi import document
from matchday.edge.problems import Problem
from matchday.model.bet import Leg
from matchday.model.book import Books
from matchday.model.football import MATCH_RESULT
from matchday.model.ledger import Answer, Moment, PlaceBet, Refusal
from matchday.model.market import split_selection
from matchday.model.money import MoneyError, format_amount, parse_amount
from matchday.model.posting import uuid7_ms
from matchday.model.price import PriceError, format_price, parse_price
from matchday.model.views import bet_view, entry_view, market_view
from matchday.ports import Clock, Ledger, LedgerUnavailable

_AHEAD_MS_MAX: Final = 86_400_000
"""Milliseconds by which a caller's id may be ahead of our clock."""
_BODY_S_MAX: Final = 10
"""Seconds in which a body must have arrived."""
_PAGE_DEFAULT: Final = 50
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
_Result = TypeVar("_Result")
_Body = TypeVar("_Body", bound=msgspec.Struct)


class BetsRoom(Protocol):
    """The bets room, as this door sees it."""

    @property
    def stale(self) -> bool:
        """Whether the odds owner is silent."""

    def place(self, command: PlaceBet, done: Callable[[Answer | Moment], None]) -> None:
        """Judge and commit."""


class AccountsRoom(Protocol):
    """The accounts room, as this door sees it."""

    def verify(self, token: str) -> str | None:
        """The account of a token."""

    def open_guest(self, done: Callable[[Any], None]) -> None:
        """Open an account."""

    def set_limit(self, account: str, id_: str, stake_per_day: int, done: Callable[[Answer | Moment], None]) -> None:
        """Set a limit."""


def make_app(
    *, bets: BetsRoom, accounts: AccountsRoom, ledger: Ledger, books: Books, clock: Clock, settings: Settings, web: Path
) -> Starlette:
    """The application: the routes of the table, the document, and the page's files."""
    door = Door(bets, accounts, ledger, books, clock, settings)
    routes: list[Route | Mount] = [
        Route(route.path, door.operation(getattr(door, route.name), signed_in=route.signed_in), methods=[route.method])
        for route in ROUTES
    ]
    described = msgspec.json.encode(document())

    async def openapi(_: Request) -> Response:
        return Response(described, headers=_HEADERS, media_type="application/json")

    routes.append(Route("/openapi.json", openapi))
    routes.append(Mount("/", _Files(directory=web, html=True)))
    return Starlette(
        routes=routes, exception_handlers={HTTPException: _not_routed, Problem: _problem, LedgerUnavailable: _no_ledger}
    )


class _Files(StaticFiles):
    """The page's files, as strict as a browser can be told."""

    async def get_response(self, path: str, scope: Any) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update(_HEADERS)
        return response


async def _not_routed(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    if status == 405:
        return Problem(405, "method_not_allowed", "see /openapi.json for what can be done here").response()
    return Problem(status, "not_found", "nothing is here; see /openapi.json").response()


async def _problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return error.response()


async def _no_ledger(_: Request, error: Exception) -> Response:
    return Problem(503, Moment.UNAVAILABLE, str(error), retry_after_s=1).response()


class Door:
    """The operations of the table."""

    def __init__(
        self, bets: BetsRoom, accounts: AccountsRoom, ledger: Ledger, books: Books, clock: Clock, settings: Settings
    ) -> None:
        self._bets, self._accounts, self._ledger, self._books = bets, accounts, ledger, books
        self._clock, self._settings = clock, settings.doors
        per_second = settings.doors.requests_per_second_max
        self._by_account = RateLimit(clock, per_second, 1_000, 2 * per_second)
        per_minute = settings.doors.guests_per_minute_max
        self._by_address = RateLimit(clock, per_minute, 60_000, per_minute)

    def operation(
        self, run: Callable[..., Awaitable[tuple[int, msgspec.Struct]]], *, signed_in: bool
    ) -> Callable[[Request], Awaitable[Response]]:
        """A route's endpoint: signed in where the table says so, answered as JSON."""

        async def endpoint(request: Request) -> Response:
            status, answer = await (run(request, self._signed_in(request)) if signed_in else run(request))
            return Response(msgspec.json.encode(answer), status, _HEADERS, "application/json")

        return endpoint

    # --- operations ---------------------------------------------------------------------------------------------------

    async def guest(self, request: Request) -> tuple[int, msgspec.Struct]:
        """POST /api/guest."""
        self._limited(self._by_address, request.client.host if request.client else "?")
        await self._body(request, Nothing)
        guest = await self._answered(self._accounts.open_guest)
        if isinstance(guest, Moment):
            raise _moment(guest)
        balance = format_amount(guest.balance, guest.currency)
        return 201, GuestAnswer(guest.account, guest.token, guest.expires_ms, guest.currency, balance)

    async def account(self, _: Request, account: str) -> tuple[int, msgspec.Struct]:
        """GET /api/account."""
        view = self._ledger.account(account)
        if view is None:
            raise Problem(401, "not_signed_in", "the account is not known here; sign in again")
        currency = view.currency
        balance, limit, staked = (
            format_amount(a, currency) for a in (view.balance, view.stake_per_day, view.staked_today)
        )
        return 200, AccountAnswer(account, currency, balance, view.status, limit, staked)

    async def limit(self, request: Request, account: str) -> tuple[int, msgspec.Struct]:
        """POST /api/account/limit."""
        body = await self._body(request, LimitBody)
        view = self._ledger.account(account)
        limit = _amount(body.stake_per_day, view.currency if view else "EUR", "stake_per_day")
        if limit < 0:
            raise Problem(422, "amount_invalid", "a limit is zero or more", field="stake_per_day")
        self._fresh(body.id)
        answer: Answer | Moment = await self._answered(
            lambda done: self._accounts.set_limit(account, body.id, limit, done)
        )
        if isinstance(answer, Moment):
            raise _moment(answer)
        if answer.refusal is not None:
            raise Problem(409, answer.refusal, answer.detail)
        return await self.account(request, account)

    async def statement(self, request: Request, account: str) -> tuple[int, msgspec.Struct]:
        """GET /api/account/statement."""
        limit, before = self._page(request), request.query_params.get("before")
        if before is not None and not (before.isdecimal() and len(before) < 19):
            raise Problem(422, "parameter_invalid", "before is the number of an entry", field="before")
        entries = self._ledger.statement(account, int(before) if before else None, limit)
        following = entries[-1].entry if len(entries) == limit else None
        return 200, StatementAnswer(tuple(entry_view(entry, account) for entry in entries), following)

    async def bets(self, request: Request, account: str) -> tuple[int, msgspec.Struct]:
        """GET /api/bets."""
        limit, state = self._page(request), request.query_params.get("state", "all")
        if state not in ("open", "all"):
            raise Problem(422, "parameter_invalid", "state is open or all", field="state")
        before = request.query_params.get("before")
        bets = self._ledger.bets(account, open_only=state == "open", before=before, limit=limit)
        following = bets[-1].bet if len(bets) == limit else None
        return 200, BetsAnswer(tuple(bet_view(bet) for bet in bets), following)

    async def bet_by_id(self, request: Request, account: str) -> tuple[int, msgspec.Struct]:
        """GET /api/bets/by-id/{id}."""
        id_ = request.path_params["id"]
        answer = self._ledger.answer(account, id_)
        if answer is None:
            raise Problem(404, "id_unknown", "no answer to this id is recorded; it may be sent (again)")
        return 200, self._answer(answer)

    async def place(self, request: Request, account: str) -> tuple[int, msgspec.Struct]:
        """POST /api/bets."""
        body = await self._body(request, BetBody)
        self._fresh(body.id)
        stake = _amount(body.stake, body.currency, "stake")
        if stake <= 0:
            raise Problem(422, "amount_invalid", "a stake is more than zero", field="stake")
        if len(body.legs) != LEGS_NOW:
            raise Problem(422, "legs_invalid", f"a bet has exactly {LEGS_NOW} leg for now", field="legs")
        legs = tuple(_leg(leg, f"legs[{index}]") for index, leg in enumerate(body.legs))
        command = PlaceBet(body.id, account, body.currency, stake, body.policy, legs)
        try:
            async with asyncio.timeout(self._settings.answer_ms_max / 1000):
                answer: Answer | Moment = await self._answered(lambda done: self._bets.place(command, done))
        except TimeoutError:
            return 202, BetAnswer("pending", body.id)
        if isinstance(answer, Moment):
            raise _moment(answer)
        if answer.refusal is not None:
            raise self._refused(answer, legs[0])
        return 201, self._answer(answer)

    async def fixtures(self, _: Request) -> tuple[int, msgspec.Struct]:
        """GET /api/fixtures."""
        rows = []
        for fixture, book in self._books.fixtures.items():
            market = book.markets.get(f"{fixture}:{MATCH_RESULT}")
            rows.append(FixtureRow(book.board, market_view(market) if market else None))
        return 200, FixturesAnswer(tuple(rows))

    async def fixture(self, request: Request) -> tuple[int, msgspec.Struct]:
        """GET /api/fixtures/{id}."""
        book = self._books.fixtures.get(request.path_params["id"])
        if book is None:
            raise Problem(404, "fixture_unknown", "see /api/fixtures for those that are live, upcoming or just over")
        return 200, FixtureAnswer(book.board, tuple(market_view(market) for market in book.markets.values()))

    async def health(self, _: Request) -> tuple[int, msgspec.Struct]:
        """GET /healthz."""
        return 200, Health("stale" if self._bets.stale else "ok", len(self._books.fixtures))

    # --- what they share ----------------------------------------------------------------------------------------------

    def _signed_in(self, request: Request) -> str:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        account = self._accounts.verify(token) if scheme.lower() == "bearer" else None
        if account is None:
            raise Problem(401, "not_signed_in", "send Authorization: Bearer with a token of POST /api/guest")
        self._limited(self._by_account, account)
        return account

    @staticmethod
    def _limited(limit: RateLimit, key: str) -> None:
        if wait_s := limit.take(key):
            raise Problem(429, "too_many_requests", f"try again in {wait_s} s", retry_after_s=wait_s)

    async def _body(self, request: Request, shape: type[_Body]) -> _Body:
        """The body, decoded and validated; not read further than its limit in bytes and time."""
        most = self._settings.body_bytes_max
        kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise Problem(415, "not_json", "send Content-Type: application/json")
        received = bytearray()
        try:
            async with asyncio.timeout(_BODY_S_MAX):
                async for chunk in request.stream():
                    received += chunk
                    if len(received) > most:
                        raise Problem(413, "body_too_large", f"at most {most} bytes")
        except TimeoutError:
            raise Problem(400, "body_too_slow", f"send the body within {_BODY_S_MAX} s") from None
        try:
            return msgspec.json.decode(bytes(received) or b"{}", type=shape)
        except msgspec.ValidationError as error:
            reason, _, place = str(error).partition(" - at `$")
            raise Problem(422, "field_invalid", reason, field=place.rstrip("`").lstrip(".")) from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Problem(400, "not_json", f"{error}") from error

    async def _answered(self, ask: Callable[[Callable[[_Result], None]], None]) -> _Result:
        """A room's callback as something to await. Nobody waiting any more is no harm."""
        future: asyncio.Future[_Result] = asyncio.get_running_loop().create_future()
        ask(lambda result: None if future.done() else future.set_result(result))
        return await future

    def _page(self, request: Request) -> int:
        text = request.query_params.get("limit", str(_PAGE_DEFAULT))
        if not text.isdecimal() or len(text) > 4 or not 1 <= int(text) <= self._settings.page_max:
            raise Problem(422, "parameter_invalid", f"limit is 1 to {self._settings.page_max}", field="limit")
        return int(text)

    def _fresh(self, id_: str) -> None:
        """A caller's id must be a UUIDv7 of about now; an old one is the ledger's to judge."""
        made_ms = uuid7_ms(id_)
        if made_ms is None or id_ != id_.lower():
            raise Problem(
                422, "id_invalid", "make a UUIDv7 (RFC 9562) in lower case before the first attempt", field="id"
            )
        if made_ms > self._clock.now_ms() + _AHEAD_MS_MAX:
            raise Problem(422, "id_invalid", "the id's time is more than a day ahead; check the clock", field="id")

    @staticmethod
    def _answer(answer: Answer) -> BetAnswer:
        if answer.refusal is not None:
            return BetAnswer("refused", answer.id, repeated=answer.repeated, reason=answer.refusal)
        bet = answer.bet
        if bet is None:
            return BetAnswer("accepted", answer.id, repeated=answer.repeated)
        balance = "" if answer.balance is None else format_amount(answer.balance, bet.currency)
        return BetAnswer("accepted", answer.id, bet_view(bet), balance, answer.repeated)

    def _refused(self, answer: Answer, leg: Leg) -> Problem:
        """A refusal; where the book has moved on, with how it stands now."""
        price, generation = "", -1
        if answer.refusal in (Refusal.PRICE_MOVED, Refusal.GENERATION_STALE):
            market = self._books.market(leg.fixture, leg.market)
            now = market.price_of(leg.selection.rpartition("/")[2]) if market else None
            if market is not None and now is not None:
                price, generation = format_price(now), market.generation
        assert answer.refusal is not None
        return Problem(409, answer.refusal, answer.detail, price=price, generation=generation)


def _amount(text: str, currency: str, field: str) -> int:
    try:
        return parse_amount(text, currency)
    except MoneyError as error:
        raise Problem(
            422, "amount_invalid", str(error), field="currency" if "not known" in str(error) else field
        ) from error


def _leg(leg: LegBody, field: str) -> Leg:
    try:
        fixture, key, _ = split_selection(leg.selection)
    except ValueError as error:
        raise Problem(422, "selection_invalid", str(error), field=f"{field}.selection") from error
    try:
        price = parse_price(leg.price)
    except PriceError as error:
        raise Problem(422, "price_invalid", str(error), field=f"{field}.price") from error
    if not 0 <= leg.generation < 2**31:
        raise Problem(422, "generation_invalid", "send the generation that was seen", field=f"{field}.generation")
    return Leg(fixture, key.of(fixture), leg.selection, price, leg.generation)


def _moment(moment: Moment) -> Problem:
    detail = "the same id may be sent again"
    return Problem(503, moment, detail, retry_after_s=1)
