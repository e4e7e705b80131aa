"""Guards: the limits that a fan has set himself, and what the house may lose on an account, a selection, a market or a
fixture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from fractions import Fraction
from math import ceil
from typing import Final

from tests.journal_check.lines import per_unit
from tests.journal_check.report import Row
from tests.journal_check.state import DAY_MS, Account, Bet, Leg, State

LIMITS: Final = {
    "stake_day": 1, "stake_week": 7, "stake_month": 30, "loss_day": 1, "loss_week": 7, "loss_month": 30,
}  # fmt: skip
"""A fan's limits, and the days of UTC of their windows, today included."""
COOLING_MS: Final = DAY_MS
"""How long a higher limit takes to count (UKGC RTS 12)."""
CAPS: Final = {
    "account": "exposure_account_max", "selection": "exposure_selection_max", "market": "exposure_market_max",
    "fixture": "exposure_fixture_max",
}  # fmt: skip


class Guards:
    """What counts against limits and exposures."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._exposure: Counter[tuple[str, str]] = Counter()

    # ------------------------------------------------ a fan's own limits

    def on_limit(self, row: Row) -> None:
        """A lower limit counts at once; a higher one, or none, a day later; the last that was set is the one."""
        state, name, new = self._state, row["limit"], row["amount"]
        account = state.accounts.get(row["account"])
        if name not in LIMITS:
            raise ValueError(f"limit {name}")
        expected = "account_unknown" if account is None else "accepted"
        state.judge(row["answer"] == expected, "answer to a limit", lambda: f"{row['answer']}, expected {expected}")
        if account is None:
            return
        state.report.saw("limits", name)
        now = in_force(account, name, row["t_ms"])
        lower = now is None or (new is not None and new <= now)
        account.limits[name] = (new, new, 0) if lower else (now, new, row["t_ms"] + COOLING_MS)

    def left(self, account: Account, kind: str, now_ms: int) -> int | None:
        """The most that may be staked by a fan's limits of stakes or of losses; None without any."""
        today, found = now_ms // DAY_MS, []
        for name, days in LIMITS.items():
            limit = in_force(account, name, now_ms)
            if name.startswith(kind) and limit is not None:
                used = sum(account.staked[day] for day in range(today - days + 1, today + 1))
                if kind == "loss":
                    used -= sum(account.returned[day] for day in range(today - days + 1, today + 1))
                found.append(limit - used if limit else 0)  # zero leaves nothing, also where he has won
        return min(found, default=None)

    def own_refusal(self, name: str, stake: int, now_ms: int, *, free: bool) -> str | None:
        """Which of a fan's own limits a stake would pass. A free bet is none of his money: of his limits only one of
        zero, which stops all betting, is above it."""
        account = self._state.accounts[name]
        for kind in ("stake", "loss"):
            left = self.left(account, kind, now_ms)
            stopped = any(in_force(account, limit, now_ms) == 0 for limit in LIMITS if limit.startswith(kind))
            if stopped if free else left is not None and stake > left:
                return f"{kind}_limit_reached"
        return None

    # ------------------------------------------------ exposures

    def passed(self, account: str, legs: Iterable[Leg], amount: int) -> list[str]:
        """The caps that would be passed by so much more liability."""
        return [what for what, name in _keys(account, legs) if amount > self._room(what, name)]

    def room(self, account: str, legs: Iterable[Leg]) -> int:
        """The most liability that every cap leaves room for."""
        return min(self._room(what, name) for what, name in _keys(account, legs))

    def _room(self, what: str, name: str) -> int:
        cap = self._state.limit(CAPS[what])
        if cap is None:
            return 10**18
        writers = 1 if what == "account" else self._state.settings.get("writers", 1)
        return int(cap // writers - self._exposure[what, name])

    def hold(self, bet: Bet, sign: int) -> None:
        """An open bet holds its whole liability of its account and of every selection, market and fixture of it."""
        for key in _keys(bet.account, bet.legs):
            self._exposure[key] += sign * bet.held

    def exposures(self) -> dict[str, int]:
        """What is held, by the names that the journal has for it."""
        writer = self._state.settings.get("writer", 0)
        return {
            f"exposure:account:{name}" if what == "account" else f"exposure:{name}#{writer}": used
            for (what, name), used in self._exposure.items() if used
        }  # fmt: skip

    # ------------------------------------------------ what would be taken

    def stake_max(self, name: str, now_ms: int, bet_type: str, legs: list[Leg], most: int) -> int:
        """The largest stake up to ``most`` that limits, balance and exposures leave room for."""
        state = self._state
        left = [self.left(state.accounts[name], kind, now_ms) for kind in ("stake", "loss")]
        profit = per_unit(bet_type, [Fraction(leg.price, 1000) for leg in legs]) - 1
        room = max(0, self.room(name, legs))
        exposed = ceil(Fraction(room + 1) / profit) - 1  # the largest whose liability, rounded down, is within it
        return max(0, min(most, state.funds(name), exposed, *(each for each in left if each is not None)))


def in_force(account: Account, name: str, now_ms: int) -> int | None:
    """A fan's limit now."""
    if name not in account.limits:
        return None
    limit, following, from_ms = account.limits[name]
    return following if now_ms >= from_ms else limit


def _keys(account: str, legs: Iterable[Leg]) -> list[tuple[str, str]]:
    found = {("account", account): None}
    for leg in legs:
        found |= dict.fromkeys(("selection", name) for name in leg.selections)
        found |= dict.fromkeys(("market", name) for name in leg.markets)
        found["fixture", leg.fixture] = None
    return list(found)
