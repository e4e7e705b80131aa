"""The HTTP API as one table: what is routed, decoded and documented comes from here, so that the document is true."""

from typing import Any, Final, Literal

import msgspec

from matchday.model.bet import LEGS_MAX, Policy
from matchday.model.messages import Board
from matchday.model.views import BetView, EntryView, MarketView

_Text = msgspec.Meta(min_length=1, max_length=200)


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An empty object."""


class GuestAnswer(msgspec.Struct, frozen=True):
    """A new play-money account."""

    account: str
    token: str
    """Send it as ``Authorization: Bearer``."""
    expires_ms: int
    currency: str
    balance: str


class AccountAnswer(msgspec.Struct, frozen=True):
    """The fan's account."""

    account: str
    currency: str
    balance: str
    status: str
    stake_per_day: str
    staked_today: str


class LimitBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A fan's own limit: less counts at once, more after 24 hours."""

    id: str
    stake_per_day: str


class LegBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A selection, with the price and the generation that the fan saw."""

    selection: str
    price: str
    generation: int


class BetBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A bet to place. ``id`` is a UUIDv7 made by the caller before the first attempt."""

    id: str
    stake: str
    currency: str
    legs: tuple[LegBody, ...]
    policy: Policy = Policy.BETTER


class BetAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of a caller's id."""

    answer: Literal["accepted", "refused", "pending"]
    id: str
    bet: BetView | None = None
    balance: str = ""
    repeated: bool = False
    reason: str = ""


class BetsAnswer(msgspec.Struct, frozen=True):
    """Bets, newest first; ``next`` is ``before`` of the next page."""

    bets: tuple[BetView, ...]
    next: str | None


class StatementAnswer(msgspec.Struct, frozen=True):
    """Entries, newest first; ``next`` is ``before`` of the next page."""

    entries: tuple[EntryView, ...]
    next: int | None


class FixtureRow(msgspec.Struct, frozen=True):
    """A fixture and its match result market."""

    board: Board
    market: MarketView | None


class FixturesAnswer(msgspec.Struct, frozen=True):
    """Every fixture that is live, upcoming or just over."""

    fixtures: tuple[FixtureRow, ...]


class FixtureAnswer(msgspec.Struct, frozen=True):
    """A fixture's whole book."""

    board: Board
    markets: tuple[MarketView, ...]


class Health(msgspec.Struct, frozen=True):
    """Whether this process serves."""

    status: Literal["ok", "stale"]
    fixtures: int
    connections: int = 0


class Query(msgspec.Struct, frozen=True):
    """A parameter of the query."""

    name: str
    meaning: str
    schema: dict[str, Any]


class Route(msgspec.Struct, frozen=True):
    """One operation."""

    method: str
    path: str
    name: str
    summary: str
    answers: dict[int, type[msgspec.Struct]]
    body: type[msgspec.Struct] | None = None
    signed_in: bool = False
    query: tuple[Query, ...] = ()
    problems: tuple[int, ...] = ()


_PAGE: Final = (Query("limit", "rows of this page", {"type": "integer", "minimum": 1, "maximum": 100, "default": 50}),)
_BEFORE_BET: Final = Query("before", "our id of a bet: older ones", {"type": "string", "maxLength": 64})
_BEFORE_ENTRY: Final = Query("before", "number of an entry: older ones", {"type": "integer", "minimum": 1})
_STATE: Final = Query("state", "which bets", {"type": "string", "enum": ["open", "all"], "default": "all"})

ROUTES: Final = (
    Route("POST", "/api/guest", "guest", "Open a play-money account", {201: GuestAnswer}, Nothing, problems=(429, 503)),
    Route("GET", "/api/account", "account", "The fan's account", {200: AccountAnswer}, signed_in=True),
    Route("POST", "/api/account/limit", "limit", "Set one's own stake limit per day", {200: AccountAnswer}, LimitBody,
          signed_in=True, problems=(409, 503)),
    Route("GET", "/api/account/statement", "statement", "Entries on the fan's account", {200: StatementAnswer},
          signed_in=True, query=(_BEFORE_ENTRY, *_PAGE)),
    Route("GET", "/api/bets", "bets", "The fan's bets", {200: BetsAnswer}, signed_in=True,
          query=(_STATE, _BEFORE_BET, *_PAGE)),
    Route("GET", "/api/bets/by-id/{id}", "bet_by_id", "What became of a caller's id", {200: BetAnswer}, signed_in=True,
          problems=(404,)),
    Route("POST", "/api/bets", "place", "Place a bet", {201: BetAnswer, 202: BetAnswer}, BetBody, signed_in=True,
          problems=(409, 503)),
    Route("GET", "/api/fixtures", "fixtures", "What can be bet on", {200: FixturesAnswer}),
    Route("GET", "/api/fixtures/{id}", "fixture", "One fixture's whole book", {200: FixtureAnswer}, problems=(404,)),
    Route("GET", "/healthz", "health", "Whether this process serves", {200: Health}),
)  # fmt: skip

LEGS_NOW: Final = 1
"""Legs of a bet that are taken today; the schema holds up to LEGS_MAX."""
assert LEGS_NOW <= LEGS_MAX
