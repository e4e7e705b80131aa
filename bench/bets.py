"""Bets from bytes to answer: durable ones over both doors of one gate, beside an echo and a bare batch of their rows.

The serving process is the gate's own rooms, doors and ledger on a file, with all checks and guards; a second process
on the other core keeps a number of connections busy, one bet under way on each. Figures: CPU per bet of the serving
process (all threads, kernel included), bets a second, p99 of the time a bet takes, and p99 of how late a timer of 5 ms
is on the loop. References of the same round: the same bytes to and fro through the same class with nothing behind it,
and the statements that write the same rows, without rules or reads, in batches of the size that was seen.
"""

import argparse
import asyncio
import contextlib
import gc
import json
import multiprocessing
import os
import random
import select
import shutil
import socket
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any, Final

import uvicorn
import uvloop

from matchday.backends.clock_wall import WallClock, uuid7
from matchday.backends.ledger_sqlite import SqliteLedger, SqliteLedgerCore
from matchday.config import Accounts as AccountSettings
from matchday.config import Bets as BetSettings
from matchday.config import Doors, Settings
from matchday.config import Push as PushSettings
from matchday.edge.fast_http import _FastHttp, make_fast_http
from matchday.edge.frames import deflated, frame_binary, frame_text
from matchday.edge.guard import make_guard
from matchday.edge.placing import Placing
from matchday.edge.pressure import Pressure
from matchday.edge.websocket import make_protocol
from matchday.model.book import Books
from matchday.model.ledger import Command, OpenAccount, PlaceBet, Transfer
from matchday.model.market import Market, MarketKey, MarketStatus, Selection
from matchday.model.messages import Board, BookChanged, FixtureStatus
from matchday.services.accounts import Accounts
from matchday.services.bets import Bets
from matchday.services.push import Framing, Push

FIXTURES: Final = 40
KEY: Final = MarketKey("1x2")
OUTCOMES: Final = ("home", "draw", "away")
MOST: Final = 10**15
LAG_S: Final = 0.005
SETTINGS: Final = Settings(
    bets=BetSettings(
        delay_ms=0, exposure_account_max=MOST, exposure_market_max=MOST, exposure_selection_max=MOST,
        exposure_fixture_max=MOST,
    ),
    push=PushSettings(messages_per_second_max=MOST // 10**6), accounts=AccountSettings(stake_per_day=MOST),
    doors=Doors(requests_per_second_max=MOST // 10**6),
)  # fmt: skip


def percentile(values: list[float], part: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * part))] if values else 0.0


# --- the client, a process of its own ---------------------------------------------------------------------------------


def wires(door: str, token: str, seed: int, count: int, *, spread: bool) -> list[bytes]:
    """What one connection sends, one bet after the other."""
    chance, made = random.Random(seed), []
    for _ in range(count):
        fixture = f"F{chance.randrange(FIXTURES) if spread else 0}"
        bet = {
            "id": uuid7((time.time_ns() // 1_000_000 << 74) | chance.getrandbits(74)), "stake": "1.00",
            "currency": "EUR", "policy": "better",
            "legs": [{"selection": f"{fixture}:1x2/{chance.choice(OUTCOMES)}", "price": "2.50", "generation": 1}],
        }  # fmt: skip
        if door == "ws":
            raw = json.dumps({"op": "place", **bet}, separators=(",", ":")).encode()
            made.append(b"\x81\xfe" + len(raw).to_bytes(2, "big") + bytes(4) + raw)
        else:
            raw = json.dumps(bet, separators=(",", ":")).encode()
            head = f"POST /api/bets HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(raw)}"
            made.append(f"{head}\r\nAuthorization: Bearer {token}\r\n\r\n".encode() + raw)
    return made


def connect(door: str, port: int, token: str) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if door == "ws":
        sock.sendall(
            b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        sock.recv(4096)
        raw = json.dumps({"op": "auth", "token": token}).encode()
        sock.sendall(b"\x81\xfe" + len(raw).to_bytes(2, "big") + bytes(4) + raw)
        time.sleep(0.001)
        with contextlib.suppress(BlockingIOError):
            sock.recv(65_536)
    sock.setblocking(False)
    return sock


def client(door: str, port: int, tokens: list[str], each: int, spread: bool, pipe: Pipe) -> None:
    """Keep every connection busy until each has placed its bets; (seconds, milliseconds each took, refused)."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    mark, bad = (b'"t":"placed"', b'"problem"') if door == "ws" else (b"HTTP/1.1 ", b"HTTP/1.1 4")
    lines: dict[int, list[Any]] = {}
    poll = select.epoll()
    for number, token in enumerate(tokens):
        sock = connect(door, port, token)
        poll.register(sock.fileno(), select.EPOLLIN)
        lines[sock.fileno()] = [sock, wires(door, token, number, each, spread=spread), 0, 0.0]
    pipe.send("ready")
    pipe.recv()
    gc.disable()
    for line in lines.values():
        with contextlib.suppress(BlockingIOError):
            line[0].recv(65_536)
    began, took, refused, left = time.perf_counter(), [], 0, len(lines)
    for line in lines.values():
        line[3] = time.perf_counter()
        line[0].send(line[1][0])
    while left:
        for number, _ in poll.poll(10):
            line = lines[number]
            data = line[0].recv(65_536)
            assert data, "the server hung up"
            if mark not in data:
                continue
            refused += bad in data
            now = time.perf_counter()
            took.append((now - line[3]) * 1e3)
            line[2] += 1
            if line[2] < each:
                line[3] = now
                line[0].send(line[1][line[2]])
            else:
                left -= 1
    pipe.send((time.perf_counter() - began, took, refused))


# --- the gate ---------------------------------------------------------------------------------------------------------


def no_stream(*_: object) -> asyncio.Protocol:
    """Nobody asks for a stream here."""
    raise AssertionError


class Canned(_FastHttp):
    """The same class with nothing behind it: every bet is answered with the same bytes."""

    response = b""

    def _place(self, _head: object, _body: bytes) -> None:
        self._asked = 0
        self.transport.write(self.response)


class Echo:
    """A room behind the WebSocket door that answers whatever is said with the same bytes."""

    full = False
    frame = b""

    def opened(self, connection: Any) -> None: ...

    def received(self, connection: Any, _payload: bytes) -> None:
        connection.send(self.frame)

    def heard(self, connection: Any) -> None: ...

    def drained(self, connection: Any) -> None: ...

    def closed(self, connection: Any) -> None: ...


async def nothing_else(_scope: object, _receive: object, _send: object) -> None:
    """There are no other routes here."""


class Recorded(SqliteLedgerCore):
    """A ledger that keeps what it was told."""

    told: list[list[Command]] | None = None

    def commit_joined(self, commands: Any, read: Any, join: Callable[[], Any]) -> Any:
        """See ``SqliteLedgerCore.commit_joined``."""
        if self.told is not None:
            self.told.append(list(commands))
        return super().commit_joined(commands, read, join)


class Gate:
    """The rooms and doors of one gate over a ledger on a file."""

    def __init__(self, folder: Path, accounts: int) -> None:
        loop = asyncio.get_running_loop()
        self.clock = WallClock(loop)
        self.core = Recorded(folder / "ledger.sqlite")
        open_accounts(self.core, accounts)
        self.ledger = SqliteLedger(self.core, self.clock, loop.call_soon_threadsafe, SETTINGS.storage, self._fatal)
        books = Books()
        for number in range(FIXTURES):
            books.apply(change(f"F{number}", number + 1), number + 1)
        self.room = Bets(self.clock, self.ledger, books, SETTINGS.bets, lambda _book, _parts: "combination_unpriced")
        self.accounts = Accounts(self.clock, self.ledger, SETTINGS, b"a secret of thirty-two bytes ...")
        self.placing = Placing(
            self.clock, self.room, books, SETTINGS, Pressure(self.clock, SETTINGS.overload), lambda _: None
        )
        self.push = Push(
            self.clock, books, "e", SETTINGS.push, ledger=self.ledger, verify=self.accounts.verify,
            framing=Framing(frame_text, frame_binary, deflated),
            stale=lambda: False, bets=self.placing,
        )  # fmt: skip
        guard = make_guard(SETTINGS.doors, dead_ms=60_000, stream_path=b"/stream", open_stream=no_stream)
        self.http = make_fast_http(self.placing, self.accounts, guard)
        self._alive()

    def _alive(self) -> None:
        self.room.odds_alive(1, self.clock.now_ms())
        self.clock.call_later(1_000, self._alive)

    @staticmethod
    def _fatal(error: BaseException) -> None:
        raise error


def change(fixture: str, n: int) -> BookChanged:
    none = (0, 0)
    board = Board(
        fixture, "Cup", "Home", "Away", 0, FixtureStatus.SCHEDULED, "", 0, 0, 1.0, none, None, None, none, none
    )
    selections = tuple(Selection(outcome, 2_500) for outcome in OUTCOMES)
    market = Market(KEY.of(fixture), KEY.type, None, MarketStatus.OPEN, 1, selections)
    return BookChanged(fixture, 1, n, "tick", 0, board, (market,))


def open_accounts(core: SqliteLedgerCore, count: int) -> None:
    for start in range(0, count, 256):
        core.commit([
            command for number in range(start, min(count, start + 256)) for command in (
                OpenAccount(f"o{number}", f"fan{number}", "EUR", 0, MOST),
                Transfer(f"g{number}", f"fan{number}", 10**9, "EUR", "grant", 0),
            )
        ])  # fmt: skip


@contextlib.asynccontextmanager
async def served(http: Any, ws: Any) -> Any:
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as listener:
        server = uvicorn.Server(uvicorn.Config(
            nothing_else, http=http, ws=ws, lifespan="off", log_config=None, access_log=False, timeout_keep_alive=60,
        ))  # fmt: skip
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        running = asyncio.create_task(server._serve([listener]))
        yield listener.getsockname()[1]
        server.should_exit = server.force_exit = True
        await running


async def measured(door: str, port: int, tokens: list[str], each: int, *, spread: bool) -> dict[str, float]:
    """One run of the client against a port."""
    pipe, theirs = multiprocessing.Pipe()
    loop = asyncio.get_running_loop()
    other = multiprocessing.get_context("spawn").Process(
        target=client, args=(door, port, tokens, each, spread, theirs), daemon=True
    )
    other.start()
    await loop.run_in_executor(None, pipe.recv)
    lags: list[float] = []

    def tick(due: float) -> None:
        lags.append((loop.time() - due) * 1e3)
        following = loop.time() + LAG_S
        timers[0] = loop.call_at(following, tick, following)

    timers = [loop.call_later(0, tick, loop.time())]
    cpu = time.process_time()
    pipe.send("go")
    seconds, took, refused = await loop.run_in_executor(None, pipe.recv)
    cpu = time.process_time() - cpu
    timers[0].cancel()
    other.join()
    assert not refused, f"{refused} bets were refused"
    total = len(tokens) * each
    return {
        "cpu_us": cpu / total * 1e6, "rate": total / seconds, "p50_ms": statistics.median(took),
        "p99_ms": percentile(took, 0.99), "lag_ms": percentile(lags, 0.99),
    }  # fmt: skip


class Recording:
    """A connection that keeps what is executed."""

    def __init__(self, database: Any) -> None:
        self._database, self.said = database, list[tuple[str, list[Any]]]()

    def execute(self, sql: str, values: Any = ()) -> Any:
        self.said.append((sql, list(values)))
        return self._database.execute(sql, values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)


def bare(folder: Path, accounts: int, batches: list[list[Command]]) -> float:
    """CPU microseconds a bet of the statements that write the rows of those batches."""
    with contextlib.closing(SqliteLedgerCore(folder / "a.sqlite")) as core:
        open_accounts(core, accounts)
        core._rows._db = recording = Recording(core._database.writer)  # type: ignore[assignment]
        said = []
        for batch in batches:
            recording.said = []
            core.commit(batch)
            said.append([one for one in recording.said if one[0].startswith("INSERT")])
    with contextlib.closing(SqliteLedgerCore(folder / "b.sqlite")) as core:
        open_accounts(core, accounts)
        database = core._database.writer
        cpu = time.process_time()
        for statements in said:
            with core._database.transaction():
                for sql, values in statements:
                    database.execute(sql, values)
        return (time.process_time() - cpu) / sum(map(len, batches)) * 1e6


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    found = Path(tempfile.mkdtemp(prefix="matchday-bets-"))
    yield found
    shutil.rmtree(found)


async def round_of(door: str, connections: int, each: int, *, spread: bool, profile: str = "") -> dict[str, float]:
    """One round: the gate, the echo, and the rows."""
    with folder() as path:
        gate = Gate(path, connections)
        tokens = [gate.accounts.sign(f"fan{number}")[0] for number in range(connections)]
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 50, 100)
        gate.core.told = []
        profiler = None
        if profile:
            import cProfile

            profiler = cProfile.Profile()
        async with served(gate.http, make_protocol(gate.push, SETTINGS.push)) as port:
            if profiler is not None:
                profiler.enable()
            found = await measured(door, port, tokens, each, spread=spread)
            if profiler is not None:
                profiler.disable()
                profiler.dump_stats(profile)
        batches = [[c for c in batch if isinstance(c, PlaceBet)] for batch in gate.core.told]
        gate.ledger.close()
        gate.core.close()
        found["batch"] = statistics.mean(map(len, batches))
        found["bare_us"] = bare(path, connections, [[*batch] for batch in batches if batch])
    frame, response = answers()
    echo, canned = Echo(), type("CannedHttp", (Canned,), {"response": response})
    echo.frame = frame
    canned._placing, canned._accounts, canned._settings = gate.placing, gate.accounts, SETTINGS.doors  # type: ignore[attr-defined]
    async with served(canned, make_protocol(echo, SETTINGS.push)) as port:
        found["echo_us"] = (await measured(door, port, tokens, each, spread=spread))["cpu_us"]
    found["ratio"] = found["cpu_us"] / (found["echo_us"] + found["bare_us"])
    return found


def answers() -> tuple[bytes, bytes]:
    """A frame and a response as long as those of a bet."""
    body = b'{"t":"placed"' + b" " * 590 + b"}"
    return frame_text(body), b"HTTP/1.1 201 Created\r\ncontent-length: %d\r\n%b\r\n%b" % (
        len(body), b"x: " + b"y" * 330 + b"\r\n", body,
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--doors", default="ws,http")
    parser.add_argument("--connections", default="64,512")
    parser.add_argument("--bets", type=int, default=12_000, help="of one run")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--profile", default="", help="write a profile of the loop's thread here")
    options = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    for door in options.doors.split(","):
        for connections in map(int, options.connections.split(",")):
            for spread in (True, False):
                rounds = []
                for _ in range(options.rounds):
                    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                        each = max(1, options.bets // connections)
                        rounds.append(runner.run(round_of(
                            door, connections, each, spread=spread, profile=options.profile,
                        )))  # fmt: skip
                medians = {name: round(statistics.median(one[name] for one in rounds), 2) for name in rounds[0]}
                where = "spread" if spread else "one market"
                print(f"{door:4} {connections:4} {where:10}", json.dumps(medians), flush=True)


if __name__ == "__main__":
    main()
