"""The traders' HTTP door: parse a command, hand it to the trading room, show a book as traders have set it.

Owns nothing. Every error is a problem that names the field and the remedy; what a command must have besides its fixture
hangs on its action.
"""

from collections.abc import Callable
from typing import Any, Final, Protocol

import msgspec
from msgspec import UNSET
from starlette.requests import Request

from matchday.config import Settings
from matchday.edge.api import AppliedRow, CommandAnswer, TraderBody, TraderFixtureAnswer
from matchday.edge.parse import amount_of, check_id, is_number, price_of, read_body
from matchday.edge.problems import Problem
from matchday.edge.waiting import answered
from matchday.model.book import Books
from matchday.model.ledger import Moment
from matchday.model.market import split_selection
from matchday.model.price import UNIT, format_price
from matchday.model.trader_views import trader_market_view
from matchday.model.trading import (
    ALL_MARKETS,
    FACTOR_MAX,
    FACTOR_MIN,
    STAKE_MAX,
    Action,
    FixPrice,
    ResumeMarkets,
    SetOverround,
    SetStakeMax,
    ShiftPrice,
    SuspendMarkets,
    TraderCommand,
    TraderRefusal,
)
from matchday.ports import Clock

_NEEDS: Final[dict[str, tuple[str, ...]]] = {
    "suspend": ("markets",),
    "resume": ("markets",),
    "set_overround": ("markets", "overround"),
    "shift_price": ("selection", "factor"),
    "fix_price": ("selection", "price", "generation"),
    "set_stake_max": ("markets", "stake_max"),
}
"""Action -> the fields that it needs; it takes no others."""
_REMEDIES: Final = {
    TraderRefusal.FIXTURE_UNKNOWN: "see /api/fixtures for those that are live or upcoming",
    TraderRefusal.ID_REUSED: "this id was used for another command; make a new id",
    TraderRefusal.MARKET_UNKNOWN: "see /api/trader/fixtures/{id} for the fixture's markets",
    TraderRefusal.SELECTION_UNKNOWN: "see /api/trader/fixtures/{id} for the market's selections",
    TraderRefusal.MARKET_CLOSED: "what is decided is not offered again",
    TraderRefusal.AMOUNT_INVALID: f"send zero or more, and less than {STAKE_MAX + 1} of the smallest unit",
    TraderRefusal.GENERATION_STALE: "something material happened since you saw the market; look again",
}
"""Of those that are judged by the book; the others this door finds itself."""


class LoggedCommand(Protocol):
    """A command on the log, as this door sees it."""

    @property
    def offset(self) -> int:
        """Where it stands."""

    @property
    def repeated(self) -> bool:
        """Whether it had been applied before."""


class TradingRoom(Protocol):
    """The trading room, as this door sees it."""

    def command(self, command: TraderCommand, done: Callable[[LoggedCommand | TraderRefusal | Moment], None]) -> None:
        """Judge and put on the log."""


class TraderDoor:
    """The traders' operations of the table."""

    def __init__(self, trading: TradingRoom, books: Books, clock: Clock, settings: Settings) -> None:
        self._trading, self._books, self._clock = trading, books, clock
        self._settings, self._currency = settings.doors, settings.accounts.currency

    async def trade(self, request: Request, trader: str) -> tuple[int, msgspec.Struct]:
        """POST /api/trader/commands."""
        body = await read_body(request, TraderBody, self._clock, self._settings.body_bytes_max)
        check_id(body.id, self._clock.now_ms())
        command = TraderCommand(body.id, trader, body.fixture, self._action(body), self._clock.now_ms())
        logged: LoggedCommand | TraderRefusal | Moment = await answered(
            self._clock, self._settings.answer_ms_max, lambda done: self._trading.command(command, done)
        )
        if isinstance(logged, Moment):
            raise Problem(logged, "nothing was recorded: the same id may be sent again", retry_after_s=1)
        if isinstance(logged, TraderRefusal):
            raise self._refused(logged, command)
        return 202, CommandAnswer(body.id, logged.offset, logged.repeated)

    async def trader_fixture(self, request: Request, _: str) -> tuple[int, msgspec.Struct]:
        """GET /api/trader/fixtures/{id}."""
        book = self._books.fixtures.get(request.path_params["id"])
        if book is None:
            raise Problem("fixture_unknown", _REMEDIES[TraderRefusal.FIXTURE_UNKNOWN])
        controls = book.controls
        return 200, TraderFixtureAnswer(
            book.board,
            self._currency,
            tuple(trader_market_view(market, controls, self._currency) for market in book.markets.values()),
            tuple(AppliedRow(applied.id, applied.trader, applied.offset) for applied in reversed(controls.applied)),
        )

    # --- parsing ------------------------------------------------------------------------------------------------------

    def _action(self, body: TraderBody) -> Action:
        _check_fields(body)
        match body.action:
            case "suspend":
                return SuspendMarkets(_markets(body))
            case "resume":
                return ResumeMarkets(_markets(body))
            case "set_overround":
                return SetOverround(_markets(body), _given(body.overround))
            case "set_stake_max":
                amount: str | None = _given(body.stake_max)
                stake_max = None if amount is None else amount_of(amount, self._currency, "stake_max")
                return SetStakeMax(_markets(body), stake_max)
            case "shift_price":
                return ShiftPrice(_selection(body), _factor(_given(body.factor)))
            case "fix_price":
                price: str | None = _given(body.price)
                fixed = None if price is None else price_of(price, "price")
                return FixPrice(_selection(body), fixed, 0 if body.generation is UNSET else body.generation)

    def _refused(self, refusal: TraderRefusal, command: TraderCommand) -> Problem:
        """A refusal; of a price for what has changed meanwhile, with how that stands now."""
        action = command.action
        if refusal == TraderRefusal.GENERATION_STALE and isinstance(action, FixPrice):
            name, _, outcome = action.selection.rpartition("/")
            market = self._books.market(command.fixture, f"{command.fixture}:{name}")
            now = market.price_of(outcome) if market else None
            if market is not None and now is not None:
                return Problem(refusal, _REMEDIES[refusal], price=format_price(now), generation=market.generation)
        return Problem(refusal, _REMEDIES[refusal])


def _check_fields(body: TraderBody) -> None:
    needs = _NEEDS[body.action]
    for field in ("markets", "selection", "overround", "factor", "price", "generation", "stake_max"):
        given = getattr(body, field) is not UNSET
        if given and field not in needs:
            raise Problem("field_invalid", f"{body.action} takes no {field}", field=field)
        if not given and field in needs and not (field == "generation" and body.price is None):
            raise Problem("field_invalid", f"{body.action} needs {field}", field=field)


def _given(value: Any) -> Any:
    """What ``_check_fields`` has seen to be there."""
    assert value is not UNSET
    return value


def _markets(body: TraderBody) -> str:
    """The markets without their fixture."""
    named: str = _given(body.markets)
    if named == "all":
        return ALL_MARKETS
    fixture, colon, name = named.rpartition(":")
    if not name or (colon and fixture != body.fixture):
        raise Problem("market_unknown", f"{named!r} is no market of fixture {body.fixture!r}", field="markets")
    return name


def _selection(body: TraderBody) -> str:
    """The selection without its fixture."""
    named: str = _given(body.selection)
    try:
        fixture, key, outcome = split_selection(named)
    except ValueError as error:
        raise Problem("selection_invalid", str(error), field="selection") from error
    if fixture != body.fixture:
        raise Problem("selection_invalid", f"it is no selection of fixture {body.fixture!r}", field="selection")
    return f"{key.name}/{outcome}"


def _factor(text: str | None) -> int | None:
    """Thousandths."""
    if text is None:
        return None
    whole, _, fraction = text.partition(".")
    if is_number(whole, digits=4) and is_number(fraction or "0", digits=3) and not text.endswith("."):
        factor = int(whole) * UNIT + int(fraction.ljust(3, "0"))
        if FACTOR_MIN <= factor <= FACTOR_MAX:
            return factor
    detail = f"send a decimal from {format_price(FACTOR_MIN)} to {format_price(FACTOR_MAX)}"
    raise Problem("factor_invalid", detail, field="factor")
