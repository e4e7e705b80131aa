"""Shares: each part of the books has an owner of its own, and what becomes of one is not the others' trouble."""

import msgspec
import pytest

from matchday.config import Bets as BetSettings
from matchday.model.bet import Leg, Policy
from matchday.model.book import Books
from matchday.model.ledger import PlaceBet
from matchday.model.market import Market, MarketStatus, Selection
from matchday.model.messages import Board, BookChanged, FixtureStatus, OddsAlive, OddsOwned, decode, encode
from matchday.services.bets import Bets
from matchday.sim.clock import VirtualClock
from tests.unit.doors import no_joint_price
from tests.unit.test_owners import Refusing, board, state

NOW = 1_500_000_000_000
BETS = BetSettings(delay_ms=0)
MOST = BETS.odds_silence_ms_max


def said(fixture: str, share: int, epoch: int, n: int, status: FixtureStatus = FixtureStatus.LIVE) -> BookChanged:
    market = Market(f"{fixture}:1x2", "1x2", None, MarketStatus.OPEN, 0, (Selection("home", 2_000),))
    shown: Board = msgspec.structs.replace(board(status), fixture=fixture)
    return BookChanged(fixture, epoch, n, "tick", NOW, shown, (market,), share=share)


class Desk:
    """A bets room over two fixtures of two shares."""

    def __init__(self) -> None:
        self.clock, self.books, self.ledger = VirtualClock(1, NOW), Books(), Refusing()
        self.bets = Bets(self.clock, self.ledger, self.books, BETS, no_joint_price)  # type: ignore[arg-type]
        for fixture, share, epoch in (("F", 0, 10), ("G", 1, 20)):
            self.bets.odds_owned(epoch, share)
            self.books.owned(epoch, share)
            self.books.apply(said(fixture, share, epoch, 1), epoch + 1)
            self.bets.odds_alive(epoch, NOW, share)

    def judged(self, *fixtures: str) -> str:
        """accepted, or the refusal of a bet on these."""
        legs = tuple(Leg(fixture, f"{fixture}:1x2", f"{fixture}:1x2/home", 2_000, 0) for fixture in fixtures)
        self.bets.place(PlaceBet(self.clock.new_id(), "anna", "EUR", 100, Policy.ANY, legs), lambda _: None)
        self.clock.run_for(0)
        self.bets._in_flight = False
        return str(self.ledger.judged[-1].refusal or "accepted")


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_silent_share_makes_its_own_fixtures_stale_and_no_others(desk: Desk) -> None:
    assert [desk.judged("F"), desk.judged("G"), desk.judged("F", "G")] == ["accepted"] * 3
    desk.clock.run_for(MOST + 1)
    desk.bets.odds_alive(20, desk.clock.now_ms(), 1)
    assert desk.judged("F") == "market_suspended"
    assert desk.judged("G") == "accepted"
    assert desk.judged("F", "G") == "market_suspended"
    assert (desk.bets.stale, desk.bets.stale_fixtures) == (False, ("F",))
    desk.clock.run_for(MOST + 1)
    assert (desk.bets.stale, desk.bets.stale_fixtures) == (True, ())


def test_what_is_over_is_not_stale(desk: Desk) -> None:
    desk.books.apply(said("F", 0, 10, 2, FixtureStatus.FINISHED), 30)
    desk.bets.odds_owned(40, 0)
    assert (desk.bets.stale, desk.bets.stale_fixtures) == (False, ())


def test_a_new_owner_of_one_share_does_not_replace_that_of_another(desk: Desk) -> None:
    desk.bets.odds_owned(40, 0)
    desk.books.owned(40, 0)
    desk.bets.odds_alive(40, NOW, 0)
    assert desk.judged("F") == "market_suspended"  # its heir has not spoken of it yet
    assert desk.judged("G") == "accepted"
    assert not desk.books.apply(said("F", 0, 10, 2), 41)
    assert desk.books.apply(said("G", 1, 20, 2), 42)
    assert desk.books.apply(said("F", 0, 40, 1), 43)
    assert desk.judged("F") == "accepted"


def test_a_share_whose_owner_was_never_heard_is_stale(desk: Desk) -> None:
    desk.books.apply(said("H", 2, 5, 1), 50)
    assert desk.judged("H") == "market_suspended"
    assert desk.bets.stale_fixtures == ("H",)


def test_a_book_remembers_its_share_when_it_is_loaded() -> None:
    books = Books()
    books.load(msgspec.structs.replace(state(10, 1), share=3))
    assert books.fixtures["F"].share == 3
    assert not books.apply(said("F", 3, 9, 9), 11)
    assert books.apply(said("F", 3, 10, 2), 12)


def test_messages_from_before_there_were_shares_are_of_the_first() -> None:
    alive = decode(b'{"kind":"odds_alive","epoch":1,"at_ms":2}')
    assert alive == OddsAlive(1, 2, 0)
    assert encode(OddsOwned(2)) == b'{"kind":"odds_owned","at_ms":2}'
    assert encode(OddsOwned(2, 1)) == b'{"kind":"odds_owned","at_ms":2,"share":1}'
