"""Bets that are cashed out by themselves: when, for how much, and only once."""

from collections.abc import Callable

import pytest

from matchday.model.bet import Bet, BetStatus, Leg, Result
from matchday.model.cash_out import automatic_id
from matchday.model.ledger import CashOut, DecideLegs, GrantFreeBet, Refusal, SetCashOut
from matchday.model.messages import BetCashedOut, Decision
from matchday.services.bets.owners import Heard
from matchday.services.cash_out.room import NoQuote
from tests.unit.cashing import DELAY_MS, ELSEWHERE, OVER, SUSPENDED, WON, A, Counter, Gate

W, L = Result.WON, Result.LOST
GOALS, OTHER = "F:total_goals@2.5", "G:total_goals@2.5"
SWEEP_MS = 30_000


def a_counter(*, live: bool = False, gates: int = 1, **settings: int) -> Counter:
    """Before it a fixture ``F``, in play or not, and ``G``, which is not."""
    made = Counter(cash_out_margin=100, gates=gates, **settings)
    for gate in made.gates:
        gate.book(GOALS, live=live)
        gate.book(OTHER, live=False)
    return made


@pytest.fixture
def counter() -> Counter:
    """Nothing is in play."""
    return a_counter()


@pytest.fixture
def in_play() -> Counter:
    """``F`` is in play."""
    return a_counter(live=True)


def paid(counter: Counter) -> list[int]:
    """What was paid for bets that were cashed out."""
    return [fact.amount for fact in counter.core.facts(0, 10_000) if isinstance(fact, BetCashedOut)]


def ids(counter: Counter, bet: Bet) -> list[str]:
    """Ids that gates have derived for a bet and the ledger has answered."""
    rows = counter.core.database.reader.execute("SELECT id FROM known WHERE id LIKE ?", (f"auto:{bet.bet}:%",))
    return [row[0] for row in rows]


# --- when -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("threshold", "prices", "amounts"),
    [
        (900, [], [900]),  # it is offered as it is set
        (901, [], []),
        (901, [2500, 2002], []),
        (1_125, [1600], [1_125]),
        (1_000, [1900, 1600, 1250], [1_125]),  # at the first offer that reaches it
        (1_000, [1250], [1_440]),  # for what is offered then, not for the threshold
        (10**15, [1002], []),
    ],
)
def test_it_is_cashed_out_as_soon_as_enough_is_offered(
    counter: Counter, threshold: int, prices: list[int], amounts: list[int]
) -> None:
    bet = counter.place(OVER)
    assert counter.watch(bet, threshold) == "accepted"
    counter.run(0)
    for price in prices:
        counter.gate.book(GOALS, price)
        counter.run(0)
    assert paid(counter) == amounts
    assert counter.bet(bet).status == (BetStatus.CASHED_OUT if amounts else BetStatus.OPEN)
    assert counter.balance == 99_000 + sum(amounts)


def test_only_bets_on_that_fixture_are_looked_at_and_all_of_them(counter: Counter) -> None:
    """Several turns of bets, so that nothing else waits for them."""
    bets = [counter.place(OVER, stake=100 + number) for number in range(100)]
    for bet in [*bets, elsewhere := counter.place(ELSEWHERE)]:
        assert counter.watch(bet, bet.stake) == "accepted"
    counter.gate.book(GOALS, 1250)
    counter.run(0)
    assert sorted(paid(counter)) == sorted((100 + number) * 144 // 100 for number in range(100))
    assert counter.bet(elsewhere).status == BetStatus.OPEN


def test_a_threshold_that_is_taken_back_or_raised_counts_no_more(counter: Counter) -> None:
    bet, other = counter.place(OVER), counter.place(OVER)
    counter.watch(bet, 1_000)
    counter.watch(other, 1_000)
    counter.watch(bet, None)
    counter.watch(other, 1_500)
    counter.gate.book(GOALS, 1250)
    counter.run(SWEEP_MS)
    assert paid(counter) == []
    counter.gate.book(GOALS, 1160)
    counter.run(0)
    assert paid(counter) == [1_551]
    assert counter.bet(bet).status == BetStatus.OPEN


def test_a_part_that_is_cashed_out_by_hand_ends_it(counter: Counter) -> None:
    bet = counter.place(OVER)
    counter.watch(bet, 1_000)
    assert counter.cash_out(counter.command(counter.quote(bet, 400))) == "accepted"
    counter.gate.book(GOALS, 1200)
    counter.run(SWEEP_MS)
    assert (counter.bet(bet).status, counter.bet(bet).cash_out_at) == (BetStatus.OPEN, None)


def test_what_a_decision_is_worth_is_seen_without_a_change_of_any_book(counter: Counter) -> None:
    """One match is over, the other is tomorrow's: nobody says anything of it for hours."""
    bet = counter.place(OVER, ELSEWHERE)
    counter.watch(bet, 1_500)
    counter.decide(1, over=W, under=L)
    counter.run(SWEEP_MS)
    assert paid(counter) == [1_800]


def test_neither_free_bets_nor_others_bets_have_a_threshold(counter: Counter) -> None:
    counter.commit(GrantFreeBet("free", A, "f1", 1_000, "EUR", 10**15, counter.clock.now_ms()))
    assert counter.watch(counter.place(OVER, free_bet="f1"), 100) == "cash_out_unavailable"
    settled = counter.place(OVER)
    counter.decide(1, over=L, under=W)
    assert counter.watch(settled, 100) == "bet_not_open"
    told = counter.commit(SetCashOut(counter.clock.new_id(), "bert", settled.bet, 100, 0))
    assert told[0].refusal == "account_unknown"
    counter.run(SWEEP_MS)
    assert paid(counter) == []


# --- in play ----------------------------------------------------------------------------------------------------------


def test_in_play_it_waits_like_any_other(in_play: Counter) -> None:
    bet = in_play.place(OVER)
    in_play.watch(bet, 1_000)
    in_play.gate.book(GOALS, 1250)
    in_play.run(DELAY_MS - 1)
    assert paid(in_play) == []
    in_play.gate.book(GOALS, 1600)
    in_play.run(1)
    assert paid(in_play) == [1_125]  # what is offered then


def test_while_it_waits_it_is_not_tried_again() -> None:
    """However often the price changes, it takes one place of those that may wait."""
    counter = a_counter(live=True, waiting_max=2)
    counter.watch(counter.place(OVER), 1_000)
    other = counter.place(OVER)
    for price in (1250, 1240, 1230, 1220, 1250):
        counter.gate.book(GOALS, price)
        counter.run(100)
    told = counter.ask(counter.command(counter.quote(other)))
    counter.run(DELAY_MS)
    assert (told.said, len(paid(counter))) == ("accepted", 2)


def falls_again(counter: Counter) -> None:
    counter.gate.book(GOALS, 1900)


def suspended(counter: Counter) -> None:
    counter.gate.book(GOALS, 1250, status=SUSPENDED, generation=2)


def lost(counter: Counter) -> None:
    counter.decide(1, over=L, under=W)


@pytest.mark.parametrize("happens", [falls_again, suspended, lost])
def test_what_happens_while_it_waits_decides(in_play: Counter, happens: Callable[[Counter], None]) -> None:
    bet = in_play.place(OVER)
    in_play.watch(bet, 1_000)
    in_play.gate.book(GOALS, 1250)
    in_play.run(1_000)
    happens(in_play)
    in_play.run(SWEEP_MS)
    assert paid(in_play) == []
    assert ids(in_play, bet) == []  # nobody has asked the ledger for what cannot be


def test_a_suspension_meanwhile_begins_its_delay_anew(in_play: Counter) -> None:
    bet = in_play.place(OVER)
    in_play.watch(bet, 1_000)
    in_play.gate.book(GOALS, 1250)
    in_play.run(1_000)
    in_play.gate.book(GOALS, 1250, status=SUSPENDED, generation=2)
    in_play.run(1_000)
    in_play.gate.book(GOALS, 1400, generation=2)
    in_play.run(DELAY_MS - 2_000)
    assert paid(in_play) == []  # the first delay is over, but it began in another generation
    in_play.run(DELAY_MS)
    assert paid(in_play) == [1_285]
    assert len(ids(in_play, bet)) == 1


# --- once -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("live", [False, True])
def test_several_gates_do_it_once(live: bool) -> None:
    counter = a_counter(live=live, gates=3)
    bet = counter.place(OVER)
    counter.watch(bet, 1_000)
    for gate in counter.gates:
        gate.book(GOALS, 1250)
    counter.run(DELAY_MS)
    assert paid(counter) == [1_440]
    assert len(ids(counter, bet)) == 1  # they had heard the same, and derived the same id
    counter.run(SWEEP_MS)
    assert len(ids(counter, bet)) == 1


def test_gates_that_have_heard_different_things_do_it_once_too() -> None:
    counter = a_counter(gates=2)
    bet = counter.place(OVER)
    counter.watch(bet, 1_000)
    counter.gates[0].book(GOALS, 1250)
    counter.gates[1].book(GOALS, 1400)
    counter.run(0)
    assert paid(counter) in ([1_440], [1_285])
    assert counter.balance == 99_000 + paid(counter)[0]
    assert set(counter.core.totals().values()) == {0}


def test_a_gate_that_starts_again_watches_what_the_ledger_holds(counter: Counter) -> None:
    bets = [counter.place(OVER) for _ in range(3)]
    for bet in bets[:2]:
        counter.watch(bet, 1_000)
    heir = Gate(counter.clock, counter.ledger, counter.settings)
    heir.book(GOALS, live=False)
    heir.cash_outs.start()
    counter.gates = [heir]
    heir.book(GOALS, 1250)
    counter.run(0)
    assert paid(counter) == [1_440, 1_440]
    assert counter.bet(bets[2]).status == BetStatus.OPEN


def test_a_gate_watches_as_many_as_its_limit_and_the_others_after_them() -> None:
    counter = a_counter(cash_outs_watched_max=2)
    bets = [counter.place(OVER) for _ in range(5)]
    for bet in bets:
        counter.watch(bet, 1_000)
    counter.gate.book(GOALS, 1250)
    counter.run(0)
    assert len(paid(counter)) == 2
    counter.run(3 * SWEEP_MS)
    assert len(paid(counter)) == 5


# --- refused, and tried again -----------------------------------------------------------------------------------------


def test_refused_for_a_decision_it_is_tried_again_at_what_it_is_worth_then(counter: Counter) -> None:
    """The other leg is won while the batch, which was valued without it, is on its way."""
    bet = counter.place(OVER, ELSEWHERE)
    counter.watch(bet, 1_000)
    counter.ledger.way_ms = 10
    counter.gate.book(GOALS, 1250)
    counter.run(5)
    counter.commit(DecideLegs("decide:G:1", "G", 1, (Decision(OTHER, ELSEWHERE, WON),), counter.clock.now_ms()))
    counter.run(20)
    assert paid(counter) == [2_880]
    assert len(ids(counter, bet)) == 2  # the refused one, and the one that was paid


def test_a_ledger_that_is_away_is_asked_again(counter: Counter) -> None:
    bet = counter.place(OVER)
    counter.watch(bet, 1_000)
    counter.ledger.away = True
    counter.gate.book(GOALS, 1250)
    counter.run(2_000)
    assert paid(counter) == []
    counter.ledger.away = False
    counter.run(1_000)
    assert paid(counter) == [1_440]
    assert counter.bet(bet).status == BetStatus.CASHED_OUT


def test_a_busy_gate_tries_again() -> None:
    counter = a_counter(live=True, waiting_max=1)
    bets = [counter.place(OVER) for _ in range(3)]
    for bet in bets:
        counter.watch(bet, 1_000)
    counter.gate.book(GOALS, 1250)
    counter.run(DELAY_MS)
    assert len(paid(counter)) == 1
    counter.run(3 * DELAY_MS)
    assert len(paid(counter)) == 3


def test_a_settlement_that_is_rolled_back_is_watched_again(counter: Counter) -> None:
    bet = counter.place(OVER)
    counter.watch(bet, 1_000)
    counter.decide(1, over=L, under=W)
    counter.gate.book(GOALS, 1250)
    counter.run(SWEEP_MS)
    assert (counter.bet(bet).status, paid(counter)) == (BetStatus.SETTLED, [])
    counter.decide(2, over=None, under=None)
    counter.run(0)
    assert paid(counter) == [1_440]
    assert set(counter.core.totals().values()) == {0}


# --- what the ledger refuses ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("threshold", "asked", "refusal"),
    [(1_000, 1_000, None), (1_000, 999, "cash_out_unavailable"), (None, 1_000, "cash_out_unavailable")],
)
def test_a_threshold_that_was_changed_meanwhile_is_the_ledgers_to_see(
    counter: Counter, threshold: int | None, asked: int, refusal: str | None
) -> None:
    """The fan's word commits while a gate's command is on its way: what he was answered holds."""
    bet, now = counter.place(OVER), counter.clock.now_ms()
    counter.core.commit([SetCashOut(counter.clock.new_id(), A, bet.bet, threshold, now)])
    command = CashOut(f"auto:{bet.bet}:x", A, bet.bet, 1_000, asked, now, asked, 0, automatic=True)
    assert counter.commit(command)[0].refusal == refusal


def test_an_id_hangs_on_all_that_a_bet_was_valued_by(counter: Counter) -> None:
    bet = counter.place(OVER)
    books = [("F", 1, 5), ("G", 1, 7)]
    made = {
        automatic_id(bet, 0, books), automatic_id(bet, 0, books[::-1]), automatic_id(bet, 1, books),
        automatic_id(bet, 0, [("F", 1, 6), ("G", 1, 7)]), automatic_id(bet, 0, [("F", 2, 5), ("G", 1, 7)]),
    }  # fmt: skip
    assert len(made) == 4
    assert all(id_.startswith(f"auto:{bet.bet}:") for id_ in made)


# --- a fault of ours --------------------------------------------------------------------------------------------------


def test_a_bet_that_cannot_be_valued_holds_up_no_other(
    counter: Counter, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Every gate looks at every threshold, again after each start: one that broke it would break all of them."""
    judge, whole = counter.gate.bets._judge, counter.gate.bets._judge.price

    def poisoned(leg: Leg, heard: Heard) -> int | Refusal:
        if leg.fixture == "F":
            raise ZeroDivisionError("a grid of no goals")
        return whole(leg, heard)

    monkeypatch.setattr(judge, "price", poisoned)
    broken, good = counter.place(OVER), counter.place(ELSEWHERE)
    assert (counter.watch(broken, 1_125), counter.watch(good, 1_125)) == ("accepted", "accepted")
    for market in (GOALS, OTHER):
        counter.gate.book(market, 1600)
    counter.run(100)
    assert (counter.bet(broken).status, counter.bet(good).status) == (BetStatus.OPEN, BetStatus.CASHED_OUT)
    quote = counter.gate.cash_outs.quote(A, broken.bet)
    assert isinstance(quote, NoQuote)
    assert (quote.refusal, quote.detail) == (Refusal.CASH_OUT_UNAVAILABLE, "leg 1: nobody can say what it is worth")
    assert [record.message for record in caplog.records] == [f"bets on {GOALS} cannot be valued"]
    monkeypatch.undo()
    counter.gate.book(GOALS, 1599)
    counter.run(100)
    assert counter.bet(broken).status == BetStatus.CASHED_OUT
