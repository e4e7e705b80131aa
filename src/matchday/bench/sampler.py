"""A sampling profiler of all threads of this process: where time goes, at little cost to what it watches.

Writes collapsed stacks, one a line with how often it was seen (``a;b;c 12``), which flame graphs and speedscope read.
Threads that wait are left out.
"""

import contextlib
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Final

EVERY_S: Final = 0.003
"""Seconds between two looks."""
SWITCH_S: Final = 0.0001
"""Seconds after which a thread that computes lets the sampler look: it would else be seen only where it waits."""
_WAITING: Final = frozenset({"wait", "_wait_for_tstate_lock", "select", "poll", "accept", "get", "run"})
"""Functions in which a thread waits when it is found in them: ``run`` is an event loop in C, which is found there while
it waits for something to happen, as what it calls has frames of its own."""


@contextlib.contextmanager
def sampled(file: Path) -> Iterator[None]:
    """Sample until the block ends, then write."""
    stop, seen, switch = threading.Event(), Counter[str](), sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_S)
    thread = threading.Thread(target=_watch, args=(stop, seen), name="sampler", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        sys.setswitchinterval(switch)
        file.write_text("".join(f"{stack} {times}\n" for stack, times in seen.most_common()), encoding="utf-8")


def _watch(stop: threading.Event, seen: Counter[str]) -> None:
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    while not stop.wait(EVERY_S):
        for ident, frame in sys._current_frames().items():
            if ident == threading.get_ident() or frame.f_code.co_name in _WAITING:
                continue
            if ident not in names:
                names = {thread.ident: thread.name for thread in threading.enumerate()}
            seen[_stack(names.get(ident, "?"), frame)] += 1


def _stack(thread: str, frame: FrameType | None) -> str:
    calls = []
    while frame is not None:
        code = frame.f_code
        calls.append(f"{Path(code.co_filename).stem}.{code.co_name}")
        frame = frame.f_back
    return ";".join([thread, *reversed(calls)])


def top(file: Path, count: int) -> list[tuple[str, float, float]]:
    """(function, its share of the samples by itself, with all it called), the costliest by themselves first."""
    own, whole = Counter[str](), Counter[str]()
    for line in file.read_text(encoding="utf-8").splitlines():
        stack, _, times = line.rpartition(" ")
        calls = stack.split(";")[1:]
        own[calls[-1]] += int(times)
        whole.update(dict.fromkeys(calls, int(times)))
    total = own.total() or 1
    return [(name, times / total, whole[name] / total) for name, times in own.most_common(count)]
