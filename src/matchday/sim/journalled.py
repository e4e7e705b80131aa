"""Journalled: rooms of a gate and a ledger that journal what they are asked and what they answer. What they do stays as
it is."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, Protocol

import msgspec

from matchday.model.acceptance import TraderAnswer
from matchday.model.bet import Bet, Leg, Outcome
from matchday.model.cash_out import Quote
from matchday.model.ledger import (
    Answer,
    CashOut,
    Command,
    DecideLegs,
    Entry,
    ExpireFreeBet,
    GrantFreeBet,
    Moment,
    OpenAccount,
    PlaceBet,
    Refusal,
    SetCashOut,
    SetLimit,
    SetStatus,
    Transfer,
    VoidLegs,
)
from matchday.model.price import format_price
from matchday.ports import Ledger, LedgerUnavailable
from matchday.services.cash_out.room import NoQuote
from matchday.sim.journal import Journal

_VOID_SHARE: Final = ("0", "0.5", "1")
_SETTLING: Final = ("settlement", "resettlement", "rollback")
NOTHING_WAITS: Final = "nothing_waits"
"""What a trader is told where no referral waits under that id."""


class BetsDesk(Protocol):
    """The bets room, as doors see it."""

    def place(
        self, command: PlaceBet, done: Callable[[Answer | Moment], None], waits: Callable[[int], None] = ...
    ) -> None:
        """Judge and commit."""

    def answer_referral(
        self, account: str, id_: str, answer: TraderAnswer, done: Callable[[Answer | Moment | None], None]
    ) -> None:
        """A trader has decided."""

    def price(self, leg: Leg) -> int | Refusal:
        """The price of a leg now, in thousandths, or why there is none."""


class CashDesk(Protocol):
    """The cash-out room, as doors see it."""

    def quote(self, account: str, bet: str, stake: int | None = None) -> Quote | NoQuote:
        """What a bet would be cashed out for now."""

    def sign(self, quote: Quote) -> str:
        """A quote as its fan gets it."""

    def cash_out(
        self, command: CashOut, done: Callable[[Answer | Moment], None], waits: Callable[[int], None] = ...
    ) -> None:
        """Take a quote up."""

    def set_cash_out(self, command: SetCashOut, done: Callable[[Answer | Moment], None]) -> None:
        """Have a bet cashed out as soon as so much is offered."""


class _Journalled:
    """A room with its questions, and what who asked was told."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def _ask(self, kind: str, **fields: object) -> int:
        self._journal.say_alive()
        self._journal.asked += 1
        self._journal.line(kind, ask=self._journal.asked, **fields)
        return self._journal.asked

    def _told(self, number: int, answer: Answer | Moment | None) -> None:
        said = NOTHING_WAITS if answer is None else answer_name(answer)
        self._journal.line("told", ask=number, answer=said, bet=_bet_of(answer))


class JournalledBets(_Journalled):
    """A bets room, journalled."""

    def __init__(self, inner: BetsDesk, journal: Journal) -> None:
        super().__init__(journal)
        self._inner = inner

    def place(
        self, command: PlaceBet, done: Callable[[Answer | Moment], None], waits: Callable[[int], None] = lambda _: None
    ) -> None:
        """See ``Bets.place``."""
        number = self._ask("ask", id=command.id, account=command.account, **_payload(command))

        def told(answer: Answer | Moment) -> None:
            self._told(number, answer)
            done(answer)

        self._inner.place(command, told, waits)

    def answer_referral(
        self, account: str, id_: str, answer: TraderAnswer, done: Callable[[Answer | Moment | None], None]
    ) -> None:
        """See ``Bets.answer_referral``."""
        prices = None if answer.prices is None else [format_price(price) for price in answer.prices]
        words = {"accept": answer.accept, "reason": answer.reason, "stake": answer.stake, "prices": prices}
        number = self._ask("trader", id=id_, account=account, **words)

        def told(found: Answer | Moment | None) -> None:
            self._told(number, found)
            done(found)

        self._inner.answer_referral(account, id_, answer, told)

    def price(self, leg: Leg) -> int | Refusal:
        """See ``Bets.price``."""
        return self._inner.price(leg)


class JournalledCashOuts(_Journalled):
    """A cash-out room, journalled, its quotes too."""

    def __init__(self, inner: CashDesk, journal: Journal) -> None:
        super().__init__(journal)
        self._inner = inner
        self._quotes: dict[str, int] = {}
        """Signed -> its number."""

    def quote(self, account: str, bet: str, stake: int | None = None) -> Quote | NoQuote:
        """See ``CashOuts.quote``."""
        found = self._inner.quote(account, bet, stake)
        asked = {"account": account, "bet": bet, "stake": stake}
        self._journal.say_alive()
        if isinstance(found, NoQuote):
            self._journal.line("quote", quote=None, **asked, answer=found.refusal)
        else:
            number = self._quotes.setdefault(self._inner.sign(found), len(self._quotes) + 1)
            said = {"amount": found.amount, "until_ms": found.until_ms, "standing": found.standing}
            self._journal.line("quote", quote=number, **{**asked, "stake": found.stake}, answer="offered", **said)
        return found

    def sign(self, quote: Quote) -> str:
        """See ``CashOuts.sign``."""
        return self._inner.sign(quote)

    def cash_out(
        self, command: CashOut, done: Callable[[Answer | Moment], None], waits: Callable[[int], None] = lambda _: None
    ) -> None:
        """See ``CashOuts.cash_out``."""
        what = {"bet": command.bet, "stake": command.stake, "asked": command.asked}
        quote = self._quotes.get(command.quote)
        number = self._ask("ask_cash_out", id=command.id, account=command.account, **what, quote=quote)

        def told(answer: Answer | Moment) -> None:
            self._told(number, answer)
            done(answer)

        self._inner.cash_out(command, told, waits)

    def set_cash_out(self, command: SetCashOut, done: Callable[[Answer | Moment], None]) -> None:
        """See ``CashOuts.set_cash_out``."""
        self._inner.set_cash_out(command, done)


class JournalledLedger:
    """A ledger that journals what it took, in the order in which it took it. Reads go through as they are."""

    def __init__(self, inner: Ledger, journal: Journal) -> None:
        self._inner = inner
        self._journal = journal
        self._entry = 0
        self._known: set[tuple[str, str]] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def commit(self, commands: Sequence[Command], done: Callable[[Sequence[Answer] | LedgerUnavailable], None]) -> None:
        """Commit, and write commands, answers and postings where the commit stands."""
        if any(isinstance(command, PlaceBet | CashOut) for command in commands):
            self._journal.say_alive()
        place = self._journal.promise()

        def answered(outcome: Sequence[Answer] | LedgerUnavailable) -> None:
            lines: list[bytes] = []
            if not isinstance(outcome, LedgerUnavailable):
                left = list(entries)
                for command, answer in zip(commands, outcome, strict=True):
                    lines.extend(self._command(command, answer))
                    lines.extend(self._postings(_own(command, answer, left)))
                    if isinstance(command, CashOut) and answer.bet is not None and not answer.repeated:
                        lines.append(self._state(answer.bet))
                for entry in left:
                    lines.extend(self._postings([entry]))
                    if (bet := settled.get(entry.entry)) is not None:
                        lines.append(self._state(bet))
            self._journal.fill(place, lines)
            done(outcome)

        self._inner.commit(commands, answered)
        entries = list(self._inner.entries(self._entry, 1_000_000))
        settled = {e.entry: self._inner.bet(e.bet) for e in entries if e.bet is not None and e.reason in _SETTLING}
        if entries:
            self._entry = entries[-1].entry

    # --- commands -----------------------------------------------------------------------------------------------------

    def _command(self, command: Command, answer: Answer) -> Iterator[bytes]:
        encoded = self._journal.encoded
        match command:
            case PlaceBet():
                yield self._bet(command, answer)
            case DecideLegs(fixture=fixture, version=version):
                for decision in command.decisions:
                    what = {"fixture": fixture, "market": decision.market, "selection": decision.selection}
                    yield encoded("decision", {**what, **outcome_fields(decision.outcome), "version": version})
            case VoidLegs():
                window = {"from_ms": command.from_ms, "until_ms": command.until_ms}
                yield encoded("window", {"fixture": command.fixture, "version": command.version, **window})
            case OpenAccount() | SetStatus() if answer.refusal is None:
                yield self._account(command)
            case SetLimit():
                set_ = {"account": command.account, "limit": command.limit, "amount": command.amount}
                yield encoded("limit", {"id": command.id, **set_, "answer": answer_name(answer)})
            case GrantFreeBet() | ExpireFreeBet():
                yield self._free_bet(command, answer)
            case CashOut():
                yield self._cash_out(command, answer)
            case SetCashOut():
                threshold = {"account": command.account, "bet": command.bet, "amount": command.amount}
                yield encoded("cash_out_at", {"id": command.id, **threshold, "answer": answer_name(answer)})
            case _:
                pass

    def _account(self, command: OpenAccount | SetStatus) -> bytes:
        if isinstance(command, OpenAccount):
            fields = {"currency": command.currency, "status": "open", "stake_per_day": command.stake_per_day}
        else:
            account = self._inner.account(command.account)
            fields = {"currency": account.currency if account else "", "status": command.status}
        return self._journal.encoded("account", {"account": command.account, **fields})

    def _free_bet(self, command: GrantFreeBet | ExpireFreeBet, answer: Answer) -> bytes:
        fields: dict[str, object] = {"free_bet": command.free_bet, "account": command.account}
        if isinstance(command, GrantFreeBet):
            given = {"amount": command.amount, "currency": command.currency, "until_ms": command.until_ms}
            fields |= {"action": "given", **given}
        else:
            fields |= {"action": "taken_back"}
        return self._journal.encoded("free_bet", {**fields, "answer": answer_name(answer)})

    def _cash_out(self, command: CashOut, answer: Answer) -> bytes:
        said = {"id": command.id, "account": command.account, "answer": answer_name(answer)}
        if answer.repeated or answer.refusal == Refusal.ID_REUSED:
            return self._journal.encoded("retry", {**said, "bet": _bet_of(answer)})
        names = ("bet", "stake", "asked", "offered", "standing", "automatic")
        asked = {name: getattr(command, name) for name in names}
        return self._journal.encoded("cash_out", {**said, "balance": answer.balance, **asked})

    def _bet(self, command: PlaceBet, answer: Answer) -> bytes:
        key = (command.account, command.id)
        who = {"id": command.id, "account": command.account}
        said = {**who, "answer": answer_name(answer), "bet": _bet_of(answer)}
        if not command.answers_referral and key in self._known:
            return self._journal.encoded("retry", said)
        self._known.add(key)
        prices = [format_price(leg.price) for leg in command.legs]
        more = {"prices": prices, "balance": answer.balance, "stake_max": answer.stake_max}
        if command.answers_referral:
            return self._journal.encoded("referral", {**said, **more, "offer": _offer(answer)})
        until = {"until_ms": answer.pending_until_ms} if answer.pending_until_ms else {}
        return self._journal.encoded("bet", {**said, **more, **until, **_payload(command)})

    # --- what the ledger then holds -----------------------------------------------------------------------------------

    def _state(self, bet: Bet) -> bytes:
        names = ("bet", "status", "returns", "version", "owed", "cashed", "cash")
        return self._journal.encoded("state", {name: getattr(bet, name) for name in names})

    def _postings(self, entries: Sequence[Entry]) -> list[bytes]:
        return [
            self._journal.encoded("posting", {
                "entry": entry.entry, "account": posting.account, "amount": posting.amount,
                "currency": entry.currency, "bet": entry.bet, "reason": entry.reason,
            })
            for entry in entries
            for posting in entry.postings
        ]  # fmt: skip


def _bet_of(answer: Answer | Moment | None) -> str | None:
    return answer.bet.bet if isinstance(answer, Answer) and answer.bet is not None else None


def _own(command: Command, answer: Answer, left: list[Entry]) -> list[Entry]:
    """The entries that a command made, taken out of those that a batch made."""
    if answer.repeated or answer.refusal is not None:
        return []
    match command:
        case PlaceBet() | CashOut() if answer.bet is not None:
            bet = answer.bet.bet
            found = [entry for entry in left if entry.bet == bet]
        case GrantFreeBet():
            found = [entry for entry in left if entry.reason == "free_bet"][:1]
        case ExpireFreeBet():
            found = [entry for entry in left if entry.reason == "free_bet_expired"][:1]
        case Transfer():
            found = [entry for entry in left if entry.bet is None and entry.reason == command.reason][:1]
        case _:
            found = []
    for entry in found:
        left.remove(entry)
    return found


def _payload(command: PlaceBet) -> dict[str, object]:
    """What the fan sent: what its id stands for."""
    return {
        "currency": command.currency, "stake": command.stake, "policy": command.policy,
        "legs": [_leg(leg) for leg in command.asked], "type": command.type, "tolerance": command.tolerance,
        "free_bet": command.free_bet, "refer": command.refer, "offer": command.offer,
    }  # fmt: skip


def _leg(leg: Leg) -> dict[str, object]:
    fields = msgspec.structs.asdict(leg)
    parts = fields.pop("parts")
    return {**fields, "price": format_price(leg.price), **({"parts": parts} if parts else {})}


def _offer(answer: Answer) -> dict[str, object] | None:
    if (offer := answer.offered) is None:
        return None
    prices = [format_price(leg.price) for leg in offer.legs]
    return {"offer": offer.offer, "stake": offer.stake, "prices": prices, "until_ms": offer.until_ms}


def outcome_fields(outcome: Outcome | None) -> dict[str, object]:
    """What a selection came to, as a journal writes it."""
    if outcome is None:
        return {"result": "undecided"}
    places, tied = outcome.dead_heat
    dead_heat = "1" if places == tied else f"{places}/{tied}"
    return {"result": outcome.result, "void_share": _VOID_SHARE[outcome.void_halves], "dead_heat": dead_heat}


def answer_name(answer: Answer | Moment) -> str:
    """``accepted``, ``pending`` where it waits for a trader, or the name of the refusal."""
    if isinstance(answer, Moment):
        return str(answer)
    if answer.pending_until_ms:
        return "pending"
    return "accepted" if answer.refusal is None else str(answer.refusal)
