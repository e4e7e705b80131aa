"""What a bookkeeper reads of a ledger, for the tables of these tests."""

from collections import Counter

from matchday.model.bet import Bet
from matchday.model.ledger import Entry
from matchday.ports import Ledger

from .test_ledger import A, balance

PAGE = 10_000


def sums(ledger: Ledger) -> dict[str, int]:
    """What all entries add up to, by account of the house without currency and partition; those of zero left out."""
    found: Counter[str] = Counter()
    for entry in ledger.entries(0, PAGE):
        for posting in entry.postings:
            found[posting.account.partition(":")[0]] += posting.amount
    assert sum(found.values()) == 0
    assert found.get(A, 0) == balance(ledger)
    return {account: amount for account, amount in found.items() if amount}


def entry_of(ledger: Ledger, back: int = 1) -> dict[str, int]:
    """The last entry (or one before it), by account of the house."""
    entry = ledger.entries(0, PAGE)[-back]
    return {posting.account.partition(":")[0]: posting.amount for posting in entry.postings}


def last(ledger: Ledger) -> Entry:
    """The last entry."""
    return ledger.entries(0, PAGE)[-1]


def held(ledger: Ledger, bet: str = "b1") -> Bet:
    """A bet that is there."""
    found = ledger.bet(bet)
    assert found is not None
    return found
