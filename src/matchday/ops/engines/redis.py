"""Redis, or Valkey, on the loopback address."""

import shutil
from pathlib import Path
from types import TracebackType
from typing import Self

from matchday.ops.engines import Engine, free_ports, program


class Redis:
    """One server, in memory only: whatever is in it can be made anew. Use it as a context, or start and stop it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port = free_ports(1)[0]
        self._engine: Engine | None = None

    @property
    def url(self) -> str:
        """Its address."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def log(self) -> Path:
        """Where it writes what it does."""
        return self._folder / "redis.log"

    def process(self) -> int:
        """The id of its process."""
        assert self._engine is not None
        return self._engine.pid

    def start(self) -> None:
        """Returns when it takes connections. EngineError says why it does not."""
        server = shutil.which("valkey-server") or program("redis-server", "redis-server")
        self._folder.mkdir(parents=True, exist_ok=True)
        command = [server, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder), "--save", ""]
        self._engine = Engine("redis", command, self.log, self.port)
        self._engine.wait_until_ready()

    def stop(self) -> None:
        """End it; harmless where it is not running."""
        if self._engine is not None:
            self._engine.stop()
            self._engine = None

    def kill(self) -> None:
        """End it as a power cut would. ``start`` brings it back on the same port, empty."""
        assert self._engine is not None
        self._engine.kill()
        self._engine = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self.stop()
