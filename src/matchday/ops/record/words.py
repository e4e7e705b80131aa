"""The words of ``matchday forecast record``."""

import argparse
from pathlib import Path
from typing import Final

WHAT: Final = ("requests", "bets", "frames", "connections")
SELECTOR: Final = 'job="matchday"'
DAYS: Final = 14
"""That are read from Prometheus where no beginning is said."""
_DESCRIPTION: Final = """\
Write the platform's own load of each minute as CSV, as `matchday forecast backtest --traffic` reads it: what the
platform recorded in its data folder (`up`), or what Prometheus collected from a cluster.

Minutes of which nothing, or not all, is known have no row; standard error says which: the platform did not run, was
restarted within, its clock was moved, or a gate did not answer Prometheus."""
_EPILOG: Final = """\
Examples:
  matchday forecast record export --data data --csv traffic.csv
  matchday forecast record export --prometheus http://prometheus:9090 --what bets --from 2026-06-01 --csv bets.csv
  matchday forecast backtest --traffic traffic.csv --kickoffs kickoffs.csv

Exit status: 0 where it was written; 1 where nothing is known or it cannot be read; 2 for wrong words."""


def add_record(words: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add them to those of ``matchday forecast``."""
    record = words.add_parser("record", help="the platform's own load, as recorded")
    verbs = record.add_subparsers(dest="verb", required=True, metavar="WORD")
    export = verbs.add_parser(
        "export", help="write it as CSV, for a backtest", description=_DESCRIPTION, epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    add = export.add_argument
    source = export.add_mutually_exclusive_group()
    source.add_argument("--data", type=Path, default=Path("data"), metavar="DIR", help="the platform's (default: data)")
    source.add_argument("--prometheus", metavar="URL", help="its server, as http://127.0.0.1:9090")
    add("--selector", default=SELECTOR, help=f"labels of the platform's processes there (default: {SELECTOR})")
    add("--what", choices=WHAT, default="requests", help="requests (default), bets, frames, or connections at the end")
    add("--from", dest="since", metavar="DATE", help=f"the first day, in UTC (default: all; Prometheus: {DAYS} days)")
    add("--until", metavar="DATE", help="and before this one (default: until now)")
    add("--csv", type=Path, default=Path("-"), metavar="FILE", help="where to; - is standard output (default)")
