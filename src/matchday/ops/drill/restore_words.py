"""The words of ``matchday drill restore``."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Final

_DESCRIPTION: Final = """\
Back a ledger up while bets come in, restore it to a moment between two of them, and count what is missing, what is too
much, and what came after and is not named. Then kill the primary, delete its disk, and restore all that the archive
has: nothing that was answered may be gone. PostgreSQL is started here (on Debian: apt-get install postgresql), bets are
committed by the ledger itself; no rooms, no log. Exit status 1 where anything is lost."""


def add_restore(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", hold: Callable[[argparse.Namespace], int]
) -> None:
    """The command; ``hold`` holds the drill."""
    restore = commands.add_parser(
        "restore", help="backup under load, restore to a moment, loss of the primary", description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    restore.add_argument("--seconds", type=float, default=12.0, metavar="S", help="of bets, 1 to 3600 (default: 12)")
    restore.add_argument("--load", type=float, default=200.0, metavar="N", help="bets a second (default: 200)")
    restore.add_argument("--folder", type=Path, metavar="DIR", help="a new one, kept (default: a temporary one)")
    restore.add_argument("--json", action="store_true", help="print the report as JSON")
    restore.set_defaults(drill=hold)
