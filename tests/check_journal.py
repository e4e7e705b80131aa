#!/usr/bin/env python3
"""Checks the journal of a replay against the provider's files and the rules of the house, on its own.

Owns: a second derivation, from the written rules alone, of what every line of a journal must say. It shares no code
with the platform and needs only the standard library, so that a fault of the platform cannot hide in it.
Hears: a journal (NDJSON, one object a line, in causal order) and Wyscout match files with their meta data.
Says: what the journal has of each kind, a table of checks with counts, the first differences with their lines, and
what could not be derived (`unchecked`).
Never: reads a decision to learn who won, never repairs, never passes silently over what it cannot judge.

    python tests/check_journal.py JOURNAL PATH… [--meta DIR] [--json]      exit status 1 when anything differs

The folder `journal_check` is the check. `Questions` derives each answer and when it was due, by `Rules` and `Guards`;
`Books` and `Decisions` what was offered and what it came to; `Ledger` every entry, and at the end what everybody has.

# The journal

Every line has `t_ms` (milliseconds since 1970, never less than before) and `kind`. Money is in minor units, a price is
a decimal string; `…` are more of the same. A line stands where the gate or the ledger had it.

| kind | says | fields |
| --- | --- | --- |
| `settings` | first of all: the limits of acceptance | those of `[bets]`, by their names |
| `fixture` | a match was announced | `fixture` `home` `away` `kickoff_ms` `void_at_ms` `knockout` `source` |
| `incident` | something happened in it | `fixture` `seq` `type` `side` `period` `clock_s` `score` |
| `result` | how it ended, or that it is postponed | `fixture` `seq` `status` `reason` `period` `score` |
| `book` | markets changed, each told whole | `fixture` `epoch` `n` `cause` `markets`: `market` `type` `line` `status` `generation` `stake_max` (where a trader set one) `selections`: `selection` `outcome` `price` |
| `alive` | when the owner of the books was last heard; told where a bet may depend on it | `heard_ms` |
| `account` | opened, or of another status | `account` `currency` `status`, opened also `stake_per_day` |
| `limit` | a fan's own limit was set | `id` `account` `limit` `amount` (null: none) `answer` |
| `free_bet` | one was given, or was to be taken back | `free_bet` `account` `action` `answer`, given also `amount` `currency` `until_ms` |
| `ask` | a fan asks the gate for a bet | `ask` (its number) `id` `account` and the *payload* |
| `bet` | the ledger took it under an id that was new | `id` `account` `answer` `bet` `prices` `balance` `stake_max` `until_ms` and the payload |
| `retry` | the ledger was asked again under an id that it knew | `id` `account` `answer` `bet` |
| `trader` | a trader answers a referral | `ask` `id` `account` `accept` `reason` `stake` `prices` |
| `referral` | the ledger took that, or the end of the time | as `bet` without the payload, and `offer`: `offer` `stake` `prices` `until_ms` |
| `told` | who asked was answered | `ask` `answer` `bet` |
| `decision` | the ledger holds what a selection came to | `fixture` `market` `selection` `result` (or `undecided`) `void_share` `dead_heat` `version` |
| `confirmed` | all decisions up to a version are confirmed | `fixture` `version` `cause` |
| `window` | bets placed in it are void on a fixture | `fixture` `version` `from_ms` `until_ms` |
| `cash_out` | a fan wants a bet paid out, all (0) or part of its stake | `id` `account` `bet` `stake` `asked` `offered` `standing` `answer` |
| `posting` | one of an entry; those of one entry stand together, behind what they belong to | `entry` `account` `amount` `currency` `bet` `reason` |
| `state` | how a bet stands after a settlement or a cash-out | `bet` `status` `returns` `version` `owed` `cashed` `cash` |
| `balance` | at the end: what every account has | `account` `balance` |
| `statement` | at the end: every entry of a fan, newest first | `account` `entries`: [entry, amount, reason, bet] |
| `totals` | at the end: the sum over all accounts | `totals` by currency |
| `exposures` | at the end: what is held of exposures, if not zero | `held` by name |

The *payload* is what an id stands for: `currency` `stake` `policy` `type` `tolerance` `free_bet` `refer` `offer`
`legs`, each leg with the `fixture` `market` `selection` `price` `generation` that the fan saw; a combination has `parts`
instead: `market` `selection` `generation`. `answer` is `accepted`, `pending` (a trader is asked), a refusal by name, or of
the moment (`busy`, `unavailable`: then nothing was recorded). `prices` are those at which the gate would take the legs, and
at which they are taken. `balance` is the fan's after the answer; `stake_max` the stake that would have been taken.
"""

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
