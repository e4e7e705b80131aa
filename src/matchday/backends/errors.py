"""What goes wrong with a backend at start, said with its remedy."""

import contextlib
from collections.abc import Iterator


class BackendError(Exception):
    """A backend cannot be used: what is wrong and what to do about it."""


@contextlib.contextmanager
def client_of(engine: str, says: type[Exception] = BackendError, extra: str = "cluster") -> Iterator[None]:
    """Where a server's client is imported, which comes with an extra; what ``says`` where it is not installed."""
    try:
        yield
    except ImportError as error:
        raise says(f"the client of {engine} is not installed ({error}): pip install 'matchday[{extra}]'") from error
