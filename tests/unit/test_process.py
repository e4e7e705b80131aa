"""A process: what ends it."""

import threading
from collections.abc import Callable
from functools import partial

import pytest

from matchday.app.process import stop_for_thread


def test_an_error_of_a_thread_that_nobody_catches_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Found in a cluster: a thread of the log ended by an error, and its process went on and never was answered."""
    posted: list[Callable[[], None]] = []
    found: list[BaseException] = []
    monkeypatch.setattr(threading, "excepthook", partial(stop_for_thread, posted.append, found.append))
    thread = threading.Thread(target=[].pop)
    thread.start()
    thread.join()
    assert found == []  # on the room's thread, not on that one
    posted[0]()
    assert [type(error) for error in found] == [IndexError]


def test_a_thread_that_ends_by_an_error_when_all_is_over_is_left_alone() -> None:
    def closed(_: Callable[[], None]) -> None:
        raise RuntimeError("Event loop is closed")

    nobody: list[BaseException] = []
    stop_for_thread(closed, nobody.append, threading.ExceptHookArgs((ValueError, ValueError("late"), None, None)))
    assert nobody == []
