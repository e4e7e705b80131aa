"""Books that were damaged on purpose: each fault is found, and named with what it is about."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from matchday.__main__ import main
from matchday.app.sound import FAULTS_SHOWN, Soundness, look
from matchday.backends.ledger_sqlite import SqliteLedgerCore
from tests.contract.test_sound import stories


@pytest.fixture
def core() -> Iterator[SqliteLedgerCore]:
    with closing(SqliteLedgerCore(":memory:")) as found:
        for commands in stories():
            found.commit(commands)
        yield found


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        ("UPDATE accounts SET balance = balance + 1 WHERE account = 'bert'", "EUR sums to 1, not to zero"),
        ("UPDATE accounts SET balance = balance + 1 WHERE account = 'bert'", "account bert: its balance is"),
        ("UPDATE accounts SET balance = balance + 1 WHERE account = 'bert'", "account bert: its statement adds up to"),
        ("DELETE FROM entries WHERE entry = (SELECT max(entry) FROM entries)", "account stakes:EUR:0: its balance is"),
        ("UPDATE entries SET postings = CAST('[[\"bert\",-70]]' AS BLOB) WHERE entry = 9",
         "does not balance"),
        ("UPDATE standings SET returns = returns + 5 WHERE number = 1", "was posted to anna for it, and it"),
        ("DELETE FROM known WHERE bet = 1", "bet b1: its id "),
        ("UPDATE known SET refusal = 'price_moved' WHERE bet = 2", "bet b2: its id "),
        ("UPDATE known SET bet = 1 WHERE bet = 2", "bet b2: its id "),
        ("DELETE FROM standings WHERE number = 5", "its statement names a bet b5 that it has not"),
        ("UPDATE entries SET player = 1 WHERE player = 2", "account bert: its statement adds up to 0"),
    ],
)  # fmt: skip
def test_a_fault_is_found(core: SqliteLedgerCore, damage: str, says: str) -> None:
    assert look(core).sound
    assert core.database.writer.execute(damage).rowcount >= 1
    found = look(core)
    assert not found.sound
    assert found.faults_total == len(found.faults) > 0
    assert any(says in fault for fault in found.faults), found.faults


def test_of_very_many_faults_the_first_are_shown() -> None:
    found = Soundness()
    for n in range(FAULTS_SHOWN + 5):
        found.found(f"fault {n}")
    assert (found.sound, found.faults_total, found.faults[-1]) == (False, FAULTS_SHOWN + 5, f"fault {FAULTS_SHOWN - 1}")


def test_whoever_waits_is_told_how_far_it_is(core: SqliteLedgerCore) -> None:
    told: list[tuple[str, int, int | None]] = []
    found = look(core, progress=lambda *step: told.append(step))
    fans = found.accounts
    assert told == [
        ("entries", found.entries, None), ("entries", found.entries, found.entries),
        *(("accounts", number, fans) for number in range(1, fans + 1)),
    ]  # fmt: skip
    told.clear()
    look(core, 1, lambda *step: told.append(step))
    assert told[2:] == [("accounts", 1, 1)]


@pytest.mark.parametrize("terminal", ["1", ""])
def test_a_terminal_sees_it_and_nobody_else(
    terminal: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", terminal)  # rich takes it for a terminal
    with closing(SqliteLedgerCore(tmp_path / "ledger.sqlite")) as made:
        for commands in stories():
            made.commit(commands)
    assert main(["ledger", "verify", "--data", str(tmp_path), "--json"]) == 0
    told = capsys.readouterr()
    assert ("entries" in told.err and "accounts" in told.err) == bool(terminal)
    assert json.loads(told.out)["sound"]
    assert terminal or told.err == ""
