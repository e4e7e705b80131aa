"""A night's report for people at a terminal."""

from pathlib import Path
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from matchday.ops.drill.fans.tally import Line
from matchday.ops.drill.night.report import Report

_WIDTH: Final = 120
"""Columns at least: a table that is cut says nothing."""
_WHYS: Final = 4
"""Reasons that are told one by one."""


def show(report: Report, file: Path | None) -> None:
    """Print it, and where it is kept, if it is."""
    console = Console()
    console.width = max(console.width, _WIDTH)
    table = Table(title=headline(report), title_justify="left", box=SIMPLE_HEAD)
    table.add_column("phase")
    table.add_column("act")
    for name in ("due", "fine", "refused", "errors", "lost", "late", "p50", "p99", "target"):
        table.add_column(name, justify="right", no_wrap=True)
    for phase in report.phases:
        for number, line in enumerate(phase.lines):
            table.add_row("" if number else escape(phase.name), *_cells(line))
    console.print(table)
    for text in said(report):
        console.print(text, highlight=False, markup=False)
    if file is not None:
        console.print(f"kept in {file}", highlight=False)


def headline(report: Report) -> str:
    """One line."""
    end = f"stopped: {report.aborted}" if report.aborted else "passed" if report.passed else "not passed"
    return (f"Night {report.shape!r} (seed {report.seed}, {report.rate:g} visitors a second, {report.compress:g} x) on "
            f"an {report.place} platform: {end}")  # fmt: skip


def _cells(line: Line) -> tuple[str, ...]:
    times = ("", "[yellow]not published[/]")
    if line.p99_ms is not None:
        times = (f"{line.p50_ms:g}", f"{line.p99_ms:g}")
    verdict = {None: "", True: " [green]met[/]", False: " [bold red]missed[/]"}[line.met]
    counts = (line.due, line.fine, line.refused, line.errors, line.lost, line.late)
    return (line.act, *(f"{count:,}" for count in counts), *times, f"{line.target_ms:g} ms{verdict}")


def said(report: Report) -> list[str]:
    """What the table does not have, a line each."""
    money, here = report.money, report.machine
    looked = f"books looked at {money.checks} times ({money.unread} more while they could not be read)"
    found_of_money = "; ".join(money.broken) or "money conserved"
    dark = ", ".join(f"{count} {how}" for how, count in sorted(report.dropped.items())) or "none"
    found = [
        f"{report.visitors:,} visitors, {report.most_present:,} at once at most.",
        f"Bets promised {money.promised:,}, lost {money.lost}; {looked}: {found_of_money}.",
        f"Screens that went dark unasked: {dark}.",
    ]
    found += [f"Fault {f.kind} in {f.phase} at {f.at_s:g} s: whole after {f.whole_after_s:g} s." for f in report.faults]
    assumed = f"assumed {report.scaling.assumed_s:g} s" if report.scaling.assumed_s else "no time assumed"
    found.append(
        f"A process carried load after {', '.join(f'{s:g}' for s in report.scaling.real_s) or '-'} s; {assumed}."
    )
    found += [
        f"Headroom {h.times:.2f} x: {h.processes} x {h.knee:g} {h.load} of {h.room} over a forecast peak of "
        f"{h.forecast_peak:g}" + (f" (seen: {h.seen_peak:g})." if h.seen_peak is not None else ".")
        for h in report.headroom
    ]  # fmt: skip
    if report.cost is not None:
        cost = report.cost
        found.append(f"A fleet for that peak: {cost.machines} x {cost.machine}, "
                     f"{cost.hour_micros / 1e6:.2f} {cost.currency} an hour.")  # fmt: skip
    unpublished = sorted({line.why for phase in report.phases for line in phase.lines if line.why})
    found += [f"Not published: {why}." for why in unpublished[:_WHYS]]
    if len(unpublished) > _WHYS:
        found.append(f"Not published: {len(unpublished) - _WHYS} more, see the table and --json.")
    cores = f"{here.cores} cores of {here.cpu}"
    if report.place == "embedded":
        cores += f": platform on core {here.server_core}, crowd on core {here.load_core}"
    found.append(f"Platform {report.cpu_share:.0%} of a core. {cores}; {report.steal_percent:g} % stolen.")
    found += [f"Doubt: {doubt}." for doubt in report.doubts]
    found += [f"Since the last drill of these words: {text}." for text in report.difference]
    return found
