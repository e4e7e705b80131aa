"""A round trip to a real PostgreSQL: what is passed comes back as it was, what fails fails alone, and nothing hangs."""

from collections.abc import Iterator
from contextlib import closing
from typing import Final

import psycopg
import pytest

from matchday.backends.postgres import Connection, bodies, connect, hashes, numbers, texts
from matchday.backends.postgres_trip import Trip, rows_of
from matchday.config import Postgres
from tests.contract.wire import Wire
from tests.engines import QUICK, Databases

_MANY: Final = 200_000


@pytest.fixture
def db(postgres: Databases, shared_database: str) -> Iterator[Connection]:
    settings = Postgres(address=postgres.server.address(shared_database), **QUICK)
    with closing(connect(settings.address, settings)) as found:
        yield found


def test_what_is_passed_comes_back_as_it_was(db: Connection) -> None:
    trip = Trip(db)
    columns = trip.ask(
        "SELECT unnest($1), unnest($2), unnest($3), unnest($4)",
        numbers([-(2**63), 0, 2**63 - 1]), texts(["", None, "Õ 😀"]), hashes([b"", b"\0\xff", b"x"]),
        bodies([b"{}", b"[]", "ø".encode()]),
    )  # fmt: skip
    plain = trip.ask("SELECT $1, $2, $3, ARRAY[$1, 2], NULL::text", -7, "a'b\0", True)
    none = trip.ask("SELECT WHERE false")
    trip.go()
    assert columns.rows() == [
        (-(2**63), "", b"", "{}"), (0, None, b"\0\xff", "[]"), (2**63 - 1, "Õ 😀", b"x", "ø"),
    ]  # fmt: skip
    assert plain.rows() == [(-7, "a'b\ue000", True, [-7, 2], None)]
    assert none.rows() == []


def test_after_one_that_fails_none_is_run_and_the_next_trip_is_as_any(db: Connection) -> None:
    rows_of(db, "CREATE TEMP TABLE seen (n bigint PRIMARY KEY)")
    for _ in range(2):  # what the first attempt had no time to prepare is prepared by the second
        trip = Trip(db)
        trip.ask("BEGIN")
        trip.ask("INSERT INTO seen VALUES ($1)", 1)
        trip.ask("INSERT INTO seen VALUES ($1), ($1)", 2)
        trip.ask("DELETE FROM seen WHERE n = $1", 1)
        with pytest.raises(psycopg.errors.UniqueViolation, match="seen_pkey"):
            trip.go()
        assert rows_of(db, "ROLLBACK") == []
    rows_of(db, "INSERT INTO seen VALUES ($1)", 1)
    rows_of(db, "DELETE FROM seen WHERE n = $1", 2)
    assert rows_of(db, "SELECT n FROM seen") == [(1,)]
    assert len(db.execute("SELECT name FROM pg_prepared_statements WHERE name LIKE 'matchday%'").fetchall()) == 7


def test_a_commit_that_fails_with_the_end_of_a_trip_says_so(db: Connection) -> None:
    """Of a statement in no transaction the answer is there before its commit is tried."""
    rows_of(db, "CREATE TEMP TABLE late (n bigint UNIQUE DEFERRABLE INITIALLY DEFERRED)")
    with pytest.raises(psycopg.errors.UniqueViolation, match="late_n_key"):
        rows_of(db, "INSERT INTO late VALUES ($1), ($1)", 1)
    assert rows_of(db, "SELECT count(*) FROM late") == [(0,)]


def test_a_statement_that_is_none_says_so_and_the_others_stay(db: Connection) -> None:
    trip = Trip(db)
    trip.ask("SELECT 1")
    trip.ask("SELEKT 1")
    trip.ask("SELECT 2")
    with pytest.raises(psycopg.errors.SyntaxError, match="SELEKT"):
        trip.go()
    assert (rows_of(db, "SELECT 2"), rows_of(db, "SELECT 1")) == ([(2,)], [(1,)])


def test_both_sides_may_say_more_than_the_wire_holds(db: Connection) -> None:
    """Whoever only wrote while the other did would wait for ever."""
    words = [f"{number:032}" for number in range(_MANY)]
    trip = Trip(db)
    found = [trip.ask("SELECT unnest($1)", texts(words)) for _ in range(3)]
    trip.go()
    assert all([word for (word,) in each.rows()] == words for each in found)


def test_a_server_that_ends_the_connection_is_heard_out(db: Connection) -> None:
    trip = Trip(db)
    trip.ask("SELECT pg_terminate_backend(pg_backend_pid())")
    trip.ask("SELECT 1")
    with pytest.raises(psycopg.errors.AdminShutdown, match="administrator"):
        trip.go()
    assert db.closed
    with pytest.raises(psycopg.OperationalError):
        rows_of(db, "SELECT 1")


def test_a_server_that_says_nothing_is_given_up(postgres: Databases, shared_database: str) -> None:
    with closing(Wire(postgres.server.port)) as wire:
        address = wire.address(shared_database)
        settings = Postgres(address=address, **QUICK | {"silence_ms_max": 100})
        with closing(connect(address, settings)) as db:
            assert rows_of(db, "SELECT 1") == [(1,)]
            wire.hold()
            with pytest.raises(psycopg.OperationalError, match=r"silent for 0\.1 s"):
                rows_of(db, "SELECT 1")
            assert db.closed
            wire.release()


def test_a_wire_that_is_cut_is_an_error_of_the_connection(postgres: Databases, shared_database: str) -> None:
    with closing(Wire(postgres.server.port)) as wire:
        address = wire.address(shared_database)
        with closing(connect(address, Postgres(address=address, **QUICK))) as db:
            wire.cut_after(b"needle")
            with pytest.raises(psycopg.Error) as caught:
                rows_of(db, "SELECT $1", "needle")
            assert caught.value.sqlstate is None
            assert db.closed
