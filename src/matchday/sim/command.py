"""What ``matchday sim`` does: options in, seeds run, a report for people or programs out."""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Final

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from matchday.output import write_json
from matchday.sim.run import Plan, Report, Result, parse_faults, parse_seeds, run_seed, run_seeds, shrink
from matchday.words import WordsError, within

_SIZE_MAX: Final = 1_000


def sim(options: argparse.Namespace) -> int:
    """``matchday sim``."""
    try:
        seeds, faults = parse_seeds(options.seed or options.seeds), parse_faults(options.faults)
    except ValueError as error:
        raise WordsError(str(error)) from error
    within(options, matches=(1, _SIZE_MAX), fans=(1, _SIZE_MAX))
    plan = Plan(options.matches, options.fans, faults)
    if options.journal is not None:
        return _journalled(options, seeds, plan)
    report = _run(options, seeds, plan)
    shrunk = _shrunk(report, plan) if options.shrink and report.failed else None
    if options.json:
        found = {**msgspec.structs.asdict(report), "shrunk": shrunk}
        write_json(found)
    else:
        _print(report, shrunk)
    return 1 if report.failed else 0


def _journalled(options: argparse.Namespace, seeds: list[int], plan: Plan) -> int:
    if len(seeds) != 1:
        raise WordsError("--journal is of one seed; name it with --seed N")
    with ExitStack() as stack:
        try:
            journal = stack.enter_context(options.journal.open("w", encoding="utf-8"))
        except OSError as error:
            raise WordsError(f"journal {options.journal}: {error.strerror}; choose another --journal") from error
        result = run_seed(seeds[0], plan, journal)
    write_json(result)
    return 1 if result.failure else 0


def _run(options: argparse.Namespace, seeds: list[int], plan: Plan) -> Report:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("seeds", total=len(seeds))
        failed = 0

        def progress(result: Result) -> None:
            nonlocal failed
            failed += result.failure is not None
            bar.update(task, advance=1, description=f"seeds, {failed} failed" if failed else "seeds")

        processes = options.processes or os.cpu_count() or 1
        return run_seeds(seeds, plan, processes=processes, stop_at_first=options.stop_at_first, progress=progress)


def _shrunk(report: Report, plan: Plan) -> Result:
    def tried(candidate: Plan, same: bool) -> None:
        matches, fans = candidate.size(report.failed[0].seed)
        text = f"{'still' if same else 'not'}: {matches} matches, {fans} fans, "
        sys.stderr.write(f"{text}{','.join(candidate.faults) or 'no faults'}\n")

    return shrink(report.failed[0], plan, tried)[0]


def _print(report: Report, shrunk: Result | None) -> None:
    console = Console()
    console.print(_table("Faults that fired", "fault", report.fired, report.never_fired))
    console.print(_table("Situations that worlds got into", "situation", report.reached, report.never_reached))
    for result in report.failed if shrunk is None else [*report.failed[1:], shrunk]:
        _print_failure(console, result)
    console.print(
        f"{report.seeds} seeds, {len(report.failed)} failed; {report.bets:,} bets, {report.answers:,} answers, "
        f"{report.steps:,} steps; {report.virtual_hours:,} hours in {report.wall_s} s "
        f"({report.hours_per_second} hours a second)"
    )


def _table(title: str, what: str, counts: Mapping[str, int], never: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column(what)
    table.add_column("times", justify="right")
    for name, times in counts.items():
        table.add_row(name, f"{times:,}")
    for name in never:
        table.add_row(name, "[bold red]never[/]")
    return table


def _print_failure(console: Console, result: Result) -> None:
    failure = result.failure
    assert failure is not None
    console.print(f"\n[bold red]seed {result.seed}: {failure.invariant}[/] at step {failure.step:,}, "
                  f"{failure.at_ms / 1000:,.1f} s")  # fmt: skip
    console.print(escape(failure.detail))
    for line in failure.story:
        console.print(f"  [dim]{escape(line[:300])}[/]", soft_wrap=True)
    console.print(f"replay: [bold]{failure.command}[/]")
