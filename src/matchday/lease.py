"""Lease: a room's hold on the world, which can end before its process does.

A room that owns a share of the work may lose it to another process. It is not asked to stop: what it was handed stops.
When its lease ends, its timers and tails are cancelled, what it says and commits goes nowhere, and nothing it asked for
is answered any more. What it had handed on is not taken back: rooms are made for being heard twice and for stopping at
any moment, and whoever takes over finds in log and ledger what stands there.
"""

import random
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, cast

from matchday.model.ledger import Answer, Command
from matchday.model.messages import Topic
from matchday.ports import Clock, Ledger, LedgerUnavailable, Log, LogUnavailable, Record, Stored, Timer


class Lease:
    """What one room was handed, until it ends."""

    def __init__(self, clock: Clock) -> None:
        self.closed = False
        """Nothing new may begin."""
        self.ended = False
        """Nothing is heard any more."""
        self.held: dict[Timer, None] = {}
        """Timers and tails that go on."""
        self.on_their_way = 0
        """Appends and commits that have not been answered."""
        self.trouble = ""
        """Why the last of them was not taken; empty where it was."""
        self.clock: Clock = _Clock(self, clock)

    def log(self, log: Log) -> Log:
        """A log for as long as the lease lasts."""
        return _Log(self, log)

    def ledger(self, ledger: Ledger) -> Ledger:
        """A ledger for as long as the lease lasts."""
        return cast(Ledger, _Ledger(self, ledger))

    def close(self) -> None:
        """Let nothing new begin: what is on its way is still answered, and positions move on by it."""
        self.closed = True
        for timer in tuple(self.held):
            timer.cancel()

    def end(self) -> None:
        """The room is alone in the world from now on. Harmless when repeated."""
        self.ended = True
        self.close()

    def answered(self, done: Callable[[Any], None], outcome: object) -> None:
        """Something that was handed on came back."""
        self.on_their_way -= 1
        self.trouble = str(outcome) if isinstance(outcome, LogUnavailable | LedgerUnavailable) else ""
        if not self.ended:
            done(outcome)


class _Held:
    """A timer or a tail, held until it is over or cancelled."""

    inner: Timer

    def __init__(self, lease: Lease, call: Callable[[], None] = lambda: None) -> None:
        self._lease, self._call = lease, call
        lease.held[self] = None

    def over(self) -> None:
        """It was due."""
        self._lease.held.pop(self, None)
        self._call()

    def cancel(self) -> None:
        """See ``Timer.cancel``."""
        self._lease.held.pop(self, None)
        self.inner.cancel()


class _Clock:
    def __init__(self, lease: Lease, clock: Clock) -> None:
        self._lease, self._clock = lease, clock

    def now_ms(self) -> int:
        return self._clock.now_ms()

    def elapsed_ms(self) -> int:
        return self._clock.elapsed_ms()

    def new_id(self) -> str:
        return self._clock.new_id()

    def random(self, name: str) -> random.Random:
        return self._clock.random(name)

    def call_later(self, delay_ms: int, call: Callable[[], None]) -> Timer:
        if self._lease.closed:
            return _Never()
        held = _Held(self._lease, call)
        held.inner = self._clock.call_later(delay_ms, held.over)
        return held


class _Never:
    """What never comes."""

    def cancel(self) -> None:
        """Nothing to cancel."""


class _Log:
    def __init__(self, lease: Lease, log: Log) -> None:
        self._lease, self._log = lease, log
        self.epoch, self.partitions, self.read, self.latest = log.epoch, log.partitions, log.read, log.latest
        self.end, self.oldest, self.position = log.end, log.oldest, log.position

    def partition_view(self, partition: int) -> Log:
        return _Log(self._lease, self._log.partition_view(partition))

    def append(
        self, records: Sequence[Record], done: Callable[[Sequence[int] | LogUnavailable], None] | None = None
    ) -> None:
        if self._lease.closed:
            return
        if done is None:
            self._log.append(records)
            return
        self._lease.on_their_way += 1
        self._log.append(records, partial(self._lease.answered, done))

    def tail(self, topic: Topic, after: int | None, hear: Callable[[Sequence[Stored]], None]) -> Timer:
        if self._lease.closed:
            return _Never()
        held = _Held(self._lease)
        held.inner = self._log.tail(topic, after, hear)
        return held

    def advance(self, group: str, topic: Topic, offset: int) -> None:
        if not self._lease.ended:
            self._log.advance(group, topic, offset)


class _Ledger:
    """Reads are the ledger's own."""

    def __init__(self, lease: Lease, ledger: Ledger) -> None:
        self._lease, self._ledger = lease, ledger

    def __getattr__(self, name: str) -> object:
        return getattr(self._ledger, name)

    def commit(self, commands: Sequence[Command], done: Callable[[Sequence[Answer] | LedgerUnavailable], None]) -> None:
        if self._lease.closed:
            return
        self._lease.on_their_way += 1
        self._ledger.commit(commands, partial(self._lease.answered, done))

    def listen(self, heard: Callable[[], None]) -> None:
        def hear() -> None:
            if not self._lease.closed:
                heard()

        self._ledger.listen(hear)
