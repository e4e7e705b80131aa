"""A checker with books of its own: what the ledger was told that selections came to, and which bets that decides.

No decision is lost or overtaken by an older one, an offer is taken once, nothing is cashed out that was known to be
lost, and no bet is settled before it is known what comes back of it.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

from matchday.backends.ledger_sqlite import SqliteLedgerCore
from matchday.model import lines
from matchday.model.bet import Bet, Leg, Outcome, Result
from matchday.model.ledger import Answer, CashOut, Command, DecideLegs, PlaceBet, VoidLegs
from matchday.sim.trace import Violation

LATE_BET: Final = "bet committed after a leg of it was decided"
LOST_EARLY: Final = "bet lost before all of its legs were decided"


class Decided:
    """What the ledger holds of a selection is the word of the highest version that it was told."""

    def __init__(self, reached: Counter[str]) -> None:
        self._held: dict[str, tuple[int, Outcome | None]] = {}
        self._windows: dict[str, list[VoidLegs]] = defaultdict(list)
        self._taken_up: set[str] = set()
        """Offers."""
        self._changed: dict[str, int] = {}
        """Selection -> the version that brought what it has come to: the same said again changes nothing."""
        self._reached = reached

    def committed(self, commands: Sequence[Command], answers: Sequence[Answer], core: SqliteLedgerCore) -> None:
        """A batch was committed."""
        said: list[str] = []
        for command, answer in zip(commands, answers, strict=True):
            if isinstance(command, DecideLegs) and answer.refusal is None and not answer.repeated:
                said += self._decide(command)
            elif isinstance(command, VoidLegs) and answer.refusal is None:
                self._windows[command.fixture].append(command)
            elif isinstance(command, PlaceBet) and answer.bet is not None and not answer.repeated:
                self._take_up(command)
                self._reached[LATE_BET] += any(self.of(leg.selection) is not None for leg in command.legs)
            elif isinstance(command, CashOut) and answer.bet and answer.refusal is None and not answer.repeated:
                self._paid(command, answer.bet)
        held = core.decisions(said)
        for selection in said:
            if held.get(selection, (0, None))[1] != self._held[selection][1]:
                detail = f"{selection} is {self._held[selection]}, the ledger holds {held.get(selection)}"
                raise Violation("decisions_are_held", detail, [selection])

    def version(self, selection: str) -> int:
        """Of the decision that brought what a selection has come to; 0 before."""
        return self._changed.get(selection, 0)

    def of(self, selection: str) -> Outcome | None:
        """What a selection came to, as far as the ledger was told."""
        return self._held.get(selection, (0, None))[1]

    def _take_up(self, command: PlaceBet) -> None:
        if command.offer and command.offer in self._taken_up:
            raise Violation("offer_is_taken_once", f"{command.offer} by {command.id}", [command.id, command.account])
        self._taken_up.add(command.offer)

    def _paid(self, command: CashOut, bet: Bet) -> None:
        """A bet was cashed out, whole or in part: for no more than the gate offered, by what is decided of it now; and
        not all of its lines may have been lost for certain by then."""
        keys = [bet.bet, command.id]
        if command.asked > command.offered:
            raise Violation("paid_as_offered", f"{command} was paid", keys)
        if (stands := sum(self.version(name) for leg in bet.legs for name in leg.selections)) > command.standing:
            raise Violation("valued_as_it_stands", f"{command} was paid, its bet stands at {stands}: {bet}", keys)
        if self._lost(bet):
            raise Violation("cashed_out_before_it_is_known", f"{bet} was lost when it was cashed out", keys)

    def settled(self, bet: Bet) -> None:
        """A bet was just settled: all of its legs are decided, or void by when it was placed; or it is lost."""
        waits = [leg for leg in bet.legs if self.leg(leg, bet.placed_ms) is None]
        self._reached[LOST_EARLY] += bool(waits)
        if waits and not (self._lost(bet) and bet.returns == 0):
            raise Violation("settled_when_it_is_known", f"{bet} was settled, {waits} undecided", [bet.bet, bet.id])

    def leg(self, leg: Leg, placed_ms: int) -> Result | None:
        """LOST or VOID as far as that is known of a leg of a bet that was placed then, WON for all else that is
        decided; None while it is undecided."""
        if any(window.from_ms <= placed_ms < window.until_ms for window in self._windows[leg.fixture]):
            return Result.VOID
        found = [None if one is None else one.result for one in map(self.of, leg.selections)]
        if Result.LOST in found:
            return Result.LOST
        return None if None in found else Result.WON

    def _lost(self, bet: Bet) -> bool:
        """Whether every line has a leg that is lost."""
        lost = [self.leg(leg, bet.placed_ms) is Result.LOST for leg in bet.legs]
        return all(any(lost[place] for place in line) for line in lines.lines(bet.type, len(bet.legs)))

    def _decide(self, command: DecideLegs) -> Iterator[str]:
        for decision in command.decisions:
            held, outcome = self._held.get(decision.selection, (-1, None))
            if command.version > held:
                if outcome != decision.outcome:
                    self._changed[decision.selection] = command.version
                self._held[decision.selection] = (command.version, decision.outcome)
                yield decision.selection
