"""One market does not hold up the others: shares of the queue, turns in a batch, faults of one bet, and old bets."""

import logging
from collections.abc import Sequence

import pytest

from matchday.config import Bets as BetSettings
from matchday.model.acceptance import TraderAnswer
from matchday.model.book import FEW_OUTCOMES, FixtureBook
from matchday.model.ledger import Answer, Moment, PlaceBet, Refusal
from matchday.model.market import Market
from tests.unit.gates import AT_ONCE, Table, Told

PARTS = ("P:1x2/home", "P:btts/yes")


def limits(**changes: int) -> BetSettings:
    return BetSettings(delay_ms=0, **changes)


def poisoned(_book: FixtureBook, _parts: Sequence[tuple[Market, str]]) -> int:
    """A joint model that breaks on what it is given."""
    raise ZeroDivisionError("a grid of no goals")


def table(*settings: BetSettings, late_ms: int = 0) -> Table:
    """A desk whose ledger takes that long, with a fan and markets on four fixtures."""
    desk = Table(*(settings or (AT_ONCE,)), combine=poisoned)
    for market in ("F:btts", "G:1x2", "H:1x2", "P:1x2", "P:btts"):
        desk.offer(market, outcomes=("home", "yes"))
    desk.fan(balance=1_000_000)
    desk.ledger.late_ms = late_ms
    return desk


def held(desk: Table) -> Told:
    """A bet that is on its way to the ledger, so that others wait."""
    told = desk.place(desk.bet(10, "H:1x2/home"))
    desk.clock.run_for(0)
    return told


def refused_at_once(desk: Table, selection: str) -> bool:
    """Whether a bet is busy before anything else happens."""
    told = desk.place(desk.bet(10, selection))
    desk.clock.run_for(0)
    return told.answers == [Moment.BUSY]


def placed(desk: Table) -> list[str]:
    """Fixtures of the bets that the ledger was told of, in order."""
    return [command.asked[0].fixture for command in desk.core.told if isinstance(command, PlaceBet)]


def test_a_market_and_a_fixture_have_their_share_of_the_queue_and_no_more() -> None:
    desk = table(limits(queue_max=10, queue_fixture_max=5, queue_market_max=3), late_ms=50)
    held(desk)
    assert [refused_at_once(desk, "F:1x2/home") for _ in range(5)] == [False] * 3 + [True] * 2
    assert [refused_at_once(desk, "F:btts/yes") for _ in range(3)] == [False] * 2 + [True]
    assert [refused_at_once(desk, "G:1x2/home") for _ in range(4)] == [False] * 3 + [True]
    assert [refused_at_once(desk, "H:1x2/home") for _ in range(3)] == [False] * 2 + [True]  # the queue as a whole
    desk.clock.run_for(1_000)
    assert len(placed(desk)) == 1 + 10
    assert not refused_at_once(desk, "F:1x2/home")  # shares are given back


def test_an_account_has_its_share_of_a_gate_and_no_more() -> None:
    """Seven guests with slips of twenty once filled all that may wait, and everybody else was busy."""
    desk = table(limits(waiting_account_max=3), late_ms=50)
    desk.fan("bert")
    held(desk)
    told = [desk.place(desk.bet(10, "F:1x2/home")) for _ in range(5)]
    other = desk.place(desk.bet(10, "F:1x2/home", account="bert"))
    desk.clock.run_for(1_000)
    assert [one.answers == [Moment.BUSY] for one in told] == [False] * 3 + [True] * 2
    assert [one.refusal for one in (*told[:3], other)] == [None] * 4
    assert desk.core.answer("anna", told[0].answer.id) is not None
    assert not refused_at_once(desk, "F:1x2/home")  # there is room again
    assert len([command for command in desk.core.told if isinstance(command, PlaceBet)]) == 6


@pytest.mark.parametrize("batch", [2, 256])
def test_an_account_s_room_is_free_again_whatever_became_of_its_bets(batch: int) -> None:
    """Taken by a batch, by a part of one, or too old for any."""
    desk = table(limits(waiting_account_max=4, batch_max=batch, queue_ms_aim=10**6), late_ms=5_000)
    held(desk)
    told = [desk.place(desk.bet(10, selection)) for selection in ("F:1x2/home", "G:1x2/home", "F:btts/yes")]
    desk.clock.run_for(4_000)
    assert [one.answers for one in told].count([Moment.BUSY]) == 3
    desk.ledger.late_ms = 0
    desk.clock.run_for(10_000)
    desk.heard()
    again = [desk.place(desk.bet(10, "F:1x2/home")) for _ in range(4)]
    desk.clock.run_for(0)
    assert [one.refusal for one in again] == [None] * 4


def test_every_leg_counts_in_its_market_s_share() -> None:
    desk = table(limits(queue_market_max=1), late_ms=50)
    held(desk)
    desk.place(desk.bet(10, "G:1x2/home", "F:1x2/home"))
    assert refused_at_once(desk, "F:1x2/home")
    assert refused_at_once(desk, "G:1x2/home")
    assert not refused_at_once(desk, "F:btts/yes")


def test_a_batch_takes_of_every_fixture_and_market_in_turn() -> None:
    desk = table(limits(batch_max=4), late_ms=50)
    held(desk)
    wanted = ["F:1x2/home"] * 6 + ["F:btts/yes", "G:1x2/home", "H:1x2/home", "G:1x2/home"]
    told = [desk.place(desk.bet(10 + n, selection)) for n, selection in enumerate(wanted)]
    desk.clock.run_for(1_000)
    stakes = [command.stake - 10 for command in desk.core.told if isinstance(command, PlaceBet)][1:]
    # a fixture's turn after the other's; of F a market's after the other's, and of each who came first
    assert stakes[:4] == [0, 7, 8, 6]
    assert stakes[4:8] == [1, 9, 2, 3]
    assert stakes[8:] == [4, 5]
    assert {one.refusal for one in told} == {None}


def test_a_batch_that_takes_all_takes_them_as_they_came() -> None:
    desk = table(late_ms=50)
    held(desk)
    for selection in ("F:1x2/home", "F:1x2/home", "G:1x2/home", "F:btts/yes"):
        desk.place(desk.bet(10, selection))
    desk.clock.run_for(1_000)
    assert placed(desk) == ["H", "F", "F", "G", "F"]


def test_all_bets_on_one_market_take_as_many_batches_as_bets_spread_evenly() -> None:
    selections = ("F:1x2/home", "F:btts/yes", "G:1x2/home", "H:1x2/home")
    found = []
    for spread in (1, 4):
        desk = table(limits(batch_max=64, waiting_account_max=500, exposure_account_max=10**9), late_ms=5)
        told = [desk.place(desk.bet(10, selections[n % spread])) for n in range(500)]
        desk.clock.run_for(1_000)
        assert {one.refusal for one in told} == {None}
        found.append(desk.rooms[0].batches)
    assert found[0] == found[1]


def test_a_poisoned_market_answers_for_itself_and_the_others_are_taken(caplog: pytest.LogCaptureFixture) -> None:
    desk = table()
    bad = [desk.place(desk.bet(10, desk.together(*PARTS, price=3_000))) for _ in range(3)]
    good = [desk.place(desk.bet(10, selection)) for selection in ("F:1x2/home", "P:1x2/home")]
    with caplog.at_level(logging.ERROR):
        desk.clock.run_for(0)
    assert [told.answers for told in bad] == [[Moment.INTERNAL_ERROR]] * 3
    assert {told.refusal for told in good} == {None}
    (record,) = caplog.records  # its story once, not for every bet
    assert "P:combination" in record.message
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError


def test_a_gate_whose_every_bet_is_poisoned_takes_the_next_good_one(caplog: pytest.LogCaptureFixture) -> None:
    desk = table(limits(batch_max=2), late_ms=5)
    with caplog.at_level(logging.ERROR):
        bad = [desk.place(desk.bet(10, desk.together(*PARTS, price=3_000))) for _ in range(5)]
        good = desk.place(desk.bet(10))
        desk.clock.run_for(100)
    assert [told.answers for told in bad] == [[Moment.INTERNAL_ERROR]] * 5
    assert good.refusal is None


def test_a_poisoned_bet_in_play_is_answered_and_not_thrown(caplog: pytest.LogCaptureFixture) -> None:
    desk = table(BetSettings(delay_ms=1_000))
    desk.offer("P:1x2", live=True)
    with caplog.at_level(logging.ERROR):
        told = desk.place(desk.bet(10, desk.together(*PARTS, price=3_000)))
        assert not told.answers
        desk.clock.run_for(0)
    assert told.answers == [Moment.INTERNAL_ERROR]


def test_of_many_outcomes_each_has_its_price_and_none_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A market with thousands of outcomes once took thousands of looks for each of its bets."""
    desk = table()
    outcomes = [f"o{number}" for number in range(FEW_OUTCOMES * 100)]
    desk.offer("G:correct_score", outcomes=outcomes, price=9_000)
    monkeypatch.delattr(Market, "price_of")
    market = desk.books.market("G", "G:correct_score")
    assert market is not None
    assert {desk.books.price(market, outcome) for outcome in outcomes} == {9_000}
    assert desk.books.price(market, "none") is None
    desk.offer("G:correct_score", outcomes=outcomes, price=8_000)
    changed = desk.books.market("G", "G:correct_score")
    assert changed is not None
    assert desk.books.price(changed, "o7") == 8_000


def test_of_a_slow_ledger_no_more_wait_than_it_takes_in_time() -> None:
    """Once the whole queue waited, however slow the ledger was, and each that was accepted had waited for all of it."""
    desk = table(limits(queue_max=100, batch_max=4, queue_ms_aim=1_000, queue_ms_max=60_000), late_ms=500)
    held(desk)
    desk.clock.run_for(500)  # the first commit has taken half a second
    desk.ledger.late_ms = 1_500
    held(desk)
    desk.clock.run_for(1_500)  # (0.25 + 1.5) / 2 s: one batch and a little more
    desk.ledger.late_ms = 500
    held(desk)
    assert [refused_at_once(desk, "F:1x2/home") for _ in range(6)] == [False] * 4 + [True] * 2
    desk.clock.run_for(1_100)
    desk.ledger.late_ms = 1
    for _ in range(12):
        held(desk)
        desk.clock.run_for(1)
    desk.ledger.late_ms = 500
    held(desk)
    assert [refused_at_once(desk, "F:1x2/home") for _ in range(30)] == [False] * 30  # it is quick again: all may wait


def test_what_has_waited_too_long_is_busy_and_never_reaches_the_ledger() -> None:
    """Its fan would get a price of seconds ago, or a bet of which he no longer thinks."""
    desk = table(limits(queue_ms_max=2_000), late_ms=10_000)
    first = held(desk)
    desk.clock.run_for(500)
    late_command = desk.bet(10)
    late = desk.place(late_command)
    desk.clock.run_for(1_999)
    assert not late.answers
    desk.clock.run_for(600)
    assert late.answers == [Moment.BUSY]
    assert not first.answers  # handed over, it is not refused for time
    desk.clock.run_for(20_000)
    assert first.refusal is None
    assert placed(desk) == ["H"]
    desk.ledger.late_ms = 0
    desk.heard()
    assert desk.now(late_command).refusal is None  # nothing was recorded: the same id may be sent again


def test_those_who_came_at_once_and_found_no_place_in_the_batch_wait_no_longer() -> None:
    """Nobody comes after them, by whom it would be noticed."""
    desk = table(limits(batch_max=1, queue_ms_max=2_000), late_ms=10_000)
    first, *left = [desk.place(desk.bet(10, "H:1x2/home")) for _ in range(3)]
    desk.clock.run_for(2_600)
    assert [told.answers for told in left] == [[Moment.BUSY]] * 2
    assert not first.answers


def test_a_second_batch_is_handed_over_while_the_first_is_held_up() -> None:
    """When half of the time has gone that commits took of late, and no third one."""
    desk = table(limits(), late_ms=40)
    held(desk)
    desk.clock.run_for(1_000)  # 20 ms, by its share in what commits took of late
    held(desk)
    desk.place(desk.bet(10, "F:1x2/home"))
    desk.clock.run_for(9)
    assert placed(desk) == ["H", "H"]
    desk.clock.run_for(1)
    assert placed(desk) == ["H", "H", "F"]
    third = desk.place(desk.bet(10, "G:1x2/home"))
    desk.clock.run_for(29)
    assert placed(desk) == ["H", "H", "F"]
    desk.clock.run_for(21)
    assert placed(desk) == ["H", "H", "F", "G"]
    desk.clock.run_for(100)
    assert third.refusal is None


def test_what_comes_during_a_quick_commit_is_one_batch() -> None:
    desk = table(limits(), late_ms=3)
    for _ in range(5):
        held(desk)
        desk.clock.run_for(100)
    held(desk)
    for selection in ("F:1x2/home", "G:1x2/home"):
        desk.place(desk.bet(10, selection))
        desk.clock.run_for(1)
    assert placed(desk) == ["H"] * 6
    desk.clock.run_for(100)
    assert placed(desk) == [*["H"] * 6, "F", "G"]
    assert desk.rooms[0].batches == {1: 6, 2: 1}


def test_nothing_follows_a_batch_that_takes_much_longer_than_of_late() -> None:
    """It may hang: who waits before the ledger can be refused, who was handed over cannot."""
    desk = table(limits(), late_ms=40)
    held(desk)
    desk.clock.run_for(1_000)
    desk.ledger.late_ms = 10_000
    first = held(desk)
    desk.clock.run_for(81)
    late = desk.place(desk.bet(10, "F:1x2/home"))
    desk.clock.run_for(9_000)
    assert (placed(desk), late.answers) == (["H", "H"], [Moment.BUSY])
    desk.clock.run_for(2_000)
    assert first.refusal is None


def test_a_trader_s_word_waits_as_long_as_it_must() -> None:
    desk = table(limits(queue_ms_max=1_000, stake_max=500))
    pending = desk.now(desk.bet(1_000, refer=True))
    assert pending.pending_until_ms
    desk.ledger.late_ms = 5_000
    held(desk)
    told: list[Answer | Moment | None] = []
    desk.rooms[0].answer_referral("anna", pending.id, TraderAnswer(accept=True), told.append)
    desk.clock.run_for(30_000)
    (answer,) = told
    assert isinstance(answer, Answer)
    assert answer.refusal in (None, Refusal.MARKET_SUSPENDED)  # by then the owner of the books has been silent
