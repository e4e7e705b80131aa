"""The same races with real threads: rooms on one thread, the ledger's writer on another, a real clock and a real file.
A smaller number: here the machine decides what comes first."""

import asyncio
import contextlib
import random
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from matchday.backends.clock_wall import WallClock
from matchday.backends.ledger_sqlite import SqliteLedger, SqliteLedgerCore
from matchday.backends.log_sqlite import SqliteLog, SqliteLogCore
from matchday.config import Bets as BetSettings
from matchday.config import Settlement, Storage
from matchday.model.bet import OUTCOMES, BetStatus, Result
from matchday.model.ledger import LimitName, OpenAccount, Refusal, SetLimit, Transfer
from matchday.model.market import MarketStatus
from matchday.model.messages import BetSettled, Decision, LegsDecided, Topic, encode
from matchday.ports import Record
from matchday.services.relay import Relay
from matchday.services.settlement import SettlementByAccount
from tests.unit.gates import Gates, Told

ROUNDS: Final = 25
PATIENCE_S: Final = 20.0
pytestmark = pytest.mark.slow


def fatal(error: BaseException) -> None:
    raise error


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None, prefix="matchday-") as found:
        yield Path(found)


class Course(Gates):
    """Gates over a ledger that writes on a thread of its own, and settlement beside them."""

    def __init__(
        self, ledger: SqliteLedger, log: SqliteLog, clock: WallClock, gates: int, settings: BetSettings
    ) -> None:
        super().__init__(clock, ledger, [settings] * gates)
        self.driver, self.log = ledger, log
        self.chance = random.Random(7)
        self.fans = 0
        self.offer(live=True)

    async def fan(self, balance: int = 100_000) -> str:
        self.fans += 1
        fan, now = f"fan{self.fans}", self.clock.now_ms()
        await self.commit(
            OpenAccount(f"open:{fan}", fan, "EUR", now), Transfer(f"grant:{fan}", fan, balance, "EUR", "grant", now)
        )
        return fan

    async def commit(self, *commands: OpenAccount | Transfer | SetLimit) -> None:
        done: list[object] = []
        self.driver.commit(commands, done.append)
        await until(lambda: bool(done))

    async def settled(self, *told: Told) -> None:
        await until(lambda: all(one.answers for one in told))

    def view_left(self, fan: str, name: LimitName) -> tuple[int, int]:
        view = self.driver.account(fan)
        assert view is not None
        left = view.limit(name).left
        assert left is not None
        return view.balance, left


async def until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not happened():  # noqa: ASYNC110 - rooms know no event to wait for
            await asyncio.sleep(0.0005)


def run(
    race: Callable[[Course], Awaitable[str]], *endings: str, gates: int = 2, delay_ms: int = 0, **limits: int
) -> None:
    """That race, a number of times over one ledger; no ending but those, and money is conserved."""
    settings = BetSettings(delay_ms=delay_ms, quote_ms=delay_ms + 1_000, **limits)
    seen: Counter[str] = Counter()

    async def all_rounds() -> None:
        loop = asyncio.get_running_loop()
        clock = WallClock(loop)
        with folder() as where, contextlib.ExitStack() as stack:
            core = stack.enter_context(contextlib.closing(SqliteLedgerCore(where / "ledger.sqlite")))
            log_core = stack.enter_context(contextlib.closing(SqliteLogCore(where / "log.sqlite", clock.new_id)))
            ledger = SqliteLedger(core, clock, loop.call_soon_threadsafe, Storage(), fatal)
            log = SqliteLog(log_core, clock, loop.call_soon_threadsafe, Storage(), fatal)
            stack.callback(ledger.close)
            stack.callback(log.close)
            course = Course(ledger, log, clock, gates, settings)
            for _ in range(ROUNDS):
                course.offer(live=True)
                seen[await race(course)] += 1
            assert set(core.totals().values()) == {0}
            assert {name: amount for name, amount in core.posted().items() if amount} == {
                name: amount for name, amount in core.balances().items() if amount
            }

    asyncio.run(all_rounds())
    assert set(seen) <= set(endings), seen


def test_two_fans_race_one_exposure() -> None:
    async def race(course: Course) -> str:
        fixture = f"X{course.fans}"
        course.offer(f"{fixture}:1x2")
        fans = [await course.fan() for _ in range(2)]
        told = [
            course.place(course.bet(1_000, f"{fixture}:1x2/home", account=fan), gate) for gate, fan in enumerate(fans)
        ]
        await course.settled(*told)
        assert sorted(str(one.refusal) for one in told) == ["None", "exposure_reached"]
        assert course.driver.guards([f"exposure:{fixture}#0"]) == {f"exposure:{fixture}#0": 1_500}
        return str([one.refusal for one in told].index(None))

    run(race, "0", "1", exposure_fixture_max=2_000)


def test_one_fan_races_his_balance_and_his_limit() -> None:
    async def race(course: Course) -> str:
        chance = course.chance
        balance, limit = chance.randint(500, 3_000), chance.randint(500, 3_000)
        fan, day = await course.fan(balance), LimitName.STAKE_DAY
        await course.commit(SetLimit(f"limit:{fan}", fan, limit, course.clock.now_ms(), day))
        stakes = [chance.randint(50, 900) for _ in range(16)]
        told = []
        for number, stake in enumerate(stakes):
            told.append(course.place(course.bet(stake, account=fan), number % 2))
            if chance.random() < 0.3:
                await asyncio.sleep(0)  # some of them in another batch
        await course.settled(*told)
        spare, left = course.view_left(fan, day)
        accepted = sum(stake for stake, one in zip(stakes, told, strict=True) if one.refusal is None)
        assert (spare, left) == (balance - accepted, limit - accepted)
        assert min(spare, left) >= 0
        for stake, one in zip(stakes, told, strict=True):
            if one.refusal is not None:
                assert stake > (left if one.refusal == Refusal.STAKE_LIMIT_REACHED else spare)
        refused = {one.refusal for one in told} - {None}
        return " and ".join(sorted(str(refusal) for refusal in refused))

    both = "insufficient_funds and stake_limit_reached"
    run(race, "insufficient_funds", "stake_limit_reached", both)


def test_a_storm_of_retries_in_play_is_one_bet_or_none() -> None:
    async def race(course: Course) -> str:
        fan = await course.fan()
        bet = course.bet(100, account=fan)
        told = []
        stops = course.chance.randint(0, 20)
        for number in range(15):
            if number == stops:
                course.offer(live=True, status=MarketStatus.SUSPENDED, generation=2)
            told.append(course.place(bet, number % 2))
            await asyncio.sleep(course.chance.random() * 0.004)
        await course.settled(*told)
        (refusal,) = {one.refusal for one in told}
        assert sum(not one.answer.repeated for one in told) == 1
        placed = course.driver.bets(fan, open_only=True, before=None, limit=9)
        assert len(placed) == (refusal is None)
        return str(refusal)

    run(race, "None", "market_suspended", delay_ms=20)


def test_a_leg_is_decided_while_its_bet_commits() -> None:
    started: list[Course] = []

    async def race(course: Course) -> str:
        if not started:
            started.append(course)
            SettlementByAccount(course.clock, course.log, course.driver, Settlement()).start()
            Relay(course.clock, course.log, course.driver).start()
        fixture = f"X{course.fans}"
        course.offer(f"{fixture}:1x2")
        fan = await course.fan()
        home = f"{fixture}:1x2/home"
        decision = Decision(f"{fixture}:1x2", home, OUTCOMES[Result.WON])
        record = Record(Topic.DECISIONS, fixture, encode(LegsDecided(fixture, 7, "goal", 1, (decision,))))
        first = course.chance.random() < 0.5
        if first:
            course.log.append([record])
            await asyncio.sleep(course.chance.random() * 0.003)
        told = course.place(course.bet(1_000, home, account=fan))
        if not first:
            await asyncio.sleep(course.chance.random() * 0.003)
            course.log.append([record])
        await course.settled(told)
        bet = told.answer.bet
        assert bet is not None

        def over() -> bool:
            held = course.driver.bet(bet.bet)
            return held is not None and held.status == BetStatus.SETTLED

        await until(over)
        await asyncio.sleep(0.005)  # a second settlement would come by now
        facts = [fact for fact in course.driver.facts(0, 10**6) if isinstance(fact, BetSettled) and fact.bet == bet.bet]
        assert [(fact.version, fact.change) for fact in facts] == [(7, 2_500)]
        return "settled"

    run(race, "settled", gates=1)
