"""Lock-step: a cluster that is told what a journal says, and has done what it says came of that before it is told more.

See ``through``, which tells it.
"""

import asyncio
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Final, NoReturn, TypeVar

import msgspec

from matchday.app import StartError
from matchday.backends.clock_wall import WallClock
from matchday.model.ledger import Answer, Command
from matchday.model.messages import BookChanged, OddsAlive, OddsOwned, Topic, decode, encode
from matchday.ports import Ledger, LedgerUnavailable, Log, LogUnavailable, Record, Stored
from matchday.sim.journalled import answer_name, outcome_fields
from matchday.sim.recorded import Line

_T = TypeVar("_T")
WAIT_S: Final = 20.0
"""Seconds in which the cluster must have done what the journal says was done next."""
_LOOK_S: Final = 0.004
_SHOWN_MAX: Final = 50
STANDS: Final = ("status", "returns", "version", "owed", "cashed", "cash")
"""How a bet stands, by a line of kind ``state`` and by the ledger."""


class LeapingClock(WallClock):
    """Real time for timers, and the journal's moments for dates."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.at_ms = super().now_ms()

    def now_ms(self) -> int:
        """See ``Clock.now_ms``."""
        return self.at_ms


class ThroughReport(msgspec.Struct):
    """What was played, and what came out otherwise than in the journal."""

    lines: int = 0
    partitions: int = 0
    """Of the log's topics that are shared out."""
    fixtures: int = 0
    incidents: int = 0
    """Results included."""
    books: int = 0
    books_to: int = -1
    """Offset in ``books`` of the last of them."""
    accounts: int = 0
    bets: int = 0
    """Accepted here as there."""
    bets_by_legs: dict[str, int] = {}
    combinations: int = 0
    """Bets with one, at the journal's price."""
    referrals: int = 0
    free_bets: int = 0
    cash_outs: int = 0
    decisions: int = 0
    """On selections; awaited and compared one by one."""
    settlements: int = 0
    """States of bets; awaited and compared one by one."""
    entries: int = 0
    balances: int = 0
    """Accounts whose balances were compared at the end, those of the house by role; and the fans' whole statements."""
    not_played: dict[str, int] = {}
    finished: bool = False
    """False: the cluster did not follow, and the last difference says where."""
    differences_total: int = 0
    differences: list[str] = []
    seconds: float = 0.0


class StalledError(Exception):
    """The cluster did not do in time what the journal says."""


class Lockstep:
    """A journal and a cluster, side by side: what is said, and what must come of it before anything more is said."""

    def __init__(self, clock: LeapingClock, log: Log, ledger: Ledger, report: ThroughReport) -> None:
        self._loop = asyncio.get_running_loop()
        self.clock, self.log, self.ledger, self.report = clock, log, ledger, report
        self.records: list[Record] = []
        """To be appended next."""
        self.commands: list[Command] = []
        """To be committed next."""
        self.decisions: dict[str, Line] = {}
        self.states: dict[str, Line] = {}
        """What must have come of what was said, by selection and by the journal's bet."""
        self.bets: dict[str, str] = {}
        """The ledger's id of a bet in the journal -> here."""
        self.epochs: dict[int, int] = {}
        """Share -> our epoch as the owner of its books."""
        self.read_to = self._due = -1
        """Offsets in books: what the gate has taken in, and what it is to have."""
        self._stranger = False

    # --- the platform -------------------------------------------------------------------------------------------------

    async def own(self) -> None:
        """Be the owner of every share of the books."""
        self.log.tail(Topic.BOOKS, None, self._others)
        now, shares = self.clock.now_ms(), range(self.report.partitions)
        offsets = await self.append([Record(Topic.BOOKS, "", encode(OddsOwned(now, share))) for share in shares])
        self.epochs = {share: offset + 1 for share, offset in zip(shares, offsets, strict=True)}
        alive = [OddsAlive(epoch, now, share) for share, epoch in self.epochs.items()]
        await self.append([Record(Topic.BOOKS, "", encode(message)) for message in alive])

    def _others(self, records: Sequence[Stored]) -> None:
        """Whether somebody else owns books here, or says them."""
        ours = self.epochs.values()
        for stored in records:
            message = decode(stored.value)
            if isinstance(message, OddsOwned):
                self._stranger = self._stranger or (bool(ours) and stored.offset + 1 > max(ours))
            elif isinstance(message, OddsAlive | BookChanged):
                self._stranger = self._stranger or (bool(ours) and message.epoch not in ours)

    def heard(self, _: BookChanged, offset: int) -> None:
        """The gate has taken a book in."""
        self.read_to = offset

    # --- asking ------------------------------------------------------------------------------------------------------

    async def append(self, records: Sequence[Record]) -> Sequence[int]:
        """Their offsets, once they are durable."""
        asked: asyncio.Future[Sequence[int] | LogUnavailable] = self._loop.create_future()
        self.log.append(records, asked.set_result)
        offsets = await self.answered(asked, "the log takes records")
        if isinstance(offsets, LogUnavailable):
            raise StartError(f"the log did not take {len(records)} records: {offsets}")
        return offsets

    async def answered(self, asked: "asyncio.Future[_T]", what: str) -> _T:
        """What was answered; StalledError where nothing was."""
        try:
            return await asyncio.wait_for(asked, WAIT_S)
        except TimeoutError:
            self._stall(what)

    async def _until(self, happened: Callable[[], bool], what: Callable[[], str]) -> None:
        """Until something has happened; reads that fail are made again."""
        until = perf_counter() + WAIT_S
        while True:
            if self._stranger:
                raise StartError(
                    "another owner says books on this platform: stop its odds and feed "
                    "(`matchday cluster scale odds=0 feed=0`), and play the journal on a fresh one"
                )
            try:
                if happened():
                    return
                said = what
            except LedgerUnavailable as error:
                text = f"the ledger cannot be read: {error}"
                said = lambda text=text: text  # type: ignore[misc]  # noqa: E731
            if perf_counter() > until:
                self._stall(said())
            await asyncio.sleep(_LOOK_S)

    def _stall(self, what: str) -> NoReturn:
        raise StalledError(f"line {self.report.lines + 1}: not within {WAIT_S:g} s: {what}")

    async def reading(self, read: Callable[[], _T]) -> _T:
        """What a read of the ledger gives, as soon as one can be made."""
        found: list[_T] = []

        def once() -> bool:
            found.append(read())
            return True

        await self._until(once, lambda: "a read")
        return found[0]

    def differs(self, text: str) -> None:
        """Something is not as it was."""
        self.report.differences_total += 1
        if len(self.report.differences) < _SHOWN_MAX:
            self.report.differences.append(text)

    def same(self, what: str, here: object, there: object) -> None:
        """Compare, by the line in hand."""
        if here != there:
            self.differs(f"line {self.report.lines + 1}: {what}: here {here}, in the journal {there}")

    # --- lock-step ----------------------------------------------------------------------------------------------------

    async def rest(self) -> None:
        """All that was said is on the log and in the ledger, and has come to what the journal says it came to."""
        if self.commands:
            commands, self.commands = self.commands, []
            for command, answer in zip(commands, await self.commit(commands), strict=True):
                self.same(f"{type(command).__name__} {command.id}", answer_name(answer), "accepted")
        await self.flush()
        await self._until(lambda: self.read_to >= self._due, lambda: f"the gate has read books up to {self._due}")
        if self.decisions:
            await self._decided()
        if self.states:
            await self._stand()

    async def commit(self, commands: Sequence[Command]) -> Sequence[Answer]:
        """Their answers."""
        what = f"the ledger takes {len(commands)} commands"
        asked: asyncio.Future[Sequence[Answer] | LedgerUnavailable] = self._loop.create_future()
        self.ledger.commit(commands, asked.set_result)
        answers = await self.answered(asked, what)
        if isinstance(answers, LedgerUnavailable):
            self._stall(f"{what}: {answers}")
        return answers

    async def flush(self) -> None:
        """Append what is to be appended."""
        if not self.records:
            return
        records, self.records = self.records, []
        offsets = await self.append(records)
        books = [offset for offset, record in zip(offsets, records, strict=True) if record.topic == Topic.BOOKS]
        if books:
            self._due = self.report.books_to = books[-1]

    async def _decided(self) -> None:
        """The ledger holds the decisions, with the same outcomes."""
        expected, self.decisions = self.decisions, {}

        def late() -> list[str]:
            held = self.ledger.decisions(list(expected))
            return [name for name, line in expected.items() if held.get(name, (-1, None))[0] < line["version"]]

        await self._until(lambda: not late(), lambda: f"decided: {', '.join(late()[:5])}")
        held = await self.reading(lambda: self.ledger.decisions(list(expected)))
        for name, line in expected.items():
            version, outcome = held[name]
            fields = {key: line.get(key) for key in ("result", "void_share", "dead_heat")}
            here = {**dict.fromkeys(fields), **outcome_fields(outcome)}
            self.same(f"decision on {name}", (version, here), (line["version"], fields))
        self.report.decisions += len(expected)

    async def _stand(self) -> None:
        """Every bet stands as it stood then, to the cent."""
        expected = {bet: line for bet, line in self.states.items() if bet in self.bets}
        self.states = {}

        def others() -> list[str]:
            return [text for bet, line in expected.items() if (text := self.otherwise(bet, line))]

        await self._until(lambda: not others(), lambda: "; ".join(others()[:5]))
        self.report.settlements += len(expected)

    def otherwise(self, bet: str, line: Line, names: Sequence[str] = STANDS) -> str:
        """How a bet stands where it does not stand as it did; empty where it does."""
        held = self.ledger.bet(self.bets[bet])
        here = {} if held is None else {name: getattr(held, name) for name in names}
        there = {name: line[name] for name in names}
        return "" if here == there else f"bet {bet}: here {here}, in the journal {there}"
