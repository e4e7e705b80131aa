"""What only a ledger on PostgreSQL can get wrong: several processes at once, connections that break in the middle of a
commit, facts that commit out of order, schemas of other releases."""

import random
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from matchday.backends import ledger_postgres_schema
from matchday.backends.errors import BackendError
from matchday.backends.ledger_postgres import PostgresLedgerCore, postgres_ledger
from matchday.backends.ledger_postgres_rows import RowStore, Working
from matchday.backends.postgres import connect
from matchday.backends.postgres_trip import Trip
from matchday.config import Postgres
from matchday.model.bet import BetStatus
from matchday.model.ledger import (
    REFUSALS_MS,
    Answer,
    Charge,
    Command,
    DecideLegs,
    GrantFreeBet,
    PlaceBet,
    Refusal,
    SettleBet,
    SettleBets,
    Transfer,
)
from matchday.model.messages import Decision
from matchday.ops.engines.postgres import OWNER
from matchday.ports import LedgerUnavailable
from matchday.sim.clock import VirtualClock
from tests.contract.test_ledger import LOST, NOW, WON, bet, decide, opened
from tests.contract.wire import Wire
from tests.engines import QUICK, Databases, small_disk

PATIENCE_S = 20.0
RACES = 150
Core = PostgresLedgerCore


@pytest.fixture
def database(postgres: Databases, shared_database: str) -> str:
    postgres.empty(shared_database)
    return shared_database


@pytest.fixture
def address(postgres: Databases, database: str) -> str:
    return postgres.server.address(database)


def settings(address: str, **more: Any) -> Postgres:
    return Postgres(**{"address": address, **QUICK, **more})


@pytest.fixture
def core(address: str) -> Iterator[Core]:
    with closing(Core(settings(address))) as found:
        yield found


class Processes:
    """Several ledgers' connections, each on a thread, that do something at the same moment."""

    def __init__(self, address: str, count: int) -> None:
        with ExitStack() as stack:
            self.cores = [stack.enter_context(closing(Core(settings(address)))) for _ in range(count)]
            self._pool = stack.enter_context(ThreadPoolExecutor(count))
            self._start = threading.Barrier(count)
            self.close = stack.pop_all().close

    def at_once(self, *calls: Callable[[Core], Any]) -> list[Any]:
        """One call for each process; what they return."""

        def run(call: Callable[[Core], Any], core: Core) -> Any:
            self._start.wait(PATIENCE_S)
            return call(core)

        waiting = [self._pool.submit(run, call, core) for call, core in zip(calls, self.cores, strict=True)]
        return [each.result(PATIENCE_S) for each in waiting]


@pytest.fixture
def two(address: str) -> Iterator[Processes]:
    with closing(Processes(address, 2)) as found:
        yield found
        consistent(found.cores[0])


def consistent(core: Core) -> None:
    assert set(core.totals().values()) <= {0}
    assert {name: amount for name, amount in core.balances().items() if amount} == {
        name: amount for name, amount in core.posted().items() if amount
    }


def commits(*commands: Command) -> Callable[[Core], list[Answer]]:
    return lambda core: core.commit(commands)


def fans(core: Core, count: int, balance: int) -> list[str]:
    names = [f"fan{number}" for number in range(count)]
    for start in range(0, count, 100):
        core.commit([command for name in names[start : start + 100] for command in opened(balance, account=name)])
    return names


# --- races of real connections ----------------------------------------------------------------------------------------


def test_two_processes_race_one_balance(two: Processes) -> None:
    for number, fan in enumerate(fans(two.cores[0], RACES, 100)):
        bets = [bet(60, name=f"b{number}-{process}", account=fan) for process in range(2)]
        found = two.at_once(*(commits(each) for each in bets))
        assert sorted(str(answers[0].refusal) for answers in found) == ["None", "insufficient_funds"]
        assert two.cores[0].balances()[fan] == 40 if number % 50 == 0 else True


def test_two_processes_race_one_guard(two: Processes) -> None:
    """A guard of a name that neither of them has met. Whoever is in all races may win each."""
    for number, fan in enumerate(fans(two.cores[0], RACES, 10 * RACES)):
        charge = (Charge(f"exposure:F{number}#0", 60, 100, Refusal.EXPOSURE_REACHED),)
        bets = [bet(10, name=f"b{number}-{n}", account=f, charges=charge) for n, f in enumerate((fan, "fan0"))]
        found = two.at_once(*(commits(each) for each in bets))
        assert sorted(str(answers[0].refusal) for answers in found) == ["None", "exposure_reached"]
    names = [f"exposure:F{number}#0" for number in range(RACES)]
    assert two.cores[1].guards(names) == dict.fromkeys(names, 60)


def test_two_processes_race_one_id(two: Processes) -> None:
    for number, fan in enumerate(fans(two.cores[0], RACES, 1_000)):
        once = bet(10, name=f"b{number}", account=fan)
        again = msgspec.structs.replace(once, bet=f"c{number}")  # another gate calls it otherwise
        first, second = (answers[0] for answers in two.at_once(commits(once), commits(again)))
        assert first.bet == second.bet
        assert sorted((first.repeated, second.repeated)) == [False, True]
    assert two.cores[0].open_bets() == RACES
    assert len(two.cores[0].facts(0, 10_000)) == 2 * RACES


def test_two_processes_open_one_account_and_give_one_free_bet(two: Processes) -> None:
    for number in range(RACES):
        both = [*opened(1_000, account=f"new{number}"), bet(10, name=f"b{number}", account=f"new{number}")]
        grants = [GrantFreeBet(f"g{n}", f"new{number}", f"free{number}", 50, "EUR", NOW + 1, NOW) for n in range(2)]
        found = two.at_once(*(commits(*both, grant) for grant in grants))
        assert [[answer.refusal for answer in answers] for answers in found] == [[None] * 4] * 2
        assert sorted(answers[0].repeated for answers in found) == [False, True]
    held = two.cores[0].balances()
    assert (held["fan"] if "fan" in held else held["new0"], held["freebets:EUR:0"]) == (990, 50 * RACES)


def test_a_leg_is_decided_while_its_bet_commits(two: Processes) -> None:
    """As settlement does it: whoever hears of the bet looks for decisions, whoever decides sweeps the bets."""
    names = fans(two.cores[0], RACES, 1_000)
    swept = 0
    for number, fan in enumerate(names):
        fixture, home = f"F{number}", f"F{number}:1x2/home"
        decision = DecideLegs(f"d{number}", fixture, 7, (Decision(f"{fixture}:1x2", home, WON),), NOW)
        placed = bet(100, name=f"b{number}", selection=home, account=fan)

        def places(core: Core, placed: PlaceBet = placed, home: str = home) -> None:
            core.commit([placed])
            if core.decisions([home]):
                core.commit([SettleBet("late", placed.bet, placed.account, NOW)])

        def decides(core: Core, decision: DecideLegs = decision, home: str = home) -> bool:
            core.commit([decision])
            numbers = tuple(number for _, number in core.bets_on([home], 0, 100))
            core.commit([SettleBets("sweep", decision.fixture, numbers, NOW)])
            return bool(numbers)

        swept += two.at_once(places, decides)[1]
    found = [two.cores[0].bet(f"b{number}") for number in range(RACES)]
    assert {held.status for held in found if held is not None} == {BetStatus.SETTLED}
    assert {two.cores[0].balances()[fan] for fan in names} == {1_150}
    assert len(two.cores[0].facts(0, 10_000)) == 3 * RACES
    assert 0 < swept <= RACES


def test_two_processes_decide_one_leg(two: Processes) -> None:
    """Whoever comes last, the higher version stays."""
    for number in range(RACES):
        home = f"F{number}:1x2/home"
        both = [
            DecideLegs(f"d{version}", f"F{number}", version, (Decision(f"F{number}:1x2", home, outcome),), NOW)
            for version, outcome in ((5, WON), (6, LOST))
        ]
        two.at_once(*(commits(each) for each in both[:: 1 if number % 2 else -1]))
        assert two.cores[0].decisions([home]) == {home: (6, LOST)}


def test_a_settlement_is_made_once_while_money_leaves(two: Processes) -> None:
    names = fans(two.cores[0], RACES, 100)
    for number, fan in enumerate(names):
        two.cores[0].commit([bet(100, name=f"b{number}", account=fan, selection=f"F{number}:1x2/home")])
        decision = Decision(f"F{number}:1x2", f"F{number}:1x2/home", WON)
        two.cores[0].commit([DecideLegs("d", f"F{number}", 5, (decision,), NOW)])
        settles = SettleBet("s", f"b{number}", fan, NOW)
        leaves = Transfer("w", fan, -250, "EUR", "withdrawal", NOW)
        found = two.at_once(commits(settles), commits(settles, leaves))
        assert [answers[0].bet and answers[0].bet.returns for answers in found] == [250, 250]
        assert found[1][1].refusal is None
    assert {two.cores[0].balances()[fan] for fan in names} == {0}


def test_an_account_is_opened_while_a_batch_waits(two: Processes, postgres: Databases, address: str) -> None:
    """The batch looked for accounts before that, and for ids after it: it looks again."""
    slow, quick = two.cores
    quick.commit(opened(account="bert"))
    waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    with psycopg.connect(address) as holder, ThreadPoolExecutor(1) as pool:
        holder.execute("SELECT FROM accounts FOR UPDATE")
        batch = [Transfer("t", "bert", 1, "EUR", "x", NOW), *opened(), bet(100)]
        waiting = pool.submit(slow.commit, batch)
        assert eventually(lambda: postgres.server.say(waits) == [(1,)])
        quick.commit(opened())
        holder.rollback()
        answers = waiting.result(PATIENCE_S)
    assert [(answer.refusal, answer.repeated) for answer in answers] == [
        (None, False), (None, True), (None, True), (None, False),
    ]  # fmt: skip


def test_nobody_waits_in_a_circle(postgres: Databases, address: str) -> None:
    """Batches of the same accounts, guards and fixtures, in opposite orders."""
    log = postgres.server.log
    before = log.read_text().count("deadlock detected")
    with closing(Processes(address, 4)) as four:
        names = fans(four.cores[0], 12, 10**6)

        def batch(process: int, turn: int) -> list[Command]:
            order = names[:: 1 if process % 2 else -1]
            charges = [(Charge(f"exposure:G{n}", 1, 10**9, Refusal.EXPOSURE_REACHED),) for n in range(len(names))]
            bets = [
                bet(10, name=f"b{process}-{turn}-{fan}", account=fan, charges=charges[number])
                for number, fan in enumerate(order)
            ]
            decisions = (Decision("F:1x2", "F:1x2/away", WON),)
            return [*bets, DecideLegs(f"d{process}-{turn}", f"F{(process + turn) % 3}", turn, decisions, NOW),
                    DecideLegs(f"e{process}-{turn}", f"F{turn % 3}", turn, decisions, NOW)]  # fmt: skip

        def works(process: int) -> Callable[[Core], int]:
            return lambda core: sum(
                answer.refusal is None for turn in range(15) for answer in core.commit(batch(process, turn))
            )

        assert four.at_once(*map(works, range(4))) == [15 * (len(names) + 2)] * 4
        consistent(four.cores[0])
        assert set(four.cores[0].guards([f"exposure:G{n}" for n in range(len(names))]).values()) == {60}
    assert log.read_text().count("deadlock detected") == before


def test_four_processes_settle_the_same_bets_again_and_again(postgres: Databases, address: str) -> None:
    """Each goes through them in an order of its own, while the leg is decided otherwise and other bets are placed."""
    log = postgres.server.log
    before = log.read_text().count("deadlock detected")
    with closing(Processes(address, 4)) as four:
        core, names = four.cores[0], fans(four.cores[0], 12, 10**6)
        guards = [f"exposure:G{n}" for n in range(len(names))]

        def charged(name: str, number: int, outcome: str = "home") -> PlaceBet:
            two = (guards[number], guards[-1])
            charges = tuple(Charge(guard, 15, 10**9, Refusal.EXPOSURE_REACHED) for guard in two)
            return bet(10, name=name, account=names[number], charges=charges, selection=f"F:1x2/{outcome}")

        core.commit([charged(f"b{number}", number) for number in range(len(names))])
        numbers = [number for _, number in core.bets_on(["F:1x2/home"], 0, 100)]

        def settles(process: int) -> Callable[[Core], None]:
            order = tuple(random.Random(process).sample(numbers, len(numbers)))

            def work(core: Core) -> None:
                for turn in range(12):
                    if process == 0:
                        core.commit([decide(turn + 1, (WON, LOST)[turn % 2])])
                    core.commit([SettleBets("s", "F", order, NOW)])
                    core.commit([charged(f"c{process}-{turn}", (turn + process) % 12, "away")])
                core.commit([SettleBets("s", "F", order, NOW)])

            return work

        four.at_once(*map(settles, range(4)))
        consistent(core)
        found = [core.bet(f"b{number}") for number in range(len(names))]
        assert {(held.version, held.returns) for held in found if held is not None} == {(12, 0)}
        used = core.guards(guards)
        assert (sum(used.values()), used[guards[-1]]) == (2 * 15 * 4 * 12, 15 * (4 * 12 + 4))
    assert log.read_text().count("deadlock detected") == before


# --- the outbox -------------------------------------------------------------------------------------------------------


class Paused(RowStore):
    """Between what it has loaded and what it writes, a batch waits to be let go."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded, self.go = threading.Event(), threading.Event()

    def save(self, trip: Trip, work: Working, commands: Sequence[Command], writer: int) -> None:
        self.loaded.set()
        assert self.go.wait(PATIENCE_S)
        super().save(trip, work, commands, writer)


@pytest.mark.parametrize("account", ["anna", "somebody new"])
def test_no_fact_appears_before_one_with_a_lower_number(two: Processes, account: str) -> None:
    """Also where the first has locked nothing yet, as there is nothing to lock."""
    slow, quick = two.cores
    if account == "anna":
        quick.commit(opened())
    quick.commit(opened(account="bert"))
    before = [fact.seq for fact in quick.facts(0, 100)]
    paused = slow._committer._store = Paused()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(slow.commit, [*opened(account=account), Transfer("t", account, 5, "EUR", "x", NOW)])
        assert paused.loaded.wait(PATIENCE_S)
        quick.commit([Transfer("t", "bert", 5, "EUR", "x", NOW)])
        assert [fact.seq for fact in quick.facts(0, 100)] == before
        assert [entry.entry for entry in quick.entries(0, 100)] == before
        paused.go.set()
        first.result(PATIENCE_S)
    seen = [(fact.account, fact.seq) for fact in quick.facts(before[-1], 100)]
    assert [seq for _, seq in seen] == sorted(seq for _, seq in seen)
    assert [name for name, _ in seen] == [account] * (2 if account != "anna" else 1) + ["bert"]


def test_somebody_elses_transaction_holds_back_nothing(core: Core, address: str) -> None:
    core.commit(opened())
    with psycopg.connect(address) as other:
        other.execute("CREATE TABLE report (n int)")
        core.commit([bet(100)])
        assert (len(core.facts(0, 10)), len(core.entries(0, 10))) == (2, 2)


def test_news_of_other_processes_is_heard(core: Core, address: str) -> None:
    heard = threading.Semaphore(0)
    posted: list[Callable[[], None]] = []

    def post(call: Callable[[], None]) -> None:
        posted.append(call)
        heard.release()

    with postgres_ledger(settings(address), VirtualClock(seed=1), post, posted.append) as ledger:  # type: ignore[arg-type]
        told: list[int] = []
        ledger.listen(lambda: told.append(len(ledger.facts(0, 10))))
        core.commit(opened())
        while not told or not told[-1]:
            assert heard.acquire(timeout=PATIENCE_S)
            posted.pop()()
        core.commit([bet(100)])
        while told[-1] < 2:
            assert heard.acquire(timeout=PATIENCE_S)
            posted.pop()()


def test_old_refusals_are_forgotten_and_nothing_else(core: Core) -> None:
    refused, taken = bet(100, refusal=Refusal.MARKET_SUSPENDED), bet(100)
    core.commit([*opened(), refused, taken])
    core.purge(NOW + REFUSALS_MS)
    assert core.answer("anna", refused.id) is not None
    core.purge(NOW + REFUSALS_MS + 1)
    assert core.answer("anna", refused.id) is None
    assert core.answer("anna", taken.id) is not None


def test_a_name_of_ours_that_is_not_unique_is_a_fault(core: Core) -> None:
    core.commit([*opened(), bet(100, name="b1")])
    with pytest.raises(psycopg.errors.UniqueViolation):
        core.commit([bet(100, name="b1")])
    assert core.commit([bet(100, name="b2")])[0].refusal is None


def test_who_follows_the_outbox_misses_nothing(address: str) -> None:
    with closing(Processes(address, 3)) as three:
        names = fans(three.cores[0], 30, 10**6)
        over = threading.Event()

        def pays(core: Core) -> None:
            mine = names[::2] if core is three.cores[1] else names[1::2]
            for turn in range(60):
                core.commit([Transfer(f"t{turn}", fan, 1, "EUR", "x", NOW) for fan in mine])
            if core is three.cores[1]:
                over.set()

        def follows(core: Core) -> list[int]:
            seen = [0]
            while not over.is_set() or core.facts(seen[-1], 1):
                seen += [seq for seq, _, _ in core.outbox(seen[-1], 7)]
            return seen[1:]

        followed = three.at_once(follows, pays, pays)[0]
        followed += [fact.seq for fact in three.cores[0].facts(followed[-1], 10_000)]
        assert followed == [fact.seq for fact in three.cores[0].facts(0, 10_000)]
        assert len(followed) == 30 + 60 * 30


# --- connections that break -------------------------------------------------------------------------------------------


@pytest.fixture
def wire(postgres: Databases) -> Iterator[Wire]:
    with closing(Wire(postgres.server.port)) as found:
        yield found


def over(wire: Wire, database: str, **more: Any) -> Postgres:
    return settings(wire.address(database), **more)


@pytest.mark.parametrize(("heard", "repeated"), [(True, True), (False, False)])
def test_a_commit_whose_answer_is_lost_is_sent_again(
    wire: Wire, database: str, heard: bool, repeated: bool
) -> None:  # fmt: skip
    """Whether or not the server had heard of it, it is made once and answered."""
    with closing(Core(over(wire, database))) as core:
        core.commit(opened())
        (wire.cut_after if heard else wire.cut_before)(b"bet_accepted")
        (answer,) = core.commit([bet(100)])
        assert (answer.refusal, answer.repeated) == (None, repeated)
        assert (core.open_bets(), core.balances()["anna"]) == (1, 9_900)
        assert wire.was_cut


def test_a_commit_is_answered_though_nobody_says_where_it_ends(fresh: str) -> None:
    """It is recorded by then; the standby is not read until one is known to have come as far."""
    with psycopg.connect(fresh, autocommit=True) as owner:
        owner.execute("CREATE ROLE app LOGIN")
        try:
            owner.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO app")
            owner.execute("GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO app")
            with closing(Core(settings(fresh.replace("user=bet", "user=app"), standby=fresh))) as core:
                core.commit(opened())
                owner.execute("REVOKE EXECUTE ON FUNCTION pg_current_wal_insert_lsn() FROM PUBLIC")
                for number in range(2):
                    assert [answer.refusal for answer in core.commit([bet(100, name=f"b{number}")])] == [None]
                assert (core.open_bets(), core.totals()) == (2, {"EUR": 0})
        finally:
            owner.execute("DROP OWNED BY app")
            owner.execute("DROP ROLE app")


def test_a_fault_of_ours_while_writing_leaves_no_lock(two: Processes) -> None:
    class Faulty(RowStore):
        def save(self, trip: Trip, work: Working, commands: Sequence[Command], writer: int) -> None:
            raise OverflowError("more than a column takes")

    first, second = two.cores
    first.commit(opened())
    first._committer._store = Faulty()
    with pytest.raises(OverflowError):
        first.commit([bet(100)])
    assert [answer.refusal for answer in second.commit([bet(100)])] == [None]  # its lock would be waited for


@pytest.mark.parametrize("reconnects", [False, True])
def test_a_guard_that_is_gone_is_made_anew(core: Core, address: str, reconnects: bool) -> None:
    """As after a fail-over to a server that had not heard of it: what it caps is capped all the same."""
    charge = (Charge("exposure:F#0", 60, 100, Refusal.EXPOSURE_REACHED),)
    core.commit(opened())
    core.commit([bet(10, name="b1", charges=charge)])
    with psycopg.connect(address, autocommit=True) as owner:
        owner.execute("DELETE FROM guards")
    if reconnects:
        core._committer.close()
    found = [core.commit([bet(10, name=f"c{number}", charges=charge)])[0].refusal for number in range(2)]
    assert found == [None, Refusal.EXPOSURE_REACHED]
    assert core.guards(["exposure:F#0"]) == {"exposure:F#0": 60}


def test_a_connection_that_was_lost_between_two_commits_is_nobodys_trouble(wire: Wire, database: str) -> None:
    with closing(Core(over(wire, database))) as core:
        core.commit(opened())
        wire.cut()
        assert [answer.repeated for answer in core.commit([bet(100)])] == [False]


def test_a_server_that_hangs_is_unavailable_and_holds_up_nobody_for_long(wire: Wire, database: str) -> None:
    with closing(Core(over(wire, database, read_ms_max=200, silence_ms_max=300))) as core:
        core.commit(opened())
        wire.hold()
        with pytest.raises(LedgerUnavailable, match=r"silent for 0\.2 s"):
            core.bet("b1")
        with pytest.raises(LedgerUnavailable):  # at once: there is no connection
            core.bet("b1")
        with pytest.raises(LedgerUnavailable, match=r"connection|silent"):
            core.commit([bet(100, name="b1")])
        wire.release()
        again = bet(100, name="b2")
        assert core.commit([again])[0].repeated is False
        assert eventually(lambda: core.bet("b2") is not None)
        assert core.open_bets() == 1


def eventually(holds: Callable[[], bool]) -> bool:
    """Whether it comes to hold. A reader's new connection comes from another thread."""
    waiting = threading.Event()
    for _ in range(2_000):
        try:
            if holds():
                return True
        except LedgerUnavailable:
            pass
        waiting.wait(0.005)
    return False


def test_a_lock_that_is_not_to_be_had_is_unavailable(address: str, core: Core) -> None:
    core.commit(opened())
    with closing(Core(settings(address, lock_ms_max=50))) as other, psycopg.connect(address) as holder:
        holder.execute("SELECT FROM accounts FOR UPDATE")
        placed = bet(100)
        with pytest.raises(LedgerUnavailable, match="lock timeout"):
            other.commit([placed])
        holder.rollback()
        assert other.commit([placed])[0].repeated is False


def test_a_read_that_takes_too_long_is_unavailable(address: str) -> None:
    with closing(Core(settings(address, read_ms_max=100))) as core, psycopg.connect(address) as holder:
        holder.execute("LOCK TABLE decisions")
        with pytest.raises(LedgerUnavailable):
            core.decisions(["F:1x2/home"])
        holder.rollback()
        assert eventually(lambda: core.decisions(["F:1x2/home"]) == {})


# --- at start ---------------------------------------------------------------------------------------------------------


def test_a_ledger_that_cannot_be_reached_says_so_without_its_password(postgres: Databases) -> None:
    address = "host=127.0.0.1 port=1 user=bet password=hunter2 dbname=nowhere"
    with pytest.raises(BackendError, match="MATCHDAY_POSTGRES_ADDRESS") as error:
        Core(settings(address))
    assert "nowhere at 127.0.0.1:1" in str(error.value)
    with pytest.raises(BackendError, match="connection string") as other:
        Core(settings("host=127.0.0.1 hunter2"))
    for text in (str(error.value), str(other.value), repr(settings(address))):
        assert "hunter2" not in text


def test_another_platforms_ledger_is_refused(address: str) -> None:
    with pytest.raises(BackendError, match=r"of the platform 'matchday', this one is 'other'.*MATCHDAY_POSTGRES"):
        Core(settings(address, platform="other"))


def test_a_ledger_goes_with_the_log_that_it_was_first_opened_with(fresh: str) -> None:
    """Until whoever runs it says that its log is lost."""
    goes_with = ledger_postgres_schema.goes_with
    for _ in range(2):
        goes_with(settings(fresh), "log-1")
    with pytest.raises(BackendError, match=r"the id log-1.*have log-2.*matchday cluster adopt"):
        goes_with(settings(fresh), "log-2")
    goes_with(settings(fresh), "log-2", from_now_on=True)
    goes_with(settings(fresh), "log-2")
    with pytest.raises(BackendError, match="goes with another log"):
        goes_with(settings(fresh), "log-1")


def test_a_ledger_has_an_id_that_stays(fresh: str, postgres: Databases) -> None:
    with psycopg.connect(fresh, autocommit=True) as owner:
        owner.execute("UPDATE platform SET id = DEFAULT")  # a template's copies have the same
        ids = {str(owner.execute("SELECT id::text FROM platform").fetchall()[0][0])}
    for _ in range(2):
        with postgres_ledger(settings(fresh), VirtualClock(seed=1), lambda call: call(), fail) as ledger:
            ids.add(ledger.id)
    assert len(ids) == 1
    other = postgres.server.address(postgres.new())
    with psycopg.connect(other, autocommit=True) as owner:
        owner.execute("DELETE FROM platform")
    with postgres_ledger(settings(other), VirtualClock(seed=1), lambda call: call(), fail) as ledger:
        assert ledger.id not in ids


def fail(error: BaseException) -> None:
    raise error


def test_a_server_that_takes_no_more_writes_is_unavailable_until_it_does(
    postgres: Databases, address: str, core: Core
) -> None:
    """As one that has become a standby, or whose operator has stopped it from being written to. Reads go on."""
    core.commit([*opened(10**6), bet(100, name="b1")])
    server, placed = postgres.server, bet(100, name="b2")
    server.say("ALTER SYSTEM SET default_transaction_read_only = on")
    server.say("SELECT pg_reload_conf()")
    try:
        assert eventually(lambda: server.say("SHOW default_transaction_read_only") == [("on",)])
        names = (f"b3-{number}" for number in range(10_000))
        assert eventually(lambda: refused(core, bet(1, name=next(names))))  # a connection hears of it by and by
        assert refused(core, placed)
        assert core.bet("b1") is not None
    finally:
        with psycopg.connect(server.address(), autocommit=True) as owner:
            owner.execute("SET default_transaction_read_only = off")
            owner.execute("ALTER SYSTEM RESET default_transaction_read_only")
            owner.execute("SELECT pg_reload_conf()")
    assert eventually(lambda: taken(core, placed))
    consistent(core)


def refused(core: Core, placed: PlaceBet) -> bool:
    try:
        core.commit([placed])
    except LedgerUnavailable:
        return True
    return False


def taken(core: Core, placed: PlaceBet) -> bool:
    return core.commit([placed])[0].refusal is None


@pytest.fixture
def fresh(postgres: Databases) -> Iterator[str]:
    """A database of one's own."""
    name = postgres.new()
    yield postgres.server.address(name)
    postgres.drop(name)


def test_a_newer_schema_is_used_as_long_as_that_says_so(fresh: str) -> None:
    newest = ledger_postgres_schema.migrations()[-1].version
    with psycopg.connect(fresh, autocommit=True) as owner:
        owner.execute("ALTER TABLE bets ADD COLUMN region text")
        owner.execute("INSERT INTO schema_version VALUES (%s, %s)", (newest + 1, newest))
        with closing(Core(settings(fresh))) as core:
            assert core.commit([*opened(), bet(100)])[2].refusal is None
        owner.execute("INSERT INTO schema_version VALUES (%s, %s)", (newest + 2, newest + 1))
    with pytest.raises(BackendError, match=rf"needs code that knows {newest + 1}; this one knows {newest}: run that"):
        Core(settings(fresh))


def test_migrations_run_once_and_in_order_whoever_starts(fresh: str) -> None:
    ours = ledger_postgres_schema.migrations()
    last = ours[-1].version
    more = [
        *ours,
        ledger_postgres_schema.Migration(last + 1, last, "CREATE TABLE extra (n int); INSERT INTO extra VALUES (1)"),
        ledger_postgres_schema.Migration(last + 2, last, "UPDATE extra SET n = n + 1"),
    ]

    def starts(_: int) -> None:
        with closing(connect(fresh, settings(fresh))) as connection:
            ledger_postgres_schema.prepare(connection, settings(fresh), more)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(starts, range(8)))
    with psycopg.connect(fresh) as owner:
        assert owner.execute("SELECT n FROM extra").fetchall() == [(2,)]
        assert owner.execute("SELECT max(version), max(needs) FROM schema_version").fetchall() == [(last + 2, last)]


def test_a_ledger_that_may_lose_answered_bets_is_refused(fresh: str) -> None:
    with psycopg.connect(fresh, autocommit=True) as owner:
        owner.execute("ALTER ROLE bet SET synchronous_commit = off")
        try:
            with pytest.raises(BackendError, match="could lose answered bets"):
                Core(settings(fresh))
        finally:
            owner.execute("ALTER ROLE bet RESET synchronous_commit")


# --- a full disk ------------------------------------------------------------------------------------------------------


@pytest.fixture
def small_tablespace(postgres: Databases) -> Iterator[Path]:
    """A disk of 4 MB for tables."""
    with small_disk(postgres.server.folder / "small", 4) as folder:
        shutil.chown(folder, OWNER)
        postgres.server.say(f"CREATE TABLESPACE small LOCATION '{folder}'")
        yield folder
        postgres.server.say("DROP TABLESPACE small")


def test_a_full_disk_is_unavailable_and_the_same_ids_are_taken_when_there_is_room_again(
    postgres: Databases, small_tablespace: Path
) -> None:  # fmt: skip
    database = postgres.new()
    postgres.server.say("ALTER TABLE facts SET TABLESPACE small; ALTER TABLE bets SET TABLESPACE small", database)
    filler = small_tablespace / "filler"
    filler.write_bytes(bytes(3 << 20))
    with closing(Core(settings(postgres.server.address(database)))) as core:
        core.commit(opened(10**6, per_day=10**9))
        batches = [[bet(1, name=f"b{batch}-{n}") for n in range(100)] for batch in range(40)]
        taken, refused, why = 0, list[list[PlaceBet]](), set[str]()
        for batch in batches:
            try:
                taken += len(core.commit(batch))
            except LedgerUnavailable as failure:
                refused.append(batch)
                why.add(str(failure).rpartition(": ")[2])
        assert why == {"No space left on device"}
        assert (core.open_bets(), core.balances()["anna"]) == (taken, 10**6 - taken)
        filler.unlink()
        for batch in refused[:5]:
            assert [answer.repeated for answer in core.commit(batch)] == [False] * 100
        assert core.open_bets() == taken + 100 * len(refused[:5])
        consistent(core)
    postgres.drop(database)
