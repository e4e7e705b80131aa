"""Rows: the working set of a batch. What the rules read and change, and what a backend loads and writes."""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Final

import msgspec

from matchday.model.bet import Bet, Outcome
from matchday.model.ledger import (
    AccountStatus,
    AccountView,
    CashOut,
    Charge,
    Command,
    DecideLegs,
    Entry,
    ExpireFreeBet,
    GrantFreeBet,
    LimitName,
    LimitView,
    Offer,
    PlaceBet,
    Posting,
    Referral,
    Refusal,
    SetCashOut,
    SettleBet,
    SettleBets,
    VoidLegs,
    Window,
    house_account,
    left_of,
)
from matchday.model.messages import AccountFact

DAY_MS: Final = 86_400_000
"""Milliseconds of a day: windows of limits are days of UTC."""
DAYS_MAX: Final = 30
"""Days that an account remembers: the longest window."""


class Day(msgspec.Struct, array_like=True):
    """What an account staked on a day, and what came back to it."""

    day: int
    """Days since 1970, UTC."""
    staked: int
    returned: int


class Account(msgspec.Struct):
    """A player's row."""

    account: str
    currency: str
    status: AccountStatus
    balance: int
    facts: int = 0
    """``seq`` of its last fact."""
    limits: dict[LimitName, int] = {}
    """Minor units; none for no limit."""
    raised: dict[LimitName, tuple[int | None, int]] = {}
    """A higher limit (None: no limit any more) that is cooling off, and from when it counts."""
    days: list[Day] = []
    """Oldest first; only those on which something happened."""

    def limit(self, name: LimitName, now_ms: int) -> int | None:
        """The limit in force, in minor units."""
        if self.raised and name in self.raised and now_ms >= self.raised[name][1]:
            return self.raised[name][0]
        return self.limits.get(name)

    def today(self, now_ms: int) -> int:
        """The day that counts. A clock that went back over midnight begins no new day."""
        return max(now_ms // DAY_MS, self.days[-1].day if self.days else 0)

    def used(self, name: LimitName, now_ms: int) -> int:
        """What counts against a limit now. A loss is stakes less returns, and less than zero where the fan has won."""
        first, of_loss, used = self.today(now_ms) - name.days + 1, name.of_loss, 0
        for day in self.days:
            if day.day >= first:
                used += day.staked - day.returned if of_loss else day.staked
        return used

    def left(self, now_ms: int, *, of_loss: bool) -> int | None:
        """The most that may be staked by the fan's own limits of a kind; None for no limit."""
        found: int | None = None
        for name in self.limits.keys() | self.raised.keys() if self.raised else self.limits:
            if name.of_loss == of_loss and (limit := self.limit(name, now_ms)) is not None:
                left = left_of(limit, self.used(name, now_ms))
                found = left if found is None else min(found, left)
        return found

    def stopped(self, now_ms: int, *, of_loss: bool) -> bool:
        """Whether the fan has stopped all betting, by a limit of zero of a kind."""
        return any(
            name.of_loss == of_loss and self.limit(name, now_ms) == 0
            for name in self.limits.keys() | self.raised.keys()
        )

    def count(self, now_ms: int, *, staked: int = 0, returned: int = 0) -> None:
        """Remember what was staked, or came back."""
        today = self.today(now_ms)
        if not (self.days and self.days[-1].day == today):
            self.days = [day for day in self.days if day.day > today - DAYS_MAX]
            self.days.append(Day(today, 0, 0))
        self.days[-1].staked += staked
        self.days[-1].returned += returned

    def view(self, now_ms: int) -> AccountView:
        """As readers see it."""
        return AccountView(
            self.account, self.currency, self.status, self.balance,
            tuple(self._limit_view(name, now_ms) for name in LimitName), self.facts,
        )  # fmt: skip

    def _limit_view(self, name: LimitName, now_ms: int) -> LimitView:
        following, at_ms = self.raised.get(name, (None, 0))
        if at_ms <= now_ms:
            following, at_ms = None, 0
        return LimitView(name, self.limit(name, now_ms), self.used(name, now_ms), following, at_ms)


class Known(msgspec.Struct, frozen=True):
    """An id that was answered, or waits for a trader."""

    hash: bytes
    refusal: Refusal | None = None
    bet: str | None = None
    balance: int | None = None
    pending_until_ms: int = 0


class Held(msgspec.Struct, array_like=True):
    """Guards that a bet charged with one amount."""

    amount: int
    """Minor units."""
    guards: list[int]
    """By number, see ``Rows.guards``."""


class PlacedBet(msgspec.Struct):
    """A bet's row: what it is and what it charged when it was placed."""

    bet: Bet
    charges: list[Held]
    number: int = 0
    """The ledger's own; 0 until it is stored."""
    player: int = 0
    """The ledger's own number of its account; 0 until it is stored."""


class FreeBetState(StrEnum):
    """Where a free bet stands."""

    AVAILABLE = "available"
    USED = "used"
    EXPIRED = "expired"


class HeldFreeBet(msgspec.Struct):
    """A free bet's row."""

    free_bet: str
    account: str
    currency: str
    amount: int
    until_ms: int
    state: FreeBetState = FreeBetState.AVAILABLE
    bet: str = ""
    """The bet that used it last."""


class HeldOffer(msgspec.Struct):
    """A trader's offer and whether it was taken up."""

    offer: Offer
    account: str
    taken: bool = False


class Needs(msgspec.Struct):
    """Keys of the rows that a batch touches. ``bets`` first: what they name (accounts, decisions) is needed too."""

    ids: list[tuple[str, str]]
    accounts: set[str] = set()
    bets: set[str] = set()
    numbers: set[int] = set()
    """Bets by number."""
    guards: set[str] = set()
    """By which a bet that is to be placed is judged."""
    selections: set[str] = set()
    fixtures: set[str] = set()
    """Whose void windows are needed."""
    free_bets: set[str] = set()
    offers: set[str] = set()
    referring: set[str] = set()
    """Accounts whose bets that wait for a trader are counted."""

    def of_bets(self, bets: Iterable[PlacedBet]) -> None:
        """What those bets name. Not their guards: what is released is judged by none."""
        for placed in bets:
            bet = placed.bet
            self.accounts.add(bet.account)
            if bet.free_bet:
                self.free_bets.add(bet.free_bet)
            for leg in bet.legs:
                self.fixtures.add(leg.fixture)
                if leg.parts:
                    self.selections.update(leg.selections)
                else:
                    self.selections.add(leg.selection)


def needs(commands: Sequence[Command]) -> Needs:
    """What a batch touches, as far as its commands say."""
    found = Needs([])
    for command in commands:
        if type(command) is PlaceBet:  # most are
            _needs_of_bet(command, found)
            continue
        if not isinstance(command, SettleBet | SettleBets):
            found.ids.append((account_of(command), command.id))
        match command:
            case DecideLegs():
                found.selections.update(decision.selection for decision in command.decisions)
                continue
            case VoidLegs():
                found.fixtures.add(command.fixture)
                continue
            case SettleBets():
                found.numbers.update(command.numbers)
                continue
            case SettleBet() | CashOut() | SetCashOut():
                found.bets.add(command.bet)
            case GrantFreeBet() | ExpireFreeBet():
                found.free_bets.add(command.free_bet)
            case _:
                pass
        found.accounts.add(command.account)
    return found


def _needs_of_bet(command: PlaceBet, found: Needs) -> None:
    found.ids.append((command.account, command.id))
    found.accounts.add(command.account)
    guards = found.guards
    for charge in command.charges:
        guards.add(charge.guard)
    if command.free_bet:
        found.free_bets.add(command.free_bet)
    if command.offer:
        found.offers.add(command.offer)
    if command.referrals_max:
        found.referring.add(command.account)


class Rows(msgspec.Struct):
    """The working set of a batch: rows as loaded, changed in place, and what is new."""

    known: dict[tuple[str, str], Known]
    accounts: dict[str, Account]
    bets: dict[str, PlacedBet]
    guards: dict[str, int]
    """Guard -> the number that the ledger calls it by, of those by which bets are judged."""
    counters: dict[int, int]
    """Number of a guard -> its counter before this batch."""
    decisions: dict[str, tuple[int, Outcome | None]]
    windows: dict[str, list[Window]]
    free_bets: dict[str, HeldFreeBet]
    offers: dict[str, HeldOffer]
    next_entry: int
    next_fact: int
    numbered: dict[int, PlacedBet] = {}
    """Those of ``bets`` that were asked for by number."""
    new_known: dict[tuple[str, str], Known] = {}
    new_bets: list[str] = []
    new_entries: list[tuple[Entry, str | None]] = []
    """Each with the player whose balance it moves."""
    new_facts: list[AccountFact] = []
    new_referrals: dict[tuple[str, str], Referral] = {}
    answered_referrals: list[tuple[str, str]] = []
    new_windows: list[tuple[str, Window]] = []
    changed_accounts: set[str] = set()
    changed_bets: set[str] = set()
    changed_decisions: set[str] = set()
    changed_free_bets: set[str] = set()
    changed_offers: set[str] = set()
    house: dict[str, int] = {}
    """House account -> what this batch adds to it."""
    charged: dict[int, int] = {}
    """Number of a guard -> what this batch adds to its counter."""
    waiting: dict[str, int] = {}
    """Account -> how many of its bets waited for a trader before this batch, of those that refer one."""
    referred: dict[str, int] = {}
    """Account -> how many more wait by this batch."""

    def post(self, at_ms: int, reason: str, account: Account, bet: str | None, *amounts: tuple[str, int]) -> None:
        """One balanced entry; amounts on one account are added up, and those of zero left out."""
        own, moved, total, house = account.account, 0, 0, self.house
        sums: dict[str, int] = {}
        for name, amount in amounts:
            if amount:
                total += amount
                sums[name] = sums.get(name, 0) + amount
        assert not total, amounts
        postings: list[Posting] = []
        for name, amount in sums.items():
            if name == own:
                moved = amount
            else:
                house[name] = house.get(name, 0) + amount
            if amount:
                postings.append(Posting(name, amount))
        account.balance += moved
        assert account.balance >= 0, account
        self.changed_accounts.add(own)
        if postings:
            entry = Entry(self.next_entry, at_ms, reason, account.currency, tuple(postings), bet)
            self.new_entries.append((entry, own if moved else None))
            self.next_entry += 1

    def fact(self, account: Account) -> int:
        """The next place in the outbox, which is also where the account's channel now stands."""
        seq = self.next_fact
        self.next_fact += 1
        account.facts = seq
        self.changed_accounts.add(account.account)
        return seq

    def used(self, guard: str) -> int:
        """A guard's counter as it stands."""
        number = self.guards[guard]
        return self.counters.get(number, 0) + self.charged.get(number, 0)

    def referrals(self, account: str) -> int:
        """How many of an account's bets wait for a trader as it stands."""
        return self.waiting.get(account, 0) + self.referred.get(account, 0)

    def refer(self, key: tuple[str, str], referral: Referral) -> None:
        """One more waits."""
        self.new_referrals[key] = referral
        self.referred[key[0]] = self.referred.get(key[0], 0) + 1

    def answer_referral(self, key: tuple[str, str]) -> None:
        """One waits no more."""
        self.answered_referrals.append(key)
        self.referred[key[0]] = self.referred.get(key[0], 0) - 1

    def charge(self, charges: Iterable[Charge]) -> list[Held]:
        """Charge what a new bet does; what it then holds."""
        found: list[Held] = []
        guards, charged_, last = self.guards, self.charged, -1
        for charge in charges:
            number, amount = guards[charge.guard], charge.amount
            charged_[number] = charged_.get(number, 0) + amount
            if amount != last:  # one bet's are of one amount, all of them
                found.append(Held(last := amount, []))
            found[-1].guards.append(number)
        return found

    def reserve(self, placed: PlacedBet, sign: int) -> None:
        """Charge all that a bet holds (1), or release it (-1)."""
        counted = self.charged
        for held in placed.charges:
            amount = sign * charged(held.amount, placed.bet)
            for number in held.guards:
                counted[number] = counted.get(number, 0) + amount


def account_of(command: Command) -> str:
    """Whose ids the command's id is unique among; decisions, and settlements by them, belong to their fixture."""
    if type(command) is PlaceBet:
        return command.account
    if isinstance(command, DecideLegs | VoidLegs | SettleBets):
        return f"fixture:{command.fixture}"
    return command.account


def charged(amount: int, bet: Bet) -> int:
    """What a bet holds of a guard while it is open: its charge, as far as its stake was not cashed out."""
    return amount if not bet.cashed else -(-amount * bet.remaining // bet.stake)


def roles(currency: str, *names: str) -> tuple[str, ...]:
    """Accounts of the house by role."""
    return tuple(house_account(name, currency) for name in names)
