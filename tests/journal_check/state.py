"""State: what the journal has said so far, as every part of the check knows it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from tests.journal_check.lines import combined, thousandths
from tests.journal_check.provider import Facts, Goal, Match, Provider, Score
from tests.journal_check.report import Report, Row
from tests.journal_check.results import determined

DAY_MS: Final = 86_400_000
ENDINGS: Final = frozenset({"finished", "abandoned", "shortened", "awarded", "cancelled"})


@dataclass(slots=True)
class Market:
    """A market as the gate last heard of it; prices are read only when somebody bets on it."""

    id: str
    fixture: Fixture
    kind: str
    quarters: int | None
    status: str
    generation: int
    raw: list[Row]
    all: tuple[str, ...] = ()
    was_open: bool = False
    stake_max: int | None = None
    prices: dict[str, int | None] | None = None

    def price(self, selection: str) -> tuple[bool, int | None]:
        """(whether the selection is there, its price in thousandths or None)."""
        if self.prices is None:
            self.prices = {s["selection"]: thousandths(s["price"]) if s.get("price") else None for s in self.raw}
        return selection in self.prices, self.prices.get(selection)

    def decided(self, selection: str) -> bool:
        """Whether what happened, the end of what it counts or of the match settles this selection for good."""
        fixture = self.fixture
        if fixture.ended:
            return True
        known = fixture.decided.get(selection)
        if known is None:
            outcome = selection.rpartition("/")[2]
            known = fixture.decided[selection] = determined(self.kind, self.quarters, outcome, fixture.facts())
        return known


@dataclass(slots=True)
class Fixture:
    """A fixture as told by its incidents; what is of regular time freezes at full time."""

    id: str
    line: int
    match: Match | None = None
    score: Score = (0, 0)
    regular: Score = (0, 0)
    half: Score = (0, 0)
    order: tuple[str, ...] = ()
    corners: int = 0
    cards: int = 0
    announced: bool = False
    begun: bool = False
    half_over: bool = False
    full_time: bool = False
    played_out: bool = False
    """Whether the last whistle left nothing to play: extra time and a shoot-out follow only a draw of a tie."""
    over: bool = False
    kicks: Score = (0, 0)
    status: str | None = None
    status_ms: int = 0
    void_at_ms: int = 0
    """When it is void unless it has kicked off; 0 where the journal does not say."""
    now_ms: int = 0
    confirmed: int | None = None
    """The version up to which its decisions are said to be confirmed."""
    version: tuple[int, int] | None = None
    markets: dict[str, Market] = field(default_factory=dict)
    unsuspended: set[str] = field(default_factory=set)
    outdated: dict[str, int] = field(default_factory=dict)
    decided: dict[str, bool] = field(default_factory=dict)
    goals: list[tuple[int, Goal]] = field(default_factory=list)
    tallies: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def in_play(self) -> bool:
        """Whether it is being played: it has begun and has no result yet."""
        return self.begun and self.status is None

    @property
    def out_of_time(self) -> bool:
        """Whether it did not kick off in its time."""
        return not self.begun and self.status not in ENDINGS and 0 < self.void_at_ms <= self.now_ms

    @property
    def ended(self) -> bool:
        """Whether nothing more is played. A postponed match waits."""
        return self.status in ENDINGS or self.out_of_time

    def facts(self) -> Facts:
        """What markets stand on now."""
        half = self.half if self.half_over else self.regular
        known = Facts(half, self.regular, self.order, self.corners, self.cards, self.half_over, self.full_time)
        return known._replace(total=self.score, kicks=self.kicks, tie_over=self.over or self.played_out)


class Leg(NamedTuple):
    """A leg as it was accepted: one selection, or several of a combination that have to win together."""

    fixture: str
    markets: tuple[str, ...]
    selections: tuple[str, ...]
    price: int


def leg_of(row: Row, price: int) -> Leg:
    """A leg of a bet's line at a price of thousandths."""
    parts = row.get("parts") or [row]
    return Leg(row["fixture"], tuple(p["market"] for p in parts), tuple(p["selection"] for p in parts), price)


@dataclass(slots=True)
class Bet:
    """An accepted bet as its postings have brought it to."""

    id: str
    line: int
    account: str
    currency: str
    stake: int
    type: str
    legs: tuple[Leg, ...]
    placed_ms: int
    liability: int
    free_bet: str = ""
    reserved: bool = False
    """Whether its stake was posted."""
    status: str = "open"
    returned: int = 0
    """What its legs return, of what was not cashed out."""
    owed: int = 0
    """What the fan has had beyond that, as a correction could not take it back."""
    version: int = 0
    cashed: int = 0
    cash: int = 0
    cash_out_at: int | None = None
    """From which offer on its fan wants it cashed out by itself."""
    told: bool = True
    """Whether the journal has said how it stands since it last changed."""

    @property
    def remaining(self) -> int:
        """What its legs decide of the stake."""
        return self.stake - self.cashed

    @property
    def held(self) -> int:
        """What it holds of every exposure while it is open: its liability, as far as it was not cashed out, rounded
        up."""
        return -(-self.liability * self.remaining // self.stake)


@dataclass(slots=True)
class Account:
    """A fan's account; his balance is with those of all accounts."""

    currency: str
    status: str
    limits: dict[str, tuple[int | None, int | None, int]] = field(default_factory=dict)
    """Name -> the limit in force, the one that follows it, and from when."""
    staked: Counter[int] = field(default_factory=Counter)
    """By day of UTC."""
    returned: Counter[int] = field(default_factory=Counter)


@dataclass(slots=True)
class FreeBet:
    """A free bet that was given: ``available``, ``used`` or ``expired``."""

    account: str
    amount: int
    until_ms: int
    state: str = "available"
    bet: str = ""
    """The bet that used it last."""


@dataclass(slots=True)
class Offer:
    """A trader's offer."""

    account: str
    type: str
    stake: int
    legs: list[Row]
    prices: list[int]
    until_ms: int
    taken_ms: int | None = None
    """When it was taken up."""


@dataclass(slots=True)
class Referral:
    """A bet that waits for a trader, as it was asked."""

    row: Row
    until_ms: int
    prices: list[int]
    """At which it would have been taken."""


class Window(NamedTuple):
    """A time in which bets on a fixture were placed on what was known: they are void on it."""

    version: int
    from_ms: int
    until_ms: int


class State:
    """All of it, and the report."""

    def __init__(self, provider: Provider) -> None:
        self.report = Report()
        self.provider = provider
        self.line = 0
        self.now_ms = 0
        self.settings: Row = {}
        self.alive_ms = 0
        """When the owner of the books was last heard."""
        self.fixtures: dict[str, Fixture] = {}
        self.markets: dict[str, Market] = {}
        self.accounts: dict[str, Account] = {}
        self.balances: defaultdict[str, int] = defaultdict(int)
        self.awaiting: Counter[str] = Counter()
        """Stakes of accepted bets whose entry has not been posted yet, by the fan's account."""
        self.bets: dict[str, Bet] = {}
        self.decisions: dict[str, tuple[str | None, int, int]] = {}
        """Selection -> result (None: undecided again), version, line."""
        self.windows: defaultdict[str, list[Window]] = defaultdict(list)
        self.free_bets: dict[str, FreeBet] = {}
        self.offers: dict[str, Offer] = {}
        self.referrals: dict[tuple[str, str], Referral] = {}
        self.cash_outs: dict[str, Row] = {}
        """Cash-outs that were accepted and not posted yet, by their bet."""

    def judge(self, good: bool, check: str, text: Callable[[], str], line: int | None = None) -> None:
        """Counts one check of this line, or of another."""
        self.report.judge(good, line or self.line, check, text)

    def fixture(self, name: str) -> Fixture:
        """The fixture of that name, known from now on."""
        if name not in self.fixtures:
            self.fixtures[name] = Fixture(name, self.line, self.provider.match(name))
        return self.fixtures[name]

    def limit(self, name: str) -> int | None:
        """A setting, or None where the journal does not tell it."""
        value = self.settings.get(name)
        return None if value is None else int(value)

    def funds(self, account: str) -> int:
        """What a fan has, less what accepted bets will take."""
        return self.balances[account] - self.awaiting[account]

    def result_of(self, leg: Leg, placed_ms: int) -> str | None:
        """What a leg of a bet came to by the decisions; None while it is undecided."""
        if any(window.from_ms <= placed_ms < window.until_ms for window in self.windows[leg.fixture]):
            return "void"
        found = [self.decisions[s][0] if s in self.decisions else None for s in leg.selections]
        return found[0] if len(found) == 1 else combined(found)

    def version_of(self, legs: Sequence[Leg], placed_ms: int) -> int:
        """The sum over the versions of all that was decided or voided of a bet's legs."""
        decided = sum(self.decisions[s][1] for leg in legs for s in leg.selections if s in self.decisions)
        windows = (window for leg in legs for window in self.windows[leg.fixture])
        return decided + sum(window.version for window in windows if window.from_ms <= placed_ms < window.until_ms)
