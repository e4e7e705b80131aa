"""Odds: the books. ``room`` is their owner, ``board`` the scoreboard of each, ``counts`` what is counted."""

from matchday.services.odds.counts import OddsCounts
from matchday.services.odds.room import Odds

__all__ = ["Odds", "OddsCounts"]
