"""Slips in, returns out: what is calculated, what is refused and where, and the command."""

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest

from matchday import calc
from matchday.__main__ import main
from matchday.calc import DOCUMENT_BYTES_MAX, REASONS, Calculated, Refused, SlipError, calculate, calculate_document

Slip = dict[str, Any]
EVENS = {"price": "2.00", "result": "won"}


def slip(**changes: object) -> Slip:
    return {"type": "single", "currency": "INR", "stake": "10.00", "legs": [EVENS], **changes}


def leg(price: object = "2.00", result: object = "won", **more: object) -> Slip:
    return {"price": price, "result": result, **more}


@pytest.mark.parametrize(
    ("asked", "lines", "total", "back", "profit"),
    [
        (slip(), 1, "10.00", "20.00", "10.00"),
        (slip(legs=[leg(result="lost")]), 1, "10.00", "0.00", "-10.00"),
        (slip(legs=[leg(result="void")]), 1, "10.00", "10.00", "0.00"),
        (slip(stake="10", legs=[leg("2.05", "half_won")]), 1, "10.00", "15.25", "5.25"),  # sportsbook rules §3.1
        (slip(legs=[leg("2.05", "half_lost")]), 1, "10.00", "5.00", "-5.00"),
        (slip(stake="60.00", legs=[leg("6.0", {"dead_heat": [1, 3]})]), 1, "60.00", "120.00", "60.00"),  # betdaq
        (slip(legs=[leg("6.0", {"dead_heat": [3, 2]})]), 1, "10.00", "60.00", "50.00"),
        (slip(type="trixie", legs=[EVENS] * 3), 4, "10.00", "50.00", "40.00"),  # 4 lines of 2.50
        (slip(type="trixie", legs=[EVENS] * 3, stake_per="line"), 4, "40.00", "200.00", "160.00"),
        (slip(type="yankee", stake="11.00", legs=[EVENS] * 4, stake_per="bet"), 11, "11.00", "72.00", "61.00"),
        (slip(type="system:2/3", stake="0.01", stake_per="line", legs=[leg("1.50")] * 3), 3, "0.03", "0.06", "0.03"),
        (slip(currency="JPY", stake="333", legs=[leg("1.5")]), 1, "333", "499", "166"),  # no decimals: 499.5
        (slip(currency="KWD", stake="1.001", legs=[leg("1.5")]), 1, "1.001", "1.501", "0.500"),  # 1.5015
        (slip(free_bet=True, legs=[leg("2.375")]), 1, "10.00", "13.75", "13.75"),
        (slip(free_bet=True, legs=[leg(result="void")]), 1, "10.00", "0.00", "0.00"),
        (slip(free_bet=True, legs=[leg(result="lost")]), 1, "10.00", "0.00", "0.00"),
    ],
)
def test_what_slips_return(asked: Slip, lines: int, total: str, back: str, profit: str) -> None:
    assert calculate(asked) == Calculated(lines, total, back, profit)


REFUSED: list[tuple[object, str, str]] = [
    (3, "field_invalid", ""),
    (None, "field_invalid", ""),
    ({}, "field_invalid", "type"),
    (slip(type=3), "field_invalid", "type"),
    (slip(type="x" * 65), "field_invalid", "type"),
    (slip(stake=10), "field_invalid", "stake"),
    (slip(stake_per="leg"), "field_invalid", "stake_per"),
    (slip(free_bet="yes"), "field_invalid", "free_bet"),
    (slip(legs={}), "field_invalid", "legs"),
    (slip(legs=[EVENS, leg(2.5)]), "field_invalid", "legs[1].price"),
    (slip(legs=[{"price": "2.00"}]), "field_invalid", "legs[0].result"),
    (slip(legs=[leg(result="draw")]), "field_invalid", "legs[0].result"),
    (slip(legs=[leg(result=None)]), "field_invalid", "legs[0].result"),
    (slip(legs=[leg(result={"dead_heat": [1]})]), "field_invalid", "legs[0].result.dead_heat"),
    (slip(legs=[leg(result={"dead_heat": [True, 2]})]), "field_invalid", "legs[0].result.dead_heat[0]"),
    (slip(legs=[leg(result={"dead_heat": [0.5, 2]})]), "field_invalid", "legs[0].result.dead_heat[0]"),
    (slip(bonus="10"), "field_unknown", "bonus"),
    (slip(legs=[leg(each_way=True)]), "field_unknown", "legs[0].each_way"),
    (slip(legs=[leg(result={"dead_heat": [1, 2], "x": 1})]), "field_unknown", "legs[0].result.x"),
    (slip(type="double", legs=[EVENS] * 2), "type_unknown", "type"),
    (slip(type="system:4/3", legs=[EVENS] * 3), "fold_out_of_range", "type"),
    (slip(type="system:0/3", legs=[EVENS] * 3), "fold_out_of_range", "type"),
    (slip(legs=[]), "legs_out_of_range", "legs"),
    (slip(type="accumulator", legs=[EVENS] * 21), "legs_out_of_range", "legs"),
    (slip(type="trixie", legs=[EVENS] * 4), "legs_mismatch", "legs"),
    (slip(type="system:2/3", legs=[EVENS] * 4), "legs_mismatch", "legs"),
    (slip(currency="XXX"), "currency_invalid", "currency"),
    (slip(currency="inr"), "currency_invalid", "currency"),
    (slip(stake="1.001"), "amount_invalid", "stake"),
    (slip(currency="JPY", stake="1.5"), "amount_invalid", "stake"),
    (slip(stake="0.00"), "amount_invalid", "stake"),
    (slip(stake="-1"), "amount_invalid", "stake"),
    (slip(stake="ten"), "amount_invalid", "stake"),
    (slip(stake="١٠"), "amount_invalid", "stake"),
    (slip(stake="9" * 16), "amount_invalid", "stake"),
    (slip(type="trixie", legs=[EVENS] * 3, stake="9999999999999", stake_per="line"), "amount_invalid", "stake"),
    (slip(legs=[leg("1.000")]), "price_invalid", "legs[0].price"),
    (slip(legs=[leg("0.5")]), "price_invalid", "legs[0].price"),
    (slip(legs=[leg("1000.001")]), "price_invalid", "legs[0].price"),
    (slip(legs=[leg("2.3755")]), "price_invalid", "legs[0].price"),
    (slip(legs=[leg("9/4")]), "price_invalid", "legs[0].price"),
    (slip(legs=[leg("٢.٥")]), "price_invalid", "legs[0].price"),
    (slip(legs=[leg(result={"dead_heat": [0, 0]})]), "dead_heat_invalid", "legs[0].result.dead_heat"),
    (slip(legs=[leg(result={"dead_heat": [0, 3]})]), "dead_heat_invalid", "legs[0].result.dead_heat"),
    (slip(legs=[leg(result={"dead_heat": [-1, 3]})]), "dead_heat_invalid", "legs[0].result.dead_heat"),
    (slip(legs=[leg(result={"dead_heat": [1, 10**30]})]), "dead_heat_invalid", "legs[0].result.dead_heat"),
]


@pytest.mark.parametrize(("asked", "reason", "field"), REFUSED)
def test_a_bad_slip_is_refused_with_its_reason_and_place(asked: object, reason: str, field: str) -> None:
    with pytest.raises(SlipError) as caught:
        calculate(asked)
    error = caught.value.error
    assert (error.reason, error.field) == (reason, field)
    assert error.detail
    assert len(error.detail) < 400


def test_the_table_shows_every_reason_of_a_slip() -> None:
    of_documents = {"not_json", "document_too_large", "lines_exhausted"}
    assert {reason for _, reason, _ in REFUSED} == set(REASONS) - of_documents


def test_an_uneven_total_is_shared_exactly() -> None:
    """10.00 on the 11 lines of a yankee at evens: 6 doubles, 4 trebles, a fourfold of 0.90909... each. Of a cent on
    247 lines only the eightfold returns a whole one."""
    doubles, trebles, fourfold = 6 * 363, 4 * 727, 1454
    back = f"{(doubles + trebles + fourfold) / 100:.2f}"
    assert calculate(slip(type="yankee", legs=[EVENS] * 4)).returns == back
    assert calculate(slip(type="goliath", legs=[EVENS] * 8, stake="0.01")).returns == "0.01"


def test_a_bad_slip_does_not_stop_the_others() -> None:
    answers = calculate_document(json.dumps([slip(), slip(stake="0"), 7, slip(stake="20.00")]).encode())
    assert isinstance(answers, list)
    assert [type(answer) for answer in answers] == [Calculated, Refused, Refused, Calculated]
    assert answers[3] == Calculated(1, "20.00", "40.00", "20.00")
    assert calculate_document(b"[]") == []


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b"", "not_json"),
        (b"{", "not_json"),
        (b"\xff", "not_json"),
        (b'{"type": NaN}', "not_json"),
        (b"[" * 100_000, "not_json"),
        (b'{"type": 1e999}', "not_json"),
        (b" " * (DOCUMENT_BYTES_MAX + 1), "document_too_large"),
        (b"7", "field_invalid"),
    ],
    ids=["empty", "cut short", "no UTF-8", "NaN", "deep", "a number beyond all bounds", "too large", "a number"],
)
def test_what_is_no_document_of_slips_is_refused_as_a_whole(document: bytes, reason: str) -> None:
    answer = calculate_document(document)
    assert isinstance(answer, Refused)
    assert (answer.error.reason, answer.error.field) == (reason, "")


def test_a_document_has_a_limit_on_lines_and_smaller_slips_still_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calc, "DOCUMENT_LINES_MAX", 5)
    trixie = slip(type="trixie", legs=[EVENS] * 3)
    answers = calculate_document(json.dumps([trixie, trixie, slip(), slip()]).encode())
    assert isinstance(answers, list)
    assert [getattr(getattr(a, "error", None), "reason", None) for a in answers] == [
        None, "lines_exhausted", None, "lines_exhausted",
    ]  # fmt: skip


# The command


@pytest.fixture
def written(tmp_path: Path) -> Path:
    return tmp_path / "slips.json"


def test_the_command_prints_the_answer_to_a_slip(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written.write_text(json.dumps(slip()))
    assert main(["calc", str(written)]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "lines": 1, "total_stake": "10.00", "return": "20.00", "profit": "10.00",
    }  # fmt: skip


def test_the_command_says_by_its_status_that_a_slip_was_bad(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written.write_text(json.dumps([slip(), slip(legs=[EVENS, leg("1.000")], type="accumulator")]))
    assert main(["calc", str(written)]) == 1
    good, bad = json.loads(capsys.readouterr().out)
    assert good["return"] == "20.00"
    assert bad == {
        "error": {
            "reason": "price_invalid", "field": "legs[1].price", "detail": "price 1.000 is outside 1.001 to 1000.00",
        }
    }  # fmt: skip


def test_a_file_that_cannot_be_read_is_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for file in (tmp_path / "none", tmp_path):
        assert main(["calc", str(file)]) == 1
        out, err = capsys.readouterr()
        assert out == ""
        assert "name a file of slips, or - for standard input" in err


def test_the_example_of_the_help_is_true(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit):
        main(["calc", "--help"])
    shown = re.search(r"echo '(.*?)' \| matchday calc -\n(.*?\n  \})", capsys.readouterr().out, re.DOTALL)
    assert shown is not None
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(shown[1].encode())))
    assert main(["calc", "-"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(shown[2])


def test_an_interrupt_is_said_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("matchday.__main__._calc", lambda _: interrupted())
    assert main(["calc", "-"]) == 130
    assert capsys.readouterr().err == "matchday: interrupted\n"
