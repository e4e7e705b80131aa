"""What a process writes down: lines with ids, nobody's name, and no flood."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from matchday.app.logs import Lines, redacted, room_of, written
from matchday.config import Logs, Settings
from matchday.model.role import Role
from matchday.services.accounts import Tokens
from matchday.sim.clock import VirtualClock


class Desk:
    def __init__(self, clock: VirtualClock, lines: Lines, stream: io.StringIO) -> None:
        self.clock, self.lines, self._stream = clock, lines, stream

    @property
    def text(self) -> list[str]:
        return self._stream.getvalue().splitlines()

    @property
    def json(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text]


def desk_of(settings: Logs) -> Iterator[Desk]:
    clock, stream = VirtualClock(1), io.StringIO()
    with written(settings, clock.elapsed_ms, stream) as lines:
        yield Desk(clock, lines, stream)


@pytest.fixture
def programs() -> Iterator[Desk]:
    yield from desk_of(Logs(format="json", level="info", repeats_per_minute_max=3))


@pytest.fixture
def people() -> Iterator[Desk]:
    yield from desk_of(Logs(repeats_per_minute_max=3))


def test_a_line_for_programs_has_its_ids(programs: Desk) -> None:
    about = {"fixture": "F", "market": "F:1x2", "request": "0198", "offset": 17, "account": "anna", "secret": "x"}
    logging.getLogger("matchday.services.bets.room").error("bets on %s cannot be judged", "F:1x2", extra=about)
    (line,) = programs.json
    assert line.pop("at").endswith("+00:00")
    assert line == {
        "level": "error", "logger": "matchday.services.bets.room", "room": "bets",
        "message": "bets on F:1x2 cannot be judged", "fixture": "F", "market": "F:1x2", "request": "0198", "offset": 17,
    }  # fmt: skip


def test_an_error_is_told_whole_in_one_line(programs: Desk) -> None:
    try:
        raise ValueError("two\nlines")
    except ValueError:
        logging.getLogger("matchday.services.odds.room").exception("it failed")
    (line,) = programs.json
    assert "Traceback" in line["error"]
    assert "ValueError: two\nlines" in line["error"]


def test_lines_for_people_are_as_they_were(people: Desk) -> None:
    logging.getLogger("matchday.voice").error("relay: the log did not take %d records: %s", 3, "disk full")
    logging.getLogger("matchday.voice").info("not grave enough")
    assert people.text == ["ERROR matchday.voice: relay: the log did not take 3 records: disk full"]


def test_a_flood_is_counted_and_not_written(people: Desk) -> None:
    log = logging.getLogger("matchday.letters")
    for number in range(50):
        log.error("odds: incidents/%d: unreadable", number)
    log.warning("something else")
    assert len(people.text) == 4
    people.clock.run_for(60_000)
    log.error("odds: incidents/%d: unreadable", 50)
    assert people.text[4] == ("ERROR matchday.letters: odds: incidents/50: unreadable (and 47 more like this before)")
    log.error("odds: incidents/%d: unreadable", 51)
    assert "more like this" not in people.text[5]
    assert people.lines.counts == {"info": 0, "warning": 1, "error": 52, "critical": 0}


def test_the_kinds_that_are_counted_have_a_limit(people: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("matchday.app.logs.KINDS_MAX", 10)
    for number in range(200):
        logging.getLogger(f"matchday.services.relay.{number}").error("x")
    assert len(people.lines._kinds) <= 10


def test_debug_lines_of_libraries_are_never_written(programs: Desk) -> None:
    """They quote frames and headers, with tokens."""
    log = logging.getLogger("matchday.edge.websocket")
    log.debug('> TEXT \'{"op":"auth","token":"secret"}\'')
    assert programs.text == []
    assert not log.isEnabledFor(logging.DEBUG)


def tokens() -> list[str]:
    signer = Tokens(VirtualClock(1), Settings(), b"a secret of the test")
    token = signer.sign("0198a1b2-anna")[0]
    ticket = signer.ticket(token)
    assert ticket is not None
    return [token, signer.sign("tom", Role.TRADER)[0], ticket[0]]


@pytest.mark.parametrize("token", tokens())
@pytest.mark.parametrize("around", ["{}", "Authorization: Bearer {}", "/api/stream?ticket={}&channels=home", "'{}',"])
def test_what_signs_somebody_in_is_taken_out(token: str, around: str) -> None:
    found = redacted(around.format(token), "matchday.backends.kafka")
    assert token not in found
    assert token.split(".")[-1] not in found
    assert "[token]" in found


@pytest.mark.parametrize("address", ["203.0.113.7", "2001:db8::1", "::ffff:203.0.113.7", "fe80::1"])
def test_addresses_of_clients_are_taken_out(address: str) -> None:
    assert address not in redacted(f"refused {address}: too slow", "matchday.edge.guard")
    assert address not in redacted(f"'{address}' - \"GET / HTTP/1.1\"", "uvicorn.error")
    assert address in redacted(f"the server at {address} does not answer", "matchday.backends.postgres")


def test_passwords_of_servers_are_taken_out() -> None:
    for text in ("host=db password=hunter2 dbname=m", "redis://:hunter2@cache:6379", "sasl.password: hunter2"):
        found = redacted(text, "matchday.backends.kafka")
        assert "hunter2" not in found
        assert found != text


@pytest.mark.parametrize(
    "text",
    [
        "took 12:34:56 to start", "format 0.1.0 is known", "F:total_goals@2.5/over", "matchday.services.bets.room",
        "0198a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b", "epoch 12, n 3: 1x2", "the password is wrong",
    ],
)  # fmt: skip
def test_what_is_no_secret_stays(text: str) -> None:
    assert redacted(text, "matchday.services.bets.room") == text


@pytest.mark.parametrize(
    ("logger", "room"),
    [
        ("matchday.services.push.room", "push"), ("matchday.services.relay", "relay"),
        ("matchday.backends.log_kafka_appends", "log"), ("matchday.backends.ledger_postgres", "ledger"),
        ("matchday.edge.guard", "gate"), ("uvicorn.error", "gate"), ("matchday.app.process", "process"),
        ("asyncio", "process"), ("matchday.services", "process"),
    ],
)  # fmt: skip
def test_a_logger_belongs_to_a_room(logger: str, room: str) -> None:
    assert room_of(logger) == room


def test_what_was_there_before_is_there_again() -> None:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    for _ in desk_of(Logs()):
        assert root.handlers != before[0]
    assert (root.handlers, root.level) == before
