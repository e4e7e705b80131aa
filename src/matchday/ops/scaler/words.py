"""The words of ``matchday autoscale``."""

import argparse
from pathlib import Path
from typing import Final

_DESCRIPTION: Final = """\
Keep as many processes of each room as the crowd that comes will need, ready when it comes.

Wanted is the most of: what is forecast (past load, fixtures) until a process that is asked for now is ready, what is
seen now, and the floor. Nothing shrinks while a match holds it, nor in doubt: a forecast that cannot be made, figures
that stop, a capacity model of another version, clocks that disagree.

Modes: observe (the default) only says; shadow keeps a fleet in its mind, compared with what is there; act acts."""
_EPILOG: Final = """\
Examples:
  matchday autoscale --config scaler.toml                 observe: a line whenever something new is decided
  matchday autoscale --config scaler.toml --mode act
  matchday autoscale --config scaler.toml --once --json   one decision for each room: {decisions: [{target, line, asked,
                                                          ready, wanted, why, loads, expected, doubts, acted, ...}]}
  matchday autoscale --config scaler.toml --json          a JSON line for each decision

All decisions are kept in the file that the setting `decisions` names. SIGTERM ends it; what it asked for stays. Exit
status: 0; 1 where a setting or a file cannot be used; 2 for wrong words. docs/autoscaling.md has the settings."""


def add_autoscale(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add them."""
    command = commands.add_parser(
        "autoscale",
        help="as many processes as the crowd that comes will need",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = command.add_argument
    add("--config", type=Path, required=True, metavar="TOML", help="its settings; files that they name are beside it")
    add("--mode", choices=("observe", "shadow", "act"), help="before the setting mode (observe)")
    add("--once", action="store_true", help="decide once, and end")
    add("--json", action="store_true", help="decisions to standard output, for programs")
