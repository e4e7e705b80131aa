"""``bench push``: one change, sixty changes and a goal to thousands of subscribers over real sockets.

The platform's rooms and door run in a process of their own on one core (``push_server``); this process, on the other,
receives: it counts bytes, and notes when the last came. Beside them a bare loop of ``sock.send`` over as many sockets
of the same process sends as many bytes. Rounds take turns.
"""

import multiprocessing
import os
import resource
import select
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from multiprocessing.connection import Connection as Pipe
from typing import Final

import msgspec

from matchday.app import StartError
from matchday.bench.bettors import HANDSHAKE, masked
from matchday.bench.bytes_per_fan import bytes_per_fan
from matchday.bench.figures import Row, Target, compared, plain, unmeasured
from matchday.bench.push_server import CHANGES, FIXTURE, serve
from matchday.bench.run import Run
from matchday.bench.stopwatch import LOAD_CORE, SERVER_CORE, now_s, pinned
from matchday.feeds.wyscout import load as load_matches
from matchday.pricing.calibrate import PRIOR

FANOUT_TARGET: Final = Target(1.15, of_ratio=True)
GOAL_TARGET: Final = Target(1.4, of_ratio=True)
TICK_TARGET: Final = Target(1.4, of_ratio=True)
MEMORY_TARGET: Final = Target(5)
BYTES_TARGET: Final = Target(0.25, of_ratio=True)
QUIET_S: Final = 0.5
"""Seconds without a byte after which a round is over."""
FIRST_S_MAX: Final = 5.0
"""Seconds until the first byte of a round must be there: the disk may be slow now and then."""
ROUND_S_MAX: Final = 30.0
_SUBSCRIBE: Final = masked(b'{"op":"subscribe","channel":"fixture:%b"}' % FIXTURE.encode())
_FILES_BESIDE: Final = 200
BARE: Final = "a bare loop of sock.send of the same bytes over as many sockets"


class Round(msgspec.Struct):
    """What one word to the server came to."""

    bytes: int
    """That each receiver got."""
    cpu_us: float
    """Of the server, per receiver."""
    last_ms: float
    """Until the last receiver had it all."""


class Receivers:
    """So many sockets, of which only bytes are wanted."""

    def __init__(self, port: int, count: int, first: Sequence[bytes]) -> None:
        """``first`` is said by each; of the answer to the first word of it nothing is wanted but that it comes."""
        self.sockets: list[socket.socket] = []
        self._poll = select.epoll()
        for _ in range(count):
            sock = socket.create_connection(("127.0.0.1", port))
            for said in first:
                sock.sendall(said)
                if said is HANDSHAKE and b" 101 " not in (head := sock.recv(4_096)):
                    raise StartError(
                        f"the door turned a subscriber away: {head[:200]!r}; it must admit {count} at once"
                    )
            sock.setblocking(False)
            self._poll.register(sock.fileno(), select.EPOLLIN)
            self.sockets.append(sock)
        self._buffer = bytearray(1 << 18)

    def until_quiet(self, first_s: float = QUIET_S) -> tuple[int, float]:
        """(bytes that came, when the last did), of what begins within so many seconds."""
        got, last, numbers = 0, now_s(), self._poll
        buffers, give_up = [self._buffer], last + ROUND_S_MAX
        while now_s() < give_up and (events := numbers.poll(QUIET_S if got else first_s)):
            for number, _ in events:
                got += os.readv(number, buffers)
            last = now_s()
        return got, last

    def close(self) -> None:
        """All go."""
        self._poll.close()
        for sock in self.sockets:
            sock.close()


class Bench:
    """The server's process and both kinds of receivers."""

    def __init__(self, pipe: Pipe, bare: Receivers, door: Receivers) -> None:
        self._pipe, self.bare, self.door = pipe, bare, door

    def ask(self, word: str, size: int = 0) -> float:
        """What the server answers."""
        self._pipe.send((word, size))
        found: float = self._pipe.recv()
        return found

    def round(self, word: str, size: int, receivers: Receivers) -> Round:
        """One word, and what all receivers get of it."""
        self._pipe.send((word, size))
        got, last = receivers.until_quiet(FIRST_S_MAX)
        began: float = self._pipe.recv()
        count = len(receivers.sockets)
        if not got or got % count:
            raise StartError(f"{count} receivers of a {word} got {got} bytes: not all the same, or something else too")
        return Round(got // count, 1e6 * self.ask("cpu") / count, 1e3 * (last - began))

    def beside_bare(self, run: Run, what: str, word: str, size: int) -> list[tuple[Round, Round]]:
        """Rounds of a word, each beside a round of the bare loop with as many bytes."""
        pairs = []
        bytes_ = self.round(word, size, self.door).bytes  # to warm up, and to see how many they are
        for n in range(_rounds(run)):
            if n % 2:
                bare = self.round("bare", bytes_, self.bare)
                pairs.append((self.round(word, size, self.door), bare))
            else:
                ours = self.round(word, size, self.door)
                pairs.append((ours, self.round("bare", ours.bytes, self.bare)))
            run.progress(f"push: {what}", n + 1, _rounds(run))
        return pairs


def _rounds(run: Run) -> int:
    return run.share(3 * run.rounds, 2)


@contextmanager
def _opened(run: Run, count: int) -> Iterator[tuple[Bench, float]]:
    """All connected and subscribed; and KB of the server's memory per connection."""
    ours, theirs = multiprocessing.Pipe()
    folder = run.folder / "push"
    folder.mkdir()
    with pinned(SERVER_CORE):
        process = multiprocessing.get_context("spawn").Process(
            target=serve, args=(theirs, folder, count, run.profile), daemon=True
        )
        process.start()
    theirs.close()  # so that its end is heard of
    try:
        with ExitStack() as stack:
            bare_port, door_port = ours.recv()
            run.progress("push: connecting", 0, 1)
            bare = stack.enter_context(closing(Receivers(bare_port, count, ())))
            ours.send(("rss", 0))
            before = ours.recv()
            door = stack.enter_context(closing(Receivers(door_port, count, (HANDSHAKE, _SUBSCRIBE))))
            door.until_quiet()
            bench = Bench(ours, bare, door)
            memory = (bench.ask("rss") - before) / 1_024 / count
            run.progress("push: connecting", 1, 1)
            yield bench, memory
    except EOFError as error:
        raise StartError("the serving process of bench push ended; it says why above") from error
    finally:
        ours.close()
        process.join()


def measure(run: Run) -> list[Row]:
    """The rows."""
    count = run.share(5_000, 100)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 2 * count + _FILES_BESIDE
    if hard < needed:
        raise StartError(f"bench push needs {needed} open files, {hard} are allowed: raise `ulimit -Hn`")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
    with pinned(LOAD_CORE), _opened(run, count) as (bench, memory):
        rows = [_goal(run, bench), _fan_out(run, bench), _tick(run, bench)]
    rows.append(plain(
        "push: memory per connection", f"resident, {count} connections of one subscription each, idle", "KB", [memory],
        target=MEMORY_TARGET,
    ))  # fmt: skip
    return [*rows, _bytes_per_fan(run)]


def _goal(run: Run, bench: Bench) -> Row:
    """Before the others: its changes come by the log, whose offsets are lower than theirs."""
    pairs = bench.beside_bare(run, "a goal", "goal", 0)
    size, count = pairs[-1][0].bytes, len(bench.door.sockets)
    return compared(
        "push: a goal", f"incident appended to the log -> suspension and new prices of the whole book ({size} bytes) "
        f"at the last of {count} subscribers; log and its fsyncs included, no hold", "ms",
        [(ours.last_ms, bare.last_ms) for ours, bare in pairs], reference=BARE, target=GOAL_TARGET,
    )  # fmt: skip


def _fan_out(run: Run, bench: Bench) -> Row:
    pairs = bench.beside_bare(run, "fan-out", "change", 1)
    size, count = pairs[-1][0].bytes, len(bench.door.sockets)
    return compared(
        "push: fan-out", f"one change ({size} bytes) to {count} connections: server's CPU per message", "us",
        [(ours.cpu_us, bare.cpu_us) for ours, bare in pairs], reference=BARE, target=FANOUT_TARGET,
    )  # fmt: skip


def _tick(run: Run, bench: Bench) -> Row:
    pairs: list[tuple[float, float]] = []
    for n in range(_rounds(run)):
        sizes = (1, CHANGES) if n % 2 else (CHANGES, 1)
        found = {size: bench.round("change", size, bench.door).cpu_us for size in sizes}
        pairs.append((found[CHANGES], found[1]))
        run.progress("push: a tick", n + 1, _rounds(run))
    return compared(
        "push: a tick", f"{CHANGES} changes of one match within a tick to {len(bench.door.sockets)} connections: "
        "server's CPU per connection", "us", pairs, reference="one change to them", target=TICK_TARGET,
    )  # fmt: skip


def _bytes_per_fan(run: Run) -> Row:
    name, what = "push: bytes per fan", "over a replayed match, deltas, compressed once for all"
    if run.match is None:
        return unmeasured(name, what, "bytes", "name a recorded match: --match FILE", target=BYTES_TARGET)
    matches = load_matches([run.match], None).matches
    if not matches:
        raise StartError(f"no match in {run.match}; name a Wyscout match file or a folder of them with --match")
    found = bytes_per_fan(matches[0], lambda _: PRIOR)
    return compared(
        name, f"{what}: {found['match']}", "bytes", [(found["bytes"]["json_deflated"], found["snapshots_deflated"])],
        reference="snapshots in their place, likewise", target=BYTES_TARGET,
    )  # fmt: skip
