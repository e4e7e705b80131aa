"""What many screens hold, kept once for all who were told the same: frames are parsed once, deltas applied once, and
what they add up to compared wherever two ways led to the same offset."""

import copy
from typing import Any, Final

import msgspec

from matchday.client.held import HOME, Held
from matchday.model.messages import OVER

Json = dict[str, Any]
Place = tuple[str, str, int]
"""A channel, its epoch, and an offset in it."""
FRAMES_MAX: Final = 8_192
"""Frames that are kept parsed: of those that many are told, each is needed within a moment."""
FAULTS_MAX: Final = 50
"""Faults that are told in full; more are counted."""
_GONE: Final = frozenset(str(status) for status in OVER)
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode
_encode: Final = msgspec.json.Encoder(order="sorted").encode


class State:
    """What a channel shows after a frame."""

    __slots__ = ("after", "held")

    def __init__(self, held: Held) -> None:
        self.held = held
        self.after: dict[bytes, State] = {}
        """Frame -> what it makes of this."""


class States:
    """Everything that was told to anybody."""

    def __init__(self) -> None:
        self.seen: dict[Place, int] = {}
        """Place -> what whoever was told everything up to there holds, as a number that tells states apart."""
        self.frames = 0
        """Told to all screens together."""
        self.faults: list[str] = []
        self.faults_total = 0
        self._parsed: dict[bytes, Json] = {}
        self._snapshots: dict[bytes, State] = {}

    def fault(self, text: str) -> None:
        """Something that must not be."""
        self.faults_total += 1
        if len(self.faults) < FAULTS_MAX:
            self.faults.append(text)

    def parsed(self, frame: bytes) -> Json:
        """A frame, which others may have been told, too."""
        self.frames += 1
        found = self._parsed.get(frame)
        if found is None:
            if len(self._parsed) >= FRAMES_MAX:
                self._parsed.clear()
                self._snapshots.clear()
            found = self._parsed[frame] = _decode(frame)
        return found

    def snapshot(self, frame: bytes, told: Json) -> State:
        """What a snapshot shows."""
        found = self._snapshots.get(frame)
        if found is None:
            held = Held(told["channel"])
            held.snapshot(told)
            found = self._snapshots[frame] = State(held)
            self._see(held)
        return found

    def delta(self, state: State, frame: bytes, told: Json) -> State:
        """What a delta makes of a state. Gap where it does not follow it."""
        found = state.after.get(frame)
        if found is None:
            held = copy.copy(state.held)
            held.rows, held.markets = dict(held.rows), dict(held.markets)
            found = State(held) if held.delta(told) else state
            state.after[frame] = found
            if found is not state:
                self._see(held)
        return found

    def _see(self, held: Held) -> None:
        """Whoever is as far must hold the same. What happened to an account is no state that others share."""
        if held.channel == "account":
            return
        place, shown = (held.channel, held.epoch, held.offset), digest(held.channel, shown_by(held))
        if self.seen.setdefault(place, shown) != shown:
            self.fault(f"{held.channel}: two who were told everything up to {held.offset} hold different things")


def shown_by(held: Held) -> object:
    """What is compared of a channel. Gates take what is over off ``home`` each at a moment of its own."""
    if held.channel == HOME:
        return {name: row for name, row in held.rows.items() if row["board"]["status"] not in _GONE}
    return [held.board, held.markets]


def digest(channel: str, shown: object) -> int:
    """A number that tells what a channel shows from what else it could show."""
    return hash((channel, _encode(shown)))
