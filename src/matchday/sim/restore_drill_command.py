"""What ``matchday drill restore`` does."""

import argparse
import sys
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from rich.console import Console
from rich.table import Table

from matchday.ops.backup import new_folder
from matchday.ops.drill import DrillError
from matchday.ops.engines import EngineError
from matchday.output import write_json
from matchday.sim.restore_drill import hold, rows
from matchday.words import within

_ON_DISK: Final = "/var/tmp"  # noqa: S108 - TemporaryDirectory makes a private folder in it


def restore(options: argparse.Namespace) -> int:
    """The exit status: 0 where nothing is lost and all that came after is named."""
    within(options, seconds=(1, 3_600), load=(1, 100_000))
    with ExitStack() as stack:
        if options.folder is None:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="matchday-restore-", dir=_ON_DISK)))
        else:
            new_folder(options.folder, "--folder")
            folder = options.folder.absolute()
        folder.chmod(0o755)  # a database does not run as root, and must get to its own folder
        try:
            report = hold(folder, options.seconds, options.load, _say)
        except EngineError as error:
            raise DrillError(str(error)) from error
    if options.json:
        write_json(report)
    else:
        table = Table(title="Restore", show_header=False, title_justify="left")
        for name, value in rows(report):
            table.add_row(name, value)
        Console().print(table)
    return 0 if report.good else 1


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
