"""The figures of ``in_play.py`` as one SVG: log-loss by minute, and calibration by quarter of an hour."""

from collections.abc import Sequence
from typing import Any

COLOURS = ("#0a7d45", "#7a8288", "#c23a28", "#d99a2b")
WIDTH, HEIGHT = 900, 640
LEFT, TOP, BROAD, HIGH = 60, 50, 800, 270
SMALL, GAP, LOWER = 96, 18, 440


def chart(figures: dict[str, Any], names: Sequence[str]) -> str:
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        text(LEFT, 24, f"Log-loss of the match result by minute, {figures['matches']} matches, lower is better", 15),
        *lines(figures["by_minute"], names),
        text(LEFT, LOWER - 30, "Calibration of the model: forecast (across) against how often it came (up)", 15),
        *(part for place, row in enumerate(figures["calibration"]) for part in reliability(place, row)),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def lines(rows: Sequence[dict[str, float]], names: Sequence[str]) -> list[str]:
    shown = [row for row in rows if row["matches"] >= 10]
    last = max(row["minute"] for row in shown)
    top = 1.1 * max(row[name] for row in shown for name in names)

    def at(minute: float, loss: float) -> str:
        return f"{LEFT + BROAD * minute / last:.1f},{TOP + HIGH * (1 - loss / top):.1f}"

    parts = []
    for minute in range(0, int(last) + 1, 15):
        x = LEFT + BROAD * minute / last
        parts += [
            f'<path d="M{x:.1f} {TOP}V{TOP + HIGH}" stroke="#e4e7e5"/>',
            text(x - 6, TOP + HIGH + 16, f"{minute}'"),
        ]
    for tenth in range(0, int(top * 10) + 1, 2):
        y = TOP + HIGH * (1 - tenth / 10 / top)
        parts += [f'<path d="M{LEFT} {y:.1f}h{BROAD}" stroke="#e4e7e5"/>', text(LEFT - 28, y + 4, f"{tenth / 10:.1f}")]
    for name, colour in zip(names, COLOURS, strict=True):
        path = " ".join(at(row["minute"], row[name]) for row in shown)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(text(LEFT + 12, TOP + HIGH - 66 + 16 * names.index(name), name, colour=colour))
    return parts


def reliability(place: int, row: dict[str, Any]) -> list[str]:
    x, y = LEFT + place * (SMALL + GAP), LOWER
    parts = [
        f'<rect x="{x}" y="{y}" width="{SMALL}" height="{SMALL}" fill="none" stroke="#c9cfcc"/>',
        f'<path d="M{x} {y + SMALL}L{x + SMALL} {y}" stroke="#c9cfcc"/>',
        text(x, y - 6, f"{row['minutes']}'"),
        text(x, y + SMALL + 16, f"error {row['ece']:.3f}"),
        text(x, y + SMALL + 32, f"by luck {row['ece_if_right']:.3f}", colour="#7a8288"),
    ]
    for point in row["points"]:
        at_x, at_y = x + SMALL * point["forecast"], y + SMALL * (1 - point["seen"])
        radius = 1.5 + 8 * point["share"] ** 0.5
        parts.append(f'<circle cx="{at_x:.1f}" cy="{at_y:.1f}" r="{radius:.1f}" fill="{COLOURS[0]}" opacity=".6"/>')
    return parts


def text(x: float, y: float, words: str, size: int = 12, colour: str = "#222") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}">{words}</text>'
