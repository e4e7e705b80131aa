"""The words of ``matchday drill night``."""

import argparse
from pathlib import Path
from typing import Final

_DESCRIPTION: Final = """\
Hold a night: an open-loop crowd of virtual fans who behave like fans (arrive as guests, through the waiting room if
need be; look at home, watch over WebSocket, tap, bet, come back, leave), in phases, against a platform that is started
for it (`matchday up` on a core of its own) or a local cluster. The money checker reads the ledger all the while.

SHAPE is one or several, one after the other:
  night      kick-off, a goal in either half, half-time, the whistle (default)
  kick-off   a quiet quarter of an hour, then the step
  goal       everybody who heard of it looks; those who watch tap and bet at once
  whistle    the crowd's peak, and all of it goes to the home page
  flash      a notification to every phone
  herd       nine of ten connections are lost, and made anew within seconds
  saturday   kick-offs one after the other, whistles among them
  surprise   drawn from --seed
  match      the whistles and goals of a recorded match (--match), which is shown as it was played
  traffic    the crowd about a kick-off of a trace (--traffic, --kickoffs)

Times are of the match; --compress N plays them N times as fast (default 30), fans included. --rate is visitors a second
of a quiet evening (default 2); of a trace it multiplies what was recorded.

Latencies count from when an act was due, whether or not those before were answered. A generator that was late itself
publishes none and says so. A guard stops a night whose errors pass --abort-errors, whose money is not conserved, or
whose generator is seconds behind."""
_EPILOG: Final = """\
Examples:
  matchday drill night --rate 5 --compress 60 --html night.html
  matchday drill night --shape kick-off goal --faults kill@goal+2
  matchday drill night --shape traffic --traffic requests_per_minute.csv --kickoffs kickoffs_utc.csv --rate 0.02
  matchday drill night --shape surprise --seed 7 --minutes 2 --json

Faults: KIND@PHASE[+SECONDS], KIND kill, drain or pause; a phase that is not there is named with those that are. Reports
are kept in --reports (default: drills) and compared to the last of the same words. Exit status: 0 where it ran to its
end, the money was kept and every target that could be judged was met; 1 where not, or where it could not be held; 2 for
wrong words. docs/drills.md explains targets and behaviour."""


def add_night(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The command."""
    night = commands.add_parser(
        "night", help="a night's crowd of virtual fans, with faults in the middle", description=_DESCRIPTION,
        epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    add = night.add_argument
    add("--shape", nargs="+", default=["night"], metavar="SHAPE", help="default: night")
    add("--rate", type=float, metavar="N", help="visitors a second at level 1 (default: 2; of a trace, times: 0.01)")
    add("--compress", type=float, default=30, metavar="N", help="times as fast as a match, 1 to 600 (default: 30)")
    add("--minutes", type=float, metavar="N", help="stop after so many minutes of your own time")
    add("--seed", type=int, default=1, help="of all chance (default: 1)")
    add("--faults", nargs="+", default=[], metavar="FAULT", help="as kill@goal+2")
    add("--match", type=Path, metavar="FILE", help="a Wyscout match, for the shape match")
    add("--traffic", type=Path, metavar="CSV", help="requests per minute, for the shape traffic")
    add("--kickoffs", type=Path, metavar="FILE", help="the calendar of the trace")
    add("--at", metavar="TIME", help="a kick-off of the trace, UTC (default: the busiest)")
    add("--cluster", type=Path, metavar="DIR", help="a local cluster (`matchday cluster up --state DIR`) in its place")
    add(
        "--model", type=Path, metavar="FILE", help="capacity model (default: the one that this release was measured by)"
    )
    add("--abort-errors", type=float, default=20, metavar="PERCENT", help="of ten seconds' answers (default: 20)")
    add("--reports", type=Path, default=Path("drills"), metavar="DIR", help="where reports are kept (default: drills)")
    add("--html", type=Path, metavar="FILE", help="write a page with plots")
    add("--json", action="store_true", help="print the report as JSON")
    night.set_defaults(drill=_night)


def _night(options: argparse.Namespace) -> int:
    from matchday.ops.drill.night.command import night

    return night(options)
