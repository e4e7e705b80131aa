"""An answered bet survives SIGKILL: twenty times, at points drawn from a seed, under load, over one file."""

import random
import select
import subprocess
import sys
from pathlib import Path

import pytest

from matchday.backends.ledger_sqlite import SqliteLedgerCore

KILLS = 20


@pytest.mark.slow
def test_every_answered_bet_is_there_once_after_sigkill(tmp_path: Path) -> None:
    chance = random.Random(20)
    child = Path(__file__).with_name("durability_child.py")
    answered: set[tuple[str, str, str]] = set()
    for _ in range(KILLS):
        process = subprocess.Popen([sys.executable, str(child), str(tmp_path)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "betting\n"
        select.select([], [], [], chance.uniform(0.01, 0.25))
        process.kill()
        process.communicate()
        lines = (tmp_path / "answers").read_text().splitlines() if (tmp_path / "answers").exists() else []
        answered = {(a, i, b) for a, i, b in (line.split() for line in lines if line.count(" ") == 2)}
        core = SqliteLedgerCore(tmp_path / "ledger.sqlite")
        for account, id_, bet in answered:
            held = core.answer(account, id_)
            assert held is not None, f"the answered bet {bet} is lost"
            assert held.bet is not None
            assert held.bet.bet == bet
        bets = [bet for fan in range(8) for bet in core.bets(f"fan{fan}", open_only=False, before=None, limit=10**6)]
        assert len({bet.bet for bet in bets}) == len({(bet.account, bet.id) for bet in bets}) == len(bets)
        assert {k: v for k, v in core.balances().items() if v} == core.posted()
        assert set(core.totals().values()) == {0}
        core.close()
    assert len(answered) > 20 * KILLS
