"""Ledger: entries, settlements, free bets, cash-outs, balances and statements."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import chain, combinations
from typing import Final, NamedTuple

from tests.journal_check.books import true_of
from tests.journal_check.guards import Guards
from tests.journal_check.lines import combined, multiplier, returns, sizes_of
from tests.journal_check.report import Row
from tests.journal_check.state import DAY_MS, Account, Bet, FreeBet, Leg, State

ROLES: Final = ("stakes", "house", "bank", "shortfall", "freebets", "promotions")
SETTLING: Final = ("settlement", "resettlement", "rollback")


class Posting(NamedTuple):
    """One signed amount of an entry, minor units."""

    account: str
    amount: int
    currency: str
    bet: str | None
    reason: str


class Ledger:
    """Judges every entry by what it has to be, and at the end what everybody has."""

    def __init__(self, state: State, guards: Guards) -> None:
        self._state = state
        self._guards = guards
        self._entry: int | None = None
        self._postings: list[Posting] = []
        self._line = 0
        self._t_ms = 0
        self._entries: set[int] = set()
        self._statements: defaultdict[str, list[list[object]]] = defaultdict(list)
        self._due: dict[str, dict[str, int]] = {}
        """What the next entry of a reason has to be, by role, where a line before it says so."""

    # ------------------------------------------------ accounts and free bets

    def on_account(self, row: Row) -> None:
        """An account was opened, or its status changed."""
        known = self._state.accounts.get(row["account"])
        if known is None:
            self._state.accounts[row["account"]] = account = Account(row["currency"], row["status"])
            if (limit := row.get("stake_per_day")) is not None:
                account.limits["stake_day"] = (limit, limit, 0)
        else:
            known.status = row["status"]

    def on_free_bet(self, row: Row) -> None:
        """A free bet was given, or was to be taken back as its time is over."""
        state, name = self._state, row["free_bet"]
        free, account = state.free_bets.get(name), state.accounts.get(row["account"])
        if row["action"] == "given":
            expected = _may_have(account, row["currency"])
            if free is not None and expected == "accepted":
                same = (free.account, free.amount, free.until_ms) == (row["account"], row["amount"], row["until_ms"])
                expected = "accepted" if same else "id_reused"
            elif expected == "accepted":
                state.free_bets[name] = FreeBet(row["account"], row["amount"], row["until_ms"])
                self._expect("free_bet", {"freebets": row["amount"], "promotions": -row["amount"]})
        else:
            known = free is not None and account is not None and free.account == row["account"]
            expected = "accepted" if known else "free_bet_unknown"
            if free is not None and known and free.state == "available" and row["t_ms"] >= free.until_ms:
                free.state = "expired"
                self._expect("free_bet_expired", {"freebets": -free.amount, "promotions": free.amount})
        good = row["answer"] == expected
        state.report.saw("free bets", row["action"])
        state.judge(good, "answer about a free bet", lambda: f"{name}: {row['answer']}, expected {expected}")

    def _expect(self, reason: str, entry: dict[str, int]) -> None:
        """The next entry of that reason has to be this one."""
        missing = self._due.get(reason)
        self._state.judge(missing is None, "entry of no bet", lambda: f"{reason}: no entry of {missing}")
        self._due[reason] = entry

    # ------------------------------------------------ entries

    def on_posting(self, row: Row) -> None:
        """One posting of an entry; those of one entry stand together."""
        if row["entry"] != self._entry:
            self.close()
            good = row["entry"] not in self._entries
            self._state.judge(good, "entry is whole", lambda: f"entry {row['entry']} again")
            self._entry = row["entry"]
            self._entries.add(row["entry"])
        amount, account = row["amount"], row["account"]
        if type(amount) is not int:
            raise ValueError(f"amount {amount!r} is no integer of minor units")
        self._state.balances[account] += amount
        self._line, self._t_ms = self._state.line, row["t_ms"]
        self._postings.append(Posting(account, amount, row["currency"], row.get("bet"), row["reason"]))

    def close(self) -> None:
        """Judges the entry whose last posting has been read."""
        postings, entry, state = self._postings, self._entry, self._state
        if not postings:
            return
        self._postings, self._entry = [], None
        sums: Counter[str] = Counter()
        for account, amount, currency, bet, reason in postings:
            sums[currency] += amount
            if ":" not in account:
                left, known = state.balances[account], state.accounts.get(account)
                text = f"{account}: {left}"
                state.report.judge(left >= 0, self._line, "player is not negative", text)
                good = known is not None and known.currency == currency
                state.report.judge(good, self._line, "posting to a known account", f"{account}, {currency}")
                self._statements[account].append([entry, amount, reason, bet])
        text = f"entry {entry}: {dict(sums)}"
        state.report.judge(not any(sums.values()), self._line, "entry is balanced", text)
        shapes = {(posting.currency, posting.bet, posting.reason) for posting in postings}
        state.report.judge(len(shapes) == 1, self._line, "entry is of one bet", f"entry {entry}: {shapes}")
        _, bet_id, reason = next(iter(shapes))
        if bet_id is None:
            self._other_entry(reason, postings)
        elif (found := state.bets.get(bet_id)) is None:
            state.report.judge(False, self._line, "stake entry", f"bet {bet_id} was never accepted")
        else:
            self._bet_entry(found, reason, postings)

    def _other_entry(self, reason: str, postings: list[Posting]) -> None:
        """Money in and out faces the bank; free bets stand between two accounts of the house."""
        told = _by_role(postings, "")
        if reason in ("free_bet", "free_bet_expired"):
            expected = self._due.pop(reason, {})
        else:
            expected = {"bank": -sum(p.amount for p in postings if ":" not in p.account), "": told.get("", 0)}
        self._same("entry of no bet", reason, told, expected)

    def _same(self, check: str, what: str, told: dict[str, int], expected: dict[str, int]) -> None:
        expected = {role: amount for role, amount in expected.items() if amount}
        text = f"{what}: {told}, expected {expected}"
        self._state.report.judge(told == expected, self._line, check, text)

    def _bet_entry(self, bet: Bet, reason: str, postings: list[Posting]) -> None:
        """An entry of a bet by role, "" being the fan's own account."""
        state, told = self._state, _by_role(postings, bet.account)
        foreign = [p.account for p in postings if p.account != bet.account and ":" not in p.account]
        state.report.judge(not foreign, self._line, "entry of one player", f"bet {bet.id}: {foreign}")
        if reason == "stake":
            source = "freebets" if bet.free_bet else ""
            again = {} if bet.reserved else {source: -bet.stake, "stakes": bet.stake}
            self._same("stake entry", f"bet {bet.id}", told, again)
            if not bet.reserved and not bet.free_bet:
                state.awaiting[bet.account] -= bet.stake
            bet.reserved = True
        elif reason == "cash_out":
            self._cashed_out(bet, told)
        elif reason in SETTLING:
            self._settled(bet, reason, told)
        else:
            state.report.judge(False, self._line, "entry of one bet", f"bet {bet.id}: reason {reason}")

    # ------------------------------------------------ settling

    def _settled(self, bet: Bet, reason: str, told: dict[str, int]) -> None:
        """The stake leaves where it is and goes where it has to be, and the fan gets the difference to what he has had
        of it; what his balance cannot cover he owes on this bet."""
        state, legs = self._state, bet.legs
        version = state.version_of(legs, bet.placed_ms)
        results = [state.result_of(leg, bet.placed_ms) for leg in legs]
        fresh = version > bet.version and bet.status != "cashed_out"
        text = f"bet {bet.id}: at {version} after {bet.version}, {bet.status}"
        state.report.judge(fresh, self._line, "settled once per version", text)
        status, back = self._by_results(bet, results)
        before = state.balances[bet.account] - told.get("", 0)
        change = max(back - bet.returned - bet.owed, -before)
        owed = bet.returned + bet.owed + change - back
        opens = (status == "open") - (bet.status == "open")
        expected: Counter[str] = Counter()
        expected[self._stake_is(bet)] -= bet.remaining
        expected[self._stake_goes(bet, status)] += bet.remaining
        expected[""] += change
        expected["shortfall"] += bet.owed - owed
        expected["house"] += bet.returned - back
        good = reason == {-1: "settlement", 0: "resettlement", 1: "rollback"}[opens]
        state.report.judge(good, self._line, "reason of a settlement", f"bet {bet.id}: {reason}")
        results_text = f"bet {bet.id} ({bet.type}, {results})"
        self._same("return by the decisions", results_text, told, expected)
        state.accounts[bet.account].returned[self._t_ms // DAY_MS] += told.get("", 0)
        if opens:
            self._guards.hold(bet, opens)
        bet.status, bet.returned, bet.owed, bet.version, bet.told = status, back, owed, version, False

    def _by_results(self, bet: Bet, results: list[str | None]) -> tuple[str, int]:
        """(status, what comes back): void where all legs are; open while a leg is undecided, unless each line has one
        that lost, which then needs no other."""
        decided = [result for result in results if result is not None]
        if len(decided) < len(results):
            lines = chain.from_iterable(combinations(results, size) for size in sizes_of(bet.type, len(results)))
            return ("settled" if all("lost" in line for line in lines) else "open"), 0
        found = [multiplier(result, leg.price) for result, leg in zip(decided, bet.legs, strict=True)]
        back = returns(bet.type, bet.remaining, found, free=bool(bet.free_bet))
        return ("void" if set(decided) == {"void"} else "settled"), back

    def _stake_is(self, bet: Bet) -> str:
        """Which account of the house has a bet's stake: one that void gave back is taken back from the free bet, unless
        that was used again."""
        if bet.status == "void" and bet.free_bet:
            free = self._state.free_bets[bet.free_bet]
            if (free.state, free.bet) == ("available", bet.id):
                free.state = "used"
                return "freebets"
            return "promotions"
        return "stakes" if bet.status == "open" else "house"

    def _stake_goes(self, bet: Bet, status: str) -> str:
        """Void, a free bet can be used again until its time is over."""
        if status == "void" and bet.free_bet:
            free = self._state.free_bets[bet.free_bet]
            if (free.state, free.bet) == ("used", bet.id) and self._t_ms < free.until_ms:
                free.state = "available"
                self._state.report.saw("free bets", "given back")
                return "freebets"
            return "promotions"
        return "stakes" if status == "open" else "house"

    def on_state(self, row: Row) -> None:
        """How a bet stands, as its fan is told."""
        state, bet = self._state, self._state.bets[row["bet"]]
        if bet.told and row["version"] > bet.version:  # brought to a new version without any difference to post
            self._line, self._t_ms = state.line, row["t_ms"]
            self._settled(bet, "resettlement", {})
        told = tuple(row[name] for name in ("status", "returns", "version", "owed", "cashed", "cash"))
        expected = (bet.status, bet.returned, bet.version, bet.owed, bet.cashed, bet.cash)
        state.judge(told == expected, "bet as told", lambda: f"bet {bet.id}: {told}, expected {expected}")
        bet.told = True

    # ------------------------------------------------ cash-out

    def _cashed_out(self, bet: Bet, told: dict[str, int]) -> None:
        row = self._state.cash_outs.pop(bet.id, None)
        self._state.report.judge(row is not None, self._line, "cash-out entry", f"bet {bet.id}: nobody cashed it out")
        if row is None:
            return
        stake = row["stake"] or bet.remaining
        change = max(0, row["asked"] - bet.owed)
        owed = bet.owed - (row["asked"] - change)
        expected = {"stakes": -stake, "": change, "shortfall": bet.owed - owed, "house": stake - row["asked"]}
        self._same("cash-out entry", f"bet {bet.id}", told, expected)
        self._state.accounts[bet.account].returned[self._t_ms // DAY_MS] += change
        self._guards.hold(bet, -1)
        bet.cashed, bet.cash, bet.owed, bet.told = bet.cashed + stake, bet.cash + row["asked"], owed, False
        self._guards.hold(bet, 1)  # of nothing, where all of it was cashed out
        bet.status, bet.cash_out_at = "open" if bet.remaining else "cashed_out", None

    # ------------------------------------------------ what everybody has

    def on_balance(self, row: Row) -> None:
        """A balance, as the ledger has it at the end."""
        told, summed = row["balance"], self._state.balances[row["account"]]
        self._state.judge(told == summed, "balance", lambda: f"{row['account']}: {told}, postings give {summed}")

    def on_statement(self, row: Row) -> None:
        """A fan's statement: every entry that touched the account, newest first."""
        told, own = row["entries"], self._statements[row["account"]][::-1]
        self._state.judge(told == own, "statement", lambda: f"{row['account']}: {len(told)} entries, {len(own)} posted")

    def on_totals(self, row: Row) -> None:
        """The sum over all accounts of each currency is zero."""
        good = not any(row["totals"].values())
        self._state.judge(good, "sum of all accounts", lambda: f"{row['totals']}")

    def on_exposures(self, row: Row) -> None:
        """What is held of every exposure that is not zero."""
        own = self._guards.exposures()
        wrong = [name for name in own.keys() | row["held"].keys() if own.get(name) != row["held"].get(name)]
        self._state.judge(not wrong, "exposures", lambda: f"{len(wrong)} differ, as {min(wrong)}")

    # ------------------------------------------------ the end

    def finish(self) -> None:
        """Judges what only the whole journal shows of bets and money."""
        self.close()
        state = self._state
        for reason, expected in self._due.items():
            state.report.judge(False, state.line, "entry of no bet", f"{reason}: no entry of {expected}")
        for name in state.cash_outs:
            state.report.judge(False, state.line, "cash-out entry", f"bet {name}: nothing was paid")
        for bet in state.bets.values():
            self._finish_bet(bet)
        self._finish_reserves()
        for check, what in (("balance", "balances"), ("statement", "statements"), ("exposures", "exposures"),
                            ("sum of all accounts", "totals")):  # fmt: skip
            if not state.report.checked[check]:
                state.report.unchecked(check, f"the journal states no {what}")

    def _finish_bet(self, bet: Bet) -> None:
        state = self._state
        state.report.judge(bet.reserved, bet.line, "stake entry", f"bet {bet.id}: no entry took its stake")
        state.report.judge(bet.told, bet.line, "bet as told", f"bet {bet.id}: how it stands was not told")
        if bet.status == "cashed_out":
            return
        results = [state.result_of(leg, bet.placed_ms) for leg in bet.legs]
        over = all(self._is_over(selection) for leg in bet.legs for selection in leg.selections)
        last = self._by_results(bet, results)
        if bet.status == last[0] == "open" and not over:
            state.report.unchecked("settled", "a fixture of the bet is not over in the journal")
            return
        state.report.judge(bet.status != "open", bet.line, "settled", f"bet {bet.id}: never settled")
        if bet.status == "open":
            return
        text = f"bet {bet.id}: {bet.status}, {bet.returned}, expected {last}"
        state.report.judge(last == (bet.status, bet.returned), bet.line, "last decisions are paid", text)
        truths = [self._true_result(leg, bet.placed_ms) for leg in bet.legs]
        if None in truths:
            reason = "the provider's files do not tell a leg's result"
            state.report.unchecked("return by the provider", reason)
        else:
            true = self._by_results(bet, truths)
            text = f"bet {bet.id}: {bet.status}, {bet.returned}, expected {true}"
            state.report.judge(true == (bet.status, bet.returned), bet.line, "return by the provider", text)

    def _is_over(self, selection: str) -> bool:
        market = self._state.markets.get(selection.rpartition("/")[0])
        return market is None or market.decided(selection)

    def _true_result(self, leg: Leg, placed_ms: int) -> str | None:
        if any(window.from_ms <= placed_ms < window.until_ms for window in self._state.windows[leg.fixture]):
            return "void"
        found = [true_of(self._state, selection)[0] for selection in leg.selections]
        return found[0] if len(found) == 1 else combined(found)

    def _finish_reserves(self) -> None:
        """The house holds just the stakes of open bets, and just the free bets that can be used."""
        state = self._state
        held: Counter[str] = Counter()
        for account, amount in state.balances.items():
            if ":" in account:
                held[account.split(":")[0]] += amount
        due = {
            "stakes": sum(bet.remaining for bet in state.bets.values() if bet.status == "open"),
            "freebets": sum(free.amount for free in state.free_bets.values() if free.state == "available"),
            "shortfall": -sum(bet.owed for bet in state.bets.values()),
        }
        for role, amount in due.items():
            text = f"{role}: {held[role]} held, {amount} is due"
            state.report.judge(held[role] == amount, state.line, "held at the end", text)


def _may_have(account: Account | None, currency: str) -> str:
    """Whether a free bet may be given to an account."""
    if account is None:
        return "account_unknown"
    if account.status == "closed":
        return "account_not_open"
    return "accepted" if account.currency == currency else "currency_mismatch"


def _by_role(postings: list[Posting], player: str) -> dict[str, int]:
    """Amounts by the house's role, those of a player under ""; of zero left out."""
    sums: Counter[str] = Counter()
    for posting in postings:
        role, _, rest = posting.account.partition(":")
        own = ":" not in posting.account and (not player or posting.account == player)
        known = role in ROLES and rest.split(":")[0] == posting.currency
        sums["" if own else role if known else posting.account] += posting.amount
    return {role: amount for role, amount in sums.items() if amount}
