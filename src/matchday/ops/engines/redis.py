"""Redis, or Valkey, on loopback addresses: one server, or a master with a replica and the Sentinels that watch them."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from matchday.ops.engines import OneServer, Server, program

NAME: Final = "matchday"
"""Of the master, as the Sentinels call it."""
DOWN_MS: Final = 1_000
"""Milliseconds of silence after which a Sentinel takes the master for gone; two of three have to. Less: sooner, and for
nothing on a machine that is busy, which costs what the cache holds."""
FAILOVER_MS: Final = 3_000
"""Milliseconds that a fail-over may take; then another is tried, after twice as long."""
_SERVER: Final = """\
bind {address}
bind-source-addr {address}
port {port}
dir {folder}
save ""
appendonly no
protected-mode no
set-proc-title no
replica-announce-ip {address}
replica-announce-port {port}
repl-diskless-sync yes
repl-diskless-sync-delay 0
repl-timeout 5
"""
_SENTINEL: Final = """\
bind {address}
port {port}
dir {folder}
protected-mode no
set-proc-title no
sentinel announce-ip {address}
sentinel announce-port {port}
sentinel monitor {name} {master} {master_port} 2
sentinel down-after-milliseconds {name} {down_ms}
sentinel failover-timeout {name} {failover_ms}
sentinel parallel-syncs {name} 1
"""


class Redis(OneServer):
    """One server."""

    def __init__(self, folder: Path) -> None:
        super().__init__("redis", folder)

    @property
    def url(self) -> str:
        """Its address."""
        return f"redis://127.0.0.1:{self.port}/0"

    def command(self) -> Sequence[str]:
        """See ``OneServer.command``."""
        words = {"port": self.port, "bind": "127.0.0.1", "dir": self._folder, "save": "", "set-proc-title": "no"}
        return [_program(), *(str(part) for word, value in words.items() for part in (f"--{word}", value))]


class WatchedRedis:
    """A master, a replica, and three Sentinels that make the one of the other."""

    def __init__(
        self, folder: Path, addresses: Sequence[str], port: int, sentinels: Sequence[str], sentinel_port: int
    ) -> None:
        self._folder, self._addresses, self._port = folder, addresses, port
        self._sentinels, self._sentinel_port = sentinels, sentinel_port

    @property
    def url(self) -> str:
        """Where the master is asked for."""
        return f"redis+sentinel://{','.join(f'{one}:{self._sentinel_port}' for one in self._sentinels)}/{NAME}/0"

    def servers(self) -> list[Server]:
        """All of them, with their files written: these keep their own account of who is the master, so that one which
        comes back is none."""
        return [
            *(self._server(number) for number in range(len(self._addresses))),
            *(self._sentinel(number) for number in range(len(self._sentinels))),
        ]

    def _server(self, number: int) -> Server:
        address, folder = self._addresses[number], self._folder / f"redis-{number}"
        text = _SERVER.format(address=address, port=self._port, folder=folder)
        if number:
            text += f"replicaof {self._addresses[0]} {self._port}\n"
        command = [_program(), str(_written(folder, "redis.conf", text))]
        return Server(
            name=f"redis-{number}", kind="redis", role="replica" if number else "master", address=address,
            port=self._port, command=command, data=folder, log=self._folder / f"redis-{number}.log",
        )  # fmt: skip

    def _sentinel(self, number: int) -> Server:
        address, folder = self._sentinels[number], self._folder / f"sentinel-{number}"
        text = _SENTINEL.format(
            address=address, port=self._sentinel_port, folder=folder, name=NAME, master=self._addresses[0],
            master_port=self._port, down_ms=DOWN_MS, failover_ms=FAILOVER_MS,
        )  # fmt: skip
        command = [_program(), str(_written(folder, "sentinel.conf", text)), "--sentinel"]
        return Server(
            name=f"sentinel-{number}", kind="sentinel", role="sentinel", address=address, port=self._sentinel_port,
            command=command, data=folder, log=self._folder / f"sentinel-{number}.log",
        )  # fmt: skip


def _written(folder: Path, name: str, text: str) -> Path:
    """A server's file, written once: later on it is the server's own."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    if not path.exists():
        path.write_text(text)
    return path


def _program() -> str:
    return shutil.which("valkey-server") or program("redis-server", "redis-server")
