"""What tests of metrics need: a gate and the other rooms of a process over one log and ledger, and what it says."""

import re
from collections.abc import Iterator, Sequence
from io import StringIO
from typing import Any

import msgspec

from matchday.app.caught_up import CaughtUp
from matchday.app.lateness import Lateness
from matchday.app.logs import Lines
from matchday.app.metrics import Metrics
from matchday.app.rooms import GateRooms
from matchday.app.stores import Stores
from matchday.app.watched import Watch
from matchday.app.workers import Workers
from matchday.backends.ledger_sqlite import SqliteLedgerCore
from matchday.backends.log_sqlite import SqliteLogCore
from matchday.backends.shares_alone import SharesAlone
from matchday.config import Bets as BetSettings
from matchday.config import Logs, Settings
from matchday.config import Odds as OddsSettings
from matchday.edge.api import BetBody
from matchday.edge.ops import exposition
from matchday.edge.placing import Outcome
from matchday.feeds.simulated import SimulatedLeague
from matchday.model.ledger import Moment
from matchday.model.market import MarketStatus, selection_id
from matchday.model.messages import FixtureSnapshot, FixtureStatus, Topic, decode
from matchday.ports import UNTRACED, Lag, Record, Tracer
from matchday.services.accounts import Guest
from matchday.sim.clock import VirtualClock
from matchday.sim.inline import InlineLedger, InlineLog
from tests.unit.pushing import Line

SPEED = 60.0
AT_ONCE = BetSettings(delay_ms=0)
_LINE = re.compile(r"(\w+)(?:\{(.*)\})? (\S+)")
_LABEL = re.compile(r'(\w+)="([^"]*)"')


class Telling:
    """A process of some rooms; the gate's watch is the only one where it stands alone."""

    def __init__(
        self, *rooms: str, tracer: Tracer = UNTRACED, clock: VirtualClock | None = None,
        bets: BetSettings = AT_ONCE,
    ) -> None:  # fmt: skip
        self.clock = clock = clock or VirtualClock(1)
        self.rooms = rooms
        self.log = InlineLog(SqliteLogCore(":memory:", clock.new_id), clock)
        self.ledger = InlineLedger(SqliteLedgerCore(":memory:"), clock)
        self.settings = Settings(bets=bets, odds=OddsSettings(tick_ms=1_200_000))
        watches = {"gate": Watch(clock, "gate")}
        self.gate: GateRooms | None = None
        if "gate" in rooms:
            watch = watches["gate"]
            self.gate = GateRooms(
                clock, watch.log(self.log), watch.ledger(self.ledger), self.settings, secret=b"a secret of the test",
                tracer=tracer,
            )  # fmt: skip
            self.gate.start()
        stores = Stores(self.log, self.ledger, SharesAlone(clock))
        self.workers = Workers(
            clock, stores, self.settings, lambda _: SimulatedLeague(1, SPEED), speed=SPEED, tracer=tracer
        )  # fmt: skip
        watches.update(self.workers.watches)
        self.workers.join(rooms)
        self.lines = Lines(Logs(), clock.elapsed_ms, StringIO())
        caught_up = CaughtUp(clock, Lag, 5_000, with_gate=True)
        self.metrics = Metrics(
            rooms, self.gate, self.workers, lambda: True, 1_790_000_000.0, watches=watches, lateness=Lateness(clock),
            lines=self.lines, readable=lambda: True, caught_up=caught_up, requests=lambda: 7,
        )  # fmt: skip
        self.told: list[Outcome] = []

    def text(self) -> str:
        return exposition(self.metrics()).decode()

    def said(self) -> Iterator[tuple[str, dict[str, str], float]]:
        """(name, labels, value) of every line that is no comment."""
        for line in self.text().splitlines():
            if not line.startswith("#"):
                found = _LINE.fullmatch(line)
                assert found is not None, line
                yield found[1], dict(_LABEL.findall(found[2] or "")), float(found[3])

    def figure(self, name: str, **labels: str) -> float:
        found = [value for said, have, value in self.said() if said == name and have == labels]
        assert len(found) == 1, (name, labels, found)
        return found[0]

    def guest(self) -> str:
        assert self.gate is not None
        found: list[Guest | Moment] = []
        self.gate.accounts.open_guest(found.append)
        self.clock.run_for(1)
        assert isinstance(found[0], Guest)
        return found[0].account

    def screen(self) -> Line:
        """A connection that follows the front page."""
        assert self.gate is not None
        line = Line(self.settings.push.buffer_bytes_max)
        self.gate.push.opened(line)
        self.gate.push.received(line, b'{"op":"subscribe","channel":"home"}')
        self.clock.run_for(1)
        return line

    def gate_bets_traced(self) -> bool:
        """Whether the bets room still knows a bet that is traced."""
        assert self.gate is not None
        return bool(self.gate.bets._spans)

    def fixtures(self) -> Sequence[str]:
        """Those that are shown."""
        assert self.gate is not None
        return list(self.gate.gate.books.fixtures)

    def latest_of(self, fixture: str) -> FixtureSnapshot:
        """A fixture, as the feed last said it."""
        said = [decode(stored.value) for stored in self.log.latest(Topic.FIXTURES)]
        return next(one for one in said if isinstance(one, FixtureSnapshot) and one.scheduled.fixture == fixture)

    def say(self, topic: Topic, key: str, value: bytes) -> None:
        """Put something on the log."""
        self.log.append([Record(topic, key, value)], lambda _: None)

    def leg_in_play(self) -> dict[str, Any]:
        """What can be bet on in a match that is being played, as soon as there is one."""
        for _ in range(600):
            self.clock.run_for(1_000)
            if found := self.legs(FixtureStatus.LIVE):
                return found[0]
        raise AssertionError("no match is in play")

    def legs(self, status: FixtureStatus = FixtureStatus.SCHEDULED) -> Sequence[dict[str, Any]]:
        """What can be bet on, of matches that are not, or that are, in play."""
        assert self.gate is not None
        found = []
        for fixture, book in self.gate.gate.books.fixtures.items():
            market = book.markets.get(f"{fixture}:1x2")
            if book.board.status == status and market is not None and market.status == MarketStatus.OPEN:
                best = market.selections[0]
                found.append({"selection": selection_id(market.market, best.outcome), "price": f"{best.price / 1000}",
                              "generation": market.generation})  # fmt: skip
        return found

    def bet(self, account: str, stake: str = "1.00", **changes: Any) -> None:
        """A bet through the one way of bets, and its answer."""
        assert self.gate is not None
        body = {"id": self.clock.new_id(), "stake": stake, "currency": "EUR", "policy": "any", "legs": [self.legs()[0]]}
        self.gate.placing.place(account, msgspec.convert({**body, **changes}, BetBody), self.told.append)
        self.clock.run_for(5)
