"""The writer's thread: what it writes together, what may pass what, and what it does in between."""

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from matchday.backends import writer
from matchday.backends.checkpointer import Checkpointer
from matchday.backends.log_sqlite import SqliteLogCore
from matchday.backends.sqlite import Database
from matchday.backends.writer import PASSED_MAX, Writer
from matchday.model.messages import Topic
from matchday.ports import Record
from tests.real import poll

PATIENCE_S = 10.0


class Held:
    """A writer whose first group is not done until ``go``: what is submitted meanwhile waits for it."""

    def __init__(self) -> None:
        self.groups: list[list[str]] = []
        self.fatal: list[BaseException] = []
        self.during: Callable[[Sequence[str]], None] = lambda _: None
        self.then: Callable[[], None] = lambda: None
        self._begun, self._go = threading.Event(), threading.Event()
        self.writer: Writer[str] = Writer("test", self._write, len, 6, lambda call: call(), self.fatal.append)
        self.writer.submit("first")
        assert self._begun.wait(PATIENCE_S)

    def _write(self, group: Sequence[str], more: Callable[[], Sequence[str]]) -> Callable[[], None]:
        self._begun.set()
        assert self._go.wait(PATIENCE_S)
        self.during(group)
        self.groups.append([*group, *more()])
        self.then()
        if "broken" in group:
            raise ValueError("broken")
        return lambda: None

    def go(self) -> list[list[str]]:
        """Everything that was written after the first, when all is written."""
        self._go.set()
        self.writer.close()
        return self.groups[1:]


@pytest.fixture
def held() -> Iterator[Held]:
    found = Held()
    yield found
    found.go()


def test_what_arrives_meanwhile_is_one_group_of_whole_pieces_up_to_its_size(held: Held) -> None:
    for piece in ("aa", "bbb", "cc", "ddddddddd", "e"):
        held.writer.submit(piece)
    assert held.go() == [["aa", "bbb"], ["cc"], ["ddddddddd"], ["e"]]


def test_others_pass_what_yields_and_it_goes_piece_by_piece(held: Held) -> None:
    held.writer.submit("y1", yields=True)
    held.writer.submit("y2", yields=True)
    held.writer.submit("a")
    held.writer.submit("b")
    assert held.go() == [["a", "b"], ["y1"], ["y2"]]


def test_what_yields_is_not_passed_for_ever(held: Held) -> None:
    """Somebody submits again whenever something is written."""
    held.writer.submit("y", yields=True)
    left = iter("abcdefghijklmnop")

    def again() -> None:
        if (more := next(left, None)) is not None:
            held.writer.submit(more)

    held.then = again
    groups = held.go()
    assert [group[0] for group in groups].index("y") == PASSED_MAX
    assert "".join(piece for group in groups for piece in group if piece != "y") == "abcdefghijklmnop"


def test_what_arrives_while_a_piece_that_yields_is_prepared_joins_it(held: Held) -> None:
    """Whole pieces up to a group's size; nothing joins a piece that does not yield."""

    def arrive(group: Sequence[str]) -> None:
        for piece in {"y": ("a", "b", "cccccc"), "a": ("d",)}.get(group[0], ()):
            held.writer.submit(piece)

    held.during = arrive
    held.writer.submit("y", yields=True)
    assert held.go() == [["y", "a", "b"], ["cccccc"]]


def test_who_was_answered_may_have_more_before_the_next_piece_that_yields(
    held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once: then it is its turn, though there is more."""
    monkeypatch.setattr(writer, "LINGER_S", PATIENCE_S)
    held.writer.submit("y", yields=True)
    more = iter(["b", "c"])

    def answered() -> None:
        if held.groups[-1][0] in "ab":
            threading.Timer(0.02, held.writer.submit, [next(more)]).start()

    held.then = answered
    held.writer.submit("a")
    held._go.set()
    assert poll(lambda: sum(map(len, held.groups)) == 5)
    assert [group[0] for group in held.groups[1:4]] == ["a", "b", "y"]


def test_a_chore_is_done_between_two_groups(held: Held) -> None:
    held.writer.do(lambda: held.groups.append(["chore"]))
    held.writer.submit("a")
    held.writer.submit("y", yields=True)
    done = threading.Event()
    held.then = lambda: done.set() if held.groups[-1] == ["y"] else None
    held._go.set()
    assert done.wait(PATIENCE_S)
    assert held.groups[1:] == [["a"], ["chore"], ["y"]]


def test_a_chore_that_waits_when_it_is_closed_is_left_undone(held: Held) -> None:
    closing = threading.Thread(target=held.go)
    held.then = lambda: None
    with held.writer._changed:
        held.writer._closing = True
    held.writer.do(lambda: held.groups.append(["chore"]))
    closing.start()
    closing.join(PATIENCE_S)
    assert held.groups == [["first"]]


def test_an_error_is_handed_on_and_nothing_more_is_written(held: Held) -> None:
    for piece in ("broken", "after"):
        held.writer.submit(piece)
    assert held.go() == [["broken"]]
    assert [str(error) for error in held.fatal] == ["broken"]


# --- checkpoints and trimming -----------------------------------------------------------------------------------------


def test_what_was_committed_moves_into_the_file_without_the_writer(tmp_path: Path) -> None:
    path = tmp_path / "some.sqlite"
    database = Database(path, ["CREATE TABLE t (a INTEGER PRIMARY KEY, b BLOB)"])
    with contextlib.closing(database), contextlib.closing(Checkpointer(database, "some")) as checkpointer:
        with database.transaction() as db:
            db.executemany("INSERT INTO t (b) VALUES (?)", [(b"x" * 1_000,)] * 2_000)
        assert path.stat().st_size < 100_000
        checkpointer.wrote()
        assert poll(lambda: path.stat().st_size > 2_000_000)
        checkpointer.close()
        with database.transaction() as db:  # and the write-ahead log begins anew
            db.execute("INSERT INTO t (b) VALUES (?)", (b"last",))
        frames = database.writer.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[1]
    assert frames < 10


def test_the_log_is_trimmed_page_by_page_and_not_beyond() -> None:
    core = SqliteLogCore(":memory:", iter("abcdefghijklmn").__next__)
    for at_ms in (100, 200):
        for start in range(0, 1_500, 100):
            core.append([Record(Topic.BOOKS, "k", b"%d" % n) for n in range(start, start + 100)], (), at_ms)
    core.append([Record(Topic.FIXTURES, "k", b"compacted"), Record(Topic.ACCOUNTS, "k", b"old")], (), 50)
    more = [core.trim(150) for _ in range(3)]
    assert more == [True, False, False]
    left = core.read(Topic.BOOKS, -1, 9_999)
    assert ([stored.at_ms for stored in left], left[0].offset) == ([200] * 1_500, 1_500)
    assert core.oldest(Topic.BOOKS) == 1_500
    assert [stored.value for stored in core.latest(Topic.FIXTURES)] == [b"compacted"]
    assert core.read(Topic.ACCOUNTS, -1, 9) == []
    core.close()
