"""Traces of a process: what its settings say, or none. OpenTelemetry is only loaded where it is used: it comes with
``matchday[trace]``."""

import contextlib
from collections.abc import Iterator, Sequence

from matchday.app.errors import StartError
from matchday.backends.errors import client_of
from matchday.config import Trace
from matchday.ports import UNTRACED, Clock, Tracer


@contextlib.contextmanager
def traced(settings: Trace, clock: Clock, rooms: Sequence[str]) -> Iterator[Tracer]:
    """The tracer of a process, until the block ends. StartError where it cannot be."""
    if not settings.endpoint:
        yield UNTRACED
        return
    if not settings.endpoint.startswith(("http://", "https://")):
        raise StartError(
            f"setting trace.endpoint: {settings.endpoint} is no address; as http://127.0.0.1:4318/v1/traces"
        )
    with client_of("OpenTelemetry", StartError, "trace"):
        from matchday.backends.tracer_otel import OtelTracer
    with contextlib.closing(OtelTracer(clock, settings, ",".join(rooms))) as tracer:
        yield tracer
