"""KEDA's external scaler: the gRPC service that tells KEDA how many pods of a room are wanted.

The metric of a room is the number of its processes that are wanted, at a target of one each, so that the HPA that KEDA
makes comes to just that number. What cannot be told safely is an error, for which the ScaledObject has its fallback:
never a smaller number. One decision answers all calls until the next.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from matchday.backends.errors import client_of
from matchday.ops.scaler.act.port import ActError, Count
from matchday.ops.scaler.board import Board, Posted
from matchday.ops.scaler.problems import ScalerError
from matchday.ops.scaler.settings import Keda as Settings

METADATA: Final = "room"
"""Name in the trigger's metadata that says which room a ScaledObject is for."""
_UNARY_THREADS: Final = 8
_LOOK_S: Final = 1.0
"""Seconds after which a stream looks whether its client is still there."""


def metric(room: str) -> str:
    """Name of a room's metric."""
    return f"matchday-{room}-processes"


class OnKeda:
    """Rooms as KEDA sees them: told by ``scale``, counted by what was told last and what answers now.

    KEDA does not say how many it has asked for. So after a start processes are watched for a while before anything is
    told, as some may not answer yet; and more than were told are taken for what there is, unless they are those that
    were told to go and that Kubernetes has not let go yet.
    """

    def __init__(
        self, board: Board, settle_s: float, elapsed_ms: Callable[[], int], processes: Callable[[str], int | None]
    ) -> None:
        """``processes``: of a room, those that were seen a moment ago; None where nobody knows."""
        self._board, self._settle_s, self._elapsed_ms, self._processes = board, settle_s, elapsed_ms, processes
        self._began_ms = elapsed_ms()
        self._known: dict[str, int] = {}
        """Target -> as many as it may still have of what was told."""

    def count(self, target: str) -> Count:
        """See ``Actuator.count``."""
        told, seen = self._board.read(target), self._processes(target)
        if seen is None:
            raise ActError(f"how many processes of {target} run is not known: none answers")
        known = max(self._known.get(target, 0), seen)
        if told is None:
            self._known[target] = known
            left = self._settle_s - (self._elapsed_ms() - self._began_ms) / 1_000
            if left > 0:
                raise ActError(f"processes of {target} are counted for {left:.0f} s more before KEDA is told anything")
            return Count(known, seen)
        if seen <= told.wanted:
            known = told.wanted
        more_than_known = known > self._known.get(target, 0) and seen > told.wanted
        self._known[target] = known
        return Count(seen if more_than_known else told.wanted, seen)

    def scale(self, target: str, asked: int, wanted: int) -> None:
        """See ``Actuator.scale``: from now on KEDA is told so, also where nothing changes."""
        self._known[target] = max(self._known.get(target, 0), asked)
        self._board.post(target, Posted(wanted, self._elapsed_ms()))


class Service:
    """The gRPC server."""

    def __init__(self, settings: Settings, rooms: Sequence[str], board: Board, elapsed_ms: Callable[[], int]) -> None:
        """ScalerError where the client library is missing, or the address cannot be listened at."""
        with client_of("KEDA (gRPC)", ScalerError, extra="cloud"):
            import grpc

            from matchday.ops.scaler.keda_wire import METHODS, SERVICE, message
        self._settings, self._rooms, self._board, self._elapsed_ms = settings, list(rooms), board, elapsed_ms
        self._status, self._message = grpc.StatusCode, message
        self._streams = threading.BoundedSemaphore(settings.streams_max)
        self._server = grpc.server(
            ThreadPoolExecutor(settings.streams_max + _UNARY_THREADS, "keda"),
            maximum_concurrent_rpcs=settings.streams_max + _UNARY_THREADS,
        )
        calls = {
            "IsActive": self.is_active, "StreamIsActive": self.stream_is_active, "GetMetricSpec": self.metric_spec,
            "GetMetrics": self.metrics, "StreamMetricSpec": self.stream_metric_spec,
        }  # fmt: skip
        handlers = {}
        for name, (asked, answered, streams) in METHODS.items():
            handler = grpc.unary_stream_rpc_method_handler if streams else grpc.unary_unary_rpc_method_handler
            handlers[name] = handler(calls[name], message(asked).FromString, message(answered).SerializeToString)
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        try:
            self.port = self._server.add_insecure_port(settings.listen)
        except RuntimeError as error:
            raise ScalerError(f"KEDA's service cannot listen at {settings.listen}: {error}; see keda.listen") from error

    def start(self) -> None:
        """Answer from now on."""
        self._server.start()

    def stop(self) -> None:
        """Answer what was asked, and end."""
        self._board.close()
        self._server.stop(grace=2.0).wait()

    # --- the calls ----------------------------------------------------------------------------------------------------

    def is_active(self, asked: Any, context: Any) -> Any:
        """A room is always active: it never goes to none."""
        self._room(asked, context)
        return self._message("IsActiveResponse")(result=True)

    def stream_is_active(self, asked: Any, context: Any) -> Iterator[Any]:
        """The same, said at once, and then kept open."""
        self._room(asked, context)
        return self._kept(self._message("IsActiveResponse")(result=True), context)

    def metric_spec(self, asked: Any, context: Any) -> Any:
        """One metric, at a target of one for each pod."""
        return self._spec(self._room(asked, context))

    def stream_metric_spec(self, asked: Any, context: Any) -> Iterator[Any]:
        """The same: it never changes."""
        return self._kept(self._spec(self._room(asked, context)), context)

    def metrics(self, asked: Any, context: Any) -> Any:
        """How many processes are wanted, as of the last decision."""
        room = self._room(asked.scaledObjectRef, context)
        if asked.metricName not in ("", metric(room)):
            context.abort(self._status.INVALID_ARGUMENT, f"the metric of {room} is {metric(room)}")
        posted = self._board.read(room)
        if posted is None:
            context.abort(self._status.UNAVAILABLE, f"nothing was decided of {room} yet: keep what there is")
        assert posted is not None
        age_s = (self._elapsed_ms() - posted.at_ms) / 1_000
        if age_s > self._settings.stale_s:
            context.abort(self._status.UNAVAILABLE, f"what was decided of {room} is {age_s:.0f} s old: keep it")
        value = self._message("MetricValue")(
            metricName=metric(room), metricValue=posted.wanted, metricValueFloat=float(posted.wanted)
        )
        return self._message("GetMetricsResponse")(metricValues=[value])

    def _spec(self, room: str) -> Any:
        spec = self._message("MetricSpec")(metricName=metric(room), targetSize=1, targetSizeFloat=1.0)
        return self._message("GetMetricSpecResponse")(metricSpecs=[spec])

    def _room(self, asked: Any, context: Any) -> str:
        room = asked.scalerMetadata.get(METADATA, "")
        if room not in self._rooms:
            rooms = ", ".join(self._rooms)
            context.abort(
                self._status.INVALID_ARGUMENT, f"metadata {METADATA} of {asked.name!r} is {room!r}; it can be {rooms}"
            )
        return str(room)

    def _kept(self, answer: Any, context: Any) -> Iterator[Any]:
        """An answer, and then an open stream until its client goes."""
        if not self._streams.acquire(blocking=False):
            context.abort(self._status.RESOURCE_EXHAUSTED, "too many streams; see the setting keda.streams_max")
        try:
            yield answer
            while context.is_active() and self._board.wait(_LOOK_S):
                pass
        finally:
            self._streams.release()
