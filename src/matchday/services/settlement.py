"""Settlement: which legs a result decides, and what a bet then returns.

Stage one, by fixture: hears incidents and results, says ``LegsDecided`` on ``decisions``: every selection that nothing
still to come can change, all the rest when regular time is over, and void what an abandoned or postponed match leaves
undecided. Stage two, by account: hears ``LegsDecided``, has the ledger remember the decisions, and settles the bets on
them page by page; hears ``BetAccepted``, and settles at once a bet that committed after its leg was decided.

Owns nothing that the log and the ledger do not hold: every decision carries the ``seq`` of its cause as its version,
and every settling command's id derives from bet and version, so that hearing anything twice changes nothing. Never
quotes a price and never changes a decision without a higher version.
"""

import logging
from collections import deque
from collections.abc import Callable, Sequence

import msgspec

from matchday.config import Settlement as SettlementSettings
from matchday.model.bet import VOID, Bet, BetStatus, Outcome
from matchday.model.football import FootballState
from matchday.model.football_markets import decisions
from matchday.model.ledger import Answer, Command, DecideLegs, SettleBet
from matchday.model.messages import (
    BetAccepted,
    DeadLetter,
    Decision,
    FixtureScheduled,
    FixtureStatus,
    Incident,
    LegsDecided,
    ResultConfirmed,
    Topic,
    decode,
    encode,
)
from matchday.ports import Clock, Ledger, LedgerUnavailable, Log, Record, Stored
from matchday.voice import Voice

_log = logging.getLogger(__name__)

_RETRY_MS = 500
"""Milliseconds until a commit that the ledger did not take is tried again."""
GROUP_FIXTURE = "settlement-by-fixture"
GROUP_ACCOUNT = "settlement-by-account"


class SettlementByFixture:
    """Stage one: incidents and results in, decisions out."""

    def __init__(self, clock: Clock, log: Log) -> None:
        self._clock = clock
        self._log = log
        self._voice = Voice(clock, log, "settlement")
        self._seen: dict[str, tuple[int, dict[str, Outcome]]] = {}
        """Fixture -> the last seq heard and what was decided then. Empty after a restart: then all that is decided is
        said again, at a higher version, which changes nothing where the outcome is the same."""

    def start(self) -> None:
        """Hear what came since the last position."""
        self._log.tail(Topic.INCIDENTS, self._log.position(GROUP_FIXTURE, Topic.INCIDENTS), self.hear)

    def hear(self, records: Sequence[Stored]) -> None:
        """Decide what these records decide, then move the position once that is durable."""
        said: list[Record] = []
        for stored in records:
            try:
                message = decode(stored.value)
            except msgspec.MsgspecError as error:
                letter = DeadLetter("settlement", stored.topic, stored.offset, str(error), self._clock.now_ms())
                said.append(Record(Topic.DEAD_LETTERS, stored.key, encode(letter)))
                continue
            if isinstance(message, FixtureScheduled):
                self._seen.setdefault(message.fixture, (message.seq, {}))
            elif isinstance(message, Incident | ResultConfirmed):
                said.extend(self._decide(message))
        offset = records[-1].offset
        self._voice.say(said, lambda: self._log.advance(GROUP_FIXTURE, Topic.INCIDENTS, offset))

    def _decide(self, message: Incident | ResultConfirmed) -> list[Record]:
        fixture = message.fixture
        seq, before = self._seen.get(fixture, (-1, {}))
        if message.seq <= seq:
            return []
        broken = isinstance(message, ResultConfirmed) and message.status != FixtureStatus.FINISHED
        status = message.status if isinstance(message, ResultConfirmed) else FixtureStatus.LIVE
        now = _outcomes(message.state, void_rest=broken, void_all=status == FixtureStatus.POSTPONED)
        self._seen[fixture] = (message.seq, now)
        if isinstance(message, ResultConfirmed):
            del self._seen[fixture]
        fresh = tuple(_decision(fixture, name, outcome) for name, outcome in now.items() if before.get(name) != outcome)
        if not fresh:
            return []
        cause = message.type.value if isinstance(message, Incident) else status.value
        legs = LegsDecided(fixture, message.seq, cause, self._clock.now_ms(), fresh)
        return [Record(Topic.DECISIONS, fixture, encode(legs))]


def _outcomes(state: FootballState, *, void_rest: bool, void_all: bool) -> dict[str, Outcome]:
    """What every decided selection came to at a state, by its id without the fixture."""
    rest = VOID if void_rest else None
    found = ((name, VOID if void_all else outcome or rest) for name, outcome in decisions(state).items())
    return {name: outcome for name, outcome in found if outcome is not None}


def _decision(fixture: str, name: str, outcome: Outcome) -> Decision:
    selection = f"{fixture}:{name}"
    return Decision(selection.rpartition("/")[0], selection, outcome)


class SettlementByAccount:
    """Stage two: decisions and accepted bets in, settlements to the ledger. One piece of work at a time, in order."""

    def __init__(self, clock: Clock, log: Log, ledger: Ledger, settings: SettlementSettings) -> None:
        self._clock = clock
        self._log = log
        self._ledger = ledger
        self._settings = settings
        self._work: deque[Callable[[], None]] = deque()
        self._busy = False

    def start(self) -> None:
        """Hear decisions and accepted bets from the last positions on."""
        self._log.tail(Topic.DECISIONS, self._log.position(GROUP_ACCOUNT, Topic.DECISIONS), self.hear_decisions)
        self._log.tail(Topic.ACCOUNTS, self._log.position(GROUP_ACCOUNT, Topic.ACCOUNTS), self.hear_accounts)

    @property
    def idle(self) -> bool:
        """Whether all that was heard has been settled."""
        return not self._busy and not self._work

    def hear_decisions(self, records: Sequence[Stored]) -> None:
        """Remember each decision in the ledger, then settle the bets on it."""
        for stored in records:
            message = decode(stored.value)
            if isinstance(message, LegsDecided):
                self._do(lambda message=message: self._remember(message))  # type: ignore[misc]
        self._mark(Topic.DECISIONS, records[-1].offset)

    def hear_accounts(self, records: Sequence[Stored]) -> None:
        """A bet may have committed after its leg was decided: then nobody else will settle it."""
        placed = [m.bet for stored in records if isinstance(m := decode(stored.value), BetAccepted)]
        if placed:
            self._do(lambda: self._settle(placed, self._next))
        self._mark(Topic.ACCOUNTS, records[-1].offset)

    def _mark(self, topic: Topic, offset: int) -> None:
        def advance() -> None:
            self._log.advance(GROUP_ACCOUNT, topic, offset)
            self._next()

        self._do(advance)

    def _do(self, work: Callable[[], None]) -> None:
        self._work.append(work)
        if not self._busy:
            self._busy = True
            self._clock.call_later(0, self._next)

    def _next(self) -> None:
        if self._work:
            self._work.popleft()()
        else:
            self._busy = False

    def _remember(self, message: LegsDecided) -> None:
        command = DecideLegs(
            f"decide:{message.fixture}:{message.version}", message.fixture, message.version, message.decisions,
            message.at_ms,
        )  # fmt: skip
        selections = [decision.selection for decision in message.decisions]
        self._commit([command], lambda: self._page(selections, ""))

    def _page(self, selections: Sequence[str], after: str) -> None:
        """Settle one page of the bets on these selections, then the next."""
        bets = self._ledger.bets_on(selections, after, self._settings.page_max)
        if not bets:
            self._next()
            return
        self._settle(bets, lambda: self._page(selections, bets[-1].bet))

    def _settle(self, bets: Sequence[Bet], then: Callable[[], None]) -> None:
        """Settle those bets whose legs are all decided, at the version of the decisions that the ledger holds."""
        held = self._ledger.decisions(list(dict.fromkeys(leg.selection for bet in bets for leg in bet.legs)))
        commands: list[Command] = []
        for bet in bets:
            if not all(leg.selection in held for leg in bet.legs):
                continue
            version = sum(held[leg.selection][0] for leg in bet.legs)
            if bet.status == BetStatus.OPEN or version > bet.version:
                commands.append(SettleBet(f"settle:{bet.bet}:{version}", bet.bet, bet.account, self._clock.now_ms()))
        if commands:
            self._commit(commands, then)
        else:
            then()

    def _commit(self, commands: Sequence[Command], then: Callable[[], None]) -> None:
        """Commit under the same ids until the ledger takes it."""

        def done(outcome: Sequence[Answer] | LedgerUnavailable) -> None:
            if isinstance(outcome, LedgerUnavailable):
                _log.error("settlement: the ledger did not take %d commands: %s", len(commands), outcome)
                self._clock.call_later(_RETRY_MS, lambda: self._commit(commands, then))
            else:
                then()

        self._ledger.commit(commands, done)
