"""What ``matchday drill plan`` does: calendars, past traffic and a capacity model in, a verdict for each match out."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec
from rich.console import Console
from rich.table import Table

from matchday.backends.clock_wall import wall_ms
from matchday.ops.capacity import Capacity, doubts
from matchday.ops.drill.fans.behaviour import MIXES, Mix, bets, requests
from matchday.ops.drill.night.report import Headroom, headroom
from matchday.ops.drill.plan.peaks import Coming, Peak, peaks
from matchday.ops.forecast import calendar, traffic
from matchday.ops.forecast.series import compressed
from matchday.ops.scale.model import model_of
from matchday.output import write_json
from matchday.words import WordsError, within

MIX = MIXES["kick-off"]
"""Who comes for a match: by it requests become visitors, connections and bets."""


class Row(msgspec.Struct, kw_only=True):
    """One kick-off."""

    kickoff: str
    stage: str
    matches: int
    state: str
    peak_at: str = ""
    expected: float = 0.0
    """Requests a minute."""
    high: float = 0.0
    """What one such match in a hundred exceeds."""
    loads: dict[str, float] = {}
    """At the high."""
    tightest: Headroom | None = None
    holds: bool = True
    """Whether the processes carry the high."""


class Report(msgspec.Struct, kw_only=True):
    """All of them."""

    now: str
    days: int
    have: dict[str, int]
    version: str
    """Of the capacity model."""
    rows: list[Row]
    findings: list[str]
    holds: bool


def plan(options: argparse.Namespace) -> int:
    """``matchday drill plan``."""
    within(options, scale=(1e-6, 1e6), days=(1, 60))
    model, now = model_of(options.model), _now(options.now)
    have = _have(options.have, model)
    trace = traffic.read(options.traffic)
    read = [calendar.read(file, options.kickoffs_zone) for file in options.calendar]
    findings = [str(each) for each in (*trace.findings, *(f for one in read for f in one.findings))]
    fixtures = sorted((f for one in read for f in one.fixtures), key=lambda fixture: fixture.kickoff)
    series = compressed(trace.first, trace.requests, trace.known, 1)
    if (late := now - (trace.first + len(trace.requests))) > 1_440:
        findings.append(f"the traffic ends {late // 1_440} days before --now: its level may be another by now")
    rows = [row_of(peak, model, have, options.scale) for peak in peaks(series, fixtures, now, options.days)]
    report = Report(
        now=_said(now), days=options.days, have=have, version=model.version, rows=rows,
        findings=[*findings, *doubts(model)], holds=all(row.holds for row in rows),
    )  # fmt: skip
    if options.json:
        write_json(report)
    else:
        _print(report)
    return 0 if report.holds else 1


def _have(said: Sequence[tuple[str, int]], model: Capacity) -> dict[str, int]:
    """Processes of rooms that the model knows; of any other it would say nothing."""
    if unknown := [room for room, _ in said if room not in model.rooms]:
        raise WordsError(f"--have {unknown[0]!r} is no room of the capacity model; they are {', '.join(model.rooms)}")
    return dict(said)


def loads_at(requests_per_minute: float, mix: Mix) -> dict[str, float]:
    """Of a crowd that makes so many requests: those who stay are as many as come in the time of a stay (Little)."""
    came = requests_per_minute / 60 / requests(mix)
    loads = {
        "connections": came * mix.watch * mix.stay_s, "requests_per_s": requests_per_minute / 60,
        "bets_per_s": came * bets(mix),
    }  # fmt: skip
    return {load: round(value, 2) for load, value in loads.items()}


def row_of(peak: Peak, model: Capacity, have: Mapping[str, int], scale: float) -> Row:
    """The verdict on one."""
    one: Coming = peak.coming
    row = Row(kickoff=_said(one.minute), stage=one.stage, matches=one.matches, state=one.state)
    if one.state != "on":
        return row
    row.peak_at, row.expected, row.high = _said(peak.at_minute), round(scale * peak.expected), round(scale * peak.high)
    row.loads = loads_at(row.high, MIX)
    row.tightest = next(iter(headroom(model, row.loads, have, {})), None)
    row.holds = row.tightest is None or row.tightest.times >= 1
    return row


def _now(told: str | None) -> int:
    """Minutes since 1970 of what was told, or of the wall clock."""
    if told is None:
        return wall_ms() // 60_000
    try:
        moment = datetime.fromisoformat(told)
    except ValueError as error:
        raise WordsError(f"--now {told!r} is no time; write YYYY-MM-DD or YYYY-MM-DDTHH:MM, in UTC") from error
    return int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() // 60)


def _said(minute: int) -> str:
    return datetime.fromtimestamp(minute * 60, UTC).strftime("%Y-%m-%dT%H:%MZ")


def _print(report: Report) -> None:
    for finding in report.findings:
        sys.stderr.write(f"{finding}\n")
    table = Table(title=f"{report.days} days from {report.now}; requests a minute at the peak", title_justify="left")
    for name in ("kick-off", "matches"):
        table.add_column(name)
    for name in ("peak at", "expected", "1 in 100 above", "headroom", ""):
        table.add_column(name, justify="right", no_wrap=True)
    for row in report.rows:
        table.add_row(*_cells(row))
    console = Console()
    console.width = max(console.width, 120)
    console.print(table if report.rows else "no fixture in these days")
    have: Sequence[str] = [f"{count} {room}" for room, count in report.have.items()] or ["one process of each room"]
    console.print(f"Capacity model of version {report.version}; {', '.join(have)}.", highlight=False)


def _cells(row: Row) -> tuple[str, ...]:
    what = f"{row.matches} x {row.stage}"
    if row.state != "on":
        return row.kickoff, what, "", row.state, "", "", "[yellow]nothing shrinks[/]"
    tight = row.tightest
    room = f"{tight.times:.2f} x {tight.room} {tight.load}" if tight is not None else ""
    verdict = "[green]holds[/]" if row.holds else "[bold red]does not hold[/]"
    return row.kickoff, what, row.peak_at[11:], f"{row.expected:,.0f}", f"{row.high:,.0f}", room, verdict
