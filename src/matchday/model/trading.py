"""Trading: what a trader commands on the markets of a fixture, and what of it is in force.

The model prices and a trader overrules it. Whoever owns the book applies the commands in the order in which they stand
on the log, each id once. What holds then:

* *Which markets.* ``""`` is all of the fixture, a type (``total_goals``) all of that type, a name (``total_goals@2.5``)
  one; those still to come included. The last command that covers a market counts for it, wider or narrower.
* *Suspended* markets stay so through incidents, holds, silence of the feed and changes of owner, until resumed.
* *A shift* multiplies the fair odds against an outcome, its price - 1: a factor of 1.1 takes a fair 2.00 out to 2.10.
  Shifts of one outcome multiply. The other outcomes keep their proportions and the overround stays.
* *A fixed price* is what is offered until it is cleared, whatever the model thinks; the other outcomes share what is
  left of the overround. The next incident that is material to the market lifts it, and leaves the market suspended
  until a trader resumes it: he had overruled the model, and what he knew was of before the incident. For the same
  reason the command names the generation that he saw, and is refused under another.
"""

from collections.abc import Collection, Mapping
from enum import StrEnum
from hashlib import blake2b
from typing import Final, TypeVar

import msgspec

from matchday.model.football_markets import OUTCOMES
from matchday.model.market import Market, MarketKey, MarketStatus
from matchday.model.price import PRICE_MAX, PRICE_MIN, UNIT

FACTOR_MIN: Final = 100
"""Thousandths: all shifts of an outcome together make its fair odds against at least a tenth."""
FACTOR_MAX: Final = 10_000
"""Thousandths: at most ten times. What would go beyond stops there."""
OVERROUND_MAX: Final = 1.0
STAKE_MAX: Final = 10**15
"""Minor units: the largest maximum stake that can be set."""
APPLIED_MAX: Final = 128
"""Commands of a fixture whose ids are remembered. One that comes again after so many others is taken for new."""

ALL_MARKETS: Final = ""

_T = TypeVar("_T")


class TraderRefusal(StrEnum):
    """Why a trader's command is refused, in the order in which reasons are judged: the first that applies counts."""

    FIXTURE_UNKNOWN = "fixture_unknown"  # not among the books, or over
    ID_REUSED = "id_reused"  # the same id came with another payload
    MARKET_UNKNOWN = "market_unknown"
    SELECTION_UNKNOWN = "selection_unknown"
    MARKET_CLOSED = "market_closed"  # of a selection: it is never offered again
    OVERROUND_INVALID = "overround_invalid"
    FACTOR_INVALID = "factor_invalid"
    PRICE_INVALID = "price_invalid"  # below 1.001 or above 1000
    AMOUNT_INVALID = "amount_invalid"
    GENERATION_STALE = "generation_stale"  # a price fixed on what the trader saw before something material


class SuspendMarkets(msgspec.Struct, frozen=True, tag="suspend", tag_field="do"):
    """No bet on them until they are resumed."""

    markets: str
    """Without the fixture; see above."""


class ResumeMarkets(msgspec.Struct, frozen=True, tag="resume", tag_field="do"):
    """Open again, at the prices of now, where nothing else holds the book."""

    markets: str


class SetOverround(msgspec.Struct, frozen=True, tag="set_overround", tag_field="do"):
    """Another overround, as ``Odds.overround`` in the settings means it."""

    markets: str
    overround: float | None
    """0 to 1; None is the setting's again."""


class ShiftPrice(msgspec.Struct, frozen=True, tag="shift_price", tag_field="do"):
    """Lengthen or shorten one outcome against the model, until cleared."""

    selection: str
    """Without the fixture: ``1x2/home``."""
    factor: int | None
    """Thousandths by which the fair odds against the outcome (price - 1) are multiplied; None clears all its shifts."""


class FixPrice(msgspec.Struct, frozen=True, tag="fix_price", tag_field="do"):
    """Offer one outcome at this price."""

    selection: str
    price: int | None
    """Thousandths; None leaves it to the model again."""
    generation: int = 0
    """Of the market, as the trader saw it."""


class SetStakeMax(msgspec.Struct, frozen=True, tag="set_stake_max", tag_field="do"):
    """The largest stake taken on them."""

    markets: str
    stake_max: int | None
    """Minor units; None: only the house's own."""


Action = SuspendMarkets | ResumeMarkets | SetOverround | ShiftPrice | FixPrice | SetStakeMax


class TraderCommand(msgspec.Struct, frozen=True, tag="trader_command", tag_field="kind"):
    """A trader wants something done on one fixture. Durable on the log before he is answered."""

    id: str
    """The trader's own, made before the first attempt: however often it comes, it is applied once."""
    trader: str
    fixture: str
    action: Action
    at_ms: int
    """When a gate took it."""

    @property
    def digest(self) -> str:
        """Of the payload: an id stands for one."""
        payload = msgspec.json.encode((self.trader, self.fixture, self.action))
        return blake2b(payload, digest_size=8).hexdigest()


class Applied(msgspec.Struct, frozen=True, array_like=True):
    """A command that has been applied."""

    id: str
    trader: str
    offset: int
    """Where it stands in ``incidents``."""
    digest: str


class Controls(msgspec.Struct, frozen=True, omit_defaults=True):
    """All that traders have set on one fixture, as it is in force. ``Controls()`` is: nothing."""

    suspended: tuple[tuple[str, bool], ...] = ()
    """(markets, whether they are suspended): the last that covers a market counts; likewise below."""
    overround: tuple[tuple[str, float | None], ...] = ()
    stake_max: tuple[tuple[str, int | None], ...] = ()
    """Minor units."""
    factors: tuple[tuple[str, int], ...] = ()
    """(selection, thousandths), in the order of their first shift."""
    fixed: tuple[tuple[str, int], ...] = ()
    """(selection, price in thousandths)."""
    applied: tuple[Applied, ...] = ()
    """The last commands, oldest first."""

    def suspends(self, key: MarketKey) -> bool:
        """Whether a trader keeps the market suspended."""
        return bool(self.suspended) and bool(_last(self.suspended, key))

    def overround_of(self, key: MarketKey) -> float | None:
        """The overround that was set for a market; None where the setting's holds."""
        return _last(self.overround, key)

    def stake_max_of(self, key: MarketKey) -> int | None:
        """Minor units; None where none was set."""
        return _last(self.stake_max, key) if self.stake_max else None

    def known(self, id_: str) -> Applied | None:
        """The command that was applied under an id, of those remembered."""
        return next((applied for applied in self.applied if applied.id == id_), None)

    def repeats(self, command: TraderCommand) -> Applied | None:
        """The same command as it was applied, if it was."""
        known = self.known(command.id)
        return known if known is not None and known.digest == command.digest else None

    def after(self, command: TraderCommand, offset: int) -> "Controls":
        """What is in force once a command has been applied."""
        applied = (*self.applied, Applied(command.id, command.trader, offset, command.digest))
        done = msgspec.structs.replace(self, applied=applied[-APPLIED_MAX:])
        match command.action:
            case SuspendMarkets(markets=markets):
                return msgspec.structs.replace(done, suspended=_told(self.suspended, markets, True, False))
            case ResumeMarkets(markets=markets):
                return msgspec.structs.replace(done, suspended=_told(self.suspended, markets, False, False))
            case SetOverround(markets=markets, overround=overround):
                return msgspec.structs.replace(done, overround=_told(self.overround, markets, overround, None))
            case SetStakeMax(markets=markets, stake_max=stake_max):
                return msgspec.structs.replace(done, stake_max=_told(self.stake_max, markets, stake_max, None))
            case ShiftPrice(selection=selection, factor=factor):
                return msgspec.structs.replace(done, factors=_shifted(self.factors, selection, factor))
            case FixPrice(selection=selection, price=price):
                others = tuple(pair for pair in self.fixed if pair[0] != selection)
                return msgspec.structs.replace(done, fixed=others if price is None else (*others, (selection, price)))

    def lifted(self, types: Collection[str] | None = None) -> "Controls":
        """After an incident that is material to the markets of these types (None: to all): no price is fixed there any
        more, and the markets that had one wait for a trader."""
        lifted = [name for name, _ in self.fixed if types is None or _type(name) in types]
        if not lifted:
            return self
        suspended = self.suspended
        for market in dict.fromkeys(name.rpartition("/")[0] for name in lifted):
            suspended = _told(suspended, market, True, False)
        fixed = tuple(pair for pair in self.fixed if pair[0] not in lifted)
        return msgspec.structs.replace(self, suspended=suspended, fixed=fixed)


def judge(command: TraderCommand, controls: Controls, markets: Mapping[MarketKey, Market]) -> TraderRefusal | None:
    """Why the book of its fixture refuses a command that it has not applied, or None."""
    if controls.known(command.id) is not None:
        return TraderRefusal.ID_REUSED
    action = command.action
    if isinstance(action, ShiftPrice | FixPrice):
        return _judge_selection(action, _market(action.selection, markets))
    if not any(_covers(action.markets, key) for key in markets):
        return TraderRefusal.MARKET_UNKNOWN
    match action:
        case SetOverround(overround=float(overround)) if not 0 <= overround <= OVERROUND_MAX:
            return TraderRefusal.OVERROUND_INVALID
        case SetStakeMax(stake_max=int(stake_max)) if not 0 <= stake_max <= STAKE_MAX:
            return TraderRefusal.AMOUNT_INVALID
    return None


def _judge_selection(action: ShiftPrice | FixPrice, market: Market | None) -> TraderRefusal | None:
    if market is None:
        return TraderRefusal.MARKET_UNKNOWN
    if action.selection.rpartition("/")[2] not in OUTCOMES.get(market.type, ()):
        return TraderRefusal.SELECTION_UNKNOWN
    if market.status == MarketStatus.CLOSED:
        return TraderRefusal.MARKET_CLOSED
    match action:
        case ShiftPrice(factor=int(factor)) if not FACTOR_MIN <= factor <= FACTOR_MAX:
            return TraderRefusal.FACTOR_INVALID
        case FixPrice(price=int(price)) if not PRICE_MIN <= price <= PRICE_MAX:
            return TraderRefusal.PRICE_INVALID
        case FixPrice(price=int(), generation=generation) if generation != market.generation:
            return TraderRefusal.GENERATION_STALE
    return None


def _market(selection: str, markets: Mapping[MarketKey, Market]) -> Market | None:
    name = selection.rpartition("/")[0]
    return next((market for key, market in markets.items() if key.name == name), None)


def _type(name: str) -> str:
    """The type in a market's name, or in a selection's."""
    return name.partition("/")[0].partition("@")[0]


def _covers(scope: str, key: MarketKey) -> bool:
    return scope == ALL_MARKETS or scope == key.type or scope == key.name


def _within(scope: str, wider: str) -> bool:
    """Whether all that one covers is covered by the other."""
    return wider in (ALL_MARKETS, scope, _type(scope))


def _last(told: tuple[tuple[str, _T], ...], key: MarketKey) -> _T | None:
    for scope, value in reversed(told):
        if _covers(scope, key):
            return value
    return None


def _told(told: tuple[tuple[str, _T], ...], scope: str, value: _T, default: _T) -> tuple[tuple[str, _T], ...]:
    """With one more word, which takes the place of all that it covers. So there are never more than one for each
    market, each type and the fixture."""
    kept = tuple((before, said) for before, said in told if not _within(before, scope))
    if value == default and not any(_within(scope, before) for before, _ in kept):
        return kept
    return (*kept, (scope, value))


def _shifted(factors: tuple[tuple[str, int], ...], selection: str, factor: int | None) -> tuple[tuple[str, int], ...]:
    found = dict(factors)
    if factor is None:
        found.pop(selection, None)
    else:
        together = (found.get(selection, UNIT) * factor + UNIT // 2) // UNIT
        found[selection] = min(max(together, FACTOR_MIN), FACTOR_MAX)
    return tuple(found.items())
