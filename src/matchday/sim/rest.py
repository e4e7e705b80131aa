"""Rest: what must hold when nothing goes wrong any more and the world has come to rest: every request is answered,
every bet is settled by what really happened, every screen holds what the ledger does.

What a bet should have come to is worked out here from the provider's truth, not by the rooms.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from matchday.backends.ledger_sqlite import SqliteLedgerCore
from matchday.backends.log_sqlite import SqliteLogCore
from matchday.model.bet import VOID, Bet, BetStatus, Leg, Outcome, Result, return_of
from matchday.model.football_markets import HALF_FULL, decided, resolve, tally
from matchday.model.market import split_selection
from matchday.model.messages import AccountFact, FixtureStatus, Topic, decode
from matchday.sim.crowd import Fan
from matchday.sim.provider import Truth
from matchday.sim.trace import Violation
from matchday.sim.trader import Order

_NOT_OFFICIAL: Final = ("first_half", "half_time_result", "total_corners", "total_cards")
"""Types of markets on which an official result of a match that was stopped says nothing."""


def answered(fans: Sequence[Fan], orders: Iterable[Order]) -> None:
    """Everybody has an answer."""
    for fan in fans:
        for request in fan.requests.values():
            if not request.settled:
                raise Violation("every_request_is_answered", f"{request}", [request.command.id, fan.account])
    for order in orders:
        if not order.settled:
            raise Violation("every_request_is_answered", f"{order}", [order.command.id])


def told(log: SqliteLogCore, ledger: SqliteLedgerCore) -> None:
    """Every fact of the ledger stands on the log, those of one account in their order."""
    said: dict[str, int] = {}
    found: set[int] = set()
    for record in (record for part in log.parts(Topic.ACCOUNTS) for record in log.read_of(part, -1, 10**9)):
        if isinstance(fact := decode(record.value), AccountFact) and fact.seq not in found:
            found.add(fact.seq)
            if fact.seq < said.get(fact.account, 0):
                raise Violation("every_fact_is_told", f"{fact} after {said[fact.account]}", [fact.account])
            said[fact.account] = fact.seq
    for fact in ledger.facts(0, 10**9):
        if fact.seq not in found:
            raise Violation("every_fact_is_told", f"{fact} is not on the log", [fact.account])


def settled(bets: Collection[Bet], truths: Mapping[str, Truth], core: SqliteLedgerCore) -> None:
    """Every bet is what its legs came to, and the ledger says so."""
    for bet in bets:
        _settled(bet, truths, core)
    if core.open_bets():
        raise Violation("nothing_open_that_is_decided", f"{core.open_bets()} bets are open")


def _settled(bet: Bet, truths: Mapping[str, Truth], core: SqliteLedgerCore) -> None:
    keys = [bet.bet, bet.id]
    outcomes = tuple(_leg_outcome(truths[leg.fixture], leg, bet.placed_ms) for leg in bet.legs)
    if bet.status == BetStatus.OPEN:
        raise Violation("nothing_open_that_is_decided", f"{bet} should be settled on {outcomes}", keys)
    if bet.status != BetStatus.CASHED_OUT and bet.returns != return_of(
        bet.remaining, bet.legs, outcomes, bet.type, free=bet.free
    ):
        raise Violation(
            "settled_by_the_result", f"{bet} on {outcomes}; {[truths[leg.fixture] for leg in bet.legs]}", keys
        )
    if core.bet(bet.bet) != bet:
        raise Violation("facts_tell_the_ledger", f"{bet}, {core.bet(bet.bet)}", keys)


def shown(fans: Sequence[Fan], core: SqliteLedgerCore, now_ms: int) -> None:
    """Every screen is there and shows the account as it is; statements add up."""
    for fan in fans:
        screen, held = fan.screen, core.account_at(fan.account, now_ms)
        if screen.door is None or held is None:
            raise Violation("screen_comes_back", f"{screen.name} is away: {screen.closed_by}", [fan.account])
        view = screen.views.get("account")
        balance = None if view is None or view.balance is None else int(view.balance.replace(".", ""))
        if balance != held.balance:
            detail = f"{screen.name} shows a balance of {balance}, the ledger has {held.balance}"
            raise Violation("screen_holds_the_account", detail, [fan.account])
        statement = core.statement(fan.account, None, 100_000)
        total = sum(p.amount for entry in statement for p in entry.postings if p.account == fan.account)
        if total != held.balance:
            raise Violation("statement_adds_up", f"{fan.account}: {total}, {held.balance}", [fan.account])


def _leg_outcome(truth: Truth, leg: Leg, placed_ms: int) -> Outcome:
    """What a leg came to; of a combination: lost if any part lost, else void if any is void, else won."""
    found = [_outcome(truth, selection, placed_ms) for selection in leg.selections]
    if len(found) == 1:
        return found[0]
    results = {outcome.result for outcome in found}
    if Result.LOST in results:
        return Outcome(Result.LOST)
    return Outcome(Result.WON) if results == {Result.WON} else VOID


def _outcome(truth: Truth, selection: str, placed_ms: int) -> Outcome:
    """What a selection came to in a bet placed then, by what really happened."""
    if any(from_ms <= placed_ms < until_ms for from_ms, until_ms in truth.windows):
        return VOID
    if truth.status == FixtureStatus.CANCELLED:
        return VOID
    _, key, outcome = split_selection(selection)
    at = tally(truth.state)
    sure = decided(key, outcome, at)
    if sure is not None:
        return sure
    if truth.status == FixtureStatus.SHORTENED and not key.type.startswith(_NOT_OFFICIAL):
        return VOID if key.type == HALF_FULL and not at.half_over else resolve(key, outcome, at)
    return VOID
