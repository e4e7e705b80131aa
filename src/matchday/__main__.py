"""The command ``matchday``."""

import argparse
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence

from matchday.commands import parser
from matchday.ended import Ended, ended_by_signals, nobody_reads
from matchday.words import WordsError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit status is 0, 1 for a failure that is explained, 2 for wrong words, and 128 and a signal's
    number where one ended it, as shells have it: 130 where it was interrupted."""
    options = parser().parse_args(arguments)
    options.tell = None  # (level, text), where what the command says is for programs
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    commands: dict[str, Callable[[argparse.Namespace], int]] = {
        "up": _up,
        "run": _run,
        "replay": _replay,
        "sim": _sim,
        "cluster": _cluster,
        "dead-letters": _dead_letters,
        "bench": _bench,
        "settle-bench": _settle_bench,
        "calc": _calc,
        "token": _token,
        "forecast": _forecast,
        "drill": _drill,
        "ledger": _ledger,
        "capacity": _capacity,
        "autoscale": _autoscale,
    }
    command = commands[options.command]
    from matchday.app import StartError
    from matchday.backends.errors import BackendError
    from matchday.config import SettingsError
    from matchday.feeds.prices import PricesError
    from matchday.ops.backup import BackupError
    from matchday.ops.capacity import CapacityError
    from matchday.ops.cluster_state import ClusterError
    from matchday.ops.drill import DrillError
    from matchday.ops.forecast.problems import ForecastError
    from matchday.ops.scaler.problems import ScalerError

    explained = (
        StartError, SettingsError, BackendError, PricesError, ClusterError, ForecastError, DrillError, BackupError,
        CapacityError, ScalerError,
    )  # fmt: skip

    try:
        with ended_by_signals():
            status = command(options)
            sys.stdout.flush()
            return status
    except explained as error:
        _tell(options, logging.ERROR, str(error))
        return 1
    except WordsError as error:
        _tell(options, logging.ERROR, str(error))
        return 2
    except BrokenPipeError:
        if not nobody_reads():
            raise
        # Whoever read our output has read enough; nothing is to be flushed at the end either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except Ended as ended:
        _tell(options, logging.WARNING, ended.number.name)
        return 128 + ended.number
    except KeyboardInterrupt:
        _tell(options, logging.WARNING, "interrupted")
        return 130


def _tell(options: argparse.Namespace, level: int, text: str) -> None:
    """Why it ends, for whoever reads it: people, or programs where the settings say so."""
    if options.tell is None:
        sys.stderr.write(f"matchday: {text}\n")
    else:
        options.tell(level, text)


def _up(options: argparse.Namespace) -> int:
    from matchday.cli import up

    return up(options)


def _run(options: argparse.Namespace) -> int:
    from matchday.cli import run

    return run(options)


def _sim(options: argparse.Namespace) -> int:
    from matchday.sim.command import sim

    return sim(options)


def _cluster(options: argparse.Namespace) -> int:
    if options.cluster_command == "replay":
        from matchday.sim.through_command import replay_through

        return replay_through(options)
    if options.cluster_command == "audit":
        from matchday.bench.audit.command import audit

        return audit(options)
    from matchday.cli import cluster

    return cluster(options)


def _dead_letters(options: argparse.Namespace) -> int:
    from matchday.cli import dead_letters

    return dead_letters(options)


def _bench(options: argparse.Namespace) -> int:
    from matchday.bench.command import bench

    return bench(options)


def _settle_bench(options: argparse.Namespace) -> int:
    from matchday.cli import settle_bench

    return settle_bench(options)


def _replay(options: argparse.Namespace) -> int:
    from matchday.cli import replay

    return replay(options)


def _calc(options: argparse.Namespace) -> int:
    from matchday.cli import calc

    return calc(options)


def _token(options: argparse.Namespace) -> int:
    from matchday.cli import token

    return token(options)


def _forecast(options: argparse.Namespace) -> int:
    if options.word == "record":
        from matchday.ops.record.command import record

        return record(options)
    from matchday.ops.forecast.command import forecast

    return forecast(options)


def _drill(options: argparse.Namespace) -> int:
    drill: Callable[[argparse.Namespace], int] = options.drill
    return drill(options)


def _ledger(options: argparse.Namespace) -> int:
    from matchday.ops.backup.command import ledger

    return ledger(options)


def _capacity(options: argparse.Namespace) -> int:
    from matchday.ops.scale.command import capacity

    return capacity(options)


def _autoscale(options: argparse.Namespace) -> int:
    from matchday.ops.scaler.command import autoscale

    return autoscale(options)


if __name__ == "__main__":
    sys.exit(main())
