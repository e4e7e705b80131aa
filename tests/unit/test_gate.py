"""What a gate hears of the accounts: its screens and the bets it watches, whoever is on line."""

from collections.abc import Collection, Iterator

import pytest

from matchday.app import Platform
from matchday.backends.ledger_sqlite import SqliteLedgerCore
from matchday.backends.log_sqlite import SqliteLogCore
from matchday.backends.partitions import Part
from matchday.config import Settings
from matchday.model.bet import OUTCOMES, Leg, Policy, Result
from matchday.model.football import IncidentType
from matchday.model.ledger import (
    Command,
    DecideLegs,
    OpenAccount,
    PlaceBet,
    SetCashOut,
    SettleBet,
    SettleBets,
    Transfer,
)
from matchday.model.messages import BookChanged, Decision, FixtureStatus, OddsOwned, Topic, decode, encode
from matchday.model.reports import Announced, Confirmed, Report, Reported
from matchday.ports import Record, Stored
from matchday.pricing.calibrate import PRIOR
from matchday.sim.clock import VirtualClock
from matchday.sim.inline import InlineLedger, InlineLog
from matchday.sim.screens import LINES, Frames, Screen
from tests.unit.pushing import RESULT, board, market

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
    other = PlaceBet(clock.new_id(), "anna", "EUR", 100, Policy.ANY, (leg,), "b2", clock.now_ms(), (leg,))
    assert say(other, SetCashOut(clock.new_id(), "anna", "b2", 150, clock.now_ms()))
    numbers = tuple(number for _, number in ledger.bets_on(["F:1x2/home"], 0, 10))
    assert not say(DecideLegs("d7", "F", 7, (won,), NOW), SettleBets("s7", "F", numbers, NOW)), "told in one fact"


class TwoMatches(Silent):
    """``F`` is over after two minutes, ``G`` is played for long."""

    def knows(self, fixture: str) -> bool:
        return fixture in "FG"

    def reports(self, now_ms: int, known: Collection[str]) -> Iterator[Report]:
        for fixture in "FG":
            yield Announced(NOW, fixture, 1, "Cup", "Home", "Away", NOW, PRIOR, "invented")
            yield Reported(NOW, fixture, 2, IncidentType.KICK_OFF, None, 0)
        over = NOW + 120_000
        for seq, type_ in enumerate((IncidentType.HALF_TIME, IncidentType.SECOND_HALF, IncidentType.FULL_TIME), 3):
            yield Reported(over, "F", seq, type_, None, 3_000)
        yield Reported(over, "F", 6, IncidentType.OVER, None, 3_000)
        yield Confirmed(over, "F", 7, FixtureStatus.FINISHED)


@pytest.mark.parametrize(("died_s", "back_s", "shown"), [(240, 300, True), (660, 780, False)])
def test_a_match_that_was_over_before_a_gate_started_leaves_the_screens(died_s: int, back_s: int, shown: bool) -> None:
    """Found by reading: whoever resumed ``home`` at a gate that began after a match's end kept it for ever. A match
    stays for ten minutes; where these are over by then, it goes with the next change."""
    ledger, log = SqliteLedgerCore(":memory:"), SqliteLogCore(":memory:", lambda: "epoch")
    screen = Screen("anna", Frames(), lambda *_: None, None)

    def platform(at_s: int) -> tuple[VirtualClock, Platform]:
        clock = VirtualClock(at_s, NOW + 1_000 * at_s)
        made = Platform(
            clock, InlineLog(log, clock), InlineLedger(ledger, clock), TwoMatches(), Settings(), secret=b"secret",
            framing=LINES,
        )  # fmt: skip
        made.start()
        screen.connect(made.push, "", ["home"])
        return clock, made

    clock, _ = platform(0)
    clock.run_for(1_000 * died_s)
    assert set(screen.views["home"].rows) == {"F", "G"}
    screen.away()
    clock, _ = platform(back_s)
    clock.run_for(60_000)
    assert screen.resumed == 1, "no snapshot told it"
    assert ("F" in screen.views["home"].rows) == shown
    clock.run_for(900_000)
    assert set(screen.views["home"].rows) == {"G"}


class Announcing(InlineLog):
    """A match is announced while a gate that starts reads what was said before."""

    announced = False

    def read_of(self, part: Part, after: int, limit: int) -> list[Stored]:
        if part[0] == Topic.BOOKS and not self.announced:
            self.announced = True
            said = super().read_of(part, -1, 10**6)
            epoch = 1 + max(stored.offset for stored in said if isinstance(decode(stored.value), OddsOwned))
            news = BookChanged("N", epoch, 1, "scheduled", NOW, board("N"), (market("N", RESULT, 2_000),))
            self._core.append([Record(Topic.BOOKS, "N", encode(news))], (), self._clock.now_ms())
        return super().read_of(part, after, limit)


def test_a_match_that_is_announced_while_a_gate_starts_is_shown_there_too() -> None:
    """Found by the failover drill: a page of what was said before may end after what the books were loaded of; a match
    that was first spoken of there was taken for one that is long over, and that gate never showed it."""
    ledger, log = SqliteLedgerCore(":memory:"), SqliteLogCore(":memory:", lambda: "epoch")
    clock = VirtualClock(1, NOW)
    first = Platform(clock, InlineLog(log, clock), InlineLedger(ledger, clock), TwoMatches(), Settings(), secret=b"s")
    first.start()
    clock.run_for(10_000)
    clock = VirtualClock(2, NOW + 20_000)
    second = Platform(
        clock, Announcing(log, clock), InlineLedger(ledger, clock), TwoMatches(), Settings(), secret=b"s",
        framing=LINES,
    )  # fmt: skip
    second.start()
    screen = Screen("anna", Frames(), lambda *_: None, None)
    screen.connect(second.push, "", ["home"])
    clock.run_for(1_000)
    assert set(screen.views["home"].rows) == {"F", "G", "N"}
