"""Traces by OpenTelemetry: the SDK's spans, sent by OTLP over HTTP on a thread of the SDK's own.

Whether a piece of work is watched is drawn when it begins, not by the SDK: a counter that counts down to the next one
that is (the gaps between such draws are geometric), so that what is not watched costs a subtraction. Whatever goes on
with watched work is watched. Times are the clock's, in milliseconds; ids and chance are the clock's, too. A client's
own ``traceparent`` is not taken up: strangers do not decide what is traced.
"""

import math
import random
import re
from typing import Final

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, TraceFlags, set_span_in_context
from opentelemetry.trace import Span as SdkSpan
from opentelemetry.trace import Tracer as SdkTracer

from matchday import __version__
from matchday.config import Trace
from matchday.ports import Clock

_NEVER: Final = 2**62
_NS: Final = 1_000_000
_CONTEXT: Final = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-01")
"""``traceparent`` of something that is watched."""


class OtelTracer:
    """See ``Tracer``. ``processor``: where spans go; None: to ``Trace.endpoint``."""

    def __init__(self, clock: Clock, settings: Trace, rooms: str, processor: SpanProcessor | None = None) -> None:
        self._clock = clock
        self._draw = _Draw(clock.random("traces"))
        self._ratios = {"slip": settings.sample_ratio, "incident": settings.incident_ratio}
        self._left = {name: self._draw.gap(ratio) for name, ratio in self._ratios.items()}
        """What begins -> how many of it until the next that is watched, that one included."""
        service = {"service.name": "matchday", "service.version": __version__, "matchday.rooms": rooms}
        self._provider = TracerProvider(
            sampler=ALWAYS_ON, resource=Resource(service), id_generator=_Ids(clock.random("trace ids")),
            shutdown_on_exit=False,
        )  # fmt: skip
        self._provider.add_span_processor(_to_endpoint(settings) if processor is None else processor)
        self._tracer = self._provider.get_tracer("matchday", __version__)

    def close(self) -> None:
        """Send what waits, and stop."""
        self._provider.shutdown()

    def start(self, name: str, **notes: str | int) -> "_Span | None":
        """See ``Tracer.start``."""
        left = self._left[name] - 1
        if left:
            self._left[name] = left
            return None
        self._left[name] = self._draw.gap(self._ratios[name])
        return _Span(self._tracer, self._clock, name, Context(), self._clock.now_ms(), notes)

    def follow(self, context: str, name: str, since_ms: int, **notes: str | int) -> "_Span | None":
        """See ``Tracer.follow``: the span begins when the record was appended; its first part is the log's."""
        found = _CONTEXT.fullmatch(context)
        if found is None or not (int(found[1], 16) and int(found[2], 16)):
            return None
        parent = SpanContext(int(found[1], 16), int(found[2], 16), is_remote=True, trace_flags=TraceFlags(1))
        now_ms = self._clock.now_ms()
        since_ms = min(since_ms, now_ms)  # by another machine's clock
        span = _Span(
            self._tracer, self._clock, name, set_span_in_context(NonRecordingSpan(parent), Context()), since_ms, notes
        )  # fmt: skip
        span.part("log", since_ms)
        span.stage("work")
        return span


class _Span:
    """See ``Span``."""

    __slots__ = ("_clock", "_inside", "_part", "_span", "_tracer")

    def __init__(
        self, tracer: SdkTracer, clock: Clock, name: str, parent: Context, since_ms: int, notes: dict[str, str | int]
    ) -> None:
        self._tracer, self._clock = tracer, clock
        self._span = tracer.start_span(
            name, parent, SpanKind.INTERNAL, attributes=_named(notes), start_time=since_ms * _NS
        )  # fmt: skip
        self._inside = set_span_in_context(self._span, Context())
        self._part: SdkSpan | None = None

    @property
    def context(self) -> str:
        """See ``Span.context``."""
        found = self._span.get_span_context()
        return f"00-{found.trace_id:032x}-{found.span_id:016x}-01"

    def stage(self, name: str, **notes: str | int) -> None:
        """See ``Span.stage``."""
        self.part(name, self._clock.now_ms(), notes)

    def part(self, name: str, since_ms: int, notes: dict[str, str | int] | None = None) -> None:
        """The same from a moment on."""
        if self._part is not None:
            self._part.end(since_ms * _NS)
        self._part = self._tracer.start_span(
            name, self._inside, SpanKind.INTERNAL, attributes=_named(notes or {}), start_time=since_ms * _NS
        )  # fmt: skip

    def end(self, **notes: str | int) -> None:
        """See ``Span.end``."""
        if not self._span.is_recording():
            return
        now_ns = self._clock.now_ms() * _NS
        if self._part is not None:
            self._part.end(now_ns)
        self._span.set_attributes(_named(notes))
        self._span.end(now_ns)


def _named(notes: dict[str, str | int]) -> dict[str, str | int]:
    return {f"matchday.{name}": value for name, value in notes.items()}


class _Draw:
    """How many pieces of work until the next one that is watched."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    def gap(self, ratio: float) -> int:
        """At least one; as if each were drawn by itself."""
        if ratio >= 1:
            return 1
        if ratio <= 0:
            return _NEVER
        return 1 + int(math.log(1 - self._chance.random()) / math.log1p(-ratio))


class _Ids(IdGenerator):
    """Ids of traces and spans."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    def generate_span_id(self) -> int:
        """Never zero."""
        return self._chance.getrandbits(64) or 1

    def generate_trace_id(self) -> int:
        """Never zero."""
        return self._chance.getrandbits(128) or 1


def _to_endpoint(settings: Trace) -> SpanProcessor:
    timeout_s = settings.timeout_ms / 1_000
    return BatchSpanProcessor(
        OTLPSpanExporter(endpoint=settings.endpoint, timeout=timeout_s), max_queue_size=settings.queue_max,
        export_timeout_millis=settings.timeout_ms,
    )  # fmt: skip
