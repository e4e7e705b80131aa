"""The page: all policies on the Pareto plot, the five worst match days, and nothing fetched from anywhere."""

from xml.etree import ElementTree

import pytest

from matchday.ops.forecast.backtest import Outcome, backtest
from matchday.ops.forecast.command import decisions
from matchday.ops.forecast.problems import Finding
from matchday.ops.forecast.report import page, pareto, worst_days
from matchday.ops.forecast.series import DAY
from tests.unit.forecast.crowds import evenings, plan, requests


@pytest.fixture(scope="module")
def outcome() -> Outcome:
    kickoffs = [at for at in evenings(12, 3) if at // DAY != 9]
    return backtest(plan(requests(12, kickoffs), kickoffs, judged=7), lambda *_: None)


def test_the_plot_has_every_policy(outcome: Outcome) -> None:
    svg = ElementTree.fromstring(pareto(outcome.rows))
    said = {text.text for text in svg.iter("text")}
    assert {row.policy for row in outcome.rows} <= said


def test_the_five_worst_days_have_matches(outcome: Outcome) -> None:
    days = worst_days(outcome)
    assert len(days) == len(set(days)) == 5
    assert 9 - 5 not in days, "nobody played then"


def test_the_page_fetches_nothing_and_escapes_what_files_said(outcome: Outcome) -> None:
    html = page(outcome, [Finding("<b>odd</b>", "a.csv", "kept")], ["a.csv", "<k>.csv"])
    assert "&lt;b&gt;odd" in html
    assert "<k>" not in html
    assert not any(word in html for word in ("<script", "http://", "https://", "src="))
    assert html.count("<svg") == 6


def test_anybody_can_count_again(outcome: Outcome) -> None:
    rows = [line.split(",") for line in decisions(outcome).splitlines()[1:]]
    for row in outcome.rows:
        mine = [each for each in rows if each[1] == row.policy]
        beyond = sum(max(int(load) - int(ready) * 2000, 0) for _, _, load, _, ready, _ in mine)
        assert beyond / sum(int(each[2]) for each in mine) == pytest.approx(row.requests_over_capacity)
        assert len(mine) == 7 * DAY
