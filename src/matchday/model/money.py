"""Money: an integer of minor units and a currency.

A currency has 0, 2 or 3 decimals (ISO 4217). Amounts are parsed from and written as decimal strings at the doors
and are plain integers of minor units everywhere else. No float is ever involved.
"""

import re
from functools import lru_cache
from typing import Final

import msgspec

DECIMALS: Final[dict[str, int]] = {
    # ISO 4217, minor units per currency
    "EUR": 2, "GBP": 2, "USD": 2, "INR": 2, "BRL": 2, "SEK": 2, "NGN": 2, "KES": 2, "ZAR": 2, "AUD": 2, "CAD": 2,
    "JPY": 0, "KRW": 0, "CLP": 0, "UGX": 0,
    "KWD": 3, "BHD": 3, "TND": 3, "JOD": 3,
}  # fmt: skip

AMOUNT_MAX: Final = 10**15
"""Minor units. Larger amounts are refused at the doors; sums stay far inside 64 bits."""

_DECIMAL: Final = re.compile(r"(-?)(\d{1,16})(?:\.(\d{1,3}))?", re.ASCII)


class MoneyError(ValueError):
    """An amount that is not money: its text says what is wrong and what is expected."""


def decimals(currency: str) -> int:
    """The number of decimals of a currency; MoneyError for one we do not know."""
    try:
        return DECIMALS[currency]
    except KeyError:
        known = ", ".join(sorted(DECIMALS))
        raise MoneyError(f"currency {currency!r} is not known; known are {known}") from None


@lru_cache(maxsize=4_096)
def parse_amount(text: str, currency: str) -> int:
    """Minor units of a decimal string such as ``"10.00"``.

    Fewer decimals than the currency has are fine ("10" is 10.00); more are refused, never rounded.
    """
    places = decimals(currency)
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise MoneyError(f"{text!r} is not an amount; expected a decimal such as {format_amount(1000, currency)!r}")
    sign, whole, fraction = match[1], match[2], match[3] or ""
    if len(fraction) > places:
        raise MoneyError(f"{text!r} has {len(fraction)} decimals; {currency} has {places}")
    scale: int = 10**places
    amount = int(whole) * scale + int(fraction.ljust(places, "0") or "0")
    if amount > AMOUNT_MAX:
        raise MoneyError(f"{text!r} is larger than {format_amount(AMOUNT_MAX, currency)}")
    return -amount if sign else amount


@lru_cache(maxsize=16_384)
def format_amount(amount: int, currency: str) -> str:
    """The decimal string of an amount of minor units, with all the decimals of its currency."""
    places = decimals(currency)
    sign = "-" if amount < 0 else ""
    if places == 0:
        return f"{sign}{abs(amount)}"
    whole, fraction = divmod(abs(amount), 10**places)
    return f"{sign}{whole}.{fraction:0{places}d}"


def amount_text(amount: int, currency: str) -> str:
    """An amount of minor units for people, as ``12.50 EUR``."""
    return f"{format_amount(amount, currency)} {currency}"


class Money(msgspec.Struct, frozen=True, order=True):
    """An amount of minor units in one currency."""

    amount: int
    currency: str

    def __post_init__(self) -> None:
        decimals(self.currency)

    def __add__(self, other: "Money") -> "Money":
        self._same(other)
        return Money(self.amount + other.amount, self.currency)

    def __sub__(self, other: "Money") -> "Money":
        self._same(other)
        return Money(self.amount - other.amount, self.currency)

    def __neg__(self) -> "Money":
        return Money(-self.amount, self.currency)

    def __str__(self) -> str:
        return f"{format_amount(self.amount, self.currency)} {self.currency}"

    def _same(self, other: "Money") -> None:
        if self.currency != other.currency:
            raise MoneyError(f"{self.currency} and {other.currency} do not add up; convert explicitly")
