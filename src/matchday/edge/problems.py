"""Problems: every error of the HTTP door, as RFC 9457 says them.

Owns the one table of reasons. A door raises a reason of the table; its status and title follow, here and in the
OpenAPI document alike.
"""

from http import HTTPStatus
from typing import Final

import msgspec
from starlette.responses import Response

from matchday.model.ledger import Moment, Refusal
from matchday.model.trading import TraderRefusal

MEDIA_TYPE: Final = "application/problem+json"

REASONS: Final[dict[str, int]] = {
    "request_invalid": 400,
    "not_json": 400,
    "body_too_slow": 400,
    "body_incomplete": 400,
    "not_signed_in": 401,
    "not_allowed": 403,
    "origin_not_allowed": 403,
    "not_found": 404,
    "id_unknown": 404,
    "fixture_unknown": 404,
    "referral_unknown": 404,
    "market_unknown": 404,
    "method_not_allowed": 405,
    "request_too_slow": 408,
    **dict.fromkeys(Refusal, 409),
    "ticket_unknown": 409,
    "ticket_used": 409,
    "body_too_large": 413,
    "content_type_unsupported": 415,
    "field_invalid": 422,
    "id_invalid": 422,
    "amount_invalid": 422,
    "currency_invalid": 422,
    "legs_invalid": 422,
    "selection_invalid": 422,
    "price_invalid": 422,
    "type_invalid": 422,
    "slip_invalid": 422,
    "factor_invalid": 422,
    "overround_invalid": 422,
    "parameter_invalid": 422,
    "too_many_requests": 429,
    "connections_full": 429,
    "head_too_large": 431,
    **dict.fromkeys(Moment, 503),
    "internal_error": 500,
    "not_answered": 503,
    "full": 503,
    "crowded": 503,
    "draining": 503,
    "overloaded": 503,
    "line_full": 503,
}
"""Reason -> status."""
assert REASONS.keys() >= set(TraderRefusal)

_CLOSING: Final = frozenset({"body_too_large", "body_too_slow", "content_type_unsupported"})
"""Answered before the body was read to its end: the connection closes, so that nobody reads the rest."""
_HEADERS: Final = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}


class ProblemDetails(msgspec.Struct, frozen=True, omit_defaults=True):
    """What went wrong, for programs and for people."""

    type: str
    title: str
    status: int
    reason: str
    """The name to act on; the end of ``type``."""
    detail: str = ""
    """Names what is wrong and the remedy."""
    field: str = ""
    """The field that is wrong, where one is."""
    price: str | msgspec.UnsetType = msgspec.UNSET
    """Of price_moved and generation_stale: the price now, of a bet's leg."""
    generation: int | msgspec.UnsetType = msgspec.UNSET
    """Of price_moved and generation_stale: the generation now."""
    stake_max: str | msgspec.UnsetType = msgspec.UNSET
    """Where a limit refused a bet: the stake that would be taken now, as a decimal; nothing of it is reserved."""
    amount: str | msgspec.UnsetType = msgspec.UNSET
    """Of quote_moved: what is offered now, as a decimal."""


class Problem(Exception):
    """Raised by a door; answered as ProblemDetails. ``reason`` is one of ``REASONS``."""

    def __init__(
        self,
        reason: str,
        detail: str = "",
        *,
        field: str = "",
        price: str | msgspec.UnsetType = msgspec.UNSET,
        generation: int | msgspec.UnsetType = msgspec.UNSET,
        stake_max: str | msgspec.UnsetType = msgspec.UNSET,
        amount: str | msgspec.UnsetType = msgspec.UNSET,
        retry_after_s: int = 0,
        allow: str = "",
    ) -> None:
        super().__init__(f"{reason}: {detail}")
        self.details = ProblemDetails(
            f"/problems/{reason}", title(reason), REASONS[reason], str(reason), detail, field, price, generation,
            stake_max, amount,
        )  # fmt: skip
        self._headers = dict(_HEADERS)
        self.retry_after_s = retry_after_s
        if retry_after_s:
            self._headers["Retry-After"] = str(retry_after_s)
        if allow:
            self._headers["Allow"] = allow
        if reason == "not_signed_in":
            self._headers["WWW-Authenticate"] = "Bearer"
        if reason in _CLOSING:
            self._headers["Connection"] = "close"

    def response(self) -> Response:
        """As it goes out."""
        return Response(msgspec.json.encode(self.details), self.details.status, self._headers, MEDIA_TYPE)

    def parts(self) -> tuple[int, str, dict[str, str], bytes]:
        """Status, its phrase, headers and body where no application answers: on a connection that closes after it."""
        status, body = HTTPStatus(self.details.status), msgspec.json.encode(self.details)
        closing = {"Content-Type": MEDIA_TYPE, "Content-Length": str(len(body)), "Connection": "close"}
        return status, status.phrase, {**self._headers, **closing}, body

    def raw(self) -> bytes:
        """The same as bytes."""
        status, phrase, headers, body = self.parts()
        lines = [f"HTTP/1.1 {status:d} {phrase}", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join([*lines, "", ""]).encode() + body


def of_moment(moment: Moment) -> Problem:
    """An answer about the moment, for a client."""
    return Problem(moment, "nothing was recorded: the same id may be sent again", retry_after_s=1)


def title(reason: str) -> str:
    """A reason for people."""
    return reason.replace("_", " ").capitalize()
