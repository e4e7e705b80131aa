"""A span: what is said of it is said of whatever traces."""

from matchday.ports import Span
from matchday.sim.clock import VirtualClock
from tests.tracing import Watching


def begun(watching: Watching) -> Span:
    span = watching.tracer.start("slip", kind="single")
    assert span is not None
    return span


def test_its_parts_follow_one_another_without_a_gap() -> None:
    clock = VirtualClock(1)
    watching = Watching(clock)
    span = begun(watching)
    began_ms = clock.now_ms()
    for name, took_ms in (("wait", 3), ("commit", 8), ("answer", 1)):
        span.stage(name, bets=took_ms)
        clock.run_for(took_ms)
    span.end(outcome="accepted")
    parts, (whole,) = watching.seen[:-1], watching.seen[-1:]
    assert [(one.name, one.begin_ms - began_ms, one.end_ms - began_ms) for one in parts] == [
        ("wait", 0, 3), ("commit", 3, 11), ("answer", 11, 12)
    ]  # fmt: skip
    assert {one.parent for one in parts} == {whole.span}
    assert {one.trace for one in parts} == {whole.trace}
    assert (whole.parent, whole.notes) == (0, {"kind": "single", "outcome": "accepted"})
    assert parts[1].notes == {"bets": 8}


def test_what_is_over_is_over_once() -> None:
    clock = VirtualClock(1)
    watching = Watching(clock)
    span = begun(watching)
    span.end(outcome="accepted")
    span.end(outcome="refused")
    assert [one.notes.get("outcome") for one in watching.seen] == ["accepted"]


def test_its_context_is_what_the_standard_says() -> None:
    """W3C Trace Context: version, trace, span, and that it is watched."""
    clock = VirtualClock(1)
    watching = Watching(clock)
    span = begun(watching)
    version, trace, own, flags = span.context.split("-")
    span.end()
    (seen,) = watching.seen
    assert (version, flags) == ("00", "01")
    assert (int(trace, 16), int(own, 16)) == (seen.trace, seen.span)
    assert (len(trace), len(own)) == (32, 16)
