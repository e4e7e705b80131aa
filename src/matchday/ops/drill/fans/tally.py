"""What became of what the crowd did: by phase and act, each an open loop's record (``bench.open_loop``)."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from matchday.bench.figures import percentile
from matchday.bench.open_loop import CouldNotKeepUp, Seen
from matchday.ops.drill.fans.behaviour import TIMED, Act

FINE: Final = frozenset({"accepted", "pending", "200", "201", "watching", "tapped", "back", "resumed"})
"""Answers that are what the fan wanted."""
REFUSED: Final = frozenset({
    "price_moved", "generation_stale", "market_suspended", "market_closed", "selection_unknown", "exposure_reached",
    "stake_limit_reached", "loss_limit_reached", "insufficient_funds",
})  # fmt: skip
"""Refusals that are the platform's right answer: neither fine nor an error."""
TARGETS_MS: Final[Mapping[str, float]] = {
    Act.ARRIVE: 1_000, Act.HOME: 500, Act.WATCH: 1_000, Act.TAP: 500, Act.BET: 250, Act.COME_BACK: 2_000, "frame": 500,
}  # fmt: skip
"""p99 in milliseconds, from when an act was due; of a frame, from when its change was published."""
FRAME: Final = "frame"
WAITED: Final = "waited"
"""An arrival through the waiting room: it is not late, it was told so."""
NOT_REACHED: Final = "not_reached"
"""What a fan had still to do when it gave up."""
_NEITHER: Final = frozenset({WAITED, NOT_REACHED})
"""Neither what the fan wanted nor an error of its own."""
FRAMES_KEPT_MAX: Final = 200_000
"""Times of frames that are kept in a phase; further ones are counted."""


class Line(msgspec.Struct, kw_only=True):
    """One act in one phase, for the report."""

    act: str
    due: int = 0
    sent: int = 0
    answered: int = 0
    fine: int = 0
    refused: int = 0
    """By a rule of betting."""
    errors: int = 0
    lost: int = 0
    """Sent and never answered."""
    late: int = 0
    """Answered after the target."""
    p50_ms: float | None = None
    p99_ms: float | None = None
    target_ms: float
    met: bool | None = None
    """None: nothing was due, or no latency can be published."""
    why: str = ""
    """Why no latency is published."""
    answers: dict[str, int] = {}


class Tally:
    """Of a whole drill."""

    def __init__(self, phases: int) -> None:
        self._seen: list[dict[Act, Seen]] = [{act: Seen() for act in TIMED} for _ in range(phases)]
        self.frames: list[list[float]] = [[] for _ in range(phases)]
        self.frames_heard = [0] * phases
        self.frame_bytes = 0
        self.dropped: dict[str, int] = {}
        """Connections that ended without the fan's wish: how -> how many."""

    def of(self, phase: int, act: Act) -> Seen:
        """The record of an act that was due in a phase."""
        return self._seen[phase][act]

    def frame(self, phase: int, took_ms: float, size: int) -> None:
        """A change reached a screen."""
        self.frames_heard[phase] += 1
        self.frame_bytes += size
        if len(kept := self.frames[phase]) < FRAMES_KEPT_MAX:
            kept.append(took_ms)

    def end(self, phase: int) -> None:
        """What is answered from now on was not answered in its phase."""
        for seen in self._seen[phase].values():
            seen.over = True

    def totals(self) -> tuple[int, int, int]:
        """(due, answered, errors) of all acts so far."""
        due = answered = wrong = 0
        for seen in (seen for phase in self._seen for seen in phase.values()):
            due += seen.due
            answered += seen.answered
            wrong += sum(len(times) for kind, times in seen.times_ms.items() if kind not in FINE | REFUSED | _NEITHER)
        return due, answered, wrong

    def lags_ms(self, phase: int) -> Sequence[float]:
        """By how much the generator was late with each act of a phase."""
        return [lag for seen in self._seen[phase].values() for lag in seen.lags_ms]

    def lines(self, phase: int) -> list[Line]:
        """The report of a phase."""
        found = [line_of(act, seen) for act, seen in self._seen[phase].items() if seen.due]
        if self.frames_heard[phase]:
            found.append(self._frames(phase))
        return found

    def _frames(self, phase: int) -> Line:
        times, count, target = self.frames[phase], self.frames_heard[phase], TARGETS_MS[FRAME]
        p99 = percentile(times, 0.99)
        return Line(
            act=FRAME, due=count, sent=count, answered=count, fine=count, late=sum(took > target for took in times),
            p50_ms=round(percentile(times, 0.5), 1), p99_ms=round(p99, 1), target_ms=target, met=p99 <= target,
        )  # fmt: skip


def line_of(act: str, seen: Seen) -> Line:
    """One act's line: percentiles over all answers that were wanted, or why there are none."""
    target = TARGETS_MS[act]
    answers = {kind: len(times) for kind, times in sorted(seen.times_ms.items())}
    line = Line(act=act, due=seen.due, sent=seen.sent, answered=seen.answered, target_ms=target, answers=answers)
    wanted = [took for kind, times in seen.times_ms.items() if kind in FINE for took in times]
    line.fine = len(wanted)
    line.refused = sum(count for kind, count in answers.items() if kind in REFUSED)
    line.errors = seen.answered - line.fine - line.refused - sum(answers.get(kind, 0) for kind in _NEITHER)
    line.lost = seen.sent - seen.answered
    line.late = sum(took > target for took in wanted)
    if not wanted:
        line.why = seen.trouble() or "no answer was what the fan wanted"
        return line
    try:
        whole = Seen(seen.due, seen.sent, seen.answered, seen.lags_ms, {"all": wanted})
        line.p50_ms, line.p99_ms = round(whole.latency_ms("all", 0.5), 1), round(whole.latency_ms("all", 0.99), 1)
    except CouldNotKeepUp as trouble:
        line.why = str(trouble)
        return line
    line.met = line.p99_ms <= target
    return line
