"""Messages: everything that rooms say to each other, frozen and versioned.

Commands are imperative, facts past tense. Each travels as JSON with its name under ``kind``; unknown fields are ignored
on the log, so that an older room reads a newer one's messages. A change that an older reader would misread gets
a new name.

| topic | partitioned and keyed by | kept | says |
| --- | --- | --- | --- |
| incidents | fixture | some hours | feed, odds (ticks), gates (traders' commands) |
| fixtures | fixture | the latest of each | feed |
| books | fixture | some hours | odds |
| book_states | fixture and epoch | the latest of each | odds |
| decisions | fixture | some days | settlement |
| accounts | account | some hours | relay |
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import Final, Literal

import msgspec

from matchday.model.bet import Bet, BetStatus, Outcome
from matchday.model.football import FootballState, IncidentType, Side
from matchday.model.market import Market
from matchday.model.taps import Tapped
from matchday.model.trading import Controls, TraderCommand


class Topic(StrEnum):
    """The channels of the log."""

    INCIDENTS = "incidents"
    FIXTURES = "fixtures"
    BOOKS = "books"
    BOOK_STATES = "book_states"
    DECISIONS = "decisions"
    ACCOUNTS = "accounts"
    DEAD_LETTERS = "dead_letters"
    TAPS = "taps"


COMPACTED: Final = frozenset({Topic.FIXTURES, Topic.BOOK_STATES})
"""Topics of which the latest record of each key is kept for ever (until its tombstone)."""


SINGLE: Final = frozenset({Topic.BOOKS, Topic.DEAD_LETTERS})
"""Topics of one partition, however many all others have: every gate reads all books, and a channel's offset stays one
number that any gate can resume from; dead letters are few."""


class FixtureStatus(StrEnum):
    """Where a fixture stands. What each ending is for the bets: ``football_rules.RULES``."""

    SCHEDULED = "scheduled"
    POSTPONED = "postponed"  # not kicked off when it should have been; it may still be, in its time
    LIVE = "live"
    FINISHED = "finished"
    ABANDONED = "abandoned"  # stopped for good, and nothing else said
    SHORTENED = "shortened"  # stopped for good, and what stood then is the official result
    AWARDED = "awarded"  # a result by decree, as of a walkover
    CANCELLED = "cancelled"  # not played, or not in its time
    UNKNOWN = "unknown"  # an ending of a later release: nothing is settled on it

    @classmethod
    def _missing_(cls, value: object) -> "FixtureStatus | None":
        """A status that a later release has added: a reader goes on."""
        return cls.UNKNOWN if isinstance(value, str) else None


OVER: Final = frozenset(FixtureStatus) - {FixtureStatus.SCHEDULED, FixtureStatus.POSTPONED, FixtureStatus.LIVE}
"""Nothing more is played. A postponed fixture is not over: its bets wait."""


class Strengths(msgspec.Struct, frozen=True):
    """What is known of the two sides before kick-off: inputs to the model, not money."""

    home_rate: float
    """Expected goals of the home side in regular time."""
    away_rate: float
    rho: float = 0.0
    """Dixon-Coles dependence of low scores; 0 is independence."""
    source: str = "prior"
    """Where they come from: prior, league, prices."""


class FixtureScheduled(msgspec.Struct, frozen=True, tag="fixture_scheduled", tag_field="kind"):
    """A provider announced a match. Said again, before kick-off, with a higher ``seq`` where its start or names
    change."""

    fixture: str
    seq: int
    feed: str
    sport: Literal["football"]
    competition: str
    home: str
    away: str
    kickoff_ms: int
    """UTC, as the platform's clock will show it."""
    at_ms: int
    strengths: Strengths
    source: str = ""
    """Where the provider has it from (a file, a league), for attribution."""
    knockout: bool = False
    """Whether the match must have a winner: a draw is followed by extra time, then by a shoot-out."""
    void_at_ms: int = 0
    """Until when it may kick off with bets on it standing, by its first announced start; then they are void. 0 in
    messages from before it was said: never by time alone."""


class Incident(msgspec.Struct, frozen=True, tag="incident", tag_field="kind", omit_defaults=True):
    """Something happened on the pitch. ``state`` is all that has happened so far: the latest incident suffices."""

    fixture: str
    seq: int
    """Count of what the feed has said of this fixture; a lower or equal one has been heard before."""
    feed: str
    type: IncidentType
    side: Side | None
    clock_s: int
    """Seconds into the period in which it happened."""
    state: FootballState
    """After the incident."""
    at_ms: int
    trace: str = ""
    """Where it is traced: the context (W3C ``traceparent``) in which its readers go on. Means nothing to the match."""


class ResultConfirmed(msgspec.Struct, frozen=True, tag="result_confirmed", tag_field="kind"):
    """The provider stands by how the match ended; or it is postponed, and its bets wait. What is undecided then:
    ``football_rules.RULES``. Said again with a higher ``seq`` where it is corrected."""

    fixture: str
    seq: int
    feed: str
    status: FixtureStatus
    state: FootballState
    at_ms: int
    reason: str = ""


class WindowVoided(msgspec.Struct, frozen=True, tag="window_voided", tag_field="kind"):
    """The provider says that bets placed on a fixture within a window of time are void."""

    fixture: str
    seq: int
    feed: str
    from_ms: int
    """Platform time, inclusive."""
    until_ms: int
    """Exclusive."""
    reason: str
    at_ms: int


class FeedAlive(msgspec.Struct, frozen=True, tag="feed_alive", tag_field="kind"):
    """The feed is in touch with its provider and has said all it knows. Its absence suspends."""

    feed: str
    at_ms: int


class Ticked(msgspec.Struct, frozen=True, tag="ticked", tag_field="kind"):
    """Time passed: live books are repriced as of ``at_ms``. Logged: a rebuilt room is equal."""

    at_ms: int
    """By the clock of the feed, which is the clock of its incidents."""
    fixture: str = ""
    """Only this one, whose hold is over; empty for all."""
    feed: str = ""
    """Only this feed's books; empty for all."""
    hold_ms: int = 0
    """Of a fixture: the hold that is over, by the moment it was to end. Another hold goes on."""


FeedMessage = FixtureScheduled | Incident | ResultConfirmed | WindowVoided | FeedAlive | Ticked


class FixtureSnapshot(msgspec.Struct, frozen=True, tag="fixture_snapshot", tag_field="kind"):
    """A fixture as the feed last knew it: what a restarted room begins with."""

    scheduled: FixtureScheduled
    seq: int
    status: FixtureStatus
    state: FootballState
    at_ms: int


class Board(msgspec.Struct, frozen=True):
    """What a scoreboard shows."""

    fixture: str
    competition: str
    home: str
    away: str
    kickoff_ms: int
    status: FixtureStatus
    period: str
    clock_s: int
    """Seconds into the period at ``clock_at_ms``; runs on with ``clock_rate`` match seconds a second (0: stopped)."""
    clock_at_ms: int
    clock_rate: float
    score: tuple[int, int]
    half_time: tuple[int, int] | None
    shoot_out: tuple[int, int] | None
    red: tuple[int, int]
    corners: tuple[int, int]
    source: str = ""


class PricedOn(msgspec.Struct, frozen=True):
    """What the model was given for the prices of a book: whoever has it can price the same match, at the same moment,
    by the same model."""

    strengths: Strengths
    state: FootballState
    clock_s: int
    """Seconds into the period."""


class BookChanged(msgspec.Struct, frozen=True, tag="book_changed", tag_field="kind", omit_defaults=True):
    """All changes that one cause brought to one fixture: whole markets, only those that changed."""

    fixture: str
    epoch: int
    """The owner's reign; lower ones are dropped."""
    n: int
    """The book's change counter within the epoch."""
    cause: str
    """An incident type, or: scheduled, tick, resumed, feed_silent, feed_back, rebuilt, trader, confirmed, ..."""
    at_ms: int
    board: Board
    markets: tuple[Market, ...]
    model: PricedOn | None = None
    """Of the whole book's prices; None where they are not of one moment (while a hold lasts) or their owner is of
    before this was said."""
    controls: Controls | None = None
    """All that traders have set, where this changes it or the owner is new; None: as before."""
    share: int = 0
    """Its owner's: the number of the partition of its fixture. Epochs are compared within a share."""
    trace: str = ""
    """As of the incident that caused it."""


class OddsOwned(msgspec.Struct, frozen=True, tag="odds_owned", tag_field="kind", omit_defaults=True):
    """A new owner of a share of the books begins. This record's offset + 1 is its epoch: no two owners have one."""

    at_ms: int
    share: int = 0


class OddsAlive(msgspec.Struct, frozen=True, tag="odds_alive", tag_field="kind", omit_defaults=True):
    """The owner of a share of the books is at work. Its absence makes the gate refuse bets on fixtures of that share:
    late is safe, stale is not."""

    epoch: int
    at_ms: int
    share: int = 0


BookMessage = BookChanged | OddsOwned | OddsAlive


class BookState(msgspec.Struct, frozen=True, tag="book_state", tag_field="kind", omit_defaults=True):
    """A whole book, with all its owner needs to carry on. ``heard`` and ``said`` are offsets it includes."""

    fixture: str
    epoch: int
    n: int
    heard: int
    """Offset in incidents up to which this book has heard."""
    said: int
    """Offset in books before which everything of this fixture is included; what follows is to be applied."""
    snapshot: FixtureSnapshot
    board: Board
    markets: tuple[Market, ...]
    resume_at_ms: int | None = None
    """When a hold ends, while suspended by an incident."""
    model: PricedOn | None = None
    """As in ``BookChanged``."""
    controls: Controls = Controls()
    """What traders have set."""
    share: int = 0
    """Its owner's."""


class Certainty(StrEnum):
    """How far a decision may be relied upon (Sportradar UOF ``bet_settlement``: certainty 1 and 2)."""

    PROVISIONAL = "provisional"  # by what was seen on the pitch
    CONFIRMED = "confirmed"  # the provider stands by how the match ended


class Decision(msgspec.Struct, frozen=True):
    """What one selection came to."""

    market: str
    selection: str
    outcome: Outcome | None
    """None: undecided again; what was decided before is withdrawn."""


class LegsDecided(msgspec.Struct, frozen=True, tag="legs_decided", tag_field="kind"):
    """All decisions that one cause brought to one fixture. A higher version overrides. One that is confirmed confirms
    all that was decided of its fixture before, too: it may bring no decision of its own."""

    fixture: str
    version: int
    """The ``seq`` of the incident or result that decided; where time alone did, the last heard of the fixture."""
    cause: str
    at_ms: int
    decisions: tuple[Decision, ...]
    certainty: Certainty = Certainty.PROVISIONAL


class LegsVoided(msgspec.Struct, frozen=True, tag="legs_voided", tag_field="kind"):
    """Legs on a fixture are void in bets placed within a window of time, whatever their selections come to."""

    fixture: str
    version: int
    """The ``seq`` of what said so."""
    from_ms: int
    until_ms: int
    reason: str
    at_ms: int


class BetAccepted(msgspec.Struct, frozen=True, tag="bet_accepted", tag_field="kind"):
    """The ledger holds the bet and its stake."""

    seq: int
    """Place in the ledger's outbox, also the offset of the account's channel."""
    account: str
    at_ms: int
    balance: int
    """Minor units, after."""
    bet: Bet


class BetSettled(msgspec.Struct, frozen=True, tag="bet_settled", tag_field="kind"):
    """A bet was settled, voided, or settled again by a correction (a higher ``version``)."""

    seq: int
    account: str
    at_ms: int
    balance: int
    bet: str
    status: BetStatus
    version: int
    returns: int
    """Minor units that come back in all, not the difference to an earlier version."""
    change: int
    """Minor units posted to the balance by this settlement."""


class Settled(msgspec.Struct, frozen=True):
    """What ``BetSettled`` says, of one of several bets."""

    bet: str
    status: BetStatus
    version: int
    returns: int
    change: int

    def told(self, seq: int, account: str, at_ms: int, balance: int) -> BetSettled:
        """The same as a fact of its own; ``balance`` is the account's after it."""
        return BetSettled(seq, account, at_ms, balance, self.bet, self.status, self.version, self.returns, self.change)


class BetsSettled(msgspec.Struct, frozen=True, tag="bets_settled", tag_field="kind"):
    """Several bets of an account were settled at once: a match is over, and each of its fans is told in one fact."""

    seq: int
    account: str
    at_ms: int
    balance: int
    """After the last of them."""
    bets: tuple[Settled, ...]

    def each(self) -> Iterator[BetSettled]:
        """The same bet by bet, in their order, each with the balance after it; all are of the one place in the
        outbox."""
        balance = self.balance - sum(one.change for one in self.bets)
        for one in self.bets:
            balance += one.change
            yield one.told(self.seq, self.account, self.at_ms, balance)


class BetReopened(msgspec.Struct, frozen=True, tag="bet_reopened", tag_field="kind"):
    """A settlement was rolled back: a leg is undecided again. What it returned was taken back as far as it was there,
    and the stake is reserved anew."""

    seq: int
    account: str
    at_ms: int
    balance: int
    bet: str
    version: int
    change: int
    """Minor units posted to the balance: zero or less."""


class BalanceChanged(msgspec.Struct, frozen=True, tag="balance_changed", tag_field="kind"):
    """Money came or went without a bet: a deposit, a withdrawal, a grant of play money."""

    seq: int
    account: str
    at_ms: int
    balance: int
    change: int
    reason: str


class BetReferred(msgspec.Struct, frozen=True, tag="bet_referred", tag_field="kind"):
    """A bet waits for a trader. Nothing is reserved."""

    seq: int
    account: str
    at_ms: int
    balance: int
    id: str
    """The caller's."""
    until_ms: int
    """When it is answered at the latest."""


class BetRefused(msgspec.Struct, frozen=True, tag="bet_refused", tag_field="kind"):
    """A bet whose fan was told to wait was refused."""

    seq: int
    account: str
    at_ms: int
    balance: int
    id: str
    """The caller's."""
    reason: str
    """A ``Refusal``."""
    detail: str
    stake_max: int | None = None
    """Minor units that would be taken now, where a limit refused."""
    offer: str = ""
    """Our id of what a trader offers instead."""
    offer_stake: int = 0
    offer_prices: tuple[int, ...] = ()
    """Thousandths, of each leg."""
    offer_until_ms: int = 0


class BetCashedOut(msgspec.Struct, frozen=True, tag="bet_cashed_out", tag_field="kind"):
    """A bet, or a part of it, was paid out before it was decided."""

    seq: int
    account: str
    at_ms: int
    balance: int
    bet: str
    stake: int
    """Minor units of the stake that this cashed out."""
    amount: int
    """Minor units paid for them."""
    remaining: int
    """Minor units of the stake that its legs still decide; 0: the bet is over."""
    change: int
    """Minor units posted to the balance."""


class CashOutRefused(msgspec.Struct, frozen=True, tag="cash_out_refused", tag_field="kind"):
    """A cash-out whose fan was told to wait was refused."""

    seq: int
    account: str
    at_ms: int
    balance: int
    bet: str
    id: str
    """The caller's."""
    reason: str
    """A ``Refusal``."""
    detail: str


class CashOutSet(msgspec.Struct, frozen=True, tag="cash_out_set", tag_field="kind"):
    """A fan has a bet cashed out as soon as so much is offered."""

    seq: int
    account: str
    at_ms: int
    balance: int
    bet: str
    amount: int | None


class FreeBetChanged(msgspec.Struct, frozen=True, tag="free_bet_changed", tag_field="kind"):
    """A free bet was given, or taken back as its time was over; or can be used again as its bet was void, or cannot as
    that was corrected."""

    seq: int
    account: str
    at_ms: int
    balance: int
    free_bet: str
    amount: int
    until_ms: int
    state: Literal["available", "used", "expired"]


OneFact = (
    BetAccepted
    | BetSettled
    | BetReopened
    | BalanceChanged
    | BetReferred
    | BetRefused
    | BetCashedOut
    | CashOutRefused
    | CashOutSet
    | FreeBetChanged
)
AccountFact = OneFact | BetsSettled


def one_by_one(fact: AccountFact) -> Iterator[OneFact]:
    """What a fact says of each bet: the fact itself, but for those that were settled at once."""
    if isinstance(fact, BetsSettled):
        yield from fact.each()
    else:
        yield fact


class DeadLetter(msgspec.Struct, frozen=True, tag="dead_letter", tag_field="kind"):
    """A record that a room could not read or take: kept with its reason, so that nothing is swallowed."""

    room: str
    topic: str
    offset: int
    reason: str
    at_ms: int
    partition: int = 0
    key: str = ""
    value: bytes = b""
    """The record itself, so that it can be said again when its topic has dropped it; empty: it was too long."""


class LetterRetried(msgspec.Struct, frozen=True, tag="letter_retried", tag_field="kind"):
    """Somebody had a dead letter's record said again, as what could not read it can by now."""

    letter: int
    """Its offset in ``dead_letters``."""
    at_ms: int


Message = (
    FixtureScheduled
    | Incident
    | ResultConfirmed
    | WindowVoided
    | FeedAlive
    | Ticked
    | TraderCommand
    | FixtureSnapshot
    | BookChanged
    | OddsOwned
    | OddsAlive
    | BookState
    | LegsDecided
    | LegsVoided
    | AccountFact
    | DeadLetter
    | LetterRetried
    | Tapped
)

_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final[msgspec.json.Decoder[Message]] = msgspec.json.Decoder(Message)


def encode(message: Message) -> bytes:
    """The message as it stands on the log."""
    return _ENCODER.encode(message)


class _Kind(msgspec.Struct, frozen=True):
    kind: str


_KIND: Final = msgspec.json.Decoder(_Kind)
_TAGGED: Final = b'{"kind":"'


def kind(value: bytes) -> str:
    """Which message a record is (``bet_settled``), without reading the rest; msgspec.ValidationError or DecodeError."""
    end = value.find(b'"', len(_TAGGED))
    if value.startswith(_TAGGED) and end > 0:  # as ``encode`` begins
        return value[len(_TAGGED) : end].decode()
    return _KIND.decode(value).kind


def decode(value: bytes) -> Message:
    """The message of a record; msgspec.ValidationError or DecodeError names what is wrong, whatever the bytes."""
    try:
        return _DECODER.decode(value)
    except (UnicodeDecodeError, RecursionError) as error:
        raise msgspec.DecodeError(f"the record is no message: {error}") from error
