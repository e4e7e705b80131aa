"""Every backend of a port, driven the same way: ``Drive`` runs until something has happened."""

import asyncio
import contextlib
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import pytest

from matchday.backends.clock_wall import WallClock
from matchday.backends.ledger_postgres import postgres_ledger
from matchday.backends.ledger_sqlite import SqliteLedger, SqliteLedgerCore
from matchday.backends.log_sqlite import SqliteLog, SqliteLogCore
from matchday.backends.shares_alone import SharesAlone
from matchday.config import Kafka, Postgres, Storage
from matchday.ops.engines.kafka import Kafka as KafkaEngine
from matchday.ports import Clock, Ledger, Log, Shares
from matchday.sim.clock import VirtualClock
from matchday.sim.inline import InlineLedger, InlineLog
from tests.engines import QUICK, Databases, postgres_servers

PATIENCE_S = 10.0


class World:
    """A clock, and a way to let its callbacks run until a condition holds."""

    def __init__(self, clock: Clock, run: Callable[[Callable[[], bool]], None], engine: str) -> None:
        self.clock = clock
        self.until = run
        self.engine = engine


@contextlib.contextmanager
def real_world(engine: str, patience_s: float = PATIENCE_S) -> Iterator[World]:
    """A loop of its own and the clock on the wall."""
    with asyncio.Runner() as runner:

        async def wait(happened: Callable[[], bool]) -> None:
            async with asyncio.timeout(patience_s):
                while not happened():  # noqa: ASYNC110 - rooms know no event to wait for
                    await asyncio.sleep(0.001)

        yield World(WallClock(runner.get_loop()), lambda happened: runner.run(wait(happened)), engine)


def fatal(error: BaseException) -> None:
    raise error


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each test on every backend of its port: what asks for a log or for shares with one partition and with three."""
    names = set(metafunc.fixturenames)
    if "partitions" in names:
        found = [("inline", 1), ("inline", 3), ("threads", 1), ("threads", 3), ("kafka", 3)]
        metafunc.parametrize(("world", "partitions"), found, indirect=True)
    elif "served" in names:
        metafunc.parametrize("world", ["inline", "redis", "memcached"], indirect=True)
    elif "world" in names:
        engines = ["inline", "threads"] + ["postgres"] * ("ledger" in names)
        metafunc.parametrize("world", engines, indirect=True)


@pytest.fixture
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    if request.param == "inline":
        virtual = VirtualClock(seed=1)

        def run(happened: Callable[[], bool]) -> None:
            virtual.run_for(10)
            assert happened()

        yield World(virtual, run, request.param)
        return
    with real_world(request.param) as real:
        yield real


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """For files. In memory where there is a place for that: what a disk takes is measured elsewhere."""
    memory = Path("/dev/shm")
    if not memory.is_dir():
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory, prefix="matchday-") as found:
        yield Path(found)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Databases]:
    """A server of our own."""
    with contextlib.closing(postgres_servers()) as servers:
        yield Databases(servers.new("primary"))


@pytest.fixture(scope="session")
def shared_database(postgres: Databases) -> str:
    """Used by one test after the other, each of which finds it empty."""
    return postgres.new()


@pytest.fixture
def ledger(world: World, folder: Path, request: pytest.FixtureRequest) -> Iterator[Ledger]:
    if world.engine == "postgres":
        databases, name = request.getfixturevalue("postgres"), request.getfixturevalue("shared_database")
        databases.empty(name)
        settings, loop = Postgres(address=databases.server.address(name), **QUICK), cast("WallClock", world.clock)._loop
        with postgres_ledger(settings, world.clock, loop.call_soon_threadsafe, fatal) as found:
            yield found
        return
    if isinstance(world.clock, VirtualClock):
        with contextlib.closing(SqliteLedgerCore(":memory:")) as core:
            yield InlineLedger(core, world.clock)
        return
    with contextlib.closing(SqliteLedgerCore(folder / "ledger.sqlite")) as core:
        loop = cast("WallClock", world.clock)._loop
        driver = SqliteLedger(core, world.clock, loop.call_soon_threadsafe, Storage(), fatal)
        with contextlib.closing(driver):
            yield driver


@pytest.fixture
def partitions(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def kafka(request: pytest.FixtureRequest, partitions: int) -> Iterator[Kafka | None]:
    """Settings of a platform with fresh topics, for backends on Kafka."""
    if request.node.callspec.params["world"] != "kafka":
        yield None
        return
    engine: KafkaEngine = request.getfixturevalue("kafka_engine")
    from matchday.backends.kafka_topics import Topics

    settings = fresh_kafka(engine, partitions)
    topics = Topics(settings)
    topics.init()
    yield settings
    topics.delete()


def fresh_kafka(engine: KafkaEngine, partitions: int) -> Kafka:
    """Settings of a platform that nobody knows."""
    return Kafka(
        brokers=tuple(engine.bootstrap.split(",")), platform=f"t{uuid.uuid4().hex[:12]}", partitions=partitions,
        replicas=1, position_ms=10, silence_ms_max=2_000,
    )  # fmt: skip


@pytest.fixture
def log(world: World, folder: Path, partitions: int, kafka: Kafka | None) -> Iterator[Log]:
    if isinstance(world.clock, VirtualClock):
        with contextlib.closing(SqliteLogCore(":memory:", world.clock.new_id, partitions)) as core:
            yield InlineLog(core, world.clock)
        return
    loop = cast("WallClock", world.clock)._loop
    if kafka is not None:
        from matchday.backends.log_kafka import KafkaLog

        with contextlib.closing(KafkaLog(kafka, world.clock, loop.call_soon_threadsafe, fatal, "contract")) as found:
            yield found
        return
    with contextlib.closing(SqliteLogCore(folder / "log.sqlite", world.clock.new_id, partitions)) as core:
        driver = SqliteLog(core, world.clock, loop.call_soon_threadsafe, Storage(), fatal)
        with contextlib.closing(driver):
            yield driver


@pytest.fixture
def shares(world: World, partitions: int, kafka: Kafka | None) -> Iterator[Shares]:
    if kafka is None:
        yield SharesAlone(world.clock, partitions)
        return
    from matchday.backends.shares_kafka import SharesKafka

    loop = cast("WallClock", world.clock)._loop
    with contextlib.closing(SharesKafka(kafka, loop.call_soon_threadsafe, fatal)) as found:
        yield found
