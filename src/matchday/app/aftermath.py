"""What came after a moment to which a ledger was restored: what its former server, or the log, knows and it does not.

Two witnesses. The *former* server has every entry, where it can still be read. The *log* has the facts that the relay
carried: what fans were told. Whatever neither of them has was told to nobody but the fan who was answered.

And what has to be done before the platform is started on a restored ledger (``rejoin``). The log goes on from where it
was, so that rooms would take their positions on it for what the ledger knows:

* numbers of entries and facts that were given once are said already: the relay, and every screen, would pass over what
  the ledger now gives them to. So it numbers on above all that either witness has.
* decisions that settlement had handed over are not in the ledger: their bets would stay open for ever. So settlement
  hears all decisions again that were said since a little before the moment; those it knows change nothing.

Books, incidents and fixtures are the log's own and are as they were.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec

from matchday.app.sound import Books
from matchday.model.bet import Bet
from matchday.model.ledger import Entry, is_player
from matchday.model.messages import AccountFact, BetAccepted, BetCashedOut, BetSettled, Topic, decode, one_by_one
from matchday.ports import Log, Stored
from matchday.services.settlement import GROUP_ACCOUNT

SHOWN: Final = 10_000
"""Bets and accounts of a report at most: of more, it says how many."""
BACK: Final = 4_096 * 8_192
"""Numbers before the ledger's last from which on both are compared: those of batches that may have been under way."""
HEAR_AGAIN_MS: Final = 600_000
"""Milliseconds before the moment from which on decisions are heard again: what settlement had not handed over."""
_PAGE: Final = 1_000


class Later(msgspec.Struct, kw_only=True):
    """A bet that was accepted after the moment: the ledger does not know it."""

    bet: str
    id: str
    account: str
    currency: str
    stake: int
    """Minor units."""
    free: bool
    placed_ms: int
    status: str
    """What it had come to, as far as the witnesses say."""
    returns: int
    """Minor units that it had paid out, cash-outs included."""
    witnesses: list[str]
    """``former``, ``log``."""


class Aftermath(msgspec.Struct, kw_only=True):
    """What the restored ledger does not have."""

    last_entry: int = 0
    """Of the restored ledger."""
    last_entry_ms: int = 0
    entries_total: int = 0
    """That the former server has beyond it."""
    facts_total: int = 0
    """That the log has beyond it."""
    reasons: dict[str, int] = {}
    """Of these entries."""
    bets_total: int = 0
    bets: list[Later] = []
    balances: dict[str, dict[str, int]] = {}
    """Currency -> fan's account -> by how much its balance moved in these entries: what it must be given to stand as it
    did, where nothing is decided otherwise now."""
    settled_again_total: int = 0
    """Bets that are open in the ledger and were settled after the moment: they are settled again from the log."""
    highest: int = 0
    """The highest number of an entry or fact that either witness has."""


class Comparison:
    """A restored ledger and its witnesses."""

    def __init__(self, restored: Books, former: Books | None, log: Log | None) -> None:
        self._restored, self._former, self._log = restored, former, log
        self._bets: dict[str, Later] = {}
        self._moved: dict[str, Counter[str]] = {}
        self._again: set[str] = set()

    def run(self) -> Aftermath:
        """Read all of them."""
        found = Aftermath()
        known = self._known(found)
        if self._former is not None:
            self._ask_former(self._former, known, found)
        if self._log is not None:
            self._ask_log(self._log, found)
        bets = sorted(self._bets.values(), key=lambda one: one.placed_ms)
        found.bets_total, found.bets = len(bets), bets[:SHOWN]
        found.balances = {
            currency: {account: change for account, change in sorted(moved.items())[:SHOWN] if change}
            for currency, moved in self._moved.items()
        }
        found.settled_again_total = len(self._again)
        return found

    def _known(self, found: Aftermath) -> set[int]:
        """Numbers of the restored ledger's last entries: those before them are in both."""
        last = _last(self._restored)
        if last is None:
            return set()
        found.last_entry, found.last_entry_ms = last.entry, last.at_ms
        return {entry.entry for entry in _entries(self._restored, max(0, last.entry - BACK))}

    def _ask_former(self, former: Books, known: set[int], found: Aftermath) -> None:
        for entry in _entries(former, max(0, found.last_entry - BACK)):
            found.highest = max(found.highest, entry.entry)
            if entry.entry in known:
                continue
            found.entries_total += 1
            found.reasons[entry.reason] = found.reasons.get(entry.reason, 0) + 1
            for posting in entry.postings:
                if is_player(posting.account):
                    self._moved.setdefault(entry.currency, Counter())[posting.account] += posting.amount
            if entry.bet is not None and entry.bet not in self._bets and (bet := former.bet(entry.bet)) is not None:
                self._saw(bet, "former")

    def _ask_log(self, log: Log, found: Aftermath) -> None:
        known = {fact.seq for fact in _facts(self._restored, max(0, found.last_entry - BACK))}
        for stored in _backwards(log, lambda seq: seq <= max(0, found.last_entry - BACK)):
            fact = decode(stored.value)
            if not isinstance(fact, AccountFact):
                continue
            found.highest = max(found.highest, fact.seq)
            if fact.seq in known or fact.seq <= found.last_entry - BACK:
                continue
            found.facts_total += 1
            for one in one_by_one(fact):
                if isinstance(one, BetAccepted):
                    self._saw(one.bet, "log")
                elif isinstance(one, BetSettled):
                    self._paid(one.bet, one.status.value, one.returns)
                elif isinstance(one, BetCashedOut) and one.bet in self._bets:
                    self._paid(one.bet, self._bets[one.bet].status, one.amount)

    def _saw(self, bet: Bet, witness: str) -> None:
        """One of its witnesses knows a bet that was touched after the moment."""
        held = self._restored.bet(bet.bet)
        if held is not None:
            if held.status == "open" and bet.status != "open":
                self._again.add(bet.bet)
            return
        later = self._bets.get(bet.bet)
        if later is None:
            later = self._bets[bet.bet] = Later(
                bet=bet.bet, id=bet.id, account=bet.account, currency=bet.currency, stake=bet.stake, free=bet.free,
                placed_ms=bet.placed_ms, status=bet.status.value, returns=bet.returns + bet.cash, witnesses=[],
            )  # fmt: skip
        if witness not in later.witnesses:
            later.witnesses.append(witness)

    def _paid(self, bet: str, status: str, returns: int) -> None:
        """The log says what a bet came to; the former server, where there is one, knows better."""
        later = self._bets.get(bet)
        if later is not None and "former" not in later.witnesses:
            later.status, later.returns = status, returns
        elif later is None and (held := self._restored.bet(bet)) is not None and held.status == "open":
            self._again.add(bet)


def _last(books: Books) -> Entry | None:
    """A ledger's last entry, by halves."""
    low, high, last = 0, 2**62, None
    while low < high:
        middle = (low + high) // 2
        if page := books.entries(middle, 1):
            last = page[0]
            low = last.entry
        else:
            high = middle
    return last


def _entries(books: Books, after: int) -> Iterator[Entry]:
    while page := books.entries(after, _PAGE):
        yield from page
        after = page[-1].entry


def _facts(books: Books, after: int) -> Iterator[AccountFact]:
    while page := books.facts(after, _PAGE):
        yield from page
        after = page[-1].seq


def _backwards(log: Log, enough: Callable[[int], bool]) -> Iterator[Stored]:
    """Records of ``accounts`` in order, each partition from a page on that begins with a fact that is old enough."""
    for number in range(log.partitions(Topic.ACCOUNTS)):
        view = log.partition_view(number)
        end, oldest = view.end(Topic.ACCOUNTS), view.oldest(Topic.ACCOUNTS)
        start = end
        while start >= oldest:
            start = max(oldest - 1, start - _PAGE)
            page = view.read(Topic.ACCOUNTS, start, 1)
            first = decode(page[0].value) if page else None
            if isinstance(first, AccountFact) and enough(first.seq):
                break
        after = start
        while after < end and (records := view.read(Topic.ACCOUNTS, after, _PAGE)):
            yield from records
            after = records[-1].offset


# --- before the platform starts again ---------------------------------------------------------------------------------


def hear_again(log: Log, since_ms: int) -> Sequence[tuple[int, int, int]]:
    """Set settlement's positions back to before what was said since a moment: (partition, former, new). Nobody of the
    platform may run."""
    moved = []
    for number in range(log.partitions(Topic.DECISIONS)):
        view = log.partition_view(number)
        former, offset = view.position(GROUP_ACCOUNT, Topic.DECISIONS), _before(view, since_ms)
        if offset < former:
            view.advance(GROUP_ACCOUNT, Topic.DECISIONS, offset)
            moved.append((number, former, offset))
    return moved


def _before(view: Log, at_ms: int) -> int:
    """The offset after which what was appended since a moment stands: by halves, as records stand in their order."""
    low, high = view.oldest(Topic.DECISIONS) - 1, view.end(Topic.DECISIONS)
    while low < high:
        middle = (low + high) // 2
        page = view.read(Topic.DECISIONS, middle, 1)
        if not page or page[0].at_ms >= at_ms:
            high = middle
        else:
            low = page[0].offset
    return low
