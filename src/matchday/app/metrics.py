"""What a process says of itself to whoever collects figures."""

import os
import resource
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from matchday import __version__
from matchday.app.rooms import GateRooms
from matchday.app.workers import Workers
from matchday.edge.ops import Sample
from matchday.services.odds import Odds

_STATM: Final = Path("/proc/self/statm")
_FILES: Final = Path("/proc/self/fd")


class Metrics:
    """The figures of one process."""

    def __init__(
        self,
        rooms: Sequence[str],
        gate: GateRooms | None,
        workers: Workers,
        ready: Callable[[], bool],
        started_s: float,
        readable: Callable[[], bool],
    ) -> None:
        self._rooms, self._gate, self._workers = rooms, gate, workers
        self._ready, self._started_s, self._readable = ready, started_s, readable

    def __call__(self) -> Iterator[Sample]:
        """All of them, now."""
        yield from self._process()
        yield from self._work()
        if self._gate is not None:
            yield from _of_gate(self._gate)

    def _process(self) -> Iterator[Sample]:
        used = resource.getrusage(resource.RUSAGE_SELF)
        labels = {"version": __version__, "rooms": ",".join(self._rooms)}
        yield Sample("matchday_info", "gauge", "What runs here.", 1, labels)
        yield Sample("matchday_ready", "gauge", "1 where it is to be sent work.", self._ready())
        yield Sample("matchday_ledger_readable", "gauge", "1 where it can read the ledger.", self._readable())
        cpu_s = used.ru_utime + used.ru_stime
        yield Sample("process_cpu_seconds_total", "counter", "Seconds of CPU, user and system.", cpu_s)
        yield Sample("process_start_time_seconds", "gauge", "When it started, seconds since 1970.", self._started_s)
        if _STATM.exists():
            resident = int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            yield Sample("process_resident_memory_bytes", "gauge", "Resident memory.", resident)
            yield Sample("process_open_fds", "gauge", "Open files.", sum(1 for _ in _FILES.iterdir()))

    def _work(self) -> Iterator[Sample]:
        held = self._workers.held
        shares = Counter(room for room, _ in held)
        for room in self._rooms:
            if room != "gate":
                yield Sample("matchday_shares", "gauge", "Shares of a room's work held.", shares[room], {"room": room})
        on_their_way = "Appends and commits that have not been answered."
        yield Sample("matchday_on_their_way", "gauge", on_their_way, self._workers.on_their_way)
        books = repriced = 0
        for one in held.values():
            if isinstance(one.room, Odds):
                books, repriced = books + one.room.books, repriced + one.room.repriced
        if "odds" in self._rooms:
            yield Sample("matchday_odds_books", "gauge", "Books owned here.", books)
            yield Sample("matchday_odds_prices_changed_total", "counter", "Changed prices, by shares held.", repriced)


def _of_gate(rooms: GateRooms) -> Iterator[Sample]:
    bets, batches = rooms.bets, rooms.bets.batches
    yield Sample("matchday_gate_connections", "gauge", "Open push connections.", rooms.push.connections)
    yield Sample("matchday_gate_accounts", "gauge", "Fans signed in on a connection.", len(rooms.push.accounts))
    yield Sample("matchday_gate_fans", "gauge", "Active fans.", rooms.lobby.inside)
    yield Sample("matchday_gate_waiting", "gauge", "Newcomers in line.", rooms.lobby.waiting)
    yield Sample("matchday_gate_pressure", "gauge", "What gives way: 0 nothing, 3 all but money.", rooms.pressure.level)
    yield Sample("matchday_gate_fixtures", "gauge", "Fixtures shown.", len(rooms.gate.books.fixtures))
    yield Sample("matchday_gate_stale", "gauge", "1 where no owner of books is heard.", bets.stale)
    yield Sample("matchday_gate_stale_fixtures", "gauge", "Fixtures of silent owners.", len(bets.stale_fixtures))
    yield Sample("matchday_bets_batches_total", "counter", "Batches handed to the ledger.", sum(batches.values()))
    committed = sum(size * count for size, count in batches.items())
    yield Sample("matchday_bets_total", "counter", "Bets handed to the ledger.", committed)
    yield Sample("matchday_gate_draining", "gauge", "1 where it sends its clients elsewhere.", rooms.push.draining)
