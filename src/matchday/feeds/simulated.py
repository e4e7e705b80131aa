"""The simulated league: always on, a pure function of seed, speed and absolute time.

Owns the calendar: kick-offs stand on a fixed grid of platform time, ten matches deep, so that at any moment at least
eight are live and the next six are announced. Says an adapter's reports; a restart with the same words takes up the
same matches. What happens in a match: ``simulated_match``. Never draws chance but from seed, speed and slot.
"""

import heapq
import random
import re
from collections.abc import Collection, Iterator
from itertools import count
from typing import Final

from matchday.feeds.simulated_match import Said, regular_time, to_the_end
from matchday.model.football import IncidentType
from matchday.model.messages import FixtureStatus, Strengths
from matchday.model.reports import Announced, Confirmed, Report, Reported

INTERVAL_MS: Final = 600_000
"""Match milliseconds between two kick-offs."""
ANNOUNCE_SLOTS: Final = 6
"""Slots before its kick-off at which a match is announced: as many wait for theirs."""
LASTS_SLOTS: Final = 13
"""Slots after which a league match is certainly over and confirmed (130 minutes)."""
CUP_LASTS_SLOTS: Final = 21
"""The same of a cup tie, extra time and the longest shoot-out included."""
PUT_BACK_SLOTS: Final = 2
"""Slots by which a postponed match is put back, where its clubs' next match leaves room."""
CONFIRM_S: Final = 120
"""Match seconds after the end at which the result is confirmed."""
DIVISIONS: Final = (
    (
        "Ashcombe Rovers", "Blackmere", "Carrow Vale", "Dunmarsh Town", "Eastholm", "Fernbridge", "Garrick Athletic",
        "Harrowfen", "Inverlea", "Kestrel Park", "Langdon City", "Millbrae End", "Northmoor", "Oakhampton", "Pellworth",
        "Quaymouth", "Ravensford", "Stonebury", "Thornmere United", "Upper Wexley", "Valemouth", "Westerby",
        "Yarrowfield", "Zealand Street",
    ),
    (
        "Alderby", "Brackenholt", "Cranmoor", "Dovestone", "Elmhurst Vale", "Foxcombe", "Glenarrow", "Hexley Bridge",
        "Ironbrook", "Jasper Cross", "Kingsmere", "Lowfield", "Marlpit Wanderers", "Netherby", "Orchard End",
        "Pennistone", "Queenshythe Town", "Rushmoss", "Saltmarsh", "Tarnside", "Underholm", "Vicarage Green",
        "Whitestock", "Yewdale",
    ),
)  # fmt: skip
"""Invented. The divisions take turns by rounds of twelve slots, so that no club plays two matches at once."""
CLUBS: Final = DIVISIONS[0] + DIVISIONS[1]
COMPETITIONS: Final = ("Simulated Premier League", "Simulated Championship")
CUP: Final = "Simulated Cup"
CUP_PLACE: Final = 3
"""Of each round of twelve matches, the one that is a cup tie: its clubs' next match is 21 slots away or more."""
HOME_RATE: Final = 1.5
"""Goals of an average side at home, as of the pricing prior."""
AWAY_RATE: Final = 1.2
BROKEN: Final = 400
"""One match in so many is abandoned, and one in so many postponed; never two of one round of twelve. A postponed one is
put back and played, or else called off."""
_ATTACK: Final = (0.7, 1.35)
_LEAKS: Final = (0.75, 1.3)
_ROUND: Final = len(DIVISIONS[0]) // 2
_ABANDONED_S: Final = (600, 2_600)
"""Seconds into either half at which a match may be abandoned."""
_SLOT_DIGITS_MAX: Final = 15


class SimulatedLeague:
    """The league as an adapter."""

    def __init__(self, seed: int, speed: float = 1.0) -> None:
        if not speed > 0:
            raise ValueError(f"speed {speed:g} is not above 0")
        self.name = f"simulated-{seed}x{speed:g}"
        self._seed = seed
        self._speed = float(f"{speed:g}")  # what the name says: one name, one league
        self._slot_ms = max(1, round(INTERVAL_MS / self._speed))
        self._id = re.compile(rf"{re.escape(self.name)}-(0|[1-9][0-9]{{0,{_SLOT_DIGITS_MAX - 1}}})")
        chance = random.Random(f"{seed}/league")
        attack = _around_one([chance.uniform(*_ATTACK) for _ in CLUBS])
        leaks = _around_one([chance.uniform(*_LEAKS) for _ in CLUBS])
        self._strength = dict(zip(CLUBS, zip(attack, leaks, strict=True), strict=True))
        """Club -> (attack, the goals it lets in), both 1 on average."""

    def in_touch(self, now_ms: int) -> bool:  # noqa: ARG002 - never out of touch
        """See ``Adapter.in_touch``."""
        return True

    def knows(self, fixture: str) -> bool:
        """See ``Adapter.knows``."""
        return self._id.fullmatch(fixture) is not None

    def reports(self, now_ms: int, known: Collection[str]) -> Iterator[Report]:
        """See ``Adapter.reports``: endless."""
        now = now_ms // self._slot_ms
        asked = {int(found[1]) for fixture in known if (found := self._id.fullmatch(fixture))}
        current = range(max(0, now - CUP_LASTS_SLOTS), now + ANNOUNCE_SLOTS + 1)
        waiting: list[tuple[int, int, Report, Iterator[Report]]] = []
        for slot in sorted(asked | {slot for slot in current if slot + self._lasts_slots(slot) >= now}):
            _push(waiting, slot, self.match(slot))
        for slot in count(current.stop):
            due_ms = (slot - ANNOUNCE_SLOTS) * self._slot_ms
            while waiting and waiting[0][0] <= due_ms:
                _, earlier, report, further = heapq.heappop(waiting)
                yield report
                _push(waiting, earlier, further)
            if slot not in asked:
                _push(waiting, slot, self.match(slot))

    def match(self, slot: int) -> Iterator[Report]:
        """Everything that is reported of one match, from its announcement to its confirmation."""
        fixture, kickoff = f"{self.name}-{slot}", slot * self._slot_ms
        home, away = self._pair(slot)
        strengths = self._rates(home, away)
        knockout = slot % _ROUND == CUP_PLACE
        competition = CUP if knockout else COMPETITIONS[slot // _ROUND % len(DIVISIONS)]
        announced = kickoff - ANNOUNCE_SLOTS * self._slot_ms
        source = f"simulated, seed {self._seed}: invented clubs"
        teams = competition, home, away
        yield Announced(announced, fixture, 1, *teams, kickoff, strengths, source, knockout)
        fate, seq = self._fate(slot), 2
        if fate == FixtureStatus.POSTPONED:
            yield Confirmed(kickoff, fixture, 2, fate, "waterlogged pitch")
            told = self._at(kickoff, _INSPECTION_S)
            if not self._has_room(slot):
                yield Confirmed(told, fixture, 3, FixtureStatus.CANCELLED, "waterlogged pitch")
                return
            kickoff, seq = kickoff + PUT_BACK_SLOTS * self._slot_ms, 4
            yield Announced(told, fixture, 3, *teams, kickoff, strengths, source, knockout)
        chance = random.Random(f"{self.name}/{slot}")
        played = to_the_end(regular_time(strengths, chance), strengths, chance, knockout=knockout)
        stop: tuple[int, int] | None = None
        if fate == FixtureStatus.ABANDONED:
            stop = chance.randrange(2), chance.randrange(*_ABANDONED_S)
        yield from self._told(fixture, seq, kickoff, played, stop)

    def _told(
        self, fixture: str, seq: int, kickoff: int, played: list[Said], stop: tuple[int, int] | None
    ) -> Iterator[Report]:
        """What is played, from kick-off on; nothing after ``stop`` (half, second in it)."""
        half, start_s = -1, 0
        for number, (second, type_, side, clock_s) in enumerate(played, seq):
            if type_ in _BEGINS:
                half, start_s = half + 1, second
            if stop is not None and (half, clock_s) >= stop:
                at_ms = self._at(kickoff, start_s + stop[1])
                yield Confirmed(at_ms, fixture, number, FixtureStatus.ABANDONED, "floodlight failure")
                return
            yield Reported(self._at(kickoff, second), fixture, number, type_, side, clock_s)
        end_ms = self._at(kickoff, played[-1][0] + CONFIRM_S)
        yield Confirmed(end_ms, fixture, seq + len(played), FixtureStatus.FINISHED)

    def _lasts_slots(self, slot: int) -> int:
        """Slots from its first kick-off after which a match is certainly over and confirmed."""
        if slot % _ROUND == CUP_PLACE:
            return CUP_LASTS_SLOTS
        return LASTS_SLOTS + PUT_BACK_SLOTS if self._fate(slot) == FixtureStatus.POSTPONED else LASTS_SLOTS

    def _has_room(self, slot: int) -> bool:
        """Whether a match can be put back before its clubs play again: in the round after the next, from its first
        slot on."""
        return slot % _ROUND + self._lasts_slots(slot) <= 2 * _ROUND and slot % _ROUND != CUP_PLACE

    def _at(self, kickoff: int, second: int) -> int:
        return kickoff + round(second * 1000 / self._speed)

    def _fate(self, slot: int) -> FixtureStatus:
        """How a match ends. Drawn by round, so that at most one of twelve is broken: eight are live at any moment."""
        turn, place = divmod(slot, _ROUND)
        drawn = random.Random(f"{self.name}/round {turn}").randrange(BROKEN * _ROUND)
        broken, of_place = divmod(drawn, _ROUND)
        if of_place != place or broken >= 2 * _ROUND:
            return FixtureStatus.FINISHED
        return FixtureStatus.ABANDONED if broken % 2 else FixtureStatus.POSTPONED

    def _pair(self, slot: int) -> tuple[str, str]:
        """A rota: within a round of twelve matches every club of a division plays once, and not again for twelve."""
        turn, place = divmod(slot, _ROUND)
        # The circle method: one club stays, the others move on by one each round.
        clubs = DIVISIONS[turn % 2]
        others = clubs[1:]
        shift = turn // 2 % len(others)
        circle = (clubs[0], *others[shift:], *others[:shift])
        pair = (circle[place], circle[-1 - place])
        # A club's place moves by one each round, so that it plays at home in every other; next season the reverse.
        season = turn // 2 // len(others)
        at_home = (place or shift) + season
        return pair if at_home % 2 else (pair[1], pair[0])

    def _rates(self, home: str, away: str) -> Strengths:
        attack, leaks = self._strength[home]
        attack_away, leaks_away = self._strength[away]
        return Strengths(HOME_RATE * attack * leaks_away, AWAY_RATE * attack_away * leaks, 0.0, "league")


_BEGINS: Final = (IncidentType.KICK_OFF, IncidentType.SECOND_HALF)
_INSPECTION_S: Final = 300
"""Match seconds after the first kick-off at which it is known what becomes of a postponed match."""


def _push(waiting: list[tuple[int, int, Report, Iterator[Report]]], slot: int, reports: Iterator[Report]) -> None:
    """Put a match's next report in its place by time, then slot."""
    report = next(reports, None)
    if report is not None:
        heapq.heappush(waiting, (report.at_ms, slot, report, reports))


def _around_one(values: list[float]) -> list[float]:
    mean = sum(values) / len(values)
    return [value / mean for value in values]
