"""The rules of placing: what the ledger guards against a bet that the gate has judged, and referrals to a trader."""

import re
from typing import Final

import msgspec

from matchday.model.bet import Bet, most_of
from matchday.model.ledger import (
    ID_MEMORY_MS,
    AccountStatus,
    Answer,
    PlaceBet,
    Referral,
    Refusal,
    house_account,
)
from matchday.model.lines import count, default_type, stake_within
from matchday.model.messages import BetAccepted, BetReferred, BetRefused
from matchday.model.money import amount_text
from matchday.model.posting.rows import Account, FreeBetState, HeldOffer, PlacedBet, Rows

_UUID7: Final = re.compile("([0-9a-fA-F]{8})-([0-9a-fA-F]{4})-7[0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}")
Refused = tuple[Refusal, str, int | None]
"""Why, for people, and the stake that would be taken now."""


def place_bet(command: PlaceBet, rows: Rows) -> Answer:
    """Accept, refuse, or have it wait for a trader."""
    account = rows.accounts.get(command.account)
    if account is None:
        refusal = _id_refusal(command) or Refusal.ACCOUNT_UNKNOWN
        return Answer(command.id, command.account, refusal)
    refused = _refused(command, account, rows)
    if refused is not None:
        return _refuse(command, account, rows, refused)
    if command.refer_until_ms:
        return _refer(command, account, rows)
    return _accept(command, account, rows)


def _refused(command: PlaceBet, account: Account, rows: Rows) -> Refused | None:
    """The first refusal that applies, in the order of ``Refusal``."""
    if (refusal := _id_refusal(command)) is not None:
        return refusal, "make a new id (UUIDv7) for each bet", None
    if account.status != AccountStatus.OPEN:
        return Refusal.ACCOUNT_NOT_OPEN, f"the account is {account.status}", None
    if account.currency != command.currency:
        return Refusal.CURRENCY_MISMATCH, f"the account's currency is {account.currency}", None
    if command.refusal is not None:
        return command.refusal, command.detail, _affordable(command, account, rows)
    if command.referrals_max and rows.referrals(account.account) >= command.referrals_max:
        most = _affordable(command, account, rows)
        detail = "as many bets as may wait for a trader do"
        if most is not None:
            detail = f"{detail}; {_taken_now(most, account)}"
        return command.not_referred, detail, most
    if (refused := _by_what_is_held(command, rows)) is not None:
        return *refused, None
    if (refused := _by_guards(command, account, rows)) is not None:
        return *refused, _affordable(command, account, rows)
    return None


def _id_refusal(command: PlaceBet) -> Refusal | None:
    """A fan's id is a UUIDv7 and not older than what is remembered; a referral's has been judged before."""
    made_ms = uuid7_ms(command.id)
    expired = made_ms is None or (made_ms < command.at_ms - ID_MEMORY_MS and not command.answers_referral)
    return Refusal.ID_EXPIRED if expired else None


def _by_what_is_held(command: PlaceBet, rows: Rows) -> tuple[Refusal, str] | None:
    """A trader's offer and a free bet must be the fan's, fit, and be in time."""
    if command.offer:
        held = rows.offers.get(command.offer)
        if held is None or held.account != command.account or held.taken or not _fits(command, held):
            return Refusal.OFFER_UNKNOWN, "an offer is taken up once, by whom it was made, as it was made"
        if command.at_ms >= held.offer.until_ms:
            return Refusal.OFFER_EXPIRED, "the offer's time is over"
    if command.free_bet:
        free = rows.free_bets.get(command.free_bet)
        if free is None or free.account != command.account or free.state == FreeBetState.USED:
            return Refusal.FREE_BET_UNKNOWN, "a free bet is used once, by whom it was given to"
        if free.state == FreeBetState.EXPIRED or command.at_ms >= free.until_ms:
            return Refusal.FREE_BET_EXPIRED, "the free bet's time is over"
        if free.amount != command.stake:
            return Refusal.FREE_BET_UNKNOWN, f"the stake of this free bet is {amount_text(free.amount, free.currency)}"
    return None


def _fits(command: PlaceBet, held: HeldOffer) -> bool:
    """Whether a bet is what was offered: for money, as no free bet is referred. A type may be left out where it is that
    of the legs' number."""
    if command.free_bet:
        return False
    offer, default = held.offer, default_type(len(command.legs))
    asked = (command.stake, command.type or default, command.legs)
    return asked == (offer.stake, offer.type or default, offer.legs)


def _by_guards(command: PlaceBet, account: Account, rows: Rows) -> tuple[Refusal, str] | None:
    """The fan's own limits, the house's exposures, the balance. A free bet is none of the fan's money: of his limits
    only one of zero, which stops all betting, is above it."""
    stake, now = command.stake, command.at_ms
    for of_loss, refusal in ((False, Refusal.STAKE_LIMIT_REACHED), (True, Refusal.LOSS_LIMIT_REACHED)):
        left = account.left(now, of_loss=of_loss)
        if account.stopped(now, of_loss=of_loss) if command.free_bet else left is not None and stake > left:
            return refusal, f"{amount_text(max(0, left or 0), account.currency)} is left of the fan's own limit"
    for charge in command.charges:
        if rows.used(charge.guard) + charge.amount > charge.cap:
            return charge.refusal, ""
    if account.balance < stake and not command.free_bet:
        return Refusal.INSUFFICIENT_FUNDS, f"the balance is {amount_text(account.balance, account.currency)}"
    return None


def _affordable(command: PlaceBet, account: Account, rows: Rows) -> int | None:
    """The largest stake that gate and guards would take on these legs now: whole minor units on each line, and 0 where
    none. None where the gate has said none, and of what is taken whole or not at all: free bets and offers."""
    if command.stake_max is None or command.free_bet or command.offer:
        return None
    most = min(command.stake_max, account.balance)
    for of_loss in (False, True):
        left = account.left(command.at_ms, of_loss=of_loss)
        most = most if left is None else min(most, left)
    lost_per_unit = most_of(command.legs, command.type) - 1
    for charge in command.charges:
        most = min(most, stake_within(charge.cap - rows.used(charge.guard), lost_per_unit))
    number = len(command.legs)
    most -= most % count(command.type or default_type(number), number)
    return most if most >= command.stake_min else 0


def _taken_now(most: int, account: Account) -> str:
    return f"at most {amount_text(most, account.currency)} is taken now"


def _refuse(command: PlaceBet, account: Account, rows: Rows, refused: Refused) -> Answer:
    """Refuse; whoever was told to wait hears it by the account's channel, too."""
    refusal, detail, stake_max = refused
    if stake_max is not None and not detail:
        detail = _taken_now(stake_max, account)
    offer = command.offered if refusal == Refusal.RE_OFFERED else None
    if offer is not None:
        rows.offers[offer.offer] = HeldOffer(offer, account.account)
        rows.changed_offers.add(offer.offer)
    if command.waited or command.answers_referral:
        fact = BetRefused(
            rows.fact(account), account.account, command.at_ms, account.balance, command.id, refusal, detail, stake_max
        )
        if offer is not None:
            prices = tuple(leg.price for leg in offer.legs)
            fact = msgspec.structs.replace(
                fact, offer=offer.offer, offer_stake=offer.stake, offer_prices=prices, offer_until_ms=offer.until_ms
            )
        rows.new_facts.append(fact)
    return Answer(
        command.id, command.account, refusal, balance=account.balance, detail=detail, stake_max=stake_max,
        offered=offer,
    )  # fmt: skip


def _refer(command: PlaceBet, account: Account, rows: Rows) -> Answer:
    """Have it wait for a trader, at the prices at which it would be taken now. Nothing is reserved: all but these is
    judged again when he has answered."""
    until = command.refer_until_ms
    asked = msgspec.structs.replace(
        command, refer_until_ms=0, charges=(), bet="", stake_min=0, stake_max=None, referrals_max=0,
        not_referred=Refusal.STAKE_ABOVE_MAXIMUM,
    )  # fmt: skip
    rows.refer((command.account, command.id), Referral(asked, until))
    rows.new_facts.append(
        BetReferred(rows.fact(account), account.account, command.at_ms, account.balance, command.id, until)
    )
    return Answer(command.id, command.account, balance=account.balance, pending_until_ms=until)


def _accept(command: PlaceBet, account: Account, rows: Rows) -> Answer:
    held = rows.charge(command.charges)
    bet = Bet(
        command.bet, command.id, command.account, command.currency, command.stake, command.policy, command.legs,
        command.at_ms, type=command.type, free=bool(command.free_bet), free_bet=command.free_bet,
    )  # fmt: skip
    rows.bets[bet.bet] = PlacedBet(bet, held)
    rows.new_bets.append(bet.bet)
    stakes = house_account("stakes", account.currency)
    if command.offer:
        rows.offers[command.offer].taken = True
        rows.changed_offers.add(command.offer)
    if command.free_bet:
        free = rows.free_bets[command.free_bet]
        free.state, free.bet = FreeBetState.USED, bet.bet
        rows.changed_free_bets.add(free.free_bet)
        source = house_account("freebets", account.currency)
    else:
        account.count(command.at_ms, staked=command.stake)
        source = account.account
    rows.post(command.at_ms, "stake", account, bet.bet, (source, -bet.stake), (stakes, bet.stake))
    rows.new_facts.append(BetAccepted(rows.fact(account), account.account, command.at_ms, account.balance, bet))
    return Answer(command.id, command.account, None, bet, account.balance)


def uuid7_ms(text: str) -> int | None:
    """When a UUIDv7 was made, in milliseconds since 1970; None for what is no UUIDv7 (RFC 9562 §5.7)."""
    found = _UUID7.fullmatch(text)
    return int(found[1] + found[2], 16) if found is not None else None
