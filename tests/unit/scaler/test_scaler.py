"""Whole rounds under a clock that is turned by hand: a match night, all that can go wrong on it, and each mode."""

import json
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from matchday.ops.capacity import Capacity
from matchday.ops.forecast.series import DAY
from matchday.ops.scaler.act.port import Actuator
from matchday.ops.scaler.calendars import Calendars
from matchday.ops.scaler.foresight import Foresight
from matchday.ops.scaler.history import History
from matchday.ops.scaler.journal import Journal, Line
from matchday.ops.scaler.problems import ScalerError
from matchday.ops.scaler.run import Parts, Scaler
from matchday.ops.scaler.seen import Match, Shown
from matchday.ops.scaler.settings import MACHINES, Act, Clock, Machines, RoomBounds, Settings
from matchday.ops.scaler.sizes import capacities, machine_boot, sizes
from matchday.ops.scaler.when import Time
from tests.unit.forecast.crowds import MONDAY, evenings, requests
from tests.unit.scaler.made_up import Hand, Place, Played, Said, model

DAYS = 8
KICKOFFS = evenings(DAYS, 4)
LOAD = requests(DAYS, KICKOFFS, level=5_000)
TODAY = MONDAY + (DAYS - 1) * DAY


class Night:
    """An autoscaler, and what it is handed."""

    def __init__(
        self, tmp_path: Path, *, mode: str = "act", at: int = 1_100, forecast: bool = True,
        made: Capacity | None = None, machines: Machines | None = None, gates: int = 8,
    ) -> None:  # fmt: skip
        self.clock = Hand((TODAY + at) * 60_000)
        self.settings = msgspec.convert(
            {"mode": mode, "rooms": {"gate": {"floor": 2, "ceiling": 200}}, "act": {"where": "cluster"}}, Settings
        )
        self.settings = msgspec.structs.replace(
            self.settings,
            machines=machines,
            act=Act(where="cluster", backoff_s=1),
            clock=Clock(),
            rooms={"gate": RoomBounds(floor=2, ceiling=200, loads=("connections",))},
        )
        self.source, self.played, self.place = Said(self.clock), Played(clock=self.clock), Place({"gate": gates})
        self.places: dict[str, Actuator] = {"gate": self.place}
        made = made or model(gate={"connections": 1_000.0})
        of, time = sizes(self.settings, made), Time(self.clock, self.settings.clock)
        file = tmp_path / "fixtures.csv"
        rows = [f"2026-06-0{kick // DAY + 1},{kick % DAY // 60:02}:{kick % 60:02}" for kick in KICKOFFS]
        file.write_text("\n".join(["date_utc,kickoff_utc", *rows]) + "\n")
        known = {MONDAY + at: int(count) for at, count in enumerate(LOAD[: (DAYS - 1) * DAY + at])}
        histories = {"connections": History("connections", None, 28, TODAY + at, known)}
        boot = max(of["gate"].boot, machine_boot(self.settings, of))
        self.foresight = Foresight(histories, capacities(list(of.values())), Calendars([file], ""), boot, 2.33)
        self.journal = tmp_path / "decisions.ndjson"
        self.said: list[str] = []
        parts = Parts(
            self.settings, made, of, time, self.source, self.played, histories, self.foresight if forecast else None,
            self.places, Journal(self.journal, 10**9),
        )  # fmt: skip
        self.scaler = Scaler(parts, self.said.append)

    def round(self, load: float | None = None, seconds: float = 60) -> Line:
        """A minute later; the load is the trace's unless another is said."""
        self.clock.turn(seconds)
        here = int(LOAD[min(self.clock.now_ms() // 60_000 - MONDAY, len(LOAD) - 1)])
        self.source.loads = {"connections": float(here if load is None else load)}
        self.source.processes = {"gate": self.place.counts["gate"]}
        return self.scaler.round()[0]

    def rounds(self, count: int, load: float) -> Line:
        """The last of so many."""
        return [self.round(load) for _ in range(count)][-1]

    def settle(self, load: float = 1_000) -> None:
        """Nothing more keeps it from shrinking than what is tested."""
        for _ in range(7):
            self.round(load)


def quiet(tmp_path: Path, **options: object) -> Night:
    """Long before any match, with little to do, and all looked at for long enough."""
    night = Night(tmp_path, at=600, forecast=False, **options)  # type: ignore[arg-type]
    night.place.counts["gate"] = 8
    return night


def test_processes_rise_before_the_crowd_and_go_after_it(tmp_path: Path) -> None:
    night = Night(tmp_path, at=1_100, made=model(boot_s=600, gate={"connections": 200.0}), gates=50)
    counts = {}
    for minute in range(1_101, 1_400):
        night.round()
        counts[minute] = night.place.counts["gate"]
        assert counts[minute] * 200 >= LOAD[(DAYS - 1) * DAY + minute], minute
    assert counts[1_172] > counts[1_120], "two minutes after kick-off, when nobody more had come"
    held = [counts[minute] for minute in range(1_170 - 31, 1_170 + 112)]
    assert held == sorted(held), "nothing shrinks in the match"
    assert counts[1_399] < 0.7 * max(counts.values())
    lines = [json.loads(line) for line in night.journal.read_text().splitlines()]
    assert len(lines) == 299
    assert any(line["why"] == "forecast" and line["wanted"] > line["asked"] for line in lines)
    assert {line["until"] for line in lines if line["why"] == "hold"} == {"21:22"}
    assert all(line["line"].startswith("gate ") for line in lines)


def test_little_to_do_lets_go(tmp_path: Path) -> None:
    """What the tests below would show wrongly if nothing ever shrank."""
    night = quiet(tmp_path)
    night.settle()
    assert night.place.counts["gate"] < 8
    assert "gate 8 -> 7: 2 do (the floor) (done)" in night.said


@pytest.mark.parametrize(
    ("fault", "doubt"),
    [
        (lambda night: setattr(night.source, "away", "Prometheus is away"), "load is not seen: Prometheus is away"),
        (lambda night: setattr(night.source, "age_ms", 90_000), "figures are 90 s old"),
        (lambda night: setattr(night.source, "age_ms", -10_000), "clocks disagree: figures are of 10.0 s from now"),
        (lambda night: setattr(night.source, "missing", ("gate-1",)), "gate-1 does not answer"),
        (lambda night: setattr(night.played, "away", "503"), "what is being played is not seen: 503"),
    ],
)
def test_nothing_shrinks_in_doubt(tmp_path: Path, fault: object, doubt: str) -> None:
    night = quiet(tmp_path)
    assert callable(fault)
    fault(night)
    line = night.rounds(20, 1_000)
    assert night.place.counts["gate"] == 8
    assert (line.why, line.wish) == ("doubt", 2)
    assert doubt in line.doubts
    assert any(doubt in said for said in night.said)


def test_nothing_shrinks_by_a_model_of_another_version(tmp_path: Path) -> None:
    night = quiet(tmp_path, made=model("0.0.9", gate={"connections": 1_000.0}))
    line = night.rounds(20, 1_000)
    assert (night.place.counts["gate"], line.why) == (8, "doubt")
    assert "measured on version 0.0.9" in line.line
    assert night.round(9_000).asked == 8
    assert night.place.counts["gate"] == 13, "it still grows"


def test_nothing_shrinks_where_clocks_disagree_or_jump(tmp_path: Path) -> None:
    night = quiet(tmp_path)
    night.played.clock = None  # shows the time of the start, for ever
    night.settle()
    assert night.place.counts["gate"] == 8
    jumping = quiet(tmp_path)
    for _ in range(20):
        jumping.clock.wall_ms -= 60_000
        assert any("the clock jumped by -60.0 s" in doubt for doubt in jumping.round(1_000).doubts)
    assert jumping.place.counts["gate"] == 8


def test_nothing_shrinks_with_a_dead_forecaster(tmp_path: Path) -> None:
    night = Night(tmp_path, at=600)
    for load in list(night.foresight._histories):
        night.foresight._histories[load]._counts.clear()
    line = night.rounds(20, 1_000)
    assert (night.place.counts["gate"], line.why) == (8, "doubt")
    assert "no forecast of connections" in line.line
    night.round(9_000)
    assert night.place.counts["gate"] == 13, "what is seen still counts"


def test_a_match_that_only_the_platform_knows_holds(tmp_path: Path) -> None:
    night = quiet(tmp_path)
    night.played.shown = Shown(0, (Match("f1", night.clock.now_ms(), "live"),))
    line = night.rounds(20, 1_000)
    assert (night.place.counts["gate"], line.why, line.until) == (8, "hold", "it is over")


def test_observing_changes_nothing_and_says_all(tmp_path: Path) -> None:
    night = quiet(tmp_path, mode="observe")
    night.settle()
    line = night.round(30_000)
    assert (night.place.asked, line.wanted, line.acted) == ([], 16, "")


def test_in_the_shadow_it_is_compared_with_what_is_there(tmp_path: Path) -> None:
    night = quiet(tmp_path, mode="shadow")
    night.place.counts["gate"] = 8
    line = night.rounds(30, 3_000)
    assert night.place.asked == []
    compared = line.compared
    assert compared is not None
    assert (compared.minutes, compared.theirs_paid) == (29, 29 * 8)
    assert compared.ours_paid < compared.theirs_paid
    assert compared.ours_short == compared.theirs_short == 0
    line = night.rounds(10, 9_000)
    assert line.compared is not None
    assert line.compared.theirs_short == 10, "eight that carry a thousand"
    assert line.compared.ours_short < 10, "until those that it would have asked for were ready"


def test_a_failure_is_said_waited_for_and_tried_again(tmp_path: Path) -> None:
    night = quiet(tmp_path)
    night.place.broken, night.place.partly = "no machine has room", 1
    first = night.round(9_000, seconds=15)
    assert first.acted == "failed: no machine has room; 9 are asked for, 9 ready"
    assert night.round(9_000, seconds=0.5).acted == "waits: 0 s after 1 failures"
    assert len(night.place.asked) == 1
    assert night.round(9_000, seconds=1).acted.startswith("failed")
    assert night.round(9_000, seconds=1.5).acted.startswith("waits"), "twice as long"
    night.place.broken = ""
    assert night.round(9_000, seconds=60).acted == "done"
    assert all(wanted > asked for _, asked, wanted in night.place.asked)


def test_where_nobody_says_how_many_there_are_nothing_is_done(tmp_path: Path) -> None:
    night = quiet(tmp_path)
    night.place.silent = "the API server does not answer"
    line = night.rounds(10, 9_000)
    assert (line.wanted, line.why, night.place.asked) == (None, "unknown", [])
    assert "the API server does not answer" in line.doubts


def test_machines_are_as_many_as_the_processes_need(tmp_path: Path) -> None:
    night = quiet(tmp_path, machines=Machines(floor=1, ceiling=20, cores=4, blind_percent=100, tolerance=0))
    machines = Place({MACHINES: 2})
    night.places[MACHINES] = machines
    night.round(9_000)
    assert night.place.counts["gate"] == 13
    assert machines.counts[MACHINES] == 4
    (line,) = [json.loads(line) for line in night.journal.read_text().splitlines() if MACHINES in line]
    assert line["line"] == "machines 2 -> 4: seen (cores 13 now, one carries 4)"


def test_machines_are_asked_for_a_boot_earlier_than_the_processes_on_them(tmp_path: Path) -> None:
    machines = Machines(floor=1, ceiling=40, cores=1, boot_s=900, target_percent=100, tolerance=0)
    night = Night(tmp_path, at=1_170, machines=machines)
    night.places[MACHINES] = Place({MACHINES: 40})
    night.round()
    lines: Mapping[str, dict[str, object]] = {
        line["target"]: line for line in map(json.loads, night.journal.read_text().splitlines())
    }
    wish = lines[MACHINES]["wish"], lines["gate"]["wish"]
    assert isinstance(wish[0], int)
    assert isinstance(wish[1], int)
    assert wish[0] > wish[1], "the crowd that comes in a quarter of an hour"


def test_what_was_seen_is_learned_from(tmp_path: Path) -> None:
    night = Night(tmp_path, at=600)
    night.round(1_234)
    night.round(1_236, seconds=20)
    night.round(9_999)
    assert night.foresight._histories["connections"]._counts[TODAY + 601] == 1_235


def test_decisions_are_kept_in_a_file_that_does_not_grow_for_ever(tmp_path: Path) -> None:
    night = quiet(tmp_path)
    night.scaler._parts.journal._bytes_max = 10
    night.round()
    night.round()
    assert (tmp_path / "decisions.ndjson.1").exists()
    with pytest.raises(ScalerError, match="see the setting decisions"):
        Journal(tmp_path / "fixtures.csv" / "x", 10)
