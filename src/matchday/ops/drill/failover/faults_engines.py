"""The faults of engines in high availability, of a disk, of the network and of a clock.

What has an address of its own stands for a machine: what is done to a machine is done to all processes at its address.
Needs root where the kernel asks for it; NotHere says what is missing.
"""

import asyncio
import contextlib
import shutil
import signal
import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

from matchday.ops.cluster_rooms import READY_S_MAX, stop
from matchday.ops.cluster_state import Member
from matchday.ops.drill import DrillError
from matchday.ops.drill.failover import engines, processes
from matchday.ops.drill.failover.cut import Cut, Isolated
from matchday.ops.drill.failover.faults import Fault, NotHere, again, killed, nothing
from matchday.ops.drill.failover.processes import seen, stopped
from matchday.ops.drill.failover.stage import Stage, Struck

HANG_S: Final = 20.0
"""Seconds for which a machine hangs, or is cut off: longer than its lease lasts."""
CUT_S: Final = 0.5
"""Seconds until the cut is whole."""
DISK_S: Final = 15.0
"""Seconds for which a disk is full, or slow."""
SLOW_US: Final = 100_000
"""Microseconds that each flush of a slow disk takes longer: the most that ``commit_delay`` can be."""
JUMP_S: Final = 7_200
FAKED_S_MAX: Final = 60.0
"""Seconds for a gate to be ready under libfaketime."""
WAIT_MS: Final = 20
"""Milliseconds for which threads of the client libraries wait under libfaketime, whatever they asked for: it takes one
clock for the other where a wait is by the monotonic one (its issues #142 and #469), and they would never wake."""
CLOCK_S: Final = 1.5
"""Seconds after which a gate's answers have its new time."""
_FAKETIME: Final = (
    Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"),
    Path("/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1"),
)


def _pids(members: Sequence[Member]) -> list[int]:
    return [pid for one in members for pid in one.family]


async def _primary(stage: Stage) -> list[Member]:
    """Everything at the primary's address."""
    return await asyncio.to_thread(engines.primary, stage.state())


# --- PostgreSQL -------------------------------------------------------------------------------------------------------


async def primary(stage: Stage) -> Struck:
    """PostgreSQL of the primary; its Patroni lives, and looks after it."""
    found = [one for one in await _primary(stage) if one.kind == "postgres"]
    mark = stage.mark()
    proof = await asyncio.to_thread(processes.kill, *found)
    return mark.struck(proof, nothing)


async def primary_machine(stage: Stage) -> Struck:
    """The primary's machine, with bets on their way: it stands still while that is looked up."""
    members = await _primary(stage)
    were = [seen(one) for one in members if one.kind == "patroni"]
    while True:
        await asyncio.sleep(0.01)
        with processes.held(_pids(members)):
            mark = stage.mark()
            if mark.pending:
                proof = await asyncio.to_thread(processes.kill, *members)
                found = f"{mark.pending} bets sent and not answered; "
                return mark.struck(found + proof, again(stage, *were))


async def primary_hang(stage: Stage) -> Struck:
    """The primary's machine hangs, and comes back when another has taken over."""
    members = await _primary(stage)
    pids = _pids(members)
    mark = stage.mark()
    processes.send(pids, signal.SIGSTOP)
    hanging = sum(stopped(pid) for pid in pids)

    async def mend() -> None:
        await asyncio.sleep(max(0.0, mark.at_s + HANG_S - stage.now_s))
        processes.send(pids, signal.SIGCONT)

    return mark.struck(f"SIGSTOP to {hanging} processes at {members[0].address} for {HANG_S:g} s", mend, timed=True)


async def primary_cut(stage: Stage) -> Struck:
    """The primary is cut off from all others, but for a client on its side, which commits on."""
    members = await _primary(stage)
    node = next(one for one in members if one.kind == "postgres")
    uses = [use for one in members for use in one.uses]
    side = f"{stage.state().network}.99"
    isolated = Isolated(node.address, node.port, side, lambda: stage.now_s)
    await isolated.begin()
    cut = Cut(node.address, uses, side)
    mark = stage.mark()
    try:
        await asyncio.to_thread(cut.begin)
    except NotHere:
        await isolated.end()
        raise

    async def mend() -> None:
        await asyncio.sleep(max(0.0, mark.at_s + HANG_S - stage.now_s))
        healed_s = stage.now_s
        await asyncio.to_thread(cut.end)
        await isolated.end()
        isolated.judge(mark.at_s + CUT_S, healed_s)

    try:
        proof = await asyncio.to_thread(cut.prove)
    except DrillError:
        await mend()
        raise
    return mark.struck(f"{proof}; a client on its side goes on to commit", mend, timed=True)


# --- disks ------------------------------------------------------------------------------------------------------------


async def disk_full(stage: Stage) -> Struck:
    """Not a byte is left on the disk of the primary."""
    node = next(one for one in await _primary(stage) if one.kind == "postgres")
    data = Path(node.data)
    if not await asyncio.to_thread(data.is_mount):
        raise NotHere(f"{data} is no disk of its own, which could be filled: only a drill's own cluster has some")
    filler = data / "filler"
    mark = stage.mark()
    await asyncio.to_thread(_fill, filler)
    left = shutil.disk_usage(data).free

    async def mend() -> None:
        await asyncio.sleep(max(0.0, mark.at_s + DISK_S - stage.now_s))
        filler.unlink()

    return mark.struck(f"{left} bytes are left on {data}, for {DISK_S:g} s", mend, timed=True)


def _fill(file: Path) -> None:
    """Until nothing more fits."""
    block = bytes(1 << 20)
    with file.open("wb", buffering=0) as out, contextlib.suppress(OSError):
        while block:
            if out.write(block) < len(block):
                block = block[: len(block) // 2]


async def disk_slow(stage: Stage) -> Struck:
    """Each flush of the primary's log takes longer, by its own ``commit_delay``: no disk here can be made slow."""
    await asyncio.to_thread(stage.books.administer, f"ALTER SYSTEM SET commit_delay = {SLOW_US}")
    await asyncio.to_thread(stage.books.administer, "ALTER SYSTEM SET commit_siblings = 0")
    mark = stage.mark()
    await asyncio.to_thread(stage.books.administer, "SELECT pg_reload_conf()")
    await asyncio.sleep(0.5)
    shown = await asyncio.to_thread(stage.books.administer, "SHOW commit_delay")

    async def mend() -> None:
        await asyncio.sleep(max(0.0, mark.at_s + DISK_S - stage.now_s))
        for sql in ("ALTER SYSTEM RESET commit_delay", "ALTER SYSTEM RESET commit_siblings", "SELECT pg_reload_conf()"):
            await asyncio.to_thread(stage.books.administer, sql)

    return mark.struck(f"injected: the server's commit_delay is {shown} us, for {DISK_S:g} s", mend, timed=True)


# --- Kafka ------------------------------------------------------------------------------------------------------------


async def broker(stage: Stage) -> Struck:
    """The broker through which all prices go."""
    number = await asyncio.to_thread(engines.leader, stage.brokers, f"{stage.platform}.books")
    return await killed(stage, _named(stage, f"kafka-{number}"), f"leads {stage.platform}.books; ")


async def controller(stage: Stage) -> Struck:
    """The broker that is the active controller."""
    number = await asyncio.to_thread(engines.controller, stage.brokers)
    return await killed(stage, _named(stage, f"kafka-{number}"), "the active controller; ")


def _named(stage: Stage, name: str) -> Member:
    return next(one for one in stage.state().engines if one.name == name)


# --- a clock ----------------------------------------------------------------------------------------------------------


async def clock_jump(stage: Stage) -> Struck:
    """The clock of one gate jumps two hours ahead: it is started again under libfaketime first."""
    library = next((path for path in _FAKETIME if path.exists()), None)
    if library is None:
        raise NotHere("libfaketime is not installed (on Debian: apt-get install faketime)")
    member = stage.state().of("gate")[-1]
    was = seen(member)
    file = stage.folder.path / "faketime"
    file.write_text("+0\n")
    await asyncio.to_thread(stop, [member], lambda _: None)
    under = {
        "LD_PRELOAD": str(library), "FAKETIME_TIMESTAMP_FILE": str(file), "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1", "FAKETIME_WAIT_MS": str(WAIT_MS),
    }  # fmt: skip
    member = await asyncio.to_thread(partial(stage.supervisor.again, was, under))
    if not await stage.until(stage.whole, FAKED_S_MAX):
        await asyncio.to_thread(processes.kill, member)
        await asyncio.to_thread(stage.supervisor.again, was)
        await stage.until(stage.whole, READY_S_MAX)
        raise NotHere(f"{member.name} does not become ready under libfaketime, whose clock did not jump yet")
    mark = stage.mark()
    file.write_text(f"+{JUMP_S}\n")
    try:
        ahead_s = await asyncio.to_thread(_ahead_s, stage, member)
    except DrillError:
        file.write_text("+0\n")
        raise

    async def mend() -> None:
        await asyncio.sleep(max(0.0, mark.at_s + DISK_S - stage.now_s))
        file.write_text("+0\n")

    return mark.struck(f"the clock of {member.name} is {ahead_s:.0f} s ahead, for {DISK_S:g} s", mend, timed=True)


def _ahead_s(stage: Stage, gate: Member) -> float:
    """By how much a gate's clock is ahead of ours."""
    threading.Event().wait(CLOCK_S)
    return engines.clock_ms(gate) / 1_000 - stage.clock.now_ms() / 1_000


ENGINES: Final = (
    Fault("primary", 10, "SIGKILL of PostgreSQL's primary", primary, ha=True),
    Fault("primary_machine", 10, "SIGKILL of the primary's machine, with bets on their way", primary_machine, ha=True),
    Fault("broker", 10, "SIGKILL of the broker of all prices", broker, ha=True),
    Fault("controller", 10, "SIGKILL of Kafka's active controller", controller, ha=True),
    Fault("primary_hang", 30, "SIGSTOP of the primary's machine", primary_hang, ha=True),
    Fault("primary_cut", 30, "the primary cut off, with some of its clients", primary_cut, ha=True),
    Fault("disk_full", 30, "a full disk of the primary", disk_full, ha=True),
    Fault("disk_slow", 10, "a slow disk of the primary", disk_slow),
    # Not a kill, but as a hang: the gate refuses its own fans for as long as nobody can tell how old its prices are.
    Fault("clock_jump", 30, "a gate's clock that jumps", clock_jump),
)
