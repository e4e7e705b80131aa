"""The faults of rooms, of the balancer and of the cache: each strikes, proves that it did, and is mended.

A fault with a moment of its own waits for it: what is to be hit stands still while it is looked whether the moment is
there, so that there is no race between the look and the blow. Those of PostgreSQL and Kafka: ``faults_engines``.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, NamedTuple

from msgspec.structs import replace

from matchday.ops.cluster_state import Member
from matchday.ops.drill import DrillError
from matchday.ops.drill.failover import processes
from matchday.ops.drill.failover.engines import is_master
from matchday.ops.drill.failover.processes import Seen, held, seen
from matchday.ops.drill.failover.stage import Stage, Struck

IN_FLIGHT_S: Final = 0.08
"""Seconds for which a process stands still so that what it has handed to the ledger is committed there."""
SLICE_S: Final = 0.005
"""Seconds for which settlement goes on between two looks at what it has left."""
ANSWERS_S_MAX: Final = 20.0
"""Seconds that a bet is waited for that is committed and not answered."""
PAUSE_S: Final = 0.1
TRIES: Final = 100
"""Times that a moment is looked for; then the fault strikes without it, and says so."""
MOMENT_S_MAX: Final = 240.0
"""Seconds that a settlement is waited for: bets are on matches that have yet to be played, which takes two minutes at
60 times their speed."""


class NotHere(DrillError):
    """A fault cannot be brought about on this machine, or this cluster: why. It is said, and counts for nothing."""


class Fault(NamedTuple):
    """Something that happens in production."""

    name: str
    bound_s: float
    """Seconds in which bets are accepted again, and watchers hear again."""
    what: str
    """For people."""
    strike: Callable[[Stage], Awaitable[Struck]]
    ha: bool = False
    """Whether it needs engines in high availability."""


async def killed(stage: Stage, member: Member, found: str = "", *, met: bool = True) -> Struck:
    """SIGKILL; mended by starting it again. ``found``: what it was, before the proof that it is no more."""
    was = seen(member)
    mark = stage.mark()
    proof = await asyncio.to_thread(processes.kill, member)
    return mark.struck(found + proof, again(stage, was), met=met)


def again(stage: Stage, *were: Seen) -> Callable[[], Coroutine[Any, Any, None]]:
    """What starts them again."""

    async def mend() -> None:
        for was in were:
            await asyncio.to_thread(stage.supervisor.again, was)

    return mend


# --- gates ------------------------------------------------------------------------------------------------------------


async def gate(stage: Stage) -> Struck:
    """Any gate, at any moment."""
    return await killed(stage, stage.one("gate"))


async def gate_answering(stage: Stage) -> Struck:
    """A gate that has committed bets and not answered them: it stands still while that is looked up, and dies so."""
    member = stage.one("gate")
    until_s = stage.now_s + ANSWERS_S_MAX
    while stage.now_s < until_s:
        if not stage.fans.unanswered():
            await asyncio.sleep(0.002)
            continue
        was = seen(member)
        with held(member.family):
            mark = stage.mark()
            await asyncio.sleep(IN_FLIGHT_S)
            ids = [offer.offered.id for offer in stage.fans.unanswered()]
            known = await asyncio.to_thread(stage.books.known, ids)
            waiting = known & {offer.offered.id for offer in stage.fans.unanswered()}
            if waiting:
                proof = await asyncio.to_thread(processes.kill, member)
                found = f"{len(waiting)} bets committed and not answered ({min(waiting)}, ...); "
                return mark.struck(found + proof, again(stage, was))
        await asyncio.sleep(PAUSE_S)
    return await killed(stage, member, met=False)


# --- rooms that share their work --------------------------------------------------------------------------------------


async def odds(stage: Stage) -> Struck:
    """The owner of most books."""
    return await killed(stage, await stage.owner("odds"))


async def odds_rebalancing(stage: Stage) -> Struck:
    """The only owner of all books, while it hands some of them to one that has just come."""
    owners = await stage.owners("odds")
    if len(owners) < 2:
        raise DrillError("a rebalance of odds needs two of them: `matchday cluster scale odds=2`")
    owner, other = owners[0][1], owners[1][1]
    was, comes = seen(owner), seen(other)
    processes.send(other.family, signal.SIGTERM)

    async def alone() -> bool:
        return [count for count, _ in await stage.owners("odds")] == [stage.shares]

    if not await stage.until(alone, MOMENT_S_MAX):
        raise DrillError(f"{owner.name} did not take over what {other.name} gave up")
    other = await asyncio.to_thread(stage.supervisor.again, comes)
    counts: dict[str, int] = {}

    async def handing_over() -> bool:
        counts.update({member.name: count for count, member in await stage.owners("odds")})
        return counts[owner.name] < stage.shares

    met = await stage.until(handing_over, MOMENT_S_MAX)
    mark = stage.mark()
    proof = await asyncio.to_thread(processes.kill, owner)
    shown = ", ".join(f"{name} held {count}" for name, count in counts.items())
    return mark.struck(f"of {stage.shares} shares {shown}; {proof}", again(stage, was), met=met)


async def settlement(stage: Stage) -> Struck:
    """Whoever has most of settlement."""
    return await killed(stage, await stage.owner("settlement"))


async def settlement_settling(stage: Stage) -> Struck:
    """Settlement between a decision and the settling of its bets, which are some hundredths of a second: it is let go
    on in slices that are shorter than that, and looked at between them."""
    member = await stage.owner("settlement")
    was = seen(member)
    until_s = stage.now_s + MOMENT_S_MAX
    while stage.now_s < until_s:
        with held(member.family):
            mark = stage.mark()
            if await asyncio.to_thread(stage.books.unsettled):
                await asyncio.sleep(IN_FLIGHT_S)
                left = await asyncio.to_thread(stage.books.unsettled)
                if left:
                    proof = await asyncio.to_thread(processes.kill, member)
                    return mark.struck(f"{left} bets decided and not settled; {proof}", again(stage, was))
        await asyncio.sleep(SLICE_S)
    return await killed(stage, member, met=False)


async def relay(stage: Stage) -> Struck:
    """The relay that works."""
    return await killed(stage, await stage.owner("relay"))


async def relay_carrying(stage: Stage) -> Struck:
    """The relay with facts that the ledger holds and no fan has heard. What it carried in the last half second is not
    in its position yet (``kafka.position_ms``), and is carried again by its heir."""
    member = await stage.owner("relay")
    was = seen(member)
    for _ in range(TRIES):
        with held(member.family):
            mark = stage.mark()
            await asyncio.sleep(IN_FLIGHT_S)
            heard = max(fan.watcher.client.held["account"].offset for fan in stage.fans.fans)
            newer = await asyncio.to_thread(stage.books.newer, heard)
            if newer:
                proof = await asyncio.to_thread(processes.kill, member)
                return mark.struck(f"{newer} facts committed and not carried; {proof}", again(stage, was))
        await asyncio.sleep(PAUSE_S)
    return await killed(stage, member, met=False)


# --- what stands beside -----------------------------------------------------------------------------------------------


async def redis(stage: Stage) -> Struck:
    """The cache; of several, the master."""
    found = [one for one in stage.state().engines if one.kind == "redis" and one.lives]
    masters = [one for one in found if await asyncio.to_thread(is_master, one)] if len(found) > 1 else found
    if not masters:
        raise NotHere("this cluster started no Redis that could be killed")
    return await killed(stage, masters[0])


async def haproxy(stage: Stage) -> Struck:
    """A balancer. Where there is only one, whoever supervises it starts it again at once."""
    living = [one for one in stage.state().balancers if one.lives]
    if not living:
        raise NotHere("this cluster started no balancer that could be killed")
    struck = await killed(stage, living[0])
    if len(living) > 1:
        return struck
    await struck.mend()
    return replace(struck, proof=f"{struck.proof}; started again at once by its supervisor", mend=nothing)


async def nothing() -> None:
    """Nothing is to be mended."""


ROOMS: Final = (
    Fault("gate", 2, "SIGKILL of a gate", gate),
    Fault("gate_answering", 2, "SIGKILL of a gate between commit and answer", gate_answering),
    Fault("odds", 3, "SIGKILL of the owner of books", odds),
    Fault("odds_rebalancing", 3, "SIGKILL of the owner of books in a rebalance", odds_rebalancing),
    Fault("settlement", 3, "SIGKILL of settlement", settlement),
    Fault("relay", 3, "SIGKILL of the relay", relay),
    Fault("relay_carrying", 3, "SIGKILL of the relay with facts to carry", relay_carrying),
    Fault("redis", 3, "SIGKILL of Redis", redis),
    Fault("haproxy", 3, "SIGKILL of HAProxy", haproxy),
    Fault("settlement_settling", 3, "SIGKILL of settlement in a settlement", settlement_settling),
)
