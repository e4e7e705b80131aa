"""What stands in the columns of a ledger's tables, whichever backend keeps them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from matchday.model.bet import Bet, BetStatus, Outcome
from matchday.model.ledger import AccountStatus, LimitName, Offer, Posting, Referral
from matchday.model.messages import AccountFact, BetAccepted
from matchday.model.posting import Account
from matchday.model.posting.rows import Day, Held

STANDING: Final = "s.status, s.version, s.returns, s.owed, s.cashed, s.cash, s.cash_out_at"
BET: Final = f"b.body, {STANDING}"
"""The columns of a bet, of ``bets b`` as it was placed and ``standings s`` as it stands."""
ACCOUNT_GUARD: Final = "exposure:account:"
"""A guard of one account counts under the account's number, below zero, so that it stands with the account's own."""
_AS_PLACED: Final = (("open", 0, 0, 0, 0, 0, None), (None,) * 7)
_STATUS: Final = {status.value: status for status in AccountStatus}


class Of(msgspec.Struct, frozen=True):
    """Whose a fact is."""

    account: str


class _Accepted(msgspec.Struct, frozen=True, tag=BetAccepted.__struct_config__.tag, tag_field="kind"):
    """``BetAccepted`` with a bet that is encoded already."""

    seq: int
    account: str
    at_ms: int
    balance: int
    bet: msgspec.Raw


encoded: Final = msgspec.json.Encoder().encode
bet_body: Final = msgspec.json.Decoder(Bet).decode
postings_of: Final = msgspec.json.Decoder(tuple[Posting, ...]).decode
outcome_of: Final = msgspec.json.Decoder(Outcome | None).decode
charges_of: Final = msgspec.json.Decoder(list[Held]).decode
fact_of: Final = msgspec.json.Decoder(AccountFact).decode
owner_of: Final = msgspec.json.Decoder(Of).decode
referral_body: Final = msgspec.json.Decoder(Referral).decode
offer_body: Final = msgspec.json.Decoder(Offer).decode
_Limits = tuple[dict[LimitName, int], dict[LimitName, tuple[int | None, int]], list[Day]]
_limits: Final = msgspec.json.Decoder(_Limits).decode
_many_limits: Final = msgspec.json.Decoder(list[_Limits]).decode
_accounts: Final = msgspec.json.Decoder(list[tuple[int, str, str, AccountStatus, int, int]]).decode


def account_row(row: Sequence[Any]) -> Account:
    """An account as its table has it: (player, account, currency, status, balance, facts, limits)."""
    _, account, currency, status, balance, facts, limits = row
    return Account(account, currency, _STATUS[status], balance, facts, *_limits(limits))


def account_rows(columns: bytes, limits: bytes) -> Iterator[tuple[int, Account]]:
    """Accounts by number, of two arrays: of all columns but the last, and of these."""
    for row, (limit, raised, days) in zip(_accounts(columns), _many_limits(limits), strict=True):
        player, account, currency, status, balance, facts = row
        yield player, Account(account, currency, status, balance, facts, limit, raised, days)


def limits_of(account: Account) -> bytes:
    """The last of these columns."""
    return encoded((account.limits, account.raised, account.days))


def fact_body(fact: AccountFact, placed: Mapping[str, tuple[Bet, bytes]]) -> bytes:
    """A fact as it is to stand on the log. ``placed``: bets that are encoded already, by their ids."""
    if type(fact) is BetAccepted:
        bet, body = placed.get(fact.bet.bet, (None, b""))
        if bet is fact.bet:
            return encoded(_Accepted(fact.seq, fact.account, fact.at_ms, fact.balance, msgspec.Raw(body)))
    return encoded(fact)


def bet_row(body: bytes | str, *standing: Any) -> Bet:
    """A bet as the columns of ``BET`` have it; of one that stands as it was placed there may be no standing."""
    bet: Bet = bet_body(body)
    return bet if standing in _AS_PLACED else standing_at(bet, *standing)


def standing_at(bet: Bet, *standing: Any) -> Bet:
    """A bet where the columns of ``STANDING`` have brought it to."""
    status, version, returns, owed, cashed, cash, cash_out_at = standing
    return msgspec.structs.replace(
        bet, status=BetStatus(status), version=version, returns=returns, owed=owed, cashed=cashed, cash=cash,
        cash_out_at=cash_out_at,
    )  # fmt: skip
