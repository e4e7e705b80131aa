"""Cash-out: quotes, and bets paid out before they are decided, see ``room``."""

from matchday.services.cash_out.room import CashOuts

__all__ = ["CashOuts"]
