"""What ``matchday cluster audit`` does: a story on a running cluster, a report out."""

import argparse
import asyncio
import resource
import sys
from pathlib import Path
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from matchday.app import StartError
from matchday.app.stores import open_log
from matchday.backends.clock_wall import WallClock
from matchday.bench.audit.story import AuditReport, Story
from matchday.config import load
from matchday.ops.cluster_local import Cluster
from matchday.ops.cluster_state import Folder
from matchday.output import write_json
from matchday.ports import LogUnavailable

_FILES_BESIDE: Final = 200


def audit(options: argparse.Namespace) -> int:
    """The exit status: 0 where nobody missed anything untold, 1 otherwise."""
    _allow_files(options.watchers)
    with asyncio.Runner() as runner:
        report = runner.run(_audit(options.state, options.watchers))
    if options.json:
        write_json(report)
    else:
        _print(report)
    return 1 if report.faults_total else 0


def _allow_files(watchers: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = watchers + _FILES_BESIDE
    if hard < needed:
        raise StartError(f"--watchers {watchers} needs {needed} open files, {hard} are allowed: raise `ulimit -Hn`")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))


async def _audit(folder: Path, watchers: int) -> AuditReport:
    """A fault of ours in between ends it."""
    loop = asyncio.get_running_loop()
    failed: asyncio.Future[None] = loop.create_future()
    clock = WallClock(loop)

    def fatal(error: BaseException) -> None:
        if not failed.done():
            failed.set_exception(error)

    def say(text: str) -> None:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()

    cluster = Cluster(folder, say, bytes)  # it has its key
    settings = load(Path(Folder(folder).load().config))
    try:
        with open_log(settings, Path(), clock, loop.call_soon_threadsafe, fatal) as log:
            telling = asyncio.ensure_future(Story(cluster, log, clock, watchers).run(say))
            both: set[asyncio.Future[Any]] = {telling, failed}
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if not telling.done():
                telling.cancel()
                await asyncio.gather(telling, return_exceptions=True)
                failed.result()
            return telling.result()
    except LogUnavailable as error:
        raise StartError(f"the log does not answer: {error}; see `matchday cluster status`") from error


def _print(report: AuditReport) -> None:
    console = Console()
    table = Table(title="A cluster, watched while its processes came and went", show_header=False, title_justify="left")
    for name, value in msgspec.structs.asdict(report).items():
        match value:
            case [*_] if name == "steps":
                text = "\n".join(f"{one.what}: {one.seconds:.1f} s, told {one.told_s:.1f} s later" for one in value)
            case dict():
                text = "\n".join(f"{key}: {count}" for key, count in sorted(value.items()))
            case _:
                text = str(value)
        if name != "faults":
            table.add_row(name.replace("_", " "), escape(text))
    console.print(table)
    for fault in report.faults:
        console.print(escape(fault), soft_wrap=True)
    good = "[bold]nobody missed anything without being told[/]"
    console.print(good if not report.faults_total else "[bold red]something was missed[/]")
