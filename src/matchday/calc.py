"""Calculating slips: what a bet returns once its results are known, without placing it.

Takes slips as JSON, gives lines, total stake, return and profit. The arithmetic is settlement's own
(``model.bet.return_of``); here is only the way in from text, and out to it. ``matchday calc --help`` shows a slip.

A slip that cannot be calculated is answered with a reason of ``REASONS`` and the field that is wrong: the first one, in
the order shape, type and number of legs, currency, stake, legs.
"""

import re
from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal

import msgspec

from matchday.model import lines
from matchday.model.bet import OUTCOMES, Outcome, Result, dead_heat, return_of
from matchday.model.lines import LinesError
from matchday.model.money import AMOUNT_MAX, MoneyError, decimals, format_amount, parse_amount
from matchday.model.price import PriceError, parse_price

DOCUMENT_BYTES_MAX: Final = 8 * 1024 * 1024
"""Bytes of one document; a longer one is not read (``document_too_large``). About 40 000 slips of four legs."""
DOCUMENT_LINES_MAX: Final = 20_000_000
"""Lines of all slips of one document, some seconds of usual slips; slips above are refused (``lines_exhausted``)."""

REASONS: Final[dict[str, str]] = {
    "not_json": "the document is not JSON, or has a number beyond all bounds",
    "document_too_large": f"the document has more than {DOCUMENT_BYTES_MAX} bytes",
    "field_invalid": "a field is missing or of another kind than it should be",
    "field_unknown": "a field that slips do not have",
    "type_unknown": "no such bet type",
    "fold_out_of_range": "a system of K/N with K below 1 or above N",
    "legs_out_of_range": f"no leg, or more than {lines.LEGS_MAX}",
    "legs_mismatch": "another number of legs than the type has",
    "currency_invalid": "a currency that is not known",
    "amount_invalid": "a stake that is no amount, is not above zero, or has more decimals than its currency",
    "price_invalid": "a price that is no decimal from 1.001 to 1000 with at most three decimals",
    "dead_heat_invalid": "places or tied selections below 1 or above 1000",
    "lines_exhausted": f"the slips before it have used up the {DOCUMENT_LINES_MAX} lines of a document",
}
"""Every reason for which something is not calculated, and what it means."""

_NAMED: Final = re.compile(r"field `(.{1,64})`$")
_FIELD_OF: Final = {"type_unknown": "type", "fold_out_of_range": "type"}


_Text = Annotated[str, msgspec.Meta(max_length=64)]


class _DeadHeat(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    dead_heat: tuple[int, int]


class _LegBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    price: _Text
    result: Result | _DeadHeat


class _SlipBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    type: _Text
    currency: _Text
    stake: _Text
    legs: list[_LegBody]
    stake_per: Literal["bet", "line"] = "bet"
    free_bet: bool = False


class Leg(msgspec.Struct, frozen=True):
    """A leg and what it came to."""

    price: int
    """Thousandths."""
    outcome: Outcome


class Slip(msgspec.Struct, frozen=True):
    """A slip that can be calculated."""

    type: str
    currency: str
    lines: int
    stake: int
    """The total in minor units, shared equally by the lines."""
    legs: tuple[Leg, ...]
    free: bool


class Calculated(msgspec.Struct, frozen=True, rename={"returns": "return"}):
    """What became of a slip; amounts are decimals of its currency."""

    lines: int
    total_stake: str
    returns: str
    profit: str
    """Return less stake; of a free bet the return, as the fan has staked nothing."""


class Error(msgspec.Struct, frozen=True):
    """Why something was not calculated."""

    reason: str
    """One of ``REASONS``."""
    field: str
    """Where, such as ``legs[1].price``; empty for the whole of it."""
    detail: str
    """What is wrong and what is expected."""


class Refused(msgspec.Struct, frozen=True):
    """The answer in the place of a slip, or of a document, that is not calculated."""

    error: Error


class SlipError(ValueError):
    """A slip that cannot be calculated, and why."""

    def __init__(self, reason: str, field: str, detail: str) -> None:
        super().__init__(f"{field}: {detail}" if field else detail)
        self.error = Error(reason, field, detail)


def calculate(slip: object) -> Calculated:
    """Calculate one slip, given as decoded JSON (dict, list, str, bool); SlipError where it cannot be."""
    return _settle(parse(slip))


def calculate_document(document: bytes) -> Calculated | Refused | list[Calculated | Refused]:
    """Calculate a slip or a list of slips, given as JSON; a bad one gets its error in its place, the others go on."""
    if len(document) > DOCUMENT_BYTES_MAX:
        return Refused(Error("document_too_large", "", f"send at most {DOCUMENT_BYTES_MAX} bytes at a time"))
    try:
        slips = msgspec.json.decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Refused(Error("not_json", "", f"{error}; expected a slip or a list of slips"))
    answers = _each(slips if isinstance(slips, list) else [slips])
    return list(answers) if isinstance(slips, list) else next(answers)


def _each(slips: list[Any]) -> Iterator[Calculated | Refused]:
    left = DOCUMENT_LINES_MAX
    for body in slips:
        try:
            slip = parse(body)
            if slip.lines > left:
                detail = f"{slip.lines} lines, and {left} are left for this document; calculate it in another"
                raise SlipError("lines_exhausted", "", detail)
            left -= slip.lines
            yield _settle(slip)
        except SlipError as error:
            yield Refused(error.error)


def _settle(slip: Slip) -> Calculated:
    outcomes = [leg.outcome for leg in slip.legs]
    returned = return_of(slip.stake, slip.legs, outcomes, slip.type, free=slip.free)
    risked = 0 if slip.free else slip.stake
    stake, back, profit = (format_amount(amount, slip.currency) for amount in (slip.stake, returned, returned - risked))
    return Calculated(slip.lines, stake, back, profit)


def parse(slip: object) -> Slip:
    """A slip from its decoded JSON; SlipError for the first thing that is wrong with it."""
    try:
        body = msgspec.convert(slip, _SlipBody)
    except msgspec.ValidationError as error:
        raise _misshapen(str(error)) from error
    try:
        number = lines.count(body.type, len(body.legs))
    except LinesError as error:
        raise SlipError(error.reason, _FIELD_OF.get(error.reason, "legs"), str(error)) from error
    stake = _stake(body, number)
    legs = tuple(_leg(leg, f"legs[{index}]") for index, leg in enumerate(body.legs))
    return Slip(body.type, body.currency, number, stake, legs, body.free_bet)


def _stake(body: _SlipBody, number: int) -> int:
    """The total stake in minor units."""
    currency = body.currency
    try:
        decimals(currency)
    except MoneyError as error:
        raise SlipError("currency_invalid", "currency", str(error)) from error
    try:
        amount = parse_amount(body.stake, currency)
    except MoneyError as error:
        raise SlipError("amount_invalid", "stake", str(error)) from error
    if amount <= 0:
        raise SlipError("amount_invalid", "stake", f"{body.stake!r} is not above zero")
    total = amount * number if body.stake_per == "line" else amount
    if total > AMOUNT_MAX:
        detail = f"{number} lines of {body.stake} are more than {format_amount(AMOUNT_MAX, currency)} {currency}"
        raise SlipError("amount_invalid", "stake", detail)
    return total


def _leg(body: _LegBody, field: str) -> Leg:
    try:
        price = parse_price(body.price)
    except PriceError as error:
        raise SlipError("price_invalid", f"{field}.price", str(error)) from error
    if isinstance(body.result, Result):
        return Leg(price, OUTCOMES[body.result])
    try:
        return Leg(price, dead_heat(*body.result.dead_heat))
    except ValueError as error:
        raise SlipError("dead_heat_invalid", f"{field}.result.dead_heat", str(error)) from error


def _misshapen(error: str) -> SlipError:
    """What a decoder found wrong, with the field that it names: in its words or by a path from ``$``."""
    said, at, place = error.rpartition(" - at `$")
    if not at:
        said, place = place, ""
    named = _NAMED.search(said)
    field = ".".join(part for part in (place.rstrip("`").lstrip("."), named[1] if named else "") if part)
    reason = "field_unknown" if "unknown field" in said else "field_invalid"
    return SlipError(reason, field[:200], said[:200])
