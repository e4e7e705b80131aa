"""Settlement: which legs a result decides, and what a bet then returns.

Stage one, by fixture: hears incidents and results, says ``LegsDecided`` on ``decisions``: every selection that nothing
still to come can change, and what becomes of the rest by how a match ended (``football_rules``); and, as
``LegsVoided``, in which window of time bets were placed on what was known. What the pitch decides is provisional; the
provider's word of the ending confirms it. A goal taken back or a corrected result withdraws or changes what was decided
before. A match that has not kicked off in the time that its announcement names is void by the clock; what still waits
for that is read from ``fixtures``, so that a restart forgets none. Stage two, by account: has the ledger remember what
stage one says, and settles the bets concerned page by page, once nothing that is undecided can change what comes back
of them, and again where they were settled otherwise; hears ``BetAccepted``, and settles at once a bet that committed
after its leg was decided.

Owns nothing that the log and the ledger do not hold: every decision carries the ``seq`` of its cause as its version,
and every settling command's id derives from bet and version, so that hearing anything twice changes nothing. Never
quotes a price and never changes a decision without a higher version.
"""

import logging
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from matchday.config import Settlement as SettlementSettings
from matchday.letters import Letters
from matchday.model.bet import Bet, Outcome, undecided
from matchday.model.football_markets import decisions
from matchday.model.football_rules import out_of_time, outcomes, waits
from matchday.model.ledger import Answer, Command, DecideLegs, SettleBet, SettleBets, VoidLegs, standing
from matchday.model.messages import (
    OVER,
    BetAccepted,
    Certainty,
    Decision,
    FixtureScheduled,
    FixtureSnapshot,
    FixtureStatus,
    Incident,
    LegsDecided,
    LegsVoided,
    Message,
    ResultConfirmed,
    Topic,
    WindowVoided,
    encode,
    kind,
)
from matchday.ports import Clock, Ledger, LedgerUnavailable, Log, LogUnavailable, Record, Stored, Timer
from matchday.voice import Voice

_log = logging.getLogger(__name__)

_RETRY_MS = 500
"""Milliseconds until a commit that the ledger did not take is tried again."""
_LOOK_MS_MAX = 600_000
"""Milliseconds between two looks for what has not kicked off, at most: a clock that was wrong may be right again."""
_ACCEPTED = BetAccepted.__struct_config__.tag
_READ_MAX = 500
"""Bets of one read: a millisecond, ten where they are not in memory."""
_FIXTURES_MAX = 512
"""Fixtures of which it is remembered what was last said of each selection: those spoken of lately."""
_PAGES_IN_FLIGHT = 4
"""Pages that the ledger has at once: one is written, one is worked out, and either may be done first."""
GROUP_FIXTURE = "settlement-by-fixture"
GROUP_ACCOUNT = "settlement-by-account"


class SettlementByFixture:
    """Stage one: incidents and results in, decisions out, of the fixtures of the partition that ``log`` is a view
    of."""

    def __init__(self, clock: Clock, log: Log) -> None:
        self._clock = clock
        self._log = log
        self._voice = Voice(clock, log, "settlement")
        self._letters = Letters(clock, self._voice, "settlement")
        self._seen: dict[str, tuple[int, dict[str, Outcome | None] | None]] = {}
        """Fixture -> the last seq heard and what was decided then. Unknown after a restart: then everything is said
        again, what is undecided too, at a higher version, which changes nothing where the outcome is the same."""
        self._heard = self._before = -1
        """Offsets in incidents: of the last record heard, and of the last that was there before this process."""
        self._timer: tuple[int, Timer] | None = None
        """When the next fixture that has not kicked off is void, and the call that looks for it."""

    def start(self) -> None:
        """Hear what came since the last position, and void what was not played meanwhile."""
        self._before = self._log.end(Topic.INCIDENTS)
        self._log.tail(Topic.INCIDENTS, self._log.position(GROUP_FIXTURE, Topic.INCIDENTS), self.hear)
        self._look()

    def hear(self, records: Sequence[Stored]) -> None:
        """Decide what these records decide, then move the position once that is durable."""
        said: list[Record] = []

        def take(stored: Stored, message: Message) -> None:
            if isinstance(message, FixtureScheduled):
                self._scheduled(message, new=stored.offset > self._before)
            elif isinstance(message, Incident | ResultConfirmed):
                said.extend(self._decide(message))
            elif isinstance(message, WindowVoided):
                said.extend(self._void(message))

        self._letters.each([stored for stored in records if stored.offset > self._heard], take)
        offset = records[-1].offset
        self._heard = max(self._heard, offset)
        self._voice.say(said, lambda: self._log.advance(GROUP_FIXTURE, Topic.INCIDENTS, offset))

    def _decide(self, message: Incident | ResultConfirmed) -> list[Record]:
        fixture = message.fixture
        seq, before = self._seen.get(fixture, (-1, None))
        if message.seq <= seq:
            return []
        if isinstance(message, Incident):
            now, cause = decisions(message.state), message.type.value
        elif message.status in OVER:
            now, cause = outcomes(message.state, message.status), message.status.value
        else:
            self._seen[fixture] = (message.seq, before)  # postponed: what was decided stands, the rest waits
            return []
        certainty = Certainty.PROVISIONAL
        if isinstance(message, ResultConfirmed) and message.status != FixtureStatus.UNKNOWN:
            certainty = Certainty.CONFIRMED
        said = self._say(fixture, message.seq, cause, now, certainty)
        if isinstance(message, ResultConfirmed):
            del self._seen[fixture]
        return said

    def _say(
        self, fixture: str, version: int, cause: str, now: dict[str, Outcome | None], certainty: Certainty
    ) -> list[Record]:
        """What is decided now and was not before; nothing anew is said only to confirm what was."""
        _, before = self._seen.get(fixture, (-1, None))
        self._seen[fixture] = (version, now)
        fresh = tuple(
            _decision(fixture, name, outcome)
            for name, outcome in now.items()
            if before is None or before.get(name) != outcome
        )
        if not fresh and certainty == Certainty.PROVISIONAL:
            return []
        legs = LegsDecided(fixture, version, cause, self._clock.now_ms(), fresh, certainty)
        return [Record(Topic.DECISIONS, fixture, encode(legs))]

    # --- what is not played in its time -------------------------------------------------------------------------------

    def _scheduled(self, message: FixtureScheduled, *, new: bool) -> None:
        """Nothing has been decided of a fixture that is announced for the first time while this process listens."""
        seq, before = self._seen.get(message.fixture, (-1, {} if new and message.seq == 1 else None))
        self._seen[message.fixture] = (max(seq, message.seq), before)
        if message.void_at_ms:
            self._look_at(message.void_at_ms)

    def _look_at(self, at_ms: int) -> None:
        """Look then, unless it will be looked sooner."""
        if self._timer is not None:
            if self._timer[0] <= at_ms:
                return
            self._timer[1].cancel()
        delay_ms = min(max(0, at_ms - self._clock.now_ms()), _LOOK_MS_MAX)
        self._timer = (at_ms, self._clock.call_later(delay_ms, self._look))

    def _look(self) -> None:
        """Void what has not kicked off in its time, as the feed last knew it, and come back for the next. The version
        is the last ``seq`` of the fixture, at which nothing was decided. A kick-off in time that is heard of later
        withdraws it."""
        self._timer, now = None, self._clock.now_ms()
        later: list[int] = []
        for _, snapshot in self._letters.opened(self._fixtures()):
            if not isinstance(snapshot, FixtureSnapshot):
                continue
            if out_of_time(snapshot, now):
                self._out_of_time(snapshot)
            elif waits(snapshot) and snapshot.scheduled.void_at_ms:
                later.append(snapshot.scheduled.void_at_ms)
        if later:
            self._look_at(min(later))

    def _fixtures(self) -> Sequence[Stored]:
        """As the feed last knew them; none where the log cannot be read, and then it is looked again soon."""
        try:
            return self._log.latest(Topic.FIXTURES)
        except LogUnavailable as error:
            _log.error("settlement: fixtures could not be read: %s", error)
            self._look_at(self._clock.now_ms() + _RETRY_MS)
            return ()

    def _out_of_time(self, snapshot: FixtureSnapshot) -> None:
        void = outcomes(snapshot.state, FixtureStatus.CANCELLED)
        fixture = snapshot.scheduled.fixture
        if self._seen.get(fixture) != (snapshot.seq, void):
            self._voice.say(self._say(fixture, snapshot.seq, "out_of_time", void, Certainty.CONFIRMED))

    # --- bets placed on what was known --------------------------------------------------------------------------------

    def _void(self, message: WindowVoided) -> list[Record]:
        """Said again after a restart: the ledger knows the version."""
        fixture = message.fixture
        if fixture in self._seen:
            seq, before = self._seen[fixture]
            self._seen[fixture] = (max(seq, message.seq), before)
        voided = LegsVoided(
            fixture, message.seq, message.from_ms, message.until_ms, message.reason, self._clock.now_ms()
        )
        return [Record(Topic.DECISIONS, fixture, encode(voided))]


def _decision(fixture: str, name: str, outcome: Outcome | None) -> Decision:
    selection = f"{fixture}:{name}"
    return Decision(selection.rpartition("/")[0], selection, outcome)


class _Lane:
    """Work of one kind: one piece at a time, in order. Each piece calls ``next`` when it is done."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._work: deque[Callable[[], None]] = deque()
        self.busy = False
        self._running = self._done = False

    def __len__(self) -> int:
        return len(self._work)

    def do(self, work: Callable[[], None]) -> None:
        """Do it after all that was asked before, not at once."""
        self._work.append(work)
        if not self.busy:
            self.busy = True
            self._clock.call_later(0, self._run)

    def next(self) -> None:
        """A piece of work is done."""
        self._done = True
        if not self._running:
            self._run()

    def _run(self) -> None:
        """Until a piece goes on later."""
        self._running = self._done = True
        while self._done and self._work:
            self._done = False
            self._work.popleft()()
        self.busy = not self._done
        self._running = False


class _Intake:
    """A topic, heard no faster than what it brings is done. What is not heard stands on the log, where it is safe and
    in nobody's memory."""

    def __init__(self, log: Log, topic: Topic, waiting_max: int, hear: Callable[[Sequence[Stored]], None]) -> None:
        self._log, self._topic, self._most, self._hear = log, topic, waiting_max, hear
        self._after, self._waiting = -1, 0
        self._tail: Timer | None = None

    def start(self) -> None:
        """Hear what comes after the last position."""
        self._after = self._log.position(GROUP_ACCOUNT, self._topic)
        self._listen()

    def done(self, offset: int, records: int) -> None:
        """So many records, the last one of which has this offset, have been dealt with."""
        self._log.advance(GROUP_ACCOUNT, self._topic, offset)
        self._waiting -= records
        if self._tail is None and self._waiting <= self._most // 2:
            self._listen()

    def _listen(self) -> None:
        self._tail = self._log.tail(self._topic, self._after, self._heard)

    def _heard(self, records: Sequence[Stored]) -> None:
        self._after = max(self._after, records[-1].offset)
        self._waiting += len(records)
        if self._waiting >= self._most and self._tail is not None:
            self._tail.cancel()
            self._tail = None
        self._hear(records)


Bets = NDArray[np.int64]
"""Bets as the number of the account, then that of the bet, in eight bytes each."""
_NUMBER: Final = 32
"""Bits of a bet's number."""
_NONE: Final = np.empty(0, np.int64)


class _Sweep(msgspec.Struct):
    """The way through all bets on some selections of a fixture."""

    fixture: str
    version: int
    selections: Sequence[str]
    after: int = 0
    """The last bet that was read."""
    all_read: bool = False
    read: list[Bets] = []
    """Those of the next wave, read by read."""
    count: int = 0
    """How many these are."""
    wave: Bets = _NONE
    """Those that are being settled, in order."""
    done: int = 0
    """How many of them the ledger has been handed."""
    in_flight: int = 0
    """Pages of the wave that are not answered."""


class SettlementByAccount:
    """Stage two: decisions and accepted bets in, settlements to the ledger; of the partition that ``log`` is a view of:
    decisions on its fixtures, and bets of its accounts. A bet may have legs on fixtures of several: each decision has
    it settled by what the ledger then holds.

    What was decided is swept wave by wave: bets are read as they were placed, some hundred thousands, and settled as
    their accounts are ordered: what the ledger changes of an account it then changes once for several bets, and what it
    changes of neighbours stands on the same pages of its file.
    A commit settles not too many bets, so that those that fans place meanwhile soon get in between.
    """

    def __init__(self, clock: Clock, log: Log, ledger: Ledger, settings: SettlementSettings) -> None:
        self._clock = clock
        self._log = log
        self._ledger = ledger
        self._settings = settings
        self._voice = Voice(clock, log, "settlement by account")
        self._letters = Letters(clock, self._voice, "settlement by account")
        self._decided, self._accepted = _Lane(clock), _Lane(clock)
        most = settings.waiting_max
        self._decisions = _Intake(log, Topic.DECISIONS, most, self._hear_decisions)
        self._accounts = _Intake(log, Topic.ACCOUNTS, most, self._hear_accounts)
        self._page = settings.page_max
        self._said: dict[str, dict[str, int]] = {}
        """Fixture -> the highest version at which anything was said of each selection."""

    def start(self) -> None:
        """Hear decisions and accepted bets from the last positions on."""
        self._decisions.start()
        self._accounts.start()

    @property
    def waiting(self) -> int:
        """Pieces of work that wait for the one that is under way."""
        return len(self._decided) + len(self._accepted)

    @property
    def idle(self) -> bool:
        """Whether all that was heard has been settled."""
        return not (self._decided.busy or self._accepted.busy)

    def _hear_decisions(self, records: Sequence[Stored]) -> None:
        """Remember each decision in the ledger, then settle the bets on it."""
        for _, message in self._letters.opened(records):
            if isinstance(message, LegsDecided):
                if (fresh := self._not_overtaken(message)).decisions:
                    self._decided.do(partial(self._remember, fresh))
            elif isinstance(message, LegsVoided):
                self._decided.do(partial(self._void, message))
        self._mark(self._decided, self._decisions, records)

    def _hear_accounts(self, records: Sequence[Stored]) -> None:
        """A bet may have committed after its leg was decided: then nobody else will settle it. One that committed
        before is found by the sweep, which begins when the decision has committed."""
        accepted = self._letters.opened(records, wanted=lambda stored: kind(stored.value) == _ACCEPTED)
        if placed := [message.bet for _, message in accepted if isinstance(message, BetAccepted)]:
            self._accepted.do(partial(self._reading, partial(self._settle_late, placed)))
        self._mark(self._accepted, self._accounts, records)

    def _mark(self, lane: _Lane, intake: _Intake, records: Sequence[Stored]) -> None:
        done = partial(intake.done, records[-1].offset, len(records))

        def advance() -> None:
            if self._voice.quiet:
                done()
            else:  # what was put aside must be durable first
                self._voice.say((), done)
            lane.next()

        lane.do(advance)

    def _not_overtaken(self, message: LegsDecided) -> LegsDecided:
        """What of it nobody has said later words on. While a share changes hands two rooms of stage one speak: what the
        later one only repeated changes nothing in the ledger, and would not keep an older word from doing so."""
        said = self._said[message.fixture] = self._said.pop(message.fixture, {})
        if len(self._said) > _FIXTURES_MAX:
            del self._said[next(iter(self._said))]
        fresh = tuple(one for one in message.decisions if said.get(one.selection, -1) <= message.version)
        said.update((one.selection, message.version) for one in fresh)
        return message if len(fresh) == len(message.decisions) else msgspec.structs.replace(message, decisions=fresh)

    # --- what a decision concerns -------------------------------------------------------------------------------------

    def _remember(self, message: LegsDecided) -> None:
        command = DecideLegs(
            f"decide:{message.fixture}:{message.version}", message.fixture, message.version, message.decisions,
            message.at_ms,
        )  # fmt: skip
        self._commit([command], partial(self._reading, partial(self._sweep_decided, message)))

    def _sweep_decided(self, message: LegsDecided) -> None:
        """Those selections whose decision is this one: what stood as it does has been swept, or will be."""
        held = self._ledger.decisions([decision.selection for decision in message.decisions])
        self._sweep(message, [name for name, (version, _) in held.items() if version == message.version])

    def _void(self, message: LegsVoided) -> None:
        command = VoidLegs(
            f"void:{message.fixture}:{message.version}", message.fixture, message.version, message.from_ms,
            message.until_ms, message.at_ms,
        )  # fmt: skip
        self._commit([command], partial(self._reading, partial(self._sweep_window, message)))

    def _sweep_window(self, message: LegsVoided) -> None:
        self._sweep(message, self._ledger.backed(message.fixture))

    def _sweep(self, message: LegsDecided | LegsVoided, selections: Sequence[str]) -> None:
        self._read_on(_Sweep(message.fixture, message.version, selections))

    def _read_on(self, sweep: _Sweep) -> None:
        self._reading(partial(self._gather, sweep))

    def _gather(self, sweep: _Sweep) -> None:
        """Read on, a little at a time, until the wave is full or nothing is left."""
        if not sweep.all_read and sweep.count < self._settings.wave_max:
            found = self._ledger.bets_on(sweep.selections, sweep.after, _READ_MAX)
            if found:
                numbers = np.array(found, np.int64)
                sweep.read.append(numbers[:, 0] << _NUMBER | numbers[:, 1])
                sweep.count += len(found)
                sweep.after = found[-1][1]
            sweep.all_read = not found
            self._clock.call_later(0, partial(self._read_on, sweep))
            return
        sweep.wave, sweep.done = np.sort(np.concatenate([_NONE, *sweep.read])), 0
        sweep.read, sweep.count = [], 0
        self._settle_wave(sweep)

    def _settle_wave(self, sweep: _Sweep) -> None:
        """Page by page; then the next wave. The next page is there when the ledger is done with one."""
        while sweep.in_flight < _PAGES_IN_FLIGHT and sweep.done < len(sweep.wave):
            page = sweep.wave[sweep.done : self._page_end(sweep)] & ((1 << _NUMBER) - 1)
            sweep.done += len(page)
            sweep.in_flight += 1
            numbers = tuple(page.tolist())
            id_ = f"settle:{sweep.fixture}:{sweep.version}:{numbers[0]}"
            command = SettleBets(id_, sweep.fixture, numbers, self._clock.now_ms())
            self._commit([command], partial(self._settled, sweep, self._clock.elapsed_ms()))
        if not sweep.in_flight:
            if sweep.all_read:
                self._decided.next()
            else:
                self._read_on(sweep)

    def _page_end(self, sweep: _Sweep) -> int:
        """Where the next page ends: with an account, if it can, so that two pages that are worked out at once change
        nothing of each other's."""
        wave, most = sweep.wave, sweep.done + self._page
        if most >= len(wave):
            return len(wave)
        start = int(np.searchsorted(wave, wave[most] >> _NUMBER << _NUMBER))
        return start if start > sweep.done else most

    def _settled(self, sweep: _Sweep, since_ms: int) -> None:
        sweep.in_flight -= 1
        self._adapt((self._clock.elapsed_ms() - since_ms) // _PAGES_IN_FLIGHT)
        self._settle_wave(sweep)

    def _adapt(self, took_ms: int) -> None:
        """Fewer bets a commit where one takes too long, a few more where it does not."""
        most = self._settings.page_max
        less = took_ms > self._settings.commit_ms_max
        self._page = max(most // 4, self._page // 2, 1) if less else min(most, self._page + self._page // 8 + 1)

    # --- bets that came late ------------------------------------------------------------------------------------------

    def _settle_late(self, bets: Sequence[Bet]) -> None:
        """Settle those of them of which what the ledger holds decides what comes back."""
        legs = [leg for bet in bets for leg in bet.legs]
        held = self._ledger.decisions(list(dict.fromkeys(name for leg in legs for name in leg.selections)))
        windows = self._ledger.windows(list(dict.fromkeys(leg.fixture for leg in legs)))
        commands: list[Command] = []
        for bet in bets:
            version, outcomes = standing(bet, held, windows)
            if version and not undecided(outcomes, bet.type):
                commands.append(SettleBet(f"settle:{bet.bet}:{version}", bet.bet, bet.account, self._clock.now_ms()))
        if commands:
            self._commit(commands, self._accepted.next)
        else:
            self._accepted.next()

    # --- the ledger ---------------------------------------------------------------------------------------------------

    def _reading(self, call: Callable[[], None]) -> None:
        """Make a call that reads, until the ledger can be read."""
        try:
            call()
        except LedgerUnavailable as error:
            _log.error("settlement: the ledger could not be read: %s", error)
            self._clock.call_later(_RETRY_MS, partial(self._reading, call))

    def _commit(self, commands: Sequence[Command], then: Callable[[], None]) -> None:
        """Commit under the same ids until the ledger takes it."""

        def done(outcome: Sequence[Answer] | LedgerUnavailable) -> None:
            if isinstance(outcome, LedgerUnavailable):
                _log.error("settlement: the ledger did not take %d commands: %s", len(commands), outcome)
                self._clock.call_later(_RETRY_MS, lambda: self._commit(commands, then))
            else:
                then()

        self._ledger.commit(commands, done)
