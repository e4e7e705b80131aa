"""Roles: what a token allows. Each only its own: a trader cannot bet, a fan cannot trade."""

from enum import StrEnum

import msgspec


class Role(StrEnum):
    """Whose work a token is for."""

    FAN = "fan"
    TRADER = "trader"


class SignedIn(msgspec.Struct, frozen=True):
    """Who a token speaks for."""

    account: str
    """A fan's account, or a trader's name."""
    role: Role
    until_ms: int
    """When the token has ended, milliseconds since 1970."""
