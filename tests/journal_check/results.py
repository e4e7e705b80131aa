"""Results: what a selection comes to by the score, and from when on nothing can change it."""

from __future__ import annotations

import re
from typing import Final

from tests.journal_check.provider import Facts, Score

OUTCOME_SIGN: Final = {"home": 1, "away": -1, "over": 1, "under": -1}
OF_FIRST_HALF: Final = frozenset({"half_time_result", "first_half_goals", "first_half_both_teams_to_score"})
OF_THE_TIE: Final = frozenset({"to_qualify"})
"""What counts extra time and the shoot-out."""
NOT_OFFICIAL: Final = OF_FIRST_HALF | {"total_corners", "total_cards"}
"""What an official result does not answer of a match that was stopped."""
NAMED_GOALS_MAX: Final = 4
"""Correct scores are named up to 4-4, beyond by who leads."""


def leader(score: Score) -> str:
    """The side that leads, or `draw`."""
    return "draw" if score[0] == score[1] else "home" if score[0] > score[1] else "away"


def through(facts: Facts) -> str:
    """The side that goes through: by goals, where they are level by the shoot-out; `draw` where neither tells."""
    return leader(facts.total) if leader(facts.total) != "draw" else leader(facts.kicks)


def winning_outcomes(kind: str, quarters: int | None, facts: Facts) -> tuple[str, ...] | None:
    """The outcomes that win a market of named answers: none where stakes come back, None for another market."""
    home, away = facts.regular
    first = leader(facts.half)
    last = leader(facts.regular)
    if kind == "next_goal":
        number = (quarters or 0) // 4
        return (facts.order[number - 1] if number <= len(facts.order) else "none",)
    answers: dict[str, tuple[str, ...]] = {
        "1x2": (last,),
        "double_chance": {"home": ("1x", "12"), "draw": ("1x", "x2"), "away": ("12", "x2")}[last],
        "draw_no_bet": () if last == "draw" else (last,),
        "both_teams_to_score": ("yes" if home and away else "no",),
        "odd_even": ("odd" if (home + away) & 1 else "even",),
        "correct_score": (f"{home}-{away}" if home <= NAMED_GOALS_MAX >= away else f"other_{last}",),
        "half_time_result": (first,),
        "first_half_both_teams_to_score": ("yes" if all(facts.half) else "no",),
        "half_time_full_time": (f"{first}-{last}",),
        "to_qualify": () if through(facts) == "draw" else (through(facts),),
    }
    return answers.get(kind)


def named_outcomes(kind: str) -> set[str]:
    """Every outcome of a market of named answers."""
    sides, named = ("home", "draw", "away"), range(NAMED_GOALS_MAX + 1)
    outcomes = {
        "1x2": {*sides},
        "half_time_result": {*sides},
        "next_goal": {"home", "none", "away"},
        "double_chance": {"1x", "12", "x2"},
        "draw_no_bet": {"home", "away"},
        "to_qualify": {"home", "away"},
        "odd_even": {"odd", "even"},
        "correct_score": {f"{h}-{a}" for h in named for a in named} | {f"other_{side}" for side in sides},
        "half_time_full_time": {f"{first}-{last}" for first in sides for last in sides},
    }
    return outcomes.get(kind, {"yes", "no"})


def measured(kind: str, facts: Facts) -> int | None:
    """What is held against the line of an over/under market; None for another kind."""
    home, away = facts.regular
    amounts = {
        "total_goals": home + away,
        "team_total_home": home,
        "team_total_away": away,
        "first_half_goals": sum(facts.half),
        "total_corners": facts.corners,
        "total_cards": facts.cards,
    }
    return amounts.get(kind)


def true_result(kind: str, quarters: int | None, outcome: str, facts: Facts) -> str | None:
    """The result of a selection at the end; None for a market or an outcome not known here.

    `quarters` is the line in quarters; a line of an odd number of quarters is half a stake on each neighbour.
    """
    winners = winning_outcomes(kind, quarters, facts)
    if winners is not None:
        if outcome not in named_outcomes(kind):
            return None
        return "won" if outcome in winners else "lost" if winners else "void"
    amount = measured(kind, facts)
    if (amount is None and kind != "asian_handicap") or quarters is None or outcome not in OUTCOME_SIGN:
        return None
    lines = (quarters,) if quarters % 2 == 0 else (quarters - 1, quarters + 1)
    ahead = facts.regular[0] - facts.regular[1]
    halves = [OUTCOME_SIGN[outcome] * (4 * ahead + line if amount is None else 4 * amount - line) for line in lines]
    signs = sorted((half > 0) - (half < 0) for half in halves * (3 - len(halves)))
    return {(1, 1): "won", (0, 1): "half_won", (0, 0): "void", (-1, 0): "half_lost", (-1, -1): "lost"}[
        signs[0], signs[1]
    ]


def determined(kind: str, quarters: int | None, outcome: str, facts: Facts) -> bool:
    """Whether nothing that may still happen can change the result of a selection."""
    if kind in OF_THE_TIE:
        return facts.tie_over
    if facts.ended or (facts.half_over and kind in OF_FIRST_HALF):
        return True
    amount = measured(kind, facts)
    if amount is not None and quarters is not None:
        return 4 * amount - quarters >= 2
    if kind in ("both_teams_to_score", "first_half_both_teams_to_score"):
        return min(facts.regular if kind == "both_teams_to_score" else facts.half) > 0
    if kind == "correct_score":
        named = re.fullmatch(r"(\d)-(\d)", outcome)
        return named is not None and (facts.regular[0] > int(named[1]) or facts.regular[1] > int(named[2]))
    if kind == "half_time_full_time":
        return facts.half_over and outcome.split("-")[0] != leader(facts.half)
    return kind == "next_goal" and len(facts.order) >= (quarters or 0) // 4


def when_stopped(status: str, kind: str, quarters: int | None, outcome: str, facts: Facts) -> str | None:
    """The result of a selection of a match that did not end as it should: what is determined stands, the rest is void;
    of a match whose score stands, what that score answers is settled on it."""
    if status == "cancelled":
        return "void"
    if determined(kind, quarters, outcome, facts):
        return true_result(kind, quarters, outcome, facts)
    official = status == "shortened" and kind not in NOT_OFFICIAL
    if official and (facts.half_over or kind != "half_time_full_time"):
        return true_result(kind, quarters, outcome, facts)
    return "void"
