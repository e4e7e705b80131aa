"""Football's markets: what is asked, what answers it, and from when on nothing can change the answer.

A market counts a part of the match (``Counts``) and everything in it, what happened before the bet was placed included:
regular time (90 minutes and stoppage), its first half, or, in a knock-out match, extra time and the shoot-out too. A
market is a ``Kind`` and, where it has one, a line. ``resolve`` is the result if the match ended as the tally stands;
``decided`` the same as soon as no later incident can change it. What becomes of the undecided where a match does not
end as it should is in ``football_rules.py``.

Cards (Paddy Power, "Football Card Rules"; bet365's "Total Specials" agree): a yellow is 1, a red is 1, and a second
yellow is the red it leads to, so that no player has more than 2. Cards at half-time count, those after the final
whistle do not.
"""

from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from functools import lru_cache
from typing import Final, NamedTuple

from matchday.model.bet import VOID, Outcome, Result
from matchday.model.football import SENDINGS_OFF, FootballState, IncidentType, Side
from matchday.model.market import MarketKey

MATCH_RESULT: Final = "1x2"
DOUBLE_CHANCE: Final = "double_chance"
DRAW_NO_BET: Final = "draw_no_bet"
BOTH_SCORE: Final = "both_teams_to_score"
ODD_EVEN: Final = "odd_even"
CORRECT_SCORE: Final = "correct_score"
TOTAL_GOALS: Final = "total_goals"
TEAM_TOTAL_HOME: Final = "team_total_home"
TEAM_TOTAL_AWAY: Final = "team_total_away"
HANDICAP: Final = "asian_handicap"
HALF_RESULT: Final = "half_time_result"
HALF_GOALS: Final = "first_half_goals"
HALF_BOTH_SCORE: Final = "first_half_both_teams_to_score"
HALF_FULL: Final = "half_time_full_time"
CORNERS: Final = "total_corners"
CARDS: Final = "total_cards"
NEXT_GOAL: Final = "next_goal"
TO_QUALIFY: Final = "to_qualify"

SCORES_MAX: Final = 4
"""Goals of one side up to which a correct score has a selection of its own; beyond are the three ``other`` ones."""


class Tally(NamedTuple):
    """All that markets are settled on: what regular time has come to so far, and who goes through."""

    half: tuple[int, int]
    """Home and away goals of the first half."""
    full: tuple[int, int]
    order: tuple[Side, ...] = ()
    """Who got each goal."""
    corners: int = 0
    cards: int = 0
    half_over: bool = False
    over: bool = False
    """Whether regular time is over."""
    through: Side | None = None
    """The side that is ahead, extra time and shoot-out included."""
    all_over: bool = False
    """Whether nothing more is played at all."""


def tally(state: FootballState) -> Tally:
    """What a state comes to for the markets."""
    home, away = state.home, state.away
    return Tally(
        (home.first_half, away.first_half),
        state.regular_score,
        state.order,
        home.corners + away.corners - home.late_corners - away.late_corners,
        home.yellow + away.yellow + home.red + away.red
        - home.late_yellow - away.late_yellow - home.late_red - away.late_red,
        state.first_half_over,
        state.regular_over,
        state.leader,
        state.all_over,
    )  # fmt: skip


Now = Callable[[int, str, Tally], Outcome]
"""(line in quarters, outcome, tally) -> the result if it ended so."""
Early = Callable[[int, str, Tally], Outcome | None]
"""The same before the end: the result where no later incident can change it, else None."""


class Counts(StrEnum):
    """What a type of market counts: the part of the match that answers it, and of what."""

    FIRST_HALF = "goals of the first half"
    BOTH_HALVES = "goals of the first half and of regular time"
    REGULAR = "goals of regular time"
    TALLIED = "corners or cards of regular time"
    ALL = "the whole tie, extra time and shoot-out included"


class Kind(NamedTuple):
    """A type of market."""

    outcomes: tuple[str, ...]
    """In the order in which they are shown."""
    now: Now
    early: Early
    counts: Counts = Counts.REGULAR
    winners: int = 1
    """How many of its outcomes win, unless the stake is returned."""

    @property
    def of_half(self) -> bool:
        """Whether the first half answers it."""
        return self.counts == Counts.FIRST_HALF

    def ended(self, at: Tally) -> bool:
        """Whether the part of the match that it counts is over."""
        if self.counts == Counts.ALL:
            return at.all_over
        return at.over or (at.half_over and self.counts == Counts.FIRST_HALF)


_WON, _LOST = Outcome(Result.WON), Outcome(Result.LOST)
_HALF_WON, _HALF_LOST = Outcome(Result.HALF_WON, void_halves=1), Outcome(Result.HALF_LOST, void_halves=1)


def _won(whether: bool) -> Outcome:
    return _WON if whether else _LOST


def _on_line(ahead: int) -> Outcome:
    """The result of being ``ahead`` quarters above a line: a quarter is half the stake on each neighbouring line
    (sportsbook rules, "Asian handicap")."""
    if ahead == 0:
        return VOID
    if abs(ahead) == 1:
        return _HALF_WON if ahead > 0 else _HALF_LOST
    return _WON if ahead > 0 else _LOST


def _never(_line: int, _outcome: str, _tally: Tally) -> Outcome | None:
    """Goals still to come can turn it either way, however late."""
    return None


def _winner(score: tuple[int, int]) -> str:
    home, away = score
    return "home" if home > away else "away" if away > home else "draw"


def _total(count: Callable[[Tally], int], counts: Counts = Counts.REGULAR) -> Kind:
    """Over and under of something that only ever grows: passed is passed."""

    def now(line: int, outcome: str, tally_: Tally) -> Outcome:
        ahead = 4 * count(tally_) - line
        return _on_line(ahead if outcome == "over" else -ahead)

    def early(line: int, outcome: str, tally_: Tally) -> Outcome | None:
        return _won(outcome == "over") if 4 * count(tally_) - line > 1 else None

    return Kind(("over", "under"), now, early, counts)


def _both_score(score: Callable[[Tally], tuple[int, int]], counts: Counts = Counts.REGULAR) -> Kind:
    def now(_line: int, outcome: str, tally_: Tally) -> Outcome:
        return _won((outcome == "yes") == (min(score(tally_)) > 0))

    def early(_line: int, outcome: str, tally_: Tally) -> Outcome | None:
        return _won(outcome == "yes") if min(score(tally_)) > 0 else None

    return Kind(("yes", "no"), now, early, counts)


def _handicap(line: int, outcome: str, tally_: Tally) -> Outcome:
    home, away = tally_.full
    ahead = 4 * (home - away) + line
    return _on_line(ahead if outcome == "home" else -ahead)


@lru_cache(maxsize=8)
def either_of(outcome: str) -> tuple[str, ...]:
    """The two match results that an outcome of a double chance is made of."""
    return tuple(result for result, sign in (("home", "1"), ("draw", "x"), ("away", "2")) if sign in outcome)


def _double_chance(_line: int, outcome: str, tally_: Tally) -> Outcome:
    return _won(_winner(tally_.full) in either_of(outcome))


def _draw_no_bet(_line: int, outcome: str, tally_: Tally) -> Outcome:
    winner = _winner(tally_.full)
    return VOID if winner == "draw" else _won(outcome == winner)


def _score_name(score: tuple[int, int]) -> str:
    """The selection of a correct score that wins: "2-1", or "other_home" for a win that has no selection of its own."""
    return f"{score[0]}-{score[1]}" if max(score) <= SCORES_MAX else f"other_{_winner(score)}"


_SCORES: Final = {f"{h}-{a}": (h, a) for h in range(SCORES_MAX + 1) for a in range(SCORES_MAX + 1)}


def _score_passed(_line: int, outcome: str, tally_: Tally) -> Outcome | None:
    """A score is lost as soon as one side has more goals than it names."""
    home, away = _SCORES.get(outcome, tally_.full)
    return _LOST if tally_.full[0] > home or tally_.full[1] > away else None


def _half_full(_line: int, outcome: str, tally_: Tally) -> Outcome:
    return _won(outcome == f"{_winner(tally_.half)}-{_winner(tally_.full)}")


def _half_gone(_line: int, outcome: str, tally_: Tally) -> Outcome | None:
    """Half-time decides against two thirds of half-time/full-time."""
    return _LOST if tally_.half_over and not outcome.startswith(_winner(tally_.half)) else None


def _goal_number(line: int, outcome: str, tally_: Tally) -> Outcome:
    """Who got goal number line / 4, or that there was none. Void where nobody has kept who it was."""
    number, goals = line // 4, sum(tally_.full)
    if number > goals:
        return _won(outcome == "none")
    place = number - goals - 1  # from the end: the earliest may be missing
    return VOID if -place > len(tally_.order) else _won(outcome == tally_.order[place])


def _goal_scored(line: int, outcome: str, tally_: Tally) -> Outcome | None:
    return _goal_number(line, outcome, tally_) if line // 4 <= sum(tally_.full) else None


def _qualifies(_line: int, outcome: str, tally_: Tally) -> Outcome:
    """Void where the tie ended without a winner that the pitch has found."""
    return VOID if tally_.through is None else _won(outcome == tally_.through)


_SIDES: Final = ("home", "draw", "away")

KINDS: Final[dict[str, Kind]] = {
    MATCH_RESULT: Kind(_SIDES, lambda _, outcome, t: _won(outcome == _winner(t.full)), _never),
    DOUBLE_CHANCE: Kind(("1x", "12", "x2"), _double_chance, _never, winners=2),
    DRAW_NO_BET: Kind(("home", "away"), _draw_no_bet, _never),
    BOTH_SCORE: _both_score(lambda t: t.full),
    ODD_EVEN: Kind(("odd", "even"), lambda _, outcome, t: _won((outcome == "odd") == (sum(t.full) % 2 == 1)), _never),
    CORRECT_SCORE: Kind(
        (*_SCORES, *(f"other_{side}" for side in _SIDES)),
        lambda _, outcome, t: _won(outcome == _score_name(t.full)),
        _score_passed,
    ),
    TOTAL_GOALS: _total(lambda t: sum(t.full)),
    TEAM_TOTAL_HOME: _total(lambda t: t.full[0]),
    TEAM_TOTAL_AWAY: _total(lambda t: t.full[1]),
    HANDICAP: Kind(("home", "away"), _handicap, _never),
    HALF_RESULT: Kind(_SIDES, lambda _, outcome, t: _won(outcome == _winner(t.half)), _never, Counts.FIRST_HALF),
    HALF_GOALS: _total(lambda t: sum(t.half), Counts.FIRST_HALF),
    HALF_BOTH_SCORE: _both_score(lambda t: t.half, Counts.FIRST_HALF),
    HALF_FULL: Kind(
        tuple(f"{half}-{full}" for half in _SIDES for full in _SIDES), _half_full, _half_gone, Counts.BOTH_HALVES
    ),
    CORNERS: _total(lambda t: t.corners, Counts.TALLIED),
    CARDS: _total(lambda t: t.cards, Counts.TALLIED),
    NEXT_GOAL: Kind(("home", "none", "away"), _goal_number, _goal_scored),
    TO_QUALIFY: Kind(("home", "away"), _qualifies, _never, Counts.ALL),
}
"""Every type of market."""

OUTCOMES: Final[dict[str, tuple[str, ...]]] = {name: kind.outcomes for name, kind in KINDS.items()}
"""Market type -> its outcomes, in the order in which they are shown."""

TOUCHED: Final[dict[IncidentType, frozenset[str]]] = {
    IncidentType.CORNER: frozenset({CORNERS}),
    **dict.fromkeys((IncidentType.YELLOW_CARD, *sorted(SENDINGS_OFF)), frozenset({CARDS})),
}
"""Incidents that are material to the markets that count them: these begin a new generation, whether or not the incident
suspends the book, so that no bet is taken at a price from before it."""

CATALOGUE: Final[tuple[MarketKey, ...]] = (
    *map(MarketKey, (MATCH_RESULT, DOUBLE_CHANCE, DRAW_NO_BET, BOTH_SCORE, ODD_EVEN, CORRECT_SCORE)),
    *(MarketKey(TOTAL_GOALS, line) for line in range(2, 23)),  # 0.5 to 5.5 in quarters
    *(MarketKey(kind, line) for kind in (TEAM_TOTAL_HOME, TEAM_TOTAL_AWAY) for line in range(2, 15, 4)),  # 0.5 to 3.5
    *(MarketKey(HANDICAP, line) for line in range(-12, 13)),  # -3 to +3 in quarters, the home side's
    MarketKey(HALF_RESULT),
    *(MarketKey(HALF_GOALS, line) for line in range(2, 11, 4)),  # 0.5 to 2.5
    MarketKey(HALF_BOTH_SCORE),
    MarketKey(HALF_FULL),
    *(MarketKey(CORNERS, line) for line in range(26, 55, 4)),  # 6.5 to 13.5
    *(MarketKey(CARDS, line) for line in range(6, 27, 4)),  # 1.5 to 6.5
)
"""The markets that every match has. Beside them it has one for the next goal, made anew after each."""

KNOCKOUT: Final[tuple[MarketKey, ...]] = (MarketKey(TO_QUALIFY),)
"""Those that a knock-out match has besides."""


def next_goal(goals: int) -> MarketKey:
    """The market of the goal that follows so many."""
    return MarketKey(NEXT_GOAL, 4 * (goals + 1))


def resolve(key: MarketKey, outcome: str, at: Tally) -> Outcome:
    """What a selection's result is if the match ended so."""
    kind = KINDS.get(key.type)
    if kind is None:
        raise ValueError(f"market type {key.type!r} is not a football market")
    return kind.now(key.line or 0, outcome, at)


def decided(key: MarketKey, outcome: str, at: Tally) -> Outcome | None:
    """The result of a selection where nothing still to come can change it, else None."""
    kind = KINDS[key.type]
    return (kind.now if kind.ended(at) else kind.early)(key.line or 0, outcome, at)


Named = tuple[MarketKey, tuple[str, ...]]
"""A market and its selections, by their ids without the fixture, in the order of its outcomes."""


def _named(keys: Iterable[MarketKey]) -> tuple[Named, ...]:
    return tuple((key, tuple(f"{key.name}/{outcome}" for outcome in OUTCOMES[key.type])) for key in keys)


_NAMED: Final = _named(CATALOGUE)
_NAMED_KNOCKOUT: Final = _named(KNOCKOUT)


def asked(state: FootballState) -> Iterator[Named]:
    """Every market that has been asked of a match. Every goal so far has its market, and so has the next; likewise
    those that were offered before a goal was taken back, or before a correction that knows fewer."""
    yield from _NAMED
    if state.knockout:
        yield from _NAMED_KNOCKOUT
    yield from _named(map(next_goal, range(state.goals_asked + 1)))


def decisions(state: FootballState) -> dict[str, Outcome | None]:
    """What each selection of a match has come to, or None; by the selection's id without its fixture."""
    at = tally(state)
    found: dict[str, Outcome | None] = {}
    for key, names in asked(state):
        kind = KINDS[key.type]
        judge = kind.now if kind.ended(at) else kind.early
        line = key.line or 0
        for name, outcome in zip(names, kind.outcomes, strict=True):
            found[name] = judge(line, outcome, at)
    return found
