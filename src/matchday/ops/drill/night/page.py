"""A night as a page: how many came and what they had to wait, second by second, and the phases' targets.

Inline SVG, no script, nothing fetched: it can be mailed and kept.
"""

import html
from collections.abc import Sequence
from typing import Final

from matchday.ops.drill.night.report import PhaseReport, Report
from matchday.ops.drill.night.terminal import headline, said

_CSS: Final = """body{font:15px/1.5 system-ui,sans-serif;max-width:66rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}td,th{padding:.15rem .6rem;text-align:right}
td:first-child,th:first-child,td:nth-child(2),th:nth-child(2){text-align:left}svg{max-width:100%;height:auto}
text{font:12px system-ui,sans-serif;fill:#333}.met{color:#0a7d32}.missed{color:#b00020;font-weight:600}
.note{color:#555}"""
_LEFT: Final = 60
_TOP: Final = 30
_WIDTH: Final = 860
_HEIGHT: Final = 170
_COLOURS: Final = ("#1f5fbf", "#0a7d32", "#b35c00", "#b00020")
_TINTS: Final = ("#f6f6f6", "#ececec")
Curve = tuple[str, Sequence[tuple[float, float]]]
"""(name, (second, value) of each)"""


def page(report: Report) -> str:
    """The whole document."""
    samples = report.samples
    crowd = plot(report, "Fans present, acts due and answered a second", [
        ("present", [(s.at_s, float(s.present)) for s in samples]),
        ("due", [(s.at_s, float(s.due)) for s in samples]),
        ("answered", [(s.at_s, float(s.answered)) for s in samples]),
        ("errors", [(s.at_s, float(s.errors)) for s in samples]),
    ])  # fmt: skip
    times = plot(report, "p99 of each second in ms, from due; how late the crowd was", [
        ("bet", [(s.at_s, s.bet_p99_ms) for s in samples if s.bet_p99_ms is not None]),
        ("home", [(s.at_s, s.home_p99_ms) for s in samples if s.home_p99_ms is not None]),
        ("crowd late", [(s.at_s, s.lag_ms) for s in samples]),
    ])  # fmt: skip
    frames = plot(report, "Frames a second on all screens", [("frames", [(s.at_s, float(s.frames)) for s in samples])])
    lines = "".join(f"<li>{html.escape(text)}</li>" for text in said(report))
    return f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>Drill</title>
<style>{_CSS}</style><h1>Drill</h1><p>{html.escape(headline(report))}</p><p class="note">{html.escape(report.at)},
Matchday {html.escape(report.version)}</p>{crowd}{times}{frames}{_processes(report)}<ul>{lines}</ul>
<h2>Targets by phase</h2>{_table(report.phases)}</html>
"""


def _processes(report: Report) -> str:
    """Steps of how many processes ran, where that changed."""
    if len(report.processes) < 2:
        return ""
    end = report.phases[-1].until_s
    curves: list[Curve] = []
    for room in sorted(report.processes[0][1]):
        steps: list[tuple[float, float]] = []
        for (at, counts), following in zip(report.processes, [*(each[0] for each in report.processes[1:]), end],
                                           strict=True):  # fmt: skip
            steps += [(at, float(counts.get(room, 0))), (following, float(counts.get(room, 0)))]
        if len({value for _, value in steps}) > 1:
            curves.append((room, steps))
    return plot(report, "Processes", curves) if curves else ""


def plot(report: Report, title: str, curves: Sequence[Curve]) -> str:
    """Curves over the night, its phases behind them, faults as lines."""
    end = report.phases[-1].until_s if report.phases else 1.0
    most = max((value for _, points in curves for _, value in points), default=0.0) or 1.0
    marks = [f'<text x="{_LEFT}" y="14">{html.escape(title)}</text>']
    for number, phase in enumerate(report.phases):
        x, width = _LEFT + _WIDTH * phase.from_s / end, _WIDTH * (phase.until_s - phase.from_s) / end
        marks.append(f'<rect x="{x:.1f}" y="{_TOP}" width="{width:.1f}" height="{_HEIGHT}" '
                     f'fill="{_TINTS[number % 2]}"><title>{html.escape(phase.name)}</title></rect>')  # fmt: skip
        if width > 40:
            marks.append(
                f'<text x="{x + 3:.1f}" y="{_TOP + _HEIGHT + 28}">{html.escape(phase.name[: int(width / 7)])}</text>'
            )
    for fault in report.faults:
        x = _LEFT + _WIDTH * fault.at_s / end
        marks.append(f'<path d="M{x:.1f} {_TOP}v{_HEIGHT}" stroke="#b00020" stroke-dasharray="4 3"/>'
                     f'<text x="{x + 3:.1f}" y="{_TOP + 12}">{html.escape(fault.kind)}</text>')  # fmt: skip
    for number, (name, points) in enumerate(curves):
        colour = _COLOURS[number % len(_COLOURS)]
        line = " ".join(
            f"{_LEFT + _WIDTH * at / end:.1f},{_TOP + _HEIGHT * (1 - value / most):.1f}" for at, value in points
        )
        marks.append(
            f'<polyline points="{line}" fill="none" stroke="{colour}"/>'
            f'<text x="{_LEFT + 420 + 110 * number}" y="14" style="fill:{colour}">{html.escape(name)}</text>'
        )
    marks.append(f'<text x="4" y="{_TOP + 10}">{most:,.0f}</text><text x="4" y="{_TOP + _HEIGHT}">0</text>'
                 f'<text x="{_LEFT}" y="{_TOP + _HEIGHT + 14}">0 s</text>'
                 f'<text x="{_LEFT + _WIDTH - 40}" y="{_TOP + _HEIGHT + 14}">{end:,.0f} s</text>')  # fmt: skip
    return (f'<svg viewBox="0 0 960 {_TOP + _HEIGHT + 40}" role="img"><title>{html.escape(title)}</title>'
            f'{"".join(marks)}</svg>')  # fmt: skip


def _table(phases: Sequence[PhaseReport]) -> str:
    head = "<tr><th>phase<th>act<th>due<th>fine<th>refused<th>errors<th>lost<th>late<th>p50<th>p99<th>target</tr>"
    rows = []
    for phase in phases:
        for number, line in enumerate(phase.lines):
            told = "not published" if line.p99_ms is None else f"{line.p99_ms:g} ms"
            p50 = "" if line.p50_ms is None else f"{line.p50_ms:g} ms"
            kind = {None: "note", True: "met", False: "missed"}[line.met]
            counts = (line.due, line.fine, line.refused, line.errors, line.lost, line.late)
            cells = "".join(f"<td>{count:,}" for count in counts)
            name = "" if number else html.escape(phase.name)
            rows.append(f'<tr><td>{name}<td>{line.act}{cells}<td>{p50}<td class="{kind}" '
                        f'title="{html.escape(line.why)}">{told}<td>{line.target_ms:g} ms</tr>')  # fmt: skip
    return f"<table>{head}{''.join(rows)}</table>"
