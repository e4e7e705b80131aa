"""A ledger that cannot be read says so, by every one of its reads, as something that passes."""

from collections.abc import Callable

import pytest

from matchday.backends.ledger_sqlite import SqliteLedgerCore
from matchday.backends.ledger_sqlite_reads import LedgerReads
from matchday.ports import LedgerUnavailable

READS: dict[str, Callable[[LedgerReads], object]] = {
    "account_at": lambda ledger: ledger.account_at("anna", 0),
    "answer": lambda ledger: ledger.answer("anna", "id"),
    "bet": lambda ledger: ledger.bet("b1"),
    "bets": lambda ledger: ledger.bets("anna", open_only=True, before=None, limit=1),
    "bets_on": lambda ledger: ledger.bets_on(["F:1x2/home"], 0, 1),
    "backed": lambda ledger: ledger.backed("F"),
    "windows": lambda ledger: ledger.windows(["F"]),
    "decisions": lambda ledger: ledger.decisions(["F:1x2/home"]),
    "statement": lambda ledger: ledger.statement("anna", None, 1),
    "entries": lambda ledger: ledger.entries(0, 1),
    "totals": lambda ledger: ledger.totals(),
    "balances": lambda ledger: ledger.balances(),
    "posted": lambda ledger: ledger.posted(),
    "guards": lambda ledger: ledger.guards(["exposure:F#0"]),
    "guards of an account": lambda ledger: ledger.guards(["exposure:account:anna"]),
    "all_guards": lambda ledger: ledger.all_guards(),
    "referral": lambda ledger: ledger.referral("anna", "id"),
    "referrals": lambda ledger: ledger.referrals(0, 1),
    "offer": lambda ledger: ledger.offer("anna", "offer"),
    "free_bets": lambda ledger: ledger.free_bets("anna"),
    "free_bets_over": lambda ledger: ledger.free_bets_over(0, 1),
    "to_cash_out": lambda ledger: ledger.to_cash_out("", 1),
    "open_bets": lambda ledger: ledger.open_bets(),
    "facts": lambda ledger: ledger.facts(0, 1),
    "outbox": lambda ledger: ledger.outbox(0, 1),
}


def test_every_read_is_here() -> None:
    public = {name for name in dir(LedgerReads) if not name.startswith("_")}
    assert public == {name.partition(" ")[0] for name in READS}


@pytest.mark.parametrize("name", READS)
def test_it_says_so(name: str) -> None:
    core = SqliteLedgerCore(":memory:")
    READS[name](core)
    write = core.database.writer.execute
    write("PRAGMA foreign_keys=OFF")
    for (table,) in write("SELECT name FROM sqlite_master WHERE type='table' AND name NOT LIKE 'sqlite_%'").fetchall():
        write(f"ALTER TABLE {table} RENAME TO {table}_away")
    with pytest.raises(LedgerUnavailable):
        READS[name](core)
    core.close()
