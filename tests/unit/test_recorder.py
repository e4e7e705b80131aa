"""The recorder of load: every minute as it was, gaps where nobody knows."""

from pathlib import Path

import pytest

from matchday.__main__ import main
from matchday.app.recorder import DRIFT_MS, LATE_MS, MINUTE_MS, LoadRecorder
from matchday.backends.load_sqlite import FILE, LoadCore, Minute
from matchday.counts import Load
from matchday.ops.forecast import traffic
from matchday.ops.record.history import KNOWN_MS, MOST_MS, of_minutes
from matchday.sim.clock import VirtualClock

START_MS = 1_790_000_040_000
"""A whole minute."""
FIRST = START_MS // MINUTE_MS


class Moved(VirtualClock):
    """One that shows something else than the time that has passed."""

    moved_ms = 0

    def now_ms(self) -> int:
        return super().now_ms() + self.moved_ms


class Steady:
    """A platform that serves a hundred requests a second; and its clock, which may be moved."""

    def __init__(self, since_ms: int = START_MS) -> None:
        self.clock = Moved(1, since_ms)
        self.kept: list[Minute] = []
        self.recorder = LoadRecorder(self.clock, self.load, lambda *part: self.kept.append(Minute(*part)))

    def load(self) -> Load:
        served = self.clock.elapsed_ms() // 10
        return Load(served, served // 10, served * 5, 40)

    @property
    def requests(self) -> list[tuple[int, int]]:
        """(minute from the first on, requests) of those that are known."""
        joined: dict[int, Minute] = {}
        for part in self.kept:
            before = joined.get(part.minute, Minute(part.minute, 0, Load(0, 0, 0, 0)))
            load = Load(*map(sum, zip(before.load, part.load, strict=True)))
            joined[part.minute] = Minute(part.minute, before.covered_ms + part.covered_ms, load)
        return [(minute - FIRST, count) for minute, count in of_minutes(joined.values(), "requests").counts.items()]


def test_each_whole_minute_is_recorded() -> None:
    steady = Steady()
    steady.recorder.start()
    steady.clock.run_for(3 * MINUTE_MS)
    assert [(part.minute - FIRST, part.covered_ms, part.load.requests) for part in steady.kept] == [
        (0, MINUTE_MS, 6_000), (1, MINUTE_MS, 6_000), (2, MINUTE_MS, 6_000)
    ]  # fmt: skip
    assert steady.kept[0].load[2:] == (30_000, 40)


def test_a_minute_that_began_before_it_is_not_known() -> None:
    steady = Steady(START_MS + 20_000)
    steady.recorder.start()
    steady.clock.run_for(2 * MINUTE_MS)
    assert steady.kept[0].covered_ms == 40_000
    assert steady.requests == [(1, 6_000)]


def test_two_processes_share_a_minute_and_say_what_is_missing_between_them() -> None:
    first, second = Steady(), Steady(START_MS + 35_000)
    first.recorder.start()
    first.clock.run_for(30_000)
    first.recorder.stop()
    first.clock.run_for(10 * MINUTE_MS)  # a timer that was left does nothing more
    second.recorder.start()
    second.clock.run_for(25_000)
    parts = [*first.kept, *second.kept]
    assert [(part.minute - FIRST, part.covered_ms) for part in parts] == [(0, 30_000), (0, 25_000)]


@pytest.mark.parametrize("moved_ms", [3_600_000, -3_600_000, 90_000, DRIFT_MS + 1, -DRIFT_MS - 1])
def test_a_clock_that_jumps_makes_a_gap_and_no_guess(moved_ms: int, caplog: pytest.LogCaptureFixture) -> None:
    steady = Steady()
    steady.recorder.start()
    steady.clock.run_for(3 * MINUTE_MS + 30_000)
    steady.clock.moved_ms = moved_ms
    steady.clock.run_for(4 * MINUTE_MS)
    assert "not recorded" in caplog.text
    known = steady.requests
    assert all(abs(count - 6_000) <= LATE_MS // 10 for _, count in known), known
    assert {0, 1, 2} <= {minute for minute, _ in known}
    assert 3 not in {minute for minute, _ in known}
    after = 3 + moved_ms // MINUTE_MS
    assert any(minute > after for minute, _ in known) or moved_ms < 0


def test_a_clock_that_goes_back_makes_no_minute_twice_as_busy() -> None:
    steady = Steady()
    steady.recorder.start()
    steady.clock.run_for(10 * MINUTE_MS)
    steady.clock.moved_ms = -5 * MINUTE_MS
    steady.clock.run_for(8 * MINUTE_MS)
    assert {count for _, count in steady.requests} == {6_000}
    minutes = [minute for minute, _ in steady.requests]
    assert minutes == [0, 1, 2, 3, 4, 5, 10, 11, 12]  # 6 to 9 were there twice


def test_a_loop_that_stood_still_makes_a_gap(caplog: pytest.LogCaptureFixture) -> None:
    steady = Steady()
    steady.recorder.start()
    steady.clock.run_for(MINUTE_MS + 1_000)
    steady.clock._now += 2 * MINUTE_MS
    steady.clock.run_for(2 * MINUTE_MS)
    assert "nothing was counted for" in caplog.text
    assert steady.requests == [(0, 6_000), (3, 5_900), (4, 6_000)]


def test_a_little_late_is_not_missing() -> None:
    steady = Steady()
    steady.recorder.start()
    steady.clock.run_for(MINUTE_MS - 1)
    steady.clock._now += LATE_MS // 2
    steady.clock.run_for(3 * MINUTE_MS)
    assert [minute for minute, _ in steady.requests][:3] == [0, 1, 2]
    assert sum(count for _, count in steady.requests[:3]) == pytest.approx(18_000, abs=LATE_MS // 10)


def test_what_is_known_is_a_matter_of_how_much_was_counted() -> None:
    load = Load(6, 0, 0, 0)
    edges = [(KNOWN_MS - 1, False), (KNOWN_MS, True), (MOST_MS, True), (MOST_MS + 1, False)]
    for covered_ms, known in edges:
        found = of_minutes([Minute(100, covered_ms, load)], "requests")
        assert (found.counts == {100: 6}) is known
        assert bool(found.findings) is not known


# --- the command ------------------------------------------------------------------------------------------------------


@pytest.fixture
def data(tmp_path: Path) -> Path:
    core = LoadCore(tmp_path / FILE, keep_days=400)
    minutes = [minute for minute in range(FIRST, FIRST + 3_000) if not FIRST + 100 <= minute < FIRST + 130]
    core.add([Minute(minute, MINUTE_MS, Load(minute % 1_000, 7, 90, 12)) for minute in minutes])
    core.add([Minute(FIRST + 100, 30_000, Load(1, 1, 1, 1)), Minute(FIRST + 200, MINUTE_MS, Load(1, 1, 1, 1))])
    core.close()
    return tmp_path


def test_what_is_exported_is_what_a_backtest_reads(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    csv = data / "traffic.csv"
    assert main(["forecast", "record", "export", "--data", str(data), "--csv", str(csv)]) == 0
    said = capsys.readouterr().err
    assert "1 minutes were counted in part" in said
    assert "1 minutes were counted twice" in said
    assert "gap: 30 minutes from" in said
    found = traffic.read(csv)
    assert (found.first, len(found.requests)) == (FIRST, 3_000)
    assert [int(found.requests[place]) for place in (0, 50, 99)] == [(FIRST + n) % 1_000 for n in (0, 50, 99)]
    assert found.known.tolist() == [not (100 <= place < 130 or place == 200) for place in range(3_000)]


def test_days_and_figures_can_be_chosen(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["forecast", "record", "export", "--data", str(data), "--what", "bets", "--from", "2026-09-22"]
    assert main(words) == 0
    rows = capsys.readouterr().out.splitlines()
    assert rows[0] == "period,count"
    assert rows[1].startswith("2026-09-22 00:00:00,")
    assert {row.partition(",")[2] for row in rows[1:]} == {"7"}


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (["--from", "2026-13-01"], 2, "--from '2026-13-01' is no date; write YYYY-MM-DD"),
        (["--from", "2026-09-22", "--until", "2026-09-22"], 2, "--until 2026-09-22 is not after --from 2026-09-22"),
        (["--until", "2020-01-01"], 1, "no whole minute is known"),
        (["--csv", "/no/such/folder/x.csv"], 2, "--csv /no/such/folder/x.csv: No such file or directory; name a file"),
        (["--csv", "/dev/full"], 1, "cannot write /dev/full: No space left on device; choose another file"),
    ],
)
def test_what_cannot_be_exported_is_named(
    data: Path, words: list[str], status: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    assert main(["forecast", "record", "export", "--data", str(data), *words]) == status
    assert says in capsys.readouterr().err


def test_a_folder_that_never_recorded_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["forecast", "record", "export", "--data", str(tmp_path)]) == 1
    assert "has no load.sqlite" in capsys.readouterr().err
