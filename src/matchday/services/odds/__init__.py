"""Odds: the books. ``room`` is their owner, ``board`` the scoreboard that travels with each."""

from matchday.services.odds.room import Odds

__all__ = ["Odds"]
