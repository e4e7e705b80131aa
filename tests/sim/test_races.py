"""Races decided right, a thousand times each: the real rooms over the real ledger, and what comes first drawn from a
seed. Each race counts how it ended, so that it is known to have happened in every way.

``TEST_RACES`` sets how many; a failure names its seed."""

import os
import random
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from typing import Final

import msgspec
import pytest

from matchday.backends.log_sqlite import SqliteLogCore
from matchday.config import Bets as BetSettings
from matchday.config import Settlement
from matchday.model.bet import OUTCOMES, BetStatus, Policy, Result
from matchday.model.ledger import DecideLegs, GrantFreeBet, LimitName, OpenAccount, PlaceBet, Refusal, SetLimit
from matchday.model.market import MarketStatus
from matchday.model.messages import BetSettled, Decision, LegsDecided, Topic, encode
from matchday.ports import Record
from matchday.services.relay import Relay
from matchday.services.settlement import SettlementByAccount
from matchday.sim.inline import InlineLog
from tests.unit.gates import Table, Told

RACES: Final = int(os.environ.get("TEST_RACES", "150"))
DELAY: Final = 4_000
pytestmark = pytest.mark.slow


def races(run: Callable[[int], str], *endings: str) -> None:
    """Run that many; every ending must have come, and no other."""
    seen: Counter[str] = Counter()
    for seed in range(RACES):
        try:
            seen[run(seed)] += 1
        except AssertionError as error:
            raise AssertionError(f"seed {seed}") from error
    assert set(seen) == set(endings), seen


class Course(Table):
    """A table where requests come at moments of their own, and the ledger takes its time."""

    def __init__(self, seed: int, *settings: BetSettings) -> None:
        super().__init__(*settings, seed=seed)
        self.chance = random.Random(f"race/{seed}")
        self.ledger.late_ms = self.chance.choice((0, 0, 1, 3))

    def soon(self, call: Callable[[], object], most_ms: int = 4) -> None:
        """Within a few milliseconds."""
        self.clock.call_later(self.chance.randint(0, most_ms), lambda: _and_forget(call))

    def send(self, command: PlaceBet, most_ms: int = 4) -> Told:
        """To one of the gates, soon."""
        told, gate = Told(), self.chance.randrange(len(self.rooms))
        self.soon(lambda: self.rooms[gate].place(command, told.answers.append, told.waits.append), most_ms)
        return told

    def rest(self, ms: int = 100) -> None:
        """Time passes until all is answered; from then on at once."""
        end = self.clock.now_ms() + ms
        while self.clock.now_ms() < end:
            self.clock.run_until(min(end, self.clock.now_ms() + 1_000))
            self.heard()
        self.ledger.late_ms = 0

    def close(self) -> None:
        assert set(self.core.totals().values()) <= {0}
        self.core.close()


def _and_forget(call: Callable[[], object]) -> None:
    call()


# --- two fans, one exposure -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gates", [1, 2])
def test_two_fans_race_one_exposure(gates: int) -> None:
    """There is room for one of them: one has it, whoever comes first, and the other is told what is left."""

    def run(seed: int) -> str:
        settings = BetSettings(delay_ms=0, exposure_fixture_max=2_000)
        with closing(Course(seed, *[settings] * gates)) as desk:
            for fan in ("anna", "bert"):
                desk.fan(fan)
            told = {
                fan: desk.send(desk.bet(1_000, selection, account=fan))
                for fan, selection in (("anna", "F:1x2/home"), ("bert", "F:1x2/away"))
            }
            desk.rest()
            winners = [fan for fan, one in told.items() if one.refusal is None]
            (winner,) = winners
            (loser,) = told.keys() - {winner}
            answer = told[loser].answer
            assert (answer.refusal, answer.stake_max) == (Refusal.EXPOSURE_REACHED, 333)  # 500 are left
            assert desk.core.all_guards()["exposure:F#0"] == 1_500
            assert desk.now(desk.bet(334, account=loser)).refusal == Refusal.EXPOSURE_REACHED
            assert desk.now(desk.bet(333, account=loser)).refusal is None
            return winner

    races(run, "anna", "bert")


def test_gates_with_shares_never_exceed_the_whole() -> None:
    """Each gate has half of 3,000: room for one bet of 1,500. Four come, to gates by chance."""

    def run(seed: int) -> str:
        settings = [BetSettings(delay_ms=0, exposure_fixture_max=3_000, writers=2, writer=writer) for writer in (0, 1)]
        with closing(Course(seed, *settings)) as desk:
            told, gates = [], []
            for number in range(4):
                desk.fan(f"fan{number}")
                bet, one, gate = desk.bet(1_000, account=f"fan{number}"), Told(), desk.chance.randrange(2)
                desk.soon(lambda bet=bet, one=one, gate=gate: desk.rooms[gate].place(bet, one.answers.append))  # type: ignore[misc]
                told.append(one)
                gates.append(gate)
            desk.rest()
            accepted = [gate for gate, one in zip(gates, told, strict=True) if one.refusal is None]
            assert sorted(accepted) == sorted(set(gates))  # one of each gate that was asked
            assert {one.refusal for one in told} == {None, Refusal.EXPOSURE_REACHED}
            guards = desk.core.all_guards()
            assert {guards.get(f"exposure:F#{writer}", 0) for writer in set(gates)} == {1_500}
            return f"{len(set(gates))} asked"

    races(run, "1 asked", "2 asked")


def test_one_free_bet_is_used_once() -> None:
    def run(seed: int) -> str:
        settings = BetSettings(delay_ms=0)
        with closing(Course(seed, settings, settings)) as desk:
            desk.fan()
            now = desk.clock.now_ms()
            desk.commit(GrantFreeBet("g", "anna", "free1", 500, "EUR", now + 9_000, now))
            told = [desk.send(desk.bet(500, f"F:1x2/{side}", free_bet="free1")) for side in ("home", "draw", "away")]
            desk.rest()
            assert sorted(str(one.refusal) for one in told) == ["None", "free_bet_unknown", "free_bet_unknown"]
            assert (desk.view().balance, desk.core.balances()["stakes:EUR:0"]) == (100_000, 500)
            return str([one.refusal for one in told].index(None))

    races(run, "0", "1", "2")


# --- one fan against himself ------------------------------------------------------------------------------------------


def test_one_fan_races_his_balance_and_his_limit() -> None:
    """Twelve requests over two gates, for more than he has or may: never too much is taken, and nothing is refused for
    which there was room. As both only shrink, whatever was refused is too much for what is left at the end."""

    def run(seed: int) -> str:
        settings = BetSettings(delay_ms=0)
        with closing(Course(seed, settings, settings)) as desk:
            chance = desk.chance
            balance, limit = chance.randint(500, 3_000), chance.randint(500, 3_000)
            name = chance.choice((LimitName.STAKE_DAY, LimitName.LOSS_WEEK))
            reached = Refusal.LOSS_LIMIT_REACHED if name.of_loss else Refusal.STAKE_LIMIT_REACHED
            desk.fan(balance=balance)
            desk.commit(SetLimit("limit", "anna", limit, desk.clock.now_ms(), name))
            stakes = [chance.randint(50, 900) for _ in range(12)]
            told = [desk.send(desk.bet(stake)) for stake in stakes]
            desk.rest()
            accepted = sum(stake for stake, one in zip(stakes, told, strict=True) if one.refusal is None)
            left, spare = desk.view().limit(name).left, desk.view().balance
            assert (left, spare) == (limit - accepted, balance - accepted)
            assert left is not None
            assert left >= 0
            assert spare >= 0
            for stake, one in zip(stakes, told, strict=True):
                if one.refusal is not None:
                    assert stake > (left if one.refusal == reached else spare)
            refused = {one.refusal for one in told} - {None}
            assert refused <= {reached, Refusal.INSUFFICIENT_FUNDS}
            return " and ".join(sorted("limit" if refusal == reached else "balance" for refusal in refused))

    races(run, "limit", "balance", "balance and limit")


# --- a goal on the way ------------------------------------------------------------------------------------------------

WON, LOST = OUTCOMES[Result.WON], OUTCOMES[Result.LOST]


def test_a_leg_is_decided_while_its_bet_commits() -> None:
    """The gate has not heard of it yet. Whichever the ledger takes first, the bet is settled, once."""

    def run(seed: int) -> str:
        with closing(Course(seed)) as desk, closing(SqliteLogCore(":memory:", desk.clock.new_id)) as log_core:
            log = InlineLog(log_core, desk.clock)
            SettlementByAccount(desk.clock, log, desk.ledger, Settlement()).start()
            Relay(desk.clock, log, desk.ledger).start()
            desk.fan()
            desk.clock.run_for(5)
            outcome = desk.chance.choice((WON, LOST))
            decided = LegsDecided("F", 7, "goal", desk.clock.now_ms(), (Decision("F:1x2", "F:1x2/home", outcome),))
            told = desk.send(desk.bet(1_000))
            desk.soon(lambda: log.append([Record(Topic.DECISIONS, "F", encode(decided))]))
            desk.rest()
            answer = told.answer
            assert answer.bet is not None
            held = desk.core.bet(answer.bet.bet)
            assert held is not None
            assert (held.status, held.returns, held.version) == (BetStatus.SETTLED, 2_500 * (outcome == WON), 7)
            assert desk.view().balance == 99_000 + held.returns
            settled = [fact for fact in desk.core.facts(0, 100) if isinstance(fact, BetSettled)]
            assert [(fact.bet, fact.version) for fact in settled] == [(held.bet, 7)]
            assert desk.core.all_guards()["exposure:F#0"] == 0
            order = [type(command) for command in desk.core.told]
            return "bet first" if order.index(PlaceBet) < order.index(DecideLegs) else "goal first"

    races(run, "bet first", "goal first")


# --- the delay --------------------------------------------------------------------------------------------------------


def test_a_suspension_inside_the_delay_refuses_whichever_side() -> None:
    """Bets on both sides come while the market is suspended for a while and opens again, longer for one side and
    shorter for the other. Only when it was suspended decides; that is even, what fans do odd milliseconds."""

    def run(seed: int) -> str:
        settings = BetSettings(delay_ms=DELAY)
        with closing(Course(seed, settings, settings)) as desk:
            desk.fan()
            desk.offer(live=True)
            begins = desk.clock.now_ms()
            stops = begins + 2 * desk.chance.randint(1, 5_000)
            opens = stops + 2 * desk.chance.randint(1, 3_000)
            desk.clock.call_later(stops - begins, lambda: desk.offer(live=True, status=MarketStatus.SUSPENDED,
                                                                    generation=2))  # fmt: skip
            price = desk.chance.choice((1_500, 6_000))
            desk.clock.call_later(opens - begins, lambda: desk.offer(live=True, generation=2, price=price))
            asked = begins + 1 + 2 * desk.chance.randint(0, 4_000)
            told = []
            for side in ("home", "away"):
                one, gate = Told(), desk.chance.randrange(2)
                told.append(one)

                def ask(side: str = side, one: Told = one, gate: int = gate) -> None:
                    bet = desk.bet(100, f"F:1x2/{side}", policy=Policy.ANY)
                    desk.rooms[gate].place(bet, one.answers.append, one.waits.append)

                desk.clock.call_later(asked - begins, ask)
            desk.rest(20_000)
            ends = asked + DELAY
            if stops < asked < opens:
                expected, ending = Refusal.MARKET_SUSPENDED, "while suspended"
            elif asked < stops < ends < opens:
                expected, ending = Refusal.MARKET_SUSPENDED, "suspended at the end"
            elif asked < stops < ends:
                expected, ending = Refusal.GENERATION_STALE, "suspended in between"
            else:
                expected, ending = None, "before it" if ends < stops else "after it"
            assert [one.refusal for one in told] == [expected] * 2
            assert [bool(one.waits) for one in told] == [ending != "while suspended"] * 2
            return ending

    races(run, "while suspended", "suspended at the end", "suspended in between", "before it", "after it")


def test_a_storm_of_retries_is_one_bet() -> None:
    """Under one id, over two gates, during the delay and after it, while the market may be suspended for good: all
    hear the same of the same bet, and it is placed once or not at all."""

    def run(seed: int) -> str:
        settings = BetSettings(delay_ms=DELAY)
        with closing(Course(seed, settings, settings)) as desk:
            desk.fan()
            desk.offer(live=True)
            bet = desk.bet(100)
            told = [desk.send(bet, most_ms=6_000) for _ in range(20)]
            if desk.chance.random() < 0.7:
                desk.soon(lambda: desk.offer(live=True, status=MarketStatus.SUSPENDED, generation=2), most_ms=9_000)
            desk.rest(20_000)
            answers = [one.answer for one in told]
            refusals = {answer.refusal for answer in answers}
            assert len(refusals) == 1
            assert sum(not answer.repeated for answer in answers) == 1
            (refusal,) = refusals
            found = {answer.bet.bet for answer in answers if answer.bet is not None}
            assert (len(found), desk.core.open_bets()) == ((1, 1) if refusal is None else (0, 0))
            assert desk.view().balance == 100_000 - 100 * (refusal is None)
            return str(refusal)

    races(run, "None", "market_suspended")


def test_one_id_for_two_bets_is_one_of_them() -> None:
    """A faulty client: the first that the ledger takes has the id, the other is told."""

    def run(seed: int) -> str:
        settings = BetSettings(delay_ms=0)
        with closing(Course(seed, settings, settings)) as desk:
            desk.fan()
            bet = desk.bet(100)
            told = [desk.send(bet), desk.send(msgspec.structs.replace(bet, stake=200))]
            desk.rest()
            assert sorted(str(one.refusal) for one in told) == ["None", "id_reused"]
            won = 100 if told[0].refusal is None else 200
            assert desk.view().balance == 100_000 - won
            return str(won)

    races(run, "100", "200")


# --- an account that opens --------------------------------------------------------------------------------------------


def test_a_bet_races_the_opening_of_its_account() -> None:
    def run(seed: int) -> str:
        with closing(Course(seed)) as desk:
            now = desk.clock.now_ms()
            desk.soon(lambda: desk.commit(OpenAccount("open", "carl", "EUR", now)))
            told = desk.send(desk.bet(100, account="carl"))
            desk.rest()
            assert told.refusal in (Refusal.ACCOUNT_UNKNOWN, Refusal.INSUFFICIENT_FUNDS)
            return str(told.refusal)

    races(run, "account_unknown", "insufficient_funds")


def test_decisions_race_each_other_and_the_highest_stands() -> None:
    """Two words on one selection, in either order, from two processes: the later word stands."""

    def run(seed: int) -> str:
        with closing(Course(seed)) as desk:
            order: list[int] = []

            def decide(version: int) -> None:
                order.append(version)
                outcome = WON if version == 5 else LOST
                decision = (Decision("F:1x2", "F:1x2/home", outcome),)
                desk.commit(DecideLegs(f"d{version}", "F", version, decision, desk.clock.now_ms()))

            for version in (5, 6):
                desk.soon(lambda version=version: decide(version))  # type: ignore[misc]
            desk.rest()
            assert desk.core.decisions(["F:1x2/home"]) == {"F:1x2/home": (6, LOST)}
            return str(order)

    races(run, "[5, 6]", "[6, 5]")
