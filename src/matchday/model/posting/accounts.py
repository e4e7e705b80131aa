"""The rules of accounts: opening, status, a fan's own limits, money in and out, free bets."""

from typing import Final, Literal

from matchday.model.ledger import (
    AccountStatus,
    Answer,
    ExpireFreeBet,
    GrantFreeBet,
    LimitName,
    OpenAccount,
    Refusal,
    SetLimit,
    SetStatus,
    Transfer,
    house_account,
)
from matchday.model.messages import BalanceChanged, FreeBetChanged
from matchday.model.posting.rows import DAY_MS, Account, FreeBetState, HeldFreeBet, Rows, roles

LIMIT_COOLING_MS: Final = DAY_MS
"""Milliseconds until a fan's higher limit counts (UKGC RTS 12: 24 hours); a lower one counts at once."""


def open_account(command: OpenAccount, rows: Rows) -> Answer:
    """Open an account; one that is open in the same currency stays as it is."""
    held = rows.accounts.get(command.account)
    if held is not None:
        refusal = None if held.currency == command.currency else Refusal.CURRENCY_MISMATCH
        return Answer(command.id, command.account, refusal, balance=held.balance)
    limits = {LimitName.STAKE_DAY: command.stake_per_day}
    rows.accounts[command.account] = Account(
        command.account, command.currency, AccountStatus.OPEN, 0, limits=limits, raised={}, days=[]
    )
    rows.changed_accounts.add(command.account)
    return Answer(command.id, command.account, balance=0)


def set_status(command: SetStatus, rows: Rows) -> Answer:
    """Suspend, reopen or close."""
    account = rows.accounts.get(command.account)
    if account is None:
        return Answer(command.id, command.account, Refusal.ACCOUNT_UNKNOWN)
    if account.status == AccountStatus.CLOSED != command.status:
        return Answer(command.id, command.account, Refusal.ACCOUNT_NOT_OPEN, detail="a closed account stays closed")
    account.status = command.status
    rows.changed_accounts.add(command.account)
    return Answer(command.id, command.account, balance=account.balance)


def set_limit(command: SetLimit, rows: Rows) -> Answer:
    """A lower limit at once, a higher one or none after it has cooled off."""
    account = rows.accounts.get(command.account)
    if account is None:
        return Answer(command.id, command.account, Refusal.ACCOUNT_UNKNOWN)
    name, now = command.limit, account.limit(command.limit, command.at_ms)
    account.raised.pop(name, None)
    if now is None:
        account.limits.pop(name, None)
    else:
        account.limits[name] = now
    if command.amount is not None and (now is None or command.amount <= now):
        account.limits[name] = command.amount
    elif now is not None:
        account.raised[name] = (command.amount, command.at_ms + LIMIT_COOLING_MS)
    rows.changed_accounts.add(command.account)
    return Answer(command.id, command.account, balance=account.balance)


def transfer(command: Transfer, rows: Rows) -> Answer:
    """Money in or out; never below zero."""
    account = rows.accounts.get(command.account)
    if account is None:
        return Answer(command.id, command.account, Refusal.ACCOUNT_UNKNOWN)
    if account.status == AccountStatus.CLOSED:
        return Answer(command.id, command.account, Refusal.ACCOUNT_NOT_OPEN)
    if account.currency != command.currency:
        return Answer(command.id, command.account, Refusal.CURRENCY_MISMATCH)
    if account.balance + command.amount < 0:
        return Answer(command.id, command.account, Refusal.INSUFFICIENT_FUNDS, balance=account.balance)
    bank = house_account("bank", account.currency)
    rows.post(command.at_ms, command.reason, account, None, (account.account, command.amount), (bank, -command.amount))
    rows.new_facts.append(
        BalanceChanged(
            rows.fact(account), account.account, command.at_ms, account.balance, command.amount, command.reason
        )
    )
    return Answer(command.id, command.account, balance=account.balance)


def grant_free_bet(command: GrantFreeBet, rows: Rows) -> Answer:
    """Give a free bet; one that was given stays as it is, and its name is good for no other."""
    account = rows.accounts.get(command.account)
    if account is None:
        return Answer(command.id, command.account, Refusal.ACCOUNT_UNKNOWN)
    if account.status == AccountStatus.CLOSED:
        return Answer(command.id, command.account, Refusal.ACCOUNT_NOT_OPEN)
    if account.currency != command.currency:
        return Answer(command.id, command.account, Refusal.CURRENCY_MISMATCH)
    given = rows.free_bets.get(command.free_bet)
    if given is not None:
        same = (given.account, given.amount, given.until_ms) == (command.account, command.amount, command.until_ms)
        refusal = None if same else Refusal.ID_REUSED
        return Answer(command.id, command.account, refusal, balance=account.balance)
    held = HeldFreeBet(command.free_bet, account.account, account.currency, command.amount, command.until_ms)
    rows.free_bets[held.free_bet] = held
    free_bets, promotions = roles(account.currency, "freebets", "promotions")
    rows.post(command.at_ms, "free_bet", account, None, (free_bets, held.amount), (promotions, -held.amount))
    say_free_bet(rows, account, held, command.at_ms)
    return Answer(command.id, command.account, balance=account.balance)


def expire_free_bet(command: ExpireFreeBet, rows: Rows) -> Answer:
    """Take back a free bet that nobody used in time."""
    account, held = rows.accounts.get(command.account), rows.free_bets.get(command.free_bet)
    if account is None or held is None or held.account != command.account:
        return Answer(command.id, command.account, Refusal.FREE_BET_UNKNOWN)
    if held.state == FreeBetState.AVAILABLE and command.at_ms >= held.until_ms:
        held.state = FreeBetState.EXPIRED
        free_bets, promotions = roles(account.currency, "freebets", "promotions")
        rows.post(command.at_ms, "free_bet_expired", account, None, (free_bets, -held.amount),
                  (promotions, held.amount))  # fmt: skip
        say_free_bet(rows, account, held, command.at_ms)
    return Answer(command.id, command.account, balance=account.balance)


def say_free_bet(rows: Rows, account: Account, held: HeldFreeBet, at_ms: int) -> None:
    """A free bet can be used, or not any more."""
    rows.changed_free_bets.add(held.free_bet)
    state: Literal["available", "used", "expired"] = held.state.value
    rows.new_facts.append(
        FreeBetChanged(
            rows.fact(account), account.account, at_ms, account.balance, held.free_bet, held.amount, held.until_ms,
            state,
        )
    )  # fmt: skip
