"""Dead letters: what rooms could not read or take, for people, and the way to have it said again."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec

from matchday.app.errors import StartError
from matchday.model.messages import DeadLetter, LetterRetried, Topic, decode, encode
from matchday.ports import Clock, Log, LogUnavailable, Record

_PAGE: Final = 1_000


class Letter(msgspec.Struct, frozen=True):
    """A record that was put aside, by one room or by several."""

    letter: int
    """Its number: the offset of the first word on it in ``dead_letters``."""
    rooms: tuple[str, ...]
    topic: str
    partition: int
    offset: int
    key: str
    reason: str
    at_ms: int
    retried: bool = False
    bytes: int = 0
    """Of the record, as far as it is kept with its letter."""


def letters(log: Log) -> list[Letter]:
    """All letters that the log still has, the oldest first."""
    found: dict[tuple[str, int, int], Letter] = {}
    of: dict[int, tuple[str, int, int]] = {}
    for offset, message in _words(log):
        if isinstance(message, LetterRetried):
            if (record := of.get(message.letter)) is not None:
                found[record] = msgspec.structs.replace(found[record], retried=True)
            continue
        record = of[offset] = (message.topic, message.partition, message.offset)
        if (known := found.get(record)) is None:
            found[record] = Letter(
                offset, (message.room,), *record, message.key, message.reason, message.at_ms, bytes=len(message.value)
            )
        elif message.room not in known.rooms:
            found[record] = msgspec.structs.replace(known, rooms=(*known.rooms, message.room))
    return list(found.values())


def _words(log: Log) -> Iterator[tuple[int, DeadLetter | LetterRetried]]:
    after = -1
    while page := log.read(Topic.DEAD_LETTERS, after, _PAGE):
        for stored in page:
            message = decode(stored.value)
            if isinstance(message, DeadLetter | LetterRetried):
                yield stored.offset, message
        after = page[-1].offset


def retry(log: Log, clock: Clock, chosen: Sequence[Letter], done: Callable[[LogUnavailable | None], None]) -> None:
    """Have records said again, each at the end of its partition: rooms drop what newer words have overtaken. StartError
    names one that cannot be."""
    said: list[Record] = []
    for letter in chosen:
        topic, value = Topic(letter.topic), _value(log, letter)
        try:
            decode(value)
        except msgspec.MsgspecError as error:
            raise StartError(
                f"letter {letter.letter} cannot be read by this release either ({error}); retry it with one that can"
            ) from error
        said.append(Record(topic, letter.key, value, letter.partition))
    marks = [Record(Topic.DEAD_LETTERS, "", encode(LetterRetried(one.letter, clock.now_ms()))) for one in chosen]

    def appended(outcome: Sequence[int] | LogUnavailable) -> None:
        done(outcome if isinstance(outcome, LogUnavailable) else None)

    log.append([*said, *marks], appended)


def _value(log: Log, letter: Letter) -> bytes:
    for offset, message in _words(log):
        if offset == letter.letter and isinstance(message, DeadLetter) and message.value:
            return message.value
    for stored in log.partition_view(letter.partition).read(Topic(letter.topic), letter.offset - 1, 1):
        if stored.offset == letter.offset:
            return stored.value
    raise StartError(
        f"letter {letter.letter}: {letter.topic} {letter.partition}/{letter.offset} is not kept any more, and was too "
        "long to be kept with the letter: it cannot be said again"
    )
