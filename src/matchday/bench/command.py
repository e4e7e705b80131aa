"""What ``matchday bench`` does: parts run one after the other, a table for people or figures for programs out."""

import argparse
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from matchday.bench import bets, cluster, ledger, odds, overload, push, soak
from matchday.bench.figures import Row
from matchday.bench.machine import Machine, machine
from matchday.bench.on_disk import ON_DISK
from matchday.bench.run import Run
from matchday.bench.sampler import top
from matchday.bench.stopwatch import Steal
from matchday.output import write_json
from matchday.progress import steps
from matchday.words import tried, within

PARTS: Final[dict[str, Callable[[Run], list[Row]]]] = {
    "odds": odds.measure,
    "ledger": ledger.measure,
    "push": push.measure,
    "bets": bets.measure,
    "overload": overload.measure,
    "cluster": cluster.measure,
    "soak": soak.measure,
}
APART: Final = ("cluster", "soak")
"""Parts that are only measured where they are named."""
_STEAL_PERCENT_MAX: Final = 5.0
"""Of all time; beyond it a table says that its figures are not to be relied upon."""
_TOP: Final = 15
"""Functions of a profile that are shown."""


class Noise(msgspec.Struct):
    """Who else was there."""

    steal_percent: dict[str, float]
    """By part: what the hypervisor took of all time while it ran."""
    load_before: float
    load_after: float
    """Load averages of a minute; the bench itself is up to two of it."""


class Report(msgspec.Struct):
    """What a run came to."""

    machine: Machine
    noise: Noise
    quick: bool
    profiled: bool
    """Figures of a watched process: they show where time goes, not how much of it."""
    rows: list[Row]


def bench(options: argparse.Namespace) -> int:
    """``matchday bench``."""
    within(options, minutes=(0.01, 1_440))
    parts = list(dict.fromkeys(options.parts)) or [part for part in PARTS if part not in APART]
    profiles = {part: _profile(options.profile, part, parts) for part in parts}
    if options.profile is not None:
        tried("--profile", options.profile)
    load, steal, rows = os.getloadavg()[0], dict[str, float](), list[Row]()
    with TemporaryDirectory(prefix="matchday-bench-", dir=ON_DISK) as name, steps() as (progress, say):
        for part in parts:
            watch = Steal()
            folder = Path(name) / part
            folder.mkdir()
            run = Run(
                folder, options.quick, progress, say, options.minutes, options.match, options.engine, profiles[part]
            )
            rows += PARTS[part](run)
            steal[part] = watch.percent()
    noise = Noise(steal, round(load, 2), round(os.getloadavg()[0], 2))
    report = Report(machine(), noise, options.quick, options.profile is not None, rows)
    if options.json:
        write_json(report)
    else:
        _print(report)
        for file in _written(profiles.values()):
            _print_profile(file)
    return int("soak" in parts and any(row.met is False for row in rows if row.name.startswith("soak")))


def _profile(file: Path | None, part: str, parts: Sequence[str]) -> Path | None:
    """Each part has a file of its own."""
    return file if file is None or len(parts) == 1 else file.with_stem(f"{file.stem}-{part}")


def _written(files: Iterable[Path | None]) -> list[Path]:
    """The profiles of those parts; a part may have several, with a number behind the name."""
    stems = [file for file in files if file is not None]
    return sorted({found for file in stems for found in file.parent.glob(f"{file.stem}*{file.suffix}")})


# --- for people -------------------------------------------------------------------------------------------------------


def _print(report: Report) -> None:
    console = Console()
    table = Table(
        title="Bench: medians; below a ratio its range over the rounds", title_justify="left", box=SIMPLE_HEAD,
        show_lines=True, padding=(0, 1, 0, 0),
    )  # fmt: skip
    table.add_column("figure", min_width=28)
    for name in ("value", "reference", "ratio", "target"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in report.rows:
        table.add_row(*_cells(row))
    console.print(table)
    machine, noise = report.machine, report.noise
    versions = ", ".join(f"{name} {number}" for name, number in machine.versions.items())
    console.print(
        f"{machine.cores} cores of {machine.cpu}, {machine.memory_gb:g} GB; {machine.system}; {machine.python}, SQLite "
        f"{machine.sqlite}, {versions}. Server on core {machine.server_core}, load on core {machine.load_core}.",
        highlight=False,
    )  # fmt: skip
    stolen = ", ".join(f"{part} {percent:g} %" for part, percent in noise.steal_percent.items())
    console.print(f"Stolen by the hypervisor: {stolen}. Load {noise.load_before:g} before, {noise.load_after:g} after.",
                  highlight=False)  # fmt: skip
    for warning in _warnings(report):
        console.print(f"[bold yellow]{warning}[/]")


def _warnings(report: Report) -> list[str]:
    found = []
    if report.quick:
        found.append("Quick: a small share of each part, to see that it works; not to be quoted.")
    if report.profiled:
        found.append("Profiled: the process that was measured was watched; not to be quoted.")
    if report.machine.server_core == report.machine.load_core:
        found.append("One core: server and load share it, so that no rate or latency is the server's.")
    if any(percent > _STEAL_PERCENT_MAX for percent in report.noise.steal_percent.values()):
        found.append(f"More than {_STEAL_PERCENT_MAX:g} % of the time was stolen: only ratios can be relied upon.")
    return found


def _cells(row: Row) -> tuple[str, ...]:
    value = "not measured" if row.value is None else f"{row.value:,g} {row.unit}"
    reference = "" if row.reference is None else f"{row.reference:,g} {row.unit}"
    ratio = "" if row.ratio is None else f"{row.ratio:.3g}\n{row.low:.3g}-{row.high:.3g}"
    met = {None: "", True: "\n[green]met[/]", False: "\n[bold red]not met[/]"}[row.met]
    lines = [f"[bold]{escape(row.name)}[/]", f"[dim]{escape(row.what)}[/]"]
    if row.reference_what:
        lines.append(f"[dim]beside {escape(row.reference_what)}[/]")
    if row.note:
        lines.append(f"[yellow]{escape(row.note)}[/]")
    return "\n".join(lines), value, reference, ratio, (row.target or "") + met


def _print_profile(file: Path) -> None:
    table = Table(title=f"Where time goes: {file}", title_justify="left")
    table.add_column("function")
    for name in ("itself", "with all it calls"):
        table.add_column(name, justify="right")
    for name, own, whole in top(file, _TOP):
        table.add_row(escape(name), f"{own:.1%}", f"{whole:.1%}")
    Console().print(table)
