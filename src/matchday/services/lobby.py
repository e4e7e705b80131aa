"""Lobby: the waiting room. Above the number of fans that this process serves well, newcomers wait for their turn.

Owns the line and who is inside. Hears newcomers, signs of life of those inside, and the clock; says to a newcomer that
he may come in, or his place. Never turns away a fan who is inside: those notice nothing.

The line is first come, first served. A place is a signed ticket: a number nobody can choose, good once; shown again
after it let somebody in, it lets nobody in, so a copy is worth nothing. Whoever does not ask for ``silent_ms`` has
left; that is noticed when his turn comes, so a place says how many are ahead at most.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from typing import Final

from itsdangerous import BadData, URLSafeSerializer

from matchday.config import Lobby as LobbySettings
from matchday.model.admission import Admission, Inside, Place, TurnedAway
from matchday.ports import Clock

_SALT: Final = "matchday.line.1"
_RATE_OVER: Final = 32
"""Admissions over which their rate is measured."""
_MOVE_UP_MS: Final = 500
"""Milliseconds between two looks at the line where nobody asks."""
_ASK_S: Final = (2, 60)
"""Seconds between two questions of one who waits: a twentieth of what he has to wait, within these."""


_UNKNOWN: Final = TurnedAway(
    "ticket_unknown", "it is forged, of another server, or its holder was silent too long: ask for a new place"
)
_USED: Final = TurnedAway("ticket_used", "it has let somebody in: ask for a place of your own")


class Lobby:
    """One process's line."""

    def __init__(
        self, clock: Clock, settings: LobbySettings, secret: bytes, online: Callable[[], Iterable[str]] = tuple
    ) -> None:
        self._clock, self._settings, self._online = clock, settings, online
        self._signer = URLSafeSerializer(secret, salt=_SALT)
        self._line_id = clock.new_id()
        """Of this incarnation: a ticket of another is none."""
        self._seen: OrderedDict[str, int] = OrderedDict()
        """Account -> when it was last heard of, the longest ago first."""
        self._line: OrderedDict[int, int] = OrderedDict()
        """Number of a ticket -> when its holder last asked, in the order of arrival."""
        self._called: OrderedDict[int, int] = OrderedDict()
        """Those whose turn it is -> since when; a place inside is kept for them."""
        self._next = 1
        self._used: OrderedDict[int, None] = OrderedDict()
        self._admitted: deque[int] = deque(maxlen=_RATE_OVER)
        """When the last were let in."""
        self._saved = 1_000 * settings.enter_per_second_max
        """Admissions that may be made now, in milliseconds times admissions a second."""
        self._filled_ms = clock.elapsed_ms()
        self.let_in = 0
        """Newcomers, since this process began."""

    @property
    def waiting(self) -> int:
        """How many wait, at most."""
        return len(self._line)

    @property
    def inside(self) -> int:
        """Fans heard of within ``active_ms``, and those whose turn it is."""
        return len(self._seen) + len(self._called)

    def start(self) -> None:
        """Watch who is there."""
        self._move_up()
        self._look()

    def seen(self, account: str) -> None:
        """A fan inside gave a sign of life."""
        self._seen[account] = self._clock.elapsed_ms()
        self._seen.move_to_end(account)

    def enter(self, ticket: str | None) -> Admission:
        """A newcomer, or one who waits, asks to come in."""
        now = self._clock.elapsed_ms()
        self._turn(now)
        if ticket is None:
            return self._arrive(now)
        number = self._number(ticket)
        if number is None or (number not in self._line and number not in self._called):
            return _USED if number in self._used else _UNKNOWN
        if number in self._line:
            self._line[number] = now
            return self._place(number, ticket)
        del self._called[number]
        return self._let_in(number, now)

    def _arrive(self, now: int) -> Admission:
        if not self._line and self.inside < self._settings.fans_max and self._take(now):
            return self._let_in(None, now)
        if len(self._line) >= self._settings.waiting_max:
            return TurnedAway("line_full", "too many wait already: come back later")
        number, self._next = self._next, self._next + 1
        self._line[number] = now
        return self._place(number, str(self._signer.dumps([self._line_id, number])))

    def _let_in(self, number: int | None, now: int) -> Admission:
        if number is not None:
            self._used[number] = None
            while len(self._used) > self._settings.waiting_max:
                self._used.popitem(last=False)
        self._admitted.append(now)
        self.let_in += 1
        return Inside()

    def _number(self, ticket: str) -> int | None:
        try:
            said = self._signer.loads(ticket) if ticket.isascii() else None
        except BadData:
            return None
        match said:
            case [self._line_id, int(number)]:
                return number
        return None

    def _place(self, number: int, ticket: str) -> Place:
        ahead = number - next(iter(self._line))
        wait_s = max(1, round((ahead + 1) / self._rate()))
        most = max(1, min(_ASK_S[1], self._settings.silent_ms // 3_000))
        return Place(ticket, ahead, wait_s, min(most, max(_ASK_S[0], wait_s // 20)))

    def _rate(self) -> float:
        """Admissions a second of late; as many as there may be where nobody was admitted yet."""
        most = float(self._settings.enter_per_second_max)
        if not self._admitted:
            return most
        lasted_s = (self._clock.elapsed_ms() - self._admitted[0]) / 1_000
        return min(most, max(len(self._admitted) / max(lasted_s, 0.001), 0.01))

    def _turn(self, now: int) -> None:
        """Call those whose turn it is. Those who have left are passed over, and so are those who do not come."""
        silent = now - self._settings.silent_ms
        while self._called and next(iter(self._called.values())) < silent:
            self._called.popitem(last=False)
        self._expire(now)
        while self._line:
            number, asked = next(iter(self._line.items()))
            if asked < silent:
                del self._line[number]
                continue
            if self.inside >= self._settings.fans_max or not self._take(now):
                return
            del self._line[number]
            self._called[number] = now

    def _take(self, now: int) -> bool:
        """Whether one more may come in by the rate."""
        rate = self._settings.enter_per_second_max
        self._saved = min(1_000 * rate, self._saved + (now - self._filled_ms) * rate)
        self._filled_ms = now
        if self._saved < 1_000:
            return False
        self._saved -= 1_000
        return True

    def _expire(self, now: int) -> None:
        gone = now - self._settings.active_ms
        while self._seen and next(iter(self._seen.values())) < gone:
            self._seen.popitem(last=False)

    def _move_up(self) -> None:
        self._turn(self._clock.elapsed_ms())
        self._clock.call_later(_MOVE_UP_MS, self._move_up)

    def _look(self) -> None:
        for account in self._online():
            self.seen(account)
        self._clock.call_later(max(1, self._settings.active_ms // 4), self._look)
