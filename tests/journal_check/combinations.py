"""Combinations: whether several selections of one fixture have a joint price at all, and whether all of them can win.

What the price is, only a model of football says; these two follow from what the selections ask. A joint model is of
the goals of regular time: it has no corners, no cards and no winner of a tie, and no lines that halve a stake.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations_with_replacement, product
from typing import Final

from tests.journal_check.provider import Facts
from tests.journal_check.results import true_result
from tests.journal_check.state import Market

SIDES: Final = ("home", "away")
UNPRICED: Final = ("total_corners", "total_cards", "to_qualify")
TO_COME_MAX: Final = 10
"""Goals to come that are tried: the most that a selection asks for, a draw with more than four goals on each side."""


def reason(parts: Iterable[tuple[Market, str]]) -> str | None:
    """Why selections, each with its open market, have no joint price whatever it would be."""
    found = list(parts)
    if any(market.kind in UNPRICED or (market.quarters or 0) % 2 for market, _ in found):
        return "combination_unpriced"
    asked = [(market.kind, market.quarters, selection.rpartition("/")[2]) for market, selection in found]
    ordered = any(kind == "next_goal" for kind, _, _ in asked)
    for end in endings(found[0][0].fixture.facts(), ordered=ordered):
        if all(true_result(kind, quarters, outcome, end) == "won" for kind, quarters, outcome in asked):
            return None
    return "legs_contradictory"


def endings(now: Facts, *, ordered: bool) -> Iterator[Facts]:
    """How a match may end from here, with few goals first; in every order of goals only where that is asked for."""
    for number in range(TO_COME_MAX + 1):
        for first in (0,) if now.half_over else range(number + 1):
            for early in _goals(first, ordered=ordered):
                for late in _goals(number - first, ordered=ordered):
                    yield _ending(now, early, late)


def _goals(number: int, *, ordered: bool) -> Iterator[tuple[str, ...]]:
    return product(SIDES, repeat=number) if ordered else combinations_with_replacement(SIDES, number)


def _ending(now: Facts, early: tuple[str, ...], late: tuple[str, ...]) -> Facts:
    order = (*now.order, *early, *late)
    before = (*now.order, *early)
    half = now.half if now.half_over else (before.count("home"), before.count("away"))
    return Facts(half, (order.count("home"), order.count("away")), order, half_over=True, ended=True)
