"""Parsing: from what a client sent to what a room is asked, or a problem that names the field and the remedy.

Judges form alone: whether a price, a limit or a selection holds is for the rooms and the ledger to say.
"""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from functools import lru_cache
from typing import Final, TypeVar

import msgspec
from starlette.requests import ClientDisconnect, Request

from matchday.edge.problems import Problem
from matchday.model.ledger import ID_AHEAD_MS
from matchday.model.market import split_selection
from matchday.model.money import MoneyError, decimals, parse_amount
from matchday.model.posting import uuid7_ms
from matchday.model.price import PriceError, parse_price
from matchday.ports import Clock

JSON: Final = "application/json"
BODY_MS_MAX: Final = 10_000
"""Milliseconds in which a body must have arrived; then it is answered 400 and the connection closes."""
_PAGE_DEFAULT: Final = 50
"""Rows of a page where a caller says none."""
_NAMED: Final = re.compile(r"field `(.{1,64})`$")
_Body = TypeVar("_Body", bound=msgspec.Struct)


def media_type(content_type: str) -> str:
    """What a ``Content-Type`` names, without its parameters."""
    return content_type.partition(";")[0].strip().lower()


async def read_body(request: Request, shape: type[_Body], clock: Clock, bytes_max: int) -> _Body:
    """The body, decoded and validated; not read further than its limits in bytes and time."""
    if media_type(request.headers.get("content-type", JSON)) != JSON:
        raise Problem("content_type_unsupported", "send Content-Type: application/json")
    try:
        async with within(clock, BODY_MS_MAX):
            received = await _received(request, bytes_max)
    except TimeoutError:
        raise Problem("body_too_slow", f"send the body within {BODY_MS_MAX} ms") from None
    except ClientDisconnect:
        raise Problem("body_incomplete", "the connection was closed before the body's end") from None
    return decode_body(received, shape)


def decode_body(received: bytes | bytearray, shape: type[_Body]) -> _Body:
    """A whole body, decoded and validated; nothing is an empty object."""
    try:
        return msgspec.json.decode(received or b"{}", type=shape)
    except msgspec.ValidationError as error:
        raise field_problem(str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Problem("not_json", f"{error}") from error


async def _received(request: Request, bytes_max: int) -> bytearray:
    too_large = Problem("body_too_large", f"send at most {bytes_max} bytes")
    declared = request.headers.get("content-length", "0")
    if not is_number(declared, digits=18) or int(declared) > bytes_max:
        raise too_large
    received = bytearray()
    async for chunk in request.stream():
        received += chunk
        if len(received) > bytes_max:
            raise too_large
    return received


@contextlib.asynccontextmanager
async def within(clock: Clock, limit_ms: int) -> AsyncIterator[None]:
    """TimeoutError where what is inside takes longer, by the platform's clock."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(None) as timeout:
        timer = clock.call_later(limit_ms, lambda: timeout.reschedule(loop.time()))
        try:
            yield
        finally:
            timer.cancel()


def is_number(text: str, *, digits: int) -> bool:
    """Whether a text is a whole number in at most so many of the digits 0 to 9."""
    return text.isascii() and text.isdecimal() and len(text) <= digits


def page_of(request: Request, most: int) -> int:
    """How many rows of a list a page is to have: its ``limit``, at most ``most``."""
    text = request.query_params.get("limit", str(min(_PAGE_DEFAULT, most)))
    if not is_number(text, digits=9) or not 1 <= int(text) <= most:
        raise Problem("parameter_invalid", f"limit is 1 to {most}", field="limit")
    return int(text)


def check_id(made: str, now_ms: int, field: str = "id") -> None:
    """A caller's id must be a UUIDv7 of about now; an old one is the ledger's to judge."""
    made_ms = uuid7_ms(made) if made == made.lower() else None
    if made_ms is None:
        raise Problem("id_invalid", "make a UUIDv7 (RFC 9562), lower case, before the first attempt", field=field)
    if made_ms > now_ms + ID_AHEAD_MS:
        raise Problem("id_invalid", "the id's time is more than a day ahead; check the clock", field=field)


def check_currency(currency: str, field: str = "currency") -> None:
    """Whether a currency is one that we know."""
    try:
        decimals(currency)
    except MoneyError as error:
        raise Problem("currency_invalid", str(error), field=field) from error


def amount_of(text: str, currency: str, field: str, currency_field: str = "currency") -> int:
    """Minor units of the amount in a field."""
    check_currency(currency, currency_field)
    try:
        if not text.isascii():
            raise MoneyError(f"{text!r} is not an amount; send a decimal in the digits 0 to 9")
        return parse_amount(text, currency)
    except MoneyError as error:
        raise Problem("amount_invalid", str(error), field=field) from error


def selection_of(selection: str, field: str) -> tuple[str, str]:
    """Fixture and market of a selection's id. One selection has one name: under another it would escape its exposure
    limit, and settlement would not find it."""
    try:
        return _market_of(selection)
    except ValueError as error:
        raise Problem("selection_invalid", str(error), field=field) from error


@lru_cache(maxsize=8_192)
def _market_of(selection: str) -> tuple[str, str]:
    fixture, key, _ = split_selection(selection)
    return fixture, key.of(fixture)


def price_of(text: str, field: str) -> int:
    """Thousandths of the price in a field."""
    try:
        if not text.isascii():
            raise PriceError(f"{text!r} is not a price; send a decimal in the digits 0 to 9")
        return parse_price(text)
    except PriceError as error:
        raise Problem("price_invalid", str(error), field=field) from error


def field_problem(error: str) -> Problem:
    """What a decoder found wrong, with the field that it names: in its words or by a path from ``$``."""
    said, at, place = error.rpartition(" - at `$")
    if not at:
        said, place = place, ""
    named = _NAMED.search(said)
    field = ".".join(part for part in (place.rstrip("`").lstrip("."), named[1] if named else "") if part)
    return Problem("field_invalid", f"{said[:200]}; see /openapi.json", field=field[:200])
