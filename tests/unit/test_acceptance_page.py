"""docs/acceptance.md says what is so: its reasons are all there are, in their order, its figures are the settings, and
every row names a test that exists."""

import ast
import re
from pathlib import Path
from typing import Final

import pytest

from matchday.config import Bets, Doors
from matchday.model.ledger import Refusal

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = (ROOT / "docs" / "acceptance.md").read_text(encoding="utf-8")
NAMED: Final = sorted(set(re.findall(r"`(tests/\S+?\.py)::(\w+)`", PAGE)))


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_a_test_that_is_named_exists(file: str, name: str) -> None:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_reason_is_there_in_its_order() -> None:
    table = PAGE.partition("| reason |")[2].partition("\n\n")[0]
    rows = [row.split("|")[1] for row in table.splitlines()[2:]]
    assert [name for row in rows for name in re.findall(r"`(\w+)`", row)] == [reason.value for reason in Refusal]


def test_every_row_of_a_rule_names_its_test() -> None:
    for row in re.findall(r"^\| .*", PAGE.partition("## A fan's own limits")[0], flags=re.MULTILINE):
        if not row.startswith(("| ---", "| reason |", "| policy |", "| rule |", "| on |", "| it is let go |")):
            assert "tests/" in row, row


@pytest.mark.parametrize(
    ("said", "setting"),
    [
        ("waits 4 s", Bets().delay_ms / 1_000),
        ("silent for 5 s", Bets().odds_silence_ms_max / 1_000),
        ("at most 10,000 requests wait", Bets().waiting_max),
        ("at most 10,000 requests wait at a gate, 50", Bets().waiting_account_max),
        ("and nothing is recorded | 50 |", Bets().waiting_account_max),
        ("none is asked | 50", Doors().requests_per_second_max),
        ("| the least: `stake_min`, and a minor unit on each line | 10 |", Bets().stake_min),
        ("`stake_max`, or a trader's lower one for a market | 50,000 |", Bets().stake_max),
        ("`return_max` | 2,500,000 |", Bets().return_max),
        ("`exposure_account_max` | 5,000,000 |", Bets().exposure_account_max),
        ("`exposure_selection_max` | 10,000,000 |", Bets().exposure_selection_max),
        ("`exposure_market_max` | 20,000,000 |", Bets().exposure_market_max),
        ("`exposure_fixture_max` | 50,000,000 |", Bets().exposure_fixture_max),
        ("`referral_stake_max`; a free bet is not | 500,000 |", Bets().referral_stake_max),
        ("as if `refer` had not been sent: `referrals_account_max` | 5 |", Bets().referrals_account_max),
        ("also where its gate is gone | 60 s |", Bets().referral_ms / 1_000),
        ('(MTS "bet re-offer") | 30 s |', Bets().offer_ms / 1_000),
    ],
)
def test_a_figure_is_the_setting(said: str, setting: float) -> None:
    assert said in PAGE
    figures = re.findall(r"[0-9][0-9,]*", said)
    assert int(figures[-1].replace(",", "")) == setting
