"""The words of every command: what ``matchday --help`` and ``matchday COMMAND --help`` say, and how they are read.

What a command does is imported when it is done: its words are told without it.
"""

import argparse
from pathlib import Path

from matchday import __version__
from matchday.words import count, there

_MOST = 1_000_000
"""Simulated fans."""
_FEED_HELP = "simulated (default), or Wyscout files and folders to be shown as live matches"

_CALC_DESCRIPTION = """\
Say what slips return once their results are known: lines, total stake, return and profit, by the code that settles
bets. Nothing is placed and nothing is stored.

A slip:
  type       single; accumulator (2-20 legs); trixie, patent (3 legs); yankee, lucky15 (4); canadian, lucky31 (5);
             heinz, lucky63 (6); super_heinz (7); goliath (8); system:K/N, every line of K of the N legs (N up to 20)
  currency   ISO 4217, such as INR; amounts are strings with at most its decimals
  stake      such as "10.00"
  stake_per  "bet" (default): the stake is the total, and must divide by the lines; "line": it is that of each line
  legs       each a price from "1.001" to "1000.00" and a result:
             "won", "lost", "void", "half_won", "half_lost" or {"dead_heat": [places, tied]}
  free_bet   true: the stake is not returned; the profit is then the return (default: false)

A line returns its stake times, for each of its legs: the price if won; 1 if void; half of each if half_won; 1/2 if
half_lost; price * places / tied in a dead heat (the price where there are places for all); 0 if lost. That is exact,
and rounded down once per line to the currency's smallest unit. A bet returns the sum of its lines."""
_CALC_EXAMPLE = """\
Example: a patent of 7 lines, 10.00 on each.

  $ echo '{"type": "patent", "currency": "INR", "stake": "10.00", "stake_per": "line", "legs": [
      {"price": "2.375", "result": "won"}, {"price": "1.80", "result": "void"},
      {"price": "6.00", "result": {"dead_heat": [1, 3]}}]}' | matchday calc -
  {
    "lines": 7,
    "total_stake": "70.00",
    "return": "192.50",
    "profit": "122.50"
  }

A list of slips gives a list. A slip that cannot be calculated gets its reason in its place, and the others go on:

  {"error": {"reason": "price_invalid", "field": "legs[1].price", "detail": "price 1.000 is outside 1.001 to 1000.00"}}

Exit status: 0 if every slip was calculated; 1 if one was not, or the file is no JSON or could not be read; 2 for wrong
words."""


ROOMS = {
    "gate": "the doors (HTTP, WebSocket, streams), push, bets, cash-out, trading, accounts; as many as wanted",
    "feed": "a provider's reports onto the log; one works, others stand by",
    "odds": "books and prices; each takes a share of the fixtures",
    "settlement": "decides legs and settles bets; each takes a share of the fixtures and of the accounts",
    "relay": "what the ledger holds onto the log; one works, others stand by",
}
"""Room -> what it does."""
_RUN_DESCRIPTION = (
    """\
Run some of the rooms of the platform as one process, together with other processes over the same log and ledger.

ROOM is any of:
"""
    + "\n".join(f"  {name:<11} {text}" for name, text in ROOMS.items())
    + """

The settings name log and ledger. Kafka and PostgreSQL are shared by as many processes as wanted (what they need is
installed with `pip install 'matchday[cluster]'`); files of a folder (sqlite, the default) belong to one process, which
then must run all rooms.

Besides the gate's door each process answers at an ops port, which is not for the public: /healthz (it lives), /readyz
(it can do its work; 503 and the reasons where it cannot), /metrics (for Prometheus). SIGTERM drains: a gate sends its
clients elsewhere, the others finish what is on its way and hand their shares over; then it ends with status 0. A second
one ends it at once."""
)
_RUN_EPILOG = """\
Examples:
  matchday run gate --config cluster.toml --host 0.0.0.0 --port 8000 --ops-port 9000
  matchday run odds settlement relay --config cluster.toml --ops-port 9001
  matchday run feed --config cluster.toml --ops-port 9002
  matchday run gate feed odds settlement relay      all rooms over one folder, as `matchday up` does

All gates sign tokens with one key: settings doors.secret_file or MATCHDAY_DOORS_SECRET. Gates share the house's
exposure limits: bets.writers says how many at most, bets.writer which of them this is. docs/operating.md explains."""

BENCH_PARTS = ("odds", "ledger", "push", "bets", "overload", "cluster", "soak")
_BENCH_DESCRIPTION = """\
Measure Matchday on this machine. What is measured runs on one core, the load comes from another. A figure that has a
reference stands beside it, taken in the same run and in turns, and its ratio is the median of five rounds or more: a
noisy machine is noisy for both. Nothing else should run meanwhile; what the hypervisor stole is reported.

PART (default: all but cluster and soak)
  odds      an incident -> all markets priced and handed to the log; a thousand live matches repriced each second
  ledger    batches of checked bets, beside an append of the same bytes and a bare batch of the same rows
  push      a change, sixty in a tick, and a goal to 5,000 subscribers, beside a bare loop of send; memory of each
  bets      durable bets by WebSocket and HTTP: CPU beside an echo and a bare batch, p99 at half load, one hot market
  overload  five times as many bets as the ledger can take: what is accepted, and how soon
  cluster   processes over Kafka and PostgreSQL, which are started for it, beside the embedded platform: a goal's way to
            the screens, bets in time, what two and four gates do each, and who uses the CPU; nothing is pinned
  soak      half load for --minutes: a line a minute on standard error, and a verdict

Latencies are taken in an open loop and count from when a request was due. A generator that was late itself publishes
none, and says so in the figure's place."""
_BENCH_EPILOG = """\
Examples:
  matchday bench push                         a table
  matchday bench odds ledger --json           for programs: {machine, noise, quick, profiled, rows: [{name, what, unit,
                                              value, reference, ratio, target, met, ...}]}
  matchday bench bets --profile bets.txt      where time goes, as text here and as stacks for a flame graph
  matchday bench ledger --engine postgres     beside a bare batch, on a server that is started for it
  matchday bench cluster                      needs PostgreSQL, Java, Maven, Redis and HAProxy
  matchday bench soak --minutes 60

Takes some minutes in all, up to 2 GB in /var/tmp, and 10,200 open files for push (`ulimit -Hn`). Exit status: 0 where
it was measured, whatever came of it; 1 where it could not be, or a soak's verdict is no; 2 for wrong words.
docs/performance.md explains each figure."""


_BACKTEST_DESCRIPTION = """\
Walk scaling policies through recorded traffic. In minute t a policy knows the trace to t - 1 and the calendar, and may
learn from days past.

Rules: one process carries --capacity requests a minute. Asked for in minute t it is ready in t + boot, is paid for from
t until it is released, and stays five minutes once ready; asking cannot be taken back. Where the trace is compressed,
boot and stay count in the new minutes.

Policies: reactive_40 ... reactive_80 (Kubernetes' rule at a target in percent), aws_hourly, seasonal_naive (a day ago
again), ours at one safety margin declared before the judged days, oracle (knows the future; at most 70 % full).

Odd files (gaps, doubles, another time zone, fixtures moved or cancelled) are said on standard error and never make a
policy shrink."""
_BACKTEST_EPILOG = """\
Examples:
  matchday forecast backtest --traffic requests_per_minute.csv --kickoffs kickoffs_utc.csv \\
      --train-until 1998-06-15 --judge-until 1998-06-23 --boot-minutes 15 --html backtest.html
  ... --json    for programs: {judged_from, judged_until, capacity, margin, findings, rows: [{policy, boot_minutes,
                compress, requests_over_capacity, requests_over_target, bill_ratio, minutes_late, decisions}, ...]}

Losses are fractions of all requests; bill_ratio is paid minutes over the oracle's. Exit status: 0 where it was walked;
1 where a file or an option cannot be used; 2 for wrong words. docs/forecast.md explains method and figures."""


def parser() -> argparse.ArgumentParser:
    """What reads the words of the command."""
    whole = argparse.ArgumentParser(
        prog="matchday",
        description="The engine room of an online betting company. `matchday up` runs all of it on this machine.",
        epilog="`matchday COMMAND --help` explains each command.",
    )
    whole.add_argument("--version", action="version", version=f"matchday {__version__}")
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")
    up = commands.add_parser(
        "up",
        help="run the platform on this machine",
        description="Run the whole platform in one process on one port, its data in one folder. Stop it with Ctrl-C; "
        "the next start takes up every match and every bet where it was.",
    )
    up.add_argument("--port", type=int, default=8000, help="port on 127.0.0.1 (default: 8000)")
    _add_platform(up)
    _add_run(commands)
    replay = commands.add_parser(
        "replay",
        help="run recorded matches through the platform, as fast as it can",
        description="Real matches through the real rooms under a virtual clock, with simulated fans. Prints a report; "
        "with --journal it writes every book, bet, decision and posting, so that an outsider can check them.",
        epilog="Open match data: Wyscout's collection on figshare (see README). Folders are searched for matches.",
    )
    replay.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="Wyscout match files or folders of them")
    replay.add_argument(
        "--meta", type=there, metavar="DIR", help="matches_*.json and teams.json (default: found nearby)"
    )
    replay.add_argument(
        "--prices",
        type=Path,
        metavar="CSV",
        help="CSV[.gz] with date, home_team, away_team, home_win, draw, away_win, over_2.5, under_2.5",
    )
    replay.add_argument(
        "--bettors", type=count(0, _MOST), default=0, metavar="N", help="simulated fans (default: none)"
    )
    replay.add_argument("--seed", type=int, default=1, help="of all chance in the run (default: 1)")
    replay.add_argument("--journal", type=Path, metavar="FILE", help="write the journal (NDJSON) here")
    replay.add_argument("--json", action="store_true", help="print the report as JSON")
    _add_sim(commands)
    _add_cluster(commands)
    _add_dead_letters(commands)
    _add_bench(commands)
    _add_settle_bench(commands)
    calc = commands.add_parser(
        "calc",
        help="calculate what slips return, as settlement would",
        description=_CALC_DESCRIPTION,
        epilog=_CALC_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    calc.add_argument("file", metavar="FILE", help="JSON: a slip or a list of slips; - reads standard input")
    _add_token(commands)
    _add_forecast(commands)
    _add_drill(commands)
    _add_ledger(commands)
    _add_capacity(commands)
    _add_autoscale(commands)
    return whole


def _add_autoscale(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    from matchday.ops.scaler.words import add_autoscale

    add_autoscale(commands)


def _add_forecast(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    from matchday.ops.record.words import add_record

    forecast = commands.add_parser(
        "forecast", help="forecast crowds from past traffic and fixtures, and say what being ready would have cost"
    )
    words = forecast.add_subparsers(dest="word", required=True, metavar="WORD")
    add_record(words)
    backtest = words.add_parser(
        "backtest",
        help="walk scaling policies through recorded traffic, minute by minute",
        description=_BACKTEST_DESCRIPTION,
        epilog=_BACKTEST_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = backtest.add_argument
    add("--traffic", type=Path, required=True, metavar="CSV", help="period, count: requests of each minute, in UTC")
    add("--kickoffs", type=Path, required=True, metavar="FILE",
        help="date_utc, kickoff_utc[, matches, stage, status, moved_from] as .csv; or an openfootball .json, a "
        "Football.TXT .txt, an iCalendar .ics")  # fmt: skip
    add("--kickoffs-zone", metavar="ZONE", help="of times that name none, such as Europe/London (not for .csv)")
    add("--train-until", metavar="DATE", help="judged days begin here, 00:00 UTC (default: after three quarters)")
    add("--judge-until", metavar="DATE", help="and end before it (default: with the last whole day)")
    add("--boot-minutes", type=int, default=10, metavar="N", help="from asking to ready, 0 to 240 (default: 10)")
    add("--compress", type=int, default=1, metavar="N", help="sum N minutes of the trace into one (default: 1)")
    add("--capacity", type=int, default=2000, metavar="N", help="requests a minute of one process (default: 2000)")
    add("--html", type=Path, metavar="FILE", help="write a page: the Pareto plot, the five worst match days")
    add("--decisions", type=Path, metavar="FILE", help="write what every policy wanted and had in each minute, as CSV")
    add("--json", action="store_true", help="print the report as JSON")


def _add_platform(command: argparse.ArgumentParser) -> None:
    """What `up` and `run` are both told."""
    data_help = "where it keeps log, ledger and key (default: data)"
    command.add_argument("--data", type=Path, default=Path("data"), metavar="DIR", help=data_help)
    command.add_argument("--seed", type=int, default=1, help="of the simulated league (default: 1)")
    command.add_argument("--feed", nargs="+", default=["simulated"], metavar="PATH", help=_FEED_HELP)
    meta_help = "Wyscout's matches and teams, if not beside the matches"
    command.add_argument("--meta", type=there, metavar="DIR", help=meta_help)
    prices_help = "bookmakers' prices for shown matches (see replay)"
    command.add_argument("--prices", type=Path, metavar="CSV", help=prices_help)
    command.add_argument("--speed", type=float, default=1.0, metavar="X", help="match seconds per second (default: 1)")
    command.add_argument("--config", type=Path, metavar="TOML", help="settings (see docs/operating.md)")


def _add_run(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    run = commands.add_parser(
        "run",
        help="run some of the rooms as one process of many",
        description=_RUN_DESCRIPTION,
        epilog=_RUN_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    run.add_argument("rooms", nargs="+", type=_room, metavar="ROOM", help=", ".join(ROOMS))
    run.add_argument("--host", metavar="ADDRESS", help="where a gate listens (setting doors.host: 127.0.0.1)")
    run.add_argument("--port", type=int, help="of a gate; 0: any that is free (setting doors.port: 8000)")
    run.add_argument("--ops-port", type=int, metavar="PORT", help="0: any that is free (setting ops.port: 9000)")
    _add_platform(run)


def _room(word: str) -> str:
    if word not in ROOMS:
        raise argparse.ArgumentTypeError(f"{word!r} is no room; they are {', '.join(ROOMS)}")
    return word


def _add_token(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    token = commands.add_parser(
        "token",
        help="sign a trader in",
        description="Print a token that signs a trader in at the platform of a data folder, signed with the key in it "
        "(file `secret`, made at the platform's first start). Whoever can read the key can make tokens, and whoever "
        "has a token can trade under its name: neither is written anywhere. A token cannot be taken back; it ends "
        "after the setting doors.token_s_max of the platform (12 hours by default). A trader cannot bet.",
        epilog='Example: TOKEN=$(matchday token --role trader --name tom); curl -H "Authorization: Bearer $TOKEN" '
        "http://127.0.0.1:8000/api/trader/fixtures/ID. docs/trading.md says what a trader can do.",
    )
    token.add_argument("--role", choices=["trader"], required=True, help="what the token allows")
    token.add_argument("--name", required=True, help="whose name stands by what is done with it")
    token.add_argument("--data", type=Path, default=Path("data"), metavar="DIR", help="the platform's (default: data)")
    token.add_argument("--config", type=Path, metavar="TOML", help="settings of the platform, for the token's life")


def _add_cluster(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    from matchday.ops.cluster_command import add_adopt, add_init
    from matchday.ops.cluster_words import DESCRIPTION, add_words

    cluster = commands.add_parser(
        "cluster",
        help="a whole cluster on this machine, for development",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    words = cluster.add_subparsers(dest="cluster_command", required=True, metavar="COMMAND")
    add_words(words)
    add_init(words)
    add_adopt(words)


def _add_drill(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    from matchday.ops.drill.restore_words import add_restore
    from matchday.ops.drill.roll_words import add_roll
    from matchday.ops.drill.words import DESCRIPTION, add_words

    drill = commands.add_parser("drill", help="what production does one day, done on purpose", description=DESCRIPTION)
    words = drill.add_subparsers(dest="drill_command", required=True, metavar="COMMAND")
    add_words(words)
    add_restore(words, _restore_drill)
    add_roll(words, _roll_drill)


def _add_ledger(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    from matchday.ops.backup.words import DESCRIPTION, add_words

    ledger = commands.add_parser(
        "ledger", help="back it up, restore it, say whether it is sound and what came after", description=DESCRIPTION
    )
    add_words(ledger.add_subparsers(dest="ledger_command", required=True, metavar="COMMAND"))


def _add_capacity(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    from matchday.ops.scale.words import add_capacity

    add_capacity(commands)


def _add_dead_letters(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    letters = commands.add_parser(
        "dead-letters",
        help="what rooms could not read or take: list it, have it said again",
        description="A record that a room cannot read, or that cannot be, is put aside with its reason, and the room "
        "goes on. What an older release could not read, a newer one may: then it can be said again. Rooms drop what "
        "newer words have overtaken. The log of a data folder belongs to its platform: stop that one first.",
        epilog="Examples: `matchday dead-letters list --json --config cluster.toml`; `matchday dead-letters retry 17`.",
    )
    words = letters.add_subparsers(dest="letters_command", required=True, metavar="COMMAND")
    listing = words.add_parser("list", help="what was put aside, the oldest first")
    listing.add_argument("--all", action="store_true", help="those that were retried, too")
    listing.add_argument("--json", action="store_true", help="for programs: {letters: [{letter, rooms, topic, ...}]}")
    retry = words.add_parser("retry", help="have records said again, at the end of their partitions")
    which = retry.add_mutually_exclusive_group(required=True)
    which.add_argument("letters", nargs="*", type=int, default=[], metavar="LETTER", help="numbers, as in list")
    which.add_argument("--all", action="store_true", help="all that were not retried")
    for command in (listing, retry):
        command.add_argument(
            "--data", type=Path, default=Path("data"), metavar="DIR", help="the platform's (default: data)"
        )
        command.add_argument("--config", type=Path, metavar="TOML", help="its settings, where its log is on servers")


def _add_sim(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    sim = commands.add_parser(
        "sim",
        help="run the whole platform under seeded faults, and check every invariant after every step",
        description="Each seed is a world: the real rooms as processes under a virtual clock, matches, fans with "
        "accounts and screens, and faults drawn from the seed. The same words run the same world anywhere. A broken "
        "invariant is printed with its story and with the command that shows it again; the exit status is then 1.",
        epilog="Examples: `matchday sim --seeds 1-200`; `matchday sim --seed 7 --faults crash,power_cut`; "
        "`matchday sim --seed 7 --shrink`. Faults: see docs/simulation.md.",
    )
    seeds = sim.add_mutually_exclusive_group()
    seeds.add_argument("--seeds", default="1-20", metavar="LIST", help="as 1-50 or 1-5,9 (default: 1-20)")
    seeds.add_argument("--seed", metavar="N", help="one seed")
    sim.add_argument("--matches", type=int, metavar="N", help="of one world (default: 1 to 3, by its seed)")
    sim.add_argument("--fans", type=int, metavar="N", help="of one world (default: 4 to 12, by its seed)")
    sim.add_argument("--faults", default="all", metavar="LIST", help="all, none, names, or -names to leave out")
    sim.add_argument("--processes", type=count(1, 1_000), metavar="N", help="seeds at once (default: one per core)")
    sim.add_argument("--stop-at-first", action="store_true", help="stop at the first broken invariant")
    sim.add_argument(
        "--shrink", action="store_true", help="look for fewer faults, fans and matches that still break it"
    )
    sim.add_argument("--journal", type=Path, metavar="FILE", help="write every step of one seed here")
    sim.add_argument("--json", action="store_true", help="print the report as JSON")


def _bench_part(word: str) -> str:
    if word not in BENCH_PARTS:
        raise argparse.ArgumentTypeError(f"{word!r} is no part; they are {', '.join(BENCH_PARTS)}")
    return word


def _add_bench(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    bench = commands.add_parser(
        "bench",
        help="measure how fast it is and at what cost, beside references in the same run",
        description=_BENCH_DESCRIPTION,
        epilog=_BENCH_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    bench.add_argument("parts", nargs="*", type=_bench_part, metavar="PART", help=", ".join(BENCH_PARTS))
    bench.add_argument(
        "--engine", choices=("sqlite", "postgres"), default="sqlite", help="of the ledger part (default: sqlite)"
    )
    bench.add_argument("--quick", action="store_true", help="a small share in seconds, to see that it works")
    bench.add_argument("--minutes", type=float, default=10, metavar="N", help="of a soak (default: 10)")
    bench.add_argument("--match", type=Path, metavar="FILE", help="a Wyscout match, for push: bytes per fan")
    bench.add_argument("--profile", type=Path, metavar="FILE", help="sample what is measured; collapsed stacks")
    bench.add_argument("--json", action="store_true", help="print the report as JSON")


def _add_settle_bench(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    bench = commands.add_parser(
        "settle-bench",
        help="measure the settlement of a million bets on one match",
        description="Make so many open bets on one match (60 % singles, the others accumulators of 2 to 8 legs "
        "whose other matches are over), end the match, and time its settlement through the rooms of `matchday up`, "
        "durably, while bets on another match arrive at a rate of their own. Only the settlement is timed; making the "
        "bets takes longer. Says time, CPU, memory (resident, sampled while settling), entries, and how long the bets "
        "took that were placed before, meanwhile and after. The exit status is 1 where a bet was not settled, or not "
        "once, or the books do not balance.",
        epilog="A million bets need some 4 GB of disk. See docs/performance.md for measured figures.",
    )
    bench.add_argument("--bets", type=int, default=1_000_000, metavar="N", help="open bets (default: 1000000)")
    bench.add_argument("--accounts", type=int, default=100_000, metavar="N", help="that placed them (default: 100000)")
    bench.add_argument("--rate", type=float, default=200.0, metavar="N", help="bets a second meanwhile (default: 200)")
    bench.add_argument(
        "--idle", type=float, default=10.0, metavar="S", help="seconds of bets before and after (default: 10)"
    )
    bench.add_argument("--core", action="store_true", help="the ledger's core alone: no rooms, no bets meanwhile")
    bench.add_argument("--data", type=Path, metavar="DIR", help="an empty or new folder (default: a temporary one)")
    bench.add_argument("--seed", type=int, default=1, help="of the bets (default: 1)")
    bench.add_argument("--json", action="store_true", help="print the report as JSON")


def _restore_drill(options: argparse.Namespace) -> int:
    from matchday.sim.restore_drill_command import restore

    return restore(options)


def _roll_drill(options: argparse.Namespace) -> int:
    from matchday.bench.roll_drill import drill_roll

    return drill_roll(options)
