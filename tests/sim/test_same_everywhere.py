"""One seed is one run: whatever the process, the processor, the Python and its SQLite."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path

import numpy
import pytest

from matchday.sim.clock import VirtualClock

ROOT = Path(__file__).parents[2]
NAMED = os.environ.get("TEST_PYTHONS", "")
"""Other interpreters with the pinned dependencies, separated as in PATH (``make same``). Else those on PATH."""
DRAWN = "2ccf873f915ea666"
"""What a seed draws. Bound to the algorithms of ``random``, which no change of Matchday moves."""


def digests(python: str = sys.executable, **more: str) -> dict[str, str]:
    """Of everything written, said and answered in small worlds, by a process of its own."""
    command = [python, "-m", "matchday", "sim", "--seeds", "1-2", "--matches", "1", "--fans", "3", "--processes", "1"]
    done = subprocess.run([*command, "--json"], env=environment(more), capture_output=True, text=True, check=True)
    found: dict[str, str] = json.loads(done.stdout)["digests"]
    return found


def environment(more: Mapping[str, str]) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONDONTWRITEBYTECODE": "1", **more}


def told(python: str) -> str:
    """Which Python and SQLite that is; nothing where it cannot run Matchday."""
    what = "import sqlite3, sys, matchday.sim.command; print(sys.version.split()[0], 'SQLite', sqlite3.sqlite_version)"
    done = subprocess.run([python, "-c", what], env=environment({}), capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def others() -> dict[str, str]:
    """Interpreter -> what it says of itself."""
    minors = (minor for minor in range(11, 20) if minor != sys.version_info.minor)
    on_path = [path for minor in minors if (path := shutil.which(f"python3.{minor}"))]
    found = {python: told(python) for python in (NAMED.split(os.pathsep) if NAMED else on_path)}
    assert all(found.values()) or not NAMED, f"TEST_PYTHONS: these cannot run Matchday: {found}"
    return {python: text for python, text in found.items() if text}


@pytest.mark.slow
def test_in_a_process_with_other_hashes_on_a_lesser_processor() -> None:
    """Strings hash otherwise, and numpy uses none of the instructions that not every processor has."""
    lesser = " ".join(numpy.show_config(mode="dicts")["SIMD Extensions"].get("found", []))
    one = digests(PYTHONHASHSEED="1")
    assert one == digests(PYTHONHASHSEED="2", NPY_DISABLE_CPU_FEATURES=lesser)
    assert len(set(one.values())) == 2


@pytest.mark.slow
def test_in_other_pythons() -> None:
    """What the standard library draws, how a dict is ordered, how a float is written, how SQLite lays out its pages."""
    pythons = others()
    if not pythons:
        pytest.skip("no other Python with the pinned dependencies here: make same PYTHONS='python3.12 ...' runs this")
    here = digests()
    for python, text in pythons.items():
        assert digests(python) == here, f"{text} ({python}) runs the same seeds otherwise"


def test_a_seed_draws_what_it_always_drew() -> None:
    """Where only one Python is at hand: every way in which Matchday draws, against what 3.11 to 3.13 drew."""
    clock = VirtualClock(7)
    chance = clock.random("anything")
    drawn = [
        chance.random(), chance.randint(0, 10**9), chance.randrange(3, 10**6), chance.choice("abcdefgh"),
        chance.choices("abcdefgh", range(8), k=9), chance.sample(range(99), 9), chance.uniform(-1, 1),
        chance.expovariate(0.3), chance.getrandbits(72), clock.new_id(), clock.new_id(),
    ]  # fmt: skip
    found = blake2b(repr(drawn).encode(), digest_size=8).hexdigest()
    assert found == DRAWN, f"this Python draws otherwise, or the clock does: if that was meant, DRAWN = {found!r}"
