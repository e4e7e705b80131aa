"""The settlement rules of a football book: for each way in which a match can end, what becomes of its selections.

One table, ``RULES``. A selection is *decided* where nothing still to come could have changed it, or where the part of
the match that it counts was over (``football_markets.decisions``); else it is *undecided*. While a match lasts no rule
is needed: the decided stand, the undecided wait. docs/rules.md has the same table for people; a source is a page of
another house or provider, or *house rule* where we chose.
"""

from enum import StrEnum
from typing import Final, NamedTuple

from matchday.model.bet import VOID, Outcome
from matchday.model.football import FootballState, Period
from matchday.model.football_markets import KINDS, Counts, Tally, asked, decisions, tally
from matchday.model.messages import OVER, FixtureSnapshot, FixtureStatus


class Then(StrEnum):
    """What becomes of a selection."""

    STANDS = "stands"
    RESULT = "settled on the official result"  # void where it asks for a half-time, or a winner, that there was not
    VOID = "void"
    WAITS = "waits"


class Rule(NamedTuple):
    """A row: one ending, and what the markets count that it speaks of."""

    ending: FixtureStatus
    counts: frozenset[Counts]
    decided: Then
    undecided: Then
    source: str


_ALL: Final = frozenset(Counts)
_SCORE: Final = frozenset({Counts.REGULAR, Counts.BOTH_HALVES, Counts.ALL})
"""What an official result answers: it is a score, and names who goes through."""

RULES: Final[tuple[Rule, ...]] = (
    Rule(
        FixtureStatus.FINISHED, _ALL, Then.STANDS, Then.RESULT,
        "the official result counts: https://pokerstars.com/sports/isp/games/rules",
    ),
    Rule(
        FixtureStatus.ABANDONED, _ALL, Then.STANDS, Then.VOID,
        "void unless there is an official result, and what was unconditionally determined stands: "
        "https://boylesports.zendesk.com/hc/en-us/articles/360012180114",
    ),
    Rule(
        FixtureStatus.SHORTENED, _SCORE, Then.STANDS, Then.RESULT,
        "void unless there is an official result: https://boylesports.zendesk.com/hc/en-us/articles/360012180114. "
        "House rule: however long was played; other houses ask for 90 minutes",
    ),
    Rule(
        FixtureStatus.SHORTENED, _ALL - _SCORE, Then.STANDS, Then.VOID,
        "house rule: an official result says nothing of a half that was not completed, nor of corners and cards",
    ),
    Rule(
        FixtureStatus.AWARDED, _ALL, Then.STANDS, Then.VOID,
        "later disqualifications are ignored: https://pokerstars.com/sports/isp/games/rules. House rule: so is every "
        "result that was not played, who goes through by it included",
    ),
    Rule(
        FixtureStatus.POSTPONED, _ALL, Then.STANDS, Then.WAITS,
        "void unless played within 48 hours, as in cricket: https://cad.pokerstars.com/sports/isp/games/rules/cricket. "
        "House rule: of football too, from the first announced start to the kick-off (setting feed.bets_stand_ms)",
    ),
    Rule(
        FixtureStatus.CANCELLED, _ALL, Then.VOID, Then.VOID,
        "void reasons CANCELLED_EVENT and EVENT_POSTPONED: "
        "https://docs.sportradar.com/uof/data-and-features/messages/event/bet-settlement",
    ),
    Rule(
        FixtureStatus.UNKNOWN, _ALL, Then.STANDS, Then.WAITS,
        "house rule: an ending that this release does not know settles nothing",
    ),
)  # fmt: skip
"""The settlement rules. No two rows speak of the same."""

_RULE: Final = {(rule.ending, counts): rule for rule in RULES for counts in rule.counts}
ENDINGS: Final = frozenset(rule.ending for rule in RULES if rule.ending in OVER) - {FixtureStatus.UNKNOWN}
"""The statuses that a provider may confirm."""


def outcomes(state: FootballState, ending: FixtureStatus) -> dict[str, Outcome | None]:
    """What each selection of a match comes to by an ending, None where it waits; by its id without the fixture."""
    found, at = decisions(state), tally(state)
    for key, names in asked(state):
        kind = KINDS[key.type]
        rule = _RULE[ending, kind.counts]
        for name, outcome in zip(names, kind.outcomes, strict=True):
            then = rule.decided if found[name] is not None else rule.undecided
            if then == Then.VOID or (then == Then.RESULT and not _answers(kind.counts, at)):
                found[name] = VOID
            elif then == Then.RESULT:
                found[name] = kind.now(key.line or 0, outcome, at)
    return found


def _answers(counts: Counts, at: Tally) -> bool:
    """Whether a result says anything of what is counted."""
    return at.half_over or counts not in (Counts.FIRST_HALF, Counts.BOTH_HALVES)


def out_of_time(snapshot: FixtureSnapshot, now_ms: int) -> bool:
    """Whether a fixture did not kick off while bets on it stood."""
    until_ms = snapshot.scheduled.void_at_ms
    return waits(snapshot) and 0 < until_ms <= now_ms


def waits(snapshot: FixtureSnapshot) -> bool:
    """Whether a fixture is still to kick off."""
    return snapshot.status not in OVER and snapshot.state.period == Period.PRE
