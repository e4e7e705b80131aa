"""Bet types and their lines: which legs stand or fall together, and what they return. All the settlement arithmetic.

A line is a set of legs that all have to win; a bet is a number of lines that are staked and paid one by one. A type
names the sizes of lines a bet has: of every size it has all combinations of its legs.

    single                           its one leg
    accumulator                      all legs in one line
    system:K/N                       all lines of K of the N legs (a round robin)
    trixie, yankee, canadian, heinz, super_heinz, goliath    3 to 8 legs, every line of two legs or more: 2^n - 1 - n
    patent, lucky15, lucky31, lucky63                        3 to 6 legs, single legs too: 2^n - 1

Sources: sportsbook rules §3.2 (https://betcalc365.com/system-bets-calculator); bonuses of some houses on Lucky bets
are not applied. Each line returns

    floor(stake of the line * product of the multipliers of its legs)

in minor units, an exact rational that is rounded down once per line; a bet returns the sum over its lines. A total that
does not divide by the lines is split exactly, a third of a cent on each where need be: void, such a bet returns up to
a minor unit a line less than it cost, so that doors offer totals that divide. A line of a free bet returns its winnings
alone (§3.6: stake * (O - 1)): what it returns above its stake, and nothing where that is less than nothing, so that
void, half-lost and tied lines cost the house nothing.

A bet of many lines is not paid line by line. Its legs are cut in halves, so that each line is a product of one half by
one of the other, and each half has a thousand of them at most. Equal ones are counted, not repeated. What is left is
multiplied and rounded in blocks of 64-bit integers, with a bound of what these leave out; a line for which that could
change the rounding is paid by itself, so that what a bet returns is exact however it was found.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import chain, combinations
from math import comb, lcm
from typing import Final

import numpy as np

from matchday.model.price import UNIT

LEGS_MAX: Final = 20
"""Legs of one bet; more are refused at the door."""
LINES_MAX: Final = comb(LEGS_MAX, LEGS_MAX // 2)
"""Lines of one bet: 184 756, those of system:10/20. It follows from ``LEGS_MAX``, as no type has more, and takes about
2 ms to settle; where lines return 2^27 minor units or more, up to 70 ms, and more where the numbers of prices and dead
heats have no factors in common (1.5 s with twenty dead heats of different primes)."""

SINGLE: Final = "single"
ACCUMULATOR: Final = "accumulator"
FULL_COVER: Final[dict[str, tuple[int, int]]] = {
    # type -> legs, legs of its shortest lines
    "trixie": (3, 2), "yankee": (4, 2), "canadian": (5, 2), "heinz": (6, 2), "super_heinz": (7, 2), "goliath": (8, 2),
    "patent": (3, 1), "lucky15": (4, 1), "lucky31": (5, 1), "lucky63": (6, 1),
}  # fmt: skip
"""The systems with a name: all lines from the shortest size up to all legs."""

_BITS: Final = 31
"""Bits of what a block holds of a product: two such multiplied, and what they may lack, fit in 63."""
_LACKING: Final = (2 << _BITS) + 1
"""Above what two such factors, each rounded down, lack when they are multiplied: one of each other, and one."""
_SHIFT_MIN: Final = 4
"""Bits behind the point of what a block holds, less ``_BITS``: with fewer, more than one line in eight would have to be
looked at again."""
_BLOCK_MIN: Final = 128
"""Lines from which on a block is quicker than paying them one by one."""

_SYSTEM: Final = re.compile(r"system:([0-9]{1,4})/([0-9]{1,4})")


class LinesError(ValueError):
    """A bet that has no lines: ``reason`` names why, the text says what is expected.

    Reasons: ``type_unknown``; ``fold_out_of_range`` (a system of K/N with K below 1 or above N);
    ``legs_out_of_range`` (none, or more than ``LEGS_MAX``); ``legs_mismatch`` (not the number that the type has).
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def default_type(legs: int) -> str:
    """The type of a bet that names none: a single, or an accumulator of several legs."""
    return SINGLE if legs == 1 else ACCUMULATOR


def sizes(bet_type: str, legs: int) -> range:
    """How many legs the lines of a bet have, shortest first; LinesError where type and legs do not go together.

    An accumulator is placed with 2 to 20 legs. One of a single leg is taken too: it has the one line of a single.
    """
    exact, found = _sizes(bet_type, legs)
    for number in (legs, exact):
        if not 1 <= number <= LEGS_MAX:
            raise LinesError("legs_out_of_range", f"a bet has 1 to {LEGS_MAX} legs, not {number}")
    if exact != legs:
        expected = "1 leg" if exact == 1 else f"{exact} legs"
        raise LinesError("legs_mismatch", f"{bet_type} has {expected}, not {legs}")
    return found


def _sizes(bet_type: str, legs: int) -> tuple[int, range]:
    """How many legs a type has, and the sizes of its lines."""
    if bet_type == SINGLE:
        return 1, range(1, 2)
    if bet_type == ACCUMULATOR:
        return legs, range(legs, legs + 1)
    if (cover := FULL_COVER.get(bet_type)) is not None:
        return cover[0], range(cover[1], cover[0] + 1)
    if (match := _SYSTEM.fullmatch(bet_type)) is None:
        known = ", ".join((SINGLE, ACCUMULATOR, *FULL_COVER))
        raise LinesError("type_unknown", f"{bet_type[:40]!r} is not a bet type; known are {known} and system:K/N")
    size, of = int(match[1]), int(match[2])
    if not 1 <= size <= of:
        raise LinesError("fold_out_of_range", f"{bet_type} is no system; K/N needs 1 <= K <= N <= {LEGS_MAX}")
    return of, range(size, size + 1)


@lru_cache(maxsize=1_024)
def count(bet_type: str, legs: int) -> int:
    """The number of lines, at most ``LINES_MAX``, without enumerating them; LinesError as ``sizes``."""
    return sum(comb(legs, size) for size in sizes(bet_type, legs))


@lru_cache(maxsize=1_024)
def shortest(bet_type: str, legs: int) -> int:
    """How many legs the shortest lines of a bet have; LinesError as ``sizes``."""
    return sizes(bet_type, legs)[0]


def lines(bet_type: str, legs: int) -> Iterator[tuple[int, ...]]:
    """The lines as tuples of leg indexes: shorter ones first, those of one size in lexicographic order.

    LinesError as ``sizes``.
    """
    return chain.from_iterable(combinations(range(legs), size) for size in sizes(bet_type, legs))


def most(bet_type: str, prices: Sequence[int]) -> Fraction:
    """What one unit of total stake returns where every leg wins: the mean over the lines of their products.

    ``prices`` are thousandths. Sums of products by size without enumerating them (elementary symmetric polynomials), in
    integers, so that judging a bet costs little however many lines it has. LinesError as ``sizes``.
    """
    if bet_type == SINGLE and len(prices) == 1:
        return _of_single(prices[0])
    return _mean(bet_type, prices, UNIT)


@lru_cache(maxsize=4_096)
def _of_single(price: int) -> Fraction:
    return Fraction(price, UNIT)


def mean(bet_type: str, multipliers: Sequence[Fraction]) -> Fraction:
    """The mean over the lines of the products of their legs' multipliers: with what each leg is worth, what one unit of
    total stake is. LinesError as ``sizes``."""
    scale, wholes = _wholes(multipliers)
    return _mean(bet_type, wholes, scale)


def _wholes(multipliers: Sequence[Fraction]) -> tuple[int, list[int]]:
    """Into how many parts to cut one, so that each multiplier is a whole number of them; and these numbers."""
    scale = lcm(*[multiplier.denominator for multiplier in multipliers])
    return scale, [multiplier.numerator * (scale // multiplier.denominator) for multiplier in multipliers]


def _mean(bet_type: str, wholes: Sequence[int], unit: int) -> Fraction:
    """The same of multipliers that are whole numbers of parts, of which ``unit`` make one."""
    legs = len(wholes)
    found = sizes(bet_type, legs)
    sums = [1] + [0] * legs
    for whole in wholes:
        for size in range(legs, 0, -1):
            sums[size] += sums[size - 1] * whole
    total = sum(sums[size] * unit ** (legs - size) for size in found)
    return Fraction(total, count(bet_type, legs) * unit**legs)


def stake_within(room: int, per_unit: Fraction) -> int:
    """The largest stake, in minor units, of which ``floor(stake * per_unit)`` is at most ``room``; 0 where none is.
    ``per_unit`` is above zero: what one unit of stake returns, or what the house can lose on it."""
    return max(0, -(-(room + 1) * per_unit.denominator // per_unit.numerator) - 1)


def returns(bet_type: str, stake: int, multipliers: Sequence[Fraction], *, free: bool = False) -> int:
    """All that a bet returns, in minor units: the sum over its lines, each rounded down once.

    ``stake`` is the total in minor units: each line has the exact share of it, also where that is no whole number of
    minor units. ``multipliers`` are what one unit of stake on each leg became; a free bet's stake is not returned.
    LinesError as ``sizes``.
    """
    number = count(bet_type, len(multipliers))
    scale, wholes = _wholes(multipliers)
    live = sorted([whole for whole in wholes if whole])  # a line with a lost leg returns nothing; equal ones together
    middle = len(live) // 2
    left, right = _products(live[:middle]), _products(live[middle:])
    total = 0
    for size in sizes(bet_type, len(multipliers)):
        share = scale**size * number
        kept = scale**size * stake if free else 0
        for taken in range(max(0, size - len(right) + 1), min(size, len(left) - 1) + 1):
            some, others = left[taken], right[size - taken]
            pay = _in_a_block if len(some) * len(others) >= _BLOCK_MIN else _one_by_one
            total += pay(some, others, stake, kept, share)
    return total


_Products = dict[int, int]
"""Product of some legs -> how often it occurs."""


def _products(wholes: Sequence[int]) -> list[_Products]:
    """By how many of the legs are taken: none first."""
    found: list[_Products] = [{1: 1}]
    for whole in wholes:
        found.append({})
        for taken in range(len(found) - 1, 0, -1):
            into = found[taken]
            for product, times in found[taken - 1].items():
                longer = product * whole
                into[longer] = into.get(longer, 0) + times
    return found


def _one_by_one(left: _Products, right: _Products, stake: int, kept: int, share: int) -> int:
    """What the lines of one product of each side return: of each the stake times both, less what is kept, by the share,
    rounded down, and nothing where that is less than nothing."""
    total = 0
    for product, times in left.items():
        staked = product * stake
        paid = [often * ((staked * other - kept) // share) for other, often in right.items() if staked * other > kept]
        total += times * sum(paid)
    return total


def _in_a_block(left: _Products, right: _Products, stake: int, kept: int, share: int) -> int:
    """The same, of many lines at once. Neither side is empty.

    A line returns x * y, neither above 2^``_BITS``: x is ``product * stake * best / share`` in parts of 2^-shift of a
    minor unit, y is ``other / best`` in parts of 2^-``_BITS``. Each rounded down, they multiply to at most what the
    line returns, and lack less than ``_LACKING`` of it. Where both bounds round to the same, so does the line.
    """
    best = max(right)
    most = max(left) * stake * best
    if most <= kept:
        return 0
    shift = _BITS - (most // share).bit_length()
    if shift < _SHIFT_MIN:
        return _one_by_one(left, right, stake, kept, share)
    point = shift + _BITS
    unit = stake * best << shift
    ours = np.array([product * unit // share for product in left], np.int64)
    theirs = np.array([(other << _BITS) // best for other in right], np.int64)
    least = ours[:, np.newaxis] * theirs
    highest = least + _LACKING
    if kept:
        less = (kept << point) // share
        np.maximum(least - (less + 1), 0, out=least)
        np.maximum(highest - less, 0, out=highest)
    least >>= point
    highest >>= point
    times, often = (np.array(list(side.values()), np.int64) for side in (left, right))
    total = int(times @ least @ often)
    doubtful = np.flatnonzero(least != highest)
    if doubtful.size:
        lefts, rights, found = list(left.items()), list(right.items()), least.ravel()[doubtful].tolist()
        for index, paid in zip(doubtful.tolist(), found, strict=True):
            (product, ways), (other, others) = lefts[index // len(rights)], rights[index % len(rights)]
            exact = _one_by_one({product: ways}, {other: others}, stake, kept, share)
            total += exact - ways * others * paid
    return total


def has_one(bet_type: str, legs: int) -> bool:
    """Whether it is a bet of one line, with as many legs as it may have: a single or an accumulator."""
    return 1 <= legs <= LEGS_MAX if bet_type == ACCUMULATOR else bet_type == SINGLE and legs == 1


def returns_of_one(stake: int, ratios: Iterable[tuple[int, int]], *, free: bool = False) -> int:
    """All that a bet of one line returns, in minor units: what ``returns`` says of a single or an accumulator, for
    settlement, most of whose bets are these. ``ratios`` are numerators and denominators of what a unit became."""
    became = whole = 1
    for numerator, denominator in ratios:
        if not numerator:
            return 0
        became *= numerator
        whole *= denominator
    if free:
        became -= whole
    return stake * became // whole if became > 0 else 0
