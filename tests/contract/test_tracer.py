"""The tracer's port, by each that there is."""

from itertools import pairwise

import pytest

from matchday.backends.tracer_otel import OtelTracer
from matchday.config import Trace
from matchday.ports import UNTRACED, Tracer
from matchday.sim.clock import VirtualClock
from tests.tracing import ALL, Watching

NEVER = Trace(endpoint="http://nowhere.invalid", sample_ratio=0, incident_ratio=0)
GOOD = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(1)


@pytest.mark.parametrize("kind", ["untraced", "opentelemetry"])
@pytest.mark.parametrize(
    "context",
    [
        "", "rubbish", GOOD[:-1], GOOD + "0", GOOD.replace("00-", "ff-", 1), GOOD[:-2] + "00", GOOD.upper(),
        "00-" + "0" * 32 + "-b7ad6b7169203331-01", GOOD[:36] + "0" * 16 + "-01",
    ],
)  # fmt: skip
def test_what_is_no_context_of_watched_work_is_not_followed(kind: str, context: str, clock: VirtualClock) -> None:
    """Whatever stands on the log: a message is never refused for its trace."""
    tracer: Tracer = UNTRACED if kind == "untraced" else Watching(clock).tracer
    assert tracer.follow(context, "odds", clock.now_ms()) is None


def test_who_watches_nothing_follows_nothing(clock: VirtualClock) -> None:
    assert UNTRACED.start("slip") is None
    assert UNTRACED.follow(GOOD, "odds", 0) is None


def test_work_of_another_process_is_followed_from_when_it_was_appended(clock: VirtualClock) -> None:
    there, here = Watching(clock, "feed"), Watching(clock, "odds")
    began = there.tracer.start("incident", fixture="F")
    assert began is not None
    said_ms = clock.now_ms()
    clock.run_for(40)
    span = here.tracer.follow(began.context, "odds", said_ms, fixture="F")
    assert span is not None
    clock.run_for(2)
    span.end()
    whole = next(one for one in here.seen if one.name == "odds")
    assert (whole.begin_ms, whole.end_ms - whole.begin_ms, whole.notes) == (said_ms, 42, {"fixture": "F"})
    assert f"{whole.trace:032x}-{whole.parent:016x}" == began.context[3:-3]
    log = next(one for one in here.seen if one.name == "log")
    assert (log.parent, log.begin_ms, log.end_ms) == (whole.span, said_ms, said_ms + 40)


def test_a_record_from_a_clock_that_is_ahead_is_followed_from_now(clock: VirtualClock) -> None:
    watching = Watching(clock)
    span = watching.tracer.follow(GOOD, "odds", clock.now_ms() + 500)
    assert span is not None
    span.end()
    assert {one.begin_ms for one in watching.seen} == {clock.now_ms()}


def test_as_many_are_watched_as_is_set_and_nobody_can_tell_which(clock: VirtualClock) -> None:
    settings = Trace(endpoint="http://nowhere.invalid", sample_ratio=0.05, incident_ratio=0)
    tracer = Watching(clock, settings=settings).tracer
    watched = [number for number in range(20_000) if tracer.start("slip") is not None]
    assert 850 < len(watched) < 1_150  # five deviations
    gaps = {after - before for before, after in pairwise(watched)}
    assert len(gaps) > 30, "not every twentieth"
    assert all(tracer.start("incident") is None for _ in range(1_000))


def test_none_is_watched_where_the_ratio_is_nothing_and_all_where_it_is_one(clock: VirtualClock) -> None:
    assert all(Watching(clock, settings=NEVER).tracer.start("slip") is None for _ in range(1_000))
    assert all(Watching(clock, settings=ALL).tracer.start("slip") is not None for _ in range(10))


def test_the_same_seed_watches_the_same_work_under_the_same_ids() -> None:
    def run() -> list[tuple[int, int]]:
        clock = VirtualClock(7)
        watching = Watching(clock, settings=Trace(endpoint="x", sample_ratio=0.1))
        for _ in range(200):
            if (span := watching.tracer.start("slip")) is not None:
                span.end()
        return [(one.trace, one.span) for one in watching.seen]

    first = run()
    assert first
    assert first == run()


def test_what_is_begun_has_a_ratio(clock: VirtualClock) -> None:
    tracer: OtelTracer = Watching(clock).tracer
    with pytest.raises(KeyError):
        tracer.start("something else")
