"""A platform's load from Prometheus, by its HTTP API (``query_range``): for clusters, whose processes come and go.

Counts of a minute are ``increase(...[1m])`` over all gates, which is exact but for what lies between a minute's edges
and the scrapes next to them; at 15 seconds between scrapes, some percent of a change within a minute. A minute in which
a gate that was counted before did not answer is not known: what it served then may be missing.
"""

import http.client
import json
import math
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from matchday.ops.forecast.problems import ForecastError
from matchday.ops.record.history import History, gaps, said

QUERIES: Final = {
    "requests": "sum(increase(matchday_http_requests_total{%s}[1m])) + "
    "sum(increase(matchday_push_messages_total{%s}[1m]))",
    "bets": "sum(increase(matchday_bets_total{%s}[1m]))",
    "frames": "sum(increase(matchday_push_frames_total{%s}[1m]))",
    "connections": "sum(matchday_gate_connections{%s})",
}
"""What is asked at the end of each minute; ``%s``: which processes."""
SILENT: Final = (
    "count((min_over_time(up{%s}[1m]) == 0) and on (job, instance) "
    "(count_over_time(matchday_gate_connections{%s}[10m] offset 1m) > 0))"
)
"""How many gates that were counted lately did not answer once in a minute. One that is just being started is none."""
MINUTES_MAX: Final = 10_000
"""Of one question: Prometheus answers 11,000 points at most."""
TIMEOUT_S: Final = 30.0
ANSWER_BYTES_MAX: Final = 64_000_000


class Prometheus:
    """One server. ``selector``: labels that name the platform's processes, as PromQL has them."""

    def __init__(self, address: str, selector: str) -> None:
        try:
            parts = urlsplit(address)
            self._port = parts.port
        except ValueError:
            parts = urlsplit("")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ForecastError(f"--prometheus {address} is no address; as http://127.0.0.1:9090")
        self._parts, self._selector = parts, selector

    def history(self, what: str, first: int, last: int) -> History:
        """Of the minutes from the first to before the last, since 1970. ForecastError says what went wrong."""
        counts, silent = dict[int, int](), set[int]()
        for begin in range(first, last, MINUTES_MAX):
            end = min(begin + MINUTES_MAX, last)
            counts |= {minute: round(value) for minute, value in self._asked(QUERIES[what], begin, end).items()}
            silent |= {minute for minute, count in self._asked(SILENT, begin, end).items() if count > 0}
        findings = []
        if lost := sorted(silent & counts.keys()):
            findings.append(f"in {len(lost)} minutes a gate did not answer Prometheus (the first: {said(lost[0])}): "
                            "left out")  # fmt: skip
        known = {minute: count for minute, count in counts.items() if minute not in silent}
        if not known:
            findings.append("Prometheus knows nothing of that time; see --selector, --from and --until")
        return History(known, findings + gaps(known))

    def _asked(self, query: str, first: int, last: int) -> dict[int, float]:
        """Minute -> value, of one question; each is asked at the minute's end."""
        asked = {
            "query": query.replace("%s", self._selector), "start": (first + 1) * 60, "end": last * 60, "step": 60,
        }  # fmt: skip
        result = self._answer(urlencode(asked))
        if len(result) > 1:
            raise ForecastError("Prometheus answered several series where one was asked for; see --selector")
        found = {int(at) // 60 - 1: float(value) for series in result for at, value in series["values"]}
        return {minute: value for minute, value in found.items() if math.isfinite(value)}

    def _answer(self, form: str) -> list[Any]:
        parts = self._parts
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(str(parts.hostname), self._port, timeout=TIMEOUT_S)
        try:
            path = f"{parts.path.rstrip('/')}/api/v1/query_range"
            connection.request("POST", path, form, {"Content-Type": "application/x-www-form-urlencoded"})
            response = connection.getresponse()
            found = json.loads(response.read(ANSWER_BYTES_MAX))
            refused = "" if found["status"] == "success" else str(found.get("error", response.status))
            result: list[Any] = [] if refused else found["data"]["result"]
        except (OSError, http.client.HTTPException) as error:
            raise ForecastError(f"--prometheus {parts.geturl()}: {error}; is it there?") from error
        except (ValueError, KeyError, TypeError) as error:
            raise ForecastError(f"--prometheus {parts.geturl()} does not answer as Prometheus does") from error
        finally:
            connection.close()
        if refused:
            raise ForecastError(f"Prometheus does not answer that: {refused}")
        return result
