"""What ``matchday forecast record`` does: the recorded load out, as CSV."""

import argparse
import asyncio
import sys
from pathlib import Path
from typing import Final

from matchday.backends.clock_wall import WallClock
from matchday.backends.load_sqlite import read_load
from matchday.ops.forecast.problems import ForecastError
from matchday.ops.record.history import History, of_minutes
from matchday.ops.record.prometheus import Prometheus
from matchday.ops.record.words import DAYS
from matchday.words import WordsError, minute_of, tried

_DAY: Final = 1_440
_STDOUT: Final = Path("-")


def record(options: argparse.Namespace) -> int:
    """``matchday forecast record export``."""
    since = None if options.since is None else minute_of("--from", options.since)
    until = None if options.until is None else minute_of("--until", options.until)
    if since is not None and until is not None and since >= until:
        raise WordsError(f"--until {options.until} is not after --from {options.since}")
    if options.csv != _STDOUT:
        tried("--csv", options.csv)
    if options.prometheus is None:
        held = [one for one in read_load(options.data) if (since or 0) <= one.minute < (until or sys.maxsize)]
        history = of_minutes(held, options.what)
    else:
        end = _now() if until is None else until
        begin = end - DAYS * _DAY if since is None else since
        history = Prometheus(options.prometheus, options.selector).history(options.what, begin, end)
    for finding in history.findings:
        sys.stderr.write(f"{finding}\n")
    if not history.counts:
        raise ForecastError("no whole minute is known: nothing is written")
    _write(options.csv, history)
    return 0


def _write(path: Path, history: History) -> None:
    if path == _STDOUT:
        sys.stdout.write(history.csv())
        return
    try:
        path.write_text(history.csv(), encoding="utf-8")
    except OSError as error:
        raise ForecastError(f"cannot write {path}: {error.strerror}; choose another file") from error
    sys.stderr.write(f"{len(history.counts)} minutes written to {path}\n")


def _now() -> int:
    with asyncio.Runner() as runner:
        return WallClock(runner.get_loop()).now_ms() // 60_000
