"""The command ``matchday``."""

import argparse
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from matchday import __version__

_FEED_HELP = "simulated (default), or Wyscout files and folders to be shown as live matches"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="matchday",
        description="The engine room of an online betting company. `matchday up` runs all of it on this machine.",
        epilog="`matchday COMMAND --help` explains each command.",
    )
    parser.add_argument("--version", action="version", version=f"matchday {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    up = commands.add_parser(
        "up",
        help="run the platform on this machine",
        description="Run the whole platform in one process on one port, its data in one folder. Stop it with Ctrl-C; "
        "the next start takes up every match and every bet where it was.",
    )
    up.add_argument("--port", type=int, default=8000, help="port on 127.0.0.1 (default: 8000)")
    up.add_argument("--data", type=Path, default=Path("data"), metavar="DIR", help="where it keeps log, ledger and key")
    up.add_argument("--seed", type=int, default=1, help="of the simulated league (default: 1)")
    up.add_argument("--feed", nargs="+", default=["simulated"], metavar="PATH", help=_FEED_HELP)
    up.add_argument("--meta", type=Path, metavar="DIR", help="Wyscout's matches and teams, if not beside the matches")
    up.add_argument("--prices", type=Path, metavar="CSV", help="bookmakers' prices for shown matches (see replay)")
    up.add_argument("--speed", type=float, default=1.0, metavar="X", help="match seconds per second (default: 1)")
    up.add_argument("--config", type=Path, metavar="TOML", help="settings (see docs/operating.md)")
    replay = commands.add_parser(
        "replay",
        help="run recorded matches through the platform, as fast as it can",
        description="Real matches through the real rooms under a virtual clock, with simulated fans. Prints a report; "
        "with --journal it writes every book, bet, decision and posting, so that an outsider can check them.",
        epilog="Open match data: Wyscout's collection on figshare (see README). Folders are searched for matches.",
    )
    replay.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="Wyscout match files or folders of them")
    replay.add_argument(
        "--meta", type=Path, metavar="DIR", help="matches_*.json and teams.json (default: found nearby)"
    )
    replay.add_argument(
        "--prices",
        type=Path,
        metavar="CSV",
        help="CSV[.gz] with date, home_team, away_team, home_win, draw, away_win, over_2.5, under_2.5",
    )
    replay.add_argument("--bettors", type=int, default=0, metavar="N", help="simulated fans (default: none)")
    replay.add_argument("--seed", type=int, default=1, help="of all chance in the run (default: 1)")
    replay.add_argument("--journal", type=Path, metavar="FILE", help="write the journal (NDJSON) here")
    replay.add_argument("--json", action="store_true", help="print the report as JSON")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit status is 0, 1 for a failure that is explained, 2 for wrong words."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    command: Callable[[argparse.Namespace], int] = {"up": _up, "replay": _replay}[options.command]
    from matchday.app import StartError
    from matchday.backends.errors import BackendError
    from matchday.config import SettingsError
    from matchday.feeds.prices import PricesError

    try:
        return command(options)
    except (StartError, SettingsError, BackendError, PricesError) as error:
        sys.stderr.write(f"matchday: {error}\n")
        return 1


def _up(options: argparse.Namespace) -> int:
    from matchday.cli import up

    return up(options)


def _replay(options: argparse.Namespace) -> int:
    from matchday.cli import replay

    return replay(options)


if __name__ == "__main__":
    sys.exit(main())
