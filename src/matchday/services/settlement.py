"""Settlement: which legs a result decides, and what a bet then returns.

Stage one, by fixture: hears incidents and results, says ``LegsDecided`` on ``decisions``: every selection that nothing
still to come can change, all the rest when regular time is over, and void what an abandoned or postponed match leaves
undecided; and, as ``LegsVoided``, in which window of time bets were placed on what was known. A goal taken back or a
corrected result withdraws or changes what was decided before. Stage two, by account: has the ledger remember what stage
one says, and settles the bets concerned page by page, again where they were settled otherwise; hears ``BetAccepted``,
and settles at once a bet that committed after its leg was decided.

Owns nothing that the log and the ledger do not hold: every decision carries the ``seq`` of its cause as its version,
and every settling command's id derives from bet and version, so that hearing anything twice changes nothing. Never
quotes a price and never changes a decision without a higher version.
"""

import logging
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

import msgspec

from matchday.config import Settlement as SettlementSettings
from matchday.model.bet import VOID, Bet, BetStatus, Outcome
from matchday.model.football import FootballState
from matchday.model.football_markets import decisions
from matchday.model.ledger import Answer, Command, DecideLegs, SettleBet, VoidLegs, standing
from matchday.model.messages import (
    BetAccepted,
    DeadLetter,
    Decision,
    FixtureScheduled,
    FixtureStatus,
    Incident,
    LegsDecided,
    LegsVoided,
    ResultConfirmed,
    Topic,
    WindowVoided,
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
        self._seen: dict[str, tuple[int, dict[str, Outcome | None] | None]] = {}
        """Fixture -> the last seq heard and what was decided then. Unknown after a restart: then everything is said
        again, what is undecided too, at a higher version, which changes nothing where the outcome is the same."""

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
            elif isinstance(message, WindowVoided):
                said.extend(self._void(message))
        offset = records[-1].offset
        self._voice.say(said, lambda: self._log.advance(GROUP_FIXTURE, Topic.INCIDENTS, offset))

    def _decide(self, message: Incident | ResultConfirmed) -> list[Record]:
        fixture = message.fixture
        seq, before = self._seen.get(fixture, (-1, None))
        if message.seq <= seq:
            return []
        broken = isinstance(message, ResultConfirmed) and message.status != FixtureStatus.FINISHED
        status = message.status if isinstance(message, ResultConfirmed) else FixtureStatus.LIVE
        now = _outcomes(message.state, void_rest=broken, void_all=status == FixtureStatus.POSTPONED)
        self._seen[fixture] = (message.seq, now)
        if isinstance(message, ResultConfirmed):
            del self._seen[fixture]
        fresh = tuple(
            _decision(fixture, name, outcome)
            for name, outcome in now.items()
            if before is None or before.get(name) != outcome
        )
        if not fresh:
            return []
        cause = message.type.value if isinstance(message, Incident) else status.value
        legs = LegsDecided(fixture, message.seq, cause, self._clock.now_ms(), fresh)
        return [Record(Topic.DECISIONS, fixture, encode(legs))]

    def _void(self, message: WindowVoided) -> list[Record]:
        """Said again after a restart: the ledger knows the version."""
        fixture = message.fixture
        seq, before = self._seen.get(fixture, (-1, None))
        if message.seq <= seq:
            return []
        if fixture in self._seen:
            self._seen[fixture] = (message.seq, before)
        voided = LegsVoided(
            fixture, message.seq, message.from_ms, message.until_ms, message.reason, self._clock.now_ms()
        )
        return [Record(Topic.DECISIONS, fixture, encode(voided))]


def _outcomes(state: FootballState, *, void_rest: bool, void_all: bool) -> dict[str, Outcome | None]:
    """What every selection came to at a state, None where undecided; by its id without the fixture."""
    rest = VOID if void_rest else None
    return {name: VOID if void_all else outcome or rest for name, outcome in decisions(state).items()}


def _decision(fixture: str, name: str, outcome: Outcome | None) -> Decision:
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
            elif isinstance(message, LegsVoided):
                self._do(lambda message=message: self._void(message))  # type: ignore[misc]
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
        page = partial(self._ledger.bets_on, selections)
        self._commit([command], lambda: self._page(page, ""))

    def _void(self, message: LegsVoided) -> None:
        command = VoidLegs(
            f"void:{message.fixture}:{message.version}", message.fixture, message.version, message.from_ms,
            message.until_ms, message.at_ms,
        )  # fmt: skip
        page = partial(self._ledger.bets_of, message.fixture)
        self._commit([command], lambda: self._page(page, ""))

    def _page(self, page: Callable[[str, int], Sequence[Bet]], after: str) -> None:
        """Settle one page of bets, then the next."""
        bets = page(after, self._settings.page_max)
        if not bets:
            self._next()
            return
        self._settle(bets, lambda: self._page(page, bets[-1].bet))

    def _settle(self, bets: Sequence[Bet], then: Callable[[], None]) -> None:
        """Bring those bets to where their legs stand by what the ledger holds, that are not there yet."""
        legs = [leg for bet in bets for leg in bet.legs]
        held = self._ledger.decisions(list(dict.fromkeys(name for leg in legs for name in leg.selections)))
        windows = self._ledger.windows(list(dict.fromkeys(leg.fixture for leg in legs)))
        commands: list[Command] = []
        for bet in bets:
            version, outcomes = standing(bet, held, windows)
            waits = bet.status == BetStatus.OPEN and None in outcomes
            if version > bet.version and not waits:
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
