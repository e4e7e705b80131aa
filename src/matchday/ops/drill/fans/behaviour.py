"""What a fan does in one visit: when it looks at home, watches, taps, bets, and when it leaves. Pure, by the seed.

Numbers are averages of a visit, in seconds of the match: a drill that is compressed ten times has its fans do the same
in a tenth of the time. They are assumptions (docs/drills.md): nobody has watched real fans of this platform.
"""

import math
import random
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec


class Act(StrEnum):
    """What is timed, each from when it was due."""

    ARRIVE = "arrive"
    """A newcomer asks for an account until it has one; through the waiting room, if need be."""
    HOME = "home"
    """The list of what can be bet on, over HTTP."""
    WATCH = "watch"
    """A WebSocket until the snapshot of the fixture is there."""
    TAP = "tap"
    """A tap until it is acknowledged."""
    BET = "bet"
    """A bet until its first answer: accepted, refused, or that it waits its delay in play."""
    COME_BACK = "come_back"
    """A watcher whose connection is gone, until it is in step again."""
    LEAVE = "leave"
    """Not timed."""


TIMED: Final = tuple(act for act in Act if act is not Act.LEAVE)
STAY_SHARE_MAX: Final = 6.0
"""Times the average that a visit lasts at most."""
_EACH_MAX: Final = 50
"""Acts of one kind in a visit, at most."""


class Mix(msgspec.Struct, frozen=True):
    """A kind of crowd."""

    stay_s: float
    """Average seconds of the match that a visit lasts."""
    home: float
    """Looks at home in a visit, the first at once; the average of the others beyond it."""
    watch: float
    """Share of fans who watch a match."""
    taps: float
    bets: float
    """Of those who watch, averages in a visit."""
    back: float = 0.0
    """Times that a watcher loses its connection and comes back (a train's tunnel), on average."""


MIXES: Final[Mapping[str, Mix]] = {
    "evening": Mix(stay_s=600, home=1.5, watch=0.7, taps=6, bets=0.6, back=0.2),
    "kick-off": Mix(stay_s=1_500, home=1.2, watch=0.95, taps=4, bets=0.9, back=0.2),
    "goal": Mix(stay_s=180, home=1.1, watch=0.95, taps=3, bets=0.8, back=0.1),
    "home": Mix(stay_s=90, home=4.0, watch=0.2, taps=2, bets=0.3),
    "flash": Mix(stay_s=60, home=1.2, watch=0.5, taps=2, bets=0.15),
}
"""``evening``: whoever comes at any time; ``kick-off``: to watch a match; ``goal``: to see what happened; ``home``:
looks for the next match; ``flash``: tapped on a notification."""


def visit(mix: Mix, chance: random.Random) -> list[tuple[float, Act]]:
    """(seconds of the match since its due arrival, act) in order: from its arrival to its leaving."""
    stay = min(chance.expovariate(1 / mix.stay_s), STAY_SHARE_MAX * mix.stay_s)
    acts = [(0.0, Act.ARRIVE), (0.0, Act.HOME)]
    acts += _some(mix.home - 1, stay, Act.HOME, chance)
    if chance.random() < mix.watch:
        acts.append((0.02 * stay, Act.WATCH))
        for act, average in ((Act.TAP, mix.taps), (Act.BET, mix.bets), (Act.COME_BACK, mix.back)):
            acts += [(0.04 * stay + 0.96 * at, act) for at, act in _some(average, stay, act, chance)]
    order = {act: n for n, act in enumerate(Act)}
    return [*sorted(acts, key=lambda each: (each[0], order[each[1]])), (stay, Act.LEAVE)]


def _some(average: float, stay: float, act: Act, chance: random.Random) -> list[tuple[float, Act]]:
    """So many on average, at any time of a stay."""
    return [(chance.random() * stay, act) for _ in range(min(drawn(average, chance), _EACH_MAX))]


def drawn(average: float, chance: random.Random) -> int:
    """A number with this average, as a Poisson process has them."""
    if average <= 0:
        return 0
    left, count = math.exp(-average), 0
    product = chance.random()
    while product > left and count < _EACH_MAX:
        count += 1
        product *= chance.random()
    return count


def requests(mix: Mix) -> float:
    """HTTP requests and handshakes of a visit, on average: what a web server's log would have of it."""
    return 1 + mix.home + mix.watch * (1 + mix.back)


def bets(mix: Mix) -> float:
    """Of a visit, on average."""
    return mix.watch * mix.bets
