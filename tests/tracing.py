"""What tests of traces need: tracers that watch everything, and what they watched, as plain values."""

from collections.abc import Sequence

import msgspec
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from matchday.backends.tracer_otel import OtelTracer
from matchday.config import Trace
from matchday.ports import Clock

ALL = Trace(endpoint="http://nowhere.invalid", sample_ratio=1, incident_ratio=1)


class Seen(msgspec.Struct, frozen=True):
    """A span that is over."""

    name: str
    trace: int
    span: int
    parent: int
    """0: it begins its trace."""
    begin_ms: int
    end_ms: int
    notes: dict[str, object]
    rooms: str


class Watching:
    """A tracer and what it watched. ``rooms`` names its process."""

    def __init__(self, clock: Clock, rooms: str = "all", settings: Trace = ALL) -> None:
        self._exporter = InMemorySpanExporter()
        self.tracer = OtelTracer(clock, settings, rooms, SimpleSpanProcessor(self._exporter))

    @property
    def seen(self) -> list[Seen]:
        return [_plain(span) for span in self._exporter.get_finished_spans()]

    def parts_of(self, span: Seen) -> list[str]:
        return names(one for one in self.seen if one.parent == span.span and one.trace == span.trace)


def names(spans: object) -> list[str]:
    assert hasattr(spans, "__iter__")
    ordered: Sequence[Seen] = sorted(spans, key=lambda one: one.begin_ms)
    return [one.name for one in ordered]


def _plain(span: ReadableSpan) -> Seen:
    context, parent = span.get_span_context(), span.parent
    assert context is not None
    begin, end = span.start_time, span.end_time
    assert begin is not None
    assert end is not None
    assert not begin % 1_000_000  # the clock's milliseconds
    assert not end % 1_000_000
    notes: dict[str, object] = {
        name.removeprefix("matchday."): value for name, value in (span.attributes or {}).items()
    }
    rooms = str(span.resource.attributes["matchday.rooms"])
    return Seen(
        span.name, context.trace_id, context.span_id, parent.span_id if parent else 0, begin // 1_000_000,
        end // 1_000_000, notes, rooms,
    )  # fmt: skip
