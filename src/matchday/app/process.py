"""A process: any set of rooms over the stores that the settings name, until it is told to stop."""

import asyncio
import contextlib
import signal
import socket
import sys
import threading
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import uvicorn

from matchday.app.caught_up import CaughtUp
from matchday.app.doors import listen, make_server, until_stopped
from matchday.app.errors import StartError
from matchday.app.lateness import Lateness
from matchday.app.logs import Lines, written
from matchday.app.metrics import Metrics
from matchday.app.recorder import LoadRecorder
from matchday.app.rooms import GateRooms
from matchday.app.secret import secret_of
from matchday.app.stores import Stores, open_load, open_stores
from matchday.app.traces import traced
from matchday.app.watched import Watch
from matchday.app.workers import MakeAdapter, Workers
from matchday.backends.clock_wall import WallClock
from matchday.backends.writer import Post
from matchday.collector import collect_rarely, tune_gc
from matchday.config import Settings
from matchday.counts import Load
from matchday.edge.ops import OpsPort
from matchday.ports import LedgerUnavailable, LogUnavailable, Tracer
from matchday.pricing.football import warm_up

ROOMS: Final = ("gate", "feed", "odds", "settlement", "relay")
"""All of them; ``accounts``, ``bets``, ``cash_out``, ``lobby``, ``push`` and ``trading`` live in the gate."""
_PRICE: Final = frozenset({"gate", "odds"})
"""Rooms with the model: a gate prices combinations."""


class Plan(NamedTuple):
    """What a process is to be."""

    rooms: Collection[str]
    make_adapter: MakeAdapter
    speed: float
    data: Path
    with_ops: bool
    """Whether it answers at the ops port."""


class Started(NamedTuple):
    """Where a process is found that has started."""

    door: str
    """Address of the gate; empty without one."""
    ops: str
    """Address of the ops port; empty without one."""


Ready = Callable[[Started], None]


def serve(plan: Plan, settings: Settings, ready: Ready) -> None:
    """Run a process until SIGINT or SIGTERM. StartError or BackendError where it cannot start."""
    _check(plan.rooms, settings)
    with contextlib.ExitStack() as stack:
        listener = None
        if "gate" in plan.rooms:
            listener = stack.enter_context(listen(settings.doors.host, settings.doors.port))
        try:
            import uvloop

            runner = stack.enter_context(asyncio.Runner(loop_factory=uvloop.new_event_loop))
        except ImportError:
            runner = stack.enter_context(asyncio.Runner())
        runner.run(_run(plan, settings, listener, ready))


def _check(rooms: Collection[str], settings: Settings) -> None:
    """Files of a folder are one process's: without the other rooms it would talk to nobody."""
    for part, kind, other in (("log", settings.log.kind, "kafka"), ("ledger", settings.ledger.kind, "postgres")):
        if kind == "sqlite" and (missing := [room for room in ROOMS if room not in rooms]):
            raise StartError(
                f'setting {part}.kind is "sqlite", which is for one process with all rooms, and {", ".join(missing)} '
                f'would be missing; name all, or set {part}.kind = "{other}"'
            )


async def _run(plan: Plan, settings: Settings, listener: socket.socket | None, ready: Ready) -> None:
    loop = asyncio.get_running_loop()
    clock = WallClock(loop)
    collect_rarely()
    with contextlib.ExitStack() as stack:
        lines = stack.enter_context(written(settings.logs, clock.elapsed_ms, sys.stderr))
        tracer = stack.enter_context(traced(settings.trace, clock, tuple(plan.rooms)))
        process = Process(plan, settings, clock, lines, tracer)
        stores = stack.enter_context(open_stores(settings, plan.data, clock, loop.call_soon_threadsafe, process.fatal))
        try:
            process.start(stores)
        except (LogUnavailable, LedgerUnavailable) as error:
            raise StartError(f"a store does not answer: {error}; see settings log and ledger") from error
        await process.live(listener, ready)
    if process.failed:
        raise process.failed[0]


class Process:
    """One process, from its start to its end."""

    def __init__(self, plan: Plan, settings: Settings, clock: WallClock, lines: Lines, tracer: Tracer) -> None:
        loop = asyncio.get_running_loop()
        self.clock, self._lines, self._tracer = clock, lines, tracer
        self.failed: list[BaseException] = []
        self._plan, self._settings = plan, settings
        self._rooms = [room for room in ROOMS if room in plan.rooms]
        self._stop, self._hurry = asyncio.Event(), asyncio.Event()
        self._gate: GateRooms | None = None
        self._since_s = self.clock.now_ms() / 1_000
        self._watches: dict[str, Watch] = {}
        self._lateness = Lateness(clock)
        loop.set_exception_handler(
            lambda _, context: self.fatal(context.get("exception") or RuntimeError(context["message"]))
        )
        threading.excepthook = partial(stop_for_thread, loop.call_soon_threadsafe, self.fatal)
        loop.add_signal_handler(signal.SIGINT, self._stop_at_once)
        loop.add_signal_handler(signal.SIGTERM, self._leave)

    def fatal(self, error: BaseException) -> None:
        """A programmer's error: stop this process rather than go on with a broken invariant."""
        self.failed.append(error)
        self._hurry.set()
        self._stop.set()

    def _stop_at_once(self) -> None:
        if self._stop.is_set():
            self._hurry.set()
        self._stop.set()

    def _leave(self) -> None:
        """Asked to stop: hand the clients over first. Asked again: at once."""
        if self._gate is None or self._gate.push.draining:
            self._stop_at_once()
        else:
            self._gate.drain(self._stop.set)

    def start(self, stores: Stores) -> None:
        """Make the rooms, the gate's first, so that nobody misses what the others say."""
        plan, settings = self._plan, self._settings
        self._stores = stores
        if _PRICE & set(self._rooms):
            warm_up()
        if "gate" in self._rooms:
            secret = secret_of(settings, plan.data, self.clock)
            watch = self._watches["gate"] = Watch(self.clock, "gate")
            self._gate = gate = GateRooms(
                self.clock, watch.log(stores.log), watch.ledger(stores.ledger), settings, secret=secret,
                cache=stores.cache, tracer=self._tracer,
            )  # fmt: skip
            gate.start()
            gate.lobby.start()
            gate.pressure.start()
        self._workers = Workers(
            self.clock, stores, settings, plan.make_adapter, speed=plan.speed, tracer=self._tracer
        )  # fmt: skip
        self._watches.update(self._workers.watches)
        self._workers.join(self._rooms)
        self._caught_up = CaughtUp(self.clock, stores.lag, settings.ops.behind_ms_max, with_gate=self._gate is not None)
        self._caught_up.start()
        self._lateness.start()

    async def live(self, listener: socket.socket | None, ready: Ready) -> None:
        """Until it is told to stop; then hand over what it holds."""
        server = None if self._gate is None or listener is None else make_server(self._gate, self._settings)
        metrics = Metrics(
            self._rooms, self._gate, self._workers, lambda: not self.reasons(), self._since_s, watches=self._watches,
            lateness=self._lateness, lines=self._lines, readable=lambda: not self.waits_for(),
            caught_up=self._caught_up, requests=lambda: requests_of(server),
        )  # fmt: skip
        async with contextlib.AsyncExitStack() as stack:
            if self._gate is not None:
                self._record(stack, self._gate, server)
            ops = ""
            if self._plan.with_ops:
                ops = await self._open_ops(stack, OpsPort(self._rooms, self.reasons, metrics, self.waits_for))
            tune_gc()
            if server is None or listener is None:
                ready(Started("", ops))
                await self._stop.wait()
            else:
                serving = asyncio.create_task(until_stopped(server, listener, self._stop))
                while not (server.started or serving.done()):  # noqa: ASYNC110 - uvicorn has no event to wait for
                    await asyncio.sleep(0.005)
                ready(Started(_address(listener), ops))
                await serving
            await self._hand_over()

    def _record(self, stack: contextlib.AsyncExitStack, gate: GateRooms, server: uvicorn.Server | None) -> None:
        """Keep the load of each minute, where this process is the whole platform."""
        settings, loop = self._settings, asyncio.get_running_loop()
        if settings.ledger.kind != "sqlite" or not settings.recorder.keep_days:
            return
        add = stack.enter_context(open_load(settings, self._plan.data, loop.call_soon_threadsafe, self.fatal))
        recorder = LoadRecorder(self.clock, lambda: load_of(gate, requests_of(server)), add)
        recorder.start()
        stack.callback(recorder.stop)

    async def _open_ops(self, stack: contextlib.AsyncExitStack, port: OpsPort) -> str:
        ops = self._settings.ops
        try:
            server = await stack.enter_async_context(await port.open(ops.host, ops.port))
        except OSError as error:
            raise StartError(
                f"setting ops.port: {ops.host}:{ops.port}: {error.strerror}; choose another with --ops-port"
            ) from error
        return _address(server.sockets[0])

    async def _hand_over(self) -> None:
        """Finish what is on its way, within ``ops.drain_ms``, and give up all shares; at once where it was told so."""
        self._stop.set()
        left = asyncio.Event()
        self._workers.leave(left.set)
        leaving, hurrying = asyncio.create_task(left.wait()), asyncio.create_task(self._hurry.wait())
        await asyncio.wait({leaving, hurrying}, return_when=asyncio.FIRST_COMPLETED)
        leaving.cancel()
        hurrying.cancel()

    def reasons(self) -> list[str]:
        """Why no work is to be sent to this process now; nothing where it is."""
        if self._stop.is_set() or (self._gate is not None and self._gate.push.draining):
            return ["it is stopping"]
        return self._workers.reasons + self._caught_up.reasons

    def waits_for(self) -> list[str]:
        """What it shares with all others and cannot be had now."""
        try:
            self._stores.ledger.account("")
        except LedgerUnavailable as error:
            return [f"the ledger cannot be read: {error}"]
        return []


def requests_of(server: uvicorn.Server | None) -> int:
    """How many HTTP requests a gate has answered."""
    return 0 if server is None else server.server_state.total_requests


def load_of(gate: GateRooms, requests: int) -> Load:
    """What a gate has served, which answered so many HTTP requests."""
    push, batches = gate.push, gate.bets.batches
    bets = sum(size * count for size, count in batches.items())
    return Load(requests + push.messages, bets, push.sent.frames, push.connections)


def stop_for_thread(post: Post, fatal: Callable[[BaseException], None], failed: threading.ExceptHookArgs) -> None:
    """A thread has ended by an error that nobody caught: what it did would never be done any more, in silence."""
    error = failed.exc_value or RuntimeError(f"thread {failed.thread} ended")
    with contextlib.suppress(RuntimeError):  # the loop is closed: the process ends anyway
        post(partial(fatal, error))


def _address(of: socket.socket) -> str:
    host, port = of.getsockname()[:2]
    return f"http://{host}:{port}"
