"""Several threads that commit: what is of one account in order, what is not at once, what yields when nobody waits."""

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import NamedTuple

import pytest

from matchday.backends.writer import PASSED_MAX
from matchday.backends.writers import Writers

PATIENCE_S = 10.0


class Piece(NamedTuple):
    name: str
    keys: Collection[str] = ()


class Store:
    """Writes groups; each waits to be let go where that is wanted."""

    def __init__(self, count: int, *, held: bool = False, group_max: int = 100) -> None:
        self.groups: list[list[str]] = []
        self.begun = threading.Semaphore(0)
        self.go = threading.Semaphore(0 if held else 10_000)
        self.called: list[str] = []
        self.fatal: list[BaseException] = []
        self.writers: Writers[Piece] = Writers(
            "test", count, self.write, lambda _: 1, lambda piece: piece.keys, group_max, lambda call: call(),
            self.fatal.append,
        )  # fmt: skip

    def write(self, number: int, group: Sequence[Piece]) -> Callable[[], None]:
        names = [piece.name for piece in group]
        self.groups.append(names)
        self.begun.release()
        assert self.go.acquire(timeout=PATIENCE_S)
        if "fault" in names:
            raise ValueError("a fault of ours")
        return lambda: self.called.extend(names)

    def wait(self, groups: int) -> None:
        for _ in range(groups):
            assert self.begun.acquire(timeout=PATIENCE_S)

    def close(self) -> None:
        self.go.release(10_000)
        self.writers.close(lambda: None)


@contextmanager
def store(count: int, *, held: bool = True, group_max: int = 100) -> Iterator[Store]:
    with closing(Store(count, held=held, group_max=group_max)) as found:
        yield found


def test_what_is_of_other_accounts_is_written_at_once_and_of_one_account_in_order() -> None:
    with store(2) as held:
        held.writers.submit(Piece("a1", {"anna"}))
        held.wait(1)
        for piece in (
            Piece("a2", {"anna"}),
            Piece("ab", {"anna", "bert"}),
            Piece("b1", {"bert"}),
            Piece("c1", {"carl"}),
        ):
            held.writers.submit(piece)
        held.wait(1)
        assert held.groups == [["a1"], ["c1"]]  # b1 comes after ab, which comes after a2
        held.go.release(10)
        held.wait(1)
        assert held.groups[2] == ["a2", "ab", "b1"]
    assert sorted(held.called) == ["a1", "a2", "ab", "b1", "c1"]


def test_a_group_has_a_size_and_one_piece_at_least() -> None:
    with store(1, group_max=3) as held:
        held.writers.submit(Piece("first"))
        held.wait(1)
        for number in range(5):
            held.writers.submit(Piece(f"{number}"))
        held.go.release(10)
        held.wait(2)
        assert held.groups == [["first"], ["0", "1", "2"], ["3", "4"]]


def test_what_yields_is_passed_by_others_though_not_for_ever() -> None:
    with store(1, group_max=1) as held:
        held.writers.submit(Piece("first"))
        held.wait(1)
        held.writers.submit(Piece("yields"), yields=True)
        for number in range(2 * PASSED_MAX):
            held.writers.submit(Piece(f"{number}"))
        held.go.release(100)
        held.wait(2 * PASSED_MAX + 1)
        names = [group[0] for group in held.groups]
        assert names.index("yields") == 1 + PASSED_MAX
        assert [name for name in names if name.isdigit()] == [str(number) for number in range(2 * PASSED_MAX)]


def test_a_chore_is_done_when_nothing_waits_and_closing_writes_what_does() -> None:
    done = threading.Event()
    with store(2, held=False) as free:
        free.writers.do(lambda _: done.set())
        assert done.wait(PATIENCE_S)
    with store(1) as held:
        for number in range(50):
            held.writers.submit(Piece(f"{number}", {"anna"}))
    assert held.called == [f"{number}" for number in range(50)]


def test_closing_gives_up_what_takes_too_long() -> None:
    held = Store(1, held=True)
    held.writers.submit(Piece("slow"))
    held.wait(1)
    held.writers.close(lambda: held.go.release(1), patience_s=0.01)
    assert held.called == ["slow"]


def test_a_fault_of_ours_ends_all_writing() -> None:
    with store(2, held=False, group_max=1) as free:
        free.writers.submit(Piece("fault"))
        free.wait(1)
    assert [str(error) for error in free.fatal] == ["a fault of ours"]
    assert free.called == []


@pytest.mark.parametrize("count", [1, 2, 4])
def test_a_storm_keeps_each_accounts_order(count: int) -> None:
    with store(count, held=False, group_max=5) as free:
        for number in range(1_000):
            keys = {f"k{number % 7}", f"k{number * 3 % 5}"}
            free.writers.submit(Piece(f"{number}", keys))
    for key in range(7):
        of_key = [n for n in range(1_000) if f"k{key}" in {f"k{n % 7}", f"k{n * 3 % 5}"}]
        written = [int(name) for group in free.groups for name in group if int(name) in set(of_key)]
        assert written == of_key
