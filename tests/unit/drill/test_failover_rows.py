"""Rows of a drill: how soon bets were accepted again, and what makes a row one that is not as it must be."""

import pytest

from matchday.ops.drill.failover.audit import Findings
from matchday.ops.drill.failover.record import ACCEPTED, Answered, Offer, Offered
from matchday.ops.drill.failover.rows import Row, Times, count, judge, times


def offer(account: str, due_s: float, at_s: float | None, outcome: str = ACCEPTED) -> Offer:
    id_ = f"{account} {due_s}"
    return Offer(Offered(id_, account, due_s), tries=1, answered=None if at_s is None else Answered(id_, at_s, outcome))


def test_times_are_of_bets_that_were_due_after_the_fault() -> None:
    offers = [
        offer("a", 9.9, 10.4),  # due before: no sign of a way back
        offer("a", 10.1, 10.2, "market_suspended"),
        offer("a", 10.5, 13.0),
        offer("b", 10.7, 12.0),
        offer("a", 13.5, 13.6),
        offer("b", 13.7, None),
    ]
    assert times(offers, ["a", "b"], at_s=10.0, until_s=14.0) == Times(first=2.0, every_fan=3.0, longest_without=1.6)


def test_a_fan_without_a_bet_makes_no_time() -> None:
    assert times([offer("a", 10.5, 11.0)], ["a", "b"], 10.0, 12.0) == Times(1.0, None, 1.0)
    assert times([], ["a"], 10.0, 12.0) == Times(None, None, 2.0)


def row(**figures: object) -> Row:
    good = {
        "fault": "gate", "what": "", "fired": "gone", "money_conserved": True, "seconds_to_first_bet": 0.1,
        "seconds_to_every_fan": 0.5, "watcher_gap_seconds": 2.0, "seconds_bound": 2.0, "watchers_compared": 3,
    }  # fmt: skip
    return Row(**good | figures)  # type: ignore[arg-type]


def test_a_row_at_its_bound_is_as_it_must_be() -> None:
    found = row()
    judge(found)
    assert (found.met, found.problems) == (True, [])


@pytest.mark.parametrize(
    ("figures", "says"),
    [
        ({"fired": ""}, "it did not happen"),
        ({"moment_met": False}, "it struck without its worst moment"),
        ({"watchers_compared": 0}, "no watcher could be compared"),
        ({"seconds_without_bet": 2.1}, "the next bet was accepted after 2.1 s, and 2 s is the bound"),
        ({"money_conserved": False}, "money was not conserved, or never read"),
        ({"seconds_to_first_bet": 2.1}, "the first bet was accepted after 2.1 s, and 2 s is the bound"),
        ({"seconds_to_every_fan": None}, "never: every fan had a bet accepted"),
        ({"watcher_gap_seconds": 2.01}, "watchers heard again after 2.01 s, and 2 s is the bound"),
        ({"problems": ["watcher 1: 3 changes were missing on a connection that was read"]}, "watcher 1: 3 changes"),
    ],
)
def test_a_row_beyond_it_is_not(figures: dict[str, object], says: str) -> None:
    found = row(**figures)
    judge(found)
    assert not found.met
    assert says in found.problems[0]


def test_findings_are_counted_and_named() -> None:
    found = row()
    offers = [offer("a", 1, 2), offer("a", 2, 3, "unavailable"), offer("a", 3, 4, "price_moved"), offer("a", 4, None)]
    offers[0].tries = 2
    count(found, offers, Findings(lost={"i": "gone"}, twice={"j": "twice"}, untrue={"k": "told"}, unknown=("l",)))
    judge(found)
    assert (found.bets_offered, found.bets_answered, found.bets_accepted) == (4, 3, 1)
    assert (found.bets_turned_away, found.bets_sent_again) == (1, 1)
    assert (found.bets_lost, found.bets_paid_twice, found.bets_told_wrongly, found.bets_unknown) == (1, 1, 1, 1)
    assert found.problems == ["bet i: gone", "bet j: twice", "bet k: told", "bet l: no answer"]
    assert not found.met
