"""Fans who bet while a cluster's processes come and go: over the balancer, and then asked after at every gate."""

import asyncio
import contextlib
import http.client
import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from matchday.app import StartError
from matchday.bench.audit.states import States
from matchday.bench.audit.watcher import Watcher

EVERY_S: Final = 0.4
"""Seconds between two bets of a fan."""
STAKE: Final = "0.10"
AGREE_S_MAX: Final = 20.0
"""Seconds in which gates must come to say the same of a fan: settlement goes on meanwhile."""
_ASK_S_MAX: Final = 15.0
_LOOK_S: Final = 0.1

Gates = Callable[[], Sequence[int]]
"""The doors of the gates that run now, by their ports."""


def ask(
    port: int, method: str, path: str, body: object = None, *, token: str = "", address: str = "127.0.0.1"
) -> tuple[int, Any]:
    """Status and decoded answer of a door. OSError or HTTPException where there is none."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_ASK_S_MAX)
    headers = {"Content-Type": "application/json", "X-Forwarded-For": address}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    with contextlib.closing(connection):
        connection.request(method, path, None if body is None else msgspec.json.encode(body), headers)
        answer = connection.getresponse()
        content = answer.read()
        return answer.status, msgspec.json.decode(content) if "json" in answer.headers.get("Content-Type", "") else None


class Fan:
    """One fan: a screen that shows his account, and bets."""

    def __init__(self, watcher: Watcher, port: int, gates: Gates, new_id: Callable[[], str], chance: random.Random):
        self.watcher, self._port, self._gates = watcher, port, gates
        self._new_id, self._chance = new_id, chance
        self.accepted: dict[str, str] = {}
        """His id of each bet that he was told is accepted -> ours."""
        self.answers: Counter[str] = Counter()
        self._unknown: dict[str, object] = {}
        """Bets without an answer: to be sent again under the same id."""

    async def bet(self) -> None:
        """Bet, again and again, until cancelled: an answer that is lost is asked for under the same id."""
        while True:
            await asyncio.sleep(EVERY_S * (0.5 + self._chance.random()))
            if (body := self._unknown_or_new()) is not None:
                await self._place(body)

    def _unknown_or_new(self) -> dict[str, Any] | None:
        for known in self._unknown.values():
            return dict(known)  # type: ignore[call-overload,no-any-return]
        home = self.watcher.held.get("home")
        rows = [] if home is None else list(home.held.rows.values())
        open_ = [row["market"] for row in rows if row["market"] and row["market"]["status"] == "open"
                 and row["board"]["status"] == "scheduled"]  # fmt: skip
        if not open_:
            return None
        market = self._chance.choice(open_)
        chosen = self._chance.choice(market["selections"])
        leg = {"selection": chosen["selection"], "price": chosen["price"], "generation": market["generation"]}
        return {"id": self._new_id(), "stake": STAKE, "currency": "EUR", "policy": "any", "legs": [leg]}

    async def _place(self, body: dict[str, Any]) -> None:
        id_ = body["id"]
        try:
            status, answer = await self._ask(self._port, "POST", "/api/bets", body)
        except (OSError, http.client.HTTPException):
            self.answers["no answer"] += 1
            self._unknown[id_] = body
            return
        if status in (502, 503, 504) or answer is None:  # nothing is recorded, or nobody knows
            self.answers[(answer or {}).get("reason", str(status))] += 1
            self._unknown[id_] = body
            return
        self._unknown.pop(id_, None)
        self.answers[answer.get("reason") or answer.get("answer") or str(status)] += 1
        if status == 201:
            self.accepted[id_] = answer["bet"]["bet"]
            await self._elsewhere(id_)

    async def _elsewhere(self, id_: str) -> None:
        """Whatever gate took it, any other knows it at once."""
        gate = self._chance.choice(list(self._gates()))
        try:
            status, answer = await self._ask(gate, "GET", f"/api/bets/by-id/{id_}")
        except (OSError, http.client.HTTPException):
            return  # it has just been stopped; all are asked at the end
        if status < 500 and (status != 200 or answer["bet"]["bet"] != self.accepted[id_]):
            self.watcher.states.fault(f"bet {id_} was accepted, and the gate at {gate} says {status}: {answer}")

    async def _ask(self, port: int, method: str, path: str, body: object = None) -> tuple[int, Any]:
        return await asyncio.to_thread(
            ask, port, method, path, body, token=self.watcher.token, address=self.watcher.address
        )

    # --- at the end ---------------------------------------------------------------------------------------------------

    async def check(self) -> None:
        """Every gate has every bet, and the same balance; his screen was told of each bet once."""
        states, gates = self.watcher.states, list(self._gates())
        while self._unknown:
            await self._place(dict(next(iter(self._unknown.values()))))  # type: ignore[call-overload]
        for id_, bet in self.accepted.items():
            for gate in gates:
                status, answer = await self._patiently(gate, f"/api/bets/by-id/{id_}")
                if status != 200 or answer["bet"]["bet"] != bet:
                    states.fault(f"bet {id_} was accepted, and the gate at {gate} says {status}: {answer}")
        if len(await self._balances(gates)) != 1:
            states.fault(f"account of screen {self.watcher.number}: gates differ on its balance")
        loop = asyncio.get_running_loop()
        until = loop.time() + AGREE_S_MAX
        for bet in self.accepted.values():
            while bet not in self.watcher.heard_bets and loop.time() < until:  # noqa: ASYNC110 - it comes by callback
                await asyncio.sleep(_LOOK_S)
        for bet in set(self.accepted.values()) - set(self.watcher.heard_bets):
            states.fault(f"screen {self.watcher.number} was never told that bet {bet} was accepted")
        for bet, count in self.watcher.heard_bets.items():
            if count > 1:
                states.fault(f"screen {self.watcher.number} was told {count} times that bet {bet} was accepted")

    async def _balances(self, gates: Sequence[int]) -> set[str]:
        """What gates say of his balance: one and the same as soon as nothing is being settled."""
        loop = asyncio.get_running_loop()
        until = loop.time() + AGREE_S_MAX
        while True:
            told = [(await self._patiently(gate, "/api/account"))[1] for gate in gates]
            found = {answer["balance"] for answer in told if answer}
            if len(found) == 1 or loop.time() > until:
                return found

    async def _patiently(self, port: int, path: str) -> tuple[int, Any]:
        """Asked again while a gate is busy."""
        loop = asyncio.get_running_loop()
        until = loop.time() + AGREE_S_MAX
        while True:
            with contextlib.suppress(OSError, http.client.HTTPException):
                status, answer = await self._ask(port, "GET", path)
                if status not in (429, 503) or loop.time() > until:
                    return status, answer
            if loop.time() > until:
                raise StartError(f"the gate at {port} does not answer {path}")
            await asyncio.sleep(_LOOK_S)


def fan_of(
    states: States, number: int, port: int, gates: Gates, new_id: Callable[[], str], chance: random.Random
) -> Fan:
    """A new guest. StartError where he is not let in."""
    address = Watcher(states, number, port, (), chance).address
    status, answer = ask(port, "POST", "/api/guest", {}, address=address)
    if status != 201:
        raise StartError(f"a guest was not let in: {status} {answer}")
    watcher = Watcher(states, number, port, ("home", "account"), chance, answer["token"])
    return Fan(watcher, port, gates, new_id, chance)
