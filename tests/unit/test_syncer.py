"""The thread that waits for the disk in a writer's place: who is told what, and when."""

import threading
from collections.abc import Iterator

import pytest

from matchday.backends.syncer import Syncer
from tests.real import poll

PATIENCE_S = 10.0


class Disk:
    """A disk that has what it was given only when it is let."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.on: list[str] = []
        """The threads that waited for it, wait by wait."""
        self.fatal: list[BaseException] = []
        self.error: Exception | None = None
        self._lets = threading.Semaphore(0)
        self.syncer = Syncer("test syncs", self._sync, lambda call: call(), self.fatal.append)

    def _sync(self) -> None:
        self.on.append(threading.current_thread().name)
        assert self._lets.acquire(timeout=PATIENCE_S)
        if self.error is not None:
            raise self.error

    def let(self, times: int = 1) -> None:
        self._lets.release(times)

    def tell(self, word: str, *, alone: bool = False) -> None:
        self.syncer.tell(lambda: self.told.append(word), alone=alone)


@pytest.fixture
def disk() -> Iterator[Disk]:
    found = Disk()
    yield found
    found.let(99)
    found.syncer.close()


def test_nobody_is_told_before_it_is_on_the_disk_and_several_share_a_wait(disk: Disk) -> None:
    disk.tell("a")
    assert poll(lambda: disk.on)
    for word in ("b", "c", "d"):  # they are committed while the disk is at `a`: that wait is not for them
        disk.tell(word)
    assert disk.told == []
    disk.let()
    assert poll(lambda: len(disk.on) == 2)
    assert disk.told == ["a"]
    disk.let()
    assert poll(lambda: disk.told == ["a", "b", "c", "d"])
    assert disk.on == ["test syncs"] * 2


def test_a_writer_that_has_nothing_else_to_do_waits_itself(disk: Disk) -> None:
    disk.let()
    disk.tell("a", alone=True)
    assert (disk.told, disk.on) == (["a"], [threading.current_thread().name])


def test_nobody_is_told_before_those_who_came_first(disk: Disk) -> None:
    """Though the writer has nothing else to do: the disk is still at the one before."""
    disk.tell("a")
    assert poll(lambda: disk.on)
    disk.tell("b", alone=True)
    disk.let(2)
    assert poll(lambda: disk.told == ["a", "b"])


def test_where_the_disk_fails_it_is_fatal_and_nobody_is_told_any_more(disk: Disk) -> None:
    disk.error = OSError("broken")
    disk.tell("a")
    disk.tell("b")
    disk.let()
    assert poll(lambda: disk.fatal == [disk.error])
    disk.tell("c")
    disk.tell("d", alone=True)
    disk.syncer.close()
    assert disk.told == []


def test_a_writer_that_waits_itself_is_raised_what_the_disk_says(disk: Disk) -> None:
    disk.error = OSError("broken")
    disk.let()
    with pytest.raises(OSError, match="broken"):
        disk.tell("a", alone=True)
    assert disk.told == []


def test_closed_it_has_told_everything(disk: Disk) -> None:
    for word in "abc":
        disk.tell(word)
    disk.let(3)
    disk.syncer.close()
    assert disk.told == ["a", "b", "c"]
