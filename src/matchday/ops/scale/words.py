"""The words of ``matchday capacity``."""

import argparse
import re
from pathlib import Path
from typing import Final

_DESCRIPTION: Final = """\
Compute what runs at a number of fans from the capacity model (`matchday drill capacity`) and a table of assumptions:
loads, processes, machines, brokers, partitions, database shards, egress with TLS, cost, which limit comes first; each
figure marked measured, derived or assumed."""
_SIZE: Final = re.compile(r"([0-9]{1,10}(?:\.[0-9]{1,6})?)([kKmM]?)")
_UNITS: Final = {"": 1, "k": 1_000, "m": 1_000_000}


def add_capacity(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The command."""
    capacity = commands.add_parser("capacity", help="what runs at how many fans", description=_DESCRIPTION)
    words = capacity.add_subparsers(dest="capacity_command", required=True, metavar="COMMAND")
    at = words.add_parser(
        "at", help="at these numbers of fans", description=_DESCRIPTION,
        epilog="Example: `matchday capacity at 10k 100k 1M 10M --markdown` prints docs/ten-million.md.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    at.add_argument("fans", nargs="+", type=fans_of, metavar="FANS", help="as 500, 10k or 1.5M")
    at.add_argument("--model", type=Path, metavar="FILE", help="capacity model (default: the release's own)")
    how = at.add_mutually_exclusive_group()
    how.add_argument("--markdown", action="store_true", help="print the page docs/ten-million.md")
    how.add_argument("--json", action="store_true", help="print it as JSON")


def fans_of(word: str) -> int:
    """``10k``."""
    found = _SIZE.fullmatch(word)
    if found is None:
        raise argparse.ArgumentTypeError(f"{word!r} is no number of fans; write it as 500, 10k or 1.5M")
    return round(float(found[1]) * _UNITS[found[2].lower()])
