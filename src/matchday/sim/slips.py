"""Slips: what a simulated fan puts together from what the own screen shows, and in which way it is to be taken.

Owns no fan and no chance of its own: each is handed in.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from math import comb
from typing import Any, Final

from matchday.model.bet import Leg, Part, combination
from matchday.model.football_markets import TOTAL_GOALS, next_goal
from matchday.model.market import split_selection
from matchday.model.price import PRICE_MIN, parse_price
from matchday.sim.screens import View

Shown = dict[str, Any]
"""A market as a screen shows it."""
Ask = Callable[[Leg], int | None]
"""The joint price of a combination, as a gate quotes it; None where it does not."""

_TYPES: Final[Mapping[int, Sequence[str]]] = {
    1: ("",), 2: ("", "", "system:1/2"), 3: ("", "", "trixie", "patent", "system:2/3"),
}  # fmt: skip
"""Number of legs -> types that fans place."""
_LINES: Final = {"trixie": 4, "patent": 7}
_COMBINES: Final = 0.2
"""Share of legs that fans make of several selections of one match."""
_NEXT: Final = 0.4
"""Share of the others that the next goal decides, while bets with other legs live on."""
_LIKES_VOID: Final = 0.5
"""Share of these whose parts may all come to nothing: what a combination comes to then is the hard part of its rule."""


def legs_of(chance: random.Random, views: Mapping[str, View], channels: Sequence[str], ask: Ask) -> list[Leg]:
    """Legs on some of the fixtures that a fan follows."""
    legs: list[Leg] = []
    for channel in channels:
        view = views.get(channel)
        if view is None or not view.markets or (legs and chance.random() < 0.5):
            continue
        fixture = channel.partition(":")[2]
        if chance.random() < _COMBINES:
            leg = _combined(chance, fixture, view, ask)
        else:
            leg = (known_leg if chance.random() < _NEXT else any_leg)(chance, fixture, view)
        if leg is not None:
            legs.append(leg)
    return legs


def any_leg(chance: random.Random, fixture: str, view: View) -> Leg | None:
    """A selection that the screen shows; mostly of an open market."""
    market = _market(chance, view, lambda _: True)
    if market is None:
        return None
    return _leg(fixture, market, chance.choice(market["selections"]))


def _combined(chance: random.Random, fixture: str, view: View, ask: Ask) -> Leg | None:
    """Two or three selections of different markets, at the price that a gate quotes for them together."""
    parts: dict[str, Part] = {}
    fits = _can_be_void if chance.random() < _LIKES_VOID else _is_whole
    for _ in range(chance.choice((2, 2, 3))):
        market = _market(chance, view, fits)
        if market is not None:
            selection = chance.choice(market["selections"])["selection"]
            parts[market["market"]] = Part(market["market"], selection, market["generation"])
    if len(parts) < 2:
        return None
    price = ask(combination(fixture, PRICE_MIN, list(parts.values())))
    return None if price is None else combination(fixture, price, list(parts.values()))


def _is_whole(market: Shown) -> bool:
    """Whether a market's selections never half win: others are not combined."""
    return not str(market["market"]).endswith((".25", ".75"))


def _can_be_void(market: Shown) -> bool:
    """Whether the result itself may void a market's selections."""
    return str(market["market"]).endswith((".0", ":draw_no_bet"))


def _market(chance: random.Random, view: View, fits: Callable[[Shown], bool]) -> Shown | None:
    shown = [
        market for market in view.markets.values()
        if market["selections"] and (market["status"] == "open" or chance.random() < 0.02) and fits(market)
    ]  # fmt: skip
    return chance.choice(shown) if shown else None


def _leg(fixture: str, market: Shown, selection: Shown) -> Leg:
    return Leg(fixture, market["market"], selection["selection"], parse_price(selection["price"]), market["generation"])


def type_of(chance: random.Random, legs: int) -> tuple[str, int]:
    """A type for so many legs, and its lines."""
    bet_type = chance.choice(_TYPES[legs])
    if bet_type.startswith("system:"):
        size, of = (int(number) for number in bet_type.removeprefix("system:").split("/"))
        return bet_type, comb(of, size)
    return bet_type, _LINES.get(bet_type, 1)


def known_leg(chance: random.Random, fixture: str, view: View) -> Leg | None:
    """On a market that the next goal decides: what somebody backs who has seen it fall."""
    goals = sum(view.board["score"]) if view.board else 0
    decided = [
        market for market in view.markets.values()
        if market["status"] == "open" and market["selections"] and _decides(goals, market["selections"][0]["selection"])
    ]  # fmt: skip
    if not decided:
        return None
    market = chance.choice(decided)
    return _leg(fixture, market, chance.choice(market["selections"]))


def _decides(goals: int, selection: str) -> bool:
    """Whether the goal that follows so many decides a selection's market, whoever gets it."""
    _, key, _ = split_selection(selection)
    if key.type == TOTAL_GOALS:
        return 4 * goals < (key.line or 0) <= 4 * goals + 2
    return key == next_goal(goals)
