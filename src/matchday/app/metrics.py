"""What a process says of itself to whoever collects figures: those of ``metric_list``, as they stand now."""

import os
import resource
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from matchday import __version__
from matchday.app.caught_up import CaughtUp
from matchday.app.lateness import Lateness
from matchday.app.logs import Lines
from matchday.app.metric_list import BY_NAME, DELAYED, ENDED_BY_US, LEVELS
from matchday.app.rooms import GateRooms
from matchday.app.watched import COMMITS, HEARS, Watch
from matchday.app.workers import Workers
from matchday.counts import SIZES, Histogram
from matchday.edge.ops import Distribution, Sample
from matchday.services.feed import Feed
from matchday.services.odds import Odds
from matchday.services.push import CLOSE_DRAINING, CLOSE_IDLE, CLOSE_RATE, CLOSE_SLOW
from matchday.services.relay import Relay
from matchday.services.settlement import SettlementByAccount

_STATM: Final = Path("/proc/self/statm")
_FILES: Final = Path("/proc/self/fd")
_MS: Final = 1_000
_CODES: Final = dict(zip(ENDED_BY_US, (CLOSE_SLOW, CLOSE_IDLE, CLOSE_RATE, CLOSE_DRAINING), strict=True))


class Metrics:
    """The figures of one process. ``requests``: how many HTTP requests its gate has answered."""

    def __init__(
        self, rooms: Sequence[str], gate: GateRooms | None, workers: Workers, ready: Callable[[], bool],
        started_s: float, *, watches: Mapping[str, Watch], lateness: Lateness, lines: Lines,
        readable: Callable[[], bool], caught_up: CaughtUp, requests: Callable[[], int] = lambda: 0,
    ) -> None:  # fmt: skip
        self._rooms, self._gate, self._workers = rooms, gate, workers
        self._ready, self._started_s, self._readable, self._caught_up = ready, started_s, readable, caught_up
        self._watches = [watches[room] for room in rooms]
        self._lateness, self._lines, self._requests = lateness, lines, requests

    def __call__(self) -> Iterator[Sample]:
        """All of them, now."""
        yield from self._process()
        yield from self._work()
        for watch in self._watches:
            yield from _of_ports(watch)
        if self._gate is not None:
            yield said("matchday_http_requests_total", self._requests())
            yield from _of_crowd(self._gate)
            yield from _of_push(self._gate)
            yield from _of_bets(self._gate)

    def _process(self) -> Iterator[Sample]:
        used = resource.getrusage(resource.RUSAGE_SELF)
        yield said("matchday_info", 1, version=__version__, rooms=",".join(self._rooms))
        yield said("matchday_ready", self._ready())
        yield said("matchday_ledger_readable", self._readable())
        yield said("process_cpu_seconds_total", used.ru_utime + used.ru_stime)
        yield said("process_start_time_seconds", self._started_s)
        if _STATM.exists():
            resident = int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            yield said("process_resident_memory_bytes", resident)
            yield said("process_open_fds", sum(1 for _ in _FILES.iterdir()))
        yield said("matchday_loop_lag_seconds", _seconds(self._lateness.late_ms))
        for level in LEVELS:
            yield said("matchday_logged_lines_total", self._lines.counts[level], level=level)

    def _work(self) -> Iterator[Sample]:
        workers, rooms = self._workers, self._rooms
        shares = Counter(room for room, _ in workers.held)
        for room in rooms:
            if room != "gate":
                yield said("matchday_shares", shares[room], room=room)
        lag = self._caught_up.lag
        yield said("matchday_log_behind_records", lag.records)
        yield said("matchday_log_behind_seconds", lag.for_ms / _MS)
        yield said("matchday_log_silent_seconds", lag.silent_ms / _MS)
        yield said("matchday_on_their_way", workers.on_their_way)
        held = [one.room for one in workers.held.values()]
        if "feed" in rooms:
            feeds = [room for room in held if isinstance(room, Feed)]
            yield said("matchday_feed_fixtures", sum(feed.fixtures for feed in feeds))
            yield said("matchday_feed_silent", any(feed.silent for feed in feeds))
            yield said("matchday_feed_rejected_total", sum(feed.rejections for feed in feeds))
        if "odds" in rooms:
            counts = workers.odds_counts
            yield said("matchday_odds_books", sum(room.books for room in held if isinstance(room, Odds)))
            yield said("matchday_odds_changes_total", counts.changes)
            yield said("matchday_odds_prices_changed_total", counts.repriced)
            yield said("matchday_odds_incident_to_book_seconds", _seconds(counts.incident_to_book))
        if "settlement" in rooms:
            stages = [stage for room in held if isinstance(room, tuple) for stage in room]
            waiting = sum(stage.waiting for stage in stages if isinstance(stage, SettlementByAccount))
            yield said("matchday_settlement_waiting", waiting)
        if "relay" in rooms:
            yield said("matchday_relay_backlog", sum(room.backlog for room in held if isinstance(room, Relay)))


def _of_ports(watch: Watch) -> Iterator[Sample]:
    room = watch.room
    yield said("matchday_log_append_seconds", _seconds(watch.append_ms), room=room)
    yield said("matchday_log_appends_refused_total", watch.appends_refused, room=room)
    for topic, count in watch.said.items():
        yield said("matchday_log_said_records_total", count, room=room, topic=topic.value)
    for topic in HEARS[room]:
        yield said("matchday_log_lag_seconds", _seconds(watch.lag_ms[topic]), room=room, topic=topic.value)
        yield said("matchday_log_heard_records_total", watch.heard[topic], room=room, topic=topic.value)
        heard_s = watch.heard_ms[topic] / _MS
        yield said("matchday_log_last_heard_timestamp_seconds", heard_s, room=room, topic=topic.value)
    if room in COMMITS:
        yield said("matchday_ledger_commit_seconds", _seconds(watch.commit_ms), room=room)
        yield said("matchday_ledger_commit_commands", _plain(watch.commands), room=room)
        yield said("matchday_ledger_commits_refused_total", watch.commits_refused, room=room)


def _of_crowd(rooms: GateRooms) -> Iterator[Sample]:
    yield said("matchday_gate_connections", rooms.push.connections)
    yield said("matchday_gate_accounts", len(rooms.push.accounts))
    yield said("matchday_gate_fans", rooms.lobby.inside)
    yield said("matchday_gate_waiting", rooms.lobby.waiting)
    yield said("matchday_gate_let_in_total", rooms.lobby.let_in)
    yield said("matchday_gate_pressure", rooms.pressure.level)
    for priority, count in rooms.pressure.turned_away.items():
        yield said("matchday_gate_shed_total", count, priority=priority.name.lower())
    yield said("matchday_gate_draining", rooms.push.draining)
    yield said("matchday_gate_fixtures", len(rooms.gate.books.fixtures))
    yield said("matchday_gate_stale", rooms.bets.stale)
    yield said("matchday_gate_stale_fixtures", len(rooms.bets.stale_fixtures))
    yield said("matchday_gate_book_age_seconds", _seconds(rooms.gate.book_age))


def _of_push(rooms: GateRooms) -> Iterator[Sample]:
    push, sent = rooms.push, rooms.push.sent
    yield said("matchday_push_messages_total", push.messages)
    yield said("matchday_push_opened_total", push.opened_so_far)
    for reason, count in rooms.entrance.turned_away.items():
        yield said("matchday_push_turned_away_total", count, reason=reason)
    for why, code in _CODES.items():
        yield said("matchday_push_ended_total", push.dropped[code], why=why)
    yield said("matchday_push_fell_behind_total", push.fell_behind)
    yield said("matchday_push_channels", push.channels)
    yield said("matchday_push_frames_total", sent.frames)
    yield said("matchday_push_sends_total", sent.sends)
    yield said("matchday_push_sent_bytes_total", sent.bytes)
    yield said("matchday_taps_logged_total", rooms.taps.logged)
    yield said("matchday_taps_refused_total", rooms.taps.refused)
    yield said("matchday_taps_held", rooms.taps.held)


def _of_bets(rooms: GateRooms) -> Iterator[Sample]:
    bets, answers = rooms.bets, rooms.placing.answers
    sizes = _sizes(bets.batches)
    yield said("matchday_bets_total", sizes.total)
    yield said("matchday_bets_batches_total", sum(sizes.counts))
    yield said("matchday_bets_batch_size", sizes)
    for delayed, by_outcome in zip(DELAYED, (answers.at_once, answers.delayed), strict=True):
        for outcome, took_ms in by_outcome.items():
            yield said("matchday_bets_answer_seconds", _seconds(took_ms), outcome=outcome, delayed=delayed)
    for reason, count in answers.refused.items():
        yield said("matchday_bets_refused_total", count, reason=reason.value)
    yield said("matchday_bets_not_taken_total", answers.not_taken)
    yield said("matchday_bets_queue", bets.queued)
    yield said("matchday_bets_delayed", bets.delayed)


def said(name: str, value: float | Distribution, **labels: str) -> Sample:
    """A figure of the list; KeyError where it is not on it."""
    metric = BY_NAME[name]
    return Sample(name, metric.kind.value, metric.help, value, labels)


def _seconds(of_ms: Histogram) -> Distribution:
    return Distribution([bound / _MS for bound in of_ms.bounds], of_ms.counts, of_ms.total / _MS)


def _plain(of: Histogram) -> Distribution:
    return Distribution(of.bounds, of.counts, of.total)


def _sizes(batches: Mapping[int, int]) -> Distribution:
    """Of batches as they are counted, by their sizes."""
    counts = [0] * (len(SIZES) + 1)
    for size, count in batches.items():
        counts[bisect_left(SIZES, size)] += count
    return Distribution(SIZES, counts, sum(size * count for size, count in batches.items()))
