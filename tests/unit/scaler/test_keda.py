"""What KEDA asks, asked by a real gRPC client made from the definition; no answer shrinks anything by accident."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import grpc
import pytest
from grpc_tools import protoc

from matchday.ops import scaler
from matchday.ops.cluster_state import wait_for
from matchday.ops.scaler import keda_wire
from matchday.ops.scaler.act.port import ActError, Count
from matchday.ops.scaler.board import Board, Posted
from matchday.ops.scaler.keda import OnKeda, Service, metric
from matchday.ops.scaler.problems import ScalerError
from matchday.ops.scaler.settings import Keda
from tests.unit.scaler.made_up import Hand

PROTO = Path(str(scaler.__file__)).with_name("externalscaler.proto")


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> tuple[ModuleType, ModuleType]:
    """What KEDA's own client is made of: messages and calls, from the definition."""
    folder = tmp_path_factory.mktemp("generated")
    words = ["", f"-I{PROTO.parent}", f"--python_out={folder}", f"--grpc_python_out={folder}", str(PROTO)]
    assert protoc.main(words) == 0
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module("externalscaler_pb2"), importlib.import_module("externalscaler_pb2_grpc")
    finally:
        sys.path.remove(str(folder))


class Served:
    """A service, and a client of it."""

    def __init__(self, generated: tuple[ModuleType, ModuleType], streams_max: int = 2) -> None:
        self.messages, self.clock, self.board = generated[0], Hand(), Board()
        settings = Keda(listen="127.0.0.1:0", streams_max=streams_max, stale_s=120)
        self.service = Service(settings, ["gate", "odds"], self.board, self.clock.elapsed_ms)
        self.service.start()
        self.channel = grpc.insecure_channel(f"127.0.0.1:{self.service.port}")
        self.calls = generated[1].ExternalScalerStub(self.channel)

    def of(self, room: str) -> Any:
        return self.messages.ScaledObjectRef(name="o", namespace="matchday", scalerMetadata={"room": room})

    def wanted(self, room: str) -> Any:
        return self.messages.GetMetricsRequest(scaledObjectRef=self.of(room), metricName=metric(room))


@pytest.fixture
def served(generated: tuple[ModuleType, ModuleType]) -> Iterator[Served]:
    one = Served(generated)
    yield one
    one.channel.close()
    one.service.stop()


def test_the_messages_are_those_of_the_definition(generated: tuple[ModuleType, ModuleType]) -> None:
    theirs = generated[0].DESCRIPTOR
    assert set(keda_wire._MESSAGES) == set(theirs.message_types_by_name)
    for name, described in theirs.message_types_by_name.items():
        ours = keda_wire.message(name).DESCRIPTOR
        told = [(field.name, field.number, field.type, field.is_repeated) for field in described.fields]
        assert [(field.name, field.number, field.type, field.is_repeated) for field in ours.fields] == told
    methods = theirs.services_by_name["ExternalScaler"].methods
    assert [(m.name, m.input_type.name, m.output_type.name, m.server_streaming) for m in methods] == [
        (name, *types) for name, types in keda_wire.METHODS.items()
    ]


def test_a_room_is_always_active(served: Served) -> None:
    assert served.calls.IsActive(served.of("gate"), timeout=60).result is True


def test_its_metric_is_the_number_of_its_processes_at_a_target_of_one(served: Served) -> None:
    (spec,) = served.calls.GetMetricSpec(served.of("odds"), timeout=60).metricSpecs
    assert (spec.metricName, spec.targetSize, spec.targetSizeFloat) == ("matchday-odds-processes", 1, 1.0)
    served.board.post("odds", Posted(5, served.clock.elapsed_ms()))
    (value,) = served.calls.GetMetrics(served.wanted("odds"), timeout=60).metricValues
    assert (value.metricName, value.metricValue, value.metricValueFloat) == ("matchday-odds-processes", 5, 5.0)


@pytest.mark.parametrize("call", ["StreamIsActive", "StreamMetricSpec"])
def test_streams_say_at_once_and_stay_open(served: Served, call: str) -> None:
    stream = getattr(served.calls, call)(served.of("gate"), timeout=60)
    first = next(stream)
    if call == "StreamIsActive":
        assert first.result is True
    else:
        assert first == served.calls.GetMetricSpec(served.of("gate"), timeout=60)
    assert stream.is_active()
    stream.cancel()


def test_one_stream_too_many_is_refused_and_one_that_ends_makes_room(served: Served) -> None:
    streams = [served.calls.StreamIsActive(served.of("gate"), timeout=60) for _ in range(2)]
    assert [next(stream).result for stream in streams] == [True, True]
    with pytest.raises(grpc.RpcError) as refused:
        next(served.calls.StreamIsActive(served.of("gate"), timeout=60))
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    streams[0].cancel()

    def again() -> bool:
        try:
            return bool(next(served.calls.StreamIsActive(served.of("gate"), timeout=60)).result)
        except grpc.RpcError:
            return False

    assert wait_for(again, 60)


def test_what_was_not_decided_or_too_long_ago_is_an_error_and_no_number(served: Served) -> None:
    """KEDA then takes the ScaledObject's fallback: as many as there are."""
    with pytest.raises(grpc.RpcError) as nothing:
        served.calls.GetMetrics(served.wanted("gate"), timeout=60)
    assert nothing.value.code() is grpc.StatusCode.UNAVAILABLE
    assert "keep what there is" in str(nothing.value.details())
    served.board.post("gate", Posted(5, served.clock.elapsed_ms()))
    served.clock.turn(121)
    with pytest.raises(grpc.RpcError) as old:
        served.calls.GetMetrics(served.wanted("gate"), timeout=60)
    assert (old.value.code(), "121 s old" in str(old.value.details())) == (grpc.StatusCode.UNAVAILABLE, True)


@pytest.mark.parametrize("call", ["IsActive", "GetMetricSpec"])
def test_a_room_that_is_not_scaled_is_named(served: Served, call: str) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        getattr(served.calls, call)(served.of("relay"), timeout=60)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert refused.value.details() == "metadata room of 'o' is 'relay'; it can be gate, odds"


def test_another_metric_is_refused(served: Served) -> None:
    asked = served.messages.GetMetricsRequest(scaledObjectRef=served.of("gate"), metricName="fans")
    with pytest.raises(grpc.RpcError) as refused:
        served.calls.GetMetrics(asked, timeout=60)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_an_address_that_is_taken_is_said(served: Served) -> None:
    with pytest.raises(ScalerError, match=r"cannot listen at nowhere:1: .*see keda.listen"):
        Service(Keda(listen="nowhere:1"), ["gate"], Board(), Hand().elapsed_ms)


# --- how many there are -----------------------------------------------------------------------------------------------


class Rooms:
    def __init__(self, settle_s: float = 60) -> None:
        self.clock, self.board, self.seen = Hand(), Board(), dict[str, int]()
        self.place = OnKeda(self.board, settle_s, self.clock.elapsed_ms, self.seen.get)

    def told(self) -> int:
        posted = self.board.read("gate")
        assert posted is not None
        return posted.wanted


def test_after_a_start_processes_are_counted_before_anything_is_told() -> None:
    """Some may not answer yet: to tell KEDA of fewer than there are would end the others."""
    rooms = Rooms()
    with pytest.raises(ActError, match="none answers"):
        rooms.place.count("gate")
    rooms.seen["gate"] = 5
    with pytest.raises(ActError, match="are counted for 60 s more"):
        rooms.place.count("gate")
    rooms.seen["gate"] = 3
    rooms.clock.turn(61)
    assert rooms.place.count("gate") == Count(5, 3)


def test_those_that_were_told_to_go_do_not_count_and_others_that_come_do() -> None:
    rooms = Rooms(settle_s=0)
    rooms.seen["gate"] = 5
    assert rooms.place.count("gate") == Count(5, 5)
    rooms.place.scale("gate", 5, 4)
    assert rooms.place.count("gate") == Count(4, 5), "Kubernetes has not let the fifth go yet"
    rooms.seen["gate"] = 4
    assert rooms.place.count("gate") == Count(4, 4)
    rooms.seen["gate"] = 6
    assert rooms.place.count("gate") == Count(6, 6), "more than were told: that is what there is"
    rooms.place.scale("gate", 6, 8)
    assert rooms.place.count("gate") == Count(8, 6)
    assert rooms.told() == 8
