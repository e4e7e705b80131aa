"""Placing: the one way of a bet from a door to the bets room, and of its answers back.

Doors hand over a decoded body and whose it is; the HTTP routes and the WebSocket share the rest: the command, what a
client is told, and for how long it is kept waiting. There is no task and no timer per bet. Owns nothing but what has
not been answered yet.
"""

from collections import deque
from collections.abc import Callable
from typing import Final, Literal, Protocol

import msgspec
from msgspec import UNSET, UnsetType

from matchday.config import Settings
from matchday.counts import ANSWER_MS, Histogram
from matchday.edge.api import BetAnswer, BetBody
from matchday.edge.limits import RateLimit
from matchday.edge.parse import field_problem
from matchday.edge.pressure import Pressure, Priority
from matchday.edge.problems import Problem, ProblemDetails, of_moment
from matchday.edge.shared_counts import SHARE_MS, SharedCounts
from matchday.edge.slips import answer_of, command_of, pending, refused
from matchday.model.book import Books
from matchday.model.ledger import Answer, Moment, PlaceBet, Refusal
from matchday.model.messages import AccountFact, BetAccepted, BetRefused
from matchday.model.role import Role
from matchday.ports import UNTRACED, Cache, Clock, Span, Tracer

Outcome = BetAnswer | Problem
Told = Callable[[Outcome], None]
"""Called with ``pending`` where the bet has to wait, and with what became of it."""

_WINDOW_MS: Final = 10_000
"""Over which gates add up an account's requests."""
ACCEPTED: Final = 201
PENDING: Final = 202
OUTCOMES: Final = ("accepted", "refused", "referred", *Moment)
"""What becomes of a bet that was handed to its room: ``referred`` waits for a trader."""


class PlacingRoom(Protocol):
    """The bets room, as doors that place bets see it."""

    def place(
        self, command: PlaceBet, done: Callable[[Answer | Moment], None], waits: Callable[[int], None],
        span: Span | None = None,
    ) -> None:  # fmt: skip
        """Judge and commit."""


class PlaceWords(BetBody, frozen=True, forbid_unknown_fields=True, tag_field="op", tag="place"):
    """A bet, as a client of the WebSocket says it: the body of ``POST /api/bets``, and ``op``."""


class _AnyPlace(msgspec.Struct, frozen=True):
    """What is left of a bet that cannot be read."""

    op: Literal["place"]
    id: str


class PlacedFrame(msgspec.Struct, frozen=True, tag_field="t", tag="placed"):
    """What became of a bet that was placed over the WebSocket: what the HTTP route answers."""

    id: str
    """The caller's."""
    status: int
    """As of the HTTP route: 201 accepted, 202 pending, or the problem's."""
    answer: BetAnswer | UnsetType = UNSET
    problem: ProblemDetails | UnsetType = UNSET
    retry_after_s: int | UnsetType = UNSET
    """With some problems: when to send the same id again."""


class Answers:
    """How bets were answered, and how soon after a door asked."""

    def __init__(self) -> None:
        self.at_once = {outcome: Histogram(ANSWER_MS) for outcome in OUTCOMES}
        """In milliseconds."""
        self.delayed = {outcome: Histogram(ANSWER_MS) for outcome in OUTCOMES}
        """Those that waited a delay in play, with it."""
        self.refused = dict.fromkeys(Refusal, 0)
        """By reason."""
        self.not_taken = 0
        """Bets whose words were wrong, or that were turned away: no room heard of them."""

    def take(self, found: Answer | Moment, took_ms: int, *, delayed: bool) -> str:
        """Count an answer; what became of the bet, in a word."""
        outcome: str
        if isinstance(found, Moment):
            outcome = found.value
        elif found.refusal is not None:
            outcome = "refused"
            self.refused[found.refusal] += 1
        else:
            outcome = "referred" if found.pending_until_ms else "accepted"
        (self.delayed if delayed else self.at_once)[outcome].take(took_ms)
        return outcome


class _Asked(msgspec.Struct):
    """A bet that a door asked for."""

    command: PlaceBet
    told: Told
    due_ms: int
    """When whoever asked is told ``pending`` at the latest."""
    heard: bool = False


class Placing:
    """Bets of one gate between its doors and its bets room."""

    shape = PlaceWords
    """How a client says it on the socket."""

    def __init__(
        self, clock: Clock, bets: PlacingRoom, books: Books, settings: Settings, pressure: Pressure,
        seen: Callable[[str], None], cache: Cache | None = None, tracer: Tracer = UNTRACED,
    ) -> None:  # fmt: skip
        self._tracer, self.answers = tracer, Answers()
        self._clock, self._bets, self._books = clock, bets, books
        self._pressure, self._seen = pressure, seen
        self._answer_ms_max = settings.doors.answer_ms_max
        self._referred_max = settings.bets.waiting_max
        per_second = settings.doors.requests_per_second_max
        shared = None if cache is None else SharedCounts(
            clock, cache, "requests", per_second * (_WINDOW_MS // 1_000 + 2), _WINDOW_MS,
            least=max(1, per_second * SHARE_MS // 2_000),
        )  # fmt: skip
        self.by_account = RateLimit(clock, per_second, 1_000, 2 * per_second, shared=shared)
        """Of requests, whatever the door."""
        self._late: deque[_Asked] = deque()
        """In the order in which they were asked, and so become due; the answered ones only at its end."""
        self._watching = False
        self._referred: dict[str, dict[str, tuple[PlaceBet, Told]]] = {}
        """Account, id of a bet that waits for a trader -> whom to tell of its end."""

    def limited(self, account: str, role: Role, count: int = 1) -> None:
        """Count a request, or what it brings besides; a problem where there were too many. It is a sign of life of a
        fan's."""
        if role is Role.FAN:
            self._seen(account)
        self.by_account.spend(f"{role} {account}", count)

    # --- placing ------------------------------------------------------------------------------------------------------

    def place(self, account: str, body: BetBody, told: Told, *, follow: bool = False) -> None:
        """Place a bet; ``told`` of a wait, and once of its end. ``follow``: of one that waits for a trader, too."""
        now, since_ms = self._clock.now_ms(), self._clock.elapsed_ms()
        span = self._tracer.start("slip")
        try:
            self._pressure.admit(Priority.BETS)
            command = command_of(body, account, now)
        except Problem as problem:
            self.answers.not_taken += 1
            told(problem)
            if span is not None:
                span.end(outcome=problem.details.reason)
            return
        asked = _Asked(command, told, since_ms + self._answer_ms_max)
        delayed = False
        self._keep_time(asked)

        def done(found: Answer | Moment) -> None:
            asked.heard = True
            took_ms = self._clock.elapsed_ms() - since_ms
            if not delayed:  # by a delay in play, that is
                self._pressure.took(took_ms)
            if follow and isinstance(found, Answer) and found.pending_until_ms:
                self._follow(command, told)
            outcome = self.answers.take(found, took_ms, delayed=delayed)
            told(self.outcome(found, command))
            if span is not None:
                span.end(outcome=outcome, request=command.id)

        def waits(until_ms: int) -> None:
            nonlocal delayed
            asked.heard = delayed = True
            told(pending(command.id, until_ms))

        self._bets.place(command, done, waits, span)

    def outcome(self, found: Answer | Moment, command: PlaceBet) -> Outcome:
        """The room's answer, for a client."""
        if isinstance(found, Moment):
            return of_moment(found)
        return answer_of(found) if found.refusal is None else refused(found, command, self._books)

    def _keep_time(self, asked: _Asked) -> None:
        late = self._late
        while late and late[0].heard:
            late.popleft()
        late.append(asked)
        if not self._watching:
            self._watching = True
            self._clock.call_later(self._answer_ms_max, self._watch)

    def _watch(self) -> None:
        """Whoever has heard nothing for too long is told so; what was asked for goes on."""
        late, now = self._late, self._clock.elapsed_ms()
        while late and (late[0].heard or late[0].due_ms <= now):
            if not (asked := late.popleft()).heard:
                asked.told(pending(asked.command.id))
        self._watching = bool(late)
        if late:
            self._clock.call_later(late[0].due_ms - now, self._watch)

    # --- referrals ----------------------------------------------------------------------------------------------------

    def _follow(self, command: PlaceBet, told: Told) -> None:
        if len(self._referred) < self._referred_max:  # of more, only the account's channel says it
            self._referred.setdefault(command.account, {})[command.id] = command, told

    def follows(self, account: str) -> bool:
        """Whether a bet of that account waits for a trader and somebody here is to be told."""
        return account in self._referred

    def account_fact(self, fact: AccountFact) -> None:
        """Something happened to an account: perhaps a bet that waited has its end."""
        if isinstance(fact, BetAccepted):
            answer = Answer(fact.bet.id, fact.account, None, fact.bet, fact.balance)
        elif isinstance(fact, BetRefused):
            answer = Answer(
                fact.id, fact.account, Refusal(fact.reason), balance=fact.balance, detail=fact.detail,
                stake_max=fact.stake_max,
            )  # fmt: skip
        else:
            return
        asked = self._referred.get(answer.account, {}).pop(answer.id, None)
        if not self._referred.get(answer.account, True):
            del self._referred[answer.account]
        if asked is not None:
            command, told = asked
            told(self.outcome(answer, command))

    # --- the WebSocket ------------------------------------------------------------------------------------------------

    def said(self, account: str | None, words: PlaceWords, tell: Callable[[PlacedFrame], None]) -> None:
        """A client of the WebSocket places a bet; ``tell`` is called with what it is to hear."""
        if account is None:
            problem = Problem("not_signed_in", "a bet is its fan's; send op auth with a token first")
            tell(frame_of(words.id, problem))
            return
        try:
            self.limited(account, Role.FAN)
        except Problem as problem:
            tell(frame_of(words.id, problem))
            return
        self.place(account, words, lambda outcome: tell(frame_of(words.id, outcome)), follow=True)

    def unreadable(self, payload: bytes, error: Exception, *, binary: bool) -> PlacedFrame | None:
        """The answer to a bet whose words are wrong; None where it is no bet, or one without an id."""
        try:
            found = _any_packed.decode(payload) if binary else _any_place.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        return frame_of(found.id, field_problem(str(error)))


_any_place: Final = msgspec.json.Decoder(_AnyPlace)
_any_packed: Final = msgspec.msgpack.Decoder(_AnyPlace)


def status_of(outcome: Outcome) -> int:
    """The status with which the HTTP route answers."""
    if isinstance(outcome, Problem):
        return outcome.details.status
    return PENDING if outcome.answer == "pending" else ACCEPTED


def frame_of(id_: str, outcome: Outcome) -> PlacedFrame:
    """The frame that tells a client of the WebSocket."""
    if isinstance(outcome, Problem):
        after_s = outcome.retry_after_s or UNSET
        return PlacedFrame(id_, outcome.details.status, problem=outcome.details, retry_after_s=after_s)
    return PlacedFrame(id_, status_of(outcome), outcome)
