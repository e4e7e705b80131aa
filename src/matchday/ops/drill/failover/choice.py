"""Which faults a drill brings about."""

from typing import Final

from matchday.ops.drill.failover.faults import ROOMS, Fault
from matchday.ops.drill.failover.faults_engines import ENGINES
from matchday.words import WordsError

CI: Final = ("gate_answering", "odds", "settlement", "relay_carrying", "redis", "haproxy")
"""A share of them that takes two minutes."""


def chosen(words: str, *, ha: bool) -> list[Fault]:
    """The faults of a list of words. WordsError names a word that is none."""
    known = {fault.name: fault for fault in (*ROOMS, *ENGINES)}
    groups = {
        "all": tuple(name for name, fault in known.items() if ha or not fault.ha),
        "rooms": tuple(fault.name for fault in ROOMS), "engines": tuple(fault.name for fault in ENGINES), "ci": CI,
    }  # fmt: skip
    found: list[Fault] = []
    for word in filter(None, (word.strip() for word in words.split(","))):
        for name in groups.get(word, (word,)):
            if name not in known:
                raise WordsError(f"--faults {name!r}: there are {', '.join((*groups, *known))}")
            if known[name].ha and not ha:
                raise WordsError(f"--faults {name!r} needs engines in high availability: add --ha")
            found.append(known[name])
    if not found:
        raise WordsError("--faults names nothing; leave it out for all")
    return found
