"""Posting: the rules of the ledger, as pure functions over the rows that a batch touches.

A backend loads the rows (``Needs`` says which), applies the commands in order, and writes what changed once. Every
backend thereby keeps the same rules; none of them knows any.

Each rule is a flat ladder of early refusals in the order of ``Refusal``. Nothing changes before all of them are passed.
"""

from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Final

import msgspec

from matchday.model.bet import BET_MOVES, Bet, BetStatus, Outcome, return_of, status_of
from matchday.model.ledger import (
    ID_MEMORY_MS,
    AccountStatus,
    AccountView,
    Answer,
    Charge,
    Command,
    DecideLegs,
    Entry,
    OpenAccount,
    PlaceBet,
    Posting,
    Refusal,
    SetLimit,
    SetStatus,
    SettleBet,
    Transfer,
    VoidLegs,
    Window,
    house_account,
    standing,
)
from matchday.model.messages import AccountFact, BalanceChanged, BetAccepted, BetReopened, BetSettled

DAY_MS: Final = 86_400_000
"""Milliseconds of the stake window: days of UTC."""
LIMIT_COOLING_MS: Final = DAY_MS
"""Milliseconds until a fan's higher limit counts (UKGC RTS 12: 24 hours); a lower one counts at once."""


class Account(msgspec.Struct):
    """A player's row."""

    account: str
    currency: str
    status: AccountStatus
    balance: int
    stake_per_day: int
    next_stake_per_day: int | None = None
    """A higher limit that is cooling off, and from when it counts."""
    next_at_ms: int = 0
    window: int = 0
    """Day (UTC, since 1970) that ``staked`` counts."""
    staked: int = 0
    facts: int = 0
    """``seq`` of its last fact."""

    def limit(self, now_ms: int) -> int:
        """The stake limit in force."""
        if self.next_stake_per_day is not None and now_ms >= self.next_at_ms:
            return self.next_stake_per_day
        return self.stake_per_day

    def staked_on(self, now_ms: int) -> int:
        """What counts against the limit today. A clock that went back over midnight begins no new day."""
        return self.staked if self.window >= now_ms // DAY_MS else 0

    def view(self, now_ms: int) -> AccountView:
        """As readers see it."""
        return AccountView(
            self.account, self.currency, self.status, self.balance, self.limit(now_ms), self.staked_on(now_ms),
            self.facts,
        )  # fmt: skip


class Known(msgspec.Struct, frozen=True):
    """An id that was answered."""

    hash: bytes
    refusal: Refusal | None = None
    bet: str | None = None
    balance: int | None = None


class PlacedBet(msgspec.Struct):
    """A bet's row: what it is and what it charged."""

    bet: Bet
    charges: tuple[Charge, ...]


class Needs(msgspec.Struct):
    """Keys of the rows that a batch touches. ``bets`` first: what they name (guards, decisions) is needed too."""

    ids: list[tuple[str, str]]
    accounts: set[str]
    bets: set[str]
    guards: set[str]
    selections: set[str]
    fixtures: set[str]
    """Whose void windows are needed."""


def needs(commands: Sequence[Command]) -> Needs:
    """What a batch touches, as far as its commands say."""
    found = Needs([(account_of(c), c.id) for c in commands], set(), set(), set(), set(), set())
    for command in commands:
        if isinstance(command, DecideLegs):
            found.selections.update(decision.selection for decision in command.decisions)
            continue
        if isinstance(command, VoidLegs):
            found.fixtures.add(command.fixture)
            continue
        found.accounts.add(command.account)
        if isinstance(command, SettleBet):
            found.bets.add(command.bet)
        elif isinstance(command, PlaceBet):
            found.guards.update(charge.guard for charge in command.charges)
    return found


class Rows(msgspec.Struct):
    """The working set of a batch: rows as loaded, changed in place, and what is new."""

    known: dict[tuple[str, str], Known]
    accounts: dict[str, Account]
    bets: dict[str, PlacedBet]
    guards: dict[str, int]
    decisions: dict[str, tuple[int, Outcome | None]]
    windows: dict[str, list[Window]]
    next_entry: int
    next_fact: int
    new_known: dict[tuple[str, str], Known] = {}
    new_bets: list[str] = []
    new_entries: list[Entry] = []
    new_facts: list[AccountFact] = []
    changed_accounts: set[str] = set()
    changed_bets: set[str] = set()
    changed_guards: set[str] = set()
    changed_decisions: set[str] = set()
    new_windows: list[tuple[str, Window]] = []
    house: dict[str, int] = {}
    """House account -> what this batch adds to it."""


def account_of(command: Command) -> str:
    """Whose ids the command's id is unique among; decisions belong to their fixture."""
    return f"fixture:{command.fixture}" if isinstance(command, DecideLegs | VoidLegs) else command.account


def payload_hash(command: Command) -> bytes:
    """16 bytes over what the caller sent: two commands of one id are the same if these are."""
    if isinstance(command, PlaceBet):
        sent: object = (command.account, command.currency, command.stake, command.policy, command.asked)
    else:
        sent = msgspec.structs.replace(command, at_ms=0)
    return blake2b(msgspec.json.encode(sent), digest_size=16).digest()


def apply(command: Command, rows: Rows) -> Answer:
    """Apply one command to the working set; its answer."""
    key = (account_of(command), command.id)
    digest = payload_hash(command)
    if (known := rows.known.get(key)) is not None:
        return _again(command, known, digest, rows)
    answer = _RULES[type(command)](command, rows)
    if answer.refusal != Refusal.ID_EXPIRED:
        bet = answer.bet.bet if answer.bet is not None else None
        rows.known[key] = rows.new_known[key] = Known(digest, answer.refusal, bet, answer.balance)
    return answer


def _again(command: Command, known: Known, digest: bytes, rows: Rows) -> Answer:
    """The answer to an id that was answered before: the same, or ``id_reused`` for another payload."""
    account = account_of(command)
    if known.hash != digest:
        return Answer(
            command.id, account, Refusal.ID_REUSED, detail="this id was used for another command; make a new id"
        )
    bet = rows.bets[known.bet].bet if known.bet is not None else None
    return Answer(command.id, account, known.refusal, bet, known.balance, repeated=True)


def _open_account(command: OpenAccount, rows: Rows) -> Answer:
    held = rows.accounts.get(command.account)
    if held is not None:
        refusal = None if held.currency == command.currency else Refusal.CURRENCY_MISMATCH
        return Answer(command.id, command.account, refusal, balance=held.balance)
    rows.accounts[command.account] = Account(
        command.account, command.currency, AccountStatus.OPEN, 0, command.stake_per_day
    )
    rows.changed_accounts.add(command.account)
    return Answer(command.id, command.account, balance=0)


def _set_status(command: SetStatus, rows: Rows) -> Answer:
    account = rows.accounts.get(command.account)
    if account is None:
        return Answer(command.id, command.account, Refusal.ACCOUNT_UNKNOWN)
    if account.status == AccountStatus.CLOSED != command.status:
        return Answer(command.id, command.account, Refusal.ACCOUNT_NOT_OPEN, detail="a closed account stays closed")
    account.status = command.status
    rows.changed_accounts.add(command.account)
    return Answer(command.id, command.account, balance=account.balance)


def _set_limit(command: SetLimit, rows: Rows) -> Answer:
    account = rows.accounts.get(command.account)
    if account is None:
        return Answer(command.id, command.account, Refusal.ACCOUNT_UNKNOWN)
    account.stake_per_day = account.limit(command.at_ms)
    account.next_stake_per_day = None
    if command.stake_per_day <= account.stake_per_day:
        account.stake_per_day = command.stake_per_day
    else:
        account.next_stake_per_day, account.next_at_ms = command.stake_per_day, command.at_ms + LIMIT_COOLING_MS
    rows.changed_accounts.add(command.account)
    return Answer(command.id, command.account, balance=account.balance)


def _transfer(command: Transfer, rows: Rows) -> Answer:
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
    _post(
        rows, command.at_ms, command.reason, account, None, (account.account, command.amount), (bank, -command.amount)
    )
    rows.new_facts.append(
        BalanceChanged(
            _fact(rows, account), account.account, command.at_ms, account.balance, command.amount, command.reason
        )
    )
    return Answer(command.id, command.account, balance=account.balance)


def _place_bet(command: PlaceBet, rows: Rows) -> Answer:
    account = rows.accounts.get(command.account)
    refusal, detail = _place_refusal(command, account, rows)
    if refusal is not None or account is None:
        balance = account.balance if account else None
        return Answer(command.id, command.account, refusal, balance=balance, detail=detail)
    account.staked = account.staked_on(command.at_ms) + command.stake
    account.window = max(account.window, command.at_ms // DAY_MS)
    for charge in command.charges:
        rows.guards[charge.guard] = rows.guards.get(charge.guard, 0) + charge.amount
        rows.changed_guards.add(charge.guard)
    bet = Bet(
        command.bet, command.id, command.account, command.currency, command.stake, command.policy, command.legs,
        command.at_ms,
    )  # fmt: skip
    rows.bets[bet.bet] = PlacedBet(bet, command.charges)
    rows.new_bets.append(bet.bet)
    stakes = house_account("stakes", account.currency)
    _post(rows, command.at_ms, "stake", account, bet.bet, (account.account, -bet.stake), (stakes, bet.stake))
    rows.new_facts.append(BetAccepted(_fact(rows, account), account.account, command.at_ms, account.balance, bet))
    return Answer(command.id, command.account, None, bet, account.balance)


def _place_refusal(command: PlaceBet, account: Account | None, rows: Rows) -> tuple[Refusal | None, str]:
    """The first refusal that applies, and what would have been allowed."""
    made_ms = uuid7_ms(command.id)
    if made_ms is None or made_ms < command.at_ms - ID_MEMORY_MS:
        return Refusal.ID_EXPIRED, "make a new id (UUIDv7) for each bet"
    if account is None:
        return Refusal.ACCOUNT_UNKNOWN, ""
    if account.status != AccountStatus.OPEN:
        return Refusal.ACCOUNT_NOT_OPEN, f"the account is {account.status}"
    if account.currency != command.currency:
        return Refusal.CURRENCY_MISMATCH, f"the account's currency is {account.currency}"
    if command.refusal is not None:
        return command.refusal, ""
    left = account.limit(command.at_ms) - account.staked_on(command.at_ms)
    if command.stake > left:
        return Refusal.STAKE_LIMIT_REACHED, f"{max(0, left)} minor units are left of the day's limit"
    for charge in command.charges:
        if rows.guards.get(charge.guard, 0) + charge.amount > charge.cap:
            return charge.refusal, ""
    if account.balance < command.stake:
        return Refusal.INSUFFICIENT_FUNDS, f"the balance is {account.balance} minor units"
    return None, ""


def _decide_legs(command: DecideLegs, rows: Rows) -> Answer:
    for decision in command.decisions:
        held, outcome = rows.decisions.get(decision.selection, (-1, None))
        if held >= command.version or outcome == decision.outcome:  # what was never decided needs no withdrawal
            continue
        rows.decisions[decision.selection] = (command.version, decision.outcome)
        rows.changed_decisions.add(decision.selection)
    return Answer(command.id, account_of(command))


def _void_legs(command: VoidLegs, rows: Rows) -> Answer:
    held = rows.windows.setdefault(command.fixture, [])
    if all(window.version != command.version for window in held):
        window = Window(command.version, command.from_ms, command.until_ms)
        held.append(window)
        rows.new_windows.append((command.fixture, window))
    return Answer(command.id, account_of(command))


def _settle_bet(command: SettleBet, rows: Rows) -> Answer:
    """Settle, settle again by the difference, or open again. A bet whose legs stand as they did is left as it is."""
    placed = rows.bets.get(command.bet)
    if placed is None:
        raise ValueError(f"settlement of bet {command.bet}, which the ledger does not hold")
    bet, account = placed.bet, rows.accounts[placed.bet.account]
    version, found = standing(bet, rows.decisions, rows.windows)
    outcomes = tuple(outcome for outcome in found if outcome is not None)
    open_ = len(outcomes) < len(found)
    if version <= bet.version or (open_ and bet.status == BetStatus.OPEN):
        return Answer(command.id, command.account, None, bet, account.balance)
    if open_:
        status, returns = BetStatus.OPEN, 0
    else:
        status, returns = status_of(outcomes), return_of(bet.stake, bet.legs, outcomes, bet.type, free=bet.free)
    assert status in BET_MOVES[bet.status], (bet, status)
    before = account.balance
    change, owed = _bring_to(rows, command.at_ms, placed, status, returns)
    placed.bet = bet = msgspec.structs.replace(bet, status=status, returns=returns, version=version, owed=owed)
    rows.changed_bets.add(bet.bet)
    assert account.balance == before + change
    seq = _fact(rows, account)
    fact: AccountFact
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

    The stake of an open bet is reserved; of one that is not, it has been posted to the house. What the balance cannot
    cover is posted to ``shortfall`` and owed on this bet: what it returns later pays that first.
    """
    bet, account = placed.bet, rows.accounts[placed.bet.account]
    change = max(returns - bet.returns - bet.owed, -account.balance)
    owed = bet.returns + bet.owed + change - returns
    reserved = (status == BetStatus.OPEN) - (bet.status == BetStatus.OPEN)
    if reserved:
        for charge in placed.charges:
            rows.guards[charge.guard] = rows.guards.get(charge.guard, 0) + reserved * charge.amount
            rows.changed_guards.add(charge.guard)
    stakes, house, shortfall = (house_account(role, bet.currency) for role in ("stakes", "house", "shortfall"))
    reason = {-1: "settlement", 0: "resettlement", 1: "rollback"}[reserved]
    _post(
        rows, at_ms, reason, account, bet.bet,
        (stakes, reserved * bet.stake), (account.account, change), (shortfall, bet.owed - owed),
        (house, bet.returns - returns - reserved * bet.stake),
    )  # fmt: skip
    return change, owed


def _post(rows: Rows, at_ms: int, reason: str, account: Account, bet: str | None, *amounts: tuple[str, int]) -> None:
    """One balanced entry; postings of zero are left out."""
    assert sum(amount for _, amount in amounts) == 0, amounts
    postings = tuple(Posting(name, amount) for name, amount in amounts if amount)
    for posting in postings:
        if posting.account == account.account:
            account.balance += posting.amount
        else:
            rows.house[posting.account] = rows.house.get(posting.account, 0) + posting.amount
    assert account.balance >= 0, account
    rows.changed_accounts.add(account.account)
    if postings:
        rows.new_entries.append(Entry(rows.next_entry, at_ms, reason, account.currency, postings, bet))
        rows.next_entry += 1


def _fact(rows: Rows, account: Account) -> int:
    """The next place in the outbox, which is also where the account's channel now stands."""
    seq = rows.next_fact
    rows.next_fact += 1
    account.facts = seq
    return seq


def uuid7_ms(text: str) -> int | None:
    """When a UUIDv7 was made, in milliseconds since 1970; None for what is no UUIDv7 (RFC 9562 §5.7)."""
    digits = text.replace("-", "")
    hyphens = [place for place, sign in enumerate(text) if sign == "-"]
    if (
        len(text) != 36
        or hyphens != [8, 13, 18, 23]
        or not digits.isalnum()
        or digits[12] != "7"
        or digits[16] not in "89abAB"
    ):
        return None
    try:
        return int(digits, 16) >> 80
    except ValueError:
        return None


_RULES: Final[dict[type, Callable[..., Answer]]] = {
    OpenAccount: _open_account,
    SetStatus: _set_status,
    SetLimit: _set_limit,
    Transfer: _transfer,
    PlaceBet: _place_bet,
    DecideLegs: _decide_legs,
    VoidLegs: _void_legs,
    SettleBet: _settle_bet,
}
"""Everything that can be asked of the ledger."""
