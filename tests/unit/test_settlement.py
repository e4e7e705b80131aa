"""Stage two of settlement: every bet that a decision concerns is settled, once, however the room is interrupted."""

from collections.abc import Callable, Sequence

import pytest

from matchday.backends.ledger_sqlite import SqliteLedgerCore
from matchday.backends.log_sqlite import SqliteLogCore, Tail
from matchday.backends.partitions import Hear, Part
from matchday.config import Settlement
from matchday.model.bet import OUTCOMES, BetStatus, Leg, Outcome, Policy, Result
from matchday.model.ledger import Answer, Command, OpenAccount, PlaceBet, SettleBet, SettleBets, Transfer
from matchday.model.messages import BetSettled, Decision, LegsDecided, LegsVoided, Topic, encode, one_by_one
from matchday.ports import LedgerUnavailable, Record, Stored
from matchday.services import settlement
from matchday.services.relay import Relay
from matchday.services.settlement import GROUP_ACCOUNT, SettlementByAccount
from matchday.sim.clock import VirtualClock
from matchday.sim.inline import InlineLedger, InlineLog

NOW = 1_600_000_000_000
WON, LOST = OUTCOMES[Result.WON], OUTCOMES[Result.LOST]
FANS = [f"fan{number}" for number in range(7)]
SMALL = Settlement(page_max=5, wave_max=12)
Done = Callable[[Sequence[Answer] | LedgerUnavailable], None]


class Wire(InlineLedger):
    """The ledger as one incarnation of the room sees it. It may be away, and the room may be gone before an answer."""

    lives = True
    dies_after = 10**9
    """Commits after which the room is gone, before it hears that the last of them went in."""
    slow_ms = 0
    away = 0
    """Commits and reads that are refused."""

    def __init__(self, core: SqliteLedgerCore, clock: VirtualClock) -> None:
        super().__init__(core, clock)
        self.commits: list[tuple[Command, ...]] = []

    @property
    def pages(self) -> list[tuple[int, ...]]:
        """The bets of each page, by number."""
        return [command.numbers for commit in self.commits for command in commit if isinstance(command, SettleBets)]

    def commit(self, commands: Sequence[Command], done: Done) -> None:
        if not self.lives:
            return
        if self.away:
            self.away -= 1
            self._clock.call_later(0, lambda: done(LedgerUnavailable("away")))
            return
        self.commits.append(tuple(commands))
        self.lives = len(self.commits) < self.dies_after
        super().commit(commands, lambda outcome: self._answer(done, outcome))

    def _answer(self, done: Done, outcome: Sequence[Answer] | LedgerUnavailable) -> None:
        self._clock.call_later(self.slow_ms, lambda: done(outcome) if self.lives else None)

    def bets_on(self, selections: Sequence[str], after: int, limit: int) -> list[tuple[int, int]]:
        if self.away:
            self.away -= 1
            raise LedgerUnavailable("away")
        return super().bets_on(selections, after, limit)


class Desk:
    """A ledger with bets, a log, and the room as it is started again and again."""

    def __init__(self) -> None:
        self.clock = VirtualClock(1, NOW)
        self.core = SqliteLedgerCore(":memory:")
        self.log = InlineLog(SqliteLogCore(":memory:", self.clock.new_id), self.clock)
        self.placed: list[str] = []
        for fan in FANS:
            grant = Transfer(f"t{fan}", fan, 9_000, "EUR", "grant", NOW)
            self.core.commit([OpenAccount(f"o{fan}", fan, "EUR", NOW), grant])

    def place(self, *selections: str, fan: str = "") -> str:
        legs = tuple(Leg(s.partition(":")[0], s.partition("/")[0], s, 2_000, 0) for s in selections)
        name = f"bet{len(self.placed)}"
        account = fan or FANS[len(self.placed) * 5 % len(FANS)]
        placed = PlaceBet(self.clock.new_id(), account, "EUR", 10, Policy.ANY, legs, name, self.clock.now_ms(), legs)
        (answer,) = self.core.commit([placed])
        assert answer.refusal is None
        self.placed.append(name)
        return name

    def say(self, version: int, **outcomes: Outcome | None) -> None:
        """A decision on ``F:1x2``, on the log."""
        decisions = tuple(Decision("F:1x2", f"F:1x2/{name}", outcome) for name, outcome in outcomes.items())
        self.append(LegsDecided("F", version, "full_time", NOW, decisions))

    def append(self, message: LegsDecided | LegsVoided) -> None:
        self.log.append([Record(Topic.DECISIONS, "F", encode(message))])

    def start(self, settings: Settlement = SMALL, **mood: int) -> tuple[SettlementByAccount, Wire]:
        """A new incarnation of the room; what a former one waits for is lost."""
        self.log._tails.clear()
        wire = Wire(self.core, self.clock)
        for name, value in mood.items():
            setattr(wire, name, value)
        room = SettlementByAccount(self.clock, self.log, wire, settings)
        room.start()
        return room, wire

    def statuses(self) -> list[BetStatus]:
        found = [self.core.bet(name) for name in self.placed]
        return [bet.status for bet in found if bet is not None]

    def check(self) -> None:
        """Every bet that is settled was settled by one entry and said once; the books balance."""
        settled = [name for name, status in zip(self.placed, self.statuses(), strict=True) if status != BetStatus.OPEN]
        entries = [entry.bet for entry in self.core.entries(0, 10_000) if entry.reason == "settlement"]
        said = [one for fact in self.core.facts(0, 10_000) for one in one_by_one(fact)]
        facts = [one.bet for one in said if isinstance(one, BetSettled)]
        assert sorted(name for name in entries if name) == sorted(facts) == sorted(settled)
        assert self.core.totals() == {"EUR": 0}
        balances, posted = self.core.balances(), self.core.posted()
        assert {name: balances.get(name, 0) for name in posted} == posted


def test_all_bets_on_what_was_decided_are_settled_page_by_page() -> None:
    desk = Desk()
    for number in range(40):
        desk.place(("F:1x2/home", "F:1x2/draw", "G:1x2/home")[number % 3])
    desk.say(5, home=WON, draw=LOST)
    room, wire = desk.start()
    desk.clock.run_for(1_000)
    assert desk.statuses() == [(BetStatus.SETTLED, BetStatus.SETTLED, BetStatus.OPEN)[n % 3] for n in range(40)]
    assert sum(map(len, wire.pages)) == len({number for page in wire.pages for number in page}) == 27
    assert max(map(len, wire.pages)) == 4  # all of an account's; a fifth would be of the next one
    assert room.idle
    desk.check()


@pytest.mark.parametrize("page_max", [3, 8, 9, 100])
def test_a_page_ends_with_an_account_unless_one_has_more_than_a_page(page_max: int) -> None:
    """Pages that are worked out at once change nothing of each other's accounts."""
    desk = Desk()
    for number in range(24):
        desk.place("F:1x2/home", fan=FANS[number % 6])
    desk.say(5, home=LOST)
    _, wire = desk.start(Settlement(page_max=page_max, wave_max=1_000))
    desk.clock.run_for(1_000)
    players = {number: player for player, number in desk.core.bets_on(["F:1x2/home"], 0, 1_000)}
    whole = [len({players[number] for number in page}) * 4 == len(page) for page in wire.pages]
    assert list(map(len, wire.pages)) == {3: [3, 1] * 6, 8: [8] * 3, 9: [8] * 3, 100: [24]}[page_max]
    assert all(whole) or page_max == 3
    desk.check()


def test_a_wave_is_settled_in_the_order_of_accounts() -> None:
    """Neighbours stand on the same pages of the ledger's file."""
    desk = Desk()
    for _ in range(30):
        desk.place("F:1x2/home")
    desk.say(5, home=LOST)
    _, wire = desk.start(Settlement(page_max=4, wave_max=1_000))
    desk.clock.run_for(1_000)
    players = {number: player for player, number in desk.core.bets_on(["F:1x2/home"], 0, 1_000)}
    assert [players[number] for page in wire.pages for number in page] == sorted(players.values())


@pytest.mark.parametrize("dies_after", range(1, 12))
def test_a_room_that_dies_in_the_middle_forgets_no_bet_and_pays_none_twice(dies_after: int) -> None:
    """Whichever commit is the last that it makes, and whether it hears of it or not; twice in a row."""
    desk = Desk()
    for number in range(40):
        desk.place(("F:1x2/home", "F:1x2/draw")[number % 2])
    desk.say(5, home=WON, draw=LOST)
    for _ in range(2):
        desk.start(dies_after=dies_after)
        desk.clock.run_for(1_000)
    before = desk.statuses().count(BetStatus.SETTLED)
    assert dies_after > 8 or before < 40
    room, _ = desk.start()
    desk.clock.run_for(1_000)
    assert desk.statuses() == [BetStatus.SETTLED] * 40
    assert room.idle
    desk.check()


def test_what_is_heard_again_after_all_was_settled_changes_nothing() -> None:
    desk = Desk()
    for _ in range(20):
        desk.place("F:1x2/home")
    for _ in range(3):
        desk.say(5, home=WON)
        desk.start()
        desk.clock.run_for(1_000)
    assert desk.statuses() == [BetStatus.SETTLED] * 20
    desk.check()


def test_the_position_moves_when_the_bets_are_settled_and_not_before() -> None:
    desk = Desk()
    for _ in range(20):
        desk.place("F:1x2/home")
    desk.say(5, home=WON)
    desk.start(dies_after=3)
    desk.clock.run_for(1_000)
    assert desk.log.position(GROUP_ACCOUNT, Topic.DECISIONS) == -1
    desk.start()
    desk.clock.run_for(1_000)
    assert desk.log.position(GROUP_ACCOUNT, Topic.DECISIONS) == desk.log.end(Topic.DECISIONS)


def test_a_ledger_that_is_away_is_asked_again() -> None:
    """Commits and reads alike."""
    desk = Desk()
    for _ in range(20):
        desk.place("F:1x2/home")
    desk.say(5, home=WON)
    _, wire = desk.start(away=2)
    desk.clock.run_for(700)
    wire.away = 1
    desk.clock.run_for(5_000)
    assert not wire.away
    assert desk.statuses() == [BetStatus.SETTLED] * 20
    desk.check()


def test_only_what_this_decision_decided_is_swept() -> None:
    """After a restart stage one says everything again, at a higher version: what stands is not read again."""
    desk = Desk()
    for name in ("home", "draw", "away"):
        desk.place(f"F:1x2/{name}")
    desk.say(5, home=WON)
    desk.start()
    desk.clock.run_for(100)
    desk.say(6, home=WON, draw=LOST, away=None)
    _, wire = desk.start()
    desk.clock.run_for(100)
    assert wire.pages == [(2,)]
    assert desk.statuses() == [BetStatus.SETTLED, BetStatus.SETTLED, BetStatus.OPEN]


def test_a_correction_settles_again_and_a_withdrawal_opens_again() -> None:
    desk = Desk()
    for _ in range(12):
        desk.place("F:1x2/home")
    desk.start()
    returns = []
    for version, outcome in ((5, WON), (6, LOST), (7, None), (8, WON)):
        desk.say(version, home=outcome)
        desk.clock.run_for(100)
        held = [desk.core.bet(name) for name in desk.placed]
        returns.append({(bet.status, bet.returns) for bet in held if bet is not None})
    assert returns == [
        {(BetStatus.SETTLED, 20)}, {(BetStatus.SETTLED, 0)}, {(BetStatus.OPEN, 0)}, {(BetStatus.SETTLED, 20)},
    ]  # fmt: skip


def test_a_word_that_was_overtaken_by_one_that_only_repeats_changes_nothing() -> None:
    """Two rooms of stage one at once, as while a share changes hands: the later one knows that a goal was given after
    all, and says again what stands; the older word, that it is taken back, is still on its way."""
    desk = Desk()
    desk.place("F:1x2/home")
    desk.place("F:1x2/away")
    desk.start()
    desk.say(5, home=WON)
    desk.say(7, home=WON, away=None)
    desk.say(6, home=None, away=LOST)
    desk.clock.run_for(1_000)
    assert desk.core.decisions(["F:1x2/home", "F:1x2/away"]) == {"F:1x2/home": (5, WON)}
    assert desk.statuses() == [BetStatus.SETTLED, BetStatus.OPEN]
    desk.say(8, home=None, away=LOST)
    desk.clock.run_for(1_000)
    assert desk.core.decisions(["F:1x2/home", "F:1x2/away"]) == {"F:1x2/home": (8, None), "F:1x2/away": (8, LOST)}


def test_a_word_on_other_selections_is_not_overtaken() -> None:
    """One that could not be read, and is said again later: nobody has spoken of its selections since."""
    desk = Desk()
    desk.place("F:1x2/away")
    desk.start()
    desk.say(7, home=WON)
    desk.say(3, away=LOST)
    desk.clock.run_for(1_000)
    assert desk.statuses() == [BetStatus.SETTLED]


def test_a_void_window_concerns_every_selection_of_its_fixture_and_no_other() -> None:
    desk = Desk()
    for selection in ("F:1x2/home", "F:btts/yes", "FF:1x2/home", "G:1x2/home"):
        desk.place(selection)
    desk.append(LegsVoided("F", 3, NOW - 5, NOW + 5, "known", NOW))
    desk.start()
    desk.clock.run_for(100)
    assert desk.statuses() == [BetStatus.VOID, BetStatus.VOID, BetStatus.OPEN, BetStatus.OPEN]


def test_an_accumulator_waits_for_all_of_its_legs() -> None:
    desk = Desk()
    desk.place("F:1x2/home", "G:1x2/home")
    desk.start()
    desk.say(5, home=WON)
    desk.clock.run_for(100)
    assert desk.statuses() == [BetStatus.OPEN]
    decisions = (Decision("G:1x2", "G:1x2/home", WON),)
    desk.append(LegsDecided("G", 7, "full_time", NOW, decisions))
    desk.clock.run_for(100)
    held = desk.core.bet("bet0")
    assert held is not None
    assert (held.status, held.returns, held.version) == (BetStatus.SETTLED, 40, 12)


def test_an_accumulator_is_lost_with_its_first_leg_and_not_heard_of_again() -> None:
    desk = Desk()
    desk.place("F:1x2/home", "G:1x2/home")
    desk.start()
    desk.say(5, home=LOST)
    desk.clock.run_for(100)
    assert desk.statuses() == [BetStatus.SETTLED]
    facts = desk.core.last_fact
    desk.append(LegsDecided("G", 7, "full_time", NOW, (Decision("G:1x2", "G:1x2/home", WON),)))
    desk.clock.run_for(100)
    assert desk.core.last_fact == facts
    desk.say(8, home=WON)  # corrected: both have won
    desk.clock.run_for(100)
    held = desk.core.bet("bet0")
    assert held is not None
    assert (held.status, held.returns, held.version) == (BetStatus.SETTLED, 40, 15)


# --- bets that commit after their leg was decided -------------------------------------------------------------------


def test_a_late_bet_does_not_wait_for_the_sweep() -> None:
    """It commits while many others are being settled, and is settled between their pages."""
    desk = Desk()
    for _ in range(60):
        desk.place("F:1x2/home")
    _, wire = desk.start(Settlement(page_max=1, wave_max=1_000), slow_ms=100)
    relay = Relay(desk.clock, desk.log, wire)
    relay.start()
    desk.clock.run_for(1_000)
    desk.say(5, home=WON)
    desk.clock.run_for(1_000)
    late = desk.place("F:1x2/home")
    relay.wake()
    desk.clock.run_for(150)
    assert desk.statuses()[-1] == BetStatus.SETTLED
    assert BetStatus.OPEN in desk.statuses()
    assert [command.bet for commit in wire.commits for command in commit if isinstance(command, SettleBet)] == [late]
    desk.clock.run_for(10_000)
    assert desk.statuses() == [BetStatus.SETTLED] * 61
    desk.check()


def test_a_backlog_of_accepted_bets_is_heard_in_one_go() -> None:
    """Found by reading: one call per piece of work ended in a RecursionError after some hundred."""
    desk = Desk()
    room, wire = desk.start()
    relay = Relay(desk.clock, desk.log, wire)
    for _ in range(500):
        desk.place("G:1x2/home", fan=FANS[0])
        relay.start()
    desk.clock.run_for(1_000)
    assert room.idle
    assert desk.log.position(GROUP_ACCOUNT, Topic.ACCOUNTS) == desk.log.end(Topic.ACCOUNTS)


# --- the size of pages ------------------------------------------------------------------------------------------------


def test_pages_get_smaller_while_commits_take_long_and_grow_again() -> None:
    desk = Desk()
    for _ in range(500):
        desk.place("F:1x2/home", fan=FANS[0])
    _, wire = desk.start(Settlement(page_max=16, commit_ms_max=50), slow_ms=400)
    desk.say(5, home=LOST)
    desk.clock.run_for(6_000)
    slow = [len(page) for page in wire.pages]
    assert (slow[:2], slow[-1]) == ([16, 16], 4)
    wire.slow_ms = 1
    desk.clock.run_for(6_000)
    assert max(len(page) for page in wire.pages[len(slow) + 3 :]) == 16
    assert desk.statuses() == [BetStatus.SETTLED] * 500


def test_a_sweep_holds_a_wave_of_bets_however_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """It reads on only when what it has read is settled."""
    monkeypatch.setattr(settlement, "_READ_MAX", 10)
    desk = Desk()
    for _ in range(200):
        desk.place("F:1x2/home", fan=FANS[0])
    held: list[int] = []

    class Counted(Wire):
        def bets_on(self, selections: Sequence[str], after: int, limit: int) -> list[tuple[int, int]]:
            found = super().bets_on(selections, after, limit)
            held.append(after + len(found) - sum(map(len, self.pages)))
            return found

    wire = Counted(desk.core, desk.clock)
    SettlementByAccount(desk.clock, desk.log, wire, Settlement(page_max=8, wave_max=25)).start()
    desk.say(5, home=LOST)
    desk.clock.run_for(1_000)
    assert desk.statuses() == [BetStatus.SETTLED] * 200
    assert max(held) == 30


def test_what_waits_for_the_ledger_stands_on_the_log_and_not_in_memory() -> None:
    """A room that was away for long finds more than it should hold. It hears on when half of it is done, with nothing
    left out and nothing twice."""
    desk = Desk()
    heard: list[int] = []
    tail_of = desk.log.tail_of

    def counted(part: Part, after: int | None, hear: Hear) -> Tail:
        def hears(records: Sequence[Stored]) -> None:
            if part[0] == Topic.ACCOUNTS:
                heard.extend(record.offset for record in records)
            hear(records)

        return tail_of(part, after, hears)

    desk.log.tail_of = counted  # type: ignore[method-assign]
    desk.say(5, home=WON)
    desk.start()
    desk.clock.run_for(1_000)
    for _ in range(3_000):
        desk.place("F:1x2/home")
    for fact in desk.core.facts(0, 10_000):
        desk.log.append([Record(Topic.ACCOUNTS, "k", encode(fact))])
    room, wire = desk.start(Settlement(waiting_max=1_500), slow_ms=10, away=10**6)
    desk.clock.run_for(5_000)
    assert len(heard) == 2_000  # of pages of 1,000, the second one comes to it
    assert not room.idle
    wire.away = 0
    desk.clock.run_for(60_000)
    assert heard == list(range(heard[0], heard[0] + len(heard)))
    assert len(heard) >= 3_000
    assert desk.statuses() == [BetStatus.SETTLED] * 3_000
    assert desk.log.position(GROUP_ACCOUNT, Topic.ACCOUNTS) == heard[-1]
    desk.check()
