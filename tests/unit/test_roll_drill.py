"""What a roll under load is judged by."""

import msgspec
import pytest

from matchday.bench.open_loop import Seen
from matchday.bench.roll_drill import RollDrill, _report


def seen(**answers: int) -> Seen:
    found = Seen(due=1_000, sent=1_000)
    for kind, count in answers.items():
        for _ in range(count):
            found.answer(kind, 0.01)
    return found


def test_answers_are_told_apart() -> None:
    answers = {"accepted": 900, "market_suspended": 60, "price_moved": 30, "busy": 4, "connection_closed": 3, "503": 1}
    report = _report(seen(**answers), 500, 2.0)
    assert (report.accepted, report.refused_by_rule, report.busy) == (900, 90, 4)
    assert report.other == 6  # two were not answered at all
    assert (report.other_share, report.busy_share, report.sent_per_second) == (0.006, 0.004, 500)
    assert (report.accepted_p50_ms, report.accepted_max_ms) == (10, 10)


GOOD = RollDrill(rolled=True, accepted=1_000, sent=1_000)


@pytest.mark.parametrize(
    ("change", "good"),
    [
        ({}, True),
        ({"busy_share": 0.0009}, True),
        ({"busy_share": 0.001}, False),
        ({"other": 1}, False),
        ({"rolled": False}, False),
        ({"bets_lost": 1}, False),
        ({"bets_too_many": 1}, False),
    ],
)
def test_one_in_a_thousand_is_too_many(change: dict[str, object], good: bool) -> None:
    assert msgspec.structs.replace(GOOD, **change).good == good
