"""The forecast: what it learns of days and matches made up by a rule that the test knows."""

import numpy as np
import pytest

from matchday.ops.forecast.model import Band, Past, band, carried, fast, quantile, quiet_errors, slow_parts
from matchday.ops.forecast.series import DAY, Slot
from matchday.ops.forecast.shape import WHISTLE, Scale, fit, smooth, stretched, weight
from tests.unit.forecast.crowds import crowd, evenings, requests

SCALE = Scale(1, 0)


def group(at: int) -> Slot:
    return Slot(at, 1, "group", off=False)


def past(days: int, first: int) -> Past:
    kickoffs = evenings(days, first)
    logs = np.log(requests(days, kickoffs).astype(float))
    return Past(SCALE, logs, np.ones(len(logs), bool), [group(at) for at in kickoffs])


def test_the_template_is_what_a_crowd_adds() -> None:
    known = past(14, 7)
    found = fit(SCALE, known.logs, known.known, known.slots).template
    for phase in (10, 20, 60, 100, 116, 130):
        assert found[phase - SCALE.low] == pytest.approx(np.log(crowd(phase)), abs=0.12), phase


def test_the_base_is_the_day_without_matches() -> None:
    known = past(14, 7)
    base = fit(SCALE, known.logs, known.known, known.slots).bases(13 * DAY, 14 * DAY)
    truth = np.log(1 + 0.5 * np.sin(2 * np.pi * (np.arange(DAY) - 480) / DAY))
    assert np.abs((base - base.mean()) - (truth - truth.mean())).max() < 0.12


def test_a_gap_teaches_nothing() -> None:
    whole = past(14, 7)
    logs, known = whole.logs.copy(), whole.known.copy()
    gap = slice(10 * DAY + 900, 10 * DAY + 1000)
    logs[gap], known[gap] = 0.0, False
    full, holed = (
        fit(SCALE, each, flags, whole.slots).template for each, flags in ((whole.logs, whole.known), (logs, known))
    )
    assert np.abs(full - holed).max() < 0.1


def test_the_slow_level_is_that_of_minutes_without_a_crowd() -> None:
    rest = np.concatenate([np.full(4000, 0.2), np.full(100, -0.8)])
    height = np.concatenate([np.zeros(4000), np.full(100, 1.0)])
    above, below = slow_parts(rest, height, 1)
    assert above[-1] / below[-1] == pytest.approx(0.2, abs=0.02)
    assert fast(rest, 1)[-1] == pytest.approx(-0.8)


def test_the_slow_level_is_the_plain_recursion() -> None:
    rest = np.sin(np.arange(9000) / 50)
    height = np.clip(np.cos(np.arange(9000) / 300), 0, 1)
    above, below = slow_parts(rest, height, 1)
    one = two = 0.0
    for each, high in zip(rest, height, strict=True):
        counts = (0.15 / (high + 0.15)) ** 2
        one, two = one * 0.5 ** (1 / 180) + counts * each, two * 0.5 ** (1 / 180) + counts
    assert (above[-1], below[-1]) == (pytest.approx(one), pytest.approx(two))


def test_a_small_crowd_is_not_followed_by_a_fall_that_never_comes() -> None:
    slow, now = np.array(0.0), np.array(-0.6)  # a match at height 0.8 drew 0.2
    during, after = carried(slow, now, np.array([0.8]), np.array([0.8, 0.0]))
    assert during == pytest.approx(-0.6)
    assert after == pytest.approx(0.0, abs=0.1)


def test_a_band_is_wider_for_longer_leads_and_about_the_whistle() -> None:
    known = past(14, 7)
    shape = fit(SCALE, known.logs, known.known, known.slots)
    noise = np.random.default_rng(1)
    logs = known.logs + np.cumsum(noise.normal(0, 0.002, len(known.logs)))
    drifting = Past(SCALE, logs, known.known, known.slots)
    found = band(shape, drifting, [quiet_errors(shape, drifting, 13, 31)], 31)
    assert isinstance(found, Band)
    assert found.quiet_deviation[30] > found.quiet_deviation[0] > 0
    assert (found.deviation >= 0).all()


def test_extra_time_holds_what_the_whistle_had() -> None:
    rows = np.arange(float(SCALE.high - SCALE.low))
    late = stretched(rows, SCALE)
    whistle = WHISTLE - SCALE.low
    assert late[: whistle + 1].tolist() == rows[: whistle + 1].tolist()
    assert set(late[whistle : whistle + 50]) == {rows[whistle]}
    assert len(late) == len(rows)
    assert late[whistle + 60] == rows[whistle + 10]


def test_a_match_weighs_by_stage_and_by_those_at_the_same_time() -> None:
    assert weight(group(0)) == 1.0
    assert weight(Slot(0, 2, "group", off=False)) > 1.0
    assert weight(Slot(0, 1, "final", off=False)) > weight(Slot(0, 1, "semi_final", off=False)) > 1.0


def test_a_moving_mean_keeps_the_length_and_a_constant() -> None:
    assert smooth(np.full(9, 2.0), 4).tolist() == [2.0] * 9
    assert smooth(np.array([0.0, 0.0, 3.0, 0.0, 0.0]), 3).tolist() == [0, 1, 1, 1, 0]


def test_a_quantile_counts_weights() -> None:
    assert quantile(np.array([3.0, 1.0, 2.0]), np.array([1.0, 98.0, 1.0]), 0.985) == 2.0
