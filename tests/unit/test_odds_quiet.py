"""Books of which nothing is said for long: whoever starts need not read all that was said of the others since."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence

import msgspec
import pytest

from matchday import letters
from matchday.app import Platform
from matchday.backends.ledger_sqlite import SqliteLedgerCore
from matchday.backends.log_sqlite import SqliteLogCore
from matchday.backends.partitions import Done
from matchday.config import Settings
from matchday.model.football import FootballState, IncidentType
from matchday.model.messages import (
    BookChanged,
    BookState,
    FixtureScheduled,
    FixtureStatus,
    Message,
    ResultConfirmed,
    Topic,
    decode,
    encode,
)
from matchday.model.reports import Announced, Report, Reported
from matchday.ports import Record, Stored
from matchday.pricing.calibrate import PRIOR
from matchday.pricing.football import price_book
from matchday.services.odds import Odds
from matchday.sim.clock import VirtualClock
from matchday.sim.inline import InlineLedger, InlineLog
from tests.unit.test_gate import NOW, Silent

MOST = 50
HISTORY = 20
BASE = Settings()
SETTINGS = msgspec.structs.replace(
    BASE, odds=msgspec.structs.replace(BASE.odds, quiet_book_records_max=MOST),
    push=msgspec.structs.replace(BASE.push, history_frames_max=HISTORY),
)  # fmt: skip
QUIET = [f"Q{n}" for n in range(40)]
"""More than are kept at one beat."""


class OnePlayed(Silent):
    """``G`` is played, all others kick off tomorrow."""

    def reports(self, now_ms: int, known: Collection[str]) -> Iterator[Report]:
        for fixture in QUIET:
            yield Announced(NOW, fixture, 1, "Cup", "Home", "Away", NOW + 86_400_000, PRIOR, "invented")
        yield Announced(NOW, "G", 1, "Cup", "Home", "Away", NOW, PRIOR, "invented")
        yield Reported(NOW, "G", 2, IncidentType.KICK_OFF, None, 0)


class Counted(InlineLog):
    """What is kept of each book is counted."""

    def append(self, records: Sequence[Record], done: Done | None = None) -> None:
        kept.update(record.key.partition("@")[0] for record in records if record.topic == Topic.BOOK_STATES)
        super().append(records, done)


kept: Counter[str] = Counter()


@pytest.fixture
def stores() -> Iterator[tuple[SqliteLogCore, SqliteLedgerCore]]:
    kept.clear()
    log, ledger = SqliteLogCore(":memory:", lambda: "epoch"), SqliteLedgerCore(":memory:")
    yield log, ledger
    log.close()
    ledger.close()


def platform(stores: tuple[SqliteLogCore, SqliteLedgerCore], at_ms: int) -> tuple[VirtualClock, Platform]:
    clock = VirtualClock(at_ms, NOW + at_ms)
    log, ledger = Counted(stores[0], clock), InlineLedger(stores[1], clock)
    made = Platform(clock, log, ledger, OnePlayed(), SETTINGS, secret=b"secret")
    made.start()
    return clock, made


def test_a_quiet_book_is_kept_anew_again_and_again(stores: tuple[SqliteLogCore, SqliteLedgerCore]) -> None:
    """Found by a drill of ten minutes: one match of tomorrow, and a gate read all that was said since it was announced;
    a new owner of the odds heard all that had happened."""
    clock, _ = platform(stores, 0)
    clock.run_for(1_200_000)
    log = stores[0]
    said, heard = log.end_of((Topic.BOOKS, 0)), log.end_of((Topic.INCIDENTS, 0))
    assert min(said, heard) > 10 * MOST
    states = [decode(stored.value) for stored in log.latest_of((Topic.BOOK_STATES, 0))]
    held = {state.fixture: state for state in states if isinstance(state, BookState)}
    assert held.keys() == {"G", *QUIET}
    beats = 3  # the second lot of them has the next one
    assert min(state.said for state in held.values()) > said - MOST - 4 * beats
    assert min(state.heard for state in held.values()) > heard - MOST - 4 * beats
    assert max(kept[fixture] for fixture in QUIET) < (said + heard) / MOST + 2, "no more often than that"


def test_a_gate_that_starts_reads_no_more_than_what_it_lacks(
    stores: tuple[SqliteLogCore, SqliteLedgerCore], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, first = platform(stores, 0)
    clock.run_for(1_200_000)
    opened: list[Message] = []

    def noted(value: bytes) -> Message:
        opened.append(message := decode(value))
        return message

    monkeypatch.setattr(letters, "decode", noted)
    _, second = platform(stores, 1_200_000)
    assert second.gate.books.fixtures.keys() == {"G", *QUIET}
    for fixture, book in second.gate.books.fixtures.items():
        before = first.gate.books.fixtures[fixture]
        assert (book.board, book.epoch, book.n, book.markets) == (before.board, before.epoch, before.n, before.markets)
    state = next(m for m in opened if isinstance(m, BookState) and m.fixture == "G")
    changes = [message for message in opened if isinstance(message, BookChanged)]
    assert [change.n for change in changes if change.n > state.n] == list(range(state.n + 1, book_n(first) + 1))
    assert len(changes) <= HISTORY + book_n(first) - state.n


def book_n(platform: Platform) -> int:
    return platform.gate.books.fixtures["G"].n


def test_what_an_heir_will_hear_again_is_not_forgotten(stores: tuple[SqliteLogCore, SqliteLedgerCore]) -> None:
    """Found by reading: an owner forgot a match that was over for six hours, while a quiet book had the next one hear
    again all that had happened in it: it was announced and played anew on every screen, in an instant."""

    def owner(at_ms: int) -> list[BookChanged]:
        """What one says of ``F`` in two seconds."""
        clock = VirtualClock(at_ms, NOW + at_ms)
        log, said = InlineLog(stores[0], clock), list[BookChanged]()

        def hear(records: Sequence[Stored]) -> None:
            found = (decode(stored.value) for stored in records if stored.key == "F")
            said.extend(message for message in found if isinstance(message, BookChanged))

        log.tail(Topic.BOOKS, None, hear)
        Odds(clock, log, price_book, SETTINGS.odds).start()
        clock.run_for(1_000)
        if not at_ms:
            for fixture in ("Q", "F"):
                message = FixtureScheduled(fixture, 1, "feed", "football", "Cup", "Reds", "Blues", NOW, NOW, PRIOR)
                log.append([Record(Topic.INCIDENTS, fixture, encode(message))])
                clock.run_for(100)
            result = ResultConfirmed("F", 2, "feed", FixtureStatus.ABANDONED, FootballState(), NOW)
            log.append([Record(Topic.INCIDENTS, "F", encode(result))])
        clock.run_for(1_000)
        return said

    hours = 3_600_000
    assert [change.board.status for change in owner(0)] == [FixtureStatus.SCHEDULED, FixtureStatus.ABANDONED]
    for at_ms in (7 * hours, 8 * hours):
        assert {change.board.status for change in owner(at_ms)} <= {FixtureStatus.ABANDONED}
