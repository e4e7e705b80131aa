"""Fans who bet on while something is rolled, and what they are told."""

import contextlib
import http.client
import threading
from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Any

from matchday.model.ledger import Refusal
from tests.real import Server, new_id, poll

PAUSE_S = 0.05
ASKED_MAX = 200
"""Times that a bet is asked for whose answer took long."""


class Fans:
    """Some fans, each with a bet under way at most; answers are counted by what they say."""

    def __init__(self, door: Server, count: int) -> None:
        self._door = door
        self._tokens = [door.guest() for _ in range(count)]
        self._stopped, self._never = threading.Event(), threading.Event()
        self.answers: Counter[str] = Counter()
        self.accepted: Counter[str] = Counter()
        """Token -> bets."""
        self.rows: list[Any] = []
        self._threads = [threading.Thread(target=self._bet, args=(token,)) for token in self._tokens]

    def _bet(self, token: str) -> None:
        while not self._stopped.wait(PAUSE_S):
            try:
                self._place(token)
            except (OSError, http.client.HTTPException) as error:
                self.answers[type(error).__name__] += 1

    def _place(self, token: str) -> None:
        status, found = self._door.ask("GET", "/api/fixtures")
        if status != 200:
            self.answers[f"fixtures {status}"] += 1
            return
        for row in found["fixtures"]:
            market = row["market"]
            if row["board"]["status"] == "scheduled" and market and market["status"] == "open":
                chosen = market["selections"][0]
                leg = {"selection": chosen["selection"], "price": chosen["price"], "generation": market["generation"]}
                body = {"id": new_id(), "stake": "0.10", "currency": "EUR", "policy": "any", "legs": [leg]}
                said = _said(*self._door.ask("POST", "/api/bets", body, token))
                if said == "pending":
                    said = self._in_the_end(body, token)
                self.answers[said] += 1
                self.accepted[token] += said == "accepted"
                return

    def _in_the_end(self, body: object, token: str) -> str:
        """What becomes of a bet whose answer took long, sent again under its id until it is known."""
        for _ in range(ASKED_MAX):
            said = _said(*self._door.ask("POST", "/api/bets", body, token))
            if said != "pending":
                return said
            self._never.wait(PAUSE_S)
        return "never answered"

    @contextlib.contextmanager
    def betting(self) -> Iterator[None]:
        """Until the block ends."""
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            for thread in self._threads:
                thread.join()

    @property
    def strange(self) -> dict[str, int]:
        """Answers that are neither accepted nor a refusal by rule."""
        return {said: count for said, count in self.answers.items() if said not in {"accepted", *map(str, Refusal)}}

    def stakes_of(self, token: str) -> int:
        """How many bets a fan's statement has. What is turned away, as too much is asked, is asked again."""
        found, before = list[str](), ""
        while True:
            told = poll(partial(self._page, f"/api/account/statement?limit=50{before}", token), 60)
            found += [entry["reason"] for entry in told["entries"]]
            if told.get("next") is None:
                return found.count("stake")
            before = f"&before={told['next']}"

    def _page(self, path: str, token: str) -> Any:
        status, told = self._door.ask("GET", path, token=token)
        return told if status == 200 else None


def _said(status: int, answer: Any) -> str:
    """What became of a bet; the status where it is no answer of a gate's."""
    if not isinstance(answer, dict):
        return f"status {status}"
    return str(answer.get("reason") or answer.get("answer"))
