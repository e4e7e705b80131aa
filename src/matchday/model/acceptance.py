"""What is said about bets that are not placed yet: the largest stake that would be taken, a trader's word."""

from typing import NamedTuple

import msgspec

from matchday.model.ledger import Refusal


class StakeMax(NamedTuple):
    """What would be taken now: each leg's price (or why it has none), the lines, and the largest stake."""

    prices: tuple[int | Refusal, ...]
    """Thousandths."""
    lines: int
    refusal: Refusal | None
    """Why the legs together would be refused."""
    stake: int
    """Minor units; nothing of it is reserved. 0: none would be taken."""
    returns: int
    """Minor units that this stake returns where every leg wins."""


class TraderAnswer(msgspec.Struct, frozen=True):
    """What a trader says to a referral: accept it as asked, refuse it, or offer another stake or other prices."""

    accept: bool = False
    reason: str = ""
    """For the fan, of a refusal."""
    stake: int | None = None
    """Minor units offered."""
    prices: tuple[int, ...] | None = None
    """Thousandths offered, of each leg."""
