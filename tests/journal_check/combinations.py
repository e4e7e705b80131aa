"""Combinations: whether several selections of one fixture have a joint price at all, and whether all of them can win.

What the price is, only a model of football says; these two follow from what the selections ask. A joint model is of
the goals of regular time: it has no corners, no cards and no winner of a tie, and no lines that halve a stake.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import product
from typing import Final

from tests.journal_check.provider import Facts
from tests.journal_check.results import true_result
from tests.journal_check.state import Market

UNPRICED: Final = ("total_corners", "total_cards", "to_qualify")
TO_COME_MAX: Final = 8
"""Goals to come that are tried: no selection asks for more to be won."""


def reason(parts: Iterable[tuple[Market, str]]) -> str | None:
    """Why selections, each with its open market, have no joint price whatever it would be."""
    found = list(parts)
    if any(market.kind in UNPRICED or (market.quarters or 0) % 2 for market, _ in found):
        return "combination_unpriced"
    asked = [(market.kind, market.quarters, selection.rpartition("/")[2]) for market, selection in found]
    for end in endings(found[0][0].fixture.facts()):
        if all(true_result(kind, quarters, outcome, end) == "won" for kind, quarters, outcome in asked):
            return None
    return "legs_contradictory"


def endings(now: Facts) -> Iterator[Facts]:
    """How a match may end from here, with few goals first."""
    for number in range(TO_COME_MAX + 1):
        for sides in product(("home", "away"), repeat=number):
            order = (*now.order, *sides)
            regular = (order.count("home"), order.count("away"))
            for first in (0,) if now.half_over else range(number + 1):
                early = order[: len(now.order) + first]
                half = now.half if now.half_over else (early.count("home"), early.count("away"))
                yield Facts(half, regular, order, half_over=True, ended=True)
