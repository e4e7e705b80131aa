"""What became of one fault, as figures. Pure: offers, marks and findings in, a row out."""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

import msgspec

from matchday.ops.drill.failover.audit import Findings
from matchday.ops.drill.failover.record import Offer

_NAMED_MAX: Final = 5
"""Of things that are wrong, so many are told with their ids."""


class Row(msgspec.Struct, kw_only=True):
    """One fault."""

    fault: str
    what: str
    fired: str
    """How it was proved that it happened; empty: it did not."""
    skipped: str = ""
    """Why it could not be brought about on this machine, or cluster."""
    moment_met: bool = True
    """Whether it struck at the worst moment that it is named after; where it has none, any moment is."""
    bets_offered: int = 0
    bets_not_offered: int = 0
    """Due, and no screen of theirs showed anything to back."""
    bets_answered: int = 0
    bets_accepted: int = 0
    bets_turned_away: int = 0
    """Answered that they could not be taken now: busy, unavailable, overloaded."""
    answers: dict[str, int] = {}
    """Answer -> how many."""
    bets_pending_at_fault: int = 0
    bets_sent_again: int = 0
    """Under their ids, as their first answer was lost."""
    bets_lost: int = 0
    bets_paid_twice: int = 0
    bets_told_wrongly: int = 0
    """Refused or turned away, and yet in the ledger."""
    bets_unknown: int = 0
    """Without an answer in the end."""
    money_conserved: bool = False
    money_reads: int = 0
    """All balances in one snapshot, all the time."""
    money_reads_failed: int = 0
    """As the ledger could not be read."""
    seconds_to_first_bet: float | None = None
    """From the fault to the answer of the first accepted bet that was due after it. None: there was none."""
    seconds_to_every_fan: float | None = None
    """The same until every fan had one."""
    seconds_without_bet: float = 0.0
    """The longest time between two accepted bets."""
    seconds_without_owner: float = 0.0
    """Until every share of every room's work was somebody's again."""
    watcher_gap_seconds: float = 0.0
    """The longest that any watcher waited: for a change of the home screen, for a fact of an account since it was
    recorded, or, where prices or settlement stood still, ``seconds_without_owner``."""
    watchers_compared: int = 0
    """That held in the end, at the same offset, what a newcomer got."""
    seconds_bound: float = 0.0
    met: bool = False
    problems: list[str] = []


class Times(msgspec.Struct, frozen=True):
    """When bets were accepted again."""

    first: float | None
    every_fan: float | None
    longest_without: float


def times(offers: Iterable[Offer], fans: Sequence[str], at_s: float, until_s: float) -> Times:
    """Of the bets that were due after a fault."""
    answers: dict[str, float] = {}
    moments = [at_s]
    for offer in offers:
        if offer.answered is None or not offer.accepted or offer.answered.at_s < at_s:
            continue
        moments.append(offer.answered.at_s)
        if offer.offered.due_s > at_s:
            account = offer.offered.account
            answers[account] = min(answers.get(account, offer.answered.at_s), offer.answered.at_s)
    moments = [*sorted(moments), until_s]
    longest = max(later - earlier for earlier, later in pairwise(moments))
    every = max(answers.values()) - at_s if all(fan in answers for fan in fans) else None
    first = min(answers.values()) - at_s if answers else None
    return Times(_rounded(first), _rounded(every), round(longest, 2))


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 2)


def count(row: Row, offers: Sequence[Offer], found: Findings) -> None:
    """Put the figures of these bets, and what is newly wrong with any, into a row."""
    row.bets_offered = len(offers)
    row.bets_answered = sum(offer.answered is not None for offer in offers)
    row.bets_accepted = sum(offer.accepted for offer in offers)
    row.bets_turned_away = sum(offer.turned_away for offer in offers)
    row.answers = dict(Counter(offer.answered.outcome for offer in offers if offer.answered is not None))
    row.bets_sent_again = sum(offer.tries > 1 for offer in offers)
    row.bets_lost, row.bets_paid_twice = len(found.lost), len(found.twice)
    row.bets_told_wrongly, row.bets_unknown = len(found.untrue), len(found.unknown)
    for wrong in (found.lost, found.twice, found.untrue):
        row.problems += [f"bet {id_}: {what}" for id_, what in list(wrong.items())[:_NAMED_MAX]]
    row.problems += [f"bet {id_}: no answer" for id_ in found.unknown[:_NAMED_MAX]]


def judge(row: Row) -> None:
    """Whether it is as it must be; what is not, is added to the row's problems."""
    bound = row.seconds_bound
    if row.skipped:
        return
    if not row.fired:
        row.problems.append("it did not happen")
    if not row.moment_met:
        row.problems.append("it struck without its worst moment")
    if not row.watchers_compared:
        row.problems.append("no watcher could be compared with a newcomer")
    if not row.money_conserved:
        row.problems.append("money was not conserved, or never read")
    for name, seconds in (
        ("the first bet was accepted", row.seconds_to_first_bet),
        ("every fan had a bet accepted", row.seconds_to_every_fan),
        ("the next bet was accepted", row.seconds_without_bet),
        ("watchers heard again", row.watcher_gap_seconds),
    ):
        if seconds is None:
            row.problems.append(f"never: {name}")
        elif seconds > bound:
            row.problems.append(f"{name} after {seconds:g} s, and {bound:g} s is the bound")
    row.met = not row.problems
