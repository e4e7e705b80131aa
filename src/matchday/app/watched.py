"""Watched: what a room does to its log and its ledger, counted between the two.

A room is handed a log and a ledger that count and pass everything on, so that all rooms are measured alike and none of
them knows of it: how long appends and commits take, how much goes together, and how late a room hears what was said.
All counting is per call or batch on the room's own thread.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final, cast

from matchday.counts import ANSWER_MS, LAG_MS, SIZES, Histogram
from matchday.model.ledger import Answer, Command, SettleBets
from matchday.model.messages import Topic
from matchday.ports import Clock, Ledger, LedgerUnavailable, Log, LogUnavailable, Record, Stored, Timer

SAYS: Final[Mapping[str, Sequence[Topic]]] = {
    "gate": (Topic.INCIDENTS, Topic.TAPS, Topic.DEAD_LETTERS),
    "feed": (Topic.INCIDENTS, Topic.FIXTURES, Topic.DEAD_LETTERS),
    "odds": (Topic.BOOKS, Topic.BOOK_STATES, Topic.INCIDENTS, Topic.DEAD_LETTERS),
    "settlement": (Topic.DECISIONS, Topic.DEAD_LETTERS),
    "relay": (Topic.ACCOUNTS, Topic.DEAD_LETTERS),
}
"""Room -> what it appends to."""
HEARS: Final[Mapping[str, Sequence[Topic]]] = {
    "gate": (Topic.BOOKS, Topic.ACCOUNTS),
    "feed": (),
    "odds": (Topic.INCIDENTS,),
    "settlement": (Topic.INCIDENTS, Topic.DECISIONS, Topic.ACCOUNTS),
    "relay": (),
}
"""Room -> what it tails."""
COMMITS: Final = ("gate", "settlement")
"""Rooms that hand commands to the ledger."""


class Watch:
    """What one room of this process, whatever shares it holds, does at its ports."""

    def __init__(self, clock: Clock, room: str) -> None:
        self.room = room
        self._clock = clock
        self.append_ms, self.commit_ms = Histogram(LAG_MS), Histogram(ANSWER_MS)
        self.commands = Histogram(SIZES)
        """Of one commit; each bet to be settled is one."""
        self.appends_refused = self.commits_refused = 0
        self.said = dict.fromkeys(SAYS[room], 0)
        """Records handed to the log, by topic."""
        self.heard = dict.fromkeys(HEARS[room], 0)
        self.lag_ms = {topic: Histogram(LAG_MS) for topic in HEARS[room]}
        """From the append of a batch's first record until the room hears it."""
        self.heard_ms = dict.fromkeys(HEARS[room], 0)
        """When it last heard something, in milliseconds since 1970; 0: never."""

    def log(self, log: Log) -> Log:
        """The same log, watched."""
        return _Log(self, log)

    def ledger(self, ledger: Ledger) -> Ledger:
        """The same ledger, watched."""
        return cast(Ledger, _Ledger(self, ledger))

    def elapsed_ms(self) -> int:
        """By which durations are measured."""
        return self._clock.elapsed_ms()

    def saying(self, records: Sequence[Record]) -> None:
        """Records are on their way to the log."""
        for record in records:
            self.said[record.topic] = self.said.get(record.topic, 0) + 1

    def appended(
        self, since_ms: int, done: Callable[[Sequence[int] | LogUnavailable], None],
        outcome: Sequence[int] | LogUnavailable,
    ) -> None:  # fmt: skip
        """The log has answered."""
        self.append_ms.take(self._clock.elapsed_ms() - since_ms)
        self.appends_refused += isinstance(outcome, LogUnavailable)
        done(outcome)

    def hears(self, topic: Topic, hear: Callable[[Sequence[Stored]], None], records: Sequence[Stored]) -> None:
        """Something has come."""
        now = self._clock.now_ms()
        lag = self.lag_ms.get(topic)
        if lag is not None and records:
            lag.take(now - records[0].at_ms)
            self.heard[topic] += len(records)
            self.heard_ms[topic] = now
        hear(records)

    def committed(
        self, since_ms: int, done: Callable[[Sequence[Answer] | LedgerUnavailable], None],
        outcome: Sequence[Answer] | LedgerUnavailable,
    ) -> None:  # fmt: skip
        """The ledger has answered."""
        self.commit_ms.take(self._clock.elapsed_ms() - since_ms)
        self.commits_refused += isinstance(outcome, LedgerUnavailable)
        done(outcome)


class _Log:
    def __init__(self, watch: Watch, log: Log) -> None:
        self._watch, self._log = watch, log
        self.epoch, self.partitions, self.read, self.latest = log.epoch, log.partitions, log.read, log.latest
        self.end, self.oldest, self.position, self.advance = log.end, log.oldest, log.position, log.advance

    def partition_view(self, partition: int) -> Log:
        return _Log(self._watch, self._log.partition_view(partition))

    def append(
        self, records: Sequence[Record], done: Callable[[Sequence[int] | LogUnavailable], None] | None = None
    ) -> None:
        self._watch.saying(records)
        if done is None:
            self._log.append(records)
        else:
            self._log.append(records, partial(self._watch.appended, self._watch.elapsed_ms(), done))

    def tail(self, topic: Topic, after: int | None, hear: Callable[[Sequence[Stored]], None]) -> Timer:
        return self._log.tail(topic, after, partial(self._watch.hears, topic, hear))


class _Ledger:
    """Reads are the ledger's own."""

    def __init__(self, watch: Watch, ledger: Ledger) -> None:
        self._watch, self._ledger = watch, ledger

    def __getattr__(self, name: str) -> object:
        return getattr(self._ledger, name)

    def commit(self, commands: Sequence[Command], done: Callable[[Sequence[Answer] | LedgerUnavailable], None]) -> None:
        watch = self._watch
        watch.commands.take(sum(len(c.numbers) if isinstance(c, SettleBets) else 1 for c in commands))
        self._ledger.commit(commands, partial(watch.committed, watch.elapsed_ms(), done))
