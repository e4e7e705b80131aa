"""Moves: what one change makes of what is shown, and of that only the fields that differ.

A move keeps what was shown before beside what is shown now, by reference. Its view (the fields that differ) is made
when somebody needs it; one move after another is again one, from the first's before to the last's now: conflation.
Where it is not known what was shown before, as of changes from before this gate's start, all fields are said.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from matchday.model.market import Market, MarketStatus, Selection
from matchday.model.messages import AccountFact, Board, one_by_one
from matchday.model.price import format_price
from matchday.model.views import FactView, MarketView, fact_view, market_view

_FIELDS: Final = tuple(field for field in Board.__struct_fields__ if field != "fixture")
_ALARMING: Final = ("score", "red", "shoot_out", "status", "period")
"""What of a board is said at once, however seldom a client wants to hear."""


class MarketPatch(msgspec.Struct, frozen=True, omit_defaults=True):
    """What of a market is another than before."""

    status: MarketStatus | UnsetType = UNSET
    generation: int | UnsetType = UNSET
    prices: tuple[str | None, ...] | UnsetType = UNSET
    """Of each selection that was there, in their order: null for the same as before, "" for taken off."""


BoardPatch = dict[str, Any]
"""The fields of a board that are others than before."""


class FixturePatch(msgspec.Struct, frozen=True, omit_defaults=True):
    """What of a fixture is another than before; a new market, or one with new selections, is whole."""

    board: BoardPatch | UnsetType = UNSET
    markets: dict[str, MarketView | MarketPatch] | UnsetType = UNSET
    """By name: the id without the fixture."""


class RowPatch(msgspec.Struct, frozen=True, omit_defaults=True):
    """What of a row of ``home`` is another than before. Its board always names the fixture."""

    board: BoardPatch
    market: MarketView | MarketPatch | UnsetType = UNSET


class HomePatch(msgspec.Struct, frozen=True, omit_defaults=True):
    """Rows that changed, and fixtures that are shown no longer."""

    fixtures: tuple[RowPatch, ...] | UnsetType = UNSET
    removed: tuple[str, ...] | UnsetType = UNSET


class Facts(msgspec.Struct, frozen=True):
    """What happened to an account, oldest first."""

    facts: tuple[FactView, ...]


Change = FixturePatch | HomePatch | Facts


def market_patch(before: Market | None, now: Market) -> MarketView | MarketPatch | None:
    """The fields of a market that differ; the whole where it is new or has new selections; None where none differs."""
    if before is None:
        return market_view(now)
    prices: tuple[str | None, ...] | UnsetType = UNSET
    if before.selections != now.selections:
        found = _prices(before.selections, now.selections)
        if found is None:
            return market_view(now)
        prices = found
    patch = MarketPatch(
        UNSET if before.status == now.status else now.status,
        UNSET if before.generation == now.generation else now.generation,
        prices,
    )
    return None if patch.status is patch.generation is patch.prices is UNSET else patch


def _prices(before: Sequence[Selection], now: Sequence[Selection]) -> tuple[str | None, ...] | None:
    """See ``MarketPatch.prices``. None where something is there that was not, or in another order."""
    prices: list[str | None] = []
    left = iter(now)
    following = next(left, None)
    for was in before:
        if following is None or was.outcome != following.outcome:
            prices.append("")
            continue
        prices.append(None if was.price == following.price else format_price(following.price))
        following = next(left, None)
    return tuple(prices) if following is None else None


def board_patch(before: Board | None, now: Board) -> BoardPatch:
    """The fields of a board that differ; all but its fixture where it is not known what was shown."""
    if before is None:
        return {field: getattr(now, field) for field in _FIELDS}
    if before == now:
        return {}
    return {field: value for field in _FIELDS if (value := getattr(now, field)) != getattr(before, field)}


def _alarming(before: Board | None, now: Board) -> bool:
    return before is None or any(getattr(before, field) != getattr(now, field) for field in _ALARMING)


class BookMove(msgspec.Struct, frozen=True):
    """A fixture's book from one version to another. None: not known, or not there."""

    before: Board | None
    now: Board
    markets: dict[str, tuple[Market | None, Market]]
    """Those that changed: before and now."""

    def view(self) -> Change:
        """The fields that differ."""
        board = board_patch(self.before, self.now)
        skipped = len(self.now.fixture) + 1
        markets = {
            key[skipped:]: patch
            for key, (before, now) in self.markets.items()
            if (patch := market_patch(before, now)) is not None
        }
        if self.before is None:
            board["fixture"] = self.now.fixture
        return FixturePatch(board or UNSET, markets or UNSET)

    def then(self, later: "BookMove") -> "BookMove":
        """This move and the one after it, as one."""
        markets = dict(self.markets)
        for key, (before, now) in later.markets.items():
            held = markets.get(key)
            markets[key] = (before if held is None else held[0], now)
        return BookMove(self.before, later.now, markets)

    @property
    def urgent(self) -> bool:
        """Whether it is said at once to everybody: a goal, a card, a whistle; a market that opens, waits or closes."""
        return _alarming(self.before, self.now) or any(
            before is None or before.status != now.status for before, now in self.markets.values()
        )


class Row(msgspec.Struct, frozen=True):
    """A row of ``home``. None: not known."""

    board: Board | None = None
    market: Market | None = None


class HomeMove(msgspec.Struct, frozen=True):
    """Rows of ``home`` from one version to another, and fixtures that were taken off."""

    rows: dict[str, tuple[Row, Row]]
    removed: tuple[str, ...]

    def view(self) -> Change:
        """The fields that differ."""
        return HomePatch(tuple(_row(*both) for both in self.rows.values()) or UNSET, self.removed or UNSET)

    def then(self, later: "HomeMove") -> "HomeMove":
        """This move and the one after it, as one."""
        rows = {key: both for key, both in self.rows.items() if key not in later.removed}
        for key, (before, now) in later.rows.items():
            rows[key] = (rows[key][0] if key in rows else before, now)
        removed = dict.fromkeys((*self.removed, *later.removed))
        return HomeMove(rows, tuple(key for key in removed if key not in rows))

    @property
    def urgent(self) -> bool:
        """See ``BookMove.urgent``."""
        return any(
            now.board is None
            or _alarming(before.board, now.board)
            or (before.market and before.market.status) != (now.market and now.market.status)
            for before, now in self.rows.values()
        )


def _row(before: Row, now: Row) -> RowPatch:
    assert now.board is not None
    board = {"fixture": now.board.fixture} | board_patch(before.board, now.board)
    market = None if now.market is None else market_patch(before.market, now.market)
    return RowPatch(board, UNSET if market is None else market)


class FactMove(msgspec.Struct, frozen=True):
    """A fact of an account: never merged, always said at once."""

    fact: AccountFact
    currency: str

    def view(self) -> Change:
        """The fact as its fan sees it: bets that were settled together, one by one."""
        return Facts(tuple(fact_view(fact, self.currency) for fact in one_by_one(self.fact)))

    @property
    def urgent(self) -> bool:
        """See ``BookMove.urgent``."""
        return True


Move = BookMove | HomeMove | FactMove


def joined(moves: Sequence[Move]) -> Move:
    """Moves of one book or of ``home``, one after the other, as one."""
    whole = moves[0]
    for later in moves[1:]:
        match whole, later:
            case BookMove(), BookMove():
                whole = whole.then(later)
            case HomeMove(), HomeMove():
                whole = whole.then(later)
            case _:
                raise TypeError(f"a {type(later).__name__} cannot be merged with a {type(whole).__name__}")
    return whole
