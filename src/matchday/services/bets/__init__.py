"""Bets: acceptance, see ``room``."""

from matchday.services.bets.judge import Combine
from matchday.services.bets.room import Bets

__all__ = ["Bets", "Combine"]
