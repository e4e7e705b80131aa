"""``python -m matchday.bench.hosted [--slow-commit-ms=N] [--profile=FILE] up …``: the command, with a slower disk under
its ledger, or watched by a sampler. What it runs is otherwise what ``matchday up`` runs."""

import argparse
import runpy
import sys
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from matchday.backends.ledger_sqlite import Batch, Committed, SqliteLedgerCore
from matchday.bench.sampler import sampled


def slow_down(commit_ms: float) -> None:
    """From now on every commit of a ledger takes so many milliseconds longer, on its writer's thread."""
    never, commit = threading.Event(), SqliteLedgerCore.commit_joined

    def slowly(core: SqliteLedgerCore, batch: Batch) -> Committed:
        never.wait(commit_ms / 1e3)
        return commit(core, batch)

    SqliteLedgerCore.commit_joined = slowly  # type: ignore[method-assign,assignment]


def host(words: Sequence[str]) -> None:
    """Run the command. SystemExit says how it ended."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--slow-commit-ms", type=float, default=0)
    parser.add_argument("--profile", type=Path)
    options, command = parser.parse_known_args(words)
    with ExitStack() as stack:
        if options.slow_commit_ms:
            slow_down(options.slow_commit_ms)
        if options.profile is not None:
            stack.enter_context(sampled(options.profile))
        sys.argv = ["matchday", *command]
        runpy.run_module("matchday", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    host(sys.argv[1:])
