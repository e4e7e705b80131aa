"""What ``matchday ledger`` does: words in, backups and reports out."""

import argparse
import asyncio
import signal
import sys
import threading
from typing import Final

import msgspec

from matchday.app.aftermath import Aftermath
from matchday.app.restored import after, at_server, rejoin
from matchday.app.sound import Books, Soundness, look
from matchday.app.stores import open_books
from matchday.backends.clock_wall import WallClock
from matchday.config import Settings, load
from matchday.model.money import format_amount
from matchday.ops.backup import BackupError, embedded, moment, read_named, shown
from matchday.ops.backup.archive import Archive
from matchday.ops.backup.base import take
from matchday.ops.backup.restoring import Restored, Restoring
from matchday.ops.backup.server import Asked
from matchday.ops.engines import free_ports
from matchday.output import write_json
from matchday.ports import LedgerUnavailable, LogUnavailable
from matchday.progress import steps
from matchday.words import WordsError

_SHOWN: Final = 20
_ANY: Final = "user=matchday dbname=matchday"


class RestoreReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was restored."""

    backup_ended_ms: int
    server: Restored | None
    """None: it is a data folder."""
    books: Soundness


def ledger(options: argparse.Namespace) -> int:
    """The exit status."""
    try:
        return _ledger(options)
    except (LedgerUnavailable, LogUnavailable) as error:
        raise BackupError(f"a store does not answer: {error}; see settings ledger and log") from error


def _ledger(options: argparse.Namespace) -> int:
    settings = load(options.config)
    if server := getattr(options, "server", ""):
        settings = at_server(settings, server)
    match options.ledger_command:
        case "backup":
            return _backup(options, settings)
        case "archive":
            return _archive(options, settings)
        case "restore":
            return _restore(options, settings)
        case "verify":
            _check_accounts(options)
            with open_books(settings, options.data) as books:
                return _told(_looked(books, options.accounts), options)
        case "after":
            found = after(settings, options.data, options.former)
            if options.json:
                write_json(found)
            else:
                _print_after(found)
            return 0
        case _:
            return _rejoin(options, settings)


def _looked(books: Books, accounts: int | None) -> Soundness:
    """Whether they are sound, with bars on a terminal meanwhile: a large ledger takes minutes."""
    with steps() as (progress, _):
        return look(books, accounts, progress)


def _check_accounts(options: argparse.Namespace) -> None:
    if options.accounts is not None and options.accounts < 1:
        raise WordsError(f"--accounts {options.accounts} looks at none; name one at least")


# --- backups ----------------------------------------------------------------------------------------------------------


def _backup(options: argparse.Namespace, settings: Settings) -> int:
    if settings.ledger.kind == "postgres":
        backup = take(_server(settings, options.user), options.into.absolute(), settings.postgres.platform)
    else:
        with asyncio.Runner() as runner:
            now_ms = WallClock(runner.get_loop()).now_ms
            backup = embedded.take(options.data, options.into.absolute(), settings.postgres.platform, now_ms)
    if options.json:
        write_json(backup)
    else:
        _say(f"{options.into}: whole and checked, with all that was answered before {shown(backup.began_ms)}")
    return 0


def _server(settings: Settings, user: str = "") -> Asked:
    if not settings.postgres.address:
        raise BackupError("setting postgres.address is missing; say where the ledger is (--config TOML)")
    return Asked(settings.postgres.address, user)


def _archive(options: argparse.Namespace, settings: Settings) -> int:
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    server = _server(settings, options.user)
    _say(f"receiving the write-ahead log into {options.into} (SIGTERM ends it)")
    Archive(options.into).receive(server, stopped, _say, options.slot)
    return 0


def _restore(options: argparse.Namespace, settings: Settings) -> int:
    backup, restored = read_named(options.backup), None
    _check_accounts(options)
    if backup.kind == "postgres":
        address = settings.postgres.address or _ANY
        server = Asked(address).here(options.port or free_ports(1)[0])
        restored = Restoring(options.backup, options.into, options.archive, options.to, server).run(_say)
        settings = at_server(settings, server.whole("matchday"))
    else:
        for word, given in (("--archive", options.archive), ("--port", options.port)):
            if given:
                raise BackupError(
                    f"{word} {given}: {options.backup} is of an embedded ledger, and needs none; leave it out"
                )
        with asyncio.Runner() as runner:
            embedded.restore(options.backup, options.into, options.to, WallClock(runner.get_loop()).new_id)
    with open_books(settings, options.into) as books:
        found = _looked(books, options.accounts)
    if options.json:
        write_json(RestoreReport(backup_ended_ms=backup.ended_ms, server=restored, books=found))
        return 0 if found.sound else 1
    if restored is not None:
        _say(f"{restored.folder} runs: {restored.address}\nlast commit: {restored.last_commit or 'of the backup'}; "
             f"first that it lacks: {restored.next_commit or 'none is known'}")  # fmt: skip
    return _told(found, options)


def _told(found: Soundness, options: argparse.Namespace) -> int:
    if options.json:
        write_json(found)
    else:
        for fault in found.faults[:_SHOWN]:
            _say(f"fault: {fault}")
        said = "sound" if found.sound else f"NOT SOUND, {found.faults_total} faults"
        _say(
            f"{said}: {found.entries} entries, the last {found.last_entry} at {shown(found.last_entry_ms)}; "
            f"{found.accounts_read} of {found.accounts} accounts "
            f"and their {found.bets_read} bets read, {found.open_bets} open"
        )
    return 0 if found.sound else 1


# --- what came after --------------------------------------------------------------------------------------------------


def _rejoin(options: argparse.Namespace, settings: Settings) -> int:
    done = rejoin(settings, options.former, moment(options.to))
    if options.json:
        write_json(done)
    else:
        _say(f"entries and facts are numbered above {done.numbered_above}; settlement hears decisions again of "
             f"{len(done.heard_again)} partitions: rooms may start")  # fmt: skip
    return 0


def _print_after(found: Aftermath) -> None:
    _say(f"the ledger ends with entry {found.last_entry} at {shown(found.last_entry_ms)}; beyond it: "
         f"{found.entries_total} entries of the former server, {found.facts_total} facts of the log; "
         f"{found.settled_again_total} of its open bets were settled, and will be again")  # fmt: skip
    for bet in found.bets:
        free, paid = (
            " free" if bet.free else "",
            f", had paid {format_amount(bet.returns, bet.currency)}" if bet.returns else "",
        )
        sys.stdout.write(
            f"bet {bet.bet} (id {bet.id}) of {bet.account}: {format_amount(bet.stake, bet.currency)} {bet.currency}"
            f"{free}, {shown(bet.placed_ms)}, {bet.status}{paid}; by {', '.join(bet.witnesses)}\n"
        )
    if found.bets_total > len(found.bets):
        _say(f"and {found.bets_total - len(found.bets)} more")
    for currency, moved in found.balances.items():
        for account, change in moved.items():
            sign = "-" if change < 0 else "+"
            sys.stdout.write(f"balance of {account}: {sign}{format_amount(abs(change), currency)} {currency}\n")


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
