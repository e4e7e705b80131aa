"""Watchers: real clients, and an audit of what they are told.

Owns what each has heard and when. On a connection that is read no change may be missing; after a lost one a client goes
on from where it was, or is told that it cannot. Whatever a client holds in the end is what a newcomer gets.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from matchday.client import Client, GivenUp
from matchday.ports import Clock

HOME: Final = "home"
ACCOUNT: Final = "account"
ERRORS_MAX: Final = 20
"""Of one watcher that are kept."""
Json = dict[str, Any]


class Flow:
    """Something that comes again and again, and the longest time that it did not."""

    def __init__(self, now_s: float) -> None:
        self.last_s = now_s
        self._longest_s, self._since_s = 0.0, now_s

    def mark(self, now_s: float) -> None:
        """Measure anew from now on: a silence that lasts counts from now."""
        self._longest_s, self._since_s = 0.0, now_s

    def came(self, now_s: float) -> None:
        """It came."""
        self._longest_s = self.longest_s(now_s)
        self.last_s = now_s

    def longest_s(self, now_s: float) -> float:
        """Seconds, the silence that lasts now included."""
        return max(self._longest_s, now_s - max(self.last_s, self._since_s))


class Heard(NamedTuple):
    """What a fan was told of its account, as of some moment."""

    name: str
    since: int
    """Up to which fact its last snapshot went."""
    until: int
    """Up to which it has heard everything, by what it is told."""
    facts: frozenset[int]
    """That it was told of between, by their places in the ledger's outbox."""


class Watcher:
    """One client, audited."""

    def __init__(
        self, name: str, urls: Sequence[str], clock: Clock, *, token: str = "",
        heard: Callable[[Json], None] | None = None,
    ) -> None:  # fmt: skip
        self.name, self._clock = name, clock
        self._told = heard
        self.client = Client(urls, clock.random(name), self._hear, token=token)
        self._changes = Flow(self._now_s())
        """Of the home screen."""
        self.changed_ms = 0
        """When the newest of them was said."""
        self.errors: list[str] = []
        self.late_ms = 0
        """By how much a fact of the account came late, at most, since the last mark."""
        self.newest_ms = 0
        """When the newest fact of the account was recorded."""
        self._since, self._facts = 0, set[tuple[int, str]]()
        """Places in the outbox; of bets that were settled together, which of them."""
        self._gaps = 0
        self._task: asyncio.Task[None] | None = None

    def start(self, *channels: str) -> None:
        """Follow them."""
        for channel in channels:
            self.client.follow(channel)
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Go."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        try:
            await self.client.run()
        except GivenUp as gave_up:
            self._wrong(f"gave up: {gave_up}")

    def mark(self) -> None:
        """Measure anew."""
        self._changes.mark(self._now_s())
        self.late_ms = 0

    def gap_s(self) -> float:
        """The longest time without a change of the home screen, or until a fact of the account was heard."""
        return max(self.late_ms / 1_000, self._changes.longest_s(self._now_s()))

    def heard(self) -> Heard:
        """Of the account, so far."""
        return Heard(self.name, self._since, self.client.held[ACCOUNT].offset, frozenset(seq for seq, _ in self._facts))

    def _now_s(self) -> float:
        return self._clock.elapsed_ms() / 1_000

    # --- what it is told ----------------------------------------------------------------------------------------------

    def _hear(self, frame: Json) -> None:
        kind, channel = frame["t"], frame.get("channel", "")
        if self.client.gaps != self._gaps:
            self._wrong(f"{self.client.gaps - self._gaps} changes were missing on a connection that was read")
            self._gaps = self.client.gaps
        if kind == "resumed":
            self._resumed(frame)
        elif kind == "snapshot" and channel == ACCOUNT:
            self._since, self._facts = frame["to"], set()
        elif kind in ("snapshot", "delta") and channel == HOME:
            self._home(frame)
        elif kind == "delta" and channel == ACCOUNT:
            self._learn(frame["data"]["facts"])
        if self._told is not None:
            self._told(frame)

    def _resumed(self, frame: Json) -> None:
        held = self.client.held.get(frame["channel"])
        if held is None or (held.epoch, held.offset) != (frame["epoch"], frame["to"]):
            at = held and (held.epoch, held.offset)
            self._wrong(f"{frame['channel']} was resumed at {frame['epoch']}, {frame['to']} and is held at {at}")

    def _home(self, frame: Json) -> None:
        self._changes.came(self._now_s())
        if frame["t"] == "delta":  # a snapshot says what a gate holds, however old
            self.changed_ms = max(self.changed_ms, frame["at"])

    def _learn(self, facts: Sequence[Json]) -> None:
        now_ms = self._clock.now_ms()
        for fact in facts:
            heard = fact["seq"], fact["bet"] if fact.get("kind") == "bet_settled" else ""
            if heard in self._facts:
                self._wrong(f"fact {fact['seq']} was heard twice")
            self._facts.add(heard)
            self.late_ms = max(self.late_ms, now_ms - fact["at_ms"])
            if fact["at_ms"] <= now_ms:  # a gate's clock may be ahead
                self.newest_ms = max(self.newest_ms, fact["at_ms"])

    def _wrong(self, what: str) -> None:
        if len(self.errors) < ERRORS_MAX:
            self.errors.append(f"{self.name}: {what}")


def missed(heard: Heard, recorded: Sequence[int]) -> list[str]:
    """What a fan should have heard of its account and did not, or heard and is not there: ``recorded`` are the facts of
    the ledger, read after the fan was asked."""
    due = {seq for seq in recorded if heard.since < seq <= heard.until}
    return [
        *(f"{heard.name}: fact {seq} was never heard" for seq in sorted(due - heard.facts)),
        *(f"{heard.name}: fact {seq} is not the ledger's" for seq in sorted(heard.facts - set(recorded))),
    ]


def differing(watchers: Sequence[Watcher], newcomer: Watcher) -> tuple[int, list[str]]:
    """(how many could be compared, those that hold something else at the same offset than who has just come)."""
    own = newcomer.client.held[HOME]
    compared, found = 0, []
    for watcher in watchers:
        held = watcher.client.held.get(HOME)
        if held is not None and held.whole and (held.epoch, held.offset) == (own.epoch, own.offset):
            compared += 1
            if held.rows != own.rows:
                how = difference(held.rows, own.rows)
                found.append(f"{watcher.name}: holds something else than a newcomer at {own.offset} of {HOME}: {how}")
    return compared, found


def difference(held: Mapping[str, Json], newcomers: Mapping[str, Json]) -> str:
    """How rows of the home screen differ, by their fixtures: what only one of two has, and the first that differs."""
    only, lacks = sorted(held.keys() - newcomers.keys()), sorted(newcomers.keys() - held.keys())
    other = sorted(fixture for fixture in held.keys() & newcomers.keys() if held[fixture] != newcomers[fixture])
    said = [f"it has {', '.join(only)}"] if only else []
    said += [f"it lacks {', '.join(lacks)}"] if lacks else []
    said += [f"of {len(other)} other rows: {held[other[0]]}, not {newcomers[other[0]]}"] if other else []
    return "; ".join(said)
