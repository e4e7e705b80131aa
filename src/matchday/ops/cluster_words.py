"""The words of a local cluster: ``matchday cluster up | status | scale | logs | replay | audit | down``."""

import argparse
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from matchday.config import PORT_MAX
from matchday.ops.cluster_canary import Budget
from matchday.ops.cluster_local import LINES, Cluster, Report, Wish
from matchday.ops.cluster_release import release_of
from matchday.ops.cluster_roll import Order, RollReport
from matchday.ops.cluster_rooms import GATES_MAX, ROOMS, ROOMS_MAX
from matchday.output import write_json
from matchday.words import WordsError, count, within

DESCRIPTION: Final = """\
A whole cluster on this machine: every room as processes of its own (`matchday run`), gates behind HAProxy, over Kafka
and PostgreSQL. It is a development tool: nothing that ends is started again by itself, and nobody promotes a standby.
In production a scheduler such as Kubernetes starts the same processes (docs/operating.md)."""
_UP: Final = """\
Start what does not run yet of a cluster, and return when all of it is ready. Engines are those that --config names, or,
with --with-engines, some that are started here: PostgreSQL with a synchronous standby, Kafka, Redis. With --ha nothing
is there only once: three PostgreSQL nodes under Patroni and etcd, three brokers, Redis with a replica and Sentinels,
two balancers, each at a loopback address of its own (docs/failover.md). All files are in one folder (--state), those of
engines too; what the engines hold stays there when the cluster goes down. Said again, `up` starts what has ended.

Needs haproxy (and postgresql, redis, Java 17 and Maven for the engines; patroni and etcd for --ha): on Debian,
apt-get install haproxy postgresql redis-server openjdk-17-jre-headless maven patroni etcd-server"""
_REPLAY: Final = """\
Play the accepted bets of a journal (`matchday replay ... --journal FILE`) through a cluster's engines, in lock-step
with its log, and compare what comes of it with what the journal says: every answer, price, decision and settlement on
the way, every bet, balance and statement at the end. This command is the provider, the odds and a gate; settlement and
relay are the cluster's. Odds and feed must not run there, nor may it have been told of the matches before.

Example:
  matchday replay world_cup/2058012.json --bettors 100 --journal journal.ndjson
  matchday cluster up --with-engines --rooms odds=0 feed=0
  matchday cluster replay journal.ndjson"""
_ROLL: Final = """\
Replace the processes of rooms (default: of all) while fans bet: each new one is ready before an old one is told to
stop; gates are drained, shares handed over. --release names the code of the new ones: a virtual environment with
Matchday in it, or a folder of sources. Without it they run what the command itself is. Where all run that already, all
are started anew.

With --canary so large a share of the gates is tried first, beside the others, and taken back by itself where it costs
more than its budget. Where something is not as it must be the roll stops, and what ran goes on; said again it goes on
with what is left, and --back brings back what ran before.

Examples:
  matchday cluster roll                                    every process anew, one after the other
  matchday cluster roll --release ../next/.venv --canary 0.25 --watch 60
  matchday cluster roll gate --back"""
_AUDIT: Final = """\
Watch a running cluster with many screens while its processes come and go, and see that nobody misses a message without
being told. An odds owner is stopped, added and killed, two gates become four, half of the screens come back to the new
ones, and four gates become two again; meanwhile every screen checks each frame that it is told (epoch, from, to), and
fans bet on whichever gate answers. At the end what screens held is compared with what the log adds up to, and every
gate is asked for every bet. Processes are left as they then are: two gates, two odds owners.

Example:
  matchday cluster up --with-engines --speed 4
  matchday cluster audit --watchers 1000"""
_NAMES: Final = ", ".join(ROOMS)
WATCHERS: Final = 1_000
WATCHERS_MAX: Final = 20_000


def add_words(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The commands of a local cluster."""
    raw = argparse.RawDescriptionHelpFormatter
    up = commands.add_parser("up", help="start a cluster on this machine", description=_UP, formatter_class=raw)
    engines = up.add_mutually_exclusive_group(required=True)
    engines.add_argument("--config", type=Path, metavar="TOML", help="settings that name log and ledger")
    engines.add_argument("--with-engines", action="store_true", help="start PostgreSQL, Kafka and Redis too")
    up.add_argument(
        "--ha", action="store_true", help="with --with-engines: each of which there are others to take over"
    )
    up.add_argument(
        "--brokers", type=int, choices=(1, 3), help="of Kafka, with --with-engines (default: 1; with --ha, 3)"
    )
    up.add_argument(
        "--port", type=count(1, PORT_MAX), default=8000, help="of the balancer on 127.0.0.1 (default: 8000)"
    )
    usual = " ".join(f"{room}={count}" for room, count in ROOMS.items())
    rooms_help = f"processes of each room (default: {usual})"
    up.add_argument("--rooms", nargs="+", type=room_count, default=[], metavar="ROOM=N", help=rooms_help)
    up.add_argument("--seed", type=int, default=1, help="of the simulated league (default: 1)")
    up.add_argument("--speed", type=float, default=1.0, metavar="X", help="match seconds per second (default: 1)")
    status = commands.add_parser("status", help="what runs, at which ports, and whether it is ready")
    status.add_argument("--json", action="store_true", help="for programs: {door, members: [{name, room, pid, ...}]}")
    scale = commands.add_parser(
        "scale",
        help="more or fewer processes of a room",
        description="Start further processes of a room, or drain some. A gate that is drained gets nobody new, sends "
        "its clients to the others, each at a moment of its own, answers what it was asked, and ends.",
    )
    scale.add_argument("rooms", nargs="+", type=room_count, metavar="ROOM=N", help=f"of {_NAMES}")
    roll = commands.add_parser(
        "roll", help="another release, or all anew, while fans bet", description=_ROLL, formatter_class=raw,
        epilog="Exit status: 0 where it was done; 1 where it stopped, with why and what to do.",
    )  # fmt: skip
    _add_roll(roll)
    logs = commands.add_parser("logs", help="the end of what processes wrote")
    logs.add_argument("names", nargs="*", metavar="NAME", help="as in status (default: all)")
    logs.add_argument(
        "--lines", type=count(1, 1_000_000), default=LINES, metavar="N", help=f"of each (default: {LINES})"
    )
    replay = commands.add_parser(
        "replay",
        help="play a journal's bets through the engines, to the same money",
        description=_REPLAY,
        epilog="Exit status: 0 where all came to the same, 1 where anything differs or the cluster did not follow.",
        formatter_class=raw,
    )
    replay.add_argument("journal", type=Path, metavar="JOURNAL", help="as `matchday replay --journal` writes it")
    replay.add_argument("--config", type=Path, metavar="TOML", help="settings that name log and ledger (not --state)")
    replay.add_argument("--json", action="store_true", help="print the report as JSON")
    audit = commands.add_parser(
        "audit",
        help="watch it while its processes come and go: nobody may miss a message untold",
        description=_AUDIT,
        epilog="Exit status: 0 where nobody missed anything untold, 1 where anybody did.",
        formatter_class=raw,
    )
    how_many = f"screens (default: {WATCHERS})"
    audit.add_argument("--watchers", type=watchers, default=WATCHERS, metavar="N", help=how_many)
    audit.add_argument("--json", action="store_true", help="print the report as JSON")
    down = commands.add_parser("down", help="drain and end all of it; what the engines hold stays")
    for command in (up, status, scale, roll, logs, replay, audit, down):
        command.add_argument("--state", type=Path, default=Path("cluster"), metavar="DIR", help="default: cluster")


def _add_roll(roll: argparse.ArgumentParser) -> None:
    budget = Budget()
    roll.add_argument("rooms", nargs="*", metavar="ROOM", help=f"of {_NAMES} (default: all)")
    which = roll.add_mutually_exclusive_group()
    which.add_argument("--release", type=Path, metavar="DIR", help="the code of the new processes")
    which.add_argument("--back", action="store_true", help="to what each room ran before the last roll")
    roll.add_argument("--at-once", type=int, default=1, metavar="N", help="processes of a room at a time (default: 1)")
    roll.add_argument("--canary", type=float, default=0.0, metavar="SHARE", help="of the gates, such as 0.25")
    add = roll.add_argument
    add("--watch", type=float, default=budget.seconds, metavar="S",
        help=f"seconds that the canary is watched (default: {budget.seconds:g})")  # fmt: skip
    add("--errors-max", type=float, default=budget.errors_max, metavar="SHARE",
        help=f"5xx and broken connections beyond the share of the others (default: {budget.errors_max:g})")  # fmt: skip
    add("--slower-max", type=float, default=budget.slower_max, metavar="X",
        help=f"times the others' mean that its answers may take (default: {budget.slower_max:g})")  # fmt: skip
    add("--requests-min", type=int, default=budget.requests_min, metavar="N",
        help=f"without which nothing is said of it (default: {budget.requests_min})")  # fmt: skip
    roll.add_argument("--json", action="store_true", help="print the report as JSON")


def order_of(options: argparse.Namespace) -> Order:
    """What ``roll`` was told. WordsError or ClusterError names what cannot be."""
    if unknown := [room for room in options.rooms if room not in ROOMS]:
        raise WordsError(f"{unknown[0]!r} is no room; they are {_NAMES}")
    within(
        options, at_once=(1, ROOMS_MAX), canary=(0, 1), watch=(1, 86_400), errors_max=(0, 1), slower_max=(1, 1_000),
        requests_min=(1, 10**9),
    )  # fmt: skip
    budget = Budget(seconds=options.watch, errors_max=options.errors_max, slower_max=options.slower_max,
                    requests_min=options.requests_min)  # fmt: skip
    return Order(
        rooms=options.rooms or tuple(ROOMS), release=release_of(options.release), back=options.back,
        at_once=options.at_once, canary=options.canary, budget=budget,
    )  # fmt: skip


def room_count(word: str) -> tuple[str, int]:
    """``odds=3``."""
    room, _, number = word.partition("=")
    most = GATES_MAX if room == "gate" else ROOMS_MAX
    if room not in ROOMS or not number.isdecimal() or not 0 <= int(number) <= most:
        raise argparse.ArgumentTypeError(
            f"{word!r}: expected ROOM=N with a room of {_NAMES} and N up to {ROOMS_MAX} ({GATES_MAX} gates)"
        )
    return room, int(number)


def watchers(word: str) -> int:
    """How many screens."""
    if not word.isdecimal() or not 1 <= int(word) <= WATCHERS_MAX:
        raise argparse.ArgumentTypeError(f"{word!r}: expected a number from 1 to {WATCHERS_MAX}")
    return int(word)


class Local:
    """Does what the words say."""

    def __init__(self, secret: Callable[[], bytes], init: Callable[[Path], None]) -> None:
        """``secret`` makes a key, ``init`` prepares the engines that settings name."""
        self._secret, self._init = secret, init

    def __call__(self, options: argparse.Namespace) -> int:
        """The exit status: 0, or 1 where ``status`` finds that something is not ready."""
        cluster = Cluster(options.state, _say, self._secret)
        match options.cluster_command:
            case "up":
                self._up(cluster, options)
            case "scale":
                cluster.scale(dict(options.rooms))
            case "roll":
                _print_roll(cluster.roll(order_of(options)), as_json=options.json)
            case "logs":
                _print_logs(cluster.logs(options.names, options.lines))
            case "down":
                cluster.down()
                _say("the cluster is down")
            case _:
                return _print_status(cluster.report(), as_json=options.json)
        return 0

    def _up(self, cluster: Cluster, options: argparse.Namespace) -> None:
        for word in ("brokers", "ha"):
            if getattr(options, word) and not options.with_engines:
                raise WordsError(f"--{word} goes with --with-engines: what --config names is not started here")
        if options.ha and options.brokers == 1:
            raise WordsError("--ha starts three brokers: leave out --brokers")
        wish = Wish(
            door=options.port, rooms={**ROOMS, **dict(options.rooms)}, config=options.config,
            brokers=options.brokers or 1, available=options.ha,
            words=("--seed", str(options.seed), "--speed", f"{options.speed:g}"),
        )  # fmt: skip
        state = cluster.up(wish, self._init)
        _say(f"Matchday's cluster is up: {', '.join(state.doors)}  (`matchday cluster down` ends it)")


def _print_logs(logs: Iterable[tuple[str, str]]) -> None:
    for name, text in logs:
        sys.stdout.write(f"--- {name}\n{text}\n")


def _print_roll(report: RollReport, *, as_json: bool) -> None:
    if as_json:
        write_json(report)
        return
    if report.canary is not None:
        seen = report.canary.canary
        _say(f"canary: good, with {seen.requests} requests, {seen.failed} failed, {seen.answer_ms:g} ms")
    for one in report.replaced:
        _say(f"{', '.join(one.old)} -> {', '.join(one.new)} in {one.seconds:g} s")
    _say(f"rolled {', '.join(report.releases)} in {report.seconds:g} s")


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _print_status(report: Report, *, as_json: bool) -> int:
    if as_json:
        write_json(report)
    else:
        from rich.console import Console  # slow to load, and most commands print none
        from rich.table import Table

        table = Table("process", "pid", "door", "ops", "state", title=report.door, title_justify="left")
        for one in report.members:
            state = "ready" if one.ready else "; ".join(one.reasons) or "not ready"
            state += f" ({one.release})" if one.release else ""
            table.add_row(one.name, str(one.pid), str(one.port or ""), str(one.ops_port or ""), state)
        Console().print(table)
    return 0 if report.whole else 1
