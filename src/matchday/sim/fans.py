"""Fans: seeded bettors who use the platform as people do, and some who try everything that is not allowed.

Owns what each fan intends. Uses the accounts and bets rooms as a door would; looks at the gate's books with the delay
of a person. Never reads the future: what a fan bets on is drawn from the book he sees.
"""

import random
from collections import Counter
from collections.abc import Callable
from enum import StrEnum
from typing import Final, Protocol

import msgspec

from matchday.model.bet import Leg, Policy
from matchday.model.book import Books
from matchday.model.football_markets import OUTCOMES, TO_QUALIFY
from matchday.model.ledger import ID_MEMORY_MS, AccountStatus, Answer, Command, Moment, PlaceBet, SetLimit, SetStatus
from matchday.model.market import Market, MarketKey, MarketStatus, selection_id, split_selection
from matchday.model.messages import Board
from matchday.ports import Clock

_MATCH_MS: Final = 112 * 60_000
"""Milliseconds from kick-off in which fans bet in play."""
_TIE_MS: Final = 165 * 60_000
"""The same where extra time and a shoot-out may follow."""
_IN_PLAY: Final = 0.6
"""Share of bets that fans mean to place in play; some find their market closed."""
_TYPES: Final = tuple(OUTCOMES)


class Bettable(Protocol):
    """The bets room, as a fan's door sees it."""

    def place(self, command: PlaceBet, done: Callable[[Answer | Moment], None]) -> None:
        """Judge and commit."""


class Whim(StrEnum):
    """What a fan does with one bet, besides placing it."""

    PLAIN = "plain"
    RETRY = "retry"  # the answer was lost: the same again
    REUSE = "reuse"  # the same id for another bet
    OLD_ID = "old_id"
    WRONG_CURRENCY = "wrong_currency"
    NO_SUCH_SELECTION = "no_such_selection"
    STRANGER = "stranger"  # an account that does not exist
    CRUMB = "crumb"  # below the minimum stake
    GREED = "greed"  # above the maximum stake
    LONG_SHOT = "long_shot"  # a return above the maximum
    SHUT = "shut"  # a market that is closed
    SLOW = "slow"  # looks, then thinks for a minute


_WHIMS: Final[dict[Whim, int]] = {
    Whim.PLAIN: 640, Whim.RETRY: 90, Whim.REUSE: 15, Whim.OLD_ID: 10, Whim.WRONG_CURRENCY: 10,
    Whim.NO_SUCH_SELECTION: 10, Whim.STRANGER: 10, Whim.CRUMB: 15, Whim.GREED: 15, Whim.LONG_SHOT: 25,
    Whim.SHUT: 40, Whim.SLOW: 120,
}  # fmt: skip
"""Of a thousand bets, how many with each whim."""


class Placed(msgspec.Struct, frozen=True):
    """One question to the bets room and its answer, for the journal and the report."""

    command: PlaceBet
    answer: Answer | Moment
    first: bool
    """False for a question asked again under an id that was used before."""
    same_payload: bool
    in_play: bool
    market_type: str


class Fan:
    """One account and the temper that goes with it."""

    def __init__(self, number: int, account: str, currency: str, chance: random.Random) -> None:
        self.number = number
        self.account = account
        self.currency = currency
        self.chance = chance
        self.reckless = chance.random() < 0.06
        """Stakes until the money is gone."""
        self.careful = chance.random() < 0.05
        """Sets a low limit of his own."""
        self.leaves = chance.random() < 0.03
        """Is suspended on the way."""


class Fans:
    """All of them: told of each fixture, they plan their bets on it."""

    def __init__(
        self,
        clock: Clock,
        bets: Bettable,
        books: Books,
        administer: Callable[[Command], None],
        heard: Callable[[Placed], None],
    ) -> None:
        self._clock = clock
        self._bets = bets
        self._books = books
        self._administer = administer
        self._heard = heard
        self._fans: list[Fan] = []
        self.waiting = 0
        """Questions without an answer yet."""
        self.by_type: Counter[str] = Counter()
        self.in_play = 0

    def join(self, number: int, account: str, currency: str) -> None:
        """A fan has got an account."""
        fan = Fan(number, account, currency, self._clock.random(f"fan-{number}"))
        self._fans.append(fan)
        now = self._clock.now_ms()
        if fan.careful:
            self._administer(SetLimit(self._clock.new_id(), account, fan.chance.randrange(500, 3_000), now))
        if fan.leaves:
            suspend = SetStatus(self._clock.new_id(), account, AccountStatus.SUSPENDED, now)
            days = fan.chance.randrange(1, 20)
            self._clock.call_later(days * 86_400_000, lambda: self._administer(suspend))

    def fixture(self, board: Board) -> None:
        """A fixture was announced: each fan decides how often and when to bet on it."""
        now, markets = self._clock.now_ms(), self._books.fixtures[board.fixture].markets
        lasts_ms = _TIE_MS if MarketKey(TO_QUALIFY).of(board.fixture) in markets else _MATCH_MS
        for fan in self._fans:
            for _ in range(fan.chance.choices((0, 1, 2, 3), (55, 30, 10, 5))[0]):
                if fan.chance.random() < _IN_PLAY:
                    at = board.kickoff_ms + fan.chance.randrange(lasts_ms)
                else:
                    at = fan.chance.randrange(now + 1, max(now + 2, board.kickoff_ms))
                self._clock.call_later(at - now, lambda fan=fan: self._look(fan, board.fixture))  # type: ignore[misc]

    def _look(self, fan: Fan, fixture: str) -> None:
        """See the book as it is now; place a little later."""
        whim = fan.chance.choices(tuple(_WHIMS), tuple(_WHIMS.values()))[0]
        market = self._choose(fan, fixture, whim)
        if market is None:
            return
        if whim == Whim.LONG_SHOT:
            selection = max(market.selections, key=lambda s: s.price)
        else:
            selection = fan.chance.choice(market.selections)
        leg = Leg(fixture, market.market, selection_id(market.market, selection.outcome), selection.price,
                  market.generation)  # fmt: skip
        delay = fan.chance.randrange(20_000, 90_000) if whim == Whim.SLOW else fan.chance.randrange(200, 4_000)
        self._clock.call_later(delay, lambda: self._place(fan, leg, whim))

    def _choose(self, fan: Fan, fixture: str, whim: Whim) -> Market | None:
        book = self._books.fixtures.get(fixture)
        if book is None:
            return None
        kind = fan.chance.choice(_TYPES)
        closed = whim == Whim.SHUT
        found = [m for m in book.markets.values() if (m.status == MarketStatus.CLOSED) == closed and m.selections]
        of_kind = [market for market in found if market.type == kind]
        if not (of_kind or found):
            return None
        if whim == Whim.LONG_SHOT:
            return max(found, key=lambda market: max(s.price for s in market.selections))
        return fan.chance.choice(of_kind or found)

    def _place(self, fan: Fan, leg: Leg, whim: Whim) -> None:
        chance = fan.chance
        account, currency, stake, id_ = fan.account, fan.currency, self._stake(fan), self._clock.new_id()
        if whim == Whim.OLD_ID:
            id_ = _old_id(self._clock.now_ms() - ID_MEMORY_MS - 3_600_000, chance)
        elif whim == Whim.WRONG_CURRENCY:
            currency = "GBP"
        elif whim == Whim.STRANGER:
            account = f"nobody-{fan.number}"
        elif whim == Whim.NO_SUCH_SELECTION:
            leg = msgspec.structs.replace(leg, selection=f"{leg.market}/sideways")
        elif whim == Whim.CRUMB:
            stake = chance.randrange(1, 10)
        elif whim == Whim.GREED:
            stake = chance.randrange(50_001, 90_000)
        elif whim == Whim.LONG_SHOT:
            stake = chance.randrange(5_000, 40_000)
        policy = chance.choices((Policy.BETTER, Policy.NONE, Policy.ANY), (50, 25, 25))[0]
        command = PlaceBet(id_, account, currency, stake, policy, (leg,))
        self._ask(command, first=True, same_payload=True)
        if whim == Whim.RETRY:
            again = chance.choice((0, 1, 50, 5_000, 3_600_000))
            self._clock.call_later(again, lambda: self._ask(command, first=False, same_payload=True))
        elif whim == Whim.REUSE:
            other = msgspec.structs.replace(command, stake=stake + 100)
            self._clock.call_later(1_000, lambda: self._ask(other, first=False, same_payload=False))

    def _stake(self, fan: Fan) -> int:
        if fan.reckless:
            return fan.chance.randrange(10_000, 50_000)
        return fan.chance.choice((100, 200, 250, 500, 500, 1_000, 1_000, 2_000, fan.chance.randrange(100, 5_000)))

    def _ask(self, command: PlaceBet, *, first: bool, same_payload: bool) -> None:
        leg = command.asked[0]
        book = self._books.fixtures.get(leg.fixture)
        in_play = book is not None and book.board.period != "pre"
        kind = split_selection(leg.selection)[1].type
        self.waiting += 1

        def done(answer: Answer | Moment) -> None:
            self.waiting -= 1
            if first and isinstance(answer, Answer) and answer.refusal is None:
                self.by_type[kind] += 1
                self.in_play += in_play
            self._heard(Placed(command, answer, first, same_payload, in_play, kind))

        self._bets.place(command, done)


def _old_id(at_ms: int, chance: random.Random) -> str:
    """A UUIDv7 that was made at ``at_ms`` (RFC 9562 §5.7)."""
    value = (at_ms << 80) | (7 << 76) | (chance.getrandbits(12) << 64) | (2 << 62) | chance.getrandbits(62)
    text = f"{value:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
