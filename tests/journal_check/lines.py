"""Prices, bet types and returns: exact rationals, rounded down once per line of a bet.

A line is a set of legs that all have to win. A type says how many legs its lines have; a bet has every line of those
sizes, and its total stake is shared equally among them (sportsbook rules §3.2; https://betcalc365.com/system-bets-calculator).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations
from math import comb, lcm, prod
from typing import Final

COVERS: Final = {
    "trixie": (3, 2),
    "yankee": (4, 2),
    "canadian": (5, 2),
    "heinz": (6, 2),
    "super_heinz": (7, 2),
    "goliath": (8, 2),
    "patent": (3, 1),
    "lucky15": (4, 1),
    "lucky31": (5, 1),
    "lucky63": (6, 1),
}
"""type -> legs, legs of its shortest lines; the longest has all."""

_PRICES: dict[str, int] = {}


def thousandths(price: str) -> int:
    """A decimal price in thousandths; ValueError when it is not one."""
    known = _PRICES.get(price)
    if known is None:
        exact = Fraction(price) * 1000
        if exact.denominator != 1:
            raise ValueError(f"price {price} is finer than a thousandth")
        known = _PRICES[price] = int(exact)
    return known


def type_of(told: str, legs: int) -> str:
    """A bet's type; where none is told it is a single or an accumulator."""
    return told or ("single" if legs == 1 else "accumulator")


def sizes_of(bet_type: str, legs: int) -> range:
    """How many legs the lines of a bet have; ValueError where type and legs do not go together."""
    system = re.fullmatch(r"system:(\d+)/(\d+)", bet_type)
    if system:
        size, of = int(system[1]), int(system[2])
        found = range(size, size + 1)
    elif bet_type in COVERS:
        of, shortest = COVERS[bet_type]
        found = range(shortest, of + 1)
    elif bet_type in ("single", "accumulator"):
        of = 1 if bet_type == "single" else legs
        found = range(of, of + 1)
    else:
        raise ValueError(f"type {bet_type}")
    if of != legs or not found or found[0] < 1 or found[-1] > legs:
        raise ValueError(f"{bet_type} of {legs} legs")
    return found


def lines_of(bet_type: str, legs: int) -> int:
    """How many lines a bet has."""
    return sum(comb(legs, size) for size in sizes_of(bet_type, legs))


def multiplier(result: str, price: int) -> Fraction:
    """What one unit of stake on a leg becomes: m = v + (1 - v) * r * O (§3.1), the price in thousandths."""
    odds = Fraction(price, 1000)
    half = Fraction(1, 2)
    return {
        "won": odds,
        "half_won": half + half * odds,
        "void": Fraction(1),
        "half_lost": half,
        "lost": Fraction(0),
    }[result]


def returns(bet_type: str, stake: int, multipliers: Sequence[Fraction], *, free: bool = False) -> int:
    """All that comes back, in minor units: of each line the floor of its share times the product of its legs. A free
    bet's line returns its winnings alone: what it returns above its share, and nothing where that is less."""
    share = Fraction(stake, lines_of(bet_type, len(multipliers)))
    total = 0
    # Numerators and denominators apart: the same rationals, without reducing a fraction at every step.
    pairs = [(multiplier.numerator, multiplier.denominator) for multiplier in multipliers]
    for size in sizes_of(bet_type, len(multipliers)):
        for line in combinations(pairs, size):
            above, below = share.numerator, share.denominator
            for numerator, denominator in line:
                above *= numerator
                below *= denominator
            if free:
                above, below = above * share.denominator - below * share.numerator, below * share.denominator
            total += max(0, above // below)
    return total


def per_unit(bet_type: str, multipliers: Sequence[Fraction]) -> Fraction:
    """What one unit of total stake comes to, before any rounding: the mean over the lines of their products."""
    sizes = sizes_of(bet_type, len(multipliers))
    scale = lcm(*(multiplier.denominator for multiplier in multipliers))
    scaled = [int(multiplier * scale) for multiplier in multipliers]
    total = sum(prod(line) * scale ** (sizes[-1] - size) for size in sizes for line in combinations(scaled, size))
    return Fraction(total, scale ** sizes[-1] * lines_of(bet_type, len(multipliers)))


def most(bet_type: str, stake: int, prices: Sequence[int]) -> int:
    """What a bet may return, rounded down once for the whole of it: never less than what its lines return."""
    return int(stake * per_unit(bet_type, [Fraction(price, 1000) for price in prices]))


def liability(bet_type: str, stake: int, prices: Sequence[int]) -> int:
    """The most the house can lose on a bet."""
    return most(bet_type, stake, prices) - stake


def combined(results: Sequence[str | None]) -> str | None:
    """What a combination comes to by its parts: lost with any lost part, else undecided with any undecided one, else
    void with any that is not simply won (§3.1, "same-game void leg": its price is of all parts together), else won."""
    if "lost" in results:
        return "lost"
    if None in results:
        return None
    return "won" if set(results) == {"won"} else "void"


def within(policy: str, tolerance: int | None, asked: int, price: int) -> bool:
    """Whether a fan takes a price in place of the one he saw (§3.3). A tolerance is in thousandths of what he saw: the
    price may be shorter by as much, under ``none`` also longer; without one ``any`` takes all, the others nothing
    worse."""
    if policy == "any" and tolerance is None:
        return True
    allowed = Fraction(asked * (tolerance or 0), 1000)
    return abs(price - asked) <= allowed if policy == "none" else asked - price <= allowed


def quarters_of(line: str | None) -> int | None:
    """A line in quarters of a goal; ValueError when it is no multiple of a quarter."""
    if line is None:
        return None
    exact = Fraction(line) * 4
    if exact.denominator != 1:
        raise ValueError(f"line {line} is no multiple of a quarter")
    return int(exact)


def made_at(name: str) -> int | None:
    """When an id was made (ms), where it is a UUIDv7; else None."""
    if not re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", name):
        return None
    return int(name[:8] + name[9:13], 16)
