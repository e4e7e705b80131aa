"""Price: decimal odds as an integer of thousandths. 2.375 is 2375; no float touches it.

Prices are strings at the doors ("2.375") and integers inside.
"""

import re
from fractions import Fraction
from functools import lru_cache
from typing import Final

PRICE_MIN: Final = 1001
"""Thousandths. A price of 1.000 or less returns no profit and is refused."""
PRICE_MAX: Final = 1_000_000
"""Thousandths: 1000.0, the longest price offered or taken."""
UNIT: Final = 1000
"""Thousandths in 1.0."""

_DECIMAL: Final = re.compile(r"(\d{1,4})(?:\.(\d{1,3}))?", re.ASCII)


class PriceError(ValueError):
    """A price that is none: its text says what is wrong and what is expected."""


@lru_cache(maxsize=4_096)
def parse_price(text: str) -> int:
    """Thousandths of a decimal string such as ``"2.375"``; PriceError outside 1.001–1000."""
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise PriceError(f"{text!r} is not a price; expected a decimal such as '2.375'")
    price = int(match[1]) * UNIT + int((match[2] or "").ljust(3, "0"))
    if not PRICE_MIN <= price <= PRICE_MAX:
        raise PriceError(f"price {text} is outside {format_price(PRICE_MIN)} to {format_price(PRICE_MAX)}")
    return price


@lru_cache(maxsize=16384)
def format_price(price: int) -> str:
    """The shortest decimal string with at least two decimals: 2375 is "2.375", 2000 is "2.00"."""
    whole, fraction = divmod(price, UNIT)
    text = f"{fraction:03d}"
    return f"{whole}.{text[:2] if text[2] == '0' else text}"


def as_fraction(price: int) -> Fraction:
    """The exact rational of a price of thousandths."""
    return Fraction(price, UNIT)
