"""Market, selection and book: what can be asked about a fixture, and what can be backed.

A market is identified by its fixture, type and line: ``F:1x2``, ``F:total_goals@2.25``, ``F:asian_handicap@-0.75`` (the
home side's handicap); a selection adds its outcome: ``F:total_goals@2.25/over``. Lines are integers of quarters
(2.25 is 9), so that no float names a market. Where the line counts something, as the goal asked about, it is written
without decimals: ``F:next_goal@3/home``.
"""

from enum import StrEnum
from functools import lru_cache
from typing import Final

import msgspec

from matchday.model.price import format_price


class MarketStatus(StrEnum):
    """Where a market stands. The only moves are those of ``MARKET_MOVES``."""

    INACTIVE = "inactive"  # known, not offered yet
    OPEN = "open"  # bets are accepted
    SUSPENDED = "suspended"  # prices may move, no bet is accepted; may resume
    CLOSED = "closed"  # decided or over: never opens again


MARKET_MOVES: Final[dict[MarketStatus, frozenset[MarketStatus]]] = {
    MarketStatus.INACTIVE: frozenset({MarketStatus.OPEN, MarketStatus.SUSPENDED, MarketStatus.CLOSED}),
    MarketStatus.OPEN: frozenset({MarketStatus.SUSPENDED, MarketStatus.CLOSED}),
    MarketStatus.SUSPENDED: frozenset({MarketStatus.OPEN, MarketStatus.CLOSED}),
    MarketStatus.CLOSED: frozenset(),
}


def may_move(before: MarketStatus, after: MarketStatus) -> bool:
    """Whether the state table allows the move; staying is always allowed."""
    return before == after or after in MARKET_MOVES[before]


def format_line(line: int) -> str:
    """The decimal of a line in quarters: 9 is "2.25", -2 is "-0.5", 4 is "1.0"."""
    sign = "-" if line < 0 else ""
    whole, quarters = divmod(abs(line), 4)
    return f"{sign}{whole}.{('0', '25', '5', '75')[quarters]}"


def parse_line(text: str) -> int:
    """Quarters of a line's decimal; ValueError for one that is no multiple of a quarter."""
    body = text.removeprefix("-")
    whole, _, fraction = body.partition(".")
    quarters = {"0": 0, "": 0, "00": 0, "25": 1, "5": 2, "50": 2, "75": 3}.get(fraction)
    if quarters is None or not whole.isdecimal():
        raise ValueError(f"{text!r} is not a line; expected a multiple of 0.25 such as '2.25'")
    line = int(whole) * 4 + quarters
    return -line if text.startswith("-") else line


COUNTING: Final = frozenset({"next_goal"})
"""Market types whose line is a whole number and written as one."""


@lru_cache(maxsize=4096)
def line_text(type_: str, line: int) -> str:
    """A line as ids and views have it: "2.25", "3.0"; "3" where it counts. ValueError where it counts in fractions."""
    if type_ not in COUNTING:
        return format_line(line)
    if line % 4 or line < 0:
        raise ValueError(f"the line of {type_} is a whole number, not {format_line(line)}")
    return str(line // 4)


class MarketKey(msgspec.Struct, frozen=True, order=True):
    """A market of any fixture: its type and, where it has one, its line in quarters."""

    type: str
    line: int | None = None

    def of(self, fixture: str) -> str:
        """The market's id on a fixture."""
        return f"{fixture}:{self.name}"

    @property
    def name(self) -> str:
        """The id without the fixture: ``1x2``, ``total_goals@2.25``."""
        return _name(self.type, self.line)


@lru_cache(maxsize=4096)
def _name(type_: str, line: int | None) -> str:
    return type_ if line is None else f"{type_}@{line_text(type_, line)}"


def selection_id(market: str, outcome: str) -> str:
    """The id of one selection of a market."""
    return f"{market}/{outcome}"


def split_selection(selection: str) -> tuple[str, MarketKey, str]:
    """Fixture, market key and outcome of a selection's id; ValueError where it is none."""
    market, slash, outcome = selection.rpartition("/")
    fixture, colon, rest = market.rpartition(":")
    if not (slash and colon and fixture and rest and outcome):
        raise ValueError(f"{selection!r} is not a selection; expected FIXTURE:MARKET[@LINE]/OUTCOME")
    kind, at, line = rest.partition("@")
    key = MarketKey(kind, parse_line(line) if at else None)
    if (canonical := selection_id(key.of(fixture), outcome)) != selection:
        # Another spelling of one selection would be settled and guarded as if it were another selection.
        raise ValueError(f"{selection!r} is not a selection's id; it is written {canonical!r}")
    return fixture, key, outcome


class Selection(msgspec.Struct, frozen=True, array_like=True):
    """What can be backed, and its price in thousandths."""

    outcome: str
    price: int

    def __str__(self) -> str:
        return f"{self.outcome} {format_price(self.price)}"


class Market(msgspec.Struct, frozen=True, omit_defaults=True):
    """A question on a fixture, as the book offers it at one version."""

    market: str
    """The id, see above."""
    type: str
    line: int | None
    """Quarters; None for a market without a line."""
    status: MarketStatus
    generation: int
    """The count of suspensions and material incidents: a bet that saw another generation is refused."""
    selections: tuple[Selection, ...]
    stake_max: int | None = None
    """Minor units: the largest stake that a trader allows; None: only the house's own maximum holds."""

    def price_of(self, outcome: str) -> int | None:
        """The price of an outcome in thousandths, or None where the market has no such outcome."""
        for selection in self.selections:
            if selection.outcome == outcome:
                return selection.price
        return None
