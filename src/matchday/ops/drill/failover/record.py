"""The drill's own record: what was offered to the platform and what it answered, on disk before it is relied upon.

A file of lines of JSON: an offer is there before it is sent, an answer before it is counted. Whoever doubts a row of
the report can ask the ledger himself, bet by bet. One write and one fsync for all lines that wait.
"""

import asyncio
import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

ACCEPTED: Final = "accepted"
TURNED_AWAY: Final = frozenset(
    {"busy", "unavailable", "overloaded", "crowded", "full", "draining", "too_many_requests"}
)
"""Answers that record nothing: the platform could not take a bet now. Any other that is no acceptance is a rule's."""


class Offered(msgspec.Struct, frozen=True, tag="offered", tag_field="what"):
    """A bet that is about to be sent."""

    id: str
    account: str
    due_s: float
    """When it had to be sent, in seconds of the drill's clock."""


class Answered(msgspec.Struct, frozen=True, tag="answered", tag_field="what"):
    """What became of it."""

    id: str
    at_s: float
    outcome: str
    """``accepted``, or the reason of a refusal."""
    bet: str = ""
    """Its name in the ledger, where it was accepted."""


Line = Offered | Answered


class Offer(msgspec.Struct):
    """A bet of the drill, as far as is known."""

    offered: Offered
    body: bytes = b""
    tries: int = 0
    """How often it was sent."""
    waits: bool = False
    """Whether the platform said ``pending``: it has the bet, and will answer."""
    answered: Answered | None = None

    @property
    def accepted(self) -> bool:
        """Whether the platform said so."""
        return self.answered is not None and self.answered.outcome == ACCEPTED

    @property
    def turned_away(self) -> bool:
        """Whether it was answered that it could not be taken now."""
        return self.answered is not None and self.answered.outcome in TURNED_AWAY


class Record:
    """Use it as a context; ``durable`` waits for the disk."""

    def __init__(self, file: Path) -> None:
        self._path = file
        self._waiting: list[Line] = []
        self._disk = asyncio.Lock()

    def __enter__(self) -> Self:
        self._file = self._path.open("ab")
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self._write(self._waiting)
        self._file.close()

    def add(self, line: Line) -> None:
        """It is written with the next ones."""
        self._waiting.append(line)

    async def durable(self) -> None:
        """Until all that was added is on the disk."""
        async with self._disk:
            lines, self._waiting = self._waiting, []
            if lines:
                await asyncio.to_thread(self._write, lines)

    def _write(self, lines: Iterable[Line]) -> None:
        self._file.write(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
        self._file.flush()
        os.fsync(self._file.fileno())


def read(file: Path) -> dict[str, Offer]:
    """What a record says, by id. A bet that was answered twice differently keeps its first answer: what a fan was told
    holds."""
    offers: dict[str, Offer] = {}
    decode = msgspec.json.Decoder(Line).decode
    for text in file.read_bytes().splitlines():
        line = decode(text)
        if isinstance(line, Offered):
            offers[line.id] = Offer(line)
        elif offers[line.id].answered is None:
            offers[line.id].answered = line
    return offers
