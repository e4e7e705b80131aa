"""A big market is settled though the process is killed again and again in the middle of it: no bet is forgotten, none
is paid twice, and every settlement reaches the log."""

import contextlib
import random
import sqlite3
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from matchday.backends.ledger_sqlite import SqliteLedgerCore
from matchday.backends.log_sqlite import SqliteLogCore
from matchday.model.bet import BetStatus
from matchday.model.messages import AccountFact, BetSettled, Topic, decode, one_by_one
from matchday.sim.settle_population import Population
from tests.real import poll

BETS, ACCOUNTS = 9_000, 600
STEP = (300, 1_500)
"""Bets that are settled from one kill to the next."""
CHILD = Path(__file__).with_name("settling_child.py")


def child(folder: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, str(CHILD), str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "settling\n"
    return process


def settled_so_far(folder: Path) -> int:
    """Read beside the process that writes."""
    with contextlib.closing(sqlite3.connect(folder / "ledger.sqlite")) as db:
        return int(db.execute("SELECT count(*) FROM entries WHERE reason = 'settlement'").fetchone()[0])


def reached(folder: Path, goal: int) -> bool:
    return settled_so_far(folder) >= goal


@pytest.mark.slow
def test_no_bet_is_forgotten_and_none_paid_twice_however_often_it_is_killed(tmp_path: Path) -> None:
    chance = random.Random(9)
    with contextlib.closing(SqliteLedgerCore(tmp_path / "ledger.sqlite")) as core:
        crowd = Population(core, bets=BETS, accounts=ACCOUNTS, now_ms=1_700_000_000_000, seed=1)
        crowd.place(lambda _: None)
        before = core.last_fact
    kills, settled_then = 0, 0
    while settled_then < BETS - STEP[1]:
        process, goal = child(tmp_path), settled_then + chance.randrange(*STEP)
        poll(partial(reached, tmp_path, goal), 60)
        process.kill()
        process.communicate()
        kills += 1
        settled_then = settled_so_far(tmp_path)
        with contextlib.closing(SqliteLedgerCore(tmp_path / "ledger.sqlite")) as core:
            assert core.totals() == {"EUR": 0}
            assert core.open_bets() == BETS - settled_then
    assert kills >= 3
    assert child(tmp_path).communicate(timeout=120)[0] == "settled\n"
    with contextlib.closing(SqliteLedgerCore(tmp_path / "ledger.sqlite")) as core:
        assert core.open_bets() == 0
        assert core.balances() == core.posted()
        assert core.all_guards() == dict.fromkeys(core.all_guards(), 0)
        settled = [entry.bet for entry in core.entries(0, 10**6) if entry.reason == "settlement"]
        assert len(settled) == len(set(settled)) == BETS
        facts = core.facts(before, 10**6)
        said = [one for fact in facts for one in one_by_one(fact) if isinstance(one, BetSettled)]
        held = {fact.bet: core.bet(fact.bet) for fact in said}
        assert len(said) == len(held) == BETS
        for fact in said:
            bet = held[fact.bet]
            assert bet is not None
            assert (bet.status, bet.returns, bet.version) == (fact.status, fact.returns, fact.version)
            assert bet.status != BetStatus.OPEN
    with contextlib.closing(SqliteLogCore(tmp_path / "log.sqlite", lambda: "e")) as log:
        heard = [decode(stored.value) for stored in log.read(Topic.ACCOUNTS, -1, 10**6)]
        facts = [message for message in heard if isinstance(message, AccountFact)]
        assert {one.bet for fact in facts for one in one_by_one(fact) if isinstance(one, BetSettled)} == set(held)
