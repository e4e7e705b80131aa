"""What ``matchday autoscale`` does: put together what the settings name, and go round until it is told to end."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from matchday.backends.clock_wall import WallClock
from matchday.ops import capacity
from matchday.ops.forecast.series import DAY
from matchday.ops.scaler import settings as words
from matchday.ops.scaler.act.aws import OnAws
from matchday.ops.scaler.act.cluster import OnCluster
from matchday.ops.scaler.act.google import OnGoogle
from matchday.ops.scaler.act.kubernetes import OnKubernetes
from matchday.ops.scaler.act.port import Actuator
from matchday.ops.scaler.board import Board
from matchday.ops.scaler.calendars import Calendars
from matchday.ops.scaler.foresight import Foresight
from matchday.ops.scaler.history import History
from matchday.ops.scaler.journal import Journal, Line
from matchday.ops.scaler.keda import OnKeda, Service
from matchday.ops.scaler.loads import ClusterLoads, PrometheusLoads
from matchday.ops.scaler.matches import Door
from matchday.ops.scaler.problems import ScalerError
from matchday.ops.scaler.run import Parts, Scaler
from matchday.ops.scaler.seen import SeenError
from matchday.ops.scaler.settings import MACHINES, Machines, Settings
from matchday.ops.scaler.sizes import Size, capacities, machine_boot, sizes
from matchday.ops.scaler.when import Time
from matchday.output import write_json

_SECRET_BYTES = 32


class Report(msgspec.Struct, frozen=True):
    """One round, for programs."""

    decisions: list[Line]


def autoscale(options: argparse.Namespace) -> int:
    """``matchday autoscale``."""
    settings = words.load(options.config)
    if options.mode is not None:
        settings = msgspec.structs.replace(settings, mode=options.mode)
    with asyncio.Runner() as runner:
        clock = WallClock(runner.get_loop())
        scaler, service = assembled(settings, options.config.absolute().parent, clock, _say)
        if options.once:
            _once(scaler, as_json=options.json)
            return 0
        if service is not None:
            service.start()
            _say(f"KEDA is answered at port {service.port}")
        try:
            runner.run(_rounds(scaler, settings.every_s, as_json=options.json))
        finally:
            if service is not None:
                service.stop()
    return 0


def assembled(
    settings: Settings, folder: Path, clock: WallClock, say: Callable[[str], None]
) -> tuple[Scaler, Service | None]:
    """An autoscaler and, where KEDA asks it, its service. Files are beside the settings."""
    model = capacity.read(folder / settings.capacity)
    time, of = Time(clock, settings.clock), sizes(settings, model)
    board = Board()
    scalers: list[Scaler] = []

    def processes(room: str) -> int | None:
        return scalers[0].processes.get(room)

    actuators = _actuators(settings, folder, clock, board, processes)
    prometheus = PrometheusLoads(settings.loads) if settings.loads.source == "prometheus" else None
    source = prometheus or ClusterLoads(settings.loads, folder / settings.loads.cluster, clock)
    histories = _histories(settings, folder, time.minute(), of, prometheus)
    door = Door(settings.matches.door, settings.loads.timeout_ms, clock) if settings.matches.door else None
    journal = Journal(folder / settings.decisions if settings.decisions else None, settings.decisions_bytes_max)
    scalers.append(Scaler(Parts(
        settings, model, of, time, source, door, histories, _foresight(settings, folder, histories, of), actuators,
        journal,
    ), say))  # fmt: skip
    service = None
    if settings.act.where == "keda":
        service = Service(settings.keda, list(settings.rooms), board, clock.elapsed_ms)
    return scalers[0], service


def _histories(
    settings: Settings, folder: Path, minute: int, of: Mapping[str, Size], prometheus: PrometheusLoads | None
) -> dict[str, History]:
    """Of all loads."""
    where = folder / settings.history.folder if settings.history.folder else None
    found = {}
    for load in sorted({load for size in of.values() for load in size.carries}):
        earlier: dict[int, int] = {}
        if prometheus is not None and settings.forecast.kind != "none":
            try:
                earlier = prometheus.history(load, minute - settings.history.days * DAY, minute)
            except SeenError as error:
                raise ScalerError(f"history of {load}: {error}; see the setting loads.prometheus") from error
        found[load] = History(load, where, settings.history.days, minute, earlier)
    return found


def _foresight(
    settings: Settings, folder: Path, histories: Mapping[str, History], of: Mapping[str, Size]
) -> Foresight | None:
    if settings.forecast.kind == "none":
        return None
    calendars = Calendars([folder / name for name in settings.forecast.calendars], settings.forecast.calendar_zone)
    boot = max([machine_boot(settings, of), *(size.boot for size in of.values())])
    return Foresight(histories, capacities(list(of.values())), calendars, boot, settings.forecast.margin)


def _actuators(
    settings: Settings, folder: Path, clock: WallClock, board: Board, processes: Callable[[str], int | None]
) -> dict[str, Actuator]:
    """Where each target is changed."""
    place: Actuator | None = None
    match settings.act.where:
        case "cluster":
            place = OnCluster(folder / settings.loads.cluster, _say, lambda: clock.entropy(_SECRET_BYTES))
        case "kubernetes":
            place = OnKubernetes(settings.kubernetes)
        case "keda":
            place = OnKeda(board, settings.keda.settle_s, clock.elapsed_ms, processes)
        case "none":
            pass
    found: dict[str, Actuator] = {} if place is None else dict.fromkeys(settings.rooms, place)
    if settings.machines is not None and (group := _group(settings.machines)) is not None:
        found[MACHINES] = group
    return found


def _group(machines: Machines) -> Actuator | None:
    if machines.where == "none":
        return None
    if not machines.group:
        raise ScalerError("setting machines.group: name the group of machines")
    return OnAws(machines) if machines.where == "aws" else OnGoogle(machines)


async def _rounds(scaler: Scaler, every_s: float, *, as_json: bool) -> None:
    """Round after round, each begun on its beat, until SIGTERM or Ctrl-C; a round that is under way is ended first."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    due = loop.time()
    while not stop.is_set():
        lines = await asyncio.to_thread(scaler.round)
        if as_json:
            for line in lines:
                sys.stdout.write(msgspec.json.encode(line).decode() + "\n")
            sys.stdout.flush()
        due = max(due + every_s, loop.time())
        try:
            await asyncio.wait_for(stop.wait(), due - loop.time())
        except TimeoutError:
            continue


def _once(scaler: Scaler, *, as_json: bool) -> None:
    lines = scaler.round()
    if as_json:
        write_json(Report(lines))


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
