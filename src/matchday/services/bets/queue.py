"""The queue before the ledger: bounded as a whole, and of every fixture and market, which share it by turns.

One market that everybody bets on, or whose bets take long, fills its own share; there is room for the others, and a
batch that cannot take all takes of every fixture, and of every market of it, one after the other.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

import msgspec

from matchday.config import Bets as BetSettings
from matchday.model.bet import Leg
from matchday.model.ledger import Answer, Moment, PlaceBet

Done = Callable[[Answer | Moment], None]
Waits = Callable[[int], None]
"""Told until when a bet waits, in milliseconds since 1970."""
_QUICK_MS: Final = 4.0
"""Milliseconds of a quick commit: what comes meanwhile is better committed together."""
_MUCH: Final = 4
"""Times as long as of late."""


class Queued(msgspec.Struct):
    """A bet that waits for its batch."""

    command: PlaceBet
    done: Done
    waits: Waits
    since_ms: int
    """By ``Clock.elapsed_ms``."""


def _count(held: dict[str, int], name: str, change: int) -> None:
    """So many more wait under a name, or fewer; of whom none does nothing is kept."""
    if left := held.get(name, 0) + change:
        held[name] = left
    else:
        del held[name]


class Shares:
    """How many bets wait in some place, in all and of each fixture and market, and how many may."""

    def __init__(self, most: int, fixture_max: int, market_max: int) -> None:
        self.most, self._fixture_max, self._market_max = most, fixture_max, market_max
        self._held: dict[str, int] = {}
        """Fixture or market -> how many bets with a leg on it wait."""
        self.all = 0

    def full_for(self, legs: Sequence[Leg]) -> bool:
        """Whether a bet on these legs is one too many: in all, or on one of its fixtures or markets."""
        held = self._held
        if self.all >= self.most:
            return True
        for leg in legs:
            if held.get(leg.fixture, 0) >= self._fixture_max:
                return True
            for market in leg.markets:
                if held.get(market, 0) >= self._market_max:
                    return True
        return False

    def count(self, legs: Sequence[Leg], change: int) -> None:
        """So many more wait with these legs, or fewer."""
        self.all += change
        for leg in legs:
            for name in (leg.fixture, *leg.markets):
                _count(self._held, name, change)

    def clear(self) -> None:
        """Nobody waits."""
        self.all = 0
        self._held.clear()


class Accounts:
    """How many bets of each account wait at a gate, wherever they do, and how many may."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: dict[str, int] = {}
        """Account -> how many of its bets wait."""

    def full_for(self, account: str) -> bool:
        """Whether another bet of that account is one too many."""
        return self._held.get(account, 0) >= self._most

    def count(self, account: str, change: int) -> None:
        """So many more of its bets wait, or fewer."""
        _count(self._held, account, change)


class BetQueue:
    """Bets that wait for their batch, in the order in which they came."""

    def __init__(self, settings: BetSettings, accounts: Accounts) -> None:
        """``accounts``: what waits elsewhere counts there, too."""
        self._settings, self._accounts = settings, accounts
        self._took_ms = 0.0
        """By a commit of late."""
        self._waiting: deque[Queued] = deque()
        self._shares = Shares(settings.queue_max, settings.queue_fixture_max, settings.queue_market_max)
        self.full_for = self._shares.full_for

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, command: PlaceBet, done: Done, waits: Waits, now_ms: int) -> None:
        """Have it wait. ``waits``: told if it has to wait its delay in play after all."""
        self._waiting.append(Queued(command, done, waits, now_ms))
        self._shares.count(command.asked, 1)
        self._accounts.count(command.account, 1)

    def took(self, ms: int) -> None:
        """A commit took so long: as many may wait as the ledger will have taken in time."""
        self._took_ms = (self._took_ms + ms) / 2
        settings = self._settings
        batches = max(1.0, settings.queue_ms_aim / max(1.0, self._took_ms))
        self._shares.most = min(settings.queue_max, int(settings.batch_max * batches))

    def follows_in(self, since_ms: int) -> int | None:
        """Milliseconds until a batch follows one that the ledger has had for so long: half of what a commit took of
        late after it. None where commits are quick, and where it takes much longer than of late: it may hang, and who
        waits here can still be refused."""
        took_ms = self._took_ms
        if took_ms < _QUICK_MS or since_ms > _MUCH * took_ms:
            return None
        return max(0, int(took_ms / 2) - since_ms)

    def take(self, most: int) -> list[Queued]:
        """The next batch: all that waits, else of each fixture and market in turn."""
        if len(self._waiting) <= most:
            taken = list(self._waiting)
            self._waiting.clear()
            self._shares.clear()
            for queued in taken:
                self._accounts.count(queued.command.account, -1)
            return taken
        return self._without(list(islice(_by_turns(self._waiting), most)))

    def too_old(self, before_ms: int) -> list[Queued]:
        """Take out those that have waited since before then. A trader's word waits on: it has a price of its own."""
        if not self._waiting or self._waiting[0].since_ms >= before_ms:
            return []
        return self._without([
            queued for queued in self._waiting if queued.since_ms < before_ms and not queued.command.answers_referral
        ])  # fmt: skip

    def _without(self, taken: list[Queued]) -> list[Queued]:
        gone = set(map(id, taken))
        self._waiting = deque(queued for queued in self._waiting if id(queued) not in gone)
        for queued in taken:
            self._shares.count(queued.command.asked, -1)
            self._accounts.count(queued.command.account, -1)
        return taken


def _by_turns(waiting: Iterable[Queued]) -> Iterator[Queued]:
    """One of each fixture after the other, and of each fixture one of each market; who waits longest begins. A bet of
    several legs stands with its first."""
    fixtures: dict[str, dict[str, list[Queued]]] = {}
    for queued in waiting:
        leg = queued.command.asked[0]
        fixtures.setdefault(leg.fixture, {}).setdefault(leg.market, []).append(queued)
    return _in_turn([_in_turn(list(map(iter, markets.values()))) for markets in fixtures.values()])


def _in_turn(lines: list[Iterator[Queued]]) -> Iterator[Queued]:
    while lines:
        left = []
        for line in lines:
            for queued in line:
                yield queued
                left.append(line)
                break
        lines = left
