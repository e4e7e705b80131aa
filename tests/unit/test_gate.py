"""What a gate hears of the accounts: its screens and the bets it watches, whoever is on line."""

from collections.abc import Collection, Iterator

from matchday.app import Platform
from matchday.backends.ledger_sqlite import SqliteLedgerCore
from matchday.backends.log_sqlite import SqliteLogCore
from matchday.config import Settings
from matchday.model.bet import OUTCOMES, Leg, Policy, Result
from matchday.model.ledger import Command, DecideLegs, OpenAccount, PlaceBet, SetCashOut, SettleBet, Transfer
from matchday.model.messages import Decision
from matchday.model.reports import Report
from matchday.sim.clock import VirtualClock
from matchday.sim.inline import InlineLedger, InlineLog

NOW = 1_600_000_000_000


class Silent:
    """An adapter that has nothing to say."""

    name = "silent"

    def in_touch(self, now_ms: int) -> bool:
        return True

    def knows(self, fixture: str) -> bool:
        return True

    def reports(self, now_ms: int, known: Collection[str]) -> Iterator[Report]:
        return iter(())


def test_a_bet_is_watched_though_its_fan_has_no_screen_open() -> None:
    """Found by reading: to spare its time the gate once heard nothing of accounts that nobody follows; a threshold of
    cash-out that was set elsewhere was never watched."""
    clock = VirtualClock(1, NOW)
    ledger = InlineLedger(SqliteLedgerCore(":memory:"), clock)
    log = InlineLog(SqliteLogCore(":memory:", clock.new_id), clock)
    platform = Platform(clock, log, ledger, Silent(), Settings(), secret=b"secret")
    platform.start()
    clock.run_for(100)

    def say(*commands: Command) -> bool:
        ledger.commit(commands, lambda _: None)
        clock.run_for(100)
        return platform.cash_outs.watching

    leg = Leg("F", "F:1x2", "F:1x2/home", 2_000, 0)
    say(OpenAccount("o", "anna", "EUR", NOW), Transfer("t", "anna", 10_000, "EUR", "grant", NOW))
    placed = PlaceBet(clock.new_id(), "anna", "EUR", 100, Policy.ANY, (leg,), "b1", clock.now_ms(), (leg,))
    assert not say(placed)
    assert say(SetCashOut(clock.new_id(), "anna", "b1", 150, clock.now_ms()))
    won = Decision("F:1x2", "F:1x2/home", OUTCOMES[Result.WON])
    withdrawn = Decision("F:1x2", "F:1x2/home", None)
    assert not say(DecideLegs("d5", "F", 5, (won,), NOW), SettleBet("s5", "b1", "anna", NOW))
    assert say(DecideLegs("d6", "F", 6, (withdrawn,), NOW), SettleBet("s6", "b1", "anna", NOW))
