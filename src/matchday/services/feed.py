"""Feed: what happens on the pitch, in the order in which a provider says it.

Owns fixtures, match states and results. Hears an adapter's reports; says ``FixtureScheduled`` (again where a start is
put off), ``Incident``, ``ResultConfirmed`` (again where it is corrected), ``WindowVoided`` and, to each partition,
``FeedAlive`` on ``incidents``, and a ``FixtureSnapshot`` of each fixture on ``fixtures``. Says with each fixture until
when it may kick off with bets on it standing; one that is put off beyond is cancelled at once, and what is reported of
one that did not kick off by then is rejected.
Never prices anything, and never says it is alive while it is behind its provider.
"""

import logging
from collections.abc import Iterator

import msgspec

from matchday.config import Feed as FeedSettings
from matchday.letters import Letters
from matchday.model.football import FootballState, IncidentError, advance
from matchday.model.football_rules import ENDINGS, out_of_time, waits
from matchday.model.messages import (
    OVER,
    FeedAlive,
    FixtureScheduled,
    FixtureSnapshot,
    FixtureStatus,
    Incident,
    Message,
    ResultConfirmed,
    Topic,
    WindowVoided,
    encode,
)
from matchday.model.reports import Adapter, Announced, BetsVoided, Confirmed, Corrected, Report
from matchday.ports import UNTRACED, Clock, Log, Record, Span, Tracer
from matchday.voice import Voice

_log = logging.getLogger(__name__)

_AHEAD_MS = 50
"""Reports due within this many milliseconds leave together: one append for what happens at once."""
FORGET_MS = 6 * 3_600_000
"""Milliseconds after which a fixture that is over is dropped from the compacted topic."""
_LINGER_MS = 60_000
"""Milliseconds for which a fixture that did not kick off in its time is still covered: all hear what time it is."""
REJECTED_KEPT = 1_000
"""Of more refused reports only the number is kept; the log has each."""


class Feed:
    """One adapter's fixtures. ``start`` takes up where the log says this feed had got to."""

    def __init__(
        self, clock: Clock, log: Log, adapter: Adapter, settings: FeedSettings, tracer: Tracer = UNTRACED
    ) -> None:
        self._tracer = tracer
        self._clock = clock
        self._log = log
        self._adapter = adapter
        self._settings = settings
        self._fixtures: dict[str, FixtureSnapshot] = {}
        self._reports: Iterator[Report] = iter(())
        self._next: Report | None = None
        self._voice = Voice(clock, log, f"feed {adapter.name}")
        self._letters = Letters(clock, self._voice, f"feed {adapter.name}")
        self.rejected: list[str] = []
        """The first reports that the state table refused, for people."""
        self.rejections = 0
        """How many it refused."""

    def start(self) -> None:
        """Load what was said, abandon what nobody reports any more, and begin to report."""
        now = self._clock.now_ms()
        for _, message in self._letters.opened(self._log.latest(Topic.FIXTURES)):
            if isinstance(message, FixtureSnapshot):
                self._resume(message, now)
        self._reports = self._adapter.reports(now, list(self._fixtures))
        self._next = next(self._reports, None)
        self._report()
        self._beat()

    @property
    def covers(self) -> bool:
        """Whether any fixture is announced and not over."""
        since = self._clock.now_ms() - _LINGER_MS
        return any(s.status not in OVER and not out_of_time(s, since) for s in self._fixtures.values())

    @property
    def fixtures(self) -> int:
        """How many are announced and not over."""
        return sum(snapshot.status not in OVER for snapshot in self._fixtures.values())

    @property
    def silent(self) -> bool:
        """Whether there is something to cover, and it cannot say that it is alive: behind, or out of touch."""
        now = self._clock.now_ms()
        return self.covers and (self._late(now) or not self._adapter.in_touch(now))

    @property
    def done(self) -> bool:
        """Whether the adapter has nothing more to say and all of it is on the log."""
        return self._next is None and self._voice.quiet

    def _resume(self, snapshot: FixtureSnapshot, now: int) -> None:
        fixture, since = snapshot.scheduled.fixture, now - FORGET_MS
        over = snapshot.status in OVER
        if (over and snapshot.at_ms < since) or out_of_time(snapshot, since):
            self._voice.say([Record(Topic.FIXTURES, fixture, b"")])
            return
        self._fixtures[fixture] = snapshot
        if not over and not self._adapter.knows(fixture):
            self._say_result(snapshot, snapshot.seq + 1, FixtureStatus.ABANDONED, "its feed was withdrawn", now)

    def _report(self) -> None:
        """Say what is due, then wait for the next report."""
        now = self._clock.now_ms()
        while self._next is not None and self._next.at_ms <= now + _AHEAD_MS:
            self._take(self._next)
            self._next = next(self._reports, None)
        if self._next is not None:
            self._clock.call_later(max(0, self._next.at_ms - now), self._report)

    def _take(self, report: Report) -> None:
        known = self._fixtures.get(report.fixture)
        if known is not None and report.seq <= known.seq:
            return
        if isinstance(report, Announced):
            self._announce(known, report)
        elif known is None:
            self._reject(report, "its fixture is not announced")
        elif isinstance(report, Corrected):
            self._correct(known, report)
        elif isinstance(report, BetsVoided):
            self._void(known, report)
        elif known.status in OVER:
            self._reject(report, "its fixture is over")
        elif out_of_time(known, report.at_ms):
            self._reject(report, "its match did not kick off in its time")
        elif isinstance(report, Confirmed):
            self._confirm(known, report)
        else:
            try:
                state = advance(known.state, report.type, report.side, report.clock_s)
            except IncidentError as error:
                self._reject(report, str(error))
                return
            span = self._tracer.start("incident", fixture=report.fixture, type=report.type.value)
            incident = Incident(
                report.fixture, report.seq, self._adapter.name, report.type, report.side, report.clock_s, state,
                report.at_ms, "" if span is None else span.context,
            )  # fmt: skip
            snapshot = FixtureSnapshot(known.scheduled, report.seq, FixtureStatus.LIVE, state, report.at_ms)
            self._say(incident, snapshot, span)

    def _announce(self, known: FixtureSnapshot | None, report: Announced) -> None:
        """For the first time, or again before kick-off: until when bets stand, and what must follow a draw, stay."""
        knockout, void_at_ms = report.knockout, report.kickoff_ms + self._settings.bets_stand_ms
        if known is not None:
            knockout, void_at_ms = known.scheduled.knockout, known.scheduled.void_at_ms
            if not waits(known) or out_of_time(known, report.at_ms):
                self._reject(report, "its fixture is over or has kicked off")
                return
            if 0 < void_at_ms <= report.kickoff_ms:
                reason = "put off beyond the time in which bets on it stand"
                self._say_result(known, report.seq, FixtureStatus.CANCELLED, reason, report.at_ms)
                return
        scheduled = FixtureScheduled(
            fixture=report.fixture,
            seq=report.seq,
            feed=self._adapter.name,
            sport="football",
            competition=report.competition,
            home=report.home,
            away=report.away,
            kickoff_ms=report.kickoff_ms,
            at_ms=report.at_ms,
            strengths=report.strengths,
            source=report.source,
            knockout=knockout,
            void_at_ms=void_at_ms,
        )
        state = FootballState(knockout=knockout)
        self._say(scheduled, FixtureSnapshot(scheduled, report.seq, FixtureStatus.SCHEDULED, state, report.at_ms))

    def _confirm(self, known: FixtureSnapshot, report: Confirmed) -> None:
        if report.status == FixtureStatus.POSTPONED and not waits(known):
            self._reject(report, "a match that has kicked off is not postponed but abandoned")
        elif report.status not in {*ENDINGS, FixtureStatus.POSTPONED}:
            self._reject(report, f"{report.status} is no ending")
        else:
            self._say_result(known, report.seq, report.status, report.reason, report.at_ms)

    def _say_result(self, known: FixtureSnapshot, seq: int, status: FixtureStatus, reason: str, at_ms: int) -> None:
        fixture = known.scheduled.fixture
        result = ResultConfirmed(fixture, seq, self._adapter.name, status, known.state, at_ms, reason)
        self._say(result, FixtureSnapshot(known.scheduled, seq, status, known.state, at_ms))

    def _correct(self, known: FixtureSnapshot, report: Corrected) -> None:
        if known.status not in OVER:
            self._reject(report, "a result is corrected that was not confirmed")
            return
        if report.status not in ENDINGS:
            self._reject(report, f"{report.status} is no ending")
            return
        gone = known.state.goals_asked - sum(report.state.regular_score)
        state = msgspec.structs.replace(  # bets on goals that are no more are settled anew, too
            report.state, knockout=known.scheduled.knockout, cancelled=max(report.state.cancelled, gone)
        )
        corrected = FixtureSnapshot(known.scheduled, known.seq, known.status, state, known.at_ms)
        self._say_result(corrected, report.seq, report.status, report.reason, report.at_ms)

    def _void(self, known: FixtureSnapshot, report: BetsVoided) -> None:
        voided = WindowVoided(
            report.fixture, report.seq, self._adapter.name, report.from_ms, report.until_ms, report.reason, report.at_ms
        )
        self._say(voided, FixtureSnapshot(known.scheduled, report.seq, known.status, known.state, known.at_ms))

    def _reject(self, report: Report, reason: str) -> None:
        text = f"{report.fixture} report {report.seq}: {reason}"
        self.rejections += 1
        if len(self.rejected) < REJECTED_KEPT:
            self.rejected.append(text)
        _log.warning("feed %s: %s", self._adapter.name, text, extra={"fixture": report.fixture})

    def _say(self, message: Message, snapshot: FixtureSnapshot, span: Span | None = None) -> None:
        fixture = snapshot.scheduled.fixture
        self._fixtures[fixture] = snapshot
        records = (Record(Topic.INCIDENTS, fixture, encode(message)), Record(Topic.FIXTURES, fixture, encode(snapshot)))
        if span is None:
            self._voice.say(records)
        else:
            span.stage("append")
            self._voice.say(records, span.end)

    def _beat(self) -> None:
        """Say ``FeedAlive`` unless behind or out of touch; sleep while nothing is announced."""
        now = self._clock.now_ms()
        if self.covers and not self._late(now) and self._adapter.in_touch(now):
            alive = FeedAlive(self._adapter.name, now)
            said = encode(alive)
            partitions = range(self._log.partitions(Topic.INCIDENTS))
            self._voice.say([Record(Topic.INCIDENTS, alive.feed, said, number) for number in partitions])
        if self.covers or self._next is None:
            delay = self._settings.alive_ms
        else:
            delay = max(self._settings.alive_ms, self._next.at_ms - now + 1)
        if not self.done or self.covers:
            self._clock.call_later(delay, self._beat)

    def _late(self, now: int) -> bool:
        behind = self._next is not None and self._next.at_ms < now - self._settings.catch_up_late_ms
        return behind or self._voice.backlog > 0
