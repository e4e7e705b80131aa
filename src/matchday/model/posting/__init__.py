"""Posting: the rules of the ledger, as pure functions over the rows that a batch touches.

A backend loads the rows (``Needs`` says which), applies the commands in order, and writes what changed once. Every
backend thereby keeps the same rules; none of them knows any.

Each rule is a flat ladder of early refusals in the order of ``Refusal``. Nothing changes before all of them are passed.
``accounts`` has the rules of accounts and free bets, ``placing`` those of placing, ``settling`` those of decisions,
settlement and cash-out.
"""

from collections.abc import Callable
from hashlib import blake2b
from typing import Final

import msgspec

from matchday.model.ledger import (
    ID_MEMORY_MS,
    Answer,
    CashOut,
    Command,
    DecideLegs,
    ExpireFreeBet,
    GrantFreeBet,
    LimitName,
    OpenAccount,
    PlaceBet,
    Refusal,
    SetCashOut,
    SetLimit,
    SetStatus,
    SettleBet,
    SettleBets,
    Transfer,
    VoidLegs,
)
from matchday.model.posting.accounts import (
    expire_free_bet,
    grant_free_bet,
    open_account,
    set_limit,
    set_status,
    transfer,
)
from matchday.model.posting.placing import place_bet, uuid7_ms
from matchday.model.posting.rows import (
    DAY_MS,
    Account,
    HeldFreeBet,
    HeldOffer,
    Known,
    Needs,
    PlacedBet,
    Rows,
    account_of,
    charged,
    needs,
)
from matchday.model.posting.settling import (
    cash_out,
    decide_legs,
    set_cash_out,
    settle_bet,
    settle_bets,
    void_legs,
)

__all__ = [
    "DAY_MS", "Account", "HeldFreeBet", "HeldOffer", "Known", "Needs", "PlacedBet", "Rows", "account_of", "apply",
    "charged", "needs", "payload_hash", "uuid7_ms",
]  # fmt: skip

_encode: Final = msgspec.json.Encoder().encode
_RULES: Final[dict[type, Callable[..., Answer]]] = {
    OpenAccount: open_account,
    SetStatus: set_status,
    SetLimit: set_limit,
    Transfer: transfer,
    GrantFreeBet: grant_free_bet,
    ExpireFreeBet: expire_free_bet,
    PlaceBet: place_bet,
    CashOut: cash_out,
    SetCashOut: set_cash_out,
    DecideLegs: decide_legs,
    VoidLegs: void_legs,
    SettleBet: settle_bet,
    SettleBets: settle_bets,
}
"""Everything that can be asked of the ledger."""
_UNREMEMBERED: Final = frozenset({SettleBet, SettleBets})
"""Those whose ids are not remembered."""


def payload_hash(command: Command) -> bytes:
    """16 bytes over what the caller sent: two commands of one id are the same if these are."""
    sent: object
    if type(command) is PlaceBet:
        sent = (command.account, command.currency, command.stake, command.policy, command.asked)
        more = (command.type, command.tolerance, command.free_bet, command.refer, command.offer)
        if more != ("", None, "", False, ""):  # left out, the hash is that of before these were
            sent += more
    elif isinstance(command, CashOut):
        sent = (command.account, command.bet, command.stake, command.asked)
    elif isinstance(command, SetLimit) and command.limit == LimitName.STAKE_DAY and command.amount is not None:
        # as it was when there was no other limit
        sent = {"kind": "set_limit", "id": command.id, "account": command.account, "stake_per_day": command.amount,
                "at_ms": 0}  # fmt: skip
    else:
        sent = msgspec.structs.replace(command, at_ms=0)
    return blake2b(_encode(sent), digest_size=16).digest()


def apply(command: Command, rows: Rows) -> Answer:
    """Apply one command to the working set; its answer. The ids of settlements are not remembered: heard again, one
    finds the bet where it has been brought to, and answers with that."""
    kind = type(command)
    if kind in _UNREMEMBERED:
        return _RULES[kind](command, rows)
    key = (account_of(command), command.id)
    digest = payload_hash(command)
    known = rows.known.get(key)
    answers_referral = type(command) is PlaceBet and command.answers_referral
    if known is not None and not (answers_referral and known.pending_until_ms and known.hash == digest):
        return _again(command, known, digest, rows)
    if kind is not PlaceBet and isinstance(command, SetLimit | CashOut | SetCashOut) and _expired(command):
        detail = "make a new id (UUIDv7) for each request"
        return Answer(command.id, command.account, Refusal.ID_EXPIRED, detail=detail)
    if answers_referral:
        if known is None:
            raise ValueError(f"an answer to a referral that the ledger does not hold: {command}")
        rows.answer_referral(key)
    answer = _RULES[kind](command, rows)
    if answer.refusal != Refusal.ID_EXPIRED:
        bet = answer.bet.bet if answer.bet is not None else None
        rows.known[key] = rows.new_known[key] = Known(
            digest, answer.refusal, bet, answer.balance, answer.pending_until_ms
        )
    return answer


def _expired(command: SetLimit | CashOut | SetCashOut) -> bool:
    """Whether a fan's id is older than the memory of refusals. Ids that rooms derive are no UUIDs and do not expire."""
    made_ms = uuid7_ms(command.id)
    return made_ms is not None and made_ms < command.at_ms - ID_MEMORY_MS


def _again(command: Command, known: Known, digest: bytes, rows: Rows) -> Answer:
    """The answer to an id that was answered before: the same, or ``id_reused`` for another payload."""
    account = account_of(command)
    if known.hash != digest:
        return Answer(
            command.id, account, Refusal.ID_REUSED, detail="this id was used for another command; make a new id"
        )
    bet = rows.bets[known.bet].bet if known.bet is not None else None
    return Answer(
        command.id, account, known.refusal, bet, known.balance, repeated=True, pending_until_ms=known.pending_until_ms
    )
