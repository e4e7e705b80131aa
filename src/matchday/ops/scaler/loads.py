"""What the platform carries now: from the ops ports of a local cluster's processes, or from Prometheus."""

import re
from collections import Counter
from collections.abc import Mapping
from math import isfinite, nan
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol
from urllib.parse import urlencode

import msgspec

from matchday.ops.cluster_state import ClusterError, Folder, Member
from matchday.ops.scaler.http import Failed, ask
from matchday.ops.scaler.seen import Figures, SeenError
from matchday.ops.scaler.settings import Loads as Settings
from matchday.ops.scaler.when import Clock


class Metric(NamedTuple):
    """Where a load is said."""

    name: str
    counter: bool
    """It only rises: the load is its rate."""
    labels: Mapping[str, str] = {}


METRICS: Final[Mapping[str, Metric]] = {
    "connections": Metric("matchday_gate_connections", counter=False),
    "requests_per_s": Metric("matchday_http_requests_total", counter=True),
    "bets_per_s": Metric("matchday_bets_total", counter=True),
    "frames_per_s": Metric("matchday_push_frames_total", counter=True),
    "incidents_per_s": Metric("matchday_log_heard_records_total", True, {"room": "odds", "topic": "incidents"}),
}
"""Load -> the figure that says it. Loads that are not here cannot be scaled by."""
HISTORY_S_MAX: Final = 30.0
"""Seconds to wait for a part of history."""
RATE_S_MIN: Final = 0.5
"""Seconds between two looks, from which on a rate is taken."""
MINUTES_MAX: Final = 10_000
"""Of one question for history: Prometheus answers 11,000 points at most."""
_LINE: Final = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)", re.MULTILINE)
_LABEL: Final = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


class Source(Protocol):
    """Somebody who can be asked."""

    def read(self) -> Figures:
        """What is carried now. SeenError where nobody says."""


class ClusterLoads:
    """A local cluster, process by process."""

    def __init__(self, settings: Settings, folder: Path, clock: Clock) -> None:
        self._folder, self._clock = Folder(folder), clock
        self._timeout_s = settings.timeout_ms / 1_000
        self._before: dict[str, tuple[int, dict[str, float]]] = {}
        """Process (by name and birth) -> when it was last asked, and what its counters were."""

    def read(self) -> Figures:
        """See ``Source.read``. A process that never answered is still starting; one that did, and does not now, is
        missing."""
        try:
            living = [one for one in self._folder.load().rooms if one.lives]
        except ClusterError as error:
            raise SeenError(str(error)) from error
        loads, missing = dict[str, float](), list[str]()
        answered = Counter({one.room: 0 for one in living})
        before, self._before = self._before, {}
        for one in living:
            key = f"{one.name} {one.born}"
            try:
                figures = self._asked(one)
            except Failed:
                if key in before:
                    missing.append(one.name)
                    self._before[key] = before[key]
                continue
            answered[one.room] += 1
            self._before[key] = self._clock.elapsed_ms(), figures
            for load, value in self._loads(figures, before.get(key)).items():
                loads[load] = loads.get(load, 0.0) + value
        return Figures(self._clock.now_ms(), loads, dict(answered), tuple(missing))

    def _asked(self, member: Member) -> dict[str, float]:
        answer = ask(f"http://127.0.0.1:{member.ops_port}", "GET", "/metrics", timeout_s=self._timeout_s)
        if answer.status != 200:
            raise Failed(f"{member.name} answers {answer.status}")
        return of_page(answer.body.decode(errors="replace"))

    def _loads(self, figures: dict[str, float], before: tuple[int, dict[str, float]] | None) -> dict[str, float]:
        found = {}
        for load, metric in METRICS.items():
            if load not in figures:
                continue
            if not metric.counter:
                found[load] = figures[load]
            elif before is not None and load in before[1]:
                seconds = (self._clock.elapsed_ms() - before[0]) / 1_000
                if seconds >= RATE_S_MIN:
                    found[load] = max(figures[load] - before[1][load], 0.0) / seconds
        return found


def of_page(text: str) -> dict[str, float]:
    """Load -> its figure, of a page in Prometheus' text format; series of one name are added up."""
    found: dict[str, float] = {}
    names = {metric.name: (load, metric) for load, metric in METRICS.items()}
    for name, labels, value in _LINE.findall(text):
        if name in names:
            load, metric = names[name]
            there = dict(_LABEL.findall(labels))
            if metric.labels.items() <= there.items():
                found[load] = found.get(load, 0.0) + _number(value)
    return {load: value for load, value in found.items() if isfinite(value)}


def _number(text: str) -> float:
    """A figure; what is none is no number, so that its load is not seen."""
    try:
        return float(text)
    except ValueError:
        return nan


class PrometheusLoads:
    """Prometheus, by its HTTP API."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def read(self) -> Figures:
        """See ``Source.read``."""
        chosen = self._settings.selector
        newest = self._one(f"max(timestamp(matchday_info{{{chosen}}}))")
        if newest is None:
            raise SeenError(f"Prometheus knows no process of {{{chosen}}}; see the settings loads.selector")
        loads = {}
        for load, metric in METRICS.items():
            value = self._one(self._query(metric))
            if value is not None:
                loads[load] = value
        rooms = self._asked(f"count by (rooms) (matchday_info{{{chosen}}})")
        processes = {series["metric"].get("rooms", ""): round(float(series["value"][1])) for series in rooms}
        silent = self._asked(f"up{{{chosen}}} == 0")
        missing = tuple(sorted(str(series["metric"].get("instance", "a process")) for series in silent))
        return Figures(round(newest * 1_000), loads, processes, missing)

    def history(self, load: str, first: int, last: int) -> dict[int, int]:
        """Minute since 1970 -> what came in it (of what is there: its mean), from the first to before the last."""
        metric, found = METRICS[load], dict[int, int]()
        over = "increase" if metric.counter else "avg_over_time"
        query = f"sum({over}({self._series(metric)}[1m]))"
        for begin in range(first, last, MINUTES_MAX):
            end = min(begin + MINUTES_MAX, last)
            words: dict[str, str | int] = {"query": query, "start": (begin + 1) * 60, "end": end * 60, "step": 60}
            for series in self._result("query_range", words):
                numbers = [(round(float(at)) // 60 - 1, _number(value)) for at, value in series["values"]]
                found |= {minute: round(value) for minute, value in numbers if isfinite(value)}
        return found

    def _query(self, metric: Metric) -> str:
        series = self._series(metric)
        return f"sum(rate({series}[{self._settings.rate_s}s]))" if metric.counter else f"sum({series})"

    def _series(self, metric: Metric) -> str:
        labels = [self._settings.selector, *(f'{name}="{value}"' for name, value in metric.labels.items())]
        return f"{metric.name}{{{','.join(labels)}}}"

    def _one(self, query: str) -> float | None:
        found = self._asked(query)
        value = _number(found[0]["value"][1]) if found else nan
        return value if isfinite(value) else None

    def _asked(self, query: str) -> list[Any]:
        return self._result("query", {"query": query})

    def _result(self, call: str, words: Mapping[str, str | int]) -> list[Any]:
        path = f"/api/v1/{call}?{urlencode(words)}"
        try:
            patience_s = HISTORY_S_MAX if call == "query_range" else self._settings.timeout_ms / 1_000
            answer = ask(self._settings.prometheus, "GET", path, timeout_s=patience_s)
            found = msgspec.json.decode(answer.body)
            if found["status"] != "success":
                raise SeenError(f"Prometheus does not answer {words['query']}: {found.get('error', answer.status)}")
            result: list[Any] = found["data"]["result"]
        except Failed as error:
            raise SeenError(str(error)) from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError, TypeError) as error:
            raise SeenError(f"{self._settings.prometheus} does not answer as Prometheus does") from error
        return result
