"""Obedience: what traders commanded is what happens, watched from outside.

A checker as those in ``checkers``: it keeps its own account of the commands on the log and works out anew, by looking
through all of them, what must be in force; then compares with what the owner of the books says, and with what gates
accept.
"""

from collections import defaultdict
from typing import Final, NamedTuple

from matchday.backends.log_sqlite import SqliteLogCore
from matchday.config import Settings
from matchday.model.bet import Leg
from matchday.model.football import MATERIAL
from matchday.model.football_markets import TOUCHED
from matchday.model.ledger import PlaceBet
from matchday.model.market import Market, MarketKey, MarketStatus, split_selection
from matchday.model.messages import BookChanged, Incident, OddsOwned, Topic
from matchday.model.trading import (
    Controls,
    FixPrice,
    ResumeMarkets,
    SetOverround,
    SetStakeMax,
    ShiftPrice,
    SuspendMarkets,
    TraderCommand,
    TraderRefusal,
)
from matchday.ports import Stored
from matchday.sim.checkers import LATE_MS, message_of
from matchday.sim.trace import Violation
from matchday.sim.trader import LoggedCommand

_PAGE: Final = 10_000
_EVER: Final = 2**62
"""No offset is higher."""


class _Said(NamedTuple):
    """A command, or an incident that lifts fixed prices, as it stands on the log."""

    offset: int
    at_ms: int
    what: TraderCommand | Incident


class Obedience:
    """What is suspended stays so, what is fixed is offered, each command counts once and none is forgotten."""

    def __init__(self, settings: Settings, nonsense: set[str]) -> None:
        odds, bets = settings.odds, settings.bets
        self._window_ms = bets.odds_silence_ms_max + odds.feed_silence_ms_max + 2 * odds.alive_ms + LATE_MS
        """Within which all on the way may be late: the log, the owner of the books, the gate."""
        self._nonsense = nonsense
        self._said: dict[str, list[_Said]] = defaultdict(list)
        self._offsets: dict[int, int] = {}
        """Partition -> the last of ``incidents`` that was seen."""
        self._ids: set[str] = set()
        self._answered: set[str] = set()
        self._applied: set[str] = set()
        """Ids of commands that an owner has said to have applied; others it may have refused."""
        self._epochs: dict[int, int] = {}
        """Share -> the epoch of its newest owner."""
        self._at: dict[str, tuple[int, int]] = {}
        self._markets: dict[str, dict[str, Market]] = defaultdict(dict)
        self._closed: dict[str, int] = {}
        """Market -> the epoch of the owner that closed it."""
        self.controls: dict[str, Controls] = {}
        """Of each fixture, as its owner last said them."""

    # --- what is on the log -------------------------------------------------------------------------------------------

    def incident(self, record: Stored, now: int) -> None:
        """A record of ``incidents`` stands on the log."""
        self._offsets[record.partition] = record.offset
        message = message_of(record.value)
        if isinstance(message, TraderCommand) and message.id not in self._nonsense and message.id not in self._ids:
            self._ids.add(message.id)
            self._said[message.fixture].append(_Said(record.offset, now, message))
        elif isinstance(message, Incident) and (message.type in MATERIAL or message.type in TOUCHED):
            self._said[message.fixture].append(_Said(record.offset, now, message))

    def survived(self, log: SqliteLogCore, now: int) -> None:
        """After a power cut: what was answered is there, and what a torn group left on the log counts."""
        there = set()
        for part in log.parts(Topic.INCIDENTS):
            after = -1
            while page := log.read_of(part, after, _PAGE):
                for record in page:
                    if record.offset > self._offsets.get(part[1], -1):
                        self.incident(record, now)
                    if isinstance(message := message_of(record.value), TraderCommand):
                        there.add(message.id)
                after = page[-1].offset
        if missing := self._answered - there:
            raise Violation("durable_before_answered", f"commands {sorted(missing)} are lost", sorted(missing))

    def answered(self, command: TraderCommand, answer: LoggedCommand | TraderRefusal) -> None:
        """The trader was given an answer."""
        keys = [command.id, command.fixture]
        if isinstance(answer, TraderRefusal):
            return
        if command.id in self._nonsense:
            raise Violation("nonsense_is_refused", f"{command} was answered {answer}", keys)
        if command.id not in self._ids:
            raise Violation("durable_before_answered", f"{command} was answered {answer}", keys)
        self._answered.add(command.id)

    def written(self, record: Stored) -> None:
        """A record of ``books`` stands on the log. What somebody says who is the owner no more has no effect."""
        message = message_of(record.value)
        if isinstance(message, OddsOwned):
            self._epochs[message.share] = record.offset + 1
        if not isinstance(message, BookChanged) or message.epoch < self._epochs.get(message.share, 0):
            return
        if (message.epoch, message.n) <= self._at.get(message.fixture, (0, 0)):
            return
        self._at[message.fixture] = (message.epoch, message.n)
        self._markets[message.fixture].update((market.market, market) for market in message.markets)
        for market in message.markets:
            if market.status == MarketStatus.CLOSED:
                self._closed[market.market] = message.epoch
            elif self._closed.get(market.market) == message.epoch:  # a new owner may have to catch up
                raise Violation("closed_is_final", f"{market} by {message.cause} was closed", [message.fixture])
        if message.controls is not None:
            self._compare(message, message.controls)
            self.controls[message.fixture] = message.controls
        self._look(message)

    # --- what must be -------------------------------------------------------------------------------------------------

    def _compare(self, change: BookChanged, held: Controls) -> None:
        """The owner's account is that of the commands up to the last that it has applied."""
        before = self.controls.get(change.fixture, Controls())
        ids, keys = [applied.id for applied in held.applied], [change.fixture]
        last, until = (controls.applied[-1].offset if controls.applied else -1 for controls in (before, held))
        if last > until:
            raise Violation("no_command_is_forgotten", f"{change.cause}: {held}, and before {before}", keys)
        if len(set(ids)) < len(ids) or not self._ids >= set(ids):
            raise Violation("a_command_counts_once", f"{change.cause}: {held.applied}", keys)
        self._applied.update(ids)
        said = [said.what for said in self._said[change.fixture] if said.offset <= until]
        commands = [what for what in said if isinstance(what, TraderCommand) and what.id in self._applied]
        for what in said:
            if isinstance(what, TraderCommand) and what.id not in self._applied and not _of_moment(what):
                raise Violation("no_command_is_forgotten", f"{what} is not among {ids}; {change.cause}", keys)
        if dict(held.factors) != _factors(commands):
            raise Violation("a_command_counts_once", f"{held.factors} of {_factors(commands)}", keys)
        named = _named([what for what in said if isinstance(what, TraderCommand)])
        told: dict[tuple[str, str], tuple[tuple[float | int | None, float | int | None], bool | None]] = {}
        for market in self._markets[change.fixture].values():
            key = MarketKey(market.type, market.line)
            found = (held.overround_of(key), held.stake_max_of(key), held.suspends(key))
            alike = (key.type, key.name if key.name in named else "")  # nobody has spoken of one of these alone
            if alike not in told:
                wants = (_last(commands, key, SetOverround), _last(commands, key, SetStakeMax))
                told[alike] = (wants, self._suspended(change.fixture, key, until))
            wanted, suspended = told[alike]
            if found[:2] != wanted or suspended not in (found[2], None):
                detail = f"{key.name} has {found}, commanded {wanted}, {suspended}; by {change.cause}: {held}"
                raise Violation("trader_is_obeyed", detail, keys)
        lifted = dict(before.fixed).keys() - dict(held.fixed).keys()
        for name in lifted if change.cause not in ("trader", "rebuilt") else ():
            key = split_selection(f"{change.fixture}:{name}")[1]
            if not held.suspends(key):
                raise Violation("a_lifted_price_waits", f"{name} by {change.cause}: {held}", keys)

    def _look(self, change: BookChanged) -> None:
        """Of what the owner has just said, nothing is against its own account."""
        held, keys = self.controls.get(change.fixture, Controls()), [change.fixture]
        if change.cause in MATERIAL and held.fixed:
            raise Violation("a_fixed_price_is_lifted", f"{held.fixed} after {change.cause}", keys)
        fixed = dict(held.fixed)
        for market in change.markets:
            key = MarketKey(market.type, market.line)
            if market.status == MarketStatus.CLOSED:
                continue
            is_open = market.status == MarketStatus.OPEN
            broken = "trader_is_obeyed" if is_open and held.suspends(key) else ""
            if market.stake_max != held.stake_max_of(key):
                broken = "trader_is_obeyed"
            for selection in market.selections if is_open and fixed else ():
                if fixed.get(f"{key.name}/{selection.outcome}", selection.price) != selection.price:
                    broken = "fixed_price_is_offered"
            if broken:
                raise Violation(broken, f"{market} by {change.cause} under {held}", keys)

    def sealed(self, gate: str, command: PlaceBet, now: int) -> None:
        """A gate has judged a bet to be acceptable, its clock and the owner's being right."""
        for leg in command.legs:
            for selection in leg.selections:
                since = self._suspended_since(leg.fixture, split_selection(selection)[1])
                if since is not None and since < now - self._window_ms:
                    detail = f"{gate} took {leg} for {command.id}; it is suspended by a trader since {since}"
                    raise Violation("trader_is_obeyed", detail, [command.id, leg.fixture])
            if not (leg.parts or command.answers_referral or command.offer):  # else a price of its own
                self._check_price(gate, command, leg, now)

    def _check_price(self, gate: str, command: PlaceBet, leg: Leg, now: int) -> None:
        """A price that was fixed in this very generation, long enough ago, is the one that is taken."""
        fixed = self._fixed(leg.fixture, leg.selection.removeprefix(f"{leg.fixture}:"))
        if fixed is None or fixed.at_ms >= now - self._window_ms:
            return
        action = fixed.what.action if isinstance(fixed.what, TraderCommand) else None
        if not isinstance(action, FixPrice) or action.generation != leg.generation:
            return
        if action.price not in (None, leg.price):
            detail = f"{gate} took {leg} for {command.id}; the price was fixed by {fixed}"
            raise Violation("fixed_price_is_offered", detail, [command.id, leg.fixture])

    def suspends(self, fixture: str, key: MarketKey) -> bool:
        """Whether a market may be suspended by a trader, by command or as its price was lifted."""
        return self.controls.get(fixture, Controls()).suspends(key) or bool(self._suspended(fixture, key, _EVER))

    def _suspended(self, fixture: str, key: MarketKey, until: int) -> bool | None:
        """Whether commands up to an offset suspend a market; None where a fixed price may have been lifted since."""
        state: bool | None = False
        maybe_fixed = False
        for offset, _, what in self._said[fixture]:
            if isinstance(what, Incident):
                if maybe_fixed and (what.type in MATERIAL or key.type in TOUCHED.get(what.type, ())):
                    state, maybe_fixed = state or None, False
            elif offset <= until:
                action = what.action
                if type(action) is SuspendMarkets or type(action) is ResumeMarkets:
                    state = type(action) is SuspendMarkets if _covers(action.markets, key) else state
                elif type(action) is FixPrice and action.selection.startswith(f"{key.name}/"):
                    maybe_fixed = maybe_fixed or action.price is not None
        return state

    def _suspended_since(self, fixture: str, key: MarketKey) -> int | None:
        since = None
        for _, at_ms, what in self._said[fixture]:
            action = what.action if isinstance(what, TraderCommand) else None
            if isinstance(action, ResumeMarkets) and _covers(action.markets, key):
                since = None
            elif isinstance(action, SuspendMarkets) and _covers(action.markets, key) and since is None:
                since = at_ms
        return since

    def _fixed(self, fixture: str, selection: str) -> _Said | None:
        """The last command on a selection's fixed price."""
        for said in reversed(self._said[fixture]):
            action = said.what.action if isinstance(said.what, TraderCommand) else None
            if isinstance(action, FixPrice) and action.selection == selection:
                return said
        return None


def _of_moment(command: TraderCommand) -> bool:
    """Whether a command may be refused when it gets there, as its market is closed or of another generation by then."""
    return isinstance(command.action, ShiftPrice | FixPrice)


def _covers(scope: str, key: MarketKey) -> bool:
    return not scope or scope == key.type or scope == key.name


def _named(commands: list[TraderCommand]) -> set[str]:
    """Of all that commands speak of, what may be a single market's name."""
    actions = [command.action for command in commands]
    return {a.selection.rpartition("/")[0] if isinstance(a, ShiftPrice | FixPrice) else a.markets for a in actions}


def _last(
    commands: list[TraderCommand], key: MarketKey, kind: type[SetOverround] | type[SetStakeMax]
) -> float | int | None:
    """What the last command of a kind that covers a market set."""
    for command in reversed(commands):
        action = command.action
        if isinstance(action, kind) and _covers(action.markets, key):
            return action.overround if isinstance(action, SetOverround) else action.stake_max
    return None


def _factors(commands: list[TraderCommand]) -> dict[str, int]:
    """All shifts of each selection together, in thousandths."""
    found: dict[str, int] = {}
    for command in commands:
        action = command.action
        if isinstance(action, ShiftPrice):
            if action.factor is None:
                found.pop(action.selection, None)
            else:
                together = (found.get(action.selection, 1_000) * action.factor + 500) // 1_000
                found[action.selection] = max(100, min(10_000, together))
    return found
