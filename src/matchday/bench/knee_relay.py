"""The relay's knee: facts a second from the outbox onto the log, both on a disk, through the real room.

A backlog is carried as fast as it goes: no target of latency, as a relay that keeps up has none.
"""

import asyncio
from collections.abc import Callable
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Final

import uvloop

from matchday.app import stores
from matchday.backends.clock_wall import WallClock
from matchday.backends.ledger_sqlite import SqliteLedgerCore
from matchday.bench import ledger
from matchday.bench.stopwatch import now_s
from matchday.config import Settings
from matchday.model.messages import Topic
from matchday.services.relay import GROUP, Relay

_BATCH: Final = 256
_POLL_S: Final = 0.005
_S_MAX: Final = 60.0


def facts_per_s(folder: Path, bets: int) -> float:
    """Of the facts that so many bets and their accounts left in the outbox."""
    folder.mkdir(parents=True, exist_ok=True)
    with closing(SqliteLedgerCore(folder / "ledger.sqlite")) as core:
        core.commit(ledger.accounts())
        made = ledger.bets()
        for start in range(0, bets, _BATCH):
            core.commit(list(islice(made, min(_BATCH, bets - start))))
        last = core.last_fact
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_carried(folder, last))


async def _carried(folder: Path, last: int) -> float:
    loop = asyncio.get_running_loop()
    clock, failed = WallClock(loop), list[BaseException]()
    with stores(folder, clock, loop.call_soon_threadsafe, Settings(), failed.append) as (log, books):
        relay = Relay(clock, log, books)
        began = now_s()
        relay.start()
        until = began + _S_MAX
        carried: Callable[[], bool] = lambda: log.position(GROUP, Topic.ACCOUNTS) >= last  # noqa: E731
        while not carried() and not failed and now_s() < until:  # noqa: ASYNC110 - it comes by callback
            await asyncio.sleep(_POLL_S)
        took = now_s() - began
    if failed:
        raise failed[0]
    return last / took
