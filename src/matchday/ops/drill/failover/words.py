"""The words of ``matchday drill failover``."""

import argparse


def add_failover(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The command."""
    failover = commands.add_parser("failover", help="one fault after another under load; what it cost, in a table")
    failover.add_argument("--json", action="store_true", help="print the report as JSON")
    failover.set_defaults(drill=_failover)


def _failover(options: argparse.Namespace) -> int:
    from matchday.ops.drill.failover.command import failover

    return failover(options)
