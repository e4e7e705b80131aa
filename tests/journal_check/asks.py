"""Asks: what was asked of rooms and of traders, when each had to be judged, what the ledger took of it, and whether who
asked was told just that."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass
from typing import Final

from tests.journal_check.report import Row
from tests.journal_check.state import State

BET: Final = ("currency", "stake", "policy", "legs", "type", "tolerance", "free_bet", "refer", "offer")
CASH_OUT: Final = ("bet", "stake", "asked")
WORD: Final = ("accept", "reason", "stake", "prices")
"""What an id stands for: its payload."""
MOMENTS: Final = ("busy", "unavailable")
Key = tuple[str, str]
"""(account, id): unique, whatever is asked."""
Taken = tuple[str, str | None]
"""(answer, bet)."""


@dataclass(slots=True)
class Ask:
    """A question, and what came of it."""

    number: int
    line: int
    row: Row
    payload: tuple[object, ...]
    due_ms: tuple[int, ...]
    """When it has to be judged: the last of these, or, with one of these answers, at once."""
    at_once: tuple[str, ...] = ()
    taken: Taken | None = None
    """Once the ledger has taken it."""

    @property
    def waited(self) -> bool:
        """Whether it had to wait."""
        return self.due_ms[-1] > int(self.row["t_ms"])


class Asks:
    """All questions."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._open: dict[int, Ask] = {}
        """Those that nobody was told about yet, by number."""
        self._numbers: set[int] = set()
        self._waiting: defaultdict[tuple[Key, bool], deque[Ask]] = defaultdict(deque)
        """Those that the ledger has not taken yet: by key, a trader's words apart."""
        self.first: dict[Key, tuple[object, ...]] = {}
        """The payload that was taken first under an id."""
        self.answers: dict[Key, Taken] = {}
        """The answer to each id, as it stands."""

    def ask(self, row: Row, payload: tuple[str, ...], due_ms: tuple[int, ...], at_once: tuple[str, ...] = ()) -> Ask:
        """A question; one that is asked for again while it waits, waits with the first."""
        ask = Ask(row["ask"], self._state.line, row, tuple(row.get(name) for name in payload), due_ms, at_once)
        self._state.judge(ask.number not in self._numbers, "asked once", lambda: f"ask {ask.number} again")
        self._numbers.add(ask.number)
        self._open[ask.number] = ask
        self.waiting(row, of_a_trader=payload is WORD).append(ask)
        return ask

    def waiting(self, row: Row, *, of_a_trader: bool = False) -> deque[Ask]:
        """Questions of an id that the ledger has not taken yet."""
        return self._waiting[(row["account"], row["id"]), of_a_trader]

    def due(self, row: Row, due_ms: tuple[int, ...]) -> tuple[int, ...]:
        """When a question has to be judged: with the first of its id if that waits, at once if it has an answer."""
        waiting, now = self.waiting(row), int(row["t_ms"])
        if waiting:
            return waiting[-1].due_ms
        answered = self.answers.get((row["account"], row["id"]), ("id_expired", None))[0]
        return due_ms if answered == "id_expired" else (now,)  # that alone is not remembered

    def take(self, row: Row, taken: Taken, *, of_a_trader: bool = False) -> Ask | None:
        """The question that a line of the ledger's answers."""
        state, queue = self._state, self.waiting(row, of_a_trader=of_a_trader)
        ask = queue.popleft() if queue else None
        state.judge(ask is not None, "answered as asked", lambda: f"{row['id']}: nobody asked")
        if ask is not None:
            ask.taken = taken
            due = ask.due_ms if taken[0] in ask.at_once else ask.due_ms[-1:]
            state.judge(row["t_ms"] in due, "answered when due", lambda: f"{row['id']}: {row['t_ms']}, due at {due}")
            if len(due) > 1:
                state.report.unchecked("answered when due", "it hangs on a price or a value that is not derived")
        return ask

    def on_told(self, row: Row) -> None:
        """Who asked is told what the ledger has taken; or that it took nothing, as of the moment."""
        state, ask, told = self._state, self._open.pop(row["ask"], None), (row["answer"], row.get("bet"))
        if ask is not None and told[0] in MOMENTS and ask.taken is None:
            for of_a_trader in (False, True):
                queue = self.waiting(ask.row, of_a_trader=of_a_trader)
                if ask in queue:
                    queue.remove(ask)
            state.report.unchecked("told what was recorded", f"{told[0]}: of the moment")
            return
        taken = ask.taken if ask is not None else None
        state.judge(told == taken, "told what was recorded", lambda: f"ask {row['ask']}: {told}, recorded {taken}")

    def on_retry(self, row: Row) -> None:
        """The same id again: the same answer, or ``id_reused`` for another payload."""
        state, key = self._state, (row["account"], row["id"])
        first, told = self.answers.get(key), (row["answer"], row.get("bet"))
        ask = self.take(row, told)
        if told[0] == "id_expired":
            state.report.unchecked("retry", "id_expired: how long a refusal is kept is not in the journal")
        elif ask is None or ask.payload == self.first.get(key):
            state.judge(told == first, "retry", lambda: f"{row['id']}: {told}, first {first}")
        else:
            state.report.saw("answers", told[0])
            good = told == ("id_reused", None) and first is not None
            state.judge(good, "retry", lambda: f"{row['id']}: {told[0]} for another payload, first {first}")

    def finish(self) -> None:
        """Nobody is left without an answer, unless the journal ends before it is due."""
        state = self._state
        for ask in self._open.values():
            if max(ask.due_ms) < state.now_ms:
                state.report.judge(False, ask.line, "told what was recorded", f"ask {ask.number}: never answered")
            else:
                state.report.unchecked("told what was recorded", "the journal ends before the answer")
