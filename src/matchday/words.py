"""Words of a command that cannot be: they are refused before anything is begun, with exit status 2."""

from argparse import ArgumentTypeError, Namespace
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

_Number = TypeVar("_Number", int, float)


class WordsError(Exception):
    """Wrong words: names the option, what is wrong and what to say instead."""


def tried(option: str, file: Path) -> None:
    """See that a file can be written, before the work of which it is to tell, and leave all as it was: a folder of its
    that is missing is an error, too. WordsError where it cannot be written. A pipe is believed: whoever reads it would
    take the look for the end."""
    if file.is_fifo():
        return
    try:
        new = not file.exists()
        file.open("ab").close()
        if new:
            file.unlink()
    except OSError as error:
        raise WordsError(f"{option} {file}: {error.strerror}; name a file that can be written") from error


def within(options: Namespace, **bounds: tuple[float, float]) -> None:
    """See that options are within bounds, both included, where they are given. WordsError for the first that is not."""
    for name, (least, most) in bounds.items():
        value = getattr(options, name)
        if value is not None and not least <= value <= most:
            raise WordsError(f"--{name.replace('_', '-')} {value:.12g} is outside {least:.12g} to {most:.12g}")


def minute_of(option: str, date: str) -> int:
    """The first minute since 1970 of a day that an option names, in UTC. WordsError: it names none."""
    try:
        return int(datetime.strptime(date, "%Y-%m-%d").replace(tzinfo=UTC).timestamp()) // 60
    except ValueError as error:
        raise WordsError(f"{option} {date!r} is no date; write YYYY-MM-DD") from error


def count(least: int, most: int) -> Callable[[str], int]:
    """A whole number within bounds, as the type of an option."""
    return _within(int, "a whole number", least, most)


def seconds(most: int) -> Callable[[str], float]:
    """Seconds, none or more, as the type of an option."""
    return _within(float, "seconds", 0, most)


def _within(number_of: Callable[[str], _Number], what: str, least: int, most: int) -> Callable[[str], _Number]:
    def read(word: str) -> _Number:
        try:
            number = number_of(word)
        except ValueError as error:
            raise ArgumentTypeError(f"{word!r}: expected {what} from {least} to {most}") from error
        if not least <= number <= most:
            raise ArgumentTypeError(f"{word}: expected {what} from {least} to {most}")
        return number

    return read


def there(word: str) -> Path:
    """A file or folder that there is, as the type of an option."""
    path = Path(word)
    if not path.exists():
        raise ArgumentTypeError(f"{word}: there is no such file or folder; name one that there is, or leave it out")
    return path
