"""Redis, or Valkey, on the loopback address."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from matchday.ops.engines import OneServer, program


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
        server = shutil.which("valkey-server") or program("redis-server", "redis-server")
        return [server, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder), "--save", ""]
