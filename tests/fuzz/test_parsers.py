"""Whatever stands in a body, a file or a setting: what comes out is a value that is written as it was read, or the one
error that the parser's docstring names. Anything else would be a 500, a dead room, or a start that fails without saying
what to set."""

import argparse
import asyncio
import copy
import csv
import gzip
import io
import json
import math
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import Request

from matchday.config import Settings, SettingsError, load
from matchday.edge.api import BetBody, LegBody, LimitBody, Nothing
from matchday.edge.parse import amount_of, check_id, read_body
from matchday.edge.problems import REASONS, Problem
from matchday.edge.slips import command_of
from matchday.edge.visitors import networks
from matchday.feeds import wyscout_files
from matchday.feeds.prices import PricesError, PriceTable
from matchday.model.football import FootballState, advance
from matchday.model.market import MarketKey, format_line, parse_line, selection_id, split_selection
from matchday.model.messages import Message, decode, encode
from matchday.model.money import AMOUNT_MAX, DECIMALS, MoneyError, format_amount, parse_amount
from matchday.model.price import PRICE_MAX, PRICE_MIN, PriceError, format_price, parse_price
from matchday.ops.drill.night.faults import KINDS, faults_of
from matchday.ops.drill.night.shapes import Phase
from matchday.ops.scale.words import fans_of
from matchday.sim.clock import VirtualClock
from matchday.words import WordsError
from tests.fuzz.budget import examples
from tests.unit.test_feed_wyscout_files import GOAL, content, entry

BODY_BYTES_MAX = 4_096
DEEP = b"[" * 50_000
"""Deeper than any parser goes: what recurses must say so."""

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    | st.sampled_from(["", "0", "-1", "1e9", "9" * 5_000, "١", "\x00", "2.25", "EUR", "home", "events"])
)  # fmt: skip
values = st.recursive(
    scalars, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=9), v, max_size=3), max_leaves=6
)
decimals_like = st.from_regex(r"[-+ ]?[0-9]{0,19}[.,]?[0-9]{0,4}e?", fullmatch=True) | st.text(max_size=9)
currencies = st.sampled_from(sorted(DECIMALS))
mangled = st.tuples(st.integers(0, 1 << 20), st.binary(max_size=8), st.integers(0, 64))
"""Where, what is put there, and how many bytes it takes the place of."""


def mangle(raw: bytes, change: tuple[int, bytes, int]) -> bytes:
    at, put, size = change[0] % (len(raw) + 1), change[1], change[2]
    return raw[:at] + put + raw[at + size :]


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) of a JSON value, outermost first."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield value, key
        yield from places(inner)


def changed(value: Any, changes: list[tuple[int, Any]], removed: list[int]) -> Any:
    """A copy with other values in some places, and some places missing."""
    value = copy.deepcopy(value)
    for at, put in changes:
        found = list(places(value))
        if found:
            container, key = found[at % len(found)]
            container[key] = copy.deepcopy(put)  # what is drawn is put into several copies
    for at in removed:
        found = list(places(value))
        if found:
            container, key = found[at % len(found)]
            del container[key]
    return value


def names(error: Exception, *remedies: str) -> None:
    """An error for people says where to look."""
    assert any(remedy in str(error) for remedy in remedies), error


at = st.integers(0, 1 << 20)
changes = st.lists(st.tuples(at, values), max_size=3)
removals = st.lists(at, max_size=2)

# --- money, prices, lines, selections ---------------------------------------------------------------------------------


@settings(max_examples=examples(300), deadline=None)
@given(st.integers(-AMOUNT_MAX, AMOUNT_MAX), currencies)
def test_an_amount_is_read_as_it_is_written(amount: int, currency: str) -> None:
    assert parse_amount(format_amount(amount, currency), currency) == amount


@settings(max_examples=examples(300), deadline=None)
@given(decimals_like, currencies | st.text(max_size=4))
def test_a_text_is_an_amount_or_named_as_none(text: str, currency: str) -> None:
    try:
        amount = parse_amount(text, currency)
    except MoneyError:
        return
    assert abs(amount) <= AMOUNT_MAX
    assert parse_amount(format_amount(amount, currency), currency) == amount


@settings(max_examples=examples(300), deadline=None)
@given(st.integers(PRICE_MIN, PRICE_MAX))
def test_a_price_is_read_as_it_is_written(price: int) -> None:
    assert parse_price(format_price(price)) == price


@settings(max_examples=examples(300), deadline=None)
@given(decimals_like)
def test_a_text_is_a_price_or_named_as_none(text: str) -> None:
    try:
        price = parse_price(text)
    except PriceError:
        return
    assert PRICE_MIN <= price <= PRICE_MAX


@settings(max_examples=examples(300), deadline=None)
@given(st.integers(-(10**9), 10**9))
def test_a_line_is_read_as_it_is_written(line: int) -> None:
    assert parse_line(format_line(line)) == line


words = st.text(st.characters(codec="utf-8", exclude_characters=":/@"), min_size=1, max_size=8)


@settings(max_examples=examples(300), deadline=None)
@given(words, words, st.none() | st.integers(-400, 400), words)
def test_a_selection_is_read_as_it_is_written(fixture: str, kind: str, line: int | None, outcome: str) -> None:
    key = MarketKey(kind, line)
    assert split_selection(selection_id(key.of(fixture), outcome)) == (fixture, key, outcome)


@settings(max_examples=examples(500), deadline=None)
@given(st.text(max_size=20) | st.from_regex(r"F?:(1x2)?@?-?[0-9١]{0,3}\.?[0-9]{0,3}/?(over)?", fullmatch=True))
def test_one_selection_has_one_name(text: str) -> None:
    try:
        fixture, key, outcome = split_selection(text)
    except ValueError:
        return
    assert selection_id(key.of(fixture), outcome) == text


# --- bodies -----------------------------------------------------------------------------------------------------------


def answerable(problem: Problem, *, names_field: bool = False) -> None:
    """A problem of the table, which can be said as JSON."""
    assert problem.details.reason in REASONS
    assert problem.details.field or not names_field
    json.loads(bytes(problem.response().body))


def body_read(raw: bytes, shape: type[msgspec.Struct], kind: str = "application/json") -> msgspec.Struct | None:
    """What the door makes of a body; None where it is a problem."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": raw, "more_body": False}

    request = Request({"type": "http", "method": "POST", "headers": [(b"content-type", kind.encode())]}, receive)
    try:
        return asyncio.run(read_body(request, shape, VirtualClock(seed=1), BODY_BYTES_MAX))
    except Problem as problem:
        answerable(problem)
        return None


def judged(body: BetBody) -> None:
    """Each field by the door's own judge: fine, or a problem that names it."""
    for judge in (
        lambda: check_id(body.id, 1_700_000_000_000),
        lambda: amount_of(body.stake, body.currency, "stake"),
        lambda: command_of(body, "anna", 1_700_000_000_000),
    ):
        try:
            judge()
        except Problem as problem:
            answerable(problem, names_field=True)


BET: dict[str, Any] = {
    "id": "018bcfe5-6800-7000-8000-000000000000", "stake": "10.00", "currency": "EUR", "policy": "better",
    "legs": [{"selection": "F:total_goals@2.5/over", "price": "1.90", "generation": 1}],
}  # fmt: skip


@settings(max_examples=examples(150), deadline=None)
@given(changes, removals)
def test_a_bet_with_anything_in_any_field(change: list[tuple[int, Any]], removed: list[int]) -> None:
    body = body_read(json.dumps(changed(BET, change, removed)).encode(), BetBody)
    if isinstance(body, BetBody):
        judged(body)


@settings(max_examples=examples(150), deadline=None)
@given(mangled, st.sampled_from([BetBody, LimitBody, Nothing, LegBody]))
def test_a_bet_with_bytes_that_are_wrong(change: tuple[int, bytes, int], shape: type[msgspec.Struct]) -> None:
    body_read(mangle(json.dumps(BET).encode(), change), shape)


@settings(max_examples=examples(100), deadline=None)
@given(st.binary(max_size=64), st.text(st.characters(max_codepoint=255), max_size=30))
def test_a_body_that_is_any_bytes_of_any_type(raw: bytes, kind: str) -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": raw, "more_body": False}

    headers = [(b"content-type", kind.encode("latin-1")), (b"content-length", kind.encode("latin-1"))]
    request = Request({"type": "http", "method": "POST", "headers": headers}, receive)
    with pytest.raises(Problem) as raised:
        asyncio.run(read_body(request, BetBody, VirtualClock(seed=1), BODY_BYTES_MAX))
    assert raised.value.details.reason in REASONS


# --- messages ---------------------------------------------------------------------------------------------------------

SAID: list[Any] = [
    {"kind": "odds_alive", "epoch": 1, "at_ms": 1},
    {"kind": "feed_alive", "feed": "f", "at_ms": 1},
    {"kind": "bet_settled", "seq": 1, "account": "a", "at_ms": 1, "balance": 1, "bet": "b", "status": "settled",
     "version": 1, "returns": 2, "change": 2},
    {"kind": "bets_settled", "seq": 1, "account": "a", "at_ms": 1, "balance": 3,
     "bets": [{"bet": "b", "status": "settled", "version": 1, "returns": 2, "change": 2},
              {"bet": "c", "status": "void", "version": 1, "returns": 1, "change": 1}]},
    {"kind": "book_changed", "fixture": "F", "epoch": 1, "n": 1, "cause": "tick", "at_ms": 1,
     "board": {"fixture": "F", "competition": "Cup", "home": "H", "away": "A", "kickoff_ms": 0, "status": "live",
               "period": "1H", "clock_s": 0, "clock_at_ms": 0, "clock_rate": 1.0, "score": [1, 0], "half_time": None,
               "shoot_out": None, "red": [0, 0], "corners": [0, 0]},
     "markets": [{"market": "F:1x2", "type": "1x2", "line": None, "status": "open", "generation": 1,
                  "selections": [["home", 1900]]}]},
]  # fmt: skip


def message_read(raw: bytes) -> Message | None:
    """A message that is written as it was read; None where it is none."""
    try:
        message = decode(raw)
    except (msgspec.ValidationError, msgspec.DecodeError):
        return None
    assert decode(encode(message)) == message
    return message


@settings(max_examples=examples(300), deadline=None)
@given(st.sampled_from(SAID), changes, removals)
def test_a_message_with_anything_in_any_field(said: Any, change: list[tuple[int, Any]], removed: list[int]) -> None:
    message_read(json.dumps(changed(said, change, removed)).encode())


@settings(max_examples=examples(300), deadline=None)
@given(st.sampled_from(SAID), mangled)
def test_a_message_with_bytes_that_are_wrong(said: Any, change: tuple[int, bytes, int]) -> None:
    message_read(mangle(json.dumps(said).encode(), change))


@pytest.mark.parametrize("said", SAID, ids=lambda said: said["kind"])
def test_the_messages_that_are_changed_are_messages(said: Any) -> None:
    assert message_read(json.dumps(said).encode()) is not None


# --- providers' files -------------------------------------------------------------------------------------------------


def matches_in(files: dict[str, bytes]) -> wyscout_files.Loaded:
    """What is loaded: matches that the rules of football accept, and problems that name their file."""
    with tempfile.TemporaryDirectory() as folder:
        for name, raw in files.items():
            (Path(folder) / name).write_bytes(raw)
        loaded = wyscout_files.load([Path(folder)])
    for match in loaded.matches:
        state = FootballState()
        for _, type_, side, clock_s in match.incidents:
            state = advance(state, type_, side, clock_s)
        msgspec.json.encode(match)
    for problem in loaded.problems:
        assert problem.file.startswith(folder)
        assert problem.place
        assert problem.reason
    return loaded


@settings(max_examples=examples(150), deadline=None)
@given(changes, removals, changes, removals)
def test_a_match_with_anything_in_any_place(
    change: list[tuple[int, Any]], removed: list[int], change_meta: list[tuple[int, Any]], removed_meta: list[int]
) -> None:
    match, meta = content(GOAL), [entry()]
    loaded = matches_in(
        {
            "1.json": json.dumps(changed(match, change, removed)).encode(),
            "events_Denmark.json": json.dumps(changed(match["events"], change, removed)).encode(),
            "matches_Denmark.json": json.dumps(changed(meta, change_meta, removed_meta)).encode(),
        }
    )
    if not (change or removed or change_meta or removed_meta):
        assert len(loaded.matches) == 1


@settings(max_examples=examples(100), deadline=None)
@given(mangled, st.booleans())
def test_a_match_with_bytes_that_are_wrong(change: tuple[int, bytes, int], zipped: bool) -> None:
    raw = json.dumps(content(GOAL)).encode()
    matches_in({"1.json": mangle(gzip.compress(raw) if zipped else raw, change)})


@settings(max_examples=examples(50), deadline=None)
@given(st.binary(max_size=100), st.sampled_from(["1.json", "matches_X.json", "teams.json", "1.json.gz"]))
def test_a_file_of_any_bytes(raw: bytes, name: str) -> None:
    assert matches_in({name: raw}).matches == []


COLUMNS = ["date", "home_team", "away_team", "home_win", "draw", "away_win", "over_2.5", "under_2.5", "provider"]
ROW = ["2018-03-04", "Leeds", "Hull", "2.10", "3.30", "3.60", "1.90", "1.95", "market_average"]
cells = scalars.map(str) | st.sampled_from(ROW) | decimals_like


def prices_read(raw: bytes, name: str = "prices.csv") -> None:
    """A table that can be asked for a match, or the error that names the file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(raw)
        try:
            table = PriceTable.read(path)
        except PricesError as error:
            names(error, str(path))
            return
    for row in table.unmatched_rows():
        assert all(PRICE_MIN <= price <= PRICE_MAX for price in row.prices)
        strengths = table.match(row.home, row.away, row.day_ms)
        assert strengths is None or all(map(math.isfinite, (strengths.home_rate, strengths.away_rate, strengths.rho)))


@settings(max_examples=examples(60), deadline=None)
@given(st.permutations(range(len(ROW))), st.lists(st.tuples(at, cells), max_size=3), st.integers(0, len(ROW)))
def test_prices_with_anything_in_any_cell(order: list[int], change: list[tuple[int, str]], kept: int) -> None:
    row = list(ROW)
    for where, cell in change:
        row[where % len(row)] = cell
    text = io.StringIO()
    csv.writer(text).writerows([[COLUMNS[i] for i in order], [row[i] for i in order][:kept]])
    prices_read(text.getvalue().encode("utf-8", "surrogatepass"))


@settings(max_examples=examples(100), deadline=None)
@given(mangled, st.booleans())
def test_prices_with_bytes_that_are_wrong(change: tuple[int, bytes, int], zipped: bool) -> None:
    raw = f"{','.join(COLUMNS)}\n{','.join(ROW)}\n".encode()
    prices_read(mangle(gzip.compress(raw) if zipped else raw, change), "prices.csv.gz" if zipped else "prices.csv")


# --- settings ---------------------------------------------------------------------------------------------------------

FIELDS = [(part, name) for part in Settings.__struct_fields__ for name in getattr(Settings(), part).__struct_fields__]
toml_values = (
    st.integers().map(str) | st.floats().map(str) | st.text(st.characters(codec="utf-8"), max_size=8).map(json.dumps)
    | st.sampled_from(["true", "[]", "{}", "1979-05-27", "07:32:00", "nan", "-inf", "0", "-1", "1e400", "9" * 5_000])
    | st.sampled_from(['{a = "b"}', "{a = 1}"])
    | st.sampled_from(['["10.0.0.0/8"]', '["::1", "192.0.2.1"]', '["10.0.0.1/8"]', '[""]', "[1]", '["https://a.example"]'])
)  # fmt: skip


def settings_read(raw: bytes, environment: dict[str, str]) -> None:
    """Settings within their limits, or the error that names what to set."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "matchday.toml"
        path.write_bytes(raw)
        try:
            read = load(path, environment)
        except SettingsError as error:
            names(error, str(path), "MATCHDAY_")
            return
    for part, name in FIELDS:
        value = getattr(getattr(read, part), name)
        if isinstance(value, tuple | dict):
            assert all(isinstance(each, str) for each in (*value, *getattr(value, "values", tuple)()))
            continue
        assert isinstance(value, str) or (math.isfinite(value) and value >= 0), (part, name, value)
    assert len(networks(read.doors.trusted_proxies)) == len(read.doors.trusted_proxies)
    assert msgspec.convert(msgspec.to_builtins(read), Settings) == read


@settings(max_examples=examples(200), deadline=None)
@given(st.lists(st.tuples(st.sampled_from(FIELDS), toml_values), max_size=4, unique_by=lambda item: item[0]))
def test_settings_with_anything_in_any_field(said: list[tuple[tuple[str, str], str]]) -> None:
    settings_read("".join(f"{part}.{name} = {value}\n" for (part, name), value in said).encode(), {})


@settings(max_examples=examples(200), deadline=None)
@given(
    st.sampled_from([b"", b"doors = 5", b"[doors]\npage_max = 20", b"[[doors]]", b"doors = 1979-05-27"]),
    st.dictionaries(
        st.sampled_from([f"MATCHDAY_{part}_{name}{file}".upper() for part, name in FIELDS for file in ("", "_file")])
        | st.text(max_size=9).map("MATCHDAY_".__add__),
        scalars.map(str) | st.sampled_from(["\udcff", "\ud800", "a\0b", "/", "/dev/zero", __file__]),
        max_size=3,
    ),
)
def test_settings_with_anything_in_any_variable(raw: bytes, environment: dict[str, str]) -> None:
    settings_read(raw, environment)


@settings(max_examples=examples(150), deadline=None)
@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")), mangled)
def test_settings_of_any_bytes(raw: bytes, change: tuple[int, bytes, int]) -> None:
    settings_read(raw, {})
    settings_read(mangle(b'[doors]\npage_max = 20\n[accounts]\ncurrency = "EUR"\n', change), {})


# --- without end ------------------------------------------------------------------------------------------------------


PHASES = (Phase("goal", 2, (1.0,)), Phase("final whistle", 3, (1.0,)))


@settings(max_examples=examples(200), deadline=None)
@given(st.text(max_size=30) | st.from_regex(r"[a-z]{0,6}@(goal|final whistle|x)?[+]?[0-9.]{0,9}", fullmatch=True))
def test_a_fault_of_any_text_stands_within_the_night_or_is_refused(word: str) -> None:
    try:
        (fault,) = faults_of([word], PHASES, [2.0, 5.0])
    except WordsError:
        return
    assert fault.kind in KINDS
    assert 0 <= fault.at_s < 5


@settings(max_examples=examples(200), deadline=None)
@given(st.text(max_size=9) | st.from_regex(r"[0-9]{0,400}[.]?[0-9]{0,9}[kMm]?", fullmatch=True))
def test_a_number_of_fans_of_any_text_is_a_number_or_refused(word: str) -> None:
    try:
        assert fans_of(word) >= 0
    except argparse.ArgumentTypeError:
        return


def test_what_nests_without_end_is_refused_by_every_parser() -> None:
    """Bytes cost nothing to send: no parser may answer depth with anything but its own error."""
    assert body_read(b'{"legs":' + DEEP[: BODY_BYTES_MAX - 20], BetBody) is None
    assert message_read(b'{"kind":"odds_alive","epoch":1,"at_ms":1,"later":' + DEEP) is None
    assert matches_in({"1.json": b'{"events":[],"later":' + DEEP}).matches == []
    settings_read(b"doors = " + DEEP, {})
