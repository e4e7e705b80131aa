"""Logs: how a process writes down what happens to it: lines for people, or JSON, one object a line, for programs.

A line has its moment, level, logger and room, and the ids of what it is about (``FIELDS``), which a caller that has
them hands in (``extra={"fixture": ...}``). It has nothing of a person: nobody hands in an account, a trader's name or
an address; nothing but ``FIELDS`` is written of what is handed in; and what looks like a token, a password or a
client's address is taken out of every line, should it ever get into one. Libraries' ``debug`` lines, which quote what
passes, are never written.

A line that comes again and again is written so many times a minute; then only how often it was left out.
"""

import contextlib
import logging
import re
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from ipaddress import ip_address
from types import TracebackType
from typing import Any, Final, TextIO

import msgspec

from matchday.config import Logs

FIELDS: Final = ("share", "fixture", "market", "bet", "request", "trace", "topic", "partition", "offset")
"""Ids that a line may have."""
KINDS_MAX: Final = 1_000
"""Kinds of lines whose repeats are counted; with more, all begin anew."""
Error = tuple[type[BaseException], BaseException, TracebackType | None]
_COMMAND: Final = "matchday.app.command"
_MINUTE_MS: Final = 60_000
_LEVELS: Final = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_OF_SERVERS: Final = ("matchday.backends", "matchday.app", "matchday.ops", "opentelemetry")
"""Who names our own servers' addresses, which whoever runs them must read."""
_SIGNED: Final = re.compile(r"[\w=-]{4,}(?:\.[\w-]{5,8})?\.[\w-]{27}(?![\w-])|(?<=ticket=)[^\s&\"']+")
"""What itsdangerous signs: tokens, tickets, quotes."""
_BEARER: Final = re.compile(r"(?i)\b(bearer)\s+(?!\[)\S+")
_NAMED: Final = re.compile(r"(?i)\b(password|passwd|secret)(\s*[=:]\s*)\S+")
_IN_URL: Final = re.compile(r"(?<=://)[^\s/@]+@")
_ADDRESS: Final = re.compile(
    r"(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}|(?:[0-9A-Fa-f]*:){2,}[0-9A-Fa-f.]*[0-9A-Fa-f])(?!\w)"
)


class _Kind(msgspec.Struct):
    """Lines of one origin and wording."""

    since_ms: int
    written: int = 0
    left_out: int = 0


class Lines(logging.Handler):
    """Writes lines, and counts them by level, those left out included."""

    def __init__(self, settings: Logs, elapsed_ms: Callable[[], int], stream: TextIO) -> None:
        super().__init__()
        self._most, self._elapsed_ms, self._stream = settings.repeats_per_minute_max, elapsed_ms, stream
        self.setFormatter(JsonLine() if settings.format == "json" else TextLine())
        self._kinds: dict[tuple[str, str], _Kind] = {}
        self.counts = {"info": 0, "warning": 0, "error": 0, "critical": 0}

    def emit(self, record: logging.LogRecord) -> None:
        """See ``logging.Handler``; under the handler's lock."""
        level = record.levelname.lower()
        self.counts[level] = self.counts.get(level, 0) + 1
        left_out = self._left_out(record)
        if left_out is not None:
            record.__dict__["left_out"] = left_out
            self._stream.write(f"{self.format(record)}\n")
            self._stream.flush()

    def _left_out(self, record: logging.LogRecord) -> int | None:
        """How many of its kind were left out before this one; None where it is to be left out, too."""
        key, now = (record.name, str(record.msg)), self._elapsed_ms()
        kind = self._kinds.get(key)
        if kind is None:
            if len(self._kinds) >= KINDS_MAX:
                self._kinds.clear()
            kind = self._kinds[key] = _Kind(now)
        elif now - kind.since_ms >= _MINUTE_MS:
            kind.since_ms, kind.written = now, 0
        if kind.written >= self._most:
            kind.left_out += 1
            return None
        kind.written += 1
        before, kind.left_out = kind.left_out, 0
        return before


class TextLine(logging.Formatter):
    """For people."""

    def __init__(self) -> None:
        super().__init__("%(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """See ``logging.Formatter``."""
        before: int = getattr(record, "left_out", 0)
        more = f" (and {before} more like this before)" if before else ""
        return redacted(super().format(record), record.name) + more


class JsonLine(logging.Formatter):
    """For programs: one object."""

    def format(self, record: logging.LogRecord) -> str:
        """See ``logging.Formatter``."""
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "room": getattr(record, "room", room_of(record.name)),
            "message": redacted(record.getMessage(), record.name),
        }
        for field in FIELDS:
            if (value := getattr(record, field, None)) is not None:
                line[field] = value if isinstance(value, int) else redacted(str(value), record.name)
        if record.exc_info:
            line["error"] = redacted(self.formatException(record.exc_info), record.name)
        if before := getattr(record, "left_out", 0):
            line["left_out_before"] = before
        return msgspec.json.encode(line).decode()


def room_of(logger: str) -> str:
    """The room that a logger belongs to; ``log``, ``ledger`` and ``cache`` of what is below, else ``process``."""
    parts = logger.split(".")
    if parts[:2] == ["matchday", "services"] and len(parts) > 2:
        return parts[2]
    if parts[:2] == ["matchday", "backends"] and len(parts) > 2:
        return parts[2].partition("_")[0]
    return "gate" if parts[:2] == ["matchday", "edge"] or parts[0] == "uvicorn" else "process"


def redacted(text: str, logger: str) -> str:
    """Without what signs somebody in, and without addresses, unless it is about our own servers."""
    text = _BEARER.sub(r"\1 [token]", _SIGNED.sub("[token]", text))
    text = _IN_URL.sub("[name]@", _NAMED.sub(r"\1\2[secret]", text))
    return text if logger.startswith(_OF_SERVERS) else _ADDRESS.sub(_address, text)


def _address(found: re.Match[str]) -> str:
    try:
        ip_address(found[0])
    except ValueError:
        return found[0]
    return "[address]"


def tell(level: int, message: str, error: Error | None = None) -> None:
    """What the command itself says, as a line for programs on standard error, whatever the level that is written."""
    record = logging.LogRecord(_COMMAND, level, "", 0, message, None, error)
    sys.stderr.write(f"{JsonLine().format(record)}\n")
    sys.stderr.flush()


def tell_crash(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """For ``sys.excepthook``: an error that nobody foresaw ends the process, and its trace is in one line."""
    tell(logging.CRITICAL, f"ended by {kind.__name__}", (kind, error, trace))


@contextlib.contextmanager
def written(settings: Logs, elapsed_ms: Callable[[], int], stream: TextIO) -> Iterator[Lines]:
    """All that is logged is written as the settings say, until the block ends."""
    root, lines = logging.getLogger(), Lines(settings, elapsed_ms, stream)
    before, level = root.handlers[:], root.level
    root.handlers[:] = [lines]
    root.setLevel(_LEVELS[settings.level])
    try:
        yield lines
    finally:
        root.handlers[:] = before
        root.setLevel(level)
