"""What counting and tracing cost a bet: ``python bench/telemetry.py`` prints nanoseconds of CPU of each, beside an
empty call measured in the same rounds. Smallest of many rounds: what the machine does besides only adds.
"""

import asyncio
import sys
from collections.abc import Callable
from time import thread_time_ns

from matchday.backends.clock_wall import WallClock
from matchday.config import Trace
from matchday.edge.placing import Answers
from matchday.model.ledger import Answer, Refusal
from matchday.ports import UNTRACED, Tracer

ROUNDS, CALLS = 100, 2_000
ACCEPTED, REFUSED = Answer("id", "anna"), Answer("id", "anna", Refusal.PRICE_MOVED)


def timed(calls: int, call: Callable[[], object]) -> float:
    begin = thread_time_ns()
    for _ in range(calls):
        call()
    return (thread_time_ns() - begin) / calls


def watching(ratio: float) -> Tracer:
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from matchday.backends.tracer_otel import OtelTracer

    clock = WallClock(asyncio.new_event_loop())
    settings = Trace(endpoint="http://nowhere.invalid", sample_ratio=ratio)
    return OtelTracer(clock, settings, "gate", SimpleSpanProcessor(InMemorySpanExporter()))


def main() -> None:
    answers = Answers()
    never, seldom = watching(0), watching(0.001)
    parts: dict[str, Callable[[], object]] = {
        "an empty call": lambda: None,
        "an accepted bet is counted": lambda: answers.take(ACCEPTED, 7, delayed=False),
        "a refused bet is counted": lambda: answers.take(REFUSED, 7, delayed=False),
        "a bet is not traced, as nothing is": lambda: UNTRACED.start("slip"),
        "a bet is not traced, as it was not drawn": lambda: never.start("slip"),
        "a bet is traced once in a thousand": lambda: seldom.start("slip"),
    }
    found = dict.fromkeys(parts, 1e9)
    for _ in range(ROUNDS):
        for name, call in parts.items():
            found[name] = min(found[name], timed(CALLS, call))
    empty = found["an empty call"]
    for name, took_ns in found.items():
        sys.stdout.write(f"{name:45} {took_ns:8.0f} ns {took_ns - empty:8.0f} ns more than an empty call\n")


if __name__ == "__main__":
    main()
