"""The trading desk's HTTP door: bets that wait for a trader, and free bets given to fans.

Owns nothing. A referral is answered once: a second answer is told what became of it. Form alone is judged here.
"""

import re
from collections.abc import Callable
from typing import Final, Protocol

import msgspec
from starlette.requests import Request

from matchday.config import Settings
from matchday.edge.api import BetAnswer
from matchday.edge.api_desk import PLACE, FreeBetAnswer, FreeBetBody, ReferralAnswerBody, ReferralRow, ReferralsAnswer
from matchday.edge.parse import amount_of, check_id, page_of, price_of, read_body
from matchday.edge.problems import Problem
from matchday.edge.slips import answer_of
from matchday.edge.waiting import answered
from matchday.model import lines
from matchday.model.acceptance import TraderAnswer
from matchday.model.ledger import Answer, Moment, PlaceBet, Referral
from matchday.model.money import format_amount
from matchday.model.views import leg_view
from matchday.ports import Clock, Ledger

_EVER_MS: Final = 2**62
"""A deadline that no referral has."""


class ReferralsRoom(Protocol):
    """The bets room, as this door sees it."""

    def answer_referral(
        self, account: str, id_: str, answer: TraderAnswer, done: Callable[[Answer | Moment | None], None]
    ) -> None:
        """A trader has decided."""


class FreeBetsRoom(Protocol):
    """The accounts room, as this door sees it."""

    def give_free_bet(
        self, account: str, id_: str, amount: int, currency: str, until_ms: int,
        done: Callable[[Answer | Moment], None],
    ) -> None:  # fmt: skip
        """Give a fan a free bet."""


class DeskDoor:
    """The desk's operations of the table."""

    def __init__(
        self, bets: ReferralsRoom, accounts: FreeBetsRoom, ledger: Ledger, clock: Clock, settings: Settings
    ) -> None:
        self._bets, self._accounts, self._ledger, self._clock = bets, accounts, ledger, clock
        self._settings = settings.doors

    async def referrals(self, request: Request, _: str) -> tuple[int, msgspec.Struct]:
        """GET /api/trader/referrals."""
        limit, after = page_of(request, self._settings.page_max), request.query_params.get("after")
        found = self._ledger.referrals(_EVER_MS, limit + 1, (0, "", "") if after is None else _place(after))
        referrals, following = found[:limit], _after(found[limit - 1]) if len(found) > limit else None
        return 200, ReferralsAnswer(tuple(map(_row, referrals)), following)

    async def answer_referral(self, request: Request, _: str) -> tuple[int, msgspec.Struct]:
        """POST /api/trader/referrals/{account}/{id}."""
        body = await read_body(request, ReferralAnswerBody, self._clock, self._settings.body_bytes_max)
        account, id_ = request.path_params["account"], request.path_params["id"]
        referral = self._ledger.referral(account, id_)
        if referral is None:
            return 200, self._known(account, id_)
        answer = _answer(body, referral.command)
        found: Answer | Moment | None = await answered(
            self._clock, self._settings.answer_ms_max,
            lambda done: self._bets.answer_referral(account, id_, answer, done),
        )  # fmt: skip
        if isinstance(found, Moment):
            raise Problem(found, "nothing was recorded: answer again", retry_after_s=1)
        return 200, self._known(account, id_) if found is None else answer_of(found)

    def _known(self, account: str, id_: str) -> BetAnswer:
        """What became of a bet that waits no more: somebody was faster, or its time was over."""
        known = self._ledger.answer(account, id_)
        if known is None:
            raise Problem(
                "referral_unknown", "no bet of this account waits under this id; see GET /api/trader/referrals"
            )
        return answer_of(known)

    async def give_free_bet(self, request: Request, _: str) -> tuple[int, msgspec.Struct]:
        """POST /api/trader/free-bets."""
        body = await read_body(request, FreeBetBody, self._clock, self._settings.body_bytes_max)
        now = self._clock.now_ms()
        check_id(body.id, now)
        amount = amount_of(body.amount, body.currency, "amount")
        if amount <= 0:
            raise Problem("amount_invalid", "a free bet is of more than zero", field="amount")
        if body.until_ms <= now:
            raise Problem("field_invalid", "until_ms is a moment to come, in milliseconds since 1970", field="until_ms")
        found: Answer | Moment = await answered(
            self._clock, self._settings.answer_ms_max,
            lambda done: self._accounts.give_free_bet(
                body.account, body.id, amount, body.currency, body.until_ms, done
            ),
        )  # fmt: skip
        if isinstance(found, Moment):
            raise Problem(found, "nothing was recorded: the same id may be sent again", retry_after_s=1)
        if found.refusal is not None:
            raise Problem(found.refusal, found.detail)
        return 201, FreeBetAnswer(body.id, body.account, body.amount, body.currency, body.until_ms, found.repeated)


def _after(referral: Referral) -> str:
    """Its place in the list, for whoever asks for what follows: it may be answered meanwhile."""
    return f"{referral.until_ms}.{referral.command.id}.{referral.command.account}"


def _place(after: str) -> tuple[int, str, str]:
    found = re.fullmatch(PLACE, after)
    if found is None:
        raise Problem("parameter_invalid", "after is the next of a page before", field="after")
    return int(found[1]), found[2], found[3]


def _row(referral: Referral) -> ReferralRow:
    command = referral.command
    bet_type = command.type or lines.default_type(len(command.asked))
    return ReferralRow(
        command.account, command.id, format_amount(command.stake, command.currency), command.currency, bet_type,
        tuple(map(leg_view, command.legs or command.asked)), command.policy, referral.until_ms,
    )  # fmt: skip


def _answer(body: ReferralAnswerBody, command: PlaceBet) -> TraderAnswer:
    """A trader's word on a bet that waits, or a problem that names the field."""
    if body.decision != "offer":
        if body.stake is not None or body.prices is not None:
            raise Problem("field_invalid", "stake and prices go with an offer", field="decision")
        return TraderAnswer(accept=body.decision == "accept", reason=body.reason)
    if body.stake is None and body.prices is None:
        raise Problem("field_invalid", "an offer has another stake, other prices, or both", field="stake")
    stake = command.stake if body.stake is None else amount_of(body.stake, command.currency, "stake")
    number = lines.count(command.type or lines.default_type(len(command.asked)), len(command.asked))
    if stake <= 0 or stake % number:
        raise Problem("amount_invalid", f"more than zero, and a multiple of {number} lines", field="stake")
    prices = None
    if body.prices is not None:
        if len(body.prices) != len(command.asked):
            detail = f"a price for each of the {len(command.asked)} legs"
            raise Problem("price_invalid", detail, field="prices")
        prices = tuple(price_of(price, f"prices[{index}]") for index, price in enumerate(body.prices))
    return TraderAnswer(reason=body.reason, stake=stake, prices=prices)
