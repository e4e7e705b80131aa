"""What is looked for in a ledger's books is not found in one that keeps its promises, whatever was done to it."""

from typing import cast

from matchday.app.sound import Books, look
from matchday.model.ledger import Command, Transfer
from matchday.ports import Ledger

from .conftest import World
from .test_ledger import LOST, NOW, VOID, WON, A, bet, commit, decide, opened, settle
from .test_ledger_cash_out import cash
from .test_ledger_corrections import withdrawn
from .test_ledger_free_bets import grant, use

B = "bert"


def stories() -> list[list[Command]]:
    """Bets that are won, corrected with a shortfall, opened again, cashed out in part, free, void and still open."""
    return [
        [*opened(), *opened(account=B), bet(1_000), bet(200, name="b2", account=B)],
        [decide(5, WON), settle(5)],
        [Transfer("w", A, -11_000, "EUR", "withdrawal", NOW), decide(6, LOST), settle(6)],
        [withdrawn(7), settle(7)],
        [bet(300, name="b3", account=B, selection="F:1x2/away")],
        [cash(100, 80, name="b3", account=B, id_="cash:b3")],
        [grant(account=B), use(name="b4", account=B)],
        [decide(8, VOID), settle(8)],
        [bet(70, name="b5", account=B, selection="F:1x2/draw")],
    ]


def test_books_of_both_backends_are_sound(world: World, ledger: Ledger) -> None:
    for commands in stories():
        assert [answer.refusal for answer in commit(world, ledger, commands)] == [None] * len(commands)
    found = look(cast(Books, ledger))
    assert found.faults == []
    assert found.sound
    entries = ledger.entries(0, 1_000)
    assert (found.entries, found.last_entry, found.last_entry_ms) == (len(entries), entries[-1].entry, NOW)
    assert (found.accounts, found.accounts_read, found.bets_read, found.open_bets) == (2, 2, 5, ledger.open_bets())
    assert found.totals == {"EUR": 0}


def test_as_many_accounts_are_read_as_are_asked_for(world: World, ledger: Ledger) -> None:
    commit(world, ledger, [c for n in range(7) for c in opened(account=f"fan{n}")])
    for asked, read in ((0, 0), (3, 3), (7, 7), (99, 7)):
        found = look(cast(Books, ledger), asked)
        assert (found.sound, found.accounts, found.accounts_read) == (True, 7, read)
