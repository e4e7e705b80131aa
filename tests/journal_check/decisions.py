"""Decisions: what selections came to, and times in which bets were placed on what was known."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

from tests.journal_check.report import Row
from tests.journal_check.state import State, Window

VOID_SHARE: Final = {"won": "0", "lost": "0", "void": "1", "half_won": "0.5", "half_lost": "0.5"}


class Decisions:
    """Judges decisions by what has happened; whether they are true, ``books`` says at the end."""

    def __init__(self, state: State) -> None:
        self._state = state

    def on_decision(self, row: Row) -> None:
        """A selection was decided, or is undecided again as a goal was taken back."""
        state, selection, version = self._state, row["selection"], int(row["version"])
        result = None if row["result"] == "undecided" else row["result"]
        named = selection.startswith(row["market"] + "/") and row["market"].startswith(row["fixture"] + ":")
        state.judge(named, "decision form", lambda: f"{selection} of {row['market']}, {row['fixture']}")
        if result is not None:
            shares = Fraction(row["void_share"]) == Fraction(VOID_SHARE[result]) and Fraction(row["dead_heat"]) == 1
            state.judge(shares, "decision form", lambda: f"{selection}: {result}, void share {row['void_share']}")
        before = state.decisions.get(selection)
        fresh = before is None or version > before[1] or (result, version) == before[:2]
        state.judge(fresh, "decision version", lambda: f"{selection}: version {version} {result} after {before}")
        if result is not None:
            self._not_early(row, selection)
        if before is not None and version > before[1] and result != before[0]:
            state.report.unchecked("decision", "a decision that a higher version replaced")
        unchanged = result == (before[0] if before else None)
        if not unchanged and (before is None or version > before[1]):  # what stays as it is keeps its version
            state.decisions[selection] = (result, version, state.line)

    def _not_early(self, row: Row, selection: str) -> None:
        state = self._state
        market, fixture = state.markets.get(row["market"]), state.fixture(row["fixture"])
        if market is None:
            state.report.unchecked("decision is not early", "a market that is in no book")
            return
        early = not market.decided(selection)
        state.judge(not early, "decision is not early", lambda: f"{selection} at {fixture.facts()}")

    def on_confirmed(self, row: Row) -> None:
        """All that was decided of a fixture up to a version is confirmed; until then it is provisional."""
        fixture = self._state.fixture(row["fixture"])
        fixture.confirmed = max(row["version"], fixture.confirmed or 0)

    def on_window(self, row: Row) -> None:
        """Bets on a fixture that were placed in this time are void on it; a version that is known stays as it is."""
        held = self._state.windows[row["fixture"]]
        if all(window.version != row["version"] for window in held):
            held.append(Window(row["version"], row["from_ms"], row["until_ms"]))
