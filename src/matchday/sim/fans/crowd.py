"""Fans: seeded bettors who use the platform as people do, and some who try everything that is not allowed.

Owns what each fan intends. Uses the accounts and bets rooms as a door would; looks at the gate's books with the delay
of a person, and hears what is said on his own channel. Never reads the future: what a fan bets on is drawn from the
book he sees.
"""

from collections import Counter
from collections.abc import Callable
from typing import Final, Protocol

import msgspec

from matchday.model.bet import Policy
from matchday.model.book import Books
from matchday.model.football_markets import TO_QUALIFY
from matchday.model.ledger import (
    ID_MEMORY_MS,
    AccountStatus,
    Answer,
    CashOut,
    Command,
    LimitName,
    Moment,
    PlaceBet,
    SetStatus,
    Transfer,
)
from matchday.model.lines import count, default_type
from matchday.model.market import MarketKey, split_selection
from matchday.model.messages import AccountFact, BetAccepted, BetRefused, Board, FixtureStatus, FreeBetChanged
from matchday.ports import Clock, Ledger
from matchday.sim.fans.cashing import Cashing
from matchday.sim.fans.drafts import Draft, Drafts
from matchday.sim.fans.fan import LIMITS, OWN_STAKE, TAKINGS, USINGS, WHIMS, Fan, Taking, Using, Whim, old_id
from matchday.sim.journalled import BetsDesk, CashDesk

_MATCH_MS: Final = 112 * 60_000
"""Milliseconds from kick-off in which fans bet in play."""
_TIE_MS: Final = 165 * 60_000
"""The same where extra time and a shoot-out may follow."""
_DAY_MS: Final = 86_400_000
_IN_PLAY: Final = 0.6
"""Share of bets that fans mean to place in play; some find their market closed."""
_BETS: Final = {0: 55, 1: 30, 2: 10, 3: 5}
"""How many bets a fan means to place because of one match, and how often."""
_FREE: Final = 0.5
"""Share of bets for which a fan uses a free bet, if he has one."""
_LESS: Final = 0.5
"""Share of refusals by a limit after which a fan stakes what would be taken."""
_DEPOSIT: Final = 2_000_000
"""Minor units that a rich fan deposits."""


class AccountsDesk(Protocol):
    """The accounts room, as a door sees it."""

    def set_limit(
        self, account: str, id_: str, limit: LimitName, amount: int | None, done: Callable[[Answer | Moment], None]
    ) -> None:
        """Less counts at once, more after a day."""


class Placed(msgspec.Struct, frozen=True):
    """One question to the bets or the cash-out room and its answer, for the report."""

    command: PlaceBet | CashOut
    answer: Answer | Moment
    first: bool
    """False for a question asked again under an id that was used before."""
    same_payload: bool
    in_play: bool = False


class Fans:
    """All of them: told of each fixture, they plan their bets on it."""

    def __init__(
        self,
        clock: Clock,
        bets: BetsDesk,
        cash_outs: CashDesk,
        accounts: AccountsDesk,
        ledger: Ledger,
        books: Books,
        heard: Callable[[Placed], None],
    ) -> None:
        self._clock = clock
        self._bets = bets
        self._accounts = accounts
        self._ledger = ledger
        self._books = books
        self._heard = heard
        self._drafts = Drafts(books, bets.price)
        self._fans: dict[str, Fan] = {}
        self._waiting = 0
        self._cashing = Cashing(clock, cash_outs, books, self._friend, self._cashed)
        self.by_market: Counter[str] = Counter()
        """Selections in accepted bets, by the type of their market."""
        self.did: Counter[str] = Counter()
        """What fans did besides betting, for the report."""

    @property
    def waiting(self) -> int:
        """Questions without an answer yet."""
        return self._waiting + self._cashing.waiting

    @property
    def deeds(self) -> dict[str, int]:
        """What fans did besides betting, and how often."""
        return dict(sorted((self.did + self._cashing.did).items()))

    @property
    def names(self) -> list[str]:
        """The accounts of all fans."""
        return list(self._fans)

    def join(self, number: int, account: str, currency: str) -> None:
        """A fan has got an account."""
        fan = Fan(number, account, currency, self._clock.random(f"fan-{number}"))
        self._fans[account] = fan
        now = self._clock.now_ms()
        if fan.careful:
            for days in (0, fan.chance.randrange(1, 30), fan.chance.randrange(1, 60)):
                self._clock.call_later(days * _DAY_MS, lambda: self._set_limit(fan))
        if fan.rich:
            deposit = Transfer(self._clock.new_id(), account, _DEPOSIT, currency, "deposit", now)
            self._ledger.commit([deposit], lambda _: None)
            self._accounts.set_limit(account, self._clock.new_id(), LimitName.STAKE_DAY, None, lambda _: None)
        if fan.leaves:
            days = fan.chance.randrange(1, 60)
            self._clock.call_later(days * _DAY_MS, lambda: self._suspend(fan))

    def _suspend(self, fan: Fan) -> None:
        now = self._clock.now_ms()
        command: Command = SetStatus(self._clock.new_id(), fan.account, AccountStatus.SUSPENDED, now)
        self._ledger.commit([command], lambda _: None)

    def _set_limit(self, fan: Fan) -> None:
        """One limit or two, lower or higher than before, or none any more."""
        for name in fan.chance.sample(tuple(LIMITS), fan.chance.choice((1, 2))):
            amount = None if fan.chance.random() < 0.15 else fan.chance.randrange(*LIMITS[name])
            self.did["limits set"] += 1
            self._accounts.set_limit(fan.account, self._clock.new_id(), name, amount, lambda _: None)

    def fixture(self, board: Board) -> None:
        """A fixture was announced: each fan decides how often and when to bet because of it."""
        now, markets = self._clock.now_ms(), self._books.fixtures[board.fixture].markets
        lasts_ms = _TIE_MS if MarketKey(TO_QUALIFY).of(board.fixture) in markets else _MATCH_MS
        for fan in self._fans.values():
            for _ in range(fan.draws(_BETS)):
                if fan.chance.random() < _IN_PLAY:
                    at = board.kickoff_ms + fan.chance.randrange(lasts_ms)
                else:
                    at = fan.chance.randrange(now + 1, max(now + 2, board.kickoff_ms))
                self._clock.call_later(at - now, lambda fan=fan: self._look(fan, board.fixture))  # type: ignore[misc]

    # --- placing ------------------------------------------------------------------------------------------------------

    def _look(self, fan: Fan, fixture: str) -> None:
        """See the books as they are now; place a little later."""
        whim = fan.draws(WHIMS)
        drafts = self._drafts.of(fan, fixture, whim)
        if not drafts:
            return
        delay = fan.chance.randrange(20_000, 90_000) if whim == Whim.SLOW else fan.chance.randrange(200, 4_000)
        if len(drafts) > 1:
            self.did["slips"] += 1
        for draft in drafts:
            self._clock.call_later(delay, lambda draft=draft: self._place(fan, draft, whim))  # type: ignore[misc]

    def _place(self, fan: Fan, draft: Draft, whim: Whim) -> None:
        command = self._spoilt(fan, self._command(fan, draft), whim)
        if whim not in OWN_STAKE and fan.chance.random() < _FREE:
            command = self._with_free_bet(command)
        self._ask(command)
        if whim == Whim.RETRY:
            self._again(command, fan.chance.choice((0, 1, 50, 5_000, 45_000, 3_600_000)))
        elif whim == Whim.REUSE:
            other = msgspec.structs.replace(command, stake=command.stake + 100)
            self._again(other, fan.chance.choice((1_000, 10_000)), same_payload=False)

    def _command(self, fan: Fan, draft: Draft) -> PlaceBet:
        chance = fan.chance
        policy = chance.choices((Policy.BETTER, Policy.NONE, Policy.ANY), (50, 25, 25))[0]
        tolerance = chance.choice((20, 50, 100, 300)) if chance.random() < 0.3 else None
        return PlaceBet(
            self._clock.new_id(), fan.account, fan.currency, fan.stake(draft.lines), policy, draft.legs,
            type=draft.type, tolerance=tolerance,
        )  # fmt: skip

    def _spoilt(self, fan: Fan, command: PlaceBet, whim: Whim) -> PlaceBet:
        """The bet with what is wrong with it."""
        chance, replace = fan.chance, msgspec.structs.replace
        match whim:
            case Whim.OLD_ID:
                made_ms = self._clock.now_ms() - ID_MEMORY_MS - 3_600_000
                return replace(command, id=old_id(made_ms, chance))
            case Whim.WRONG_CURRENCY:
                return replace(command, currency="GBP")
            case Whim.STRANGER:
                return replace(command, account=f"nobody-{fan.number}")
            case Whim.NO_SUCH_SELECTION:
                first = replace(command.asked[-1], selection=f"{command.asked[-1].market}/sideways")
                return replace(command, asked=(*command.asked[:-1], first))
            case Whim.NO_SUCH_OFFER:
                return replace(command, offer=self._clock.new_id())
            case Whim.CRUMB:
                return replace(command, stake=chance.randrange(1, 10))
            case Whim.GREED:
                return replace(command, stake=_on_each_line(command, chance.randrange(50_001, 90_000)))
            case Whim.LONG_SHOT:
                return replace(command, stake=chance.randrange(5_000, 40_000))
            case Whim.REFER:
                most = 600_000 if fan.rich else 90_000
                return replace(command, stake=_on_each_line(command, chance.randrange(50_001, most)), refer=True)
        return command

    def _with_free_bet(self, command: PlaceBet) -> PlaceBet:
        """The fan's most urgent free bet as its stake, if there is one."""
        held = [free for free in self._ledger.free_bets(command.account) if free.until_ms > self._clock.now_ms()]
        if not held or command.offer:
            return command
        return msgspec.structs.replace(command, stake=held[0].amount, free_bet=held[0].free_bet)

    def _again(self, command: PlaceBet, after_ms: int, *, same_payload: bool = True) -> None:
        self._clock.call_later(after_ms, lambda: self._ask(command, first=False, same_payload=same_payload))

    def _ask(self, command: PlaceBet, *, first: bool = True, same_payload: bool = True) -> None:
        books = self._books.fixtures
        in_play = any(
            leg.fixture in books and books[leg.fixture].board.status == FixtureStatus.LIVE for leg in command.asked
        )
        self._waiting += 1

        def done(answer: Answer | Moment) -> None:
            self._waiting -= 1
            if isinstance(answer, Answer) and first:
                self._answered(command, answer)
            self._heard(Placed(command, answer, first, same_payload, in_play))

        self._bets.place(command, done)

    def _answered(self, command: PlaceBet, answer: Answer) -> None:
        """A fan thinks about an answer."""
        fan = self._fans.get(command.account)
        if fan is None:
            return
        if answer.pending_until_ms:
            fan.referred[command.id] = command
        elif answer.refusal is None:
            self.by_market.update(split_selection(name)[1].type for leg in command.asked for name in leg.selections)
        elif answer.stake_max and fan.chance.random() < _LESS:
            self.did["stakes lowered"] += 1
            less = msgspec.structs.replace(command, id=self._clock.new_id(), stake=answer.stake_max, refer=False)
            self._clock.call_later(fan.chance.choice((0, 300, 3_000)), lambda: self._ask(less))

    # --- what is said on a fan's own channel --------------------------------------------------------------------------

    def hear(self, fact: AccountFact) -> None:
        """Something happened to an account: a bet was accepted, a trader offers something, or there is a free bet."""
        fan = self._fans.get(fact.account)
        if fan is None:
            return
        if isinstance(fact, BetRefused) and fact.offer and fact.id in fan.referred:
            self._offered(fan, fan.referred.pop(fact.id), fact)
        elif isinstance(fact, FreeBetChanged) and fact.state == "available":
            self._given(fan, fact)
        elif isinstance(fact, BetAccepted):
            self._cashing.accepted(fan, fact.bet)

    def _cashed(self, command: CashOut, answer: Answer | Moment, first: bool, same_payload: bool) -> None:
        self._heard(Placed(command, answer, first, same_payload))

    def _offered(self, fan: Fan, command: PlaceBet, fact: BetRefused) -> None:
        """Take an offer up, or do something else with it."""
        taking, replace = fan.draws(TAKINGS), msgspec.structs.replace
        legs = tuple(replace(leg, price=price) for leg, price in zip(command.asked, fact.offer_prices, strict=True))
        taken = PlaceBet(
            self._clock.new_id(), fan.account, fan.currency, fact.offer_stake, Policy.NONE, legs, type=command.type,
            offer=fact.offer,
        )  # fmt: skip
        after = fan.chance.randrange(1_000, 15_000)
        match taking:
            case Taking.NOT:
                return
            case Taking.LATE:
                after = fact.offer_until_ms - self._clock.now_ms() + fan.chance.randrange(0, 20_000)
            case Taking.OTHER_STAKE:
                taken = replace(taken, stake=taken.stake + 1)
            case Taking.OTHER_TYPE:
                taken = replace(taken, type=f"system:1/{len(legs)}")
            case Taking.BY_A_FRIEND:
                taken = replace(taken, account=self._friend(fan).account)
            case Taking.TWICE:
                again = replace(taken, id=self._clock.new_id())
                self._clock.call_later(after + fan.chance.choice((0, 500)), lambda: self._ask(again))
            case Taking.AS_OFFERED:
                pass
        self.did["offers taken up"] += 1
        self._clock.call_later(after, lambda: self._ask(taken))

    def _given(self, fan: Fan, fact: FreeBetChanged) -> None:
        """Use a free bet as it should not be, one day; as it should, it is used with some bet or other."""
        using, left = fan.draws(USINGS), max(1, fact.until_ms - self._clock.now_ms())
        if using == Using.AS_GIVEN:
            return
        late = using == Using.LATE
        after = left + fan.chance.randrange(60_000, 7_200_000) if late else fan.chance.randrange(left)
        self._clock.call_later(after, lambda: self._misuse(fan, fact, using))

    def _misuse(self, fan: Fan, fact: FreeBetChanged, using: Using) -> None:
        fixtures = [name for name, book in self._books.fixtures.items() if book.board.status == FixtureStatus.SCHEDULED]
        drafts = self._drafts.of(fan, fan.chance.choice(fixtures), Whim.PLAIN) if fixtures else []
        for draft in drafts:
            command = msgspec.structs.replace(self._command(fan, draft), stake=fact.amount, free_bet=fact.free_bet)
            if using == Using.OTHER_AMOUNT:
                command = msgspec.structs.replace(command, stake=fact.amount + draft.lines)
            elif using == Using.BY_A_FRIEND:
                command = msgspec.structs.replace(command, account=self._friend(fan).account)
            elif using == Using.TWICE:
                self._ask(msgspec.structs.replace(command, id=self._clock.new_id()))
            self._ask(command)

    def _friend(self, fan: Fan) -> Fan:
        others = [other for other in self._fans.values() if other is not fan]
        return fan.chance.choice(others or [fan])


def _on_each_line(command: PlaceBet, stake: int) -> int:
    """As much on each line as doors ask for."""
    lines = count(command.type or default_type(len(command.asked)), len(command.asked))
    return max(1, stake // lines) * lines
