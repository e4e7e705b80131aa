"""Fans of a drill: open-loop bets over HTTP and WebSocket, each sent again under its id until it has an answer.

Owns the offers. A bet is due at its moment, whatever became of those before; it is on the record before it is sent.
What a fan backs, he sees on his own screen. A bet that found no answer is sent again, as docs/protocol.md asks of a
client; one that is pending is asked for by its id.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, Final

import msgspec

from matchday.ops.drill import DrillError
from matchday.ops.drill.failover.door import Door, NotAnswered
from matchday.ops.drill.failover.record import ACCEPTED, TURNED_AWAY, Answered, Offer, Offered, Record
from matchday.ops.drill.failover.screens import ACCOUNT, HOME, Watcher
from matchday.ports import Clock

STAKE: Final = "0.10"
TICK_S: Final = 0.02
"""Seconds in which what is due is gathered for one fsync: so late may a bet be sent."""
AGAIN_S: Final = 0.25
"""Seconds after which a bet whose connection broke is sent again."""
SILENT_S: Final = 2.0
"""Seconds after which one that nobody answered on the WebSocket is sent again, over HTTP."""
AT_ONCE_MAX: Final = 64
"""Bets that are sent again at a time."""
_GUEST_S_MAX: Final = 60.0
_PAUSE_S: Final = 0.2


class Fan:
    """An account, its screen, and what it backs."""

    def __init__(self, account: str, token: str, watcher: Watcher) -> None:
        self.account, self.token, self.watcher = account, token, watcher
        self._turn = 0

    def leg(self) -> dict[str, Any] | None:
        """What is open on the screen, a match that has not begun, each in turn; None where nothing is."""
        held = self.watcher.client.held.get(HOME)
        rows = [
            row["market"] for row in (held.rows.values() if held is not None else ())
            if row["board"].get("status") == "scheduled" and row["market"] and row["market"]["status"] == "open"
        ]  # fmt: skip
        if not rows:
            return None
        self._turn += 1
        market = rows[self._turn % len(rows)]
        chosen = market["selections"][self._turn % len(market["selections"])]
        return {"selection": chosen["selection"], "price": chosen["price"], "generation": market["generation"]}


class Fans:
    """All of them."""

    def __init__(self, clock: Clock, door: Door, record: Record) -> None:
        self._clock, self._door, self._record = clock, door, record
        self.fans: list[Fan] = []
        self.offers: dict[str, Offer] = {}
        """By id, in the order in which they were due."""
        self._open: dict[str, tuple[Fan, Offer]] = {}
        """Without an answer."""
        self._again: dict[str, float] = {}
        """Id -> when it is to be sent again."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._repeats: set[asyncio.Task[None]] = set()
        """Those of them that send again, or ask."""
        self._turn = 0
        self.nothing_open = 0
        """Moments at which a bet was due and no screen showed anything to back."""

    async def let_in(self, count: int, urls: Sequence[str]) -> None:
        """So many new guests, their screens on. DrillError where they are not let in."""
        for number in range(count):
            answer = await self._guest()
            watcher = Watcher(f"fan {number}", urls, self._clock, token=answer["token"], heard=self._heard)
            watcher.start(HOME, ACCOUNT)
            self.fans.append(Fan(answer["account"], answer["token"], watcher))

    async def _guest(self) -> dict[str, Any]:
        said: object = "nothing"
        for _ in range(round(_GUEST_S_MAX / _PAUSE_S)):
            try:
                status, answer = await self._door.ask("POST", "/api/guest", b"{}")
            except NotAnswered as error:
                said = error
            else:
                if status == 201:
                    return answer
                said = answer
            await asyncio.sleep(_PAUSE_S)
        raise DrillError(f"no guest is let in: {said}")

    @property
    def now_s(self) -> float:
        """The drill's clock."""
        return self._clock.elapsed_ms() / 1_000

    def unanswered(self) -> list[Offer]:
        """Those that were sent and have no answer."""
        return [offer for _, offer in self._open.values() if offer.tries]

    # --- the open loop ------------------------------------------------------------------------------------------------

    async def bet(self, rate: float) -> None:
        """So many a second until it is cancelled."""
        began, due = self.now_s, 0
        while True:
            gathered = []
            while (at := began + due / rate) <= self.now_s:
                due += 1
                if (made := self._made(at)) is not None:
                    gathered.append(made)
            if gathered:
                await self._record.durable()
                for made in gathered:
                    self._send(*made)
            await asyncio.sleep(TICK_S)

    async def ask_again(self) -> None:
        """What has no answer, until it is cancelled."""
        while True:
            now_s = self.now_s
            due = [id_ for id_, at in self._again.items() if at <= now_s]
            for id_ in due[: max(0, AT_ONCE_MAX - len(self._repeats))]:
                self._again.pop(id_)
                if id_ in self._open:
                    fan, offer = self._open[id_]
                    task = self._begin(self._recorded(fan, offer) if offer.waits else self._over_http(fan, offer))
                    self._repeats.add(task)
                    task.add_done_callback(self._repeats.discard)
            await self._record.durable()
            await asyncio.sleep(TICK_S)

    def _made(self, due_s: float) -> tuple[Fan, Offer, bool] | None:
        """Whose, what, and whether it goes over the WebSocket: a fan's bets go by turns."""
        self._turn += 1
        rounds, place = divmod(self._turn, len(self.fans))
        fan = self.fans[place]
        leg = fan.leg()
        if leg is None:
            self.nothing_open += 1
            return None
        id_ = self._clock.new_id()
        bet = {"id": id_, "stake": STAKE, "currency": "EUR", "policy": "any", "legs": [leg]}
        offer = Offer(Offered(id_, fan.account, due_s), msgspec.json.encode(bet))
        self.offers[id_], self._open[id_] = offer, (fan, offer)
        self._record.add(offer.offered)
        return fan, offer, bool(rounds % 2)

    def _send(self, fan: Fan, offer: Offer, by_socket: bool) -> None:
        if by_socket and fan.watcher.client.place(msgspec.json.decode(offer.body)):
            offer.tries += 1
            self._again[offer.offered.id] = self.now_s + SILENT_S
        else:
            self._begin(self._over_http(fan, offer))

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # --- answers ------------------------------------------------------------------------------------------------------

    async def _over_http(self, fan: Fan, offer: Offer) -> None:
        offer.tries += 1
        try:
            status, answer = await self._door.ask("POST", "/api/bets", offer.body, fan.token)
        except NotAnswered:
            self._again[offer.offered.id] = self.now_s + AGAIN_S
            return
        self._take(offer, status, answer)

    async def _recorded(self, fan: Fan, offer: Offer) -> None:
        """Ask by its id for one that is pending."""
        id_ = offer.offered.id
        try:
            status, answer = await self._door.ask("GET", f"/api/bets/by-id/{id_}", token=fan.token)
        except NotAnswered:
            self._again[id_] = self.now_s + AGAIN_S
            return
        if status == 200:
            self._take(offer, 201 if answer["answer"] == "accepted" else 202, answer)
        else:  # nothing is recorded of it, or it cannot be read now: it is sent again
            offer.waits = False
            self._again[id_] = self.now_s + AGAIN_S

    def _heard(self, frame: dict[str, Any]) -> None:
        if frame["t"] == "placed" and frame["id"] in self._open:
            _, offer = self._open[frame["id"]]
            self._take(offer, frame["status"], frame.get("answer") or frame.get("problem") or {})

    def _take(self, offer: Offer, status: int, answer: dict[str, Any]) -> None:
        """What a gate said of a bet: the first that was said holds."""
        id_ = offer.offered.id
        if id_ not in self._open:
            return
        outcome = ACCEPTED if answer.get("answer") == ACCEPTED else str(answer.get("reason") or status)
        offer.waits = answer.get("answer") == "pending"
        if offer.waits or (outcome in TURNED_AWAY and offer.tries > 1):  # then only this attempt recorded nothing
            self._again[id_] = self.now_s + AGAIN_S
            return
        bet = answer["bet"]["bet"] if outcome == ACCEPTED else ""
        offer.answered = Answered(id_, self.now_s, outcome, bet)
        self._record.add(offer.answered)
        del self._open[id_]
        self._again.pop(id_, None)

    async def stop(self) -> None:
        """All go."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(fan.watcher.stop() for fan in self.fans))
