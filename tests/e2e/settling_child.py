"""The rooms that settle, for the story of a big market: they take up where the last of them was killed."""

import asyncio
import os
import sys
from pathlib import Path

from matchday.app import stores
from matchday.backends.clock_wall import WallClock
from matchday.config import Settings, Settlement
from matchday.model.football import IncidentType, advance
from matchday.model.football_markets import decisions
from matchday.model.messages import LegsDecided, Topic, encode
from matchday.ports import Record
from matchday.services import relay
from matchday.services.settlement import GROUP_ACCOUNT, SettlementByAccount
from matchday.sim.settle_population import FINAL, decide, second_half

PAGE = 40


async def main(folder: Path) -> None:
    loop = asyncio.get_running_loop()
    clock = WallClock(loop)
    with stores(folder, clock, loop.call_soon_threadsafe, Settings(), lambda error: os.abort()) as (log, ledger):
        room = SettlementByAccount(clock, log, ledger, Settlement(page_max=PAGE, wave_max=400))
        room.start()
        carrier = relay.Relay(clock, log, ledger)
        carrier.start()
        if log.end(Topic.DECISIONS) < 0:
            state = advance(second_half(), IncidentType.FULL_TIME, None, 2_900)
            outcomes = {name: outcome for name, outcome in decisions(state).items() if outcome is not None}
            made = decide(FINAL, outcomes, clock.now_ms()).decisions
            said = LegsDecided(FINAL, 9, "full_time", clock.now_ms(), made)
            log.append([Record(Topic.DECISIONS, FINAL, encode(said))])
        sys.stdout.write("settling\n")
        sys.stdout.flush()

        def at_rest() -> bool:
            """Where the relay stood may have been lost with the process before: it finds what is on the log."""
            carried = not carrier.backlog and not ledger.outbox(carrier._seq, 1)
            return log.position(GROUP_ACCOUNT, Topic.DECISIONS) >= 0 and room.idle and carried

        while not at_rest():  # noqa: ASYNC110 - rooms know no event
            await asyncio.sleep(0.01)
    sys.stdout.write("settled\n")


asyncio.run(main(Path(sys.argv[1])))
