"""A crowd's open bets on one match, for ``settle-bench``: singles, and accumulators whose other matches are over.

Placed through the ledger's own core, in large batches, as a gate would have judged them: the same rows, postings,
exposures and facts. Nothing here is drawn but from the seed.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from math import prod
from typing import Final

from matchday.backends.clock_wall import uuid7
from matchday.backends.ledger_sqlite import SqliteLedgerCore
from matchday.config import MOST
from matchday.model.bet import Leg, Outcome, Policy
from matchday.model.football import FootballState, IncidentType, Side, advance
from matchday.model.football_markets import decisions
from matchday.model.ledger import Charge, Command, DecideLegs, OpenAccount, PlaceBet, Refusal, Transfer
from matchday.model.messages import Decision
from matchday.model.price import UNIT

FINAL: Final = "settle-bench-final"
CURRENCY: Final = "EUR"
BATCH: Final = 1_000
"""Commands of one commit."""
_WAL_PAGES: Final = 50_000
"""Pages that the write-ahead log may grow to meanwhile, so that those of accounts are moved once for many bets."""
SINGLES: Final = 0.6
"""Share of singles; the others are accumulators."""
LEGS: Final = range(2, 9)
"""Of accumulators: of twice as many legs there are half as many, four on average."""
OTHERS: Final = 60
"""Matches that the other legs are on."""
PLAYED: Final[tuple[tuple[IncidentType, Side | None, int], ...]] = (
    (IncidentType.KICK_OFF, None, 0), (IncidentType.GOAL, "home", 1_320), (IncidentType.HALF_TIME, None, 2_760),
    (IncidentType.SECOND_HALF, None, 0),
)  # fmt: skip
"""What has happened in the match before its end."""
_POPULAR: Final = {
    "1x2": 200, "total_goals@2.5": 120, "both_teams_to_score": 90, "double_chance": 45, "draw_no_bet": 30,
    "total_goals@1.5": 30, "total_goals@3.5": 30, "asian_handicap@-0.5": 30, "asian_handicap@-0.75": 20,
}  # fmt: skip
"""How often a selection of some markets is backed; one of any other: 1. Most bets are on few questions."""
_SIDES: Final[tuple[Side, Side]] = ("home", "away")
_STAKES: Final = (100, 200, 500, 1_000, 2_000)
_PRICES: Final = range(1_100, 6_000, 10)
_GRANT: Final = 10**9


def second_half() -> FootballState:
    """The match as it stands before its end."""
    state = FootballState()
    for type_, side, clock_s in PLAYED:
        state = advance(state, type_, side, clock_s)
    return state


class Population:
    """Accounts and their bets."""

    def __init__(self, core: SqliteLedgerCore, *, bets: int, accounts: int, now_ms: int, seed: int) -> None:
        self._core = core
        self._bets, self._now_ms = bets, now_ms
        self._chance = random.Random(f"settle-bench/{seed}")
        self._made = 0
        self.accounts = [self._id() for _ in range(accounts)]

    def _id(self) -> str:
        """A UUIDv7; some hundred are made in a millisecond."""
        self._made += 1
        return uuid7((self._now_ms - 3_600_000 + self._made // 500) << 74 | self._chance.getrandbits(74))

    def place(self, progress: Callable[[int], None]) -> None:
        """Open the accounts, decide the other matches, place the bets. ``progress`` is called with the bets so far."""
        self._core.database.writer.execute(f"PRAGMA wal_autocheckpoint={_WAL_PAGES}")
        for start in range(0, len(self.accounts), BATCH):
            self._core.commit([c for name in self.accounts[start : start + BATCH] for c in self._opening(name)])
        others = [self._others(f"settle-bench-{number:02}") for number in range(OTHERS)]
        final = _Backed(FINAL, [name for name, now in decisions(second_half()).items() if now is None], self._chance)
        for done in range(0, self._bets, BATCH):
            count = min(BATCH, self._bets - done)
            answers = self._core.commit([self._bet(final, others) for _ in range(count)])
            assert all(answer.refusal is None for answer in answers), answers
            progress(done + count)

    def _opening(self, account: str) -> Iterator[Command]:
        yield OpenAccount(f"open:{account}", account, CURRENCY, self._now_ms, MOST)
        yield Transfer(f"grant:{account}", account, _GRANT, CURRENCY, "grant", self._now_ms)

    def _others(self, fixture: str) -> "_Backed":
        """Another match, which is over: its decisions are in the ledger."""
        state = FootballState()
        goals = [self._chance.choice(_SIDES) for _ in range(self._chance.randrange(6))]
        for type_, sides in (
            (IncidentType.KICK_OFF, goals[:2]), (IncidentType.HALF_TIME, ()), (IncidentType.SECOND_HALF, goals[2:]),
            (IncidentType.FULL_TIME, ()),
        ):  # fmt: skip
            state = advance(state, type_, None, 0)
            for side in sides:
                state = advance(state, IncidentType.GOAL, side, 60)
        found = {name: outcome for name, outcome in decisions(state).items() if outcome is not None}
        self._core.commit([decide(fixture, found, self._now_ms)])
        return _Backed(fixture, list(found), self._chance)

    def _bet(self, final: "_Backed", others: Sequence["_Backed"]) -> PlaceBet:
        chance = self._chance
        legs = [final.leg(chance)]
        if chance.random() >= SINGLES:
            more = chance.choices(LEGS, [1 / legs for legs in LEGS])[0] - 1
            legs += [match.leg(chance) for match in chance.sample(others, more)]
            chance.shuffle(legs)
        account, stake, of = chance.choice(self.accounts), chance.choice(_STAKES), tuple(legs)
        return PlaceBet(
            self._id(), account, CURRENCY, stake, Policy.BETTER, of, self._id(), self._now_ms, of,
            charges(account, stake, of),
        )  # fmt: skip


class _Backed:
    """The selections of a match that can be backed, each at one price."""

    def __init__(self, fixture: str, names: Sequence[str], chance: random.Random) -> None:
        self._legs = [_leg(fixture, name, chance.choice(_PRICES)) for name in names]
        self._weights = list(accumulate(_POPULAR.get(name.partition("/")[0], 1) for name in names))

    def leg(self, chance: random.Random) -> Leg:
        """One of them."""
        return chance.choices(self._legs, cum_weights=self._weights)[0]


def _leg(fixture: str, name: str, price: int) -> Leg:
    selection = f"{fixture}:{name}"
    return Leg(fixture, selection.rpartition("/")[0], selection, price, 1)


def charges(account: str, stake: int, legs: Sequence[Leg], writer: int = 0) -> tuple[Charge, ...]:
    """What a gate charges (``Judge.charges``), under limits that nobody reaches."""
    amount = stake * prod(leg.price for leg in legs) // UNIT ** len(legs) - stake
    names = dict.fromkeys(name for leg in legs for name in (leg.selection, leg.market, leg.fixture))
    guards = [f"exposure:account:{account}", *(f"exposure:{name}#{writer}" for name in names)]
    return tuple([Charge(guard, amount, MOST * MOST, Refusal.EXPOSURE_REACHED) for guard in guards])


def decide(fixture: str, outcomes: dict[str, Outcome], now_ms: int) -> DecideLegs:
    """What all selections of a match came to."""
    names = [(f"{fixture}:{name}", outcome) for name, outcome in outcomes.items()]
    made = tuple(Decision(selection.rpartition("/")[0], selection, outcome) for selection, outcome in names)
    return DecideLegs(f"decide:{fixture}:9", fixture, 9, made, now_ms)
