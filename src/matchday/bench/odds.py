"""``bench odds``: what prices cost, without threads, disk or sockets.

The real odds room hears incidents of one match, and a tick a second of a thousand live ones; what it says is encoded
and handed to a log that only takes it. The pricing model alone, combinations and decisions stand beside it.
"""

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Final

import msgspec
from msgspec.structs import astuple

from matchday.backends.log_sqlite import SqliteLogCore
from matchday.bench.figures import Row, Target, percentile, plain
from matchday.bench.run import Run
from matchday.bench.sampler import sampled
from matchday.bench.stopwatch import SERVER_CORE, cpu_s, now_s, pinned
from matchday.config import Settings
from matchday.model.football import FootballState, IncidentType, Period, Team, advance
from matchday.model.football_markets import decisions
from matchday.model.messages import FeedAlive, FixtureScheduled, Incident, PricedOn, Ticked, Topic, encode
from matchday.ports import Record, Stored
from matchday.pricing.calibrate import PRIOR
from matchday.pricing.football import price_book, warm_up
from matchday.pricing.joint import Combination, combination_price
from matchday.services.odds import Odds
from matchday.sim.clock import VirtualClock
from matchday.sim.inline import InlineLog

INCIDENT_TARGET: Final = Target(0.5)
LIVE_TARGET: Final = Target(60)
LIVE: Final = 1_000
_START_MS: Final = 1_790_000_000_000
_FEED: Final = "bench"
_PARTS: Final = (
    "1x2", "both_teams_to_score", "double_chance", "draw_no_bet", "odd_even", "half_time_result", "next_goal@1",
    "total_goals@2.5", "team_total_home@1.5", "asian_handicap@-1.0",
)  # fmt: skip


def measure(run: Run) -> list[Row]:
    """The rows."""
    warm_up()
    with pinned(SERVER_CORE):
        with ExitStack() as stack:
            if run.profile is not None:
                stack.enter_context(sampled(run.profile))
            rows = [*_incident(run), _live(run)]
        for done, alone in enumerate((_pricing, _combining, _deciding)):
            rows += alone(run.share(600, 20))
            run.progress("odds: alone", done + 1, 3)
    return rows


class _Handed(InlineLog):
    """The log: what is said on ``books`` and beside it is counted, and then taken in by memory alone."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(SqliteLogCore(":memory:", clock.new_id), clock)
        self.bytes = 0
        self.last_s = 0.0
        """When something was last handed over."""
        self._taken = 10**9

    def append(self, records: Sequence[Record], done: Callable[..., None] | None = None) -> None:
        """Nothing is stored: it is the room's time that counts."""
        self.last_s = now_s()
        self.bytes += sum(len(record.value) for record in records)
        self._taken += len(records)
        if done is not None:
            offsets = list(range(self._taken - len(records), self._taken))
            self._clock.call_later(0, lambda: done(offsets))


class Room:
    """The odds room with some matches in play, spoken to directly."""

    def __init__(self, matches: int) -> None:
        self.clock = VirtualClock(1, _START_MS)
        self.log = _Handed(self.clock)
        settings = msgspec.structs.replace(Settings().odds, alive_ms=10**9, tick_ms=10**9)
        self.odds = Odds(self.clock, self.log, price_book, settings)
        self.odds.start()
        self.clock.run_for(0)
        self._offset = 10**6
        self.hear(FeedAlive(_FEED, _START_MS))
        self.states: dict[str, FootballState] = {}
        self.seqs: dict[str, int] = {}
        for n in range(matches):
            self._begin(f"F{n}", n)

    def _begin(self, name: str, n: int) -> None:
        """A match whose clubs, score and clock are its own: one of a thousand is not priced by what another left."""
        kickoff_ms = _START_MS - 1_000 * (n * 37 % 2_400)
        strengths = msgspec.structs.replace(
            PRIOR, home_rate=PRIOR.home_rate * (0.6 + n % 89 / 100), away_rate=PRIOR.away_rate * (0.6 + n % 97 / 100)
        )
        self.hear(FixtureScheduled(
            name, 1, _FEED, "football", "Cup", "Home", "Away", kickoff_ms, kickoff_ms, strengths, "invented"
        ))  # fmt: skip
        state = FootballState()
        for seq, type_ in enumerate((IncidentType.KICK_OFF, *[IncidentType.CORNER] * (n % 5)), 2):
            state = advance(state, type_, None if type_ == IncidentType.KICK_OFF else "away", 0)
            self.hear(Incident(name, seq, _FEED, type_, None, 0, state, kickoff_ms))
            self.states[name], self.seqs[name] = state, seq

    def hear(self, message: FeedAlive | FixtureScheduled | Incident | Ticked) -> tuple[float, float]:
        """Seconds until the room had handed over what it said, and of CPU until it was done."""
        self._offset += 1
        key = getattr(message, "fixture", "")
        stored = Stored(Topic.INCIDENTS, 0, self._offset, key, encode(message), self.clock.now_ms())
        cpu, began = cpu_s(os.getpid()), now_s()
        self.odds.hear((stored,))
        cpu = cpu_s(os.getpid()) - cpu
        self.clock.run_for(0)  # the log's answer
        return self.log.last_s - began, cpu

    def happens(self, name: str, type_: IncidentType) -> float:
        """An incident, seconds until it was handed over."""
        self.seqs[name] += 1
        clock_s = (self.clock.now_ms() - _START_MS) // 1_000
        state = self.states[name] = advance(self.states[name], type_, "home", clock_s)
        return self.hear(Incident(name, self.seqs[name], _FEED, type_, "home", clock_s, state, self.clock.now_ms()))[0]


def _incident(run: Run) -> list[Row]:
    """Corners, which reprice every market at once, and goals, which suspend them; after its hold all are priced."""
    times: dict[str, list[float]] = {"corner": [], "goal": [], "resumed": []}
    sizes: list[int] = []
    each = run.share(40, 5)
    for turn in range(run.rounds):
        room = Room(1)
        for n in range(each):
            room.clock.run_for(7_000)
            before = room.log.bytes
            times["corner"].append(1e3 * room.happens("F0", IncidentType.CORNER))
            sizes.append(room.log.bytes - before)
            if n % 10 == 9:
                times["goal"].append(1e3 * room.happens("F0", IncidentType.GOAL))
                due = room.clock.now_ms() + Settings().odds.hold_goal_ms
                room.clock.run_for(Settings().odds.hold_goal_ms)
                took, _ = room.hear(Ticked(room.clock.now_ms(), "F0", hold_ms=due))
                times["resumed"].append(1e3 * took)
        run.progress("odds: incidents", turn + 1, run.rounds)
    what = f"heard -> all markets priced, encoded ({percentile(sizes, 0.5):.0f} bytes) and handed to the log: median"
    rows = [_of_times("odds: an incident", what, times["corner"], target=INCIDENT_TARGET)]
    if times["goal"]:
        suspended = "heard -> all markets suspended, new ones added, the whole book kept beside: median"
        resumed = "the end of its hold -> all markets priced, opened and handed over: median"
        rows.append(_of_times("odds: a goal", suspended, times["goal"], target=INCIDENT_TARGET))
        rows.append(_of_times("odds: after a goal", resumed, times["resumed"], target=INCIDENT_TARGET))
    return rows


def _of_times(name: str, what: str, times: Sequence[float], *, target: Target | None = None) -> Row:
    """The median of single times; the highest is their 99th percentile."""
    row = plain(name, what, "ms", [percentile(times, 0.5)], target=target, note=f"p99 {percentile(times, 0.99):.3g} ms")
    row.rounds = len(times)
    return row


def _live(run: Run) -> Row:
    """All live matches, repriced once a second: the room's share of that second."""
    matches = run.share(LIVE, 50)
    room, shares, changed = Room(matches), list[float](), list[int]()
    for turn in range(3 * run.rounds):
        room.clock.run_for(1_000)
        before = room.odds.repriced
        _, took = room.hear(Ticked(room.clock.now_ms(), feed=_FEED))
        shares.append(100 * took * LIVE / matches)
        changed.append(room.odds.repriced - before)
        run.progress("odds: live matches", turn + 1, 3 * run.rounds)
    note = f"{percentile(changed, 0.5) * LIVE / matches:.0f} prices changed a second"
    what = f"{LIVE:,} live matches, each repriced, encoded and handed to the log once a second: share of a core"
    if matches != LIVE:
        note += f"; from {matches} matches"
    return plain("odds: live matches", what, "%", shares, target=LIVE_TARGET, note=note)


# --- alone ------------------------------------------------------------------------------------------------------------


def _timed(times: int, call: Callable[[int], object]) -> list[float]:
    found = []
    for n in range(times):
        began = now_s()
        call(n)
        found.append(1e3 * (now_s() - began))
    return found


def _pricing(times: int) -> list[Row]:
    rows = []
    for period in (Period.FIRST, Period.SECOND):
        state = FootballState(period=period)
        quote = price_book(PRIOR, state, 0, 0.05)
        taken = _timed(times, lambda second, state=state: price_book(PRIOR, state, second * 4, 0.05))  # type: ignore[misc]
        size = f"{sum(map(len, quote.values()))} selections of {len(quote)} markets"
        rows.append(_of_times(f"odds: price a book, {period}", f"{size} from the state of a match: median", taken))
    return rows


def _combining(times: int) -> list[Row]:
    """In the first half, where the goals of both halves are still to come."""
    inputs = PricedOn(PRIOR, FootballState(Period.FIRST), 1_200)
    quote = price_book(inputs.strengths, inputs.state, inputs.clock_s, 0.05)
    parts = [(key, *astuple(quote[key][0])) for name in _PARTS for key in quote if key.name == name]
    assert isinstance(combination_price(inputs, parts), Combination)
    return [
        _of_times(
            f"odds: price {count} parts together", "a combination, from what its book was priced on: median",
            _timed(times, lambda _, count=count: combination_price(inputs, parts[:count])),  # type: ignore[misc]
        )
        for count in (2, len(parts))
    ]  # fmt: skip


def _deciding(times: int) -> list[Row]:
    state = FootballState(period=Period.SECOND, home=Team(1, 1), away=Team(0, 1), order=("home", "away", "home"))
    found = decisions(state)
    decided = sum(outcome is not None for outcome in found.values())
    what = f"which of {len(found)} selections are decided ({decided}): median"
    return [_of_times("odds: decide a book", what, _timed(times, lambda _: decisions(state)))]
