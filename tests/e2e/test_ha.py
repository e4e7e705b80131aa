"""Engines in high availability, real ones: what is answered outlives the primary, the master and a balancer."""

import asyncio
import contextlib
import os
import random
import signal
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from redis import Redis as Asked

from matchday.app import ROOMS
from matchday.backends.cache_driver import Ask
from matchday.backends.cache_redis import RedisServer
from matchday.backends.ledger_postgres import PostgresLedgerCore, Stopped
from matchday.client import Client
from matchday.config import Cache, Postgres
from matchday.ops.cluster_balancer import Balancer
from matchday.ops.cluster_ha import SILENCE_MS, STATEMENT_MS, member_of, network_of
from matchday.ops.cluster_state import Member, State, born, family, postmaster
from matchday.ops.engines import ANY, Engine, EngineError, Running, Server, free_ports, program
from matchday.ops.engines.etcd import Etcd
from matchday.ops.engines.patroni import Patroni
from matchday.ops.engines.postgres import binary
from matchday.ops.engines.redis import WatchedRedis
from matchday.ports import LedgerUnavailable
from tests.conftest import missing
from tests.contract.test_ledger import bet
from tests.contract.test_ledger_postgres import consistent, fans
from tests.e2e.test_client import QUICK as PAUSES
from tests.e2e.test_client import until
from tests.e2e.test_run import running
from tests.real import free_port, poll

pytestmark = pytest.mark.slow
WHOLE_S_MAX = 90
KILLED_S_MAX = 10.0
"""Until bets are accepted again after the primary was killed."""
HUNG_S_MAX = 30.0
"""The same where it hangs."""
FANS = 3


@pytest.fixture
def folder() -> Iterator[Path]:
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None, prefix="matchday-") as found:
        Path(found).chmod(0o755)
        yield Path(found)


def send(number: signal.Signals, *pids: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


class Servers(Running):
    """Some servers, each of which can be taken away and brought back."""

    def __init__(self) -> None:
        self.members: dict[str, Member] = {}
        self._engines: dict[str, Engine] = {}

    def launch(self, *servers: Server) -> None:
        for server in servers:
            if server.name in self._engines:
                self._engines[server.name].kill()
            self._engines[server.name] = engine = server.launch()
            self.members[server.name] = member_of(server, engine.pid)
        for server in servers:
            self._engines[server.name].wait_until_ready()

    def pids(self) -> list[int]:
        return [pid for one in self.members.values() for pid in one.family]

    def stop(self) -> None:
        pids = self.pids()
        send(signal.SIGCONT, *pids)
        send(signal.SIGKILL, *pids)
        for engine in self._engines.values():
            engine.kill()


class Nodes(Servers):
    """Three nodes of PostgreSQL under Patroni, with their etcd."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        network, (peers, *clients, port, rest) = network_of(folder), free_ports(6, ANY)
        self.places = [f"{network}.{number}" for number in (21, 22, 23)]
        self.etcd = Etcd(folder / "etcd", [f"{network}.{number}" for number in (11, 12, 13)], peers, clients)
        self.patroni = Patroni(folder / "patroni", self.places, port, rest, self.etcd)
        self.port = port

    def start(self) -> None:
        try:
            self.launch(*self.etcd.servers())
            poll(self.etcd.whole, WHOLE_S_MAX)
            self.launch(*self.patroni.servers())
            poll(self.patroni.whole, WHOLE_S_MAX)
            self.patroni.make_database()
        except BaseException:
            self.stop()
            raise

    def pids(self) -> list[int]:
        return [*super().pids(), *(pid for number in range(len(self.places)) for pid in self.all_of(number))]

    def primary(self) -> int:
        """The number of the node that is the primary; AssertionError where there is none."""
        nodes = {node.name: node.role for node in self.patroni.nodes()}
        return int(next(name for name, role in nodes.items() if role == "leader").rpartition("-")[2])

    def all_of(self, number: int) -> list[int]:
        """All processes of what stands for one machine."""
        data = self.patroni.data(number)
        patroni = self.members.get(f"patroni-{number}")
        return [*(patroni.family if patroni else ()), *(family(pid) if (pid := postmaster(data)) else ())]

    def follows(self, number: int) -> bool:
        """Whether a node is a standby by its own word."""
        with contextlib.suppress(psycopg.OperationalError):
            address = self.settings(number).address
            with psycopg.connect(address, connect_timeout=2) as connection:
                return connection.execute("SELECT pg_is_in_recovery()").fetchone() == (True,)
        return False

    def settings(self, *numbers: int) -> Postgres:
        hosts = ",".join(self.places[number] for number in numbers or range(len(self.places)))
        return Postgres(
            address=f"host={hosts} port={self.port} user=matchday dbname=matchday",
            silence_ms_max=SILENCE_MS, statement_ms_max=STATEMENT_MS,
        )  # fmt: skip


class Bettor:
    """Places one bet after the other, each again until it is answered, on a thread of its own."""

    def __init__(self, core: PostgresLedgerCore, fan: str, name: str) -> None:
        self.core, self.fan, self.name = core, fan, name
        self.answered: list[tuple[str, float, float]] = []
        """Id, when it was first asked for, when it was answered."""
        self.over = threading.Event()

    def __call__(self) -> None:
        while not self.over.is_set():
            command = bet(1, name=f"{self.name}-{len(self.answered)}", account=self.fan)
            asked = time.monotonic()
            while not self.over.is_set():
                try:
                    (answer,) = self.core.commit([command])
                except LedgerUnavailable:
                    self.over.wait(0.02)
                else:
                    assert answer.refusal is None
                    self.answered.append((command.id, asked, time.monotonic()))
                    break

    def since(self, at: float) -> float | None:
        """Seconds until a bet was answered that was asked for after that moment."""
        return next((answered - at for _, asked, answered in self.answered if asked > at), None)


def seconds_until_accepted(bettors: list[Bettor], at: float, within_s: float) -> float:
    """Until all of them are answered bets again that they ask for after a moment."""
    found = poll(lambda: all(one.since(at) for one in bettors) and [one.since(at) for one in bettors], within_s)
    return float(max(found))


def test_no_answered_bet_is_lost_with_a_primary_that_is_killed_or_hangs(folder: Path) -> None:
    """Bets go on through both, from three gates; a client that sees nobody but the primary that hung is told of no bet
    that is not there in the end."""
    nodes = Nodes(folder)
    try:
        nodes.etcd.servers()
        nodes.patroni.servers()
        binary("pg_ctl")
    except EngineError as error:
        missing("POSTGRESQL UNDER PATRONI", error)
    with nodes, contextlib.ExitStack() as stack:
        cores = [stack.enter_context(contextlib.closing(PostgresLedgerCore(nodes.settings()))) for _ in range(FANS)]
        names = fans(cores[0], FANS + 1, 10**6)
        bettors = [Bettor(core, name, name) for core, name in zip(cores, names, strict=False)]
        pool = stack.enter_context(ThreadPoolExecutor(FANS + 1))
        stack.callback(over, bettors)
        running = [pool.submit(one) for one in bettors]
        poll(lambda: all(len(one.answered) > 10 for one in bettors), 30)

        killed = nodes.primary()
        send(signal.SIGKILL, *nodes.all_of(killed))
        at = time.monotonic()
        assert seconds_until_accepted(bettors, at, 2 * KILLED_S_MAX) < KILLED_S_MAX
        nodes.launch(nodes.patroni.servers()[killed])
        poll(nodes.patroni.whole, WHOLE_S_MAX)

        hung = nodes.primary()
        assert hung != killed
        isolated = Bettor(PostgresLedgerCore(nodes.settings(hung)), names[-1], "isolated")
        stack.callback(isolated.core.close)
        bettors.append(isolated)
        alone = pool.submit(isolated)
        poll(lambda: len(isolated.answered) > 3, 30)
        stopped = nodes.all_of(hung)
        send(signal.SIGSTOP, *stopped)
        at = time.monotonic()
        assert seconds_until_accepted(bettors[:FANS], at, 2 * HUNG_S_MAX) < HUNG_S_MAX
        before = len(isolated.answered)
        send(signal.SIGCONT, *stopped)
        poll(lambda: nodes.follows(hung), WHOLE_S_MAX)
        assert nodes.primary() != hung
        assert len(isolated.answered) == before  # it accepted nothing after its time

        over(bettors)
        isolated.core.close()  # it may be asking what became of a bet, for ever
        with contextlib.suppress(Stopped, LedgerUnavailable):
            alone.result(30)
        for future in running:
            future.result(30)
        patient = msgspec.structs.replace(nodes.settings(), read_ms_max=60_000)  # it sums up all entries
        with contextlib.closing(PostgresLedgerCore(patient)) as core:
            check(bettors, core)


def over(bettors: list[Bettor]) -> None:
    for one in bettors:
        one.over.set()


def check(bettors: list[Bettor], core: PostgresLedgerCore) -> None:
    """Each answered bet is there, once, and was paid for."""
    answered = [(one.fan, id_) for one in bettors for id_, _, _ in one.answered]
    assert len(answered) > 50
    for fan, id_ in answered:
        found = core.answer(fan, id_)
        assert found is not None
        assert found.refusal is None
    under_way = len(bettors)  # one each that was not answered before the end
    assert len(answered) <= core.open_bets() <= len(answered) + under_way
    consistent(core)


def test_the_cache_finds_the_master_that_took_over(folder: Path) -> None:
    network, (port, sentinel_port) = network_of(folder), free_ports(2, ANY)
    redis = WatchedRedis(
        folder, [f"{network}.41", f"{network}.42"], port, [f"{network}.{n}" for n in (51, 52, 53)], sentinel_port
    )

    class Redis(Servers):
        def start(self) -> None:
            self.launch(*redis.servers())

    servers = Redis()
    try:
        program("redis-server", "redis-server")
    except EngineError as error:
        missing("REDIS WITH SENTINELS", error)
    with servers, contextlib.closing(RedisServer(Cache(kind="redis", address=redis.url))) as cache:

        def counts() -> bool:
            """Whether it counts; whatever goes wrong, a cache may be away."""
            try:
                return bool(cache.round_trip([Ask("count", ["fans"], amounts=[1], ttl_ms=60_000)]))
            except Exception:  # noqa: BLE001 - as its driver has it
                return False

        assert poll(counts, 10)
        poll(lambda: watched(redis), 20)
        at = time.monotonic()
        send(signal.SIGKILL, servers.members["redis-0"].pid)
        assert not counts()
        assert poll(counts, 20)
        assert time.monotonic() - at < KILLED_S_MAX


def watched(redis: WatchedRedis) -> bool:
    """Whether the Sentinels know of each other and of the replica."""
    found: list[dict[str, Any]] = []
    for server in redis.servers():
        if server.kind == "sentinel":
            with contextlib.closing(Asked(server.address, server.port, decode_responses=True)) as asked:
                found += asked.sentinel_masters().values()  # type: ignore[union-attr]
    return all(one["num-other-sentinels"] == 2 and one["num-slaves"] == 1 for one in found)


def test_screens_go_on_by_the_other_balancer(folder: Path, tmp_path: Path) -> None:
    try:
        program("haproxy", "haproxy")
    except EngineError as error:
        missing("TWO BALANCERS", error)
    network, door = network_of(folder), free_port()
    state = State(door=door, network=network)
    with running(*ROOMS, words=("--port", "0", "--data", str(tmp_path), "--speed", "20")) as platform:
        assert platform.door is not None
        gate = Member(
            name="gate-0", room="gate", pid=platform.process.pid, born=born(platform.process.pid),
            port=platform.door.port, ops_port=platform.ops_port, log="log",
        )  # fmt: skip
        started: list[Member] = []
        try:
            for number, address in enumerate(state.door_addresses):
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", ResourceWarning)  # it is to outlive whoever starts it
                    started.append(Balancer(folder, door, address, number).start([gate]))
            asyncio.run(followed(state, lambda: send(signal.SIGKILL, *started[0].family)))
        finally:
            send(signal.SIGKILL, *(pid for one in started for pid in one.family))


async def followed(state: State, kill: Callable[[], None]) -> None:
    heard: list[str] = []
    urls = [f"ws{door.removeprefix('http')}/ws" for door in state.doors]
    client = Client(urls, random.Random(1), lambda frame: heard.append(frame["t"]), pauses=PAUSES)
    client.follow("home")
    task = asyncio.create_task(client.run())
    await until(lambda: client.held["home"].whole)
    kill()
    at = time.monotonic()
    await until(lambda: "resumed" in heard)
    assert time.monotonic() - at < 3
    offset = client.held["home"].offset
    await until(lambda: client.held["home"].offset > offset)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
