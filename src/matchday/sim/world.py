"""World: the whole platform as processes over shared stores, under one seeded clock, with a crowd and a provider.

The rooms, the pricing and the cores of the embedded backends are the platform's own. Only this module and ``gate`` know
how a process is put together; everything that may go wrong is drawn by ``faults``, everything that must hold is in
``checkers``, and in ``rest`` when the world has come to rest.
"""

import contextlib
import random
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TextIO

import msgspec

from matchday.model.football import Period
from matchday.model.ledger import (
    Answer,
    CashOut,
    Command,
    DecideLegs,
    LimitName,
    OpenAccount,
    PlaceBet,
    SetLimit,
    SettleBet,
    Transfer,
)
from matchday.model.market import MarketKey, MarketStatus
from matchday.model.messages import OVER, BetCashedOut, BetReopened, BetSettled, OneFact, Topic
from matchday.model.posting import DAY_MS
from matchday.model.trading import TraderCommand, TraderRefusal
from matchday.model.views import market_view
from matchday.ports import Log, Stored
from matchday.pricing.football import price_book
from matchday.services.feed import Feed
from matchday.services.odds import Odds
from matchday.services.push.shapes import home_row
from matchday.services.relay import Relay
from matchday.services.settlement import SettlementByAccount, SettlementByFixture
from matchday.sim import checkers, rest
from matchday.sim.clock import VirtualClock
from matchday.sim.crowd import Crowd
from matchday.sim.decided import Decided
from matchday.sim.desk import Desk
from matchday.sim.faults import Fault, Faults
from matchday.sim.gate import GATES, GateProcess, sim_settings
from matchday.sim.obedience import Obedience
from matchday.sim.process import SHORT_JUMP_MS, Process, ProcessClock
from matchday.sim.promptness import Promptness
from matchday.sim.provider import Provider
from matchday.sim.screens import Screen
from matchday.sim.stores import LedgerStore, LogStore, ProcessLedger, ProcessLog
from matchday.sim.trace import Trace, Violation
from matchday.sim.trader import LoggedCommand, Trader

START_MS: Final = 1_699_920_000_000
"""Midnight, UTC."""
CURRENCY: Final = "EUR"
GRANT: Final = 200_000
_STAKES_PER_DAY: Final = (4_000, 10_000, 1_000_000, 1_000_000)
"""A fan's own limit. Some are reached soon, some never."""
_WAITS: Final = 0.5
"""Share of the fans with a limit who bet nothing before midnight, where that is near."""
_LATE_IN_THE_DAY_MS: Final = 9_000_000
_REST_MS: Final = 1_200_000
"""Milliseconds after the last fault in which everything must come to rest."""
_WEATHER_MS: Final = 5_000
_MISSED_MS: Final = 180_000
"""Milliseconds after which somebody sees that the owner of the books is gone for good."""
_CALM_MS: Final = 420_000
"""Milliseconds without a fault after which what is played must be open: more than any restart, lag, hold and beat."""
_MAIN: Final = MarketKey("1x2")
_DELAYS_MS: Final = (0, 500, 4_000)
"""The delay in play, drawn by each seed: without one, races are closest."""
_WAITING_MAX: Final = (4, 20_000, 20_000, 20_000)
"""Records that settlement holds, drawn by each seed: in some it stops hearing all the time."""
_QUIET_RECORDS_MAX: Final = (20, 20_000, 20_000, 20_000)
"""Records after which a quiet book is kept anew, drawn by each seed: in some nearly all books are, again and again."""
_SEEN_BEFORE_MS: Final = 3_000
"""Milliseconds by which fans in the ground see a goal before the provider tells it."""
_AIMED: Final = 1.0
"""Chance of a fault aimed at the worst moment: a third of it in a calm seed, always in others."""
_COUNTED: Final = 40
"""Exposures are counted again after so many commits."""
_SHARED: Final = 0.4
"""Chance that a world's log has two partitions, and each room that shares work an owner of each."""
_SAMPLED: Final = 8
"""One of so many changes is compared on every screen."""


class World:
    """One seed's world."""

    def __init__(
        self,
        seed: int,
        *,
        matches: int,
        fans: int,
        allowed: Sequence[Fault],
        folder: Path | None,
        journal: TextIO | None = None,
    ) -> None:
        self.clock = VirtualClock(seed, _begins(VirtualClock(seed).random("start")))
        self.began_ms = self.clock.now_ms()
        self.trace = Trace(lambda: (self.clock.steps, self.clock.now_ms() - self.began_ms), journal)
        self.faults = Faults(self.clock, allowed)
        self._weather = self.clock.random("weather")
        waiting_max = self.clock.random("hearing").choice(_WAITING_MAX)
        quiet_records_max = self.clock.random("keeping").choice(_QUIET_RECORDS_MAX)
        self.settings = sim_settings(self._weather.choice(_DELAYS_MS), waiting_max, quiet_records_max)
        self.provider = Provider(self.clock, self.faults, matches)
        self.reached: Counter[str] = Counter()
        """Situation -> how often the world got into it: a promise about what never happened is not tested."""
        self.money, self.bets = checkers.Money(), checkers.Bets(self.reached)
        self.decided = Decided(self.reached)
        self.limits, self.acceptance = checkers.Limits(self.settings, self.reached), checkers.Acceptance(self.settings)
        self._limits: dict[tuple[str, LimitName], list[tuple[int, int | None]]] = {}
        """Account and limit -> from when which amount."""
        self._written = 0
        self._shown: tuple[tuple[str, int, str, int], dict[str, Any], dict[str, Any]] = (("", 0, "", 0), {}, {})
        self.processes: list[Process] = []
        anchor = Process("stores", self.clock, self.faults, lambda _: None, lambda _: None)
        torn = folder if Fault.POWER_CUT in self.faults.on else None
        self.shares = 2 if self.clock.random("shares").random() < _SHARED else 1
        self.log = LogStore(anchor, torn, self._log_written, self.shares)
        self.ledger = LedgerStore(anchor, torn, self._ledger_written)
        self.crowd = Crowd(self.clock, self.faults, self._gates, self._answered, self._screen_changed)
        self.trader = Trader(self.clock, self.faults, self._gates, self._commanded)
        self.promptness = Promptness(self.clock, lambda: [fan.screen for fan in self.crowd.fans])
        self.obedience = Obedience(self.settings, self.trader.nonsense)
        self._odds = 0
        self.desk = Desk(self.clock, self.faults, self.crowd, self._gates, self.ledger)
        self._fired, self._calm_since = 0, self.began_ms
        self._open_accounts(fans)
        self._make_processes()

    def _open_accounts(self, fans: int) -> None:
        now, chance = self.clock.now_ms(), self.clock.random("accounts")
        late = now % DAY_MS > DAY_MS - _LATE_IN_THE_DAY_MS
        for number in range(fans):
            account, day = f"fan{number}", chance.choice(_STAKES_PER_DAY)
            commands: list[Command] = [
                OpenAccount(f"open:{account}", account, CURRENCY, now, day),
                Transfer(f"grant:{account}", account, GRANT, CURRENCY, "grant", now),
            ]
            self._limits[account, LimitName.STAKE_DAY] = [(0, day)]
            self._ledger_written(commands, self.ledger.core.commit(commands))
            waits = chance.random() < _WAITS and late and day < _STAKES_PER_DAY[-1]
            self.crowd.join(account, day, list(self.provider.truths), waits=waits)

    # --- processes ----------------------------------------------------------------------------------------------------

    def _make_processes(self) -> None:
        self._add("feed", lambda p: Feed(*self._ports(p), self.provider, self.settings.feed).start())
        for share in range(self.shares):
            self._add_odds(share)
            suffix = f"-{share}" if share else ""
            self._add(f"decisions{suffix}", lambda p: SettlementByFixture(*self._view(p)).start(), share)
            self._add(f"settlement{suffix}", self._start_settlement, share)
        self._add("relay", lambda p: Relay(*self._ports(p), self._ledger_of(p)).start())
        for number in range(GATES):
            gate = GateProcess(f"gate-{number}", self.clock, self.faults, self._start_gate, self._died)
            gate.number = number
            self.processes.append(gate)

    def _add(self, name: str, start: Callable[[Process], None], share: int = 0) -> Process:
        process = Process(name, self.clock, self.faults, start, self._died)
        process.share = share
        self.processes.append(process)
        return process

    def _add_odds(self, share: int) -> Process:
        self._odds += 1

        def start(process: Process) -> None:
            Odds(*self._view(process), price_book, self.settings.odds, share=share).start()

        return self._add(f"odds-{self._odds}", start, share)

    def _view(self, process: Process) -> tuple[ProcessClock, Log]:
        """The ports of a room that has a share of the work."""
        clock, log = self._ports(process)
        return clock, log.partition_view(process.share)

    def _ports(self, process: Process) -> tuple[ProcessClock, ProcessLog]:
        heard = self._gate_heard(process) if isinstance(process, GateProcess) else lambda _: None
        return ProcessClock(process), ProcessLog(self.log, process, heard)

    def _ledger_of(self, process: Process) -> ProcessLedger:
        return ProcessLedger(self.ledger, process, lambda commands: self._sealed(process.name, commands))

    def _start_settlement(self, process: Process) -> None:
        clock, log = self._view(process)
        SettlementByAccount(clock, log, self._ledger_of(process), self.settings.settlement).start()

    def _start_gate(self, process: Process) -> None:
        assert isinstance(process, GateProcess)
        clock, log = self._ports(process)
        self.acceptance.gate_started(process.name, self.log.core)
        process.open(clock, log, self._ledger_of(process), self.settings)

    def _died(self, process: Process) -> None:
        self.trace.say(f"crash {process.name}")
        if isinstance(process, GateProcess) and hasattr(process, "push"):
            self.crowd.gate_died(process.push)
        process.restart_later(self._weather)

    def _gates(self) -> list[GateProcess]:
        return [p for p in self.processes if isinstance(p, GateProcess) and p.alive and hasattr(p, "gate")]

    # --- what the checkers are told -----------------------------------------------------------------------------------

    def _gate_heard(self, process: GateProcess) -> Callable[[Sequence[Stored]], None]:
        def heard(records: Sequence[Stored]) -> None:
            if records[0].topic == Topic.BOOKS:
                self.acceptance.gate_heard(process.name, records, self.clock.now_ms())
                self.promptness.heard(process, records)

        return heard

    def _sealed(self, name: str, commands: Sequence[Command]) -> None:
        agree = all(abs(p.skew_ms) < checkers.LATE_MS for p in self.processes if p.name == name or "odds" in p.name)
        for command in commands:
            if isinstance(command, PlaceBet) and command.refusal is None and not command.refer_until_ms:
                self.acceptance.sealed(name, command, self.clock.now_ms(), clocks_agree=agree)
                if agree:
                    self.obedience.sealed(name, command, self.clock.now_ms())
            elif isinstance(command, CashOut) and command.refusal is None:
                self.acceptance.valued(name, command, self.bets.bets.get(command.bet), self.decided)

    def _log_written(self, records: Sequence[Stored]) -> None:
        for record in records:
            self.trace.data(record.value)
            if record.topic == Topic.BOOKS:
                self.acceptance.written(record, self.clock.now_ms())
                self.obedience.written(record)
            elif record.topic == Topic.INCIDENTS:
                self.acceptance.incident(record, self.clock.now_ms())
                self.obedience.incident(record, self.clock.now_ms())
            if record.topic not in (Topic.BOOKS, Topic.BOOK_STATES, Topic.FIXTURES) and record.key:
                self.trace.say(f"log {record.topic}@{record.offset} {record.value[:300].decode()}")

    def _ledger_written(self, commands: Sequence[Command], answers: Sequence[Answer]) -> None:
        for command, answer in zip(commands, answers, strict=True):
            self.trace.say(f"ledger {_short(command)} -> {answer.refusal or 'accepted'}{' again' * answer.repeated}")
        facts = self._take_facts()
        self.decided.committed(commands, answers, self.ledger.core)
        for fact in facts:
            if isinstance(fact, BetSettled) and (bet := self.bets.bets[fact.bet]).version == fact.version:
                self.decided.settled(bet)
        for command, answer in zip(commands, answers, strict=True):
            if isinstance(command, PlaceBet) and answer.refusal is not None and not answer.repeated:
                self.reached[f"refused: {answer.refusal}"] += 1
            elif isinstance(command, PlaceBet) and answer.bet is not None and not answer.repeated:
                self.limits.accepted(
                    answer.bet, {name: self._limit(command.account, name, command.at_ms) for name in LimitName}
                )
            elif isinstance(command, CashOut) and not answer.repeated:
                self.reached[f"cash-out: {answer.refusal or 'paid'}{' by itself' * command.automatic}"] += 1
            elif isinstance(command, PlaceBet) and answer.pending_until_ms and not answer.repeated:
                self.reached["referred"] += 1
            elif isinstance(command, SetLimit) and answer.refusal is None and not answer.repeated:
                self._set_limit(command)
        self._written += 1
        if self._written % _COUNTED == 0:
            self.limits.compare(self.ledger.core)

    def _take_facts(self) -> list[OneFact]:
        for entry in self.money.entered(self.ledger.core):
            self.trace.say(
                f"entry {entry.entry} {entry.reason} {entry.bet} {[(p.account, p.amount) for p in entry.postings]}"
            )
        facts = self.bets.facts(self.ledger.core)
        for fact in facts:
            if isinstance(fact, BetSettled | BetReopened | BetCashedOut):
                self.limits.moved(self.bets.bets[fact.bet], fact.change, fact.at_ms)
        self.bets.compare(self.money.balances, CURRENCY)
        return facts

    def _set_limit(self, command: SetLimit) -> None:
        now = self._limit(command.account, command.limit, command.at_ms)
        lower = command.amount is not None and (now is None or command.amount <= now)
        after = command.at_ms + (0 if lower else 86_400_000)
        self._limits[command.account, command.limit] = [(0, now), (after, command.amount)]

    def _limit(self, account: str, name: LimitName, now: int) -> int | None:
        return [limit for since, limit in self._limits.get((account, name), [(0, None)]) if since <= now][-1]

    def _answered(self, command: Command, answer: Answer) -> None:
        self.trace.say(f"answer {command.id} {answer.refusal or 'accepted'}")
        self.bets.answered(command, answer, self.ledger.core)

    def _commanded(self, command: TraderCommand, answer: LoggedCommand | TraderRefusal) -> None:
        self.trace.say(f"answer {command.id} {answer}")
        self.obedience.answered(command, answer)

    def _screen_changed(self, screen: Screen, channel: str) -> None:
        fixture = channel.partition(":")[2]
        view = screen.views[channel]
        if channel == "account" or view.offset % _SAMPLED:
            return
        for gate in self._gates():
            if gate.push is screen.door:
                self._compare(gate, screen, fixture) if fixture else self._compare_rows(gate, screen)

    def _compare(self, gate: GateProcess, screen: Screen, fixture: str) -> None:
        book = gate.gate.books.fixtures.get(fixture)
        view = screen.views[f"fixture:{fixture}"]
        if book is None or book.offset != view.offset:
            return
        key = (gate.name, gate.incarnation, fixture, book.offset)
        if self._shown[0] != key:
            held = msgspec.json.decode(msgspec.json.encode({key: market_view(m) for key, m in book.markets.items()}))
            self._shown = (key, held, msgspec.json.decode(msgspec.json.encode(book.board)))
        if (view.markets, view.board) != self._shown[1:]:
            wrong = [m for m, shown in self._shown[1].items() if view.markets.get(m) != shown]
            detail = f"{screen.name} at {fixture}@{view.offset} of {gate.name}: {wrong[:3] or view.board} differ"
            raise Violation("screen_holds_the_book", detail, [screen.name, fixture])

    def _compare_rows(self, gate: GateProcess, screen: Screen) -> None:
        view = screen.views["home"]
        for fixture, book in gate.gate.books.fixtures.items():
            as_loaded = min(book.changed.values(), default=book.offset) == book.offset
            if book.offset > view.offset or as_loaded:  # the row may have changed since; of a book as loaded, anyway
                continue
            if book.board.status in OVER:  # each gate takes it off by its own clock: who was with another had it off
                continue
            row = msgspec.json.decode(msgspec.json.encode(home_row(book)))
            if view.rows.get(fixture) != row:
                detail = f"{screen.name} at home@{view.offset} of {gate.name}: {view.rows.get(fixture)} is not {row}"
                raise Violation("screen_holds_the_book", detail, [screen.name, fixture])

    # --- running ------------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """From the announcements until everything has come to rest. Violation where an invariant breaks."""
        for process in self.processes:
            process.start()
        self.clock.call_later(_WEATHER_MS, self._blow)
        self.desk.start()
        midnight_ms = DAY_MS - self.began_ms % DAY_MS
        self.clock.call_later(midnight_ms, self.crowd.midnight)
        self.clock.call_later(
            midnight_ms + (SHORT_JUMP_MS + self._weather.randrange(2 * SHORT_JUMP_MS)) // 4, self._midnight
        )
        for told_ms, fixture in self.provider.goals:
            before_ms = self._weather.randrange(_SEEN_BEFORE_MS)
            self.clock.call_later(told_ms - before_ms - self.began_ms, lambda fixture=fixture: self._goal(fixture))  # type: ignore[misc]
        self.trader.start()
        self.clock.run_until(self.provider.over_ms + 60_000)
        self.faults.over = True
        for process in self.processes:
            process.skew_ms = 0
        self.clock.run_for(_REST_MS)
        self._at_rest()

    def _at_rest(self) -> None:
        core = self.ledger.core
        self.money.compare(core)
        self.limits.compare(core)
        rest.answered(self.crowd.fans, self.trader.orders)
        rest.told(self.log.core, core)
        rest.settled(self.bets.bets.values(), self.provider.truths, core)
        rest.shown(self.crowd.fans, core, self.clock.now_ms())

    def close(self) -> None:
        """Give up the stores' files."""
        self.log.core.close()
        self.ledger.core.close()

    def _blow(self) -> None:
        """The faults that come from outside."""
        self.clock.call_later(_WEATHER_MS, self._blow)
        self._look_for_calm()
        if self.faults.happens(Fault.CLOCK_JUMP, 0.004):
            process = self._weather.choice([p for p in self.processes if p.name != "feed"])
            process.jump()
            self.trace.say(f"clock of {process.name} jumps to {process.skew_ms} ms off")
        if self.faults.happens(Fault.ODDS_OWNER, 0.002):
            self._change_owner()
        if self.faults.happens(Fault.POWER_CUT, 0.0006):
            self._cut_power()

    def _midnight(self) -> None:
        """A new day has just begun, and fans whose limit it renews bet: the worst moment for a clock to go back."""
        if not self.faults.happens(Fault.CLOCK_JUMP, _AIMED):
            return
        for process in self._weather.choice((self._gates()[:1], self.processes)):  # one machine, or all are one
            if process.name != "feed":
                process.skew_ms = -SHORT_JUMP_MS
                self.trace.say(f"clock of {process.name} jumps to {process.skew_ms} ms off")

    def _goal(self, fixture: str) -> None:
        """A goal is about to be told: the worst moment for a gate to lag, or for its bets to be on their way."""
        self.trace.say(f"goal of {fixture}, not told yet")
        for gate in self._gates():
            if self.faults.happens(Fault.DELAY, _AIMED):
                self.trace.say(f"{gate.name} lags")
                gate.log.lag(Topic.BOOKS)
            if self.faults.happens(Fault.SLOW_LEDGER, _AIMED):
                self.trace.say(f"batches of {gate.name} are slow on their way")
                gate.ledger.slow()
        self.crowd.goal(fixture)

    def _look_for_calm(self) -> None:
        """A while after the last fault everything works: what is played can be bet on."""
        now = self.clock.now_ms()
        fired = sum(self.faults.fired.values())
        if fired != self._fired or any(p.skew_ms or not p.alive for p in self.processes) or not self._in_touch(now):
            self._fired, self._calm_since = fired, now
        if now - self._calm_since < _CALM_MS:
            return
        for gate in self._gates():
            for fixture, book in gate.gate.books.fixtures.items():
                state = self._playing(fixture, now)
                market = book.markets.get(f"{fixture}:1x2")
                if self.obedience.suspends(fixture, _MAIN):
                    continue
                stale = gate.gate.bets.stale or fixture in gate.gate.bets.stale_fixtures
                if state and (stale or market is None or market.status != MarketStatus.OPEN):
                    detail = f"{gate.name} (stale: {stale}) offers {market} in mid-match; {book.board}"
                    raise Violation("open_when_calm", detail, [fixture])

    def _in_touch(self, now: int) -> bool:
        return self.provider.in_touch(now) and self.provider.in_touch(now - _CALM_MS)

    def _playing(self, fixture: str, now: int) -> bool:
        """Whether a fixture is in play, and nothing of late suspends it."""
        material, period, penalty = self.acceptance.last.get(fixture, (0, Period.PRE, True))
        return period in (Period.FIRST, Period.SECOND) and not penalty and now - material > _CALM_MS

    def _change_owner(self) -> None:
        """One or two new owners, who may stop at once; the former speaks on for a while."""
        stream = self.faults.stream(Fault.ODDS_OWNER)
        share = stream.randrange(self.shares) if self.shares > 1 else 0
        former = self._owners(share)
        heirs = [self._add_odds(share) for _ in range(stream.choice((1, 1, 2)))]
        self.trace.say(f"{[p.name for p in heirs]} take over from {[p.name for p in former]}")
        for heir in heirs:
            heir.start()
        for old in former + heirs[1:]:
            self.clock.call_later(stream.choice((0, 50, 2_000, 30_000, 120_000)), lambda old=old: self._retire(old))  # type: ignore[misc]
        if stream.random() < 0.4:
            self.clock.call_later(stream.choice((20, 6_000, 30_000)), heirs[0].stop)

    def _retire(self, process: Process) -> None:
        """For good. Where it was the last to begin, none before it is believed: somebody sees that, and starts one."""
        process.retired = True
        process.stop()
        with contextlib.suppress(ValueError):
            self.processes.remove(process)
        left = self._owners(process.share)
        if left and process.began_ms >= max(p.began_ms for p in left):
            self.clock.call_later(_MISSED_MS, left[-1].stop)

    def _owners(self, share: int) -> list[Process]:
        return [p for p in self.processes if p.name.startswith("odds") and p.share == share]

    def _cut_power(self) -> None:
        self.trace.say("power cut")
        for process in self.processes:
            process.stop()
        self.log.power_cut()
        self.acceptance.power_cut(self.log.core, self.clock.now_ms())
        self.ledger.power_cut()
        self._take_facts()
        self._recount()
        self.bets.survived(self.ledger.core)
        self.obedience.survived(self.log.core, self.clock.now_ms())

    def _recount(self) -> None:
        """What a torn group left in the file was heard by nobody: take it as the file has it."""
        now = self.clock.now_ms()
        for bet in self.bets.bets.values():
            self.limits.known(bet)
        for account in [fan.account for fan in self.crowd.fans]:
            held = self.ledger.core.account_at(account, now)
            assert held is not None
            for limit in held.limits:
                if limit.amount != self._limit(account, limit.limit, now):
                    self._limits[account, limit.limit] = [(0, limit.amount)]
                if limit.next_at_ms:
                    self._limits[account, limit.limit] = [(0, limit.amount), (limit.next_at_ms, limit.next_amount)]


def _begins(chance: random.Random) -> int:
    """Some time of a day; often shortly before midnight, where limits of a day begin anew."""
    if chance.random() < 0.5:
        return START_MS + chance.randrange(DAY_MS)
    return START_MS + DAY_MS - chance.randrange(3 * 3_600_000)


def _short(command: Command) -> str:
    """A command for the trace."""
    if isinstance(command, PlaceBet):
        legs = " ".join(f"{leg.selection}@{leg.price}#{leg.generation}" for leg in command.asked)
        return f"place {command.id} {command.account} {command.stake} {command.policy} {legs}"
    if isinstance(command, DecideLegs):
        return f"decide {command.fixture} v{command.version} {len(command.decisions)} selections"
    if isinstance(command, SettleBet):
        return f"settle {command.id} {command.account}"
    if isinstance(command, Transfer):
        return f"transfer {command.id} {command.account} {command.amount}"
    return f"{type(command).__name__} {command.id} {getattr(command, 'account', '')}"
