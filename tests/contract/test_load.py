"""The load of each minute, as it is kept."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from matchday.backends.errors import BackendError
from matchday.backends.load_sqlite import FILE, LoadCore, LoadStore, Minute, read_load
from matchday.counts import Load

MINUTE_MS = 60_000


@pytest.fixture
def core(tmp_path: Path) -> Iterator[LoadCore]:
    with closing(LoadCore(tmp_path / FILE, keep_days=2)) as opened:
        yield opened


def part(minute: int, covered_ms: int = MINUTE_MS, *load: int) -> Minute:
    return Minute(minute, covered_ms, Load(*(load or (1, 2, 3, 4))))


def test_a_minute_in_parts_is_one_and_says_how_much_of_it_was_counted(core: LoadCore) -> None:
    core.add([part(100, 20_000, 5, 1, 50, 9), part(100, 30_000, 7, 2, 60, 8)])
    core.add([part(100, 5_000, 1, 0, 0, 0)])
    assert core.minutes() == [part(100, 55_000, 13, 3, 110, 9)]


def test_it_is_read_while_the_platform_runs_and_after_it_stopped(tmp_path: Path, core: LoadCore) -> None:
    core.add([part(100), part(101)])
    assert read_load(tmp_path) == [part(100), part(101)]
    core.close()
    assert read_load(tmp_path) == [part(100), part(101)]
    with closing(LoadCore(tmp_path / FILE, keep_days=2)) as again:
        again.add([part(101, 1_000), part(102)])
    assert [one.minute for one in read_load(tmp_path)] == [100, 101, 102]


def test_no_more_days_are_kept_than_are_set(core: LoadCore) -> None:
    core.add([part(minute) for minute in range(0, 5 * 1_440, 60)])
    assert core.minutes()[0].minute == 5 * 1_440 - 60 - 2 * 1_440
    core.add([part(10)])  # the clock was put back: nothing is lost for it but what is too old
    assert core.minutes()[-1].minute == 5 * 1_440 - 60


def test_a_folder_without_it_is_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match=r"has no load\.sqlite: name that of a platform"):
        read_load(tmp_path)
    (tmp_path / FILE).write_bytes(b"no database at all" * 100)
    with pytest.raises(BackendError, match="not a database"):
        read_load(tmp_path)


def test_a_minute_that_cannot_be_written_is_a_gap_and_no_more(
    core: LoadCore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:  # fmt: skip
    def full(parts: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    failed: list[BaseException] = []
    with closing(LoadStore(core, lambda call: call(), failed.append)) as store, monkeypatch.context() as patched:
        patched.setattr(core, "add", full)
        store.add(part(100))
        store.close()
    assert core.minutes() == []
    assert failed == []
    assert "the minute could not be recorded: database or disk is full" in caplog.text


def test_what_was_handed_over_is_written_before_it_stops(core: LoadCore) -> None:
    failed: list[BaseException] = []
    with closing(LoadStore(core, lambda call: call(), failed.append)) as store:
        for minute in range(100, 110):
            store.add(part(minute))
    assert [one.minute for one in core.minutes()] == list(range(100, 110))
    assert failed == []
