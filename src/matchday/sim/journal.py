"""Journal: what happened in a run, as NDJSON, so that an outsider can check every answer and settle every bet again.

One object a line with ``t_ms`` and ``kind``, in causal order as the gate and the ledger had it: a book stands where the
gate heard it, a bet where the ledger took it, its postings right behind. Money is in minor units, prices are decimal
strings.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TextIO

import msgspec

from matchday.config import Settings
from matchday.model.bet import Leg, Outcome
from matchday.model.ledger import (
    Answer,
    Command,
    DecideLegs,
    Entry,
    Moment,
    OpenAccount,
    PlaceBet,
    SetLimit,
    SetStatus,
)
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
from matchday.ports import Clock, Ledger, LedgerUnavailable

_VOID_SHARE: Final = ("0", "0.5", "1")


class Journal:
    """Writes lines in order; a line may be promised first and written later."""

    def __init__(self, clock: Clock, out: TextIO) -> None:
        self._clock = clock
        self._out = out
        self._slots: deque[list[bytes] | None] = deque()
        self._first = 0
        self._causes: dict[str, deque[dict[str, Any]]] = {}
        self._encode = msgspec.json.Encoder().encode
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
        bets = msgspec.structs.asdict(settings.bets)
        self.line("settings", stake_per_day=settings.accounts.stake_per_day, **bets)

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


def _market(market: Market) -> dict[str, object]:
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
    }


def _leg(leg: Leg) -> dict[str, object]:
    fields = msgspec.structs.asdict(leg)
    return {**fields, "price": format_price(leg.price)}


def _outcome(outcome: Outcome | None) -> dict[str, object]:
    if outcome is None:
        return {"result": "undecided"}
    places, tied = outcome.dead_heat
    dead_heat = "1" if places == tied else f"{places}/{tied}"
    return {"result": outcome.result, "void_share": _VOID_SHARE[outcome.void_halves], "dead_heat": dead_heat}


class JournalledLedger:
    """A ledger that journals what it took, in the order in which it took it. Reads go through as they are."""

    def __init__(self, inner: Ledger, journal: Journal) -> None:
        self._inner = inner
        self._journal = journal
        self._entry = 0
        self._payloads: dict[tuple[str, str], PlaceBet] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def commit(self, commands: Sequence[Command], done: Callable[[Sequence[Answer] | LedgerUnavailable], None]) -> None:
        """Commit, and write commands, answers and postings where the commit stands."""
        place = self._journal.promise()

        def answered(outcome: Sequence[Answer] | LedgerUnavailable) -> None:
            lines: list[bytes] = []
            if not isinstance(outcome, LedgerUnavailable):
                by_bet: dict[str | None, list[Entry]] = {}
                for entry in entries:
                    by_bet.setdefault(entry.bet, []).append(entry)
                for command, answer in zip(commands, outcome, strict=True):
                    lines.extend(self._command(command, answer))
                    if isinstance(command, PlaceBet) and not answer.repeated:
                        lines.extend(self._postings(by_bet.pop(answer.bet.bet, []) if answer.bet else []))
                for rest in by_bet.values():
                    lines.extend(self._postings(rest))
            self._journal.fill(place, lines)
            done(outcome)

        self._inner.commit(commands, answered)
        entries = list(self._inner.entries(self._entry, 1_000_000))
        if entries:
            self._entry = entries[-1].entry

    def _command(self, command: Command, answer: Answer) -> list[bytes]:
        encoded = self._journal.encoded
        if isinstance(command, PlaceBet):
            return [self._bet(command, answer)]
        if isinstance(command, DecideLegs):
            return [
                encoded("decision", {
                    "fixture": command.fixture, "market": decision.market, "selection": decision.selection,
                    **_outcome(decision.outcome), "version": command.version,
                })
                for decision in command.decisions
            ]  # fmt: skip
        if isinstance(command, OpenAccount):
            opened = {"account": command.account, "currency": command.currency, "status": "open"}
            return [encoded("account", {**opened, "stake_per_day": command.stake_per_day})]
        if isinstance(command, SetStatus):
            account = self._inner.account(command.account)
            currency = account.currency if account else ""
            return [encoded("account", {"account": command.account, "currency": currency, "status": command.status})]
        if isinstance(command, SetLimit):
            return [encoded("limit", {"account": command.account, "stake_per_day": command.amount})]
        return []

    def _bet(self, command: PlaceBet, answer: Answer) -> bytes:
        said = "accepted" if answer.refusal is None else str(answer.refusal)
        first = self._payloads.setdefault((command.account, command.id), command)
        bet = answer.bet.bet if answer.bet else None
        if first is not command:
            same = (first.stake, first.asked, first.policy) == (command.stake, command.asked, command.policy)
            again = {"id": command.id, "account": command.account, "answer": said, "bet": bet, "same_payload": same}
            return self._journal.encoded("retry", again)
        return self._journal.encoded("bet", {
            "bet": bet, "id": command.id, "account": command.account, "stake": command.stake,
            "currency": command.currency, "policy": command.policy, "legs": [_leg(leg) for leg in command.asked],
            "answer": said, "legs_accepted": [format_price(leg.price) for leg in answer.bet.legs] if answer.bet else [],
        })  # fmt: skip

    def _postings(self, entries: Sequence[Entry]) -> list[bytes]:
        return [
            self._journal.encoded("posting", {
                "entry": entry.entry, "account": posting.account, "amount": posting.amount,
                "currency": entry.currency, "bet": entry.bet, "reason": entry.reason,
            })
            for entry in entries
            for posting in entry.postings
        ]  # fmt: skip


def answer_name(answer: Answer | Moment) -> str:
    """``accepted`` or the name of the refusal."""
    if isinstance(answer, Answer):
        return "accepted" if answer.refusal is None else str(answer.refusal)
    return str(answer)
