"""The end of a journal's way through a cluster: whether everybody has what he had, and by the same entries."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from matchday.model.ledger import Entry, ExpireFreeBet, is_player
from matchday.sim.lockstep import STANDS, Lockstep
from matchday.sim.recorded import Line, Recorded

_OVER_MS: Final = 60_000
"""Milliseconds for which a free bet's time is over before it is taken back at the end: by then the journal's was."""
_PAGE: Final = 1_000
_UNTOUCHED: Final[Line] = {**dict.fromkeys(STANDS, 0), "status": "open"}
"""How a bet stands of which nothing has come yet."""


class Ending:
    """Compares what there is at the end."""

    def __init__(self, step: Lockstep, journal: Recorded) -> None:
        self._step, self._journal = step, journal

    async def take_back(self) -> None:
        """Free bets whose bets were void: here they may have had time left by the clocks of other processes, that they
        had no more in the journal."""
        now = self._step.clock.now_ms()
        while over := await self._step.reading(lambda: self._step.ledger.free_bets_over(now - _OVER_MS, _PAGE)):
            await self._step.commit([ExpireFreeBet(f"expire:{name}", account, name, now) for account, name in over])

    async def last_entry(self, after: int) -> int:
        """The number of the ledger's last."""
        while entries := await self._page_of_entries(after):
            after = entries[-1].entry
        return after

    async def _page_of_entries(self, after: int) -> Sequence[Entry]:
        return await self._step.reading(lambda: self._step.ledger.entries(after, _PAGE))

    async def compare(self, first: int) -> None:
        """Every bet, every balance, every statement, and that all together is nothing."""
        for bet in self._step.bets:
            await self._compare_bet(bet, self._journal.states.get(bet, _UNTOUCHED))
        balances, statements = await self._entries(first)
        there = Counter[str]()
        for account, amount in self._journal.balances.items():
            there[_role(account)] += amount
        for account in sorted(there.keys() | balances.keys()):
            if is_player(account):
                view = await self._step.reading(lambda account=account: self._step.ledger.account(account))  # type: ignore[misc]
                balances[account] = 0 if view is None else view.balance
                self._compare_statement(account, statements.get(account, Counter()))
            self._step.same(f"balance of {account}", balances[account], there[account])
        self._step.report.balances = len(there)
        totals = await self._step.reading(self._step.ledger.totals)
        self._step.same("totals", {currency: total for currency, total in totals.items() if total}, {})
        self._step.same("open bets", await self._step.reading(self._step.ledger.open_bets), self._journal.open_bets)

    async def _compare_bet(self, bet: str, line: Line) -> None:
        """But for its version: where it was lost already, what else is decided moves that on, and no money."""
        names = [name for name in STANDS if name != "version"]
        if text := await self._step.reading(lambda: self._step.otherwise(bet, line, names)):
            self._step.differs(text)

    async def _entries(self, after: int) -> tuple[Counter[str], dict[str, Counter[tuple[int, str, str | None]]]]:
        """What was posted since: by account (the house's by role), and each fan's statement."""
        balances, names = Counter[str](), {here: there for there, here in self._step.bets.items()}
        statements: dict[str, Counter[tuple[int, str, str | None]]] = {}
        while entries := await self._page_of_entries(after):
            after = entries[-1].entry
            self._step.report.entries += len(entries)
            for entry in entries:
                bet = None if entry.bet is None else names.get(entry.bet, entry.bet)
                own = Counter[str]()
                for posting in entry.postings:
                    own[posting.account] += posting.amount
                    balances[_role(posting.account)] += posting.amount
                for account, amount in own.items():
                    if is_player(account):
                        statements.setdefault(account, Counter())[amount, entry.reason, bet] += 1
        return balances, statements

    def _compare_statement(self, account: str, here: Counter[tuple[int, str, str | None]]) -> None:
        there = self._journal.statements.get(account, Counter())
        for entry in sorted((here - there).keys(), key=str):
            self._step.differs(f"statement of {account}: {entry} is not in the journal")
        for entry in sorted((there - here).keys(), key=str):
            self._step.differs(f"statement of {account}: {entry} is missing here")


def _role(account: str) -> str:
    """An account; of the house's its role and currency, as each partition has one."""
    return account if is_player(account) else account.rpartition(":")[0]
