"""Words of a command that cannot be: they are refused before anything is begun, with exit status 2."""

from pathlib import Path


class WordsError(Exception):
    """Wrong words: names the option, what is wrong and what to say instead."""


def tried(option: str, file: Path) -> None:
    """See that a file can be written, before the work of which it is to tell, and leave all as it was: a folder of its
    that is missing is an error, too. WordsError where it cannot be written."""
    try:
        new = not file.exists()
        file.open("ab").close()
        if new:
            file.unlink()
    except OSError as error:
        raise WordsError(f"{option} {file}: {error.strerror}; name a file that can be written") from error
