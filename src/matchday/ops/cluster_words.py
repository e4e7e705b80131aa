"""The words of a local cluster: ``matchday cluster up | status | scale | logs | replay | down``."""

import argparse
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from matchday.ops.cluster_local import LINES, Cluster, Report, Wish
from matchday.ops.cluster_rooms import GATES_MAX, ROOMS, ROOMS_MAX
from matchday.ops.cluster_state import ClusterError
from matchday.output import write_json

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
_NAMES: Final = ", ".join(ROOMS)


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
    up.add_argument("--port", type=int, default=8000, help="of the balancer on 127.0.0.1 (default: 8000)")
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
    logs = commands.add_parser("logs", help="the end of what processes wrote")
    logs.add_argument("names", nargs="*", metavar="NAME", help="as in status (default: all)")
    logs.add_argument("--lines", type=int, default=LINES, metavar="N", help=f"of each (default: {LINES})")
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
    down = commands.add_parser("down", help="drain and end all of it; what the engines hold stays")
    for command in (up, status, scale, logs, replay, down):
        command.add_argument("--state", type=Path, default=Path("cluster"), metavar="DIR", help="default: cluster")


def room_count(word: str) -> tuple[str, int]:
    """``odds=3``."""
    room, _, number = word.partition("=")
    most = GATES_MAX if room == "gate" else ROOMS_MAX
    if room not in ROOMS or not number.isdecimal() or not 0 <= int(number) <= most:
        raise argparse.ArgumentTypeError(
            f"{word!r}: expected ROOM=N with a room of {_NAMES} and N up to {ROOMS_MAX} ({GATES_MAX} gates)"
        )
    return room, int(number)


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
                raise ClusterError(f"--{word} goes with --with-engines: what --config names is not started here")
        if options.ha and options.brokers == 1:
            raise ClusterError("--ha starts three brokers: leave out --brokers")
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
            table.add_row(one.name, str(one.pid), str(one.port or ""), str(one.ops_port or ""), state)
        Console().print(table)
    return 0 if report.whole else 1
