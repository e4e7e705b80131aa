"""Money and prices: exact at the doors, integers inside."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matchday.model.money import AMOUNT_MAX, DECIMALS, Money, MoneyError, format_amount, parse_amount
from matchday.model.price import PRICE_MAX, PRICE_MIN, PriceError, format_price, parse_price

CURRENCIES = st.sampled_from(sorted(DECIMALS))


@pytest.mark.parametrize(
    ("text", "currency", "amount"),
    [
        ("10.00", "EUR", 1000),
        ("10", "EUR", 1000),
        ("10.5", "EUR", 1050),
        ("0.01", "EUR", 1),
        ("-3.20", "EUR", -320),
        ("500", "JPY", 500),
        ("1.234", "KWD", 1234),
        ("1.2", "KWD", 1200),
    ],
)
def test_amounts_are_parsed_exactly(text: str, currency: str, amount: int) -> None:
    assert parse_amount(text, currency) == amount


@pytest.mark.parametrize(
    ("text", "currency", "reason"),
    [
        ("10.001", "EUR", "EUR has 2"),
        ("1.5", "JPY", "JPY has 0"),
        ("ten", "EUR", "not an amount"),
        ("1e3", "EUR", "not an amount"),
        ("", "EUR", "not an amount"),
        (" 1", "EUR", "not an amount"),
        ("1.", "EUR", "not an amount"),
        ("9" * 16, "EUR", "larger than"),
        ("1.00", "XXX", "not known"),
    ],
)
def test_what_is_no_amount_is_refused_with_its_reason(text: str, currency: str, reason: str) -> None:
    with pytest.raises(MoneyError, match=reason):
        parse_amount(text, currency)


@given(st.integers(-AMOUNT_MAX, AMOUNT_MAX), CURRENCIES)
def test_amounts_survive_the_round_trip(amount: int, currency: str) -> None:
    assert parse_amount(format_amount(amount, currency), currency) == amount


def test_currencies_do_not_mix() -> None:
    assert str(Money(1000, "EUR") + Money(-250, "EUR")) == "7.50 EUR"
    assert str(Money(1000, "JPY") - Money(1, "JPY")) == "999 JPY"
    with pytest.raises(MoneyError, match="do not add up"):
        Money(1, "EUR") + Money(1, "GBP")


@given(st.integers(PRICE_MIN, PRICE_MAX))
def test_prices_survive_the_round_trip(price: int) -> None:
    assert parse_price(format_price(price)) == price


@pytest.mark.parametrize(("price", "text"), [(2375, "2.375"), (2000, "2.00"), (1001, "1.001"), (1_000_000, "1000.00")])
def test_prices_read_as_people_write_them(price: int, text: str) -> None:
    assert format_price(price) == text


@pytest.mark.parametrize("text", ["1", "1.000", "0.5", "-2.0", "1000.001", "2.3751", "2,5", "evens", "", "NaN"])
def test_what_is_no_price_is_refused(text: str) -> None:
    with pytest.raises(PriceError):
        parse_price(text)
