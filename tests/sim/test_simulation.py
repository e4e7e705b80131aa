"""The platform under a seed: clean where it must be, the same on every run, and a failure that tells how to see it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from matchday.sim.faults import ALL, Fault
from matchday.sim.run import Plan, parse_faults, parse_seeds, run_seed, run_seeds, shrink
from matchday.sim.trace import Violation
from matchday.sim.world import World

SEEDS = range(1, 1 + int(os.environ.get("TEST_SIM_SEEDS", "8")))
"""CI's share; ``make sim`` runs two hundred."""
ENOUGH = 16
"""So many seeds reach every situation. A smaller share leaves the rarest to the mutants that need them."""
SMALL = Plan(matches=1, fans=3)


@pytest.mark.slow
def test_seeds_are_clean_and_every_fault_and_situation_happens() -> None:
    report = run_seeds(SEEDS, Plan(), processes=os.cpu_count() or 1, stop_at_first=False, progress=lambda _: None)
    for result in report.failed:
        assert result.failure is not None
        pytest.fail(f"{result.failure.invariant}: {result.failure.detail[:300]}\nreplay: {result.failure.command}")
    assert report.never_fired == []
    if len(SEEDS) >= ENOUGH:
        assert report.never_reached == []
    assert report.bets > 40 * len(SEEDS)


def test_a_world_without_faults_has_none() -> None:
    result = run_seed(1, Plan(matches=1, fans=3, faults=()))
    assert (result.failure, result.fired) == (None, {})
    assert result.bets


def test_a_broken_invariant_is_told_with_its_story_and_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(world: World) -> None:
        world.trace.say("fan1 did this")
        world.trace.say("fan2 did that")
        raise Violation("some_invariant", "fan1 lost money", ["fan1"])

    monkeypatch.setattr(World, "_at_rest", breaks)
    result = run_seed(4, two_faults())
    assert result.failure is not None
    assert (result.failure.invariant, result.failure.detail) == ("some_invariant", "fan1 lost money")
    assert [line.split(" ", 2)[2] for line in result.failure.story][-1] == "fan1 did this"
    assert result.failure.command == "matchday sim --seed 4 --matches 1 --fans 3 --faults crash,delay"


def two_faults() -> Plan:
    return Plan(matches=1, fans=3, faults=(Fault.CRASH, Fault.DELAY))


def test_an_error_in_a_room_is_a_broken_invariant(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(world: World) -> None:
        raise KeyError("of a room")

    monkeypatch.setattr(World, "_at_rest", breaks)
    failure = run_seed(4, SMALL).failure
    assert failure is not None
    assert failure.invariant == "no_room_stops"
    assert "KeyError: 'of a room'" in failure.detail


def test_shrink_finds_the_one_fault_that_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(world: World) -> None:
        if world.faults.fired[Fault.DUPLICATE]:
            raise Violation("some_invariant", "broken by a duplicate")

    monkeypatch.setattr(World, "_at_rest", breaks)
    plan = Plan(matches=1, fans=2, faults=(Fault.CRASH, Fault.DUPLICATE, Fault.LOST_ANSWER))
    seed = next(seed for seed in range(1, 9) if run_seed(seed, plan).failure)
    tried: list[bool] = []
    result, small = shrink(run_seed(seed, plan), plan, lambda _, same: tried.append(same))
    assert result.failure is not None
    assert (small.faults, small.fans) == ((Fault.DUPLICATE,), 1)
    assert True in tried


@pytest.mark.parametrize(
    ("text", "seeds"), [("7", [7]), ("1-3", [1, 2, 3]), ("1-2,9", [1, 2, 9]), ("x", None), ("3-1", None), ("", None)]
)
def test_lists_of_seeds(text: str, seeds: list[int] | None) -> None:
    if seeds is None:
        with pytest.raises(ValueError, match="seed"):
            parse_seeds(text)
    else:
        assert parse_seeds(text) == seeds


def test_lists_of_faults() -> None:
    assert parse_faults("all") == ALL
    assert parse_faults("none") == ()
    assert parse_faults("delay,crash") == (Fault.CRASH, Fault.DELAY)
    assert set(ALL) - set(parse_faults("-crash")) == {Fault.CRASH}
    with pytest.raises(ValueError, match="'rain' is not known; known are crash"):
        parse_faults("rain")


def test_a_journal_is_of_one_seed(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "matchday", "sim", "--journal", str(tmp_path / "j")]
    words = ["--seed", "2", "--matches", "1", "--fans", "2"]
    done = subprocess.run([*command, *words], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["failure"] is None
    lines = (tmp_path / "j").read_text().splitlines()
    assert any(" ledger place " in line for line in lines)
    refused = subprocess.run([*command, "--seeds", "1-2"], capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "--journal is of one seed" in refused.stderr
