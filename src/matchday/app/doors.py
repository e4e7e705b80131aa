"""The doors: the one port of a gate, for requests, streams and WebSockets."""

import asyncio
import contextlib
import errno
import logging
import resource
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
import uvicorn

from matchday.app.errors import StartError
from matchday.app.rooms import GateRooms
from matchday.config import Doors, Settings
from matchday.edge.fast_http import make_fast_http
from matchday.edge.guard import make_guard
from matchday.edge.http import make_app
from matchday.edge.stream import PATH as STREAM_PATH
from matchday.edge.stream import Streams
from matchday.edge.visitors import networks
from matchday.edge.websocket import make_protocol

_log = logging.getLogger(__name__)

WEB: Final = Path(__file__).parents[1] / "web"
STREAM_RETRY_MS: Final = (500, 5_000)
"""Milliseconds between which is drawn when a lost stream is to come back: browsers have no jitter of their own."""
_BACKLOG: Final = 2_048
"""Connections that the operating system keeps until they are accepted."""
FILES_OF_OURS: Final = 256
"""Open files that are no connections: stores, pages, what is refused."""


@contextlib.contextmanager
def listen(host: str, port: int) -> Iterator[socket.socket]:
    """The listening socket, before anything else is touched."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        yield listener
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise StartError(
                f"port {port} is in use; stop what runs there or choose another: make up ARGS='--port 8001'"
            ) from error
        if error.errno == errno.EACCES:
            raise StartError(f"port {port} may not be bound by this user; choose one above 1023 with --port") from error
        if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
            raise StartError(f"setting doors.host: {host} is no address of this machine") from error
        raise
    finally:
        listener.close()


def make_server(rooms: GateRooms, settings: Settings) -> uvicorn.Server:
    """The server of a gate's rooms."""
    web = make_app(
        bets=rooms.bets, placing=rooms.placing, cash_outs=rooms.cash_outs, accounts=rooms.accounts,
        trading=rooms.trading, ledger=rooms.ledger, books=rooms.gate.books, lobby=rooms.lobby,
        pressure=rooms.pressure, clock=rooms.clock, settings=settings, web=WEB, draining=lambda: rooms.push.draining,
        cache=rooms.cache,
    )  # fmt: skip
    http, ws = _protocols(rooms, settings)
    server = uvicorn.Server(uvicorn.Config(
        web, loop="none", http=http, ws=ws, lifespan="off", log_config=None, access_log=False, server_header=False,
        proxy_headers=False, timeout_graceful_shutdown=5,
    ))  # fmt: skip
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    return server


def _protocols(rooms: GateRooms, settings: Settings) -> tuple[type[asyncio.Protocol], type[asyncio.Protocol]]:
    """For requests and streams, and for WebSockets."""
    doors, push, accounts = _within_files(settings.doors), settings.push, rooms.accounts
    entrance = rooms.entrance
    chance = rooms.clock.random("streams")
    streams = Streams(
        rooms.push, push, entrance, origins=doors.origins, verify=accounts.verify,
        verify_ticket=accounts.verify_ticket, retry_ms=lambda: chance.randint(*STREAM_RETRY_MS),
    )  # fmt: skip
    guard = make_guard(doors, dead_ms=push.idle_ms_max, stream_path=STREAM_PATH, open_stream=streams.opener)
    http = make_fast_http(rooms.placing, accounts, guard)
    trusted = networks(doors.trusted_proxies)
    return http, make_protocol(rooms.push, push, doors.origins, entrance=entrance, trusted=trusted)


def _within_files(doors: Doors) -> Doors:
    """As many connections as the operating system lets this process have: beyond it, it could take no more of them,
    and not refuse them either."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # a system whose limit may not be raised that far
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    room = files - FILES_OF_OURS
    if files == resource.RLIM_INFINITY or doors.connections_max <= room:
        return doors
    _log.info(
        "at most %d connections: for more, raise the limit of open files (ulimit -n), now %d", max(1, room), files
    )
    return msgspec.structs.replace(doors, connections_max=max(1, room))


async def until_stopped(server: uvicorn.Server, listener: socket.socket, stop: asyncio.Event) -> None:
    """Serve; when told to stop, end what is going on within some seconds."""
    listener.listen(_BACKLOG)
    listener.setblocking(False)
    serving = asyncio.create_task(server._serve([listener]))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    await serving
    stopping.cancel()
