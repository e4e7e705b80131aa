"""The ops port: what whoever runs this process asks it. Not for the public.

``/healthz``: it lives. ``/readyz``: whether to send it work, or why not (503). A ledger that cannot be read is no
reason: if all gates were left out for it, fans would lose their screens with their bets, and none would answer them
that their bets are pending; it is said beside (``waits_for``). ``/metrics``: figures in Prometheus' text format
(exposition format 0.0.4). One request a connection, and few connections: a scheduler, a balancer and a collector ask,
now and then.
"""

import asyncio
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

HEAD_BYTES_MAX: Final = 8_192
"""Bytes of a request's line and headers; more are closed."""
HEAD_S_MAX: Final = 5.0
"""Seconds in which they must have arrived."""
ANSWER_S_MAX: Final = 5.0
"""Seconds in which an answer must have been taken, too."""
CONNECTIONS_MAX: Final = 32
"""Connections at a time; more are closed."""
_REASONS: Final = {200: "OK", 404: "Not Found", 405: "Method Not Allowed", 503: "Service Unavailable"}


class Distribution(NamedTuple):
    """How often a value lay where, in the figure's unit."""

    bounds: Sequence[float]
    """The highest value of each range, rising."""
    counts: Sequence[int]
    """Of each range, and of what is above them."""
    total: float
    """Of all values."""


class Sample(NamedTuple):
    """One figure."""

    name: str
    kind: str
    """``gauge``, ``counter`` or ``histogram``."""
    help: str
    value: float | Distribution
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
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
            pass  # whoever asked is gone, or asks too much, or too slowly (``TimeoutError``)
        finally:
            try:
                await _close(writer)
            finally:
                self._connections -= 1

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


async def _close(writer: asyncio.StreamWriter) -> None:
    """When what was written has been taken, or was not in time. A peer that vanishes is any ``OSError``."""
    writer.close()
    try:
        async with asyncio.timeout(ANSWER_S_MAX):
            await writer.wait_closed()
    except OSError:
        writer.transport.abort()


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
        for sample in of_name:
            lines += _lines(name, sample.labels, sample.value)
    return ("\n".join(lines) + "\n").encode()


def _lines(name: str, labels: Mapping[str, str], value: float | Distribution) -> list[str]:
    if not isinstance(value, Distribution):
        return [f"{name}{_labels(labels)} {_number(value)}"]
    lines, below = [], 0
    for bound, count in zip((*value.bounds, math.inf), value.counts, strict=True):
        below += count
        most = "+Inf" if bound == math.inf else _number(bound)
        lines.append(f"{name}_bucket{_labels({**labels, 'le': most})} {below}")
    lines.append(f"{name}_sum{_labels(labels)} {_number(value.total)}")
    lines.append(f"{name}_count{_labels(labels)} {below}")
    return lines


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
