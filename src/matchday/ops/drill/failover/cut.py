"""A cut of the network between what stands for one machine and all others, by the kernel's packet filter; and a client
that is on the machine's side of it.

Packets to and from an address are dropped where they arrive, but for those of one other address. Nothing is told to
whoever sends: there is silence, as behind a switch that died.
"""

import asyncio
import contextlib
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from matchday.backends.errors import client_of
from matchday.ops.drill import DrillError
from matchday.ops.drill.failover.faults import NotHere
from matchday.ops.engines.postgres import DATABASE, USER

if TYPE_CHECKING:
    import psycopg

_TABLE: Final = "matchday_drill"
_DROPPED: Final = re.compile(r"counter packets (\d+)")
_PROBE_S: Final = 1.0
_PAUSE_S: Final = 0.05
_FIRST_S_MAX: Final = 10.0
_COMMIT: Final = "SELECT pg_logical_emit_message(true, 'matchday drill', '')"
"""A commit that changes no row, and is confirmed as any other is."""


class Cut:
    """Between an address, with what it uses, and all others but one."""

    def __init__(self, address: str, uses: Sequence[str], but: str) -> None:
        """``uses``: ``host:port`` to which nobody else goes; ``but``: who is on its side."""
        self._address, self._uses, self._but = address, uses, but
        self._nft = ""

    def begin(self) -> None:
        """Cut. NotHere where the kernel does not let us."""
        nft = shutil.which("nft")
        if nft is None:
            raise NotHere("the network cannot be cut: nft is not installed (on Debian: apt-get install nftables)")
        self._nft = nft
        try:
            self._say(self.rules(), "-f", "-")
        except DrillError as error:
            raise NotHere(f"the network cannot be cut here: {error}") from error

    def rules(self) -> str:
        """For nft."""
        lines = [f"ip saddr {one} ip daddr {other} accept"
                 for one, other in ((self._but, self._address), (self._address, self._but))]  # fmt: skip
        lines += [f"ip {side} {self._address} counter drop" for side in ("saddr", "daddr")]
        for use in self._uses:
            host, _, port = use.rpartition(":")
            lines += [f"ip {side}addr {host} tcp {side}port {port} counter drop" for side in "ds"]
        chain = "".join(f"    {line}\n" for line in lines)
        return f"table inet {_TABLE} {{\n  chain arriving {{\n    type filter hook input priority 0;\n{chain}  }}\n}}\n"

    def prove(self) -> str:
        """That packets are dropped. DrillError where none is."""
        threading.Event().wait(_PROBE_S)
        dropped = sum(map(int, _DROPPED.findall(self._say("", "list", "table", "inet", _TABLE))))
        if not dropped:
            raise DrillError(f"{self._address} was cut off, and no packet was dropped")
        return f"{self._address} cut off: {dropped} packets dropped in the first second"

    def end(self) -> None:
        """There is no cut any more; harmless where there is none."""
        with contextlib.suppress(DrillError):
            self._say("", "delete", "table", "inet", _TABLE)

    def _say(self, text: str, *words: str) -> str:
        done = subprocess.run(  # noqa: S603 - ours
            [self._nft, *words], input=text, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise DrillError(f"nft {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout


class Commit(msgspec.Struct, frozen=True):
    """One of an isolated client's that the server confirmed."""

    began_s: float
    ended_s: float
    warned: bool
    """Whether the server said that no standby has it."""


class Isolated:
    """A client on a machine's side: it comes to it from an address of its own, and commits again and again. What it
    begins after the cut is not to be confirmed: its server may not be the primary any more."""

    def __init__(self, address: str, port: int, side: str, now_s: Callable[[], float]) -> None:
        self._address, self._port, self._side, self._now_s = address, port, side, now_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="isolated client", daemon=True)
        self._writers: set[asyncio.StreamWriter] = set()
        self._confirmed: list[Commit] = []
        self._door = 0

    async def begin(self) -> None:
        """Commit from now on; returns once a commit was confirmed. DrillError where none is."""
        self._server = await asyncio.start_server(self._forward, "127.0.0.1", 0)
        self._door = self._server.sockets[0].getsockname()[1]
        self._thread.start()
        until_s = self._now_s() + _FIRST_S_MAX
        while not self._confirmed:
            if self._now_s() > until_s:
                await self.end()
                raise DrillError(f"no commit is confirmed on {self._address} before it is cut off")
            await asyncio.sleep(_PAUSE_S)

    async def end(self) -> None:
        """Go."""
        self._over.set()
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.to_thread(self._thread.join)

    def judge(self, cut_s: float, healed_s: float) -> str:
        """What became of it. DrillError where a commit was confirmed that must not be."""
        after = [one for one in self._confirmed if one.began_s > cut_s and one.ended_s < healed_s]
        if wrong := [one for one in after if not one.warned]:
            raise DrillError(
                f"split brain: {len(wrong)} commits on {self._address} were confirmed after it was cut off, the first "
                f"after {wrong[0].ended_s - cut_s:.1f} s"
            )
        return f"a client on its side had {len(self._confirmed) - len(after)} commits confirmed before, none after"

    def _run(self) -> None:
        with client_of("PostgreSQL"):
            import psycopg
        while not self._over.wait(_PAUSE_S):
            with (
                contextlib.suppress(psycopg.Error),
                psycopg.connect(
                    f"host=127.0.0.1 port={self._door} user={USER} dbname={DATABASE} connect_timeout=2", autocommit=True
                ) as db,
            ):
                self._commit(db)

    def _commit(self, db: "psycopg.Connection[Any]") -> None:
        """Until the connection is lost."""
        warnings: list[object] = []
        db.add_notice_handler(warnings.append)
        while not self._over.wait(_PAUSE_S):
            warnings.clear()
            began_s = self._now_s()
            db.execute(_COMMIT)
            self._confirmed.append(Commit(began_s, self._now_s(), bool(warnings)))

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """What libpq cannot do: come from an address."""
        self._writers.add(writer)
        try:
            there = await asyncio.open_connection(self._address, self._port, local_addr=(self._side, 0))
        except OSError:
            writer.transport.abort()
            return
        self._writers.add(there[1])
        await asyncio.gather(_copy(reader, there[1]), _copy(there[0], writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()
