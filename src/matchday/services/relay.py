"""Relay: the ledger's outbox onto the log, so that a fan's screens and settlement hear what was committed.

Owns nothing: its cursor is a position of the log, and the last facts that stand on ``accounts``. Says every fact at
least once and in the outbox's order; a fact's ``seq`` lets readers drop what they have heard. Never changes a fact.

One relay carries for all partitions. What one append brings to several of them becomes visible in each by itself, so
that a relay which stopped in the middle may have brought a fact to one while an earlier one is still missing in
another: its heir begins where all of them are complete, and leaves out, partition by partition, what stands there.
"""

import logging

from matchday.letters import Letters
from matchday.model.messages import AccountFact, Topic
from matchday.ports import Clock, Ledger, LedgerUnavailable, Log, Record, partition_of
from matchday.voice import BACKLOG_MAX, Voice

GROUP = "relay"
"""Its position on ``accounts`` counts facts of the outbox, not records: what was trimmed is not carried again. It
stands with the first partition."""
PAGE_MAX = 500
"""Facts of one append."""
PAUSE_MS = 10
"""Milliseconds from one append to the next, at least: of a ledger that commits all the time each carries several
commits. No fan waits for what it carries to be answered."""
_RETRY_MS = 500
"""Milliseconds until a ledger that could not be read is read again."""

_log = logging.getLogger(__name__)


class Relay:
    """Carries facts from the outbox to the log."""

    def __init__(self, clock: Clock, log: Log, ledger: Ledger) -> None:
        self._clock = clock
        self._log = log
        self._ledger = ledger
        self._voice = Voice(clock, log, "relay")
        self._letters = Letters(clock, self._voice, "relay")
        self._cursor = log.partition_view(0)
        self._seq = -1
        self._stands: list[int] = []
        """Partition -> the last fact that stood on it at the start; all before it do."""
        self._woken = False
        self._next_ms = 0
        """When it may carry again, as ``elapsed_ms`` counts."""

    def start(self) -> None:
        """Find the cursor in the log, then carry what has been committed since."""
        self._stands = [self._last(self._log.partition_view(n)) for n in range(self._log.partitions(Topic.ACCOUNTS))]
        self._seq = max(self._cursor.position(GROUP, Topic.ACCOUNTS), min(self._stands))
        self._ledger.listen(self.wake)
        self.wake()

    @property
    def backlog(self) -> int:
        """Facts that are read and not on their way to the log yet."""
        return self._voice.backlog

    def wake(self) -> None:
        """There may be new facts."""
        if not self._woken:
            self._woken = True
            self._clock.call_later(max(0, self._next_ms - self._clock.elapsed_ms()), self._carry)

    def _last(self, view: Log) -> int:
        """The last fact on a partition."""
        after = max(-1, view.end(Topic.ACCOUNTS) - PAGE_MAX)
        facts = self._letters.opened(view.read(Topic.ACCOUNTS, after, PAGE_MAX))
        return max((fact.seq for _, fact in facts if isinstance(fact, AccountFact)), default=-1)

    def _carry(self) -> None:
        self._woken = False
        if self._voice.backlog > BACKLOG_MAX:
            self._voice.say((), self.wake)
            return
        try:
            facts = self._ledger.outbox(self._seq, PAGE_MAX)
        except LedgerUnavailable as error:
            _log.error("relay: the ledger could not be read: %s", error)
            self._clock.call_later(_RETRY_MS, self.wake)
            return
        if not facts:
            return
        if len(facts) < PAGE_MAX:
            self._next_ms = self._clock.elapsed_ms() + PAUSE_MS
        seq = self._seq = facts[-1][0]
        count = len(self._stands)
        records = [
            Record(Topic.ACCOUNTS, account, fact)
            for number, account, fact in facts
            if number > self._stands[partition_of(account, count)]
        ]
        self._voice.say(records, lambda: self._cursor.advance(GROUP, Topic.ACCOUNTS, seq))
        if len(facts) == PAGE_MAX:
            self.wake()
