"""Recorded: a replay's journal, read to be played again. What every kind of line says: ``tests/check_journal.py``.

A journal says what happened on the pitch by type, side and clock; the states of the matches are what these add up to.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from matchday.app import StartError
from matchday.config import Bets as BetSettings
from matchday.model.bet import Leg, Part
from matchday.model.football import FootballState, IncidentError, IncidentType, advance
from matchday.model.market import Market, Selection, parse_line
from matchday.model.messages import (
    FixtureScheduled,
    FixtureSnapshot,
    FixtureStatus,
    Incident,
    ResultConfirmed,
    Strengths,
)
from matchday.model.price import PriceError, parse_price

FEED: Final = "journal"
_UNKNOWN: Final = Strengths(1.0, 1.0, source=FEED)
"""A journal has prices, and not what they were made of."""
_ANNOUNCED: Final = 1
"""``seq`` of a fixture's announcement."""
Line = dict[str, Any]
Key = tuple[str, int]
"""Fixture and ``seq``."""


class Said(NamedTuple):
    """What a feed says on one occasion."""

    message: FixtureScheduled | Incident | ResultConfirmed
    snapshot: FixtureSnapshot


class Recorded:
    """A journal on disk. StartError, with the line, where it is none."""

    def __init__(self, path: Path, now_ms: int) -> None:
        """``now_ms`` is when its first line happens again."""
        self._path = path
        self._now_ms = now_ms
        self.shift_ms = 0
        """Milliseconds from the journal's time to the platform's."""
        self._settings = BetSettings()
        self.said: dict[Key, Said] = {}
        self.states: dict[str, Line] = {}
        """Bet -> the last line about how it stands."""
        self.balances: dict[str, int] = {}
        self.statements: dict[str, Counter[tuple[int, str, str | None]]] = {}
        """Account -> (amount, reason, bet) of all its entries."""
        self.open_bets = 0
        self._snapshots: dict[str, FixtureSnapshot] = {}
        accepted, seen = 0, set[str]()
        for line in self.lines():
            self._look(line)
            seen.add(line["kind"])
            accepted += line["kind"] in ("bet", "referral") and line["answer"] == "accepted"
        if not {"settings", "fixture", "balance"} <= seen:
            raise StartError(f"journal {path} is not whole; `matchday replay --journal FILE` writes one")
        over = sum(state["status"] != "open" for state in self.states.values())
        self.open_bets = accepted - over

    @property
    def bets_settings(self) -> BetSettings:
        """The limits of acceptance that its answers depend on."""
        return self._settings

    @property
    def fixtures(self) -> set[str]:
        """Those that it is about."""
        return set(self._snapshots)

    def lines(self) -> Iterator[Line]:
        """All lines, in order."""
        try:
            with self._path.open("rb") as file:
                for number, text in enumerate(file, 1):
                    yield self._decoded(number, text)
        except OSError as error:
            raise StartError(
                f"journal {self._path}: {error.strerror}; `matchday replay --journal FILE` writes one"
            ) from error

    def _decoded(self, number: int, text: bytes) -> Line:
        try:
            return msgspec.json.decode(text, type=Line)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise StartError(f"journal {self._path}, line {number}: {error}") from error

    def at_ms(self, line: Line) -> int:
        """When that happens on the platform."""
        return int(line["t_ms"]) + self.shift_ms

    def _look(self, line: Line) -> None:
        try:
            self._read(line)
        except KeyError as error:
            raise StartError(f"journal {self._path}: a line lacks {error}: {_shown(line)}") from error
        except (TypeError, ValueError, PriceError, IncidentError) as error:
            raise StartError(f"journal {self._path}: {error}: {_shown(line)}") from error

    def _read(self, line: Line) -> None:
        match line["kind"]:
            case "settings":
                self.shift_ms = self._now_ms - line["t_ms"]
                known = {name: line[name] for name in BetSettings.__struct_fields__ if name in line}
                self._settings = msgspec.convert(known, BetSettings)
            case "fixture":
                self._announced(line)
            case "incident":
                self._happened(line)
            case "result":
                self._ended(line)
            case "state":
                self.states[line["bet"]] = line
            case "balance":
                self.balances[line["account"]] = line["balance"]
            case "statement":
                entries = ((amount, reason, bet) for _, amount, reason, bet in line["entries"])
                self.statements[line["account"]] = Counter(entries)

    def _announced(self, line: Line) -> None:
        fixture = line["fixture"]
        if fixture in self._snapshots:
            raise ValueError("a fixture that is announced again is not played here")
        scheduled = FixtureScheduled(
            fixture, _ANNOUNCED, FEED, "football", "", line["home"], line["away"], line["kickoff_ms"] + self.shift_ms,
            self.at_ms(line), _UNKNOWN, line["source"], line["knockout"],
            line["void_at_ms"] + self.shift_ms if line["void_at_ms"] else 0,
        )  # fmt: skip
        state = FootballState(knockout=scheduled.knockout)
        snapshot = FixtureSnapshot(scheduled, _ANNOUNCED, FixtureStatus.SCHEDULED, state, scheduled.at_ms)
        self._say(scheduled, snapshot)

    def _happened(self, line: Line) -> None:
        known, at_ms = self._snapshots[line["fixture"]], self.at_ms(line)
        kind = IncidentType(line["type"])
        state = advance(known.state, kind, line["side"], line["clock_s"])
        self._same(line, state)
        incident = Incident(line["fixture"], line["seq"], FEED, kind, line["side"], line["clock_s"], state, at_ms)
        self._say(incident, FixtureSnapshot(known.scheduled, line["seq"], FixtureStatus.LIVE, state, at_ms))

    def _ended(self, line: Line) -> None:
        known, at_ms = self._snapshots[line["fixture"]], self.at_ms(line)
        status = FixtureStatus(line["status"])
        self._same(line, known.state)
        result = ResultConfirmed(line["fixture"], line["seq"], FEED, status, known.state, at_ms, line["reason"])
        self._say(result, FixtureSnapshot(known.scheduled, line["seq"], status, known.state, at_ms))

    def _same(self, line: Line, state: FootballState) -> None:
        if (list(state.score), state.period) != (line["score"], line["period"]):
            raise ValueError(f"the incidents add up to {state.score} in {state.period}")

    def _say(self, message: FixtureScheduled | Incident | ResultConfirmed, snapshot: FixtureSnapshot) -> None:
        self._snapshots[message.fixture] = snapshot
        self.said[message.fixture, message.seq] = Said(message, snapshot)


def announced(line: Line) -> Key:
    """What a line of kind ``fixture`` says."""
    return line["fixture"], _ANNOUNCED


def market_of(told: Line) -> Market:
    """A market as a line of kind ``book`` tells it."""
    line = None if told["line"] is None else parse_line(told["line"])
    selections = tuple(Selection(one["outcome"], parse_price(one["price"])) for one in told["selections"])
    return msgspec.convert(
        {
            "market": told["market"], "type": told["type"], "line": line, "status": told["status"],
            "generation": told["generation"], "selections": selections, "stake_max": told.get("stake_max"),
        },
        Market,
    )  # fmt: skip


def leg_of(asked: Line) -> Leg:
    """A leg as a fan asked for it."""
    parts = tuple(Part(**part) for part in asked.get("parts", ()))
    return Leg(**{**asked, "price": parse_price(asked["price"]), "parts": parts})


def _shown(line: Line) -> str:
    return msgspec.json.encode(line).decode()[:200]
