"""At minute t a policy knows the trace to t - 1: whatever comes from t on, it has decided the same up to t."""

from random import Random

import numpy as np
import pytest

from matchday.ops.forecast import traffic
from matchday.ops.forecast.backtest import Plan, declare, policies, walk
from matchday.ops.forecast.calendar import read
from matchday.ops.forecast.fleet import Counts
from matchday.ops.forecast.outlook import Forecaster
from matchday.ops.forecast.series import DAY, Series, compressed, slots
from matchday.ops.forecast.zones import guarded
from tests.real import DATA
from tests.unit.forecast.crowds import evenings, plan, requests

WORLD_CUP = DATA.parent / "traffic-worldcup98"


def asked(given: Plan, margin: float, end: int) -> dict[str, bytes]:
    """What every policy but the oracle said up to a minute."""
    forecaster = Forecaster(given.scale, given.slots, given.boot)
    return {name: walk(policy, given, given.start, end, None).asked.tobytes()
            for name, policy in policies(given, forecaster, margin)}  # fmt: skip


def other(given: Plan, minute: int, chance: Random) -> Plan:
    """The same plan, the whole trace from a minute on replaced: by nothing, by floods, by noise, or by gaps."""
    load, known = given.series.requests.copy(), given.series.known.copy()
    rest = len(load) - minute
    futures: list[Counts] = [np.zeros(rest, np.int64), np.full(rest, 10**7), load[minute:] * 3, load[minute:][::-1]]
    load[minute:] = chance.choice(futures)
    known[minute:] = chance.random() < 0.7
    series = Series(given.series.origin, given.series.step, load, known)
    return Plan(series, given.slots, given.start, given.end, given.boot, given.capacity)


def check(given: Plan, minutes: list[int], chance: Random) -> None:
    whole = asked(given, 2.33, given.end)
    for minute in minutes:
        changed = asked(other(given, minute, chance), 2.33, minute + 1)
        for name, said in changed.items():
            assert whole[name].startswith(said), f"{name} decided otherwise by {minute}"


def test_nothing_from_t_on_changes_what_was_decided_up_to_t() -> None:
    chance = Random(8)
    kickoffs = evenings(7, 4)
    given = plan(requests(7, kickoffs), kickoffs, judged=2, boot=12, missing=[5 * DAY + 50, 6 * DAY + 910])
    edges = [given.start, given.start + 1, given.start + DAY, given.start + 900]
    check(given, edges + [chance.randrange(given.start, given.end) for _ in range(4)], chance)


def test_the_margin_is_declared_without_the_judged_days() -> None:
    given = plan(requests(6, evenings(6, 3)), evenings(6, 3), judged=1)
    changed = other(given, given.start, Random(3))
    first, second = (declare(each, Forecaster(each.scale, each.slots, each.boot)) for each in (given, changed))
    assert first == second


def test_a_policy_that_peeked_would_be_noticed() -> None:
    given = plan(requests(5, evenings(5, 3)), evenings(5, 3), judged=1)
    minute = given.start + 700

    class Peeking:
        def __init__(self, trace: Counts) -> None:
            self.trace = trace

        def decide(self, minute: int, *_: object) -> int:
            return int(self.trace[minute]) // 2000 + 1

    changed = other(given, minute, Random(1))
    before, after = (walk(Peeking(each.series.requests), each, given.start, minute + 1) for each in (given, changed))
    assert before.asked.tobytes() != after.asked.tobytes()


@pytest.mark.slow
@pytest.mark.parametrize(("boot", "compress"), [(30, 1), (15, 5)])
def test_nothing_leaks_in_the_world_cup(boot: int, compress: int) -> None:
    if not WORLD_CUP.exists():
        pytest.skip(f"no {WORLD_CUP}: the World Cup's traffic is not here")
    load = traffic.read(WORLD_CUP / "requests_per_minute.csv")
    series = compressed(load.first, load.requests, load.known, compress)
    start = series.index(load.first // DAY * DAY + 46 * DAY)
    timed, _ = guarded(series, slots(read(WORLD_CUP / "kickoffs_utc.csv").fixtures, series), start)
    given = Plan(series, timed, start, start + 2 * series.day, boot, 2000)
    chance = Random(boot)
    check(given, [start, *(chance.randrange(start, given.end) for _ in range(3))], chance)
