"""The journal, line by line: each is judged by the lines before it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

from tests.journal_check.asks import Asks
from tests.journal_check.books import Books
from tests.journal_check.cash_outs import CashOuts
from tests.journal_check.decisions import Decisions
from tests.journal_check.guards import Guards
from tests.journal_check.ledger import Ledger
from tests.journal_check.provider import Provider
from tests.journal_check.questions import Questions
from tests.journal_check.report import Report, Row
from tests.journal_check.state import State


class Journal:
    """Goes through a journal once."""

    def __init__(self, provider: Provider) -> None:
        self._state = state = State(provider)
        self._guards = guards = Guards(state)
        self._books, self._decisions = Books(state), Decisions(state)
        self._asks = asks = Asks(state)
        self._questions, self._ledger = Questions(state, guards, asks), Ledger(state, guards)
        self._cash_outs = CashOuts(state, asks)
        self._kinds: dict[str, Callable[[Row], None]] = {
            "settings": state.settings.update,
            "fixture": self._books.on_fixture,
            "incident": self._books.on_incident,
            "result": self._books.on_result,
            "alive": self._books.on_alive,
            "book": self._books.on_book,
            "account": self._ledger.on_account,
            "limit": guards.on_limit,
            "free_bet": self._ledger.on_free_bet,
            "ask": self._questions.on_ask,
            "ask_cash_out": self._cash_outs.on_ask,
            "told": asks.on_told,
            "bet": self._questions.on_bet,
            "retry": asks.on_retry,
            "trader": self._questions.on_trader,
            "referral": self._questions.on_referral,
            "decision": self._decisions.on_decision,
            "confirmed": self._decisions.on_confirmed,
            "window": self._decisions.on_window,
            "posting": self._ledger.on_posting,
            "state": self._ledger.on_state,
            "quote": self._cash_outs.on_quote,
            "cash_out": self._cash_outs.on_cash_out,
            "cash_out_at": self._cash_outs.on_threshold,
            "balance": self._ledger.on_balance,
            "statement": self._ledger.on_statement,
            "totals": self._ledger.on_totals,
            "exposures": self._ledger.on_exposures,
        }

    @property
    def line(self) -> int:
        """How many lines were read."""
        return self._state.line

    def feed(self, text: str | bytes) -> None:
        """Judges the next line."""
        state = self._state
        state.line += 1
        try:
            row = json.loads(text)
            kind = row["kind"]
            state.judge(row["t_ms"] >= state.now_ms, "time", lambda: f"{row['t_ms']} after {state.now_ms}")
            state.now_ms = row["t_ms"]
            if row.get("fixture") in state.fixtures:
                state.fixtures[row["fixture"]].now_ms = row["t_ms"]
            if kind != "posting":
                self._ledger.close()
            handler = self._kinds.get(kind)
            if handler is None:
                state.report.unchecked("line is well formed", f"kind {kind} is not known here")
            else:
                handler(row)
                state.report.checked["line is well formed"] += 1
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as fault:
            note = f"{type(fault).__name__}: {fault}"
            state.report.judge(False, state.line, "line is well formed", note)

    def finish(self) -> Report:
        """Judges what only the whole journal shows."""
        self._ledger.finish()
        self._questions.finish()
        self._asks.finish()
        self._books.finish()
        return self._state.report


def check(lines: Iterable[str | bytes], provider: Provider) -> Report:
    """Judges a whole journal."""
    journal = Journal(provider)
    for line in lines:
        journal.feed(line)
    return journal.finish()
