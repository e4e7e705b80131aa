"""What can be bet on now, as one client of the platform holds it: all fans of a drill read it here, so that none of
them has to keep a book of its own."""

import random
from collections.abc import Callable
from typing import Any, Final

import msgspec

from matchday.client import Client, Held
from matchday.ports import Clock

HOME: Final = "home"
STAKE: Final = "0.10"
_OWN_SHARE: Final = 0.7
"""Of bets that are on the match which the fan watches."""
_FAVOURITES: Final = 4
"""Live matches that most fans watch."""
_FAVOURITE_SHARE: Final = 0.8


class Offers:
    """See the module."""

    def __init__(self, url: str, clock: Clock, seed: int, now_s: Callable[[], float], only: str = "") -> None:
        """``only``: the start of the fixture's name that all fans watch; empty: whichever are live."""
        self._client = Client(url, random.Random(f"{seed}/offers"), lambda _: None)
        self._client.follow(HOME, max_rate_hz=10)
        self._clock, self._only, self._now_s = clock, only, now_s
        self._made_s = -1.0
        self._open: list[tuple[str, Any]] = []
        self._live: list[str] = []
        self._all: list[str] = []

    async def follow(self) -> None:
        """Until it is cancelled."""
        await self._client.run()

    def _look(self) -> None:
        """What is open, looked through ten times a second at most."""
        if self._now_s() - self._made_s < 0.1:
            return
        self._made_s = self._now_s()
        rows = self._client.held.get(HOME, Held(HOME)).rows
        markets = [(fixture, row["market"]) for fixture, row in rows.items()]
        self._open = [(fixture, market) for fixture, market in markets if market and market["status"] == "open"]
        self._all = [fixture for fixture in rows if fixture.startswith(self._only)]
        self._live = [fixture for fixture in self._all if rows[fixture]["board"].get("status") == "live"]

    @property
    def there(self) -> bool:
        """Whether anything can be watched."""
        self._look()
        return bool(self._all)

    @property
    def kickoff_ms(self) -> int:
        """When the first that can be watched kicks off, in milliseconds since 1970."""
        rows = self._client.held[HOME].rows
        return min(int(rows[fixture]["board"]["kickoff_ms"]) for fixture in self._all)

    def fixture(self, chance: random.Random) -> str:
        """The match that a newcomer watches: mostly one of a few."""
        self._look()
        found = self._live or self._all
        if not found:
            return "none"
        few = found[:_FAVOURITES] if chance.random() < _FAVOURITE_SHARE else found
        return few[int(chance.random() * len(few))]

    def body(self, fixture: str, chance: random.Random) -> bytes | None:
        """See ``Host.bet``: on the match result, at the price that is shown."""
        self._look()
        if not self._open:
            return None
        own = [market for name, market in self._open if name == fixture] if chance.random() < _OWN_SHARE else []
        market = own[0] if own else self._open[int(chance.random() * len(self._open))][1]
        each = market["selections"][int(chance.random() * len(market["selections"]))]
        leg = {"selection": each["selection"], "price": each["price"], "generation": market["generation"]}
        return b'{"id":"%b","stake":"%b","currency":"EUR","policy":"any","legs":[%b]}' % (
            self._clock.new_id().encode(), STAKE.encode(), msgspec.json.encode(leg),
        )  # fmt: skip
