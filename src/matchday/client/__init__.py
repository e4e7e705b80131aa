"""A client in Python: what happens on Matchday, in step and for as long as somebody listens.

On asyncio and the websockets library; imports nothing else of Matchday, as no client could.
"""

from matchday.client.held import Gap, Held

__all__ = ["Gap", "Held"]
