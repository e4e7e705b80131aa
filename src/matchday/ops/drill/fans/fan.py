"""One fan: does what is due, one thing after the other, as a person does, and honours what the platform tells it.

Owns its token, its two connections and what it still has to do. What waits behind something slow counts from when it
was due all the same. Never sends a bet anew under another id; a connection that is lost is made anew with pauses.
"""

import asyncio
from collections import deque
from collections.abc import Coroutine
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from matchday.bench.stopwatch import now_s
from matchday.client.backoff import Backoff, GivenUp
from matchday.ops.drill.fans.behaviour import Act
from matchday.ops.drill.fans.tally import NOT_REACHED, WAITED
from matchday.ops.drill.fans.wire import GONE, Asker, Screen, request

TODO_MAX: Final = 400
"""Acts that wait in a fan; more than it can be given in a visit."""
ACT_S_MAX: Final = 15.0
"""Seconds after which somebody no longer waits for an answer; in the waiting room nobody loses patience."""
TRIES_MAX: Final = 5
"""Times that an arrival is turned away before the fan gives up."""
TIMEOUT: Final = "timeout"
GIVEN_UP: Final = "turned_away"


class Due(NamedTuple):
    """Something to be done."""

    act: Act
    at_s: float
    """When it was due, by the stopwatch."""
    phase: int


class Host(Protocol):
    """The load generator, as a fan sees it."""

    address: tuple[str, int]
    """Of the door."""

    def answered(self, due: Due, kind: str) -> None:
        """An act has its answer."""

    def sent_of_itself(self, act: Act, at_s: float) -> Due:
        """An act that nobody planned, due at a time: a connection is lost."""

    def accepted(self, id_: str) -> None:
        """The platform has promised this bet."""

    def frame(self, at_ms: int, size: int) -> None:
        """A change reached a screen."""

    def dropped(self, how: str) -> None:
        """A screen went dark that its fan did not turn off."""

    def bet(self, fixture: str) -> bytes | None:
        """A bet's body on what is offered now, its id first; None where nothing is."""

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Do it beside."""

    def left(self, fan: "Fan") -> None:
        """The fan has gone."""


class _Guest(msgspec.Struct, frozen=True):
    token: str = ""
    ticket: str = ""
    ask_in_s: float = 1.0


class _Problem(msgspec.Struct, frozen=True):
    reason: str = ""


class Fan:
    """A fan of a number: its address is its own."""

    def __init__(self, host: Host, number: int, fixture: str, backoff: Backoff) -> None:
        self._host, self._fixture, self._backoff = host, fixture, backoff
        self.number = number
        self.local = f"127.{1 + (number >> 14) % 250}.{(number >> 7) % 128}.{2 + number % 128}"
        self._todo: deque[Due] = deque(maxlen=TODO_MAX)
        self._doing: Due | None = None
        self._token = self._ticket = ""
        self._asker: Asker | None = None
        self._screen: Screen | None = None
        self._in_step = False
        self._offset: tuple[str, int] | None = None
        self._opened_s = 0.0
        self._tries = self._taps = 0
        self._bet = ""
        self._waiting = self.over = False

    @property
    def busy(self) -> bool:
        """Whether it waits for an answer, other than in the line."""
        return (self._doing is not None or bool(self._todo)) and not self._waiting

    # --- what is due --------------------------------------------------------------------------------------------------

    def do(self, due: Due) -> None:
        """Do it, or as soon as what came before is done."""
        self._todo.append(due)
        self._go()

    def overdue(self, now: float) -> None:
        """Answers that nobody waits for any more."""
        if self._doing is not None and not self._waiting and now - self._doing.at_s > ACT_S_MAX:
            if self._doing.act is Act.ARRIVE:
                self._give_up(TIMEOUT)
                return
            self._done(TIMEOUT)
        while self._doing is None and self._todo and now - self._todo[0].at_s > ACT_S_MAX:
            self._doing = self._todo.popleft()
            self._done(TIMEOUT)

    def _go(self) -> None:
        while self._doing is None and self._todo and not self.over:
            if self._todo[0].act in (Act.TAP, Act.BET) and not self._in_step:
                return  # its connection is being made
            self._doing = due = self._todo.popleft()
            self._begin(due)

    def _begin(self, due: Due) -> None:
        act = due.act
        if act is Act.ARRIVE:
            self._arrive()
        elif act is Act.HOME:
            self._ask(request("GET", "/api/fixtures", self._token), self._home)
        elif act is Act.WATCH or (act is Act.COME_BACK and self._screen is None):
            self._host.start(self._watch())
        elif act is Act.COME_BACK:
            self._turn_off()
            self._host.start(self._watch())
        elif act is Act.TAP:
            self._tap()
        elif act is Act.BET:
            self._place()
        else:
            self.leave()

    def _done(self, kind: str) -> None:
        due, self._doing = self._doing, None
        if due is not None and due.act is not Act.LEAVE:
            self._host.answered(due, kind)
        self._go()

    def _give_up(self, kind: str) -> None:
        given_up, self._todo = self._todo, deque(maxlen=TODO_MAX)
        self._done(kind)
        for due in given_up:
            if due.act is not Act.LEAVE:
                self._host.answered(due, NOT_REACHED)
        self.leave()

    def leave(self) -> None:
        """Go, whatever is still to be done."""
        self.over, self._doing = True, None
        self._turn_off()
        if self._asker is not None:
            self._asker.close()
        self._host.left(self)

    # --- HTTP ---------------------------------------------------------------------------------------------------------

    def _ask(self, said: bytes, told: Any) -> None:
        if self._asker is not None and self._asker.good:
            self._asker.ask(said, told)
            return
        self._host.start(self._ask_anew(said, told))

    async def _ask_anew(self, said: bytes, told: Any) -> None:
        if self._asker is not None:
            self._asker.close()
        self._asker = Asker()
        made = self._asker
        try:
            await asyncio.get_running_loop().create_connection(
                lambda: made, *self._host.address, local_addr=(self.local, 0)
            )
        except OSError:
            told(GONE, 0, b"")
            return
        if self.over:
            made.close()
            return
        made.ask(said, told)

    def _arrive(self) -> None:
        body = msgspec.json.encode({"ticket": self._ticket} if self._ticket else {})
        self._ask(request("POST", "/api/guest", "", body), self._guest)

    def _guest(self, status: int, retry_s: int, body: bytes) -> None:
        if self.over or self._doing is None:
            return
        if status == 201:
            told = msgspec.json.decode(body, type=_Guest)
            self._token = told.token
            waited, self._waiting = self._waiting, False
            self._done(WAITED if waited else "201")
        elif status == 202:
            told = msgspec.json.decode(body, type=_Guest)
            self._ticket, self._waiting = told.ticket, True
            self._again(told.ask_in_s)
        elif self._tries < TRIES_MAX and status in (GONE, 429, 503):
            self._tries += 1
            self._again(retry_s or self._pause_s())
        else:
            self._give_up(GIVEN_UP)

    def _again(self, in_s: float) -> None:
        def ask() -> None:
            if not self.over and self._doing is not None:
                self._arrive()

        asyncio.get_running_loop().call_later(in_s, ask)

    def _home(self, status: int, retry_s: int, body: bytes) -> None:  # noqa: ARG002 - a look is not worth a retry
        if self._doing is None or self._doing.act is not Act.HOME:
            return
        reason = ""
        if status >= 300 and body.startswith(b"{"):
            reason = msgspec.json.decode(body, type=_Problem).reason
        self._done(reason or (str(status) if status != GONE else "connection_closed"))

    # --- the WebSocket ------------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        if self.over:
            return
        self._screen = screen = Screen(self, self._token, self._fixture, self._offset)
        self._opened_s = now_s()
        try:
            await asyncio.get_running_loop().create_connection(
                lambda: screen, *self._host.address, local_addr=(self.local, 0)
            )
        except OSError:
            self.gone(screen, None, None)
            return
        if screen is not self._screen:  # turned off meanwhile
            screen.close()

    def _turn_off(self) -> None:
        screen, self._screen, self._in_step = self._screen, None, False
        if screen is not None:
            self._offset = screen.offset
            screen.close()

    def in_step(self, resumed: bool) -> None:
        """See ``Viewer.in_step``."""
        self._in_step = True
        doing = self._doing
        if doing is not None and doing.act in (Act.WATCH, Act.COME_BACK):
            self._done("watching" if doing.act is Act.WATCH else "resumed" if resumed else "back")
        else:
            self._go()

    def gone(self, screen: Screen, code: int | None, pause_s: float | None) -> None:
        """See ``Viewer.gone``: made anew, unless it was turned off or is given up."""
        if screen is self._screen and not self.over:
            self._lost(screen, code, pause_s)

    def _lost(self, screen: Screen, code: int | None, pause_s: float | None) -> None:
        was_in_step, self._in_step, self._screen = self._in_step, False, None
        self._offset = screen.offset
        lasted_s = now_s() - self._opened_s
        try:
            pause = self._backoff.pause_s(code if code and code >= 1_000 else None, lasted_s)
        except GivenUp:
            self._host.dropped(f"given up after {code}")
            self._give_up(GIVEN_UP)
            return
        pause = pause if pause_s is None else pause_s
        if was_in_step:
            self._host.dropped("drained" if code == 4012 else str(code or "lost"))
            if self._doing is not None and self._doing.act in (Act.TAP, Act.BET):
                self._done("connection_closed")
        if self.over:
            return
        if self._doing is None:
            self._doing = self._host.sent_of_itself(Act.COME_BACK, now_s() + (pause if code == 4012 else 0))
        loop = asyncio.get_running_loop()
        loop.call_later(pause, lambda: self._host.start(self._watch()) if self._screen is None else None)

    def _pause_s(self) -> float:
        try:
            return self._backoff.pause_s(None, 0.0)
        except GivenUp:
            return ACT_S_MAX

    def _tap(self) -> None:
        assert self._screen is not None
        self._taps += 1
        said = {
            "op": "taps",
            "screen": f"drill-{self.number}",
            "first": self._taps,
            "taps": [("open", self._fixture, 0)],
        }
        self._screen.say(msgspec.json.encode(said))

    def tapped(self, problem: str) -> None:
        """See ``Viewer.tapped``."""
        if self._doing is not None and self._doing.act is Act.TAP:
            self._done(problem or "tapped")

    def _place(self) -> None:
        assert self._screen is not None
        body = self._host.bet(self._fixture)
        if body is None:
            self._done("market_suspended")  # nothing is offered: he sees that, and does not ask
            return
        self._bet = body[7:43].decode()
        self._screen.bet(body)

    def placed(self, id_: str, outcome: str) -> None:
        """See ``Viewer.placed``."""
        if outcome == "accepted":
            self._host.accepted(id_)
        if self._doing is not None and self._doing.act is Act.BET and id_ in (self._bet, ""):
            self._done(outcome)

    def frame(self, at_ms: int, size: int) -> None:
        """See ``Viewer.frame``."""
        self._host.frame(at_ms, size)
