"""A gate watches thresholds of fans who look at no screen of its own: that is what a threshold is for.

Once it heard of an account only what it had to push to somebody, and no such bet was ever cashed out.
"""

from matchday.app import Platform
from matchday.backends.ledger_sqlite import SqliteLedgerCore
from matchday.backends.log_sqlite import SqliteLogCore
from matchday.config import Settings
from matchday.feeds.simulated import SimulatedLeague
from matchday.model.bet import BetStatus, Leg, Policy
from matchday.model.ledger import Answer, Moment, PlaceBet, SetCashOut
from matchday.model.market import MarketStatus, selection_id
from matchday.services.accounts import Guest
from matchday.sim.clock import VirtualClock
from matchday.sim.inline import InlineLedger, InlineLog


def test_a_threshold_is_watched_though_its_fan_looks_at_no_screen() -> None:
    clock = VirtualClock(1)
    log = InlineLog(SqliteLogCore(":memory:", clock.new_id), clock)
    ledger = InlineLedger(SqliteLedgerCore(":memory:"), clock)
    platform = Platform(clock, log, ledger, SimulatedLeague(1, 1.0), Settings(), secret=b"a secret of the test")
    platform.start()
    clock.run_for(60_000)
    guests: list[Guest | Moment] = []
    platform.accounts.open_guest(guests.append)
    clock.run_for(0)
    guest = guests[0]
    assert isinstance(guest, Guest)
    answers: list[Answer | Moment] = []
    platform.bets.place(PlaceBet(clock.new_id(), guest.account, "EUR", 1_000, Policy.ANY, (_leg(platform),)),
                        answers.append)  # fmt: skip
    clock.run_for(10_000)
    answer = answers[0]
    assert isinstance(answer, Answer)
    assert answer.bet is not None
    platform.cash_outs.set_cash_out(SetCashOut(clock.new_id(), guest.account, answer.bet.bet, 1, 0), lambda _: None)
    clock.run_for(10_000)
    bet = ledger.bet(answer.bet.bet)
    assert bet is not None
    assert (bet.status, bet.remaining) == (BetStatus.CASHED_OUT, 0)
    assert not platform.cash_outs.watching


def _leg(platform: Platform) -> Leg:
    """The favourite of a match that can be bet on."""
    for fixture, book in platform.gate.books.fixtures.items():
        market = book.markets.get(f"{fixture}:1x2")
        if market is not None and market.status == MarketStatus.OPEN:
            best = min(market.selections, key=lambda selection: selection.price)
            return Leg(fixture, market.market, selection_id(market.market, best.outcome), best.price, market.generation)
    raise AssertionError("no open market")
