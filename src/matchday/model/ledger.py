"""Ledger: accounts, entries, guards, and the commands that change them.

Double entry: an entry is a balanced, immutable set of postings; a correction is a new entry. The sum over all accounts
of a currency is always zero, and no player account is ever negative: what a correction cannot take back is posted to
``shortfall``. The rules themselves are in ``model/posting.py``; backends store what those rules decide.

Accounts of the house carry the partition of the accounts they face, so that an entry stays within one partition:

| account | holds |
| --- | --- |
| player's own id | what the fan can stake or withdraw |
| ``stakes:CUR:PART`` | stakes reserved by open bets |
| ``house:CUR:PART`` | what the house has won and paid |
| ``bank:CUR:PART`` | the other side of deposits, withdrawals and grants of play money |
| ``shortfall:CUR:PART`` | what corrections could not take back |
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final

import msgspec

from matchday.model.bet import VOID, Bet, Leg, Outcome, Policy
from matchday.model.messages import Decision


class Refusal(StrEnum):
    """Why a command is refused, in the order in which reasons are judged: the first that applies is the answer."""

    # known ids, by the ledger
    ID_REUSED = "id_reused"  # the same id came with another payload
    ID_EXPIRED = "id_expired"  # a fan's id older than the memory of refusals, without a record
    # the account, by the ledger
    ACCOUNT_UNKNOWN = "account_unknown"
    ACCOUNT_NOT_OPEN = "account_not_open"
    CURRENCY_MISMATCH = "currency_mismatch"
    # the selection and the price, by the gate when its batch is sealed
    SELECTION_UNKNOWN = "selection_unknown"
    MARKET_CLOSED = "market_closed"
    MARKET_SUSPENDED = "market_suspended"
    GENERATION_STALE = "generation_stale"
    PRICE_MOVED = "price_moved"
    # the stake, by the gate
    STAKE_BELOW_MINIMUM = "stake_below_minimum"
    STAKE_ABOVE_MAXIMUM = "stake_above_maximum"
    RETURN_ABOVE_MAXIMUM = "return_above_maximum"
    # guards, by the ledger in the same commit
    STAKE_LIMIT_REACHED = "stake_limit_reached"  # the fan's own limit of a window
    EXPOSURE_REACHED = "exposure_reached"  # the house's limit on a selection or a fixture
    INSUFFICIENT_FUNDS = "insufficient_funds"


class Moment(StrEnum):
    """Answers about the moment: given before a command is handed to the ledger, or when it is known that the ledger did
    not take it. They record nothing: the same id may be sent again."""

    BUSY = "busy"
    UNAVAILABLE = "unavailable"


class AccountStatus(StrEnum):
    """Whether an account may bet."""

    OPEN = "open"
    SUSPENDED = "suspended"  # by the house, or a time-out of the fan's own
    CLOSED = "closed"


class Charge(msgspec.Struct, frozen=True, array_like=True):
    """An amount against a guard: in the same commit, used + amount must stay within the cap, else ``refusal``."""

    guard: str
    """Which counter: ``exposure:SELECTION#WRITER``, ``exposure:FIXTURE#WRITER``, ..."""
    amount: int
    cap: int
    refusal: Refusal


class OpenAccount(msgspec.Struct, frozen=True, tag="open_account", tag_field="kind"):
    """Open a player's account with a balance of zero."""

    id: str
    account: str
    currency: str
    at_ms: int
    stake_per_day: int = 10**15
    """Minor units: the stake limit it begins with."""


class SetStatus(msgspec.Struct, frozen=True, tag="set_status", tag_field="kind"):
    """Suspend, reopen or close an account. Open bets stay and settle."""

    id: str
    account: str
    status: AccountStatus
    at_ms: int


class SetLimit(msgspec.Struct, frozen=True, tag="set_limit", tag_field="kind"):
    """A fan's own limit on stakes per 24 hours. A decrease counts at once, an increase after 24 hours (UKGC RTS 12)."""

    id: str
    account: str
    stake_per_day: int
    """Minor units; 0 stops all betting."""
    at_ms: int


class Transfer(msgspec.Struct, frozen=True, tag="transfer", tag_field="kind"):
    """Move money between the bank and a player: ``amount`` > 0 credits the player, < 0 debits."""

    id: str
    account: str
    amount: int
    currency: str
    reason: str
    at_ms: int


class PlaceBet(msgspec.Struct, frozen=True, tag="place_bet", tag_field="kind"):
    """Place a bet that the gate has judged. ``asked`` is what the fan sent; the rest is the gate's."""

    id: str
    """The fan's UUIDv7."""
    account: str
    currency: str
    stake: int
    policy: Policy
    asked: tuple[Leg, ...]
    """With the prices and generations that the fan saw: part of the payload that the id stands for."""
    bet: str = ""
    """Our id of the bet, should it be accepted."""
    at_ms: int = 0
    legs: tuple[Leg, ...] = ()
    """With the prices at which it is accepted."""
    charges: tuple[Charge, ...] = ()
    refusal: Refusal | None = None
    """The gate's own refusal. The ledger looks up the id before it takes it: a known id gets its first answer."""


class DecideLegs(msgspec.Struct, frozen=True, tag="decide_legs", tag_field="kind"):
    """Remember what selections came to. A decision of a lower or equal version than the one held changes nothing."""

    id: str
    fixture: str
    version: int
    decisions: tuple[Decision, ...]
    at_ms: int


class VoidLegs(msgspec.Struct, frozen=True, tag="void_legs", tag_field="kind"):
    """Remember that legs on a fixture are void in bets placed within a window of time. A known version stays."""

    id: str
    fixture: str
    version: int
    from_ms: int
    """Inclusive."""
    until_ms: int
    """Exclusive."""
    at_ms: int


class Window(msgspec.Struct, frozen=True, array_like=True):
    """A window whose bets are void on a fixture, as the ledger remembers it."""

    version: int
    from_ms: int
    until_ms: int


class SettleBet(msgspec.Struct, frozen=True, tag="settle_bet", tag_field="kind"):
    """Bring a bet to where its legs stand: settle it, settle it again by the difference, or open it again where a leg
    is undecided again. The ledger computes the return from the decisions and void windows that it holds."""

    id: str
    """Derived: ``settle:BET:VERSION``, with the version that ``bet.standing`` gives."""
    bet: str
    account: str
    at_ms: int


Command = OpenAccount | SetStatus | SetLimit | Transfer | PlaceBet | DecideLegs | VoidLegs | SettleBet


def standing(
    bet: Bet, decisions: Mapping[str, tuple[int, Outcome | None]], windows: Mapping[str, Sequence[Window]]
) -> tuple[int, tuple[Outcome | None, ...]]:
    """Where a bet's legs stand: a version that rises with whatever is decided, withdrawn or voided, and the outcomes,
    None where a leg is undecided."""
    version, outcomes = 0, list[Outcome | None]()
    for leg in bet.legs:
        decided, outcome = decisions.get(leg.selection, (0, None))
        voided = [w.version for w in windows.get(leg.fixture, ()) if w.from_ms <= bet.placed_ms < w.until_ms]
        version += decided + sum(voided)
        outcomes.append(VOID if voided else outcome)
    return version, tuple(outcomes)


class Answer(msgspec.Struct, frozen=True):
    """What became of a command. Accepted where ``refusal`` is None."""

    id: str
    account: str
    refusal: Refusal | None = None
    bet: Bet | None = None
    """Of PlaceBet and SettleBet: the bet as it now stands."""
    balance: int | None = None
    """Minor units after the command, where it touched a player's account."""
    repeated: bool = False
    """This id was answered before; this is that answer."""
    detail: str = ""
    """For people: what would have been allowed."""


class Posting(msgspec.Struct, frozen=True, array_like=True):
    """One signed amount on one account."""

    account: str
    amount: int


class Entry(msgspec.Struct, frozen=True):
    """A balanced, immutable set of postings."""

    entry: int
    """Its number in the ledger."""
    at_ms: int
    reason: str
    """stake, settlement, resettlement, rollback, grant, deposit, ..."""
    currency: str
    postings: tuple[Posting, ...]
    bet: str | None = None


class AccountView(msgspec.Struct, frozen=True):
    """An account as a reader sees it at one moment."""

    account: str
    currency: str
    status: AccountStatus
    balance: int
    stake_per_day: int
    """The limit in force now."""
    staked_today: int
    """What counts against it in the current window."""
    facts: int
    """Offset of the account's channel: the ``seq`` of its last fact included here."""


ID_MEMORY_MS: Final = 48 * 3_600_000
"""How long refusals are remembered; a fan's id older than this without a record is refused as ``id_expired``."""


def house_account(role: str, currency: str, partition: int = 0) -> str:
    """The id of an account of the house: role is stakes, house, bank or shortfall."""
    return f"{role}:{currency}:{partition}"


def is_player(account: str) -> bool:
    """Whether an account is a fan's. Ids of fans contain no colon."""
    return ":" not in account
