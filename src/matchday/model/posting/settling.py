"""The rules of settling: decisions and void windows, what a bet then returns, and cash-out before that."""

import msgspec

from matchday.model.bet import BET_MOVES, Bet, BetStatus, return_of, status_of
from matchday.model.ledger import (
    Answer,
    CashOut,
    DecideLegs,
    Refusal,
    SetCashOut,
    SettleBet,
    VoidLegs,
    Window,
    house_account,
    standing,
)
from matchday.model.messages import AccountFact, BetCashedOut, BetReopened, BetSettled, CashOutRefused, CashOutSet
from matchday.model.posting.accounts import say_free_bet
from matchday.model.posting.rows import Account, FreeBetState, PlacedBet, Rows, account_of, charged


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
    so is one that was cashed out."""
    placed = rows.bets.get(command.bet)
    if placed is None:
        raise ValueError(f"settlement of bet {command.bet}, which the ledger does not hold")
    bet, account = placed.bet, rows.accounts[placed.bet.account]
    version, found = standing(bet, rows.decisions, rows.windows)
    outcomes = tuple(outcome for outcome in found if outcome is not None)
    open_ = len(outcomes) < len(found)
    if bet.status == BetStatus.CASHED_OUT or version <= bet.version or (open_ and bet.status == BetStatus.OPEN):
        return Answer(command.id, command.account, None, bet, account.balance)
    if open_:
        status, returns = BetStatus.OPEN, 0
    else:
        status, returns = status_of(outcomes), return_of(bet.remaining, bet.legs, outcomes, bet.type, free=bet.free)
    assert status in BET_MOVES[bet.status], (bet, status)
    change, owed = _bring_to(rows, command.at_ms, placed, status, returns)
    placed.bet = bet = msgspec.structs.replace(bet, status=status, returns=returns, version=version, owed=owed)
    rows.changed_bets.add(bet.bet)
    account.count(command.at_ms, returned=change)
    fact: AccountFact
    seq = rows.fact(account)
    if open_:
        fact = BetReopened(seq, account.account, command.at_ms, account.balance, bet.bet, version, change)
    else:
        fact = BetSettled(
            seq, account.account, command.at_ms, account.balance, bet.bet, status, version, returns, change
        )
    rows.new_facts.append(fact)
    return Answer(command.id, command.account, None, bet, account.balance)


def _bring_to(rows: Rows, at_ms: int, placed: PlacedBet, status: BetStatus, returns: int) -> tuple[int, int]:
    """Post the difference between what a bet returned and what it returns now; (change of the balance, what is owed).

    The stake of an open bet is reserved; of one that is not, it has been posted to the house, or given back as the free
    bet that it was. What the balance cannot cover is posted to ``shortfall`` and owed on this bet: what it returns
    later pays that first.
    """
    bet, account = placed.bet, rows.accounts[placed.bet.account]
    change = max(returns - bet.returns - bet.owed, -account.balance)
    owed = bet.returns + bet.owed + change - returns
    reserved = (status == BetStatus.OPEN) - (bet.status == BetStatus.OPEN)
    if reserved:
        for charge in placed.charges:
            rows.charge(charge, reserved * charged(charge, bet))
    house, shortfall = (house_account(role, bet.currency) for role in ("house", "shortfall"))
    reason = {-1: "settlement", 0: "resettlement", 1: "rollback"}[reserved]
    leaves, goes = _stake_leaves(rows, bet, at_ms), _stake_goes(rows, bet, status, at_ms)
    rows.post(
        at_ms, reason, account, bet.bet, (leaves, -bet.remaining), (goes, bet.remaining), (account.account, change),
        (shortfall, bet.owed - owed), (house, bet.returns - returns),
    )  # fmt: skip
    return change, owed


def _stake_leaves(rows: Rows, bet: Bet, at_ms: int) -> str:
    """The account that holds a bet's stake as it stands. A free bet that a void bet gave back is taken back, unless it
    was used again or its time is over: then the house bears it."""
    role = {BetStatus.OPEN: "stakes", BetStatus.VOID: "promotions" if bet.free else "house"}.get(bet.status, "house")
    if bet.free and bet.status == BetStatus.VOID:
        held = rows.free_bets[bet.free_bet]
        if held.state == FreeBetState.AVAILABLE and held.bet == bet.bet:
            held.state, role = FreeBetState.USED, "freebets"
            say_free_bet(rows, rows.accounts[bet.account], held, at_ms)
    return house_account(role, bet.currency)


def _stake_goes(rows: Rows, bet: Bet, status: BetStatus, at_ms: int) -> str:
    """The account to which a bet's stake goes. Void, a free bet can be used again until its time is over."""
    if status == BetStatus.OPEN:
        return house_account("stakes", bet.currency)
    if not (bet.free and status == BetStatus.VOID):
        return house_account("house", bet.currency)
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
    placed.bet = msgspec.structs.replace(
        bet, status=BetStatus.OPEN if left else BetStatus.CASHED_OUT, cashed=bet.cashed + stake,
        cash=bet.cash + command.asked, owed=owed, cash_out_at=None,
    )  # fmt: skip
    rows.changed_bets.add(bet.bet)
    for charge in placed.charges:
        rows.charge(charge, charged(charge, placed.bet) - charged(charge, bet))
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
        return Refusal.CASH_OUT_UNAVAILABLE, f"{bet.remaining} minor units of the stake are left"
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
        return Refusal.QUOTE_MOVED, f"{command.offered} minor units are offered now"
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
