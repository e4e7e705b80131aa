"""The fast HTTP class: the guard of the HTTP door, but for a whole plain ``POST /api/bets``, answered without a task.

It takes a request that has arrived whole, names its length once and wants nothing special. Everything else, and
everything while uvicorn is at work on this connection, is the guard's and uvicorn's: half requests, chunked ones, two
lengths, upgrades, ``Connection: close``, other routes. Answers are, byte for byte, those of the route in ``http.py``.

One bet of a connection is answered at a time: what is pipelined behind it waits, unread. Owns a connection's bytes.
"""

import asyncio
import re
from collections.abc import Iterable
from typing import Any, Final, NamedTuple, cast

import msgspec
from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from matchday.edge.api import BetBody
from matchday.edge.guard import Guard
from matchday.edge.http import ANSWER_HEADERS
from matchday.edge.parse import JSON, decode_body, media_type
from matchday.edge.placing import ACCEPTED, Outcome, Placing, status_of
from matchday.edge.problems import Problem
from matchday.edge.sign_in import Identities, signed_in
from matchday.model.role import Role

HEAD_BYTES_MAX: Final = 8_192
"""Bytes of a request's head that are looked through here; a longer one is uvicorn's."""
_BEGIN: Final = b"POST /api/bets HTTP/1.1\r\n"
_END: Final = b"\r\n\r\n"
_HEADERS: Final = re.compile(rb"(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e]*\r\n)*")
"""Header lines as RFC 9110 §5 has them, in ASCII; others are uvicorn's to judge."""
_SPECIAL: Final = frozenset({b"transfer-encoding", b"expect", b"upgrade", b"te", b"trailer"})
_ONCE: Final = frozenset({b"content-length", b"authorization", b"content-type", b"connection", b"host"})
_LENGTH: Final = re.compile(rb"[0-9]{1,9}")


class Head(NamedTuple):
    """What a plain request says before its body."""

    length: int
    """Bytes of the body."""
    authorization: str
    content_type: str


def make_fast_http(placing: Placing, accounts: Identities, guard: type[Guard]) -> type[asyncio.Protocol]:
    """The class that ``uvicorn.Config(http=…)`` takes, bound to where bets are placed, on top of a guard."""

    class FastHttp(_FastHttp, guard):  # type: ignore[misc, valid-type] # a class that was made
        _placing = placing
        _accounts = accounts

    return FastHttp


def read_head(head: bytes) -> Head | None:
    """What the header lines (each with its end) of a plain request say; None where it is not plain."""
    if _HEADERS.fullmatch(head) is None:
        return None
    found: dict[bytes, bytes] = {}
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        name = name.lower()
        if name in _SPECIAL or (name in found and name in _ONCE):
            return None
        found[name] = value.strip(b" \t")
    length = found.get(b"content-length", b"")
    if _LENGTH.fullmatch(length) is None or found.get(b"connection", b"keep-alive").lower() != b"keep-alive":
        return None
    kind = found.get(b"content-type", JSON.encode())
    return Head(int(length), found.get(b"authorization", b"").decode(), kind.decode())


class _FastHttp(Guard):
    """One connection."""

    _placing: Placing
    _accounts: Identities

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._theirs = False
        """Whether uvicorn has had the beginning of a request, and not its end."""
        self._asked = 0
        """The number of the bet that is being answered; 0 for none."""
        self._number = 0
        """Of the last bet."""
        self._behind = b""
        """What came behind the bet that is being answered."""
        self._closing = False
        self._used_s = 0.0
        """When the last bet was answered, by the loop's clock."""
        self._read: tuple[bytes, Head | None] = b"", None
        """The last head and what it says: a client's are all alike."""

    # --- asyncio's side -----------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """See ``asyncio.Protocol``."""
        while data:
            if self._asked or self._behind:
                self._behind += data
                self.flow.pause_reading()
                return
            taken = self._take(data)
            if not taken:
                super().data_received(data)
                return
            data = data[taken:]

    def connection_lost(self, exc: Exception | None) -> None:
        """See ``asyncio.Protocol``."""
        self._asked, self._behind = 0, b""
        super().connection_lost(exc)

    # --- uvicorn's side -----------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """See ``HttpToolsProtocol``."""
        self._theirs = True
        super().on_message_begin()

    def on_message_complete(self) -> None:
        """See ``HttpToolsProtocol``."""
        self._theirs = False
        super().on_message_complete()

    def shutdown(self) -> None:
        """Uvicorn stops: a bet that is being answered is answered, and the connection closed with that."""
        if self._asked:
            self._closing = True
        else:
            super().shutdown()

    def timeout_keep_alive_handler(self) -> None:
        """The connection was idle, unless bets were placed on it meanwhile: they do not move the timer each."""
        self.timeout_keep_alive_task = None
        left_s = self._used_s + self.timeout_keep_alive - self.loop.time()
        if self._asked or left_s > 0:
            self._keep_alive(self.timeout_keep_alive if self._asked else left_s)
        else:
            super().timeout_keep_alive_handler()

    def _keep_alive(self, after_s: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(after_s, self.timeout_keep_alive_handler)

    # --- a bet --------------------------------------------------------------------------------------------------------

    def _take(self, data: bytes) -> int:
        """Place the bet with which the data begins; how many bytes it was, 0 where it is uvicorn's."""
        if not data.startswith(_BEGIN) or self._theirs or self.flow.write_paused or self.transport.is_closing():
            return 0
        if self._deaf:
            return 0
        cycle: RequestResponseCycle | None = self.cycle  # uvicorn says that it is always there
        if self.pipeline or (cycle is not None and not cycle.response_complete):
            return 0
        end = data.find(_END, len(_BEGIN) - 2, HEAD_BYTES_MAX)
        if end < 0:
            return 0
        lines = data[len(_BEGIN) : end + 2]
        if lines != self._read[0]:
            self._read = lines, read_head(lines)
        head, begin = self._read[1], end + len(_END)
        if head is None or head.length > self._settings.body_bytes_max or len(data) < begin + head.length:
            return 0
        if media_type(head.content_type) != JSON:
            return 0
        self._took_whole()
        self._number += 1
        self._asked = self._number
        self._place(head, data[begin : begin + head.length])
        return begin + head.length

    def _place(self, head: Head, body: bytes) -> None:
        number = self._asked

        def told(outcome: Outcome) -> None:
            if self._asked == number:
                self._answer(outcome)

        try:
            account = signed_in(head.authorization, Role.FAN, self._accounts, self._placing)
            bet = decode_body(body, BetBody)
        except Problem as problem:
            told(problem)
            return
        self._placing.place(account, bet, told)

    def _answer(self, outcome: Outcome) -> None:
        """Send it, and go on with what came behind."""
        self._asked = 0
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.transport.write(_bytes_of(outcome, self.server_state.default_headers, close=self._closing))
        if self._closing:
            self.transport.close()
            return
        self._used_s = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._keep_alive(self.timeout_keep_alive)
        if self._behind:
            self.loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        """Read on, after what was behind the last bet."""
        behind, self._behind = self._behind, b""
        self.flow.resume_reading()
        if behind and not self.transport.is_closing():
            self.data_received(behind)


def _bytes_of(outcome: Outcome, defaults: Iterable[tuple[bytes, bytes]], *, close: bool) -> bytes:
    """The response, as uvicorn and Starlette would send it."""
    if isinstance(outcome, Problem):
        response = outcome.response()
        status, headers, body = response.status_code, _lines(response.raw_headers), cast("bytes", response.body)
    else:
        body, status = _encode(outcome), status_of(outcome)
        headers = b"%b%d%b" % (_BEFORE_LENGTH, len(body), _AFTER_LENGTH)
    closing = b"connection: close\r\n" if close and b"connection: close" not in headers else b""
    return b"".join((STATUS_LINE[status], _lines(defaults), headers, closing, b"\r\n", body))


def _lines(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    return b"".join([b"%b: %b\r\n" % header for header in headers])


_encode: Final = msgspec.json.Encoder().encode
_BEFORE_LENGTH, _AFTER_LENGTH = _lines(Response(b"", ACCEPTED, ANSWER_HEADERS, JSON).raw_headers).split(
    b"content-length: 0", 1
)
_BEFORE_LENGTH += b"content-length: "
