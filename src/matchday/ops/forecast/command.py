"""What ``matchday forecast`` does: files in, a walk, a table, figures or a page out."""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from matchday.ops.forecast import calendar, traffic, zones
from matchday.ops.forecast.backtest import Margin, Outcome, Plan, Row, backtest
from matchday.ops.forecast.problems import Finding, ForecastError
from matchday.ops.forecast.report import page
from matchday.ops.forecast.series import DAY, Series, compressed, slots
from matchday.output import write_json
from matchday.words import WordsError, minute_of, tried, within

_TRAINED: Final = 0.75
"""Of the days of a trace, where no --train-until is given."""


class Report(msgspec.Struct):
    """A backtest, for programs."""

    judged_from: str
    judged_until: str
    """The first day that is not judged."""
    capacity: int
    margin: Margin
    findings: list[str]
    rows: list[Row]


def forecast(options: argparse.Namespace) -> int:
    """``matchday forecast backtest``."""
    within(options, boot_minutes=(0, 240), capacity=(1, 10**9))
    plan, findings = prepare(options)
    for name, file in (("--html", options.html), ("--decisions", options.decisions)):
        if file is not None:
            tried(name, file)
    for finding in findings:
        sys.stderr.write(f"{finding}\n")
    with _steps() as progress:
        outcome = backtest(plan, progress)
    _write(options.html, lambda: page(outcome, findings, [options.traffic.name, options.kickoffs.name]))
    _write(options.decisions, lambda: decisions(outcome))
    report = Report(
        _date(plan.series, plan.start), _date(plan.series, plan.end), plan.capacity, outcome.margin,
        [str(finding) for finding in findings], list(outcome.rows),
    )  # fmt: skip
    if options.json:
        write_json(report)
    else:
        _print(report)
    return 0


def prepare(options: argparse.Namespace) -> tuple[Plan, list[Finding]]:
    """Read the files and lay them on the walk's scale; what was odd about them."""
    load = traffic.read(options.traffic)
    fixtures = calendar.read(options.kickoffs, options.kickoffs_zone)
    series = compressed(load.first, load.requests, load.known, options.compress)
    start, end = judged(series, options.train_until, options.judge_until)
    timed, doubts = zones.guarded(series, slots(fixtures.fixtures, series), start)
    findings = [*load.findings, *fixtures.findings, *doubts]
    return Plan(series, timed, start, end, options.boot_minutes, options.capacity), findings


def judged(series: Series, train_until: str | None, judge_until: str | None) -> tuple[int, int]:
    """The first minute that is judged, and the first that is no more: whole days, within the traffic."""
    whole = len(series.requests) // series.day
    if train_until is None:
        start = int(whole * _TRAINED) * series.day
    else:
        start = series.index(minute_of("--train-until", train_until))
    end = whole * series.day if judge_until is None else series.index(minute_of("--judge-until", judge_until))
    if not 0 < start < end:
        raise WordsError(f"no day is judged from {_date(series, start)} until before {_date(series, end)}; "
                            "--judge-until must be after --train-until")  # fmt: skip
    if end > whole * series.day:
        last = _date(series, whole * series.day)
        raise WordsError(f"--judge-until {judge_until} is after the traffic's last whole day; it can be {last} at most")
    return start, end


def decisions(outcome: Outcome) -> str:
    """CSV of what every policy wanted and had in each minute, so that anybody can count again."""
    plan = outcome.plan
    lines = ["minute_utc,policy,requests,wanted,ready,paid"]
    for name, walked in outcome.walks.items():
        requests = plan.series.requests[plan.start : plan.end]
        for place in range(plan.end - plan.start):
            at = datetime.fromtimestamp(plan.series.minute(plan.start + place) * 60, UTC)
            lines.append(f"{at:%Y-%m-%d %H:%M},{name},{requests[place]},{walked.asked[place]},{walked.ready[place]},"
                         f"{walked.paid[place]}")  # fmt: skip
    return "\n".join(lines) + "\n"


def _write(path: Path | None, text: Callable[[], str]) -> None:
    if path is None:
        return
    try:
        path.write_text(text(), encoding="utf-8")
    except OSError as error:
        raise ForecastError(f"cannot write {path}: {error.strerror}; choose another file") from error


def _date(series: Series, place: int) -> str:
    return f"{datetime.fromtimestamp(series.minute(place) // DAY * DAY * 60, UTC):%Y-%m-%d}"


@contextmanager
def _steps() -> Iterator[Callable[[str, int, int], None]]:
    """A bar on a terminal; elsewhere nothing."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description:16}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("walking", total=None)

        def progress(step: str, done: int, total: int) -> None:
            bar.update(task, description=step, completed=done, total=total)

        yield progress


def _print(report: Report) -> None:
    margin = report.margin
    title = (f"{report.judged_from} until before {report.judged_until}; ours at {margin.deviations:g} deviations, "
             f"rehearsed from {margin.rehearsed_from}")  # fmt: skip
    table = Table(title=title, title_justify="left")
    for name in ("policy", "bill", "over capacity", "over 70 %", "minutes late", "decisions"):
        table.add_column(name, justify="left" if name == "policy" else "right", no_wrap=True)
    for row in report.rows:
        table.add_row(
            row.policy, f"{row.bill_ratio:.3f}", f"{row.requests_over_capacity:.4%}", f"{row.requests_over_target:.2%}",
            str(row.minutes_late), str(row.decisions),
        )  # fmt: skip
    Console().print(table)
