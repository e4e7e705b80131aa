"""One request over HTTP, and its answer whole or a reason why there is none."""

import http.client
import ssl
from typing import Final, NamedTuple
from urllib.parse import urlsplit

ANSWER_BYTES_MAX: Final = 32_000_000


class Failed(Exception):
    """No answer: why."""


class Answer(NamedTuple):
    """What came back."""

    status: int
    body: bytes
    date: str
    """Of the one who answered, as HTTP writes it; empty where it says none."""


def ask(
    address: str, method: str, path: str, *, body: bytes | None = None, headers: dict[str, str] | None = None,
    timeout_s: float, tls: ssl.SSLContext | None = None,
) -> Answer:  # fmt: skip
    """Ask once. Failed where nothing, or too much, comes back in time."""
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Failed(f"{address!r} is no address such as http://127.0.0.1:8000")
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        context = tls or ssl.create_default_context()
        connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=timeout_s, context=context)
    else:
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout_s)
    try:
        connection.request(method, parts.path.rstrip("/") + path, body, headers or {})
        response = connection.getresponse()
        found = response.read(ANSWER_BYTES_MAX + 1)
        if len(found) > ANSWER_BYTES_MAX:
            raise Failed(f"{address} answered more than {ANSWER_BYTES_MAX} bytes")
        return Answer(response.status, found, response.getheader("Date", ""))
    except (OSError, http.client.HTTPException) as error:
        raise Failed(f"{address}: {str(error) or type(error).__name__}") from error
    finally:
        connection.close()
