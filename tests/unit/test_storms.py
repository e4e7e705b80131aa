"""Storms: thousands lost at once and back, gates that drain under load, the slow beside the quick. An audit of every
fan's sequence says that nobody missed a word."""

import asyncio
import contextlib
import itertools
import socket
from collections.abc import AsyncIterator, Sequence

import pytest

from matchday.services.push import CLOSE_DRAINING
from tests.unit.listening import until
from tests.unit.pushing import GOALS, RESULT, market
from tests.unit.standing import HANDSHAKE, Fan, World, tell

CROWD = 2_000
MANY = 10_000
"""Connections of one address: here all come from one."""


def audit(fans: Sequence[Fan], said: Sequence[int]) -> None:
    """Each heard everything that was said since his snapshot, once and in order."""
    for fan in fans:
        assert fan.gaps == []
        assert fan.snapshots == 1, "what was missed could be resumed: nobody needs all of it again"
        assert fan.offsets == [offset for offset in said if offset > fan.first]


@contextlib.asynccontextmanager
async def talking(world: World, said: list[int], pause_s: float) -> AsyncIterator[None]:
    """Prices change all the while."""

    async def talk() -> None:
        while True:
            said.append(world.price("F", 2_000 + len(said) % 500))
            await asyncio.sleep(pause_s)

    task = asyncio.create_task(talk())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.mark.slow
def test_two_thousand_lost_at_once_come_back_at_the_rate_and_miss_nothing() -> None:
    async def story(world: World) -> None:
        (gate,) = world.gates
        fans = [Fan([gate.port]) for _ in range(CROWD)]
        said = [world.offset]
        for fan in fans:
            fan.come()
        await until(lambda: all(fan.snapshots for fan in fans), 20)
        first = sum(fan.turned_away for fan in fans)
        async with talking(world, said, 0.2):
            for fan in fans:
                fan.transport.abort()
            await until(lambda: gate.push.connections == 0)
            for fan in fans:
                fan.come()
            await until(lambda: all(fan.resumes == 1 for fan in fans), 20)
        said.append(world.price("F", 3_000))
        await until(lambda: all(fan.offset == said[-1] for fan in fans))
        audit(fans, said)
        assert sum(fan.turned_away for fan in fans) > first, "not all at once"
        assert {wait for fan in fans for wait in fan.waits_ms} <= {1_000 * wait for wait in range(1, 8)}
        for fan in fans:
            await fan.leave()
        await until(lambda: not gate.entrance._held)

    tell(story, connections_per_address_max=MANY, admissions_per_second_max=500)


def test_a_gate_drains_under_load_and_the_next_one_goes_on_without_a_gap() -> None:
    async def story(world: World) -> None:
        old, new = world.gates
        fans = [Fan([old.port, new.port]) for _ in range(300)]
        said = [world.offset]
        for fan in fans:
            fan.come()
        await until(lambda: all(fan.snapshots for fan in fans))
        async with talking(world, said, 0.01):
            drained = asyncio.Event()
            old.push.drain(drained.set)
            left = []
            while not drained.is_set():
                left.append(old.push.connections)
                await asyncio.sleep(0.05)
            await until(lambda: all(fan.resumes == 1 for fan in fans))
        said.append(world.price("F", 3_000))
        await until(lambda: all(fan.offset == said[-1] for fan in fans))
        audit(fans, said)
        assert {code for fan in fans for code in fan.codes} == {CLOSE_DRAINING}
        steps = [before - after for before, after in itertools.pairwise([*left, 0])]
        assert max(steps) <= 150, f"spread over the window, not all in one moment: {left}"
        assert (old.push.connections, new.push.connections) == (0, 300)
        answer = await old.exchange(HANDSHAKE)
        assert answer.startswith(b"HTTP/1.1 503")
        assert b'"reason":"draining"' in answer
        assert b"Retry-After: " in answer
        for fan in fans:
            await fan.leave()

    tell(story, gates=2, drain_ms=1_000, drain_return_ms=200, connections_per_address_max=MANY)


@pytest.mark.slow
def test_a_slow_reader_beside_a_thousand_quick_ones_costs_them_nothing() -> None:
    async def story(world: World) -> None:
        (gate,) = world.gates
        fans = [Fan([gate.port]) for _ in range(1_000)]
        said = [world.offset]
        for fan in fans:
            fan.come()
        await until(lambda: all(fan.snapshots for fan in fans))
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            deaf.connect(("127.0.0.1", gate.port))
            deaf.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(deaf, HANDSHAKE)
            await until(lambda: gate.push.connections == 1_001)
            text = b'{"op":"subscribe","channel":"fixture:F"}'
            await loop.sock_sendall(deaf, b"\x81" + bytes([0x80 | len(text)]) + bytes(4) + text)
            slow = list(gate.push._sessions.values())[-1]
            await until(lambda: len(slow.channels) == 1)
            many = [market("F", RESULT, 2_000), *(market(f"F{i}", GOALS, 2_000) for i in range(30))]
            most = rounds = 0
            while gate.push.connections == 1_001:
                said.append(world.change("F", *many))
                await until(lambda: all(fan.offset == said[-1] for fan in fans))
                most, rounds = max(most, slow.connection.buffered()), rounds + 1
            assert 8_000 < most < 8_000 + 2 * 10_000
            assert rounds >= 3
        audit(fans, said)
        assert not any(fan.codes or fan.losses for fan in fans)
        for fan in fans:
            await fan.leave()

    tell(
        story,
        buffer_bytes_max=8_000,
        slow_ms_max=500,
        heartbeat_ms=200,
        idle_ms_max=600_000,
        connections_per_address_max=MANY,
    )
