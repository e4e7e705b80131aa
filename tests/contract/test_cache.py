"""The cache's promises, on every backend; and what it may not promise: that anything is still there."""

import asyncio
import contextlib
import itertools
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest

from matchday.backends.cache_driver import WAITING_MAX, Ask, CacheDriver
from matchday.backends.cache_memory import MemoryCache
from matchday.backends.cache_redis import RedisServer
from matchday.backends.clock_wall import WallClock
from matchday.config import Cache as CacheSettings
from matchday.ops.engines.redis import Redis
from matchday.ports import Cache
from matchday.sim.clock import VirtualClock
from tests.contract.conftest import World, real_world
from tests.engines import Memcached, missing

Values = list[Sequence[bytes | None]]
TTL_MS = 60_000


class Served:
    """A cache, how to empty it, and how to take it away and bring it back."""

    def __init__(
        self, cache: Cache, flush: Callable[[], object], kill: Callable[[], None], back: Callable[[], None],
        process: Callable[[], int] = lambda: 0, refuse: Callable[[bool], object] = lambda _: None,
    ) -> None:  # fmt: skip
        self.cache, self.flush, self.kill, self.back = cache, flush, kill, back
        self._process, self.refuse = process, refuse

    def stop(self) -> None:
        """Have it hang: it takes connections, and answers nobody."""
        os.kill(self._process(), signal.SIGSTOP)

    def go(self) -> None:
        os.kill(self._process(), signal.SIGCONT)


@pytest.fixture
def served(world: World, tmp_path: Path) -> Iterator[Served]:
    if isinstance(world.clock, VirtualClock):
        memory = MemoryCache(world.clock)
        yield Served(memory, memory.flush, memory.flush, lambda: None)
        return
    loop = cast("WallClock", world.clock)._loop
    with contextlib.ExitStack() as stack:
        make = {"redis": _redis, "memcached": _memcached}[world.engine]
        yield make(stack, tmp_path, world, loop.call_soon_threadsafe)


def _redis(stack: contextlib.ExitStack, folder: Path, world: World, post: Callable[..., object]) -> Served:
    if shutil.which("redis-server") is None and shutil.which("valkey-server") is None:
        missing("Redis or Valkey (apt-get install redis-server)")
    server = stack.enter_context(Redis(folder / "redis"))
    adapter = RedisServer(CacheSettings(kind="redis", address=server.url))
    cache = stack.enter_context(contextlib.closing(CacheDriver(adapter, world.clock, post)))

    def refuse(on: bool) -> None:
        adapter._redis.config_set("maxmemory", "1" if on else "0")

    return Served(cache, adapter._redis.flushall, server.kill, server.start, server.process, refuse)


def _memcached(stack: contextlib.ExitStack, folder: Path, world: World, post: Callable[..., object]) -> Served:
    if shutil.which("memcached") is None:
        missing("Memcached (apt-get install memcached)")
    from matchday.backends.cache_memcached import MemcachedServer

    server = stack.enter_context(Memcached(folder / "memcached"))
    adapter = MemcachedServer(CacheSettings(kind="memcached", address=server.address))
    cache = stack.enter_context(contextlib.closing(CacheDriver(adapter, world.clock, post)))
    flush = partial(adapter._client.flush_all, noreply=False)
    return Served(cache, flush, server.kill, server.start, server.process)


def got(world: World, cache: Cache, *keys: str) -> list[bytes | None]:
    found: Values = []
    cache.get(keys, found.append)
    assert found == [], "never from inside the call"
    world.until(lambda: bool(found))
    return list(found[0])


def counted(world: World, cache: Cache, *counts: tuple[str, int], ttl_ms: int = TTL_MS) -> list[int]:
    found: list[Sequence[int]] = []
    cache.count(counts, ttl_ms, found.append)
    world.until(lambda: bool(found))
    return list(found[0])


def test_what_was_put_is_there_until_it_is_forgotten(world: World, served: Served) -> None:
    served.cache.put("a", b"1", TTL_MS)
    served.cache.put("b:x/y@2.5", bytes(range(256)), TTL_MS)
    assert got(world, served.cache, "a", "nothing", "b:x/y@2.5") == [b"1", None, bytes(range(256))]
    served.cache.put("a", b"2", TTL_MS)
    served.cache.forget(["b:x/y@2.5", "nothing"])
    assert got(world, served.cache, "a", "b:x/y@2.5") == [b"2", None]


def test_counters_add_up_in_the_order_asked(world: World, served: Served) -> None:
    assert counted(world, served.cache, ("n", 3), ("m", 1), ("n", 4)) == [3, 1, 7]
    assert counted(world, served.cache, ("n", 1)) == [8]


def test_a_value_s_time_is_over(world: World, served: Served) -> None:
    served.cache.put("a", b"1", 1_000)
    assert counted(world, served.cache, ("n", 1), ttl_ms=1_000) == [1]
    if isinstance(world.clock, VirtualClock):
        world.clock.run_for(1_001)
    began = world.clock.elapsed_ms()
    while got(world, served.cache, "a") != [None]:
        assert world.clock.elapsed_ms() < began + 5_000
    while counted(world, served.cache, ("n", 1)) != [1]:
        assert world.clock.elapsed_ms() < began + 5_000


@pytest.mark.parametrize("key", ["", "k" * 201, "two words", "umläut", "line\n"])
def test_keys_that_no_server_could_have(served: Served, key: str) -> None:
    with pytest.raises(ValueError, match="key"):
        served.cache.get([key], lambda _: None)
    with pytest.raises(ValueError, match="key"):
        served.cache.count([(key, 1)], TTL_MS, lambda _: None)


def test_a_value_that_is_too_large(served: Served) -> None:
    with pytest.raises(ValueError, match="100001 bytes"):
        served.cache.put("k", bytes(100_001), TTL_MS)


def test_flushed_it_is_empty_and_goes_on(world: World, served: Served) -> None:
    served.cache.put("a", b"1", TTL_MS)
    assert counted(world, served.cache, ("n", 5)) == [5]
    served.flush()
    assert got(world, served.cache, "a") == [None]
    assert counted(world, served.cache, ("n", 1)) == [1]


def test_away_it_is_empty_at_once_and_back_when_it_is_back(world: World, served: Served) -> None:
    served.cache.put("a", b"1", TTL_MS)
    assert got(world, served.cache, "a") == [b"1"]
    served.kill()
    assert got(world, served.cache, "a") == [None]
    assert counted(world, served.cache, ("n", 2), ("m", 1)) == [2, 1], "what was to be added"
    served.back()
    served.cache.put("b", b"2", TTL_MS)
    while got(world, served.cache, "b") != [b"2"]:
        served.cache.put("b", b"2", TTL_MS)  # it is asked again a moment after it was away
    assert got(world, served.cache, "a") == [None]


def test_one_that_hangs_is_away_within_its_time_and_back_when_it_answers(world: World, served: Served) -> None:
    if isinstance(world.clock, VirtualClock):
        pytest.skip("the memory of this process does not hang")
    served.cache.put("a", b"1", TTL_MS)
    assert got(world, served.cache, "a") == [b"1"]
    served.stop()
    began = world.clock.elapsed_ms()
    assert got(world, served.cache, "a") == [None]
    assert counted(world, served.cache, ("n", 2)) == [2], "what was to be added"
    assert world.clock.elapsed_ms() - began < 2_000
    served.go()
    while got(world, served.cache, "a") != [b"1"]:
        pass  # it is asked again a moment after it was away


def test_one_that_refuses_what_it_is_told_is_away(world: World, served: Served) -> None:
    """Its memory is full, or its disk: Redis then takes no more writes. Nothing is raised, and reads come back."""
    if world.engine != "redis":
        pytest.skip("others forget something else instead")
    served.cache.put("a", b"1", TTL_MS)
    assert got(world, served.cache, "a") == [b"1"]
    served.refuse(True)
    assert counted(world, served.cache, ("n", 2), ("m", 3)) == [2, 3]
    served.refuse(False)
    while got(world, served.cache, "a") != [b"1"]:
        pass
    while counted(world, served.cache, ("m", 3)) == [3] == counted(world, served.cache, ("m", 0)):
        pass


def test_a_memcached_that_is_full_and_may_forget_nothing_is_away(tmp_path: Path) -> None:
    """``-M``: it answers what it has no room for with an error. Nothing is raised, and reads come back."""
    if shutil.which("memcached") is None:
        missing("Memcached (apt-get install memcached)")
    from matchday.backends.cache_memcached import MemcachedServer

    with FullMemcached(tmp_path) as server, real_world("memcached") as world:
        loop = cast("WallClock", world.clock)._loop
        adapter = MemcachedServer(CacheSettings(kind="memcached", address=server.address))
        with contextlib.closing(CacheDriver(adapter, world.clock, loop.call_soon_threadsafe)) as cache:
            cache.put("first", b"1", TTL_MS)
            assert got(world, cache, "first") == [b"1"]
            for number in itertools.count():
                cache.put(f"much{number}", b"x" * 90_000, TTL_MS)
                if got(world, cache, "first") == [None]:
                    break
            assert cache.failures == 1
            assert counted(world, cache, ("n", 2)) == [2], "what was to be added"
            while got(world, cache, "first") != [b"1"]:
                pass  # it is asked again a moment after it was away


class FullMemcached(Memcached):
    """One of two megabytes, which throws nothing away for room."""

    def command(self) -> list[str]:
        return [*super().command(), "-M", "-m", "2"]


class Stuck:
    """A server that takes a while, by a word of the test."""

    def __init__(self) -> None:
        self.go, self.stuck = threading.Event(), threading.Event()
        self.asked = 0

    def round_trip(self, asks: Sequence[Ask]) -> Sequence[Sequence[object]]:
        self.stuck.set()
        self.go.wait()
        self.asked += len(asks)
        return [[None] * len(ask.keys) for ask in asks]

    def close(self) -> None:
        """Nothing to give up."""


def test_of_too_many_the_oldest_are_answered_as_if_it_were_away() -> None:
    """A server that hangs: what waits for it has an end, and everybody is answered."""
    with asyncio.Runner() as runner:
        clock, server = WallClock(runner.get_loop()), Stuck()
        cache = CacheDriver(server, clock, runner.get_loop().call_soon_threadsafe)
        answered: list[int] = []
        for number in range(WAITING_MAX + 500):
            cache.get(["k"], lambda _, number=number: answered.append(number))  # type: ignore[misc]
            while number == 0 and not server.stuck.is_set():
                server.stuck.wait(1)
        server.go.set()

        async def all_answered() -> None:
            async with asyncio.timeout(20):
                while len(answered) < WAITING_MAX + 500:  # noqa: ASYNC110 - answers come by callback
                    await asyncio.sleep(0.001)

        runner.run(all_answered())
        assert sorted(answered) == list(range(WAITING_MAX + 500))
        assert server.asked == WAITING_MAX + 1, "the one that it was stuck with, and as many as may wait"
        cache.close()


@pytest.mark.parametrize(
    "address",
    ["redis+sentinel://", "redis+sentinel://host:1", "redis+sentinel:///name", "redis+sentinel://host:x/name"],
)
def test_an_address_of_sentinels_without_a_host_or_the_master_s_name_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match=r"redis\+sentinel://HOST:PORT|invalid literal"):
        RedisServer(CacheSettings(kind="redis", address=address))


def test_sentinels_are_asked_one_after_the_other_for_a_master_by_its_name() -> None:
    address = "redis+sentinel://:s%40cret@one:1,two/bets/3"
    pool: Any = RedisServer(CacheSettings(kind="redis", address=address, timeout_ms=50))._redis.connection_pool
    places = [one.connection_pool.connection_kwargs for one in pool.sentinel_manager.sentinels]
    assert [(place["host"], place["port"]) for place in places] == [("one", 1), ("two", 26_379)]
    assert (pool.service_name, pool.is_master) == ("bets", True)
    assert pool.connection_kwargs["db"] == 3
    assert pool.connection_kwargs["password"] == "s@cret"
    assert pool.connection_kwargs["socket_timeout"] == places[0]["socket_timeout"] == 0.05
