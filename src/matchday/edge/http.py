"""The HTTP door: parse, call the room, answer. Every error is a problem that names the field and the remedy.

Owns nothing but the rate limits. Hears requests; says commands to the rooms, and reads the ledger and the books. Never
judges a bet, and never waits longer than its settings say.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, Literal, Protocol, TypeVar

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
    ROUTES,
    SLIP_MAX,
    AccountAnswer,
    BetAnswer,
    BetBody,
    BetsAnswer,
    FixtureAnswer,
    FixtureRow,
    FixturesAnswer,
    GuestAnswer,
    GuestBody,
    Health,
    LimitBody,
    Nothing,
    QuoteBody,
    SlipAnswer,
    SlipBody,
    StatementAnswer,
    TicketAnswer,
    WaitingAnswer,
)
from matchday.edge.cash_out import CashOutDoor, CashOutRoom
from matchday.edge.desk import DeskDoor, FreeBetsRoom, ReferralsRoom
from matchday.edge.limits import RateLimit
from matchday.edge.openapi import document
from matchday.edge.parse import amount_of, check_id, is_number, page_of, read_body
from matchday.edge.placing import Outcome, Placing, status_of
from matchday.edge.pressure import Pressure, Priority
from matchday.edge.problems import Problem, of_moment
from matchday.edge.shared_counts import SharedCounts
from matchday.edge.sign_in import bearer, signed_in
from matchday.edge.slips import answer_of, command_of, of_slip, pending, question_of, quote_of, wrong_bet
from matchday.edge.trader import TraderDoor, TradingRoom
from matchday.edge.visitors import UNKNOWN, limit_key
from matchday.edge.waiting import answered, first_of, in_time
from matchday.model.acceptance import StakeMax
from matchday.model.admission import Admission, Place, TurnedAway
from matchday.model.book import Books
from matchday.model.football_markets import MATCH_RESULT
from matchday.model.ledger import AccountView, Answer, LimitName, Moment, PlaceBet, Refusal, offer_id
from matchday.model.money import format_amount
from matchday.model.posting import uuid7_ms
from matchday.model.role import Role, SignedIn
from matchday.model.views import bet_view, entry_view, free_bet_view, limit_view, market_view, offer_view
from matchday.ports import Cache, Clock, Ledger, LedgerUnavailable

_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
ANSWER_HEADERS: Final = {**_HEADERS, "Cache-Control": "no-store"}
_FILE_HEADERS: Final = {**_HEADERS, "Cache-Control": "no-cache"}
_Result = TypeVar("_Result")


class BetsRoom(ReferralsRoom, Protocol):
    """The bets room, as this door sees it."""

    @property
    def stale(self) -> bool:
        """Whether the odds owner is silent."""

    def place(self, command: PlaceBet, done: Callable[[Answer | Moment], None], waits: Callable[[int], None]) -> None:
        """Judge and commit."""

    def waiting_until(self, account: str, id_: str) -> int | None:
        """Until when a bet waits its delay."""

    def stake_max(self, command: PlaceBet) -> StakeMax:
        """What would be taken now."""


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


class AccountsRoom(FreeBetsRoom, Protocol):
    """The accounts room, as this door sees it."""

    def identify(self, token: str) -> SignedIn | None:
        """Who a token speaks for."""

    def ticket(self, token: str) -> tuple[str, int] | None:
        """What opens an account's stream, and until when."""

    def open_guest(self, done: Callable[[NewGuest | Moment], None]) -> None:
        """Open an account."""

    def set_limit(
        self, account: str, id_: str, limit: LimitName, amount: int | None, done: Callable[[Answer | Moment], None]
    ) -> None:
        """Set a limit."""


class LobbyRoom(Protocol):
    """The waiting room, as this door sees it."""

    def enter(self, ticket: str | None) -> Admission:
        """A newcomer, or one who waits, asks to come in."""

    def seen(self, account: str) -> None:
        """A fan inside gave a sign of life."""


def make_app(
    *, bets: BetsRoom, placing: Placing, cash_outs: CashOutRoom, accounts: AccountsRoom, trading: TradingRoom,
    ledger: Ledger, books: Books, lobby: LobbyRoom, pressure: Pressure, clock: Clock, settings: Settings, web: Path,
    draining: Callable[[], bool] = lambda: False, cache: Cache | None = None,
) -> Starlette:  # fmt: skip
    """The application: the routes of the table, the document, and the page's files."""
    door = Door(bets, placing, cash_outs, accounts, ledger, books, lobby, pressure, clock, settings, draining, cache)
    cashing = CashOutDoor(cash_outs, ledger, clock, settings)
    desk = DeskDoor(bets, accounts, ledger, clock, settings)
    doors = {Role.FAN: (door, cashing), Role.TRADER: (TraderDoor(trading, books, clock, settings), desk)}
    routes = [
        Route(
            route.path,
            door.operation(
                _named(doors[route.role], route.name),
                role=route.role if route.signed_in else None,
                priority=Priority.MONEY if route.name == "place" else route.priority,  # whatever the door: ``Placing``
            ),
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


def _named(doors: tuple[object, ...], name: str) -> Callable[..., Awaitable[tuple[int, msgspec.Struct]]]:
    """The function of an operation, of whichever door has it."""
    found: Callable[..., Awaitable[tuple[int, msgspec.Struct]]] = next(
        getattr(door, name) for door in doors if hasattr(door, name)
    )
    return found


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
    return of_moment(Moment.UNAVAILABLE).response()


async def _internal_error(_: Request, __: Exception) -> Response:
    """Only says so: the error itself goes on to the server."""
    return Problem("internal_error", "the fault is ours; the same id may be sent again").response()


class Door:
    """The operations of the table."""

    def __init__(
        self, bets: BetsRoom, placing: Placing, cash_outs: CashOutRoom, accounts: AccountsRoom, ledger: Ledger,
        books: Books, lobby: LobbyRoom, pressure: Pressure, clock: Clock, settings: Settings,
        draining: Callable[[], bool], cache: Cache | None,
    ) -> None:  # fmt: skip
        self._bets, self._placing, self._cash_outs, self._accounts = bets, placing, cash_outs, accounts
        self._lobby, self._pressure, self._draining = lobby, pressure, draining
        self._ledger, self._books = ledger, books
        self._clock, self._settings = clock, settings.doors
        per_minute = settings.doors.guests_per_minute_max
        shared = None if cache is None else SharedCounts(clock, cache, "guests", per_minute, 60_000)
        self._by_address = RateLimit(clock, per_minute, 60_000, per_minute, shared=shared)

    def operation(
        self, run: Callable[..., Awaitable[tuple[int, msgspec.Struct]]], *, role: Role | None, priority: Priority
    ) -> Callable[[Request], Awaitable[Response]]:
        """A route's endpoint: signed in, as whom the table says, and answered as JSON."""

        async def endpoint(request: Request) -> Response:
            self._pressure.admit(priority)
            status, answer = await (run(request, self._signed_in(request, role)) if role is not None else run(request))
            return Response(msgspec.json.encode(answer), status, ANSWER_HEADERS, "application/json")

        return endpoint

    # --- operations ---------------------------------------------------------------------------------------------------

    async def guest(self, request: Request) -> tuple[int, msgspec.Struct]:
        """POST /api/guest."""
        self._by_address.spend(limit_key(request.client.host if request.client else UNKNOWN))
        body = await read_body(request, GuestBody, self._clock, self._settings.body_bytes_max)
        match self._lobby.enter(body.ticket):
            case TurnedAway(reason=reason, detail=detail):
                raise Problem(reason, detail, field="" if reason == "line_full" else "ticket",
                              retry_after_s=60 if reason == "line_full" else 0)  # fmt: skip
            case Place() as place:
                return 202, WaitingAnswer(place.ticket, place.ahead, place.wait_s, place.ask_in_s)
            case _:
                pass
        guest = await self._answered(self._accounts.open_guest)
        if isinstance(guest, Moment):
            raise of_moment(guest)
        self._lobby.seen(guest.account)
        balance = format_amount(guest.balance, guest.currency)
        return 201, GuestAnswer(guest.account, guest.token, guest.expires_ms, guest.currency, balance)

    async def ticket(self, request: Request, _: str) -> tuple[int, msgspec.Struct]:
        """POST /api/stream/ticket."""
        await read_body(request, Nothing, self._clock, self._settings.body_bytes_max)
        ticket = self._accounts.ticket(bearer(request.headers["authorization"]))
        if ticket is None:
            raise Problem("not_signed_in", "the token has ended meanwhile; send one of POST /api/guest")
        return 201, TicketAnswer(*ticket)

    async def account(self, _: Request, account: str) -> tuple[int, msgspec.Struct]:
        """GET /api/account."""
        view = self._view(account)
        currency = view.currency
        now_ms = self._clock.now_ms()
        free_bets = [free_bet for free_bet in self._ledger.free_bets(account) if free_bet.until_ms > now_ms]
        return 200, AccountAnswer(
            account, currency, format_amount(view.balance, currency), view.status,
            tuple(limit_view(limit, currency) for limit in view.limits), tuple(map(free_bet_view, free_bets)),
        )  # fmt: skip

    async def limit(self, request: Request, account: str) -> tuple[int, msgspec.Struct]:
        """POST /api/account/limit."""
        body = await read_body(request, LimitBody, self._clock, self._settings.body_bytes_max)
        check_id(body.id, self._clock.now_ms())
        currency = self._view(account).currency
        amount = None if body.amount is None else amount_of(body.amount, currency, "amount")
        if amount is not None and amount < 0:
            raise Problem("amount_invalid", "a limit is zero or more", field="amount")
        answer: Answer | Moment = await self._answered(
            lambda done: self._accounts.set_limit(account, body.id, body.limit, amount, done)
        )
        if isinstance(answer, Moment):
            raise of_moment(answer)
        if answer.refusal is not None:
            raise Problem(answer.refusal, answer.detail)
        return await self.account(request, account)

    async def statement(self, request: Request, account: str) -> tuple[int, msgspec.Struct]:
        """GET /api/account/statement."""
        limit, before = page_of(request, self._settings.page_max), request.query_params.get("before")
        if before is not None and (not is_number(before, digits=18) or int(before) < 1):
            raise Problem("parameter_invalid", "before is the number of an entry", field="before")
        found = self._ledger.statement(account, None if before is None else int(before), limit + 1)
        entries, following = found[:limit], found[limit - 1].entry if len(found) > limit else None
        return 200, StatementAnswer(tuple(entry_view(entry, account) for entry in entries), following)

    async def bets(self, request: Request, account: str) -> tuple[int, msgspec.Struct]:
        """GET /api/bets."""
        limit, state = page_of(request, self._settings.page_max), request.query_params.get("state", "all")
        if state not in ("open", "all"):
            raise Problem("parameter_invalid", "state is open or all", field="state")
        before = request.query_params.get("before")
        if before is not None and uuid7_ms(before) is None:
            raise Problem("parameter_invalid", "before is our id of a bet, as next says it", field="before")
        found = self._ledger.bets(account, open_only=state == "open", before=before, limit=limit + 1)
        bets, following = found[:limit], found[limit - 1].bet if len(found) > limit else None
        return 200, BetsAnswer(tuple(bet_view(bet) for bet in bets), following)

    async def bet_by_id(self, request: Request, account: str) -> tuple[int, msgspec.Struct]:
        """GET /api/bets/by-id/{id}."""
        id_ = request.path_params["id"]
        answer = self._ledger.answer(account, id_)
        if answer is not None and answer.refusal == Refusal.RE_OFFERED:
            offer = self._ledger.offer(account, offer_id(account, id_))
            currency = self._view(account).currency
            shown = UNSET if offer is None else offer_view(offer, currency)
            return 200, msgspec.structs.replace(answer_of(answer), offer=shown)
        if answer is not None:
            return 200, answer_of(answer)
        for room in (self._bets, self._cash_outs):
            if (until_ms := room.waiting_until(account, id_)) is not None:
                return 200, pending(id_, until_ms)
        raise Problem("id_unknown", "no answer to this id is recorded; it may be sent (again)")

    async def place(self, request: Request, account: str) -> tuple[int, msgspec.Struct]:
        """POST /api/bets."""
        body = await read_body(request, BetBody, self._clock, self._settings.body_bytes_max)
        outcome: Outcome = await first_of(lambda told: self._placing.place(account, body, told))
        if isinstance(outcome, Problem):
            raise outcome
        return status_of(outcome), outcome

    async def slip(self, request: Request, account: str) -> tuple[int, msgspec.Struct]:
        """POST /api/slips."""
        body = await read_body(request, SlipBody, self._clock, self._settings.body_bytes_max)
        if not 1 <= len(body.bets) <= SLIP_MAX or len({bet.id for bet in body.bets}) < len(body.bets):
            raise Problem("slip_invalid", f"a slip has 1 to {SLIP_MAX} bets, each with an id of its own", field="bets")
        if more := len(body.bets) - 1:  # the request itself was counted when it signed in
            self._placing.limited(account, Role.FAN, more)
        now_ms = self._clock.now_ms()
        commands: list[PlaceBet | BetAnswer] = []
        for index, bet in enumerate(body.bets):
            try:
                commands.append(command_of(bet, account, now_ms, f"bets[{index}]."))
            except Problem as problem:
                commands.append(wrong_bet(bet, problem))
        found = await asyncio.gather(*(self._asked(c) for c in commands if isinstance(c, PlaceBet)))
        answers = iter(found)
        return 200, SlipAnswer(tuple(
            of_slip(c, next(answers), self._books) if isinstance(c, PlaceBet) else c for c in commands
        ))  # fmt: skip

    async def _asked(self, command: PlaceBet) -> Answer | Moment | int:
        """The bets room's answer, or until when it is to come (0: unknown)."""
        began = self._clock.elapsed_ms()
        try:
            found: Answer | Moment | int = await self._in_time(lambda done: self._bets.place(command, done, done))
        except TimeoutError:
            return 0
        finally:
            self._pressure.took(self._clock.elapsed_ms() - began)
        if not isinstance(found, int):
            self._placing.answers.take(found, self._clock.elapsed_ms() - began, delayed=False)
        return found

    async def quote(self, request: Request, account: str) -> tuple[int, msgspec.Struct]:
        """POST /api/bets/quote."""
        body = await read_body(request, QuoteBody, self._clock, self._settings.body_bytes_max)
        command = question_of(body, account)
        return 200, quote_of(command, self._bets.stake_max(command))

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
        status: Literal["ok", "stale", "draining"] = "stale" if self._bets.stale else "ok"
        return 200, Health("draining" if self._draining() else status, len(self._books.fixtures))

    # --- what they share ----------------------------------------------------------------------------------------------

    def _signed_in(self, request: Request, role: Role) -> str:
        return signed_in(request.headers.get("authorization", ""), role, self._accounts, self._placing)

    def _view(self, account: str) -> AccountView:
        view = self._ledger.account(account)
        if view is None:
            raise Problem("not_signed_in", "the account is not known here; sign in again")
        return view

    async def _in_time(self, ask: Callable[[Callable[[_Result], None]], None]) -> _Result:
        return await in_time(self._clock, self._settings.answer_ms_max, ask)

    async def _answered(self, ask: Callable[[Callable[[_Result], None]], None]) -> _Result:
        return await answered(self._clock, self._settings.answer_ms_max, ask)
