"""Settlement by account: bets that commit when what they are on was decided already."""

import pytest

from matchday.backends.ledger_sqlite import SqliteLedgerCore
from matchday.backends.log_sqlite import SqliteLogCore
from matchday.config import Settings
from matchday.model.bet import OUTCOMES, BetStatus, Leg, Outcome, Policy, Result
from matchday.model.ledger import OpenAccount, PlaceBet, Transfer
from matchday.model.messages import Decision, LegsDecided, LegsVoided, Message, Topic, encode
from matchday.ports import Record
from matchday.services.settlement import SettlementByAccount
from matchday.sim.clock import VirtualClock
from matchday.sim.inline import InlineLedger, InlineLog

NOW = 1_500_000_000_000
HOME = "M:next_goal@1/home"
WON, LOST = OUTCOMES[Result.WON], OUTCOMES[Result.LOST]


class Settling:
    """The room over a log and a ledger, both empty but for one account."""

    def __init__(self) -> None:
        self.clock = VirtualClock(1, NOW)
        self.log = InlineLog(SqliteLogCore(":memory:", self.clock.new_id), self.clock)
        self.core = SqliteLedgerCore(":memory:")
        self.core.commit([OpenAccount("open", "ann", "EUR", NOW), Transfer("in", "ann", 10_000, "EUR", "deposit", NOW)])
        ledger = InlineLedger(self.core, self.clock)
        SettlementByAccount(self.clock, self.log, ledger, Settings().settlement).start()

    def said(self, *messages: Message) -> None:
        self.log.append([Record(Topic.DECISIONS, "M", encode(message)) for message in messages], lambda _: None)
        self.clock.run_for(10_000)

    def bet(self, name: str, *others: Leg) -> None:
        """Committed now, placed at NOW; heard of as the relay says it."""
        before, legs = self.core.last_fact, (Leg("M", "M:next_goal@1", HOME, 2_500, 1), *others)
        self.core.commit([PlaceBet(
            self.clock.new_id(), "ann", "EUR", 1_000, Policy.ANY, legs, name, NOW, legs
        )])  # fmt: skip
        facts = self.core.facts(before, 10)
        self.log.append([Record(Topic.ACCOUNTS, "ann", encode(fact)) for fact in facts], lambda _: None)
        self.clock.run_for(10_000)

    def stands(self, name: str) -> tuple[BetStatus, int]:
        bet = self.core.bet(name)
        assert bet is not None
        return bet.status, bet.returns


@pytest.mark.parametrize(
    ("outcome", "status", "returns"), [(WON, BetStatus.SETTLED, 2_500), (LOST, BetStatus.SETTLED, 0)]
)
def test_a_bet_that_comes_after_its_leg_was_decided(outcome: Outcome, status: BetStatus, returns: int) -> None:
    """The goal was decided while the bet was on its way to the ledger: nothing will be said of its leg again."""
    settling = Settling()
    settling.said(LegsDecided("M", 4, "goal", NOW, (Decision("M:next_goal@1", HOME, outcome),)))
    settling.bet("late")
    assert settling.stands("late") == (status, returns)


@pytest.mark.parametrize(("outcome", "status"), [(WON, BetStatus.OPEN), (LOST, BetStatus.SETTLED)])
def test_a_double_that_comes_after_one_of_its_legs_was_decided(outcome: Outcome, status: BetStatus) -> None:
    settling = Settling()
    settling.said(LegsDecided("M", 4, "goal", NOW, (Decision("M:next_goal@1", HOME, outcome),)))
    settling.bet("late", Leg("N", "N:1x2", "N:1x2/home", 2_000, 1))
    assert settling.stands("late") == (status, 0)


def test_a_bet_that_comes_after_its_time_was_voided() -> None:
    settling = Settling()
    settling.said(LegsVoided("M", 4, NOW - 1, NOW + 1, "the goal was known", NOW))
    settling.bet("late")
    assert settling.stands("late") == (BetStatus.VOID, 1_000)


def test_a_bet_that_comes_after_its_decision_was_withdrawn_is_open() -> None:
    settling = Settling()
    settling.said(LegsDecided("M", 4, "goal", NOW, (Decision("M:next_goal@1", HOME, WON),)))
    settling.said(LegsDecided("M", 5, "goal_cancelled", NOW, (Decision("M:next_goal@1", HOME, None),)))
    settling.bet("late")
    assert settling.stands("late") == (BetStatus.OPEN, 0)
