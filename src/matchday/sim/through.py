"""Through: a journal's accepted bets, played again through the rooms and engines of a cluster, to the same money.

This process is the provider, the owner of the books, the fans, and a gate with the platform's own rooms. It appends
what the journal has on incidents and books, in the journal's order; places each accepted bet when its gate has read the
log up to the offset of the last book that the journal has before it, and no further, and has the gate judge it; and
lets the cluster's own settlement and relay settle it. What the journal says came of it must have come of it before
anything more is said: so both are in lock-step, decision by decision and settlement by settlement.

The clock of this process shows the journal's moments, moved so that the first is now: what ends at some moment (a free
bet, a fixture that is not played) ends later for the processes around it, and never before it did in the journal.

Not played: what was refused, what was asked again, quotes, and thresholds of cash-outs (what they paid is); and fans'
own limits, which only refuse. The model of football is not asked: prices of combinations are the journal's.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Final

import msgspec

from matchday.app import GateRooms, StartError
from matchday.app.stores import Stores
from matchday.config import Settings
from matchday.model.acceptance import TraderAnswer
from matchday.model.bet import Policy
from matchday.model.book import FixtureBook
from matchday.model.ledger import (
    AccountStatus,
    Answer,
    CashOut,
    ExpireFreeBet,
    GrantFreeBet,
    Moment,
    OpenAccount,
    PlaceBet,
    SetStatus,
    Transfer,
    is_player,
    offer_id,
)
from matchday.model.market import Market
from matchday.model.messages import (
    BookChanged,
    FixtureSnapshot,
    Topic,
    encode,
)
from matchday.model.price import format_price, parse_price
from matchday.ports import Record, partition_of
from matchday.services.odds.board import board_of
from matchday.sim.journalled import answer_name
from matchday.sim.lockstep import LeapingClock, Lockstep, StalledError, ThroughReport
from matchday.sim.recorded import Key, Line, Recorded, announced, leg_of, market_of
from matchday.sim.through_end import Ending

_RECORDS_MAX: Final = 200
"""Records of one append: a whole book has some tens of kilobytes."""
_SILENCE_MS: Final = 2**40
"""Milliseconds for which the owner of the books may be silent: time moves in leaps here."""
_PLAYED: Final = frozenset({"fixture", "incident", "result", "book", "decision", "confirmed", "state"})


class Through:
    """One journal's way through a cluster."""

    def __init__(self, clock: LeapingClock, stores: Stores, settings: Settings, journal: Recorded) -> None:
        bets = msgspec.structs.replace(journal.bets_settings, delay_ms=0, odds_silence_ms_max=_SILENCE_MS)
        self._clock, self._log, self._ledger, self._journal = clock, stores.log, stores.ledger, journal
        self._loop = asyncio.get_running_loop()
        self._rooms = GateRooms(
            clock, self._log, self._ledger, msgspec.structs.replace(settings, bets=bets), secret=b"through a cluster",
            combine=self._joint,
        )  # fmt: skip
        self.report = ThroughReport(fixtures=len(journal.fixtures), partitions=self._log.partitions(Topic.INCIDENTS))
        self._step = Lockstep(clock, self._log, self._ledger, self.report)
        self._said: set[Key] = set()
        self._snapshots: dict[str, FixtureSnapshot] = {}
        self._changes: Counter[str] = Counter()
        """Fixture -> changes of its book so far."""
        self._accounts: set[str] = set()
        self._ids: dict[str, str] = {}
        """A fan's id in the journal -> here: old ids expire."""
        self._prices: dict[str, int] = {}
        """Fixture -> the journal's price of the combination on it, of the bet in hand."""
        self._legs: Counter[str] = Counter()
        self._not_played: Counter[str] = Counter()

    async def run(self, progress: Callable[[int], None] = lambda _: None) -> ThroughReport:
        """Play all of it and compare. ``progress`` is called with the lines that are done. StartError where this
        platform cannot be used for it."""
        began, report, ending = perf_counter(), self.report, Ending(self._step, self._journal)
        self._refuse_what_is_known()
        self._rooms.start()
        self._rooms.gate.watchers.append(self._step.heard)
        try:
            first = await ending.last_entry(0)
            await self._step.own()
            for line in self._journal.lines():
                self._clock.at_ms = max(self._clock.at_ms, self._journal.at_ms(line))
                await self._line(line)
                report.lines += 1
                progress(report.lines)
            await self._step.rest()
            await ending.take_back()
            await ending.compare(first)
            report.finished = True
        except StalledError as error:
            self._step.differs(str(error))
        report.bets_by_legs = dict(sorted(self._legs.items()))
        report.not_played = dict(sorted(self._not_played.items()))
        report.seconds = round(perf_counter() - began, 1)
        return report

    def _refuse_what_is_known(self) -> None:
        known = {stored.key for stored in self._log.latest(Topic.FIXTURES)} & self._journal.fixtures
        named = [account for account in self._journal.balances if is_player(account)]
        if known or (named and self._ledger.account(named[0]) is not None):
            raise StartError(
                "this platform has been told of the journal's matches or fans before, and a journal is played once on "
                "each: name another log and ledger, or `matchday cluster down` and another --state"
            )

    def _joint(self, book: FixtureBook, _: Sequence[tuple[Market, str]]) -> int | str:
        return self._prices.get(book.board.fixture, "the journal has no price of it")

    # --- lines --------------------------------------------------------------------------------------------------------

    async def _line(self, line: Line) -> None:
        kind, accepted = line["kind"], line.get("answer") == "accepted"
        if kind in _PLAYED:
            await self._happens(line)
        elif kind == "account":
            self._account(line)
        elif kind == "posting":
            self._posting(line)
        elif kind == "free_bet" and accepted:
            await self._free_bet(line)
        elif kind == "bet" and (accepted or line["answer"] == "pending"):
            await self._place(line)
        elif kind == "referral":
            await self._referral(line)
        elif kind == "cash_out" and accepted:
            await self._cash_out(line)
        elif kind in ("bet", "retry", "cash_out", "limit", "cash_out_at", "quote", "free_bet"):
            self._not_played[kind if kind in ("retry", "limit", "cash_out_at", "quote") else f"{kind}, refused"] += 1

    async def _happens(self, line: Line) -> None:
        """On the pitch, to the books, and what comes of it. A decision may stand before its incident: the gate, which
        had its place in the journal, hears of that by the book."""
        match line["kind"]:
            case "fixture":
                await self._say(announced(line))
            case "incident" | "result":
                await self._say((line["fixture"], line["seq"]))
            case "decision":
                await self._say((line["fixture"], line["version"]))
                self._step.decisions[line["selection"]] = line
            case "confirmed":
                await self._say((line["fixture"], line["version"]))
            case "book":
                await self._book(line)
            case "state":
                self._step.states[line["bet"]] = line

    async def _say(self, key: Key) -> None:
        if key in self._said or key not in self._journal.said:
            return
        await self._step.rest()
        self._said.add(key)
        message, snapshot = self._journal.said[key]
        self._snapshots[message.fixture] = snapshot
        self._step.records += [
            Record(Topic.INCIDENTS, message.fixture, encode(message)),
            Record(Topic.FIXTURES, message.fixture, encode(snapshot)),
        ]
        self.report.incidents += key[1] > 1

    async def _book(self, line: Line) -> None:
        fixture, share = line["fixture"], partition_of(line["fixture"], self.report.partitions)
        self._changes[fixture] += 1
        markets = tuple(market_of(told) for told in line["markets"])
        change = BookChanged(
            fixture, self._step.epochs[share], self._changes[fixture], line["cause"], self._clock.now_ms(),
            board_of(self._snapshots[fixture], 1.0), markets, share=share,
        )  # fmt: skip
        self._step.records.append(Record(Topic.BOOKS, fixture, encode(change)))
        self.report.books += 1
        if len(self._step.records) >= _RECORDS_MAX:
            await self._step.flush()

    def _account(self, line: Line) -> None:
        account, now = line["account"], self._clock.now_ms()
        if account in self._accounts:
            status = AccountStatus(line["status"])
            self._step.commands.append(SetStatus(self._clock.new_id(), account, status, now))
            return
        self._accounts.add(account)
        self._step.commands.append(OpenAccount(f"open:{account}", account, line["currency"], now))
        self.report.accounts += 1

    def _posting(self, line: Line) -> None:
        """Money that came or went without a bet; all others are what commands and settlements come to."""
        if line["bet"] is None and is_player(line["account"]):
            self._step.commands.append(Transfer(
                f"journal:{line['entry']}", line["account"], line["amount"], line["currency"], line["reason"],
                self._clock.now_ms(),
            ))  # fmt: skip

    async def _free_bet(self, line: Line) -> None:
        await self._step.rest()
        name, account, now = line["free_bet"], line["account"], self._clock.now_ms()
        if line["action"] == "taken_back":
            self._step.commands.append(ExpireFreeBet(f"expire:{name}", account, name, now))
            return
        until_ms = line["until_ms"] + self._journal.shift_ms
        self._step.commands.append(
            GrantFreeBet(f"free_bet:{name}", account, name, line["amount"], line["currency"], until_ms, now)
        )
        self.report.free_bets += 1

    async def _place(self, line: Line) -> None:
        """As the fan asked for it: what the gate makes of it must be what was made of it."""
        await self._step.rest()
        legs = tuple(leg_of(leg) for leg in line["legs"])
        prices = zip(legs, line["prices"], strict=False)
        self._prices = {leg.fixture: parse_price(price) for leg, price in prices if leg.parts}
        account = line["account"]
        self._ids[line["id"]] = self._clock.new_id()
        offer = self._ids.get(line["offer"].rpartition(":")[2], "") if line["offer"] else ""
        command = PlaceBet(
            self._ids[line["id"]], account, line["currency"], line["stake"], Policy(line["policy"]), legs,
            type=line["type"], tolerance=line["tolerance"], free_bet=line["free_bet"], refer=line["refer"],
            offer=offer_id(account, offer) if offer else line["offer"],
        )  # fmt: skip
        asked: asyncio.Future[Answer | Moment] = self._loop.create_future()
        self._rooms.bets.place(command, asked.set_result)
        answer = await self._step.answered(asked, f"bet {line['id']}")
        self._judge(line, answer)

    def _judge(self, line: Line, answer: Answer | Moment | None) -> None:
        """Whether a bet got the answer that it got then, at the same prices, and left the same balance."""
        what = f"bet {line['id']} of {line['account']}"
        if answer is None:
            self._step.differs(f"line {self.report.lines + 1}: {what}: it does not wait here")
            return
        self._step.same(what, answer_name(answer), line["answer"])
        if not isinstance(answer, Answer) or answer.refusal is not None:
            return
        self._step.same(f"{what}, balance", answer.balance, line["balance"])
        if answer.bet is not None and line["bet"]:
            self._step.same(f"{what}, prices", [format_price(leg.price) for leg in answer.bet.legs], line["prices"])
            self._step.bets[line["bet"]] = answer.bet.bet
            self.report.bets += 1
            self.report.combinations += any(leg.parts for leg in answer.bet.legs)
            self._legs[str(len(answer.bet.legs))] += 1

    async def _referral(self, line: Line) -> None:
        """A trader's word, or the end of his time, which as a refusal does the same."""
        await self._step.rest()
        accepted, offer = line["answer"] == "accepted", line["offer"]
        word = TraderAnswer(accept=accepted)
        if offer is not None:
            word = TraderAnswer(stake=offer["stake"], prices=tuple(parse_price(price) for price in offer["prices"]))
        account, id_ = line["account"], self._ids.get(line["id"], "")
        asked: asyncio.Future[Answer | Moment | None] = self._loop.create_future()
        self._rooms.bets.answer_referral(account, id_, word, asked.set_result)
        answer = await self._step.answered(asked, f"referral {line['id']}")
        self.report.referrals += 1
        if accepted or offer is not None:
            self._judge(line, answer)

    async def _cash_out(self, line: Line) -> None:
        await self._step.rest()
        bet = self._step.bets.get(line["bet"])
        if bet is None:
            return  # it was told already that there is no such bet here
        command = CashOut(
            self._clock.new_id(), line["account"], bet, line["stake"], line["asked"], self._clock.now_ms(),
            line["offered"], line["standing"],
        )  # fmt: skip
        (answer,) = await self._step.commit([command])
        what = f"cash-out of {line['bet']}"
        self._step.same(what, answer_name(answer), "accepted")
        self._step.same(f"{what}, balance", answer.balance, line["balance"])
        self.report.cash_outs += 1
