"""What the embedded ledger has committed and the disk may not have yet: which accounts it is about, and a wait for it.

The writer says what a commit touches before anybody can read it, and when it went in or failed; the thread that syncs
takes what is durable away. The room's thread waits for neither longer than ``PATIENCE_S`` in all, while the disk stands
still: then what it has read cannot be told now.
"""

import threading
from collections.abc import Callable
from typing import Final

from matchday.ports import LedgerUnavailable

PATIENCE_S: Final = 0.25
"""Seconds for which a read may hold up the room's thread; syncs of milliseconds are usual."""


class Undurable:
    """Commits by number, and whom each touches."""

    def __init__(self, sync: Callable[[], None]) -> None:
        """``sync`` returns when all that has been committed before is on the disk; see ``Database.sync``."""
        self._sync = sync
        self._touched: dict[int, frozenset[str]] = {}
        self._number = self._committed = 0
        """Of the last commit that was begun, and of the last that has ended."""
        self._stands_still = False
        """A read has waited in vain, and nothing has become durable since."""
        self._changed = threading.Condition()

    def touches(self, accounts: frozenset[str]) -> None:
        """The next commit changes something of these accounts, and whatever is about no account."""
        with self._changed:
            self._number += 1
            self._touched[self._number] = accounts

    def committed(self) -> None:
        """It went in."""
        with self._changed:
            self._committed = self._number

    def failed(self) -> None:
        """Nothing of it did, whether or not it got as far as to touch anything."""
        with self._changed:
            if self._number > self._committed:
                del self._touched[self._number]
                self._committed = self._number
            self._changed.notify_all()

    def sync(self) -> None:
        """Wait for the disk; what was committed before is durable then. It raises what ``sync`` does."""
        with self._changed:
            upto = self._committed
        self._sync()
        with self._changed:
            self._stands_still = False
            for number in [number for number in self._touched if number <= upto]:
                del self._touched[number]
            self._changed.notify_all()

    def wait(self, account: str | None) -> None:
        """On the room's thread, after something of this account (None: of any) was read: until it is durable.
        LedgerUnavailable: it is not, and the disk stands still."""
        if not self._touched:
            return
        with self._changed:
            last = max((number for number, of in self._touched.items() if account is None or account in of), default=0)
            if not last:
                return
            if self._stands_still or not self._changed.wait_for(lambda: self._durable(last), PATIENCE_S):
                self._stands_still = True
                raise LedgerUnavailable("the disk stands still: what was read may not be on it")

    def _durable(self, number: int) -> bool:
        return all(each > number for each in self._touched)
