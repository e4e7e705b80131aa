"""Ledger: accounts, entries, guards, and the commands that change them.

Double entry: an entry is a balanced, immutable set of postings; a correction is a new entry. The sum over all accounts
of a currency is always zero, and no player account is ever negative: what a correction cannot take back is posted to
``shortfall``. The rules themselves are in ``model/posting``; backends store what those rules decide.

Accounts of the house carry the partition of the accounts they face, so that an entry stays within one partition:

| account | holds |
| --- | --- |
| player's own id | what the fan can stake or withdraw |
| ``stakes:CUR:PART`` | stakes reserved by open bets |
| ``house:CUR:PART`` | what the house has won and paid |
| ``bank:CUR:PART`` | the other side of deposits, withdrawals and grants of play money |
| ``shortfall:CUR:PART`` | what corrections could not take back |
| ``freebets:CUR:PART`` | free bets that were given and not used yet |
| ``promotions:CUR:PART`` | the other side of free bets: what the house has given |
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Final

import msgspec

from matchday.model.bet import VOID, Bet, Leg, Outcome, Policy, combined
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
    # the legs among themselves, by the gate
    SELECTION_REPEATED = "selection_repeated"  # the same selection twice
    LEGS_RELATED = "legs_related"  # two legs on one fixture that are not priced together as a combination
    # the selection and the price, by the gate when its batch is sealed
    SELECTION_UNKNOWN = "selection_unknown"
    MARKET_CLOSED = "market_closed"
    MARKET_SUSPENDED = "market_suspended"
    GENERATION_STALE = "generation_stale"
    LEGS_CONTRADICTORY = "legs_contradictory"  # parts of a combination that cannot all win
    COMBINATION_UNPRICED = "combination_unpriced"  # no joint model has all of its parts
    PRICE_MOVED = "price_moved"
    # a trader's say, by the gate
    REFUSED_BY_TRADER = "refused_by_trader"
    REFERRAL_EXPIRED = "referral_expired"  # no trader answered in time
    RE_OFFERED = "re_offered"  # refused as asked; the trader offers something else
    # taking up what a trader offered, by the ledger: then the gate judges no stake
    OFFER_UNKNOWN = "offer_unknown"  # not his, or of another stake, type or other legs, or taken up
    OFFER_EXPIRED = "offer_expired"
    # the stake, by the gate
    STAKE_BELOW_MINIMUM = "stake_below_minimum"
    STAKE_ABOVE_MAXIMUM = "stake_above_maximum"
    RETURN_ABOVE_MAXIMUM = "return_above_maximum"
    # what the ledger holds for the fan
    FREE_BET_UNKNOWN = "free_bet_unknown"  # not his, used, or of another amount
    FREE_BET_EXPIRED = "free_bet_expired"
    # guards, by the ledger in the same commit
    STAKE_LIMIT_REACHED = "stake_limit_reached"  # the fan's own limit of a window
    LOSS_LIMIT_REACHED = "loss_limit_reached"  # the fan's own limit of a window
    EXPOSURE_REACHED = "exposure_reached"  # the house's limit on an account, a selection, a market or a fixture
    INSUFFICIENT_FUNDS = "insufficient_funds"
    # cash-out
    BET_UNKNOWN = "bet_unknown"  # not the fan's
    BET_NOT_OPEN = "bet_not_open"
    CASH_OUT_UNAVAILABLE = "cash_out_unavailable"  # a leg is suspended or not priced, a free bet, or nothing to offer
    QUOTE_UNKNOWN = "quote_unknown"  # not one of ours, or of another bet
    QUOTE_EXPIRED = "quote_expired"
    QUOTE_MOVED = "quote_moved"  # less is offered now, or something material happened to a leg meanwhile


class Moment(StrEnum):
    """Answers about the moment: given before a command is handed to the ledger, or when it is known that the ledger did
    not take it. They record nothing: the same id may be sent again."""

    BUSY = "busy"
    UNAVAILABLE = "unavailable"
    INTERNAL_ERROR = "internal_error"  # a fault of ours in judging this one, of which the log has the whole story


class AccountStatus(StrEnum):
    """Whether an account may bet."""

    OPEN = "open"
    SUSPENDED = "suspended"  # by the house, or a time-out of the fan's own
    CLOSED = "closed"


class Charge(msgspec.Struct, frozen=True, array_like=True):
    """An amount against a guard: in the same commit, used + amount must stay within the cap, else ``refusal``."""

    guard: str
    """Which counter: ``exposure:SELECTION#WRITER``, of a market and a fixture alike; ``exposure:account:ACCOUNT``, of
    which writers have no shares, as it is touched by one fan alone."""
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


class LimitName(StrEnum):
    """A fan's own limits: what is limited, and in which window of days of UTC (UKGC RTS 12: 24 hours, 7 days, a month
    of 30)."""

    STAKE_DAY = "stake_day"
    STAKE_WEEK = "stake_week"
    STAKE_MONTH = "stake_month"
    LOSS_DAY = "loss_day"
    LOSS_WEEK = "loss_week"
    LOSS_MONTH = "loss_month"

    days: int
    """Days of its window, today included."""
    of_loss: bool
    """Whether it limits what was lost (stakes less returns) rather than what was staked."""

    def __init__(self, name: str) -> None:
        kind, _, window = name.partition("_")
        self.days = {"day": 1, "week": 7, "month": 30}[window]
        self.of_loss = kind == "loss"


class SetLimit(msgspec.Struct, frozen=True, tag="set_limit", tag_field="kind"):
    """A fan's own limit. A decrease counts at once, an increase or its removal after 24 hours (UKGC RTS 12)."""

    id: str
    account: str
    amount: int | None
    """Minor units; 0 stops all betting, that with free bets too; None removes the limit."""
    at_ms: int
    limit: LimitName = LimitName.STAKE_DAY


class Transfer(msgspec.Struct, frozen=True, tag="transfer", tag_field="kind"):
    """Move money between the bank and a player: ``amount`` > 0 credits the player, < 0 debits."""

    id: str
    account: str
    amount: int
    currency: str
    reason: str
    at_ms: int


class GrantFreeBet(msgspec.Struct, frozen=True, tag="grant_free_bet", tag_field="kind"):
    """Give a fan a free bet: a stake of the house's, to be used at once and whole."""

    id: str
    account: str
    free_bet: str
    """Our id of it."""
    amount: int
    currency: str
    until_ms: int
    """Exclusive: from then on it cannot be used."""
    at_ms: int


class ExpireFreeBet(msgspec.Struct, frozen=True, tag="expire_free_bet", tag_field="kind"):
    """Take back a free bet whose time is over. One that was used, or has time left, stays as it is."""

    id: str
    """Derived: ``expire:FREE_BET``."""
    account: str
    free_bet: str
    at_ms: int


class Offer(msgspec.Struct, frozen=True):
    """What a trader offers in place of a bet that was referred: the same legs at these prices, for this stake."""

    offer: str
    """Our id of it: that of ``offer_id``."""
    stake: int
    legs: tuple[Leg, ...]
    until_ms: int
    """Exclusive."""
    type: str = ""
    """A type of ``model/lines.py``, as in ``PlaceBet``."""


def offer_id(account: str, id: str) -> str:  # noqa: A002 - the field's own word
    """The id of what a trader offers in place of a bet: whoever knows the bet's own id finds the offer by it."""
    return f"{account}:{id}"


class PlaceBet(msgspec.Struct, frozen=True, tag="place_bet", tag_field="kind", omit_defaults=True):
    """Place a bet that the gate has judged. What the fan sent is its payload; the rest is the gate's."""

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
    detail: str = ""
    """With the gate's refusal, for people."""
    stake_min: int = 0
    """Minor units: the smallest stake that the gate would take on these legs now."""
    stake_max: int | None = None
    """Minor units: the largest. None where no other stake would be taken either."""
    type: str = ""
    """Payload: a type of ``model/lines.py``; empty for a single or an accumulator, by its legs."""
    tolerance: int | None = None
    """Payload: thousandths of a price by which it may differ against the policy. None: not at all; under ``any``: by
    any amount."""
    free_bet: str = ""
    """Payload: the free bet that is its stake."""
    refer: bool = False
    """Payload: a stake above the maximum may be referred to a trader."""
    offer: str = ""
    """Payload: the trader's offer that it takes up."""
    refer_until_ms: int = 0
    """The gate refers it to a trader, who has until then."""
    answers_referral: bool = False
    """It answers the referral of this id: accepted, or refused with a reason of the trader's."""
    offered: Offer | None = None
    """With ``RE_OFFERED``."""
    waited: bool = False
    """The fan was told to wait: a refusal is said in the outbox, too."""
    referrals_max: int = 0
    """Where it would be referred: at most so many bets of the account wait for a trader. 0: any number."""
    not_referred: Refusal = Refusal.STAKE_ABOVE_MAXIMUM
    """Why it is refused where as many wait."""


class CashOut(msgspec.Struct, frozen=True, tag="cash_out", tag_field="kind"):
    """Pay a bet out before it is decided, whole or in part, for what the gate offers now. It is final."""

    id: str
    """The fan's UUIDv7, or derived where the bet's own threshold is reached."""
    account: str
    bet: str
    stake: int
    """Minor units of the bet's stake to be cashed out; 0: all that remain."""
    asked: int
    """Minor units that the fan was quoted, and is paid where the gate offers as much."""
    at_ms: int = 0
    offered: int = 0
    """Minor units that the gate offers now."""
    standing: int = 0
    """The version that ``standing`` gave when it was valued: with another one, a leg was decided meanwhile."""
    refusal: Refusal | None = None
    """The gate's own refusal."""
    detail: str = ""
    quote: str = ""
    """The signed quote that the fan takes up."""
    automatic: bool = False
    """It is by the bet's own threshold: only where that stands, and ``asked`` reaches it."""
    waited: bool = False
    """The fan was told to wait: a refusal is said in the outbox, too."""


class SetCashOut(msgspec.Struct, frozen=True, tag="set_cash_out", tag_field="kind"):
    """Have an open bet cashed out, whole, as soon as at least so much is offered."""

    id: str
    account: str
    bet: str
    amount: int | None
    """Minor units; None: not any more."""
    at_ms: int


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
    """Derived: ``settle:BET:VERSION``, with the version that ``standing`` gives. It is not remembered: heard again, the
    bet stands where its legs do."""
    bet: str
    account: str
    at_ms: int


class SettleBets(msgspec.Struct, frozen=True, tag="settle_bets", tag_field="kind"):
    """Do with each of several bets what ``SettleBet`` does with one: a page of those that a decision concerns."""

    id: str
    """Derived: ``settle:FIXTURE:VERSION:NUMBER``, with the version of the decision and the first number. It is not
    remembered."""
    fixture: str
    """On which the decision is."""
    numbers: tuple[int, ...]
    """The ledger's numbers of the bets (``Ledger.bets_on``)."""
    at_ms: int


Command = (
    OpenAccount
    | SetStatus
    | SetLimit
    | Transfer
    | GrantFreeBet
    | ExpireFreeBet
    | PlaceBet
    | CashOut
    | SetCashOut
    | DecideLegs
    | VoidLegs
    | SettleBet
    | SettleBets
)


_UNDECIDED: Final[tuple[int, Outcome | None]] = (0, None)


def standing(
    bet: Bet, decisions: Mapping[str, tuple[int, Outcome | None]], windows: Mapping[str, Sequence[Window]]
) -> tuple[int, tuple[Outcome | None, ...]]:
    """Where a bet's legs stand: a version that rises with whatever is decided, withdrawn or voided, and the outcomes,
    None where a leg is undecided."""
    version, outcomes = 0, list[Outcome | None]()
    for leg in bet.legs:
        if leg.parts:
            found = [decisions.get(selection, _UNDECIDED) for selection in leg.selections]
            version += sum(decided for decided, _ in found)
            outcome = combined([outcome for _, outcome in found])
        else:
            decided, outcome = decisions.get(leg.selection, _UNDECIDED)
            version += decided
        if windows and (held := windows.get(leg.fixture)):  # most often there are none at all
            voided = [window.version for window in held if window.from_ms <= bet.placed_ms < window.until_ms]
            version += sum(voided)
            outcome = VOID if voided else outcome
        outcomes.append(outcome)
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
    stake_max: int | None = None
    """Minor units, of a refusal by a limit: the stake that would be taken now. Nothing is reserved: asked for under a
    new id, it may be refused again (Sportradar MTS, "alternative stake")."""
    pending_until_ms: int = 0
    """Of a bet that waits for a trader: until when it is answered at the latest."""
    offered: Offer | None = None
    """Of a bet that was refused as ``RE_OFFERED``."""


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


class FreeBet(msgspec.Struct, frozen=True):
    """A free bet that can be used."""

    free_bet: str
    amount: int
    currency: str
    until_ms: int


class Referral(msgspec.Struct, frozen=True):
    """A bet that waits for a trader, as it was asked."""

    command: PlaceBet
    until_ms: int


def left_of(limit: int, used: int) -> int:
    """Minor units that a fan's own limit leaves. One of zero leaves nothing, also where he has won."""
    return limit - used if limit else 0


class LimitView(msgspec.Struct, frozen=True):
    """One limit of a fan's own, as it stands."""

    limit: LimitName
    amount: int | None
    """Minor units in force now; None for no limit."""
    used: int
    """What counts against it now."""
    next_amount: int | None
    """What it will be, where a higher one is cooling off."""
    next_at_ms: int
    """From when; 0 where none is."""

    @property
    def left(self) -> int | None:
        """Minor units that may still be staked; None for no limit."""
        return None if self.amount is None else left_of(self.amount, self.used)


class AccountView(msgspec.Struct, frozen=True):
    """An account as a reader sees it at one moment."""

    account: str
    currency: str
    status: AccountStatus
    balance: int
    limits: tuple[LimitView, ...]
    """One for each name, in their order."""
    facts: int
    """Offset of the account's channel: the ``seq`` of its last fact included here."""

    def limit(self, name: LimitName) -> LimitView:
        """The limit of that name."""
        return next(limit for limit in self.limits if limit.limit == name)


ID_MEMORY_MS: Final = 48 * 3_600_000
"""How old a fan's id may be: one older than this without a record is refused as ``id_expired``."""
ID_AHEAD_MS: Final = 24 * 3_600_000
"""Milliseconds by which it may be ahead of our clock."""
REFUSALS_MS: Final = ID_MEMORY_MS + ID_AHEAD_MS
"""How long refusals are remembered: for as long as any of their ids could be sent again."""


@lru_cache(maxsize=1_024)
def house_account(role: str, currency: str, partition: int = 0) -> str:
    """The id of an account of the house: role is stakes, house, bank, shortfall, freebets or promotions."""
    return f"{role}:{currency}:{partition}"


def is_player(account: str) -> bool:
    """Whether an account is a fan's. Ids of fans contain no colon."""
    return ":" not in account
