"""Reads of the ledger's port that ask the same of the same tables, whichever backend keeps them.

Statements name their values with ``?``.
"""

from collections.abc import Iterable
from typing import Any, Protocol

from matchday.backends.columns import offer_body, referral_body
from matchday.model.ledger import FreeBet, Offer, Referral


class SameReads(Protocol):
    """What a backend's reads begin with; each brings ``_asked``."""

    def _asked(self, sql: str, values: Iterable[object]) -> list[Any]:
        """The rows of a statement. LedgerUnavailable where there are none to be had."""

    def _number(self, bet: str | None, otherwise: int) -> int:
        """A bet's number; 0 of one that is not there."""
        rows = self._asked("SELECT number FROM bets WHERE bet = ?", (bet,)) if bet else [(otherwise,)]
        return int(rows[0][0]) if rows else 0

    def referral(self, account: str, id_: str) -> Referral | None:
        """See ``Ledger.referral``."""
        rows = self._asked("SELECT body FROM referrals WHERE account = ? AND id = ?", (account, id_))
        return referral_body(rows[0][0]) if rows else None

    def referrals(self, due_ms: int, limit: int, after: tuple[int, str, str] = (0, "", "")) -> list[Referral]:
        """See ``Ledger.referrals``."""
        sql = (
            "SELECT body FROM referrals WHERE until_ms <= ? AND (until_ms, id, account) > (?, ?, ?) "
            "ORDER BY until_ms, id, account LIMIT ?"
        )
        return [referral_body(row[0]) for row in self._asked(sql, (due_ms, *after, limit))]

    def offer(self, account: str, offer: str) -> Offer | None:
        """See ``Ledger.offer``."""
        rows = self._asked("SELECT body FROM offers WHERE offer = ? AND account = ? AND NOT taken", (offer, account))
        return offer_body(rows[0][0]) if rows else None

    def free_bets(self, account: str) -> list[FreeBet]:
        """See ``Ledger.free_bets``."""
        sql = (
            "SELECT free_bet, amount, currency, until_ms FROM free_bets WHERE account = ? AND state = 'available' "
            "ORDER BY until_ms, free_bet"
        )
        return [FreeBet(*row) for row in self._asked(sql, (account,))]

    def free_bets_over(self, now_ms: int, limit: int) -> list[tuple[str, str]]:
        """See ``Ledger.free_bets_over``."""
        sql = (
            "SELECT account, free_bet FROM free_bets WHERE state = 'available' AND until_ms <= ? "
            "ORDER BY until_ms LIMIT ?"
        )
        return self._asked(sql, (now_ms, limit))
