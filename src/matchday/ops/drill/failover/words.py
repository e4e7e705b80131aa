"""The words of ``matchday drill failover``."""

import argparse
from pathlib import Path
from typing import Final

_DESCRIPTION: Final = """\
Bets in an open loop and watchers on a cluster, while one part of it after another is killed, hung, cut off or filled
up, each also in its worst moment. After each fault: was an answered bet lost or paid twice, was money conserved in
every snapshot, how soon were bets accepted again, how long did watchers wait. What was broken is put right before the
next.

What was offered and answered is on a record of the drill's own, on disk before it counts, and is compared with the
ledger bet by bet. What found no answer is sent again under its id until it has one."""
_EPILOG: Final = """\
Examples:
  matchday drill failover --ha                      all faults, on a cluster that is started for it
  matchday drill failover --faults rooms            gates, odds, settlement, relay, Redis, HAProxy: no --ha needed
  matchday drill failover --faults gate,odds --json for programs: {machine, rows: [{fault, fired, bets_offered, ...}]}
  matchday drill failover --state cluster           on one that runs; never one whose bets matter

--faults: all, rooms, engines (with --ha), ci, or names by commas; docs/failover.md has them. Exit status: 0 where every
row is as it must be; 1 where a bet was lost or paid twice, money was not conserved, or a bound was passed; 2 for wrong
words."""


def add_failover(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The command."""
    failover = commands.add_parser(
        "failover",
        help="one fault after another under load, and what each cost",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = failover.add_argument
    add("--faults", default="all", metavar="LIST", help="which ones, in this order (default: all)")
    add("--load", type=int, default=50, metavar="N", help="bets a second (default: 50)")
    add("--fans", type=int, default=20, metavar="N", help="who place them in turn (default: 20)")
    add("--watchers", type=int, default=50, metavar="N", help="clients that only watch (default: 50)")
    add("--ha", action="store_true", help="engines in high availability: faults of these, too")
    add("--state", type=Path, metavar="DIR", help="a cluster that runs (default: one is started, and taken down)")
    add("--speed", type=float, default=60.0, metavar="X", help="match seconds per second of its league (default: 60)")
    add("--memory", action="store_true", help="its files in memory, not on a disk")
    add("--json", action="store_true", help="print the report as JSON")
    failover.set_defaults(drill=_failover)


def _failover(options: argparse.Namespace) -> int:
    from matchday.ops.drill.failover.command import failover

    return failover(options)
