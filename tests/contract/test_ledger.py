"""What every ledger promises, as tables a bookkeeper can read. Every batch is committed twice."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matchday.backends.ledger_sqlite import SqliteLedgerCore
from matchday.model.bet import BetStatus, Leg, Outcome, Part, Policy, Result, combination
from matchday.model.ledger import (
    ID_MEMORY_MS,
    AccountStatus,
    Answer,
    CashOut,
    Charge,
    Command,
    DecideLegs,
    OpenAccount,
    PlaceBet,
    Refusal,
    SetLimit,
    SetStatus,
    SettleBet,
    SettleBets,
    Transfer,
)
from matchday.model.messages import BetAccepted, BetSettled, Decision, encode
from matchday.ports import Ledger, LedgerUnavailable
from matchday.sim.clock import VirtualClock

from .conftest import World

NOW = 1_500_000_000_000
DAY = 86_400_000
WON, LOST, VOID = Outcome(Result.WON), Outcome(Result.LOST), Outcome(Result.VOID, 2)
IDS = VirtualClock(seed=7, start_ms=NOW)
A = "anna"


def opened(balance: int = 10_000, per_day: int = 100_000, account: str = A) -> list[Command]:
    return [
        OpenAccount(f"open-{account}", account, "EUR", NOW, per_day),
        Transfer(f"grant-{account}", account, balance, "EUR", "grant", NOW),
    ]


def bet(
    stake: int, *, id_: str = "", name: str = "b1", price: int = 2500, selection: str = "F:1x2/home", account: str = A,
    at_ms: int = NOW, currency: str = "EUR", refusal: Refusal | None = None, charges: tuple[Charge, ...] = (),
    free_bet: str = "",
) -> PlaceBet:  # fmt: skip
    leg = Leg("F", "F:1x2", selection, price, 0)
    return PlaceBet(
        id_ or IDS.new_id(), account, currency, stake, Policy.BETTER, (leg,), name, at_ms, (leg,), charges, refusal,
        free_bet=free_bet,
    )  # fmt: skip


def decide(version: int, outcome: Outcome, selection: str = "F:1x2/home") -> DecideLegs:
    return DecideLegs(f"decide-{version}-{selection}", "F", version, (Decision("F:1x2", selection, outcome),), NOW)


def settle(version: int, name: str = "b1") -> SettleBet:
    return SettleBet(f"settle:{name}:{version}", name, A, NOW)


def commit(world: World, ledger: Ledger, commands: Sequence[Command]) -> list[Answer]:
    """Commit twice: the second time every answer is the same, marked as repeated, and nothing changes. A settlement
    is not remembered: it finds the bet where its legs stand, and answers with that."""
    found: list[Sequence[Answer] | LedgerUnavailable] = []
    ledger.commit(commands, found.append)
    world.until(lambda: len(found) == 1)
    before = (ledger.totals(), ledger.entries(0, 10_000), ledger.facts(0, 10_000))
    ledger.commit(commands, found.append)
    world.until(lambda: len(found) == 2)
    first, second = found
    assert not isinstance(first, LedgerUnavailable)
    assert not isinstance(second, LedgerUnavailable)
    for command, one, other in zip(commands, first, second, strict=True):
        if isinstance(command, SettleBet | SettleBets):
            held = ledger.bet(command.bet) if isinstance(command, SettleBet) else None
            assert (other.refusal, other.bet) == (None, held)
        elif one.refusal != Refusal.ID_EXPIRED:
            assert other.repeated or other.refusal == Refusal.ID_REUSED
            assert (one.refusal, one.bet and one.bet.bet) == (other.refusal, other.bet and other.bet.bet)
    assert before == (ledger.totals(), ledger.entries(0, 10_000), ledger.facts(0, 10_000))
    assert set(ledger.totals().values()) <= {0}
    return list(first)


def balance(ledger: Ledger, account: str = A) -> int:
    view = ledger.account(account)
    assert view is not None
    return view.balance


def test_a_bet_reserves_its_stake(world: World, ledger: Ledger) -> None:
    placed = bet(1_000)
    answers = commit(world, ledger, [*opened(), placed])
    assert [answer.refusal for answer in answers] == [None, None, None]
    assert balance(ledger) == 9_000
    entry = ledger.statement(A, None, 10)[0]
    assert {(p.account, p.amount) for p in entry.postings} == {(A, -1_000), ("stakes:EUR:0", 1_000)}
    held = ledger.answer(A, placed.id)
    assert held is not None
    assert held.bet == answers[2].bet
    assert [b.bet for b in ledger.bets(A, open_only=True, before=None, limit=10)] == ["b1"]


@pytest.mark.parametrize(
    ("commands", "refusal"),
    [
        ([bet(1_000, id_="not-a-uuid")], Refusal.ID_EXPIRED),
        ([bet(1_000, at_ms=NOW + ID_MEMORY_MS + 60_000)], Refusal.ID_EXPIRED),
        ([bet(1_000, account="nobody")], Refusal.ACCOUNT_UNKNOWN),
        ([SetStatus("s", A, AccountStatus.SUSPENDED, NOW), bet(1_000)], Refusal.ACCOUNT_NOT_OPEN),
        ([bet(1_000, currency="GBP")], Refusal.CURRENCY_MISMATCH),
        ([bet(1_000, refusal=Refusal.PRICE_MOVED)], Refusal.PRICE_MOVED),
        ([SetLimit("l", A, 900, NOW), bet(1_000)], Refusal.STAKE_LIMIT_REACHED),
        ([SetLimit("l", A, 1_500, NOW), bet(1_000, name="b0"), bet(501)], Refusal.STAKE_LIMIT_REACHED),
        ([bet(1_000, charges=(Charge("g", 1_500, 1_499, Refusal.EXPOSURE_REACHED),))], Refusal.EXPOSURE_REACHED),
        ([bet(10_001)], Refusal.INSUFFICIENT_FUNDS),
        ([bet(6_000, name="b0"), bet(4_001)], Refusal.INSUFFICIENT_FUNDS),
        # the first that applies is the answer
        ([bet(20_000, currency="GBP", refusal=Refusal.MARKET_CLOSED)], Refusal.CURRENCY_MISMATCH),
        ([bet(20_000, refusal=Refusal.MARKET_CLOSED)], Refusal.MARKET_CLOSED),
        ([bet(20_000, charges=(Charge("g", 2, 1, Refusal.EXPOSURE_REACHED),))], Refusal.EXPOSURE_REACHED),
        ([Transfer("w", A, -10_001, "EUR", "withdrawal", NOW)], Refusal.INSUFFICIENT_FUNDS),
    ],
)
def test_refusals(world: World, ledger: Ledger, commands: list[Command], refusal: Refusal) -> None:
    answers = commit(world, ledger, [*opened(), *commands])
    assert answers[-1].refusal == refusal
    assert all(answer.refusal is None for answer in answers[:-1])


def test_a_limit_is_lowered_at_once_and_raised_after_a_day(world: World, ledger: Ledger) -> None:
    later = bet(1_000, name="b2", at_ms=NOW + DAY + 1)
    answers = commit(
        world,
        ledger,
        [*opened(per_day=5_000), SetLimit("l1", A, 500, NOW), SetLimit("l2", A, 2_000, NOW), bet(1_000), later],
    )
    assert [answer.refusal for answer in answers[4:]] == [Refusal.STAKE_LIMIT_REACHED, None]


def test_an_id_stands_for_its_payload(world: World, ledger: Ledger) -> None:
    first = bet(1_000)
    other = msgspec.structs.replace(first, stake=1_001, bet="b2")
    commit(world, ledger, [*opened(), first])
    assert commit(world, ledger, [other])[0].refusal == Refusal.ID_REUSED
    # what the gate adds is not the payload: a retry judged anew gets the first answer
    again = msgspec.structs.replace(first, bet="b3", at_ms=NOW + 5, refusal=Refusal.PRICE_MOVED)
    answer = commit(world, ledger, [again])[0]
    assert (answer.refusal, answer.repeated, answer.bet and answer.bet.bet) == (None, True, "b1")
    assert balance(ledger) == 9_000


@pytest.mark.parametrize("strange", ["\0", "l\0\0", "\ue000", "'; --", '{"}', "\\x00", "ünïcode ✓"])
def test_what_callers_make_up_is_taken_as_it_is(world: World, ledger: Ledger, strange: str) -> None:
    """Ids and names of anything: none of them is a fault, and what is not there is not found."""
    limit, cash = SetLimit(strange, A, 5_000, NOW), CashOut(strange + "c", A, strange, 0, 10, NOW)
    free, taken = bet(100, free_bet=strange), msgspec.structs.replace(bet(100), offer=strange)
    answers = commit(world, ledger, [*opened(), limit, cash, free, taken, bet(100, id_=strange + "b")])
    assert [answer.refusal for answer in answers[2:]] == [
        None, Refusal.BET_UNKNOWN, Refusal.FREE_BET_UNKNOWN, Refusal.OFFER_UNKNOWN, Refusal.ID_EXPIRED,
    ]  # fmt: skip
    known = ledger.answer(A, strange)
    assert known is not None
    assert (known.id, known.refusal) == (strange, None)
    found: list[object] = [
        ledger.answer(A, strange + "?"), ledger.bet(strange), ledger.account(strange), ledger.referral(A, strange),
        ledger.offer(A, strange), ledger.bets(strange, open_only=False, before=None, limit=9),
        ledger.bets(A, open_only=False, before=strange, limit=9), ledger.statement(strange, None, 9),
        ledger.bets_on([strange], 0, 9), ledger.decisions([strange]), ledger.windows([strange]),
        ledger.guards([strange]), ledger.backed(strange),
    ]  # fmt: skip
    assert not any(found)


def test_a_refusal_is_remembered(world: World, ledger: Ledger) -> None:
    refused = bet(1_000, refusal=Refusal.MARKET_SUSPENDED)
    commit(world, ledger, [*opened(), refused])
    answer = commit(world, ledger, [msgspec.structs.replace(refused, refusal=None)])[0]
    assert (answer.refusal, answer.repeated) == (Refusal.MARKET_SUSPENDED, True)


@pytest.mark.parametrize(
    ("outcome", "returns", "status"),
    [
        (WON, 2_500, BetStatus.SETTLED),
        (LOST, 0, BetStatus.SETTLED),
        (VOID, 1_000, BetStatus.VOID),
        (Outcome(Result.HALF_WON, 1), 1_750, BetStatus.SETTLED),
        (Outcome(Result.HALF_LOST, 1), 500, BetStatus.SETTLED),
    ],
)
def test_settlement(world: World, ledger: Ledger, outcome: Outcome, returns: int, status: BetStatus) -> None:
    commit(world, ledger, [*opened(), bet(1_000), decide(5, outcome), settle(5)])
    settled = ledger.bet("b1")
    assert settled is not None
    assert (settled.status, settled.returns, settled.version) == (status, returns, 5)
    assert balance(ledger) == 9_000 + returns
    assert ledger.open_bets() == 0


def test_a_correction_posts_the_difference_and_shortfall_what_cannot_be_taken_back(
    world: World, ledger: Ledger
) -> None:
    commit(world, ledger, [*opened(), bet(1_000), decide(5, WON), settle(5)])
    assert balance(ledger) == 11_500
    commit(world, ledger, [Transfer("w", A, -11_000, "EUR", "withdrawal", NOW), decide(6, LOST), settle(6)])
    assert balance(ledger) == 0
    last = ledger.statement(A, None, 1)[0]
    assert {(p.account, p.amount) for p in last.postings} == {
        (A, -500), ("shortfall:EUR:0", -2_000), ("house:EUR:0", 2_500)
    }  # fmt: skip


def test_an_older_decision_changes_nothing(world: World, ledger: Ledger) -> None:
    commit(world, ledger, [*opened(), bet(1_000), decide(6, WON), decide(5, LOST), settle(6), settle(5)])
    assert ledger.decisions(["F:1x2/home"]) == {"F:1x2/home": (6, WON)}
    assert balance(ledger) == 11_500


def test_settling_frees_exposure(world: World, ledger: Ledger) -> None:
    charge = (Charge("exposure:F#0", 1_500, 2_000, Refusal.EXPOSURE_REACHED),)
    commands = [bet(1_000, charges=charge), bet(1_000, name="b2", charges=charge)]
    answers = commit(world, ledger, [*opened(), *commands])
    assert [answer.refusal for answer in answers[2:]] == [None, Refusal.EXPOSURE_REACHED]
    commit(world, ledger, [decide(5, LOST), settle(5)])
    assert commit(world, ledger, [bet(1_000, name="b3", charges=charge)])[0].refusal is None


def test_facts_come_in_order_and_listeners_are_called(world: World, ledger: Ledger) -> None:
    heard: list[int] = []
    ledger.listen(lambda: heard.append(1))
    commit(world, ledger, [*opened(), bet(1_000), decide(5, WON), settle(5)])
    facts = ledger.facts(0, 10)
    assert [fact.seq for fact in facts] == [1, 2, 3]
    assert isinstance(facts[1], BetAccepted)
    assert isinstance(facts[2], BetSettled)
    assert facts[2].balance == balance(ledger)
    assert heard
    assert ledger.facts(2, 10) == facts[2:]


def test_a_settlement_heard_again_brings_the_bet_to_where_its_legs_stand(world: World, ledger: Ledger) -> None:
    """Under any id, known or new: its version decides, so that no id of a settlement is remembered."""
    commit(world, ledger, [*opened(), bet(1_000), decide(5, WON), settle(5)])
    assert ledger.answer(A, "settle:b1:5") is None
    again = commit(world, ledger, [settle(5), settle(7)])
    assert [answer.bet and answer.bet.version for answer in again] == [5, 5]
    assert balance(ledger) == 11_500
    answers = commit(world, ledger, [decide(6, LOST), settle(5)])
    assert answers[1].bet == ledger.bet("b1")
    assert balance(ledger) == 9_000


def on(ledger: Ledger, *selections: str, limit: int = 100) -> list[tuple[int, int]]:
    """All bets on them, read page by page."""
    found: list[tuple[int, int]] = []
    while page := ledger.bets_on(selections, found[-1][1] if found else 0, limit):
        found += page
    return found


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_bets_on_selections_are_found_page_by_page(world: World, ledger: Ledger, limit: int) -> None:
    """Each once and as they were placed, whatever their ids are; those of an account say so."""
    names, outcomes = ["b5", "b1", "b9", "b0", "b7", "b2"], ("home", "away", "draw")
    bets = [bet(100, name=name, selection=f"F:1x2/{outcomes[n % 3]}", account=(A, "bert")[n // 3])
            for n, name in enumerate(names)]  # fmt: skip
    commit(world, ledger, [*opened(), *opened(account="bert"), *bets])
    every = on(ledger, *(f"F:1x2/{outcome}" for outcome in outcomes), limit=limit)
    numbers = [number for _, number in every]
    assert numbers == sorted(set(numbers))
    assert len(numbers) == 6
    anna, bert = every[0][0], every[3][0]
    assert [account for account, _ in every] == [anna] * 3 + [bert] * 3
    assert anna != bert
    assert on(ledger, "F:1x2/home", limit=limit) == [every[0], every[3]]
    assert on(ledger, "F:1x2/away", "F:1x2/draw", limit=limit) == [every[n] for n in (1, 2, 4, 5)]
    assert on(ledger, "F:1x2", "F:1x2/", "G:1x2/home", limit=limit) == on(ledger, limit=limit) == []


def test_a_bet_with_several_legs_is_found_by_each_and_once_by_all(world: World, ledger: Ledger) -> None:
    legs = tuple(Leg(f, f"{f}:1x2", f"{f}:1x2/home", 2_000, 0) for f in ("F", "G"))
    combined = combination("F", 3_000, [Part("F:1x2", "F:1x2/home", 0), Part("F:btts", "F:btts/yes", 0)])
    of_two = msgspec.structs.replace(bet(100, name="b1"), legs=legs)
    of_parts = msgspec.structs.replace(bet(100, name="b2"), legs=(combined,))
    commit(world, ledger, [*opened(), of_two, of_parts])
    both = on(ledger, "F:1x2/home")
    assert (len(both), on(ledger, "G:1x2/home"), on(ledger, "F:btts/yes")) == (2, both[:1], both[1:])
    assert on(ledger, "F:btts/yes", "G:1x2/home", "F:1x2/home") == both
    assert (ledger.backed("F"), ledger.backed("G")) == (["F:1x2/home", "F:btts/yes"], ["G:1x2/home"])
    assert ledger.backed("") == ledger.backed("F:1x2") == ledger.backed("H") == []


def test_bets_are_settled_by_their_numbers(world: World, ledger: Ledger) -> None:
    """As by their names: each as far as it is decided, once, and the command is not remembered."""
    undecided = bet(100, name="b3", selection="F:1x2/away")
    bets = [bet(1_000, name="b1"), bet(500, name="b2", account="bert"), undecided]
    commit(world, ledger, [*opened(), *opened(account="bert"), *bets, decide(5, WON)])
    numbers = tuple(number for _, number in on(ledger, "F:1x2/home", "F:1x2/away"))
    commit(world, ledger, [SettleBets("settle:F:5", "F", numbers, NOW)])
    held = [ledger.bet(name) for name in ("b1", "b2", "b3")]
    assert [(b.status, b.version) for b in held if b is not None] == [
        (BetStatus.SETTLED, 5), (BetStatus.SETTLED, 5), (BetStatus.OPEN, 0),
    ]  # fmt: skip
    assert (balance(ledger), balance(ledger, "bert")) == (11_400, 10_750)
    assert [(entry.reason, entry.bet) for entry in ledger.entries(0, 100)[-2:]] == [
        ("settlement", "b1"), ("settlement", "b2"),
    ]  # fmt: skip
    assert ledger.answer("fixture:F", "settle:F:5") is None


def test_the_outbox_has_the_facts_as_they_are_to_stand_on_the_log(world: World, ledger: Ledger) -> None:
    commit(world, ledger, [*opened(), *opened(account="bert"), bet(1_000), decide(5, WON), settle(5)])
    facts = ledger.facts(0, 100)
    assert ledger.outbox(0, 100) == [(fact.seq, fact.account, encode(fact)) for fact in facts]
    assert ledger.outbox(2, 1) == [(facts[2].seq, facts[2].account, encode(facts[2]))]


def test_bets_are_listed_newest_first_page_by_page(world: World, ledger: Ledger) -> None:
    commit(world, ledger, [*opened(), *(bet(10, name=name) for name in ("b3", "b1", "b2")), decide(5, LOST)])
    commit(world, ledger, [settle(5, "b1")])

    def listed(before: str | None, *, open_only: bool = False) -> list[str]:
        return [found.bet for found in ledger.bets(A, open_only=open_only, before=before, limit=2)]

    assert (listed(None), listed("b1"), listed("b3")) == (["b2", "b1"], ["b3"], [])
    assert listed(None, open_only=True) == ["b2", "b3"]
    assert listed("nobody knows it") == []


OUTCOMES = st.sampled_from([WON, LOST, VOID, Outcome(Result.HALF_WON, 1), Outcome(Result.HALF_LOST, 1)])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("bet"), st.integers(1, 6_000), st.integers(1001, 20_000)),
        st.tuples(st.just("decide"), st.integers(1, 9), OUTCOMES),
        st.tuples(st.just("settle"), st.integers(0, 8), st.integers(1, 9)),
        st.tuples(st.just("move"), st.integers(-12_000, 12_000), st.just(0)),
    ),
    max_size=25,
)


@settings(max_examples=120, deadline=None)
@given(STEPS, st.data())
def test_money_is_conserved_whatever_happens_and_whatever_is_said_twice(
    steps: list[tuple[str, int, Any]], data: st.DataObject
) -> None:
    """Any order of bets, decisions, settlements, corrections and transfers, in batches of any size, some repeated."""
    ids = VirtualClock(seed=3, start_ms=NOW)
    commands: list[Command] = opened()
    bets = 0
    for number, step in enumerate(steps):
        kind, a, b = step
        if kind == "bet":
            commands.append(bet(a, id_=ids.new_id(), name=f"b{bets}", price=b))
            bets += 1
        elif kind == "decide":
            commands.append(decide(a, b))
        elif kind == "settle" and a < bets and any(isinstance(c, DecideLegs) for c in commands):
            commands.append(SettleBet(f"settle-{number}", f"b{a}", A, NOW))
        elif kind == "move":
            commands.append(Transfer(f"move-{number}", A, a, "EUR", "move", NOW))
    core = SqliteLedgerCore(":memory:")
    accepted: set[str] = set()
    while commands:
        size = data.draw(st.integers(1, len(commands)))
        batch, commands = commands[:size], commands[size:]
        batch = [c for c in batch if not (isinstance(c, SettleBet) and core.bet(c.bet) is None and c.bet not in
                 {p.bet for p in batch if isinstance(p, PlaceBet)})]  # fmt: skip
        placed = {p.bet for p in batch if isinstance(p, PlaceBet)}
        batch = [c for c in batch if not (isinstance(c, SettleBet) and c.bet in placed)]
        core.commit(batch)
        core.commit([c for c in batch if isinstance(c, SettleBet)])  # perhaps said before what it was decided by
        before = (core.balances(), core.totals())
        core.commit(data.draw(st.lists(st.sampled_from(batch), max_size=3)) if batch else [])
        assert (core.balances(), core.totals()) == before
        assert set(core.totals().values()) <= {0}
        assert {k: v for k, v in core.balances().items() if v} == {k: v for k, v in core.posted().items() if v}
        assert core.balances().get(A, 0) >= 0
        accepted |= {b.bet for b in core.bets(A, open_only=False, before=None, limit=1_000)}
    core.close()
