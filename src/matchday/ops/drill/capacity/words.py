"""The words of ``matchday drill capacity``."""

import argparse
from pathlib import Path
from typing import Final

PARTS: Final = ("gate", "odds", "settlement", "relay", "database")
_DESCRIPTION: Final = """\
Find the knee of one process of each room on this machine: the most that it carries within its latency target. It is
written as the capacity model that the autoscaler, `drill plan` and `capacity at` go by, with release, machine, noise.

PART (default: all but database)
  gate        bets a second (p99 100 ms), frames a second (p99 250 ms from published), requests a second (p99 250
              ms), and connections (a change is with the last of them after 250 ms), of `matchday up` on a core
  odds        incidents a second (p99 50 ms)
  settlement  bets settled a second
  relay       facts a second
  database    bets a second of PostgreSQL with a synchronous standby, if it is installed

What is measured runs on the first core, the load on the last: a load that was late, or whose core was full, says
nothing of the platform, and the model says "at least". Nothing else should run meanwhile.

--verify MODEL measures a second time, with other mixes, other steps and other seeds, and says what the model predicts
against what was found: within 20 %, or not."""
_EPILOG: Final = """\
Examples:
  matchday drill capacity --out capacity.json               some six minutes
  matchday drill capacity gate --out capacity.json          that part anew; the others stay as they are in the file
  matchday drill capacity --verify capacity.json

Exit status: 0 where it was measured and, with --verify, the model holds; 1 where not; 2 for wrong words."""


def add_capacity(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The command."""
    capacity = commands.add_parser(
        "capacity", help="what one process of each room carries on this machine", description=_DESCRIPTION,
        epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    add = capacity.add_argument
    add("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    add("--out", type=Path, default=Path("capacity.json"), metavar="FILE", help="the model (default: capacity.json)")
    add("--verify", type=Path, metavar="MODEL", help="measure against a model instead of writing one")
    add("--rounds", type=int, default=3, metavar="N", help="of each, 1 to 9; the median is kept (default: 3)")
    add("--match", type=Path, metavar="FILE", help="a Wyscout match: bytes that a fan is sent of it")
    add("--quick", action="store_true", help="a small share, to see that it works: not to be kept")
    add("--json", action="store_true", help="print the model, or what was verified, as JSON")
    capacity.set_defaults(drill=_capacity)


def _capacity(options: argparse.Namespace) -> int:
    from matchday.ops.drill.capacity.command import capacity

    return capacity(options)
