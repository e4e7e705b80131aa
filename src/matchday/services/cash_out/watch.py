"""Watch: which bets have reached the threshold at which their fans want them cashed out.

Every gate watches every such bet. It begins with those that the ledger holds, then follows the facts of the accounts,
and looks at a bet again whenever a book of its fixtures changes, and all of them now and again, as a decision is in the
ledger a little later than its goal is in the book. A few bets are looked at in one turn, so that nothing else waits.
Nothing hangs on what is remembered here: the ledger refuses what is not to be cashed out any more, and is then read
anew.
"""

from collections.abc import Callable
from itertools import islice
from typing import Final

from matchday.model.bet import Bet, BetStatus
from matchday.model.messages import AccountFact, BetCashedOut, BetReopened, BetSettled, CashOutSet, one_by_one
from matchday.ports import Clock, Ledger, LedgerUnavailable
from matchday.services.cash_out.value import Valued, Valuer

_LOOK_MAX: Final = 16
"""Bets looked at in one turn."""
_SWEEP_MS: Final = 30_000
"""Milliseconds between two looks at all of them."""
_RETRY_MS: Final = 500
"""Milliseconds until a bet is looked at again that could not be cashed out for a reason of the moment."""
_PAGE_MAX: Final = 500


class Watch:
    """The bets that one gate watches. ``fire`` is asked to cash one out that has reached its threshold, and says
    whether it can be tried now; whoever does calls ``fired`` when it is over."""

    def __init__(
        self, clock: Clock, ledger: Ledger, valuer: Valuer, most: int, fire: Callable[[Bet, Valued], bool]
    ) -> None:
        self._clock, self._ledger, self._valuer, self._most, self._fire = clock, ledger, valuer, most, fire
        self._bets: dict[str, Bet] = {}
        self._on: dict[str, dict[str, None]] = {}
        """Fixture -> bets with a leg on it."""
        self._to_look: dict[str, bool] = {}
        """Bet -> whether it is to be read anew first."""
        self._firing: set[str] = set()
        self._unread = False
        """Whether the ledger may hold bets that are not watched."""
        self._looking = self._sweeping = False

    def start(self) -> None:
        """Watch what the ledger holds."""
        self._read()
        self._sweep_later()

    def __len__(self) -> int:
        return len(self._bets)

    def hear(self, fact: AccountFact) -> None:
        """What an account tells may begin or end a watch."""
        for one in one_by_one(fact):
            match one:
                case CashOutSet() | BetReopened():
                    self.look(one.bet, anew=True)
                case BetCashedOut() | BetSettled() if one.bet in self._bets:
                    self.look(one.bet, anew=True)
                case _:
                    pass

    def fixture_changed(self, fixture: str) -> None:
        """A book changed: the bets on it may be worth more."""
        for bet in self._on.get(fixture, ()):
            self.look(bet)

    def look(self, bet: str, *, anew: bool = False) -> None:
        """Look at a bet soon; first read it ``anew`` from the ledger."""
        self._to_look[bet] = anew or self._to_look.get(bet, False)
        if not self._looking:
            self._looking = True
            self._clock.call_later(0, self._look)

    def fired(self, bet: str, *, retry: bool) -> None:
        """An attempt is over: the bet is read anew, at once or in a while."""
        self._firing.discard(bet)
        if retry:
            self._clock.call_later(_RETRY_MS, lambda: self.look(bet, anew=True))
        else:
            self.look(bet, anew=True)

    def _look(self) -> None:
        turn = list(islice(self._to_look.items(), _LOOK_MAX))
        try:
            for name, anew in turn:
                if anew:
                    self._follow(name, self._ledger.bet(name))
            bets = [self._bets[name] for name, _ in turn if name in self._bets and name not in self._firing]
            found = self._valuer.values(bets) if bets else []
        except LedgerUnavailable:
            self._clock.call_later(_RETRY_MS, self._look)
            return
        for name, _ in turn:
            del self._to_look[name]
        for bet, valued in zip(bets, found, strict=True):
            if isinstance(valued, Valued) and bet.cash_out_at is not None and valued.amount >= bet.cash_out_at:
                if self._fire(bet, valued):
                    self._firing.add(bet.bet)
                else:
                    self._clock.call_later(_RETRY_MS, lambda name=bet.bet: self.look(name))  # type: ignore[misc]
        self._looking = bool(self._to_look)
        if self._looking:
            self._clock.call_later(0, self._look)

    def _follow(self, name: str, bet: Bet | None) -> None:
        """Watch a bet as the ledger has it, or not any more."""
        before = self._bets.pop(name, None)
        for leg in before.legs if before is not None else ():
            self._on[leg.fixture].pop(name, None)
            if not self._on[leg.fixture]:
                del self._on[leg.fixture]
        if bet is None or bet.status != BetStatus.OPEN or bet.cash_out_at is None:
            return
        if len(self._bets) >= self._most:
            self._unread = True
            return
        self._bets[name] = bet
        for leg in bet.legs:
            self._on.setdefault(leg.fixture, {})[name] = None
        self._sweep_later()

    # --- all of them, now and again -----------------------------------------------------------------------------------

    def _read(self) -> None:
        """Watch what the ledger holds, as far as there is room."""
        after, self._unread = "", False
        try:
            while len(self._bets) < self._most and (page := self._ledger.to_cash_out(after, _PAGE_MAX)):
                for bet in page:
                    self._follow(bet.bet, bet)
                after = page[-1].bet
        except LedgerUnavailable:
            self._unread = True
        else:
            self._unread |= len(self._bets) >= self._most

    def _sweep_later(self) -> None:
        if not self._sweeping and (self._bets or self._unread):
            self._sweeping = True
            self._clock.call_later(_SWEEP_MS, self._sweep)

    def _sweep(self) -> None:
        self._sweeping = False
        if self._unread and len(self._bets) < self._most:
            self._read()
        for bet in self._bets:
            self.look(bet)
        self._sweep_later()
