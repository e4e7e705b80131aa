"""The words of ``matchday ledger``: back it up, restore it, look whether it is sound, say what came after."""

import argparse
from pathlib import Path
from typing import Final

from matchday.config import PORT_MAX
from matchday.words import count

DESCRIPTION: Final = """\
Backups of the ledger, and what follows from them. On PostgreSQL: `backup` copies the running server, `archive` receives
its write-ahead log as it is written, `restore` makes a server of both as it was at a moment. An embedded ledger (a data
folder) is copied as it is, while it runs, and restored so. docs/backup.md says in which order, and how to go on."""
_BACKUP: Final = """\
Copy the ledger while it runs, into a new folder, and check every file of the copy. PostgreSQL is copied by
pg_basebackup, which needs a role with REPLICATION and a line `replication` in pg_hba.conf; a data folder by SQLite's
own backup, with its log and its key."""
_ARCHIVE: Final = """\
Receive the write-ahead log of PostgreSQL as it is written, until it is told to stop (SIGTERM or SIGINT), from whichever
host can be written to. It holds a slot there, so that nothing is missed while it is away; the primary keeps it for so
long, up to max_slot_wal_keep_size. Named in the primary's synchronous_standby_names (matchday_archive), no bet is
answered before the archive has it on its disk: then nothing that was answered is lost with the primary."""
_RESTORE: Final = """\
Make a server of a backup, and of an archive where one is named, in a new folder: with all there is, or with --to as it
was at that moment by the primary's clock; everything that was answered before it is there. The server runs on
127.0.0.1, its books have been looked at, and the address is printed. A backup of a data folder becomes a data folder.

Say `ledger after` next, then `ledger rejoin`, before any room is started on it."""
_AFTER: Final = """\
Say what a restored ledger does not have: bets that were accepted after the moment, by whom, with what they had come to;
entries, and by how much balances moved; what the log says beyond it. --former is its former server, where that can
still be read; the log has what fans were told. Say it before anything is written to the restored ledger."""
_REJOIN: Final = """\
Have a restored ledger and the log of its platform go together again, while no room runs. Entries and facts are numbered
above all that was given before, so that neither the relay nor a screen takes them for known; settlement hears all
decisions again that were said since ten minutes before the moment."""


def add_words(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """All of them."""
    raw = argparse.RawDescriptionHelpFormatter
    backup = commands.add_parser("backup", help="copy it while it runs", description=_BACKUP, formatter_class=raw)
    archive = commands.add_parser("archive", help="keep its write-ahead log", description=_ARCHIVE, formatter_class=raw)
    restore = commands.add_parser(
        "restore", help="make a ledger of a backup", description=_RESTORE, formatter_class=raw
    )
    verify = commands.add_parser("verify", help="whether its books are sound", description=(
        "Read all entries, and the statements and bets of accounts, and say whether they agree. Exit status 1 where "
        "they do not."
    ))  # fmt: skip
    after = commands.add_parser("after", help="what a restored one lacks", description=_AFTER, formatter_class=raw)
    rejoin = commands.add_parser(
        "rejoin", help="before rooms start on a restored one", description=_REJOIN, formatter_class=raw
    )
    for command in (backup, archive):
        command.add_argument("--into", type=Path, required=True, metavar="DIR", help="where it is written")
        command.add_argument("--user", default="", metavar="ROLE", help="who may copy it (default: of the address)")
    archive.add_argument("--slot", default="matchday_archive", metavar="NAME", help="default: matchday_archive")
    restore.add_argument("--from", type=Path, required=True, dest="backup", metavar="DIR", help="the backup")
    restore.add_argument("--into", type=Path, required=True, metavar="DIR", help="a new folder")
    restore.add_argument("--archive", type=Path, metavar="DIR", help="what `ledger archive` wrote")
    restore.add_argument("--to", default="", metavar="TIME", help="such as 2026-06-14T20:15:30.250Z (default: the end)")
    restore.add_argument("--port", type=count(0, PORT_MAX), default=0, help="on 127.0.0.1 (default: any that is free)")
    for command in (restore, verify):
        command.add_argument(
            "--accounts", type=int, metavar="N", help="whose statements and bets are read (default: of all)"
        )
    after.add_argument("--former", default="", metavar="WHERE", help="its connection string, or its data folder")
    rejoin.add_argument("--former", default="", metavar="WHERE", help="the same, where it can be read")
    rejoin.add_argument("--to", required=True, metavar="TIME", help="the moment to which it was restored")
    for command in (backup, archive, restore, verify, after, rejoin):
        command.add_argument("--config", type=Path, metavar="TOML", help="the platform's settings")
        command.add_argument("--json", action="store_true", help="print the report as JSON")
    for command in (backup, verify, after):
        command.add_argument("--data", type=Path, default=Path("data"), metavar="DIR", help="of an embedded ledger")
    for command in (verify, after, rejoin):
        command.add_argument(
            "--server", default="", metavar="ADDRESS", help="of the ledger, instead of setting postgres.address"
        )
