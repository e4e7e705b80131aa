"""``docs/ten-million.md``, or the same at a terminal: sizes beside each other, limits, assumptions."""

from collections.abc import Sequence
from typing import Final

from matchday.ops.capacity import Capacity
from matchday.ops.scale.assumptions import ASSUMED, MACHINE
from matchday.ops.scale.sizes import Figure, Size, limits

COMMAND: Final = "matchday capacity at 10k 100k 1M 10M --markdown"


def said(fans: float) -> str:
    """10k, 100k, 1M."""
    for unit, name in ((1e6, "M"), (1e3, "k")):
        if fans >= unit:
            return f"{fans / unit:.3g}{name}"
    return f"{fans:.3g}"


def number(value: float) -> str:
    """Three significant digits, whole from a hundred on."""
    if value >= 100:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:.3g}"


def document(model: Capacity, sizes: Sequence[Size]) -> str:
    """The page."""
    return "\n".join([
        "# What runs at ten million fans", "",
        f"Printed by `{COMMAND}` from the capacity model that is kept with the release",
        "(`src/matchday/ops/scale/measured.json`); a test compares. Change neither by hand: measure anew with",
        "`matchday drill capacity` (docs/drills.md), then print it anew.", "",
        "*Fans* are those who are there at the peak, each with a WebSocket. *Measured*: on the machine below.",
        "*Derived*: from what was measured and the assumptions. *Assumed*: in the table at the end, with its source.",
        "Nobody has run any of these sizes: what is measured is one process of each room, on one machine.", "",
        *_measured(model), *_sizes(sizes), *_limits(model, sizes), *_assumptions(),
    ]) + "\n"  # fmt: skip


def _measured(model: Capacity) -> list[str]:
    here, noise = model.machine, model.noise
    lines = ["## Measured: what one process carries", "", "| process | load | carries | within | origin |",
             "| --- | --- | ---: | ---: | --- |"]  # fmt: skip
    for name, room in {**model.rooms, **model.engines}.items():
        for load, one in room.carries.items():
            within = f"{one.target_ms:g} ms" if one.target_ms else ""
            note = f"{one.origin}: {one.note}" if one.note else one.origin
            lines.append(f"| {name} | {load} | {number(one.per_process)} | {within} | {note} |")
    noisy = (
        f"; {noise.steal_percent:g} % of the time stolen, load average {noise.load_before:g} before" if noise else ""
    )
    figures = ", ".join(f"{name} {number(value)}" for name, value in sorted(model.figures.items()))
    machine = f"{here.cores} cores of {here.cpu}, {here.memory_bytes / 1e9:.0f} GB{noisy}"
    told = f"Version {model.version}, {model.measured_at}, {machine}."
    how = f"By: {model.command}." if model.command else "By: not said."
    return [*lines, "", told, how, f"Other figures (measured): {figures}.", ""]


def _sizes(sizes: Sequence[Size]) -> list[str]:
    lines = [
        "## What runs", "", "| | " + " | ".join(f"{said(size.fans)} fans" for size in sizes) + " | |",
        "| --- |" + " ---: |" * len(sizes) + " --- |",
    ]  # fmt: skip
    for place, figure in enumerate(sizes[0].figures):
        values = " | ".join(_cell(size.figures[place]) for size in sizes)
        unit = f" ({figure.unit})" if figure.unit not in ("", "processes", "machines", "brokers", "partitions") else ""
        lines.append(f"| {figure.name}{unit} | {values} | {figure.origin} |")
    lines.append("| **first limit** | " + " | ".join(size.first_limit for size in sizes) + " | derived |")
    lines.append("| how full it is | " + " | ".join(f"{100 * size.full:,.0f} %" for size in sizes) + " | derived |")
    return [*lines, ""]


def _cell(figure: Figure) -> str:
    return number(figure.value)


def _limits(model: Capacity, sizes: Sequence[Size]) -> list[str]:
    lines = ["## Limits, the first one first", "", "| limit | reached at | beyond it |", "| --- | ---: | --- |"]
    lines += [f"| {limit.what} | {said(limit.fans)} fans | {limit.remedy} |" for limit in limits(model)]
    over = [said(size.fans) for size in sizes if size.full > 1]
    told = f"As things are, {' and '.join(over)} fans do not run: the table says what it would take." if over else (
        "As things are, all of these sizes are within the limits.")  # fmt: skip
    return [*lines, "", told, ""]


def _assumptions() -> list[str]:
    lines = ["## Assumed", "", "| what | value | source |", "| --- | ---: | --- |"]
    lines += [f"| {one.what} | {one.value:,g} {one.unit} | {one.source} |" for one in ASSUMED.values()]
    hour = f"{MACHINE.hour_micros / 1e6:g} {MACHINE.currency} an hour"
    lines.append(f"| a {MACHINE.name} | {hour} | list prices of large providers, 2025: 0.38 to 0.42 |")
    return [*lines, "", "Left out: taps, sign-in, video, payments, backups, staff."]
