"""The canary: a few gates of a new release beside the others, watched through the balancer that sends fans to both.

What is judged is what fans got, by the balancer's count, which no release can get wrong: answers 5xx and connections
that broke; answers 4xx, of which most are refusals by rule, as far as they are more than the other gates give; how long
answers took. All of it beside the other gates in the same seconds: a busy hour, or an engine that stumbles, is no fault
of the release.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Final

import msgspec

_LATE_LOOKS: Final = 3
"""Looks in a row at which it must be slow: one may fall into a pause of the machine."""
_LATE_MS: Final = 20
"""Milliseconds by which it may be slower whatever the ratio."""
_REFUSED: Final = 0.05
"""Share of 4xx by which it may be above twice that of the others."""
_CHANCE: Final = 3.0
"""Standard deviations beyond that: of fifteen answers, one refusal by rule is 7 % of them and says nothing."""


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """What a canary may cost."""

    seconds: float = 30.0
    """For how long it is watched."""
    errors_max: float = 0.001
    """Share of its answers that may be 5xx or broken connections, beyond the share of the other gates."""
    slower_max: float = 2.0
    """Times the mean of the others that its answers may take."""
    requests_min: int = 100
    """Requests without which nothing can be said of it."""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What the balancer counted of some gates since a moment."""

    requests: int = 0
    failed: int = 0
    """5xx and broken connections."""
    refused: int = 0
    """4xx."""
    answer_ms: float = 0.0
    """Mean of the last thousand of each, weighed by their requests."""
    down: tuple[str, ...] = ()
    """Gates that the balancer holds for dead."""

    def share(self, count: int) -> float:
        """Of its requests."""
        return count / self.requests if self.requests else 0.0


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen of a canary, and what follows."""

    fault: str
    """Why it is taken back; empty where it is good."""
    canary: Seen
    others: Seen
    seconds: float


def refusals_max(requests: int, others: Seen) -> float:
    """How many of so many answers may be 4xx: twice the others' share and 5 %, and what chance adds to both counts
    (three standard deviations of a binomial share)."""
    beside = others.share(others.refused)
    share = min(1.0, 2 * beside + _REFUSED)
    variance = share * (1 - share) / max(1, requests) + 4 * beside * (1 - beside) / max(1, others.requests)
    return float(requests * (share + _CHANCE * variance**0.5))


Rows = Mapping[str, Mapping[str, str]]
"""Gate -> what HAProxy counts of it."""


class Watch:
    """One canary's time on trial. ``rows`` asks the balancer."""

    def __init__(self, canaries: Collection[str], budget: Budget, rows: Callable[[], Rows]) -> None:
        self._canaries, self._budget, self._rows = frozenset(canaries), budget, rows
        self._began = rows()
        self._late = 0
        self.canary = self.others = Seen()

    def look(self) -> str:
        """Why it is to be taken back now; empty where it is not."""
        now = self._rows()
        if not now:
            return "the balancer does not answer"
        self.canary = self._since(now, self._canaries)
        self.others = self._since(now, now.keys() - self._canaries)
        budget, canary, others = self._budget, self.canary, self.others
        if canary.down or self._canaries - now.keys():
            return f"{', '.join(canary.down) or 'it'} does not answer the balancer"
        if canary.requests < budget.requests_min:
            return ""
        failed, beside = canary.share(canary.failed), others.share(others.failed)
        if failed > beside + budget.errors_max:
            return (f"{canary.failed} of its {canary.requests} answers were 5xx or broken connections ({failed:.2%}; "
                    f"the others {beside:.2%}, budget {budget.errors_max:.2%})")  # fmt: skip
        if canary.refused > refusals_max(canary.requests, others):
            refused, beside = canary.share(canary.refused), others.share(others.refused)
            return f"{refused:.0%} of its answers were 4xx, of the others {beside:.0%}"
        slow = canary.answer_ms > budget.slower_max * others.answer_ms + _LATE_MS
        self._late = self._late + 1 if slow else 0
        if self._late >= _LATE_LOOKS:
            return f"its answers take {canary.answer_ms:.0f} ms, those of the others {others.answer_ms:.0f} ms"
        return ""

    def end(self) -> str:
        """The same when its time is over."""
        least = self._budget.requests_min
        if self.canary.requests < least:
            return (f"it had {self.canary.requests} requests, and less than {least} say nothing: watch it for longer "
                    "(--watch), or ask for fewer (--requests-min)")  # fmt: skip
        return self.look()

    def _since(self, now: Rows, gates: Collection[str]) -> Seen:
        requests = failed = refused = 0
        took, down = 0.0, []
        for gate in sorted(gates & now.keys()):
            row, before = now[gate], self._began.get(gate, {})

            def more(name: str, row: Mapping[str, str] = row, before: Mapping[str, str] = before) -> int:
                return int(row.get(name) or 0) - int(before.get(name) or 0)

            answered = sum(more(f"hrsp_{first}xx") for first in "12345")
            broken = more("econ") + more("eresp")
            requests += answered + broken
            failed += more("hrsp_5xx") + broken
            refused += more("hrsp_4xx")
            took += answered * float(row.get("rtime") or 0)
            if not row["status"].startswith(("UP", "DRAIN", "no check")):
                down.append(gate)
        return Seen(requests=requests, failed=failed, refused=refused, down=tuple(down),
                    answer_ms=round(took / requests, 1) if requests else 0.0)  # fmt: skip
