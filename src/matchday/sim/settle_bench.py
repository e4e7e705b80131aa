"""``matchday settle-bench``: what the end of one match costs when a million open bets hang on it.

The rooms and backends are those of ``matchday up``, put together as there, on the wall clock: feed, odds, bets, both
stages of settlement, ledger, outbox, relay, log and gate, without the doors. Bets on another match arrive meanwhile at
a stated rate, whether or not the ones before were answered, and the time of each counts from when it was due. The
open bets are made first, by ``settle_population``, and not timed.
"""

import asyncio
import contextlib
import os
import resource
import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import msgspec

from matchday.app import Platform, stores
from matchday.backends.clock_wall import WallClock, wall_ms
from matchday.backends.ledger_sqlite import SqliteLedgerCore
from matchday.collector import tune_gc
from matchday.config import MOST, Settings
from matchday.model.bet import Leg, Policy
from matchday.model.football import IncidentType, advance
from matchday.model.football_markets import decisions
from matchday.model.ledger import Answer, Moment, PlaceBet, SettleBets
from matchday.model.market import MarketStatus
from matchday.model.messages import FixtureStatus, LegsDecided, Topic, decode
from matchday.model.reports import Announced, Confirmed, Report, Reported
from matchday.ports import Log, Stored
from matchday.pricing.calibrate import PRIOR
from matchday.pricing.football import warm_up
from matchday.services import relay
from matchday.services.settlement import GROUP_ACCOUNT
from matchday.sim.settle_population import CURRENCY, FINAL, PLAYED, Population, decide, second_half

NEXT: Final = "settle-bench-next"
"""The match that bets are placed on meanwhile: it kicks off much later."""
_POLL_S: Final = 0.02
_SAMPLE_S: Final = 0.1
_ENTRIES: Final = "SELECT coalesce(max(entry), 0) FROM entries"
_PAGE: Final = Settings().settlement.page_max
_WAVE: Final = Settings().settlement.wave_max

Progress = Callable[[str, int, int], None]
"""(what, how much of it is done, all of it)"""


class Latency(msgspec.Struct):
    """Milliseconds from when a bet was due to its answer."""

    bets: int
    refused: int
    p50_ms: float
    p99_ms: float
    max_ms: float


class Outcome(msgspec.Struct, kw_only=True):
    """What a run came to."""

    bets: int
    accounts: int
    legs: int
    rooms: bool
    """Whether the whole way through the rooms was timed, or the ledger's core alone."""
    setup_s: float
    settle_s: float
    """From the final whistle until the last bet was settled, durably."""
    told_s: float
    """Until its fact stood on the log, for the fans' screens."""
    bets_per_s: int
    cpu_s: float
    """Of this process, all threads, and of that which works pages out, until told."""
    entries: int
    rss_start_mb: float
    rss_peak_mb: float
    rss_end_mb: float
    ledger_mb: float
    written_mb: float
    rate_per_s: float
    idle: Latency | None = None
    meanwhile: Latency | None = None
    idle_after: Latency | None = None
    p99_ratio: float | None = None
    """Meanwhile by idle, of whichever idle time was the quieter: a disk that is still busy with what was written before
    makes no settlement look quick."""
    load_before: float = 0.0
    """Load average of the last minute."""
    load_after: float = 0.0
    sound: bool = False
    """Every bet was settled once, and the books balance."""


class _Match:
    """The provider: the final in its second half, which ends when it is told to, and a match that is yet to come."""

    name = "settle-bench"

    def __init__(self, clock: WallClock, ends_in_s: float) -> None:
        self._now = clock.now_ms()
        self.ends_ms = self._now + round(1_000 * ends_in_s)

    def in_touch(self, now_ms: int) -> bool:  # noqa: ARG002 - always
        """See ``Adapter.in_touch``."""
        return True

    def knows(self, fixture: str) -> bool:
        """See ``Adapter.knows``."""
        return fixture in (FINAL, NEXT)

    def reports(self, now_ms: int, known: Collection[str]) -> Iterator[Report]:  # noqa: ARG002 - starts once
        """See ``Adapter.reports``."""
        now, later = self._now, self._now + 86_400_000
        yield Announced(now, FINAL, 1, "Bench", "Home", "Away", now, PRIOR, "invented")
        yield Announced(now, NEXT, 1, "Bench", "Next", "Last", later, PRIOR, "invented")
        for seq, (type_, side, clock_s) in enumerate(PLAYED, 2):
            yield Reported(now, FINAL, seq, type_, side, clock_s)
        seq = len(PLAYED) + 2
        yield Reported(self.ends_ms, FINAL, seq, IncidentType.FULL_TIME, None, 2_900)
        yield Reported(self.ends_ms, FINAL, seq + 1, IncidentType.OVER, None, 2_900)
        yield Confirmed(self.ends_ms + 1_000, FINAL, seq + 2, FixtureStatus.FINISHED)


class _Fans:
    """Bets on the other match, at a rate, open loop."""

    def __init__(self, clock: WallClock, platform: Platform, accounts: list[str], rate: float) -> None:
        self._clock, self._platform, self._accounts = clock, platform, accounts
        self._loop = asyncio.get_running_loop()
        self._every = 1 / rate
        self._chance = clock.random("fans")
        self._samples: list[float] = []
        self._refused = self._waiting = 0
        self.accepted = 0
        self._due = perf_counter()
        self._stopped = False

    def open(self) -> bool:
        """Whether the other match can be backed."""
        market = self._platform.gate.books.market(NEXT, f"{NEXT}:1x2")
        return market is not None and market.status == MarketStatus.OPEN and not self._platform.bets.stale

    def begin(self) -> None:
        """Bet from now on, until ``end``."""
        self._samples, self._refused, self._stopped = [], 0, False
        self._due = perf_counter()
        self._arrive()

    async def end(self) -> Latency:
        """Bet no more; what the bets since ``begin`` came to."""
        self._stopped = True
        while self._waiting:  # noqa: ASYNC110 - answers come by callback
            await asyncio.sleep(_POLL_S)
        ordered = sorted(self._samples) or [0.0]
        at = [1_000 * ordered[int(len(ordered) * share)] for share in (0.5, 0.99)]
        return Latency(len(self._samples), self._refused, round(at[0], 2), round(at[1], 2), round(1e3 * ordered[-1], 2))

    def _arrive(self) -> None:
        if self._stopped:
            return
        while self._due <= perf_counter():
            self._bet(self._due)
            self._due += self._every
        self._loop.call_later(max(0.0, self._due - perf_counter()), self._arrive)

    def _bet(self, due: float) -> None:
        market = self._platform.gate.books.market(NEXT, f"{NEXT}:1x2")
        assert market is not None
        selection = self._chance.choice(market.selections)
        leg = Leg(NEXT, market.market, f"{market.market}/{selection.outcome}", selection.price, market.generation)
        account = self._chance.choice(self._accounts)
        self._waiting += 1

        def done(answer: Answer | Moment) -> None:
            self._waiting -= 1
            self._samples.append(perf_counter() - due)
            accepted = isinstance(answer, Answer) and answer.refusal is None
            self.accepted += accepted
            self._refused += not accepted

        self._platform.bets.place(PlaceBet(self._clock.new_id(), account, CURRENCY, 100, Policy.ANY, (leg,)), done)


def run(folder: Path, *, bets: int, accounts: int, rate: float, idle_s: float, rooms: bool, seed: int,
        progress: Progress) -> Outcome:  # fmt: skip
    """Make the bets, settle them, and say what it took."""
    began = perf_counter()
    load_before = os.getloadavg()[0]
    core = SqliteLedgerCore(folder / "ledger.sqlite")
    with contextlib.closing(core):
        now_ms = wall_ms()
        crowd = Population(core, bets=bets, accounts=accounts, now_ms=now_ms, seed=seed)
        crowd.place(lambda done: progress("placing", done, bets))
        core.database.writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        facts, opened = core.last_fact, core.open_bets()
        legs = core.database.writer.execute("SELECT count(*) FROM legs").fetchone()[0]
        assert opened == bets, (opened, bets)
    setup_s = perf_counter() - began
    timed = _Timed(folder, bets, progress)
    if rooms:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_through_rooms(timed, crowd.accounts, facts, rate, idle_s))
    else:
        _core_alone(timed)
    timed.check()
    return Outcome(
        bets=bets, accounts=accounts, legs=legs, rooms=rooms, setup_s=round(setup_s, 1), settle_s=timed.settle_s,
        told_s=timed.told_s, bets_per_s=round(bets / timed.settle_s), cpu_s=timed.cpu_s, entries=timed.entries,
        rss_start_mb=timed.rss[0], rss_peak_mb=max(timed.rss), rss_end_mb=timed.rss[-1],
        ledger_mb=round((folder / "ledger.sqlite").stat().st_size / 1e6), written_mb=timed.written_mb,
        rate_per_s=rate if rooms else 0, idle=timed.idle, meanwhile=timed.meanwhile, idle_after=timed.idle_after,
        p99_ratio=timed.p99_ratio,
        load_before=round(load_before, 2), load_after=round(os.getloadavg()[0], 2), sound=timed.sound,
    )  # fmt: skip


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


class _Timed:
    """What is measured while the bets are settled."""

    def __init__(self, folder: Path, bets: int, progress: Progress) -> None:
        self.folder, self.bets, self.progress = folder, bets, progress
        self.settle_s = self.told_s = self.cpu_s = self.written_mb = 0.0
        self.rss: list[float] = []
        self.entries = 0
        self.idle: Latency | None = None
        self.meanwhile: Latency | None = None
        self.idle_after: Latency | None = None
        self.placed = 0
        self.sound = False

    def begin(self) -> None:
        """The final whistle."""
        self._began, self._cpu, self._written = perf_counter(), _cpu_s(), _written_mb()
        self.sample()

    def sample(self) -> None:
        """Look at the memory."""
        self.rss.append(_rss_mb())

    def settled(self) -> None:
        """The last bet is settled."""
        self.settle_s = round(perf_counter() - self._began, 2)

    def told(self) -> None:
        """The last fact is on the log."""
        self.told_s = round(perf_counter() - self._began, 2)
        self.cpu_s, self.written_mb = round(_cpu_s() - self._cpu, 1), round(_written_mb() - self._written)
        self.sample()

    @property
    def p99_ratio(self) -> float | None:
        """See ``Outcome``."""
        if self.idle is None or self.meanwhile is None or self.idle_after is None:
            return None
        quiet_ms = min(self.idle.p99_ms, self.idle_after.p99_ms)
        return round(self.meanwhile.p99_ms / quiet_ms, 2) if quiet_ms else None

    def check(self) -> None:
        """Every bet once, and the books balance: from the file, by statements of our own."""
        self.progress("checking", 0, 1)
        db = sqlite3.connect(self.folder / "ledger.sqlite")
        with contextlib.closing(db):
            sql = "SELECT count(*), count(DISTINCT bet) FROM entries WHERE reason = 'settlement'"
            self.entries, once = db.execute(sql).fetchone()
            balance = db.execute("SELECT sum(balance) FROM accounts").fetchone()[0]
            house = db.execute("SELECT sum(balance) FROM house").fetchone()[0]
            left = db.execute("SELECT count(*) FROM standings WHERE status = 'open'").fetchone()[0]
        self.sound = self.entries == once == self.bets and balance + house == 0 and left == self.placed
        self.progress("checking", 1, 1)


def _children() -> list[Path]:
    """The processes that this one has started; in little time, as bets are timed meanwhile."""
    listed = [file.read_text().split() for file in Path("/proc/self/task").glob("*/children")]
    return [Path("/proc", pid) for pids in listed for pid in pids]


def _rss_mb() -> float:
    """Resident memory of this process and those it has started now (``/proc/PID/statm``), in MB."""
    pages = 0
    for process in (Path("/proc/self"), *_children()):
        with contextlib.suppress(OSError):  # it has ended
            pages += int((process / "statm").read_text().split()[1])
    return round(pages * resource.getpagesize() / 1e6, 1)


def _written_mb() -> float:
    """What this process has sent to the disk, in MB."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes")) / 1e6


def _cpu_s() -> float:
    """Of this process and those it has started and not yet seen end."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    ticks = 0
    for process in _children():
        with contextlib.suppress(OSError):  # it has ended
            ticks += sum(map(int, (process / "stat").read_text().rpartition(")")[2].split()[11:13]))
    return used.ru_utime + used.ru_stime + ticks / os.sysconf("SC_CLK_TCK")


# --- the whole way through the rooms --------------------------------------------------------------------------------


def bench_settings() -> Settings:
    """The platform's defaults, but for exposures that the bets meanwhile do not fill."""
    settings = Settings()
    most = msgspec.structs.replace(
        settings.bets, exposure_account_max=MOST, exposure_market_max=MOST, exposure_selection_max=MOST,
        exposure_fixture_max=MOST,
    )  # fmt: skip
    return msgspec.structs.replace(settings, bets=most)


async def _through_rooms(timed: _Timed, accounts: list[str], facts: int, rate: float, idle_s: float) -> None:
    loop = asyncio.get_running_loop()
    clock, settings = WallClock(loop), bench_settings()
    failed: list[BaseException] = []
    loop.set_exception_handler(
        lambda _, context: failed.append(context.get("exception") or RuntimeError(context["message"]))
    )
    with stores(timed.folder, clock, loop.call_soon_threadsafe, settings, failed.append) as (log, ledger):
        log.advance(relay.GROUP, Topic.ACCOUNTS, facts)  # the crowd's own facts are not carried
        warm_up()
        match = _Match(clock, idle_s + 3)
        whistle = _whistle(log)
        platform = Platform(clock, log, ledger, match, settings, secret=b"settle-bench")
        platform.start()
        tune_gc()
        fans = _Fans(clock, platform, accounts, rate)

        async def until(happened: Callable[[], bool]) -> None:
            while not happened():
                await asyncio.sleep(_POLL_S)
                if failed:
                    raise failed[0]

        await until(fans.open)
        fans.begin()
        await until(lambda: clock.now_ms() >= match.ends_ms - 1_000)
        timed.idle = await fans.end()
        await until(lambda: clock.now_ms() >= match.ends_ms - 60)
        timed.begin()
        fans.begin()
        await _watch(timed, log, whistle, until)
        timed.meanwhile = await fans.end()
        ends = loop.time() + idle_s
        fans.begin()
        await until(lambda: loop.time() >= ends)
        timed.idle_after = await fans.end()
        timed.placed = fans.accepted


async def _watch(timed: _Timed, log: Log, whistle: list[int], until: Callable[..., Any]) -> None:
    """Until the last bet is settled, and until the last fact is told."""
    loop = asyncio.get_running_loop()
    next_sample = loop.time()
    with contextlib.closing(sqlite3.connect(timed.folder / "ledger.sqlite")) as db:

        def newest(sql: str) -> int:
            return int(db.execute(sql).fetchone()[0])

        entries = newest(_ENTRIES)

        def looked(done: bool) -> bool:
            nonlocal next_sample
            if loop.time() >= next_sample:
                next_sample = loop.time() + _SAMPLE_S
                timed.sample()
                timed.progress("settling", min(timed.bets, newest(_ENTRIES) - entries), timed.bets)
            return done

        await until(lambda: looked(bool(whistle) and log.position(GROUP_ACCOUNT, Topic.DECISIONS) >= whistle[0]))
        timed.settled()
        last = newest("SELECT coalesce(max(seq), 0) FROM facts")
        await until(lambda: looked(log.position(relay.GROUP, Topic.ACCOUNTS) >= last))
    timed.told()


def _whistle(log: Log) -> list[int]:
    """Filled with the offset of the decisions that the final whistle brings."""
    found: list[int] = []

    def hear(records: Sequence[Stored]) -> None:
        for stored in records:
            message = decode(stored.value)
            if isinstance(message, LegsDecided) and (message.fixture, message.cause) == (FINAL, "full_time"):
                found.append(stored.offset)

    log.tail(Topic.DECISIONS, None, hear)
    return found


def _waves(core: SqliteLedgerCore, selections: Sequence[str]) -> Iterator[list[tuple[int, int]]]:
    """Numbers of (account, bet) of all bets on some selections, as stage two of settlement reads them."""
    wave: list[tuple[int, int]] = []
    after = 0
    while found := core.bets_on(selections, after, 2_000):
        wave += found
        after = found[-1][1]
        if len(wave) >= _WAVE:
            yield sorted(wave)
            wave = []
    yield sorted(wave)


def _core_alone(timed: _Timed) -> None:
    """The ledger's core, page by page in the order in which the room would ask it to, on one thread."""
    core = SqliteLedgerCore(timed.folder / "ledger.sqlite")
    with contextlib.closing(core):
        state = advance(second_half(), IncidentType.FULL_TIME, None, 2_900)
        outcomes = {name: outcome for name, outcome in decisions(state).items() if outcome is not None}
        timed.begin()
        core.commit([decide(FINAL, outcomes, 1)])
        done = 0
        for wave in _waves(core, [f"{FINAL}:{name}" for name in outcomes]):
            for start in range(0, len(wave), _PAGE):
                numbers = tuple([number for _, number in wave[start : start + _PAGE]])
                core.commit([SettleBets(f"settle:{numbers[0]}", FINAL, numbers, 1)])
            done += len(wave)
            timed.progress("settling", done, timed.bets)
            timed.sample()
        timed.settled()
        timed.told()
