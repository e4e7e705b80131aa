"""Checkers: the invariants of the platform, watched from outside while a simulated world runs.

Each keeps books of its own, from what is written on the log and in the ledger, and compares after every write, every
judgement and every answer. None asks a room what it thinks. A broken invariant is a ``Violation``.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Final

import msgspec

from matchday.backends.ledger_sqlite import SqliteLedgerCore
from matchday.backends.log_sqlite import SqliteLogCore
from matchday.config import Settings
from matchday.model import lines
from matchday.model.bet import Bet, BetStatus, Leg, Policy
from matchday.model.football import MATERIAL, Period
from matchday.model.ledger import (
    Answer,
    CashOut,
    Command,
    Entry,
    LimitName,
    PlaceBet,
    Refusal,
    is_player,
)
from matchday.model.market import Market, MarketStatus
from matchday.model.messages import (
    BalanceChanged,
    BetAccepted,
    BetCashedOut,
    BetReopened,
    BetSettled,
    Board,
    BookChanged,
    CashOutSet,
    FreeBetChanged,
    Incident,
    Message,
    OddsAlive,
    OneFact,
    ResultConfirmed,
    Topic,
    decode,
    one_by_one,
)
from matchday.ports import Stored
from matchday.sim.decided import LATE_BET, LOST_EARLY, Decided
from matchday.sim.trace import Violation

DAY_MS: Final = 86_400_000
_WINDOWS: Final = {
    LimitName.STAKE_DAY: 1, LimitName.STAKE_WEEK: 7, LimitName.STAKE_MONTH: 30,
    LimitName.LOSS_DAY: 1, LimitName.LOSS_WEEK: 7, LimitName.LOSS_MONTH: 30,
}  # fmt: skip
LATE_MS: Final = 2_000
"""Milliseconds allowed for wires and clocks beyond the limits that settings name."""
DAY_BEFORE: Final = "bet on the day before one on which the fan had bet"
SETTLED_AGAIN: Final = "bet settled or opened again"
REOPENED: Final = "bet opened again"
OWED: Final = "settlement that left something owed"
SITUATIONS: Final = (LATE_BET, DAY_BEFORE, SETTLED_AGAIN, REOPENED, OWED, LOST_EARLY)
"""What worlds must get into, or some promises are not tested."""


class Money:
    """Every currency sums to zero and no player is negative, after every commit; statements add up."""

    def __init__(self) -> None:
        self.balances: dict[str, int] = defaultdict(int)
        self._entry = 0

    def entered(self, core: SqliteLedgerCore) -> list[Entry]:
        """Take in the entries since last time."""
        entries = list(core.entries(self._entry, 1_000_000))
        for entry in entries:
            if sum(posting.amount for posting in entry.postings):
                raise Violation("entries_balance", f"{entry}", [entry.bet or ""])
            for posting in entry.postings:
                self.balances[posting.account] += posting.amount
                if is_player(posting.account) and self.balances[posting.account] < 0:
                    raise Violation("no_player_negative", f"{entry}", [posting.account, entry.bet or ""])
            self._entry = entry.entry
        if any(core.totals().values()):
            raise Violation("money_is_conserved", f"totals {core.totals()}")
        return entries

    def compare(self, core: SqliteLedgerCore) -> None:
        """Balances are the sums of postings."""
        held, posted = core.balances(), core.posted()
        for account in held.keys() | posted.keys():
            if not held.get(account, 0) == posted.get(account, 0) == self.balances.get(account, 0):
                detail = f"{account}: balance {held.get(account)}, postings {posted.get(account)}"
                raise Violation("statement_adds_up", detail, [account])


class Bets:
    """Every answered bet exists once; settled once per version; the facts of an account follow one another."""

    def __init__(self, reached: Counter[str]) -> None:
        self._reached = reached
        self.bets: dict[str, Bet] = {}
        self._by_id: dict[tuple[str, str], str] = {}
        self._balance: dict[str, int] = {}
        self._returned: dict[str, int] = {}
        self._fact = 0
        self.free_bets: dict[str, int] = {}
        """Free bet -> what of it can be used."""
        self._stakes = 0
        """What open bets hold."""
        self.answers: dict[tuple[str, str], list[tuple[Command, Answer]]] = defaultdict(list)

    def facts(self, core: SqliteLedgerCore) -> list[OneFact]:
        """Take in the facts since last time: those of bets that were settled together, one by one."""
        each: list[OneFact] = []
        for fact in core.facts(self._fact, 1_000_000):
            if fact.seq <= self._fact:
                raise Violation("facts_in_order", f"{fact} after {self._fact}", [fact.account])
            self._fact = fact.seq
            for one in one_by_one(fact):
                self._follow(one)
                each.append(one)
        return each

    def _follow(self, fact: OneFact) -> None:
        before = self._balance.get(fact.account, 0)
        if isinstance(fact, BetAccepted):
            change, key = 0 if fact.bet.free else -fact.bet.stake, (fact.account, fact.bet.id)
            self._use(fact.bet)
            if key in self._by_id:
                raise Violation("bet_exists_once", f"{fact}, and {self._by_id[key]}", [fact.bet.id, fact.bet.bet])
            self._by_id[key] = fact.bet.bet
            self._hold(fact.bet)
        elif isinstance(fact, BetSettled | BetReopened):
            change = self._settled(fact)
        elif isinstance(fact, BetCashedOut):
            change = self._cashed_out(fact)
        else:
            if isinstance(fact, CashOutSet):
                self.bets[fact.bet] = msgspec.structs.replace(self.bets[fact.bet], cash_out_at=fact.amount)
            elif isinstance(fact, FreeBetChanged):
                self.free_bets[fact.free_bet] = fact.amount if fact.state == "available" else 0
            change = fact.change if isinstance(fact, BalanceChanged) else 0
        if fact.balance != before + change:
            detail = f"{fact}: balance was {before}, changed by {change}"
            raise Violation("statement_adds_up", detail, [fact.account])
        self._balance[fact.account] = fact.balance

    def _settled(self, fact: BetSettled | BetReopened) -> int:
        bet = self.bets.get(fact.bet)
        if bet is None:
            raise Violation("bet_exists_once", f"{fact} of no bet", [fact.bet])
        if fact.version <= bet.version:
            raise Violation("settled_once_per_version", f"{fact}, and before at version {bet.version}", [fact.bet])
        status, returns = (fact.status, fact.returns) if isinstance(fact, BetSettled) else (BetStatus.OPEN, 0)
        owed = bet.returns + bet.owed + fact.change - returns
        if owed < 0 or (owed and fact.balance):
            detail = f"{fact}: {owed} owed on {bet} while the balance is {fact.balance}"
            raise Violation("nothing_owed_that_is_there", detail, [fact.bet, fact.account])
        self._reached[SETTLED_AGAIN] += bet.status != BetStatus.OPEN
        self._reached[REOPENED] += status == BetStatus.OPEN
        self._reached[OWED] += owed > 0
        self._hold(msgspec.structs.replace(bet, status=status, version=fact.version, returns=returns, owed=owed))
        return fact.change

    def _hold(self, bet: Bet) -> None:
        """A bet stands so now."""
        before = self.bets.get(bet.bet)
        for held, sign in ((before, -1), (bet, 1)):
            self._stakes += sign * held.remaining if held is not None and held.status == BetStatus.OPEN else 0
        self.bets[bet.bet] = bet

    def _use(self, bet: Bet) -> None:
        """A free bet is used once, whole."""
        if bet.free_bet and self.free_bets.get(bet.free_bet) != bet.stake:
            detail = f"{bet} on a free bet of which {self.free_bets.get(bet.free_bet)} was there"
            raise Violation("free_bet_is_used_once", detail, [bet.bet, bet.id])
        if bet.free_bet:
            self.free_bets[bet.free_bet] = 0
            self._reached["free bet used"] += 1
        self._reached["combination"] += any(leg.parts for leg in bet.legs)
        self._reached[f"type {bet.type}"] += 1

    def _cashed_out(self, fact: BetCashedOut) -> int:
        bet = self.bets[fact.bet]
        if bet.status != BetStatus.OPEN or fact.stake > bet.remaining or fact.remaining != bet.remaining - fact.stake:
            raise Violation("cashed_out_while_open", f"{fact} of {bet}", [fact.bet])
        most = _returns(bet) * fact.stake // max(1, bet.remaining)
        if fact.amount > most:
            raise Violation("cash_out_within_return", f"{fact}: at most {most} could come back of {bet}", [fact.bet])
        owed = bet.owed - (fact.amount - fact.change)
        status = BetStatus.OPEN if fact.remaining else BetStatus.CASHED_OUT
        self._hold(msgspec.structs.replace(
            bet, status=status, cashed=bet.cashed + fact.stake, cash=bet.cash + fact.amount, owed=owed, cash_out_at=None
        ))  # fmt: skip
        return fact.change

    def compare(self, balances: Mapping[str, int], currency: str) -> None:
        """What the house holds for fans: the stakes of open bets, and the free bets that can be used."""
        for role, held in (("stakes", self._stakes), ("freebets", sum(self.free_bets.values()))):
            if balances.get(f"{role}:{currency}:0", 0) != held:
                detail = f"{role}: {balances.get(f'{role}:{currency}:0', 0)} in the ledger, {held} by the facts"
                raise Violation("held_for_fans", detail)

    def answered(self, command: Command, answer: Answer, core: SqliteLedgerCore) -> None:
        """A fan was given an answer that is final."""
        key = (command.account if not hasattr(command, "fixture") else "", command.id)
        said = self.answers[key]
        said.append((command, answer))
        if not isinstance(command, PlaceBet):
            return
        if answer.refusal is None:
            bet = core.bet(answer.bet.bet) if answer.bet is not None else None
            if bet is None or self._by_id.get(key) != bet.bet or bet.bet not in self.bets:
                raise Violation("answered_bet_exists", f"{answer}", [command.id, command.account])
            asked = [leg.selection for leg in command.asked]
            if bet.stake != command.stake or [leg.selection for leg in bet.legs] != asked:
                raise Violation("answer_is_of_its_payload", f"{command} was answered {answer}", [command.id])
        for before, first in said:
            assert isinstance(before, PlaceBet)
            alike = (before.stake, before.asked) == (command.stake, command.asked)
            one = first.bet.bet if first.bet else first.refusal
            two = answer.bet.bet if answer.bet else answer.refusal
            if alike and one != two:
                detail = f"{command.id} was answered {one}, then {two}"
                raise Violation("same_id_same_answer", detail, [command.id, command.account])
            if not alike and Refusal.ID_REUSED not in (one, two):
                detail = f"{command.id} stands for two bets: {first}, {answer}"
                raise Violation("other_payload_is_refused", detail, [command.id, command.account])

    def survived(self, core: SqliteLedgerCore) -> None:
        """After a power cut: what was answered is there."""
        for said in self.answers.values():
            for command, answer in said:
                if isinstance(command, PlaceBet) and answer.bet is not None and core.bet(answer.bet.bet) is None:
                    raise Violation("durable_before_answered", f"{answer}", [command.id])


class Limits:
    """A fan's stake limit and the house's exposures, counted again from the bets."""

    def __init__(self, settings: Settings, reached: Counter[str]) -> None:
        self._settings, self._reached = settings, reached
        self.open: dict[str, int] = defaultdict(int)
        """Selection or fixture -> liability of the open bets on it."""
        self._days: dict[str, dict[int, tuple[int, int]]] = defaultdict(dict)
        """Account -> day -> (staked, returned)."""
        self._counted: dict[str, int] = {}
        """Bet -> what it charges of each of its guards."""

    def accepted(self, bet: Bet, limits: Mapping[LimitName, int | None]) -> None:
        """A bet was taken while the fan's own limits stood so."""
        self.known(bet)
        bounds = self._settings.bets
        for key in _charged(bet):
            most = {"a": bounds.exposure_account_max, "s": bounds.exposure_selection_max,
                    "m": bounds.exposure_market_max, "f": bounds.exposure_fixture_max}[key[0]]  # fmt: skip
            if self.open[key] > most:
                raise Violation("exposure_within_limit", f"{key}: {self.open[key]} of {most}", [key, bet.bet])
        if bet.free:
            return
        self._reached[DAY_BEFORE] += bet.placed_ms // DAY_MS < max(self._days[bet.account], default=0)
        today = self._count(bet.account, bet.placed_ms, staked=bet.stake)
        for name, limit in limits.items():
            used = self._used(bet.account, today, name)
            if limit is not None and used > limit:
                invariant = "loss_within_limit" if name.of_loss else "stake_within_limit"
                raise Violation(invariant, f"{bet.account}: {name} {used} of {limit}", [bet.account, bet.bet])

    def _count(self, account: str, at_ms: int, *, staked: int = 0, returned: int = 0) -> int:
        """Take in what moved; the day that counts, which never goes back."""
        days = self._days[account]
        today = max(at_ms // DAY_MS, max(days, default=0))
        before = days.get(today, (0, 0))
        days[today] = (before[0] + staked, before[1] + returned)
        return today

    def _used(self, account: str, today: int, name: LimitName) -> int:
        window = [moved for day, moved in self._days[account].items() if day > today - _WINDOWS[name]]
        return sum(staked - returned if name.of_loss else staked for staked, returned in window)

    def moved(self, bet: Bet, change: int, at_ms: int) -> None:
        """A bet was settled, opened again or cashed out in part, and so much posted to its account."""
        if change:  # a day begins with the first amount that moves, as the ledger has it
            self._count(bet.account, at_ms, returned=change)
        self.known(bet)

    def known(self, bet: Bet) -> None:
        """A bet stands in the ledger as it is: count what it charges now."""
        now = -(-_liability(bet) * bet.remaining // bet.stake) if bet.status == BetStatus.OPEN else 0
        before = self._counted.get(bet.bet, 0)
        self._counted[bet.bet] = now
        for key in _charged(bet):
            self.open[key] += now - before

    def compare(self, core: SqliteLedgerCore) -> None:
        """The ledger's counters are the liabilities of the open bets."""
        held: dict[str, int] = defaultdict(int)
        for guard, used in core.all_guards().items():
            held[_key(guard.removeprefix("exposure:").partition("#")[0])] += used
        for key in held.keys() | self.open.keys():
            if held.get(key, 0) != self.open.get(key, 0):
                detail = f"{key}: counter {held.get(key, 0)}, open bets {self.open.get(key, 0)}"
                raise Violation("exposure_is_counted", detail, [key])


def _returns(bet: Bet) -> int:
    """All that comes back of the remaining stake if every leg wins, the stake of a free bet included."""
    number, total = lines.count(bet.type, len(bet.legs)), Fraction(0)
    for line in lines.lines(bet.type, len(bet.legs)):
        product = Fraction(bet.remaining, number)
        for place in line:
            product *= Fraction(bet.legs[place].price, 1000)
        total += product
    return int(total)


@lru_cache(maxsize=8_192)
def message_of(value: bytes) -> Message:
    """A record's message, decoded once: each gate is given the same records, and all of them again at every start."""
    return decode(value)


def _liability(bet: Bet) -> int:
    return _returns(msgspec.structs.replace(bet, cashed=0)) - bet.stake


def _key(name: str) -> str:
    """A guard by what it counts: its first letter is of account, selection, market or fixture."""
    kind = "a" if name.startswith("account:") else "s" if "/" in name else "m" if ":" in name else "f"
    return f"{kind}:{name.removeprefix('account:')}"


def _charged(bet: Bet) -> list[str]:
    names = dict.fromkeys(name for leg in bet.legs for name in (*leg.selections, *leg.markets, leg.fixture))
    return [_key(f"account:{bet.account}"), *map(_key, names)]


class _Reader:
    """What one gate has heard of the books."""

    def __init__(self) -> None:
        self.markets: dict[str, Market] = {}
        self.at: dict[str, tuple[int, int]] = {}
        self.alive: dict[int, tuple[int, int, int]] = {}
        """Share -> of its owner with the highest epoch: (epoch, when heard, when said)."""
        self.shares: dict[str, int] = {}
        """Fixture -> its share."""
        self.boards: dict[str, Board] = {}

    def copy(self) -> "_Reader":
        """The same books, for one that has heard of no owner yet."""
        made = _Reader()
        made.markets, made.at, made.boards = dict(self.markets), dict(self.at), dict(self.boards)
        made.shares = dict(self.shares)
        return made

    def owner(self, fixture: str) -> tuple[int, int, int] | None:
        """What was last heard of the owner of a fixture's book."""
        return self.alive.get(self.shares.get(fixture, 0))

    def hear(self, record: Stored, now: int) -> None:
        message = message_of(record.value)
        if isinstance(message, OddsAlive) and message.epoch >= self.alive.get(message.share, (0,))[0]:
            self.alive[message.share] = (message.epoch, now, record.at_ms)
        elif isinstance(message, BookChanged) and (message.epoch, message.n) > self.at.get(message.fixture, (0, 0)):
            self.at[message.fixture] = (message.epoch, message.n)
            self.shares[message.fixture] = message.share
            self.boards[message.fixture] = message.board
            self.markets.update((market.market, market) for market in message.markets)


class Acceptance:
    """No bet against a market that was not open, in another generation, or at a price outside its policy: by what the
    gate had heard when it judged, and by what the log had said not long before."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._gates: dict[str, _Reader] = {}
        self._said: dict[str, list[tuple[int, Market]]] = defaultdict(list)
        self._truth = _Reader()
        self._whole, self._whole_at = _Reader(), -1
        """All that stands on the log, and up to where it was read."""
        self._seen: dict[tuple[Topic, int], int] = {}
        """Partition -> the last record that was seen."""
        self._played: dict[str, list[tuple[int, tuple[tuple[int, int], tuple[int, int]]]]] = defaultdict(list)
        """Fixture -> when the log had which score and sendings-off."""
        self.last: dict[str, tuple[int, Period, bool]] = {}
        """Fixture -> (when the last material incident was said, period, whether a penalty waits)."""

    def written(self, record: Stored, now: int) -> None:
        """A record of ``books`` stands on the log."""
        self._seen[Topic.BOOKS, record.partition] = record.offset
        message = message_of(record.value)
        before = self._truth.at.get(record.key)
        self._truth.hear(record, now)
        if isinstance(message, BookChanged) and self._truth.at.get(record.key) != before:
            for market in message.markets:
                self._said[market.market].append((now, market))

    def incident(self, record: Stored, now: int) -> None:
        """A record of ``incidents`` stands on the log."""
        self._seen[Topic.INCIDENTS, record.partition] = record.offset
        message = message_of(record.value)
        if isinstance(message, Incident):
            state = message.state
            self._played[message.fixture].append((now, (state.score, (state.home.red, state.away.red))))
            before = self.last.get(message.fixture, (0, state.period, False))[0]
            material = now if message.type in MATERIAL else before
            self.last[message.fixture] = (material, state.period, state.penalty is not None)
        elif isinstance(message, ResultConfirmed):
            self.last[message.fixture] = (now, Period.OVER, False)

    def gate_started(self, gate: str, log: SqliteLogCore) -> None:
        """A gate begins with what the log holds."""
        while page := log.read(Topic.BOOKS, self._whole_at, 10_000):
            for record in page:
                self._whole.hear(record, 0)
            self._whole_at = page[-1].offset
        self._gates[gate] = self._whole.copy()

    def power_cut(self, log: SqliteLogCore, now: int) -> None:
        """The log may have lost what was not durable: it is read from its beginning again. What a torn group left there
        was told to nobody, and stands all the same."""
        self._whole, self._whole_at = _Reader(), -1
        for topic, take in ((Topic.INCIDENTS, self.incident), (Topic.BOOKS, self.written)):
            for part in log.parts(topic):
                for record in log.read_of(part, self._seen.get(part, -1), 10**9):
                    take(record, now)

    def gate_heard(self, gate: str, records: Sequence[Stored], now: int) -> None:
        """A gate was given records of ``books``."""
        reader = self._gates[gate]
        for record in records:
            reader.hear(record, now)

    def sealed(self, gate: str, command: PlaceBet, now: int, *, clocks_agree: bool) -> None:
        """A gate has judged a bet to be acceptable. Where clocks differ, a lag of the log may look like none."""
        reader, keys = self._gates[gate], [command.id, *(leg.fixture for leg in command.asked)]
        for leg in command.asked:
            alive, epoch = reader.owner(leg.fixture), reader.at.get(leg.fixture, (0, 0))[0]
            if alive is None or alive[0] < epoch or now - alive[1] > self._settings.bets.odds_silence_ms_max:
                detail = f"{gate} took {command.id} at {now}; of the owner it had heard {alive}, the book's is {epoch}"
                raise Violation("stale_is_not_accepted", detail, keys)
        if [leg.selection for leg in command.legs] != [leg.selection for leg in command.asked]:
            raise Violation("accepted_as_asked", f"{command}", keys)
        for asked, taken in zip(command.asked, command.legs, strict=True):
            self._leg_sealed(gate, command, asked, taken, now if clocks_agree else None)

    def valued(self, gate: str, command: CashOut, bet: Bet | None, decided: Decided) -> None:
        """A gate offers so much for a bet: the markets of what is not decided must be open there."""
        if bet is None or bet.account != command.account or bet.status != BetStatus.OPEN:
            return  # refused by the ledger
        reader = self._gates[gate]
        silent = any(reader.owner(leg.fixture) is None for leg in bet.legs)
        now_open = all(
            (market := reader.markets.get(name.rpartition("/")[0])) is not None and market.status == MarketStatus.OPEN
            for leg in bet.legs if decided.leg(leg, bet.placed_ms) is None
            for name in leg.selections if decided.of(name) is None
        )  # fmt: skip
        known_lost = command.standing != sum(decided.version(name) for leg in bet.legs for name in leg.selections)
        if not known_lost and (silent or not now_open):
            raise Violation("cash_out_while_open", f"{gate} offers {command.offered} for {bet}", [bet.bet, command.id])

    def _leg_sealed(self, gate: str, command: PlaceBet, asked: Leg, taken: Leg, now: int | None) -> None:
        """One leg, which may be a combination; ``now`` None: clocks differ, and nobody can tell what is late."""
        reader, keys = self._gates[gate], [command.id, asked.fixture]
        given = command.answers_referral or command.offer
        for part in asked.parts or (asked,):
            market = reader.markets.get(part.market)
            detail = f"{gate} took {part} of {asked} at {taken.price} for {command.id}; it knew {market}"
            if market is None or market.status != MarketStatus.OPEN:
                raise Violation("market_is_open", detail, keys)
            if market.generation != part.generation:
                raise Violation("generation_is_the_same", detail, keys)
            price = market.price_of(part.selection.rpartition("/")[2])
            if price is None or not (given or asked.parts or price == taken.price):
                raise Violation("price_is_within_policy", detail, keys)
            if now is not None and not self._lately(market, now):
                detail += f"; the log says otherwise for long: {self._said[part.market][-3:]}"
                raise Violation("late_is_safe", detail, keys)
        if not (given or _within(command.policy, command.tolerance, asked.price, taken.price)):
            detail = f"{gate} took {asked} at {taken.price} for {command}"
            raise Violation("price_is_within_policy", detail, keys)
        if now is not None and not self._knows_goals(reader.boards[asked.fixture], now):
            detail = f"{gate} took {asked}; its board says {reader.boards[asked.fixture]}, the feed "
            raise Violation("goals_are_known", f"{detail}{self._played[asked.fixture][-3:]}", keys)

    def _knows_goals(self, board: Board, now: int) -> bool:
        """Whether the scoreboard is one that the feed has shown within the time that all on the way may be late."""
        settings = self._settings
        window = settings.bets.odds_silence_ms_max + settings.odds.feed_silence_ms_max + 2 * settings.odds.alive_ms
        seen = (board.score, board.red)
        played = self._played[board.fixture]
        for number in range(len(played) - 1, -1, -1):
            at_ms, shown = played[number]
            if shown == seen:
                return True
            if at_ms < now - window - LATE_MS:
                return False
        return seen == ((0, 0), (0, 0))

    def _lately(self, market: Market, now: int) -> bool:
        """Whether the log had this market so within the time that a gate may be late."""
        settings = self._settings
        window = settings.bets.odds_silence_ms_max + settings.odds.alive_ms + LATE_MS
        said = self._said[market.market]
        for number in range(len(said) - 1, -1, -1):
            if said[number][1] == market:
                until = said[number + 1][0] if number + 1 < len(said) else now
                return until >= now - window
            if said[number][0] < now - 10 * window:
                break
        return False


def _within(policy: Policy, tolerance: int | None, asked: int, taken: int) -> bool:
    """What the fan allows: a shorter price by the tolerance, a longer one unless exactly this price was asked for."""
    off = Fraction(tolerance or 0, 1000) * asked
    if policy == Policy.ANY and tolerance is None:
        return True
    return taken >= asked - off and (policy != Policy.NONE or taken <= asked + off)
