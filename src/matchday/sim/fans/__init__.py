"""Simulated people of a replay: fans, see ``crowd``, and the house's own, see ``staff``."""

from matchday.sim.fans.crowd import Fans, Placed
from matchday.sim.fans.staff import Promotions, Trader

__all__ = ["Fans", "Placed", "Promotions", "Trader"]
