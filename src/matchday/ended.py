"""A command that somebody else ends: it stops what it started and removes what it made, as one that is interrupted."""

import select
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn


class Ended(KeyboardInterrupt):
    """A signal has ended this command."""

    def __init__(self, number: signal.Signals) -> None:
        self.number = number


def nobody_reads() -> bool:
    """Whether nobody reads our output any more: a pipe that breaks may be any, such as a socket to a server."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), select.POLLOUT)
    return any(events & (select.POLLERR | select.POLLHUP) for _, events in poll.poll(0))


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """SIGTERM, and SIGHUP as a terminal that is gone sends it, raise ``Ended`` in the main thread. What is ignored
    (``nohup``) stays so; commands that have their own way take it."""

    def end(number: int, _frame: object) -> NoReturn:
        raise Ended(signal.Signals(number))

    of_us = (signal.SIGTERM, signal.SIGHUP) if threading.current_thread() is threading.main_thread() else ()
    numbers = [number for number in of_us if signal.getsignal(number) is signal.SIG_DFL]
    for number in numbers:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)
