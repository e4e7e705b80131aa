"""Faults in the middle of a night: which, when, and how to say them."""

import re
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from matchday.ops.drill.night.shapes import Phase
from matchday.words import WordsError

Kind = Literal["kill", "drain", "pause"]
KINDS: Final[dict[str, str]] = {
    "kill": "a gate ends at once, as by a power cut; an embedded platform is started again",
    "drain": "a gate is told to end, as by a roll-out; an embedded platform is started again",
    "pause": "a gate stands still for three seconds, as a machine that swaps",
}
PAUSE_S: Final = 3.0
_WORD: Final = re.compile(r"([a-z]+)@(.+?)(?:\+([0-9]{1,6}(?:\.[0-9]{1,3})?))?")


class Fault(NamedTuple):
    """One."""

    kind: str
    phase: str
    at_s: float
    """Seconds from the beginning of the night."""


def faults_of(words: Sequence[str], phases: Sequence[Phase], ends_s: Sequence[float]) -> list[Fault]:
    """``kill@goal+2``: two seconds into the phase "goal". WordsError names what is no fault, or no phase."""
    starts = dict(zip((phase.name for phase in phases), [0.0, *ends_s[:-1]], strict=True))
    found = []
    for word in words:
        said = _WORD.fullmatch(word)
        if said is None or said[1] not in KINDS:
            raise WordsError(f"--faults {word!r} is no fault; write KIND@PHASE or KIND@PHASE+SECONDS, KIND one of "
                             f"{', '.join(KINDS)}")  # fmt: skip
        if said[2] not in starts:
            raise WordsError(f"--faults {word!r}: this night has no phase {said[2]!r}; it has {', '.join(starts)}")
        at_s = starts[said[2]] + float(said[3] or 0)
        if at_s >= ends_s[-1]:
            raise WordsError(f"--faults {word!r}: the night is over {ends_s[-1]:g} s after its beginning")
        found.append(Fault(said[1], said[2], at_s))
    return sorted(found, key=lambda fault: fault.at_s)
