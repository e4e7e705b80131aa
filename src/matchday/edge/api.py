"""The HTTP API as one table: what is routed, decoded and documented comes from here, so that the document is true."""

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from matchday.edge.api_desk import (
    PLACE,
    FreeBetAnswer,
    FreeBetBody,
    ReferralAnswerBody,
    ReferralsAnswer,
)
from matchday.edge.pressure import Priority
from matchday.model.bet import PARTS_MAX, Policy
from matchday.model.ledger import LimitName, Moment, Refusal
from matchday.model.lines import LEGS_MAX
from matchday.model.messages import Board
from matchday.model.price import format_price
from matchday.model.role import Role
from matchday.model.trader_views import TraderMarketView
from matchday.model.trading import FACTOR_MAX, FACTOR_MIN, OVERROUND_MAX, TraderRefusal
from matchday.model.views import BetView, EntryView, FreeBetView, LimitShown, MarketView, OfferView

SLIP_MAX: Final = 20
"""Bets of one slip."""

_UUID7: Final = "^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"

# Lengths are checked as bodies are decoded. Patterns are judged by the door, which can then say what is expected.
_Id = Annotated[str, Meta(max_length=64, description="A UUIDv7, lower case.", extra_json_schema={"pattern": _UUID7})]
_Amount = Annotated[
    str,
    Meta(
        max_length=32,
        description="A decimal with at most the decimals of its currency.",
        examples=["10.00"],
        extra_json_schema={"pattern": r"^[0-9]{1,16}(\.[0-9]{1,3})?$"},
    ),
]
_Price = Annotated[
    str,
    Meta(
        max_length=32,
        description="Decimal odds, 1.001 to 1000.",
        examples=["2.375"],
        extra_json_schema={"pattern": r"^[0-9]{1,4}(\.[0-9]{1,3})?$"},
    ),
]
_Factor = Annotated[
    str,
    Meta(
        max_length=32,
        description=f"Multiplies the fair odds against an outcome (price - 1); {format_price(FACTOR_MIN)} to "
        f"{format_price(FACTOR_MAX)}, above 1 lengthens.",
        examples=["1.1"],
        extra_json_schema={"pattern": r"^[0-9]{1,4}(\.[0-9]{1,3})?$"},
    ),
]
_Selection = Annotated[str, Meta(min_length=1, max_length=200, description="An id, as markets name it.")]
_Generation = Annotated[int, Meta(ge=0, le=2**31 - 1)]
_Currency = Annotated[
    str, Meta(max_length=32, description="ISO 4217, as in the account.", extra_json_schema={"pattern": "^[A-Z]{3}$"})
]


_Markets = Annotated[
    str, Meta(min_length=1, max_length=200, description="`all`, a type such as `total_goals`, or a market's id.")
]
_Overround = Annotated[
    float, Meta(ge=0, le=OVERROUND_MAX, description="Sum of implied probabilities - 1 of a two-way market.")
]


class GuestBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A newcomer, or one who waits for his turn."""

    ticket: Annotated[str, Meta(max_length=400)] | None = None
    """Of the answer 202 before: one's place in the line. Good once."""


class WaitingAnswer(msgspec.Struct, frozen=True):
    """The place of a newcomer who has to wait. Nothing was opened."""

    ticket: str
    """To be sent with the next question."""
    ahead: int
    """How many go first, at most."""
    wait_s: int
    """Seconds until one's turn, about, at the rate of late."""
    ask_in_s: int
    """Seconds after which to ask again; whoever is silent for long has left the line."""


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


class TicketAnswer(msgspec.Struct, frozen=True):
    """Opens one's stream once or more, for a short while (docs/protocol.md)."""

    ticket: str
    """Send it as ``ticket`` in the stream's query."""
    expires_ms: int


class AccountAnswer(msgspec.Struct, frozen=True):
    """The fan's account."""

    account: str
    currency: str
    balance: str
    status: str
    limits: tuple[LimitShown, ...]
    """The fan's own, one of each name."""
    free_bets: tuple[FreeBetView, ...]


class LimitBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A fan's own limit: less counts at once, more after 24 hours."""

    id: _Id
    amount: _Amount | None
    """Zero stops all betting; null removes the limit."""
    limit: LimitName = LimitName.STAKE_DAY


class PartBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One selection of a combination, with the generation that the fan saw."""

    selection: _Selection
    generation: _Generation


class LegBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A selection with the price and the generation that the fan saw; or a combination of several on one fixture, with
    their joint price."""

    price: _Price
    selection: _Selection | UnsetType = UNSET
    generation: _Generation = 0
    parts: Annotated[tuple[PartBody, ...], Meta(extra_json_schema={"maxItems": PARTS_MAX})] = ()
    """2 to 10 selections of different markets of one fixture, in place of ``selection``."""


_Type = Annotated[
    str,
    Meta(
        max_length=32,
        description="single, accumulator, trixie, patent, yankee, canadian, lucky15, lucky31, lucky63, heinz, "
        "super_heinz, goliath or system:K/N; left out, a single or an accumulator, by the legs.",
        examples=["system:2/3"],
    ),
]
_Legs = Annotated[tuple[LegBody, ...], Meta(extra_json_schema={"minItems": 1, "maxItems": LEGS_MAX})]


class BetBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A bet to place. ``id`` is a UUIDv7 made by the caller before the first attempt."""

    id: _Id
    stake: _Amount
    currency: _Currency
    legs: _Legs
    policy: Policy = Policy.BETTER
    type: _Type = ""
    stake_per: Literal["bet", "line"] = "bet"
    """Whether ``stake`` is of the whole bet or of each of its lines."""
    tolerance: Annotated[int, Meta(ge=0, le=1_000)] | None = None
    """Thousandths of a price by which it may differ against the policy."""
    free_bet: Annotated[str, Meta(max_length=64)] = ""
    """The free bet that is its stake, whole."""
    refer: bool = False
    """Whether a stake above the maximum may wait for a trader."""
    offer: Annotated[str, Meta(max_length=128)] = ""
    """The trader's offer that it takes up."""


class SlipBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Several bets, each with an id and an answer of its own. Each counts as a request."""

    bets: Annotated[tuple[BetBody, ...], Meta(extra_json_schema={"minItems": 1, "maxItems": SLIP_MAX})]


class QuoteLegBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A selection, or the selections of a combination."""

    selection: _Selection | UnsetType = UNSET
    parts: Annotated[tuple[_Selection, ...], Meta(extra_json_schema={"maxItems": PARTS_MAX})] = ()


class QuoteBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A slip to be priced: what would be taken now."""

    currency: _Currency
    legs: Annotated[tuple[QuoteLegBody, ...], Meta(extra_json_schema={"minItems": 1, "maxItems": LEGS_MAX})]
    type: _Type = ""


class LegQuote(msgspec.Struct, frozen=True):
    """A leg as it stands now."""

    price: str | None
    """Null where it cannot be backed now."""
    reason: Refusal | None
    """Why not."""


class QuoteAnswer(msgspec.Struct, frozen=True):
    """What would be taken now. Nothing of it is reserved."""

    legs: tuple[LegQuote, ...]
    type: str
    lines: int
    stake_max: str
    """The largest stake that every limit leaves room for; zero where none is."""
    returns_max: str
    """What that stake returns if every leg wins."""
    reason: Refusal | None
    """Why the legs together would be refused."""


class BetAnswer(msgspec.Struct, frozen=True):
    """What became of a caller's id."""

    answer: Literal["accepted", "refused", "pending"]
    id: str
    repeated: bool = False
    """This id was answered before; this is that answer."""
    bet: BetView | UnsetType = UNSET
    """As it now stands, where a bet was accepted."""
    balance: str | UnsetType = UNSET
    """After the command, where it touched one."""
    reason: str | UnsetType = UNSET
    """Where it was refused."""
    until_ms: int | UnsetType = UNSET
    """Of a pending one: when it is answered at the latest; the answer is also said on the account's channel."""
    detail: str | UnsetType = UNSET
    """Of a refused one of a slip: what is wrong and the remedy."""
    stake_max: str | UnsetType = UNSET
    """Where a limit refused it: the stake that would be taken now."""
    offer: OfferView | UnsetType = UNSET
    """Of one that was ``re_offered``: what the trader offers instead, until it is taken up."""


class SlipAnswer(msgspec.Struct, frozen=True):
    """What became of each bet of a slip, in its order."""

    answers: tuple[BetAnswer, ...]


class CashOutAnswer(msgspec.Struct, frozen=True):
    """What a bet would be cashed out for. Nothing of it is reserved."""

    bet: str
    stake: str
    """What of its stake that would cash out."""
    amount: str
    """What would be paid for it."""
    until_ms: int
    """From then on the quote is no good."""
    quote: str
    """Send it to take this up."""


class CashOutBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A quote to be taken up, as it came."""

    id: _Id
    quote: Annotated[str, Meta(min_length=1, max_length=2_000)]


class CashOutAtBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From which offer on a bet is cashed out by itself, whole."""

    id: _Id
    amount: _Amount | None
    """Null: not any more."""


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
    """Whether this process serves: ``stale`` while the odds are silent and every bet is refused; ``draining`` when it
    is about to stop: send nobody here."""

    status: Literal["ok", "stale", "draining"]
    fixtures: int


class TraderBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a trader wants done on a fixture; null clears what was set. Which action needs which: docs/trading.md."""

    id: _Id
    fixture: Annotated[str, Meta(min_length=1, max_length=100)]
    action: Literal["suspend", "resume", "set_overround", "shift_price", "fix_price", "set_stake_max"]
    markets: _Markets | UnsetType = UNSET
    selection: _Selection | UnsetType = UNSET
    overround: _Overround | UnsetType | None = UNSET
    factor: _Factor | UnsetType | None = UNSET
    price: _Price | UnsetType | None = UNSET
    generation: _Generation | UnsetType = UNSET
    stake_max: _Amount | UnsetType | None = UNSET


class CommandAnswer(msgspec.Struct, frozen=True):
    """The command is durable on the log; the owner of the books applies it when it gets there."""

    id: str
    offset: int
    """Where it stands."""
    repeated: bool = False
    """This id was applied before; this is where."""


class AppliedRow(msgspec.Struct, frozen=True):
    """A command that has been applied."""

    id: str
    trader: str
    offset: int


class TraderFixtureAnswer(msgspec.Struct, frozen=True):
    """A fixture's whole book, and what traders have set on it."""

    board: Board
    currency: str
    """Of the maximum stakes."""
    markets: tuple[TraderMarketView, ...]
    applied: tuple[AppliedRow, ...]
    """The last commands, newest first."""


class Query(msgspec.Struct, frozen=True):
    """A parameter of the query."""

    name: str
    meaning: str
    schema: dict[str, Any]


class Link(msgspec.Struct, frozen=True):
    """What can be asked next, once an operation has answered."""

    operation: str
    """By its id."""
    meaning: str
    parameters: dict[str, str] = {}
    """Parameter of that operation -> where in this one's answer it stands, as a JSON pointer."""


class Route(msgspec.Struct, frozen=True):
    """One operation."""

    method: str
    path: str
    name: str
    """The operation's id, and the name of the door's function."""
    summary: str
    answers: dict[int, type[msgspec.Struct]]
    body: type[msgspec.Struct] | None = None
    signed_in: bool = False
    role: Role = Role.FAN
    """Of whoever signs in; another's token is not allowed."""
    priority: Priority = Priority.MONEY
    """What gives way first where more is asked than can be answered."""
    query: tuple[Query, ...] = ()
    reasons: frozenset[str] = frozenset()
    """Of the problems that it alone may answer with, see ``reasons_of``."""
    links: tuple[Link, ...] = ()


def reasons_of(route: Route) -> frozenset[str]:
    """Every reason with which an operation may fail."""
    found = route.reasons | {"internal_error"}
    if route.signed_in:
        found |= {"not_signed_in", "not_allowed", "too_many_requests", Moment.UNAVAILABLE}
    if route.body is not None:
        found |= {
            "not_json", "body_too_slow", "body_incomplete", "body_too_large", "content_type_unsupported",
            "field_invalid",
        }  # fmt: skip
    if route.query:
        found |= {"parameter_invalid"}
    if route.priority is not Priority.MONEY:
        found |= {"overloaded"}
    return found


_LIMIT: Final = Query("limit", "rows of this page", {"type": "integer", "minimum": 1, "default": 50})
_BEFORE_BET: Final = Query("before", "our id of a bet: older ones", {"type": "string", "pattern": _UUID7})
_BEFORE_ENTRY: Final = Query("before", "number of an entry: older ones",
                             {"type": "integer", "minimum": 1, "maximum": 10**18 - 1})  # fmt: skip
_AFTER_REFERRAL: Final = Query("after", "next of the page before: less urgent ones",
                               {"type": "string", "pattern": f"^{PLACE}$", "maxLength": 146})  # fmt: skip
_STATE: Final = Query("state", "which bets", {"type": "string", "enum": ["open", "all"], "default": "all"})
_PART: Final = Query("stake", "the part of the bet's stake; left out, all that remains",
                     {"type": "string", "pattern": r"^[0-9]{1,16}(\.[0-9]{1,3})?$", "maxLength": 32})  # fmt: skip
_LIMIT_REASONS: Final = frozenset({
    Refusal.ID_REUSED, Refusal.ID_EXPIRED, Refusal.ACCOUNT_UNKNOWN, "id_invalid", "amount_invalid", "not_answered",
})  # fmt: skip
_QUOTE_REFUSALS: Final = frozenset({Refusal.BET_UNKNOWN, Refusal.BET_NOT_OPEN, Refusal.CASH_OUT_UNAVAILABLE})
_CASH_OUT_REFUSALS: Final = _QUOTE_REFUSALS | {Refusal.QUOTE_UNKNOWN, Refusal.QUOTE_EXPIRED, Refusal.QUOTE_MOVED}
_COMMAND_REFUSALS: Final = frozenset({Refusal.ID_REUSED, Refusal.ID_EXPIRED, Refusal.ACCOUNT_UNKNOWN})
_CASH_OUT_REASONS: Final = _CASH_OUT_REFUSALS | _COMMAND_REFUSALS | {Moment.BUSY, "id_invalid"}
_CASH_OUT_AT_REASONS: Final = _QUOTE_REFUSALS | _COMMAND_REFUSALS | {"id_invalid", "amount_invalid", "not_answered"}
_BET_REASONS: Final = frozenset({
    *(set(Refusal) - _CASH_OUT_REFUSALS), *Moment, "id_invalid", "amount_invalid", "currency_invalid", "legs_invalid",
    "selection_invalid", "price_invalid", "type_invalid",
})  # fmt: skip
_TRADER_REASONS: Final = frozenset({
    *TraderRefusal, Moment.BUSY, "id_invalid", "selection_invalid", "not_answered",
})  # fmt: skip

ROUTES: Final = (
    Route("POST", "/api/guest", "guest", "Open a play-money account", {201: GuestAnswer, 202: WaitingAnswer}, GuestBody,
          reasons=frozenset({
              "too_many_requests", Moment.UNAVAILABLE, "not_answered", "ticket_unknown", "ticket_used", "line_full",
          }), priority=Priority.BROWSING,
          links=(Link("account", "sign in with the token"), Link("fixtures", "see what can be bet on"))),
    Route("GET", "/api/account", "account", "The fan's account", {200: AccountAnswer}, signed_in=True),
    Route("POST", "/api/account/limit", "limit", "Set a limit on stakes or losses", {200: AccountAnswer}, LimitBody,
          signed_in=True, reasons=_LIMIT_REASONS, links=(Link("account", "the limit in force"),)),
    Route("GET", "/api/account/statement", "statement", "Entries on the fan's account", {200: StatementAnswer},
          signed_in=True, query=(_BEFORE_ENTRY, _LIMIT), priority=Priority.BROWSING,
          links=(Link("statement", "the next page", {"before": "/next"}),)),
    Route("GET", "/api/bets", "bets", "The fan's bets", {200: BetsAnswer}, signed_in=True,
          query=(_STATE, _BEFORE_BET, _LIMIT),
          links=(Link("bets", "the next page", {"before": "/next"}),
                 Link("bet_by_id", "what became of the newest", {"id": "/bets/0/id"}),
                 Link("cash_out_quote", "what the newest would be cashed out for", {"bet": "/bets/0/bet"}))),
    Route("GET", "/api/bets/by-id/{id}", "bet_by_id", "What became of a caller's id", {200: BetAnswer}, signed_in=True,
          reasons=frozenset({"id_unknown"})),
    Route("POST", "/api/bets", "place", "Place a bet", {201: BetAnswer, 202: BetAnswer}, BetBody, signed_in=True,
          reasons=_BET_REASONS, priority=Priority.BETS,
          links=(Link("bet_by_id", "what became of it", {"id": "/id"}), Link("bets", "it stands first"))),
    Route("POST", "/api/slips", "slip", "Place several bets", {200: SlipAnswer}, SlipBody, signed_in=True,
          reasons=frozenset({"slip_invalid"}), priority=Priority.BETS, links=(Link("bets", "they stand first"),)),
    Route("POST", "/api/bets/quote", "quote", "What would be taken now", {200: QuoteAnswer}, QuoteBody, signed_in=True,
          reasons=frozenset({"currency_invalid", "legs_invalid", "selection_invalid", "type_invalid"}),
          priority=Priority.COMPUTED,
          links=(Link("place", "at these prices"),)),
    Route("GET", "/api/bets/{bet}/cash-out", "cash_out_quote", "What a bet would be cashed out for",
          {200: CashOutAnswer}, signed_in=True, query=(_PART,), reasons=_QUOTE_REFUSALS,
          links=(Link("cash_out", "take it up", {"bet": "/bet"}),
                 Link("cash_out_at", "have it done by itself", {"bet": "/bet"}))),
    Route("POST", "/api/bets/{bet}/cash-out", "cash_out", "Cash a bet out, or a part of it",
          {200: BetAnswer, 202: BetAnswer}, CashOutBody, signed_in=True, reasons=_CASH_OUT_REASONS,
          links=(Link("bet_by_id", "what became of it", {"id": "/id"}),)),
    Route("POST", "/api/bets/{bet}/cash-out-at", "cash_out_at", "Have a bet cashed out from some offer on",
          {200: BetAnswer}, CashOutAtBody, signed_in=True, reasons=_CASH_OUT_AT_REASONS,
          links=(Link("bet_by_id", "what became of it", {"id": "/id"}),)),
    Route("POST", "/api/stream/ticket", "ticket", "A ticket for a stream of events", {201: TicketAnswer}, Nothing,
          signed_in=True),
    Route("GET", "/api/fixtures", "fixtures", "What can be bet on", {200: FixturesAnswer}, priority=Priority.BROWSING,
          links=(Link("fixture", "the first one's whole book", {"id": "/fixtures/0/board/fixture"}),)),
    Route("GET", "/api/fixtures/{id}", "fixture", "One fixture's whole book", {200: FixtureAnswer},
          reasons=frozenset({"fixture_unknown"}), priority=Priority.BROWSING,
          links=(Link("place", "a leg names a selection, its price and its market's generation"),)),
    Route("POST", "/api/trader/commands", "trade", "Command something on a fixture's markets", {202: CommandAnswer},
          TraderBody, signed_in=True, role=Role.TRADER, reasons=_TRADER_REASONS),
    Route("GET", "/api/trader/fixtures/{id}", "trader_fixture", "One fixture's book as traders have set it",
          {200: TraderFixtureAnswer}, signed_in=True, role=Role.TRADER, reasons=frozenset({"fixture_unknown"}),
          links=(Link("trade", "name a market, or a selection and its market's generation"),)),
    Route("GET", "/api/trader/referrals", "referrals", "Bets that wait for a trader", {200: ReferralsAnswer},
          signed_in=True, role=Role.TRADER, query=(_AFTER_REFERRAL, _LIMIT),
          links=(Link("referrals", "the next page", {"after": "/next"}),
                 Link("answer_referral", "answer the most urgent",
                      {"account": "/referrals/0/account", "id": "/referrals/0/id"}))),
    Route("POST", "/api/trader/referrals/{account}/{id}", "answer_referral", "Accept, refuse or offer something else",
          {200: BetAnswer}, ReferralAnswerBody, signed_in=True, role=Role.TRADER,
          reasons=frozenset({
              "referral_unknown", "amount_invalid", "currency_invalid", "price_invalid", "not_answered",
          })),
    Route("POST", "/api/trader/free-bets", "give_free_bet", "Give a fan a free bet", {201: FreeBetAnswer}, FreeBetBody,
          signed_in=True, role=Role.TRADER,
          reasons=frozenset({
              Refusal.ACCOUNT_UNKNOWN, Refusal.ACCOUNT_NOT_OPEN, Refusal.CURRENCY_MISMATCH, Refusal.ID_REUSED,
              "id_invalid", "amount_invalid", "currency_invalid", "not_answered",
          })),
    Route("GET", "/healthz", "health", "Whether this process serves", {200: Health}),
)  # fmt: skip
