"""Whether a ledger's books are sound: what must hold of any ledger, asked of one through its own reads.

Not by its backend's constraints, which it has kept already, but by what anybody is told: every entry balances and every
currency sums to zero; each balance is the sum of its postings, and no player's is negative; a fan's statement adds up
to his balance; each of his bets is what its id is answered with, and what was posted for it is what it has come to.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Protocol

import msgspec

from matchday.model.bet import Bet
from matchday.model.ledger import Answer, Entry, is_player
from matchday.model.messages import AccountFact
from matchday.progress import Progress

FAULTS_SHOWN: Final = 100
_PAGE: Final = 2_000


class Books(Protocol):
    """The reads of a ledger that are asked: those of both backends."""

    def entries(self, after: int, limit: int) -> Sequence[Entry]:
        """See ``Ledger.entries``."""

    def facts(self, after: int, limit: int) -> Sequence[AccountFact]:
        """See ``Ledger.facts``."""

    def totals(self) -> Mapping[str, int]:
        """See ``Ledger.totals``."""

    def balances(self) -> Mapping[str, int]:
        """Every account's balance, the house's included."""

    def statement(self, account: str, before: int | None, limit: int) -> Sequence[Entry]:
        """See ``Ledger.statement``."""

    def bets(self, account: str, *, open_only: bool, before: str | None, limit: int) -> Sequence[Bet]:
        """See ``Ledger.bets``."""

    def bet(self, bet: str) -> Bet | None:
        """See ``Ledger.bet``."""

    def answer(self, account: str, id_: str) -> Answer | None:
        """See ``Ledger.answer``."""

    def open_bets(self) -> int:
        """See ``Ledger.open_bets``."""


class Soundness(msgspec.Struct):
    """What was found."""

    sound: bool = True
    entries: int = 0
    accounts: int = 0
    """Fans'."""
    accounts_read: int = 0
    """Those whose statements and bets were read, one by one."""
    bets_read: int = 0
    open_bets: int = 0
    last_entry: int = 0
    last_entry_ms: int = 0
    totals: dict[str, int] = {}
    """By currency: zero."""
    faults_total: int = 0
    faults: list[str] = []
    """The first of them."""

    def found(self, fault: str) -> None:
        """Something that must not be."""
        self.sound = False
        self.faults_total += 1
        if len(self.faults) < FAULTS_SHOWN:
            self.faults.append(fault)


def look(books: Books, accounts: int | None = None, progress: Progress = lambda *_: None) -> Soundness:
    """Read all entries, and the statements and bets of so many accounts (None: of all), spread over all of them.
    ``progress`` is told of two steps: entries, accounts."""
    found = Soundness(totals=dict(books.totals()), open_bets=books.open_bets())
    for currency, total in found.totals.items():
        if total:
            found.found(f"{currency} sums to {total}, not to zero")
    posted = _entries(books, found, progress)
    balances = books.balances()
    for account in sorted(balances.keys() | posted.keys()):
        held, sums = balances.get(account, 0), posted.get(account, 0)
        if held != sums:
            found.found(f"account {account}: its balance is {held}, its postings sum to {sums}")
        if held < 0 and is_player(account):
            found.found(f"account {account}: its balance is negative, {held}")
    fans = sorted(filter(is_player, balances))
    found.accounts = len(fans)
    still_open, some = 0, _some(fans, accounts)
    for number, fan in enumerate(some, 1):
        still_open += _account(books, fan, balances[fan], found)
        progress("accounts", number, len(some))
    if found.accounts_read == len(fans) and still_open != found.open_bets:
        found.found(f"{found.open_bets} bets are open, {still_open} by their accounts")
    return found


def _some(fans: Sequence[str], count: int | None) -> Sequence[str]:
    if count is None or count >= len(fans):
        return fans
    return [fans[n * len(fans) // count] for n in range(count)]


def _entries(books: Books, found: Soundness, progress: Progress) -> Counter[str]:
    """Look at all of them; account -> the sum of its postings."""
    posted: Counter[str] = Counter()
    while page := books.entries(found.last_entry, _PAGE):
        for entry in page:
            if sum(posting.amount for posting in entry.postings):
                found.found(f"entry {entry.entry} does not balance: {entry.postings}")
            for posting in entry.postings:
                posted[posting.account] += posting.amount
        found.entries += len(page)
        found.last_entry, found.last_entry_ms = page[-1].entry, page[-1].at_ms
        progress("entries", found.entries, None)
    progress("entries", found.entries, found.entries)
    return posted


def _account(books: Books, account: str, balance: int, found: Soundness) -> int:
    """Look at a fan's statement and bets; how many are open."""
    found.accounts_read += 1
    by_bet: Counter[str] = Counter()
    stated = 0
    for entry in _statement(books, account):
        change = sum(posting.amount for posting in entry.postings if posting.account == account)
        stated += change
        if entry.bet is not None:
            by_bet[entry.bet] += change
    if stated != balance:
        found.found(f"account {account}: its statement adds up to {stated}, its balance is {balance}")
    still_open = 0
    for bet in _bets(books, account):
        found.bets_read += 1
        still_open += bet.status == "open"
        answer = books.answer(account, bet.id)
        if answer is None or answer.bet is None or answer.bet.bet != bet.bet or answer.refusal is not None:
            found.found(f"bet {bet.bet}: its id {bet.id} is answered with {answer}")
        came = bet.returns + bet.owed + bet.cash - (0 if bet.free else bet.stake)
        if (moved := by_bet.pop(bet.bet, 0)) != came:
            found.found(f"bet {bet.bet}: {moved} was posted to {account} for it, and it has come to {came}")
    for bet_id in by_bet:
        found.found(f"account {account}: its statement names a bet {bet_id} that it has not")
    return still_open


def _statement(books: Books, account: str) -> Iterator[Entry]:
    before: int | None = None
    while page := books.statement(account, before, _PAGE):
        yield from page
        before = page[-1].entry


def _bets(books: Books, account: str) -> Iterator[Bet]:
    before: str | None = None
    while page := books.bets(account, open_only=False, before=before, limit=_PAGE):
        yield from page
        before = page[-1].bet
