"""A bad message stops nobody and is never a price; a programmer's error stops its process; what was put aside can be
listed and said again."""

import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from matchday.__main__ import main
from matchday.app import Platform
from matchday.app.errors import StartError
from matchday.app.letters import letters, retry
from matchday.backends.ledger_sqlite import SqliteLedgerCore
from matchday.backends.log_sqlite import SqliteLogCore
from matchday.config import Settings
from matchday.letters import BYTES_MAX, Letters
from matchday.model.bet import BetStatus
from matchday.model.football import IncidentError, IncidentType
from matchday.model.market import MarketStatus
from matchday.model.messages import DeadLetter, FeedAlive, Message, OddsAlive, OddsOwned, Topic, decode, encode
from matchday.ports import LogUnavailable, Record, Stored
from matchday.pricing.football import price_book
from matchday.services.odds import Odds
from matchday.services.settlement import GROUP_ACCOUNT
from matchday.sim.clock import VirtualClock
from matchday.sim.inline import InlineLedger, InlineLog
from matchday.voice import Voice
from tests.unit.test_gate import NOW, Silent
from tests.unit.test_odds_markets import Ground
from tests.unit.test_settlement import WON
from tests.unit.test_settlement import Desk as Settling

I = IncidentType  # noqa: E741 - a story reads better with a short name
OPEN, SUSPENDED = MarketStatus.OPEN, MarketStatus.SUSPENDED
UNREADABLE = b'{"kind":"incident_of_tomorrow","fixture":"F"}'


class Room:
    """A room that hears messages and says when one cannot be."""

    def __init__(self) -> None:
        self.clock = VirtualClock(seed=1)
        self.log = InlineLog(SqliteLogCore(":memory:", self.clock.new_id), self.clock)
        self.letters = Letters(self.clock, Voice(self.clock, self.log, "room"), "room")
        self.heard: list[str] = []
        self.unread: list[int] = []
        self.raises: dict[str, Exception] = {}

    def hear(self, *values: bytes) -> None:
        records = [Stored(Topic.INCIDENTS, 2, 10 + n, "F", value, 0) for n, value in enumerate(values)]
        self.letters.each(records, self._take, lambda stored: self.unread.append(stored.offset))
        self.clock.run_for(10)

    def _take(self, stored: Stored, message: Message) -> None:
        assert isinstance(message, FeedAlive)
        if message.feed in self.raises:
            raise self.raises[message.feed]
        self.heard.append(message.feed)

    def buried(self) -> list[DeadLetter]:
        found = [decode(stored.value) for stored in self.log.read(Topic.DEAD_LETTERS, -1, 99)]
        return [letter for letter in found if isinstance(letter, DeadLetter)]


def alive(feed: str) -> bytes:
    return encode(FeedAlive(feed, 1))


def test_what_cannot_be_read_or_cannot_be_is_put_aside_whole_and_the_rest_is_heard() -> None:
    room = Room()
    room.raises["impossible"] = IncidentError("a goal before kick-off")
    room.hear(alive("a"), UNREADABLE, alive("impossible"), b"\xff", alive("b"))
    assert room.heard == ["a", "b"]
    assert room.unread == [11, 12, 13]
    first, second, _ = room.buried()
    assert (first.topic, first.partition, first.offset, first.key, first.value) == (
        Topic.INCIDENTS, 2, 11, "F", UNREADABLE,
    )  # fmt: skip
    assert "incident_of_tomorrow" in first.reason
    assert second.reason == "IncidentError: a goal before kick-off"


def test_a_programmer_s_error_is_no_letter() -> None:
    room = Room()
    room.raises["b"] = KeyError("b")
    with pytest.raises(KeyError):
        room.hear(alive("a"), alive("b"), alive("c"))
    room.clock.run_for(10)
    assert (room.heard, room.buried()) == (["a"], [])


def test_a_record_that_is_very_long_is_only_named() -> None:
    room = Room()
    room.hear(b"x" * (BYTES_MAX + 1))
    assert [letter.value for letter in room.buried()] == [b""]


# --- rooms ------------------------------------------------------------------------------------------------------------


class Spoilt(Ground):
    """A match on a log with things that nobody can read."""

    def _heard(self, records: Sequence[Stored]) -> None:
        super()._heard([stored for stored in records if stored.value != UNREADABLE])


@pytest.fixture
def ground() -> Iterator[Ground]:
    clock = VirtualClock(seed=1)
    with closing(SqliteLogCore(":memory:", clock.new_id)) as core:
        yield Spoilt(core, clock)


def test_an_incident_nobody_can_read_suspends_its_fixture_until_the_next_word_on_it(ground: Ground) -> None:
    """It may have been a goal: prices from before it would be stale."""
    assert ground.standing("1x2") == [OPEN]
    ground.log.append([Record(Topic.INCIDENTS, "F", UNREADABLE)])
    ground.wait(60)
    assert ground.standing("1x2") == [SUSPENDED]
    ground.tell(I.CORNER, "home")
    assert ground.standing("1x2") == [OPEN]


def test_a_new_owner_does_not_offer_what_the_former_could_not_read(ground: Ground) -> None:
    ground.log.append([Record(Topic.INCIDENTS, "F", UNREADABLE)])
    ground.wait(1)
    Odds(ground.clock, ground.log, price_book, Settings().odds).start()
    ground.wait(60)
    assert ground.standing("1x2") == [SUSPENDED]
    ground.tell(I.CORNER, "home")
    ground.wait(1)
    assert ground.standing("1x2") == [OPEN]
    Odds(ground.clock, ground.log, price_book, Settings().odds).start()  # hears the unreadable one again
    ground.wait(60)
    assert ground.standing("1x2") == [OPEN]


def test_an_owner_that_cannot_read_takes_over_when_it_can(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    latest = ground.log.latest

    def away(topic: Topic) -> list[Stored]:
        raise LogUnavailable("the brokers do not answer")

    monkeypatch.setattr(ground.log, "latest", away)
    heir = Odds(ground.clock, ground.log, price_book, Settings().odds)
    heir.start()
    ground.wait(2)
    monkeypatch.setattr(ground.log, "latest", latest)
    ground.wait(2)
    assert ground.books.fixtures["F"].epoch == heir._epoch
    assert ground.standing("1x2") == [OPEN]


def test_a_book_that_a_gate_cannot_read_is_not_offered_there_until_it_is_said_whole(ground: Ground) -> None:
    clock, log = ground.clock, ground.log
    ledger = InlineLedger(SqliteLedgerCore(":memory:"), clock)
    platform = Platform(clock, log, ledger, Silent(), Settings(), secret=b"secret")
    platform.gate.start()
    ground.wait(1)
    books = platform.gate.books
    assert "F" in books.fixtures
    log.append([Record(Topic.BOOKS, "F", UNREADABLE)])
    ground.wait(1)
    assert "F" not in books.fixtures
    ground.tell(I.CORNER, "home")
    assert "F" not in books.fixtures  # one change is no book
    Odds(clock, log, price_book, Settings().odds).start()
    ground.wait(2)
    assert books.fixtures["F"].markets.keys() == ground.books.fixtures["F"].markets.keys()
    assert platform.bets._owners.heard()


def test_an_account_s_fact_that_nobody_can_read_stops_no_gate() -> None:
    clock = VirtualClock(1, NOW)
    ledger = InlineLedger(SqliteLedgerCore(":memory:"), clock)
    log = InlineLog(SqliteLogCore(":memory:", clock.new_id), clock)
    platform = Platform(clock, log, ledger, Silent(), Settings(), secret=b"secret")
    platform.start()
    clock.run_for(100)
    log.append([Record(Topic.ACCOUNTS, "ann", b"nonsense"), Record(Topic.BOOKS, "", b"nonsense")])
    log.append([Record(Topic.BOOKS, "", encode(message)) for message in (OddsOwned(NOW), OddsAlive(99, NOW))])
    clock.run_for(100)
    rooms = {letter.rooms for letter in letters(log)}
    assert rooms == {("gate",), ("gate", "settlement by account")}


def test_a_decision_that_nobody_can_read_is_put_aside_before_the_position_moves_on() -> None:
    desk = Settling()
    desk.place("F:1x2/home")
    desk.log.append([Record(Topic.DECISIONS, "F", UNREADABLE)])
    desk.say(5, home=WON)
    desk.start()
    desk.clock.run_for(1_000)
    assert desk.statuses() == [BetStatus.SETTLED]
    assert desk.log.position(GROUP_ACCOUNT, Topic.DECISIONS) == desk.log.end(Topic.DECISIONS)
    assert [letter.offset for letter in letters(desk.log)] == [0]


# --- people -----------------------------------------------------------------------------------------------------------


def test_a_letter_is_said_again_once_it_can_be_read(ground: Ground) -> None:
    """As after an upgrade: here the letter was made by a release that could not read what this one can."""
    alive_again = encode(FeedAlive("another feed", 1))
    for room in ("odds", "gate"):
        letter = DeadLetter(room, "incidents", 7, "?", 1, 0, "F", alive_again)
        ground.log.append([Record(Topic.DEAD_LETTERS, "F", encode(letter))])
    ground.log.append([Record(Topic.INCIDENTS, "F", UNREADABLE)])
    ground.wait(1)
    readable, unreadable = letters(ground.log)
    assert (readable.rooms, readable.retried) == (("odds", "gate"), False)
    with pytest.raises(StartError, match="by this release either"):
        retry(ground.log, ground.clock, [unreadable], lambda _: None)
    outcome: list[LogUnavailable | None] = []
    retry(ground.log, ground.clock, [readable], outcome.append)
    ground.clock.run_for(0)
    assert outcome == [None]
    assert ground.log.read(Topic.INCIDENTS, -1, 999)[-1].value == alive_again
    assert [letter.retried for letter in letters(ground.log)] == [True, False]


def test_the_command_lists_and_retries(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dead-letters", "list", "--data", str(tmp_path)]) == 1
    assert "has no log" in capsys.readouterr().err
    letter = DeadLetter("odds", "incidents", 7, "cannot be read", 1, 0, "F", alive("a"))
    with closing(SqliteLogCore(tmp_path / "log.sqlite", iter("abcdefghijklmn").__next__)) as core:
        core.append([Record(Topic.DEAD_LETTERS, "F", encode(letter))], (), 1)
    assert main(["dead-letters", "list", "--json", "--data", str(tmp_path)]) == 0
    (listed,) = json.loads(capsys.readouterr().out)["letters"]
    assert (listed["letter"], listed["rooms"], listed["reason"]) == (0, ["odds"], "cannot be read")
    assert main(["dead-letters", "retry", "5", "--data", str(tmp_path)]) == 1
    assert "no letter 5" in capsys.readouterr().err
    assert main(["dead-letters", "retry", "0", "--data", str(tmp_path)]) == 0
    assert main(["dead-letters", "list", "--data", str(tmp_path)]) == 0
    assert "no dead letters" in capsys.readouterr().out
    assert main(["dead-letters", "list", "--all", "--data", str(tmp_path)]) == 0
    assert "retried" in capsys.readouterr().out
    with closing(SqliteLogCore(tmp_path / "log.sqlite", lambda: "e")) as core:
        assert [stored.value for stored in core.read(Topic.INCIDENTS, -1, 9)] == [alive("a")]
