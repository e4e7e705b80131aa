"""The walk through a trace, minute by minute, and what each policy came to."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import msgspec
import numpy as np

from matchday.ops.forecast.fleet import Fleet, Walk, judge
from matchday.ops.forecast.ours import Ours
from matchday.ops.forecast.outlook import Forecaster
from matchday.ops.forecast.policies import AwsHourly, Policy, Reactive, SeasonalNaive, oracle
from matchday.ops.forecast.problems import ForecastError
from matchday.ops.forecast.series import DAY, Series, Slot
from matchday.ops.forecast.shape import Scale

TARGETS: Final = range(40, 85, 5)
"""Percent, of the reactive sweep."""
MARGIN: Final = 2.33
"""Deviations: what one minute in a hundred exceeds if errors are normal."""
MARGIN_FAR: Final = 1.96
"""What one minute in forty exceeds: for a lead beyond ``FAR``, where bands are so wide that each deviation costs much
more."""
FAR: Final = 40
"""Minutes of the trace that a boot takes."""
MARGIN_MAX: Final = 4.0
MARGIN_STEP: Final = 0.25
TRAINING_LOSS_MAX: Final = 0.0001
"""Of the requests of the rehearsed days, over capacity: above it the margin is raised."""
REHEARSED_DAYS: Final = 4
"""Match days before the judged ones that the margin is rehearsed on."""
HISTORY_DAYS_MIN: Final = 3
"""Whole days of traffic before the judged ones."""
Progress = Callable[[str, int, int], None]


class Row(msgspec.Struct, frozen=True):
    """What a policy came to on the judged days."""

    policy: str
    boot_minutes: int
    compress: int
    requests_over_capacity: float
    """Fraction of all requests."""
    requests_over_target: float
    """Fraction beyond 70 % of the capacity that was ready."""
    bill_ratio: float
    minutes_late: int
    decisions: int
    """Minutes in which it ordered or released."""


class Margin(msgspec.Struct, frozen=True):
    """The safety margin of ours, declared before the judged days, and how."""

    deviations: float
    rehearsed_from: str
    rehearsed_days: int
    loss: float
    """On the rehearsed days, at this margin."""


@dataclass(frozen=True)
class Plan:
    """What is walked, with whose rules."""

    series: Series
    slots: Sequence[Slot]
    start: int
    end: int
    boot: int
    capacity: int

    @property
    def scale(self) -> Scale:
        """The walk's minutes; 1 January 1970 was a Thursday."""
        return Scale(self.series.step, (self.series.origin // DAY + 3) % 7)


@dataclass(frozen=True)
class Outcome:
    """All of a backtest."""

    plan: Plan
    margin: Margin
    rows: Sequence[Row]
    walks: dict[str, Walk]


def walk(policy: Policy, plan: Plan, start: int, end: int, progress: Callable[[int], None] | None = None) -> Walk:
    """Ask a policy in every minute of start..end, and keep the fleet by the rules."""
    ready, paid, asked = (np.zeros(end - start, np.int64) for _ in range(3))
    fleet, changes = Fleet(plan.boot, policy.decide(start, plan.series.until(start), None)), 0
    asked[0] = ready[0] = paid[0] = fleet.total
    for minute in range(start + 1, end):
        fleet.turn(minute)
        wanted = policy.decide(minute, plan.series.until(minute), fleet)
        changes += fleet.ask(wanted)
        place = minute - start
        asked[place], ready[place], paid[place] = wanted, fleet.ready, fleet.total
        if progress is not None and place % plan.series.day == 0:
            progress(place // plan.series.day)
    return Walk(ready, paid, asked, changes)


def declare(plan: Plan, forecaster: Forecaster) -> Margin:
    """Choose ours' margin from the days before the judged ones: 2.33 deviations (1.96 for a far lead), raised by
    quarters while the last four match days, walked as if judged, lose more than 0.01 % of their requests. Nothing
    judged is looked at."""
    day = plan.series.day
    known = [d for d in range(HISTORY_DAYS_MIN, plan.start // day) if any(s.at // day < d for s in plan.slots)]
    matches = [d for d in known if any(s.at // day == d and not s.off for s in plan.slots)]
    first = min(matches[-REHEARSED_DAYS:], default=plan.start // day)
    where, days = _date(plan.series.minute(first * day)), plan.start // day - first
    margin, loss = MARGIN if plan.boot * plan.series.step <= FAR else MARGIN_FAR, 0.0
    while days:
        run = walk(Ours(forecaster, margin, plan.capacity), plan, first * day, plan.start)
        part = slice(first * day, plan.start)
        loss = judge(plan.series.requests[part], plan.series.known[part], run, plan.capacity).over_capacity
        if loss <= TRAINING_LOSS_MAX or margin >= MARGIN_MAX:
            break
        margin += MARGIN_STEP
    return Margin(round(margin, 2), where, days, loss)


def policies(plan: Plan, forecaster: Forecaster, margin: float) -> Iterator[tuple[str, Policy]]:
    """All that decide without knowing the future."""
    for target in TARGETS:
        yield f"reactive_{target}", Reactive(target, plan.capacity)
    yield "aws_hourly", AwsHourly(plan.series, plan.boot, plan.capacity)
    yield "seasonal_naive", SeasonalNaive(plan.series.day, plan.boot, plan.capacity)
    yield "ours", Ours(forecaster, margin, plan.capacity)


def backtest(plan: Plan, progress: Progress) -> Outcome:
    """Walk all policies through the judged days."""
    if plan.start < HISTORY_DAYS_MIN * plan.series.day:
        raise ForecastError(f"the traffic begins less than {HISTORY_DAYS_MIN} days before the judged days; "
                            "give a later --train-until or an earlier trace")  # fmt: skip
    if not plan.series.known[plan.start : plan.end].any():
        raise ForecastError("no minute of the judged days is in the traffic; check --train-until and --judge-until")
    forecaster = Forecaster(plan.scale, plan.slots, plan.boot)
    progress("margin", 0, 1)
    margin = declare(plan, forecaster)
    progress("margin", 1, 1)
    days = (plan.end - plan.start) // plan.series.day
    walks = {}
    for name, policy in policies(plan, forecaster, margin.deviations):
        walks[name] = walk(policy, plan, plan.start, plan.end, partial(_of_days, progress, name, days))
        progress(name, days, days)
    walks["oracle"] = oracle(plan.series.requests[plan.start : plan.end], plan.capacity)
    return Outcome(plan, margin, [_row(name, run, walks["oracle"], plan) for name, run in walks.items()], walks)


def _of_days(progress: Progress, name: str, days: int, done: int) -> None:
    progress(name, done, days)


def _row(name: str, run: Walk, best: Walk, plan: Plan) -> Row:
    part = slice(plan.start, plan.end)
    requests, known = plan.series.requests[part], plan.series.known[part]
    loss = judge(requests, known, run, plan.capacity)
    return Row(
        policy=name, boot_minutes=plan.boot, compress=plan.series.step,
        requests_over_capacity=loss.over_capacity, requests_over_target=loss.over_target,
        bill_ratio=loss.paid / max(int(best.paid[known].sum()), 1), minutes_late=loss.minutes_late,
        decisions=run.changes,
    )  # fmt: skip


def _date(minute: int) -> str:
    return str(np.datetime64(minute, "m").astype("datetime64[D]"))
