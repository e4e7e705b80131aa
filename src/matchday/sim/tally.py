"""Tally: what a replay came to, counted from what was asked, answered and said."""

from collections import Counter

import msgspec

from matchday.model.ledger import Answer, CashOut, Refusal
from matchday.model.lines import count
from matchday.model.messages import AccountFact, BetAccepted, BetCashedOut, BetReferred, BetRefused, FreeBetChanged
from matchday.sim.fans import Placed
from matchday.sim.journalled import answer_name


class Report(msgspec.Struct, kw_only=True):
    """What a replay came to."""

    fixtures: int = 0
    scores_right: int = 0
    scores_wrong: list[str] = []
    scores_unknown: int = 0
    incidents: int = 0
    goals: int = 0
    book_changes: int = 0
    price_changes: int = 0
    markets_settled: int = 0
    bets_accepted: int = 0
    bets_accepted_by_type: dict[str, int] = {}
    bets_accepted_by_legs: dict[str, int] = {}
    lines_accepted: int = 0
    selections_accepted_by_market: dict[str, int] = {}
    bets_accepted_in_play: int = 0
    bets_refused: dict[str, int] = {}
    refusals_never_given: list[str] = []
    referrals: dict[str, int] = {}
    """Asked of a trader, and what they came to."""
    free_bets: dict[str, int] = {}
    cash_outs: dict[str, int] = {}
    """Paid: of a part, of all, by a bet's own threshold."""
    fans_did: dict[str, int] = {}
    """Besides betting."""
    retries: int = 0
    retries_same_answer: int = 0
    bets_settled: int = 0
    bets_open: int = 0
    staked: dict[str, int] = {}
    """Minor units by currency, free bets apart."""
    money_conserved: bool = False
    reports_rejected: list[str] = []
    files_rejected: list[str] = []
    prices_unmatched: list[str] = []
    prices_rows_unused: int = 0
    assumed: list[str] = []
    """What the provider's files did not say and was assumed."""
    wall_seconds: float = 0.0
    virtual_seconds: float = 0.0
    journal_lines: int = 0


class Tally:
    """Counts answers to fans, and what became of bets that waited for a trader."""

    def __init__(self) -> None:
        self.accepted = self.in_play = self.lines = self.retries = self.same = 0
        self.by_type: Counter[str] = Counter()
        self.by_legs: Counter[int] = Counter()
        self.refused: Counter[str] = Counter()
        self.referrals: Counter[str] = Counter()
        self.free_bets: Counter[str] = Counter()
        self.cash_outs: Counter[str] = Counter()
        self.staked: Counter[str] = Counter()
        self._answers: dict[tuple[str, str], str] = {}
        self._referred: set[tuple[str, str]] = set()
        self._asked_for = 0
        """Cash-outs that were asked for and paid."""

    def placed(self, placed: Placed) -> None:
        """A fan was answered."""
        said = answer_name(placed.answer)
        key = (placed.command.account, placed.command.id)
        if not placed.first:
            self.retries += 1
            expected = self._answers.get(key, said) if placed.same_payload else Refusal.ID_REUSED
            self.same += said == expected
            self.refused[said] += not placed.same_payload
            return
        self._answers[key] = said
        if said == "accepted" and isinstance(placed.command, CashOut):
            self._asked_for += 1
        elif said == "accepted":
            self.in_play += placed.in_play
            self._accepted(placed.answer)
        elif said != "pending":
            self.refused[said] += 1

    def _accepted(self, answer: object) -> None:
        bet = answer.bet if isinstance(answer, Answer) else None
        assert bet is not None, answer
        self.accepted += 1
        self.by_type[bet.type] += 1
        self.by_legs[len(bet.legs)] += 1
        self.lines += count(bet.type, len(bet.legs))
        self.free_bets["used"] += bet.free
        self.staked[bet.currency] += 0 if bet.free else bet.stake

    def said(self, fact: AccountFact) -> None:
        """Something was said on an account's channel: to who waits for a trader that is the answer."""
        if isinstance(fact, FreeBetChanged):
            self.free_bets[fact.state] += 1
        elif isinstance(fact, BetCashedOut):
            self.cash_outs["of a part" if fact.remaining else "of all"] += 1
        elif isinstance(fact, BetReferred):
            self._referred.add((fact.account, fact.id))
            self.referrals["referred"] += 1
        elif isinstance(fact, BetRefused):
            self._referral(fact.account, fact.id, fact.reason)
        elif isinstance(fact, BetAccepted) and self._referral(fact.account, fact.bet.id, "accepted"):
            self._accepted(Answer(fact.bet.id, fact.account, bet=fact.bet))

    def _referral(self, account: str, id_: str, said: str) -> bool:
        key = (account, id_)
        if key not in self._referred:
            return False
        self._referred.remove(key)
        self._answers[key] = said
        self.referrals[said] += 1
        self.refused[said] += said != "accepted"
        return True

    def fill(self, report: Report) -> None:
        """Write it all into a report."""
        report.bets_accepted, report.bets_accepted_in_play = self.accepted, self.in_play
        report.bets_accepted_by_type = dict(sorted(self.by_type.items()))
        report.bets_accepted_by_legs = {str(legs): number for legs, number in sorted(self.by_legs.items())}
        report.lines_accepted = self.lines
        report.bets_refused = dict(sorted((name, number) for name, number in self.refused.items() if number))
        report.refusals_never_given = [str(refusal) for refusal in Refusal if not self.refused[refusal]]
        report.referrals, report.free_bets = dict(self.referrals), dict(self.free_bets)
        by_itself = self.cash_outs.total() - self._asked_for
        report.cash_outs = {**self.cash_outs, **({"by itself": by_itself} if by_itself else {})}
        report.retries, report.retries_same_answer = self.retries, self.same
        report.staked = dict(self.staked)
