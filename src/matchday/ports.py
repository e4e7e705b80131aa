"""Ports: what rooms need of the world, as verbs of meaning.

Rooms are synchronous state machines. They are handed messages and answer through callbacks; they start no thread, await
nothing and know no event loop. A port calls back on the room's own thread, never from inside the call that was made to
it (so that a room is never re-entered), and in the order of the records or commits concerned.

The promises are those of the weakest backend: at-least-once delivery, no transaction across log and ledger. Everything
may be delivered twice; the contract tests do so on every backend.
"""

import random
from collections.abc import Callable, Sequence
from typing import Final, Protocol
from zlib import crc32

import msgspec

from matchday.model.bet import Bet, Outcome
from matchday.model.ledger import AccountView, Answer, Command, Entry, FreeBet, Offer, Referral, Window
from matchday.model.messages import AccountFact, Topic


class Timer(Protocol):
    """A call that is due later."""

    def cancel(self) -> None:
        """Do not make the call. Harmless once it was made or cancelled."""


class Clock(Protocol):
    """The only source of time, ids and chance. Virtual in simulation and replay, so that a seed replays a run."""

    def now_ms(self) -> int:
        """Milliseconds since 1970, UTC. May jump; never compared across machines for order."""

    def elapsed_ms(self) -> int:
        """Milliseconds since some moment in this process's life. Never jumps: for how long something has lasted."""

    def call_later(self, delay_ms: int, call: Callable[[], None]) -> Timer:
        """Call once, not earlier than ``delay_ms`` from now (0: soon), on the room's thread. Calls due at the same
        millisecond are made in the order in which they were asked for."""

    def new_id(self) -> str:
        """A new UUIDv7 (RFC 9562) in its usual form: time-ordered, unique."""

    def random(self, name: str) -> random.Random:
        """A stream of chance of its own for each name; in virtual time fixed by the seed and the name."""


class Span(Protocol):
    """A piece of work that is being traced, from its beginning to its end, in parts that follow one another."""

    @property
    def context(self) -> str:
        """What is handed on with a message, so that whoever goes on with the work goes on with its trace
        (``traceparent``, W3C Trace Context)."""

    def stage(self, name: str, **notes: str | int) -> None:
        """The part that went on is over, and the next one begins."""

    def end(self, **notes: str | int) -> None:
        """All of it is over. Harmless when said again."""


class Tracer(Protocol):
    """Watches some of the work, drawn by chance, on its way through the rooms. Its times are the clock's. What is noted
    names fixtures and bets, never a fan."""

    def start(self, name: str, **notes: str | int) -> Span | None:
        """A piece of work begins; None where this one is not watched, which is the rule and costs next to nothing."""

    def follow(self, context: str, name: str, since_ms: int, **notes: str | int) -> Span | None:
        """Work goes on that somebody else began and put on the log at a moment; None where nothing is watched here, or
        the context is none."""


class _Untraced:
    """Watches nothing."""

    def start(self, name: str, **notes: str | int) -> None:
        """See ``Tracer.start``."""

    def follow(self, context: str, name: str, since_ms: int, **notes: str | int) -> None:
        """See ``Tracer.follow``."""


UNTRACED: Final[Tracer] = _Untraced()


class Record(msgspec.Struct, frozen=True):
    """What is appended to the log."""

    topic: Topic
    key: str
    """Orders and partitions: records of one key stay in order. Compacted topics keep the latest of each key."""
    value: bytes
    """Empty: a tombstone; a compacted topic forgets the key."""
    partition: int | None = None
    """None: by its key (``partition_of``). Named, for what all readers of a topic are to hear, once for each."""


def partition_of(key: str, partitions: int) -> int:
    """The partition of a key, everywhere the same: CRC-32 of what stands before its first ``@``, modulo the partitions.
    So a fixture, and a book of it that is kept under its name and an epoch, are of one."""
    return 0 if partitions == 1 else crc32(key.partition("@")[0].encode()) % partitions


class Stored(msgspec.Struct, frozen=True):
    """What was appended, as readers get it."""

    topic: Topic
    partition: int
    offset: int
    """Place in its topic and partition: rises by any amount, never repeats within an epoch."""
    key: str
    value: bytes
    at_ms: int
    """When it was appended."""


class Lag(msgspec.Struct, frozen=True):
    """How far the tails of a process are behind what stands on the log now; nothing where they have heard all of it."""

    records: int = 0
    """Not heard yet, of all partitions."""
    for_ms: int = 0
    """Milliseconds for which the oldest of them has been known to be there, at least."""
    silent_ms: int = 0
    """Milliseconds for which the log has not said how far it goes: until it does, nobody knows."""


class LogUnavailable(Exception):
    """The log did not take the records, and says why (disk full, broker gone). They may be appended again."""


class LedgerUnavailable(Exception):
    """The ledger did not take the commands and none of them is recorded, or a read could not be made."""


class Log(Protocol):
    """A durable, ordered, partitioned log.

    Durable before acknowledged: once ``done`` is called with offsets the records survive a crash. A tail hears records
    at least once, in the order of each partition.

    Records of one append become visible topic by topic, as the topics first occur in it: none before all those of
    earlier topics. Of one topic they do in order within each partition; across partitions nothing is promised. An
    append that failed may have left some of its records, even all, but none of them comes later: who appends them again
    makes readers hear some twice, and what was said last of a key stands last.

    What is said here of a topic holds of one with a single partition, or of a ``partition_view``. The whole log of a
    topic with several takes appends, merges ``latest``, and can be tailed from now on; to be asked for offsets of such
    a topic is a programmer's error (ValueError), as they say nothing without their partition.
    """

    def epoch(self, topic: Topic) -> str:
        """The topic's incarnation. Offsets of different epochs do not compare: state was lost, fetch it anew."""

    def partitions(self, topic: Topic) -> int:
        """How many partitions the topic has: one (``SINGLE``), or as many as all others."""

    def partition_view(self, partition: int) -> "Log":
        """The same log as a room hears and reads it that has one partition of the topics with several: of those it
        hears and reads that one; the others as they are. What it appends goes where its key belongs."""

    def append(
        self, records: Sequence[Record], done: Callable[[Sequence[int] | LogUnavailable], None] | None = None
    ) -> None:
        """Append in order. Without ``done`` a failure stops the process: the caller has no way to go on."""

    def tail(self, topic: Topic, after: int | None, hear: Callable[[Sequence[Stored]], None]) -> Timer:
        """Hear every record after an offset (None: from now on) in batches, until cancelled."""

    def read(self, topic: Topic, after: int, limit: int) -> Sequence[Stored]:
        """Records after an offset, oldest first, at most ``limit``; empty: there are none. ``after`` -1 is the oldest
        kept."""

    def latest(self, topic: Topic) -> Sequence[Stored]:
        """Of a compacted topic, the latest record of each key, in the order of their offsets, one partition after the
        other."""

    def end(self, topic: Topic) -> int:
        """The offset of the last record, or a higher one below which none will come any more; -1 where there is
        none."""

    def oldest(self, topic: Topic) -> int:
        """The lowest offset still kept, end + 1 where nothing is."""

    def position(self, group: str, topic: Topic) -> int:
        """Where a group of readers has got to, as it last said; -1 at first. Any number, not only an offset."""

    def advance(self, group: str, topic: Topic, offset: int) -> None:
        """A group has dealt with everything up to ``offset``. Remembered at least once, perhaps a little late."""


class Shares(Protocol):
    """Who does which share of a room's work: each partition of the log is one process's, whatever comes and goes."""

    def join(self, group: str, taken: Callable[[int], None], lost: Callable[[int], None]) -> Timer:
        """Take part in a group's work until cancelled: ``taken`` is called with each partition that is this process's
        from now on, ``lost`` with one that is no longer, both on the room's thread. Another process may have begun
        before ``lost`` is called: rooms bear two owners for a while."""


class Ledger(Protocol):
    """The double-entry ledger: one write verb, and reads.

    ``commit`` is durable before it is answered; commands are answered in order, one answer each. The same id with the
    same payload gets the same answer (``repeated``), with another payload ``id_reused``; ids are unique per account.
    Settlements are not remembered: whenever one is heard, it brings a bet to where its legs stand, once.
    Guards (balance, status, limit windows, exposure) are checked and changed in the same commit, so that no race slips
    past them. ``LedgerUnavailable`` is only ever given when it is known that none of the commands was recorded.
    Reads see a state in which every currency sums to zero, not older than the last answered commit of this process.
    """

    def commit(self, commands: Sequence[Command], done: Callable[[Sequence[Answer] | LedgerUnavailable], None]) -> None:
        """Apply the commands in order, as one batch; several batches may share one transaction. They are applied in
        the order of their calls, but a batch of nothing but settlements may let others pass, though not for ever."""

    def account(self, account: str) -> AccountView | None:
        """A player's account, or None."""

    def answer(self, account: str, id: str) -> Answer | None:  # noqa: A002 - the field's own word
        """What became of a caller's id, or None where it is not known."""

    def bet(self, bet: str) -> Bet | None:
        """A bet by our id."""

    def bets(self, account: str, *, open_only: bool, before: str | None, limit: int) -> Sequence[Bet]:
        """An account's bets, newest first, those placed before ``before`` (one of our bet ids; none before one that is
        not known)."""

    def bets_on(self, selections: Sequence[str], after: int, limit: int) -> Sequence[tuple[int, int]]:
        """(number of its account, number) of bets with a leg on one of the selections, each once, in the order in which
        they were placed: of those numbered above ``after`` the first, and those whose numbers are less than ``limit``
        higher. Numbers are the ledger's own. Empty: there are no more. A page costs as much as the bets it has, and a
        little for each selection, wherever it begins. A bet that commits later may have a lower number than one that
        was read."""

    def backed(self, fixture: str) -> Sequence[str]:
        """The selections of a fixture that any bet has a leg on."""

    def decisions(self, selections: Sequence[str]) -> dict[str, tuple[int, Outcome | None]]:
        """Version and outcome of those selections that are decided, or were (None)."""

    def windows(self, fixtures: Sequence[str]) -> dict[str, Sequence[Window]]:
        """The void windows of those fixtures that have any."""

    def guards(self, names: Sequence[str]) -> dict[str, int]:
        """The counters of those guards that were ever charged, in minor units. They move on at once: for what might be
        taken, not for what is."""

    def referral(self, account: str, id: str) -> Referral | None:  # noqa: A002 - the field's own word
        """A bet that waits for a trader, by its caller's id."""

    def referrals(self, due_ms: int, limit: int, after: tuple[int, str, str] = (0, "", "")) -> Sequence[Referral]:
        """Bets that wait for a trader until ``due_ms`` or earlier, the most urgent first, then by their callers' ids
        and accounts; those that come after (until when, id, account), which need not wait any more."""

    def offer(self, account: str, offer: str) -> Offer | None:
        """A trader's offer to an account that was not taken up, perhaps too late to be."""

    def free_bets(self, account: str) -> Sequence[FreeBet]:
        """An account's free bets that were not used, the most urgent first; perhaps some whose time is just over."""

    def free_bets_over(self, now_ms: int, limit: int) -> Sequence[tuple[str, str]]:
        """(account, free bet) of those that were not used and whose time is over."""

    def to_cash_out(self, after: str, limit: int) -> Sequence[Bet]:
        """Open bets that are to be cashed out from some offer on, in the order in which they were placed, those placed
        after ``after`` (one of our bet ids, or empty)."""

    def statement(self, account: str, before: int | None, limit: int) -> Sequence[Entry]:
        """Entries that touched an account, newest first, those numbered below ``before``."""

    def entries(self, after: int, limit: int) -> Sequence[Entry]:
        """All entries numbered above ``after``, in order."""

    def totals(self) -> dict[str, int]:
        """The sum over all accounts of each currency: zero, always."""

    def open_bets(self) -> int:
        """How many bets are open."""

    def facts(self, after: int, limit: int) -> Sequence[AccountFact]:
        """The outbox: facts numbered above ``after``, in order. Never shows a fact before one with a lower number."""

    def outbox(self, after: int, limit: int) -> Sequence[tuple[int, str, bytes]]:
        """The same as (number, account, the fact as it is to stand on the log)."""

    def listen(self, heard: Callable[[], None]) -> None:
        """Be called after commits that added facts (perhaps once for several)."""


class Cache(Protocol):
    """Fast, shared by all processes, and forgetful: whatever it was told may be gone at any moment, wholly or in part.

    So it holds nothing that cannot be had elsewhere, if slower: losing it costs speed, never correctness. It never
    fails: while it cannot be reached it is empty, at once, and what it is told is lost. Keys have 200 characters of
    ASCII without spaces at most, values 100,000 bytes; ``ValueError`` otherwise.
    """

    def get(self, keys: Sequence[str], done: Callable[[Sequence[bytes | None]], None]) -> None:
        """What it holds of each key, None where nothing."""

    def put(self, key: str, value: bytes, ttl_ms: int) -> None:
        """Hold a value for so long at most. Rounded up to seconds where it cannot do better."""

    def forget(self, keys: Sequence[str]) -> None:
        """Hold it no longer."""

    def count(self, counts: Sequence[tuple[str, int]], ttl_ms: int, done: Callable[[Sequence[int]], None]) -> None:
        """Add to counters, each of which lives so long from its first count; their sums over all processes. While it
        cannot be reached: what was to be added."""
