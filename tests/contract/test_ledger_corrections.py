"""What every ledger promises of results that change: rolled back, corrected, void for who knew. Every batch twice."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matchday.backends.ledger_sqlite import SqliteLedgerCore
from matchday.model.bet import BetStatus, Leg, Outcome, Policy
from matchday.model.ledger import (
    Charge,
    Command,
    DecideLegs,
    PlaceBet,
    Refusal,
    SetCashOut,
    SettleBet,
    Transfer,
    VoidLegs,
    standing,
)
from matchday.model.messages import BetReopened, BetSettled, Decision
from matchday.ports import Ledger
from matchday.sim.clock import VirtualClock

from .conftest import World
from .test_ledger import DAY, IDS, LOST, NOW, VOID, WON, A, balance, bet, commit, decide, opened, settle

HOME = "F:1x2/home"


def withdrawn(version: int) -> DecideLegs:
    """Undecided again."""
    return DecideLegs(f"decide-{version}-{HOME}", "F", version, (Decision("F:1x2", HOME, None),), NOW)


def take(amount: int, name: str = "w") -> Transfer:
    return Transfer(name, A, -amount, "EUR", "withdrawal", NOW)


def window(version: int, from_ms: int, until_ms: int) -> VoidLegs:
    return VoidLegs(f"void-{version}", "F", version, from_ms, until_ms, NOW)


def postings(ledger: Ledger) -> dict[str, int]:
    return {posting.account: posting.amount for posting in ledger.statement(A, None, 1)[0].postings}


def test_settled_and_rolled_back_is_as_it_was(world: World, ledger: Ledger) -> None:
    charge = (Charge("exposure:F#0", 1_500, 2_000, Refusal.EXPOSURE_REACHED),)
    commit(world, ledger, [*opened(), bet(1_000, charges=charge)])
    before = (balance(ledger), ledger.totals(), ledger.open_bets())
    commit(world, ledger, [decide(5, WON), settle(5)])
    assert balance(ledger) == 11_500
    commit(world, ledger, [withdrawn(6), settle(6)])
    assert (balance(ledger), ledger.totals(), ledger.open_bets()) == before
    held = ledger.bet("b1")
    assert held is not None
    assert (held.status, held.returns, held.owed, held.version) == (BetStatus.OPEN, 0, 0, 6)
    assert postings(ledger) == {A: -2_500, "stakes:EUR:0": 1_000, "house:EUR:0": 1_500}
    assert [type(fact) for fact in ledger.facts(2, 9)] == [BetSettled, BetReopened]
    full = commit(world, ledger, [bet(1_000, name="b2", charges=charge)])[0]
    assert full.refusal == Refusal.EXPOSURE_REACHED  # its liability counts again


def test_what_was_withdrawn_is_owed_and_paid_first(world: World, ledger: Ledger) -> None:
    """Won, withdrawn, the goal taken back, and won after all: the fan has been paid once."""
    commit(world, ledger, [*opened(), bet(1_000), decide(5, WON), settle(5), take(11_000)])
    commit(world, ledger, [withdrawn(6), settle(6)])
    assert postings(ledger) == {A: -500, "shortfall:EUR:0": -2_000, "stakes:EUR:0": 1_000, "house:EUR:0": 1_500}
    held = ledger.bet("b1")
    assert held is not None
    assert (held.owed, balance(ledger)) == (2_000, 0)
    commit(world, ledger, [decide(7, WON), settle(7)])
    assert postings(ledger) == {A: 500, "shortfall:EUR:0": 2_000, "stakes:EUR:0": -1_000, "house:EUR:0": -1_500}
    held = ledger.bet("b1")
    assert held is not None
    assert (held.owed, held.returns, balance(ledger)) == (0, 2_500, 500)


def test_a_threshold_of_cash_out_outlives_a_settlement_that_is_rolled_back(world: World, ledger: Ledger) -> None:
    watch = SetCashOut(IDS.new_id(), A, "b1", 1_200, NOW)
    commit(world, ledger, [*opened(), bet(1_000), watch, decide(5, LOST), settle(5)])
    assert ledger.to_cash_out("", 9) == []
    commit(world, ledger, [withdrawn(6), settle(6)])
    assert [(held.bet, held.cash_out_at) for held in ledger.to_cash_out("", 9)] == [("b1", 1_200)]


def test_an_outcome_that_was_never_decided_needs_no_withdrawal(world: World, ledger: Ledger) -> None:
    commit(world, ledger, [*opened(), bet(1_000), withdrawn(4), settle(4)])
    assert ledger.decisions([HOME]) == {}
    assert ledger.open_bets() == 1


@pytest.mark.parametrize(
    ("from_ms", "until_ms", "status", "back"),
    [
        (NOW - 5, NOW + 5, BetStatus.VOID, 10_000),
        (NOW, NOW + 1, BetStatus.VOID, 10_000),  # from: inclusive
        (NOW - 9, NOW, BetStatus.SETTLED, 11_500),  # until: exclusive
        (NOW + 1, NOW + 9, BetStatus.SETTLED, 11_500),
    ],
)
def test_a_bet_placed_on_what_was_known_is_void_whatever_comes(
    world: World, ledger: Ledger, from_ms: int, until_ms: int, status: BetStatus, back: int
) -> None:
    commit(world, ledger, [*opened(), bet(1_000), decide(5, WON), settle(5)])
    commit(world, ledger, [window(6, from_ms, until_ms), settle(11), settle(5)])
    held = ledger.bet("b1")
    assert held is not None
    assert (held.status, balance(ledger)) == (status, back)
    assert ledger.windows(["F", "G"])["F"][0].version == 6
    assert "G" not in ledger.windows(["F", "G"])


AWAY = "G:1x2/away"
CAPS = tuple(Charge(f"exposure:{fixture}#0", 4_000, 4_000, Refusal.EXPOSURE_REACHED) for fixture in "FG")


def double(name: str = "b1") -> PlaceBet:
    """1,000 at 2.00 and 2.50, for all that the house may lose on both matches."""
    legs = (Leg("F", "F:1x2", HOME, 2_000, 0), Leg("G", "G:1x2", AWAY, 2_500, 0))
    return PlaceBet(IDS.new_id(), A, "EUR", 1_000, Policy.BETTER, legs, name, NOW, legs, CAPS)


def stands(ledger: Ledger, name: str = "b1") -> tuple[BetStatus, int, int]:
    held = ledger.bet(name)
    assert held is not None
    return held.status, held.returns, held.version


def test_a_bet_whose_lines_are_all_lost_is_settled_before_its_other_legs_are(world: World, ledger: Ledger) -> None:
    commit(world, ledger, [*opened(), double()])
    assert commit(world, ledger, [double("b2")])[0].refusal == Refusal.EXPOSURE_REACHED
    commit(world, ledger, [decide(5, LOST), settle(5)])
    assert (stands(ledger), ledger.open_bets(), balance(ledger)) == ((BetStatus.SETTLED, 0, 5), 0, 9_000)
    last = ledger.entries(0, 99)[-1]
    assert {posting.account: posting.amount for posting in last.postings} == {
        "stakes:EUR:0": -1_000, "house:EUR:0": 1_000,
    }  # fmt: skip
    assert commit(world, ledger, [double("b2")])[0].refusal is None  # nothing of it is held on either match any more
    told = len(ledger.facts(0, 99))
    commit(world, ledger, [decide(4, WON, AWAY), settle(9)])
    assert (stands(ledger), len(ledger.facts(0, 99))) == ((BetStatus.SETTLED, 0, 5), told)


@pytest.mark.parametrize(
    ("other", "status", "back"),
    [(None, BetStatus.OPEN, 9_000), (WON, BetStatus.SETTLED, 14_000), (LOST, BetStatus.SETTLED, 9_000)],
)
def test_a_leg_that_was_lost_and_is_not_any_more_counts_again_with_the_others(
    world: World, ledger: Ledger, other: Outcome | None, status: BetStatus, back: int
) -> None:
    commit(world, ledger, [*opened(), double(), decide(5, LOST), settle(5)])
    if other is not None:
        commit(world, ledger, [decide(4, other, AWAY), settle(9)])
    commit(world, ledger, [decide(6, WON), settle(10)])
    assert (stands(ledger)[0], balance(ledger), ledger.open_bets()) == (status, back, int(other is None))
    again = commit(world, ledger, [double("b2")])[0].refusal
    assert again == (Refusal.EXPOSURE_REACHED if other is None else None)
    if other is None:
        commit(world, ledger, [decide(7, WON, AWAY), settle(13)])
        assert (stands(ledger), balance(ledger)) == ((BetStatus.SETTLED, 5_000, 13), 14_000)


def test_a_window_voids_a_bet_that_is_still_undecided(world: World, ledger: Ledger) -> None:
    commit(world, ledger, [*opened(), bet(1_000), window(3, NOW, NOW + 1), settle(3)])
    held = ledger.bet("b1")
    assert held is not None
    assert (held.status, balance(ledger)) == (BetStatus.VOID, 10_000)
    commit(world, ledger, [decide(5, LOST), settle(8)])
    assert balance(ledger) == 10_000


def test_a_clock_that_goes_back_over_midnight_begins_no_new_day(world: World, ledger: Ledger) -> None:
    """Found by simulation, seed 23: a fan staked his daily limit at 00:10, the clock went back to 23:50, and the day
    of his limit began anew."""
    midnight = NOW // DAY * DAY + DAY
    commit(world, ledger, opened(per_day=1_000))
    late, early = midnight + 600_000, midnight - 600_000
    ids = [VirtualClock(seed, late).new_id() for seed in (1, 2)]
    answers = commit(world, ledger, [bet(800, id_=ids[0], at_ms=late), bet(800, id_=ids[1], name="b2", at_ms=early)])
    assert [answer.refusal for answer in answers] == [None, Refusal.STAKE_LIMIT_REACHED]


STEP = st.one_of(
    st.tuples(st.just("decide"), st.sampled_from([WON, LOST, VOID, None])),
    st.tuples(st.just("void"), st.integers(-2, 2)),
    st.tuples(st.just("move"), st.integers(-12_000, 4_000)),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(STEP, max_size=12))
def test_whatever_happened_the_fan_ends_with_what_the_last_word_says(
    steps: list[tuple[str, Outcome | int | None]],
) -> None:
    """Money is conserved, no balance is negative, and what the fan has had of the bet is its return and its debt."""
    core = SqliteLedgerCore(":memory:")
    core.commit([*opened(), bet(1_000)])
    moved, version = 10_000, 0
    for number, (kind, what) in enumerate(steps, 1):
        commands: list[Command] = []
        if kind == "decide":
            assert not isinstance(what, int)
            commands = [DecideLegs(f"d{number}", "F", number, (Decision("F:1x2", HOME, what),), NOW)]
        elif kind == "void":
            assert isinstance(what, int)
            commands = [window(number, NOW + what, NOW + what + 1)]
        else:
            assert isinstance(what, int)
            answer = core.commit([Transfer(f"t{number}", A, what, "EUR", "move", NOW)])[0]
            moved += what if answer.refusal is None else 0
        core.commit([*commands, SettleBet(f"s{number}", "b1", A, NOW)])
        held = core.bet("b1")
        assert held is not None
        assert held.version >= version
        version = held.version
        assert core.totals() == {"EUR": 0}
        assert core.balances() == core.posted() | {"anna": core.balances()[A]}
        assert core.balances()[A] == moved - 1_000 + held.returns + held.owed >= 0
        assert core.balances().get("shortfall:EUR:0", 0) == -held.owed
        assert core.balances()["stakes:EUR:0"] == (1_000 if held.status == BetStatus.OPEN else 0)
        _, outcomes = standing(held, core.decisions([HOME]), core.windows(["F"]))
        assert (held.status == BetStatus.OPEN) == (outcomes[0] is None)
