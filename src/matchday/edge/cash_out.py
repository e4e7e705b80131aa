"""The HTTP door of cash-out: what a bet would be paid out for now, taking that up, and having it done by itself.

Owns nothing. Form alone is judged here: what is offered, and whether it still is, the room and the ledger say.
"""

from collections.abc import Callable
from typing import Final, Protocol

import msgspec
from msgspec import UNSET, UnsetType
from starlette.requests import Request

from matchday.config import Settings
from matchday.edge.api import CashOutAnswer, CashOutAtBody, CashOutBody
from matchday.edge.parse import amount_of, check_id, read_body
from matchday.edge.problems import Problem
from matchday.edge.slips import answer_of, pending
from matchday.edge.waiting import answered, in_time
from matchday.model.cash_out import Quote
from matchday.model.ledger import Answer, CashOut, Moment, Refusal, SetCashOut
from matchday.model.money import MoneyError, format_amount, parse_amount
from matchday.ports import Clock, Ledger, LedgerUnavailable

_REMEDIES: Final = {
    Refusal.BET_UNKNOWN: "GET /api/bets has the bets of this account",
    Refusal.BET_NOT_OPEN: "only what is still open can be cashed out; GET /api/bets says how it stands",
    Refusal.CASH_OUT_UNAVAILABLE: (
        "ask again when every leg can be bet on, for what is left of the stake at most, or leave the bet to its legs"
    ),
    Refusal.QUOTE_UNKNOWN: "send the quote of GET /api/bets/{bet}/cash-out as it came, for the same bet",
    Refusal.QUOTE_EXPIRED: "ask for a new quote and send it within its time, under a new id",
    Refusal.QUOTE_MOVED: "ask for a new quote and send it under a new id",
    Refusal.ID_REUSED: "this id was used for another command; make a new id",
    Refusal.ID_EXPIRED: "make a new id (UUIDv7) for each request",
}
_FIELDS: Final = {Refusal.QUOTE_UNKNOWN: "quote", Refusal.QUOTE_EXPIRED: "quote", Refusal.QUOTE_MOVED: "quote"}


class NoQuote(Protocol):
    """Why nothing is offered, as this door sees it."""

    @property
    def refusal(self) -> Refusal:
        """Its name."""

    @property
    def detail(self) -> str:
        """For people."""


class CashOutRoom(Protocol):
    """The cash-out room, as this door sees it."""

    def quote(self, account: str, bet: str, stake: int | None) -> Quote | NoQuote:
        """What a bet would be cashed out for."""

    def sign(self, quote: Quote) -> str:
        """As its fan gets it."""

    def read(self, quote: str) -> Quote | None:
        """As it was signed."""

    def cash_out(self, command: CashOut, done: Callable[[Answer | Moment], None], waits: Callable[[int], None]) -> None:
        """Take a quote up."""

    def set_cash_out(self, command: SetCashOut, done: Callable[[Answer | Moment], None]) -> None:
        """Set a threshold."""

    def waiting_until(self, account: str, id_: str) -> int | None:
        """Until when a cash-out waits its delay."""


class CashOutDoor:
    """The operations of the table that are about cash-out."""

    def __init__(self, room: CashOutRoom, ledger: Ledger, clock: Clock, settings: Settings) -> None:
        self._room, self._ledger, self._clock, self._settings = room, ledger, clock, settings.doors

    async def cash_out_quote(self, request: Request, account: str) -> tuple[int, msgspec.Struct]:
        """GET /api/bets/{bet}/cash-out."""
        bet, currency = request.path_params["bet"], self._currency(account)
        found = self._room.quote(account, bet, _stake(request.query_params.get("stake"), currency))
        if not isinstance(found, Quote):
            raise Problem(found.refusal, _said(found.refusal, found.detail))
        stake, amount = (format_amount(value, currency) for value in (found.stake, found.amount))
        return 200, CashOutAnswer(bet, stake, amount, found.until_ms, self._room.sign(found))

    async def cash_out(self, request: Request, account: str) -> tuple[int, msgspec.Struct]:
        """POST /api/bets/{bet}/cash-out."""
        body = await read_body(request, CashOutBody, self._clock, self._settings.body_bytes_max)
        check_id(body.id, self._clock.now_ms())
        bet, quote = request.path_params["bet"], self._room.read(body.quote)
        if quote is None or (quote.account, quote.bet) != (account, bet):
            raise Problem(Refusal.QUOTE_UNKNOWN, _REMEDIES[Refusal.QUOTE_UNKNOWN], field="quote")
        command = CashOut(body.id, account, bet, quote.stake, quote.amount, quote=body.quote)
        try:
            found: Answer | Moment | int = await in_time(
                self._clock, self._settings.answer_ms_max, lambda done: self._room.cash_out(command, done, done)
            )
        except TimeoutError:
            found = 0
        if isinstance(found, int):
            return 202, pending(body.id, found or None)
        return 200, answer_of(self._accepted(found, quote))

    async def cash_out_at(self, request: Request, account: str) -> tuple[int, msgspec.Struct]:
        """POST /api/bets/{bet}/cash-out-at."""
        body = await read_body(request, CashOutAtBody, self._clock, self._settings.body_bytes_max)
        check_id(body.id, self._clock.now_ms())
        amount = None if body.amount is None else amount_of(body.amount, self._currency(account), "amount")
        if amount is not None and amount <= 0:
            raise Problem("amount_invalid", "a threshold is more than zero; null removes it", field="amount")
        command = SetCashOut(body.id, account, request.path_params["bet"], amount, 0)
        found: Answer | Moment = await answered(
            self._clock, self._settings.answer_ms_max, lambda done: self._room.set_cash_out(command, done)
        )
        return 200, answer_of(self._accepted(found))

    def _currency(self, account: str) -> str:
        view = self._ledger.account(account)
        if view is None:
            raise Problem("not_signed_in", "the account is not known here; sign in again")
        return view.currency

    def _accepted(self, found: Answer | Moment, quote: Quote | None = None) -> Answer:
        """The answer, or its refusal as a problem: where a quote has moved, with what is offered now."""
        if isinstance(found, Moment):
            raise Problem(found, "nothing was recorded: the same id may be sent again", retry_after_s=1)
        if found.refusal is None:
            return found
        detail, field = _said(found.refusal, found.detail), _FIELDS.get(found.refusal, "")
        amount = self._now(quote) if found.refusal == Refusal.QUOTE_MOVED and quote is not None else UNSET
        raise Problem(found.refusal, detail, field=field, amount=amount)

    def _now(self, quote: Quote) -> str | UnsetType:
        """What is offered now for the same; nothing where that cannot be said."""
        try:
            now, currency = self._room.quote(quote.account, quote.bet, quote.stake), self._currency(quote.account)
        except LedgerUnavailable:
            return UNSET
        return format_amount(now.amount, currency) if isinstance(now, Quote) else UNSET


def _said(refusal: Refusal, detail: str) -> str:
    """What is wrong, and the remedy."""
    remedy = _REMEDIES.get(refusal, "")
    return f"{detail}: {remedy}" if detail and remedy and detail != remedy else detail or remedy


def _stake(text: str | None, currency: str) -> int | None:
    """Minor units of the part that is asked about; None for all that remains."""
    if text is None:
        return None
    try:
        stake = parse_amount(text, currency) if text.isascii() else 0
    except MoneyError as error:
        raise Problem("parameter_invalid", str(error), field="stake") from error
    if stake <= 0:
        detail = "send a decimal of more than zero, in the digits 0 to 9; or leave it out for all that remains"
        raise Problem("parameter_invalid", detail, field="stake")
    return stake
