"""Relay: the ledger's outbox onto the log, so that a fan's screens and settlement hear what was committed.

Owns nothing: its cursor is the last fact that stands on ``accounts``. Says every fact at least once and in the outbox's
order; a fact's ``seq`` lets readers drop what they have heard. Never changes a fact.
"""

from matchday.model.messages import AccountFact, Topic, decode
from matchday.ports import Clock, Ledger, Log, Record
from matchday.voice import BACKLOG_MAX, Voice

GROUP = "relay"
"""Its position on ``accounts`` counts facts of the outbox, not records: what was trimmed is not carried again."""
PAGE_MAX = 500
"""Facts of one append."""


class Relay:
    """Carries facts from the outbox to the log."""

    def __init__(self, clock: Clock, log: Log, ledger: Ledger) -> None:
        self._clock = clock
        self._log = log
        self._ledger = ledger
        self._voice = Voice(clock, log, "relay")
        self._seq = -1
        self._woken = False

    def start(self) -> None:
        """Find the cursor in the log, then carry what has been committed since."""
        self._seq = self._log.position(GROUP, Topic.ACCOUNTS)
        after = max(-1, self._log.end(Topic.ACCOUNTS) - PAGE_MAX)
        for stored in self._log.read(Topic.ACCOUNTS, after, PAGE_MAX):
            fact = decode(stored.value)
            if isinstance(fact, AccountFact):
                self._seq = max(self._seq, fact.seq)
        self._ledger.listen(self.wake)
        self.wake()

    def wake(self) -> None:
        """There may be new facts."""
        if not self._woken:
            self._woken = True
            self._clock.call_later(0, self._carry)

    def _carry(self) -> None:
        self._woken = False
        if self._voice.backlog > BACKLOG_MAX:
            self._voice.say((), self.wake)
            return
        facts = self._ledger.outbox(self._seq, PAGE_MAX)
        if not facts:
            return
        seq = self._seq = facts[-1][0]
        records = [Record(Topic.ACCOUNTS, account, fact) for _, account, fact in facts]
        self._voice.say(records, lambda: self._log.advance(GROUP, Topic.ACCOUNTS, seq))
        if len(facts) == PAGE_MAX:
            self.wake()
