"""How the interpreter of a long-running process collects garbage."""

import gc
from typing import Final

_THRESHOLDS: Final = (50_000, 50, 100)


def tune_gc() -> None:
    """What stands when a process has started stays: never look at it again, and rarely at what comes."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
