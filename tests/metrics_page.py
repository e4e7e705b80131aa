"""``docs/metrics.md``, from the list of metrics: ``python -m tests.metrics_page`` writes it."""

from pathlib import Path
from typing import Final

from matchday.app.metric_list import EVERY, METRICS, Metric

PAGE: Final = Path(__file__).parents[1] / "docs" / "metrics.md"
_HEAD: Final = """\
# Metrics

Every figure that a process says at `/metrics` of its ops port, written from the list in
`src/matchday/app/metric_list.py` (`python -m tests.metrics_page`); a test holds what each room exports against it.
Names and labels are stable: a release that changes one says so in CHANGELOG.md. Labels have the values that are named
here and no others, so that a process has a thousand series at most, whatever its crowd: no account, no fixture, no
address. What to watch of them: docs/telemetry.md.

*Of*: a process with that room says it; *every*: all do.

| name | type | unit | of | what it is | labels |
| --- | --- | --- | --- | --- | --- |
"""


def page() -> str:
    """The whole page."""
    return _HEAD + "".join(f"{_row(metric)}\n" for metric in METRICS)


def _row(metric: Metric) -> str:
    of = "every" if tuple(metric.rooms) == EVERY else ", ".join(metric.rooms)
    labels = "; ".join(f"`{label}`: {_values(values)}" for label, values in metric.labels.items())
    cells = (f"`{metric.name}`", metric.kind.value, metric.unit, of, metric.help, labels)
    return f"| {' | '.join(cells)} |"


def _values(values: object) -> str:
    assert isinstance(values, tuple)
    return ", ".join(values) if values else "of the process"


if __name__ == "__main__":
    PAGE.write_text(page())
