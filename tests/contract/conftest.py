"""Every backend of a port, driven the same way: ``Drive`` runs until something has happened."""

import asyncio
import contextlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import pytest

from matchday.backends.clock_wall import WallClock
from matchday.backends.ledger_postgres import postgres_ledger
from matchday.backends.ledger_sqlite import SqliteLedger, SqliteLedgerCore
from matchday.backends.log_sqlite import SqliteLog, SqliteLogCore
from matchday.backends.shares_alone import SharesAlone
from matchday.config import Postgres, Storage
from matchday.ports import Clock, Ledger, Log, Shares
from matchday.sim.clock import VirtualClock
from matchday.sim.inline import InlineLedger, InlineLog
from tests.engines import QUICK, Server, postgres_servers

PATIENCE_S = 10.0


class World:
    """A clock, and a way to let its callbacks run until a condition holds."""

    def __init__(self, clock: Clock, run: Callable[[Callable[[], bool]], None], engine: str) -> None:
        self.clock = clock
        self.until = run
        self.engine = engine


def fatal(error: BaseException) -> None:
    raise error


LEDGERS = ["inline", "threads", "postgres"]
LOGS = ["inline", "threads"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each test on every backend of its port."""
    if "world" in metafunc.fixturenames:
        engines = LEDGERS if "ledger" in metafunc.fixturenames else LOGS
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
    with asyncio.Runner() as runner:

        async def wait(happened: Callable[[], bool]) -> None:
            async with asyncio.timeout(PATIENCE_S):
                while not happened():  # noqa: ASYNC110 - rooms know no event to wait for
                    await asyncio.sleep(0.001)

        yield World(WallClock(runner.get_loop()), lambda happened: runner.run(wait(happened)), request.param)


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
def postgres() -> Iterator[Server]:
    """A server of our own."""
    with contextlib.closing(postgres_servers()) as servers:
        yield servers.new("primary")


@pytest.fixture(scope="session")
def shared_database(postgres: Server) -> str:
    """Used by one test after the other, each of which finds it empty."""
    return postgres.database()


@pytest.fixture
def ledger(world: World, folder: Path, request: pytest.FixtureRequest) -> Iterator[Ledger]:
    if world.engine == "postgres":
        server, name = request.getfixturevalue("postgres"), request.getfixturevalue("shared_database")
        server.empty(name)
        settings, loop = Postgres(address=server.address(name), **QUICK), cast("WallClock", world.clock)._loop
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


@pytest.fixture(params=[1, 3], ids=["one-partition", "three-partitions"])
def partitions(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def log(world: World, folder: Path, partitions: int) -> Iterator[Log]:
    if isinstance(world.clock, VirtualClock):
        with contextlib.closing(SqliteLogCore(":memory:", world.clock.new_id, partitions)) as core:
            yield InlineLog(core, world.clock)
        return
    with contextlib.closing(SqliteLogCore(folder / "log.sqlite", world.clock.new_id, partitions)) as core:
        loop = cast("WallClock", world.clock)._loop
        driver = SqliteLog(core, world.clock, loop.call_soon_threadsafe, Storage(), fatal)
        with contextlib.closing(driver):
            yield driver


@pytest.fixture
def shares(world: World, partitions: int) -> Shares:
    return SharesAlone(world.clock, partitions)
