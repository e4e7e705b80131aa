"""How many of each target there should be: pure, with time handed in.

Wanted is the most of what is forecast until one that is asked for now is ready, what is seen now (the rule of
Kubernetes' horizontal autoscaler, with its tolerance and stabilisation) and the floor. More is asked for at once, by
steps; fewer only where nothing speaks against it: no match holds, no doubt stands, and the highest that was wanted in
the last minutes is lower, too.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import ceil
from typing import Final

from matchday.ops.capacity import fewest

RECENT_MAX: Final = 4_096
"""Recommendations kept; with more rounds in a stabilisation window the oldest leave it early, each by its highest."""


class Why(StrEnum):
    """What decided."""

    ENOUGH = "enough"
    FLOOR = "floor"
    FORECAST = "forecast"
    SEEN = "seen"
    STEP = "step"  # more is wanted than one step may bring
    CEILING = "ceiling"
    SPARE = "spare"  # fewer do
    HOLD = "hold"
    DOUBT = "doubt"
    STABILISING = "stabilising"
    STARTING = "starting"  # what is on order carries nothing yet
    UNKNOWN = "unknown"  # how many there are


@dataclass(frozen=True, slots=True)
class Rule:
    """How a target may be changed. Seconds are the clock's that is handed in."""

    floor: int = 1
    ceiling: int = 1
    target_percent: int = 85
    """Of what one carries: how full it is kept by what is seen now, beside a forecast, which has its own margin."""
    blind_percent: int = 70
    """The same where nothing is forecast: a boot time's rise must fit in what is left."""
    tolerance: float = 0.1
    """Of the target, within which what is seen changes nothing."""
    stable_s: float = 300.0
    """Of which the highest recommendation holds before there are fewer; after a start, nothing shrinks so long."""
    step_up: int = 4
    step_up_percent: int = 100
    """More at one decision: the larger of the two, as Kubernetes has it. To the floor it goes at once."""
    step_down: int = 1
    down_every_s: float = 60.0
    """Seconds from one decision for fewer to the next."""


@dataclass(frozen=True, slots=True)
class Amount:
    """So much of a load, of which one carries so much."""

    load: str
    value: float
    per_process: float
    at: str = ""
    """Of what is forecast: when it is the most."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Nothing shrinks until then, and why."""

    until: str
    why: str
    order: float = float("inf")
    """Of several the one that lasts longest is named: the highest."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known of a target at a moment."""

    asked: int | None
    """How many were asked for and not released; None where nobody can say."""
    ready: int | None
    seen: Sequence[Amount] = ()
    ahead: Sequence[Amount] = ()
    """The most that must be carried until one asked for now is ready; empty where nothing is forecast on purpose."""
    holds: Sequence[Hold] = ()
    doubts: Sequence[str] = ()
    """Why nothing may shrink: a forecaster or a metric that is away, a model of another version, clocks, ..."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What is wanted of a target, and why."""

    asked: int | None
    ready: int | None
    wish: int
    """What would do, before holds, doubts and steps."""
    wanted: int | None
    """None where nothing can be asked for safely."""
    why: Why
    """What decided the number."""
    source: Why
    """What the wish follows from: forecast, seen, floor."""
    amount: Amount | None
    """The load that it follows from."""
    hold: Hold | None = None
    doubts: Sequence[str] = ()
    wait_s: float = 0.0
    """Seconds for which it will not change for the same reason, where that is known."""

    @property
    def change(self) -> int:
        """Processes more (fewer, where negative)."""
        return 0 if self.wanted is None or self.asked is None else self.wanted - self.asked


class Core:
    """Decides for one target; remembers what it recommended."""

    def __init__(self, rule: Rule) -> None:
        if not 0 <= rule.floor <= rule.ceiling:
            raise ValueError(f"floor {rule.floor} and ceiling {rule.ceiling}: expected 0 <= floor <= ceiling")
        self._rule = rule
        self._recent: deque[tuple[float, int]] = deque(maxlen=RECENT_MAX)
        self._since: float | None = None
        self._fewer_at = float("-inf")

    def decide(self, now_s: float, there: Situation) -> Decision:
        """``now_s`` never goes back."""
        wish, source, amount = self._wish(there)
        capped = min(wish, self._rule.ceiling)
        self._since = now_s if self._since is None else self._since
        self._recent.append((now_s, capped))
        while self._recent[0][0] <= now_s - self._rule.stable_s:
            self._recent.popleft()
        found = Decision(there.asked, there.ready, wish, None, Why.UNKNOWN, source, amount, doubts=there.doubts)
        if there.asked is None:
            return found
        wanted, why, wait_s, hold = self._change(now_s, there, there.asked, capped)
        if why in (Why.SEEN, Why.ENOUGH) and wish > capped:
            why = Why.CEILING
        elif why is Why.SEEN:  # nothing stood against the wish: what it follows from decided
            why = source
        if wanted < there.asked:
            self._fewer_at = now_s
        return Decision(there.asked, there.ready, wish, wanted, why, source, amount, hold, there.doubts, wait_s)

    def _wish(self, there: Situation) -> tuple[int, Why, Amount | None]:
        rule = self._rule
        percent = rule.target_percent if there.ahead else rule.blind_percent
        best: tuple[int, Why, Amount | None] = (rule.floor, Why.FLOOR, None)
        for amount in there.seen:
            wanted = fewest(amount.value, amount.per_process, percent)
            full = (there.asked or 0) * amount.per_process * percent / 100
            if there.asked and full > 0 and abs(amount.value / full - 1) <= rule.tolerance:
                wanted = there.asked
            if wanted > best[0]:
                best = (wanted, Why.SEEN, amount)
        for amount in there.ahead:
            wanted = fewest(amount.value, amount.per_process)
            if wanted > best[0]:
                best = (wanted, Why.FORECAST, amount)
        return best

    def _change(self, now_s: float, there: Situation, asked: int, capped: int) -> tuple[int, Why, float, Hold | None]:
        """(wanted, what decided, seconds that it will, the hold that did)."""
        if capped >= asked:
            return self._more(asked, capped)
        if there.holds:
            return asked, Why.HOLD, 0.0, max(there.holds, key=lambda hold: hold.order)
        if there.doubts:
            return asked, Why.DOUBT, 0.0, None
        return self._fewer(now_s, there, asked)

    def _more(self, asked: int, capped: int) -> tuple[int, Why, float, Hold | None]:
        rule = self._rule
        if capped == asked:
            return asked, Why.ENOUGH, 0.0, None
        step = max(rule.step_up, ceil(asked * rule.step_up_percent / 100))
        reached = max(asked + step, min(rule.floor, capped))
        return (reached, Why.STEP, 0.0, None) if reached < capped else (capped, Why.SEEN, 0.0, None)

    def _fewer(self, now_s: float, there: Situation, asked: int) -> tuple[int, Why, float, Hold | None]:
        rule = self._rule
        since = now_s if self._since is None else self._since
        left = max(since + rule.stable_s, self._fewer_at + rule.down_every_s) - now_s
        if left > 0:
            return asked, Why.STABILISING, left, None
        stable = max(count for _, count in self._recent)
        if stable >= asked:
            left = max(at for at, count in self._recent if count >= asked) + rule.stable_s - now_s
            return asked, Why.STABILISING, left, None
        # What is ready goes only as far as the rest of it is enough: what is on order carries nothing yet.
        spare = max((there.ready or 0) - stable, 0)
        if not spare:
            return asked, Why.STARTING, 0.0, None
        return asked - min(spare, asked - stable, max(rule.step_down, 1)), Why.SPARE, 0.0, None
