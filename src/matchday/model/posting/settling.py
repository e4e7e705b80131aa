"""The rules of settling: decisions and void windows, what a bet then returns, and cash-out before that."""

from functools import lru_cache
from typing import Final, cast

import msgspec

from matchday.model.bet import BET_MOVES, Bet, BetStatus, Outcome, return_of, status_of, undecided
from matchday.model.ledger import (
    Answer,
    CashOut,
    DecideLegs,
    Refusal,
    SetCashOut,
    SettleBet,
    SettleBets,
    VoidLegs,
    Window,
    house_account,
    standing,
)
from matchday.model.messages import (
    BetCashedOut,
    BetReopened,
    BetsSettled,
    CashOutRefused,
    CashOutSet,
    Settled,
)
from matchday.model.money import amount_text
from matchday.model.posting.accounts import say_free_bet
from matchday.model.posting.rows import Account, FreeBetState, PlacedBet, Rows, account_of, roles

_OPEN, _SETTLED = BetStatus.OPEN, BetStatus.SETTLED  # asked of every bet: a member is not found at once
_CASHED_OUT = BetStatus.CASHED_OUT
TOLD_MAX: Final = 64
"""Bets of one fact, some 130 bytes each."""


def decide_legs(command: DecideLegs, rows: Rows) -> Answer:
    """Remember decisions of a higher version."""
    for decision in command.decisions:
        held, outcome = rows.decisions.get(decision.selection, (-1, None))
        if held >= command.version or outcome == decision.outcome:  # what was never decided needs no withdrawal
            continue
        rows.decisions[decision.selection] = (command.version, decision.outcome)
        rows.changed_decisions.add(decision.selection)
    return Answer(command.id, account_of(command))


def void_legs(command: VoidLegs, rows: Rows) -> Answer:
    """Remember a void window."""
    held = rows.windows.setdefault(command.fixture, [])
    if all(window.version != command.version for window in held):
        window = Window(command.version, command.from_ms, command.until_ms)
        held.append(window)
        rows.new_windows.append((command.fixture, window))
    return Answer(command.id, account_of(command))


def settle_bet(command: SettleBet, rows: Rows) -> Answer:
    """Settle, settle again by the difference, or open again. A bet whose legs stand as they did is left as it is, and
    so is one that was lost and still is, and one that was cashed out."""
    placed = rows.bets.get(command.bet)
    if placed is None:
        raise ValueError(f"settlement of bet {command.bet}, which the ledger does not hold")
    account, run = rows.accounts[placed.bet.account], _Run(rows, command.at_ms)
    _settle(run, placed, account)
    run.tell()
    return Answer(command.id, command.account, None, placed.bet, account.balance)


def settle_bets(command: SettleBets, rows: Rows) -> Answer:
    """The same with each of a page."""
    run = _Run(rows, command.at_ms)
    for number in command.numbers:
        placed = rows.numbered.get(number)
        if placed is None:
            raise ValueError(f"settlement of bet number {number}, which the ledger does not hold")
        _settle(run, placed, rows.accounts[placed.bet.account])
    run.tell()
    return Answer(command.id, account_of(command))


class _Run:
    """Bets of one account that are settled one after the other, and told in one fact."""

    def __init__(self, rows: Rows, at_ms: int) -> None:
        self.rows, self.at_ms = rows, at_ms
        self._account: Account | None = None
        self._bets: list[Settled] = []

    def add(self, account: Account, settled: Settled) -> None:
        """The account's balance is as this has left it."""
        self._bets.append(settled)
        self._account = account
        if len(self._bets) == TOLD_MAX:
            self.tell()

    def goes_on(self, account: Account) -> bool:
        """Whether the next bet of this account is told with those before."""
        return account is self._account

    def tell(self) -> None:
        """End it: before the balance moves otherwise, or is another's."""
        account, bets, at_ms = self._account, self._bets, self.at_ms
        if account is None:
            return
        self._account, self._bets = None, []
        seq, name, balance = self.rows.fact(account), account.account, account.balance
        self.rows.new_facts.append(
            BetsSettled(seq, name, at_ms, balance, tuple(bets)) if len(bets) > 1
            else bets[0].told(seq, name, at_ms, balance)
        )  # fmt: skip


def _settle(run: _Run, placed: PlacedBet, account: Account) -> None:
    bet, rows, at_ms = placed.bet, run.rows, run.at_ms
    version, found = standing(bet, rows.decisions, rows.windows)
    open_ = undecided(found, bet.type)
    if bet.status is _CASHED_OUT or version <= bet.version or (open_ and bet.status is _OPEN):
        return
    if open_:
        status, returns = _OPEN, 0
    elif None in found:
        status, returns = _SETTLED, 0  # lost, whatever its other legs come to
    else:
        outcomes = cast("tuple[Outcome, ...]", found)
        status, returns = status_of(outcomes), return_of(bet.remaining, bet.legs, outcomes, bet.type, free=bet.free)
    if status is bet.status is _SETTLED and not (returns or bet.returns or bet.owed):
        return  # lost, as it was before: another of its legs makes no news of that
    assert status in BET_MOVES[bet.status], (bet, status)
    if open_ or bet.free or not run.goes_on(account):  # what else is told of the account comes in its turn
        run.tell()
    change, owed = _bring_to(rows, at_ms, placed, account, status, returns)
    placed.bet = msgspec.structs.replace(bet, status=status, returns=returns, version=version, owed=owed)
    rows.changed_bets.add(bet.bet)
    if change:
        account.count(at_ms, returned=change)
    if open_:
        reopened = BetReopened(rows.fact(account), account.account, at_ms, account.balance, bet.bet, version, change)
        rows.new_facts.append(reopened)
    else:
        run.add(account, Settled(bet.bet, status, version, returns, change))


def _bring_to(
    rows: Rows, at_ms: int, placed: PlacedBet, account: Account, status: BetStatus, returns: int
) -> tuple[int, int]:
    """Post the difference between what a bet returned and what it returns now; (change of the balance, what is owed).

    The stake of an open bet is reserved; of one that is not, it has been posted to the house, or given back as the free
    bet that it was. What the balance cannot cover is posted to ``shortfall`` and owed on this bet: what it returns
    later pays that first.
    """
    bet = placed.bet
    had, stake = bet.returns + bet.owed, bet.remaining
    change = max(returns - had, -account.balance)
    owed = had + change - returns
    reserved = (status is _OPEN) - (bet.status is _OPEN)
    if reserved:
        rows.reserve(placed, reserved)
    stakes, house, shortfall = _house(bet.currency)
    reason = ("resettlement", "rollback", "settlement")[reserved]
    gains = bet.returns - returns
    if bet.free:
        leaves, goes = _stake_leaves(rows, bet, at_ms), _stake_goes(rows, bet, status, at_ms)
        moves: tuple[tuple[str, int], ...] = ((leaves, -stake), (goes, stake), (house, gains))
    else:
        moves = ((stakes, stake * reserved), (house, gains - stake * reserved))
    rows.post(at_ms, reason, account, bet.bet, *moves, (account.account, change), (shortfall, bet.owed - owed))
    return change, owed


@lru_cache(maxsize=256)
def _house(currency: str) -> tuple[str, str, str]:
    stakes, house, shortfall = roles(currency, "stakes", "house", "shortfall")
    return stakes, house, shortfall


def _stake_leaves(rows: Rows, bet: Bet, at_ms: int) -> str:
    """The account that holds a free bet's stake as it stands. One that a void bet gave back is taken back, unless it
    was used again or its time is over: then the house bears it."""
    role = {BetStatus.OPEN: "stakes", BetStatus.VOID: "promotions"}.get(bet.status, "house")
    if bet.status == BetStatus.VOID:
        held = rows.free_bets[bet.free_bet]
        if held.state == FreeBetState.AVAILABLE and held.bet == bet.bet:
            held.state, role = FreeBetState.USED, "freebets"
            say_free_bet(rows, rows.accounts[bet.account], held, at_ms)
    return house_account(role, bet.currency)


def _stake_goes(rows: Rows, bet: Bet, status: BetStatus, at_ms: int) -> str:
    """The account to which a free bet's stake goes. Void, it can be used again until its time is over."""
    if status != BetStatus.VOID:
        return house_account("stakes" if status == BetStatus.OPEN else "house", bet.currency)
    held = rows.free_bets[bet.free_bet]
    if held.state == FreeBetState.USED and held.bet == bet.bet and at_ms < held.until_ms:
        held.state = FreeBetState.AVAILABLE
        say_free_bet(rows, rows.accounts[bet.account], held, at_ms)
        return house_account("freebets", bet.currency)
    return house_account("promotions", bet.currency)


def cash_out(command: CashOut, rows: Rows) -> Answer:
    """Pay out a part of an open bet for what was quoted, where the gate still offers as much and no leg of it was
    decided since it was valued."""
    account, placed = rows.accounts.get(command.account), rows.bets.get(command.bet)
    if account is None:
        return Answer(command.id, command.account, Refusal.ACCOUNT_UNKNOWN)
    if placed is None or placed.bet.account != command.account:
        return Answer(command.id, command.account, Refusal.BET_UNKNOWN, balance=account.balance)
    bet = placed.bet
    stake = command.stake or bet.remaining
    refusal, detail = _cash_refusal(command, bet, stake, rows)
    if refusal is not None:
        return _refuse(command, account, bet, rows, refusal, detail)
    change = max(0, command.asked - bet.owed)
    owed = bet.owed - (command.asked - change)
    left = bet.remaining - stake
    rows.reserve(placed, -1)
    placed.bet = msgspec.structs.replace(
        bet, status=BetStatus.OPEN if left else BetStatus.CASHED_OUT, cashed=bet.cashed + stake,
        cash=bet.cash + command.asked, owed=owed, cash_out_at=None,
    )  # fmt: skip
    rows.reserve(placed, 1)
    rows.changed_bets.add(bet.bet)
    stakes, house, shortfall = (house_account(role, bet.currency) for role in ("stakes", "house", "shortfall"))
    rows.post(
        command.at_ms, "cash_out", account, bet.bet, (stakes, -stake), (account.account, change),
        (shortfall, bet.owed - owed), (house, stake - command.asked),
    )  # fmt: skip
    account.count(command.at_ms, returned=change)
    rows.new_facts.append(
        BetCashedOut(
            rows.fact(account), account.account, command.at_ms, account.balance, bet.bet, stake, command.asked, left,
            change,
        )
    )  # fmt: skip
    return Answer(command.id, command.account, None, placed.bet, account.balance)


def _refuse(command: CashOut, account: Account, bet: Bet, rows: Rows, refusal: Refusal, detail: str) -> Answer:
    """Refuse; whoever was told to wait hears it by the account's channel, too."""
    if command.waited:
        seq, id_ = rows.fact(account), command.id
        rows.new_facts.append(
            CashOutRefused(seq, account.account, command.at_ms, account.balance, bet.bet, id_, refusal, detail)
        )
    return Answer(command.id, command.account, refusal, bet, account.balance, detail=detail)


def _cash_refusal(command: CashOut, bet: Bet, stake: int, rows: Rows) -> tuple[Refusal | None, str]:
    if bet.status != BetStatus.OPEN:
        return Refusal.BET_NOT_OPEN, f"the bet is {bet.status}"
    if bet.free:
        return Refusal.CASH_OUT_UNAVAILABLE, "a free bet cannot be cashed out"
    if stake > bet.remaining:
        return Refusal.CASH_OUT_UNAVAILABLE, f"{amount_text(bet.remaining, bet.currency)} of the stake is left"
    if command.automatic and (bet.cash_out_at is None or command.asked < bet.cash_out_at):
        return Refusal.CASH_OUT_UNAVAILABLE, "the bet is not to be cashed out for so much by itself"
    if command.refusal is not None:
        return command.refusal, command.detail
    if stake <= 0 or command.asked <= 0:
        return Refusal.CASH_OUT_UNAVAILABLE, "a cash-out is of some of the stake, for more than nothing"
    version, _ = standing(bet, rows.decisions, rows.windows)
    if version != command.standing:
        return Refusal.QUOTE_MOVED, "a leg was decided meanwhile"
    if command.offered < command.asked:
        return Refusal.QUOTE_MOVED, f"{amount_text(command.offered, bet.currency)} is offered now"
    return None, ""


def set_cash_out(command: SetCashOut, rows: Rows) -> Answer:
    """Remember from which offer on a fan wants a bet cashed out."""
    account, placed = rows.accounts.get(command.account), rows.bets.get(command.bet)
    if account is None:
        return Answer(command.id, command.account, Refusal.ACCOUNT_UNKNOWN)
    if placed is None or placed.bet.account != command.account:
        return Answer(command.id, command.account, Refusal.BET_UNKNOWN, balance=account.balance)
    bet = placed.bet
    if bet.status != BetStatus.OPEN:
        return Answer(command.id, command.account, Refusal.BET_NOT_OPEN, bet, account.balance)
    if bet.free:
        detail = "a free bet cannot be cashed out"
        return Answer(command.id, command.account, Refusal.CASH_OUT_UNAVAILABLE, bet, account.balance, detail=detail)
    placed.bet = msgspec.structs.replace(bet, cash_out_at=command.amount)
    rows.changed_bets.add(bet.bet)
    rows.new_facts.append(
        CashOutSet(rows.fact(account), account.account, command.at_ms, account.balance, bet.bet, command.amount)
    )
    return Answer(command.id, command.account, None, placed.bet, account.balance)
