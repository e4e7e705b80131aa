"""Further releases, made of this one's sources: one with a migration and a field of a message more, and one that is
broken."""

import shutil
from pathlib import Path

import matchday

SAID: str = "said_by"
"""The further field of ``OddsAlive``."""


def next_release(folder: Path) -> Path:
    """The ledger's schema has a column and a table more; the owner of books says in each sign of life of which release
    it is."""
    source = _copied(folder)
    sql = source / "backends" / "ledger_postgres_sql" / "002_channels.sql"
    sql.write_text(
        "-- needs: 1\n"
        "ALTER TABLE bets ADD COLUMN channel text;\n"
        "CREATE TABLE channels (channel text PRIMARY KEY, opened_ms bigint NOT NULL);\n"
    )
    _replace(source / "model" / "messages.py", "    share: int = 0\n\n\nBookMessage",
             f'    share: int = 0\n    {SAID}: str = ""\n\n\nBookMessage')  # fmt: skip
    _replace(source / "services" / "odds" / "room.py", "self._epoch, self._clock.now_ms(), self._share)))",
             'self._epoch, self._clock.now_ms(), self._share, "2")))')  # fmt: skip
    return folder


def broken_release(folder: Path) -> Path:
    """Every second bet meets a fault of ours (500)."""
    source = _copied(folder)
    _replace(
        source / "edge" / "placing.py", "            command = command_of(body, account, now)\n",
        "            command = command_of(body, account, now)\n"
        "            if now % 2:\n"
        '                raise Problem("internal_error", "broken on purpose")\n',
    )  # fmt: skip
    return folder


def _copied(folder: Path) -> Path:
    source = Path(matchday.__file__).parent
    target = folder / "matchday"
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    return target


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1, f"{path} is not what it was"
    path.write_text(text.replace(old, new))
