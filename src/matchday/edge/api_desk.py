"""The shapes of the trading desk's operations: referrals and free bets."""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from matchday.model.bet import Policy
from matchday.model.views import LegView

_Amount = Annotated[str, Meta(max_length=32, examples=["10.00"])]
PLACE: Final = r"([0-9]{1,16})\.([0-9A-Za-z-]{1,64})\.([!-~]{1,64})"
"""A place in the list of referrals: until when one waits, its fan's id of it, and the account."""
_Price = Annotated[str, Meta(max_length=32, examples=["2.375"])]


class ReferralRow(msgspec.Struct, frozen=True):
    """A bet that waits for a trader, as it was asked."""

    account: str
    id: str
    """The fan's own."""
    stake: str
    currency: str
    type: str
    legs: tuple[LegView, ...]
    """At the prices at which it was referred."""
    policy: Policy
    until_ms: int
    """When it is refused by itself."""


class ReferralsAnswer(msgspec.Struct, frozen=True):
    """Bets that wait for a trader, the most urgent first; ``next`` is ``after`` of the next page."""

    referrals: tuple[ReferralRow, ...]
    next: str | None


class ReferralAnswerBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A trader's word: accept it as asked, refuse it, or offer another stake or other prices."""

    decision: Literal["accept", "refuse", "offer"]
    reason: Annotated[str, Meta(max_length=200)] = ""
    """For the fan."""
    stake: _Amount | None = None
    """Of an offer; null: as asked."""
    prices: tuple[_Price, ...] | None = None
    """Of an offer, one for each leg; null: as referred."""


class FreeBetBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A free bet for a fan: used once, whole, before its time is over; its stake is not returned."""

    id: Annotated[str, Meta(max_length=64, description="A UUIDv7 made before the first attempt; also its name.")]
    account: Annotated[str, Meta(min_length=1, max_length=64)]
    amount: _Amount
    currency: Annotated[str, Meta(max_length=32)]
    until_ms: Annotated[int, Meta(ge=0, le=2**53)]


class FreeBetAnswer(msgspec.Struct, frozen=True):
    """The free bet is the fan's."""

    id: str
    account: str
    amount: str
    currency: str
    until_ms: int
    repeated: bool = False
