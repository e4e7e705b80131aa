"""What time it is and what a process has used, for measurements: one clock for all processes of this machine."""

import contextlib
import os
import resource
from collections.abc import Iterable, Iterator
from pathlib import Path
from time import clock_gettime, perf_counter
from typing import Final

now_s: Final = perf_counter
"""Seconds on a clock that never jumps and that all processes share (CLOCK_MONOTONIC)."""
_OF_THE_SCHEDULER: Final = 2
"""CPUCLOCK_SCHED: counted by the scheduler, not by ticks."""
_TICKS_A_SECOND: Final = os.sysconf("SC_CLK_TCK")
_ALLOWED: Final = os.sched_getaffinity(0)
SERVER_CORE: Final = min(_ALLOWED)
"""Where what is measured runs."""
LOAD_CORE: Final = max(_ALLOWED)
"""Where the load comes from: the same where there is only one. Processes that are started take on their starter's."""


def cpu_s(pid: int) -> float:
    """CPU seconds that all threads of a process have used, kernel included, to the nanosecond: its own CPU clock, whose
    id Linux makes of the process's (clock_getcpuclockid(3)). What ``/proc/PID/schedstat`` says is the main thread's."""
    return clock_gettime(~pid << 3 | _OF_THE_SCHEDULER)


def trees_cpu_s(pids: Iterable[int]) -> dict[int, float]:
    """Process -> CPU seconds of it, of those that it has started and that live, and of those that have ended and that
    it has waited for (``/proc``, read once), to the tick of the kernel. 0 of one that has ended."""
    children: dict[int, list[int]] = {}
    ticks: dict[int, int] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            with contextlib.suppress(OSError):
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                children.setdefault(int(fields[1]), []).append(int(folder.name))
                ticks[int(folder.name)] = sum(map(int, fields[11:15]))
    found = {}
    for pid in pids:
        sum_, left = 0, [pid]
        while left:
            sum_ += ticks.get(one := left.pop(), 0)
            left += children.get(one, ())
        found[pid] = sum_ / _TICKS_A_SECOND
    return found


def rss_bytes(pid: int) -> int:
    """Resident memory of a process now (``/proc/PID/statm``)."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()


@contextlib.contextmanager
def pinned(core: int) -> Iterator[None]:
    """This thread, and what it starts, on one core until the block ends."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextlib.contextmanager
def in_front() -> Iterator[None]:
    """This process before others of this machine until the block ends, where it may: load that is to come in time, as
    from other machines. It starts nothing meanwhile, which would be in front as well."""
    before = os.getpriority(os.PRIO_PROCESS, 0)
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, -10)
    try:
        yield
    finally:
        os.setpriority(os.PRIO_PROCESS, 0, before)


class Steal:
    """What the hypervisor took from all cores since it was made: the noise of a machine that is not ours alone."""

    def __init__(self) -> None:
        self._before = _ticks()

    def percent(self) -> float:
        """Of all time that passed."""
        now = _ticks()
        passed = sum(now) - sum(self._before)
        return round(100 * (now[7] - self._before[7]) / passed, 1) if passed else 0.0


def _ticks() -> list[int]:
    return [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
