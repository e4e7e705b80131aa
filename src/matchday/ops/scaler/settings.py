"""Settings of the autoscaler: a file of its own, as it runs beside the platform. Each with unit, default, consequence.

Seconds and minutes here are the scaler's clock: with ``clock.speed`` 60 a minute of them takes a second. What is asked
of others (``timeout_ms``) is real time.
"""

import tomllib
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from matchday.config import NUL, nul_at
from matchday.ops.capacity import LOADS
from matchday.ops.scaler.core import Rule
from matchday.ops.scaler.problems import ScalerError

FILE_BYTES_MAX: Final = 1024 * 1024
MACHINES: Final = "machines"
"""The target that is no room: what the rooms run on."""
Processes = Annotated[int, Meta(ge=0, le=10_000)]
Percent = Annotated[int, Meta(ge=1, le=100)]
Seconds = Annotated[float, Meta(ge=0, le=86_400)]
Millis = Annotated[int, Meta(ge=1, le=600_000)]
Minutes = Annotated[int, Meta(ge=0, le=1_440)]
Text = Annotated[str, Meta(max_length=10_000)]
Where = Literal["none", "cluster", "kubernetes", "keda"]


class Bounds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a target may be changed; ``[rooms.gate]``, ``[machines]``."""

    floor: Processes = 1
    """Fewest, whatever the load is."""
    ceiling: Annotated[int, Meta(ge=1, le=10_000)]
    """Most, whatever the load is: what is wanted beyond it is said. Gates: no more than ``bets.writers``; odds and
    settlement: no more than the log has partitions."""
    target_percent: Percent = 85
    """Percent of what one carries that it is filled to by what is seen now, beside a forecast. Lower: dearer, and ready
    for more than was forecast."""
    blind_percent: Percent = 70
    """The same where nothing is forecast, or no forecast can be made: a boot time's rise must fit in what is left."""
    tolerance: Annotated[float, Meta(ge=0, le=1)] = 0.1
    """Share of the target within which what is seen changes nothing. Lower: more changes."""
    stable_s: Annotated[float, Meta(ge=1, le=86_400)] = 300.0
    """Seconds of which the highest wish holds before there are fewer; after a start, nothing shrinks so long."""
    step_up: Annotated[int, Meta(ge=1, le=10_000)] = 4
    """Most that is asked for more at one decision, or the next, whichever is more."""
    step_up_percent: Annotated[int, Meta(ge=0, le=10_000)] = 100
    """The same, in percent of what there is."""
    step_down: Annotated[int, Meta(ge=1, le=10_000)] = 1
    """Most that is let go at one decision."""
    down_every_s: Seconds = 60.0
    """Seconds between two decisions for fewer. Longer: a gate's crowd comes to the others more evenly."""

    def rule(self) -> Rule:
        """The same, for the core."""
        return Rule(self.floor, self.ceiling, self.target_percent, self.blind_percent, self.tolerance, self.stable_s,
                    self.step_up, self.step_up_percent, self.step_down, self.down_every_s)  # fmt: skip


class RoomBounds(Bounds, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A room."""

    loads: tuple[str, ...] = ()
    """What it is full of; none: all that the capacity model knows of it. One that is never seen stops all shrinking."""

    def __post_init__(self) -> None:
        unknown = sorted(set(self.loads) - LOADS.keys())
        if unknown:
            raise ValueError(f"{unknown[0]!r} is no load; they are {', '.join(LOADS)}")


class Machines(Bounds, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the rooms run on: as many as their processes need, a machine's boot time ahead of them."""

    where: Literal["none", "aws", "google"] = "none"
    """Who makes them."""
    group: Text = ""
    """Name of the Auto Scaling group, or of the managed instance group."""
    cores: Annotated[float, Meta(gt=0, le=10_000)] = 1.0
    """Of one machine, for rooms: without what its system and agents take."""
    boot_s: Seconds = 120.0
    """Seconds from being asked for until processes can be started on one; the slowest seen."""
    region: Text = ""
    """Of AWS; empty: as its own configuration says. Of Google: for a regional group."""
    zone: Text = ""
    """Of a Google group in one zone."""
    project: Text = ""
    """Of Google."""


class Loads(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where load is seen."""

    source: Literal["cluster", "prometheus"] = "cluster"
    """``cluster``: the ops ports of a local cluster's processes; ``prometheus``: its HTTP API."""
    cluster: Text = "cluster"
    """Folder of the local cluster (``matchday cluster --state``)."""
    prometheus: Text = ""
    """Address, such as ``http://prometheus:9090``."""
    selector: Text = 'job="matchday"'
    """Labels that name the platform's processes there."""
    rate_s: Annotated[int, Meta(ge=10, le=600)] = 60
    """Seconds (real) over which Prometheus takes a rate; at least four of its scrapes. Longer: later to see a rise."""
    timeout_ms: Millis = 2_000
    """Milliseconds (real) to wait for an answer; then the load is not known."""
    stale_s: Annotated[float, Meta(ge=1, le=3_600)] = 60.0
    """Seconds (real) after which a figure is not believed any more: it then stops all shrinking."""


class History(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What forecasting learns from."""

    folder: Text = "history"
    """Folder with a file for each load, such as ``connections.csv`` (``period,count``, as a backtest reads it); every
    minute that is seen is added. Empty: none. With ``loads.source`` Prometheus its history is read, too."""
    days: Annotated[int, Meta(ge=4, le=400)] = 28
    """Days that are read and kept in memory."""


class Forecast(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is expected."""

    kind: Literal["ours", "none"] = "ours"
    """``none``: only what is seen counts, on purpose; with ``ours``, a forecast that cannot be made stops all
    shrinking."""
    calendars: tuple[str, ...] = ()
    """Files with the fixtures (.csv, .json, .txt, .ics); read again when they change."""
    calendar_zone: Text = ""
    """Time zone of local times that name none."""
    margin: Annotated[float, Meta(ge=0, le=10)] = 0.0
    """Deviations carried beyond what is expected; 0: declared each midnight from the last match days."""
    boot_s: Annotated[float, Meta(ge=0, le=14_400)] = 0.0
    """Seconds (real) from asking for a process to its carrying load; 0: as the capacity model measured."""


class Matches(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is being played, seen live: it holds what is there, whatever the calendar says."""

    door: Text = ""
    """Address of a gate or a balancer, such as ``http://127.0.0.1:8000``; empty: only the calendar holds."""
    before_min: Minutes = 20
    """Minutes before an announced kick-off from which on nothing shrinks."""
    after_min: Minutes = 10
    """Minutes after the final whistle was seen until which nothing shrinks."""
    late_max_min: Minutes = 240
    """Minutes that a kick-off may be late; then it holds nothing any more."""


class Clock(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The scaler's time."""

    skew_ms_max: Millis = 2_000
    """Milliseconds (real) by which other clocks may be off, or ours may jump; beyond it nothing shrinks."""
    speed: Annotated[float, Meta(ge=1, le=3_600)] = 1.0
    """Its seconds in a real one: for drills that press a night into minutes."""
    starts_at: Text = ""
    """Its time at the start, ISO 8601 (for drills); empty: the real one."""


class Kubernetes(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The scale subresource."""

    address: Text = "https://kubernetes.default.svc"
    """Of the API server."""
    namespace: Text = "matchday"
    """In which the rooms run."""
    workloads: dict[str, Literal["statefulsets", "deployments"]] = {}
    """Room -> what it is; those that are not named: gates are a StatefulSet, all others Deployments."""
    token_file: Text = "/var/run/secrets/kubernetes.io/serviceaccount/token"  # noqa: S105 - where it is, not what
    """With the service account's token; read anew for each request, as it changes. Empty: none is sent."""
    ca_file: Text = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"
    """With the API server's authority."""
    timeout_ms: Millis = 5_000
    """Milliseconds (real) to wait for an answer."""


class Keda(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The gRPC service that KEDA asks."""

    listen: Text = "127.0.0.1:6000"
    """Address and port."""
    streams_max: Annotated[int, Meta(ge=1, le=1_000)] = 32
    """Streams at a time, each a thread; one more is refused. KEDA opens one or two for each ScaledObject."""
    settle_s: Annotated[float, Meta(ge=0, le=3_600)] = 60.0
    """Seconds (real) after a start in which processes are counted before KEDA is told anything."""
    stale_s: Annotated[float, Meta(ge=1, le=3_600)] = 120.0
    """Seconds (real) after which a decision is too old to be told: the answer is an error, and KEDA falls back."""


class Act(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where rooms are changed."""

    where: Where = "none"
    """``none``: nowhere; ``cluster``, ``kubernetes``, ``keda``."""
    backoff_s: Annotated[float, Meta(gt=0, le=3_600)] = 1.0
    """Seconds (real) after a failure until the next attempt; doubled each time."""
    backoff_s_max: Annotated[float, Meta(gt=0, le=3_600)] = 60.0
    """At most."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file."""

    mode: Literal["observe", "shadow", "act"] = "observe"
    """``observe`` only says; ``shadow`` keeps a fleet in its mind and compares it with what is there; ``act`` acts."""
    every_s: Annotated[float, Meta(ge=0.1, le=600)] = 15.0
    """Seconds (real) from one decision to the next."""
    capacity: Text = "capacity.json"
    """The capacity model (``matchday drill capacity``)."""
    decisions: Text = "decisions.ndjson"
    """Where decisions are kept, a JSON line each; empty: nowhere."""
    decisions_bytes_max: Annotated[int, Meta(ge=10_000, le=10**12)] = 100_000_000
    """Bytes of that file; then it becomes ``.1`` and a new one begins."""
    rooms: dict[str, RoomBounds]
    machines: Machines | None = None
    loads: Loads = Loads()
    history: History = History()
    forecast: Forecast = Forecast()
    matches: Matches = Matches()
    clock: Clock = Clock()
    kubernetes: Kubernetes = Kubernetes()
    keda: Keda = Keda()
    act: Act = Act()

    def __post_init__(self) -> None:
        bounds = {**self.rooms, **({} if self.machines is None else {MACHINES: self.machines})}
        for name, one in bounds.items():
            if one.floor > one.ceiling:
                raise ValueError(f"{name}: floor {one.floor} is above ceiling {one.ceiling}")
        if not self.rooms or MACHINES in self.rooms:
            raise ValueError("[rooms.NAME] must name a room at least, and none of them is called machines")


def load(path: Path) -> Settings:
    """The settings of a file; files that it names are beside it. ScalerError says what to set."""
    try:
        raw = path.read_bytes()
        if len(raw) > FILE_BYTES_MAX:
            raise ScalerError(f"{path} is larger than {FILE_BYTES_MAX} bytes; it is no file of settings")
        settings = msgspec.convert(tomllib.loads(raw.decode()), Settings)
    except OSError as error:
        raise ScalerError(f"settings {path}: {error.strerror}; name a file with --config") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise ScalerError(f"settings {path}: {error}; docs/autoscaling.md has all of them") from error
    if place := nul_at(msgspec.to_builtins(settings)):
        raise ScalerError(f"settings {path}: {NUL} - at `{place}`; docs/autoscaling.md has all of them")
    return settings
