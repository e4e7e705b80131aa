"""The odds room under a trader's commands, in a match told by hand: what is suspended stays so, what is said is
offered, each id counts once, and a new owner carries on with all of it."""

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from matchday.backends.log_sqlite import SqliteLogCore
from matchday.config import Settings
from matchday.model.football import IncidentType
from matchday.model.market import Market, MarketStatus
from matchday.model.messages import DeadLetter, FixtureScheduled, Topic, decode, encode
from matchday.model.trading import (
    Action,
    Controls,
    FixPrice,
    ResumeMarkets,
    SetOverround,
    SetStakeMax,
    ShiftPrice,
    SuspendMarkets,
    TraderCommand,
)
from matchday.ports import Record
from matchday.pricing.calibrate import PRIOR
from matchday.pricing.football import price_book
from matchday.services.odds import Odds
from matchday.sim.clock import VirtualClock
from tests.unit.test_odds_markets import Ground

I = IncidentType  # noqa: E741 - a story reads better with a short name
OPEN, SUSPENDED, CLOSED = MarketStatus.OPEN, MarketStatus.SUSPENDED, MarketStatus.CLOSED
HOLD_S = 40
"""Seconds after which every hold is over."""


class Desk(Ground):
    """A match, and a trader who sees it."""

    def trade(self, action: Action, id_: str = "", at_ms: int | None = None) -> None:
        at_ms = self.clock.now_ms() if at_ms is None else at_ms
        command = TraderCommand(id_ or self.clock.new_id(), "tom", "F", action, at_ms)
        self.log.append([Record(Topic.INCIDENTS, "F", encode(command))])
        self.clock.run_for(0)

    def fix(self, selection: str, price: int | None, id_: str = "") -> None:
        """At the generation that the trader sees."""
        self.trade(FixPrice(selection, price, self.market(selection.partition("/")[0]).generation), id_)

    def price(self, selection: str) -> int | None:
        market, _, outcome = selection.partition("/")
        return self.market(market).price_of(outcome)

    @property
    def controls(self) -> Controls:
        return self.books.fixtures["F"].controls

    def change_owner(self) -> None:
        Odds(self.clock, self.log, price_book, Settings().odds).start()
        self.clock.run_for(0)

    def buried(self) -> list[str]:
        letters = [decode(stored.value) for stored in self.log.read(Topic.DEAD_LETTERS, -1, 99)]
        return [letter.reason for letter in letters if isinstance(letter, DeadLetter)]


@pytest.fixture
def desk() -> Iterator[Desk]:
    with closing(SqliteLogCore(":memory:", VirtualClock(seed=1).new_id)) as core:
        yield Desk(core, VirtualClock(seed=1))


# --- suspend and resume -----------------------------------------------------------------------------------------------


def test_a_suspension_is_a_new_generation_and_a_resumption_is_none(desk: Desk) -> None:
    before = desk.market("1x2").generation
    desk.trade(SuspendMarkets("1x2"))
    assert (desk.market("1x2").status, desk.market("1x2").generation) == (SUSPENDED, before + 1)
    assert desk.changed == ["1x2"]
    desk.trade(ResumeMarkets("1x2"))
    assert (desk.market("1x2").status, desk.market("1x2").generation) == (OPEN, before + 1)
    assert desk.changed == ["1x2"]


def test_what_is_suspended_stays_so_through_whatever_happens(desk: Desk) -> None:
    desk.trade(SuspendMarkets("1x2"))
    desk.trade(SuspendMarkets("next_goal"))
    story: list[Callable[[], None]] = [
        lambda: desk.tell(I.CORNER, "home"),  # repriced
        lambda: desk.tell(I.GOAL, "home"),  # held
        lambda: desk.wait(HOLD_S),  # resumed
        lambda: desk.clock.run_for(20_000),  # the feed is silent
        lambda: desk.wait(5),  # and back
        desk.change_owner,
        lambda: desk.wait(HOLD_S),
        lambda: desk.tell(I.HALF_TIME),
        lambda: desk.tell(I.SECOND_HALF),
    ]
    for happens in story:
        happens()
        markets = desk.books.fixtures["F"].markets.values()
        assert {market.status for market in markets if market.type in ("1x2", "next_goal")} <= {SUSPENDED, CLOSED}
    assert desk.standing("double_chance", "1x2", "next_goal@2") == [OPEN, SUSPENDED, SUSPENDED]
    desk.trade(ResumeMarkets(""))
    assert desk.standing("1x2", "next_goal@2") == [OPEN, OPEN]


def test_a_resumed_market_opens_at_the_prices_of_now(desk: Desk) -> None:
    desk.trade(SuspendMarkets("1x2"))
    before = desk.price("1x2/draw")
    desk.wait(600)
    desk.trade(ResumeMarkets("1x2"))
    assert desk.price("1x2/draw") != before
    now = {market.market: market.selections for market in desk.books.fixtures["F"].markets.values()}
    desk.trade(SetStakeMax("1x2", 100))
    assert now == {market.market: market.selections for market in desk.books.fixtures["F"].markets.values()}


def test_what_a_trader_resumes_waits_for_the_end_of_a_hold(desk: Desk) -> None:
    desk.trade(SuspendMarkets(""))
    desk.tell(I.PENALTY_AWARDED, "home")
    desk.trade(ResumeMarkets(""))
    assert desk.standing("1x2", "draw_no_bet") == [SUSPENDED, SUSPENDED]
    desk.tell(I.PENALTY_MISSED, "home")
    desk.wait(HOLD_S)
    assert desk.standing("1x2", "draw_no_bet") == [OPEN, OPEN]


def test_a_fixture_that_is_announced_again_keeps_its_book(desk: Desk) -> None:
    desk.say(FixtureScheduled("G", 1, "feed", "football", "Cup", "Greens", "Greys", 0, 0, PRIOR))
    command = TraderCommand("x", "tom", "G", SuspendMarkets("1x2"), 0)
    desk.log.append([Record(Topic.INCIDENTS, "G", encode(command))])
    desk.clock.run_for(0)
    before = desk.books.fixtures["G"].markets
    desk.say(FixtureScheduled("G", 2, "feed", "football", "Cup", "Greens", "Greys", 60_000, 0, PRIOR))
    book = desk.books.fixtures["G"]
    assert (book.board.kickoff_ms, book.markets, book.controls.suspended) == (60_000, before, (("1x2", True),))
    assert book.markets["G:1x2"].status == SUSPENDED
    assert book.markets["G:draw_no_bet"].status == OPEN


# --- prices -----------------------------------------------------------------------------------------------------------


def test_a_shift_moves_its_market_alone_and_no_time(desk: Desk) -> None:
    """The command carries a clock that is two hours ahead: the room's time is the feed's."""
    before = desk.price("1x2/home")
    assert before is not None
    desk.trade(ShiftPrice("1x2/home", 1_200), at_ms=desk.clock.now_ms() + 7_200_000)
    after = desk.price("1x2/home")
    assert after is not None
    assert before < after
    assert desk.changed == ["1x2"]
    desk.tell(I.GOAL, "away")
    desk.wait(HOLD_S)
    shifted = desk.price("1x2/home")
    desk.trade(ShiftPrice("1x2/home", None))
    cleared = desk.price("1x2/home")
    assert shifted is not None
    assert cleared is not None
    assert cleared < shifted  # a shift is about the model, and outlasts a goal


def test_an_overround_moves_prices_of_its_markets(desk: Desk) -> None:
    before = {name: desk.price(name) for name in ("1x2/home", "total_goals@2.5/over")}
    desk.trade(SetOverround("total_goals", 0.15))
    after = {name: desk.price(name) for name in before}
    assert after["1x2/home"] == before["1x2/home"]
    assert (after["total_goals@2.5/over"] or 0) < (before["total_goals@2.5/over"] or 0)
    assert all(name.startswith("total_goals@") for name in desk.changed)
    desk.trade(SetOverround("", None))
    assert {name: desk.price(name) for name in before} == before


def test_a_fixed_price_is_offered_until_it_is_cleared(desk: Desk) -> None:
    before = desk.market("1x2")
    desk.fix("1x2/home", 2_345)
    assert (desk.price("1x2/home"), desk.market("1x2").generation) == (2_345, before.generation)
    desk.wait(900)
    desk.tell(I.CORNER, "home")  # not material to this market
    assert (desk.price("1x2/home"), desk.standing("1x2")) == (2_345, [OPEN])
    desk.fix("1x2/home", None)
    assert desk.price("1x2/home") not in (2_345, None)


def test_a_goal_lifts_a_fixed_price_and_its_market_waits_for_the_trader(desk: Desk) -> None:
    desk.fix("1x2/home", 2_345)
    desk.tell(I.GOAL, "home")
    assert desk.controls.fixed == ()
    desk.wait(HOLD_S)
    assert desk.standing("1x2", "draw_no_bet") == [SUSPENDED, OPEN]
    assert desk.price("1x2/home") != 2_345
    desk.fix("1x2/home", 1_234)
    desk.trade(ResumeMarkets("1x2"))
    assert (desk.standing("1x2"), desk.price("1x2/home")) == ([OPEN], 1_234)


def test_a_corner_lifts_a_fixed_price_of_corners_alone(desk: Desk) -> None:
    desk.fix("1x2/home", 2_345)
    desk.fix("total_corners@9.5/over", 1_555)
    generation = desk.market("total_corners@9.5").generation
    desk.tell(I.CORNER, "home")
    assert desk.standing("1x2", "total_corners@9.5", "total_corners@8.5") == [OPEN, SUSPENDED, OPEN]
    assert desk.market("total_corners@9.5").generation > generation
    assert desk.controls.fixed == (("1x2/home", 2_345),)


def test_a_price_that_was_meant_for_before_a_goal_is_not_fixed_after_it(desk: Desk) -> None:
    """The trader types while the ball goes in: his command stands behind the goal on the log."""
    seen = desk.market("1x2").generation
    desk.tell(I.GOAL, "home")
    desk.trade(FixPrice("1x2/home", 2_345, seen), "late")
    assert desk.buried() == ["command late of tom: generation_stale"]
    desk.wait(HOLD_S)
    assert desk.price("1x2/home") != 2_345
    assert desk.standing("1x2") == [OPEN]


# --- once -------------------------------------------------------------------------------------------------------------


def test_a_command_counts_once_however_often_it_is_heard(desk: Desk) -> None:
    desk.trade(ShiftPrice("1x2/home", 1_100), "a")
    once, n = desk.price("1x2/home"), desk.books.fixtures["F"].n
    desk.trade(ShiftPrice("1x2/home", 1_100), "a")  # said again, at another offset
    desk.odds.hear(desk.log.read(Topic.INCIDENTS, -1, 999))  # and everything delivered again
    desk.clock.run_for(0)
    assert (desk.price("1x2/home"), desk.books.fixtures["F"].n) == (once, n)
    assert desk.controls.factors == (("1x2/home", 1_100),)
    desk.trade(ShiftPrice("1x2/home", 1_100), "b")
    assert desk.controls.factors == (("1x2/home", 1_210),)


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        (FixPrice("1x2/home", 1_000), "price_invalid"),
        (FixPrice("1x2/home", 1_000_001), "price_invalid"),
        (SuspendMarkets("1x3"), "market_unknown"),
        (ShiftPrice("1x2/over", 1_100), "selection_unknown"),
        (ShiftPrice("1x2/home", 0), "factor_invalid"),
        (SetOverround("", 2.0), "overround_invalid"),
        (SetStakeMax("", -5), "amount_invalid"),
    ],
)
def test_what_cannot_be_goes_to_the_dead_letters_with_its_name(desk: Desk, action: Action, reason: str) -> None:
    """The door refuses it, too; the log may bring it all the same."""
    before = desk.books.fixtures["F"].n
    desk.trade(action, "a")
    assert desk.buried() == [f"command a of tom: {reason}"]
    assert desk.books.fixtures["F"].n == before
    desk.trade(SuspendMarkets("1x2"), "a")  # the id was not used up
    assert desk.standing("1x2") == [SUSPENDED]
    desk.trade(SuspendMarkets(""), "a")
    assert desk.buried()[1:] == ["command a of tom: id_reused"]


@pytest.mark.parametrize("again", ["delivered", "rebuilt"])
def test_what_was_refused_is_not_applied_when_it_comes_again(desk: Desk, again: str) -> None:
    """The market of the second goal is not there before the first; when the log brings the command again it is."""
    desk.trade(SuspendMarkets("next_goal@2"), "a")
    assert desk.buried() == ["command a of tom: market_unknown"]
    desk.tell(I.GOAL, "home")
    desk.wait(HOLD_S)
    if again == "delivered":
        desk.odds.hear(desk.log.read(Topic.INCIDENTS, -1, 999))
    else:
        desk.change_owner()
    desk.wait(2)
    assert desk.standing("next_goal@2") == [OPEN]
    assert len(desk.buried()) == 1


def test_a_command_on_a_fixture_that_is_not_there_is_passed_over(desk: Desk) -> None:
    command = TraderCommand("x", "tom", "elsewhere", SuspendMarkets(""), 0)
    desk.log.append([Record(Topic.INCIDENTS, "elsewhere", encode(command))])
    desk.clock.run_for(0)
    assert list(desk.books.fixtures) == ["F"]


# --- stakes -----------------------------------------------------------------------------------------------------------


def test_a_maximum_stake_is_on_the_markets_it_was_set_for_and_on_those_to_come(desk: Desk) -> None:
    desk.trade(SetStakeMax("next_goal", 2_500))
    desk.trade(SetStakeMax("1x2", 5_000))
    assert [desk.market(name).stake_max for name in ("1x2", "next_goal@1", "draw_no_bet")] == [5_000, 2_500, None]
    desk.tell(I.GOAL, "home")
    desk.trade(SetStakeMax("1x2", None))  # while the book is held
    desk.wait(HOLD_S)
    assert [desk.market(name).stake_max for name in ("1x2", "next_goal@2", "draw_no_bet")] == [None, 2_500, None]


# --- a new owner ------------------------------------------------------------------------------------------------------

STORY: list[Action] = [
    SuspendMarkets("total_goals"), ResumeMarkets("total_goals@2.5"), SetOverround("", 0.09), SetOverround("1x2", None),
    ShiftPrice("1x2/home", 1_250), FixPrice("both_teams_to_score/yes", 1_777, 0), SetStakeMax("total_goals", 4_000),
]  # fmt: skip


def tell_story(desk: Desk, *, crash_at: int | None, silent: bool = False) -> tuple[Controls, dict[str, Market]]:
    """Commands, one of them to an owner that is replaced right then, perhaps before it could say anything of it."""
    desk.wait(1)
    for number, action in enumerate(STORY):
        if number == crash_at:
            if silent:  # the owner hears the command, and nothing that it says reaches the log
                desk.odds._voice._in_flight = True
            desk.trade(action, f"c{number}")
            desk.change_owner()
        else:
            desk.trade(action, f"c{number}")
        desk.wait(3)
    desk.tell(I.CORNER, "home")  # all is priced at one moment
    markets = {
        name: Market(m.market, m.type, m.line, m.status, 0, m.selections, m.stake_max)
        for name, m in desk.books.fixtures["F"].markets.items()
    }
    return desk.controls, markets


@pytest.mark.parametrize("crash_at", range(len(STORY)))
@pytest.mark.parametrize("silent", [False, True])
def test_a_rebuilt_book_is_equal(desk: Desk, crash_at: int, silent: bool) -> None:
    """But for generations, which suspensions count. A price fixed on what was seen before the change of owner is
    refused where the former owner did not apply it: the market was suspended in between."""
    controls, markets = tell_story(desk, crash_at=crash_at, silent=silent)
    with closing(SqliteLogCore(":memory:", VirtualClock(seed=1).new_id)) as core:
        whole_controls, whole_markets = tell_story(Desk(core, VirtualClock(seed=1)), crash_at=None)
    lost = {"F:both_teams_to_score"} if crash_at <= 5 and (silent or crash_at < 5) else set()
    assert controls.suspended == whole_controls.suspended
    assert controls.overround == whole_controls.overround
    assert (controls.factors, controls.stake_max) == (whole_controls.factors, whole_controls.stake_max)
    assert controls.fixed == (() if lost else whole_controls.fixed)
    assert {name: m for name, m in markets.items() if name not in lost} == {
        name: m for name, m in whole_markets.items() if name not in lost
    }


def test_a_new_owner_never_opens_what_a_trader_suspended(desk: Desk) -> None:
    opened: list[MarketStatus] = []
    desk.trade(SuspendMarkets("1x2"))
    desk.log.tail(Topic.BOOKS, None, lambda _: opened.extend(desk.standing("1x2")))
    for _ in range(3):
        desk.change_owner()
        desk.wait(3)
    assert set(opened) == {SUSPENDED}
    assert desk.standing("draw_no_bet") == [OPEN]
