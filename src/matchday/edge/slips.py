"""Slips: from the body of a bet to the command that the bets room is asked, and from its answer to what a client is
told. Form alone: whether a price, a limit or a selection holds is for the rooms and the ledger to say.
"""

from collections.abc import Sequence

from msgspec import UNSET

from matchday.edge.api import BetAnswer, BetBody, LegBody, LegQuote, QuoteAnswer, QuoteBody, QuoteLegBody
from matchday.edge.parse import amount_of, check_currency, check_id, price_of, selection_of
from matchday.edge.problems import Problem, ProblemDetails
from matchday.model import lines
from matchday.model.acceptance import StakeMax
from matchday.model.bet import PARTS_MAX, Leg, Part, Policy, combination
from matchday.model.book import Books
from matchday.model.ledger import Answer, Moment, PlaceBet, Refusal
from matchday.model.lines import LEGS_MAX, LinesError
from matchday.model.money import format_amount
from matchday.model.price import PRICE_MIN, format_price
from matchday.model.views import bet_view


def command_of(body: BetBody, account: str, now_ms: int, at: str = "") -> PlaceBet:
    """The command that a body asks for. ``at`` is the body's place in its slip, for problems."""
    check_id(body.id, now_ms, f"{at}id")
    stake = amount_of(body.stake, body.currency, f"{at}stake", f"{at}currency")
    if stake <= 0:
        raise Problem("amount_invalid", "a stake is more than zero", field=f"{at}stake")
    number = _lines_of(body.type, len(body.legs), at)
    legs = tuple(_leg_of(leg, f"{at}legs[{index}]") for index, leg in enumerate(body.legs))
    total = stake * number if body.stake_per == "line" else stake
    if total % number:
        detail = f"a stake of {number} lines divides by {number}; or send stake_per: line"
        raise Problem("amount_invalid", detail, field=f"{at}stake")
    return PlaceBet(
        body.id, account, body.currency, total, body.policy, legs, type=body.type, tolerance=body.tolerance,
        free_bet=body.free_bet, refer=body.refer, offer=body.offer,
    )  # fmt: skip


def question_of(body: QuoteBody, account: str) -> PlaceBet:
    """What is asked about a slip: the same legs, without prices, generations or stake."""
    check_currency(body.currency)
    _lines_of(body.type, len(body.legs), "")
    legs = tuple(_quoted_leg(leg, f"legs[{index}]") for index, leg in enumerate(body.legs))
    return PlaceBet("", account, body.currency, 0, Policy.ANY, legs, type=body.type)


def _lines_of(bet_type: str, legs: int, at: str) -> int:
    """The number of lines; a problem where type and legs do not go together."""
    if not 1 <= legs <= LEGS_MAX:
        raise Problem("legs_invalid", f"a bet has 1 to {LEGS_MAX} legs, not {legs}", field=f"{at}legs")
    try:
        number = lines.count(bet_type or lines.default_type(legs), legs)
    except LinesError as error:
        if error.reason in ("type_unknown", "fold_out_of_range"):
            raise Problem("type_invalid", str(error), field=f"{at}type") from error
        raise Problem("legs_invalid", str(error), field=f"{at}legs") from error
    if bet_type == lines.ACCUMULATOR and legs == 1:
        raise Problem("legs_invalid", f"an accumulator has 2 to {LEGS_MAX} legs", field=f"{at}legs")
    return number


def _leg_of(leg: LegBody, field: str) -> Leg:
    price = price_of(leg.price, f"{field}.price")
    if isinstance(leg.selection, str) == bool(leg.parts):
        raise Problem("legs_invalid", "a leg has either a selection or the parts of a combination", field=field)
    if isinstance(leg.selection, str):
        fixture, market = selection_of(leg.selection, f"{field}.selection")
        return Leg(fixture, market, leg.selection, price, leg.generation)
    named = [(part.selection, part.generation) for part in leg.parts]
    return _combination(named, price, field)


def _quoted_leg(leg: QuoteLegBody, field: str) -> Leg:
    if isinstance(leg.selection, str) == bool(leg.parts):
        raise Problem("legs_invalid", "a leg has either a selection or the parts of a combination", field=field)
    if isinstance(leg.selection, str):
        fixture, market = selection_of(leg.selection, f"{field}.selection")
        return Leg(fixture, market, leg.selection, PRICE_MIN, 0)
    return _combination([(part, 0) for part in leg.parts], PRICE_MIN, field)


def _combination(named: Sequence[tuple[str, int]], price: int, field: str) -> Leg:
    """A combination's leg: its parts are of one fixture."""
    if not 2 <= len(named) <= PARTS_MAX:
        raise Problem("legs_invalid", f"a combination has 2 to {PARTS_MAX} parts", field=f"{field}.parts")
    found = [selection_of(selection, f"{field}.parts[{index}]") for index, (selection, _) in enumerate(named)]
    fixtures = {fixture for fixture, _ in found}
    if len(fixtures) > 1:
        raise Problem("legs_invalid", "the parts of a combination are on one fixture", field=f"{field}.parts")
    parts = [
        Part(market, selection, generation) for (_, market), (selection, generation) in zip(found, named, strict=True)
    ]
    return combination(fixtures.pop(), price, parts)


# --- what a client is told --------------------------------------------------------------------------------------------


def pending(id_: str, until_ms: int | None = None) -> BetAnswer:
    """The bet waits; it is answered at the latest then."""
    return BetAnswer("pending", id_, until_ms=UNSET if until_ms is None else until_ms)


def answer_of(answer: Answer) -> BetAnswer:
    """What became of a caller's id."""
    if answer.pending_until_ms:
        return pending(answer.id, answer.pending_until_ms)
    if answer.refusal is not None:
        return BetAnswer("refused", answer.id, answer.repeated, reason=answer.refusal)
    bet = answer.bet
    if bet is None:
        return BetAnswer("accepted", answer.id, answer.repeated)
    balance = UNSET if answer.balance is None else format_amount(answer.balance, bet.currency)
    return BetAnswer("accepted", answer.id, answer.repeated, bet_view(bet), balance)


def refused(answer: Answer, command: PlaceBet, books: Books) -> Problem:
    """A refusal as a problem: where the book has moved on, with how a single's selection stands now; where a limit
    refused, with the stake that would be taken."""
    assert answer.refusal is not None
    most = UNSET if answer.stake_max is None else format_amount(answer.stake_max, command.currency)
    leg = command.asked[0]
    if answer.refusal in (Refusal.PRICE_MOVED, Refusal.GENERATION_STALE) and len(command.asked) == 1:
        market = books.market(leg.fixture, leg.market)
        now = books.price(market, leg.selection.rpartition("/")[2]) if market else None
        if market is not None and now is not None:
            price, generation = format_price(now), market.generation
            return Problem(answer.refusal, answer.detail, price=price, generation=generation)
    detail = answer.detail
    if answer.refusal == Refusal.RE_OFFERED:
        detail = f"GET /api/bets/by-id/{answer.id} says what is offered instead"
    return Problem(answer.refusal, detail, stake_max=most)


def of_slip(command: PlaceBet, found: Answer | Moment | int, books: Books) -> BetAnswer:
    """One bet's answer within a slip: what would have been a problem is an answer there."""
    if isinstance(found, Moment):
        detail = "nothing was recorded: the same id may be sent again"
        return BetAnswer("refused", command.id, reason=found, detail=detail)
    if isinstance(found, int):
        return pending(command.id, found or None)
    if found.refusal is None:
        return answer_of(found)
    details: ProblemDetails = refused(found, command, books).details
    return BetAnswer(
        "refused", command.id, found.repeated, reason=found.refusal, detail=details.detail or UNSET,
        stake_max=details.stake_max,
    )  # fmt: skip


def wrong_bet(body: BetBody, problem: Problem) -> BetAnswer:
    """The answer to a bet of a slip that is wrong in form: nothing of it was asked of anybody."""
    details = problem.details
    return BetAnswer("refused", body.id, reason=details.reason, detail=f"{details.field}: {details.detail}")


def quote_of(command: PlaceBet, found: StakeMax) -> QuoteAnswer:
    """What would be taken, for a client."""
    legs = tuple(
        LegQuote(None, price) if isinstance(price, Refusal) else LegQuote(format_price(price), None)
        for price in found.prices
    )
    stake, returns = (format_amount(amount, command.currency) for amount in (found.stake, found.returns))
    bet_type = command.type or lines.default_type(len(command.asked))
    return QuoteAnswer(legs, bet_type, found.lines, stake, returns, found.refusal)
