"""Taps: acknowledged ones are on the log, in order, many in one append; what cannot be kept is refused and not lost."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest

from matchday.backends.log_sqlite import SqliteLogCore
from matchday.config import Taps as TapsSettings
from matchday.edge.tapping import TAPS_MAX, Tapping
from matchday.model.book import Books
from matchday.model.ledger import Moment
from matchday.model.messages import Topic, decode, encode
from matchday.model.taps import Tap, TapKind, Tapped
from matchday.ports import LogUnavailable, Record
from matchday.services.push import Push
from matchday.services.taps import Taps
from matchday.sim.clock import VirtualClock
from matchday.sim.inline import InlineLog
from matchday.sim.screens import LINES
from tests.unit.doors import Site
from tests.unit.pushing import Line


class CountingLog(InlineLog):
    """A log that counts what it is asked, takes a while, and may take nothing."""

    appends = 0
    away = False

    def append(
        self, records: Sequence[Record], done: Callable[[Sequence[int] | LogUnavailable], None] | None = None
    ) -> None:
        """See ``Log.append``."""
        assert done is not None
        self.appends += 1
        if self.away:
            self._clock.call_later(1, lambda: done(LogUnavailable("disk full")))
        else:
            super().append(records, done)


class World:
    """A taps room over an inline log."""

    def __init__(self, **settings: int) -> None:
        self.clock = VirtualClock(seed=1)
        self.log = CountingLog(SqliteLogCore(":memory:", self.clock.new_id), self.clock)
        self.room = Taps(self.clock, self.log, TapsSettings(**settings))
        self.said: list[Moment | None] = []

    def tap(self, account: str, first: int, count: int = 1) -> None:
        taps = [Tap(TapKind.SELECT, f"F:1x2/{n}", 5) for n in range(first, first + count)]
        self.room.take(account, "screen", first, taps, self.said.append)

    def logged(self) -> list[Tapped]:
        return [m for record in self.log.read(Topic.TAPS, -1, 1_000) if isinstance(m := decode(record.value), Tapped)]


def test_taps_are_acknowledged_once_the_log_has_them_and_many_go_in_one_append() -> None:
    world = World(gather_ms=20)
    for number in range(100):
        world.tap(f"fan{number % 7}", number, 3)
    assert world.said == []
    world.clock.run_for(100)
    assert world.said == [None] * 100
    assert world.log.appends == 1
    logged = world.logged()
    assert sum(len(said.taps) for said in logged) == world.room.logged == 300
    for fan in {said.account for said in logged}:
        firsts = [said.first for said in logged if said.account == fan]
        assert firsts == sorted(firsts)


def test_what_comes_while_an_append_is_on_its_way_goes_with_the_next() -> None:
    world = World(gather_ms=1)
    world.tap("a", 1)
    world.clock.run_for(1)
    world.tap("a", 2)
    world.tap("a", 3)
    world.clock.run_for(50)
    assert [said.first for said in world.logged()] == [1, 2, 3]
    assert world.log.appends == 2


def test_a_log_that_takes_nothing_is_said_and_what_is_sent_again_is_taken() -> None:
    world = World()
    world.log.away = True
    world.tap("a", 1)
    world.clock.run_for(100)
    assert world.said == [Moment.UNAVAILABLE]
    assert (world.logged(), world.room.refused) == ([], 1)
    world.log.away = False
    world.tap("a", 1)
    world.clock.run_for(100)
    assert world.said == [Moment.UNAVAILABLE, None]
    assert [said.first for said in world.logged()] == [1]


def test_beyond_what_may_wait_taps_are_busy_and_cost_nothing() -> None:
    world = World(waiting_max=5)
    world.tap("a", 1, 5)
    world.tap("b", 1, 1)
    world.clock.run_for(100)
    assert sorted(map(str, world.said)) == ["None", "busy"]
    assert sum(len(said.taps) for said in world.logged()) == 5
    world.tap("b", 1, 1)
    world.clock.run_for(100)
    assert world.said[-1] is None, "there is room again"


def test_a_kind_of_a_later_release_is_read_as_other() -> None:
    later = encode(Tapped("a", "s", 1, 0, (Tap(TapKind.OPEN, "F", 0),))).replace(b'"open"', b'"shake"')
    found = decode(later)
    assert isinstance(found, Tapped)
    assert found.taps[0].kind is TapKind.OTHER


@pytest.fixture
def socket(tmp_path: Any) -> "Socket":
    return Socket(Site(tmp_path))


class Socket:
    """A connection of a fan, to a push room with the door of taps."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.room = Taps(site.clock, site.log, TapsSettings())
        self.push = Push(
            site.clock, Books(), "e", site.settings.push, ledger=site.ledger, verify=site.accounts.verify,
            framing=LINES, stale=lambda: False, doors=(Tapping(self.room),),
        )  # fmt: skip
        self.line = Line(site.settings.push.buffer_bytes_max)
        self.push.opened(self.line)

    def say(self, words: dict[str, Any]) -> list[dict[str, Any]]:
        self.push.received(self.line, msgspec.json.encode(words))
        self.site.clock.run_for(200)
        return [frame for frame in self.line.read() if frame["t"] not in ("hello", "heartbeat", "signed_in")]


TAPS = {"op": "taps", "screen": "s", "first": 4, "taps": [["open", "F", 12], ["shake", "phone", 0]]}


def test_a_fan_s_taps_over_the_socket(socket: Socket) -> None:
    assert socket.say(TAPS)[0]["problem"]["reason"] == "not_signed_in"
    socket.say({"op": "auth", "token": socket.site.guest()})
    assert socket.say(TAPS) == [{"t": "tapped", "screen": "s", "to": 5}]
    socket.site.log.away = True
    (refused,) = socket.say(TAPS)
    assert (refused["to"], refused["problem"]["reason"]) == (3, "unavailable")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"taps": []}, "taps"),
        ({"taps": [["open", "F", 0]] * (TAPS_MAX + 1)}, "taps"),
        ({"taps": [["open", "F" * 200, 0]]}, "taps[0][1]"),
        ({"taps": [["open", "F", -1]]}, "taps[0][2]"),
        ({"first": 0}, "first"),
        ({"screen": ""}, "screen"),
        ({"more": 1}, "more"),
    ],
)
def test_taps_that_are_no_taps_are_refused_by_name(socket: Socket, changes: dict[str, Any], named: str) -> None:
    socket.say({"op": "auth", "token": socket.site.guest()})
    (answer,) = socket.say(TAPS | changes)
    assert (answer["t"], answer["reason"]) == ("error", "message_invalid")
    assert named in answer["detail"]
    assert socket.say(TAPS) == [{"t": "tapped", "screen": "s", "to": 5}]
