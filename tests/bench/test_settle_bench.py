"""``matchday settle-bench`` with few bets: it runs, settles all and says so; its crowd is what it is said to be."""

import contextlib
import json
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import pytest

from matchday.backends.ledger_sqlite import SqliteLedgerCore
from matchday.config import Settings
from matchday.model.book import Books
from matchday.model.ledger import Answer, Command, PlaceBet
from matchday.services.bets.judge import Judge
from matchday.sim import settle_population
from matchday.sim.settle_population import FINAL, Population, charges
from tests.real import command

NOW = 1_700_000_000_000


def run(*words: str) -> tuple[int, str, str]:
    process = command("settle-bench", *words)
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def test_through_the_rooms(tmp_path: Path) -> None:
    status, out, err = run(
        "--bets", "400", "--accounts", "30", "--rate", "50", "--idle", "1", "--data", str(tmp_path / "new"), "--json"
    )
    assert (status, err) == (0, "")
    found = json.loads(out)
    assert (found["bets"], found["entries"], found["sound"], found["rooms"]) == (400, 400, True, True)
    assert 0 < found["settle_s"] <= found["told_s"]
    assert found["idle"]["bets"] > 20
    assert found["idle"]["refused"] == found["meanwhile"]["refused"] == found["idle_after"]["refused"] == 0
    quiet = min(found["idle"]["p99_ms"], found["idle_after"]["p99_ms"])
    assert found["p99_ratio"] == round(found["meanwhile"]["p99_ms"] / quiet, 2)
    assert found["rss_start_mb"] <= found["rss_peak_mb"]
    assert (tmp_path / "new" / "ledger.sqlite").exists()


def test_the_core_alone_as_a_table() -> None:
    status, out, err = run("--bets", "300", "--accounts", "20", "--core")
    assert (status, err) == (0, "")
    assert "Settlement of one match" in out
    assert "300" in out


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (["--bets", "0"], "--bets 0 is outside 1 to"),
        (["--rate", "0"], "--rate 0 is outside 0.1 to"),
        (["--idle", "0.5"], "--idle 0.5 is outside 1 to"),
        (["--data", "{}"], "is not empty; choose another folder"),
    ],
)
def test_wrong_words_are_named_with_the_remedy(words: list[str], remedy: str, tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").write_bytes(b"somebody's")
    status, _, err = run(*(word.format(tmp_path) for word in words))
    assert status == 2
    assert remedy in err


# --- the crowd --------------------------------------------------------------------------------------------------------


class Recording(SqliteLedgerCore):
    """A ledger that keeps the bets it was handed."""

    def __init__(self) -> None:
        super().__init__(":memory:")
        self.placed: list[PlaceBet] = []

    def commit(self, commands: Sequence[Command]) -> list[Answer]:
        self.placed += [command for command in commands if isinstance(command, PlaceBet)]
        return super().commit(commands)


@pytest.fixture(scope="module")
def placed() -> list[PlaceBet]:
    """The bets of a small crowd."""
    with contextlib.closing(Recording()) as core:
        Population(core, bets=1_000, accounts=50, now_ms=NOW, seed=1).place(lambda _: None)
        assert core.open_bets() == 1_000
        assert core.totals() == {"EUR": 0}
        return core.placed


def test_six_in_ten_are_singles_and_the_others_have_two_to_eight_legs_one_on_the_final(placed: list[PlaceBet]) -> None:
    legs = Counter(len(bet.legs) for bet in placed)
    assert 530 < legs[1] < 670
    assert legs[2] > 2 * legs[8] > 0
    assert 3.5 < sum(n * count for n, count in legs.items() if n > 1) / (1_000 - legs[1]) < 4.6
    assert set(legs) == set(range(1, 9))
    assert all(sum(leg.fixture == FINAL for leg in bet.legs) == 1 for bet in placed)
    assert len({bet.account for bet in placed}) == 50


def test_they_charge_what_a_gate_would_charge(placed: list[PlaceBet]) -> None:
    judge = Judge(Books(), Settings().bets, lambda _book, _parts: "combination_unpriced")
    for bet in placed[:200]:
        of_gate = judge.charges(bet, bet.legs)
        ours = charges(bet.account, bet.stake, bet.legs)
        assert sorted((c.guard, c.amount) for c in ours) == sorted((c.guard, c.amount) for c in of_gate)
        assert ours == bet.charges


def test_prices_and_stakes_are_those_of_a_shop(placed: list[PlaceBet]) -> None:
    prices = [leg.price for bet in placed for leg in bet.legs]
    assert min(prices) >= 1_100
    assert max(prices) < 6_000
    assert {bet.stake for bet in placed} <= set(settle_population._STAKES)
    assert Fraction(sum(bet.stake for bet in placed), len(placed)) > 100
