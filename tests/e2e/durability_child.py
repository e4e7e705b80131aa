"""A bettor for the durability story: bets as fast as the ledger answers, and fsyncs its own record of each answer."""

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from matchday.backends.clock_wall import WallClock
from matchday.backends.ledger_sqlite import SqliteLedger, SqliteLedgerCore
from matchday.config import Storage
from matchday.model.bet import Leg, Policy
from matchday.model.ledger import Answer, Command, OpenAccount, PlaceBet, Transfer
from matchday.ports import LedgerUnavailable

FANS, BATCH = 8, 5


async def main(folder: Path) -> None:
    loop = asyncio.get_running_loop()
    clock = WallClock(loop)
    core = SqliteLedgerCore(folder / "ledger.sqlite")
    ledger = SqliteLedger(core, clock, loop.call_soon_threadsafe, Storage(), lambda error: os.abort())
    record = os.open(folder / "answers", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    now = clock.now_ms()

    def bet_again(fan: str) -> None:
        leg = Leg("F", "F:1x2", "F:1x2/home", 2000, 0)
        commands = [
            PlaceBet(clock.new_id(), fan, "EUR", 10, Policy.ANY, (leg,), clock.new_id(), clock.now_ms(), (leg,))
            for _ in range(BATCH)
        ]

        def answered(outcome: Sequence[Answer] | LedgerUnavailable) -> None:
            assert not isinstance(outcome, LedgerUnavailable)
            lines = "".join(f"{a.account} {a.id} {a.bet.bet}\n" for a in outcome if a.bet is not None)
            os.write(record, lines.encode())
            os.fsync(record)
            bet_again(fan)

        ledger.commit(commands, answered)

    for number in range(FANS):
        fan = f"fan{number}"
        opening: list[Command] = [
            OpenAccount(f"open-{fan}", fan, "EUR", now),
            Transfer(f"grant-{fan}", fan, 10**9, "EUR", "grant", now),
        ]
        ledger.commit(opening, lambda _, fan=fan: bet_again(fan))  # type: ignore[misc]
    sys.stdout.write("betting\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


asyncio.run(main(Path(sys.argv[1])))
