"""A backtest as a page: the rows, what each policy lost at what bill, and the worst match days minute by minute.

Inline SVG, no script, nothing fetched: it can be mailed and kept.
"""

import html
import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from matchday.ops.forecast.backtest import Outcome, Row
from matchday.ops.forecast.fleet import Counts
from matchday.ops.forecast.problems import Finding
from matchday.ops.forecast.series import Floats

WORST: Final = 5
_FLOOR: Final = 1e-6
"""Losses below it stand on the plot's lower edge, which says so."""
_COLOURS: Final = {"ours": "#0a7d32", "oracle": "#555", "aws_hourly": "#b35c00", "seasonal_naive": "#7a3db8"}
_REACTIVE: Final = "#1f5fbf"
_CSS: Final = """body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}td,th{padding:.2rem .7rem;text-align:right}
td:first-child,th:first-child{text-align:left}tr.ours{background:#e5f4ea;font-weight:600}svg{max-width:100%;height:auto}
text{font:12px system-ui,sans-serif;fill:#333}h2{margin-top:2.2rem}.note{color:#555}"""
_BOX: Final = (70, 20, 800, 360)
"""Left, top, width and height of what is plotted within."""


def page(outcome: Outcome, findings: Sequence[Finding], sources: Sequence[str]) -> str:
    """The whole document."""
    plan, margin = outcome.plan, outcome.margin
    found = "".join(f"<li>{html.escape(str(finding))}</li>" for finding in findings)
    odd = f"<h2>What was odd about the files</h2><ul>{found}</ul>" if found else ""
    days = "".join(_day(outcome, day) for day in worst_days(outcome))
    return f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>Forecast backtest</title>
<style>{_CSS}</style><h1>Forecast backtest</h1>
<p>{_date(outcome, 0)} to {_date(outcome, plan.end - plan.start - 1)} (UTC), one process carries {plan.capacity:,}
requests a minute and boots in {plan.boot} minutes; compressed {plan.series.step} times. From
{html.escape(", ".join(sources))}.</p>
<p>Ours at a margin of {margin.deviations:g} deviations, declared before the judged days: rehearsed on
{margin.rehearsed_days} days from {margin.rehearsed_from}, where it lost {margin.loss:.4%}.</p>
{odd}<h2>What each policy lost, and its bill</h2>{pareto(outcome.rows)}
<p class="note">Left and low is better. The line joins the reactive sweep.</p>{_table(outcome.rows)}
<h2>The worst match days</h2><p class="note">Those on which ours lost most; then those on which the plain reactive rule
(70 %) did.</p>{days}</html>
"""


def _table(rows: Sequence[Row]) -> str:
    head = "<tr><th>policy<th>bill<th>over capacity<th>over 70 %<th>minutes late<th>decisions</tr>"
    body = "".join(
        f'<tr class="{row.policy}"><td>{row.policy}<td>{row.bill_ratio:.3f}<td>{row.requests_over_capacity:.4%}'
        f"<td>{row.requests_over_target:.2%}<td>{row.minutes_late}<td>{row.decisions}</tr>"
        for row in rows
    )
    return f"<table>{head}{body}</table>"


def pareto(rows: Sequence[Row]) -> str:
    """Bill across, loss upwards on a logarithmic scale."""
    left, top, width, height = _BOX
    low = math.floor(min(row.bill_ratio for row in rows) * 10) / 10
    high = math.ceil(max(row.bill_ratio for row in rows) * 10) / 10
    losses = [max(row.requests_over_capacity, _FLOOR) for row in rows]
    bottom, ceiling = math.log10(_FLOOR), math.ceil(math.log10(max(*losses, _FLOOR * 10)))

    def place(row: Row) -> tuple[float, float]:
        loss = math.log10(max(row.requests_over_capacity, _FLOOR))
        return (left + width * (row.bill_ratio - low) / (high - low),
                top + height * (ceiling - loss) / (ceiling - bottom))  # fmt: skip

    marks = []
    for power in range(int(bottom), ceiling + 1):
        y = top + height * (ceiling - power) / (ceiling - bottom)
        label = f"{10.0 ** (power + 2):g} %" if power > bottom else f"≤ {10.0 ** (power + 2):g} %"
        marks.append(f'<path d="M{left} {y:.1f}h{width}" stroke="#ddd"/><text x="4" y="{y + 4:.1f}">{label}</text>')
    for tenth in range(round(low * 10), round(high * 10) + 1, max(round((high - low) * 10) // 10, 1)):
        x = left + width * (tenth / 10 - low) / (high - low)
        marks.append(f'<text x="{x - 8:.1f}" y="{top + height + 18}">{tenth / 10:.1f}</text>')
    sweep = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(row) for row in rows if row.policy.startswith("reactive")))
    marks.append(f'<polyline points="{sweep}" fill="none" stroke="{_REACTIVE}" stroke-opacity=".5"/>')
    for row in rows:
        x, y = place(row)
        colour = _COLOURS.get(row.policy, _REACTIVE)
        marks.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{6 if row.policy == "ours" else 4}" fill="{colour}"/>'
                     f'<text x="{x + 7:.1f}" y="{y - 6:.1f}">{row.policy}</text>')  # fmt: skip
    return _svg("".join(marks), "Requests over capacity against the bill over the oracle's", height + 60)


def worst_days(outcome: Outcome) -> list[int]:
    """Match days of the judged ones, by what ours lost, then by what reactive_70 did."""
    day = outcome.plan.series.day
    days = range((outcome.plan.end - outcome.plan.start) // day)
    played = {(slot.at - outcome.plan.start) // day for slot in outcome.plan.slots if not slot.off}
    lost = {name: _lost(outcome, name) for name in ("ours", "reactive_70")}
    order = [tuple(-float(each[d * day : (d + 1) * day].sum()) for each in lost.values()) for d in days]
    return sorted((d for d in days if d in played), key=lambda d: order[d])[:WORST]


def _lost(outcome: Outcome, name: str) -> Counts:
    plan = outcome.plan
    requests, known = (each[plan.start : plan.end] for each in (plan.series.requests, plan.series.known))
    lost: Counts = np.where(known, np.maximum(requests - outcome.walks[name].ready * plan.capacity, 0), 0)
    return lost


def _day(outcome: Outcome, day: int) -> str:
    plan = outcome.plan
    left, top, width, height = _BOX
    height //= 2
    part = slice(day * plan.series.day, (day + 1) * plan.series.day)
    load = plan.series.requests[plan.start : plan.end][part].astype(float)
    capacity: dict[str, Floats] = {
        name: outcome.walks[name].ready[part] * np.float64(plan.capacity) for name in ("reactive_70", "ours")
    }
    most = max(load.max(), *(each.max() for each in capacity.values()), 1.0)
    marks = []
    for slot in plan.slots:
        at = slot.at - plan.start - part.start
        if 0 <= at < plan.series.day and not slot.off:
            x = left + width * at / plan.series.day
            marks.append(f'<path d="M{x:.1f} {top}v{height}" stroke="#c33" stroke-dasharray="3 3"/>')
            marks.append(f'<text x="{x + 3:.1f}" y="{top + 10}">{slot.matches} × {html.escape(slot.stage)}</text>')
    marks.append(_line(load, most, height, "#999", "fill:#eee"))
    marks.append(_line(capacity["reactive_70"], most, height, _REACTIVE, "fill:none"))
    marks.append(_line(capacity["ours"], most, height, _COLOURS["ours"], "fill:none"))
    marks.append(f'<text x="4" y="{top + 10}">{most:,.0f}</text><text x="4" y="{top + height}">0</text>')
    hours = range(0, 25, 3)
    marks += [f'<text x="{left + width * h / 24 - 12:.0f}" y="{top + height + 18}">{h:02}:00</text>' for h in hours]
    lost = {name: int(_lost(outcome, name)[part].sum()) for name in capacity}
    said = ", ".join(f"{name} lost {count:,}" for name, count in lost.items())
    title = f"{_date(outcome, part.start)}: requests (grey) and ready capacity of ours (green) and reactive_70 (blue)"
    return f"<h3>{_date(outcome, part.start)}</h3><p>Of {int(load.sum()):,} requests {said}.</p>" + _svg(
        "".join(marks), title, height + 60
    )


def _line(values: Floats, most: float, height: int, colour: str, style: str) -> str:
    left, top, width, _ = _BOX
    across = left + width * np.arange(len(values)) / max(len(values) - 1, 1)
    down = top + height * (1 - values / most)
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(across, down, strict=True))
    if "none" not in style:
        points = f"{left},{top + height} {points} {left + width},{top + height}"
    return f'<polyline points="{points}" stroke="{colour}" style="{style}"/>'


def _svg(inside: str, title: str, height: int) -> str:
    return f'<svg viewBox="0 0 960 {height}" role="img"><title>{html.escape(title)}</title>{inside}</svg>'


def _date(outcome: Outcome, place: int) -> str:
    minute = outcome.plan.series.minute(outcome.plan.start + place)
    return str(np.datetime64(minute, "m").astype("datetime64[D]"))
