"""What ``matchday drill night`` does: words in, a night held, a table, a page or figures out."""

import argparse
import asyncio
import resource
from collections.abc import Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import uvloop

from matchday import __version__
from matchday.backends.clock_wall import WallClock, wall_ms
from matchday.bench.on_disk import ON_DISK
from matchday.bench.stopwatch import LOAD_CORE, pinned
from matchday.ops import capacity
from matchday.ops.drill import DrillError
from matchday.ops.drill.night import kept
from matchday.ops.drill.night.faults import faults_of
from matchday.ops.drill.night.page import page
from matchday.ops.drill.night.place import Embedded, LocalCluster, Place
from matchday.ops.drill.night.report import Report, difference
from matchday.ops.drill.night.run import Night, Wish
from matchday.ops.drill.night.shapes import SHAPES, Phase, composed, cut, named, timetable
from matchday.ops.drill.night.terminal import show
from matchday.ops.drill.night.traces import of_match, of_traffic, recorded
from matchday.ops.scale.assumptions import MACHINE
from matchday.ops.scale.model import model_of
from matchday.output import write_json
from matchday.progress import steps
from matchday.words import WordsError, tried, within

_RATE: Final = 2.0
_RATE_TRACE: Final = 0.01


def night(options: argparse.Namespace) -> int:
    """``matchday drill night``."""
    wish = _wish(options)
    model = model_of(options.model)
    kept.tried_in(options.reports, wish.at)
    if options.html is not None:
        tried("--html", options.html)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        report = _held(options, wish, model)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    before = kept.last(options.reports, report)
    if before is not None:
        report.difference = difference(report, before)
    file, unwritten = _written(options, report)
    if options.json:
        write_json(report)
    else:
        show(report, file)
    if unwritten:
        raise DrillError("\n".join(unwritten))
    return 0 if report.passed else 1


def _written(options: argparse.Namespace, report: Report) -> tuple[Path | None, list[str]]:
    """Where the report is kept, and what could not be written: a night's report is shown whatever became of files."""
    file, unwritten = None, []
    try:
        file = kept.keep(options.reports, report)
    except DrillError as error:
        unwritten.append(str(error))
    if options.html is not None:
        try:
            options.html.write_text(page(report), encoding="utf-8")
        except OSError as error:
            unwritten.append(f"cannot write {options.html}: {error.strerror}; choose another file")
    return file, unwritten


def _held(options: argparse.Namespace, wish: Wish, model: capacity.Capacity | None) -> Report:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="matchday-drill-", dir=ON_DISK)))
        stack.enter_context(pinned(LOAD_CORE))
        progress, _ = stack.enter_context(steps())  # its bars on the crowd's core, too
        progress("starting", 0, None)
        place = stack.enter_context(closing(_place(options, wish, folder)))
        runner = stack.enter_context(asyncio.Runner(loop_factory=uvloop.new_event_loop))
        clock = WallClock(runner.get_loop())
        return runner.run(Night(wish, place, clock, progress).hold(model, MACHINE))


def _place(options: argparse.Namespace, wish: Wish, folder: Path) -> Place:
    if options.cluster is not None:
        if wish.match:
            raise WordsError("--shape match shows its match itself: it does not go with --cluster")
        return LocalCluster(options.cluster, wish.compress)
    words = ["--speed", f"{wish.compress:g}", "--seed", str(wish.seed)]
    if wish.match:
        words += ["--feed", str(options.match)]
    return Embedded(folder, words)


def _wish(options: argparse.Namespace) -> Wish:
    within(options, compress=(1, 600), abort_errors=(0, 100), rate=(0.001, 10_000), minutes=(0.001, 1_440))
    rate = options.rate if options.rate is not None else _RATE_TRACE if "traffic" in options.shape else _RATE
    phases = _phases(options)
    if options.minutes is not None:
        phases = cut(phases, options.minutes * options.compress)
    ends_s = timetable(phases, 1e-9, 1 / options.compress, options.seed).ends_s
    return Wish(
        shape=" ".join(options.shape), phases=phases, faults=faults_of(options.faults, phases, ends_s), rate=rate,
        compress=options.compress, seed=options.seed, errors_percent=options.abort_errors,
        match=recorded(options.match).fixture if "match" in options.shape else "", version=__version__, at=_now(),
    )  # fmt: skip


def _phases(options: argparse.Namespace) -> tuple[Phase, ...]:
    names: Sequence[str] = options.shape
    for name, needed in (("match", ("match",)), ("traffic", ("traffic", "kickoffs"))):
        missing = [word for word in needed if getattr(options, word) is None]
        if name in names and missing:
            raise WordsError(f"--shape {name} needs --{missing[0]}")
        if name in names and len(names) > 1:
            raise WordsError(f"--shape {name} stands alone: its times are its own")
    unknown = [name for name in names if name not in SHAPES and name not in ("match", "traffic")]
    if unknown:
        raise WordsError(f"--shape {unknown[0]!r} is no shape; they are {', '.join([*SHAPES, 'match', 'traffic'])}")
    if names == ["match"]:
        return of_match(recorded(options.match))
    if names == ["traffic"]:
        return named(of_traffic(options.traffic, options.kickoffs, options.at))
    return composed(names, options.seed)


def _now() -> str:
    return datetime.fromtimestamp(wall_ms() / 1e3, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
