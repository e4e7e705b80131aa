"""The embedded log with several partitions, as simulations have it: what belongs where, and a file that has others."""

from contextlib import closing
from pathlib import Path

import pytest

from matchday.backends.errors import BackendError
from matchday.backends.log_sqlite import SqliteLogCore
from matchday.model.messages import Topic
from matchday.ports import Record, partition_of
from matchday.sim.clock import VirtualClock


def test_a_file_keeps_its_number_of_partitions(tmp_path: Path) -> None:
    """With another number the records of one key would stand in two places."""
    path, clock = tmp_path / "log.sqlite", VirtualClock(seed=1)
    for written, asked in ((1, 3), (3, 1), (3, 5)):
        path.unlink(missing_ok=True)
        SqliteLogCore(path, clock.new_id, written).close()
        with pytest.raises(BackendError, match=f"written with {written} partitions, not {asked}"):
            SqliteLogCore(path, clock.new_id, asked)
        SqliteLogCore(path, clock.new_id, written).close()


def test_a_record_of_no_partition_is_a_programmer_s_error() -> None:
    with closing(SqliteLogCore(":memory:", VirtualClock(seed=1).new_id, 3)) as core:
        with pytest.raises(ValueError, match="incidents has 3 partitions, and no partition 3"):
            core.append([Record(Topic.INCIDENTS, "F", b"", 3)], (), 1)
        with pytest.raises(ValueError, match="books has 1 partitions, and no partition 1"):
            core.append([Record(Topic.BOOKS, "F", b"", 1)], (), 1)


def test_a_kept_book_stands_with_its_fixture() -> None:
    for number in range(50):
        assert partition_of(f"fixture-{number}@{number}", 7) == partition_of(f"fixture-{number}", 7)
