"""A night without a platform: guards, money, report, what is kept, the page."""

import sqlite3
from pathlib import Path

import msgspec
import pytest

from matchday.bench.machine import Machine
from matchday.ops.capacity import FORMAT, Capacity, Carried, Room, Shape
from matchday.ops.capacity import Machine as Measured
from matchday.ops.drill import DrillError
from matchday.ops.drill.fans.behaviour import Act
from matchday.ops.drill.fans.load import Sample
from matchday.ops.drill.fans.tally import Line
from matchday.ops.drill.night import kept
from matchday.ops.drill.night.guards import BEHIND_MAX, GRACE_S, WINDOW, Guards
from matchday.ops.drill.night.money import Money, SqliteBooks, check, reckon
from matchday.ops.drill.night.page import page
from matchday.ops.drill.night.report import (
    FaultReport,
    PhaseReport,
    Report,
    Scaling,
    cost,
    difference,
    headroom,
    loads_of,
)
from matchday.ops.drill.night.shapes import Phase, Stir, flat
from matchday.ops.drill.night.terminal import said


def sample(at_s: float, answered: int = 100, errors: int = 0, lag_ms: float = 0.0) -> Sample:
    return Sample(at_s, 0, 10, answered, answered, errors, 0, lag_ms, None, None)


# --- guards -----------------------------------------------------------------------------------------------------------


def test_a_guard_stops_a_night_of_errors_but_not_those_that_a_fault_brings() -> None:
    guards = Guards(Money(), 20)
    guards.fault(5.0)
    assert all(guards.look(sample(5.0 + n, errors=90)) is None for n in range(int(GRACE_S)))
    assert guards.look(sample(5 + GRACE_S, errors=15)) is None
    assert "errors" in (guards.look(sample(6 + GRACE_S, errors=80)) or "")


def test_a_share_is_taken_over_a_window_and_of_enough_answers() -> None:
    guards = Guards(Money(), 20)
    assert guards.look(sample(0, answered=10, errors=10)) is None
    for n in range(WINDOW):
        assert guards.look(sample(1 + n)) is None


def test_a_guard_stops_where_money_is_not_conserved_even_within_a_fault() -> None:
    money = Money()
    guards = Guards(money, 100)
    guards.fault(0.0)
    money.broken.append("EUR sums to 1, not to 0")
    assert guards.look(sample(1.0)) == "money is not conserved: EUR sums to 1, not to 0"


def test_a_guard_stops_a_generator_that_stays_behind() -> None:
    guards = Guards(Money(), 100)
    for n in range(BEHIND_MAX - 1):
        assert guards.look(sample(n, lag_ms=3_000)) is None
    assert guards.look(sample(8, lag_ms=10)) is None
    assert [bool(guards.look(sample(10 + n, lag_ms=3_000))) for n in range(BEHIND_MAX)] == [False] * 4 + [True]


# --- money ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    file = tmp_path / "ledger.sqlite"
    with sqlite3.connect(file) as db:
        db.executescript(
            "CREATE TABLE accounts (account, currency, balance); CREATE TABLE house (account, currency, balance);"
            "CREATE TABLE known (id, bet); INSERT INTO accounts VALUES ('a', 'EUR', 900), ('b', 'EUR', 5);"
            "INSERT INTO house VALUES ('house:stakes', 'EUR', 100), ('house:grants', 'EUR', -1005);"
            "INSERT INTO known VALUES ('1', 7), ('2', NULL), ('3', 8);"
        )
    return file


def test_money_that_adds_up_and_promises_that_stand_are_kept(ledger: Path) -> None:
    money, books = Money(), SqliteBooks(ledger)
    check(books, money)
    reckon(books, money, ["1", "3"])
    assert (money.checks, money.kept, money.promised, money.lost) == (1, True, 2, 0)


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("UPDATE accounts SET balance = 901 WHERE account = 'a'", "EUR sums to 1, not to 0"),
        ("UPDATE accounts SET balance = 908 WHERE account = 'a'; UPDATE accounts SET balance = -3 WHERE account = 'b'",
         "a player's balance is -3"),
    ],
)  # fmt: skip
def test_money_that_does_not_add_up_is_said(ledger: Path, sql: str, why: str) -> None:
    with sqlite3.connect(ledger) as db:
        db.executescript(sql)
    money = Money()
    check(SqliteBooks(ledger), money)
    assert (money.broken, money.kept) == ([why], False)


def test_a_promised_bet_that_is_refused_or_unknown_is_lost(ledger: Path) -> None:
    money = Money(checks=1)
    reckon(SqliteBooks(ledger), money, ["1", "2", "9"])
    assert (money.lost, money.kept) == (2, False)


def test_a_ledger_that_cannot_be_read_is_counted_and_no_proof(tmp_path: Path) -> None:
    money = Money()
    check(SqliteBooks(tmp_path / "none.sqlite"), money)
    assert (money.unread, money.checks, money.kept) == (1, 0, False)


# --- the report -------------------------------------------------------------------------------------------------------


MODEL = Capacity(
    format=FORMAT, version="0", measured_at="2026-11-26T00:00:00Z", machine=Measured(),
    rooms={"gate": Room(carries={"connections": Carried(per_process=1_000), "bets_per_s": Carried(per_process=50)})},
)  # fmt: skip
SHAPE = Shape(name="m", cores=2, memory_bytes=10**9, hour_micros=500_000)


def test_loads_follow_visitors_stays_and_stirs() -> None:
    quiet = Phase("quiet", 60, flat(1), "evening")
    peaks = loads_of([quiet], 10.0, 1.0)
    assert peaks["connections"] == pytest.approx(10 * 0.7 * 600, rel=0.01)  # Little: 10 a second, 70 % stay 600 s
    assert peaks["bets_per_s"] == pytest.approx(10 * 0.7 * 0.6, rel=0.01)
    stirred = msgspec.structs.replace(quiet, name="goal", stirs=(Stir(Act.BET, 0.5, 1),))
    more = loads_of([quiet, stirred], 10.0, 1.0)
    assert more["bets_per_s"] == pytest.approx(4.2 + 4_200 * 0.5 / 60, rel=0.02)
    faster = loads_of([quiet], 10.0, 0.1)
    assert faster["connections"] == pytest.approx(peaks["connections"] / 10, rel=0.01)
    assert faster["bets_per_s"] == peaks["bets_per_s"]


def test_headroom_is_the_knee_of_all_processes_over_the_forecast_peak_the_least_first() -> None:
    found = headroom(MODEL, {"connections": 500.0, "bets_per_s": 40.0}, {"gate": 2}, {"connections": 480.0})
    assert [(one.load, one.times, one.seen_peak) for one in found] == [
        ("bets_per_s", 2.5, None), ("connections", 4.0, 480.0)]  # fmt: skip
    assert headroom(MODEL, {"connections": 0.0}, {}, {}) == []


def test_cost_is_of_the_processes_that_the_peak_takes() -> None:
    found = cost(MODEL, {"connections": 4_500.0, "bets_per_s": 1.0, "requests_per_s": 3.0}, SHAPE)
    assert (found.machines, found.hour_micros) == (3, 1_500_000)  # five gates of a core each
    assert found.million_fans_hour_micros == round(1_500_000 * 1e6 / 4_500 + 0.5)


def line(**changes: object) -> Line:
    told = {"act": "bet", "due": 10, "sent": 10, "answered": 10, "fine": 10, "p50_ms": 5.0, "p99_ms": 50.0,
            "target_ms": 250.0, "met": True}  # fmt: skip
    return msgspec.convert({**told, **changes}, Line)


def report(**changes: object) -> Report:
    lines = changes.pop("lines", [line()])
    assert isinstance(lines, list)
    phase = PhaseReport(name="goal", from_s=0, until_s=2, visitors=3, lines=lines, generator_p99_ms=0.1)
    told = Report(
        at="2026-11-26T10:00:00Z", version="0", place="embedded", shape="goal", seed=1, rate=2, compress=30,
        machine=Machine("cpu", 2, 0, 1, 8.0, "Linux", "3.12", "3.46", {}), steal_percent=0.1, visitors=3,
        most_present=2, phases=[phase], money=Money(checks=2, promised=4), dropped={"lost": 1},
        faults=[FaultReport(kind="kill", phase="goal", at_s=1, whole_after_s=3.2)],
        scaling=Scaling(assumed_s=5, real_s=[2.5]), headroom=headroom(MODEL, {"bets_per_s": 5.0}, {}, {}),
        cost=cost(MODEL, {"bets_per_s": 5.0}, SHAPE), cpu_share=0.4,
        samples=[sample(1.0), sample(2.0, errors=3)], processes=[(1.0, {"gate": 1}), (1.5, {"gate": 2})], doubts=[],
    )  # fmt: skip
    return msgspec.structs.replace(told, **changes)


def test_a_night_passes_where_it_ended_kept_the_money_and_missed_no_target() -> None:
    assert report().passed
    assert report(lines=[line(met=None, p99_ms=None)]).passed  # nothing could be judged
    assert not report(lines=[line(met=False)]).passed
    assert not report(aborted="errors").passed
    assert not report(money=Money(checks=1, broken=["x"])).passed
    assert not report(money=Money()).passed  # nobody looked


def test_the_difference_names_what_got_worse_first() -> None:
    before = report(lines=[line(p99_ms=40.0), line(act="tap", p99_ms=100.0), line(act="home", p99_ms=10.0)])
    now = report(lines=[line(p99_ms=300.0, met=False), line(act="tap", p99_ms=105.0), line(act="home", p99_ms=5.0)],
                 money=Money(checks=1, lost=1, broken=["1 lost"]))  # fmt: skip
    assert difference(now, before) == [
        "bets lost: 0 -> 1", "goal, bet: its target was met and is not any more", "goal, bet: p99 40 -> 300 ms",
        "goal, home: p99 10 -> 5 ms",
    ]  # fmt: skip


def test_the_last_report_of_the_same_words_is_found_and_others_are_passed_over(tmp_path: Path) -> None:
    folder = tmp_path / "drills"
    for hour, changes in ((8, {}), (9, {}), (9, {"shape": "flash"}), (11, {})):
        kept.keep(folder, report(at=f"2026-11-26T{hour:02}:00:00Z", **changes))
    (folder / "night-0.json").write_text("{}")
    kept.keep(folder, report(at="2026-11-26T09:30:00Z", seed=2))
    found = kept.last(folder, report())
    assert found is not None
    assert found.at == "2026-11-26T09:30:00Z"  # another seed is the same drill
    assert kept.last(folder, report(rate=3)) is None
    (tmp_path / "file").touch()
    with pytest.raises(DrillError, match="--reports DIR"):
        kept.keep(tmp_path / "file" / "x", report())


def test_the_page_and_the_lines_say_all_of_it_and_escape_what_is_not_theirs() -> None:
    told = report(shape="<goal>", difference=["goal, bet: p99 40 -> 300 ms"], doubts=["a <doubt>"],
                  lines=[line(met=None, p99_ms=None, why="the generator was late")])  # fmt: skip
    text = page(told)
    assert "<goal>" not in text
    assert "&lt;doubt&gt;" in text
    assert text.count("<svg") == 4  # crowd, times, frames, and processes, as these changed
    assert "not published" in text
    lines = "\n".join(said(told))
    for part in (
        "lost 0",
        "1 lost",
        "kill in goal",
        "assumed 5 s",
        "Headroom 10.00 x",
        "generator was late",
        "40 -> 300",
    ):
        assert part in lines
