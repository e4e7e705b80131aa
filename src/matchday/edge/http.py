"""The HTTP door: parse, call the room, answer. Every error is a problem that names the field and the remedy.

Owns nothing but the rate limits. Hears requests; says commands to the rooms, and reads the ledger and the books. Never
judges a bet, and never waits longer than its settings say.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

import msgspec
from msgspec import UNSET
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
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
    LimitBody,
    Nothing,
    StatementAnswer,
)
from matchday.edge.limits import RateLimit
from matchday.edge.openapi import document
from matchday.edge.parse import amount_of, check_id, is_number, leg_of, read_body
from matchday.edge.problems import Problem
from matchday.edge.trader import TraderDoor, TradingRoom
from matchday.edge.waiting import answered, in_time
from matchday.model.bet import Leg
from matchday.model.book import Books
from matchday.model.football_markets import MATCH_RESULT
from matchday.model.ledger import AccountView, Answer, Moment, PlaceBet, Refusal
from matchday.model.money import format_amount
from matchday.model.price import format_price
from matchday.model.role import Role, SignedIn
from matchday.model.views import bet_view, entry_view, market_view
from matchday.ports import Clock, Ledger, LedgerUnavailable

_PAGE_DEFAULT: Final = 50
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_ANSWER_HEADERS: Final = {**_HEADERS, "Cache-Control": "no-store"}
_FILE_HEADERS: Final = {**_HEADERS, "Cache-Control": "no-cache"}
_Result = TypeVar("_Result")


class BetsRoom(Protocol):
    """The bets room, as this door sees it."""

    @property
    def stale(self) -> bool:
        """Whether the odds owner is silent."""

    def place(self, command: PlaceBet, done: Callable[[Answer | Moment], None]) -> None:
        """Judge and commit."""


class NewGuest(Protocol):
    """A new account, as this door sees it."""

    @property
    def account(self) -> str:
        """Its id."""

    @property
    def token(self) -> str:
        """What signs its fan in."""

    @property
    def expires_ms(self) -> int:
        """When the token ends, milliseconds since 1970."""

    @property
    def currency(self) -> str:
        """Of its balance."""

    @property
    def balance(self) -> int:
        """Minor units."""


class AccountsRoom(Protocol):
    """The accounts room, as this door sees it."""

    def identify(self, token: str) -> SignedIn | None:
        """Who a token speaks for."""

    def open_guest(self, done: Callable[[NewGuest | Moment], None]) -> None:
        """Open an account."""

    def set_limit(self, account: str, id_: str, stake_per_day: int, done: Callable[[Answer | Moment], None]) -> None:
        """Set a limit."""


def make_app(
    *, bets: BetsRoom, accounts: AccountsRoom, trading: TradingRoom, ledger: Ledger, books: Books, clock: Clock,
    settings: Settings, web: Path,
) -> Starlette:  # fmt: skip
    """The application: the routes of the table, the document, and the page's files."""
    door = Door(bets, accounts, ledger, books, clock, settings)
    doors = {Role.FAN: door, Role.TRADER: TraderDoor(trading, books, clock, settings)}
    routes = [
        Route(
            route.path,
            door.operation(getattr(doors[route.role], route.name), role=route.role if route.signed_in else None),
            methods=[route.method],
        )
        for route in ROUTES
    ]
    described = msgspec.json.encode(document(settings.doors.page_max))

    async def openapi(_: Request) -> Response:
        return Response(described, headers=_FILE_HEADERS, media_type="application/json")

    routes.append(Route("/openapi.json", openapi))
    app = Starlette(
        routes=routes,
        exception_handlers={
            HTTPException: _not_routed, Problem: _problem, LedgerUnavailable: _no_ledger, Exception: _internal_error,
        },
    )  # fmt: skip
    # The files come last and are no route: one at "/" would match every path, and a wrong method be "not found".
    app.router.redirect_slashes = False
    app.router.default = _Files(directory=web, html=True)
    return app


class _Files(StaticFiles):
    """The page's files, as strict as a browser can be told."""

    async def get_response(self, path: str, scope: Any) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update(_FILE_HEADERS)
        return response


async def _not_routed(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    served: set[str] = set()
    for route in request.app.routes:
        if route.matches(request.scope)[0] is not Match.NONE:
            served |= route.methods
    if error.status_code == 405 and (served or not request.url.path.startswith("/api/")):
        allow = ", ".join(sorted(served or {"GET", "HEAD"}))
        return Problem("method_not_allowed", f"{allow} can be done here; see /openapi.json", allow=allow).response()
    return Problem("not_found", "nothing is here; see /openapi.json").response()


async def _problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return error.response()


async def _no_ledger(_: Request, __: Exception) -> Response:
    return _moment(Moment.UNAVAILABLE).response()


async def _internal_error(_: Request, __: Exception) -> Response:
    """Only says so: the error itself goes on to the server."""
    return Problem("internal_error", "the fault is ours; the same id may be sent again").response()


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
        self, run: Callable[..., Awaitable[tuple[int, msgspec.Struct]]], *, role: Role | None
    ) -> Callable[[Request], Awaitable[Response]]:
        """A route's endpoint: signed in, as whom the table says, and answered as JSON."""

        async def endpoint(request: Request) -> Response:
            status, answer = await (run(request, self._signed_in(request, role)) if role is not None else run(request))
            return Response(msgspec.json.encode(answer), status, _ANSWER_HEADERS, "application/json")

        return endpoint

    # --- operations ---------------------------------------------------------------------------------------------------

    async def guest(self, request: Request) -> tuple[int, msgspec.Struct]:
        """POST /api/guest."""
        self._limited(self._by_address, request.client.host if request.client else "?")
        await read_body(request, Nothing, self._clock, self._settings.body_bytes_max)
        guest = await self._answered(self._accounts.open_guest)
        if isinstance(guest, Moment):
            raise _moment(guest)
        balance = format_amount(guest.balance, guest.currency)
        return 201, GuestAnswer(guest.account, guest.token, guest.expires_ms, guest.currency, balance)

    async def account(self, _: Request, account: str) -> tuple[int, msgspec.Struct]:
        """GET /api/account."""
        view = self._view(account)
        currency = view.currency
        balance, limit, staked = (
            format_amount(a, currency) for a in (view.balance, view.stake_per_day, view.staked_today)
        )
        return 200, AccountAnswer(account, currency, balance, view.status, limit, staked)

    async def limit(self, request: Request, account: str) -> tuple[int, msgspec.Struct]:
        """POST /api/account/limit."""
        body = await read_body(request, LimitBody, self._clock, self._settings.body_bytes_max)
        check_id(body.id, self._clock.now_ms())
        limit = amount_of(body.stake_per_day, self._view(account).currency, "stake_per_day")
        if limit < 0:
            raise Problem("amount_invalid", "a limit is zero or more", field="stake_per_day")
        answer: Answer | Moment = await self._answered(
            lambda done: self._accounts.set_limit(account, body.id, limit, done)
        )
        if isinstance(answer, Moment):
            raise _moment(answer)
        if answer.refusal is not None:
            raise Problem(answer.refusal, answer.detail)
        return await self.account(request, account)

    async def statement(self, request: Request, account: str) -> tuple[int, msgspec.Struct]:
        """GET /api/account/statement."""
        limit, before = self._page(request), request.query_params.get("before")
        if before is not None and (not is_number(before, digits=18) or int(before) < 1):
            raise Problem("parameter_invalid", "before is the number of an entry", field="before")
        found = self._ledger.statement(account, None if before is None else int(before), limit + 1)
        entries, following = found[:limit], found[limit - 1].entry if len(found) > limit else None
        return 200, StatementAnswer(tuple(entry_view(entry, account) for entry in entries), following)

    async def bets(self, request: Request, account: str) -> tuple[int, msgspec.Struct]:
        """GET /api/bets."""
        limit, state = self._page(request), request.query_params.get("state", "all")
        if state not in ("open", "all"):
            raise Problem("parameter_invalid", "state is open or all", field="state")
        before = request.query_params.get("before")
        if before is not None and not 1 <= len(before) <= 64:
            raise Problem("parameter_invalid", "before is our id of a bet", field="before")
        found = self._ledger.bets(account, open_only=state == "open", before=before, limit=limit + 1)
        bets, following = found[:limit], found[limit - 1].bet if len(found) > limit else None
        return 200, BetsAnswer(tuple(bet_view(bet) for bet in bets), following)

    async def bet_by_id(self, request: Request, account: str) -> tuple[int, msgspec.Struct]:
        """GET /api/bets/by-id/{id}."""
        id_ = request.path_params["id"]
        answer = self._ledger.answer(account, id_)
        if answer is None:
            raise Problem("id_unknown", "no answer to this id is recorded; it may be sent (again)")
        return 200, self._answer(answer)

    async def place(self, request: Request, account: str) -> tuple[int, msgspec.Struct]:
        """POST /api/bets."""
        body = await read_body(request, BetBody, self._clock, self._settings.body_bytes_max)
        check_id(body.id, self._clock.now_ms())
        stake = amount_of(body.stake, body.currency, "stake")
        if stake <= 0:
            raise Problem("amount_invalid", "a stake is more than zero", field="stake")
        if len(body.legs) != LEGS_NOW:
            raise Problem("legs_invalid", f"a bet has exactly {LEGS_NOW} leg for now", field="legs")
        legs = tuple(leg_of(leg, f"legs[{index}]") for index, leg in enumerate(body.legs))
        command = PlaceBet(body.id, account, body.currency, stake, body.policy, legs)
        try:
            answer: Answer | Moment = await self._in_time(lambda done: self._bets.place(command, done))
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
            raise Problem("fixture_unknown", "see /api/fixtures for those that are live, upcoming or just over")
        return 200, FixtureAnswer(book.board, tuple(market_view(market) for market in book.markets.values()))

    async def health(self, _: Request) -> tuple[int, msgspec.Struct]:
        """GET /healthz."""
        return 200, Health("stale" if self._bets.stale else "ok", len(self._books.fixtures))

    # --- what they share ----------------------------------------------------------------------------------------------

    def _signed_in(self, request: Request, role: Role) -> str:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        signed_in = self._accounts.identify(token) if scheme.lower() == "bearer" else None
        if signed_in is None:
            source = "POST /api/guest" if role == Role.FAN else "`matchday token`"
            raise Problem("not_signed_in", f"send Authorization: Bearer with a token of {source}")
        self._limited(self._by_account, f"{signed_in.role} {signed_in.account}")
        if signed_in.role != role:
            raise Problem("not_allowed", f"this is for a {role}'s token; yours is a {signed_in.role}'s")
        return signed_in.account

    def _view(self, account: str) -> AccountView:
        view = self._ledger.account(account)
        if view is None:
            raise Problem("not_signed_in", "the account is not known here; sign in again")
        return view

    @staticmethod
    def _limited(limit: RateLimit, key: str) -> None:
        if wait_s := limit.take(key):
            raise Problem("too_many_requests", f"try again in {wait_s} s", retry_after_s=wait_s)

    async def _in_time(self, ask: Callable[[Callable[[_Result], None]], None]) -> _Result:
        return await in_time(self._clock, self._settings.answer_ms_max, ask)

    async def _answered(self, ask: Callable[[Callable[[_Result], None]], None]) -> _Result:
        return await answered(self._clock, self._settings.answer_ms_max, ask)

    def _page(self, request: Request) -> int:
        most = self._settings.page_max
        text = request.query_params.get("limit")
        if text is None:
            return min(_PAGE_DEFAULT, most)
        if not is_number(text, digits=9) or not 1 <= int(text) <= most:
            raise Problem("parameter_invalid", f"limit is 1 to {most}", field="limit")
        return int(text)

    @staticmethod
    def _answer(answer: Answer) -> BetAnswer:
        if answer.refusal is not None:
            return BetAnswer("refused", answer.id, answer.repeated, reason=answer.refusal)
        bet = answer.bet
        if bet is None:
            return BetAnswer("accepted", answer.id, answer.repeated)
        balance = UNSET if answer.balance is None else format_amount(answer.balance, bet.currency)
        return BetAnswer("accepted", answer.id, answer.repeated, bet_view(bet), balance)

    def _refused(self, answer: Answer, leg: Leg) -> Problem:
        """A refusal; where the book has moved on, with how it stands now."""
        assert answer.refusal is not None
        if answer.refusal in (Refusal.PRICE_MOVED, Refusal.GENERATION_STALE):
            market = self._books.market(leg.fixture, leg.market)
            now = market.price_of(leg.selection.rpartition("/")[2]) if market else None
            if market is not None and now is not None:
                price, generation = format_price(now), market.generation
                return Problem(answer.refusal, answer.detail, price=price, generation=generation)
        return Problem(answer.refusal, answer.detail)


def _moment(moment: Moment) -> Problem:
    return Problem(moment, "nothing was recorded: the same id may be sent again", retry_after_s=1)
