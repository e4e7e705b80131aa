"""The ops port: what whoever runs this process asks it. Not for the public.

``/healthz``: it lives. ``/readyz``: whether to send it work, or why not (503). A ledger that cannot be read is no
reason: if all gates were left out for it, fans would lose their screens with their bets, and none would answer them
that their bets are pending; it is said beside (``waits_for``). ``/metrics``: figures in Prometheus' text format
(exposition format 0.0.4). One request a connection, and few connections: a scheduler, a balancer and a collector ask,
now and then.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

HEAD_BYTES_MAX: Final = 8_192
"""Bytes of a request's line and headers; more are closed."""
HEAD_S_MAX: Final = 5.0
"""Seconds in which they must have arrived."""
CONNECTIONS_MAX: Final = 32
"""Connections at a time; more are closed."""
_REASONS: Final = {200: "OK", 404: "Not Found", 405: "Method Not Allowed", 503: "Service Unavailable"}


class Sample(NamedTuple):
    """One figure."""

    name: str
    kind: str
    """``gauge`` or ``counter``."""
    help: str
    value: float
    labels: Mapping[str, str] = {}


class Health(msgspec.Struct, frozen=True):
    """It lives."""

    status: str
    rooms: Sequence[str]


class Readiness(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whether to send it work."""

    ready: bool
    reasons: Sequence[str]
    """Why not: what is the matter with this process, so that another does better."""
    waits_for: list[str] = []
    """What all of them share and cannot be had now, so that no other does better: part of the work waits for it."""


class OpsPort:
    """Answers what is asked of one process."""

    def __init__(
        self,
        rooms: Sequence[str],
        reasons: Callable[[], Sequence[str]],
        samples: Callable[[], Iterable[Sample]],
        waits_for: Callable[[], list[str]] = list,
    ) -> None:
        self._rooms, self._reasons, self._waits_for, self._samples = rooms, reasons, waits_for, samples
        self._connections = 0

    async def open(self, host: str, port: int) -> asyncio.Server:
        """Listen. OSError where that is not possible."""
        return await asyncio.start_server(self._serve, host, port, limit=HEAD_BYTES_MAX)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        try:
            if self._connections <= CONNECTIONS_MAX:
                async with asyncio.timeout(HEAD_S_MAX):
                    head = await reader.readuntil(b"\r\n\r\n")
                writer.write(self.answer(head))
                await writer.drain()
        except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            pass  # whoever asked is gone, or asks too much
        finally:
            self._connections -= 1
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    def answer(self, head: bytes) -> bytes:
        """A whole answer to a request's head."""
        method, path = (*head.split(b"\r\n", 1)[0].split(b" "), b"", b"")[:2]
        if method not in (b"GET", b"HEAD"):
            return _response(405, "text/plain", b"GET can be done here\n")
        match path.partition(b"?")[0]:
            case b"/healthz":
                status, kind, body = 200, "application/json", msgspec.json.encode(Health("ok", self._rooms))
            case b"/readyz":
                reasons = self._reasons()
                status, kind = (503 if reasons else 200), "application/json"
                body = msgspec.json.encode(Readiness(not reasons, reasons, self._waits_for()))
            case b"/metrics":
                status, kind, body = 200, "text/plain; version=0.0.4; charset=utf-8", exposition(self._samples())
            case _:
                status, kind, body = 404, "text/plain", b"/healthz, /readyz and /metrics are here\n"
        return _response(status, kind, body, with_body=method == b"GET")


def _response(status: int, kind: str, body: bytes, *, with_body: bool = True) -> bytes:
    head = (
        f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        "Cache-Control: no-store\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + (body if with_body else b"")


def exposition(samples: Iterable[Sample]) -> bytes:
    """Figures as text; those of one name stand together."""
    by_name: dict[str, list[Sample]] = {}
    for sample in samples:
        by_name.setdefault(sample.name, []).append(sample)
    lines = []
    for name, of_name in by_name.items():
        lines += [f"# HELP {name} {of_name[0].help}", f"# TYPE {name} {of_name[0].kind}"]
        lines += [f"{name}{_labels(sample.labels)} {_number(sample.value)}" for sample in of_name]
    return ("\n".join(lines) + "\n").encode()


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
