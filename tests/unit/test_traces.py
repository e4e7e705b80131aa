"""Traces through the rooms: from an incident to its frames, and from a slip to its answer, under one trace each."""

import msgspec
import pytest

from matchday.app.errors import StartError
from matchday.app.rooms import GateRooms
from matchday.app.stores import Stores
from matchday.app.traces import traced
from matchday.app.workers import Workers
from matchday.backends.ledger_sqlite import SqliteLedgerCore
from matchday.backends.log_sqlite import SqliteLogCore
from matchday.backends.shares_alone import SharesAlone
from matchday.config import Bets as BetSettings
from matchday.config import Odds as OddsSettings
from matchday.config import Settings, Trace
from matchday.feeds.simulated import SimulatedLeague
from matchday.model.football import FootballState, IncidentType
from matchday.model.messages import BookChanged, Incident, Topic, decode, encode
from matchday.ports import UNTRACED
from matchday.sim.clock import VirtualClock
from matchday.sim.inline import InlineLedger, InlineLog
from tests.tracing import Seen, Watching
from tests.unit.pushing import Line
from tests.unit.telling import SPEED, Telling

EVERY = ("gate", "feed", "odds", "settlement", "relay")


def chain(clock: VirtualClock, *watching: Watching) -> list[Seen]:
    """The spans of the first trace that reaches a screen, from the first on, once its last one is over."""
    framed: list[Seen] = []
    while not framed:
        clock.run_for(500)
        seen = [one for each in watching for one in each.seen]
        framed = [one for one in seen if one.name == "gate" and one.notes["frames"]]
    clock.run_for(100)
    seen = [one for each in watching for one in each.seen]
    found = framed[:1]
    while found[0].parent:
        found.insert(0, next(one for one in seen if one.span == found[0].parent and one.trace == found[0].trace))
    return found


def test_from_incident_to_frame_in_one_process() -> None:
    clock = VirtualClock(1)
    watching = Watching(clock)
    process = Telling(*EVERY, tracer=watching.tracer, clock=clock)
    process.clock.run_for(2_000)
    process.screen()
    feed, odds, gate = found = chain(clock, watching)
    assert [one.name for one in found] == ["incident", "odds", "gate"]
    assert len({one.trace for one in found}) == 1
    assert len({one.notes["fixture"] for one in found}) == 1
    assert feed.begin_ms <= odds.begin_ms <= gate.begin_ms <= gate.end_ms
    assert sorted(watching.parts_of(feed)) == ["append", "odds"]
    assert sorted(watching.parts_of(odds)) == ["append", "gate", "log", "work"]
    assert sorted(watching.parts_of(gate)) == ["frame", "log", "work"]


def test_from_slip_to_answer_in_one_process() -> None:
    clock = VirtualClock(1)
    watching = Watching(clock)
    process = Telling(*EVERY, tracer=watching.tracer, clock=clock)
    process.clock.run_for(5_000)
    account = process.guest()
    process.bet(account)
    process.bet(account, stake="999.00")
    process.bet(account, id="no uuid")
    slips = [one for one in watching.seen if one.name == "slip"]
    assert [one.notes["outcome"] for one in slips] == ["accepted", "refused", "id_invalid"]
    assert len({one.trace for one in slips}) == 3
    for slip in slips[:2]:
        parts = [one for one in watching.seen if one.parent == slip.span]
        assert [one.name for one in parts] == ["wait", "commit", "answer"]
        assert parts[1].notes == {"bets": 1}
        assert {one.trace for one in parts} == {slip.trace}
    assert all(account not in str(one) for one in watching.seen)
    assert not process.gate_bets_traced()


def test_a_bet_that_waits_its_delay_is_one_trace_to_its_answer() -> None:
    clock = VirtualClock(1)
    watching = Watching(clock)
    process = Telling(*EVERY, tracer=watching.tracer, clock=clock, bets=BetSettings(delay_ms=4_000))
    process.clock.run_for(3_000)
    account = process.guest()
    leg = process.leg_in_play()
    process.bet(account, legs=[leg])
    assert [one for one in watching.seen if one.name == "slip"] == []
    process.clock.run_for(5_000)
    (slip,) = [one for one in watching.seen if one.name == "slip"]
    assert slip.end_ms - slip.begin_ms >= 4_000
    assert set(watching.parts_of(slip)) >= {"wait", "commit", "answer"} or slip.notes["outcome"] == "refused"
    assert not process.gate_bets_traced()


def test_across_processes_the_trace_goes_by_what_stands_on_the_log() -> None:
    """Feed, odds and a gate, each with a tracer of its own: nothing but records is between them."""
    clock = VirtualClock(1)
    log = InlineLog(SqliteLogCore(":memory:", clock.new_id), clock)
    ledger = InlineLedger(SqliteLedgerCore(":memory:"), clock)
    stores, settings = Stores(log, ledger, SharesAlone(clock)), Settings(odds=OddsSettings(tick_ms=1_200_000))
    watching = {rooms: Watching(clock, rooms) for rooms in ("feed", "odds", "gate")}
    gate = GateRooms(clock, log, ledger, settings, secret=b"a secret of the test", tracer=watching["gate"].tracer)
    gate.start()
    for room in ("odds", "feed"):
        workers = Workers(
            clock, stores, settings, lambda _: SimulatedLeague(1, SPEED), speed=SPEED, tracer=watching[room].tracer
        )  # fmt: skip
        workers.join([room])
    clock.run_for(2_000)
    line = Line(settings.push.buffer_bytes_max)
    gate.push.opened(line)
    gate.push.received(line, b'{"op":"subscribe","channel":"home"}')
    found = chain(clock, *watching.values())
    assert [(one.name, one.rooms) for one in found] == [("incident", "feed"), ("odds", "odds"), ("gate", "gate")]


def test_what_is_not_traced_is_said_as_it_always_was() -> None:
    """Byte for byte: an older reader, and who compares journals, sees no difference."""
    incident = Incident("F", 2, "feed", IncidentType.GOAL, "home", 60, FootballState(), 1)
    assert b"trace" not in encode(incident)
    process = Telling(*EVERY)
    process.clock.run_for(10_000)
    for topic in (Topic.INCIDENTS, Topic.BOOKS):
        records = process.log.read(topic, -1, 10_000)
        assert len(records) > 5
        assert all(b'"trace"' not in stored.value for stored in records)


def test_what_is_traced_changes_nothing_else() -> None:
    """The same seed, traced and not: the same words but for their contexts."""

    def said(traced: bool) -> list[bytes]:
        clock = VirtualClock(3)
        tracer = Watching(clock).tracer if traced else UNTRACED
        process = Telling(*EVERY, tracer=tracer, clock=clock)
        process.clock.run_for(20_000)
        found = [decode(stored.value) for stored in process.log.read(Topic.BOOKS, -1, 10_000)]
        assert traced == any(isinstance(one, BookChanged) and one.trace for one in found)
        return [encode(msgspec.structs.replace(one, trace="") if isinstance(one, BookChanged) else one)
                for one in found]  # fmt: skip

    assert said(traced=True) == said(traced=False)


def test_nothing_is_traced_unless_it_is_said_where_to() -> None:
    clock = VirtualClock(1)
    with traced(Trace(sample_ratio=1), clock, EVERY) as tracer:
        assert tracer is UNTRACED


def test_a_context_that_is_wrong_stops_nobody() -> None:
    clock = VirtualClock(1)
    watching = Watching(clock)
    process = Telling(*EVERY, tracer=watching.tracer, clock=clock)
    process.clock.run_for(2_000)
    fixture = next(iter(process.fixtures()))
    known = process.latest_of(fixture)
    incident = Incident(
        fixture, known.seq + 1_000, known.scheduled.feed, IncidentType.CORNER, "home", known.state.clock_s + 1,
        known.state, clock.now_ms(), "00-rubbish",
    )  # fmt: skip
    books = process.log.end(Topic.BOOKS)
    process.say(Topic.INCIDENTS, fixture, encode(incident))
    process.clock.run_for(100)
    assert process.log.end(Topic.BOOKS) > books
    assert [one for one in watching.seen if one.name == "odds" and one.notes.get("fixture") == fixture
            and one.begin_ms >= clock.now_ms() - 100] == []  # fmt: skip


@pytest.mark.parametrize("endpoint", ["127.0.0.1:4318", "grpc://collector"])
def test_an_endpoint_that_is_no_address_stops_the_start(endpoint: str) -> None:
    with pytest.raises(StartError, match=r"setting trace\.endpoint"):
        traced(Trace(endpoint=endpoint), VirtualClock(1), EVERY).__enter__()
