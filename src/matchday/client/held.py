"""What a client holds of a channel: a snapshot, and the fields that deltas changed since (docs/protocol.md).

Pure: frames in, the state they add up to. Nothing that was handed out is changed afterwards: what changes is made anew.
"""

from typing import Any

Json = dict[str, Any]

HOME = "home"
ACCOUNT = "account"


class Gap(Exception):
    """A delta does not follow what is held: something between was missed, only a snapshot helps."""


class Held:
    """One channel."""

    def __init__(self, channel: str) -> None:
        self.channel = channel
        self.epoch = ""
        self.offset = -1
        """Up to where everything was heard; the ``to`` of the last frame."""
        self.whole = False
        """Whether there was a snapshot: only then is there anything to resume or to apply deltas to."""
        self.at = 0
        """When the latest of it was published, in milliseconds since 1970."""
        self.board: Json = {}
        """Of a fixture's channel."""
        self.markets: dict[str, Json] = {}
        """Of a fixture's channel: market id -> market."""
        self.rows: dict[str, Json] = {}
        """Of ``home``: fixture -> its board and its main market, or null."""
        self.account: Json = {}
        """Of ``account``, as of its last snapshot."""
        self.facts: list[Json] = []
        """Of ``account``: what happened since that snapshot, oldest first."""

    @property
    def resume(self) -> Json | None:
        """Where to go on after a lost connection; None: from a snapshot."""
        return {"epoch": self.epoch, "offset": self.offset} if self.whole else None

    def snapshot(self, frame: Json) -> None:
        """All there is, in place of all that was held."""
        data = frame["data"]
        self.epoch, self.offset, self.whole, self.at = frame["epoch"], frame["to"], True, frame["at"]
        if self.channel == ACCOUNT:
            self.account, self.facts = data, []
        elif self.channel == HOME:
            self.rows = {row["board"]["fixture"]: row for row in data["fixtures"]}
        else:
            self.board, self.markets = data["board"], {market["market"]: market for market in data["markets"]}

    def delta(self, frame: Json) -> bool:
        """The fields that changed. False where that is held already; Gap where something before it is not."""
        if self.whole and frame["to"] <= self.offset:
            return False
        if not self.whole or frame["from"] != self.offset:
            raise Gap(f"{self.channel} is held up to {self.offset}, not up to {frame['from']}")
        data = frame["data"]
        self.offset, self.at = frame["to"], frame["at"]
        if self.channel == ACCOUNT:
            self.facts = [*self.facts, *data["facts"]]
        elif self.channel == HOME:
            self._home(data)
        else:
            self.board = self.board | data.get("board", {})
            fixture, markets = self.board["fixture"], self.markets
            for name, patch in data.get("markets", {}).items():
                market = f"{fixture}:{name}"
                markets[market] = patched(markets.get(market), patch)
        return True

    def _home(self, data: Json) -> None:
        for patch in data.get("fixtures", ()):
            fixture = patch["board"]["fixture"]
            row = self.rows.get(fixture, {"board": {}, "market": None})
            market = patched(row["market"], patch["market"]) if "market" in patch else row["market"]
            self.rows[fixture] = {"board": row["board"] | patch["board"], "market": market}
        for fixture in data.get("removed", ()):
            self.rows.pop(fixture, None)


def patched(market: Json | None, patch: Json) -> Json:
    """A market with what changed of it. One that has ``selections`` is whole; else ``prices`` are of those there were:
    null for the same as before, "" for taken off."""
    if market is None or "selections" in patch:
        return patch
    found = market | patch
    if (prices := found.pop("prices", None)) is not None:
        found["selections"] = [
            selection if price is None else selection | {"price": price}
            for selection, price in zip(market["selections"], prices, strict=True)
            if price != ""
        ]
    return found
