"""The waiting room: in the order of arrival, never more at once than there is room for, and no place is good twice."""

import random
import statistics

import pytest

from matchday.config import Lobby as LobbySettings
from matchday.model.admission import Inside, Place, TurnedAway
from matchday.services.lobby import Lobby
from matchday.sim.clock import VirtualClock

SMALL = LobbySettings(fans_max=3, active_ms=10_000, enter_per_second_max=100, silent_ms=9_000, waiting_max=5)


def line(settings: LobbySettings = SMALL, secret: bytes = b"secret") -> tuple[VirtualClock, Lobby]:
    clock = VirtualClock(1)
    lobby = Lobby(clock, settings, secret)
    lobby.start()
    return clock, lobby


def full(lobby: Lobby, fans: int = 3) -> None:
    for number in range(fans):
        assert isinstance(lobby.enter(None), Inside)
        lobby.seen(f"fan{number}")


def place(said: object) -> Place:
    assert isinstance(said, Place), said
    return said


def test_who_comes_while_there_is_room_does_not_wait() -> None:
    _, lobby = line()
    full(lobby)
    assert isinstance(lobby.enter(None), Place)


def test_a_place_says_how_many_are_ahead_and_who_was_first_comes_first() -> None:
    clock, lobby = line()
    full(lobby)
    tickets = [place(lobby.enter(None)) for _ in range(3)]
    assert [waits.ahead for waits in tickets] == [0, 1, 2]
    clock.run_for(5_000)
    for number in range(2):
        lobby.seen(f"fan{number}")
    assert [place(lobby.enter(waits.ticket)).ahead for waits in reversed(tickets)] == [2, 1, 0]
    clock.run_for(5_001)  # fan2 is gone
    assert isinstance(lobby.enter(tickets[1].ticket), Place)
    assert isinstance(lobby.enter(tickets[0].ticket), Inside)


def test_those_inside_notice_nothing() -> None:
    """However many wait, a fan who gives signs of life stays inside."""
    clock, lobby = line()
    full(lobby)
    waits = place(lobby.enter(None))
    for _ in range(10):
        clock.run_for(2_000)
        for number in range(3):
            lobby.seen(f"fan{number}")
        assert isinstance(lobby.enter(waits.ticket), Place)
    assert lobby.inside == 3


def test_who_is_on_line_is_inside_without_asking_for_anything() -> None:
    clock = VirtualClock(1)
    lobby = Lobby(clock, SMALL, b"secret", lambda: ["fan0", "fan1", "fan2"])
    lobby.start()
    clock.run_for(60_000)
    assert lobby.inside == 3
    assert isinstance(lobby.enter(None), Place)


@pytest.mark.parametrize("times", [1, 3])
def test_a_ticket_lets_in_once(times: int) -> None:
    clock, lobby = line()
    full(lobby)
    waits = place(lobby.enter(None))
    clock.run_for(8_000)
    assert isinstance(lobby.enter(waits.ticket), Place)
    clock.run_for(3_000)
    assert isinstance(lobby.enter(waits.ticket), Inside)
    for _ in range(times):
        said = lobby.enter(waits.ticket)
        assert isinstance(said, TurnedAway)
        assert said.reason == "ticket_used"


@pytest.mark.parametrize("ticket", ["", "x", "é", "\ud800", "WzEsMV0.forged", "null"])
def test_a_forged_ticket_is_none(ticket: str) -> None:
    _, lobby = line()
    full(lobby)
    said = lobby.enter(ticket)
    assert isinstance(said, TurnedAway)
    assert said.reason == "ticket_unknown"


def test_a_ticket_of_another_server_or_another_day_is_none() -> None:
    _, lobby = line()
    full(lobby)
    ticket = place(lobby.enter(None)).ticket
    other_clock = VirtualClock(2)
    other = Lobby(other_clock, SMALL, b"secret")
    assert isinstance(other.enter(ticket), TurnedAway)


def test_a_number_cannot_be_chosen() -> None:
    _, lobby = line()
    _, forger = line(secret=b"guess")
    full(lobby)
    full(forger)
    lobby.enter(None)
    assert isinstance(lobby.enter(place(forger.enter(None)).ticket), TurnedAway)


def test_whoever_is_silent_has_left_and_the_next_moves_up() -> None:
    clock, lobby = line()
    full(lobby)
    silent, patient = place(lobby.enter(None)), place(lobby.enter(None))
    clock.run_for(6_000)
    lobby.enter(patient.ticket)
    clock.run_for(6_000)
    assert isinstance(lobby.enter(patient.ticket), Inside)
    said = lobby.enter(silent.ticket)
    assert isinstance(said, TurnedAway)
    assert said.reason == "ticket_unknown"


def test_a_turn_that_nobody_takes_passes_to_the_next() -> None:
    clock, lobby = line(LobbySettings(fans_max=1, active_ms=1_000, enter_per_second_max=100, silent_ms=9_000))
    full(lobby, 1)
    first, second = place(lobby.enter(None)), place(lobby.enter(None))
    clock.run_for(2_000)
    assert isinstance(lobby.enter(second.ticket), Place)  # the one place is kept for the first
    clock.run_for(5_000)
    lobby.enter(second.ticket)
    clock.run_for(5_000)
    assert isinstance(lobby.enter(second.ticket), Inside)
    assert isinstance(lobby.enter(first.ticket), TurnedAway)


def test_the_line_is_bounded() -> None:
    _, lobby = line()
    full(lobby)
    for _ in range(5):
        place(lobby.enter(None))
    said = lobby.enter(None)
    assert isinstance(said, TurnedAway)
    assert said.reason == "line_full"


def test_newcomers_come_in_at_the_rate_that_is_set() -> None:
    clock, lobby = line(LobbySettings(fans_max=1_000, enter_per_second_max=10))
    let_in = sum(isinstance(lobby.enter(None), Inside) for _ in range(50))
    assert let_in == 10
    clock.run_for(100)
    assert lobby.waiting == 40
    clock.run_for(100_000)
    assert lobby.waiting == 0


def test_a_crowd_is_let_in_in_the_order_in_which_it_came() -> None:
    """A thousand want in where fifty have room; one in five loses patience. Nobody overtakes, nobody is forgotten, and
    once the line moves most are told about how long it takes, and hardly anybody half of that or less."""
    chance = random.Random(7)
    settings = LobbySettings(fans_max=50, active_ms=4_000, enter_per_second_max=40, silent_ms=20_000)
    clock, lobby = line(settings)
    arrived: list[str] = []
    told: dict[str, tuple[int, int]] = {}
    inside: list[str] = []
    patient = set[str]()
    for number in range(1_000):
        said = lobby.enter(None)
        if isinstance(said, Inside):
            lobby.seen(f"early{number}")
            continue
        ticket = place(said).ticket
        arrived.append(ticket)
        if chance.random() < 0.8:
            patient.add(ticket)
        clock.run_for(2)
    waits: list[float] = []
    rounds = 0
    while patient - set(inside):
        rounds += 1
        for ticket in arrived:
            if ticket not in patient or ticket in inside:
                continue
            said = lobby.enter(ticket)
            if isinstance(said, Inside):
                inside.append(ticket)
                lobby.seen(f"fan {ticket}")
                if ticket in told:
                    waits.append((clock.now_ms() - told[ticket][0]) / 1_000 / told[ticket][1])
            elif rounds == 15:
                told[ticket] = (clock.now_ms(), place(said).wait_s)
        assert lobby.inside <= settings.fans_max
        clock.run_for(1_000)
    assert inside == [ticket for ticket in arrived if ticket in patient]
    assert len(waits) > 300
    assert 0.5 < statistics.median(waits) < 1.5
    assert sum(share > 2 for share in waits) < 0.05 * len(waits)
