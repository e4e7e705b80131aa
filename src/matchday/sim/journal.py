"""Journal: what happened in a run, as NDJSON, so that an outsider can check every answer and settle every bet again.

One object a line with ``t_ms`` and ``kind``, in causal order as the gate and the ledger had it: a book stands where the
gate heard it, a question where it was asked, a bet where the ledger took it, its postings right behind, and what the
fan was told after that. Money is in minor units, prices are decimal strings. ``journalled`` writes what is asked of the
bets room and of the ledger. Every kind of line and its fields: ``tests/check_journal.py``, which reads them.
"""

from collections import deque
from collections.abc import Mapping
from typing import Any, Protocol, TextIO

import msgspec

from matchday.config import Settings
from matchday.model.ledger import Entry
from matchday.model.market import Market, line_text, selection_id
from matchday.model.messages import (
    BookChanged,
    Certainty,
    FixtureScheduled,
    FixtureStatus,
    Incident,
    LegsDecided,
    ResultConfirmed,
)
from matchday.model.price import format_price
from matchday.ports import Clock, Ledger

_PAGE = 500
"""Entries of one read of a statement."""


class Audited(Ledger, Protocol):
    """A ledger that says what all accounts have and what is held of every guard."""

    def balances(self) -> dict[str, int]:
        """Minor units by account, the house's included."""

    def all_guards(self) -> dict[str, int]:
        """Minor units by guard."""


class Journal:
    """Writes lines in order; a line may be promised first and written later."""

    def __init__(self, clock: Clock, out: TextIO) -> None:
        self._clock = clock
        self._out = out
        self._slots: deque[list[bytes] | None] = deque()
        self._first = 0
        self._causes: dict[str, deque[dict[str, Any]]] = {}
        self._encode = msgspec.json.Encoder().encode
        self._alive_ms = self._alive_said_ms = 0
        self.asked = 0
        """Questions so far: each has a number."""
        self.lines = 0

    def line(self, kind: str, **fields: object) -> None:
        """Write one line after all that stands or was promised before."""
        self.fill(self.promise(), [self.encoded(kind, fields)])

    def encoded(self, kind: str, fields: Mapping[str, object]) -> bytes:
        """One line as bytes."""
        return self._encode({"t_ms": self._clock.now_ms(), "kind": kind, **fields})

    def promise(self) -> int:
        """Keep a place for lines whose text is not known yet."""
        self._slots.append(None)
        return self._first + len(self._slots) - 1

    def fill(self, place: int, lines: list[bytes]) -> None:
        """Write what a promised place was kept for."""
        self._slots[place - self._first] = lines
        while self._slots and (ready := self._slots[0]) is not None:
            self._slots.popleft()
            self._first += 1
            self.lines += len(ready)
            for text in ready:
                self._out.write(text.decode() + "\n")

    # --- what the rooms said ------------------------------------------------------------------------------------------

    def settings(self, settings: Settings) -> None:
        """The limits that answers depend on."""
        self.line("settings", **msgspec.structs.asdict(settings.bets))

    def feed(self, message: FixtureScheduled | Incident | ResultConfirmed) -> None:
        """What the feed said. An incident stands where the gate heard of it: before the book that it changed."""
        if isinstance(message, FixtureScheduled):
            names = {"home": message.home, "away": message.away}
            when = {"kickoff_ms": message.kickoff_ms, "void_at_ms": message.void_at_ms}
            source, knockout = message.source, message.knockout
            self.line("fixture", fixture=message.fixture, **names, **when, source=source, knockout=knockout)
            return
        common = {"fixture": message.fixture, "seq": message.seq, "period": message.state.period,
                  "score": message.state.score}  # fmt: skip
        waiting: dict[str, Any]
        fields: dict[str, Any]
        if isinstance(message, Incident):
            fields = {"type": message.type, "side": message.side, "clock_s": message.clock_s, **common}
            waiting = {"cause": str(message.type), "kind": "incident", "fields": fields}
        else:
            fields = {"status": message.status, "reason": message.reason, **common}
            cause = "confirmed" if message.status == FixtureStatus.FINISHED else message.status
            waiting = {"cause": str(cause), "kind": "result", "fields": fields}
        self._causes.setdefault(message.fixture, deque()).append(waiting)

    def certainty(self, message: LegsDecided) -> None:
        """That a fixture's decisions up to this version are confirmed. Until then they are provisional."""
        if message.certainty == Certainty.CONFIRMED:
            self.line("confirmed", fixture=message.fixture, version=message.version, cause=message.cause)

    def book(self, change: BookChanged, _offset: int) -> None:
        """A change as the gate took it in."""
        waiting = self._causes.get(change.fixture)
        if waiting and waiting[0]["cause"] == change.cause:
            cause = waiting.popleft()
            self.line(cause["kind"], **cause["fields"])
        markets = [_market(market) for market in change.markets]
        self.line("book", fixture=change.fixture, epoch=change.epoch, n=change.n, cause=change.cause, markets=markets)

    def alive(self) -> None:
        """The gate hears now that the owner of the books is alive."""
        self._alive_ms = self._clock.now_ms()

    def say_alive(self) -> None:
        """When that was heard last: said where an answer may depend on it, rather than ten times a minute."""
        if self._alive_said_ms < self._alive_ms:
            self._alive_said_ms = self._alive_ms
            self.line("alive", heard_ms=self._alive_ms)

    # --- what everybody has at the end --------------------------------------------------------------------------------

    def ending(self, ledger: Audited) -> None:
        """Balances, statements, the sum of all accounts, and what is still held of exposures."""
        for account, balance in sorted(ledger.balances().items()):
            self.line("balance", account=account, balance=balance)
            if ":" not in account:
                self.line("statement", account=account, entries=_statement(ledger, account))
        self.line("totals", totals=ledger.totals())
        self.line("exposures", held={name: used for name, used in sorted(ledger.all_guards().items()) if used})


def _statement(ledger: Ledger, account: str) -> list[tuple[int, int, str, str | None]]:
    """(entry, amount, reason, bet), newest first, page by page as a fan reads it."""
    found: list[Entry] = []
    while page := ledger.statement(account, found[-1].entry if found else None, _PAGE):
        found.extend(page)
    amounts = [sum(p.amount for p in entry.postings if p.account == account) for entry in found]
    return [(e.entry, amount, e.reason, e.bet) for e, amount in zip(found, amounts, strict=True)]


def _market(market: Market) -> dict[str, object]:
    stake_max = {} if market.stake_max is None else {"stake_max": market.stake_max}
    return {
        "market": market.market,
        "type": market.type,
        "line": None if market.line is None else line_text(market.type, market.line),
        "status": market.status,
        "generation": market.generation,
        "selections": [
            {
                "selection": selection_id(market.market, selection.outcome),
                "outcome": selection.outcome,
                "price": format_price(selection.price),
            }
            for selection in market.selections
        ],
        **stake_max,
    }
