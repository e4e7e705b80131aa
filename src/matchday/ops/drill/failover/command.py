"""What ``matchday drill failover`` does: a cluster found or started, fault after fault, a table or JSON."""

import argparse
import asyncio
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table

from matchday.backends.clock_wall import WallClock
from matchday.config import load
from matchday.edge.websocket import PATH
from matchday.ops.cluster_state import Folder, State
from matchday.ops.drill.failover import own
from matchday.ops.drill.failover.books import reading
from matchday.ops.drill.failover.choice import chosen
from matchday.ops.drill.failover.door import Door
from matchday.ops.drill.failover.drill import Drill
from matchday.ops.drill.failover.fans import Fans
from matchday.ops.drill.failover.faults import Fault
from matchday.ops.drill.failover.record import Record
from matchday.ops.drill.failover.rows import Row
from matchday.ops.drill.failover.screens import HOME, Watcher
from matchday.ops.drill.failover.stage import Stage
from matchday.output import write_json
from matchday.words import within

_ROOMS: Final = ("--rooms", "relay=2")
_THREADS: Final = 64
_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - of the operating system


class Report(msgspec.Struct, kw_only=True):
    """A drill, for programs."""

    at: str
    machine: str
    cluster: list[str]
    """Its processes."""
    load: int
    """Bets a second, offered in an open loop."""
    fans: int
    watchers: int
    rows: list[Row]
    met: bool


def failover(options: argparse.Namespace) -> int:
    """The exit status: 1 where a row is not as it must be."""
    within(options, load=(1, 5_000), fans=(1, 1_000), watchers=(1, 5_000))
    with ExitStack() as stack:
        folder = options.state
        ha = options.ha or (folder is not None and bool(Folder(folder).load().network))
        faults = chosen(options.faults, ha=ha)
        ours = None if folder is not None else stack.enter_context(_own(faults, options))
        with asyncio.Runner() as runner:
            report = runner.run(_drilled(Folder(folder if ours is None else ours.folder), faults, options))
        if ours is not None:
            ours.keep = not report.met
    if options.json:
        write_json(report)
    else:
        _print(report)
    return 0 if report.met else 1


def _own(faults: Sequence[Fault], options: argparse.Namespace) -> own.Own:
    _say("a cluster of the drill's own is started")
    words = [*_ROOMS, "--speed", f"{options.speed:g}", *(["--ha"] if options.ha else [])]
    disks = any(fault.name == "disk_full" for fault in faults)
    return own.Own(words, kept_in=_MEMORY if options.memory else None, disks=disks)


async def _drilled(folder: Folder, faults: Sequence[Fault], options: argparse.Namespace) -> Report:
    # A read of a server that hangs holds its thread for seconds; nobody is to wait for one.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_THREADS))
    state = folder.load()
    settings = load(Path(state.config))
    clock = WallClock(asyncio.get_running_loop())
    addresses = [(address, state.door) for address in state.door_addresses]
    urls = [f"ws://{host}:{port}{PATH}" for host, port in addresses]
    report = Report(
        at=datetime.fromtimestamp(clock.now_ms() / 1_000, UTC).isoformat(timespec="seconds"), machine=_machine(),
        cluster=_names(state), load=options.load, fans=options.fans, watchers=options.watchers, rows=[], met=False,
    )  # fmt: skip
    with (
        tempfile.TemporaryDirectory(dir=own.ON_DISK, prefix="matchday-record-") as made,
        Record(Path(made) / "record.ndjson") as record,
        reading(settings.postgres) as books,
    ):
        fans = Fans(clock, Door(addresses), record)
        await fans.let_in(options.fans, urls)
        watchers = [Watcher(f"watcher {n}", urls, clock) for n in range(options.watchers)]
        for watcher in watchers:
            watcher.start(HOME)
        stage = Stage(clock, folder, settings.kafka, fans, watchers, books)
        drill = Drill(stage, record, Path(made) / "record.ndjson", urls, _say)
        try:
            report.rows = await drill.run(faults, options.load, settings.postgres)
        finally:
            await fans.stop()
            await asyncio.gather(*(watcher.stop() for watcher in watchers))
    report.met = all(row.met or row.skipped for row in report.rows)
    return report


def _names(state: State) -> list[str]:
    return [one.name for one in state.members]


def _machine() -> str:
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return f"{os.cpu_count()} cores, {pages * size / 2**30:.0f} GiB, {platform.system()} {platform.release()}"


def _print(report: Report) -> None:
    table = Table(
        "fault", "offered", "accepted", "pending", "lost", "twice", "money", "first bet", "every fan", "watchers",
        "bound", "met", title=f"{report.at}, {report.machine}, {report.load} bets/s", title_justify="left",
    )  # fmt: skip
    for row in report.rows:
        table.add_row(
            row.fault, str(row.bets_offered), str(row.bets_accepted), str(row.bets_pending_at_fault),
            str(row.bets_lost), str(row.bets_paid_twice), "conserved" if row.money_conserved else "NOT CONSERVED",
            _seconds(row.seconds_to_first_bet), _seconds(row.seconds_to_every_fan), _seconds(row.watcher_gap_seconds),
            _seconds(row.seconds_bound), _met(row),
        )  # fmt: skip
    Console().print(table)


def _met(row: Row) -> str:
    return "not run" if row.skipped else "yes" if row.met else "NO"


def _seconds(value: float | None) -> str:
    return "never" if value is None else f"{value:g} s"


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
