"""Replay: real matches through the real rooms under the virtual clock, with simulated fans, as fast as the machine can.

The rooms, the pricing and the synchronous cores of the embedded backends are the platform's own; only time, chance and
the fans are simulated. The same seed gives the same journal.
"""

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Final, TextIO, cast

import msgspec

from matchday.app import Platform
from matchday.backends.ledger_sqlite import SqliteLedgerCore
from matchday.backends.log_sqlite import SqliteLogCore
from matchday.config import Settings
from matchday.feeds.wyscout import ANNOUNCE_MS, Match, WyscoutFeed
from matchday.model.football import GOALS
from matchday.model.ledger import Moment
from matchday.model.messages import (
    AccountFact,
    BetReferred,
    BookChanged,
    FixtureScheduled,
    Incident,
    LegsDecided,
    OddsAlive,
    ResultConfirmed,
    Strengths,
    Topic,
    decode,
)
from matchday.ports import Ledger, Stored
from matchday.services.accounts import Guest
from matchday.sim.clock import VirtualClock
from matchday.sim.fans import Fans, Promotions, Trader
from matchday.sim.inline import InlineLedger, InlineLog
from matchday.sim.journal import Journal
from matchday.sim.journalled import BetsDesk, CashDesk, JournalledBets, JournalledCashOuts, JournalledLedger
from matchday.sim.tally import Report, Tally

_SETTLE_MS: Final = 4 * 3_600_000
"""Virtual milliseconds after the last result in which everything must have come to rest."""
_STEP_MS: Final = 600_000
"""Virtual milliseconds between two looks at the progress."""


def replay_settings() -> Settings:
    """The platform's defaults, but for beats as slow as a real feed's (10 s and 20 s, Sportradar UOF), ticks every 20
    seconds, and exposure limits that some hundred fans can reach."""
    settings = Settings()
    replace = msgspec.structs.replace
    return replace(
        settings,
        feed=replace(settings.feed, alive_ms=10_000),
        odds=replace(settings.odds, alive_ms=10_000, feed_silence_ms_max=20_000, tick_ms=20_000),
        bets=replace(
            settings.bets,
            odds_silence_ms_max=20_000,
            exposure_account_max=2_500_000,
            exposure_selection_max=3_000_000,
            exposure_market_max=5_000_000,
            exposure_fixture_max=25_000_000,
        ),
    )


class Replay:
    """One run over a list of matches."""

    def __init__(
        self,
        matches: Sequence[Match],
        strengths: Callable[[Match], Strengths],
        *,
        bettors: int,
        seed: int,
        journal: TextIO | None,
        settings: Settings | None = None,
    ) -> None:
        self._matches = {match.fixture: match for match in matches}
        settings = settings or replay_settings()
        start_ms = min(match.kickoff_ms for match in matches) - ANNOUNCE_MS - 60_000
        self.clock = VirtualClock(seed, start_ms)
        self._start_ms = start_ms
        self._log = InlineLog(SqliteLogCore(":memory:", self.clock.new_id), self.clock)
        self._inner = InlineLedger(SqliteLedgerCore(":memory:"), self.clock)
        self._journal = Journal(self.clock, journal) if journal else None
        ledger = cast("Ledger", JournalledLedger(self._inner, self._journal)) if self._journal else self._inner
        adapter = WyscoutFeed(matches, strengths, speed=1.0, start_ms=None)
        self.platform = Platform(self.clock, self._log, ledger, adapter, settings, secret=b"replay")
        self.ledger = ledger
        self.report = Report(fixtures=len(matches))
        self._tally = Tally()
        self._scores: dict[str, tuple[int, int]] = {}
        self._settled_markets: set[str] = set()
        self._bettors = bettors
        bets: BetsDesk = self.platform.bets
        cash_outs: CashDesk = self.platform.cash_outs
        if self._journal:
            self._journal.settings(settings)
            bets = JournalledBets(bets, self._journal)
            cash_outs = JournalledCashOuts(cash_outs, self._journal)
        accounts, books = self.platform.accounts, self.platform.gate.books
        self.fans = Fans(self.clock, bets, cash_outs, accounts, ledger, books, self._tally.placed)
        self.trader = Trader(self.clock, bets, ledger)
        self._promotions = Promotions(self.clock, ledger, settings.accounts.currency)

    def run(self, progress: Callable[[int, int], None]) -> Report:
        """Run to the end. ``progress`` is called with the matches that are over and all of them."""
        began = perf_counter()
        self._log.tail(Topic.INCIDENTS, None, self._hear_feed)
        self._log.tail(Topic.DECISIONS, None, self._hear_decisions)
        self._log.tail(Topic.ACCOUNTS, None, self._hear_accounts)
        if self._journal:
            self._log.tail(Topic.BOOKS, None, self._hear_books)
        self.platform.gate.watchers.append(self._book_changed)
        self.platform.start()
        for number in range(self._bettors):
            self.platform.accounts.open_guest(lambda guest, number=number: self._joined(number, guest))  # type: ignore[misc]
        last_ms = max(match.kickoff_ms for match in self._matches.values()) + _SETTLE_MS
        while self.clock.now_ms() < last_ms:
            self.clock.run_until(min(last_ms, self.clock.now_ms() + _STEP_MS))
            progress(len(self._scores), self.report.fixtures)
            if len(self._scores) == self.report.fixtures and self._at_rest:
                break
        self._sum_up()
        self.report.wall_seconds = round(perf_counter() - began, 3)
        self.report.virtual_seconds = (self.clock.now_ms() - self._start_ms) / 1000
        return self.report

    @property
    def _at_rest(self) -> bool:
        asked = self.fans.waiting or self.trader.waiting or self.ledger.referrals(2**62, 1)
        return self.platform.by_account.idle and not asked and not self.ledger.open_bets()

    def _joined(self, number: int, guest: Guest | Moment) -> None:
        assert isinstance(guest, Guest), guest
        self.fans.join(number, guest.account, guest.currency)

    def _hear_feed(self, records: Sequence[Stored]) -> None:
        for stored in records:
            message = decode(stored.value)
            if isinstance(message, FixtureScheduled | Incident | ResultConfirmed) and self._journal:
                self._journal.feed(message)
            if isinstance(message, Incident):
                self.report.incidents += 1
                self.report.goals += message.type in GOALS
            elif isinstance(message, ResultConfirmed):
                self._score(message)

    def _score(self, message: ResultConfirmed) -> None:
        self._scores[message.fixture] = score = message.state.score
        official = self._matches[message.fixture].official
        if official is None:
            self.report.scores_unknown += 1
        elif official == score:
            self.report.scores_right += 1
        else:
            match = self._matches[message.fixture]
            text = f"{match.home} - {match.away}: {score[0]}-{score[1]} replayed, {official[0]}-{official[1]} official"
            self.report.scores_wrong.append(text)

    def _hear_decisions(self, records: Sequence[Stored]) -> None:
        for stored in records:
            message = decode(stored.value)
            if isinstance(message, LegsDecided):
                if self._journal:
                    self._journal.certainty(message)
                self._settled_markets.update(decision.market for decision in message.decisions)

    def _hear_books(self, records: Sequence[Stored]) -> None:
        """Whether the owner is alive; changes of books come by the gate, as it takes them in."""
        assert self._journal
        if any(not stored.key and isinstance(decode(stored.value), OddsAlive) for stored in records):
            self._journal.alive()

    def _hear_accounts(self, records: Sequence[Stored]) -> None:
        for stored in records:
            fact = decode(stored.value)
            assert isinstance(fact, AccountFact), fact
            self._tally.said(fact)
            self.fans.hear(fact)
            if isinstance(fact, BetReferred):
                self.trader.referred(fact)

    def _book_changed(self, change: BookChanged, offset: int) -> None:
        self.report.book_changes += 1
        if self._journal:
            self._journal.book(change, offset)
        if change.cause == "scheduled":
            self._promotions.announced(self.fans.names)
            self.fans.fixture(change.board)

    def _sum_up(self) -> None:
        report = self.report
        self._tally.fill(report)
        report.price_changes = self.platform.odds.repriced
        report.markets_settled = len(self._settled_markets)
        report.selections_accepted_by_market = dict(sorted(self.fans.by_market.items()))
        report.fans_did = self.fans.deeds
        report.bets_open = self.ledger.open_bets()
        report.bets_settled = report.bets_accepted - report.bets_open
        report.money_conserved = all(total == 0 for total in self.ledger.totals().values())
        report.reports_rejected = self.platform.feed.rejected
        if self._journal:
            self._journal.ending(self._inner)
            report.journal_lines = self._journal.lines
