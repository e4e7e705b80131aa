"""Quotes and taking them up: what a fan is told, and when. The margin is a tenth, so that tables are easy to read."""

from collections.abc import Callable

import msgspec
import pytest

from matchday.model.bet import OUTCOMES, BetStatus, Part, Result, combination
from matchday.model.ledger import CashOut, DecideLegs, GrantFreeBet, Moment
from matchday.model.messages import BetCashedOut, CashOutRefused, Decision
from tests.unit.cashing import CLOSED, DELAY_MS, ELSEWHERE, EVEN, OVER, SUSPENDED, UNDER, A, Counter

W, L = Result.WON, Result.LOST
GOALS, OTHER = "F:total_goals@2.5", "G:total_goals@2.5"
QUOTE_MS = 10_000


@pytest.fixture
def counter() -> Counter:
    """Nothing is in play, and nothing waits."""
    made = Counter(cash_out_margin=100)
    made.gate.book(GOALS, live=False)
    made.gate.book(OTHER, live=False)
    return made


@pytest.fixture
def in_play() -> Counter:
    """``F`` is in play."""
    made = Counter(cash_out_margin=100)
    made.gate.book(OTHER, live=False)
    return made


# --- quotes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("selections", "type_", "price", "won", "stake", "amount"),
    [
        ([OVER], "", EVEN, (), None, 900),
        ([OVER], "", EVEN, (), 500, 450),
        ([OVER], "", EVEN, (), 1, 0),  # less than the smallest coin
        ([OVER], "", 4000, (), None, 1800),  # the chance is even, whatever it was taken at
        ([OVER, ELSEWHERE], "", EVEN, (), None, 900),
        ([OVER, ELSEWHERE], "", EVEN, ("over",), None, 1800),
        ([OVER, ELSEWHERE], "system:1/2", EVEN, ("over",), None, 1350),  # 5.00 is 10.00, the other still 5.00
        ([UNDER, ELSEWHERE], "system:1/2", EVEN, ("over",), None, 450),
    ],
)
def test_a_quote_is_what_it_is_worth_less_the_margin(
    counter: Counter,
    selections: list[str],
    type_: str,
    price: int,
    won: tuple[str, ...],
    stake: int | None,
    amount: int,
) -> None:
    bet = counter.place(*selections, price=price, type_=type_)
    for name in won:
        counter.decide(1, **{name: W, "under" if name == "over" else "over": L})
    if amount == 0:
        assert counter.gate.cash_outs.quote(A, bet.bet, stake) == ("cash_out_unavailable", "it is worth nothing now")
        return
    quote = counter.quote(bet, stake)
    assert (quote.stake, quote.amount) == (stake or 1_000, amount)
    assert quote.until_ms == counter.clock.now_ms() + QUOTE_MS
    assert counter.balance == 99_000  # nothing is reserved or posted


IN_SETTLEMENT = "what comes back of it is decided: it is being settled"


def suspended(counter: Counter) -> None:
    counter.gate.book(GOALS, status=SUSPENDED, generation=2)


def closed(counter: Counter) -> None:
    counter.gate.book(GOALS, status=CLOSED)


def gone(counter: Counter) -> None:
    counter.gate.books.forget("F")


def silent(counter: Counter) -> None:
    counter.clock.run_for(counter.settings.odds_silence_ms_max + 1)


def lost(counter: Counter) -> None:
    counter.decide(1, over=L, under=W)


def decided_elsewhere_in_a_suspension(counter: Counter) -> None:
    """The other leg is won by a goal that has just fallen: it may yet be taken back."""
    counter.decide(1, over=W, under=L)
    counter.gate.book(GOALS, status=SUSPENDED, generation=2, live=True)


def settled(counter: Counter) -> None:
    counter.decide(1, over=L, under=W)


def decided_but_not_settled(counter: Counter, result: Result = W) -> None:
    said = (Decision(GOALS, OVER, OUTCOMES[result]),)
    counter.commit(DecideLegs("decide:F:1", "F", 1, said, counter.clock.now_ms()))


def lost_but_not_settled(counter: Counter) -> None:
    decided_but_not_settled(counter, L)


@pytest.mark.parametrize(
    ("selections", "happens", "refusal", "detail"),
    [
        ([OVER], suspended, "cash_out_unavailable", "leg 1: market_suspended"),
        ([ELSEWHERE, OVER], suspended, "cash_out_unavailable", "leg 2: market_suspended"),
        ([OVER], closed, "cash_out_unavailable", "leg 1: market_closed"),
        ([OVER], gone, "cash_out_unavailable", "leg 1: selection_unknown"),
        ([OVER], silent, "cash_out_unavailable", "leg 1: market_suspended"),
        ([OVER, ELSEWHERE], lost, "bet_not_open", "the bet is settled"),
        ([OVER, ELSEWHERE], lost_but_not_settled, "cash_out_unavailable", IN_SETTLEMENT),
        ([OVER, ELSEWHERE], decided_elsewhere_in_a_suspension, "cash_out_unavailable", "leg 1: market_suspended"),
        ([OVER], settled, "bet_not_open", "the bet is settled"),
        ([OVER], decided_but_not_settled, "cash_out_unavailable", IN_SETTLEMENT),
    ],
)
def test_when_nothing_is_offered(
    counter: Counter, selections: list[str], happens: Callable[[Counter], None], refusal: str, detail: str
) -> None:
    bet = counter.place(*selections)
    assert counter.quote(bet).amount == 900
    happens(counter)
    assert counter.gate.cash_outs.quote(A, bet.bet) == (refusal, detail)


def test_the_bet_must_be_the_fans_and_his_own_money(counter: Counter) -> None:
    bet = counter.place(OVER)
    ask = counter.gate.cash_outs.quote
    assert ask("bert", bet.bet) == ask(A, "bet-of-nobody") == ("bet_unknown", "it is no bet of this account")
    for stake in (0, -1, 1_001):
        assert ask(A, bet.bet, stake) == ("cash_out_unavailable", "10.00 EUR of the stake is left")
    counter.commit(GrantFreeBet("free", A, "f1", 1_000, "EUR", 10**15, counter.clock.now_ms()))
    free = counter.place(OVER, free_bet="f1")
    assert ask(A, free.bet) == ("cash_out_unavailable", "a free bet cannot be cashed out")


def test_a_quote_is_good_as_it_was_signed_and_in_no_other_way(counter: Counter) -> None:
    quote = counter.quote(counter.place(OVER))
    signed = counter.gate.cash_outs.sign(quote)
    assert counter.gate.cash_outs.read(signed) == quote
    other = Counter(cash_out_margin=100).gate.cash_outs
    assert other.read(signed) == quote  # any gate of the platform reads it
    more = counter.gate.cash_outs.sign(msgspec.structs.replace(quote, amount=quote.amount * 10))
    forged = f"{more.rpartition('.')[0]}.{signed.rpartition('.')[2]}"
    longer = counter.gate.cash_outs.sign(msgspec.structs.replace(quote, until_ms=quote.until_ms + 1))
    for text in (
        forged,
        f"{longer.rpartition('.')[0]}.{signed.rpartition('.')[2]}",
        signed[:-1],
        "",
        ".",
        "x",
        "é",
        "\ud800",
    ):
        assert counter.gate.cash_outs.read(text) is None
    assert counter.gate.cash_outs.read(counter.gate.cash_outs._signer.dumps(["an", "older", "one"])) is None


# --- taking one up ----------------------------------------------------------------------------------------------------


def test_a_quote_that_is_taken_up_is_paid_and_the_bet_is_over(counter: Counter) -> None:
    bet = counter.place(OVER)
    command = counter.command(counter.quote(bet))
    told = counter.ask(command)
    assert told.said == "nothing"  # never before it is durable
    counter.run(0)
    assert told.said == "accepted"
    assert counter.balance == told.only.balance == 99_900
    held = counter.bet(bet)
    assert (held.status, held.cashed, held.cash, held.remaining) == (BetStatus.CASHED_OUT, 1_000, 900, 0)
    fact = counter.core.facts(0, 100)[-1]
    assert isinstance(fact, BetCashedOut)
    assert (fact.stake, fact.amount, fact.remaining, fact.change) == (1_000, 900, 0, 900)
    counter.decide(1, over=W, under=L)  # a cash-out stands, whatever its legs come to
    assert (counter.bet(bet).status, counter.balance) == (BetStatus.CASHED_OUT, 99_900)


def test_the_same_id_is_one_cash_out_also_when_the_quotes_time_is_over(counter: Counter) -> None:
    command = counter.command(counter.quote(counter.place(OVER)))
    assert counter.cash_out(command) == "accepted"
    assert counter.cash_out(command) == "accepted"
    counter.run(QUOTE_MS)
    assert counter.cash_out(command) == "accepted"
    assert counter.balance == 99_900
    other = msgspec.structs.replace(command, asked=command.asked + 1)
    assert counter.cash_out(other) == "id_reused"


@pytest.mark.parametrize(
    ("after_ms", "said"), [(0, "accepted"), (QUOTE_MS - 1, "accepted"), (QUOTE_MS, "quote_expired")]
)
def test_a_quote_holds_for_its_time(counter: Counter, after_ms: int, said: str) -> None:
    command = counter.command(counter.quote(counter.place(OVER)))
    counter.run(after_ms)
    assert counter.cash_out(command) == said


def test_part_by_part_until_nothing_is_left(counter: Counter) -> None:
    bet = counter.place(OVER)
    half = counter.quote(bet, 400)
    assert counter.cash_out(counter.command(half)) == "accepted"
    assert (counter.bet(bet).remaining, counter.balance) == (600, 99_360)
    assert counter.cash_out(counter.command(half)) == "accepted"  # it is still as good, and as much is left
    assert (counter.bet(bet).remaining, counter.balance) == (200, 99_720)
    assert counter.cash_out(counter.command(half)) == "cash_out_unavailable"
    rest = counter.quote(bet)
    assert (rest.stake, rest.amount) == (200, 180)
    counter.decide(1, over=W, under=L)  # what is left goes with its legs
    assert (counter.bet(bet).status, counter.bet(bet).returns, counter.balance) == (BetStatus.SETTLED, 400, 100_120)


def longer(counter: Counter) -> None:
    counter.gate.book(GOALS, 2500)


def a_little_longer(counter: Counter) -> None:
    counter.gate.book(GOALS, 2002)


def shorter(counter: Counter) -> None:
    counter.gate.book(GOALS, 1500)


def goal(counter: Counter) -> None:
    counter.gate.book(GOALS, EVEN, generation=2)


def won_elsewhere(counter: Counter) -> None:
    counter.gate.books.forget("F")
    counter.decide(1, over=W, under=L)


@pytest.mark.parametrize(
    ("happens", "said", "detail"),
    [
        (longer, "quote_moved", "7.20 EUR is offered now"),
        (a_little_longer, "quote_moved", "8.99 EUR is offered now"),
        (shorter, "accepted", ""),  # as quoted, though more would be offered now
        (goal, "quote_moved", "its legs do not stand as they did; 9.00 EUR is offered now"),
        (won_elsewhere, "quote_moved", "its legs do not stand as they did; 18.00 EUR is offered now"),
        (suspended, "cash_out_unavailable", "leg 1: market_suspended"),
        (closed, "cash_out_unavailable", "leg 1: market_closed"),
        (silent, "cash_out_unavailable", "leg 1: market_suspended"),
        (lost, "bet_not_open", "the bet is settled"),
        (lost_but_not_settled, "cash_out_unavailable", IN_SETTLEMENT),
    ],
)
def test_a_quote_is_judged_again_as_it_is_taken_up(
    counter: Counter, happens: Callable[[Counter], None], said: str, detail: str
) -> None:
    bet = counter.place(OVER, ELSEWHERE)
    command = counter.command(counter.quote(bet))
    happens(counter)
    told = counter.ask(command)
    counter.clock.run_for(0)
    assert (told.said, told.only.detail) == (said, detail)
    assert counter.balance == (99_900 if said == "accepted" else 99_000)


def test_a_leg_that_is_decided_otherwise_moves_a_quote_also_where_more_is_offered_then(counter: Counter) -> None:
    """Its open legs and their markets are as they were; what was decided is not."""
    bet = counter.place(OVER, ELSEWHERE)
    counter.decide(1, over=Result.HALF_WON)
    command = counter.command(counter.quote(bet))
    assert command.asked == 1_350
    counter.decide(2, over=W)
    told = counter.ask(command)
    counter.run(0)
    assert (told.said, counter.balance) == ("quote_moved", 99_000)
    assert told.only.detail == "its legs do not stand as they did; 18.00 EUR is offered now"


def test_a_bet_that_is_settled_is_not_open(counter: Counter) -> None:
    command = counter.command(counter.quote(counter.place(OVER)))
    counter.decide(1, over=L, under=W)
    assert counter.cash_out(command) == "bet_not_open"


def another_bet(counter: Counter, command: CashOut) -> CashOut:
    return msgspec.structs.replace(command, bet=counter.place(UNDER).bet)


def more(_: Counter, command: CashOut) -> CashOut:
    return msgspec.structs.replace(command, asked=command.asked - 1)


def less_of_it(_: Counter, command: CashOut) -> CashOut:
    return msgspec.structs.replace(command, stake=command.stake - 1)


def another_quote(counter: Counter, command: CashOut) -> CashOut:
    return msgspec.structs.replace(command, quote=counter.command(counter.quote(counter.place(UNDER))).quote)


def none(_: Counter, command: CashOut) -> CashOut:
    return msgspec.structs.replace(command, quote="")


def another_account(counter: Counter, command: CashOut) -> CashOut:
    held = counter.gate.cash_outs.read(command.quote)
    assert held is not None
    return msgspec.structs.replace(
        command, quote=counter.gate.cash_outs.sign(msgspec.structs.replace(held, account="bert"))
    )


@pytest.mark.parametrize("change", [another_bet, more, less_of_it, another_quote, none, another_account])
def test_a_quote_is_for_what_it_says(counter: Counter, change: Callable[[Counter, CashOut], CashOut]) -> None:
    command = counter.command(counter.quote(counter.place(OVER)))
    before = counter.balance
    assert counter.cash_out(change(counter, command)) == "quote_unknown"
    assert counter.balance <= before


def test_the_first_reason_that_applies_is_the_answer(counter: Counter) -> None:
    bet = counter.place(OVER)
    expired = counter.command(counter.quote(bet))
    counter.run(QUOTE_MS)
    assert counter.cash_out(msgspec.structs.replace(expired, quote="x", id=counter.clock.new_id())) == "quote_unknown"
    goal(counter)
    assert counter.cash_out(msgspec.structs.replace(expired, id=counter.clock.new_id())) == "quote_expired"
    suspended(counter)
    assert counter.cash_out(msgspec.structs.replace(expired, id=counter.clock.new_id())) == "cash_out_unavailable"
    counter.decide(1, over=W, under=L)
    assert counter.cash_out(msgspec.structs.replace(expired, id=counter.clock.new_id())) == "bet_not_open"
    assert counter.cash_out(msgspec.structs.replace(expired, id=counter.clock.new_id(), bet="x")) == "bet_unknown"


# --- in play ----------------------------------------------------------------------------------------------------------


def test_with_a_leg_in_play_it_waits_and_is_paid_as_quoted(in_play: Counter) -> None:
    bet = in_play.place(OVER, ELSEWHERE)
    command = in_play.command(in_play.quote(bet))
    asked_ms = in_play.clock.now_ms()
    told = in_play.ask(command)
    in_play.run(DELAY_MS - 1)
    assert (told.said, told.until_ms) == ("waits", asked_ms + DELAY_MS)
    assert in_play.gate.cash_outs.waiting_until(A, command.id) == asked_ms + DELAY_MS
    assert in_play.balance == 99_000
    in_play.run(1)
    assert (told.said, in_play.balance) == ("accepted", 99_900)
    assert in_play.gate.cash_outs.waiting_until(A, command.id) is None


@pytest.mark.parametrize(
    ("happens", "said"),
    [
        ((), "accepted"),
        ((shorter,), "accepted"),
        ((longer,), "quote_moved"),
        ((longer, shorter), "accepted"),  # as it stands when the delay is over
        ((suspended,), "cash_out_unavailable"),
        ((goal,), "quote_moved"),  # suspended and back again meanwhile
        ((lost,), "bet_not_open"),
    ],
)
def test_what_happens_while_it_waits(
    in_play: Counter, happens: tuple[Callable[[Counter], None], ...], said: str
) -> None:
    told = in_play.ask(in_play.command(in_play.quote(in_play.place(OVER))))
    for each in happens:
        in_play.run(1_000)
        each(in_play)
    in_play.run(DELAY_MS)
    assert told.said == said
    fact = in_play.core.facts(0, 100)[-1]
    assert isinstance(fact, BetCashedOut if said == "accepted" else CashOutRefused)  # who was told to wait is told
    assert isinstance(fact, BetCashedOut) or (fact.reason, fact.id) == (said, told.only.id)


@pytest.mark.parametrize(
    ("happens", "said"), [(suspended, "cash_out_unavailable"), (longer, "quote_moved"), (goal, "quote_moved")]
)
def test_what_would_be_refused_now_does_not_wait(
    in_play: Counter, happens: Callable[[Counter], None], said: str
) -> None:
    command = in_play.command(in_play.quote(in_play.place(OVER)))
    happens(in_play)
    told = in_play.ask(command)
    in_play.run(0)
    assert (told.said, told.until_ms) == (said, None)
    assert not any(isinstance(fact, CashOutRefused) for fact in in_play.core.facts(0, 100))


def test_the_quotes_time_is_judged_as_it_arrives(in_play: Counter) -> None:
    """A quote holds longer than the delay: one that comes at the last moment is not over when it is judged again."""
    command = in_play.command(in_play.quote(in_play.place(OVER)))
    in_play.run(QUOTE_MS - 1)
    assert in_play.cash_out(command, within_ms=DELAY_MS) == "accepted"


def test_asked_twice_while_it_waits_it_is_one_cash_out(in_play: Counter) -> None:
    bet = in_play.place(OVER)
    command = in_play.command(in_play.quote(bet, 400))
    other = msgspec.structs.replace(in_play.command(in_play.quote(bet, 500)), id=command.id)
    first, again, different = in_play.ask(command), in_play.ask(command), in_play.ask(other)
    in_play.run(DELAY_MS)
    assert (first.said, again.said, different.said) == ("accepted", "accepted", "id_reused")
    assert in_play.bet(bet).remaining == 600


def test_asked_again_it_has_the_answer_that_it_had(in_play: Counter) -> None:
    """Refused or paid, and though the same would be taken now; of what was decided nothing waits again."""
    bet = in_play.place(OVER)
    paid, refused = in_play.command(in_play.quote(bet, 400)), in_play.command(in_play.quote(bet, 500))
    first = in_play.ask(refused)
    longer(in_play)
    in_play.run(DELAY_MS)
    shorter(in_play)
    assert (first.said, in_play.cash_out(paid, within_ms=DELAY_MS)) == ("quote_moved", "accepted")
    for command, said in ((refused, "quote_moved"), (paid, "accepted")):
        again = in_play.ask(command)
        in_play.run(0)
        assert (again.said, again.until_ms) == (said, None)
    assert in_play.bet(bet).remaining == 600


def test_two_of_one_bet_under_different_ids_pay_once(in_play: Counter) -> None:
    quote = in_play.quote(in_play.place(OVER))
    one, two = in_play.ask(in_play.command(quote)), in_play.ask(in_play.command(quote))
    in_play.run(DELAY_MS)
    assert sorted([one.said, two.said]) == ["accepted", "bet_not_open"]
    assert in_play.balance == 99_900


# --- the moment -------------------------------------------------------------------------------------------------------


def test_there_is_a_limit_to_what_waits_and_to_what_queues() -> None:
    small = Counter(waiting_max=2)
    quote = small.quote(small.place(OVER))
    told = [small.ask(small.command(quote)) for _ in range(3)]
    small.run(0)
    assert [each.said for each in told] == ["waits", "waits", "busy"]
    small.run(DELAY_MS)
    assert [each.said for each in told] == ["accepted", "bet_not_open", "busy"]

    small = Counter(waiting_max=2)
    command = small.command(small.quote(small.place(OVER)))
    told = [small.ask(command) for _ in range(4)]  # asked again it counts, too
    small.run(DELAY_MS)
    assert [each.said for each in told] == ["accepted", "accepted", "busy", "busy"]
    assert small.ask(small.command(small.quote(small.place(OVER)))).said != "busy"  # there is room again

    small = Counter(queue_max=2, batch_max=1, delay_ms=0)
    quote = small.quote(small.place(OVER))
    told = [small.ask(small.command(quote)) for _ in range(3)]
    small.run(0)
    assert [each.said for each in told] == ["accepted", "bet_not_open", "busy"]


def test_without_a_ledger_nothing_is_recorded_and_the_same_id_is_good_later(counter: Counter) -> None:
    command = counter.command(counter.quote(counter.place(OVER)))
    counter.ledger.away = True
    assert counter.cash_out(command) == Moment.UNAVAILABLE
    counter.ledger.away = False
    assert counter.cash_out(command) == "accepted"


def test_one_batch_is_in_flight(counter: Counter) -> None:
    bets = [counter.place(OVER) for _ in range(3)]
    commands = [counter.command(counter.quote(bet)) for bet in bets]
    counter.ledger.late_ms = 50
    first = counter.ask(commands[0])
    counter.run(10)
    rest = [counter.ask(command) for command in commands[1:]]
    counter.run(39)
    assert first.said == "nothing"
    counter.run(1)
    assert (first.said, [told.said for told in rest]) == ("accepted", ["nothing", "nothing"])
    counter.run(50)
    assert {told.said for told in rest} == {"accepted"}


def test_a_combination_without_a_joint_price_is_not_offered(counter: Counter) -> None:
    counter.gate.book("F:odd_even", live=False)
    parts = [Part("F:total_goals@2.5", OVER, 1), Part("F:odd_even", "F:odd_even/over", 1)]
    bet = counter.place_legs([combination("F", 3000, parts)])
    assert counter.gate.cash_outs.quote(A, bet.bet) == ("cash_out_unavailable", "leg 1: combination_unpriced")
