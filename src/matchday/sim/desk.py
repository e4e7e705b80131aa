"""Desk: the house's people in a simulated world. A trader looks at what was referred: accepts, refuses, offers, or
lets it be, now and then twice; and the house gives free bets.

Owns no rule: what is said goes through a gate's rooms, as through its doors.
"""

from collections.abc import Callable, Sequence
from typing import Final

from matchday.model import lines
from matchday.model.acceptance import TraderAnswer
from matchday.model.ledger import PlaceBet
from matchday.model.price import PRICE_MIN
from matchday.sim.clock import VirtualClock
from matchday.sim.crowd import Crowd
from matchday.sim.faults import Faults
from matchday.sim.gate import GateProcess
from matchday.sim.stores import LedgerStore

_TRADES_MS: Final = 9_000
"""How often the trader looks at what was referred."""
_GIVES_MS: Final = 400_000
_EVER_MS: Final = 2**62


class Desk:
    """The desk of a world."""

    def __init__(
        self,
        clock: VirtualClock,
        faults: Faults,
        crowd: Crowd,
        gates: Callable[[], Sequence[GateProcess]],
        ledger: LedgerStore,
    ) -> None:
        self._clock, self._faults, self._crowd, self._gates, self._ledger = clock, faults, crowd, gates, ledger
        self._chance = clock.random("desk")
        self._given = 0

    def start(self) -> None:
        """Begin to work."""
        self._clock.call_later(_TRADES_MS, self._trade)
        self._clock.call_later(_GIVES_MS, self._give)

    def _trade(self) -> None:
        self._clock.call_later(_TRADES_MS, self._trade)
        gates, chance = self._gates(), self._chance
        for referral in self._ledger.core.referrals(_EVER_MS, 20):
            command, deed = referral.command, chance.random()
            for gate in chance.choices(gates, k=2 if deed % 0.1 < 0.02 else 1) if gates and deed < 0.8 else ():
                answer = self._word(deed, command)
                gate.run(lambda gate=gate, command=command, answer=answer: gate.gate.bets.answer_referral(  # type: ignore[misc]
                    command.account, command.id, answer, lambda _: None
                ))  # fmt: skip

    def _word(self, deed: float, command: PlaceBet) -> TraderAnswer:
        if deed < 0.35:
            return TraderAnswer(accept=True)
        if deed < 0.5:
            return TraderAnswer(reason="not today")
        prices = tuple(max(PRICE_MIN, leg.price * self._chance.choice((9, 10)) // 10) for leg in command.asked)
        number = lines.count(command.type or lines.default_type(len(command.asked)), len(command.asked))
        unit = max(10, command.stake // self._chance.choice((1, 2, 8)) // number)
        return TraderAnswer(stake=unit * number, prices=prices)

    def _give(self) -> None:
        self._clock.call_later(_GIVES_MS, self._give)
        if not self._faults.over:
            self._given += 1
            fan, amount = self._chance.choice(self._crowd.fans), self._chance.choice((100, 500, 1_400))
            until_ms = self._clock.now_ms() + self._chance.randrange(60_000, 7_200_000)
            self._crowd.given(fan.account, f"free{self._given}", amount, until_ms)
