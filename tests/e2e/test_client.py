"""The client against the real command: it is restarted under it, and it goes on where it was."""

import asyncio
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from matchday.client import Client, Pauses
from tests.real import Server, free_port, poll, serving

QUICK = Pauses(first_s=0.05, longest_s=0.2, later_s=0.1, budget=1_000)


async def until(done: Callable[[], Any]) -> None:
    async with asyncio.timeout(20):
        while not done():  # noqa: ASYNC110 - what is waited for says nothing when it happens
            await asyncio.sleep(0.005)


class Running:
    """A client that runs until the block ends."""

    def __init__(self, port: int, **options: Any) -> None:
        self.kinds: list[tuple[str, str]] = []
        self.client = Client(f"ws://127.0.0.1:{port}/ws", random.Random(1), self._heard, pauses=QUICK, **options)

    def _heard(self, frame: dict[str, Any]) -> None:
        self.kinds.append((frame["t"], frame.get("channel", "")))

    async def __aenter__(self) -> "Running":
        self._task = asyncio.create_task(self.client.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


async def same(one: Client, other: Client, channel: str) -> None:
    """Wait until both have heard up to one offset, and compare."""
    mine, theirs = one.held[channel], other.held[channel]
    await until(lambda: theirs.whole and mine.offset == theirs.offset)
    assert (mine.board, mine.markets) == (theirs.board, theirs.markets)
    # What was over before a restart the new gate does not know: it cannot say that it was taken off.
    assert {fixture: mine.rows.get(fixture) for fixture in theirs.rows} == theirs.rows


def live(server: Server) -> str:
    """The fixture that was kicked off last."""

    def found() -> str | None:
        boards = [row["board"] for row in server.ask("GET", "/api/fixtures")[1]["fixtures"]]
        played = [(board["kickoff_ms"], board["fixture"]) for board in boards if board["status"] == "live"]
        return max(played)[1] if played else None

    return str(poll(found))


def test_a_client_goes_on_over_a_restart_and_holds_what_a_newcomer_gets(tmp_path: Path) -> None:
    port = free_port()

    async def story() -> None:
        with serving(tmp_path / "data", "--speed", "20", port=port) as first:
            async with Running(port, binary=True) as running:
                client, fixture = running.client, f"fixture:{await asyncio.to_thread(live, first)}"
                client.follow("home")
                client.follow(fixture)
                await until(lambda: {("delta", "home"), ("delta", fixture)} <= set(running.kinds))
                await asyncio.to_thread(first.stop)
                with serving(tmp_path / "data", "--speed", "20", port=port):
                    await until(lambda: ("resumed", fixture) in running.kinds)
                    at = client.held[fixture].offset
                    await until(lambda: client.held[fixture].offset > at)
                    async with Running(port) as newcomer:
                        newcomer.client.follow("home")
                        newcomer.client.follow(fixture)
                        for channel in ("home", fixture):
                            await same(client, newcomer.client, channel)

    asyncio.run(story())


def test_one_that_wants_to_hear_less_often_ends_with_the_same(tmp_path: Path) -> None:
    async def story() -> None:
        with serving(tmp_path / "data", "--speed", "60") as server:
            async with Running(server.port) as all_of_it, Running(server.port, compressed=False) as less:
                fixture = f"fixture:{await asyncio.to_thread(live, server)}"
                all_of_it.client.follow(fixture)
                less.client.follow(fixture, max_rate_hz=1)
                delta = ("delta", fixture)
                await until(lambda: 2 <= less.kinds.count(delta) < all_of_it.kinds.count(delta))
                await same(less.client, all_of_it.client, fixture)
            assert less.kinds.count(delta) < all_of_it.kinds.count(delta)

    asyncio.run(story())
