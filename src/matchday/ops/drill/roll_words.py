"""The words of ``matchday drill roll``."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Final

from matchday.words import seconds

_DESCRIPTION: Final = """\
Roll a local cluster that is up (`matchday cluster roll`) while fans bet through its balancer in an open loop, and say
what they were told: how many answers were neither accepted nor a refusal by rule, how many were busy, for how long no
bet was accepted, and whether every accepted bet was paid for, by the fans' balances. Exit status 1 where the roll
stopped, a bet is gone, one answer in a thousand was busy, or any was none of these.

Example:
  matchday cluster up --with-engines
  matchday drill roll --load 500"""


def add_roll(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", hold: Callable[[argparse.Namespace], int]
) -> None:
    """The command; ``hold`` holds the drill."""
    roll = commands.add_parser(
        "roll", help="a rolling restart, or another release, under load", description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    roll.add_argument("rooms", nargs="*", metavar="ROOM", help="default: all")
    roll.add_argument("--state", type=Path, default=Path("cluster"), metavar="DIR", help="the cluster's folder")
    roll.add_argument("--load", type=float, default=500.0, metavar="N", help="bets a second, 1 to 5000 (default: 500)")
    roll.add_argument("--fans", type=int, default=40, metavar="N", help="who place them, 1 to 60 (default: 40)")
    roll.add_argument(
        "--before", type=seconds(3_600), default=5.0, metavar="S", help="seconds of load before it (default: 5)"
    )
    roll.add_argument("--words", default="", metavar="WORDS", help="further words of `matchday cluster roll`")
    roll.add_argument("--json", action="store_true", help="print the report as JSON")
    roll.set_defaults(drill=hold)
