"""A client in Python: what happens on Matchday, in step and for as long as somebody listens.

On asyncio and the websockets library; imports nothing else of Matchday, as no client could.

    def heard(frame): print(client.held["home"].rows)
    client = Client("ws://127.0.0.1:8000/ws", random.SystemRandom(), heard)
    client.follow("home", max_rate_hz=2)
    asyncio.run(client.run())
"""

from matchday.client.backoff import GivenUp, Pauses
from matchday.client.connection import Client
from matchday.client.held import Gap, Held

__all__ = ["Client", "Gap", "GivenUp", "Held", "Pauses"]
