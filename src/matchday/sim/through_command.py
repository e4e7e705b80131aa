"""What ``matchday cluster replay`` does: a journal in, a cluster's engines played through, a report out."""

import argparse
import asyncio
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from matchday.app import StartError
from matchday.app.stores import open_stores
from matchday.backends.clock_wall import WallClock
from matchday.config import Settings, load
from matchday.ops.cluster_state import Folder
from matchday.output import write_json
from matchday.ports import LedgerUnavailable, LogUnavailable
from matchday.sim.lockstep import LeapingClock, ThroughReport
from matchday.sim.recorded import Recorded
from matchday.sim.through import Through

_READ_MS_MAX: Final = 20_000
"""Milliseconds of one read of the ledger: nobody else waits for this process."""


def replay_through(options: argparse.Namespace) -> int:
    """The exit status: 0 where all came to the same, 1 where anything differs."""
    settings = load(options.config or Path(Folder(options.state).load().config))
    if (settings.log.kind, settings.ledger.kind) != ("kafka", "postgres"):
        raise StartError(
            'settings log.kind and ledger.kind: a journal is played through servers; set "kafka" and "postgres" '
            "(`matchday replay` runs matches through embedded ones)"
        )
    with asyncio.Runner() as runner:
        report = runner.run(_play(options.journal, settings))
    if options.json:
        write_json(report)
    else:
        _print(report)
    return 0 if report.finished and not report.differences_total else 1


async def _play(path: Path, settings: Settings) -> ThroughReport:
    """Play a journal; a fault of ours in between ends it."""
    loop, failed = asyncio.get_running_loop(), asyncio.get_running_loop().create_future()
    clock = LeapingClock(loop)
    journal = Recorded(path, clock.now_ms())
    settings = msgspec.structs.replace(
        settings, postgres=msgspec.structs.replace(settings.postgres, read_ms_max=_READ_MS_MAX)
    )

    def fatal(error: BaseException) -> None:
        if not failed.done():
            failed.set_exception(error)

    loop.set_exception_handler(lambda _, context: fatal(context.get("exception") or RuntimeError(context["message"])))
    try:
        with open_stores(settings, Path(), WallClock(loop), loop.call_soon_threadsafe, fatal) as stores:
            playing = asyncio.ensure_future(Through(clock, stores, settings, journal).run())
            await asyncio.wait({playing, failed}, return_when=asyncio.FIRST_COMPLETED)
            if failed.done():
                playing.cancel()
                await asyncio.gather(playing, return_exceptions=True)
                failed.result()
            return playing.result()
    except (LogUnavailable, LedgerUnavailable) as error:
        raise StartError(f"a store does not answer: {error}; see settings log and ledger") from error


def _print(report: ThroughReport) -> None:
    console = Console()
    table = Table(title="A journal through the cluster", show_header=False, title_justify="left")
    for name, value in msgspec.structs.asdict(report).items():
        if name == "differences":
            continue
        text = "\n".join(f"{key}: {count}" for key, count in value.items()) if isinstance(value, dict) else str(value)
        table.add_row(name.replace("_", " "), text)
    console.print(table)
    for text in report.differences:
        console.print(escape(text), soft_wrap=True)
    same = report.finished and not report.differences_total
    console.print("[bold]the same money, to the cent[/]" if same else "[bold red]it did not come to the same[/]")
