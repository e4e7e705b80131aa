#!/usr/bin/env python3
"""Checks the journal of a replay."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.journal_check.journal import Journal
from tests.journal_check.provider import Provider


def main(arguments: list[str] | None = None) -> int:
    """The command: 0 when nothing differs, 1 when something does, 2 when it was called wrongly."""
    parser = argparse.ArgumentParser(description="Checks a replay's journal against the provider's files.")
    parser.add_argument("journal", type=Path)
    parser.add_argument("paths", type=Path, nargs="+", help="Wyscout match files, or folders of them")
    parser.add_argument("--meta", type=Path, help="folder of matches_*.json[.gz]; by default `meta` beside the paths")
    parser.add_argument("--json", action="store_true", help="a report for programs")
    options = parser.parse_args(arguments)
    started = time.perf_counter()
    journal = Journal(Provider(options.paths, options.meta))
    with options.journal.open("rb") as lines:
        for line in lines:
            journal.feed(line)
    report = journal.finish()
    seconds = time.perf_counter() - started
    if options.json:
        summary = {"lines": journal.line, "seconds": round(seconds, 2), **report.as_json()}
        sys.stdout.write(json.dumps(summary, indent=1) + "\n")
    else:
        sys.stdout.write(f"{report.as_table()}\n{journal.line} lines in {seconds:.1f} s\n")
    return 1 if report.differing.total() else 0


if __name__ == "__main__":
    sys.exit(main())
