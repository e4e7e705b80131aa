"""A real server on a free port, for tests of doors."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable

import uvicorn


@contextlib.asynccontextmanager
async def listening(server: uvicorn.Server, *, send_bytes: int | None = None, backlog: int = 100) -> AsyncIterator[int]:
    """The port, until the block ends. With a small send buffer a slow client shows soon."""
    with socket.socket() as listener:
        if send_bytes is not None:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_bytes)
        listener.bind(("127.0.0.1", 0))
        listener.listen(backlog)
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        running = asyncio.create_task(server._serve([listener]))
        try:
            await soon(lambda: server.started)
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            await running


async def until(done: Callable[[], bool], seconds: float = 10) -> None:
    """Wait for something that happens."""
    async with asyncio.timeout(seconds):
        while not done():  # noqa: ASYNC110 - what is waited for says nothing when it happens
            await asyncio.sleep(0.002)


async def soon(done: Callable[[], bool]) -> None:
    """The same, of what takes next to no time."""
    await until(done, 5)
