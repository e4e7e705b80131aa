#!/usr/bin/env python3
"""Checks the journal of a replay against the provider's files and the rules of the house, on its own.

Owns: a second derivation, from the written rules alone, of what every line of a journal must say. It shares no code
with the platform and needs only the standard library, so that a fault of the platform cannot hide in it.
Hears: a journal (NDJSON, one object a line, in causal order) and Wyscout match files with their meta data.
Says: what the journal has of each kind, a table of checks with counts, the first differences with their lines, and
what could not be derived (`unchecked`).
Never: reads a decision to learn who won, never repairs, never passes silently over what it cannot judge.

    python tests/check_journal.py JOURNAL PATH… [--meta DIR] [--json]    status 1: something differs; 2: wrong words

The folder `journal_check` is the check. `Asks` has when each question was due and what was told; `Questions` derives
the answers to bets, by `Rules` and `Guards`, `CashOuts` those to cash-outs; `Books` and `Decisions` what was offered
and what it came to; `Ledger` every entry, and at the end what everybody has.

# The journal

Every line has `t_ms` (milliseconds since 1970, never less than before) and `kind`. Money is in minor units, a price is
a decimal string. A line stands where the gate or the ledger had it. The kinds, what they say, and their fields:

    settings     first of all, the limits of acceptance: those of [bets] in the settings, by their names
    fixture      a match was announced: fixture home away kickoff_ms void_at_ms knockout source
    incident     something happened in it: fixture seq type side period clock_s score
    result       how it ended, or that it is postponed: fixture seq status reason period score
    book         markets changed, each told whole: fixture epoch n cause markets (market type line status generation,
                 stake_max where a trader set one, selections: selection outcome price)
    alive        when the owner of the books was last heard, told where a bet may depend on it: heard_ms
    account      opened, or of another status: account currency status; when opened also stake_per_day
    limit        a fan set a limit of his own: id account limit amount (null: none) answer
    free_bet     one was given, or was to be taken back: free_bet account action answer; when given also amount
                 currency until_ms
    ask          a fan asks the gate for a bet: ask (its number) id account PAYLOAD
    bet          the ledger took it under an id that was new: id account ANSWER PAYLOAD; until_ms where it is pending
    retry        the ledger was asked again under an id that it knew: id account answer bet
    trader       a trader answers a referral: ask id account accept reason stake prices
    referral     the ledger took that, or the end of its time: id account ANSWER offer (offer stake prices until_ms)
    told         who asked was answered: ask answer bet
    decision     what a selection came to: fixture market selection result (or undecided) void_share dead_heat version
    confirmed    all decisions of a match up to a version are confirmed: fixture version cause
    window       bets placed in it are void on a match: fixture version from_ms until_ms
    quote        a fan was told what a bet would be cashed out for: quote (its number) account bet stake answer (offered
                 or why not) amount until_ms standing
    ask_cash_out a fan takes a quote up: ask id account bet stake asked quote
    cash_out     the ledger took that under an id that was new, or one by a bet's own threshold: id account answer
                 balance bet stake asked offered standing automatic
    cash_out_at  a fan sets such a threshold: id account bet amount (null: none) answer
    posting      one of an entry; those of one entry stand together, behind what they belong to: entry account amount
                 currency bet reason
    state        how a bet stands after a settlement or a cash-out: bet status returns version owed cashed cash
    balance      at the end, what every account has: account balance
    statement    at the end, what a fan reads, newest first: account entries ([entry, amount, reason, bet])
    totals       at the end, the sum over all accounts: totals (by currency)
    exposures    at the end, what is held of exposures and is not zero: held (by name)

PAYLOAD is what an id stands for: currency stake policy type tolerance free_bet refer offer legs; each leg with the
fixture market selection price generation that the fan saw, a combination also with parts: market selection generation.
ANSWER is: answer (accepted; pending, where a trader is asked; a refusal by its name), bet, prices (at which the gate
would take the legs), balance (the fan's, after it), stake_max (that would have been taken). Who asks may also be told
busy or unavailable, of the moment: then nothing was recorded.
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
    for path in (*options.paths, *([options.meta] if options.meta else [])):
        if not path.exists():
            return _wrong(f"{path}: there is no such file or folder; name the provider's")
    try:
        lines = options.journal.open("rb")
    except OSError as error:
        return _wrong(f"journal {options.journal}: {error.strerror}; name what `matchday replay --journal` wrote")
    journal = Journal(Provider(options.paths, options.meta))
    with lines:
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


def _wrong(text: str) -> int:
    sys.stderr.write(f"check_journal: {text}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
