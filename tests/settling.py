"""A match that is over and decided while bets on it are open: what tests of its settlement begin with and watch."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from matchday.backends.ledger_sqlite import SqliteLedgerCore
from matchday.backends.ledger_sqlite_rows import RowStore, Taken, Worked
from matchday.model.football import IncidentType, advance
from matchday.model.football_markets import decisions
from matchday.sim.settle_population import FINAL, Population, decide, second_half

NOW = 1_790_000_000_000


@contextlib.contextmanager
def decided(folder: Path, *, bets: int, accounts: int) -> Iterator[SqliteLedgerCore]:
    """A ledger with so many open bets on ``FINAL``."""
    with contextlib.closing(SqliteLedgerCore(folder / "ledger.sqlite")) as found:
        Population(found, bets=bets, accounts=accounts, now_ms=NOW, seed=1).place(lambda _: None)
        state = advance(second_half(), IncidentType.FULL_TIME, None, 2_900)
        outcomes = {name: outcome for name, outcome in decisions(state).items() if outcome is not None}
        found.commit([decide(FINAL, outcomes, 1)])
        yield found


def watch_taken(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether what was worked out has been taken, each time from now on."""
    found, take = list[bool](), RowStore.take

    def watched(store: RowStore, worked: Worked) -> Taken | None:
        result = take(store, worked)
        found.append(result is not None)
        return result

    monkeypatch.setattr(RowStore, "take", watched)
    return found


class Posted:
    """Calls that threads hand to the one that runs them."""

    def __init__(self) -> None:
        self._calls: list[Callable[[], None]] = []
        self._lock = threading.Lock()

    def post(self, call: Callable[[], None]) -> None:
        with self._lock:
            self._calls.append(call)

    def run(self) -> None:
        """Those that are there."""
        with self._lock:
            calls, self._calls = self._calls, []
        for call in calls:
            call()
