"""The words of ``matchday drill plan``."""

import argparse
from pathlib import Path
from typing import Final

from matchday.words import count

_MOST: Final = 100_000
"""Processes of a room."""

_DESCRIPTION: Final = """\
For the fixtures of the next seven days: the crowd's expected peak, what one such match in a hundred exceeds, and
whether the processes there are carry that, by the capacity model. A fixture that is called off, or the time that one
was moved away from, brings no crowd, and is shown: nothing should be made smaller on a calendar's word alone.

The forecast is that of `matchday forecast`: a weekly base and a template about kick-off, weighted by stage and
simultaneous matches, at the level of the last days of --traffic. Requests become connections and bets by what a visit
of the drills' kick-off crowd makes."""
_EPILOG: Final = """\
Example:
  matchday drill plan --calendar kickoffs_utc.csv --traffic requests.csv --now 1998-06-16 --have gate=20

Exit status: 0 where capacity holds for all; 1 where it does not for one, or a file is unusable; 2 for wrong words."""


def add_plan(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The command."""
    plan = commands.add_parser(
        "plan", help="the next seven days' fixtures: their peaks, and whether capacity holds", description=_DESCRIPTION,
        epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    add = plan.add_argument
    add("--calendar", nargs="+", type=Path, required=True, metavar="FILE", help="CSV, JSON, TXT, ICS")
    add("--kickoffs-zone", metavar="ZONE", help="of times that name none, such as Europe/London (not for .csv)")
    add("--traffic", type=Path, required=True, metavar="CSV", help="period, count: past requests of each minute, UTC")
    add("--now", metavar="TIME", help="UTC (default: now)")
    add("--days", type=int, default=7, metavar="N", help="1 to 60 (default: 7)")
    add("--have", nargs="+", type=room_count, default=[], metavar="ROOM=N", help="processes (default: one of each)")
    add("--scale", type=float, default=1.0, metavar="N", help="times the crowd of the trace (default: 1)")
    add("--model", type=Path, metavar="FILE", help="capacity model (default: the release's own)")
    add("--json", action="store_true", help="print the report as JSON")
    plan.set_defaults(drill=_plan)


def room_count(word: str) -> tuple[str, int]:
    """``gate=3``."""
    room, _, number = word.partition("=")
    if not room or not number.isdecimal():
        raise argparse.ArgumentTypeError(f"{word!r}: expected ROOM=N, such as gate=3")
    return room, count(1, _MOST)(number)


def _plan(options: argparse.Namespace) -> int:
    from matchday.ops.drill.plan.command import plan

    return plan(options)
