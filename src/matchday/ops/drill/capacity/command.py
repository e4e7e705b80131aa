"""What ``matchday drill capacity`` does: rooms measured one after the other, a model out; or a model verified."""

import argparse
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table

from matchday import __version__
from matchday.app import StartError
from matchday.backends.clock_wall import wall_ms
from matchday.bench.bytes_per_fan import bytes_per_fan
from matchday.bench.machine import machine
from matchday.bench.on_disk import ON_DISK
from matchday.bench.run import Run
from matchday.bench.stopwatch import Steal
from matchday.feeds.wyscout import load as load_matches
from matchday.ops.capacity import FORMAT, Capacity, Machine, Noise, doubts, read, write
from matchday.ops.drill.capacity import measure, verify
from matchday.ops.drill.capacity.words import PARTS
from matchday.output import write_json
from matchday.pricing.calibrate import PRIOR
from matchday.progress import steps
from matchday.words import WordsError, tried, within

ROUNDS_MAX: Final = 9


class _Run(Run, frozen=True, kw_only=True):
    """Fewer rounds than a bench: each is a whole search."""

    searches: int

    @property
    def rounds(self) -> int:
        """See ``Run.rounds``."""
        return 1 if self.quick else self.searches


def capacity(options: argparse.Namespace) -> int:
    """``matchday drill capacity``."""
    unknown = [part for part in options.parts if part not in PARTS]
    if unknown:
        raise WordsError(f"{unknown[0]!r} is no part; they are {', '.join(PARTS)}")
    within(options, rounds=(1, ROUNDS_MAX))
    if options.verify is None:
        tried("--out", options.out)
    parts = list(dict.fromkeys(options.parts)) or [part for part in PARTS if part != "database"]
    with TemporaryDirectory(prefix="matchday-capacity-", dir=ON_DISK) as name, steps() as (progress, say):
        run = _Run(Path(name), options.quick, progress, say, searches=options.rounds)
        if options.verify is not None:
            return _verified(options, parts, run)
        model = _measured(options, parts, run)
    write(model, options.out)
    if options.json:
        write_json(model)
    else:
        _print(model, options.out)
    return 0


def _measured(options: argparse.Namespace, parts: Sequence[str], run: Run) -> Capacity:
    """The parts, over those that the file already has of this release and machine."""
    before = read(options.out) if options.out.is_file() else None
    here = _machine()
    if before is not None and (before.version != __version__ or before.machine != here):
        raise StartError(f"{options.out} was measured on another release or machine; choose another --out FILE")
    rooms, engines, figures = ({}, {}, {}) if before is None else (
        dict(before.rooms), dict(before.engines), dict(before.figures))  # fmt: skip
    steal, load = Steal(), os.getloadavg()[0]
    for part in parts:
        found = {**measure.ROOMS, **measure.ENGINES}[part](run)
        (rooms if part in measure.ROOMS else engines)[part] = found.room
        figures |= found.figures
    if options.match is not None:
        figures |= _of_match(options.match)
    now = datetime.fromtimestamp(wall_ms() / 1e3, UTC)
    return Capacity(
        format=FORMAT, version=__version__, measured_at=now.strftime("%Y-%m-%dT%H:%M:%SZ"), machine=here,
        command="matchday drill capacity" + (" --quick (not to be relied upon)" if run.quick else ""),
        rooms=rooms, engines=engines, figures=figures,
        noise=Noise(steal_percent=steal.percent(), load_before=round(load, 2), load_after=round(os.getloadavg()[0], 2)),
    )  # fmt: skip


def _of_match(file: Path) -> Mapping[str, float]:
    """Bytes and frames that a fan is sent of a recorded match, home and fixture."""
    matches = load_matches([file], None).matches
    if not matches:
        raise StartError(f"no match in {file}; name a Wyscout match file with --match")
    found = bytes_per_fan(matches[0], lambda _: PRIOR)
    minutes = matches[0].end_ms / 60_000
    return {
        "match_bytes": found["bytes"]["json_deflated"], "match_bytes_plain": found["bytes"]["json"],
        "match_frames": found["deltas"], "match_minutes": round(minutes, 1),
        "match_largest_frame_bytes": found["largest"]["json_deflated"],
    }  # fmt: skip


def _machine() -> Machine:
    here = machine()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Machine(cpu=here.cpu, cores=here.cores, memory_bytes=memory, system=here.system)


def _verified(options: argparse.Namespace, parts: Sequence[str], run: Run) -> int:
    model = read(options.verify)
    for doubt in doubts(model):
        run.say(doubt)
    steal = Steal()
    rows = [row for part in parts if part in verify.ROOMS for row in verify.ROOMS[part](run, model)]
    if options.json:
        write_json({
            "steal_percent": steal.percent(), "within": verify.WITHIN,
            "rows": [{**msgspec.structs.asdict(row), "off": round(row.off, 3), "holds": row.within} for row in rows],
        })  # fmt: skip
    else:
        table = Table("room", "what", title="Predicted by the model, and found", title_justify="left")
        for name in ("predicted", "found", "off", ""):
            table.add_column(name, justify="right", no_wrap=True)
        for row in rows:
            holds = "[green]holds[/]" if row.within else "[bold red]does not hold[/]"
            what = f"{row.what} (at least: {row.at_least})" if row.at_least else row.what
            table.add_row(row.room, what, f"{row.predicted:,g}", f"{row.found:,g}", f"{row.off:+.0%}", holds)
        Console().print(table)
    return 0 if rows and all(row.within for row in rows) else 1


def _print(model: Capacity, file: Path) -> None:
    here, noise = model.machine, model.noise
    table = Table("room", "load", title="What one process carries", title_justify="left")
    for name in ("carries", "target", "p99", "spread"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("note")
    for name, room in {**model.rooms, **model.engines}.items():
        for number, (load, one) in enumerate(room.carries.items()):
            target = f"{one.target_ms:g} ms" if one.target_ms else ""
            p99 = f"{one.p99_ms:g} ms" if one.target_ms else ""
            table.add_row("" if number else name, load, f"{one.per_process:,g}", target, p99, f"{one.spread:.0%}",
                          one.note)  # fmt: skip
    console = Console()
    console.print(table)
    assert noise is not None
    console.print(
        f"Version {model.version}; {here.cores} cores of {here.cpu}; {noise.steal_percent:g} % stolen, load "
        f"{noise.load_before:g} before, {noise.load_after:g} after. Written to {file}.", highlight=False,
    )  # fmt: skip
