"""Figures: medians of rounds beside their references, and whether they meet what was asked of them."""

import statistics
from collections.abc import Sequence
from typing import Final

import msgspec

ROUNDS: Final = 5
"""Interleaved rounds of every figure that has a reference; its median is published."""


class Target(msgspec.Struct, frozen=True):
    """What a figure should be: of its value in its unit, or of its ratio to the reference."""

    limit: float
    of_ratio: bool = False
    at_least: bool = False

    def text(self, unit: str) -> str:
        """For people and programs alike."""
        sign = ">=" if self.at_least else "<="
        return f"{sign} {self.limit:g} {'x' if self.of_ratio else unit}"

    def met(self, value: float, ratio: float | None) -> bool | None:
        """None where there is nothing to judge by."""
        found = ratio if self.of_ratio else value
        if found is None:
            return None
        return found >= self.limit if self.at_least else found <= self.limit


class Row(msgspec.Struct, kw_only=True):
    """One figure."""

    name: str
    what: str
    unit: str
    value: float | None = None
    """The median of the rounds; None where it could not be measured (see ``note``)."""
    reference: float | None = None
    """The same of the reference, in the same unit."""
    ratio: float | None = None
    """The median of the ratios of each round: a noisy round is noisy for both."""
    target: str | None = None
    met: bool | None = None
    """None: nothing was asked, or it could not be measured."""
    reference_what: str | None = None
    low: float | None = None
    high: float | None = None
    """The lowest and highest ratio of a round, or value where there is no reference."""
    rounds: int = 0
    note: str = ""


def compared(
    name: str, what: str, unit: str, pairs: Sequence[tuple[float, float]], *, reference: str,
    target: Target | None = None, note: str = "",
) -> Row:  # fmt: skip
    """Of rounds of (value, reference). One whose reference came to nothing, as on a machine that stood still, is left
    out and said."""
    whole, pairs = len(pairs), [pair for pair in pairs if pair[1]]
    if not pairs:
        return unmeasured(name, what, unit, "not published: the reference came to nothing", target=target)
    if len(pairs) < whole:
        note = f"{whole - len(pairs)} rounds left out: the reference came to nothing. {note}".strip()
    ratios = [value / other for value, other in pairs]
    value, ratio = statistics.median(value for value, _ in pairs), statistics.median(ratios)
    return Row(
        name=name, what=what, unit=unit, value=rounded(value),
        reference=rounded(statistics.median(other for _, other in pairs)), ratio=rounded(ratio),
        target=target.text(unit) if target else None, met=target.met(value, ratio) if target else None,
        reference_what=reference, low=rounded(min(ratios)), high=rounded(max(ratios)), rounds=len(pairs), note=note,
    )  # fmt: skip


def plain(
    name: str, what: str, unit: str, values: Sequence[float], *, target: Target | None = None, note: str = ""
) -> Row:
    """Of rounds without a reference."""
    value = statistics.median(values)
    return Row(
        name=name, what=what, unit=unit, value=rounded(value), target=target.text(unit) if target else None,
        met=target.met(value, None) if target else None, low=rounded(min(values)), high=rounded(max(values)),
        rounds=len(values), note=note,
    )  # fmt: skip


def unmeasured(name: str, what: str, unit: str, why: str, *, target: Target | None = None) -> Row:
    """A figure that could not be had, and why: nothing is published rather than something wrong."""
    return Row(name=name, what=what, unit=unit, target=target.text(unit) if target else None, note=why)


def percentile(samples: Sequence[float], share: float) -> float:
    """The smallest sample that so large a share of them does not exceed (nearest rank)."""
    if not samples:
        raise ValueError("no samples")
    ordered = sorted(samples)
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)]


def rounded(value: float) -> float:
    """Four significant digits: more would claim what no run repeats."""
    return float(f"{value:.4g}")
