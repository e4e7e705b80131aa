"""A fan: one account and the temper that goes with it, and what he may be up to with one bet."""

import random
from collections.abc import Mapping
from enum import StrEnum
from typing import Final, TypeVar

from matchday.model.ledger import LimitName, PlaceBet

_T = TypeVar("_T")


class Whim(StrEnum):
    """What a fan does with one bet, besides placing it."""

    PLAIN = "plain"
    SLOW = "slow"  # looks, then thinks for a minute
    SLIP = "slip"  # several bets at once: singles and all of them together
    COMBINED = "combined"  # one leg is a combination
    REFER = "refer"  # a stake for a trader to decide
    RETRY = "retry"  # the answer was lost: the same again
    REUSE = "reuse"  # the same id for another bet
    OLD_ID = "old_id"
    WRONG_CURRENCY = "wrong_currency"
    NO_SUCH_SELECTION = "no_such_selection"
    NO_SUCH_OFFER = "no_such_offer"
    STRANGER = "stranger"  # an account that does not exist
    CRUMB = "crumb"  # below the minimum stake, or less than a minor unit a line
    GREED = "greed"  # above the maximum stake
    LONG_SHOT = "long_shot"  # a return above the maximum
    SHUT = "shut"  # a market that is closed
    TWICE = "twice"  # the same selection in two legs
    RELATED = "related"  # two legs on one fixture


WHIMS: Final[Mapping[Whim, int]] = {
    Whim.PLAIN: 500, Whim.SLOW: 100, Whim.SLIP: 40, Whim.COMBINED: 25, Whim.REFER: 45, Whim.RETRY: 90, Whim.REUSE: 15,
    Whim.OLD_ID: 8, Whim.WRONG_CURRENCY: 8, Whim.NO_SUCH_SELECTION: 8, Whim.NO_SUCH_OFFER: 8, Whim.STRANGER: 8,
    Whim.CRUMB: 15, Whim.GREED: 15, Whim.LONG_SHOT: 25, Whim.SHUT: 40, Whim.TWICE: 8, Whim.RELATED: 12,
}  # fmt: skip
"""How often each, in comparison."""
OWN_STAKE: Final = frozenset({Whim.CRUMB, Whim.GREED, Whim.LONG_SHOT, Whim.REFER})
"""Whims that are about the stake: no free bet is used with them."""


class Taking(StrEnum):
    """How a fan takes up what a trader offers."""

    AS_OFFERED = "as_offered"
    TWICE = "twice"
    LATE = "late"
    OTHER_STAKE = "other_stake"
    OTHER_TYPE = "other_type"
    BY_A_FRIEND = "by_a_friend"  # who was offered nothing
    NOT = "not"


TAKINGS: Final[Mapping[Taking, int]] = {
    Taking.AS_OFFERED: 45, Taking.TWICE: 10, Taking.LATE: 10, Taking.OTHER_STAKE: 7, Taking.OTHER_TYPE: 5,
    Taking.BY_A_FRIEND: 5, Taking.NOT: 18,
}  # fmt: skip


class Using(StrEnum):
    """How a fan uses a free bet."""

    AS_GIVEN = "as_given"
    TWICE = "twice"
    OTHER_AMOUNT = "other_amount"
    LATE = "late"
    BY_A_FRIEND = "by_a_friend"


USINGS: Final[Mapping[Using, int]] = {
    Using.AS_GIVEN: 70, Using.TWICE: 10, Using.OTHER_AMOUNT: 5, Using.LATE: 10, Using.BY_A_FRIEND: 5,
}  # fmt: skip

LIMITS: Final[Mapping[LimitName, tuple[int, int]]] = {
    LimitName.STAKE_DAY: (500, 6_000), LimitName.STAKE_WEEK: (2_000, 20_000), LimitName.STAKE_MONTH: (5_000, 60_000),
    LimitName.LOSS_DAY: (500, 3_000), LimitName.LOSS_WEEK: (1_000, 10_000), LimitName.LOSS_MONTH: (3_000, 20_000),
}  # fmt: skip
"""Minor units between which fans set limits."""


class Fan:
    """One account and the temper that goes with it."""

    def __init__(self, number: int, account: str, currency: str, chance: random.Random) -> None:
        self.number = number
        self.account = account
        self.currency = currency
        self.chance = chance
        self.reckless = chance.random() < 0.06
        """Stakes until the money is gone."""
        self.careful = chance.random() < 0.15
        """Sets limits of his own, and changes them."""
        self.rich = chance.random() < 0.08
        """Deposits, wants no limit of the house's, and stakes for a trader to decide."""
        self.leaves = chance.random() < 0.03
        """Is suspended on the way."""
        self.referred: dict[str, PlaceBet] = {}
        """Bets that waited for a trader, by their ids: what an offer is an answer to."""

    def draws(self, weights: Mapping[_T, int]) -> _T:
        """One of several, by weight."""
        return self.chance.choices(tuple(weights), tuple(weights.values()))[0]

    def stake(self, lines: int) -> int:
        """Minor units that he would stake on a bet of so many lines: as much on each."""
        if self.reckless:
            total = self.chance.randrange(10_000, 50_000)
        elif self.rich:
            total = self.chance.choice((2_000, 5_000, 10_000, self.chance.randrange(1_000, 50_000)))
        else:
            some = self.chance.randrange(100, 5_000)
            total = self.chance.choice((100, 200, 250, 500, 500, 1_000, 1_000, 2_000, some))
        return max(1, total // lines) * lines


def old_id(at_ms: int, chance: random.Random) -> str:
    """A UUIDv7 that was made at ``at_ms`` (RFC 9562 §5.7)."""
    value = (at_ms << 80) | (7 << 76) | (chance.getrandbits(12) << 64) | (2 << 62) | chance.getrandbits(62)
    text = f"{value:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
