"""How the interpreter of a long-running process collects garbage."""

import gc
from typing import Final

_THRESHOLDS: Final = (50_000, 50, 100)


def collect_rarely() -> None:
    """While a process makes what it holds, too: none of it is garbage, and all of it would be looked at each time that
    it has grown by a quarter."""
    gc.set_threshold(*_THRESHOLDS)


def tune_gc() -> None:
    """What stands when a process has started stays: never look at it again, and rarely at what comes."""
    gc.collect()
    gc.freeze()
    collect_rarely()
