"""Decisions, kept: a JSON line each."""

from pathlib import Path

import msgspec

from matchday.ops.scaler.problems import ScalerError
from matchday.ops.scaler.shadow import Compared


class Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One decision, and what became of it."""

    at: str
    """Real time, UTC."""
    shown: str
    """The scaler's time."""
    target: str
    mode: str
    line: str
    """For people: why, from what, until when."""
    asked: int | None
    ready: int | None
    wish: int
    wanted: int | None
    why: str
    source: str
    load: str = ""
    value: float = 0.0
    per_process: float = 0.0
    loads: dict[str, float] = {}
    """All that was seen."""
    expected: dict[str, float] = {}
    """The most of each until one that is asked for now is ready."""
    doubts: list[str] = []
    until: str = ""
    """Of a hold."""
    acted: str = ""
    """``done``, ``failed: ...``, ``waits: ...``; empty where nothing had to be done, or may be."""
    compared: Compared | None = None
    """In shadow mode."""


class Journal:
    """A file of them."""

    def __init__(self, path: Path | None, bytes_max: int) -> None:
        """ScalerError where nothing can be written there. ``path`` None: nothing is kept."""
        self._path, self._bytes_max = path, bytes_max
        if path is not None:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.open("ab").close()
            except OSError as error:
                raise ScalerError(f"decisions {path}: {error.strerror}; see the setting decisions") from error

    def add(self, line: Line) -> str | None:
        """Keep it; what went wrong, where it could not be kept."""
        if self._path is None:
            return None
        try:
            with self._path.open("ab") as file:
                file.write(msgspec.json.encode(line) + b"\n")
                full = file.tell() > self._bytes_max
            if full:
                self._path.replace(self._path.with_name(self._path.name + ".1"))
        except OSError as error:
            return f"decisions {self._path}: {error.strerror}"
        return None
